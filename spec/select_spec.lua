local fdemu = require "fdemu"
local checks = require "spec.helper_checks"

describe("select", function()
  local k, p, r, w

  before_each(function()
    k = fdemu.kernel()
    p = k:process { stdout = "null", stderr = "null" }
    r, w = p:pipe()
  end)

  after_each(function() k:close() end)

  it("gives those of each list that are ready", function()
    assert.same({ 1, {}, { w }, {} }, { p:select({ r }, { w }, { r, w }, 0) })
    p:write(w, "x")
    assert.same({ 2, { r }, { w }, {} }, { p:select({ r }, { w }, nil, 0) })
  end)

  it("waits for one of them, or until the time is over", function()
    local t = p:spawn(function() return p:select({ r }, nil, nil, 5) end)
    k:sleep(1)
    p:write(w, "x")
    assert.equal(1, (t:join()))
    assert.equal(1, k:now())
    p:read(r, 1)
    assert.same({ 0, {}, {}, {} }, { p:select({ r }, {}, {}, 2.5) })
    assert.equal(3.5, k:now())
  end)

  it("counts end of file as readable, and a lost reader as writable",
    function()
      p:close(w)
      assert.same({ 1, { r }, {}, {} }, { p:select({ r }, nil, nil, 0) })
      local a, b = p:pipe()
      p:close(a)
      assert.same({ 1, {}, { b }, {} }, { p:select(nil, { b }, nil, 0) })
    end)

  it("is a sleep without descriptors", function()
    assert.equal(0, (p:select(nil, nil, nil, 2)))
    assert.equal(2, k:now())
  end)

  it("fails for closed descriptors and raises for other things", function()
    p:close(w)
    assert.same({ nil, "Bad file descriptor", 9 },
      { p:select({ r, w }, nil, nil, 0) })
    checks.contains(checks.failure(p.select, p, { "x" }), "bad argument #1")
    checks.contains(checks.failure(p.select, p, nil, 5), "bad argument #2")
  end)
end)
