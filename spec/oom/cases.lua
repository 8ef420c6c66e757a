-- cases.lua - what spec/oom/oom.c runs: a case for every function
--
-- A case is a function of a world, in which there is something of everything.
-- It is called when the nth allocation fails, for n = 1, 2, 3 ... and must then
-- raise Lua's memory error or give ENOMEM; the world has to be as it was, and
-- the same call succeed. It is also made with a full collection at each line, at
-- each call and in every method of the device, and must do what it always does.
-- A case is a list { call, setup =, ... }:
--
--   lost = true     it may also have happened, and its result be lost: there was
--                   no memory for the string or the table
--   once = true     nor is there anything else to tell, so it is not made again
--   relaxed = true  others go on meanwhile: the world need only fit together
--   received = true the descriptors that it has got are closed
--   any = true      another error may come of it
--   tasks = false   it is not made in a task, too
--   options = {}    of the kernel

local oom = require "oom"
local fdemu = require "fdemu"
local core = require "fdemu.core"
local meta = dofile "tools/meta.lua"

local STEPS = tonumber(oom.steps)

-- ---- a world --------------------------------------------------------------

local LINK = fdemu.struct "u16 addr; u32 len; u8 data[4]"

local collecting = false -- in every method of the device

local device = {
  open = function() end,
  read = function(_, count) return ("r"):rep(math.min(count, 5)) end,
  write = function(_, data) return #data end,
  ioctl = function(_, _, arg)
    if type(arg) == "userdata" then arg:set("x") end
    return 7
  end,
  fcntl = function() return 3 end,
  lseek = function(_, offset) return offset end,
  truncate = function() end,
  sync = function() end,
  stat = function() return { st_size = 99 } end,
  poll = function() return "rw" end,
  flush = function() end,
  release = function() end,
}

-- The same, but that each method collects before and behind it. Only where that
-- is wanted: a call more is an allocation more.
local collector = {}

for name, method in pairs(device) do
  collector[name] = function(...)
    collectgarbage()
    local result = method(...)
    collectgarbage()
    return result
  end
end

local function files(w)
  local p = w.p
  w.file = p:open("/tmp/file", fdemu.O_RDWR | fdemu.O_CREAT)
  p:write(w.file, "hello world")
  p:lseek(w.file, 0)
  w.other = p:open("/tmp/file", fdemu.O_RDWR)
  p:mkdir "/tmp/dir"
  p:symlink("file", "/tmp/link")
  p:mkfifo "/tmp/fifo"
  w.dir = p:open("/tmp", fdemu.O_RDONLY)
end

local function world(options)
  local w = { tasks = {} }
  options = options or {}
  options.host = true
  w.k = fdemu.kernel(options)
  w.p = w.k:process { stdout = "capture", stderr = "null" }
  w.observer = w.k:process { stdout = "null", stderr = "null" }
  local k, p = w.k, w.p
  k:device("/dev/lua", collecting and collector or device)
  files(w)
  w.r, w.w = p:pipe()
  p:write(w.w, "piped")
  w.a, w.b = p:socketpair()
  p:send(w.b, "sent")
  w.ev = p:eventfd(3)
  w.tm = p:timerfd_create()
  w.ep = p:epoll_create1(0)
  p:epoll_ctl(w.ep, fdemu.EPOLL_CTL_ADD, w.r, fdemu.EPOLLIN, 5)
  w.dev = p:open("/dev/lua", fdemu.O_RDWR)
  w.d = p:description(w.dev)
  w.pd = p:description(w.r)
  w.buffer = fdemu.buffer(16)
  return w
end

-- ---- what it is like ------------------------------------------------------

-- Numbers that are never used again are not compared.
local COUNTED = { st_ino = true, id = true, pid = true, st_atime = true,
  st_mtime = true, st_ctime = true, who = true }

