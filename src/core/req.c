/*
 * req.c - the life of a request
 *
 *   submit -> attempt -> answered
 *                 |  \-> parked -> woken, queued -> attempt -> ...
 *                 \----> kept by the driver -> fdemu_complete()
 *
 * Every call passes through attempt() and finish(); so waiting, O_NONBLOCK,
 * defaults, positions, short counts and tracing are each in one place.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "core/kernel.h"

/* ---- waiting ---------------------------------------------------------- */

/* Woken: try again from fdemu_run(). Also for requests with waiters of their
 * own, which stay where they are until then. */
void fde_requeue(struct fdemu_req *r)
{
  if (r->state == FDE_PARKED) {
    r->state = FDE_QUEUED;
    fdemu_list_append(&r->proc->kernel->runq, &r->link);
  }
}

static void notify_parked(struct fdemu_waiter *w, int events)
{
  (void)events;
  fde_unwatch(w);
  fde_requeue(fdemu_entry(w, struct fdemu_req, waiter));
}

void fdemu_park(struct fdemu_req *r, struct fdemu_waitq *wq, int events,
                bool first)
{
  r->waiter.events = events;
  r->waiter.notify = notify_parked;
  r->waiter.exclusive = false;
  if (first)
    fde_watch_first(wq, &r->waiter);
  else
    fde_watch(wq, &r->waiter);
}

static void notify_timeout(struct fdemu_timer *t)
{
  fde_finish_later(fdemu_entry(t, struct fdemu_req, timer), 0);
}

/* Whether r, which got -EAGAIN, waits for better times. */
static bool may_wait(const struct fdemu_req *r)
{
  if (r->dontwait)
    return false;
  if (r->call->flags & FDEMU_CALL_TIMED)
    return r->timeout != 0;
  if (r->call->park != NULL)
    return true;
  return r->call->events != 0 && !(r->file->flags & O_NONBLOCK) &&
         r->patience >= 0;
}

bool fdemu_may_wait(const struct fdemu_req *r)
{
  return may_wait(r);
}

/* What only those need that do not get their answer at once. */
static void wait_init(struct fdemu_req *r)
{
  if (r->result == FDEMU_PENDING)
    return;
  r->timer.prev = NULL;
  r->timer.child = r->timer.next = NULL;
  fdemu_list_init(&r->waiter.link);
  fdemu_list_init(&r->mine);
}

/* Pending requests are on their process's list, so that it can exit. */
static void set_pending(struct fdemu_req *r, enum fde_state state)
{
  if (r->result != FDEMU_PENDING) {
    r->result = FDEMU_PENDING;
    r->since = r->proc->kernel->now;
    r->proc->refs++; /* until the answer is handed back */
    r->proc->kernel->pending++;
    fdemu_list_append(&r->proc->reqs, &r->mine);
    if (r->proc->kernel->trace != NULL)
      fde_trace(r, FDEMU_PHASE_UNFINISHED);
  }
  r->state = (unsigned char)state;
}

static void notify_impatient(struct fdemu_timer *t)
{
  fde_finish_later(fdemu_entry(t, struct fdemu_req, timer), -EAGAIN);
}

/* r->timer goes off in ns from now, or at the end of time. */
static void start_timer(struct fdemu_req *r, int64_t ns)
{
  int64_t now = r->proc->kernel->now;

  fdemu_timer_set(r->proc->kernel, &r->timer,
                  ns > INT64_MAX - now ? INT64_MAX : now + ns);
}

/* The end of a wait that has one. */
static void set_timeout(struct fdemu_req *r, int64_t ns)
{
  r->timer.fire =
      r->call->flags & FDEMU_CALL_TIMED ? notify_timeout : notify_impatient;
  start_timer(r, ns);
}

/* Chance may send a signal where a call would wait. */
static bool draw_eintr(const struct fdemu_req *r)
{
  return r->proc->kernel->below[FDEMU_CHOICE_EINTR] > 0 && !r->quiet &&
         !(r->call->flags & FDEMU_CALL_QUIET) &&
         fde_choose(r, FDEMU_CHOICE_EINTR, 1) > 0;
}

