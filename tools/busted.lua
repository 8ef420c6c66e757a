-- busted.lua - runs busted in the Lua that runs this file
--
--   lua5.3 tools/busted.lua [busted's arguments]
--
-- (The command of that name starts another interpreter.) BUILD names the
-- folder with the module; without it, the module is built first.

if not os.getenv("BUILD") then
  local lua = _VERSION:lower():gsub(" ", "")
  assert(os.execute("make -s LUA=" .. lua), "make failed")
end

require "busted.runner" { standalone = false }
