--- Structs as C lays them out: what an ioctl's argument points to.
--
--   local msg = fdemu.struct "u16 addr; u16 flags; u16 len; ptr buf"
--   local b = msg:new { addr = 0x50, len = 2, buf = fdemu.buffer(2) }
--   msg:at(b).flags = 1
--   print(msg.size, msg:unpack(b).flags)
--
-- A ptr is an address that the Buffer it stands in resolves (Buffer:point,
-- Buffer:pointee): of another Buffer, or a number that means nothing here.

local core = require "fdemu.core"
local layout = require "fdemu.layout"

local buffer = core.buffer
local FIRST = 1 << 32 -- the address of what a Buffer points to first

local Struct = {}
local struct_meta = { __index = Struct, __name = "fdemu.Struct" }

local function is(value, name)
  local meta = getmetatable(value)
  return type(meta) == "table" and meta.__name == name
end

-- ---- values ---------------------------------------------------------------

-- These give true, or nil, what is wrong, and where: "", ".len", "[2].len".
local put_field

local function wanted(what, value)
  return nil, ("%s expected, got %s"):format(what, type(value)), ""
end

local function put_number(t, b, at, value)
  if type(value) ~= "number" then
    return wanted("number", value)
  elseif t.real then
    b:pack(t.format, at, value)
    return true
  end
  local n = math.tointeger(value)
  if not n then
    return nil, "number has no integer representation", ""
  elseif n < t.min or n > t.max then
    return nil, ("%d does not fit in %s"):format(n, t.name), ""
  end
  b:pack(t.format, at, n)
  return true
end

local function put_pointer(t, b, at, value)
  local n = math.type(value) and math.tointeger(value)
  if type(value) == "string" then
    value = buffer(value)
  end
  if is(value, "fdemu.Buffer") then
    n = b:point(value)
  end
  if not n then
    return wanted("Buffer, string or address", value)
  end
  b:pack(t.format, at, n)
  return true
end

