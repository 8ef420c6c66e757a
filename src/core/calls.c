/* calls.c - the calls as C functions: fill in a request and wait for it */
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>

#include "core/kernel.h"

#define CALL(what) .call = &fdemu_calls[FDEMU_##what]
#define SECOND     INT64_C(1000000000)
#define BUF(p, n)  .buf = { (void *)(uintptr_t)(p), (n) }

int64_t fdemu_read(struct fdemu_proc *p, int fd, void *buf, size_t n)
{
  struct fdemu_req r = { CALL(READ), .fd = fd, BUF(buf, n) };

  return fdemu_call(p, &r);
}

int64_t fdemu_write(struct fdemu_proc *p, int fd, const void *buf, size_t n)
{
  struct fdemu_req r = { CALL(WRITE), .fd = fd, BUF(buf, n) };

  return fdemu_call(p, &r);
}

int64_t fdemu_pread(struct fdemu_proc *p, int fd, void *buf, size_t n,
                    int64_t offset)
{
  struct fdemu_req r = { CALL(PREAD), .fd = fd, BUF(buf, n), .offset = offset };

  return fdemu_call(p, &r);
}

int64_t fdemu_pwrite(struct fdemu_proc *p, int fd, const void *buf, size_t n,
                     int64_t offset)
{
  struct fdemu_req r = { CALL(PWRITE), .fd = fd, BUF(buf, n),
                         .offset = offset };

  return fdemu_call(p, &r);
}

int64_t fdemu_readv(struct fdemu_proc *p, int fd, const struct iovec *iov,
                    int iovcnt)
{
  struct fdemu_req r = { CALL(READV), .fd = fd, .iov = iov, .iovcnt = iovcnt };

  return fdemu_call(p, &r);
}

int64_t fdemu_writev(struct fdemu_proc *p, int fd, const struct iovec *iov,
                     int iovcnt)
{
  struct fdemu_req r = { CALL(WRITEV), .fd = fd, .iov = iov, .iovcnt = iovcnt };

  return fdemu_call(p, &r);
}

int64_t fdemu_preadv(struct fdemu_proc *p, int fd, const struct iovec *iov,
                     int iovcnt, int64_t offset)
{
  struct fdemu_req r = { CALL(PREADV), .fd = fd, .iov = iov, .iovcnt = iovcnt,
                         .offset = offset };

  return fdemu_call(p, &r);
}

int64_t fdemu_pwritev(struct fdemu_proc *p, int fd, const struct iovec *iov,
                      int iovcnt, int64_t offset)
{
  struct fdemu_req r = { CALL(PWRITEV), .fd = fd, .iov = iov, .iovcnt = iovcnt,
                         .offset = offset };

  return fdemu_call(p, &r);
}

int64_t fdemu_lseek(struct fdemu_proc *p, int fd, int64_t offset, int whence)
{
  struct fdemu_req r = { CALL(LSEEK), .fd = fd, .offset = offset,
                         .cmd = (unsigned long)whence };

  return fdemu_call(p, &r);
}

int fdemu_close(struct fdemu_proc *p, int fd)
{
  struct fdemu_req r = { CALL(CLOSE), .fd = fd };

  return (int)fdemu_call(p, &r);
}

int fdemu_close_range(struct fdemu_proc *p, unsigned first, unsigned last,
                      int flags)
{
  struct fdemu_req r = { CALL(CLOSE_RANGE), .fd = (int)first, .arg = last,
                         .cmd = (unsigned long)flags };

  return (int)fdemu_call(p, &r);
}

int fdemu_dup(struct fdemu_proc *p, int fd)
{
  struct fdemu_req r = { CALL(DUP), .fd = fd };

  return (int)fdemu_call(p, &r);
}

int fdemu_dup2(struct fdemu_proc *p, int fd, int newfd)
{
  struct fdemu_req r = { CALL(DUP2), .fd = fd, .arg = newfd };

  return (int)fdemu_call(p, &r);
}

int fdemu_dup3(struct fdemu_proc *p, int fd, int newfd, int flags)
{
  struct fdemu_req r = { CALL(DUP3), .fd = fd, .arg = newfd,
                         .cmd = (unsigned long)flags };

  return (int)fdemu_call(p, &r);
}

int fdemu_fcntl(struct fdemu_proc *p, int fd, int cmd, int64_t arg)
{
  struct fdemu_req r = { CALL(FCNTL), .fd = fd, .cmd = (unsigned long)cmd,
                         .arg = arg, BUF(arg, sizeof(struct flock)) };

  return (int)fdemu_call(p, &r);
}

/* How much memory arg points to only the driver knows, as in C. */
int64_t fdemu_ioctl(struct fdemu_proc *p, int fd, unsigned long request,
                    void *arg)
{
  struct fdemu_req r = { CALL(IOCTL), .fd = fd, .cmd = request,
                         .arg = (int64_t)(intptr_t)arg, BUF(arg, SIZE_MAX) };

  return fdemu_call(p, &r);
}

