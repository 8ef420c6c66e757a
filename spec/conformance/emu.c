/* emu.c - fdemu's side: every process of a script is one of a kernel's */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "fdemu_linux.h"

static struct fdemu_kernel *kernel;
static struct fdemu_proc *procs[NPROCS];
static struct fdemu_timer alarm_timer;

/* ---- memory ----------------------------------------------------------- */

static bool is_there(const void *addr, size_t n)
{
  const char *p = addr;

  return p >= arena && p <= arena + ARENA && n <= (size_t)(arena + ARENA - p);
}

static int load(const struct fdemu_mem *m, void *dst, const void *addr,
                size_t n)
{
  (void)m;
  if (!is_there(addr, n))
    return -EFAULT;
  memcpy(dst, addr, n);
  return 0;
}

static int store(const struct fdemu_mem *m, void *addr, const void *src,
                 size_t n)
{
  (void)m;
  if (!is_there(addr, n))
    return -EFAULT;
  memcpy(addr, src, n);
  return 0;
}

/* ---- calls ------------------------------------------------------------ */

/* What waits is interrupted, as by Linux's alarm. */
static void interrupt(struct fdemu_timer *t)
{
  (void)t;
  for (int i = 0; i < NPROCS; i++) {
    struct fdemu_req *r = NULL;
    while (procs[i] != NULL && (r = fdemu_next_req(procs[i], NULL)) != NULL)
      fdemu_cancel(r, EINTR);
  }
}

static int64_t fdemu_side_call(struct run *r, int proc, long nr,
                               const uint64_t a[6])
{
  static const struct fdemu_mem mem = { load, store };
  int64_t n;

  (void)r;
  alarm_timer.fire = interrupt;
  fdemu_timer_set(kernel, &alarm_timer, fdemu_now(kernel) + 1000000);
  n = fdemu_syscall(procs[proc], &mem, nr, a);
  fdemu_timer_stop(kernel, &alarm_timer);
  return n;
}

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
  fdemu_timer_set(kernel, &alarm_timer, fdemu_now(kernel) + 1000000);
  pid = fdemu_wait(procs[proc], &status);
  fdemu_timer_stop(kernel, &alarm_timer);
  if (pid < 0)
    return pid;
  say(r, "(%d) ", status);
  return slot_of(r, pid);
}

static int64_t fdemu_special(struct run *r, int proc, const struct op *op)
{
  switch (op->call->nr) {
  case DO_FORK: return do_fork(r, proc, op);
  case DO_WAIT: return do_wait(r, proc);
  default:
    r->alive[proc] = false;
    fdemu_exit(procs[proc], (int)number(r, op->arg[0]));
    fdemu_run(kernel);
    return 0;
  }
}

const struct side fdemu_side = { "fdemu", fdemu_side_call, fdemu_special };

/* ---- runs ------------------------------------------------------------- */

static void begin(struct run *r)
{
  struct fdemu_config config = { .nofile = LIMIT };

  kernel = fdemu_kernel_new(&config);
  if (kernel == NULL || fdemu_std_devices(kernel) < 0)
    abort();
  fdemu_set_now(kernel, INT64_C(10000000000));
  memset(&alarm_timer, 0, sizeof alarm_timer);
  memset(procs, 0, sizeof procs);
  procs[0] = fdemu_proc_new(kernel);
  r->pid[0] = fdemu_getpid(procs[0]);
  for (int fd = 0; fd < 3; fd++)
    if (fdemu_open(procs[0], "/dev/null", O_RDWR, 0) != fd)
      abort();
}

void fdemu_run_script(struct run *r, const struct script *s)
{
  run_reset(r, s, &fdemu_side);
  begin(r);
  for (; r->line < r->end; r->line++) {
    const struct op *op = &s->op[r->line];
    if (r->alive[op->proc])
      run_op(r, op->proc, op);
    else
      r->start[r->line] = (uint32_t)r->nout;
  }
  for (int i = 0; i < NPROCS; i++)
    if (procs[i] != NULL)
      fdemu_proc_put(procs[i]);
  fdemu_kernel_free(kernel);
}
