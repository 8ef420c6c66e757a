/* kernel.h - the state of the emulator, on one page; private to core */
#ifndef FDE_KERNEL_H
#define FDE_KERNEL_H

#include <fcntl.h>

#include "fdemu_driver.h"

#define FDE_MAX_RW    0x7ffff000u /* Linux's MAX_RW_COUNT */
#define FDE_IOV_MAX   1024
#define FDE_TASK_SIZE 0x7ffffffff000u /* where programs' memory ends */
#define FDE_NR_OPEN   1048576 /* Linux's sysctl fs.nr_open: highest limit */

/* A function that few calls need: kept out of the way of the others. */
#define FDE_RARE __attribute__((cold, noinline))

/* A function that some calls need, which must not cost the others registers. */
#define FDE_APART __attribute__((noinline))

/* A function that is compiled apart for each of the calls that use it. */
#define FDE_INLINE static inline __attribute__((always_inline))

/* The life of a request. */
enum fde_state {
  FDE_IDLE,    /* not submitted, or answered and forgotten */
  FDE_RUNNING, /* in a method */
  FDE_PARKED,  /* in a wait queue */
  FDE_QUEUED,  /* woken: in k->runq */
  FDE_KEPT,    /* a driver has it */
  FDE_FINISHED /* answered; complete() not yet called: in k->finished */
};

struct fde_entry; /* of name.h */

/* A kind's memory in a kernel: fdemu_local(). */
struct fde_local {
  struct fde_local *next;
  const void *key;
  max_align_t data[];
};

/* Blocks of at most so many bytes have slabs: heap.c. 0 is for programs that look
 * at each allocation. */
#ifndef FDE_LARGEST
#define FDE_LARGEST 1024
#endif
#define FDE_CLASSES (FDE_LARGEST / 16 + 1)
struct fde_class {
  struct fdemu_list slabs; /* with room */
  unsigned room;           /* blocks of the next one */
};

#define FDE_LATE 32 /* so many closes are put off: close.c */

struct fdemu_kernel {
  void *(*alloc)(void *ud, void *ptr, size_t size);
  void *(*alloc_records)(void *ud, void *ptr, size_t size);
  void *alloc_ud;
  struct fdemu_list procs; /* the living, by pid */
  struct fdemu_list dead;  /* those that somebody still refers to */
  struct fdemu_proc *self;
  struct fdemu_list runq;     /* requests worth another attempt */
  struct fdemu_list finished; /* requests to hand back */
  struct fdemu_list sources;
  struct fdemu_timer *timers; /* pairing heap */
  struct fde_entry *root;
  fdemu_make_fn *makers[16];   /* by the type in mode_t */
  struct fde_move *spare_move; /* one that was used, or NULL */
  struct fdemu_attr anonymous; /* of every inode that has none of its own */
  size_t nnotes;               /* F_NOTIFYs in force */
  size_t pending;              /* requests not yet handed back */
  uint64_t timer_seq, last_ino, last_file;
  int64_t now;  /* ns */
  int64_t date; /* the same since 1970: of files' times */
  uint64_t seed;
  uint64_t rng, chance;           /* of fdemu_random(); of choices */
  uint64_t below[FDEMU_NCHOICES]; /* draw below this of 2^32: not 0 */
  struct fde_choices *choices;    /* NULL: neither recorded nor replayed */
  int64_t space, space_used;      /* bytes of storage; 0: no limit */
  int last_pid;
  int nofile;
  size_t nopen, max_open; /* descriptors in use, in all tables */
  bool shares;            /* some tables may share references */
  bool refused;           /* one more than max_open was wanted */
  struct fde_local *locals;
  bool careful;    /* there is more to a call than the call: see fde_care() */
  bool prompt;     /* no close is put off, for this reason or for others */
  size_t nforeign; /* descriptions that are not QUIET */
  struct fdemu_file **late[FDE_LATE]; /* slots of closes that were put off */
  unsigned nlate;
  size_t largest;                     /* FDE_LARGEST, or 0 */
  struct fde_class heap[FDE_CLASSES]; /* by the size of blocks */
  struct fdemu_list rules;
  struct fdemu_list *next_rule; /* of the walk over rules, if any */
  struct fdemu_rule *picked;    /* by that walk */
  bool origins;
  uint32_t origin; /* of the request that is being tried */
  void (*trace)(void *ud, const struct fdemu_event *e);
  void *trace_ud;
  struct fde_request *requests; /* names that users gave; see request.c */
  struct fdemu_req *unfinished; /* waits, and the trace does not say so yet */
};

/*
 * A word's descriptors of a table. A fork() takes no references: the two tables
 * share those that one of them had, group by group, until the first change to a
 * group takes a reference to each of its descriptions and leaves the others. So
 * a description has at least one while it is in any table, and the first change
 * needs no memory.
 */
