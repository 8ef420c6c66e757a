/*
 * lfdemu.h - what the files of the Lua binding share
 *
 * Who owns what: a Process refers to its Kernel, and so does whatever else a
 * script can hold. What the Kernel needs of Lua (tasks, descriptions, drivers)
 * is in its user value, the env table; so a forgotten kernel is collected with
 * all of it. C keeps pointers to userdata that env anchors, and to coroutines
 * that such userdata anchor.
 *
 * The core never calls Lua. A method written in Lua is put on a list (jobs) by
 * its C method, and run from here, in a coroutine of its own. The exception is
 * poll, which must answer at once: it is called under lua_pcall().
 *
 * Lua may have no memory wherever it allocates, and then leaves the C frames
 * below by a longjmp(). So nothing of Lua's that allocates comes between a
 * change of state and what belongs to it: objects are made before the call that
 * fills them, and where that cannot be it is called under lua_pcall(). While a
 * request is pending that lies in a C frame, nothing raises. What can be lost is
 * a result that there is no room for: the call has happened.
 */
#ifndef LFDEMU_H
#define LFDEMU_H

#include <limits.h>

#include "fdemu.h"
#include "fdemu_driver.h"
#include "lua/lcompat.h"

#define LFD_KERNEL      "fdemu.Kernel"
#define LFD_PROCESS     "fdemu.Process"
#define LFD_DESCRIPTION "fdemu.Description"
#define LFD_BUFFER      "fdemu.Buffer"
#define LFD_STRUCT      "fdemu.Struct"
#define LFD_TASK        "fdemu.Task"
#define LFD_GUARD       "fdemu.guard"
#define LFD_ROW         "fdemu.Row"
#define LFD_MISUSE      "fdemu.Misuse"
#define LFD_RULE        "fdemu.Rule"
#define LFD_EVENT       "fdemu.Event"
#define LFD_EXPLAIN     "fdemu.explain"

#define SCRATCH_SIZE 65536
#define LENDS        4096 /* bytes that are better not copied */

/* A function that few calls need: kept out of the way of the others. */
#define RARE __attribute__((cold, noinline))

/* A function that some calls need, which must not cost the others registers. */
#define APART __attribute__((noinline))

#define CALL_FEW 8 /* elements of a vector that need no memory */

/* Tables in env. */
enum {
  ENV_TASKS = 1,
  ENV_DESCS,
  ENV_OPS,
  ENV_ERRORS,
  ENV_ARGS,
  ENV_ORIGINS,
  ENV_NAMES,
  ENV_RULES,
  ENV_MISUSE,
  ENV_TRACE,
  ENV_TRACE_END,
  ENV_ORPHAN /* false: none */
};

/* In the user value of a task. */
enum { TASK_THREAD = 1, TASK_KERNEL, TASK_NAME, TASK_BOUND };

struct task;

enum llimit {
  LIMIT_MEMORY,
  LIMIT_DESCRIPTORS,
  LIMIT_TASKS,
  LIMIT_STEPS,
  LIMIT_NONE
};

struct llimits {
  lua_Integer max[LIMIT_NONE];
  lua_Integer steps; /* system calls, and tasks that went on */
  size_t used;       /* bytes */
  enum llimit hit;
  bool asked;
};

