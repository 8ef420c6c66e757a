/*
 * lproc.c - Processes: the system calls, as methods
 *
 * Each is parse, call, result. What fails is nil, message, errno; what is
 * misused raises.
 */
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "lua/lfdemu.h"

#define CALL(what) (&fdemu_calls[FDEMU_##what])
#define ARG(s)     ((void *)(uintptr_t)(s))

static struct lprocess *check_any(lua_State *L)
{
  struct lprocess *lp = larg_udata(L, 1, LFD_PROCESS);

  larg_check(L, lp->lk->k != NULL, 1, "kernel is closed");
  larg_check(L, lp->p != NULL, 1, "process was finalized");
  return lp;
}

static struct lprocess *check(lua_State *L)
{
  struct lprocess *lp = check_any(L);

  if (!fdemu_alive(lp->p)) {
    lua_pushfstring(L, "process %d has exited", lp->pid);
    larg_error(L, 1, lua_tostring(L, -1));
  }
  return lp;
}

/* A descriptor. Integers that are no int are no descriptor either. */
static int check_fd(lua_State *L, int index)
{
  lua_Integer fd = larg_integer(L, index);

  return fd >= 0 && fd <= INT_MAX ? (int)fd : -1;
}

static size_t check_count(lua_State *L, int index)
{
  lua_Integer n = larg_integer(L, index);

  larg_check(L, n >= 0, index, "count must not be negative");
  return (size_t)n;
}

static int check_int(lua_State *L, int index)
{
  lua_Integer n = larg_integer(L, index);

  larg_check(L, n >= INT_MIN && n <= UINT_MAX, index,
             "number does not fit into an int");
  return (int)n;
}

static int opt_int(lua_State *L, int index)
{
  return lua_isnoneornil(L, index) ? 0 : check_int(L, index);
}

/* The same for files that have more of a Process's methods. */
struct lprocess *lproc_check(lua_State *L)
{
  return check(L);
}

int lproc_fd(lua_State *L, int index)
{
  return check_fd(L, index);
}

int lproc_int(lua_State *L, int index)
{
  return check_int(L, index);
}

int lproc_optint(lua_State *L, int index)
{
  return opt_int(L, index);
}

static struct call *begin(lua_State *L, struct lprocess *lp, struct call *local,
                          const struct fdemu_call *what)
{
  return lcall_begin(L, lp->lk, local, what);
}

/* ---- read and write --------------------------------------------------- */

static int do_read(lua_State *L, const struct fdemu_call *what)
{
  struct lprocess *lp = check(L);
  int fd = check_fd(L, 2);
  size_t count = check_count(L, 3);
  lua_Integer offset = what->flags & FDEMU_CALL_AT ? larg_integer(L, 4) : 0;
  struct call local, *c = begin(L, lp, &local, what);

  c->req.fd = fd;
  c->req.offset = offset;
  lcall_want(c, count);
  return lcall_submit(L, lp->p, c);
}

static int do_write(lua_State *L, const struct fdemu_call *what)
{
  struct lprocess *lp = check(L);
  int fd = check_fd(L, 2);
  size_t n;
  const char *s = larg_string(L, 3, &n);
  lua_Integer offset = what->flags & FDEMU_CALL_AT ? larg_integer(L, 4) : 0;
  struct call local, *c = begin(L, lp, &local, what);

  c->req.fd = fd;
  c->req.offset = offset;
  c->req.buf.iov_base = ARG(s);
  c->req.buf.iov_len = n;
  return lcall_submit(L, lp->p, c);
}

static int proc_read(lua_State *L)
{
  return do_read(L, CALL(READ));
}

static int proc_pread(lua_State *L)
{
  return do_read(L, CALL(PREAD));
}

static int proc_write(lua_State *L)
{
  return do_write(L, CALL(WRITE));
}

static int proc_pwrite(lua_State *L)
{
  return do_write(L, CALL(PWRITE));
}

/* A list of n elements at index 3 becomes an array of iovecs, which the stack
 * keeps; it is pushed. */
static struct iovec *push_iov(lua_State *L, lua_Integer *n)
{
  larg_type(L, 3, LUA_TTABLE);
  *n = luaL_len(L, 3);
  larg_check(L, *n >= 0 && *n <= INT_MAX, 3, "list is too long");
  return lcompat_newuserdata(L,
                             (size_t)(*n > 0 ? *n : 1) * sizeof(struct iovec));
}

