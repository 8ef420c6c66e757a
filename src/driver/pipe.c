/*
 * pipe.c - pipes: a ring of page slots with a read end and a write end
 *
 *      tail            head       A slot is a page with len bytes at off. Space
 *       v               v         is counted in slots: a pipe is full when all
 *   .  [####] [##  ] .  .         are taken, however little is in them. A write
 *                                 may add to the newest page (pipe(7)).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>

#include "fdemu_driver.h"

#define O_NOTIFICATION_PIPE O_EXCL

#define PAGE          4096u
#define DEFAULT_SLOTS 16u
#define MAX_SIZE      (1024u * 1024u) /* /proc/sys/fs/pipe-max-size */

#define LARGE ((size_t)4 * PAGE) /* a write that wants pages side by side */

/* What some reads and writes need must not cost the others registers. */
#define APART __attribute__((noinline))

struct slot {
  char *page;
  unsigned short off, len;
  bool packet; /* O_DIRECT: one read gets it, and drops what it has no room
                  for; nothing is added to it */
  bool closed; /* nothing is added to it: not made by a write */
};

struct pipe {
  struct fdemu_inode inode;
  struct fdemu_attr attr;
  struct slot *ring;       /* allocated by the first write */
  char **spare;            /* behind it: pages that were used and are free */
  unsigned nspare;         /* at most nslots */
  char *block;             /* pages side by side, or NULL */
  size_t block_size;       /* bytes */
  unsigned nslots;         /* a power of two */
  unsigned head, tail;     /* slots ever filled, ever emptied */
  unsigned count;          /* bytes in it */
  int readers, writers;    /* open descriptions of each end */
  int64_t nreads, nwrites; /* how often each end was ever opened, and 1 */
  bool fifo;               /* has a name: open() waits for the other end */
  bool lent, filling;      /* its oldest pages, or those to come, are with a
                          request that waits */
};

static struct pipe *pipe_of(const struct fdemu_file *f)
{
  return fdemu_entry(f->inode, struct pipe, inode);
}

static bool empty(const struct pipe *p)
{
  return p->head == p->tail;
}

/* Nothing to be read: there is nothing, or it may be gone in a moment. */
static bool unreadable(const struct pipe *p)
{
  return empty(p) ? p->writers > 0 : p->lent;
}

static bool full(const struct pipe *p)
{
  return p->filling || p->head - p->tail >= p->nslots;
}

static struct slot *slot_at(const struct pipe *p, unsigned i)
{
  return &p->ring[i & (p->nslots - 1)];
}

/* ---- pages ------------------------------------------------------------ */

static bool in_block(const struct pipe *p, const char *page)
{
  return p->block != NULL &&
         (uintptr_t)page - (uintptr_t)p->block < p->block_size;
}

static void page_free(struct pipe *p, char *page)
{
  if (!in_block(p, page))
    fdemu_free(p->inode.kernel, page);
}

/* The one that was put last, if there is one. */
static char *page_get(struct pipe *p)
{
  return p->nspare > 0 ? p->spare[--p->nspare]
                       : fdemu_alloc(p->inode.kernel, PAGE);
}

static void page_put(struct pipe *p, char *page)
{
  if (p->nspare < p->nslots)
    p->spare[p->nspare++] = page;
  else
    page_free(p, page);
}

/* At most n pages stay spare: there is room for others. */
static void keep_spare(struct pipe *p, unsigned n)
{
  while (p->nspare > n)
    page_free(p, p->spare[--p->nspare]);
}

/* Those of the slots from tail on that have been emptied; so that page_get()
 * gives them in the same order again. */
static void pages_put(struct pipe *p, unsigned tail)
{
  for (unsigned i = p->tail; i != tail;)
    page_put(p, slot_at(p, --i)->page);
}

/* The next pages for n bytes lie side by side if they can, so that whoever reads
 * them at once need not copy them together. Works without memory, too. All have
 * to be spare at once: pages of small writes make room. */
APART static void block_get(struct pipe *p, size_t n)
{
  size_t pages = (n + PAGE - 1) / PAGE;

  pages = pages < p->nslots ? pages : p->nslots;
  if (n < LARGE || p->block != NULL || p->nspare >= pages)
    return;
  p->block = fdemu_alloc(p->inode.kernel, pages * PAGE);
  if (p->block == NULL)
    return;
  p->block_size = pages * PAGE;
  keep_spare(p, p->nslots - (unsigned)pages);
  while (pages > 0)
    page_put(p, p->block + --pages * PAGE);
}

