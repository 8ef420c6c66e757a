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
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "native.h"

#define LIMIT 20
#define ROOM  300000
#define EPOLL 3 /* the number of an epoll instance that is never closed */

static char a[ROOM], b[ROOM], data[ROOM];

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

static void do_read(void)
{
  int fd = pick_fd();
  size_t n = pick_size();
  int64_t got = native(read(fd, a, n));

  say("read(%d, %zu)", fd, n);
  if (agree(got, fdemu_read(p, fd, b, n)))
    agree_bytes(a, b, got);
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
      agree_bytes(a, b, got);
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
  close_both(fd);
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
  struct pollfd u[POLLS];
  int n = pick(7);

  for (int i = 0; i < n; i++) {
    u[i] = (struct pollfd){ .fd = pick_fd(), .revents = -1 };
    u[i].events = pick(2) ? 0x3fff : (short)(test_random(&rng) & 0x23ff);
  }
  poll_both(u, n);
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

static int pick_flags(void)
{
  static const int flags[] = { 0,         0,           MSG_DONTWAIT, MSG_PEEK,
                               MSG_PEEK,  MSG_TRUNC,   MSG_WAITALL,  MSG_EOR,
                               MSG_TRUNC, MSG_NOSIGNAL };
  int f = PICK(flags) | (pick(3) == 0 ? PICK(flags) : 0);

  if (pick(10) == 0)
    f |= MSG_OOB;
  return f;
}

static void do_send(void)
{
  int fd = pick_fd(), flags = pick_flags();
  size_t n = pick_size();

  say("send(%d, %zu, %#x)", fd, n, (unsigned)flags);
  agree(native(send(fd, data, n, flags)), fdemu_send(p, fd, data, n, flags));
}

static void do_recv(void)
{
  int fd = pick_fd(), flags = pick_flags();
  size_t n = pick_size();
  int64_t got = native(recv(fd, a, n, flags));

  say("recv(%d, %zu, %#x)", fd, n, (unsigned)flags);
  if (agree(got, fdemu_recv(p, fd, b, n, flags)))
    agree_bytes(a, b, got < (int64_t)n ? got : (int64_t)n);
}

static int type_of(int fd)
{
  int type = -1;
  socklen_t n = sizeof type;

  getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n);
  return type;
}

/* Cycles are collected later on Linux: only datagram sockets are sent, and
 * nothing is sent with them. */
static int pick_passed(int over)
{
  int fd = pick_fd();

  if (type_of(fd) > 0 && (type_of(fd) != SOCK_DGRAM || type_of(over) != 5))
    return EPOLL + (pick(20) == 0 ? LIMIT : 0);
  return fd;
}

/* A control message in c[]; returns its size. */
static size_t put_rights(char *c, size_t at, int over)
{
  struct cmsghdr h = { 0, SOL_SOCKET, SCM_RIGHTS };
  int n = pick(6) == 0 ? 254 - pick(3) : pick(4);

  h.cmsg_len = CMSG_LEN((size_t)n * sizeof n);
  if (pick(40) == 0)
    h.cmsg_len = (size_t)pick(40);
  if (pick(40) == 0)
    h.cmsg_type = 77;
  if (pick(40) == 0)
    h.cmsg_level = 0;
  memcpy(c + at, &h, sizeof h);
  for (int i = 0; i < n; i++) {
    int fd = n < 10 ? pick_passed(over) : EPOLL;
    memcpy(c + at + CMSG_LEN(0) + (size_t)i * sizeof fd, &fd, sizeof fd);
  }
  return at + CMSG_ALIGN(h.cmsg_len);
}

static void do_sendmsg(void)
{
  char name[130] = "\1\0", c[4096];
  int fd = pick_fd(), flags = pick_flags();
  struct iovec v[3];
  struct msghdr m = { .msg_iov = v, .msg_iovlen = (size_t)pick(4) };
  size_t at = 0;

  for (size_t i = 0; i < sizeof c; i += sizeof fd)
    memcpy(c + i, &(int){ EPOLL }, sizeof fd); /* what a bad length takes in */
  for (size_t i = 0; i < m.msg_iovlen; i++)
    v[i] = (struct iovec){ data, pick_size() / 4 };
  for (int n = pick(4) - 1; n > 0; n--)
    at = put_rights(c, at, fd);
  m.msg_control = c;
  m.msg_controllen = at - (at > 8 && pick(20) == 0 ? 8 : 0);
  if (pick(20) == 0) {
    m.msg_name = name;
    m.msg_namelen = (socklen_t)pick(130);
  }
  if (pick(40) == 0)
    m.msg_iovlen = 1025;
  say("sendmsg(%d, %#x, control %zu)", fd, (unsigned)flags, m.msg_controllen);
  agree(native(sendmsg(fd, &m, flags)), fdemu_sendmsg(p, fd, &m, flags));
}

/* Of credentials it only counts whether they were said. */
static void same_control(char *x, char *y, size_t n)
{
  for (size_t at = 0; at + sizeof(struct cmsghdr) <= n;) {
    struct cmsghdr h;
    memcpy(&h, x + at, sizeof h);
    if (h.cmsg_type == SCM_CREDENTIALS) {
      memset(x + at + sizeof h, x[at + sizeof h] != 0, h.cmsg_len - sizeof h);
      memset(y + at + sizeof h, y[at + sizeof h] != 0, h.cmsg_len - sizeof h);
    }
    at += CMSG_ALIGN(h.cmsg_len);
  }
  agree(memcmp(x, y, n), 0);
}

