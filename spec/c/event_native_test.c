/*
 * event_native_test.c - the same random calls on Linux's descriptors and on
 * fdemu's: eventfd, timerfd (unset), select, poll
 *
 * As native_test.c does it: both sides agree on every number, and whatever
 * moves data is non-blocking.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "native.h"

#define LIMIT 24

static int pick_fd(void)
{
  static const int odd[] = { -1, LIMIT, LIMIT + 23, 1000000 };
  int open[LIMIT], n = 0;

  if (pick(20) == 0)
    return PICK(odd);
  for (int fd = 3; (fd = fdemu_next_fd(p, fd)) >= 0; fd++)
    open[n++] = fd;
  return n == 0 || pick(30) == 0 ? 3 + pick(LIMIT - 3) : open[pick(n)];
}

static uint64_t pick_number(void)
{
  static const uint64_t numbers[] = { 0,
                                      1,
                                      2,
                                      5,
                                      INT64_MAX,
                                      UINT64_MAX,
                                      UINT64_MAX - 1,
                                      UINT64_MAX - 2,
                                      UINT64_MAX / 2 + 1 };
  return PICK(numbers);
}

/* ---- calls ------------------------------------------------------------ */

static void do_eventfd(void)
{
  static const int flags[] = { 0,           EFD_SEMAPHORE,
                               EFD_CLOEXEC, EFD_SEMAPHORE | EFD_CLOEXEC,
                               2,           0x100 };
  static const unsigned initial[] = { 0, 1, 3, UINT32_MAX };
  unsigned n = PICK(initial);
  int f = PICK(flags) | EFD_NONBLOCK;

  say("eventfd(%u, %#x)", n, (unsigned)f);
  agree(native(eventfd(n, f)), fdemu_eventfd(p, n, f));
}

static void do_timerfd(void)
{
  static const int flags[] = { 0, TFD_CLOEXEC, 1 };
  int clock = pick(12) - 1, f = PICK(flags) | TFD_NONBLOCK;

  say("timerfd_create(%d, %#x)", clock, (unsigned)f);
  agree(native(timerfd_create(clock, f)), fdemu_timerfd_create(p, clock, f));
}

/* Disarms, or fails: nothing that takes time. */
static void do_settime(void)
{
  static const int flags[] = { 0, TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET, 3,
                               4 };
  static const long nsec[] = { 0, -1, 1000000000, 999999999 };
  struct itimerspec new = { { pick(3) - 1, PICK(nsec) }, { 0, 0 } };
  struct itimerspec a = { 0 }, b = { 0 };
  int fd = pick_fd(), f = PICK(flags);

  if (pick(3) == 0)
    new.it_value = (struct timespec){ -pick(2), -pick(2) };
  say("timerfd_settime(%d, %d, interval {%ld, %ld}, value {%ld, %ld})", fd, f,
      new.it_interval.tv_sec, new.it_interval.tv_nsec, new.it_value.tv_sec,
      new.it_value.tv_nsec);
  agree(native(timerfd_settime(fd, f, &new, &a)),
        fdemu_timerfd_settime(p, fd, f, &new, &b));
  agree(a.it_interval.tv_sec, b.it_interval.tv_sec);
  agree(a.it_interval.tv_nsec, b.it_interval.tv_nsec);
  say("timerfd_gettime(%d)", fd);
  agree(native(timerfd_gettime(fd, &a)), fdemu_timerfd_gettime(p, fd, &b));
  agree(a.it_interval.tv_nsec, b.it_interval.tv_nsec);
  agree(a.it_value.tv_nsec, b.it_value.tv_nsec);
}

static void do_set_ticks(void)
{
  uint64_t a = pick_number(), b = a;
  int fd = pick_fd();

  say("ioctl(%d, TFD_IOC_SET_TICKS, %llu)", fd, (unsigned long long)a);
  agree(native(ioctl(fd, _IOW('T', 0, uint64_t), &a)),
        fdemu_ioctl(p, fd, _IOW('T', 0, uint64_t), &b));
}

static void do_read(void)
{
  static const size_t sizes[] = { 8, 8, 8, 0, 7, 9, 16 };
  uint64_t a[2] = { 0 }, b[2] = { 0 };
  size_t size = PICK(sizes);
  int fd = pick_fd();

  say("read(%d, %zu)", fd, size);
  agree(native(read(fd, a, size)), fdemu_read(p, fd, b, size));
  agree((int64_t)a[0], (int64_t)b[0]);
}

static void do_write(void)
{
  static const size_t sizes[] = { 8, 8, 8, 8, 8, 0, 7, 9, 16 };
  uint64_t a[2] = { pick_number(), pick_number() };
  size_t size = PICK(sizes);
  int fd = pick_fd();

  say("write(%d, %llu, %zu)", fd, (unsigned long long)a[0], size);
  agree(native(write(fd, a, size)), fdemu_write(p, fd, a, size));
}

static void do_vector(void)
{
  static const size_t sizes[] = { 8, 8, 8, 8, 0, 4, 16 };
  uint64_t a[4][2] = { 0 }, b[4][2] = { 0 };
  struct iovec v[4], w[4];
  int fd = pick_fd(), n = pick(5);
  bool writing = pick(3) > 0;

  for (int i = 0; i < n; i++) {
    a[i][0] = b[i][0] = writing ? pick_number() : 0;
    v[i] = (struct iovec){ a[i], PICK(sizes) };
    w[i] = (struct iovec){ b[i], v[i].iov_len };
  }
  say("%s(%d, %d: %zu, %zu, %zu, %zu)", writing ? "writev" : "readv", fd, n,
      n > 0 ? v[0].iov_len : 0, n > 1 ? v[1].iov_len : 0,
      n > 2 ? v[2].iov_len : 0, n > 3 ? v[3].iov_len : 0);
  if (writing)
    agree(native(writev(fd, v, n)), fdemu_writev(p, fd, w, n));
  else if (agree(native(readv(fd, v, n)), fdemu_readv(p, fd, w, n)))
    for (int i = 0; i < n; i++)
      agree((int64_t)a[i][0], (int64_t)b[i][0]);
}

