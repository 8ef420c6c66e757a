/*
 * linux.c - Linux's side: every process of a script is a process
 *
 * They are forked from the worker and have the script in their memory. Whose
 * line is next has the turn; a process that exits gives it to the worker, which
 * waits until nothing is left of it but a zombie.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf.h"

#define WORKER     100u
#define DONE       101u
#define STAND_BACK 10     /* nice(2) */
#define NUDGE_NS   500000 /* a call that sleeps is interrupted after about this */

/* Every worker has a user of its own, if it may: how many descriptors are on
 * their way is counted by user. */
static uid_t user;

void linux_user_init(void)
{
  user = getuid() == 0 ? 100000 + (uid_t)getpid() : getuid();
}

uid_t user_of(const struct side *side)
{
  return side == &linux_side ? user : 1000;
}

static uint32_t turn_of(const struct run *r)
{
  return __atomic_load_n(&r->turn, __ATOMIC_ACQUIRE);
}

static void give_turn(struct run *r, uint32_t to)
{
  __atomic_store_n(&r->turn, to, __ATOMIC_RELEASE);
  syscall(SYS_futex, &r->turn, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* Whether a process sleeps, says /proc. */
static bool is_asleep(int pid, int tid)
{
  char path[64], text[256] = "";
  const char *s;
  int fd;

  snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid, tid);
  fd = open(path, O_RDONLY);
  if (fd < 0 || read(fd, text, sizeof text - 1) < 0)
    text[0] = '\0';
  close(fd);
  s = strrchr(text, ')');
  return s != NULL && s[2] == 'S';
}

/* Whether the one who has the turn is in a call that may sleep for ever; the
 * line is which call. */
static bool in_long_call(const struct run *r, size_t *line)
{
  *line = __atomic_load_n(&r->line, __ATOMIC_ACQUIRE);
  return __atomic_load_n(&r->in_call, __ATOMIC_ACQUIRE) == IN_CALL;
}

/* A call that sleeps would do so for ever: interrupt it. While /proc was read
 * another may have begun. */
static void nudge(const struct run *r)
{
  uint32_t t = turn_of(r);
  size_t line, later;

  if (t < NPROCS && in_long_call(r, &line) && is_asleep(r->pid[t], r->pid[t]) &&
      in_long_call(r, &later) && line == later)
    syscall(SYS_tgkill, r->pid[t], r->pid[t], SIGALRM);
}

static void await_turn(struct run *r, uint32_t me)
{
  for (;;) {
    uint32_t t = turn_of(r);
    if (t == me)
      return;
    syscall(SYS_futex, &r->turn, FUTEX_WAIT, t, NULL, NULL, 0);
  }
}

/* The worker's: until it has the turn or there is nothing more to do. */
static void oversee(struct run *r)
{
  const struct timespec limit = { 0, NUDGE_NS };
  size_t line = r->line;

  for (int patience = 0; patience < 10000; patience++) {
    uint32_t t = turn_of(r);
    if (t == WORKER || t == DONE)
      return;
    if (syscall(SYS_futex, &r->turn, FUTEX_WAIT, t, &limit, NULL, 0) == 0)
      continue;
    nudge(r);
    if (r->line != line)
      patience = 0;
    line = r->line;
  }
  fprintf(stderr, "conformance: Linux hangs at line %zu: %s\n", r->line,
          r->script->op[r->line].line);
}

static void nothing(int sig)
{
  (void)sig;
}

int linux_mood;

static void stay_here(void)
{
  cpu_set_t one;

  CPU_ZERO(&one);
  CPU_SET((size_t)sched_getcpu(), &one);
  sched_setaffinity(0, sizeof one, &one);
}

static void become_process(void)
{
  struct rlimit limit = { LIMIT, LIMIT };
  struct sigaction sa = { .sa_handler = nothing };
  sigset_t blocked;

  syscall(SYS_close_range, 0u, ~0u, 0);
  for (int fd = 0; fd < 3; fd++)
    if (open("/dev/null", O_RDWR) != fd)
      abort();
  if (linux_mood & MOOD_ONE_CPU)
    stay_here();
  setrlimit(RLIMIT_NOFILE, &limit);
  umask(022);
  sigaction(SIGALRM, &sa, NULL);
  sigfillset(&blocked);
  sigdelset(&blocked, SIGALRM);
  sigprocmask(SIG_SETMASK, &blocked, NULL);
  setsid(); /* a group of its own, and no terminal */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getuid() == 0 && setresgid(user, user, user) == 0 &&
      setresuid(user, user, user) == 0)
    prctl(PR_SET_DUMPABLE, 1);
}

