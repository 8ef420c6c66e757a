/* fdemu_driver.h - what a kind of file is made of */
#ifndef FDEMU_DRIVER_H
#define FDEMU_DRIVER_H

#include "fdemu.h"

/*
 * A kind of file is a struct (with a struct fdemu_inode in it), methods, one
 * const table of them, and a constructor that makes descriptions and gives
 * them descriptors last.
 *
 * A method runs to its end and never waits. It returns
 *
 *   >= 0           the result of the call;
 *   -errno         the call failed;
 *   -EAGAIN        not now. r->done may have moved on. The core parks the
 *                  request until the inode is woken, or fails it if the
 *                  description is non-blocking: a driver never looks at
 *                  O_NONBLOCK;
 *   FDEMU_PENDING  the driver keeps the request, and will call
 *                  fdemu_complete() on it once, after it has returned. It must
 *                  have a cancel method.
 *
 * In a method that changes the object: change, then fdemu_wake(), then return.
 * The type is in fdemu.h:
 *
 *   typedef int64_t fdemu_method(struct fdemu_file *f, struct fdemu_req *r);
 */

/* What a description can do beyond its methods: struct fdemu_ops.mode. */
enum {
  FDEMU_MODE_SEEK = 1,    /* the core keeps a position; r->offset is where */
  FDEMU_MODE_PREAD = 2,   /* pread and pwrite work, with r->offset */
  FDEMU_MODE_SHORT = 4,   /* chance may make reads and writes shorter */
  FDEMU_MODE_EPOLL = 8,   /* epoll takes it (regular files it does not) */
  FDEMU_MODE_ASYNC = 16,  /* O_ASYNC can be set; wakes say FDEMU_WAKE_SIGIN */
  FDEMU_MODE_DIRECT = 32, /* O_DIRECT can be set */
  FDEMU_MODE_NO_SPLICE_READ = 64, /* sendfile and splice do not read it, ... */
  FDEMU_MODE_NO_SPLICE_WRITE = 128, /* ... or write it */
  FDEMU_MODE_NO_NOWAIT = 256,       /* RWF_NOWAIT is EOPNOTSUPP */
  FDEMU_MODE_NO_RWF_WRITE = 512,  /* so is all but RWF_HIPRI in a write, ... */
  FDEMU_MODE_NO_RWF_READ = 1024,  /* ... or a read */
  FDEMU_MODE_LAST_FIRST = 2048,   /* of those who wait, the last has its turn
                                   first */
  FDEMU_MODE_LOOKS_AGAIN = 4096,  /* O_NONBLOCK that is set while a call waits
                                   ends it when it is woken; of other kinds, a
                                   call that waits goes on waiting */
  FDEMU_MODE_SPLICE_WAITS = 8192, /* sendfile and splice into a pipe wait for
                                    bytes of it as read does, whatever the pipe
                                    or their flags say */

  /* No method makes calls, or lets somebody make some. While a description of
   * another kind is open, no close is put off. */
  FDEMU_MODE_QUIET = 16384,

  /* Nor does anybody outside the kernel hear of a release, and there is no flush:
   * closes may be put off until the kernel is asked something else. */
  FDEMU_MODE_LATE = 32768 | FDEMU_MODE_QUIET,

  /* the core's, of struct fdemu_file.mode */
  FDEMU_MODE_COUNTED = 0x10000,  /* in attr->opened */
  FDEMU_MODE_CREATED = 0x20000,  /* open(2) has made the file for it */
  FDEMU_MODE_EMBEDDED = 0x40000, /* it is not freed apart from its inode */
  FDEMU_MODE_FOREIGN = 0x80000,  /* its methods may make calls */
};

/*
 * A kind that is a queue of pages, a pipe: what sendfile(2), splice(2) and
 * tee(2) are made of. They lend pages to a request that reads or writes
 * another file, and that may take its time.
 */
struct fdemu_queue {
  /* The oldest bytes, in at most *n pieces, which stay until drop(). How many
   * bytes; 0: end of file; -EAGAIN. */
  int64_t (*peek)(struct fdemu_file *f, struct iovec *iov, int *n);

  /* n of these bytes, or none, have gone. True if there is more room now. */
  bool (*drop)(struct fdemu_file *f, size_t n);

