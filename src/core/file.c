/* file.c - inodes and open file descriptions, and who holds them */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "core/kernel.h"

void fde_attr_init(struct fdemu_attr *a, struct fdemu_kernel *k, uid_t uid)
{
  int64_t now = k->date;

  *a = (struct fdemu_attr){
    .room = -1,
    .uid = uid,
    .gid = uid,
    .atime = now,
    .mtime = now,
    .ctime = now,
    .ino = ++k->last_ino,
    .nlink = 1,
  };
}

void fdemu_inode_init(struct fdemu_inode *i, struct fdemu_attr *attr,
                      struct fdemu_kernel *k, const struct fdemu_ops *ops,
                      mode_t mode, void (*free)(struct fdemu_inode *i))
{
  i->kernel = k;
  i->ops = ops;
  i->attr = attr != NULL ? attr : &k->anonymous;
  i->mode = mode;
  i->open = NULL;
  i->free = free;
  i->refs = 1;
  fdemu_waitq_init(&i->wq);
  if (attr != NULL)
    fde_attr_init(attr, k, FDEMU_UID);
}

void fdemu_inode_get(struct fdemu_inode *i)
{
  i->refs++;
}

void fdemu_inode_put(struct fdemu_inode *i)
{
  if (--i->refs > 0)
    return;
  if (i->attr != &i->kernel->anonymous)
    fdemu_free(i->kernel, i->attr->locks); /* nobody is left to have one */
  i->free(i);
}

/* ---- makers ----------------------------------------------------------- */

static size_t type_of(mode_t mode)
{
  return (mode & S_IFMT) >> 12;
}

void fdemu_maker(struct fdemu_kernel *k, mode_t mode, fdemu_make_fn *make)
{
  k->makers[type_of(mode)] = make;
}

int fdemu_make(struct fdemu_kernel *k, mode_t mode, struct fdemu_inode **i)
{
  fdemu_make_fn *make = k->makers[type_of(mode)];

  if (make == NULL)
    return -EPERM;
  *i = make(k, mode);
  return *i != NULL ? 0 : -ENOMEM;
}

/* ---- descriptions ----------------------------------------------------- */

/* What stays of the flags of open(2): those that F_GETFL shows. Others, the
 * unknown too, have no effect; O_SYNC's own bit means all of it. */
static int kept_flags(int flags)
{
  enum { LARGEFILE = 0100000 };

  if (flags & (O_SYNC & ~O_DSYNC))
    flags |= O_DSYNC;
  return flags & (O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC | O_ASYNC |
                  O_DIRECT | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_PATH |
                  O_TMPFILE | LARGEFILE);
}

/* Methods that may make calls: whatever is closed, they must find it so. */
FDE_RARE static void begin_foreign(struct fdemu_file *f)
{
  struct fdemu_kernel *k = f->inode->kernel;

  f->mode |= FDEMU_MODE_FOREIGN;
  k->nforeign++;
  fde_care(k);
}

FDE_RARE static void end_foreign(struct fdemu_kernel *k)
{
  k->nforeign--;
  fde_care(k);
}

void fdemu_file_init(struct fdemu_file *f, struct fdemu_inode *i,
                     const struct fdemu_ops *ops, int flags, void *data)
{
  *f = (struct fdemu_file){
    .ops = ops,
    .inode = i,
    .id = ++i->kernel->last_file,
    .flags = kept_flags(flags),
    .mode = ops->mode | FDEMU_MODE_EMBEDDED,
    .data = data,
    .refs = 1,
  };
  fdemu_inode_get(i);
  if (!(ops->mode & FDEMU_MODE_QUIET))
    begin_foreign(f);
}

struct fdemu_file *fdemu_file_new(struct fdemu_inode *i,
                                  const struct fdemu_ops *ops, int flags,
                                  void *data)
{
  struct fdemu_file *f = fdemu_object_alloc(i->kernel, sizeof *f);

  if (f == NULL)
    return NULL;
  fdemu_file_init(f, i, ops, flags, data);
  f->mode &= ~(unsigned)FDEMU_MODE_EMBEDDED;
  return f;
}

void fdemu_file_override(struct fdemu_file *f, const struct fdemu_ops *ops)
{
  fde_catch_up(f->inode->kernel);
  f->ops = ops;
  if (!(f->mode & FDEMU_MODE_FOREIGN))
    begin_foreign(f);
}

void fdemu_file_get(struct fdemu_file *f)
{
  f->refs++;
}

int fdemu_refs(const struct fdemu_file *f)
{
  fde_catch_up(f->inode->kernel);
  fde_unshare_all(f->inode->kernel);
  return f->refs;
}

void fdemu_weak_set(struct fdemu_weak *w, struct fdemu_file *f)
{
  w->next = f->weak;
  w->prev = &f->weak;
  if (w->next != NULL)
    w->next->prev = &w->next;
  f->weak = w;
}

void fdemu_weak_clear(struct fdemu_weak *w)
{
  if (w->prev == NULL)
    return;
  *w->prev = w->next;
  if (w->next != NULL)
    w->next->prev = w->prev;
  w->next = NULL;
  w->prev = NULL;
}

const struct fdemu_weak *fdemu_weak_next(const struct fdemu_file *f,
                                         const struct fdemu_weak *w)
{
  return w != NULL ? w->next : f->weak;
}

/* Nobody is parked here: a request in flight holds a reference. */
void fdemu_file_put(struct fdemu_file *f)
{
  struct fdemu_inode *i = f->inode;

  if (--f->refs > 0) {
    if (f->ops->dropped != NULL)
      f->ops->dropped(f);
    return;
  }
  fde_catch_up(i->kernel);
  while (f->weak != NULL) {
    struct fdemu_weak *w = f->weak;
    fdemu_weak_clear(w);
    w->gone(w);
  }
  fde_locks_release(f);
  if (f->mode & FDEMU_MODE_COUNTED)
    fde_count(i, f->flags, -1);
  if (f->ops->release != NULL && f->ops->release(f) == FDEMU_PENDING)
    return;
  if (f->mode & FDEMU_MODE_FOREIGN)
    end_foreign(i->kernel);
  fde_entry_put(f->entry);
  fdemu_free(i->kernel, f->path);
  if (!(f->mode & FDEMU_MODE_EMBEDDED))
    fdemu_object_free(i->kernel, f);
  fdemu_inode_put(i);
}

/* A method written by a user may close what it is asked about. */
int fdemu_ready_for(struct fdemu_file *f, int events)
{
  int ready = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;

  fde_catch_up(f->inode->kernel);
  fdemu_file_get(f);
  if (f->ops->poll != NULL)
    ready = f->ops->poll(f);
  if (f->ops->missed != NULL && events & ~ready)
    f->ops->missed(f, events & ~ready);
  fdemu_file_put(f);
  return ready;
}

int fdemu_ready(struct fdemu_file *f)
{
  return fdemu_ready_for(f, 0);
}
