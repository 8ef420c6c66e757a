-- trace_spec.lua - what a trace says, and that it says the same again
local fdemu = require "fdemu"
local checks = require "spec.helper_checks"

local failure = checks.failure

describe("trace", function()
  local k, p, r, w

  before_each(function()
    k = fdemu.kernel()
    p = k:process()
    r, w = p:pipe()
  end)

  after_each(function()
    k:trace(nil)
    k:close()
  end)

  -- The lines of the calls that fn makes.
  local function lines(fn)
    local list = {}
    k:trace(function(e) list[#list + 1] = tostring(e) end)
    fn()
    k:trace(nil)
    return list
  end

  local function events(fn)
    local list = {}
    k:trace(function(e) list[#list + 1] = e end)
    fn()
    k:trace(nil)
    return list
  end

  it("begins at descriptor 3", function()
    assert.equal(3, r)
    assert.equal(4, w)
  end)

  describe("line", function()
    it("shows a read as strace does", function()
      p:write(w, "abc")
      assert.same({ '[pid  1] read(3, "abc", 4096) = 3' },
        lines(function() p:read(r, 4096) end))
    end)

    it("shows a write as strace does", function()
      assert.same({ '[pid  1] write(4, "abc", 3) = 3' },
        lines(function() p:write(w, "abc") end))
    end)

    it("shows close, dup and dup2", function()
      assert.same({
        "[pid  1] dup(3) = 5",
        "[pid  1] dup2(3, 7) = 7",
        "[pid  1] close(7) = 0",
      }, lines(function()
        p:dup(r)
        p:dup2(r, 7)
        p:close(7)
      end))
    end)

    it("shows an exit, which ends what waits, and never returns", function()
      local child = p:fork()
      local said = lines(function()
        child:spawn(function() child:read(r, 1) end)
        k:spawn(function() child:exit(300) end)
        assert(pcall(k.run, k))
        p:exit()
      end)
      assert.same({
        "[pid  2] read(3,  <unfinished ...>",
        "[pid  2] exit_group(300) = ?",
        "[pid  2] <... read resumed>?, 1) = -1 EINTR (Interrupted system call)",
        "[pid  1] exit_group(0) = ?",
      }, said)
    end)

    it("says nothing of a process that goes with its kernel", function()
      local list, other = {}, fdemu.kernel()
      other:process()
      other:trace(function(e) list[#list + 1] = e end)
      other:close()
      assert.same({}, list)
    end)

    it("shows permissions as octal numbers", function()
      assert.same({
        '[pid  1] openat(AT_FDCWD, "/f", O_WRONLY|O_CREAT, 07777) = 5',
        '[pid  1] mkdirat(AT_FDCWD, "/d", 02755) = 0',
        '[pid  1] fchmodat2(AT_FDCWD, "/f", 000, 0) = 0',
        '[pid  1] mknodat(AT_FDCWD, "/p", S_IFIFO|S_ISUID|0600) = 0',
        '[pid  1] mknodat(AT_FDCWD, "/x", 0170600) = '
          .. "-1 EINVAL (Invalid argument)",
      }, lines(function()
        p:open("/f", fdemu.O_WRONLY | fdemu.O_CREAT, tonumber("7777", 8))
        p:mkdir("/d", tonumber("2755", 8))
        p:chmod("/f", 0)
        p:mknod("/p", fdemu.S_IFIFO | tonumber("4600", 8))
        p:mknod("/x", tonumber("170600", 8))
      end))
    end)

    it("shows no permissions of a directory that is opened", function()
      assert.same({
        '[pid  1] openat(AT_FDCWD, "/", O_RDONLY|O_DIRECTORY) = 5',
        '[pid  1] openat(AT_FDCWD, "/", O_RDWR|O_TMPFILE, 0600) = 6',
        '[pid  1] openat(AT_FDCWD, "/", O_RDWR|__O_TMPFILE, 0600) = '
          .. "-1 EINVAL (Invalid argument)",
      }, lines(function()
        p:open("/", fdemu.O_DIRECTORY)
        local flags = fdemu.O_TMPFILE | fdemu.O_RDWR
        p:open("/", flags, tonumber("600", 8))
        p:open("/", flags & ~fdemu.O_DIRECTORY, tonumber("600", 8))
      end))
    end)

    it("shows the values of socket options by their types", function()
      local a = p:socketpair()
      local sol = fdemu.SOL_SOCKET
      assert.same({
        "[pid  1] setsockopt(5, SOL_SOCKET, SO_RCVTIMEO, "
          .. "{tv_sec=1, tv_usec=500000}, 16) = 0",
        "[pid  1] getsockopt(5, SOL_SOCKET, SO_RCVTIMEO, "
          .. "{tv_sec=1, tv_usec=500000}, [16]) = 0",
        "[pid  1] setsockopt(5, SOL_SOCKET, SO_LINGER, "
          .. "{l_onoff=1, l_linger=7}, 8) = 0",
        "[pid  1] getsockopt(5, SOL_SOCKET, SO_PEERCRED, "
          .. "{pid=1, uid=1000, gid=1000}, [12]) = 0",
        "[pid  1] getsockopt(5, SOL_SOCKET, SO_TYPE, [1], [4]) = 0",
        '[pid  1] setsockopt(5, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2) = 0',
        '[pid  1] getsockopt(5, SOL_SOCKET, SO_BINDTODEVICE, "lo\\0", [3]) = 0',
        "[pid  1] setsockopt(5, SOL_SOCKET, SO_ATTACH_FILTER, "
          .. "{len=5, filter=...}, 16) = 0",
        "[pid  1] getsockopt(5, SOL_SOCKET, SO_ATTACH_FILTER, ..., [5]) = 0",
        "[pid  1] setsockopt(5, SOL_SOCKET, SO_INQ, [1], 4) = 0",
      }, lines(function()
        p:setsockopt(a, sol, fdemu.SO_RCVTIMEO, 1.5)
        p:getsockopt(a, sol, fdemu.SO_RCVTIMEO)
        p:setsockopt(a, sol, fdemu.SO_LINGER, 1, 7)
        p:getsockopt(a, sol, fdemu.SO_PEERCRED)
        p:getsockopt(a, sol, fdemu.SO_TYPE)
        p:setsockopt(a, sol, fdemu.SO_BINDTODEVICE, "lo")
        p:getsockopt(a, sol, fdemu.SO_BINDTODEVICE)
        p:setsockopt(a, sol, fdemu.SO_ATTACH_FILTER, ("\6\0\0\0\0\0\0\0"):rep(5))
        p:getsockopt(a, sol, fdemu.SO_ATTACH_FILTER)
        p:setsockopt(a, sol, fdemu.SO_INQ, 1)
      end))
    end)

    it("shows the int that a request yields", function()
      local a, b = p:socketpair()
      p:write(a, "abc")
      assert.same({
        "[pid  1] ioctl(6, FIONREAD, [3]) = 0",
        "[pid  1] ioctl(5, TIOCOUTQ, [768]) = 0",
      }, lines(function()
        p:ioctl(b, fdemu.FIONREAD)
        p:ioctl(a, fdemu.TIOCOUTQ)
      end))
    end)

    it("shows flock's operation", function()
      assert.same({ "[pid  1] flock(3, LOCK_SH|LOCK_NB) = 0" },
        lines(function() p:flock(r, fdemu.LOCK_SH | fdemu.LOCK_NB) end))
    end)

    it("shows the end of file", function()
      p:close(w)
      assert.same({ '[pid  1] read(3, "", 10) = 0' },
        lines(function() p:read(r, 10) end))
    end)

    it("shows errno by name and message", function()
      p:close(r)
      assert.same({ '[pid  1] write(4, "x", 1) = -1 EPIPE (Broken pipe)' },
        lines(function() p:write(w, "x") end))
      assert.same({ "[pid  1] close(99) = -1 EBADF (Bad file descriptor)" },
        lines(function() p:close(99) end))
    end)

    it("shows a read that has to come later", function()
      p:fcntl(r, fdemu.F_SETFL, fdemu.O_NONBLOCK)
      local list = lines(function() p:read(r, 10) end)
      assert.equal(1, #list)
      assert.is_truthy(list[1]:find("^%[pid  1%] read%(3, .*%) = %-1 EAGAIN "
        .. "%(Resource temporarily unavailable%)$"), list[1])
    end)

    it("names the process", function()
      local child = p:fork()
      assert.same({
        '[pid  2] write(4, "a", 1) = 1',
        '[pid  1] read(3, "a", 1) = 1',
      }, lines(function()
        child:write(w, "a")
        p:read(r, 1)
      end))
    end)

    it("is one line of printable characters", function()
      local all = {}
      for i = 0, 255 do all[#all + 1] = string.char(i) end
      for i = 1, 256, 16 do
        local s = table.concat(all, "", i, i + 15)
        for _, line in ipairs(lines(function()
          p:write(w, s)
          p:read(r, 16)
        end)) do
          assert.is_nil(line:find("[^\32-\126]"), line)
        end
      end
    end)

    it("escapes as C does", function()
      assert.same({ [==[[pid  1] write(4, "a\n\t\"\\b", 6) = 6]==] },
        lines(function() p:write(w, 'a\n\t"\\b') end))
      assert.same({ [==[[pid  1] write(4, "\0\1\377", 3) = 3]==] },
        lines(function() p:write(w, "\0\1\xff") end))
    end)

    it("keeps an octal escape apart from a digit behind it", function()
      local list = lines(function() p:write(w, "\0" .. "1") end)
      assert.same({ [==[[pid  1] write(4, "\0001", 2) = 2]==] }, list)
    end)

    it("shows 32 bytes of a long string", function()
      local s = ("a"):rep(100)
      assert.same({
        ('[pid  1] write(4, "%s"..., 100) = 100'):format(("a"):rep(32)),
        ('[pid  1] read(3, "%s"..., 100) = 100'):format(("a"):rep(32)),
      }, lines(function()
        p:write(w, s)
        p:read(r, 100)
      end))
      assert.same({
        ('[pid  1] write(4, "%s", 32) = 32'):format(("a"):rep(32)),
      }, lines(function() p:write(w, ("a"):rep(32)) end))
    end)

    it("shows pipe, pipe2 and open", function()
      local list = lines(function()
        p:pipe()
        p:pipe2(fdemu.O_CLOEXEC)
        p:open("/dev/null", fdemu.O_RDWR)
      end)
      assert.equal("[pid  1] pipe([5, 6]) = 0", list[1])
      assert.equal("[pid  1] pipe2([7, 8], O_CLOEXEC) = 0", list[2])
      assert.is_truthy(list[3]:find('"/dev/null", O_RDWR', 1, true), list[3])
      assert.is_truthy(list[3]:find(" = 9$"), list[3])
      assert.equal(3, #list)
    end)

    it("shows a call that waits in two parts", function()
      local list = {}
      k:trace(function(e) list[#list + 1] = tostring(e) end)
      k:spawn(function() p:read(r, 4096) end)
      k:spawn(function() p:write(w, "abc") end)
      k:run()
      k:trace(nil)
      assert.same({
        "[pid  1] read(3,  <unfinished ...>",
        '[pid  1] write(4, "abc", 3) = 3',
        '[pid  1] <... read resumed>"abc", 4096) = 3',
      }, list)
    end)

    it("shows the result of a call that waited alone", function()
      -- strace -f would print it whole; here it may come in two parts.
      local list = {}
      k:trace(function(e) list[#list + 1] = tostring(e) end)
      k:spawn(function() p:poll({ { fd = r, events = 1 } }, 1000) end)
      k:run()
      k:trace(nil)
      local last = list[#list]
      assert.is_truthy(last:find("poll", 1, true), last)
      assert.is_truthy(last:find(" = 0", 1, true), last)
    end)
  end)

  describe("event", function()
    it("of an exit has no result, and the task that made it", function()
      local list = events(function()
        k:spawn({ function() p:exit(3) end, name = "last" }):join()
      end)
      assert.equal(1, #list)
      local e = list[1]
      assert.same({ "exit_group", "call", "last", 1, 0.0 },
        { e.call, e.phase, e.task, e.pid, e.time })
      assert.is_nil(e.result)
      assert.is_nil(e.errno)
    end)

    it("has call, pid, fd, result and time", function()
      k:sleep(1.5)
      local e = events(function() p:write(w, "abc") end)[1]
      assert.equal("write", e.call)
      assert.equal(1, e.pid)
      assert.equal(4, e.fd)
      assert.equal(3, e.result)
      assert.is_nil(e.errno)
      assert.equal(1.5, e.time)
      assert.is_nil(e.short)
      assert.equal("call", e.phase)
    end)

    it("has the errno of a failure", function()
      local e = events(function() p:close(99) end)[1]
      assert.equal("close", e.call)
      assert.equal(99, e.fd)
      assert.equal(fdemu.EBADF, e.errno)
    end)

    it("comes twice for a call that waits", function()
      local list = {}
      k:trace(function(e) list[#list + 1] = e end)
      k:spawn(function() p:read(r, 10) end)
      k:after(2, function() p:write(w, "abc") end)
      k:run()
      k:trace(nil)
      local phases = {}
      for _, e in ipairs(list) do
        phases[#phases + 1] = ("%s %s %g"):format(e.call, e.phase, e.time)
      end
      assert.same({ "read unfinished 0", "write call 2", "read resumed 2" },
        phases)
      assert.equal(3, list[3].result)
      assert.is_nil(list[1].result)
    end)

    it("has short when chance cut the call", function()
      local other = fdemu.kernel { seed = 3, short = 0.5 }
      local q = other:process()
      other:device("/dev/some", {
        short = true,
        read = function(_, count) return ("x"):rep(count) end,
      })
      local fd = q:open("/dev/some", fdemu.O_RDWR)
      local list = {}
      other:trace(function(e) list[#list + 1] = e end)
      local got = {}
      for i = 1, 100 do got[i] = #q:read(fd, 50) end
      other:trace(nil)
      local cut = 0
      for i, e in ipairs(list) do
        assert.equal(got[i], e.result)
        if got[i] < 50 then
          assert.equal(50, e.short)
          cut = cut + 1
        else
          assert.is_nil(e.short)
        end
      end
      assert.is_true(cut > 20 and cut < 80, tostring(cut))
      other:close()
    end)

    it("has no short when the driver itself gave less", function()
      local other = fdemu.kernel { seed = 3, short = 0 }
      local q = other:process()
      other:device("/dev/some", {
        short = true,
        read = function() return "x" end,
      })
      local fd = q:open("/dev/some", fdemu.O_RDWR)
      local list = {}
      other:trace(function(e) list[#list + 1] = e end)
      q:read(fd, 50)
      assert.is_nil(list[1].short)
      other:close()
    end)

    it("can be kept and printed later", function()
      local list = events(function()
        p:write(w, "abc")
        p:read(r, 10)
      end)
      collectgarbage()
      assert.equal('[pid  1] write(4, "abc", 3) = 3', tostring(list[1]))
      assert.equal('[pid  1] read(3, "abc", 10) = 3', tostring(list[2]))
    end)
  end)

  describe("sink", function()
    it("may be a file", function()
      local file = assert(io.tmpfile())
      k:trace(file)
      p:write(w, "abc")
      p:read(r, 10)
      k:trace(nil)
      p:write(w, "not traced")
      file:seek("set")
      assert.equal('[pid  1] write(4, "abc", 3) = 3\n' ..
        '[pid  1] read(3, "abc", 10) = 3\n', file:read("a"))
      file:close()
    end)

    it("may be replaced by another", function()
      local a, b = 0, 0
      k:trace(function() a = a + 1 end)
      p:write(w, "x")
      k:trace(function() b = b + 1 end)
      p:write(w, "x")
      p:write(w, "x")
      k:trace(nil)
      p:write(w, "x")
      assert.equal(1, a)
      assert.equal(2, b)
    end)

    it("may not be anything else", function()
      failure(k.trace, k, 42)
      failure(k.trace, k, "file")
      failure(k.trace, k, {})
      failure(k.trace, k, true)
      local file = assert(io.tmpfile())
      file:close()
      local ok = pcall(function()
        k:trace(file)
        p:write(w, "x")
      end)
      pcall(k.trace, k, nil)
      -- Refused at once or at the first line, or silently nothing: in any
      -- case the calls go on.
      assert.is_boolean(ok)
      assert.equal(1, p:write(w, "y"))
    end)

    it("that raises loses no call", function()
      k:trace(function() error("sink is full") end)
      pcall(p.write, p, w, "abc")
      pcall(k.trace, k, nil)
      assert.equal("abc", p:read(r, 10))
      assert.equal(1, p:description(w).refs)
    end)

    it("may make calls itself, which are not traced", function()
      local seen = {}
      k:trace(function(event)
        seen[#seen + 1] = event.call
        p:write(w, "x")
      end)
      p:write(w, "abc")
      p:fstat(w)
      k:trace(nil)
      assert.same({ "write", "fstat" }, seen)
      assert.equal("abcxx", p:read(r, 100))
    end)

    it("may be exchanged by itself", function()
      local seen = {}
      k:trace(function(event)
        seen[#seen + 1] = event.call
        k:trace(nil)
      end)
      p:write(w, "abc")
      p:fstat(w)
      assert.same({ "write" }, seen)
    end)

    it("must not wait", function()
      local a = p:pipe()
      k:trace(function() p:read(a, 1) end)
      local ok, err = pcall(p.write, p, w, "x")
      assert.is_false(ok)
      assert.truthy(err:find("a trace function must not wait, but read would",
        1, true), err)
      assert.equal(0, #require "fdemu.core".waiting(k))
      k:trace(nil)
    end)

    it("shows when others wait, though it makes calls", function()
      local a, b = p:pipe()
      local seen = {}
      k:trace(function(event)
        seen[#seen + 1] = event.call .. " " .. event.phase
        p:fstat(w)
      end)
      k:spawn(function() p:read(a, 1) end)
      k:spawn(function() p:write(b, "x") end)
      k:run()
      k:trace(nil)
      assert.same({ "read unfinished", "write call", "read resumed" }, seen)
    end)

    it("takes no chances of the program's", function()
      local function lengths(sink)
        local kernel = fdemu.kernel { seed = 5, short = 0.5 }
        local q = kernel:process { stdout = "null", stderr = "null" }
        local fd = q:memfd_create "m"
        q:write(fd, ("x"):rep(100))
        kernel:trace(sink and function() q:pread(fd, 50, 0) end or nil)
        local out = {}
        for i = 1, 20 do out[i] = #q:pread(fd, 50, 0) end
        kernel:close()
        return out
      end
      assert.same(lengths(false), lengths(true))
    end)

    it("sees one kernel alone", function()
      local other = fdemu.kernel()
      local q = other:process()
      local _, b = q:pipe()
      assert.same({}, lines(function() q:write(b, "abc") end))
      other:close()
    end)
  end)

  it("shows the calls of a driver's method on a process", function()
    local q = k:process()
    local a, b = q:pipe()
    q:write(b, "abc")
    k:device("/dev/relay", { read = function(_, n) return q:read(a, n) end })
    local fd = p:open("/dev/relay", fdemu.O_RDWR)
    local calls = {}
    for _, e in ipairs(events(function() p:read(fd, 10) end)) do
      if e.result then calls[#calls + 1] = e.pid .. " " .. e.call end
    end
    table.sort(calls)
    assert.same({ "1 read", "2 read" }, calls)
  end)

  it("does not show slots that are called directly", function()
    local d, e = p:description(w), p:description(r)
    assert.same({}, lines(function()
      d:write("abc")
      e:read(10)
    end))
  end)

  it("does not change what happens", function()
    local function result(traced)
      local kernel = fdemu.kernel { seed = 9, short = 0.5 }
      if traced then kernel:trace(function(e) return tostring(e) end) end
      local q = kernel:process()
      kernel:device("/dev/some", {
        short = true,
        read = function(_, count) return ("x"):rep(count) end,
      })
      local fd = q:open("/dev/some", fdemu.O_RDWR)
      local got = {}
      for i = 1, 50 do got[i] = #q:read(fd, 100) end
      kernel:close()
      return table.concat(got, " ")
    end
    assert.equal(result(false), result(true))
  end)

  describe("of a run", function()
    -- A run in which chance, time, tasks and drivers all have a part.
    local function run(seed, order)
      local kernel = fdemu.kernel { seed = seed, short = 0.5, order = order }
      local q = kernel:process()
      local log = {}
      kernel:trace(function(e)
        log[#log + 1] = ("%.9f %s"):format(e.time, tostring(e))
      end)
      local a, b = q:pipe()
      local data = ("0123456789"):rep(200)
      kernel:device("/dev/file", {
        short = true,
        seekable = true,
        read = function(_, count, offset)
          kernel:sleep(0.001)
          return data:sub(offset + 1, offset + count)
        end,
      })
      local fd = q:open("/dev/file", fdemu.O_RDONLY)
      for i = 1, 4 do
        local child = q:fork()
        child:spawn(function()
          child:close(a)
          while true do
            local s = child:read(fd, 64)
            if s == "" then break end
            child:write(b, i .. s)
          end
          child:exit(i)
        end)
      end
      q:close(b)
      local got = {}
      kernel:spawn(function()
        repeat
          local s = q:read(a, 100)
          got[#got + 1] = s
        until s == ""
      end)
      kernel:run()
      local n = #table.concat(got)
      kernel:close()
      return table.concat(log, "\n"), n
    end

    it("is the same to the byte for the same seed", function()
      local first, n = run(7)
      assert.is_true(n > 2000)
      assert.is_true(#first > 2000)
      for _ = 1, 3 do
        -- Other work and other addresses in between must not matter.
        local rubbish = {}
        for i = 1, 1000 do rubbish[i] = { tostring(i) } end
        assert.equal(1000, #rubbish)
        collectgarbage()
        assert.equal(first, (run(7)))
      end
    end)

    it("is the same when another kernel runs in between", function()
      local first = run(7)
      local other = fdemu.kernel { seed = 99, short = 0.5 }
      local q = other:process()
      for _ = 1, 17 do q:pipe() end
      assert.equal(first, (run(7)))
      other:close()
    end)

    it("is the same for the same seed in random order", function()
      assert.equal((run(5, "random")), (run(5, "random")))
    end)

    it("differs for another seed", function()
      assert.is_true((run(7)) ~= (run(8)))
      assert.is_true((run(0)) ~= (run(1)))
      assert.is_true((run(5, "random")) ~= (run(6, "random")))
    end)

    it("is that of seed 0 where none was given", function()
      assert.is_true((run(nil)) == (run(0)))
    end)

    it("holds no address", function()
      assert.is_nil(run(7):find("0x%x%x%x%x%x"))
    end)
  end)
end)