  /* Empty pages for len bytes or fewer, in at most *n pieces, of which the
   * first is skew bytes short. How many bytes; -EAGAIN, -EPIPE, -ENOMEM. */
  int64_t (*room)(struct fdemu_file *f, struct iovec *iov, int *n, size_t len,
                  size_t skew);

  /* bytes of these pages, or none, have come; the others are not needed. */
  void (*add)(struct fdemu_file *f, const struct iovec *iov, int n,
              size_t bytes);

  /* Until drop() nobody else reads (POLLIN), until add() nobody else writes
   * (POLLOUT): the request has to wait. */
  void (*hold)(struct fdemu_file *f, int events);

  /* Bytes go from one to another, or with keep are doubled. -EAGAIN: *wait is
   * not ready; it is what was waited for when it is tried again, and NULL
   * before. */
  int64_t (*pass)(struct fdemu_file *in, struct fdemu_file *out, size_t len,
                  bool keep, struct fdemu_file **wait);
};

/*
 * A kind that is a socket. Of messages (r->msg) the core of sockets has fetched
 * the parts, and looked at addresses and control data; r->cmd are MSG_*. For
 * the rest see fdemu_getsockopt_call and its like.
 */
struct fdemu_socket {
  fdemu_method *send, *recv, *shutdown;
  fdemu_method *getsockopt, *setsockopt, *getsockname, *getpeername;

  /* The last word of a recv: fdemu_call.finish. */
  int64_t (*received)(struct fdemu_req *r, int64_t result);
};

/* What chmod(2), chown(2) and utimensat(2) are to change. */
struct fdemu_change {
  enum { FDEMU_CHANGE_MODE, FDEMU_CHANGE_OWNER, FDEMU_CHANGE_TIMES } what;
  mode_t mode;
  uid_t uid; /* -1: as it is */
  gid_t gid; /* likewise */
  struct timespec time[2];
};

/* A slot that is NULL has the default given beside it. */
struct fdemu_ops {
  const char *name;       /* of the kind, for traces and messages */
  const char *label;      /* in /proc/self/fd; the name */
  unsigned mode;          /* FDEMU_MODE_SEEK, ... */
  fdemu_method *read;     /* -EINVAL */
  fdemu_method *write;    /* -EINVAL */
  fdemu_method *lseek;    /* moves the position if SEEKABLE, else -ESPIPE */
  fdemu_method *ioctl;    /* -ENOTTY; FIOCLEX, FIONBIO, ... are the core's */
  fdemu_method *fcntl;    /* -EINVAL; F_DUPFD, F_GETFL, ... are the core's */
  fdemu_method *flock;    /* the core's locks; r->cmd is LOCK_* */
  fdemu_method *stat;     /* from the inode; see fdemu_fill_stat() */
  fdemu_method *truncate; /* -EINVAL; r->offset is the new size */
  fdemu_method *allocate; /* of regular files -EOPNOTSUPP, else -ENODEV and
                             the like; r->cmd is FALLOC_FL_*, r->arg bytes at
                             r->offset, which are >= 0 and add up */
  fdemu_method *sync;     /* -EINVAL */
  fdemu_method *flush;    /* 0; at every close. r is NULL when nobody waits for
                             an answer (exit, dup2, exec) */

  const struct fdemu_queue *queue;   /* splice(2) sees an ordinary file */
  const struct fdemu_socket *socket; /* -ENOTSOCK */

  /* For kinds whose objects belong to somebody else, who knows more of them than
   * the core. first: any call that the core has something to say to, and that
   * does not move bytes; FDEMU_NEXT: it may. change: of the object; 0 or -errno.
   * NULL: what the core keeps. */
  fdemu_method *first;
  int (*change)(struct fdemu_inode *i, const struct fdemu_change *c);

  /* Readiness, POLL*; pure. Default: readable and writable. */
  int (*poll)(struct fdemu_file *f);

  /* Somebody has looked for these events, and there are none. NULL: so be it. */
  void (*missed)(struct fdemu_file *f, int events);

  /* Where r waits, of which a method has said -EAGAIN. The inode's queue. */
  struct fdemu_waitq *(*waitq)(struct fdemu_file *f, struct fdemu_req *r);

  /* A reference to f was given back, and others are left. */
  void (*dropped)(struct fdemu_file *f);

  /* The caller of a request that this driver keeps gave up: forget it. */
  void (*cancel)(struct fdemu_file *f, struct fdemu_req *r);

