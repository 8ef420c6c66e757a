/*
 * hostfd_move.c - sendfile(2), splice(2) and the like between two descriptors of
 * the host, which makes the call; vmsplice(2) on one of its pipes
 *
 * With one end here the core does, for which a pipe of the host's is a file like
 * others: its pages are not here.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/hostfd.h"

/* Whether the host has to be told not to wait for h: a pipe is told by a flag of
 * splice(2), and sendfile(2) does not read any. */
static bool may_block(const struct fdh_host *h, const struct fdemu_req *r,
                      bool writing)
{
  if (h->plain || fcntl(h->fd, F_GETFL) & O_NONBLOCK)
    return false;
  return !S_ISFIFO(h->inode.mode) ||
         (writing && r->call == &fdemu_sendfile_call);
}

/* For the time of a call. What is a terminal is not for this: others have it. */
static void set_nonblock(const struct fdh_host *h, bool on)
{
  int flags = fcntl(h->fd, F_GETFL);

  fcntl(h->fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

/* An offset that the caller gives, or NULL. What is not there for him is not
 * there for the host. */
static off_t *get_offset(struct fdemu_req *r, int i, off_t *pos)
{
  const uintptr_t nowhere = 1;
  const void *addr = i < r->iovcnt ? r->iov[i].iov_base : NULL;

  if (addr == NULL)
    return NULL;
  return fdemu_load(r, pos, addr, sizeof *pos) == 0 ? pos : (off_t *)nowhere;
}

static int put_offset(struct fdemu_req *r, int i, const off_t *at)
{
  return at != NULL ? fdemu_store(r, r->iov[i].iov_base, at, sizeof *at) : 0;
}

static ssize_t call(const struct fdemu_req *r, int in, off_t *in_at, int out,
                    off_t *out_at)
{
  const size_t n = r->buf.iov_len;
  const unsigned flags = (unsigned)r->cmd;
  struct fdh_quiet q;
  ssize_t moved;

  if (r->call == &fdemu_copy_file_range_call)
    return copy_file_range(in, in_at, out, out_at, n, flags);
  fdh_quiet_begin(&q);
  if (r->call == &fdemu_sendfile_call)
    moved = sendfile(out, in, in_at, n);
  else if (r->call == &fdemu_tee_call)
    moved = tee(in, out, n, flags | SPLICE_F_NONBLOCK);
  else
    moved = splice(in, in_at, out, out_at, n, flags | SPLICE_F_NONBLOCK);
  fdh_quiet_end(&q, moved < 0 && errno == EPIPE);
  return moved;
}

/* Whether the caller does not want to wait for it. */
static bool hurries(const struct fdemu_req *r, const struct fdemu_file *in,
                    const struct fdemu_file *out)
{
  if (r->call == &fdemu_sendfile_call)
    return (out->flags & O_NONBLOCK) != 0;
  return (in->flags | out->flags) & O_NONBLOCK || r->cmd & SPLICE_F_NONBLOCK;
}

/* The call, made so that it does not wait. */
static int64_t call_now(const struct fdemu_req *r, const struct fdh_host *in,
                        off_t *in_at, const struct fdh_host *out, off_t *out_at)
{
  const bool in_blocks = may_block(in, r, false);
  const bool out_blocks = may_block(out, r, true);
  int64_t n;

  if (in_blocks)
    set_nonblock(in, true);
  if (out_blocks)
    set_nonblock(out, true);
  n = call(r, in->fd, in_at, out->fd, out_at);
  if (n < 0)
    n = -errno;
  if (in_blocks)
    set_nonblock(in, false);
  if (out_blocks)
    set_nonblock(out, false);
  return n;
}

static bool is_terminal(const struct fdh_host *h)
{
  return S_ISCHR(h->inode.mode) && !h->plain;
}

int64_t fdh_move(struct fdemu_file *in, struct fdemu_req *r)
{
  struct fdemu_file *out = fdemu_file_usable(r->proc, (int)r->arg);
  off_t pos[2], *at[2];
  int64_t n;

  if (out == NULL || !fdh_is_host(out) || is_terminal(fdh_of(in)) ||
      is_terminal(fdh_of(out)))
    return FDEMU_NEXT;
  at[0] = get_offset(r, 0, &pos[0]);
  at[1] = get_offset(r, 1, &pos[1]);
  n = call_now(r, fdh_of(in), at[0], fdh_of(out), at[1]);
  if (n == -EPIPE)
    return fdemu_broken(r);
  if (n == -EAGAIN) {
    r->dontwait |= hurries(r, in, out);
    return fdemu_move_wait(r, fdh_ready(fdh_of(in), POLLIN) == 0 ? in->inode
                                                                 : out->inode);
  }
  if (n >= 0 && (put_offset(r, 0, at[0]) < 0 || put_offset(r, 1, at[1]) < 0))
    return -EFAULT;
  return n;
}

/* ---- vmsplice(2) ------------------------------------------------------ */

/* page, which has n bytes behind skew, is the pipe's then: no copy of it. */
static int64_t give(const struct fdh_host *h, char *page, size_t skew, size_t n)
{
  const struct iovec v = { page + skew, n };
  struct fdh_quiet q;
  ssize_t given;

  fdh_quiet_begin(&q);
  given = vmsplice(h->fd, &v, 1, SPLICE_F_NONBLOCK);
  fdh_quiet_end(&q, given < 0 && errno == EPIPE);
  return given < 0 ? -errno : given;
}

/* The next page of the caller's, as a page that nobody else has: the caller may
 * change his, or be told that they are gone, before they are read. */
static int64_t give_page(const struct fdh_host *h, struct fdemu_req *r)
{
  const size_t size = FDEMU_PAGE, done = r->done;
  size_t skew, n = fdemu_next_piece(r, &skew);
  const int ready = fdh_ready(h, POLLOUT);
  int64_t given;
  char *page;

  if (ready & POLLERR)
    return -EPIPE; /* even if there is nothing to be had from the caller */
  if (!(ready & POLLOUT))
    return -EAGAIN;
  page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
              -1, 0);
  if (page == MAP_FAILED)
    return -ENOMEM;
  if (n > size - skew)
    n = size - skew;
  given = fdemu_copy_in(r, page + skew, n);
  if (given == 0)
    given = give(h, page, skew, n);
  munmap(page, size);
  fdemu_rewind(r, done + (given > 0 ? (size_t)given : 0));
  return given;
}

static int64_t fill(struct fdemu_file *f, struct fdemu_req *r)
{
  int64_t n = 1;

  while (fdemu_left(r) > 0 && n > 0)
    n = give_page(fdh_of(f), r);
  if (r->done > 0)
    return (int64_t)r->done;
  return n == -EPIPE ? fdemu_broken(r) : n;
}

/* What is wrong with the call, the core says. A read is one like others. */
int64_t fdh_vmsplice(struct fdemu_file *f, struct fdemu_req *r)
{
  const int access = f->flags & O_ACCMODE;

  if (!S_ISFIFO(fdh_of(f)->inode.mode) || r->len == 0 || access == O_ACCMODE)
    return FDEMU_NEXT;
  return access == O_RDONLY ? fdh_read(f, r) : fill(f, r);
}
