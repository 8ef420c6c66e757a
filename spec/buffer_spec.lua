-- buffer_spec.lua - bytes that can be changed in place
local fdemu = require "fdemu"
local checks = require "spec.helper_checks"

local contains, failure = checks.contains, checks.failure

local PAST = "past the end of the buffer"

describe("buffer", function()
  it("of a size is full of zeros", function()
    local b = fdemu.buffer(32)
    assert.equal(32, #b)
    assert.equal(("\0"):rep(32), b:get())
  end)

  it("of bytes holds a copy of them", function()
    local s = "a\0b\xff"
    local b = fdemu.buffer(s)
    assert.equal(4, #b)
    assert.equal(s, b:get())
    b:set("X")
    assert.equal("a\0b\xff", s)
    assert.equal("X\0b\xff", b:get())
  end)

  it("may be empty", function()
    for _, b in ipairs { fdemu.buffer(0), fdemu.buffer("") } do
      assert.equal(0, #b)
      assert.equal("", b:get())
      assert.equal("", b:get(0, 0))
      assert.equal(b, b:set(""))
      contains(failure(b.set, b, "x"), PAST)
    end
  end)

  it("is not shared with another one", function()
    local a, b = fdemu.buffer("abc"), fdemu.buffer("abc")
    a:set("xyz")
    assert.equal("abc", b:get())
  end)

  it("shows its size by tostring", function()
    assert.equal("fdemu.Buffer: 32 bytes", tostring(fdemu.buffer(32)))
  end)

  describe("get", function()
    local b

    before_each(function() b = fdemu.buffer("0123456789") end)

    it("gives all, the rest, or a part", function()
      assert.equal("0123456789", b:get())
      assert.equal("0123456789", b:get(0))
      assert.equal("789", b:get(7))
      assert.equal("345", b:get(3, 3))
      assert.equal("9", b:get(9, 1))
      assert.equal("", b:get(3, 0))
      assert.equal("", b:get(10))
      assert.equal("", b:get(10, 0))
    end)

    it("never gives bytes that are not the buffer's", function()
      local most = math.maxinteger
      for _, args in ipairs { { 11 }, { 10, 1 }, { 0, 11 }, { 5, 6 },
                              { most }, { 0, most }, { 5, most },
                              { most, most }, { 1 << 32, 1 },
                              { (1 << 32) + 1, 1 }, { 0, 1 << 32 } } do
        failure(b.get, b, table.unpack(args))
      end
    end)

    it("refuses offsets and sizes below zero", function()
      failure(b.get, b, -1)
      failure(b.get, b, 0, -1)
      failure(b.get, b, -1, 1)
      failure(b.get, b, math.mininteger)
      failure(b.get, b, 5, math.mininteger)
    end)

    it("refuses what is no integer", function()
      failure(b.get, b, 0.5)
      failure(b.get, b, "x")
      failure(b.get, b, {})
      failure(b.get, b, 0, 0.5)
      failure(b.get, b, 0 / 0)
      failure(b.get, b, math.huge)
      failure(b.get)
      failure(b.get, "a string")
    end)
  end)

  describe("set", function()
    local b

    before_each(function() b = fdemu.buffer("0123456789") end)

    it("writes at the start or at an offset, and returns the buffer",
      function()
        assert.equal(b, b:set("ab"))
        assert.equal("ab23456789", b:get())
        assert.equal(b, b:set("yz", 8))
        assert.equal("ab234567yz", b:get())
        assert.equal("!!!!!!!!!!", b:set(("!"):rep(10)):get())
        assert.equal(b, b:set("", 10))
      end)

    it("writes zeros and bytes of every value", function()
      b:set("\0\xff\n", 3)
      assert.equal("012\0\xff\n6789", b:get())
    end)

    it("past the end raises and writes nothing", function()
      contains(failure(b.set, b, ("x"):rep(11)), PAST)
      contains(failure(b.set, b, "xyz", 8), PAST)
      contains(failure(b.set, b, "x", 10), PAST)
      contains(failure(b.set, b, "x", 1 << 32), PAST)
      contains(failure(b.set, b, "x", math.maxinteger), PAST)
      contains(failure(b.set, b, "", 11), PAST)
      assert.equal("0123456789", b:get())
    end)

    it("refuses an offset below zero", function()
      failure(b.set, b, "x", -1)
      failure(b.set, b, "", -1)
      failure(b.set, b, "x", math.mininteger)
      assert.equal("0123456789", b:get())
    end)

    it("refuses what is no string, and nothing", function()
      failure(b.set, b)
      failure(b.set, b, nil)
      failure(b.set, b, {})
      failure(b.set, b, true)
      failure(b.set, b, "x", "y")
      failure(b.set, b, "x", 0.5)
      failure(b.set, nil, "x")
      assert.equal("0123456789", b:get())
    end)
  end)

  describe("pack and unpack", function()
    it("work as string.pack and string.unpack, at an offset", function()
      local b = fdemu.buffer(16)
      b:pack("<I4 I2", 4, 0x01020304, 0x0506)
      assert.equal("\0\0\0\0\4\3\2\1\6\5\0\0\0\0\0\0", b:get())
      local a, c = b:unpack("<I4 I2", 4)
      assert.equal(0x01020304, a)
      assert.equal(0x0506, c)
      assert.equal(0x0403, (b:unpack(">I2", 4)))
      assert.equal(0, (b:unpack("<i4")))
    end)

    it("work up to the last byte", function()
      local b = fdemu.buffer(8)
      b:pack("<i8", 0, -2)
      assert.equal(-2, (b:unpack("<i8")))
      b:pack("B", 7, 0x7F)
      assert.equal(0x7F, (b:unpack("B", 7)))
    end)

    it("raise past the end and write nothing", function()
      local b = fdemu.buffer(8)
      contains(failure(b.pack, b, "<I4", 5, 1), PAST)
      contains(failure(b.pack, b, "<I4", 8, 1), PAST)
      contains(failure(b.pack, b, "<I4", math.maxinteger, 1), PAST)
      contains(failure(b.pack, b, "s4", 0, ("x"):rep(5)), PAST)
      assert.equal(("\0"):rep(8), b:get())
      failure(b.unpack, b, "<I4", 5)
      failure(b.unpack, b, "<I4", 8)
      failure(b.unpack, b, "<I4", 9)
      failure(b.unpack, b, "<I4", math.maxinteger)
      failure(b.unpack, b, "<i16")
    end)

    it("refuse a bad format, offset or value", function()
      local b = fdemu.buffer(8)
      failure(b.pack, b, "?", 0, 1)
      failure(b.pack, b, "<I4", -1, 1)
      failure(b.pack, b, "<I4", 0.5, 1)
      failure(b.pack, b, "<I4", 0, "x")
      failure(b.pack, b, "<I4", 0)
      failure(b.pack, b, "<I1", 0, 256)
      failure(b.pack, b)
      failure(b.unpack, b)
      failure(b.unpack, b, "<I4", -1)
      failure(b.unpack, b, "?")
      assert.equal(("\0"):rep(8), b:get())
    end)
  end)

  it("refuses sizes that are none", function()
    failure(fdemu.buffer)
    failure(fdemu.buffer, nil)
    failure(fdemu.buffer, {})
    failure(fdemu.buffer, true)
    failure(fdemu.buffer, -1)
    failure(fdemu.buffer, 1.5)
    failure(fdemu.buffer, 0 / 0)
    failure(fdemu.buffer, math.huge)
    failure(fdemu.buffer, math.mininteger)
    failure(fdemu.buffer, math.maxinteger)
    failure(fdemu.buffer, 1 << 62)
  end)

  it("has no fields to be set", function()
    local b = fdemu.buffer(4)
    failure(function() b.get = 1 end)
    failure(function() b[1] = "x" end)
    failure(function() b.bogus = 1 end)
    assert.equal("\0\0\0\0", b:get())
  end)

  it("holds a megabyte", function()
    local b = fdemu.buffer(1 << 20)
    b:set("end", (1 << 20) - 3)
    assert.equal("end", b:get((1 << 20) - 3))
    assert.equal(1 << 20, #b:get())
  end)
end)
