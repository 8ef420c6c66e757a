/*
 * lsched.c - tasks: coroutines, and who runs when
 *
 * A task is ready (in lk->ready), running (up the C stack of whoever resumed
 * it), waiting (for the request in task->call) or over. The results, or the
 * error, of one that is over stay on its coroutine's stack.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "lua/lfdemu.h"

#define NANO 1e9

static const char *const status_names[] = { "ready", "running", "waiting",
                                            "done",  "error",   "cancelled" };

/* ---- the life of a task ----------------------------------------------- */

/* Push a new task, anchored in env, with an empty coroutine: at 1 in its user
 * value. */
struct task *lsched_new(lua_State *L, struct lkernel *lk)
{
  struct task *t = lcompat_newuserdata(L, sizeof *t);

  *t = (struct task){ .lk = NULL, .status = TASK_READY, .guard = LUA_NOREF };
  fdemu_list_init(&t->link);
  fdemu_list_init(&t->all);
  fdemu_list_init(&t->joiners);
  luaL_setmetatable(L, LFD_TASK);
  lua_createtable(L, 2, 1);
  t->co = lua_newthread(L);
  lua_rawseti(L, -2, 1);
  lkernel_push(L, lk); /* whoever holds a Task holds its kernel */
  lua_rawseti(L, -2, 2);
  lua_setiuservalue(L, -2, 1);
  lkernel_env(L, lk, ENV_TASKS);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, t);
  lua_pop(L, 1);
  t->lk = lk;
  fdemu_list_append(&lk->tasks, &t->all);
  return t;
}

static void push_task(lua_State *L, struct task *t)
{
  lkernel_env(L, t->lk, ENV_TASKS);
  lua_rawgetp(L, -1, t);
  lua_remove(L, -2);
}

void lsched_ready(struct task *t)
{
  t->status = TASK_READY;
  fdemu_list_append(&t->lk->ready, &t->link);
}

/* Nothing of the binding points to t any more; its userdata may. While it runs
 * it stays: lsched_resume() comes back here. */
static void unanchor(lua_State *L, struct task *t)
{
  t->over = true;
  if (t->running)
    return;
  lkernel_env(L, t->lk, ENV_TASKS);
  lua_pushnil(L);
  lua_rawsetp(L, -2, t);
  lua_pop(L, 1);
  luaL_unref(L, LUA_REGISTRYINDEX, t->guard);
  t->guard = LUA_NOREF;
}

static void abandon(struct task *t)
{
  fdemu_abandon(&t->call.req);
  lcall_free(&t->call);
}

/* t is over: tell who joined. A failed task stays anchored until somebody has
 * heard of its error. */
void lsched_end(lua_State *L, struct task *t, enum task_status status)
{
  struct lkernel *lk = t->lk;

  abandon(t);
  fdemu_list_remove(&t->link);
  fdemu_list_remove(&t->all);
  t->status = status;
  lk->ntasks -= !t->worker;
  if (!t->worker && !t->daemon)
    lk->live--;
  if (t->bound != NULL && t->bound->file != NULL)
    fdemu_wake(&t->bound->file->inode->wq, LDESC_ALL);
  while (!fdemu_list_empty(&t->joiners))
    fdemu_complete(fdemu_entry(t->joiners.next, struct fdemu_req, link), 0);
  if (status == TASK_ERROR)
    fdemu_list_append(&lk->failed, &t->link);
  else
    unanchor(L, t);
}

/* coroutine.close() on a waiting task's coroutine closes its guard: the
 * request must not outlive the wait (Lua 5.4). */
static int guard_close(lua_State *L)
{
  struct task **guard = lua_touserdata(L, 1);
  struct task *t = *guard;

  if (t == NULL || t->lk == NULL || t->status != TASK_WAITING)
    return 0;
  abandon(t);
  if (t->worker)
    lworker_closed(L, t);
  else
    lsched_end(L, t, TASK_CANCELLED);
  return 0;
}

/* Push t's guard as a to-be-closed value of the C function that will yield. */
void lsched_guard(lua_State *L, struct task *t)
{
#if LUA_VERSION_NUM >= 504
  if (t->guard == LUA_NOREF) {
    struct task **guard = lcompat_newuserdata(L, sizeof(struct task *));
    *guard = t;
    luaL_setmetatable(L, LFD_GUARD);
    t->guard = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, t->guard);
  lua_toclose(L, -1);
#else
  (void)L;
  (void)t;
#endif
}

