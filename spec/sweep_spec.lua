-- sweep_spec.lua - every call fails once, in each way that Linux has
local fdemu = require "fdemu"
local errnos = require "fdemu.errnos"
local checks = require "spec.helper_checks"

local contains, failure = checks.contains, checks.failure

local function add_disk(k, data)
  local disk = { written = "" }
  k:device("/dev/disk", {
    short = true,
    read = function(self, count)
      local at = self.at or 0
      self.at = at + math.min(count, #data - at)
      return data:sub(at + 1, self.at)
    end,
    write = function(_, bytes)
      disk.written = disk.written .. bytes
      return #bytes
    end,
  })
  return disk
end

-- Copies all of a file; forgets to close it if a read fails.
local function leaky_copy(p, from, to)
  local fd, message, errno = p:open(from, "r")
  if not fd then return nil, message, errno end
  while true do
    local data
    data, message, errno = p:read(fd, 4)
    if not data then return nil, message, errno end
    if data == "" then break end
    while data ~= "" do
      local n
      n, message, errno = p:write(to, data)
      if not n then
        p:close(fd)
        return nil, message, errno
      end
      data = data:sub(n + 1)
    end
  end
  return p:close(fd)
end

-- The same, without the mistake.
local function copy(p, from, to)
  local fd, message, errno = p:open(from, "r")
  if not fd then return nil, message, errno end
  local data
  repeat
    data, message, errno = p:read(fd, 4)
    local rest = data or ""
    while rest ~= "" do
      local n
      n, message, errno = p:write(to, rest)
      if not n then
        p:close(fd)
        return nil, message, errno
      end
      rest = rest:sub(n + 1)
    end
  until data == nil or data == ""
  local ok, close_message, close_errno = p:close(fd)
  if data == nil then return nil, message, errno end
  return ok, close_message, close_errno
end

local function body_with(copier)
  return function(k)
    local disk = add_disk(k, "some data")
    local p = k:process()
    local to = assert(p:open("/dev/disk", "w"))
    local ok, message, errno = copier(p, "/dev/disk", to)
    assert(p:close(to))
    if not ok then return nil, message, errno end
    assert(disk.written == "some data", "the copy is not whole")
    return true
  end
end

-- "errno verdict" of the rows of a call.
local function verdicts(report, call, n)
  local list = {}
  for _, row in ipairs(report) do
    if row.call == call and (n == nil or row.n == n) then
      list[#list + 1] = row.errno .. " " .. row.verdict
    end
  end
  return table.concat(list, ", ")
end

describe("sweep", function()
  it("finds a leak on an error path", function()
    local report = fdemu.sweep(body_with(leaky_copy))
    assert.is_false(report.ok)
    local sites = {}
    for _, row in ipairs(report.failures) do
      assert.equal("leak", row.verdict)
      assert.equal("read", row.call)
      sites[row.site] = true
      contains(row.detail, "process 1, descriptor 4: disk #5, /dev/disk, made at "
        .. "spec/sweep_spec.lua:27")
    end
    assert.same({ ["spec/sweep_spec.lua:31"] = true }, sites)
    assert.equal(8, #report.failures) -- EINTR and EIO, in 4 reads
    contains(report, "8 failures\n  spec/sweep_spec.lua:31: read, call 3: EINTR, EIO: leak: ")
  end)

  it("passes the program that was fixed", function()
    local report = fdemu.sweep(body_with(copy))
    assert.is_true(report.ok, tostring(report))
    assert.same({}, report.failures)
    assert.is_true(#report > 40)
    assert.equal(#report + 1, report.runs)
    assert.equal(report, report:check())
    contains(report, ("sweep: %d calls, %d runs with a fault, 0 failures")
      :format(report.calls, #report))
  end)

  it("fails each call once with each error that Linux has for it", function()
    local report = fdemu.sweep(body_with(copy))
    assert.equal("EINTR ok, EIO ok, short count ok", verdicts(report, "read", 3))
    assert.equal("EINTR ok, EIO ok, ENOSPC ok, EDQUOT ok, EFBIG ok, short count ok",
      verdicts(report, "write", 4))
    assert.equal("EACCES ok, EMFILE ok, ENFILE ok, ENOENT ok, ENOMEM ok, "
      .. "ENOSPC ok, EDQUOT ok, EROFS ok", verdicts(report, "openat", 1))
    assert.equal("EACCES ok, EMFILE ok, ENFILE ok, ENOENT ok, ENOMEM ok",
      verdicts(report, "openat", 2))
  end)

  it("takes into account what the file is", function()
    local report = fdemu.sweep(function(k)
      local p = k:process()
      local r, w = p:pipe()
      if not r then return nil, w end
      p:write(w, "abc")
      p:fcntl(r, fdemu.F_SETFL, fdemu.O_NONBLOCK)
      p:read(r, 3)
      local null = p:open("/dev/null")
      if null then p:read(null, 10) end
      p:exit(0)
    end)
    assert.equal("EPIPE ok", verdicts(report, "write"))
    assert.equal("EAGAIN ok", verdicts(report, "read"))
    assert.equal("EMFILE ok, ENFILE ok", verdicts(report, "pipe"))
    assert.equal("", verdicts(report, "fcntl"))
  end)

  it("finds a program that does not expect a short count", function()
    local report = fdemu.sweep(function(k)
      add_disk(k, "0123456789")
      local p = k:process()
      local fd = p:open("/dev/disk", "r")
      local data = fd and p:read(fd, 10)
      p:exit(0)
      assert(not data or #data == 10, "where is the rest?")
    end)
    assert.equal(1, #report.failures)
    local row = report.failures[1]
    assert.equal("short count error", row.errno .. " " .. row.verdict)
    contains(row.detail, "where is the rest?")
  end)

  it("finds a program that waits for ever after an error", function()
    local report = fdemu.sweep(function(k)
      local p = k:process()
      local r, w = p:pipe()
      if not r then return nil, w end
      local reader = p:spawn(function() return p:read(r, 1) end)
      p:spawn(function() p:write(w, "x") end)
      reader:join()
      p:exit(0)
    end, { calls = "write" })
    assert.equal("EPIPE deadlock", verdicts(report, "write"))
    contains(report.failures[1].detail, "waits for data")
  end)

  it("finds an error that hides the one that there was", function()
    local report = fdemu.sweep(function(k)
      local p = k:process()
      local fd = p:open("/dev/zero")
      p:exit(0)
      if not fd then return nil, "cannot go on", fdemu.EINVAL end
    end, { errnos = "ENOENT" })
    assert.equal("error", report.failures[1].verdict)
    contains(report.failures[1].detail, "it returned cannot go on")
    report = fdemu.sweep(function(k)
      local p = k:process()
      local fd = p:open("/dev/zero")
      p:close(fd) -- a nil, perhaps
    end, { calls = "open", errnos = { open = "ENOENT" } })
    assert.equal("ENOENT error", verdicts(report, "openat"))
    contains(report, "bad argument #1 to 'close'")
  end)

  it("takes an assert with the error for a good end", function()
    local report = fdemu.sweep(function(k)
      local p = k:process()
      local r, w = assert(p:pipe())
      assert(p:write(w, "x"))
      assert(p:close(w))
      assert(p:close(r))
    end)
    assert.is_true(report.ok, tostring(report))
    for _, raised in ipairs {
      function(_, _, errno) error(errno) end,
      function(_, _, errno) error({ errno = errno }) end,
      function(_, _, errno) error("failed: " .. fdemu.errname(errno)) end,
      function(_, message) error("failed: " .. message) end,
    } do
      assert.is_true(fdemu.sweep(function(k)
        local p = k:process()
        local fd, message, errno = p:open("/dev/null")
        if not fd then raised(nil, message, errno) end
        p:close(fd)
      end).ok)
    end
  end)

  it("finds what a function has left open that raises", function()
    local function careless(p)
      local fd = assert(p:open("/dev/disk", "r"))
      assert(p:read(fd, 3))
      assert(p:close(fd))
    end
    local report = fdemu.sweep(function(k)
      add_disk(k, "xyz")
      careless(k:process())
    end)
    assert.equal("EINTR leak, EIO leak, short count ok", verdicts(report, "read"))
    assert.equal(2, #report.failures)
  end)

  it("sweeps the tasks' calls, too", function()
    local report = fdemu.sweep(function(k)
      local p = k:process()
      p:spawn(function()
        local fd = p:open("/dev/null")
        if fd then p:close(fd) end
      end)
    end)
    assert.is_true(report.ok)
    assert.equal("EACCES ok, EMFILE ok, ENFILE ok, ENOENT ok, ENOMEM ok",
      verdicts(report, "openat"))
  end)

  it("interrupts calls where they have to wait, and only there", function()
    local line = debug.getinfo(1, "l").currentline
    local function body(k)
      local p = k:process()
      local r, w = assert(p:pipe())
      local reader = p:spawn { function()
        local data, message, errno
        repeat
          data, message, errno = p:read(r, 1)
        until errno ~= fdemu.EINTR
        local again = p:read(r, 1)
        if data and again then return end
        return message
      end, name = "reader" }
      p:spawn(function()
        p:write(w, "xy")
        p:close(w)
      end)
      reader:join()
      p:exit(0)
    end
    local report = fdemu.sweep(body, { calls = { "read", "write" } })
    assert.is_true(report.ok, tostring(report))
    assert.equal("EINTR ok", verdicts(report, "read"))
    assert.equal("EPIPE ok", verdicts(report, "write"))
    assert.equal("spec/sweep_spec.lua:" .. line + 7, report[2].site)
    assert.equal(1, #fdemu.sweep(body, { calls = { "read", "write" }, eintr = false }))
  end)

  it("finds what does not expect to be interrupted", function()
    local report = fdemu.sweep(function(k)
      local p = k:process()
      local r, w = assert(p:pipe())
      p:spawn(function() assert(p:write(w, "x")) end)
      local events = p:poll({ { fd = r, events = fdemu.POLLIN } }, -1)
      p:exit(0)
      assert(events, "no events")
    end, { calls = "poll" })
    assert.equal("ENOMEM error, EINTR error", verdicts(report, "poll"))
    contains(report.failures[2].detail, "no events")
  end)

  it("can be told which calls and which errors", function()
    local report = fdemu.sweep(body_with(copy),
      { calls = { "open", "write" }, errnos = { write = { "ENOSPC" } }, short = false })
    assert.equal("", verdicts(report, "openat") .. verdicts(report, "read"))
    assert.equal("ENOSPC ok, ENOSPC ok, ENOSPC ok", verdicts(report, "write"))
    report = fdemu.sweep(body_with(copy), { calls = "read", errnos = { "EIO", "ENXIO" } })
    assert.equal("EIO ok, ENXIO ok, short count ok", verdicts(report, "read", 1))
    report = fdemu.sweep(body_with(copy), { calls = "read", eintr = false, short = false })
    assert.equal("EIO ok", verdicts(report, "read", 1))
  end)

  it("gives rows that say where, what and how it went", function()
    local report = fdemu.sweep(body_with(leaky_copy), { calls = "read", errnos = "EIO" })
    local row = report[1]
    assert.equal("spec/sweep_spec.lua:31", row.site)
    assert.equal("read", row.call)
    assert.equal(1, row.n)
    assert.equal("EIO", row.errno)
    assert.equal("leak", row.verdict)
    assert.equal("spec/sweep_spec.lua:31: read, call 1: EIO: leak: process 1, "
      .. "descriptor 4: disk #5, /dev/disk, made at spec/sweep_spec.lua:27",
      tostring(row))
    contains(failure(report.check, report), "4 failures")
  end)

  it("stops a program that tries for ever", function()
    local stubborn = false
    local report = fdemu.sweep(function(k)
      local p = k:process()
      stubborn = not p:close(p:open("/dev/null") or 0)
      while stubborn do p:read(0, 1) end
      local _, _, errno = p:read(0, 1)
      while errno do p:read(0, 1) end
    end, { calls = "read", errnos = "EIO" })
    assert.equal("error", report[1].verdict)
    contains(report[1].detail, "endless: 10")
  end)

  it("says so if the calls are others in each run", function()
    local runs = 0
    local report = fdemu.sweep(function(k)
      runs = runs + 1
      local p = k:process { stdout = "null" }
      if runs > 1 then p:read(0, 1) else p:write(1, "x") end
      if runs == 1 then p:write(1, "x") end
    end, { errnos = "EIO" })
    assert.equal("unreproducible unreproducible",
      report[1].verdict .. " " .. report[2].verdict)
    contains(report[1].detail, "call 1 was read at spec/sweep_spec.lua")
    contains(report[2].detail, "the call was not made")
  end)

  it("has a table of errors that are all known, and of calls that are", function()
    local k = fdemu.kernel()
    for call, rows in pairs(errnos.calls) do
      for _, row in ipairs(rows) do
        assert.equal("integer", math.type(fdemu[row[1]]), call .. " " .. row[1])
      end
    end
    for _, call in pairs(errnos.aliases) do assert.is_table(errnos.calls[call]) end
    for _, call in ipairs { "read", "write", "pread", "open", "close", "dup", "fork",
      "pipe2", "eventfd", "epoll_ctl", "epoll_wait", "timerfd_create", "poll",
      "pselect6", "wait", "flock", "fsync" } do
      k:inject { call = call, errno = "EIO" }
      assert.is_table(errnos.calls[errnos.aliases[call] or call], call)
    end
  end)

  describe("raises at the caller's line", function()
    local function refuses(text, ...)
      local args = table.pack(...)
      local message = failure(function() fdemu.sweep(table.unpack(args, 1, args.n)) end)
      contains(message, text)
      assert.matches("^spec/sweep_spec.lua:%d+: sweep: ", message)
    end
    local function nothing() end

    it("for what is no body, and options that make no sense", function()
      refuses("a function expected, not a nil")
      refuses("unknown option 'call'", nothing, { call = "read" })
      refuses("'raed' is no call", nothing, { calls = { "raed" } })
      refuses("option 'calls' must be a list of names", nothing, { calls = 3 })
      refuses("option 'calls' must have names", nothing, { calls = { 3 } })
      refuses("'ENOPE' is no error", nothing, { errnos = "ENOPE" })
      refuses("'EPOLLIN' is no error", nothing, { errnos = { "EPOLLIN" } })
      refuses("'raed' is no call", nothing, { errnos = { raed = { "EIO" } } })
      refuses("option 'seed' must be an integer", nothing, { seed = "x" })
      refuses("option 'nofile' must be", nothing, { nofile = 0 })
    end)

    it("for a body that fails by itself", function()
      refuses("the body fails without a fault: error: ", function() error("oops") end)
      refuses("the body fails without a fault: leak: process 1, descriptor 3",
        function(k) k:process():open("/dev/null") end)
      refuses("the body fails without a fault: error: it returned No such file",
        function() return nil, "No such file", 2 end)
      refuses("the body yielded to nobody", function() coroutine.yield() end)
    end)
  end)
end)
