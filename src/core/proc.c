/* proc.c - processes: fork, exec, exit, wait */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

#include "core/kernel.h"

struct fdemu_kernel *fdemu_kernel_of(const struct fdemu_proc *p)
{
  return p->kernel;
}

int fdemu_getpid(const struct fdemu_proc *p)
{
  return p->pid;
}

int fdemu_getppid(const struct fdemu_proc *p)
{
  return p->parent != NULL ? p->parent->pid : 0;
}

bool fdemu_alive(const struct fdemu_proc *p)
{
  return p->alive;
}

struct fdemu_proc *fdemu_proc_new(struct fdemu_kernel *k)
{
  struct fdemu_proc *p = fdemu_alloc(k, sizeof *p);

  if (p == NULL)
    return NULL;
  memset(p, 0, sizeof *p);
  p->kernel = k;
  p->pid = p->group = ++k->last_pid;
  p->refs = 2; /* the caller's, and its life */
  p->soft = p->hard = k->nofile;
  p->alive = true;
  p->umask = 022;
  p->cwd = k->root;
  fde_entry_get(p->cwd);
  fdemu_list_init(&p->reqs);
  fdemu_list_init(&p->children);
  fdemu_list_init(&p->sibling);
  fdemu_waitq_init(&p->exits);
  fdemu_list_append(&k->procs, &p->link);
  return p;
}

void fdemu_proc_put(struct fdemu_proc *p)
{
  if (--p->refs > 0)
    return;
  fdemu_list_remove(&p->link);
  fdemu_free(p->kernel, p);
}

struct fdemu_proc *fdemu_next_proc(struct fdemu_kernel *k, int pid)
{
  struct fdemu_list *n;

  for (n = k->procs.next; n != &k->procs; n = n->next) {
    struct fdemu_proc *p = fdemu_entry(n, struct fdemu_proc, link);
    if (p->pid >= pid)
      return p;
  }
  return NULL;
}

int64_t fde_fork(struct fdemu_file *f, struct fdemu_req *r)
{
  struct fdemu_proc *p = r->proc, *child = fdemu_proc_new(p->kernel);
  int error;

  (void)f;
  if (child == NULL)
    return -ENOMEM;
  error = fde_table_copy(p->kernel, &child->table, &p->table);
  if (error < 0) {
    fdemu_proc_end(child);
    fdemu_proc_put(child);
    return error;
  }
  child->group = p->group;
  child->umask = p->umask;
  fde_entry_put(child->cwd);
  child->cwd = p->cwd;
  fde_entry_get(child->cwd);
  child->soft = p->soft;
  child->hard = p->hard;
  memcpy(child->initial, p->initial, sizeof child->initial);
  child->parent = p;
  fdemu_list_append(&p->children, &child->sibling);
  r->out = child;
  return child->pid;
}

int64_t fde_exec(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)f;
  fde_drop(r->proc, 0, INT_MAX, true);
  return 0;
}

/* Its parent, if any, knows of the exit, or never will. */
static void reap(struct fdemu_proc *p)
{
  fdemu_list_remove(&p->sibling);
  p->parent = NULL;
  fdemu_proc_put(p);
}

static void orphan(struct fdemu_proc *p)
{
  while (!fdemu_list_empty(&p->children)) {
    struct fdemu_proc *child =
        fdemu_entry(p->children.next, struct fdemu_proc, sibling);
    fdemu_list_remove(&child->sibling);
    child->parent = NULL;
    if (!child->alive)
      reap(child);
  }
}

static void end(struct fdemu_proc *p, int status)
{
  fde_catch_up(p->kernel);
  p->alive = false;
  fdemu_list_remove(&p->link);
  fdemu_list_append(&p->kernel->dead, &p->link);
  p->status = status & 0xff;
  while (!fdemu_list_empty(&p->reqs))
    fdemu_cancel(fdemu_entry(p->reqs.next, struct fdemu_req, mine), EINTR);
  fde_drop(p, 0, INT_MAX, false);
  fde_table_free(p);
  fde_entry_put(p->cwd);
  p->cwd = NULL;
  orphan(p);
  if (p->parent == NULL) {
    reap(p);
    return;
  }
  p->parent->nzombies++;
  fdemu_wake(&p->parent->exits, POLLIN);
}

