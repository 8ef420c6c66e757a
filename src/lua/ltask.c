/* ltask.c - tasks as a script has them: spawned, joined, cancelled */
#include <errno.h>
#include <string.h>

#include "lua/lfdemu.h"

static const char *const status_names[] = { "ready", "running", "waiting",
                                            "done",  "error",   "cancelled" };

/* ---- spawn ------------------------------------------------------------ */

static void check_options(lua_State *L, int index)
{
  lua_pushnil(L);
  while (lua_next(L, index)) {
    if (lua_type(L, -2) == LUA_TSTRING) {
      const char *key = lua_tostring(L, -2);
      if (strcmp(key, "name") == 0)
        larg_check(L, lua_type(L, -1) == LUA_TSTRING, index,
                   "name must be a string");
      else if (strcmp(key, "daemon") == 0)
        larg_check(L, lua_isboolean(L, -1), index, "daemon must be a boolean");
      else
        luaL_error(L, "unknown option '%s'", key);
    }
    lua_pop(L, 1);
  }
}

/* Push the name of the next task, from the table at index options, or its
 * default. Returns whether it is a daemon. */
static bool push_options(lua_State *L, struct lkernel *lk, int options)
{
  bool daemon = false;

  luaL_checkstack(L, LUA_MINSTACK, NULL);
  if (options != 0) {
    lua_getfield(L, options, "daemon");
    daemon = lua_toboolean(L, -1);
    lua_pop(L, 1);
  }
  if (options != 0 && lua_getfield(L, options, "name") == LUA_TSTRING)
    return daemon;
  if (options != 0)
    lua_pop(L, 1);
  lua_pushfstring(L, "task %d", (int)(lk->last_task + 1));
  return daemon;
}

/* spawn(fn, ...) or spawn{fn, ..., name=, daemon=}, arguments from index 2 on:
 * push the task. */
int ltask_spawn(lua_State *L, struct lkernel *lk, int pid)
{
  struct task *t;
  int options = 0, n;
  bool daemon;

  if (lua_type(L, 2) == LUA_TTABLE) {
    options = 2;
    check_options(L, 2);
    n = (int)lua_rawlen(L, 2);
    luaL_checkstack(L, n + LUA_MINSTACK, NULL);
    for (int i = 1; i <= n; i++)
      lua_rawgeti(L, 2, i);
    larg_check(L, n > 0 && lua_isfunction(L, 3), 2,
               "a function expected at [1]");
  } else {
    larg_type(L, 2, LUA_TFUNCTION);
    n = lua_gettop(L) - 1;
  }
  if (lk->limits.asked)
    llimit_task(L, lk);
  daemon = push_options(L, lk, options);
  lchoice_name(L, lk, lk->last_task + 1);
  t = lsched_new(L, lk, n);
  t->id = ++lk->last_task;
  t->pid = pid;
  t->daemon = daemon;
  lua_insert(L, -1 - n);
  lua_xmove(L, t->co, n);
  t->nargs = n - 1;
  lk->ntasks++;
  if (!t->daemon)
    lk->live++;
  lsched_ready(t);
  return 1;
}

/* bind(task, description): whoever waits for the description hears of the end
 * of the task, which is the body of its peer and must not yield. */
int ltask_bind(lua_State *L)
{
  struct task *t = larg_udata(L, 1, LFD_TASK);

  t->bound = ldesc_check(L, 2);
  lua_settop(L, 2);
  lua_getiuservalue(L, 1, 1);
  lua_pushvalue(L, 2);
  lua_rawseti(L, -2, TASK_BOUND);
  return 0;
}

/* ---- Task ------------------------------------------------------------- */

static struct task *check(lua_State *L)
{
  return larg_udata(L, 1, LFD_TASK);
}

static bool over(const struct task *t)
{
  return t->status >= TASK_DONE;
}

static void push_name(lua_State *L)
{
  lsched_push_value(L, 1, TASK_NAME);
}

/* A joiner's request is kept in the task's list until the task is over. The
 * task itself is on the joiner's stack. */
static int64_t join_run(struct fdemu_file *f, struct fdemu_req *r)
{
  struct task *t = (struct task *)(uintptr_t)r->arg;

  (void)f;
  if (over(t))
    return 0;
  fdemu_list_append(&t->joiners, &r->link);
  return FDEMU_PENDING;
}

const struct fdemu_call ltask_join_call = {
  .name = "join",
  .args = "",
  .run = join_run,
  .flags = FDEMU_CALL_QUIET,
};

static int join_result(lua_State *L, struct call *c)
{
  struct task *t = lua_touserdata(L, 1);

  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
  if (t->status == TASK_CANCELLED) {
    push_name(L);
    return luaL_error(L, "task '%s' was cancelled", lua_tostring(L, -1));
  }
  luaL_checkstack(L, t->nres + LUA_MINSTACK, NULL);
  if (!lua_checkstack(t->co, t->nres + LUA_MINSTACK))
    return luaL_error(L, "too many results");
  if (t->status == TASK_ERROR) {
    if (t->lk != NULL && !fdemu_list_empty(&t->link)) {
      fdemu_list_remove(&t->link); /* from lk->failed: now it is known */
      lsched_unanchor(L, t);
    }
    lua_pushvalue(t->co, 1);
    lua_xmove(t->co, L, 1);
    return lua_error(L);
  }
  for (int i = 1; i <= t->nres; i++)
    lua_pushvalue(t->co, i);
  lua_xmove(t->co, L, t->nres);
  return t->nres;
}