/* ---- reading ---------------------------------------------------------- */

/* How many of the oldest bytes lie side by side; not much more than max. */
static size_t beside(const struct pipe *p, size_t max)
{
  const struct slot *s = slot_at(p, p->tail);
  const char *end = s->page + s->off;
  size_t n = 0;

  for (unsigned i = p->tail; i != p->head && n < max; i++) {
    s = slot_at(p, i);
    if (s->packet || s->page + s->off != end)
      break;
    n += s->len;
    end += s->len;
  }
  return n;
}

/* The oldest n bytes are gone. True if there is more room now. */
static bool slots_drop(struct pipe *p, size_t n)
{
  unsigned tail = p->tail;

  p->count -= (unsigned)n;
  while (n > 0) {
    struct slot *s = slot_at(p, p->tail);
    unsigned short m = n < s->len ? (unsigned short)n : s->len;
    s->off = (unsigned short)(s->off + m);
    s->len = (unsigned short)(s->len - m);
    n -= m;
    p->tail += s->len == 0;
  }
  pages_put(p, tail);
  return p->tail != tail;
}

/* All that r wants of what there is, without a copy. */
APART static bool lend(struct pipe *p, struct fdemu_req *r)
{
  size_t n = fdemu_left(r) < p->count ? fdemu_left(r) : p->count;
  const struct slot *s = slot_at(p, p->tail);

  if (beside(p, n) < n || !fdemu_lend(r, s->page + s->off, n))
    return false;
  /* The pages come back, and none is freed, even if some are another pipe's. */
  keep_spare(p, p->nslots - (p->head - p->tail));
  slots_drop(p, n);
  return true;
}

/* Move what fits from the oldest slot. -EFAULT leaves it as it was. */
static int slot_read(struct pipe *p, struct slot *s, struct fdemu_req *r)
{
  size_t n = s->len < fdemu_left(r) ? s->len : fdemu_left(r);
  int error = fdemu_copy_out(r, s->page + s->off, n);

  if (error < 0)
    return error;
  p->count -= s->packet ? s->len : (unsigned)n;
  s->off = (unsigned short)(s->off + n);
  s->len = s->packet ? 0 : (unsigned short)(s->len - n);
  return 0;
}

/* There is something to be read, from tail on. */
static int slots_read(struct pipe *p, struct fdemu_req *r, unsigned tail)
{
  int error;

  do {
    struct slot *s = slot_at(p, p->tail);
    error = slot_read(p, s, r);
    if (s->len > 0)
      break;
    p->tail++;
    if (s->packet)
      break;
  } while (error == 0 && fdemu_left(r) > 0 && !empty(p));
  pages_put(p, tail);
  return error;
}

/* Whoever has O_ASYNC on the other end is told of every read, unless it was
 * interrupted. */
static void pipe_was_read(struct fdemu_file *f, struct fdemu_req *r)
{
  if (r->result != -EINTR)
    fdemu_wake(&f->inode->wq, FDEMU_WAKE_SIGOUT);
}

static int64_t pipe_read(struct fdemu_file *f, struct fdemu_req *r)
{
  struct pipe *p = pipe_of(f);
  const unsigned tail = p->tail;
  int error = 0;

  if (r->len == 0)
    return 0;
  if (!fdemu_list_empty(&p->inode.wq.watchers))
    r->ended = pipe_was_read;
  if (unreadable(p))
    return -EAGAIN;
  if (!empty(p) && (!r->lends || !lend(p, r))) /* it may be at its end */
    error = slots_read(p, r, tail);
  if (p->head - tail >= p->nslots && !full(p)) /* and it was */
    fdemu_wake_one(&p->inode.wq, POLLOUT | POLLWRNORM);
  if (r->retry) /* though it was interrupted */
    fdemu_wake_next(r);
  return error < 0 ? error : (int64_t)r->done;
}

/* ---- writing ---------------------------------------------------------- */

/* n slots, and room for n spare pages behind them. */
static struct slot *ring_new(const struct pipe *p, unsigned n)
{
  return fdemu_alloc(p->inode.kernel, n * (sizeof *p->ring + sizeof *p->spare));
}

