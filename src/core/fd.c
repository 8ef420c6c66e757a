/* fd.c - descriptors: installing, duplicating, and their flags */
#include <errno.h>
#include <fcntl.h>

#include "core/kernel.h"

/* Flags that F_SETFL changes; the rest it ignores. */
#define SETTABLE (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME)

struct fdemu_file *fdemu_file_at(const struct fdemu_proc *p, int fd)
{
  fde_catch_up(p->kernel);
  return fde_file_at(p, fd);
}

struct fdemu_file *fdemu_file_usable(const struct fdemu_proc *p, int fd)
{
  fde_catch_up(p->kernel);
  return fde_file_usable(p, fd);
}

int fdemu_next_fd(const struct fdemu_proc *p, int fd)
{
  return fde_table_next(&p->table, fd < 0 ? 0 : fd);
}

int fdemu_reserve(struct fdemu_proc *p, int *fds, int n)
{
  fde_catch_up(p->kernel);
  for (int i = 0; i < n; i++) {
    fds[i] = fde_table_reserve(p, 0);
    if (fds[i] < 0) {
      int error = fds[i] == -EINVAL ? -EMFILE : fds[i]; /* a limit of 0 */
      fdemu_unreserve(p, fds, i);
      return error;
    }
  }
  return 0;
}

static inline void fill(struct fde_table *t, int fd, struct fdemu_file *f,
                        bool cloexec)
{
  uint64_t bit;
  struct fde_marks *m = fde_marks_of(t, fd, &bit);

  t->file[fd] = f;
  m->cloexec = cloexec ? m->cloexec | bit : m->cloexec & ~bit;
  m->late = fde_late(f) ? m->late | bit : m->late & ~bit;
}

FDE_APART static void fill_with_care(struct fdemu_proc *p, int fd,
                                     struct fdemu_file *f, bool cloexec)
{
  struct fde_table *t = &p->table;

  fde_table_own(t, fd);
  fill(t, fd, f, cloexec);
  if (t->origin != NULL) {
    t->origin[fd] = p->kernel->origin;
    t->closed[fd] = 0;
    t->forked[fd] = 0;
  }
}

void fdemu_fill(struct fdemu_proc *p, int fd, struct fdemu_file *f,
                bool cloexec)
{
  if (p->table.shares || p->table.origin != NULL)
    fill_with_care(p, fd, f, cloexec);
  else
    fill(&p->table, fd, f, cloexec);
}

bool fdemu_refused(const struct fdemu_kernel *k)
{
  return k->refused;
}

void fdemu_set_origin(struct fdemu_kernel *k, uint32_t origin)
{
  k->origin = origin;
}

uint32_t fdemu_origin(const struct fdemu_proc *p, int fd)
{
  return p->table.origin != NULL && fdemu_file_at(p, fd) != NULL
             ? p->table.origin[fd]
             : 0;
}

uint32_t fdemu_forked(const struct fdemu_proc *p, int fd)
{
  return p->table.forked != NULL && fdemu_file_at(p, fd) != NULL
             ? p->table.forked[fd]
             : 0;
}

uint32_t fdemu_closed(const struct fdemu_proc *p, int fd, uint32_t *made)
{
  const struct fde_table *t = &p->table;

  if (t->origin == NULL || fd < 0 || fd >= t->cap || t->file[fd] != NULL)
    return 0;
  *made = t->origin[fd];
  return t->closed[fd];
}

void fdemu_unreserve(struct fdemu_proc *p, const int *fds, int n)
{
  for (int i = 0; i < n; i++)
    if (fde_reserved(&p->table, fds[i]))
      fde_table_remove(p, fds[i]);
}

int fdemu_install(struct fdemu_proc *p, struct fdemu_file *f, int min,
                  bool cloexec)
{
  int fd;

  fde_catch_up(p->kernel);
  fd = p->alive ? fde_table_reserve(p, min) : -ESRCH;
  if (fd >= 0)
    fdemu_fill(p, fd, f, cloexec);
  return fd;
}

/* ---- duplicating ------------------------------------------------------ */

static int64_t dup_from(struct fdemu_file *f, struct fdemu_proc *p, int min,
                        bool cloexec)
{
  int fd = fdemu_install(p, f, min, cloexec);

  if (fd >= 0)
    f->refs++;
  return fd;
}

int64_t fde_dup(struct fdemu_file *f, struct fdemu_req *r)
{
  int64_t fd = dup_from(f, r->proc, 0, false);

  return fd == -EINVAL ? -EMFILE : fd; /* a limit of 0 */
}

