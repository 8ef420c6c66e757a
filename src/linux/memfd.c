/* memfd.c - memfd_create(2), whose string is not a path */
#include <errno.h>
#include <limits.h>

#include "linux/bynumber.h"

/* A name that is not there is what is wrong only if the flags are right, and
 * one that is too long for a path is too long for a name. */
int64_t fdl_memfd_create(const struct fdl_call *c)
{
  char name[PATH_MAX];
  struct fdemu_req r;
  int error = fdl_load_path(c, name, c->arg[0]);

  fdl_fill(c, &r);
  r.path = error == 0 ? name : NULL;
  r.cmd = (unsigned)c->arg[1];
  if (error == -ENAMETOOLONG)
    return -EINVAL;
  return fdemu_call(c->p, &r);
}