/* The bytes that were read, one string for each size asked for; the total. */
static int readv_result(lua_State *L, struct call *c)
{
  const char *s = c->store != NULL ? c->store : c->lk->scratch;
  size_t left, n;

  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
  left = (size_t)c->req.result;
  lua_createtable(L, c->req.iovcnt, 0);
  for (int i = 0; i < c->req.iovcnt; i++) {
    n = c->req.iov[i].iov_len < left ? c->req.iov[i].iov_len : left;
    lua_pushlstring(L, s, n);
    lua_rawseti(L, -2, i + 1);
    s += n;
    left -= n;
  }
  lua_pushinteger(L, (lua_Integer)c->req.result);
  return 2;
}

static int do_readv(lua_State *L, const struct fdemu_call *what)
{
  struct lprocess *lp = check(L);
  int fd = check_fd(L, 2);
  lua_Integer n, offset;
  size_t total = 0;
  struct call local, *c;
  struct iovec *iov;

  lua_settop(L, 4);
  iov = push_iov(L, &n);
  for (int i = 0; i < n; i++) {
    lua_Integer size;
    int ok;
    lua_geti(L, 3, i + 1);
    size = lua_tointegerx(L, -1, &ok);
    larg_check(L, ok && size >= 0, 3,
               "a list of counts, none negative, expected");
    lua_pop(L, 1);
    iov[i].iov_base = lp->lk->scratch + total;
    iov[i].iov_len = (size_t)size;
    total = (size_t)size < INT_MAX - total ? total + (size_t)size : INT_MAX;
  }
  offset = what->flags & FDEMU_CALL_AT ? larg_integer(L, 4) : 0;
  c = begin(L, lp, &local, what);
  c->req.fd = fd;
  c->req.offset = offset;
  lcall_want(c, total);
  c->result = readv_result;
  c->req.iov = iov;
  c->req.iovcnt = (int)n;
  return lcall_submit(L, lp->p, c);
}

/* The strings are on the stack too: the list may change while a call waits. */
static int do_writev(lua_State *L, const struct fdemu_call *what)
{
  struct lprocess *lp = check(L);
  int fd = check_fd(L, 2);
  lua_Integer n, offset;
  struct call local, *c;
  struct iovec *iov;

  lua_settop(L, 4);
  iov = push_iov(L, &n);
  offset = what->flags & FDEMU_CALL_AT ? larg_integer(L, 4) : 0;
  for (int i = 0; i < n && i <= 1024; i++) {
    luaL_checkstack(L, 2, "list is too long");
    lua_geti(L, 3, i + 1);
    larg_check(L, lua_type(L, -1) == LUA_TSTRING, 3,
               "a list of strings expected");
    iov[i].iov_base = ARG(lua_tolstring(L, -1, &iov[i].iov_len));
  }
  luaL_checkstack(L, LUA_MINSTACK, "list is too long");
  c = begin(L, lp, &local, what);
  c->req.fd = fd;
  c->req.offset = offset;
  c->req.iov = iov;
  c->req.iovcnt = (int)n;
  return lcall_submit(L, lp->p, c);
}

static int proc_readv(lua_State *L)
{
  return do_readv(L, CALL(READV));
}

static int proc_preadv(lua_State *L)
{
  return do_readv(L, CALL(PREADV));
}

static int proc_writev(lua_State *L)
{
  return do_writev(L, CALL(WRITEV));
}

static int proc_pwritev(lua_State *L)
{
  return do_writev(L, CALL(PWRITEV));
}

static int proc_lseek(lua_State *L)
{
  struct lprocess *lp = check(L);
  int fd = check_fd(L, 2);
  lua_Integer offset = larg_integer(L, 3);
  int whence = opt_int(L, 4);
  struct call local, *c = begin(L, lp, &local, CALL(LSEEK));

  c->req.fd = fd;
  c->req.offset = offset;
  c->req.cmd = (unsigned)whence;
  return lcall_submit(L, lp->p, c);
}

/* ---- open and close --------------------------------------------------- */

static int path_result(lua_State *L, struct call *c)
{
  if (c->req.result < 0)
    return lcall_error(L, c->req.result, c->req.path);
  lua_pushinteger(L, (lua_Integer)c->req.result);
  return 1;
}

