/*
 * lsched.c - tasks: coroutines, and who runs when
 *
 * A task is ready (in lk->ready), running (up the C stack of whoever resumed
 * it), waiting (for the request in task->call) or over. The results, or the
 * error, of one that is over stay on its coroutine's stack.
 */
#include <string.h>

#include "lua/lfdemu.h"

#define NANO 1e9

/* ---- the life of a task ----------------------------------------------- */

/* Push what the task at index has in its user value (TASK_THREAD, ...). */
void lsched_push_value(lua_State *L, int index, int what)
{
  lua_getiuservalue(L, index, 1);
  lua_rawgeti(L, -1, what);
  lua_remove(L, -2);
}

/* Push a new task, anchored in env, with a coroutine that has room for a
 * function and its arguments. Its name is on top of the stack, and is popped. */
struct task *lsched_new(lua_State *L, struct lkernel *lk, int nargs)
{
  struct task *t = lcompat_newuserdata(L, sizeof *t);

  *t = (struct task){ .lk = NULL, .status = TASK_READY, .guard = LUA_NOREF };
  fdemu_list_init(&t->link);
  fdemu_list_init(&t->all);
  fdemu_list_init(&t->joiners);
  luaL_setmetatable(L, LFD_TASK);
  lua_createtable(L, TASK_BOUND, 0);
  t->co = lua_newthread(L);
  lua_rawseti(L, -2, TASK_THREAD);
  lkernel_push(L, lk); /* whoever holds a Task holds its kernel */
  lua_rawseti(L, -2, TASK_KERNEL);
  lua_pushvalue(L, -3);
  lua_rawseti(L, -2, TASK_NAME);
  lua_setiuservalue(L, -2, 1);
  lua_remove(L, -2);
  if (!lua_checkstack(t->co, nargs + LUA_MINSTACK))
    luaL_error(L, "too many arguments");
  lkernel_env(L, lk, ENV_TASKS);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, t);
  lua_pop(L, 1);
  t->lk = lk;
  fdemu_list_append(&lk->tasks, &t->all);
  return t;
}

/* Push the userdata of a task that is anchored. */
void lsched_push(lua_State *L, struct task *t)
{
  lkernel_env(L, t->lk, ENV_TASKS);
  lua_rawgetp(L, -1, t);
  lua_remove(L, -2);
}

/* Push the name of a task; nil for NULL and for a worker. Allocates nothing. */
void lsched_push_name(lua_State *L, struct task *t)
{
  if (t == NULL || t->worker) {
    lua_pushnil(L);
    return;
  }
  lsched_push(L, t);
  lsched_push_value(L, -1, TASK_NAME);
  lua_remove(L, -2);
}

void lsched_ready(struct task *t)
{
  t->status = TASK_READY;
  fdemu_list_append(&t->lk->ready, &t->link);
}

/* The coroutine may be there, and be closed, when t is not. */
static void unguard(lua_State *L, struct task *t)
{
  if (t->guard == LUA_NOREF)
    return;
  lua_rawgeti(L, LUA_REGISTRYINDEX, t->guard);
  *(struct task **)lua_touserdata(L, -1) = NULL;
  lua_pop(L, 1);
  luaL_unref(L, LUA_REGISTRYINDEX, t->guard);
  t->guard = LUA_NOREF;
}

/* Nothing of the binding points to t any more; its userdata may. While it runs
 * it stays: lsched_resume() comes back here. */
void lsched_unanchor(lua_State *L, struct task *t)
{
  t->over = true;
  if (t->running)
    return;
  lkernel_env(L, t->lk, ENV_TASKS);
  lua_pushnil(L);
  lua_rawsetp(L, -2, t);
  lua_pop(L, 1);
  unguard(L, t);
}

/* t waits for nothing any more. */
void lsched_abandon(struct task *t)
{
  fdemu_abandon(&t->call.req);
  lcall_free(&t->call);
}

/* t is over: tell who joined. A failed task stays anchored until somebody has
 * heard of its error. */
void lsched_end(lua_State *L, struct task *t, enum task_status status)
{
  struct lkernel *lk = t->lk;

  lsched_abandon(t);
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
    lsched_unanchor(L, t);
}

/* t is over because its kernel is, which has no env any more. */
void lsched_drop(lua_State *L, struct task *t)
{
  lsched_abandon(t);
  fdemu_list_remove(&t->link);
  fdemu_list_remove(&t->all);
  t->status = TASK_CANCELLED;
  unguard(L, t);
}

/* coroutine.close() on a waiting task's coroutine closes its guard: the
 * request must not outlive the wait (Lua 5.4). */
static int guard_close(lua_State *L)
{
  struct task **guard = lua_touserdata(L, 1);
  struct task *t = *guard;

  if (t == NULL || t->lk == NULL || t->status != TASK_WAITING)
    return 0;
  lsched_abandon(t);
  if (t->worker)
    lworker_closed(L, t);
  else
    lsched_end(L, t, TASK_CANCELLED);
  return 0;
}

/* Give t its guard, before the first call that might have to wait. */
void lsched_make_guard(lua_State *L, struct task *t)
{
#if LUA_VERSION_NUM >= 504
  struct task **guard = lcompat_newuserdata(L, sizeof(struct task *));

  *guard = t;
  luaL_setmetatable(L, LFD_GUARD);
  t->guard = luaL_ref(L, LUA_REGISTRYINDEX);
#else
  (void)L;
  (void)t;
#endif
}

/* Push t's guard as a to-be-closed value of the C function that will yield. */
void lsched_guard(lua_State *L, struct task *t)
{
#if LUA_VERSION_NUM >= 504
  lua_rawgeti(L, LUA_REGISTRYINDEX, t->guard);
  lua_toclose(L, -1);
#else
  (void)L;
  (void)t;
#endif
}

