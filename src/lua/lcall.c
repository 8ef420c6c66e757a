/* lcall.c - calls from Lua: submit, wait where one can, give the results */
#include <errno.h>
#include <string.h>

#include "lua/lfdemu.h"

/* ---- results ---------------------------------------------------------- */

/* nil, message, errno. Apart, as errors are in whoever has results. */
APART int lcall_error(lua_State *L, int64_t result, const char *path)
{
  int error = (int)-result;

  luaL_pushfail(L);
  if (path != NULL)
    lua_pushfstring(L, "%s: %s", path, strerror(error));
  else
    lua_pushstring(L, strerror(error));
  lua_pushinteger(L, error);
  return 3;
}

int lcall_integer(lua_State *L, struct call *c)
{
  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
  lua_pushinteger(L, (lua_Integer)c->req.result);
  return 1;
}

/* The bytes of a read. */
int lcall_string(lua_State *L, struct call *c)
{
  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
  lua_pushlstring(L, lcall_data(c), (size_t)c->req.result);
  return 1;
}

static int push_results(lua_State *L, struct call *c)
{
  if (c->store != NULL)
    c->req.buf.iov_base = c->store; /* what was read */
  if (c->lk->origins)
    lmisuse_note(L, c);
  return c->failed ? 0 : c->result(L, c);
}

/* (the caller's stack, call): its results */
static int result_protected(lua_State *L)
{
  struct call *c = lua_touserdata(L, -1);

  lua_pop(L, 1);
  return push_results(L, c);
}

/* The same on a copy of the stack: it may raise, and the store must not be lost
 * then. */
static int result_of_store(lua_State *L, struct call *c)
{
  int top = lua_gettop(L), status;

  if (!lua_checkstack(L, top + LUA_MINSTACK)) {
    lcall_free(c);
    return luaL_error(L, "not enough memory");
  }
  lua_pushcfunction(L, result_protected);
  for (int i = 1; i <= top; i++)
    lua_pushvalue(L, i);
  lua_pushlightuserdata(L, c);
  status = lua_pcall(L, top + 1, LUA_MULTRET, 0);
  lcall_free(c);
  return status == LUA_OK ? lua_gettop(L) - top : lua_error(L);
}

/* ---- errors of drivers ------------------------------------------------ */

/* The error on top of the stack is for whoever waits for r, or for the next
 * who looks: a bug in a driver is loud. Pops it. */
void lcall_fail(lua_State *L, struct lkernel *lk, struct fdemu_req *r)
{
  struct call *c;

  if (r == NULL || !lcall_is(r)) {
    lcall_orphan(L, lk, LUA_ERRRUN);
    return;
  }
  c = r->user;
  c->failed = true;
  lkernel_set(L, lk, ENV_ERRORS, c);
}

/* There is no memory, which the next who looks will hear of. */
void lcall_orphan_memory(struct lkernel *lk)
{
  lk->orphan = lk->no_memory = lk->attention = true;
}

/* status: of what gave the error. */
void lcall_orphan(lua_State *L, struct lkernel *lk, int status)
{
  if (status == LUA_ERRMEM) {
    lua_pop(L, 1);
    lcall_orphan_memory(lk);
    return;
  }
  if (lk->orphan) { /* the first is the one that explains the others */
    lua_pop(L, 1);
    return;
  }
  lk->orphan = lk->attention = true;
  lkernel_env(L, lk, 0);
  lua_insert(L, -2);
  lua_rawseti(L, -2, ENV_ORPHAN);
  lua_pop(L, 1);
}

void lcall_raise_orphan(lua_State *L, struct lkernel *lk)
{
  if (!lk->orphan)
    return;
  lk->orphan = false;
  if (lk->no_memory) {
    lk->no_memory = false;
    llimit_no_memory(L, lk);
  }
  lkernel_env(L, lk, ENV_ORPHAN);
  lkernel_env(L, lk, 0);
  lua_pushboolean(L, 0);
  lua_rawseti(L, -2, ENV_ORPHAN);
  lua_pop(L, 1);
  lua_error(L);
}

