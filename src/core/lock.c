/*
 * lock.c - file locks: flock(2), and fcntl(2)'s of processes and descriptions
 *
 * Locks hang on the inode, in two lists that know nothing of each other: those
 * of flock(2), and record locks, where each owner's are together and in order.
 * The owner is a process (F_SETLK) or a description (F_OFD_SETLK, flock).
 *
 * A request that has to wait does so behind a lock that is in its way, or
 * behind the first request there that is in its way as well, and so on:
 *
 *   lock <- A <- C    A and B go together with each other, C not with A.
 *        <- B         When the lock goes, A and B try again; when A has got
 *                     its lock, C waits behind that.
 *
 * So a request turns into the lock when it is granted, and keeps who waits
 * behind it; and whatever is woken starts from the beginning.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/kernel.h"

#define CYCLE_MAX 10 /* Linux looks no farther for a deadlock */

#ifndef LOCK_MAND
#define LOCK_MAND 32
#endif

struct fdemu_lock {
  struct fdemu_list link;     /* in the inode's list, or behind a blocker */
  struct fdemu_list blocked;  /* requests behind this one */
  struct fdemu_lock *blocker; /* NULL: it is held, or about to try again */
  struct fdemu_lock **owner;  /* where its owner's waiting requests are */
  struct fdemu_lock *next, **prev; /* among them; NULL: not there */
  struct fdemu_req *req;           /* who wants it; NULL: it is held */
  int64_t start, end;              /* the first byte and the last */
  uint64_t file; /* the id of the description that owns it, or 0 */
  int pid;       /* of the process that owns it, or -1 */
  short type;    /* F_RDLCK, F_WRLCK; F_UNLCK only as a request */
};

static struct fdemu_locks **locks_of(const struct fdemu_file *f)
{
  return &f->inode->attr->locks;
}

struct fdemu_locks *fde_locks_get(const struct fdemu_file *f)
{
  struct fdemu_locks **at = locks_of(f);

  if (*at == NULL) {
    *at = fdemu_alloc(f->inode->kernel, sizeof **at);
    if (*at == NULL)
      return NULL;
    fdemu_list_init(&(*at)->flocks);
    fdemu_list_init(&(*at)->records);
    fdemu_list_init(&(*at)->leases);
    fdemu_list_init(&(*at)->notes);
  }
  return *at;
}

static struct fdemu_lock *lock_at(const struct fdemu_list *n)
{
  return fdemu_entry(n, struct fdemu_lock, link);
}

/* A copy of what on the heap, in no list. NULL: no memory. */
static struct fdemu_lock *lock_new(struct fdemu_kernel *k,
                                   const struct fdemu_lock *what)
{
  struct fdemu_lock *l = fdemu_alloc(k, sizeof *l);

  if (l != NULL) {
    *l = *what;
    fdemu_list_init(&l->link);
    fdemu_list_init(&l->blocked);
  }
  return l;
}

/* Whether a is in the way of b, or the other way round. */
static bool conflict(const struct fdemu_lock *a, const struct fdemu_lock *b)
{
  return a->owner != b->owner && a->start <= b->end && b->start <= a->end &&
         (a->type == F_WRLCK || b->type == F_WRLCK);
}

static struct fdemu_lock *first_conflict(const struct fdemu_list *list,
                                         const struct fdemu_lock *l)
{
  struct fdemu_list *n;

  for (n = list->next; n != list; n = n->next)
    if (conflict(lock_at(n), l))
      return lock_at(n);
  return NULL;
}

/* The first lock of an owner, or NULL. */
static struct fdemu_lock *first_of(const struct fdemu_list *list,
                                   struct fdemu_lock *const *owner)
{
  struct fdemu_list *n;

  for (n = list->next; n != list; n = n->next)
    if (lock_at(n)->owner == owner)
      return lock_at(n);
  return NULL;
}

/* ---- waiting ---------------------------------------------------------- */

/* A request leaves its queue. */
static void leave(struct fdemu_lock *l)
{
  fdemu_list_remove(&l->link);
  l->blocker = NULL;
  if (l->prev == NULL)
    return;
  *l->prev = l->next;
  if (l->next != NULL)
    l->next->prev = l->prev;
  l->prev = NULL;
}

static void wake(struct fdemu_lock *l)
{
  while (!fdemu_list_empty(&l->blocked)) {
    struct fdemu_lock *waiting = lock_at(l->blocked.next);
    leave(waiting);
    fde_requeue(waiting->req);
  }
}

/* Who waited behind l may not have to wait for what is in its way: they are
 * woken to look for themselves. Owners are known by what they wait for only
 * where a process is in their way: that is where deadlocks are looked for. */