static const struct fdemu_call exit_call = {
  .name = "exit_group",
  .args = "arg",
};

void fdemu_exit(struct fdemu_proc *p, int status)
{
  struct fdemu_req r = {
    .call = &exit_call, .proc = p, .arg = status, .result = FDEMU_PENDING
  };

  if (!p->alive)
    return;
  fde_trace(&r, FDEMU_PHASE_CALL);
  end(p, status);
}

void fdemu_proc_end(struct fdemu_proc *p)
{
  if (!p->alive)
    return;
  if (p->parent == NULL && p->pid == p->kernel->last_pid)
    p->kernel->last_pid--;
  end(p, 0);
}

/* In the order of fork(), as Linux does. */
static struct fdemu_proc *first_zombie(const struct fdemu_proc *p)
{
  struct fdemu_list *n = p->children.next;

  while (fdemu_entry(n, struct fdemu_proc, sibling)->alive)
    n = n->next;
  return fdemu_entry(n, struct fdemu_proc, sibling);
}

int64_t fde_wait(struct fdemu_file *f, struct fdemu_req *r)
{
  struct fdemu_proc *p = r->proc, *z;
  int pid;

  (void)f;
  if (p->nzombies == 0)
    return fdemu_list_empty(&p->children) ? -ECHILD : -EAGAIN;
  z = first_zombie(p);
  if (r->buf.iov_base != NULL) {
    int status = z->status << 8, error;
    error = fdemu_arg_store(r, 0, &status, sizeof status);
    if (error < 0)
      return error;
  }
  pid = z->pid;
  p->nzombies--;
  reap(z);
  return pid;
}

static void notify_exit(struct fdemu_waiter *w, int events)
{
  (void)events;
  fdemu_list_remove(&w->link);
  fde_requeue(fdemu_entry(w, struct fdemu_req, waiter));
}

int fde_wait_park(struct fdemu_req *r)
{
  r->waiter.events = POLLIN;
  r->waiter.notify = notify_exit;
  fde_watch(&r->proc->exits, &r->waiter);
  return 0;
}

/* Nothing ever happens to a sleeper but that its time is over. */
int64_t fde_sleep(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)f;
  (void)r;
  return -EAGAIN;
}

void fdemu_get_nofile(const struct fdemu_proc *p, int *soft, int *hard)
{
  *soft = p->soft;
  *hard = p->hard;
}

int fdemu_set_nofile(struct fdemu_proc *p, int soft, int hard)
{
  if (soft < 0 || hard < 0 || soft > hard)
    return -EINVAL;
  if (hard > p->hard)
    return -EPERM;
  p->soft = soft;
  p->hard = hard;
  return 0;
}

void fdemu_set_initial(struct fdemu_proc *p)
{
  for (int fd = 0; fd < 3; fd++) {
    const struct fdemu_file *f = fdemu_file_at(p, fd);
    p->initial[fd] = f != NULL ? f->id : 0;
  }
}

bool fdemu_is_initial(const struct fdemu_proc *p, int fd)
{
  const struct fdemu_file *f = fdemu_file_at(p, fd);

  return fd >= 0 && fd < 3 && f != NULL && f->id == p->initial[fd];
}

/* ---- signals ---------------------------------------------------------- */

void fdemu_signal(struct fdemu_proc *p, int signo)
{
  if (p->alive && signo > 0 && signo < FDEMU_NSIG &&
      p->signals[signo] < UINT_MAX)
    p->signals[signo]++;
}

void fdemu_signals(struct fdemu_proc *p, unsigned counts[FDEMU_NSIG])
{
  fde_catch_up(p->kernel);
  memcpy(counts, p->signals, sizeof p->signals);
  memset(p->signals, 0, sizeof p->signals);
}
