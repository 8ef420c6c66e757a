-- acts.lua - what a method of a driver or a task may do, however unwise
--
-- Returns a function of a world, which has k, the kernel; procs, tasks, descs,
-- threads, rules and buffers, lists of what there is; pick(n), the next choice
-- of the fuzzer, from 0 to n - 1; one_of(list); value(), something of any type;
-- device(), a driver; and act(), which does any of this. It gives the list.

local fdemu = require "fdemu"

local O_CREAT, O_RDWR, O_NONBLOCK = fdemu.O_CREAT, fdemu.O_RDWR, fdemu.O_NONBLOCK

local paths = {
  "/dev/odd", "/dev/odd2", "/dev/peer", "/dev/null", "/dev/zero", "/tmp/a",
  "/tmp/b", "/tmp/d", "/tmp/d/e", "/tmp/fifo", "/tmp/l", "/proc/self/fd/3",
  "/nothing", "",
}

local open_flags = {
  O_RDWR, O_RDWR | O_NONBLOCK, O_RDWR | O_CREAT, fdemu.O_RDONLY,
  fdemu.O_WRONLY, fdemu.O_WRONLY | fdemu.O_APPEND | O_CREAT, fdemu.O_PATH,
  O_RDWR | fdemu.O_TRUNC, fdemu.O_DIRECTORY, O_RDWR | fdemu.O_CLOEXEC,
}

local errors = { "EIO", "EINTR", "EAGAIN", "ENOSPC", "ENOMEM", "EBADF" }

local slots = {
  "read", "write", "poll", "ioctl", "flock", "release", "flush", "lseek",
  "stat", "truncate", "sync", "fcntl",
}

local call_names = {
  "read", "write", "close", "openat", "dup2", "ioctl", "poll", "sendto",
  "recvmsg", "splice", "epoll_wait", "fcntl", "flock", "pread64", "writev",
}

-- Calls of one process, p.
local function add_bytes(add, w)
  local pick, one_of, fd = w.pick, w.one_of, w.fd
  local function bytes() return ("w"):rep(pick(60)) end
  local function sizes()
    local list = {}
    for i = 1, pick(4) do list[i] = pick(20) end
    return list
  end
  local function strings()
    local list = {}
    for i = 1, pick(4) do list[i] = ("v"):rep(pick(20)) end
    return list
  end
  local function offset() return one_of { nil, 0, 1, 5, 4096 } end
  -- What bytes are moved from and to: mostly drivers, pipes and sockets.
  local function end_of() return one_of { 3, 4, 5, 6, 7, 8, 11, 12, fd() } end

  add(function(p) return p:read(fd(), pick(40)) end)
  add(function(p) return p:write(fd(), bytes()) end)
  add(function(p) return p:read(fd(), 70000) end)
  add(function(p) return p:write(fd(), ("W"):rep(70000)) end)
  add(function(p) return p:pread(fd(), pick(40), pick(9)) end)
  add(function(p) return p:pwrite(fd(), bytes(), pick(9)) end)
  add(function(p) return p:readv(fd(), sizes()) end)
  add(function(p) return p:writev(fd(), strings()) end)
  add(function(p) return p:preadv(fd(), sizes(), pick(9)) end)
  add(function(p) return p:pwritev(fd(), strings(), pick(9)) end)
  add(function(p) return p:lseek(fd(), pick(20), pick(6)) end)
  add(function(p)
    return p:sendfile(end_of(), end_of(), offset(), pick(200) * pick(200))
  end)
  add(function(p)
    return p:splice(end_of(), offset(), end_of(), offset(), pick(200) * pick(200),
      pick(2) * fdemu.SPLICE_F_NONBLOCK)
  end)
  add(function(p)
    return p:tee(end_of(), end_of(), pick(200), pick(2) * fdemu.SPLICE_F_NONBLOCK)
  end)
  add(function(p)
    return p:vmsplice(end_of(), pick(2) == 0 and sizes() or strings(),
      pick(2) * fdemu.SPLICE_F_NONBLOCK)
  end)
  add(function(p)
    return p:copy_file_range(end_of(), offset(), end_of(), offset(), pick(200))
  end)
  add(function(p) return p:ioctl(fd(), fdemu.FIONREAD) end)
  add(function(p)
    return p:ioctl(fd(), pick(256), one_of { nil, 5, "text", w.buffer() })
  end)
  add(function(p) return p:ftruncate(fd(), pick(256) * 100) end)
  add(function(p) return p:fallocate(fd(), pick(4), pick(9), pick(256) * 50) end)
  add(function(p) return p:fsync(fd()), p:fdatasync(fd()), p:isatty(fd()) end)
