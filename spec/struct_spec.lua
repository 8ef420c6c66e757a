-- struct_spec.lua - C structs in Buffers and strings
local fdemu = require "fdemu"
local checks = require "spec.helper_checks"
local shell = require "spec.helper_shell"
local steps = require "spec.helper_steps"

local contains, failure = checks.contains, checks.failure

-- The error of fn(...), which must be reported at the line of this file.
local function refused(fn, ...)
  local text = failure(fn, ...)
  assert.is_truthy(text:find("struct_spec.lua:%d+: ") or
    not text:find("^[%w/]+%.lua:"), text)
  return text
end

describe("struct", function()
  describe("layout", function()
    it("has C's sizes and offsets", function()
      local msg = fdemu.struct "u16 addr; u16 flags; u16 len; ptr buf"
      assert.equal(16, msg.size)
      assert.equal(8, msg.align)
      assert.equal(2, msg:offset "flags")
      assert.equal(8, msg:offset "buf")
    end)

    it("is padded at the end as an array needs it", function()
      assert.equal(16, fdemu.struct("u64 a; u8 b").size)
      assert.equal(6, fdemu.struct("u16 a; u8 b[3]").size)
    end)

    it("takes declarations as they stand in a header", function()
      local msg = fdemu.struct [[
        __u16 addr;     /* slave address */
        __u16 flags;    // I2C_M_RD
        __u16 len;
        __u8 *buf;
      ]]
      assert.equal(16, msg.size)
      local t = fdemu.struct("struct i2c_msg *msgs; unsigned int nmsgs, x;"
        .. "const char name[20]; struct inner in[2];", { inner = msg })
      assert.equal(72, t.size)
      assert.equal(40, t:offset "in")
    end)

    it("may have explicit padding, which is no field", function()
      local t = fdemu.struct "u8 a; pad[5]; u8 b; pad"
      assert.equal(8, t.size)
      assert.equal(6, t:offset "b")
      assert.same({ a = 1, b = 2 }, t:unpack "\1_____\2_")
    end)

    it("is gcc's for any fields", function()
      local names = { "u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64",
        "f32", "f64", "char" }
      local pick = steps.random(7)
      local nested = fdemu.struct "u8 a; u32 b; u8 c"
      local c = { "#include <stddef.h>\n#include <stdio.h>\n#include <stdint.h>",
        "typedef uint8_t u8; typedef uint16_t u16; typedef uint32_t u32;",
        "typedef uint64_t u64; typedef int8_t s8; typedef int16_t s16;",
        "typedef int32_t s32; typedef int64_t s64; typedef float f32;",
        "typedef double f64; struct nested { u8 a; u32 b; u8 c; };",
        "int main(void) {" }
      local got = {}
      for i = 1, 60 do
        local fields = {}
        for j = 1, pick(8) do
          local kind = pick(14)
          local name = kind <= 11 and names[kind] .. " " or kind == 12
            and "struct nested " or "void *"
          fields[j] = name .. "f" .. j
            .. (pick(4) == 1 and ("[%d]"):format(pick(5)) or "")
        end
        local text = table.concat(fields, ";") .. ";"
        local t = fdemu.struct(text, { nested = nested })
        c[#c + 1] = ("struct s%d {%s}; printf(\"%%zu\", sizeof(struct s%d));")
          :format(i, text, i)
        got[#got + 1] = t.size
        for j = 1, #fields do
          c[#c + 1] = ("printf(\" %%zu\", offsetof(struct s%d, f%d));")
            :format(i, j)
          got[#got + 1] = (" %d"):format(t:offset("f" .. j))
        end
        c[#c + 1] = "puts(\"\");"
        got[#got + 1] = "\n"
      end
      c[#c + 1] = "return 0; }\n"
      local folder = shell.folder()
      finally(function() shell.remove(folder) end)
      shell.write_file(folder .. "/s.c", table.concat(c, "\n"))
      shell.must(("cc -o %s/s %s/s.c"):format(folder, folder))
      assert.equal(shell.must(folder .. "/s"), table.concat(got))
    end)

    it("says what it is", function()
      assert.equal("fdemu.Struct: 8 bytes", tostring(fdemu.struct "u64 a"))
    end)
  end)

  describe("layout that does not parse", function()
    for text, expected in pairs {
      [""] = "line 1, column 1: a type expected, got the end",
      ["u16"] = "line 1, column 4: the name of a field expected, got the end",
      ["u16;"] = "line 1, column 4: the name of a field expected, got ';'",
      ["u17 a"] = "line 1, column 1: unknown type 'u17'",
      ["u16 a;\n  foo b"] = "line 2, column 3: unknown type 'foo'",
      ["/* \n */ foo b"] = "line 2, column 5: unknown type 'foo'",
      ["u16 a; u8 a"] = "line 1, column 11: there is another field 'a'",
      ["u8 a[x]"] = "column 6: a number of elements expected, got 'x'",
      ["u8 a[0]"] = "column 6: a number of elements expected, got '0'",
      ["u8 a[3"] = "column 7: ']' expected, got the end",
      ["u8 a[3][4]"] = "column 8: an array of arrays is not supported",
      ["u8 a = 3"] = "column 6: ';' expected, got '='",
      ["*a"] = "column 1: a type expected, got '*'",
      ["u8 a,"] = "column 6: the name of a field expected, got the end",
      ["u64 a[2147483647]"] = "column 5: the struct is too large",
    } do
      it(("is refused: %q"):format(text), function()
        local err = refused(fdemu.struct, text)
        contains(err, "bad layout at ")
        contains(err, expected)
      end)
    end

    it("is refused at the line of the caller", function()
      contains(failure(function() fdemu.struct "u17 a" end),
        "struct_spec.lua:")
    end)

    it("is no string, or names something that is no struct", function()
      contains(refused(fdemu.struct, 1), "string expected, got number")
      contains(refused(fdemu.struct, "u8 a", 1), "table expected, got number")
      contains(refused(fdemu.struct, "x a", { x = {} }), "'x' is no struct")
    end)
  end)

  describe("value", function()
    it("is packed as C has it in memory", function()
      local t = fdemu.struct "u8 a; u16 b; s32 c; u64 d; f64 e; char f[4]"
      local s = t:pack { a = 1, b = 0x203, c = -2, d = -1, e = 1.5, f = "xy" }
      assert.equal(("<I1xI2i4i8d"):pack(1, 0x203, -2, -1, 1.5) .. "xy\0\0"
        .. "\0\0\0\0", s)
      assert.same({ a = 1, b = 0x203, c = -2, d = -1, e = 1.5, f = "xy" },
        t:unpack(s))
    end)

    it("is 0 where none is given", function()
      local t = fdemu.struct "u8 a; u32 b[2]; char c[3]; ptr d"
      assert.equal(("\0"):rep(t.size), t:pack {})
      assert.same({ a = 0, b = { 0, 0 }, c = "" }, t:unpack(t:new()))
    end)

    it("is refused where it does not fit, naming the field", function()
      local inner = fdemu.struct "u8 x"
      local t = fdemu.struct("u8 a; s8 b; u16 c[2]; char d[2]; inner e[2];"
        .. "f32 f; ptr g; inner h", { inner = inner })
      for _, case in ipairs {
        { { a = 256 }, "field 'a': 256 does not fit in u8" },
        { { a = -1 }, "field 'a': -1 does not fit in u8" },
        { { b = 128 }, "field 'b': 128 does not fit in s8" },
        { { a = 1.5 }, "field 'a': number has no integer representation" },
        { { a = "1" }, "field 'a': number expected, got string" },
        { { c = 1 }, "field 'c': table expected, got number" },
        { { c = { 1, 2, 3 } }, "field 'c': 3 values do not fit in u16[2]" },
        { { c = { 1, 65536 } }, "field 'c[2]': 65536 does not fit in u16" },
        { { d = "abc" }, "field 'd': 3 bytes do not fit in char[2]" },
        { { d = 1 }, "field 'd': string expected, got number" },
        { { e = { {}, { x = 300 } } }, "field 'e[2].x': 300 does not fit" },
        { { e = { {}, { y = 1 } } }, "field 'e[2]': there is no field 'y'" },
        { { f = "x" }, "field 'f': number expected, got string" },
        { { g = {} }, "field 'g': Buffer, string or address expected" },
        { { h = 1 }, "field 'h': table expected, got number" },
        { { z = 1 }, "there is no field 'z'" },
      } do
        contains(refused(t.new, t, case[1]), case[2])
      end
      contains(refused(t.new, t, 5), "table expected, got number")
    end)

    it("of char is C's string, and of bytes all of them", function()
      local t = fdemu.struct "char a[4]; bytes b[4]; char c"
      local values = t:unpack "x\0y\0x\0y\0z"
      assert.same({ a = "x", b = "x\0y\0", c = "z" }, values)
      assert.equal("abcdx\0y\0z", t:pack { a = "abcd", b = "x\0y", c = "z" })
    end)

    it("may be a struct, or an array of them", function()
      local p = fdemu.struct "u8 x; u16 y"
      local t = fdemu.struct("u8 n; p one; p two[2]", { p = p })
      local values = { n = 1, one = { x = 2, y = 3 },
        two = { { x = 4, y = 5 }, { x = 6, y = 7 } } }
      assert.same(values, t:unpack(t:new(values)))
    end)

    it("is unpacked from any offset that leaves room", function()
      local t = fdemu.struct "u16 a"
      assert.equal(0x0302, t:unpack("\1\2\3", 1).a)
      contains(refused(t.unpack, t, "\1\2\3", 2),
        "2 bytes at offset 2 do not fit in 3")
      contains(refused(t.unpack, t, "\1\2\3", -1), "offset -1")
      contains(refused(t.unpack, t, "\1\2\3", "x"), "must be an integer")
      contains(refused(t.unpack, t, {}), "Buffer or string expected")
    end)
  end)

  describe("pointer", function()
    local t = fdemu.struct "u32 n; ptr buf; ptr other"

    it("refers to another Buffer", function()
      local data = fdemu.buffer "data"
      local b = t:new { n = 4, buf = data }
      assert.equal(data, t:unpack(b).buf)
      assert.is_nil(t:unpack(b).other)
      t:unpack(b).buf:set "DA"
      assert.equal("DAta", data:get())
    end)

    it("may be given as the bytes of a new Buffer", function()
      local b = t:new { buf = "abc" }
      assert.equal("abc", t:unpack(b).buf:get())
    end)

    it("keeps what it refers to", function()
      local b = t:new { buf = fdemu.buffer "kept", other = fdemu.buffer "too" }
      collectgarbage()
      assert.equal("kept", t:unpack(b).buf:get())
      assert.equal("too", t:unpack(b).other:get())
    end)

    it("is the same number in every run", function()
      assert.equal(t:new { buf = "a", other = "b" }:get(),
        t:new { buf = "c", other = "d" }:get())
    end)

    it("is a number where it means nothing", function()
      assert.equal(0x1234, t:unpack(t:new { buf = 0x1234 }).buf)
      local b = t:new { buf = "abc" }
      local copy = fdemu.buffer(b:get())
      assert.equal("integer", math.type(t:unpack(copy).buf))
    end)

    it("into the middle of a Buffer can be resolved", function()
      local b, data = fdemu.buffer(8), fdemu.buffer "abcd"
      local address = b:point(data)
      assert.equal(address, b:point(data))
      local to, offset = b:pointee(address + 3)
      assert.equal(data, to)
      assert.equal(3, offset)
      assert.is_nil(b:pointee(0))
      assert.is_nil(b:pointee(-1))
      assert.is_nil(b:pointee(address * 2))
    end)

    it("has no place in a string", function()
      contains(refused(t.pack, t, { buf = "abc" }), "use new instead of pack")
      assert.equal(t.size, #t:pack { buf = 0x10 })
    end)
  end)

  describe("fields in place", function()
    local p = fdemu.struct "u8 x; u16 y"
    local t = fdemu.struct(
      "u8 n; p one; p two[2]; u16 list[3]; char name[4]; ptr buf", { p = p })

    it("are read and assigned", function()
      local b = fdemu.buffer(t.size + 1)
      local v = t:at(b, 1)
      v.n = 1
      v.one.y = 2
      v.two[2].x = 3
      v.two[1] = { y = 4 }
      v.list = { 7, 8, 9 }
      v.list[2] = 80
      v.name = "ab"
      v.buf = "pointed"
      assert.same({ n = 1, one = { x = 0, y = 2 }, list = { 7, 80, 9 },
        two = { { x = 0, y = 4 }, { x = 3, y = 0 } }, name = "ab",
        buf = v.buf }, t:unpack(b, 1))
      assert.equal(3, v.two[2].x)
      assert.equal(80, v.list[2])
      assert.equal(3, #v.list)
      assert.equal("pointed", v.buf:get())
      v.buf = nil
      assert.is_nil(v.buf)
    end)

    it("can be walked in their order", function()
      local names = {}
      for name in pairs(t:at(t:new())) do
        names[#names + 1] = name
      end
      assert.equal("n one two list name buf", table.concat(names, " "))
      local sum = 0
      for _, n in ipairs(t:at(t:new { list = { 1, 2, 3 } }).list) do
        sum = sum + n
      end
      assert.equal(6, sum)
    end)

    it("are refused if there is no such field, element or value", function()
      local v = t:at(t:new())
      contains(refused(function() return v.z end), "there is no field 'z'")
      contains(refused(function() v.z = 1 end), "there is no field 'z'")
      contains(refused(function() v.n = 256 end), "field 'n': 256 does not fit")
      contains(refused(function() v.two[3] = {} end),
        "'two' has elements 1 to 2, not 3")
      contains(refused(function() v.list[0] = 1 end), "not 0")
      contains(refused(function() v.list[1] = "x" end),
        "field 'list[1]': number expected")
      contains(refused(function() v.two[1] = { z = 1 } end),
        "field 'two[1]': there is no field 'z'")
      contains(refused(t.offset, t, "z"), "there is no field 'z'")
    end)

    it("show their size and place, and no address", function()
      local v = fdemu.struct("u16 x; u8 list[3]"):at(fdemu.buffer(20), 8)
      assert.equal("fdemu.View: 6 bytes at offset 8", tostring(v))
      assert.equal("fdemu.View: 3 elements at offset 10", tostring(v.list))
    end)

    it("need a Buffer with room for them", function()
      contains(refused(t.at, t, "bytes"), "Buffer expected, got string")
      contains(refused(t.at, t, fdemu.buffer(t.size), 1), "do not fit in")
    end)
  end)

  it("has methods that say so when they are called without it", function()
    local t = fdemu.struct "u16 x"
    for _, name in ipairs { "new", "pack", "unpack", "at", "offset" } do
      for _, self in ipairs { {}, 1, "x" } do
        local message = failure(function() t[name](self, "x") end)
        contains(message, "struct_spec.lua:")
        contains(message, ("calling '%s' on a bad self"):format(name))
      end
    end
  end)

  describe("argument of ioctl", function()
    local msg = fdemu.struct "u16 addr; u16 flags; u16 len; ptr buf"

    it("gives a request its size", function()
      local t = fdemu.struct "u32 a; u32 b"
      assert.equal(0xc0086907, fdemu._IOWR("i", 7, t))
      assert.equal(fdemu._IOR("i", 7, 16), fdemu._IOR("i", 7, msg))
      assert.equal(fdemu._IOW("i", 7, 16), fdemu._IOW("i", 7, msg))
    end)

    it("reaches the driver with what its pointers refer to", function()
      local k = fdemu.kernel()
      local p = k:process()
      local READ = fdemu._IOWR("i", 7, msg)
      k:device("/dev/i2c", {
        ioctl = function(_, request, arg)
          if request ~= READ then return nil, "ENOTTY" end
          local m = msg:at(arg)
          m.buf:set(("x"):rep(m.len))
          m.flags = m.addr
        end,
      })
      local fd = assert(p:open("/dev/i2c", fdemu.O_RDWR))
      local b = msg:new { addr = 0x50, len = 3, buf = fdemu.buffer(4) }
      assert.equal(0, p:ioctl(fd, READ, b))
      assert.equal("xxx\0", msg:unpack(b).buf:get())
      assert.equal(0x50, msg:unpack(b).flags)
    end)
  end)
end)
