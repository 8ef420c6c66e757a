/* name.c - names: which inode open(2) finds under which path */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/kernel.h"

/* open() of a 64-bit program sets it, whatever libc's O_LARGEFILE is. */
#define LARGEFILE 0100000

/* FNV-1a */
static size_t hash(const char *s)
{
  uint64_t h = UINT64_C(0xcbf29ce484222325);

  while (*s != '\0')
    h = (h ^ (unsigned char)*s++) * UINT64_C(0x100000001b3);
  return (size_t)h;
}

/* Where the pointer to path's entry is, or would be. */
static struct fde_name **find(struct fdemu_kernel *k, const char *path)
{
  struct fde_name **n = &k->names[hash(path) % k->namecap];

  while (*n != NULL && strcmp((*n)->path, path) != 0)
    n = &(*n)->next;
  return n;
}

static int rehash(struct fdemu_kernel *k, size_t cap)
{
  struct fde_name **old = k->names, **names;
  size_t oldcap = k->namecap;

  names = fdemu_alloc(k, cap * sizeof *names);
  if (names == NULL)
    return -ENOMEM;
  memset(names, 0, cap * sizeof *names);
  k->names = names;
  k->namecap = cap;
  for (size_t i = 0; i < oldcap; i++)
    for (struct fde_name *n = old[i], *next; n != NULL; n = next) {
      struct fde_name **where = find(k, n->path);
      next = n->next;
      n->next = *where;
      *where = n;
    }
  fdemu_free(k, old);
  return 0;
}

int fdemu_name(struct fdemu_kernel *k, const char *path, struct fdemu_inode *i)
{
  size_t size = strlen(path) + 1;
  struct fde_name *n, **where;

  if (k->nnames >= k->namecap &&
      rehash(k, k->namecap > 0 ? 2 * k->namecap : 16) < 0)
    return -ENOMEM;
  where = find(k, path);
  if (*where == NULL) {
    n = fdemu_alloc(k, sizeof *n + size);
    if (n == NULL)
      return -ENOMEM;
    n->next = NULL;
    n->inode = NULL;
    memcpy(n->path, path, size);
    *where = n;
    k->nnames++;
  }
  fdemu_inode_get(i);
  if ((*where)->inode != NULL)
    fdemu_inode_put((*where)->inode);
  (*where)->inode = i;
  return 0;
}

void fde_names_free(struct fdemu_kernel *k)
{
  for (size_t i = 0; i < k->namecap; i++)
    for (struct fde_name *n = k->names[i], *next; n != NULL; n = next) {
      next = n->next;
      fdemu_inode_put(n->inode);
      fdemu_free(k, n);
    }
  fdemu_free(k, k->names);
}

/* ---- open(2) ---------------------------------------------------------- */

/* What the inode cannot be opened with, in Linux's order. */
static int check_flags(const struct fdemu_inode *i, unsigned long flags)
{
  if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
    return -EEXIST;
  if (flags & O_DIRECTORY)
    return -ENOTDIR;
  if (flags & O_NOATIME && i->uid != FDEMU_UID)
    return -EPERM;
  if (flags & O_DIRECT && !(i->ops->mode & FDEMU_MODE_DIRECT))
    return -EINVAL;
  return 0;
}

static int64_t open_inode(struct fdemu_inode *i, struct fdemu_req *r)
{
  if (i->open != NULL)
    return i->open(i, r);
  return fdemu_opened(r, fdemu_file_new(i, i->ops, (int)r->cmd, NULL));
}

int64_t fdemu_opened(struct fdemu_req *r, struct fdemu_file *f)
{
  r->out = f;
  return f != NULL ? 0 : -ENOMEM;
}

/* The descriptor is reserved before the path is looked at, as in Linux: EMFILE
 * comes before ENOENT. r->fd is where it goes. */
int64_t fde_open(struct fdemu_file *f, struct fdemu_req *r)
{
  struct fdemu_kernel *k = r->proc->kernel;
  struct fde_name *n = NULL;
  int64_t error;

  (void)f;
  r->fd = -1;
  if ((r->cmd & (O_CREAT | O_DIRECTORY)) == (O_CREAT | O_DIRECTORY))
    return -EINVAL;
  if (r->path == NULL)
    return -EFAULT;
  if (r->path[0] == '\0')
    return -ENOENT;
  error = fdemu_reserve(r->proc, &r->fd, 1);
  if (error < 0)
    return error;
  if (k->namecap > 0)
    n = *find(k, r->path);
  if (n == NULL)
    return -ENOENT;
  error = check_flags(n->inode, r->cmd);
  if (error < 0)
    return error;
  r->cmd |= LARGEFILE;
  return open_inode(n->inode, r);
}

/* For explanations: without memory there is none. */
static void set_path(struct fdemu_file *f, const char *path)
{
  size_t size = strlen(path) + 1;

  if (f->path != NULL)
    return;
  f->path = fdemu_alloc(f->inode->kernel, size);
  if (f->path != NULL)
    memcpy(f->path, path, size);
}

/* Fill or give back the descriptor. */
int64_t fde_open_end(struct fdemu_req *r, int64_t result)
{
  struct fdemu_file *f = r->out;

  r->out = NULL;
  if (!r->proc->alive && result >= 0)
    result = -EINTR; /* whatever opened it has ended the process */
  if (result >= 0 && f != NULL) {
    set_path(f, r->path);
    fdemu_fill(r->proc, r->fd, f, (r->cmd & O_CLOEXEC) != 0);
    return r->fd;
  }
  if (f != NULL)
    fdemu_file_put(f);
  if (r->fd >= 0)
    fdemu_unreserve(r->proc, &r->fd, 1);
  return result;
}

/* ---- devices ---------------------------------------------------------- */

static void device_free(struct fdemu_inode *i)
{
  fdemu_free(i->kernel, i);
}

struct fdemu_inode *fdemu_device_new(struct fdemu_kernel *k,
                                     const struct fdemu_ops *ops, mode_t mode,
                                     dev_t rdev)
{
  struct fdemu_inode *i = fdemu_alloc(k, sizeof *i);

  if (i == NULL)
    return NULL;
  fdemu_inode_init(i, k, ops, mode, device_free);
  i->uid = 0;
  i->rdev = rdev;
  return i;
}

int fdemu_device_add(struct fdemu_kernel *k, const char *path,
                     const struct fdemu_ops *ops, mode_t mode, dev_t rdev)
{
  struct fdemu_inode *i = fdemu_device_new(k, ops, mode, rdev);
  int error;

  if (i == NULL)
    return -ENOMEM;
  error = fdemu_name(k, path, i);
  fdemu_inode_put(i);
  return error;
}
