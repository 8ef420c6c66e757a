-- gc_spec.lua - a full collection wherever there can be one: at every call, in
-- every method of a driver, with kernels dropped while tasks wait

local fdemu = require "fdemu"
local core = require "fdemu.core"

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
    flush = with(function() end),
    release = with(function() end),
  }
end

-- Every kind of wait: a function that waits for ever in process p of kernel k.
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
  ["poll"] = function(_, p)
    local r = p:pipe()
    p:poll { { fd = r, events = fdemu.POLLIN } }
  end,
  ["select"] = function(_, p)
    local r = p:pipe()
    p:select({ r }, nil, nil)
  end,
  ["epoll_wait"] = function(_, p)
    local r, ep = p:pipe(), p:epoll_create1(0)
    p:epoll_ctl(ep, fdemu.EPOLL_CTL_ADD, r, fdemu.EPOLLIN, r)
    p:epoll_wait(ep, 1)
  end,
  ["an eventfd"] = function(_, p) p:eventfd_read(p:eventfd(0)) end,
  ["a timerfd"] = function(_, p)
    p:read(p:timerfd_create(fdemu.CLOCK_MONOTONIC), 8)
  end,
  ["a socket"] = function(_, p)
    local a = p:socketpair(fdemu.AF_UNIX, fdemu.SOCK_STREAM, 0)
    p:recv(a, 1)
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
  ["a splice"] = function(_, p)
    local r = p:pipe()
    local _, w = p:pipe()
    p:splice(r, nil, w, nil, 10)
  end,
  ["a tee"] = function(_, p)
    local r = p:pipe()
    local _, w = p:pipe()
    p:tee(r, w, 10)
  end,
  ["recvmsg"] = function(_, p)
    p:recvmsg((p:socketpair()), 10)
  end,
  ["sendmsg"] = function(_, p)
    p:sendmsg((p:socketpair(fdemu.AF_UNIX, fdemu.SOCK_STREAM, 0)),
      { data = ("x"):rep(1000000) })
  end,
  ["an eventfd that is full"] = function(_, p)
    local fd = p:eventfd(0)
    p:eventfd_write(fd, -2)
    p:eventfd_write(fd, 1)
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

local function make()
  local k = fdemu.kernel()
  k:device("/dev/sleepy", { read = function() k:sleep(1e6) return "" end })
  k:device("/dev/never", {
    read = function() return nil, "EAGAIN" end,
    poll = function() return "" end,
  })
  return k, k:process { stdout = "null", stderr = "null" }
end

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
    k:device("/dev/gc", collector())
    local fd = p:open("/dev/gc", fdemu.O_RDWR)
    assert.equal("rrr", p:read(fd, 3))
    assert.equal(4, p:write(fd, "data"))
    assert.equal(5, p:ioctl(fd, 1))
    assert.equal(1, (p:poll({ { fd = fd, events = fdemu.POLLIN } }, 0)))
    p:lseek(fd, 3, fdemu.SEEK_SET)
    local ep = p:epoll_create1(0)
    p:epoll_ctl(ep, fdemu.EPOLL_CTL_ADD, fd, fdemu.EPOLLIN, 1)
    p:epoll_wait(ep, 1, 0)
    p:close(fd)
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