  /*
   * The last reference is gone. FDEMU_PENDING: the driver has taken a
   * reference again and will put it; otherwise f is freed afterwards, and the
   * inode if it was the last.
   */
  int64_t (*release)(struct fdemu_file *f);

  /* For fdemu_check(): NULL, or what is wrong with the object. */
  const char *(*check)(const struct fdemu_file *f);
};

/* struct fdemu_call.flags */
enum {
  FDEMU_CALL_FD = 1,     /* takes a descriptor: -EBADF */
  FDEMU_CALL_READ = 2,   /* moves data to the caller; needs read access */
  FDEMU_CALL_WRITE = 4,  /* moves data from the caller; needs write access */
  FDEMU_CALL_AT = 8,     /* at r->offset rather than the position */
  FDEMU_CALL_VEC = 16,   /* r->iov rather than r->buf */
  FDEMU_CALL_TIMED = 32, /* waits whatever O_NONBLOCK says, for r->timeout;
                            the result is 0 when that is over */
  FDEMU_CALL_QUIET = 64, /* never traced */
  FDEMU_CALL_PATH = 128  /* works on a descriptor with O_PATH too; on others
                            those are EBADF */
};

#define FDEMU_NEXT (INT64_MIN + 1)

/* The user that all processes are; it is not privileged. */
#define FDEMU_UID 1000

/* ---- objects ---------------------------------------------------------- */

/* Those who wait for one object. Requests that wait to read and to write have
 * lists of their own, so that waking one costs nothing for the others. */
struct fdemu_waitq {
  struct fdemu_list readers, writers, watchers;
  unsigned seq;   /* counts wakes */
  unsigned added; /* counts those who came */
};

FDEMU_API void fdemu_waitq_init(struct fdemu_waitq *wq);

/*
 * Readiness may have changed to events (POLL*). Everyone who waits for one of
 * them, or for POLLERR or POLLHUP, will try again. Cheap; calls no methods.
 */
FDEMU_API void fdemu_wake(struct fdemu_waitq *wq, int events);

/* Beside POLLOUT or POLLIN: whoever watches a description that can write, or
 * read, is concerned, whatever they look for. A wake of Linux's without a key. */
#define FDEMU_WAKE_WRITERS 0x10000
#define FDEMU_WAKE_READERS 0x100000

/* Those who wait to write look again, and nobody who watches hears of it: where
 * Linux has one queue, they are woken by what concerns readers. */
#define FDEMU_WAKE_AGAIN 0x200000

/* Those who wait in open(2) for something to change, and nobody else. */
#define FDEMU_WAKE_OPEN 0x20000

/* Nobody wakes, but whoever has O_ASYNC on a description that can read, or
 * write, gets a signal: kill_fasync() of Linux. With a wake, or alone. */
#define FDEMU_WAKE_SIGIN  0x40000
#define FDEMU_WAKE_SIGOUT 0x80000

/*
 * The same, but of the requests that wait to read (POLLIN) or to write
 * (POLLOUT) only the first; the next follows when that one is done and the
 * file is still ready. For objects where one waiter's luck is every waiter's.
 */
FDEMU_API void fdemu_wake_one(struct fdemu_waitq *wq, int events);

/* For a method whose r has waited: when it is done the next one follows, even if
 * r was not woken. */
FDEMU_API void fdemu_wake_next(struct fdemu_req *r);

/* For a method whose r was woken so, and left the file ready: nobody follows. */
FDEMU_API void fdemu_wake_no_more(struct fdemu_req *r);

/*
 * Be told of changes to an object, until it is no longer watched. Who came last
 * is told first, as in Linux, and the exclusive after all others in the order
 * in which they came.
 */
FDEMU_API void fdemu_watch(struct fdemu_waitq *wq, struct fdemu_waiter *w);
FDEMU_API void fdemu_unwatch(struct fdemu_waiter *w);

/* The wakes that are the business of who watches f for events (POLL*): not what
 * f was not opened for, since who can only read is not told of room to write. */
FDEMU_API int fdemu_concerns(const struct fdemu_file *f, int events);

/* For the park hook of a call that waits in a queue of its own: r is tried
 * again when wq is woken for events (POLLIN or POLLOUT). It waits behind the
 * others, or before them (first). */
FDEMU_API void fdemu_park(struct fdemu_req *r, struct fdemu_waitq *wq,
                          int events, bool first);