static void wait_behind(struct fdemu_lock *blocker, struct fdemu_lock *l)
{
  struct fdemu_lock *before;

  while ((before = first_conflict(&blocker->blocked, l)) != NULL)
    blocker = before;
  l->blocker = blocker;
  fdemu_list_append(&blocker->blocked, &l->link);
  if (blocker->file == 0) {
    l->next = *l->owner;
    l->prev = l->owner;
    if (l->next != NULL)
      l->next->prev = &l->next;
    *l->owner = l;
  }
  wake(l);
}

/* The lock at the head of the queue that l's owner joined last. */
static const struct fdemu_lock *awaited(const struct fdemu_lock *l)
{
  l = *l->owner;
  while (l != NULL && l->blocker != NULL)
    l = l->blocker;
  return l;
}

/* Whether the owner of what is in l's way waits, perhaps for somebody who
 * waits, for l's owner. Descriptions may wait for each other. */
static bool deadlock(const struct fdemu_lock *l,
                     const struct fdemu_lock *blocker)
{
  if (l->file != 0)
    return false;
  for (int i = 0; i <= CYCLE_MAX; i++) {
    blocker = awaited(blocker);
    if (blocker == NULL)
      return false;
    if (blocker->owner == l->owner)
      return true;
  }
  return false;
}

static void drop(struct fdemu_kernel *k, struct fdemu_lock *l)
{
  fdemu_list_remove(&l->link);
  wake(l);
  fdemu_free(k, l);
}

/* l, which r->out holds, is in r's description's list now. */
static void granted(struct fdemu_req *r, struct fdemu_lock *l)
{
  l->req = NULL;
  r->out = NULL;
}

/* The request waits in a queue, or the method did not mean it to wait. */
int fde_lock_park(struct fdemu_req *r)
{
  const struct fdemu_lock *l = r->out;

  return l != NULL && l->blocker != NULL ? 0 : -EAGAIN;
}

/* A request that was not granted leaves nothing behind. */
int64_t fde_lock_end(struct fdemu_req *r, int64_t result)
{
  struct fdemu_lock *l = r->out;

  if (l != NULL) {
    r->out = NULL;
    leave(l);
    drop(r->proc->kernel, l);
  }
  return result;
}

/* ---- flock(2) --------------------------------------------------------- */

/* All that Linux looks at before the descriptor. It takes the mandatory locks
 * that it had once for what they do now: nothing. */
int64_t fde_flock_check(struct fdemu_req *r)
{
  if (r->cmd & LOCK_MAND)
    return 0;
  switch (r->cmd & ~(unsigned long)LOCK_NB) {
  case LOCK_SH:
  case LOCK_EX:
  case LOCK_UN: return FDEMU_NEXT;
  default: return -EINVAL;
  }
}

/* Neither reading nor writing: access mode 3. */
int64_t fde_flock_mode(struct fdemu_file *f, struct fdemu_req *r)
{
  return !(r->cmd & LOCK_UN) && (f->flags & O_ACCMODE) == O_ACCMODE
             ? -EBADF
             : FDEMU_NEXT;
}

/* The lock that r wants, in r->out. What the description had before is gone
 * already, and not in use any more. */
static struct fdemu_lock *flock_wanted(struct fdemu_file *f,
                                       struct fdemu_req *r, short type,
                                       struct fdemu_lock *old)
{
  const struct fdemu_lock what = {
    .owner = &f->waits, .end = INT64_MAX, .file = f->id, .pid = -1
  };
  struct fdemu_lock *l = r->out;

  if (l == NULL)
    l = old != NULL ? old : lock_new(f->inode->kernel, &what);
  else
    fdemu_free(f->inode->kernel, old);
  r->out = l;
  if (l != NULL) {
    l->req = r;
    l->type = type;
  }
  return l;
}

int64_t fde_flock(struct fdemu_file *f, struct fdemu_req *r)
{
  struct fdemu_locks *locks = fde_locks_get(f);
  struct fdemu_lock *l, *old, *blocker;
  short type = r->cmd & LOCK_EX ? F_WRLCK : F_RDLCK;

  if (locks == NULL)
    return r->cmd & LOCK_UN ? 0 : -ENOMEM;
  old = first_of(&locks->flocks, &f->waits);
  if (r->cmd & LOCK_UN) {
    if (old != NULL)
      drop(f->inode->kernel, old);
    return 0;
  }
  if (old != NULL && old->type == type)
    return 0;
  if (old != NULL) { /* whether or not the new one is to be had */
    fdemu_list_remove(&old->link);
    wake(old);
  }
  l = flock_wanted(f, r, type, old);
  if (l == NULL)
    return -ENOMEM;
  blocker = first_conflict(&locks->flocks, l);
  if (blocker == NULL) {
    fdemu_list_append(&locks->flocks, &l->link);
    granted(r, l);
    return 0;
  }
  if (!(r->cmd & LOCK_NB))
    wait_behind(blocker, l);
  return -EAGAIN;
}

