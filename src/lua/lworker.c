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

/* In a worker's coroutine, below everything else: the closure of work(). */
#define WORK 1

/* Values that work() takes, and that a new coroutine has room for: a method that
 * needs no more does not fail for want of memory when it has begun. */
#define ROOM (10 + 2 * LUA_MINSTACK)

static int work(lua_State *L);

/* ---- workers ---------------------------------------------------------- */

static int worker_new(lua_State *L)
{
  struct lkernel *lk = lua_touserdata(L, 1);
  struct task *t;

  lkernel_env(L, lk, ENV_DESCS);
  lua_pushcclosure(L, work, 1);
  lua_pushnil(L); /* workers have no name */
  t = lsched_new(L, lk, 0);
  t->worker = true;
  t->status = TASK_DONE;
  lua_pushvalue(L, -2);
  lua_xmove(L, t->co, 1);
  fdemu_list_prepend(&lk->idle, &t->link);
  lk->nidle++;
  return 0;
}

/* An idle worker, which is idle no more. No memory: NULL. */
static struct task *worker_get(lua_State *L, struct lkernel *lk)
{
  struct task *t;

  if (fdemu_list_empty(&lk->idle)) {
    lua_pushcfunction(L, worker_new);
    lua_pushlightuserdata(L, lk);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
      lua_pop(L, 1);
      return NULL;
    }
  }
  t = fdemu_entry(lk->idle.next, struct task, link);
  fdemu_list_remove(&t->link);
  lk->nidle--;
  return t;
}

static void worker_put(lua_State *L, struct task *t)
{
  struct lkernel *lk = t->lk;

  lua_settop(t->co, WORK);
  if (lk->nidle >= MAX_IDLE) {
    lsched_end(L, t, TASK_DONE);
    return;
  }
  t->status = TASK_DONE;
  lk->nidle++;
  fdemu_list_prepend(&lk->idle, &t->link);
}

/* Push a Description, from the table of them, its fields, and the function in a
 * slot. False: there is none. */