/* ---- running ---------------------------------------------------------- */

/* (coroutine, message) -> the message with where the coroutine is */
static int add_traceback(lua_State *L)
{
  luaL_traceback(L, lua_touserdata(L, 1), lua_tostring(L, 2), 0);
  return 1;
}

/* (coroutine) -> what is wrong with its yielding */
static int yielded_error(lua_State *L)
{
  lua_State *co = lua_touserdata(L, 1);

  lua_settop(L, 1);
  lcall_where(L, co);
  lua_pushfstring(L,
                  "%s%scoroutine.yield in the body of a peer, which waits with "
                  "dev:read, dev:sleep and the like",
                  lua_isnil(L, 2) ? "" : lua_tostring(L, 2),
                  lua_isnil(L, 2) ? "" : ": ");
  lua_replace(L, 2);
  lua_settop(L, 2);
  return add_traceback(L);
}

/* An error is all that stays on the stack of a coroutine that it ended: with a
 * traceback, if it is a message that says nothing of the place; without memory
 * for that, as it is. */
static void keep_error(lua_State *L, lua_State *co, bool trace)
{
  if (trace && lua_type(co, -1) == LUA_TSTRING &&
      strstr(lua_tostring(co, -1), "\nstack traceback:\n") == NULL) {
    lua_pushcfunction(L, add_traceback);
    lua_pushlightuserdata(L, co);
    lua_pushvalue(co, -1);
    lua_xmove(co, L, 1);
    lua_pcall(L, 2, 1, 0);
    lua_xmove(L, co, 1);
  }
  lua_insert(co, 1);
}

/* A bound task ends when it yields to nobody, with an error. */
static void end_yielded(lua_State *L, struct task *t)
{
  lua_pushcfunction(L, yielded_error);
  lua_pushlightuserdata(L, t->co);
  lua_pcall(L, 1, 1, 0);
  lua_settop(t->co, 0);
  if (lcompat_resetthread(t->co) != LUA_OK)
    lua_settop(t->co, 0);
  lua_xmove(L, t->co, 1);
  lsched_end(L, t, TASK_ERROR);
}

/* Let t go on until it waits or ends. L has room for LUA_MINSTACK values.
 * Nothing is raised. */
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
    lsched_unanchor(L, t);
  else if (status == LUA_YIELD) {
    lua_pop(t->co, nres);
    if (t->worker && !t->yielded) {
      t->yielded = true;
      t->starting = NULL;
      t->wakes = t->file->inode->wq.seq;
    }
    if (t->status == TASK_RUNNING && t->bound != NULL)
      end_yielded(L, t);
    else if (t->status == TASK_RUNNING) /* coroutine.yield(): others run */
      lsched_ready(t);
  } else if (t->status == TASK_RUNNING) {
    t->nres = nres;
    if (status != LUA_OK)
      keep_error(L, t->co, !t->judging);
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

static struct task *ready_task(const struct fdemu_list *n)
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
 * there is none. The caller has checked that L has room for LUA_MINSTACK. */
bool lsched_step(lua_State *L, struct lkernel *lk, int64_t limit)
{
  unsigned completed = lk->completed;

  lk->L = L;
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

/* ---- whether it fits together ------------------------------------------ */

static const char *check_list(const struct fdemu_list *list,
                              enum task_status status, const char *wrong)
{
  for (const struct fdemu_list *n = list->next; n != list; n = n->next) {
    const struct task *t = ready_task(n);
    if (t->status != status || t->running)
      return wrong;
  }
  return NULL;
}

/* NULL, or what is wrong with the tasks. */
const char *lsched_check(const struct lkernel *lk)
{
  const char *wrong = check_list(&lk->ready, TASK_READY,
                                 "a task in the ready list that is not");
  int live = 0, ntasks = 0;

  if (wrong == NULL)
    wrong = check_list(&lk->idle, TASK_DONE, "an idle worker that is not");
  for (const struct fdemu_list *n = lk->tasks.next; n != &lk->tasks;
       n = n->next) {
    const struct task *t = fdemu_entry(n, struct task, all);
    if (t->lk != lk || t->over)
      return "a task in the list of another kernel, or that is over";
    ntasks += !t->worker;
    live += t->worker ? t->file != NULL && t->counts : !t->daemon;
  }
  if (wrong == NULL && (live != lk->live || ntasks != lk->ntasks))
    wrong = "a wrong number of tasks";
  return wrong;
}

/* ---- deadlock --------------------------------------------------------- */

/* The error of a task that nobody has joined, raised here. */
static void raise_failed(lua_State *L, struct lkernel *lk)
{
  struct task *t;

  if (fdemu_list_empty(&lk->failed))
    return;
  t = fdemu_entry(lk->failed.next, struct task, link);
  fdemu_list_remove(&t->link);
  lsched_push(L, t);
  lsched_unanchor(L, t);
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
  lua_pushcfunction(L, lwaiting_list);
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
      limit = fdemu_now(lk->k) + larg_nanoseconds(seconds);
  }
  if (lk->current != NULL)
    return luaL_error(L, "run called from inside a task");
  if (lk->polling > 0)
    return luaL_error(L, "run called from inside a driver's poll");
  luaL_checkstack(L, LUA_MINSTACK, NULL);
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

int lsched_open(lua_State *L)
{
  luaL_newmetatable(L, LFD_GUARD);
  lua_pushliteral(L, "the coroutine of a driver's method was closed");
  lua_pushcclosure(L, guard_close, 1);
  lua_setfield(L, -2, "__close");
  lua_pop(L, 1);
  return 0;
}