/* fopen(3)'s modes */
static int check_flags(lua_State *L, int index)
{
  static const char *const names[] = { "r", "w", "a", "r+", "w+", "a+", NULL };
  static const int flags[] = {
    O_RDONLY, O_WRONLY | O_CREAT | O_TRUNC, O_WRONLY | O_CREAT | O_APPEND,
    O_RDWR,   O_RDWR | O_CREAT | O_TRUNC,   O_RDWR | O_CREAT | O_APPEND,
  };

  if (lua_type(L, index) != LUA_TSTRING)
    return opt_int(L, index);
  for (int i = 0; names[i] != NULL; i++)
    if (strcmp(names[i], lua_tostring(L, index)) == 0)
      return flags[i];
  return larg_error(L, index, "invalid mode");
}

static const char *check_path(lua_State *L, int index)
{
  size_t n;
  const char *path = larg_string(L, index, &n);

  larg_check(L, strlen(path) == n, index, "path contains a zero byte");
  return path;
}

/* p:open(path [, flags [, mode]]) */
static int proc_open(lua_State *L)
{
  struct lprocess *lp = check(L);
  const char *path = check_path(L, 2);
  int flags = check_flags(L, 3), mode = opt_int(L, 4);
  struct call local, *c = begin(L, lp, &local, CALL(OPEN));

  c->req.path = path;
  c->req.cmd = (unsigned)flags;
  c->req.arg = mode;
  c->result = path_result;
  return lcall_submit(L, lp->p, c);
}

/* A call that takes nothing but a descriptor. */
static int do_fd(lua_State *L, const struct fdemu_call *what)
{
  struct lprocess *lp = check(L);
  int fd = check_fd(L, 2);
  struct call local, *c = begin(L, lp, &local, what);

  c->req.fd = fd;
  return lcall_submit(L, lp->p, c);
}

static int proc_close(lua_State *L)
{
  return do_fd(L, CALL(CLOSE));
}

static int proc_dup(lua_State *L)
{
  return do_fd(L, CALL(DUP));
}

static int proc_fsync(lua_State *L)
{
  return do_fd(L, CALL(FSYNC));
}

static int proc_fdatasync(lua_State *L)
{
  return do_fd(L, CALL(FDATASYNC));
}

/* p:flock(fd, op) */
static int proc_flock(lua_State *L)
{
  struct lprocess *lp = check(L);
  int fd = check_fd(L, 2), op = check_int(L, 3);
  struct call local, *c = begin(L, lp, &local, CALL(FLOCK));

  c->req.fd = fd;
  c->req.cmd = (unsigned)op;
  return lcall_submit(L, lp->p, c);
}

/* p:close_range(first, last [, flags]): both are unsigned ints */
static int proc_close_range(lua_State *L)
{
  struct lprocess *lp = check(L);
  lua_Integer first = larg_integer(L, 2);
  lua_Integer last = larg_integer(L, 3);
  int flags = opt_int(L, 4);
  struct call local, *c;

  larg_check(L, first >= 0 && first <= UINT_MAX, 2,
             "number does not fit into an unsigned int");
  larg_check(L, last >= -1 && last <= UINT_MAX, 3,
             "number does not fit into an unsigned int");
  c = begin(L, lp, &local, CALL(CLOSE_RANGE));
  c->req.fd = (int)(unsigned)first;
  c->req.arg = (int64_t)(unsigned)last;
  c->req.cmd = (unsigned)flags;
  return lcall_submit(L, lp->p, c);
}

static int do_dup(lua_State *L, const struct fdemu_call *what)
{
  struct lprocess *lp = check(L);
  int fd = check_fd(L, 2), newfd = check_fd(L, 3), flags = opt_int(L, 4);
  struct call local, *c = begin(L, lp, &local, what);

  c->req.fd = fd;
  c->req.arg = newfd;
  c->req.cmd = (unsigned)flags;
  return lcall_submit(L, lp->p, c);
}

static int proc_dup2(lua_State *L)
{
  return do_dup(L, CALL(DUP2));
}

static int proc_dup3(lua_State *L)
{
  return do_dup(L, CALL(DUP3));
}

/* ---- control ---------------------------------------------------------- */

/* p:fcntl(fd, cmd [, arg]) */
static int proc_fcntl(lua_State *L)
{
  struct lprocess *lp = check(L);
  int fd = check_fd(L, 2), cmd = check_int(L, 3);
  lua_Integer arg = larg_optinteger(L, 4, 0);
  struct call local, *c = begin(L, lp, &local, CALL(FCNTL));

  c->req.fd = fd;
  c->req.cmd = (unsigned)cmd;
  c->req.arg = arg;
  return lcall_submit(L, lp->p, c);
}

