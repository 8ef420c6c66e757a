-- close_spec.lua - closes that the core puts off look as if they had not been
local fdemu = require "fdemu"
local checks = require "spec.helper_checks"

local POLLIN, POLLHUP = fdemu.POLLIN, fdemu.POLLHUP

describe("close", function()
  local k, p

  before_each(function()
    k = fdemu.kernel()
    p = k:process { stdout = "null", stderr = "null" }
  end)

  after_each(function() k:close() end)

  -- What poll() says of fd, without waiting.
  local function ready(fd)
    local list = { { fd = fd, events = POLLIN } }
    p:poll(list, 0)
    return list[1].revents
  end

  -- Numbers 1 to n in an order of their own for each seed.
  local function shuffled(n, seed)
    local list = {}
    for i = 1, n do list[i] = i end
    for i = n, 2, -1 do
      seed = (seed * 1103515245 + 12345) % 2147483648
      local j = seed // 65536 % i + 1
      list[i], list[j] = list[j], list[i]
    end
    return list
  end

  -- n tasks wait for a pipe each, whose other ends are closed in that order, a
  -- few before each sleep. Returns the order in which the tasks hear of it.
  local function hangups(options, n, closes)
    local world = fdemu.kernel(options)
    local q = world:process { stdout = "null", stderr = "null" }
    local writers, heard = {}, {}
    for i = 1, n do
      local r, w = q:pipe()
      writers[i] = w
      q:spawn(function()
        assert.equal("", q:read(r, 1))
        heard[#heard + 1] = i
      end)
    end
    q:spawn(function()
      for at, i in ipairs(closes) do
        assert.equal(0, q:close(writers[i]))
        if at % 7 == 0 then world:sleep(0.001) end
      end
    end)
    world:run()
    world:close()
    return heard
  end

  it("is heard of by those who wait in the order of the closes", function()
    for seed = 1, 20 do
      local closes = shuffled(100, seed)
      assert.same(closes, hangups({}, 100, closes))
    end
  end)

  it("is heard of in the order that chance chooses, put off or not", function()
    for seed = 1, 20 do
      local closes = shuffled(60, seed)
      local options = { seed = seed, order = "random" }
      local late = hangups(options, 60, closes)
      options.origins = true -- puts nothing off
      assert.same(hangups(options, 60, closes), late)
      assert.not_same(closes, late)
    end
  end)

  it("of the last writer is heard of by a poll, an epoll and a select", function()
    local heard = {}
    local function waiter(name, wait)
      local r, w = p:pipe()
      p:spawn(function()
        wait(r)
        heard[#heard + 1] = name
      end)
      return w
    end
    local writers = {
      waiter("poll", function(r) p:poll({ { fd = r, events = 0 } }, -1) end),
      waiter("epoll", function(r)
        local ep = p:epoll_create1(0)
        p:epoll_ctl(ep, fdemu.EPOLL_CTL_ADD, r, fdemu.EPOLLIN)
        p:epoll_wait(ep, 1, -1)
      end),
      waiter("select", function(r) p:select({ r }) end),
    }
    p:spawn(function()
      for _, w in ipairs(writers) do p:close(w) end
    end)
    k:run()
    assert.same({ "poll", "epoll", "select" }, heard)
  end)

  it("in the main chunk lets a read there go on", function()
    local r, w = p:pipe()
    p:close(w)
    assert.equal("", p:read(r, 1))
    assert.equal(0, k:now())
  end)

  it("of a timer that is set leaves nothing to wait for", function()
    local fd = p:timerfd_create(fdemu.CLOCK_MONOTONIC, 0)
    local r = p:pipe()
    p:timerfd_settime(fd, 0, 5)
    p:close(fd)
    checks.contains(checks.failure(p.read, p, r, 1), "deadlock")
    assert.equal(0, k:now())
  end)

  describe("before that of a device", function()
    local r, w, log

    -- A device whose methods look at the pipe.
    local function device()
      local function method(name)
        return function() log[#log + 1] = name .. " " .. ready(r) end
      end
      k:device("/dev/looks",
        { flush = method "flush", release = method "release" })
      return assert(p:open "/dev/looks")
    end

    before_each(function()
      log = {}
      r, w = p:pipe()
    end)

    it("is done when the device's methods run", function()
      local fd = device()
      assert.equal(0, p:close(w))
      assert.equal(0, p:close(fd))
      assert.same({ "flush " .. POLLHUP, "release " .. POLLHUP }, log)
    end)

    it("is done, though the device is opened in between", function()
      for _ = 1, 10 do p:close((p:pipe())) end
      assert.equal(0, p:close(w))
      local fd = device()
      assert.equal(0, p:close(fd))
      assert.same({ "flush " .. POLLHUP, "release " .. POLLHUP }, log)
    end)

    it("is not done when it comes behind it", function()
      local fd = device()
      assert.equal(0, p:close(fd))
      assert.equal(0, p:close(w))
      assert.same({ "flush 0", "release 0" }, log)
      assert.equal(POLLHUP, ready(r))
    end)

    it("is done by a method that closes, when it looks", function()
      local fd
      k:device("/dev/closes", {
        flush = function()
          p:close(w)
          log[#log + 1] = ready(r)
        end,
      })
      fd = assert(p:open "/dev/closes")
      assert.equal(0, p:close(fd))
      assert.same({ POLLHUP }, log)
    end)
  end)

  describe("of a descriptor with a Description", function()
    local r, w

    before_each(function() r, w = p:pipe() end)

    it("is seen by that of the other end, taken before", function()
      local d = p:description(r)
      assert.equal(0, d:poll() & POLLHUP)
      p:close(w)
      assert.equal(POLLHUP, d:poll() & POLLHUP)
    end)

    it("is seen by that of the other end, taken afterwards", function()
      p:close(w)
      assert.equal(POLLHUP, p:description(r):poll() & POLLHUP)
    end)

    it("takes a reference away", function()
      local d = p:description(w)
      local copy = p:dup(w)
      assert.equal(2, d.refs)
      p:close(w)
      assert.equal(1, d.refs)
      p:close(copy)
      assert.equal(0, d.refs)
      assert.equal(POLLHUP, ready(r))
    end)

    it("leaves none to be had", function()
      p:close(w)
      assert.same({ nil, "Bad file descriptor", fdemu.EBADF },
        { p:description(w) })
    end)

    it("calls a release that was set before it returns", function()
      local log = {}
      local _, other = p:pipe()
      p:description(w).release = function() log[#log + 1] = "released" end
      p:close(other)
      p:close(w)
      assert.same({ "released" }, log)
      assert.equal(POLLHUP, ready(r))
    end)

    it("calls no release that was set afterwards", function()
      local log = {}
      local d = p:description(r)
      p:close(w)
      d.release = function() log[#log + 1] = "reader" end
      assert.equal(POLLHUP, ready(r))
      assert.same({}, log)
      p:close(r)
      assert.same({ "reader" }, log)
    end)

    it("is put off again when they are gone, and looks the same", function()
      local d = p:description(w)
      p:close(w)
      assert.equal(0, d.refs)
      local r2, w2 = p:pipe()
      p:close(w2)
      assert.equal(POLLHUP, ready(r2))
      assert.same({ nil, "Bad file descriptor", fdemu.EBADF },
        { p:close(w2) })
    end)
  end)

  it("lets a kernel be collected when nothing came behind it", function()
    local kept = setmetatable({}, { __mode = "k" })
    for i = 1, 60 do
      local world = fdemu.kernel()
      local q = world:process { stdout = "null", stderr = "null" }
      local fds = {}
      for n = 1, 40 do fds[n] = q:eventfd(0, 0) end
      for n = 1, i do
        if fds[n] then q:close(fds[n]) end
      end
      kept[world] = true
    end
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(kept))
  end)

  it("gives memory and room back in time, whatever the limit", function()
    for memory = 60000, 120000, 4001 do
      local options = { runs = 2, limits = { memory = memory } }
      fdemu.explore(options, function(world)
        local q = world:process { stdout = "null", stderr = "null" }
        for _ = 1, 100 do
          local fd = q:memfd_create "comes and goes"
          q:write(fd, ("x"):rep(10000))
          q:close(fd)
        end
      end)
    end
  end)

  it("does not hide what reaches a limit", function()
    local options = { runs = 2, limits = { memory = 120000 } }
    local ok, err = pcall(fdemu.explore, options, function(world)
      local q = world:process { stdout = "null", stderr = "null" }
      while true do
        local fd = q:memfd_create "stays"
        q:write(fd, ("x"):rep(10000))
        q:close(q:dup(fd))
      end
    end)
    assert.is_false(ok)
    assert.equal("limit", err.verdict)
  end)
end)
