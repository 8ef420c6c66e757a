-- poll_spec.lua - poll: masks, timeouts on virtual time, who is woken.
-- Every result is what Linux 6.18 gives.

local fdemu = require "fdemu"
local steps = require "spec.helper_steps"

local fails, ready, run = steps.fails, steps.ready, steps.run

local IN, OUT = fdemu.POLLIN, fdemu.POLLOUT

describe("poll", function()
  local k, p

  before_each(function()
    k = fdemu.kernel { nofile = 64 }
    p = k:process { stdout = "null", stderr = "null" }
  end)

  after_each(function() k:close() end)

  -- A list for poll from descriptors that are all asked for `events`.
  local function list_of(events, ...)
    local list = {}
    for i, fd in ipairs { ... } do list[i] = { fd = fd, events = events } end
    return list
  end

  local function revents(list)
    local t = {}
    for i, entry in ipairs(list) do t[i] = steps.mask(entry.revents) end
    return t
  end

  it("has Linux's bits", function()
    for name, value in pairs {
      POLLIN = 1, POLLPRI = 2, POLLOUT = 4, POLLERR = 8, POLLHUP = 16,
      POLLNVAL = 32, POLLRDNORM = 64, POLLRDBAND = 128, POLLWRNORM = 256,
      POLLWRBAND = 512, POLLRDHUP = 0x2000,
    } do
      assert.equal(value, fdemu[name], name)
    end
  end)

  describe("on a pipe", function()
    it("shows the state of both ends", function()
      run(p, [[
        pipe2 r w NONBLOCK
        poll r = -
        poll w = OUT WRNORM
        write w 1 = 1
        poll r = IN RDNORM
        poll w = OUT WRNORM
        write w 70000 = 61808
        poll r = IN RDNORM
        poll w = -
        read r 368 = 368
        poll w = -
        read r 1 = 1
        poll w = OUT WRNORM
        read r 70000 = 61440
        poll r = -
        poll w = OUT WRNORM
      ]])
    end)

    it("shows that the writers are gone", function()
      run(p, [[
        pipe2 r w
        write w 1 = 1
        close w
        poll r = IN HUP RDNORM
        read r 1 = 1
        poll r = HUP
        read r 1 = 0
        poll r = HUP
      ]])
    end)

    it("shows that the readers are gone", function()
      run(p, [[
        pipe2 r w NONBLOCK
        close r
        poll w = OUT ERR WRNORM
        pipe2 r2 w2 NONBLOCK
        write w2 70000 = 65536
        close r2
        poll w2 = ERR
      ]])
    end)

    it("reports only what was asked for, and ERR and HUP", function()
      local r, w = p:pipe()
      p:write(w, "x")
      assert.equal("IN", ready(p, r, IN))
      assert.equal("RDNORM", ready(p, r, fdemu.POLLRDNORM))
      assert.equal("-", ready(p, r, OUT))
      assert.equal("-", ready(p, r, fdemu.POLLPRI))
      assert.equal("-", ready(p, r, 0))
      assert.equal("-", ready(p, w, IN))
      assert.equal("WRNORM", ready(p, w, fdemu.POLLWRNORM))
      p:close(w)
      assert.equal("HUP", ready(p, r, 0))
      assert.equal("HUP", ready(p, r, OUT))
      local r2, w2 = p:pipe()
      p:close(r2)
      assert.equal("ERR", ready(p, w2, 0))
      assert.equal("ERR", ready(p, w2, IN))
    end)
  end)

  describe("of a list", function()
    it("counts the entries that are ready", function()
      local r1, w1 = p:pipe()
      local r2, w2 = p:pipe()
      local list = list_of(IN | OUT, r1, w1, r2, w2)
      assert.equal(2, p:poll(list, 0))
      assert.same({ "-", "OUT", "-", "OUT" }, revents(list))
      p:write(w2, "x")
      assert.equal(3, p:poll(list, 0))
      assert.same({ "-", "OUT", "IN", "OUT" }, revents(list))
    end)

    it("clears what an earlier call reported", function()
      local r, w = p:pipe()
      p:write(w, "x")
      local list = list_of(IN, r)
      assert.equal(1, p:poll(list, 0))
      p:read(r, 1)
      assert.equal(0, p:poll(list, 0))
      assert.equal(0, list[1].revents)
    end)

    it("counts a descriptor that is not open, as NVAL", function()
      local list = list_of(IN, 50, 63, 64, 0x7fffffff)
      assert.equal(4, p:poll(list, 0))
      assert.same({ "NVAL", "NVAL", "NVAL", "NVAL" }, revents(list))
      assert.equal("NVAL", ready(p, 50, 0))
    end)

    it("does not wait when one is not open", function()
      local r = p:pipe()
      local list = list_of(IN, r, 50)
      assert.equal(1, p:poll(list, 500))
      assert.same({ "-", "NVAL" }, revents(list))
      assert.near(0, k:now(), 1e-6)
    end)

    it("ignores a negative descriptor", function()
      local _, w = p:pipe()
      local list = list_of(OUT, -1, w, -1000)
      list[1].revents = 99
      assert.equal(1, p:poll(list, 0))
      assert.same({ "-", "OUT", "-" }, revents(list))
    end)

    it("takes the same descriptor twice", function()
      local r, w = p:pipe()
      p:write(w, "x")
      local list = { { fd = r, events = IN }, { fd = r, events = OUT },
        { fd = r, events = IN } }
      assert.equal(2, p:poll(list, 0))
      assert.same({ "IN", "-", "IN" }, revents(list))
    end)

    it("takes up to nofile entries", function()
      local list = {}
      for i = 1, 64 do list[i] = { fd = -1, events = IN } end
      assert.equal(0, p:poll(list, 0))
      list[65] = { fd = -1, events = IN }
      fails("EINVAL", p:poll(list, 0))
    end)

    it("takes an empty list", function()
      assert.equal(0, p:poll({}, 0))
    end)

    it("reports a mixture of kinds", function()
      local r, w = p:pipe()
      local null = p:open("/dev/null", fdemu.O_RDWR)
      local list = list_of(IN | OUT, r, w, null, 40, -1)
      assert.equal(3, p:poll(list, -1))
      assert.same({ "-", "OUT", "IN OUT", "NVAL", "-" }, revents(list))
    end)
  end)

  describe("that waits", function()
    it("returns 0 when the time is up", function()
      local r = p:pipe()
      local list = list_of(IN, r)
      assert.equal(0, p:poll(list, 250))
      assert.near(0.25, k:now(), 1e-6)
      assert.equal(0, list[1].revents)
      assert.equal(0, p:poll(list, 50))
      assert.near(0.3, k:now(), 1e-6)
    end)

    it("sleeps with an empty list", function()
      assert.equal(0, p:poll({}, 50))
      assert.near(0.05, k:now(), 1e-6)
    end)

    it("sleeps with nothing but negative descriptors", function()
      assert.equal(0, p:poll(list_of(IN, -1, -2), 50))
      assert.near(0.05, k:now(), 1e-6)
    end)

    it("takes no real time", function()
      local day = 86400
      local t0 = os.time()
      assert.equal(0, p:poll({}, day * 1000))
      assert.near(day, k:now(), 1e-6)
      assert.is_true(os.time() - t0 < 2)
    end)

    it("does not wait with a timeout of 0", function()
      assert.equal(0, p:poll(list_of(IN, (p:pipe())), 0))
      assert.near(0, k:now(), 1e-6)
    end)

    it("does not let time pass when something is ready", function()
      local _, w = p:pipe()
      assert.equal(1, p:poll(list_of(OUT, w), 5000))
      assert.near(0, k:now(), 1e-6)
    end)

    it("is woken by a write", function()
      local r, w = p:pipe()
      local list = list_of(IN, r)
      p:spawn(function()
        k:sleep(0.05)
        p:write(w, "x")
      end)
      assert.equal(1, p:poll(list, 1000))
      assert.same({ "IN" }, revents(list))
      assert.near(0.05, k:now(), 1e-6)
    end)

    it("waits for ever with any negative timeout, or none", function()
      for i, timeout in ipairs { -1, -5, -2147483648, false } do
        local r, w = p:pipe()
        local list = list_of(IN, r)
        p:spawn(function()
          k:sleep(0.05)
          p:write(w, "x")
        end)
        local n
        if timeout then n = p:poll(list, timeout) else n = p:poll(list) end
        assert.equal(1, n)
        assert.same({ "IN" }, revents(list))
        assert.near(0.05 * i, k:now(), 1e-6)
      end
    end)

    it("is woken by the last close of the other end", function()
      for i, row in ipairs { { 1, 2, "HUP" }, { 2, 1, "OUT ERR" } } do
        local ends = { p:pipe() }
        local waiting, closing = ends[row[1]], ends[row[2]]
        if i == 2 then
          p:fcntl(waiting, fdemu.F_SETPIPE_SZ, 4096)
          p:write(waiting, ("x"):rep(4096))
        end
        local copy = p:dup(closing)
        local list = list_of(IN | OUT, waiting)
        p:spawn(function()
          k:sleep(0.05)
          p:close(closing)
          k:sleep(0.05)
          p:close(copy)
        end)
        assert.equal(1, p:poll(list, -1))
        assert.equal(row[3] == "HUP" and "HUP" or "ERR", revents(list)[1])
        assert.near(0.1 * i, k:now(), 1e-6)
      end
    end)

    it("is woken for OUT by a free slot, not by a free byte", function()
      local r, w = p:pipe()
      p:write(w, ("x"):rep(65536))
      local list = list_of(OUT, w)
      p:spawn(function()
        k:sleep(0.05)
        p:read(r, 4095)
        k:sleep(0.05)
        p:read(r, 1)
      end)
      assert.equal(1, p:poll(list, -1))
      assert.near(0.1, k:now(), 1e-6)
      assert.same({ "OUT" }, revents(list))
    end)

    it("is woken by growing the pipe", function()
      local r, w = p:pipe()
      p:write(w, ("x"):rep(65536))
      p:spawn(function()
        k:sleep(0.05)
        p:fcntl(r, fdemu.F_SETPIPE_SZ, 131072)
      end)
      assert.equal(1, p:poll(list_of(OUT, w), -1))
      assert.near(0.05, k:now(), 1e-6)
    end)

    it("is not ended by events that nobody asked for", function()
      local r, w = p:pipe()
      p:spawn(function()
        for _ = 1, 5 do
          k:sleep(0.05)
          p:write(w, "x")
        end
      end)
      assert.equal(0, p:poll(list_of(OUT, r), 150))
      assert.near(0.15, k:now(), 1e-6)
      k:run()
    end)

    it("watches all its descriptors", function()
      local list, ends = {}, {}
      for i = 1, 20 do
        local r, w = p:pipe()
        list[i], ends[i] = { fd = r, events = IN }, w
      end
      for i = 1, 20 do
        p:spawn(function()
          k:sleep(0.05)
          p:write(ends[i], "x")
        end)
        assert.equal(1, p:poll(list, -1))
        for j = 1, 20 do
          assert.equal(i == j and IN or 0, list[j].revents)
        end
        p:read(list[i].fd, 1)
      end
    end)

    it("wakes every task that polls the same descriptor", function()
      local r, w = p:pipe()
      local tasks = {}
      for i = 1, 5 do
        tasks[i] = p:spawn(function() return p:poll(list_of(IN, r), -1) end)
      end
      p:spawn(function()
        k:sleep(0.05)
        p:write(w, "x")
      end)
      k:run()
      for i = 1, 5 do assert.equal(1, (tasks[i]:join())) end
    end)

    it("sees what a reader then takes, as it is told first", function()
      local r, w = p:pipe()
      local log = {}
      p:spawn(function() table.insert(log, (p:read(r, 1))) end)
      p:spawn(function()
        local list = { { fd = r, events = fdemu.POLLIN } }
        table.insert(log, (p:poll(list)))
      end)
      k:sleep(1)
      p:write(w, "x")
      k:run()
      assert.same({ 1, "x" }, log)
    end)

    it("is not woken for urgent data that it did not ask for", function()
      local a, b = p:socketpair()
      local list = { { fd = b, events = 0 } }
      local task = p:spawn(function() return p:poll(list, 2000) end)
      k:sleep(1)
      p:close(b)
      assert.equal(1, p:send(a, "x"))
      assert.equal(1, task:join()) -- it looks once more when it is late
      assert.equal(fdemu.POLLNVAL, list[1].revents)
      assert.equal(2, k:now())
    end)

    it("may find the bytes gone, and waits on", function()
      local r, w = p:pipe()
      p:fcntl(r, fdemu.F_SETFL, fdemu.O_NONBLOCK)
      local task = p:spawn(function()
        return p:poll(list_of(IN, r), 200)
      end)
      p:spawn(function()
        k:sleep(0.05)
        p:write(w, "x")
      end)
      k:run()
      assert.equal(1, (task:join()))
      assert.equal("x", p:read(r, 1))
      assert.equal(0, p:poll(list_of(IN, r), 0))
    end)

    it("finds a descriptor closed meanwhile when it looks again",
      function()
        local r, w = p:pipe()
        local r2 = p:dup(r)
        local list = list_of(IN, r)
        p:spawn(function()
          k:sleep(0.05)
          p:close(r)
          k:sleep(0.05)
          p:write(w, "x")
        end)
        assert.equal(1, p:poll(list, 1000))
        assert.same({ "NVAL" }, revents(list))
        assert.near(0.1, k:now(), 1e-6)
        assert.equal("x", p:read(r2, 1))
      end)

    it("keeps time in a task while others work", function()
      local r, w = p:pipe()
      local log = {}
      p:spawn(function()
        assert.equal(0, p:poll({}, 100))
        log[#log + 1] = "poll"
      end)
      p:spawn(function()
        k:sleep(0.05)
        log[#log + 1] = "50 ms"
        k:sleep(0.1)
        log[#log + 1] = "150 ms"
        p:write(w, "x")
      end)
      assert.equal("x", p:read(r, 1))
      assert.same({ "50 ms", "poll", "150 ms" }, log)
    end)
  end)
end)
