/* socket_test.c - sockets: what waits, what they carry, and what they leave */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "fdemu_driver.h"
#include "test.h"

#define MS INT64_C(1000000)

static struct fdemu_kernel *k;
static struct fdemu_proc *p;

static void begin(void)
{
  k = test_kernel();
  p = fdemu_proc_new(k);
}

static void end(void)
{
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

static void pair(int type, int fds[2])
{
  CHECK_EQ(fdemu_socketpair(p, AF_UNIX, type, 0, fds), 0);
}

/* A message of one byte that carries descriptors. */
static int64_t pass(int over, const int *fds, int n)
{
  union {
    struct cmsghdr h;
    char room[CMSG_SPACE(8 * sizeof(int))];
  } c = { .h = { CMSG_LEN((size_t)n * sizeof *fds), SOL_SOCKET, SCM_RIGHTS } };
  char byte = 'x';
  struct iovec v = { &byte, 1 };
  struct msghdr m = { .msg_iov = &v,
                      .msg_iovlen = 1,
                      .msg_control = c.room,
                      .msg_controllen = c.h.cmsg_len };

  memcpy(CMSG_DATA(&c.h), fds, (size_t)n * sizeof *fds);
  return fdemu_sendmsg(p, over, &m, MSG_DONTWAIT);
}

/* The first descriptor that comes with a message, or -errno. */
static int take(int from, int flags)
{
  union {
    struct cmsghdr h;
    char room[CMSG_SPACE(8 * sizeof(int))];
  } c = { 0 };
  char byte;
  struct iovec v = { &byte, 1 };
  struct msghdr m = { .msg_iov = &v,
                      .msg_iovlen = 1,
                      .msg_control = c.room,
                      .msg_controllen = sizeof c };
  int64_t n = fdemu_recvmsg(p, from, &m, flags | MSG_DONTWAIT);
  int fd = -1;

  if (n < 0)
    return (int)n;
  if (m.msg_controllen >= CMSG_LEN(sizeof fd))
    memcpy(&fd, CMSG_DATA(&c.h), sizeof fd);
  return fd;
}

/* ---- descriptors on their way ----------------------------------------- */

static void passed_descriptors_share_the_description(void)
{
  char buf[9];
  int s[2], q[2], fd;

  begin();
  pair(SOCK_STREAM, s);
  CHECK_EQ(fdemu_pipe2(p, q, O_NONBLOCK), 0);
  CHECK_EQ(pass(s[0], &q[0], 1), 1);
  CHECK_EQ(fdemu_close(p, q[0]), 0);
  CHECK_EQ(fdemu_write(p, q[1], "abc", 3), 3); /* still has a reader */
  fd = take(s[1], MSG_CMSG_CLOEXEC);
  CHECK_EQ(fd, q[0]); /* the lowest */
  CHECK_EQ(fdemu_fcntl(p, fd, F_GETFD, 0), FD_CLOEXEC);
  CHECK_EQ(fdemu_read(p, fd, buf, 9), 3);
  end();
}

/* Close, or lose, whatever has the message: the pipe in it is closed. */
static void nobody_takes_it(void (*lose)(int from, int to))
{
  int s[2], q[2];

  begin();
  pair(SOCK_SEQPACKET, s);
  CHECK_EQ(fdemu_pipe2(p, q, O_NONBLOCK), 0);
  CHECK_EQ(pass(s[0], &q[0], 1), 1);
  CHECK_EQ(fdemu_close(p, q[0]), 0);
  CHECK_EQ(fdemu_write(p, q[1], "abc", 3), 3);
  lose(s[0], s[1]);
  CHECK_EQ(fdemu_write(p, q[1], "abc", 3), -EPIPE);
  end();
}

static void close_receiver(int from, int to)
{
  (void)from;
  CHECK_EQ(fdemu_close(p, to), 0);
}

static void read_without_room(int from, int to)
{
  char c;

  (void)from;
  CHECK_EQ(fdemu_read(p, to, &c, 1), 1);
}

static void table_is_full(int from, int to)
{
  (void)from;
  CHECK_EQ(fdemu_set_nofile(p, 0, 1024), 0);
  CHECK_EQ(take(to, 0), -1);
}

static void peeking_duplicates(void)
{
  int s[2], q[2], a, b;

  begin();
  pair(SOCK_DGRAM, s);
  CHECK_EQ(fdemu_pipe2(p, q, O_NONBLOCK), 0);
  CHECK_EQ(pass(s[0], &q[0], 1), 1);
  a = take(s[1], MSG_PEEK);
  b = take(s[1], 0);
  CHECK(a > 0 && b > a);
  CHECK(fdemu_file_at(p, a) == fdemu_file_at(p, b));
  end();
}

/* ---- cycles ----------------------------------------------------------- */

/* How many allocations n pairs leave when each end is in its own queue. */
static int64_t left_by(int n, void (*tie)(int s[2]))
{
  int64_t before;
  int s[2], warm[2];

  begin();
  pair(SOCK_STREAM, warm); /* what the first ones allocate stays */
  CHECK_EQ(fdemu_close(p, warm[0]), 0);
  CHECK_EQ(fdemu_close(p, warm[1]), 0);
  before = test_heap.live;
  for (int i = 0; i < n; i++) {
    pair(SOCK_STREAM, s);
    tie(s);
    CHECK_EQ(fdemu_close(p, s[0]), 0);
    CHECK_EQ(fdemu_close(p, s[1]), 0);
  }
  before = test_heap.live - before;
  end();
  return before;
}

static void tie_to_itself(int s[2])
{
  CHECK_EQ(pass(s[0], &s[1], 1), 1);
}

static void tie_both(int s[2])
{
  CHECK_EQ(pass(s[0], s, 2), 1);
  CHECK_EQ(pass(s[1], s, 2), 1);
}

/* s[1] in t[1]'s queue, t[1] in s[1]'s. */
static void tie_two_pairs(int s[2])
{
  int t[2];

  pair(SOCK_DGRAM, t);
  CHECK_EQ(pass(t[0], &s[1], 1), 1);
  CHECK_EQ(pass(s[0], &t[1], 1), 1);
  CHECK_EQ(fdemu_close(p, t[0]), 0);
  CHECK_EQ(fdemu_close(p, t[1]), 0);
}

static void cycles_are_collected(void)
{
  CHECK_EQ(left_by(5, tie_to_itself), 0);
  CHECK_EQ(left_by(5, tie_both), 0);
  CHECK_EQ(left_by(5, tie_two_pairs), 0);
}

static void what_can_be_reached_is_not_collected(void)
{
  char buf[9];
  int s[2], t[2], u[2], a, b;

  begin();
  pair(SOCK_STREAM, s);
  pair(SOCK_STREAM, t);
  pair(SOCK_STREAM, u);
  CHECK_EQ(pass(t[0], &s[1], 1), 1); /* t[1] carries s[1] */
  CHECK_EQ(pass(u[0], &t[1], 1), 1); /* u[1] carries t[1] */
  CHECK_EQ(fdemu_close(p, s[1]), 0);
  CHECK_EQ(fdemu_close(p, t[1]), 0);
  CHECK_EQ(fdemu_close(p, t[0]), 0);
  CHECK_EQ(fdemu_write(p, s[0], "abc", 3), 3);
  a = take(u[1], 0);
  CHECK(a >= 0);
  b = take(a, 0);
  CHECK(b >= 0);
  CHECK_EQ(fdemu_read(p, b, buf, 9), 3);
  end();
}

/* A chain of many is given back without as many frames on the C stack. */
static void long_chains_do_not_recurse(void)
{
  int s[2], t[2];

  begin();
  pair(SOCK_STREAM, s);
  for (int i = 0; i < 20000; i++) {
    pair(SOCK_STREAM, t);
    CHECK_EQ(pass(t[0], &s[1], 1), i <= 1024 ? 1 : -ETOOMANYREFS);
    if (i > 1024)
      break;
    CHECK_EQ(fdemu_close(p, s[0]), 0);
    CHECK_EQ(fdemu_close(p, s[1]), 0);
    s[0] = t[0];
    s[1] = t[1];
  }
  end();
}

static void kernels_end_with_cycles(void)
{
  int s[2];

  begin();
  pair(SOCK_STREAM, s);
  tie_both(s);
  end();
}

/* ---- waiting ---------------------------------------------------------- */

static void blocked_writes_go_on(void)
{
  static char data[400000], got[400000];
  int s[2];
  struct fdemu_req r = { .call = &fdemu_calls[FDEMU_WRITE] };

  begin();
  pair(SOCK_STREAM, s);
  for (size_t i = 0; i < sizeof data; i++)
    data[i] = (char)(i / 7);
  r.fd = s[0];
  r.buf = (struct iovec){ data, sizeof data };
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  CHECK_EQ(fdemu_recv(p, s[1], got, sizeof got, MSG_WAITALL), sizeof got);
  CHECK_EQ(r.result, sizeof data);
  CHECK(memcmp(data, got, sizeof data) == 0);
  end();
}

static void closing_answers_the_writer(void)
{
  static char data[400000];
  unsigned signals[FDEMU_NSIG];
  int s[2];
  struct fdemu_req r = { .call = &fdemu_calls[FDEMU_WRITE] };

  begin();
  pair(SOCK_STREAM, s);
  r.fd = s[0];
  r.buf = (struct iovec){ data, sizeof data };
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  CHECK_EQ(fdemu_close(p, s[1]), 0);
  fdemu_run(k);
  CHECK_EQ(r.result, 219264); /* six pieces: what Linux takes, too */
  CHECK_EQ(fdemu_write(p, s[0], "x", 1), -EPIPE);
  CHECK_EQ(fdemu_send(p, s[0], "x", 1, MSG_NOSIGNAL), -EPIPE);
  fdemu_signals(p, signals);
  CHECK_EQ(signals[SIGPIPE], 1);
  fdemu_signals(p, signals);
  CHECK_EQ(signals[SIGPIPE], 0);
  end();
}

static void timeouts_are_virtual(void)
{
  struct timeval tv = { 0, 250000 };
  char buf[9];
  int s[2];

  begin();
  pair(SOCK_STREAM, s);
  CHECK_EQ(fdemu_setsockopt(p, s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv),
           0);
  CHECK_EQ(fdemu_read(p, s[0], buf, 9), -EAGAIN);
  CHECK_EQ(fdemu_now(k), 250 * MS);
  CHECK_EQ(fdemu_write(p, s[1], "abc", 3), 3);
  CHECK_EQ(fdemu_recv(p, s[0], buf, 9, MSG_WAITALL), 3);
  CHECK_EQ(fdemu_now(k), 500 * MS);
  CHECK_EQ(fdemu_recv(p, s[0], buf, 9, MSG_DONTWAIT), -EAGAIN);
  CHECK_EQ(fdemu_now(k), 500 * MS);
  tv.tv_sec = -1;
  CHECK_EQ(fdemu_setsockopt(p, s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv),
           0);
  CHECK_EQ(fdemu_read(p, s[0], buf, 9), -EAGAIN);
  CHECK_EQ(fdemu_now(k), 500 * MS);
  end();
}

/* A reader that waits is told of the end; one that does not, is not. */
static void shutdown_of_datagrams(void)
{
  char c;
  int s[2];
  struct fdemu_req r = { .call = &fdemu_calls[FDEMU_READ] };

  begin();
  pair(SOCK_DGRAM, s);
  r.fd = s[0];
  r.buf = (struct iovec){ &c, 1 };
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  CHECK_EQ(fdemu_shutdown(p, s[0], SHUT_RD), 0);
  fdemu_run(k);
  CHECK_EQ(r.result, 0);
  CHECK_EQ(fdemu_read(p, s[0], &c, 1), 0);
  CHECK_EQ(fdemu_recv(p, s[0], &c, 1, MSG_DONTWAIT), -EAGAIN);
  end();
}

/* As on Linux, which counts a byte that there was no room for. */
static void an_urgent_byte_is_taken_without_room_for_it(void)
{
  char byte = '-';
  int s[2], n = -1;

  begin();
  pair(SOCK_STREAM | SOCK_NONBLOCK, s);
  CHECK_EQ(fdemu_send(p, s[0], "ab", 2, MSG_OOB), 2);
  CHECK_EQ(fdemu_recv(p, s[1], &byte, 0, MSG_OOB | MSG_PEEK), 1);
  CHECK_EQ(fdemu_recv(p, s[1], &byte, 0, MSG_OOB), 1);
  CHECK_EQ(byte, '-');
  CHECK_EQ(fdemu_recv(p, s[1], &byte, 1, MSG_OOB), -EINVAL);
  CHECK_EQ(fdemu_recv(p, s[1], &byte, 1, 0), 1);
  CHECK_EQ(byte, 'a');
  CHECK_EQ(fdemu_ioctl(p, s[1], SIOCATMARK, &n), 0);
  CHECK_EQ(n, 1);
  end();
}

/* What was taken leaves an empty piece, and of two in a row one. */
static void urgent_bytes_that_were_taken_take_room_once(void)
{
  char byte;
  int s[2], one = 0, many = 0;

  begin();
  pair(SOCK_STREAM | SOCK_NONBLOCK, s);
  for (int i = 0; i < 1000; i++) {
    CHECK_EQ(fdemu_send(p, s[0], "!", 1, MSG_OOB), 1);
    CHECK_EQ(fdemu_recv(p, s[1], &byte, 1, MSG_OOB), 1);
    CHECK_EQ(fdemu_ioctl(p, s[0], TIOCOUTQ, i == 0 ? &one : &many), 0);
  }
  CHECK(one > 0);
  CHECK_EQ(many, one);
  CHECK_EQ(fdemu_recv(p, s[1], &byte, 1, 0), -EAGAIN);
  CHECK_EQ(fdemu_ioctl(p, s[0], TIOCOUTQ, &many), 0);
  CHECK_EQ(many, 0);
  end();
}

/* Attach a program to what s[1] receives, and send it ten messages of 8 bytes.
 * Their lengths are in the digits of the result. */
static int64_t filtered(struct sock_filter *code, unsigned short n)
{
  const struct sock_fprog program = { n, code };
  int64_t lengths = 0;
  char buf[8] = "message";
  int s[2];

  begin();
  pair(SOCK_DGRAM, s);
  CHECK_EQ(fdemu_setsockopt(p, s[1], SOL_SOCKET, SO_ATTACH_FILTER, &program,
                            sizeof program),
           0);
  for (int i = 0; i < 10; i++) {
    CHECK_EQ(fdemu_send(p, s[0], buf, 8, 0), 8);
    lengths = 10 * lengths + fdemu_recv(p, s[1], buf, 8, 0);
  }
  end();
  return lengths;
}

/* Unlike Linux's, the same again with the same seed. */
static void chance_of_a_filter_is_seeded(void)
{
  struct sock_filter code[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM)),
    BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 7),
    BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 1),
    BPF_STMT(BPF_RET | BPF_A, 0),
  };
  int64_t lengths = filtered(code, 4);

  CHECK(lengths % 1111111111 != 0); /* they are not all the same */
  CHECK_EQ(filtered(code, 4), lengths);
}

