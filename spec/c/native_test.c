/*
 * native_test.c - the same random calls on Linux's descriptors and on fdemu's
 *
 * Both sides begin with 0, 1 and 2 open and the same limit, and so agree on
 * every number. All descriptions are non-blocking when data moves, or Linux
 * would wait. (Not under valgrind, which answers some of the calls itself.)
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "native.h"

#define LIMIT  40
#define MAX_IO 70000
#define MIB    1048576u

static unsigned char out[MAX_IO], in_native[MAX_IO], in_emu[MAX_IO];

static int pick_fd(void)
{
  static const int odd[] = { -1, LIMIT, LIMIT + 23, 1000000, INT32_MAX };
  int open[LIMIT], n = 0;

  if (pick(20) == 0)
    return odd[pick((int)(sizeof odd / sizeof *odd))];
  for (int fd = 3; (fd = fdemu_next_fd(p, fd)) >= 0; fd++)
    open[n++] = fd;
  return n == 0 || pick(30) == 0 ? 3 + pick(LIMIT - 3) : open[pick(n)];
}

static size_t pick_size(void)
{
  static const size_t sizes[] = { 0,     1,     2,     10,   100,  808,
                                  4095,  4096,  4097,  8192, 8193, 9000,
                                  12288, 65535, 65536, 65537 };
  switch (pick(4)) {
  case 0: return (size_t)pick(300);
  case 1: return (size_t)pick(9001);
  default: return sizes[pick((int)(sizeof sizes / sizeof *sizes))];
  }
}

/* Zero-sized pieces among others; the total is at most MAX_IO. */
static int split(unsigned char *base, struct iovec *iov)
{
  int n = pick(7);
  size_t used = 0;

  for (int i = 0; i < n; i++) {
    size_t size = pick(3) == 0 ? 0 : pick_size();
    if (size > MAX_IO - used)
      size = MAX_IO - used;
    iov[i] = (struct iovec){ base + used, size };
    used += size;
  }
  return n;
}

/* ---- calls ------------------------------------------------------------ */

static void do_read(void)
{
  int fd = pick_fd();
  size_t size = pick_size();
  int64_t n;

  say("read(%d, %zu)", fd, size);
  n = native(read(fd, in_native, size));
  if (agree(n, fdemu_read(p, fd, in_emu, size)))
    agree_bytes(in_native, in_emu, n);
}

static void do_write(void)
{
  int fd = pick_fd();
  size_t size = pick_size();

  say("write(%d, %zu)", fd, size);
  for (size_t i = 0; i < size; i += 61)
    out[i] = (unsigned char)test_random(&rng);
  agree(native(write(fd, out, size)), fdemu_write(p, fd, out, size));
}

static void do_vector(void)
{
  int fd = pick_fd(), count;
  struct iovec a[8], b[8];
  int64_t n;

  if (pick(2)) {
    count = split(out, a);
    say("writev(%d, %d)", fd, count);
    agree(native(writev(fd, a, count)), fdemu_writev(p, fd, a, count));
    return;
  }
  count = split(in_native, a);
  for (int i = 0; i < count; i++)
    b[i] =
        (struct iovec){ in_emu + ((unsigned char *)a[i].iov_base - in_native),
                        a[i].iov_len };
  say("readv(%d, %d)", fd, count);
  n = native(readv(fd, a, count));
  if (agree(n, fdemu_readv(p, fd, b, count)))
    agree_bytes(in_native, in_emu, n);
}

static void do_bad_vector(void)
{
  static const int counts[] = { -1, 0, 1024, 1025, INT32_MAX, INT32_MIN };
  static struct iovec iov[1025];
  int fd = pick_fd(), n = counts[pick(6)];
  size_t odd = pick(2) ? (size_t)SSIZE_MAX + 1 : 0;

  for (int i = 0; i < 1025; i++)
    iov[i] = (struct iovec){ out, 0 };
  iov[1].iov_len = odd;
  say("writev(%d, iov, %d) with one of %zu", fd, n, odd);
  agree(native(writev(fd, iov, n)), fdemu_writev(p, fd, iov, n));
}

