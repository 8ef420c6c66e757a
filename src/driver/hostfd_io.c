/*
 * hostfd_io.c - reading and writing descriptors of the host
 *
 * No call waits: sockets are asked with MSG_DONTWAIT, others with RWF_NOWAIT.
 * What knows neither is guarded: it has O_NONBLOCK while the call is made, a
 * terminal in a description of its own; a FIFO is first asked with poll(2), and
 * is given no more than one takes that is not full.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "driver/hostfd.h"

#define NO_WAIT 0x08      /* RWF_NOWAIT; not every libc has it */
#define PIECE   (1 << 20) /* bytes at once that have to be copied */

/* ---- one call --------------------------------------------------------- */

/* preadv2() or pwritev2(); at -1: where the position is. */
static ssize_t call(int fd, const struct fdh_memory *m, int64_t at, int rwf,
                    bool writing)
{
  if (rwf != 0)
    return writing ? pwritev2(fd, m->iov, m->n, at, rwf)
                   : preadv2(fd, m->iov, m->n, at, rwf);
  if (at >= 0)
    return writing ? pwritev(fd, m->iov, m->n, at)
                   : preadv(fd, m->iov, m->n, at);
  return writing ? writev(fd, m->iov, m->n) : readv(fd, m->iov, m->n);
}

/* The same of one that has room, and of nothing: then it is not a vector. */
static ssize_t call_any(int fd, const struct fdh_memory *m, int64_t at, int rwf,
                        bool writing)
{
  char c = 0;

  if (m->size > 0)
    return call(fd, m, at, rwf, writing);
  if (at >= 0)
    return writing ? pwrite(fd, &c, 0, at) : pread(fd, &c, 0, at);
  return writing ? write(fd, &c, 0) : read(fd, &c, 0);
}

/* For what nobody else has a reason to use meanwhile. */
static ssize_t call_nonblocking(int fd, const struct fdh_memory *m, int64_t at,
                                int rwf, bool writing)
{
  int flags = fcntl(fd, F_GETFL), error;
  ssize_t n;

  if (!(flags & O_NONBLOCK))
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
  n = call_any(fd, m, at, rwf, writing);
  error = errno;
  if (!(flags & O_NONBLOCK))
    fcntl(fd, F_SETFL, flags);
  errno = error;
  return n;
}

/* A terminal is others', too, but can be opened again; not by its master's end,
 * which would be another terminal. -1: it cannot. */
static int open_again(int fd)
{
  const int flags = O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  char path[40];
  unsigned number;

  if (!isatty(fd) || ioctl(fd, TIOCGPTN, &number) == 0)
    return -1;
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return open(path, (fcntl(fd, F_GETFL) & O_ACCMODE) | flags);
}

static int terminal_of(struct fdh_host *h)
{
  if (h->terminal == FDH_NOT_YET)
    h->terminal = S_ISCHR(h->inode.mode) ? open_again(h->fd) : -1;
  return h->terminal >= 0 ? h->terminal : h->fd;
}

static ssize_t call_guarded(struct fdh_host *h, const struct fdh_memory *m,
                            int64_t at, int rwf, bool writing)
{
  if (!S_ISFIFO(h->inode.mode))
    return call_nonblocking(terminal_of(h), m, at, rwf, writing);
  if (m->size == 0 || fdh_ready(h, writing ? POLLOUT : POLLIN))
    return call_any(h->fd, m, at, rwf, writing);
  errno = EAGAIN;
  return -1;
}

static ssize_t call_now(struct fdh_host *h, const struct fdh_memory *m,
                        int64_t at, int rwf, bool writing)
{
  ssize_t n;

  if (h->plain)
    return call_any(h->fd, m, at, rwf, writing);
  if (h->guarded[writing] || m->size == 0)
    return call_guarded(h, m, at, rwf, writing);
  n = call(h->fd, m, at, rwf | NO_WAIT, writing);
  if (n >= 0 || errno != EOPNOTSUPP)
    return n;
  if (rwf != 0) /* which of the two is it? */
    return call_guarded(h, m, at, rwf, writing);
  h->guarded[writing] = true;
  errno = EINTR; /* with less, perhaps */
  return -1;
}

static void pipe_signal(sigset_t *set)
{
  sigemptyset(set);
  sigaddset(set, SIGPIPE);
}

