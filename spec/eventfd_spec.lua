-- eventfd_spec.lua - eventfd: the counter, its limits, who is woken.
-- Every result is what Linux 6.18 gives.

local fdemu = require "fdemu"
local steps = require "spec.helper_steps"

local fails, ready = steps.fails, steps.ready

describe("eventfd", function()
  local k, p

  before_each(function()
    k = fdemu.kernel { nofile = 16 }
    p = k:process { stdout = "null", stderr = "null" }
  end)

  after_each(function() k:close() end)

  it("has Linux's constants", function()
    assert.equal(1, fdemu.EFD_SEMAPHORE)
    assert.equal(0x800, fdemu.EFD_NONBLOCK)
    assert.equal(0x80000, fdemu.EFD_CLOEXEC)
  end)

  it("gives all that was written, and begins again", function()
    local e = p:eventfd(5)
    assert.equal(0, p:eventfd_write(e, 3))
    assert.equal(8, p:eventfd_read(e))
    assert.equal(0, p:eventfd_write(e, 1))
    assert.equal(1, p:eventfd_read(e))
  end)

  it("gives one at a time as a semaphore", function()
    local e = p:eventfd(2, fdemu.EFD_SEMAPHORE | fdemu.EFD_NONBLOCK)
    assert.equal(1, p:eventfd_read(e))
    assert.equal(1, p:eventfd_read(e))
    fails("EAGAIN", p:eventfd_read(e))
  end)

  it("is 8 bytes in the machine's order to read and write", function()
    local e = p:eventfd(0x01020304)
    assert.equal(("<I8"):pack(0x01020304), p:read(e, 100))
    assert.equal(8, p:write(e, ("<I8"):pack(7)))
    assert.equal(7, p:eventfd_read(e))
    fails("EINVAL", p:read(e, 7))
    fails("EINVAL", p:write(e, "1234567"))
    fails("EINVAL", p:write(e, "123456789"))
  end)

  it("takes each element of a writev as a number", function()
    local e, one = p:eventfd(0, fdemu.EFD_NONBLOCK), ("<I8"):pack(1)
    assert.equal(16, p:writev(e, { one, one }))
    assert.equal(2, p:eventfd_read(e))
    assert.equal(8, p:writev(e, { one, "half" }))
    assert.equal(1, p:eventfd_read(e))
    fails("EINVAL", p:writev(e, { "half", "half" }))
    fails("EINVAL", p:writev(e, { "", one }))
    fails("EAGAIN", p:eventfd_read(e))
  end)

  it("holds up to 2^64 - 2", function()
    local e = p:eventfd(0, fdemu.EFD_NONBLOCK)
    fails("EINVAL", p:eventfd_write(e, -1))
    assert.equal(0, p:eventfd_write(e, -2))
    fails("EAGAIN", p:eventfd_write(e, 1))
    assert.equal(0, p:eventfd_write(e, 0))
    assert.equal("IN", ready(p, e))
    assert.equal(-2, p:eventfd_read(e))
    assert.equal("OUT", ready(p, e))
    assert.equal(0, p:eventfd_write(e, 1))
    assert.equal("IN OUT", ready(p, e))
  end)

  it("has the flags that it was made with", function()
    local e = p:eventfd(0, fdemu.EFD_NONBLOCK | fdemu.EFD_CLOEXEC)
    assert.equal(fdemu.O_RDWR | fdemu.O_NONBLOCK, p:fcntl(e, fdemu.F_GETFL))
    assert.equal(fdemu.FD_CLOEXEC, p:fcntl(e, fdemu.F_GETFD))
    local s = p:eventfd(0, fdemu.EFD_SEMAPHORE)
    assert.equal(fdemu.O_RDWR, p:fcntl(s, fdemu.F_GETFL))
    assert.equal(0, p:fcntl(s, fdemu.F_GETFD))
    assert.equal(384, p:fstat(s).st_mode)
    fails("EINVAL", p:eventfd(0, 2))
  end)

  it("is no file with a position", function()
    local e = p:eventfd(1)
    assert.equal(0, p:lseek(e, 5, fdemu.SEEK_SET))
    fails("ESPIPE", p:pread(e, 8, 0))
    fails("ESPIPE", p:pwrite(e, "12345678", 0))
    fails("ENOTTY", p:ioctl(e, fdemu.FIONREAD))
  end)

  it("needs a free descriptor", function()
    while p:dup(0) do end
    fails("EMFILE", p:eventfd(0))
    p:close(7)
    assert.equal(7, p:eventfd(0))
  end)

  it("lets a reader wait for a number", function()
    local e, got = p:eventfd(0), nil
    local task = k:spawn(function() got = p:eventfd_read(e) end)
    k:spawn(function()
      k:sleep(1)
      assert.is_nil(got)
      p:eventfd_write(e, 0) -- an event, but nothing to read
      k:sleep(1)
      assert.is_nil(got)
      p:eventfd_write(e, 4)
    end)
    k:run()
    assert.equal("done", task.status)
    assert.equal(4, got)
  end)

  it("wakes one reader for each number of a semaphore", function()
    local e, got = p:eventfd(0, fdemu.EFD_SEMAPHORE), {}
    for i = 1, 3 do
      k:spawn { function()
        p:eventfd_read(e)
        table.insert(got, i)
      end, daemon = true }
    end
    k:spawn(function()
      k:sleep(1)
      p:eventfd_write(e, 2)
      k:sleep(1)
    end)
    k:run()
    assert.same({ 1, 2 }, got)
  end)

  it("lets a writer wait for room", function()
    local e = p:eventfd(0)
    p:eventfd_write(e, -2)
    local task = k:spawn(function() return p:eventfd_write(e, 5) end)
    assert.is_false(k:run(1))
    assert.equal(-2, p:eventfd_read(e))
    assert.equal(0, task:join())
    assert.equal(5, p:eventfd_read(e))
  end)

  it("keeps what a blocking writev has written when it is interrupted",
    function()
      local e, one = p:eventfd(0), ("<I8"):pack(1)
      local max = ("<i8"):pack(-2)
      local task = k:spawn(function() p:writev(e, { one, max, one }) end)
      assert.is_false(k:run(1))
      assert.equal("waiting", task.status)
      task:cancel()
      assert.equal(1, p:eventfd_read(e))
    end)

  it("refuses to read a number from what is none", function()
    local r, w = p:pipe()
    p:write(w, "four")
    fails("EINVAL", p:eventfd_read(r))
    fails("EBADF", p:eventfd_read(99))
    fails("EBADF", p:eventfd_write(r, 1))
  end)

  it("raises when it is misused", function()
    assert.has_error(function() p:eventfd(-1) end,
      "bad argument #1 to 'eventfd' (number does not fit into an unsigned int)")
    assert.has_error(function() p:eventfd "x" end,
      "bad argument #1 to 'eventfd' (number expected, got string)")
    assert.has_error(function() p:eventfd_write(3, 1.5) end,
      "bad argument #2 to 'eventfd_write' " ..
      "(number has no integer representation)")
  end)

  it("is traced as strace does", function()
    local lines = {}
    k:trace(function(event) lines[#lines + 1] = tostring(event) end)
    local e = p:eventfd(5, fdemu.EFD_SEMAPHORE | fdemu.EFD_NONBLOCK)
    p:eventfd_read(e)
    p:eventfd(0, 4)
    k:trace(nil)
    assert.same({
      "[pid  1] eventfd2(5, EFD_SEMAPHORE|EFD_NONBLOCK) = 3",
      [=[[pid  1] read(3, "\1\0\0\0\0\0\0\0", 8) = 8]=],
      "[pid  1] eventfd2(0, 0x4 /* EFD_??? */) = -1 EINVAL (Invalid argument)",
    }, lines)
  end)

  it("explains a deadlock", function()
    local e = p:eventfd(0)
    p:dup(e)
    local ok, message = pcall(p.eventfd_read, p, e)
    assert.is_false(ok)
    assert.truthy(message:find("waits for a number to be written: process 1 " ..
      "holds it as descriptor 3 and process 1 holds it as descriptor 4", 1, true))
    p:eventfd_write(e, -2)
    ok, message = pcall(p.eventfd_write, p, e, 1)
    assert.is_false(ok)
    assert.truthy(message:find("waits for the counter to be read", 1, true))
  end)

  it("is the one anonymous inode, which is root's", function()
    local a, b = p:fstat(p:eventfd(0)), p:fstat(p:epoll_create1(0))
    assert.equal(a.st_ino, b.st_ino)
    assert.same({ 0, 0, 384 }, { a.st_uid, a.st_gid, a.st_mode })
    k:sleep(5) -- a read of any is an access of all
    local e = p:eventfd(1)
    p:eventfd_read(e)
    assert.equal(p:fstat(e).st_atime, p:fstat(p:epoll_create1(0)).st_atime)
  end)
end)
