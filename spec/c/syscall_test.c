/* syscall_test.c - calls by number give what Linux gives: each is made twice,
 * through one function pointer, by this process and by an emulated one */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fdemu_linux.h"
#include "test.h"

typedef int64_t syscall_fn(long nr, const uint64_t args[6]);

static struct fdemu_proc *proc;

static int64_t by_linux(long nr, const uint64_t a[6])
{
  long n = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);

  return n < 0 ? -errno : n;
}

static int64_t by_fdemu(long nr, const uint64_t a[6])
{
  return fdemu_syscall(proc, &test_mem, nr, a);
}

#define P(x)        ((uint64_t)(uintptr_t)(x))
#define DO(nr, ...) log[n++] = fn(SYS_##nr, (const uint64_t[6]){ __VA_ARGS__ })

/* flock(2) and the locks of fcntl(2) on the ends of a pipe. */
static size_t locks(syscall_fn *fn, int64_t log[], size_t n)
{
  struct flock fl = { .l_type = F_WRLCK, .l_start = 7, .l_len = 3 };
  struct flock q = { .l_type = F_RDLCK };

  DO(flock, 100, LOCK_SH | LOCK_NB);
  DO(flock, 100, LOCK_EX);
  DO(flock, 100, 0);
  DO(flock, 99, LOCK_SH);
  DO(fcntl, 100, F_SETLK, 0);
  DO(fcntl, 100, F_SETLK, P(&fl));
  DO(fcntl, 101, F_SETLKW, P(&fl));
  DO(fcntl, 100, F_OFD_GETLK, P(&q));
  log[n++] = q.l_type << 16 | (int)q.l_start << 8 | (int)q.l_len;
  q = (struct flock){ .l_type = F_UNLCK };
  DO(fcntl, 100, F_GETLK, P(&q));
  DO(fcntl, 100, F_GETLK, 0);
  DO(fcntl, 99, F_GETLK, 0);
  q.l_type = F_RDLCK;
  DO(fcntl, 100, F_OFD_SETLK, P(&q));
  fl.l_pid = 1;
  DO(fcntl, 101, F_OFD_SETLK, P(&fl));
  fl.l_start = INT64_MAX;
  DO(fcntl, 101, F_SETLK, P(&fl));
  DO(flock, 100, LOCK_UN);
  return n;
}

/* Makes the calls; log has their results and what they filled in. 100 and up
 * are the descriptors in use, so that both sides have the same numbers. */
static size_t calls(syscall_fn *fn, int64_t log[])
{
  char buf[64] = "";
  char a[] = "one", b[] = "three";
  struct iovec out[2] = { { a, 3 }, { b, 5 } };
  struct iovec in[3] = { { buf, 2 }, { buf + 2, 0 }, { buf + 8, 40 } };
  struct pollfd pfd[2] = { { 100, POLLIN, 0 }, { 101, POLLOUT, 0 } };
  struct timespec none = { 0, 0 };
  struct stat st = { 0 };
  int fds[2] = { -1, -1 }, count = -1;
  size_t n = 0;

  log[n++] = fn(SYS_pipe2, (const uint64_t[6]){ P(fds), O_NONBLOCK });
  log[n++] = fn(SYS_dup2, (const uint64_t[6]){ (uint64_t)fds[0], 100 });
  log[n++] =
      fn(SYS_dup3, (const uint64_t[6]){ (uint64_t)fds[1], 101, O_CLOEXEC });
  DO(close, (uint64_t)fds[0]);
  DO(close, (uint64_t)fds[1]);
  DO(read, 100, P(buf), 10);
  DO(writev, 101, P(out), 2);
  DO(ioctl, 100, FIONREAD, P(&count));
  log[n++] = count;
  DO(poll, P(pfd), 2, 0);
  log[n++] = pfd[0].revents | pfd[1].revents << 16;
  DO(readv, 100, P(in), 3);
  log[n++] = memcmp(buf, "on", 2) == 0 && memcmp(buf + 8, "ethree", 6) == 0;
  DO(ppoll, P(pfd), 1, P(&none), 0);
  DO(write, 100, P("x"), 1);
  DO(pread64, 100, P(buf), 1, 0);
  DO(pread64, 100, P(buf), 1, (uint64_t)-1);
  DO(readv, 100, P(in), (uint64_t)-1);
  DO(readv, 100, P(in), 1025);
  DO(preadv2, 100, P(in), 3, (uint64_t)-100, 0, 64);
  DO(pwritev2, 101, P(out), 2, (uint64_t)INT64_MIN, 0, 64);
  DO(lseek, 100, 0, SEEK_CUR);
  DO(fcntl, 101, F_GETFD);
  DO(fcntl, 101, F_GETFL);
  DO(fcntl, 101, F_GETPIPE_SZ);
  DO(fcntl, 101, F_DUPFD, 102);
  DO(fstat, 102, P(&st));
  log[n++] = st.st_mode;
  DO(fstat, 99, P(&st));
  n = locks(fn, log, n);
  DO(close_range, 101, 102, 0);
  DO(read, 100, P(buf), 1);
  DO(close, 100);
  DO(close, 100);
  DO(openat, (uint64_t)AT_FDCWD, P("/dev/full"), O_RDWR);
  log[n++] = fn(SYS_dup2, (const uint64_t[6]){ (uint64_t)log[n - 1], 100 });
  DO(write, 100, P("x"), 1);
  DO(read, 100, P(buf), 64);
  DO(openat, (uint64_t)AT_FDCWD, P("/dev/none"), O_RDWR);
  DO(ioctl, 100, 0x12345678, 0);
  DO(close_range, 3, ~0u, 0);
  return n;
}