end

local function add_descriptors(add, w)
  local pick, one_of, fd = w.pick, w.one_of, w.fd
  local record = {
    fdemu.F_SETLK, fdemu.F_SETLKW, fdemu.F_GETLK, fdemu.F_OFD_SETLK,
    fdemu.F_OFD_SETLKW, fdemu.F_OFD_GETLK,
  }

  add(function(p) return p:close(fd()) end)
  add(function(p) return p:close_range(fd(), fd(), one_of { 0, 4 }) end)
  add(function(p) return p:dup2(fd(), fd()) end)
  add(function(p) return p:dup(fd()) end)
  add(function(p) return p:dup3(fd(), fd(), fdemu.O_CLOEXEC) end)
  add(function(p) return p:pipe() end)
  add(function(p) return p:pipe2(O_NONBLOCK) end)
  add(function(p) return p:eventfd(pick(3), pick(2) * O_NONBLOCK) end)
  add(function(p) return p:eventfd_write(fd(), pick(5)) end)
  add(function(p) return p:eventfd_read(fd()) end)
  add(function(p)
    return p:timerfd_create(one_of { fdemu.CLOCK_MONOTONIC,
      fdemu.CLOCK_REALTIME }, pick(2) * O_NONBLOCK)
  end)
  add(function(p)
    return p:timerfd_settime(fd(), pick(2), pick(4) / 2, pick(3) / 4)
  end)
  add(function(p) return p:timerfd_gettime(fd()) end)
  add(function(p) return p:memfd_create("m", pick(4)) end)
  add(function(p)
    return p:fcntl(fd(), fdemu.F_SETFL, pick(2) * O_NONBLOCK)
  end)
  add(function(p)
    return p:fcntl(fd(), one_of { fdemu.F_DUPFD, fdemu.F_GETFL, fdemu.F_SETFD,
      fdemu.F_SETPIPE_SZ, fdemu.F_GETPIPE_SZ, 999 }, pick(20))
  end)
  add(function(p)
    return p:fcntl(fd(), one_of(record), {
      l_type = pick(3), l_whence = pick(3), l_start = pick(9), l_len = pick(9),
    })
  end)
  add(function(p) return p:flock(fd(), one_of { 1, 2, 8, 6 }) end)
  add(function(p) return p:fstat(fd()) end)
  add(function(p)
    return p:setrlimit(fdemu.RLIMIT_NOFILE, pick(20), 20),
      p:getrlimit(fdemu.RLIMIT_NOFILE)
  end)
end

local function add_waiting(add, w)
  local pick, fd = w.pick, w.fd

  add(function(p)
    return p:poll({ { fd = fd(), events = pick(8) },
      { fd = fd(), events = pick(8) } }, pick(3) - 1)
  end)
  add(function(p) return p:select({ fd() }, { fd() }, nil, pick(2)) end)
  add(function(p) return p:epoll_create1(0) end)
  add(function(p)
    return p:epoll_ctl(fd(), pick(3) + 1, fd(),
      pick(8) | pick(4) << 30 | pick(2) << 28, pick(9))
  end)
  add(function(p) return p:epoll_wait(fd(), pick(4) + 1, pick(3) - 1) end)