/* p:ioctl(fd, request [, arg]) */
static int proc_ioctl(lua_State *L)
{
  struct lprocess *lp = check(L);
  int fd = check_fd(L, 2), request = check_int(L, 3);
  struct call local, *c;

  lua_settop(L, 4);
  c = begin(L, lp, &local, CALL(IOCTL));
  c->req.fd = fd;
  c->req.cmd = (unsigned)request;
  lcall_set_ioctl(L, c, 4);
  return lcall_submit(L, lp->p, c);
}

static int isatty_result(lua_State *L, struct call *c)
{
  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
  lua_pushinteger(L, 1);
  return 1;
}

/* As isatty(3): whether TCGETS works. */
static int proc_isatty(lua_State *L)
{
  struct lprocess *lp = check(L);
  int fd = check_fd(L, 2);
  struct call local, *c;

  lua_settop(L, 2);
  lbuffer_new(L, sizeof(struct termios));
  c = begin(L, lp, &local, CALL(IOCTL));
  c->req.fd = fd;
  c->req.cmd = TCGETS;
  lcall_set_ioctl(L, c, 3);
  c->result = isatty_result;
  return lcall_submit(L, lp->p, c);
}

void lproc_push_stat(lua_State *L, const struct stat *st)
{
  lua_createtable(L, 0, 13);
#define FIELD(name) \
  lua_pushinteger(L, (lua_Integer)st->st_##name); \
  lua_setfield(L, -2, "st_" #name)
  FIELD(dev);
  FIELD(ino);
  FIELD(mode);
  FIELD(nlink);
  FIELD(uid);
  FIELD(gid);
  FIELD(rdev);
  FIELD(size);
  FIELD(blksize);
  FIELD(blocks);
  FIELD(atime);
  FIELD(mtime);
  FIELD(ctime);
#undef FIELD
}

static int stat_result(lua_State *L, struct call *c)
{
  struct stat st;

  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
  memcpy(&st, c->req.buf.iov_base, sizeof st);
  lproc_push_stat(L, &st);
  return 1;
}

static int proc_fstat(lua_State *L)
{
  struct lprocess *lp = check(L);
  int fd = check_fd(L, 2);
  struct call local, *c = begin(L, lp, &local, CALL(FSTAT));

  c->req.fd = fd;
  c->req.buf.iov_base = lp->lk->scratch;
  c->req.buf.iov_len = sizeof(struct stat);
  c->keep = lcall_keep_copy;
  c->result = stat_result;
  return lcall_submit(L, lp->p, c);
}

/* ---- pipes and poll --------------------------------------------------- */

/* Two descriptors. */
static int pair_result(lua_State *L, struct call *c)
{
  int fds[2];

  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
  memcpy(fds, c->req.buf.iov_base, sizeof fds);
  lua_pushinteger(L, fds[0]);
  lua_pushinteger(L, fds[1]);
  return 2;
}

/* p:pipe(), p:pipe2([flags]) -> read end, write end */
static int do_pipe(lua_State *L, const struct fdemu_call *what, int flags)
{
  struct lprocess *lp = check(L);
  struct call local, *c = begin(L, lp, &local, what);

  c->req.buf.iov_base = lp->lk->scratch;
  c->req.buf.iov_len = 2 * sizeof(int);
  c->req.cmd = (unsigned)flags;
  c->keep = lcall_keep_copy;
  c->result = pair_result;
  return lcall_submit(L, lp->p, c);
}

static int proc_pipe(lua_State *L)
{
  return do_pipe(L, &fdemu_pipe_call, 0);
}

static int proc_pipe2(lua_State *L)
{
  check(L);
  return do_pipe(L, &fdemu_pipe2_call, opt_int(L, 2));
}

/* Element i of the list at index 2, as a pollfd. */
static struct pollfd check_pollfd(lua_State *L, lua_Integer i)
{
  struct pollfd p = { 0 };
  int ok;

  lua_geti(L, 2, i);
  if (!lua_istable(L, -1))
    luaL_error(L, "bad argument #1 to 'poll' (entry %d is not a table)",
               (int)i);
  lua_getfield(L, -1, "fd");
  p.fd = (int)lua_tointegerx(L, -1, &ok);
  if (!ok)
    luaL_error(L, "bad argument #1 to 'poll' (entry %d has no integer fd)",
               (int)i);
  lua_getfield(L, -2, "events");
  p.events = (short)lua_tointegerx(L, -1, &ok);
  if (!ok && !lua_isnil(L, -1))
    luaL_error(L, "bad argument #1 to 'poll' (events of entry %d is a %s)",
               (int)i, luaL_typename(L, -1));
  lua_pop(L, 3);
  return p;
}

/* (call, list): set revents in each entry. */
static int set_revents(lua_State *L)
{
  const struct call *c = lua_touserdata(L, 1);
  size_t n = c->req.buf.iov_len / sizeof(struct pollfd);

  for (size_t i = 0; i < n; i++) {
    struct pollfd p;
    memcpy(&p, (const char *)c->req.buf.iov_base + i * sizeof p, sizeof p);
    lua_geti(L, 2, (lua_Integer)i + 1);
    if (lua_istable(L, -1)) {
      lua_pushinteger(L, (unsigned short)p.revents);
      lua_setfield(L, -2, "revents");
    }
    lua_pop(L, 1);
  }
  return 0;
}

static int poll_result(lua_State *L, struct call *c)
{
  int status;

  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
  lua_pushcfunction(L, set_revents);
  lua_pushlightuserdata(L, c);
  lua_pushvalue(L, 2);
  status = lua_pcall(L, 2, 0, 0);
  if (status != LUA_OK) {
    lcall_free(c);
    return lua_error(L);
  }
  return lcall_integer(L, c);
}

/* p:poll(list [, timeout_ms]) */
static int proc_poll(lua_State *L)
{
  struct lprocess *lp = check(L);
  lua_Number timeout = lua_isnoneornil(L, 3) ? -1 : larg_number(L, 3);
  struct call local, *c;
  struct pollfd *fds;
  lua_Integer n;

  larg_type(L, 2, LUA_TTABLE);
  larg_check(L, timeout == timeout, 3, "timeout is not a number");
  n = luaL_len(L, 2);
  larg_check(L, n >= 0 && n <= INT_MAX, 2, "list is too long");
  lua_settop(L, 3);
  fds = (size_t)n * sizeof *fds <= SCRATCH_SIZE
            ? (struct pollfd *)(void *)lp->lk->scratch
            : lcompat_newuserdata(L, (size_t)n * sizeof *fds);
  for (lua_Integer i = 0; i < n; i++)
    fds[i] = check_pollfd(L, i + 1);
  c = begin(L, lp, &local, CALL(POLL));
  c->req.buf.iov_base = fds;
  c->req.buf.iov_len = (size_t)n * sizeof *fds;
  c->req.timeout = timeout < 0      ? -1
                   : timeout < 9e12 ? (int64_t)(timeout * 1e6)
                                    : INT64_MAX;
  c->keep = lcall_keep_copy;
  c->result = poll_result;
  return lcall_submit(L, lp->p, c);
}

/* ---- processes -------------------------------------------------------- */

/* Push a Process for p, whose reference it takes over. */
static struct lprocess *push_process(lua_State *L, struct lkernel *lk)
{
  struct lprocess *lp = lcompat_newuserdata(L, sizeof *lp);

  memset(lp, 0, sizeof *lp);
  lp->lk = lk;
  fdemu_list_append(&lk->processes, &lp->link);
  luaL_setmetatable(L, LFD_PROCESS);
  lkernel_push(L, lk); /* whoever holds a Process holds its kernel */
  lua_setiuservalue(L, -2, 1);
  return lp;
}

static void set_process(struct lprocess *lp, struct fdemu_proc *p)
{
  lp->p = p;
  lp->pid = fdemu_getpid(p);
}

static int fork_result(lua_State *L, struct call *c)
{
  struct lprocess *lp;

  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
  lp = lua_touserdata(L, 2);
  set_process(lp, c->req.out);
  lua_pushvalue(L, 2);
  return 1;
}

/* p:fork() -> Process */
static int proc_fork(lua_State *L)
{
  struct lprocess *lp = check(L), *child;
  struct call local, *c;

  lua_settop(L, 1);
  child = push_process(L, lp->lk);
  memcpy(child->captured, lp->captured, sizeof child->captured);
  for (int i = 0; i < 3; i++)
    if (child->captured[i] != NULL)
      fdemu_inode_get(child->captured[i]);
  c = begin(L, lp, &local, CALL(FORK));
  c->result = fork_result;
  return lcall_submit(L, lp->p, c);
}

static int proc_exec(lua_State *L)
{
  struct lprocess *lp = check(L);
  struct call local, *c = begin(L, lp, &local, CALL(EXEC));

  return lcall_submit(L, lp->p, c);
}

/* p:exit([status]) */
static int proc_exit(lua_State *L)
{
  struct lprocess *lp = check(L);
  int status = opt_int(L, 2);

  lp->lk->L = L;
  fdemu_exit(lp->p, status);
  ldriver_drain(L, lp->lk);
  lcall_raise_orphan(L, lp->lk);
  return 0;
}

static int wait_result(lua_State *L, struct call *c)
{
  int status;

  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
  memcpy(&status, c->req.buf.iov_base, sizeof status);
  lua_pushinteger(L, (lua_Integer)c->req.result);
  lua_pushliteral(L, "exited");
  lua_pushinteger(L, status >> 8 & 0xff);
  return 3;
}

/* p:wait() -> pid, "exited", status */
static int proc_wait(lua_State *L)
{
  struct lprocess *lp = check(L);
  struct call local, *c = begin(L, lp, &local, CALL(WAIT));

  c->req.buf.iov_base = lp->lk->scratch;
  c->req.buf.iov_len = sizeof(int);
  c->keep = lcall_keep_copy;
  c->result = wait_result;
  return lcall_submit(L, lp->p, c);
}

static int proc_getpid(lua_State *L)
{
  lua_pushinteger(L, check(L)->pid);
  return 1;
}

static void check_resource(lua_State *L, int index)
{
  larg_check(L, larg_integer(L, index) == 7, index,
             "RLIMIT_NOFILE is the only limit there is");
}

/* p:getrlimit(RLIMIT_NOFILE) -> soft, hard */
static int proc_getrlimit(lua_State *L)
{
  struct lprocess *lp = check(L);
  int soft, hard;

  check_resource(L, 2);
  fdemu_get_nofile(lp->p, &soft, &hard);
  lua_pushinteger(L, soft);
  lua_pushinteger(L, hard);
  return 2;
}

/* p:setrlimit(RLIMIT_NOFILE, soft [, hard]) */
static int proc_setrlimit(lua_State *L)
{
  struct lprocess *lp = check(L);
  int soft, hard, error;

  check_resource(L, 2);
  fdemu_get_nofile(lp->p, &soft, &hard);
  soft = check_int(L, 3);
  if (!lua_isnoneornil(L, 4))
    hard = check_int(L, 4);
  error = fdemu_set_nofile(lp->p, soft, hard);
  if (error < 0)
    return lcall_error(L, error, NULL);
  lua_pushinteger(L, 0);
  return 1;
}

static int proc_spawn(lua_State *L)
{
  return lsched_spawn(L, check(L)->lk);
}

/* ---- descriptions ----------------------------------------------------- */

/* p:description(fd) -> Description */
static int proc_description(lua_State *L)
{
  struct lprocess *lp = check(L);
  struct fdemu_file *f = fdemu_file_at(lp->p, check_fd(L, 2));

  if (f == NULL)
    return lcall_error(L, -EBADF, NULL);
  ldesc_new(L, lp->lk, f, false);
  return 1;
}

/* p:install(description [, min]) -> fd */
static int proc_install(lua_State *L)
{
  struct lprocess *lp = check(L);
  struct ldesc *d = ldesc_check(L, 2);
  int min = opt_int(L, 3), fd;

  larg_check(L, d->lk == lp->lk, 2, "description of another kernel");
  lcall_set_origin(L, lp->lk);
  fd = fdemu_install(lp->p, d->file, min, false);
  if (fd < 0)
    return lcall_error(L, fd, NULL);
  if (d->floating)
    d->floating = false; /* its reference is the descriptor's now */
  else
    fdemu_file_get(d->file);
  lua_pushinteger(L, fd);
  return 1;
}

/* ---- the host --------------------------------------------------------- */

static int host_refused(lua_State *L)
{
  luaL_pushfail(L);
  lua_pushliteral(L, "Operation not permitted: host descriptors need "
                     "fdemu.kernel { host = true }");
  lua_pushinteger(L, EPERM);
  return 3;
}

/* The host's descriptor at index: an integer, or an io file, which is flushed
 * and stays its owner's. */
static int check_host(lua_State *L, int index)
{
  luaL_Stream *stream = luaL_testudata(L, index, LUA_FILEHANDLE);

  if (stream == NULL)
    return check_fd(L, index);
  larg_check(L, stream->closef != NULL, index, "file is closed");
  fflush(stream->f);
  return fileno(stream->f);
}

/* p:host(hostfd | file) -> fd */
static int proc_host(lua_State *L)
{
  struct lprocess *lp = check(L);
  int hostfd = check_host(L, 2), fd, error;
  struct fdemu_file *f;

  if (!lp->lk->host)
    return host_refused(L);
  hostfd = fcntl(hostfd, F_DUPFD_CLOEXEC, 0);
  if (hostfd < 0)
    return lcall_error(L, -errno, NULL);
  error = fdemu_host_new(lp->lk->k, hostfd, true, &f);
  if (error < 0) {
    close(hostfd);
    return lcall_error(L, error, NULL);
  }
  lcall_set_origin(L, lp->lk);
  fd = fdemu_install(lp->p, f, 0, false);
  if (fd < 0) {
    fdemu_file_put(f);
    return lcall_error(L, fd, NULL);
  }
  lua_pushinteger(L, fd);
  return 1;
}

/* ---- process{...} ----------------------------------------------------- */

static const char *const std_names[] = { "stdin", "stdout", "stderr" };

/* A description, a reference to which is the caller's, from an option. */
static int std_file(lua_State *L, struct lprocess *lp, int i,
                    struct fdemu_file **f)
{
  struct fdemu_kernel *k = lp->lk->k;
  size_t n;
  const char *s = NULL;
  int error;

  *f = NULL;
  if (luaL_testudata(L, -1, LFD_DESCRIPTION) != NULL) {
    struct ldesc *d = ldesc_check(L, lua_gettop(L));
    if (d->lk != lp->lk)
      return luaL_error(L, "option '%s' is a description of another kernel",
                        std_names[i]);
    *f = d->file;
    if (d->floating)
      d->floating = false;
    else
      fdemu_file_get(*f);
    return 0;
  }
  if (lua_isnil(L, -1))
    s = i == 0 ? "null" : "host";
  else if (lua_type(L, -1) == LUA_TSTRING)
    s = lua_tolstring(L, -1, &n);
  else
    return luaL_error(L, "option '%s' must be a string or a Description",
                      std_names[i]);
  if (strcmp(s, "null") == 0) {
    *f = fdemu_null_new(k, i == 0 ? O_RDONLY : O_WRONLY);
    return *f != NULL ? 0 : -ENOMEM;
  }
  if (strcmp(s, "host") == 0)
    return fdemu_host_new(k, i, false, f);
  if (strcmp(s, "capture") != 0 && i != 0)
    return luaL_error(L,
                      "option '%s' must be \"null\", \"host\", \"capture\" or"
                      " a Description, not '%s'",
                      std_names[i], s);
  if (strcmp(s, "capture") == 0)
    n = 0;
  *f = fdemu_capture_new(k, s, n);
  error = *f != NULL ? 0 : -ENOMEM;
  if (error == 0 && (i != 0 || n == 0)) {
    lp->captured[i] = (*f)->inode;
    fdemu_inode_get(lp->captured[i]);
  }
  return error;
}

static void check_options(lua_State *L)
{
  lua_pushnil(L);
  while (lua_next(L, 2)) {
    const char *key =
        lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
    int i = 0;
    while (i < 3 && strcmp(key, std_names[i]) != 0)
      i++;
    if (i == 3)
      luaL_error(L, "unknown option '%s'", key);
    lua_pop(L, 1);
  }
}

/* k:process{stdin=, stdout=, stderr=} */
int lproc_new(lua_State *L)
{
  struct lkernel *lk = lkernel_check(L, 1);
  struct lprocess *lp;
  struct fdemu_file *f;
  struct fdemu_proc *p;

  lua_settop(L, 2);
  if (lua_isnil(L, 2)) {
    lua_newtable(L);
    lua_replace(L, 2);
  }
  larg_type(L, 2, LUA_TTABLE);
  check_options(L);
  lk->L = L;
  lp = push_process(L, lk);
  p = fdemu_proc_new(lk->k);
  if (p == NULL)
    return luaL_error(L, "not enough memory");
  set_process(lp, p);
  lcall_set_origin(L, lk);
  for (int i = 0; i < 3; i++) {
    lua_getfield(L, 2, std_names[i]);
    if (std_file(L, lp, i, &f) < 0)
      return luaL_error(L, "the host's %s is closed", std_names[i]);
    if (fdemu_install(p, f, 0, false) < 0) {
      fdemu_file_put(f);
      return luaL_error(L, "no descriptor for %s", std_names[i]);
    }
    lua_pop(L, 1);
  }
  fdemu_set_initial(p);
  return 1;
}

/* p:captured(fd) -> string: also when the process has closed it, or exited */
static int proc_captured(lua_State *L)
{
  struct lprocess *lp = check_any(L);
  int fd = check_fd(L, 2);
  const char *s;
  size_t n;

  larg_check(L, fd >= 0 && fd < 3 && lp->captured[fd] != NULL, 2,
             "this descriptor was not made with \"capture\"");
  s = fdemu_capture_data(lp->captured[fd], &n);
  lua_pushlstring(L, s, n);
  return 1;
}

static int proc_tostring(lua_State *L)
{
  const struct lprocess *lp = larg_udata(L, 1, LFD_PROCESS);

  lua_pushfstring(L, "%s: %d%s", LFD_PROCESS, lp->pid,
                  lp->lk->k == NULL || lp->p == NULL || !fdemu_alive(lp->p)
                      ? " (exited)"
                      : "");
  return 1;
}

/* Give back the references: the userdata or the kernel goes away. */
void lproc_forget(struct lprocess *lp)
{
  fdemu_list_remove(&lp->link);
  for (int i = 0; i < 3; i++)
    if (lp->captured[i] != NULL)
      fdemu_inode_put(lp->captured[i]);
  memset(lp->captured, 0, sizeof lp->captured);
  if (lp->p != NULL)
    fdemu_proc_put(lp->p);
  lp->p = NULL;
}

static int proc_gc(lua_State *L)
{
  struct lprocess *lp = larg_udata(L, 1, LFD_PROCESS);

  lp->lk->L = L;
  if (lp->lk->k != NULL)
    lproc_forget(lp);
  return 0;
}

/* __close: the process exits */
static int proc_close_scope(lua_State *L)
{
  const struct lprocess *lp = larg_udata(L, 1, LFD_PROCESS);

  lua_settop(L, 1);
  return lp->lk->k != NULL && lp->p != NULL && fdemu_alive(lp->p) ? proc_exit(L)
                                                                  : 0;
}

static const luaL_Reg methods[] = {
  { "open", proc_open },
  { "close", proc_close },
  { "close_range", proc_close_range },
  { "read", proc_read },
  { "pread", proc_pread },
  { "write", proc_write },
  { "pwrite", proc_pwrite },
  { "readv", proc_readv },
  { "preadv", proc_preadv },
  { "writev", proc_writev },
  { "pwritev", proc_pwritev },
  { "lseek", proc_lseek },
  { "flock", proc_flock },
  { "fsync", proc_fsync },
  { "fdatasync", proc_fdatasync },
  { "dup", proc_dup },
  { "dup2", proc_dup2 },
  { "dup3", proc_dup3 },
  { "fcntl", proc_fcntl },
  { "ioctl", proc_ioctl },
  { "isatty", proc_isatty },
  { "fstat", proc_fstat },
  { "pipe", proc_pipe },
  { "pipe2", proc_pipe2 },
  { "poll", proc_poll },
  { "fork", proc_fork },
  { "exec", proc_exec },
  { "exit", proc_exit },
  { "wait", proc_wait },
  { "getpid", proc_getpid },
  { "getrlimit", proc_getrlimit },
  { "setrlimit", proc_setrlimit },
  { "spawn", proc_spawn },
  { "description", proc_description },
  { "install", proc_install },
  { "host", proc_host },
  { "captured", proc_captured },
  { NULL, NULL },
};

static const luaL_Reg metamethods[] = {
  { "__tostring", proc_tostring },
  { "__gc", proc_gc },
  { "__close", proc_close_scope },
  { NULL, NULL },
};

int lproc_open(lua_State *L)
{
  luaL_newmetatable(L, LFD_PROCESS);
  luaL_setfuncs(L, metamethods, 0);
  lua_newtable(L);
  larg_register(L, methods, -2);
  larg_register(L, levent_methods, -2);
  lepoll_register(L, -2);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  return 0;
}
