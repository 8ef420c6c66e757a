/* syscall_test.c - calls by number give what Linux gives: each is made twice,
 * through one function pointer, by this process and by an emulated one */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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
  return fdemu_syscall(proc, NULL, nr, a);
}

#define P(x)        ((uint64_t)(uintptr_t)(x))
#define DO(nr, ...) log[n++] = fn(SYS_##nr, (const uint64_t[6]){ __VA_ARGS__ })

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
  DO(lseek, 100, 0, SEEK_CUR);
  DO(fcntl, 101, F_GETFD);
  DO(fcntl, 101, F_GETFL);
  DO(fcntl, 101, F_GETPIPE_SZ);
  DO(fcntl, 101, F_DUPFD, 102);
  DO(fstat, 102, P(&st));
  log[n++] = st.st_mode;
  DO(fstat, 99, P(&st));
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

static void the_same_as_linux(void)
{
  int64_t expected[80], got[80];
  size_t n = calls(by_linux, expected);

  CHECK_EQ(calls(by_fdemu, got), n);
  for (size_t i = 0; i < n; i++)
    if (expected[i] != got[i]) {
      printf("result %zu: Linux %lld, fdemu %lld\n", i, (long long)expected[i],
             (long long)got[i]);
      CHECK_EQ(got[i], expected[i]);
    } else
      CHECK_EQ(got[i], expected[i]);
}

/* ---- memory that fails -------------------------------------------------- */

static int no_load(const struct fdemu_mem *m, void *dst, const void *addr,
                   size_t n)
{
  (void)m;
  (void)dst;
  (void)addr;
  (void)n;
  return -EFAULT;
}

static int no_store(const struct fdemu_mem *m, void *addr, const void *src,
                    size_t n)
{
  (void)m;
  (void)addr;
  (void)src;
  (void)n;
  return -EFAULT;
}

static void bad_memory_loses_nothing(void)
{
  static const struct fdemu_mem bad = { no_load, no_store };
  char buf[8] = "";
  int fds[2];

  CHECK_EQ(fdemu_pipe2(proc, fds, O_NONBLOCK), 0);
  const uint64_t rd = (uint64_t)fds[0], wr = (uint64_t)fds[1];
  CHECK_EQ(fdemu_write(proc, fds[1], "abc", 3), 3);
  CHECK_EQ(
      fdemu_syscall(proc, &bad, SYS_read, (const uint64_t[6]){ rd, P(buf), 8 }),
      -EFAULT);
  CHECK_EQ(fdemu_syscall(proc, &bad, SYS_write,
                         (const uint64_t[6]){ wr, P(buf), 8 }),
           -EFAULT);
  CHECK_EQ(fdemu_syscall(proc, &bad, SYS_readv,
                         (const uint64_t[6]){ rd, P(buf), 1 }),
           -EFAULT);
  CHECK_EQ(
      fdemu_syscall(proc, &bad, SYS_poll, (const uint64_t[6]){ P(buf), 1, 0 }),
      -EFAULT);
  CHECK_EQ(
      fdemu_syscall(proc, &bad, SYS_pipe2, (const uint64_t[6]){ P(buf), 0 }),
      -EFAULT);
  CHECK_EQ(fdemu_next_fd(proc, fds[1] + 1), -1); /* no pipe is left over */
  CHECK_EQ(fdemu_syscall(proc, &bad, SYS_openat,
                         (const uint64_t[6]){ (uint64_t)AT_FDCWD, P(buf) }),
           -EFAULT);
  CHECK_EQ(fdemu_read(proc, fds[0], buf, 8), 3);
  CHECK(memcmp(buf, "abc", 3) == 0);
}

/* An accessor is given bytes, whatever they are. */
static int count_store(const struct fdemu_mem *m, void *addr, const void *src,
                       size_t n)
{
  (void)m;
  memcpy(addr, src, n);
  return 0;
}

static void zeros_go_through_the_accessor(void)
{
  static const struct fdemu_mem mem = { no_load, count_store };
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

static void what_is_not_there(void)
{
  static const uint64_t none[6];

  CHECK_EQ(fdemu_syscall(proc, NULL, -1, none), -ENOSYS);
  CHECK_EQ(fdemu_syscall(proc, NULL, 1000000, none), -ENOSYS);
  CHECK_EQ(fdemu_syscall(proc, NULL, SYS_mmap, none), -ENOSYS);
  CHECK_EQ(fdemu_syscall(proc, NULL, SYS_bind, none), -ENOSYS);
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
  CHECK_EQ(fdemu_std_devices(k), 0);
  for (int fd = 0; fd < 3; fd++)
    CHECK_EQ(fdemu_open(proc, "/dev/null", O_RDWR, 0), fd);
  the_same_as_linux();
  bad_memory_loses_nothing();
  zeros_go_through_the_accessor();
  what_is_not_there();
  fdemu_proc_put(proc);
  fdemu_kernel_free(k);
  return test_summary();
}