static bool push_method(lua_State *L, int descs, struct ldesc *d,
                        const char *slot)
{
  lua_rawgetp(L, descs, d);
  lua_getiuservalue(L, -1, 1);
  return lua_getfield(L, -1, slot) == LUA_TFUNCTION;
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

/* Push " (read at file:line)", to be put behind a message. */
const char *lworker_place(lua_State *L, struct ldesc *d, const char *slot)
{
  lua_Debug ar;

  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lkernel_env(L, d->lk, ENV_DESCS);
  if (!push_method(L, -1, d, slot))
    return lua_pushliteral(L, "");
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

/* Whether there is a frame of the method: it may have had no memory for it. */
RARE static bool has_frame(const struct task *t)
{
  lua_Debug ar;

  return t->judging || lua_getstack(t->co, 1, &ar);
}

static bool has_begun(const struct task *t, const struct ljob *j, int status)
{
  return j->begun && (status != LUA_ERRMEM || has_frame(t));
}

/* What ended t's coroutine: it is the first on its stack. */
static void push_error(lua_State *L, const struct task *t)
{
  lua_pushvalue(t->co, 1);
  lua_xmove(t->co, L, 1);
}

/* There is no method, or that could not be found out. */
RARE static void not_begun(lua_State *L, struct task *t, struct ljob *j,
                           int status)
{
  j->begun = false;
  j->status = status;
  t->serving = NULL;
  t->file = NULL;
  if (t->counts)
    t->lk->live--;
  if (status == LUA_OK) {
    worker_put(L, t);
    return;
  }
  if (status != LUA_ERRMEM) {
    push_error(L, t);
    lcall_fail(L, t->lk, j->r);
  }
  lsched_end(L, t, TASK_CANCELLED);
}

RARE static void failed(lua_State *L, struct task *t)
{
  push_error(L, t);
  report(L, t);
  end_job(t, -EIO);
  lsched_end(L, t, TASK_CANCELLED);
}

/* A worker's function has returned, or raised. */
void lworker_ended(lua_State *L, struct task *t, int status)
{
  struct ljob *j = t->starting;

  t->starting = NULL;
  if (j != NULL && !has_begun(t, j, status)) {
    not_begun(L, t, j, status);
    return;
  }
  if (status != LUA_OK) {
    failed(L, t);
    return;
  }
  end_job(t, t->answer);
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

/* The arguments behind self, in work(): how many. The method is at index 1, and
 * self on top. */
static int push_args(lua_State *L, const struct ljob *j)
{
  struct fdemu_req *r = j->r;

  if (j->kind == LJOB_OPEN) {
    lua_pushinteger(L, (lua_Integer)(r->cmd & ~0100000ul));
    return 1;
  }
  if (r == NULL)
    return 0;
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
    lua_insert(L, 2); /* before the argument, which is there already */
    lua_pushinteger(L, (lua_Integer)r->cmd);
    lua_insert(L, 3);
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

/* Give t the argument of an ioctl; how many values that are. A caller in Lua
 * gives its own; memory of another is copied in. */
static int give_ioarg(lua_State *L, struct task *t, struct fdemu_req *r)
{
  if (r == NULL || r->call->slot != offsetof(struct fdemu_ops, ioctl))
    return 0;
  if (lcall_is(r))
    lcall_push_ioarg(L, r->user);
  else
    lua_pushinteger(L, (lua_Integer)r->arg);
  lua_xmove(L, t->co, 1);
  return 1;
}

/* The method has returned. */
static int worked(lua_State *L, int status, lua_KContext ctx)
{
  struct task *t = (struct task *)ctx;

  (void)status;
  t->answer = lanswer_take(L, t);
  return 0;
}

/*
 * (job [, argument of an ioctl]): what a worker runs. It looks for the method,
 * calls it and looks at what it returns: each may raise, which ends only the
 * worker.
 */
static int work(lua_State *L)
{
  struct ljob *j = lua_touserdata(L, 1);
  struct task *t = j->t;
  int nargs;

  if (j->kind == LJOB_OPEN) {
    ldriver_scripted(L, j->file);
    lua_pop(L, 1);
  }
  if (!push_method(L, lua_upvalueindex(1), ldesc_of(j->file), j->slot->name))
    return 0;
  lua_copy(L, -1, 1); /* for the job, which is known */
  lua_pop(L, 2);
  nargs = 1 + push_args(L, j);
  j->begun = true; /* and may be gone when it returns */
  lua_callk(L, nargs, LUA_MULTRET, (lua_KContext)t, worked);
  return worked(L, LUA_OK, (lua_KContext)t);
}

/*
 * Run a job. If there is a method, it has begun then (j->begun) and ends its
 * request itself; if not, there is none (LUA_OK), or no memory (LUA_ERRMEM), or
 * the error is left to who waits. Nothing is raised.
 */
static int run(lua_State *L, struct ljob *j)
{
  struct task *t;

  j->begun = false;
  j->status = LUA_ERRMEM;
  if (!lua_checkstack(L, LUA_MINSTACK) || (t = worker_get(L, j->lk)) == NULL)
    return LUA_ERRMEM;
  if (!lua_checkstack(t->co, ROOM)) {
    worker_put(L, t);
    return LUA_ERRMEM;
  }
  j->t = t;
  t->starting = j;
  t->judging = false;
  t->status = TASK_READY;
  t->yielded = false;
  t->slot = j->slot;
  t->job = j->kind;
  t->file = j->file;
  t->holds = j->kind != LJOB_CALL;
  t->counts = j->kind == LJOB_FLUSH || j->kind == LJOB_RELEASE;
  if (t->counts)
    j->lk->live++; /* nobody else waits for it to end: run() does */
  t->serving = j->r;
  if (j->r != NULL) {
    j->r->driver = t;
    j->r->cancel = cancel;
  }
  lua_pushvalue(t->co, WORK);
  lua_pushlightuserdata(t->co, j);
  t->nargs = 1 + give_ioarg(L, t, j->r);
  lsched_resume(L, t);
  return j->status;
}

static int push_no_method(lua_State *L)
{
  const struct ljob *j = lua_touserdata(L, 1);

  lua_pushfstring(L, "driver '%s' has no %s", ldesc_of(j->file)->kind,
                  j->slot->name);
  return lua_error(L);
}

/* The slot is empty after all: the default, or with strict an error. */
static void no_method(lua_State *L, struct ljob *j)
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

static const struct lslot open_slot = { "open", 0 };

/* The description is the request's when the method has returned. */
static void open_job(lua_State *L, struct lkernel *lk, struct fdemu_req *r)
{
  struct fdemu_file *f = ldriver_opening(r);
  struct ljob j = {
    .lk = lk, .r = r, .file = f, .slot = &open_slot, .kind = LJOB_OPEN
  };
  int status = f != NULL ? run(L, &j) : LUA_ERRMEM;

  if (j.begun)
    return;
  if (status == LUA_OK) {
    fdemu_complete(r, fdemu_opened(r, f));
    return;
  }
  if (f != NULL)
    ldriver_put_unopened(f);
  fdemu_complete(r, -ENOMEM);
}

/* Run the method for a request that is on the list of jobs. Nothing is
 * raised. */
void lworker_job(lua_State *L, struct lkernel *lk, struct fdemu_req *r)
{
  struct ljob j = { .lk = lk, .r = r, .file = r->file, .kind = LJOB_CALL };
  int status;

  fdemu_list_remove(&r->link);
  if (r->file == NULL) {
    open_job(L, lk, r);
    return;
  }
  j.slot = ldriver_slot_of(r->call);
  if (j.slot->offset != offsetof(struct fdemu_ops, read))
    ldesc_of(r->file)->ended = false;
  status = run(L, &j);
  if (j.begun)
    return;
  if (status == LUA_OK)
    no_method(L, &j);
  else if (status == LUA_ERRMEM &&
           j.slot->offset == offsetof(struct fdemu_ops, flush)) {
    r->file->ops->flush(r->file,
                        NULL); /* it is closed, and hears of it later */
    fdemu_complete(r, 0);
  } else
    fdemu_complete(r, -ENOMEM);
}

/* d's last methods are to be run: flush, and release. */
void lworker_die(struct ldesc *d)
{
  fdemu_list_remove(&d->link);
  fdemu_list_append(&d->lk->dying, &d->link);
  d->lk->attention = true;
}

/* d is the next whose last methods are run. */
static void die_first(struct ldesc *d)
{
  fdemu_list_remove(&d->link);
  fdemu_list_prepend(&d->lk->dying, &d->link);
}

/* Flush or release: each job has a reference to the description. False: there
 * is no memory; later, then. */
static bool last_job(lua_State *L, struct ldesc *d)
{
  const bool flush = d->flushes > 0;
  struct ljob j = { .lk = d->lk,
                    .file = d->file,
                    .slot = ldriver_slot(flush ? "flush" : "release"),
                    .kind = flush ? LJOB_FLUSH : LJOB_RELEASE };
  int status;

  fdemu_list_remove(&d->link);
  if (flush && --d->flushes > 0)
    lworker_die(d);
  if (!flush)
    d->released = true;
  status = run(L, &j);
  if (j.begun)
    return true;
  if (status == LUA_ERRMEM) {
    d->flushes += flush;
    if (!flush)
      d->released = false;
    die_first(d);
    return false;
  }
  fdemu_file_put(j.file);
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
