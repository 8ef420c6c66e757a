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
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "core/kernel.h"

/* uapi/linux/fs.h; not every libc has all of them. */
#define RWF_HI      0x01
#define RWF_NO_WAIT 0x08
#define RWF_END     0x10  /* RWF_APPEND */
#define RWF_NO_END  0x20  /* RWF_NOAPPEND */
#define RWF_NO_PIPE 0x100 /* RWF_NOSIGNAL */
/* And RWF_DSYNC, RWF_SYNC. Nothing here is written atomically
 * (0x40), or goes through a cache (0x80). */
#define RWF_KNOWN \
  (RWF_HI | 0x02 | 0x04 | RWF_NO_WAIT | RWF_END | RWF_NO_END | RWF_NO_PIPE)

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

/* Whether r, which got -EAGAIN, waits for better times. */
static bool may_wait(const struct fdemu_req *r)
{
  if (r->dontwait || r->late)
    return false;
  if (r->call->flags & FDEMU_CALL_TIMED)
    return r->timeout != 0;
  if (r->call->park != NULL)
    return true;
  if (r->call->events == 0 || r->patience < 0)
    return false;
  if (r->waits && !(r->file->mode & FDEMU_MODE_LOOKS_AGAIN))
    return true;
  return !(r->file->flags & O_NONBLOCK);
}

bool fdemu_may_wait(const struct fdemu_req *r)
{
  return may_wait(r);
}

