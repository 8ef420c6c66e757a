/*
 * lworker.c - methods written in Lua, run
 *
 * A worker, a coroutine of its own, runs the function outside the core; when it
 * returns, what it returned is checked (lanswer.c) and the request completed. A
 * worker that has to wait yields to the scheduler like any task.
 */
#include <errno.h>
#include <fcntl.h>

#include "lua/lfdemu.h"

#define MAX_IDLE 64 /* workers kept for later */

/* ---- workers ---------------------------------------------------------- */

/* A worker, in the list of the idle ones. No method has more arguments than a
 * coroutine that is not running has room for: LUA_MINSTACK. */
static struct task *worker_get(lua_State *L, struct lkernel *lk)
{
  struct task *t;

  if (!fdemu_list_empty(&lk->idle))
    return fdemu_entry(lk->idle.next, struct task, link);
  lua_pushnil(L); /* workers have no name */
  t = lsched_new(L, lk, 0);
  t->worker = true;
  t->status = TASK_DONE;
  fdemu_list_prepend(&lk->idle, &t->link);
  lk->nidle++;
  lua_pop(L, 1);
  return t;
}

static void worker_put(lua_State *L, struct task *t)
{
  struct lkernel *lk = t->lk;

  lua_settop(t->co, 0);
  if (lk->nidle >= MAX_IDLE) {
    lsched_end(L, t, TASK_DONE);
    return;
  }
  t->status = TASK_DONE;
  lk->nidle++;
  fdemu_list_prepend(&lk->idle, &t->link);
}

#define BELOW 5 /* values that push_method() leaves below the function */

/* Push the function in a slot, and self. False, and nothing: there is none. */
static bool push_method(lua_State *L, struct ldesc *d, const char *slot)
{
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lkernel_push_env(L, d->lk);
  lua_rawgeti(L, -1, ENV_DESCS);
  lua_rawgetp(L, -1, d);
  lua_getiuservalue(L, -1, 1);
  if (lua_getfield(L, -1, slot) != LUA_TFUNCTION) {
    lua_pop(L, BELOW + 1);
    return false;
  }
  lua_pushvalue(L, -3);
  return true;
}

/* The caller has gone; the method runs on, and nobody wants its answer. */
static void cancel(struct fdemu_file *f, struct fdemu_req *r)
{
  struct task *t = r->driver;

  t->serving = NULL;
  if (f != NULL) {
    fdemu_file_get(f);
    t->holds = true;
  }
}

/* A method to be called. */
struct job {
  struct lkernel *lk;
  struct fdemu_req *r; /* NULL: nobody waits for the answer */
  struct ldesc *d;
  const struct lslot *slot;
  enum ljob kind;
  struct task *t; /* has the function and its arguments; NULL: there is none */
};

/* Give the function and nargs arguments on top of the stack (self is the first)
 * to a worker, the job's. */
static void give(lua_State *L, struct job *j, int nargs)
{
  struct task *t = worker_get(L, j->lk);

  fdemu_list_remove(&t->link);
  j->lk->nidle--;
  lua_xmove(L, t->co, nargs + 1);
  t->nargs = nargs;
  j->t = t;
}

/* Run it. */
static void start(lua_State *L, const struct job *j)
{
  struct task *t = j->t;

  t->status = TASK_READY;
  t->yielded = false;
  t->slot = j->slot;
  t->job = j->kind;
  t->file = j->d->file;
  t->holds = t->job != LJOB_CALL;
  t->counts = t->job == LJOB_FLUSH || t->job == LJOB_RELEASE;
  if (t->counts)
    j->lk->live++; /* nobody else waits for it to end: run() does */
  t->serving = j->r;
  if (j->r != NULL) {
    j->r->driver = t;
    j->r->cancel = cancel;
  }
  lsched_resume(L, t);
}

