/*
 * kinds_native_test.c - every call by number on every kind of file in its first
 * state, on Linux and on fdemu
 *
 * Small and exhaustive: each call is made on an object of its own, whose
 * descriptor is non-blocking, and its result is compared, with the bytes that
 * it leaves in memory unless they depend on chance or on the clock.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fdemu_driver.h"
#include "fdemu_linux.h"
#include "test.h"
#include "tmpfs.h"

#define FD    3 /* where the object is */
#define OTHER 9 /* an epoll instance */
#define BYTES 256

static struct fdemu_proc *p;
static int differences, made, missing;
static char name[64];

/* ---- two systems ------------------------------------------------------ */

typedef int64_t caller(long nr, const uint64_t a[6]);

static int64_t on_linux(long nr, const uint64_t a[6])
{
  long n = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);

  return n < 0 ? -errno : n;
}

static int64_t on_fdemu(long nr, const uint64_t a[6])
{
  return fdemu_syscall(p, NULL, nr, a);
}

static int64_t call(caller *sys, long nr, uint64_t a, uint64_t b, uint64_t c,
                    uint64_t d)
{
  const uint64_t args[6] = { a, b, c, d, 0, 0 };

  return sys(nr, args);
}

static uint64_t address(const void *ptr)
{
  return (uint64_t)(uintptr_t)ptr;
}

/* ---- kinds ------------------------------------------------------------ */

struct kind {
  const char *name;
  const char *path; /* or: */
  long nr;
  uint64_t a, b;
  int flags;
};

static const struct kind kinds[] = {
  { "pipe, read end", NULL, SYS_pipe2, 0, 0, 0 },
  { "pipe, write end", NULL, SYS_pipe2, 1, 0, 0 },
  { "eventfd", NULL, SYS_eventfd2, 0, 0, 0 },
  { "eventfd with 5", NULL, SYS_eventfd2, 5, 0, 0 },
  { "timerfd", NULL, SYS_timerfd_create, CLOCK_MONOTONIC, 0, 0 },
  { "epoll", NULL, SYS_epoll_create1, 0, 0, 0 },
  { "memfd", NULL, SYS_memfd_create, 0, MFD_ALLOW_SEALING, 0 },
  { "null", "/dev/null", 0, 0, 0, O_RDWR },
  { "null, reading", "/dev/null", 0, 0, 0, O_RDONLY },
  { "null, writing", "/dev/null", 0, 0, 0, O_WRONLY },
  { "zero", "/dev/zero", 0, 0, 0, O_RDWR },
  { "zero, reading", "/dev/zero", 0, 0, 0, O_RDONLY },
  { "full", "/dev/full", 0, 0, 0, O_RDWR },
  { "full, writing", "/dev/full", 0, 0, 0, O_WRONLY },
  { "random", "/dev/random", 0, 0, 0, O_RDWR },
  { "urandom", "/dev/urandom", 0, 0, 0, O_RDWR },
  { "urandom, reading", "/dev/urandom", 0, 0, 0, O_RDONLY },
  { "file", "", 0, 0, 0, O_RDWR },
  { "file, reading", "", 0, 0, 0, O_RDONLY },
  { "file, writing", "", 0, 0, 0, O_WRONLY },
  { "file, appending", "", 0, 0, 0, O_RDWR | O_APPEND },
  { "file, neither", "", 0, 0, 0, O_ACCMODE },
};

/* Put a fresh object at FD, and an epoll instance at OTHER. */
static void make(caller *sys, const struct kind *k)
{
  const char *path = k->path;
  int fds[2];
  int64_t fd;

  call(sys, SYS_close_range, FD, ~0u, 0, 0);
  if (path != NULL) {
    if (*path == '\0')
      path = sys == on_linux ? name : "/file";
    fd = call(sys, SYS_open, address(path), (unsigned)k->flags, 0600, 0);
  } else if (k->nr == SYS_pipe2) {
    fd = call(sys, SYS_pipe2, address(fds), 0, 0, 0);
    if (fd == 0)
      fd = fds[k->a];
    call(sys, SYS_dup2, (uint64_t)fds[1 - k->a], 10, 0, 0);
    call(sys, SYS_dup2, (uint64_t)fd, FD, 0, 0);
    call(sys, SYS_close, 4, 0, 0, 0);
    fd = FD;
  } else
    fd = call(sys, k->nr, k->nr == SYS_memfd_create ? address("m") : k->a, k->b,
              0, 0);
  CHECK_EQ(fd, FD);
  call(sys, SYS_fcntl, FD, F_SETFL,
       (uint64_t)((k->flags & O_APPEND) | O_NONBLOCK), 0);
  fd = call(sys, SYS_epoll_create1, 0, 0, 0, 0);
  call(sys, SYS_dup2, (uint64_t)fd, OTHER, 0, 0);
  call(sys, SYS_close, (uint64_t)fd, 0, 0, 0);
}

