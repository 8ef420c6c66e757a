---@meta fdemu

-- What the module fdemu has, for language servers and for `make doc`. Never
-- loaded. spec/meta_spec.lua compares it with what is there; `make meta` adds
-- the constants, and a line for each function that is missing.

-- A call that fails returns nil, the message of strerror, with "path: " in
-- front where a path was given, and the errno. Wrong use of the library raises.

---POSIX file descriptors, emulated. The fields that are integers are Linux's
---constants, with their values on x86-64.
---@class fdemu
---@field _VERSION string
local fdemu = {}

---Make a world: its own files, devices, processes, clock and chance.
---
---```lua
---local fdemu = require "fdemu"
---local k = fdemu.kernel { seed = 42 }
---print(k)
----->fdemu.Kernel: seed 42
---```
---@param options? fdemu.KernelOptions
---@return fdemu.Kernel
function fdemu.kernel(options) end

---What fdemu.kernel() takes; another name raises.
---@class fdemu.KernelOptions
---@field seed? integer of everything that chance decides (0)
---@field nofile? integer RLIMIT_NOFILE of processes (1024)
---@field short? number how probable a short count is where the kind of file allows it (0)
---@field space? integer bytes that files can have in all (0: no limit)
---@field eintr? number how probable EINTR is where a call would wait (0)
---@field order? "fifo" | "random" which of several tasks goes next; at random they are also stopped where they make calls ("fifo")
---@field strict? boolean what a driver left out raises, and so does, with origins, the use of a closed descriptor (false)
---@field honest? boolean compare what drivers say of themselves with what they do (true)
---@field host? boolean let p:host() have descriptors of the host (false)
---@field limits? fdemu.Limits what a script that runs away is stopped by
---@field origins? boolean remember the lines that made and closed each descriptor (false)

