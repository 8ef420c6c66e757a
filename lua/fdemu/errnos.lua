--- What a program has to expect of each call: for fdemu.sweep().
--
-- Source: the ERRORS sections of Linux's manual pages, section 2, of the call
-- that each row names. Left out are the errors that only a mistake of the
-- program makes (EBADF, EFAULT, EINVAL, EISDIR, ESPIPE, ...), since they do not
-- come at run time, and those of features that are not emulated; and EINTR
-- where a call is interrupted only if it has to wait.

local core = require "fdemu.core"

local errnos = {}

-- Kinds that hold nothing that could fail, and never wait.
local PLAIN = {
  null = true, zero = true, full = true, capture = true, random = true,
  urandom = true,
}

-- Kinds that can wait, and are on no medium that could fail.
local CHANNEL = {
  pipe = true, fifo = true, socket = true, eventfd = true, timerfd = true,
  epoll = true,
}

-- Kinds that are on a medium, and never wait.
local STORED = { regular = true, directory = true, memfd = true, path = true }

local function nonblocking(call)
  return call.flags ~= nil and call.flags & core.O_NONBLOCK ~= 0
end

local function waits(call)
  return call.kind ~= nil and not PLAIN[call.kind] and not STORED[call.kind]
end

-- A driver may always wait. Whether other calls would, and so could be
-- interrupted, is not known here: fdemu.sweep sees that.
local function interruptible(call)
  return waits(call) and not CHANNEL[call.kind] and not nonblocking(call)
end

local function unready(call)
  return waits(call) and nonblocking(call)
end

-- Whether there is a device or a disk below.
local function medium(call)
  return call.kind ~= nil and not PLAIN[call.kind] and not CHANNEL[call.kind]
end

local function has_peer(call)
  return call.kind == "pipe" or call.kind == "fifo" or call.kind == "socket"
end

local function flag(name)
  return function(call) return call.cmd & core[name] ~= 0 end
end

local creates = flag "O_CREAT"

local function opens_to_write(call)
  return call.cmd & core.O_ACCMODE ~= core.O_RDONLY
end

local function command(...)
  local wanted = {}
  for _, name in ipairs { ... } do
    if core[name] then wanted[core[name]] = true end
  end
  return function(call) return wanted[call.cmd] ~= nil end
end

-- Rows: the error, and of which calls (nil: all of the name).
local READ = {
  { "EAGAIN", unready }, { "EINTR", interruptible }, { "EIO", medium },
}
local WRITE = {
  { "EAGAIN", unready }, { "EINTR", interruptible }, { "EIO", medium },
  { "ENOSPC", medium }, { "EDQUOT", medium }, { "EFBIG", medium },
  { "EPIPE", has_peer },
}
local SEND = {
  { "EAGAIN", unready }, { "ENOBUFS" }, { "ENOMEM" }, { "EPIPE" },
}
local RECEIVE = { { "EAGAIN", unready }, { "ENOMEM" } }
local NEW_FD = { { "EMFILE" }, { "ENFILE" } }
local NEW_OBJECT = { { "EMFILE" }, { "ENFILE" }, { "ENOMEM" } }
local NEW_NAME = {
  { "EACCES" }, { "EDQUOT" }, { "EIO" }, { "ENOMEM" }, { "ENOSPC" }, { "EROFS" },
}
local OLD_NAME = { { "EACCES" }, { "EIO" }, { "ENOENT" }, { "ENOMEM" } }
local NO_NAME = {
  { "EACCES" }, { "EBUSY" }, { "EIO" }, { "ENOENT" }, { "ENOMEM" }, { "EROFS" },
}
local CHANGE = { { "EIO" }, { "EPERM" }, { "EROFS" } }
local SYNC = {
  { "EIO", medium }, { "ENOSPC", medium }, { "EDQUOT", medium },
}
local RESIZE = {
  { "EFBIG" }, { "EIO" }, { "ENOSPC" },
}
local SLEEP = { { "ENOMEM" } }
local NONE = {}

-- close(2): whatever it says, the descriptor is closed.
local CLOSE = {
  { "EINTR", medium }, { "EIO", medium }, { "ENOSPC", medium },
  { "EDQUOT", medium }, after = true,
}

