/*
 * check.c - whether the state of a kernel is as it should be
 *
 * For fuzzers and for those who write drivers: walks over everything, changes
 * nothing that counts, and says what is wrong first. Linear in what there is.
 */
#include "core/name.h"

/* A list's links fit together, and it has no more than all requests and
 * descriptions could be. */
static bool list_ok(const struct fdemu_list *l)
{
  const struct fdemu_list *n = l;

  do {
    if (n->next == NULL || n->next->prev != n)
      return false;
    n = n->next;
  } while (n != l);
  return true;
}

static size_t list_length(const struct fdemu_list *l)
{
  size_t count = 0;

  for (const struct fdemu_list *n = l->next; n != l; n = n->next)
    count++;
  return count;
}

/* ---- requests --------------------------------------------------------- */

static const char *check_req(const struct fdemu_req *r,
                             const struct fdemu_proc *p)
{
  if (r->proc != p)
    return "a request in the list of another process";
  if (r->result != FDEMU_PENDING)
    return "a pending request that has its answer";
  switch (r->state) {
  case FDE_RUNNING:
  case FDE_PARKED:
  case FDE_QUEUED:
  case FDE_KEPT: break;
  default: return "a pending request in no state to get its answer";
  }
  if (r->file != NULL && r->file->refs <= 0)
    return "a request whose description is gone";
  if (r->call->flags & (FDEMU_CALL_READ | FDEMU_CALL_WRITE) &&
      (r->len > r->asked || r->done > r->asked))
    return "a request that has moved more than it was to";
  return NULL;
}

static const char *check_queue(const struct fdemu_list *l, enum fde_state state,
                               const char *wrong)
{
  for (const struct fdemu_list *n = l->next; n != l; n = n->next)
    if (fdemu_entry(n, struct fdemu_req, link)->state != state)
      return wrong;
  return NULL;
}

/* Those who wait to read or to write are requests that are parked. */
static const char *check_waiting(const struct fdemu_list *l)
{
  for (const struct fdemu_list *n = l->next; n != l; n = n->next) {
    const struct fdemu_waiter *w = fdemu_entry(n, struct fdemu_waiter, link);
    if (fdemu_entry(w, struct fdemu_req, waiter)->state != FDE_PARKED)
      return "a request in a wait queue that is not parked";
  }
  return NULL;
}

static const char *check_waitq(const struct fdemu_waitq *wq)
{
  const char *wrong;

  if (!list_ok(&wq->readers) || !list_ok(&wq->writers) ||
      !list_ok(&wq->watchers))
    return "a wait queue whose links do not fit";
  wrong = check_waiting(&wq->readers);
  return wrong != NULL ? wrong : check_waiting(&wq->writers);
}

/* ---- descriptions ----------------------------------------------------- */

/* Calls see for each reference that a table, or several, or a request holds. */
static const char *each_file(const struct fdemu_kernel *k,
                             const char *(*see)(struct fdemu_file *f))
{
  const char *wrong = NULL;

  for (const struct fdemu_list *n = k->procs.next; n != &k->procs;
       n = n->next) {
    const struct fdemu_proc *p = fdemu_entry(n, struct fdemu_proc, link);
    const struct fdemu_list *m;
    for (int fd = 0; wrong == NULL && fd < p->table.cap; fd++)
      if (p->table.file[fd] != NULL && fde_table_counts(&p->table, fd))
        wrong = see(p->table.file[fd]);
    for (m = p->reqs.next; wrong == NULL && m != &p->reqs; m = m->next) {
      const struct fdemu_req *r = fdemu_entry(m, struct fdemu_req, mine);
      if (r->file != NULL)
        wrong = see(r->file);
    }
  }
  return wrong;
}

static const char *forget(struct fdemu_file *f)
{
  f->counted = 0;
  return NULL;
}

static const char *count(struct fdemu_file *f)
{
  return ++f->counted > f->refs ? "a description with too few references"
                                : NULL;
}

static const char *check_file(struct fdemu_file *f)
{
  const struct fdemu_inode *i = f->inode;
  const char *wrong;

  if (f->counted == 0) /* a dup of one that was looked at */
    return NULL;
  f->counted = 0;
  if (i->refs <= 0)
    return "a description whose inode is gone";
  for (const struct fdemu_weak *w = f->weak; w != NULL; w = w->next)
    if (*w->prev != w)
      return "weak references whose links do not fit";
  wrong = check_waitq(&i->wq);
  if (wrong == NULL)
    wrong = fde_locks_check(f);
  if (wrong == NULL && f->ops->check != NULL)
    wrong = f->ops->check(f);
  return wrong;
}

