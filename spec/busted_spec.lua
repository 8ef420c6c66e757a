-- busted_spec.lua - require "fdemu.busted", in specs that busted runs

local shell = require "spec.helper_shell"

local quote = shell.quote

-- Runs a spec as its user would; returns what busted wrote, in TAP, and its
-- exit status.
local function busted(file, variables)
  return shell.run(("env BUILD=%s %s %s tools/busted.lua --output=TAP "
    .. "--no-shuffle-tests %s"):format(quote(shell.build), variables or "",
    shell.lua, file))
end

-- What a report says of a test: from its "ok" or "not ok" to the next.
local function entry(report, name)
  local from = report:find("[^\n]*ok %d+ %- fails " .. name .. "\n")
  assert(from, "no test '" .. name .. "' in\n" .. report)
  return report:sub(from, (report:find("\n# spec/[^\n]* @ %d+: ", from)))
end

local function contains(text, part)
  assert.is_truthy(text:find(part, 1, true),
    ("%s\nis not in\n%s"):format(part, text))
end

describe("fdemu.busted", function()
  local PASSES, FAILS = "spec/fixtures/busted_passes.lua",
    "spec/fixtures/busted_fails.lua"

  it("gives tests that pass", function()
    local report, status = busted(PASSES)
    assert.equal(0, status, report)
    assert.equal(7, select(2, report:gsub("\nok %d+ %- ", "")), report)
    contains(report, "# SKIP ")
    contains(report, "\nseed\t0\n")
    assert.is_nil(report:find("not ok", 1, true))
    assert.is_nil(report:find("repeats it", 1, true))
  end)

  it("takes seeds from FDEMU_SEED and FDEMU_RUNS", function()
    local report = busted(PASSES, "FDEMU_SEED=7 FDEMU_RUNS=3")
    contains(report, "\nseed\t7\nseed\t8\nseed\t9\n")
    report = busted(PASSES, "FDEMU_SEED=-5")
    contains(report, "seed\t-5\n")
    local _, status = busted(PASSES, "FDEMU_RUNS=0")
    assert.is_true(status ~= 0)
    report, status = busted(PASSES, "FDEMU_SEED=seven")
    assert.is_true(status ~= 0)
    contains(report, FAILS:gsub("fails", "passes") .. ":")
    contains(report, "FDEMU_SEED must be an integer, not seven")
  end)

  describe("says of a test that fails", function()
    local report, status

    setup(function() report, status = busted(FAILS) end)

    it("with the exit status that it does", function()
      assert.is_true(status ~= 0)
      assert.is_nil(report:find("\nok ", 1, true))
    end)

    for name, parts in pairs {
      ["an assertion"] = {
        FAILS .. ":8: Expected objects to be equal.",
        "seed 0; FDEMU_SEED=0 repeats it",
        'the calls:\n# [pid  1] write(1, "abc", 3) = 3\n',
      },
      ["an error"] = { FAILS .. ":11: no idea\n# stack traceback:\n",
        "repeats it" },
      ["a task's assertion"] = { FAILS .. ":14: Expected objects",
        "repeats it" },
      ["a task's error"] = { FAILS .. ":18: no idea", "repeats it" },
      ["a deadlock"] = {
        FAILS .. ":21: deadlock: nothing can run",
        "task 'reader'",
        "(made at " .. FAILS .. ":22)",
        "[pid  1] read(3,  <unfinished ...>",
      },
      ["a leak"] = {
        FAILS .. ":26: a descriptor was left open:\n"
          .. "#   process 1, descriptor 3: null #4, /dev/null, made at "
          .. FAILS .. ":26\n",
      },
      ["a double close"] = {
        FAILS .. ":28: a descriptor was used after it was closed:\n",
        "process 1, close of descriptor 3 at " .. FAILS .. ":31: it was "
          .. "closed at " .. FAILS .. ":30, and made at " .. FAILS .. ":29",
      },
      ["a rule that was never used"] = {
        FAILS .. ":34: a rule made at " .. FAILS
          .. ":35 was never used: no call matched it",
      },
      ["only under one seed"] = {
        "seed 3 (run 4 of 10); FDEMU_SEED=3 repeats it\n"
          .. "# the last 2 of 5 calls:\n# [pid  1] close(99) = -1",
      },
      ["no_leaks"] = { ":46: 2 descriptors were left open:\n",
        "process 1, descriptor 3: pipe #4\n" },
      ["no_leaks of something else"] = {
        ":49: bad argument #1 to 'no_leaks' (fdemu.Kernel expected, got "
          .. "number)",
      },
      ["errno of a success"] = {
        ":51: the call should fail with EAGAIN (Resource temporarily "
          .. 'unavailable), but it returned "abc"',
      },
      ["errno of another failure"] = {
        "should fail with EAGAIN (Resource temporarily unavailable), "
          .. "but it failed with EPIPE (Broken pipe)",
      },
      ["errno negated"] = {
        "the call should not fail with EPIPE (Broken pipe), but it failed "
          .. "with EPIPE",
      },
      ["errno of no errno"] = {
        ":61: bad argument #1 to 'errno' (O_RDONLYX is no errno)",
      },
      ["bad arguments"] = {
        ":63: bad argument #3 to 'fdemu_it' (function expected, got number)",
      },
      ["an unknown option"] = { ":66: unknown option 'colour'" },
      ["bad runs"] = { ":70: runs must be an integer >= 1, not 0" },
    } do
      it("what is known of " .. name, function()
        local text = entry(report, name)
        assert.equal("not ok", text:match("not ok"))
        for _, part in ipairs(parts) do contains(text, part) end
      end)
    end
  end)

  it("is refused outside busted", function()
    local output, code = shell.run(("LUA_PATH='lua/?.lua;lua/?/init.lua;;' "
      .. "LUA_CPATH='%s/lua%s/?.so;;' %s -e 'require \"fdemu.busted\"'")
      :format(shell.build, shell.version, shell.lua))
    assert.equal(1, code)
    contains(output, "fdemu.busted is for specs that busted runs")
  end)
end)
