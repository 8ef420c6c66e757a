/*
 * lock_test.c - the same lock calls in several processes of Linux's and of
 * fdemu's, one call at a time
 *
 * A native process waits for a command in a pipe, makes the call and sends the
 * answer. The native processes have one CPU and a real-time priority, so that
 * whoever commands them goes on only when all of them wait, and who is woken
 * runs in the order of waking. Where that is not permitted the calls that may
 * wait are left out.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fdemu_driver.h"
#include "test.h"

#define MAXPROCS 16
#define LIMIT    14 /* descriptors of a process */
#define CONTROL  30 /* where a native process has its pipe */

enum what {
  FLOCK,
  FCNTL,
  OPEN,
  CLOSE,
  DUP,
  DUP2,
  LSEEK,
  FTRUNCATE,
  INTERRUPT, /* what it waits in */
  EXIT
};

struct command {
  enum what what;
  int fd, cmd;
  int64_t arg;
  struct flock fl;
};

struct answer {
  int64_t result;
  struct flock fl;
};

static uint64_t rng;
static bool same, waiting_allowed;
static char path[] = "/tmp/fdemu-lock-XXXXXX";
static int nprocs;
static int outcomes[200];
static int waits, wakes;

static struct native {
  pid_t pid;
  int fd;
  bool busy;
} natives[MAXPROCS];

static struct fdemu_kernel *k;
static struct emulated {
  struct fdemu_proc *p;
  struct fdemu_req req;
  struct flock fl;
  bool busy;
} emulated[MAXPROCS];

static int pick(int n)
{
  return (int)test_below(&rng, (uint64_t)n);
}

/* ---- Linux ------------------------------------------------------------ */

static int64_t native_call(struct command *c)
{
  switch (c->what) {
  case FLOCK: return flock(c->fd, c->cmd);
  case FCNTL: return fcntl(c->fd, c->cmd, &c->fl);
  case OPEN: return open(path, c->cmd);
  case CLOSE: return close(c->fd);
  case DUP: return dup(c->fd);
  case DUP2: return dup2(c->fd, c->cmd);
  case LSEEK: return lseek(c->fd, c->arg, SEEK_SET);
  case FTRUNCATE: return ftruncate(c->fd, c->arg);
  default: _exit(0);
  }
}

static void nothing(int sig)
{
  (void)sig;
}

static void native_main(int control)
{
  struct sigaction sa = { .sa_handler = nothing };
  struct rlimit limit = { LIMIT, LIMIT };
  struct command c;
  struct answer a;
  int null = open("/dev/null", O_RDWR);

  for (int fd = 0; fd < 3; fd++)
    dup2(null, fd);
  sigaction(SIGUSR1, &sa, NULL);
  dup2(control, CONTROL);
  syscall(SYS_close_range, 7u, (unsigned)CONTROL - 1, 0);
  syscall(SYS_close_range, (unsigned)CONTROL + 1, ~0u, 0);
  setrlimit(RLIMIT_NOFILE, &limit);
  while (recv(CONTROL, &c, sizeof c, 0) == sizeof c) {
    a.result = native_call(&c);
    if (a.result < 0)
      a.result = -errno;
    a.fl = c.fl;
    if (send(CONTROL, &a, sizeof a, 0) < 0)
      break;
  }
  _exit(0);
}

/* True if the answer is there. Before a call that cannot wait, wait for it. */
static bool native_answer(int i, struct answer *a, bool wait)
{
  return recv(natives[i].fd, a, sizeof *a, wait ? 0 : MSG_DONTWAIT) ==
         sizeof *a;
}

static void native_command(int i, const struct command *c)
{
  if (c->what == INTERRUPT)
    kill(natives[i].pid, SIGUSR1);
  else if (c->what == EXIT) {
    kill(natives[i].pid, SIGKILL);
    waitpid(natives[i].pid, NULL, 0);
  } else
    CHECK_EQ(send(natives[i].fd, c, sizeof *c, 0), sizeof *c);
}

/* Descriptors 3 to 6, which all native processes begin with. */
static void native_open(void)
{
  int fds[2];

  syscall(SYS_close_range, 3u, ~0u, 0);
  CHECK_EQ(open(path, O_RDWR | O_TRUNC), 3);
  CHECK_EQ(open(path, O_RDONLY), 4);
  CHECK_EQ(pipe(fds), 0);
}

static void native_start(int i)
{
  struct sched_param param = { .sched_priority = 1 };
  int ends[2];

  CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  natives[i] = (struct native){ fork(), ends[0], false };
  if (natives[i].pid == 0)
    native_main(ends[1]);
  if (waiting_allowed)
    CHECK_EQ(sched_setscheduler(natives[i].pid, SCHED_FIFO, &param), 0);
  close(ends[1]);
}