/* What waits, and what is waited for. 100 is an eventfd, 101 an epoll. */
static size_t event_calls(syscall_fn *fn, int64_t log[])
{
  struct epoll_event in = { .events = EPOLLIN, .data.u64 = 0x123456789abcdef },
                     out[3] = { { 0 } };
  struct timespec none = { 0, 0 }, odd = { 0, 1000000000 }, second = { 1, 0 };
  struct timeval at_once = { 0, 0 }, carried = { -1, 1000000 };
  uint64_t five = 5, got = 0, mask = 0, pair[2] = { P(&mask), 8 };
  uint64_t set[3] = { 0 };
  size_t n = 0;

  DO(eventfd2, 5, EFD_NONBLOCK | EFD_SEMAPHORE);
  log[n++] = fn(SYS_dup2, (const uint64_t[6]){ (uint64_t)log[n - 1], 100 });
  DO(eventfd, 1);
  DO(eventfd2, 0, 2);
  DO(epoll_create, 0);
  DO(epoll_create, 1);
  DO(epoll_create1, 1);
  DO(epoll_create1, EPOLL_CLOEXEC);
  log[n++] = fn(SYS_dup2, (const uint64_t[6]){ (uint64_t)log[n - 1], 101 });
  DO(epoll_wait, 101, P(out), 3, 0);
  DO(epoll_ctl, 101, EPOLL_CTL_ADD, 100, P(&in));
  DO(epoll_ctl, 101, EPOLL_CTL_ADD, 100, P(&in));
  DO(epoll_ctl, 101, EPOLL_CTL_ADD, 101, P(&in));
  DO(epoll_ctl, 101, EPOLL_CTL_MOD, 100, 0);
  DO(epoll_wait, 101, P(out), 3, 0);
  log[n++] = out[0].events;
  log[n++] = (int64_t)out[0].data.u64;
  DO(epoll_wait, 101, 0, 3, 0);
  DO(epoll_wait, 101, P(out), 0, 0);
  DO(epoll_wait, 101, P(out), (uint64_t)-1, 0);
  DO(epoll_wait, 100, P(out), 1, 0);
  DO(epoll_pwait, 101, P(out), 3, (uint64_t)-1, P(&mask), 8);
  DO(epoll_pwait, 101, P(out), 3, 0, P(&mask), 7);
  DO(epoll_pwait, 101, P(out), 3, 0, 0, 7);
  DO(epoll_pwait2, 101, P(out), 3, P(&none), 0, 0);
  DO(epoll_pwait2, 101, P(out), 3, P(&odd), 0, 0);
  DO(epoll_pwait2, 101, P(out), 3, 0, 0, 0);
  DO(read, 100, P(&got), 8);
  log[n++] = (int64_t)got;
  DO(write, 100, P(&five), 8);
  set[0] = 0x10;
  DO(select, 5, P(&set[0]), P(&set[1]), P(&set[2]), P(&at_once));
  log[n++] = (int64_t)set[0];
  set[0] = 1 << 3, set[1] = 1 << 3 | 1 << 4;
  DO(select, 64, P(&set[0]), P(&set[1]), 0, 0);
  log[n++] = (int64_t)(set[0] | set[1] << 32);
  DO(select, (uint64_t)-1, 0, 0, 0, P(&at_once));
  DO(select, 0, P(1), P(1), P(1), P(&at_once));
  DO(select, 1, P(1), 0, 0, P(&at_once));
  DO(select, 0, 0, 0, 0, P(&carried));
  set[0] = 1ull << 63;
  DO(select, 64, P(&set[0]), 0, 0, P(&at_once));
  DO(pselect6, 0, 0, 0, 0, P(&none), P(pair));
  DO(pselect6, 0, 0, 0, 0, P(&odd), P(pair));
  pair[1] = 4;
  DO(pselect6, 0, 0, 0, 0, P(&none), P(pair));
  set[0] = 1 << 3;
  DO(pselect6, 4, 0, P(set), 0, P(&second), 0);
  log[n++] = second.tv_sec > 0 || second.tv_nsec > 0;
  DO(close_range, 3, ~0u, 0);
  return n;
}