/* ---- names ------------------------------------------------------------ */

static size_t hashed(const struct fde_dir *d)
{
  size_t n = 0;

  for (size_t i = 0; i < d->cap; i++)
    for (const struct fde_entry *e = d->hash[i]; e != NULL; e = e->next)
      n++;
  return n;
}

static const char *check_entry(const struct fde_entry *e,
                               const struct fde_slot *slot,
                               const struct fde_entry *dir)
{
  if (e->parent != dir || e->gone || e->refs <= 0 || e->inode->refs <= 0)
    return "a name that is not where it was found";
  if (e->cookie != slot->cookie ||
      fde_dir_find(fde_dir_of(dir->inode), e->name, e->len) != e)
    return "a name that its directory does not find";
  if (e->inode->attr->nlink == 0)
    return "a name of what has none";
  return NULL;
}

/* A directory and those in it. */
static const char *check_dir(const struct fde_entry *dir)
{
  const struct fde_dir *d = fde_dir_of(dir->inode);
  const char *wrong = NULL;
  size_t n = 0;
  int links = 2;

  if (d->entry != dir)
    return "a directory that does not know its name";
  for (size_t i = 0; wrong == NULL && i < d->norder; i++) {
    const struct fde_entry *e = d->order[i].entry;
    if (e == NULL)
      continue;
    n++;
    wrong = check_entry(e, &d->order[i], dir);
    if (wrong == NULL && fde_is_dir(e->inode)) {
      links++;
      wrong = check_dir(e);
    }
  }
  if (wrong == NULL && (n != d->n || hashed(d) != n))
    wrong = "a directory that has miscounted its names";
  if (wrong == NULL && d->attr.nlink != links)
    wrong = "a directory that has miscounted its directories";
  return wrong;
}

/* ---- processes, the kernel -------------------------------------------- */

static const char *check_proc(const struct fdemu_proc *p,
                              const struct fdemu_kernel *k, size_t *pending,
                              size_t *nopen)
{
  const char *wrong = fde_table_check(&p->table, nopen);

  if (wrong != NULL)
    return wrong;
  if (p->kernel != k || !p->alive || p->refs <= 0)
    return "a dead process among the living";
  if (!list_ok(&p->reqs) || !list_ok(&p->children))
    return "a process whose lists do not fit";
  for (const struct fdemu_list *n = p->reqs.next; n != &p->reqs; n = n->next) {
    wrong = check_req(fdemu_entry(n, struct fdemu_req, mine), p);
    if (wrong != NULL)
      return wrong;
    ++*pending;
  }
  return check_waitq(&p->exits);
}

static const char *check_procs(const struct fdemu_kernel *k)
{
  size_t pending = list_length(&k->finished), nopen = 0;

  for (const struct fdemu_list *n = k->procs.next; n != &k->procs;
       n = n->next) {
    const char *wrong = check_proc(fdemu_entry(n, struct fdemu_proc, link), k,
                                   &pending, &nopen);
    if (wrong != NULL)
      return wrong;
  }
  if (nopen != k->nopen)
    return "descriptors that were not counted";
  return pending == k->pending ? NULL : "requests that nobody knows of";
}

const char *fdemu_check(struct fdemu_kernel *k)
{
  const char *wrong;

  fde_catch_up(k);
  if (!list_ok(&k->procs) || !list_ok(&k->dead) || !list_ok(&k->runq) ||
      !list_ok(&k->finished) || !list_ok(&k->sources))
    return "a list of the kernel whose links do not fit";
  wrong = check_queue(&k->runq, FDE_QUEUED,
                      "a run queue with a request that "
                      "is not queued");
  if (wrong == NULL)
    wrong = check_queue(&k->finished, FDE_FINISHED,
                        "an answer to hand back that is not there");
  if (wrong == NULL)
    wrong = check_procs(k);
  if (wrong == NULL)
    wrong = fde_timers_check(k);
  if (wrong == NULL)
    wrong = fde_heap_check(k);
  if (wrong == NULL)
    wrong = check_dir(k->root);
  if (wrong != NULL)
    return wrong;
  each_file(k, forget);
  wrong = each_file(k, count);
  return wrong != NULL ? wrong : each_file(k, check_file);
}
