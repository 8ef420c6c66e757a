-- devices_spec.lua - /dev/null, /dev/zero and /dev/full.
-- Every result is what Linux 6.18 gives to an unprivileged process.

local fdemu = require "fdemu"
local steps = require "spec.helper_steps"

local fails, ready = steps.fails, steps.ready

local MAX = math.maxinteger

describe("the device", function()
  local k, p

  before_each(function()
    k = fdemu.kernel {}
    p = k:process { stdout = "null", stderr = "null" }
  end)

  after_each(function() k:close() end)

  local kinds = {
    { path = "/dev/null", name = "null", rdev = 0x103, fill = "" },
    { path = "/dev/zero", name = "zero", rdev = 0x105, fill = "\0" },
    { path = "/dev/full", name = "full", rdev = 0x107, fill = "\0",
      full = true },
  }

  for _, kind in ipairs(kinds) do
    describe(kind.path, function()
      local fd

      before_each(function()
        fd = assert(p:open(kind.path, fdemu.O_RDWR))
      end)

      -- What a write of `n` bytes results in.
      local function written(n, ...)
        if kind.full then return fails("ENOSPC", ...) end
        assert.equal(n, (...))
      end

      it("is of its own kind", function()
        assert.equal(kind.name, p:description(fd).kind)
      end)

      it("reads as ever the same", function()
        for _, n in ipairs { 0, 1, 10, 4096, 100000 } do
          local want = kind.fill:rep(n)
          assert.is_true(want == p:read(fd, n), n)
          assert.is_true(want == p:pread(fd, n, 0), n)
          assert.is_true(want == p:pread(fd, n, 1 << 40), n)
        end
      end)

      it("is read into several pieces", function()
        local want = { kind.fill:rep(2), "", kind.fill:rep(3) }
        local list, n = p:readv(fd, { 2, 0, 3 })
        assert.same(want, list)
        assert.equal(5 * #kind.fill, n)
        list, n = p:preadv(fd, { 2, 0, 3 }, 1000)
        assert.same(want, list)
        assert.equal(5 * #kind.fill, n)
        list, n = p:readv(fd, {})
        assert.same({}, list)
        assert.equal(0, n)
      end)

      it("is written to", function()
        written(3, p:write(fd, "abc"))
        written(100000, p:write(fd, ("x"):rep(100000)))
        written(3, p:pwrite(fd, "abc", 5))
        written(3, p:writev(fd, { "a", "", "bc" }))
        written(3, p:pwritev(fd, { "ab", "c" }, 5))
      end)

      it("is written nothing to", function()
        written(0, p:write(fd, ""))
        written(0, p:pwrite(fd, "", 5))
        assert.equal(0, p:writev(fd, {}))
        assert.equal(0, p:writev(fd, { "" }))
        assert.equal(0, p:writev(fd, { "", "" }))
        assert.equal(0, p:pwritev(fd, {}, 5))
      end)

      it("checks the offset before anything else", function()
        fails("EINVAL", p:pread(fd, 1, -1))
        fails("EINVAL", p:pread(fd, 0, -1))
        fails("EINVAL", p:pwrite(fd, "x", -1))
        fails("EINVAL", p:pwrite(fd, "", -1))
        fails("EINVAL", p:preadv(fd, { 1 }, -2))
        fails("EINVAL", p:preadv(fd, {}, -2))
        fails("EINVAL", p:pwritev(fd, { "x" }, -2))
        fails("EINVAL", p:pread(fd, 1, math.mininteger))
      end)

      it("refuses an end beyond the largest offset", function()
        fails("EINVAL", p:pread(fd, 10, MAX))
        fails("EINVAL", p:pread(fd, 10, MAX - 9))
        fails("EINVAL", p:pwrite(fd, "abc", MAX))
        fails("EINVAL", p:pwrite(fd, "abc", MAX - 2))
        assert.equal(kind.fill:rep(10), p:pread(fd, 10, MAX - 10))
        assert.equal("", p:pread(fd, 0, MAX))
        written(3, p:pwrite(fd, "abc", MAX - 3))
      end)

      it("is always at position 0", function()
        for whence = 0, 4 do
          for _, offset in ipairs { 0, 100, -1, MAX, math.mininteger } do
            assert.equal(0, p:lseek(fd, offset, whence))
          end
        end
        p:read(fd, 10)
        p:write(fd, "abc")
        assert.equal(0, p:lseek(fd, 0, fdemu.SEEK_CUR))
        assert.equal(0, p:lseek(fd, 0, fdemu.SEEK_END))
      end)

      it("knows no other whence", function()
        for _, whence in ipairs { 5, 99, -1 } do
          fails("EINVAL", p:lseek(fd, 0, whence))
        end
      end)

      it("obeys the access mode, also for nothing", function()
        local ro = assert(p:open(kind.path, fdemu.O_RDONLY))
        local wo = assert(p:open(kind.path, fdemu.O_WRONLY))
        fails("EBADF", p:write(ro, "x"))
        fails("EBADF", p:write(ro, ""))
        fails("EBADF", p:pwrite(ro, "x", 0))
        fails("EBADF", p:writev(ro, { "x" }))
        fails("EBADF", p:writev(ro, {}))
        fails("EBADF", p:pwritev(ro, { "x" }, 0))
        fails("EBADF", p:read(wo, 1))
        fails("EBADF", p:read(wo, 0))
        fails("EBADF", p:pread(wo, 1, 0))
        fails("EBADF", p:readv(wo, { 1 }))
        fails("EBADF", p:readv(wo, {}))
        fails("EBADF", p:preadv(wo, { 1 }, 0))
        fails("EINVAL", p:pwrite(ro, "x", -1))
        fails("EINVAL", p:pread(wo, 1, -1))
        assert.equal(0, p:lseek(ro, 0, 0))
        assert.equal(0, p:lseek(wo, 0, 0))
        assert.equal(kind.fill, p:read(ro, 1))
        written(1, p:write(wo, "x"))
      end)

      it("is always ready, whatever the access mode", function()
        for mode = 0, 2 do
          local file = assert(p:open(kind.path, mode))
          assert.equal("IN OUT RDNORM WRNORM", ready(p, file))
          assert.equal("IN OUT", ready(p, file, 5))
          assert.equal("OUT", ready(p, file, fdemu.POLLOUT))
          assert.equal("-", ready(p, file, fdemu.POLLPRI))
          assert.equal("-", ready(p, file, 0))
        end
      end)

      it("shows in fstat as a character device", function()
        local st = assert(p:fstat(fd))
        assert.equal(8630, st.st_mode) -- 020666
        assert.equal(kind.rdev, st.st_rdev)
        assert.equal(0, st.st_size)
        assert.equal(1, st.st_nlink)
        assert.equal(4096, st.st_blksize)
        assert.equal(0, st.st_blocks)
      end)

      it("is one inode, however often it is opened", function()
        local st = assert(p:fstat(fd))
        local again = assert(p:fstat(assert(p:open(kind.path))))
        assert.equal(st.st_ino, again.st_ino)
        assert.equal(st.st_dev, again.st_dev)
        for _, other in ipairs(kinds) do
          local ino = p:fstat(assert(p:open(other.path))).st_ino
          assert.equal(other == kind, ino == st.st_ino)
        end
      end)

      it("is no terminal and no pipe", function()
        fails("ENOTTY", p:isatty(fd))
        fails("EBADF", p:fcntl(fd, fdemu.F_GETPIPE_SZ))
        fails("EBADF", p:fcntl(fd, fdemu.F_SETPIPE_SZ, 4096))
      end)

      it("is opened again by several descriptions", function()
        local other = assert(p:open(kind.path, fdemu.O_RDWR))
        assert.are_not.equal(p:description(fd).id, p:description(other).id)
        p:close(fd)
        assert.equal(kind.fill, p:read(other, 1))
      end)
    end)
  end

  describe("opened with odd flags", function()
    it("is refused by what cannot be done to it", function()
      for _, kind in ipairs(kinds) do
        fails("EINVAL", p:open(kind.path, 0x4000)) -- O_DIRECT
        fails("EPERM", p:open(kind.path, 0x40000)) -- O_NOATIME, not owned
        fails("ENOTDIR", p:open(kind.path, 0x10000)) -- O_DIRECTORY
      end
      assert.equal(3, p:dup(0))
    end)

    it("shows those that stay, and forgets the others", function()
      for _, kind in ipairs(kinds) do
        for _, row in ipairs {
          { 0x101000, 0x109000 }, -- O_SYNC
          { 0x1000, 0x9000 }, -- O_DSYNC
          { 0x100, 0x8000 }, -- O_NOCTTY
          { 0x20000, 0x28000 }, -- O_NOFOLLOW
          { 0x40 | 0x200 | 1, 0x8001 }, -- O_CREAT | O_TRUNC | O_WRONLY
        } do
          local fd = assert(p:open(kind.path, row[1]))
          assert.equal(row[2], p:fcntl(fd, fdemu.F_GETFL))
        end
      end
    end)

    it("is neither read nor written with access mode 3", function()
      for _, kind in ipairs(kinds) do
        local fd = assert(p:open(kind.path, 3))
        assert.equal(0x8003, p:fcntl(fd, fdemu.F_GETFL))
        fails("EBADF", p:read(fd, 1))
        fails("EBADF", p:write(fd, "x"))
        fails("ENOTTY", p:ioctl(fd, fdemu.FIONREAD))
      end
    end)
  end)

  describe("name", function()
    it("is looked up when there is a descriptor for it", function()
      local fd, message, errno = p:open("/dev/x", fdemu.O_RDONLY)
      assert.is_nil(fd)
      assert.equal("/dev/x: No such file or directory", message)
      assert.equal(2, errno)
      fails("ENOENT", p:open("", fdemu.O_RDONLY))
      assert.equal(3, p:open("/dev/null"))
    end)

    it("cannot be created anew", function()
      local flags = fdemu.O_CREAT | fdemu.O_EXCL
      fails("EEXIST", p:open("/dev/null", flags))
      fails("EEXIST", p:open("/dev/zero", flags | fdemu.O_RDWR))
      assert.equal(3, p:dup(0))
    end)
  end)
end)