/* Whether anyone waits for one of these events. */
FDEMU_API bool fdemu_waited(const struct fdemu_waitq *wq, int events);

/* What stat(2) tells of an object, and what else few ask for. */
struct fdemu_attr {
  int64_t size; /* bytes; kept by seekable kinds */
  int64_t room; /* bytes of storage in use; -1: for size */
  uid_t uid;    /* the owner; processes are FDEMU_UID */
  gid_t gid;    /* likewise */
  dev_t rdev;   /* of devices */
  struct {
    unsigned readers, writers; /* that open(2) has made; read only */
  } opened;                    /* of regular files */
  int64_t atime, mtime, ctime; /* ns since 1970; kept by core */

  /* private */
  uint64_t ino;
  struct fdemu_locks *locks; /* allocated by the first */
  int nlink;
  bool named;      /* is, or was, in a directory */
  bool apart;      /* not in the file system that has the names: st_dev */
  uint8_t hint;    /* F_SET_RW_HINT */
  uint8_t fsflags; /* FS_IOC_SETFLAGS: FS_NODUMP_FL and FS_NOATIME_FL, which
                      what is made in a directory has from it */
  bool nameless;   /* of O_TMPFILE: in a file system, though it has no name */
  bool same_exec;  /* who may execute it is not to be changed: -EPERM */
};

/* What several descriptions of one object share. A driver embeds it in its
 * own struct; descriptions and names hold references. */
struct fdemu_inode {
  struct fdemu_kernel *kernel;
  const struct fdemu_ops *ops; /* the kind, whatever its descriptions' are */
  struct fdemu_attr *attr;     /* its own, or those of anonymous inodes */
  int refs;                    /* private */
  mode_t mode;                 /* S_IF* and permissions */
  void (*free)(struct fdemu_inode *i); /* the last reference is gone */
  struct fdemu_waitq wq;

  /* open(2) by name. Gives its description to fdemu_opened(). NULL: a new
   * description with ops. */
  int64_t (*open)(struct fdemu_inode *i, struct fdemu_req *r);
};

/*
 * Initialise with one reference, the caller's. attr is embedded beside i. NULL:
 * i is anonymous, as Linux's eventfds are, which are all one inode to stat(2),
 * and to locks.
 */
FDEMU_API void fdemu_inode_init(struct fdemu_inode *i, struct fdemu_attr *attr,
                                struct fdemu_kernel *k,
                                const struct fdemu_ops *ops, mode_t mode,
                                void (*free)(struct fdemu_inode *i));
FDEMU_API void fdemu_inode_get(struct fdemu_inode *i);
FDEMU_API void fdemu_inode_put(struct fdemu_inode *i);

/* Somebody who has to know when a description goes, and does not keep it. */
struct fdemu_weak {
  /* The last reference is gone; w is no longer set. The file's methods must
   * not be called any more, and no reference be taken. */
  void (*gone)(struct fdemu_weak *w);

  /* private */
  struct fdemu_weak *next, **prev;
};

/* An open file description. */
struct fdemu_file {
  const struct fdemu_ops *ops;
  struct fdemu_inode *inode; /* a reference */
  uint64_t id;               /* never reused, never an address */
  int64_t pos;               /* bytes; where the next read or write goes */
  int flags;                 /* access mode and status flags, as F_GETFL */
  unsigned mode;             /* FDEMU_MODE_SEEK, ... */
  void *data;                /* the driver's */
  char *path;                /* as it was opened, or NULL */

  /* private */
  struct fde_entry *entry; /* where it is: a reference, or NULL */
  struct fdemu_weak *weak;
  int counted;              /* by fdemu_check() */
  int refs;                 /* descriptors, requests in flight, holders */
  void *handle;             /* the binding's */
  struct fdemu_lock *waits; /* its requests that wait for record locks */
};

/*
 * A new description of i, with one reference, the caller's; it takes its own
 * to i. flags: as open(2). NULL without memory.
 */
FDEMU_API struct fdemu_file *fdemu_file_new(struct fdemu_inode *i,
                                            const struct fdemu_ops *ops,
                                            int flags, void *data);

/* The same in memory that goes with i: f is embedded beside it. For an object
 * with one description, which is not opened again. */
FDEMU_API void fdemu_file_init(struct fdemu_file *f, struct fdemu_inode *i,
                               const struct fdemu_ops *ops, int flags,
                               void *data);