#define FDE_GROUP 64
struct fde_group {
  struct fdemu_list sharers; /* of the same files and references */
  struct fdemu_file **file;
};

/* Of a word's descriptors: a bit for each. */
struct fde_marks {
  uint64_t cloexec; /* FD_CLOEXEC; of those that are open, or reserved */
  uint64_t late;    /* is open, and may be closed late: close.c */
};

/*
 * A descriptor table. used[0] has a bit per descriptor, used[n + 1] a bit per
 * word of used[n] that is full; so the lowest free one is found in as many
 * steps as there are levels. A reserved descriptor is used and has no file.
 */
#define FDE_LEVELS 4
struct fde_table {
  struct fdemu_file **file;
  uint64_t *used[FDE_LEVELS];
  struct fde_marks *marks; /* for each word of used[0] */
  uint32_t *origin; /* who made it; stays when it is closed. NULL: not kept */
  uint32_t *closed; /* who closed it; 0: nobody */
  uint32_t *forked; /* by which fork() it came here; 0: it was made here */
  struct fde_group *group; /* for each word of used[0] */
  int cap;                 /* 0 or a power of two >= 64 */
  int lowest;              /* no descriptor below is free */
  bool shares;             /* some groups may be shared */
};

struct fdemu_proc {
  struct fdemu_kernel *kernel;
  struct fdemu_list link;              /* in kernel->procs */
  struct fdemu_list reqs;              /* pending */
  struct fdemu_list children, sibling; /* in the order of fork() */
  int nzombies;
  struct fdemu_proc *parent; /* NULL: the kernel's own */
  struct fdemu_waitq exits;  /* who waits for children */
  struct fde_table table;
  struct fde_entry *cwd; /* a reference */
  mode_t umask;
  struct fdemu_lock *waits;     /* its requests that wait for record locks */
  unsigned signals[FDEMU_NSIG]; /* received, and not yet asked for */
  int refs; /* holders, and one until it has been waited for */
  int pid;
  int group; /* the pid of the process that began it */
  int status;
  int soft, hard;      /* RLIMIT_NOFILE */
  uint64_t initial[3]; /* ids of the descriptions that it was made with */
  bool alive;
  bool locked; /* it has asked for a record lock, ever */
};

/* What calls do, for which all closes are done: fdemu_file_at() and the like. */
static inline struct fdemu_file *fde_file_at(const struct fdemu_proc *p, int fd)
{
  return fd >= 0 && fd < p->table.cap ? p->table.file[fd] : NULL;
}

/* The same without those that are O_PATH. */
static inline struct fdemu_file *fde_file_usable(const struct fdemu_proc *p,
                                                 int fd)
{
  struct fdemu_file *f = fde_file_at(p, fd);

  return f != NULL && !(f->flags & O_PATH) ? f : NULL;
}

/* Whether r has a descriptor: not if it is about a description, nor if that was
 * closed while a fault delayed r. */
static inline bool fde_has_fd(const struct fdemu_req *r)
{
  return r->on == NULL && fde_file_at(r->proc, r->fd) == r->file;
}

static inline void fde_put(struct fdemu_file *f)
{
  if (f->refs > 1 && f->ops->dropped == NULL)
    f->refs--;
  else
    fdemu_file_put(f);
}

/* What f was opened for: FDEMU_CALL_READ, FDEMU_CALL_WRITE, both, or neither. One
 * more than the access mode has a bit for each, as in Linux. */
_Static_assert(FDEMU_CALL_READ == (O_RDONLY + 1) << 1, "");
_Static_assert(FDEMU_CALL_WRITE == (O_WRONLY + 1) << 1, "");

static inline unsigned fde_opened_for(const struct fdemu_file *f)
{
  return ((unsigned)f->flags + 1) << 1 & (FDEMU_CALL_READ | FDEMU_CALL_WRITE);
}

static inline bool fde_readable(const struct fdemu_file *f)
{
  return (fde_opened_for(f) & FDEMU_CALL_READ) != 0;
}

static inline bool fde_writable(const struct fdemu_file *f)
{
  return (fde_opened_for(f) & FDEMU_CALL_WRITE) != 0;
}

/* In calltable.c; here for req.c, where they are compiled in. */
#define FDE_CALL_READ \
  { \
    .name = "read", .args = "fd | data size", \
    .slot = offsetof(struct fdemu_ops, read), .missing = -EINVAL, \
    .events = POLLIN, .flags = FDEMU_CALL_FD | FDEMU_CALL_READ \
  }
#define FDE_CALL_WRITE \
  { \
    .name = "write", .args = "fd data size", \
    .slot = offsetof(struct fdemu_ops, write), .missing = -EINVAL, \
    .events = POLLOUT, .flags = FDEMU_CALL_FD | FDEMU_CALL_WRITE \
  }