static void ring_set(struct pipe *p, struct slot *ring, unsigned n)
{
  p->ring = ring;
  p->spare = (char **)(void *)(ring + n);
  p->nslots = n;
}

APART static int ring_make(struct pipe *p)
{
  struct slot *ring = ring_new(p, p->nslots);

  if (ring == NULL)
    return -ENOMEM;
  ring_set(p, ring, p->nslots);
  return 0;
}

static inline int ring_alloc(struct pipe *p)
{
  return p->ring != NULL ? 0 : ring_make(p);
}

/* The bytes beyond whole pages go into the newest page if they all fit. */
APART static int merge(struct pipe *p, struct fdemu_req *r)
{
  size_t n = r->len % PAGE;
  struct slot *s = slot_at(p, p->head - 1);
  int error;

  if (n == 0)
    return 0;
  if (s->packet || s->closed || p->filling || s->off + s->len + n > PAGE)
    return 0;
  error = fdemu_copy_in(r, s->page + s->off + s->len, n);
  if (error < 0)
    return error;
  s->len = (unsigned short)(s->len + n);
  p->count += (unsigned)n;
  return 0;
}

static int fill(struct pipe *p, struct fdemu_req *r, bool packet)
{
  size_t n = fdemu_left(r) < PAGE ? fdemu_left(r) : PAGE;
  char *page = page_get(p);
  int error;

  if (page == NULL)
    return -ENOMEM;
  error = fdemu_copy_in(r, page, n);
  if (error < 0) {
    page_put(p, page);
    return error;
  }
  *slot_at(p, p->head++) =
      (struct slot){ page, 0, (unsigned short)n, packet, false };
  p->count += (unsigned)n;
  return 0;
}

/* Whoever watches the other end is told of every write, also of one that found
 * no room. */
static void pipe_written(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)r;
  fdemu_wake_one(&f->inode->wq, POLLIN | POLLRDNORM | FDEMU_WAKE_SIGIN);
}

/* They have been told already that there is something. */
static void pipe_signal(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)r;
  fdemu_wake(&f->inode->wq, FDEMU_WAKE_SIGIN);
}

/* There is no room for all. head was that of the pipe before. */
APART static int64_t pipe_full(struct fdemu_file *f, struct fdemu_req *r,
                               unsigned head)
{
  struct pipe *p = pipe_of(f);

  if (head == p->tail && !empty(p)) { /* this cannot wait until the call is
                                         over */
    r->ended = pipe_signal;
    fdemu_wake_one(&p->inode.wq, POLLIN | POLLRDNORM);
  }
  if (fdemu_may_wait(r))
    pipe_signal(f, r);
  return -EAGAIN;
}

/* Up to PIPE_BUF bytes take one slot, or none at all: that is what makes such
 * writes atomic. */
static int64_t pipe_write(struct fdemu_file *f, struct fdemu_req *r)
{
  struct pipe *p = pipe_of(f);
  const unsigned head = p->head;
  int error;

  if (r->len == 0)
    return 0;
  if (p->readers == 0)
    return fdemu_broken(r);
  error = ring_alloc(p);
  if (error == 0 && !empty(p) && !r->retry)
    error = merge(p, r);
  if (error == 0 && r->len >= LARGE)
    block_get(p, fdemu_left(r));
  while (error == 0 && fdemu_left(r) > 0 && !full(p))
    error = fill(p, r, (f->flags & O_DIRECT) != 0);
  r->ended = pipe_written;
  if (error < 0)
    return error;
  if (fdemu_left(r) > 0)
    return pipe_full(f, r, head);
  if (r->retry)
    fdemu_wake_next(r);
  return (int64_t)r->done;
}

/* ---- the rest --------------------------------------------------------- */

static int pipe_poll(struct fdemu_file *f)
{
  const struct pipe *p = pipe_of(f);
  int mode = f->flags & O_ACCMODE, ready = 0;

  if (mode != O_WRONLY) {
    if (!empty(p) && !p->lent)
      ready |= POLLIN | POLLRDNORM;
    if (p->writers == 0 && f->pos != p->nwrites)
      ready |= POLLHUP;
  }
  if (mode != O_RDONLY) {
    if (!full(p))
      ready |= POLLOUT | POLLWRNORM;
    if (p->readers == 0)
      ready |= POLLERR;
  }
  return ready;
}