/* ---- calls ------------------------------------------------------------ */

/* What an argument is: a number, or one of these. */
enum { BUF = -1000, VEC, POLLFD, EVENT, EMPTY };

struct row {
  long nr;
  int64_t a[5];
};

static const struct row rows[] = {
  { SYS_read, { FD, BUF, 0 } },
  { SYS_read, { FD, BUF, 1 } },
  { SYS_read, { FD, BUF, 8 } },
  { SYS_write, { FD, BUF, 0 } },
  { SYS_write, { FD, BUF, 1 } },
  { SYS_write, { FD, BUF, 8 } },
  { SYS_pread64, { FD, BUF, 8, 0 } },
  { SYS_pread64, { FD, BUF, 8, 3 } },
  { SYS_pread64, { FD, BUF, 8, -1 } },
  { SYS_pread64, { FD, BUF, 8, INT64_MAX } },
  { SYS_pwrite64, { FD, BUF, 8, 0 } },
  { SYS_pwrite64, { FD, BUF, 8, -1 } },
  { SYS_pwrite64, { FD, BUF, 8, INT64_MAX } },
  { SYS_readv, { FD, VEC, 2 } },
  { SYS_readv, { FD, VEC, 0 } },
  { SYS_readv, { FD, VEC, -1 } },
  { SYS_writev, { FD, VEC, 2 } },
  { SYS_writev, { FD, VEC, 0 } },
  { SYS_preadv, { FD, VEC, 2, 0 } },
  { SYS_preadv, { FD, VEC, 2, -1 } },
  { SYS_pwritev, { FD, VEC, 2, 0 } },
  { SYS_lseek, { FD, 0, SEEK_SET } },
  { SYS_lseek, { FD, 7, SEEK_SET } },
  { SYS_lseek, { FD, -1, SEEK_SET } },
  { SYS_lseek, { FD, 1, SEEK_CUR } },
  { SYS_lseek, { FD, 0, SEEK_END } },
  { SYS_lseek, { FD, 0, SEEK_DATA } },
  { SYS_lseek, { FD, 0, SEEK_HOLE } },
  { SYS_lseek, { FD, 0, 5 } },
  { SYS_dup, { FD } },
  { SYS_dup2, { FD, FD } },
  { SYS_dup2, { FD, 20 } },
  { SYS_dup3, { FD, FD, 0 } },
  { SYS_dup3, { FD, 20, O_CLOEXEC } },
  { SYS_dup3, { FD, 20, 1 } },
  { SYS_close, { FD } },
  { SYS_fcntl, { FD, F_DUPFD, 30 } },
  { SYS_fcntl, { FD, F_DUPFD_CLOEXEC, 30 } },
  { SYS_fcntl, { FD, F_GETFD } },
  { SYS_fcntl, { FD, F_SETFD, 1 } },
  { SYS_fcntl, { FD, F_GETFL } },
  { SYS_fcntl, { FD, F_SETFL, O_APPEND } },
  { SYS_fcntl, { FD, F_SETFL, O_DIRECT } },
  { SYS_fcntl, { FD, F_SETFL, O_ASYNC } },
  { SYS_fcntl, { FD, F_GETPIPE_SZ } },
  { SYS_fcntl, { FD, F_SETPIPE_SZ, 8192 } },
  { SYS_fcntl, { FD, F_ADD_SEALS, F_SEAL_GROW } },
  { SYS_fcntl, { FD, F_ADD_SEALS, 0x1000 } },
  { SYS_fcntl, { FD, F_GET_SEALS } },
  { SYS_fcntl, { FD, F_SETLK, EMPTY } },
  { SYS_fcntl, { FD, F_OFD_SETLK, EMPTY } },
  { SYS_fcntl, { FD, F_GETLK, EMPTY } },
  { SYS_fcntl, { FD, 9999 } },
  { SYS_ioctl, { FD, FIONREAD, BUF } },
  { SYS_ioctl, { FD, FIONREAD, 0 } },
  { SYS_ioctl, { FD, FIONBIO, BUF } },
  { SYS_ioctl, { FD, FIOASYNC, EMPTY } },
  { SYS_ioctl, { FD, FIOASYNC, BUF } },
  { SYS_ioctl, { FD, FIOCLEX } },
  { SYS_ioctl, { FD, FIONCLEX } },
  { SYS_ioctl, { FD, FIGETBSZ, BUF } },
  { SYS_ioctl, { FD, FIOQSIZE, BUF } },
  { SYS_ioctl, { FD, FIBMAP, BUF } },
  { SYS_ioctl, { FD, TCGETS, BUF } },
  { SYS_ioctl, { FD, TIOCGWINSZ, BUF } },
  { SYS_ioctl, { FD, FIFREEZE, 0 } },
  { SYS_ioctl, { FD, 0x12345, BUF } },
  { SYS_flock, { FD, LOCK_SH } },
  { SYS_flock, { FD, LOCK_EX | LOCK_NB } },
  { SYS_flock, { FD, LOCK_UN } },
  { SYS_flock, { FD, 0 } },
  { SYS_ftruncate, { FD, 0 } },
  { SYS_ftruncate, { FD, 5 } },
  { SYS_ftruncate, { FD, -1 } },
  { SYS_fsync, { FD } },
  { SYS_fdatasync, { FD } },
  { SYS_syncfs, { FD } },
  { SYS_sync_file_range, { FD, 0, 1, 0 } },
  { SYS_sync_file_range, { FD, 0, 1, 8 } },
  { SYS_fallocate, { FD, 0, 0, 1 } },
  { SYS_fallocate, { FD, 0, 0, 0 } },
  { SYS_fallocate, { FD, 3, 0, 1 } },
  { SYS_fallocate, { FD, 16, 0, 1 } },
  { SYS_fallocate, { FD, 256, 0, 1 } },
  { SYS_fadvise64, { FD, 0, 0, 0 } },
  { SYS_fadvise64, { FD, 0, 0, 6 } },
  { SYS_fadvise64, { FD, 0, -1, 0 } },
  { SYS_readahead, { FD, 0, 1 } },
  { SYS_poll, { POLLFD, 1, 0 } },
  { SYS_epoll_ctl, { OTHER, EPOLL_CTL_ADD, FD, EVENT } },
  { SYS_epoll_ctl, { OTHER, EPOLL_CTL_MOD, FD, EVENT } },
  { SYS_epoll_ctl, { OTHER, EPOLL_CTL_DEL, FD, EVENT } },
  { SYS_epoll_ctl, { FD, EPOLL_CTL_ADD, 10, EVENT } },
  { SYS_epoll_ctl, { FD, EPOLL_CTL_ADD, FD, EVENT } },
  { SYS_epoll_wait, { FD, BUF, 1, 0 } },
  { SYS_epoll_wait, { FD, BUF, 0, 0 } },
  { SYS_timerfd_gettime, { FD, BUF } },
  { SYS_timerfd_settime, { FD, 0, EMPTY, BUF } },
  { SYS_timerfd_settime, { FD, 8, EMPTY, BUF } },
  { SYS_getdents64, { FD, BUF, 100 } },
  { SYS_fchdir, { FD } },
  { SYS_fchmod, { FD, 0600 } },
  { SYS_fchmod, { FD, 0777 } },
  { SYS_fchown, { FD, -1, -1 } },
  { SYS_fchown, { FD, 5, 5 } },
  { SYS_utimensat, { FD, 0, 0, 0 } },
  { SYS_utimensat, { FD, 0, EMPTY, 0 } },
  { SYS_futimesat, { FD, 0, 0 } },
  { SYS_futimesat, { FD, 0, EMPTY } },
  { SYS_fstatfs, { FD, 0 } },
  { SYS_sendto, { FD, BUF, 1, 0 } },
  { SYS_recvfrom, { FD, BUF, 1, 0 } },
  { SYS_shutdown, { FD, 0 } },
  { SYS_preadv2, { FD, VEC, 2, 0 } },
  { SYS_pwritev2, { FD, VEC, 2, 0 } },
};

