-- drivers.lua - drivers and tasks that misbehave as the bytes of a fuzzer say
--
-- Returns a function of a string. Each byte is a choice: what a method of a
-- driver does before it returns (raise, yield, close, dup, fork, exit, collect,
-- wait, call itself), what it returns (right or of the wrong type), and which
-- calls the tasks make meanwhile. Errors are expected; what must hold is that
-- the state fits together and that everything goes in the end.

local core = require "fdemu.core"
local fdemu = require "fdemu"

local MAX_ACTS = 300

return function(data)
  local at, acts = 0, 0

  -- The next choice among n, from 0; 0 when the bytes are over.
  local function pick(n)
    at = at + 1
    return (data:byte(at) or 0) % n
  end

  local function one_of(list) return list[pick(math.max(#list, 1)) + 1] end

  local k = fdemu.kernel {
    seed = pick(256), nofile = 16,
    short = one_of { 0, 0.5 }, order = one_of { "fifo", "random" },
    origins = pick(2) == 1, strict = pick(4) == 1,
  }
  local procs = { k:process { stdout = "null", stderr = "capture" } }
  local tasks, descs = {}, {}

  local function proc() return one_of(procs) end
  local function fd() return pick(12) end

  local values = {
    nil, true, 0, -1, 1, 3, 1.5, 2 ^ 53, "", "x", ("long"):rep(50), {},
    print, "EAGAIN", "EIO", "NOSUCH", coroutine.create(print), fdemu.EAGAIN,
  }
  local function value() return values[pick(18) + 1] end

  -- Something that a method or a task might do, however unwise.
  local act
  local acts_list = {
    function() return proc():read(fd(), pick(40)) end,
    function() return proc():write(fd(), ("w"):rep(pick(60))) end,
    function() return proc():close(fd()) end,
    function() return proc():dup2(fd(), fd()) end,
    function() return proc():dup(fd()) end,
    function() return proc():pipe() end,
    function() return proc():ioctl(fd(), fdemu.FIONREAD) end,
    function() return proc():ioctl(fd(), pick(256), fdemu.buffer(pick(16))) end,
    function() return proc():poll({ { fd = fd(), events = pick(8) },
      { fd = fd(), events = pick(8) } }, pick(3) - 1) end,
    function() return proc():open(one_of { "/dev/odd", "/dev/null", "/dev/odd2",
      "/nothing" }, pick(4) == 0 and fdemu.O_NONBLOCK or fdemu.O_RDWR) end,
    function() return proc():eventfd(pick(3), pick(2) * fdemu.O_NONBLOCK) end,
    function() return proc():epoll_create1(0) end,
    function() return proc():epoll_ctl(fd(), pick(3) + 1, fd(), pick(8),
      pick(9)) end,
    function() return proc():epoll_wait(fd(), pick(4) + 1, pick(3) - 1) end,
    function() return proc():fcntl(fd(), fdemu.F_SETFL,
      pick(2) * fdemu.O_NONBLOCK) end,
    function() return proc():flock(fd(), one_of { 1, 2, 8, 6 }) end,
    function() return proc():lseek(fd(), pick(20), pick(4)) end,
    function() return proc():fstat(fd()) end,
    function() return proc():select({ fd() }, { fd() }, nil, pick(2)) end,
    function()
      if #procs < 6 then procs[#procs + 1] = proc():fork() end
    end,
    function()
      if #procs > 1 then
        local i = pick(#procs) + 1
        local p = table.remove(procs, i)
        p:exit(pick(3))
      end
    end,
    function() return proc():wait() end,
    function() return proc():exec() end,
    function() collectgarbage() end,
    function() return k:sleep(pick(3)) end,
    function() return coroutine.yield(value()) end,
    function() error(value(), 0) end,
    function() return coroutine.wrap(act)() end,
    function() return ("x"):gsub("x", function() act() end) end,
    function()
      local d = one_of(descs)
      if d then d:wake() end
    end,
    function()
      local d = one_of(descs)
      if d then
        d[one_of { "read", "write", "poll", "ioctl", "flush", "release" }] =
          pick(2) == 0 and function() act() return value() end or nil
      end
    end,
    function() descs[#descs + 1] = proc():description(fd()) end,
    function()
      local d = one_of(descs)
      if d then return proc():install(d, pick(8)) end
    end,
    function()
      local t = one_of(tasks)
      if t then t:cancel() end
    end,
    function()
      local t = one_of(tasks)
      if t then return t:join() end
    end,
    function()
      if #tasks < 12 then tasks[#tasks + 1] = k:spawn(act) end
    end,
    function() return k:run(pick(2)) end,
    function() return k:lsof(), k:leaks(), k:now() end,
    function() k:trace(pick(2) == 0 and function() act() end or nil) end,
    function()
      local rule = k:inject { call = one_of { "read", "write", "close" },
        when = one_of { "1", "2+", "1..3" }, errno = "EIO", optional = true }
      if pick(2) == 0 then rule:remove() end
    end,
    function()
      local d = one_of(descs)
      if d and d.read then return d:read(pick(9)) end
    end,
    function() return tostring(k), tostring(proc()), tostring(one_of(tasks)) end,
  }

  act = function()
    acts = acts + 1
    if at > #data or acts > MAX_ACTS then return end
    return one_of(acts_list)()
  end

  local function method(rightful)
    return function(...)
      while pick(3) == 0 and at <= #data do act() end
      if pick(3) == 0 then return value(), value(), value() end
      return rightful(...)
    end
  end

  local function device()
    return {
      open = pick(2) == 0 and method(function() end) or nil,
      read = method(function(_, count) return ("r"):rep(count) end),
      write = method(function(_, bytes) return #bytes end),
      ioctl = method(function() return 0 end),
      poll = pick(2) == 0 and method(function() return "rw" end) or nil,
      lseek = method(function(_, offset) return offset end),
      flush = method(function() end),
      release = method(function() end),
      stat = pick(2) == 0 and method(function() return {} end) or nil,
      seekable = pick(3) == 0 or nil,
    }
  end

  k:device("/dev/odd", device())
  k:device("/dev/odd2", device())
  descs[1] = k:description(device(), fdemu.O_RDWR)
  pcall(function() procs[1]:install(descs[1], 3) end)
  pcall(procs[1].open, procs[1], "/dev/odd", fdemu.O_RDWR)
  pcall(procs[1].pipe, procs[1])

  local function check(what)
    local wrong = core.check(k)
    if wrong then error(what .. ": " .. wrong, 0) end
  end

  -- An error is the answer to much of this; a broken state never is.
  while at <= #data and acts <= MAX_ACTS do
    pcall(act)
    check "after an act"
    if pick(4) == 0 then
      pcall(k.run, k, 1)
      check "after a run"
    end
  end
  pcall(k.run, k, 10)
  check "at the end"
  for _, p in ipairs(procs) do pcall(p.exit, p, 0) end
  if pick(2) == 0 and _VERSION ~= "Lua 5.3" then
    pcall(getmetatable(k).__close, k)
  end
end