static int64_t pipe_ioctl(struct fdemu_file *f, struct fdemu_req *r)
{
  int n = (int)pipe_of(f)->count;

  return r->cmd == FIONREAD ? fdemu_arg_store(r, 0, &n, sizeof n) : -ENOTTY;
}

/* To one of n slots, which are enough for what is in it. */
static int ring_change(struct pipe *p, unsigned n)
{
  struct slot *old = p->ring, *ring = ring_new(p, n);
  char **spare = p->spare;
  unsigned used = p->head - p->tail;

  if (ring == NULL)
    return -ENOMEM;
  for (unsigned i = 0; i < used; i++)
    ring[i] = *slot_at(p, p->tail + i);
  while (p->nspare > n)
    page_free(p, spare[--p->nspare]);
  ring_set(p, ring, n);
  memcpy(p->spare, spare, p->nspare * sizeof *spare);
  fdemu_free(p->inode.kernel, old);
  p->tail = 0;
  p->head = used;
  return 0;
}

/* Linux rounds up to a power of two pages; 0 is one page. */
static int64_t set_size(struct pipe *p, int64_t size)
{
  unsigned used = p->head - p->tail, n = 1;
  int error;

  if ((uint32_t)size > INT32_MAX + UINT32_C(1))
    return -EINVAL;
  while (n * PAGE < (uint32_t)size)
    n *= 2;
  if (n > p->nslots && n * PAGE > MAX_SIZE)
    return -EPERM;
  if (n < used || p->filling)
    return -EBUSY;
  error = p->ring != NULL && n != p->nslots ? ring_change(p, n) : 0;
  if (error < 0)
    return error;
  p->nslots = n;
  fdemu_wake_one(&p->inode.wq, POLLOUT | POLLWRNORM | FDEMU_WAKE_WRITERS);
  return (int64_t)n * PAGE;
}

static int64_t pipe_fcntl(struct fdemu_file *f, struct fdemu_req *r)
{
  struct pipe *p = pipe_of(f);

  switch (r->cmd) {
  case F_GETPIPE_SZ: return (int64_t)p->nslots * PAGE;
  case F_SETPIPE_SZ: return set_size(p, r->arg);
  default: return -EINVAL;
  }
}

/* What nobody can read or add to any more is gone. */
static void pipe_empty(struct pipe *p)
{
  for (; p->tail != p->head; p->tail++)
    page_free(p, slot_at(p, p->tail)->page);
  while (p->nspare > 0)
    page_free(p, p->spare[--p->nspare]);
  fdemu_free(p->inode.kernel, p->block);
  fdemu_free(p->inode.kernel, p->ring);
  p->block = NULL;
  p->ring = NULL;
  p->count = 0;
  p->nslots = DEFAULT_SLOTS;
}

/* ---- pages for splice(2) ------------------------------------------------ */

static int64_t pipe_peek(struct fdemu_file *f, struct iovec *iov, int *n)
{
  const struct pipe *p = pipe_of(f);
  int64_t total = 0;
  int max = *n;

  *n = 0;
  if (unreadable(p))
    return -EAGAIN;
  for (unsigned i = p->tail; i != p->head && *n < max; i++) {
    const struct slot *s = slot_at(p, i);
    iov[(*n)++] = (struct iovec){ s->page + s->off, s->len };
    total += s->len;
  }
  return total;
}

static bool pipe_drop(struct fdemu_file *f, size_t n)
{
  struct pipe *p = pipe_of(f);

  p->lent = false;
  return slots_drop(p, n);
}

static int64_t pipe_room(struct fdemu_file *f, struct iovec *iov, int *n,
                         size_t len, size_t skew)
{
  struct pipe *p = pipe_of(f);
  unsigned slots = p->nslots - (p->head - p->tail);
  int64_t total = 0;
  int max = *n;

  *n = 0;
  if (p->readers == 0)
    return -EPIPE;
  if (full(p))
    return -EAGAIN;
  if (ring_alloc(p) < 0)
    return -ENOMEM;
  for (; len > 0 && *n < max && (unsigned)*n < slots; skew = 0) {
    size_t m = len < PAGE - skew ? len : PAGE - skew;
    char *page = page_get(p);
    if (page == NULL)
      return *n > 0 ? total : -ENOMEM;
    iov[(*n)++] = (struct iovec){ page, m };
    total += (int64_t)m;
    len -= m;
  }
  return total;
}

