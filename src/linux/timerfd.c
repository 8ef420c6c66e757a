/* timerfd.c - timerfd_settime(2): one setting in, another out */
#include <sys/timerfd.h>

#include "linux/bynumber.h"

/* The block that the call takes: the first struct is where the new setting is,
 * the second where the old one is wanted. */
struct block {
  struct fdemu_mem mem;
  const struct fdl_call *c;
};

static uint64_t address_of(const struct fdl_call *c, const void *p)
{
  const uint64_t size = sizeof(struct itimerspec);
  uint64_t at = (uintptr_t)p - c->arg[2];

  return at < size ? c->arg[2] + at : c->arg[3] + at - size;
}

static int block_load(const struct fdemu_mem *m, void *dst, const void *addr,
                      size_t n)
{
  const struct fdl_call *c = fdemu_entry(m, struct block, mem)->c;

  return fdl_load(c, dst, address_of(c, addr), n);
}

static int block_store(const struct fdemu_mem *m, void *addr, const void *src,
                       size_t n)
{
  const struct fdl_call *c = fdemu_entry(m, struct block, mem)->c;

  return fdl_store(c, address_of(c, addr), src, n);
}

int64_t fdl_timerfd_settime(const struct fdl_call *c)
{
  const struct block b = { { block_load, block_store }, c };
  struct fdemu_req r;

  fdl_fill(c, &r);
  r.mem = &b.mem;
  r.buf.iov_base = (void *)(uintptr_t)c->arg[2];
  r.buf.iov_len = sizeof(struct itimerspec) * (c->arg[3] != 0 ? 2 : 1);
  return fdemu_call(c->p, &r);
}
