/*
 * lfcntl.c - fcntl(2) and flock(2) from Lua
 *
 * What a command's argument is: nothing, an int, or memory, which in Lua is a
 * table with the fields of the struct, or an integer.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "lua/lfdemu.h"

#define CALL(what) (&fdemu_calls[FDEMU_##what])

enum { GET_RW_HINT = 1035, SET_RW_HINT = 1036 }; /* not in every libc */

/* A field of a table that is an argument, in the order of the struct. */
struct field {
  const char *name;
  size_t offset, size;
  bool required;
};

#define FIELD(type, name, required) \
  { \
#name, offsetof(struct type, name), sizeof(((struct type *)0)->name), \
        required \
  }

static const struct field flock_fields[] = {
  FIELD(flock, l_type, true),   FIELD(flock, l_whence, false),
  FIELD(flock, l_start, false), FIELD(flock, l_len, false),
  FIELD(flock, l_pid, false),   { NULL, 0, 0, false },
};

static const struct field owner_fields[] = {
  FIELD(f_owner_ex, type, true),
  FIELD(f_owner_ex, pid, true),
  { NULL, 0, 0, false },
};

static int field_error(lua_State *L, int index, const char *name,
                       const char *what)
{
  return larg_error(L, index, lua_pushfstring(L, "field '%s' %s", name, what));
}

static bool fits(lua_Integer n, size_t size)
{
  if (size == sizeof(short))
    return n >= SHRT_MIN && n <= SHRT_MAX;
  return size == sizeof n || (n >= INT_MIN && n <= INT_MAX);
}

/* The integer in a field of the table at index; absent is 0. */
static lua_Integer get_field(lua_State *L, int index, const struct field *f)
{
  lua_Integer n;
  int ok;

  lua_getfield(L, index, f->name);
  n = lua_tointegerx(L, -1, &ok);
  if (lua_isnil(L, -1) && f->required)
    field_error(L, index, f->name, "is missing");
  if (!ok && lua_isnumber(L, -1))
    field_error(L, index, f->name, "has no integer representation");
  if (!ok && !lua_isnil(L, -1))
    field_error(L, index, f->name,
                lua_pushfstring(L, "must be an integer, not a %s",
                                luaL_typename(L, -1)));
  if (ok && !fits(n, f->size))
    field_error(L, index, f->name, "does not fit into its type");
  lua_pop(L, 1);
  return ok ? n : 0;
}

static void get_struct(lua_State *L, int index, const struct field *f,
                       void *block)
{
  larg_type(L, index, LUA_TTABLE);
  for (; f->name != NULL; f++) {
    lua_Integer n = get_field(L, index, f);
    memcpy((char *)block + f->offset, &n, f->size); /* little-endian */
  }
}

static lua_Integer load_field(const struct field *f, const void *block)
{
  const char *at = (const char *)block + f->offset;
  short s;
  int i;
  lua_Integer n;

  switch (f->size) {
  case sizeof s: memcpy(&s, at, sizeof s); return s;
  case sizeof i: memcpy(&i, at, sizeof i); return i;
  default: memcpy(&n, at, sizeof n); return n;
  }
}

static void push_struct(lua_State *L, const struct field *f, const void *block)
{
  lua_createtable(L, 0, 5);
  for (; f->name != NULL; f++) {
    lua_pushinteger(L, load_field(f, block));
    lua_setfield(L, -2, f->name);
  }
}

void lfcntl_push_flock(lua_State *L, const struct flock *fl)
{
  push_struct(L, flock_fields, fl);
}

/* What F_GETLK has found. */
static int flock_result(lua_State *L, struct call *c)
{
  struct flock fl;

  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
  memcpy(&fl, c->req.buf.iov_base, sizeof fl);
  lfcntl_push_flock(L, &fl);
  return 1;
}

static bool takes_lock(int cmd)
{
  switch (cmd) {
  case F_GETLK:
  case F_SETLK:
  case F_SETLKW:
  case F_OFD_GETLK:
  case F_OFD_SETLK:
  case F_OFD_SETLKW: return true;
  default: return false;
  }
}

