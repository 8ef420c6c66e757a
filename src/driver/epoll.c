/*
 * epoll.c - epoll instances: waiting for many files at once
 *
 *   file --wq--> interest --ready list--> epoll_wait()
 *
 * An interest is a waiter in its file's wait queue. When that is woken, the
 * interest goes to the ready list, one epoll_wait() is woken, and so is whoever
 * watches the epoll instance itself. epoll_wait() takes interests from the
 * list, asks their files, and reports what is ready at that time; an interest
 * that is level-triggered then goes back to the end. So no step depends on how
 * many interests there are.
 *
 * An interest's key is its description and the number under which it was
 * added. It holds no reference: it goes when the description is released.
 *
 * To ask a file may run a user's code, which may do anything to this instance:
 * whoever asks holds the instance's description, and the interest (held), and
 * looks afterwards whether it is still in the set.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "fdemu_driver.h"

#define MAX_NESTS  4 /* epoll instances below one another, as Linux */
#define MAX_EVENTS ((int)(INT_MAX / sizeof(struct epoll_event)))

#define CONDITIONS 0xffffu /* all that a wake may have of POLL* */

/* What is not a condition of a file. */
#define PRIVATE \
  ((uint32_t)EPOLLET | (uint32_t)EPOLLONESHOT | (uint32_t)EPOLLWAKEUP | \
   (uint32_t)EPOLLEXCLUSIVE)
#define ALWAYS ((uint32_t)EPOLLERR | (uint32_t)EPOLLHUP)

/* What EPOLLEXCLUSIVE can be combined with. */
#define WITH_EXCLUSIVE \
  ((uint32_t)EPOLLIN | (uint32_t)EPOLLOUT | ALWAYS | (uint32_t)EPOLLWAKEUP | \
   (uint32_t)EPOLLET | (uint32_t)EPOLLEXCLUSIVE)

/* Of the kernel's headers, newer than what this is built with: how a thread
 * that waits for a network interface may keep asking it. */
struct busy_poll {
  uint32_t usecs;
  uint16_t budget;
  uint8_t prefer, pad;
};

#define SET_BUSY_POLL   _IOW(0x8a, 1, struct busy_poll)
#define GET_BUSY_POLL   _IOR(0x8a, 2, struct busy_poll)
#define MAX_BUSY_BUDGET 64 /* without CAP_NET_ADMIN */

struct epoll {
  struct fdemu_file file;
  struct fdemu_inode inode;   /* its wq: who watches this instance */
  struct fdemu_waitq waiters; /* epoll_wait() */
  struct fdemu_list ready;    /* of interests */
  struct fdemu_list all;      /* in the order in which they were added */
  struct interest **table;    /* by key */
  size_t count, cap;          /* cap: 0 or a power of two */
  struct fdemu_list below;    /* of nested instances */
  uint64_t walks;             /* counts walks that start here */
  uint64_t walk_id, walk;     /* the walk that came here last ... */
  int depth;                  /* ... and what it found */
  struct busy_poll busy;      /* kept, and of no consequence */
};

struct interest {
  struct fdemu_interest is; /* what the public sees */
  struct epoll *ep;
  struct interest *next; /* in the table */
  struct fdemu_waiter waiter;
  struct fdemu_weak weak;
  struct fdemu_list ready; /* in ep->ready, or in what is being collected */
  struct fdemu_list all;
  int held; /* by those who ask its file */
  bool gone;
};

/* An interest in another instance. */
struct nested {
  struct interest it;
  struct fdemu_list below; /* in it.ep->below */
};

static const struct fdemu_ops epoll_ops;

static struct epoll *epoll_of(const struct fdemu_file *f)
{
  return fdemu_entry(f->inode, struct epoll, inode);
}

/* Whatever methods a script has given to the description. */
bool fdemu_is_epoll(const struct fdemu_file *f)
{
  return f->inode->ops == &epoll_ops;
}

/* ---- the table -------------------------------------------------------- */

static struct interest **bucket(const struct epoll *ep, uint64_t id, int fd)
{
  uint64_t h = id * UINT64_C(0x9e3779b97f4a7c15);

