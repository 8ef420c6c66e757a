--- fdemu: POSIX file descriptors, emulated.
--
-- `require "fdemu"` gives the module: `kernel`, the constants, and what helps
-- with ioctls. DESIGN and the manual pages of Linux say what the calls do.

local core = require "fdemu.core"
local explain = require "fdemu.explain"

core.explain(explain.deadlock)

local Kernel = core.Kernel

--- Call a function in a task of its own, `seconds` of virtual time from now.
-- @return the Task, which can be cancelled
function Kernel:after(seconds, fn, ...)
  if type(seconds) ~= "number" or not (seconds >= 0) then
    error("bad argument #1 to 'after' (seconds must be a number >= 0)", 2)
  elseif type(fn) ~= "function" then
    error("bad argument #2 to 'after' (function expected, got "
      .. type(fn) .. ")", 2)
  end
  return self:spawn(function(...)
    self:sleep(seconds)
    return fn(...)
  end, ...)
end

local core_trace = Kernel.trace

local function check_format(options)
  if type(options) ~= "table" then
    error("bad argument #2 to 'trace' (table expected, got "
      .. type(options) .. ")", 3)
  end
  for key in pairs(options) do
    if key ~= "format" then
      error(("bad argument #2 to 'trace' (unknown option '%s')")
        :format(tostring(key)), 3)
    end
  end
  local format = options.format
  if format ~= nil and format ~= "strace"
    and not require "fdemu.tracefile".has(format) then
    error(("bad argument #2 to 'trace' (format '%s' is not strace, json or "
      .. "perfetto)"):format(tostring(format)), 3)
  end
  return format ~= "strace" and format or nil
end

local function check_sink(sink)
  local kind = io.type(sink)
  if kind == "closed file" then
    error("bad argument #1 to 'trace' (file is closed)", 3)
  elseif not kind and type(sink) ~= "function" and sink ~= nil then
    error(("bad argument #1 to 'trace' (a file, a function or nil expected, "
      .. "got %s)"):format(type(sink)), 3)
  end
end

--- Show every call, to a file or a function; nil: no more.
-- @param options format = "strace", or "json" or "perfetto", for which a
-- function gets pieces of text
function Kernel:trace(sink, options)
  local open, err = pcall(self.now, self)
  if err == "not enough memory" then
    error(err, 0)
  elseif not open then
    return core_trace(self, sink) -- which says that it is closed
  end
  check_sink(sink)
  local format = options ~= nil and check_format(options) or nil
  if not format or sink == nil then
    return core_trace(self, sink)
  end
  core_trace(self, nil) -- what was there ends before this begins
  return core_trace(self, require "fdemu.tracefile".open(sink, format))
end

local fdemu = {}

-- What is only for this package stays out of the module.
local private = {
  explain = true, waiting = true, Kernel = true,
  bind = true, condition = true,
  check = true, record = true, replay = true, choices = true, counts = true,
}
for name, value in next, core do
  if not private[name] then
    fdemu[name] = value
  end
end

fdemu.peer = require "fdemu.peer"
fdemu.struct = require "fdemu.struct"

-- Loaded when they are first called.
local function later(name, module)
  fdemu[name] = function(...)
    return require(module)[name](...)
  end
end

later("explore", "fdemu.explore")
later("deterministic", "fdemu.explore")
later("sweep", "fdemu.sweep")

return fdemu