/* task:join() -> the function's results; raises its error */
static int task_join(lua_State *L)
{
  struct task *t = check(L);
  struct call local, *c;

  if (t->lk == NULL && !over(t))
    return luaL_error(L, "the kernel is closed");
  if (t->lk != NULL && t->lk->current == t)
    return luaL_error(L, "a task cannot join itself");
  if (over(t)) {
    local.req.result = 0;
    return join_result(L, &local);
  }
  lua_settop(L, 1);
  c = lcall_begin(L, t->lk, &local, &ltask_join_call);
  c->req.arg = (int64_t)(uintptr_t)t;
  c->result = join_result;
  return lcall_submit(L, fdemu_kernel_self(t->lk->k), c);
}

/* End a task that is not on the C stack. Other than LUA_OK: a __close has
 * raised what is now on top of the stack. */
static int cancel(lua_State *L, struct task *t)
{
  int status;

  lsched_push(L, t); /* an anchor */
  lsched_abandon(t);
  lsched_end(L, t, TASK_CANCELLED);
  status = lcompat_resetthread(t->co);
  if (status != LUA_OK)
    lua_xmove(t->co, L, 1);
  lua_remove(L, status != LUA_OK ? -2 : -1);
  return status;
}

/* Move the tasks of a process that are not on the C stack before all others. */
static void gather(struct lkernel *lk, int pid)
{
  struct fdemu_list *place = lk->tasks.next, *next;

  for (struct fdemu_list *n = place; n != &lk->tasks; n = next) {
    struct task *t = fdemu_entry(n, struct task, all);
    next = n->next;
    if (t->pid != pid || t->status == TASK_RUNNING)
      continue;
    if (n == place)
      place = next;
    else {
      fdemu_list_remove(n);
      fdemu_list_append(place, n);
    }
  }
}

/* The process is gone, and so are its tasks, but for those that are on the C
 * stack: among them who made it exit. As cancel(). */
int ltask_end_process(lua_State *L, struct lkernel *lk, int pid)
{
  int result = LUA_OK;

  luaL_checkstack(L, LUA_MINSTACK, NULL);
  gather(lk, pid);
  while (!fdemu_list_empty(&lk->tasks)) {
    struct task *t = fdemu_entry(lk->tasks.next, struct task, all);
    int status;
    if (t->pid != pid || t->status == TASK_RUNNING)
      break;
    status = cancel(L, t);
    if (status != LUA_OK && result != LUA_OK)
      lua_pop(L, 1);
    else if (status != LUA_OK)
      result = status;
  }
  return result;
}

/* task:cancel() -> whether it was still alive */
static int task_cancel(lua_State *L)
{
  struct task *t = check(L);

  if (over(t) || t->lk == NULL) {
    lua_pushboolean(L, 0);
    return 1;
  }
  if (t->status == TASK_RUNNING) {
    push_name(L);
    return luaL_error(L,
                      t->lk->current == t
                          ? "task '%s' cannot cancel itself"
                          : "task '%s' waits where it cannot be cancelled",
                      lua_tostring(L, -1));
  }
  if (cancel(L, t) != LUA_OK)
    return lua_error(L);
  lua_pushboolean(L, 1);
  return 1;
}

/* The system call that a task waits in, in its coroutine or on the C stack. */
static struct fdemu_req *waits_in(struct task *t)
{
  if (t->status == TASK_WAITING && t->call.req.result == FDEMU_PENDING &&
      t->call.req.call != &ltask_join_call)
    return &t->call.req;
  for (struct call *c = t->lk->nested; c != NULL; c = c->outer)
    if (c->L == t->co && c->req.result == FDEMU_PENDING &&
        c->req.call != &ltask_join_call)
      return &c->req;
  return NULL;
}

/* task:interrupt() -> whether it waits in a system call. That ends with EINTR,
 * or with what it has moved, as if a signal had come; or it goes on, if it can
 * by now. */
static int task_interrupt(lua_State *L)
{
  struct task *t = check(L);
  struct fdemu_req *r = over(t) || t->lk == NULL ? NULL : waits_in(t);

  if (r != NULL)
    fdemu_cancel(r, EINTR);
  lua_pushboolean(L, r != NULL);
  return 1;
}

static int task_index(lua_State *L)
{
  const struct task *t = check(L);
  const char *key = lua_tostring(L, 2);

  if (key != NULL && strcmp(key, "status") == 0)
    lua_pushstring(L, status_names[t->status]);
  else if (key != NULL && strcmp(key, "name") == 0)
    push_name(L);
  else if (key != NULL && strcmp(key, "daemon") == 0)
    lua_pushboolean(L, t->daemon);
  else {
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
  }
  return 1;
}

static int task_tostring(lua_State *L)
{
  const struct task *t = check(L);

  push_name(L);
  lua_pushfstring(L, "%s: %s (%s)", LFD_TASK, lua_tostring(L, -1),
                  status_names[t->status]);
  return 1;
}

static int task_gc(lua_State *L)
{
  struct task *t = check(L);

  if (t->lk != NULL && !over(t))
    lsched_abandon(t);
  lcall_free(&t->call);
  return 0;
}

static const luaL_Reg methods[] = {
  { "join", task_join },
  { "cancel", task_cancel },
  { "interrupt", task_interrupt },
  { NULL, NULL },
};

static const luaL_Reg metamethods[] = {
  { "__tostring", task_tostring },
  { "__gc", task_gc },
  { NULL, NULL },
};

int ltask_open(lua_State *L)
{
  larg_class(L, LFD_TASK, metamethods, methods, task_index);
  return 0;
}
