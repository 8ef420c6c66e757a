/*
 * memory_test.c - memory of the caller's that is not there
 *
 * Each call is made again and again, in a new kernel: at first none of its
 * accesses to memory works, then only the first, and so on.
 */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/net_tstamp.h>
#include <net/if.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>

#include "fdemu_driver.h"
#include "test.h"

#define SET_TICKS 0x40085400 /* TFD_IOC_SET_TICKS */

/* ---- a memory --------------------------------------------------------- */

static int good, missed; /* accesses that work; that have not */

static int access_memory(void *dst, const void *src, size_t n)
{
  if (good == 0) {
    missed++;
    return -EFAULT;
  }
  good--;
  if (src != NULL)
    memcpy(dst, src, n);
  else
    memset(dst, 0, n);
  return 0;
}

static int load(const struct fdemu_mem *m, void *dst, const void *addr,
                size_t n)
{
  (void)m;
  return access_memory(dst, addr, n);
}

static int store(const struct fdemu_mem *m, void *addr, const void *src,
                 size_t n)
{
  (void)m;
  return access_memory(addr, src, n);
}

static const struct fdemu_mem memory = { load, store };

/* ---- a world ---------------------------------------------------------- */

static struct fdemu_kernel *k;
static struct fdemu_proc *p, *child;
static int file, ends[2], stream[2], packets[2], events, timer, epoll;
static const int fd_on = 1;
static struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, 9) };
static struct sock_fprog program = { 1, code };

static void on_event(void *ud, const struct fdemu_event *e)
{
  char line[1000];

  (void)ud;
  fdemu_format(e, line, sizeof line);
  CHECK(strncmp(line, "[pid  1] ", 9) == 0);
}

