-- helper_checks.lua - assertions about texts and errors that many specs make

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

return checks