static void do_at(void)
{
  uint64_t n = 1;
  int fd = pick_fd(), offset = pick(3) - 1, whence = pick(6);

  say("pread(%d, 8, %d)", fd, offset);
  agree(native(pread(fd, &n, 8, offset)), fdemu_pread(p, fd, &n, 8, offset));
  say("pwrite(%d, 8, %d)", fd, offset);
  agree(native(pwrite(fd, &n, 8, offset)), fdemu_pwrite(p, fd, &n, 8, offset));
  say("lseek(%d, %d, %d)", fd, offset, whence);
  agree(native(lseek(fd, offset, whence)), fdemu_lseek(p, fd, offset, whence));
}

static void do_pipe(void)
{
  int a[2] = { -1, -1 }, b[2] = { -1, -1 };

  say("pipe2()");
  agree(native(pipe2(a, O_NONBLOCK)), fdemu_pipe2(p, b, O_NONBLOCK));
  agree(a[0], b[0]);
  agree(a[1], b[1]);
}

static void do_close(void)
{
  int fd = pick_fd();

  close_both(fd);
}

static void do_dup(void)
{
  int fd = pick_fd();

  if (pick(2))
    do_pipe();
  dup_both(fd);
}

static void do_flags(void)
{
  static const int flags[] = { 0, O_DIRECT, O_NOATIME, O_APPEND, O_ASYNC };
  static const unsigned long requests[] = { FIONREAD, TCGETS, 0x5499 };
  int fd = pick_fd(), f = PICK(flags);
  unsigned long request = PICK(requests);
  char a[256] = { 0 }, b[256] = { 0 };

  say("fcntl(%d, F_SETFL, %#x)", fd, (unsigned)f);
  agree(native(fcntl(fd, F_SETFL, O_NONBLOCK | f)),
        fdemu_fcntl(p, fd, F_SETFL, O_NONBLOCK | f));
  say("fcntl(%d, F_GETFL)", fd);
  agree(native(fcntl(fd, F_GETFL)), fdemu_fcntl(p, fd, F_GETFL, 0));
  say("fcntl(%d, F_GETFD)", fd);
  agree(native(fcntl(fd, F_GETFD)), fdemu_fcntl(p, fd, F_GETFD, 0));
  say("ioctl(%d, %#lx)", fd, request);
  agree(native(ioctl(fd, request, a)), fdemu_ioctl(p, fd, request, b));
  agree(a[0], b[0]);
}

static void do_stat(void)
{
  int fd = pick_fd();
  struct stat a = { 0 }, b = { 0 };

  say("fstat(%d)", fd);
  if (!agree(native(fstat(fd, &a)), fdemu_fstat(p, fd, &b)))
    return;
  agree(a.st_mode, b.st_mode);
  agree((int64_t)a.st_nlink, (int64_t)b.st_nlink);
  agree(a.st_size, b.st_size);
  agree(a.st_blksize, b.st_blksize);
}

static void do_poll(void)
{
  struct pollfd a[POLLS];
  int n = pick(7);

  for (int i = 0; i < n; i++) {
    a[i] = (struct pollfd){ .fd = pick_fd(), .revents = -1 };
    a[i].events = (short)(test_random(&rng) & 0x23ff);
  }
  poll_both(a, n);
}

static void do_select(void)
{
  static const struct timespec times[] = { { 0, 0 },  { 0, 0 },
                                           { 0, 0 },  { -1, 0 },
                                           { 0, -1 }, { 0, 1000000000 } };
  const struct timespec *t = &PICK(times);
  fd_set a[3], b[3];
  int n = pick(30) == 0 ? -1 : pick(LIMIT + 2);

  memset(a, 0, sizeof a);
  for (int i = pick(8); i > 0; i--) {
    int fd = pick_fd();
    if (fd >= 0 && fd < FD_SETSIZE)
      FD_SET(fd, &a[pick(3)]);
  }
  memcpy(b, a, sizeof a);
  say("pselect(%d, {%ld, %ld})", n, t->tv_sec, t->tv_nsec);
  if (!agree(native(pselect(n, &a[0], &a[1], &a[2], t, NULL)),
             fdemu_select(p, n, &b[0], &b[1], &b[2], t)))
    return;
  for (int set = 0; set < 3; set++)
    for (int fd = 0; fd < FD_SETSIZE; fd++)
      agree(FD_ISSET(fd, &a[set]) != 0, FD_ISSET(fd, &b[set]) != 0);
}

static void step(void)
{
  static void (*const calls[])(void) = {
    do_eventfd, do_timerfd, do_settime, do_set_ticks, do_read,   do_read,
    do_read,    do_write,   do_write,   do_write,     do_vector, do_vector,
    do_at,      do_pipe,    do_close,   do_close,     do_dup,    do_flags,
    do_stat,    do_poll,    do_select,  do_select,
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
  static const int expected[] = { EAGAIN, EBADF, EINVAL, EMFILE,
                                  ENOTTY, EPERM, ESPIPE };
  int steps = argc > 1 ? atoi(argv[1]) : 5000;

  signal(SIGPIPE, SIG_IGN);
  limit_files(LIMIT);
  drop_privileges(1000);
  for (uint64_t seed = 1; seed <= 40; seed++)
    sequence(seed, steps);
  CHECK_HAPPENED(expected);
  unlimit_files();
  return test_summary();
}