struct lkernel {
  struct fdemu_kernel *k; /* NULL: closed */
  lua_State *L;           /* whoever called into C last */
  struct task *current;   /* the task that runs; NULL: none of them */
  struct call *nested;    /* calls that wait on the C stack, innermost first */
  struct fdemu_list ready, tasks, failed, idle; /* of tasks */
  struct fdemu_list jobs;                       /* of requests */
  struct fdemu_list dying;                      /* of descriptions */
  struct fdemu_list processes;
  struct fdemu_list events;   /* of trace events */
  struct fdemu_list polled;   /* of descriptions; see lhonest_wakes() */
  struct fdemu_list floating; /* of descriptions */
  struct llimits limits;
  struct {
    lua_Alloc f;
    void *ud;
  } mem;              /* the Lua state's allocator */
  int live;           /* tasks that k:run() waits for */
  int ntasks;         /* that live; no workers */
  int nidle;          /* workers in idle */
  int polling;        /* depth of poll methods: nobody may wait */
  int depth;          /* of the scheduler */
  unsigned completed; /* counts answers */
  bool names;         /* of tasks are in ENV_NAMES */
  bool closing, random_order, strict, honest, host, origins, orphan;
  bool careful;   /* there is more to a call before it is made ... */
  bool attention; /* ... and after: see lcall.c */
  bool misused;   /* strict: the last row of ENV_MISUSE is to be raised */
  bool no_memory; /* an error that had no memory is to be raised */
  bool telling;   /* a trace function runs */
  lua_Integer seed, last_task;
  lua_Integer place; /* of env in the list that is at envs in the registry */
  int envs;
  luaL_Stream *tracefile; /* anchored in env */
  char *scratch;          /* SCRATCH_SIZE; where reads that need not wait go */
  char *spare;            /* another, or NULL: see lcall_interrupt() */
};

struct lprocess {
  const char *tag;        /* lproc_tag: it lives; NULL: it has exited, or was
                             let go */
  struct fdemu_list link; /* in lk->processes */
  struct fdemu_proc *p;   /* a reference */
  struct lkernel *lk;
  int pid;
  struct fdemu_inode *captured[3]; /* references, or NULL */
};

/* How the argument of an ioctl came. */
enum ioarg { IOARG_NONE, IOARG_INTEGER, IOARG_BUFFER, IOARG_STRING };

/*
 * A call made from Lua: in its task, or on the C stack of a caller that cannot
 * yield. What it fills in (the bytes of a read, ...) is in lk->scratch while
 * the call runs; if it has to wait, in a store of its own, which for the bytes
 * of a read grows as they come.
 */
struct call {
  struct fdemu_req req;
  struct lkernel *lk;
  lua_State *L; /* the caller; its arguments are on this stack */
  int (*result)(lua_State *L, struct call *c); /* push the results */

  /* all 0 in a call that begins */
  struct task *task; /* whose coroutine to resume; NULL: on the C stack */
  int (*keep)(struct call *c); /* the call has to wait: 0 or -errno */
  char *store;
  size_t cap;
  enum ioarg ioarg;
  bool below;  /* others run above it on the C stack */
  bool failed; /* a driver raised an error: it is in env */

  struct fdemu_mem mem;    /* the store as the request sees it */
  struct fdemu_proc *proc; /* of a task that was stopped before the call */
  struct call *outer;
  int top;      /* of the caller's stack when it yielded */
  int argindex; /* ioctl: where the argument is */
  union {       /* what an address in the request points to */
    int word;   /* ioctl: an int for the driver */
    int64_t number;
    struct iovec few[CALL_FEW];
  };
};

enum task_status {
  TASK_READY,
  TASK_RUNNING,
  TASK_WAITING,
  TASK_DONE,
  TASK_ERROR,
  TASK_CANCELLED
};

/* What a worker's method was called for. */
enum ljobkind {
  LJOB_CALL,   /* a request on a description */
  LJOB_OPEN,   /* an open of a device */
  LJOB_FLUSH,  /* a close that nobody waits for */
  LJOB_RELEASE /* the last reference is gone */
};

/* A method in Lua that is to be called: whoever starts it looks at what became
 * of it. */
struct ljob {
  struct lkernel *lk;
  struct fdemu_req *r; /* NULL: nobody waits for the answer */
  struct fdemu_file *file;
  const struct lslot *slot;
  enum ljobkind kind;
  struct task *t; /* the worker */
  bool begun;     /* the method was called */
  int status;     /* if not: LUA_OK (there is none) or an error */
};

