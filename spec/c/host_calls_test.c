/* host_calls_test.c - calls on descriptors of the host that few programs make */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fdemu_linux.h"
#include "host.h"

#define NO_WAIT 0x08 /* RWF_NOWAIT */
#define SYNC    0x04 /* RWF_SYNC */
#define NOWHERE UINT64_MAX

static uint64_t at(const void *addr)
{
  return (uint64_t)(uintptr_t)addr;
}

#define SYS(nr, ...) \
  fdemu_syscall(p, NULL, SYS_##nr, (const uint64_t[6]){ __VA_ARGS__ })
#define FD(n) (uint64_t)(fd[n])

#define SHOWN(nr, ...) \
  fdemu_syscall(p, &only_shown, SYS_##nr, (const uint64_t[6]){ __VA_ARGS__ })

/* ---- files ------------------------------------------------------------ */

static void of_files(void)
{
  uint64_t hint = 3, none = NOWHERE;
  struct flock l = {
    .l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -4, .l_len = 2
  };
  struct stat st;
  int h = memfd_create("f", 0), g = memfd_create("g", 0);
  loff_t from = 1, to = 2;

  begin();
  fd[0] = adopt(h);
  fd[1] = adopt(g);
  CHECK_EQ(fdemu_write(p, fd[0], "0123456789", 10), 10);
  CHECK_EQ(SYS(fchown, FD(0), none, getegid()), 0);
  CHECK_EQ(fstat(h, &st), 0);
  CHECK_EQ(st.st_gid, getegid());
  CHECK_EQ(SYS(fcntl, FD(0), F_SET_RW_HINT, at(&hint)), 0);
  hint = 0;
  CHECK_EQ(SYS(fcntl, FD(0), F_GET_RW_HINT, at(&hint)), 0);
  CHECK_EQ(hint, 3);
  CHECK_EQ(SYS(fcntl, FD(0), F_SET_RW_HINT, 0), -EFAULT);
  /* from the end, which is where the host has it */
  CHECK_EQ(SYS(fcntl, FD(0), F_SETLK, at(&l)), 0);
  l.l_whence = SEEK_SET;
  l.l_start = l.l_len = 0;
  CHECK_EQ(SYS(fcntl, FD(0), F_OFD_GETLK, at(&l)), 0);
  CHECK(l.l_type == F_WRLCK && l.l_start == 6 && l.l_len == 2);
  CHECK_EQ(SYS(readahead, FD(0), 0, 10), 0);
  CHECK_EQ(SYS(fadvise64, FD(0), 0, 10, 99), -EINVAL);
  CHECK_EQ(SYS(sync_file_range, FD(0), 0, 10, 99), -EINVAL);
  CHECK_EQ(SYS(syncfs, FD(0)), 0);
  CHECK_EQ(SYS(copy_file_range, FD(0), at(&from), FD(1), at(&to), 5, 0), 5);
  CHECK(from == 6 && to == 7);
  CHECK_EQ(fdemu_pread(p, fd[1], big, 9, 2), 5);
  CHECK(memcmp(big, "12345", 5) == 0);
  end();
}

/* Elements of a vector, of which some were dealt with before. */
static void of_vectors(void)
{
  static char a[70000];
  struct iovec v[3] = { { a, 1 }, { NULL, 0 }, { a, sizeof a } };
  struct fdemu_req w = { .call = &fdemu_calls[FDEMU_WRITEV],
                         .iov = v,
                         .iovcnt = 3 };
  size_t n = 0;

  begin_pipe();
  w.fd = fd[1];
  CHECK_EQ(fdemu_submit(p, &w), FDEMU_PENDING);
  while (n < 70001) {
    int64_t m = fdemu_read(p, fd[0], big, 9999);
    if (!CHECK(m > 0))
      break;
    n += (size_t)m;
  }
  fdemu_run(k);
  CHECK_EQ(w.result, 70001);
  CHECK_EQ(SYS(preadv2, FD(0), at(v), 1, NOWHERE, NOWHERE, NO_WAIT), -EAGAIN);
  end();
}

/* Other flags do not hide that RWF_NOWAIT is nothing for it. */
static void of_fifos(void)
{
  char path[] = "/tmp/fdemu-host-XXXXXX", name[64], c = 'x';
  struct iovec v = { &c, 1 };
  struct iovec pieces[3] = { { big, 5000 }, { big, 5000 }, { big, 5000 } };
  int h;

  begin();
  CHECK(mkdtemp(path) != NULL);
  snprintf(name, sizeof name, "%s/fifo", path);
  CHECK_EQ(mkfifo(name, 0600), 0);
  h = open(name, O_RDWR | O_NONBLOCK);
  fd[0] = adopt(h);
  CHECK_EQ(SYS(pwritev2, FD(0), at(&v), 1, NOWHERE, NOWHERE, SYNC), 1);
  CHECK_EQ(SYS(read, FD(0), at(&c), 1), 1);
  CHECK_EQ(fdemu_fcntl(p, fd[0], F_GETFL, 0) & O_NONBLOCK, O_NONBLOCK);
  /* in pieces, where they end or not */
  CHECK_EQ(SYS(writev, FD(0), at(pieces), 3), 15000);
  CHECK_EQ(SYS(read, FD(0), at(big), 20000), 15000);
  unlink(name);
  rmdir(path);
  end();
}

/* ---- waiting ---------------------------------------------------------- */

/* A host that has no number left to watch with is looked at again and again. */
static void without_numbers(void)
{
  struct rlimit before, few;
  struct epoll_event ev = { .events = EPOLLOUT };
  int ep;

  begin_pipe();
  ep = fdemu_epoll_create1(p, 0);
  CHECK_EQ(fdemu_epoll_ctl(p, ep, EPOLL_CTL_ADD, fd[0], &ev), 0);
  CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  few = before;
  few.rlim_cur = 3;
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  ev.events = EPOLLIN;
  CHECK_EQ(fdemu_epoll_ctl(p, ep, EPOLL_CTL_MOD, fd[0], &ev), 0);
  CHECK_EQ(fdemu_epoll_wait(p, ep, &ev, 1, 0), 0);
  CHECK_EQ(write(host[1], "x", 1), 1);
  CHECK_EQ(fdemu_epoll_wait(p, ep, &ev, 1, 0), 1);
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  end();
}

/* ---- sockets ---------------------------------------------------------- */

static void owners(void)
{
  int me, who = 0;

  begin_pair(SOCK_STREAM);
  me = fdemu_getpid(p);
  CHECK_EQ(fdemu_ioctl(p, fd[0], 0x8902, &me), 0);  /* SIOCSPGRP */
  CHECK_EQ(fdemu_ioctl(p, fd[0], 0x8903, &who), 0); /* FIOGETOWN */
  CHECK_EQ(who, me);
  CHECK_EQ(fdemu_ioctl(p, fd[0], 0x8901, NULL), -EFAULT);
  CHECK_EQ(fcntl(host[0], F_GETOWN), 0); /* the host's has none */
  end();
}

static void patience(void)
{
  struct timeval tv = { 3, 0 };

  begin_pair(SOCK_STREAM);
  CHECK_EQ(fdemu_setsockopt(p, fd[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv),
           0);
  fdemu_fcntl(p, fd[0], F_SETFL, O_NONBLOCK);
  while (fdemu_write(p, fd[0], big, sizeof big) > 0)
    ;
  fdemu_fcntl(p, fd[0], F_SETFL, 0);
  CHECK_EQ(fdemu_write(p, fd[0], big, 1), -EAGAIN);
  CHECK_EQ(fdemu_now(k), INT64_C(3000000000));
  CHECK_EQ(fdemu_send(p, fd[0], big, 1, 0), -EAGAIN);
  CHECK_EQ(fdemu_now(k), INT64_C(6000000000));
  CHECK_EQ(fdemu_send(p, fd[0], big, 1, MSG_DONTWAIT), -EAGAIN);
  CHECK_EQ(fdemu_now(k), INT64_C(6000000000));
  end();
}

/* MSG_WAITALL looks at it again. */
static void peeking(void)
{
  struct fdemu_req r = { .call = &fdemu_recvfrom_call,
                         .buf = { big, 4 },
                         .cmd = MSG_WAITALL | MSG_PEEK };

  begin_pair(SOCK_STREAM);
  r.fd = fd[0];
  CHECK_EQ(fdemu_write(p, fd[1], "01", 2), 2);
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  CHECK_EQ(fdemu_write(p, fd[1], "23", 2), 2);
  CHECK(fdemu_tick(k, INT64_MAX));
  fdemu_run(k);
  CHECK_EQ(r.result, 4);
  CHECK(memcmp(big, "0123", 4) == 0);
  CHECK_EQ(fdemu_recv(p, fd[0], big, 9, 0), 4);
  end();
}

/* What recvmmsg(2) could not say any more is said by the next call, and poll. */
static void leave_error(int type)
{
  struct iovec v = { big, 9 };
  struct mmsghdr m[2] = { { .msg_hdr = { .msg_iov = &v, .msg_iovlen = 1 } } };

  begin_pair(type);
  CHECK_EQ(fdemu_write(p, fd[1], "1", 1), 1);
  m[1].msg_hdr.msg_iovlen = 9999; /* EMSGSIZE */
  CHECK_EQ(SYS(recvmmsg, FD(0), at(m), 2, 0, 0), 1);
}

static void errors_that_were_left(void)
{
  struct pollfd pfd = { .events = POLLIN };
  int error = 0;
  socklen_t n = sizeof error;
  char c;

  leave_error(SOCK_DGRAM);
  pfd.fd = fd[0];
  CHECK_EQ(fdemu_poll(p, &pfd, 1, 0), 1);
  CHECK_EQ(pfd.revents, POLLERR);
  CHECK_EQ(fdemu_getsockopt(p, fd[0], SOL_SOCKET, SO_ERROR, &error, &n), 0);
  CHECK_EQ(error, EMSGSIZE);
  CHECK_EQ(fdemu_recv(p, fd[0], &c, 1, MSG_DONTWAIT), -EAGAIN);
  end();
  leave_error(SOCK_DGRAM);
  CHECK_EQ(fdemu_recv(p, fd[0], &c, 1, MSG_DONTWAIT), -EMSGSIZE);
  end();
  leave_error(SOCK_STREAM);
  CHECK_EQ(fdemu_write(p, fd[1], "x", 1), 1);
  CHECK_EQ(fdemu_recv(p, fd[0], &c, 1, MSG_DONTWAIT), 1);
  CHECK_EQ(fdemu_recv(p, fd[0], &c, 1, MSG_DONTWAIT), -EMSGSIZE);
  CHECK_EQ(fdemu_recv(p, fd[0], &c, 1, MSG_DONTWAIT), -EAGAIN);
  end();
  leave_error(SOCK_STREAM);
  CHECK_EQ(fdemu_write(p, fd[0], "x", 1), -EMSGSIZE);
  CHECK_EQ(fdemu_write(p, fd[0], "x", 1), 1);
  end();
}

static void options(void)
{
  int n = 0, i;
  socklen_t size = sizeof n;

  begin_pair(SOCK_STREAM);
  /* descriptors in options are not the host's */
  CHECK_EQ(fdemu_getsockopt(p, fd[0], SOL_SOCKET, 77, &n, &size), -ENOPROTOOPT);
  i = fd[1];
  CHECK_EQ(fdemu_setsockopt(p, fd[0], SOL_SOCKET, SO_ATTACH_BPF, &i, sizeof i),
           -EINVAL);
  i = 99;
  CHECK_EQ(fdemu_setsockopt(p, fd[0], SOL_SOCKET, SO_ATTACH_BPF, &i, sizeof i),
           -EBADF);
  CHECK_EQ(SYS(setsockopt, FD(0), SOL_SOCKET, SO_RCVBUF, at(&n), NOWHERE),
           -EINVAL);
  CHECK_EQ(SYS(setsockopt, FD(0), SOL_SOCKET, SO_RCVBUF, at(big), 40000),
           -ENOBUFS);
  size = (socklen_t)-1;
  CHECK_EQ(SYS(getsockopt, FD(0), SOL_SOCKET, SO_TYPE, at(&n), at(&size)),
           -EINVAL);
  CHECK_EQ(SHOWN(setsockopt, FD(0), SOL_SOCKET, SO_ATTACH_FILTER, at(big), 16),
           -EFAULT);
  CHECK_EQ(SYS(shutdown, FD(1), SHUT_RDWR), 0);
  end();
  begin();
  fd[0] = adopt(socket(AF_UNIX, SOCK_STREAM, 0));
  size = sizeof big;
  CHECK_EQ(SYS(getpeername, FD(0), at(big), at(&size)), -ENOTCONN);
  end();
}

/* Credentials are one's own, which the host knows by another number. */
static int64_t send_creds(struct ucred u, size_t len)
{
  union {
    struct cmsghdr c;
    char room[CMSG_SPACE(sizeof(struct ucred))];
  } x = { .c = { CMSG_LEN(len), SOL_SOCKET, SCM_CREDENTIALS } };
  char byte = 'm';
  struct iovec v = { &byte, 1 };
  struct msghdr m = { .msg_iov = &v,
                      .msg_iovlen = 1,
                      .msg_control = &x,
                      .msg_controllen = CMSG_SPACE(len) };

  memcpy(CMSG_DATA(&x.c), &u, sizeof u);
  return SYS(sendmsg, FD(0), at(&m), 0);
}

static void control_data(void)
{
  static char room[10000];
  struct ucred u = { 0, FDEMU_UID, FDEMU_UID };
  char byte = 'm';
  struct iovec v = { &byte, 1 };
  struct msghdr m = { .msg_iov = &v,
                      .msg_iovlen = 1,
                      .msg_control = room,
                      .msg_controllen = sizeof room };

  begin_pair(SOCK_STREAM);
  u.pid = fdemu_getpid(p);
  CHECK_EQ(send_creds(u, sizeof u), 1);
  CHECK_EQ(send_creds(u, sizeof u - 4), -EINVAL);
  u.uid++;
  CHECK_EQ(send_creds(u, sizeof u), -EPERM);
  CHECK_EQ(SYS(sendmsg, FD(0), at(&m), 0), -ENOBUFS);
  m.msg_controllen = 32; /* of length 0: malformed */
  CHECK_EQ(SYS(sendmsg, FD(0), at(&m), 0), -EINVAL);
  end();
}

/* A network is the host's, and so are its names. */
static void names_of_networks(void)
{
  union {
    struct sockaddr any;
    struct sockaddr_in in;
  } a = { .in = { .sin_family = AF_INET } }, from;
  struct iovec v = { big, 5 };
  struct msghdr m = {
    .msg_name = &a, .msg_namelen = sizeof a.in, .msg_iov = &v, .msg_iovlen = 1
  };
  socklen_t n = sizeof a;
  int h = socket(AF_INET, SOCK_DGRAM, 0);

  a.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (h < 0 || bind(h, &a.any, sizeof a.in) < 0) {
    close(h);
    return; /* there is none */
  }
  begin();
  fd[0] = adopt(h);
  CHECK_EQ(fdemu_getsockname(p, fd[0], &a.any, &n), 0);
  CHECK(n == sizeof a.in && a.in.sin_port != 0);
  memcpy(big, "hello", 5);
  CHECK_EQ(fdemu_sendmsg(p, fd[0], &m, 0), 5);
  memset(&from, 0, sizeof from);
  m.msg_name = &from;
  memset(big, 0, 5);
  CHECK_EQ(fdemu_recvmsg(p, fd[0], &m, 0), 5);
  CHECK(memcmp(big, "hello", 5) == 0);
  CHECK_EQ(m.msg_namelen, sizeof a.in);
  CHECK_EQ(from.in.sin_port, a.in.sin_port);
  end();
}

/* ---- moving ----------------------------------------------------------- */

static void moves(void)
{
  int h = memfd_create("f", 0), f;
  loff_t *from = (loff_t *)(void *)shown;
  int64_t n;

  begin_pipe();
  f = adopt(h);
  CHECK_EQ(fdemu_write(p, f, big, 100000), 100000);
  fdemu_fcntl(p, fd[1], F_SETFL, O_NONBLOCK);
  *from = 0;
  n = SYS(sendfile, FD(1), (uint64_t)f, at(from), 65536);
  CHECK_EQ(n, 65536);
  CHECK_EQ(SYS(sendfile, FD(1), (uint64_t)f, at(from), 5), -EAGAIN);
  CHECK_EQ(SHOWN(splice, FD(0), 0, (uint64_t)f, at(big), 5, 0), -EFAULT);
  end();
}

/* ---- what goes wrong -------------------------------------------------- */

/* The caller's number, and he has closed it. */
static void a_closed_number(void)
{
  struct fdemu_file *f = NULL;
  struct stat st;
  uint64_t hint;
  int h = memfd_create("f", 0);

  begin();
  CHECK_EQ(fdemu_host_new(k, h, false, &f), 0);
  fd[0] = fdemu_install(p, f, 0, false);
  close(h);
  CHECK_EQ(fdemu_fcntl(p, fd[0], F_GETFL, 0) & O_ACCMODE, O_RDWR);
  CHECK_EQ(fdemu_fcntl(p, fd[0], F_SETFL, O_APPEND), -EBADF);
  CHECK_EQ(SYS(fcntl, FD(0), F_GET_RW_HINT, at(&hint)), -EBADF);
  CHECK_EQ(fdemu_fstat(p, fd[0], &st), -EBADF);
  CHECK_EQ(SYS(fstatfs, FD(0), at(big)), -EBADF);
  end();
}

static int stored; /* what the accessor says to a store */

static int any_store(const struct fdemu_mem *m, void *addr, const void *src,
                     size_t n)
{
  return stored == 0 ? test_store(m, addr, src, n) : stored;
}

static const struct fdemu_mem odd = { test_load, any_store };

#define ODD(nr, ...) \
  fdemu_syscall(p, &odd, SYS_##nr, (const uint64_t[6]){ __VA_ARGS__ })

/* Memory that can be read only, or is not there just now. */
static void odd_memory(void)
{
  struct iovec v = { big, 1 };
  struct msghdr m = {
    .msg_iov = &v, .msg_iovlen = 1, .msg_control = big, .msg_controllen = 100
  };
  int on = 1;
  loff_t from = 0;

  begin_pair(SOCK_STREAM);
  CHECK_EQ(fdemu_write(p, fd[1], "x", 1), 1);
  stored = -ENOMEM;
  CHECK_EQ(ODD(read, FD(0), at(big), 1), -ENOMEM);
  stored = 0;
  CHECK_EQ(ODD(read, FD(0), at(big), 1), 1);
  /* more than is kept on the stack */
  test_heap.fail_at = test_heap.count + 1;
  CHECK_EQ(ODD(sendto, FD(0), at(big), 60000, 0, 0, 0), -ENOMEM);
  test_heap.fail_at = test_heap.count + 1;
  CHECK_EQ(ODD(recvfrom, FD(0), at(big), 60000, 0, 0, 0), -ENOMEM);
  test_heap.fail_at = 0;
  CHECK_EQ(fdemu_setsockopt(p, fd[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on),
           0);
  CHECK_EQ(fdemu_write(p, fd[1], "x", 1), 1);
  v.iov_base = shown;
  memcpy(shown + 8, &v, sizeof v);
  m.msg_iov = (struct iovec *)(void *)(shown + 8);
  memcpy(shown + 64, &m, sizeof m);
  CHECK_EQ(SHOWN(recvmsg, FD(0), at(shown + 64), 0), 1); /* as Linux */
  end();
  begin_pipe();
  fd[0] = adopt(memfd_create("f", 0));
  CHECK_EQ(fdemu_write(p, fd[0], "x", 1), 1);
  stored = -EFAULT;
  CHECK_EQ(ODD(sendfile, FD(1), FD(0), at(&from), 1), -EFAULT);
  stored = 0;
  end();
}

static void a_filter_that_is_elsewhere(void)
{
  struct {
    unsigned short len;
    void *code;
  } program = { 1, big };

  begin_pair(SOCK_STREAM);
  memcpy(shown, &program, sizeof program);
  CHECK_EQ(SHOWN(setsockopt, FD(0), SOL_SOCKET, SO_ATTACH_FILTER, at(shown),
                 sizeof program),
           -EFAULT);
  end();
}

/* A descriptor that comes and finds no memory is closed. */
static void an_arrival_without_memory(void)
{
  union {
    struct cmsghdr c;
    char room[CMSG_SPACE(sizeof(int))];
  } x = { .c = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
  char byte = 'm';
  struct iovec v = { &byte, 1 };
  struct msghdr m = { .msg_iov = &v,
                      .msg_iovlen = 1,
                      .msg_control = &x,
                      .msg_controllen = sizeof x };

  begin_pair(SOCK_STREAM);
  memcpy(CMSG_DATA(&x.c), &fd[0], sizeof fd[0]);
  CHECK_EQ(SYS(sendmsg, FD(0), at(&m), 0), 1);
  test_heap.fail_at = test_heap.count + 1;
  CHECK_EQ(SYS(recvmsg, FD(1), at(&m), 0), 1);
  test_heap.fail_at = 0;
  CHECK_EQ(m.msg_flags, MSG_CTRUNC);
  CHECK_EQ(x.c.cmsg_len, CMSG_LEN(0));
  CHECK_EQ(fdemu_dup(p, fd[0]), fd[1] + 1);
  end();
}

int main(void)
{
  a_closed_number();
  odd_memory();
  a_filter_that_is_elsewhere();
  an_arrival_without_memory();
  of_files();
  of_vectors();
  of_fifos();
  without_numbers();
  owners();
  patience();
  peeking();
  errors_that_were_left();
  options();
  control_data();
  names_of_networks();
  moves();
  return test_summary();
}
