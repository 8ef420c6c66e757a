/* lfd.c - descriptors from Lua: open, close, dup, ioctl, fstat, pipe */
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "lua/lfdemu.h"

#define CALL(what) (&fdemu_calls[FDEMU_##what])

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
    return lproc_optint(L, index);
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

/* path, flags and mode are at index and behind it. */
static int do_open(lua_State *L, int dirfd, int index)
{
  struct lprocess *lp = lproc_check(L);
  const char *path = check_path(L, index);
  int flags = check_flags(L, index + 1);
  int mode = lua_isnoneornil(L, index + 2) ? 0666 : lproc_int(L, index + 2);
  struct call local, *c = lcall_begin(L, lp->lk, &local, CALL(OPEN));

  c->req.fd = dirfd;
  c->req.path = path;
  c->req.cmd = (unsigned)flags;
  c->req.arg = mode;
  c->result = path_result;
  return lcall_submit(L, lp->p, c);
}

/* p:open(path [, flags [, mode]]) */
static int proc_open(lua_State *L)
{
  return do_open(L, AT_FDCWD, 2);
}

/* p:openat(dirfd, path [, flags [, mode]]) */
static int proc_openat(lua_State *L)
{
  lproc_check(L);
  return do_open(L, lproc_int(L, 2), 3);
}

/* A call that takes nothing but a descriptor. */
static int do_fd(lua_State *L, const struct fdemu_call *what)
{
  const struct lprocess *lp = lproc_check(L);
  struct call local, *c = lcall_begin(L, lp->lk, &local, what);

  c->req.fd = lproc_fd(L, 2);
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

/* p:close_range(first, last [, flags]): both are unsigned ints */
static int proc_close_range(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  lua_Integer first = larg_integer(L, 2);
  lua_Integer last = larg_integer(L, 3);
  int flags = lproc_optint(L, 4);
  struct call local, *c;

  larg_check(L, first >= 0 && first <= UINT_MAX, 2,
             "number does not fit into an unsigned int");
  larg_check(L, last >= -1 && last <= UINT_MAX, 3,
             "number does not fit into an unsigned int");
  c = lcall_begin(L, lp->lk, &local, CALL(CLOSE_RANGE));
  c->req.fd = (int)(unsigned)first;
  c->req.arg = (int64_t)(unsigned)last;
  c->req.cmd = (unsigned)flags;
  return lcall_submit(L, lp->p, c);
}

static int do_dup(lua_State *L, const struct fdemu_call *what)
{
  struct lprocess *lp = lproc_check(L);
  int fd = lproc_fd(L, 2), newfd = lproc_fd(L, 3), flags = lproc_optint(L, 4);
  struct call local, *c = lcall_begin(L, lp->lk, &local, what);

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

/* p:ioctl(fd, request [, arg]) */
static int proc_ioctl(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int fd = lproc_fd(L, 2), request = lproc_int(L, 3);
  struct call local, *c;

  lua_settop(L, 4);
  c = lcall_begin(L, lp->lk, &local, CALL(IOCTL));
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
  struct lprocess *lp = lproc_check(L);
  int fd = lproc_fd(L, 2);
  struct call local, *c;

  lua_settop(L, 2);
  lbuffer_new(L, sizeof(struct termios));
  c = lcall_begin(L, lp->lk, &local, CALL(IOCTL));
  c->req.fd = fd;
  c->req.cmd = TCGETS;
  lcall_set_ioctl(L, c, 3);
  c->result = isatty_result;
  return lcall_submit(L, lp->p, c);
}

void lfd_push_stat(lua_State *L, const struct stat *st)
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
  lfd_push_stat(L, &st);
  return 1;
}

static int proc_fstat(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int fd = lproc_fd(L, 2);
  struct call local, *c = lcall_begin(L, lp->lk, &local, CALL(FSTAT));

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
  struct lprocess *lp = lproc_check(L);
  struct call local, *c = lcall_begin(L, lp->lk, &local, what);

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
  lproc_check(L);
  return do_pipe(L, &fdemu_pipe2_call, lproc_optint(L, 2));
}

const luaL_Reg lfd_methods[] = {
  { "open", proc_open },
  { "openat", proc_openat },
  { "close", proc_close },
  { "dup", proc_dup },
  { "fsync", proc_fsync },
  { "fdatasync", proc_fdatasync },
  { "close_range", proc_close_range },
  { "dup2", proc_dup2 },
  { "dup3", proc_dup3 },
  { "ioctl", proc_ioctl },
  { "isatty", proc_isatty },
  { "fstat", proc_fstat },
  { "pipe", proc_pipe },
  { "pipe2", proc_pipe2 },
  { NULL, NULL },
};
