-- limits_spec.lua - a script that runs away ends with an error that says which
-- limit it met, and so does every call after that

local core = require "fdemu.core"
local fdemu = require "fdemu"

local MANY = 1000000

-- What f raises, as text.
local function failure(f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok, "did not raise")
  return (tostring(message):gsub("\nstack traceback:.*", ""))
end

local function reached(name, n, message)
  local text = ("limit reached: %s (limits.%s = %d)"):format(name, name, n)
  assert.truthy(message:find(text, 1, true), message)
end

local function many(f)
  return function()
    for _ = 1, MANY do f() end
  end
end

describe("a kernel with limits", function()
  local k, p

  local function make(limits)
    k = fdemu.kernel { limits = limits }
    p = k:process { stdout = "null", stderr = "null" }
  end

  after_each(function()
    if k then k:close() end
    k = nil
  end)

  -- f runs away, and is stopped by a limit; so is everything after it.
  local function stops(name, n, f)
    reached(name, n, failure(f))
    for _, call in ipairs {
      function() p:dup(0) end, function() p:pipe() end,
      function() p:fork() end, function() k:sleep(0) end,
      function() k:process() end, function() k:spawn(print) end,
      function() p:read(0, 1) end, function() p:close(0) end,
    } do
      reached(name, n, failure(call))
    end
  end

  it("ends a loop that duplicates descriptors", function()
    make { descriptors = 100 }
    stops("descriptors", 100, many(function() p:dup(0) end))
  end)

  it("ends a loop that forks, at its descriptors", function()
    make { descriptors = 100 }
    stops("descriptors", 100, many(function() p:fork() end))
  end)

  it("ends a loop that forks, at its memory", function()
    make { memory = 200000 }
    stops("memory", 200000, many(function() p:fork() end))
  end)

  it("ends a loop that makes processes", function()
    make { descriptors = 50 }
    stops("descriptors", 50, many(function() k:process() end))
  end)

  it("counts what dup2, fcntl and install make, too", function()
    make { descriptors = 5 }
    local d = p:description(0)
    assert.equal(10, p:dup2(0, 10))
    assert.equal(10, p:dup2(1, 10))
    assert.equal(11, p:fcntl(0, fdemu.F_DUPFD, 11))
    reached("descriptors", 5, failure(p.dup2, p, 0, 12))
    reached("descriptors", 5, failure(p.install, p, d))
  end)

  it("gives no descriptor by an install that raises", function()
    make { descriptors = 5 }
    local d = k:description {}
    p:install(d)
    reached("descriptors", 5, failure(p.pipe, p)) -- one is left
    reached("descriptors", 5, failure(p.install, p, d))
    assert.is_nil(core.check(k))
    assert.equal(4, #k:lsof())
  end)

  it("can have as many descriptors as it may, again and again", function()
    make { descriptors = 6 }
    for _ = 1, 100 do
      local r, w = p:pipe()
      assert.is_number(p:dup(0))
      p:close_range(3, 100)
      assert.is_true(r < w)
      local q = k:process { stdout = "null", stderr = "null" }
      q:exit()
    end
    reached("descriptors", 6, failure(function()
      p:pipe()
      p:pipe()
    end))
  end)

  it("ends a loop that spawns", function()
    make { tasks = 20 }
    stops("tasks", 20, many(function() k:spawn(print) end))
  end)

  it("ends tasks that spawn tasks", function()
    make { tasks = 20 }
    local function multiply()
      k:spawn(multiply)
      k:spawn { multiply, daemon = true }
    end
    k:spawn(multiply)
    stops("tasks", 20, function() k:run() end)
  end)

  it("counts only the tasks that live", function()
    make { tasks = 2 }
    for _ = 1, 50 do
      local a = k:spawn(function() p:fstat(0) end)
      local b = k:spawn(function() k:sleep(100) end)
      a:join()
      b:cancel()
    end
    k:run()
  end)

  it("ends a loop of calls", function()
    make { steps = 100000 }
    stops("steps", 100000, many(function() p:fstat(0) end))
  end)

  it("says where", function()
    make { steps = 1000 }
    local message = failure(many(function() p:fstat(0) end))
    assert.truthy(message:find("^%S+limits_spec%.lua:%d+: limit reached: steps"),
      message)
  end)

  it("ends tasks that only give way to each other", function()
    make { steps = 1000 }
    for _ = 1, 2 do k:spawn(function() while true do coroutine.yield() end end) end
    stops("steps", 1000, function() k:run() end)
  end)

  it("ends a task that sleeps for ever", function()
    make { steps = 1000 }
    k:spawn(function() while true do k:sleep(3600) end end)
    stops("steps", 1000, function() k:run() end)
  end)

  it("ends what waits for a task that runs away", function()
    make { steps = 1000 }
    local r = p:pipe()
    k:spawn(function() while true do k:sleep(1) end end)
    stops("steps", 1000, function() p:read(r, 1) end)
  end)

  it("ends what runs away in a driver's method", function()
    make { steps = 1000 }
    k:device("/dev/loop", { read = function() many(function() p:dup2(0, 9) end)() end })
    local fd = p:open("/dev/loop", fdemu.O_RDONLY)
    stops("steps", 1000, function() p:read(fd, 1) end)
  end)

  it("ends what runs away where it waits on the C stack", function()
    make { steps = 1000 }
    k:spawn(function() while true do k:sleep(1) end end)
    local r = p:pipe()
    stops("steps", 1000, function()
      ("x"):gsub("x", function() p:read(r, 1) end)
    end)
  end)

  it("ends a driver's method that spawns", function()
    make { tasks = 20 }
    k:device("/dev/spawn", { read = many(function() k:spawn(print) end) })
    local fd = p:open("/dev/spawn", fdemu.O_RDONLY)
    stops("tasks", 20, function() p:read(fd, 1) end)
  end)

  it("ends a driver's poll that duplicates descriptors", function()
    make { descriptors = 50 }
    k:device("/dev/poll", { poll = many(function() p:dup(0) end) })
    local fd = p:open("/dev/poll", fdemu.O_RDONLY)
    stops("descriptors", 50, function()
      p:poll({ { fd = fd, events = fdemu.POLLIN } }, 0)
    end)
  end)

  it("ends a driver's method that has a file grow, in a task", function()
    make { memory = 1000000 }
    local data = ("x"):rep(10000)
    local file = p:memfd_create "growing"
    k:device("/dev/grow", { write = many(function() p:write(file, data) end) })
    local fd = p:open("/dev/grow", fdemu.O_WRONLY)
    k:spawn(function() p:write(fd, "x") end)
    stops("memory", 1000000, function() k:run() end)
  end)

  it("takes as many steps as it may", function()
    make { steps = 10 }
    for _ = 1, 10 do p:fstat(0) end
    reached("steps", 10, failure(p.fstat, p, 0))
  end)

  it("ends a pipe that grows", function()
    make { memory = 300000 }
    stops("memory", 300000, function()
      for _ = 1, 100 do
        local r, w = p:pipe()
        p:fcntl(w, fdemu.F_SETPIPE_SZ, 1048576)
        p:write(w, ("x"):rep(65536))
        p:close(r)
      end
    end)
  end)

  it("ends a file that grows", function()
    make { memory = 1000000 }
    local fd = p:memfd_create("growing")
    local data = ("x"):rep(10000)
    stops("memory", 1000000, many(function() p:write(fd, data) end))
  end)

  it("ends a socket that fills up", function()
    make { memory = 400000 }
    stops("memory", 400000, many(function()
      local a = p:socketpair(fdemu.AF_UNIX, fdemu.SOCK_STREAM, 0)
      p:send(a, ("x"):rep(20000), fdemu.MSG_DONTWAIT)
    end))
  end)

  it("ends what writes and nobody reads, in a capture", function()
    k = fdemu.kernel { limits = { memory = 100000 } }
    p = k:process { stdout = "capture", stderr = "null" }
    stops("memory", 100000, many(function() p:write(1, "more and more\n") end))
    assert.truthy(#p:captured(1) < 100000)
  end)

  it("has memory again that was given back", function()
    make { memory = 400000 }
    for _ = 1, 100 do
      local r, w = p:pipe()
      p:write(w, ("x"):rep(60000))
      p:close(r)
      p:close(w)
    end
  end)

  it("cannot be made in less memory than it takes", function()
    reached("memory", 10, failure(fdemu.kernel, { limits = { memory = 10 } }))
    for n = 1, 40000, 500 do
      local ok, result = pcall(fdemu.kernel, { limits = { memory = n } })
      if ok then result:close() else reached("memory", n, result) end
    end
  end)

  it("is as it should be at any limit of its memory", function()
    for n = 20000, 60000, 300 do
      local ok, message = pcall(function()
        make { memory = n }
        local r, w = p:pipe()
        local q = p:fork()
        p:write(w, ("x"):rep(3000))
        q:read(r, 3000)
        q:memfd_create("file")
        p:socketpair(fdemu.AF_UNIX, fdemu.SOCK_STREAM, 0)
        k:device("/dev/x", { read = function() return "" end })
        p:read(p:open("/dev/x", fdemu.O_RDONLY), 1)
      end)
      if not ok then reached("memory", n, message) end
      if k then k:close() end
      k = nil
    end
  end)

  it("meets the first limit of several, and keeps to it", function()
    make { steps = 1000, descriptors = 10, tasks = 5, memory = 1000000 }
    stops("descriptors", 10, many(function() p:dup(0) end))
    stops("descriptors", 10, many(function() p:fstat(0) end))
  end)

  it("takes a failure by a fault for what it is", function()
    make { descriptors = 10, memory = 1000000 }
    k:inject { call = "dup", errno = fdemu.ENFILE, when = "1" }
    k:inject { call = "dup", errno = fdemu.ENOMEM, when = "2" }
    assert.same({ nil, fdemu.strerror(fdemu.ENFILE), fdemu.ENFILE }, { p:dup(0) })
    assert.same({ nil, fdemu.strerror(fdemu.ENOMEM), fdemu.ENOMEM }, { p:dup(0) })
    assert.is_number(p:dup(0))
  end)

  it("is no other where no limit is met", function()
    local function run(limits)
      local out = {}
      local kernel = fdemu.kernel { seed = 7, order = "random", limits = limits }
      kernel:trace(function(line) out[#out + 1] = line end)
      local q = kernel:process { stdout = "null", stderr = "null" }
      local r, w = q:pipe()
      for i = 1, 3 do
        kernel:spawn(function() q:write(w, ("x"):rep(i)) q:read(r, i) end)
      end
      kernel:run()
      kernel:close()
      return out
    end
    assert.same(run(nil), run { memory = 10000000, steps = 1000, tasks = 3,
                                descriptors = 50 })
  end)
end)

describe("the option 'limits'", function()
  it("is a table of integers above 0 with names that are known", function()
    for _, value in ipairs { 1, "x", true, print } do
      assert.truthy(failure(fdemu.kernel, { limits = value })
        :find("option 'limits' must be a table, not a ", 1, true))
    end
    for _, key in ipairs { "file", 1, true, "Memory" } do
      assert.equal(("option 'limits': unknown limit '%s'"):format(tostring(key)),
        failure(fdemu.kernel, { limits = { [key] = 1 } }))
    end
    for _, key in ipairs { "memory", "descriptors", "tasks", "steps" } do
      for _, value in ipairs { 0, -1, 1.5, 0 / 0, math.huge, "10", {}, true } do
        assert.equal(
          ("option 'limits': '%s' must be an integer above 0"):format(key),
          failure(fdemu.kernel, { limits = { [key] = value } }))
      end
      fdemu.kernel { limits = { [key] = math.maxinteger } }:close()
    end
    fdemu.kernel { limits = {} }:close()
  end)
end)