/* Push " (read at file:line)", to be put behind a message. */
const char *lworker_place(lua_State *L, struct ldesc *d, const char *slot)
{
  lua_Debug ar;

  if (!push_method(L, d, slot))
    return lua_pushliteral(L, "");
  lua_pop(L, 1);
  lua_getinfo(L, ">S", &ar);
  return lua_pushfstring(L, " (%s at %s:%d)", slot, ar.short_src,
                         ar.linedefined);
}

/* ---- the end of a method ---------------------------------------------- */

/* The error on top of the stack goes to the caller, or if there never was one
 * to whoever made the last descriptor go. Who has given up hears nothing. */
static void report(lua_State *L, struct task *t)
{
  if (t->serving != NULL || t->job != LJOB_CALL)
    lcall_fail(L, t->lk, t->serving);
  else
    lua_pop(L, 1);
}

static void complete(struct task *t, int64_t n)
{
  struct fdemu_req *r = t->serving;
  const struct fdemu_file *f = t->file;

  t->serving = NULL;
  if (n == -EAGAIN && t->yielded && f->inode->wq.seq != t->wakes &&
      !(f->flags & O_NONBLOCK) && !r->dontwait && t->job == LJOB_CALL)
    fdemu_retry(r); /* woken between the look and the answer */
  else
    fdemu_complete(r, n);
}

static void end_job(struct task *t, int64_t n)
{
  struct fdemu_file *f = t->file;

  if (t->job == LJOB_RELEASE || (t->job == LJOB_OPEN && n < 0))
    ldesc_of(f)->released = true;
  if (t->serving != NULL)
    complete(t, n);
  t->file = NULL;
  if (t->counts)
    t->lk->live--;
  if (t->holds)
    fdemu_file_put(f);
}

/* A worker's coroutine was closed under it, and this runs in there. */
void lworker_closed(lua_State *L, struct task *t)
{
  lua_pushvalue(L, lua_upvalueindex(1)); /* guard_close()'s: what to say */
  report(L, t);
  end_job(t, -EIO);
  lsched_end(L, t, TASK_CANCELLED);
}

/* A worker's function has returned, or raised. */
void lworker_ended(lua_State *L, struct task *t, int status)
{
  int64_t n = -EIO;
  bool dead = status != LUA_OK;

  if (!dead && lanswer_plain(t, &n)) {
    end_job(t, n);
    worker_put(L, t);
    return;
  }
  if (!lua_checkstack(L, t->nres + LUA_MINSTACK)) {
    n = -ENOMEM;
    status = LUA_OK;
  } else if (!dead) {
    lua_pushcfunction(L, lanswer_protected);
    lua_xmove(t->co, L, t->nres);
    lua_pushlightuserdata(L, t);
    status = lua_pcall(L, t->nres + 1, 1, 0);
    if (status == LUA_OK) {
      n = (int64_t)lua_tointeger(L, -1);
      lua_pop(L, 1);
    }
  } else {
    lua_pushvalue(t->co, 1);
    lua_xmove(t->co, L, 1);
  }
  if (status != LUA_OK)
    report(L, t);
  end_job(t, n);
  if (dead)
    lsched_end(L, t, TASK_CANCELLED);
  else
    worker_put(L, t);
}

/* ---- jobs ------------------------------------------------------------- */

static void push_offset(lua_State *L, const struct fdemu_req *r)
{
  if (r->file->mode & (FDEMU_MODE_SEEK | FDEMU_MODE_PREAD))
    lua_pushinteger(L, (lua_Integer)r->offset + (lua_Integer)r->done);
  else
    lua_pushnil(L);
}

/* The bytes that a write has left. */
static int push_data(lua_State *L, struct fdemu_req *r)
{
  size_t n = fdemu_left(r), done = r->done;
  luaL_Buffer b;
  int error;

  if (r->mem == NULL && !(r->call->flags & FDEMU_CALL_VEC)) {
    lua_pushlstring(L, (const char *)r->buf.iov_base + done, n);
    return 0;
  }
  error = fdemu_copy_in(r, luaL_buffinitsize(L, &b, n), n);
  luaL_pushresultsize(&b, n);
  fdemu_rewind(r, done);
  return error;
}

