/*
 * owner.c - whom a description tells by a signal: F_SETOWN, F_SETSIG, O_ASYNC
 *
 * Few descriptions have an owner. Those that do have a weak reference whose
 * holder is found in their list of them, and which goes when they go. With
 * O_ASYNC it also waits in the queue of the inode, for FDEMU_WAKE_SIGIN and
 * FDEMU_WAKE_SIGOUT alone: nobody else pays for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>

#include "core/kernel.h"

#ifndef F_GETOWNER_UIDS
#define F_GETOWNER_UIDS 17
#endif

struct who { /* struct f_owner_ex */
  int type, pid;
};

struct owner {
  struct fdemu_weak weak;
  struct fdemu_waiter waiter; /* of O_ASYNC */
  struct fdemu_file *file;
  struct who who;    /* pid 0: nobody */
  unsigned char sig; /* F_SETSIG; 0: SIGIO */
  bool owned;        /* it has had one */
};

/* ---- who -------------------------------------------------------------- */

static void owner_gone(struct fdemu_weak *w)
{
  struct owner *o = fdemu_entry(w, struct owner, weak);

  fdemu_unwatch(&o->waiter);
  fdemu_free(o->file->inode->kernel, o);
}

static struct owner *owner_of(const struct fdemu_file *f)
{
  for (struct fdemu_weak *w = f->weak; w != NULL; w = w->next)
    if (w->gone == owner_gone)
      return fdemu_entry(w, struct owner, weak);
  return NULL;
}

/* NULL: no memory. */
static struct owner *owner_get(struct fdemu_file *f)
{
  struct owner *o = owner_of(f);

  if (o != NULL)
    return o;
  o = fdemu_alloc(f->inode->kernel, sizeof *o);
  if (o == NULL)
    return NULL;
  *o = (struct owner){ .weak.gone = owner_gone, .file = f };
  fdemu_list_init(&o->waiter.link);
  fdemu_weak_set(&o->weak, f);
  return o;
}

/* Until it has been waited for, a process is there. */
static bool is_there(const struct fdemu_proc *p, struct who w)
{
  if (!p->alive && p->parent == NULL)
    return false;
  return w.type == F_OWNER_PGRP ? p->group == w.pid : p->pid == w.pid;
}

/* The first process at or after n that w means, or NULL. */
static struct fdemu_proc *next_of(const struct fdemu_list *list,
                                  const struct fdemu_list *n, struct who w)
{
  for (; n != list; n = n->next) {
    struct fdemu_proc *p = fdemu_entry(n, struct fdemu_proc, link);
    if (is_there(p, w))
      return p;
  }
  return NULL;
}

static bool exists(struct fdemu_kernel *k, struct who w)
{
  return w.pid > 0 && (next_of(&k->procs, k->procs.next, w) != NULL ||
                       next_of(&k->dead, k->dead.next, w) != NULL);
}

/* ---- signals ---------------------------------------------------------- */

/* As send_sigio() of Linux; signo is what F_SETSIG has not changed. */
static void tell(const struct owner *o, int signo)
{
  struct fdemu_kernel *k = o->file->inode->kernel;
  struct fdemu_proc *p;

  if (o->who.pid == 0)
    return;
  for (struct fdemu_list *n = k->procs.next;
       (p = next_of(&k->procs, n, o->who)) != NULL; n = p->link.next)
    fdemu_signal(p, signo);
}

void fde_tell_owner(const struct fdemu_file *f, int signo)
{
  const struct owner *o = owner_of(f);

  if (o != NULL)
    tell(o, o->sig != 0 ? o->sig : signo);
}

/* As send_sigurg() of Linux, and what follows it. */
void fdemu_sigurg(struct fdemu_file *f)
{
  const struct owner *o = owner_of(f);

  if (o == NULL || o->who.pid == 0)
    return;
  tell(o, SIGURG);
  if (f->flags & O_ASYNC && o->sig != 0 && !fdemu_list_empty(&o->waiter.link))
    tell(o, o->sig);
}

static void notify_owner(struct fdemu_waiter *w, int events)
{
  const struct owner *o = fdemu_entry(w, struct owner, waiter);

  for (int bit = FDEMU_WAKE_SIGIN; bit <= FDEMU_WAKE_SIGOUT; bit *= 2)
    if (events & w->events & bit)
      tell(o, o->sig != 0 ? o->sig : SIGIO);
}

/* The O_ASYNC of open(2) has no effect, and is there to stay, as on Linux. */
static void unset_async(struct fdemu_file *f)
{
  struct owner *o = owner_of(f);

  if (o == NULL || fdemu_list_empty(&o->waiter.link))
    return;
  fdemu_unwatch(&o->waiter);
  f->flags &= ~O_ASYNC;
}

