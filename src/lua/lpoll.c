/* lpoll.c - poll from Lua */
#include <limits.h>
#include <poll.h>
#include <string.h>

#include "lua/lfdemu.h"

#define CALL(what) (&fdemu_calls[FDEMU_##what])

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

/* Set revents in each entry of the list at index 2. */
static int poll_result(lua_State *L, struct call *c)
{
  size_t n = c->req.buf.iov_len / sizeof(struct pollfd);

  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
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
  return lcall_integer(L, c);
}

/* p:poll(list [, timeout_ms]) */
static int proc_poll(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
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
  c = lcall_begin(L, lp->lk, &local, CALL(POLL));
  c->req.buf.iov_base = fds;
  c->req.buf.iov_len = (size_t)n * sizeof *fds;
  c->req.timeout = timeout < 0 ? -1 : larg_nanoseconds(timeout / 1e3);
  c->keep = lcall_keep_copy;
  c->result = poll_result;
  return lcall_submit(L, lp->p, c);
}

const luaL_Reg lpoll_methods[] = {
  { "poll", proc_poll },
  { NULL, NULL },
};
