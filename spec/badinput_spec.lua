-- badinput_spec.lua - what a careless or hostile script may pass
local fdemu = require "fdemu"
local checks = require "spec.helper_checks"

local contains, failure = checks.contains, checks.failure

local EAGAIN = { nil, "Resource temporarily unavailable", 11 }
local EBADF = { nil, "Bad file descriptor", 9 }
local EINVAL = { nil, "Invalid argument", 22 }

local NAN, INF = 0 / 0, math.huge
local TIB = 1 << 40

-- The text of the error that object:name(...) raises. It has to be a method
-- call in the source, or Lua cannot tell the name and counts self.
local function refused(object, name, ...)
  local method = "local o = ... return (o:" .. name .. "(select(2, ...)))"
  return failure(assert(load(method)), object, ...)
end

-- The most memory, in KiB, that this process ever had: resident and mapped.
local function peak()
  local reset = io.open("/proc/self/clear_refs", "w")
  local file = io.open("/proc/self/status")
  local status = file and file:read("a") or ""
  if file then file:close() end
  if reset then
    reset:write("5") -- the next peak counts from here
    reset:close()
  end
  return tonumber(status:match("VmHWM:%s*(%d+)") or 0),
    tonumber(status:match("VmPeak:%s*(%d+)") or 0)
end

-- Runs fn, which may not make the process grow.
local function small(fn)
  collectgarbage()
  local count = collectgarbage("count")
  peak()
  local resident, mapped = peak()
  fn()
  local resident_now, mapped_now = peak()
  assert.is_true(resident_now - resident < 64 * 1024, "the process grew")
  assert.is_true(mapped_now - mapped < 512 * 1024, "the process mapped more")
  collectgarbage()
  assert.is_true(collectgarbage("count") - count < 16 * 1024,
    "Lua's heap grew")
end

local PROCESS = {
  "open", "close", "close_range", "read", "pread", "readv", "preadv", "write",
  "pwrite", "writev", "pwritev", "lseek", "dup", "dup2", "dup3", "fcntl",
  "ioctl", "pipe", "pipe2", "poll", "fstat", "isatty", "fork", "exec", "exit",
  "wait", "getpid", "host", "spawn", "description", "install", "captured",
}
local KERNEL = {
  "process", "device", "description", "spawn", "run", "sleep", "now", "after",
  "trace",
}

