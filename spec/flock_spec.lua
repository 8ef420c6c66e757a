local fdemu = require "fdemu"

local EX, SH, UN, NB = fdemu.LOCK_EX, fdemu.LOCK_SH, fdemu.LOCK_UN,
  fdemu.LOCK_NB

describe("flock", function()
  local k, p, a, b

  before_each(function()
    k = fdemu.kernel()
    p = k:process { stdout = "null", stderr = "null" }
    a, b = p:open("/dev/zero", "r"), p:open("/dev/zero", "r")
  end)

  after_each(function() k:close() end)

  local AGAIN = { nil, "Resource temporarily unavailable", 11 }

  it("is shared by many or held by one description", function()
    assert.equal(0, p:flock(a, SH))
    assert.equal(0, p:flock(b, SH))
    assert.same(AGAIN, { p:flock(a, EX | NB) })
    p:flock(b, UN)
    assert.equal(0, p:flock(a, EX | NB))
    assert.same(AGAIN, { p:flock(b, SH | NB) })
  end)

  it("belongs to the description: dups and forks share it", function()
    p:flock(a, EX)
    local q, dup = p:fork(), p:dup(a)
    assert.equal(0, p:flock(dup, EX | NB))
    p:close(a)
    p:close(dup)
    assert.same(AGAIN, { p:flock(b, EX | NB) })
    q:exit(0)
    assert.equal(0, p:flock(b, EX | NB))
  end)

  it("waits until it is free", function()
    p:flock(a, EX)
    local t = p:spawn(function() return p:flock(b, EX), k:now() end)
    k:sleep(2)
    assert.equal("waiting", t.status)
    p:flock(a, UN)
    assert.same({ 0, 2 }, { t:join() })
  end)

  it("gives up when it is cancelled, and leaves nothing behind", function()
    p:flock(a, EX)
    local t = p:spawn(function() return p:flock(b, EX) end)
    k:sleep(1)
    t:cancel()
    p:flock(a, UN)
    assert.equal(0, p:flock(a, EX | NB))
  end)

  it("drops the old lock before it waits for another kind", function()
    p:flock(a, SH)
    p:flock(b, SH)
    local t = p:spawn(function() return p:flock(a, EX) end)
    k:sleep(1)
    local u = p:spawn(function() return p:flock(b, EX) end)
    k:sleep(1)
    assert.equal("waiting", t.status .. "")
    assert.equal(0, u:join())
    p:flock(b, UN)
    assert.equal(0, t:join())
  end)

  it("lets go when it cannot convert", function()
    p:flock(a, SH)
    p:flock(b, SH)
    assert.same(AGAIN, { p:flock(a, EX | NB) })
    assert.equal(0, p:flock(b, EX | NB))
  end)

  it("has nothing to do with record locks", function()
    p:flock(a, EX)
    assert.equal(0, p:fork():fcntl(a, fdemu.F_SETLK,
      { l_type = fdemu.F_RDLCK }))
  end)

  it("explains who has what it waits for", function()
    p:flock(a, SH)
    local ok, text = pcall(p.flock, p, b, EX)
    assert.is_false(ok)
    assert.is_truthy(text:find(("waits for a lock: zero #%d has a shared lock:"
      .. " process 1 holds it as descriptor %d"):format(p:description(a).id,
      a), 1, true), text)
  end)

  it("refuses what is no operation", function()
    assert.equal(22, (select(3, p:flock(a, 0))))
    assert.equal(22, (select(3, p:flock(a, SH | EX))))
    assert.equal(9, (select(3, p:flock(99, SH))))
    assert.equal(0, p:flock(a, UN | NB))
  end)

  it("may be scripted by a driver", function()
    local seen
    local fd = p:install(k:description {
      flock = function(_, op)
        seen = op
        return nil, "ENOLCK"
      end,
    })
    assert.equal(fdemu.ENOLCK, (select(3, p:flock(fd, EX | NB))))
    assert.equal(EX | NB, seen)
  end)

  it("is not interrupted where it would not wait", function()
    local k2 = fdemu.kernel { eintr = 1 }
    local q = k2:process { stdin = "null", stdout = "null", stderr = "null" }
    local r, w = q:pipe()
    assert.equal(0, q:flock(r, EX))
    assert.equal(fdemu.EAGAIN, (select(3, q:flock(w, EX | NB))))
    assert.equal(fdemu.EINTR, (select(3, q:flock(w, EX))))
    k2:close()
  end)
end)
