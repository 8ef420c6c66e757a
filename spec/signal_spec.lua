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