/* A coroutine that the scheduler looks after: a user's task, or a worker that
 * runs drivers' methods. Userdata; env anchors it while it lives. */
struct task {
  struct fdemu_list link; /* in ready, failed or idle */
  struct fdemu_list all;  /* in tasks, while it lives */
  struct lkernel *lk;     /* NULL: the kernel was closed */
  lua_State *co;          /* anchored by the user value */
  struct call call;
  struct fdemu_list joiners; /* of requests */
  lua_Integer id;
  int pid; /* of the process that it is in, and ends with; 0: none */
  int nargs, nres;
  enum task_status status;
  bool running, over; /* on the C stack; not to be anchored any more */
  bool daemon, worker;
  int guard;           /* in the registry, or LUA_NOREF; see lsched_guard() */
  struct ldesc *bound; /* see ltask_bind(); its userdata is in the user value */

  /* of a worker */
  struct fdemu_req *serving; /* NULL: nobody waits for the answer */
  struct fdemu_file *file;   /* its Description is self */
  const struct lslot *slot;
  enum ljobkind job;
  struct ljob *starting; /* until it yields or ends */
  unsigned wakes;        /* of the inode when the method first yielded */
  int64_t answer;        /* what the method said, if it did not raise */
  bool yielded;
  bool judging; /* what it returned is looked at */
  bool counts;  /* in lk->live */
  bool holds;   /* the reference to file: its caller has gone */
};

/* A slot of a driver: one row for each function in struct fdemu_ops. */
struct lslot {
  const char *name;
  size_t offset;
};

/* A Description. f->handle points to it, env anchors it while f lives. */
struct ldesc {
  struct fdemu_list link; /* in lk->dying */
  struct lkernel *lk;
  struct fdemu_file *file; /* borrowed; NULL: closed */
  lua_Integer id;
  struct fdemu_ops ops;           /* in force; file->ops points here */
  const struct fdemu_ops *native; /* the kind's own */
  int flushes;                    /* to be run, each with a reference */
  struct fdemu_list polled;       /* in lk->polled: has a poll in Lua */
  int seen;                       /* what that said last ... */
  unsigned seen_wakes;            /* ... and the inode's wakes then */
  bool honest;                    /* what its methods say is compared */
  bool ended;                     /* a read has said end of file */
  bool scripted;                  /* no native kind below */
  struct fdemu_list floating;     /* in lk->floating: has the reference that
                                 k:description() made */
  bool release;                   /* a release method in Lua is to be run ... */
  bool released;                  /* ... or was */
  char kind[32];
};

struct lbuffer {
  size_t size;
  char data[];
};

/* larg.c */
RARE int larg_error(lua_State *L, int index, const char *msg);
RARE int larg_wrong(lua_State *L, int index, const char *expected);
void larg_type(lua_State *L, int index, int type);
void *larg_udata(lua_State *L, int index, const char *name);
APART lua_Integer larg_zero(lua_State *L, int index);
lua_Integer larg_optinteger(lua_State *L, int index, lua_Integer def);
lua_Number larg_number(lua_State *L, int index);
int64_t larg_nanoseconds(lua_Number seconds);
RARE const char *larg_no_string(lua_State *L, int index);
void larg_register(lua_State *L, const luaL_Reg *l, int meta);
void larg_class(lua_State *L, const char *name, const luaL_Reg *metamethods,
                const luaL_Reg *methods, lua_CFunction index);

static inline void larg_check(lua_State *L, bool ok, int index, const char *msg)
{
  if (!ok)
    larg_error(L, index, msg);
}

/* Lua says 0 of what is no integer: only then is it asked which it was. */
static inline lua_Integer larg_integer(lua_State *L, int index)
{
  lua_Integer n = lua_tointeger(L, index);

  return n != 0 ? n : larg_zero(L, index);
}

