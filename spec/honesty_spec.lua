-- honesty_spec.lua - what a driver says of itself is compared with what it does
local fdemu = require "fdemu"
local checks = require "spec.helper_checks"
local steps = require "spec.helper_steps"

local contains, failure = checks.contains, checks.failure
local fails = steps.fails

describe("honesty", function()
  local k, p

  before_each(function()
    k = fdemu.kernel()
    p = k:process()
  end)

  after_each(function()
    k:close()
  end)

  local function open(ops, flags)
    k:device("/dev/x", ops)
    return assert(p:open("/dev/x", flags or fdemu.O_RDWR))
  end

  -- The error names the driver, and the line of the slot.
  local function dishonest(slot, expected, fn, ...)
    local err = failure(fn, ...)
    contains(err, "driver 'x': ")
    contains(err, expected)
    assert.is_truthy(err:find("%(" .. slot .. " at [^)]*honesty_spec.lua:%d+%)"),
      err)
    return err
  end

  -- A queue as a correct driver has it; broken overrides what it says.
  local function queue(broken)
    local ops = { data = "",
      read = function(self, count)
        if self.data == "" then return nil, "EAGAIN" end
        local s = self.data:sub(1, count)
        self.data = self.data:sub(count + 1)
        return s
      end,
      write = function(self, data)
        self.data = self.data .. data
        self:wake()
        return #data
      end,
      poll = function(self) return self.data ~= "" and "rw" or "w" end }
    for name, method in pairs(broken or {}) do ops[name] = method end
    return ops
  end

  describe("about counts", function()
    it("wants no more bytes than asked", function()
      local fd = open { read = function() return "12345" end }
      dishonest("read", "read returned 5 bytes, 3 were asked", p.read, p, fd, 3)
    end)

    it("wants no count over the data", function()
      local fd = open { write = function() return 5 end }
      dishonest("write", "write returned a count of 5, the data had 3 bytes",
        p.write, p, fd, "abc")
    end)
  end)

  describe("about readiness", function()
    it("wants no EAGAIN from a read that poll says is ready", function()
      local fd = open { read = function() return nil, "EAGAIN" end,
        poll = function() return "r" end }
      dishonest("read", "read returned EAGAIN, but poll says that it is readable",
        p.read, p, fd, 3)
    end)

    it("wants it of non-blocking callers and vectors, too", function()
      local fd = open({ read = function() return nil, "EAGAIN" end,
        poll = function() return fdemu.POLLIN end }, fdemu.O_NONBLOCK)
      dishonest("read", "poll says", p.read, p, fd, 3)
      dishonest("read", "poll says", p.readv, p, fd, { 1, 2 })
    end)

    it("wants it after a wait as well", function()
      local fd = open { read = function()
        k:sleep(1)
        return nil, "EAGAIN"
      end, poll = function() return "r" end }
      dishonest("read", "poll says", p.read, p, fd, 3)
    end)

    it("wants it of overrides that have both", function()
      local r, w = p:pipe()
      local d = p:description(r)
      d.read = function() return nil, "EAGAIN" end
      d.poll = function() return "r" end
      contains(failure(p.read, p, r, 1), "driver 'pipe': read returned EAGAIN")
      d.poll = nil
      p:write(w, "x")
      p:fcntl(r, fdemu.F_SETFL, fdemu.O_NONBLOCK)
      fails("EAGAIN", p:read(r, 1)) -- the pipe's own poll is not asked
    end)

    it("says nothing of a read of 0 bytes", function()
      local fd = open({ read = function() return nil, "EAGAIN" end,
        poll = function() return "r" end }, fdemu.O_NONBLOCK)
      fails("EAGAIN", p:read(fd, 0))
    end)

    it("leaves the driver usable", function()
      local lies = true
      local fd = open(queue { poll = function(self)
        return (lies or self.data ~= "") and "rw" or "w"
      end })
      dishonest("read", "poll says", p.read, p, fd, 3)
      lies = false
      p:write(fd, "abc")
      assert.equal("abc", p:read(fd, 3))
    end)
  end)

  describe("about wakes", function()
    -- A device that gets data after a second, and tells nobody.
    local function mute()
      return open(queue { write = function(self, data)
        self.data = self.data .. data
        return #data
      end })
    end

    it("wants one when a read that waits could go on", function()
      local fd = mute()
      k:after(1, function() p:write(fd, "x") end)
      dishonest("poll", "poll says that it is readable, but nobody has woken"
        .. " who waits for that: self:wake() is missing", p.read, p, fd, 1)
      assert.equal(1, k:now())
    end)

    it("wants one before the time moves on, and goes on after that", function()
      local fd = mute()
      local got
      p:spawn(function() got = p:read(fd, 1) end)
      k:after(1, function() p:write(fd, "x") end)
      k:after(2, function() end)
      dishonest("poll", "self:wake() is missing", k.run, k)
      assert.equal(1, k:now())
      assert.is_nil(got)
      k:run()
      assert.equal("x", got)
      assert.equal(2, k:now())
    end)

    it("wants one for poll, select and epoll that wait", function()
      for _, wait in ipairs {
        function(fd) p:poll({ { fd = fd, events = fdemu.POLLIN } }, -1) end,
        function(fd) p:select({ fd }, nil, nil, nil) end,
        function(fd)
          local ep = p:epoll_create1(0)
          p:epoll_ctl(ep, fdemu.EPOLL_CTL_ADD, fd, fdemu.EPOLLIN, 0)
          p:epoll_wait(ep, 1, -1)
        end,
        function(fd)
          local ep = p:epoll_create1(0)
          p:epoll_ctl(ep, fdemu.EPOLL_CTL_ADD, fd,
            fdemu.EPOLLIN | fdemu.EPOLLET, 0)
          p:epoll_wait(ep, 1, -1)
        end,
      } do
        local fd = mute()
        k:after(1, function() p:write(fd, "x") end)
        dishonest("poll", "self:wake() is missing", wait, fd)
      end
    end)

    it("wants one for a write that waits", function()
      local room = 0
      local fd = open { poll = function() return room > 0 and "w" or 0 end,
        write = function(_, data)
          if room == 0 then return nil, "EAGAIN" end
          return #data
        end }
      k:after(1, function() room = 1 end)
      dishonest("poll", "it is writable, but nobody", p.write, p, fd, "x")
    end)

    it("wants none from who wakes", function()
      local fd = open(queue())
      k:after(1, function() p:write(fd, "x") end)
      k:after(3, function() p:write(fd, "yz") end)
      assert.equal("x", p:read(fd, 9))
      assert.equal(1, p:poll({ { fd = fd, events = fdemu.POLLIN } }, -1))
      assert.equal("y", p:read(fd, 1))
      assert.equal("z", p:read(fd, 1))
      assert.equal(3, k:now())
    end)

    it("wants none of several readers of which one was served", function()
      local fd = open(queue())
      local got = {}
      for i = 1, 3 do
        p:spawn(function()
          local s = p:read(fd, 1)
          got[#got + 1] = i .. s
        end)
      end
      for i = 1, 3 do
        k:after(i, function() p:write(fd, "x") end)
      end
      k:run()
      table.sort(got)
      assert.same({ "1x", "2x", "3x" }, got)
    end)

    it("wants none for what nobody waits for", function()
      local fd = mute()
      p:spawn(function()
        assert.equal(0, p:poll({ { fd = fd, events = fdemu.POLLPRI } }, 3000))
      end)
      k:after(1, function() p:write(fd, "x") end)
      k:run()
      assert.equal(3, k:now())
    end)

    it("wants none of an epoll that has already reported it", function()
      local fd = open(queue())
      local ep = p:epoll_create1(0)
      p:epoll_ctl(ep, fdemu.EPOLL_CTL_ADD, fd, fdemu.EPOLLIN | fdemu.EPOLLET, 0)
      p:write(fd, "x")
      assert.equal(1, #p:epoll_wait(ep, 1, -1))
      assert.equal(0, #p:epoll_wait(ep, 1, 1000))
      assert.equal(1, k:now())
    end)

    it("wants none from a method that is still under way", function()
      local fd = open(queue { write = function(self, data)
        self.data = self.data .. data
        k:sleep(1)
        self:wake()
        return #data
      end })
      p:spawn(function() p:write(fd, "x") end)
      assert.equal("x", p:read(fd, 1))
      assert.equal(1, k:now())
    end)

    it("wants none from readiness that comes with time, and its timer",
      function()
        local fd = open {
          read = function()
            if k:now() < 1 then return nil, "EAGAIN" end
            return "x"
          end,
          poll = function() return k:now() >= 1 and "r" or 0 end }
        local d = p:description(fd)
        k:after(1, function() end) -- comes first
        k:after(1, function() d:wake() end)
        assert.equal("x", p:read(fd, 1))
      end)
  end)

  describe("about the end of file", function()
    it("wants it to stay", function()
      local data = { "abc", "", "def" }
      local fd = open { read = function() return table.remove(data, 1) end }
      assert.equal("abc", p:read(fd, 9))
      assert.equal("", p:read(fd, 9))
      dishonest("read", 'read returned data after the end of file, ""',
        p.read, p, fd, 9)
    end)

    it("lets it go when something else was done", function()
      local data = ""
      local fd = open {
        read = function() local s = data data = "" return s end,
        write = function(_, s) data = s return #s end,
        ioctl = function() data = "ioctl" end }
      assert.equal("", p:read(fd, 9))
      p:write(fd, "answer")
      assert.equal("answer", p:read(fd, 9))
      assert.equal("", p:read(fd, 9))
      p:ioctl(fd, 1)
      assert.equal("ioctl", p:read(fd, 9))
      assert.equal("", p:read(fd, 9))
      data = "woken"
      p:description(fd):wake()
      assert.equal("woken", p:read(fd, 9))
    end)

    it("is not confused by reads of 0 bytes", function()
      local fd = open { read = function(_, count) return ("x"):rep(count) end }
      assert.equal("", p:read(fd, 0))
      assert.equal("x", p:read(fd, 1))
    end)

    it("belongs to one open", function()
      local fd = open { read = function(self)
        return self.flags & fdemu.O_NONBLOCK ~= 0 and "x" or ""
      end }
      local other = p:open("/dev/x", fdemu.O_NONBLOCK)
      assert.equal("", p:read(fd, 1))
      assert.equal("x", p:read(other, 1))
    end)

    it("is a matter of the position where there is one", function()
      local fd = open { seekable = true, read = function(_, count, offset)
        return ("abc"):sub(offset + 1, offset + count)
      end }
      assert.equal("abc", p:read(fd, 9))
      assert.equal("", p:read(fd, 9))
      assert.equal("c", p:pread(fd, 9, 2))
    end)
  end)

  describe("can be turned off", function()
    local ops = { read = function() return nil, "EAGAIN" end,
      poll = function() return "r" end }

    it("for a kernel", function()
      local other = fdemu.kernel { honest = false }
      local q = other:process()
      other:device("/dev/x", ops)
      local fd = q:open("/dev/x", fdemu.O_NONBLOCK)
      fails("EAGAIN", q:read(fd, 1))
      other:close()
    end)

    it("for a driver", function()
      local fd = open({ read = ops.read, poll = ops.poll, honest = false },
        fdemu.O_NONBLOCK)
      fails("EAGAIN", p:read(fd, 1))
    end)

    it("by a boolean and nothing else", function()
      contains(failure(fdemu.kernel, { honest = 1 }), "'honest' must be a boolean")
      contains(failure(k.device, k, "/dev/x", { honest = 1 }),
        "honest must be a boolean")
    end)
  end)
end)
