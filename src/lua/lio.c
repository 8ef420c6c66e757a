/* lio.c - reading, writing and vmsplice(2) from Lua */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "lua/lfdemu.h"

#define CALL(what) (&fdemu_calls[FDEMU_##what])
#define ARG(s)     ((void *)(uintptr_t)(s))

/* All of a read but its offset. */
static inline struct call *begin_read(lua_State *L, const struct lprocess *lp,
                                      struct call *local,
                                      const struct fdemu_call *what)
{
  struct call *c = lcall_begin(L, lp->lk, local, what);

  c->req.fd = lproc_fd(L, 2);
  lcall_want(c, lproc_count(L, 3));
  return c;
}

/* All of a write but its offset. A number becomes a string, for which
 * finalizers may run: before the call begins. */
static inline struct call *begin_write(lua_State *L, const struct lprocess *lp,
                                       struct call *local,
                                       const struct fdemu_call *what)
{
  int fd = lproc_fd(L, 2);
  size_t n;
  const char *s = larg_string(L, 3, &n);
  struct call *c = lcall_begin(L, lp->lk, local, what);

  c->req.fd = fd;
  c->req.buf.iov_base = ARG(s);
  c->req.buf.iov_len = n;
  return c;
}

static int proc_read(lua_State *L)
{
  const struct lprocess *lp = lproc_check(L);
  struct call local, *c = begin_read(L, lp, &local, CALL(READ));

  return lcall_submit(L, lp->p, c);
}

static int proc_pread(lua_State *L)
{
  const struct lprocess *lp = lproc_check(L);
  struct call local, *c = begin_read(L, lp, &local, CALL(PREAD));

  c->req.offset = larg_integer(L, 4);
  return lcall_submit(L, lp->p, c);
}

static int proc_write(lua_State *L)
{
  const struct lprocess *lp = lproc_check(L);
  struct call local, *c = begin_write(L, lp, &local, CALL(WRITE));

  return lcall_submit(L, lp->p, c);
}

static int proc_pwrite(lua_State *L)
{
  const struct lprocess *lp = lproc_check(L);
  struct call local, *c = begin_write(L, lp, &local, CALL(PWRITE));

  c->req.offset = larg_integer(L, 4);
  return lcall_submit(L, lp->p, c);
}

/* An array for the list at index 3, which has n elements: few (CALL_FEW of
 * them), or one that the stack keeps. */
static struct iovec *get_iov(lua_State *L, struct iovec *few, lua_Integer *n)
{
  larg_type(L, 3, LUA_TTABLE);
  *n = luaL_len(L, 3);
  larg_check(L, *n >= 0 && *n <= INT_MAX, 3, "list is too long");
  return *n <= CALL_FEW ? few
                        : lcompat_newuserdata(L, (size_t)*n * sizeof *few);
}

/* c has the array: its own, if it is few. */
static void set_iov(struct call *c, struct iovec *iov, const struct iovec *few,
                    lua_Integer n)
{
  if (iov == few)
    iov = memcpy(c->few, few, sizeof c->few);
  c->req.iov = iov;
  c->req.iovcnt = (int)n;
}

/* The last argument is an offset, or flags, or there is none. */
static lua_Integer last_argument(lua_State *L, const struct fdemu_call *what)
{
  if (what == &fdemu_vmsplice_call)
    return lproc_optint(L, 4);
  return what->flags & FDEMU_CALL_AT ? larg_integer(L, 4) : 0;
}

static void set_arguments(struct call *c, int fd, lua_Integer last)
{
  c->req.fd = fd;
  if (c->req.call == &fdemu_vmsplice_call)
    c->req.cmd = (unsigned)last;
  else
    c->req.offset = last;
}

static int no_load(const struct fdemu_mem *m, void *dst, const void *addr,
                   size_t n)
{
  (void)m;
  (void)dst;
  (void)addr;
  (void)n;
  return -EFAULT;
}