static inline const char *larg_string(lua_State *L, int index, size_t *n)
{
  const char *s = lua_tolstring(L, index, n);

  return s != NULL ? s : larg_no_string(L, index);
}

/* lkernel.c */
struct lkernel *lkernel_check(lua_State *L, int index);
void lkernel_env(lua_State *L, struct lkernel *lk, int table);
void lkernel_push_env(lua_State *L, const struct lkernel *lk);
void lkernel_push(lua_State *L, struct lkernel *lk);
bool lkernel_set(lua_State *L, struct lkernel *lk, int table, const void *key);
int lkernel_open(lua_State *L);

/* lmem.c */
void lmem_init(lua_State *L, struct lkernel *lk);
void *lmem_resize(struct lkernel *lk, void *ptr, size_t old, size_t size);
void lmem_free(struct lkernel *lk, void *ptr, size_t size);
void *lmem_core(void *ud, void *ptr, size_t size);
void *lmem_records(void *ud, void *ptr, size_t size);

/* lcall.c */
struct call *lcall_begin(lua_State *L, struct lkernel *lk, struct call *local,
                         const struct fdemu_call *what);
int lcall_submit(lua_State *L, struct fdemu_proc *p, struct call *c);
bool lcall_wants_attention(const struct lkernel *lk);
bool lcall_wants_care(const struct lkernel *lk);
int lcall_integer(lua_State *L, struct call *c);
int lcall_string(lua_State *L, struct call *c);
int lcall_error(lua_State *L, int64_t result, const char *path);
void lcall_want_many(struct call *c);
int lcall_keep_data(struct call *c);
void lcall_fail(lua_State *L, struct lkernel *lk, struct fdemu_req *r);
void lcall_orphan(lua_State *L, struct lkernel *lk, int status);
void lcall_orphan_memory(struct lkernel *lk);
void lcall_raise_orphan(lua_State *L, struct lkernel *lk);
void lcall_free(struct call *c);
uint32_t lcall_origin(lua_State *L, struct lkernel *lk);
void lcall_set_origin(lua_State *L, struct lkernel *lk);
void lcall_where(lua_State *L, lua_State *co);
void lcall_push_origin(lua_State *L, struct lkernel *lk, uint32_t id);
int lcall_keep_copy(struct call *c);
void lcall_push_ioarg(lua_State *L, struct call *c);
void lcall_set_ioctl(lua_State *L, struct call *c, int index);
int lcall_ioctl_result(lua_State *L, struct call *c);
bool lcall_is(const struct fdemu_req *r);
char *lcall_interrupt(struct lkernel *lk);
void lcall_resume(struct lkernel *lk, char *scratch);
int lcall_open(lua_State *L);

/* The bytes that a call has read, or its argument block. */
static inline const char *lcall_data(const struct call *c)
{
  return c->req.buf.iov_base;
}

/* c, which has just begun, reads count bytes. */
static inline void lcall_want(struct call *c, size_t count)
{
  c->req.buf.iov_base = c->lk->scratch;
  c->req.buf.iov_len = count;
  c->keep = lcall_keep_data;
  c->result = lcall_string;
  if (count >= LENDS)
    lcall_want_many(c);
}

/* llimit.c */
void llimit_options(lua_State *L, struct llimits *l,
                    struct fdemu_config *config);
bool llimit_memory(struct llimits *l, size_t more);
void llimit_check(lua_State *L, struct lkernel *lk);
int llimit_no_memory(lua_State *L, struct lkernel *lk);
void llimit_step(lua_State *L, struct lkernel *lk);
void llimit_task(lua_State *L, struct lkernel *lk);

