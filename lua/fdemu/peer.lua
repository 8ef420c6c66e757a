--- Devices as sequential code.
--
--   k:device("/dev/modem", fdemu.peer(function(dev)
--     dev:expect "AT\r"
--     dev:write "OK\r\n"
--   end))
--
-- The body runs once for each open (each description), as a daemon task. What
-- the program writes arrives in the body, and what the body writes is read by
-- the program. The end of the body is the end of file for the program; an error
-- in it is raised by the program's next call, or else by k:run().

local core = require "fdemu.core"

local Dev = {}
local dev_meta = { __index = Dev, __name = "fdemu.Dev" }

local ROOM = 4096 -- bytes in each direction, as a terminal's

-- ---- a queue of bytes -----------------------------------------------------

-- Strings in a list, and how much of the first is taken.
local function queue()
  return { first = 1, last = 0, taken = 0, size = 0 }
end

local function push(q, s)
  if s ~= "" then
    q.last = q.last + 1
    q[q.last] = s
    q.size = q.size + #s
  end
end

-- All of it, as one string that stays in the queue.
local function flat(q)
  if q.size == 0 then
    return ""
  end
  if q.last > q.first or q.taken > 0 then
    local s = table.concat(q, "", q.first, q.last):sub(q.taken + 1)
    for i = q.first, q.last do
      q[i] = nil
    end
    q.first, q.last, q.taken = 1, 1, 0
    q[1] = s
  end
  return q[q.first]
end

local function pop(q, n)
  local parts = {}
  n = math.min(n, q.size)
  q.size = q.size - n
  while n > 0 do
    local s = q[q.first]
    local part = s:sub(q.taken + 1, q.taken + n)
    parts[#parts + 1] = part
    n = n - #part
    q.taken = q.taken + #part
    if q.taken == #s then
      q[q.first] = nil
      q.first, q.taken = q.first + 1, 0
    end
  end
  return table.concat(parts)
end

-- ---- what the body does ---------------------------------------------------

local function bad_argument(n, name, message, ...)
  error(("bad argument #%d to '%s' (%s)"):format(n, name, message:format(...)),
    3)
end

-- dev.read(n) instead of dev:read(n)
local function check_self(dev, name)
  if getmetatable(dev) ~= dev_meta then
    error(("calling '%s' on a bad self (fdemu.Dev expected, got %s)")
      :format(name, type(dev)), 3)
  end
end

local function is_time(seconds)
  return type(seconds) == "number" and seconds >= 0
end

-- Bytes wait in input, of which there is room for so many, until the body asks
-- for more than it has received.
local function fill(dev)
  local n = dev.input.size
  if n == 0 then
    return false
  end
  push(dev.received, pop(dev.input, n))
  if n >= dev.room and not dev.closed then
    dev.description:wake "w"
  end
  return true
end

local INSTANT = 0.5e-9 -- seconds: the clock does not know less than twice that

-- Wait until done() is true, or nothing more can come: nil, or it is too late:
-- false.
local function wait_for(dev, done, seconds)
  local kernel = dev.description.kernel
  local deadline = seconds and kernel:now() + seconds
  while not done() do
    if not fill(dev) then
      if dev.closed then
        return nil
      end
      local left = deadline and deadline - kernel:now()
      if left and left < INSTANT then
        return false
      end
      dev.written:wait(left)
    end
  end
  return true
end

--- Exactly n bytes, or, if the program closes before, fewer; without n: what
-- there is, but at least one. Nil at the end.
function Dev:read(n)
  check_self(self, "read")
  if n ~= nil and (math.type(n) ~= "integer" or n < 0) then
    bad_argument(1, "read", "count must be an integer >= 0")
  end
  if n == nil then
    fill(self)
  end
  wait_for(self, function() return self.received.size >= (n or 1) end)
  local s = pop(self.received, n or self.received.size)
  return (s ~= "" or n == 0) and s or nil
end

--- What comes before sep, by default a newline, which is taken and left out. At
-- the end the rest, and then nil.
function Dev:readline(sep)
  check_self(self, "readline")
  sep = sep == nil and "\n" or sep
  if type(sep) ~= "string" or sep == "" then
    bad_argument(1, "readline", "separator must be a string that is not empty")
  end
  local from, to
  wait_for(self, function()
    from, to = flat(self.received):find(sep, 1, true)
    return from
  end)
  if from then
    return pop(self.received, to):sub(1, from - 1)
  end
  local s = pop(self.received, self.received.size)
  return s ~= "" and s or nil
end

local function shown(s)
  if #s > 200 then
    s = s:sub(1, 100) .. "..." .. s:sub(-97)
  end
  return '"' .. s:gsub('[%c\\"\x7f-\xff]', function(c)
    local names = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t",
      ["\\"] = "\\\\", ['"'] = '\\"' }
    return names[c] or ("\\x%02x"):format(c:byte())
  end) .. '"'
