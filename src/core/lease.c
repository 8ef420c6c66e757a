/*
 * lease.c - leases: who opens a regular file waits until those who have a lease
 * on it have been told, and have given it up
 *
 * As Linux has them (fs/locks.c): a lease is a description's. It is broken by
 * open(2) and truncate(2) of anybody, its holder included, if one of both is
 * about writing; the holder gets a signal, and 45 seconds to unlock or, if that
 * is enough, to turn it into one for reading.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "core/kernel.h"

#define BREAK_TIME INT64_C(45000000000) /* ns; sysctl fs.lease-break-time */

struct lease {
  struct fdemu_list link; /* in the inode's list */
  struct fdemu_file *file;
  struct fdemu_timer timer; /* the end of the holder's time */
  short type;               /* F_RDLCK, F_WRLCK */
  /* When it will be unlocked, or turned into one for reading, since the holder
   * has been asked to; 0: he has not. */
  int64_t unlock, downgrade;
};

static struct lease *lease_at(const struct fdemu_list *n)
{
  return fdemu_entry(n, struct lease, link);
}

/* What inode has them in, or NULL if there was never one. */
static struct fdemu_list *leases_of(const struct fdemu_inode *i)
{
  return S_ISREG(i->mode) && i->attr->locks != NULL ? &i->attr->locks->leases
                                                    : NULL;
}

static struct lease *lease_of(const struct fdemu_file *f)
{
  struct fdemu_list *list = leases_of(f->inode), *n;

  if (list == NULL)
    return NULL;
  for (n = list->next; n != list; n = n->next)
    if (lease_at(n)->file == f)
      return lease_at(n);
  return NULL;
}

/* ---- changing --------------------------------------------------------- */

/* Without its lease a description has no owner either, as on Linux. */
static void unlock(struct lease *l)
{
  struct fdemu_file *f = l->file;

  fdemu_timer_stop(f->inode->kernel, &l->timer);
  fdemu_list_remove(&l->link);
  fdemu_free(f->inode->kernel, l);
  fde_disown(f);
  fdemu_wake(&f->inode->wq, FDEMU_WAKE_OPEN);
}

/* For what is first. */
static void set_timer(struct lease *l)
{
  struct fdemu_kernel *k = l->file->inode->kernel;
  int64_t at = l->unlock;

  if (at == 0 || (l->downgrade != 0 && l->downgrade < at))
    at = l->downgrade;
  if (at != 0)
    fdemu_timer_set(k, &l->timer, at);
  else
    fdemu_timer_stop(k, &l->timer);
}

static void change(struct lease *l, short type)
{
  if (type == F_UNLCK) {
    unlock(l);
    return;
  }
  l->type = type;
  if (type == F_RDLCK)
    l->downgrade = 0;
  set_timer(l);
  fdemu_wake(&l->file->inode->wq, FDEMU_WAKE_OPEN);
}

static void time_is_over(struct fdemu_timer *t)
{
  struct lease *l = fdemu_entry(t, struct lease, timer);

  change(l, t->when == l->unlock ? F_UNLCK : F_RDLCK);
}

/* ---- breaking --------------------------------------------------------- */

static void ask(struct lease *l, bool writing)
{
  int64_t now = l->file->inode->kernel->now;

  if (l->unlock != 0 || (!writing && l->downgrade != 0))
    return;
  *(writing ? &l->unlock : &l->downgrade) =
      now < INT64_MAX - BREAK_TIME ? now + BREAK_TIME : INT64_MAX;
  set_timer(l);
  fde_tell_owner(l->file, SIGIO);
}

/* 0, or -EAGAIN: the inode's queue will be woken when something has changed. */
int fde_lease_break(const struct fdemu_inode *i, int flags, bool again)
{
  const bool writing = (flags & O_ACCMODE) != O_RDONLY;
  struct fdemu_list *list = leases_of(i), *n;
  int result = 0;

  if (list == NULL)
    return 0;
  for (n = list->next; n != list; n = n->next) {
    struct lease *l = lease_at(n);
    if (!writing && l->type != F_WRLCK)
      continue;
    result = -EAGAIN;
    if (!again)
      ask(l, writing);
  }
  return result;
}