local function show(value)
  local kind = type(value)
  if kind ~= "table" then
    local named = getmetatable(value)
    return kind == "userdata" and tostring(named and named.__name or kind)
      or kind == "function" and kind or ("%q"):format(tostring(value))
  end
  local parts = {}
  for key, field in pairs(value) do
    parts[#parts + 1] = COUNTED[key] and tostring(key)
      or tostring(key) .. "=" .. show(field)
  end
  table.sort(parts)
  return "{" .. table.concat(parts, ", ") .. "}"
end

local function walk(p, path, add)
  local fd = assert(p:open(path, fdemu.O_RDONLY | fdemu.O_DIRECTORY))
  local names, types = p:readdir(fd)
  p:close(fd)
  for i, name in ipairs(names) do
    local full = path .. "/" .. name
    local st = p:lstat(full)
    add("name", full, st.st_mode, st.st_size, st.st_nlink, st.st_uid)
    if types[i] == fdemu.DT_DIR and name ~= "." and name ~= ".."
      and full ~= "//dev" and full ~= "//proc" then
      walk(p, full, add)
    end
  end
end

local function descriptors(w, add)
  local seen, pids, n, np = {}, {}, 0, 0
  for _, row in ipairs(w.k:lsof()) do
    if not seen[row.id] then n = n + 1 seen[row.id] = n end
    if not pids[row.pid] then np = np + 1 pids[row.pid] = np end
    add("fd", pids[row.pid], row.fd, row.kind, seen[row.id], row.flags,
      row.offset, row.path)
  end
end

-- What asks them may wait.
local SCRIPTED = { lua = true, slow = true, peer = true }

local function process(w, add)
  local p = w.p
  if tostring(p):find("exited", 1, true) then return add "exited" end
  for _, row in ipairs(w.k:lsof()) do
    if row.pid == p:getpid() and not SCRIPTED[row.kind] then
      local st = p:fstat(row.fd)
      add("is", row.fd, p:fcntl(row.fd, fdemu.F_GETFD),
        p:ioctl(row.fd, fdemu.FIONREAD), st.st_mode, st.st_size)
    end
  end
  local mask = p:umask(0)
  p:umask(mask)
  add("process", p:getcwd(), mask, p:getrlimit(fdemu.RLIMIT_NOFILE))
  add("captured", p:captured(1))
end

local function digest(w)
  local lines = {}
  local function add(...)
    local parts = table.pack(...)
    for i = 1, parts.n do parts[i] = tostring(parts[i]) end
    lines[#lines + 1] = table.concat(parts, " ")
  end
  if tostring(w.k):find("closed", 1, true) then return { "closed" } end
  descriptors(w, add)
  process(w, add)
  walk(w.observer, "/", add)
  add("kernel", #w.k:rules(), #core.waiting(w.k), w.k:now(), #w.k:leaks(),
    #w.k:misuse())
  for _, t in ipairs(w.tasks) do add("task", t.name, t.status) end
  for _, name in ipairs { "kind", "flags", "refs", "own" } do
    add("description", name, tostring(w.d[name]), tostring(w.pd[name]))
  end
  add("buffer", ("%q"):format(w.buffer:get()))
  add("check", core.check(w.k))
  return lines
end

local function difference(a, b)
  for i = 1, math.max(#a, #b) do
    if a[i] ~= b[i] then
      return ("%s; it was: %s"):format(tostring(b[i]), tostring(a[i]))
    end
  end
  return nil
end

-- ---- the cases ------------------------------------------------------------

local cases = {}

local function case(name, call, more)
  local c = { call = call, name = name }
  for key, value in pairs(more or {}) do c[key] = value end
  assert(not cases[name], name)
  cases[name] = c
end

local function process_case(name, call, more)
  case("Process:" .. name, call, more)
end

local LOST = { lost = true }
local ALONE = { tasks = false }

-- Reading, writing, moving.
process_case("read", function(w) return w.p:read(w.r, 5) end, LOST)
process_case("read (device)", function(w) return w.p:read(w.dev, 5) end, LOST)
process_case("read (large)", function(w) return w.p:read(w.r, 100000) end, LOST)
process_case("write", function(w) return w.p:write(w.w, "more") end)
process_case("write (device)", function(w) return w.p:write(w.dev, "x") end)
process_case("write (large)", function(w)
  return w.p:write(w.file, w.large)
end, { relaxed = true, setup = function(w) w.large = ("x"):rep(20000) end })
process_case("pread", function(w) return w.p:pread(w.file, 5, 2) end)
process_case("pwrite", function(w) return w.p:pwrite(w.file, "abc", 2) end)
process_case("readv", function(w)
  return w.p:readv(w.r, { 2, 3, 1, 1, 1, 1, 1, 1, 1, 1 })
end, LOST)
process_case("preadv", function(w) return w.p:preadv(w.file, { 2, 3 }, 1) end)
process_case("writev", function(w) return w.p:writev(w.w, { "a", "b" }) end)
process_case("writev (many)", function(w)
  return w.p:writev(w.w, { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j" })
end)
process_case("pwritev", function(w)
  return w.p:pwritev(w.file, { "a", "b" }, 5)
end)
process_case("lseek", function(w) return w.p:lseek(w.file, 3) end)
process_case("lseek (device)", function(w) return w.p:lseek(w.dev, 3) end)
process_case("sendfile", function(w)
  return w.p:sendfile(w.w, w.file, 1, 5)
end)
process_case("splice", function(w)
  return w.p:splice(w.r, nil, w.file, 3, 4)
end)
process_case("tee", function(w)
  return w.p:tee(w.r, w.w2, 5)
end, { setup = function(w) w.r2, w.w2 = w.p:pipe() end })
process_case("vmsplice", function(w) return w.p:vmsplice(w.w, { "abc" }) end)
process_case("vmsplice (pages)", function(w)
  return w.p:vmsplice(w.w, { "abc", "de" })
end, { relaxed = true })
process_case("vmsplice (reading)", function(w)
  return w.p:vmsplice(w.r, { 2, 1 })
end, LOST)
process_case("copy_file_range", function(w)
  return w.p:copy_file_range(w.file, 0, w.mem, 0, 5)
end, { setup = function(w) w.mem = w.p:memfd_create "m" end })

-- Descriptors.
process_case("open", function(w) return w.p:open("/tmp/file", "r") end)
process_case("open (new)", function(w) return w.p:open("/tmp/new", "w") end)
process_case("open (device)", function(w) return w.p:open("/dev/lua", 2) end)
process_case("open (failure)", function(w) return w.p:open("/nowhere", 2) end)
process_case("openat", function(w) return w.p:openat(w.dir, "file", 0) end)
process_case("creat", function(w) return w.p:creat("/tmp/new", 384) end)
process_case("close", function(w) return w.p:close(w.r) end)
process_case("close (device)", function(w) return w.p:close(w.dev) end,
  { setup = function(w) w.p:close(w.ep) end })
process_case("close_range", function(w) return w.p:close_range(w.r, w.b) end)
process_case("dup", function(w) return w.p:dup(w.r) end)
process_case("dup (origins)", function(w) return w.p:dup(w.r) end,
  { options = { origins = true } })
process_case("dup2", function(w) return w.p:dup2(w.r, 200) end)
process_case("dup3", function(w)
  return w.p:dup3(w.r, 200, fdemu.O_CLOEXEC)
end)
process_case("fcntl", function(w)
  return w.p:fcntl(w.r, fdemu.F_SETFD, fdemu.FD_CLOEXEC)
end)
process_case("fcntl (dup)", function(w)
  return w.p:fcntl(w.r, fdemu.F_DUPFD, 100)
end)
process_case("fcntl (pipe size)", function(w)
  return w.p:fcntl(w.r, fdemu.F_SETPIPE_SZ, 1048576)
end)
process_case("fcntl (lock)", function(w)
  return w.p:fcntl(w.file, fdemu.F_SETLK, { l_type = fdemu.F_WRLCK })
end)
process_case("fcntl (getlk)", function(w)
  return w.p:fcntl(w.file, fdemu.F_OFD_GETLK,
    { l_type = fdemu.F_WRLCK, l_pid = 0 })
end)
process_case("fcntl (owner)", function(w)
  return w.p:fcntl(w.r, fdemu.F_GETOWN_EX)
end)
process_case("fcntl (device)", function(w) return w.p:fcntl(w.dev, 5000, 1) end)
process_case("flock", function(w) return w.p:flock(w.file, fdemu.LOCK_EX) end)
process_case("ioctl", function(w) return w.p:ioctl(w.r, fdemu.FIONREAD) end)
process_case("ioctl (buffer)", function(w)
  return w.p:ioctl(w.dev, 1, w.buffer)
end, LOST) -- the device fills the buffer
process_case("ioctl (string)", function(w)
  return w.p:ioctl(w.dev, 1, "abc")
end)
process_case("isatty", function(w) return w.p:isatty(w.file) end)
process_case("fstat", function(w) return w.p:fstat(w.file) end)
process_case("fstat (device)", function(w) return w.p:fstat(w.dev) end)
process_case("pipe", function(w) return w.p:pipe() end)
process_case("pipe (traced)", function(w) return w.p:pipe() end,
  { lost = true, setup = function(w) w.k:trace(function() end) end })
process_case("pipe2", function(w) return w.p:pipe2(fdemu.O_CLOEXEC) end)
process_case("description", function(w)
  return w.p:description(w.file)
end)
process_case("install", function(w) return w.p:install(w.d, 100) end)
process_case("install (floating)", function(w)
  return w.p:install(w.floating)
end, { setup = function(w) w.floating = w.k:description(device) end })
process_case("host", function(w) return w.p:host(0) end)
process_case("captured", function(w) return w.p:captured(1) end,
  { setup = function(w) w.p:write(1, "out") end })

-- Files.
process_case("ftruncate", function(w) return w.p:ftruncate(w.file, 3) end)
process_case("ftruncate (device)", function(w)
  return w.p:ftruncate(w.dev, 3)
end)
process_case("truncate", function(w) return w.p:truncate("/tmp/file", 3) end)
process_case("fallocate", function(w)
  return w.p:fallocate(w.file, 0, 0, 100000)
end)
process_case("posix_fadvise", function(w)
  return w.p:posix_fadvise(w.file, 0, 0, 0)
end)
process_case("fsync", function(w) return w.p:fsync(w.file) end)
process_case("fdatasync", function(w) return w.p:fdatasync(w.dev) end)
process_case("memfd_create", function(w) return w.p:memfd_create "m" end)

-- Names.
process_case("access", function(w) return w.p:access("/tmp/file", 4) end)
process_case("faccessat", function(w)
  return w.p:faccessat(w.dir, "file", 4)
end)
process_case("chdir", function(w) return w.p:chdir "/tmp" end)
process_case("fchdir", function(w) return w.p:fchdir(w.dir) end)
process_case("getcwd", function(w) return w.p:getcwd() end)
process_case("chmod", function(w) return w.p:chmod("/tmp/file", 384) end)
process_case("fchmod", function(w) return w.p:fchmod(w.file, 384) end)
process_case("fchmodat", function(w)
  return w.p:fchmodat(w.dir, "file", 384)
end)
process_case("chown", function(w) return w.p:chown("/tmp/file", 1000) end)
process_case("lchown", function(w) return w.p:lchown("/tmp/link", 1000) end)
process_case("fchown", function(w) return w.p:fchown(w.file, 1000) end)
process_case("fchownat", function(w)
  return w.p:fchownat(w.dir, "file", 1000)
end)
process_case("stat", function(w) return w.p:stat "/tmp/link" end)
process_case("lstat", function(w) return w.p:lstat "/tmp/link" end)
process_case("fstatat", function(w) return w.p:fstatat(w.dir, "file") end)
process_case("link", function(w) return w.p:link("/tmp/file", "/tmp/l2") end)
process_case("linkat", function(w)
  return w.p:linkat(w.dir, "file", w.dir, "l2")
end)
process_case("symlink", function(w) return w.p:symlink("x", "/tmp/s2") end)
process_case("symlinkat", function(w)
  return w.p:symlinkat("x", w.dir, "s2")
end)
process_case("readlink", function(w) return w.p:readlink "/tmp/link" end)
process_case("readlinkat", function(w)
  return w.p:readlinkat(w.dir, "link")
end)
process_case("mkdir", function(w) return w.p:mkdir "/tmp/d2" end)
process_case("mkdirat", function(w) return w.p:mkdirat(w.dir, "d2") end)
process_case("rmdir", function(w) return w.p:rmdir "/tmp/dir" end)
process_case("mkfifo", function(w) return w.p:mkfifo "/tmp/f2" end)
process_case("mknod", function(w) return w.p:mknod("/tmp/n", 33188) end)
process_case("mknodat", function(w)
  return w.p:mknodat(w.dir, "n", 33188)
end)
process_case("unlink", function(w) return w.p:unlink "/tmp/file" end)
process_case("unlinkat", function(w) return w.p:unlinkat(w.dir, "file") end)
process_case("rename", function(w)
  return w.p:rename("/tmp/file", "/tmp/dir/file")
end)
process_case("renameat2", function(w)
  return w.p:renameat2(w.dir, "file", w.dir, "f3")
end)
process_case("renameat2 (whiteout)", function(w)
  return w.p:renameat2(w.dir, "file", w.dir, "f3", fdemu.RENAME_WHITEOUT)
end)
process_case("umask", function(w) return w.p:umask(63) end)
process_case("utime", function(w) return w.p:utime("/tmp/file", 5, 6) end)
process_case("utimensat", function(w)
  return w.p:utimensat(w.dir, "file", 5, 6)
end)
process_case("readdir", function(w) return w.p:readdir(w.dir) end, LOST)

-- Events.
process_case("eventfd", function(w) return w.p:eventfd(5) end)
process_case("eventfd_read", function(w) return w.p:eventfd_read(w.ev) end)
process_case("eventfd_write", function(w)
  return w.p:eventfd_write(w.ev, 4)
end)
process_case("timerfd_create", function(w) return w.p:timerfd_create() end)
process_case("timerfd_settime", function(w)
  return w.p:timerfd_settime(w.tm, 0, 5, 6)
end)
process_case("timerfd_gettime", function(w)
  return w.p:timerfd_gettime(w.tm)
end)
process_case("epoll_create", function(w) return w.p:epoll_create(1) end)
process_case("epoll_create1", function(w) return w.p:epoll_create1(0) end)
process_case("epoll_ctl", function(w)
  return w.p:epoll_ctl(w.ep, fdemu.EPOLL_CTL_ADD, w.ev, fdemu.EPOLLIN)
end)
process_case("epoll_ctl (device)", function(w)
  return w.p:epoll_ctl(w.ep, fdemu.EPOLL_CTL_ADD, w.dev, fdemu.EPOLLIN)
end, { lost = true, once = true })
process_case("epoll_wait", function(w) return w.p:epoll_wait(w.ep, 5, 0) end)
process_case("poll", function(w)
  return w.p:poll({ { fd = w.r, events = 1 }, { fd = w.dev, events = 1 } }, 0)
end)
process_case("select", function(w)
  return w.p:select({ w.r, w.dev }, { w.w }, nil, 0)
end)

-- Sockets.
process_case("socketpair", function(w) return w.p:socketpair() end)
process_case("socket", function(w) return w.p:socket() end)
process_case("shutdown", function(w) return w.p:shutdown(w.a, 1) end)
process_case("send", function(w) return w.p:send(w.a, "data") end)
process_case("recv", function(w) return w.p:recv(w.a, 10) end, LOST)
process_case("sendmsg", function(w)
  return w.p:sendmsg(w.a, { data = "data", fds = { w.r, w.file } })
end)
process_case("recvmsg", function(w)
  return w.p:recvmsg(w.b, 10)
end, { received = true, setup = function(w)
  w.p:sendmsg(w.a, { data = "data", fds = { w.r, w.file } })
end })
process_case("recvmsg (creds, inq)", function(w)
  return w.p:recvmsg(w.b, 3)
end, { received = true, setup = function(w)
  w.p:setsockopt(w.b, fdemu.SOL_SOCKET, fdemu.SO_PASSCRED, 1)
  w.p:setsockopt(w.b, fdemu.SOL_SOCKET, fdemu.SO_INQ, 1)
  w.p:sendmsg(w.a, { data = "data", fds = { w.r, w.file } })
end })
-- A datagram socket that has a name, and one that sends to it.
local function named(w)
  w.named = w.p:socket(fdemu.AF_UNIX, fdemu.SOCK_DGRAM)
  w.p:setsockopt(w.named, fdemu.SOL_SOCKET, fdemu.SO_PASSCRED, 1)
  w.p:send(w.named, "x")
  w.to = w.p:getsockname(w.named)
  w.sender = w.p:socket(fdemu.AF_UNIX, fdemu.SOCK_DGRAM)
  w.p:setsockopt(w.sender, fdemu.SOL_SOCKET, fdemu.SO_PASSCRED, 1)
  w.p:sendmsg(w.sender, { data = "first", to = w.to })
end
process_case("sendmsg (to)", function(w)
  return w.p:sendmsg(w.sender, { data = "data", to = w.to })
end, { setup = named })
process_case("recvmsg (from)", function(w)
  return w.p:recvmsg(w.named, 10)
end, { received = true, setup = named })
process_case("getsockname (named)", function(w)
  return w.p:getsockname(w.named)
end, { setup = named })
process_case("setsockopt (passrights)", function(w)
  return w.p:setsockopt(w.a, fdemu.SOL_SOCKET, fdemu.SO_PASSRIGHTS, 0)
end)
process_case("setsockopt (device)", function(w)
  return w.p:setsockopt(w.a, fdemu.SOL_SOCKET, fdemu.SO_BINDTODEVICE, "lo")
end)
process_case("getsockopt (device)", function(w)
  return w.p:getsockopt(w.a, fdemu.SOL_SOCKET, fdemu.SO_BINDTODEVICE)
end, { setup = function(w)
  w.p:setsockopt(w.a, fdemu.SOL_SOCKET, fdemu.SO_BINDTODEVICE, "lo")
end })
process_case("setsockopt", function(w)
  return w.p:setsockopt(w.a, fdemu.SOL_SOCKET, fdemu.SO_SNDBUF, 5000)
end)
process_case("setsockopt (filter)", function(w)
  local all_of_it = ("<I2BBI4"):pack(6, 0, 0, 100)
  return w.p:setsockopt(w.a, fdemu.SOL_SOCKET, fdemu.SO_ATTACH_FILTER,
    all_of_it)
end)
process_case("getsockopt", function(w)
  return w.p:getsockopt(w.a, fdemu.SOL_SOCKET, fdemu.SO_SNDBUF)
end)
process_case("getsockname", function(w) return w.p:getsockname(w.a) end)
process_case("getpeername", function(w) return w.p:getpeername(w.a) end)
process_case("signals", function(w) return w.p:signals() end,
  { lost = true, setup = function(w)
    w.p:close(w.r)
    w.p:write(w.w, "x")
  end })

-- Processes.
process_case("fork", function(w) return w.p:fork() end)
process_case("exec", function(w) return w.p:exec() end,
  { setup = function(w) w.p:fcntl(w.dev, fdemu.F_SETFD, 1) end })
process_case("exit", function(w) return w.p:exit(3) end)
process_case("wait", function(w) return w.p:wait() end,
  { setup = function(w) w.p:fork():exit(3) end })
process_case("getpid", function(w) return w.p:getpid() end)
process_case("getrlimit", function(w)
  return w.p:getrlimit(fdemu.RLIMIT_NOFILE)
end)
process_case("setrlimit", function(w)
  return w.p:setrlimit(fdemu.RLIMIT_NOFILE, 300)
end)
process_case("spawn", function(w) return w.p:spawn(w.k.now, w.k) end, ALONE)
case("Process.__tostring", function(w) return tostring(w.p) end)
case("Process.__close", function(w) getmetatable(w.p).__close(w.p) end)

-- Calls that wait, and go on after a second.
local function later(f)
  return function(w)
    w.k:spawn { function()
      w.k:sleep(1)
      f(w)
    end, daemon = true }
  end
end

local function waits(name, call, wake)
  process_case(name .. " (waits)", call,
    { relaxed = true, setup = later(wake or function() end) })
end

waits("read", function(w) return w.p:read(w.a2 or w.r3, 300) end)
cases["Process:read (waits)"].setup = function(w)
  w.r3, w.w3 = w.p:pipe()
  later(function() assert(w.p:write(w.w3, ("x"):rep(200))) end)(w)
end
waits("write", function(w) return w.p:write(w.w, ("x"):rep(70000)) end,
  function(w) assert(w.p:read(w.r, 65536)) end)
waits("poll", function(w)
  return w.p:poll({ { fd = w.b, events = 1 } }, 5000)
end, function(w) assert(w.p:send(w.a, "x")) end)
waits("select", function(w) return w.p:select({ w.b }, nil, nil, 5) end,
  function(w) assert(w.p:send(w.a, "x")) end)
waits("epoll_wait", function(w)
  return w.p:epoll_wait(w.ep, 100, 5000)
end, function(w) w.p:write(w.w, "x") end)
cases["Process:epoll_wait (waits)"].setup = function(w)
  w.p:read(w.r, 100)
  later(function() assert(w.p:write(w.w, "x")) end)(w)
end
waits("recv", function(w) return w.p:recv(w.b, 100) end,
  function(w) assert(w.p:send(w.a, "abcdefghijkl")) end)
waits("recvmsg", function(w) return w.p:recvmsg(w.b, 100) end,
  function(w) assert(w.p:sendmsg(w.a, { data = "x", fds = { w.r } })) end)
waits("wait", function(w) return w.p:wait() end,
  function(w) assert(w.p:fork()):exit(2) end)
waits("flock", function(w) return w.p:flock(w.other, fdemu.LOCK_EX) end)
cases["Process:flock (waits)"].setup = function(w)
  w.p:flock(w.file, fdemu.LOCK_EX)
  later(function() assert(w.p:flock(w.file, fdemu.LOCK_UN)) end)(w)
end
waits("fcntl", function(w)
  return w.p:fcntl(w.file, fdemu.F_SETLKW, { l_type = fdemu.F_WRLCK })
end)
cases["Process:fcntl (waits)"].setup = function(w)
  local child = w.p:fork()
  child:fcntl(w.file, fdemu.F_SETLK, { l_type = fdemu.F_WRLCK })
  later(function() child:exit() end)(w)
end
waits("open", function(w) return w.p:open("/tmp/fifo", "r") end,
  function(w) assert(w.p:open("/tmp/fifo", "w")) end)

-- Drivers that wait.
local function slow(w)
  local function wait() w.k:sleep(1) end
  w.k:device("/dev/slow", {
    read = function(_, count) wait() return ("s"):rep(count) end,
    write = function(_, data) wait() return #data end,
    ioctl = function() wait() return 4 end,
    stat = function() wait() return {} end,
    flush = wait,
    release = wait,
  })
  w.slow = w.p:open("/dev/slow", "r+")
end

for name, call in pairs {
  read = function(w) return w.p:read(w.slow, 100) end,
  write = function(w) return w.p:write(w.slow, "abc") end,
  ioctl = function(w) return w.p:ioctl(w.slow, 1, "abc") end,
  fstat = function(w) return w.p:fstat(w.slow) end,
  close = function(w) return w.p:close(w.slow) end,
  dup2 = function(w) return w.p:dup2(w.r, w.slow) end,
  exit = function(w) return w.p:exit(1) end,
} do
  process_case(name .. " (slow driver)", call,
    { relaxed = true, setup = slow })
end

-- Kernels.
case("fdemu.kernel", function()
  return fdemu.kernel { seed = 5, limits = { memory = 10000000 } }
end)
case("Kernel:process", function(w)
  return w.k:process { stdin = "text", stdout = "capture", stderr = "host" }
end)
case("Kernel:process (descriptions)", function(w)
  return w.k:process { stdin = w.floating, stdout = w.d, stderr = w.d }
end, { setup = function(w) w.floating = w.k:description(device) end })
case("Kernel:device", function(w)
  return w.k:device("/dev/deep/er", { name = "deep", requests = { R = 5 } })
end)
case("Kernel:description", function(w) return w.k:description(device) end)
case("Kernel:requests", function(w) return w.k:requests { A = 1, B = 2 } end)
case("Kernel:spawn", function(w)
  return w.k:spawn { w.k.now, w.k, name = "n", daemon = true }
end, ALONE)
case("Kernel:after", function(w) return w.k:after(1, w.k.now, w.k) end, ALONE)
case("Kernel:run", function(w) return w.k:run() end,
  { tasks = false, relaxed = true, setup = function(w)
    w.k:spawn(function() w.p:write(w.w, ("x"):rep(70000)) end)
    w.k:spawn(function()
      w.k:sleep(1)
      w.p:read(w.r, 50000)
      w.p:read(w.dev, 5)
    end)
  end })
local function fails_with(text, f, ...)
  local ok, err = pcall(f, ...)
  if ok or not tostring(err):find(text, 1, true) then error(err, 0) end
end

case("Kernel:run (failure)", function(w)
  fails_with("it says", w.k.run, w.k)
end, { tasks = false, relaxed = true, setup = function(w)
  w.k:spawn(function() error "it says" end)
end })
case("Kernel:run (deadlock)", function(w)
  fails_with("deadlock", w.k.run, w.k)
end, { tasks = false, relaxed = true, setup = function(w)
  local r = w.p:pipe()
  w.k:spawn(function() w.p:read(r, 1) end)
end })
case("Kernel:sleep", function(w) return w.k:sleep(1) end, { relaxed = true })
case("Kernel:now", function(w) return w.k:now() end)
case("Kernel:inject", function(w)
  return w.k:inject { call = { "read", "write" }, path = "/data/*",
    kind = "regular", task = "me", where = function() return true end,
    when = "3..9+2", errno = "ENOSPC", optional = true }
end)
case("Kernel:rules", function(w) return w.k:rules() end,
  { setup = function(w) w.k:inject { call = "read", errno = "EIO" } end })
case("Kernel:lsof", function(w) return w.k:lsof() end)
case("Kernel:leaks", function(w) return w.k:leaks() end)
case("Kernel:misuse", function(w) return w.k:misuse() end,
  { options = { origins = true }, setup = function(w)
    w.p:close(w.r)
    w.p:read(w.r, 1)
  end })
case("Kernel:misuse (noted)", function(w) return w.p:read(w.r, 1) end,
  { options = { origins = true }, setup = function(w) w.p:close(w.r) end })
case("Kernel:trace", function(w) w.k:trace(function() end) end)
case("Kernel:trace (file)", function(w) w.k:trace(io.stderr, nil) w.k:trace(nil) end)
case("Kernel:trace (json)", function(w)
  local text = {}
  w.k:trace(function(s) text[#text + 1] = s end, { format = "json" })
  w.p:fstat(w.file)
  w.p:getcwd()
  w.k:trace(nil)
  return #table.concat(text) > 100
end, { relaxed = true })
case("Kernel:trace (events)", function(w)
  local n = 0
  w.k:trace(function(e) n = n + #tostring(e) + #e.call end)
  w.p:dup(w.r)
  w.k:trace(nil)
  return n
end, { relaxed = true })
case("Kernel:close", function(w) w.k:close() end,
  { lost = true, tasks = false, setup = function(w)
    w.k:spawn(function() w.p:read(w.a2 or w.r, 1) w.p:read(w.b, 1) end)
    w.k:description(device)
    slow(w)
    w.k:run(0)
  end })
case("Kernel.__close", function(w) getmetatable(w.k).__close(w.k) end,
  { lost = true, tasks = false })
case("Kernel.__tostring", function(w) return tostring(w.k) end)

-- Tasks.
local function with_task(f)
  return function(w)
    w.t = w.k:spawn { f, w, name = "it", daemon = true }
    w.k:sleep(0.5)
  end
end

local function sleeper(w) w.k:sleep(5) return "slept", 1, 2, 3 end

case("Task:join", function(w) return w.t:join() end,
  { relaxed = true, setup = with_task(sleeper) })
case("Task:join (over)", function(w) return w.t:join() end,
  { setup = with_task(function() return "a", 1 end) })
case("Task:cancel", function(w) return w.t:cancel() end,
  { setup = with_task(sleeper), tasks = false })
case("Task:interrupt", function(w) return w.t:interrupt() end,
  { relaxed = true, setup = with_task(function(w) w.p:read(w.b, 1) end) })
case("Task.__tostring", function(w) return tostring(w.t) end,
  { setup = with_task(sleeper) })
case("Task.__index", function(w) return w.t.name .. w.t.status end,
  { setup = with_task(sleeper) })

-- Rules.
local function rule(w)
  w.rule = w.k:inject { call = "read", errno = "EIO", optional = true }
end

case("Rule:remove", function(w) w.rule:remove() end, { setup = rule })
case("Rule:close", function(w) w.rule:close() end, { setup = rule })
case("Rule.__close", function(w) getmetatable(w.rule).__close(w.rule) end,
  { setup = rule })
case("Rule.__tostring", function(w) return tostring(w.rule) end,
  { setup = rule })
case("Rule.__index", function(w)
  return w.rule.hits, w.rule.seen, w.rule.unused
end, { setup = rule })
case("Rule (predicate)", function(w) return w.p:read(w.r, 3) end,
  { lost = true, setup = function(w)
    w.k:inject { call = "read", errno = "EIO", optional = true,
      where = function(call) return call.fd == 1000 end }
  end })

-- Descriptions, and their kinds' own methods.
local function own(name, call, more)
  case("Description." .. name, call, more)
end

case("Description:wake", function(w) w.d:wake "r" end)
own("__tostring", function(w) return tostring(w.d) end)
own("__index", function(w) return w.d.kind, w.d.refs, w.d.nothing end)
own("__newindex", function(w) w.d.own = "field" end)
own("__newindex (slot)", function(w) w.pd.read = function() return "" end end)
own("read", function(w) return w.pd:read(5) end, LOST)
own("write", function(w) return w.wd:write("abc") end,
  { setup = function(w) w.wd = w.p:description(w.w) end })
local function file_description(w) w.fd = w.p:description(w.file) end
for name, call in pairs {
  lseek = function(w) return w.fd:lseek(2, 0) end,
  ioctl = function(w) return w.pd:ioctl(fdemu.FIONREAD) end,
  fcntl = function(w) return w.d:fcntl(5000, 1) end,
  poll = function(w) return w.pd:poll() end,
  truncate = function(w) return w.fd:truncate(3) end,
  sync = function(w) return w.fd:sync() end,
} do
  own(name, call, { setup = file_description })
end
own("stat", function(w) return w.p:description(w.hosted):stat() end,
  { setup = function(w) w.hosted = w.p:host(0) end })
own("flock", function(w) return w.d.flock end)
own("flush", function(w) return w.d.flush end)
own("release", function(w) return w.d.release end)

-- Buffers and structs.
case("fdemu.buffer", function() return #fdemu.buffer(100), fdemu.buffer "x" end)
case("Buffer:get", function(w) return w.buffer:get(1, 4) end)
case("Buffer:set", function(w) return w.buffer:set("ab", 1) end)
case("Buffer:pack", function(w) return w.buffer:pack("<i4", 0, 5) end)
case("Buffer:unpack", function(w) return w.buffer:unpack("<i4", 0) end)
case("Buffer:point", function(w) return w.buffer:point(w.other_buffer) end,
  { setup = function(w) w.other_buffer = fdemu.buffer(3) end })
case("Buffer:pointee", function(w) return w.buffer:pointee(1 << 32) end,
  { setup = function(w) w.buffer:point(fdemu.buffer(3)) end })
case("Buffer.__len", function(w) return #w.buffer end)
case("Buffer.__tostring", function(w) return tostring(w.buffer) end)
case("fdemu.struct", function()
  return fdemu.struct("u16 a; link in[2]; ptr d; char e[7];", { link = LINK })
end)
case("Struct:new", function() return #LINK:new { addr = 5, data = { 1, 2 } } end)
case("Struct:pack", function() return LINK:pack { addr = 5 } end)
case("Struct:unpack", function(w) return LINK:unpack(w.buffer) end)
case("Struct:at", function(w)
  local at = LINK:at(w.buffer)
  return at.addr, tostring(at), #at.data, at.data[1]
end)
case("Struct:at (assigned)", function(w)
  LINK:at(w.buffer).addr = 7
end)
case("Struct:offset", function() return LINK:offset "len" end)

-- Peers.
local function peer(body)
  return function(w)
    w.k:device("/dev/peer", fdemu.peer(function(dev)
      w.dev = dev
      w.k:sleep(1)
      body(dev, w)
    end))
    w.peer = w.p:open("/dev/peer", "r+")
  end
end

local function peer_case(name, body, call)
  case("Dev:" .. name, call or function(w)
    assert(w.p:write(w.peer, "one two\nthree"))
    w.k:sleep(2)
    return w.p:read(w.peer, 10)
  end, { relaxed = true, setup = peer(body) })
end

case("fdemu.peer", function() return fdemu.peer(print, { seconds = 1 }) end)
peer_case("read", function(dev) dev:write(dev:read(3)) end)
peer_case("readline", function(dev) dev:write(dev:readline()) end)
peer_case("expect", function(dev) dev:write(dev:expect("(%a+) two\n")) end)
peer_case("write", function(dev) dev:write "written" end)
peer_case("sleep", function(dev) dev:sleep(1) dev:write "slept" end)

-- What runs programs.
local function body(k)
  local p = k:process { stdout = "null", stderr = "null" }
  local r, w = p:pipe()
  k:spawn(function() assert(p:write(w, "abc")) p:close(w) end)
  repeat local s = assert(p:read(r, 2)) until s == ""
  p:close(r)
end

-- What has no memory there is a program's failure.
local PROGRAM = { tasks = false, any = true }

case("fdemu.explore", function()
  fdemu.explore({ runs = 2, short = 0.5 }, body)
end, PROGRAM)
case("fdemu.explore (failure)", function()
  fails_with("as expected", fdemu.explore, { runs = 2 }, function(k)
    body(k)
    error "as expected"
  end)
end, PROGRAM)
case("fdemu.deterministic", function() fdemu.deterministic(body) end, PROGRAM)
case("fdemu.sweep", function()
  return fdemu.sweep(body, { calls = "read", errnos = { "EIO" } }).calls
end, PROGRAM)

-- The rest of the module.
case("fdemu.strerror", function() return fdemu.strerror(5) end)
case("fdemu.errname", function() return fdemu.errname(5) end)
for _, name in ipairs { "_IO", "_IOR", "_IOW", "_IOWR" } do
  case("fdemu." .. name, function() return fdemu[name]("x", 5, 4) end)
end

-- The part of it that is not for everybody.
case("core.check", function(w) return core.check(w.k) end)
case("core.explain", function() core.explain(require "fdemu.explain".deadlock) end)
case("core.waiting", function(w) return core.waiting(w.k) end,
  { relaxed = true, setup = with_task(sleeper) })
case("core.bind", function(w) core.bind(w.t, w.d) end,
  { setup = with_task(sleeper) })
case("core.condition", function(w) return core.condition(w.k) end)
case("Condition:signal", function(w) w.c:signal() end,
  { setup = function(w) w.c = core.condition(w.k) end })
case("Condition:wait", function(w) return w.c:wait(1) end,
  { relaxed = true, setup = function(w) w.c = core.condition(w.k) end })
case("core.record", function(w) core.record(w.k) end)
case("core.replay", function(w)
  core.replay(w.k, { { kind = "short", who = 1, nth = 1, value = 1 } })
end)
local function chance(w)
  core.record(w.k)
  for _ = 1, 5 do w.p:pread(w.file, 10, 0) end
end
case("core.choices", function(w) return core.choices(w.k) end,
  { options = { short = 1 }, setup = chance })
case("core.counts", function(w) return core.counts(w.k) end,
  { options = { short = 1 }, setup = chance })
case("Row.__tostring", function(w) return tostring(w.row) end,
  { setup = function(w) w.row = w.k:lsof()[1] end })
case("Misuse.__tostring", function(w) return tostring(w.row) end,
  { options = { origins = true }, setup = function(w)
    w.p:close(w.r)
    w.p:read(w.r, 1)
    w.row = w.k:misuse()[1]
  end })
case("Event.__tostring", function(w) return tostring(w.event) end,
  { setup = function(w)
    w.k:trace(function(e) w.event = e end)
    w.p:getcwd()
    w.k:trace(nil)
  end })

-- ---- whether there is one for every function ------------------------------

-- What collects is tested by every case; __close of a guard by Task:cancel.
local NO_CASE = { __gc = true, __name = true }

local function functions()
  local found = meta.actual()
  for name, value in pairs(core) do
    if type(value) == "function" and not found["fdemu." .. name] then
      found["core." .. name] = true
    end
  end
  for name, mt in pairs(debug.getregistry()) do
    local class = type(name) == "string" and name:match "^fdemu%.(%u%w*)$"
    for key, value in pairs(class and type(mt) == "table" and mt or {}) do
      if type(value) == "function" and not NO_CASE[key] then
        found[class .. "." .. key] = true
      elseif key == "__index" and class == "Condition" then
        for method in pairs(value) do found["Condition:" .. method] = true end
      end
    end
  end
  return found
end

local function has_case(name)
  return cases[name] ~= nil
end

-- ---- running --------------------------------------------------------------

local contexts = {}

function contexts.main(w, n, all, call)
  return table.pack(oom.try(n, all, call, w))
end

-- In a task; where the scheduler has no memory, it goes on when it has.
function contexts.task(w, n, all, call)
  local out
  w.k:spawn(function() out = table.pack(oom.try(n, all, call, w)) end)
  local ok, err = pcall(w.k.run, w.k)
  local stopped = oom.stop()
  if not out then
    pcall(w.k.run, w.k)
  end
  return out or { stopped, ok, true, err, n = 4 }
end

local function collect()
  for _ = 1, 3 do collectgarbage() end
end

local function attempt(c, context, n, all)
  local options = {}
  for key, value in pairs(c.options or {}) do options[key] = value end
  local w = world(options)
  if c.setup then c.setup(w) end
  local before = digest(w)
  collect()
  local out = contexts[context](w, n, all, c.call)
  local count = oom.count()
  collect()
  return { w = w, before = before, hit = out[1], ok = out[2], memory = out[3],
    count = count, values = { table.unpack(out, 4, out.n) } }
end

local function finish(run, check)
  local ok, err = pcall(run.w.k.close, run.w.k)
  check(ok, "close: " .. tostring(err))
end

local function no_memory(run)
  if run.ok then
    return run.values[1] == nil and (run.values[3] == fdemu.ENOMEM
      or run.values[3] == fdemu.ENOLCK) -- what Linux says of locks
  end
  local text = tostring(run.values[1])
  return run.memory or text:find("not enough memory", 1, true)
    or text:find("stack overflow", 1, true) -- of luaL_checkstack(), likewise
    or text:find("Cannot allocate memory", 1, true)
end

-- What an allocation that failed has done.
local function judge_failure(c, context, run, reference, check)
  check(no_memory(run) or c.any, "another failure: " .. show(run.values))
  if c.relaxed then
    pcall(run.w.k.run, run.w.k)
    check(core.check(run.w.k) == nil, tostring(core.check(run.w.k)))
    check(pcall(run.w.k.lsof, run.w.k), "lsof")
    return
  end
  local now = digest(run.w)
  local changed = difference(run.before, now)
  if c.lost and changed then
    check(not difference(reference.after, now), "half done: "
      .. tostring(difference(reference.after, now)))
  elseif c.received and changed then
    check(now[#now] == "check nil", now[#now])
    check(#run.w.k:lsof() == reference.open, "a descriptor is left")
  elseif not c.once then
    check(not changed, "not as before: " .. tostring(changed))
    local again = contexts[context](run.w, 0, false, c.call)
    check(show { table.unpack(again, 4, again.n) } == show(reference.values),
      "another result: " .. show(again))
    changed = difference(reference.after, digest(run.w))
    check(not changed, "not as after: " .. tostring(changed))
  end
end

local function judge(c, context, run, reference, check)
  if run.ok and not no_memory(run) then
    check(show(run.values) == show(reference.values) or c.relaxed,
      "another result: " .. show(run.values))
    local changed = difference(reference.after, digest(run.w))
    check(not changed or c.relaxed, "not as after: " .. tostring(changed))
  else
    check(run.hit, "fails without a reason: " .. show(run.values))
    judge_failure(c, context, run, reference, check)
  end
  finish(run, check)
end

local function try_all(c, context, all)
  local shown = 0
  local n = 0
  local function check(ok, what)
    if not ok then
      shown = shown + 1
      if shown > 2 then return end
    end
    oom.check(ok, c.name, ("in %s, allocation %d%s: %s"):format(context, n,
      all and " and all after it" or "", what))
  end
  local reference = attempt(c, context, 1 << 40, all)
  check(reference.ok, show(reference.values))
  reference.after = digest(reference.w)
  finish(reference, check)
  if c.received then
    local w = world()
    c.setup(w)
    reference.open = #w.k:lsof()
  end
  local first = STEPS > 0 and STEPS // 2 or math.huge
  local step = STEPS > 0 and math.max(1, (reference.count - first) // first) or 1
  local hit = true
  while hit and shown < 20 do
    n = n + (n < first and 1 or step)
    local run = attempt(c, context, n, all)
    hit = run.hit
    local ok, err = pcall(judge, c, context, run, reference, check)
    check(ok, tostring(err) .. " after " .. show(run.values))
  end
end

-- The call, with a full collection before each line and each function in it.
local function with_collections(call)
  return function(w)
    debug.sethook(function() collectgarbage() end, "cl")
    local out = table.pack(pcall(call, w))
    debug.sethook()
    if not out[1] then error(out[2], 0) end
    return table.unpack(out, 2, out.n)
  end
end

local function try_collecting(c, context)
  local function check(ok, what)
    oom.check(ok, c.name, ("in %s, collecting: %s"):format(context, what))
  end
  local reference = attempt(c, context, 1 << 40, false)
  reference.after = digest(reference.w)
  finish(reference, check)
  local same = { call = with_collections(c.call), setup = c.setup,
    options = c.options }
  collecting = true
  local run = attempt(same, context, 1 << 40, false)
  collecting = false
  judge(c, context, run, reference, check)
end

return {
  --- Names of all cases; an error if a function has none.
  names = function()
    local names, missing = {}, {}
    for name in pairs(functions()) do
      if not has_case(name) then missing[#missing + 1] = name end
    end
    table.sort(missing)
    if #missing > 0 then
      error("no case in spec/oom/cases.lua: " .. table.concat(missing, ", "), 0)
    end
    for name in pairs(cases) do names[#names + 1] = name end
    table.sort(names)
    return names
  end,

  run = function(name)
    local c = cases[name]
    try_collecting(c, "main")
    if c.tasks ~= false then try_collecting(c, "task") end
    try_all(c, "main", true)
    collect()
    local live = oom.live()
    try_all(c, "main", false)
    if c.tasks ~= false then
      try_all(c, "task", true)
      try_all(c, "task", false)
    end
    collect()
    oom.check(oom.live() < live + 20000, name,
      ("%d bytes more than before"):format(oom.live() - live))
  end,

  --- A world to be closed with its state.
  world = function()
    local w = world { origins = true }
    cases["Kernel:close"].setup(w)
    rule(w)
    w.k:trace(function() end)
    w.p:fork():dup(w.r)
    _G.left = w
  end,
}
