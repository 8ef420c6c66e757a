/* lanswer.c - what a method written in Lua has returned, looked at */
#include <errno.h>

#include "lua/lfdemu.h"

/* A message about what a method returned, raised in lua_pcall(). */
int lanswer_bad(lua_State *L, const struct task *t, const char *what)
{
  return luaL_error(L, "driver '%s': %s returned %s%s", t->file->ops->name,
                    t->slot->name, what,
                    lworker_place(L, ldesc_of(t->file), t->slot->name));
}

static const char *value_name(lua_State *L, int index)
{
  return lua_type(L, index) == LUA_TNUMBER || lua_type(L, index) == LUA_TBOOLEAN
             ? luaL_tolstring(L, index, NULL)
         : lua_isnoneornil(L, index)
             ? "nothing"
             : lua_pushfstring(L, "a %s", luaL_typename(L, index));
}

/* nil, errno | nil, name | nil, message, errno; 0: no failure was returned */
static int64_t failure(lua_State *L, const struct task *t)
{
  lua_Integer error = 0;

  if (lua_toboolean(L, 1) || lua_isnoneornil(L, 2))
    return 0;
  if (lua_isinteger(L, 3))
    error = lua_tointeger(L, 3);
  else if (lua_isinteger(L, 2))
    error = lua_tointeger(L, 2);
  else if (lua_type(L, 2) == LUA_TSTRING)
    error = fdemu_errno(lua_tostring(L, 2));
  if (error <= 0 || fdemu_errname((int)error) == NULL || error > 4095)
    lanswer_bad(L, t,
                lua_pushfstring(
                    L, "nil and %s, which is no errno",
                    luaL_tolstring(L, lua_isnoneornil(L, 3) ? 2 : 3, NULL)));
  return -error;
}

/* ---- answers, by slot ------------------------------------------------- */

static int64_t read_answer(lua_State *L, struct task *t)
{
  struct fdemu_req *r = t->serving;
  const char *s;
  size_t n;
  int error;

  if (lua_type(L, 1) != LUA_TSTRING)
    lanswer_bad(
        L, t,
        lua_pushfstring(L, "%s, a string was expected", value_name(L, 1)));
  s = lua_tolstring(L, 1, &n);
  if (n > fdemu_left(r))
    lanswer_bad(L, t,
                lua_pushfstring(L, "%d bytes, %d were asked", (int)n,
                                (int)fdemu_left(r)));
  lhonest_end(L, t, n);
  error = fdemu_copy_out(r, s, n);
  return error < 0 ? error : (int64_t)r->done;
}

/* count, EAGAIN: so much now, and the rest not now */
static bool is_not_now(lua_State *L, const struct task *t)
{
  lua_Integer error = 0;

  if (lua_isinteger(L, 2))
    error = lua_tointeger(L, 2);
  else if (lua_type(L, 2) == LUA_TSTRING)
    error = fdemu_errno(lua_tostring(L, 2));
  if (error != EAGAIN && !lua_isnoneornil(L, 2))
    lanswer_bad(L, t,
                lua_pushfstring(L, "a count and %s, only EAGAIN may follow it",
                                luaL_tolstring(L, 2, NULL)));
  return error == EAGAIN;
}

static int64_t write_answer(lua_State *L, struct task *t)
{
  struct fdemu_req *r = t->serving;
  int is_int;
  lua_Integer n = lua_tointegerx(L, 1, &is_int);

  if (lua_type(L, 1) != LUA_TNUMBER || !is_int)
    lanswer_bad(
        L, t, lua_pushfstring(L, "%s, a count was expected", value_name(L, 1)));
  if (n < 0 || (size_t)n > fdemu_left(r))
    lanswer_bad(L, t,
                lua_pushfstring(L, "a count of %I, the data had %d bytes",
                                (LUAI_UACINT)n, (int)fdemu_left(r)));
  fdemu_rewind(r, r->done + (size_t)n);
  return is_not_now(L, t) && fdemu_left(r) > 0 ? -EAGAIN : (int64_t)r->done;
}