static void do_recvmsg(void)
{
  static const size_t rooms[] = { 0, 8, 16, 17, 20, 24, 28, 32, 40, 64, 2000 };
  char c[2][2000] = { 0 };
  int fd = pick_fd(), flags = pick_flags();
  struct iovec v = { a, pick_size() }, w = { b, v.iov_len };
  struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
  struct msghdr n = { .msg_iov = &w, .msg_iovlen = 1 };
  int64_t got;

  if (pick(3) == 0)
    flags |= MSG_CMSG_CLOEXEC;
  m.msg_control = pick(10) > 0 ? c[0] : NULL;
  n.msg_control = m.msg_control != NULL ? c[1] : NULL;
  m.msg_controllen = n.msg_controllen = PICK(rooms);
  say("recvmsg(%d, %zu, %#x, control %zu)", fd, v.iov_len, (unsigned)flags,
      m.msg_controllen);
  got = native(recvmsg(fd, &m, flags));
  if (!agree(got, fdemu_recvmsg(p, fd, &n, flags)))
    return;
  agree_bytes(a, b, got < (int64_t)v.iov_len ? got : (int64_t)v.iov_len);
  agree(m.msg_flags, n.msg_flags);
  if (agree((int64_t)m.msg_controllen, (int64_t)n.msg_controllen) && got >= 0 &&
      m.msg_control != NULL)
    same_control(c[0], c[1], m.msg_controllen);
}

static void do_option(void)
{
  static const int options[] = {
    SO_SNDBUF,    SO_SNDBUF,    SO_SNDBUF,   SO_RCVBUF,      SO_PASSCRED,
    SO_PASSCRED,  SO_PEEK_OFF,  SO_PEEK_OFF, SO_ERROR,       SO_TYPE,
    SO_RCVLOWAT,  SO_KEEPALIVE, SO_LINGER,   SO_PRIORITY,    SO_ACCEPTCONN,
    SO_REUSEPORT, SO_DOMAIN,    SO_PROTOCOL, SO_SNDBUFFORCE, SO_DEBUG,
    SO_SNDLOWAT,  SO_MARK,      0,           SO_BSDCOMPAT,   100
  };
  static const int values[] = { -1, 0, 1, 2, 7, 5000, 60000, 212992, 4194304 };
  int option = PICK(options), fd = pick_fd(), level = SOL_SOCKET;
  int u[4] = { PICK(values) }, v[4] = { 0 };
  socklen_t n = pick(8) == 0 ? (socklen_t)pick(17) : sizeof *u, m;

  if (pick(30) == 0)
    level = 6;
  if (option == SO_SNDBUF && fd == EPOLL + 1 && u[0] == 4194304)
    u[0] = 5; /* enough memory is one socket's */
  if (pick(2)) {
    say("setsockopt(%d, %d, %d, %d, %u)", fd, level, option, u[0], n);
    agree(native(setsockopt(fd, level, option, u, n)),
          fdemu_setsockopt(p, fd, level, option, u, n));
  }
  m = n;
  u[0] = 0;
  say("getsockopt(%d, %d, %d, %u)", fd, level, option, n);
  agree(native(getsockopt(fd, level, option, u, &n)),
        fdemu_getsockopt(p, fd, level, option, v, &m));
  agree(n, m);
  agree(u[0], v[0]);
  agree(u[1], v[1]);
}

static void step(void)
{
  static void (*const calls[])(void) = {
    do_write,   do_write,   do_write,    do_write,  do_write,   do_read,
    do_read,    do_read,    do_read,     do_poll,   do_poll,    do_vector,
    do_ioctl,   do_ioctl,   do_shutdown, do_close,  do_pair,    do_pair,
    do_socket,  do_misc,    do_ctl,      do_wait,   do_wait,    do_send,
    do_send,    do_recv,    do_recv,     do_recv,   do_sendmsg, do_sendmsg,
    do_recvmsg, do_recvmsg, do_recvmsg,  do_option, do_option,
  };

  PICK(calls)();
}

/* ---- sequences -------------------------------------------------------- */

static void sequence(uint64_t seed, int steps)
{
  begin(LIMIT);
  CHECK_EQ(epoll_create1(0), EPOLL);
  CHECK_EQ(fdemu_epoll_create1(p, 0), EPOLL);
  make_steps(seed, steps, step);
  end();
}

int main(int argc, char **argv)
{
  static const int expected[] = {
    EAGAIN,       EBADF,        EMFILE,       EINVAL,          EPIPE,
    ECONNRESET,   ECONNREFUSED, ENOTCONN,     EMSGSIZE,        ESPIPE,
    ENOTTY,       EOPNOTSUPP,   EAFNOSUPPORT, ESOCKTNOSUPPORT, EPROTONOSUPPORT,
    ETOOMANYREFS, EISCONN,      ENOPROTOOPT,  EACCES,          EPERM
  };
  int steps = argc > 1 ? atoi(argv[1]) : 3000;

  signal(SIGPIPE, SIG_IGN);
  limit_files(LIMIT);
  drop_privileges(54321); /* who has no descriptors in flight elsewhere */
  for (size_t i = 0; i < ROOM; i++)
    data[i] = (char)(i * 7 + i / 251);
  loud = argc > 2;
  for (uint64_t seed = loud ? (uint64_t)atoi(argv[2]) : 1; seed <= 60; seed++) {
    sequence(seed, steps);
    if (loud)
      return test_summary();
  }
  close_native();
  CHECK_HAPPENED(expected);
  return test_summary();
}