static size_t timer_calls(syscall_fn *fn, int64_t log[])
{
  struct itimerspec new = { { 7, 8 }, { 0, 1 } }, old = { { 9, 9 }, { 9, 9 } };
  uint64_t fd, ticks = 0;
  size_t n = 0;

  DO(timerfd_create, CLOCK_MONOTONIC, TFD_NONBLOCK);
  fd = (uint64_t)log[0];
  DO(timerfd_create, 99, 0);
  DO(timerfd_create, CLOCK_REALTIME, 1);
  DO(read, fd, P(&ticks), 8);
  DO(timerfd_settime, fd, TFD_TIMER_ABSTIME, P(&new), P(&old));
  log[n++] = old.it_value.tv_sec + old.it_interval.tv_sec;
  DO(timerfd_settime, fd, 0, 0, P(&old));
  DO(timerfd_settime, 0, 0, P(&new), P(&old));
  DO(timerfd_settime, 99, 0, P(&new), P(&old));
  new = (struct itimerspec){ { 0, 0 }, { 1000000, 0 } };
  DO(timerfd_settime, fd, 0, P(&new), P(1));
  new = (struct itimerspec){ { 0, 0 }, { 0, 1 } };
  DO(timerfd_settime, fd, TFD_TIMER_ABSTIME, P(&new), P(&old));
  log[n++] = (old.it_value.tv_sec + 1) / 1000;
  log[n++] = old.it_interval.tv_sec;
  DO(read, fd, P(&ticks), 8);
  log[n++] = (int64_t)ticks;
  DO(timerfd_gettime, fd, P(&old));
  log[n++] = old.it_value.tv_nsec;
  DO(timerfd_gettime, fd, 0);
  DO(timerfd_gettime, 0, P(&old));
  DO(ftruncate, fd, 0);
  DO(ftruncate, fd, (uint64_t)-1);
  DO(ftruncate, 99, 0);
  DO(fsync, fd);
  DO(fdatasync, fd);
  DO(fsync, 99);
  DO(close_range, 3, ~0u, 0);
  return n;
}

