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

static struct task *worker_get(lua_State *L, struct lkernel *lk)
{
  struct task *t;

  if (fdemu_list_empty(&lk->idle)) {
    t = lsched_new(L, lk);
    t->worker = true;
    lua_pop(L, 1);
  } else {
    t = fdemu_entry(lk->idle.next, struct task, link);
    fdemu_list_remove(&t->link);
    lk->nidle--;
  }
  t->status = TASK_READY;
  t->yielded = false;
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

/*
 * Run what push_method() has pushed, with nargs arguments (self is the first),
 * in a worker, for r, or for nobody. No method has more than a coroutine that
 * is not running has room for: LUA_MINSTACK.
 */
static void start(lua_State *L, struct ldesc *d, const struct lslot *slot,
                  enum ljob job, struct fdemu_req *r, int nargs)
{
  struct task *t = worker_get(L, d->lk);

  t->slot = slot;
  t->job = job;
  t->file = d->file;
  t->holds = job != LJOB_CALL;
  t->counts = job == LJOB_FLUSH || job == LJOB_RELEASE;
  if (t->counts)
    d->lk->live++; /* nobody else waits for it to end: run() does */
  t->serving = r;
  if (r != NULL) {
    r->driver = t;
    r->cancel = cancel;
  }
  lua_xmove(L, t->co, nargs + 1);
  lua_pop(L, BELOW);
  t->nargs = nargs;
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
  lua_pushstring(L, "the coroutine of a driver's method was closed");
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
  luaL_checkstack(L, t->nres + LUA_MINSTACK, NULL);
  if (!dead) {
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

/* A caller in Lua gives its own argument; memory of another is copied in. */
static void push_ioctl(lua_State *L, struct fdemu_req *r)
{
  lua_pushinteger(L, (lua_Integer)r->cmd);
  if (lcall_is(r)) {
    lcall_push_ioarg(L, r->user);
  } else
    lua_pushinteger(L, (lua_Integer)r->arg);
}

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
  case offsetof(struct fdemu_ops, ioctl): push_ioctl(L, r); return 2;
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

/* The slot is empty after all: the default, or with strict an error. */
static void no_method(lua_State *L, struct ldesc *d, const char *slot,
                      struct fdemu_req *r)
{
  int64_t n = r->call->missing;

  if (d->lk->strict) {
    lua_pushfstring(L, "driver '%s' has no %s", d->kind, slot);
    lcall_fail(L, d->lk, r);
  } else if (r->call->other != NULL)
    n = r->call->other(r->file, r);
  fdemu_complete(r, n);
}

static const struct lslot open_slot = { "open", 0 };

static void open_job(lua_State *L, struct fdemu_req *r)
{
  struct ldesc *d = ldriver_opening(L, r);

  if (d == NULL) {
    fdemu_complete(r, -ENOMEM);
    return;
  }
  if (push_method(L, d, "open")) {
    lua_pushinteger(L, (lua_Integer)(r->cmd & ~0100000ul));
    start(L, d, &open_slot, LJOB_OPEN, r, 2);
  } else {
    fdemu_opened(r, d->file);
    fdemu_complete(r, 0);
  }
  lua_pop(L, 1);
}

/* Run the method for a request that is on the list of jobs. */
void lworker_job(lua_State *L, struct fdemu_req *r)
{
  struct ldesc *d;
  const struct lslot *slot;

  fdemu_list_remove(&r->link);
  if (r->file == NULL) {
    open_job(L, r);
    return;
  }
  d = ldesc_of(r->file);
  slot = ldriver_slot_of(r->call);
  if (slot->offset != offsetof(struct fdemu_ops, read))
    d->ended = false;
  if (push_method(L, d, slot->name))
    start(L, d, slot, LJOB_CALL, r, 1 + push_args(L, r));
  else
    no_method(L, d, slot->name, r);
}

/* d's last methods are to be run: flush, and release. */
void lworker_die(struct ldesc *d)
{
  fdemu_list_remove(&d->link);
  fdemu_list_append(&d->lk->dying, &d->link);
  d->lk->attention = true;
}

/* Flush or release: each job has a reference to the description. */
static void last_job(lua_State *L, struct ldesc *d)
{
  enum ljob job = d->flushes > 0 ? LJOB_FLUSH : LJOB_RELEASE;
  const char *name = job == LJOB_FLUSH ? "flush" : "release";

  fdemu_list_remove(&d->link);
  if (job == LJOB_FLUSH && --d->flushes > 0)
    lworker_die(d);
  if (job == LJOB_RELEASE)
    d->released = true;
  if (push_method(L, d, name))
    start(L, d, ldriver_slot(name), job, NULL, 1);
  else
    fdemu_file_put(d->file);
}

/* Run what is on the lists. Returns whether there was anything. */
bool lworker_drain(lua_State *L, struct lkernel *lk)
{
  bool any = false;

  lk->L = L;
  if (lk->polling > 0)
    return false;
  while (!fdemu_list_empty(&lk->jobs)) {
    lworker_job(L, fdemu_entry(lk->jobs.next, struct fdemu_req, link));
    any = true;
  }
  while (!fdemu_list_empty(&lk->dying)) {
    last_job(L, fdemu_entry(lk->dying.next, struct ldesc, link));
    any = true;
  }
  return any;
}
