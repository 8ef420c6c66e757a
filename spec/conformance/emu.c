/* emu.c - fdemu's side: every process of a script is one of a kernel's */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "conf.h"
#include "fdemu_driver.h"
#include "fdemu_linux.h"

static struct fdemu_kernel *kernel;
static struct fdemu_proc *procs[NPROCS];
static struct fdemu_timer alarm_timer;

/* Tasks are coroutines: where a call of one would wait for the host, the script
 * goes on. */
enum { STACK = 1 << 18 };
static ucontext_t main_context, context[NTASKS];
static struct task *current; /* NULL: the script itself */
static struct task *tasks;
static bool ending;
static struct fdemu_source source;
static struct fdemu_timer patience[NTASKS];
static bool yield(struct fdemu_list *sources, bool block);
static const struct fdemu_req *waiting[NTASKS]; /* requests of tasks */
static size_t nwaiting;

/* ---- memory ----------------------------------------------------------- */

static bool is_in(const char *base, size_t size, const char *p, size_t n)
{
  return p >= base && p <= base + size && n <= (size_t)(base + size - p);
}

static int load(const struct fdemu_mem *m, void *dst, const void *addr,
                size_t n)
{
  (void)m;
  if (!is_in(arena, ARENA, addr, n) && !is_in(lasting_bytes, LASTING, addr, n))
    return -EFAULT;
  memcpy(dst, addr, n);
  return 0;
}

static int store(const struct fdemu_mem *m, void *addr, const void *src,
                 size_t n)
{
  (void)m;
  if (!is_in(arena, ARENA, addr, n))
    return -EFAULT;
  memcpy(addr, src, n);
  return 0;
}

/* ---- calls ------------------------------------------------------------ */

static bool is_a_tasks(const struct fdemu_req *r)
{
  for (size_t i = 0; i < nwaiting; i++)
    if (waiting[i] == r)
      return true;
  return false;
}

static void interrupt_process(struct fdemu_proc *p)
{
  struct fdemu_req *next, *r = fdemu_next_req(p, NULL);

  for (; r != NULL; r = next) {
    next = fdemu_next_req(p, r);
    if (!is_a_tasks(r))
      fdemu_cancel(r, EINTR);
  }
}

enum { ALARM_NS = 2 * SHORT_NS, PATIENCE_NS = 4 * SHORT_NS };

/* What waits is interrupted, as by Linux's alarm; and if the call waits again
 * instead of ending, so does that. */
static void interrupt(struct fdemu_timer *t)
{
  for (int i = 0; i < NPROCS; i++)
    if (procs[i] != NULL)
      interrupt_process(procs[i]);
  fdemu_timer_set(kernel, t, fdemu_now(kernel) + ALARM_NS);
}

static const struct fdemu_mem mem = { load, store };

static int64_t call_with_alarm(struct fdemu_proc *p, long nr, const uint64_t *a)
{
  int64_t n;

  alarm_timer.fire = interrupt;
  fdemu_timer_set(kernel, &alarm_timer, fdemu_now(kernel) + ALARM_NS);
  n = fdemu_syscall(p, &mem, nr, a);
  fdemu_timer_stop(kernel, &alarm_timer);
  return n;
}

static void pass_time(int64_t ns)
{
  int64_t end = fdemu_now(kernel) + ns;

  while (fdemu_tick(kernel, end))
    fdemu_run(kernel);
  fdemu_set_now(kernel, end);
}

/* A call of a task that waits for much later lets the script go on, as one that
 * waits for ever does. */
static void out_of_patience(struct fdemu_timer *t)
{
  if (!ending)
    fdemu_timer_set(kernel, t, fdemu_now(kernel) + PATIENCE_NS);
  if (current != NULL && t == &patience[current - tasks])
    yield(NULL, true);
}

static int64_t call_of_task(struct fdemu_proc *p, long nr, const uint64_t *a)
{
  struct fdemu_timer *t = &patience[current - tasks];
  int64_t n;

  t->fire = out_of_patience;
  fdemu_timer_set(kernel, t, fdemu_now(kernel) + PATIENCE_NS);
  n = fdemu_syscall(p, &mem, nr, a);
  fdemu_timer_stop(kernel, t);
  return n;
}

static int64_t fdemu_side_call(struct run *r, int proc, long nr,
                               const uint64_t a[6])
{
  int64_t n;

  (void)r;
  if (current != NULL)
    n = call_of_task(procs[proc], nr, a);
  else
    n = call_with_alarm(procs[proc], nr, a);
  if (expiry(nr, a, n) > 0)
    pass_time(expiry(nr, a, n));
  return n;
}

