local fdemu = require "fdemu"

describe("timerfd", function()
  local k, p

  before_each(function()
    k = fdemu.kernel()
    p = k:process { stdout = "null", stderr = "null" }
  end)

  after_each(function() k:close() end)

  local function expirations(fd)
    local s, message, errno = p:read(fd, 8)
    if not s then return nil, message, errno end
    return (("<I8"):unpack(s))
  end

  it("lets a read wait until it expires", function()
    local fd = p:timerfd_create(fdemu.CLOCK_MONOTONIC)
    assert.equal(0, (p:timerfd_settime(fd, 0, 1.5)))
    assert.equal(1, expirations(fd))
    assert.equal(1.5, k:now())
  end)

  it("counts the intervals that nobody read", function()
    local fd = p:timerfd_create()
    p:timerfd_settime(fd, 0, 1, 0.5)
    k:sleep(3.2)
    assert.equal(5, expirations(fd)) -- at 1, 1.5, 2, 2.5 and 3
    assert.equal(1, expirations(fd))
    assert.equal(3.5, k:now())
  end)

  it("tells what is left, and the interval", function()
    local fd = p:timerfd_create()
    assert.same({ 0, 0 }, { p:timerfd_gettime(fd) })
    p:timerfd_settime(fd, 0, 10, 2)
    k:sleep(4)
    assert.same({ 6, 2 }, { p:timerfd_gettime(fd) })
    assert.same({ 0, 6, 2 }, { p:timerfd_settime(fd, 0, 1) })
  end)

  it("is disarmed by 0", function()
    local fd = p:timerfd_create(nil, fdemu.TFD_NONBLOCK)
    p:timerfd_settime(fd, 0, 1)
    p:timerfd_settime(fd, 0, 0)
    k:sleep(5)
    assert.same({ nil, "Resource temporarily unavailable", 11 },
      { expirations(fd) })
  end)

  it("takes times of its clock, also past ones", function()
    local fd = p:timerfd_create(fdemu.CLOCK_REALTIME)
    p:timerfd_settime(fd, fdemu.TFD_TIMER_ABSTIME, fdemu.CLOCK_EPOCH + 2)
    assert.equal(1, expirations(fd))
    assert.equal(2, k:now())
    p:timerfd_settime(fd, fdemu.TFD_TIMER_ABSTIME, fdemu.CLOCK_EPOCH + 1)
    assert.equal(1, expirations(fd))
    assert.equal(2, k:now())
  end)

  it("wakes poll, and is not ready before", function()
    local fd = p:timerfd_create()
    p:timerfd_settime(fd, 0, 3)
    local list = { { fd = fd, events = fdemu.POLLIN | fdemu.POLLOUT } }
    assert.equal(0, p:poll(list, 2000))
    assert.equal(1, p:poll(list, 2000))
    assert.equal(fdemu.POLLIN, list[1].revents)
    assert.equal(3, k:now())
  end)

  it("does not keep the clock going when it is closed", function()
    local fd = p:timerfd_create()
    p:timerfd_settime(fd, 0, 3)
    p:close(fd)
    assert.is_false((pcall(p.read, p, (p:pipe()), 1)))
    assert.equal(0, k:now())
  end)

  it("refuses unknown clocks, flags and descriptors", function()
    local EINVAL = { nil, "Invalid argument", 22 }
    assert.same(EINVAL, { p:timerfd_create(99) })
    assert.same(EINVAL, { p:timerfd_create(fdemu.CLOCK_MONOTONIC, 1) })
    local fd = p:timerfd_create()
    assert.same(EINVAL, { p:timerfd_settime(fd, 8, 1) })
    assert.same(EINVAL, { p:timerfd_settime(fd, 0, -1) })
    assert.same(EINVAL, { p:timerfd_settime(0, 0, 1) })
    assert.same(EINVAL, { p:read(fd, 7) })
    assert.equal(9, (select(3, p:timerfd_gettime(99))))
    assert.equal(22, (select(3, p:write(fd, "12345678"))))
  end)
end)