int fdemu_fstat(struct fdemu_proc *p, int fd, struct stat *st)
{
  struct fdemu_req r = { CALL(FSTAT), .fd = fd, BUF(st, sizeof *st) };

  return (int)fdemu_call(p, &r);
}

int fdemu_flock(struct fdemu_proc *p, int fd, int op)
{
  struct fdemu_req r = { CALL(FLOCK), .fd = fd, .cmd = (unsigned long)op };

  return (int)fdemu_call(p, &r);
}

int fdemu_ftruncate(struct fdemu_proc *p, int fd, int64_t length)
{
  struct fdemu_req r = { CALL(FTRUNCATE), .fd = fd, .offset = length };

  return (int)fdemu_call(p, &r);
}

int fdemu_fallocate(struct fdemu_proc *p, int fd, int mode, int64_t offset,
                    int64_t length)
{
  struct fdemu_req r = { CALL(FALLOCATE), .fd = fd, .offset = offset,
                         .arg = length, .cmd = (unsigned)mode };

  return (int)fdemu_call(p, &r);
}

int fdemu_fsync(struct fdemu_proc *p, int fd)
{
  struct fdemu_req r = { CALL(FSYNC), .fd = fd };

  return (int)fdemu_call(p, &r);
}

int fdemu_fdatasync(struct fdemu_proc *p, int fd)
{
  struct fdemu_req r = { CALL(FDATASYNC), .fd = fd };

  return (int)fdemu_call(p, &r);
}

int fdemu_isatty(struct fdemu_proc *p, int fd)
{
  struct termios t;
  int64_t n = fdemu_ioctl(p, fd, TCGETS, &t);

  return n < 0 ? (int)n : 1;
}

int fdemu_poll(struct fdemu_proc *p, struct pollfd *fds, size_t n,
               int timeout_ms)
{
  struct fdemu_req r = { CALL(POLL), BUF(fds, n * sizeof *fds),
                         .timeout = timeout_ms * INT64_C(1000000) };

  return (int)fdemu_call(p, &r);
}

static bool in_set(int fd, const fd_set *set)
{
  return set != NULL && FD_ISSET(fd, set);
}

/* One entry for each descriptor that is in a set. */
static size_t from_sets(struct pollfd *fds, int n, const fd_set *in,
                        const fd_set *out, const fd_set *except)
{
  size_t count = 0;

  for (int fd = 0; fd < n; fd++) {
    int events = (in_set(fd, in) ? POLLIN : 0) |
                 (in_set(fd, out) ? POLLOUT : 0) |
                 (in_set(fd, except) ? POLLPRI : 0);
    if (events != 0)
      fds[count++] = (struct pollfd){ .fd = fd, .events = (short)events };
  }
  return count;
}

/* The descriptors that are ready in one of the ways. Of the set that was given
 * nothing stays in the words that hold its first n bits, as on Linux. */
static void to_set(const struct pollfd *fds, size_t count, int n, fd_set *set,
                   int event)
{
  if (set == NULL)
    return;
  for (int fd = 0; fd < (n + NFDBITS - 1) / NFDBITS * NFDBITS; fd++)
    FD_CLR(fd, set);
  for (size_t i = 0; i < count; i++)
    if (fds[i].revents & event)
      FD_SET(fds[i].fd, set);
}

int fdemu_select(struct fdemu_proc *p, int n, fd_set *in, fd_set *out,
                 fd_set *except, const struct timespec *timeout)
{
  struct pollfd fds[FD_SETSIZE];
  struct fdemu_req r = { CALL(SELECT), .timeout = -1 };
  size_t count;
  int result;

  if (n < 0 || (timeout != NULL &&
                (timeout->tv_sec < 0 || (uint64_t)timeout->tv_nsec >= SECOND)))
    return -EINVAL;
  if (n > FD_SETSIZE)
    n = FD_SETSIZE;
  count = from_sets(fds, n, in, out, except);
  r.buf = (struct iovec){ fds, count * sizeof *fds };
  if (timeout != NULL)
    r.timeout = timeout->tv_sec < INT64_MAX / SECOND
                    ? timeout->tv_sec * SECOND + timeout->tv_nsec
                    : INT64_MAX;
  result = (int)fdemu_call(p, &r);
  if (result >= 0) {
    to_set(fds, count, n, in, POLLIN);
    to_set(fds, count, n, out, POLLOUT);
    to_set(fds, count, n, except, POLLPRI);
  }
  return result;
}

int fdemu_fork(struct fdemu_proc *p, struct fdemu_proc **child)
{
  struct fdemu_req r = { CALL(FORK) };
  int pid = (int)fdemu_call(p, &r);

  *child = pid < 0 ? NULL : r.out;
  return pid;
}

int fdemu_exec(struct fdemu_proc *p)
{
  struct fdemu_req r = { CALL(EXEC) };

  return (int)fdemu_call(p, &r);
}

int fdemu_wait(struct fdemu_proc *p, int *status)
{
  int raw = 0;
  struct fdemu_req r = { CALL(WAIT), BUF(&raw, sizeof raw) };
  int pid = (int)fdemu_call(p, &r);

  if (status != NULL)
    *status = raw >> 8;
  return pid;
}
