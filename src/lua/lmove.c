/* lmove.c - sendfile, splice, tee and copy_file_range from Lua */
#include <limits.h>

#include "lua/lfdemu.h"

/* Offsets that the call moves on; the stack of the caller keeps them. */
struct offsets {
  struct iovec at[2];
  int64_t value[2];
};

static size_t check_count(lua_State *L, int index)
{
  lua_Integer n = larg_integer(L, index);

  larg_check(L, n >= 0, index, "count must not be negative");
  return (size_t)n;
}

/* The offsets at two indices, nil for the file's position; 0: there is none.
 * NULL if there is none at all. Pushes one value. */
static struct offsets *opt_offsets(lua_State *L, int in, int out)
{
  const int index[2] = { in, out };
  lua_Integer value[2];
  bool given[2];
  struct offsets *o;

  for (int i = 0; i < 2; i++) {
    given[i] = index[i] != 0 && !lua_isnoneornil(L, index[i]);
    value[i] = given[i] ? larg_integer(L, index[i]) : 0;
  }
  if (!given[0] && !given[1]) {
    lua_pushnil(L);
    return NULL;
  }
  o = lcompat_newuserdata(L, sizeof *o);
  for (int i = 0; i < 2; i++) {
    o->value[i] = value[i];
    o->at[i].iov_base = given[i] ? &o->value[i] : NULL;
    o->at[i].iov_len = sizeof o->value[i];
  }
  return o;
}

/* The count, and the new offsets of those that were given. */
static int move_result(lua_State *L, struct call *c)
{
  int n = 1;

  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
  lua_pushinteger(L, (lua_Integer)c->req.result);
  for (int i = 0; i < c->req.iovcnt; i++)
    if (c->req.iov[i].iov_base != NULL) {
      lua_pushinteger(L, *(const int64_t *)c->req.iov[i].iov_base);
      n++;
    }
  return n;
}

/* What all of them have. */
static int move(lua_State *L, struct lprocess *lp,
                const struct fdemu_call *what, int in, int out,
                const struct offsets *o, size_t count, int flags)
{
  struct call local, *c = lcall_begin(L, lp->lk, &local, what);

  c->req.fd = in;
  c->req.arg = out;
  c->req.buf.iov_len = count;
  c->req.cmd = (unsigned)flags;
  if (o != NULL) {
    c->req.iov = o->at;
    c->req.iovcnt = what == &fdemu_sendfile_call ? 1 : 2;
  }
  c->result = move_result;
  return lcall_submit(L, lp->p, c);
}

/* p:sendfile(out, in, offset, count) -> count [, offset] */
static int proc_sendfile(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int out = lproc_fd(L, 2), in = lproc_fd(L, 3);
  size_t count = check_count(L, 5);
  struct offsets *o;

  lua_settop(L, 5);
  o = opt_offsets(L, 4, 0);
  return move(L, lp, &fdemu_sendfile_call, in, out, o, count, 0);
}

static int do_splice(lua_State *L, const struct fdemu_call *what)
{
  struct lprocess *lp = lproc_check(L);
  int in = lproc_fd(L, 2), out = lproc_fd(L, 4);
  size_t count = check_count(L, 6);
  int flags = lproc_optint(L, 7);
  struct offsets *o;

  lua_settop(L, 7);
  o = opt_offsets(L, 3, 5);
  return move(L, lp, what, in, out, o, count, flags);
}

/* p:splice(in, offset, out, offset, count [, flags]) -> count, and the new
 * offset of each that was given */
static int proc_splice(lua_State *L)
{
  return do_splice(L, &fdemu_splice_call);
}

/* p:copy_file_range(in, offset, out, offset, count [, flags]): likewise */
static int proc_copy_file_range(lua_State *L)
{
  return do_splice(L, &fdemu_copy_file_range_call);
}

/* p:tee(in, out, count [, flags]) -> count */
static int proc_tee(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int in = lproc_fd(L, 2), out = lproc_fd(L, 3);
  size_t count = check_count(L, 4);
  int flags = lproc_optint(L, 5);

  return move(L, lp, &fdemu_tee_call, in, out, NULL, count, flags);
}

const luaL_Reg lmove_methods[] = {
  { "sendfile", proc_sendfile },
  { "splice", proc_splice },
  { "tee", proc_tee },
  { "copy_file_range", proc_copy_file_range },
  { NULL, NULL },
};
