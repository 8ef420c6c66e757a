/*
 * socket_native_test.c - the same random calls on Linux's socketpairs and on
 * fdemu's, of all three types
 *
 * As native_test.c does it: both sides agree on every number, and everything
 * is non-blocking.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test.h"

#define LIMIT 20
#define ROOM  300000
#define EPOLL 3 /* the number of an epoll instance that is never closed */

static uint64_t rng;
static struct fdemu_proc *p;
static char what[256]; /* the call that is made */
static bool loud;      /* print every call */
static bool same;
static int outcomes[200]; /* how often each errno came; [0]: something moved */
static char a[ROOM], b[ROOM], data[ROOM];

static int pick(int n)
{
  return (int)test_below(&rng, (uint64_t)n);
}

#define PICK(array) array[pick((int)(sizeof array / sizeof *array))]

__attribute__((format(printf, 1, 2))) static void say(const char *fmt, ...)
{
  va_list ap;

  va_start(ap, fmt);
  vsnprintf(what, sizeof what, fmt, ap);
  va_end(ap);
  if (loud)
    fprintf(stderr, "%s\n", what);
}

static int64_t native(int64_t n)
{
  return n < 0 ? -errno : n;
}

static bool agree(int64_t n, int64_t emu)
{
  if (n > -200)
    outcomes[n < 0 ? -n : 0]++;
  if (n != emu) {
    fprintf(stderr, "%s: Linux %lld, fdemu %lld\n", what, (long long)n,
            (long long)emu);
    same = false;
  }
  return n == emu;
}

static int pick_fd(void)
{
  int open[LIMIT], n = 0;

  for (int fd = EPOLL + 1; (fd = fdemu_next_fd(p, fd)) >= 0; fd++)
    open[n++] = fd;
  return n == 0 || pick(60) == 0 ? EPOLL + pick(LIMIT - EPOLL) : open[pick(n)];
}

static size_t pick_size(void)
{
  static const int sizes[] = { 0,     1,     2,     10,    192,    193,
                               704,   705,   3776,  3777,  4096,   7872,
                               16064, 16065, 36544, 36545, 106432, 106433,
                               85697, 65536, 20000, 5000,  212960, 212961 };

  return (size_t)(pick(3) == 0 ? pick(250000) : PICK(sizes));
}

static int pick_type(void)
{
  static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };

  return PICK(types);
}

/* ---- calls ------------------------------------------------------------ */

static void do_pair(void)
{
  static const int odd[] = { 0, 4, 6, 11, 0x40, SOCK_RAW };
  static const int families[] = { 0, AF_INET, AF_INET6, 46, -1, 3, AF_UNIX };
  int type = pick_type() | SOCK_NONBLOCK, family = AF_UNIX, protocol = 0;
  int u[2] = { -7, -7 }, v[2] = { -7, -7 };

  type |= pick(3) == 0 ? SOCK_CLOEXEC : 0;
  if (pick(10) == 0)
    type = PICK(odd) | SOCK_NONBLOCK;
  if (pick(10) == 0)
    family = PICK(families);
  if (pick(10) == 0)
    protocol = pick(3);
  if ((type & 0xf) == SOCK_RAW && family != AF_UNIX)
    return; /* depends on who asks */
  say("socketpair(%d, %#x, %d)", family, (unsigned)type, protocol);
  agree(native(socketpair(family, type, protocol, u)),
        fdemu_socketpair(p, family, type, protocol, v));
  agree(u[0], v[0]);
  agree(u[1], v[1]);
}

static void do_socket(void)
{
  int type = pick_type() | SOCK_NONBLOCK;

  say("socket(%#x)", (unsigned)type);
  agree(native(socket(AF_UNIX, type, 0)), fdemu_socket(p, AF_UNIX, type, 0));
}

static void do_write(void)
{
  int fd = pick_fd();
  size_t n = pick_size(), at = (size_t)pick(1000);

  if (at + n > ROOM)
    at = 0;
  say("write(%d, %zu)", fd, n);
  agree(native(write(fd, data + at, n)), fdemu_write(p, fd, data + at, n));
}

