/*
 * timerfd.c - timers that are read, on the virtual clock; timerfd_create(2)
 *
 * As on Linux a timer with an interval fires once, and is started again by
 * whoever reads it or asks for its time, who then counts the intervals that
 * have passed meanwhile. So a timer that nobody looks at does not keep the
 * clock going.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <time.h>

#include "fdemu_driver.h"

#define SECOND INT64_C(1000000000)

#define TFD_IOC_SET_TICKS _IOW('T', 0, uint64_t)

struct timerfd {
  struct fdemu_file file;
  struct fdemu_inode inode;
  struct fdemu_timer timer;
  int64_t expires;  /* by the clock it was made for; 0: never set */
  int64_t interval; /* ns; 0: once */
  int64_t origin;   /* what its clock showed when the kernel was made */
  uint64_t ticks;   /* expirations to be read */
  bool expired;     /* fired, and not started again yet */
};

static struct timerfd *timerfd_of(const struct fdemu_file *f)
{
  return fdemu_entry(f->inode, struct timerfd, inode);
}

/* ---- time ------------------------------------------------------------- */

static int64_t add(int64_t a, int64_t b)
{
  return a > INT64_MAX - b ? INT64_MAX : a + b;
}

static int64_t now(const struct timerfd *t)
{
  return add(fdemu_now(t->inode.kernel), t->origin);
}

/* false: what Linux refuses. What does not fit is the end of time. */
static bool to_ns(const struct timespec *ts, int64_t *ns)
{
  if (ts->tv_sec < 0 || ts->tv_nsec < 0 || ts->tv_nsec >= SECOND)
    return false;
  *ns = ts->tv_sec >= INT64_MAX / SECOND ? INT64_MAX
                                         : ts->tv_sec * SECOND + ts->tv_nsec;
  return true;
}

static struct timespec to_timespec(int64_t ns)
{
  return (struct timespec){ ns / SECOND, ns % SECOND };
}

/* ---- the timer -------------------------------------------------------- */

static void timerfd_fire(struct fdemu_timer *timer)
{
  struct timerfd *t = fdemu_entry(timer, struct timerfd, timer);

  t->expired = true;
  t->ticks++;
  fdemu_wake(&t->inode.wq, POLLIN);
}

/* What is due already fires now: nobody sees it unfired. */
static void start(struct timerfd *t)
{
  if (t->expires <= now(t))
    timerfd_fire(&t->timer);
  else
    fdemu_timer_set(t->inode.kernel, &t->timer, t->expires - t->origin);
}

/* Move the time of expiry beyond now; returns how many intervals that took. */
static uint64_t forward(struct timerfd *t)
{
  int64_t n = (now(t) - t->expires) / t->interval + 1;

  t->expires = add(t->expires + (n - 1) * t->interval, t->interval);
  return (uint64_t)n;
}

/* The expirations since it fired. */
static void catch_up(struct timerfd *t)
{
  if (!t->expired || t->interval == 0)
    return;
  t->expired = false;
  t->ticks += forward(t) - 1;
  start(t);
}

static struct itimerspec remaining(const struct timerfd *t)
{
  int64_t left = t->expires - now(t);

  return (struct itimerspec){
    .it_interval = to_timespec(t->interval),
    .it_value = to_timespec(left > 0 ? left : 0),
  };
}

static void set(struct timerfd *t, int64_t value, int64_t interval, int flags)
{
  fdemu_timer_stop(t->inode.kernel, &t->timer);
  t->expired = false;
  t->ticks = 0;
  t->interval = interval;
  t->expires = 0;
  if (value == 0)
    return;
  t->expires = flags & TFD_TIMER_ABSTIME ? value : add(now(t), value);
  start(t);
}

/* ---- methods ---------------------------------------------------------- */