/* The arguments behind self; in prepare_call(). */
static int push_args(lua_State *L, struct fdemu_req *r)
{
  switch (r->call->slot) {
  case offsetof(struct fdemu_ops, read):
    lua_pushinteger(L, (lua_Integer)fdemu_left(r));
    push_offset(L, r);
    return 2;
  case offsetof(struct fdemu_ops, write):
    push_data(L, r);
    push_offset(L, r);
    return 2;
  case offsetof(struct fdemu_ops, lseek):
    lua_pushinteger(L, (lua_Integer)r->offset);
    lua_pushinteger(L, (lua_Integer)r->cmd);
    return 2;
  case offsetof(struct fdemu_ops, flock):
    lua_pushinteger(L, (lua_Integer)r->cmd);
    return 1;
  case offsetof(struct fdemu_ops, ioctl):
    lua_pushinteger(L, (lua_Integer)r->cmd);
    lua_pushvalue(L, 2);
    return 2;
  case offsetof(struct fdemu_ops, fcntl):
    lua_pushinteger(L, (lua_Integer)r->cmd);
    lua_pushinteger(L, (lua_Integer)r->arg);
    return 2;
  case offsetof(struct fdemu_ops, truncate):
    lua_pushinteger(L, (lua_Integer)r->offset);
    return 1;
  case offsetof(struct fdemu_ops, sync):
    lua_pushboolean(L, r->call == &fdemu_calls[FDEMU_FDATASYNC]);
    return 1;
  default: return 0;
  }
}

static int push_no_method(lua_State *L)
{
  const struct job *j = lua_touserdata(L, 1);

  lua_pushfstring(L, "driver '%s' has no %s", j->d->kind, j->slot->name);
  return lua_error(L);
}

/* The slot is empty after all: the default, or with strict an error. */
static void no_method(lua_State *L, struct job *j)
{
  struct fdemu_req *r = j->r;
  int64_t n = r->call->missing;

  if (j->lk->strict) {
    lua_pushcfunction(L, push_no_method);
    lua_pushlightuserdata(L, j);
    lua_pcall(L, 1, 0, 0);
    lcall_fail(L, j->lk, r);
  } else if (r->call->other != NULL)
    n = r->call->other(r->file, r);
  fdemu_complete(r, n);
}

/* A caller in Lua gives its own argument; memory of another is copied in. */
static void push_ioarg(lua_State *L, struct fdemu_req *r)
{
  if (r == NULL || r->call->slot != offsetof(struct fdemu_ops, ioctl))
    lua_pushnil(L);
  else if (lcall_is(r))
    lcall_push_ioarg(L, r->user);
  else
    lua_pushinteger(L, (lua_Integer)r->arg);
}

/* Call prepare(job, argument of an ioctl), where it does no harm that it raises.
 * LUA_OK, LUA_ERRMEM, or another error, which is left to who waits. */
static int run_prepare(lua_State *L, struct job *j, lua_CFunction prepare)
{
  int status;

  if (!lua_checkstack(L, LUA_MINSTACK))
    return LUA_ERRMEM;
  lua_pushcfunction(L, prepare);
  lua_pushlightuserdata(L, j);
  push_ioarg(L, j->r);
  status = lua_pcall(L, 2, 0, 0);
  if (status == LUA_ERRMEM)
    lua_pop(L, 1);
  else if (status != LUA_OK)
    lcall_fail(L, j->lk, j->r);
  return status;
}

static const struct lslot open_slot = { "open", 0 };

