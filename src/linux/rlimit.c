/* rlimit.c - the limit on descriptors; other resources are none of fdemu's */
#include <errno.h>
#include <sys/resource.h>

#include "linux/bynumber.h"

#define NR_OPEN 1048576 /* the most that a limit may be: fs.nr_open */

/* A process that may be asked about: the caller, or one of the same kernel. */
static struct fdemu_proc *find(const struct fdl_call *c, int pid)
{
  struct fdemu_proc *p;

  if (pid == 0)
    return c->p;
  p = pid < 0 ? NULL : fdemu_next_proc(fdemu_kernel_of(c->p), pid);
  return p != NULL && fdemu_getpid(p) == pid ? p : NULL;
}

static int check_resource(unsigned resource)
{
  if (resource >= RLIM_NLIMITS)
    return -EINVAL;
  return resource == RLIMIT_NOFILE ? 0 : -ENOSYS;
}

static struct rlimit get(const struct fdemu_proc *p)
{
  int soft, hard;

  fdemu_get_nofile(p, &soft, &hard);
  return (struct rlimit){ (rlim_t)soft, (rlim_t)hard };
}

static int set(struct fdemu_proc *p, const struct rlimit *l)
{
  if (l->rlim_cur > l->rlim_max)
    return -EINVAL;
  if (l->rlim_max > NR_OPEN)
    return -EPERM;
  return fdemu_set_nofile(p, (int)l->rlim_cur, (int)l->rlim_max);
}

int64_t fdl_getrlimit(const struct fdl_call *c)
{
  int error = check_resource((unsigned)c->arg[0]);
  struct rlimit l = get(c->p);

  return error < 0 ? error : fdl_store(c, c->arg[1], &l, sizeof l);
}

int64_t fdl_setrlimit(const struct fdl_call *c)
{
  struct rlimit l;
  int error = fdl_load(c, &l, c->arg[1], sizeof l);

  if (error == 0)
    error = check_resource((unsigned)c->arg[0]);
  return error < 0 ? error : set(c->p, &l);
}

/* As prlimit64() of Linux: the new limits are in force even if the old ones
 * cannot be delivered. */
int64_t fdl_prlimit(const struct fdl_call *c)
{
  struct rlimit new = { 0, 0 }, old;
  struct fdemu_proc *p;
  int error = 0;

  if (c->arg[2] != 0)
    error = fdl_load(c, &new, c->arg[2], sizeof new);
  if (error < 0)
    return error;
  p = find(c, (int)c->arg[0]);
  if (p == NULL)
    return -ESRCH;
  error = check_resource((unsigned)c->arg[1]);
  if (error < 0)
    return error;
  old = get(p);
  if (c->arg[2] != 0)
    error = set(p, &new);
  if (error == 0 && c->arg[3] != 0)
    error = fdl_store(c, c->arg[3], &old, sizeof old);
  return error;
}