describe("bad input:", function()
  local k, p, r, w

  before_each(function()
    k = fdemu.kernel()
    p = k:process()
    r, w = p:pipe()
  end)

  after_each(function() k:close() end)

  local function still_works() checks.works(k) end

  local function device(ops)
    k:device("/dev/dev", ops)
    return assert(p:open("/dev/dev", fdemu.O_RDWR))
  end

  -- Calls that take a descriptor, each with arguments that are good.
  local function fd_calls()
    return {
      close = function(fd) return p:close(fd) end,
      read = function(fd) return p:read(fd, 1) end,
      pread = function(fd) return p:pread(fd, 1, 0) end,
      readv = function(fd) return p:readv(fd, { 1 }) end,
      preadv = function(fd) return p:preadv(fd, { 1 }, 0) end,
      write = function(fd) return p:write(fd, "x") end,
      pwrite = function(fd) return p:pwrite(fd, "x", 0) end,
      writev = function(fd) return p:writev(fd, { "x" }) end,
      pwritev = function(fd) return p:pwritev(fd, { "x" }, 0) end,
      lseek = function(fd) return p:lseek(fd, 0, fdemu.SEEK_SET) end,
      dup = function(fd) return p:dup(fd) end,
      dup2 = function(fd) return p:dup2(fd, 50) end,
      dup3 = function(fd) return p:dup3(fd, 50, 0) end,
      fcntl = function(fd) return p:fcntl(fd, fdemu.F_GETFD) end,
      ioctl = function(fd) return p:ioctl(fd, fdemu.FIONREAD) end,
      fstat = function(fd) return p:fstat(fd) end,
      isatty = function(fd) return p:isatty(fd) end,
      description = function(fd) return p:description(fd) end,
    }
  end

  describe("self", function()
    local wrong

    before_each(function()
      wrong = { {}, "x", 1, true, print, io.stdout, fdemu.buffer(4),
                coroutine.create(print) }
    end)

    it("of a process method must be a process", function()
      for _, name in ipairs(PROCESS) do
        local method = p[name]
        assert.equal("function", type(method), name)
        failure(method)
        failure(method, nil, 3, 1)
        failure(method, k, 3, 1)
        failure(method, p:description(0), 3, 1)
        for _, self in ipairs(wrong) do failure(method, self, 3, 1) end
      end
    end)

    it("of a kernel method must be a kernel", function()
      for _, name in ipairs(KERNEL) do
        local method = k[name]
        assert.equal("function", type(method), name)
        failure(method)
        failure(method, nil, 1, 2)
        failure(method, p, 1, 2)
        for _, self in ipairs(wrong) do failure(method, self, 1, 2) end
      end
    end)

    it("of a task's method must be a task", function()
      local t = k:spawn(function() end)
      for _, name in ipairs { "join", "cancel" } do
        failure(t[name])
        failure(t[name], k)
        for _, self in ipairs(wrong) do failure(t[name], self) end
      end
      t:join()
    end)

    it("of a description's function must be a description", function()
      local d = p:description(w)
      for _, name in ipairs { "write", "wake" } do
        failure(d[name])
        failure(d[name], p, "x")
        for _, self in ipairs(wrong) do failure(d[name], self, "x") end
      end
    end)

    it("of a kind's function must be of that kind, or act as such",
      function()
        local fds = {
          p:open("/dev/null", fdemu.O_RDWR),
          p:open("/dev/zero", fdemu.O_RDWR),
          p:open("/dev/full", fdemu.O_RDWR),
          device { read = function() return "" end },
          r,
        }
        local q = k:process { stdin = "data", stdout = "capture" }
        local others = { q:description(0), q:description(1) }
        for _, fd in ipairs(fds) do others[#others + 1] = p:description(fd) end
        local slots = { "read", "write", "lseek", "ioctl", "poll", "fcntl",
                        "stat", "flush" }
        for _, from in ipairs(others) do
          for _, slot in ipairs(slots) do
            local fn = from[slot]
            for _, to in ipairs(fn and others or {}) do
              pcall(fn, to, 0, 0)
              pcall(fn, to, "", 0)
            end
          end
        end
        collectgarbage()
        still_works()
      end)

    it("may belong to another kernel that is closed", function()
      local other = fdemu.kernel()
      local q = other:process()
      local _, b = q:pipe()
      local d = q:description(b)
      local write = d.write
      other:close()
      failure(d.write or error, d, "x")
      failure(write, d, "x")
      pcall(write, p:description(w), "x")
      still_works()
    end)
  end)

  describe("arguments", function()
    it("that are missing are named", function()
      for name in pairs(fd_calls()) do
        contains(refused(p, name), "bad argument #1")
        contains(refused(p, name, nil), "bad argument #1")
        contains(refused(p, name, {}), "bad argument #1")
        contains(refused(p, name, print), "bad argument #1")
        contains(refused(p, name, "x"), "bad argument #1")
      end
      for _, name in ipairs { "read", "pread", "readv", "preadv", "write",
                              "pwrite", "writev", "pwritev", "lseek", "dup2",
                              "dup3", "fcntl", "ioctl" } do
        contains(refused(p, name, r), "bad argument #2")
        contains(refused(p, name, r, print), "#2")
        if not name:find("v$") then
          contains(refused(p, name, r, {}), "#2")
        end
      end
      for _, name in ipairs { "pread", "pwrite", "lseek" } do
        contains(refused(p, name, r, name == "pwrite" and "x" or 1, {}),
          "bad argument #3")
      end
      contains(refused(p, "pread", r, 1), "bad argument #3")
      contains(refused(p, "pwrite", w, "x"), "bad argument #3")
      contains(refused(p, "pipe2", {}), "bad argument #1")
      contains(refused(p, "open"), "bad argument #1")
      contains(refused(p, "open", {}), "bad argument #1")
      contains(refused(p, "open", "/dev/null", {}), "bad argument #2")
      contains(refused(p, "exit", "x"), "bad argument #1")
      contains(refused(p, "exit", {}), "bad argument #1")
      contains(refused(p, "install"), "bad argument #1")
      contains(refused(p, "install", {}), "bad argument #1")
      contains(refused(p, "poll"), "bad argument #1")
      local timer = p:timerfd_create()
      contains(refused(p, "timerfd_settime", timer, 0), "bad argument #3")
      contains(refused(p, "timerfd_settime", timer, 0, 1, {}), "#4")
      contains(refused(p, "host"), "bad argument #1")
      contains(refused(p, "captured"), "bad argument #1")
    end)

    it("of a wrong type are named with the function", function()
      contains(refused(p, "read", {}, 1), "'read'")
      contains(refused(p, "write", w, nil), "'write'")
      contains(refused(p, "lseek", r, "x", 0), "'lseek'")
    end)

    it("that are nil where a string belongs raise", function()
      contains(refused(p, "write", w, nil), "string expected")
      contains(refused(p, "pwrite", w, nil, 0), "string expected")
    end)

    it("that raise have changed nothing", function()
      refused(p, "write", w, {})
      refused(p, "writev", w, { "abc", {}, "def" })
      refused(p, "exit", "x")
      p:fcntl(r, fdemu.F_SETFL, fdemu.O_NONBLOCK)
      assert.same(EAGAIN, { p:read(r, 10) })
      assert.equal(1, p:getpid())
    end)

    it("beyond those wanted are ignored", function()
      assert.equal(1, p:write(w, "x", 99, {}, "y"))
      assert.equal("x", p:read(r, 1, {}, nil))
    end)
  end)

  describe("descriptor", function()
    it("out of range is EBADF in every call", function()
      for name, call in pairs(fd_calls()) do
        for _, fd in ipairs { -1, -2, 77, 1023, 1024, 1000000, 2147483647,
                              1 << 31, 1 << 32, (1 << 32) + r,
                              (1 << 32) + w, (1 << 63) + r, -(1 << 31),
                              math.maxinteger, math.mininteger } do
          assert.same(EBADF, { call(fd) }, ("%s(%d)"):format(name, fd))
        end
      end
      assert.equal(3, p:write(w, "abc"))
      assert.equal("abc", p:read(r, 10))
    end)

    it("that is no integer raises in every call", function()
      for _, call in pairs(fd_calls()) do
        for _, fd in ipairs { 1.5, -0.5, NAN, INF, -INF, 2.0 ^ 63, 1e300 } do
          contains(failure(call, fd), "number has no integer representation")
        end
      end
      contains(refused(p, "read", 0.5, 1), "bad argument #1 to 'read'")
    end)

    it("may be a float with the value of an integer", function()
      assert.equal(3, p:write(w + 0.0, "abc"))
      assert.equal("abc", p:read(r + 0.0, 10.0))
    end)

    it("to be made by dup2 and dup3 must be below the limit", function()
      for _, fd in ipairs { -1, 1024, 1 << 31, (1 << 32) + 5, math.maxinteger,
                            math.mininteger } do
        assert.same(EBADF, { p:dup2(r, fd) })
        assert.same(EBADF, { p:dup3(r, fd, 0) })
      end
      assert.equal(1023, p:dup2(r, 1023))
      assert.same(EINVAL, { p:dup3(r, r, 0) })
      assert.same(EINVAL, { p:dup3(r, 9, 1) })
      refused(p, "dup2", r, 1.5)
      refused(p, "dup3", r, 9, {})
    end)

    it("to be made by F_DUPFD must be below the limit", function()
      assert.same(EINVAL, { p:fcntl(r, fdemu.F_DUPFD, -1) })
      assert.same(EINVAL, { p:fcntl(r, fdemu.F_DUPFD, 1024) })
      assert.same(EINVAL, { p:fcntl(r, fdemu.F_DUPFD_CLOEXEC, 1 << 30) })
    end)

    it("ranges may be as wide as they like", function()
      local fd = p:dup2(r, 900)
      assert.equal(0, p:close_range(5, 0xFFFFFFFF, 0))
      assert.same(EBADF, { p:close(fd) })
      assert.same(EINVAL, { p:close_range(9, 5, 0) })
      assert.same(EINVAL, { p:close_range(5, 9, 1 << 20) })
      assert.equal(1, p:write(w, "x"))
      refused(p, "close_range", 1.5, 9, 0)
      refused(p, "close_range", {}, 9, 0)
      refused(p, "close_range")
    end)
  end)

  describe("count", function()
    it("below zero raises, naming the argument", function()
      for _, n in ipairs { -1, -TIB, math.mininteger } do
        local text = refused(p, "read", r, n)
        contains(text, "bad argument #2 to 'read'")
        contains(text, "count must not be negative")
        contains(refused(p, "pread", r, n, 0), "bad argument #2")
      end
    end)

    it("that is no integer raises", function()
      for _, n in ipairs { 0.5, NAN, INF, 1e300 } do
        contains(refused(p, "read", r, n), "bad argument #2")
      end
    end)

    it("that is huge takes no memory on an empty pipe, non-blocking",
      function()
        p:fcntl(r, fdemu.F_SETFL, fdemu.O_NONBLOCK)
        small(function()
          for _, n in ipairs { 1 << 31, 1 << 32, TIB, math.maxinteger } do
            assert.same(EAGAIN, { p:read(r, n) })
          end
        end)
      end)

    it("that is huge takes no memory on an empty pipe, blocking", function()
      small(function()
        local tasks = {}
        for i = 1, 20 do
          tasks[i] = k:spawn(function() return p:read(r, TIB + i) end)
        end
        k:sleep(1)
        for i = 1, 20 do
          p:write(w, ("%02d"):format(i))
          k:sleep(1)
        end
        local got = {}
        for i = 1, 20 do got[i] = tasks[i]:join() end
        table.sort(got)
        for i = 1, 20 do assert.equal(("%02d"):format(i), got[i]) end
      end)
    end)

    it("that is huge takes no memory in the main chunk", function()
      small(function()
        refused(p, "read", r, TIB)
        p:write(w, "abc")
        assert.equal("abc", p:read(r, math.maxinteger))
      end)
    end)

    it("that is huge takes no memory on null or at end of file", function()
      local null = p:open("/dev/null", fdemu.O_RDWR)
      p:close(w)
      small(function()
        assert.equal("", p:read(null, TIB))
        assert.equal("", p:read(r, TIB))
      end)
    end)

    it("that is huge is cut to Linux's maximum for a driver", function()
      local seen
      local fd = device {
        read = function(_, count)
          seen = count
          return "x"
        end,
      }
      small(function()
        for _, n in ipairs { TIB, math.maxinteger, 0x7FFFFFFF } do
          assert.equal("x", p:read(fd, n))
          assert.equal(0x7FFFF000, seen)
        end
      end)
      assert.equal("x", p:read(fd, 0x7FFFF000))
      assert.equal(0x7FFFF000, seen)
    end)

    it("that is huge takes no memory while a driver waits", function()
      local fd = device {
        read = function()
          k:sleep(1)
          return "x"
        end,
      }
      small(function()
        local tasks = {}
        for i = 1, 10 do
          tasks[i] = k:spawn(function() return p:read(fd, TIB) end)
        end
        for i = 1, 10 do assert.equal("x", tasks[i]:join()) end
      end)
    end)

    it("in a list may be huge, and the sum may not pass 2^63 - 1", function()
      small(function()
        p:write(w, "abc")
        assert.same({ { "a", "bc" }, 3 }, { p:readv(r, { 1, TIB }) })
        local most = math.maxinteger
        assert.same(EINVAL, { p:readv(r, { most, most }) })
        assert.same(EINVAL, { p:readv(r, { most, 1 }) })
      end)
    end)

    it("lists have at most 1024 entries", function()
      local sizes, strings = {}, {}
      for i = 1, 1025 do sizes[i], strings[i] = 1, "x" end
      assert.same(EINVAL, { p:readv(r, sizes) })
      assert.same(EINVAL, { p:writev(w, strings) })
      sizes[1025], strings[1025] = nil, nil
      assert.equal(1024, p:writev(w, strings))
      local list, total = p:readv(r, sizes)
      assert.equal(1024, total)
      assert.equal(1024, #list)
      assert.equal(0, p:writev(w, {}))
      assert.same({ {}, 0 }, { p:readv(r, {}) })
    end)

    it("lists of anything else raise", function()
      refused(p, "readv", r, { "x" })
      refused(p, "readv", r, { {} })
      refused(p, "readv", r, { 1, 1.5 })
      refused(p, "readv", r, "x")
      refused(p, "writev", w, { {} })
      refused(p, "writev", w, { "a", true })
      refused(p, "writev", w, { "a", nil, print })
      refused(p, "writev", w, "x")
      pcall(p.readv, p, r, setmetatable({}, {
        __len = function() error("len") end,
      }))
      pcall(p.readv, p, r, setmetatable({}, {
        __len = function() return TIB end,
      }))
      pcall(p.writev, p, w, setmetatable({}, {
        __len = function() return -5 end,
        __index = function() return "x" end,
      }))
      still_works()
    end)
  end)

  describe("offset", function()
    it("below zero is EINVAL in pread and pwrite", function()
      assert.same(EINVAL, { p:pread(r, 1, -1) })
      assert.same(EINVAL, { p:pwrite(w, "x", math.mininteger) })
    end)

    it("near 2^63 overflows nothing", function()
      local seen = {}
      local fd = device {
        seekable = true,
        read = function(_, count, offset)
          seen[#seen + 1] = offset
          return ("x"):rep(math.min(count, 4))
        end,
        write = function(_, data) return #data end,
      }
      local most = math.maxinteger
      assert.equal(most - 1, p:lseek(fd, most - 1, fdemu.SEEK_SET))
      assert.same(EINVAL, { p:read(fd, 100) })
      assert.same(EINVAL, { p:write(fd, "abcd") })
      assert.same(EINVAL, { p:pread(fd, 100, most) })
      assert.same(EINVAL, { p:pwrite(fd, "abcd", most) })
      assert.equal(most - 1, p:lseek(fd, 0, fdemu.SEEK_CUR))
      local pos, _, errno = p:lseek(fd, most, fdemu.SEEK_CUR)
      assert.is_nil(pos)
      assert.is_true(errno == fdemu.EOVERFLOW or errno == fdemu.EINVAL)
      for _, offset in ipairs(seen) do assert.is_true(offset >= 0) end
    end)

    it("that is no integer raises", function()
      for _, offset in ipairs { 0.5, NAN, INF, 2.0 ^ 63 } do
        refused(p, "lseek", r, offset, 0)
        refused(p, "pread", r, 1, offset)
        refused(p, "pwrite", w, "x", offset)
      end
    end)
  end)

  describe("flags", function()
    it("of pipe2 that are unknown are EINVAL", function()
      assert.same(EINVAL, { p:pipe2(1) })
      assert.same(EINVAL, { p:pipe2(-1) })
      assert.same(EINVAL, { p:pipe2(fdemu.O_CLOEXEC | fdemu.O_APPEND) })
    end)

    it("of open may be a mode of io.open and no other string", function()
      for _, mode in ipairs { "", "rw", "x", "r++", "O_RDWR" } do
        contains(refused(p, "open", "/dev/null", mode), "#2")
      end
    end)

    it("of F_SETFL change only what can be changed", function()
      assert.equal(0, p:fcntl(w, fdemu.F_SETFL, -1 & ~0x4000))
      assert.equal(fdemu.O_WRONLY,
        p:fcntl(w, fdemu.F_GETFL) & fdemu.O_ACCMODE)
      assert.equal(0, p:fcntl(w, fdemu.F_GETFL) & fdemu.O_CREAT)
    end)

    it("of F_SETPIPE_SZ that are no size leave the pipe alone", function()
      p:write(w, "abc")
      for _, size in ipairs { -1, 1 << 31, 1 << 30, math.maxinteger } do
        pcall(p.fcntl, p, w, fdemu.F_SETPIPE_SZ, size)
      end
      local n, _, errno = p:fcntl(w, fdemu.F_SETPIPE_SZ, 1 << 30)
      assert.is_nil(n)
      assert.equal(fdemu.EPERM, errno)
      refused(p, "fcntl", w, fdemu.F_SETPIPE_SZ, {})
      assert.equal("abc", p:read(r, 10))
      assert.equal(65536, p:fcntl(w, fdemu.F_GETPIPE_SZ))
    end)
  end)

  describe("path", function()
    it("with a zero in it is not the path up to there", function()
      for _, path in ipairs { "/dev/null\0", "/dev/null\0x" } do
        local ok, fd = pcall(p.open, p, path, fdemu.O_RDWR)
        assert.is_true(not ok or fd == nil)
      end
    end)

    it("that is missing, empty or very long has an errno", function()
      assert.same({ nil, "/dev/x: No such file or directory", 2 },
        { p:open("/dev/x", fdemu.O_RDONLY) })
      for _, path in ipairs { "", ("x"):rep(1000000), "/none/", "\xff\xfe",
                              "%s%n%d" } do
        local fd, message, errno = p:open(path, fdemu.O_RDONLY)
        assert.is_nil(fd)
        assert.is_string(message)
        assert.equal("integer", math.type(errno))
      end
      contains((select(2, p:open("%s%n%d", 0))), "%s%n%d: ")
    end)
  end)

  describe("options", function()
    it("that nobody knows raise, naming them", function()
      contains(failure(fdemu.kernel, { bogus = 1 }), "unknown option 'bogus'")
      contains(refused(k, "process", { bogus = 1 }), "unknown option 'bogus'")
      contains(refused(k, "spawn", { print, bogus = 1 }),
        "unknown option 'bogus'")
      failure(fdemu.kernel, { [1] = true })
      failure(fdemu.kernel, { [{}] = true })
      contains(refused(k, "process", { "null" }), "named, not numbered")
    end)

    it("of a task are a name and whether it is a daemon", function()
      contains(refused(k, "spawn", { print, name = 5 }), "name")
      contains(refused(k, "spawn", { print, daemon = 1 }), "daemon")
    end)

    it("of a wrong type or value raise, naming them", function()
      for option, values in pairs {
        seed = { "x", {}, 1.5, NAN, true },
        nofile = { "x", {}, -1, 1.5, NAN, true, math.mininteger },
        short = { "x", {}, -0.1, 1.1, NAN, INF, true },
        order = { "lifo", 1, {}, true },
        strict = { 1, "yes", {} },
        host = { 1, "yes", {} },
        origins = { 1, "yes", {} },
      } do
        for _, value in ipairs(values) do
          contains(failure(fdemu.kernel, { [option] = value }), option)
        end
      end
    end)

    it("of a kernel must be a table", function()
      failure(fdemu.kernel, 42)
      failure(fdemu.kernel, "seed")
      failure(fdemu.kernel, true)
      failure(fdemu.kernel, print)
    end)

    it("of a process must be streams that exist", function()
      for _, value in ipairs { 42, {}, true, print } do
        contains(refused(k, "process", { stdin = value }), "stdin")
        contains(refused(k, "process", { stdout = value }), "stdout")
      end
      contains(refused(k, "process", { stdout = "bogus" }), "stdout")
      contains(refused(k, "process", { stderr = "bogus" }), "stderr")
      refused(k, "process", 42)
      refused(k, "process", "null")
    end)

    it("take any seed that is an integer", function()
      for _, seed in ipairs { -1, 0, math.maxinteger, math.mininteger, 7.0 } do
        fdemu.kernel { seed = seed }:close()
      end
    end)

    it("with a description of another kernel or one closed raise",
      function()
        local other = fdemu.kernel()
        local q = other:process()
        local _, b = q:pipe()
        local d = q:description(b)
        refused(k, "process", { stdout = d })
        refused(p, "install", d)
        other:close()
        refused(k, "process", { stdout = d })
        refused(p, "install", d)
        still_works()
      end)
  end)

  describe("device", function()
    it("must be a path and a table", function()
      contains(refused(k, "device"), "bad argument #1")
      contains(refused(k, "device", {}, {}), "bad argument #1")
      contains(refused(k, "device", "/dev/x"), "bad argument #2")
      contains(refused(k, "device", "/dev/x", 42), "bad argument #2")
      contains(refused(k, "device", "/dev/x", print), "bad argument #2")
      contains(refused(k, "device", "/dev/x\0y", {}), "a zero byte")
      assert.is_nil((p:open("/dev/x", fdemu.O_RDWR)))
    end)

    it("may have an ops table that bites", function()
      pcall(k.device, k, "/dev/bite", setmetatable({}, {
        __index = function() error("bite") end,
      }))
      pcall(function()
        local fd = p:open("/dev/bite", fdemu.O_RDWR)
        p:read(fd, 1)
      end)
      still_works()
    end)

    it("may have an ops table that changes under way", function()
      local ops = { read = function() return "x" end }
      local fd = device(ops)
      local d = p:description(fd)
      for _, rubbish in ipairs { 42, "x", {}, true } do
        ops.read = rubbish
        ops.write = rubbish
        ops.seekable = rubbish
        ops.name = rubbish
        ops.flush = rubbish
        pcall(p.read, p, fd, 1)
        pcall(p.write, p, fd, "x")
        pcall(p.lseek, p, fd, 0, 0)
        pcall(d.read or print, d, 1)
        assert.is_string(d.kind)
      end
      for name in pairs(ops) do ops[name] = nil end
      pcall(p.read, p, fd, 1)
      pcall(p.close, p, fd)
      collectgarbage()
      still_works()
    end)
  end)

  describe("closed kernel", function()
    it("raises in every method of kernel and process", function()
      local other = fdemu.kernel()
      local q = other:process()
      local fd = q:pipe()
      local t = other:spawn(function() q:read(fd, 1) end)
      local d = q:description(fd)
      other:sleep(1)
      other:close()
      for _, name in ipairs(KERNEL) do
        if name ~= "now" then
          contains(failure(other[name], other, 1, print), "kernel is closed")
        end
      end
      for _, name in ipairs(PROCESS) do
        contains(failure(q[name], q, fd, 1), "kernel is closed")
      end
      pcall(t.join, t)
      pcall(t.cancel, t)
      assert.is_string(t.status)
      assert.is_string(t.name)
      pcall(function() return d.read, d.flags, d.refs, d.id, d.kind end)
      pcall(function() d.read = print end)
      pcall(function() d.field = 1 end)
      pcall(d.wake, d)
      collectgarbage()
    end)

    it("may be closed again", function()
      local other = fdemu.kernel()
      other:close()
      other:close()
      contains(failure(other.process, other), "kernel is closed")
    end)

    it("cancels what was waiting", function()
      local other = fdemu.kernel()
      local q = other:process()
      local a = q:pipe()
      local after = false
      other:spawn(function()
        q:read(a, 1)
        after = true
      end)
      other:sleep(1)
      other:close()
      collectgarbage()
      assert.is_false(after)
    end)
  end)

  describe("dead process", function()
    it("raises in every method, naming itself", function()
      p:exit(0)
      for _, name in ipairs(PROCESS) do
        if name ~= "captured" then
          contains(failure(p[name], p, r, 1), "process 1 has exited")
        end
      end
    end)

    it("still has what was captured of it", function()
      local q = k:process { stdout = "capture" }
      q:write(1, "last words")
      q:exit(0)
      assert.equal("last words", q:captured(1))
    end)

    it("can have children that are alive", function()
      local child = p:fork()
      p:exit(0)
      assert.equal(3, child:write(w, "abc"))
      assert.equal("abc", child:read(r, 10))
    end)

    it("leaves a status of 8 bits", function()
      for status, seen in pairs { [0] = 0, [7] = 7, [255] = 255, [256] = 0,
                                  [263] = 7, [-1] = 255 } do
        local child = p:fork()
        local pid = child:getpid()
        child:exit(status)
        assert.same({ pid, "exited", seen }, { p:wait() })
      end
    end)
  end)

  describe("poll", function()
    it("takes a list of tables with integers, and nothing else", function()
      for _, list in ipairs { 42, "x", { 1 }, { {} }, { { fd = "x" } },
                              { { fd = 1.5, events = 1 } },
                              { { fd = r, events = {} } },
                              { { fd = r, events = "r" } },
                              { { fd = {}, events = 1 } } } do
        refused(p, "poll", list, 0)
      end
      refused(p, "poll", { { fd = r, events = 1 } }, "x")
      refused(p, "poll", { { fd = r, events = 1 } }, NAN)
      refused(p, "poll", { { fd = r, events = 1 } }, {})
    end)

    it("counts descriptors that are not open and skips negative ones",
      function()
        local list = {
          { fd = 77, events = fdemu.POLLIN },
          { fd = -1, events = fdemu.POLLIN, revents = 5 },
          { fd = 2147483647, events = fdemu.POLLIN },
          { fd = w, events = fdemu.POLLOUT },
          { fd = w, events = fdemu.POLLOUT },
        }
        assert.equal(4, p:poll(list, 0))
        assert.equal(fdemu.POLLNVAL, list[1].revents)
        assert.equal(0, list[2].revents)
        assert.equal(fdemu.POLLNVAL, list[3].revents)
        assert.equal(fdemu.POLLOUT, list[4].revents)
        assert.equal(fdemu.POLLOUT, list[5].revents)
      end)

    it("takes the same table twice", function()
      local entry = { fd = w, events = fdemu.POLLOUT }
      assert.equal(2, p:poll({ entry, entry }, 0))
      assert.equal(fdemu.POLLOUT, entry.revents)
    end)

    it("of nothing is a sleep", function()
      assert.equal(0, p:poll({}, 100))
      assert.is_true(math.abs(k:now() - 0.1) < 1e-9)
    end)

    it("takes any negative timeout as for ever", function()
      for _, timeout in ipairs { -1, -2, math.mininteger } do
        k:after(1, function() p:write(w, "x") end)
        assert.equal(1, p:poll({ { fd = r, events = 1 } }, timeout))
        p:read(r, 1)
      end
    end)

    it("takes a timeout that is huge without overflow", function()
      k:after(1, function() p:write(w, "x") end)
      local ok, n = pcall(p.poll, p, { { fd = r, events = 1 } },
        math.maxinteger)
      assert.is_true(not ok or n == 1)
      k:run()
      assert.equal(1, k:now())
    end)

    it("survives a list that changes while it waits", function()
      local list = {}
      for i = 1, 20 do list[i] = { fd = r, events = fdemu.POLLIN } end
      local t = k:spawn(function() return pcall(p.poll, p, list, 9000) end)
      k:sleep(1)
      for i = 20, 1, -1 do
        list[i].fd = "rubbish"
        list[i] = nil
      end
      list[5] = 42
      collectgarbage()
      p:write(w, "x")
      t:join()
      still_works()
    end)

    it("survives entries that refuse to be written", function()
      local entry = setmetatable({}, {
        __index = { fd = w, events = fdemu.POLLOUT },
        __newindex = function() error("hands off") end,
      })
      pcall(p.poll, p, { entry }, 0)
      still_works()
    end)

    it("refuses more entries than descriptors may be open", function()
      local list = {}
      for i = 1, 1025 do list[i] = { fd = w, events = fdemu.POLLOUT } end
      assert.same(EINVAL, { p:poll(list, 0) })
    end)
  end)

  describe("ioctl", function()
    it("takes nil, an integer, a string or a Buffer", function()
      for _, arg in ipairs { {}, print, true, k, p, 1.5, NAN } do
        contains(refused(p, "ioctl", r, fdemu.FIONREAD, arg), "#3")
      end
      contains(refused(p, "ioctl", r, fdemu.FIONREAD, true),
        "integer, string or fdemu.Buffer expected, got boolean")
    end)

    it("takes a request that is an integer", function()
      for _, request in ipairs { "x", {}, 1.5, NAN, print } do
        contains(refused(p, "ioctl", r, request), "#2")
      end
    end)

    it("never writes past the end of a small Buffer or string", function()
      p:write(w, "abc")
      for size = 0, 3 do
        local b = fdemu.buffer(size)
        local ok, n = pcall(p.ioctl, p, r, fdemu.FIONREAD, b)
        assert.is_true(not ok or n == nil)
        assert.equal(("\0"):rep(size), b:get())
        ok, n = pcall(p.ioctl, p, r, fdemu.FIONREAD, ("."):rep(size))
        assert.is_true(not ok or n == nil)
        ok, n = pcall(p.ioctl, p, r, fdemu.FIONBIO, fdemu.buffer(size))
        assert.is_true(not ok or n == nil)
      end
      local b = fdemu.buffer(4)
      assert.equal(0, p:ioctl(r, fdemu.FIONREAD, b))
      assert.equal(3, (b:unpack("<i4")))
      assert.equal(3, p:ioctl(r, fdemu.FIONREAD))
    end)

    it("that is unknown is ENOTTY whatever its size bits say", function()
      for _, request in ipairs { 0, 0x7FFFFFFF, 0xC3FF4D01, 0xFFFFFFFF } do
        local n, _, errno = p:ioctl(r, request)
        assert.is_nil(n)
        assert.equal(fdemu.ENOTTY, errno)
      end
    end)

    it("gives a driver an argument that bounds its writes", function()
      local fd = device {
        ioctl = function(_, _, arg)
          arg:set(("x"):rep(1000), 0)
          return 0
        end,
      }
      local b = fdemu.buffer(8)
      contains(refused(p, "ioctl", fd, 1, b), "past the end")
      assert.equal(("\0"):rep(8), b:get())
      contains(refused(p, "ioctl", fd, 1, "short"), "past the end")
      refused(p, "ioctl", fd, 1)
      refused(p, "ioctl", fd, 1, 5)
    end)
  end)

  describe("time", function()
    it("that is huge never runs backwards", function()
      for _, seconds in ipairs { 1e9, 1e10, 1e18, 1e300, INF, 2.0 ^ 63,
                                 math.maxinteger } do
        local before = k:now()
        pcall(k.sleep, k, seconds)
        assert.is_true(k:now() >= before)
      end
      still_works()
    end)

    it("can be added to when the end of it has come", function()
      pcall(k.sleep, k, math.maxinteger)
      k:inject { call = "dup", delay = 1e9 }
      assert.is_number(p:dup(0))
      assert.is_table(p:fstat(p:memfd_create("late")))
      still_works()
    end)

    it("that is huge can be waited for by tasks", function()
      for _, seconds in ipairs { 1e10, 1e300, INF } do
        pcall(k.spawn, k, function() k:sleep(seconds) end)
        pcall(k.after, k, seconds, function() end)
      end
      pcall(k.run, k, 1)
      assert.is_true(k:now() <= 1)
      still_works()
    end)
  end)

  describe("driver", function()
    local evil

    before_each(function()
      evil = {
        {}, 42, true, false, print, coroutine.create(print), io.stdout,
        ("long "):rep(100000), "\0\1\2", "%s%n",
        setmetatable({}, { __tostring = error }),
        setmetatable({}, { __tostring = function() return 42 end }),
        setmetatable({}, { __tostring = function() k:sleep(1) return "" end }),
        setmetatable({}, { __name = 42 }),
        setmetatable({}, { __metatable = "locked" }),
      }
    end)

    it("may raise anything", function()
      local value
      local fd = device {
        read = function() error(value) end,
        ioctl = function() error(value, 0) end,
      }
      for i = 1, 15 do
        value = evil[i]
        assert.is_false((pcall(p.read, p, fd, 1)))
        assert.is_false((pcall(p.ioctl, p, fd, 1)))
      end
      still_works()
    end)

    it("may raise nil", function()
      local fd = device { read = function() error(nil) end }
      assert.is_false((pcall(p.read, p, fd, 1)))
      local t = k:spawn(function() return pcall(p.read, p, fd, 1) end)
      assert.is_false((t:join()))
      still_works()
    end)

    it("may raise anything after a wait", function()
      local value
      local fd = device {
        read = function()
          k:sleep(1)
          error(value)
        end,
      }
      for i = 1, 15 do
        value = evil[i]
        local t = k:spawn(function() return pcall(p.read, p, fd, 1) end)
        assert.is_false((t:join()))
      end
      value = nil
      assert.is_false((pcall(p.read, p, fd, 1)))
      still_works()
    end)

    it("may raise anything in flush, release, poll and open", function()
      for _, slot in ipairs { "flush", "release", "poll", "open" } do
        for i = 1, 15 do
          local path = ("/dev/%s%d"):format(slot, i)
          k:device(path, { [slot] = function() error(evil[i]) end })
          local raised = false
          local function try(fn, ...)
            local results = table.pack(pcall(fn, ...))
            raised = raised or not results[1]
            return results[2]
          end
          local fd = try(p.open, p, path, fdemu.O_RDWR)
          if slot ~= "open" then
            try(p.poll, p, { { fd = fd, events = 1 } }, 0)
            try(p.close, p, fd)
          end
          assert.is_true(raised, slot .. " " .. i)
        end
      end
      assert.equal(w + 1, p:dup(0))
      still_works()
    end)

    it("may return anything from anything", function()
      local value
      local function give() return value end
      local fd = device {
        read = give, write = give, ioctl = give, lseek = give, fcntl = give,
        stat = give, poll = give, truncate = give, sync = give, flock = give,
      }
      for i = 1, 15 do
        value = evil[i]
        pcall(p.read, p, fd, 10)
        pcall(p.write, p, fd, "abc")
        pcall(p.ioctl, p, fd, 1, fdemu.buffer(4))
        pcall(p.lseek, p, fd, 0, 0)
        pcall(p.fcntl, p, fd, fdemu.F_GETPIPE_SZ)
        pcall(p.fstat, p, fd)
        pcall(p.poll, p, { { fd = fd, events = 7 } }, 0)
        pcall(p.readv, p, fd, { 1, 2, 3 })
        pcall(p.writev, p, fd, { "a", "", "b" })
      end
      assert.equal(1, p:description(fd).refs)
      still_works()
    end)

    it("may return hundreds of values", function()
      local fd = device {
        read = function() return "x", table.unpack({}, 1, 200) end,
      }
      assert.equal("x", p:read(fd, 1))
    end)

    it("may yield anything by coroutine.yield, which lets others run",
      function()
        local fd = device {
          read = function()
            for i = 1, 15 do coroutine.yield(evil[i], nil, i) end
            return "end"
          end,
        }
        assert.equal("end", p:read(fd, 10))
        local t = k:spawn(function() return p:read(fd, 10) end)
        assert.equal("end", t:join())
      end)

    it("may overflow its stack", function()
      local function deep() return 1 + deep() end
      local fd = device { read = function() return deep() end }
      contains(refused(p, "read", fd, 1), "stack overflow")
      local t = k:spawn(function() return pcall(p.read, p, fd, 1) end)
      assert.is_false((t:join()))
      still_works()
    end)

    it("may raise while it is being cancelled", function()
      local fd = device {
        read = function()
          local ok, err = pcall(k.sleep, k, 10)
          error(ok and "slept" or err)
        end,
      }
      local t = k:spawn(function() p:read(fd, 1) end)
      k:sleep(1)
      t:cancel()
      pcall(k.run, k)
      pcall(k.sleep, k, 20)
      k:sleep(20)
      still_works()
    end)

    it("may run the kernel from inside", function()
      local results = {}
      local fd = device {
        read = function()
          results[#results + 1] = pcall(k.run, k)
          results[#results + 1] = pcall(k.run, k, 1)
          return "x"
        end,
      }
      k:spawn(function() k:sleep(2) end)
      assert.equal("x", p:read(fd, 1))
      assert.equal(2, #results)
      still_works()
    end)
  end)

  describe("task", function()
    it("cannot run the kernel to its end, being part of it", function()
      local ok
      local t = k:spawn(function() ok = pcall(k.run, k) end)
      t:join()
      assert.is_false(ok)
      still_works()
    end)

    it("may raise anything, which join gives as it is", function()
      for _, value in ipairs { 42, true, {}, print,
                               setmetatable({}, { __tostring = error }) } do
        local t = k:spawn(function() error(value, 0) end)
        local ok, err = pcall(t.join, t)
        assert.is_false(ok)
        assert.is_true(rawequal(value, err))
      end
      local t = k:spawn(function() error(nil) end)
      assert.is_false((pcall(t.join, t)))
    end)

    it("may raise anything that nobody joins", function()
      for _, value in ipairs { 42, true, {}, print,
                               setmetatable({}, { __tostring = error }) } do
        k:spawn(function() error(value, 0) end)
        assert.is_false((pcall(k.run, k)))
      end
      k:spawn(function() error(nil) end)
      assert.is_false((pcall(k.run, k)))
      still_works()
    end)

    it("may overflow its stack", function()
      local function deep() return 1 + deep() end
      contains(failure(function() k:spawn(deep):join() end), "stack overflow")
      still_works()
    end)

    it("may close every descriptor and exit every process", function()
      k:spawn(function()
        for fd = 0, 100 do p:close(fd) end
        p:exit(0)
      end)
      pcall(k.run, k)
      refused(p, "getpid")
      still_works()
    end)
  end)

  describe("host", function()
    it("is refused unless the kernel allows it", function()
      local fd, message, errno = p:host(io.stdout)
      assert.is_nil(fd)
      assert.equal(1, errno)
      assert.equal("Operation not permitted", message:sub(1, 23))
      fd, message, errno = p:host(1)
      assert.is_nil(fd)
      assert.is_string(message)
      assert.equal(1, errno)
    end)

    it("takes a descriptor or an open file and nothing else", function()
      local other = fdemu.kernel { host = true }
      local q = other:process()
      for _, bad in ipairs { {}, "x", true, print, 1.5, NAN, q, other } do
        contains(refused(q, "host", bad), "bad argument #1")
      end
      for _, bad in ipairs { -1, 1 << 31, (1 << 32) + 1, math.maxinteger,
                             math.mininteger } do
        local fd, _, errno = q:host(bad)
        assert.is_nil(fd)
        assert.equal(fdemu.EBADF, errno)
      end
      local file = assert(io.tmpfile())
      file:close()
      local ok, fd = pcall(q.host, q, file)
      assert.is_true(not ok or fd == nil)
      other:close()
    end)
  end)

  describe("captured", function()
    it("raises for what was not captured", function()
      local q = k:process { stdout = "capture" }
      q:write(1, "abc")
      assert.equal("abc", q:captured(1))
      refused(q, "captured", 2)
      refused(q, "captured", 0)
      refused(q, "captured", -1)
      refused(q, "captured", 1 << 40)
      refused(q, "captured", (1 << 32) + 1)
      refused(q, "captured", {})
      refused(q, "captured", 1.5)
    end)
  end)

  it("a kind's release called by hand does no harm twice", function()
    local d = p:description(w)
    local release, flush = d.release, d.flush
    for _ = 1, 3 do
      pcall(release or print, d)
      pcall(flush or print, d)
    end
    collectgarbage()
    pcall(p.write, p, w, "abc")
    pcall(p.close, p, w)
    pcall(release or print, d)
    collectgarbage()
    still_works()
  end)

  it("thousands of failing calls leave nothing behind", function()
    local fd = device {
      read = function() error("boom") end,
      write = function() return {} end,
    }
    local function round()
      for _ = 1, 500 do
        pcall(p.read, p, fd, 10)
        pcall(p.write, p, fd, "x")
        pcall(p.read, p, r, {})
        p:read(-1, 10)
        p:open("/dev/nothing", fdemu.O_RDWR)
      end
      collectgarbage()
      collectgarbage()
      return collectgarbage("count")
    end
    round()
    local before = round()
    round()
    assert.is_true(round() < before + 50)
    assert.equal(1, p:description(fd).refs)
  end)

  describe("everything at once", function()
    -- A small generator of our own: the same sequence on every Lua.
    local function generator(seed)
      return function(n)
        seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
        return (seed >> 8) % n + 1
      end
    end

    it("gives an answer, a failure or an error, and never a crash", function()
      local pick = generator(4711)
      local ops = {
        read = function(_, n) return ("x"):rep(math.min(n, 8)) end,
        write = function(_, data) return #data end,
        seekable = true,
      }
      k:device("/dev/dev", ops)
      local null = p:open("/dev/null", fdemu.O_RDWR)
      local fd = p:open("/dev/dev", fdemu.O_RDWR)
      p:fcntl(r, fdemu.F_SETFL, fdemu.O_NONBLOCK)
      p:fcntl(w, fdemu.F_SETFL, fdemu.O_NONBLOCK)
      local values = {
        0, 1, 2, r, w, null, fd, r, w, fd, -1, 7, 64, 4096, 1023, 1024,
        1 << 31, 1 << 32, TIB, math.maxinteger, math.mininteger, 0.5, NAN,
        INF, "", "x", ("y"):rep(5000), "/dev/null", "/dev/dev", "r", "w+",
        true, false, {}, { 1, 2 }, { "a", "b" }, { { fd = w, events = 5 } },
        { { fd = r, events = 1 } }, print, k, p, fdemu.buffer(4),
        p:description(w), p:description(fd), fdemu.F_DUPFD, fdemu.F_GETFL,
        fdemu.F_SETFL, fdemu.F_GETPIPE_SZ, fdemu.FIONREAD, fdemu.FIONBIO,
        fdemu.O_CLOEXEC,
      }
      local none = #values + 1
      local methods = {}
      for _, name in ipairs(PROCESS) do
        if name ~= "exit" and name ~= "fork" and name ~= "spawn"
            and name ~= "wait" then
          methods[#methods + 1] = name
        end
      end
      for i = 1, 6000 do
        local name = methods[pick(#methods)]
        local args = { n = pick(5) - 1 }
        for j = 1, args.n do args[j] = values[pick(none)] end
        local got = table.pack(pcall(p[name], p,
          table.unpack(args, 1, args.n)))
        if got[1] and got[2] == nil then
          assert.equal(4, got.n, name)
          assert.equal("string", type(got[3]), name)
          assert.equal("integer", math.type(got[4]), name)
          assert.is_string(fdemu.errname(got[4]), name)
        elseif not got[1] then
          assert.equal("string", type(got[2]), name)
        end
        if i % 200 == 0 then
          collectgarbage()
          for number = 10, 1023 do p:close(number) end
        end
      end
      still_works()
    end)
  end)
end)
