local fdemu = require "fdemu"
local checks = require "spec.helper_checks"

local IN, OUT, HUP = fdemu.EPOLLIN, fdemu.EPOLLOUT, fdemu.EPOLLHUP
local ET, ONESHOT = fdemu.EPOLLET, fdemu.EPOLLONESHOT
local ADD, MOD, DEL = fdemu.EPOLL_CTL_ADD, fdemu.EPOLL_CTL_MOD,
  fdemu.EPOLL_CTL_DEL

describe("epoll", function()
  local k, p, ep, r, w

  before_each(function()
    k = fdemu.kernel()
    p = k:process { stdout = "null", stderr = "null" }
    ep = p:epoll_create1()
    r, w = p:pipe()
  end)

  after_each(function() k:close() end)

  -- "5:IN 6:OUT": what a wait that does not wait reports.
  local function ready(max, set)
    local got = {}
    for i, ev in ipairs(assert(p:epoll_wait(set or ep, max or 10, 0))) do
      got[i] = ("%d:%d"):format(ev.data, ev.events)
    end
    return table.concat(got, " ")
  end

  it("keeps a number from who came after an exclusive interest", function()
    local fd = p:eventfd(0)
    local got = {}
    p:epoll_ctl(ep, ADD, fd, IN | fdemu.EPOLLEXCLUSIVE)
    k:spawn(function() got.watcher = p:epoll_wait(ep, 1) end)
    k:spawn(function() got.reader = p:read(fd, 8) end)
    k:sleep(1)
    local one = ("<I8"):pack(1)
    p:write(fd, one)
    k:sleep(1)
    assert.is_table(got.watcher)
    assert.is_nil(got.reader)
    p:write(fd, one) -- now nobody is there to take it
    k:sleep(1)
    assert.equal(("<I8"):pack(2), got.reader)
  end)

  it("reports what is ready, for as long as it is", function()
    assert.equal(0, p:epoll_ctl(ep, ADD, r, IN))
    assert.equal("", ready())
    p:write(w, "x")
    assert.equal(r .. ":1", ready())
    assert.equal(r .. ":1", ready())
    p:read(r, 1)
    assert.equal("", ready())
  end)

  it("gives back the data that an interest was made with", function()
    p:epoll_ctl(ep, ADD, r, IN, -7)
    p:epoll_ctl(ep, ADD, w, OUT, 1 << 40)
    p:write(w, "x")
    assert.same({ { events = OUT, data = 1 << 40 }, { events = IN, data = -7 } },
      p:epoll_wait(ep, 10, 0))
  end)

  it("waits until something is ready, or the time is over", function()
    p:epoll_ctl(ep, ADD, r, IN)
    local t = p:spawn(function() return p:epoll_wait(ep, 1, 5000) end)
    k:sleep(1)
    p:write(w, "x")
    assert.same({ { events = IN, data = r } }, t:join())
    assert.equal(1, k:now())
    p:read(r, 1)
    assert.same({}, p:epoll_wait(ep, 1, 1500))
    assert.equal(2.5, k:now())
  end)

  it("edge-triggered reports each write once", function()
    p:epoll_ctl(ep, ADD, r, IN | ET)
    p:write(w, "x")
    assert.equal(r .. ":1", ready())
    assert.equal("", ready())
    p:write(w, "x")
    assert.equal(r .. ":1", ready())
    p:epoll_ctl(ep, MOD, r, IN | ET)
    assert.equal(r .. ":1", ready())
  end)

  it("one-shot reports once until it is armed again", function()
    p:epoll_ctl(ep, ADD, r, IN | ONESHOT)
    p:write(w, "xy")
    assert.equal(r .. ":1", ready())
    p:write(w, "z")
    assert.equal("", ready())
    p:epoll_ctl(ep, MOD, r, IN | ONESHOT)
    assert.equal(r .. ":1", ready())
  end)

  it("takes turns when it is asked for fewer than there are", function()
    local ends, turns = {}, {}
    for i = 1, 3 do
      local a, b = p:pipe()
      p:epoll_ctl(ep, ADD, a, IN, i)
      ends[i] = b
    end
    for i = 1, 3 do p:write(ends[i], "x") end
    for i = 1, 4 do turns[i] = ready(1) end
    assert.same({ "1:1", "2:1", "3:1", "1:1" }, turns)
  end)

  it("reports a hang-up unasked", function()
    p:epoll_ctl(ep, ADD, r, 0)
    p:close(w)
    assert.equal(r .. ":" .. HUP, ready())
  end)

  it("keeps an interest while a dup of its description lives", function()
    local dup = p:dup(r)
    p:epoll_ctl(ep, ADD, r, IN)
    p:close(r)
    p:write(w, "x")
    assert.equal(r .. ":1", ready())
    assert.equal(fdemu.EBADF, (select(3, p:epoll_ctl(ep, DEL, r))))
    p:close(dup)
    assert.equal("", ready())
  end)

  it("is readable while something in it is ready", function()
    local outer = p:epoll_create1()
    p:epoll_ctl(outer, ADD, ep, IN)
    p:epoll_ctl(ep, ADD, r, IN)
    local list = { { fd = ep, events = fdemu.POLLIN } }
    assert.equal(0, p:poll(list, 0))
    p:write(w, "x")
    assert.equal(1, p:poll(list, 0))
    assert.equal(ep .. ":1", ready(10, outer))
    p:read(r, 1)
    assert.equal(0, p:poll(list, 0))
    assert.equal("", ready(10, outer))
  end)

  it("works on devices that are scripted", function()
    local bytes = ""
    local dev = {
      read = function() return bytes end,
      poll = function() return bytes ~= "" and "r" or "" end,
    }
    local d = k:description(dev)
    local fd = p:install(d)
    p:epoll_ctl(ep, ADD, fd, IN)
    assert.equal("", ready())
    local t = p:spawn(function() return p:epoll_wait(ep, 1) end)
    k:sleep(1)
    bytes = "x"
    d:wake()
    assert.same({ { events = IN, data = fd } }, t:join())
  end)

  it("refuses what Linux refuses", function()
    local function errno(...) return fdemu.errname((select(3, ...))) end
    p:epoll_ctl(ep, ADD, r, IN)
    assert.equal("EEXIST", errno(p:epoll_ctl(ep, ADD, r, IN)))
    assert.equal("ENOENT", errno(p:epoll_ctl(ep, MOD, w, IN)))
    assert.equal("ENOENT", errno(p:epoll_ctl(ep, DEL, w)))
    assert.equal("EINVAL", errno(p:epoll_ctl(ep, ADD, ep, IN)))
    assert.equal("EPERM", errno(p:epoll_ctl(ep, ADD, 0, IN)))
    assert.equal("EBADF", errno(p:epoll_ctl(ep, ADD, 99, IN)))
    assert.equal("EINVAL", errno(p:epoll_ctl(r, ADD, w, IN)))
    assert.equal("EINVAL", errno(p:epoll_ctl(ep, 9, w, IN)))
    assert.equal("EINVAL", errno(p:epoll_wait(ep, 0, 0)))
    assert.equal("EINVAL", errno(p:epoll_wait(r, 1, 0)))
    assert.equal("EBADF", errno(p:epoll_wait(99, 1, 0)))
    assert.equal("EINVAL", errno(p:epoll_create1(1)))
    local inner = p:epoll_create1()
    p:epoll_ctl(ep, ADD, inner, IN)
    assert.equal("ELOOP", errno(p:epoll_ctl(inner, ADD, ep, IN)))
  end)

  it("says in a deadlock what the set watches", function()
    p:epoll_ctl(ep, ADD, r, IN)
    local text = checks.failure(p.epoll_wait, p, ep, 1)
    checks.contains(text, "deadlock")
    checks.contains(text, "epoll_wait(" .. ep .. ") on epoll")
    checks.contains(text, "descriptor " .. r)
  end)

  it("costs the same for many interests as for few", function()
    local function time(n)
      local other = fdemu.kernel { nofile = 3 * n + 100 }
      local q = other:process { stdout = "null", stderr = "null" }
      local set = q:epoll_create1()
      for _ = 1, n do q:epoll_ctl(set, ADD, (q:eventfd()), IN) end
      local one = q:eventfd(1)
      q:epoll_ctl(set, ADD, one, IN)
      q:epoll_wait(set, 10, 0)
      local start = os.clock()
      for _ = 1, 20000 do q:epoll_wait(set, 10, 0) end
      local spent = os.clock() - start
      other:close()
      return spent
    end
    assert.is_true(time(20000) < 10 * time(10) + 0.05)
  end)
end)
