/*
 * conf.h - the same script of calls on Linux and on fdemu
 *
 * A script is text, a call a line:
 *
 *   0 pipe2 O_NONBLOCK > r0 r1      process, call, arguments; where the
 *   0 write r1 100                  descriptors go that it makes
 *   0 fork 1                        process 1 is a copy of process 0
 *
 *   A 1 read r0 10                  the same in the background, as task A: it
 *                                   may wait while the next lines are made
 *
 * How arguments are written is said in args.c, which calls there are in
 * calls.c. Whatever is done with a line is done by the same code for both
 * sides; they differ in struct side. What comes back is text as well.
 */
#ifndef CONF_H
#define CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
  NREGS = 24,  /* r0, r1, ...: where scripts keep descriptors */
  NPROCS = 4,  /* processes of a script */
  NTASKS = 4,  /* calls that may wait while others are made */
  NTOKENS = 7, /* arguments of a line */
  NINOS = 512, /* inodes that a script can tell apart */
  LIMIT = 40,  /* RLIMIT_NOFILE */
  MAX_IO = 1 << 18,
  MAX_LINE = 400
};

/* Calls that have no number, or none that does the same on both sides. */
enum {
  DO_FORK = -100,
  DO_EXIT,
  DO_WAIT,
  DO_EXEC,
  DO_SIGNALS,
  DO_COLLECT,
  DO_INTERRUPT,
  DO_HOST
};

struct call {
  const char *name;
  long nr;
  const char *args; /* a letter each; see args.c */
  /* What the generator needs: how often, which kinds of descriptors the first
   * argument is (letters of gen.c; NULL: all; !: a call on locks), what kind
   * it makes, and
   * alternatives for each argument, separated by spaces. */
  int weight;
  const char *kinds;
  char makes;
  const char *choice[NTOKENS];
};

extern const struct call calls[];
extern const size_t ncalls;
const struct call *call_named(const char *name, size_t n);

struct op {
  const struct call *call;
  const char *line; /* as it is written */
  int task;         /* 0: none; 1: A */
  int proc, nargs, nout;
  const char *arg[NTOKENS];
  int out[2];
};

struct script {
  char *text, *copy; /* as written; cut into arguments */
  struct op *op;
  size_t n;
  bool tasks; /* there are some, or Linux's side has to do something itself */
  bool host;  /* some descriptors are the host's */
};

/* A call in the background. */
struct task {
  struct run *run; /* what it says */
  const struct op *op;
  uint32_t state;
  int pid, tid; /* Linux's */
};
enum { TASK_NONE, TASK_RUNS, TASK_DONE };

/* Takes text over (from malloc). Exits if a line cannot be parsed. */
struct script *script_parse(char *text);
void script_free(struct script *s);

/* The state of a run, shared by the processes of Linux's side. */
struct run {
  const struct script *script;
  const struct side *side;
  size_t line, end; /* the next line, and the one to stop at */
  int64_t reg[NREGS];
  bool alive[NPROCS];
  int pid[NPROCS];
  struct {
    uint64_t dev, ino;
  } inos[NINOS];
  size_t ninos, nout, cap;
  bool noise;      /* bytes may be random ones */
  bool taken;      /* the pages of this call's memory */
  uint32_t *start; /* of each line's output */
  char *out;

  /* of Linux's side */
  uint32_t turn, in_call;
  struct task task[NTASKS];
  int exiting;
};

struct side {
  const char *name;
  const char *directory; /* where scripts begin */
  int64_t (*call)(struct run *r, int proc, long nr, const uint64_t a[6]);
  int64_t (*special)(struct run *r, int proc, const struct op *op);
};

extern const struct side linux_side, fdemu_side;
uid_t user_of(const struct side *side); /* all its processes are */
void linux_user_init(void);
extern char directory[];

/* Memory that both sides use for what calls take and give. What lies behind it
 * is not there. */
extern char *arena;
enum { ARENA = 4 << 20 };
extern char *lasting_bytes; /* and what nobody writes to */
enum { LASTING = 1 << 20 };
void arena_init(void);

struct run *run_new(void);
void run_reset(struct run *r, const struct script *s, const struct side *side);
void run_op(struct run *r, int proc, const struct op *op);
void say(struct run *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void say_result(struct run *r, int64_t n);
void say_signals(struct run *r, const unsigned *counts);
struct task *task_named(struct run *r, const char *letter);
struct task *task_begin(struct run *r, const struct op *op);
void tasks_done(struct run *r);
void tasks_gone(struct run *r, int proc);
void tasks_left(struct run *r);
int slot_of(const struct run *r, int pid);

/* Make the script's calls; the answers are in r->out. */
void linux_run(struct run *r, const struct script *s);
/* What Linux may decide by chance it shall decide differently: bits of tasks
 * that have to stand back, and whether all share one processor. */
enum { MOOD_TASKS = (1 << NTASKS) - 1, MOOD_ONE_CPU = 1 << NTASKS };
extern int linux_mood;
void fdemu_run_script(struct run *r, const struct script *s);
extern unsigned fdemu_check_every; /* so many lines; 0: not at all */

/* In run.in_call: a call that would sleep for ever is interrupted. */
enum { IN_CALL = 1, IN_SHORT_CALL };

/* host.c: the descriptors of a line "host what flags", and a file's owner. How
 * many, or -errno. */
int host_make(const char *what, int flags, uid_t owner, int fd[2]);

/* args.c */
enum { SHORT_NS = 2000000 }; /* times up to this one are waited for */
bool is_short(long nr, const uint64_t *a);
int64_t expiry(long nr, const uint64_t *a, int64_t result);
int64_t constant(const char *s, size_t n);
int64_t number(const struct run *r, const char *token);
int encode(struct run *r, int proc, char letter, const char *token,
           uint64_t *a);
void decode(struct run *r, char letter, const uint64_t *a, int64_t n);

/* The first line that differs, or the number of lines. Lines that only an
 * exception excuses are counted in *excused. */
size_t compare(const struct run *a, const struct run *b, size_t *excused);
void exceptions_load(const char *path);

/* Both sides; true if they differ at line *at, where Linux always says the
 * same. Says otherwise in *vague, unless that is NULL. */
bool differs(const struct script *s, size_t *at, bool *vague);
extern struct run *native, *emulated;
extern size_t excused_total;

/* gen.c, waits.c, matrix.c: text from malloc */
char *generate(uint64_t seed, int nops);
extern const char *matrix_only; /* subjects that begin so */
char *waits(uint64_t seed);
size_t matrix_scripts(void);
char *matrix_script(size_t i, size_t *cells);

/* dump.c */
void dump(char *text, const char *title);

/* shrink.c: prints the shortest script that differs. */
void report(const struct script *s, size_t first, const char *title,
            bool thoroughly);

#endif