static int park(struct fdemu_req *r)
{
  int64_t ns = r->call->flags & FDEMU_CALL_TIMED ? r->timeout : r->patience;

  wait_init(r);
  if (r->call->park != NULL) {
    int error = r->call->park(r);
    if (error < 0)
      return error;
  } else if (r->call->events != 0)
    fdemu_park(r, &r->file->inode->wq, r->call->events, false);
  if (draw_eintr(r)) {
    r->state = FDE_PARKED;
    fde_unpark(r);
    return -EINTR;
  }
  if (ns > 0 && !r->retry)
    set_timeout(r, ns);
  set_pending(r, FDE_PARKED);
  return 0;
}

/* Leave every queue that r waits in. */
void fde_unpark(struct fdemu_req *r)
{
  bool parked = r->state == FDE_PARKED || r->state == FDE_QUEUED;

  r->state = FDE_RUNNING; /* what is released below cannot wake it again */
  if (!parked)
    return;
  fdemu_list_remove(&r->link);
  fde_unwatch(&r->waiter);
  if (r->call->unpark != NULL)
    r->call->unpark(r);
}

/* ---- answers ---------------------------------------------------------- */

/* The one exit of every call. */
static int64_t finish(struct fdemu_req *r, int64_t result)
{
  bool pending = r->result == FDEMU_PENDING;
  struct fdemu_file *f = r->file;

  r->proc->kernel->origin = r->origin;
  if (r->call->finish != NULL)
    result = r->call->finish(r, result);
  if (r->call->flags & (FDEMU_CALL_READ | FDEMU_CALL_WRITE))
    result = fde_io_end(r, result);
  if (r->fault != 0 && result >= 0)
    result = -r->fault;
  r->result = result;
  r->state = FDE_IDLE;
  if (pending) {
    fdemu_timer_stop(r->proc->kernel, &r->timer);
    fdemu_list_remove(&r->mine);
  }
  if (r->proc->kernel->trace != NULL)
    fde_trace(r, pending ? FDEMU_PHASE_RESUMED : FDEMU_PHASE_CALL);
  if (f != NULL) {
    if (r->ended != NULL)
      r->ended(f, r);
    if (r->chained)
      fde_chain(r, f->inode);
    r->file = NULL;
    fde_put(f);
  }
  return r->result;
}

/* Answer a pending request; its owner hears of it from fdemu_run(). */
void fde_finish_later(struct fdemu_req *r, int64_t result)
{
  struct fdemu_kernel *k = r->proc->kernel;

  fde_unpark(r);
  finish(r, result);
  r->state = FDE_FINISHED;
  fdemu_list_append(&k->finished, &r->link);
}

static const struct fdemu_ops *ops_of(const struct fdemu_req *r)
{
  return r->ops != NULL ? r->ops : r->file->ops;
}

/* Whom to tell if the caller of a kept request gives up. */
static void set_cancel(struct fdemu_req *r)
{
  if (r->cancel == NULL && r->file != NULL)
    r->cancel = ops_of(r)->cancel;
}

/* The request was cancelled, or its process exited, while a method had it: it
 * does not wait any more. */
static int64_t interrupted(struct fdemu_req *r, int64_t n)
{
  if (n == FDEMU_PENDING) {
    fdemu_list_remove(&r->link);
    set_cancel(r);
    if (r->cancel != NULL)
      r->cancel(r->file, r);
  } else if (n != -EAGAIN || !may_wait(r))
    return n;
  return r->interrupt != 0 ? -r->interrupt : -EINTR;
}

