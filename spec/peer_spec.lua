-- peer_spec.lua - devices written as sequential code
local fdemu = require "fdemu"
local checks = require "spec.helper_checks"
local steps = require "spec.helper_steps"

local contains, failure = checks.contains, checks.failure
local fails, ready = steps.fails, steps.ready

local RDWR, NONBLOCK = fdemu.O_RDWR, fdemu.O_RDWR | fdemu.O_NONBLOCK

describe("peer", function()
  local k, p

  before_each(function()
    k = fdemu.kernel()
    p = k:process()
  end)

  after_each(function()
    assert.same({}, k:leaks())
    k:close()
  end)

  -- A descriptor of a device with this body.
  local function open(body, options, flags)
    k:device("/dev/peer", fdemu.peer(body, options))
    return assert(p:open("/dev/peer", flags or RDWR))
  end

  describe("body", function()
    it("reads what the program writes, and the other way round", function()
      local fd = open(function(dev)
        dev:expect "AT\r"
        dev:write "OK\r\n"
      end)
      assert.equal(3, p:write(fd, "AT\r"))
      assert.equal("OK\r\n", p:read(fd, 64))
      assert.equal("", p:read(fd, 64))
      p:close(fd)
    end)

    it("may speak first", function()
      local fd = open(function(dev) dev:write "login: " end)
      assert.equal("login: ", p:read(fd, 64))
      p:close(fd)
    end)

    it("takes its time, and only who reads it waits", function()
      local fd = open(function(dev)
        dev:sleep(2)
        dev:write "late"
      end)
      local at, other
      p:spawn(function()
        p:read(fd, 64)
        at = k:now()
      end)
      p:spawn(function()
        k:sleep(1)
        other = k:now()
      end)
      k:run()
      assert.equal(2, at)
      assert.equal(1, other)
      p:close(fd)
    end)

    it("runs once for each open", function()
      local n = 0
      local fd = open(function(dev)
        n = n + 1
        dev:write(tostring(n))
      end)
      local other = assert(p:open("/dev/peer", RDWR))
      local dup = assert(p:dup(fd))
      assert.equal("1", p:read(fd, 8))
      assert.equal("2", p:read(other, 8))
      assert.equal("", p:read(dup, 8))
      assert.equal(2, n)
      p:close(fd)
      p:close(other)
      p:close(dup)
    end)

    it("may use other calls and other devices", function()
      k:device("/dev/clock", { read = function() k:sleep(1) return "12:00" end })
      local q = k:process()
      local fd = open(function(dev)
        local clock = q:open("/dev/clock", fdemu.O_RDONLY)
        dev:write(q:read(clock, 5))
        q:close(clock)
      end)
      assert.equal("12:00", p:read(fd, 5))
      p:close(fd)
    end)

    it("works on a bare description", function()
      local d = k:description(fdemu.peer(function(dev)
        dev:write((dev:readline()):upper())
      end))
      local fd = assert(p:install(d))
      p:write(fd, "hello\n")
      assert.equal("HELLO", p:read(fd, 64))
      p:close(fd)
    end)

    it("sees the description and the flags of the open", function()
      local flags, kind
      local fd = open(function(dev)
        flags, kind = dev.flags, dev.description.kind
        assert.equal(k, dev.description.kernel)
        assert.equal("fdemu.Dev: 0 bytes to read", tostring(dev))
      end, nil, NONBLOCK)
      p:close(fd)
      k:run(0)
      k:sleep(0.01)
      assert.equal(NONBLOCK, flags & NONBLOCK)
      assert.equal("peer", kind)
    end)

    it("is forgotten with its kernel", function()
      local gone = setmetatable({}, { __mode = "v" })
      do
        local other = fdemu.kernel()
        gone[1] = other
        other:device("/dev/peer", fdemu.peer(function(dev) dev:read(1) end))
        other:process():open("/dev/peer", RDWR)
        other:sleep(1)
      end
      collectgarbage()
      collectgarbage()
      assert.is_nil(gone[1])
    end)
  end)

  describe("dev:read", function()
    it("gives exactly what was asked, and fewer at the end", function()
      local got = {}
      local fd = open(function(dev)
        for i, n in ipairs { 3, 0, 2, 4, 1 } do
          local s = dev:read(n)
          got[i] = s or "nil"
        end
      end)
      for _, s in ipairs { "a", "bc", "d", "efg" } do
        p:write(fd, s)
        k:sleep(1)
      end
      p:close(fd)
      k:sleep(0.01)
      assert.same({ "abc", "", "de", "fg", "nil" }, got)
    end)

    it("without a count gives what there is", function()
      local got = {}
      local fd = open(function(dev)
        for s in function() return dev:read() end do got[#got + 1] = s end
      end)
      p:write(fd, "a")
      p:write(fd, "bc")
      k:sleep(1)
      p:write(fd, "d")
      p:close(fd)
      k:sleep(1)
      assert.same({ "abc", "d" }, got)
    end)

    it("may ask for more than the buffer holds", function()
      local got
      local fd = open(function(dev) got = dev:read(100000) end)
      assert.equal(100000, p:write(fd, ("x"):rep(100000)))
      k:sleep(0.01)
      assert.equal(100000, #got)
      p:close(fd)
    end)
  end)

  describe("dev:readline", function()
    it("gives lines without their end, the rest, and nil", function()
      local got = {}
      local fd = open(function(dev)
        for s in function() return dev:readline() end do got[#got + 1] = s end
      end)
      p:write(fd, "one\ntwo\n\nth")
      p:write(fd, "ree\nrest")
      p:close(fd)
      k:sleep(0.01)
      assert.same({ "one", "two", "", "three", "rest" }, got)
    end)

    it("takes any separator", function()
      local got
      local fd = open(function(dev) got = { dev:readline "%.", dev:readline(";") } end)
      p:write(fd, "a.b%.c;")
      k:sleep(0.01)
      assert.same({ "a.b", "c" }, got)
      p:close(fd)
    end)
  end)

  describe("dev:expect", function()
    it("gives the match, or the captures", function()
      local match, number, name
      local fd = open(function(dev)
        match = dev:expect "A%a+\r"
        number, name = dev:expect "(%d+)=(%a+);"
      end)
      p:write(fd, "noise ATZ\rmore 12=")
      p:write(fd, "ab;")
      k:sleep(0.01)
      assert.equal("ATZ\r", match)
      assert.equal("12", number)
      assert.equal("ab", name)
      p:close(fd)
    end)

    it("that times out says so at its line, with what came so far", function()
      local fd = open(function(dev) dev:expect("ATZ\r", 1.5) end)
      p:write(fd, "AT\1X\n")
      local err = failure(p.read, p, fd, 10)
      contains(err, "peer_spec.lua:")
      contains(err, [[expect "ATZ\r": nothing of the kind in 1.5 s; ]]
        .. [[received so far: "AT\x01X\n"]])
      assert.equal(1.5, k:now())
      p:close(fd)
    end)

    it("loses nothing when it times out", function()
      local rest
      local fd = open(function(dev)
        pcall(dev.expect, dev, "ATZ", 1)
        rest = dev:readline()
      end)
      p:write(fd, "hello")
      k:sleep(2)
      p:write(fd, " world\n")
      k:sleep(0.01)
      assert.equal("hello world", rest)
      p:close(fd)
    end)

    it("has the peer's time by default", function()
      local fd = open(function(dev) dev:expect "x" end, { seconds = 3 })
      contains(failure(p.read, p, fd, 1), "nothing of the kind in 3 s")
      p:close(fd)
    end)

    it("takes what comes in time", function()
      local found
      local fd = open(function(dev) found = dev:expect("x", 1) end)
      k:after(0.9, function() p:write(fd, "x") end)
      p:read(fd, 1)
      assert.equal("x", found)
      p:close(fd)
    end)

    it("says when the program has closed it", function()
      local fd = open(function(dev) dev:expect "ATZ" end)
      p:write(fd, "AT")
      p:close(fd)
      local err = failure(k.run, k)
      contains(err, [[expect "ATZ": the program has closed it; ]]
        .. [[received so far: "AT"]])
    end)

    it("shows the beginning and the end of much", function()
      local fd = open(function(dev) dev:expect("x", 1) end)
      p:write(fd, ("a"):rep(100) .. ("b"):rep(100) .. ("c"):rep(97))
      contains(failure(p.read, p, fd, 1),
        '"' .. ("a"):rep(100) .. "..." .. ("c"):rep(97) .. '"')
      p:close(fd)
    end)
  end)

  describe("bad argument", function()
    -- The error that the body gets.
    local function refused(fn, expected)
      local err
      local fd = open(function(dev)
        local ok
        ok, err = pcall(fn, dev)
        assert(not ok)
      end)
      k:sleep(0.01)
      p:close(fd)
      contains(err, "peer_spec.lua:")
      contains(err, expected)
    end

    it("of dev's methods is named", function()
      refused(function(dev) local _ = dev:read(-1) end,
        "bad argument #1 to 'read' (count must be an integer >= 0)")
      refused(function(dev) local _ = dev:readline "" end,
        "bad argument #1 to 'readline'")
      refused(function(dev) local _ = dev:expect(1) end,
        "bad argument #1 to 'expect' (string expected, got number)")
      refused(function(dev) local _ = dev:expect "(" end,
        "bad argument #1 to 'expect' (")
      refused(function(dev) local _ = dev:expect("x", "1") end,
        "bad argument #2 to 'expect' (seconds must be")
      refused(function(dev) local _ = dev:write {} end,
        "bad argument #1 to 'write' (string expected, got table)")
      refused(function(dev) dev:sleep(-1) end,
        "bad argument #1 to 'sleep' (seconds must be")
      refused(function(dev) dev:sleep() end, "bad argument #1 to 'sleep'")
      for _, name in ipairs { "read", "readline", "expect", "write", "sleep" } do
        refused(function(dev) dev[name]("1") end,
          ("calling '%s' on a bad self (fdemu.Dev expected, got string)")
            :format(name))
      end
    end)

    it("of fdemu.peer is named", function()
      for _, case in ipairs {
        { { 1 }, "bad argument #1 to 'peer' (function expected, got number)" },
        { { print, 1 }, "bad argument #2 to 'peer' (table expected" },
        { { print, { size = 1 } }, "bad option 'size' of a peer" },
        { { print, { seconds = -1 } }, "bad option 'seconds' of a peer" },
        { { print, { buffer = 0 } }, "bad option 'buffer' of a peer" },
        { { print, { ioctl = 1 } }, "bad option 'ioctl' of a peer" },
        { { print, { ioctl = { x = print } } }, "bad option 'ioctl'" },
        { { print, { name = 1 } }, "bad option 'name' of a peer: string" },
      } do
        local err = failure(function() fdemu.peer(table.unpack(case[1])) end)
        contains(err, "peer_spec.lua:")
        contains(err, case[2])
      end
    end)
  end)

  describe("end of the body", function()
    it("is end of file after what it wrote, and stays", function()
      local fd = open(function(dev) dev:write "last" end)
      k:sleep(0.01)
      assert.equal("la", p:read(fd, 2))
      assert.equal("st", p:read(fd, 2))
      assert.equal("", p:read(fd, 2))
      assert.equal("", p:read(fd, 2))
      p:close(fd)
    end)

    it("wakes who reads, and fails who writes", function()
      local fd = open(function(dev) dev:sleep(1) end, { buffer = 4 })
      local data, n, errno
      p:spawn(function() data = p:read(fd, 2) end)
      p:spawn(function() n, errno = p:write(fd, "12345678"), "" end)
      k:run()
      assert.equal("", data)
      assert.equal(4, n) -- what was taken before
      assert.equal("", errno)
      fails("EIO", p:write(fd, "x"))
      assert.equal("IN OUT ERR HUP RDNORM WRNORM", ready(p, fd))
      p:close(fd)
    end)
  end)

  describe("error in the body", function()
    local function broken(dev)
      dev:readline()
      error "the modem is on fire"
    end

    it("is raised by the call that waits", function()
      local fd = open(broken)
      p:write(fd, "\n")
      local err = failure(p.read, p, fd, 1)
      contains(err, "peer_spec.lua:")
      contains(err, "the modem is on fire")
      contains(err, "stack traceback")
      p:close(fd)
      k:run()
    end)

    it("is raised by the next call, whichever it is", function()
      for _, call in ipairs {
        function(fd) return p:read(fd, 1) end,
        function(fd) return p:write(fd, "x") end,
        function(fd) return p:ioctl(fd, fdemu.FIONREAD) end,
        function(fd) return p:poll({ { fd = fd, events = 1 } }, 0) end,
      } do
        local fd = open(broken)
        p:write(fd, "\n")
        k:sleep(1)
        contains(failure(call, fd), "the modem is on fire")
        p:close(fd)
      end
      k:run()
    end)

    it("is raised by k:run if there is no next call", function()
      local fd = open(broken)
      p:write(fd, "\n")
      p:close(fd)
      contains(failure(k.run, k), "the modem is on fire")
    end)

    it("is also a yield to nobody, told at its line", function()
      local closed
      local fd = open(function(dev)
        dev:readline()
        coroutine.yield(1)
        closed = true
      end)
      p:write(fd, "\n")
      local err = failure(p.read, p, fd, 1)
      contains(err, "peer_spec.lua:")
      contains(err, "coroutine.yield in the body of a peer")
      assert.is_nil(closed)
      p:close(fd)
    end)

    it("leaves the coroutines that the body makes alone", function()
      local fd = open(function(dev)
        local words = coroutine.wrap(function()
          for w in dev:readline():gmatch "%a+" do coroutine.yield(w) end
        end)
        dev:write(words() .. "," .. words())
      end)
      p:write(fd, "one two\n")
      assert.equal("one,two", p:read(fd, 64))
      p:close(fd)
    end)
  end)

  describe("buffer", function()
    it("that is full makes the program wait until the body reads", function()
      local got
      local fd = open(function(dev)
        dev:sleep(2)
        got = dev:read(10)
        dev:sleep(3)
        dev:read(4)
      end, { buffer = 4 })
      local at
      p:spawn(function()
        assert.equal(14, p:write(fd, "0123456789abcd"))
        at = k:now()
      end)
      k:run()
      assert.equal("0123456789", got)
      assert.equal(2, at) -- the last four fit into the buffer
      p:close(fd)
    end)

    it("that is full makes the body wait until the program reads", function()
      local at
      local fd = open(function(dev)
        dev:write "0123456789"
        at = k:now()
      end, { buffer = 4 })
      k:sleep(1)
      assert.equal("0123", p:read(fd, 64))
      k:sleep(1)
      assert.equal("4567", p:read(fd, 64))
      assert.equal("89", p:read(fd, 64))
      assert.equal(2, at)
      p:close(fd)
    end)

    it("carries much in both directions and loses nothing", function()
      local fd = open(function(dev)
        for s in function() return dev:read() end do dev:write(s) end
      end)
      local sent, got = steps.bytes(0, 300000), {}
      p:spawn(function() assert.equal(#sent, p:write(fd, sent)) end)
      p:spawn(function()
        local n = 0
        while n < #sent do
          local s = p:read(fd, 5000)
          got[#got + 1], n = s, n + #s
        end
      end)
      k:run()
      assert.is_true(table.concat(got) == sent)
      p:close(fd)
    end)

    it("gives EAGAIN, or a part, to who does not want to wait", function()
      local fd = open(function(dev) dev:sleep(9) end, { buffer = 4 }, NONBLOCK)
      fails("EAGAIN", p:read(fd, 1))
      assert.equal(4, p:write(fd, "123456"))
      fails("EAGAIN", p:write(fd, "5"))
      assert.equal(0, p:write(fd, ""))
      assert.equal("", p:read(fd, 0))
      p:close(fd)
    end)
  end)

  describe("closed by the program", function()
    it("gives dev:write EPIPE, even if it waits", function()
      local result
      local fd = open(function(dev)
        result = { dev:write "12345678" }
      end, { buffer = 4 })
      k:sleep(1)
      p:close(fd)
      k:sleep(0.01)
      fails("EPIPE", table.unpack(result, 1, 3))
    end)

    it("may be closed before the body began", function()
      local got = "?"
      local fd = open(function(dev) got = dev:read(1) end)
      p:write(fd, "x")
      p:close(fd)
      k:sleep(0.01)
      assert.equal("x", got)
    end)
  end)

  describe("readiness", function()
    it("follows what is in the buffers", function()
      local fd = open(function(dev)
        dev:sleep(1)
        dev:write "ab"
        dev:sleep(1)
        dev:read(4)
        dev:sleep(9)
      end, { buffer = 4 })
      assert.equal("OUT WRNORM", ready(p, fd))
      p:write(fd, "1234")
      assert.equal("-", ready(p, fd))
      local list = { { fd = fd, events = fdemu.POLLIN } }
      assert.equal(1, p:poll(list, -1))
      assert.equal(1, k:now())
      assert.equal("IN RDNORM", ready(p, fd))
      assert.equal(2, p:ioctl(fd, fdemu.FIONREAD))
      p:read(fd, 2)
      assert.equal("-", ready(p, fd))
      list[1].events = fdemu.POLLOUT
      assert.equal(1, p:poll(list, -1))
      assert.equal(2, k:now())
      p:close(fd)
    end)

    it("wakes select and epoll, with an edge for each write", function()
      local fd = open(function(dev)
        for _ = 1, 3 do
          dev:sleep(1)
          dev:write "x"
        end
        dev:sleep(9)
      end)
      local r = p:select({ fd }, nil, nil, nil)
      assert.equal(1, r)
      assert.equal(1, k:now())
      local ep = assert(p:epoll_create1(0))
      assert.equal(0, p:epoll_ctl(ep, fdemu.EPOLL_CTL_ADD, fd,
        fdemu.EPOLLIN | fdemu.EPOLLET, fd))
      assert.equal(1, #p:epoll_wait(ep, 8, -1)) -- as it is
      assert.equal(0, #p:epoll_wait(ep, 8, 0))
      assert.equal(1, #p:epoll_wait(ep, 8, -1))
      assert.equal(2, k:now())
      assert.equal(1, #p:epoll_wait(ep, 8, -1))
      assert.equal(3, k:now())
      assert.equal("xxx", p:read(fd, 8))
      p:close(ep)
      p:close(fd)
    end)
  end)

  describe("ioctl", function()
    local GET, SET = fdemu._IOR("m", 1, 4), fdemu._IO("m", 2)

    it("may be a table of handlers, which get dev", function()
      local fd = open(function(dev)
        dev.speed = 9600
        dev:read(1)
      end, { ioctl = {
        [GET] = function(dev, arg) arg:pack("<i4", 0, dev.speed) end,
        [SET] = function(dev, speed) dev.speed = speed return 7 end,
      } })
      k:sleep(0.01)
      assert.equal(7, p:ioctl(fd, SET, 1200))
      local b = fdemu.buffer(4)
      assert.equal(0, p:ioctl(fd, GET, b))
      assert.equal(1200, b:unpack "<i4")
      fails("ENOTTY", p:ioctl(fd, fdemu._IO("m", 3)))
      p:close(fd)
    end)

    it("may be one function", function()
      local fd = open(function(dev) dev:read(1) end, {
        ioctl = function(dev, request, arg)
          assert.equal("fdemu.Dev", getmetatable(dev).__name)
          return request == SET and arg or nil, "EINVAL"
        end })
      assert.equal(5, p:ioctl(fd, SET, 5))
      fails("EINVAL", p:ioctl(fd, GET, 5))
      p:close(fd)
    end)

    it("FIONREAD is known without any", function()
      local fd = open(function(dev) dev:write "12345" dev:read(1) end)
      k:sleep(0.01)
      assert.equal(5, p:ioctl(fd, fdemu.FIONREAD))
      local b = fdemu.buffer(4)
      assert.equal(0, p:ioctl(fd, fdemu.FIONREAD, b))
      assert.equal(5, b:unpack "<i4")
      p:close(fd)
    end)

    it("comes with any other slot", function()
      local fd = open(function(dev) dev:read(1) end, {
        name = "uart", stat = function() return { st_size = 12 } end })
      assert.equal(12, p:fstat(fd).st_size)
      assert.equal("uart", p:description(fd).kind)
      p:close(fd)
    end)
  end)

  it("is explained when nothing goes on", function()
    local fd = open(function(dev) dev:expect "ATZ" end)
    local err = failure(p.read, p, fd, 1)
    contains(err, "deadlock")
    contains(err, "daemon 'peer of peer': peer at ")
    contains(err, "peer_spec.lua:")
    contains(err, "waits for what the program does")
    p:close(fd)
    failure(k.run, k) -- the expect
  end)
end)
