/*
 * epoll_test.c - epoll(7): the same random calls on Linux and on fdemu, and
 * what only one side can be asked
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fdemu_driver.h"
#include "native.h"

#define LIMIT 32
#define MS    INT64_C(1000000)
#define ET    ((uint32_t)EPOLLET)

/* ---- the same on both sides ------------------------------------------- */

static uint64_t tag;
static char data[70000], sink[70000];
static int reported; /* events */

static bool wanted(int fd, bool epolls)
{
  return fdemu_is_epoll(fdemu_file_at(p, fd)) == epolls;
}

static int pick_open(bool any, bool epolls)
{
  int open[LIMIT], n = 0;

  if (pick(40) == 0)
    return pick(2) ? 3 + pick(LIMIT) : -1; /* 0, 1 and 2 are this program's */
  for (int fd = 3; (fd = fdemu_next_fd(p, fd)) >= 0; fd++)
    if (any || wanted(fd, epolls))
      open[n++] = fd;
  return n == 0 ? 3 : open[pick(n)];
}

static int pick_fd(void)
{
  return pick_open(true, false);
}

static int pick_epoll(void)
{
  return pick_open(pick(30) == 0, true);
}

static uint32_t pick_events(void)
{
  static const uint32_t masks[] = { EPOLLIN,
                                    EPOLLOUT,
                                    EPOLLIN | EPOLLOUT,
                                    EPOLLIN,
                                    EPOLLOUT,
                                    EPOLLIN | EPOLLPRI,
                                    EPOLLRDHUP,
                                    0,
                                    EPOLLRDNORM,
                                    EPOLLWRNORM,
                                    EPOLLHUP,
                                    EPOLLERR,
                                    EPOLLIN | EPOLLOUT | EPOLLRDNORM };
  uint32_t events = masks[pick((int)(sizeof masks / sizeof *masks))];

  events |= pick(2) ? ET : 0;
  events |= pick(5) == 0 ? (uint32_t)EPOLLONESHOT : 0;
  events |= pick(8) == 0 ? (uint32_t)EPOLLEXCLUSIVE : 0;
  events |= pick(20) == 0 ? (uint32_t)EPOLLWAKEUP : 0;
  events |= pick(40) == 0 ? UINT32_C(1) << (14 + pick(13)) : 0;
  return events;
}

static void do_ctl(void)
{
  static const int ops[] = { EPOLL_CTL_ADD, EPOLL_CTL_ADD, EPOLL_CTL_ADD,
                             EPOLL_CTL_MOD, EPOLL_CTL_MOD, EPOLL_CTL_DEL };
  int ep = pick_epoll(), fd = pick_fd(), op = ops[pick(6)];
  struct epoll_event ev = { .events = pick_events(), .data.u64 = ++tag };

  if (pick(60) == 0)
    op = pick(6) - 1;
  say("epoll_ctl(%d, %d, %d, {%#x, %llu})", ep, op, fd, ev.events,
      (unsigned long long)tag);
  agree(native(epoll_ctl(ep, op, fd, &ev)),
        fdemu_epoll_ctl(p, ep, op, fd, &ev));
}

static void do_wait(void)
{
  static const int maxima[] = { 1, 1, 2, 3, 5, 40, 40, 40, 0, -1 };
  int ep = pick_epoll(), max = maxima[pick(pick(20) == 0 ? 10 : 8)];
  struct epoll_event a[40] = { 0 }, b[40] = { 0 };
  int64_t n;

  say("epoll_wait(%d, %d)", ep, max);
  n = native(epoll_wait(ep, a, max, 0));
  agree(n, fdemu_epoll_wait(p, ep, b, max, 0));
  for (int i = 0; i < n && same; i++) {
    say("epoll_wait(%d, %d): data of event %d", ep, max, i);
    agree((int64_t)a[i].data.u64, (int64_t)b[i].data.u64);
    say("epoll_wait(%d, %d): event %d", ep, max, i);
    agree(a[i].events, b[i].events);
    reported++;
  }
}

static void do_poll(void)
{
  struct pollfd a[POLLS];
  int n = 1 + pick(3);

  for (int i = 0; i < n; i++) {
    a[i] = (struct pollfd){ .fd = pick(2) ? pick_epoll() : pick_fd() };
    a[i].events = (short)(pick(2) ? POLLIN | POLLOUT : POLLRDNORM);
  }
  poll_both(a, n);
}

static void do_create(void)
{
  int flags = pick(9) == 0 ? 1 + pick(3) : pick(3) == 0 ? EPOLL_CLOEXEC : 0;
  int size = pick(4) - 1;

  if (pick(8) == 0) {
    say("epoll_create(%d)", size);
    agree(native(epoll_create(size)), fdemu_epoll_create(p, size));
    return;
  }
  say("epoll_create1(%#x)", flags);
  agree(native(epoll_create1(flags)), fdemu_epoll_create1(p, flags));
}

static void do_pipe(void)
{
  int flags = O_NONBLOCK | (pick(6) == 0 ? O_DIRECT : 0);
  int a[2] = { -7, -7 }, b[2] = { -7, -7 };

  say("pipe2(%#x)", flags);
  agree(native(pipe2(a, flags)), fdemu_pipe2(p, b, flags));
  agree(a[0], b[0]);
  agree(a[1], b[1]);
}

static void do_open(void)
{
  say("open(/dev/null)");
  agree(native(open("/dev/null", O_RDWR)),
        fdemu_open(p, "/dev/null", O_RDWR, 0));
}

static size_t pick_size(void)
{
  static const size_t sizes[] = { 0, 1, 10, 4095, 4096, 4097, 30000, 70000 };

  return sizes[pick(8)];
}

