/* time.c - how long a call waits, and the signals that it would let in */
#include <errno.h>
#include <sys/time.h>
#include <time.h>

#include "linux/bynumber.h"

#define SECOND  INT64_C(1000000000)
#define MICRO   INT64_C(1000000)
#define SIGMASK 8 /* bytes in the kernel's sigset_t */

static int64_t to_ns(int64_t sec, int64_t nsec)
{
  if (sec < 0 || nsec < 0 || nsec >= SECOND)
    return -EINVAL;
  return sec >= INT64_MAX / SECOND ? INT64_MAX : sec * SECOND + nsec;
}

int64_t fdl_load_timespec(const struct fdl_call *c, uint64_t addr)
{
  struct timespec t;
  int error = fdl_load(c, &t, addr, sizeof t);

  return error < 0 ? error : to_ns(t.tv_sec, t.tv_nsec);
}

/* More than a second of microseconds is taken for what it is; as in Linux, the
 * sum wraps. */
int64_t fdl_load_timeval(const struct fdl_call *c, uint64_t addr)
{
  struct timeval t;
  int error = fdl_load(c, &t, addr, sizeof t);

  if (error < 0)
    return error;
  return to_ns((int64_t)((uint64_t)t.tv_sec + (uint64_t)(t.tv_usec / MICRO)),
               t.tv_usec % MICRO * 1000);
}

/* What is left of a timeout that began at start. */
static int64_t left(const struct fdl_call *c, int64_t start, int64_t timeout)
{
  int64_t passed = fdemu_now(fdemu_kernel_of(c->p)) - start;

  return passed < timeout ? timeout - passed : 0;
}

/* It goes back to the caller if that is possible. A timeout of 0 stays as it
 * is. */
void fdl_store_timespec(const struct fdl_call *c, uint64_t addr, int64_t start,
                        int64_t timeout)
{
  int64_t ns = left(c, start, timeout);
  struct timespec t = { ns / SECOND, ns % SECOND };

  if (timeout > 0)
    fdl_store(c, addr, &t, sizeof t);
}

void fdl_store_timeval(const struct fdl_call *c, uint64_t addr, int64_t start,
                       int64_t timeout)
{
  int64_t ns = left(c, start, timeout);
  struct timeval t = { ns / SECOND, ns % SECOND / 1000 };

  if (timeout > 0)
    fdl_store(c, addr, &t, sizeof t);
}

/* There are no signals, so that a mask of them has only to be a good one. */
int fdl_check_mask(const struct fdl_call *c, uint64_t addr, uint64_t size)
{
  char mask[SIGMASK];

  if (addr == 0)
    return 0;
  return size != SIGMASK ? -EINVAL : fdl_load(c, mask, addr, SIGMASK);
}