static void same_bytes(int64_t n)
{
  if (n > 0 && memcmp(a, b, (size_t)n) != 0) {
    fprintf(stderr, "%s: other bytes\n", what);
    same = false;
  }
}

static void do_read(void)
{
  int fd = pick_fd();
  size_t n = pick_size();
  int64_t got = native(read(fd, a, n));

  say("read(%d, %zu)", fd, n);
  if (agree(got, fdemu_read(p, fd, b, n)))
    same_bytes(got);
}

static void do_vector(void)
{
  struct iovec v[4], w[4];
  int fd = pick_fd(), n = pick(5);
  bool writing = pick(2);
  size_t at = 0;
  int64_t got;

  for (int i = 0; i < n; i++) {
    v[i] = w[i] = (struct iovec){ a + at, pick_size() / 4 };
    w[i].iov_base = b + at;
    if (writing)
      v[i].iov_base = w[i].iov_base = data + at;
    at += v[i].iov_len;
  }
  say("%s(%d, %d, %zu)", writing ? "writev" : "readv", fd, n, at);
  if (writing)
    agree(native(writev(fd, v, n)), fdemu_writev(p, fd, w, n));
  else {
    got = native(readv(fd, v, n));
    if (agree(got, fdemu_readv(p, fd, w, n)))
      same_bytes(got);
  }
}

static void do_shutdown(void)
{
  int fd = pick_fd(), how = pick(12) == 0 ? pick(9) - 3 : pick(2);

  say("shutdown(%d, %d)", fd, how);
  agree(native(shutdown(fd, how)), fdemu_shutdown(p, fd, how));
}

static void do_close(void)
{
  int fd = pick_fd();

  if (fd == EPOLL)
    return;
  say("close(%d)", fd);
  agree(native(close(fd)), fdemu_close(p, fd));
}

static void do_ioctl(void)
{
  static const unsigned long requests[] = { SIOCINQ, SIOCOUTQ, SIOCINQ,
                                            SIOCOUTQ, 0x1234 };
  unsigned long request = PICK(requests);
  int fd = pick_fd(), u = -1, v = -1;

  say("ioctl(%d, %#lx)", fd, request);
  agree(native(ioctl(fd, request, &u)), fdemu_ioctl(p, fd, request, &v));
  agree(u, v);
}

static void do_misc(void)
{
  int fd = pick_fd();
  struct stat u, v;

  say("misc(%d)", fd);
  agree(native(lseek(fd, 0, 0)), fdemu_lseek(p, fd, 0, 0));
  agree(native(pread(fd, a, 1, 0)), fdemu_pread(p, fd, b, 1, 0));
  agree(native(fsync(fd)), fdemu_fsync(p, fd));
  agree(native(ftruncate(fd, 0)), fdemu_ftruncate(p, fd, 0));
  agree(native(fcntl(fd, F_GETFL)), fdemu_fcntl(p, fd, F_GETFL, 0));
  agree(native(fcntl(fd, F_GETFD)), fdemu_fcntl(p, fd, F_GETFD, 0));
  if (agree(native(fstat(fd, &u)), fdemu_fstat(p, fd, &v)) && same) {
    if (fcntl(fd, F_GETFD) >= 0) {
      agree(u.st_mode, v.st_mode);
      agree(u.st_size, v.st_size);
      agree((int64_t)u.st_nlink, (int64_t)v.st_nlink);
    }
  }
}

static void do_poll(void)
{
  struct pollfd u[6], v[6];
  int n = pick(7);

  for (int i = 0; i < n; i++) {
    u[i] = (struct pollfd){ .fd = pick_fd(), .revents = -1 };
    u[i].events = pick(2) ? 0x3fff : (short)(test_random(&rng) & 0x23ff);
    v[i] = u[i];
  }
  say("poll(%d entries)", n);
  agree(native(poll(u, (nfds_t)n, 0)), fdemu_poll(p, v, (size_t)n, 0));
  for (int i = 0; i < n; i++) {
    say("poll: descriptor %d, events %#x", u[i].fd, (unsigned)u[i].events);
    agree(u[i].revents, v[i].revents);
  }
}

