-- docs_spec.lua - the examples in the documentation print what they say

local shell = require "spec.helper_shell"

local function lua(script)
  return ("LUA_PATH='lua/?.lua;lua/?/init.lua;;' "
    .. "LUA_CPATH='%s/lua%s/?.so;;' %s %s"):format(
    shell.build, shell.version, shell.lua, script)
end

-- The Lua blocks of a text that say what they print, after -->; with the line
-- at which they begin.
local function examples(text)
  local list, block, line = {}, nil, 0
  for s in (text .. "\n"):gmatch("([^\n]*)\n") do
    line = line + 1
    if s:find("^```lua$") then
      block = { line = line, code = {}, output = {} }
    elseif s:find("^```") and block then
      if #block.output > 0 then list[#list + 1] = block end
      block = nil
    elseif block and s:find("^%-%->") then
      table.insert(block.output, (s:gsub("^%-%-> ?", "")))
    elseif block then
      table.insert(block.code, s)
    end
  end
  return list
end

local function check(file, text)
  for _, example in ipairs(examples(text)) do
    it(("%s:%d prints what it says"):format(file, example.line), function()
      local name = os.tmpname()
      finally(function() os.remove(name) end)
      -- the first line of the code is line 1
      shell.write_file(name, table.concat(example.code, "\n") .. "\n")
      assert.equal(table.concat(example.output, "\n") .. "\n",
        shell.must(lua(name)))
    end)
  end
end

describe("an example in", function()
  check("README.md", shell.read_file "README.md")

  local meta = shell.read_file "library/fdemu.lua"
  check("library/fdemu.lua", (meta:gsub("([^\n]*)\n", function(line)
    return (line:match("^%-%-%-(.*)$") or "") .. "\n"
  end)))
end)

describe("the documentation", function()
  it("has every Lua block closed, and most of them run", function()
    local meta = shell.read_file("library/fdemu.lua"):gsub("%-%-%-", "")
    assert.is_true(#examples(meta) >= 8)
    for _, file in ipairs { "README.md", "library/fdemu.lua" } do
      local _, n = shell.read_file(file):gsub("```", "")
      assert.equal(0, n % 2, file)
    end
  end)

  it("is what make doc makes, if there is LDoc", function()
    local _, status = shell.run "command -v ldoc && command -v lua5.1"
    if status ~= 0 then return pending "no ldoc" end
    local folder = shell.folder()
    finally(function() shell.remove(folder) end)
    local output = shell.must("env -u MAKEFLAGS -u MAKELEVEL make doc BUILD="
      .. folder)
    assert.is_nil(output:find("[Ww]arning"), output)
    local page = shell.read_file(folder .. "/doc/classes/fdemu.Kernel.html")
    assert.is_truthy(page:find("Kernel:inject", 1, true))
    assert.is_truthy(shell.read_file(folder .. "/doc/index.html"))
  end)

  it("is turned into sources for LDoc that are Lua", function()
    local folder = shell.folder()
    finally(function() shell.remove(folder) end)
    shell.must(lua("tools/docsource.lua " .. folder))
    for name in shell.must("ls " .. folder):gmatch("[^\n]+") do
      local text = shell.read_file(folder .. "/" .. name)
      assert.is_function((assert(load(text, name))))
      assert.is_truthy(text:find("\n%-%- @%a-mod"), name)
    end
    local kernel = shell.read_file(folder .. "/fdemu.Kernel.lua")
    assert.is_truthy(kernel:find(
      "-- @tparam[opt] number seconds \n-- @treturn boolean done\n"
        .. "function Kernel:run(seconds) end\n", 1, true), kernel)
  end)
end)

describe("the README's program in C #plain", function()
  it("prints what it says", function()
    local text = shell.read_file "README.md"
    local code = text:match("```c\n(.-)```")
    local folder = shell.folder()
    finally(function() shell.remove(folder) end)
    shell.write_file(folder .. "/first.c", code)
    shell.must(("gcc -Wall -Werror -Isrc %s/first.c %s/libfdemu.a -o %s/first")
      :format(folder, shell.build, folder))
    assert.equal(text:match("prints `([^`]*)`%.\n") .. "\n",
      shell.must(folder .. "/first"))
  end)
end)

describe("the README's spec", function()
  it("passes", function()
    local text = shell.read_file "README.md"
    local code = text:match('```lua\n(require "fdemu.busted".-)```')
    local folder = shell.folder()
    finally(function() shell.remove(folder) end)
    shell.write_file(folder .. "/readme_spec.lua", code)
    local report, status = shell.run(("env BUILD=%s %s tools/busted.lua "
      .. "--output=TAP %s/readme_spec.lua"):format(shell.quote(shell.build),
      shell.lua, folder))
    assert.equal(0, status, report)
    assert.is_truthy(report:find("\nok 1 - ", 1, true), report)
  end)
end)