/* As do_dup2() of Linux: EBUSY for a number that open() is about to fill. */
static int64_t dup_onto(struct fdemu_file *f, struct fdemu_req *r, int fd,
                        bool cloexec)
{
  struct fdemu_proc *p = r->proc;
  struct fdemu_file *old = fde_file_at(p, fd);
  int error;

  if (fde_reserved(&p->table, fd))
    return -EBUSY;
  error = fde_table_claim(p, fd);
  if (error < 0)
    return error;
  fdemu_file_get(f);
  fdemu_fill(p, fd, f, cloexec);
  if (old != NULL) {
    if (old->ops->flush != NULL)
      old->ops->flush(old, NULL);
    fde_locks_close(p, old);
    fdemu_file_put(old);
  }
  return fd;
}

static bool in_range(const struct fdemu_proc *p, int64_t fd)
{
  return fd >= 0 && fd < p->soft;
}

int64_t fde_dup2(struct fdemu_file *f, struct fdemu_req *r)
{
  if (r->arg == r->fd)
    return r->fd;
  if (!in_range(r->proc, r->arg))
    return -EBADF;
  return dup_onto(f, r, (int)r->arg, false);
}

int64_t fde_dup3(struct fdemu_file *f, struct fdemu_req *r)
{
  if (r->cmd & ~(unsigned long)O_CLOEXEC || r->arg == r->fd)
    return -EINVAL;
  if (!in_range(r->proc, r->arg))
    return -EBADF;
  f = fde_file_at(r->proc, r->fd);
  if (f == NULL)
    return -EBADF;
  return dup_onto(f, r, (int)r->arg, (r->cmd & O_CLOEXEC) != 0);
}

/* ---- flags ------------------------------------------------------------ */

static void set_flags(struct fdemu_file *f, int mask, int64_t flags)
{
  f->flags = (f->flags & ~mask) | ((int)flags & mask);
}

/* As setfl() of Linux. */
static int64_t setfl(struct fdemu_file *f, int64_t flags)
{
  if (flags & O_NOATIME && !(f->flags & O_NOATIME) &&
      f->inode->attr->uid != FDEMU_UID)
    return -EPERM;
  if (flags & O_DIRECT && !(f->mode & FDEMU_MODE_DIRECT))
    return -EINVAL;
  if ((flags ^ f->flags) & O_ASYNC && f->mode & FDEMU_MODE_ASYNC) {
    int error = fde_set_async(f, (flags & O_ASYNC) != 0);
    if (error < 0)
      return error;
  }
  set_flags(f, SETTABLE, flags);
  return 0;
}

/* The commands that do not work with O_PATH. */
static int64_t fcntl_of_open(struct fdemu_file *f, struct fdemu_req *r)
{
  switch (r->cmd) {
  case F_SETFL: return setfl(f, r->arg);
  case F_GETLK:
  case F_OFD_GETLK: return fde_getlk(f, r);
  case F_SETLK:
  case F_SETLKW:
  case F_OFD_SETLK:
  case F_OFD_SETLKW: return fde_setlk(f, r);
  case F_ADD_SEALS: return fde_writable(f) ? FDEMU_NEXT : -EPERM;
  default: return fde_fcntl_kept(f, r);
  }
}

int64_t fde_fcntl(struct fdemu_file *f, struct fdemu_req *r)
{
  struct fde_table *t = &r->proc->table;
  int64_t n = fde_fcntl_path(f, r);

  if (n != FDEMU_NEXT)
    return n;
  switch (r->cmd) {
  case F_DUPFD: return dup_from(f, r->proc, (int)r->arg, false);
  case F_DUPFD_CLOEXEC: return dup_from(f, r->proc, (int)r->arg, true);
  case F_GETFD:
    if (!fde_has_fd(r))
      return -EBADF;
    return fde_get_cloexec(t, r->fd) ? FD_CLOEXEC : 0;
  case F_SETFD:
    if (!fde_has_fd(r))
      return -EBADF;
    fde_set_cloexec(t, r->fd, (r->arg & FD_CLOEXEC) != 0);
    return 0;
  case F_GETFL: return f->flags;
  default: return f->flags & O_PATH ? -EBADF : fcntl_of_open(f, r);
  }
}

/* Of a kind that has no commands of its own. */
int64_t fde_fcntl_other(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)f;
  return r->cmd == F_GETPIPE_SZ || r->cmd == F_SETPIPE_SZ ? -EBADF : -EINVAL;
}
