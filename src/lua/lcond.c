/* lcond.c - Conditions: what the parts of this package that are written in Lua
 * let a task wait for */
#include <errno.h>
#include <math.h>
#include <poll.h>

#include "lua/lfdemu.h"

#define LFD_CONDITION "fdemu.Condition"

/* Whoever waits has it on its stack. */
struct lcond {
  struct lkernel *lk;
  struct fdemu_waitq wq;
};

/* r->arg: how often it had been signalled when the wait began. */
static int64_t cond_run(struct fdemu_file *f, struct fdemu_req *r)
{
  const struct lcond *c = r->buf.iov_base;

  (void)f;
  return c->wq.seq != (unsigned)r->arg ? 1 : -EAGAIN;
}

static int cond_park(struct fdemu_req *r)
{
  struct lcond *c = r->buf.iov_base;

  fdemu_park(r, &c->wq, POLLIN, false);
  return 0;
}

static const struct fdemu_call cond_call = {
  .name = "peer",
  .args = "",
  .run = cond_run,
  .park = cond_park,
  .flags = FDEMU_CALL_TIMED | FDEMU_CALL_QUIET,
};

static struct lcond *check(lua_State *L)
{
  struct lcond *c = larg_udata(L, 1, LFD_CONDITION);

  larg_check(L, c->lk->k != NULL, 1, "kernel is closed");
  return c;
}

/* core.condition(kernel) */
int lcond_new(lua_State *L)
{
  struct lkernel *lk = lkernel_check(L, 1);
  struct lcond *c = lcompat_newuserdata(L, sizeof *c);

  c->lk = lk;
  fdemu_waitq_init(&c->wq);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  luaL_setmetatable(L, LFD_CONDITION);
  return 1;
}

static int cond_result(lua_State *L, struct call *c)
{
  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
  lua_pushboolean(L, c->req.result > 0);
  return 1;
}

/* c:wait([seconds]) -> true, or false when that time is over */
static int cond_wait(lua_State *L)
{
  struct lcond *cond = check(L);
  double seconds = lua_isnoneornil(L, 2) ? INFINITY : larg_number(L, 2);
  struct call local, *c;

  c = lcall_begin(L, cond->lk, &local, &cond_call);
  c->req.buf.iov_base = cond;
  c->req.arg = cond->wq.seq;
  c->req.timeout = seconds < 9e9 ? larg_nanoseconds(seconds) : -1;
  c->result = cond_result;
  return lcall_submit(L, fdemu_kernel_self(cond->lk->k), c);
}

/* c:signal(): whoever waits goes on */
static int cond_signal(lua_State *L)
{
  struct lcond *c = check(L);

  c->lk->L = L;
  fdemu_wake(&c->wq, POLLIN);
  return 0;
}

static const luaL_Reg methods[] = {
  { "wait", cond_wait },
  { "signal", cond_signal },
  { NULL, NULL },
};

int lcond_open(lua_State *L)
{
  larg_class(L, LFD_CONDITION, NULL, methods, NULL);
  return 0;
}