static void do_at(void)
{
  int fd = pick_fd();
  off_t at = pick(5) == 0 ? INT64_MAX - pick(8) : pick(3) - 1;
  struct iovec v = { in_native, 5 }, w = { in_emu, 5 };
  int64_t n;

  switch (pick(4)) {
  case 0:
    say("pread(%d, 5, %lld)", fd, (long long)at);
    n = native(pread(fd, in_native, 5, at));
    if (agree(n, fdemu_pread(p, fd, in_emu, 5, at)))
      agree_bytes(in_native, in_emu, n);
    break;
  case 1:
    say("pwrite(%d, 5, %lld)", fd, (long long)at);
    agree(native(pwrite(fd, out, 5, at)), fdemu_pwrite(p, fd, out, 5, at));
    break;
  case 2:
    say("preadv(%d, 5, %lld)", fd, (long long)at);
    n = native(preadv(fd, &v, 1, at));
    agree(n, fdemu_preadv(p, fd, &w, 1, at));
    break;
  default:
    say("pwritev(%d, 5, %lld)", fd, (long long)at);
    n = native(pwritev(fd, &v, 1, at));
    agree(n, fdemu_pwritev(p, fd, &w, 1, at));
  }
}

static void do_lseek(void)
{
  static const int whence[] = { 0, 1, 2, 5, 99, -1 };
  int fd = pick_fd(), w = whence[pick(6)];
  off_t at = pick(3) - 1;

  say("lseek(%d, %d, %d)", fd, (int)at, w);
  agree(native(lseek(fd, at, w)), fdemu_lseek(p, fd, at, w));
}

static void do_pipe(void)
{
  int flags = O_NONBLOCK, a[2] = { -7, -7 }, b[2] = { -7, -7 };

  flags |= pick(3) == 0 ? O_CLOEXEC : 0;
  flags |= pick(4) == 0 ? O_DIRECT : 0;
  flags |= pick(20) == 0 ? O_APPEND : 0;
  say("pipe2(%#x)", flags);
  agree(native(pipe2(a, flags)), fdemu_pipe2(p, b, flags));
  agree(a[0], b[0]);
  agree(a[1], b[1]);
}

static void do_open(void)
{
  static const char *const paths[] = { "/dev/null", "/dev/zero", "/dev/full",
                                       "/dev/no such thing", "" };
  static const int extra[] = {
    0,           O_CLOEXEC, O_APPEND, O_NONBLOCK, O_CREAT | O_EXCL,
    O_DIRECTORY, O_TRUNC,   O_NOCTTY, O_DIRECT,   O_CREAT | O_DIRECTORY
  };
  int which = pick(5);
  const char *path = paths[which];
  int flags = pick(4) | extra[pick(10)];

  if (access(path, F_OK) < 0)
    flags &= ~(O_CREAT | O_EXCL); /* this test makes no files */
  say("open(%d, %#x)", which, flags);
  agree(native(open(path, flags, 0600)), fdemu_open(p, path, flags, 0600));
}

static void do_close(void)
{
  int fd = pick_fd();
  unsigned first, last;
  int flags;

  if (pick(8) > 0) {
    close_both(fd);
    return;
  }
  first = (unsigned)(3 + pick(LIMIT + 10));
  last = first + (unsigned)pick(4) - 1;
  flags = pick(3) == 0 ? CLOSE_RANGE_CLOEXEC : pick(9) == 0 ? 64 : 0;
  say("close_range(%u, %u, %d)", first, last, flags);
  agree(native(syscall(SYS_close_range, first, last, flags)),
        fdemu_close_range(p, first, last, flags));
}

/* Never onto 0, 1 and 2, which are this program's own. */
static void do_dup(void)
{
  static const int flags[] = { 0, O_CLOEXEC, O_CLOEXEC | O_NONBLOCK, 1 };
  int fd = pick_fd(), to = pick(8) == 0 ? pick_fd() : 3 + pick(LIMIT + 3);
  int f = flags[pick(4)], cmd = pick(2) ? F_DUPFD : F_DUPFD_CLOEXEC;

  switch (pick(4)) {
  case 0: dup_both(fd); break;
  case 1: dup2_both(fd, to); break;
  case 2:
    say("dup3(%d, %d, %#x)", fd, to, f);
    agree(native(dup3(fd, to, f)), fdemu_dup3(p, fd, to, f));
    break;
  default:
    say("fcntl(%d, %d, %d)", fd, cmd, to);
    agree(native(fcntl(fd, cmd, to)), fdemu_fcntl(p, fd, cmd, to));
  }
}

static void do_fcntl(void)
{
  static const int commands[] = { F_GETFD, F_SETFD, F_GETFL, F_SETFL,
                                  999,     F_GETFD, F_GETFL };
  static const int flags[] = {
    O_APPEND,  O_DIRECT, O_RDWR, O_CREAT | O_TRUNC, O_APPEND | O_DIRECT,
    O_CLOEXEC, 0
  };
  int fd = pick_fd(), cmd = commands[pick(7)], arg = 0;

  if (cmd == F_SETFD)
    arg = pick(4);
  if (cmd == F_SETFL)
    arg = O_NONBLOCK | flags[pick(7)];
  say("fcntl(%d, %d, %#x)", fd, cmd, arg);
  agree(native(fcntl(fd, cmd, arg)), fdemu_fcntl(p, fd, cmd, arg));
}