/* ---- fdemu ------------------------------------------------------------ */

static int64_t file_truncate(struct fdemu_file *f, struct fdemu_req *r)
{
  f->inode->attr->size = r->offset;
  return 0;
}

static const struct fdemu_ops file_ops = {
  .name = "file",
  .mode = FDEMU_MODE_SEEK,
  .truncate = file_truncate,
};

static void emulated_open(struct fdemu_proc *p)
{
  struct fdemu_inode *i = fdemu_device_new(k, &file_ops, S_IFREG | 0600, 0);
  int fds[2];

  CHECK_EQ(fdemu_std_devices(k), 0);
  i->attr->uid = FDEMU_UID;
  CHECK_EQ(fdemu_name(k, path, i), 0);
  fdemu_inode_put(i);
  for (int fd = 0; fd < 3; fd++)
    CHECK_EQ(fdemu_open(p, "/dev/null", O_RDWR, 0), fd);
  CHECK_EQ(fdemu_open(p, path, O_RDWR, 0), 3);
  CHECK_EQ(fdemu_open(p, path, O_RDONLY, 0), 4);
  CHECK_EQ(fdemu_pipe2(p, fds, 0), 0);
}

static const struct fdemu_call *call_of(enum what what)
{
  static const enum fdemu_callno calls[] = {
    [FLOCK] = FDEMU_FLOCK, [FCNTL] = FDEMU_FCNTL,
    [OPEN] = FDEMU_OPEN,   [CLOSE] = FDEMU_CLOSE,
    [DUP] = FDEMU_DUP,     [DUP2] = FDEMU_DUP2,
    [LSEEK] = FDEMU_LSEEK, [FTRUNCATE] = FDEMU_FTRUNCATE,
  };

  return &fdemu_calls[calls[what]];
}

static void emulated_command(int i, const struct command *c)
{
  struct emulated *e = &emulated[i];

  if (c->what == INTERRUPT)
    fdemu_cancel(&e->req, EINTR);
  else if (c->what == EXIT)
    fdemu_exit(e->p, 0);
  else {
    e->fl = c->fl;
    e->req = (struct fdemu_req){ .call = call_of(c->what),
                                 .fd = c->fd,
                                 .cmd = (unsigned)c->cmd,
                                 .offset = c->arg,
                                 .path = path,
                                 .buf = { &e->fl, sizeof e->fl } };
    if (c->what == DUP2)
      e->req.arg = c->cmd;
    if (c->what == LSEEK)
      e->req.cmd = SEEK_SET;
    fdemu_submit(e->p, &e->req);
  }
  fdemu_run(k);
}

/* ---- both ------------------------------------------------------------- */

static const char *describe(int i, const struct command *c)
{
  static const char *const names[] = { "flock", "fcntl",     "open",
                                       "close", "dup",       "dup2",
                                       "lseek", "ftruncate", "interrupt",
                                       "exit" };
  static char s[256];

  snprintf(s, sizeof s,
           "process %d: %s fd %d cmd %d arg %lld {%d, whence %d, %lld, %lld}",
           i, names[c->what], c->fd, c->cmd, (long long)c->arg, c->fl.l_type,
           c->fl.l_whence, (long long)c->fl.l_start, (long long)c->fl.l_len);
  return s;
}

static int index_of(pid_t pid, bool native)
{
  for (int i = 0; i < nprocs && pid > 0; i++)
    if (pid == (native ? natives[i].pid : fdemu_getpid(emulated[i].p)))
      return i;
  return pid - 1000;
}

static void differ(const char *what, int i, int64_t linux_has, int64_t has)
{
  fprintf(stderr, "  process %d: %s: Linux %lld, fdemu %lld\n", i, what,
          (long long)linux_has, (long long)has);
  same = false;
}

static void compare(int i, const struct answer *a)
{
  const struct emulated *e = &emulated[i];

  outcomes[a->result < 0 ? -a->result : 0]++;
  if (a->result != e->req.result)
    differ("result", i, a->result, e->req.result);
  if (a->fl.l_type != e->fl.l_type)
    differ("l_type", i, a->fl.l_type, e->fl.l_type);
  if (a->fl.l_whence != e->fl.l_whence)
    differ("l_whence", i, a->fl.l_whence, e->fl.l_whence);
  if (a->fl.l_start != e->fl.l_start)
    differ("l_start", i, a->fl.l_start, e->fl.l_start);
  if (a->fl.l_len != e->fl.l_len)
    differ("l_len", i, a->fl.l_len, e->fl.l_len);
  if (index_of(a->fl.l_pid, true) != index_of(e->fl.l_pid, false))
    differ("l_pid", i, a->fl.l_pid, e->fl.l_pid);
}

