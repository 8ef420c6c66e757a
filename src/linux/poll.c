/* poll.c - poll(2) and ppoll(2): the array is copied in, and revents out */
#include <errno.h>
#include <poll.h>

#include "fdemu_driver.h"
#include "linux/bynumber.h"

#define FEW 64

static int store_revents(const struct fdl_call *c, const struct pollfd *fds,
                         size_t n)
{
  for (size_t i = 0; i < n; i++) {
    uint64_t at =
        c->arg[0] + i * sizeof *fds + offsetof(struct pollfd, revents);
    int error = fdl_store(c, at, &fds[i].revents, sizeof fds[i].revents);
    if (error < 0)
      return error;
  }
  return 0;
}

static int64_t poll_array(const struct fdl_call *c, struct pollfd *fds,
                          size_t n, int64_t timeout)
{
  struct fdemu_req r;
  int64_t ready;
  int error = n > 0 ? fdl_load(c, fds, c->arg[0], n * sizeof *fds) : 0;

  if (error < 0)
    return error;
  fdl_fill(c, &r);
  r.mem = NULL;
  r.buf = (struct iovec){ fds, n * sizeof *fds };
  r.timeout = timeout;
  ready = fdemu_call(c->p, &r);
  error = ready < 0 ? 0 : store_revents(c, fds, n);
  return error < 0 ? error : ready;
}

static int64_t poll_for(const struct fdl_call *c, int64_t timeout)
{
  uint32_t n = (uint32_t)c->arg[1];
  struct fdemu_kernel *k = fdemu_kernel_of(c->p);
  struct pollfd few[FEW], *fds = few;
  int64_t ready;
  int soft, hard;

  fdemu_get_nofile(c->p, &soft, &hard);
  if (n > (uint32_t)soft)
    return -EINVAL;
  if (n > FEW)
    fds = fdemu_alloc(k, n * sizeof *fds);
  if (fds == NULL)
    return -ENOMEM;
  ready = poll_array(c, fds, n, timeout);
  if (fds != few)
    fdemu_free(k, fds);
  return ready;
}

int64_t fdl_poll(const struct fdl_call *c)
{
  return poll_for(c, (int)c->arg[2] * INT64_C(1000000));
}

int64_t fdl_ppoll(const struct fdl_call *c)
{
  int64_t start = fdemu_now(fdemu_kernel_of(c->p)), timeout = -1, n;
  int error;

  if (c->arg[2] != 0) {
    timeout = fdl_load_timespec(c, c->arg[2]);
    if (timeout < 0)
      return timeout;
  }
  error = fdl_check_mask(c, c->arg[3], c->arg[4]);
  if (error < 0)
    return error;
  n = poll_for(c, timeout);
  fdl_store_timespec(c, c->arg[2], start, timeout);
  return n;
}