static void pipe_add(struct fdemu_file *f, const struct iovec *iov, int n,
                     size_t bytes)
{
  struct pipe *p = pipe_of(f);

  p->filling = false;
  p->count += (unsigned)bytes;
  for (int i = 0; i < n; i++) {
    size_t m = bytes < iov[i].iov_len ? bytes : iov[i].iov_len;
    if (m > 0)
      *slot_at(p, p->head++) = (struct slot){ .page = iov[i].iov_base,
                                              .len = (unsigned short)m,
                                              .closed = true };
    else
      page_put(p, iov[i].iov_base);
    bytes -= m;
  }
}

static void pipe_hold(struct fdemu_file *f, int events)
{
  struct pipe *p = pipe_of(f);

  p->lent |= (events & POLLIN) != 0;
  p->filling |= (events & POLLOUT) != 0;
}

/* The oldest slot of p as it is becomes the newest of q; but pages of a block
 * stay with it. 0: no memory. */
static size_t slot_move(struct pipe *p, struct pipe *q)
{
  struct slot *s = slot_at(p, p->tail);
  char *page = in_block(p, s->page) ? page_get(q) : s->page;
  unsigned tail = p->tail;

  if (page == NULL)
    return 0;
  *slot_at(q, q->head) = *s;
  slot_at(q, q->head++)->page = page;
  p->tail++;
  if (page != s->page) {
    memcpy(page + s->off, s->page + s->off, s->len);
    pages_put(p, tail);
  }
  p->count -= s->len;
  q->count += s->len;
  return s->len;
}

/* Slot i of p, or len bytes of it, is copied to q. 0: no memory. */
static size_t slot_copy(const struct pipe *p, unsigned i, struct pipe *q,
                        size_t len)
{
  const struct slot *s = slot_at(p, i);
  unsigned short n = len < s->len ? (unsigned short)len : s->len;
  char *page = page_get(q);

  if (page == NULL)
    return 0;
  memcpy(page, s->page + s->off, n);
  *slot_at(q, q->head++) = (struct slot){
    .page = page, .len = n, .packet = s->packet, .closed = true
  };
  q->count += n;
  return n;
}

/* From p to q, where both are ready. */
static int64_t slots_pass(struct pipe *p, struct pipe *q, size_t len, bool keep)
{
  unsigned i = p->tail;
  size_t left = len, n;

  while (left > 0 && i != p->head && !full(q)) {
    if (!keep && slot_at(p, i)->len <= left)
      n = slot_move(p, q);
    else {
      n = slot_copy(p, i, q, left);
      if (n > 0 && !keep)
        slots_drop(p, n);
    }
    if (n == 0)
      return left < len ? (int64_t)(len - left) : -ENOMEM;
    left -= n;
    i++;
  }
  return (int64_t)(len - left);
}

static int64_t pipe_pass(struct fdemu_file *in, struct fdemu_file *out,
                         size_t len, bool keep, struct fdemu_file **wait)
{
  bool empty_handed = unreadable(pipe_of(in));
  struct pipe *q = pipe_of(out);

  if (empty_handed && *wait != out) {
    *wait = in;
    return -EAGAIN;
  }
  *wait = out;
  if (q->readers == 0)
    return -EPIPE;
  if (full(q))
    return -EAGAIN;
  if (empty_handed) { /* it was not before the wait: tee(2) does not go back */
    *wait = in;
    return keep ? 0 : -EAGAIN;
  }
  if (ring_alloc(q) < 0)
    return -ENOMEM;
  return slots_pass(pipe_of(in), q, len, keep);
}

static const struct fdemu_queue pipe_queue = {
  .peek = pipe_peek,
  .drop = pipe_drop,
  .room = pipe_room,
  .add = pipe_add,
  .hold = pipe_hold,
  .pass = pipe_pass,
};

/* Whom it concerns that a description has gone: everybody, if it was the last of
 * its end; if it never got out of open(2), only who waits at the other end. */
static int gone_for(const struct pipe *p, const struct fdemu_file *f)
{
  if (f->data == NULL)
    return !p->readers != !p->writers ? POLLIN | POLLOUT | POLLERR | POLLHUP |
                                            FDEMU_WAKE_SIGIN | FDEMU_WAKE_SIGOUT
                                      : 0;
  if ((f->flags & O_ACCMODE) == O_RDONLY)
    return p->readers == 0 ? POLLOUT | POLLWRNORM | FDEMU_WAKE_WRITERS : 0;
  return p->writers == 0 ? POLLIN | POLLRDNORM | FDEMU_WAKE_READERS : 0;
}