static int raise(lua_State *L, struct call *c)
{
  c->failed = false;
  lkernel_env(L, c->lk, ENV_ERRORS);
  if (lua_rawgetp(L, -1, c) == LUA_TNIL) /* there was no room for it */
    return llimit_no_memory(L, c->lk);
  lua_pushnil(L);
  lua_rawsetp(L, -3, c);
  return lua_error(L);
}

/* ---- the store -------------------------------------------------------- */

void lcall_free(struct call *c)
{
  if (c->store != NULL)
    lmem_free(c->lk, c->store, c->cap);
  c->store = NULL;
  c->cap = 0;
}

static int store_grow(struct call *c, size_t size)
{
  size_t cap = c->cap > 0 ? c->cap : 64;
  char *store;

  while (cap < size)
    cap *= 2;
  if (cap == c->cap)
    return 0;
  store = lmem_resize(c->lk, c->store, c->cap, cap);
  if (store == NULL)
    return -ENOMEM;
  c->store = store;
  c->cap = cap;
  return 0;
}

static struct call *call_of(const struct fdemu_mem *m)
{
  return fdemu_entry(m, struct call, mem);
}

/* An address is an offset from the scratch buffer. */
static int store_store(const struct fdemu_mem *m, void *addr, const void *src,
                       size_t n)
{
  struct call *c = call_of(m);
  size_t offset = (size_t)((uintptr_t)addr - (uintptr_t)c->lk->scratch);
  int error = store_grow(c, offset + n);

  if (error < 0)
    return error;
  if (src != NULL)
    memcpy(c->store + offset, src, n);
  else
    memset(c->store + offset, 0, n);
  return 0;
}

static int store_load(const struct fdemu_mem *m, void *dst, const void *addr,
                      size_t n)
{
  const struct call *c = call_of(m);
  size_t offset = (size_t)((uintptr_t)addr - (uintptr_t)c->lk->scratch);

  if (n > c->cap || offset > c->cap - n)
    return -EFAULT;
  memcpy(dst, c->store + offset, n);
  return 0;
}

static void use_store(struct call *c)
{
  c->mem.load = store_load;
  c->mem.store = store_store;
  c->req.mem = &c->mem;
}

/* keep() of reads. A few bytes need no memory. */
int lcall_keep_data(struct call *c)
{
  if (c->req.mem != NULL)
    return 0;
  if (c->req.buf.iov_len <= sizeof c->few && c->req.iov == NULL) {
    memcpy(c->few, c->lk->scratch, c->req.done);
    c->req.buf.iov_base = c->few;
    return 0;
  }
  if (c->req.done > 0) {
    if (store_grow(c, c->req.done) < 0)
      return -ENOMEM;
    memcpy(c->store, c->lk->scratch, c->req.done);
  }
  use_store(c);
  return 0;
}

/* keep() of calls that have an argument block in the scratch buffer. */
int lcall_keep_copy(struct call *c)
{
  if (store_grow(c, c->req.buf.iov_len) < 0)
    return -ENOMEM;
  memcpy(c->store, c->req.buf.iov_base, c->req.buf.iov_len);
  c->req.buf.iov_base = c->store;
  return 0;
}

/* The rest of lcall_want(). What does not fit into scratch grows from the start.
 * Of many it is enough to know where they are, unless finalizers may run before
 * they are looked at. */
APART void lcall_want_many(struct call *c)
{
  c->req.lends = !c->lk->origins;
  if (c->req.buf.iov_len > SCRATCH_SIZE) {
    /* The result is taken from the store even if nothing came. */
    use_store(c);
  }
}

/* Lua is called in the middle of the core, where nobody may wait: a call may
 * have its data in the scratch buffer, so what is called gets another. Returns
 * what lcall_resume() wants, or NULL without memory. */