  h = (h ^ (unsigned)fd) * UINT64_C(0xbf58476d1ce4e5b9);
  return &ep->table[(h >> 32) & (ep->cap - 1)];
}

static struct interest *find(const struct epoll *ep, const struct fdemu_file *f,
                             int fd)
{
  struct interest *it;

  if (ep->cap == 0)
    return NULL;
  for (it = *bucket(ep, f->id, fd); it != NULL; it = it->next)
    if (it->is.file == f && it->is.fd == fd)
      return it;
  return NULL;
}

static void table_insert(struct epoll *ep, struct interest *it)
{
  struct interest **where = bucket(ep, it->is.file->id, it->is.fd);

  it->next = *where;
  *where = it;
}

static void table_remove(struct epoll *ep, struct interest *it)
{
  struct interest **where = bucket(ep, it->is.file->id, it->is.fd);

  while (*where != it)
    where = &(*where)->next;
  *where = it->next;
}

/* Room for one more. */
static int table_grow(struct epoll *ep)
{
  size_t cap = ep->cap > 0 ? 2 * ep->cap : 8;
  struct interest **table;
  struct fdemu_list *n;

  if (ep->count < ep->cap)
    return 0;
  table = fdemu_alloc(ep->inode.kernel, cap * sizeof(struct interest *));
  if (table == NULL)
    return -ENOMEM;
  memset(table, 0, cap * sizeof(struct interest *));
  fdemu_free(ep->inode.kernel, ep->table);
  ep->table = table;
  ep->cap = cap;
  for (n = ep->all.next; n != &ep->all; n = n->next)
    table_insert(ep, fdemu_entry(n, struct interest, all));
  return 0;
}

/* ---- interests -------------------------------------------------------- */

static bool is_ready(const struct interest *it)
{
  return !fdemu_list_empty(&it->ready);
}

static int concerns(const struct interest *it)
{
  return fdemu_concerns(it->is.file, (int)(it->is.events & CONDITIONS));
}

static void announce(struct interest *it)
{
  struct epoll *ep = it->ep;

  if (!is_ready(it))
    fdemu_list_append(&ep->ready, &it->ready);
  fdemu_wake_one(&ep->waiters, POLLIN);
  fdemu_wake(&ep->inode.wq, POLLIN);
}

/* Whether an exclusive interest has used this wake up: somebody waits here for
 * what it is about, as ep_poll_callback() of Linux has it. */
static bool takes(const struct interest *it, int events)
{
  const struct fdemu_waitq *wq = &it->ep->waiters;

  if (!fdemu_waited(wq, POLLIN))
    return false;
  switch (events & (POLLIN | POLLOUT)) {
  case POLLIN: return (it->is.events & (uint32_t)EPOLLIN) != 0;
  case POLLOUT: return (it->is.events & (uint32_t)EPOLLOUT) != 0;
  case 0: return true;
  default: return false;
  }
}

static void interest_notify(struct fdemu_waiter *w, int events)
{
  struct interest *it = fdemu_entry(w, struct interest, waiter);

  w->took = w->exclusive && takes(it, events);
  if (it->is.events & ~PRIVATE)
    announce(it);
}

static void hold(struct interest *it)
{
  it->held++;
}

static void unhold(struct interest *it)
{
  if (--it->held == 0 && it->gone)
    fdemu_object_free(it->ep->inode.kernel, it);
}

/* Whoever holds it finds out. */
static void interest_remove(struct interest *it)
{
  struct epoll *ep = it->ep;

  if (fdemu_is_epoll(it->is.file)) {
    struct nested *n = fdemu_entry(it, struct nested, it);
    fdemu_list_remove(&n->below);
  }
  table_remove(ep, it);
  ep->count--;
  fdemu_list_remove(&it->all);
  fdemu_list_remove(&it->ready);
  fdemu_unwatch(&it->waiter);
  fdemu_weak_clear(&it->weak);
  it->gone = true;
  hold(it);
  unhold(it);
}

static void interest_gone(struct fdemu_weak *w)
{
  interest_remove(fdemu_entry(w, struct interest, weak));
}

/* What of its events is there. it is held; its file is while it is asked. */
static uint32_t ask(struct interest *it)
{
  uint32_t events = (uint32_t)fdemu_ready_for(it->is.file, (int)it->is.events);

  return it->gone ? 0 : events & it->is.events;
}