int fde_set_async(struct fdemu_file *f, bool on)
{
  const int mode = f->flags & O_ACCMODE;
  struct owner *o;

  if (!on) {
    unset_async(f);
    return 0;
  }
  o = owner_get(f);
  if (o == NULL)
    return -ENOMEM;
  o->waiter.events = (mode != O_WRONLY ? FDEMU_WAKE_SIGIN : 0) |
                     (mode != O_RDONLY ? FDEMU_WAKE_SIGOUT : 0);
  o->waiter.notify = notify_owner;
  fdemu_watch(&f->inode->wq, &o->waiter);
  f->flags |= O_ASYNC;
  return 0;
}

/* ---- fcntl(2) --------------------------------------------------------- */

static int64_t set_owner(struct fdemu_file *f, struct who w)
{
  struct owner *o;

  if (w.pid != 0 &&
      !exists(f->inode->kernel, (struct who){ F_OWNER_PID, w.pid }))
    return -ESRCH;
  o = owner_get(f);
  if (o == NULL)
    return -ENOMEM;
  o->who = w;
  o->owned |= w.pid != 0;
  return 0;
}

int fde_default_owner(struct fdemu_file *f, const struct fdemu_proc *p)
{
  const struct owner *o = owner_of(f);

  if (o != NULL && o->who.pid != 0)
    return 0;
  return (int)set_owner(f, (struct who){ F_OWNER_PID, p->pid });
}

/* A lease has gone, and takes with it what it has used. */
void fde_disown(struct fdemu_file *f)
{
  struct owner *o = owner_of(f);

  f->flags &= ~O_ASYNC;
  if (o != NULL) {
    o->who = (struct who){ F_OWNER_PID, 0 };
    o->sig = 0;
  }
}

int64_t fdemu_setown(struct fdemu_file *f, int who)
{
  if (who == INT_MIN)
    return -EINVAL;
  return set_owner(f, who < 0 ? (struct who){ F_OWNER_PGRP, -who }
                              : (struct who){ F_OWNER_PID, who });
}

static int64_t setown_ex(struct fdemu_file *f, struct fdemu_req *r)
{
  struct who w;
  int error = fdemu_arg_load(r, 0, &w, sizeof w);

  if (error < 0)
    return error;
  if (w.type < F_OWNER_TID || w.type > F_OWNER_PGRP)
    return -EINVAL;
  return set_owner(f, w);
}

static struct who who_of(const struct fdemu_file *f)
{
  const struct owner *o = owner_of(f);
  struct who w = o != NULL ? o->who : (struct who){ 0, 0 };

  if (!exists(f->inode->kernel, w))
    w.pid = 0;
  return w;
}

/* As Linux has it, where the number of a small group looks like an errno. */
int fdemu_getown(const struct fdemu_file *f)
{
  struct who w = who_of(f);

  return w.type == F_OWNER_PGRP ? -w.pid : w.pid;
}

static int64_t getown_ex(const struct fdemu_file *f, struct fdemu_req *r)
{
  struct who w = who_of(f);

  return fdemu_arg_store(r, 0, &w, sizeof w);
}

static int64_t getowner_uids(const struct fdemu_file *f, struct fdemu_req *r)
{
  const struct owner *o = owner_of(f);
  uid_t uid = o != NULL && o->owned ? FDEMU_UID : 0;
  uid_t uids[2] = { uid, uid };

  return fdemu_arg_store(r, 0, uids, sizeof uids);
}

static int64_t setsig(struct fdemu_file *f, int64_t sig)
{
  struct owner *o;

  if (sig < 0 || sig >= FDEMU_NSIG)
    return -EINVAL;
  o = owner_get(f);
  if (o == NULL)
    return -ENOMEM;
  o->sig = (unsigned char)sig;
  return 0;
}

static int64_t getsig(const struct fdemu_file *f)
{
  const struct owner *o = owner_of(f);

  return o != NULL ? o->sig : 0;
}

int64_t fde_fcntl_owner(struct fdemu_file *f, struct fdemu_req *r)
{
  switch (r->cmd) {
  case F_SETOWN: return fdemu_setown(f, (int)r->arg);
  case F_GETOWN: return fdemu_getown(f);
  case F_SETOWN_EX: return setown_ex(f, r);
  case F_GETOWN_EX: return getown_ex(f, r);
  case F_GETOWNER_UIDS: return getowner_uids(f, r);
  case F_SETSIG: return setsig(f, r->arg);
  case F_GETSIG: return getsig(f);
  default: return FDEMU_NEXT;
  }
}
