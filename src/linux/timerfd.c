/* timerfd.c - timerfd_settime(2): one setting in, another out */
#include <sys/timerfd.h>

#include "linux/bynumber.h"

/* The timer is set even if the old setting cannot be delivered. */
int64_t fdl_timerfd_settime(const struct fdl_call *c)
{
  struct itimerspec block[2];
  struct fdemu_req r;
  int64_t n = fdl_load(c, &block[0], c->arg[2], sizeof block[0]);

  if (n < 0)
    return n;
  fdl_fill(c, &r);
  r.mem = NULL;
  r.buf = (struct iovec){ block, sizeof block };
  n = fdemu_call(c->p, &r);
  if (n == 0 && c->arg[3] != 0)
    n = fdl_store(c, c->arg[3], &block[1], sizeof block[1]);
  return n;
}
