-- Dependencies run one way: who may include what, what the objects need.

local shell = require "spec.helper_shell"

-- What each folder may include besides the standard library's <...>. The files
-- of one kind, x.c and x_*.c, may share a header of their own, x.h.
local MAY_INCLUDE = {
  core = { "^core/", "^fdemu[%w_]*%.h$" },
  driver = { "^fdemu_driver%.h$" },
  linux = { "^linux/", "^fdemu[%w_]*%.h$" },
  lua = { "^lua/", "^fdemu[%w_]*%.h$" },
}

local LUA_HEADERS = { "^lua", "^lauxlib" }

-- What the objects of core and drivers may need of libc: memory, strings and
-- what the compiler puts in. No input or output, no clock, no environment.
local MAY_NEED = {
  "^malloc$", "^calloc$", "^realloc$", "^free$", "^mem%w+$", "^str%w+$",
  "^fnmatch$",
  "^v?snprintf$", "^qsort$", "^bsearch$", "^abort$", "^__assert_fail$",
  "^__mem%w+_chk$", "^__str%w+_chk$", "^__v?snprintf_chk$",
  "^__stack_chk_fail$", "^_GLOBAL_OFFSET_TABLE_$",
}

local function matches(patterns, s)
  for _, pattern in ipairs(patterns) do
    if s:find(pattern) then return true end
  end
  return false
end

local function lines(command)
  return shell.must(command):gmatch("[^\n]+")
end

-- Calls f(file, folder, open, name) for each #include under src.
local function each_include(f)
  local count = 0
  for line in lines("grep -rE '^ *# *include' src --include='*.[ch]'") do
    local file, open, name = line:match('^([^:]+):%s*#%s*include%s*([<"])([^>"]+)')
    assert(file, line)
    f(file, file:match("^src/(%w+)/") or "public", open, name)
    count = count + 1
  end
  assert.is_true(count > 0)
end

-- The symbols of the objects in a folder of the build, as nm knows them:
-- { object=, name=, type=, section= }.
local function symbols(folder)
  local list, object = {}, nil
  local objects = shell.build .. "/obj/" .. folder .. "/*.o"
  for line in lines("nm --format=sysv " .. objects) do
    object = line:match("from .*/([%w_]+%.o):") or object
    local name, kind, section = line:match(
      "^([%w_.$]+)%s*|[^|]*|%s*(%a)%s*|[^|]*|[^|]*|[^|]*|(.*)$")
    if name then
      list[#list + 1] = {
        object = object, name = name, type = kind, section = section,
      }
    end
  end
  assert(#list > 0, "no symbols in " .. objects)
  return list
end

-- The host is reached by one driver only, which is left out here by name.
local function is_exempt(symbol)
  return symbol.object:match("^hostfd[%w_]*%.o$") ~= nil
end

local function defined(list)
  local names = {}
  for _, s in ipairs(list) do
    if s.type ~= "U" then names[s.name] = true end
  end
  return names
end

describe("layers #plain", function()
  it("include only what lies below them", function()
    local wrong = {}
    each_include(function(file, folder, open, name)
      local kind = file:match("driver/([%w]+)[%w_]*%.c$")
      if open == '"' and name ~= ("driver/%s.h"):format(kind) and not matches(
          MAY_INCLUDE[folder] or { "^fdemu[%w_]*%.h$" }, name) then
        wrong[#wrong + 1] = file .. ' includes "' .. name .. '"'
      end
    end)
    assert.same({}, wrong)
  end)

  it("include Lua's headers only in the binding", function()
    local wrong = {}
    each_include(function(file, folder, open, name)
      if open == "<" and matches(LUA_HEADERS, name) and folder ~= "lua" then
        wrong[#wrong + 1] = file .. " includes <" .. name .. ">"
      end
    end)
    assert.same({}, wrong)
  end)

  it("take memory from the Lua state's allocator in the binding", function()
    local wrong = {}
    local folder = ("../lua%s/obj/lua"):format(shell.version)
    for _, symbol in ipairs(symbols(folder)) do
      if symbol.type == "U" and matches({ "^[mc]alloc$", "^realloc$",
        "^free$", "^strn?dup$" },
          symbol.name) then
        wrong[#wrong + 1] = symbol.object .. " needs " .. symbol.name
      end
    end
    assert.same({}, wrong)
  end)

  it("have headers that compile alone", function()
    local lua = "lua" .. shell.version
    local flags = shell.must("pkg-config --cflags " .. lua ..
      " 2>/dev/null || echo -I/usr/include/" .. lua):gsub("\n", " ")
    for header in lines("find src -name '*.h'") do
      shell.must("gcc -std=c11 -D_GNU_SOURCE -Isrc -Wall -Werror -x c " ..
        flags .. "-fsyntax-only -include " .. header .. " /dev/null")
    end
  end)

  it("have public headers that any C11 takes", function()
    for header in lines("find src -maxdepth 1 -name '*.h'") do
      shell.must("gcc -std=c11 -pedantic -Isrc -Wall -Wextra -Werror -x c " ..
        "-fsyntax-only -include " .. header .. " /dev/null")
    end
  end)
end)

describe("objects #plain", function()
  it("of core and drivers need only memory and strings of libc", function()
    local wrong, core, driver = {}, symbols "core", symbols "driver"
    local ours = { defined(core), defined(driver) }
    for _, list in ipairs { core, driver } do
      for _, s in ipairs(list) do
        if s.type == "U" and not is_exempt(s) and not ours[1][s.name]
            and not ours[2][s.name] and not matches(MAY_NEED, s.name) then
          wrong[#wrong + 1] = s.object .. " needs " .. s.name
        end
      end
    end
    assert.same({}, wrong)
  end)

  it("of core need no driver", function()
    local wrong, driver = {}, defined(symbols "driver")
    for _, s in ipairs(symbols "core") do
      if s.type == "U" and driver[s.name] then
        wrong[#wrong + 1] = s.object .. " needs " .. s.name
      end
    end
    assert.same({}, wrong)
  end)

  it("of drivers need nothing private of core", function()
    local wrong = {}
    for _, s in ipairs(symbols "driver") do
      if s.type == "U" and s.name:find("^fde_") then
        wrong[#wrong + 1] = s.object .. " needs " .. s.name
      end
    end
    assert.same({}, wrong)
  end)

  -- The constant tables of functions are in .data.rel.ro: written once, by the
  -- dynamic linker.
  it("of core and drivers have no variable", function()
    local wrong = {}
    for _, folder in ipairs { "core", "driver" } do
      for _, s in ipairs(symbols(folder)) do
        if s.type:find("[bBdDcCsSgG]") and not s.section:find("^%.data%.rel%.ro") then
          wrong[#wrong + 1] = s.object .. " has the variable " .. s.name
        end
      end
    end
    assert.same({}, wrong)
  end)

  it("has calls whose arguments are words that a trace knows", function()
    local known, used = { ["|"] = true, ["="] = true, ["NULL"] = true }, 0
    for line in lines("grep -hE '\"[a-z_0-9]+\", \\.(put|names)' "
      .. "src/core/trace*.c") do
      known[line:match('"([%w_]+)"')] = true
    end
    for args in lines "grep -rhoE '\\.args = \"[^\"]*\"' src/core src/driver" do
      for word in args:match('"(.*)"'):gmatch("%S+") do
        used = used + 1
        assert.is_truthy(known[word] or tonumber(word), word)
      end
    end
    assert.is_true(used > 100)
  end)
end)
