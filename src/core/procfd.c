/* procfd.c - /proc/self/fd: a directory of whoever looks at it */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "core/name.h"

/* The descriptor that a name is, or -1. */
static int number(const char *name, size_t len)
{
  int64_t n = 0;

  if (len == 0 || len > 10 || (len > 1 && name[0] == '0'))
    return -1;
  for (size_t i = 0; i < len; i++) {
    if (name[i] < '0' || name[i] > '9')
      return -1;
    n = 10 * n + name[i] - '0';
  }
  return n <= INT_MAX ? (int)n : -1;
}

/* What it may be used for is what others may do with the link. */
static mode_t mode_of(const struct fdemu_file *f)
{
  if (f->flags & O_PATH)
    return S_IFLNK;
  switch (f->flags & O_ACCMODE) {
  case O_RDONLY: return S_IFLNK | 0500;
  case O_WRONLY: return S_IFLNK | 0300;
  default: return S_IFLNK | 0700;
  }
}

static int procfd_lookup(struct fdemu_proc *p, const char *name, size_t len,
                         struct fdemu_inode **i)
{
  struct fdemu_file *f = fde_file_at(p, number(name, len));
  struct fde_link *l;

  if (f == NULL)
    return -ENOENT;
  *i = fde_link_new(p->kernel, "");
  if (*i == NULL)
    return -ENOMEM;
  l = fdemu_entry(*i, struct fde_link, inode);
  l->file = f;
  fdemu_file_get(f);
  l->inode.mode = mode_of(f);
  l->attr.size = 64;
  return 0;
}

static bool procfd_next(struct fdemu_proc *p, uint64_t *pos, char name[16])
{
  int fd = *pos - 2 <= INT_MAX ? fdemu_next_fd(p, (int)(*pos - 2)) : -1;

  if (fd < 0)
    return false;
  snprintf(name, 16, "%d", fd);
  *pos = (uint64_t)fd + 3;
  return true;
}

int fdemu_procfd_add(struct fdemu_kernel *k, const char *path)
{
  struct fdemu_proc *self = fdemu_kernel_self(k);
  int error = fdemu_mkdirat(self, AT_FDCWD, path, 0500);
  struct fde_walk w;

  if (error < 0)
    return error == -EEXIST ? 0 : error;
  error = fde_walk_to(&w, self, AT_FDCWD, path, 0);
  if (error == 0) {
    struct fde_dir *d = fde_dir_of(w.at.inode);
    d->attr.uid = d->attr.gid = FDEMU_UID;
    d->lookup = procfd_lookup;
    d->next = procfd_next;
  }
  fde_walk_end(&w);
  return error;
}