static void resume(struct task *t);

static int64_t do_fork(struct run *r, int proc, const struct op *op)
{
  int slot = (int)number(r, op->arg[0]) % NPROCS;
  int pid;

  if (r->alive[slot])
    return -EEXIST;
  if (procs[slot] != NULL)
    fdemu_proc_put(procs[slot]);
  pid = fdemu_fork(procs[proc], &procs[slot]);
  r->alive[slot] = pid > 0;
  r->pid[slot] = pid;
  return pid > 0 ? slot : pid;
}

static int64_t do_wait(struct run *r, int proc)
{
  int status = 0, pid;

  alarm_timer.fire = interrupt;
  fdemu_timer_set(kernel, &alarm_timer, fdemu_now(kernel) + ALARM_NS);
  pid = fdemu_wait(procs[proc], &status);
  fdemu_timer_stop(kernel, &alarm_timer);
  if (pid < 0)
    return pid;
  say(r, "(%d) ", status);
  return slot_of(r, pid);
}

static int64_t do_signals(struct run *r, int proc)
{
  unsigned counts[FDEMU_NSIG];

  fdemu_signals(procs[proc], counts);
  say_signals(r, counts);
  return 0;
}

/* The request of a task is on its stack. */
static int64_t do_interrupt(struct run *r, const struct op *op)
{
  const struct task *t = task_named(r, op->arg[0]);
  struct fdemu_req *q = NULL;
  const char *low;

  if (t == NULL)
    return -ESRCH;
  low = context[t - tasks].uc_stack.ss_sp;
  while ((q = fdemu_next_req(procs[t->op->proc], q)) != NULL)
    if ((const char *)q >= low && (const char *)q < low + STACK)
      break;
  if (q != NULL)
    fdemu_cancel(q, EINTR);
  return 0;
}

/* What calls on descriptors of the host may do there is what the worker may:
 * with these in a script it is the user that fdemu's processes are. */
static void become(uid_t user)
{
  if (getuid() != 0)
    return;
  if (seteuid(0) < 0 || setegid(user) < 0 || seteuid(user) < 0)
    abort();
  prctl(PR_SET_DUMPABLE, 1); /* /proc/self/fd stays its own */
}

static int64_t do_host(struct run *r, int proc, const struct op *op)
{
  const uid_t owner = getuid() == 0 ? FDEMU_UID : getuid();
  const bool file = strcmp(op->arg[0], "file") == 0;
  struct fdemu_file *f;
  int fd[2], n;

  if (file)
    become(0); /* the directory is not fdemu's */
  n = host_make(op->arg[0], (int)number(r, op->arg[1]), owner, fd);
  if (file)
    become(FDEMU_UID);
  for (int i = 0; i < n; i++) {
    fcntl(fd[i], F_SETFD, FD_CLOEXEC);
    if (fdemu_host_new(kernel, fd[i], true, &f) < 0)
      abort();
    fd[i] = fdemu_install(procs[proc], f, 0, false);
    if (i < op->nout)
      r->reg[op->out[i]] = fd[i];
  }
  return n < 0 ? n : 0;
}

static int64_t fdemu_special(struct run *r, int proc, const struct op *op)
{
  switch (op->call->nr) {
  case DO_FORK: return do_fork(r, proc, op);
  case DO_WAIT: return do_wait(r, proc);
  case DO_EXEC: return fdemu_exec(procs[proc]);
  case DO_COLLECT: return 0; /* it has happened already */
  case DO_SIGNALS: return do_signals(r, proc);
  case DO_INTERRUPT: return do_interrupt(r, op);
  case DO_HOST: return do_host(r, proc, op);
  default:
    r->alive[proc] = false;
    fdemu_exit(procs[proc], (int)number(r, op->arg[0]));
    fdemu_run(kernel);
    for (int i = 0; i < NTASKS; i++)
      if (r->task[i].state == TASK_RUNS && r->task[i].op->proc == proc)
        resume(&r->task[i]);
    tasks_gone(r, proc);
    return 0;
  }
}

const struct side fdemu_side = { "fdemu", "/work", fdemu_side_call,
                                 fdemu_special };

/* ---- tasks ------------------------------------------------------------ */

static bool yield(struct fdemu_list *sources, bool block)
{
  struct task *t = current;
  struct fdemu_list *next = source.link.next; /* those of the host */

  if (!block && next != sources)
    return fdemu_entry(next, struct fdemu_source, link)->wait(sources, false);
  if (t == NULL || !block)
    return false;
  swapcontext(&context[t - tasks], &main_context);
  return !ending;
}

