-- socket_spec.lua - sockets: pairs, messages, what they carry, options.
-- Every result is what Linux 6.18 gives.

local fdemu = require "fdemu"
local checks = require "spec.helper_checks"
local steps = require "spec.helper_steps"

local fails, contains, failure = steps.fails, checks.contains, checks.failure

describe("sockets", function()
  local k, p

  before_each(function()
    k = fdemu.kernel { nofile = 32 }
    p = k:process { stdout = "null", stderr = "null" }
  end)

  after_each(function()
    k:run()
    k:close()
  end)

  local function pair(type, flags)
    return assert(p:socketpair(fdemu.AF_UNIX, type | (flags or 0), 0))
  end

  local function both(f)
    for _, type in ipairs { fdemu.SOCK_DGRAM, fdemu.SOCK_SEQPACKET } do
      f(type)
    end
  end

  describe("of a stream", function()
    it("move bytes both ways and forget where a write ended", function()
      local a, b = p:socketpair()
      p:write(a, "one")
      p:send(a, "two")
      p:write(b, "back")
      assert.equal("onet", p:read(b, 4))
      assert.equal("wo", p:recv(b, 10))
      assert.equal("back", p:read(a, 10))
    end)

    it("wait for data, and for room", function()
      local a, b = p:socketpair()
      local data = ("x"):rep(300000)
      local writer = p:spawn(function() return p:write(a, data) end)
      assert.equal(data, p:recv(b, #data, fdemu.MSG_WAITALL))
      assert.equal(#data, writer:join())
    end)

    it("end when the other side is closed or shut down", function()
      local a, b = p:socketpair()
      local reader = p:spawn(function() return p:read(b, 9) end)
      k:sleep(0.1)
      p:shutdown(a, fdemu.SHUT_WR)
      assert.equal("", reader:join())
      assert.equal(2, p:write(b, "ok"))
      fails("EPIPE", p:write(a, "x"))
      p:close(b)
      assert.equal("ok", p:read(a, 9))
      assert.equal("", p:read(a, 9))
    end)

    it("tell a peer once that its data was lost", function()
      local a, b = p:socketpair()
      p:write(a, "lost")
      p:close(b)
      fails("ECONNRESET", p:read(a, 1))
      assert.equal("", p:read(a, 1))
    end)

    it("peek without taking", function()
      local a, b = p:socketpair()
      p:write(a, "abc")
      assert.equal("ab", p:recv(b, 2, fdemu.MSG_PEEK))
      assert.equal("abc", p:recv(b, 9))
      fails("EAGAIN", p:recv(b, 9, fdemu.MSG_DONTWAIT))
    end)
  end)

  describe("of messages", function()
    it("keep messages apart, and cut what does not fit", function()
      both(function(type)
        local a, b = pair(type)
        p:write(a, "first")
        p:write(a, "second")
        assert.equal("fi", p:read(b, 2))
        local data, length = p:recv(b, 3, fdemu.MSG_TRUNC)
        assert.equal("sec", data)
        assert.equal(6, length)
      end)
    end)

    it("carry messages of no bytes", function()
      both(function(type)
        local a, b = pair(type, fdemu.SOCK_NONBLOCK)
        assert.equal(0, p:write(a, ""))
        assert.equal("", p:recv(b, 5))
        fails("EAGAIN", p:recv(b, 5))
      end)
    end)

    it("refuse what is larger than the buffer", function()
      both(function(type)
        local a = pair(type)
        fails("EMSGSIZE", p:write(a, ("x"):rep(212961)))
        assert.equal(212960, p:write(a, ("x"):rep(212960)))
      end)
    end)

    it("say of a message that it was cut", function()
      local a, b = pair(fdemu.SOCK_DGRAM)
      p:send(a, "hello")
      assert.same({ data = "he", fds = {}, flags = fdemu.MSG_TRUNC },
        p:recvmsg(b, 2))
    end)

    it("notice a closed datagram peer at the next send", function()
      local a, b = pair(fdemu.SOCK_DGRAM)
      p:close(b)
      fails("ECONNREFUSED", p:write(a, "x"))
      fails("ENOTCONN", p:write(a, "x"))
    end)
  end)

  describe("with descriptors", function()
    it("pass the description, under the lowest number that is free", function()
      local a, b = p:socketpair()
      local r, w = p:pipe()
      assert.equal(1, p:sendmsg(a, { data = "x", fds = { r, w } }))
      p:close(r)
      local m = p:recvmsg(b, 10)
      assert.equal("x", m.data)
      assert.equal(r, m.fds[1])
      assert.equal(w + 1, m.fds[2])
      p:write(m.fds[2], "hi")
      assert.equal("hi", p:read(m.fds[1], 9))
    end)

    it("pass them to another process", function()
      local a, b = p:socketpair()
      local child = p:fork()
      p:close(b)
      local r, w = p:pipe()
      p:sendmsg(a, { data = "x", fds = { r } })
      p:write(w, "for the child")
      p:close(r)
      local fd = child:recvmsg(b, 1).fds[1]
      assert.equal("for the child", child:read(fd, 99))
    end)

    it("set FD_CLOEXEC if asked", function()
      local a, b = p:socketpair()
      p:sendmsg(a, { data = "x", fds = { a } })
      local m = p:recvmsg(b, 1, fdemu.MSG_CMSG_CLOEXEC)
      assert.equal(fdemu.FD_CLOEXEC, p:fcntl(m.fds[1], fdemu.F_GETFD))
    end)

    it("close what nobody takes", function()
      local a, b = p:socketpair()
      local r, w = p:pipe()
      p:sendmsg(a, { data = "x", fds = { r } })
      p:close(r)
      assert.equal(1, p:write(w, "y"))
      assert.equal("x", p:read(b, 1))
      fails("EPIPE", p:write(w, "y"))
    end)

    it("do not keep sockets alive that carry each other", function()
      local a, b = p:socketpair()
      local r, w = p:pipe()
      p:sendmsg(a, { data = "x", fds = { a, b, r } })
      p:sendmsg(b, { data = "x", fds = { a, b } })
      p:close(r)
      p:close(a)
      assert.equal(1, p:write(w, "y"))
      p:close(b)
      fails("EPIPE", p:write(w, "y"))
    end)

    it("are given back if their sender waited for room, and nobody is left to "
      .. "take them", function()
      local a, b = pair(fdemu.SOCK_STREAM)
      local r, w = p:pipe()
      p:fcntl(a, fdemu.F_SETFL, fdemu.O_NONBLOCK)
      while p:write(a, ("x"):rep(100000)) do end
      p:fcntl(a, fdemu.F_SETFL, 0)
      local other = p:dup(b)
      local message = { data = "late", fds = { b, w } }
      local task = p:spawn(function() return p:sendmsg(a, message) end)
      k:sleep(0.001)
      p:close(w)
      p:close(b)
      p:fcntl(other, fdemu.F_SETFL, fdemu.O_NONBLOCK)
      while p:read(other, 100000) do end -- the task is yet to run
      p:close(other)
      task:join()
      assert.equal("", p:read(r, 9))
    end)

    it("refuse bad ones, and too many", function()
      local a, b = p:socketpair()
      fails("EBADF", p:sendmsg(a, { data = "x", fds = { b, 99 } }))
      local many = {}
      for i = 1, 254 do many[i] = a end
      fails("EINVAL", p:sendmsg(a, { data = "x", fds = many }))
    end)

    it("tell who sends, if asked", function()
      local a, b = p:socketpair()
      p:setsockopt(b, fdemu.SOL_SOCKET, fdemu.SO_PASSCRED, 1)
      p:write(a, "x")
      assert.same({ pid = p:getpid(), uid = 1000, gid = 1000 },
        p:recvmsg(b, 1).creds)
    end)
  end)

  describe("with names", function()
    local function get_name(fd) return p:getsockname(fd).path end

    local function tell(fd)
      p:setsockopt(fd, fdemu.SOL_SOCKET, fdemu.SO_PASSCRED, 1)
    end

    it("are given one by the first message that tells who sends it", function()
      local a, b = pair(fdemu.SOCK_DGRAM)
      tell(a)
      assert.is_nil(get_name(a))
      p:write(a, "x")
      assert.equal("\0" .. "00000", get_name(a))
      assert.same({ family = fdemu.AF_UNIX, path = "\0" .. "00000" },
        p:getpeername(b))
      assert.is_nil(get_name(b))
      assert.same(p:getsockname(a), p:recvmsg(b, 1).from)
    end)

    it("are not given one in a stream, or for what is not asked", function()
      local a, b = pair(fdemu.SOCK_STREAM)
      tell(a)
      p:write(a, "x")
      assert.is_nil(get_name(a))
      assert.is_nil(p:recvmsg(b, 1).from)
      local c, d = pair(fdemu.SOCK_DGRAM)
      tell(d)
      p:write(c, "x")
      assert.is_nil(get_name(c))
      assert.is_nil(p:recvmsg(d, 1).from)
    end)

    it("get an answer at the name that a message came from", function()
      local server = p:socket(fdemu.AF_UNIX, fdemu.SOCK_DGRAM)
      tell(server)
      fails("ENOTCONN", p:send(server, "x"))
      local client = p:socket(fdemu.AF_UNIX, fdemu.SOCK_DGRAM)
      tell(client)
      p:sendmsg(client, { data = "ping", to = p:getsockname(server) })
      local message = p:recvmsg(server, 10)
      assert.equal("ping", message.data)
      assert.equal(4, p:sendmsg(server, { data = "pong", to = message.from }))
      assert.equal("pong", p:recv(client, 10))
      p:close(client)
      fails("ECONNREFUSED", p:sendmsg(server, { data = "x", to = message.from }))
    end)

    it("refuse strangers if they have a peer", function()
      local a = pair(fdemu.SOCK_DGRAM)
      tell(a)
      p:write(a, "x")
      local stranger = p:socket(fdemu.AF_UNIX, fdemu.SOCK_DGRAM)
      fails("EPERM", p:sendmsg(stranger, { data = "x", to = p:getsockname(a) }))
    end)

    it("make strangers wait for a message to be received", function()
      local server = p:socket(fdemu.AF_UNIX, fdemu.SOCK_DGRAM)
      tell(server)
      p:send(server, "x")
      local to = p:getsockname(server)
      local client = p:socket(fdemu.AF_UNIX, fdemu.SOCK_DGRAM)
      for i = 1, 11 do
        p:sendmsg(client, { data = tostring(i), to = to })
      end
      fails("EAGAIN",
        p:sendmsg(client, { data = "x", to = to }, fdemu.MSG_DONTWAIT))
      local task = p:spawn(function()
        return p:sendmsg(client, { data = "late", to = to })
      end)
      assert.equal("1", p:recv(server, 9))
      assert.equal(4, (task:join()))
    end)

    -- A server that takes no more, its address, and a client of it.
    local function crowd()
      local server = p:socket(fdemu.AF_UNIX, fdemu.SOCK_DGRAM)
      tell(server)
      p:send(server, "x")
      local to = p:getsockname(server)
      local client = p:socket(fdemu.AF_UNIX, fdemu.SOCK_DGRAM)
      for _ = 1, 11 do p:sendmsg(client, { to = to }) end
      return server, to, client
    end

    -- A task that waits to send the only end to write of a pipe, and other
    -- descriptors; and the pipe's other end.
    local function late(client, to, ...)
      local r, w = p:pipe()
      local message = { data = "late", fds = { w, ... }, to = to }
      local task = p:spawn(function() return p:sendmsg(client, message) end)
      k:sleep(0.001)
      p:close(w)
      return task, r
    end

    it("keep descriptors for a stranger until there is room", function()
      local server, to, client = crowd()
      local task, r = late(client, to, server)
      p:recv(server, 9)
      assert.equal(4, (task:join()))
      for _ = 1, 10 do p:recv(server, 9) end
      local message = p:recvmsg(server, 9)
      assert.equal("late", message.data)
      assert.equal(2, #message.fds)
      p:write(message.fds[1], "x")
      assert.equal("x", p:read(r, 9))
    end)

    it("give descriptors back that no stranger took", function()
      local server, to, client = crowd()
      local task, r = late(client, to, server)
      task:interrupt()
      fails("EINTR", task:join())
      assert.equal("", p:read(r, 9))
      p:setsockopt(client, fdemu.SOL_SOCKET, fdemu.SO_SNDTIMEO, 1)
      task, r = late(client, to, client)
      fails("EAGAIN", task:join())
      assert.equal("", p:read(r, 9))
      task, r = late(client, to)
      p:close(server)
      fails("ECONNREFUSED", task:join())
      assert.equal("", p:read(r, 9))
    end)

    it("lose what they send to themselves when they are closed", function()
      local r, w = p:pipe()
      local a, b = crowd(), crowd()
      p:sendmsg(a, { fds = { a, b }, to = p:getsockname(a) })
      p:sendmsg(b, { fds = { a, w }, to = p:getsockname(b) })
      p:close(w)
      p:close(a)
      p:fcntl(r, fdemu.F_SETFL, fdemu.O_NONBLOCK)
      fails("EAGAIN", p:read(r, 9))
      p:close(b)
      assert.equal("", p:read(r, 9))
    end)

    it("are lost if the last who had them is gone before they are sent to "
      .. "themselves", function()
      local server, to, client = crowd()
      local task, r = late(client, to, server)
      p:recv(server, 9)
      p:close(server)
      assert.equal(4, (task:join()))
      assert.equal("", p:read(r, 9))
    end)

    it("refuse descriptors before there is room", function()
      local server, to, client = crowd()
      p:setsockopt(server, fdemu.SOL_SOCKET, fdemu.SO_PASSRIGHTS, 0)
      fails("EPERM", p:sendmsg(client, { fds = { client }, to = to }))
    end)

    it("say in a deadlock who could receive", function()
      local server, to, client = crowd()
      contains(failure(p.sendmsg, p, client, { to = to }), ("waits for room, or "
        .. "for the other end to be closed: process %d holds the other end as "
        .. "descriptor %d"):format(p:getpid(), server))
    end)

    it("keep them when the socket is gone, for those who know them", function()
      local a, b = pair(fdemu.SOCK_DGRAM)
      tell(a)
      p:write(a, "x")
      local name = p:getsockname(a)
      p:close(a)
      assert.same(name, p:getpeername(b))
      assert.same(name, p:recvmsg(b, 1).from)
    end)

    it("raise for what is no address", function()
      local a = pair(fdemu.SOCK_DGRAM)
      contains(failure(p.sendmsg, p, a, { to = "x" }), "to must be an address")
      contains(failure(p.sendmsg, p, a, { to = {} }), "to must be an address")
      contains(failure(p.sendmsg, p, a, { to = { path = 1 } }),
        "to must be an address")
      contains(failure(p.sendmsg, p, a, { to = { path = ("x"):rep(109) } }),
        "path of to is too long")
      fails("ENOENT", p:sendmsg(a, { to = { path = ("x"):rep(108) } }))
      fails("EINVAL", p:sendmsg(a, { to = { path = "" } }))
    end)
  end)

  describe("with options", function()
    it("double the sizes of buffers, within limits", function()
      local a = p:socketpair()
      local function set(option, n)
        assert.equal(0, p:setsockopt(a, fdemu.SOL_SOCKET, option, n))
        return p:getsockopt(a, fdemu.SOL_SOCKET, option)
      end
      assert.equal(4608, set(fdemu.SO_SNDBUF, 0))
      assert.equal(2304, set(fdemu.SO_RCVBUF, 0))
      assert.equal(10000, set(fdemu.SO_SNDBUF, 5000))
      assert.equal(1, set(fdemu.SO_KEEPALIVE, 7))
    end)

    it("say what they are", function()
      local a = pair(fdemu.SOCK_SEQPACKET)
      local function get(option)
        return p:getsockopt(a, fdemu.SOL_SOCKET, option)
      end
      assert.equal(fdemu.SOCK_SEQPACKET, get(fdemu.SO_TYPE))
      assert.equal(fdemu.AF_UNIX, get(fdemu.SO_DOMAIN))
      assert.same({ 1, 1000, 1000 }, { get(fdemu.SO_PEERCRED) })
      assert.same({ family = fdemu.AF_UNIX }, p:getpeername(a))
      fails("ENOPROTOOPT", get(100))
      fails("ENOPROTOOPT",
        p:setsockopt(a, fdemu.SOL_SOCKET, fdemu.SO_TYPE, 1))
    end)

    it("show when a message was sent, if asked", function()
      local a, b = pair(fdemu.SOCK_DGRAM)
      local function set(option, n)
        assert.equal(0, p:setsockopt(b, fdemu.SOL_SOCKET, option, n))
      end
      local year2000 = 946684800
      p:send(a, "before")
      assert.is_nil(p:recvmsg(b, 10, fdemu.MSG_PEEK).time)
      set(fdemu.SO_TIMESTAMPNS, 1)
      p:send(a, "after")
      k:sleep(2.5)
      -- nobody wrote down when this one was sent, so it is now
      assert.equal(year2000 + 2.5, p:recvmsg(b, 10).time)
      assert.equal(year2000, p:recvmsg(b, 10).time)
      set(fdemu.SO_TIMESTAMP, 1)
      assert.equal(0, p:getsockopt(b, fdemu.SOL_SOCKET, fdemu.SO_TIMESTAMPNS))
      p:send(a, "x")
      assert.equal(year2000 + 2.5, p:recvmsg(b, 10).time)
    end)

    it("filter what is received, and the sender does not know", function()
      local a, b = pair(fdemu.SOCK_DGRAM)
      local LDB_ABS, JEQ, RET, RET_A = 0x30, 0x15, 0x06, 0x16
      local function program(...)
        local code = {}
        for i, op in ipairs { ... } do
          code[i] = ("<I2BBI4"):pack(op[1], op[2] or 0, op[3] or 0, op[4] or 0)
        end
        return table.concat(code)
      end
      local function attach(code)
        return p:setsockopt(b, fdemu.SOL_SOCKET, fdemu.SO_ATTACH_FILTER, code)
      end
      local function count()
        return p:getsockopt(b, fdemu.SOL_SOCKET, fdemu.SO_ATTACH_FILTER)
      end
      assert.equal(0, count())
      assert.equal(0, attach(program({ LDB_ABS, 0, 0, 0 },
        { JEQ, 0, 1, ("k"):byte() }, { RET, 0, 0, 4 }, { RET, 0, 0, 0 })))
      assert.equal(4, count())
      assert.equal(6, p:send(a, "no way"))
      assert.equal(8, p:send(a, "keep off"))
      assert.equal("keep", p:recv(b, 10))
      fails("EAGAIN", p:recv(b, 10, fdemu.MSG_DONTWAIT))

      fails("EINVAL", attach(program { JEQ, 7, 7, 0 })) -- out of the code
      fails("EINVAL", attach(""))
      assert.error_matches(function() attach("123") end,
        "bad argument #4 to 'setsockopt' %(a filter must be")
      assert.error_matches(function() attach(("x"):rep(8 * 65536)) end,
        "too many operations")
      assert.equal(4, count())

      assert.equal(0, p:setsockopt(b, fdemu.SOL_SOCKET, fdemu.SO_LOCK_FILTER, 1))
      fails("EPERM", attach(program { RET_A }))
      fails("EPERM",
        p:setsockopt(b, fdemu.SOL_SOCKET, fdemu.SO_DETACH_FILTER, 0))
      p:close(b)
      assert.equal(1, p:send(a, "x")) -- the filter outlives it
    end)

    it("have filters of 4096 operations at most", function()
      local a, b = pair(fdemu.SOCK_DGRAM)
      local function attach(loads)
        local load, ret = ("<I2BBI4"):pack(0x30, 0, 0, 0), "\6\0\0\0\4\0\0\0"
        return p:setsockopt(b, fdemu.SOL_SOCKET, fdemu.SO_ATTACH_FILTER,
          load:rep(loads) .. ret)
      end
      -- Linux's translation of this one would be too large for it
      assert.equal(0, attach(4095))
      assert.equal(5, p:send(a, "short"))
      assert.equal("shor", p:recv(b, 10))
      fails("EINVAL", attach(4096))
    end)

    it("have no value if nothing was set", function()
      local a = p:socketpair()
      assert.equal(0,
        p:getsockopt(a, fdemu.SOL_SOCKET, fdemu.SO_ATTACH_FILTER))
      assert.equal(0,
        p:getsockopt(a, fdemu.SOL_SOCKET, fdemu.SO_BINDTODEVICE))
      fails("ENOPROTOOPT",
        p:getsockopt(a, fdemu.SOL_SOCKET, fdemu.SO_DETACH_FILTER))
      fails("ENOPROTOOPT", p:getsockopt(a, fdemu.SOL_SOCKET, fdemu.SO_INQ))
    end)

    it("are bound to a device once", function()
      local a = p:socketpair()
      local function bind(name)
        return p:setsockopt(a, fdemu.SOL_SOCKET, fdemu.SO_BINDTODEVICE, name)
      end
      fails("ENODEV", bind("eth0"))
      fails("ENODEV", bind(("x"):rep(100)))
      assert.equal(0, bind(""))
      assert.equal(0, bind("lo"))
      assert.equal("lo",
        p:getsockopt(a, fdemu.SOL_SOCKET, fdemu.SO_BINDTODEVICE))
      fails("EPERM", bind(""))
      assert.error_matches(function() bind {} end, "string expected")
    end)

    it("are told from each other by their cookies", function()
      local a, b = p:socketpair()
      local function get(fd, option)
        local values = table.pack(p:getsockopt(fd, fdemu.SOL_SOCKET, option))
        assert.equal(1, values.n)
        return values[1]
      end
      assert.not_equal(get(a, fdemu.SO_COOKIE), get(b, fdemu.SO_COOKIE))
      assert.equal(get(a, fdemu.SO_COOKIE), get(p:dup(a), fdemu.SO_COOKIE))
      assert.equal(get(a, fdemu.SO_NETNS_COOKIE), get(b, fdemu.SO_NETNS_COOKIE))
    end)

    it("can refuse descriptors, and take the bytes", function()
      for _, kind in ipairs { "SOCK_STREAM", "SOCK_DGRAM", "SOCK_SEQPACKET" } do
        local a, b = pair(fdemu[kind])
        assert.equal(1, p:getsockopt(b, fdemu.SOL_SOCKET, fdemu.SO_PASSRIGHTS))
        p:sendmsg(a, { data = "before", fds = { a } })
        p:setsockopt(b, fdemu.SOL_SOCKET, fdemu.SO_PASSRIGHTS, 0)
        fails("EPERM", p:sendmsg(a, { data = "x", fds = { a } }))
        fails("EPERM", p:sendmsg(a, { data = ("x"):rep(50000), fds = { a } }))
        assert.equal(5, p:sendmsg(a, { data = "bytes", fds = {} }))
        assert.equal(5, p:sendmsg(b, { data = "other", fds = { a } }))
        assert.equal(1, #p:recvmsg(b, 6).fds)
        assert.equal("bytes", p:recv(b, 100))
      end
    end)

    it("of a stream tell how much is left", function()
      local a, b = p:socketpair()
      assert.equal(0, p:setsockopt(b, fdemu.SOL_SOCKET, fdemu.SO_INQ, 1))
      fails("EINVAL", p:setsockopt(b, fdemu.SOL_SOCKET, fdemu.SO_INQ, 2))
      p:write(a, "twelve")
      p:write(a, "bytes.")
      assert.equal(12, p:recvmsg(b, 5, fdemu.MSG_PEEK).inq)
      assert.equal(7, p:recvmsg(b, 5).inq)
      assert.equal(0, p:recvmsg(b, 100).inq)
      p:close(a)
      assert.equal(0, p:recvmsg(b, 100).inq)
      local c = pair(fdemu.SOCK_DGRAM)
      fails("ENOPROTOOPT", p:setsockopt(c, fdemu.SOL_SOCKET, fdemu.SO_INQ, 1))
    end)

    it("have an owner by ioctl, too", function()
      local a = p:socketpair()
      local pid = p:getpid()
      assert.equal(0, p:ioctl(a, fdemu.FIOGETOWN))
      assert.equal(0, p:ioctl(a, fdemu.FIOSETOWN, pid))
      assert.equal(pid, p:fcntl(a, fdemu.F_GETOWN))
      assert.equal(pid, p:ioctl(a, fdemu.FIOGETOWN))
      fails("ESRCH", p:ioctl(a, fdemu.FIOSETOWN, 999))
      local r = p:pipe()
      fails("ENOTTY", p:ioctl(r, fdemu.FIOGETOWN))
    end)

    it("of networks are only kept", function()
      local a = p:socketpair()
      local BUSY_POLL, LOCK_FILTER, BUF_LOCK = 46, 44, 72
      local function get(option)
        return p:getsockopt(a, fdemu.SOL_SOCKET, option)
      end
      local function set(option, n)
        return p:setsockopt(a, fdemu.SOL_SOCKET, option, n)
      end
      assert.equal(0, get(BUSY_POLL))
      assert.equal(0, set(BUSY_POLL, 5))
      assert.equal(5, get(BUSY_POLL))
      fails("EINVAL", set(BUSY_POLL, -1))
      assert.equal(0, set(fdemu.SO_SNDBUF, 5000))
      assert.equal(1, get(BUF_LOCK))
      assert.equal(0, set(LOCK_FILTER, 1))
      fails("EPERM", set(LOCK_FILTER, 0))
    end)

    it("limit waiting in virtual time", function()
      local a = p:socketpair()
      p:setsockopt(a, fdemu.SOL_SOCKET, fdemu.SO_RCVTIMEO, 1.5)
      assert.equal(1.5,
        p:getsockopt(a, fdemu.SOL_SOCKET, fdemu.SO_RCVTIMEO))
      fails("EAGAIN", p:read(a, 1))
      assert.equal(1.5, k:now())
    end)
  end)

  it("are refused where Linux refuses them", function()
    fails("EAFNOSUPPORT", p:socketpair(99, fdemu.SOCK_STREAM))
    fails("EOPNOTSUPP", p:socketpair(fdemu.AF_INET, fdemu.SOCK_STREAM))
    fails("EPROTONOSUPPORT",
      p:socketpair(fdemu.AF_UNIX, fdemu.SOCK_STREAM, 7))
    fails("ESOCKTNOSUPPORT", p:socketpair(fdemu.AF_UNIX, 4))
    fails("EINVAL", p:socketpair(fdemu.AF_UNIX, 0x41))
  end)

  it("cannot be written to without a peer", function()
    fails("ENOTCONN", p:write(p:socket(), "x"))
    fails("EINVAL", p:read(p:socket(), 1))
    fails("ENOTCONN", p:getpeername(p:socket()))
  end)

  it("are what socket calls want, whatever the access mode", function()
    local r, w = p:pipe()
    fails("ENOTSOCK", p:send(r, "x"))
    fails("ENOTSOCK", p:recv(w, 1))
    fails("ENOTSOCK", p:sendmsg(r, {}))
    fails("ENOTSOCK", p:recvmsg(w, 1))
    fails("ENOTSOCK", p:shutdown(r, 99))
    fails("EBADF", p:send(99, "x"))
  end)

  it("are traced as strace does it", function()
    local lines = {}
    k:trace(function(event) lines[#lines + 1] = tostring(event) end)
    local a, b = p:socketpair(fdemu.AF_UNIX,
      fdemu.SOCK_STREAM | fdemu.SOCK_CLOEXEC)
    p:send(a, "hi", fdemu.MSG_NOSIGNAL)
    p:sendmsg(a, { data = "x", fds = { a } })
    p:shutdown(b, fdemu.SHUT_WR)
    k:trace(nil)
    local text = table.concat(lines, "\n")
    contains(text, "socketpair(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0, [3, 4])")
    contains(text, 'sendto(3, "hi", 2, MSG_NOSIGNAL, NULL, 0) = 2')
    contains(text, "cmsg_type=SCM_RIGHTS, cmsg_data=[3]}]")
    contains(text, "shutdown(4, SHUT_WR) = 0")
  end)

  it("explain who holds the other end of a deadlock", function()
    local a, b = p:socketpair()
    local message = failure(p.read, p, a, 1)
    contains(message, "waits for data, or for the other end to be closed: " ..
      ("process 1 holds the other end as descriptor %d"):format(b))
  end)

  it("give a stream's bytes to the reader who came last, as in Linux", function()
    local a, b = p:socketpair()
    local log = {}
    for i = 1, 2 do
      p:spawn(function() table.insert(log, i .. p:read(a, 1)) end)
    end
    k:sleep(1)
    p:write(b, "xy")
    k:run()
    assert.same({ "2x", "1y" }, log)
  end)

  it("go on waiting when O_NONBLOCK is set meanwhile", function()
    local a, b = p:socketpair()
    local task = p:spawn(function()
      return p:recv(a, 4, fdemu.MSG_WAITALL)
    end)
    k:sleep(1)
    p:fcntl(a, fdemu.F_SETFL, fdemu.O_NONBLOCK)
    p:write(b, "ab")
    k:sleep(1)
    assert.equal("waiting", task.status)
    p:write(b, "cd")
    assert.equal("abcd", (task:join()))
  end)

  it("raise for what is no message", function()
    local a = p:socketpair()
    contains(failure(p.sendmsg, p, a, "x"), "sendmsg")
    contains(failure(p.sendmsg, p, a, { data = 1 }), "data must be a string")
    contains(failure(p.sendmsg, p, a, { fds = { "x" } }),
      "fds must be a list of descriptors")
    contains(failure(p.sendmsg, p, a, { date = "x" }), "unknown field 'date'")
    contains(failure(p.sendmsg, p, a, { "x" }), "unknown field")
  end)

  it("send on what was received", function()
    local a, b = p:socketpair()
    local c, d = p:socketpair()
    p:setsockopt(b, fdemu.SOL_SOCKET, fdemu.SO_INQ, 1)
    p:sendmsg(a, { data = "x", fds = { 0 } })
    assert.equal(1, p:sendmsg(c, p:recvmsg(b, 10)))
    local message = p:recvmsg(d, 10)
    assert.equal("x", message.data)
    assert.equal(1, #message.fds)
  end)
end)
