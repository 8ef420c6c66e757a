-- select_spec.lua - select: lists of descriptors, timeouts on virtual time.
-- Every result is what Linux 6.18 gives.

local fdemu = require "fdemu"
local steps = require "spec.helper_steps"

local fails = steps.fails

describe("select", function()
  local k, p, r, w

  before_each(function()
    k = fdemu.kernel { nofile = 2000 }
    p = k:process { stdout = "null", stderr = "null" }
    r, w = p:pipe()
  end)

  after_each(function() k:close() end)

  it("gives the count, and what is ready of each list", function()
    local r2, w2 = p:pipe()
    p:write(w2, "x")
    assert.same({ 4, { r2, 0 }, { w, 1 }, {} },
      { p:select({ r, r2, 0 }, { w, 1 }, { r }, 0) })
    assert.same({ 2, {}, { w2, w }, {} }, { p:select(nil, { w2, w }) })
  end)

  it("counts a descriptor once in each list", function()
    local e = p:eventfd(1)
    assert.same({ 2, { e }, { e }, {} },
      { p:select({ e, e, e }, { e }, { e }, 0) })
  end)

  it("knows how ends look whose peer is gone", function()
    local r2, w2 = p:pipe()
    p:close(w)
    p:close(r2)
    assert.same({ 1, { r }, {}, {} }, { p:select({ r }, { r }, { r }, 0) })
    assert.same({ 2, { w2 }, { w2 }, {} }, { p:select({ w2 }, { w2 }, { w2 }, 0) })
  end)

  it("gives 0 and empty lists after the time", function()
    assert.same({ 0, {}, {}, {} }, { p:select({ r }, nil, nil, 1.5) })
    assert.equal(1.5, k:now())
    assert.same({ 0, {}, {}, {} }, { p:select({ r }, nil, nil, 0) })
    assert.equal(1.5, k:now())
  end)

  it("sleeps when there is nothing to wait for", function()
    assert.same({ 0, {}, {}, {} }, { p:select(nil, nil, nil, 2) })
    assert.same({ 0, {}, {}, {} }, { p:select({}, {}, {}, 2) })
    assert.equal(4, k:now())
  end)

  it("waits without a time until something is ready", function()
    local got
    k:spawn(function() got = { p:select({ r }, { r }) } end)
    k:spawn(function()
      k:sleep(3)
      assert.is_nil(got)
      p:write(w, "x")
    end)
    k:run()
    assert.same({ 1, { r }, {}, {} }, got)
    assert.equal(3, k:now())
  end)

  it("ends at its time if it is woken in vain", function()
    local other = p:eventfd(0)
    local task = k:spawn(function() return p:select({ other }, nil, nil, 5) end)
    k:spawn(function()
      k:sleep(1)
      p:eventfd_write(other, 0)
    end)
    k:run()
    assert.equal(0, (task:join()))
    assert.equal(5, k:now())
  end)

  it("fails on a closed descriptor, in whatever list", function()
    fails("EBADF", p:select({ 99 }, nil, nil, 0))
    fails("EBADF", p:select(nil, { w, 99 }, nil, 0))
    fails("EBADF", p:select(nil, nil, { -1 }, 0))
    fails("EBADF", p:select({ 1 << 40 }, nil, nil, 0))
  end)

  it("refuses a negative time before it looks at descriptors", function()
    fails("EINVAL", p:select({ 99 }, nil, nil, -1))
    fails("EINVAL", p:select({ r }, nil, nil, -1e-12))
  end)

  it("finds a descriptor that is closed meanwhile in every list", function()
    local e = p:eventfd(0)
    local got
    k:spawn(function() got = { p:select({ r, e }, { r }, { r }) } end)
    k:spawn(function()
      p:close(r)
      k:sleep(1)
      assert.is_nil(got) -- a close wakes nobody
      p:eventfd_write(e, 1)
    end)
    k:run()
    assert.same({ 4, { r, e }, { r }, { r } }, got)
  end)

  it("takes descriptors beyond FD_SETSIZE", function()
    assert.equal(1500, p:dup2(w, 1500))
    assert.same({ 1, {}, { 1500 }, {} }, { p:select(nil, { 1500 }, nil, 0) })
  end)

  it("takes more descriptors than fit into its buffer", function()
    local many = {}
    for i = 1, 9000 do many[i] = i % 2 == 0 and w or 1 end
    assert.same({ 2, {}, { 1, w }, {} }, { p:select(nil, many, nil, 0) })
  end)

  it("raises when it is misused", function()
    assert.has_error(function() p:select(3) end,
      "bad argument #1 to 'select' (table expected, got number)")
    assert.has_error(function() p:select({}, { "x" }) end,
      "bad argument #2 to 'select' (a list of descriptors expected)")
    assert.has_error(function() p:select({}, {}, {}, "x") end,
      "bad argument #4 to 'select' (number expected, got string)")
  end)

  it("is traced as strace does", function()
    local lines = {}
    k:trace(function(event) lines[#lines + 1] = tostring(event) end)
    p:select({ r, 0 }, { w }, nil, 1.5)
    p:select({ r }, nil, { r }, 0.25)
    p:select({ 0 })
    p:select({ 99 }, nil, nil, 0)
    k:trace(nil)
    assert.same({
      "[pid  1] pselect6(5, [3 0], [4], NULL, {tv_sec=1, tv_nsec=500000000}" ..
        ", NULL) = 2 (in [0], out [4], left {tv_sec=1, tv_nsec=500000000})",
      "[pid  1] pselect6(4, [3], NULL, [3], {tv_sec=0, tv_nsec=250000000}, " ..
        "NULL <unfinished ...>",
      "[pid  1] <... pselect6 resumed>) = 0 (Timeout)",
      "[pid  1] pselect6(1, [0], NULL, NULL, NULL, NULL) = 1 (in [0])",
      "[pid  1] pselect6(100, [99], NULL, NULL, {tv_sec=0, tv_nsec=0}, NULL)" ..
        " = -1 EBADF (Bad file descriptor)",
    }, lines)
  end)
end)