/* A pair of sockets; fd is one that is no socket. */
static size_t socket_calls(syscall_fn *fn, int64_t log[])
{
  struct timespec wrong = { 0, 1000000000 }, soon = { 0, 0 };
  char buf[16] = "hello", control[24] = "";
  struct iovec v = { buf, 5 };
  struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
  struct mmsghdr mm[2] = { { m, 7 }, { m, 7 } };
  uint64_t bad = 8, fd, s[2];
  int pair[2] = { -1, -1 }, value = 1, size = 4;
  size_t n = 0;

  DO(eventfd2, 0, 0);
  fd = (uint64_t)log[0];
  DO(socketpair, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, P(pair));
  DO(socketpair, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, bad);
  s[0] = (uint64_t)pair[0];
  s[1] = (uint64_t)pair[1];
  DO(sendto, s[0], P(buf), 5, 0, 0, 0);
  DO(sendto, s[0], P(buf), 5, 0, P(buf), 5);
  DO(sendto, s[0], P(buf), 5, 0, bad, 5);
  DO(sendto, s[0], P(buf), 5, 0, P(buf), 500);
  DO(sendto, fd, P(buf), 5, 0, bad, 500);
  DO(recvfrom, s[1], P(buf), 3, MSG_PEEK, P(buf), P(&size));
  log[n++] = size;
  size = -1;
  DO(recvfrom, s[1], P(buf), 3, MSG_PEEK, P(buf), P(&size));
  DO(recvfrom, s[1], P(buf), 16, 0, 0, 0);
  DO(recvfrom, s[1], P(buf), 16, 0, 0, 0);
  DO(sendmsg, s[0], bad, 0);
  DO(sendmsg, fd, bad, 0);
  DO(sendmsg, 99, bad, 0);
  m.msg_controllen = 24;
  DO(sendmsg, s[0], P(&m), 0);
  m.msg_control = (void *)(uintptr_t)bad;
  DO(sendmsg, s[0], P(&m), 0);
  m.msg_controllen = (size_t)1 << 33;
  DO(sendmsg, s[0], P(&m), 0);
  m.msg_iovlen = 1025;
  DO(sendmsg, s[0], P(&m), 0);
  m.msg_name = m.msg_control;
  m.msg_namelen = 5;
  DO(sendmsg, s[0], P(&m), 0);
  m.msg_namelen = UINT32_MAX;
  DO(sendmsg, s[0], P(&m), 0);
  DO(recvmsg, s[0], P(&m), 0);
  DO(sendmmsg, s[0], P(mm), 2, 0);
  log[n++] = mm[0].msg_len + mm[1].msg_len;
  DO(sendmmsg, fd, P(mm), 2, 0);
  DO(sendmmsg, s[0], P(mm), 0, 0);
  m = (struct msghdr){ .msg_iov = &v, .msg_iovlen = 1, .msg_namelen = 9 };
  m.msg_control = control;
  m.msg_controllen = sizeof control;
  DO(recvmsg, s[1], P(&m), MSG_CMSG_CLOEXEC);
  log[n++] = (int64_t)m.msg_controllen + m.msg_namelen;
  log[n++] = m.msg_flags;
  DO(recvmmsg, s[1], P(mm), 2, 0, 0);
  log[n++] = mm[0].msg_len;
  DO(recvmmsg, s[1], P(mm), 2, 0, 0);
  DO(sendmmsg, s[0], P(mm), 2, 0);
  m.msg_name = buf;
  DO(recvmsg, s[1], P(&m), MSG_DONTWAIT | MSG_PEEK);
  log[n++] = m.msg_namelen;
  DO(ppoll, 0, 0, P(&soon), bad, 8);
  DO(pselect6, 0, 0, 0, 0, P(&soon), bad);
  *(struct cmsghdr *)(void *)control =
      (struct cmsghdr){ 24, SOL_SOCKET, SCM_CREDENTIALS };
  m = (struct msghdr){ .msg_iov = &v, .msg_iovlen = 1 };
  m.msg_control = control;
  m.msg_controllen = 24;
  DO(sendmsg, s[0], P(&m), 0); /* more, or less, than a struct ucred */
  DO(recvmmsg, 99, P(mm), 2, 0, P(&wrong));
  DO(recvmmsg, 99, P(mm), 2, 0, bad);
  DO(recvmmsg, s[1], P(mm), 2, 0, P(&soon)); /* late after the first */
  DO(recvmmsg, s[1], P(mm), 2, MSG_DONTWAIT, P(&soon));
  DO(setsockopt, s[0], SOL_SOCKET, SO_PASSCRED, P(&value), (uint64_t)-1);
  DO(setsockopt, s[0], SOL_SOCKET, SO_PASSCRED, bad, 4);
  DO(setsockopt, s[0], SOL_SOCKET, SO_PASSCRED, P(&value), 4);
  DO(setsockopt, fd, SOL_SOCKET, SO_PASSCRED, P(&value), 4);
  size = 4;
  DO(getsockopt, s[0], SOL_SOCKET, SO_PASSCRED, P(&value), P(&size));
  log[n++] = value << 8 | size;
  DO(getsockopt, s[0], SOL_SOCKET, 100, P(&value), bad);
  DO(getsockopt, s[0], SOL_SOCKET, 100, bad, P(&size));
  DO(getsockopt, s[0], 6, 100, bad, bad);
  size = -1;
  DO(getsockopt, s[0], SOL_SOCKET, SO_TYPE, P(&value), P(&size));
  size = 16;
  DO(getsockname, s[0], P(buf), P(&size));
  log[n++] = size << 8 | buf[0];
  DO(getsockname, s[0], bad, P(&size));
  size = 1;
  DO(getpeername, s[0], P(buf), P(&size));
  log[n++] = size;
  DO(getpeername, s[0], bad, P(&size));
  DO(getpeername, s[0], P(buf), bad);
  DO(getpeername, fd, bad, bad);
  DO(shutdown, s[0], SHUT_WR);
  DO(shutdown, fd, 7);
  DO(close_range, 3, ~0u, 0);
  return n;
}

