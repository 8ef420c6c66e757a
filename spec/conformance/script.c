/* script.c - scripts from text; runs and what they say */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "conf.h"
#include "fdemu.h"

/* ---- scripts ---------------------------------------------------------- */

static void malformed(const char *line)
{
  fprintf(stderr, "conformance: malformed line: %s\n", line);
  exit(2);
}

/* Of rows of one name the one with as many arguments. */
static const struct call *by_count(const struct call *c, const struct op *op)
{
  for (const struct call *d = c; d < calls + ncalls; d++)
    if (strcmp(d->name, c->name) == 0 && (int)strlen(d->args) == op->nargs)
      return d;
  return c;
}

/* fcntl and ioctl have rows by the kind of their argument. */
static const struct call *variant(const struct call *c, const struct op *op)
{
  static const char *const by_command[][2] = {
    { "F_SETLK", "fiK" },
    { "F_SETLKW", "fiK" },
    { "F_GETLK", "fiK" },
    { "F_OFD_SETLK", "fiK" },
    { "F_OFD_SETLKW", "fiK" },
    { "F_OFD_GETLK", "fiK" },
    { "FIOQSIZE", "fio" },
    { "FIOCLEX", "fii" },
    { "FIONCLEX", "fii" },
    { "TFD_IOC_SET_TICKS", "fio" },
    { "FIONREAD", "fiI" },
    { "FIONBIO", "fiI" },
    { "FIOASYNC", "fiI" },
    { "0x1234", "fiI" },
    { "SIOCATMARK", "fiI" },
    { "0x8905", "fiI" },
    { "15", "fio" },
    { "16", "fio" },
    { "1035", "fio" },
    { "1036", "fio" },
    { "1037", "fio" },
    { "1038", "fio" },
    { "FICLONE", "fif" },
    { "FICLONERANGE", "fic" },
    { "FIDEDUPERANGE", "fid" },
    { "FS_IOC_FIEMAP", "fig" },
    { "FS_IOC_FSGETXATTR", "fix" },
    { "FS_IOC_FSSETXATTR", "fix" },
    { "FS_IOC_GETFSUUID", "fig" },
    { "FS_IOC_GETFSSYSFSPATH", "fig" },
  };
  static struct call made[16];
  static size_t n;
  const char *args = NULL;

  if (c->nr != SYS_fcntl && c->nr != SYS_ioctl)
    return c;
  for (size_t i = 0; op->nargs > 1 && i < sizeof by_command / 16; i++)
    if (strcmp(op->arg[1], by_command[i][0]) == 0)
      args = by_command[i][1];
  if (args == NULL || strcmp(args, c->args) == 0)
    return c;
  for (size_t i = 0; i < n; i++)
    if (made[i].name == c->name && strcmp(made[i].args, args) == 0)
      return &made[i];
  made[n] = *c;
  made[n].args = args;
  return &made[n++];
}

static bool parse(struct op *op, char *s)
{
  char *word[2 + NTOKENS + 3], *save;
  int n = 0;

  if (s[0] >= 'A' && s[0] < 'A' + NTASKS && s[1] == ' ') {
    op->task = s[0] - 'A' + 1;
    s += 2;
  }
  for (char *w = strtok_r(s, " ", &save); w != NULL && n < 12;
       w = strtok_r(NULL, " ", &save))
    word[n++] = w;
  if (n < 2)
    return false;
  op->proc = word[0][0] - '0';
  op->call = call_named(word[1], strlen(word[1]));
  if (op->call == NULL || op->proc < 0 || op->proc >= NPROCS)
    return false;
  for (int i = 2; i < n; i++) {
    if (strcmp(word[i], ">") == 0) {
      while (++i < n && op->nout < 2)
        op->out[op->nout++] = atoi(word[i] + 1) % NREGS;
      break;
    }
    if (op->nargs == NTOKENS)
      return false;
    op->arg[op->nargs++] = word[i];
  }
  op->call = variant(by_count(op->call, op), op);
  return op->nargs == (int)strlen(op->call->args);
}

struct script *script_parse(char *text)
{
  struct script *s = calloc(1, sizeof *s);
  size_t lines = 1;
  char *save;

  for (const char *p = text; *p != '\0'; p++)
    lines += *p == '\n';
  s->text = text;
  s->copy = strdup(text);
  s->op = calloc(lines, sizeof *s->op);
  for (char *w = strtok_r(s->text, "\n", &save); w != NULL;
       w = strtok_r(NULL, "\n", &save)) {
    struct op *op = &s->op[s->n];
    op->line = w;
    if (w[0] == '#')
      continue;
    s->copy[w - s->text + (ptrdiff_t)strlen(w)] = '\0';
    if (!parse(op, s->copy + (w - s->text)))
      malformed(w);
    s->tasks |= op->task > 0 || op->call->nr == DO_COLLECT;
    s->host |= op->call->nr == DO_HOST;
    s->n++;
  }
  return s;
}

void script_free(struct script *s)
{
  free(s->text);
  free(s->copy);
  free(s->op);
  free(s);
}

