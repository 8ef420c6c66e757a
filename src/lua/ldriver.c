/*
 * ldriver.c - methods written in Lua
 *
 * The C method of such a slot puts the request on lk->jobs and keeps it. From
 * outside the core a worker, a coroutine of its own, runs the function; when
 * it returns, what it returned is checked and the request completed. A worker
 * that has to wait yields to the scheduler like any task.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lua/lfdemu.h"

#define MAX_IDLE 64 /* workers kept for later */

/* A scripted kind before its slots are filled in. */
static const struct fdemu_ops lua_ops = { .name = "lua",
                                          .mode = FDEMU_MODE_EPOLL };

/* ---- slots ------------------------------------------------------------ */

#define SLOT(name) \
  { \
#name, offsetof(struct fdemu_ops, name) \
  }

static const struct lslot slots[] = {
  SLOT(read),     SLOT(write), SLOT(lseek), SLOT(ioctl),
  SLOT(poll),     SLOT(flock), SLOT(fcntl), SLOT(stat),
  SLOT(truncate), SLOT(sync),  SLOT(flush), SLOT(release),
};

static const struct lslot open_slot = { "open", 0 };

#define NSLOTS (sizeof slots / sizeof *slots)

const struct lslot *ldriver_slot(const char *name)
{
  for (size_t i = 0; i < NSLOTS; i++)
    if (strcmp(slots[i].name, name) == 0)
      return &slots[i];
  return NULL;
}

static const struct lslot *slot_of(const struct fdemu_call *call)
{
  for (size_t i = 0; i < NSLOTS; i++)
    if (slots[i].offset == call->slot)
      return &slots[i];
  return NULL;
}

/* ---- what the core calls ---------------------------------------------- */

static struct ldesc *desc_of(const struct fdemu_file *f)
{
  return f->handle;
}

static int64_t serve(struct fdemu_file *f, struct fdemu_req *r)
{
  struct lkernel *lk = desc_of(f)->lk;

  if (lk->closing)
    return -EIO;
  r->driver = NULL;
  fdemu_list_append(&lk->jobs, &r->link);
  return FDEMU_PENDING;
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

static void die_later(struct ldesc *d)
{
  fdemu_list_remove(&d->link);
  fdemu_list_append(&d->lk->dying, &d->link);
  d->lk->attention = true;
}

static int64_t flush(struct fdemu_file *f, struct fdemu_req *r)
{
  struct ldesc *d = desc_of(f);

  if (r != NULL)
    return serve(f, r);
  if (!d->lk->closing) {
    fdemu_file_get(f);
    d->flushes++;
    die_later(d);
  }
  return 0;
}

static int64_t release(struct fdemu_file *f)
{
  struct ldesc *d = desc_of(f);
  lua_State *L = d->lk->L;

  if (d->release && !d->released && !d->lk->closing) {
    fdemu_file_get(f);
    die_later(d);
    return FDEMU_PENDING;
  }
  if (d->native->release != NULL)
    d->native->release(f);
  fdemu_list_remove(&d->link);
  fdemu_list_remove(&d->polled);
  d->file = NULL;
  if (lua_checkstack(L, 4))
    ldesc_forget(L, d);
  return 0;
}

/* What "r", "w", "rw" or an integer at index stands for; -1: none of these. */
int ldriver_mask(lua_State *L, int index)
{
  const char *s;
  int mask = 0;

  if (lua_isinteger(L, index))
    return (int)lua_tointeger(L, index) & INT_MAX;
  if (lua_type(L, index) != LUA_TSTRING)
    return -1;
  s = lua_tostring(L, index);
  if (s[strspn(s, "rw")] != '\0')
    return -1;
  if (strchr(s, 'r') != NULL)
    mask |= POLLIN | POLLRDNORM;
  if (strchr(s, 'w') != NULL)
    mask |= POLLOUT | POLLWRNORM;
  return mask;
}

static int poll_result(lua_State *L, int index, const char *driver)
{
  int mask = ldriver_mask(L, index);

  if (mask < 0)
    luaL_error(L,
               "driver '%s': poll returned %s, a mask, \"r\", \"w\" or"
               " \"rw\" was expected",
               driver,
               lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index)
                                                 : luaL_typename(L, index));
  return mask;
}

static int poll_protected(lua_State *L)
{
  const struct fdemu_file *f = lua_touserdata(L, 1);

  ldesc_push(L, desc_of(f));
  lua_getfield(L, -1, "poll");
  lua_insert(L, -2);
  lua_call(L, 1, 1);
  lua_pushinteger(L, poll_result(L, -1, f->ops->name));
  return 1;
}

