-- fcntl_spec.lua - fcntl and the ioctls that work on every kind of file.
-- Every result is what Linux 6.18 gives to an unprivileged process.

local fdemu = require "fdemu"
local steps = require "spec.helper_steps"

local fails = steps.fails

local GETFD, SETFD = fdemu.F_GETFD, fdemu.F_SETFD
local GETFL, SETFL = fdemu.F_GETFL, fdemu.F_SETFL

local devices = { "/dev/null", "/dev/zero", "/dev/full" }

describe("fcntl", function()
  local k, p, r, w

  before_each(function()
    k = fdemu.kernel {}
    p = k:process { stdout = "null", stderr = "null" }
    r, w = p:pipe()
  end)

  after_each(function() k:close() end)

  -- Both ends of a pipe and each device, with their flags at birth.
  local function everything()
    local t = { { r, 0 }, { w, 1 } }
    for _, path in ipairs(devices) do
      t[#t + 1] = { assert(p:open(path, fdemu.O_RDWR)), 0x8002 }
    end
    return t
  end

  it("has Linux's numbers", function()
    local want = {
      F_DUPFD = 0, F_GETFD = 1, F_SETFD = 2, F_GETFL = 3, F_SETFL = 4,
      F_DUPFD_CLOEXEC = 1030, F_SETPIPE_SZ = 1031, F_GETPIPE_SZ = 1032,
      FD_CLOEXEC = 1, O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2,
      O_CREAT = 0x40, O_EXCL = 0x80, O_TRUNC = 0x200, O_APPEND = 0x400,
      O_NONBLOCK = 0x800, O_ASYNC = 0x2000, O_DIRECT = 0x4000,
      O_CLOEXEC = 0x80000, FIONREAD = 0x541b, FIONBIO = 0x5421,
      FIOCLEX = 0x5451, FIONCLEX = 0x5450, CLOSE_RANGE_UNSHARE = 2,
      CLOSE_RANGE_CLOEXEC = 4, SEEK_SET = 0, SEEK_CUR = 1, SEEK_END = 2,
    }
    for name, value in pairs(want) do
      assert.equal(value, fdemu[name], name)
    end
  end)

  describe("what is only kept", function()
    it("F_SETOWN keeps a process that there is, F_GETOWN tells it", function()
      local pid = p:getpid()
      for _, file in ipairs(everything()) do
        assert.equal(0, p:fcntl(file[1], fdemu.F_GETOWN))
        assert.equal(0, p:fcntl(file[1], fdemu.F_SETOWN, pid))
        assert.equal(pid, p:fcntl(file[1], fdemu.F_GETOWN))
        fails("ESRCH", p:fcntl(file[1], fdemu.F_SETOWN, 123456))
        fails("ESRCH", p:fcntl(file[1], fdemu.F_SETOWN, -123456))
        fails("EINVAL", p:fcntl(file[1], fdemu.F_SETOWN, -0x80000000))
        assert.equal(pid, p:fcntl(file[1], fdemu.F_GETOWN))
        assert.equal(0, p:fcntl(file[1], fdemu.F_SETOWN, 0))
        assert.equal(0, p:fcntl(file[1], fdemu.F_GETOWN))
      end
    end)

    it("F_SETOWN_EX takes and F_GETOWN_EX gives a table", function()
      local pid = p:getpid()
      assert.same({ type = 0, pid = 0 }, p:fcntl(r, fdemu.F_GETOWN_EX))
      local group = { type = fdemu.F_OWNER_PGRP, pid = pid }
      assert.equal(0, p:fcntl(r, fdemu.F_SETOWN_EX, group))
      assert.same(group, p:fcntl(r, fdemu.F_GETOWN_EX))
      fails("EINVAL", p:fcntl(r, fdemu.F_SETOWN_EX, { type = 3, pid = pid }))
      fails("ESRCH", p:fcntl(r, fdemu.F_SETOWN_EX, { type = 1, pid = -1 }))
      assert.same(group, p:fcntl(r, fdemu.F_GETOWN_EX))
      assert.error(function() p:fcntl(r, fdemu.F_SETOWN_EX, pid) end)
    end)

    it("an owner that has gone is nobody", function()
      local child = p:fork()
      assert.equal(0, p:fcntl(r, fdemu.F_SETOWN, child:getpid()))
      child:exit(0)
      p:wait()
      assert.equal(0, p:fcntl(r, fdemu.F_GETOWN))
    end)

    it("F_SETSIG keeps a signal", function()
      for _, file in ipairs(everything()) do
        assert.equal(0, p:fcntl(file[1], fdemu.F_GETSIG))
        assert.equal(0, p:fcntl(file[1], fdemu.F_SETSIG, 64))
        assert.equal(64, p:fcntl(file[1], fdemu.F_GETSIG))
        fails("EINVAL", p:fcntl(file[1], fdemu.F_SETSIG, 65))
        fails("EINVAL", p:fcntl(file[1], fdemu.F_SETSIG, -1))
        assert.equal(64, p:fcntl(file[1], fdemu.F_GETSIG))
      end
    end)

    it("F_NOTIFY is about directories", function()
      fails("ENOTDIR", p:fcntl(r, fdemu.F_NOTIFY, fdemu.DN_ACCESS))
      assert.equal(0, p:fcntl(r, fdemu.F_NOTIFY, 0))
      local dir = p:open("/", "r")
      assert.equal(0, p:fcntl(dir, fdemu.F_NOTIFY, 0))
      assert.equal(0, p:fcntl(dir, fdemu.F_NOTIFY, fdemu.DN_ACCESS))
      assert.equal(p:getpid(), p:fcntl(dir, fdemu.F_GETOWN))
      assert.equal(0, p:fcntl(dir, fdemu.F_NOTIFY, fdemu.DN_MULTISHOT))
    end)

    it("a hint belongs to the file, and its owner gives it", function()
      local f = p:open("/f", fdemu.O_RDWR | fdemu.O_CREAT, 420)
      local other = p:open("/f", "r")
      assert.equal(0, p:fcntl(f, fdemu.F_GET_RW_HINT))
      assert.equal(0, p:fcntl(other, fdemu.F_SET_RW_HINT, 5))
      assert.equal(5, p:fcntl(f, fdemu.F_GET_RW_HINT))
      fails("EINVAL", p:fcntl(f, fdemu.F_SET_RW_HINT, 6))
      fails("EPERM", p:fcntl(p:open("/dev/null", "w"), fdemu.F_SET_RW_HINT, 1))
    end)

    it("F_DUPFD_QUERY knows a duplicate, of O_PATH too", function()
      local path = p:open("/", fdemu.O_PATH)
      for _, fd in ipairs { r, w, path } do
        local dup = p:dup(fd)
        assert.equal(1, p:fcntl(fd, fdemu.F_DUPFD_QUERY, dup))
        assert.equal(0, p:fcntl(fd, fdemu.F_DUPFD_QUERY, 0))
        fails("EBADF", p:fcntl(fd, fdemu.F_DUPFD_QUERY, 99))
      end
    end)

    it("F_CREATED_QUERY knows who made the file", function()
      local flags = fdemu.O_RDWR | fdemu.O_CREAT
      local first, second = p:open("/f", flags, 420), p:open("/f", flags, 420)
      assert.equal(1, p:fcntl(first, fdemu.F_CREATED_QUERY))
      assert.equal(1, p:fcntl(p:dup(first), fdemu.F_CREATED_QUERY))
      assert.equal(0, p:fcntl(second, fdemu.F_CREATED_QUERY))
      assert.equal(0, p:fcntl(r, fdemu.F_CREATED_QUERY))
    end)
  end)

  it("gives EINVAL for an unknown command", function()
    for _, file in ipairs(everything()) do
      for _, cmd in ipairs { 9999, -1, 1023, 0x7fffffff } do
        fails("EINVAL", p:fcntl(file[1], cmd))
        fails("EINVAL", p:fcntl(file[1], cmd, 1))
      end
    end
  end)

  describe("F_GETFD and F_SETFD", function()
    it("keep the FD_CLOEXEC bit and ignore the others", function()
      for _, file in ipairs(everything()) do
        local fd = file[1]
        assert.equal(0, p:fcntl(fd, GETFD))
        for _, row in ipairs {
          { 1, 1 }, { 0, 0 }, { 3, 1 }, { 2, 0 }, { -1, 1 }, { -2, 0 },
        } do
          assert.equal(0, p:fcntl(fd, SETFD, row[1]))
          assert.equal(row[2], p:fcntl(fd, GETFD))
        end
      end
    end)

    it("concern one descriptor and no status flag", function()
      local r2 = p:dup(r)
      assert.equal(0, p:fcntl(r, SETFD, fdemu.FD_CLOEXEC))
      assert.equal(0, p:fcntl(r2, GETFD))
      assert.equal(0, p:fcntl(w, GETFD))
      assert.equal(0, p:fcntl(r, GETFL))
    end)
  end)

  describe("F_GETFL", function()
    it("shows how a device was opened", function()
      for _, path in ipairs(devices) do
        for _, row in ipairs {
          { "O_RDONLY", 0x8000 }, { "O_WRONLY", 0x8001 },
          { "O_RDWR", 0x8002 }, { "O_APPEND", 0x8400 },
          { "O_NONBLOCK", 0x8800 }, { "O_CREAT", 0x8000 },
          { "O_TRUNC", 0x8000 }, { "O_EXCL", 0x8000 },
          { "O_CLOEXEC", 0x8000 }, { "O_ASYNC", 0xa000 },
        } do
          local fd = assert(p:open(path, fdemu[row[1]]))
          assert.equal(row[2], p:fcntl(fd, GETFL), row[1])
          assert.equal(row[1] == "O_CLOEXEC" and 1 or 0,
            p:fcntl(fd, GETFD))
          p:close(fd)
        end
      end
    end)

    it("shows the mode strings of open", function()
      for _, row in ipairs {
        { "r", 0x8000 }, { "w", 0x8001 }, { "a", 0x8401 },
        { "r+", 0x8002 }, { "w+", 0x8002 }, { "a+", 0x8402 },
      } do
        local fd = assert(p:open("/dev/null", row[1]))
        assert.equal(row[2], p:fcntl(fd, GETFL), row[1])
      end
      assert.equal(0x8000, p:fcntl(assert(p:open "/dev/null"), GETFL))
    end)

    it("does not change what it shows", function()
      for _, file in ipairs(everything()) do
        assert.equal(file[2], p:fcntl(file[1], GETFL))
        assert.equal(file[2], p:fcntl(file[1], GETFL, -1))
        assert.equal(file[2], p:fcntl(file[1], GETFL))
      end
    end)
  end)

  describe("F_SETFL", function()
    it("sets and clears O_NONBLOCK and O_APPEND", function()
      for _, file in ipairs(everything()) do
        local fd, base = file[1], file[2]
        for _, flags in ipairs { 0x800, 0x400, 0xc00, 0 } do
          assert.equal(0, p:fcntl(fd, SETFL, flags))
          assert.equal(base | flags, p:fcntl(fd, GETFL))
        end
      end
    end)

    it("ignores access mode, creation and other flags", function()
      for _, file in ipairs(everything()) do
        local fd, base = file[1], file[2]
        for _, name in ipairs {
          "O_WRONLY", "O_RDWR", "O_CREAT", "O_EXCL", "O_TRUNC",
          "O_CLOEXEC",
        } do
          assert.equal(0, p:fcntl(fd, SETFL, fdemu[name]), name)
          assert.equal(base, p:fcntl(fd, GETFL), name)
        end
        assert.equal(0, p:fcntl(fd, SETFL, 0x100000 | 0x1000 | 0x8000))
        assert.equal(base, p:fcntl(fd, GETFL))
        assert.equal(0, p:fcntl(fd, GETFD))
      end
    end)

    it("sets every settable flag of a pipe", function()
      for fd, base in pairs { [r] = 0, [w] = 1 } do
        for _, flags in ipairs { 0x2000, 0x4000, 0x40000, 0x46c00 } do
          assert.equal(0, p:fcntl(fd, SETFL, flags))
          assert.equal(base | flags, p:fcntl(fd, GETFL))
        end
        assert.equal(0, p:fcntl(fd, SETFL, -1))
        assert.equal(base | 0x46c00, p:fcntl(fd, GETFL))
        assert.equal(0, p:fcntl(fd, SETFL, 0))
        assert.equal(base, p:fcntl(fd, GETFL))
      end
    end)

    it("refuses O_DIRECT on a device and drops O_ASYNC", function()
      for _, path in ipairs(devices) do
        local fd = p:open(path, fdemu.O_RDWR)
        fails("EINVAL", p:fcntl(fd, SETFL, 0x4000 | 0x800))
        assert.equal(0x8002, p:fcntl(fd, GETFL))
        assert.equal(0, p:fcntl(fd, SETFL, 0x2000 | 0x800))
        assert.equal(0x8802, p:fcntl(fd, GETFL))
      end
    end)

    it("refuses O_NOATIME to who does not own the device", function()
      for _, path in ipairs(devices) do
        local fd = p:open(path, fdemu.O_RDWR)
        fails("EPERM", p:fcntl(fd, SETFL, 0x40000 | 0x800))
        fails("EPERM", p:fcntl(fd, SETFL, -1))
        assert.equal(0x8002, p:fcntl(fd, GETFL))
      end
    end)

    it("is seen through every descriptor of the description", function()
      local r2 = p:fcntl(r, fdemu.F_DUPFD, 50)
      assert.equal(0, p:fcntl(r2, SETFL, fdemu.O_NONBLOCK))
      fails("EAGAIN", p:read(r, 1))
      assert.equal(1, p:fcntl(w, GETFL))
    end)
  end)

  describe("ioctl", function()
    it("sets and clears FD_CLOEXEC by FIOCLEX and FIONCLEX", function()
      for _, file in ipairs(everything()) do
        local fd, fd2 = file[1], p:dup(file[1])
        assert.equal(0, p:ioctl(fd, fdemu.FIOCLEX))
        assert.equal(1, p:fcntl(fd, GETFD))
        assert.equal(0, p:fcntl(fd2, GETFD))
        assert.equal(0, p:ioctl(fd, fdemu.FIOCLEX, 0))
        assert.equal(1, p:fcntl(fd, GETFD))
        assert.equal(0, p:ioctl(fd, fdemu.FIONCLEX, 1))
        assert.equal(0, p:fcntl(fd, GETFD))
        assert.equal(file[2], p:fcntl(fd, GETFL))
      end
    end)

    it("sets and clears O_NONBLOCK by FIONBIO", function()
      for _, file in ipairs(everything()) do
        local fd, base = file[1], file[2]
        local on, off = base | fdemu.O_NONBLOCK, base
        local four = fdemu.buffer(4)
        for _, row in ipairs {
          { 1, on }, { 0, off }, { -1, on }, { 0, off }, { 256, on },
          { ("<i4"):pack(0), off }, { ("<i4"):pack(1), on },
          { four, off }, { fdemu.buffer "\0\0\0\1", on },
        } do
          assert.equal(0, (p:ioctl(fd, fdemu.FIONBIO, row[1])))
          assert.equal(row[2], p:fcntl(fd, GETFL))
        end
      end
    end)

    it("makes a dup non-blocking too by FIONBIO", function()
      local r2 = p:dup(r)
      assert.equal(0, p:ioctl(r2, fdemu.FIONBIO, 1))
      fails("EAGAIN", p:read(r, 1))
    end)

    it("tells by FIONREAD what a pipe holds", function()
      assert.equal(0, p:ioctl(r, fdemu.FIONREAD))
      p:write(w, ("x"):rep(5000))
      assert.equal(5000, p:ioctl(r, fdemu.FIONREAD))
      assert.equal(5000, p:ioctl(w, fdemu.FIONREAD))
      p:read(r, 4500)
      assert.equal(500, p:ioctl(r, fdemu.FIONREAD))
      p:close(w)
      assert.equal(500, p:ioctl(r, fdemu.FIONREAD))
    end)

    it("gives ENOTTY for FIONREAD on a device", function()
      for _, path in ipairs(devices) do
        local fd = p:open(path, fdemu.O_RDWR)
        fails("ENOTTY", p:ioctl(fd, fdemu.FIONREAD))
        fails("ENOTTY", p:ioctl(fd, fdemu.FIONREAD, fdemu.buffer(4)))
      end
    end)

    it("gives ENOTTY for a request that nobody knows", function()
      for _, file in ipairs(everything()) do
        for _, request in ipairs { 0, -1, 0x1234, 0xdeadbeef, 0x5401 } do
          fails("ENOTTY", p:ioctl(file[1], request, fdemu.buffer(64)))
        end
      end
    end)
  end)
end)