/* req.c */
int64_t fde_vector_length(const struct fdemu_req *r, uint64_t *total);
void fde_attempt(struct fdemu_req *r);
void fde_finish_later(struct fdemu_req *r, int64_t result);
void fde_requeue(struct fdemu_req *r);
/* fdemu_cancel(), but at once: r does not look again. */
void fde_cancel(struct fdemu_req *r, int error);
void fde_unpark(struct fdemu_req *r);
void fde_draw_length(struct fdemu_req *r);
void fde_care(struct fdemu_kernel *k);
void fde_trace_flush(struct fdemu_kernel *k);
void fde_trace(struct fdemu_req *r, enum fdemu_phase phase);

/* choice.c */
#define FDE_EVENLY UINT64_MAX /* in below[]: each value as probable as 0 */
uint64_t fde_choose(const struct fdemu_req *r, enum fdemu_choice_kind kind,
                    uint64_t n);
uint32_t fde_who(const struct fdemu_req *r);
void fde_choices_free(struct fdemu_kernel *k);

/* fault.c, where.c */
int64_t fde_inject(struct fdemu_req *r);
bool fde_path_fits(const char *pattern, const struct fdemu_req *r);

/* heap.c */
void fde_heap_init(struct fdemu_kernel *k);
void fde_heap_free(struct fdemu_kernel *k);
const char *fde_heap_check(const struct fdemu_kernel *k);

/* io.c */
fdemu_method fde_lseek_check, fde_stat, fde_truncate_mode;
fdemu_method fde_fallocate_check, fde_fadvise, fde_readahead, fde_sync_range;
fdemu_method fde_syncfs;
int64_t fde_truncate_check(struct fdemu_req *r);

/* close.c */
fdemu_method fde_close, fde_close_range;
int64_t fde_close_check(struct fdemu_req *r);
int64_t fde_close_end(struct fdemu_req *r, int64_t result);
void fde_drop(struct fdemu_proc *p, int first, unsigned last, bool cloexec);
void fde_close_late(struct fdemu_kernel *k);

/* What was put off is done, so that all is as if it had been done at once. Before
 * whatever is asked from outside. */
static inline void fde_catch_up(struct fdemu_kernel *k)
{
  while (k->nlate > 0) /* who is told that one is gone may close another */
    fde_close_late(k);
}

/* fd.c, table.c */
fdemu_method fde_dup, fde_dup2, fde_dup3;
fdemu_method fde_fcntl, fde_fcntl_other;
fdemu_method fde_fcntl_path, fde_fcntl_kept; /* fcntl.c */
fdemu_method fde_ioctl;                      /* ioctl.c */
int fde_table_reserve(struct fdemu_proc *p, int min);
void fde_table_free(struct fdemu_proc *p);
int fde_table_copy(struct fdemu_kernel *k, struct fde_table *to,
                   struct fde_table *from);
int fde_table_claim(struct fdemu_proc *p, int fd);
void fde_table_remove(struct fdemu_proc *p, int fd);
int fde_table_next(const struct fde_table *t, int fd);
bool fde_reserved(const struct fde_table *t, int fd);
void fde_table_unshare(struct fde_table *t, int fd); /* see fde_table_own() */
bool fde_table_leave(struct fde_table *t, int fd);
void fde_unshare_all(struct fdemu_kernel *k);
bool fde_table_counts(const struct fde_table *t, int fd);
struct fdemu_file **fde_table_free_late(struct fdemu_proc *p, int fd);
const char *fde_table_check(const struct fde_table *t, size_t *nopen);

static inline struct fde_marks *fde_marks_of(const struct fde_table *t, int fd,
                                             uint64_t *bit)
{
  *bit = UINT64_C(1) << ((unsigned)fd % 64);
  return &t->marks[(unsigned)fd / 64];
}

static inline bool fde_get_cloexec(const struct fde_table *t, int fd)
{
  uint64_t bit;

  return (fde_marks_of(t, fd, &bit)->cloexec & bit) != 0;
}

static inline void fde_set_cloexec(struct fde_table *t, int fd, bool on)
{
  uint64_t bit;
  struct fde_marks *m = fde_marks_of(t, fd, &bit);

  m->cloexec = on ? m->cloexec | bit : m->cloexec & ~bit;
}

/* Whether descriptors of f can be closed late, as far as f knows. */
static inline bool fde_late(const struct fdemu_file *f)
{
  return (f->mode & (FDEMU_MODE_LATE & ~FDEMU_MODE_QUIET)) != 0;
}

/* Before a change to t->file[fd], or a look at how many refer to it. */
static inline void fde_table_own(struct fde_table *t, int fd)
{
  if (t->shares)
    fde_table_unshare(t, fd);
}