/* Who has its answer now has it on both sides, and it is the same. */
static void collect(int who, bool may_wait)
{
  struct answer a;

  for (int i = 0; i < nprocs; i++) {
    if (!natives[i].busy)
      continue;
    bool got = native_answer(i, &a, i == who && !may_wait);
    bool emu = emulated[i].req.result != FDEMU_PENDING;
    natives[i].busy = !got;
    if (got && i != who)
      wakes++;
    if (!got && i == who)
      waits++;
    if (got != emu)
      differ("has an answer", i, got ? a.result : FDEMU_PENDING,
             emulated[i].req.result);
    else if (got)
      compare(i, &a);
  }
}

static bool may_wait(const struct command *c)
{
  return (c->what == FLOCK && !(c->cmd & LOCK_NB)) ||
         (c->what == FCNTL && (c->cmd == F_SETLKW || c->cmd == F_OFD_SETLKW));
}

static bool both(int i, const struct command *c)
{
  bool wait = may_wait(c) || c->what == INTERRUPT;

  native_command(i, c);
  emulated_command(i, c);
  if (c->what == EXIT)
    natives[i].busy = false;
  else
    natives[i].busy = true;
  collect(i, wait);
  if (c->what == EXIT) {
    close(natives[i].fd);
    natives[i].pid = 0;
  }
  if (!same)
    fprintf(stderr, "  after %s\n", describe(i, c));
  return same;
}

static void start(int n)
{
  struct fdemu_proc *first;

  nprocs = n;
  same = true;
  k = test_kernel();
  first = fdemu_proc_new(k);
  emulated_open(first);
  native_open();
  for (int i = 0; i < n; i++) {
    emulated[i] = (struct emulated){ 0 };
    CHECK(fdemu_fork(first, &emulated[i].p) > 0);
    CHECK_EQ(fdemu_set_nofile(emulated[i].p, LIMIT, LIMIT), 0);
    native_start(i);
  }
  fdemu_exit(first, 0);
  fdemu_proc_put(first);
  syscall(SYS_close_range, 3u, 6u, 0);
}

static void stop(void)
{
  for (int i = 0; i < nprocs; i++) {
    if (natives[i].pid != 0) {
      kill(natives[i].pid, SIGKILL);
      waitpid(natives[i].pid, NULL, 0);
      close(natives[i].fd);
    }
    fdemu_exit(emulated[i].p, 0);
  }
  fdemu_run(k);
  for (int i = 0; i < nprocs; i++)
    fdemu_proc_put(emulated[i].p);
  TEST_KERNEL_FREE(k);
}

/* ---- by chance -------------------------------------------------------- */

static int64_t odd_offset(void)
{
  static const int64_t odd[] = { INT64_MAX, INT64_MAX - 1,
                                 INT64_MIN, INT64_MIN + 1,
                                 -1,        1ll << 32,
                                 -100,      INT64_MAX - 20 };

  return odd[pick((int)(sizeof odd / sizeof *odd))];
}

static struct flock pick_range(void)
{
  static const short types[] = { F_RDLCK, F_WRLCK, F_WRLCK, F_UNLCK };
  struct flock fl = { .l_type = types[pick(4)] };

  fl.l_whence = pick(4) == 0 ? (short)pick(3) : SEEK_SET;
  fl.l_start = pick(25);
  fl.l_len = pick(4) == 0 ? 0 : pick(4) == 0 ? -pick(10) : 1 + pick(10);
  if (pick(40) == 0)
    fl.l_type = (short)(pick(2) ? 3 : -1);
  if (pick(40) == 0)
    fl.l_whence = (short)(3 + pick(3));
  if (pick(20) == 0)
    fl.l_start = odd_offset();
  if (pick(20) == 0)
    fl.l_len = odd_offset();
  if (pick(40) == 0)
    fl.l_pid = -1234; /* which no process has */
  return fl;
}

/* Not 0 to 2: the locks of /dev/null are everybody's on Linux. */
static int pick_fd(int i)
{
  int open[LIMIT + 1], n = 0;

  for (int fd = 3; (fd = fdemu_next_fd(emulated[i].p, fd)) >= 0; fd++)
    open[n++] = fd;
  return n == 0 || pick(40) == 0 ? 3 + pick(LIMIT) : open[pick(n)];
}

static struct command pick_lock(int i, bool wait)
{
  static const int ops[] = { LOCK_SH, LOCK_SH, LOCK_EX, LOCK_EX, LOCK_UN };
  static const int cmds[] = { F_SETLK, F_SETLK, F_OFD_SETLK, F_SETLKW,
                              F_OFD_SETLKW };
  struct command c = { .fd = pick_fd(i), .fl = pick_range() };