/* With descriptors and credentials that wait to be received. */
static void pass_rights(void)
{
  union {
    struct cmsghdr h;
    char bytes[CMSG_SPACE(2 * sizeof(int))];
  } c;
  struct iovec v = { &(char){ 'x' }, 1 };
  struct msghdr m = { .msg_iov = &v,
                      .msg_iovlen = 1,
                      .msg_control = &c,
                      .msg_controllen = sizeof c };

  memset(&c, 0, sizeof c);
  c.h = (struct cmsghdr){ CMSG_LEN(2 * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
  memcpy(CMSG_DATA(&c.h), ends, sizeof ends);
  for (int i = 0; i < 2; i++) {
    const int *s = i == 0 ? stream : packets;
    CHECK_EQ(fdemu_setsockopt(p, s[1], SOL_SOCKET, SO_PASSCRED, &fd_on,
                              sizeof fd_on),
             0);
    CHECK_EQ(fdemu_sendmsg(p, s[0], &m, 0), 1);
  }
}

static void setup(void)
{
  struct epoll_event ev = { .events = EPOLLIN };

  k = test_kernel();
  CHECK_EQ(fdemu_std_devices(k), 0);
  p = fdemu_proc_new(k);
  file = fdemu_open(p, "/file", O_RDWR | O_CREAT, 0600);
  CHECK_EQ(fdemu_write(p, file, "0123456789", 10), 10);
  CHECK_EQ(fdemu_lseek(p, file, 0, SEEK_SET), 0);
  CHECK_EQ(fdemu_symlinkat(p, "x", AT_FDCWD, "/link"), 0);
  CHECK_EQ(fdemu_pipe2(p, ends, O_NONBLOCK), 0);
  CHECK_EQ(fdemu_write(p, ends[1], "abc", 3), 3);
  CHECK_EQ(fdemu_socketpair(p, AF_UNIX, SOCK_STREAM, 0, stream), 0);
  CHECK_EQ(fdemu_socketpair(p, AF_UNIX, SOCK_DGRAM, 0, packets), 0);
  CHECK_EQ(fdemu_setsockopt(p, packets[0], SOL_SOCKET, SO_ATTACH_FILTER,
                            &program, sizeof program),
           0);
  pass_rights();
  events = fdemu_eventfd(p, 1, 0);
  timer = fdemu_timerfd_create(p, CLOCK_MONOTONIC, 0);
  epoll = fdemu_epoll_create1(p, 0);
  CHECK_EQ(fdemu_epoll_ctl(p, epoll, EPOLL_CTL_ADD, events, &ev), 0);
  CHECK(fdemu_fork(p, &child) > 0);
  fdemu_exit(child, 3);
  fdemu_set_trace(k, on_event, NULL);
}

static void teardown(void)
{
  CHECK(fdemu_check(k) == NULL);
  fdemu_set_trace(k, NULL, NULL);
  fdemu_proc_put(child);
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

/* ---- the calls -------------------------------------------------------- */

/* A call: fd points to one of the world's; buf is its memory. */
struct row {
  const struct fdemu_call *call;
  const int *fd;
  void *buf;
  size_t n;
  unsigned long cmd;
  int64_t arg;
  const int *fd2; /* instead of arg */
  int64_t result;
};

static int count_open(void)
{
  int n = 0;

  for (int fd = fdemu_next_fd(p, 0); fd >= 0; fd = fdemu_next_fd(p, fd + 1))
    n++;
  return n;
}

static struct pollfd polled[2];
static struct itimerspec times[2] = { { { 1, 0 }, { 2, 0 } } };
static uint64_t number = 5;
static int pair[2];
static struct flock lock;
static struct stat st;
static char bytes[300];
static struct timespec stamps[2];
static struct epoll_event event;
static int64_t offset;
static struct linger linger;
static struct timeval timeout;
static int so_timestamping[2] = { SOF_TIMESTAMPING_SOFTWARE, 0 };
static int txtime[2] = { CLOCK_MONOTONIC, 0 };
static char device[] = "lo";
static struct sock_filter kept[1];
static struct f_owner_ex owner = { F_OWNER_PID, 1 };

/* What the calls are given, which some of them change. */
static void fill(void)
{
  polled[0] = (struct pollfd){ events, POLLIN, 0 };
  polled[1] = (struct pollfd){ ends[0], POLLIN, 0 };
  lock = (struct flock){ .l_type = F_RDLCK };
  number = 5;
  pair[0] = 0;
  event = (struct epoll_event){ .events = EPOLLIN };
  offset = 0;
}

/* -EFAULT until everything that it touches is there; it makes no descriptors
 * then. Whether r is answered so is not asked if some of it counts. */
static void make(const struct fdemu_req *made, const struct msghdr *m,
                 int64_t result, const char *what)
{
  for (int n = 0; n < 50; n++) {
    struct fdemu_req r = *made;
    struct msghdr copy;
    int open = count_open();
    int64_t got;

    if (m != NULL) {
      copy = *m;
      r.msg = &copy;
    }
    fill();
    r.mem = &memory;
    good = n;
    missed = 0;
    got = fdemu_call(p, &r);
    if (got != result)
      test_equal(got, -EFAULT, __FILE__, __LINE__, what);
    if (got < 0)
      CHECK_EQ(count_open(), open);
    teardown();
    setup();
    if (missed == 0) {
      test_equal(got, result, __FILE__, __LINE__, what);
      return;
    }
  }
  CHECK(!"a call comes to an end");
}

#define CALL(name) &fdemu_calls[FDEMU_##name]
#define IN(x)      &(x), sizeof(x)
#define SET(option, x) \
  { \
    &fdemu_setsockopt_call, stream, IN(x), option, SOL_SOCKET, NULL, 0 \
  }
#define GET(option, x) \
  { \
    &fdemu_getsockopt_call, stream, IN(x), option, SOL_SOCKET, NULL, 0 \
  }

static const struct row rows[] = {
  { CALL(POLL), NULL, IN(polled), 0, 0, NULL, 2 },
  { CALL(SELECT), NULL, IN(polled), 0, 0, NULL, 2 },
  { CALL(READ), &events, IN(number), 0, 0, NULL, 8 },
  { CALL(WRITE), &events, IN(number), 0, 0, NULL, 8 },
  { CALL(READ), ends, bytes, 3, 0, 0, NULL, 3 },
  { CALL(WRITE), ends + 1, bytes, 3, 0, 0, NULL, 3 },
  { CALL(READ), &file, bytes, 5, 0, 0, NULL, 5 },
  { CALL(WRITE), &file, bytes, 5, 0, 0, NULL, 5 },
  { CALL(FSTAT), &file, IN(st), 0, 0, NULL, 0 },
  { CALL(FCNTL), &file, IN(lock), F_SETLK, 0, NULL, 0 },
  { CALL(FCNTL), &file, IN(lock), F_GETLK, 0, NULL, 0 },
  { CALL(FCNTL), &file, IN(owner), F_SETOWN_EX, 0, NULL, 0 },
  { CALL(FCNTL), &file, IN(owner), F_GETOWN_EX, 0, NULL, 0 },
  { CALL(IOCTL), ends, pair, sizeof *pair, FIONREAD, 0, NULL, 0 },
  { CALL(IOCTL), stream, pair, sizeof *pair, FIONREAD, 0, NULL, 0 },
  { CALL(IOCTL), &timer, IN(number), SET_TICKS, 0, NULL, 0 },
  { CALL(WAIT), NULL, pair, sizeof *pair, 0, 0, NULL, 2 },
  { &fdemu_pipe2_call, NULL, IN(pair), 0, 0, NULL, 0 },
  { &fdemu_socketpair_call, NULL, IN(pair), SOCK_STREAM, AF_UNIX, NULL, 0 },
  { &fdemu_timerfd_settime_call, &timer, IN(times), 0, 0, NULL, 0 },
  { &fdemu_timerfd_gettime_call, &timer, times, sizeof *times, 0, 0, NULL, 0 },
  { &fdemu_epoll_ctl_call, &epoll, IN(event), EPOLL_CTL_ADD, 0, ends, 0 },
  { &fdemu_epoll_wait_call, &epoll, IN(event), 0, 1, NULL, 1 },
  { &fdemu_getcwd_call, NULL, bytes, sizeof bytes, 0, 0, NULL, 2 },
  SET(SO_LINGER, linger),
  SET(SO_RCVTIMEO, timeout),
  SET(SO_TIMESTAMPING, so_timestamping),
  SET(SO_BINDTODEVICE, device),
  SET(SO_TXTIME, txtime),
  SET(SO_MAX_PACING_RATE, number),
  SET(SO_ATTACH_FILTER, program),
  SET(SO_PASSCRED, pair[0]),
  GET(SO_TYPE, pair[0]),
  { &fdemu_getsockopt_call, packets, kept, 1, SO_GET_FILTER, SOL_SOCKET, NULL,
    0 },
};

static void buffers(void)
{
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const struct row *x = &rows[i];
    char what[40];
    struct fdemu_req r = { .call = x->call,
                           .fd = x->fd != NULL ? *x->fd : 0,
                           .buf = { x->buf, x->n },
                           .cmd = x->cmd,
                           .arg = x->fd2 != NULL ? *x->fd2 : x->arg };
    snprintf(what, sizeof what, "row %d, %s", (int)i, x->call->name);
    make(&r, NULL, x->result, what);
  }
}

static void names(void)
{
  struct fdemu_req r = { .fd = AT_FDCWD,
                         .path = "/file",
                         .buf = { &st, sizeof st } };

  r.call = &fdemu_newfstatat_call;
  make(&r, NULL, 0, "newfstatat");
  r.call = &fdemu_utimensat_call;
  r.buf = (struct iovec){ stamps, sizeof stamps };
  make(&r, NULL, 0, "utimensat");
  r.call = &fdemu_readlinkat_call;
  r.path = "/link";
  r.buf = (struct iovec){ bytes, sizeof bytes };
  make(&r, NULL, 1, "readlinkat");
}

static void moves(void)
{
  struct iovec at[2] = { { &offset, sizeof offset }, { NULL, 0 } };
  struct fdemu_req r = {
    .fd = file, .arg = ends[1], .buf = { NULL, 5 }, .iov = at, .iovcnt = 1
  };

  r.call = &fdemu_sendfile_call;
  make(&r, NULL, 5, "sendfile");
  r.call = &fdemu_splice_call;
  r.iovcnt = 2;
  make(&r, NULL, 5, "splice");
}

static void messages(void)
{
  union {
    struct cmsghdr h;
    char space[100];
  } c;
  struct iovec v = { bytes, 1 };
  struct sockaddr_un name = { .sun_family = AF_UNIX };
  const struct ucred u = { 1, FDEMU_UID, FDEMU_UID };
  struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &c };
  struct fdemu_req r = { .iov = &v, .iovcnt = 1 };

  for (int i = 0; i < 2; i++) {
    const int *s = i == 0 ? stream : packets;
    r.call = &fdemu_sendmsg_call;
    r.fd = s[0];
    memset(&c, 0, sizeof c);
    c.h = (struct cmsghdr){ CMSG_LEN(sizeof u), SOL_SOCKET, SCM_CREDENTIALS };
    memcpy(CMSG_DATA(&c.h), &u, sizeof u);
    m.msg_controllen = c.h.cmsg_len;
    make(&r, &m, 1, "sendmsg, credentials");
    c.h = (struct cmsghdr){ CMSG_LEN(2 * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
    memcpy(CMSG_DATA(&c.h), ends, sizeof ends);
    m.msg_controllen = c.h.cmsg_len;
    make(&r, &m, 1, "sendmsg, descriptors");
    m.msg_controllen = 0;
    r.call = &fdemu_recvmsg_call;
    r.fd = s[1];
    m.msg_controllen = sizeof c;
    make(&r, &m, 1, "recvmsg");
  }
  r.call = &fdemu_sendmsg_call;
  r.fd = packets[0];
  m = (struct msghdr){ .msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_name = &name,
                       .msg_namelen = sizeof name };
  make(&r, &m, -ECONNREFUSED, "sendmsg, a name");
  c.h = (struct cmsghdr){ CMSG_LEN(16), SOL_SOCKET, SCM_TIMESTAMP };
  m = (struct msghdr){ .msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = &c,
                       .msg_controllen = CMSG_LEN(16) };
  make(&r, &m, -EINVAL, "sendmsg, a time");
}

int main(void)
{
  setup();
  buffers();
  names();
  moves();
  messages();
  teardown();
  return test_summary();
}
