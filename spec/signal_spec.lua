-- signal_spec.lua - signals: what a process has received, calls that are
-- interrupted

local fdemu = require "fdemu"
local steps = require "spec.helper_steps"

local fails = steps.fails

describe("signals", function()
  local k, p

  before_each(function()
    k = fdemu.kernel { nofile = 16 }
    p = k:process { stdout = "null", stderr = "null" }
  end)

  after_each(function()
    k:run()
    k:close()
  end)

  it("are none at first", function()
    assert.same({}, p:signals())
  end)

  it("are SIGPIPE for writes that nobody reads, once told", function()
    local r, w = p:pipe()
    local a, b = p:socketpair()
    p:close(r)
    p:close(b)
    fails("EPIPE", p:write(w, "x"))
    fails("EPIPE", p:write(a, "x"))
    assert.same({ [fdemu.SIGPIPE] = 2 }, p:signals())
    assert.same({}, p:signals())
  end)

  it("are not sent with MSG_NOSIGNAL, nor for messages", function()
    local a, b = p:socketpair()
    p:close(b)
    fails("EPIPE", p:send(a, "x", fdemu.MSG_NOSIGNAL))
    local c, d = p:socketpair(fdemu.AF_UNIX, fdemu.SOCK_SEQPACKET)
    p:close(d)
    fails("EPIPE", p:write(c, "x"))
    assert.same({}, p:signals())
  end)

  it("belong to the process that wrote", function()
    local r, w = p:pipe()
    local child = p:fork()
    p:close(r)
    child:close(r)
    fails("EPIPE", child:write(w, "x"))
    assert.same({}, p:signals())
    assert.same({ [fdemu.SIGPIPE] = 1 }, child:signals())
  end)
end)

describe("O_ASYNC", function()
  local k, p

  before_each(function()
    k = fdemu.kernel { nofile = 16 }
    p = k:process { stdout = "null", stderr = "null" }
  end)

  after_each(function()
    k:run()
    k:close()
  end)

  local function async(fd, sig)
    assert.equal(0, p:fcntl(fd, fdemu.F_SETOWN, p:getpid()))
    assert.equal(0, p:fcntl(fd, fdemu.F_SETSIG, sig or 0))
    assert.equal(0, p:fcntl(fd, fdemu.F_SETFL, fdemu.O_ASYNC))
  end

  it("sends SIGIO to the owner of what can be read or written", function()
    local r, w = p:pipe()
    async(r)
    p:write(w, "x")
    assert.same({ [fdemu.SIGIO] = 1 }, p:signals())
    p:read(r, 1)
    assert.same({}, p:signals())
    async(w)
    p:write(w, "xx")
    p:read(r, 1)
    assert.same({ [fdemu.SIGIO] = 2 }, p:signals())
  end)

  it("sends nothing without an owner, or once it is taken away", function()
    local a, b = p:socketpair()
    p:fcntl(a, fdemu.F_SETFL, fdemu.O_ASYNC)
    p:write(b, "x")
    async(a)
    p:fcntl(a, fdemu.F_SETFL, 0)
    p:write(b, "x")
    assert.same({}, p:signals())
  end)

  it("sends the signal that F_SETSIG has chosen", function()
    local a, b = p:socketpair(fdemu.AF_UNIX, fdemu.SOCK_DGRAM)
    async(a, 40)
    p:write(b, "x")
    assert.same({ [40] = 1 }, p:signals())
  end)

  it("tells a socket of room that it has missed before", function()
    local a, b = p:socketpair()
    async(a)
    p:fcntl(a, fdemu.F_SETFL, fdemu.O_ASYNC | fdemu.O_NONBLOCK)
    p:write(a, "x")
    p:read(b, 10)
    assert.same({}, p:signals())
    local n = p:write(a, ("x"):rep(1000000))
    fails("EAGAIN", p:write(a, "x"))
    while n > 0 do n = n - #p:read(b, n) end
    assert.same({ [fdemu.SIGIO] = 1 }, p:signals())
  end)

  it("reaches the processes of a group", function()
    local r, w = p:pipe()
    local child = p:fork()
    async(r)
    p:fcntl(r, fdemu.F_SETOWN, -p:getpid())
    p:write(w, "x")
    assert.same({ [fdemu.SIGIO] = 1 }, child:signals())
    assert.same({ [fdemu.SIGIO] = 1 }, p:signals())
    p:fcntl(r, fdemu.F_SETOWN, child:getpid())
    p:write(w, "x")
    assert.same({ [fdemu.SIGIO] = 1 }, child:signals())
    assert.same({}, p:signals())
    child:exit(0)
    p:write(w, "x")
    assert.same({}, p:signals())
  end)

  it("is the description's, and goes with it", function()
    local r, w = p:pipe()
    async(r)
    local d = p:dup(r)
    p:close(r)
    p:write(w, "x")
    assert.same({ [fdemu.SIGIO] = 1 }, p:signals())
    p:close(d)
    p:signals()
    fails("EPIPE", p:write(w, "x"))
    assert.same({ [fdemu.SIGPIPE] = 1 }, p:signals())
  end)

  it("is for devices that say so, whose wakes send it", function()
    local device
    local function open(async_too)
      k:device("/dev/d", { async = async_too, poll = function() return "r" end,
        read = function() return "" end, open = function(d) device = d end })
      return p:open("/dev/d", "r+")
    end
    local fd = open(nil)
    async(fd)
    assert.equal(0, p:fcntl(fd, fdemu.F_GETFL) & fdemu.O_ASYNC)
    fd = open(true)
    async(fd)
    assert.equal(fdemu.O_ASYNC, p:fcntl(fd, fdemu.F_GETFL) & fdemu.O_ASYNC)
    device:wake("r")
    assert.same({ [fdemu.SIGIO] = 1 }, p:signals())
    assert.error(function() k:device("/dev/e", { async = 1 }) end)
  end)
end)

describe("task:interrupt", function()
  local k, p

  before_each(function()
    k = fdemu.kernel { nofile = 16 }
    p = k:process { stdout = "null", stderr = "null" }
  end)

  after_each(function()
    k:run()
    k:close()
  end)

  it("ends the call that a task waits in", function()
    local r = p:pipe()
    local t = p:spawn(function()
      fails("EINTR", p:read(r, 1))
      return "went on"
    end)
    k:sleep(1)
    assert.is_true(t:interrupt())
    assert.equal("went on", t:join())
  end)

  it("reports what was already moved instead", function()
    local r, w = p:pipe()
    local t = p:spawn(function() return p:write(w, ("x"):rep(100000)) end)
    k:sleep(1)
    assert.is_true(t:interrupt())
    assert.equal(65536, t:join())
    assert.equal(65536, #p:read(r, 100000))
  end)

  it("does nothing to a task that is not in a call", function()
    local r, w = p:pipe()
    local t = p:spawn(function() return p:read(r, 1) end)
    p:write(w, "x")
    assert.equal("x", t:join())
    assert.is_false(t:interrupt())
    local waits = p:spawn(function() return p:read(r, 1) end)
    local joins = p:spawn(function() return waits:join() end)
    k:sleep(1)
    assert.is_false(joins:interrupt())
    p:write(w, "y")
    assert.equal("y", joins:join())
  end)

  it("reaches a task that waits on the C stack", function()
    local r = p:pipe()
    local result
    local t = p:spawn(function()
      ("x"):gsub("x", function() result = { p:read(r, 1) } end)
    end)
    p:spawn(function()
      k:sleep(1)
      assert(t:interrupt())
    end)
    k:run()
    assert.equal(fdemu.EINTR, result[3])
  end)
end)
