-- ioctl_spec.lua - what ioctl(2) says before a kind is asked: flags of inodes,
-- bytes that files could share, file systems.
-- Every result is what Linux 6.18 gives on a tmpfs to a user who is not root.

local fdemu = require "fdemu"
local steps = require "spec.helper_steps"

local fails = steps.fails

local NODUMP, NOATIME = fdemu.FS_NODUMP_FL, fdemu.FS_NOATIME_FL
local GETFLAGS, SETFLAGS = fdemu.FS_IOC_GETFLAGS, fdemu.FS_IOC_SETFLAGS

describe("ioctl", function()
  local k, p, fd

  before_each(function()
    k = fdemu.kernel { seed = 7 }
    p = k:process { stdout = "null", stderr = "null" }
    fd = assert(p:open("a", "w+"))
  end)

  after_each(function() k:close() end)

  local function flags(f) return p:ioctl(f, GETFLAGS) end

  describe("keeps flags of an inode", function()
    it("for all who have it open", function()
      local again = p:open "a"
      assert.equal(0, flags(fd))
      assert.equal(0, p:ioctl(fd, SETFLAGS, NODUMP | NOATIME))
      assert.equal(NODUMP | NOATIME, flags(again))
      assert.equal(0, p:ioctl(again, SETFLAGS, 0))
      assert.equal(0, flags(fd))
    end)

    it("that are for its owner, and not for root", function()
      fails("EPERM", p:ioctl(fd, SETFLAGS, fdemu.FS_APPEND_FL))
      fails("EPERM", p:ioctl(fd, SETFLAGS, fdemu.FS_IMMUTABLE_FL | 1))
      fails("EOPNOTSUPP", p:ioctl(fd, SETFLAGS, NODUMP | 1))
      local dev = p:open "/dev"
      assert.equal(0, flags(dev))
      fails("EPERM", p:ioctl(dev, SETFLAGS, 0))
      fails("EFAULT", p:ioctl(fd, SETFLAGS, fdemu.buffer(3)))
    end)

    it("and tells when they were set", function()
      k:sleep(5)
      local mtime = p:fstat(fd).st_mtime
      fails("EOPNOTSUPP", p:ioctl(fd, SETFLAGS, 1))
      assert.equal(mtime, p:fstat(fd).st_ctime)
      p:ioctl(fd, SETFLAGS, 0)
      assert.equal(mtime + 5, p:fstat(fd).st_ctime)
      assert.equal(mtime, p:fstat(fd).st_mtime)
    end)

    it("so that reading it leaves no trace", function()
      local began = p:fstat(fd).st_atime
      p:ioctl(fd, SETFLAGS, NOATIME)
      k:sleep(5)
      p:write(fd, "hello")
      p:pread(fd, 5, 0)
      assert.equal(began, p:fstat(fd).st_atime)
      p:ioctl(fd, SETFLAGS, 0)
      p:pread(fd, 5, 0)
      assert.equal(began + 5, p:fstat(fd).st_atime)
    end)

    it("which what is made in a directory has from it", function()
      p:mkdir "d"
      assert.equal(0, p:ioctl(p:open "d", SETFLAGS, NODUMP | NOATIME))
      p:mkdir "d/e"
      p:rename("a", "d/a")
      assert.equal(NODUMP | NOATIME, flags(p:open("d/f", "w")))
      assert.equal(NODUMP | NOATIME, flags(p:open "d/e"))
      assert.equal(NODUMP | NOATIME,
                   flags(p:open("d", fdemu.O_TMPFILE | fdemu.O_RDWR, 384)))
      assert.equal(0, flags(p:open "d/a"))
    end)

    it("with other names, too", function()
      local x = fdemu.buffer(("\255"):rep(28))
      p:ioctl(fd, SETFLAGS, NODUMP)
      assert.equal(0, p:ioctl(fd, fdemu.FS_IOC_FSGETXATTR, x))
      assert.equal(("<I4"):pack(fdemu.FS_XFLAG_NODUMP) .. ("\0"):rep(24),
                   x:get())
      local function set(xflags, size, project, cow)
        return p:ioctl(fd, fdemu.FS_IOC_FSSETXATTR,
                       ("<I4I4I4I4I4c8"):pack(xflags, size or 0, 99,
                                              project or 0, cow or 0, ""))
      end
      assert.equal(0, (set(fdemu.FS_XFLAG_NOATIME)))
      assert.equal(NOATIME, flags(fd))
      assert.equal(0, (set(0x800))) -- an extent size of 0
      assert.equal(0, flags(fd))
      fails("EOPNOTSUPP", set(0x800, 4096))
      fails("EOPNOTSUPP", set(0, 4096))
      fails("EOPNOTSUPP", set(0, 0, 7))
      fails("EOPNOTSUPP", set(0, 0, 0, 7))
      fails("EOPNOTSUPP", set(4)) -- unknown, whoever asks
      fails("EINVAL", set(0, 0, 0xffffffff))
      fails("EINVAL", set(0x1000)) -- of directories
      fails("EPERM", set(8, 0, 0xffffffff))
      fails("EFAULT", p:ioctl(fd, fdemu.FS_IOC_FSSETXATTR, "short"))
    end)

    it("only of files and directories", function()
      local r = p:pipe()
      fails("ENOTTY", p:ioctl(r, GETFLAGS))
      fails("ENOTTY", p:ioctl(r, SETFLAGS, 0))
      fails("EFAULT", p:ioctl(r, SETFLAGS, fdemu.buffer(1)))
      fails("EOPNOTSUPP", p:ioctl(r, fdemu.FS_IOC_FSSETXATTR,
                                  ("<I4"):pack(4) .. ("\0"):rep(24)))
      fails("EINVAL", p:ioctl(p:epoll_create1(0), GETFLAGS))
      assert.equal(0, flags(p:memfd_create("m", 0)))
      assert.equal(0, flags(p:open "/"))
    end)

    it("and a trace shows them", function()
      local lines = {}
      k:trace(function(e) lines[#lines + 1] = tostring(e):match "%(%d+, (.*)" end)
      p:ioctl(fd, SETFLAGS, NODUMP | NOATIME)
      flags(fd)
      p:ioctl(fd, fdemu.FIGETBSZ)
      k:trace(nil)
      assert.same({ "FS_IOC_SETFLAGS, [FS_NODUMP_FL|FS_NOATIME_FL]) = 0",
                    "FS_IOC_GETFLAGS, [FS_NODUMP_FL|FS_NOATIME_FL]) = 0",
                    "FIGETBSZ, [4096]) = 0" }, lines)
    end)
  end)

  describe("of bytes that files could share", function()
    local function clone(to, from) return p:ioctl(to, fdemu.FICLONE, from) end

    it("knows what could, and that nothing can", function()
      local dir, null = p:open "/", p:open("/dev/null", "r+")
      local r, w = p:pipe()
      fails("EOPNOTSUPP", clone(fd, fd))
      fails("EBADF", clone(fd, 17))
      fails("EBADF", clone(fd, p:open("a", fdemu.O_PATH)))
      fails("EBADF", clone(fd, p:open("a", "a")))
      fails("EBADF", clone(p:open("a", "a"), fd))
      fails("EISDIR", clone(fd, dir))
      fails("EXDEV", clone(fd, null))
      fails("EXDEV", clone(fd, p:memfd_create("m", 0)))
      fails("EINVAL", clone(null, null))
      fails("EINVAL", clone(r, w))
      fails("EXDEV", clone(r, p:socketpair(fdemu.AF_UNIX, fdemu.SOCK_STREAM)))
      fails("EINVAL", clone(p:eventfd(0), p:epoll_create1(0)))
      fails("EOPNOTSUPP", p:ioctl(fd, fdemu.FICLONERANGE,
                                  ("<i8"):pack(fd) .. ("\0"):rep(24)))
      fails("EFAULT", p:ioctl(fd, fdemu.FICLONERANGE, ("<i8"):pack(fd)))
    end)

    it("wants to know of a page of them at most", function()
      local function dedupe(f, count, reserved)
        return p:ioctl(f, fdemu.FIDEDUPERANGE,
                       ("<I8I8I2I2I4"):pack(0, 0, count, 0, reserved or 0) ..
                       ("\0"):rep(32 * count))
      end
      fails("EOPNOTSUPP", dedupe(fd, 0))
      fails("EOPNOTSUPP", dedupe(fd, 127))
      fails("ENOMEM", dedupe(fd, 128))
      fails("EINVAL", dedupe(fd, 0, 1))
      fails("EINVAL", dedupe(p:open("a", "a"), 0))
      fails("EISDIR", dedupe(p:open "/", 0))
      fails("EINVAL", dedupe((p:pipe()), 0))
      fails("EFAULT", p:ioctl(fd, fdemu.FIDEDUPERANGE,
                              ("<I8I8I2I2I4"):pack(0, 0, 1, 0, 0)))
      fails("EFAULT", p:ioctl(fd, fdemu.FIDEDUPERANGE))
    end)

    it("has no map of them", function()
      fails("EOPNOTSUPP", p:ioctl(fd, fdemu.FS_IOC_FIEMAP))
      fails("EOPNOTSUPP", p:ioctl((p:pipe()), fdemu.FS_IOC_FIEMAP))
    end)
  end)

  describe("of a file system", function()
    local function uuid(of, f)
      local b = fdemu.buffer(17)
      local n, message, errno = of:ioctl(f, fdemu.FS_IOC_GETFSUUID, b)
      return n and b:get(), message, errno
    end

    it("says which it is", function()
      local one = uuid(p, fd)
      assert.equal(16, one:byte(1))
      assert.equal(0x40, one:byte(8) & 0xf0)
      assert.equal(0x80, one:byte(10) & 0xc0)
      assert.equal(one, uuid(p, p:open "/"))
      assert.not_equal(one, uuid(p, p:open "/dev/null"))
      assert.not_equal(one, uuid(p, p:memfd_create("m", 0)))
      for _, other in ipairs { (p:pipe()), p:eventfd(0),
                               p:open "/proc/self/fd" } do
        fails("ENOTTY", uuid(p, other))
      end
      fails("EFAULT", p:ioctl(fd, fdemu.FS_IOC_GETFSUUID, fdemu.buffer(16)))
    end)

    it("depends on the seed alone", function()
      local function of(seed)
        local other = fdemu.kernel { seed = seed }
        local q = other:process { stdout = "null", stderr = "null" }
        local id = uuid(q, q:open "/")
        other:close()
        return id
      end
      assert.equal(uuid(p, fd), of(7))
      assert.not_equal(uuid(p, fd), of(8))
    end)

    it("says the size of its blocks", function()
      assert.equal(4096, p:ioctl(fd, fdemu.FIGETBSZ))
      assert.equal(1024, p:ioctl(p:open "/proc/self/fd", fdemu.FIGETBSZ))
    end)
  end)
end)

describe("the directory of descriptors", function()
  local k, p, fd

  before_each(function()
    k = fdemu.kernel {}
    p = k:process { stdout = "null", stderr = "null" }
    fd = assert(p:open "/proc/self/fd")
  end)

  after_each(function() k:close() end)

  it("has nothing to write", function()
    fails("EINVAL", p:fsync(fd))
    fails("EINVAL", p:fdatasync(fd))
  end)

  it("has an end, and positions up to 2 GiB", function()
    local last = 0x7fffffff
    assert.equal(0, p:lseek(fd, 0, fdemu.SEEK_END))
    assert.equal(5, p:lseek(fd, 5, fdemu.SEEK_END))
    fails("EINVAL", p:lseek(fd, -1, fdemu.SEEK_END))
    assert.equal(last, p:lseek(fd, last, fdemu.SEEK_SET))
    fails("EINVAL", p:lseek(fd, 1, fdemu.SEEK_CUR))
    assert.equal(last, p:lseek(fd, 0, fdemu.SEEK_CUR))
    fails("EINVAL", p:lseek(fd, math.maxinteger, fdemu.SEEK_CUR))
    fails("ENXIO", p:lseek(fd, 0, fdemu.SEEK_DATA))
    fails("ENXIO", p:lseek(fd, 0, fdemu.SEEK_HOLE))
  end)

  it("is a file system of its own, where names come and go as they do", function()
    assert.not_equal(p:stat("/").st_dev, p:fstat(fd).st_dev)
    assert.equal(1024, p:fstat(fd).st_blksize)
    assert.equal(1024, p:lstat("/proc/self/fd/0").st_blksize)
    p:close(p:open("a", "w"))
    fails("EXDEV", p:rename("a", "/proc/self/fd/0"))
    fails("EXDEV", p:rename("/proc/self/fd/0", "b"))
    fails("EXDEV", p:rename("/proc/self/fd/.", "b"))
    fails("EPERM", p:rename("/proc/self/fd/0", "/proc/self/fd/1"))
    fails("ENOENT", p:rename("/proc/self/fd/0", "/proc/self/fd/77"))
    fails("ENOENT", p:link("/proc/self/fd/0", "/proc/self/fd/77"))
    fails("EXDEV", p:link("/proc/self/fd/0", "b"))
    fails("EPERM", p:unlink "/proc/self/fd/0")
    fails("ENOTDIR", p:rmdir "/proc/self/fd/0")
  end)
end)