FDEMU_API void fdemu_file_get(struct fdemu_file *f);

/* From now on f has these methods, which stay its owner's and may make calls:
 * those of one description rather than of a kind. */
FDEMU_API void fdemu_file_override(struct fdemu_file *f,
                                   const struct fdemu_ops *ops);

/* w->gone() will be called when f goes, unless it is cleared before. */
FDEMU_API void fdemu_weak_set(struct fdemu_weak *w, struct fdemu_file *f);
FDEMU_API void fdemu_weak_clear(struct fdemu_weak *w);

/* Walk over those of f; w = NULL for the first. NULL at the end. */
FDEMU_API const struct fdemu_weak *fdemu_weak_next(const struct fdemu_file *f,
                                                   const struct fdemu_weak *w);

/* How many references there are to f: descriptors, requests in flight, and what
 * drivers hold. */
FDEMU_API int fdemu_refs(const struct fdemu_file *f);

/* What F_SETOWN and F_GETOWN do, for kinds that have other names for it: who is
 * a process, or negative a group. 0 or -errno; whoever it is, or 0. */
FDEMU_API int64_t fdemu_setown(struct fdemu_file *f, int who);
FDEMU_API int fdemu_getown(const struct fdemu_file *f);

/* The owner of f (F_SETOWN) gets SIGURG, and has more to say with O_ASYNC. */
FDEMU_API void fdemu_sigurg(struct fdemu_file *f);

/*
 * Closes that were put off (FDEMU_MODE_LATE) are done now. Whatever else is asked
 * of the kernel begins with it; so this is for what the kernel does not see: before
 * a wake that is not the work of a call, a timer or a source, and before a look at
 * an object from outside.
 */
FDEMU_API void fdemu_catch_up(struct fdemu_kernel *k);

/* Readiness of f, POLL*. */
FDEMU_API int fdemu_ready(struct fdemu_file *f);

/* The same for who looks for these events, which its driver may want to know. */
FDEMU_API int fdemu_ready_for(struct fdemu_file *f, int events);

/* What fstat(2) says of f unless its driver knows better. */
FDEMU_API void fdemu_fill_stat(const struct fdemu_file *f, struct stat *st);

/* ---- answering -------------------------------------------------------- */

/* Bytes that r still wants. */
static inline size_t fdemu_left(const struct fdemu_req *r)
{
  return r->len - r->done;
}

/*
 * Move n <= fdemu_left(r) bytes to the caller of a read (copy_out) or from the
 * caller of a write (copy_in), and advance r->done. 0, or -EFAULT and the like
 * with nothing moved: then keep what was not taken.
 */
FDEMU_API int fdemu_copy_out(struct fdemu_req *r, const void *src, size_t n);

/* Instead of fdemu_copy_out(): show the caller where the n bytes lie, if he can
 * take that (r->lends), and answer n. They stay there until something else is
 * done with the kernel. False: copy them. */
FDEMU_API bool fdemu_lend(struct fdemu_req *r, void *data, size_t n);

FDEMU_API int fdemu_copy_in(struct fdemu_req *r, void *dst, size_t n);

/* The same, but as much of n as the caller's memory has is moved, and the error
 * that ended it is returned: for kinds whose calls bad memory cuts short. src
 * NULL: zeros. */
FDEMU_API int fdemu_give(struct fdemu_req *r, const void *src, size_t n);
FDEMU_API int fdemu_take(struct fdemu_req *r, void *dst, size_t n);

/* Bytes of that in one piece of the caller's memory: all, or for a vector what
 * is left of the element whose turn it is. For kinds whose writev(2) is a
 * write(2) of each element; 0 only if the first element is empty. */
FDEMU_API size_t fdemu_piece(const struct fdemu_req *r);

/* After a copy_in of more than could be passed on: only done bytes count. */
FDEMU_API void fdemu_rewind(struct fdemu_req *r, size_t done);

/* copy_out() of n zeros. */
FDEMU_API int fdemu_copy_zeros(struct fdemu_req *r, size_t n);

/* The argument block of r (r->buf: an ioctl's, a struct to fill in) from
 * offset on. 0 or -EFAULT, also for what is beyond its end. */
FDEMU_API int fdemu_arg_load(struct fdemu_req *r, size_t offset, void *dst,
                             size_t n);
