-- description_spec.lua - open file descriptions: slots, fields, life
local fdemu = require "fdemu"
local checks = require "spec.helper_checks"

local contains, failure = checks.contains, checks.failure

local EAGAIN = { nil, "Resource temporarily unavailable", 11 }
local EBADF = { nil, "Bad file descriptor", 9 }
local ENOSPC = { nil, "No space left on device", 28 }

local function set(d, field, value) d[field] = value end

local function collect()
  for _ = 1, 3 do collectgarbage() end
end

describe("description", function()
  local k, p, r, w

  before_each(function()
    k = fdemu.kernel()
    p = k:process()
    r, w = p:pipe()
  end)

  after_each(function() k:close() end)

  describe("identity", function()
    it("is one userdata for all dups and forks", function()
      local d = p:description(w)
      assert.equal("userdata", type(d))
      assert.equal(d, p:description(w))
      assert.equal(d, p:description(p:dup(w)))
      assert.equal(d, p:description(p:dup2(w, 50)))
      assert.equal(d, p:description(p:fcntl(w, fdemu.F_DUPFD, 10)))
      assert.equal(d, p:fork():description(w))
    end)

    it("differs between the ends of a pipe and between opens", function()
      assert.not_equal(p:description(r), p:description(w))
      local a = p:open("/dev/null", fdemu.O_RDWR)
      local b = p:open("/dev/null", fdemu.O_RDWR)
      assert.not_equal(p:description(a), p:description(b))
    end)

    it("is EBADF where nothing is open", function()
      assert.same(EBADF, { p:description(77) })
      assert.same(EBADF, { p:description(-1) })
      p:close(r)
      assert.same(EBADF, { p:description(r) })
    end)

    it("can be used as a key that stays", function()
      local seen = { [p:description(w)] = "w", [p:description(r)] = "r" }
      collect()
      assert.equal("w", seen[p:description(w)])
      assert.equal("r", seen[p:description(r)])
    end)
  end)

  describe("slot of a native kind", function()
    it("can be got and called", function()
      local d = p:description(w)
      assert.equal("function", type(d.write))
      assert.equal(5, d:write("hello"))
      assert.equal(5, d.write(d, "world"))
      local e = p:description(r)
      assert.equal("hellow", e:read(6))
      assert.equal("orld", p:read(r, 100))
    end)

    it("waits where its call would wait", function()
      local d = p:description(r)
      local t = k:spawn(function() return d:read(10) end)
      k:sleep(1)
      assert.equal("waiting", t.status)
      p:write(w, "late")
      assert.equal("late", t:join())
    end)

    it("fails where its call would fail", function()
      p:fcntl(r, fdemu.F_SETFL, fdemu.O_NONBLOCK)
      assert.same(EAGAIN, { p:description(r):read(10) })
      p:close(r)
      assert.same({ nil, "Broken pipe", 32 }, { p:description(w):write("x") })
    end)

    it("can be replaced around itself", function()
      local d = p:description(w)
      local write = d.write
      d.write = function(self, data)
        return write(self, (data:gsub("%l", string.upper)))
      end
      assert.equal(5, p:write(w, "hello"))
      assert.equal("HELLO", p:read(r, 100))
    end)

    it("is called with the description when it was replaced", function()
      local d = p:description(w)
      local seen
      d.write = function(self, data)
        seen = self
        return #data
      end
      assert.equal(1, p:write(w, "x"))
      assert.equal(d, seen)
    end)

    it("is replaced for every descriptor of the description", function()
      local other, child = p:dup(w), p:fork()
      p:description(w).write = function(_, data) return #data - 1 end
      assert.equal(2, p:write(w, "abc"))
      assert.equal(2, p:write(other, "abc"))
      assert.equal(2, child:write(w, "abc"))
    end)

    it("is replaced for one description, not for its kind", function()
      p:description(w).write = function() return 1 end
      local r2, w2 = p:pipe()
      assert.equal(3, p:write(w2, "abc"))
      assert.equal("abc", p:read(r2, 10))
    end)

    it("is restored by nil", function()
      local d = p:description(w)
      d.write = function() return nil, "ENOSPC" end
      assert.same(ENOSPC, { p:write(w, "abc") })
      d.write = nil
      assert.equal(3, p:write(w, "abc"))
      assert.equal("abc", p:read(r, 10))
    end)

    it("is got as what it was replaced by", function()
      local d = p:description(w)
      local function mine() return 1 end
      d.write = mine
      assert.equal(mine, d.write)
      d.write = nil
      assert.not_equal(mine, d.write)
      assert.equal("function", type(d.write))
    end)

    it("can be replaced twice, each around the one before", function()
      local d = p:description(r)
      for _, c in ipairs { "(", "[" } do
        local read = d.read
        d.read = function(self, count)
          return c .. read(self, count - 1)
        end
      end
      p:write(w, "abc")
      assert.equal("[(abc", p:read(r, 100))
    end)

    it("can be replaced where the kind has none", function()
      local d = p:description(r)
      assert.same({ nil, "Illegal seek", 29 }, { p:lseek(r, 0, 0) })
      d.lseek = function(_, offset) return offset + 1 end
      assert.equal(43, p:lseek(r, 42, fdemu.SEEK_SET))
      d.lseek = nil
      assert.same({ nil, "Illegal seek", 29 }, { p:lseek(r, 0, 0) })
    end)

    it("can be replaced for ioctl, poll, fcntl and stat", function()
      local d = p:description(r)
      d.ioctl = function() return 1234 end
      assert.equal(1234, p:ioctl(r, 0x4D01))
      d.fcntl = function() return 555 end
      assert.equal(555, p:fcntl(r, fdemu.F_GETPIPE_SZ))
      d.stat = function() return { st_size = 99 } end
      assert.equal(99, p:fstat(r).st_size)
      d.poll = function() return "r" end
      local list = { { fd = r, events = fdemu.POLLIN } }
      assert.equal(1, p:poll(list, 0))
      d.ioctl, d.fcntl, d.stat, d.poll = nil, nil, nil, nil
      assert.equal(65536, p:fcntl(r, fdemu.F_GETPIPE_SZ))
      assert.equal(0x1000, p:fstat(r).st_mode & 0xF000)
      assert.equal(0, p:poll(list, 0))
    end)

    it("can be replaced for flush and release", function()
      local log = {}
      local d = p:description(w)
      d.flush = function(self)
        log[#log + 1] = self == d and "flush" or "?"
      end
      d.release = function(self)
        log[#log + 1] = self == d and "release" or "?"
      end
      local other = p:dup(w)
      p:close(w)
      p:close(other)
      assert.same({ "flush", "flush", "release" }, log)
    end)

    it("can be replaced around the kind's own release", function()
      local d = p:description(w)
      local release, called = d.release, 0
      d.release = function(self)
        called = called + 1
        if release then return release(self) end
      end
      p:close(w)
      assert.equal(1, called)
      assert.equal("", p:read(r, 10))
    end)

    it("may wait when it was replaced", function()
      local d = p:description(r)
      local read = d.read
      d.read = function(self, count)
        k:sleep(2)
        local s = read(self, count)
        return s:reverse()
      end
      k:after(5, function() p:write(w, "abc") end)
      local t = k:spawn(function() return p:read(r, 10) end)
      k:run()
      assert.equal("cba", t:join())
      assert.equal(5, k:now())
    end)

    it("may say EAGAIN when it was replaced", function()
      local d = p:description(w)
      local full = true
      d.write = function(_, data)
        if full then return nil, fdemu.EAGAIN end
        return #data
      end
      local t = k:spawn(function() return p:write(w, "abc") end)
      k:sleep(1)
      assert.equal("waiting", t.status)
      full = false
      d:wake()
      assert.equal(3, t:join())
    end)

    it("is checked when it was replaced", function()
      local d = p:description(r)
      d.read = function() return "0123456789" end
      local text = failure(p.read, p, r, 4)
      contains(text, "pipe")
      contains(text, "10")
      d.read = function() error("my own fault") end
      contains(failure(p.read, p, r, 4), "my own fault")
      d.read = nil
      p:write(w, "fine")
      assert.equal("fine", p:read(r, 4))
    end)

    it("can be replaced while a call is waiting in it", function()
      local d = p:description(r)
      local t = k:spawn(function() return p:read(r, 10) end)
      k:sleep(1)
      d.read = function() return "replaced" end
      p:write(w, "written")
      k:sleep(1)
      local got = t:join()
      assert.is_true(got == "replaced" or got == "written")
      assert.equal("replaced", p:read(r, 10))
    end)

    it("may restore itself from inside", function()
      local d = p:description(w)
      d.write = function(self, data)
        self.write = nil
        collect()
        return self:write(data .. "!") - 1
      end
      assert.equal(3, p:write(w, "abc"))
      assert.equal(3, p:write(w, "def"))
      assert.equal("abc!def", p:read(r, 100))
    end)

    it("works on null and zero as well", function()
      local null = p:open("/dev/null", fdemu.O_RDWR)
      local zero = p:open("/dev/zero", fdemu.O_RDWR)
      local written = {}
      p:description(null).write = function(_, data)
        written[#written + 1] = data
        return #data
      end
      assert.equal(3, p:write(null, "abc"))
      assert.same({ "abc" }, written)
      p:description(zero).read = function(_, n) return ("1"):rep(n) end
      assert.equal("111", p:read(zero, 3))
      p:description(zero).read = nil
      assert.equal("\0\0\0", p:read(zero, 3))
    end)
  end)

  describe("slot of a scripted kind", function()
    local ops, fd, d

    before_each(function()
      ops = { read = function() return "own" end }
      k:device("/dev/dev", ops)
      fd = p:open("/dev/dev", fdemu.O_RDWR)
      d = p:description(fd)
    end)

    it("is the driver's function", function()
      assert.equal(ops.read, d.read)
      assert.equal("own", d:read(10))
    end)

    it("is nil where the driver has none", function()
      assert.is_nil(d.ioctl)
      assert.is_nil(d.flush)
    end)

    it("is overridden for this open and restored by nil", function()
      local other = p:open("/dev/dev", fdemu.O_RDWR)
      d.read = function() return "mine" end
      assert.equal("mine", p:read(fd, 10))
      assert.equal("mine", d:read(10))
      assert.equal("own", p:read(other, 10))
      d.read = nil
      assert.equal("own", p:read(fd, 10))
      assert.equal(ops.read, d.read)
    end)

    it("can be added where the driver has none", function()
      assert.same({ nil, "Invalid argument", 22 }, { p:write(fd, "x") })
      d.write = function(_, data) return #data end
      assert.equal(1, p:write(fd, "x"))
      d.write = nil
      assert.same({ nil, "Invalid argument", 22 }, { p:write(fd, "x") })
      assert.is_nil(d.write)
    end)

    it("can be added by the driver itself in open", function()
      k:device("/dev/choosy", {
        open = function(self, flags)
          if flags & fdemu.O_NONBLOCK ~= 0 then
            self.read = function() return "non-blocking" end
          end
        end,
        read = function() return "blocking" end,
      })
      local a = p:open("/dev/choosy", fdemu.O_RDWR)
      local b = p:open("/dev/choosy", fdemu.O_RDWR | fdemu.O_NONBLOCK)
      assert.equal("blocking", p:read(a, 20))
      assert.equal("non-blocking", p:read(b, 20))
    end)
  end)

  describe("assignment", function()
    it("to a slot of something that is no function raises", function()
      local d = p:description(w)
      for _, slot in ipairs { "read", "write", "lseek", "ioctl", "poll",
                              "flock", "fcntl", "stat", "truncate", "sync",
                              "flush", "release" } do
        for _, bad in ipairs { 1, "x", true, {} } do
          contains(failure(set, d, slot, bad), slot)
        end
      end
      assert.equal(3, p:write(w, "abc"))
    end)

    it("to a field that is read-only raises", function()
      local d = p:description(w)
      for _, field in ipairs { "id", "kind", "flags", "refs" } do
        local before = d[field]
        contains(failure(set, d, field, 1), "read-only")
        contains(failure(set, d, field, nil), "read-only")
        assert.equal(before, d[field])
      end
    end)
  end)

  describe("field", function()
    it("of the script's own is kept", function()
      local d = p:description(w)
      assert.is_nil(d.count)
      d.count = 0
      d.count = d.count + 1
      d[1] = "one"
      d[d] = "self"
      assert.equal(1, d.count)
      assert.equal("one", d[1])
      assert.equal("self", d[d])
      d.count = nil
      assert.is_nil(d.count)
    end)

    it("is shared by dups and forks", function()
      p:description(w).mark = "here"
      assert.equal("here", p:description(p:dup(w)).mark)
      assert.equal("here", p:fork():description(w).mark)
      assert.is_nil(p:description(r).mark)
    end)

    it("falls back to the ops table that made the description", function()
      local ops = { unit = "C" }
      k:device("/dev/dev", ops)
      local d = p:description(p:open("/dev/dev", fdemu.O_RDWR))
      assert.equal("C", d.unit)
      d.unit = "F"
      assert.equal("F", d.unit)
      assert.equal("C", ops.unit)
      d.unit = nil
      assert.equal("C", d.unit)
      d.unit = false
      assert.is_false(d.unit)
      ops.later = "too"
      assert.equal("too", d.later)
    end)

    it("id counts and is never used again", function()
      local last = p:description(w).id
      assert.equal("integer", math.type(last))
      assert.is_true(last >= 1)
      assert.is_true(p:description(r).id ~= last)
      last = math.max(last, p:description(r).id)
      for _ = 1, 5 do
        local fd = p:open("/dev/null", fdemu.O_RDWR)
        local id = p:description(fd).id
        assert.is_true(id > last)
        last = id
        p:close(fd)
        collect()
      end
    end)

    it("id is the same in a kernel that did the same", function()
      local other = fdemu.kernel()
      local q = other:process()
      local _, w2 = q:pipe()
      assert.equal(p:description(w).id, q:description(w2).id)
      other:close()
    end)

    it("kind names the kind", function()
      assert.equal("pipe", p:description(r).kind)
      assert.equal("pipe", p:description(w).kind)
      for _, kind in ipairs { "null", "zero", "full" } do
        local fd = assert(p:open("/dev/" .. kind, fdemu.O_RDWR))
        assert.equal(kind, p:description(fd).kind)
      end
      local q = k:process { stdout = "capture" }
      assert.equal("capture", q:description(1).kind)
      assert.equal("null", q:description(0).kind)
    end)

    it("flags follow F_SETFL", function()
      local d = p:description(w)
      assert.equal(fdemu.O_WRONLY, d.flags & fdemu.O_ACCMODE)
      assert.equal(fdemu.O_RDONLY, p:description(r).flags & fdemu.O_ACCMODE)
      assert.equal(0, d.flags & fdemu.O_NONBLOCK)
      p:fcntl(w, fdemu.F_SETFL, fdemu.O_NONBLOCK)
      assert.equal(fdemu.O_NONBLOCK, d.flags & fdemu.O_NONBLOCK)
      assert.equal(p:fcntl(w, fdemu.F_GETFL), d.flags)
    end)

    it("refs counts descriptors", function()
      local d = p:description(w)
      assert.equal(1, d.refs)
      local other = p:dup(w)
      assert.equal(2, d.refs)
      local child = p:fork()
      assert.equal(4, d.refs)
      p:close(other)
      assert.equal(3, d.refs)
      child:exit(0)
      assert.equal(1, d.refs)
      p:close(w)
      assert.equal(0, d.refs)
    end)

    it("refs counts calls in flight", function()
      local d = p:description(r)
      local t = k:spawn(function() return p:read(r, 1) end)
      k:sleep(1)
      assert.equal(2, d.refs)
      p:write(w, "x")
      assert.equal("x", t:join())
      assert.equal(1, d.refs)
    end)
  end)

  describe("life", function()
    it("does not depend on the userdata: overrides stay", function()
      do
        local d = p:description(w)
        local write = d.write
        d.write = function(self, data) return write(self, data:upper()) end
      end
      collect()
      assert.equal(3, p:write(w, "abc"))
      assert.equal("ABC", p:read(r, 10))
      p:description(w).write = nil
      assert.equal(3, p:write(w, "abc"))
      assert.equal("abc", p:read(r, 10))
    end)

    it("does not depend on the userdata: fields stay", function()
      p:description(w).mark = { "deep" }
      collect()
      assert.same({ "deep" }, p:description(w).mark)
    end)

    it("does not depend on the userdata: the file stays open", function()
      local d = p:description(w)
      assert.is_not_nil(d)
      d = nil -- luacheck: ignore
      collect()
      assert.equal(3, p:write(w, "abc"))
    end)

    it("ends with the last descriptor", function()
      local d = p:description(w)
      p:close(w)
      assert.equal(0, d.refs)
      contains(failure(d.write, d, "x"), "closed")
      contains(failure(d.wake, d), "closed")
      contains(failure(p.install, p, d), "closed")
    end)

    it("lets go of overrides and fields with the last descriptor", function()
      local gone = setmetatable({}, { __mode = "k" })
      do
        local function write(_, data) return #data end
        local d = p:description(w)
        local mark = {}
        d.write = function(self, data) return write(self, data) end
        gone[d.write], gone[mark] = true, true
        d.mark = mark
        d.itself = d
      end
      collect()
      local n = 0
      for _ in pairs(gone) do n = n + 1 end
      assert.equal(2, n)
      p:close(w)
      collect()
      assert.is_nil(next(gone))
    end)

    it("ends for an override that refers to its description", function()
      local gone = setmetatable({}, { __mode = "k" })
      for _ = 1, 50 do
        local a, b = p:pipe()
        local d = p:description(a)
        d.read = function() return d and "x" end
        gone[d] = true
        p:close(a)
        p:close(b)
      end
      collect()
      assert.is_nil(next(gone))
    end)
  end)

  describe("made by k:description", function()
    local d, log

    before_each(function()
      log = {}
      d = k:description({
        read = function(self) return self.word end,
        write = function(_, data) return #data end,
        flush = function() log[#log + 1] = "flush" end,
        release = function() log[#log + 1] = "release" end,
        word = "hello",
      }, fdemu.O_RDWR)
    end)

    it("is in no table yet", function()
      assert.equal(0, d.refs)
      assert.equal(fdemu.O_RDWR, d.flags & fdemu.O_ACCMODE)
    end)

    it("can be installed at the lowest free number", function()
      local free = p:dup(0)
      p:close(free)
      assert.equal(free, p:install(d))
      assert.equal("hello", p:read(free, 10))
      assert.equal(1, d.refs)
      assert.equal(d, p:description(free))
    end)

    it("can be installed at or above a number", function()
      assert.equal(10, p:install(d, 10))
      assert.equal(11, p:install(d, 10))
      assert.equal(2, d.refs)
    end)

    it("can be installed in several processes", function()
      local q = k:process()
      local a, b = p:install(d), q:install(d)
      d.word = "shared"
      assert.equal("shared", p:read(a, 10))
      assert.equal("shared", q:read(b, 10))
      p:close(a)
      assert.same({ "flush" }, log)
      q:close(b)
      assert.same({ "flush", "flush", "release" }, log)
    end)

    it("obeys its flags", function()
      local e = k:description({
        read = function() return nil, fdemu.EAGAIN end,
        write = function() return 1 end,
      }, fdemu.O_RDONLY | fdemu.O_NONBLOCK)
      local fd = p:install(e)
      assert.same(EAGAIN, { p:read(fd, 1) })
      assert.same(EBADF, { p:write(fd, "x") })
    end)

    it("can be a standard stream of a process", function()
      local q = k:process { stdin = d, stdout = d }
      assert.equal("hello", q:read(0, 10))
      assert.equal(3, q:write(1, "abc"))
      assert.equal(2, d.refs)
    end)

    it("can be another process's description", function()
      local q = k:process()
      local fd = q:install(p:description(w))
      assert.equal(3, q:write(fd, "abc"))
      assert.equal("abc", p:read(r, 10))
      p:close(w)
      assert.equal(1, q:write(fd, "d"))
      q:close(fd)
      assert.equal("d", p:read(r, 10))
      assert.equal("", p:read(r, 10))
    end)

    it("clears close-on-exec when it is installed", function()
      assert.equal(0, p:fcntl(p:install(d), fdemu.F_GETFD))
    end)

    it("fails to be installed in a full table", function()
      local small = fdemu.kernel { nofile = 3 }
      local q = small:process()
      local e = small:description({}, fdemu.O_RDWR)
      assert.same({ nil, "Too many open files", 24 }, { q:install(e) })
      assert.equal(0, e.refs)
      q:close(2)
      assert.equal(2, q:install(e))
      small:close()
    end)

    it("cannot be installed in another kernel's process", function()
      local other = fdemu.kernel()
      local q = other:process()
      failure(q.install, q, d)
      assert.equal(0, d.refs)
      other:close()
    end)

    it("checks its ops table", function()
      contains(failure(k.description, k, { read = 1 }, 0), "read")
      failure(k.description, k, "not a table", 0)
      failure(k.description, k, {}, "not flags")
    end)
  end)

  it("can be woken without harm when nobody waits", function()
    local d = p:description(w)
    d:wake()
    d:wake()
    assert.equal(3, p:write(w, "abc"))
  end)
end)
