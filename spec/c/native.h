/*
 * native.h - what tests share that make the same random calls on Linux and on
 * fdemu: one process on each side, with 0, 1 and 2 open
 *
 * A test has steps, which say() what they do, do it on both sides and agree().
 */
#ifndef NATIVE_H
#define NATIVE_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test.h"

static uint64_t rng;
static struct fdemu_kernel *k;
static struct fdemu_proc *p;
static char what[256]; /* the call that is made */
static bool loud;      /* print every call */
static bool same;
static int outcomes[200]; /* how often each errno came; [0]: none */

static inline int pick(int n)
{
  return (int)test_below(&rng, (uint64_t)n);
}

#define PICK(array) array[pick((int)(sizeof array / sizeof *array))]

__attribute__((format(printf, 1, 2))) static inline void say(const char *fmt,
                                                             ...)
{
  va_list ap;

  va_start(ap, fmt);
  vsnprintf(what, sizeof what, fmt, ap);
  va_end(ap);
  if (loud)
    fprintf(stderr, "%s\n", what);
}

/* Of a call of the C library's, before anything else changes errno. */
static inline int64_t native(int64_t n)
{
  return n < 0 ? -errno : n;
}

static inline bool agree(int64_t n, int64_t emu)
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

static inline void agree_bytes(const void *a, const void *b, int64_t n)
{
  if (n > 0 && memcmp(a, b, (size_t)n) != 0) {
    fprintf(stderr, "%s: the bytes differ\n", what);
    same = false;
  }
}

/* ---- calls on both sides ------------------------------------------------ */

static inline void close_both(int fd)
{
  say("close(%d)", fd);
  agree(native(close(fd)), fdemu_close(p, fd));
}

static inline void dup_both(int fd)
{
  say("dup(%d)", fd);
  agree(native(dup(fd)), fdemu_dup(p, fd));
}

static inline void dup2_both(int fd, int to)
{
  say("dup2(%d, %d)", fd, to);
  agree(native(dup2(fd, to)), fdemu_dup2(p, fd, to));
}

#define POLLS 8 /* at most */

/* Of a, the answers are written over. */
static inline void poll_both(struct pollfd *a, int n)
{
  struct pollfd b[POLLS];

  memcpy(b, a, (size_t)n * sizeof *a);
  say("poll(%d entries)", n);
  agree(native(poll(a, (nfds_t)n, 0)), fdemu_poll(p, b, (size_t)n, 0));
  for (int i = 0; i < n; i++) {
    say("poll: descriptor %d, events %#x", a[i].fd, (unsigned)a[i].events);
    agree(a[i].revents, b[i].revents);
  }
}

/* ---- sequences -------------------------------------------------------- */

/* On both sides, so that they agree on which descriptor comes next. */
static inline void limit_files(rlim_t n)
{
  struct rlimit limit = { n, n };

  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = n < limit.rlim_max ? n : limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

/* The leak checker opens files, too. */
static inline void unlimit_files(void)
{
  limit_files(RLIM_INFINITY);
}

/* What fdemu's processes have none of. A process that changes its user is not
 * dumpable, which the leak checker needs. */
static inline void drop_privileges(uid_t user)
{
  if (geteuid() == 0 && setresuid(user, user, user) == 0)
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static inline void close_native(void)
{
  syscall(SYS_close_range, 3u, ~0u, 0);
}

/* A new kernel with a process that may have so many descriptors. */
static inline void begin(int limit)
{
  k = test_kernel();
  CHECK_EQ(fdemu_std_devices(k), 0);
  p = fdemu_proc_new(k);
  CHECK_EQ(fdemu_set_nofile(p, limit, limit), 0);
  for (int fd = 0; fd < 3; fd++)
    CHECK_EQ(fdemu_open(p, "/dev/null", O_RDWR, 0), fd);
  close_native();
}

/* Up to the first that differs: after it nothing need be the same. */
static inline void make_steps(uint64_t seed, int n, void (*step)(void))
{
  rng = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
  same = true;
  for (int i = 0; i < n && same; i++) {
    step();
    if (i % 8 == 0)
      CHECK_KERNEL(k);
    if (!same)
      fprintf(stderr, "  seed %d, step %d\n", (int)seed, i);
  }
  CHECK(same);
}

static inline void end(void)
{
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

/* Of each errno there were some: the steps reach what they are about. */
static inline void check_happened(const int *errors, size_t n)
{
  for (size_t i = 0; i < n; i++) {
    say("%s happened", fdemu_errname(errors[i]));
    test_check(outcomes[errors[i]] > 20, __FILE__, __LINE__, what);
  }
}

#define CHECK_HAPPENED(errors) \
  check_happened(errors, sizeof errors / sizeof *errors)

#endif