bool fdemu_interrupted(const struct fdemu_req *r)
{
  return r->interrupt != 0;
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
static inline void set_pending(struct fdemu_req *r, enum fde_state state)
{
  r->state = (unsigned char)state;
  if (r->result != FDEMU_PENDING) {
    r->result = FDEMU_PENDING;
    r->since = r->proc->kernel->now;
    r->proc->refs++; /* until the answer is handed back */
    r->proc->kernel->pending++;
    fdemu_list_append(&r->proc->reqs, &r->mine);
    if (r->proc->kernel->trace != NULL)
      fde_trace(r, FDEMU_PHASE_UNFINISHED);
  }
}

/*
 * A wait is to end, of a signal or because its time is over. As on Linux, who
 * waits for a file to be ready looks once more: what came unnoticed is seen. So
 * does who was woken already. false: there is nothing to look at, as for a
 * sleep, or it was not begun.
 */
static bool look_again(struct fdemu_req *r)
{
  bool watches = !fdemu_list_empty(&r->waiter.link) || r->call->unpark != NULL;

  if (r->delayed)
    return false;
  if (watches) {
    fde_unwatch(&r->waiter);
    fde_requeue(r);
  }
  return r->state == FDE_QUEUED;
}

static void notify_late(struct fdemu_timer *t)
{
  struct fdemu_req *r = fdemu_entry(t, struct fdemu_req, timer);

  if (look_again(r))
    r->late = true;
  else
    fde_finish_later(r, 0);
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
  r->timer.fire = notify_late;
  start_timer(r, ns);
}

/* Chance may send a signal where a call would wait. */
static bool draw_eintr(const struct fdemu_req *r)
{
  return r->proc->kernel->below[FDEMU_CHOICE_EINTR] > 0 && !r->quiet &&
         !(r->call->flags & FDEMU_CALL_QUIET) &&
         fde_choose(r, FDEMU_CHOICE_EINTR, 1) > 0;
}

static struct fdemu_waitq *waitq_of(struct fdemu_req *r)
{
  struct fdemu_file *f = r->file;

  return f->ops->waitq != NULL ? f->ops->waitq(f, r) : &f->inode->wq;
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
    fdemu_park(r, waitq_of(r), r->call->events,
               (r->file->mode & FDEMU_MODE_LAST_FIRST) != 0);
  if (draw_eintr(r)) {
    r->state = FDE_PARKED;
    fde_unpark(r);
    return -EINTR;
  }
  if (ns > 0 && !r->retry)
    set_timeout(r, ns);
  r->waits = true;
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

/* What makes more of a call than the call: chance and faults before it, who
 * watches directories and who traces after it. To be said of every change of
 * these, so that others need not look for each. */
void fde_care(struct fdemu_kernel *k)
{
  k->careful = k->below[FDEMU_CHOICE_SHORT] > 0 ||
               !fdemu_list_empty(&k->rules) || k->nnotes > 0 ||
               k->trace != NULL;
  k->prompt = k->careful || k->origins || k->nforeign > 0;
}

/* ---- bytes: before and after ------------------------------------------ */

/* As import_iovec() of Linux. */
int64_t fde_vector_length(const struct fdemu_req *r, uint64_t *total)
{
  if (r->iovcnt < 0 || r->iovcnt > FDE_IOV_MAX)
    return -EINVAL;
  *total = 0;
  for (int i = 0; r->iov != NULL && i < r->iovcnt; i++) {
    if (r->iov[i].iov_len > SSIZE_MAX - *total)
      return -EINVAL;
    *total += r->iov[i].iov_len;
  }
  return 0;
}

/* Short counts: a property of the kind, drawn here and nowhere else. */
void fde_draw_length(struct fdemu_req *r)
{
  uint64_t n;

  if (r->proc->kernel->below[FDEMU_CHOICE_SHORT] == 0 || r->len < 2 ||
      r->quiet || !(r->file->mode & FDEMU_MODE_SHORT))
    return;
  n = fde_choose(r, FDEMU_CHOICE_SHORT, r->len - 1);
  if (n > 0)
    r->len = (size_t)n;
}

/* What Linux says to flags of preadv2() and pwritev2(), if there is anything to
 * be moved. */
static int64_t check_rwf(const struct fdemu_req *r)
{
  const bool write = (r->call->flags & FDEMU_CALL_WRITE) != 0;
  const struct fdemu_ops *ops = r->file->ops;
  const unsigned mode = r->file->mode;

  if ((write ? ops->write : ops->read) == NULL)
    return 0; /* there is something else to be said */
  if (r->rwf & ~RWF_KNOWN)
    return -EOPNOTSUPP;
  if (ops->first != NULL)
    return 0; /* its owner says it */
  if (mode & (write ? FDEMU_MODE_NO_RWF_WRITE : FDEMU_MODE_NO_RWF_READ) &&
      r->rwf & ~RWF_HI)
    return -EOPNOTSUPP;
  if (r->rwf & RWF_END && r->rwf & RWF_NO_END)
    return -EINVAL;
  return r->rwf & RWF_NO_WAIT && mode & FDEMU_MODE_NO_NOWAIT ? -EOPNOTSUPP : 0;
}

int64_t fdemu_broken(const struct fdemu_req *r)
{
  if (!(r->rwf & RWF_NO_PIPE))
    fdemu_signal(r->proc, SIGPIPE);
  return -EPIPE;
}

static bool appends(const struct fdemu_req *r)
{
  return r->call->flags & FDEMU_CALL_WRITE && S_ISREG(r->file->inode->mode) &&
         (r->rwf & RWF_END ||
          (r->file->flags & O_APPEND && !(r->rwf & RWF_NO_END)));
}

/* O_APPEND: at the end, up to the largest size that there is. */
static int64_t append(struct fdemu_req *r)
{
  int64_t size = r->file->inode->attr->size, room = INT64_MAX - size;

  r->offset = size;
  if (room == 0 && r->len > 0)
    return -EFBIG;
  if ((int64_t)r->len > room)
    r->len = r->asked = (size_t)room;
  return 0;
}

/* The flags of the call, and of the file, that say how or where. */
static int64_t place_by_flags(struct fdemu_req *r)
{
  int64_t error = r->rwf != 0 && r->len > 0 ? check_rwf(r) : 0;

  return error == 0 && appends(r) ? append(r) : error;
}

/* Where the bytes go, as things are when the call is really made. */
FDE_INLINE int64_t io_place(struct fdemu_req *r, const struct fdemu_file *f,
                            const struct fdemu_call *c)
{
  int64_t offset = r->offset;

  if (!(c->flags & FDEMU_CALL_AT))
    r->offset = offset = f->mode & FDEMU_MODE_SEEK ? f->pos : 0;
  if (offset > INT64_MAX - (int64_t)r->len)
    return -EINVAL;
  return r->rwf != 0 || f->flags & O_APPEND ? place_by_flags(r) : 0;
}

/* Whether all of buf can be memory of a program: what read(2) and its like ask,
 * if there is a method at all. */
static int64_t check_memory(const struct fdemu_req *r)
{
  const struct fdemu_ops *ops = r->file->ops;
  bool write = (r->call->flags & FDEMU_CALL_WRITE) != 0;
  uintptr_t at = (uintptr_t)r->buf.iov_base;

  if (r->call->begin != NULL || (write ? ops->write : ops->read) == NULL)
    return 0;
  return r->buf.iov_len > FDE_TASK_SIZE || at > FDE_TASK_SIZE - r->buf.iov_len
             ? -EFAULT
             : 0;
}

/* What Linux checks before it asks the file, in its order. */
FDE_INLINE int64_t io_begin(struct fdemu_req *r, struct fdemu_file *f,
                            const struct fdemu_call *c)
{
  uint64_t total = r->buf.iov_len;
  int64_t error = 0;

  if (c->flags & FDEMU_CALL_AT &&
      !(f->mode & (FDEMU_MODE_SEEK | FDEMU_MODE_PREAD)))
    return -ESPIPE;
  if (c->begin != NULL) {
    error = c->begin(f, r);
    if (error != FDEMU_NEXT)
      return error;
  } else if (!(fde_opened_for(f) & c->flags))
    return -EBADF;
  if (c->flags & FDEMU_CALL_VEC)
    error = fde_vector_length(r, &total);
  else
    error = r->bounded ? check_memory(r) : 0;
  r->len = r->asked = total < FDE_MAX_RW ? (size_t)total : FDE_MAX_RW;
  return error == 0 ? io_place(r, f, c) : error;
}

/* A write that could not fetch or keep its bytes has begun all the same. */
static bool has_written(const struct fdemu_req *r, int64_t n)
{
  return n > 0 || n == -EFAULT ||
         (!r->injected && (n == -ENOSPC || n == -EPERM));
}

/* Even a read of nothing is one of a file, and one into no memory. */
static bool has_read(const struct fdemu_req *r, int64_t n)
{
  return n == -EFAULT ||
         (n >= 0 && (r->asked > 0 || S_ISREG(r->file->inode->mode)));
}

/* Regular files and pipes have times of use. Nothing in pieces is no use, nor
 * are pieces that could not be fetched. */
FDE_INLINE void touch(const struct fdemu_req *r, const struct fdemu_file *f,
                      unsigned flags, int64_t n)
{
  const mode_t type = f->inode->mode & S_IFMT;

  if (type == S_IFIFO ? n < 0 : type != S_IFREG)
    return;
  if (flags & FDEMU_CALL_VEC && r->asked == 0)
    return;
  if (flags & FDEMU_CALL_WRITE && has_written(r, n)) {
    unsigned events = fde_wrote(r->proc, f->inode);
    if (events != 0)
      fde_note_entry(f->entry, events);
  } else if (flags & FDEMU_CALL_READ && has_read(r, n))
    fde_accessed(f);
}

/* What was moved is the result, even if the rest of the call failed. */
FDE_INLINE int64_t io_end(struct fdemu_req *r, unsigned flags, int64_t result)
{
  struct fdemu_file *f = r->file;

  if (result < 0 && r->done > 0)
    result = (int64_t)r->done;
  if (f == NULL)
    return result;
  if (result > 0 && f->mode & FDEMU_MODE_SEEK && !(flags & FDEMU_CALL_AT))
    f->pos = r->offset + result;
  touch(r, f, flags, result);
  return result;
}

/* ---- answers ---------------------------------------------------------- */

/* r, which had to wait, waits no more. */
FDE_INLINE void stop_waiting(struct fdemu_req *r, struct fdemu_kernel *k)
{
  fdemu_timer_stop(k, &r->timer);
  fdemu_list_remove(&r->mine);
}

/* Its description has no more to do with r. */
FDE_INLINE void let_go(struct fdemu_req *r, struct fdemu_file *f)
{
  if (r->ended != NULL)
    r->ended(f, r);
  if (r->chained)
    fde_chain(r, f->inode);
  r->file = NULL;
  fde_put(f);
}

/* The result, or the fault that takes its place, and those who look on. */
FDE_RARE static void show(struct fdemu_req *r, const struct fdemu_kernel *k,
                          int64_t result, enum fdemu_phase phase)
{
  if (k->nnotes > 0 && r->file != NULL &&
      r->call->flags & (FDEMU_CALL_READ | FDEMU_CALL_WRITE))
    fde_note_io(r, result);
  r->result = r->fault != 0 && result >= 0 ? -r->fault : result;
  if (k->trace != NULL)
    fde_trace(r, phase);
}

/* The one exit of every call: answered at once, or after a wait (resumed). */
FDE_INLINE int64_t conclude(struct fdemu_req *r, struct fdemu_kernel *k,
                            const struct fdemu_call *c, int64_t result,
                            enum fdemu_phase phase)
{
  k->origin = r->origin;
  if (c->finish != NULL)
    result = c->finish(r, result);
  if (c->flags & (FDEMU_CALL_READ | FDEMU_CALL_WRITE))
    result = io_end(r, c->flags, result);
  if (phase == FDEMU_PHASE_RESUMED)
    stop_waiting(r, k);
  r->state = FDE_IDLE;
  if (r->fault != 0 || k->careful)
    show(r, k, result, phase);
  else
    r->result = result;
  if (r->file != NULL)
    let_go(r, r->file);
  return r->result;
}

FDE_APART static int64_t finish(struct fdemu_req *r, int64_t result)
{
  return conclude(r, r->proc->kernel, r->call, result,
                  r->result == FDEMU_PENDING ? FDEMU_PHASE_RESUMED
                                             : FDEMU_PHASE_CALL);
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

/* The request was interrupted, or its process exited while a method had it: it
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

FDE_INLINE fdemu_method *method_of(const struct fdemu_req *r,
                                   const struct fdemu_call *c)
{
  const char *slot = (const char *)ops_of(r) + c->slot;

  /* It takes a pointer to a function for an integer. */
  /* cppcheck-suppress CastIntegerToAddressAtReturn */
  return *(fdemu_method *const *)(const void *)slot;
}

/* What the core says, unless the kind says it itself. */
FDE_INLINE int64_t run(struct fdemu_req *r, const struct fdemu_call *c)
{
  struct fdemu_file *f = r->file;
  fdemu_method *first = f != NULL ? ops_of(r)->first : NULL;
  int64_t n = first != NULL ? first(f, r) : FDEMU_NEXT;

  return n == FDEMU_NEXT ? c->run(f, r) : n;
}

/* What the method says, before anybody has thought about it. */
FDE_INLINE int64_t attempt(struct fdemu_req *r, struct fdemu_kernel *k,
                           const struct fdemu_call *c)
{
  fdemu_method *m = NULL;

  k->origin = r->origin;
  if (c->run != NULL) { /* it may find the description, too */
    int64_t n = run(r, c);
    if (n != FDEMU_NEXT)
      return n;
  }
  if (c->slot != 0)
    m = method_of(r, c);
  if (m == NULL)
    m = c->other;
  return m != NULL ? m(r->file, r) : c->missing;
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
    n = io_place(r, r->file, r->call);
  settle(r, n < 0 ? n : attempt(r, r->proc->kernel, r->call));
}

/* ---- the public side -------------------------------------------------- */

/* Everything from file to since is 0. In two parts: gcc makes a slow loop of
 * more than 80 bytes. */
FDE_INLINE void req_init(struct fdemu_req *r, struct fdemu_proc *p)
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

/* The description that r is about. NULL for a call that takes a descriptor: it
 * has none that will do. */
FDE_INLINE struct fdemu_file *target(const struct fdemu_req *r, unsigned flags)
{
  struct fdemu_file *f = r->on;

  if (f != NULL || !(flags & FDEMU_CALL_FD))
    return f;
  f = fde_file_at(r->proc, r->fd);
  return f != NULL && f->flags & O_PATH && !(flags & FDEMU_CALL_PATH) ? NULL
                                                                      : f;
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

/* Chance makes the call shorter, a fault is injected, or delays it. FDEMU_NEXT:
 * it goes on. */
FDE_RARE static int64_t meddle(struct fdemu_req *r)
{
  int64_t n;

  if (r->file != NULL && r->call->flags & (FDEMU_CALL_READ | FDEMU_CALL_WRITE))
    fde_draw_length(r);
  if (fdemu_list_empty(&r->proc->kernel->rules))
    return FDEMU_NEXT;
  n = fde_inject(r);
  if (n < 0)
    return n;
  return r->delay > 0 ? hold_back(r) : FDEMU_NEXT;
}

/* A vector of no bytes: no method is asked. Without iov it is one that could not
 * be fetched. */
static int64_t no_bytes(const struct fdemu_req *r, const struct fdemu_call *c)
{
  if (method_of(r, c) == NULL)
    return c->missing;
  return r->iov != NULL || r->iovcnt == 0 ? 0 : -EFAULT;
}

/* What comes before the first attempt. FDEMU_NEXT: go on. */
FDE_INLINE int64_t admit(struct fdemu_req *r, const struct fdemu_kernel *k,
                         const struct fdemu_call *c)
{
  struct fdemu_file *f;
  int64_t n = FDEMU_NEXT;

  if (!r->proc->alive)
    return -ESRCH;
  if (c->flags & FDEMU_CALL_AT && r->offset < 0)
    return -EINVAL; /* even before the descriptor is looked at */
  if (c->check != NULL && (n = c->check(r)) != FDEMU_NEXT)
    return n;
  f = target(r, c->flags);
  if (f == NULL && c->flags & FDEMU_CALL_FD)
    return -EBADF;
  if (f != NULL) {
    r->file = f;
    f->refs++;
    if (c->flags & (FDEMU_CALL_READ | FDEMU_CALL_WRITE) &&
        (n = io_begin(r, f, c)) < 0)
      return n;
  }
  if (k->careful && (n = meddle(r)) != FDEMU_NEXT)
    return n;
  if (c->flags & FDEMU_CALL_VEC && c->slot != 0 && f != NULL && r->len == 0)
    return no_bytes(r, c);
  return FDEMU_NEXT;
}

FDE_INLINE int64_t submit(struct fdemu_proc *p, struct fdemu_req *r,
                          const struct fdemu_call *c)
{
  struct fdemu_kernel *k = p->kernel;
  int64_t n;

  if (c->check != fde_close_check)
    fde_catch_up(k);
  req_init(r, p);
  n = admit(r, k, c);
  if (n == FDEMU_PENDING)
    return n;
  if (n == FDEMU_NEXT) {
    n = attempt(r, k, c);
    if (n < 0)
      return settle(r, n);
  }
  return conclude(r, k, c, n, FDEMU_PHASE_CALL);
}

/* The two calls that are made most are compiled for what they are. */
int64_t fdemu_submit(struct fdemu_proc *p, struct fdemu_req *r)
{
  static const struct fdemu_call reads = FDE_CALL_READ, writes = FDE_CALL_WRITE;

  if (r->call == &fdemu_calls[FDEMU_READ])
    return submit(p, r, &reads);
  if (r->call == &fdemu_calls[FDEMU_WRITE])
    return submit(p, r, &writes);
  return submit(p, r, r->call);
}

void fdemu_complete(struct fdemu_req *r, int64_t result)
{
  if (r->state != FDE_KEPT)
    return;
  fde_catch_up(r->proc->kernel);
  fdemu_list_remove(&r->link);
  r->cancel = NULL;
  r->state = FDE_RUNNING;
  settle(r, result);
}

void fdemu_retry(struct fdemu_req *r)
{
  if (r->state != FDE_KEPT)
    return;
  fde_catch_up(r->proc->kernel);
  fdemu_list_remove(&r->link);
  r->cancel = NULL;
  r->state = FDE_PARKED;
  fde_requeue(r);
}

void fdemu_cancel(struct fdemu_req *r, int error)
{
  if (r->result == FDEMU_PENDING)
    fde_catch_up(r->proc->kernel);
  if (r->result == FDEMU_PENDING && error == EINTR && r->proc->alive &&
      look_again(r))
    r->interrupt = EINTR;
  else
    fde_cancel(r, error);
}

void fde_cancel(struct fdemu_req *r, int error)
{
  if (r->result != FDEMU_PENDING)
    return;
  if (r->interrupt != 0) /* the first one counts */
    error = r->interrupt;
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

static inline void hand_back(struct fdemu_req *r)
{
  if (r->state == FDE_FINISHED) {
    fdemu_list_remove(&r->link);
    r->state = FDE_IDLE;
    r->proc->kernel->pending--;
    fdemu_proc_put(r->proc);
  }
}

FDE_RARE static void abandon_pending(struct fdemu_req *r)
{
  fdemu_cancel(r, ECANCELED);
  hand_back(r);
}

void fdemu_abandon(struct fdemu_req *r)
{
  if (r->result == FDEMU_PENDING)
    abandon_pending(r);
  else
    hand_back(r);
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
FDE_APART void fde_trace(struct fdemu_req *r, enum fdemu_phase phase)
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
