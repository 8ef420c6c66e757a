/*
 * socket_buf.c - what is on its way between sockets, and what it is charged
 *
 * Linux does not count bytes but the memory that they take: a header from one
 * of kmalloc()'s sizes, and pages. A sender may go on while its charge is
 * below SO_SNDBUF, and is writable when it is at most a quarter of that.
 */
#include <errno.h>
#include <poll.h>

#include "driver/socket.h"

#define PAGE     4096u
#define ALIGN    64u
#define SKB      256u /* sizeof(struct sk_buff), aligned */
#define OVERHEAD 320u /* sizeof(struct skb_shared_info), aligned */
#define SMALLEST 512u
#define SPARE    PAGE /* no larger buffer is kept */

/* Charge of a header of n bytes. */
static unsigned head_charge(unsigned n)
{
  unsigned size = SMALLEST;

  n = (n + ALIGN - 1) / ALIGN * ALIGN + OVERHEAD;
  while (size < n)
    size *= 2;
  return SKB + size;
}

static bool has_async(const struct fds_socket *s)
{
  return fdemu_waited(&s->inode.wq, FDEMU_WAKE_SIGIN | FDEMU_WAKE_SIGOUT);
}

/* Who has O_ASYNC will hear of room only if he has found none before. */
void fds_set_full(struct fds_socket *s)
{
  if (has_async(s))
    s->full = true;
}

/* s can write (again). */
void fds_roomy(struct fds_socket *s)
{
  int events = FDS_OUT;

  if (s->full && has_async(s)) {
    s->full = false;
    events |= FDEMU_WAKE_SIGOUT;
  }
  fdemu_wake(&s->inode.wq, events);
}

/* SOCKWQ_ASYNC_WAITDATA of Linux, which nobody looks after while there is no
 * O_ASYNC. */
void fds_set_awaited(struct fds_socket *s, bool on)
{
  if (s->awaited != on && has_async(s))
    s->awaited = on;
}

/* A wake that brings a signal, unless somebody waits in a stream to read. */
int fds_news(const struct fds_socket *s)
{
  return s->awaited ? 0 : FDEMU_WAKE_SIGIN;
}

/* sock_alloc_send_pskb() of Linux, before it allocates. */
int64_t fds_may_send(struct fds_socket *s)
{
  int error = fds_take_error(s);

  if (error < 0)
    return error;
  if (s->shutdown & FDS_NO_SEND)
    return -EPIPE;
  if (s->sent < (unsigned)s->sndbuf)
    return 0;
  fds_set_full(s);
  return -EAGAIN;
}

/* Linux's counter begins at 1. */
static bool below_quarter(const struct fds_socket *s, unsigned sent)
{
  return ((uint64_t)sent + 1) * 4 <= (uint64_t)s->sndbuf;
}

bool fds_writable(const struct fds_socket *s)
{
  return below_quarter(s, s->sent);
}

static struct fds_buf *take_spare(struct fds_socket *s, unsigned len)
{
  struct fds_buf *b = s->spare;

  if (b == NULL || b->room < len)
    return NULL;
  s->spare = NULL;
  return b;
}

/*
 * A buffer for len bytes, of which pages are outside the header, charged to
 * the sender. NULL: no memory.
 */
struct fds_buf *fds_buf_new(struct fds_socket *from, unsigned len,
                            unsigned pages)
{
  unsigned head = head_charge(len - pages);
  unsigned room = len < head - SKB - OVERHEAD ? head - SKB - OVERHEAD : len;
  struct fds_buf *b = take_spare(from, len);

  if (b == NULL) {
    b = fdemu_alloc(from->inode.kernel, sizeof *b + room);
    if (b == NULL)
      return NULL;
    b->room = room;
  }
  b->from = from;
  b->charge = head + (pages + PAGE - 1) / PAGE * PAGE;
  b->off = 0;
  b->len = len;
  b->peeked = false;
  b->pid = 0;
  b->time = 0;
  b->rights = NULL;
  fdemu_list_init(&b->link);
  fdemu_list_init(&b->carrier);
  fdemu_inode_get(&from->inode);
  from->sent += b->charge;
  return b;
}

/* p has sent it: the receiver has it, and is told. If the receiver is among what
 * it carries, nobody else may be left who could take it. */
void fds_buf_send(struct fdemu_proc *p, struct fds_socket *to,
                  struct fds_buf *b)
{
  const int events = FDS_IN | FDEMU_WAKE_AGAIN | fds_news(to);
  const bool carries = b->rights != NULL;

  if (fds_passcred(to) || fds_passcred(b->from))
    b->pid = fdemu_getpid(p);
  fdemu_list_append(&to->queue, &b->link);
  if (carries)
    fdemu_list_append(&to->carriers, &b->carrier);
  if (to->type == SOCK_STREAM)
    fdemu_wake(&to->inode.wq, events);
  else
    fdemu_wake_one(&to->inode.wq, events);
  if (carries)
    fds_collect(to);
}

/* The sender may go on, and hears of it if it is writable: as sock_wfree() of
 * Linux, which holds one more on its counter meanwhile. */
void fds_buf_free(struct fds_buf *b)
{
  struct fds_socket *from = b->from;
  struct fds_rights *x = b->rights != NULL ? fds_rights_detach(b) : NULL;

  fdemu_list_remove(&b->link);
  from->sent -= b->charge;
  if (from->spare == NULL && b->room <= SPARE)
    from->spare = b;
  else
    fdemu_free(from->inode.kernel, b);
  if (below_quarter(from, from->sent + 1))
    fds_roomy(from);
  fdemu_inode_put(&from->inode);
  if (x != NULL)
    fds_rights_free(x);
}

/* Everything that was not received is lost. */
void fds_buf_purge(struct fds_socket *s)
{
  s->urgent = NULL;
  while (!fdemu_list_empty(&s->queue))
    fds_buf_free(fdemu_entry(s->queue.next, struct fds_buf, link));
}

static const char *check_buf(const struct fds_socket *s,
                             const struct fds_buf *b)
{
  if (b->off + b->len > b->room)
    return "a message that is longer than its memory";
  if ((b->rights != NULL) == fdemu_list_empty(&b->carrier))
    return "a message with descriptors that its socket does not know of";
  if (s->peer != NULL && b->from != s->peer)
    return "a message from nobody";
  return NULL;
}

/* As fdemu_ops.check. What is queued is what the peer is charged for, unless it
 * has sent to strangers too. */
const char *fds_buf_check(const struct fdemu_file *f)
{
  const struct fds_socket *s = fds_of(f);
  bool urgent = s->urgent == NULL;
  unsigned charge = 0;

  for (const struct fds_buf *b = NULL; (b = fds_next(s, b)) != NULL;) {
    const char *wrong = check_buf(s, b);
    if (wrong != NULL)
      return wrong;
    charge += b->charge;
    urgent |= b == s->urgent;
  }
  if (!urgent)
    return "an urgent byte that is not in the queue";
  if (s->peer != NULL && s->peer->sent < charge)
    return "a socket that was charged for less than it has sent";
  return NULL;
}
