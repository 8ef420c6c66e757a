/* move.c - sendfile(2), splice(2) and copy_file_range(2): the offsets are in
 * the caller's memory, and stay there */
#include "linux/bynumber.h"

static int64_t move(const struct fdl_call *c, int in, int out, int n)
{
  const struct iovec at[2] = {
    { (void *)(uintptr_t)c->arg[in], sizeof(int64_t) },
    { (void *)(uintptr_t)c->arg[out], sizeof(int64_t) },
  };
  struct fdemu_req r;

  fdl_fill(c, &r);
  r.iov = at;
  r.iovcnt = n;
  return fdemu_call(c->p, &r);
}

int64_t fdl_sendfile(const struct fdl_call *c)
{
  return move(c, 2, 2, 1);
}

int64_t fdl_splice(const struct fdl_call *c)
{
  return move(c, 1, 3, 2);
}
