-- drivers.lua - drivers and tasks that misbehave as the bytes of a fuzzer say
--
-- Returns a function of a string. Each byte is a choice: what a method of a
-- driver does before it returns (any of acts.lua), what it returns (right or of
-- the wrong type), and which calls the tasks make meanwhile. Errors are
-- expected; what must hold is that the state fits together after each act and
-- that everything goes in the end: a second function returned here gives the
-- number of kernels that are left.

local core = require "fdemu.core"
local fdemu = require "fdemu"
local acts_of = assert(loadfile "spec/fuzz/acts.lua")()
local oom = ... -- oom(n, times): the nth allocation fails, and more after it

local MAX_ACTS = 300

local made = setmetatable({}, { __mode = "k" }) -- kernels
local kept = {} -- a few of earlier inputs, which go at odd times

local values = {
  nil, true, 0, -1, 1, 3, 1.5, 2 ^ 53, "", "x", ("long"):rep(50), {},
  print, "EAGAIN", "EIO", "NOSUCH", fdemu.EAGAIN, math.mininteger,
}

-- Choices from the bytes of data: pick(n) is the next one, 0 to n - 1, and 0
-- when they are over.
local function chooser(data)
  local at = 0
  local function pick(n)
    at = at + 1
    return (data:byte(at) or 0) % n
  end
  local function over() return at > #data end
  return pick, over
end

local function options(w)
  local pick, one_of = w.pick, w.one_of

  return {
    seed = pick(256), nofile = 20,
    short = one_of { 0, 0.5 }, eintr = one_of { 0, 0, 0.3 },
    order = one_of { "fifo", "random" }, origins = pick(2) == 1,
    strict = pick(4) == 1, honest = pick(4) ~= 1,
    space = pick(4) == 1 and 8192 or nil,
    limits = one_of { nil, nil, nil, {
      memory = pick(2) == 0 and 20000 + 500 * pick(256) or nil,
      descriptors = pick(2) == 0 and 5 + pick(10) or nil,
      tasks = pick(2) == 0 and 1 + pick(5) or nil,
      steps = pick(2) == 0 and 20 + pick(200) or nil,
    } },
  }
end

-- Methods that do what they should, or not.
local function add_devices(w)
  local pick, value = w.pick, w.value

  local function method(rightful)
    return function(...)
      while pick(3) == 0 and not w.over() do w.act() end
      if pick(3) == 0 then return value(), value(), value() end
      return rightful(...)
    end
  end

  function w.device()
    return {
      open = pick(2) == 0 and method(function() end) or nil,
      read = method(function(_, count) return ("r"):rep(count) end),
      write = method(function(_, bytes) return #bytes end),
      ioctl = method(function(_, _, arg)
        if type(arg) == "userdata" then arg:set "io" end
        return 0
      end),
      poll = pick(2) == 0 and method(function() return "rw" end) or nil,
      lseek = method(function(_, offset) return offset end),
      flush = pick(2) == 0 and method(function() end) or nil,
      release = method(function() end),
      stat = pick(2) == 0 and method(function() return {} end) or nil,
      truncate = method(function() end), sync = method(function() end),
      seekable = pick(3) == 0 or nil, short = pick(2) == 0 or nil,
    }
  end

  function w.peer()
    local does = {
      function(dev) return dev:read(pick(9)) end,
      function(dev) return dev:readline("w", pick(3)) end,
      function(dev) return dev:expect("w+", pick(3)) end,
      function(dev) return dev:write(("p"):rep(pick(60))) end,
      function(dev) return dev:sleep(pick(3) / 2) end,
      w.act,
    }
    return fdemu.peer(function(dev)
      while pick(5) ~= 0 and not w.over() do w.one_of(does)(dev) end
    end)
  end
end

local function new_world(data)
  local w = {
    procs = {}, tasks = {}, descs = {}, threads = {}, rules = {}, buffers = {},
    acts = 0, oom = oom,
  }
  w.pick, w.over = chooser(data)
  local pick = w.pick

  function w.one_of(list) return list[pick(math.max(#list, 1)) + 1] end
  function w.value() return values[pick(18) + 1] end
  function w.fd() return pick(13) end
  function w.buffer() return fdemu.buffer(pick(16)) end

  function w.act()
    w.acts = w.acts + 1
    if w.over() or w.acts > MAX_ACTS then return end
    return w.one_of(w.list)()
  end

  -- A kernel of its own that has something in flight.
  function w.other()
    local k = fdemu.kernel { order = "random", seed = pick(9) }
    local p = k:process { stdout = "null", stderr = "null" }
    local r = p:pipe()
    made[k] = true
    p:spawn(function() p:read(r, 1) end)
    k:run(0)
    local i = pick(4) + 1
    local old = kept[i]
    kept[i] = pick(2) == 0 and { k, p } or nil
    return old and old[1]:run(1)
  end

  -- A search among few runs, whose body does some of this to its own kernel.
  function w.explore()
    local k, procs = w.k, { table.unpack(w.procs) }
    local function body(own)
      made[own] = true
      w.k = own
      for i = #w.procs, 1, -1 do w.procs[i] = nil end
      w.procs[1] = own:process { stdout = "null", stderr = "null" }
      for _ = 1, pick(6) do w.act() end
    end
    local ok, message
    if pick(2) == 0 then
      ok, message = pcall(fdemu.explore, { runs = 2, shrink = 5 }, body)
    else
      ok, message = pcall(fdemu.sweep, body,
        { calls = "read,close", errnos = { "EIO" } })
    end
    w.k = k
    for i = 1, math.max(#procs, #w.procs) do w.procs[i] = procs[i] end
    if not ok then error(message, 0) end
  end

  add_devices(w)
  w.list = acts_of(w)
  return w
end

local function furnish(w)
  local k, p = w.k, w.procs[1]

  k:device("/dev/odd", w.device())
  k:device("/dev/odd2", w.device())
  k:device("/dev/peer", w.peer())
  w.descs[1] = k:description(w.device(), fdemu.O_RDWR)
  pcall(p.install, p, w.descs[1], 3)
  pcall(p.open, p, "/dev/odd", fdemu.O_RDWR)
  pcall(p.pipe, p)
  pcall(p.socketpair, p)
  pcall(p.epoll_create1, p, 0)
  pcall(p.eventfd, p, 0)
  pcall(p.memfd_create, p, "m")
  pcall(p.open, p, "/dev/peer", fdemu.O_RDWR)
end

local function run(data)
  local w = new_world(data)
  local pick = w.pick
  local k = fdemu.kernel(options(w))
  w.k = k
  made[k] = true

  local function check(what)
    oom(0)
    local ok, wrong = pcall(core.check, k)
    if ok and wrong then error(what .. ": " .. wrong, 0) end
  end

  w.procs[1] = k:process { stdout = "null", stderr = "capture" }
  pcall(furnish, w)
  -- An error is the answer to much of this; a broken state never is.
  while not w.over() and w.acts <= MAX_ACTS do
    pcall(w.act)
    check "after an act"
    if pick(4) == 0 then
      pcall(k.run, k, 1)
      check "after a run"
    end
  end
  pcall(k.run, k, 10)
  check "at the end"
  for _, p in ipairs(w.procs) do pcall(p.exit, p, 0) end
  if pick(2) == 0 then pcall(k.close, k) end
end

local function left()
  kept = {}
  for _ = 1, 4 do collectgarbage() end
  local n = 0
  for _ in pairs(made) do n = n + 1 end
  return n
end

return run, left