static int64_t pipe_release(struct fdemu_file *f)
{
  struct pipe *p = pipe_of(f);
  int mode = f->flags & O_ACCMODE, events;

  p->readers -= mode != O_WRONLY;
  p->writers -= mode != O_RDONLY;
  events = gone_for(p, f);
  if (events != 0)
    fdemu_wake(&p->inode.wq, events);
  if (p->readers == 0 && p->writers == 0)
    pipe_empty(p);
  return 0;
}

static void pipe_free(struct fdemu_inode *i)
{
  struct pipe *p = fdemu_entry(i, struct pipe, inode);

  pipe_empty(p);
  fdemu_object_free(i->kernel, p);
}

static const char *pipe_check(const struct fdemu_file *f)
{
  const struct pipe *p = pipe_of(f);
  unsigned count = 0;

  if (p->head - p->tail > p->nslots || (p->ring == NULL && !empty(p)))
    return "a pipe with more in it than it has slots";
  if (p->readers < 0 || p->writers < 0 || p->readers + p->writers == 0)
    return "a pipe that has miscounted its ends";
  for (unsigned i = p->tail; i != p->head; i++) {
    const struct slot *s = slot_at(p, i);
    if (s->page == NULL || s->off + s->len > PAGE)
      return "a slot of a pipe with more in it than a page";
    count += s->len;
  }
  return count == p->count ? NULL : "a pipe that has miscounted its bytes";
}

static const struct fdemu_ops pipe_ops = {
  .name = "pipe",
  .mode = FDEMU_MODE_LATE | FDEMU_MODE_EPOLL | FDEMU_MODE_ASYNC |
          FDEMU_MODE_DIRECT | FDEMU_MODE_LOOKS_AGAIN,
  .read = pipe_read,
  .write = pipe_write,
  .ioctl = pipe_ioctl,
  .fcntl = pipe_fcntl,
  .queue = &pipe_queue,
  .poll = pipe_poll,
  .release = pipe_release,
  .check = pipe_check,
};

/* ---- open(2); fifo(7) ------------------------------------------------- */

/* Count f among those that have its end open. It knows how often the other end
 * had been opened by then. The first of an end wakes who waits to read, too, in
 * an epoll instance for instance: that decides who is reported first. */
static void fifo_join(struct pipe *p, struct fdemu_file *f)
{
  int mode = f->flags & O_ACCMODE;
  int wake = FDEMU_WAKE_OPEN;

  f->pos = mode == O_RDONLY ? p->nwrites : p->nreads;
  f->data = p; /* until open(2) is through */
  p->readers += mode != O_WRONLY;
  p->nreads += mode != O_WRONLY;
  p->writers += mode != O_RDONLY;
  p->nwrites += mode != O_RDONLY;
  if ((mode != O_WRONLY && p->readers == 1) ||
      (mode != O_RDONLY && p->writers == 1))
    wake |= POLLIN | POLLRDNORM | FDEMU_WAKE_READERS;
  fdemu_wake(&p->inode.wq, wake);
}

/* The other end is there, or was while this one waited. */
static bool fifo_met(const struct pipe *p, const struct fdemu_file *f)
{
  switch (f->flags & O_ACCMODE) {
  case O_RDONLY: return p->writers > 0 || p->nwrites != f->pos;
  case O_WRONLY: return p->readers > 0 || p->nreads != f->pos;
  default: return true;
  }
}

/* The description is made at the first attempt, and counts while it waits. One
 * that does not wait to read sees no end of file before there was a writer: its
 * position, which nothing else uses, stays as it is until then. Packets come by
 * F_SETFL, not by O_DIRECT here; that is found out last. */
