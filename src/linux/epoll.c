/* epoll.c - epoll_wait(2) and its relatives: how long, how many */
#include <sys/epoll.h>

#include "linux/bynumber.h"

/* The array is as large as the caller says, if what he says is any good. */
static int64_t wait_for(const struct fdl_call *c, int64_t timeout)
{
  int max = (int)c->arg[2];
  struct fdemu_req r;

  fdl_fill(c, &r);
  r.arg = max;
  r.buf.iov_len = max > 0 ? (size_t)max * sizeof(struct epoll_event) : 0;
  r.timeout = timeout;
  return fdemu_call(c->p, &r);
}

int64_t fdl_epoll_wait(const struct fdl_call *c)
{
  return wait_for(c, (int)c->arg[3] * INT64_C(1000000));
}

int64_t fdl_epoll_pwait(const struct fdl_call *c)
{
  int error = fdl_check_mask(c, c->arg[4], c->arg[5]);

  return error < 0 ? error : fdl_epoll_wait(c);
}

int64_t fdl_epoll_pwait2(const struct fdl_call *c)
{
  int64_t timeout = -1;
  int error;

  if (c->arg[3] != 0) {
    timeout = fdl_load_timespec(c, c->arg[3]);
    if (timeout < 0)
      return timeout;
  }
  error = fdl_check_mask(c, c->arg[4], c->arg[5]);
  return error < 0 ? error : wait_for(c, timeout);
}