/* ---- calls ------------------------------------------------------------ */

/* A timer that has expired already, or will soon, is on its way. A task may
 * have read it before this sees that. */
static void await_timer(int fd)
{
  struct pollfd p = { fd, POLLIN, 0 };
  struct itimerspec left = { .it_value.tv_sec = 1 };

  for (int i = 0; i < 50 && poll(&p, 1, 2) == 0; i++)
    if (timerfd_gettime(fd, &left) < 0 ||
        (left.it_value.tv_sec == 0 && left.it_value.tv_nsec == 0))
      return;
}

static int64_t linux_call(struct run *r, int proc, long nr, const uint64_t a[6])
{
  long n;

  (void)proc;
  __atomic_store_n(&r->in_call, is_short(nr, a) ? IN_SHORT_CALL : IN_CALL,
                   __ATOMIC_RELEASE);
  n = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
  __atomic_store_n(&r->in_call, 0, __ATOMIC_RELEASE);
  if (n < 0)
    n = -errno;
  if (expiry(nr, a, n) > 0)
    await_timer((int)a[0]);
  return n;
}

/* ---- tasks ------------------------------------------------------------ */

/* SIGPIPE comes to the thread that writes: it is the process that is asked. */
static void pass_on_signals(void)
{
  const struct timespec now = { 0, 0 };
  sigset_t set;

  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  if (sigtimedwait(&set, NULL, &now) > 0)
    kill(getpid(), SIGPIPE);
}

static void *task_thread(void *arg)
{
  struct task *t = arg;

  if (linux_mood & 1 << (t->op->task - 1))
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), STAND_BACK);
  __atomic_store_n(&t->tid, (int)syscall(SYS_gettid), __ATOMIC_RELEASE);
  run_op(t->run, t->op->proc, t->op);
  pass_on_signals();
  __atomic_store_n(&t->state, TASK_DONE, __ATOMIC_RELEASE);
  return NULL;
}

static void start_task(struct run *r, const struct op *op)
{
  struct task *t = task_begin(r, op);
  pthread_t thread;

  r->start[r->line] = (uint32_t)r->nout;
  if (t == NULL) {
    say(r, "busy");
    return;
  }
  t->pid = getpid();
  t->tid = 0;
  if (pthread_create(&thread, NULL, task_thread, t) != 0)
    abort();
  pthread_detach(thread);
}

/* Every task has come to an end, or sleeps in its call. */
static bool is_quiet(const struct run *r)
{
  for (int i = 0; i < NTASKS; i++) {
    const struct task *t = &r->task[i];
    int tid = __atomic_load_n(&t->tid, __ATOMIC_ACQUIRE);
    if (__atomic_load_n(&t->state, __ATOMIC_ACQUIRE) == TASK_RUNS &&
        (tid == 0 ||
         __atomic_load_n(&t->run->in_call, __ATOMIC_ACQUIRE) != IN_CALL ||
         !is_asleep(t->pid, tid)))
      return false;
  }
  return true;
}

/* Twice, since who wakes up may wake another. */
static void await_quiet(struct run *r)
{
  const struct timespec pause = { 0, 20000 };

  for (int quiet = 0, n = 0; quiet < 2 && n < 100000; n++) {
    quiet = is_quiet(r) ? quiet + 1 : 0;
    if (quiet < 2)
      nanosleep(&pause, NULL);
  }
}