/* A driver with locks of its own says "not now": until it is woken. */
int fde_flock_park(struct fdemu_req *r)
{
  if (r->out != NULL || r->cmd & LOCK_NB)
    return fde_lock_park(r);
  fdemu_park(r, &r->file->inode->wq, POLLPRI, false);
  return 0;
}

/* ---- records ---------------------------------------------------------- */

static bool of_file(unsigned long cmd)
{
  return cmd == F_OFD_SETLK || cmd == F_OFD_SETLKW || cmd == F_OFD_GETLK;
}

/* The bytes that fl means, as absolute ones in l. */
static int set_range(struct fdemu_lock *l, const struct flock *fl,
                     const struct fdemu_file *f)
{
  int64_t base;

  switch (fl->l_whence) {
  case SEEK_SET: base = 0; break;
  case SEEK_CUR: base = f->pos; break;
  case SEEK_END: base = f->inode->attr->size; break;
  default: return -EINVAL;
  }
  if (fl->l_start > INT64_MAX - base)
    return -EOVERFLOW;
  l->start = base + fl->l_start;
  if (l->start < 0)
    return -EINVAL;
  l->end = INT64_MAX;
  if (fl->l_len > 0) {
    if (fl->l_len - 1 > INT64_MAX - l->start)
      return -EOVERFLOW;
    l->end = l->start + (fl->l_len - 1);
  } else if (fl->l_len < 0) { /* the bytes before */
    if (l->start + fl->l_len < 0)
      return -EINVAL;
    l->end = l->start - 1;
    l->start += fl->l_len;
  }
  return 0;
}

/* What r asks for, as a lock. */
static int record_wanted(struct fdemu_lock *l, const struct flock *fl,
                         struct fdemu_req *r)
{
  struct fdemu_file *f = r->file;
  int error = set_range(l, fl, f);

  if (error < 0)
    return error;
  if (fl->l_type != F_RDLCK && fl->l_type != F_WRLCK && fl->l_type != F_UNLCK)
    return -EINVAL;
  l->type = fl->l_type;
  l->req = r;
  if (of_file(r->cmd)) {
    l->owner = &f->waits;
    l->file = f->id;
    l->pid = -1;
  } else {
    l->owner = &r->proc->waits;
    l->pid = r->proc->pid;
  }
  return 0;
}

static int mode_error(const struct fdemu_file *f, short type)
{
  int mode = f->flags & O_ACCMODE;

  if (type == F_RDLCK && mode != O_RDONLY && mode != O_RDWR)
    return -EBADF;
  if (type == F_WRLCK && mode != O_WRONLY && mode != O_RDWR)
    return -EBADF;
  return 0;
}

/* Whether one lock of the owner's will be what is left on both sides of l. */
static bool splits(const struct fdemu_list *list, const struct fdemu_lock *l)
{
  struct fdemu_lock *own = first_of(list, l->owner);
  struct fdemu_list *n;

  if (own == NULL)
    return false;
  for (n = &own->link; n != list && lock_at(n)->owner == l->owner; n = n->next)
    if (lock_at(n)->type != l->type && lock_at(n)->start < l->start &&
        lock_at(n)->end > l->end)
      return true;
  return false;
}

/* left, which begins before l, ends there; right begins after l. They are one
 * lock if there is a spare one, which is to be the left one. */
static void cut(struct fdemu_lock *left, struct fdemu_lock *right,
                const struct fdemu_lock *l, struct fdemu_lock *spare)
{
  if (spare != NULL && left == right) {
    spare->start = left->start;
    spare->type = left->type;
    fdemu_list_append(&right->link, &spare->link);
    left = spare;
  }
  if (right != NULL) {
    right->start = l->end + 1;
    wake(right);
  }
  if (left != NULL) {
    left->end = l->start - 1;
    wake(left);
  }
}

/*
 * Make the owner's locks on the bytes of l what l is. Where it touches others
 * of its type, l gets their bytes, and the first of them takes l's place.
 * spare is used if there is one lock to be split. Returns whether l itself has
 * become part of the list.
 */