end

local function add_sockets(add, w)
  local pick, one_of, fd = w.pick, w.one_of, w.fd
  local function flags()
    return one_of { 0, fdemu.MSG_DONTWAIT, fdemu.MSG_PEEK, fdemu.MSG_TRUNC,
      fdemu.MSG_WAITALL, fdemu.MSG_NOSIGNAL, fdemu.MSG_OOB }
  end

  add(function(p)
    return p:socketpair(fdemu.AF_UNIX, one_of { fdemu.SOCK_STREAM,
      fdemu.SOCK_DGRAM, fdemu.SOCK_SEQPACKET } | pick(2) * O_NONBLOCK, 0)
  end)
  add(function(p) return p:send(fd(), ("s"):rep(pick(60)), flags()) end)
  add(function(p) return p:recv(fd(), pick(60), flags()) end)
  add(function(p)
    local fds = {}
    for i = 1, pick(4) do fds[i] = fd() end
    return p:sendmsg(fd(), { data = ("m"):rep(pick(9)), fds = fds }, flags())
  end)
  add(function(p) return p:recvmsg(fd(), pick(12), flags()) end)
  add(function(p) return p:shutdown(fd(), pick(4)) end)
  add(function(p) return p:socket(), p:getsockname(fd()), p:getpeername(fd()) end)
  add(function(p)
    return p:setsockopt(fd(), fdemu.SOL_SOCKET, one_of { fdemu.SO_SNDBUF,
      fdemu.SO_RCVBUF, fdemu.SO_RCVTIMEO, fdemu.SO_SNDTIMEO, fdemu.SO_PASSCRED,
      fdemu.SO_LINGER }, pick(5), pick(2))
  end)
  add(function(p)
    return p:getsockopt(fd(), fdemu.SOL_SOCKET, one_of { fdemu.SO_TYPE,
      fdemu.SO_ERROR, fdemu.SO_PEERCRED, fdemu.SO_RCVTIMEO })
  end)
end

local function add_names(add, w)
  local pick, one_of = w.pick, w.one_of
  local function path() return one_of(paths) end

  add(function(p) return p:open(path(), one_of(open_flags), 420) end)
  add(function(p) return p:open("/dev/odd", O_RDWR) end)
  add(function(p) return p:openat(w.fd(), "a", O_RDWR | O_CREAT, 420) end)
  add(function(p) return p:rename(path(), path()) end)
  add(function(p) return p:unlink(path()) end)
  add(function(p) return p:link(path(), path()) end)
  add(function(p) return p:symlink(path(), path()) end)
  add(function(p) return p:mkfifo("/tmp/fifo", 420) end)
  add(function(p) return p:mkdir("/tmp/d", 493), p:rmdir(path()) end)
  add(function(p) return p:truncate(path(), pick(256) * 10) end)
  add(function(p) return p:stat(path()), p:readlink(path()) end)
  add(function(p) return p:readdir(w.fd()) end)
  add(function(p) return p:chdir(path()), p:getcwd(), p:umask(pick(64)) end)
  add(function(p)
    return p[one_of { "access", "lstat", "chown", "lchown", "creat", "mknod",
      "utime" }](p, path(), pick(9), pick(9))
  end)
  add(function(p)
    return p[one_of { "mkdirat", "unlinkat", "fstatat", "readlinkat",
      "faccessat", "fchmodat", "mknodat", "fchownat", "utimensat" }](p,
      one_of { fdemu.AT_FDCWD, w.fd() }, path(), one_of { nil, 0, 420, 512 },
      one_of { nil, 0, 1, 256 })
  end)
  add(function(p)
    return p[one_of { "renameat2", "linkat" }](p, fdemu.AT_FDCWD, path(),
      fdemu.AT_FDCWD, path(), pick(4))
  end)
  add(function(p)
    return p[one_of { "fchdir", "fchmod", "fchown", "posix_fadvise" }](p,
      w.fd(), pick(512), pick(9), pick(6))
  end)
  add(function(p) return p:chmod(path(), pick(256) * 2) end)
  add(function() return w.k:device(one_of { "/dev/odd", "/dev/odd2",
    "/tmp/a" }, w.device()) end)
