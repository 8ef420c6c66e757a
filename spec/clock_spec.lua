-- clock_spec.lua - times that are too short for the clock
local fdemu = require "fdemu"

-- 0.1 + 0.2 is not 0.3, but the clock is there in the same nanosecond. Whoever
-- waits for the rest must not wait for nothing, again and again.
describe("a time of less than a nanosecond", function()
  local LITTLE = 5e-17 -- seconds
  local k, p

  before_each(function()
    k = fdemu.kernel { limits = { steps = 10000 } }
    p = k:process()
  end)

  after_each(function() k:close() end)

  local function passes(wait)
    local before = k:now()
    wait()
    assert.equal("0.000000001", ("%.9f"):format(k:now() - before))
  end

  it("is a nanosecond to whoever sleeps or waits", function()
    local ep = p:epoll_create1(0)
    passes(function() k:sleep(LITTLE) end)
    passes(function() assert.equal(0, p:poll({}, LITTLE)) end)
    passes(function() assert.equal(0, p:select({}, {}, {}, LITTLE)) end)
    passes(function() assert.same({}, p:epoll_wait(ep, 1, LITTLE)) end)
  end)

  it("is a nanosecond to a timer, a delay and k:run()", function()
    local timer = p:timerfd_create(fdemu.CLOCK_MONOTONIC, 0)
    passes(function()
      p:timerfd_settime(timer, 0, LITTLE)
      assert.equal(8, #p:read(timer, 8))
    end)
    k:inject { call = "getcwd", delay = LITTLE, when = 1 }
    passes(function() p:getcwd() end)
    k:spawn(k.sleep, k, 1)
    passes(function() assert.is_false(k:run(LITTLE)) end)
  end)

  it("is nothing where it is nothing", function()
    local now = k:now()
    k:sleep(0)
    assert.equal(0, p:poll({}, 0))
    assert.same({}, p:epoll_wait(p:epoll_create1(0), 1, 0))
    assert.equal(now, k:now())
  end)

  it("ends a wait for the rest of a time", function()
    for tenths = 1, 50 do
      for more = 1, 50 do
        local deadline = k:now() + tenths / 10 + more / 10
        k:sleep(tenths / 10)
        local rounds = 0
        while k:now() < deadline do
          k:sleep(deadline - k:now())
          rounds = rounds + 1
          assert.is_true(rounds < 3)
        end
      end
    end
  end)

  it("is over to who expects something of a device", function()
    for tenths = 1, 20 do
      for more = 1, 20 do
        local own = fdemu.kernel { limits = { steps = 1000 } }
        local q, ended = own:process(), nil
        own:device("/dev/peer", fdemu.peer(function(dev)
          dev:sleep(tenths / 10)
          pcall(dev.expect, dev, "never", more / 10)
          ended = own:now()
        end))
        q:open("/dev/peer", fdemu.O_RDWR)
        own:sleep(10)
        assert.equal((tenths + more) / 10, ended)
        own:close()
      end
    end
  end)
end)