/* lsched.c */
bool lsched_step(lua_State *L, struct lkernel *lk, int64_t limit);
void lsched_resume(lua_State *L, struct task *t);
void lsched_ready(struct task *t);
struct task *lsched_new(lua_State *L, struct lkernel *lk, int nargs);
void lsched_push(lua_State *L, struct task *t);
void lsched_push_value(lua_State *L, int index, int what);
void lsched_push_name(lua_State *L, struct task *t);
void lsched_abandon(struct task *t);
void lsched_unanchor(lua_State *L, struct task *t);
void lsched_end(lua_State *L, struct task *t, enum task_status status);
void lsched_drop(lua_State *L, struct task *t);
const char *lsched_check(const struct lkernel *lk);
void lsched_make_guard(lua_State *L, struct task *t);
void lsched_guard(lua_State *L, struct task *t);
uint32_t lsched_who(const struct task *t);
int lsched_run(lua_State *L);
void lsched_deadlock(lua_State *L, struct lkernel *lk);
int lsched_open(lua_State *L);

/* ltask.c */
extern const struct fdemu_call ltask_join_call;
int ltask_bind(lua_State *L);
int ltask_spawn(lua_State *L, struct lkernel *lk, int pid);
int ltask_end_process(lua_State *L, struct lkernel *lk, int pid);
int ltask_open(lua_State *L);

/* ldriver.c */
int ldriver_device(lua_State *L);
int ldriver_description(lua_State *L);
struct fdemu_file *ldriver_opening(const struct fdemu_req *r);
struct ldesc *ldriver_scripted(lua_State *L, struct fdemu_file *f);
void ldriver_put_unopened(struct fdemu_file *f);
int ldriver_poll(struct fdemu_file *f);
int ldriver_mask(lua_State *L, int index);
void ldriver_hook(struct ldesc *d, const struct lslot *slot, bool on);
const struct lslot *ldriver_slot(const char *name);
const struct lslot *ldriver_slot_of(const struct fdemu_call *call);

/* lworker.c */
void lworker_job(lua_State *L, struct lkernel *lk, struct fdemu_req *r);
bool lworker_drain(lua_State *L, struct lkernel *lk);
void lworker_die(struct ldesc *d);
void lworker_closed(lua_State *L, struct task *t);
void lworker_ended(lua_State *L, struct task *t, int status);
const char *lworker_place(lua_State *L, struct ldesc *d, const char *slot);

/* Whether methods written in Lua wait to be run, by lworker_drain(). */
static inline bool lworker_waits(const struct lkernel *lk)
{
  return !fdemu_list_empty(&lk->jobs) || !fdemu_list_empty(&lk->dying);
}

/* lanswer.c */
int lanswer_bad(lua_State *L, const struct task *t, const char *what);
int64_t lanswer_take(lua_State *L, struct task *t);

/* lcond.c */
int lcond_new(lua_State *L);
int lcond_open(lua_State *L);

/* lhonest.c */
void lhonest_not_now(lua_State *L, const struct task *t);
void lhonest_end(lua_State *L, const struct task *t, size_t n);
void lhonest_wakes(lua_State *L, struct lkernel *lk);

/* lrequest.c */
void lrequest_names(lua_State *L, struct lkernel *lk, int index);
int lrequest_set(lua_State *L);

/* ldesc.c */
/* Whatever a wake may be about. */
#define LDESC_ALL \
  (POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLPRI | POLLERR | POLLHUP | \
   POLLRDHUP)

static inline struct ldesc *ldesc_of(const struct fdemu_file *f)
{
  return f->handle;
}

struct ldesc *ldesc_check(lua_State *L, int index);
struct ldesc *ldesc_new(lua_State *L, struct lkernel *lk, struct fdemu_file *f,
                        bool scripted);
void ldesc_push(lua_State *L, struct ldesc *d);
void ldesc_forget(lua_State *L, struct ldesc *d);
void ldesc_sink(struct ldesc *d);
int ldesc_open(lua_State *L);

/* lproc.c */
int lproc_new(lua_State *L);
void lproc_forget(struct lprocess *lp);
void lproc_exited(struct lkernel *lk);
RARE struct lprocess *lproc_check_living(lua_State *L);
int lproc_int(lua_State *L, int index);
int lproc_optint(lua_State *L, int index);
int lproc_open(lua_State *L);