/* SO_LOCK_FILTER is for programs of both kinds. */
static void a_locked_filter_stays(void)
{
  const int on = 1, program = 99;
  int s[2];

  begin();
  pair(SOCK_DGRAM, s);
  CHECK_EQ(
      fdemu_setsockopt(p, s[0], SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof on), 0);
  CHECK_EQ(fdemu_setsockopt(p, s[0], SOL_SOCKET, 50, &program, sizeof program),
           -EPERM); /* SO_ATTACH_BPF */
  end();
}

static void only_sockets(void)
{
  struct msghdr m = { .msg_iovlen = 5000 };
  char buf[9];
  socklen_t n = sizeof buf;
  int q[2];

  begin();
  CHECK_EQ(fdemu_pipe2(p, q, 0), 0);
  for (int i = 0; i < 2; i++) { /* whatever the access mode */
    CHECK_EQ(fdemu_send(p, q[i], buf, 1, 0), -ENOTSOCK);
    CHECK_EQ(fdemu_recv(p, q[i], buf, 1, 0), -ENOTSOCK);
    CHECK_EQ(fdemu_sendmsg(p, q[i], &m, 0), -ENOTSOCK);
    CHECK_EQ(fdemu_recvmsg(p, q[i], &m, 0), -ENOTSOCK);
  }
  CHECK_EQ(fdemu_shutdown(p, q[0], 99), -ENOTSOCK);
  CHECK_EQ(fdemu_setsockopt(p, q[0], 9, 9, buf, 1), -ENOTSOCK);
  CHECK_EQ(fdemu_getsockopt(p, q[0], 9, 9, buf, &n), -ENOTSOCK);
  CHECK_EQ(fdemu_shutdown(p, 99, 99), -EBADF);
  CHECK_EQ(fdemu_sendmsg(p, 99, &m, 0), -EBADF);
  end();
}

int main(void)
{
  passed_descriptors_share_the_description();
  nobody_takes_it(close_receiver);
  nobody_takes_it(read_without_room);
  nobody_takes_it(table_is_full);
  peeking_duplicates();
  cycles_are_collected();
  what_can_be_reached_is_not_collected();
  long_chains_do_not_recurse();
  kernels_end_with_cycles();
  blocked_writes_go_on();
  closing_answers_the_writer();
  timeouts_are_virtual();
  shutdown_of_datagrams();
  an_urgent_byte_is_taken_without_room_for_it();
  urgent_bytes_that_were_taken_take_room_once();
  chance_of_a_filter_is_seeded();
  a_locked_filter_stays();
  only_sockets();
  return test_summary();
}