static int traceback(lua_State *L)
{
  if (lua_type(L, 1) == LUA_TSTRING)
    luaL_traceback(L, L, lua_tostring(L, 1), 1);
  return 1;
}

/* The one method that is called in the middle of the core: it must not wait
 * (lk->polling), and its error is raised when the core has returned. */
int ldriver_poll(struct fdemu_file *f)
{
  struct ldesc *d = desc_of(f);
  struct lkernel *lk = d->lk;
  lua_State *L = lk->L;
  int mask = POLLERR;
  char *scratch;

  if (lk->closing || !lua_checkstack(L, LUA_MINSTACK))
    return mask;
  scratch = lcall_interrupt(lk);
  if (scratch == NULL)
    return mask;
  lua_pushcfunction(L, traceback);
  lua_pushcfunction(L, poll_protected);
  lua_pushlightuserdata(L, f);
  if (lua_pcall(L, 1, 1, -3) == LUA_OK) {
    mask = (int)lua_tointeger(L, -1);
    d->seen = mask;
    d->seen_wakes = f->inode->wq.seq;
    lua_pop(L, 1);
  } else
    lcall_orphan(L, lk);
  lua_pop(L, 1);
  lcall_resume(lk, scratch);
  lk->L = L;
  return mask;
}

/* Point a slot of d's operations to Lua, or back to the kind's own method;
 * slot NULL: what every Description has. */
void ldriver_hook(struct ldesc *d, const struct lslot *slot, bool on)
{
  if (slot == NULL || strcmp(slot->name, "release") == 0) {
    d->ops.release = release;
    d->release = on;
  } else if (strcmp(slot->name, "poll") == 0) {
    d->ops.poll = on ? ldriver_poll : d->native->poll;
    fdemu_list_remove(&d->polled);
    if (on && d->honest)
      fdemu_list_append(&d->lk->polled, &d->polled);
  } else if (strcmp(slot->name, "flush") == 0)
    d->ops.flush = on ? flush : d->native->flush;
  else {
    const char *from = (const char *)d->native + slot->offset;
    fdemu_method *m = on ? serve : NULL;
    if (!on)
      memcpy(&m, from, sizeof m);
    memcpy((char *)&d->ops + slot->offset, &m, sizeof m);
  }
}

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

/* ---- answers ---------------------------------------------------------- */

/* Push " (read at file:line)", to be put behind a message. */
const char *ldriver_place(lua_State *L, struct ldesc *d, const char *slot)
{
  lua_Debug ar;

  if (!push_method(L, d, slot))
    return lua_pushliteral(L, "");
  lua_pop(L, 1);
  lua_getinfo(L, ">S", &ar);
  return lua_pushfstring(L, " (%s at %s:%d)", slot, ar.short_src,
                         ar.linedefined);
}

/* A message about what a method returned, raised in lua_pcall(). */
int ldriver_bad(lua_State *L, const struct task *t, const char *what)
{
  return luaL_error(L, "driver '%s': %s returned %s%s", t->file->ops->name,
                    t->slot->name, what,
                    ldriver_place(L, desc_of(t->file), t->slot->name));
}

static const char *value_name(lua_State *L, int index)
{
  return lua_type(L, index) == LUA_TNUMBER || lua_type(L, index) == LUA_TBOOLEAN
             ? luaL_tolstring(L, index, NULL)
         : lua_isnoneornil(L, index)
             ? "nothing"
             : lua_pushfstring(L, "a %s", luaL_typename(L, index));
}

/* nil, errno | nil, name | nil, message, errno; 0: no failure was returned */
static int64_t failure(lua_State *L, const struct task *t)
{
  lua_Integer error = 0;

  if (lua_toboolean(L, 1) || lua_isnoneornil(L, 2))
    return 0;
  if (lua_isinteger(L, 3))
    error = lua_tointeger(L, 3);
  else if (lua_isinteger(L, 2))
    error = lua_tointeger(L, 2);
  else if (lua_type(L, 2) == LUA_TSTRING)
    error = fdemu_errno(lua_tostring(L, 2));
  if (error <= 0 || fdemu_errname((int)error) == NULL || error > 4095)
    ldriver_bad(L, t,
                lua_pushfstring(
                    L, "nil and %s, which is no errno",
                    luaL_tolstring(L, lua_isnoneornil(L, 3) ? 2 : 3, NULL)));
  return -error;
}