/* What the checks of arguments that no kind sees have to say. */
static size_t checks(syscall_fn *fn, int64_t log[])
{
  static const uint64_t none[6];
  static char name[PATH_MAX + 1];
  const uint64_t nofile = RLIMIT_NOFILE, pid = (uint64_t)fn(SYS_getpid, none);
  struct rlimit few = { 10, 5 }, most = { 5, RLIM_INFINITY }, old;
  struct statx stat;
  struct timeval late = { INT64_MAX, 1000000 }, early = { INT64_MIN, -1000000 };
  uint64_t set = 0x10, ids[2] = { 7, 7 };
  int fds[2] = { -1, -1 };
  size_t n = 0;

  memset(name, 'a', PATH_MAX);
  DO(openat, (uint64_t)AT_FDCWD, P(name), O_RDONLY);
  DO(utimensat, (uint64_t)AT_FDCWD, P(name), 0, 0);
  DO(statx, 0, P(""), AT_EMPTY_PATH | AT_STATX_SYNC_TYPE, 0, P(&stat));
  DO(statx, 0, P(""), AT_EMPTY_PATH, STATX__RESERVED, P(&stat));
  DO(memfd_create, P(name), 0);
  DO(rmdir, P("/"));
  DO(rmdir, P("/."));
  DO(rmdir, P("/.."));
  DO(prlimit64, 0, nofile, P(&few), 0);
  DO(prlimit64, 0, nofile, P(&most), 0);
  DO(prlimit64, 0x3fffffff, nofile, 0, P(&old));
  DO(prlimit64, (uint64_t)-1, nofile, 0, P(&old));
  DO(prlimit64, pid, nofile, 0, P(&old));
  DO(prlimit64, 0, 99, 0, P(&old));
  DO(prlimit64, 0, nofile, 0, 8);
  DO(prlimit64, 0, nofile, 8, 0);
  DO(getrlimit, 99, P(&old));
  DO(getrlimit, nofile, 8);
  DO(setrlimit, nofile, 8);
  DO(setrlimit, nofile, P(&few));
  DO(setrlimit, nofile, P(&most));
  DO(pipe2, P(fds), O_NONBLOCK);
  DO(select, 5, 0, P(&set), 0, P(&late));
  log[n++] = (int64_t)set;
  DO(select, 5, 0, P(&set), 0, P(&early));
  DO(fcntl, (uint64_t)fds[0], 17 /* F_GETOWNER_UIDS */, P(ids));
  log[n++] = (int64_t)(ids[0] | ids[1]);
  DO(fcntl, (uint64_t)fds[0], 17, 8);
  DO(fcntl, (uint64_t)fds[0], F_SETOWN_EX, 8);
  DO(socketpair, AF_INET, SOCK_RAW, 0, P(fds));
  DO(socketpair, AF_INET, SOCK_STREAM, 0, P(fds));
  DO(close_range, 3, ~0u, 0);
  return n;
}

/* Options with structs. */
static size_t option_calls(syscall_fn *fn, int64_t log[])
{
  struct timeval tv = { 0, 1000000 };
  const int txtime[2] = { 1, 4 };
  const uint64_t sol = SOL_SOCKET;
  int pair[2] = { -1, -1 }, size = sizeof tv;
  uint64_t fd;
  size_t n = 0;

  DO(socketpair, AF_UNIX, SOCK_STREAM, 0, P(pair));
  fd = (uint64_t)pair[0];
  DO(setsockopt, fd, sol, SO_RCVTIMEO, P(&tv), sizeof tv);
  DO(setsockopt, fd, sol, SO_RCVTIMEO, 8, sizeof tv);
  DO(setsockopt, fd, sol, SO_RCVTIMEO, P(&tv), 8);
  tv = (struct timeval){ INT64_MAX, 0 };
  DO(setsockopt, fd, sol, SO_RCVTIMEO, P(&tv), sizeof tv);
  tv.tv_sec = 5;
  DO(getsockopt, fd, sol, SO_RCVTIMEO, P(&tv), P(&size));
  log[n++] = tv.tv_sec; /* for ever */
  DO(setsockopt, fd, sol, SO_LINGER, 8, 8);
  DO(setsockopt, fd, sol, SO_LINGER, P(&tv), 4);
  DO(setsockopt, fd, sol, SO_MAX_PACING_RATE, 8, 8);
  DO(setsockopt, fd, sol, SO_TXTIME, 8, 8);
  DO(setsockopt, fd, sol, SO_TXTIME, P(txtime), 8);
  DO(setsockopt, fd, sol, SO_TXTIME, P(txtime), 4);
  DO(setsockopt, fd, sol, SO_ATTACH_FILTER, 8, 16);
  DO(setsockopt, fd, sol, SO_ATTACH_FILTER, P(txtime), 8);
  DO(setsockopt, fd, sol, SO_BINDTODEVICE, 8, 4);
  DO(close_range, 3, ~0u, 0);
  return n;
}