static bool apply(struct fdemu_kernel *k, struct fdemu_list *list,
                  struct fdemu_lock *l, struct fdemu_lock *spare)
{
  struct fdemu_lock *first = first_of(list, l->owner);
  struct fdemu_lock *left = NULL, *right = NULL, *merged = NULL;
  struct fdemu_list *n, *next;

  for (n = first != NULL ? &first->link : list;
       n != list && lock_at(n)->owner == l->owner; n = next) {
    struct fdemu_lock *o = lock_at(n);
    int same = o->type == l->type; /* then neighbours count, too */

    next = n->next;
    if (o->end < l->start - same)
      continue;
    if (o->start - same > l->end)
      break;
    if (same) {
      l->start = o->start < l->start ? o->start : l->start;
      l->end = o->end > l->end ? o->end : l->end;
      if (merged == NULL) {
        merged = o;
        continue;
      }
    } else {
      left = o->start < l->start ? o : left;
      right = o->end > l->end ? o : NULL;
      if (right != NULL)
        break;
      if (left == o)
        continue;
    }
    drop(k, o);
  }
  cut(left, right, l, spare);
  if (merged != NULL) {
    merged->start = l->start;
    merged->end = l->end;
  } else if (l->type != F_UNLCK)
    fdemu_list_append(n, &l->link);
  return merged == NULL && l->type != F_UNLCK;
}

/* All of an owner's record locks go. */
static void unlock_all(struct fdemu_file *f, struct fdemu_lock **owner)
{
  struct fdemu_locks *locks = *locks_of(f);
  struct fdemu_lock all = { .owner = owner, .end = INT64_MAX, .type = F_UNLCK };

  if (locks != NULL && !fdemu_list_empty(&locks->records))
    apply(f->inode->kernel, &locks->records, &all, NULL);
}

/* The range of a lock, or of a request to unlock, is nobody else's now. */
static int64_t set_records(struct fdemu_file *f, struct fdemu_list *list,
                           struct fdemu_lock *l)
{
  struct fdemu_kernel *k = f->inode->kernel;
  struct fdemu_lock *spare = NULL;
  struct fdemu_req *r = l->req;

  if (splits(list, l)) {
    spare = lock_new(k, l);
    if (spare == NULL)
      return -ENOLCK;
    spare->req = NULL;
  }
  if (apply(k, list, l, spare))
    granted(r, l);
  if (of_file(r->cmd) || l->type == F_UNLCK || fde_has_fd(r))
    return 0;
  unlock_all(f, &r->proc->waits); /* closed while the request waited */
  return -EBADF;
}

/* A request that was looked at before, or not: try to get it. */
static int64_t lock_records(struct fdemu_file *f, struct fdemu_req *r,
                            struct fdemu_list *list)
{
  struct fdemu_lock *l = r->out, *blocker = first_conflict(list, l);

  if (blocker == NULL)
    return set_records(f, list, l);
  if (r->cmd == F_SETLK || r->cmd == F_OFD_SETLK)
    return -EAGAIN;
  wake(l); /* who waits behind l is no part of a cycle */
  if (deadlock(l, blocker))
    return -EDEADLK;
  wait_behind(blocker, l);
  return -EAGAIN;
}

/* F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW. A process's locks end with its
 * descriptors: without one, there are none. */
int64_t fde_setlk(struct fdemu_file *f, struct fdemu_req *r)
{
  struct fdemu_lock l = { .end = 0 };
  struct fdemu_locks *locks;
  struct flock fl;
  int error;

  if (r->out != NULL)
    return lock_records(f, r, &(*locks_of(f))->records);
  error = fdemu_arg_load(r, 0, &fl, sizeof fl);
  if (error == 0 && r->on != NULL && !of_file(r->cmd))
    error = -EBADF;
  if (error == 0)
    error = record_wanted(&l, &fl, r);
  if (error == 0)
    error = mode_error(f, l.type);
  if (error == 0 && of_file(r->cmd) && fl.l_pid != 0)
    error = -EINVAL;
  if (error != 0)
    return error;
  locks = fde_locks_get(f);
  if (locks == NULL)
    return l.type == F_UNLCK ? 0 : -ENOMEM;
  if (l.type == F_UNLCK)
    return set_records(f, &locks->records, &l);
  r->proc->locked = true;
  r->out = lock_new(f->inode->kernel, &l);
  return r->out != NULL ? lock_records(f, r, &locks->records) : -ENOLCK;
}

/* The first lock that is in l's way; of the owner's own, if it asks with
 * F_UNLCK. */
