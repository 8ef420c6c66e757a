local fdemu = require "fdemu"

describe("eventfd", function()
  local k, p

  before_each(function()
    k = fdemu.kernel()
    p = k:process { stdout = "null", stderr = "null" }
  end)

  after_each(function() k:close() end)

  local function readable(fd)
    local list = { { fd = fd, events = fdemu.POLLIN | fdemu.POLLOUT } }
    p:poll(list, 0)
    return list[1].revents
  end

  it("adds what is written, and a read takes all of it", function()
    local fd = p:eventfd(3)
    assert.equal(0, p:eventfd_write(fd, 4))
    assert.equal(7, p:eventfd_read(fd))
    assert.equal(8, p:write(fd, ("<I8"):pack(5)))
    assert.equal(("<I8"):pack(5), p:read(fd, 8))
  end)

  it("as a semaphore gives one at a time", function()
    local fd = p:eventfd(2, fdemu.EFD_SEMAPHORE | fdemu.EFD_NONBLOCK)
    assert.equal(1, p:eventfd_read(fd))
    assert.equal(1, p:eventfd_read(fd))
    assert.same({ nil, "Resource temporarily unavailable", 11 },
      { p:eventfd_read(fd) })
  end)

  it("makes a reader wait for a number, and a writer for room", function()
    local fd = p:eventfd()
    local reader = p:spawn(function() return p:eventfd_read(fd), k:now() end)
    k:sleep(1)
    p:eventfd_write(fd, 9)
    local n, when = reader:join()
    assert.same({ 9, 1 }, { n, when })
    p:eventfd_write(fd, -2) -- the largest number there is
    local writer = p:spawn(function() return p:eventfd_write(fd, 1) end)
    k:sleep(1)
    assert.equal("waiting", writer.status)
    assert.equal(-2, p:eventfd_read(fd))
    assert.equal(0, writer:join())
    assert.equal(1, p:eventfd_read(fd))
  end)

  it("is readable above zero, and writable below the maximum", function()
    local fd = p:eventfd()
    assert.equal(fdemu.POLLOUT, readable(fd))
    p:eventfd_write(fd, 1)
    assert.equal(fdemu.POLLIN | fdemu.POLLOUT, readable(fd))
    p:eventfd_write(fd, -3)
    assert.equal(fdemu.POLLIN, readable(fd))
  end)

  it("refuses other sizes, the largest word and unknown flags", function()
    local fd = p:eventfd(1)
    local EINVAL = { nil, "Invalid argument", 22 }
    assert.same(EINVAL, { p:read(fd, 7) })
    assert.same(EINVAL, { p:read(fd, 0) })
    assert.same(EINVAL, { p:write(fd, "1234567") })
    assert.same(EINVAL, { p:write(fd, "123456789") })
    assert.same(EINVAL, { p:eventfd_write(fd, -1) })
    assert.same(EINVAL, { p:eventfd(0, 4) })
    assert.equal(1, p:eventfd_read(fd))
    assert.equal(29, (select(3, p:pread(fd, 8, 0))))
    assert.equal(0, p:lseek(fd, 5, fdemu.SEEK_SET))
  end)

  it("has flags and a mode like Linux's", function()
    local fd = p:eventfd(0, fdemu.EFD_CLOEXEC | fdemu.EFD_NONBLOCK)
    assert.equal(fdemu.FD_CLOEXEC, p:fcntl(fd, fdemu.F_GETFD))
    assert.equal(fdemu.O_RDWR | fdemu.O_NONBLOCK, p:fcntl(fd, fdemu.F_GETFL))
    assert.equal(384, p:fstat(fd).st_mode) -- 0600
  end)
end)
