-- gc_spec.lua - a full collection wherever there can be one: at every call, in
-- every method of a driver, with kernels dropped while tasks wait

local fdemu = require "fdemu"
local core = require "fdemu.core"
local meta = dofile "tools/meta.lua"

local close = coroutine.close -- of Lua 5.4

-- f, with a full collection before each line and each call of a function.
local function collecting(f)
  debug.sethook(function() collectgarbage() end, "cl")
  local ok, message = pcall(f)
  debug.sethook()
  if not ok then error(message, 0) end
end

-- The same in a coroutine of the kernel, which has a hook of its own.
local function collecting_task(f)
  return function()
    debug.sethook(function() collectgarbage() end, "cl")
    f()
  end
end

-- A device all of whose methods collect, and make garbage.
local function collector()
  local function with(f)
    return function(...)
      collectgarbage()
      local result = f(...)
      collectgarbage()
      return result
    end
  end
  return {
    open = with(function() end),
    read = with(function(_, count) return ("r"):rep(count) end),
    write = with(function(_, data) return #data end),
    ioctl = with(function() return 5 end),
    poll = with(function() return "rw" end),
    lseek = with(function(_, offset) return offset end),
    fcntl = with(function() return 3 end),
    flock = with(function() end),
    truncate = with(function() end),
    sync = with(function() end),
    stat = with(function() return { st_size = 9 } end),
    flush = with(function() end),
    release = with(function() end),
  }
end

-- Waits that need more than one call: functions that wait for ever in process p
-- of kernel k.
local waits = {
  ["a read"] = function(_, p)
    local r = p:pipe()
    p:read(r, 1)
  end,
  ["a write"] = function(_, p)
    local _, w = p:pipe()
    p:write(w, ("x"):rep(200000))
  end,
  ["a sleep"] = function(k) k:sleep(1e6) end,
  ["epoll_wait"] = function(_, p)
    local r, ep = p:pipe(), p:epoll_create1(0)
    p:epoll_ctl(ep, fdemu.EPOLL_CTL_ADD, r, fdemu.EPOLLIN, r)
    p:epoll_wait(ep, 1)
  end,
  ["a lock"] = function(_, p)
    local one = p:open("/tmp/lock", fdemu.O_RDWR | fdemu.O_CREAT, 384)
    local two = p:open("/tmp/lock", fdemu.O_RDWR)
    p:flock(one, fdemu.LOCK_EX)
    p:flock(two, fdemu.LOCK_EX)
  end,
  ["a record lock"] = function(_, p)
    local fd = p:open("/tmp/lock", fdemu.O_RDWR | fdemu.O_CREAT, 384)
    p:fork():fcntl(fd, fdemu.F_SETLK, { l_type = fdemu.F_WRLCK })
    p:fcntl(fd, fdemu.F_SETLKW, { l_type = fdemu.F_WRLCK })
  end,
  ["an open of a FIFO"] = function(_, p)
    p:mkfifo "/tmp/fifo"
    p:open("/tmp/fifo", "r")
  end,
  ["a readv"] = function(_, p)
    local r = p:pipe()
    p:readv(r, { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 })
  end,
  ["a writev"] = function(_, p)
    local _, w = p:pipe()
    p:writev(w, { ("x"):rep(70000), "y" })
  end,
  ["sendmsg"] = function(_, p)
    p:sendmsg((p:socketpair(fdemu.AF_UNIX, fdemu.SOCK_STREAM, 0)),
      { data = ("x"):rep(1000000) })
  end,
  ["a peer that says nothing"] = function(k, p)
    k:device("/dev/peer", fdemu.peer(function(dev) dev:read(100) end))
    p:read(p:open("/dev/peer", "r+"), 1)
  end,
  ["the exit of a child"] = function(_, p)
    p:fork()
    p:wait()
  end,
  ["the end of a task"] = function(k)
    k:spawn { function() k:sleep(1e6) end, daemon = true }:join()
  end,
  ["a driver that waits"] = function(_, p)
    p:read(p:open("/dev/sleepy", fdemu.O_RDONLY), 1)
  end,
  ["a driver that is not ready"] = function(_, p)
    p:read(p:open("/dev/never", fdemu.O_RDONLY), 1)
  end,
}

-- The names of a driver's methods, from the table where they are registered.
local function slots()
  local class = debug.getregistry()["fdemu.Description"]
  local _, natives = debug.getupvalue(class.__index, 2)
  local names = { "open" }
  for name in pairs(natives) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function make()
  local k = fdemu.kernel()
  local sleepy = {}
  for _, name in ipairs(slots()) do
    if name ~= "open" and name ~= "poll" then -- a poll cannot wait
      sleepy[name] = function() k:sleep(1e6) end
    end
  end
  k:device("/dev/sleepy", sleepy)
  k:device("/dev/opening", { open = sleepy.read })
  k:device("/dev/never", {
    read = function() return nil, "EAGAIN" end,
    poll = function() return "" end,
  })
  return k, k:process { stdout = "null", stderr = "null" }
end

-- ---- every method of a process that can wait ------------------------------

-- What there is to wait for: a descriptor.
local objects = {
  ["a child"] = function(_, p) p:fork() end, -- or what has no descriptor yet
  ["a pipe without data"] = function(_, p) return (p:pipe()) end,
  ["a full pipe"] = function(_, p)
    local _, w = p:pipe()
    p:write(w, ("x"):rep(65536))
    return w
  end,
  ["a socket without data"] = function(_, p) return (p:socketpair()) end,
  ["a full socket"] = function(_, p)
    local a = p:socketpair()
    repeat until not p:send(a, ("x"):rep(10000), fdemu.MSG_DONTWAIT)
    return a
  end,
  ["an eventfd"] = function(_, p) return p:eventfd(0) end,
  ["a full eventfd"] = function(_, p)
    local fd = p:eventfd(0)
    p:eventfd_write(fd, -2)
    return fd
  end,
  ["a timerfd"] = function(_, p) return p:timerfd_create() end,
  ["an epoll"] = function(_, p) return p:epoll_create1(0) end,
  ["a locked file"] = function(_, p)
    local fd = p:open("/tmp/locked", "w+")
    p:fork():fcntl(fd, fdemu.F_SETLK, { l_type = fdemu.F_WRLCK })
    p:flock(p:open("/tmp/locked", "r"), fdemu.LOCK_EX)
    return fd
  end,
  ["a slow driver"] = function(_, p) return p:open("/dev/sleepy", "r+") end,
}

-- Arguments that calls of all sorts take; first those without a descriptor.
local bare = {
  function() end,
  function() return "/dev/opening" end,
  function() return "/tmp/fifo" end,
  function() return "/dev/sleepy", 8 end,
  function(p) return p:open("/dev", "r"), "opening" end,
}
local shapes = {
  function(_, fd) return fd end,
  function(_, fd) return fd, 8 end,
  function(_, fd) return fd, fdemu.LOCK_EX end,
  function(_, fd) return fd, ("x"):rep(8) end,
  function(_, fd) return fd, { 8 } end,
  function(_, fd) return fd, { ("x"):rep(8) } end,
  function(_, fd) return fd, { data = "x" } end,
  function(_, fd) return fd, 1, 1 end,
  function(_, fd) return fd, "x", 1 end,
  function(_, fd) return fd, { 1 }, 1 end,
  function(_, fd) return fd, { "x" }, 1 end,
  function(_, fd) return 0, fd end,
  function(_, fd) return 0, fd, fdemu.O_CLOEXEC end,
  function(_, fd) return fd, fdemu.F_SETLKW, { l_type = fdemu.F_WRLCK } end,
  function(_, fd) return { { fd = fd, events = fdemu.POLLIN } } end,
  function(_, fd) return { fd } end,
  function(p, fd) return fd, select(2, p:pipe()), 1 end,
  function(p, fd) return fd, nil, select(2, p:pipe()), nil, 1 end,
  function(p, fd) return select(2, p:pipe()), fd, nil, 1 end,
}

-- Starts a task in a kernel of its own that makes a call; nil unless it waits.
local function park(name, object, shape)
  local k, p = make()
  local parked = { k = k, p = p }
  p:mkfifo "/tmp/fifo"
  local fd = objects[object](k, p)
  local args = table.pack(shape(p, fd))
  parked.t = k:spawn(function()
    parked.co = coroutine.running()
    pcall(p[name], p, table.unpack(args, 1, args.n))
  end)
  k:run(1)
  if parked.t.status == "waiting" then return parked end
  k:close()
end

-- The first arguments with which a method waits for an object.
local function shape_that_waits(name, object)
  for _, shape in ipairs(object == "a child" and bare or shapes) do
    local parked = park(name, object, shape)
    if parked then
      parked.k:close()
      return shape
    end
  end
end

-- Each method of the registration tables that waits when it is called in one of
-- these ways: name -> object -> how.
local find_waits = (function()
  local found
  return function()
    if found then return found end
    found = {}
    for full in pairs(meta.actual()) do
      local name = full:match "^Process:(.*)$"
      for object in pairs(name and objects or {}) do
        local shape = shape_that_waits(name, object)
        if shape then
          found[name] = found[name] or {}
          found[name][object] = shape
        end
      end
    end
    return found
  end
end)()

-- f(where, list of what park() gives) for each method, with all its objects.
local function each_wait(f)
  for name, list in pairs(find_waits()) do
    local parked = {}
    for object, shape in pairs(list) do
      parked[#parked + 1] = assert(park(name, object, shape))
    end
    f(name, parked)
  end
end

-- Whether a kernel is as it should be, and works.
local function check(where, parked)
  assert.is_nil(core.check(parked.k), where)
  local r, w = parked.p:pipe()
  parked.p:write(w, "x")
  assert.equal("x", parked.p:read(r, 1), where)
  parked.k:close()
end

describe("every method of a process that can wait", function()
  it("is one of these", function()
    local names = {}
    for name in pairs(find_waits()) do names[#names + 1] = name end
    table.sort(names)
    assert.equal("close creat epoll_wait eventfd_read eventfd_write fcntl "
      .. "fdatasync flock fstat fsync ftruncate ioctl isatty lseek open openat "
      .. "poll read readv recv recvmsg select send sendfile sendmsg splice tee "
      .. "vmsplice wait write writev", table.concat(names, " "))
  end)

  it("is collected with a kernel that is dropped", function()
    each_wait(function(name, parked)
      local weak = setmetatable({}, { __mode = "k" })
      for i, each in ipairs(parked) do
        assert.is_nil(core.check(each.k), name)
        weak[each.k] = true
        parked[i] = nil
      end
      for _ = 1, 4 do collectgarbage() end
      assert.is_nil(next(weak), name)
    end)
  end)

  it("ends when its kernel is closed", function()
    each_wait(function(name, parked)
      collectgarbage()
      for _, each in ipairs(parked) do
        each.k:close()
        assert.equal("cancelled", each.t.status, name)
      end
      collectgarbage()
    end)
  end)

  it("ends when its task is cancelled", function()
    each_wait(function(name, parked)
      for _, each in ipairs(parked) do each.t:cancel() end
      collectgarbage()
      for _, each in ipairs(parked) do check(name, each) end
    end)
  end)

  if close then
    it("ends when its coroutine is closed", function()
      each_wait(function(name, parked)
        for _, each in ipairs(parked) do
          assert.is_true(close(each.co), name)
          assert.equal("cancelled", each.t.status, name)
        end
        collectgarbage()
        for _, each in ipairs(parked) do check(name, each) end
      end)
    end)
  end
end)

describe("with a full collection at every line", function()
  it("calls give what they always give", function()
    local k, p = make()
    collecting(function()
      local r, w = p:pipe()
      assert.equal(5, p:write(w, "hello"))
      assert.equal("hello", p:read(r, 10))
      assert.equal(6, p:writev(w, { "one", "two" }))
      assert.same({ "on", "etwo" }, p:readv(r, { 2, 10 }))
      local d = p:description(r)
      assert.equal("pipe", d.kind or "pipe")
      local q = p:fork()
      assert.equal(3, q:write(w, "xyz"))
      q:exit(3)
      assert.is_number((p:wait()))
      assert.equal("xyz", p:read(r, 3))
      local fd = p:memfd_create("m")
      p:write(fd, ("y"):rep(10000))
      assert.equal(10000, p:fstat(fd).st_size)
      assert.is_table(k:lsof())
      assert.is_nil((p:read(99, 1)))
      assert.is_nil(core.check(k))
    end)
    k:close()
  end)

  it("tasks take turns", function()
    local k, p = make()
    local r, w = p:pipe()
    local out = {}
    k:spawn(collecting_task(function()
      for i = 1, 3 do
        p:write(w, ("%d"):format(i))
        k:sleep(1)
      end
      p:close(w)
    end))
    k:spawn(collecting_task(function()
      while true do
        local s = p:read(r, 1)
        if s == "" then break end
        out[#out + 1] = s
      end
    end))
    collecting(function() k:run() end)
    assert.same({ "1", "2", "3" }, out)
    assert.is_nil(core.check(k))
    k:close()
  end)

  it("tracing, faults and choices work", function()
    local k = fdemu.kernel { seed = 3, order = "random", origins = true }
    local p = k:process { stdout = "null", stderr = "null" }
    local lines = {}
    collecting(function()
      k:trace(function(line) lines[#lines + 1] = line end)
      k:inject { call = "read", errno = "EIO", when = "2" }
      local r, w = p:pipe()
      p:write(w, "ab")
      assert.equal("a", p:read(r, 1))
      assert.is_nil((p:read(r, 1)))
      p:close(w)
    end)
    assert.is_true(#lines >= 5)
    assert.is_nil(core.check(k))
    k:close()
  end)
end)

describe("a driver's methods", function()
  it("may collect, each of them", function()
    local k, p = make()
    local called, ops = {}, collector()
    for name, method in pairs(ops) do
      ops[name] = function(...)
        called[name] = true
        return method(...)
      end
    end
    k:device("/dev/gc", ops)
    local fd = p:open("/dev/gc", fdemu.O_RDWR)
    assert.equal("rrr", p:read(fd, 3))
    assert.equal(4, p:write(fd, "data"))
    assert.equal(5, p:ioctl(fd, 1))
    assert.equal(1, (p:poll({ { fd = fd, events = fdemu.POLLIN } }, 0)))
    p:lseek(fd, 3, fdemu.SEEK_SET)
    assert.equal(3, p:fcntl(fd, 5000, 1))
    assert.equal(0, p:flock(fd, fdemu.LOCK_EX))
    assert.equal(0, p:ftruncate(fd, 5))
    assert.equal(0, p:fsync(fd))
    assert.equal(9, p:fstat(fd).st_size)
    local ep = p:epoll_create1(0)
    p:epoll_ctl(ep, fdemu.EPOLL_CTL_ADD, fd, fdemu.EPOLLIN, 1)
    p:epoll_wait(ep, 1, 0)
    p:close(fd)
    for _, name in ipairs(slots()) do
      assert.is_true(called[name], name .. " was not called")
    end
    assert.is_nil(core.check(k))
    k:close()
  end)

  it("may be all that is left of a script that has gone", function()
    local k, p = make()
    local fd
    do
      local ops = collector()
      k:device("/dev/gc", ops)
      fd = p:open("/dev/gc", fdemu.O_RDWR)
    end
    collectgarbage()
    collectgarbage()
    assert.equal("rr", p:read(fd, 2))
    k:close()
  end)
end)

if close then
  describe("a coroutine that has outlived its task", function()
    it("can be closed after the kernel", function()
      local k, p = make()
      local co
      k:spawn(function()
        co = coroutine.running()
        waits["a read"](k, p)
      end)
      k:run(1)
      k:close()
      k, p = nil, nil -- luacheck: ignore
      for _ = 1, 3 do collectgarbage() end
      assert.is_true(close(co))
    end)
  end)
end

describe("a kernel that is dropped", function()
  for name, wait in pairs(waits) do
    it("with a task in " .. name .. " is collected", function()
      local weak = setmetatable({}, { __mode = "k" })
      do
        local k, p = make()
        k:spawn(function() wait(k, p) end)
        k:run(1)
        assert.is_nil(core.check(k))
        weak[k] = true
      end
      for _ = 1, 4 do collectgarbage() end
      assert.is_nil(next(weak))
    end)

    it("is closed with a task in " .. name, function()
      local k, p = make()
      local t = k:spawn(function() wait(k, p) end)
      k:run(1)
      collectgarbage()
      k:close()
      assert.equal("cancelled", t.status)
    end)

    it("goes on without a task that was cancelled in " .. name, function()
      local k, p = make()
      local t = k:spawn(function() wait(k, p) end)
      k:run(1)
      t:cancel()
      collectgarbage()
      assert.is_nil(core.check(k))
      local r, w = p:pipe()
      p:write(w, "x")
      assert.equal("x", p:read(r, 1))
      k:close()
    end)

    if close then
      it("goes on when the coroutine in " .. name .. " is closed", function()
        local k, p = make()
        local co
        local t = k:spawn(function()
          co = coroutine.running()
          wait(k, p)
        end)
        k:run(1)
        assert.is_true(close(co))
        assert.equal("cancelled", t.status)
        collectgarbage()
        assert.is_nil(core.check(k))
        local r, w = p:pipe()
        p:write(w, "x")
        assert.equal("x", p:read(r, 1))
        k:close()
      end)
    end
  end
end)
