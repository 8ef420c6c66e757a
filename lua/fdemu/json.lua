--- JSON, as far as traces need it: objects with their keys in a given order.

local json = {}

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n",
  ["\r"] = "\\r", ["\t"] = "\\t" }

local function escape(c)
  return ESCAPES[c] or ("\\u%04x"):format(c:byte())
end

--- A string. Bytes that are not UTF-8 become the characters of Latin-1.
function json.string(s)
  local pattern = utf8.len(s) and '[%c"\\\127]' or '[%c"\\\127-\255]'
  return '"' .. s:gsub(pattern, escape) .. '"'
end

local function encode(value)
  if type(value) == "string" then
    return json.string(value)
  elseif math.type(value) == "float" then
    local text = ("%.9f"):format(value):gsub("0+$", ""):gsub("%.$", "")
    return text
  elseif type(value) == "table" then
    return json.object(value)
  end
  return tostring(value)
end

--- An object from a list of keys and values that take turns; a nil value
-- leaves its key out: { n = 4, "pid", 1, "fd", nil }
function json.object(list)
  local parts = {}
  for i = 1, list.n or #list, 2 do
    if list[i + 1] ~= nil then
      parts[#parts + 1] = json.string(list[i]) .. ":" .. encode(list[i + 1])
    end
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

return json