/* As much of it as the caller's memory takes. */
static int64_t deliver(struct fdemu_req *r, uint64_t ticks)
{
  const char *byte = (const char *)&ticks;
  int error = fdemu_copy_out(r, byte, sizeof ticks);

  if (error == 0)
    return sizeof ticks;
  for (size_t i = 0; i < sizeof ticks && fdemu_copy_out(r, byte + i, 1) == 0;)
    i++;
  return error; /* or r->done */
}

/* What is read is gone even if the caller's memory is bad, as on Linux. */
static int64_t timerfd_read(struct fdemu_file *f, struct fdemu_req *r)
{
  struct timerfd *t = timerfd_of(f);
  uint64_t ticks;

  if (r->len < sizeof ticks)
    return -EINVAL;
  if (t->ticks == 0)
    return -EAGAIN;
  catch_up(t);
  ticks = t->ticks;
  t->ticks = 0;
  t->expired = false;
  return deliver(r, ticks);
}

static int64_t timerfd_ioctl(struct fdemu_file *f, struct fdemu_req *r)
{
  struct timerfd *t = timerfd_of(f);
  uint64_t ticks;
  int error;

  if (r->cmd != TFD_IOC_SET_TICKS)
    return -ENOTTY;
  error = fdemu_arg_load(r, 0, &ticks, sizeof ticks);
  if (error < 0)
    return error;
  if (ticks == 0)
    return -EINVAL;
  t->ticks = ticks;
  fdemu_wake(&t->inode.wq, POLLIN);
  return 0;
}

static int timerfd_poll(struct fdemu_file *f)
{
  return timerfd_of(f)->ticks > 0 ? POLLIN : 0;
}

static int64_t timerfd_release(struct fdemu_file *f)
{
  fdemu_timer_stop(f->inode->kernel, &timerfd_of(f)->timer);
  return 0;
}

static void timerfd_free(struct fdemu_inode *i)
{
  fdemu_object_free(i->kernel, fdemu_entry(i, struct timerfd, inode));
}

static const struct fdemu_ops timerfd_ops = {
  .name = "timerfd",
  .mode = FDEMU_MODE_LATE | FDEMU_MODE_EPOLL | FDEMU_MODE_NO_SPLICE_READ,
  .read = timerfd_read,
  .lseek = fdemu_lseek_0,
  .ioctl = timerfd_ioctl,
  .poll = timerfd_poll,
  .release = timerfd_release,
};

/* ---- calls ------------------------------------------------------------ */

static struct fdemu_file *timerfd_new(struct fdemu_kernel *k, int64_t origin,
                                      int flags)
{
  struct timerfd *t = fdemu_object_alloc(k, sizeof *t);

  if (t == NULL)
    return NULL;
  *t = (struct timerfd){ .timer.fire = timerfd_fire, .origin = origin };
  fdemu_inode_init(&t->inode, NULL, k, &timerfd_ops, 0600, timerfd_free);
  fdemu_file_init(&t->file, &t->inode, &timerfd_ops,
                  O_RDWR | (flags & O_NONBLOCK), NULL);
  fdemu_inode_put(&t->inode);
  return &t->file;
}

/* The clocks that wake a machine up are for the privileged. */
static int clock_origin(int64_t clock, int64_t *origin)
{
  *origin = clock == CLOCK_REALTIME ? FDEMU_EPOCH * SECOND : 0;
  switch (clock) {
  case CLOCK_REALTIME:
  case CLOCK_MONOTONIC:
  case CLOCK_BOOTTIME: return 0;
  case CLOCK_REALTIME_ALARM:
  case CLOCK_BOOTTIME_ALARM: return -EPERM;
  default: return -EINVAL;
  }
}

