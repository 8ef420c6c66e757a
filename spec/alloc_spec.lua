-- alloc_spec.lua - calls that complete at once make no garbage: what they
-- allocate in Lua is the string or the list that they return. spec/c/alloc_test
-- counts what the core allocates.

local fdemu = require "fdemu"

local TIMES = 200

-- Bytes that Lua's heap has grown by while f() was called TIMES times.
local function growth_once(f)
  collectgarbage()
  collectgarbage()
  collectgarbage "stop"
  for _ = 1, 10 do f() end
  local before = collectgarbage "count"
  for _ = 1, TIMES do f() end
  local after = collectgarbage "count"
  collectgarbage "restart"
  return (after - before) * 1024
end

-- The least of three runs: a stack may grow once, garbage comes every time.
local function growth(f)
  return math.min(growth_once(f), growth_once(f), growth_once(f))
end

describe("a call that completes at once", function()
  local k, p, r, w, e, ep, t, null, list

  before_each(function()
    k = fdemu.kernel {}
    p = k:process { stdout = "null", stderr = "null" }
    r, w = p:pipe()
    e = p:eventfd(1, fdemu.EFD_NONBLOCK)
    t = p:timerfd_create(fdemu.CLOCK_MONOTONIC)
    ep = p:epoll_create1(0)
    p:epoll_ctl(ep, fdemu.EPOLL_CTL_ADD, r, fdemu.EPOLLIN, r)
    null = p:open("/dev/null", fdemu.O_RDWR)
    list = { { fd = r, events = fdemu.POLLIN, revents = 0 },
      { fd = w, events = fdemu.POLLOUT, revents = 0 } }
    k:device("/dev/counter", {
      ioctl = function() return 7 end,
      write = function(_, data) return #data end,
      poll = function() return "rw" end,
    })
  end)

  after_each(function() k:close() end)

  local calls = {
    ["write and read"] = function() p:write(w, "x") p:read(r, 1) end,
    ["writev"] = function()
      p:writev(null, list.pieces)
    end,
    ["dup and close"] = function() p:close(p:dup(r)) end,
    ["dup2"] = function() p:dup2(r, 20) end,
    ["dup3"] = function() p:dup3(r, 21, fdemu.O_CLOEXEC) end,
    ["pipe and close"] = function()
      local a, b = p:pipe()
      p:close(a)
      p:close(b)
    end,
    ["fcntl"] = function()
      p:fcntl(r, fdemu.F_SETFD, 1)
      p:fcntl(r, fdemu.F_GETFL)
    end,
    ["ioctl"] = function() p:ioctl(r, fdemu.FIONREAD) end,
    ["eventfd"] = function()
      p:eventfd_write(e, 3)
      p:eventfd_read(e)
    end,
    ["epoll_ctl"] = function()
      p:epoll_ctl(ep, fdemu.EPOLL_CTL_MOD, r, fdemu.EPOLLIN, r)
    end,
    ["timerfd"] = function()
      p:timerfd_settime(t, 0, 1, 2)
      p:timerfd_gettime(t)
    end,
    ["poll"] = function() p:poll(list, 0) end,
    ["flock"] = function()
      p:flock(r, fdemu.LOCK_EX)
      p:flock(r, fdemu.LOCK_UN)
    end,
    ["getpid"] = function() p:getpid() end,
    ["a failure"] = function() p:read(500, 1) p:lseek(r, 0, 0) end,
    ["open of a device"] = function()
      p:close(p:open("/dev/null", fdemu.O_RDWR))
    end,
    ["end of file"] = function() p:read(null, 10) end,
  }

  for name, f in pairs(calls) do
    it("allocates nothing in Lua: " .. name, function()
      list.pieces = { "a", "b" }
      assert.equal(0, growth(f))
    end)
  end

  it("makes nothing but the string that a read returns", function()
    local data = ("x"):rep(100)
    local string_size = growth(function() return data .. "y" end)
    local got = growth(function()
      p:write(w, data)
      p:read(r, 100)
    end)
    assert.is_true(got > 0)
    assert.is_true(got <= string_size, ("%d > %d"):format(got, string_size))
  end)

  it("makes nothing for a method written in Lua but what that makes", function()
    local fd = p:open("/dev/counter", fdemu.O_RDWR)
    assert.equal(0, growth(function()
      p:ioctl(fd, 1)
      p:write(fd, "x")
    end))
  end)

  it("makes nothing in a task either, waiting or not", function()
    local grown
    local br, bw = p:pipe()
    k:spawn { function()
      while true do
        p:read(r, 1)
        p:write(bw, "x")
      end
    end, daemon = true }
    k:spawn(function()
      grown = growth(function()
        p:write(w, "x")
        p:read(br, 1)
      end)
    end)
    k:run()
    assert.equal(0, grown)
  end)
end)
