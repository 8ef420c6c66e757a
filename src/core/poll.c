/* poll.c - poll(2), select(2): waiting for several files at once */
#include <errno.h>
#include <poll.h>

#include "core/kernel.h"

#define ALWAYS (POLLERR | POLLHUP | POLLNVAL)

/* One of the files that a parked poll() waits for. */
struct entry {
  struct fdemu_waiter waiter;
  struct fdemu_req *req;
  struct fdemu_file *file; /* a reference */
};

/* r->out of a parked poll(): its entries. */
struct entries {
  size_t n;
  struct entry entry[];
};

static size_t count(const struct fdemu_req *r)
{
  return r->buf.iov_len / sizeof(struct pollfd);
}

/* What a poll() reports, and how often it counts. */
static int poll_revents(struct pollfd *p, int ready)
{
  p->revents = (short)(ready & (p->events | ALWAYS));
  return p->revents != 0;
}

/* The sets that the descriptor stays in; it counts once for each. */
static int select_revents(struct pollfd *p, int ready)
{
  static const int in = POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP;
  static const int out = POLLOUT | POLLWRNORM | POLLWRBAND;
  int sets = 0;

  if (ready & (in | POLLERR | POLLNVAL))
    sets |= POLLIN;
  if (ready & (out | POLLERR | POLLNVAL))
    sets |= POLLOUT;
  if (ready & (POLLPRI | POLLNVAL))
    sets |= POLLPRI;
  sets &= p->events;
  p->revents = (short)sets;
  return !!(sets & POLLIN) + !!(sets & POLLOUT) + !!(sets & POLLPRI);
}

/* revents of one entry, stored. How often it counts, or -errno. */
static int examine(struct fdemu_req *r, size_t i,
                   int (*revents)(struct pollfd *p, int ready))
{
  size_t offset = i * sizeof(struct pollfd);
  struct pollfd p;
  int n = 0, error = fdemu_arg_load(r, offset, &p, sizeof p);

  if (error < 0)
    return error;
  p.revents = 0;
  if (p.fd >= 0) {
    struct fdemu_file *f = fde_file_usable(r->proc, p.fd);
    int ready = POLLNVAL;
    if (f != NULL) {
      fdemu_file_get(f);
      ready = fdemu_ready_for(f, p.events);
      fdemu_file_put(f);
    }
    n = revents(&p, ready);
  }
  error = fdemu_arg_store(r, offset, &p, sizeof p);
  return error < 0 ? error : n;
}

static int64_t examine_all(struct fdemu_req *r,
                           int (*revents)(struct pollfd *p, int ready))
{
  int64_t ready = 0;

  for (size_t i = 0; i < count(r); i++) {
    int n = examine(r, i, revents);
    if (n < 0)
      return n;
    ready += n;
  }
  return ready > 0 ? ready : -EAGAIN;
}

int64_t fde_poll(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)f;
  if (count(r) > (size_t)r->proc->soft)
    return -EINVAL;
  return examine_all(r, poll_revents);
}

/* All descriptors must be open when it begins; one that is closed meanwhile
 * belongs to every set. */
int64_t fde_select(struct fdemu_file *f, struct fdemu_req *r)
{
  struct pollfd p;

  (void)f;
  for (size_t i = 0; i < count(r) && !r->retry; i++) {
    int error = fdemu_arg_load(r, i * sizeof p, &p, sizeof p);
    if (error < 0)
      return error;
    if (fde_file_at(r->proc, p.fd) == NULL) /* O_PATH is found out later */
      return -EBADF;
  }
  return examine_all(r, select_revents);
}

/* All entries stay in their queues until the request has its next turn: the
 * queue that is being walked may hold several of them. */
static void notify(struct fdemu_waiter *w, int events)
{
  (void)events;
  fde_requeue(fdemu_entry(w, struct entry, waiter)->req);
}

static void watch(struct fdemu_req *r, struct entry *e, size_t i)
{
  struct pollfd p = { .fd = -1 };

  fdemu_arg_load(r, i * sizeof p, &p, sizeof p);
  e->req = r;
  e->file = fde_file_usable(r->proc, p.fd);
  fdemu_list_init(&e->waiter.link);
  if (e->file == NULL)
    return;
  fdemu_file_get(e->file);
  e->waiter.events = fdemu_concerns(e->file, (unsigned short)p.events | ALWAYS);
  e->waiter.notify = notify;
  e->waiter.exclusive = false;
  fdemu_watch(&e->file->inode->wq, &e->waiter);
}

int fde_poll_park(struct fdemu_req *r)
{
  size_t n = count(r);
  struct entries *all = r->out;

  if (all == NULL)
    all = fdemu_alloc(r->proc->kernel, sizeof *all + n * sizeof *all->entry);
  if (all == NULL)
    return -ENOMEM;
  all->n = n;
  for (size_t i = 0; i < n; i++)
    watch(r, &all->entry[i], i);
  r->out = all;
  return 0;
}

void fde_poll_unpark(struct fdemu_req *r)
{
  struct entries *all = r->out;

  if (all == NULL)
    return; /* it was held back before its first attempt */
  for (size_t i = 0; i < all->n; i++) {
    struct entry *e = &all->entry[i];
    fde_unwatch(&e->waiter);
    if (e->file != NULL)
      fdemu_file_put(e->file);
  }
  all->n = 0;
}

int64_t fde_poll_end(struct fdemu_req *r, int64_t result)
{
  fdemu_free(r->proc->kernel, r->out);
  r->out = NULL;
  return result;
}
