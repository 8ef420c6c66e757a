/*
 * vmsplice.c - vmsplice(2): between a program's memory and a pipe
 *
 * Unlike Linux: the bytes are copied. There a pipe gets the pages themselves,
 * so what is written to them before they are read is read. What else can be
 * seen is kept: a page, or what is meant of it, takes a slot of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "core/kernel.h"

#define READABLE  (POLLIN | POLLRDNORM)
#define WRITEABLE (POLLOUT | POLLWRNORM)

static int64_t vmsplice_check(struct fdemu_req *r)
{
  uint64_t total;

  if (fde_bad_splice(r))
    return -EINVAL;
  r->dontwait = (r->cmd & SPLICE_F_NONBLOCK) != 0;
  if (fde_vector_length(r, &total) == 0)
    r->len = total < FDE_MAX_RW ? (size_t)total : FDE_MAX_RW;
  return FDEMU_NEXT;
}

size_t fdemu_next_piece(const struct fdemu_req *r, size_t *skew)
{
  const struct iovec *v = &r->iov[r->iovpos];
  size_t off = r->iovoff;

  for (; v->iov_len == off; off = 0)
    v++;
  *skew = off + (r->arg ? (uintptr_t)v->iov_base % FDEMU_PAGE : 0);
  *skew %= FDEMU_PAGE;
  off = v->iov_len - off;
  return off < fdemu_left(r) ? off : fdemu_left(r);
}

/* One page of it, or what is left of one. > 0: so many bytes. */
static int64_t take_page(struct fdemu_file *f, struct fdemu_req *r)
{
  const struct fdemu_queue *q = f->ops->queue;
  struct iovec page;
  size_t skew, n = fdemu_next_piece(r, &skew);
  int one = 1, error;
  int64_t room = q->room(f, &page, &one, n, skew);

  if (room <= 0)
    return room;
  error = fdemu_copy_in(r, page.iov_base, (size_t)room);
  q->add(f, &page, one, error < 0 ? 0 : (size_t)room);
  return error < 0 ? error : room;
}

/* As many as there are slots for; whoever waits for bytes has to know. */
static int64_t fill(struct fdemu_file *f, struct fdemu_req *r)
{
  int64_t n = 0;

  while (fdemu_left(r) > 0 && (n = take_page(f, r)) > 0)
    ;
  if (r->done > 0) {
    fdemu_wake_one(&f->inode->wq, READABLE | FDEMU_WAKE_SIGIN);
    return (int64_t)r->done;
  }
  return n == -EPIPE ? fdemu_broken(r) : n;
}

/* The oldest page, or what is wanted of it: it stays if the caller's memory is
 * bad. *freed: a slot is. */
static int64_t give_page(struct fdemu_file *f, struct fdemu_req *r, bool *freed)
{
  const struct fdemu_queue *q = f->ops->queue;
  struct iovec page;
  int one = 1, error;
  int64_t n = q->peek(f, &page, &one);

  if (n <= 0)
    return n;
  n = (int64_t)(page.iov_len < fdemu_left(r) ? page.iov_len : fdemu_left(r));
  error = fdemu_copy_out(r, page.iov_base, (size_t)n);
  if (error < 0)
    return error;
  *freed |= q->drop(f, (size_t)n);
  return n;
}

static int64_t drain(struct fdemu_file *f, struct fdemu_req *r)
{
  bool freed = false;
  int64_t n = 0;

  while (fdemu_left(r) > 0 && (n = give_page(f, r, &freed)) > 0)
    ;
  if (freed)
    fdemu_wake_one(&f->inode->wq, WRITEABLE | FDEMU_WAKE_SIGOUT);
  return r->done > 0 ? (int64_t)r->done : n;
}

static int64_t vmsplice_run(struct fdemu_file *f, struct fdemu_req *r)
{
  bool writes = fde_writable(f);
  uint64_t total;
  int64_t error;

  if (!writes && !fde_readable(f))
    return -EBADF;
  error = fde_vector_length(r, &total);
  if (error < 0 || total == 0)
    return error;
  if (f->ops->queue == NULL)
    return -EBADF;
  f->mode |= FDEMU_MODE_NO_NOWAIT; /* as of splice(2) */
  if (!r->retry)
    fde_draw_length(r);
  return writes ? fill(f, r) : drain(f, r);
}

int fde_vmsplice_park(struct fdemu_req *r)
{
  fdemu_park(r, &r->file->inode->wq,
             fde_writable(r->file) ? WRITEABLE : READABLE, true);
  return 0;
}

/* It waits whatever O_NONBLOCK says. */
const struct fdemu_call fdemu_vmsplice_call = {
  .name = "vmsplice",
  .args = "fd iov count splice_flags",
  .check = vmsplice_check,
  .run = vmsplice_run,
  .park = fde_vmsplice_park,
  .flags = FDEMU_CALL_FD | FDEMU_CALL_VEC,
};

int64_t fdemu_vmsplice(struct fdemu_proc *p, int fd, const struct iovec *iov,
                       int n, unsigned flags)
{
  struct fdemu_req r = { .call = &fdemu_vmsplice_call,
                         .fd = fd,
                         .iov = iov,
                         .iovcnt = n,
                         .arg = 1,
                         .cmd = flags };

  return fdemu_call(p, &r);
}
