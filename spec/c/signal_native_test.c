/*
 * signal_native_test.c - the signals that descriptors send, on Linux and on
 * fdemu: the same calls, and after each of them what the process has received
 *
 * Signals are blocked. Those of real time are queued on Linux and can be
 * counted, the others are there or not.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fdemu_driver.h"
#include "fdemu_linux.h"
#include "test.h"

#define LIMIT    14
#define REALTIME 34 /* what libc leaves of them begins here */

static struct fdemu_proc *p;
static uint64_t rng;
static char what[128];
static bool same = true;

static int pick(int n)
{
  return (int)test_below(&rng, (uint64_t)n);
}

/* ---- two systems ------------------------------------------------------ */

static bool agree(const char *of, int64_t native, int64_t emu)
{
  if (native == emu)
    return true;
  fprintf(stderr, "%s: %s: Linux %lld, fdemu %lld\n", what, of,
          (long long)native, (long long)emu);
  same = false;
  return false;
}

/* How often each signal came, on Linux. */
static void take_native(unsigned counts[FDEMU_NSIG])
{
  const struct timespec now = { 0, 0 };
  sigset_t all;
  int sig;

  memset(counts, 0, FDEMU_NSIG * sizeof *counts);
  sigfillset(&all);
  while ((sig = sigtimedwait(&all, NULL, &now)) > 0)
    counts[sig]++;
}

static void signals(void)
{
  unsigned native[FDEMU_NSIG], emu[FDEMU_NSIG];
  char name[32];

  take_native(native);
  fdemu_signals(p, emu);
  native[SIGCHLD] = 0; /* of no descriptor */
  for (int sig = 1; sig < FDEMU_NSIG; sig++) {
    unsigned n = sig < REALTIME ? emu[sig] > 0 : emu[sig];
    snprintf(name, sizeof name, "signal %d", sig);
    agree(name, native[sig], n);
  }
}

static int64_t both(const char *name, long nr, uint64_t a, uint64_t b,
                    uint64_t c, uint64_t d, uint64_t e)
{
  const uint64_t args[6] = { a, b, c, d, e, 0 };
  long n = syscall(nr, a, b, c, d, e, 0);
  int64_t native = n < 0 ? -errno : n;

  snprintf(what, sizeof what, "%s(%lld, %lld, %lld)", name, (long long)a,
           (long long)b, (long long)c);
  agree("result", native, fdemu_syscall(p, NULL, nr, args));
  signals();
  return native;
}

