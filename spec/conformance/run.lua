-- run.lua - the scripts of make conformance through the Lua binding
--
-- Reads what "conformance -D" prints: a line "## title", then the calls of a
-- script with the answers that the C side has got:
--
--   0 read r0 10<TAB>10 "..."
--
-- makes them with fdemu's methods and compares. args.c says how arguments and
-- answers are written; calls that Lua cannot express do not occur.

local fdemu = require "fdemu"

local LIMIT, NINOS = 40, 512
local drivers = arg[1] == "drivers" and dofile "spec/conformance/drivers.lua"
local PRIME, BASIS = 0x100000001b3, math.tointeger(-3750763034362895579)

-- ---- words ---------------------------------------------------------------

-- Constants have shorter names in scripts.
local prefixes = { "", "EPOLL", "EPOLL_CTL_", "F_", "SEEK_" }
local constants = {
  MAX = math.maxinteger, FIOQSIZE = 0x5460, FIOCLEX = 0x5451, FIONCLEX = 0x5450,
  TFD_IOC_SET_TICKS = 0x40085400, me = 1000, MSG_MORE = 0x8000, SOCK_RAW = 3,
  NODUMP = fdemu.FS_NODUMP_FL, NOATIME = fdemu.FS_NOATIME_FL,
}

local function constant(word)
  for _, prefix in ipairs(prefixes) do
    local value = constants[word] or fdemu[prefix .. word]
    if value then return value end
  end
  error("unknown name " .. word)
end

local reg -- registers of the script
local procs -- by number
local kernel
local SHORT = 0.002 -- times up to this one are waited for

-- The number of a process, or, negative, of its group.
local function process(word)
  local what, slot = word:match("^([pg])(%d)$")
  if not what then return nil end
  local proc = procs[tonumber(slot)]
  local pid = proc and proc.pid or 0
  return what == "p" and pid or -pid
end

-- Those of tokens that are always the same; the matrix has few.
local numbers = {}

local function number(token)
  local value, always = numbers[token], true
  if value then return value end
  value = 0
  for word in token:gmatch("[^|]+") do
    local r = word:match("^r(%d+)$")
    local now = r and reg[tonumber(r) % 24] or process(word)
    always = always and not now
    value = value | (now or word:match("^0[0-7]+$") and tonumber(word, 8)
      or math.tointeger(tonumber(word)) or constant(word))
  end
  if always then numbers[token] = value end
  return value
end

