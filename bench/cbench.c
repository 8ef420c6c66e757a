/*
 * cbench.c - fdemu from C against the real system calls, without Lua
 *
 * usage: cbench [pattern]     a table of nanoseconds per call
 *        cbench -n N WORK     do fdemu's WORK N times: to count instructions
 *
 * The two take turns, and what counts is the median of the rounds' ratios.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "fdemu.h"

#define ROUNDS 15

static struct fdemu_proc *p;
static int r, w, e, ep;     /* of the emulated process */
static int hr, hw, he, hep; /* the host's */
static char buf[65536];

/* ---- the work --------------------------------------------------------- */

static void pipe_1(void)
{
  fdemu_write(p, w, "x", 1);
  fdemu_read(p, r, buf, 1);
}

static void host_pipe_1(void)
{
  if (write(hw, "x", 1) != 1 || read(hr, buf, 1) != 1)
    abort();
}

static void pipe_64k(void)
{
  fdemu_write(p, w, buf, sizeof buf);
  fdemu_read(p, r, buf, sizeof buf);
}

static void host_pipe_64k(void)
{
  if (write(hw, buf, sizeof buf) < 0 || read(hr, buf, sizeof buf) < 0)
    abort();
}

static void dup_close(void)
{
  fdemu_close(p, fdemu_dup(p, r));
}

static void host_dup_close(void)
{
  close(dup(hr));
}

static void eventfd_2(void)
{
  uint64_t n = 1;

  fdemu_write(p, e, &n, sizeof n);
  fdemu_read(p, e, &n, sizeof n);
}

static void host_eventfd_2(void)
{
  uint64_t n = 1;

  if (write(he, &n, sizeof n) < 0 || read(he, &n, sizeof n) < 0)
    abort();
}

static void poll_2(void)
{
  struct pollfd fds[2] = { { r, POLLIN, 0 }, { w, POLLOUT, 0 } };

  fdemu_poll(p, fds, 2, 0);
}

static void host_poll_2(void)
{
  struct pollfd fds[2] = { { hr, POLLIN, 0 }, { hw, POLLOUT, 0 } };

  poll(fds, 2, 0);
}

static void epoll_1(void)
{
  struct epoll_event event;

  fdemu_epoll_wait(p, ep, &event, 1, 0);
}

static void host_epoll_1(void)
{
  struct epoll_event event;

  epoll_wait(hep, &event, 1, 0);
}

static const struct work {
  const char *name;
  void (*own)(void), (*host)(void);
  int calls;
} works[] = {
  { "pipe: write + read, 1 byte", pipe_1, host_pipe_1, 2 },
  { "pipe: write + read, 64 KiB", pipe_64k, host_pipe_64k, 2 },
  { "dup + close", dup_close, host_dup_close, 2 },
  { "eventfd: write + read", eventfd_2, host_eventfd_2, 2 },
  { "poll of two, one ready", poll_2, host_poll_2, 1 },
  { "epoll_wait, one of 1,000 ready", epoll_1, host_epoll_1, 1 },
};

/* ---- measuring -------------------------------------------------------- */

static double now(void)
{
  struct timespec t;

  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double time_of(void (*f)(void), int n)
{
  double start = now();

  for (int i = 0; i < n; i++)
    f();
  return (now() - start) / n;
}

static int by_size(const void *a, const void *b)
{
  const double *x = a, *y = b;

  return (*x > *y) - (*x < *y);
}

static double median(double *list)
{
  qsort(list, ROUNDS, sizeof *list, by_size);
  return list[ROUNDS / 2];
}

static void compare(const struct work *k)
{
  double own[ROUNDS], host[ROUNDS], ratio[ROUNDS];
  int n = (int)(3e6 / time_of(k->host, 100)) + 1; /* about 3 ms */

  for (int i = 0; i < ROUNDS; i++) {
    own[i] = time_of(k->own, n) / k->calls;
    host[i] = time_of(k->host, n) / k->calls;
    ratio[i] = host[i] / own[i];
  }
  printf("%-34s %10.1f %10.1f %8.2f\n", k->name, median(own), median(host),
         median(ratio));
}

/* ---- what is worked with ---------------------------------------------- */

static int add(int set, int fd, uint32_t events)
{
  struct epoll_event event = { .events = events, .data.fd = fd };

  return fdemu_epoll_ctl(p, set, EPOLL_CTL_ADD, fd, &event);
}

static void make_own(struct fdemu_kernel *k)
{
  int fds[2];

  p = fdemu_proc_new(k);
  if (p == NULL || fdemu_pipe2(p, fds, 0) < 0)
    abort();
  r = fds[0];
  w = fds[1];
  e = fdemu_eventfd(p, 0, 0);
  ep = fdemu_epoll_create1(p, 0);
  for (int i = 0; i < 1000; i++)
    if (add(ep, fdemu_eventfd(p, i == 0, 0), EPOLLIN) < 0)
      abort();
}

static void make_host(void)
{
  int fds[2];

  if (pipe(fds) < 0)
    abort();
  hr = fds[0];
  hw = fds[1];
  he = eventfd(0, 0);
  hep = epoll_create1(0);
  for (int i = 0; i < 1000; i++) {
    struct epoll_event event = { .events = EPOLLIN };
    if (epoll_ctl(hep, EPOLL_CTL_ADD, eventfd(i == 0, 0), &event) < 0)
      break; /* RLIMIT_NOFILE: fewer */
  }
}

int main(int argc, char **argv)
{
  const struct fdemu_config config = { .nofile = 4096 };
  struct fdemu_kernel *k = fdemu_kernel_new(&config);
  bool count = argc == 4 && strcmp(argv[1], "-n") == 0;
  const char *pattern = count ? argv[3] : argc > 1 ? argv[1] : "";

  if (k == NULL)
    return 1;
  make_own(k);
  if (!count) {
    make_host();
    printf("%-34s %10s %10s %8s\n", "ns per call", "fdemu", "Linux", "ratio");
  }
  for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
    if (strstr(works[i].name, pattern) == NULL)
      continue;
    if (count) {
      for (int n = atoi(argv[2]); n > 0; n--)
        works[i].own();
    } else
      compare(&works[i]);
  }
  fdemu_proc_put(p);
  fdemu_kernel_free(k);
  return 0;
}
