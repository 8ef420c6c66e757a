-- move_spec.lua - sendfile, splice, tee, copy_file_range and vmsplice
local fdemu = require "fdemu"
local checks = require "spec.helper_checks"
local steps = require "spec.helper_steps"

local contains, failure, fails = checks.contains, checks.failure, steps.fails

local NONBLOCK = fdemu.SPLICE_F_NONBLOCK

describe("moving bytes", function()
  local k, p, r, w, r2, w2

  before_each(function()
    k = fdemu.kernel()
    p = k:process { stdout = "null", stderr = "null" }
    r, w = p:pipe()
    r2, w2 = p:pipe()
  end)

  after_each(function() k:close() end)

  -- A seekable device that has and keeps `data`.
  local function disk(data, ops)
    ops = ops or {}
    ops.seekable = true
    ops.read = ops.read or function(_, count, offset)
      return data:sub(offset + 1, offset + count)
    end
    ops.write = ops.write or function(_, s, offset)
      data = data:sub(1, offset) .. s .. data:sub(offset + #s + 1)
      return #s
    end
    local fd = p:install(k:description(ops, fdemu.O_RDWR))
    return fd, function() return data end
  end

  -- A device without positions, written in Lua.
  local function device(ops)
    return p:install(k:description(ops, fdemu.O_RDWR))
  end

  local function queued(fd) return p:ioctl(fd, fdemu.FIONREAD) end

  describe("splice", function()
    it("moves bytes from pipe to pipe", function()
      p:write(w, "hello world")
      assert.equal(5, p:splice(r, nil, w2, nil, 5))
      assert.equal("hello", p:read(r2, 100))
      assert.equal(6, p:splice(r, nil, w2, nil, 100))
      assert.equal(" world", p:read(r2, 100))
    end)

    it("moves pages as they are, so that few bytes can fill a pipe", function()
      for i = 1, 16 do
        p:write(w, "x")
        assert.equal(1, p:splice(r, nil, w2, nil, 10), i)
      end
      p:write(w, "x")
      fails("EAGAIN", p:splice(r, nil, w2, nil, 10, NONBLOCK))
      assert.equal(16, queued(r2))
      assert.equal(1, queued(r))
    end)

    it("takes a whole full pipe in one call", function()
      local data = steps.bytes(0, 65536)
      p:write(w, data)
      assert.equal(65536, p:splice(r, nil, w2, nil, 1 << 20))
      assert.equal(data, p:read(r2, 65536))
    end)

    it("gives 0 at the end of file", function()
      p:close(w)
      assert.equal(0, p:splice(r, nil, w2, nil, 10))
    end)

    it("waits for bytes, then for room", function()
      p:write(w2, ("x"):rep(65536))
      local t = p:spawn(function()
        return p:splice(r, nil, w2, nil, 10), k:now()
      end)
      k:sleep(1)
      assert.equal("waiting", t.status)
      p:write(w, "abc")
      k:sleep(1)
      assert.equal("waiting", t.status)
      assert.equal(3, queued(r))
      p:read(r2, 4096)
      assert.same({ 3, 2 }, { t:join() })
      p:read(r2, 65536 - 4096)
      assert.equal("abc", p:read(r2, 10))
    end)

    it("does not take the turn of who waits to read", function()
      local t = p:spawn(function() return p:splice(r, nil, w2, nil, 10) end)
      k:sleep(0)
      local u = p:spawn(function() return p:read(r, 10) end)
      k:sleep(0)
      p:write(w2, ("x"):rep(65536))
      p:write(w, "abc")
      assert.equal("abc", u:join())
      t:cancel()
    end)

    it("gives EPIPE without readers, before it waits", function()
      p:close(r2)
      p:write(w, "x")
      fails("EPIPE", p:splice(r, nil, w2, nil, 10))
      assert.equal(1, queued(r))
      fails("EPIPE", p:splice(p:open("/dev/zero"), nil, w2, nil, 10))
    end)

    it("fills a pipe from a device, as far as there is room", function()
      local zero = p:open("/dev/zero", "r")
      assert.equal(65536, p:splice(zero, nil, w, nil, 100000))
      fails("EAGAIN", p:splice(zero, nil, w, nil, 1, NONBLOCK))
      assert.equal(("\0"):rep(65536), p:read(r, 100000))
    end)

    it("empties a pipe into a device", function()
      local got = {}
      local dev = device { write = function(_, s)
        got[#got + 1] = s
        return #s
      end }
      p:write(w, "one")
      assert.equal(3, p:splice(r, nil, dev, nil, 100))
      p:write(w, "two")
      assert.equal(2, p:splice(r, nil, dev, nil, 2))
      assert.same({ "one", "tw" }, got)
      assert.equal("o", p:read(r, 10))
    end)

    it("reads and moves on the offset that it is given", function()
      local fd = disk "0123456789"
      assert.same({ 4, 7 }, { p:splice(fd, 3, w, nil, 4) })
      assert.equal("3456", p:read(r, 10))
      assert.equal(0, p:lseek(fd, 0, fdemu.SEEK_CUR))
      assert.equal(4, (p:splice(fd, nil, w, nil, 4)))
      assert.equal(4, p:lseek(fd, 0, fdemu.SEEK_CUR))
    end)

    it("writes at the offset that it is given", function()
      local fd, data = disk "0123456789"
      p:write(w, "abcdef")
      assert.same({ 3, 5 }, { p:splice(r, nil, fd, 2, 3) })
      assert.equal("01abc56789", data())
      assert.equal(3, (p:splice(r, nil, fd, nil, 3)))
      assert.equal("defbc56789", data())
      assert.equal(3, p:lseek(fd, 0, fdemu.SEEK_CUR))
    end)

    it("refuses what Linux refuses", function()
      local fd, zero = disk "x", p:open("/dev/zero", "r+")
      fails("EINVAL", p:splice(zero, nil, fd, nil, 1))
      fails("EINVAL", p:splice(r, nil, w, nil, 1))
      fails("EINVAL", p:splice(r, nil, w2, nil, 1, 64))
      fails("ESPIPE", p:splice(r, 0, w2, nil, 1))
      fails("ESPIPE", p:splice(r, nil, w2, 0, 1))
      fails("EBADF", p:splice(w, nil, w2, nil, 1))
      fails("EBADF", p:splice(r, nil, r2, nil, 1))
      fails("EBADF", p:splice(99, nil, w2, nil, 1))
      fails("EBADF", p:splice(r, nil, 99, nil, 1))
      fails("EINVAL", p:splice(fd, -1, w, nil, 1))
      fails("EINVAL", p:splice(r, nil, p:eventfd(0), nil, 8))
      assert.equal(0, p:splice(99, nil, 99, nil, 0, 64))
      p:fcntl(fd, fdemu.F_SETFL, fdemu.O_APPEND)
      fails("EINVAL", p:splice(r, nil, fd, nil, 1))
    end)

    it("is refused by an O_NONBLOCK pipe on either side", function()
      p:fcntl(r, fdemu.F_SETFL, fdemu.O_NONBLOCK)
      fails("EAGAIN", p:splice(r, nil, w2, nil, 1))
      fails("EAGAIN", p:splice(r, nil, p:open("/dev/null", "w"), nil, 1))
      p:fcntl(w2, fdemu.F_SETFL, fdemu.O_NONBLOCK)
      p:write(w2, ("x"):rep(65536))
      fails("EAGAIN", p:splice(p:open("/dev/zero"), nil, w2, nil, 1))
    end)
  end)

  describe("tee", function()
    it("doubles bytes and leaves them there", function()
      p:write(w, "hello")
      assert.equal(3, p:tee(r, w2, 3))
      assert.equal(5, p:tee(r, w2, 100))
      assert.equal("helhello", p:read(r2, 100))
      assert.equal("hello", p:read(r, 100))
    end)

    it("does not lend the pages that it doubles to later writes", function()
      p:write(w, "a")
      p:tee(r, w2, 1)
      p:write(w, "b")
      p:write(w2, "c")
      assert.equal("ab", p:read(r, 10))
      assert.equal("ac", p:read(r2, 10))
    end)

    it("waits for bytes", function()
      local t = p:spawn(function() return p:tee(r, w2, 10) end)
      k:sleep(1)
      p:write(w, "abc")
      assert.equal(3, t:join())
      assert.equal("abc", p:read(r, 10))
    end)

    it("is for two different pipes", function()
      fails("EINVAL", p:tee(r, w, 1))
      fails("EINVAL", p:tee(p:open("/dev/zero"), w, 1))
      fails("EBADF", p:tee(r, r2, 1))
      fails("EINVAL", p:tee(r, w2, 0, 64))
      assert.equal(0, p:tee(99, 99, 0))
      fails("EAGAIN", p:tee(r, w2, 1, NONBLOCK))
    end)
  end)

  describe("sendfile", function()
    it("copies from file to file and moves both positions on", function()
      local from = disk "0123456789"
      local to, data = disk ""
      p:lseek(from, 2, fdemu.SEEK_SET)
      assert.equal(8, p:sendfile(to, from, nil, 100))
      assert.equal("23456789", data())
      assert.equal(10, p:lseek(from, 0, fdemu.SEEK_CUR))
      assert.equal(8, p:lseek(to, 0, fdemu.SEEK_CUR))
    end)

    it("leaves the position alone where it gets an offset", function()
      local from, to = disk "0123456789", device {
        write = function(_, s) return #s end }
      assert.same({ 4, 9 }, { p:sendfile(to, from, 5, 4) })
      assert.equal(0, p:lseek(from, 0, fdemu.SEEK_CUR))
    end)

    it("moves more than its buffer holds", function()
      local data = steps.bytes(0, 200000)
      local from = disk(data)
      local to, got = disk ""
      assert.equal(200000, p:sendfile(to, from, nil, 1 << 20))
      assert.is_true(got() == data)
    end)

    it("fills a pipe, and stops when that is full", function()
      local data = steps.bytes(0, 200000)
      local from = disk(data)
      assert.equal(65536, p:sendfile(w, from, nil, 1 << 20))
      assert.equal(65536, p:lseek(from, 0, fdemu.SEEK_CUR))
      assert.is_true(data:sub(1, 65536) == p:read(r, 65536))
    end)

    it("puts back what could not be written", function()
      local from = disk "0123456789"
      local n = 0
      local to = device { write = function()
        n = n + 1
        if n == 3 then return nil, "EIO" end
        return 2
      end }
      assert.equal(4, p:sendfile(to, from, nil, 10))
      assert.equal(4, p:lseek(from, 0, fdemu.SEEK_CUR))
      n = 2
      fails("EIO", p:sendfile(to, from, nil, 10))
      assert.equal(4, p:lseek(from, 0, fdemu.SEEK_CUR))
    end)

    it("reads on where reads are short", function()
      local data = "0123456789"
      local from = disk(data, { read = function(_, _, offset)
        return data:sub(offset + 1, offset + 3)
      end })
      local to, got = disk ""
      assert.equal(10, p:sendfile(to, from, nil, 100))
      assert.equal(data, got())
    end)

    it("refuses what Linux refuses", function()
      local fd, zero = disk "x", p:open("/dev/zero", "r+")
      fails("EINVAL", p:sendfile(w2, r, nil, 1))
      fails("EINVAL", p:sendfile(zero, r, nil, 1))
      fails("ESPIPE", p:sendfile(w2, r, 0, 1))
      fails("EINVAL", p:sendfile(fd, zero, -1, 1))
      fails("EBADF", p:sendfile(r, zero, nil, 1))
      fails("EBADF", p:sendfile(w, w2, nil, 1))
      fails("EBADF", p:sendfile(99, zero, nil, 1))
      fails("EINVAL", p:sendfile(p:open("/dev/full", "w"), zero, nil, 1))
      fails("EINVAL", p:sendfile(fd, p:open("/dev/null", "r"), nil, 1))
      assert.equal(0, p:sendfile(fd, zero, nil, 0))
      p:fcntl(fd, fdemu.F_SETFL, fdemu.O_APPEND)
      fails("EINVAL", p:sendfile(fd, zero, nil, 1))
    end)
  end)

  describe("copy_file_range", function()
    it("is for regular files", function()
      local zero = p:open("/dev/zero", "r+")
      fails("EINVAL", p:copy_file_range(zero, nil, zero, nil, 1))
      fails("EINVAL", p:copy_file_range(r, nil, w, nil, 1))
      fails("EBADF", p:copy_file_range(99, nil, w, nil, 1))
      fails("EBADF", p:copy_file_range(r, nil, 99, nil, 1))
    end)

    it("copies within a file where that does not overlap", function()
      local q = k:process { stdin = "0123456789", stdout = "capture",
                            stderr = "null" }
      assert.same({ 3, 5, 3 }, { q:copy_file_range(0, 2, 1, 0, 3) })
      assert.equal("234", q:captured(1))
      assert.same({ 3, 6 }, { q:copy_file_range(1, nil, 1, 3, 100) })
      assert.equal("234234", q:captured(1))
      fails("EINVAL", q:copy_file_range(1, 0, 1, 2, 3))
      fails("EINVAL", q:copy_file_range(0, 0, 1, 0, 3, 1))
      assert.same({ 0, 6, 0 }, { q:copy_file_range(1, 6, 1, 0, 3) })
    end)
  end)

  describe("with drivers that wait", function()
    it("waits for a method that sleeps, on either side", function()
      local from = disk("0123456789", { read = function(_, count, offset)
        k:sleep(1)
        return ("0123456789"):sub(offset + 1, offset + count)
      end })
      local got = ""
      local to = device { write = function(_, s)
        k:sleep(2)
        got = got .. s:sub(1, 4)
        return math.min(#s, 4)
      end }
      -- A read, three writes, and the read that finds the end.
      assert.equal(10, p:sendfile(to, from, nil, 100))
      assert.equal("0123456789", got)
      assert.equal(8, k:now())
    end)

    it("waits for a driver that says not now", function()
      local ready, out = false, {}
      local to = k:description({ write = function(_, s)
        if not ready then return nil, fdemu.EAGAIN end
        out[#out + 1] = s
        return #s
      end }, fdemu.O_WRONLY)
      local fd = p:install(to)
      p:write(w, "abc")
      local t = p:spawn(function() return p:splice(r, nil, fd, nil, 10) end)
      k:sleep(1)
      assert.equal("waiting", t.status)
      ready = true
      to:wake()
      assert.equal(3, t:join())
      assert.same({ "abc" }, out)
    end)

    it("keeps others off the pages that a writer has", function()
      local to = device { write = function(_, s)
        k:sleep(1)
        return #s - 1
      end }
      p:write(w, "abc")
      local t = p:spawn(function() return p:splice(r, nil, to, nil, 2) end)
      k:sleep(0.5)
      assert.equal("-", steps.ready(p, r, fdemu.POLLIN))
      local u = p:spawn(function() return p:read(r, 10), k:now() end)
      k:sleep(0.1)
      assert.equal("waiting", u.status)
      k:run()
      -- One byte of two, then another try at the second of them: none.
      assert.equal(1, (t:join()))
      assert.same({ "bc", 2 }, { u:join() })
    end)

    it("keeps others out of the room that a reader fills", function()
      local from = device { read = function(_, count)
        k:sleep(1)
        return ("x"):rep(count)
      end }
      local t = p:spawn(function() return p:splice(from, nil, w, nil, 3) end)
      k:sleep(0.5)
      assert.equal("-", steps.ready(p, w, fdemu.POLLOUT))
      local u = p:spawn(function() return p:write(w, "abc"), k:now() end)
      assert.equal(3, t:join())
      assert.same({ 3, 1 }, { u:join() })
      assert.equal("xxxabc", p:read(r, 100))
    end)

    it("loses nothing when it is cancelled", function()
      local to = device { write = function(_, s)
        k:sleep(100)
        return #s
      end }
      p:write(w, "abc")
      local t = p:spawn(function() return p:splice(r, nil, to, nil, 10) end)
      k:sleep(1)
      t:cancel()
      assert.equal("abc", p:read(r, 10))
      local from = device { read = function(_, count)
        k:sleep(100)
        return ("x"):rep(count)
      end }
      t = p:spawn(function() return p:splice(from, nil, w, nil, 10) end)
      k:sleep(1)
      t:cancel()
      assert.equal(3, p:write(w, "def"))
      assert.equal("def", p:read(r, 10))
    end)

    it("ends with its process, and the pipe lives on", function()
      local to = device { write = function(_, s)
        k:sleep(100)
        return #s
      end }
      local q = p:fork()
      p:write(w, "abc")
      q:spawn { function() q:splice(r, nil, to, nil, 10) end, daemon = true }
      k:sleep(1)
      q:exit(0)
      k:sleep(1)
      assert.equal("abc", p:read(r, 10))
    end)

    it("raises what a driver raises", function()
      local to = device { write = function() error "broken driver" end }
      p:write(w, "abc")
      contains(failure(p.splice, p, r, nil, to, nil, 10), "broken driver")
      assert.equal("abc", p:read(r, 10))
    end)
  end)

  describe("vmsplice", function()
    it("puts memory into a pipe, and takes a pipe's bytes", function()
      assert.equal(10, p:vmsplice(w, { "hello", "", " you", "!" }))
      assert.equal(10, p:ioctl(r, fdemu.FIONREAD))
      assert.equal("hel", p:read(r, 3))
      local list, n = p:vmsplice(r, { 3, 0, 100 })
      assert.same({ "lo ", "", "you!" }, list)
      assert.equal(7, n)
    end)

    it("fills a slot with each page, which no write adds to", function()
      p:fcntl(w, fdemu.F_SETPIPE_SZ, 4 * 4096)
      assert.equal(3, p:vmsplice(w, { "a", "b", "c" }))
      assert.equal(1, p:write(w, "d"))
      fails("EAGAIN", p:vmsplice(w, { "e" }, NONBLOCK))
      assert.equal(1, p:write(w, "f"))
      assert.equal("abcdf", p:read(r, 100))
      assert.equal(4 * 4096, p:vmsplice(w, { ("x"):rep(70000) }))
    end)

    it("does not wait for room once it has had some", function()
      p:write(w, ("x"):rep(61440))
      assert.equal(4096, p:vmsplice(w, { ("y"):rep(5000) }))
      local t = p:spawn(function() return p:vmsplice(w, { "more" }) end)
      k:sleep(1)
      p:read(r, 4096)
      assert.equal(4, t:join())
    end)

    it("waits for bytes, whatever O_NONBLOCK says", function()
      p:fcntl(r, fdemu.F_SETFL, fdemu.O_NONBLOCK)
      fails("EAGAIN", p:vmsplice(r, { 10 }, NONBLOCK))
      local t = p:spawn(function()
        local list, n = p:vmsplice(r, { 2, 2 })
        return table.concat(list, ","), n
      end)
      k:sleep(1)
      p:write(w, "abc")
      local text, n = t:join()
      assert.equal("ab,c", text)
      assert.equal(3, n)
      p:close(w)
      assert.same({ "" }, (p:vmsplice(r, { 5 })))
    end)

    it("wakes who waits for the other end", function()
      local t = p:spawn(function() return p:read(r, 10) end)
      k:sleep(1)
      p:vmsplice(w, { "abc" })
      assert.equal("abc", t:join())
      p:write(w, ("x"):rep(65536))
      t = p:spawn(function() return p:write(w, "y") end)
      k:sleep(1)
      p:vmsplice(r, { 4096 })
      assert.equal(1, t:join())
    end)

    it("says what is wrong in Linux's order", function()
      local null = p:open("/dev/null", "r+")
      fails("EINVAL", p:vmsplice(99, { "a" }, 16))
      fails("EBADF", p:vmsplice(99, { "a" }))
      fails("EBADF", p:vmsplice(null, { "a" }))
      fails("EBADF", p:vmsplice(p:open("/dev/null", fdemu.O_PATH), { "a" }))
      assert.same({ {}, 0 }, { p:vmsplice(null, {}) })
      local many = {}
      for i = 1, 1025 do many[i] = "" end
      fails("EINVAL", p:vmsplice(null, many))
      fails("EBADF", p:vmsplice((p:socketpair(1, 1)), { "a" }))
      p:close(r)
      fails("EPIPE", p:vmsplice(w, { "a" }))
    end)

    it("does not write to strings, and room has no bytes", function()
      p:write(w, "abc")
      fails("EFAULT", p:vmsplice(r, { "xyz" }))
      fails("EFAULT", p:vmsplice(w, { 3 }))
      assert.equal("abc", p:read(r, 10))
    end)

    it("can be made to fall short, and is shown in the trace", function()
      local lines = {}
      k:trace(function(event) lines[#lines + 1] = tostring(event) end)
      local rule = k:inject { call = "vmsplice", short = 4 }
      assert.equal(4, p:vmsplice(w, { "abc", "def" },
                                 fdemu.SPLICE_F_GIFT))
      rule:remove()
      p:vmsplice(r, { 3, 100 }, NONBLOCK)
      k:trace(nil)
      assert.same({
        '[pid  1] vmsplice(4, [{iov_base="abc", iov_len=3}, {iov_base="d", '
          .. "iov_len=3}], 2, SPLICE_F_GIFT) = 4 (INJECTED)",
        '[pid  1] vmsplice(3, [{iov_base="abc", iov_len=3}, {iov_base="d", '
          .. "iov_len=100}], 2, SPLICE_F_NONBLOCK) = 4",
      }, lines)
    end)

    it("explains what it waits for", function()
      contains(failure(p.vmsplice, p, r, { 1 }),
        ("waits for data, or for the last write end to be closed: process 1 "
          .. "holds the write end as descriptor %d"):format(w))
      p:write(w, ("x"):rep(65536))
      contains(failure(p.vmsplice, p, w, { "x" }),
        ("waits for room, or for the last read end to be closed: process 1 "
          .. "holds the read end as descriptor %d"):format(r))
    end)

    it("names the argument of bad input", function()
      contains(failure(p.vmsplice, p, w), "bad argument #2")
      contains(failure(p.vmsplice, p, w, "x"), "bad argument #2")
      contains(failure(p.vmsplice, p, w, { "x", 5 }), "bad argument #2")
      contains(failure(p.vmsplice, p, w, { 5, "x" }), "bad argument #2")
      contains(failure(p.vmsplice, p, w, { "x" }, {}), "bad argument #3")
    end)
  end)

  it("explains which side it waits for", function()
    contains(failure(p.splice, p, r, nil, w2, nil, 10),
      ("waits for data, or for the last write end to be closed: process 1 "
        .. "holds the write end as descriptor %d"):format(w))
    p:write(w, "x")
    p:write(w2, ("x"):rep(65536))
    contains(failure(p.splice, p, r, nil, w2, nil, 10),
      ("waits for room, or for the last read end to be closed: process 1 "
        .. "holds the read end as descriptor %d"):format(r2))
  end)

  it("is shown in the trace", function()
    local lines, fd = {}, disk "0123456789"
    p:write(w, "abc")
    k:trace(function(event) lines[#lines + 1] = tostring(event) end)
    p:splice(r, nil, w2, nil, 2, fdemu.SPLICE_F_MOVE | NONBLOCK)
    p:tee(r, w2, 5)
    p:sendfile(w, fd, 1, 4)
    p:splice(fd, 5, w, nil, 2)
    p:copy_file_range(r, nil, w, 7, 1)
    k:trace(nil)
    assert.same({
      "[pid  1] splice(3, NULL, 6, NULL, 2, SPLICE_F_MOVE|SPLICE_F_NONBLOCK)"
        .. " = 2",
      "[pid  1] tee(3, 6, 5, 0) = 1",
      "[pid  1] sendfile(4, 7, [1] => [5], 4) = 4",
      "[pid  1] splice(7, [5], 4, NULL, 2, 0) = 2",
      "[pid  1] copy_file_range(3, NULL, 4, [7], 1, 0) = -1 EINVAL "
        .. "(Invalid argument)",
    }, lines)
  end)

  it("can be made to fail or to fall short", function()
    p:write(w, "abcdef")
    local rule = k:inject { call = "splice", errno = "EIO", when = 1 }
    fails("EIO", p:splice(r, nil, w2, nil, 10))
    rule:remove()
    rule = k:inject { call = "splice", short = 2 }
    assert.equal(2, p:splice(r, nil, w2, nil, 10))
    rule:remove()
    assert.equal(4, p:splice(r, nil, w2, nil, 10))
  end)

  it("does not move anything from a directory", function()
    local dir, out = p:open("/", "r"), p:open("/f", "w")
    fails("EINVAL", p:sendfile(out, dir, nil, 4))
    fails("EINVAL", p:sendfile(w, dir, nil, 4))
    fails("EINVAL", p:splice(dir, nil, w, nil, 4))
    fails("EISDIR", p:copy_file_range(dir, nil, out, nil, 4))
  end)

  it("looks for O_PATH on both sides before offsets", function()
    p:close(p:open("/f", "w"))
    local path = p:open("/f", fdemu.O_PATH)
    fails("EBADF", p:splice(r, 3, path, nil, 4))
    fails("EBADF", p:splice(path, 3, w, nil, 4))
    fails("EBADF", p:sendfile(path, r, nil, 4))
  end)

  it("copies no range between a file and a memfd: EXDEV", function()
    local f = p:open("/f", fdemu.O_RDWR | fdemu.O_CREAT, 420)
    local m, n = p:memfd_create("m"), p:memfd_create("n")
    p:write(f, "abc")
    p:write(m, "def")
    fails("EXDEV", p:copy_file_range(f, 0, m, 0, 3))
    fails("EXDEV", p:copy_file_range(m, 0, f, 0, 3))
    fails("EXDEV", p:copy_file_range(f, 100, m, 0, 0))
    assert.equal(3, (p:copy_file_range(m, 0, n, 0, 3)))
    assert.equal(3, (p:sendfile(m, f, 0, 3)))
    assert.not_equal(p:fstat(f).st_dev, p:fstat(m).st_dev)
  end)

  it("waits for a pipe before those who read it, as in Linux", function()
    local from, to = p:pipe()
    local log = {}
    p:spawn(function() table.insert(log, (p:read(r, 1))) end)
    p:spawn(function() table.insert(log, (p:tee(r, to, 1))) end)
    k:sleep(1)
    p:write(w, "x")
    k:run()
    assert.same({ 1, "x" }, log)
    assert.equal("x", p:read(from, 1))
  end)

  it("names the argument of bad input", function()
    for _, name in ipairs { "sendfile", "splice", "tee", "copy_file_range" } do
      contains(failure(p[name], p), "bad argument #1 to '" .. name .. "'")
      contains(failure(p[name], p, r), "bad argument #")
    end
    contains(failure(p.splice, p, r, {}, w, nil, 1), "bad argument #2")
    contains(failure(p.splice, p, r, nil, w, nil, -1),
      "count must not be negative")
    contains(failure(p.sendfile, p, w, r, "x", 1), "bad argument #3")
    contains(failure(p.tee, p, r, w, 1, {}), "bad argument #4")
  end)
end)