static void process(struct run *r, int me);

static int64_t do_fork(struct run *r, const struct op *op)
{
  int slot = (int)number(r, op->arg[0]) % NPROCS;
  pid_t pid;

  if (r->alive[slot])
    return -EEXIST;
  pid = fork();
  if (pid == 0)
    process(r, slot);
  r->alive[slot] = true;
  r->pid[slot] = pid;
  return slot;
}

static int64_t do_wait(struct run *r)
{
  int status = 0;
  pid_t pid = waitpid(-1, &status, WNOHANG);

  if (pid < 0)
    return -errno;
  if (pid == 0)
    return -EINTR;
  say(r, "(%d) ", WEXITSTATUS(status));
  return slot_of(r, pid);
}

/* Of execve(2), what it does to descriptors: the last is released first. */
static int64_t do_exec(void)
{
  for (int fd = 2 * LIMIT - 1; fd >= 0; fd--) {
    int flags = fcntl(fd, F_GETFD);
    if (flags >= 0 && flags & FD_CLOEXEC)
      close(fd);
  }
  return 0;
}

static int64_t do_signals(struct run *r)
{
  const struct timespec now = { 0, 0 };
  unsigned counts[65] = { 0 };
  sigset_t all;
  int sig;

  sigfillset(&all);
  while ((sig = sigtimedwait(&all, NULL, &now)) > 0)
    counts[sig]++;
  say_signals(r, counts);
  return 0;
}

static int64_t do_host(struct run *r, const struct op *op)
{
  int fd[2], n = host_make(op->arg[0], (int)number(r, op->arg[1]), user, fd);

  for (int i = 0; i < n && i < op->nout; i++)
    r->reg[op->out[i]] = fd[i];
  return n < 0 ? n : 0;
}

/* Every task that runs sleeps. */
static int64_t do_interrupt(struct run *r, const struct op *op)
{
  const struct task *t = task_named(r, op->arg[0]);

  if (t == NULL)
    return -ESRCH;
  syscall(SYS_tgkill, t->pid, t->tid, SIGALRM);
  return 0;
}

static int64_t linux_special(struct run *r, int proc, const struct op *op)
{
  switch (op->call->nr) {
  case DO_FORK: return do_fork(r, op);
  case DO_WAIT: return do_wait(r);
  case DO_EXEC: return do_exec();
  case DO_COLLECT: return 0; /* see collect() */
  case DO_SIGNALS: return do_signals(r);
  case DO_INTERRUPT: return do_interrupt(r, op);
  case DO_HOST: return do_host(r, op);
  default:
    r->alive[proc] = false;
    r->exiting = proc;
    return 0;
  }
}

const struct side linux_side = { "Linux", directory, linux_call,
                                 linux_special };

/* ---- turns ------------------------------------------------------------ */

/* Lines of processes that are not there are skipped. Returns whose is next. */
static uint32_t next_turn(struct run *r)
{
  for (; r->line < r->end; r->line++) {
    const struct op *op = &r->script->op[r->line];
    if (r->alive[op->proc])
      return (uint32_t)op->proc;
    r->start[r->line] = (uint32_t)r->nout;
  }
  return DONE;
}

static void process(struct run *r, int me)
{
  for (;;) {
    uint32_t next;
    await_turn(r, (uint32_t)me);
    while ((next = next_turn(r)) == (uint32_t)me) {
      const struct op *op = &r->script->op[r->line];
      if (op->task > 0)
        start_task(r, op);
      else
        run_op(r, me, op);
      r->line++;
      if (r->exiting == me) {
        give_turn(r, WORKER);
        _exit((int)number(r, op->arg[0]));
      }
      if (r->script->tasks)
        break; /* the worker looks at the tasks after every line */
    }
    give_turn(r, r->script->tasks ? WORKER : next);
    if (next == DONE)
      for (;;)
        pause(); /* until it is killed */
  }
}