char *lcall_interrupt(struct lkernel *lk)
{
  char *scratch = lk->scratch;
  char *other = lk->spare;

  if (other == NULL)
    other = lmem_resize(lk, NULL, 0, SCRATCH_SIZE);
  if (other == NULL)
    return NULL;
  lk->spare = NULL;
  lk->scratch = other;
  lk->polling++;
  return scratch;
}

void lcall_resume(struct lkernel *lk, char *scratch)
{
  lk->polling--;
  lmem_free(lk, lk->spare, SCRATCH_SIZE);
  lk->spare = lk->scratch;
  lk->scratch = scratch;
}

/* ---- calling and waiting ---------------------------------------------- */

/* A task that is running is still in its driver's method, below this on the C
 * stack, and will see that the answer is there. */
static void completed(struct fdemu_req *r)
{
  struct call *c = r->user;

  c->lk->completed++;
  if (c->task != NULL && c->task->status == TASK_WAITING)
    lsched_ready(c->task);
}

bool lcall_is(const struct fdemu_req *r)
{
  return r->complete == completed;
}

/* Push "file:line" of the innermost Lua function, or nil. */
void lcall_where(lua_State *L, lua_State *co)
{
  lua_Debug ar;

  for (int level = 0; lua_getstack(co, level, &ar); level++) {
    lua_getinfo(co, "Sl", &ar);
    if (ar.currentline > 0 && strstr(ar.source, "fdemu/peer.lua") == NULL) {
      lua_pushfstring(L, "%s:%d", ar.short_src, ar.currentline);
      return;
    }
  }
  lua_pushnil(L);
}

/* A number for the line that calls, from which the text can be had again:
 * both ways in env. */
uint32_t lcall_origin(lua_State *L, struct lkernel *lk)
{
  uint32_t id;

  lcall_where(L, L);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return 0;
  }
  lkernel_env(L, lk, ENV_ORIGINS);
  lua_pushvalue(L, -2);
  if (lua_rawget(L, -2) == LUA_TNUMBER)
    id = (uint32_t)lua_tointeger(L, -1);
  else {
    id = (uint32_t)lua_rawlen(L, -2) + 1;
    lua_pushvalue(L, -3);
    lua_rawseti(L, -3, id);
    lua_pushvalue(L, -3);
    lua_pushinteger(L, id);
    lua_rawset(L, -4);
  }
  lua_pop(L, 3);
  return id;
}

/* For descriptors that are made without a call. */
void lcall_set_origin(lua_State *L, struct lkernel *lk)
{
  fdemu_set_origin(lk->k, lk->origins ? lcall_origin(L, lk) : 0);
}

/* "file:line", or nil: pushed. Allocates nothing. */
void lcall_push_origin(lua_State *L, struct lkernel *lk, uint32_t id)
{
  lkernel_env(L, lk, ENV_ORIGINS);
  lua_rawgeti(L, -1, id);
  lua_remove(L, -2);
}

/* Of the request what comes before proc; the rest is core's. In parts: gcc makes
 * a slow loop of more than 80 bytes. */
static inline void call_clear(struct call *c)
{
  const size_t size = offsetof(struct fdemu_req, proc), half = size / 2;
  const size_t task = offsetof(struct call, task);

  memset(&c->req, 0, half);
  memset((char *)&c->req + half, 0, size - half);
  memset((char *)c + task, 0, offsetof(struct call, mem) - task);
}

/*
 * Most calls are over when the core has answered. What makes more of one than
 * that (limits, origins; methods of drivers, events and errors that have come
 * up in it) sets lk->attention, so that others need not look for it.
 */
bool lcall_wants_attention(const struct lkernel *lk)
{
  return lk->limits.asked || lk->origins || lk->orphan ||
         !fdemu_list_empty(&lk->dying) || !fdemu_list_empty(&lk->events);
}

/* The same for what comes before a call: lk->careful. */
bool lcall_wants_care(const struct lkernel *lk)
{
  return lk->limits.asked || lk->origins || lk->telling;
}

