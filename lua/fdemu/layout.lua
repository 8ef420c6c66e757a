--- Parses the text of a C struct into fields with offsets, as gcc on x86-64
-- lays them out.

local layout = {}

-- ---- types ----------------------------------------------------------------

local types = {}

local function define(t, ...)
  t.align = t.size
  for _, name in ipairs { t.name, ... } do
    types[name] = t
  end
  return t
end

local function integer(name, size, min, max, ...)
  return define({ name = name, size = size, min = min, max = max,
    format = ("<%s%d"):format(min < 0 and "i" or "I", size) }, ...)
end

local any = { math.mininteger, math.maxinteger }

integer("u8", 1, 0, 0xff, "uint8_t", "__u8", "unsigned char")
integer("u16", 2, 0, 0xffff, "uint16_t", "__u16", "unsigned short")
integer("u32", 4, 0, 0xffffffff, "uint32_t", "__u32", "unsigned int",
  "unsigned")
integer("s8", 1, -0x80, 0x7f, "i8", "int8_t", "__s8", "signed char")
integer("s16", 2, -0x8000, 0x7fff, "i16", "int16_t", "__s16", "short")
integer("s32", 4, -0x80000000, 0x7fffffff, "i32", "int32_t", "__s32", "int")
integer("s64", 8, any[1], any[2], "i64", "int64_t", "__s64", "long",
  "long long", "ssize_t")
-- A number from 2^63 on is negative, as everywhere in Lua.
integer("u64", 8, any[1], any[2], "uint64_t", "__u64", "unsigned long",
  "unsigned long long", "size_t")
define({ name = "f32", size = 4, format = "<f", real = true }, "float")
define({ name = "f64", size = 8, format = "<d", real = true }, "double")
local POINTER = define { name = "ptr", size = 8, format = "<i8", pointer = true }
define { name = "char", size = 1, bytes = true } -- up to the first \0
define { name = "bytes", size = 1, bytes = true } -- all of them
local PAD = define { name = "pad", size = 1, bytes = true }

-- ---- words ----------------------------------------------------------------

local function position(text, at)
  local before = text:sub(1, at - 1)
  local _, line = before:gsub("\n", "\n")
  return ("line %d, column %d"):format(line + 1, #before:match "[^\n]*$" + 1)
end

local Parser = {}
Parser.__index = Parser

-- Whoever called fdemu.struct hears of it.
local function fail(parser, at, ...)
  error({ message = ("bad layout at %s: %s"):format(
    position(parser.text, at), (...):format(select(2, ...))) }, 0)
end

local function blank(comment)
  return (comment:gsub("[^\n]", " "))
end

local function without_comments(text)
  return (text:gsub("/%*.-%*/", blank):gsub("//[^\n]*", blank))
end

-- The next word or sign and where it is; "" at the end.
function Parser:peek()
  local at = self.source:find("%S", self.at)
  if not at then
    return "", #self.source + 1
  end
  return self.source:match("^[%a_][%w_]*", at)
    or self.source:match("^%w+", at) or self.source:sub(at, at), at
end

function Parser:next()
  local word, at = self:peek()
  self.at = at + #word
  return word, at
end

function Parser:accept(sign)
  if self:peek() == sign then
    self:next()
    return true
  end
  return false
end

local function shown(word)
  return word ~= "" and "'" .. word .. "'" or "the end"
end

-- ---- declarations ---------------------------------------------------------

local qualifiers = { const = true, volatile = true, struct = true }

-- The words before a declarator: the last of them is the name of the field
-- unless a * comes between.
function Parser:words()
  local words, from = {}, nil
  repeat
    local word, at = self:peek()
    if not word:find "^[%a_]" then
      break
    end
    self:next()
    from = from or at
    if not qualifiers[word] then
      words[#words + 1] = { word = word, at = at }
    end
  until false
  return words, from
end

local function joined(words)
  local names = {}
  for i, w in ipairs(words) do
    names[i] = w.word
  end
  return table.concat(names, " ")
end

-- [3], or nothing
function Parser:count()
  if not self:accept "[" then
    return nil
  end
  local word, at = self:next()
  local count = math.tointeger(tonumber(word))
  if not count or count < 1 or count > 0x7fffffff then
    fail(self, at, "a number of elements expected, got %s", shown(word))
  end
  word, at = self:next()
  if word ~= "]" then
    fail(self, at, "']' expected, got %s", shown(word))
  elseif self:peek() == "[" then
    fail(self, self.at, "an array of arrays is not supported")
  end
  return count
end

local function align(offset, to)
  return (offset + to - 1) // to * to
end

function Parser:add(t, name, at, count)
  local into = self.layout
  if into.field[name] then
    fail(self, at, "there is another field '%s'", name)
  end
  local offset = align(into.size, t.align)
  local field = { name = name, type = t, count = count, offset = offset,
    size = t.size * (count or 1) }
  into.size = offset + field.size
  if into.size > 0x7fffffff then
    fail(self, at, "the struct is too large")
  end
  into.align = math.max(into.align, t.align)
  if t ~= PAD then
    into.fields[#into.fields + 1] = field
    into.field[name] = field
  end
end

-- A field, or several with a comma between them.
function Parser:declaration()
  local words, at = self:words()
  if not at then
    local word
    word, at = self:peek()
    fail(self, at, "a type expected, got %s", shown(word))
  end
  local starred = self:peek() == "*"
  local name = not starred and #words > 1 and table.remove(words)
  local type_name = joined(words)
  local t = self.types[type_name] or types[type_name]
  if t == PAD and not name and not starred then
    self:add(PAD, "", at, self:count())
    return
  end
  repeat
    local pointer = false
    while self:accept "*" do
      pointer = true
    end
    local word, where
    if name then
      word, where = name.word, name.at
    else
      word, where = self:next()
    end
    if not word:find "^[%a_]" then
      fail(self, where, "the name of a field expected, got %s", shown(word))
    end
    if not (t or pointer) then -- what a pointer points to does not matter
      fail(self, at, "unknown type '%s'", type_name)
    end
    self:add(pointer and POINTER or t, word, where, self:count())
    name = nil
  until not self:accept ","
end

--- The fields of a struct, from its text. `nested` has the layouts of the
-- structs that it names. Raises a table with a message.
function layout.parse(text, nested)
  local self = setmetatable({ text = text, source = without_comments(text),
    at = 1, types = nested }, Parser)
  self.layout = { size = 0, align = 1, fields = {}, field = {} }
  repeat
    self:declaration()
    local word, at = self:next()
    if word ~= ";" and word ~= "" then
      fail(self, at, "';' expected, got %s", shown(word))
    end
  until self:peek() == ""
  self.layout.size = align(self.layout.size, self.layout.align)
  return self.layout
end

return layout
