-- fdtable_spec.lua - descriptor tables: which number is given, who shares
-- what, where the limit is. Every result is what Linux 6.18 gives.

local fdemu = require "fdemu"
local steps = require "spec.helper_steps"

local fails = steps.fails

local CLOEXEC = fdemu.FD_CLOEXEC

-- The numbers among 0..last that are open.
local function open_numbers(p, last)
  local t = {}
  for fd = 0, last do
    if p:fcntl(fd, fdemu.F_GETFD) then t[#t + 1] = fd end
  end
  return t
end

describe("a descriptor table", function()
  local k, p

  local function start(nofile)
    if k then k:close() end
    k = fdemu.kernel { nofile = nofile }
    p = k:process { stdout = "null", stderr = "null" }
  end

  before_each(function() start(1024) end)

  after_each(function()
    k:close()
    k = nil
  end)

  it("starts with 0, 1 and 2", function()
    assert.same({ 0, 1, 2 }, open_numbers(p, 1023))
  end)

  describe("giving numbers", function()
    it("gives the lowest free one", function()
      for fd = 3, 9 do assert.equal(fd, p:open("/dev/null")) end
      p:close(5)
      p:close(3)
      p:close(8)
      assert.equal(3, p:open("/dev/zero"))
      assert.equal(5, p:dup(0))
      p:close(0)
      assert.equal(0, p:dup(1))
      assert.same({ 8, 10 }, { p:pipe() })
    end)

    it("gives the lowest free one at or above F_DUPFD's argument",
      function()
        for _, cmd in ipairs { fdemu.F_DUPFD, fdemu.F_DUPFD_CLOEXEC } do
          assert.equal(10, p:fcntl(0, cmd, 10))
          assert.equal(11, p:fcntl(0, cmd, 10))
          assert.equal(3, p:fcntl(0, cmd, 0))
          assert.equal(1023, p:fcntl(0, cmd, 1023))
          assert.equal(0, p:close_range(3, 1023))
        end
      end)

    it("ignores what is free below F_DUPFD's argument", function()
      assert.equal(500, p:dup2(0, 500))
      assert.equal(501, p:fcntl(0, fdemu.F_DUPFD, 500))
      assert.equal(499, p:fcntl(0, fdemu.F_DUPFD, 499))
      assert.equal(502, p:fcntl(0, fdemu.F_DUPFD, 499))
      assert.equal(3, p:dup(0))
    end)

    it("gives 5000 numbers and finds each gap again", function()
      start(6000)
      for fd = 3, 5002 do assert.equal(fd, p:dup(0)) end
      for fd = 3, 5002, 7 do assert.equal(0, p:close(fd)) end
      for fd = 3, 5002, 7 do assert.equal(fd, p:dup(1)) end
      assert.equal(5003, p:dup(1))
      assert.equal(0, p:close(4095))
      assert.equal(0, p:close(4096))
      assert.equal(4096, p:fcntl(0, fdemu.F_DUPFD, 4096))
      assert.equal(4095, p:dup(0))
      assert.equal(0, p:close_range(3, 5999))
      assert.same({ 0, 1, 2 }, open_numbers(p, 5999))
      assert.equal(3, p:dup(0))
    end)

    it("finds gaps at the borders of words", function()
      start(5000)
      for _ = 3, 4999 do p:dup(0) end
      for _, fd in ipairs {
        31, 32, 63, 64, 65, 127, 128, 511, 512, 1023, 1024, 2047, 2048,
        4031, 4032, 4095, 4096, 4097, 4999, 3,
      } do
        p:close(fd)
        assert.equal(fd, p:dup(0))
        p:close(fd)
        assert.equal(fd, p:fcntl(0, fdemu.F_DUPFD, fd))
        p:close(fd)
        assert.equal(fd, p:fcntl(0, fdemu.F_DUPFD, 3))
        fails("EMFILE", p:dup(0))
      end
    end)
  end)

  describe("at its limit", function()
    it("gives numbers below nofile, then EMFILE", function()
      start(16)
      for fd = 3, 15 do assert.equal(fd, p:dup(0)) end
      fails("EMFILE", p:dup(0))
      fails("EMFILE", p:open("/dev/null"))
      fails("EMFILE", p:open("/dev/not there"))
      fails("EMFILE", p:pipe())
      fails("EMFILE", p:fcntl(0, fdemu.F_DUPFD, 3))
      fails("EMFILE", p:fcntl(0, fdemu.F_DUPFD, 15))
      fails("EMFILE", p:fcntl(0, fdemu.F_DUPFD_CLOEXEC, 0))
      assert.equal(15, p:dup2(0, 15))
      assert.equal(15, p:dup3(0, 15, 0))
    end)

    it("has 1024 numbers by default", function()
      k:close()
      k = fdemu.kernel {}
      p = k:process { stdout = "null", stderr = "null" }
      for fd = 3, 1023 do assert.equal(fd, p:dup(0)) end
      fails("EMFILE", p:dup(0))
    end)

    it("checks the arguments before the room", function()
      start(4)
      assert.equal(3, p:dup(0))
      fails("EBADF", p:dup(99))
      fails("EINVAL", p:pipe2(1))
      fails("EINVAL", p:fcntl(0, fdemu.F_DUPFD, 4))
      fails("EBADF", p:fcntl(99, fdemu.F_DUPFD, 4))
    end)

    it("makes no pipe when there is room for one end", function()
      start(5)
      assert.equal(3, p:dup(0))
      fails("EMFILE", p:pipe())
      assert.same({ 0, 1, 2, 3 }, open_numbers(p, 4))
      p:close(1)
      assert.same({ 1, 4 }, { p:pipe() })
    end)

    it("refuses numbers at the limit and above", function()
      start(16)
      for _, fd in ipairs { 16, 17, 1000, 0x7fffffff } do
        fails("EBADF", p:dup2(0, fd))
        fails("EBADF", p:dup3(0, fd, 0))
        fails("EINVAL", p:fcntl(0, fdemu.F_DUPFD, fd))
        fails("EINVAL", p:fcntl(0, fdemu.F_DUPFD_CLOEXEC, fd))
      end
      assert.equal(15, p:dup2(0, 15))
    end)
  end)

  describe("closing", function()
    it("frees the number", function()
      assert.equal(3, p:dup(0))
      assert.equal(0, p:close(3))
      fails("EBADF", p:close(3))
      fails("EBADF", p:read(3, 1))
      assert.equal(3, p:dup(0))
    end)

    it("leaves the other descriptors of the description", function()
      local r, w = p:pipe()
      local w2, w3 = p:dup(w), p:fcntl(w, fdemu.F_DUPFD, 100)
      p:close(w)
      assert.equal(1, p:write(w2, "2"))
      p:close(w2)
      assert.equal(1, p:write(w3, "3"))
      p:close(w3)
      assert.equal("23", p:read(r, 9))
      assert.equal("", p:read(r, 9))
    end)

    it("refuses what is not open", function()
      for _, fd in ipairs {
        -1, 3, 1023, 1024, 0x7fffffff, 1 << 31, 1 << 32, -(1 << 31) - 1,
        math.maxinteger, math.mininteger,
      } do
        fails("EBADF", p:close(fd))
      end
      assert.same({ 0, 1, 2 }, open_numbers(p, 9))
    end)

    it("counts descriptors in the description", function()
      local fd = p:open("/dev/null")
      local d = p:description(fd)
      assert.equal(1, d.refs)
      local fd2 = p:dup(fd)
      assert.equal(2, d.refs)
      assert.equal(d, p:description(fd2))
      p:close(fd)
      assert.equal(1, d.refs)
      p:close(fd2)
      assert.equal(0, d.refs)
      fails("EBADF", p:description(fd))
      assert.has_error(function() d:read(1) end)
    end)

    it("never gives a description's id twice", function()
      local seen = {}
      for _ = 1, 100 do
        local fd = p:open("/dev/null")
        local id = p:description(fd).id
        assert.is_nil(seen[id])
        assert.equal("integer", math.type(id))
        seen[id] = true
        p:close(fd)
      end
    end)
  end)

  describe("asked for every call on a number that is not open", function()
    local calls = {
      close = function(fd) return p:close(fd) end,
      read = function(fd) return p:read(fd, 1) end,
      ["read of nothing"] = function(fd) return p:read(fd, 0) end,
      write = function(fd) return p:write(fd, "x") end,
      ["write of nothing"] = function(fd) return p:write(fd, "") end,
      pread = function(fd) return p:pread(fd, 1, 0) end,
      pwrite = function(fd) return p:pwrite(fd, "x", 0) end,
      readv = function(fd) return p:readv(fd, { 1 }) end,
      ["readv of nothing"] = function(fd) return p:readv(fd, {}) end,
      writev = function(fd) return p:writev(fd, { "x" }) end,
      ["writev of nothing"] = function(fd) return p:writev(fd, {}) end,
      preadv = function(fd) return p:preadv(fd, { 1 }, 0) end,
      pwritev = function(fd) return p:pwritev(fd, { "x" }, 0) end,
      lseek = function(fd) return p:lseek(fd, 0, 0) end,
      ["lseek with a bad whence"] = function(fd)
        return p:lseek(fd, 0, 99)
      end,
      dup = function(fd) return p:dup(fd) end,
      dup2 = function(fd) return p:dup2(fd, 9) end,
      ["dup2 to itself"] = function(fd) return p:dup2(fd, fd) end,
      dup3 = function(fd) return p:dup3(fd, 9, 0) end,
      F_GETFD = function(fd) return p:fcntl(fd, fdemu.F_GETFD) end,
      F_SETFD = function(fd) return p:fcntl(fd, fdemu.F_SETFD, 1) end,
      F_GETFL = function(fd) return p:fcntl(fd, fdemu.F_GETFL) end,
      F_SETFL = function(fd) return p:fcntl(fd, fdemu.F_SETFL, 0) end,
      F_DUPFD = function(fd) return p:fcntl(fd, fdemu.F_DUPFD, 0) end,
      ["F_DUPFD with a bad minimum"] = function(fd)
        return p:fcntl(fd, fdemu.F_DUPFD, -1)
      end,
      F_GETPIPE_SZ = function(fd)
        return p:fcntl(fd, fdemu.F_GETPIPE_SZ)
      end,
      ["unknown fcntl"] = function(fd) return p:fcntl(fd, 9999) end,
      FIONREAD = function(fd) return p:ioctl(fd, fdemu.FIONREAD) end,
      FIOCLEX = function(fd) return p:ioctl(fd, fdemu.FIOCLEX) end,
      ["unknown ioctl"] = function(fd) return p:ioctl(fd, 0x1234) end,
      fstat = function(fd) return p:fstat(fd) end,
      isatty = function(fd) return p:isatty(fd) end,
    }

    local names = {}
    for name in pairs(calls) do names[#names + 1] = name end
    table.sort(names)

    for _, name in ipairs(names) do
      it("gives EBADF for " .. name, function()
        for _, fd in ipairs {
          -1, 5, 1024, 0x7fffffff, 1 << 31, 1 << 40, math.mininteger,
        } do
          fails("EBADF", calls[name](fd))
        end
        assert.same({ 0, 1, 2 }, open_numbers(p, 9))
      end)
    end
  end)

  describe("dup2", function()
    it("closes what the new number was", function()
      local r, w = p:pipe()
      assert.equal(w, p:dup2(0, w))
      assert.equal("", p:read(r, 1))
    end)

    it("takes any free number", function()
      assert.equal(700, p:dup2(0, 700))
      assert.same({ 0, 1, 2, 700 }, open_numbers(p, 1023))
    end)

    it("returns an equal number and keeps FD_CLOEXEC", function()
      local fd = p:open("/dev/null", fdemu.O_CLOEXEC)
      assert.equal(fd, p:dup2(fd, fd))
      assert.equal(CLOEXEC, p:fcntl(fd, fdemu.F_GETFD))
      fails("EBADF", p:dup2(9, 9))
      fails("EBADF", p:dup2(-1, -1))
      fails("EBADF", p:dup2(5000, 5000))
    end)

    it("clears FD_CLOEXEC in the copy", function()
      local fd = p:open("/dev/null", fdemu.O_CLOEXEC)
      assert.equal(9, p:dup2(fd, 9))
      assert.equal(0, p:fcntl(9, fdemu.F_GETFD))
      assert.equal(CLOEXEC, p:fcntl(fd, fdemu.F_GETFD))
      assert.equal(8, p:dup2(0, 8))
      p:fcntl(8, fdemu.F_SETFD, CLOEXEC)
      assert.equal(8, p:dup2(1, 8))
      assert.equal(0, p:fcntl(8, fdemu.F_GETFD))
    end)

    it("leaves the new number alone when the old one is bad", function()
      local r, w = p:pipe()
      fails("EBADF", p:dup2(99, w))
      fails("EBADF", p:dup2(-1, w))
      fails("EBADF", p:dup3(99, w, 0))
      assert.equal(1, p:write(w, "x"))
      assert.equal("x", p:read(r, 1))
    end)

    it("refuses a new number below 0", function()
      fails("EBADF", p:dup2(0, -1))
      fails("EBADF", p:dup3(0, -1, 0))
      fails("EBADF", p:dup2(0, 1 << 31))
      fails("EBADF", p:dup3(0, 1 << 31, 0))
    end)

    it("ends a pipe's last write end in favour of its read end", function()
      local r, w = p:pipe()
      assert.equal(w, p:dup2(r, w))
      assert.equal("", p:read(w, 1))
      fails("EBADF", p:write(w, "x"))
    end)
  end)

  describe("dup3", function()
    it("sets FD_CLOEXEC in the new descriptor alone", function()
      local fd = p:open("/dev/null")
      local before = p:fcntl(fd, fdemu.F_GETFL)
      assert.equal(9, p:dup3(fd, 9, fdemu.O_CLOEXEC))
      assert.equal(CLOEXEC, p:fcntl(9, fdemu.F_GETFD))
      assert.equal(0, p:fcntl(fd, fdemu.F_GETFD))
      assert.equal(before, p:fcntl(9, fdemu.F_GETFL))
      assert.equal(9, p:dup3(fd, 9, 0))
      assert.equal(0, p:fcntl(9, fdemu.F_GETFD))
    end)

    it("checks flags, then equality, then the limit, then the old one",
      function()
        local on = fdemu.O_CLOEXEC
        for _, row in ipairs {
          { 0, 5, 1, "EINVAL" },
          { 0, 5, fdemu.O_NONBLOCK, "EINVAL" },
          { 0, 5, fdemu.O_NONBLOCK | on, "EINVAL" },
          { 99, 5, 1, "EINVAL" },
          { 0, 5000, 1, "EINVAL" },
          { 0, 0, 0, "EINVAL" },
          { 0, 0, on, "EINVAL" },
          { 99, 99, 0, "EINVAL" },
          { 99, 99, 1, "EINVAL" },
          { -1, -1, 0, "EINVAL" },
          { -1, -2, 0, "EBADF" },
          { 5000, 5000, 0, "EINVAL" },
          { 99, 5000, 0, "EBADF" },
          { 99, 5, on, "EBADF" },
          { 0, 1024, on, "EBADF" },
        } do
          fails(row[4], p:dup3(row[1], row[2], row[3]))
        end
        assert.same({ 0, 1, 2 }, open_numbers(p, 1023))
      end)
  end)

  describe("F_DUPFD", function()
    it("checks the descriptor, then the minimum", function()
      for _, cmd in ipairs { fdemu.F_DUPFD, fdemu.F_DUPFD_CLOEXEC } do
        fails("EBADF", p:fcntl(99, cmd, -1))
        fails("EBADF", p:fcntl(99, cmd, 5000))
        fails("EINVAL", p:fcntl(0, cmd, -1))
        fails("EINVAL", p:fcntl(0, cmd, 1024))
        fails("EINVAL", p:fcntl(0, cmd, 1 << 31))
        fails("EINVAL", p:fcntl(0, cmd, math.maxinteger))
      end
    end)

    it("is EMFILE when only lower numbers are free", function()
      assert.equal(1023, p:fcntl(0, fdemu.F_DUPFD, 1023))
      fails("EMFILE", p:fcntl(0, fdemu.F_DUPFD, 1023))
      assert.equal(3, p:dup(0))
    end)

    it("sets or clears FD_CLOEXEC by its name", function()
      local fd = p:open("/dev/null", fdemu.O_CLOEXEC)
      local a = p:fcntl(fd, fdemu.F_DUPFD, 0)
      local b = p:fcntl(fd, fdemu.F_DUPFD_CLOEXEC, 0)
      assert.equal(0, p:fcntl(a, fdemu.F_GETFD))
      assert.equal(CLOEXEC, p:fcntl(b, fdemu.F_GETFD))
    end)
  end)

  describe("a dup", function()
    it("shares the status flags, not FD_CLOEXEC", function()
      local fd = p:open("/dev/null", fdemu.O_RDWR)
      local fd2 = p:dup(fd)
      p:fcntl(fd, fdemu.F_SETFL, fdemu.O_NONBLOCK)
      assert.equal(p:fcntl(fd, fdemu.F_GETFL), p:fcntl(fd2, fdemu.F_GETFL))
      assert.equal(fdemu.O_NONBLOCK,
        p:fcntl(fd2, fdemu.F_GETFL) & fdemu.O_NONBLOCK)
      p:fcntl(fd2, fdemu.F_SETFD, CLOEXEC)
      assert.equal(0, p:fcntl(fd, fdemu.F_GETFD))
    end)

    it("does not share anything with a second open", function()
      local a, b = p:open("/dev/null"), p:open("/dev/null")
      p:fcntl(a, fdemu.F_SETFL, fdemu.O_NONBLOCK)
      assert.equal(0, p:fcntl(b, fdemu.F_GETFL) & fdemu.O_NONBLOCK)
    end)
  end)

  describe("close_range", function()
    it("closes what is open from first to last", function()
      for _ = 3, 10 do p:dup(0) end
      assert.equal(0, p:close_range(5, 8))
      assert.same({ 0, 1, 2, 3, 4, 9, 10 }, open_numbers(p, 20))
      assert.equal(0, p:close_range(9, 9))
      assert.equal(0, p:close_range(5, 8, 0))
      assert.same({ 0, 1, 2, 3, 4, 10 }, open_numbers(p, 20))
      assert.equal(5, p:dup(0))
    end)

    it("takes an end far beyond the table", function()
      for _ = 3, 10 do p:dup(0) end
      assert.equal(0, p:close_range(3, 0xffffffff))
      assert.same({ 0, 1, 2 }, open_numbers(p, 20))
      assert.equal(0, p:close_range(100, 200))
      assert.equal(0, p:close_range(1 << 31, 0xffffffff))
      assert.equal(0, p:close_range(0xffffffff, 0xffffffff))
      assert.same({ 0, 1, 2 }, open_numbers(p, 20))
    end)

    it("may close everything", function()
      assert.equal(0, p:close_range(0, 0xffffffff))
      assert.same({}, open_numbers(p, 20))
      assert.equal(0, p:open("/dev/null"))
    end)

    it("sets FD_CLOEXEC instead with CLOSE_RANGE_CLOEXEC", function()
      for _ = 3, 10 do p:dup(0) end
      assert.equal(0, p:close_range(4, 6, fdemu.CLOSE_RANGE_CLOEXEC))
      local got = {}
      for fd = 3, 8 do got[#got + 1] = p:fcntl(fd, fdemu.F_GETFD) end
      assert.same({ 0, 1, 1, 1, 0, 0 }, got)
      assert.equal(0,
        p:close_range(8, 0xffffffff, fdemu.CLOSE_RANGE_CLOEXEC))
      assert.equal(1, p:fcntl(10, fdemu.F_GETFD))
    end)

    it("takes CLOSE_RANGE_UNSHARE, which changes nothing here", function()
      local both = fdemu.CLOSE_RANGE_UNSHARE | fdemu.CLOSE_RANGE_CLOEXEC
      p:dup(0)
      assert.equal(0, p:close_range(3, 3, both))
      assert.equal(1, p:fcntl(3, fdemu.F_GETFD))
      assert.equal(0, p:close_range(3, 3, fdemu.CLOSE_RANGE_UNSHARE))
      fails("EBADF", p:fcntl(3, fdemu.F_GETFD))
    end)

    it("refuses unknown flags and a range that is turned round", function()
      p:dup(0)
      fails("EINVAL", p:close_range(3, 3, 1))
      fails("EINVAL", p:close_range(3, 3, 8))
      fails("EINVAL", p:close_range(3, 3, 1 | fdemu.CLOSE_RANGE_CLOEXEC))
      fails("EINVAL", p:close_range(4, 3))
      fails("EINVAL", p:close_range(4, 3, 8))
      fails("EINVAL", p:close_range(0xffffffff, 3))
      assert.same({ 0, 1, 2, 3 }, open_numbers(p, 9))
    end)

    it("wakes who waits for an end that it closed", function()
      local r, w = p:pipe()
      local w2 = p:dup(w)
      local task = p:spawn(function() return p:read(r, 1) end)
      p:spawn(function()
        k:sleep(0.05)
        assert.equal(0, p:close_range(w, w2))
      end)
      k:run()
      assert.equal("", (task:join()))
    end)
  end)

  -- A table of {description, FD_CLOEXEC}; a description is {flags}.
  describe("compared with a model", function()
    local LIMIT = 80
    local status = { 0, 0x800, 0x400, 0xc00, 0x2000, 0x2800, 0x2400, 0x2c00 }

    local function model_free(t, from)
      for fd = from, LIMIT - 1 do
        if not t[fd] then return fd end
      end
    end

    local function model_dup(t, old, from, cloexec)
      if not t[old] then return "EBADF" end
      if from < 0 or from >= LIMIT then return "EINVAL" end
      local fd = model_free(t, from)
      if not fd then return "EMFILE" end
      t[fd] = { file = t[old].file, cloexec = cloexec }
      return fd
    end

    local function model_dup3(t, old, new, cloexec)
      if new < 0 or new >= LIMIT or not t[old] then return "EBADF" end
      t[new] = { file = t[old].file, cloexec = cloexec }
      return new
    end

    -- Each makes a random call: its result by the model, by the process.
    local calls = {
      function(t, a)
        return model_dup(t, a, 0, 0), p:dup(a)
      end,
      function(t, a, b)
        if a == b and t[a] then return a, p:dup2(a, b) end
        return model_dup3(t, a, b, 0), p:dup2(a, b)
      end,
      function(t, a, b)
        local flags, want = b % 2 * fdemu.O_CLOEXEC, "EINVAL"
        if a ~= b then want = model_dup3(t, a, b, b % 2) end
        return want, p:dup3(a, b, flags)
      end,
      function(t, a, b)
        return model_dup(t, a, b, 0), p:fcntl(a, fdemu.F_DUPFD, b)
      end,
      function(t, a, b)
        return model_dup(t, a, b, 1), p:fcntl(a, fdemu.F_DUPFD_CLOEXEC, b)
      end,
      function(t, a)
        local want = t[a] and 0 or "EBADF"
        t[a] = nil
        return want, p:close(a)
      end,
      function(t, a, b)
        if not t[a] then return "EBADF", p:fcntl(a, fdemu.F_SETFD, b) end
        t[a].cloexec = b & 1
        return 0, p:fcntl(a, fdemu.F_SETFD, b)
      end,
      function(t, a, b)
        local flags = status[b % #status + 1]
        if not t[a] then return "EBADF", p:fcntl(a, fdemu.F_SETFL, flags) end
        t[a].file.flags = t[a].file.flags & 3 | flags
        return 0, p:fcntl(a, fdemu.F_SETFL, flags)
      end,
      function(t)
        local r = model_free(t, 0)
        local w = r and model_free(t, r + 1)
        if not w then return "EMFILE", p:pipe() end
        t[r] = { file = { flags = 0 }, cloexec = 0 }
        t[w] = { file = { flags = 1 }, cloexec = 0 }
        return r, p:pipe()
      end,
      function(t, a, b)
        local last, cloexec = a + b % 8, b % 3 == 0
        local flags = cloexec and fdemu.CLOSE_RANGE_CLOEXEC or 0
        if a < 0 then return 0, 0 end
        for fd = a, last do
          if not cloexec then
            t[fd] = nil
          elseif t[fd] then
            t[fd].cloexec = 1
          end
        end
        return 0, p:close_range(a, last, flags)
      end,
    }

    local function compare(t)
      for fd = 0, LIMIT - 1 do
        local entry = t[fd]
        assert.equal(entry and entry.cloexec, p:fcntl(fd, fdemu.F_GETFD)
          or nil)
        assert.equal(entry and entry.file.flags,
          p:fcntl(fd, fdemu.F_GETFL) or nil)
      end
    end

    it("gives the same results for random calls", function()
      start(LIMIT)
      p:close_range(0, LIMIT)
      local t, random = {}, steps.random(7)
      for n = 1, 4000 do
        -- Rarely a number out of range; mostly makers, so it fills up.
        local a, b = random(LIMIT + 2) - 2, random(LIMIT + 2) - 2
        local which = n % 400 < 300 and random(9) or random(#calls)
        local want, got, message, errno = calls[which](t, a, b)
        if got == nil then
          assert.equal(fdemu.strerror(errno), message)
          got = fdemu.errname(errno)
        end
        assert.equal(("call %d: %s"):format(n, want),
          ("call %d: %s"):format(n, got))
        if n % 50 == 0 then compare(t) end
      end
    end)
  end)
end)