#define U(x) ((uint64_t)(x))
#define CALL(name, a, b, c, d) \
  both(#name, SYS_##name, U(a), U(b), U(c), U(d), sizeof(int))
#define ADDRESS(p) ((uintptr_t)(p))

/* sign: 1 for the process, -1 for its group, 0 for nobody. */
static void set_owner(int fd, int sign)
{
  int native = fcntl(fd, F_SETOWN, sign * getpid());

  snprintf(what, sizeof what, "F_SETOWN of %d", fd);
  agree("result", native < 0 ? -errno : native,
        fdemu_fcntl(p, fd, F_SETOWN, sign * fdemu_getpid(p)));
  signals();
}

static void owned(int fd, int signo)
{
  set_owner(fd, 1);
  CALL(fcntl, fd, F_SETSIG, signo, 0);
  CALL(fcntl, fd, F_SETFL, O_ASYNC | O_NONBLOCK, 0);
  CALL(fcntl, fd, F_GETFL, 0, 0);
}

/* ---- what there is ---------------------------------------------------- */

static char bytes[300000];

static void close_all(void)
{
  for (int fd = 3; fd < LIMIT; fd++)
    CALL(close, fd, 0, 0, 0);
}

static void write_to(int fd, size_t n)
{
  CALL(write, fd, ADDRESS(bytes), n, 0);
}

static void read_from(int fd, size_t n)
{
  static char in[2][sizeof bytes];
  int64_t native;

  native = read(fd, in[0], n);
  snprintf(what, sizeof what, "read(%d, %zu)", fd, n);
  agree("result", native < 0 ? -errno : native, fdemu_read(p, fd, in[1], n));
  signals();
}

static void pair(int type)
{
  int fds[2];

  if (type == 0)
    CALL(pipe2, ADDRESS(fds), O_NONBLOCK, 0, 0);
  else
    CALL(socketpair, AF_UNIX, type | SOCK_NONBLOCK, 0, ADDRESS(fds));
}

static void test_kinds(void)
{
  CALL(eventfd2, 0, EFD_NONBLOCK, 0, 0);
  CALL(timerfd_create, CLOCK_MONOTONIC, TFD_NONBLOCK, 0, 0);
  CALL(epoll_create1, 0, 0, 0, 0);
  CALL(open, ADDRESS("/dev/null"), O_RDWR | O_ASYNC, 0, 0);
  CALL(open, ADDRESS("/dev/zero"), O_RDWR, 0, 0);
  CALL(open, ADDRESS("/dev/urandom"), O_RDONLY, 0, 0);
  CALL(memfd_create, ADDRESS("m"), 0, 0, 0);
  CALL(open, ADDRESS("/"), O_RDONLY, 0, 0);
  for (int fd = 3; fd < 11; fd++) {
    owned(fd, 40);
    CALL(write, fd, ADDRESS(bytes), 8, 0);
    CALL(fcntl, fd, F_SETFL, 0, 0);
    CALL(fcntl, fd, F_GETFL, 0, 0);
  }
  close_all();
}

/* Set by open(2) it does nothing, and setting it again does not help. */
static void test_fifo(void)
{
  CALL(mknod, ADDRESS("fifo"), S_IFIFO | 0600, 0, 0);
  CALL(open, ADDRESS("fifo"), O_RDWR | O_ASYNC | O_NONBLOCK, 0, 0);
  owned(3, 40);
  write_to(3, 5);
  CALL(fcntl, 3, F_SETFL, O_NONBLOCK, 0);
  owned(3, 40);
  write_to(3, 5);
  read_from(3, 20);
  CALL(open, ADDRESS("fifo"), O_WRONLY, 0, 0);
  CALL(close, 4, 0, 0, 0);
  CALL(open, ADDRESS("fifo"), O_RDONLY | O_NONBLOCK, 0, 0);
  owned(4, 41);
  CALL(close, 3, 0, 0, 0);
  close_all();
  CALL(unlink, ADDRESS("fifo"), 0, 0, 0);
}

/* A child has its parent's group, and is told of as itself. */
static void test_owners(void)
{
  int native = fork(), status;
  struct fdemu_proc *child;
  int emu = fdemu_fork(p, &child);
  const int fds[2] = { 3, 4 };

  if (native == 0)
    for (;;)
      pause();
  pair(0);
  owned(fds[0], 0);
  set_owner(fds[0], -1);
  write_to(fds[1], 1);
  fcntl(fds[0], F_SETOWN, native);
  fdemu_fcntl(p, fds[0], F_SETOWN, emu);
  write_to(fds[1], 1);
  agree("child", native == fcntl(fds[0], F_GETOWN),
        emu == fdemu_fcntl(p, fds[0], F_GETOWN, 0));
  fcntl(fds[0], F_SETOWN, -native);
  fdemu_fcntl(p, fds[0], F_SETOWN, -emu);
  write_to(fds[1], 1);
  CALL(fcntl, fds[0], F_GETOWN, 0, 0);
  fcntl(fds[0], F_SETOWN, native);
  fdemu_fcntl(p, fds[0], F_SETOWN, emu);
  kill(native, SIGKILL);
  waitid(P_PID, (id_t)native, NULL, WEXITED | WNOWAIT);
  fdemu_exit(child, 0);
  signals();
  agree("zombie", native == fcntl(fds[0], F_GETOWN),
        emu == fdemu_fcntl(p, fds[0], F_GETOWN, 0));
  waitpid(native, &status, 0);
  fdemu_wait(p, &status);
  CALL(fcntl, fds[0], F_GETOWN, 0, 0);
  signals();
  fdemu_proc_put(child);
  close_all();
}

static void test_pairs(int type)
{
  for (int signo = 0; signo <= 40; signo += 40) {
    pair(type);
    owned(3, signo);
    owned(4, signo ? signo + 1 : 0);
    write_to(4, 1);
    write_to(4, 70000);
    write_to(4, 0);
    read_from(3, 0);
    read_from(3, 1);
    read_from(3, 100000);
    read_from(3, 100000);
    read_from(4, 10);
    CALL(shutdown, 4, SHUT_WR, 0, 0);
    CALL(close, 4, 0, 0, 0);
    read_from(3, 1);
    write_to(3, 1);
    close_all();
  }
}

/* ---- at random -------------------------------------------------------- */

static void step_flags(int fd)
{
  static const int sigs[] = { 0, 10, 29, 40, 41, 64 };

  switch (pick(5)) {
  case 0: CALL(fcntl, fd, F_SETFL, O_NONBLOCK, 0); break;
  case 1: CALL(fcntl, fd, F_SETSIG, sigs[pick(6)], 0); break;
  case 2: set_owner(fd, pick(3) - 1); break;
  default: owned(fd, sigs[pick(6)]); break;
  }
}

static void step_move(int fd)
{
  const int to = 3 + pick(LIMIT - 3);
  const size_t n = (size_t)pick(20000);
  const uint64_t args[6] = { (uint64_t)fd,     0, (uint64_t)to, 0, n,
                             SPLICE_F_NONBLOCK };
  struct stat st[2];
  int64_t native;

  if (fstat(fd, &st[0]) != 0 || fstat(to, &st[1]) != 0 ||
      !S_ISFIFO(st[0].st_mode) || !S_ISFIFO(st[1].st_mode))
    return;
  if (pick(2)) {
    CALL(tee, fd, to, n, SPLICE_F_NONBLOCK);
    return;
  }
  native = splice(fd, NULL, to, NULL, n, SPLICE_F_NONBLOCK);
  snprintf(what, sizeof what, "splice(%d, %d)", fd, to);
  agree("result", native < 0 ? -errno : native,
        fdemu_syscall(p, NULL, SYS_splice, args));
  signals();
}

static void step(void)
{
  static const size_t sizes[] = { 0, 1, 100, 4096, 5000, 65536, 300000 };
  const int types[] = { 0, 0, SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
  const int fd = 3 + pick(LIMIT - 3);
  struct pollfd pf = { fd, POLLIN | POLLOUT, 0 };
  int n = pick(100);

  switch (pick(16)) {
  case 0: pair(types[pick(5)]); break;
  case 1: CALL(close, fd, 0, 0, 0); break;
  case 2: CALL(dup, fd, 0, 0, 0); break;
  case 3: CALL(shutdown, fd, pick(3), 0, 0); break;
  case 4: CALL(poll, ADDRESS(&pf), 1, 0, 0); break;
  case 5: CALL(fcntl, fd, F_SETPIPE_SZ, 4096 << pick(5), 0); break;
  case 6:
    n = 1000 << pick(8);
    CALL(setsockopt, fd, SOL_SOCKET, SO_SNDBUF, ADDRESS(&n));
    break;
  case 7: step_move(fd); break;
  case 8:
  case 9: step_flags(fd); break;
  case 10:
  case 11:
  case 12: read_from(fd, sizes[pick(7)]); break;
  default: write_to(fd, sizes[pick(7)]); break;
  }
}

/* Leases, where nobody waits: files are opened with O_NONBLOCK. */
static void step_lease(void)
{
  static const int how[] = {
    O_RDONLY, O_RDONLY, O_WRONLY,           O_RDWR,
    3,        O_PATH,   O_RDONLY | O_TRUNC, O_RDWR | O_CREAT
  };
  static const int types[] = { F_RDLCK, F_RDLCK, F_WRLCK, F_WRLCK, F_UNLCK, 3 };
  static const int sigs[] = { 0, 10, 40, 41, 42 };
  static const char *const names[] = { "a", "a", "a", "b" };
  const char *const name = names[pick(4)];
  const int fd = 3 + pick(8);

  switch (pick(10)) {
  case 0:
  case 1: CALL(open, ADDRESS(name), how[pick(8)] | O_NONBLOCK, 0600, 0); break;
  case 2:
  case 3: CALL(close, fd, 0, 0, 0); break;
  case 4: CALL(fcntl, fd, F_GETFL, 0, 0); break;
  case 5: CALL(fcntl, fd, F_GETLEASE, 0, 0); break;
  case 6:
    if (pick(3) == 0)
      CALL(dup, fd, 0, 0, 0);
    else
      set_owner(fd, pick(3) - 1);
    break;
  case 7: CALL(fcntl, fd, F_SETSIG, sigs[pick(5)], 0); break;
  default: CALL(fcntl, fd, F_SETLEASE, types[pick(6)], 0); break;
  }
  CALL(fcntl, fd, F_GETSIG, 0, 0);
}

static void test_seed(uint64_t seed, void (*one)(void), int steps)
{
  rng = seed;
  for (int i = 0; i < steps && same; i++)
    one();
  if (!same)
    fprintf(stderr, "(seed %llu)\n", (unsigned long long)seed);
  close_all();
}

/* ---- runs ------------------------------------------------------------- */

static void begin(void)
{
  const struct fdemu_config config = { .nofile = LIMIT };
  const struct rlimit limit = { LIMIT, LIMIT };
  char dir[] = "/tmp/fdemu-signal-XXXXXX";
  sigset_t all;

  if (getuid() == 0 && (setgid(FDEMU_UID) < 0 || setuid(FDEMU_UID) < 0))
    abort();
  if (mkdtemp(dir) == NULL || chdir(dir) < 0)
    abort();
  syscall(SYS_close_range, 3u, ~0u, 0);
  setrlimit(RLIMIT_NOFILE, &limit);
  setpgid(0, 0);
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  p = fdemu_proc_new(fdemu_kernel_new(&config));
  fdemu_std_devices(fdemu_kernel_of(p));
  for (int fd = 0; fd < 3; fd++)
    fdemu_open(p, "/dev/null", O_RDWR, 0);
}

static void end(void)
{
  struct fdemu_kernel *k = fdemu_kernel_of(p);
  char dir[64];

  fdemu_proc_put(p);
  fdemu_kernel_free(k);
  unlink("a");
  unlink("b");
  if (getcwd(dir, sizeof dir) != NULL)
    rmdir(dir);
}

int main(void)
{
  begin();
  test_kinds();
  test_fifo();
  test_owners();
  test_pairs(0);
  test_pairs(SOCK_STREAM);
  test_pairs(SOCK_DGRAM);
  test_pairs(SOCK_SEQPACKET);
  CALL(open, ADDRESS("a"), O_CREAT | O_RDWR, 0600, 0);
  CALL(memfd_create, ADDRESS("m"), 0, 0, 0);
  for (int type = 0; type < 4; type++) {
    CALL(fcntl, 3, F_SETLEASE, type, 0);
    CALL(fcntl, 4, F_SETLEASE, type, 0);
    CALL(fcntl, 1, F_SETLEASE, type, 0);
  }
  close_all();
  CHECK(same);
  for (uint64_t seed = 1; seed <= 200; seed++) {
    same = true;
    test_seed(seed, step, 300);
    test_seed(seed, step_lease, 200);
    CHECK(same);
  }
  end();
  return test_summary();
}
