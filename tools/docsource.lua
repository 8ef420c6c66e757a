-- docsource.lua - makes sources for LDoc of library/fdemu.lua
--
-- usage: lua tools/docsource.lua FOLDER
--
-- The annotations are for language servers; LDoc has tags of its own. Each class
-- becomes a file FOLDER/CLASS.lua, the module FOLDER/fdemu.lua.

local folder = assert(arg[1], "usage: docsource.lua FOLDER")

local function html(text)
  return (text:gsub("[&<>]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }))
end

-- ---- reading --------------------------------------------------------------

-- A type at the start of a text, and what follows it: "integer | string" may
-- have blanks around its bars, and brackets may have anything between them.
local function split_type(text)
  local i, depth = 1, 0
  while i <= #text do
    local c = text:sub(i, i)
    if c:find("[%(%{%[<]") then
      depth = depth + 1
    elseif c:find("[%)%}%]>]") then
      depth = depth - 1
    elseif c == '"' then
      i = text:find('"', i + 1, true)
    elseif depth == 0 and c == "," then
      break
    elseif depth == 0 and c == " " then
      local bar = text:match("^%s*|%s*()", i) or text:match("^%s*()", i)
        and text:sub(i - 1, i - 1):find("[|:]") and i + 1
      if not bar then
        break
      end
      i = bar - 1
    end
    i = i + 1
  end
  return text:sub(1, i - 1), (text:sub(i):gsub("^%s+", ""))
end

-- As LDoc takes types: without blanks, functions and tables as such.
local function plain_type(type)
  local optional = type:find("%?$") ~= nil
  type = type:gsub("%?$", "")
  if type:find("^fun%(") then
    type = "func"
  elseif type:find("^{") or type:find("^table<") then
    type = "tab"
  end
  return html((type:gsub("%s*|%s*", "|"):gsub("%s", ""))), optional
end

-- What a function's type says of its parameters: "(self, count[, offset]) "
local function signature(type)
  local names = {}
  local rest = (type:match("^fun(%b())") or "()"):sub(2, -2)
  while rest ~= "" do
    local name, after = rest:match("^([^:,]+):?%s*(.*)$")
    local _, more = split_type(after)
    names[#names + 1] = name:find("%?$") and "[" .. name:sub(1, -2) .. "]" or name
    rest = more:gsub("^,%s*", "")
  end
  if #names == 0 then
    return ""
  end
  return ("(%s) "):format((table.concat(names, ", "):gsub(", %[", "[, ")))
end

-- Comment lines as { text lines, params, returns, fields, class, example }.
local function parse(lines)
  local block = { text = {}, params = {}, returns = {}, fields = {}, usage = {} }
  local usage
  for _, line in ipairs(lines) do
    local tag, rest = line:match("^@(%w+)%s*(.*)$")
    if line:find("^```") then
      usage = not usage
    elseif usage then
      table.insert(block.usage, line)
    elseif tag == "param" or tag == "field" then
      local name, description = rest:match("^(%S+)%s+(.*)$")
      local type, text = split_type(description)
      table.insert(tag == "param" and block.params or block.fields,
        { name = name, type = type, text = text })
    elseif tag == "return" then
      table.insert(block.returns, rest)
    elseif tag == "class" then
      block.class = rest:match("^[%w_.]+")
    elseif not tag then
      table.insert(block.text, line)
    end
  end
  return block
end

-- Calls item(block, code) for each comment and the line that follows it.
local function each(item)
  local comment = {}
  for line in io.lines "library/fdemu.lua" do
    local text = line:match("^%-%-%-(.*)$")
    if text then
      comment[#comment + 1] = text
    else
      if #comment > 0 then
        item(parse(comment), line)
      end
      comment = {}
    end
  end
end

-- ---- writing --------------------------------------------------------------

local function describe(out, block, fallback)
  local text = table.concat(block.text, "\n-- "):gsub("^%s+", "")
  out("--- " .. html(text ~= "" and text or fallback))
end

local function describe_params(out, list, tag)
  for _, p in ipairs(list) do
    local type, optional = plain_type(p.type)
    local name = p.name:gsub("%?$", "")
    optional = optional or p.name:find("%?$")
    out(("-- @%s%s %s %s %s"):format(tag, optional and "[opt]" or "", type, name,
      html(signature(p.type) .. p.text)))
  end
end

local function describe_usage(out, block)
  if #block.usage > 0 then
    out "-- @usage"
    for _, line in ipairs(block.usage) do
      out("-- " .. line)
    end
  end
end

-- For a function that has no text of its own.
local function summary(block, code)
  local class, name = code:match("function ([%w_]+)[:.]([%w_]+)")
  local _, text = split_type(block.returns[1] or "")
  return class == "Process" and name .. "(2)." or text ~= "" and text or name
end

local function describe_function(out, block, code)
  describe(out, block, summary(block, code))
  describe_params(out, block.params, "tparam")
  for _, text in ipairs(block.returns) do
    while text ~= "" do
      local type, rest = split_type(text)
      local name, more = rest:match("^([^,]*),%s*(.*)$")
      out(("-- @treturn %s %s"):format(plain_type(type), html(name or rest)))
      text = more or ""
    end
  end
  describe_usage(out, block)
  out(code)
  out ""
end

local files, order = {}, {}

local function writer(name, head)
  if not files[name] then
    files[name] = { head }
    order[#order + 1] = name
  end
  return function(line)
    table.insert(files[name], line)
  end
end

local out

each(function(block, code)
  local name = block.class
  if name and code:find("^local ") then
    local kind = name == "fdemu" and "module" or "classmod"
    out = writer(name, "")
    describe(out, block, name)
    describe_usage(out, block)
    out(("-- @%s %s"):format(kind, name))
    out ""
    if #block.fields > 0 and name ~= "fdemu" then
      out "--- Fields."
      out "-- @table Fields"
      describe_params(out, block.fields, "tfield")
      out ""
    end
  elseif name then
    describe(out, block, name:match("[%w_]+$") .. ".")
    out("-- @table " .. name:match("[%w_]+$"))
    describe_params(out, block.fields, "tfield")
    out ""
  elseif code:find("^function ") then
    describe_function(out, block, code)
  end
end)

for _, name in ipairs(order) do
  local file = assert(io.open(folder .. "/" .. name .. ".lua", "w"))
  assert(file:write((table.concat(files[name], "\n"):gsub("^\n", "")), "\n"))
  assert(file:close())
end
