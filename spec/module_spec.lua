-- module_spec.lua - the module: constants, messages, ioctl numbers, userdata
local fdemu = require "fdemu"
local checks = require "spec.helper_checks"

local failure = checks.failure

describe("module", function()
  it("is a table that require returns again", function()
    assert.equal("table", type(fdemu))
    assert.equal(fdemu, require "fdemu")
    assert.equal("function", type(fdemu.kernel))
    assert.equal("function", type(fdemu.buffer))
  end)

  it("has a version", function()
    assert.is_string(fdemu._VERSION)
    assert.is_truthy(fdemu._VERSION:find("%S"))
  end)

  it("leaves the global environment alone", function()
    local before = {}
    for name in pairs(_G) do before[name] = true end
    local loaded = {}
    for name in pairs(package.loaded) do
      if name == "fdemu" or name:find("^fdemu%.") then
        loaded[name] = package.loaded[name]
        package.loaded[name] = nil
      end
    end
    local again = require "fdemu"
    local k = again.kernel()
    k:process():pipe()
    k:close()
    for name, value in pairs(loaded) do package.loaded[name] = value end
    for name in pairs(_G) do
      assert.is_true(before[name], "new global " .. tostring(name))
    end
    assert.is_nil(rawget(_G, "fdemu"))
  end)

  it("leaves the metatables of Lua's own types alone", function()
    assert.equal(string, getmetatable("").__index)
    assert.is_nil(getmetatable(1))
    assert.is_nil(getmetatable(print))
    assert.is_nil(getmetatable(coroutine.create(print)))
  end)

  describe("constant", function()
    -- Values of Linux on x86-64: asm-generic/fcntl.h, linux/fcntl.h, errno.h,
    -- poll.h, asm/ioctls.h.
    local expected = {
      O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_ACCMODE = 3,
      O_CREAT = 64, O_EXCL = 128, O_NOCTTY = 256, O_TRUNC = 512,
      O_APPEND = 1024, O_NONBLOCK = 2048, O_CLOEXEC = 524288,
      FD_CLOEXEC = 1,
      F_DUPFD = 0, F_GETFD = 1, F_SETFD = 2, F_GETFL = 3, F_SETFL = 4,
      F_DUPFD_CLOEXEC = 1030, F_SETPIPE_SZ = 1031, F_GETPIPE_SZ = 1032,
      SEEK_SET = 0, SEEK_CUR = 1, SEEK_END = 2,
      POLLIN = 1, POLLPRI = 2, POLLOUT = 4, POLLERR = 8, POLLHUP = 16,
      POLLNVAL = 32,
      FIONREAD = 0x541B, FIONBIO = 0x5421, FIOCLEX = 0x5451,
      FIONCLEX = 0x5450,
      EPERM = 1, ENOENT = 2, EINTR = 4, EIO = 5, ENXIO = 6, EBADF = 9,
      ECHILD = 10, EAGAIN = 11, EWOULDBLOCK = 11, ENOMEM = 12, EACCES = 13,
      EFAULT = 14, EBUSY = 16, EEXIST = 17, ENODEV = 19, ENOTDIR = 20,
      EISDIR = 21, EINVAL = 22, ENFILE = 23, EMFILE = 24, ENOTTY = 25,
      EFBIG = 27, ENOSPC = 28, ESPIPE = 29, EROFS = 30, EPIPE = 32,
      ERANGE = 34, EDEADLK = 35, ENOSYS = 38, ELOOP = 40, EOVERFLOW = 75,
      EOPNOTSUPP = 95, ECONNRESET = 104, ETIMEDOUT = 110, ECANCELED = 125,
    }

    it("has Linux's value", function()
      for name, value in pairs(expected) do
        assert.equal(value, fdemu[name], name)
        assert.equal("integer", math.type(fdemu[name]), name)
      end
    end)

    it("is an integer wherever the name is in capitals", function()
      local n = 0
      for name, value in pairs(fdemu) do
        if name:find("^%u[%u%d]*_?[%u%d_]+$") then
          assert.equal("integer", math.type(value), name)
          n = n + 1
        end
      end
      assert.is_true(n > 60)
    end)

    it("that is an errno has a name of its own", function()
      local names = {}
      for name, value in pairs(fdemu) do
        if name:find("^E%u%w+$") and name ~= "EWOULDBLOCK"
            and name ~= "EDEADLOCK" and name ~= "ENOTSUP"
            and not name:find("^EPOLL") and not name:find("^EFD")
            and not name:find("^EVIOC") then
          assert.is_nil(names[value], name)
          names[value] = name
          assert.equal(name, fdemu.errname(value))
        end
      end
    end)
  end)

  describe("strerror", function()
    it("gives the C library's messages", function()
      for e, message in pairs {
        [1] = "Operation not permitted", [2] = "No such file or directory",
        [4] = "Interrupted system call", [5] = "Input/output error",
        [9] = "Bad file descriptor", [10] = "No child processes",
        [11] = "Resource temporarily unavailable",
        [12] = "Cannot allocate memory", [16] = "Device or resource busy",
        [22] = "Invalid argument", [24] = "Too many open files",
        [25] = "Inappropriate ioctl for device",
        [28] = "No space left on device", [29] = "Illegal seek",
        [32] = "Broken pipe", [35] = "Resource deadlock avoided",
        [40] = "Too many levels of symbolic links",
      } do
        assert.equal(message, fdemu.strerror(e))
      end
    end)

    it("has an answer for every integer", function()
      for _, e in ipairs { -1, 99999, math.maxinteger, math.mininteger } do
        assert.is_string(fdemu.strerror(e))
      end
    end)

    it("refuses what is no integer", function()
      failure(fdemu.strerror)
      failure(fdemu.strerror, "x")
      failure(fdemu.strerror, 1.5)
      failure(fdemu.strerror, {})
    end)
  end)

  describe("errname", function()
    it("gives the names", function()
      assert.equal("EPERM", fdemu.errname(1))
      assert.equal("EAGAIN", fdemu.errname(11))
      assert.equal("ENOTTY", fdemu.errname(25))
      assert.equal("EPIPE", fdemu.errname(32))
    end)

    it("has none for what is no errno, and does not crash", function()
      for _, e in ipairs { -1, 99999, math.maxinteger, math.mininteger } do
        local name = fdemu.errname(e)
        assert.is_true(name == nil or type(name) == "string")
        assert.is_nil(name and fdemu[name])
      end
    end)

    it("refuses what is no integer", function()
      failure(fdemu.errname)
      failure(fdemu.errname, "x")
      failure(fdemu.errname, {})
    end)
  end)

  describe("ioctl numbers", function()
    it("are Linux's", function()
      -- linux/rtc.h, linux/gpio.h, linux/watchdog.h, linux/input.h, linux/fs.h
      assert.equal(0x7001, fdemu._IO(("p"):byte(), 0x01))
      assert.equal(0x80247009, fdemu._IOR(("p"):byte(), 0x09, 36))
      assert.equal(0x4024700A, fdemu._IOW(("p"):byte(), 0x0a, 36))
      assert.equal(0x8044B401, fdemu._IOR(0xB4, 0x01, 68))
      assert.equal(0xC250B407, fdemu._IOWR(0xB4, 0x07, 592))
      assert.equal(0x80045705, fdemu._IOR(("W"):byte(), 5, 4))
      assert.equal(0xC0045706, fdemu._IOWR(("W"):byte(), 6, 4))
      assert.equal(0x80044501, fdemu._IOR(("E"):byte(), 0x01, 4))
      assert.equal(0x80081272, fdemu._IOR(0x12, 114, 8))
    end)

    it("take the type as a letter too", function()
      assert.equal(0x80247009, fdemu._IOR("p", 0x09, 36))
      assert.equal(0x7001, fdemu._IO("p", 0x01))
    end)

    it("without a direction are type and number", function()
      assert.equal(0x0707, fdemu._IO(0x07, 0x07)) -- I2C_RDWR
      assert.equal(0x541B, fdemu._IO(("T"):byte(), 0x1B)) -- FIONREAD
    end)

    it("are integers above zero, as a C program sees them", function()
      local n = fdemu._IOWR(0xFF, 0xFF, 0x3FFF)
      assert.equal("integer", math.type(n))
      assert.equal(0xFFFFFFFF, n)
    end)

    it("refuse what does not fit or is missing", function()
      failure(fdemu._IO)
      failure(fdemu._IO, 1)
      failure(fdemu._IO, {}, 1)
      failure(fdemu._IOR, 1, 1)
      failure(fdemu._IOR, 1, 1, "x")
      failure(fdemu._IOR, 1, 1, 0x4000)
      failure(fdemu._IOR, 1, 1, -1)
      failure(fdemu._IO, 256, 1)
      failure(fdemu._IO, 1, 256)
      failure(fdemu._IO, -1, 1)
    end)
  end)

  describe("userdata", function()
    local k, all

    before_each(function()
      k = fdemu.kernel()
      local p = k:process()
      all = {
        Kernel = k,
        Process = p,
        Description = p:description(0),
        Buffer = fdemu.buffer(4),
        Task = k:spawn(function() end),
      }
    end)

    after_each(function() k:close() end)

    it("has a __name", function()
      for name, u in pairs(all) do
        assert.equal("userdata", type(u))
        assert.equal("fdemu." .. name, debug.getmetatable(u).__name)
      end
    end)

    it("has a tostring with its name and no address", function()
      for name, u in pairs(all) do
        local s = tostring(u)
        assert.equal("fdemu." .. name, s:match("^fdemu%.%a+"))
        assert.is_nil(s:find("0x%x%x%x%x"), s)
        assert.is_nil(s:find("%x%x%x%x%x%x%x%x"), s)
        assert.equal(s, tostring(u))
      end
    end)

    it("has a tostring after the kernel is closed", function()
      k:close()
      for name, u in pairs(all) do
        assert.equal("fdemu." .. name, tostring(u):match("^fdemu%.%a+"))
      end
    end)

    it("of a process shows the exit in no other way than the name", function()
      local q = k:process()
      q:exit(0)
      assert.equal("fdemu.Process", tostring(q):match("^fdemu%.%a+"))
    end)

    it("has __gc, and __close where it makes sense", function()
      assert.equal("function", type(debug.getmetatable(k).__gc))
      for _, name in ipairs { "Kernel", "Process" } do
        assert.equal("function", type(debug.getmetatable(all[name]).__close),
          name)
      end
    end)

    it("does not fall when finalizers are called by hand", function()
      for _, u in pairs(all) do
        local gc = debug.getmetatable(u).__gc
        if gc then
          pcall(gc, u)
          pcall(gc, u)
          pcall(gc)
          pcall(gc, {})
          pcall(gc, io.stdout)
        end
        assert.is_string(tostring(u))
      end
      collectgarbage()
    end)

    if _VERSION ~= "Lua 5.3" then
      it("of a kernel and a process closes at the end of a block", function()
        local released, kernel, process = assert(load([[
          local fdemu = ...
          local released = 0
          local kernel, process
          do
            local k <close> = fdemu.kernel()
            kernel = k
            k:device("/dev/d", {
              release = function() released = released + 1 end,
            })
            do
              local p <close> = k:process()
              process = p
              p:open("/dev/d", fdemu.O_RDWR)
            end
            assert(released == 1)
            local q = k:process()
            q:open("/dev/d", fdemu.O_RDWR)
          end
          return released, kernel, process]]))(fdemu)
        assert.equal(2, released)
        failure(kernel.process, kernel)
        failure(process.getpid, process)
      end)
    end
  end)
end)