static void await_zombie(int pid)
{
  int fd = (int)syscall(SYS_pidfd_open, pid, 0);
  struct pollfd p = { fd, POLLIN, 0 };

  poll(&p, 1, 10000);
  close(fd);
}

/* The worker inherits orphans. */
static void bury_orphans(void)
{
  while (waitpid(-1, NULL, WNOHANG) > 0)
    ;
}

static void finish_all(struct run *r)
{
  for (int i = 0; i < NPROCS; i++)
    if (r->pid[i] > 0 && r->alive[i])
      kill(r->pid[i], SIGKILL);
  while (waitpid(-1, NULL, 0) > 0)
    ;
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *at)
{
  (void)st;
  (void)type;
  if (at->level > 0)
    remove(path);
  return 0;
}

/* What the script has left in the directory. */
static void clean_directory(void)
{
  const uint64_t no_hint = 0;
  const long no_flags = 0;
  struct stat st;
  int fd;

  utimensat(AT_FDCWD, ".", NULL, 0);
  fd = open(".", O_RDONLY);
  fcntl(fd, F_SET_RW_HINT, &no_hint);
  ioctl(fd, FS_IOC_SETFLAGS, &no_flags);
  close(fd);
  if (chmod(".", 0755) == 0 && stat(".", &st) == 0 &&
      (st.st_nlink > 2 || st.st_size > 40))
    nftw(".", remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Makes garbage: a socket that is on its way to itself, with the write end of a
 * pipe. Waits until the read end is told, which is when Linux has collected. */
static void collect_once(void)
{
  union {
    char room[CMSG_SPACE(2 * sizeof(int))];
    struct cmsghdr c;
  } control = { .c = { .cmsg_len = CMSG_LEN(2 * sizeof(int)),
                       .cmsg_level = SOL_SOCKET,
                       .cmsg_type = SCM_RIGHTS } };
  struct iovec iov = { control.room, 1 };
  struct msghdr m = { .msg_iov = &iov,
                      .msg_iovlen = 1,
                      .msg_control = control.room,
                      .msg_controllen = sizeof control.room };
  struct pollfd p = { .fd = -1 };
  int pair[2], ends[2];

  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 || pipe(ends) < 0)
    abort();
  memcpy(CMSG_DATA(&control.c), (int[]){ pair[0], ends[1] }, 2 * sizeof(int));
  if (sendmsg(pair[1], &m, 0) < 0)
    abort();
  close(ends[1]);
  close(pair[0]);
  close(pair[1]);
  p.fd = ends[0];
  poll(&p, 1, 1000);
  close(ends[0]);
}

/* Linux collects in the background, and what it has collected is closed still
 * later: the first round may be told before it is over, the second while others
 * are being closed. */
static void collect(void)
{
  for (int round = 0; round < 3; round++)
    collect_once();
}

void linux_run(struct run *r, const struct script *s)
{
  pid_t pid;

  run_reset(r, s, &linux_side);
  r->turn = WORKER;
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  pid = fork();
  if (pid == 0) {
    become_process();
    process(r, 0);
  }
  r->pid[0] = pid;
  for (uint32_t t = next_turn(r); t != DONE; t = next_turn(r)) {
    give_turn(r, t);
    oversee(r);
    if (turn_of(r) != WORKER)
      break;
    if (r->exiting >= 0) {
      await_zombie(r->pid[r->exiting]);
      bury_orphans();
      tasks_gone(r, r->exiting);
    }
    r->exiting = -1;
    if (r->line > 0 && s->op[r->line - 1].call->nr == DO_COLLECT)
      collect();
    if (s->tasks) {
      await_quiet(r);
      tasks_done(r);
    }
  }
  tasks_left(r);
  finish_all(r);
  clean_directory();
}