errnos.calls = {
  read = READ, pread64 = READ, readv = READ, preadv = READ,
  write = WRITE, pwrite64 = WRITE, writev = WRITE, pwritev = WRITE,
  openat = {
    { "EACCES" }, { "EMFILE" }, { "ENFILE" }, { "ENOENT" },
    { "ENOMEM" }, { "ENOSPC", creates }, { "EDQUOT", creates },
    { "EROFS", opens_to_write },
  },
  close = CLOSE,
  dup = { { "EMFILE" } },
  dup2 = { { "EBUSY" } },
  dup3 = { { "EBUSY" } },
  fcntl = {
    { "EMFILE", command("F_DUPFD", "F_DUPFD_CLOEXEC") },
    { "EAGAIN", command("F_SETLK", "F_OFD_SETLK") },
    { "EDEADLK", command("F_SETLKW") },
    { "ENOLCK", command("F_SETLK", "F_SETLKW", "F_OFD_SETLK", "F_OFD_SETLKW") },
    { "EPERM", command("F_SETPIPE_SZ") },
    { "EBUSY", command("F_SETPIPE_SZ") },
  },
  flock = {
    { "EWOULDBLOCK", flag "LOCK_NB" },
    { "ENOLCK" },
  },
  ioctl = { { "ENOTTY" } },
  fstat = { { "ENOMEM" } },
  lseek = NONE,
  ftruncate = RESIZE, truncate = RESIZE,
  fallocate = {
    { "EFBIG" }, { "EIO" }, { "ENOSPC" }, { "EOPNOTSUPP" },
  },
  fsync = SYNC, fdatasync = SYNC,
  pipe = NEW_FD, pipe2 = NEW_FD, socketpair = NEW_FD,
  memfd_create = NEW_OBJECT,
  eventfd2 = {
    { "EMFILE" }, { "ENFILE" }, { "ENODEV" }, { "ENOMEM" },
  },
  timerfd_create = {
    { "EMFILE" }, { "ENFILE" }, { "ENODEV" }, { "ENOMEM" },
  },
  epoll_create = NEW_OBJECT, epoll_create1 = NEW_OBJECT,
  epoll_ctl = {
    { "ENOMEM" }, { "ENOSPC", command("EPOLL_CTL_ADD") },
  },
  epoll_wait = NONE, epoll_pwait = NONE, epoll_pwait2 = NONE,
  poll = SLEEP, ppoll = SLEEP, pselect6 = SLEEP, select = SLEEP,
  wait4 = NONE,
  fork = { { "EAGAIN" }, { "ENOMEM" } },
  execve = { { "ENOMEM" } },
  sendto = SEND, sendmsg = SEND, recvfrom = RECEIVE, recvmsg = RECEIVE,
  sendfile = { { "EAGAIN", nonblocking }, { "EIO" }, { "ENOMEM" } },
  splice = { { "EAGAIN", nonblocking }, { "ENOMEM" } },
  tee = { { "EAGAIN", nonblocking }, { "ENOMEM" } },
  vmsplice = { { "ENOMEM" } },
  copy_file_range = {
    { "EFBIG" }, { "EIO" }, { "ENOMEM" }, { "ENOSPC" },
  },
  mkdir = NEW_NAME, mkdirat = NEW_NAME, mknod = NEW_NAME, mknodat = NEW_NAME,
  link = NEW_NAME, linkat = NEW_NAME, symlink = NEW_NAME, symlinkat = NEW_NAME,
  rename = NEW_NAME, renameat = NEW_NAME, renameat2 = NEW_NAME,
  unlink = NO_NAME, unlinkat = NO_NAME, rmdir = NO_NAME,
  newfstatat = OLD_NAME, stat = OLD_NAME, lstat = OLD_NAME,
  readlink = OLD_NAME, readlinkat = OLD_NAME, chdir = OLD_NAME,
  faccessat2 = OLD_NAME, getdents64 = { { "ENOENT" } }, fchdir = { { "EACCES" } },
  chmod = CHANGE, fchmod = CHANGE, fchmodat = CHANGE, fchmodat2 = CHANGE,
  fchown = CHANGE, fchownat = CHANGE, utimensat = CHANGE,
}

--- Names that programs use, and the calls that are then made.
errnos.aliases = {
  open = "openat", creat = "openat", pread = "pread64", pwrite = "pwrite64",
  wait = "wait4", eventfd = "eventfd2", exec = "execve", isatty = "ioctl",
  send = "sendto", recv = "recvfrom",
}

--- The errors of a call, as the predicate of k:inject sees it: a list of names,
-- and whether it takes effect all the same.
function errnos.of(call)
  local rows, names = errnos.calls[call.call] or {}, {}
  for _, row in ipairs(rows) do
    if row[2] == nil or row[2](call) then names[#names + 1] = row[1] end
  end
  return names, rows.after
end

--- Whether Linux could move fewer bytes than asked for, without an error.
function errnos.may_be_short(call)
  local rows = errnos.calls[call.call]
  return (rows == READ or rows == WRITE) and call.short == true
    and call.count >= 2
end

return errnos
