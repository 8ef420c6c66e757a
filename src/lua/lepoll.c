/* lepoll.c - epoll from Lua */
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>

#include "lua/lfdemu.h"

/* p:epoll_create(size) -> fd */
static int epoll_create_method(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int size = lproc_int(L, 2);
  struct call local,
      *c = lcall_begin(L, lp->lk, &local, &fdemu_epoll_create_call);

  c->req.arg = size;
  return lcall_submit(L, lp->p, c);
}

/* p:epoll_create1([flags]) -> fd */
static int epoll_create1_method(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int flags = lproc_optint(L, 2);
  struct call local,
      *c = lcall_begin(L, lp->lk, &local, &fdemu_epoll_create1_call);

  c->req.cmd = (unsigned)flags;
  return lcall_submit(L, lp->p, c);
}

/* p:epoll_ctl(ep, op, fd [, events [, data = fd]]) -> 0 */
static int epoll_ctl_method(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int ep = lproc_fd(L, 2), op = lproc_int(L, 3), fd = lproc_fd(L, 4);
  struct epoll_event ev = { 0 };
  struct call local, *c;

  if (op != EPOLL_CTL_DEL || !lua_isnoneornil(L, 5))
    ev.events = (uint32_t)lproc_int(L, 5);
  ev.data.u64 = (uint64_t)larg_optinteger(L, 6, larg_integer(L, 4));
  c = lcall_begin(L, lp->lk, &local, &fdemu_epoll_ctl_call);
  c->req.fd = ep;
  c->req.cmd = (unsigned)op;
  c->req.arg = fd;
  c->req.buf.iov_base = &ev;
  c->req.buf.iov_len = sizeof ev;
  c->keep = lcall_keep_copy;
  return lcall_submit(L, lp->p, c);
}

/* A list of { events=, data= } */
static int events_result(lua_State *L, struct call *c)
{
  const char *from = lcall_data(c);
  int n = (int)c->req.result;

  if (n < 0)
    return lcall_error(L, c->req.result, NULL);
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    struct epoll_event ev;
    memcpy(&ev, from + (size_t)i * sizeof ev, sizeof ev);
    lua_createtable(L, 0, 2);
    lua_pushinteger(L, ev.events);
    lua_setfield(L, -2, "events");
    lua_pushinteger(L, (lua_Integer)ev.data.u64);
    lua_setfield(L, -2, "data");
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* p:epoll_wait(ep, maxevents [, timeout_ms]) -> list of { events=, data= } */
static int epoll_wait_method(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int ep = lproc_fd(L, 2), max = lproc_int(L, 3);
  lua_Number timeout = lua_isnoneornil(L, 4) ? -1 : larg_number(L, 4);
  struct call local, *c;

  larg_check(L, timeout == timeout, 4, "timeout is not a number");
  c = lcall_begin(L, lp->lk, &local, &fdemu_epoll_wait_call);
  c->req.fd = ep;
  c->req.arg = max;
  c->req.timeout = timeout < 0 ? -1 : larg_nanoseconds(timeout / 1e3);
  lcall_want(c, max > 0 ? (size_t)max * sizeof(struct epoll_event) : 0);
  c->result = events_result;
  return lcall_submit(L, lp->p, c);
}

/* For what explains a deadlock: a list of { fd=, events=, kind=, id= }, or nil
 * if it is no epoll instance. */
void lepoll_push_interests(lua_State *L, struct lkernel *lk,
                           const struct fdemu_file *ep)
{
  const struct fdemu_interest *i = NULL;
  lua_Integer n = 0;

  if (!fdemu_is_epoll(ep)) {
    lua_pushnil(L);
    return;
  }
  lua_newtable(L);
  while ((i = fdemu_epoll_next(ep, i)) != NULL) {
    lua_createtable(L, 0, 4);
    lua_pushinteger(L, i->fd);
    lua_setfield(L, -2, "fd");
    lua_pushinteger(L, i->events);
    lua_setfield(L, -2, "events");
    lwaiting_file(L, lk, i->file, NULL);
    lua_rawseti(L, -2, ++n);
  }
}

const luaL_Reg lepoll_methods[] = {
  { "epoll_create", epoll_create_method },
  { "epoll_create1", epoll_create1_method },
  { "epoll_ctl", epoll_ctl_method },
  { "epoll_wait", epoll_wait_method },
  { NULL, NULL },
};