void fdh_quiet_begin(struct fdh_quiet *q)
{
  sigset_t set;

  pipe_signal(&set);
  pthread_sigmask(SIG_BLOCK, &set, &q->before);
}

void fdh_quiet_end(const struct fdh_quiet *q, bool broken)
{
  const struct timespec no_time = { 0, 0 };
  int error = errno;
  sigset_t set;

  pipe_signal(&set);
  if (broken && !sigismember(&q->before, SIGPIPE))
    sigtimedwait(&set, NULL, &no_time);
  pthread_sigmask(SIG_SETMASK, &q->before, NULL);
  errno = error;
}

static ssize_t call_quietly(struct fdh_host *h, const struct fdh_memory *m,
                            int64_t at, int rwf, bool writing)
{
  struct fdh_quiet q;
  ssize_t n;

  if (!writing || !(S_ISFIFO(h->inode.mode) || h->socket != 0))
    return call_now(h, m, at, rwf, writing);
  fdh_quiet_begin(&q);
  n = call_now(h, m, at, rwf, writing);
  fdh_quiet_end(&q, n < 0 && errno == EPIPE);
  return n;
}

/* ---- the methods ------------------------------------------------------ */

/* How many bytes at once. A message is not to be cut. */
static size_t most(const struct fdh_host *h, const struct fdemu_req *r,
                   bool writing)
{
  if (writing && h->guarded[true] && S_ISFIFO(h->inode.mode))
    return PIPE_BUF;
  if (r->mem == NULL)
    return SIZE_MAX;
  return h->socket != 0 && h->socket != SOCK_STREAM ? FDH_MAX_MESSAGE : PIECE;
}

/* The next bytes of r; *cut: it wants more. How many, or -errno. */
static int64_t move(struct fdh_host *h, struct fdemu_req *r, bool writing,
                    bool *cut)
{
  bool at = (r->call->flags & FDEMU_CALL_AT) != 0;
  struct fdh_memory m;
  ssize_t n;
  int error;

  do {
    error = fdh_memory_get(&m, r, most(h, r, writing), writing);
    if (error < 0)
      return error;
    if (h->socket != 0 && r->rwf == 0)
      n = writing ? fdh_sock_write(h, &m) : fdh_sock_read(h, &m);
    else
      n = call_quietly(h, &m, at ? r->offset + (int64_t)r->done : -1, r->rwf,
                       writing);
    error = n < 0 ? -errno : 0;
    *cut = n > 0 && (size_t)n == m.size;
    if (n > 0 && writing)
      fdemu_rewind(r, r->done + (size_t)n);
    else if (n > 0)
      error = fdh_memory_read(&m, r, (size_t)n);
    fdh_memory_put(&m, r);
  } while (error == -EINTR);
  return error < 0 ? error : n;
}

int64_t fdh_read(struct fdemu_file *f, struct fdemu_req *r)
{
  struct fdh_host *h = fdh_of(f);
  bool more = true;
  int64_t n;

  do {
    n = move(h, r, false, &more);
    if (n < 0 && n != -EAGAIN)
      return n;
  } while (n > 0 && more && fdemu_left(r) > 0);
  if (r->done > 0 ? !fdh_sock_lacks(h, r, 0) : n == 0)
    return (int64_t)r->done;
  if (h->socket != 0)
    r->patience = fdh_patience(h, false);
  return -EAGAIN;
}

static int64_t broken(const struct fdh_host *h, const struct fdemu_req *r)
{
  return h->socket != 0 ? fdh_sock_broken(h, r, 0) : fdemu_broken(r);
}

int64_t fdh_write(struct fdemu_file *f, struct fdemu_req *r)
{
  struct fdh_host *h = fdh_of(f);
  bool more;
  int64_t n;

  fflush(stdout); /* what the C library holds back comes first */
  do {
    n = move(h, r, true, &more);
    if (n == -EAGAIN && h->socket != 0)
      r->patience = fdh_patience(h, true);
    if (n == -EPIPE && r->done == 0)
      return broken(h, r);
    if (n < 0)
      return n;
  } while (n > 0 && fdemu_left(r) > 0 && (more || !h->plain));
  return (int64_t)r->done;
}
