-- meta_spec.lua - the annotations say what the module has, and nothing else

local meta = dofile "tools/meta.lua"

local shell = require "spec.helper_shell"

local text = meta.file()

describe("library/fdemu.lua", function()
  local difference = meta.compare(text)

  it("is Lua", function()
    assert.is_function((assert(load(text))))
  end)

  it("declares every function (else: make meta)", function()
    local lines = {}
    for i, name in ipairs(difference.functions) do
      lines[i] = meta.stub(name)
    end
    assert.equal("", table.concat(lines, "\n"),
      "run `make meta`, or add these lines and describe them")
  end)

  it("declares every constant (else: make meta)", function()
    assert.same({}, difference.constants, "run `make meta`")
  end)

  it("declares nothing that is not there (else: take it away)", function()
    assert.same({}, difference.stale)
    assert.same({}, difference.stale_constants)
  end)

  -- The names in the list of a C file, and the fields of a class.
  local function keys_of(file)
    local names = {}
    local list = shell.read_file(file):match("known%[%] = (%b{})")
    for name in list:gmatch('"(%w+)"') do names[#names + 1] = name end
    table.sort(names)
    return names
  end

  local function fields_of(class)
    local names = {}
    local _, from = text:find("\n---@class fdemu." .. class .. "\n", 1, true)
    for line in text:sub(from + 1):gmatch("([^\n]*)\n") do
      local name = line:match("^%-%-%-@field (%w+)")
      if not name then break end
      names[#names + 1] = name
    end
    table.sort(names)
    return names
  end

  it("has the options of kernels and the keys of rules", function()
    assert.same(keys_of "src/lua/lkernel.c", fields_of "KernelOptions")
    assert.same(keys_of "src/lua/lfault.c", fields_of "RuleOptions")
  end)

  it("would notice what is missing, and what is too much", function()
    local changed, n = text:gsub("\nfunction Kernel:run%(", "\nfunction Kernel:walk(")
    assert.equal(1, n)
    local d = meta.compare((changed:gsub("\nfdemu.O_RDWR = ", "\nfdemu.O_RDWRX = ")))
    assert.same({ "Kernel:run" }, d.functions)
    assert.same({ "Kernel:walk" }, d.stale)
    assert.same({ "O_RDWR" }, d.constants)
    assert.same({ "O_RDWRX" }, d.stale_constants)
  end)

  it("has a line to add for what is missing", function()
    assert.equal("---k:run([seconds]) -> whether every task that is not a "
      .. "daemon is done\n---@param ... any\n---@return any ...\n"
      .. "function Kernel:run(...) end\n", meta.stub("Kernel:run"))
  end)
end)
