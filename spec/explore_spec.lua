-- explore_spec.lua - many seeds, the first failure shrunk, replayed, explained
local fdemu = require "fdemu"
local checks = require "spec.helper_checks"
local shell = require "spec.helper_shell"

local contains, failure = checks.contains, checks.failure

-- A program whose bug needs two short reads and one switch: the logger takes
-- for granted that a read gives all, notices one that does not, and relies on
-- the loader to have run if that happens twice. Two other tasks make noise.
local BUG = [[
return function(k)
  k:device("/dev/adc", {
    short = true,
    read = function(_, count) return ("x"):rep(count) end,
  })
  local p = k:process { stdout = "null", stderr = "null" }
  local adc = p:open("/dev/adc", "r")
  local loaded = false
  p:spawn { function() loaded = true end, name = "loader" }
  p:spawn { function()
    local head = p:read(adc, 16)
    local tail = p:read(adc, 16)
    if #head < 16 and #tail < 16 and not loaded then
      error("no table to recover with")
    end
  end, name = "logger" }
  for i = 1, 2 do
    p:spawn { function()
      for _ = 1, 5 do
        p:read(adc, 100)
        coroutine.yield()
      end
    end, name = "noise " .. i }
  end
  k:run()
  p:close(adc)
end
]]

local OPTIONS = { runs = 1000, short = 0.3, order = "random" }

local function bug() return assert(load(BUG, "=bug.lua"))() end

-- What explore raises: the table.
local function find(options, body)
  local ok, err = pcall(fdemu.explore, options, body)
  assert.is_false(ok, "explore found nothing")
  return err
end

-- Calls f with variables set in the environment.
local function with_env(variables, f, ...)
  local getenv = os.getenv
  os.getenv = function(name) return variables[name] or getenv(name) end -- luacheck: ignore
  local results = table.pack(pcall(f, ...))
  os.getenv = getenv -- luacheck: ignore
  return table.unpack(results, 1, results.n)
end

local function kinds(choices)
  local list = {}
  for i, choice in ipairs(choices) do list[i] = choice.kind end
  table.sort(list)
  return table.concat(list, " ")
end

