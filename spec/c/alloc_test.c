/*
 * alloc_test.c - a call that completes at once allocates nothing
 *
 * Every call is made until what it needs for good is there, and then again
 * with an allocator that counts. What makes an object (dup makes none, pipe
 * makes two) is not among them.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "fdemu.h"
#include "test.h"

static struct fdemu_kernel *k;
static struct fdemu_proc *p;
static int r, w, event, ep, timer, null, zero;
static char page[4096];

static void do_pipe(void)
{
  struct iovec v[2] = { { page, 10 }, { page + 10, 20 } };

  CHECK_EQ(fdemu_write(p, w, page, 100), 100);
  CHECK_EQ(fdemu_read(p, r, page, 70), 70);
  CHECK_EQ(fdemu_readv(p, r, v, 2), 30);
  CHECK_EQ(fdemu_writev(p, w, v, 2), 30);
  CHECK_EQ(fdemu_read(p, r, page, sizeof page), 30);
}

static void do_table(void)
{
  int fd = fdemu_dup(p, r);

  CHECK_EQ(fdemu_dup2(p, w, fd), fd);
  CHECK_EQ(fdemu_dup3(p, r, fd, O_CLOEXEC), fd);
  CHECK_EQ(fdemu_fcntl(p, fd, F_SETFD, 0), 0);
  CHECK_EQ(fdemu_fcntl(p, fd, F_GETFL, 0), O_RDONLY);
  CHECK_EQ(fdemu_fcntl(p, fd, F_DUPFD, 40), 40);
  CHECK_EQ(fdemu_close(p, 40), 0);
  CHECK_EQ(fdemu_close(p, fd), 0);
  CHECK_EQ(fdemu_close(p, fd), -EBADF);
}

static void do_devices(void)
{
  struct stat st;
  int n;

  CHECK_EQ(fdemu_read(p, zero, page, 1000), 1000);
  CHECK_EQ(fdemu_pread(p, zero, page, 10, 5), 10);
  CHECK_EQ(fdemu_write(p, null, page, 1000), 1000);
  CHECK_EQ(fdemu_lseek(p, null, 3, SEEK_SET), 0);
  CHECK_EQ(fdemu_fstat(p, null, &st), 0);
  CHECK_EQ(fdemu_ioctl(p, r, FIONREAD, &n), 0);
  CHECK_EQ(fdemu_ioctl(p, null, FIONREAD, &n), -ENOTTY);
}

static void do_events(void)
{
  struct pollfd fds[2] = { { r, POLLIN, 0 }, { w, POLLOUT, 0 } };
  struct epoll_event ev = { .events = EPOLLIN, .data.fd = event };
  struct itimerspec it = { { 0, 0 }, { 1, 0 } };
  uint64_t n = 3;

  CHECK_EQ(fdemu_write(p, event, &n, sizeof n), sizeof n);
  CHECK_EQ(fdemu_epoll_wait(p, ep, &ev, 1, 0), 1);
  CHECK_EQ(fdemu_epoll_ctl(p, ep, EPOLL_CTL_MOD, event, &ev), 0);
  CHECK_EQ(fdemu_read(p, event, &n, sizeof n), sizeof n);
  CHECK_EQ(fdemu_epoll_wait(p, ep, &ev, 1, 0), 0);
  CHECK_EQ(fdemu_poll(p, fds, 2, 0), 1);
  CHECK_EQ(fdemu_timerfd_settime(p, timer, 0, &it, NULL), 0);
  CHECK_EQ(fdemu_timerfd_gettime(p, timer, &it), 0);
}

/* A read that has to wait, and the write that ends the wait. */
static void do_wait(void)
{
  struct fdemu_req q = { .call = &fdemu_calls[FDEMU_READ],
                         .fd = r,
                         .buf = { page, 1 } };

  CHECK_EQ(fdemu_submit(p, &q), FDEMU_PENDING);
  CHECK_EQ(fdemu_write(p, w, "x", 1), 1);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(q.result, 1);
  fdemu_abandon(&q);
}

static void quietly(void (*f)(void), const char *name)
{
  int64_t count;

  for (int i = 0; i < 3; i++)
    f();
  count = test_heap.count;
  for (int i = 0; i < 10; i++)
    f();
  test_equal(test_heap.count - count, 0, __FILE__, __LINE__, name);
}

int main(void)
{
  struct epoll_event ev = { .events = EPOLLIN };
  int fds[2];

  k = test_kernel();
  fdemu_std_devices(k);
  p = fdemu_proc_new(k);
  fdemu_pipe2(p, fds, 0);
  r = fds[0];
  w = fds[1];
  event = fdemu_eventfd(p, 0, 0);
  ep = fdemu_epoll_create1(p, 0);
  timer = fdemu_timerfd_create(p, CLOCK_MONOTONIC, 0);
  null = fdemu_open(p, "/dev/null", O_RDWR, 0);
  zero = fdemu_open(p, "/dev/zero", O_RDONLY, 0);
  ev.data.fd = event;
  CHECK_EQ(fdemu_epoll_ctl(p, ep, EPOLL_CTL_ADD, event, &ev), 0);

  quietly(do_pipe, "allocations of pipes");
  quietly(do_table, "allocations of dup and the like");
  quietly(do_devices, "allocations of devices");
  quietly(do_events, "allocations of eventfd, epoll, poll, timerfd");
  quietly(do_wait, "allocations of a read that waits");

  fdemu_exit(p, 0);
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
  return test_summary();
}