/* ---- running ---------------------------------------------------------- */

/* An error is all that stays on the stack of a coroutine that it ended, with a
 * traceback if it is a message. */
static void keep_error(lua_State *co)
{
  if (lua_type(co, -1) == LUA_TSTRING &&
      strstr(lua_tostring(co, -1), "\nstack traceback:\n") == NULL)
    luaL_traceback(co, co, lua_tostring(co, -1), 0);
  lua_insert(co, 1);
}

/* A bound task ends when it yields to nobody, with an error. */
static void end_yielded(lua_State *L, struct task *t)
{
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  luaL_where(t->co, 1);
  lua_pushfstring(t->co,
                  "%scoroutine.yield in the body of a peer, which waits with "
                  "dev:read, dev:sleep and the like",
                  lua_tostring(t->co, -1));
  luaL_traceback(L, t->co, lua_tostring(t->co, -1), 0);
  lua_settop(t->co, 0);
  if (lcompat_resetthread(t->co) != LUA_OK)
    lua_settop(t->co, 0);
  lua_xmove(L, t->co, 1);
  lsched_end(L, t, TASK_ERROR);
}

/* Let t go on until it waits or ends. The caller has checked the stack. */
void lsched_resume(lua_State *L, struct task *t)
{
  struct lkernel *lk = t->lk;
  struct task *current = lk->current;
  int nargs = t->nargs, nres = 0, status;

  lk->current = t;
  t->status = TASK_RUNNING;
  t->running = true; /* and so it is not collected */
  t->nargs = 0;
  status = lcompat_resume(t->co, L, nargs, &nres);
  t->running = false;
  lk->current = current;
  lk->L = L;
  if (t->over) /* it has cancelled itself */
    unanchor(L, t);
  else if (status == LUA_YIELD) {
    lua_pop(t->co, nres);
    if (t->worker && !t->yielded) {
      t->yielded = true;
      t->wakes = t->file->inode->wq.seq;
    }
    if (t->status == TASK_RUNNING && t->bound != NULL)
      end_yielded(L, t);
    else if (t->status == TASK_RUNNING) /* coroutine.yield(): others run */
      lsched_ready(t);
  } else if (t->status == TASK_RUNNING) {
    t->nres = nres;
    if (status != LUA_OK)
      keep_error(t->co);
    if (t->worker)
      lworker_ended(L, t, status);
    else
      lsched_end(L, t, status == LUA_OK ? TASK_DONE : TASK_ERROR);
  }
}

/* In whose name t makes calls: a worker in that of its caller, who waits. */
uint32_t lsched_who(const struct task *t)
{
  if (t == NULL)
    return 0;
  if (t->worker)
    return t->serving != NULL ? t->serving->who : 0;
  return (uint32_t)t->id & ~FDEMU_WHO_PROC;
}

static struct task *ready_task(struct fdemu_list *n)
{
  return fdemu_entry(n, struct task, link);
}

static struct task *choose_ready(struct lkernel *lk)
{
  struct task *first = ready_task(lk->ready.next);
  struct fdemu_list *n;
  struct fdemu_choice c = { .kind = FDEMU_CHOICE_TURN,
                            .who = lsched_who(first),
                            .fd = -1,
                            .origin = first->call.req.origin };
  uint64_t behind = 0;

  for (n = first->link.next; n != &lk->ready; n = n->next)
    behind++;
  n = &first->link;
  for (behind = fdemu_choose(lk->k, &c, behind); behind > 0; behind--)
    n = n->next;
  c.other = lsched_who(ready_task(n));
  fdemu_chosen(lk->k, &c);
  return ready_task(n);
}

static struct task *next_ready(struct lkernel *lk)
{
  if (lk->random_order && lk->ready.next->next != &lk->ready)
    return choose_ready(lk);
  return ready_task(lk->ready.next);
}

/* Do one thing that can be done before the clock passes limit (ns). False if
 * there is none. */