describe("explore", function()
  it("finds a bug that needs two short reads and a switch, and no more", function()
    local err = find(OPTIONS, bug())
    assert.equal("error", err.verdict)
    contains(err.message, "bug.lua:14: no table to recover with")
    assert.equal("short short turn", kinds(err.choices))
    assert.is_true(err.drawn > 3)
    local text = tostring(err)
    contains(text, "it needs 3 choices (of " .. err.drawn)
    contains(text, "task 'loader', which had made no call yet, had to let "
      .. "task 'logger' go first")
    contains(text, "task 'logger': read(3) at bug.lua:11 moved at most 1 of 16 bytes")
    contains(text, "task 'logger': read(3) at bug.lua:12 moved at most 1 of 16 bytes")
    contains(text, '[pid  1] read(3, "x", 16) = 1')
    contains(text, "FDEMU_REPLAY=" .. err.token)
  end)

  it("shrinks the bug to the same whatever the seed", function()
    for seed = 0, 400, 50 do
      local err = find({ seed = seed, short = 0.5 }, bug())
      assert.equal("short short turn", kinds(err.choices))
    end
  end)

  it("replays from the token, in this process", function()
    local err = find(OPTIONS, bug())
    local ok, again = with_env({ FDEMU_REPLAY = err.token }, fdemu.explore,
      OPTIONS, bug())
    assert.is_false(ok)
    assert.equal(err.message, again.message)
    assert.same(err.trace, again.trace)
    assert.equal(err.token, again.token)
    contains(again, "(replayed)")
  end)

  it("replays from the token, in another process", function()
    local name = os.tmpname()
    finally(function() os.remove(name) end)
    shell.write_file(name, ([[
      local fdemu = require "fdemu"
      local body = load(%q, "=bug.lua")()
      print(select(2, pcall(fdemu.explore, { short = 0.3 }, body)))
    ]]):format(BUG))
    local command = ("LUA_PATH='lua/?.lua;lua/?/init.lua;;' LUA_CPATH='%s/lua%s/?.so;;' %s %s")
      :format(shell.build, shell.version, shell.lua, name)
    local found = shell.must(command)
    local token = found:match("FDEMU_REPLAY=(%S+)")
    local replayed = shell.must("export FDEMU_REPLAY=" .. token .. "; " .. command)
    contains(replayed, "(replayed)")
    local calls = found:match("the last .*")
    assert.equal(calls, replayed:match("the last .*"))
    local here = find({ short = 0.3 }, bug())
    assert.equal(here.token, token)
    assert.equal(table.concat(here.trace, "\n  "),
      calls:match("trace:\n  (.-)\nto make"))
  end)

  it("says what it did if nothing fails", function()
    local stats = fdemu.explore({ runs = 50, short = 1 }, function(k)
      local p = k:process()
      k:device("/dev/adc", {
        short = true, read = function(_, count) return ("x"):rep(count) end,
      })
      for _ = 1, 3 do
        p:spawn(function()
          local fd = p:open("/dev/adc", "r")
          for _ = 1, 2 do
            p:read(fd, 8)
            coroutine.yield()
          end
          p:close(fd)
        end)
      end
    end)
    assert.equal(50, stats.runs)
    assert.equal(300, stats.faults)
    assert.is_true(stats.switches > 50)
    contains(stats, "explore: 50 runs from seed 0, 300 faults, ")
  end)

  it("takes a body without options", function()
    local runs = 0
    fdemu.explore(function() runs = runs + 1 end)
    assert.equal(1000, runs)
  end)

  it("gives each run a kernel of its own, with the next seed", function()
    local seen = {}
    fdemu.explore({ runs = 3, seed = 7 }, function(k) seen[#seen + 1] = tostring(k) end)
    assert.same({ "fdemu.Kernel: seed 7", "fdemu.Kernel: seed 8",
      "fdemu.Kernel: seed 9" }, seen)
  end)

  it("splits the seeds into shards that have them all", function()
    local seen = {}
    for shard = 1, 3 do
      fdemu.explore({ runs = 10, shard = shard .. "/3" }, function(k)
        local seed = tonumber(tostring(k):match("seed (%d+)"))
        assert.is_nil(seen[seed])
        seen[seed] = shard
      end)
    end
    assert.equal("1231231231", seen[0] .. table.concat(seen))
  end)

  it("takes seed and runs from the environment", function()
    local seen = {}
    assert(with_env({ FDEMU_SEED = "40", FDEMU_RUNS = "2" }, fdemu.explore,
      { runs = 10 }, function(k) seen[#seen + 1] = tostring(k):match("%d+") end))
    assert.same({ "40", "41" }, seen)
    local _, err = with_env({ FDEMU_RUNS = "x" }, fdemu.explore, function() end)
    contains(err, "FDEMU_RUNS=x in the environment is not an integer > 0")
  end)

  it("stops after some seconds", function()
    local stats = fdemu.explore({ runs = 1000000000, seconds = 0.05 }, function() end)
    assert.is_true(stats.runs < 1000000000)
  end)

  it("takes a deadlock for a failure", function()
    local err = find({ order = "fifo" }, function(k)
      local p = k:process()
      local r = p:pipe()
      p:spawn(function() p:read(r, 1) end)
    end)
    assert.equal("deadlock", err.verdict)
    contains(err, "waits for data, or for the last write end to be closed")
    assert.equal("[pid  1] read(3,  <unfinished ...>", err.trace[#err.trace])
    contains(err, "chance was not needed")
  end)

  it("ends a run that would never end, and says so", function()
    local function endless(k)
      local p = k:process { stdout = "null" }
      p:spawn { function()
        local r, w = p:pipe()
        p:write(w, "x")
        if p:read(r, 2) then while true do p:write(1, "x") end end
      end, name = "spinner" }
    end
    local err = find({ runs = 3, limits = { steps = 1000 } }, endless)
    assert.equal("limit", err.verdict)
    assert.same({}, err.choices)
    contains(tostring(err), "explore_spec.lua:")
    contains(tostring(err), "limit reached: steps (limits.steps = 1000)")
    contains(tostring(find({ runs = 1 }, endless)), "limits.steps = 200000")
    err = find({ runs = 3, limits = { memory = 20000 } }, function(k)
      local p = k:process()
      for _ = 1, 1000000 do p:fork() end
    end)
    contains(err.message, "limit reached: memory")
    contains(failure(fdemu.explore, { limits = { stesp = 1 } }, endless),
      "unknown limit 'stesp'")
  end)

  it("takes each limit of a kernel for a failure that says which", function()
    local runaway = {
      memory = { 200000, function(k)
        local p = k:process { stdout = "null", stderr = "null" }
        local file = p:memfd_create "growing"
        while true do p:write(file, ("x"):rep(10000)) end
      end },
      descriptors = { 20, function(k)
        local p = k:process { stdout = "null", stderr = "null" }
        while true do p:dup(0) end
      end },
      tasks = { 20, function(k)
        while true do k:spawn(print) end
      end },
      steps = { 500, function(k)
        while true do k:sleep(1) end
      end },
    }
    for name, row in pairs(runaway) do
      local text = ("limit reached: %s (limits.%s = %d)"):format(name, name,
        row[1])
      local options = { runs = 2, limits = { [name] = row[1] } }
      local err = find(options, row[2])
      assert.equal("limit", err.verdict)
      assert.same({}, err.choices)
      contains(err, text)
      contains(err, "explore_spec.lua:")
      assert.is_true(fdemu.deterministic(options, row[2]))
    end
  end)

  it("says so wherever it is that the memory ends", function()
    for memory = 100000, 300000, 5003 do
      local err = find({ runs = 2, limits = { memory = memory } }, function(k)
        local p = k:process { stdout = "null", stderr = "null" }
        local file = p:memfd_create "growing"
        while true do p:write(file, ("x"):rep(10000)) end
      end)
      assert.equal("limit", err.verdict, memory)
    end
  end)

  it("has words for whatever is raised, without an address", function()
    for text, value in pairs {
      ["a table was raised that has no text"] = {},
      ["a function was raised that has no text"] = print,
      ["7"] = 7,
      ["it says so"] = setmetatable({}, {
        __tostring = function() return "it says so" end,
      }),
    } do
      local err = find({ runs = 1 }, function() error(value) end)
      contains(err.message, text)
      assert.equal(value, err.value)
    end
    contains(find({ runs = 1 }, function() error() end).message,
      "nil was raised")
  end)

  it("takes descriptors that are left open for a failure", function()
    local function leak(k)
      local p = k:process()
      p:open("/dev/null")
    end
    local err = find({}, leak)
    assert.equal("leak", err.verdict)
    contains(err, "process 1, descriptor 3: null #4, /dev/null, made at spec/explore_spec.lua")
    assert.equal(1000, fdemu.explore({ leaks = false }, leak).runs)
  end)

  it("finds the use of a closed descriptor, if told to be strict", function()
    local err = find({ strict = true }, function(k)
      local p = k:process()
      local fd = p:open("/dev/null")
      p:close(fd)
      p:close(fd)
    end)
    assert.equal("error", err.verdict)
    contains(err, "chance was not needed")
  end)

  it("finds an interruption that is not expected", function()
    local err = find({ eintr = 0.2, short = 0 }, function(k)
      local p = k:process()
      local r, w = p:pipe()
      p:spawn { function() assert(p:read(r, 1)) end, name = "reader" }
      p:spawn(function() p:write(w, "x") end)
      k:run()
      p:exit(0)
    end)
    contains(err, "Interrupted system call")
    assert.equal("eintr", kinds(err.choices))
    contains(err, "task 'reader': read(3) at spec/explore_spec.lua")
    contains(err, "was interrupted (EINTR)")
  end)

  it("finds an order of requests that is not expected", function()
    local err = find({ short = 0 }, function(k)
      local p = k:process()
      local r, w = p:pipe()
      local first
      for i = 1, 2 do
        p:spawn { function()
          p:poll({ { fd = r, events = fdemu.POLLIN } }, -1)
          first = first or i
        end, name = "waiter " .. i }
      end
      p:spawn(function() p:write(w, "x") end)
      k:run()
      p:exit(0)
      assert(first == 2, "the other was faster") -- as on Linux
    end)
    contains(err, "the other was faster")
    assert.equal(1, #err.choices)
  end)

  it("finds a race between two calls that need not wait", function()
    -- Both see that there is a byte; only one gets it.
    local function body(k)
      local p = k:process()
      local r, w = p:pipe()
      p:write(w, "x")
      for i = 1, 2 do
        p:spawn { function()
          if p:poll({ { fd = r, events = fdemu.POLLIN } }, 0) == 1 then
            p:read(r, 1)
          end
        end, name = "taker " .. i }
      end
      k:run()
      p:exit(0)
    end
    assert.equal(100, fdemu.explore({ order = "fifo", runs = 100 }, body).runs)
    local err = find({}, body)
    assert.equal("deadlock", err.verdict)
    assert.equal("stop", kinds(err.choices))
    contains(err, "task 'taker 1' was stopped before read(3) at spec/explore_spec.lua:")
    contains(err, "and others went first")
  end)

  it("stops tasks before calls of every sort, and they lose nothing", function()
    local stats = fdemu.explore({ runs = 200, short = 0 }, function(k)
      local p = k:process { stdin = "some input" }
      local function work(i)
        local r, w = assert(p:pipe())
        local data = ("%d"):format(i):rep(10)
        assert(p:writev(w, { data, data }) == 20)
        assert(p:ioctl(r, fdemu.FIONREAD) == 20)
        local list = assert(p:readv(r, { 5, 15 }))
        assert(table.concat(list) == data .. data)
        local e = assert(p:eventfd(i, 0))
        assert(p:eventfd_read(e) == i)
        local t = assert(p:timerfd_create(fdemu.CLOCK_MONOTONIC, 0))
        assert(p:timerfd_settime(t, 0, i, i + 1))
        local value, interval = assert(p:timerfd_gettime(t))
        assert(value <= i and interval == i + 1)
        local ep = assert(p:epoll_create1(0))
        assert(p:epoll_ctl(ep, fdemu.EPOLL_CTL_ADD, w, fdemu.EPOLLOUT, i))
        assert(p:epoll_wait(ep, 10, -1)[1].data == i)
        local polled = { { fd = w, events = fdemu.POLLOUT } }
        assert(p:poll(polled, -1) == 1 and polled[1].revents == fdemu.POLLOUT)
        local _, ready = p:select({ r }, { w }, nil, 1)
        assert(#ready == 0)
        assert(p:fstat(r).st_mode == 4480)
        local null = assert(p:open("/dev/null", "w"))
        assert(p:write(null, data) == 10)
        local child = assert(p:fork())
        child:exit(i)
        p:wait()
        for _, fd in ipairs { r, w, e, t, ep, null } do assert(p:close(fd)) end
      end
      for i = 1, 4 do p:spawn(work, i) end
    end)
    assert.is_true(stats.switches > 200 * 30)
  end)

  describe("stops tasks before calls, which", function()
    -- Six tasks make calls; another does something to them in the middle.
    local function world(finale)
      return function(k)
        local p = k:process { stdout = "null", stderr = "null" }
        local r, w = p:pipe()
        local tasks, threads = {}, {}
        for i = 1, 6 do
          tasks[i] = p:spawn { function()
            threads[i] = coroutine.running()
            for _ = 1, 5 do
              p:write(w, ("x"):rep(100))
              p:poll({ { fd = r, events = fdemu.POLLIN } }, 0)
              p:read(r, 100)
              p:fstat(r)
            end
          end, daemon = true }
        end
        k:spawn(function()
          for _ = 1, 3 do coroutine.yield() end
          finale(k, p, tasks, threads)
        end)
        k:run()
      end
    end

    for what, finale in pairs {
      ["are then cancelled,"] = function(_, _, tasks)
        for _, task in ipairs(tasks) do task:cancel() end
      end,
      ["belong to a process that exits,"] = function(_, p) p:exit(0) end,
      ["nobody holds any more,"] = function(_, _, tasks, threads)
        for i = 1, 6 do tasks[i], threads[i] = nil, nil end
        collectgarbage()
      end,
      ["are left behind by k:run(),"] = function() end,
    } do
      it(what .. " and nothing is lost", function()
        local stats = fdemu.explore({ runs = 100, leaks = false }, world(finale))
        assert.is_true(stats.switches > 100)
      end)
    end
  end)

  it("keeps to the same failure while it shrinks", function()
    local err = find({ short = 0.5, seed = 3 }, function(k)
      local p = k:process()
      k:device("/dev/adc", {
        short = true, read = function(_, count) return ("x"):rep(count) end,
      })
      local fd = p:open("/dev/adc")
      if #p:read(fd, 9) + #p:read(fd, 9) == 2 then error("the deep one") end
      p:close(fd)
      if k:now() > 1 then error("another") end
    end)
    contains(err, "the deep one")
    assert.equal("short short", kinds(err.choices))
  end)

  it("says that a failure is not reproducible, and how the runs differ", function()
    local runs = 0
    local err = find({ runs = 10 }, function(k)
      runs = runs + 1
      k:process { stdout = "null" }:write(1, ("x"):rep(runs))
      error("always")
    end)
    contains(err, "explore: seed 0 failed, but is not reproducible")
    contains(err, "line 1 of the trace was")
    contains(err, 'write(1, "xx", 2) = 2')
    contains(err, 'write(1, "xxx", 3) = 3')
    contains(err, "the order of pairs()")
    runs = 0
    err = find({}, function()
      runs = runs + 1
      if runs == 1 then error("only once") end
    end)
    contains(err, "is not reproducible")
    contains(err, "only once")
  end)

  it("can check that the body is deterministic first", function()
    local runs = 0
    local err = find({ deterministic = true }, function(k)
      runs = runs + 1
      k:process { stdout = "null" }:write(1, tostring(runs))
    end)
    contains(err, "the runs differ in line 1")
    assert.equal(2, runs)
  end)

  it("leaves stderr alone if that is no terminal, or if told so", function()
    local name = os.tmpname()
    finally(function() os.remove(name) end)
    shell.write_file(name, [[
      require "fdemu".explore({ runs = 3, progress = arg[1] == "yes" or nil },
        function() end)
    ]])
    local command = ("LUA_PATH='lua/?.lua;lua/?/init.lua;;' LUA_CPATH='%s/lua%s/?.so;;' %s %s")
      :format(shell.build, shell.version, shell.lua, name)
    assert.equal("", shell.must(command))
    assert.equal("\r\27[Kexplore: run 1 of 3\r\27[K", shell.must(command .. " yes"))
  end)

  describe("raises at the caller's line", function()
    local function nothing() end
    local function refuses(text, ...)
      local args = table.pack(...)
      local message = failure(function()
        fdemu.explore(table.unpack(args, 1, args.n))
      end)
      contains(message, text)
      assert.matches("^spec/explore_spec.lua:%d+: explore: ", message)
    end

    it("for what is no body", function()
      refuses("a function expected, not a nil", {})
      refuses("a function expected, not a number", {}, 3)
      refuses("a table of options expected, not a number", 3, nothing)
    end)

    it("for options that make no sense", function()
      refuses("unknown option 'run'", { run = 3 }, nothing)
      refuses("unknown option '1'", { 3 }, nothing)
      refuses("option 'runs' must be >= 1, not 0", { runs = 0 }, nothing)
      refuses("option 'runs' must be an integer, not 1.5", { runs = 1.5 }, nothing)
      refuses("option 'short' must be a number from 0 to 1", { short = 2 }, nothing)
      refuses("option 'short' must be a number, not x", { short = "x" }, nothing)
      refuses("option 'order' must be", { order = "lifo" }, nothing)
      refuses("option 'nofile' must be", { nofile = 0 }, nothing)
      for _, shard in ipairs { "", "3", "0/2", "3/2", "a/b", "1/0", "1/2/3" } do
        refuses("option 'shard' must be as", { shard = shard }, nothing)
      end
    end)

    it("for a body that yields to nobody", function()
      refuses("the body yielded to nobody", {}, coroutine.yield)
      local co = coroutine.wrap(function()
        return failure(fdemu.explore, {}, function() coroutine.yield() end)
      end)
      contains(co(), "the body yielded to nobody")
    end)

    it("for a token that does not fit", function()
      local token = find(OPTIONS, bug()).token
      local function refused(text, value, options, body)
        local ok, err = with_env({ FDEMU_REPLAY = value }, function()
          fdemu.explore(options, body)
        end)
        assert.is_false(ok)
        contains(err, text)
        assert.matches("^spec/explore_spec.lua:%d+: explore: ", tostring(err))
      end
      refused("does not fit: it was made for another body", token, OPTIONS, nothing)
      refused("does not fit", token, { short = 0.4 }, bug())
      for _, bad in ipairs { "x", "1_0", "2" .. token:sub(2), token .. "!",
        token .. ".x1-1-1", "1__00000000_0" } do
        refused("is not a token of this version", bad, OPTIONS, bug())
      end
      refused("does not fit any more: the run passes, and does not come to "
        .. "choice s2-9-1", (token:gsub("[^_]*$", "s2-9-1")), OPTIONS, bug())
    end)
  end)
end)

describe("deterministic", function()
  it("is true for a body that does the same twice", function()
    assert.is_true(fdemu.deterministic({ short = 0.5 }, function(k)
      k:process { stdout = "null" }:write(1, "x")
    end))
  end)

  it("finds the first line that differs, and names the usual causes", function()
    local ok, message = fdemu.deterministic(function(k)
      local p = k:process { stdout = "null" }
      p:write(1, "same")
      p:write(1, tostring({}))
    end)
    assert.is_nil(ok)
    contains(message, "the runs differ in line 2 of their traces:")
    contains(message, '1st: [pid  1] write(1, "table: 0x')
    contains(message, "addresses, as in tostring({})")
  end)

  it("finds an end that differs", function()
    local n = 0
    local ok, message = fdemu.deterministic(function()
      n = n + 1
      if n == 2 then error("only now") end
    end)
    assert.is_nil(ok)
    contains(message, "end differently")
    contains(message, "only now")
  end)

  it("raises for bad options under its own name", function()
    contains(failure(fdemu.deterministic, { runs = 0 }, print), "deterministic: option")
    contains(failure(fdemu.deterministic, { x = 1 }, print), "deterministic: unknown")
  end)
end)