FDEMU_API int fdemu_arg_store(struct fdemu_req *r, size_t offset,
                              const void *src, size_t n);

/* Nobody will ever read what r writes: sends SIGPIPE, unless the caller does not
 * want it (RWF_NOSIGNAL), and returns -EPIPE. */
FDEMU_API int64_t fdemu_broken(const struct fdemu_req *r);

/* Any other memory of the caller, whose address was found in an argument. 0 or
 * -EFAULT. */
FDEMU_API int fdemu_load(struct fdemu_req *r, void *dst, const void *addr,
                         size_t n);
FDEMU_API int fdemu_store(struct fdemu_req *r, void *addr, const void *src,
                          size_t n);

/* Whether r waits if its method returns -EAGAIN now. For kinds that tell those
 * who wait something else than those who do not: few. */
FDEMU_API bool fdemu_may_wait(const struct fdemu_req *r);

/* Whether r looks a last time, and is -EINTR if its method returns -EAGAIN. For
 * those whom a signal keeps from looking: few. */
FDEMU_API bool fdemu_interrupted(const struct fdemu_req *r);

/*
 * The answer to a request that a method kept. -EAGAIN: as if the method had
 * returned it now. The caller hears of it from fdemu_run().
 */
FDEMU_API void fdemu_complete(struct fdemu_req *r, int64_t result);

/* Of a vmsplice(2) into a pipe: how many bytes the caller's memory has in one
 * piece, and where in its page the first of them is. */
FDEMU_API size_t fdemu_next_piece(const struct fdemu_req *r, size_t *skew);

/* Give a kept request back to be tried again from fdemu_run(). */
FDEMU_API void fdemu_retry(struct fdemu_req *r);

/* For first(), of calls that move bytes between two descriptions: r waits for i.
 * Returns -EAGAIN. */
FDEMU_API int64_t fdemu_move_wait(struct fdemu_req *r, struct fdemu_inode *i);

/* An inode's open() has made f, and gives its reference away. Returns what
 * open() should: 0, or -ENOMEM if f is NULL. */
FDEMU_API int64_t fdemu_opened(struct fdemu_req *r, struct fdemu_file *f);

/* ---- descriptors ------------------------------------------------------ */

/*
 * Constructors take their descriptors first and fill them when nothing can
 * fail any more. reserve: the lowest free one (fds[0..n-1] are set), -EMFILE or
 * -ENOMEM with none taken. Until they are filled they are EBADF to others.
 */
FDEMU_API int fdemu_reserve(struct fdemu_proc *p, int *fds, int n);
FDEMU_API void fdemu_fill(struct fdemu_proc *p, int fd, struct fdemu_file *f,
                          bool cloexec); /* takes over the reference */
FDEMU_API void fdemu_unreserve(struct fdemu_proc *p, const int *fds, int n);

/* ---- names, memory, the host ------------------------------------------ */

/* Give an inode a name (it takes a reference), instead of what had it before.
 * Directories that are not there yet are made, and are root's. 0, -ENOMEM,
 * -ENAMETOOLONG, -ENOTDIR, -EISDIR (the name is a directory's). */
FDEMU_API int fdemu_name(struct fdemu_kernel *k, const char *path,
                         struct fdemu_inode *i);

/*
 * How an object gets made under a name: mode has a type (S_IFREG, S_IFIFO, ...)
 * and permissions. Returns an inode with one reference, the caller's; NULL: no
 * memory.
 */
typedef struct fdemu_inode *fdemu_make_fn(struct fdemu_kernel *k, mode_t mode);

/* From now on make is what mknod(2) and open(2) with O_CREAT use for objects
 * with the type of mode (S_IF*). NULL: there are none (EPERM). */
FDEMU_API void fdemu_maker(struct fdemu_kernel *k, mode_t mode,
                           fdemu_make_fn *make);

/* Make an object without a name: 0, -EPERM (nobody can), -ENOMEM. */
FDEMU_API int fdemu_make(struct fdemu_kernel *k, mode_t mode,
                         struct fdemu_inode **i);

/*
 * A device: an inode whose descriptions have ops and no state of their own.
 * mode: S_IFCHR or S_IFBLK, and permissions. NULL: no memory.
 */
FDEMU_API struct fdemu_inode *fdemu_device_new(struct fdemu_kernel *k,
                                               const struct fdemu_ops *ops,
                                               mode_t mode, dev_t rdev);