struct memory {
  char buf[BYTES];
  struct iovec vec[2];
  struct pollfd pollfd;
  struct epoll_event event;
  char empty[BYTES];
};

static void memory_init(struct memory *m)
{
  memset(m, 0, sizeof *m);
  memset(m->buf, 1, sizeof m->buf / 2);
  m->vec[0] = (struct iovec){ m->buf, 8 };
  m->vec[1] = (struct iovec){ m->buf + 8, 8 };
  m->pollfd = (struct pollfd){ .fd = FD, .events = 0x7fff };
  m->event.events = EPOLLIN;
}

static int64_t run(caller *sys, const struct row *row, struct memory *m)
{
  uint64_t a[6] = { 0 };

  for (int i = 0; i < 5; i++)
    switch (row->a[i]) {
    case BUF: a[i] = address(m->buf); break;
    case VEC: a[i] = address(m->vec); break;
    case POLLFD: a[i] = address(&m->pollfd); break;
    case EVENT: a[i] = address(&m->event); break;
    case EMPTY: a[i] = address(m->empty); break;
    default: a[i] = (uint64_t)row->a[i]; break;
    }
  return sys(row->nr, a);
}

static void compare(const struct kind *k, const struct row *row)
{
  static struct memory a, b;
  int64_t linux, emu;

  memory_init(&a);
  memory_init(&b);
  make(on_linux, k);
  make(on_fdemu, k);
  linux = run(on_linux, row, &a);
  emu = run(on_fdemu, row, &b);
  made++;
  if (emu == -ENOSYS) {
    missing++;
    return;
  }
  if (linux == emu && a.pollfd.revents == b.pollfd.revents &&
      (memcmp(a.buf, b.buf, BYTES) == 0 || strstr(k->name, "random") != NULL))
    return;
  differences++;
  fprintf(stderr,
          "%s: call %ld(%lld, %lld, %lld, %lld): Linux %s%lld, fdemu"
          " %s%lld%s\n",
          k->name, row->nr, (long long)row->a[0], (long long)row->a[1],
          (long long)row->a[2], (long long)row->a[3],
          linux < 0 ? fdemu_errname((int)-linux) : "", (long long)linux,
          emu < 0 ? fdemu_errname((int)-emu) : "", (long long)emu,
          linux == emu ? ", and other memory" : "");
}

