-- helper_checks.lua - assertions that many specs make: texts, errors, a kernel

local assert = require "luassert"

local checks = {}

function checks.contains(text, part)
  assert.is_truthy(tostring(text):find(part, 1, true),
    ("%q is not in %q"):format(part, tostring(text)))
end

-- The text of the error that fn(...) raises.
function checks.failure(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok, "no error was raised")
  return tostring(err)
end

-- The kernel can still do what it is for.
function checks.works(k)
  local p = k:process()
  local r, w = p:pipe()
  local t = k:spawn(function() return p:read(r, 10) end)
  k:spawn(function() p:write(w, "fine") end)
  assert.equal("fine", t:join())
  p:exit(0)
end

return checks