/* kernel.c */
uint64_t fde_splitmix(uint64_t *state);

/* What is rare: allocated by the first. */
struct fdemu_locks {
  struct fdemu_list flocks, records; /* lock.c */
  struct fdemu_list leases;          /* lease.c */
  struct fdemu_list notes;           /* note.c; of a directory */
};

/* note.c: what happens (DN_*) in a directory, or with what has an entry */
void fde_note(const struct fdemu_inode *dir, unsigned event);
void fde_note_entry(const struct fde_entry *e, unsigned event);
void fde_note_io(const struct fdemu_req *r, int64_t result);
void fde_note_move(const struct fdemu_file *in, const struct fdemu_file *out);
void fde_note_rename(const struct fdemu_inode *from,
                     const struct fdemu_inode *to);
void fde_note_close(const struct fdemu_proc *p, const struct fdemu_file *f);
int64_t fde_notify(struct fdemu_file *f, const struct fdemu_req *r);

/* lease.c */
int fde_lease_break(const struct fdemu_inode *i, int flags, bool again);
void fde_lease_release(struct fdemu_file *f);
int64_t fde_setlease(struct fdemu_file *f, const struct fdemu_req *r);
int64_t fde_getlease(const struct fdemu_file *f);
const char *fde_leases_check(const struct fdemu_inode *i);

/* lock.c */
struct fdemu_locks *fde_locks_get(const struct fdemu_file *f);
fdemu_method fde_flock, fde_flock_mode, fde_setlk, fde_getlk;
int64_t fde_flock_check(struct fdemu_req *r);
int fde_flock_park(struct fdemu_req *r);
int fde_lock_park(struct fdemu_req *r);
int64_t fde_lock_end(struct fdemu_req *r, int64_t result);
const char *fde_locks_check(const struct fdemu_file *f);
void fde_locks_close(struct fdemu_proc *p, struct fdemu_file *f);
void fde_locks_release(struct fdemu_file *f);

/* move.c */
int fde_move_park(struct fdemu_req *r);
bool fde_bad_splice(const struct fdemu_req *r);
int fde_copy_modes(const struct fdemu_file *in, const struct fdemu_file *out);

/* vmsplice.c */
int fde_vmsplice_park(struct fdemu_req *r);

/* file.c */
void fde_attr_init(struct fdemu_attr *a, struct fdemu_kernel *k, uid_t uid);

/* entry.c, open.c, attr.c: the name space; the rest of it is in name.h */
struct fde_entry *fde_root_new(struct fdemu_kernel *k);
void fde_names_free(struct fdemu_kernel *k);
void fde_entry_get(struct fde_entry *e);
void fde_entry_put(struct fde_entry *e);
fdemu_method fde_open;
void fde_count(struct fdemu_inode *i, int flags, int by);
int fde_open_park(struct fdemu_req *r);
int64_t fde_open_end(struct fdemu_req *r, int64_t result);
enum { FDE_ATIME = 1, FDE_MTIME = 2, FDE_CTIME = 4 };
void fde_touch(struct fdemu_inode *i, int which);
void fde_accessed(const struct fdemu_file *f);
unsigned fde_wrote(const struct fdemu_proc *p, struct fdemu_inode *i);
int64_t fde_truncate_end(struct fdemu_req *r, int64_t result);

/* owner.c; set_async: 0 or -ENOMEM */
fdemu_method fde_fcntl_owner;
int fde_set_async(struct fdemu_file *f, bool on);
int fde_default_owner(struct fdemu_file *f, const struct fdemu_proc *p);
void fde_disown(struct fdemu_file *f);
void fde_tell_owner(const struct fdemu_file *f, int signo);

/* poll.c */
fdemu_method fde_poll, fde_select;
int fde_poll_park(struct fdemu_req *r);
void fde_poll_unpark(struct fdemu_req *r);
int64_t fde_poll_end(struct fdemu_req *r, int64_t result);

/* proc.c */
fdemu_method fde_wait, fde_fork, fde_exec, fde_sleep;
int fde_wait_park(struct fdemu_req *r);

/* request.c */
const char *fde_request_name(const struct fdemu_kernel *k,
                             unsigned long request, int *arg);
void fde_requests_free(struct fdemu_kernel *k);

/* timer.c */
struct fdemu_timer *fde_timer_first(const struct fdemu_kernel *k);
void fde_timer_fire(struct fdemu_kernel *k);
const char *fde_timers_check(const struct fdemu_kernel *k);

/* wait.c */
void fde_watch(struct fdemu_waitq *wq, struct fdemu_waiter *w);
void fde_watch_first(struct fdemu_waitq *wq, struct fdemu_waiter *w);
void fde_unwatch(struct fdemu_waiter *w);
void fde_chain(struct fdemu_req *r, struct fdemu_inode *i);

#endif