static int no_store(const struct fdemu_mem *m, void *addr, const void *src,
                    size_t n)
{
  (void)m;
  (void)addr;
  (void)src;
  (void)n;
  return -EFAULT;
}

/* Of a vmsplice(2) that goes the other way: strings are not to be written to,
 * and room has no bytes. */
static const struct fdemu_mem no_memory = { no_load, no_store };

static bool is_written(const struct lprocess *lp, int fd)
{
  const struct fdemu_file *f = fdemu_file_at(lp->p, fd);

  return f != NULL && (f->flags & O_ACCMODE) != O_RDONLY;
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
  struct lprocess *lp = lproc_check(L);
  int fd = lproc_fd(L, 2);
  lua_Integer n, last;
  size_t total = 0;
  struct call local, *c;
  struct iovec few[CALL_FEW] = { 0 }, *iov;

  lua_settop(L, 4);
  iov = get_iov(L, few, &n);
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
  last = last_argument(L, what);
  c = lcall_begin(L, lp->lk, &local, what);
  set_arguments(c, fd, last);
  lcall_want(c, total);
  c->result = readv_result;
  set_iov(c, iov, few, n);
  if (what == &fdemu_vmsplice_call && is_written(lp, fd))
    c->req.mem = &no_memory;
  return lcall_submit(L, lp->p, c);
}

/* The strings are on the stack too: the list may change while a call waits. */
static int do_writev(lua_State *L, const struct fdemu_call *what)
{
  struct lprocess *lp = lproc_check(L);
  int fd = lproc_fd(L, 2);
  lua_Integer n, last;
  struct call local, *c;
  struct iovec few[CALL_FEW] = { 0 }, *iov;

  lua_settop(L, 4);
  iov = get_iov(L, few, &n);
  last = last_argument(L, what);
  for (int i = 0; i < n && i <= 1024; i++) {
    luaL_checkstack(L, 2, "list is too long");
    lua_geti(L, 3, i + 1);
    larg_check(L, lua_type(L, -1) == LUA_TSTRING, 3,
               "a list of strings expected");
    iov[i].iov_base = ARG(lua_tolstring(L, -1, &iov[i].iov_len));
  }
  luaL_checkstack(L, LUA_MINSTACK, "list is too long");
  c = lcall_begin(L, lp->lk, &local, what);
  set_arguments(c, fd, last);
  set_iov(c, iov, few, n);
  if (what == &fdemu_vmsplice_call && !is_written(lp, fd))
    c->req.mem = &no_memory;
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

/* p:vmsplice(fd, {s1, s2, ...}, flags) -> count, or with counts instead of
 * strings, of a descriptor that is read, as p:readv() */
static int proc_vmsplice(lua_State *L)
{
  bool strings;

  larg_type(L, 3, LUA_TTABLE);
  lua_geti(L, 3, 1);
  strings = lua_type(L, -1) == LUA_TSTRING;
  lua_pop(L, 1);
  return (strings ? do_writev : do_readv)(L, &fdemu_vmsplice_call);
}

static int proc_lseek(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int fd = lproc_fd(L, 2);
  lua_Integer offset = larg_integer(L, 3);
  int whence = lproc_optint(L, 4);
  struct call local, *c = lcall_begin(L, lp->lk, &local, CALL(LSEEK));

  c->req.fd = fd;
  c->req.offset = offset;
  c->req.cmd = (unsigned)whence;
  return lcall_submit(L, lp->p, c);
}

const luaL_Reg lio_methods[] = {
  { "read", proc_read },
  { "pread", proc_pread },
  { "write", proc_write },
  { "pwrite", proc_pwrite },
  { "readv", proc_readv },
  { "preadv", proc_preadv },
  { "writev", proc_writev },
  { "pwritev", proc_pwritev },
  { "lseek", proc_lseek },
  { "vmsplice", proc_vmsplice },
  { NULL, NULL },
};
