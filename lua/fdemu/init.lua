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

local fdemu = {}

-- What is only for this package stays out of the module.
local private = {
  explain = true, waiting = true, Kernel = true,
  bind = true, condition = true,
  check = true, record = true, replay = true, choices = true,
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
