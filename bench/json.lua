-- json.lua - writes JSON: strings, numbers, booleans, lists and tables

local M = {}

local function quote(s)
  return '"' .. s:gsub('[%c"\\]', function(c)
    return ("\\u%04x"):format(c:byte())
  end) .. '"'
end

-- Keys in order, so that two results can be compared line by line.
local function keys(t)
  local list = {}
  for key in pairs(t) do list[#list + 1] = key end
  table.sort(list)
  return list
end

function M.encode(v)
  local kind = type(v)
  if kind == "string" then return quote(v) end
  if kind == "number" then return ("%.6g"):format(v) end
  if kind ~= "table" then return tostring(v) end
  local parts = {}
  if v[1] ~= nil then
    for i, item in ipairs(v) do parts[i] = M.encode(item) end
    return "[\n" .. table.concat(parts, ",\n") .. "\n]"
  end
  for i, key in ipairs(keys(v)) do
    parts[i] = quote(key) .. ": " .. M.encode(v[key])
  end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

return M