/* It is new, or changed: it may be ready already. */
static void look(struct interest *it)
{
  hold(it);
  if (ask(it) != 0 && !is_ready(it))
    announce(it);
  unhold(it);
}

/* ---- nesting ---------------------------------------------------------- */

/* The next interest in f after it; NULL: the first, and at the end. */
static const struct interest *watcher(const struct fdemu_file *f,
                                      const struct interest *it)
{
  const struct fdemu_weak *w = it != NULL ? &it->weak : NULL;

  do
    w = fdemu_weak_next(f, w);
  while (w != NULL && w->gone != interest_gone);
  return w != NULL ? fdemu_entry(w, struct interest, weak) : NULL;
}

/* Walks mark where they have been, so that they come to no instance twice. */
static bool visited(struct epoll *ep, const struct epoll *from)
{
  if (ep->walk_id == from->file.id && ep->walk == from->walks)
    return true;
  ep->walk_id = from->file.id;
  ep->walk = from->walks;
  ep->depth = 0;
  return false;
}

/* How many instances are below one another in ep, more than MAX_NESTS if
 * there are too many or the walk comes back to where it started. */
static int depth_below(struct epoll *ep, const struct epoll *from, int level)
{
  struct fdemu_list *n;
  int depth = 0;

  if (visited(ep, from))
    return ep->depth;
  for (n = ep->below.next; n != &ep->below && depth <= MAX_NESTS; n = n->next) {
    const struct nested *i = fdemu_entry(n, struct nested, below);
    struct epoll *inner = epoll_of(i->it.is.file);
    int d = MAX_NESTS;
    if (inner != from && level < MAX_NESTS)
      d = depth_below(inner, from, level + 1);
    if (d + 1 > depth)
      depth = d + 1;
  }
  ep->depth = depth;
  return depth;
}

static int depth_above(struct epoll *ep, const struct epoll *from)
{
  const struct interest *it;
  int depth = 0;

  if (visited(ep, from))
    return ep->depth;
  for (it = watcher(&ep->file, NULL); it != NULL; it = watcher(&ep->file, it)) {
    int d = depth_above(it->ep, from);
    if (d + 1 > depth)
      depth = d + 1;
  }
  ep->depth = depth;
  return depth;
}

/* Whether inner may be added to ep, so that no wake goes in circles or too
 * deep. */
static bool nests(struct epoll *ep, struct epoll *inner)
{
  int below;

  ep->walks++;
  below = depth_below(inner, ep, 0);
  return below <= MAX_NESTS && below + 1 + depth_above(ep, ep) <= MAX_NESTS;
}

/* How many ways lead up from f through so many instances is limited, lest one
 * wake becomes thousands; for one instance it is not. */
static bool few_paths(const struct fdemu_file *f, int level, int *count)
{
  static const int limits[MAX_NESTS + 1] = { INT_MAX, 500, 100, 50, 10 };
  const struct interest *it;

  if (level > MAX_NESTS)
    return false;
  for (it = watcher(f, NULL); it != NULL; it = watcher(f, it)) {
    const struct fdemu_file *outer = &it->ep->file;
    if (watcher(outer, NULL) != NULL) {
      if (!few_paths(outer, level + 1, count))
        return false;
    } else if (++count[level] > limits[level])
      return false;
  }
  return true;
}

/* The same for everything in ep: as in Linux, this takes a while for a large
 * set, once, when it is added to another. */
static bool few_paths_below(struct epoll *ep, const struct epoll *from)
{
  struct fdemu_list *n;

  if (visited(ep, from))
    return true;
  for (n = ep->all.next; n != &ep->all; n = n->next) {
    const struct fdemu_file *f = fdemu_entry(n, struct interest, all)->is.file;
    int count[MAX_NESTS + 1] = { 0 };
    if (fdemu_is_epoll(f) ? !few_paths_below(epoll_of(f), from)
                          : !few_paths(f, 0, count))
      return false;
  }
  return true;
}

