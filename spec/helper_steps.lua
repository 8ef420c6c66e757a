-- helper_steps.lua - what the specs of descriptors and pipes share.
--
-- fails() asserts how a call failed. run() executes a program: one call per
-- line with the result that Linux 6.18 gives, as in
--
--   pipe2 r w NONBLOCK
--   write w 4097 = 4097
--   read r 10 = 10
--   poll w = OUT WRNORM
--
-- Names stand for descriptors. The bytes written are a stream that never
-- repeats within a page, and a read must give the next bytes of it; `skip n`
-- says that n bytes of the stream are lost (the tail of a packet).

local fdemu = require "fdemu"
local assert = require "luassert"

local steps = {}

-- Asserts that the call whose results follow failed with the errno `name`.
function steps.fails(name, value, message, errno)
  assert.equal(name, errno and fdemu.errname(errno) or value)
  assert.is_nil(value)
  local text = fdemu.strerror(errno)
  assert.equal(text, message:sub(-#text))
end

-- A generator of integers in 1..n that is the same in every Lua.
function steps.random(seed)
  return function(n)
    seed = (seed * 1103515245 + 12345) & 0x7fffffff
    return (seed >> 8) % n + 1
  end
end

-- The bytes [from, from + n) of the stream.
local block do
  local t = {}
  for i = 0, 16383 do t[i + 1] = ("<I2"):pack(i * 40503 & 0xffff) end
  block = table.concat(t)
end
function steps.bytes(from, n)
  local t, at = {}, from % #block
  while n > 0 do
    local piece = block:sub(at + 1, at + n)
    t[#t + 1], n, at = piece, n - #piece, 0
  end
  return table.concat(t)
end

local bits = {
  { 0x001, "IN" }, { 0x002, "PRI" }, { 0x004, "OUT" }, { 0x008, "ERR" },
  { 0x010, "HUP" }, { 0x020, "NVAL" }, { 0x040, "RDNORM" },
  { 0x080, "RDBAND" }, { 0x100, "WRNORM" }, { 0x200, "WRBAND" },
  { 0x2000, "RDHUP" },
}

-- A poll mask in words: "IN HUP", or "-" for 0.
function steps.mask(m)
  local t = {}
  for _, bit in ipairs(bits) do
    if m & bit[1] ~= 0 then t[#t + 1], m = bit[2], m & ~bit[1] end
  end
  if m ~= 0 then t[#t + 1] = ("%#x"):format(m) end
  return #t > 0 and table.concat(t, " ") or "-"
end

-- What poll says about one descriptor asked for everything (or `events`).
function steps.ready(p, fd, events)
  local list = { { fd = fd, events = events or 0x3ff } }
  local n = assert(p:poll(list, 0))
  assert.equal(list[1].revents ~= 0 and 1 or 0, n)
  return steps.mask(list[1].revents)
end

local function flags(words)
  local v = 0
  for word in words:gmatch "%u+" do v = v | fdemu["O_" .. word] end
  return v
end

local function numbers(list)
  local t = {}
  for n in tostring(list):gmatch "%d+" do
    t[#t + 1] = math.tointeger(tonumber(n))
  end
  return t
end

local calls = {}

function calls.pipe2(s, a)
  local r, w, errno = s.p:pipe2(flags(a[3] or ""))
  if not r then return r, w, errno end
  s.fd[a[1]], s.fd[a[2]] = r, w
  return 0
end

function calls.dup(s, a)
  s.fd[a[2]] = assert(s.p:dup(s.fd[a[1]]))
  return 0
end

function calls.close(s, a)
  return s.p:close(s.fd[a[1]])
end

function calls.write(s, a)
  local data = steps.bytes(s.written, a[2])
  local n, message, errno = s.p:write(s.fd[a[1]], data)
  s.written = s.written + (n or 0)
  return n, message, errno
end

function calls.writev(s, a)
  local list, at = {}, s.written
  for i, n in ipairs(numbers(a[2])) do
    list[i], at = steps.bytes(at, n), at + n
  end
  local n, message, errno = s.p:writev(s.fd[a[1]], list)
  s.written = s.written + (n or 0)
  return n, message, errno
end

local function taken(s, data)
  assert.is_true(data == steps.bytes(s.got, #data), "other bytes")
  s.got = s.got + #data
  return #data
end

function calls.read(s, a)
  local data, message, errno = s.p:read(s.fd[a[1]], a[2])
  if not data then return data, message, errno end
  return taken(s, data)
end

function calls.readv(s, a)
  local sizes = numbers(a[2])
  local list, total, errno = s.p:readv(s.fd[a[1]], sizes)
  if not list then return list, total, errno end
  assert.equal(#sizes, #list)
  assert.equal(total, taken(s, table.concat(list)))
  return total
end

function calls.skip(s, a)
  s.got = s.got + a[1]
  return 0
end

function calls.queued(s, a)
  return s.p:ioctl(s.fd[a[1]], fdemu.FIONREAD)
end

function calls.size(s, a)
  return s.p:fcntl(s.fd[a[1]], fdemu.F_GETPIPE_SZ)
end

function calls.resize(s, a)
  return s.p:fcntl(s.fd[a[1]], fdemu.F_SETPIPE_SZ, a[2])
end

function calls.setfl(s, a)
  return s.p:fcntl(s.fd[a[1]], fdemu.F_SETFL, flags(a[2] or ""))
end

function calls.poll(s, a)
  return steps.ready(s.p, s.fd[a[1]])
end

local function result(value, message, errno)
  if value == nil then
    assert.equal(fdemu.strerror(errno), message)
    return fdemu.errname(errno)
  end
  return tostring(value)
end

-- Runs a program in process `p`; `fd` may name descriptors that are open.
function steps.run(p, program, fd)
  local s = { p = p, fd = fd or {}, written = 0, got = 0 }
  local number = 0
  for line in program:gmatch "[^\n]+" do
    number = number + 1
    local call, want = line:match "^%s*(.-)%s*=%s*(.-)%s*$"
    call = call or line
    local words = {}
    for word in call:gmatch "%S+" do
      words[#words + 1] = math.tointeger(tonumber(word)) or word
    end
    local name = table.remove(words, 1)
    if name then
      local got = result(calls[name](s, words))
      local where = ("step %d, %s: "):format(number, call)
      assert.equal(where .. (want or "0"), where .. got)
    end
  end
  return s
end

return steps