/* ---- answers, by slot ------------------------------------------------- */

static int64_t read_answer(lua_State *L, struct task *t)
{
  struct fdemu_req *r = t->serving;
  const char *s;
  size_t n;
  int error;

  if (lua_type(L, 1) != LUA_TSTRING)
    ldriver_bad(
        L, t,
        lua_pushfstring(L, "%s, a string was expected", value_name(L, 1)));
  s = lua_tolstring(L, 1, &n);
  if (n > fdemu_left(r))
    ldriver_bad(L, t,
                lua_pushfstring(L, "%d bytes, %d were asked", (int)n,
                                (int)fdemu_left(r)));
  lhonest_end(L, t, n);
  error = fdemu_copy_out(r, s, n);
  return error < 0 ? error : (int64_t)r->done;
}

/* count, EAGAIN: so much now, and the rest not now */
static bool is_not_now(lua_State *L, const struct task *t)
{
  lua_Integer error = 0;

  if (lua_isinteger(L, 2))
    error = lua_tointeger(L, 2);
  else if (lua_type(L, 2) == LUA_TSTRING)
    error = fdemu_errno(lua_tostring(L, 2));
  if (error != EAGAIN && !lua_isnoneornil(L, 2))
    ldriver_bad(L, t,
                lua_pushfstring(L, "a count and %s, only EAGAIN may follow it",
                                luaL_tolstring(L, 2, NULL)));
  return error == EAGAIN;
}

static int64_t write_answer(lua_State *L, struct task *t)
{
  struct fdemu_req *r = t->serving;
  int is_int;
  lua_Integer n = lua_tointegerx(L, 1, &is_int);

  if (lua_type(L, 1) != LUA_TNUMBER || !is_int)
    ldriver_bad(
        L, t, lua_pushfstring(L, "%s, a count was expected", value_name(L, 1)));
  if (n < 0 || (size_t)n > fdemu_left(r))
    ldriver_bad(L, t,
                lua_pushfstring(L, "a count of %I, the data had %d bytes",
                                (LUAI_UACINT)n, (int)fdemu_left(r)));
  fdemu_rewind(r, r->done + (size_t)n);
  return is_not_now(L, t) && fdemu_left(r) > 0 ? -EAGAIN : (int64_t)r->done;
}