static void do_read(void)
{
  int fd = pick_open(false, false);
  size_t size = pick_size();

  say("read(%d, %zu)", fd, size);
  agree(native(read(fd, sink, size)), fdemu_read(p, fd, sink, size));
}

static void do_write(void)
{
  int fd = pick_open(false, false);
  size_t size = pick_size();

  say("write(%d, %zu)", fd, size);
  agree(native(write(fd, data, size)), fdemu_write(p, fd, data, size));
}

static void do_close(void)
{
  int fd = pick_fd();

  if (fd < 3)
    return;
  close_both(fd);
}

static void do_dup(void)
{
  int fd = pick(2) ? pick_fd() : pick_open(false, true);
  int to = 3 + pick(LIMIT - 3);

  if (pick(2)) {
    dup_both(fd);
  } else {
    dup2_both(fd, to);
  }
}

static void do_pipe_size(void)
{
  static const unsigned sizes[] = { 4096, 8192, 16384, 65536 };
  int fd = pick_open(false, false);
  unsigned size = sizes[pick(4)];

  say("fcntl(%d, F_SETPIPE_SZ, %u)", fd, size);
  agree(native(fcntl(fd, F_SETPIPE_SZ, size)),
        fdemu_fcntl(p, fd, F_SETPIPE_SZ, size));
}

/* What an epoll descriptor says to calls that are not its own. */
static void do_other(void)
{
  int ep = pick_epoll(), flags;
  union {
    int n;
    unsigned char params[8];
  } a = { 0 }, b = { 0 };

  switch (pick(8)) {
  case 0:
    say("read(%d)", ep);
    agree(native(read(ep, sink, 1)), fdemu_read(p, ep, sink, 1));
    break;
  case 1:
    say("lseek(%d)", ep);
    agree(native(lseek(ep, -3, SEEK_CUR)), fdemu_lseek(p, ep, -3, SEEK_CUR));
    break;
  case 2:
    say("pwrite(%d)", ep);
    agree(native(pwrite(ep, data, 1, 0)), fdemu_pwrite(p, ep, data, 1, 0));
    break;
  case 3:
    say("ioctl(%d, FIONREAD)", ep);
    agree(native(ioctl(ep, FIONREAD, &a)), fdemu_ioctl(p, ep, FIONREAD, &b));
    break;
  case 4:
    say("fcntl(%d, F_GETFL)", ep);
    agree(native(fcntl(ep, F_GETFL)), fdemu_fcntl(p, ep, F_GETFL, 0));
    break;
  case 5:
    flags = O_NONBLOCK | (pick(2) ? O_APPEND : O_ASYNC);
    flags |= pick(9) == 0 ? O_DIRECT : 0;
    say("fcntl(%d, F_SETFL, %#x)", ep, flags);
    agree(native(fcntl(ep, F_SETFL, flags)),
          fdemu_fcntl(p, ep, F_SETFL, flags));
    break;
  default:
    for (int i = 0; i < 8; i++)
      a.params[i] = b.params[i] = (unsigned char)(pick(3) ? 0 : pick(200));
    a.params[4] = b.params[4] = (unsigned char)pick(65); /* for all users */
    a.params[5] = b.params[5] = 0;
    a.params[7] = b.params[7] = pick(9) == 0;
    a.params[6] = b.params[6] = (unsigned char)pick(3);
    flags = 1 + pick(2); /* EPIOCSPARAMS or EPIOCGPARAMS */
    say("ioctl(%d, params %d)", ep, flags);
    agree(native(ioctl(
              ep, flags == 1 ? _IOW(0x8a, 1, char[8]) : _IOR(0x8a, 2, char[8]),
              &a)),
          fdemu_ioctl(p, ep,
                      flags == 1 ? _IOW(0x8a, 1, char[8])
                                 : _IOR(0x8a, 2, char[8]),
                      &b));
    if (memcmp(&a, &b, sizeof a) != 0)
      agree(0, 1);
  }
}

static void step(void)
{
  static void (*const calls[])(void) = {
    do_ctl,  do_ctl,  do_ctl,  do_ctl,    do_ctl,   do_ctl,   do_ctl,
    do_wait, do_wait, do_wait, do_wait,   do_wait,  do_wait,  do_wait,
    do_read, do_read, do_read, do_write,  do_write, do_write, do_write,
    do_poll, do_poll, do_pipe, do_create, do_close, do_dup,   do_other,
  };
  int which = pick(100);

  if (which == 0)
    do_open();
  else if (which == 1)
    do_pipe_size();
  else
    PICK(calls)();
}

static void sequence(uint64_t seed, int steps)
{
  begin(LIMIT);
  make_steps(seed, steps, step);
  end();
}

static void same_as_linux(uint64_t first, uint64_t last, int steps)
{
  static const int expected[] = { EAGAIN, EBADF,  EEXIST, EINVAL, ELOOP,
                                  EMFILE, ENOENT, EPERM,  EPIPE };

  signal(SIGPIPE, SIG_IGN);
  limit_files(LIMIT);
  for (uint64_t seed = first; seed <= last; seed++)
    sequence(seed, steps);
  close_native();
  CHECK(reported > 100);
  CHECK_HAPPENED(expected);
}

int main(int argc, char **argv)
{
  int steps = argc > 1 ? atoi(argv[1]) : 3000;
  uint64_t first = argc > 2 ? (uint64_t)atoi(argv[2]) : 1;

  loud = argc > 3;
  same_as_linux(first, argc > 2 ? first : 60, steps);
  return test_summary();
}
