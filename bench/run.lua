-- run.lua - fdemu against its peers: the real calls, bare Lua, memcpy
--
-- usage: make bench [LUA=lua5.3] [ROUNDS=n] [ONLY=pattern] [JSON=file]
--
-- Prints a row per comparison. "ratio" says how many times faster fdemu is
-- where the target is ">=", what part of the peer's figure fdemu's is where it
-- is "<="; rows without a target are there to compare. Ends with 1 if a target
-- is not met and STRICT is set.

local fdemu = require "fdemu"
local host = require "hostsys"
local measure = require "bench.measure"
local json = require "bench.json"

local only = os.getenv "ONLY" or ""
local rows = {}

local layout = "%-40s %10s %-6s %-32s %10s %7s  %-7s %s"

local function line(...)
  print((layout:format(...):gsub("%s+$", "")))
  io.stdout:flush()
end

local function emit(row)
  rows[#rows + 1] = row
  line(row.work, ("%.1f"):format(row.value), row.unit, row.peer,
    ("%.1f"):format(row.peer_value), ("%.2f"):format(row.ratio),
    row.target or "", not row.target and "" or row.met and "met" or "NOT MET")
end

-- f against peers: { name, function, at_least = ratio | at_most = ratio, or
-- part = true: show the ratio as for at_most }, by the processor's time or
-- another clock.
local function compare(work, f, peers, clock)
  if not work:find(only) then return end
  local functions = {}
  for i, peer in ipairs(peers) do functions[i] = peer[2] end
  local own, theirs = measure.compare(f, functions, clock)
  for i, peer in ipairs(peers) do
    local ratio, target, met = theirs[i].ratio, nil, true
    if peer.at_most or peer.part then ratio = 1 / ratio end
    if peer.at_least then
      target, met = (">= %g"):format(peer.at_least), ratio >= peer.at_least
    elseif peer.at_most then
      target, met = ("<= %g"):format(peer.at_most), ratio <= peer.at_most
    end
    emit { work = work, value = own, unit = "ns", peer = peer[1],
      peer_value = theirs[i].ns, ratio = ratio, target = target, met = met }
  end
end

-- A figure that must stay below limit times a base, both measured already.
local function limit(work, unit, value, peer, base, limit_)
  local ratio = value / base
  emit { work = work, value = value, unit = unit, peer = peer,
    peer_value = base, ratio = ratio, target = ("<= %g"):format(limit_),
    met = ratio <= limit_ }
end

local function at_most(work, unit, value, most)
  emit { work = work, value = value, unit = unit, peer = "limit",
    peer_value = most, ratio = value / most, target = "<= 1",
    met = value <= most }
end

line("figure", "fdemu", "", "peer", "its figure", "ratio", "target", "")

local posix
do
  local ok, unistd = pcall(require, "posix.unistd") -- Debian: for Lua 5.3
  posix = ok and unistd or nil
end

local k = fdemu.kernel {}
local p = k:process { stdout = "null", stderr = "null" }

-- ---- one call after the other ---------------------------------------------

local r, w = p:pipe()
local hr, hw = host.pipe()

-- What calling C costs: as p:write() and p:read() are called, and in the way
-- that costs least.
local function empty_methods(count)
  local object = host.object()
  return function(n)
    for _ = 1, n * count do object:nop(7, 1) end
  end
end

local function empty_functions(count)
  local nop = host.nop
  return function(n)
    for _ = 1, n * count do nop(7, 1) end
  end
end

local function pipe_peers(data, size)
  local peers = {
    { "real calls", function(n)
      local write, read = host.write, host.read
      for _ = 1, n do write(hw, data) read(hr, size) end
    end },
  }
  if posix then
    peers[2] = { "luaposix", function(n)
      local write, read = posix.write, posix.read
      for _ = 1, n do write(hw, data) read(hr, size) end
    end }
  end
  return peers
end

local function pipe_work(data, size)
  return function(n)
    for _ = 1, n do
      p:write(w, data)
      p:read(r, size)
    end
  end
end

do
  local peers = pipe_peers("x", 1)
  peers[1].at_least = 6
  peers[#peers + 1] = { "5 bare C calls: empty methods", empty_methods(5),
    at_most = 1 }
  peers[#peers + 1] = { "5 bare C calls: empty functions",
    empty_functions(5), part = true }
  compare("pipe: write 1 byte + read 1 byte", pipe_work("x", 1), peers)
end

do
  local size = 65536
  local data = ("x"):rep(size)
  local peers = pipe_peers(data, size)
  peers[1].at_least = 2
  peers[#peers + 1] = { "memcpy + string", function(n)
    local copy = host.copy
    for _ = 1, n do copy(data) end
  end, at_most = 1.3 }
  compare("pipe: write 64 KiB + read 64 KiB", pipe_work(data, size), peers)
end

compare("dup + close", function(n)
  for _ = 1, n do p:close(p:dup(r)) end
end, {
  { "real calls", function(n)
    local dup, close = host.dup, host.close
    for _ = 1, n do close(dup(hr)) end
  end, at_least = 5 },
})

compare("pipe + close + close", function(n)
  for _ = 1, n do
    local a, b = p:pipe()
    p:close(a)
    p:close(b)
  end
end, {
  { "real calls", function(n)
    local pipe, close = host.pipe, host.close
    for _ = 1, n do
      local a, b = pipe()
      close(a)
      close(b)
    end
  end, at_least = 5 },
})

do
  k:device("/dev/one", { read = function() return "x" end })
  local fd = assert(p:open("/dev/one", fdemu.O_RDONLY))
  compare("device in Lua: read 1 byte", function(n)
    for _ = 1, n do p:read(fd, 1) end
  end, {
    { "coroutine switch", function(n)
      local yield, resume = coroutine.yield, coroutine.resume
      local co = coroutine.create(function()
        while true do yield(1) end
      end)
      for _ = 1, n do resume(co) end
    end, at_most = 2.5 },
  })
end

-- ---- tasks ----------------------------------------------------------------

-- Two threads wait most of the time: for each other, and until they are woken.
-- So what counts is the time until the answer is there, by the clock on the
-- wall, for both; the processor's time beside it.
local function exchange(n)
  local ar, aw = p:pipe()
  local br, bw = p:pipe()
  k:spawn(function()
    for _ = 1, n do
      p:write(aw, "x")
      p:read(br, 1)
    end
  end)
  k:spawn(function()
    for _ = 1, n do
      p:read(ar, 1)
      p:write(bw, "x")
    end
  end)
  k:run()
  p:close_range(ar, bw)
end

compare("two tasks: request + answer", exchange, {
  { "two threads, real pipes", host.pingpong, at_least = 8 },
}, host.elapsed)

compare("two tasks: the same, processor's time", exchange, {
  { "two threads, real pipes", host.pingpong },
})

-- ---- growth ---------------------------------------------------------------

local function big(limit_)
  local kernel = fdemu.kernel { nofile = limit_ or 1048576 }
  return kernel, kernel:process { stdout = "null", stderr = "null" }
end

-- A function that does epoll_wait + read + write, one ready of n.
local function epoll_of(n)
  local kernel, q = big()
  local ep = q:epoll_create1(0)
  local last
  for _ = 1, n do
    last = assert(q:eventfd(0))
    assert(q:epoll_ctl(ep, fdemu.EPOLL_CTL_ADD, last, fdemu.EPOLLIN, last))
  end
  return function(count)
    assert(kernel) -- it must not be collected
    for _ = 1, count do
      q:eventfd_write(last, 1)
      q:eventfd_read(q:epoll_wait(ep, 1, -1)[1].data)
    end
  end
end

compare("epoll: wait + read + write, 1 of 100,000", epoll_of(100000), {
  { "the same, 1 of 10", epoll_of(10), at_most = 1.5 },
})

-- Open n eventfds and close them in random order: ns per call, bytes each.
local function open_close(n)
  local kernel, q = big()
  local rng, fds = 12345, {}
  for i = 1, n do fds[i] = 0 end -- the list is the script's memory
  local before = host.memory()
  local start = host.now()
  for i = 1, n do fds[i] = q:eventfd(0) end
  local opened = host.now() - start
  local bytes = (host.memory() - before) / n
  for i = n, 2, -1 do
    rng = (rng * 1103515245 + 12345) % 2147483648
    local j = rng % i + 1
    fds[i], fds[j] = fds[j], fds[i]
  end
  start = host.now()
  for i = 1, n do q:close(fds[i]) end
  local closed = host.now() - start
  assert(kernel)
  return opened / n * 1e9, closed / n * 1e9, bytes
end

-- Small runs are repeated until they have made as many calls as the large.
local function per_call(n, total)
  local opens, closes, bytes = {}, {}, 0
  for i = 1, math.max(1, total // n) do
    collectgarbage()
    opens[i], closes[i], bytes = open_close(n)
  end
  return measure.median(opens), measure.median(closes), bytes
end

if ("open and close 1,000,000"):find(only) then
  local new = open_close(1000000)
  host.keep_memory()
  local few_open, few_close = per_call(1000, 200000)
  local open, close, bytes = per_call(1000000, 3000000)
  limit("open 1,000,000 eventfds", "ns", open, "1,000", few_open, 2)
  limit("close them in random order", "ns", close, "1,000", few_close, 2)
  emit { work = "open 1,000,000 eventfds, in new memory", value = new,
    unit = "ns", peer = "in memory that was used before", peer_value = open,
    ratio = new / open, met = true }
  at_most("memory of an eventfd descriptor", "bytes", bytes, 250)
end

if ("fork with 100,000 descriptors"):find(only) then
  local _, q = big()
  local n = 100000
  for _ = 1, n do assert(q:eventfd(0)) end
  local forks, copies = {}, {}
  for i = 1, measure.rounds do
    copies[i] = host.memcpy(n * 8)
    local start = host.now()
    local child = q:fork()
    forks[i] = host.now() - start
    child:exit(0)
    q:wait()
  end
  local extra = (measure.median(forks) - measure.median(copies)) / n * 1e9
  at_most("fork, 100,000 descriptors, over memcpy", "ns/fd", extra, 5)
end

-- n tasks each wait on a pipe of their own and are woken once. Returns
-- ns per task, and bytes per task when all wait.
local function crowd(n)
  local kernel, q = big()
  local reads, writes = {}, {}
  for i = 1, n do reads[i], writes[i] = q:pipe() end
  local function wait(fd) q:read(fd, 1) end
  local bytes
  collectgarbage()
  collectgarbage "stop"
  local before = host.memory()
  local start = host.now()
  for i = 1, n do kernel:spawn(wait, reads[i]) end
  kernel:spawn(function()
    bytes = (host.memory() - before) / n
    for i = 1, n do q:write(writes[i], "x") end
  end)
  kernel:run()
  local t = host.now() - start
  collectgarbage "restart"
  return t / n * 1e9, bytes
end

-- The same number of coroutines that have yielded once.
local function coroutines(n)
  local list = {}
  collectgarbage()
  collectgarbage "stop"
  local before = host.memory()
  for i = 1, n do
    list[i] = coroutine.create(function() coroutine.yield() end)
    coroutine.resume(list[i])
  end
  local bytes = (host.memory() - before) / n
  collectgarbage "restart"
  return bytes
end

if ("100,000 tasks"):find(only) then
  local few, many = {}, {}
  local bytes
  for i = 1, 3 do
    few[i] = crowd(10000)
    many[i], bytes = crowd(100000)
  end
  limit("100,000 tasks woken once, each", "ns", measure.median(many), "10,000",
    measure.median(few), 2)
  at_most("memory of a task over its coroutine", "bytes",
    bytes - coroutines(100000), 1536)
end

-- ---- the end --------------------------------------------------------------

local out = os.getenv "JSON"
if out and out ~= "" then
  local f = assert(io.open(out, "w"))
  f:write(json.encode({ lua = _VERSION, rounds = measure.rounds, rows = rows }),
    "\n")
  f:close()
end

local missed = 0
for _, row in ipairs(rows) do
  if not row.met then missed = missed + 1 end
end
print(("%d figures, %d targets not met"):format(#rows, missed))
if #rows == 0 then
  io.stderr:write("bench: no figure matches ONLY=", only, "\n")
  os.exit(1)
end
if missed > 0 and os.getenv "STRICT" then os.exit(1) end