/* What fdemu's processes are. A process that changes its user is not dumpable,
 * which the leak checker needs. */
static void drop_privileges(void)
{
  if (getuid() == 0 && setresgid(1000, 1000, 1000) == 0 &&
      setresuid(1000, 1000, 1000) == 0)
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

int main(void)
{
  const char *dir = tmpfs_enter();
  struct fdemu_kernel *k;
  struct fdemu_inode *file;
  int fd;

  if (dir == NULL)
    return test_skip("no tmpfs to compare with");
  k = test_kernel();
  file = fdemu_regular_new(k, 0600);
  signal(SIGPIPE, SIG_IGN);
  alarm(60); /* a call that waits */
  drop_privileges();
  snprintf(name, sizeof name, "%s/fdemu-kinds-%d", dir, (int)getpid());
  CHECK_EQ(fdemu_std_devices(k), 0);
  CHECK_EQ(fdemu_name(k, "/file", file), 0);
  fdemu_inode_put(file);
  p = fdemu_proc_new(k);
  for (fd = 0; fd < FD; fd++)
    CHECK_EQ(fdemu_open(p, "/dev/null", O_RDWR, 0), fd);
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    for (size_t j = 0; j < sizeof rows / sizeof *rows; j++) {
      int truncate = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
      close(truncate);
      fdemu_close(p, fdemu_open(p, "/file", O_RDWR | O_TRUNC, 0));
      compare(&kinds[i], &rows[j]);
    }
  syscall(SYS_close_range, FD, ~0u, 0);
  unlink(name);
  printf("%d calls on %d kinds, %d without an answer\n", made,
         (int)(sizeof kinds / sizeof *kinds), missing);
  CHECK_EQ(differences, 0);
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
  return test_summary();
}
