-- socket_urgent_spec.lua - urgent data of stream sockets: MSG_OOB, the mark.
-- Every result is what Linux 6.18 gives.

local fdemu = require "fdemu"
local steps = require "spec.helper_steps"

local fails = steps.fails
local OOB, PEEK = fdemu.MSG_OOB, fdemu.MSG_PEEK

describe("urgent data", function()
  local k, p, a, b -- what a sends, b receives

  before_each(function()
    k = fdemu.kernel { nofile = 32 }
    p = k:process { stdout = "null", stderr = "null" }
    a, b = p:socketpair(fdemu.AF_UNIX,
      fdemu.SOCK_STREAM | fdemu.SOCK_NONBLOCK)
  end)

  after_each(function()
    k:run()
    k:close()
  end)

  local function option(fd, name, value)
    assert.equal(0, p:setsockopt(fd, fdemu.SOL_SOCKET, name, value))
  end

  local function at_mark() return p:ioctl(b, fdemu.SIOCATMARK) end

  local function ready(fd, events)
    local list = { { fd = fd, events = events } }
    p:poll(list, 0)
    return list[1].revents
  end

  describe("is one byte,", function()
    it("the last that was sent, and is received apart", function()
      assert.equal(5, p:send(a, "abort", OOB))
      assert.equal("t", p:recv(b, 10, OOB))
      assert.equal("abor", p:recv(b, 10))
    end)

    it("and there is one at a time: an earlier one becomes ordinary", function()
      p:send(a, "ab", OOB)
      p:send(a, "cd", OOB)
      assert.equal("d", p:recv(b, 10, OOB))
      assert.equal("abc", p:recv(b, 10))
    end)

    it("which can be taken once, and looked at before", function()
      p:send(a, "!", OOB)
      assert.equal("!", p:recv(b, 10, OOB | PEEK))
      assert.equal("!", p:recv(b, 10, OOB))
      fails("EINVAL", p:recv(b, 10, OOB))
    end)

    it("so that nothing cannot be urgent", function()
      fails("EOPNOTSUPP", p:send(a, "", OOB))
      fails("EINVAL", p:recv(b, 10, OOB))
    end)

    it("and taking it never waits", function()
      local _, d = p:socketpair()
      fails("EINVAL", p:recv(d, 1, OOB))
    end)

    it("of streams only", function()
      for _, type in ipairs { fdemu.SOCK_DGRAM, fdemu.SOCK_SEQPACKET } do
        local c, d = p:socketpair(fdemu.AF_UNIX, type)
        fails("EOPNOTSUPP", p:send(c, "x", OOB))
        fails("EOPNOTSUPP", p:recv(d, 1, OOB))
        fails("EOPNOTSUPP", p:ioctl(d, fdemu.SIOCATMARK))
      end
    end)
  end)

  describe("is a mark", function()
    it("where a read stops", function()
      p:send(a, "abc", OOB)
      p:send(a, "def")
      assert.equal(0, at_mark())
      assert.equal("ab", p:read(b, 10))
      assert.equal(1, at_mark())
      assert.equal("c", p:recv(b, 1, OOB))
      assert.equal("def", p:read(b, 10))
    end)

    it("that a read passes over when it begins there: the byte is lost",
      function()
        p:send(a, "abc", OOB)
        p:send(a, "def")
        assert.equal("ab", p:read(b, 10))
        assert.equal("def", p:read(b, 10))
        fails("EINVAL", p:recv(b, 1, OOB))
      end)

    it("that stays when the byte was taken", function()
      p:send(a, "abc", OOB)
      p:send(a, "def")
      assert.equal("c", p:recv(b, 1, OOB))
      assert.equal("ab", p:read(b, 10))
      assert.equal(1, at_mark())
      assert.equal("def", p:read(b, 10))
    end)

    it("where MSG_WAITALL stops as well", function()
      local c, d = p:socketpair()
      p:send(c, "abc", OOB)
      assert.equal("ab", p:recv(d, 10, fdemu.MSG_WAITALL))
    end)

    it("where MSG_PEEK stops, and beyond which it sees, without moving it",
      function()
        p:send(a, "abc", OOB)
        p:send(a, "def")
        assert.equal("ab", p:recv(b, 10, PEEK))
        p:read(b, 10)
        assert.equal("def", p:recv(b, 10, PEEK))
        assert.equal("c", p:recv(b, 10, OOB))
      end)

    it("that SO_PEEK_OFF counts, and may begin at", function()
      option(b, fdemu.SO_PEEK_OFF, 2)
      p:send(a, "abc", OOB)
      p:send(a, "def")
      assert.equal("cdef", p:recv(b, 10, PEEK))
      assert.equal(6, p:getsockopt(b, fdemu.SOL_SOCKET, fdemu.SO_PEEK_OFF))
    end)
  end)

  describe("with SO_OOBINLINE", function()
    before_each(function() option(b, fdemu.SO_OOBINLINE, 1) end)

    it("is a byte like others, and the mark is before it", function()
      p:send(a, "abc", OOB)
      p:send(a, "def")
      assert.equal("ab", p:read(b, 10))
      assert.equal(1, at_mark())
      assert.equal("cdef", p:read(b, 10))
    end)

    it("is not received apart", function()
      p:send(a, "!", OOB)
      fails("EINVAL", p:recv(b, 1, OOB))
      assert.equal("!", p:recv(b, 1))
    end)
  end)

  describe("is told of", function()
    it("by POLLPRI, until it is taken", function()
      local events = fdemu.POLLIN | fdemu.POLLPRI
      p:send(a, "ab")
      assert.equal(fdemu.POLLIN, ready(b, events))
      p:send(a, "!", OOB)
      assert.equal(events, ready(b, events))
      p:recv(b, 1, OOB)
      assert.equal(fdemu.POLLIN, ready(b, events))
    end)

    it("by select, as an exception", function()
      p:send(a, "!", OOB)
      local count, _, _, exceptional = p:select(nil, nil, { a, b }, 0)
      assert.equal(1, count)
      assert.same({ b }, exceptional)
    end)

    it("by poll and epoll to who waits for it, and for nothing else", function()
      local ep = p:epoll_create1(0)
      p:epoll_ctl(ep, fdemu.EPOLL_CTL_ADD, b, fdemu.EPOLLPRI, 7)
      local poller = p:spawn(function()
        return p:poll({ { fd = b, events = fdemu.POLLPRI } }, -1), k:now()
      end)
      local waiter = p:spawn(function()
        return p:epoll_wait(ep, 1, -1)[1].data, k:now()
      end)
      k:after(1, function() p:send(a, "ordinary") end)
      k:after(2, function() p:send(a, "!", OOB) end)
      assert.same({ 1, 2 }, { poller:join() })
      assert.same({ 7, 2 }, { waiter:join() })
    end)

    it("by SIGURG, to the owner, if there is one", function()
      p:send(a, "!", OOB)
      assert.same({}, p:signals())
      p:fcntl(b, fdemu.F_SETOWN, p:getpid())
      p:send(a, "!", OOB)
      assert.same({ [fdemu.SIGURG] = 1 }, p:signals())
    end)

    it("by a second signal, with O_ASYNC and F_SETSIG", function()
      p:fcntl(b, fdemu.F_SETOWN, p:getpid())
      p:fcntl(b, fdemu.F_SETFL, fdemu.O_ASYNC)
      p:fcntl(b, fdemu.F_SETSIG, fdemu.SIGUSR1)
      p:send(a, "!", OOB)
      assert.same({ [fdemu.SIGURG] = 1, [fdemu.SIGUSR1] = 2 }, p:signals())
    end)

    it("by the flags of recvmsg", function()
      p:send(a, "ab", OOB)
      assert.same({ data = "b", fds = {}, flags = OOB }, p:recvmsg(b, 9, OOB))
      assert.same({ data = "a", fds = {}, flags = 0 }, p:recvmsg(b, 9))
    end)

    it("by FIONREAD, which goes on counting what a read passed over", function()
      p:send(a, "ab", OOB)
      assert.equal(2, p:ioctl(b, fdemu.FIONREAD))
      p:recv(b, 1, OOB)
      assert.equal(1, p:ioctl(b, fdemu.FIONREAD))
      p:read(b, 1)
      p:send(a, "!", OOB)
      fails("EAGAIN", p:read(b, 1))
      assert.equal(1, p:ioctl(b, fdemu.FIONREAD))
    end)
  end)

  describe("and who waits to read", function()
    local d, reader

    before_each(function()
      local c
      c, d = p:socketpair()
      a = c
      reader = p:spawn(function() return p:read(d, 10), k:now() end)
    end)

    it("is given what came before it", function()
      k:after(1, function() p:send(a, "ab!", OOB) end)
      assert.same({ "ab", 1 }, { reader:join() })
      assert.equal("!", p:recv(d, 1, OOB))
    end)

    it("goes on waiting if that is nothing, and has lost it", function()
      k:after(1, function() p:send(a, "!", OOB) end)
      k:after(2, function() p:send(a, "ab") end)
      assert.same({ "ab", 2 }, { reader:join() })
      fails("EINVAL", p:recv(d, 1, OOB))
    end)
  end)

  describe("that nobody received", function()
    it("is lost data to the sender", function()
      p:send(a, "!", OOB)
      p:close(b)
      fails("ECONNRESET", p:read(a, 1))
    end)

    it("is there after the sender has closed", function()
      p:send(a, "ab!", OOB)
      p:close(a)
      assert.equal("ab", p:read(b, 10))
      assert.equal("!", p:recv(b, 1, OOB))
      assert.equal("", p:read(b, 10))
    end)

    it("is no lost data if it was taken, though its mark was not passed",
      function()
        p:send(a, "!", OOB)
        p:recv(b, 1, OOB)
        p:close(b)
        assert.equal("", p:read(a, 1))
      end)
  end)

  it("carries descriptors that nobody receives, and that close with it",
    function()
      local r, w = p:pipe()
      p:sendmsg(a, { data = "!", fds = { w } }, OOB)
      p:close(w)
      assert.same({}, p:recvmsg(b, 1, OOB).fds)
      assert.equal(0, ready(r, fdemu.POLLIN)) -- w is still on its way
      fails("EAGAIN", p:read(b, 1))
      assert.equal("", p:read(r, 1))
    end)
end)