static const struct fdemu_lock *find(const struct fdemu_locks *locks,
                                     const struct fdemu_lock *l)
{
  const struct fdemu_list *n;

  if (locks == NULL)
    return NULL;
  if (l->type != F_UNLCK)
    return first_conflict(&locks->records, l);
  for (n = locks->records.next; n != &locks->records; n = n->next)
    if (lock_at(n)->owner == l->owner && lock_at(n)->start <= l->end &&
        l->start <= lock_at(n)->end)
      return lock_at(n);
  return NULL;
}

static void describe(const struct fdemu_lock *l, struct flock *fl)
{
  fl->l_type = l->type;
  fl->l_whence = SEEK_SET;
  fl->l_start = l->start;
  fl->l_len = l->end == INT64_MAX ? 0 : l->end - l->start + 1;
  fl->l_pid = l->pid;
}

/* F_GETLK, F_OFD_GETLK */
int64_t fde_getlk(struct fdemu_file *f, struct fdemu_req *r)
{
  struct fdemu_lock l = { .end = 0 };
  const struct fdemu_lock *found;
  struct flock fl;
  int error = fdemu_arg_load(r, 0, &fl, sizeof fl);

  if (error == 0 && r->cmd == F_GETLK && fl.l_type != F_RDLCK &&
      fl.l_type != F_WRLCK)
    error = -EINVAL;
  if (error == 0)
    error = record_wanted(&l, &fl, r);
  if (error == 0 && of_file(r->cmd) && fl.l_pid != 0)
    error = -EINVAL;
  if (error < 0)
    return error;
  found = find(*locks_of(f), &l);
  if (found != NULL)
    describe(found, &fl);
  else
    fl.l_type = F_UNLCK;
  return fdemu_arg_store(r, 0, &fl, sizeof fl);
}

/* ---- ends ------------------------------------------------------------- */

/* A process has closed a descriptor of f: it loses what it has of the object,
 * through whichever descriptor it got that. O_PATH has opened nothing. */
void fde_locks_close(struct fdemu_proc *p, struct fdemu_file *f)
{
  if (!p->locked || f->flags & O_PATH)
    return;
  if (S_ISDIR(f->inode->mode))
    fde_note_close(p, f);
  unlock_all(f, &p->waits);
}

/* The description goes. */
void fde_locks_release(struct fdemu_file *f)
{
  const struct fdemu_locks *locks = *locks_of(f);
  struct fdemu_lock *l;

  if (locks == NULL)
    return;
  unlock_all(f, &f->waits);
  l = first_of(&locks->flocks, &f->waits);
  if (l != NULL)
    drop(f->inode->kernel, l);
  fde_lease_release(f);
}

bool fdemu_awaited_lock(const struct fdemu_req *r, struct fdemu_lockinfo *info)
{
  const struct fdemu_lock *l = r->out;

  if (r->result == FDEMU_PENDING)
    fde_catch_up(r->proc->kernel);
  if (r->result != FDEMU_PENDING || l == NULL ||
      (r->call->park != fde_lock_park && r->call->park != fde_flock_park))
    return false;
  while (l->blocker != NULL)
    l = l->blocker;
  if (l->req != NULL)
    return false; /* it was woken */
  describe(l, &info->lock);
  info->file = l->file;
  return true;
}

/* ---- checking --------------------------------------------------------- */

/* Who waits behind l knows it, and is in its way. */
static bool blocked_ok(const struct fdemu_lock *l)
{
  const struct fdemu_list *n;

  for (n = l->blocked.next; n != &l->blocked; n = n->next)
    if (lock_at(n)->blocker != l || lock_at(n)->req == NULL ||
        !conflict(l, lock_at(n)) || !blocked_ok(lock_at(n)))
      return false;
  return true;
}

const char *fde_locks_check(const struct fdemu_file *f)
{
  const struct fdemu_locks *locks = *locks_of(f);
  const struct fdemu_lock *before = NULL;
  const struct fdemu_list *n;

  if (locks == NULL)
    return NULL;
  for (n = locks->flocks.next; n != &locks->flocks; n = n->next)
    if (lock_at(n)->req != NULL || !blocked_ok(lock_at(n)))
      return "a flock that is not held, or that others do not wait for";
  for (n = locks->records.next; n != &locks->records; n = n->next) {
    const struct fdemu_lock *l = lock_at(n);
    if (l->req != NULL || l->start > l->end || !blocked_ok(l))
      return "a record lock that is not held, or that others do not wait for";
    if (before != NULL && before->owner == l->owner && before->end >= l->start)
      return "record locks of one owner that overlap";
    before = l;
  }
  return fde_leases_check(f->inode);
}