RARE static void attend(lua_State *L, struct lkernel *lk, struct call *c)
{
  if (!fdemu_list_empty(&lk->dying))
    lworker_drain(L, lk);
  if (!fdemu_list_empty(&lk->events))
    ltrace_deliver(L, lk);
  if (c->failed)
    raise(L, c);
  lcall_raise_orphan(L, lk);
  if (lk->limits.asked)
    llimit_check(L, lk);
  if (lk->misused && lk->strict)
    lmisuse_raise(L, lk);
  lk->attention = lcall_wants_attention(lk);
}

/* The task whose call this is, and which may wait in its own coroutine. */
static struct task *waiting_task(lua_State *L, const struct lkernel *lk)
{
  struct task *t = lk->current;

  if (t == NULL || t->co != L || !lua_isyieldable(L))
    return NULL;
  if (t->call.req.result == FDEMU_PENDING)
    fdemu_abandon(&t->call.req); /* an error kept it from being waited for */
  return t;
}

static inline struct call *call_init(struct call *c, lua_State *L,
                                     struct lkernel *lk,
                                     const struct fdemu_call *what)
{
  call_clear(c);
  c->lk = lk;
  c->L = L;
  c->result = lcall_integer;
  c->req.call = what;
  c->req.complete = completed;
  c->req.user = c;
  return c;
}

/* In a task, or when there is more to do. Apart, so that the rest needs no
 * registers that have to be kept. */
static APART struct call *begin_with_care(lua_State *L, struct lkernel *lk,
                                          struct call *local,
                                          const struct fdemu_call *what)
{
  struct task *t;
  struct call *c;

  if (lk->limits.asked)
    llimit_step(L, lk);
  t = waiting_task(L, lk);
  if (t != NULL && t->guard == LUA_NOREF)
    lsched_make_guard(L, t);
  c = call_init(t != NULL ? &t->call : local, L, lk, what);
  c->task = t;
  if (lk->telling)
    c->req.quiet = true; /* what looks on changes nothing */
  if (lk->origins)
    c->req.origin = lcall_origin(L, lk);
  if (lk->current != NULL)
    c->req.who = lsched_who(lk->current);
  lk->L = L; /* memory was needed, and finalizers may have made calls */
  return c;
}

/* A call to fill in: its task's, or local, which is the caller's C frame. */
struct call *lcall_begin(lua_State *L, struct lkernel *lk, struct call *local,
                         const struct fdemu_call *what)
{
  lk->L = L;
  if (lk->current != NULL || lk->careful)
    return begin_with_care(L, lk, local, what);
  return call_init(local, L, lk, what);
}

static APART int finish_with_care(lua_State *L, struct call *c)
{
  struct lkernel *lk = c->lk;
  int n;

  if (lk->no_memory && !c->failed) {
    lcall_free(c);
    lcall_raise_orphan(L, lk); /* or it would be for an innocent */
  }
  n = c->store != NULL ? result_of_store(L, c) : push_results(L, c);
  if (lk->attention || c->failed)
    attend(L, lk, c);
  return n;
}

/* The answer is there: push it. What comes up while it is pushed (finalizers
 * run) is the next call's. */
static inline int finish(lua_State *L, struct call *c)
{
  if (c->lk->attention || c->store != NULL)
    return finish_with_care(L, c);
  return c->result(L, c);
}

/* The same after a wait, or a method in Lua, which may have failed. */
static int finish_wait(lua_State *L, struct call *c)
{
  fdemu_abandon(&c->req);
  return c->failed ? finish_with_care(L, c) : finish(L, c);
}

static int resumed(lua_State *L, int status, lua_KContext ctx)
{
  struct call *c = (struct call *)ctx;

  (void)status;
  lua_settop(L, c->top);
  if (c->req.result == FDEMU_PENDING) { /* somebody else resumed it */
    c->task->status = TASK_WAITING;
    return lua_yieldk(L, 0, ctx, resumed);
  }
  return finish_wait(L, c);
}