void fde_lease_release(struct fdemu_file *f)
{
  struct lease *l = lease_of(f);

  if (l != NULL)
    unlock(l);
}

/* ---- fcntl(2) --------------------------------------------------------- */

/* Whether descriptions are in the way of a lease: of one for reading all that
 * write, of one for writing all others. */
static bool conflicting_open(const struct fdemu_file *f, short type)
{
  const struct fdemu_inode *i = f->inode;
  const int mode = f->flags & O_ACCMODE;
  const unsigned reads = mode == O_RDONLY;
  const unsigned writes = mode == O_WRONLY || mode == O_RDWR;

  if (type == F_RDLCK)
    return i->attr->opened.writers > 0;
  return i->attr->opened.writers != writes || i->attr->opened.readers != reads;
}

/* Whether the leases of others in list are in the way. */
static bool conflicting_lease(const struct fdemu_list *list,
                              const struct fdemu_file *f, short type)
{
  const struct fdemu_list *n;

  for (n = list->next; n != list; n = n->next)
    if (lease_at(n)->file != f && (type == F_WRLCK || lease_at(n)->unlock != 0))
      return true;
  return false;
}

static struct lease *lease_new(struct fdemu_file *f)
{
  struct lease *l = fdemu_alloc(f->inode->kernel, sizeof *l);

  if (l != NULL) {
    *l = (struct lease){ .file = f };
    l->timer.fire = time_is_over;
    fdemu_list_init(&l->link);
  }
  return l;
}

static int64_t add(struct fdemu_file *f, const struct fdemu_proc *p, short type)
{
  struct fdemu_locks *locks = fde_locks_get(f);
  struct lease *l, *new = NULL;

  if (locks == NULL)
    return -ENOMEM;
  if (conflicting_open(f, type) || conflicting_lease(&locks->leases, f, type))
    return -EAGAIN;
  l = lease_of(f);
  if (l == NULL)
    l = new = lease_new(f);
  if (l == NULL || fde_default_owner(f, p) < 0) {
    fdemu_free(f->inode->kernel, new);
    return -ENOMEM;
  }
  if (new != NULL)
    fdemu_list_append(&locks->leases, &l->link);
  change(l, type);
  f->flags |= O_ASYNC;
  return 0;
}

int64_t fde_setlease(struct fdemu_file *f, const struct fdemu_req *r)
{
  const int type = (int)r->arg;
  struct lease *l;

  if (type != F_RDLCK && type != F_WRLCK && type != F_UNLCK)
    return -EINVAL;
  if (f->inode->attr->uid != FDEMU_UID)
    return -EACCES;
  if (!S_ISREG(f->inode->mode))
    return -EINVAL;
  if (type != F_UNLCK)
    return add(f, r->proc, (short)type);
  l = lease_of(f);
  if (l == NULL)
    return -EAGAIN;
  unlock(l);
  return 0;
}

/* What it will be when its holder has done what he was asked for. */
int64_t fde_getlease(const struct fdemu_file *f)
{
  const struct lease *l = lease_of(f);

  if (l == NULL || l->unlock != 0)
    return F_UNLCK;
  return l->downgrade != 0 ? F_RDLCK : l->type;
}

const char *fde_leases_check(const struct fdemu_inode *i)
{
  const struct fdemu_list *list = leases_of(i), *n;

  if (list == NULL)
    return NULL;
  for (n = list->next; n != list; n = n->next) {
    const struct lease *l = lease_at(n);
    if (l->file->inode != i || l->file->refs <= 0)
      return "a lease of a description that is gone";
    if ((l->unlock != 0 || l->downgrade != 0) != (l->timer.prev != NULL))
      return "a lease that is to be given up and has no time";
  }
  return NULL;
}