/* The description is the request's already. */
static int prepare_open(lua_State *L)
{
  struct job *j = lua_touserdata(L, 1);

  j->d = ldriver_scripted(L, j->r->out);
  if (push_method(L, j->d, "open")) {
    lua_pushinteger(L, (lua_Integer)(j->r->cmd & ~0100000ul));
    give(L, j, 2);
  }
  return 0;
}

static void open_job(lua_State *L, struct lkernel *lk, struct fdemu_req *r)
{
  struct job j = { .lk = lk, .r = r, .slot = &open_slot, .kind = LJOB_OPEN };
  struct fdemu_file *f = ldriver_opening(r);

  r->out = f;
  if (f == NULL || run_prepare(L, &j, prepare_open) != LUA_OK) {
    r->out = NULL;
    if (f != NULL)
      ldriver_put_unopened(f);
    fdemu_complete(r, -ENOMEM);
  } else if (j.t != NULL) {
    r->out = NULL; /* until the method has returned */
    start(L, &j);
  } else
    fdemu_complete(r, fdemu_opened(r, f));
}

static int prepare_call(lua_State *L)
{
  struct job *j = lua_touserdata(L, 1);

  if (push_method(L, j->d, j->slot->name))
    give(L, j, 1 + (j->r != NULL ? push_args(L, j->r) : 0));
  return 0;
}

/* Run the method for a request that is on the list of jobs. Nothing is
 * raised. */
void lworker_job(lua_State *L, struct lkernel *lk, struct fdemu_req *r)
{
  struct job j = { .lk = lk, .r = r };
  int status;

  fdemu_list_remove(&r->link);
  if (r->file == NULL) {
    open_job(L, lk, r);
    return;
  }
  j.d = ldesc_of(r->file);
  j.slot = ldriver_slot_of(r->call);
  if (j.slot->offset != offsetof(struct fdemu_ops, read))
    j.d->ended = false;
  status = run_prepare(L, &j, prepare_call);
  if (status == LUA_ERRMEM &&
      j.slot->offset == offsetof(struct fdemu_ops, flush)) {
    r->file->ops->flush(r->file,
                        NULL); /* it is closed, and hears of it later */
    fdemu_complete(r, 0);
  } else if (status != LUA_OK)
    fdemu_complete(r, -ENOMEM);
  else if (j.t != NULL)
    start(L, &j);
  else
    no_method(L, &j);
}

/* d's last methods are to be run: flush, and release. */
void lworker_die(struct ldesc *d)
{
  fdemu_list_remove(&d->link);
  fdemu_list_append(&d->lk->dying, &d->link);
  d->lk->attention = true;
}

/* Flush or release: each job has a reference to the description. False: there
 * is no memory; later, then. */
static bool last_job(lua_State *L, struct ldesc *d)
{
  bool flush = d->flushes > 0;
  struct job j = { .lk = d->lk,
                   .d = d,
                   .slot = ldriver_slot(flush ? "flush" : "release"),
                   .kind = flush ? LJOB_FLUSH : LJOB_RELEASE };

  if (run_prepare(L, &j, prepare_call) == LUA_ERRMEM)
    return false;
  fdemu_list_remove(&d->link);
  if (flush && --d->flushes > 0)
    lworker_die(d);
  if (!flush)
    d->released = true;
  if (j.t != NULL)
    start(L, &j);
  else
    fdemu_file_put(d->file);
  return true;
}

/* Run what is on the lists. Returns whether there was anything. Nothing is
 * raised. */
bool lworker_drain(lua_State *L, struct lkernel *lk)
{
  bool any = false;

  lk->L = L;
  if (lk->polling > 0)
    return false;
  while (!fdemu_list_empty(&lk->jobs)) {
    lworker_job(L, lk, fdemu_entry(lk->jobs.next, struct fdemu_req, link));
    any = true;
  }
  while (!fdemu_list_empty(&lk->dying) &&
         last_job(L, fdemu_entry(lk->dying.next, struct ldesc, link)))
    any = true;
  return any;
}