/* Who sends: nobody's user and group are wrong before they are another's. */
static size_t credential_calls(syscall_fn *fn, int64_t log[])
{
  static const uint64_t none[6];
  const pid_t pid = (pid_t)fn(SYS_getpid, none);
  const struct ucred u[2] = { { pid, (uid_t)-1, 5 }, { pid, 5, (gid_t)-1 } };
  const struct cmsghdr h = { CMSG_LEN(sizeof *u), SOL_SOCKET, SCM_CREDENTIALS };
  _Alignas(struct cmsghdr) char c[CMSG_SPACE(sizeof *u)] = "";
  char byte = 'x';
  struct iovec data = { &byte, 1 };
  struct msghdr m = { .msg_iov = &data,
                      .msg_iovlen = 1,
                      .msg_control = c,
                      .msg_controllen = sizeof c };
  int pair[2] = { -1, -1 };
  size_t n = 0;

  memcpy(c, &h, sizeof h);
  DO(socketpair, AF_UNIX, SOCK_STREAM, 0, P(pair));
  for (int i = 0; i < 2; i++) {
    memcpy(c + sizeof h, &u[i], sizeof *u);
    DO(sendmsg, (uint64_t)pair[0], P(&m), MSG_DONTWAIT);
  }
  DO(close_range, 3, ~0u, 0);
  return n;
}

static void the_same_as_linux(size_t (*made)(syscall_fn *fn, int64_t log[]))
{
  int64_t expected[100], got[100];
  size_t n = made(by_linux, expected);

  CHECK_EQ(made(by_fdemu, got), n);
  for (size_t i = 0; i < n; i++)
    if (expected[i] != got[i]) {
      printf("result %zu: Linux %lld, fdemu %lld\n", i, (long long)expected[i],
             (long long)got[i]);
      CHECK_EQ(got[i], expected[i]);
    } else
      CHECK_EQ(got[i], expected[i]);
}

/* ---- memory that fails -------------------------------------------------- */

static void bad_memory_loses_nothing(void)
{
  char buf[8] = "";
  int fds[2];

  CHECK_EQ(fdemu_pipe2(proc, fds, O_NONBLOCK), 0);
  const uint64_t rd = (uint64_t)fds[0], wr = (uint64_t)fds[1];
  CHECK_EQ(fdemu_write(proc, fds[1], "abc", 3), 3);
  CHECK_EQ(fdemu_syscall(proc, &test_no_mem, SYS_read,
                         (const uint64_t[6]){ rd, P(buf), 8 }),
           -EFAULT);
  CHECK_EQ(fdemu_syscall(proc, &test_no_mem, SYS_write,
                         (const uint64_t[6]){ wr, P(buf), 8 }),
           -EFAULT);
  CHECK_EQ(fdemu_syscall(proc, &test_no_mem, SYS_readv,
                         (const uint64_t[6]){ rd, P(buf), 1 }),
           -EFAULT);
  CHECK_EQ(fdemu_syscall(proc, &test_no_mem, SYS_poll,
                         (const uint64_t[6]){ P(buf), 1, 0 }),
           -EFAULT);
  CHECK_EQ(fdemu_syscall(proc, &test_no_mem, SYS_pipe2,
                         (const uint64_t[6]){ P(buf), 0 }),
           -EFAULT);
  CHECK_EQ(fdemu_next_fd(proc, fds[1] + 1), -1); /* no pipe is left over */
  CHECK_EQ(fdemu_syscall(proc, &test_no_mem, SYS_openat,
                         (const uint64_t[6]){ (uint64_t)AT_FDCWD, P(buf) }),
           -EFAULT);
  CHECK_EQ(fdemu_read(proc, fds[0], buf, 8), 3);
  CHECK(memcmp(buf, "abc", 3) == 0);
}