/* Whether the paths through it are not too many. */
static bool fits(const struct interest *it)
{
  const struct fdemu_file *f = it->is.file;
  int count[MAX_NESTS + 1] = { 0 };

  it->ep->walks++;
  if (fdemu_is_epoll(f))
    return few_paths_below(epoll_of(f), it->ep);
  return watcher(&it->ep->file, NULL) == NULL || few_paths(f, 0, count);
}

/* ---- epoll_ctl(2) ----------------------------------------------------- */

static struct interest *interest_new(struct epoll *ep, struct fdemu_file *f)
{
  size_t size =
      fdemu_is_epoll(f) ? sizeof(struct nested) : sizeof(struct interest);
  struct interest *it = fdemu_object_alloc(ep->inode.kernel, size);

  if (it == NULL)
    return NULL;
  memset(it, 0, size);
  if (fdemu_is_epoll(f)) {
    struct nested *n = fdemu_entry(it, struct nested, it);
    fdemu_list_append(&ep->below, &n->below);
  }
  it->ep = ep;
  fdemu_list_init(&it->ready);
  return it;
}

static int64_t add(struct epoll *ep, struct fdemu_file *f, int fd,
                   const struct epoll_event *ev)
{
  struct interest *it;

  if (find(ep, f, fd) != NULL)
    return -EEXIST;
  if (table_grow(ep) < 0)
    return -ENOMEM;
  it = interest_new(ep, f);
  if (it == NULL)
    return -ENOMEM;
  it->is = (struct fdemu_interest){ f, ev->data.u64, ev->events | ALWAYS, fd };
  table_insert(ep, it);
  ep->count++;
  fdemu_list_append(&ep->all, &it->all);
  it->weak.gone = interest_gone;
  fdemu_weak_set(&it->weak, f);
  it->waiter.events = concerns(it);
  it->waiter.exclusive = (ev->events & (uint32_t)EPOLLEXCLUSIVE) != 0;
  it->waiter.notify = interest_notify;
  fdemu_watch(&f->inode->wq, &it->waiter);
  if (!fits(it)) {
    interest_remove(it);
    return -EINVAL;
  }
  look(it);
  return 0;
}

static int64_t modify(struct interest *it, const struct epoll_event *ev)
{
  if (it == NULL)
    return -ENOENT;
  if (it->is.events & (uint32_t)EPOLLEXCLUSIVE)
    return -EINVAL;
  it->is.events = ev->events | ALWAYS;
  it->is.data = ev->data.u64;
  it->waiter.events = concerns(it);
  look(it);
  return 0;
}

static int64_t drop(struct interest *it)
{
  if (it == NULL)
    return -ENOENT;
  interest_remove(it);
  return 0;
}

/* EPOLLEXCLUSIVE is for new interests, and not in other instances. */
static bool allowed(unsigned long op, const struct fdemu_file *f,
                    uint32_t events)
{
  if (!(events & (uint32_t)EPOLLEXCLUSIVE) || op == EPOLL_CTL_DEL)
    return true;
  if (op == EPOLL_CTL_ADD)
    return !fdemu_is_epoll(f) && !(events & ~WITH_EXCLUSIVE);
  return op != EPOLL_CTL_MOD;
}

/* In Linux's order. */
static int64_t change(struct fdemu_file *epf, struct fdemu_file *f,
                      const struct fdemu_req *r, const struct epoll_event *ev)
{
  struct epoll *ep;
  int fd = (int)r->arg;

  if (!(f->mode & FDEMU_MODE_EPOLL))
    return -EPERM;
  if (epf == f || !fdemu_is_epoll(epf) || !allowed(r->cmd, f, ev->events))
    return -EINVAL;
  ep = epoll_of(epf);
  switch (r->cmd) {
  case EPOLL_CTL_ADD:
    if (fdemu_is_epoll(f) && !nests(ep, epoll_of(f)))
      return -ELOOP;
    return add(ep, f, fd, ev);
  case EPOLL_CTL_MOD: return modify(find(ep, f, fd), ev);
  case EPOLL_CTL_DEL: return drop(find(ep, f, fd));
  default: return -EINVAL;
  }
}