  if (pick(3) == 0) {
    c.what = FLOCK;
    c.cmd = ops[pick(5)] | (wait && pick(2) ? 0 : LOCK_NB);
    if (pick(50) == 0)
      c.cmd = pick(80) | LOCK_NB;
    return c;
  }
  c.what = FCNTL;
  if (pick(4) == 0)
    c.cmd = pick(2) ? F_GETLK : F_OFD_GETLK;
  else
    c.cmd = cmds[wait ? pick(5) : pick(3)];
  return c;
}

static struct command pick_command(int i, bool wait)
{
  struct command c = { .fd = pick_fd(i) };

  switch (pick(24)) {
  case 0:
    c.what = OPEN;
    c.cmd = pick(4);
    break;
  case 1: c.what = CLOSE; break;
  case 2: c.what = DUP; break;
  case 3:
    c.what = DUP2;
    c.cmd = 3 + pick(LIMIT - 3);
    break;
  case 4:
    c.what = LSEEK;
    c.arg = pick(20);
    break;
  case 5:
    c.what = FTRUNCATE;
    c.arg = pick(20) - 1;
    break;
  default: return pick_lock(i, wait);
  }
  return c;
}

static void sequence(uint64_t seed, int steps, bool wait)
{
  struct command c;

  rng = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
  start(2 + pick(4));
  for (int step = 0; step < steps && same; step++) {
    int i = pick(nprocs);
    if (natives[i].pid == 0)
      continue;
    if (natives[i].busy && pick(20) == 0)
      c = (struct command){ .what = INTERRUPT };
    else if (pick(300) == 0)
      c = (struct command){ .what = EXIT };
    else if (natives[i].busy)
      continue;
    else
      c = pick_command(i, wait);
    if (!both(i, &c))
      fprintf(stderr, "  seed %d, step %d\n", (int)seed, step);
    CHECK_KERNEL(k);
  }
  CHECK(same);
  stop();
}

/* ---- scenarios -------------------------------------------------------- */

static struct command byte(int cmd, short type, int at)
{
  return (struct command){
    FCNTL, 3, cmd, 0, { .l_type = type, .l_start = at, .l_len = 1 }
  };
}

/* Processes wait in a chain, each for the next, and the last for the first:
 * Linux sees that if there are few enough of them. */
static void cycle(int n)
{
  struct command c;
  int deadlocks = outcomes[EDEADLK];

  start(n);
  for (int i = 0; i < n && same; i++) {
    c = byte(F_SETLK, F_WRLCK, i);
    both(i, &c);
  }
  for (int i = n - 2; i >= 0 && same; i--) {
    c = byte(F_SETLKW, F_WRLCK, i + 1);
    both(i, &c);
  }
  c = byte(F_SETLKW, F_WRLCK, 0);
  both(n - 1, &c);
  CHECK(same);
  CHECK_EQ(outcomes[EDEADLK] - deadlocks, n <= 12);
  stop();
}

static bool become_real_time(void)
{
  struct sched_param param = { .sched_priority = 1 };
  cpu_set_t set;

  CPU_ZERO(&set);
  CPU_SET((size_t)sched_getcpu(), &set);
  if (sched_setaffinity(0, sizeof set, &set) < 0 ||
      sched_setscheduler(0, SCHED_FIFO, &param) < 0)
    return false;
  param.sched_priority = 0;
  return sched_setscheduler(0, SCHED_OTHER, &param) == 0;
}

int main(int argc, char **argv)
{
  static const int expected[] = { EAGAIN,    EBADF, EINVAL,
                                  EOVERFLOW, EINTR, EDEADLK };
  int seeds = argc > 1 ? atoi(argv[1]) : 60;
  int steps = argc > 2 ? atoi(argv[2]) : 1000;
  int fd = mkstemp(path);

  CHECK(fd >= 0);
  waiting_allowed = become_real_time();
  for (int seed = 1; seed <= seeds; seed++)
    sequence((uint64_t)seed, steps, waiting_allowed && seed % 3 > 0);
  if (waiting_allowed) {
    for (int n = 2; n <= MAXPROCS; n++)
      cycle(n);
    CHECK(waits > seeds);
    CHECK(wakes > seeds);
  } else
    printf("not permitted: calls that wait are not compared\n");
  for (int i = 0; i < (waiting_allowed ? 6 : 4); i++)
    CHECK(outcomes[expected[i]] > 10);
  unlink(path);
  printf("%d waited, %d were woken\n", waits, wakes);
  return test_summary();
}
