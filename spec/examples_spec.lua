-- What a newcomer runs: the README's script and the programs in examples/.

local shell = require "spec.helper_shell"

local quote = shell.quote

-- What comes before a command to run a program as a user of this build does.
local function lua(script)
  return ("LUA_PATH='lua/?.lua;lua/?/init.lua;;' "
    .. "LUA_CPATH='%s/lua%s/?.so;;' %s %s"):format(
    shell.build, shell.version, shell.lua, script)
end

describe("README", function()
  local readme = shell.read_file "README.md"

  it("has a first script that prints what it says it does", function()
    local script = readme:match("\n```lua\n(.-)```\n")
    local expected = readme:match("It prints\n\n```\n(.-)```\n")
    local name = os.tmpname()
    finally(function() os.remove(name) end)
    shell.write_file(name, script)
    assert.equal(expected, shell.must(lua(name)))
  end)

  it("names only files that are there", function()
    for name in readme:gmatch("`([%w_]+/[%w_./]*)`") do
      assert.message(name).equal(0, select(2, shell.run("test -e " .. name)))
    end
  end)
end)

describe("every example", function()
  local here = shell.read_file "spec/examples_spec.lua"

  for path in shell.must("ls examples/*.lua"):gmatch("[^\n]+") do
    local text = shell.read_file(path)
    local name = path:match("[^/]+$")

    it(("says what it is: %s"):format(name), function()
      assert.equal("-- " .. name .. " - ", text:sub(1, #name + 6))
    end)

    -- Comments at the end: "-- It prints:", and then the lines.
    local printed = text:match("\n%-%- It prints:\n%-%-\n(.*)$")
    if printed then
      it(("prints what it says: %s"):format(name), function()
        local expected = ("\n" .. printed):gsub("\n%-%- ? ? ?", "\n"):sub(2)
        assert.equal(expected, shell.must(lua(path)))
        assert.is_truthy(text:find("lua5.4 " .. path, 1, true))
      end)
    else
      it(("is run by a spec of its own: %s"):format(name), function()
        assert.is_truthy(here:find('describe("' .. path, 1, true))
      end)
    end
  end
end)

describe("examples/sha256.lua", function()
  local sha256 = dofile "examples/sha256.lua"

  it("gives the digests of FIPS 180-4's examples", function()
    assert.equal("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      sha256.new():hex())
    assert.equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      sha256.new():update("abc"):hex())
    assert.equal("248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
      sha256.new():update("abcdbcdecdefdefgefghfghighijhijk"
        .. "ijkljklmklmnlmnomnopnopq"):hex())
    assert.equal("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
      sha256.new():update(("a"):rep(1000000)):hex())
  end)

  it("does not care how the data is cut", function()
    local data = ("0123456789"):rep(20)
    for length = 0, #data do
      local whole = sha256.new():update(data:sub(1, length)):hex()
      local pieces = sha256.new()
      for i = 1, length, 7 do
        pieces:update(data:sub(i, math.min(i + 6, length)))
        pieces:digest()
      end
      assert.equal(whole, pieces:hex())
    end
  end)
end)

describe("examples/explore.lua", function()
  it("finds what is wrong with two servers, and nothing in the third", function()
    local output = shell.must(lua "examples/explore.lua")
    local first, second, third = output:match("^== a read is a line\n(.*)"
      .. "== lines, but no lock\n(.*)== lines and a lock\n(.*)$")
    assert.matches("not a request: add", first)
    assert.matches("task 'client %d' was stopped before write%(%d%)", first)
    assert.matches("the total is [12]00\n", second)
    assert.matches("^nothing in 500 runs, with %d+ switches\n$", third)
  end)
end)

describe("examples/digest.lua", function()
  local folder

  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  local function command(file, seed)
    return lua("examples/digest.lua " .. quote(file) .. " " .. (seed or 0))
  end

  -- Runs it on a file with this name and this data; the first line must be
  -- what sha256sum prints.
  local function check(name, data, seed)
    local path = folder .. "/" .. name
    shell.write_file(path, data)
    local output = shell.must(command(path, seed))
    local sum = shell.must("sha256sum " .. quote(path))
    assert.equal(sum, output:sub(1, #sum))
    return output:sub(#sum + 1)
  end

  local function random_bytes(size)
    return shell.must("head -c " .. size .. " /dev/urandom")
  end

  it("says how many calls it made and how many were cut short", function()
    local rest = check("text", ("some text\n"):rep(2000), 7)
    local calls, short, seed = rest:match(
      "^(%d+) calls, (%d+) cut short by seed (%d+)\ncoreutils' sha256sum finds the same\n$")
    assert.is_truthy(calls, rest)
    assert.is_true(tonumber(short) > 0)
    assert.is_true(tonumber(calls) > tonumber(short))
    assert.equal("7", seed)
  end)

  it("takes an empty file", function()
    check("empty", "")
  end)

  it("takes 3 MiB of binary data", function()
    check("binary", random_bytes(3 * 1024 * 1024), 7)
  end)

  it("takes any file name", function()
    for _, name in ipairs {
      "with space", "it's", '"quoted"', "$HOME `id` $(id)", "new\nline",
      "back\\slash", "re\rturn", "*", "-", "ü",
    } do
      check(name, name)
    end
  end)

  it("takes a file whose name begins with a dash", function()
    local root = shell.must("pwd"):gsub("\n", "")
    shell.write_file(folder .. "/-n", "dash")
    local run = ("LUA_PATH='%s/lua/?.lua;%s/lua/?/init.lua;;' "):format(root, root)
      .. ("LUA_CPATH='%s/%s/lua%s/?.so;;' "):format(root, shell.build, shell.version)
      .. shell.lua .. " " .. root .. "/examples/digest.lua -n"
    local output = shell.must("cd " .. folder .. " && " .. run)
    assert.matches("^%x+  %-n\n", output)
  end)

  it("names a file that is not there", function()
    local output, status = shell.run(command(folder .. "/none"))
    assert.equal(1, status)
    assert.equal("digest: " .. folder .. "/none: No such file or directory\n", output)
  end)

  it("refuses a folder", function()
    local output, status = shell.run(command(folder))
    assert.equal(1, status)
    assert.equal("digest: " .. folder .. ": Is a directory\n", output)
  end)

  it("refuses a seed that is no integer", function()
    local output, status = shell.run(command("README.md", "seven"))
    assert.equal(1, status)
    assert.equal("digest: SEED must be an integer\n", output)
  end)

  it("exits with 1 if sha256sum finds another digest", function()
    shell.write_file(folder .. "/sha256sum", "#!/bin/sh\necho 00000000\n")
    shell.must("chmod +x " .. folder .. "/sha256sum")
    local output, status = shell.run(
      "PATH=" .. folder .. ":$PATH " .. command("README.md"))
    assert.equal(1, status)
    assert.matches("digest: sha256sum finds 00000000\n$", output)
  end)

  it("makes the same calls for the same seed", function()
    local path = folder .. "/traced"
    shell.write_file(path, random_bytes(300000))
    local function trace(seed)
      local output = shell.must("export TRACE=1; " .. command(path, seed))
      assert.matches("\n%[pid +1%] read%(", output)
      return output
    end
    local first = trace(7)
    assert.is_true(first == trace(7))
    assert.is_false(first == trace(8))
  end)
end)

describe("examples/modem.lua", function()
  it("dials until the other side answers", function()
    assert.equal([[
 0.05 s  ATZ          OK
 0.10 s  ATX?         ERROR
 4.15 s  ATDT5551234  BUSY
 8.20 s  ATDT5551234  CONNECT
 8.20 s  login:
 8.20 s  guest        bye, guest
 8.20 s  hung up
]], shell.must(lua("examples/modem.lua")))
  end)
end)

describe("examples/eeprom.lua", function()
  it("writes and reads a chip by I2C_RDWR and SMBus", function()
    local output = shell.must(lua("examples/eeprom.lua"))
    local _, busy = output:gsub("ioctl%(3, I2C_RDWR, %.%.%.%) = %-1 ENXIO", "")
    assert.equal(10, busy)
    assert.equal([[
written in 13 attempts, 0.010 s
read back: "a serial number"
by SMBus:  "A"
at 0x51:   No such device or address
]], output:match "written in.*")
  end)
end)

describe("examples/flaky_disk.lua", function()
  it("rescues what can be rescued, whatever the seed", function()
    for seed = 1, 5 do
      local output = shell.must(lua("examples/flaky_disk.lua " .. seed))
      assert.equal("61 of 64 sectors rescued; lost: 13, 14, 40\n",
        output:match "^[^\n]*\n")
      assert.is_truthy(output:find("^%d+ reads, %d+ of them again, [5-9] failed"
        .. " by the rule; [%d.]+ s\n$", #output:match "^[^\n]*\n" + 1))
    end
  end)
end)