static void do_pipe_size(void)
{
  static const unsigned sizes[] = { 0,     1,     4096,   4097,   8192, 16384,
                                    40000, 65536, 100000, 131072, MIB };
  int fd = pick_fd(), cmd = pick(2) ? F_GETPIPE_SZ : F_SETPIPE_SZ;
  unsigned size = sizes[pick(11)];

  say("fcntl(%d, %s, %u)", fd, cmd == F_SETPIPE_SZ ? "F_SETPIPE_SZ" : "GET",
      size);
  agree(native(fcntl(fd, cmd, size)), fdemu_fcntl(p, fd, cmd, size));
}

static void do_ioctl(void)
{
  static const unsigned long requests[] = { FIONREAD, FIOCLEX,   FIONCLEX,
                                            TCGETS,   0x1234,    FIONREAD,
                                            FIONREAD, TIOCGWINSZ };
  unsigned long request = requests[pick(8)];
  int fd = pick_fd();
  union {
    int n;
    char room[256];
  } a = { 0 }, b = { 0 };

  say("ioctl(%d, %#lx)", fd, request);
  agree(native(ioctl(fd, request, &a)), fdemu_ioctl(p, fd, request, &b));
  agree(a.n, b.n);
}

static void do_nonblock(void)
{
  int fd = pick_fd(), on = 0;

  say("ioctl(%d, FIONBIO, off) and on", fd);
  agree(native(ioctl(fd, FIONBIO, &on)), fdemu_ioctl(p, fd, FIONBIO, &on));
  agree(native(fcntl(fd, F_GETFL)), fdemu_fcntl(p, fd, F_GETFL, 0));
  on = 3;
  agree(native(ioctl(fd, FIONBIO, &on)), fdemu_ioctl(p, fd, FIONBIO, &on));
  agree(native(fcntl(fd, F_GETFL)), fdemu_fcntl(p, fd, F_GETFL, 0));
}

static void do_poll(void)
{
  struct pollfd a[POLLS];
  int n = pick(7);

  for (int i = 0; i < n; i++) {
    a[i] = (struct pollfd){ .fd = pick_fd(), .revents = -1 };
    a[i].events =
        (short)(pick(2) ? POLLIN | POLLOUT : (int)(test_random(&rng) & 0x23ff));
  }
  poll_both(a, n);
}

static void do_stat(void)
{
  int fd = pick_fd();
  struct stat a = { 0 }, b = { 0 };

  say("fstat(%d)", fd);
  agree(native(fstat(fd, &a)), fdemu_fstat(p, fd, &b));
  agree(a.st_mode & S_IFMT, b.st_mode & S_IFMT);
  agree((int64_t)a.st_rdev, (int64_t)b.st_rdev);
  agree(a.st_size, b.st_size);
  agree(a.st_blksize, b.st_blksize);
  agree(a.st_blocks, b.st_blocks);
  if (S_ISFIFO(a.st_mode)) {
    agree(a.st_mode, b.st_mode);
    agree((int64_t)a.st_nlink, (int64_t)b.st_nlink);
  }
}

static void step(void)
{
  static void (*const calls[])(void) = {
    do_read,  do_read,       do_read,   do_read,     do_write, do_write,
    do_write, do_write,      do_vector, do_vector,   do_at,    do_lseek,
    do_pipe,  do_open,       do_close,  do_close,    do_dup,   do_fcntl,
    do_fcntl, do_pipe_size,  do_ioctl,  do_nonblock, do_poll,  do_poll,
    do_stat,  do_bad_vector,
  };

  PICK(calls)();
}

/* ---- sequences -------------------------------------------------------- */

static void sequence(uint64_t seed, int steps)
{
  begin(LIMIT);
  make_steps(seed, steps, step);
  end();
}

int main(int argc, char **argv)
{
  static const int expected[] = { EAGAIN,  EBADF,  EBUSY,  EEXIST,
                                  EINVAL,  EMFILE, ENOENT, ENOSPC,
                                  ENOTDIR, ENOTTY, EPIPE,  ESPIPE };
  int steps = argc > 1 ? atoi(argv[1]) : 5000;

  signal(SIGPIPE, SIG_IGN);
  limit_files(LIMIT);
  for (uint64_t seed = 1; seed <= 40; seed++)
    sequence(seed, steps);
  close_native();
  CHECK_HAPPENED(expected);
  return test_summary();
}