/* In the task's own coroutine: only it waits. */
static int wait_task(lua_State *L, struct call *c)
{
  lsched_guard(L, c->task);
  c->top = lua_gettop(L);
  c->task->status = TASK_WAITING;
  return lua_yieldk(L, 0, (lua_KContext)c, resumed);
}

static int run_others(lua_State *L)
{
  struct call *c = lua_touserdata(L, 1);
  struct lkernel *lk = c->lk;

  luaL_checkstack(L, LUA_MINSTACK, NULL);
  if (c->ioarg != IOARG_NONE) {
    lkernel_env(L, lk, ENV_ARGS);
    lua_pushvalue(L, 2);
    lua_rawsetp(L, -2, c);
    lua_pop(L, 1);
  }
  while (c->req.result == FDEMU_PENDING)
    if (!lsched_step(L, lk, INT64_MAX))
      lsched_deadlock(L, lk);
  return 0;
}

/* Anywhere else: the others run from here until the answer is there. */
static int wait_nested(lua_State *L, struct call *c)
{
  struct lkernel *lk = c->lk;
  int status;

  c->outer = lk->nested;
  lk->nested = c;
  c->below = true;
  lua_pushcfunction(L, run_others);
  lua_pushlightuserdata(L, c);
  if (c->ioarg != IOARG_NONE)
    lua_pushvalue(L, c->argindex);
  else
    lua_pushnil(L);
  status = lua_pcall(L, 2, 0, 0);
  c->below = false;
  lk->nested = c->outer;
  lk->L = L;
  if (status != LUA_OK) {
    fdemu_abandon(&c->req);
    lcall_free(c);
  }
  if (c->ioarg != IOARG_NONE) {
    lkernel_env(L, lk, ENV_ARGS);
    lua_pushnil(L);
    lua_rawsetp(L, -2, c);
    lua_pop(L, 1);
  }
  return status == LUA_OK ? finish_wait(L, c) : lua_error(L);
}

static int wait(lua_State *L, struct call *c)
{
  int error = c->keep != NULL ? c->keep(c) : 0;

  if (error < 0) {
    fdemu_cancel(&c->req, -error);
    return finish_wait(L, c);
  }
  if (c->lk->polling > 0) {
    fdemu_abandon(&c->req);
    lcall_free(c);
    return luaL_error(L,
                      "a driver's poll, a rule's predicate and a trace"
                      " function must not wait, but %s would",
                      c->req.call->name);
  }
  return c->task != NULL ? wait_task(L, c) : wait_nested(L, c);
}

/* The answer is not there yet. */
RARE static int submitted(lua_State *L, struct call *c)
{
  struct lkernel *lk = c->lk;

  if (!fdemu_list_empty(&lk->jobs) && lk->jobs.prev == &c->req.link &&
      lk->polling == 0)
    lworker_job(L, lk, &c->req); /* a method written in Lua: run it now */
  if (c->req.result == FDEMU_PENDING)
    return wait(L, c);
  return finish_wait(L, c);
}

/* It has failed, or the answer is not there yet. */
static APART int not_done(lua_State *L, struct call *c)
{
  return c->req.result != FDEMU_PENDING ? finish(L, c) : submitted(L, c);
}

static int submit(lua_State *L, struct fdemu_proc *p, struct call *c)
{
  return fdemu_submit(p, &c->req) >= 0 ? finish(L, c) : not_done(L, c);
}

/* In random order a task may be stopped wherever it makes a call. Calls that a
 * description makes itself are its driver's. */
static bool may_stop(const struct call *c)
{
  const struct lkernel *lk = c->lk;

  return !c->task->worker && c->req.on == NULL &&
         !(c->req.call->flags & FDEMU_CALL_QUIET) &&
         (!fdemu_list_empty(&lk->ready) || fdemu_runnable(lk->k));
}