static int64_t fifo_open(struct fdemu_inode *i, struct fdemu_req *r)
{
  struct pipe *p = fdemu_entry(i, struct pipe, inode);
  struct fdemu_file *f = r->out;
  int mode = (int)r->cmd & O_ACCMODE;
  bool nonblock = (r->cmd & O_NONBLOCK) != 0;
  int opened = r->cmd & O_DIRECT ? -EINVAL : 0;

  if (mode == O_ACCMODE)
    return -EINVAL;
  if (f == NULL) {
    if (p->fifo && nonblock && mode == O_WRONLY && p->readers == 0)
      return -ENXIO;
    f = fdemu_file_new(i, &pipe_ops, (int)r->cmd, NULL);
    if (fdemu_opened(r, f) < 0)
      return -ENOMEM;
    f->mode |= FDEMU_MODE_NO_NOWAIT;
    fifo_join(p, f);
  }
  if (!p->fifo || fifo_met(p, f))
    f->pos = 0;
  else if (!nonblock || mode != O_RDONLY)
    return -EAGAIN;
  f->data = NULL;
  return opened;
}

static struct pipe *pipe_new(struct fdemu_kernel *k)
{
  struct pipe *p = fdemu_object_alloc(k, sizeof *p);

  if (p == NULL)
    return NULL;
  memset(p, 0, sizeof *p);
  fdemu_inode_init(&p->inode, &p->attr, k, &pipe_ops, S_IFIFO | 0600,
                   pipe_free);
  p->inode.open = fifo_open;
  p->nslots = DEFAULT_SLOTS;
  p->nreads = p->nwrites = 1;
  return p;
}

struct fdemu_inode *fdemu_fifo_new(struct fdemu_kernel *k, mode_t mode)
{
  struct pipe *p = pipe_new(k);

  if (p == NULL)
    return NULL;
  p->inode.mode = S_IFIFO | (mode & 07777);
  p->fifo = true;
  return &p->inode;
}

/* Both ends, with references to the pipe that are theirs. */
static int pipe_open(struct fdemu_kernel *k, int flags, struct fdemu_file *f[2])
{
  struct pipe *p = pipe_new(k);

  if (p == NULL)
    return -ENOMEM;
  f[0] = fdemu_file_new(&p->inode, &pipe_ops, O_RDONLY | (flags & O_NONBLOCK),
                        NULL);
  if (f[0] == NULL)
    goto fail_inode;
  f[1] = fdemu_file_new(&p->inode, &pipe_ops, O_WRONLY | flags, NULL);
  if (f[1] == NULL)
    goto fail_read_end;
  p->readers = p->writers = 1;
  fdemu_inode_put(&p->inode);
  return 0;

fail_read_end:
  fdemu_file_put(f[0]);
fail_inode:
  fdemu_inode_put(&p->inode);
  return -ENOMEM;
}

static int64_t pipe_make(struct fdemu_file *unused, struct fdemu_req *r)
{
  const int flags = (int)r->cmd;
  bool cloexec = (flags & O_CLOEXEC) != 0;
  struct fdemu_kernel *k = fdemu_kernel_of(r->proc);
  struct fdemu_file *f[2];
  int fds[2], error;

  (void)unused;
  if (flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT | O_NOTIFICATION_PIPE))
    return -EINVAL;
  if (flags & O_NOTIFICATION_PIPE) /* as a Linux built without watch queues */
    return -ENOPKG;
  error = fdemu_reserve(r->proc, fds, 2);
  if (error < 0)
    return error;
  error = pipe_open(k, flags & (O_NONBLOCK | O_DIRECT), f);
  if (error < 0)
    goto fail_fds;
  error = fdemu_arg_store(r, 0, fds, sizeof fds);
  if (error < 0)
    goto fail_files;
  fdemu_fill(r->proc, fds[0], f[0], cloexec);
  fdemu_fill(r->proc, fds[1], f[1], cloexec);
  return 0;

fail_files:
  fdemu_file_put(f[1]);
  fdemu_file_put(f[0]);
fail_fds:
  fdemu_unreserve(r->proc, fds, 2);
  return error;
}

const struct fdemu_call fdemu_pipe_call = {
  .name = "pipe",
  .args = "| fds",
  .run = pipe_make,
};

const struct fdemu_call fdemu_pipe2_call = {
  .name = "pipe2",
  .args = "| fds fd_flags",
  .run = pipe_make,
};

int fdemu_pipe2(struct fdemu_proc *p, int fds[2], int flags)
{
  struct fdemu_req r = {
    .call = &fdemu_pipe2_call,
    .buf = { fds, 2 * sizeof *fds },
    .cmd = (unsigned long)flags,
  };

  return (int)fdemu_call(p, &r);
}