static void task_main(void)
{
  struct task *t = current;

  run_op(t->run, t->op->proc, t->op);
  t->state = TASK_DONE;
}

static void resume(struct task *t)
{
  current = t;
  swapcontext(&main_context, &context[t - tasks]);
  current = NULL;
}

static void start_task(struct run *r, const struct op *op)
{
  static char *stack[NTASKS];
  struct task *t = task_begin(r, op);
  int i = op->task - 1;

  r->start[r->line] = (uint32_t)r->nout;
  if (t == NULL) {
    say(r, "busy");
    return;
  }
  if (stack[i] == NULL)
    stack[i] = malloc(STACK);
  getcontext(&context[i]);
  context[i].uc_stack.ss_sp = stack[i];
  context[i].uc_stack.ss_size = STACK;
  context[i].uc_link = &main_context;
  makecontext(&context[i], task_main, 0);
  resume(t);
}

/* Every task goes on as far as it can. */
static void settle_tasks(struct run *r)
{
  struct fdemu_req *q;

  fdemu_run(kernel);
  for (int i = 0; i < NTASKS; i++)
    if (r->task[i].state == TASK_RUNS)
      resume(&r->task[i]);
  nwaiting = 0;
  for (int i = 0; i < NPROCS; i++)
    for (q = NULL;
         procs[i] != NULL && (q = fdemu_next_req(procs[i], q)) != NULL;)
      waiting[nwaiting++] = q;
}

static void end_tasks(struct run *r)
{
  ending = true;
  for (int i = 0; i < NTASKS; i++)
    fdemu_timer_stop(kernel, &patience[i]);
  for (int i = 0; i < NTASKS; i++)
    if (r->task[i].state == TASK_RUNS)
      resume(&r->task[i]);
  ending = false;
}

/* ---- runs ------------------------------------------------------------- */

/* An empty directory of the processes' user. */
static void begin_directory(void)
{
  static const char name[] = "/work";
  const uint64_t path = (uint64_t)(uintptr_t)name;

  fdemu_syscall(procs[0], NULL, SYS_umask, (const uint64_t[6]){ 022 });
  fdemu_syscall(procs[0], NULL, SYS_mkdir, (const uint64_t[6]){ path, 0755 });
  if (fdemu_syscall(procs[0], NULL, SYS_chdir, (const uint64_t[6]){ path }) < 0)
    abort();
}

static void begin(struct run *r)
{
  struct fdemu_config config = { .nofile = LIMIT };

  kernel = fdemu_kernel_new(&config);
  if (kernel == NULL || fdemu_std_devices(kernel) < 0)
    abort();
  fdemu_set_now(kernel, INT64_C(10000000000));
  memset(&alarm_timer, 0, sizeof alarm_timer);
  memset(patience, 0, sizeof patience);
  memset(procs, 0, sizeof procs);
  procs[0] = fdemu_proc_new(kernel);
  r->pid[0] = fdemu_getpid(procs[0]);
  for (int fd = 0; fd < 3; fd++)
    if (fdemu_open(procs[0], "/dev/null", O_RDWR, 0) != fd)
      abort();
  begin_directory();
}

unsigned fdemu_check_every;

/* Whether the state fits together, and not only what is seen of it. */
static void check(const struct run *r)
{
  const char *wrong;

  if (fdemu_check_every == 0 || r->line % fdemu_check_every != 0)
    return;
  wrong = fdemu_check(kernel);
  if (wrong == NULL)
    return;
  fprintf(stderr, "after line %d: %s\n", (int)r->line + 1, wrong);
  abort();
}

void fdemu_run_script(struct run *r, const struct script *s)
{
  run_reset(r, s, &fdemu_side);
  if (s->host)
    become(FDEMU_UID);
  begin(r);
  tasks = r->task;
  nwaiting = 0;
  source.wait = yield;
  fdemu_source_add(kernel, &source);
  for (; r->line < r->end; r->line++) {
    const struct op *op = &s->op[r->line];
    if (!r->alive[op->proc])
      r->start[r->line] = (uint32_t)r->nout;
    else if (op->task > 0)
      start_task(r, op);
    else
      run_op(r, op->proc, op);
    if (s->tasks) {
      settle_tasks(r);
      tasks_done(r);
    }
    check(r);
  }
  tasks_left(r);
  end_tasks(r);
  fdemu_source_remove(&source);
  for (int i = 0; i < NPROCS; i++)
    if (procs[i] != NULL)
      fdemu_proc_put(procs[i]);
  fdemu_kernel_free(kernel);
  if (s->host)
    become(0);
}