end

--- Wait until what the program has written matches a pattern, and take all up
-- to the end of the match. Gives the captures, or the match. Raises when it
-- takes longer than that many seconds, or the program closes.
function Dev:expect(pattern, seconds)
  check_self(self, "expect")
  if type(pattern) ~= "string" then
    bad_argument(1, "expect", "string expected, got %s", type(pattern))
  end
  if seconds ~= nil and not is_time(seconds) then
    bad_argument(2, "expect", "seconds must be a number >= 0")
  end
  local ok, err = pcall(string.find, "", pattern)
  if not ok then
    bad_argument(1, "expect", "%s", err)
  end
  seconds = seconds or self.seconds
  local found
  local there = wait_for(self, function()
    found = table.pack(flat(self.received):find(pattern))
    return found[1]
  end, seconds)
  if not there then
    error(("expect %s: %s; received so far: %s"):format(shown(pattern),
      there == nil and "the program has closed it"
      or ("nothing of the kind in %g s"):format(seconds),
      shown(flat(self.received))), 2)
  end
  local s = pop(self.received, found[2])
  if found.n > 2 then
    return table.unpack(found, 3, found.n)
  end
  return s:sub(found[1])
end

--- Let the program read s. Waits while the buffer is full. Nil, message and
-- EPIPE when the program has closed it.
function Dev:write(s)
  check_self(self, "write")
  if type(s) ~= "string" and type(s) ~= "number" then
    bad_argument(1, "write", "string expected, got %s", type(s))
  end
  s = tostring(s)
  local at = 1
  repeat
    while not self.closed and self.output.size >= self.room do
      self.taken:wait()
    end
    if self.closed then
      return nil, core.strerror(core.EPIPE), core.EPIPE
    end
    local n = math.min(self.room - self.output.size, #s - at + 1)
    push(self.output, s:sub(at, at + n - 1))
    at = at + n
    self.description:wake "r"
  until at > #s
  return #s
end

--- Let time pass.
function Dev:sleep(seconds)
  check_self(self, "sleep")
  if not is_time(seconds) then
    bad_argument(1, "sleep", "seconds must be a number >= 0")
  end
  self.description.kernel:sleep(seconds)
end

function dev_meta:__tostring()
  return ("fdemu.Dev: %d bytes to read"):format(self.received.size + self.input.size)
end

-- ---- what the program does ------------------------------------------------

local DEV = {} -- the key of a description's dev

local function check_body(dev)
  if dev.task.status == "error" then
    dev.task:join() -- raises its error
  end
end

local function over(dev)
  local status = dev.task.status
  return status == "done" or status == "error" or status == "cancelled"
end

-- The dev of a description; the body begins when it is first used.
local function dev_of(self, ops)
  local dev = self[DEV]
  if dev == nil then
    local kernel = self.kernel
    dev = setmetatable({ description = self, flags = self.flags,
      seconds = ops.seconds, room = ops.room, input = queue(),
      received = queue(), output = queue(), written = core.condition(kernel),
      taken = core.condition(kernel) }, dev_meta)
    self[DEV] = dev
    dev.task = kernel:spawn { ops.body, dev, daemon = true,
      name = "peer of " .. self.kind }
    core.bind(dev.task, self)
  end
  return dev
end

local methods = {}

function methods.open(ops, self)
  dev_of(self, ops)
end

function methods.read(ops, self, count)
  local dev = dev_of(self, ops)
  check_body(dev)
  if dev.output.size == 0 then
    if over(dev) or count == 0 then
      return ""
    end
    return nil, core.EAGAIN
  end
  local s = pop(dev.output, count)
  dev.taken:signal()
  return s
end

function methods.write(ops, self, data)
  local dev = dev_of(self, ops)
  check_body(dev)
  if over(dev) then
    return nil, core.EIO
  end
  local n = math.min(dev.room - dev.input.size, #data)
  if n <= 0 and data ~= "" then
    return nil, core.EAGAIN
  end
  push(dev.input, data:sub(1, n))
  dev.written:signal()
  return n, core.EAGAIN -- for the rest, if there is one
end

-- A hangup looks as it does on a terminal.
function methods.poll(ops, self)
  local dev = dev_of(self, ops)
  local mask = 0
  check_body(dev)
  if over(dev) then
    mask = core.POLLIN | core.POLLRDNORM | core.POLLOUT | core.POLLWRNORM
      | core.POLLERR | core.POLLHUP
  end
  if dev.output.size > 0 then
    mask = mask | core.POLLIN | core.POLLRDNORM
  end
  if dev.input.size < dev.room then
    mask = mask | core.POLLOUT | core.POLLWRNORM
  end
  return mask
end

function methods.ioctl(ops, self, request, arg)
  local dev = dev_of(self, ops)
  check_body(dev)
  local handler = ops.handlers
  if type(handler) == "table" then
    handler = handler[request]
  elseif handler then
    return handler(dev, request, arg)
  end
  if handler then
    return handler(dev, arg)
  elseif request ~= core.FIONREAD then
    return nil, core.ENOTTY
  elseif type(arg) == "userdata" then
    arg:pack("<i4", 0, dev.output.size)
    return 0
  end
  return dev.output.size
end

function methods.release(_, self)
  local dev = self[DEV]
  if dev then
    dev.closed = true
    dev.written:signal()
    dev.taken:signal()
  end
end

-- ---- peers ----------------------------------------------------------------

-- Other slots may be given as for any driver.
local slots = { fcntl = "function", stat = "function", flock = "function",
  truncate = "function", sync = "function", flush = "function",
  lseek = "function", name = "string", requests = "table" }

local function bad_option(name, message, ...)
  error(("bad option '%s' of a peer: %s"):format(name, message:format(...)), 4)
end

local function check_ioctl(handlers)
  if type(handlers) == "table" then
    for request, handler in next, handlers do
      if math.type(request) ~= "integer" or type(handler) ~= "function" then
        bad_option("ioctl", "functions by request number expected")
      end
    end
  elseif handlers ~= nil and type(handlers) ~= "function" then
    bad_option("ioctl", "table or function expected, got %s", type(handlers))
  end
end

local function check_options(options)
  for name, value in next, options do
    if slots[name] then
      if type(value) ~= slots[name] then
        bad_option(name, "%s expected, got %s", slots[name], type(value))
      end
    elseif name == "seconds" then
      if not is_time(value) then
        bad_option(name, "a number >= 0 expected")
      end
    elseif name == "buffer" then
      if math.type(value) ~= "integer" or value < 1 then
        bad_option(name, "an integer > 0 expected")
      end
    elseif name ~= "ioctl" then
      bad_option(tostring(name), "there is no such option")
    end
  end
end

--- A driver for k:device() and k:description().
-- Options: seconds (how long expect waits unless it is told; for ever),
-- buffer (bytes in each direction; 4096), ioctl (handler(dev, request, arg), or
-- a table of handler(dev, arg) by request), name, and other slots.
return function(body, options)
  if type(body) ~= "function" then
    error(("bad argument #1 to 'peer' (function expected, got %s)")
      :format(type(body)), 2)
  elseif options ~= nil and type(options) ~= "table" then
    error(("bad argument #2 to 'peer' (table expected, got %s)")
      :format(type(options)), 2)
  end
  options = options or {}
  check_options(options)
  check_ioctl(options.ioctl)
  local ops = { body = body, seconds = options.seconds,
    room = options.buffer or ROOM, handlers = options.ioctl }
  local driver = {}
  for name, method in next, methods do
    driver[name] = function(...)
      return method(ops, ...)
    end
  end
  for name in next, slots do
    driver[name] = options[name]
  end
  return driver
end