/* The event is fetched even before the descriptors are looked at. */
static int64_t ctl_run(struct fdemu_file *unused, struct fdemu_req *r)
{
  struct epoll_event ev = { 0 };
  struct fdemu_file *ep, *f;
  int64_t n = 0;

  (void)unused;
  if (r->cmd != EPOLL_CTL_DEL)
    n = fdemu_arg_load(r, 0, &ev, sizeof ev);
  if (n < 0)
    return n;
  ep = fdemu_file_usable(r->proc, r->fd);
  f = fdemu_file_usable(r->proc, (int)r->arg);
  if (ep == NULL || f == NULL)
    return -EBADF;
  fdemu_file_get(ep);
  fdemu_file_get(f);
  n = change(ep, f, r, &ev);
  fdemu_file_put(f);
  fdemu_file_put(ep);
  return n;
}

/* ---- epoll_wait(2) ---------------------------------------------------- */

/* Take the ready list away. What is raised meanwhile is for the next time. */
static void scan_begin(struct epoll *ep, struct fdemu_list *l)
{
  fdemu_list_init(l);
  fdemu_list_splice(l, &ep->ready);
}

/* What was not looked at comes first again; there may be enough for others. */
static void scan_end(struct epoll *ep, struct fdemu_list *l)
{
  fdemu_list_splice(l, &ep->ready);
  fdemu_list_splice(&ep->ready, l);
  if (!fdemu_list_empty(&ep->ready))
    fdemu_wake_one(&ep->waiters, POLLIN);
}

static struct interest *scan_next(struct fdemu_list *l)
{
  struct interest *it = fdemu_entry(l->next, struct interest, ready);

  fdemu_list_remove(&it->ready);
  return it;
}

/* 1: reported, 0: not ready, or -EFAULT. */
static int report(struct interest *it, struct fdemu_req *r, int64_t n)
{
  struct epoll_event ev = { .events = ask(it) };
  int error;

  if (ev.events == 0)
    return 0;
  ev.data.u64 = it->is.data;
  error = fdemu_arg_store(r, (size_t)n * sizeof ev, &ev, sizeof ev);
  if (error < 0)
    return error;
  if (it->is.events & (uint32_t)EPOLLONESHOT)
    it->is.events &= PRIVATE;
  else if (!(it->is.events & (uint32_t)EPOLLET) && !is_ready(it))
    fdemu_list_append(&it->ep->ready, &it->ready);
  return 1;
}

static int64_t collect(struct epoll *ep, struct fdemu_req *r)
{
  struct fdemu_list l;
  int64_t n = 0;
  int one = 0;

  scan_begin(ep, &l);
  while (n < r->arg && one >= 0 && !fdemu_list_empty(&l)) {
    struct interest *it = scan_next(&l);
    hold(it);
    one = report(it, r, n);
    if (one < 0 && !is_ready(it))
      fdemu_list_prepend(&l, &it->ready);
    n += one > 0;
    unhold(it);
  }
  scan_end(ep, &l);
  return n > 0 ? n : one;
}

static int64_t wait_run(struct fdemu_file *f, struct fdemu_req *r)
{
  int64_t n;

  if (r->arg <= 0 || r->arg > MAX_EVENTS || !fdemu_is_epoll(f))
    return -EINVAL;
  fdemu_wake_no_more(r); /* who watches f has had its edge; see scan_end() */
  n = collect(epoll_of(f), r);
  if (n == 0 && fdemu_look(f->inode->kernel))
    n = collect(epoll_of(f), r);
  return n != 0 ? n : -EAGAIN;
}

/* Who came last is woken first, as in Linux. */
static int wait_park(struct fdemu_req *r)
{
  fdemu_park(r, &epoll_of(r->file)->waiters, POLLIN, true);
  return 0;
}

/* ---- the file --------------------------------------------------------- */

/* Ready while anything inside is. What turns out not to be ready leaves the
 * list, so that this need not be asked again. */
static int epoll_poll(struct fdemu_file *f)
{
  struct epoll *ep = epoll_of(f);
  struct fdemu_list l;
  int ready = 0;

  scan_begin(ep, &l);
  while (ready == 0 && !fdemu_list_empty(&l)) {
    struct interest *it = scan_next(&l);
    hold(it);
    if (ask(it) != 0) {
      ready = POLLIN | POLLRDNORM;
      if (!is_ready(it))
        fdemu_list_prepend(&l, &it->ready);
    }
    unhold(it);
  }
  scan_end(ep, &l);
  return ready;
}