bool lsched_step(lua_State *L, struct lkernel *lk, int64_t limit)
{
  unsigned completed = lk->completed;

  lk->L = L;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  if (lk->limits.asked)
    llimit_check(L, lk);
  if (!fdemu_list_empty(&lk->events))
    ltrace_deliver(L, lk);
  if (lworker_waits(lk) && lworker_drain(L, lk))
    return true;
  if (lk->random_order && fdemu_runnable(lk->k)) {
    fdemu_run(lk->k); /* who was woken may be the next, too */
    if (lworker_waits(lk))
      return true;
  }
  if (!fdemu_list_empty(&lk->ready)) {
    struct task *t = next_ready(lk);
    if (lk->limits.asked)
      llimit_step(L, lk);
    fdemu_list_remove(&t->link);
    lsched_resume(L, t);
    return true;
  }
  fdemu_run(lk->k);
  if (completed != lk->completed || lworker_waits(lk))
    return true;
  if (!fdemu_list_empty(&lk->polled)) { /* before the time moves on */
    int64_t now = fdemu_now(lk->k);
    if (fdemu_tick(lk->k, now < limit ? now : limit))
      return true;
    lhonest_wakes(L, lk);
  }
  return fdemu_tick(lk->k, limit);
}

/* ---- deadlock --------------------------------------------------------- */

static void set_integer(lua_State *L, const char *key, lua_Integer n)
{
  lua_pushinteger(L, n);
  lua_setfield(L, -2, key);
}

static void set_string(lua_State *L, const char *key, const char *s)
{
  lua_pushstring(L, s);
  lua_setfield(L, -2, key);
}

/* Who has an object: { {pid=, fd=, id=, flags=}, ...} */
void lsched_push_holders(lua_State *L, struct lkernel *lk,
                         const struct fdemu_inode *inode)
{
  struct fdemu_proc *p;
  lua_Integer n = 0;

  lua_newtable(L);
  for (int pid = 0; (p = fdemu_next_proc(lk->k, pid)) != NULL;
       pid = fdemu_getpid(p) + 1)
    for (int fd = 0; (fd = fdemu_next_fd(p, fd)) >= 0; fd++) {
      const struct fdemu_file *f = fdemu_file_at(p, fd);
      if (f->inode != inode)
        continue;
      lua_createtable(L, 0, 4);
      set_integer(L, "pid", fdemu_getpid(p));
      set_integer(L, "fd", fd);
      set_integer(L, "id", (lua_Integer)f->id);
      set_integer(L, "flags", f->flags);
      lcall_push_origin(L, lk, fdemu_origin(p, fd));
      lua_setfield(L, -2, "origin");
      lcall_push_origin(L, lk, fdemu_forked(p, fd));
      lua_setfield(L, -2, "forked");
      lua_rawseti(L, -2, ++n);
    }
}

/* bind(task, description): whoever waits for the description hears of the end
 * of the task, which is the body of its peer and must not yield. */
int lsched_bind(lua_State *L)
{
  struct task *t = larg_udata(L, 1, LFD_TASK);

  t->bound = ldesc_check(L, 2);
  lua_settop(L, 2);
  lua_getiuservalue(L, 1, 1);
  lua_pushvalue(L, 2);
  lua_rawseti(L, -2, 3);
  return 0;
}

/* The line that waits. */
static void set_where(lua_State *L, lua_State *co)
{
  lcall_where(L, co);
  lua_setfield(L, -2, "where");
}

/* The lock that r waits for: a struct flock's fields, and file, the id of the
 * description that has it, or 0. */
static void set_lock(lua_State *L, const struct fdemu_req *r)
{
  struct fdemu_lockinfo info;

  if (!fdemu_awaited_lock(r, &info))
    return;
  lfcntl_push_flock(L, &info.lock);
  set_integer(L, "file", (lua_Integer)info.file);
  lua_setfield(L, -2, "lock");
}

static void set_request(lua_State *L, struct lkernel *lk,
                        const struct fdemu_req *r)
{
  int events = r->call->events;
  const struct fdemu_file *f = fdemu_awaited_file(r, &events);

  if (f == NULL)
    f = r->file;
  set_string(L, "call", r->call->name);
  lua_pushboolean(L, r->result != FDEMU_PENDING);
  lua_setfield(L, -2, "answered");
  set_integer(L, "pid", fdemu_getpid(r->proc));
  if (r->on == NULL && r->call->flags & FDEMU_CALL_FD)
    set_integer(L, "fd", r->fd);
  set_integer(L, "events", events);
  if (r->call == &lsched_join_call) {
    lsched_push_name(L, (struct task *)(uintptr_t)r->arg);
    lua_setfield(L, -2, "target");
  }
  lwaiting_set(L, lk, r);
  if (f == NULL)
    return;
  lwaiting_file(L, lk, f);
  lepoll_push_interests(L, lk, f);
  lua_setfield(L, -2, "interests");
  set_lock(L, r);
}

