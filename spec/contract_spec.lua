-- contract_spec.lua - every slot of a driver, wherever it comes from: a device
-- node, a bare description, or an override of a native kind.
local fdemu = require "fdemu"
local checks = require "spec.helper_checks"
local steps = require "spec.helper_steps"

local contains, failure = checks.contains, checks.failure
local fails, ready = steps.fails, steps.ready

local REQUEST = fdemu._IO("x", 1)
local COMMAND = 9999

-- For each slot: the call that leads there, what the method must be given, what
-- it returns, and what the caller gets.
local slots = {
  { "read", args = { 10 }, returns = "abc", gives = "abc",
    call = function(p, fd) return p:read(fd, 10) end },
  { "read", args = { 5 }, returns = "abcd", gives = "abc|d|4",
    call = function(p, fd)
      local list, n, errno = p:readv(fd, { 3, 2 })
      if not list then return list, n, errno end
      return table.concat(list, "|") .. "|" .. n
    end },
  { "write", args = { "hello" }, returns = 3, gives = 3, writes = true,
    call = function(p, fd) return p:write(fd, "hello") end },
  { "write", args = { "hello" }, returns = 5, gives = 5, writes = true,
    call = function(p, fd) return p:writev(fd, { "he", "", "llo" }) end },
  { "lseek", args = { -4, fdemu.SEEK_END }, returns = 33, gives = 33,
    call = function(p, fd) return p:lseek(fd, -4, fdemu.SEEK_END) end },
  { "ioctl", args = { REQUEST, 7 }, returns = 2, gives = 2,
    call = function(p, fd) return p:ioctl(fd, REQUEST, 7) end },
  { "ioctl", args = { REQUEST }, returns = nil, gives = 0,
    call = function(p, fd) return p:ioctl(fd, REQUEST) end },
  { "poll", args = {}, returns = "w", gives = "OUT WRNORM",
    call = function(p, fd) return ready(p, fd) end },
  { "poll", args = {}, returns = fdemu.POLLIN | fdemu.POLLPRI,
    gives = "IN PRI", call = function(p, fd) return ready(p, fd) end },
  { "poll", args = {}, returns = "r", gives = "1 0 0",
    call = function(p, fd)
      local _, r, w, x = p:select({ fd }, { fd }, { fd }, 0)
      return ("%d %d %d"):format(#r, #w, #x)
    end },
  { "flock", args = { fdemu.LOCK_EX | fdemu.LOCK_NB }, returns = nil,
    gives = 0, call = function(p, fd)
      return p:flock(fd, fdemu.LOCK_EX | fdemu.LOCK_NB)
    end },
  { "fcntl", args = { COMMAND, 5 }, returns = 4, gives = 4,
    call = function(p, fd) return p:fcntl(fd, COMMAND, 5) end },
  { "stat", args = {}, returns = { st_size = 77 }, gives = 77,
    call = function(p, fd)
      local st, message, errno = p:fstat(fd)
      return st and st.st_size, message, errno
    end },
  { "truncate", args = { 12 }, returns = nil, gives = 0, writes = true,
    call = function(p, fd) return p:ftruncate(fd, 12) end },
  { "sync", args = { false }, returns = nil, gives = 0,
    call = function(p, fd) return p:fsync(fd) end },
  { "sync", args = { true }, returns = nil, gives = 0,
    call = function(p, fd) return p:fdatasync(fd) end },
  { "flush", args = {}, returns = nil, gives = 0, closes = true,
    call = function(p, fd) return p:close(fd) end },
  { "release", args = {}, returns = nil, gives = 0, closes = true,
    call = function(p, fd) return p:close(fd) end },
}

-- How a descriptor whose slot is this method comes about.
local places = {}

function places.node(k, p, name, method)
  k:device("/dev/x", { [name] = method })
  return assert(p:open("/dev/x", fdemu.O_RDWR))
end

function places.bare(k, p, name, method)
  return assert(p:install(k:description { [name] = method }))
end

-- A slot that one open of a device gets later.
places["override of a scripted kind"] = function(k, p, name, method)
  local fd = places.node(k, p, "read", function() return "not this" end)
  p:description(fd)[name] = method
  return fd
end

local function override(make)
  return function(_, p, name, method, slot)
    local fd = make(p, slot)
    p:description(fd)[name] = method
    return fd
  end
end

places["override of a pipe"] = override(function(p, slot)
  local r, w = p:pipe()
  p:close(slot.writes and r or w)
  return slot.writes and w or r
end)
places["override of an eventfd"] = override(function(p)
  return p:eventfd(0, 0)
end)
places["override of a socket"] = override(function(p)
  local a, b = p:socketpair(fdemu.AF_UNIX, fdemu.SOCK_STREAM, 0)
  p:close(b)
  return a
end)
places["override of a datagram socket"] = override(function(p)
  local a, b = p:socketpair(fdemu.AF_UNIX, fdemu.SOCK_DGRAM, 0)
  p:close(b)
  return a
end)
places["override of a regular file"] = override(function(p)
  return p:open("/file", fdemu.O_RDWR | fdemu.O_CREAT, 384)
end)
places["override of a FIFO"] = override(function(p)
  p:mkfifo("/fifo", 384)
  return p:open("/fifo", fdemu.O_RDWR)
end)
places["override of random"] = override(function(p)
  return p:open("/dev/urandom", fdemu.O_RDWR)
end)
places["override of a directory"] = override(function(p)
  return p:open("/", fdemu.O_RDONLY)
end)
places["override of null"] = override(function(p)
  return p:open("/dev/null", fdemu.O_RDWR)
end)
places["override of zero"] = override(function(p)
  return p:open("/dev/zero", fdemu.O_RDWR)
end)
places["override of a timerfd"] = override(function(p)
  return p:timerfd_create(fdemu.CLOCK_MONOTONIC, 0)
end)
places["override of a memfd"] = override(function(p)
  return p:memfd_create("m", 0)
end)
places["override of an epoll"] = override(function(p)
  return p:epoll_create1(0)
end)

-- A directory cannot be opened for writing.
local function applies(slot, place)
  return not (slot.writes and place == "override of a directory")
end

local names = {}
for place in pairs(places) do names[#names + 1] = place end
table.sort(names)

describe("driver contract", function()
  local k, p

  before_each(function()
    k = fdemu.kernel()
    p = k:process()
  end)

  after_each(function()
    k:close()
  end)

  -- What holds for a slot, wherever the method comes from.
  local function contract(place, slot)
    local name = slot[1]
    local what = ("%s(%s)"):format(name,
      table.concat(slot.args, ", ",
        1, name == "sync" and 0 or #slot.args))

    local function make(method)
      local fd = places[place](k, p, name, method, slot)
      return fd, p:description(fd)
    end

    it(("calls %s for %s, and obeys it"):format(what, tostring(slot.gives)),
      function()
        local got, d
        local fd
        fd, d = make(function(self, ...)
          assert.equal(d, self)
          got = { ... }
          return slot.returns
        end)
        assert.equal(slot.gives, slot.call(p, fd))
        for i = 1, math.max(#slot.args, #got) do -- and where, for some
          assert.equal(slot.args[i] or 0, got[i] or 0)
        end
        if not slot.closes then
          p:description(fd)[name] = nil
          p:close(fd)
        end
      end)

    if name ~= "poll" and name ~= "release" then
      it(("lets %s wait, and only its caller"):format(what), function()
        local fd = make(function()
          k:sleep(1)
          return slot.returns
        end)
        local gives, at
        p:spawn(function()
          gives = slot.call(p, fd)
          at = k:now()
        end)
        k:run(0.5)
        assert.is_nil(gives)
        k:run()
        assert.equal(slot.gives, gives)
        assert.equal(1, at)
      end)

      it(("lets %s fail"):format(what), function()
        local fd = make(function() return nil, "ENODEV" end)
        fails("ENODEV", slot.call(p, fd))
      end)
    end

    it(("is loud when %s raises"):format(what), function()
      local fd = make(function() error "a bug" end)
      local err = failure(slot.call, p, fd)
      contains(err, "a bug")
      contains(err, "contract_spec.lua:")
    end)
  end

  for _, place in ipairs(names) do
    describe("on " .. place, function()
      for _, slot in ipairs(slots) do
        if applies(slot, place) then contract(place, slot) end
      end
    end)
  end

  describe("of native kinds", function()
    it("has truncate, sync and flock where the kind has them", function()
      local r = p:pipe()
      local d = p:description(r)
      for _, name in ipairs { "truncate", "sync", "flock", "lseek" } do
        assert.is_nil(d[name])
      end
    end)
  end)

  describe("open", function()
    local function open(method, flags)
      k:device("/dev/x", { open = method, read = function() return "x" end })
      return p:open("/dev/x", flags or fdemu.O_RDWR)
    end

    it("may give another Description, of any kind", function()
      local r, w = p:pipe()
      local fd = assert(open(function() return p:description(r) end))
      assert.equal(p:description(r), p:description(fd))
      p:write(w, "through")
      assert.equal("through", p:read(fd, 64))
      local bare = k:description { read = function() return "bare" end }
      fd = assert(open(function() return bare end))
      assert.equal("bare", p:read(fd, 64))
      local null = p:description(p:open("/dev/null", fdemu.O_RDWR))
      fd = assert(open(function() k:sleep(1) return null end))
      assert.equal("", p:read(fd, 64))
    end)

    it("that gives another Description is neither flushed nor released",
      function()
        local log = {}
        k:device("/dev/x", {
          open = function(self)
            self.mine = true
            return k:description { read = function() return "other" end }
          end,
          flush = function() log[#log + 1] = "flush" end,
          release = function() log[#log + 1] = "release" end,
        })
        local fd = assert(p:open("/dev/x", fdemu.O_RDWR))
        assert.equal("other", p:read(fd, 64))
        p:close(fd)
        assert.same({}, log)
      end)

    it("that gives a closed Description is a bug in the driver", function()
      local r = p:pipe()
      local d = p:description(r)
      p:close(r)
      contains(failure(open, function() return d end), "a closed Description")
    end)

    it("sees the flags that F_GETFL gives", function()
      local seen
      local flags = fdemu.O_WRONLY | fdemu.O_NONBLOCK | fdemu.O_APPEND
      local fd = assert(open(function(self, f)
        seen = f
        assert.equal(flags, self.flags & flags)
      end, flags))
      assert.equal(flags, seen)
      assert.equal(flags, p:fcntl(fd, fdemu.F_GETFL) & flags)
    end)

    it("that fails is tried again by the next open", function()
      local n = 0
      local function busy()
        n = n + 1
        if n == 1 then return nil, "EBUSY" end
      end
      fails("EBUSY", open(busy))
      assert.equal("x", p:read(assert(p:open("/dev/x", fdemu.O_RDWR)), 1))
    end)
  end)

  describe("of a file with a size and a mode", function()
    local function disk(more)
      local ops = { seekable = true, size = 4096,
        mode = fdemu.S_IFBLK | 0x180, -- rw-------
        read = function(_, count, offset)
          return ("x"):rep(math.max(0, math.min(count, 4096 - offset)))
        end }
      for name, value in pairs(more or {}) do ops[name] = value end
      return assert(p:install(k:description(ops)))
    end

    it("shows them in fstat, and lseek knows the end", function()
      local fd = disk()
      local st = p:fstat(fd)
      assert.equal(4096, st.st_size)
      assert.equal(fdemu.S_IFBLK, st.st_mode & fdemu.S_IFMT)
      assert.equal(0x180, st.st_mode & 0xfff)
      assert.equal(4000, p:lseek(fd, -96, fdemu.SEEK_END))
      assert.equal(96, #p:read(fd, 200))
      assert.equal("", p:read(fd, 200))
    end)

    it("answers preadv and pwritev at any position", function()
      local at
      local fd = disk { write = function(_, data, offset)
        at = offset
        return #data
      end }
      local list, n = p:preadv(fd, { 3, 9 }, 4090)
      assert.equal(6, n)
      assert.same({ "xxx", "xxx" }, list)
      assert.equal(5, p:pwritev(fd, { "ab", "cde" }, 100))
      assert.equal(100, at)
      assert.equal(0, p:lseek(fd, 0, fdemu.SEEK_CUR))
    end)

    it("is refused with others than integers in range", function()
      for _, ops in ipairs { { size = -1 }, { size = "x" }, { mode = 1 << 20 },
        { size = 1.5 } } do
        contains(failure(k.description, k, ops), "must be an integer from")
      end
    end)
  end)

  describe("readiness", function()
    local fd, d, mask

    before_each(function()
      mask = 0
      k:device("/dev/x", { poll = function() return mask end })
      fd = assert(p:open("/dev/x", fdemu.O_RDWR))
      d = p:description(fd)
    end)

    -- From now on it is ready to this extent.
    local function set(m)
      mask = m
      d:wake(m ~= 0 and m or nil)
    end

    local function watch(flags)
      local ep = assert(p:epoll_create1(0))
      assert.equal(0, p:epoll_ctl(ep, fdemu.EPOLL_CTL_ADD, fd,
        fdemu.EPOLLIN | flags, 0))
      return function() return #assert(p:epoll_wait(ep, 8, 0)) end, ep
    end

    it("wakes poll and select that wait", function()
      for _, wait in ipairs {
        function() return p:poll({ { fd = fd, events = fdemu.POLLIN } }, -1) end,
        function() return (p:select({ fd }, nil, nil, nil)) end,
      } do
        local n
        set(0)
        p:spawn(function() n = wait() end)
        k:run(1)
        set(fdemu.POLLOUT | fdemu.POLLWRNORM)
        k:run(1)
        assert.is_nil(n)
        set(fdemu.POLLIN | fdemu.POLLRDNORM)
        k:run()
        assert.equal(1, n)
      end
    end)

    it("of several files wakes for the first of them", function()
      local r, w = p:pipe()
      local list = { { fd = r, events = fdemu.POLLIN },
        { fd = fd, events = fdemu.POLLIN } }
      k:after(1, function() set(fdemu.POLLIN) end)
      assert.equal(1, p:poll(list, -1))
      assert.equal(0, list[1].revents)
      assert.equal(fdemu.POLLIN, list[2].revents)
      p:write(w, "x")
      assert.equal(2, p:poll(list, -1))
    end)

    it("is reported by epoll as long as it lasts", function()
      local events = watch(0)
      assert.equal(0, events())
      set(fdemu.POLLIN)
      assert.equal(1, events())
      assert.equal(1, events())
      set(0)
      assert.equal(0, events())
    end)

    it("is reported by edge-triggered epoll once for each wake", function()
      local events = watch(fdemu.EPOLLET)
      assert.equal(0, events())
      set(fdemu.POLLIN)
      assert.equal(1, events())
      assert.equal(0, events())
      d:wake "r"
      assert.equal(1, events())
      d:wake "w" -- is about something else
      assert.equal(0, events())
    end)

    it("is reported by one-shot epoll once for each MOD", function()
      local events, ep = watch(fdemu.EPOLLONESHOT)
      set(fdemu.POLLIN)
      assert.equal(1, events())
      d:wake()
      assert.equal(0, events())
      assert.equal(0, p:epoll_ctl(ep, fdemu.EPOLL_CTL_MOD, fd,
        fdemu.EPOLLIN | fdemu.EPOLLONESHOT, 0))
      assert.equal(1, events())
      assert.equal(0, events())
    end)

    it("wakes epoll_wait, and what watches the epoll", function()
      local _, ep = watch(0)
      local outer = assert(p:epoll_create1(0))
      assert.equal(0, p:epoll_ctl(outer, fdemu.EPOLL_CTL_ADD, ep,
        fdemu.EPOLLIN, 0))
      k:after(1, function() set(fdemu.POLLIN) end)
      assert.equal(1, #p:epoll_wait(outer, 8, -1))
      assert.equal(1, k:now())
      assert.equal(1, #p:epoll_wait(ep, 8, -1))
    end)

    it("shows errors and hangups unasked", function()
      local events = watch(0)
      set(fdemu.POLLHUP)
      assert.equal(1, events())
      local list = { { fd = fd, events = 0 } }
      assert.equal(1, p:poll(list, 0))
      assert.equal(fdemu.POLLHUP, list[1].revents)
    end)
  end)
end)
