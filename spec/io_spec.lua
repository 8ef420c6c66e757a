-- io_spec.lua - reading, writing and seeking: the order of the checks, bad
-- arguments, descriptors of the host. Results are those of Linux 6.18.

local fdemu = require "fdemu"
local steps = require "spec.helper_steps"

local fails = steps.fails

-- A list of `n` copies of `value`.
local function copies(n, value)
  local t = {}
  for i = 1, n do t[i] = value end
  return t
end

describe("reading and writing", function()
  local k, p, r, w, ro, wo

  before_each(function()
    k = fdemu.kernel {}
    p = k:process { stdout = "null", stderr = "null" }
    r, w = p:pipe2(fdemu.O_NONBLOCK)
    ro = p:open("/dev/zero", fdemu.O_RDONLY)
    wo = p:open("/dev/zero", fdemu.O_WRONLY)
  end)

  after_each(function() k:close() end)

  -- Each row: call, its arguments after the descriptor, and the errors on a
  -- closed number, a read end, a write end, a read-only and a write-only
  -- device; "" where the call succeeds or the pipe is merely empty.
  local rows = {
    { "read", { 1 }, "EBADF", "", "EBADF", "", "EBADF" },
    { "read", { 0 }, "EBADF", "", "EBADF", "", "EBADF" },
    { "write", { "x" }, "EBADF", "EBADF", "", "EBADF", "" },
    { "write", { "" }, "EBADF", "EBADF", "", "EBADF", "" },
    { "pread", { 1, 0 }, "EBADF", "ESPIPE", "ESPIPE", "", "EBADF" },
    { "pread", { 0, 0 }, "EBADF", "ESPIPE", "ESPIPE", "", "EBADF" },
    { "pread", { 1, -1 }, "EINVAL", "EINVAL", "EINVAL", "EINVAL",
      "EINVAL" },
    { "pwrite", { "x", 0 }, "EBADF", "ESPIPE", "ESPIPE", "EBADF", "" },
    { "pwrite", { "", 0 }, "EBADF", "ESPIPE", "ESPIPE", "EBADF", "" },
    { "pwrite", { "x", -1 }, "EINVAL", "EINVAL", "EINVAL", "EINVAL",
      "EINVAL" },
    { "readv", { { 1, 1 } }, "EBADF", "", "EBADF", "", "EBADF" },
    { "readv", { {} }, "EBADF", "", "EBADF", "", "EBADF" },
    { "readv", { copies(1024, 1) }, "EBADF", "", "EBADF", "", "EBADF" },
    { "readv", { copies(1025, 1) }, "EBADF", "EINVAL", "EBADF", "EINVAL",
      "EBADF" },
    { "readv", { copies(1025, 0) }, "EBADF", "EINVAL", "EBADF", "EINVAL",
      "EBADF" },
    { "writev", { { "x", "y" } }, "EBADF", "EBADF", "", "EBADF", "" },
    { "writev", { {} }, "EBADF", "EBADF", "", "EBADF", "" },
    { "writev", { copies(1024, "x") }, "EBADF", "EBADF", "", "EBADF", "" },
    { "writev", { copies(1025, "x") }, "EBADF", "EBADF", "EINVAL", "EBADF",
      "EINVAL" },
    { "writev", { copies(1025, "") }, "EBADF", "EBADF", "EINVAL", "EBADF",
      "EINVAL" },
    { "preadv", { { 1 }, 0 }, "EBADF", "ESPIPE", "ESPIPE", "", "EBADF" },
    { "preadv", { {}, 0 }, "EBADF", "ESPIPE", "ESPIPE", "", "EBADF" },
    { "preadv", { { 1 }, -2 }, "EINVAL", "EINVAL", "EINVAL", "EINVAL",
      "EINVAL" },
    { "preadv", { copies(1025, 1), 0 }, "EBADF", "ESPIPE", "ESPIPE",
      "EINVAL", "EBADF" },
    { "preadv", { copies(1025, 1), -2 }, "EINVAL", "EINVAL", "EINVAL",
      "EINVAL", "EINVAL" },
    { "pwritev", { { "x" }, 0 }, "EBADF", "ESPIPE", "ESPIPE", "EBADF", "" },
    { "pwritev", { {}, 0 }, "EBADF", "ESPIPE", "ESPIPE", "EBADF", "" },
    { "pwritev", { { "x" }, -2 }, "EINVAL", "EINVAL", "EINVAL", "EINVAL",
      "EINVAL" },
    { "pwritev", { copies(1025, "x"), 0 }, "EBADF", "ESPIPE", "ESPIPE",
      "EBADF", "EINVAL" },
    { "lseek", { 0, 0 }, "EBADF", "ESPIPE", "ESPIPE", "", "" },
    { "lseek", { -1, 0 }, "EBADF", "ESPIPE", "ESPIPE", "", "" },
    { "lseek", { 0, 4 }, "EBADF", "ESPIPE", "ESPIPE", "", "" },
    { "lseek", { 0, 5 }, "EBADF", "EINVAL", "EINVAL", "EINVAL", "EINVAL" },
    { "lseek", { 0, -1 }, "EBADF", "EINVAL", "EINVAL", "EINVAL", "EINVAL" },
  }

  local function describe_arguments(args)
    local t = {}
    for i, a in ipairs(args) do
      t[i] = type(a) == "table" and ("%d pieces"):format(#a)
        or ("%q"):format(a)
    end
    return table.concat(t, ", ")
  end

  for _, row in ipairs(rows) do
    local name = ("%s(fd, %s)"):format(row[1], describe_arguments(row[2]))
    it("checks in Linux's order for " .. name, function()
      local got, want = {}, {}
      for i, fd in ipairs { 99, r, w, ro, wo } do
        local value, message, errno = p[row[1]](p, fd,
          table.unpack(row[2]))
        if value == nil then
          assert.equal(fdemu.strerror(errno), message)
          got[i] = fdemu.errname(errno)
          if got[i] == "EAGAIN" then got[i] = "" end
        else
          got[i] = ""
        end
        want[i] = row[i + 2]
      end
      assert.same(want, got)
    end)
  end

  it("moves nothing when it fails", function()
    p:write(w, "abc")
    fails("EINVAL", p:readv(r, copies(1025, 1)))
    fails("EINVAL", p:writev(w, copies(1025, "x")))
    fails("ESPIPE", p:pread(r, 1, 0))
    fails("ESPIPE", p:pwrite(w, "x", 0))
    assert.equal("abc", p:read(r, 9))
  end)

  it("takes 1024 pieces at once", function()
    assert.equal(1024, p:writev(w, copies(1024, "x")))
    local list, n = p:readv(r, copies(1024, 1))
    assert.equal(1024, n)
    assert.same(copies(1024, "x"), list)
  end)

  it("gives an empty string for each size that nothing was left for",
    function()
      p:write(w, "abc")
      assert.same({ "ab", "", "c", "", "" },
        (p:readv(r, { 2, 0, 3, 4, 0 })))
    end)

  it("offers pieces of a huge total without allocating it", function()
    fails("EAGAIN", p:readv(r, { 1 << 40, 1 << 40 }))
    p:write(w, "abc")
    assert.same({ "abc", "" }, (p:readv(r, { 1 << 40, 1 << 40 })))
  end)

  describe("with arguments that are no use", function()
    -- Asserts that self:name(...) raises an error that has `text` in it.
    -- The call is compiled, as Lua names a method only if it is called so.
    local function raises(text, name, self, ...)
      local arguments = { "a", "b", "c" }
      local call = assert(load(("local self, a, b, c = ... "
        .. "local result = self:%s(%s) return result"):format(name,
        table.concat(arguments, ", ", 1, select("#", ...)))))
      local ok, message = pcall(call, self, ...)
      assert.is_false(ok)
      assert.truthy(tostring(message):find(text, 1, true), message)
    end

    it("raises for a descriptor that is no integer", function()
      for _, name in ipairs {
        "read", "write", "close", "dup", "pread", "lseek", "fstat", "isatty",
        "fcntl", "ioctl", "readv", "writev", "dup2", "dup3",
      } do
        for _, fd in ipairs { {}, "x", true, print } do
          raises("#1 to '" .. name .. "'", name, p, fd, 1, 1)
        end
        raises("#1 to '" .. name .. "'", name, p)
        raises("bad argument #1 to '" .. name
          .. "' (number has no integer representation)",
          name, p, 1.5, 1, 1)
      end
    end)

    it("takes a float that is an integer", function()
      assert.equal(3, p:write(w + 0.0, "abc"))
      assert.equal("ab", p:read(r + 0.0, 2.0))
    end)

    it("raises for a count that is missing or negative", function()
      raises("bad argument #2 to 'read'", "read", p, r)
      raises("bad argument #2 to 'read'", "read", p, r, "many")
      raises("bad argument #2 to 'read' (number has no integer", "read", p,
        r, 0.5)
      raises("bad argument #2 to 'read' (count must not be negative)",
        "read", p, r, -1)
      raises("bad argument #2 to 'read' (count must not be negative)",
        "read", p, r, math.mininteger)
      raises("bad argument #2 to 'pread' (count must not be negative)",
        "pread", p, r, -1, 0)
    end)

    it("raises for data that is no string", function()
      for _, data in ipairs { {}, true, print } do
        raises("bad argument #2 to 'write'", "write", p, w, data)
        raises("bad argument #2 to 'pwrite'", "pwrite", p, w, data, 0)
      end
      raises("bad argument #2 to 'write'", "write", p, w)
      raises("bad argument #2 to 'write'", "write", p, w, nil)
    end)

    it("raises for an offset that is missing", function()
      raises("bad argument #3 to 'pread'", "pread", p, ro, 1)
      raises("bad argument #3 to 'pwrite'", "pwrite", p, wo, "x")
      raises("bad argument #3 to 'preadv'", "preadv", p, ro, { 1 })
      raises("bad argument #3 to 'pwritev'", "pwritev", p, wo, { "x" })
      raises("bad argument #2 to 'lseek'", "lseek", p, ro)
    end)

    it("raises for a list that is none, or has wrong elements", function()
      for _, list in ipairs { 1, "x", true, { {} }, { "x" }, { -1 },
        { 0.5 }, { 1, true } } do
        raises("#2 to 'readv'", "readv", p, r, list)
      end
      for _, list in ipairs { 1, "x", true, { {} }, { true },
        { "x", print } } do
        raises("#2 to 'writev'", "writev", p, w, list)
      end
      raises("#2 to 'readv'", "readv", p, r)
      raises("#2 to 'writev'", "writev", p, w)
      fails("EAGAIN", p:read(r, 1))
    end)

    it("raises for a closed kernel", function()
      local other = fdemu.kernel {}
      local q = other:process { stdout = "null", stderr = "null" }
      other:close()
      raises("kernel is closed", "read", q, 0, 1)
      raises("kernel is closed", "pipe", q)
      raises("kernel is closed", "process", other, {})
    end)

    it("raises for a self that is no process", function()
      for _, self in ipairs { {}, "x", 1, k } do
        assert.has_error(function() return p.read(self, 0, 1) end)
      end
      assert.has_error(function() return p.read() end)
    end)
  end)

  describe("at a position", function()
    local fd

    -- A file of 10 bytes whose position the kernel keeps.
    before_each(function()
      local text = "0123456789"
      k:device("/dev/text", {
        seekable = true,
        read = function(_, count, offset)
          return text:sub(offset + 1, offset + count)
        end,
        write = function(_, data, offset)
          text = text:sub(1, offset) .. data .. text:sub(offset + #data + 1)
          return #data
        end,
      })
      fd = assert(p:open("/dev/text", fdemu.O_RDWR))
    end)

    it("goes on where the last call stopped", function()
      assert.equal("0123", p:read(fd, 4))
      assert.equal(2, p:write(fd, "xy"))
      assert.equal("67", p:read(fd, 2))
      assert.equal(8, p:lseek(fd, 0, fdemu.SEEK_CUR))
      assert.equal("89", p:read(fd, 100))
      assert.equal("", p:read(fd, 100))
      assert.equal("0123xy6789", p:pread(fd, 100, 0))
    end)

    it("stays where it is for pread and pwrite", function()
      p:lseek(fd, 2, fdemu.SEEK_SET)
      assert.equal("56", p:pread(fd, 2, 5))
      assert.equal(1, p:pwrite(fd, "x", 9))
      assert.equal("", p:pread(fd, 2, 100))
      local list, n = p:preadv(fd, { 1, 2 }, 7)
      assert.same({ "7", "8x" }, list)
      assert.equal(3, n)
      assert.equal(2, p:pwritev(fd, { "a", "b" }, 0))
      assert.equal(2, p:lseek(fd, 0, fdemu.SEEK_CUR))
      assert.equal("ab23", p:pread(fd, 4, 0))
    end)

    it("moves by readv and writev", function()
      local list, n = p:readv(fd, { 1, 2 })
      assert.same({ "0", "12" }, list)
      assert.equal(3, n)
      assert.equal(3, p:writev(fd, { "ab", "", "c" }))
      assert.equal(6, p:lseek(fd, 0, fdemu.SEEK_CUR))
      assert.equal("012abc6789", p:pread(fd, 99, 0))
    end)

    it("moves by lseek, never below 0", function()
      assert.equal(7, p:lseek(fd, 7, fdemu.SEEK_SET))
      assert.equal(5, p:lseek(fd, -2, fdemu.SEEK_CUR))
      fails("EINVAL", p:lseek(fd, -1, fdemu.SEEK_SET))
      fails("EINVAL", p:lseek(fd, -6, fdemu.SEEK_CUR))
      fails("EINVAL", p:lseek(fd, 0, 5))
      fails("EINVAL", p:lseek(fd, 0, -1))
      assert.equal(5, p:lseek(fd, 0, fdemu.SEEK_CUR))
      assert.equal("5", p:read(fd, 1))
      assert.equal(100, p:lseek(fd, 100, fdemu.SEEK_SET))
      assert.equal("", p:read(fd, 1))
    end)

    it("is shared by dups and by a forked process", function()
      local fd2, c = p:dup(fd), p:fork()
      assert.equal("01", p:read(fd, 2))
      assert.equal("23", p:read(fd2, 2))
      assert.equal("45", c:read(fd, 2))
      assert.equal(6, p:lseek(fd, 0, fdemu.SEEK_CUR))
    end)

    it("is not shared by a second open", function()
      local other = p:open("/dev/text", fdemu.O_RDWR)
      assert.equal("0123", p:read(fd, 4))
      assert.equal("01", p:read(other, 2))
    end)

    it("does not move for a count of nothing or an error", function()
      p:lseek(fd, 3, fdemu.SEEK_SET)
      assert.equal("", p:read(fd, 0))
      fails("EINVAL", p:pread(fd, 1, -1))
      fails("EINVAL", p:readv(fd, copies(1025, 1)))
      assert.equal(3, p:lseek(fd, 0, fdemu.SEEK_CUR))
    end)
  end)
end)

describe("a descriptor of the host", function()
  local k, p, path

  local function contents()
    local f = assert(io.open(path, "rb"))
    local data = f:read "a"
    f:close()
    return data
  end

  before_each(function()
    k = fdemu.kernel { host = true }
    p = k:process { stdout = "null", stderr = "null" }
    path = os.tmpname()
    local f = assert(io.open(path, "wb"))
    f:write("0123456789")
    f:close()
  end)

  after_each(function()
    k:close()
    os.remove(path)
  end)

  -- A descriptor for the file, opened by the host's io.open.
  local function open(mode)
    local f = assert(io.open(path, mode))
    local fd = assert(p:host(f))
    f:close()
    return fd
  end

  it("is refused unless the kernel is told to allow it", function()
    local strict = fdemu.kernel {}
    local q = strict:process { stdout = "null", stderr = "null" }
    local f = assert(io.open(path, "rb"))
    local fd, message, errno = q:host(f)
    assert.is_nil(fd)
    assert.truthy(message:find("^Operation not permitted"))
    assert.equal(fdemu.EPERM, errno)
    assert.equal(3, q:dup(0))
    f:close()
    strict:close()
  end)

  it("reads the file and then its end", function()
    local fd = open "rb"
    assert.equal(3, fd)
    assert.equal("host", p:description(fd).kind)
    assert.equal("0123", p:read(fd, 4))
    assert.equal("456789", p:read(fd, 100))
    assert.equal("", p:read(fd, 100))
    assert.equal("", p:read(fd, 0))
  end)

  it("reads a file of 1 MiB", function()
    local data = steps.bytes(0, 1 << 20)
    local f = assert(io.open(path, "wb"))
    f:write(data)
    f:close()
    local fd, got = open "rb", {}
    repeat
      got[#got + 1] = assert(p:read(fd, 100000))
    until got[#got] == ""
    assert.is_true(data == table.concat(got))
  end)

  it("writes the file", function()
    local fd = open "r+b"
    assert.equal(3, p:write(fd, "abc"))
    assert.equal("345", p:read(fd, 3))
    assert.equal(2, p:pwrite(fd, "xy", 8))
    assert.equal(6, p:lseek(fd, 0, fdemu.SEEK_CUR))
    assert.equal("abc34567xy", contents())
  end)

  it("appends to a file that the host opened so", function()
    local fd = open "ab"
    assert.equal(fdemu.O_APPEND,
      p:fcntl(fd, fdemu.F_GETFL) & fdemu.O_APPEND)
    assert.equal(1, p:write(fd, "a"))
    assert.equal(1, p:write(fd, "b"))
    assert.equal("0123456789ab", contents())
  end)

  it("reads and writes at a position", function()
    local fd = open "r+b"
    assert.equal("56", p:pread(fd, 2, 5))
    assert.equal("", p:pread(fd, 2, 10))
    assert.equal("9", p:pread(fd, 2, 9))
    assert.equal(4, p:pwritev(fd, { "ab", "", "cd" }, 8))
    local list, n = p:preadv(fd, { 2, 5 }, 7)
    assert.same({ "7a", "bcd" }, list)
    assert.equal(5, n)
    assert.equal(0, p:lseek(fd, 0, fdemu.SEEK_CUR))
    fails("EINVAL", p:pread(fd, 1, -1))
    fails("EINVAL", p:pwrite(fd, "x", -1))
    assert.equal("01234567abcd", contents())
  end)

  it("seeks", function()
    local fd = open "rb"
    assert.equal(3, p:lseek(fd, 3, fdemu.SEEK_SET))
    assert.equal("3", p:read(fd, 1))
    assert.equal(6, p:lseek(fd, 2, fdemu.SEEK_CUR))
    assert.equal(9, p:lseek(fd, -1, fdemu.SEEK_END))
    assert.equal("9", p:read(fd, 9))
    fails("EINVAL", p:lseek(fd, -1, fdemu.SEEK_SET))
    fails("EINVAL", p:lseek(fd, -11, fdemu.SEEK_END))
    fails("EINVAL", p:lseek(fd, 0, 99))
    assert.equal(10, p:lseek(fd, 0, fdemu.SEEK_CUR))
    assert.equal(1000, p:lseek(fd, 1000, fdemu.SEEK_SET))
    assert.equal("", p:read(fd, 1))
  end)

  it("scatters and gathers", function()
    local fd = open "r+b"
    local list, n = p:readv(fd, { 2, 0, 3 })
    assert.same({ "01", "", "234" }, list)
    assert.equal(5, n)
    assert.equal(3, p:writev(fd, { "a", "", "bc" }))
    list, n = p:readv(fd, { 1, 5 })
    assert.same({ "8", "9" }, list)
    assert.equal(2, n)
    assert.equal("01234abc89", contents())
  end)

  it("has the access mode of the host's", function()
    local ro, wo, rw = open "rb", open "ab", open "r+b"
    assert.equal(fdemu.O_RDONLY, p:fcntl(ro, fdemu.F_GETFL) & 3)
    assert.equal(fdemu.O_WRONLY, p:fcntl(wo, fdemu.F_GETFL) & 3)
    assert.equal(fdemu.O_RDWR, p:fcntl(rw, fdemu.F_GETFL) & 3)
    fails("EBADF", p:write(ro, "x"))
    fails("EBADF", p:write(ro, ""))
    fails("EBADF", p:read(wo, 1))
    fails("EBADF", p:pread(wo, 1, 0))
    assert.equal("0123456789", contents())
  end)

  it("shows the file in fstat", function()
    local st = assert(p:fstat(open "rb"))
    assert.equal(10, st.st_size)
    assert.equal(32768, st.st_mode & 61440) -- S_IFREG of S_IFMT
    assert.equal(1, st.st_nlink)
  end)

  it("hands on what the host knows", function()
    local fd = open "r+b"
    assert.equal(0, p:ftruncate(fd, 4))
    assert.equal(0, p:fsync(fd))
    assert.equal("0123", contents())
    assert.equal(0, p:fchmod(fd, 416))
    assert.equal(416, p:fstat(fd).st_mode & 511)
    assert.equal(0, p:fcntl(fd, fdemu.F_SETFL, fdemu.O_APPEND))
    assert.equal(1, p:write(fd, "x"))
    assert.equal("0123x", contents())
    fails("EPERM", p:epoll_ctl(p:epoll_create1(0), fdemu.EPOLL_CTL_ADD, fd,
      fdemu.EPOLLIN))
    fails("ENOTSOCK", p:send(fd, "x"))
  end)

  it("waits for a pipe of the host, which others need not", function()
    local f = assert(io.popen("sleep 0.05; printf late"))
    local fd = assert(p:host(f))
    local before
    p:spawn(function() before = true end)
    fails("EINVAL", p:fsync(fd))
    assert.equal(65536, p:fcntl(fd, fdemu.F_GETPIPE_SZ))
    assert.equal("late", p:read(fd, 10))
    assert.is_true(before)
    assert.equal("", p:read(fd, 10))
    f:close()
  end)

  it("is always ready when it is a regular file", function()
    local fd = open "r+b"
    assert.equal("IN OUT", steps.ready(p, fd, 5))
  end)

  it("is no terminal when it is a regular file", function()
    fails("ENOTTY", p:isatty(open "rb"))
  end)

  it("lives on when the host closes its own", function()
    local f = assert(io.open(path, "rb"))
    local fd = assert(p:host(f))
    f:close()
    assert.equal("0123456789", p:read(fd, 99))
  end)

  it("leaves the host's own open when it is closed", function()
    local f = assert(io.open(path, "rb"))
    local fd = assert(p:host(f))
    assert.equal(0, p:close(fd))
    assert.equal("0123456789", f:read "a")
    f:close()
  end)

  it("is duplicated and forked without a second host descriptor",
    function()
      local fd = open "rb"
      local fd2, c = p:dup(fd), p:fork()
      assert.equal("01", p:read(fd, 2))
      assert.equal("23", p:read(fd2, 2))
      assert.equal("45", c:read(fd, 2))
      p:close(fd)
      p:close(fd2)
      assert.equal("67", c:read(fd, 2))
      c:close(fd)
    end)

  it("gives the host's descriptor back at the last close", function()
    local f = assert(io.open(path, "rb"))
    for _ = 1, 3000 do
      local fd = assert(p:host(f))
      assert.equal(3, fd)
      assert.equal(0, p:close(fd))
    end
    f:close()
  end)

  it("gives the host's descriptor back when the table is full", function()
    local small = fdemu.kernel { host = true, nofile = 3 }
    local q = small:process { stdout = "null", stderr = "null" }
    local f = assert(io.open(path, "rb"))
    for _ = 1, 3000 do fails("EMFILE", q:host(f)) end
    f:close()
    small:close()
  end)

  it("gives the host's descriptor back when the kernel is closed",
    function()
      local f = assert(io.open(path, "rb"))
      for _ = 1, 150 do
        local other = fdemu.kernel { host = true }
        local q = other:process { stdout = "null", stderr = "null" }
        for _ = 1, 20 do assert(q:host(f)) end
        other:close()
      end
      f:close()
    end)

  it("reads a pipe of the host to its end", function()
    local f = assert(io.popen("printf 'one two three'", "r"))
    local fd = assert(p:host(f))
    local got = {}
    repeat
      got[#got + 1] = assert(p:read(fd, 5))
    until got[#got] == ""
    assert.equal("one two three", table.concat(got))
    fails("ESPIPE", p:pread(fd, 1, 0))
    fails("ESPIPE", p:lseek(fd, 0, fdemu.SEEK_CUR))
    assert.equal(4096, p:fstat(fd).st_mode & 61440) -- S_IFIFO
    f:close()
  end)

  it("waits for a pipe of the host", function()
    local f = assert(io.popen("sleep 0.2; printf late", "r"))
    local fd = assert(p:host(f))
    assert.equal("late", p:read(fd, 100))
    assert.equal("", p:read(fd, 100))
    f:close()
  end)

  it("writes a pipe of the host", function()
    local f = assert(io.popen("cat >" .. path, "w"))
    local fd = assert(p:host(f))
    local data = steps.bytes(0, 300000)
    local at = 1
    while at <= #data do
      at = at + assert(p:write(fd, data:sub(at)))
    end
    assert.equal(0, p:close(fd))
    f:close()
    assert.is_true(data == contents())
  end)

  it("is EPIPE to write to when the host's reader is gone", function()
    local f = assert(io.popen("exec true", "w"))
    local fd = assert(p:host(f))
    os.execute "sleep 0.1"
    fails("EPIPE", p:write(fd, "x"))
    f:close()
  end)

  it("can be copied into an emulated pipe and out", function()
    local data = steps.bytes(0, 200000)
    local f = assert(io.open(path, "wb"))
    f:write(data)
    f:close()
    local from, r, w = open "rb", p:pipe()
    local got = {}
    p:spawn(function()
      repeat
        local part = assert(p:read(from, 7777))
        if part ~= "" then assert.equal(#part, p:write(w, part)) end
      until part == ""
      p:close(w)
    end)
    p:spawn(function()
      repeat
        local part = assert(p:read(r, 5000))
        got[#got + 1] = part
      until part == ""
    end)
    k:run()
    assert.is_true(data == table.concat(got))
  end)

  it("must be open on the host", function()
    fails("EBADF", p:host(-1))
    fails("EBADF", p:host(99999))
    fails("EBADF", p:host(1 << 40))
    local f = assert(io.open(path, "rb"))
    f:close()
    assert.has_error(function() return p:host(f) end)
    assert.has_error(function() return p:host {} end)
    assert.has_error(function() return p:host "name" end)
    assert.has_error(function() return p:host() end)
    assert.equal(3, p:dup(0))
  end)
end)