/* A call whose argument is n bytes of memory, as block has them. */
static int do_memory(lua_State *L, struct lprocess *lp, int fd, int cmd,
                     const void *block, size_t n,
                     int (*result)(lua_State *L, struct call *c))
{
  struct call local, *c = lcall_begin(L, lp->lk, &local, CALL(FCNTL));

  memcpy(lp->lk->scratch, block, n);
  c->req.fd = fd;
  c->req.cmd = (unsigned)cmd;
  c->req.buf = (struct iovec){ lp->lk->scratch, n };
  c->keep = lcall_keep_copy;
  if (result != NULL)
    c->result = result;
  return lcall_submit(L, lp->p, c);
}

/* The table at index 4 is the struct flock. It is read before the call is
 * begun: it may have a metatable that makes calls. */
static int do_lock(lua_State *L, struct lprocess *lp, int fd, int cmd)
{
  struct flock fl = { 0 };

  get_struct(L, 4, flock_fields, &fl);
  return do_memory(L, lp, fd, cmd, &fl, sizeof fl,
                   cmd == F_GETLK || cmd == F_OFD_GETLK ? flock_result : NULL);
}

static int owner_result(lua_State *L, struct call *c)
{
  struct f_owner_ex owner;

  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
  memcpy(&owner, c->req.buf.iov_base, sizeof owner);
  push_struct(L, owner_fields, &owner);
  return 1;
}

static int do_owner(lua_State *L, struct lprocess *lp, int fd, int cmd)
{
  struct f_owner_ex owner = { 0 };

  if (cmd == F_SETOWN_EX)
    get_struct(L, 4, owner_fields, &owner);
  return do_memory(L, lp, fd, cmd, &owner, sizeof owner,
                   cmd == F_GETOWN_EX ? owner_result : NULL);
}

static int hint_result(lua_State *L, struct call *c)
{
  uint64_t hint;

  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
  memcpy(&hint, c->req.buf.iov_base, sizeof hint);
  lua_pushinteger(L, (lua_Integer)hint);
  return 1;
}

/* An integer that Linux wants in memory. */
static int do_hint(lua_State *L, struct lprocess *lp, int fd, int cmd)
{
  lua_Integer hint = cmd == SET_RW_HINT ? larg_integer(L, 4) : 0;

  return do_memory(L, lp, fd, cmd, &hint, sizeof hint,
                   cmd == GET_RW_HINT ? hint_result : NULL);
}

/* p:fcntl(fd, cmd [, arg]) -> integer, or a table of F_GETLK, F_GETOWN_EX */
static int proc_fcntl(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int fd = lproc_fd(L, 2), cmd = lproc_int(L, 3);
  lua_Integer arg;
  struct call local, *c;

  if (takes_lock(cmd))
    return do_lock(L, lp, fd, cmd);
  if (cmd == F_SETOWN_EX || cmd == F_GETOWN_EX)
    return do_owner(L, lp, fd, cmd);
  if (cmd == GET_RW_HINT || cmd == SET_RW_HINT)
    return do_hint(L, lp, fd, cmd);
  arg = larg_optinteger(L, 4, 0);
  c = lcall_begin(L, lp->lk, &local, CALL(FCNTL));
  c->req.fd = fd;
  c->req.cmd = (unsigned)cmd;
  c->req.arg = arg;
  return lcall_submit(L, lp->p, c);
}

/* p:flock(fd, op) */
static int proc_flock(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int fd = lproc_fd(L, 2), op = lproc_int(L, 3);
  struct call local, *c = lcall_begin(L, lp->lk, &local, CALL(FLOCK));

  c->req.fd = fd;
  c->req.cmd = (unsigned)op;
  return lcall_submit(L, lp->p, c);
}

const luaL_Reg lfcntl_methods[] = {
  { "fcntl", proc_fcntl },
  { "flock", proc_flock },
  { NULL, NULL },
};