extern const char lproc_tag[];

/* The living process that a method is called on. Every call begins here, so one
 * that is as it should be is known by its tag, which takes fewer calls of Lua's
 * than comparing metatables. */
static inline struct lprocess *lproc_check(lua_State *L)
{
  struct lprocess *lp = lua_touserdata(L, 1);

  if (lp == NULL || lua_rawlen(L, 1) != sizeof *lp || lp->tag != lproc_tag)
    lp = lproc_check_living(L);
  return lp;
}

/* A descriptor. Integers that are no int are no descriptor either. */
static inline int lproc_fd(lua_State *L, int index)
{
  lua_Integer fd = larg_integer(L, index);

  return fd == (int)fd ? (int)fd : -1;
}

static inline size_t lproc_count(lua_State *L, int index)
{
  lua_Integer n = larg_integer(L, index);

  larg_check(L, n >= 0, index, "count must not be negative");
  return (size_t)n;
}

/* Methods of a Process. */
extern const luaL_Reg lio_methods[], lfd_methods[], lpoll_methods[];

/* lfile.c */
extern const luaL_Reg lfile_methods[];
extern const luaL_Reg levent_methods[], lepoll_methods[], lsocket_methods[];
extern const luaL_Reg lfcntl_methods[];
extern const luaL_Reg lname_methods[];
extern const luaL_Reg levent_methods[], lepoll_methods[];
extern const luaL_Reg lfcntl_methods[], lmove_methods[];

/* lfd.c */
void lfd_push_stat(lua_State *L, const struct stat *st);

/* lepoll.c */
void lepoll_push_interests(lua_State *L, struct lkernel *lk,
                           const struct fdemu_file *ep);

/* lwaiting.c */
int lwaiting_list(lua_State *L);
void lwaiting_file(lua_State *L, struct lkernel *lk, const struct fdemu_file *f,
                   struct fdemu_req *r);

/* lfcntl.c */
void lfcntl_push_flock(lua_State *L, const struct flock *fl);

/* lbuffer.c */
struct lbuffer *lbuffer_new(lua_State *L, size_t size);
struct lbuffer *lbuffer_test(lua_State *L, int index);
int lbuffer_make(lua_State *L);
int lbuffer_open(lua_State *L);

/* ltrace.c */
int ltrace_set(lua_State *L);
void ltrace_stop(struct lkernel *lk);
void ltrace_end(lua_State *L, struct lkernel *lk);
bool ltrace_deliver(lua_State *L, struct lkernel *lk);
int ltrace_open(lua_State *L);

/* lchoice.c */
void lchoice_keep_names(lua_State *L, struct lkernel *lk);
void lchoice_name(lua_State *L, struct lkernel *lk, lua_Integer who);
int lchoice_record(lua_State *L);
int lchoice_replay(lua_State *L);
int lchoice_list(lua_State *L);
int lchoice_counts(lua_State *L);

/* lfault.c */
int lfault_inject(lua_State *L);
int lfault_rules(lua_State *L);
int lfault_open(lua_State *L);

/* lmisuse.c */
uint32_t lmisuse_closed(const struct fdemu_req *r, int *fd, uint32_t *made);
void lmisuse_note(lua_State *L, struct call *c);
void lmisuse_look(lua_State *L, struct lkernel *lk, struct fdemu_proc *p,
                  int fd, const char *function);
int lmisuse_raise(lua_State *L, struct lkernel *lk);
int lmisuse_list(lua_State *L);
int lmisuse_open(lua_State *L);

/* llsof.c */
int llsof_all(lua_State *L);
int llsof_leaks(lua_State *L);
int llsof_open(lua_State *L);

/* lconst.c */
void lconst_set(lua_State *L);

#endif
