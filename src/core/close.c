/*
 * close.c - descriptors that are closed, at once or a little later
 *
 * Of many descriptors, one that is closed lies where no cache has it: its slot,
 * and then its description, make the program wait twice for memory. So a close
 * of which nobody outside the kernel hears is put off: the descriptor is free, and
 * what is left to do is done with that of others, at the latest when the kernel
 * is asked for anything but another close: see fde_catch_up(). Linux puts off
 * the last fput() in the same way, until the call returns.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>

#include "core/kernel.h"

/* ---- closes that are put off ------------------------------------------ */

/* What is needed of a description, and of the object in its block, to let them go.
 * The second level takes it: the first waits for two dozen lines at a time (AMD
 * Zen 3), and these are more. */
static void fetch(const struct fdemu_file *f)
{
  enum { LINE = 64, LINES = 3, SECOND_LEVEL = 2 };

  for (size_t at = 0; at < (size_t)LINES * LINE; at += LINE)
    __builtin_prefetch((const char *)f + at, 0, SECOND_LEVEL);
}

/* In the order in which they were closed. No method that is called here makes calls
 * (FDEMU_MODE_QUIET). */
void fde_close_late(struct fdemu_kernel *k)
{
  struct fdemu_file *f[FDE_LATE];
  const unsigned n = k->nlate;

  for (unsigned i = 0; i < n; i++) {
    f[i] = *k->late[i];
    *k->late[i] = NULL;
    if (n > 1)
      fetch(f[i]);
  }
  k->nlate = 0;
  for (unsigned i = 0; i < n; i++)
    fde_put(f[i]);
}

void fdemu_catch_up(struct fdemu_kernel *k)
{
  fde_catch_up(k);
}

/* Before the descriptor is looked at, and what it stands for. FDEMU_NEXT: it is to
 * be closed at once. */
int64_t fde_close_check(struct fdemu_req *r)
{
  struct fdemu_proc *p = r->proc;
  struct fdemu_kernel *k = p->kernel;
  struct fdemu_file **slot = NULL;

  if (!k->prompt && !p->locked && !p->table.shares && r->on == NULL)
    slot = fde_table_free_late(p, r->fd);
  if (slot == NULL) {
    fde_catch_up(k);
    return FDEMU_NEXT;
  }
  __builtin_prefetch(slot, 1);
  k->late[k->nlate++] = slot;
  if (k->nlate == FDE_LATE)
    fde_close_late(k);
  return 0;
}

/* ---- closes that are done at once ------------------------------------- */

/* Empty a descriptor, of which it is known who does it. Its reference is the
 * caller's. */
static inline void take(struct fdemu_proc *p, int fd)
{
  if (p->table.closed != NULL && p->table.file[fd] != NULL)
    p->table.closed[fd] = p->kernel->origin;
  fde_table_remove(p, fd);
}

/* The same with all of the group that fd is in, if it is shared and that is the
 * same as one after the other. */
static bool take_group(struct fdemu_proc *p, int fd, int first, unsigned last)
{
  struct fde_table *t = &p->table;
  const int begin = fd & ~(FDE_GROUP - 1), end = begin + FDE_GROUP;

  if (!t->shares || p->locked || begin < first || (unsigned)end - 1 > last ||
      !fde_table_leave(t, fd))
    return false;
  for (; fd >= 0 && fd < end; fd = fde_table_next(t, fd))
    take(p, fd);
  return true;
}

/*
 * Take descriptors away where nobody waits for an answer: all, or those with
 * FD_CLOEXEC. Linux puts the release of files off until all are closed, and
 * then begins with the last: in this order those who wait hear of it.
 */
void fde_drop(struct fdemu_proc *p, int first, unsigned last, bool cloexec)
{
  struct fde_table *t = &p->table;
  int top = -1;

  for (int fd = first;
       (fd = fde_table_next(t, fd)) >= 0 && (unsigned)fd <= last; fd++) {
    struct fdemu_file *f = t->file[fd];
    if (!cloexec && take_group(p, fd, first, last))
      continue;
    if (cloexec && !fde_get_cloexec(t, fd))
      continue;
    fdemu_file_get(f); /* flush may close it */
    if (f->ops->flush != NULL)
      f->ops->flush(f, NULL);
    fde_locks_close(p, f);
    fde_table_own(t, fd);
    if (t->file[fd] == f && f->refs > 2) {
      take(p, fd);
      fdemu_file_put(f);
    } else
      top = fd;
    fdemu_file_put(f);
  }
  for (int fd = top; fd >= first; fd--)
    if (t->file[fd] != NULL && (!cloexec || fde_get_cloexec(t, fd))) {
      struct fdemu_file *f = t->file[fd];
      take(p, fd);
      fdemu_file_put(f);
    }
}

/* The descriptor goes first, and whatever flush says, it is gone. */
int64_t fde_close(struct fdemu_file *f, struct fdemu_req *r)
{
  if (r->retry)
    return FDEMU_NEXT;
  if (!fde_has_fd(r)) {
    r->file = NULL; /* nothing has been closed */
    fde_put(f);
    return -EBADF;
  }
  take(r->proc, r->fd);
  fde_put(f); /* the request has a reference of its own */
  return FDEMU_NEXT;
}

/* An injected error may have left the descriptor where it is. */
int64_t fde_close_end(struct fdemu_req *r, int64_t result)
{
  if (r->proc->locked && r->file != NULL && r->on == NULL && !fde_has_fd(r))
    fde_locks_close(r->proc, r->file);
  return result;
}

static void set_cloexec(struct fdemu_proc *p, int fd, unsigned last)
{
  for (; (fd = fde_table_next(&p->table, fd)) >= 0 && (unsigned)fd <= last;
       fd++)
    fde_set_cloexec(&p->table, fd, true);
}

int64_t fde_close_range(struct fdemu_file *f, struct fdemu_req *r)
{
  struct fdemu_proc *p = r->proc;
  unsigned first = (unsigned)r->fd, last = (unsigned)r->arg;

  (void)f;
  if (r->cmd & ~(unsigned long)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) ||
      first > last)
    return -EINVAL;
  if (first > INT32_MAX)
    return 0;
  if (r->cmd & CLOSE_RANGE_CLOEXEC)
    set_cloexec(p, (int)first, last);
  else
    fde_drop(p, (int)first, last, false);
  return 0;
}
