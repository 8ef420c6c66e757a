-- driver_spec.lua - what a device written in Lua may do and must do
local fdemu = require "fdemu"
local checks = require "spec.helper_checks"

local contains, failure = checks.contains, checks.failure

local EAGAIN = { nil, "Resource temporarily unavailable", 11 }
local EBADF = { nil, "Bad file descriptor", 9 }
local EINVAL = { nil, "Invalid argument", 22 }
local EIO = { nil, "Input/output error", 5 }
local ENOTTY = { nil, "Inappropriate ioctl for device", 25 }
local ESPIPE = { nil, "Illegal seek", 29 }

describe("driver", function()
  local k, p, made

  before_each(function()
    k = fdemu.kernel()
    p = k:process()
    made = 0
  end)

  after_each(function() k:close() end)

  -- Opens a new device made of ops.
  local function open(ops, flags)
    made = made + 1
    local path = "/dev/dev" .. made
    k:device(path, ops)
    return assert(p:open(path, flags or fdemu.O_RDWR)), path
  end

  describe("read", function()
    it("is called with the description and the count", function()
      local seen
      local fd = open {
        read = function(self, count, offset)
          seen = { self = self, count = count, offset = offset }
          return "abc"
        end,
      }
      assert.equal("abc", p:read(fd, 64))
      assert.equal(p:description(fd), seen.self)
      assert.equal(64, seen.count)
      assert.equal("integer", math.type(seen.count))
      assert.is_nil(seen.offset)
    end)

    it("passes bytes of every value through unchanged", function()
      local bytes = {}
      for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
      local all = table.concat(bytes)
      local fd = open { read = function() return all end }
      assert.equal(all, p:read(fd, 256))
    end)

    it("may return as many bytes as asked for", function()
      local fd = open { read = function(_, n) return ("x"):rep(n) end }
      assert.equal(("x"):rep(100000), p:read(fd, 100000))
    end)

    it("reports end of file by the empty string", function()
      local fd = open { read = function() return "" end }
      assert.equal("", p:read(fd, 10))
    end)

    it("gives EINVAL when the driver has none", function()
      local fd = open {}
      assert.same(EINVAL, { p:read(fd, 10) })
    end)

    it("is not reached through a descriptor open for writing", function()
      local called = false
      local fd = open({ read = function() called = true return "" end },
        fdemu.O_WRONLY)
      assert.same(EBADF, { p:read(fd, 1) })
      assert.is_false(called)
    end)

    it("serves readv", function()
      local data = "abcdef"
      local fd = open {
        read = function(_, n)
          local s = data:sub(1, n)
          data = data:sub(n + 1)
          return s
        end,
      }
      assert.same({ { "ab", "cdef" }, 6 }, { p:readv(fd, { 2, 4 }) })
    end)
  end)

  describe("write", function()
    it("is called with the description and the data", function()
      local seen
      local fd = open {
        write = function(self, data, offset)
          seen = { self = self, data = data, offset = offset }
          return #data
        end,
      }
      assert.equal(4, p:write(fd, "a\0b\n"))
      assert.equal(p:description(fd), seen.self)
      assert.equal("a\0b\n", seen.data)
      assert.is_nil(seen.offset)
    end)

    it("may take a part of the data", function()
      local fd = open { write = function() return 3 end }
      assert.equal(3, p:write(fd, "hello"))
    end)

    it("gives EINVAL when the driver has none", function()
      local fd = open {}
      assert.same(EINVAL, { p:write(fd, "x") })
    end)

    it("is not reached through a descriptor open for reading", function()
      local called = false
      local fd = open({ write = function() called = true return 1 end },
        fdemu.O_RDONLY)
      assert.same(EBADF, { p:write(fd, "x") })
      assert.is_false(called)
    end)

    it("serves writev", function()
      local got = {}
      local fd = open {
        write = function(_, data)
          got[#got + 1] = data
          return #data
        end,
      }
      assert.equal(6, p:writev(fd, { "ab", "", "cdef" }))
      assert.equal("abcdef", table.concat(got))
    end)
  end)

  describe("ioctl", function()
    it("is called with request and no argument", function()
      local seen
      local fd = open {
        ioctl = function(self, request, arg)
          seen = { self = self, request = request, arg = arg }
          return 7
        end,
      }
      assert.equal(7, p:ioctl(fd, 0x4D01))
      assert.equal(p:description(fd), seen.self)
      assert.equal(0x4D01, seen.request)
      assert.is_nil(seen.arg)
    end)

    it("gets an integer argument as that integer", function()
      local seen
      local fd = open { ioctl = function(_, _, arg) seen = arg end }
      p:ioctl(fd, 0x4D01, 1234)
      assert.equal(1234, seen)
      assert.equal("integer", math.type(seen))
    end)

    it("gets a Buffer as a Buffer and what it sets is the caller's", function()
      local size, before
      local fd = open {
        ioctl = function(_, _, arg)
          size, before = #arg, arg:get()
          arg:set("XY", 1)
          return 0
        end,
      }
      local b = fdemu.buffer("abcd")
      assert.equal(0, p:ioctl(fd, 0x4D01, b))
      assert.equal(4, size)
      assert.equal("abcd", before)
      assert.equal("aXYd", b:get())
    end)

    it("gives a string argument back as it is after the call", function()
      local fd = open {
        ioctl = function(_, _, arg)
          arg:set(arg:get():upper())
          return 5
        end,
      }
      local arg = "a string of the caller's"
      assert.same({ 5, "A STRING OF THE CALLER'S" },
        { p:ioctl(fd, 0x4D01, arg) })
      assert.equal("a string of the caller's", arg)
    end)

    it("succeeds with 0 when it returns nothing", function()
      local fd = open { ioctl = function() end }
      assert.equal(0, p:ioctl(fd, 0x4D01))
    end)

    it("gives ENOTTY when the driver has none", function()
      local fd = open {}
      assert.same(ENOTTY, { p:ioctl(fd, 0x4D01) })
    end)

    it("never sees FIOCLEX, FIONCLEX and FIONBIO", function()
      local seen = {}
      local fd = open {
        ioctl = function(_, request) seen[#seen + 1] = request end,
      }
      assert.equal(0, p:ioctl(fd, fdemu.FIOCLEX))
      assert.equal(fdemu.FD_CLOEXEC, p:fcntl(fd, fdemu.F_GETFD))
      assert.equal(0, p:ioctl(fd, fdemu.FIONCLEX))
      assert.equal(0, p:fcntl(fd, fdemu.F_GETFD))
      assert.equal(0, p:ioctl(fd, fdemu.FIONBIO, 1))
      local flags = p:fcntl(fd, fdemu.F_GETFL)
      assert.equal(fdemu.O_NONBLOCK, flags & fdemu.O_NONBLOCK)
      assert.same({}, seen)
    end)

    it("cannot set more than the caller's buffer holds", function()
      local fd = open {
        ioctl = function(_, _, arg) arg:set("12345", 0) end,
      }
      local b = fdemu.buffer("abcd")
      contains(failure(p.ioctl, p, fd, 0x4D01, b), "past the end")
      assert.equal("abcd", b:get())
    end)
  end)

  describe("the other slots", function()
    it("let fcntl answer commands that belong to the kind", function()
      local seen = {}
      local fd = open {
        fcntl = function(_, cmd, arg)
          seen[#seen + 1] = { cmd, arg }
          return 4096
        end,
      }
      assert.equal(4096, p:fcntl(fd, fdemu.F_SETPIPE_SZ, 77))
      assert.same({ { fdemu.F_SETPIPE_SZ, 77 } }, seen)
    end)

    it("keep fcntl away from what belongs to the descriptor", function()
      local called = false
      local fd = open { fcntl = function() called = true return 0 end }
      local new = assert(p:fcntl(fd, fdemu.F_DUPFD, 20))
      assert.equal(20, new)
      assert.equal(0, p:fcntl(fd, fdemu.F_SETFD, fdemu.FD_CLOEXEC))
      assert.equal(fdemu.FD_CLOEXEC, p:fcntl(fd, fdemu.F_GETFD))
      assert.is_false(called)
    end)

    it("give EINVAL for a command that nobody knows", function()
      local fd = open {}
      assert.same(EINVAL, { p:fcntl(fd, 9999, 0) })
      assert.same(EBADF, { p:fcntl(fd, fdemu.F_GETPIPE_SZ) })
    end)

    it("let stat fill in what fstat returns", function()
      local fd = open { stat = function() return { st_size = 7 } end }
      assert.equal(7, p:fstat(fd).st_size)
      assert.equal(7, p:fstatat(fd, "", fdemu.AT_EMPTY_PATH).st_size)
      assert.equal(0x2000, p:fstatat(fd, "", fdemu.AT_EMPTY_PATH).st_mode & 0xF000)
    end)

    it("show a character device by default", function()
      local fd = open {}
      assert.equal(0x2000, p:fstat(fd).st_mode & 0xF000)
    end)

    it("make no terminal of a device", function()
      local fd = open {}
      assert.same(ENOTTY, { p:isatty(fd) })
    end)

    it("let lseek say where it went", function()
      local seen
      local fd = open {
        lseek = function(_, offset, whence)
          seen = { offset, whence }
          return 99
        end,
      }
      assert.equal(99, p:lseek(fd, -5, fdemu.SEEK_END))
      assert.same({ -5, fdemu.SEEK_END }, seen)
    end)

    it("give ESPIPE for a position that the driver does not have", function()
      local fd = open {
        read = function() return "x" end,
        write = function() return 1 end,
      }
      assert.same(ESPIPE, { p:lseek(fd, 0, fdemu.SEEK_SET) })
      assert.same(ESPIPE, { p:pread(fd, 1, 0) })
      assert.same(ESPIPE, { p:pwrite(fd, "x", 0) })
      assert.same(EINVAL, { p:pread(fd, 1, -1) })
      assert.same(EINVAL, { p:pwrite(fd, "x", -1) })
    end)
  end)

  describe("that is strict", function()
    local strict

    before_each(function() strict = fdemu.kernel { strict = true } end)
    after_each(function() strict:close() end)

    it("raises for a slot that was left out, naming it", function()
      strict:device("/dev/thing", { read = function() return "x" end })
      local q = strict:process()
      local fd = assert(q:open("/dev/thing", fdemu.O_RDWR))
      assert.equal("x", q:read(fd, 1))
      contains(failure(q.write, q, fd, "x"), "write")
      contains(failure(q.ioctl, q, fd, 0x4D01), "ioctl")
    end)
  end)

  describe("failure", function()
    local function reading(...)
      local results = table.pack(...)
      return open {
        read = function() return table.unpack(results, 1, results.n) end,
      }
    end

    it("may be nil and an integer", function()
      assert.same(EIO, { p:read(reading(nil, fdemu.EIO), 1) })
    end)

    it("may be nil and a name", function()
      assert.same(EIO, { p:read(reading(nil, "EIO"), 1) })
      assert.same({ nil, "No space left on device", 28 },
        { p:read(reading(nil, "ENOSPC"), 1) })
    end)

    it("may be nil, message and errno as calls return it", function()
      assert.same(EIO, { p:read(reading(nil, "whatever", 5), 1) })
    end)

    it("may be handed on from another call", function()
      local fd = open { read = function() return p:read(77, 1) end }
      assert.same(EBADF, { p:read(fd, 1) })
    end)

    it("of a write with EPIPE sends SIGPIPE, which the real ones do", function()
      local fd = open { write = function() return nil, "EPIPE" end,
        ioctl = function() return nil, "EPIPE" end }
      assert.equal(fdemu.EPIPE, select(3, p:write(fd, "x")))
      assert.equal(fdemu.EPIPE, select(3, p:ioctl(fd, 1)))
      assert.same({ [fdemu.SIGPIPE] = 1 }, p:signals())
    end)

    it("of a pipe's own write reaches the caller with its SIGPIPE", function()
      local r, w = p:pipe()
      local d = p:description(w)
      local write = d.write
      d.write = function(self, data) return write(self, data) end
      p:close(r)
      assert.equal(fdemu.EPIPE, select(3, p:write(w, "x")))
      assert.same({ [fdemu.SIGPIPE] = 1 }, p:signals())
    end)

    it("of a datagram socket's write does, too, if it is overridden", function()
      local s = p:socketpair(fdemu.AF_UNIX, fdemu.SOCK_DGRAM, 0)
      assert.equal(0, p:shutdown(s, fdemu.SHUT_WR))
      assert.equal(fdemu.EPIPE, select(3, p:write(s, "x")))
      assert.same({}, p:signals())
      local d = p:description(s)
      local write = d.write
      d.write = function(self, data) return write(self, data) end
      assert.equal(fdemu.EPIPE, select(3, p:write(s, "x")))
      assert.same({ [fdemu.SIGPIPE] = 1 }, p:signals())
    end)

    it("works for every slot that can fail", function()
      local function fail() return nil, "EIO" end
      local fd = open {
        read = fail, write = fail, ioctl = fail, lseek = fail, fcntl = fail,
        stat = fail,
      }
      assert.same(EIO, { p:read(fd, 1) })
      assert.same(EIO, { p:write(fd, "x") })
      assert.same(EIO, { p:ioctl(fd, 0x4D01) })
      assert.same(EIO, { p:lseek(fd, 0, fdemu.SEEK_SET) })
      assert.same(EIO, { p:fcntl(fd, fdemu.F_GETPIPE_SZ) })
      assert.same(EIO, { p:fstat(fd) })
    end)

    it("without an errno that exists is a bug in the driver", function()
      failure(p.read, p, reading(nil, 0), 1)
      failure(p.read, p, reading(nil, -5), 1)
      failure(p.read, p, reading(nil, 2 ^ 40), 1)
      failure(p.read, p, reading(nil, 5.5), 1)
      failure(p.read, p, reading(nil, "ENOSUCHTHING"), 1)
      failure(p.read, p, reading(nil, "a message alone"), 1)
      failure(p.read, p, reading(nil, {}), 1)
    end)
  end)

  describe("return value", function()
    local function named(slot, ...)
      local results = table.pack(...)
      return open {
        name = "thermo",
        [slot] = function() return table.unpack(results, 1, results.n) end,
      }
    end

    it("of read is refused if it is longer than asked", function()
      local text = failure(p.read, p, named("read", ("x"):rep(10)), 4)
      contains(text, "thermo")
      contains(text, "read")
      contains(text, "10")
      contains(text, "4")
    end)

    it("of read is refused by a single byte too many", function()
      failure(p.read, p, named("read", "12345"), 4)
      assert.equal("1234", p:read(named("read", "1234"), 4))
    end)

    it("of read must be a string", function()
      for _, bad in ipairs { 5, 5.5, true, false, {}, print } do
        contains(failure(p.read, p, named("read", bad), 100), "thermo")
      end
    end)

    it("of read must be there", function()
      contains(failure(p.read, p, named("read"), 4), "thermo")
      contains(failure(p.read, p, named("read", nil), 4), "thermo")
    end)

    it("of write is refused over the length of the data", function()
      local text = failure(p.write, p, named("write", 6), "hello")
      contains(text, "thermo")
      contains(text, "write")
      contains(text, "6")
      contains(text, "5")
    end)

    it("of write must be a count", function()
      for _, bad in ipairs { -1, 1.5, "abc", true, {}, math.mininteger,
                             math.maxinteger, 2 ^ 53, 0 / 0 } do
        contains(failure(p.write, p, named("write", bad), "hello"), "thermo")
      end
    end)

    it("of write must be there", function()
      contains(failure(p.write, p, named("write"), "hello"), "thermo")
    end)

    it("of ioctl must be an integer", function()
      for _, bad in ipairs { 1.5, "C", true, {} } do
        contains(failure(p.ioctl, p, named("ioctl", bad), 1), "thermo")
      end
    end)

    it("of lseek must be a position", function()
      for _, bad in ipairs { "x", true, {}, 0.5 } do
        contains(failure(p.lseek, p, named("lseek", bad), 0, 0), "thermo")
      end
      contains(failure(p.lseek, p, named("lseek"), 0, 0), "thermo")
    end)

    it("of poll must be a mask", function()
      for _, bad in ipairs { "x", "rx", {}, true, 1.5 } do
        local fd = named("poll", bad)
        local text = failure(p.poll, p, { { fd = fd, events = 1 } }, 0)
        contains(text, "thermo")
      end
    end)

    it("is checked after a wait as well", function()
      local fd = open {
        read = function(_, n)
          k:sleep(1)
          return ("x"):rep(n + 1)
        end,
      }
      failure(p.read, p, fd, 4)
      local text
      k:spawn(function() text = failure(p.read, p, fd, 4) end)
      k:run()
      contains(text, "5")
    end)

    it("that was refused leaves the driver usable", function()
      local results = { 17, "fine" }
      local fd = open {
        read = function() return table.remove(results, 1) end,
      }
      failure(p.read, p, fd, 4)
      assert.equal("fine", p:read(fd, 4))
    end)
  end)

  describe("error", function()
    it("reaches the caller with message and traceback", function()
      local function deep_down() error("the sensor is on fire") end
      local fd = open {
        read = function()
          deep_down()
          return ""
        end,
      }
      local text = failure(p.read, p, fd, 1)
      contains(text, "the sensor is on fire")
      contains(text, "stack traceback")
      contains(text, "deep_down")
    end)

    it("reaches the caller from every slot", function()
      local function boom() error("boom") end
      local fd = open {
        read = boom, write = boom, ioctl = boom, lseek = boom, fcntl = boom,
        stat = boom, poll = boom,
      }
      contains(failure(p.read, p, fd, 1), "boom")
      contains(failure(p.write, p, fd, "x"), "boom")
      contains(failure(p.ioctl, p, fd, 1), "boom")
      contains(failure(p.lseek, p, fd, 0, 0), "boom")
      contains(failure(p.fcntl, p, fd, fdemu.F_GETPIPE_SZ), "boom")
      contains(failure(p.fstat, p, fd), "boom")
      contains(failure(p.poll, p, { { fd = fd, events = 1 } }, 0), "boom")
    end)

    it("reaches a caller that waited, with its traceback", function()
      local function deep_down()
        k:sleep(1)
        error("late")
      end
      local fd = open { read = function() deep_down() return "" end }
      local text
      local t = k:spawn(function() text = failure(p.read, p, fd, 1) end)
      k:run()
      assert.equal("done", t.status)
      contains(text, "late")
      contains(text, "deep_down")
    end)

    it("goes to its own caller and to nobody else", function()
      local fd = open {
        write = function(_, data)
          k:sleep(1)
          if data == "bad" then error("boom") end
          return #data
        end,
      }
      local bad = k:spawn(function() return pcall(p.write, p, fd, "bad") end)
      local good = k:spawn(function() return p:write(fd, "good") end)
      k:run()
      local ok, text = bad:join()
      assert.is_false(ok)
      contains(text, "boom")
      assert.equal(4, good:join())
    end)

    it("leaves the driver usable", function()
      local broken = true
      local fd = open {
        read = function()
          if broken then error("boom") end
          return "ok"
        end,
      }
      failure(p.read, p, fd, 4)
      broken = false
      assert.equal("ok", p:read(fd, 4))
      assert.equal(1, p:description(fd).refs)
    end)

    it("of an error object is an error at the caller too", function()
      local fd = open { read = function() error({ code = 1 }) end }
      assert.is_false((pcall(p.read, p, fd, 1)))
    end)
  end)

  describe("that says EAGAIN", function()
    -- A device that has data when somebody puts some there.
    local function mailbox()
      return {
        calls = 0,
        read = function(self, count)
          local d = self.letters
          self.reads = (self.reads or 0) + 1
          if not d then return nil, fdemu.EAGAIN end
          self.letters = nil
          return d:sub(1, count)
        end,
        write = function(self, data)
          self.letters = data
          self:wake()
          return #data
        end,
      }
    end

    it("gives EAGAIN to a caller that does not want to wait", function()
      local fd = open(mailbox(), fdemu.O_RDWR | fdemu.O_NONBLOCK)
      assert.same(EAGAIN, { p:read(fd, 10) })
      assert.equal(5, p:write(fd, "hello"))
      assert.equal("hello", p:read(fd, 10))
      assert.same(EAGAIN, { p:read(fd, 10) })
    end)

    it("gives EAGAIN to non-blocking callers in each form", function()
      for _, form in ipairs { { "EAGAIN" }, { 11 }, { "not now", 11 } } do
        local fd = open({
          read = function() return nil, table.unpack(form) end,
        }, fdemu.O_RDWR | fdemu.O_NONBLOCK)
        assert.same(EAGAIN, { p:read(fd, 10) })
      end
    end)

    it("parks a blocking caller in each form", function()
      for _, form in ipairs { { "EAGAIN" }, { 11 }, { "not now", 11 } } do
        local ready = false
        local fd = open {
          read = function()
            if ready then return "x" end
            return nil, table.unpack(form)
          end,
        }
        local t = k:spawn(function() return p:read(fd, 1) end)
        k:sleep(0.5)
        assert.equal("waiting", t.status)
        ready = true
        p:description(fd):wake()
        assert.equal("x", t:join())
      end
    end)

    it("parks a task until it wakes", function()
      local fd = open(mailbox())
      local log = {}
      k:spawn(function() table.insert(log, "got " .. p:read(fd, 10)) end)
      k:spawn(function()
        log[#log + 1] = "writing"
        p:write(fd, "hello")
      end)
      assert.is_true(k:run())
      assert.same({ "writing", "got hello" }, log)
    end)

    it("parks the main chunk while the tasks go on", function()
      local fd = open(mailbox())
      k:after(3, function() p:write(fd, "late") end)
      assert.equal("late", p:read(fd, 10))
      assert.equal(3, k:now())
    end)

    it("is asked again only after a wake", function()
      local fd = open(mailbox())
      local d = p:description(fd)
      local t = k:spawn(function() return p:read(fd, 10) end)
      k:sleep(10)
      assert.equal(1, d.reads)
      d:wake()
      k:sleep(10)
      assert.equal(2, d.reads)
      assert.equal("waiting", t.status)
      d.letters = "now"
      d:wake()
      assert.equal("now", t:join())
      assert.equal(3, d.reads)
    end)

    it("wakes all that wait and serves one", function()
      local fd = open(mailbox())
      local got = {}
      for i = 1, 3 do
        k:spawn(function() table.insert(got, i .. p:read(fd, 10)) end)
      end
      k:sleep(1)
      p:write(fd, "a")
      k:sleep(1)
      assert.equal(1, #got)
      p:write(fd, "b")
      k:sleep(1)
      p:write(fd, "c")
      assert.is_true(k:run())
      table.sort(got)
      assert.equal(3, #got)
      local letters = table.concat(got):gsub("%d", "")
      assert.equal(3, #letters)
      for c in ("abc"):gmatch(".") do contains(letters, c) end
    end)

    it("is not retried for one who made the description non-blocking",
      function()
        local fd = open(mailbox())
        local t = k:spawn(function() return p:read(fd, 10) end)
        k:sleep(1)
        p:fcntl(fd, fdemu.F_SETFL, fdemu.O_NONBLOCK)
        k:sleep(1)
        assert.equal("waiting", t.status)
        p:write(fd, "x")
        assert.equal("x", t:join())
      end)

    it("parks a writer as well", function()
      local room = 0
      local fd = open {
        write = function(_, data)
          if room == 0 then return nil, fdemu.EAGAIN end
          local n = math.min(room, #data)
          room = room - n
          return n
        end,
      }
      local t = k:spawn(function() return p:write(fd, "hello") end)
      k:sleep(1)
      assert.equal("waiting", t.status)
      room = 5
      p:description(fd):wake()
      assert.equal(5, t:join())
      assert.equal(0, room)
    end)

    it("may take a part of the data first, and the rest when it wakes",
      function()
        local taken, room = "", 4
        k:device("/dev/slow", {
          write = function(_, data)
            local n = math.min(room, #data)
            taken, room = taken .. data:sub(1, n), room - n
            if n == 0 then return nil, "EAGAIN" end
            return n, fdemu.EAGAIN
          end,
        })
        local fd = assert(p:open("/dev/slow", fdemu.O_WRONLY))
        local d, n = p:description(fd), nil
        p:spawn(function() n = p:writev(fd, { "012", "345", "67" }) end)
        k:run(1)
        assert.equal("0123", taken)
        assert.is_nil(n)
        room = 3
        d:wake "w"
        k:run(1)
        assert.equal("0123456", taken)
        room = 9
        d:wake(fdemu.POLLOUT)
        k:run()
        assert.equal(8, n)
        assert.equal("01234567", taken)
        room = 2
        p:fcntl(fd, fdemu.F_SETFL, fdemu.O_NONBLOCK)
        assert.equal(2, p:write(fd, "abc"))
        assert.equal(fdemu.EAGAIN, select(3, p:write(fd, "c")))
        p:close(fd)
      end)

    it("may say that by name, and nothing else", function()
      local second
      local fd = open { write = function() return 1, second end }
      p:fcntl(fd, fdemu.F_SETFL, fdemu.O_NONBLOCK)
      for _, value in ipairs { "EAGAIN", "EWOULDBLOCK", fdemu.EAGAIN } do
        second = value
        assert.equal(1, p:write(fd, "ab"))
      end
      for _, value in ipairs { "EIO", fdemu.EIO, "later", true } do
        second = value
        local message = failure(p.write, p, fd, "ab")
        contains(message, "write returned a count and " .. tostring(value)
          .. ", only EAGAIN may follow it (write at ")
      end
    end)

    it("wakes only those who wait for what its wake is about", function()
      local asked = 0
      k:device("/dev/never", {
        read = function() asked = asked + 1 return nil, "EAGAIN" end,
      })
      local fd = assert(p:open("/dev/never", fdemu.O_RDWR))
      local d = p:description(fd)
      local task = p:spawn(function() p:read(fd, 1) end)
      k:run(1)
      d:wake "w"
      k:run(1)
      assert.equal(1, asked)
      d:wake "rw"
      k:run(1)
      assert.equal(2, asked)
      failure(d.wake, d, "x")
      failure(d.wake, d, {})
      task:cancel()
    end)

    it("lets a wake from inside the method count", function()
      local calls = 0
      local fd = open {
        read = function(self)
          calls = calls + 1
          if calls < 3 then
            self:wake()
            return nil, fdemu.EAGAIN
          end
          return "third"
        end,
      }
      -- Whoever wakes before saying "not now" has been heard or has not:
      -- a later wake must do in any case.
      k:after(1, function() p:description(fd):wake() end)
      k:after(2, function() p:description(fd):wake() end)
      k:after(3, function() p:description(fd):wake() end)
      assert.equal("third", p:read(fd, 10))
      assert.equal(3, calls)
    end)

    it("is told that its process has exited when the kernel is closed", function()
      local said
      local ops = mailbox()
      ops.release = function() said = { pcall(p.write, p, 1, "x") } end
      open(ops)
      k:close()
      assert.is_false(said[1])
      assert.truthy(said[2]:find("process 1 has exited", 1, true))
    end)

    it("keeps the description until the parked call is over", function()
      local released = false
      local ops = mailbox()
      ops.release = function() released = true end
      local fd = open(ops)
      local d = p:description(fd)
      local t = k:spawn(function() return p:read(fd, 10) end)
      k:sleep(1)
      assert.equal(0, p:close(fd))
      assert.is_false(released)
      assert.equal(1, d.refs)
      d.letters = "still here"
      d:wake()
      assert.equal("still here", t:join())
      k:sleep(1)
      assert.is_true(released)
    end)
  end)

  describe("method that waits", function()
    it("may sleep", function()
      local fd = open {
        read = function()
          k:sleep(2.5)
          return "slept"
        end,
      }
      assert.equal("slept", p:read(fd, 10))
      assert.equal(2.5, k:now())
    end)

    it("suspends its caller and nobody else", function()
      local log = {}
      local fd = open {
        read = function()
          k:sleep(2)
          return "slow"
        end,
      }
      k:spawn(function() table.insert(log, (p:read(fd, 10))) end)
      k:spawn(function()
        k:sleep(1)
        log[#log + 1] = "quick"
      end)
      k:run()
      assert.same({ "quick", "slow" }, log)
    end)

    it("serves several callers at a time", function()
      local fd = open {
        read = function()
          k:sleep(1)
          return "x"
        end,
      }
      local got = 0
      for _ = 1, 20 do
        k:spawn(function() if p:read(fd, 1) == "x" then got = got + 1 end end)
      end
      k:run()
      assert.equal(20, got)
      assert.equal(1, k:now())
    end)

    it("keeps its locals and arguments over several waits", function()
      local fd = open {
        write = function(_, data)
          local sum = 0
          for i = 1, #data do
            k:sleep(0.5)
            sum = sum + data:byte(i)
          end
          return sum == 294 and #data or 0
        end,
      }
      local a = k:spawn(function() return p:write(fd, "abc") end)
      local b = k:spawn(function() return p:write(fd, "cba") end)
      k:run()
      assert.equal(3, a:join())
      assert.equal(3, b:join())
      assert.equal(1.5, k:now())
    end)

    it("may wait for a pipe of another process", function()
      local q = k:process()
      local r, w = q:pipe()
      local fd = open {
        read = function(_, count)
          local s, message, errno = q:read(r, count)
          if not s then return nil, message, errno end
          return s:upper()
        end,
      }
      k:spawn(function() q:write(w, "shout") end)
      assert.equal("SHOUT", p:read(fd, 100))
      q:close(w)
      assert.equal("", p:read(fd, 100))
    end)

    it("may call another device that waits too", function()
      local lower = open {
        read = function()
          k:sleep(1)
          return "abc"
        end,
      }
      local upper = open {
        read = function(_, count)
          k:sleep(1)
          return (p:read(lower, count):upper())
        end,
      }
      local top = open {
        read = function(_, count) return "<" .. p:read(upper, count) .. ">" end,
      }
      local t = k:spawn(function() return p:read(top, 10) end)
      k:run()
      assert.equal("<ABC>", t:join())
      assert.equal(2, k:now())
    end)

    it("may call its own device", function()
      local fd
      fd = open {
        read = function() return "own" end,
        write = function(_, data)
          assert.equal("own", p:read(fd, 10))
          return #data
        end,
      }
      assert.equal(2, p:write(fd, "ab"))
    end)

    it("gets errors of the devices that it calls", function()
      local lower = open { read = function() error("from below") end }
      local caught
      local upper = open {
        read = function()
          caught = failure(p.read, p, lower, 1)
          return "mended"
        end,
      }
      assert.equal("mended", p:read(upper, 10))
      contains(caught, "from below")
    end)

    it("may spawn and join a task", function()
      local fd = open {
        read = function()
          local t = k:spawn(function()
            k:sleep(1)
            return "by a task"
          end)
          return t:join()
        end,
      }
      assert.equal("by a task", p:read(fd, 20))
    end)

    it("may say EAGAIN after its wait and wait again", function()
      local calls = 0
      local fd = open {
        read = function()
          calls = calls + 1
          k:sleep(1)
          if calls == 1 then return nil, fdemu.EAGAIN end
          return "second"
        end,
      }
      k:after(5, function() p:description(fd):wake() end)
      assert.equal("second", p:read(fd, 10))
      assert.equal(2, calls)
      assert.equal(6, k:now())
    end)

    it("may be an ioctl with a Buffer", function()
      local fd = open {
        ioctl = function(_, _, arg)
          k:sleep(1)
          arg:set("done")
          return 3
        end,
      }
      local b = fdemu.buffer(4)
      local t = k:spawn(function() return p:ioctl(fd, 1, b) end)
      k:run()
      assert.equal(3, t:join())
      assert.equal("done", b:get())
    end)

    it("may be open", function()
      k:device("/dev/slow", {
        open = function(self)
          k:sleep(2)
          self.opened = k:now()
        end,
      })
      local fd = assert(p:open("/dev/slow", fdemu.O_RDWR))
      assert.equal(2, k:now())
      assert.equal(2, p:description(fd).opened)
    end)

    it("may be flush, and close waits for it", function()
      local fd = open {
        flush = function()
          k:sleep(2)
          return nil, "EIO"
        end,
      }
      assert.same(EIO, { p:close(fd) })
      assert.equal(2, k:now())
      assert.same(EBADF, { p:close(fd) })
    end)

    it("may be release, and it comes to its end", function()
      local done = false
      local fd = open {
        release = function()
          k:sleep(2)
          done = true
        end,
      }
      p:close(fd)
      assert.is_false(done)
      assert.is_true(k:run()) -- waits for it, as nobody else does
      assert.is_true(done)
      assert.equal(2, k:now())
    end)
  end)

  describe("flush and release", function()
    local log

    local function watched(extra)
      local ops = {
        flush = function() log[#log + 1] = "flush" end,
        release = function() log[#log + 1] = "release" end,
      }
      for name, value in pairs(extra or {}) do ops[name] = value end
      return ops
    end

    before_each(function() log = {} end)

    it("come at each close and at the last", function()
      local fd = open(watched())
      local other = p:dup(fd)
      assert.same({}, log)
      assert.equal(0, p:close(fd))
      assert.same({ "flush" }, log)
      assert.equal(0, p:close(other))
      assert.same({ "flush", "flush", "release" }, log)
    end)

    it("are called with the description", function()
      local seen = {}
      local fd = open {
        flush = function(self) seen[#seen + 1] = self end,
        release = function(self) seen[#seen + 1] = self end,
      }
      local d = p:description(fd)
      d.mark = "mine"
      p:close(fd)
      assert.equal(d, seen[1])
      assert.equal(d, seen[2])
    end)

    it("can still see the fields of the description", function()
      local seen
      local fd = open { release = function(self) seen = self.mark end }
      p:description(fd).mark = "mine"
      p:close(fd)
      assert.equal("mine", seen)
    end)

    it("come when dup2 takes the number", function()
      local fd = open(watched())
      local null = p:open("/dev/null", fdemu.O_RDWR)
      assert.equal(fd, p:dup2(null, fd))
      assert.same({ "flush", "release" }, log)
    end)

    it("do not come when dup2 is given the same number twice", function()
      local fd = open(watched())
      assert.equal(fd, p:dup2(fd, fd))
      assert.same({}, log)
    end)

    it("come at exit", function()
      local q = k:process()
      k:device("/dev/watched", watched())
      local fd = q:open("/dev/watched", fdemu.O_RDWR)
      q:dup(fd)
      q:exit(0)
      assert.same({ "flush", "flush", "release" }, log)
    end)

    it("come at the exit of the last of two processes", function()
      local q = k:process()
      k:device("/dev/watched", watched())
      q:open("/dev/watched", fdemu.O_RDWR)
      local child = q:fork()
      q:exit(0)
      assert.same({ "flush" }, log)
      child:exit(0)
      assert.same({ "flush", "flush", "release" }, log)
    end)

    it("come at exec for what is close-on-exec only", function()
      local fd = open(watched(), fdemu.O_RDWR | fdemu.O_CLOEXEC)
      local kept = p:dup(fd)
      assert.equal(0, p:exec())
      assert.same({ "flush" }, log)
      assert.same(EBADF, { p:fcntl(fd, fdemu.F_GETFD) })
      assert.equal(0, p:fcntl(kept, fdemu.F_GETFD))
    end)

    it("come at close_range", function()
      local fd = open(watched())
      local other = p:dup(fd)
      assert.equal(0, p:close_range(fd, other, 0))
      assert.same({ "flush", "flush", "release" }, log)
    end)

    it("come when the kernel is closed", function()
      local other = fdemu.kernel()
      local q = other:process()
      other:device("/dev/watched", watched())
      q:open("/dev/watched", fdemu.O_RDWR)
      other:close()
      assert.same({ "flush", "release" }, log)
    end)

    it("let flush fail a close that closes all the same", function()
      local fd = open(watched { flush = function() return nil, "EIO" end })
      assert.same(EIO, { p:close(fd) })
      assert.same({ "release" }, log)
      assert.same(EBADF, { p:close(fd) })
    end)

    it("do not let flush fail a dup2", function()
      local fd = open(watched { flush = function() return nil, "EIO" end })
      assert.equal(fd, p:dup2(0, fd))
      assert.same({ "release" }, log)
    end)

    it("are loud when flush raises, and the descriptor is gone", function()
      local fd = open(watched { flush = function() error("flush went") end })
      contains(failure(p.close, p, fd), "flush went")
      assert.same({ "release" }, log)
      assert.same(EBADF, { p:close(fd) })
    end)

    it("are loud when release raises, and the descriptor is gone", function()
      local fd = open { release = function() error("release went") end }
      contains(failure(p.close, p, fd), "release went")
      assert.same(EBADF, { p:close(fd) })
    end)

    it("finish an exit in which some of them raise", function()
      local q = k:process()
      k:device("/dev/raises", {
        flush = function() error("flush went") end,
        release = function() error("release went") end,
      })
      k:device("/dev/watched", watched())
      q:open("/dev/raises", fdemu.O_RDWR)
      q:open("/dev/watched", fdemu.O_RDWR)
      q:open("/dev/raises", fdemu.O_RDWR)
      pcall(q.exit, q, 0)
      assert.same({ "flush", "release" }, log)
      contains(failure(q.getpid, q), "has exited")
    end)

    it("finish a close of the kernel in which some of them raise", function()
      local other = fdemu.kernel()
      local q = other:process()
      other:device("/dev/raises", {
        flush = function() error("flush went") end,
        release = function() error("release went") end,
      })
      other:device("/dev/watched", watched())
      q:open("/dev/raises", fdemu.O_RDWR)
      q:open("/dev/watched", fdemu.O_RDWR)
      pcall(other.close, other)
      assert.same({ "flush", "release" }, log)
    end)
  end)

  describe("that is seekable", function()
    local data, ops

    before_each(function()
      data = "0123456789"
      ops = {
        seekable = true,
        read = function(_, count, offset)
          return data:sub(offset + 1, offset + count)
        end,
        write = function(_, bytes, offset)
          data = data:sub(1, offset) .. bytes .. data:sub(offset + #bytes + 1)
          return #bytes
        end,
      }
    end)

    it("is given the position, which the core keeps", function()
      local fd = open(ops)
      assert.equal("012", p:read(fd, 3))
      assert.equal("345", p:read(fd, 3))
      assert.equal(2, p:write(fd, "ab"))
      assert.equal("012345ab89", data)
      assert.equal("89", p:read(fd, 100))
      assert.equal("", p:read(fd, 100))
      assert.equal(10, p:lseek(fd, 0, fdemu.SEEK_CUR))
    end)

    it("can be positioned", function()
      local fd = open(ops)
      assert.equal(4, p:lseek(fd, 4, fdemu.SEEK_SET))
      assert.equal("45", p:read(fd, 2))
      assert.equal(3, p:lseek(fd, -3, fdemu.SEEK_CUR))
      assert.equal("3", p:read(fd, 1))
    end)

    it("refuses a position below zero and stays where it was", function()
      local fd = open(ops)
      p:lseek(fd, 4, fdemu.SEEK_SET)
      assert.same(EINVAL, { p:lseek(fd, -1, fdemu.SEEK_SET) })
      assert.same(EINVAL, { p:lseek(fd, -5, fdemu.SEEK_CUR) })
      assert.same(EINVAL, { p:lseek(fd, 0, 99) })
      assert.equal("4", p:read(fd, 1))
    end)

    it("answers pread and pwrite without moving", function()
      local fd = open(ops)
      assert.equal("0", p:read(fd, 1))
      assert.equal("789", p:pread(fd, 10, 7))
      assert.equal(1, p:pwrite(fd, "X", 9))
      assert.equal("012345678X", data)
      assert.equal("1", p:read(fd, 1))
      assert.same(EINVAL, { p:pread(fd, 1, -1) })
    end)

    it("answers preadv and pwritev", function()
      local fd = open(ops)
      assert.same({ { "56", "78" }, 4 }, { p:preadv(fd, { 2, 2 }, 5) })
      assert.equal(3, p:pwritev(fd, { "a", "bc" }, 2))
      assert.equal("01abc56789", data)
      assert.equal(0, p:lseek(fd, 0, fdemu.SEEK_CUR))
    end)

    it("moves by what readv and writev moved", function()
      local fd = open(ops)
      assert.same({ { "01", "2345" }, 6 }, { p:readv(fd, { 2, 4 }) })
      assert.equal(6, p:lseek(fd, 0, fdemu.SEEK_CUR))
      assert.equal(2, p:writev(fd, { "y", "z" }))
      assert.equal(8, p:lseek(fd, 0, fdemu.SEEK_CUR))
      assert.equal("012345yz89", data)
    end)

    it("shares the position among dups and forks", function()
      local fd = open(ops)
      local other = p:dup(fd)
      local child = p:fork()
      assert.equal("0", p:read(fd, 1))
      assert.equal("1", p:read(other, 1))
      assert.equal("2", child:read(fd, 1))
      assert.equal("3", p:read(fd, 1))
    end)

    it("has a position for each open", function()
      local a, path = open(ops)
      local b = p:open(path, fdemu.O_RDWR)
      assert.equal("012", p:read(a, 3))
      assert.equal("012", p:read(b, 3))
    end)

    it("moves by what a short write wrote", function()
      ops.write = function() return 2 end
      local fd = open(ops)
      assert.equal(2, p:write(fd, "hello"))
      assert.equal(2, p:lseek(fd, 0, fdemu.SEEK_CUR))
    end)

    it("does not move when a call fails or raises", function()
      local results = {
        function() return nil, "EIO" end,
        function() error("boom") end,
        function() return 5 end,
      }
      ops.read = function() return table.remove(results, 1)() end
      local fd = open(ops)
      p:lseek(fd, 5, fdemu.SEEK_SET)
      assert.same(EIO, { p:read(fd, 3) })
      failure(p.read, p, fd, 3)
      failure(p.read, p, fd, 3)
      assert.equal(5, p:lseek(fd, 0, fdemu.SEEK_CUR))
    end)

    it("is given the same position when asked again", function()
      local seen, ready = {}, false
      ops.read = function(_, _, offset)
        seen[#seen + 1] = offset
        if ready then return "x" end
        return nil, fdemu.EAGAIN
      end
      local fd = open(ops)
      p:lseek(fd, 7, fdemu.SEEK_SET)
      k:after(1, function()
        ready = true
        p:description(fd):wake()
      end)
      assert.equal("x", p:read(fd, 1))
      assert.same({ 7, 7 }, seen)
      assert.equal(8, p:lseek(fd, 0, fdemu.SEEK_CUR))
    end)

    it("works for a position above 4 GiB", function()
      local seen
      ops.read = function(_, _, offset)
        seen = offset
        return "x"
      end
      local fd = open(ops)
      assert.equal(1 << 40, p:lseek(fd, 1 << 40, fdemu.SEEK_SET))
      assert.equal("x", p:read(fd, 1))
      assert.equal(1 << 40, seen)
      assert.equal((1 << 40) + 1, p:lseek(fd, 0, fdemu.SEEK_CUR))
    end)
  end)

  describe("poll", function()
    local both = fdemu.POLLIN | fdemu.POLLOUT

    -- What poll() reports for a device with this mask, 0 if it times out.
    local function revents(mask, events)
      local fd = open { poll = function() return mask end }
      local list = { { fd = fd, events = events or both } }
      local n = assert(p:poll(list, 0))
      assert.equal(list[1].revents ~= 0 and 1 or 0, n)
      return list[1].revents
    end

    it("may be r, w or rw", function()
      assert.equal(fdemu.POLLIN, revents("r"))
      assert.equal(fdemu.POLLOUT, revents("w"))
      assert.equal(both, revents("rw"))
    end)

    it("may be an integer", function()
      assert.equal(0, revents(0))
      assert.equal(fdemu.POLLIN, revents(fdemu.POLLIN))
      assert.equal(both, revents(both))
      assert.equal(fdemu.POLLPRI, revents(fdemu.POLLPRI, fdemu.POLLPRI))
    end)

    it("reports what was asked for, and errors unasked", function()
      assert.equal(0, revents("w", fdemu.POLLIN))
      assert.equal(fdemu.POLLHUP, revents(fdemu.POLLHUP, 0))
      assert.equal(fdemu.POLLERR, revents(fdemu.POLLERR, 0))
      assert.equal(fdemu.POLLIN | fdemu.POLLHUP,
        revents(both | fdemu.POLLHUP, fdemu.POLLIN))
    end)

    it("is readable and writable where the driver has none", function()
      local list = { { fd = open {}, events = both } }
      assert.equal(1, p:poll(list, 0))
      assert.equal(both, list[1].revents)
    end)

    it("may make calls that do not wait", function()
      local r, w = p:pipe()
      p:write(w, ("z"):rep(100))
      local fd = open { poll = function()
        p:read(r, 50)
        return "r"
      end }
      local list = { { fd = fd, events = both }, { fd = r, events = both } }
      assert.equal(2, p:poll(list, 0))
      assert.equal(fdemu.POLLIN, list[1].revents)
      assert.equal(fdemu.POLLIN, list[2].revents)
    end)

    it("is called with the description", function()
      local seen
      local fd = open { poll = function(self) seen = self return "r" end }
      p:poll({ { fd = fd, events = both } }, 0)
      assert.equal(p:description(fd), seen)
    end)

    it("is looked at again after a wake", function()
      local mask = 0
      local fd = open { poll = function() return mask end }
      local list = { { fd = fd, events = fdemu.POLLIN } }
      local t = k:spawn(function() return p:poll(list, -1) end)
      k:sleep(1)
      p:description(fd):wake()
      k:sleep(1)
      assert.equal("waiting", t.status)
      mask = "r"
      p:description(fd):wake()
      assert.equal(1, t:join())
      assert.equal(fdemu.POLLIN, list[1].revents)
    end)

    it("that is never ready runs into the timeout", function()
      local fd = open { poll = function() return 0 end }
      assert.equal(0, p:poll({ { fd = fd, events = both } }, 250))
      assert.equal(0.25, k:now())
    end)

    it("raises at the caller who waits when it breaks after a wake", function()
      local broken = false
      local fd = open {
        poll = function()
          if broken then error("poll went") end
          return 0
        end,
      }
      local t = k:spawn(function()
        return pcall(p.poll, p, { { fd = fd, events = both } }, 5000)
      end)
      k:sleep(1)
      broken = true
      p:description(fd):wake()
      local ok, text = t:join()
      assert.is_false(ok)
      contains(text, "poll went")
    end)
  end)

  describe("open", function()
    it("sees the description and the flags", function()
      local seen
      k:device("/dev/door", {
        open = function(self, flags) seen = { self, flags } end,
      })
      local fd = p:open("/dev/door", fdemu.O_WRONLY | fdemu.O_NONBLOCK)
      assert.equal(p:description(fd), seen[1])
      assert.equal(fdemu.O_WRONLY, seen[2] & fdemu.O_ACCMODE)
      assert.equal(fdemu.O_NONBLOCK, seen[2] & fdemu.O_NONBLOCK)
    end)

    it("sees what the letters of io.open mean", function()
      local seen
      k:device("/dev/door", { open = function(_, flags) seen = flags end })
      local modes = {
        r = fdemu.O_RDONLY, w = fdemu.O_WRONLY, a = fdemu.O_WRONLY,
        ["r+"] = fdemu.O_RDWR, ["w+"] = fdemu.O_RDWR, ["a+"] = fdemu.O_RDWR,
      }
      for mode, access in pairs(modes) do
        assert(p:open("/dev/door", mode))
        assert.equal(access, seen & fdemu.O_ACCMODE, mode)
        assert.equal(mode:find("a") and fdemu.O_APPEND or 0,
          seen & fdemu.O_APPEND, mode)
      end
    end)

    it("that fails gives path, message and errno, and no descriptor",
      function()
        local log = {}
        local nothing = p:dup(0)
        p:close(nothing)
        k:device("/dev/door", {
          open = function() return nil, "EBUSY" end,
          flush = function() log[#log + 1] = "flush" end,
          release = function() log[#log + 1] = "release" end,
        })
        assert.same({ nil, "/dev/door: Device or resource busy", 16 },
          { p:open("/dev/door", fdemu.O_RDWR) })
        assert.same({}, log)
        assert.equal(nothing, p:dup(0))
      end)

    it("that raises is loud and leaves no descriptor", function()
      local nothing = p:dup(0)
      p:close(nothing)
      k:device("/dev/door", { open = function() error("door jammed") end })
      contains(failure(p.open, p, "/dev/door", fdemu.O_RDWR), "door jammed")
      assert.equal(nothing, p:dup(0))
    end)

    it("that returns nonsense is loud and leaves no descriptor", function()
      local nothing = p:dup(0)
      p:close(nothing)
      k:device("/dev/door", { open = function() return {} end })
      failure(p.open, p, "/dev/door", fdemu.O_RDWR)
      assert.equal(nothing, p:dup(0))
    end)

    it("is not called when the table of descriptors is full", function()
      local small = fdemu.kernel { nofile = 4 }
      local q = small:process()
      local opened = 0
      small:device("/dev/door", { open = function() opened = opened + 1 end })
      assert.equal(3, q:open("/dev/door", fdemu.O_RDWR))
      assert.same({ nil, "/dev/door: Too many open files", 24 },
        { q:open("/dev/door", fdemu.O_RDWR) })
      assert.equal(1, opened)
      small:close()
    end)
  end)

  describe("state", function()
    it("of one open is not seen by the other", function()
      local ops = {
        read = function(self)
          self.count = (self.count or 0) + 1
          return tostring(self.count)
        end,
      }
      local a, path = open(ops)
      local b = p:open(path, fdemu.O_RDWR)
      assert.equal("1", p:read(a, 9))
      assert.equal("2", p:read(a, 9))
      assert.equal("1", p:read(b, 9))
      assert.is_nil(ops.count)
    end)

    it("in the ops table is shared by every open", function()
      local ops = { total = 10 }
      ops.read = function(self)
        ops.total = ops.total + 1
        return tostring(self.total)
      end
      local a, path = open(ops)
      local b = p:open(path, fdemu.O_RDWR)
      assert.equal("11", p:read(a, 9))
      assert.equal("12", p:read(b, 9))
    end)

    it("of an open shadows the ops table", function()
      local ops = { unit = "C" }
      local a, path = open(ops)
      local b = p:open(path, fdemu.O_RDWR)
      p:description(a).unit = "F"
      assert.equal("F", p:description(a).unit)
      assert.equal("C", p:description(b).unit)
      assert.equal("C", ops.unit)
    end)

    it("may be set up in open", function()
      local fd = open {
        open = function(self) self.greeting = "hi" end,
        read = function(self) return self.greeting end,
      }
      assert.equal("hi", p:read(fd, 10))
    end)

    it("may be functions that are no slots, as methods", function()
      local fd = open {
        twice = function(_, s) return s .. s end,
        read = function(self) return self:twice("ab") end,
      }
      assert.equal("abab", p:read(fd, 10))
    end)
  end)

  describe("name", function()
    it("is the last part of the path by default", function()
      k:device("/dev/i2c/thermo0", {})
      local fd = p:open("/dev/i2c/thermo0", fdemu.O_RDWR)
      assert.equal("thermo0", p:description(fd).kind)
    end)

    it("is what the driver says", function()
      local fd = open { name = "lm75" }
      assert.equal("lm75", p:description(fd).kind)
    end)

    it("is lua for a description without a path", function()
      assert.equal("lua", k:description({}, fdemu.O_RDWR).kind)
    end)
  end)

  describe("that allows short counts", function()
    local short

    before_each(function() short = fdemu.kernel { short = 1, seed = 5 } end)
    after_each(function() short:close() end)

    local function opened(allowed)
      local q = short:process()
      local path = "/dev/some" .. tostring(allowed)
      short:device(path, {
        short = allowed,
        read = function(_, count) return ("x"):rep(count) end,
        write = function(_, data) return #data end,
      })
      return q, assert(q:open(path, fdemu.O_RDWR))
    end

    it("gets them", function()
      local q, fd = opened(true)
      for _ = 1, 20 do
        local got = #q:read(fd, 100)
        assert.is_true(got > 0 and got < 100)
        local put = q:write(fd, ("y"):rep(100))
        assert.is_true(put > 0 and put < 100)
      end
    end)

    it("gets a single byte whole", function()
      local q, fd = opened(true)
      for _ = 1, 20 do
        assert.equal("x", q:read(fd, 1))
        assert.equal(1, q:write(fd, "y"))
      end
    end)

    it("gets 0 bytes as 0 bytes", function()
      local q, fd = opened(true)
      assert.equal("", q:read(fd, 0))
      assert.equal(0, q:write(fd, ""))
    end)

    it("does not get them unless it says so", function()
      for _, allowed in ipairs { false, "unset" } do
        local q, fd = opened(allowed ~= "unset" and allowed or nil)
        assert.equal(100, #q:read(fd, 100))
        assert.equal(100, q:write(fd, ("y"):rep(100)))
      end
    end)

    it("loses no byte to them", function()
      local data = {}
      for i = 1, 500 do data[i] = ("%03d "):format(i) end
      data = table.concat(data)
      local copy = {}
      short:device("/dev/file", {
        short = true,
        seekable = true,
        read = function(_, count, offset)
          return data:sub(offset + 1, offset + count)
        end,
        write = function(_, s)
          copy[#copy + 1] = s
          return #s
        end,
      })
      local q = short:process()
      local fd = q:open("/dev/file", fdemu.O_RDWR)
      local out = q:open("/dev/file", fdemu.O_RDWR)
      while true do
        local s = q:read(fd, 64)
        if s == "" then break end
        while s ~= "" do s = s:sub(q:write(out, s) + 1) end
      end
      assert.is_true(#copy > #data // 64)
      assert.equal(data, table.concat(copy))
      assert.equal(#data, q:lseek(out, 0, fdemu.SEEK_CUR))
    end)
  end)

  describe("requests", function()
    local lines

    before_each(function()
      lines = {}
      k:trace(function(event)
        local shown = tostring(event):match "ioctl%(%d+, (.*)%) = "
        if shown then
          lines[#lines + 1] = shown:gsub(", 0$", "")
        end
      end)
    end)

    local function shown(...)
      local fd = assert(p:open("/dev/null", fdemu.O_RDWR))
      for _, request in ipairs { ... } do p:ioctl(fd, request) end
      p:close(fd)
      k:trace(nil)
      return table.concat(lines, " ")
    end

    it("of Linux are shown by name in traces, and are constants", function()
      assert.equal("I2C_RDWR RTC_RD_TIME BLKGETSIZE64 TIOCMGET EVIOCGID",
        shown(0x707, 0x80247009, 0x80081272, 0x5415, 0x80084502))
      assert.equal(0x707, fdemu.I2C_RDWR)
      assert.equal(0x5413, fdemu.TIOCGWINSZ)
      assert.equal(0x541b, fdemu.FIONREAD)
    end)

    it("are shown with their argument: a number, an int or memory", function()
      k:device("/dev/t", { ioctl = function() return 0 end })
      local fd = assert(p:open("/dev/t", fdemu.O_RDWR))
      local r, w = p:pipe()
      p:write(w, "abc")
      p:ioctl(fd, fdemu.TCSBRK, 3)
      p:ioctl(fd, fdemu.TCSBRK, -1)
      p:ioctl(fd, fdemu.TIOCEXCL)
      p:ioctl(fd, fdemu.TIOCMGET, fdemu.buffer "ab\1")
      p:ioctl(r, fdemu.FIONREAD)
      k:trace(nil)
      assert.same({ "TCSBRK, 0x3", "TCSBRK, 0xffffffffffffffff", "TIOCEXCL",
        'TIOCMGET, "ab\\1"', "FIONREAD, [3]" }, lines)
    end)

    it("whose size is that of a buffer are shown with it", function()
      assert.equal("SPI_IOC_MESSAGE(2) EVIOCGNAME(256)",
        shown(fdemu._IOW("k", 0, 64), fdemu._IOR("E", 6, 256)))
    end)

    it("may get names, from the kernel or a driver", function()
      local A, B, C = fdemu._IO("t", 1), fdemu._IO("t", 2), fdemu._IO("t", 3)
      k:requests { GET_UNIT = A, SET_UNIT = B }
      k:requests { SET_SCALE = B }
      k:device("/dev/t", { requests = { RESET = C } })
      assert.equal("GET_UNIT SET_SCALE RESET _IOC(_IOC_NONE, 0x74, 0x4, 0)",
        (shown(A, B, C, fdemu._IO("t", 4)):gsub("0x0", "0")))
    end)

    it("are refused with names that are none, or twice", function()
      for _, bad in ipairs { { 1 }, { A = "x" }, { A = 1.5 } } do
        contains(failure(k.requests, k, bad), "integers by name")
        contains(failure(k.device, k, "/dev/t", { requests = bad }),
          "integers by name")
      end
      contains(failure(k.requests, k, { A = 1, B = 1 }),
        "requests A and B are the same number")
      contains(failure(k.requests, k), "table expected")
      contains(failure(k.device, k, "/dev/t", { requests = 1 }),
        "requests must be a table")
    end)
  end)

  describe("table", function()
    it("is refused when a slot is no function, naming it", function()
      for _, slot in ipairs { "read", "write", "lseek", "ioctl", "poll",
                              "flock", "fcntl", "stat", "truncate", "sync",
                              "flush", "release", "open" } do
        local text = failure(k.device, k, "/dev/bad", { [slot] = 42 })
        contains(text, slot)
      end
      assert.same({ nil, "/dev/bad: No such file or directory", 2 },
        { p:open("/dev/bad", fdemu.O_RDWR) })
    end)

    it("is refused when seekable, short or name have a wrong type", function()
      contains(failure(k.device, k, "/dev/bad", { seekable = 1 }), "seekable")
      contains(failure(k.device, k, "/dev/bad", { short = "yes" }), "short")
      contains(failure(k.device, k, "/dev/bad", { name = {} }), "name")
    end)

    it("may hold anything else", function()
      local fd = open { colour = "red", [1] = true, deep = { 1, 2 } }
      assert.equal("red", p:description(fd).colour)
    end)
  end)
end)
