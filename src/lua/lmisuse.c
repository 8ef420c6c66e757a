/*
 * lmisuse.c - k:misuse(): descriptors that were used after they were closed
 *
 * With the option origins a closed descriptor remembers who made it and who
 * closed it. A call that finds it closed gets EBADF, as on Linux, and leaves a
 * row here; with strict it raises.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "lua/lfdemu.h"

static struct pollfd pollfd_at(const struct fdemu_req *r, size_t i)
{
  struct pollfd p;

  memcpy(&p, (const char *)r->buf.iov_base + i * sizeof p, sizeof p);
  return p;
}

static bool is_closed(const struct fdemu_req *r, int64_t fd)
{
  uint32_t made;

  return fd >= 0 && fd <= INT32_MAX &&
         fdemu_closed(r->proc, (int)fd, &made) != 0;
}

/* Of those that a poll or select looks at: one that was closed, or -1. */
static int closed_among(const struct fdemu_req *r)
{
  size_t n = r->mem == NULL ? r->buf.iov_len / sizeof(struct pollfd) : 0;

  for (size_t i = 0; i < n; i++)
    if (is_closed(r, pollfd_at(r, i).fd))
      return pollfd_at(r, i).fd;
  return -1;
}

/* Whether a word is among the arguments of r's call. */
static bool takes(const struct fdemu_req *r, const char *word)
{
  const char *args = r->call->args;

  for (size_t n; *args != '\0'; args += n + (args[n] == ' ')) {
    n = strcspn(args, " ");
    if (n == strlen(word) && strncmp(args, word, n) == 0)
      return true;
  }
  return false;
}

/* The descriptor that r found closed, or -1. */
static int culprit(const struct fdemu_req *r)
{
  if (r->call == &fdemu_calls[FDEMU_POLL] && r->result > 0)
    return closed_among(r);
  if (r->result != -EBADF || r->injected || r->on != NULL)
    return -1;
  if (r->call == &fdemu_calls[FDEMU_SELECT])
    return closed_among(r);
  if (takes(r, "fd") && is_closed(r, r->fd))
    return r->fd;
  if (takes(r, "fd2") && is_closed(r, r->arg))
    return (int)r->arg;
  if (takes(r, "dirfd") && r->path != NULL && is_closed(r, r->fd))
    return r->fd;
  if (takes(r, "dirfd2") && is_closed(r, r->arg))
    return (int)r->arg;
  return -1;
}

uint32_t lmisuse_closed(const struct fdemu_req *r, int *fd, uint32_t *made)
{
  *fd = culprit(r);
  return *fd >= 0 ? fdemu_closed(r->proc, *fd, made) : 0;
}

static void set_integer(lua_State *L, const char *key, lua_Integer n)
{
  lua_pushinteger(L, n);
  lua_setfield(L, -2, key);
}

static void set_origin(lua_State *L, struct lkernel *lk, const char *key,
                       uint32_t id)
{
  lcall_push_origin(L, lk, id);
  lua_setfield(L, -2, key);
}

/* One use of a descriptor that was closed. */
struct use {
  struct lkernel *lk;
  const char *call;
  int pid, fd;
  uint32_t where, made, closed;
};

static void push_row(lua_State *L, const struct use *u)
{
  lua_createtable(L, 0, 7);
  luaL_setmetatable(L, LFD_MISUSE);
  set_integer(L, "pid", u->pid);
  set_integer(L, "fd", u->fd);
  set_integer(L, "count", 0);
  lua_pushstring(L, u->call);
  lua_setfield(L, -2, "call");
  set_origin(L, u->lk, "where", u->where);
  set_origin(L, u->lk, "made", u->made);
  set_origin(L, u->lk, "closed", u->closed);
}