static bool choose_stop(const struct call *c)
{
  struct fdemu_kernel *k = c->lk->k;
  struct fdemu_choice choice = { .kind = FDEMU_CHOICE_STOP,
                                 .who = c->req.who,
                                 .call = c->req.call->name,
                                 .pid = fdemu_getpid(c->proc),
                                 .fd = -1,
                                 .origin = c->req.origin };

  if (c->req.call->flags & FDEMU_CALL_FD)
    choice.fd = c->req.fd;
  if (fdemu_choose(k, &choice, 1) == 0)
    return false;
  fdemu_chosen(k, &choice);
  return true;
}

static int go_on(lua_State *L, int status, lua_KContext ctx)
{
  struct call *c = (struct call *)ctx;

  (void)status;
  lua_settop(L, c->top);
  c->lk->L = L;
  return submit(L, c->proc, c);
}

/* Of a task: others may go first, as chance will have it. */
RARE static int submit_in_order(lua_State *L, struct fdemu_proc *p,
                                struct call *c)
{
  c->proc = p;
  if (!may_stop(c) || !choose_stop(c))
    return submit(L, p, c);
  c->req.done = 0;
  if (c->keep != NULL && c->keep(c) < 0)
    return submit(L, p, c); /* no memory to wait */
  c->keep = NULL;
  c->top = lua_gettop(L);
  return lua_yieldk(L, 0, (lua_KContext)c, go_on); /* ready, behind others */
}

/* Make the call that was filled in; returns what the C function should. */
int lcall_submit(lua_State *L, struct fdemu_proc *p, struct call *c)
{
  return c->task != NULL && c->lk->random_order ? submit_in_order(L, p, c)
                                                : submit(L, p, c);
}

/* ---- ioctl ------------------------------------------------------------ */

/*
 * The argument is at index: nil (the driver may fill in an int, which is then
 * the result), an integer (which also serves as an int in memory), a Buffer,
 * or a string, of which a copy in a Buffer takes the place.
 */
void lcall_set_ioctl(lua_State *L, struct call *c, int index)
{
  struct lbuffer *b = NULL;
  size_t n;

  c->argindex = index;
  c->result = lcall_ioctl_result;
  switch (lua_type(L, index)) {
  case LUA_TNONE:
  case LUA_TNIL:
    c->ioarg = IOARG_NONE;
    c->word = 0;
    break;
  case LUA_TNUMBER:
    c->ioarg = IOARG_INTEGER;
    c->req.arg = larg_integer(L, index);
    c->word = (int)c->req.arg;
    break;
  case LUA_TSTRING: {
    const char *s = lua_tolstring(L, index, &n);
    c->ioarg = IOARG_STRING;
    b = lbuffer_new(L, n);
    memcpy(b->data, s, n);
    lua_replace(L, index);
    break;
  }
  default:
    c->ioarg = IOARG_BUFFER;
    b = lbuffer_test(L, index);
    if (b == NULL)
      larg_wrong(L, index, "integer, string or " LFD_BUFFER);
  }
  c->req.buf.iov_base = b != NULL ? b->data : (char *)&c->word;
  c->req.buf.iov_len = b != NULL ? b->size : sizeof c->word;
  c->req.iovcnt = b != NULL ? 0 : -1;
}

/* Push the argument for a driver in Lua. */
void lcall_push_ioarg(lua_State *L, struct call *c)
{
  if (c->ioarg == IOARG_NONE)
    lua_pushnil(L);
  else if (c->below) { /* its stack has other frames on top */
    lkernel_env(L, c->lk, ENV_ARGS);
    lua_rawgetp(L, -1, c);
    lua_remove(L, -2);
  } else {
    lua_pushvalue(c->L, c->argindex);
    lua_xmove(c->L, L, 1);
  }
}

int lcall_ioctl_result(lua_State *L, struct call *c)
{
  const struct lbuffer *b;

  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
  if (c->ioarg == IOARG_NONE && c->req.result == 0 && c->req.done > 0)
    lua_pushinteger(L, c->word);
  else
    lua_pushinteger(L, (lua_Integer)c->req.result);
  if (c->ioarg != IOARG_STRING)
    return 1;
  b = lua_touserdata(L, c->argindex);
  lua_pushlstring(L, b->data, b->size);
  return 2;
}