/* What a method, or a driver later, had to say. */
static int64_t settle(struct fdemu_req *r, int64_t n)
{
  if (r->interrupt != 0 || !r->proc->alive)
    n = interrupted(r, n);
  if (n == FDEMU_PENDING) {
    set_cancel(r);
    wait_init(r);
    set_pending(r, FDE_KEPT);
    return n;
  }
  if (n == -EAGAIN && may_wait(r)) {
    int error = park(r);
    if (error == 0)
      return FDEMU_PENDING;
    n = error;
  } else if (n == -EAGAIN && r->call->flags & FDEMU_CALL_TIMED)
    n = 0;
  if (r->result != FDEMU_PENDING)
    return finish(r, n);
  fde_finish_later(r, n);
  return r->result;
}

static fdemu_method *method_of(const struct fdemu_req *r)
{
  const char *slot = (const char *)ops_of(r) + r->call->slot;

  return *(fdemu_method *const *)(const void *)slot;
}

static int64_t attempt(struct fdemu_req *r)
{
  const struct fdemu_call *c = r->call;
  int64_t n = FDEMU_NEXT;

  r->proc->kernel->origin = r->origin;
  if (c->run != NULL)
    n = c->run(r->file, r);
  if (n == FDEMU_NEXT) {
    fdemu_method *m = c->slot != 0 ? method_of(r) : NULL;
    if (m == NULL)
      m = c->other;
    n = m != NULL ? m(r->file, r) : c->missing;
  }
  return settle(r, n);
}

/* A queued request's turn has come. */
void fde_attempt(struct fdemu_req *r)
{
  int64_t n = 0;

  if (r->delayed && r->instead) {
    fde_finish_later(r, -r->fault);
    return;
  }
  fde_unpark(r);
  r->retry = !r->delayed;
  r->delayed = false;
  if (!r->retry && r->call->flags & (FDEMU_CALL_READ | FDEMU_CALL_WRITE))
    n = fde_io_place(r);
  if (n < 0)
    settle(r, n);
  else
    attempt(r);
}

/* ---- the public side -------------------------------------------------- */

/* Everything from file to since is 0. In two parts: gcc makes a slow loop of
 * more than 80 bytes. */
static inline void req_init(struct fdemu_req *r, struct fdemu_proc *p)
{
  const size_t first = offsetof(struct fdemu_req, file);
  const size_t half = offsetof(struct fdemu_req, retry);
  const size_t end = offsetof(struct fdemu_req, since);

  memset((char *)r + first, 0, half - first);
  memset((char *)r + half, 0, end - half);
  r->proc = p;
  r->state = FDE_RUNNING;
  r->result = 0;
  r->newfd = -1;
  fdemu_list_init(&r->link);
}

/* Find the description and hold it. */
static int64_t req_file(struct fdemu_req *r)
{
  struct fdemu_file *f = r->on;

  if (f == NULL && r->call->flags & FDEMU_CALL_FD) {
    f = fde_file_at(r->proc, r->fd);
    if (f == NULL || (f->flags & O_PATH && !(r->call->flags & FDEMU_CALL_PATH)))
      return -EBADF;
  }
  if (f != NULL) {
    r->file = f;
    f->refs++;
  }
  return 0;
}

static void notify_delay(struct fdemu_timer *t)
{
  fde_requeue(fdemu_entry(t, struct fdemu_req, timer));
}

/* The first attempt is not yet: a fault delays it. */
static int64_t hold_back(struct fdemu_req *r)
{
  wait_init(r);
  r->delayed = true;
  r->timer.fire = notify_delay;
  start_timer(r, r->delay);
  set_pending(r, FDE_PARKED);
  return FDEMU_PENDING;
}

int64_t fdemu_submit(struct fdemu_proc *p, struct fdemu_req *r)
{
  int64_t n;

  req_init(r, p);
  if (!p->alive)
    return finish(r, -ESRCH);
  if (r->call->flags & FDEMU_CALL_AT && r->offset < 0)
    return finish(r, -EINVAL); /* even before the descriptor is looked at */
  n = r->call->check != NULL ? r->call->check(r) : FDEMU_NEXT;
  if (n != FDEMU_NEXT)
    return finish(r, n);
  n = req_file(r);
  if (n == 0 && r->call->flags & (FDEMU_CALL_READ | FDEMU_CALL_WRITE))
    n = fde_io_begin(r);
  if (n < 0)
    return finish(r, n);
  if (!fdemu_list_empty(&p->kernel->rules))
    n = fde_inject(r);
  if (n < 0)
    return finish(r, n);
  if (r->delay > 0)
    return hold_back(r);
  if (r->call->flags & FDEMU_CALL_VEC && r->call->slot != 0 && r->len == 0)
    return finish(r, method_of(r) != NULL ? 0 : r->call->missing);
  return attempt(r);
}