/* The same with a name. 0 or -ENOMEM. */
FDEMU_API int fdemu_device_add(struct fdemu_kernel *k, const char *path,
                               const struct fdemu_ops *ops, mode_t mode,
                               dev_t rdev);

/* Methods that several kinds have: a read that is full of zeros, a write that
 * takes everything and keeps nothing, a position that is always 0. */
FDEMU_API fdemu_method fdemu_read_zeros, fdemu_write_nowhere, fdemu_lseek_0;

/* lseek(2) of a description whose position the core keeps, for methods that
 * have something to say of SEEK_DATA and SEEK_HOLE. */
FDEMU_API fdemu_method fdemu_lseek_default;

/* As malloc() and free(), from the kernel's allocator. */
FDEMU_API void *fdemu_alloc(struct fdemu_kernel *k, size_t size);
FDEMU_API void *fdemu_realloc(struct fdemu_kernel *k, void *ptr, size_t size);
FDEMU_API void fdemu_free(struct fdemu_kernel *k, void *ptr);

/* The same for objects of which there may be very many. Aligned as a pointer is,
 * and given back with fdemu_object_free() only, which does nothing with NULL. */
FDEMU_API void *fdemu_object_alloc(struct fdemu_kernel *k, size_t size);
FDEMU_API void fdemu_object_free(struct fdemu_kernel *k, void *object);

/*
 * A kind's own memory in a kernel: size zeroed bytes, the same at every call
 * with this key (the address of something constant that is the kind's). Freed
 * with the kernel. NULL: no memory.
 */
FDEMU_API void *fdemu_local(struct fdemu_kernel *k, const void *key,
                            size_t size);

/*
 * Sparse storage for the bytes of an object. Pages that nothing was written to
 * are not there, and take no room of the kernel's (fdemu_set_space()).
 */
#define FDEMU_PAGE 4096

struct fdemu_pages {
  int64_t count; /* pages that are there; read only */

  /* private */
  struct fdemu_kernel *kernel;
  void *root;
  int height;
};

FDEMU_API void fdemu_pages_init(struct fdemu_pages *s, struct fdemu_kernel *k);
FDEMU_API void fdemu_pages_free(struct fdemu_pages *s);

/* For fdemu_ops.check: NULL, or what is wrong. */
FDEMU_API const char *fdemu_pages_check(const struct fdemu_pages *s);

/* The bytes of a page, or NULL if they are all 0. */
FDEMU_API const char *fdemu_page(const struct fdemu_pages *s, int64_t page);

/* The same to write to; fresh: what is there means nothing, all of it is to be
 * written. 0, -ENOSPC or -ENOMEM. */
FDEMU_API int fdemu_page_make(struct fdemu_pages *s, int64_t page, char **bytes,
                              bool *fresh);

/* Pages first to end - 1: keep room for them, as fallocate(2) does, or let them
 * go. 0, or -ENOSPC (reserve) or -ENOMEM and nothing has changed. */
FDEMU_API int fdemu_pages_reserve(struct fdemu_pages *s, int64_t first,
                                  int64_t end);
FDEMU_API int fdemu_pages_clear(struct fdemu_pages *s, int64_t first,
                                int64_t end);

/* The first page >= from that was written, or was not. INT64_MAX: none. */
FDEMU_API int64_t fdemu_pages_next(const struct fdemu_pages *s, int64_t from,
                                   bool data);

/* Room for what a driver stores elsewhere. 0 or -ENOSPC. */
FDEMU_API int fdemu_space_take(struct fdemu_kernel *k, int64_t bytes);
FDEMU_API void fdemu_space_give(struct fdemu_kernel *k, int64_t bytes);

/*
 * Something outside that can become ready without the kernel's doing. When
 * nothing else can run, wait() of the first is called with the list of all,
 * and wakes those that are ready; block: wait until one is. False: none of
 * them is waited for.
 */
struct fdemu_source {
  struct fdemu_list link;
  bool (*wait)(struct fdemu_list *sources, bool block);
};

FDEMU_API void fdemu_source_add(struct fdemu_kernel *k, struct fdemu_source *s);
FDEMU_API void fdemu_source_remove(struct fdemu_source *s);

/* For who has found nothing ready, and does not wait: sources that are wake
 * whom it concerns. False: none is. */
FDEMU_API bool fdemu_look(struct fdemu_kernel *k);

#endif