static int64_t set_busy_poll(struct epoll *ep, struct fdemu_req *r)
{
  struct busy_poll b;
  int error = fdemu_arg_load(r, 0, &b, sizeof b);

  if (error < 0)
    return error;
  if (b.pad != 0 || b.usecs > INT_MAX || b.prefer > 1)
    return -EINVAL;
  if (b.budget > MAX_BUSY_BUDGET)
    return -EPERM;
  ep->busy = b;
  return 0;
}

static int64_t epoll_ioctl(struct fdemu_file *f, struct fdemu_req *r)
{
  struct epoll *ep = epoll_of(f);

  switch (r->cmd) {
  case SET_BUSY_POLL: return set_busy_poll(ep, r);
  case GET_BUSY_POLL: return fdemu_arg_store(r, 0, &ep->busy, sizeof ep->busy);
  default: return -EINVAL;
  }
}

static int64_t epoll_release(struct fdemu_file *f)
{
  struct epoll *ep = epoll_of(f);

  while (!fdemu_list_empty(&ep->all))
    interest_remove(fdemu_entry(ep->all.next, struct interest, all));
  return 0;
}

static void epoll_free(struct fdemu_inode *i)
{
  struct epoll *ep = fdemu_entry(i, struct epoll, inode);

  fdemu_free(i->kernel, ep->table);
  fdemu_object_free(i->kernel, ep);
}

/* How many interests the table has, and whether each is its list's, too. */
static const char *epoll_check(const struct fdemu_file *f)
{
  const struct epoll *ep = epoll_of(f);
  const struct fdemu_list *n;
  size_t listed = 0, found = 0;

  for (n = ep->all.next; n != &ep->all; n = n->next) {
    const struct interest *it = fdemu_entry(n, struct interest, all);
    if (it->ep != ep || it->gone || find(ep, it->is.file, it->is.fd) != it)
      return "an interest that its epoll instance does not know";
    listed++;
  }
  for (size_t i = 0; i < ep->cap; i++)
    for (const struct interest *it = ep->table[i]; it != NULL; it = it->next)
      found++;
  if (listed != ep->count || found != ep->count)
    return "an epoll instance that has miscounted its interests";
  for (n = ep->ready.next; n != &ep->ready; n = n->next)
    if (fdemu_entry(n, struct interest, ready)->ep != ep)
      return "a ready list with an interest of another epoll instance";
  return NULL;
}

static const struct fdemu_ops epoll_ops = {
  .name = "epoll",
  .label = "eventpoll",
  /* Not _LATE: what it watches could tell. */
  .mode = FDEMU_MODE_QUIET | FDEMU_MODE_EPOLL,
  .lseek = fdemu_lseek_0,
  .ioctl = epoll_ioctl,
  .poll = epoll_poll,
  .release = epoll_release,
  .check = epoll_check,
};

static struct fdemu_file *epoll_new(struct fdemu_kernel *k)
{
  struct epoll *ep = fdemu_object_alloc(k, sizeof *ep);

  if (ep == NULL)
    return NULL;
  memset(ep, 0, sizeof *ep);
  fdemu_inode_init(&ep->inode, NULL, k, &epoll_ops, 0600, epoll_free);
  fdemu_waitq_init(&ep->waiters);
  fdemu_list_init(&ep->ready);
  fdemu_list_init(&ep->all);
  fdemu_list_init(&ep->below);
  fdemu_file_init(&ep->file, &ep->inode, &epoll_ops, O_RDWR, NULL);
  fdemu_inode_put(&ep->inode);
  return &ep->file;
}

static int64_t make(struct fdemu_proc *p, bool cloexec)
{
  struct fdemu_file *f;
  int fd, error = fdemu_reserve(p, &fd, 1);

  if (error < 0)
    return error;
  f = epoll_new(fdemu_kernel_of(p));
  if (f == NULL) {
    fdemu_unreserve(p, &fd, 1);
    return -ENOMEM;
  }
  fdemu_fill(p, fd, f, cloexec);
  return fd;
}