static void set_task_name(lua_State *L, struct task *t)
{
  push_task(L, t);
  lua_getiuservalue(L, -1, 1);
  lua_getfield(L, -1, "name");
  lua_setfield(L, -4, "task");
  lua_pop(L, 2);
}

/* Push the name of a task; nil for NULL and for a worker. */
void lsched_push_name(lua_State *L, struct task *t)
{
  if (t == NULL || t->worker) {
    lua_pushnil(L);
    return;
  }
  push_task(L, t);
  lua_getiuservalue(L, -1, 1);
  lua_getfield(L, -1, "name");
  lua_replace(L, -3);
  lua_pop(L, 1);
}

/* What a method's request is for: "read of thermo". */
static void set_worker(lua_State *L, const struct task *t)
{
  lua_pushfstring(L, "%s of driver '%s'", t->slot->name, t->file->ops->name);
  lua_setfield(L, -2, "method");
}

static struct call *nested_in(struct lkernel *lk, const lua_State *co)
{
  for (struct call *c = lk->nested; c != NULL; c = c->outer)
    if (c->L == co)
      return c;
  return NULL;
}

static bool waits(struct lkernel *lk, struct task *t)
{
  return t->status == TASK_WAITING ||
         (t->status == TASK_RUNNING && nested_in(lk, t->co) != NULL);
}

/* waiting(kernel) -> a list of tables, one for each that waits: for the text of
 * a deadlock, which is composed in Lua. */
int lsched_waiting(lua_State *L)
{
  struct lkernel *lk = lkernel_check(L, 1);
  struct fdemu_list *n;
  lua_Integer i = 0;

  lua_newtable(L);
  for (n = lk->tasks.next; n != &lk->tasks; n = n->next) {
    struct task *t = fdemu_entry(n, struct task, all);
    struct call *c = nested_in(lk, t->co);
    if (!waits(lk, t))
      continue;
    lua_newtable(L);
    if (t->worker)
      set_worker(L, t);
    else
      set_task_name(L, t);
    set_where(L, t->co);
    set_request(L, lk, c != NULL ? &c->req : &t->call.req);
    lua_pushboolean(L, t->daemon);
    lua_setfield(L, -2, "daemon");
    lua_rawseti(L, -2, ++i);
  }
  for (struct call *c = lk->nested; c != NULL; c = c->outer) {
    bool listed = false;
    for (n = lk->tasks.next; n != &lk->tasks; n = n->next)
      if (fdemu_entry(n, struct task, all)->co == c->L)
        listed = true;
    if (listed)
      continue;
    lua_newtable(L);
    set_where(L, c->L);
    set_request(L, lk, &c->req);
    lua_rawseti(L, -2, ++i);
  }
  return 1;
}

/* The error of a task that nobody has joined, raised here. */
static void raise_failed(lua_State *L, struct lkernel *lk)
{
  struct task *t;

  if (fdemu_list_empty(&lk->failed))
    return;
  t = fdemu_entry(lk->failed.next, struct task, link);
  fdemu_list_remove(&t->link);
  push_task(L, t);
  unanchor(L, t);
  lua_pushvalue(t->co, 1);
  lua_xmove(t->co, L, 1);
  lua_error(L);
}

/* Raise what explains best why nothing goes on. */
void lsched_deadlock(lua_State *L, struct lkernel *lk)
{
  lcall_raise_orphan(L, lk);
  raise_failed(L, lk);
  lua_getfield(L, LUA_REGISTRYINDEX, LFD_EXPLAIN);
  lua_pushcfunction(L, lsched_waiting);
  lkernel_push(L, lk);
  lua_call(L, 1, 1);
  lua_call(L, 1, 1);
  lua_error(L);
}

static bool bound_ready(struct lkernel *lk)
{
  const struct fdemu_list *n;

  fdemu_run(lk->k);
  for (n = lk->ready.next; n != &lk->ready; n = n->next)
    if (fdemu_entry(n, struct task, link)->bound != NULL)
      return true;
  return false;
}

/* ---- kernel methods --------------------------------------------------- */

