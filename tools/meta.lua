-- meta.lua - compares library/fdemu.lua with what the module has
--
-- usage: lua tools/meta.lua [--write]
--
-- Prints what to add and what to take away; with --write it adds: constants
-- between their marks, and for each function a line made of the comment above it
-- in src/lua, before the section that follows the others of its class. For the
-- specs it is a module with compare().

local META = "library/fdemu.lua"

-- What users never see.
local PRIVATE = { Condition = true }

local meta = {}

local function read_file(path)
  local file = assert(io.open(path))
  local text = file:read("a")
  file:close()
  return text
end

-- ---- what there is --------------------------------------------------------

-- The methods of a metatable of the binding: its __index, or the first table
-- among that function's upvalues.
local function methods_of(index)
  local i = 1
  while type(index) == "function" do
    local name, value = debug.getupvalue(index, i)
    if name == nil then
      return {}
    elseif type(value) == "table" then
      return value
    end
    i = i + 1
  end
  return index
end

local function add_all(found, class, methods)
  for name, value in pairs(methods) do
    if type(value) == "function" and type(name) == "string" then
      found[class .. ":" .. name] = true
    end
  end
end

-- Of what is made of Lua tables, an object to take the metatable of.
local function lua_objects(fdemu)
  local objects = { Struct = fdemu.struct "int x" }
  local k = fdemu.kernel()
  local p = k:process { stdout = "null", stderr = "null" }
  k:device("/dev/peer", fdemu.peer(function(dev) objects.Dev = dev end))
  p:write(p:open("/dev/peer", "r+"), "x")
  k:run(1)
  k:close()
  return objects
end

--- The functions and constants of the module: { ["Kernel:run"] = true,
-- ["fdemu.kernel"] = true }, { O_RDWR = true }.
function meta.actual()
  local fdemu = require "fdemu"
  local functions, constants = {}, {}
  for name, value in pairs(fdemu) do
    if type(value) == "function" then
      functions["fdemu." .. name] = true
    elseif math.type(value) == "integer" then
      constants[name] = true
    end
  end
  for name, metatable in pairs(debug.getregistry()) do
    local class = type(name) == "string" and name:match("^fdemu%.(%u%w*)$")
    if class and not PRIVATE[class] and type(metatable) == "table" and metatable.__index then
      add_all(functions, class, methods_of(metatable.__index))
    end
  end
  for class, object in pairs(lua_objects(fdemu)) do
    add_all(functions, class, methods_of(getmetatable(object).__index))
  end
  return functions, constants
end

-- ---- what the meta file has -----------------------------------------------

--- The same of the text of a meta file.
function meta.declared(text)
  local functions, constants = {}, {}
  for name in text:gmatch("\nfunction ([%w_.:]+)%(") do
    if name:find("^%u%w*:") or name:find("^fdemu%.") then
      functions[name] = true
    end
  end
  local block = assert(text:match("%-%-<constants>\n(.-)%-%-</constants>"))
  for name in block:gmatch("fdemu%.([%w_]+) =") do
    constants[name] = true
  end
  return functions, constants
end

-- ---- the difference -------------------------------------------------------

local function missing(from, list)
  local names = {}
  for name in pairs(list) do
    if not from[name] then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

local SELF = { Kernel = "k", Process = "p", Description = "d", Buffer = "b",
  Task = "task", Rule = "rule" }

local function sources()
  local texts = {}
  local pipe = assert(io.popen("cat src/lua/*.c"))
  texts[1] = pipe:read("a")
  pipe:close()
  return texts[1]
end

-- "p:splice(in, ...) -> count": the comment of a method in C, as one line.
local function comment(c, class, name)
  for text in c:gmatch("/%*(.-)%*/") do
    text = text:gsub("\n%s*%*", ""):gsub("^%s+", ""):gsub("%s+", " ")
    if text:find(("%s:%s("):format(SELF[class] or "?", name), 1, true) then
      return text:gsub(" $", "")
    end
  end
end

--- The lines that declare a function.
function meta.stub(name, c)
  local class, method = name:match("^(%w+)[:.](.+)$")
  local text = comment(c or sources(), class, method)
  return ("---%s\n---@param ... any\n---@return any ...\nfunction %s(...) end\n")
    :format(text or "To be described.", name)
end

--- What to add to a meta file (lists of names), and what to take away.
function meta.compare(text)
  local functions, constants = meta.actual()
  local has_functions, has_constants = meta.declared(text)
  return {
    functions = missing(has_functions, functions),
    constants = missing(has_constants, constants),
    stale = missing(functions, has_functions),
    stale_constants = missing(constants, has_constants),
  }
end

function meta.file()
  return read_file(META)
end

-- ---- writing --------------------------------------------------------------

-- Behind the last function of the same class.
local function add_function(text, name, c)
  local class = name:match("^%w+[:.]")
  local at, from = nil, 1
  while true do
    local _, last = text:find("\nfunction " .. class:gsub("%p", "%%%0")
      .. "[%w_]+%([^\n]*%) end\n", from)
    if not last then
      break
    end
    at, from = last, last
  end
  if not at then
    error(("%s: write a class first: ---@class fdemu.%s"):format(META,
      class:sub(1, -2)), 0)
  end
  return text:sub(1, at) .. "\n" .. meta.stub(name, c) .. text:sub(at + 1)
end

local function with_constants(text, constants)
  local names = {}
  for name in pairs(constants) do
    names[#names + 1] = name
  end
  table.sort(names)
  local fdemu = require "fdemu"
  local lines = {}
  for i, name in ipairs(names) do
    lines[i] = ("fdemu.%s = %d\n"):format(name, fdemu[name])
  end
  return (text:gsub("(%-%-<constants>\n).-(%-%-</constants>)", function(a, b)
    return a .. table.concat(lines) .. b
  end))
end

local function write()
  local text, c = meta.file(), sources()
  local difference = meta.compare(text)
  for _, name in ipairs(difference.functions) do
    text = add_function(text, name, c)
    print("added " .. name)
  end
  local _, constants = meta.actual()
  text = with_constants(text, constants)
  local file = assert(io.open(META, "w"))
  file:write(text)
  file:close()
  for _, name in ipairs(difference.stale) do
    print("take away " .. name .. ": the module does not have it")
  end
end

if arg and arg[0] and arg[0]:find("meta%.lua$") then
  if arg[1] == "--write" then
    write()
  else
    for _, name in ipairs(meta.compare(meta.file()).functions) do
      io.write(meta.stub(name), "\n")
    end
  end
end

return meta
