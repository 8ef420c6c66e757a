/* vector.c - readv(2), writev(2) and their relatives, vmsplice(2) */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "fdemu_driver.h"
#include "linux/bynumber.h"

#define NOWAIT 0x08 /* RWF_NOWAIT; not every libc has it */

/*
 * r with the vector of args[1] and args[2]. Linux copies it after it has looked
 * at the descriptor, so one that cannot be read is left out: what else is wrong
 * with the call comes first.
 */
static int64_t call(const struct fdl_call *c, struct fdemu_req *r)
{
  struct iovec iov[IOV_MAX];
  uint64_t count = c->arg[2];
  int error = 0;
  int64_t n;

  r->iov = iov;
  r->iovcnt = count <= IOV_MAX ? (int)count : -1;
  if (r->iovcnt > 0)
    error = fdl_load(c, iov, c->arg[1], (size_t)count * sizeof *iov);
  if (error < 0)
    r->iov = NULL;
  n = fdemu_call(c->p, r);
  return n == 0 && error < 0 ? error : n;
}

int64_t fdl_vector(const struct fdl_call *c)
{
  struct fdemu_req r;

  fdl_fill(c, &r);
  return call(c, &r);
}

/* Its pages are where the addresses say. */
int64_t fdl_vmsplice(const struct fdl_call *c)
{
  struct fdemu_req r;

  fdl_fill(c, &r);
  r.arg = 1;
  return call(c, &r);
}

/* The offset is in two registers, of which 64-bit programs use the first. */
int64_t fdl_vector_at(const struct fdl_call *c)
{
  return fdl_vector(c);
}

/* An offset of -1 is the file's position. */
int64_t fdl_vector_flags(const struct fdl_call *c)
{
  const struct fdemu_call *at = &fdemu_calls[FDEMU_PREADV];
  int flags = (int)c->arg[5];
  struct fdemu_req r;

  fdl_fill(c, &r);
  if (r.offset == -1) {
    r.call = &fdemu_calls[r.call == at ? FDEMU_READV : FDEMU_WRITEV];
    r.offset = 0;
  }
  r.rwf = flags;
  r.dontwait = (flags & NOWAIT) != 0;
  return call(c, &r);
}