static int64_t create_run(struct fdemu_file *unused, struct fdemu_req *r)
{
  (void)unused;
  return r->arg <= 0 ? -EINVAL : make(r->proc, false);
}

static int64_t create1_run(struct fdemu_file *unused, struct fdemu_req *r)
{
  (void)unused;
  if (r->cmd & ~(unsigned long)EPOLL_CLOEXEC)
    return -EINVAL;
  return make(r->proc, r->cmd != 0);
}

/* ---- calls ------------------------------------------------------------ */

const struct fdemu_call fdemu_epoll_create_call = {
  .name = "epoll_create",
  .args = "arg",
  .run = create_run,
};

const struct fdemu_call fdemu_epoll_create1_call = {
  .name = "epoll_create1",
  .args = "epoll_flags",
  .run = create1_run,
};

const struct fdemu_call fdemu_epoll_ctl_call = {
  .name = "epoll_ctl",
  .args = "fd epoll_op fd2 epoll_event",
  .run = ctl_run,
};

#define WAIT \
  .run = wait_run, .park = wait_park, .events = POLLIN, \
  .flags = FDEMU_CALL_FD | FDEMU_CALL_TIMED

const struct fdemu_call fdemu_epoll_wait_call = {
  .name = "epoll_wait",
  .args = "fd | epoll_events arg timeout_ms",
  WAIT,
};

const struct fdemu_call fdemu_epoll_pwait_call = {
  .name = "epoll_pwait",
  .args = "fd | epoll_events arg timeout_ms NULL 8",
  WAIT,
};

const struct fdemu_call fdemu_epoll_pwait2_call = {
  .name = "epoll_pwait2",
  .args = "fd | epoll_events arg timeout NULL 8",
  WAIT,
};

int fdemu_epoll_create(struct fdemu_proc *p, int size)
{
  struct fdemu_req r = { .call = &fdemu_epoll_create_call, .arg = size };

  return (int)fdemu_call(p, &r);
}

int fdemu_epoll_create1(struct fdemu_proc *p, int flags)
{
  struct fdemu_req r = { .call = &fdemu_epoll_create1_call,
                         .cmd = (unsigned)flags };

  return (int)fdemu_call(p, &r);
}

int fdemu_epoll_ctl(struct fdemu_proc *p, int ep, int op, int fd,
                    const struct epoll_event *event)
{
  struct fdemu_req r = {
    .call = &fdemu_epoll_ctl_call,
    .fd = ep,
    .cmd = (unsigned)op,
    .arg = fd,
    .buf = { (void *)(uintptr_t)event, event != NULL ? sizeof *event : 0 },
  };

  return (int)fdemu_call(p, &r);
}

static int do_wait(struct fdemu_proc *p, const struct fdemu_call *call, int ep,
                   struct epoll_event *events, int maxevents, int64_t timeout)
{
  struct fdemu_req r = {
    .call = call,
    .fd = ep,
    .arg = maxevents,
    .buf = { events, maxevents > 0 ? (size_t)maxevents * sizeof *events : 0 },
    .timeout = timeout,
  };

  return (int)fdemu_call(p, &r);
}

int fdemu_epoll_wait(struct fdemu_proc *p, int ep, struct epoll_event *events,
                     int maxevents, int timeout_ms)
{
  return do_wait(p, &fdemu_epoll_wait_call, ep, events, maxevents,
                 timeout_ms * INT64_C(1000000));
}

int fdemu_epoll_pwait2(struct fdemu_proc *p, int ep, struct epoll_event *events,
                       int maxevents, int64_t timeout_ns)
{
  return do_wait(p, &fdemu_epoll_pwait2_call, ep, events, maxevents,
                 timeout_ns);
}

const struct fdemu_interest *fdemu_epoll_next(const struct fdemu_file *f,
                                              const struct fdemu_interest *i)
{
  const struct epoll *ep;
  const struct fdemu_list *n;

  if (!fdemu_is_epoll(f))
    return NULL;
  ep = epoll_of(f);
  if (i == NULL)
    fdemu_catch_up(f->inode->kernel);
  n = i != NULL ? fdemu_entry(i, struct interest, is)->all.next : ep->all.next;
  return n != &ep->all ? &fdemu_entry(n, struct interest, all)->is : NULL;
}
