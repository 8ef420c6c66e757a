/* vector.c - readv(2), writev(2) and their relatives */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "fdemu_driver.h"
#include "linux/bynumber.h"

/* uapi/linux/fs.h; not every libc has all of them. */
#define HIPRI    0x01
#define DSYNC    0x02
#define SYNC     0x04
#define NOWAIT   0x08
#define APPEND   0x10
#define NOAPPEND 0x20
#define KNOWN    (HIPRI | DSYNC | SYNC | NOWAIT | APPEND | NOAPPEND)
#define NO_SENSE (APPEND | NOAPPEND) /* together */

/* What Linux says to flags that it does not know or that make no sense, if there is nothing else
 * wrong with the call: 0 if there is nothing to be moved. */
static int refuse(const struct fdl_call *c, const struct fdemu_req *r,
                  uint32_t flags)
{
  const struct fdemu_file *f = fdemu_file_at(c->p, r->fd);
  const bool here = f != NULL && f->mode & FDEMU_MODE_SEEK &&
                    !(r->call->flags & FDEMU_CALL_AT);
  const int64_t offset = here ? f->pos : r->offset;
  uint64_t total = 0;

  for (int i = 0; i < r->iovcnt; i++)
    total += r->iov[i].iov_len;
  if (total == 0)
    return 0;
  if (total > (uint64_t)(INT64_MAX - offset))
    return -EINVAL;
  return flags & ~(uint32_t)KNOWN ? -EOPNOTSUPP : -EINVAL;
}

/*
 * r with the vector of args[1] and args[2]. Linux copies it after it has looked
 * at the descriptor, so a vector that cannot be read is replaced by an empty
 * one: what else is wrong with the call comes first. Flags that there are not
 * come even later, when there are bytes to be moved.
 */
static int64_t call(const struct fdl_call *c, struct fdemu_req *r,
                    uint32_t flags)
{
  struct iovec iov[IOV_MAX];
  uint64_t count = c->arg[2];
  int error = 0;
  int64_t n;

  r->iov = iov;
  r->iovcnt = count <= IOV_MAX ? (int)count : -1;
  if (r->iovcnt > 0)
    error = fdl_load(c, iov, c->arg[1], (size_t)count * sizeof *iov);
  if (error == 0 &&
      (flags & ~(uint32_t)KNOWN || (flags & NO_SENSE) == NO_SENSE))
    error = refuse(c, r, flags);
  if (error < 0)
    r->iovcnt = 0;
  n = fdemu_call(c->p, r);
  return n == 0 && error < 0 ? error : n;
}

int64_t fdl_vector(const struct fdl_call *c)
{
  struct fdemu_req r;

  fdl_fill(c, &r);
  return call(c, &r, 0);
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
  uint32_t flags = (uint32_t)c->arg[5];
  struct fdemu_req r;

  fdl_fill(c, &r);
  if (r.offset == -1) {
    r.call = &fdemu_calls[r.call == at ? FDEMU_READV : FDEMU_WRITEV];
    r.offset = 0;
  }
  r.dontwait = (flags & NOWAIT) != 0;
  if (flags & (APPEND | NOAPPEND))
    r.append = flags & APPEND ? 1 : -1;
  return call(c, &r, flags);
}