/* k:run([seconds]) -> whether every task that is not a daemon is done */
int lsched_run(lua_State *L)
{
  struct lkernel *lk = lkernel_check(L, 1);
  int64_t limit = INT64_MAX;

  if (!lua_isnoneornil(L, 2)) {
    double seconds = larg_number(L, 2);
    larg_check(L, seconds >= 0, 2, "seconds must not be negative");
    if (seconds * NANO < 9e18 - (double)fdemu_now(lk->k))
      limit = fdemu_now(lk->k) + (int64_t)llround(seconds * NANO);
  }
  if (lk->current != NULL)
    return luaL_error(L, "run called from inside a task");
  if (lk->polling > 0)
    return luaL_error(L, "run called from inside a driver's poll");
  while (lk->live > 0 && lsched_step(L, lk, limit))
    ;
  while (lk->live == 0 && bound_ready(lk)) /* peers hear of the last words */
    lsched_step(L, lk, fdemu_now(lk->k));
  while (lworker_drain(L, lk))
    ;
  ltrace_deliver(L, lk);
  lcall_raise_orphan(L, lk);
  raise_failed(L, lk);
  if (lk->live > 0 && limit == INT64_MAX)
    lsched_deadlock(L, lk);
  if (lk->live > 0)
    fdemu_set_now(lk->k, limit);
  lua_pushboolean(L, lk->live == 0);
  return 1;
}

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

/* spawn(fn, ...) or spawn{fn, ..., name=, daemon=}, arguments from index 2 on:
 * push the task. */
int lsched_spawn(lua_State *L, struct lkernel *lk, int pid)
{
  struct task *t;
  int options = 0, n;

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
  t = lsched_new(L, lk);
  lua_insert(L, -1 - n);
  t->id = ++lk->last_task;
  t->pid = pid;
  lua_getiuservalue(L, -1 - n, 1);
  if (options == 0 || lua_getfield(L, options, "name") != LUA_TSTRING) {
    if (options != 0)
      lua_pop(L, 1);
    lua_pushfstring(L, "task %d", (int)t->id);
  }
  lchoice_name(L, t);
  lua_setfield(L, -2, "name");
  lua_pop(L, 1);
  if (options != 0) {
    lua_getfield(L, options, "daemon");
    t->daemon = lua_toboolean(L, -1);
    lua_pop(L, 1);
  }
  if (!lua_checkstack(t->co, n + LUA_MINSTACK))
    return luaL_error(L, "too many arguments");
  lua_xmove(L, t->co, n);
  t->nargs = n - 1;
  lk->ntasks++;
  if (!t->daemon)
    lk->live++;
  lsched_ready(t);
  return 1;
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
  lua_getiuservalue(L, 1, 1);
  lua_getfield(L, -1, "name");
  lua_remove(L, -2);
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

const struct fdemu_call lsched_join_call = {
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
      unanchor(L, t);
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
  c = lcall_begin(L, t->lk, &local, &lsched_join_call);
  c->req.arg = (int64_t)(uintptr_t)t;
  c->result = join_result;
  return lcall_submit(L, fdemu_kernel_self(t->lk->k), c);
}

/* End a task that is not on the C stack. Other than LUA_OK: a __close has
 * raised what is now on top of the stack. */
static int cancel(lua_State *L, struct task *t)
{
  int status;

  push_task(L, t); /* an anchor */
  abandon(t);
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
int lsched_end_process(lua_State *L, struct lkernel *lk, int pid)
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
      t->call.req.call != &lsched_join_call)
    return &t->call.req;
  for (struct call *c = t->lk->nested; c != NULL; c = c->outer)
    if (c->L == t->co && c->req.result == FDEMU_PENDING &&
        c->req.call != &lsched_join_call)
      return &c->req;
  return NULL;
}

/* task:interrupt() -> whether it waits in a system call. That ends with EINTR,
 * or with what it has moved, as if a signal had come. */
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
    abandon(t);
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

int lsched_open(lua_State *L)
{
  luaL_newmetatable(L, LFD_GUARD);
  lua_pushcfunction(L, guard_close);
  lua_setfield(L, -2, "__close");
  luaL_newmetatable(L, LFD_TASK);
  luaL_setfuncs(L, metamethods, 0);
  lua_newtable(L);
  larg_register(L, methods, -2);
  lua_pushcclosure(L, task_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 2);
  return 0;
}