local function put_bytes(t, b, at, value, count)
  if type(value) ~= "string" then
    return wanted("string", value)
  elseif #value > count then
    return nil, ("%d bytes do not fit in %s[%d]")
      :format(#value, t.name, count), ""
  end
  b:set(value .. ("\0"):rep(count - #value), at)
  return true
end

local function put_struct(t, b, at, values)
  if type(values) ~= "table" then
    return wanted("table", values)
  end
  for name in next, values do
    if not t.field[name] then
      return nil, ("there is no field '%s'"):format(name), ""
    end
  end
  for _, field in ipairs(t.fields) do
    local value = values[field.name]
    if value ~= nil then
      local ok, err, where = put_field(field, b, at, value)
      if not ok then
        return nil, err, "." .. field.name .. where
      end
    end
  end
  return true
end

local function put_one(t, b, at, value)
  local put = t.fields and put_struct or t.pointer and put_pointer or put_number
  return put(t, b, at, value)
end

local function put_list(field, b, at, values)
  local t = field.type
  if type(values) ~= "table" then
    return wanted("table", values)
  elseif #values > field.count then
    return nil, ("%d values do not fit in %s[%d]")
      :format(#values, t.name or "struct", field.count), ""
  end
  for i, value in ipairs(values) do
    local ok, err, where = put_one(t, b, at + (i - 1) * t.size, value)
    if not ok then
      return nil, err, ("[%d]%s"):format(i, where)
    end
  end
  return true
end

function put_field(field, b, base, value)
  local at = base + field.offset
  if field.type.bytes then
    return put_bytes(field.type, b, at, value, field.count or 1)
  elseif field.count then
    return put_list(field, b, at, value)
  end
  return put_one(field.type, b, at, value)
end

-- ---- and back -------------------------------------------------------------

local get_field

local function get_one(t, b, at)
  if t.fields then
    local values = {}
    for _, field in ipairs(t.fields) do
      values[field.name] = get_field(field, b, at)
    end
    return values
  end
  local n = b:unpack(t.format, at)
  if not t.pointer then
    return n
  end
  local pointee, offset = b:pointee(n)
  return offset == 0 and pointee or n ~= 0 and n or nil
end

function get_field(field, b, base)
  local t, at = field.type, base + field.offset
  if t.bytes then
    local s = b:get(at, field.size)
    return t.name == "char" and field.count and s:match "^[^\0]*" or s
  elseif not field.count then
    return get_one(t, b, at)
  end
  local list = {}
  for i = 1, field.count do
    list[i] = get_one(t, b, at + (i - 1) * t.size)
  end
  return list
end

-- ---- fields in place ------------------------------------------------------

local STATE = {}
local view_meta, list_meta = { __name = "fdemu.View" }, { __name = "fdemu.View" }

local function view(t, b, at)
  return setmetatable({ [STATE] = { t = t, b = b, at = at } }, view_meta)
end

local function state(v)
  return rawget(v, STATE)
end

local function field_of(t, name, level)
  return t.field[name]
    or error(("there is no field '%s'"):format(tostring(name)), level + 1)
end

function view_meta:__index(name)
  local s = state(self)
  local field = field_of(s.t, name, 2)
  if field.type.bytes or not (field.count or field.type.fields) then
    return get_field(field, s.b, s.at)
  elseif field.count then
    return setmetatable({ [STATE] = { field = field, b = s.b,
      at = s.at + field.offset } }, list_meta)
  end
  return view(field.type, s.b, s.at + field.offset)
end

local function raise(name, err, where, level)
  error(("field '%s%s': %s"):format(tostring(name), where, err), level + 1)
end

function view_meta:__newindex(name, value)
  local s = state(self)
  local field = field_of(s.t, name, 2)
  local ok, err, where = put_field(field, s.b, s.at, value == nil and 0 or value)
  if not ok then
    raise(name, err, where, 2)
  end
end

function view_meta:__pairs()
  local s = state(self)
  local i = 0
  return function()
    i = i + 1
    local field = s.t.fields[i]
    if field then
      return field.name, self[field.name]
    end
  end
end

local function element(s, i)
  local n = math.type(i) and math.tointeger(i)
  if not n or n < 1 or n > s.field.count then
    error(("'%s' has elements 1 to %d, not %s"):format(s.field.name,
      s.field.count, tostring(i)), 3)
  end
  return s.at + (n - 1) * s.field.type.size
end

-- ipairs() ends with the nil after the last.
function list_meta:__index(i)
  local s = state(self)
  if i == s.field.count + 1 then
    return nil
  end
  local at = element(s, i)
  if s.field.type.fields then
    return view(s.field.type, s.b, at)
  end
  return get_one(s.field.type, s.b, at)
end

function list_meta:__newindex(i, value)
  local s = state(self)
  local ok, err, where = put_one(s.field.type, s.b, element(s, i), value)
  if not ok then
    raise(("%s[%d]"):format(s.field.name, i), err, where, 2)
  end
end

function view_meta:__tostring()
  local s = state(self)
  return ("fdemu.View: %d bytes at offset %d"):format(s.t.size, s.at)
end

function list_meta:__tostring()
  local s = state(self)
  return ("fdemu.View: %d elements at offset %d"):format(s.field.count, s.at)
end

function list_meta:__len()
  return state(self).field.count
end

-- ---- layouts --------------------------------------------------------------

local function bad_argument(level, n, name, message, ...)
  error(("bad argument #%d to '%s' (%s)"):format(n, name, message:format(...)),
    level + 1)
end

-- Where in b: an integer that leaves room for the struct.
local function check_offset(t, name, n, b, offset)
  local at = offset == nil and 0 or math.type(offset) and math.tointeger(offset)
  if not at then
    bad_argument(3, n, name, "offset must be an integer, not a %s", type(offset))
  elseif at < 0 or at + t.size > #b then
    bad_argument(3, n, name, "%d bytes at offset %d do not fit in %d", t.size,
      at, #b)
  end
  return at
end

-- layout.pack(values) instead of layout:pack(values)
local function check_self(t, name)
  if getmetatable(t) ~= struct_meta then
    error(("calling '%s' on a bad self (fdemu.Struct expected, got %s)")
      :format(name, type(t)), 3)
  end
end

local function fill(t, name, values)
  local b = buffer(t.size)
  if values ~= nil and type(values) ~= "table" then
    bad_argument(3, 1, name, "table expected, got %s", type(values))
  end
  local ok, err, where = put_struct(t, b, 0, values or {})
  if not ok then
    error(where == "" and err
      or ("field '%s': %s"):format(where:sub(2), err), 3)
  end
  return b
end

--- A Buffer with these fields; what is not given is 0.
function Struct:new(values)
  check_self(self, "new")
  return fill(self, "new", values)
end

--- The same as a string. It has no place for what a ptr points to.
function Struct:pack(values)
  check_self(self, "pack")
  local b = fill(self, "pack", values)
  if b:pointee(FIRST) then
    error("a string cannot refer to a Buffer: use new instead of pack", 2)
  end
  return b:get()
end

--- A table of the fields of a struct in a Buffer or string.
function Struct:unpack(bytes, offset)
  check_self(self, "unpack")
  local b = bytes
  if type(b) == "string" then
    b = buffer(b)
  elseif not is(b, "fdemu.Buffer") then
    bad_argument(2, 1, "unpack", "Buffer or string expected, got %s",
      type(bytes))
  end
  return get_one(self, b, check_offset(self, "unpack", 2, b, offset))
end

--- The fields of a struct in a Buffer, to be read and assigned in place.
function Struct:at(b, offset)
  check_self(self, "at")
  if not is(b, "fdemu.Buffer") then
    bad_argument(2, 1, "at", "Buffer expected, got %s", type(b))
  end
  return view(self, b, check_offset(self, "at", 2, b, offset))
end

--- Where a field is.
function Struct:offset(name)
  check_self(self, "offset")
  return field_of(self, name, 2).offset
end

function struct_meta:__tostring()
  return ("fdemu.Struct: %d bytes"):format(self.size)
end

local function check_nested(nested)
  if type(nested) ~= "table" then
    bad_argument(3, 2, "struct", "table expected, got %s", type(nested))
  end
  for name, t in next, nested do
    if type(name) ~= "string" or not is(t, "fdemu.Struct") then
      bad_argument(3, 2, "struct", "'%s' is no struct", tostring(name))
    end
  end
end

--- Make a layout of C declarations. `nested`: layouts by the names that they
-- have in the text.
return function(text, nested)
  if type(text) ~= "string" then
    bad_argument(2, 1, "struct", "string expected, got %s", type(text))
  end
  check_nested(nested or {})
  local ok, t = pcall(layout.parse, text, nested or {})
  if not ok then
    error(type(t) == "table" and t.message or t, 2)
  end
  return setmetatable(t, struct_meta)
end
