-- file_spec.lua - what is in files: bytes, holes, sizes, seals, a full disk.
-- Every result is what tmpfs of Linux 6.18 gives.

local fdemu = require "fdemu"
local steps = require "spec.helper_steps"

local fails = steps.fails
local PAGE = 4096

describe("a file in memory", function()
  local k, p, fd

  before_each(function()
    k = fdemu.kernel { nofile = 16 }
    p = k:process { stdout = "null", stderr = "null" }
    fd = assert(p:memfd_create("test", fdemu.MFD_ALLOW_SEALING))
  end)

  after_each(function() k:close() end)

  local function blocks(of)
    return p:fstat(of or fd).st_blocks
  end

  it("gives back what was written, at any offset", function()
    assert.equal(5, p:write(fd, "hello"))
    assert.equal("", p:read(fd, 10))
    assert.equal(3, p:pwrite(fd, "LLO", 2))
    assert.equal("heLLO", p:pread(fd, 10, 0))
    assert.equal(5, p:lseek(fd, 0, fdemu.SEEK_CUR))
    assert.equal(0, p:lseek(fd, 0))
    assert.same({ "he", "LLO" }, p:readv(fd, { 2, 5 }))
  end)

  it("has zeros where nothing was written, and no blocks for them", function()
    assert.equal(1, p:pwrite(fd, "x", 10 * PAGE))
    assert.equal(("\0"):rep(PAGE), p:pread(fd, PAGE, 5 * PAGE))
    assert.equal(("\0"):rep(5) .. "x", p:pread(fd, 100, 10 * PAGE - 5))
    assert.equal(10 * PAGE + 1, p:fstat(fd).st_size)
    assert.equal(8, blocks())
  end)

  it("holds large files", function()
    local part = {}
    for i = 1, 1000 do part[i] = ("%07d\n"):format(i) end
    part = table.concat(part)
    for _ = 1, 300 do assert.equal(#part, p:write(fd, part)) end
    assert.equal(300 * #part, p:fstat(fd).st_size)
    p:lseek(fd, 0)
    for _ = 1, 300 do assert.equal(part, p:read(fd, #part)) end
    assert.equal("", p:read(fd, 1))
  end)

  it("finds data and holes by pages", function()
    p:ftruncate(fd, 10 * PAGE)
    p:pwrite(fd, "x", 4 * PAGE + 100)
    assert.equal(4 * PAGE, p:lseek(fd, 0, fdemu.SEEK_DATA))
    assert.equal(4 * PAGE + 7, p:lseek(fd, 4 * PAGE + 7, fdemu.SEEK_DATA))
    assert.equal(5 * PAGE, p:lseek(fd, 4 * PAGE + 7, fdemu.SEEK_HOLE))
    assert.equal(3, p:lseek(fd, 3, fdemu.SEEK_HOLE))
    fails("ENXIO", p:lseek(fd, 5 * PAGE, fdemu.SEEK_DATA))
    fails("ENXIO", p:lseek(fd, 10 * PAGE, fdemu.SEEK_HOLE))
    fails("ENXIO", p:lseek(fd, -1, fdemu.SEEK_DATA))
  end)

  it("ends with a hole", function()
    p:write(fd, "12345")
    assert.equal(5, p:lseek(fd, 0, fdemu.SEEK_HOLE))
  end)

  it("appends, and so does pwrite", function()
    p:write(fd, "12345")
    p:fcntl(fd, fdemu.F_SETFL, fdemu.O_APPEND)
    p:lseek(fd, 1)
    assert.equal(1, p:write(fd, "6"))
    assert.equal(6, p:lseek(fd, 0, fdemu.SEEK_CUR))
    assert.equal(1, p:pwrite(fd, "7", 0))
    assert.equal(6, p:lseek(fd, 0, fdemu.SEEK_CUR))
    assert.equal("1234567", p:pread(fd, 10, 0))
  end)

  it("forgets what is cut off", function()
    p:write(fd, ("x"):rep(3 * PAGE))
    assert.equal(0, p:ftruncate(fd, PAGE + 2))
    assert.equal(16, blocks())
    assert.equal(0, p:ftruncate(fd, 3 * PAGE))
    assert.equal("xx\0\0", p:pread(fd, 4, PAGE))
    assert.equal(("\0"):rep(PAGE), p:pread(fd, PAGE, 2 * PAGE))
    assert.equal(16, blocks())
    fails("EINVAL", p:ftruncate(fd, -1))
  end)

  it("is as large as 2^63 - 1 bytes", function()
    local last = math.maxinteger
    assert.equal(0, p:ftruncate(fd, last))
    assert.equal(0, blocks())
    assert.equal(1, p:pwrite(fd, "x", last - 1))
    assert.equal("x", p:pread(fd, 1, last - 1))
    fails("EINVAL", p:pwrite(fd, "xy", last - 1))
    p:fcntl(fd, fdemu.F_SETFL, fdemu.O_APPEND)
    fails("EFBIG", p:pwrite(fd, "x", 0))
    assert.equal(0, p:write(fd, ""))
  end)

  it("is always ready, and no target for epoll", function()
    local list = { { fd = fd, events = fdemu.POLLIN | fdemu.POLLOUT } }
    assert.equal(1, p:poll(list, 0))
    assert.equal(fdemu.POLLIN | fdemu.POLLOUT, list[1].revents)
    fails("EPERM", p:epoll_ctl(p:epoll_create1(0), fdemu.EPOLL_CTL_ADD, fd,
                               fdemu.EPOLLIN))
  end)

  it("says how much is left to read, and takes fsync", function()
    p:write(fd, "12345")
    p:lseek(fd, 2)
    assert.equal(3, p:ioctl(fd, fdemu.FIONREAD))
    assert.equal(0, p:fsync(fd))
    assert.equal(0, p:fdatasync(fd))
    assert.is_falsy(p:isatty(fd))
  end)

  it("is shared by dups and forks, position included", function()
    local other = p:dup(fd)
    local child = p:fork()
    p:write(fd, "12")
    child:write(fd, "34")
    p:write(other, "56")
    assert.equal("123456", p:pread(fd, 10, 0))
  end)

  describe("with fallocate", function()
    it("has room, zeros and a new size", function()
      assert.equal(0, p:fallocate(fd, 0, PAGE, PAGE + 1))
      assert.equal(2 * PAGE + 1, p:fstat(fd).st_size)
      assert.equal(16, blocks())
      assert.equal("\0", p:pread(fd, 1, PAGE))
      fails("ENXIO", p:lseek(fd, 0, fdemu.SEEK_DATA))
    end)

    it("keeps its size if asked to", function()
      assert.equal(0, p:fallocate(fd, fdemu.FALLOC_FL_KEEP_SIZE, 0, 3 * PAGE))
      assert.equal(0, p:fstat(fd).st_size)
      assert.equal(24, blocks())
      assert.equal(0, p:ftruncate(fd, 0))
      assert.equal(0, blocks())
    end)

    it("gets holes", function()
      local punch = fdemu.FALLOC_FL_PUNCH_HOLE | fdemu.FALLOC_FL_KEEP_SIZE
      p:write(fd, ("x"):rep(4 * PAGE))
      assert.equal(0, p:fallocate(fd, punch, PAGE - 1, PAGE + 2))
      assert.equal("x\0", p:pread(fd, 2, PAGE - 2))
      assert.equal("\0x", p:pread(fd, 2, 2 * PAGE))
      assert.equal(24, blocks())
      assert.equal(PAGE, p:lseek(fd, 0, fdemu.SEEK_HOLE))
    end)

    it("takes any size for what nobody writes to", function()
      assert.equal(0, p:fallocate(fd, 0, 1, 1 << 62))
      assert.equal(1, p:pwrite(fd, "x", 1 << 50))
      assert.equal(1 << 50, p:lseek(fd, 0, fdemu.SEEK_DATA))
      assert.equal(0, p:ftruncate(fd, 1 << 40))
      assert.equal(1 << 31, blocks())
    end)

    it("checks its arguments in Linux's order", function()
      fails("EBADF", p:fallocate(15, 0, 0, 0))
      fails("EINVAL", p:fallocate(fd, 0, 0, 0))
      fails("EINVAL", p:fallocate(fd, 256, -1, 1))
      fails("EOPNOTSUPP", p:fallocate(fd, 256, 0, 1))
      fails("EOPNOTSUPP", p:fallocate(fd, fdemu.FALLOC_FL_PUNCH_HOLE, 0, 1))
      fails("EOPNOTSUPP", p:fallocate(fd, fdemu.FALLOC_FL_ZERO_RANGE, 0, 1))
      fails("EFBIG", p:fallocate(fd, 0, math.maxinteger, 1))
      local r, w = p:pipe()
      fails("EBADF", p:fallocate(r, 0, 0, 1))
      fails("ESPIPE", p:fallocate(w, 0, 0, 1))
      fails("ENODEV", p:fallocate(1, 0, 0, 1))
    end)
  end)

  it("takes advice without effect", function()
    assert.equal(0, p:posix_fadvise(fd, 0, 0, fdemu.POSIX_FADV_WILLNEED))
    fails("EINVAL", p:posix_fadvise(fd, 0, 0, 6))
    fails("EINVAL", p:posix_fadvise(fd, 0, -1, 0))
    fails("ESPIPE", p:posix_fadvise(p:pipe(), 0, 0, 0))
  end)

  describe("with seals", function()
    local function seal(...)
      return p:fcntl(fd, fdemu.F_ADD_SEALS, ...)
    end

    before_each(function() p:write(fd, ("x"):rep(100)) end)

    it("keeps who may execute it, if that is sealed", function()
      assert.equal(0, p:fchmod(fd, 448))
      assert.equal(0, seal(0x20)) -- F_SEAL_EXEC
      fails("EPERM", p:fchmod(fd, 384))
      fails("EPERM", p:fchmod(fd, 493))
      assert.equal(0, p:fchmod(fd, 320))
    end)

    it("has been written when a write fails", function()
      assert.equal(0, seal(fdemu.F_SEAL_GROW))
      k:sleep(5)
      local before = p:fstat(fd).st_mtime
      fails("EPERM", p:write(fd, "x"))
      assert.equal(before + 5, p:fstat(fd).st_mtime)
    end)

    it("does not shrink", function()
      assert.equal(0, seal(fdemu.F_SEAL_SHRINK))
      assert.equal(fdemu.F_SEAL_SHRINK, p:fcntl(fd, fdemu.F_GET_SEALS))
      fails("EPERM", p:ftruncate(fd, 99))
      assert.equal(0, p:ftruncate(fd, 200))
    end)

    it("does not grow, and writes up to the end of a page before", function()
      p:ftruncate(fd, PAGE + 10)
      assert.equal(0, seal(fdemu.F_SEAL_GROW))
      fails("EPERM", p:ftruncate(fd, 2 * PAGE))
      fails("EPERM", p:pwrite(fd, "xy", PAGE + 9))
      fails("EPERM", p:fallocate(fd, 1, 0, 2 * PAGE))
      assert.equal(6, p:pwrite(fd, ("x"):rep(100), PAGE - 6))
    end)

    it("is not written to", function()
      for _, s in ipairs { fdemu.F_SEAL_WRITE, fdemu.F_SEAL_FUTURE_WRITE } do
        fd = p:memfd_create("again", fdemu.MFD_ALLOW_SEALING)
        assert.equal(0, seal(s))
        fails("EPERM", p:write(fd, "x"))
        fails("EPERM", p:fallocate(fd, 3, 0, 1))
        assert.equal(0, p:ftruncate(fd, 50))
        assert.equal("", p:pread(fd, 0, 0))
      end
    end)

    it("gets no more of them", function()
      assert.equal(0, seal(fdemu.F_SEAL_SEAL))
      fails("EPERM", seal(fdemu.F_SEAL_WRITE))
      fails("EINVAL", seal(0x100))
    end)

    it("has none unless they were asked for", function()
      fd = p:memfd_create("plain")
      assert.equal(fdemu.F_SEAL_SEAL, p:fcntl(fd, fdemu.F_GET_SEALS))
      fails("EPERM", seal(fdemu.F_SEAL_WRITE))
      fails("EINVAL", p:fcntl(1, fdemu.F_GET_SEALS))
    end)
  end)

  it("made by memfd_create has a name, and flags", function()
    assert.equal(0, p:fcntl(fd, fdemu.F_GETFD))
    assert.equal("memfd", p:description(fd).kind)
    assert.equal(fdemu.S_IFREG | 511, p:fstat(fd).st_mode)
    assert.equal(0, p:fstat(fd).st_nlink)
    local other = p:memfd_create("x", fdemu.MFD_CLOEXEC | fdemu.MFD_NOEXEC_SEAL)
    assert.equal(fdemu.FD_CLOEXEC, p:fcntl(other, fdemu.F_GETFD))
    assert.equal(fdemu.S_IFREG | 438, p:fstat(other).st_mode)
    assert.equal(fdemu.F_SEAL_EXEC, p:fcntl(other, fdemu.F_GET_SEALS))
    assert.is_number(p:memfd_create(("n"):rep(249)))
    fails("EINVAL", p:memfd_create(("n"):rep(250)))
    fails("EINVAL", p:memfd_create("x", 0x1000))
    fails("EINVAL", p:memfd_create("x", 8 | 16))
    assert.has_error(function() p:memfd_create("a\0b") end,
      "bad argument #1 to 'memfd_create' (name contains a zero byte)")
  end)

  it("is shown in listings as Linux names it", function()
    for _, row in ipairs(k:lsof()) do
      if row.fd == fd then
        assert.equal("/memfd:test (deleted)", row.path)
        return
      end
    end
    error "not listed"
  end)

  it("is traced", function()
    local lines = {}
    k:trace(function(e) lines[#lines + 1] = tostring(e) end)
    p:memfd_create("x", fdemu.MFD_CLOEXEC)
    p:fallocate(fd, 3, 5, 6)
    p:posix_fadvise(fd, 1, 2, 3)
    k:trace(nil)
    assert.same({
      '[pid  1] memfd_create("x", MFD_CLOEXEC) = 4',
      "[pid  1] fallocate(3, FALLOC_FL_KEEP_SIZE|FALLOC_FL_PUNCH_HOLE, 5, 6) = 0",
      "[pid  1] fadvise64(3, 1, 2, POSIX_FADV_WILLNEED) = 0",
    }, lines)
  end)

  it("can be made to fail", function()
    k:inject { call = "fallocate", errno = "EIO" }
    k:inject { call = "memfd_create", errno = "EMFILE" }
    fails("EIO", p:fallocate(fd, 0, 0, 1))
    fails("EMFILE", p:memfd_create("x"))
    k:inject { kind = "memfd", call = "write", short = 3 }
    assert.equal(3, p:write(fd, "12345"))
  end)

  it("has short counts by chance", function()
    local other = fdemu.kernel { short = 1 }
    local q = other:process { stdout = "null", stderr = "null" }
    local n = q:write(q:memfd_create("x"), ("x"):rep(1000))
    assert.is_true(n > 0 and n < 1000)
    other:close()
  end)
end)

describe("space for files", function()
  local k, p, fd

  before_each(function()
    k = fdemu.kernel { space = 3 * PAGE }
    p = k:process { stdout = "null", stderr = "null" }
    fd = p:memfd_create("x")
  end)

  after_each(function() k:close() end)

  it("ends with a short write, then ENOSPC", function()
    assert.equal(3 * PAGE - 10, p:pwrite(fd, ("x"):rep(5 * PAGE), 10))
    fails("ENOSPC", p:pwrite(fd, "x", 3 * PAGE))
    assert.equal(1, p:pwrite(fd, "y", 0))
    assert.equal(3 * PAGE, p:fstat(fd).st_size)
  end)

  it("is that of all files, and comes back", function()
    local other = p:memfd_create("y")
    assert.equal(2 * PAGE, p:write(fd, ("x"):rep(2 * PAGE)))
    assert.equal(PAGE, p:write(other, ("x"):rep(2 * PAGE)))
    p:ftruncate(fd, PAGE)
    assert.equal(PAGE, p:write(other, ("x"):rep(PAGE)))
    fails("ENOSPC", p:write(other, "x"))
    p:close(fd)
    assert.equal(PAGE, p:write(other, ("x"):rep(2 * PAGE)))
  end)

  it("is given to fallocate whole or not at all", function()
    fails("ENOSPC", p:fallocate(fd, 0, 0, 3 * PAGE + 1))
    assert.equal(0, p:fstat(fd).st_blocks)
    assert.equal(0, p:fallocate(fd, 0, 0, 3 * PAGE))
    assert.equal(1, p:write(fd, "x"))
    fails("ENOSPC", p:pwrite(fd, "x", 3 * PAGE))
  end)

  it("is not used by holes", function()
    assert.equal(0, p:ftruncate(fd, math.maxinteger))
    assert.equal(2 * PAGE, p:pwrite(fd, ("x"):rep(2 * PAGE), 1 << 40))
  end)

  it("is a number of bytes", function()
    assert.has_error(function() fdemu.kernel { space = -1 } end,
                     "option 'space' must not be negative")
    assert.has_error(function() fdemu.kernel { space = "much" } end,
                     "option 'space' must be an integer")
  end)
end)
