-- timerfd_spec.lua - timerfd on the virtual clock. Every result is what Linux
-- 6.18 gives, with times that are exact.

local fdemu = require "fdemu"
local steps = require "spec.helper_steps"

local fails, ready = steps.fails, steps.ready

local ABSTIME = fdemu.TFD_TIMER_ABSTIME

describe("timerfd", function()
  local k, p

  before_each(function()
    k = fdemu.kernel { nofile = 16 }
    p = k:process { stdout = "null", stderr = "null" }
  end)

  after_each(function() k:close() end)

  local function expirations(fd)
    local s, message, errno = p:read(fd, 8)
    if not s then return nil, message, errno end
    return (("<I8"):unpack(s))
  end

  it("has Linux's constants", function()
    for name, value in pairs {
      TFD_NONBLOCK = 0x800, TFD_CLOEXEC = 0x80000, TFD_TIMER_ABSTIME = 1,
      TFD_TIMER_CANCEL_ON_SET = 2, CLOCK_REALTIME = 0, CLOCK_MONOTONIC = 1,
      CLOCK_BOOTTIME = 7, CLOCK_REALTIME_ALARM = 8, CLOCK_BOOTTIME_ALARM = 9,
    } do
      assert.equal(value, fdemu[name], name)
    end
  end)

  it("lets a reader wait until it expires", function()
    local t = p:timerfd_create(fdemu.CLOCK_MONOTONIC)
    assert.equal(0, (p:timerfd_settime(t, 0, 2.5)))
    assert.equal(1, expirations(t))
    assert.equal(2.5, k:now())
  end)

  it("expires once without an interval", function()
    local t = p:timerfd_create(fdemu.CLOCK_MONOTONIC, fdemu.TFD_NONBLOCK)
    p:timerfd_settime(t, 0, 1)
    k:sleep(0.5)
    fails("EAGAIN", expirations(t))
    assert.equal("-", ready(p, t))
    k:sleep(9)
    assert.equal("IN", ready(p, t))
    assert.equal(1, expirations(t))
    assert.equal("-", ready(p, t))
    fails("EAGAIN", expirations(t))
    assert.same({ 0, 0 }, { p:timerfd_gettime(t) })
  end)

  it("counts the intervals that have passed", function()
    local t = p:timerfd_create(fdemu.CLOCK_MONOTONIC)
    p:timerfd_settime(t, 0, 1, 0.25)
    k:sleep(2.1)
    assert.equal(5, expirations(t))
    assert.equal(1, expirations(t))
    assert.equal(2.25, k:now())
    assert.same({ 0.25, 0.25 }, { p:timerfd_gettime(t) })
  end)

  it("shows what is left", function()
    local t = p:timerfd_create(fdemu.CLOCK_MONOTONIC)
    assert.same({ 0, 0 }, { p:timerfd_gettime(t) })
    p:timerfd_settime(t, 0, 10, 3)
    k:sleep(4)
    assert.same({ 6, 3 }, { p:timerfd_gettime(t) })
    k:sleep(7)
    assert.same({ 2, 3 }, { p:timerfd_gettime(t) })
    assert.equal(1, expirations(t)) -- asking has not read it
  end)

  it("gives the old value and interval when it is set again", function()
    local t = p:timerfd_create(fdemu.CLOCK_MONOTONIC)
    assert.same({ 0, 0, 0 }, { p:timerfd_settime(t, 0, 10, 3) })
    k:sleep(4)
    assert.same({ 0, 6, 3 }, { p:timerfd_settime(t, 0, 1, 0.5) })
    k:sleep(1.75)
    assert.same({ 0, 0.25, 0.5 }, { p:timerfd_settime(t, 0, 0) })
  end)

  it("forgets expirations when it is set again", function()
    local t = p:timerfd_create(fdemu.CLOCK_MONOTONIC, fdemu.TFD_NONBLOCK)
    p:timerfd_settime(t, 0, 1)
    k:sleep(2)
    assert.equal("IN", ready(p, t))
    p:timerfd_settime(t, 0, 1)
    fails("EAGAIN", expirations(t))
  end)

  it("is disarmed by 0, whatever the interval", function()
    local t = p:timerfd_create(fdemu.CLOCK_MONOTONIC, fdemu.TFD_NONBLOCK)
    p:timerfd_settime(t, 0, 1)
    p:timerfd_settime(t, 0, 0, 5)
    k:sleep(10)
    fails("EAGAIN", expirations(t))
    assert.same({ 0, 5 }, { p:timerfd_gettime(t) })
  end)

  it("takes absolute times of each clock", function()
    for clock, now in pairs {
      [fdemu.CLOCK_MONOTONIC] = 0, [fdemu.CLOCK_BOOTTIME] = 0,
      [fdemu.CLOCK_REALTIME] = fdemu.CLOCK_EPOCH,
    } do
      local t, start = p:timerfd_create(clock), k:now()
      p:timerfd_settime(t, ABSTIME, now + start + 1)
      assert.same({ 1, 0 }, { p:timerfd_gettime(t) })
      assert.equal(1, expirations(t))
      assert.equal(start + 1, k:now())
    end
    assert.equal(946684800, fdemu.CLOCK_EPOCH) -- 2000-01-01 00:00:00 UTC
  end)

  it("expires at once at an absolute time in the past", function()
    local t = p:timerfd_create(fdemu.CLOCK_MONOTONIC, fdemu.TFD_NONBLOCK)
    k:sleep(1)
    p:timerfd_settime(t, ABSTIME, 0.5)
    assert.equal(1, expirations(t))
    p:timerfd_settime(t, ABSTIME, 0.5, 0.125)
    assert.equal(5, expirations(t))
    assert.same({ 0.125, 0.125 }, { p:timerfd_gettime(t) })
    assert.equal(1, k:now())
  end)

  it("never loses the smallest time", function()
    local t = p:timerfd_create(fdemu.CLOCK_MONOTONIC, fdemu.TFD_NONBLOCK)
    p:timerfd_settime(t, 0, 1e-12)
    assert.same({ 1e-9, 0 }, { p:timerfd_gettime(t) })
  end)

  it("accepts TFD_TIMER_CANCEL_ON_SET: the clock is never set", function()
    local t = p:timerfd_create(fdemu.CLOCK_REALTIME)
    assert.equal(0, (p:timerfd_settime(t,
      ABSTIME | fdemu.TFD_TIMER_CANCEL_ON_SET, fdemu.CLOCK_EPOCH + 1)))
    assert.equal(1, expirations(t))
  end)

  it("wakes readers when it is set while they wait", function()
    local t, got = p:timerfd_create(fdemu.CLOCK_MONOTONIC), nil
    k:spawn(function() got = expirations(t) end)
    k:spawn(function()
      k:sleep(1)
      p:timerfd_settime(t, 0, 10)
      k:sleep(1)
      p:timerfd_settime(t, 0, 1)
    end)
    k:run()
    assert.equal(1, got)
    assert.equal(3, k:now())
  end)

  it("gives an expiration to one of two readers", function()
    local t, got = p:timerfd_create(fdemu.CLOCK_MONOTONIC), {}
    for i = 1, 2 do
      k:spawn(function()
        local n = expirations(t)
        got[i] = { n, k:now() }
      end)
    end
    p:timerfd_settime(t, 0, 1, 4)
    k:run()
    assert.same({ { 1, 1 }, { 1, 5 } }, got)
  end)

  it("ends a poll and a select", function()
    local t = p:timerfd_create(fdemu.CLOCK_MONOTONIC)
    p:timerfd_settime(t, 0, 1)
    assert.equal(1, p:poll { { fd = t, events = fdemu.POLLIN } })
    assert.equal(1, k:now())
    p:timerfd_settime(t, 0, 1)
    assert.equal(1, (p:select({ t })))
    assert.equal(2, k:now())
  end)

  it("does not keep the clock going when nobody looks", function()
    local t = p:timerfd_create(fdemu.CLOCK_MONOTONIC)
    p:timerfd_settime(t, 0, 1, 1)
    local r = p:pipe()
    assert.has_error(function() p:read(r, 1) end)
    assert.equal(1, k:now())
  end)

  it("does not keep the clock going when it is closed", function()
    local t = p:timerfd_create(fdemu.CLOCK_MONOTONIC)
    p:timerfd_settime(t, 0, 3)
    p:close(t)
    assert.is_false((pcall(p.read, p, (p:pipe()), 1)))
    assert.equal(0, k:now())
  end)

  it("fails as Linux does", function()
    local t = p:timerfd_create(fdemu.CLOCK_MONOTONIC)
    local e = p:eventfd(0)
    fails("EINVAL", p:timerfd_create(2))
    fails("EINVAL", p:timerfd_create(1, 1))
    fails("EPERM", p:timerfd_create(fdemu.CLOCK_REALTIME_ALARM))
    fails("EINVAL", p:timerfd_create(fdemu.CLOCK_REALTIME_ALARM, 1))
    fails("EINVAL", p:timerfd_settime(t, 4, 1))
    fails("EINVAL", p:timerfd_settime(t, 0, -1))
    fails("EINVAL", p:timerfd_settime(t, 0, 1, -1))
    fails("EINVAL", p:timerfd_settime(99, 0, -1))
    fails("EBADF", p:timerfd_settime(99, 0, 1))
    fails("EINVAL", p:timerfd_settime(e, 0, 1))
    fails("EBADF", p:timerfd_gettime(99))
    fails("EINVAL", p:timerfd_gettime(e))
    fails("EINVAL", p:read(t, 7))
    fails("EINVAL", p:write(t, "12345678"))
    fails("EINVAL", p:writev(t, {}))
    fails("ESPIPE", p:pread(t, 8, 0))
    assert.equal(0, p:lseek(t, 3, fdemu.SEEK_SET))
  end)

  it("can be told how often it has expired", function()
    local t = p:timerfd_create(fdemu.CLOCK_MONOTONIC, fdemu.TFD_NONBLOCK)
    local SET_TICKS = fdemu._IOW("T", 0, 8)
    assert.equal(0, (p:ioctl(t, SET_TICKS, ("<I8"):pack(7))))
    assert.equal(7, expirations(t))
    fails("EINVAL", p:ioctl(t, SET_TICKS, ("<I8"):pack(0)))
  end)

  it("raises when it is misused", function()
    assert.has_error(function() p:timerfd_settime(3, 0, "soon") end,
      "bad argument #3 to 'timerfd_settime' (number expected, got string)")
    assert.has_error(function() p:timerfd_settime(3, 0, 0 / 0) end,
      "bad argument #3 to 'timerfd_settime' " ..
      "(number of seconds is not a number)")
  end)

  it("is traced as strace does", function()
    local lines = {}
    k:trace(function(event) lines[#lines + 1] = tostring(event) end)
    local t = p:timerfd_create(fdemu.CLOCK_REALTIME, fdemu.TFD_CLOEXEC)
    p:timerfd_settime(t, 0, 1.5, 5e-9)
    p:timerfd_settime(99, ABSTIME, 1)
    p:timerfd_gettime(t)
    p:timerfd_gettime(99)
    p:timerfd_create(77)
    k:trace(nil)
    local zero = "{tv_sec=0, tv_nsec=0}"
    local value = "{it_interval={tv_sec=0, tv_nsec=5}, " ..
      "it_value={tv_sec=1, tv_nsec=500000000}}"
    assert.same({
      "[pid  1] timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC) = 3",
      ("[pid  1] timerfd_settime(3, 0, %s, {it_interval=%s, it_value=%s}) = 0")
        :format(value, zero, zero),
      ("[pid  1] timerfd_settime(99, TFD_TIMER_ABSTIME, {it_interval=%s, " ..
        "it_value={tv_sec=1, tv_nsec=0}}, ?) = -1 EBADF (Bad file descriptor)")
        :format(zero),
      ("[pid  1] timerfd_gettime(3, %s) = 0"):format(value),
      "[pid  1] timerfd_gettime(99, ?) = -1 EBADF (Bad file descriptor)",
      "[pid  1] timerfd_create(0x4d /* CLOCK_??? */, 0) = -1 EINVAL " ..
        "(Invalid argument)",
    }, lines)
  end)

  it("explains a deadlock", function()
    local t = p:timerfd_create(fdemu.CLOCK_MONOTONIC)
    local ok, message = pcall(p.read, p, t, 8)
    assert.is_false(ok)
    assert.truthy(message:find("waits for the timer, which is not set, to " ..
      "expire: process 1 holds it as descriptor 3", 1, true))
  end)
end)