static int64_t timerfd_make(struct fdemu_file *unused, struct fdemu_req *r)
{
  const int flags = (int)r->cmd;
  struct fdemu_file *f;
  int64_t origin;
  int fd, error;

  (void)unused;
  if (flags & ~(TFD_CLOEXEC | TFD_NONBLOCK))
    return -EINVAL;
  error = clock_origin(r->arg, &origin);
  if (error == 0)
    error = fdemu_reserve(r->proc, &fd, 1);
  if (error < 0)
    return error;
  f = timerfd_new(fdemu_kernel_of(r->proc), origin, flags);
  if (f == NULL) {
    fdemu_unreserve(r->proc, &fd, 1);
    return -ENOMEM;
  }
  fdemu_fill(r->proc, fd, f, (flags & TFD_CLOEXEC) != 0);
  return fd;
}

/* The timer behind r->fd: 0, -EBADF, -EINVAL if it is something else. */
static int timerfd_at(const struct fdemu_req *r, struct timerfd **t)
{
  struct fdemu_file *f = fdemu_file_usable(r->proc, r->fd);

  if (f == NULL)
    return -EBADF;
  if (f->inode->ops != &timerfd_ops)
    return -EINVAL;
  *t = timerfd_of(f);
  return 0;
}

/* The new value is looked at before the descriptor is. */
static int64_t settime(struct fdemu_file *unused, struct fdemu_req *r)
{
  const int flags = (int)r->cmd;
  struct itimerspec new, old;
  int64_t value, interval;
  struct timerfd *t;
  int error = fdemu_arg_load(r, 0, &new, sizeof new);

  (void)unused;
  if (error < 0)
    return error;
  if (flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET) ||
      !to_ns(&new.it_value, &value) || !to_ns(&new.it_interval, &interval))
    return -EINVAL;
  error = timerfd_at(r, &t);
  if (error < 0)
    return error;
  if (t->expired && t->interval > 0)
    forward(t); /* what is left until the next, not since the last */
  old = remaining(t);
  set(t, value, interval, flags);
  if (r->buf.iov_len == sizeof new)
    return 0; /* nobody asks for the old one */
  return fdemu_arg_store(r, sizeof new, &old, sizeof old);
}

static int64_t gettime(struct fdemu_file *unused, struct fdemu_req *r)
{
  struct itimerspec it;
  struct timerfd *t;
  int error = timerfd_at(r, &t);

  (void)unused;
  if (error < 0)
    return error;
  catch_up(t);
  it = remaining(t);
  return fdemu_arg_store(r, 0, &it, sizeof it);
}

const struct fdemu_call fdemu_timerfd_create_call = {
  .name = "timerfd_create",
  .args = "clock timerfd_flags",
  .run = timerfd_make,
};

const struct fdemu_call fdemu_timerfd_settime_call = {
  .name = "timerfd_settime",
  .args = "fd settime_flags new_time | old_time",
  .run = settime,
};

const struct fdemu_call fdemu_timerfd_gettime_call = {
  .name = "timerfd_gettime",
  .args = "fd | time",
  .run = gettime,
};

int fdemu_timerfd_create(struct fdemu_proc *p, int clockid, int flags)
{
  struct fdemu_req r = {
    .call = &fdemu_timerfd_create_call,
    .arg = clockid,
    .cmd = (unsigned long)flags,
  };

  return (int)fdemu_call(p, &r);
}

int fdemu_timerfd_settime(struct fdemu_proc *p, int fd, int flags,
                          const struct itimerspec *value,
                          struct itimerspec *old)
{
  struct itimerspec block[2] = { *value };
  struct fdemu_req r = {
    .call = &fdemu_timerfd_settime_call,
    .fd = fd,
    .buf = { block, old != NULL ? sizeof block : sizeof *block },
    .cmd = (unsigned long)flags,
  };
  int error = (int)fdemu_call(p, &r);

  if (error == 0 && old != NULL)
    *old = block[1];
  return error;
}

int fdemu_timerfd_gettime(struct fdemu_proc *p, int fd,
                          struct itimerspec *value)
{
  struct fdemu_req r = {
    .call = &fdemu_timerfd_gettime_call,
    .fd = fd,
    .buf = { value, sizeof *value },
  };

  return (int)fdemu_call(p, &r);
}