/* The fields that the table has replace those of the default. */
static int64_t stat_answer(lua_State *L, struct task *t)
{
  struct fdemu_req *r = t->serving;
  struct stat st;

  if (!lua_istable(L, 1))
    lanswer_bad(
        L, t, lua_pushfstring(L, "%s, a table was expected", value_name(L, 1)));
  fdemu_fill_stat(r->file, &st);
#define FIELD(name, type) \
  if (lua_getfield(L, 1, #name) != LUA_TNIL) { \
    if (!lua_isinteger(L, -1)) \
      lanswer_bad(L, t, "a table whose " #name " is not an integer"); \
    st.name = (type)lua_tointeger(L, -1); \
  } \
  lua_pop(L, 1)
  FIELD(st_dev, dev_t);
  FIELD(st_ino, ino_t);
  FIELD(st_mode, mode_t);
  FIELD(st_nlink, nlink_t);
  FIELD(st_uid, uid_t);
  FIELD(st_gid, gid_t);
  FIELD(st_rdev, dev_t);
  FIELD(st_size, off_t);
  FIELD(st_blksize, blksize_t);
  FIELD(st_blocks, blkcnt_t);
#undef FIELD
  return fdemu_arg_store(r, 0, &st, sizeof st);
}

/* Of the other slots: nothing is 0. */
static int64_t integer_answer(lua_State *L, struct task *t)
{
  int is_int;
  lua_Integer n = lua_tointegerx(L, 1, &is_int);

  if (lua_isnoneornil(L, 1))
    return 0;
  if (lua_type(L, 1) != LUA_TNUMBER || !is_int)
    lanswer_bad(
        L, t,
        lua_pushfstring(L, "%s, an integer was expected", value_name(L, 1)));
  if (n < 0)
    lanswer_bad(
        L, t,
        lua_pushfstring(L, "%I: a failure is nil, errno", (LUAI_UACINT)n));
  return n;
}

static int64_t lseek_answer(lua_State *L, struct task *t)
{
  int64_t n = integer_answer(L, t);

  if (lua_isnoneornil(L, 1))
    lanswer_bad(L, t, "nothing, a position was expected");
  if (t->file->mode & FDEMU_MODE_SEEK)
    t->file->pos = n;
  return n;
}

/* An open may return another Description, which is then what is opened. */
static int64_t open_answer(lua_State *L, struct task *t)
{
  const struct ldesc *d = luaL_testudata(L, 1, LFD_DESCRIPTION);
  struct fdemu_file *f = t->file;

  if (d == NULL) {
    int64_t n = integer_answer(L, t);
    if (n != 0)
      lanswer_bad(L, t, "a number: nothing, or a Description, was expected");
  } else {
    if (d->file == NULL)
      lanswer_bad(L, t, "a closed Description");
    f = d->file;
    ldesc_of(t->file)->released = true; /* it was never open */
  }
  if (t->serving != NULL) {
    fdemu_file_get(f);
    fdemu_opened(t->serving, f);
  }
  return 0;
}

/* Nobody reads what was written: that is a signal, too. Unlike Linux: also where
 * the write of a datagram socket is overridden, and handed on. */
static int64_t broken(const struct task *t)
{
  return t->serving != NULL &&
                 t->slot->offset == offsetof(struct fdemu_ops, write)
             ? fdemu_broken(t->serving)
             : -EPIPE;
}

static int64_t answer(lua_State *L, struct task *t)
{
  int64_t n = failure(L, t);

  if (n == -EAGAIN && t->serving != NULL && t->job == LJOB_CALL)
    lhonest_not_now(L, t);
  if (n == -EPIPE)
    return broken(t);
  if (n < 0)
    return n;
  if (t->job == LJOB_OPEN)
    return open_answer(L, t);
  if (t->serving == NULL)
    return t->job == LJOB_CALL ? 0 : integer_answer(L, t);
  switch (t->slot->offset) {
  case offsetof(struct fdemu_ops, read): return read_answer(L, t);
  case offsetof(struct fdemu_ops, write): return write_answer(L, t);
  case offsetof(struct fdemu_ops, stat): return stat_answer(L, t);
  case offsetof(struct fdemu_ops, lseek): return lseek_answer(L, t);
  default: return integer_answer(L, t);
  }
}

/* The bytes of a read, or the count of a write, if there is nothing to be said
 * against them: most answers. */
static bool plain(lua_State *L, const struct task *t, int64_t *n)
{
  struct fdemu_req *r = t->serving;
  const size_t slot = t->slot->offset;
  const char *s;
  size_t size;

  if (lua_gettop(L) != 1 || r == NULL || t->job != LJOB_CALL)
    return false;
  if (slot == offsetof(struct fdemu_ops, read) && !ldesc_of(t->file)->ended &&
      lua_type(L, 1) == LUA_TSTRING) {
    s = lua_tolstring(L, 1, &size);
    if (size == 0 || size > fdemu_left(r))
      return false;
    *n = fdemu_copy_out(r, s, size);
  } else if (slot == offsetof(struct fdemu_ops, write) && lua_isinteger(L, 1)) {
    size = (size_t)lua_tointeger(L, 1);
    if (size > fdemu_left(r))
      return false;
    fdemu_rewind(r, r->done + size);
    *n = 0;
  } else
    return false;
  if (*n == 0)
    *n = (int64_t)r->done;
  return true;
}

APART static int64_t judge(lua_State *L, struct task *t)
{
  int64_t n;

  t->lk->L = L;
  t->judging = true;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  n = answer(L, t);
  t->judging = false;
  return n;
}

/* What t's method has returned is all that is on the stack of its coroutine:
 * the answer. Raises what is wrong with it. */
int64_t lanswer_take(lua_State *L, struct task *t)
{
  int64_t n;

  return plain(L, t, &n) ? n : judge(L, t);
}