/* ---- runs ------------------------------------------------------------- */

enum { OUT = 8 << 20, MAX_OPS = 1 << 18 };

char *arena, *lasting_bytes;

static void *map(size_t n, int sharing)
{
  void *p =
      mmap(NULL, n, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);

  if (p == MAP_FAILED) {
    perror("mmap");
    exit(2);
  }
  return p;
}

void arena_init(void)
{
  arena = map(ARENA + 4096 * 64, MAP_PRIVATE);
  mprotect(arena + ARENA, 4096 * 64, PROT_NONE);
  lasting_bytes = map(LASTING, MAP_SHARED);
  for (size_t i = 0; i < LASTING; i++)
    lasting_bytes[i] = (char)(i ^ i >> 8 ^ i >> 13);
  mprotect(lasting_bytes, LASTING, PROT_READ);
}

static struct run *run_make(void)
{
  struct run *r = map(sizeof *r, MAP_SHARED);

  r->out = map(OUT, MAP_SHARED);
  r->start = map(MAX_OPS * sizeof *r->start, MAP_SHARED);
  r->cap = OUT;
  return r;
}

struct run *run_new(void)
{
  struct run *r = run_make();

  for (int i = 0; i < NTASKS; i++)
    r->task[i].run = run_make();
  return r;
}

void run_reset(struct run *r, const struct script *s, const struct side *side)
{
  r->script = s;
  r->side = side;
  r->line = 0;
  r->end = s->n;
  for (int i = 0; i < NREGS; i++)
    r->reg[i] = -1;
  memset(r->alive, 0, sizeof r->alive);
  memset(r->pid, 0, sizeof r->pid);
  r->alive[0] = true;
  r->ninos = r->nout = 0;
  r->noise = false;
  r->exiting = -1;
  r->in_call = 0;
  for (int i = 0; i < NTASKS; i++)
    r->task[i].state = TASK_NONE;
}

void say(struct run *r, const char *fmt, ...)
{
  va_list ap;
  int n;

  va_start(ap, fmt);
  n = vsnprintf(r->out + r->nout, r->cap - r->nout, fmt, ap);
  va_end(ap);
  if (n > 0 && r->nout + (size_t)n < r->cap)
    r->nout += (size_t)n;
}

/* A call that would wait for ever is interrupted, on both sides. */
void say_result(struct run *r, int64_t n)
{
  const char *name = n < 0 ? fdemu_errname((int)-n) : NULL;

  if (n == -EINTR)
    say(r, "waits");
  else if (name != NULL)
    say(r, "%s", name);
  else
    say(r, "%lld", (long long)n);
}

/* What a process has received; standard signals do not queue. */
void say_signals(struct run *r, const unsigned *counts)
{
  for (int sig = 1; sig < FDEMU_NSIG; sig++) {
    if (counts[sig] == 0 || sig == SIGCHLD)
      continue;
    say(r, sig < 34 ? "%d " : "%d*%u ", sig, counts[sig]);
  }
}

int slot_of(const struct run *r, int pid)
{
  for (int i = 0; i < NPROCS; i++)
    if (r->pid[i] == pid)
      return i;
  return 99;
}

/* ---- tasks ------------------------------------------------------------ */

/* A task to make op's call, or NULL if that one is busy. */
struct task *task_begin(struct run *r, const struct op *op)
{
  struct task *t = &r->task[op->task - 1];
  struct run *own = t->run;

  if (t->state != TASK_NONE)
    return NULL;
  run_reset(own, r->script, r->side);
  memcpy(own->reg, r->reg, sizeof own->reg);
  memcpy(own->pid, r->pid, sizeof own->pid);
  own->line = r->line;
  t->op = op;
  t->state = TASK_RUNS;
  return t;
}

/* The one with this letter, if it runs. */
struct task *task_named(struct run *r, const char *letter)
{
  struct task *t = &r->task[(letter[0] - 'A') % NTASKS];

  return t->state == TASK_RUNS ? t : NULL;
}

/* Say what those had to say that have come to an end meanwhile. */
void tasks_done(struct run *r)
{
  for (int i = 0; i < NTASKS; i++) {
    struct task *t = &r->task[i];
    if (__atomic_load_n(&t->state, __ATOMIC_ACQUIRE) != TASK_DONE)
      continue;
    say(r, " | %c: %.*s", 'A' + i, (int)t->run->nout, t->run->out);
    for (int j = 0; j < t->op->nout; j++)
      r->reg[t->op->out[j]] = t->run->reg[t->op->out[j]];
    t->state = TASK_NONE;
  }
}

/* Its process has exited. */
void tasks_gone(struct run *r, int proc)
{
  for (int i = 0; i < NTASKS; i++)
    if (r->task[i].state != TASK_NONE && r->task[i].op->proc == proc)
      r->task[i].state = TASK_NONE;
}

/* Who is still asleep in the end. */
void tasks_left(struct run *r)
{
  for (int i = 0; i < NTASKS; i++)
    if (r->task[i].state == TASK_RUNS)
      say(r, " | %c sleeps", 'A' + i);
}