---The most there can be of each; the error says which was reached ("limit
---reached: steps (limits.steps = 100000)"), and so does every call after it.
---@class fdemu.Limits
---@field memory? integer bytes that the core allocates
---@field descriptors? integer in all processes together
---@field tasks? integer that live
---@field steps? integer system calls, and tasks that went on

---What strerror(3) says of an errno.
---@param errno integer
---@return string
function fdemu.strerror(errno) end

---The name of an errno; nil for a number that is none.
---
---```lua
---print(require "fdemu".errname(11))
----->EAGAIN
---```
---@param errno integer
---@return string? name
function fdemu.errname(errno) end

---Memory for an ioctl: of so many zero bytes, or a copy of a string.
---@param size integer | string
---@return fdemu.Buffer
function fdemu.buffer(size) end

---The number of an ioctl request without data, as the C macro gives it.
---@param type integer | string a number, or one character
---@param nr integer
---@return integer
function fdemu._IO(type, nr) end

---The number of an ioctl request that reads so many bytes.
---@param type integer | string
---@param nr integer
---@param size integer | fdemu.Struct
---@return integer
function fdemu._IOR(type, nr, size) end

---The number of an ioctl request that writes so many bytes.
---@param type integer | string
---@param nr integer
---@param size integer | fdemu.Struct
---@return integer
function fdemu._IOW(type, nr, size) end

---The number of an ioctl request that reads and writes so many bytes.
---@param type integer | string
---@param nr integer
---@param size integer | fdemu.Struct
---@return integer
function fdemu._IOWR(type, nr, size) end

---A layout of C declarations, to pack, unpack and change structs in Buffers.
---
---```lua
---local fdemu = require "fdemu"
---local point = fdemu.struct "i32 x; i32 y"
---local b = point:new { x = 3, y = 4 }
---point:at(b).y = 5
---print(point.size, point:unpack(b).y)
----->8	5
---```
---@param text string
---@param nested? table<string, fdemu.Struct> layouts by the names that they have in the text
---@return fdemu.Struct
function fdemu.struct(text, nested) end

---A driver whose device is sequential code: the body runs as a task for each
---open of the device.
---
---```lua
---local fdemu = require "fdemu"
---local k = fdemu.kernel()
---local p = k:process()
---k:device("/dev/modem", fdemu.peer(function(dev)
---  dev:expect "AT\r"
---  dev:write "OK\r\n"
---end))
---local fd = p:open("/dev/modem", "r+")
---p:write(fd, "AT\r")
---print((p:read(fd, 100):gsub("%c", ".")))
----->OK..
---```
---@param body fun(dev: fdemu.Dev)
---@param options? fdemu.PeerOptions
---@return fdemu.Ops
function fdemu.peer(body, options) end

---Run body(k) under many seeds: with short counts, interruptions, and tasks in
---random order. The first run that raises, deadlocks, does not end within its
---limits, or leaves a descriptor open is made again with the fewest choices of
---chance that make it fail, and raised.
---The tasks that body made are run when it has returned.
---
---FDEMU_REPLAY in the environment, with the token of such an error, makes that run
---and no other; FDEMU_SEED and FDEMU_RUNS stand for seed and runs.
---
---```lua
---local fdemu = require "fdemu"
---local function body(k)
---  local p = k:process()
---  local r, w = p:pipe()
---  p:spawn(function()
---    p:write(w, "hel")
---    p:write(w, "lo")
---  end)
---  p:spawn { function()
---    local data = p:read(r, 64) -- all of it?
---    assert(data == "hello", data)
---    p:exit(0)
---  end, name = "reader" }
---end
---local ok, failure = pcall(fdemu.explore, { runs = 100 }, body)
---print(ok, failure.verdict, #failure.choices)
----->false	error	1
---```
---@param options? fdemu.ExploreOptions
---@param body fun(k: fdemu.Kernel)
---@return table stats runs, seed, faults, switches, seconds
function fdemu.explore(options, body) end

---What fdemu.explore() takes.
---@class fdemu.ExploreOptions
---@field runs? integer how many seeds (1000)
---@field seed? integer the first of them (0)
---@field short? number how probable a short count is (0.5)
---@field eintr? number how probable an interruption is (0)
---@field order? "fifo" | "random" who goes next ("random")
---@field leaks? boolean whether descriptors left open are a failure (true)
---@field shard? string "2/8": every 8th seed, the 2nd of 8 machines' share
---@field seconds? number stop after so much processor time
---@field shrink? integer at most so many runs are spent on shrinking (2000)
---@field tail? integer lines of the trace in the error (20)
---@field progress? boolean on stderr (if that is a terminal)
---@field deterministic? boolean check that before the search (false)
---@field limits? fdemu.Limits as of fdemu.kernel; a run that makes no end makes 200,000 steps unless it is told
---@field nofile? integer as of fdemu.kernel
---@field space? integer as of fdemu.kernel
---@field honest? boolean as of fdemu.kernel
---@field strict? boolean as of fdemu.kernel
---@field host? boolean as of fdemu.kernel

---Run body(k) twice with the same seed, and compare the traces.
---@param options? fdemu.ExploreOptions
---@param body fun(k: fdemu.Kernel)
---@return boolean? ok nil if the runs differ
---@return string? message the first line that differs, and the usual causes
function fdemu.deterministic(options, body) end

---Run body(k) once to see its calls, then again for each call and each error
---that Linux documents for it, for a short count where that can be, and for EINTR
---wherever a call had to wait. Each run has to end, to leave no descriptor open, and
---to raise or return (nil, message, errno) no other error than the one it was given.
---A body that raises it has ended like a program that dies: what it has opened
---itself is no leak then; what the functions that it calls have opened is.
---
---```lua
---local fdemu = require "fdemu"
---local report = fdemu.sweep(function(k)
---  local p = k:process()
---  local fd, message, errno = p:open("/dev/null")
---  if not fd then return nil, message, errno end
---  p:close(fd)
---end)
---print(report)
----->sweep: 2 calls, 5 runs with a fault, 0 failures
---```
---@param body fun(k: fdemu.Kernel): ...
---@param options? fdemu.SweepOptions
---@return fdemu.SweepReport report a list of rows: site, call, n, errno, verdict, detail
function fdemu.sweep(body, options) end

---What fdemu.sweep() takes.
---@class fdemu.SweepOptions
---@field calls? string | string[] only these calls
---@field errnos? string | string[] | table<string, string[]> these errors, of all calls or of each
---@field short? boolean short counts, where Linux has them (true)
---@field eintr? boolean interruptions of calls that have to wait (true)
---@field leaks? boolean whether descriptors left open are a failure (true)
---@field progress? boolean on stderr (if that is a terminal)
---@field seed? integer as of fdemu.kernel
---@field limits? fdemu.Limits as of fdemu.kernel; a run that makes no end makes 200,000 steps unless it is told
---@field nofile? integer as of fdemu.kernel
---@field space? integer as of fdemu.kernel
---@field honest? boolean as of fdemu.kernel
---@field strict? boolean as of fdemu.kernel
---@field host? boolean as of fdemu.kernel

---What fdemu.sweep() gives: a list of its runs; `tostring(report)` says it in words.
---@class fdemu.SweepReport
---@field ok boolean whether every run went well
---@field failures table[] the rows of those that did not
---@field calls integer calls of the body
---@field runs integer
---@field check fun(self: fdemu.SweepReport): fdemu.SweepReport raises it as a text if it is not ok

---What fdemu.explore raises; tostring() of it is the text that explains.
---@class fdemu.Failure
---@field seed integer
---@field verdict "error" | "deadlock" | "limit" | "leak"
---@field message string
---@field value any what was raised
---@field choices table[] kind ("short", "eintr", "turn", "retry", "stop"), task, call, fd, value, origin
---@field drawn integer how many choices there were before shrinking
---@field trace string[]
---@field token string for FDEMU_REPLAY

-- ---- kernels ----------------------------------------------------------------

---A world, made by fdemu.kernel().
---@class fdemu.Kernel
local Kernel = {}

---A process with its descriptors 0, 1 and 2.
---@param options? fdemu.ProcessOptions
---@return fdemu.Process
function Kernel:process(options) end

---What k:process() takes: where its descriptors 0, 1 and 2 lead.
---@class fdemu.ProcessOptions
---@field stdin? string | fdemu.Description "null" (the default), "host", "capture", or a text to read
---@field stdout? "null" | "host" | "capture" | fdemu.Description ("host")
---@field stderr? "null" | "host" | "capture" | fdemu.Description ("host")

---Put a device at a path.
---
---```lua
---local fdemu = require "fdemu"
---local k = fdemu.kernel()
---local p = k:process()
---k:device("/dev/answer", { read = function() return "42" end })
---print(p:read(p:open("/dev/answer"), 10))
----->42
---```
---@param path string
---@param ops fdemu.Ops
function Kernel:device(path, ops) end

---A driver: a table of these functions, each of which may be left out. A method
---may wait, with any blocking call. `return nil, errno` (a number or a name) is
---a failure; `return nil, fdemu.EAGAIN` means "not now": try again after
---`self:wake()`.
---@class fdemu.Ops
---@field open? fun(self: fdemu.Description, flags: integer): any of a device node; may return another Description
---@field read? fun(self: fdemu.Description, count: integer, offset?: integer): any at most count bytes; "" at the end of the file
---@field write? fun(self: fdemu.Description, data: string, offset?: integer): any how many bytes it took; EPIPE also sends SIGPIPE
---@field lseek? fun(self: fdemu.Description, offset: integer, whence: integer): any the new position
---@field ioctl? fun(self: fdemu.Description, request: integer, arg: nil | integer | fdemu.Buffer): any an integer, or nothing for 0
---@field fcntl? fun(self: fdemu.Description, cmd: integer, arg: integer): any an integer, of commands that are not the kernel's
---@field poll? fun(self: fdemu.Description): integer | "r" | "w" | "rw" must not wait or change anything
---@field flock? fun(self: fdemu.Description, operation: integer): any nothing, when it is locked
---@field stat? fun(self: fdemu.Description): fdemu.Stat what fstat shows
---@field truncate? fun(self: fdemu.Description, length: integer): any nothing, when it has that length
---@field sync? fun(self: fdemu.Description, data_only: boolean): any nothing, when it is stored
---@field flush? fun(self: fdemu.Description) at every close
---@field release? fun(self: fdemu.Description) at the last
---@field async? boolean O_ASYNC can be set; wakes then send signals
---@field seekable? boolean the kernel keeps a position; read and write get it
---@field short? boolean chance may shorten reads and writes
---@field name? string what traces and messages call it
---@field size? integer bytes, for fstat and SEEK_END (0)
---@field mode? integer file type and permissions (S_IFCHR | 0666)
---@field requests? table<string, integer> names of its ioctl requests, for traces
---@field honest? boolean compare what poll says with what it does (true)

---A description that is in no table yet: p:install() gives it a number.
---@param ops fdemu.Ops
---@param flags? integer access mode and status flags (fdemu.O_RDWR)
---@return fdemu.Description
function Kernel:description(ops, flags) end

---A task: a coroutine of its own, in which a blocking call suspends only it.
---@param fn function | fdemu.SpawnOptions
---@param ... any what fn is called with
---@return fdemu.Task
function Kernel:spawn(fn, ...) end

---The function is at [1], its arguments follow.
---@class fdemu.SpawnOptions
---@field name? string
---@field daemon? boolean k:run() does not wait for it (false)

---Call a function in a task of its own, so many seconds of virtual time from now.
---@param seconds number
---@param fn function
---@param ... any
---@return fdemu.Task
function Kernel:after(seconds, fn, ...) end

---Run until every task that is not a daemon is done, or for so many seconds of
---virtual time. An error that nobody has joined is raised, and a deadlock is.
---@param seconds? number
---@return boolean done
function Kernel:run(seconds) end

---Let virtual time pass: seconds to the nearest nanosecond, but at least one, as wherever
---there is to be waited, unless they are 0. Only the task that calls it waits.
---@param seconds number
function Kernel:sleep(seconds) end

---@return number seconds of virtual time since the kernel was made
function Kernel:now() end

---Make calls go wrong on purpose. Calls are picked by all that is given of the
---rule's fields; the first rule that picks a call acts. Calls that Linux would
---refuse anyway (EBADF) are neither counted nor changed.
---
---```lua
---local fdemu = require "fdemu"
---local k = fdemu.kernel()
---local p = k:process()
---local r, w = p:pipe()
---k:inject { call = "write", when = "2+", errno = "ENOSPC" }
---print(p:write(w, "a"))
---print(p:write(w, "b"))
----->1
----->nil	No space left on device	28
---```
---@param rule fdemu.RuleOptions
---@return fdemu.Rule
function Kernel:inject(rule) end

---What k:inject() takes: which calls, and what happens to them.
---@class fdemu.RuleOptions
---@field call? string | string[] names as in traces, or as programs use them: "read", "read,write", { "read", "write" }
---@field path? string a pattern ("*" matches "/", too), of a path of the call or of the description's: as given, or as the name that it leads to
---@field kind? string a pattern, of the kind of file: "pipe", "null", a driver's name
---@field fd? integer
---@field pid? integer
---@field task? string the name of the task that makes the call
---@field where? fun(call: fdemu.CallInfo): any a predicate, which must not wait
---@field when? string | integer which of those: strace's grammar: 3, "3+", "3+2", "3..9", "3..9+2"
---@field errno? string | integer fail with this
---@field short? integer move at most so many bytes
---@field delay? number take so many seconds of virtual time longer
---@field after? boolean the call takes effect, and then fails
---@field optional? boolean it is no mistake if the rule is never used

---A call, as a rule's `where` sees it.
---@class fdemu.CallInfo
---@field call string
---@field pid integer
---@field fd? integer
---@field kind? string
---@field path? string
---@field task? string
---@field count integer bytes that are asked for
---@field cmd integer the command, request, whence or flags of calls that have one
---@field flags? integer of the description, as F_GETFL gives them
---@field short? boolean whether chance may shorten it

---@return fdemu.Rule[] rules those in force, in the order of k:inject()
function Kernel:rules() end

---Show every call: to a file, or to a function, which gets events; nil: to
---nobody. With a format, a function gets pieces of text. A function looks on: the
---calls that it makes are not traced, and must not wait.
---
---```lua
---local fdemu = require "fdemu"
---local k = fdemu.kernel()
---local p = k:process()
---k:trace(io.stdout)
---p:open("/dev/zero", "r")
---p:read(3, 4)
---p:close(9)
----->[pid  1] openat(AT_FDCWD, "/dev/zero", O_RDONLY) = 3
----->[pid  1] read(3, "\0\0\0\0", 4) = 4
----->[pid  1] close(9) = -1 EBADF (Bad file descriptor)
---```
---
---format = "json" writes one object per line, with the fields of an Event.
---format = "perfetto" writes a file for ui.perfetto.dev and chrome://tracing: a
---lane per task and one per description, in virtual time. A call takes no virtual
---time, and is drawn a nanosecond long. The file is complete when the trace stops
---or the kernel closes.
---@param sink file* | fun(event: fdemu.Event) | fun(text: string) | nil
---@param options? { format?: "strace" | "json" | "perfetto" }
function Kernel:trace(sink, options) end

---@return fdemu.Row[] rows all open descriptors, by process and number
function Kernel:lsof() end

---@return fdemu.Row[] rows what is open and was not given to a process when it was made
function Kernel:leaks() end

---What was done with descriptors after they were closed. Such a call fails as on
---Linux (EBADF; POLLNVAL); with the option origins it is listed here, and its
---line in a trace says where the descriptor was made and closed. With strict as
---well, it raises.
---
---```lua
---local fdemu = require "fdemu"
---local k = fdemu.kernel { origins = true }
---local p = k:process()
---local fd = p:open("/dev/null")
---p:close(fd)
---print(p:close(fd))
---print((tostring(k:misuse()[1]):gsub("[^ ]*:(%d+)", "line %1")))
----->nil	Bad file descriptor	9
----->process 1, close of descriptor 3 at line 6: it was closed at line 5, and made at line 4
---```
---@return fdemu.Misuse[]
function Kernel:misuse() end

---Everything ends: tasks, processes, descriptions. Also at the end of the scope
---of a `<close>` variable.
function Kernel:close() end

---What traces call requests of ioctl that are no one else's. A driver's field
---`requests` does the same.
---
---```lua
---local fdemu = require "fdemu"
---local k = fdemu.kernel()
---k:requests { GET_UNIT = fdemu._IOR("t", 1, 1) }
---```
---@param names table<string, integer>
function Kernel:requests(names) end

-- ---- processes ----------------------------------------------------------------

---A process: a descriptor table, and the system calls, as their manual pages
---have them. A failure is nil, message, errno.
---@class fdemu.Process
local Process = {}

---open(2), as the modes of io.open() or with flags.
---@param path string
---@param flags? integer | "r" | "w" | "a" | "r+" | "w+" | "a+" (fdemu.O_RDONLY)
---@param mode? integer
---@return integer? fd, string? message, integer? errno
function Process:open(path, flags, mode) end

---close(2). A description that has no other descriptor ends.
---@param fd integer
---@return integer? zero, string? message, integer? errno
function Process:close(fd) end

---close_range(2); both are unsigned ints.
---@param first integer
---@param last integer
---@param flags? integer
---@return integer? zero, string? message, integer? errno
function Process:close_range(first, last, flags) end

---read(2).
---@param fd integer
---@param count integer
---@return string? data "" at the end of the file
---@return string? message
---@return integer? errno
function Process:read(fd, count) end

---pread(2).
---@param fd integer
---@param count integer
---@param offset integer
---@return string? data, string? message, integer? errno
function Process:pread(fd, count, offset) end

---write(2).
---@param fd integer
---@param data string
---@return integer? count, string? message, integer? errno
function Process:write(fd, data) end

---pwrite(2).
---@param fd integer
---@param data string
---@param offset integer
---@return integer? count, string? message, integer? errno
function Process:pwrite(fd, data, offset) end

---readv(2), into as many strings as there are sizes.
---@param fd integer
---@param sizes integer[]
---@return string[]? list as long as sizes
---@return integer | string total or message
---@return integer? errno
function Process:readv(fd, sizes) end

---preadv(2).
---@param fd integer
---@param sizes integer[]
---@param offset integer
---@return string[]? list, integer | string total, integer? errno
function Process:preadv(fd, sizes, offset) end

---writev(2).
---@param fd integer
---@param list string[]
---@return integer? count, string? message, integer? errno
function Process:writev(fd, list) end

---pwritev(2).
---@param fd integer
---@param list string[]
---@param offset integer
---@return integer? count, string? message, integer? errno
function Process:pwritev(fd, list, offset) end

---lseek(2).
---@param fd integer
---@param offset integer
---@param whence? integer (fdemu.SEEK_SET)
---@return integer? position, string? message, integer? errno
function Process:lseek(fd, offset, whence) end

---dup(2).
---@param fd integer
---@return integer? fd, string? message, integer? errno
function Process:dup(fd) end

---dup2(2).
---@param fd integer
---@param new integer
---@return integer? fd, string? message, integer? errno
function Process:dup2(fd, new) end

---dup3(2).
---@param fd integer
---@param new integer
---@param flags? integer
---@return integer? fd, string? message, integer? errno
function Process:dup3(fd, new, flags) end

---fcntl(2). For locks arg is a table as luaposix has it; F_GETLK returns one. That of
---F_SETOWN_EX, which F_GETOWN_EX returns, has `type` and `pid`.
---@param fd integer
---@param cmd integer
---@param arg? integer | fdemu.Flock
---@return integer | fdemu.Flock | nil result, string? message, integer? errno
function Process:fcntl(fd, cmd, arg) end

---A record lock, as fcntl() takes and gives it.
---@class fdemu.Flock
---@field l_type? integer
---@field l_whence? integer
---@field l_start? integer
---@field l_len? integer
---@field l_pid? integer

---flock(2).
---@param fd integer
---@param operation integer
---@return integer? zero, string? message, integer? errno
function Process:flock(fd, operation) end

---ioctl(2). Without arg, a request that yields an int returns that int.
---@param fd integer
---@param request integer
---@param arg? integer | string | fdemu.Buffer
---@return integer? result
---@return string? bytes of a string after the call, or the message
---@return integer? errno
function Process:ioctl(fd, request, arg) end

---pipe(2).
---@return integer? r
---@return integer | string w or message
---@return integer? errno
function Process:pipe() end

---pipe2(2).
---@param flags? integer
---@return integer? r, integer | string w, integer? errno
function Process:pipe2(flags) end

---eventfd(2).
---@param initval? integer (0)
---@param flags? integer
---@return integer? fd, string? message, integer? errno
function Process:eventfd(initval, flags) end

---What eventfd_read(3) gives: the counter, or 1 with EFD_SEMAPHORE.
---@param fd integer
---@return integer? n, string? message, integer? errno
function Process:eventfd_read(fd) end

---eventfd_write(3): adds n to the counter.
---@param fd integer
---@param n integer
---@return integer? zero, string? message, integer? errno
function Process:eventfd_write(fd, n) end

---timerfd_create(2), on the virtual clock.
---@param clockid? integer (fdemu.CLOCK_MONOTONIC)
---@param flags? integer
---@return integer? fd, string? message, integer? errno
function Process:timerfd_create(clockid, flags) end

---timerfd_settime(2), in seconds.
---@param fd integer
---@param flags integer
---@param value number
---@param interval? number
---@return integer? zero
---@return number | string old_value or message
---@return number | integer old_interval or errno
function Process:timerfd_settime(fd, flags, value, interval) end

---timerfd_gettime(2), in seconds.
---@param fd integer
---@return number? value seconds
---@return number | string interval or message
---@return integer? errno
function Process:timerfd_gettime(fd) end

---epoll_create(2).
---@param size integer
---@return integer? fd, string? message, integer? errno
function Process:epoll_create(size) end

---epoll_create1(2).
---@param flags? integer
---@return integer? fd, string? message, integer? errno
function Process:epoll_create1(flags) end

---epoll_ctl(2).
---@param ep integer
---@param op integer
---@param fd integer
---@param events? integer
---@param data? integer (fd)
---@return integer? zero, string? message, integer? errno
function Process:epoll_ctl(ep, op, fd, events, data) end

---epoll_wait(2).
---@param ep integer
---@param maxevents integer
---@param timeout_ms? number (-1: for ever)
---@return { events: integer, data: integer }[]? list, string? message, integer? errno
function Process:epoll_wait(ep, maxevents, timeout_ms) end

---poll(2). Sets revents in each entry.
---@param list { fd: integer, events?: integer, revents?: integer }[]
---@param timeout_ms? number (-1: for ever)
---@return integer? count, string? message, integer? errno
function Process:poll(list, timeout_ms) end

---select(2).
---@param readfds? integer[]
---@param writefds? integer[]
---@param exceptfds? integer[]
---@param seconds? number (nil: for ever)
---@return integer? count
---@return integer[] | string readable or message
---@return integer[] | integer writable or errno
---@return integer[]? exceptional
function Process:select(readfds, writefds, exceptfds, seconds) end

---fstat(2).
---@param fd integer
---@return fdemu.Stat? stat, string? message, integer? errno
function Process:fstat(fd) end

---What stat(2) says of a file; times are in seconds.
---@class fdemu.Stat
---@field st_dev integer
---@field st_ino integer
---@field st_mode integer
---@field st_nlink integer
---@field st_uid integer
---@field st_gid integer
---@field st_rdev integer
---@field st_size integer
---@field st_blksize integer
---@field st_blocks integer
---@field st_atime integer
---@field st_mtime integer
---@field st_ctime integer

---fsync(2).
---@param fd integer
---@return integer? zero, string? message, integer? errno
function Process:fsync(fd) end

---fdatasync(2).
---@param fd integer
---@return integer? zero, string? message, integer? errno
function Process:fdatasync(fd) end

---isatty(3).
---@param fd integer
---@return integer? one, string? message, integer? errno
function Process:isatty(fd) end

---fork(2): a Process with a copy of the table.
---@return fdemu.Process? child, string? message, integer? errno
function Process:fork() end

---What execve(2) does to descriptors: those with FD_CLOEXEC are closed.
---@return integer? zero, string? message, integer? errno
function Process:exec() end

---_exit(2). The process is gone: its descriptors are closed, its tasks are cancelled
---(but for the one that called it), and its parent may wait for it.
---@param status? integer (0)
function Process:exit(status) end

---wait(2): for a child to exit.
---@return integer? pid
---@return string how "exited", or the message
---@return integer status or errno
function Process:wait() end

---getpid(2).
---@return integer
function Process:getpid() end

---getrlimit(2).
---@param resource integer fdemu.RLIMIT_NOFILE
---@return integer? soft
---@return integer | string hard or message
---@return integer? errno
function Process:getrlimit(resource) end

---setrlimit(2).
---@param resource integer fdemu.RLIMIT_NOFILE
---@param soft integer
---@param hard? integer
---@return integer? zero, string? message, integer? errno
function Process:setrlimit(resource, soft, hard) end

---A descriptor for one of the host, if the kernel has the option host.
---@param hostfd integer | file*
---@return integer? fd, string? message, integer? errno
function Process:host(hostfd) end

---A task, as k:spawn() makes it, that ends when the process exits.
---@param fn function | fdemu.SpawnOptions
---@param ... any
---@return fdemu.Task
function Process:spawn(fn, ...) end

---The open file description behind a descriptor.
---@param fd integer
---@return fdemu.Description? description, string? message, integer? errno
function Process:description(fd) end

---Give a description the lowest free number that is not below min.
---@param description fdemu.Description
---@param min? integer (0)
---@return integer? fd, string? message, integer? errno
function Process:install(description, min) end

---What was written to a descriptor that was made with "capture".
---@param fd integer
---@return string
function Process:captured(fd) end

---fallocate(2).
---@param fd integer
---@param mode integer 0, or FALLOC_FL_*
---@param offset integer
---@param length integer
---@return integer? zero, string? message, integer? errno
function Process:fallocate(fd, mode, offset, length) end

---ftruncate(2).
---@param fd integer
---@param length integer
---@return integer? zero, string? message, integer? errno
function Process:ftruncate(fd, length) end

---memfd_create(2).
---@param name string
---@param flags? integer MFD_*
---@return integer? fd, string? message, integer? errno
function Process:memfd_create(name, flags) end

---posix_fadvise(2): checked as on Linux, and without effect.
---@param fd integer
---@param offset integer
---@param length integer
---@param advice integer POSIX_FADV_*
---@return integer? zero, string? message, integer? errno
function Process:posix_fadvise(fd, offset, length, advice) end

---getpeername(2): ENOTCONN for a socket without a peer.
---@param fd integer
---@return fdemu.Address? address, string? message, integer? errno
function Process:getpeername(fd) end

---getsockname(2). There is no bind(2), but a datagram or seqpacket socket with
---SO_PASSCRED has a name as soon as it sends something (unix(7), "Autobind feature").
---@param fd integer
---@return fdemu.Address? address, string? message, integer? errno
function Process:getsockname(fd) end

---getsockopt(2). SO_PEERCRED gives three values: pid, uid and gid; SO_LINGER two,
---whether and how many seconds; SO_RCVTIMEO and SO_SNDTIMEO seconds;
---SO_ATTACH_FILTER how many operations the filter has, 0 for none; SO_BINDTODEVICE a
---name, 0 for none; SO_COOKIE and SO_NETNS_COOKIE 64 bits.
---@param fd integer
---@param level integer SOL_SOCKET
---@param option integer SO_*
---@return number | string | nil value
---@return integer | string | nil value2 or the message
---@return integer? value3 or errno
function Process:getsockopt(fd, level, option) end

---recv(2). With MSG_TRUNC in flags, the real length of a datagram is a second result.
---MSG_OOB: the urgent byte of a stream, alone; EINVAL if there is none. It never waits.
---Other reads stop before it; one that begins there passes over it, and it is lost
---(with SO_OOBINLINE it is read). `p:ioctl(fd, fdemu.SIOCATMARK)`: 1 if that is next.
---@param fd integer
---@param count integer
---@param flags? integer MSG_*
---@return string? data "" at the end: the other side has closed, or has shut it down
---@return integer | string | nil length or the message
---@return integer? errno
function Process:recv(fd, count, flags) end

---recvmsg(2). Descriptors that came with the data are new ones of this process.
---@param fd integer
---@param count integer
---@param flags? integer MSG_*
---@return fdemu.Message? message, string? message, integer? errno
function Process:recvmsg(fd, count, flags) end

---Where a socket is.
---@class fdemu.Address
---@field family? integer AF_UNIX
---@field path? string a file, or a zero byte and a name; nil without a name

---What p:recvmsg() gives.
---@class fdemu.Message
---@field data string
---@field fds integer[] descriptors that came along
---@field flags integer MSG_TRUNC, MSG_CTRUNC, MSG_EOR, ...
---@field creds? { pid: integer, uid: integer, gid: integer } of the sender, with SO_PASSCRED
---@field from? fdemu.Address of the sender, if it has a name
---@field inq? integer bytes that are left to be received, with SO_INQ
---@field time? number when it was sent, in seconds since 1970, with SO_TIMESTAMP or SO_TIMESTAMPNS

---send(2). If nobody can read it, it fails with EPIPE, and SIGPIPE is recorded
---(p:signals()) unless flags have MSG_NOSIGNAL. MSG_OOB: the last byte is urgent, in place
---of an earlier one; whoever owns the other end (F_SETOWN) gets SIGURG, poll has POLLPRI.
---@param fd integer
---@param data string
---@param flags? integer MSG_*
---@return integer? count, string? message, integer? errno
function Process:send(fd, data, flags) end

---sendmsg(2), with descriptors to go along (SCM_RIGHTS). They are on their way until
---somebody receives or drops them, and are open so long. A datagram socket may send to
---a name (`to`): that of its peer, or of one that has no peer.
---
---```lua
---local fdemu = require "fdemu"
---local p = fdemu.kernel():process()
---local a, b = p:socketpair()
---p:sendmsg(a, { data = "here", fds = { 0 } })
---local message = p:recvmsg(b, 10)
---print(message.data, #message.fds)
----->here	1
---```
---@param fd integer
---@param message { data: string?, fds: integer[]?, to: fdemu.Address? }
---@param flags? integer MSG_*
---@return integer? count, string? message, integer? errno
function Process:sendmsg(fd, message, flags) end

---setsockopt(2). SO_LINGER takes two integers, whether and how many seconds;
---SO_RCVTIMEO and SO_SNDTIMEO take seconds. SO_ATTACH_FILTER takes a string: a program
---of classic BPF, 8 bytes for each operation, that says how much of a message is kept;
---SO_BINDTODEVICE a name: there is "lo".
---@param fd integer
---@param level integer SOL_SOCKET
---@param option integer SO_*
---@param value number | string
---@param value2? integer
---@return integer? zero, string? message, integer? errno
function Process:setsockopt(fd, level, option, value, value2) end

---shutdown(2).
---@param fd integer
---@param how integer SHUT_RD, SHUT_WR or SHUT_RDWR
---@return integer? zero, string? message, integer? errno
function Process:shutdown(fd, how) end

---What signals have come since this was asked for the last time: SIGPIPE of writes
---that nobody could read, and those of O_ASYNC, which the owner of a description
---(F_SETOWN) gets: SIGIO, or what F_SETSIG has chosen. They have no other effect.
---@return table<integer, integer> signals how often, by number
function Process:signals() end

---socket(2), of AF_UNIX. It cannot be connected yet: p:socketpair() is for that.
---@param family? integer (fdemu.AF_UNIX)
---@param type? integer SOCK_*, SOCK_NONBLOCK and SOCK_CLOEXEC (fdemu.SOCK_STREAM)
---@param protocol? integer (0)
---@return integer? fd, string? message, integer? errno
function Process:socket(family, type, protocol) end

---socketpair(2): two sockets that are connected.
---@param family? integer (fdemu.AF_UNIX)
---@param type? integer SOCK_*, SOCK_NONBLOCK and SOCK_CLOEXEC (fdemu.SOCK_STREAM)
---@param protocol? integer (0)
---@return integer? fd
---@return integer | string fd or the message
---@return integer? errno
function Process:socketpair(family, type, protocol) end
---copy_file_range(2). An offset that is nil is the file's position.
---@param infd integer
---@param inoffset integer?
---@param outfd integer
---@param outoffset integer?
---@param count integer
---@param flags? integer none is known
---@return integer? count
---@return integer | string | nil offset the first that was given, or message
---@return integer? offset the second, or errno
function Process:copy_file_range(infd, inoffset, outfd, outoffset, count, flags) end

---sendfile(2). Without an offset, from the position of `infd`.
---@param outfd integer
---@param infd integer
---@param offset integer?
---@param count integer
---@return integer? count
---@return integer | string | nil offset if one was given, or message
---@return integer? errno
function Process:sendfile(outfd, infd, offset, count) end

---splice(2). An offset that is nil is the file's position.
---@param infd integer
---@param inoffset integer?
---@param outfd integer
---@param outoffset integer?
---@param count integer
---@param flags? integer fdemu.SPLICE_F_MOVE, ...
---@return integer? count
---@return integer | string | nil offset the first that was given, or message
---@return integer? offset the second, or errno
function Process:splice(infd, inoffset, outfd, outoffset, count, flags) end

---tee(2): bytes from pipe to pipe, which stay where they are.
---@param infd integer
---@param outfd integer
---@param count integer
---@param flags? integer fdemu.SPLICE_F_NONBLOCK, ...
---@return integer? count, string? message, integer? errno
function Process:tee(infd, outfd, count, flags) end

---vmsplice(2): strings go into a pipe that is written to, count is how many
---bytes; or as many bytes come out of one that is read as there are sizes for.
---@param fd integer
---@param list string[] | integer[] strings, or sizes
---@param flags? integer fdemu.SPLICE_F_NONBLOCK, fdemu.SPLICE_F_GIFT
---@return integer | string[] | nil count, or a list as long as that of sizes
---@return integer | string | nil total of the list, or message
---@return integer? errno
function Process:vmsplice(fd, list, flags) end

---access(2): whether this process may.
---@param path string
---@param mode? integer
---@return integer? zero, string? message, integer? errno
function Process:access(path, mode) end

---chdir(2).
---@param path string
---@return integer? zero, string? message, integer? errno
function Process:chdir(path) end

---chmod(2).
---@param path string
---@param mode integer
---@return integer? zero, string? message, integer? errno
function Process:chmod(path, mode) end

---chown(2). An id that is nil or -1 stays as it is.
---@param path string
---@param uid? integer
---@param gid? integer
---@return integer? zero, string? message, integer? errno
function Process:chown(path, uid, gid) end

---creat(2): open for writing, made if it is not there, and emptied.
---@param path string
---@param mode? integer
---@return integer? fd, string? message, integer? errno
function Process:creat(path, mode) end

---faccessat2(2).
---@param dirfd integer
---@param path string
---@param mode? integer
---@param flags? integer
---@return integer? zero, string? message, integer? errno
function Process:faccessat(dirfd, path, mode, flags) end

---fchdir(2).
---@param fd integer
---@return integer? zero, string? message, integer? errno
function Process:fchdir(fd) end

---fchmod(2).
---@param fd integer
---@param mode integer
---@return integer? zero, string? message, integer? errno
function Process:fchmod(fd, mode) end

---fchmodat2(2).
---@param dirfd integer
---@param path string
---@param mode integer
---@param flags? integer
---@return integer? zero, string? message, integer? errno
function Process:fchmodat(dirfd, path, mode, flags) end

---fchown(2). An id that is nil or -1 stays as it is.
---@param fd integer
---@param uid? integer
---@param gid? integer
---@return integer? zero, string? message, integer? errno
function Process:fchown(fd, uid, gid) end

---fchownat(2). An id that is nil or -1 stays as it is.
---@param dirfd integer
---@param path string
---@param uid? integer
---@param gid? integer
---@param flags? integer
---@return integer? zero, string? message, integer? errno
function Process:fchownat(dirfd, path, uid, gid, flags) end

---fstatat(2).
---@param dirfd integer
---@param path string
---@param flags? integer
---@return fdemu.Stat? stat, string? message, integer? errno
function Process:fstatat(dirfd, path, flags) end

---getcwd(2).
---@return string? path, string? message, integer? errno
function Process:getcwd() end

---lchown(2). An id that is nil or -1 stays as it is.
---@param path string
---@param uid? integer
---@param gid? integer
---@return integer? zero, string? message, integer? errno
function Process:lchown(path, uid, gid) end

---link(2): one more name.
---@param path string
---@param newpath string
---@return integer? zero, string? message, integer? errno
function Process:link(path, newpath) end

---linkat(2).
---@param dirfd integer
---@param path string
---@param newdirfd integer
---@param newpath string
---@param flags? integer
---@return integer? zero, string? message, integer? errno
function Process:linkat(dirfd, path, newdirfd, newpath, flags) end

---lstat(2): of a symbolic link itself.
---@param path string
---@return fdemu.Stat? stat, string? message, integer? errno
function Process:lstat(path) end

---mkdir(2).
---@param path string
---@param mode? integer
---@return integer? zero, string? message, integer? errno
function Process:mkdir(path, mode) end

---mkdirat(2).
---@param dirfd integer
---@param path string
---@param mode? integer
---@return integer? zero, string? message, integer? errno
function Process:mkdirat(dirfd, path, mode) end

---mkfifo(3).
---@param path string
---@param mode? integer
---@return integer? zero, string? message, integer? errno
function Process:mkfifo(path, mode) end

---mknod(2): a regular file, a FIFO, or a socket.
---@param path string
---@param mode integer
---@param dev? integer
---@return integer? zero, string? message, integer? errno
function Process:mknod(path, mode, dev) end

---mknodat(2).
---@param dirfd integer
---@param path string
---@param mode integer
---@param dev? integer
---@return integer? zero, string? message, integer? errno
function Process:mknodat(dirfd, path, mode, dev) end

---openat(2), from a directory or fdemu.AT_FDCWD on.
---@param dirfd integer
---@param path string
---@param flags? integer | "r" | "w" | "a" | "r+" | "w+" | "a+" (fdemu.O_RDONLY)
---@param mode? integer (438, which is 0666)
---@return integer? fd, string? message, integer? errno
function Process:openat(dirfd, path, flags, mode) end

---The names that come next in a directory, as many as getdents64(2) gives for 64 KiB,
---and their types (fdemu.DT_*). {} at the end; lseek(fd, 0) begins again.
---@param fd integer
---@return string[]? names, integer[]|string types, integer? errno
function Process:readdir(fd) end

---readlink(2).
---@param path string
---@return string? target, string? message, integer? errno
function Process:readlink(path) end

---readlinkat(2).
---@param dirfd integer
---@param path string
---@return string? target, string? message, integer? errno
function Process:readlinkat(dirfd, path) end

---rename(2).
---@param path string
---@param newpath string
---@return integer? zero, string? message, integer? errno
function Process:rename(path, newpath) end

---renameat2(2).
---@param dirfd integer
---@param path string
---@param newdirfd integer
---@param newpath string
---@param flags? integer
---@return integer? zero, string? message, integer? errno
function Process:renameat2(dirfd, path, newdirfd, newpath, flags) end

---rmdir(2).
---@param path string
---@return integer? zero, string? message, integer? errno
function Process:rmdir(path) end

---stat(2): of what a link leads to.
---@param path string
---@return fdemu.Stat? stat, string? message, integer? errno
function Process:stat(path) end

---symlink(2): path becomes a link to target.
---@param target string
---@param path string
---@return integer? zero, string? message, integer? errno
function Process:symlink(target, path) end

---symlinkat(2).
---@param target string
---@param dirfd integer
---@param path string
---@return integer? zero, string? message, integer? errno
function Process:symlinkat(target, dirfd, path) end

---truncate(2).
---@param path string
---@param length integer
---@return integer? zero, string? message, integer? errno
function Process:truncate(path, length) end

---umask(2).
---@param mode integer
---@return integer old
function Process:umask(mode) end

---unlink(2).
---@param path string
---@return integer? zero, string? message, integer? errno
function Process:unlink(path) end

---unlinkat(2).
---@param dirfd integer
---@param path string
---@param flags? integer
---@return integer? zero, string? message, integer? errno
function Process:unlinkat(dirfd, path, flags) end

---The times of a file, in seconds; nil is now. As luaposix has it.
---@param path string
---@param mtime? number
---@param atime? number
---@return integer? zero, string? message, integer? errno
function Process:utime(path, mtime, atime) end

---utimensat(2), in seconds; nil is now.
---@param dirfd integer
---@param path string
---@param atime? number
---@param mtime? number
---@param flags? integer
---@return integer? zero, string? message, integer? errno
function Process:utimensat(dirfd, path, atime, mtime, flags) end

-- ---- descriptions ---------------------------------------------------------------

---An open file description; the same one for all its dups. Its methods are those
---of its kind, or of its driver: getting one gives the function in force, and
---assigning a function overrides it for this description. Other fields are the
---script's own.
---
---```lua
---local fdemu = require "fdemu"
---local p = fdemu.kernel():process()
---local r, w = p:pipe()
---local d = p:description(w)
---local write = d.write
---d.write = function(self, data) return write(self, data:upper()) end
---p:write(w, "hello")
---print(p:read(r, 10), d.kind, d.refs)
----->HELLO	pipe	1
---```
---@class fdemu.Description : fdemu.Ops
---@field id integer never used again
---@field kind string
---@field flags integer
---@field refs integer
---@field [any] any
local Description = {}

---Readiness may have changed: to these events, or to any.
---@param events? integer | "r" | "w" | "rw"
function Description:wake(events) end

-- ---- buffers ------------------------------------------------------------------

---Memory that an ioctl reads and writes. `#b` is its size.
---@class fdemu.Buffer
local Buffer = {}

---@param offset? integer (0)
---@param n? integer (up to the end)
---@return string
function Buffer:get(offset, n) end

---@param bytes string
---@param offset? integer (0)
---@return fdemu.Buffer self
function Buffer:set(bytes, offset) end

---As string.pack(), into the buffer.
---@param fmt string
---@param offset integer
---@param ... any
---@return fdemu.Buffer self
function Buffer:pack(fmt, offset, ...) end

---As string.unpack(), without the position.
---@param fmt string
---@param offset? integer (0)
---@return any ...
function Buffer:unpack(fmt, offset) end

---The address that another Buffer has in this one, which keeps it.
---@param buffer fdemu.Buffer
---@return integer address
function Buffer:point(buffer) end

---The Buffer that an address stands for, and the offset in it.
---@param address integer
---@return fdemu.Buffer? buffer
---@return integer? offset
function Buffer:pointee(address) end

---A layout, made by fdemu.struct(). `layout.size` is in bytes.
---@class fdemu.Struct
---@field size integer
---@field align integer
local Struct = {}

---A Buffer with these fields; what is not given is 0.
---@param values? table
---@return fdemu.Buffer
function Struct:new(values) end

---The same as a string. It has no place for what a ptr points to.
---@param values table
---@return string
function Struct:pack(values) end

---A table of the fields of a struct in a Buffer or string.
---@param bytes string | fdemu.Buffer
---@param offset? integer (0)
---@return table
function Struct:unpack(bytes, offset) end

---The fields of a struct in a Buffer, to be read and assigned in place.
---@param b fdemu.Buffer
---@param offset? integer (0)
---@return table
function Struct:at(b, offset) end

---Where a field is.
---@param name string
---@return integer bytes
function Struct:offset(name) end

-- ---- peers --------------------------------------------------------------------

---What the body of a fdemu.peer() uses.
---@class fdemu.Dev
local Dev = {}

---What fdemu.peer() takes beside its body.
---@class fdemu.PeerOptions : fdemu.Ops
---@field seconds? number how long expect waits unless it is told (for ever)
---@field buffer? integer bytes in each direction (4096)
---@field ioctl? function | table<integer, function> handler(dev, request, arg), or handler(dev, arg) by request

---Exactly n bytes, or, if the program closes before, fewer; without n: what there
---is, but at least one. Nil at the end.
---@param n? integer
---@return string?
function Dev:read(n) end

---What comes before a separator, which is left out. Nil at the end.
---@param sep? string ("\n")
---@return string?
function Dev:readline(sep) end

---Wait until what the program has written matches a pattern, and take all up to
---the end of the match. Raises when it takes too long, or the program closes.
---@param pattern string
---@param seconds? number of virtual time
---@return string ... the captures, or the match
function Dev:expect(pattern, seconds) end

---Let the program read it. Waits while the buffer is full.
---@param s string
---@return integer? count, string? message, integer? errno
function Dev:write(s) end

---Let virtual time pass.
---@param seconds number
function Dev:sleep(seconds) end

-- ---- tasks and what else there is ---------------------------------------------

---A coroutine that the kernel runs.
---@class fdemu.Task
---@field status "ready" | "running" | "waiting" | "done" | "error" | "cancelled"
---@field name string
---@field daemon boolean
local Task = {}

---Wait for its end. Gives what its function returned, or raises its error.
---@return any ...
function Task:join() end

---End it where it is. A system call that it waits in is taken back.
---@return boolean alive whether there was something to cancel
function Task:cancel() end

---As if a signal came: the system call that the task waits in ends with EINTR, or
---with what it has moved. If it can go on by now, it does.
---@return boolean waited whether it was in a call that waits
function Task:interrupt() end

---A rule of k:inject().
---@class fdemu.Rule
---@field hits integer calls that it has changed
---@field seen integer calls that matched it, whatever when= says
---@field unused? string why it was never used; nil if it was, or is optional
local Rule = {}

---It is not in force any more.
function Rule:remove() end

---The same, but raises if the rule was never used, unless it is optional. Also at
---the end of the scope of a `<close>` variable.
function Rule:close() end

---What a trace shows of a call; `tostring(event)` is strace's line.
---@class fdemu.Event
---@field call string
---@field phase "call" | "unfinished" | "resumed" a call that waits while others are made comes twice
---@field line string
---@field pid integer
---@field fd? integer
---@field description? integer its id
---@field kind? string
---@field path? string
---@field result? integer -1 for a failure
---@field errno? integer
---@field short? integer bytes that were asked for, if chance or a rule made it fewer
---@field injected? boolean
---@field start number seconds: when the call was made
---@field time number seconds: of this event
---@field task? string nil: the main chunk
---@field who integer the task as a number

---An open descriptor; `tostring(row)` says it in words.
---@class fdemu.Row
---@field pid integer
---@field fd integer
---@field kind string
---@field id integer
---@field flags integer
---@field offset integer
---@field path? string
---@field origin? string "file:line", with the option origins
---@field forked? string of the fork that gave it to this process

---A closed descriptor that was used; `tostring(row)` says it in words.
---@class fdemu.Misuse
---@field pid integer
---@field fd integer
---@field call string
---@field where? string "file:line" of the call
---@field closed? string
---@field made? string
---@field count integer how often

-- ---- require "fdemu.busted" -----------------------------------------------------

---A test that has a kernel and a process in it (both made for it). When its body
---has returned, its tasks are run; then it fails if a descriptor is left open, was
---used after it was closed, or if a rule was never used. The failure has the seed
---and the end of the trace. FDEMU_SEED and FDEMU_RUNS in the environment choose
---the seeds. `require "fdemu.busted"` makes it, assert.no_leaks and assert.errno.
---@param name string
---@param options fdemu.TestOptions
---@param fn fun(k: fdemu.Kernel, p: fdemu.Process)
---@overload fun(name: string, fn: fun(k: fdemu.Kernel, p: fdemu.Process))
function fdemu_it(name, options, fn) end

---What fdemu_it() takes.
---@class fdemu.TestOptions : fdemu.KernelOptions
---@field runs? integer under so many seeds (1)
---@field tail? integer lines of the trace to show (20)
---@field leaks? boolean whether descriptors left open are a failure (true)
---@field process? fdemu.ProcessOptions of p (stdout and stderr are "capture")

---What `require "fdemu.busted"` adds to the assert of busted.
---@class luassert
local luassert = {}

---No descriptor is open but those that processes were made with.
---@param k fdemu.Kernel
function luassert.no_leaks(k) end

---A call has failed with this errno: assert.errno("EAGAIN", p:read(fd, 1))
---@param errno string | integer
---@param ... any what the call returned
function luassert.errno(errno, ...) end

-- ---- constants ------------------------------------------------------------------
-- Written by `make meta`.

--<constants>
fdemu.AF_INET = 2
fdemu.AF_INET6 = 10
fdemu.AF_UNIX = 1
fdemu.AF_UNSPEC = 0
fdemu.AT_EACCESS = 512
fdemu.AT_EMPTY_PATH = 4096
fdemu.AT_FDCWD = -100
fdemu.AT_NO_AUTOMOUNT = 2048
fdemu.AT_REMOVEDIR = 512
fdemu.AT_SYMLINK_FOLLOW = 1024
fdemu.AT_SYMLINK_NOFOLLOW = 256
fdemu.BLKBSZGET = 2148012656
fdemu.BLKDISCARD = 4727
fdemu.BLKFLSBUF = 4705
fdemu.BLKGETSIZE = 4704
fdemu.BLKGETSIZE64 = 2148012658
fdemu.BLKIOMIN = 4728
fdemu.BLKIOOPT = 4729
fdemu.BLKPBSZGET = 4731
fdemu.BLKROGET = 4702
fdemu.BLKROSET = 4701
fdemu.BLKRRPART = 4703
fdemu.BLKSSZGET = 4712
fdemu.BLKZEROOUT = 4735
fdemu.CLOCK_BOOTTIME = 7
fdemu.CLOCK_BOOTTIME_ALARM = 9
fdemu.CLOCK_EPOCH = 946684800
fdemu.CLOCK_MONOTONIC = 1
fdemu.CLOCK_REALTIME = 0
fdemu.CLOCK_REALTIME_ALARM = 8
fdemu.CLOSE_RANGE_CLOEXEC = 4
fdemu.CLOSE_RANGE_UNSHARE = 2
fdemu.DN_ACCESS = 1
fdemu.DN_ATTRIB = 32
fdemu.DN_CREATE = 4
fdemu.DN_DELETE = 8
fdemu.DN_MODIFY = 2
fdemu.DN_MULTISHOT = 2147483648
fdemu.DN_RENAME = 16
fdemu.DT_BLK = 6
fdemu.DT_CHR = 2
fdemu.DT_DIR = 4
fdemu.DT_FIFO = 1
fdemu.DT_LNK = 10
fdemu.DT_REG = 8
fdemu.DT_SOCK = 12
fdemu.DT_UNKNOWN = 0
fdemu.E2BIG = 7
fdemu.EACCES = 13
fdemu.EADDRINUSE = 98
fdemu.EADDRNOTAVAIL = 99
fdemu.EADV = 68
fdemu.EAFNOSUPPORT = 97
fdemu.EAGAIN = 11
fdemu.EALREADY = 114
fdemu.EBADE = 52
fdemu.EBADF = 9
fdemu.EBADFD = 77
fdemu.EBADMSG = 74
fdemu.EBADR = 53
fdemu.EBADRQC = 56
fdemu.EBADSLT = 57
fdemu.EBFONT = 59
fdemu.EBUSY = 16
fdemu.ECANCELED = 125
fdemu.ECHILD = 10
fdemu.ECHRNG = 44
fdemu.ECOMM = 70
fdemu.ECONNABORTED = 103
fdemu.ECONNREFUSED = 111
fdemu.ECONNRESET = 104
fdemu.EDEADLK = 35
fdemu.EDEADLOCK = 35
fdemu.EDESTADDRREQ = 89
fdemu.EDOM = 33
fdemu.EDOTDOT = 73
fdemu.EDQUOT = 122
fdemu.EEXIST = 17
fdemu.EFAULT = 14
fdemu.EFBIG = 27
fdemu.EFD_CLOEXEC = 524288
fdemu.EFD_NONBLOCK = 2048
fdemu.EFD_SEMAPHORE = 1
fdemu.EHOSTDOWN = 112
fdemu.EHOSTUNREACH = 113
fdemu.EHWPOISON = 133
fdemu.EIDRM = 43
fdemu.EILSEQ = 84
fdemu.EINPROGRESS = 115
fdemu.EINTR = 4
fdemu.EINVAL = 22
fdemu.EIO = 5
fdemu.EISCONN = 106
fdemu.EISDIR = 21
fdemu.EISNAM = 120
fdemu.EKEYEXPIRED = 127
fdemu.EKEYREJECTED = 129
fdemu.EKEYREVOKED = 128
fdemu.EL2HLT = 51
fdemu.EL2NSYNC = 45
fdemu.EL3HLT = 46
fdemu.EL3RST = 47
fdemu.ELIBACC = 79
fdemu.ELIBBAD = 80
fdemu.ELIBEXEC = 83
fdemu.ELIBMAX = 82
fdemu.ELIBSCN = 81
fdemu.ELNRNG = 48
fdemu.ELOOP = 40
fdemu.EMEDIUMTYPE = 124
fdemu.EMFILE = 24
fdemu.EMLINK = 31
fdemu.EMSGSIZE = 90
fdemu.EMULTIHOP = 72
fdemu.ENAMETOOLONG = 36
fdemu.ENAVAIL = 119
fdemu.ENETDOWN = 100
fdemu.ENETRESET = 102
fdemu.ENETUNREACH = 101
fdemu.ENFILE = 23
fdemu.ENOANO = 55
fdemu.ENOBUFS = 105
fdemu.ENOCSI = 50
fdemu.ENODATA = 61
fdemu.ENODEV = 19
fdemu.ENOENT = 2
fdemu.ENOEXEC = 8
fdemu.ENOKEY = 126
fdemu.ENOLCK = 37
fdemu.ENOLINK = 67
fdemu.ENOMEDIUM = 123
fdemu.ENOMEM = 12
fdemu.ENOMSG = 42
fdemu.ENONET = 64
fdemu.ENOPKG = 65
fdemu.ENOPROTOOPT = 92
fdemu.ENOSPC = 28
fdemu.ENOSR = 63
fdemu.ENOSTR = 60
fdemu.ENOSYS = 38
fdemu.ENOTBLK = 15
fdemu.ENOTCONN = 107
fdemu.ENOTDIR = 20
fdemu.ENOTEMPTY = 39
fdemu.ENOTNAM = 118
fdemu.ENOTRECOVERABLE = 131
fdemu.ENOTSOCK = 88
fdemu.ENOTSUP = 95
fdemu.ENOTTY = 25
fdemu.ENOTUNIQ = 76
fdemu.ENXIO = 6
fdemu.EOPNOTSUPP = 95
fdemu.EOVERFLOW = 75
fdemu.EOWNERDEAD = 130
fdemu.EPERM = 1
fdemu.EPFNOSUPPORT = 96
fdemu.EPIPE = 32
fdemu.EPOLLERR = 8
fdemu.EPOLLET = 2147483648
fdemu.EPOLLEXCLUSIVE = 268435456
fdemu.EPOLLHUP = 16
fdemu.EPOLLIN = 1
fdemu.EPOLLMSG = 1024
fdemu.EPOLLONESHOT = 1073741824
fdemu.EPOLLOUT = 4
fdemu.EPOLLPRI = 2
fdemu.EPOLLRDBAND = 128
fdemu.EPOLLRDHUP = 8192
fdemu.EPOLLRDNORM = 64
fdemu.EPOLLWAKEUP = 536870912
fdemu.EPOLLWRBAND = 512
fdemu.EPOLLWRNORM = 256
fdemu.EPOLL_CLOEXEC = 524288
fdemu.EPOLL_CTL_ADD = 1
fdemu.EPOLL_CTL_DEL = 2
fdemu.EPOLL_CTL_MOD = 3
fdemu.EPROTO = 71
fdemu.EPROTONOSUPPORT = 93
fdemu.EPROTOTYPE = 91
fdemu.ERANGE = 34
fdemu.EREMCHG = 78
fdemu.EREMOTE = 66
fdemu.EREMOTEIO = 121
fdemu.ERESTART = 85
fdemu.ERFKILL = 132
fdemu.EROFS = 30
fdemu.ESHUTDOWN = 108
fdemu.ESOCKTNOSUPPORT = 94
fdemu.ESPIPE = 29
fdemu.ESRCH = 3
fdemu.ESRMNT = 69
fdemu.ESTALE = 116
fdemu.ESTRPIPE = 86
fdemu.ETIME = 62
fdemu.ETIMEDOUT = 110
fdemu.ETOOMANYREFS = 109
fdemu.ETXTBSY = 26
fdemu.EUCLEAN = 117
fdemu.EUNATCH = 49
fdemu.EUSERS = 87
fdemu.EVIOCGEFFECTS = 2147763588
fdemu.EVIOCGID = 2148025602
fdemu.EVIOCGKEYCODE = 2148025604
fdemu.EVIOCGRAB = 1074021776
fdemu.EVIOCGREP = 2148025603
fdemu.EVIOCGVERSION = 2147763457
fdemu.EVIOCREVOKE = 1074021777
fdemu.EVIOCRMFF = 1074021761
fdemu.EVIOCSCLOCKID = 1074021792
fdemu.EVIOCSFF = 1076905344
fdemu.EVIOCSKEYCODE = 1074283780
fdemu.EVIOCSREP = 1074283779
fdemu.EWOULDBLOCK = 11
fdemu.EXDEV = 18
fdemu.EXFULL = 54
fdemu.FALLOC_FL_COLLAPSE_RANGE = 8
fdemu.FALLOC_FL_INSERT_RANGE = 32
fdemu.FALLOC_FL_KEEP_SIZE = 1
fdemu.FALLOC_FL_PUNCH_HOLE = 2
fdemu.FALLOC_FL_UNSHARE_RANGE = 64
fdemu.FALLOC_FL_ZERO_RANGE = 16
fdemu.FD_CLOEXEC = 1
fdemu.FIBMAP = 1
fdemu.FICLONE = 1074041865
fdemu.FICLONERANGE = 1075876877
fdemu.FIDEDUPERANGE = 3222836278
fdemu.FIFREEZE = 3221510263
fdemu.FIGETBSZ = 2
fdemu.FIOASYNC = 21586
fdemu.FIOCLEX = 21585
fdemu.FIOGETOWN = 35075
fdemu.FIONBIO = 21537
fdemu.FIONCLEX = 21584
fdemu.FIONREAD = 21531
fdemu.FIOQSIZE = 21600
fdemu.FIOSETOWN = 35073
fdemu.FITHAW = 3221510264
fdemu.FS_APPEND_FL = 32
fdemu.FS_IMMUTABLE_FL = 16
fdemu.FS_IOC_FIEMAP = 3223348747
fdemu.FS_IOC_FSGETXATTR = 2149341215
fdemu.FS_IOC_FSSETXATTR = 1075599392
fdemu.FS_IOC_GETFLAGS = 2148034049
fdemu.FS_IOC_GETFSUUID = 2148603136
fdemu.FS_IOC_SETFLAGS = 1074292226
fdemu.FS_NOATIME_FL = 128
fdemu.FS_NODUMP_FL = 64
fdemu.FS_XFLAG_NOATIME = 64
fdemu.FS_XFLAG_NODUMP = 128
fdemu.F_ADD_SEALS = 1033
fdemu.F_CREATED_QUERY = 1028
fdemu.F_DUPFD = 0
fdemu.F_DUPFD_CLOEXEC = 1030
fdemu.F_DUPFD_QUERY = 1027
fdemu.F_GETFD = 1
fdemu.F_GETFL = 3
fdemu.F_GETLEASE = 1025
fdemu.F_GETLK = 5
fdemu.F_GETOWN = 9
fdemu.F_GETOWN_EX = 16
fdemu.F_GETPIPE_SZ = 1032
fdemu.F_GETSIG = 11
fdemu.F_GET_RW_HINT = 1035
fdemu.F_GET_SEALS = 1034
fdemu.F_NOTIFY = 1026
fdemu.F_OFD_GETLK = 36
fdemu.F_OFD_SETLK = 37
fdemu.F_OFD_SETLKW = 38
fdemu.F_OK = 0
fdemu.F_OWNER_PGRP = 2
fdemu.F_OWNER_PID = 1
fdemu.F_OWNER_TID = 0
fdemu.F_RDLCK = 0
fdemu.F_SEAL_EXEC = 32
fdemu.F_SEAL_FUTURE_WRITE = 16
fdemu.F_SEAL_GROW = 4
fdemu.F_SEAL_SEAL = 1
fdemu.F_SEAL_SHRINK = 2
fdemu.F_SEAL_WRITE = 8
fdemu.F_SETFD = 2
fdemu.F_SETFL = 4
fdemu.F_SETLEASE = 1024
fdemu.F_SETLK = 6
fdemu.F_SETLKW = 7
fdemu.F_SETOWN = 8
fdemu.F_SETOWN_EX = 15
fdemu.F_SETPIPE_SZ = 1031
fdemu.F_SETSIG = 10
fdemu.F_SET_RW_HINT = 1036
fdemu.F_UNLCK = 2
fdemu.F_WRLCK = 1
fdemu.GPIO_GET_CHIPINFO_IOCTL = 2151986177
fdemu.GPIO_GET_LINEEVENT_IOCTL = 3224417284
fdemu.GPIO_GET_LINEHANDLE_IOCTL = 3245126659
fdemu.GPIO_GET_LINEINFO_IOCTL = 3225990146
fdemu.GPIO_V2_GET_LINEINFO_IOCTL = 3238048773
fdemu.GPIO_V2_GET_LINE_IOCTL = 3260068871
fdemu.GPIO_V2_LINE_GET_VALUES_IOCTL = 3222320142
fdemu.GPIO_V2_LINE_SET_VALUES_IOCTL = 3222320143
fdemu.HIDIOCGRAWINFO = 2148026371
fdemu.HIDIOCGRDESC = 2416199682
fdemu.HIDIOCGRDESCSIZE = 2147764225
fdemu.I2C_FUNCS = 1797
fdemu.I2C_FUNC_I2C = 1
fdemu.I2C_FUNC_SMBUS_BLOCK_DATA = 50331648
fdemu.I2C_FUNC_SMBUS_BYTE = 393216
fdemu.I2C_FUNC_SMBUS_BYTE_DATA = 1572864
fdemu.I2C_FUNC_SMBUS_I2C_BLOCK = 201326592
fdemu.I2C_FUNC_SMBUS_QUICK = 65536
fdemu.I2C_FUNC_SMBUS_WORD_DATA = 6291456
fdemu.I2C_M_IGNORE_NAK = 4096
fdemu.I2C_M_NOSTART = 16384
fdemu.I2C_M_RD = 1
fdemu.I2C_M_RECV_LEN = 1024
fdemu.I2C_M_STOP = 32768
fdemu.I2C_M_TEN = 16
fdemu.I2C_PEC = 1800
fdemu.I2C_RDWR = 1799
fdemu.I2C_RETRIES = 1793
fdemu.I2C_SLAVE = 1795
fdemu.I2C_SLAVE_FORCE = 1798
fdemu.I2C_SMBUS = 1824
fdemu.I2C_SMBUS_BLOCK_DATA = 5
fdemu.I2C_SMBUS_BLOCK_MAX = 32
fdemu.I2C_SMBUS_BYTE = 1
fdemu.I2C_SMBUS_BYTE_DATA = 2
fdemu.I2C_SMBUS_I2C_BLOCK_DATA = 8
fdemu.I2C_SMBUS_QUICK = 0
fdemu.I2C_SMBUS_READ = 1
fdemu.I2C_SMBUS_WORD_DATA = 3
fdemu.I2C_SMBUS_WRITE = 0
fdemu.I2C_TENBIT = 1796
fdemu.I2C_TIMEOUT = 1794
fdemu.IOV_MAX = 1024
fdemu.LOCK_EX = 2
fdemu.LOCK_NB = 4
fdemu.LOCK_SH = 1
fdemu.LOCK_UN = 8
fdemu.MFD_ALLOW_SEALING = 2
fdemu.MFD_CLOEXEC = 1
fdemu.MFD_EXEC = 16
fdemu.MFD_HUGETLB = 4
fdemu.MFD_NOEXEC_SEAL = 8
fdemu.MSG_CMSG_CLOEXEC = 1073741824
fdemu.MSG_CONFIRM = 2048
fdemu.MSG_CTRUNC = 8
fdemu.MSG_DONTROUTE = 4
fdemu.MSG_DONTWAIT = 64
fdemu.MSG_EOR = 128
fdemu.MSG_ERRQUEUE = 8192
fdemu.MSG_FASTOPEN = 536870912
fdemu.MSG_MORE = 32768
fdemu.MSG_NOSIGNAL = 16384
fdemu.MSG_OOB = 1
fdemu.MSG_PEEK = 2
fdemu.MSG_TRUNC = 32
fdemu.MSG_WAITALL = 256
fdemu.MSG_ZEROCOPY = 67108864
fdemu.O_ACCMODE = 3
fdemu.O_APPEND = 1024
fdemu.O_ASYNC = 8192
fdemu.O_CLOEXEC = 524288
fdemu.O_CREAT = 64
fdemu.O_DIRECT = 16384
fdemu.O_DIRECTORY = 65536
fdemu.O_DSYNC = 4096
fdemu.O_EXCL = 128
fdemu.O_LARGEFILE = 32768
fdemu.O_NDELAY = 2048
fdemu.O_NOATIME = 262144
fdemu.O_NOCTTY = 256
fdemu.O_NOFOLLOW = 131072
fdemu.O_NONBLOCK = 2048
fdemu.O_PATH = 2097152
fdemu.O_RDONLY = 0
fdemu.O_RDWR = 2
fdemu.O_RSYNC = 1052672
fdemu.O_SYNC = 1052672
fdemu.O_TMPFILE = 4259840
fdemu.O_TRUNC = 512
fdemu.O_WRONLY = 1
fdemu.PIPE_BUF = 4096
fdemu.POLLERR = 8
fdemu.POLLHUP = 16
fdemu.POLLIN = 1
fdemu.POLLNVAL = 32
fdemu.POLLOUT = 4
fdemu.POLLPRI = 2
fdemu.POLLRDBAND = 128
fdemu.POLLRDHUP = 8192
fdemu.POLLRDNORM = 64
fdemu.POLLWRBAND = 512
fdemu.POLLWRNORM = 256
fdemu.POSIX_FADV_DONTNEED = 4
fdemu.POSIX_FADV_NOREUSE = 5
fdemu.POSIX_FADV_NORMAL = 0
fdemu.POSIX_FADV_RANDOM = 1
fdemu.POSIX_FADV_SEQUENTIAL = 2
fdemu.POSIX_FADV_WILLNEED = 3
fdemu.RENAME_EXCHANGE = 2
fdemu.RENAME_NOREPLACE = 1
fdemu.RENAME_WHITEOUT = 4
fdemu.RLIMIT_NOFILE = 7
fdemu.RTC_AIE_OFF = 28674
fdemu.RTC_AIE_ON = 28673
fdemu.RTC_ALM_READ = 2149871624
fdemu.RTC_ALM_SET = 1076129799
fdemu.RTC_IRQP_READ = 2148036619
fdemu.RTC_IRQP_SET = 1074294796
fdemu.RTC_PIE_OFF = 28678
fdemu.RTC_PIE_ON = 28677
fdemu.RTC_RD_TIME = 2149871625
fdemu.RTC_SET_TIME = 1076129802
fdemu.RTC_UIE_OFF = 28676
fdemu.RTC_UIE_ON = 28675
fdemu.RTC_VL_CLR = 28692
fdemu.RTC_VL_READ = 2147774483
fdemu.RTC_WKALM_RD = 2150133776
fdemu.RTC_WKALM_SET = 1076391951
fdemu.RWH_WRITE_LIFE_EXTREME = 5
fdemu.RWH_WRITE_LIFE_LONG = 4
fdemu.RWH_WRITE_LIFE_MEDIUM = 3
fdemu.RWH_WRITE_LIFE_NONE = 1
fdemu.RWH_WRITE_LIFE_NOT_SET = 0
fdemu.RWH_WRITE_LIFE_SHORT = 2
fdemu.R_OK = 4
fdemu.SCM_CREDENTIALS = 2
fdemu.SCM_RIGHTS = 1
fdemu.SEEK_CUR = 1
fdemu.SEEK_DATA = 3
fdemu.SEEK_END = 2
fdemu.SEEK_HOLE = 4
fdemu.SEEK_SET = 0
fdemu.SHUT_RD = 0
fdemu.SHUT_RDWR = 2
fdemu.SHUT_WR = 1
fdemu.SIGABRT = 6
fdemu.SIGALRM = 14
fdemu.SIGBUS = 7
fdemu.SIGCHLD = 17
fdemu.SIGCONT = 18
fdemu.SIGFPE = 8
fdemu.SIGHUP = 1
fdemu.SIGILL = 4
fdemu.SIGINT = 2
fdemu.SIGIO = 29
fdemu.SIGKILL = 9
fdemu.SIGPIPE = 13
fdemu.SIGPOLL = 29
fdemu.SIGPROF = 27
fdemu.SIGPWR = 30
fdemu.SIGQUIT = 3
fdemu.SIGRTMAX = 64
fdemu.SIGRTMIN = 34
fdemu.SIGSEGV = 11
fdemu.SIGSTKFLT = 16
fdemu.SIGSTOP = 19
fdemu.SIGSYS = 31
fdemu.SIGTERM = 15
fdemu.SIGTRAP = 5
fdemu.SIGTSTP = 20
fdemu.SIGTTIN = 21
fdemu.SIGTTOU = 22
fdemu.SIGURG = 23
fdemu.SIGUSR1 = 10
fdemu.SIGUSR2 = 12
fdemu.SIGVTALRM = 26
fdemu.SIGWINCH = 28
fdemu.SIGXCPU = 24
fdemu.SIGXFSZ = 25
fdemu.SIOCATMARK = 35077
fdemu.SIOCGPGRP = 35076
fdemu.SIOCSPGRP = 35074
fdemu.SOCK_CLOEXEC = 524288
fdemu.SOCK_DGRAM = 2
fdemu.SOCK_NONBLOCK = 2048
fdemu.SOCK_RAW = 3
fdemu.SOCK_SEQPACKET = 5
fdemu.SOCK_STREAM = 1
fdemu.SOL_SOCKET = 1
fdemu.SO_ACCEPTCONN = 30
fdemu.SO_ATTACH_FILTER = 26
fdemu.SO_BINDTODEVICE = 25
fdemu.SO_BINDTOIFINDEX = 62
fdemu.SO_BROADCAST = 6
fdemu.SO_BSDCOMPAT = 14
fdemu.SO_BUF_LOCK = 72
fdemu.SO_BUSY_POLL = 46
fdemu.SO_BUSY_POLL_BUDGET = 70
fdemu.SO_COOKIE = 57
fdemu.SO_DEBUG = 1
fdemu.SO_DETACH_FILTER = 27
fdemu.SO_DOMAIN = 39
fdemu.SO_DONTROUTE = 5
fdemu.SO_ERROR = 4
fdemu.SO_INCOMING_CPU = 49
fdemu.SO_INCOMING_NAPI_ID = 56
fdemu.SO_INQ = 84
fdemu.SO_KEEPALIVE = 9
fdemu.SO_LINGER = 13
fdemu.SO_LOCK_FILTER = 44
fdemu.SO_MARK = 36
fdemu.SO_MEMINFO = 55
fdemu.SO_NETNS_COOKIE = 71
fdemu.SO_NO_CHECK = 11
fdemu.SO_OOBINLINE = 10
fdemu.SO_PASSCRED = 16
fdemu.SO_PASSRIGHTS = 83
fdemu.SO_PASSSEC = 34
fdemu.SO_PEEK_OFF = 42
fdemu.SO_PEERCRED = 17
fdemu.SO_PEERGROUPS = 59
fdemu.SO_PEERSEC = 31
fdemu.SO_PREFER_BUSY_POLL = 69
fdemu.SO_PRIORITY = 12
fdemu.SO_PROTOCOL = 38
fdemu.SO_RCVBUF = 8
fdemu.SO_RCVBUFFORCE = 33
fdemu.SO_RCVLOWAT = 18
fdemu.SO_RCVTIMEO = 20
fdemu.SO_REUSEADDR = 2
fdemu.SO_REUSEPORT = 15
fdemu.SO_RXQ_OVFL = 40
fdemu.SO_SELECT_ERR_QUEUE = 45
fdemu.SO_SNDBUF = 7
fdemu.SO_SNDBUFFORCE = 32
fdemu.SO_SNDLOWAT = 19
fdemu.SO_SNDTIMEO = 21
fdemu.SO_TIMESTAMP = 29
fdemu.SO_TIMESTAMPING = 37
fdemu.SO_TIMESTAMPNS = 35
fdemu.SO_TXTIME = 61
fdemu.SO_TYPE = 3
fdemu.SO_ZEROCOPY = 60
fdemu.SPI_IOC_RD_BITS_PER_WORD = 2147576579
fdemu.SPI_IOC_RD_LSB_FIRST = 2147576578
fdemu.SPI_IOC_RD_MAX_SPEED_HZ = 2147773188
fdemu.SPI_IOC_RD_MODE = 2147576577
fdemu.SPI_IOC_RD_MODE32 = 2147773189
fdemu.SPI_IOC_WR_BITS_PER_WORD = 1073834755
fdemu.SPI_IOC_WR_LSB_FIRST = 1073834754
fdemu.SPI_IOC_WR_MAX_SPEED_HZ = 1074031364
fdemu.SPI_IOC_WR_MODE = 1073834753
fdemu.SPI_IOC_WR_MODE32 = 1074031365
fdemu.SPLICE_F_GIFT = 8
fdemu.SPLICE_F_MORE = 4
fdemu.SPLICE_F_MOVE = 1
fdemu.SPLICE_F_NONBLOCK = 2
fdemu.STDERR_FILENO = 2
fdemu.STDIN_FILENO = 0
fdemu.STDOUT_FILENO = 1
fdemu.S_IFBLK = 24576
fdemu.S_IFCHR = 8192
fdemu.S_IFDIR = 16384
fdemu.S_IFIFO = 4096
fdemu.S_IFLNK = 40960
fdemu.S_IFMT = 61440
fdemu.S_IFREG = 32768
fdemu.S_IFSOCK = 49152
fdemu.S_IRGRP = 32
fdemu.S_IROTH = 4
fdemu.S_IRUSR = 256
fdemu.S_IRWXG = 56
fdemu.S_IRWXO = 7
fdemu.S_IRWXU = 448
fdemu.S_ISGID = 1024
fdemu.S_ISUID = 2048
fdemu.S_ISVTX = 512
fdemu.S_IWGRP = 16
fdemu.S_IWOTH = 2
fdemu.S_IWUSR = 128
fdemu.S_IXGRP = 8
fdemu.S_IXOTH = 1
fdemu.S_IXUSR = 64
fdemu.TCFLSH = 21515
fdemu.TCGETS = 21505
fdemu.TCSBRK = 21513
fdemu.TCSBRKP = 21541
fdemu.TCSETS = 21506
fdemu.TCSETSF = 21508
fdemu.TCSETSW = 21507
fdemu.TCXONC = 21514
fdemu.TFD_CLOEXEC = 524288
fdemu.TFD_NONBLOCK = 2048
fdemu.TFD_TIMER_ABSTIME = 1
fdemu.TFD_TIMER_CANCEL_ON_SET = 2
fdemu.TIOCCBRK = 21544
fdemu.TIOCEXCL = 21516
fdemu.TIOCGETD = 21540
fdemu.TIOCGICOUNT = 21597
fdemu.TIOCGPGRP = 21519
fdemu.TIOCGPTN = 2147767344
fdemu.TIOCGSERIAL = 21534
fdemu.TIOCGWINSZ = 21523
fdemu.TIOCMBIC = 21527
fdemu.TIOCMBIS = 21526
fdemu.TIOCMGET = 21525
fdemu.TIOCMIWAIT = 21596
fdemu.TIOCMSET = 21528
fdemu.TIOCNOTTY = 21538
fdemu.TIOCNXCL = 21517
fdemu.TIOCOUTQ = 21521
fdemu.TIOCPKT = 21536
fdemu.TIOCSBRK = 21543
fdemu.TIOCSCTTY = 21518
fdemu.TIOCSETD = 21539
fdemu.TIOCSPGRP = 21520
fdemu.TIOCSPTLCK = 1074025521
fdemu.TIOCSSERIAL = 21535
fdemu.TIOCSTI = 21522
fdemu.TIOCSWINSZ = 21524
fdemu.UI_DEV_CREATE = 21761
fdemu.UI_DEV_DESTROY = 21762
fdemu.UI_DEV_SETUP = 1079792899
fdemu.UI_SET_EVBIT = 1074025828
fdemu.UI_SET_KEYBIT = 1074025829
fdemu.WDIOC_GETBOOTSTATUS = 2147768066
fdemu.WDIOC_GETPRETIMEOUT = 2147768073
fdemu.WDIOC_GETSTATUS = 2147768065
fdemu.WDIOC_GETSUPPORT = 2150127360
fdemu.WDIOC_GETTEMP = 2147768067
fdemu.WDIOC_GETTIMELEFT = 2147768074
fdemu.WDIOC_GETTIMEOUT = 2147768071
fdemu.WDIOC_KEEPALIVE = 2147768069
fdemu.WDIOC_SETOPTIONS = 2147768068
fdemu.WDIOC_SETPRETIMEOUT = 3221509896
fdemu.WDIOC_SETTIMEOUT = 3221509894
fdemu.W_OK = 2
fdemu.X_OK = 1
--</constants>

return fdemu