static void do_ctl(void)
{
  static const uint32_t kinds[] = { EPOLLET, EPOLLET, 0, EPOLLONESHOT };
  int op = 1 + pick(3), fd = pick_fd();
  struct epoll_event e = { .data.fd = fd };

  e.events = PICK(kinds) | (uint32_t)(test_random(&rng) & 0x23c5);
  say("epoll_ctl(%d, %d, %#x)", op, fd, e.events);
  agree(native(epoll_ctl(EPOLL, op, fd, &e)),
        fdemu_epoll_ctl(p, EPOLL, op, fd, &e));
}

static void do_wait(void)
{
  struct epoll_event u[8] = { 0 }, v[8] = { 0 };
  int max = 1 + pick(8), n;

  say("epoll_wait(%d)", max);
  n = (int)native(epoll_wait(EPOLL, u, max, 0));
  agree(n, fdemu_epoll_wait(p, EPOLL, v, max, 0));
  for (int i = 0; i < n; i++) {
    agree(u[i].data.fd, v[i].data.fd);
    agree(u[i].events, v[i].events);
  }
}

static void step(void)
{
  static void (*const calls[])(void) = {
    do_write,  do_write, do_write,    do_write, do_write, do_read,
    do_read,   do_read,  do_read,     do_poll,  do_poll,  do_vector,
    do_ioctl,  do_ioctl, do_shutdown, do_close, do_pair,  do_pair,
    do_socket, do_misc,  do_ctl,      do_wait,  do_wait,
  };

  calls[pick((int)(sizeof calls / sizeof *calls))]();
}

/* ---- sequences -------------------------------------------------------- */

static void close_native(void)
{
  syscall(SYS_close_range, 3u, ~0u, 0);
}

static void sequence(uint64_t seed, int steps)
{
  struct fdemu_kernel *k = test_kernel();

  CHECK_EQ(fdemu_std_devices(k), 0);
  p = fdemu_proc_new(k);
  CHECK_EQ(fdemu_set_nofile(p, LIMIT, LIMIT), 0);
  for (int fd = 0; fd < 3; fd++)
    CHECK_EQ(fdemu_open(p, "/dev/null", O_RDWR, 0), fd);
  close_native();
  CHECK_EQ(epoll_create1(0), EPOLL);
  CHECK_EQ(fdemu_epoll_create1(p, 0), EPOLL);
  rng = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
  same = true;
  for (int i = 0; i < steps && same; i++) {
    step();
    if (!same)
      fprintf(stderr, "  seed %d, step %d\n", (int)seed, i);
  }
  CHECK(same);
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

int main(int argc, char **argv)
{
  static const int expected[] = {
    EAGAIN,     EBADF,        EMFILE,       EINVAL,          EPIPE,
    ECONNRESET, ECONNREFUSED, ENOTCONN,     EMSGSIZE,        ESPIPE,
    ENOTTY,     EOPNOTSUPP,   EAFNOSUPPORT, ESOCKTNOSUPPORT, EPROTONOSUPPORT
  };
  int steps = argc > 1 ? atoi(argv[1]) : 2000;
  struct rlimit limit;

  signal(SIGPIPE, SIG_IGN);
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = LIMIT;
  setrlimit(RLIMIT_NOFILE, &limit);
  for (size_t i = 0; i < ROOM; i++)
    data[i] = (char)(i * 7 + i / 251);
  loud = argc > 2;
  for (uint64_t seed = loud ? (uint64_t)atoi(argv[2]) : 1; seed <= 60; seed++) {
    sequence(seed, steps);
    if (loud)
      return test_summary();
  }
  close_native();
  for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
    say("%s happened", fdemu_errname(expected[i]));
    test_check(outcomes[expected[i]] > 20, __FILE__, __LINE__, what);
  }
  return test_summary();
}