/* An accessor is given bytes, whatever they are. */
static void zeros_go_through_the_accessor(void)
{
  static const struct fdemu_mem mem = { test_no_load, test_store };
  static char buf[10000];
  int fd = fdemu_open(proc, "/dev/zero", O_RDONLY, 0);

  memset(buf, 'x', sizeof buf);
  CHECK_EQ(fdemu_syscall(
               proc, &mem, SYS_read,
               (const uint64_t[6]){ (uint64_t)fd, P(buf), sizeof buf - 1 }),
           sizeof buf - 1);
  CHECK(buf[0] == 0 && buf[sizeof buf - 2] == 0);
  CHECK_EQ(buf[sizeof buf - 1], 'x');
}

/* Times in seconds and microseconds, and what a file system says of itself. */
static void times_and_file_systems(void)
{
  const struct timeval tv[2] = { { 1, 2 }, { 3, 4 } }, bad[2] = { { 0, -1 } };
  const int64_t seconds[2] = { 7, 8 };
  struct statfs fs;
  int64_t log[8];
  size_t n = 0;
  struct stat st;
  syscall_fn *fn = by_fdemu;

  DO(mknod, P("/f"), S_IFREG | 0600, 0);
  DO(utimes, P("/f"), P(tv));
  CHECK_EQ(log[0] | log[1], 0);
  CHECK_EQ(fdemu_fstatat(proc, AT_FDCWD, "/f", &st, 0), 0);
  CHECK(st.st_atim.tv_sec == 1 && st.st_atim.tv_nsec == 2000);
  CHECK(st.st_mtim.tv_sec == 3 && st.st_mtim.tv_nsec == 4000);
  DO(utime, P("/f"), P(seconds));
  DO(statfs, P("/f"), P(&fs));
  CHECK_EQ(log[2] | log[3], 0);
  CHECK_EQ(fdemu_fstatat(proc, AT_FDCWD, "/f", &st, 0), 0);
  CHECK(st.st_atim.tv_sec == 7 && st.st_mtim.tv_sec == 8);
  CHECK(fs.f_type == 0x01021994 && fs.f_bsize == 4096 && fs.f_namelen == 255);
  DO(utimes, P("/f"), P(bad));
  DO(utimes, 0, 0);
  DO(statfs, P("/none"), P(&fs));
  DO(statfs, P("/f/x"), P(&fs));
  CHECK_EQ(log[4], -EINVAL);
  CHECK_EQ(log[5], -EFAULT);
  CHECK_EQ(log[6], -ENOENT);
  CHECK_EQ(log[7], -ENOTDIR);
}

/* Unlike Linux: times are nanoseconds in 64 bits, 292 years each way. */
static void times_far_away(void)
{
  struct timespec ts[2] = { { -1, 5 }, { INT64_MAX, 0 } };
  int fd = fdemu_memfd_create(proc, "x", 0);
  struct stat st;
  syscall_fn *fn = by_fdemu;
  int64_t log[3];
  size_t n = 0;

  DO(utimensat, (uint64_t)fd, 0, P(ts), 0);
  CHECK_EQ(log[0], 0);
  CHECK_EQ(fdemu_fstat(proc, fd, &st), 0);
  CHECK(st.st_atim.tv_sec == -1 && st.st_atim.tv_nsec == 5);
  CHECK_EQ(st.st_mtim.tv_sec, INT64_MAX / 1000000000);
  ts[0].tv_sec = INT64_MIN;
  DO(utimensat, (uint64_t)fd, 0, P(ts), 0);
  CHECK_EQ(log[1], 0);
  CHECK_EQ(fdemu_fstat(proc, fd, &st), 0);
  CHECK_EQ(st.st_atim.tv_sec, INT64_MIN / 1000000000);
  DO(utimensat, (uint64_t)fd, 0, P(ts), AT_SYMLINK_NOFOLLOW);
  CHECK_EQ(log[2], -EINVAL); /* flags are for paths, as Linux has it */
  CHECK_EQ(fdemu_close(proc, fd), 0);
}

/* As a tmpfs with the option size=1m, whose blocks are pages. */
static void room_of_a_file_system(void)
{
  static const char bytes[5000];
  struct fdemu_kernel *k = fdemu_kernel_of(proc);
  int fd = fdemu_open(proc, "/room", O_RDWR | O_CREAT, 0600);
  syscall_fn *fn = by_fdemu;
  struct statfs fs;
  int64_t log[2];
  size_t n = 0;

  fdemu_set_space(k, 1 << 20);
  CHECK_EQ(fdemu_write(proc, fd, bytes, sizeof bytes), sizeof bytes);
  DO(fstatfs, (uint64_t)fd, P(&fs));
  CHECK_EQ(log[0], 0);
  CHECK_EQ(fs.f_blocks, 256);
  CHECK(fs.f_bfree == 254 && fs.f_bavail == 254);
  fdemu_set_space(k, 4096); /* less than there is */
  DO(fstatfs, (uint64_t)fd, P(&fs));
  CHECK(log[1] == 0 && fs.f_blocks == 1 && fs.f_bfree == 0);
  CHECK_EQ(fdemu_pwrite(proc, fd, bytes, 1, 8192), -ENOSPC);
  fdemu_set_space(k, 0);
  CHECK_EQ(fdemu_close(proc, fd), 0);
}