local function pieces(token)
  local list = {}
  for word in token:sub(2, -2):gmatch("[^,]+") do list[#list + 1] = word end
  return list
end

-- ---- bytes ---------------------------------------------------------------

local WORDS = 128 -- at a time
local many = "<" .. ("i8"):rep(WORDS)

-- The linear congruential generator of args.c.
local function pattern(line, n)
  local x, t, out = (line + 1) * math.tointeger(-7046029254386353131), {}, {}
  for at = 1, n, 8 * WORDS do
    local left = (n - at + 8) // 8
    for i = 1, WORDS do
      x = x * 6364136223846793005 + 1442695040888963407
      t[i] = x
      if i == left then break end
    end
    for i = left + 1, WORDS do t[i] = 0 end
    out[#out + 1] = many:pack(table.unpack(t, 1, WORDS))
  end
  return table.concat(out):sub(1, n)
end

local line -- its number, from 0

local function bytes(token)
  local n = token:match("^#(.*)")
  if n then return ("<i8"):pack(number(n)) end
  return pattern(line, number(token))
end

-- Long answers are mostly the ones of a moment ago: of each length the last.
local said_last = {}

local function digest(s, h)
  local last = said_last[#s]
  if last and last.h == h and last.s == s then return last.digest end
  last = { s = s, h = h }
  said_last[#s] = last
  local at = 1
  while #s - at + 1 >= 8 * WORDS do
    local t = { many:unpack(s, at) }
    for i = 1, WORDS do
      h = (h ~ t[i]) * PRIME
      h = h ~ (h >> 29)
    end
    at = at + 8 * WORDS
  end
  while #s - at + 1 >= 8 do
    h = (h ~ ("<i8"):unpack(s, at)) * PRIME
    h = h ~ (h >> 29)
    at = at + 8
  end
  for i = at, #s do h = (h ~ s:byte(i)) * PRIME end
  last.digest = h
  return h
end

-- Of all pieces, one after the other.
local function digests(list)
  local h = BASIS
  for _, s in ipairs(list) do h = digest(s, h) end
  return (" bytes:%016x"):format(h)
end

local function show(s)
  if #s > 12 then return digests { s } end
  return ' "' .. s:gsub(".", function(c) return ("%02x"):format(c:byte()) end)
    .. '"'
end

-- ---- answers -------------------------------------------------------------

-- What a call has returned, as text; `more` says what it has filled in.
local function answer(more, ...)
  local value, message, errno = ...
  if value == nil then
    if errno == fdemu.EINTR then return "waits" end
    return fdemu.errname(errno) or message
  end
  return more(...)
end

local function plain(value) return tostring(value) end

local function made(value) return tostring(value), value end

local function two(a, b) return ("0 [%d,%d]"):format(a, b), a, b end

local function got(s) return #s .. (#s > 0 and show(s) or "") end

local function got_pieces(list, total)
  return total .. (total > 0 and digests(list) or "")
end

local inodes, ninodes

-- In the order in which they are seen.
local function number_of(key)
  if not inodes[key] and ninodes < NINOS then
    inodes[key], ninodes = ninodes, ninodes + 1
  end
  return inodes[key] or NINOS
end

-- Times that scripts have set; not of sockets and pipes.
local function when(t, what, at)
  local type = t.st_mode & 0xf000
  if at < 0 or at >= 1000 or type == 0xc000 or type == 0x1000 then return "" end
  return (" %s %d"):format(what, at)
end

local function stat(t)
  local inode = number_of(t.st_dev .. ":" .. t.st_ino)
  local text = ("0 mode %o links %d uid %d gid %d rdev %x"):format(t.st_mode,
    t.st_mode & 0xf000 == 0x4000 and 0 or t.st_nlink, t.st_uid, t.st_gid,
    t.st_rdev)
  if t.st_mode & 0xf000 ~= 0x4000 then
    text = text .. (" size %d blksize %d blocks %d"):format(t.st_size,
      t.st_blksize, t.st_blocks)
  end
  return text .. " inode " .. inode .. when(t, "accessed", t.st_atime)
    .. when(t, "modified", t.st_mtime)
end

-- ---- times ---------------------------------------------------------------

local function seconds(token)
  local s, ns = token:match("^([^,]*),?(.*)$")
  return number(s) + (ns ~= "" and number(ns) / 1e9 or 0)
end

local function timer(value, interval)
  local whole = math.floor(interval)
  return (" %d/%d,%d"):format((math.ceil(value) + 999) // 1000, whole,
    math.floor((interval - whole) * 1e9 + 0.5))
end

-- ---- calls ---------------------------------------------------------------


local calls = {}

function calls.read(p, fd, n) return answer(got, p:read(number(fd), number(n))) end

function calls.write(p, fd, n)
  return answer(plain, p:write(number(fd), bytes(n)))
end

local function sizes(token)
  local list = pieces(token)
  for i, word in ipairs(list) do
    list[i] = word:sub(1, 1) == "#" and 8 or number(word)
  end
  return list
end

local function strings(token)
  local list = pieces(token)
  for i, word in ipairs(list) do list[i] = bytes(word) end
  return list
end

function calls.readv(p, fd, v)
  return answer(got_pieces, p:readv(number(fd), sizes(v)))
end

function calls.writev(p, fd, v)
  return answer(plain, p:writev(number(fd), strings(v)))
end

function calls.pread64(p, fd, n, at)
  return answer(got, p:pread(number(fd), number(n), number(at)))
end

function calls.pwrite64(p, fd, n, at)
  return answer(plain, p:pwrite(number(fd), bytes(n), number(at)))
end

function calls.preadv(p, fd, v, at)
  return answer(got_pieces, p:preadv(number(fd), sizes(v), number(at)))
end

function calls.pwritev(p, fd, v, at)
  return answer(plain, p:pwritev(number(fd), strings(v), number(at)))
end

-- Calls whose arguments are integers, and whose result is one.
for name, result in pairs {
  lseek = plain, fsync = plain, fdatasync = plain, close = plain,
  ftruncate = plain, dup = made, dup2 = made, dup3 = made, flock = plain,
  epoll_create = made, epoll_create1 = made, timerfd_create = made,
  fcntl = made, shutdown = plain,
} do
  calls[name] = function(p, ...)
    local arg = { ... }
    for i, word in ipairs(arg) do arg[i] = number(word) end
    return answer(result, p[name](p, table.unpack(arg)))
  end
end

function calls.close_range(p, first, last, flags)
  return answer(plain, p:close_range(number(first) & 0xffffffff,
    number(last) & 0xffffffff, number(flags)))
end

local direct = { FIOCLEX = true, FIONCLEX = true, FICLONE = true }
local wide = { FIOQSIZE = true, TFD_IOC_SET_TICKS = true }

function calls.ioctl(p, fd, request, arg)
  if direct[request] then
    return answer(plain, p:ioctl(number(fd), number(request), number(arg)))
  end
  local format = wide[request] and "<i8" or "<i4"
  local buffer = fdemu.buffer(format:pack(number(arg)))
  return answer(function(n)
    return ("%d (%d)"):format(n, (format:unpack(buffer:get())))
  end, p:ioctl(number(fd), number(request), buffer))
end

function calls.fstat(p, fd) return answer(stat, p:fstat(number(fd))) end

local BASE = "/work"

local function name(token)
  if token == "''" then return "" end
  return (token:gsub("^~", BASE))
end

function calls.open(p, path, flags, mode)
  return answer(made, p:open(name(path), number(flags), number(mode)))
end

-- Calls with paths: N; everything else is a number.
for call, letters in pairs {
  openat = "fNii", mkdirat = "fNi", mknodat = "fNii", unlinkat = "fNi",
  renameat2 = "fNfNi", linkat = "fNfNi", symlinkat = "NfN", faccessat = "fNi",
  fchmodat = "fNi", fchmod = "fi", truncate = "Ni", ftruncate = "fi",
  fallocate = "fiii", memfd_create = "Ni", umask = "i", chdir = "N",
  fchdir = "f", shutdown = "fi", exec = "", creat = "Ni", mkdir = "Ni",
  rmdir = "N", unlink = "N", rename = "NN", link = "NN", symlink = "NN",
  access = "Ni", chmod = "Ni", chown = "Nii", lchown = "Nii", fchown = "fii",
  fchownat = "fNiii", mknod = "Nii", socket = "iii", eventfd = "i",
} do
  calls[call] = function(p, ...)
    local arg = { ... }
    for i, word in ipairs(arg) do
      arg[i] = letters:sub(i, i) == "N" and name(word) or number(word)
    end
    return answer(made, p[call](p, table.unpack(arg)))
  end
end

function calls.faccessat2(p, dir, path, mode, flags)
  return answer(plain,
    p:faccessat(number(dir), name(path), number(mode), number(flags)))
end

function calls.fchmodat2(p, dir, path, mode, flags)
  return answer(plain,
    p:fchmodat(number(dir), name(path), number(mode), number(flags)))
end

function calls.renameat(p, dir, path, newdir, newpath)
  return answer(plain,
    p:renameat2(number(dir), name(path), number(newdir), name(newpath), 0))
end

function calls.stat(p, path) return answer(stat, p:stat(name(path))) end

function calls.lstat(p, path) return answer(stat, p:lstat(name(path))) end

function calls.readlink(p, path)
  return answer(function(s)
    return ("%d -> %s"):format(#s, s)
  end, p:readlink(name(path)))
end

-- nil is now.
local function time(token)
  if token:find("UTIME_NOW") or token == "null" then return nil end
  return seconds(token)
end

function calls.utimensat(p, dir, path, times, flags)
  local atime, mtime = times:match("^(.*)/(.*)$")
  return answer(plain, p:utimensat(number(dir), name(path),
    time(atime or times), time(mtime or times), number(flags)))
end

-- As many bytes as the entries take in C.
function calls.getdents64(p, fd)
  return answer(function(names, types)
    local t, n = {}, 0
    for i, entry in ipairs(names) do
      t[i] = (" %s:%d"):format(entry, types[i])
      n = n + (#entry + 20 + 7) // 8 * 8
    end
    table.sort(t)
    return n .. table.concat(t)
  end, p:readdir(number(fd)))
end

function calls.getrlimit(p, resource)
  return answer(function(soft, hard)
    return ("0 (%d,%d)"):format(soft, hard)
  end, p:getrlimit(number(resource)))
end

function calls.fadvise64(p, fd, offset, length, advice)
  return answer(plain, p:posix_fadvise(number(fd), number(offset),
    number(length), number(advice)))
end

function calls.readlinkat(p, dir, path)
  return answer(function(s)
    return ("%d -> %s"):format(#s, s)
  end, p:readlinkat(number(dir), name(path)))
end

function calls.getcwd(p)
  return answer(function(s)
    return ("%d .%s"):format(#s + 1 - #BASE, s:sub(#BASE + 1))
  end, p:getcwd())
end

function calls.newfstatat(p, dir, path, _, flags)
  return answer(stat, p:fstatat(number(dir), name(path), number(flags)))
end

function calls.sendto(p, fd, n, flags)
  return answer(plain, p:send(number(fd), bytes(n), number(flags)))
end

function calls.recvfrom(p, fd, n, flags)
  return answer(function(s, len)
    return (len or #s) .. (#s > 0 and show(s) or "")
  end, p:recv(number(fd), number(n), number(flags)))
end

local function slices(token, sep)
  local list = {}
  for word in token:gmatch("[^" .. sep .. "]+") do list[#list + 1] = word end
  return list
end

function calls.sendmsg(p, fd, message, flags)
  local data, fds = message:match("^(%[.*%]):?(.*)$")
  local list = slices(fds, ",")
  for i, word in ipairs(list) do list[i] = number(word) end
  return answer(plain, p:sendmsg(number(fd),
    { data = table.concat(strings(data)), fds = list }, number(flags)))
end

function calls.getsockopt(p, fd, level, option)
  return answer(function(value)
    return ("0 (%d) (4)"):format(value)
  end, p:getsockopt(number(fd), number(level), number(option)))
end

function calls.setsockopt(p, fd, level, option, value)
  return answer(function(n)
    return ("%d (%d)"):format(n, number(value))
  end, p:setsockopt(number(fd), number(level), number(option), number(value)))
end

-- What follows the family and the zero byte is chance on Linux.
local function address(a)
  local s, tail = ("<i2"):pack(a.family), ""
  if a.path then
    s, tail = s .. "\0#####", " name " .. number_of("name " .. a.path)
  end
  return ('0 (%d) "%s"%s'):format(#s, (s .. ("\xaa"):rep(8 - #s))
    :gsub(".", function(c) return ("%02x"):format(c:byte()) end), tail)
end

for _, call in ipairs { "getsockname", "getpeername" } do
  calls[call] = function(p, fd) return answer(address, p[call](p, number(fd))) end
end

local function offset(token) return token ~= "null" and number(token) or nil end

-- Offsets come back in the order in which they were given.
local function moved(n, ...)
  local t = { tostring(n) }
  for _, at in ipairs { ... } do t[#t + 1] = (" (%d)"):format(at) end
  return table.concat(t)
end

function calls.sendfile(p, out, from, at, n)
  return answer(moved,
    p:sendfile(number(out), number(from), offset(at), number(n)))
end

function calls.tee(p, from, to, n, flags)
  return answer(plain, p:tee(number(from), number(to), number(n), number(flags)))
end

for _, call in ipairs { "splice", "copy_file_range" } do
  calls[call] = function(p, from, inat, to, outat, n, flags)
    return answer(moved, p[call](p, number(from), offset(inat), number(to),
      offset(outat), number(n), number(flags)))
  end
end

local function pipe2(p, flags)
  if drivers then return drivers.pipe2(p, kernel, flags) end
  return p:pipe2(flags)
end

function calls.pipe(p) return answer(two, pipe2(p, 0)) end

function calls.pipe2(p, _, flags) return answer(two, pipe2(p, number(flags))) end

function calls.socketpair(p, domain, type, protocol)
  return answer(two, p:socketpair(number(domain), number(type), number(protocol)))
end

function calls.eventfd2(p, n, flags)
  if drivers then
    return answer(made, drivers.eventfd(p, kernel, number(n) & 0xffffffff,
      number(flags)))
  end
  return answer(made, p:eventfd(number(n) & 0xffffffff, number(flags)))
end

function calls.poll(p, list, timeout)
  local fds = {}
  for i, word in ipairs(pieces(list)) do
    local fd, events = word:match("^([^:]*):?(.*)$")
    fds[i] = { fd = number(fd), events = number(events) }
  end
  return answer(function(n)
    local t = {}
    for i, e in ipairs(fds) do t[i] = ("%x"):format(e.revents) end
    return n .. " [" .. table.concat(t, ",") .. "]"
  end, p:poll(fds, number(timeout)))
end

local function slot_of(pid)
  for i = 0, 3 do
    if pid > 0 and procs[i] and procs[i].pid == pid then return i end
  end
  return pid > 0 and 99 or pid
end

-- There is room for all descriptors.
function calls.recvmsg(p, fd, room, flags)
  return answer(function(m)
    local text = ("%d%s flags %x"):format(#m.data,
      #m.data > 0 and show(m.data) or "", m.flags)
    if m.creds then
      text = text .. (" 1/2 12: process %d user %d group %d"):format(
        slot_of(m.creds.pid), m.creds.uid, m.creds.gid)
    end
    if #m.fds > 0 then text = text .. " 1/1" end
    for _, made_fd in ipairs(m.fds) do text = text .. " fd " .. made_fd end
    return text
  end, p:recvmsg(number(fd), number(room:match("^%d+")), number(flags)))
end

local fcntl = calls.fcntl

function calls.fcntl(p, fd, command, arg)
  if not arg:find(":") then return fcntl(p, fd, command, arg) end
  local v = {}
  for word in arg:gmatch("[^:]+") do v[#v + 1] = number(word) end
  local lock = { l_type = v[1], l_whence = v[2], l_start = v[3], l_len = v[4],
    l_pid = v[5] }
  return answer(function(t)
    if type(t) ~= "table" then t = lock end
    return ("0 type %d whence %d %d+%d owner %d"):format(t.l_type, t.l_whence,
      t.l_start, t.l_len, slot_of(t.l_pid or 0))
  end, p:fcntl(number(fd), number(command), lock))
end

local function set(token)
  local list = {}
  for _, word in ipairs(pieces(token)) do
    local fd = number(word)
    if fd >= 0 and fd < 64 then list[#list + 1] = fd end
  end
  return list
end

local function unset(list)
  table.sort(list)
  for i, fd in ipairs(list) do list[i] = fd .. "," end
  return " {" .. table.concat(list) .. "}"
end

local function micro(token)
  local s, us = token:match("^([^,]*),?(.*)$")
  return number(s) + (us ~= "" and number(us) / 1e6 or 0)
end

function calls.select(p, _, r, w, e, timeout)
  return answer(function(n, a, b, c)
    return n .. unset(a) .. unset(b) .. unset(c)
      .. (n == 0 and " left 0,0" or "")
  end, p:select(set(r), set(w), set(e), micro(timeout)))
end

function calls.timerfd_settime(p, fd, flags, spec)
  local value, interval = spec:match("^(.*)/(.*)$")
  return answer(function(n, v, i)
    if seconds(value) <= SHORT then kernel:sleep(seconds(value)) end
    return n .. timer(v, i)
  end, p:timerfd_settime(number(fd), number(flags), seconds(value),
      seconds(interval)))
end

function calls.timerfd_gettime(p, fd)
  return answer(function(v, i) return 0 .. timer(v, i) end,
    p:timerfd_gettime(number(fd)))
end

function calls.epoll_ctl(p, ep, op, fd, event)
  local events, data = event:match("^([^:]*):?(.*)$")
  return answer(plain, p:epoll_ctl(number(ep), number(op), number(fd),
    number(events), number(data)))
end

function calls.epoll_wait(p, ep, max, timeout)
  return answer(function(list)
    local t = { tostring(#list) }
    for _, e in ipairs(list) do
      t[#t + 1] = (" %x:%d"):format(e.events, e.data)
    end
    return table.concat(t)
  end, p:epoll_wait(number(ep), number(max), number(timeout)))
end

function calls.setrlimit(p, resource, limit)
  local soft, hard = limit:match("^(.*),(.*)$")
  return answer(function(n)
    return ("%d (%s)"):format(n, limit)
  end, p:setrlimit(number(resource), number(soft), number(hard)))
end

function calls.fork(p, slot)
  slot = number(slot)
  if procs[slot] and procs[slot].alive then return "EEXIST" end
  return answer(function(child)
    procs[slot] = { p = child, pid = child:getpid(), alive = true }
    return tostring(slot)
  end, p:fork())
end

function calls.wait(p)
  return answer(function(pid, _, status)
    local slot = 99
    for i = 3, 0, -1 do
      if procs[i] and procs[i].pid == pid then slot = i end
    end
    return ("(%d) %d"):format(status, slot)
  end, p:wait())
end

function calls.signals(p)
  local t = {}
  for sig, count in pairs(p:signals()) do
    if sig < 34 then count = nil end
    t[#t + 1] = { sig, count and sig .. "*" .. count .. " " or sig .. " " }
  end
  table.sort(t, function(a, b) return a[1] < b[1] end)
  for i, said in ipairs(t) do t[i] = said[2] end
  return table.concat(t) .. "0"
end

-- ---- scripts -------------------------------------------------------------

local function begin()
  local k = fdemu.kernel { nofile = LIMIT }
  k:sleep(10)
  for path, ops in pairs(drivers and drivers.devices or {}) do
    k:device(path, ops)
  end
  local p = k:process { stdin = "null", stdout = "null", stderr = "null" }
  for fd = 0, 2 do
    p:close(fd)
    assert(p:open("/dev/null", fdemu.O_RDWR) == fd)
  end
  p:umask(18)
  assert(p:mkdir(BASE, 493))
  assert(p:chdir(BASE))
  procs = { [0] = { p = p, pid = p:getpid(), alive = true } }
  reg = {}
  for i = 0, 23 do reg[i] = -1 end
  inodes, ninodes, line = {}, 0, 0
  return k
end

-- slot, call, arguments, registers for what it makes
local function parse(text)
  local words = {}
  for word in text:gmatch("%S+") do words[#words + 1] = word end
  local args, outs = {}, {}
  for i = 3, #words do
    if words[i] == ">" then
      for at = i + 1, #words do outs[#outs + 1] = tonumber(words[at]:sub(2)) % 24 end
      break
    end
    args[#args + 1] = words[i]
  end
  return { slot = tonumber(words[1]), call = words[2], args = args, outs = outs }
end

-- A matrix has most of its lines in every cell.
local parsed = {}

local function make(text)
  local line_of = parsed[text]
  if not line_of then
    line_of = parse(text)
    parsed[text] = line_of
  end
  local proc, args, outs = procs[line_of.slot], line_of.args, line_of.outs
  if not proc or not proc.alive then return "" end
  if line_of.call == "exit" then
    proc.alive = false
    proc.p:exit(number(args[1]))
    return "0"
  end
  local said, a, b = calls[line_of.call](proc.p, table.unpack(args))
  if a and outs[1] then reg[outs[1]] = a end
  if b and outs[2] then reg[outs[2]] = b end
  return said
end

local scripts, made_calls, differences, excused = 0, 0, 0, 0
local CELL_ENDS = "0 setrlimit RLIMIT_NOFILE 40,40"

-- A call that waits for long is interrupted, and so is what it waits for next.
local function interrupt(task, began)
  while true do
    kernel:sleep(SHORT / 2)
    if kernel:now() >= began() + 2 * SHORT then task:interrupt() end
  end
end

local function differ(title, call, want, said)
  differences = differences + 1
  if differences > (drivers and 60 or 10) then return end
  print(("%s, line %d: %s\n    C      %s\n    Lua    %s"):format(title, line,
    call, want, said))
end

-- Up to the first difference.
local function run(title, lines)
  kernel = begin()
  scripts = scripts + 1
  local began = kernel:now()
  local task = kernel:spawn(function()
    local silent = false
    for _, text in ipairs(lines) do
      local call, want = text:match("^(.-)\t(.*)$")
      want = want:gsub("(ed %d+)%.%d+", "%1") -- stat tables have seconds only
      began = kernel:now()
      local said = make(call)
      made_calls = made_calls + 1
      line = line + 1
      if drivers then -- each is an inode of its own
        said = said:gsub(" inode %d+.*", "")
        want = want:gsub(" inode %d+.*", "")
      end
      if said ~= want and not silent then
        silent = drivers and drivers.excuses(call:sub(3), said)
        if not silent then return differ(title, call, want, said) end
        excused = excused + 1
      elseif call == CELL_ENDS then
        silent = false
      end
    end
  end)
  kernel:spawn { interrupt, task, function() return began end, daemon = true }
  task:join()
  kernel:close()
end

local title, lines
for text in io.lines() do
  if text:sub(1, 3) == "## " then
    if title then run(title, lines) end
    title, lines = text:sub(4), {}
  else
    lines[#lines + 1] = text
  end
end
if title then run(title, lines) end
print(("%s: %d scripts, %d calls, %d differences, %d excused"):format(
  drivers and "driver: " .. (arg[2] or "any") or "Lua", scripts, made_calls, differences, excused))
os.exit(differences == 0 and scripts > 0)