void fdemu_complete(struct fdemu_req *r, int64_t result)
{
  if (r->state != FDE_KEPT)
    return;
  fdemu_list_remove(&r->link);
  r->cancel = NULL;
  r->state = FDE_RUNNING;
  settle(r, result);
}

void fdemu_retry(struct fdemu_req *r)
{
  if (r->state != FDE_KEPT)
    return;
  fdemu_list_remove(&r->link);
  r->cancel = NULL;
  r->state = FDE_PARKED;
  fde_requeue(r);
}

void fdemu_cancel(struct fdemu_req *r, int error)
{
  if (r->result != FDEMU_PENDING)
    return;
  if (r->state == FDE_RUNNING) { /* from inside a method: see settle() */
    r->interrupt = error;
    fdemu_list_remove(&r->mine);
    return;
  }
  if (r->state == FDE_KEPT) {
    fdemu_list_remove(&r->link);
    if (r->cancel != NULL)
      r->cancel(r->file, r);
  }
  fde_finish_later(r, -error);
}

void fdemu_abandon(struct fdemu_req *r)
{
  if (r->result == FDEMU_PENDING)
    fdemu_cancel(r, ECANCELED);
  if (r->state == FDE_FINISHED) {
    fdemu_list_remove(&r->link);
    r->state = FDE_IDLE;
    r->proc->kernel->pending--;
    fdemu_proc_put(r->proc);
  }
}

int64_t fdemu_call(struct fdemu_proc *p, struct fdemu_req *r)
{
  struct fdemu_kernel *k = p->kernel;

  fdemu_submit(p, r);
  while (r->result == FDEMU_PENDING) {
    fdemu_run(k);
    if (r->result != FDEMU_PENDING)
      break;
    if (!fdemu_tick(k, INT64_MAX))
      fdemu_cancel(r, EDEADLK);
  }
  fdemu_abandon(r);
  return r->result;
}

struct fdemu_req *fdemu_next_req(struct fdemu_proc *p, struct fdemu_req *r)
{
  struct fdemu_list *n = r != NULL ? r->mine.next : p->reqs.next;

  return n == &p->reqs ? NULL : fdemu_entry(n, struct fdemu_req, mine);
}

static void emit(struct fdemu_kernel *k, struct fdemu_req *r,
                 enum fdemu_phase phase, int64_t start)
{
  struct fdemu_event e = { .phase = phase, .req = r, .start = start };

  k->trace(k->trace_ud, &e);
}

/* Show that a call is waiting, once something happens meanwhile. */
void fde_trace_flush(struct fdemu_kernel *k)
{
  struct fdemu_req *r = k->unfinished;

  k->unfinished = NULL;
  if (r != NULL && k->trace != NULL)
    emit(k, r, FDEMU_PHASE_UNFINISHED, r->since);
}

/* A call that nothing came between is one event, even if it had to wait. */
void fde_trace(struct fdemu_req *r, enum fdemu_phase phase)
{
  struct fdemu_kernel *k = r->proc->kernel;
  int64_t start = phase == FDEMU_PHASE_CALL ? k->now : r->since;

  if (k->trace == NULL || r->quiet || r->call->flags & FDEMU_CALL_QUIET)
    return;
  if (k->unfinished == r) {
    k->unfinished = NULL;
    phase = FDEMU_PHASE_CALL;
  } else
    fde_trace_flush(k);
  if (phase == FDEMU_PHASE_UNFINISHED)
    k->unfinished = r;
  else
    emit(k, r, phase, start);
}