/* The fields that the table has replace those of the default. */
static int64_t stat_answer(lua_State *L, struct task *t)
{
  struct fdemu_req *r = t->serving;
  struct stat st;

  if (!lua_istable(L, 1))
    ldriver_bad(
        L, t, lua_pushfstring(L, "%s, a table was expected", value_name(L, 1)));
  fdemu_fill_stat(r->file, &st);
#define FIELD(name, type) \
  if (lua_getfield(L, 1, #name) != LUA_TNIL) { \
    if (!lua_isinteger(L, -1)) \
      ldriver_bad(L, t, "a table whose " #name " is not an integer"); \
    st.name = (type)lua_tointeger(L, -1); \
  } \
  lua_pop(L, 1)
  FIELD(st_dev, dev_t);
  FIELD(st_ino, ino_t);
  FIELD(st_mode, mode_t);
  FIELD(st_nlink, nlink_t);
  FIELD(st_uid, uid_t);
  FIELD(st_gid, gid_t);
  FIELD(st_rdev, dev_t);
  FIELD(st_size, off_t);
  FIELD(st_blksize, blksize_t);
  FIELD(st_blocks, blkcnt_t);
#undef FIELD
  return fdemu_arg_store(r, 0, &st, sizeof st);
}

/* Of the other slots: nothing is 0. */
static int64_t integer_answer(lua_State *L, struct task *t)
{
  int is_int;
  lua_Integer n = lua_tointegerx(L, 1, &is_int);

  if (lua_isnoneornil(L, 1))
    return 0;
  if (lua_type(L, 1) != LUA_TNUMBER || !is_int)
    ldriver_bad(
        L, t,
        lua_pushfstring(L, "%s, an integer was expected", value_name(L, 1)));
  if (n < 0)
    ldriver_bad(
        L, t,
        lua_pushfstring(L, "%I: a failure is nil, errno", (LUAI_UACINT)n));
  return n;
}

static int64_t lseek_answer(lua_State *L, struct task *t)
{
  int64_t n = integer_answer(L, t);

  if (lua_isnoneornil(L, 1))
    ldriver_bad(L, t, "nothing, a position was expected");
  if (t->file->mode & FDEMU_MODE_SEEK)
    t->file->pos = n;
  return n;
}

/* An open may return another Description, which is then what is opened. */
static int64_t open_answer(lua_State *L, struct task *t)
{
  const struct ldesc *d = luaL_testudata(L, 1, LFD_DESCRIPTION);
  struct fdemu_file *f = t->file;

  if (d == NULL) {
    int64_t n = integer_answer(L, t);
    if (n != 0)
      ldriver_bad(L, t, "a number: nothing, or a Description, was expected");
  } else {
    if (d->file == NULL)
      ldriver_bad(L, t, "a closed Description");
    f = d->file;
    desc_of(t->file)->released = true; /* it was never open */
  }
  if (t->serving != NULL) {
    fdemu_file_get(f);
    fdemu_opened(t->serving, f);
  }
  return 0;
}

static int64_t answer(lua_State *L, struct task *t)
{
  int64_t n = failure(L, t);

  if (n == -EAGAIN && t->serving != NULL && t->job == LJOB_CALL)
    lhonest_not_now(L, t);
  if (n < 0)
    return n;
  if (t->job == LJOB_OPEN)
    return open_answer(L, t);
  if (t->serving == NULL)
    return t->job == LJOB_CALL ? 0 : integer_answer(L, t);
  switch (t->slot->offset) {
  case offsetof(struct fdemu_ops, read): return read_answer(L, t);
  case offsetof(struct fdemu_ops, write): return write_answer(L, t);
  case offsetof(struct fdemu_ops, stat): return stat_answer(L, t);
  case offsetof(struct fdemu_ops, lseek): return lseek_answer(L, t);
  default: return integer_answer(L, t);
  }
}

/* The bytes of a read, or the count of a write, if there is nothing to be said
 * against them: most answers, without lua_pcall(). */
static bool plain_answer(const struct task *t, int64_t *n)
{
  struct fdemu_req *r = t->serving;
  const size_t slot = t->slot->offset;
  const char *s;
  size_t size;

  if (t->nres != 1 || r == NULL || t->job != LJOB_CALL)
    return false;
  if (slot == offsetof(struct fdemu_ops, read) && !desc_of(t->file)->ended &&
      lua_type(t->co, -1) == LUA_TSTRING) {
    s = lua_tolstring(t->co, -1, &size);
    if (size == 0 || size > fdemu_left(r))
      return false;
    *n = fdemu_copy_out(r, s, size);
  } else if (slot == offsetof(struct fdemu_ops, write) &&
             lua_isinteger(t->co, -1)) {
    size = (size_t)lua_tointeger(t->co, -1);
    if (size > fdemu_left(r))
      return false;
    fdemu_rewind(r, r->done + size);
    *n = 0;
  } else
    return false;
  if (*n == 0)
    *n = (int64_t)r->done;
  return true;
}

/* The worker's results are moved here, below its address; gives the answer. */
static int answer_protected(lua_State *L)
{
  struct task *t = lua_touserdata(L, -1);

  lua_pop(L, 1);
  lua_pushinteger(L, (lua_Integer)answer(L, t));
  return 1;
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
    desc_of(f)->released = true;
  if (t->serving != NULL)
    complete(t, n);
  t->file = NULL;
  if (t->counts)
    t->lk->live--;
  if (t->holds)
    fdemu_file_put(f);
}

/* A worker's coroutine was closed under it, and this runs in there. */
void ldriver_closed(lua_State *L, struct task *t)
{
  lua_pushstring(L, "the coroutine of a driver's method was closed");
  report(L, t);
  end_job(t, -EIO);
  lsched_end(L, t, TASK_CANCELLED);
}

/* A worker's function has returned, or raised. */
void ldriver_ended(lua_State *L, struct task *t, int status)
{
  int64_t n = -EIO;
  bool dead = status != LUA_OK;

  if (!dead && plain_answer(t, &n)) {
    end_job(t, n);
    worker_put(L, t);
    return;
  }
  luaL_checkstack(L, t->nres + LUA_MINSTACK, NULL);
  if (!dead) {
    lua_pushcfunction(L, answer_protected);
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

/* Push a new Description of a device for r's open, with ops below its fields;
 * NULL: no memory. */
static struct ldesc *new_scripted(lua_State *L, struct lkernel *lk,
                                  struct fdemu_inode *i, int flags)
{
  struct fdemu_file *f = fdemu_file_new(i, &lua_ops, flags, NULL);
  struct ldesc *d;

  if (f == NULL)
    return NULL;
  d = ldesc_new(L, lk, f, true);
  lua_getiuservalue(L, -1, 1);
  lua_createtable(L, 0, 1);
  lkernel_env(L, lk, ENV_OPS);
  lua_rawgetp(L, -1, i);
  lua_remove(L, -2);
  if (lua_getfield(L, -1, "honest") == LUA_TBOOLEAN && !lua_toboolean(L, -1))
    d->honest = false;
  lua_pop(L, 1);
  for (size_t n = 0; n < NSLOTS; n++) {
    bool on = lua_getfield(L, -1, slots[n].name) == LUA_TFUNCTION;
    if (lk->strict && (slots[n].offset == offsetof(struct fdemu_ops, read) ||
                       slots[n].offset == offsetof(struct fdemu_ops, write) ||
                       slots[n].offset == offsetof(struct fdemu_ops, ioctl)))
      on = true;
    if (on)
      ldriver_hook(d, &slots[n], true);
    lua_pop(L, 1);
  }
  if (lua_getfield(L, -1, "seekable"), lua_toboolean(L, -1))
    f->mode |= FDEMU_MODE_SEEK;
  if (lua_getfield(L, -2, "short"), lua_toboolean(L, -1))
    f->mode |= FDEMU_MODE_SHORT;
  if (lua_getfield(L, -3, "async"), lua_toboolean(L, -1))
    f->mode |= FDEMU_MODE_ASYNC;
  if (lua_getfield(L, -4, "name") == LUA_TSTRING)
    strncpy(d->kind, lua_tostring(L, -1), sizeof d->kind - 1);
  lua_pop(L, 4);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
  return d;
}

struct ldevice {
  struct fdemu_inode inode;
  struct lkernel *lk;
  char name[32];
};

static void open_job(lua_State *L, struct fdemu_req *r)
{
  struct ldevice *dev = r->driver;
  struct ldesc *d = new_scripted(L, dev->lk, &dev->inode, (int)r->cmd);

  if (d == NULL) {
    fdemu_complete(r, -ENOMEM);
    return;
  }
  if (dev->name[0] != '\0' && strcmp(d->kind, "lua") == 0)
    memcpy(d->kind, dev->name, sizeof d->kind);
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
void ldriver_job(lua_State *L, struct fdemu_req *r)
{
  struct ldesc *d;
  const struct lslot *slot;

  fdemu_list_remove(&r->link);
  if (r->file == NULL) {
    open_job(L, r);
    return;
  }
  d = desc_of(r->file);
  slot = slot_of(r->call);
  if (slot->offset != offsetof(struct fdemu_ops, read))
    d->ended = false;
  if (push_method(L, d, slot->name))
    start(L, d, slot, LJOB_CALL, r, 1 + push_args(L, r));
  else
    no_method(L, d, slot->name, r);
}

/* Flush or release: each job has a reference to the description. */
static void last_job(lua_State *L, struct ldesc *d)
{
  enum ljob job = d->flushes > 0 ? LJOB_FLUSH : LJOB_RELEASE;
  const char *name = job == LJOB_FLUSH ? "flush" : "release";

  fdemu_list_remove(&d->link);
  if (job == LJOB_FLUSH && --d->flushes > 0)
    die_later(d);
  if (job == LJOB_RELEASE)
    d->released = true;
  if (push_method(L, d, name))
    start(L, d, ldriver_slot(name), job, NULL, 1);
  else
    fdemu_file_put(d->file);
}

/* Run what is on the lists. Returns whether there was anything. */
bool ldriver_drain(lua_State *L, struct lkernel *lk)
{
  bool any = false;

  lk->L = L;
  if (lk->polling > 0)
    return false;
  while (!fdemu_list_empty(&lk->jobs)) {
    ldriver_job(L, fdemu_entry(lk->jobs.next, struct fdemu_req, link));
    any = true;
  }
  while (!fdemu_list_empty(&lk->dying)) {
    last_job(L, fdemu_entry(lk->dying.next, struct ldesc, link));
    any = true;
  }
  return any;
}

/* ---- devices ---------------------------------------------------------- */

static int64_t device_open(struct fdemu_inode *i, struct fdemu_req *r)
{
  struct ldevice *dev = fdemu_entry(i, struct ldevice, inode);

  if (dev->lk->closing)
    return -EIO;
  r->driver = dev;
  fdemu_list_append(&dev->lk->jobs, &r->link);
  return FDEMU_PENDING;
}

static void device_free(struct fdemu_inode *i)
{
  fdemu_free(i->kernel, fdemu_entry(i, struct ldevice, inode));
}

static void check_field(lua_State *L, int index, const char *key, int type)
{
  int t = lua_getfield(L, index, key);

  if (t != LUA_TNIL && t != type)
    luaL_error(L, "bad driver: %s must be a %s, not a %s", key,
               lua_typename(L, type), lua_typename(L, t));
  lua_pop(L, 1);
}

static void check_integer(lua_State *L, int index, const char *key,
                          lua_Integer min, lua_Integer max)
{
  int ok = 1;
  lua_Integer n = min;

  if (lua_getfield(L, index, key) != LUA_TNIL)
    n = lua_tointegerx(L, -1, &ok);
  if (!ok || n < min || n > max)
    luaL_error(L, "bad driver: %s must be an integer from %I to %I", key,
               (LUAI_UACINT)min, (LUAI_UACINT)max);
  lua_pop(L, 1);
}

static lua_Integer integer_in(lua_State *L, int index, const char *key,
                              lua_Integer def)
{
  lua_Integer n = def;

  if (lua_getfield(L, index, key) != LUA_TNIL)
    n = lua_tointeger(L, -1);
  lua_pop(L, 1);
  return n;
}

static void check_ops(lua_State *L, int index)
{
  larg_type(L, index, LUA_TTABLE);
  for (size_t i = 0; i < NSLOTS; i++)
    check_field(L, index, slots[i].name, LUA_TFUNCTION);
  check_field(L, index, "open", LUA_TFUNCTION);
  check_field(L, index, "seekable", LUA_TBOOLEAN);
  check_field(L, index, "short", LUA_TBOOLEAN);
  check_field(L, index, "async", LUA_TBOOLEAN);
  check_field(L, index, "honest", LUA_TBOOLEAN);
  check_field(L, index, "requests", LUA_TTABLE);
  check_integer(L, index, "size", 0, INT64_MAX);
  check_integer(L, index, "mode", 0, S_IFMT | 07777);
  check_field(L, index, "name", LUA_TSTRING);
}

static struct ldevice *device_new(lua_State *L, struct lkernel *lk, int ops)
{
  mode_t mode = (mode_t)integer_in(L, ops, "mode", S_IFCHR | 0666);
  struct ldevice *dev;

  if (lua_getfield(L, ops, "requests") == LUA_TTABLE)
    lrequest_names(L, lk, lua_gettop(L));
  lua_pop(L, 1);
  dev = fdemu_alloc(lk->k, sizeof *dev);
  if (dev == NULL) {
    llimit_no_memory(L, lk);
    return NULL;
  }
  memset(dev, 0, sizeof *dev);
  fdemu_inode_init(&dev->inode, lk->k, &lua_ops, mode, device_free);
  dev->inode.size = integer_in(L, ops, "size", 0);
  dev->inode.open = device_open;
  dev->lk = lk;
  lkernel_env(L, lk, ENV_OPS);
  lua_pushvalue(L, ops);
  lua_rawsetp(L, -2, &dev->inode);
  lua_pop(L, 1);
  return dev;
}

/* k:device(path, ops) */
int ldriver_device(lua_State *L)
{
  struct lkernel *lk = lkernel_check(L, 1);
  size_t len;
  const char *path = larg_string(L, 2, &len), *base = strrchr(path, '/');
  struct ldevice *dev;
  int error;

  larg_check(L, len > 0, 2, "path is empty");
  larg_check(L, strlen(path) == len, 2, "path contains a zero byte");
  check_ops(L, 3);
  dev = device_new(L, lk, 3);
  strncpy(dev->name, base != NULL ? base + 1 : path, sizeof dev->name - 1);
  error = fdemu_name(lk->k, path, &dev->inode);
  fdemu_inode_put(&dev->inode);
  if (error < 0)
    larg_error(L, 2, strerror(-error));
  return 0;
}

/* k:description(ops [, flags]) -> Description, in no table yet */
int ldriver_description(lua_State *L)
{
  struct lkernel *lk = lkernel_check(L, 1);
  lua_Integer flags = larg_optinteger(L, 3, O_RDWR);
  struct ldevice *dev;
  struct ldesc *d;

  check_ops(L, 2);
  lk->L = L;
  dev = device_new(L, lk, 2);
  d = new_scripted(L, lk, &dev->inode, (int)flags);
  fdemu_inode_put(&dev->inode);
  if (d == NULL)
    return llimit_no_memory(L, lk);
  d->floating = true;
  return 1;
}