/* Memory that can be read and not written, and the process's own. */
static void memory_of_two_kinds(void)
{
  static const struct fdemu_mem constant = { test_load, test_no_store };
  const uint64_t at_once[2] = { 0, 0 };
  struct pollfd pfd = { 0, POLLIN, 0 };
  uint64_t set = 1;

  CHECK_EQ(fdemu_syscall(proc, &constant, SYS_poll,
                         (const uint64_t[6]){ P(&pfd), 1, 0 }),
           -EFAULT);
  CHECK_EQ(fdemu_syscall(proc, &constant, SYS_select,
                         (const uint64_t[6]){ 1, P(&set), 0, 0, P(at_once) }),
           -EFAULT);
  CHECK_EQ(fdemu_syscall(proc, NULL, SYS_getrlimit,
                         (const uint64_t[6]){ RLIMIT_NOFILE, 0 }),
           -EFAULT);
  CHECK_EQ(fdemu_syscall(proc, NULL, SYS_setrlimit,
                         (const uint64_t[6]){ RLIMIT_NOFILE, 0 }),
           -EFAULT);
}

/* More than 64 packets at once are for the privileged. */
static void busy_polling(void)
{
  struct {
    uint32_t usecs;
    uint16_t budget;
    uint8_t prefer, pad;
  } b = { 1, 64, 1, 0 };
  const unsigned long set = _IOW(0x8a, 1, char[8]);
  int ep = fdemu_epoll_create1(proc, 0);

  CHECK_EQ(fdemu_ioctl(proc, ep, set, &b), 0);
  b.budget = 65;
  CHECK_EQ(fdemu_ioctl(proc, ep, set, &b), -EPERM);
  CHECK_EQ(fdemu_syscall(proc, &test_mem, SYS_ioctl,
                         (const uint64_t[6]){ (uint64_t)ep, set, 8 }),
           -EFAULT);
  CHECK(fdemu_epoll_next(fdemu_file_at(proc, 0), NULL) == NULL);
  CHECK_EQ(fdemu_close(proc, ep), 0);
}

static void what_is_not_there(void)
{
  int fds[2];

  static const uint64_t none[6];

  CHECK_EQ(fdemu_syscall(proc, NULL, -1, none), -ENOSYS);
  CHECK_EQ(fdemu_syscall(proc, NULL, 1000000, none), -ENOSYS);
  CHECK_EQ(fdemu_syscall(proc, NULL, SYS_mmap, none), -ENOSYS);
  CHECK_EQ(fdemu_syscall(proc, NULL, SYS_bind, none), -ENOSYS);
  CHECK_EQ(fdemu_pipe2(proc, fds, O_EXCL), -ENOPKG); /* no watch queues */
}

int main(void)
{
  struct fdemu_kernel *k = fdemu_kernel_new(NULL);
  int null = open("/dev/null", O_RDWR);

  /* The same descriptors on both sides: 0, 1, 2 and nothing else. */
  for (int fd = 3; fd < 20; fd++)
    close(fd);
  (void)null;
  proc = fdemu_proc_new(k);
  fdemu_set_now(k, INT64_C(10000000000)); /* some time after the start */
  CHECK_EQ(fdemu_std_devices(k), 0);
  for (int fd = 0; fd < 3; fd++)
    CHECK_EQ(fdemu_open(proc, "/dev/null", O_RDWR, 0), fd);
  the_same_as_linux(calls);
  the_same_as_linux(event_calls);
  the_same_as_linux(timer_calls);
  the_same_as_linux(socket_calls);
  the_same_as_linux(checks);
  the_same_as_linux(option_calls);
  the_same_as_linux(credential_calls);
  bad_memory_loses_nothing();
  zeros_go_through_the_accessor();
  times_and_file_systems();
  times_far_away();
  room_of_a_file_system();
  memory_of_two_kinds();
  busy_polling();
  what_is_not_there();
  fdemu_proc_put(proc);
  fdemu_kernel_free(k);
  return test_summary();
}