end

local function add_processes(add, w)
  local pick, one_of, procs = w.pick, w.one_of, w.procs

  add(function(p) if #procs < 6 then procs[#procs + 1] = p:fork() end end)
  add(function()
    if #procs > 1 then
      local p = table.remove(procs, pick(#procs) + 1)
      p:exit(pick(3))
    end
  end)
  add(function()
    if #procs < 6 then
      procs[#procs + 1] = w.k:process {
        stdin = one_of { "null", "text", "capture", one_of(w.descs) },
        stdout = one_of { "null", "capture", one_of(w.descs) },
        stderr = "null",
      }
    end
  end)
  add(function(p) return p:wait() end)
  add(function(p) return p:exec() end)
  add(function(p) return p:captured(pick(3)) end)
  add(function(p) return p:signals() end)
end

-- What may be done with coroutines, whosever they are.
local function add_threads(add, w)
  local pick, one_of, threads, act = w.pick, w.one_of, w.threads, w.act

  add(function() return coroutine.yield(w.value()) end)
  add(function() error(w.value(), 0) end)
  add(function() return coroutine.wrap(act)() end)
  add(function() return ("x"):gsub("x", function() act() end) end)
  add(function() threads[#threads % 8 + 1] = coroutine.running() end)
  add(function()
    local co = coroutine.create(function() act() act() end)
    threads[#threads % 8 + 1] = co
    return coroutine.resume(co)
  end)
  add(function()
    local co = one_of(threads)
    if co then return coroutine.resume(co) end
  end)
  add(function()
    local co = one_of(threads)
    if co and coroutine.close then return coroutine.close(co) end
  end)
  add(function() threads[pick(8) + 1] = nil collectgarbage() end)
  add(function()
    setmetatable({}, { __gc = function() act() end })
    collectgarbage()
  end)
end

local function add_tasks(add, w)
  local pick, one_of, tasks, act = w.pick, w.one_of, w.tasks, w.act

  add(function() local t = one_of(tasks) if t then t:cancel() end end)
  add(function() local t = one_of(tasks) if t then t:interrupt() end end)
  add(function() local t = one_of(tasks) if t then return t:join() end end)
  add(function()
    if #tasks < 12 then tasks[#tasks + 1] = w.k:spawn(act) end
  end)
  add(function(p)
    if #tasks < 12 then
      tasks[#tasks + 1] = p:spawn { act, name = "t", daemon = pick(2) == 0 }
    end
  end)
  add(function()
    if #tasks < 12 then tasks[#tasks + 1] = w.k:after(pick(4) / 2, act) end
  end)
  add(function() return w.k:sleep(pick(3)) end)
  add(function() return w.k:run(pick(2)) end)
  add(function(p) return tostring(w.k), tostring(p), tostring(one_of(tasks)) end)
end

local function add_descriptions(add, w)
  local pick, one_of, descs, act = w.pick, w.one_of, w.descs, w.act

  add(function() local d = one_of(descs) if d then d:wake() end end)
  add(function()
    local d = one_of(descs)
    if d then w.k:after(1, function() act() d:wake(pick(8)) end) end
  end)
  add(function()
    local d = one_of(descs)
    if d then
      d[one_of(slots)] = pick(2) == 0
        and function() act() return w.value() end or nil
    end
  end)
  add(function(p) descs[#descs % 8 + 1] = p:description(w.fd()) end)
  add(function() descs[#descs % 8 + 1] = w.k:description(w.device(), O_RDWR) end)
  add(function() descs[pick(8) + 1] = nil end)
  add(function(p)
    local d = one_of(descs)
    if d then return p:install(d, pick(8)) end
  end)
  add(function()
    local d = one_of(descs)
    local method = d and d[one_of(slots)]
    if method then return method(d, pick(9), pick(3)) end
  end)
  add(function()
    local d = one_of(descs)
    if d then return d.id, d.kind, d.flags, d.refs, tostring(d) end
  end)
end

local function add_buffers(add, w)
  local pick, one_of, buffers = w.pick, w.one_of, w.buffers
  local function buffer() return one_of(buffers) or w.buffer() end

  add(function() buffers[#buffers % 4 + 1] = w.buffer() end)
  add(function() return buffer():get(pick(9), pick(9)), #buffer() end)
  add(function() return buffer():set(("b"):rep(pick(9)), pick(9)) end)
  add(function() return buffer():pack("<I4", pick(9), pick(99)) end)
  add(function() return buffer():unpack("<I4", pick(9)) end)
  add(function()
    local b = buffer()
    return b:pointee(b:point(buffer())), tostring(b)
  end)
end

local function add_kernel(add, w)
  local pick, one_of, rules, act = w.pick, w.one_of, w.rules, w.act

  add(function() collectgarbage() end)
  add(function() collectgarbage "step" end)
  add(function() w.oom(1 + pick(60), 1 + pick(3)) act() w.oom(0) end)
  add(function() w.oom(1 + pick(60), 1 + pick(3)) end)
  add(function() return w.k:lsof(), w.k:leaks(), w.k:misuse(), w.k:now() end)
  add(function() w.k:trace(pick(2) == 0 and function() act() end or nil) end)
  add(function()
    w.k:trace(function() end, { format = one_of { "json", "perfetto" } })
  end)
  add(function()
    local what = pick(4)
    rules[#rules % 6 + 1] = w.k:inject {
      call = one_of(call_names), when = one_of { "1", "2+", "1..3", nil },
      errno = what < 2 and one_of(errors) or nil, after = what == 1 or nil,
      short = what == 2 and 1 + pick(4) or nil,
      delay = what == 3 and pick(3) / 2 or nil, optional = pick(2) == 0,
      where = pick(3) == 0 and function() act() return pick(2) == 0 end or nil,
    }
  end)
  add(function() local r = one_of(rules) if r then r:remove() end end)
  add(function() local r = one_of(rules) if r then r:close() end end)
  add(function() return w.k:rules(), tostring(one_of(rules)) end)
  add(function() return w.k:close() end)
  add(function() return w.other() end)
  add(function() return w.explore() end)
end

-- To see what an input does, line by line of this file, with SHOW=1 in the
-- environment: an act as it begins, and how it ends.
local depth = 0

local function shown(fn)
  local line = debug.getinfo(fn, "S").linedefined

  local function say(mark, ...)
    local words = table.pack(...)
    for i = 1, words.n do words[i] = tostring(words[i]) end
    print(("  "):rep(depth) .. mark .. line .. " "
      .. table.concat(words, " "):gsub("\n.*", ""))
  end

  return function(...)
    say(">", ...)
    depth = depth + 1
    local results = table.pack(pcall(fn, ...))
    depth = depth - 1
    say("<", table.unpack(results, 1, results.n))
    if not results[1] then error(results[2], 0) end
    return table.unpack(results, 2, results.n)
  end
end

return function(w)
  local list = {}
  local function add(fn)
    if os.getenv "SHOW" then fn = shown(fn) end
    list[#list + 1] = function() return fn(w.one_of(w.procs)) end
  end

  add_bytes(add, w)
  add_descriptors(add, w)
  add_waiting(add, w)
  add_sockets(add, w)
  add_names(add, w)
  add_processes(add, w)
  add_threads(add, w)
  add_tasks(add, w)
  add_descriptions(add, w)
  add_buffers(add, w)
  add_kernel(add, w)
  return list
end
