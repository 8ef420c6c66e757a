-- The rockspec lists what there is, and what it installs works elsewhere.

local shell = require "spec.helper_shell"

local ROCKSPEC = "rockspec/fdemu-scm-1.rockspec"

local function load_rockspec()
  local rockspec = {}
  assert(loadfile(ROCKSPEC, "t", rockspec))()
  return rockspec
end

local function sorted(list)
  table.sort(list)
  return list
end

-- The files that a find command names, in order.
local function find(arguments)
  local files = {}
  for file in shell.must("find " .. arguments):gmatch("[^\n]+") do
    files[#files + 1] = file
  end
  assert.is_true(#files > 0)
  return sorted(files)
end

describe("rockspec #plain", function()
  it("lists every C file", function()
    local listed = load_rockspec().build.modules["fdemu.core"].sources
    assert.same(find "src -name '*.c'", sorted(listed))
  end)

  it("lists every Lua module under its name", function()
    local expected = { ["fdemu.core"] = true }
    for _, file in ipairs(find "lua -name '*.lua'") do
      local name = file:match("^lua/(.*)%.lua$"):gsub("/init$", "")
      expected[name:gsub("/", ".")] = file
    end
    local listed = load_rockspec().build.modules
    listed["fdemu.core"] = true
    assert.same(expected, listed)
  end)

  it("is accepted by luarocks lint", function()
    shell.must("luarocks lint " .. ROCKSPEC)
  end)

  it("installs without a network a module that works elsewhere", function()
    local folder = shell.folder()
    finally(function() shell.remove(folder) end)
    shell.must("mkdir -p " .. folder .. "/clone " .. folder .. "/elsewhere")
    shell.must("cp -r src lua library rockspec README.md LICENSE " .. folder .. "/clone")
    shell.must("find " .. folder .. "/clone -name '*.o' -delete")

    local luarocks = "luarocks --lua-version " .. shell.version
      .. " --tree " .. folder .. "/tree --only-server=" .. folder .. "/none"
    shell.must("cd " .. folder .. "/clone && " .. luarocks .. " make")

    local share = folder .. "/tree/share/lua/" .. shell.version
    local lib = folder .. "/tree/lib/lua/" .. shell.version
    local script = [[
      local fdemu = require "fdemu"
      local p = fdemu.kernel { seed = 1 }:process()
      local r, w = p:pipe()
      p:write(w, "it works")
      print(p:read(r, 100), package.searchpath("fdemu.core", package.cpath))
    ]]
    local output = shell.must("cd " .. folder .. "/elsewhere && "
      .. "env -u LUA_INIT LUA_PATH='" .. share .. "/?.lua;" .. share .. "/?/init.lua' "
      .. "LUA_CPATH='" .. lib .. "/?.so' "
      .. shell.lua .. " -e " .. shell.quote(script))
    assert.equal("it works\t" .. lib .. "/fdemu/core.so\n", output)
    shell.must(("test -e %s/tree/lib/luarocks/rocks-%s/fdemu/scm-1/library/fdemu.lua")
      :format(folder, shell.version)) -- for language servers
  end)
end)