/* A line that does it again and again has one row. */
static void note(lua_State *L, const struct use *u)
{
  lua_Integer count;

  lkernel_env(L, u->lk, ENV_MISUSE);
  lua_pushfstring(L, "%d %d %s %d %d %d", u->pid, u->fd, u->call, (int)u->where,
                  (int)u->closed, (int)u->made);
  lua_pushvalue(L, -1);
  if (lua_rawget(L, -3) == LUA_TNIL) {
    lua_pop(L, 1);
    push_row(L, u);
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_rawset(L, -5);
  }
  lua_pushvalue(L, -1);
  lua_setfield(L, -4, "last"); /* the row, for lmisuse_raise() */
  lua_getfield(L, -1, "count");
  count = lua_tointeger(L, -1);
  if (count == 0) {
    lua_pushvalue(L, -2);
    lua_rawseti(L, -5, (lua_Integer)lua_rawlen(L, -5) + 1);
  }
  lua_pushinteger(L, count + 1);
  lua_setfield(L, -3, "count");
  lua_pop(L, 4);
  u->lk->misused = true;
}

/* After a call, while its request is still what it was. */
void lmisuse_note(lua_State *L, struct call *c)
{
  struct use u = { .lk = c->lk,
                   .call = c->req.call->name,
                   .where = c->req.origin };

  u.closed = lmisuse_closed(&c->req, &u.fd, &u.made);
  if (u.closed == 0)
    return;
  u.pid = fdemu_getpid(c->req.proc);
  note(L, &u);
}

/* A function of the library, which is no call, has found fd closed. */
void lmisuse_look(lua_State *L, struct lkernel *lk, struct fdemu_proc *p,
                  int fd, const char *function)
{
  struct use u = { .lk = lk, .call = function, .fd = fd };

  if (!lk->origins || fd < 0)
    return;
  u.closed = fdemu_closed(p, fd, &u.made);
  if (u.closed == 0)
    return;
  u.pid = fdemu_getpid(p);
  u.where = lcall_origin(L, lk);
  note(L, &u);
  if (lk->strict)
    lmisuse_raise(L, lk);
}

/* With strict: raise what was found. */
int lmisuse_raise(lua_State *L, struct lkernel *lk)
{
  lk->misused = false;
  luaL_where(L, 1);
  lkernel_env(L, lk, ENV_MISUSE);
  lua_getfield(L, -1, "last");
  luaL_tolstring(L, -1, NULL);
  lua_replace(L, -3);
  lua_pop(L, 1);
  lua_concat(L, 2);
  return lua_error(L);
}

/* k:misuse() -> a list of calls on descriptors that were closed before */
int lmisuse_list(lua_State *L)
{
  struct lkernel *lk = lkernel_check(L, 1);
  lua_Integer n;

  lkernel_env(L, lk, ENV_MISUSE);
  n = (lua_Integer)lua_rawlen(L, -1);
  lua_createtable(L, (int)n, 0);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, -2, i);
    lua_rawseti(L, -2, i);
  }
  return 1;
}

/* "process 1, close(5) at x.lua:14: it was closed at x.lua:12, and made at
 * x.lua:3" */
static int row_tostring(lua_State *L)
{
  larg_type(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_getfield(L, 1, "pid");
  lua_getfield(L, 1, "call");
  lua_getfield(L, 1, "fd");
  lua_getfield(L, 1, "where");
  lua_getfield(L, 1, "closed");
  lua_getfield(L, 1, "made");
  lua_pushfstring(L,
                  "process %s, %s of descriptor %s at %s: it was closed at"
                  " %s, and made at %s",
                  lua_tostring(L, 2), lua_tostring(L, 3), lua_tostring(L, 4),
                  luaL_optstring(L, 5, "?"), luaL_optstring(L, 6, "?"),
                  luaL_optstring(L, 7, "?"));
  return 1;
}

int lmisuse_open(lua_State *L)
{
  luaL_newmetatable(L, LFD_MISUSE);
  lua_pushcfunction(L, row_tostring);
  lua_setfield(L, -2, "__tostring");
  lua_pop(L, 1);
  return 0;
}
