/* fdemu.h - emulated POSIX file descriptors: what a program calls */
#ifndef FDEMU_H
#define FDEMU_H

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#include "fdemu_list.h"

/*
 * Results are >= 0, or a negative errno (-EBADF), as Linux's system calls
 * give them. Constants and structs are those of Linux on x86-64. Nothing here
 * touches errno, and nothing but a host descriptor touches the host.
 */

#define FDEMU_VERSION "0.1.0"

#ifndef FDEMU_API
#define FDEMU_API __attribute__((visibility("default")))
#endif

struct fdemu_kernel; /* processes, names, clock, chance, tracing */
struct fdemu_proc;   /* a process: a pid and a descriptor table */
struct fdemu_file;   /* an open file description, POSIX.1-2017 3.258 */
struct fdemu_inode;  /* what several descriptions of one object share */
struct fdemu_ops;    /* what a kind of file does; see fdemu_driver.h */
struct fdemu_req;    /* one system call in flight */
struct epoll_event;  /* of <sys/epoll.h> */
struct timespec;     /* of <time.h>, which not every C has ... */
struct itimerspec;   /* ... and this one */
struct fdemu_lock;   /* a file lock, or a request for one */

/* The request was accepted, and will be answered later. */
#define FDEMU_PENDING INT64_MIN

/* ---- kernels ---------------------------------------------------------- */

/* A field that is 0 has its default. */
struct fdemu_config {
  uint64_t seed;
  int nofile;          /* RLIMIT_NOFILE of processes; 1024 */
  double short_counts; /* 0 to 1: how probable a short count is where the
                          kind of file allows it */
  double eintr;        /* 0 to 1: how probable it is that a call that has to
                          wait is interrupted instead (EINTR) */
  int64_t space;       /* bytes that files can have: fdemu_set_space() */
  size_t descriptors;  /* in all processes together: -ENFILE; no limit */
  bool random_order;   /* runnable requests go in random order, not FIFO */
  bool origins;        /* remember who made each descriptor: fdemu_origin() */

  /* Each object is an allocation of its own: for who counts these, or lets them
   * fail. Slower. */
  bool apart;

  /* As realloc(); size 0 frees. NULL: the C library's. */
  void *(*alloc)(void *ud, void *ptr, size_t size);
  void *alloc_ud;

  /* The same, for what fdemu_record() keeps: it should not be lacking where an
   * alloc that has a limit is to be explained. NULL: alloc. */
  void *(*alloc_records)(void *ud, void *ptr, size_t size);
};

/* A new kernel, or NULL without memory. config may be NULL. */
FDEMU_API struct fdemu_kernel *
fdemu_kernel_new(const struct fdemu_config *config);

/*
 * Ends every process, completes what was in flight (with -EINTR) and frees
 * everything that belongs to the kernel, processes and descriptions included.
 * References that others hold to descriptions and inodes are put before.
 */
FDEMU_API void fdemu_kernel_free(struct fdemu_kernel *k);

/*
 * Try again what was woken and deliver what has finished, until nothing moves
 * without the clock. Returns how many requests are still in flight. Requests
 * that were left pending complete here and nowhere else.
 */
FDEMU_API size_t fdemu_run(struct fdemu_kernel *k);

/* Whether fdemu_run() has something to do. */
FDEMU_API bool fdemu_runnable(struct fdemu_kernel *k);

/*
 * For when fdemu_run() can do no more: wait for the host where a host
 * descriptor is waited for and ready, else move the clock to the next timer
 * (but not beyond limit, in ns; INT64_MAX: no limit), else wait for the host.
 * Returns false if there was nothing to wait for: a deadlock, or the limit.
 */
FDEMU_API bool fdemu_tick(struct fdemu_kernel *k, int64_t limit);

/* What CLOCK_REALTIME shows when a kernel is made, in seconds: the start of
 * 2000 in UTC. */
#define FDEMU_EPOCH INT64_C(946684800)

/* Virtual nanoseconds since the kernel was made. */
FDEMU_API int64_t fdemu_now(const struct fdemu_kernel *k);

/* Move an idle kernel's clock on to when (fdemu_tick() has no timer before). */
FDEMU_API void fdemu_set_now(struct fdemu_kernel *k, int64_t when);

/* 64 random bits that depend on the seed and on how often this was called
 * before, and not on what chance chose (below). */
FDEMU_API uint64_t fdemu_random(struct fdemu_kernel *k);

/*
 * What chance decides: a choice among 0 to n, where 0 is what happens without
 * chance. Choices can be recorded, and replayed in another run. One is known
 * by its kind, by who had to make it, and by being his nth of that kind
 * (whatever came of them); so those of others keep their meaning when one is
 * left out of a list. Unless they are recorded or replayed they cost a draw.
 */
enum fdemu_choice_kind {
  FDEMU_CHOICE_SHORT, /* a read or write moves at most value bytes */
  FDEMU_CHOICE_EINTR, /* a call that would wait is interrupted (1) */
  FDEMU_CHOICE_RETRY, /* of the requests that were woken, the one so far behind
                         the first (which is who's) goes next */
  FDEMU_CHOICE_TURN,  /* likewise of tasks or threads that the caller has */
  FDEMU_CHOICE_STOP, /* one of them is stopped where it makes a call, and others
                         go first (1); seldom, in random order */
  FDEMU_NCHOICES
};

struct fdemu_choice {
  enum fdemu_choice_kind kind;
  uint32_t who; /* req.who; if that is 0, FDEMU_WHO_PROC | pid */
  uint64_t nth; /* from 1 */
  uint64_t value;

  /* For people to read; a replay does not need it. */
  uint64_t most;    /* the highest value it could have had */
  const char *call; /* of the request that it is about, if any */
  int pid, fd;      /* fd: -1 if there is none */
  uint32_t origin;  /* req.origin */
  uint32_t other;   /* RETRY, TURN: who goes instead */
};

#define FDEMU_WHO_PROC UINT32_C(0x80000000)

/* From now on remember the choices that are not 0, and count from 1. 0 or
 * -ENOMEM. */
FDEMU_API int fdemu_record(struct fdemu_kernel *k);

/* As fdemu_record(); and from now on do not draw: the n choices in list, in
 * any order, are made, and all others are 0. 0 or -ENOMEM. */
FDEMU_API int fdemu_replay(struct fdemu_kernel *k,
                           const struct fdemu_choice *list, size_t n);

/* What was recorded, in the order in which it was chosen: how many, or -ENOMEM
 * if some are missing. *list is valid until the next choice. */
FDEMU_API int64_t fdemu_choices(const struct fdemu_kernel *k,
                                const struct fdemu_choice **list);

/* How often each maker came to a choice of each kind that has a chance, since
 * recording began: up to max of them into list, where nth is the number.
 * Returns how many there are. */
FDEMU_API size_t fdemu_choice_counts(const struct fdemu_kernel *k,
                                     struct fdemu_choice *list, size_t max);

/* For what chooses itself (a binding that has tasks): with c->kind and c->who
 * given, choose among 0 to n; when it has filled in the rest, tell. */
FDEMU_API uint64_t fdemu_choose(struct fdemu_kernel *k, struct fdemu_choice *c,
                                uint64_t n);
FDEMU_API void fdemu_chosen(struct fdemu_kernel *k,
                            const struct fdemu_choice *c);

/*
 * Whether everything in the kernel fits together: NULL, or what does not. Walks
 * over all there is: for tests and fuzzers, between calls.
 */
FDEMU_API const char *fdemu_check(struct fdemu_kernel *k);

/* Whether there were once to be more than config.descriptors. */
FDEMU_API bool fdemu_refused(const struct fdemu_kernel *k);

/* The seed it was made with, for other chance than the kernel's. */
FDEMU_API uint64_t fdemu_seed(const struct fdemu_kernel *k);

/* How many bytes the kernel's files can have in all, in pages of 4096; what is
 * beyond is -ENOSPC. 0: no limit. And how many they have. */
FDEMU_API void fdemu_set_space(struct fdemu_kernel *k, int64_t bytes);
FDEMU_API int64_t fdemu_space_used(struct fdemu_kernel *k);

/* Something to do at a virtual time. The owner keeps the memory until the
 * timer has fired or was stopped. Zero-initialise before the first use. */
struct fdemu_timer {
  int64_t when; /* ns; read only */
  void (*fire)(struct fdemu_timer *t);

  /* private */
  uint64_t seq;
  struct fdemu_timer *child, *next, **prev;
};

/* Fire at when (ns); a timer that was already set is moved. */
FDEMU_API void fdemu_timer_set(struct fdemu_kernel *k, struct fdemu_timer *t,
                               int64_t when);
FDEMU_API void fdemu_timer_stop(struct fdemu_kernel *k, struct fdemu_timer *t);

/* ---- processes -------------------------------------------------------- */

/* The kernel's own process, pid 0: for calls that no program makes. */
FDEMU_API struct fdemu_proc *fdemu_kernel_self(struct fdemu_kernel *k);

/*
 * A new process without descriptors, or NULL without memory. The caller holds
 * a reference to the struct, which outlives the process's exit.
 */
FDEMU_API struct fdemu_proc *fdemu_proc_new(struct fdemu_kernel *k);
FDEMU_API void fdemu_proc_put(struct fdemu_proc *p);
FDEMU_API struct fdemu_kernel *fdemu_kernel_of(const struct fdemu_proc *p);
FDEMU_API int fdemu_getpid(const struct fdemu_proc *p);
FDEMU_API int fdemu_getppid(const struct fdemu_proc *p); /* 0: none */
FDEMU_API bool fdemu_alive(const struct fdemu_proc *p);

/* fork(2): *child is a process with a copy of the table, and a reference to
 * it. Returns its pid, -EAGAIN or -ENOMEM. */
FDEMU_API int fdemu_fork(struct fdemu_proc *p, struct fdemu_proc **child);

/* execve(2), as far as descriptors go: closes those with FD_CLOEXEC. */
FDEMU_API int fdemu_exec(struct fdemu_proc *p);

/*
 * _exit(2): interrupts what the process has in flight (-EINTR), closes its
 * descriptors, and leaves a zombie if its parent lives.
 */
FDEMU_API void fdemu_exit(struct fdemu_proc *p, int status);

/* The same for a process that does not exit, but is gone: it was made in vain (if
 * it is the latest, the next gets its pid), or all is over. Not traced. */
FDEMU_API void fdemu_proc_end(struct fdemu_proc *p);

/* wait(2): the pid of a child that exited; *status (may be NULL) is its exit
 * status, not shifted. -ECHILD */
FDEMU_API int fdemu_wait(struct fdemu_proc *p, int *status);

/* The first process with a pid >= pid, or NULL: to walk over all. */
FDEMU_API struct fdemu_proc *fdemu_next_proc(struct fdemu_kernel *k, int pid);

/* The req.origin of the call that made an open descriptor; 0: unknown. */
FDEMU_API uint32_t fdemu_origin(const struct fdemu_proc *p, int fd);

/* That of the fork() by which an open descriptor came to this process; 0: it was
 * made here, or this is unknown. */
FDEMU_API uint32_t fdemu_forked(const struct fdemu_proc *p, int fd);

/* The req.origin of the call that closed a descriptor, and of the one that had
 * made it; 0: it is open, never was, or this is unknown. */
FDEMU_API uint32_t fdemu_closed(const struct fdemu_proc *p, int fd,
                                uint32_t *made);

/* The origin of descriptors that are made without a request. */
FDEMU_API void fdemu_set_origin(struct fdemu_kernel *k, uint32_t origin);

/* What 0, 1 and 2 are now is what the process was made with, and so are its
 * children: not something that it has left open. */
FDEMU_API void fdemu_set_initial(struct fdemu_proc *p);
FDEMU_API bool fdemu_is_initial(const struct fdemu_proc *p, int fd);

/* The first descriptor >= fd that is open, or -1: to walk over a table. */
FDEMU_API int fdemu_next_fd(const struct fdemu_proc *p, int fd);

/*
 * Signals are recorded and do nothing else: no process ends of one. SIGPIPE is
 * sent by a write to a pipe or a stream socket that nobody reads; SIGIO, or what
 * F_SETSIG has chosen, with O_ASYNC to the owner of a description (F_SETOWN).
 * signals: how often each came since it was asked for the last time, in
 * counts[n], by number (counts[0] is not used).
 */
#define FDEMU_NSIG 65
FDEMU_API void fdemu_signal(struct fdemu_proc *p, int signo);
FDEMU_API void fdemu_signals(struct fdemu_proc *p, unsigned counts[FDEMU_NSIG]);

/* ---- requests --------------------------------------------------------- */

/*
 * Whose memory the addresses in a request mean, if not this process's own.
 * Both move n bytes and return 0, or a negative errno (-EFAULT) and move
 * nothing that counts.
 */
struct fdemu_mem {
  int (*load)(const struct fdemu_mem *m, void *dst, const void *addr, size_t n);
  int (*store)(const struct fdemu_mem *m, void *addr, const void *src,
               size_t n);
};

/* The calls that core knows; drivers add their own (pipe2, ...). */
enum fdemu_callno {
  FDEMU_READ,
  FDEMU_WRITE,
  FDEMU_PREAD,
  FDEMU_PWRITE,
  FDEMU_READV,
  FDEMU_WRITEV,
  FDEMU_PREADV,
  FDEMU_PWRITEV,
  FDEMU_LSEEK,       /* offset; cmd = whence */
  FDEMU_OPEN,        /* fd, path; cmd = flags; arg = mode */
  FDEMU_CLOSE,       /* */
  FDEMU_CLOSE_RANGE, /* arg = last; cmd = flags */
  FDEMU_DUP,         /* */
  FDEMU_DUP2,        /* arg = new descriptor */
  FDEMU_DUP3,        /* arg = new descriptor; cmd = flags */
  FDEMU_FCNTL,       /* cmd; arg; buf: a struct flock */
  FDEMU_IOCTL,       /* cmd; arg, buf */
  FDEMU_FSTAT,       /* buf: a struct stat */
  FDEMU_FLOCK,       /* cmd = LOCK_* */
  FDEMU_FTRUNCATE,   /* offset = length */
  FDEMU_FALLOCATE,   /* offset; arg = length; cmd = FALLOC_FL_* */
  FDEMU_FADVISE,     /* offset; arg = length; cmd = advice */
  FDEMU_READAHEAD,   /* offset; arg = count */
  FDEMU_SYNC_RANGE,  /* offset; arg = length; cmd = flags */
  FDEMU_SYNCFS,      /* */
  FDEMU_FSYNC,       /* */
  FDEMU_FDATASYNC,   /* */
  FDEMU_POLL,        /* buf: struct pollfds; timeout */
  FDEMU_SELECT,      /* buf: struct pollfds with POLLIN, POLLOUT and POLLPRI for
                        the sets that a descriptor is in; timeout */
  FDEMU_WAIT,        /* buf: an int */
  FDEMU_FORK,        /* out: the child */
  FDEMU_EXEC,        /* */
  FDEMU_SLEEP,       /* timeout */
  FDEMU_NCALLS
};

/* What a file does when asked; fdemu_driver.h has the contract. */
typedef int64_t fdemu_method(struct fdemu_file *f, struct fdemu_req *r);

/* Describes a call; core's are in calltable.c, a driver may have its own. */
struct fdemu_call {
  const char *name;
  const char *args; /* its arguments in words, for traces; see trace.c */
  size_t slot;      /* offsetof(struct fdemu_ops, read), ... or 0 */
  /* Before the descriptor is looked at. FDEMU_NEXT: go on; or the result. */
  int64_t (*check)(struct fdemu_req *r);
  fdemu_method *begin; /* of a call that moves data: whether it may, whatever
                          the access mode. FDEMU_NEXT, or -errno */
  fdemu_method *run;   /* before the slot; FDEMU_NEXT: go on to the slot */
  fdemu_method *other; /* if the slot is NULL; default: missing */
  int64_t missing;     /* the result if there is none of these */
  int64_t (*finish)(struct fdemu_req *r, int64_t result); /* the last word */
  int (*park)(struct fdemu_req *r);    /* wait elsewhere: 0 or -errno ... */
  void (*unpark)(struct fdemu_req *r); /* ... and no longer */
  int events;                          /* POLL*: worth waiting for */
  unsigned flags;
};

FDEMU_API extern const struct fdemu_call fdemu_calls[FDEMU_NCALLS];

/* Somebody to be told when a file's readiness changes. */
struct fdemu_waiter {
  struct fdemu_list link;
  int events;     /* POLL*: which changes matter; POLLERR and POLLHUP do */
  bool exclusive; /* where one is enough, no other exclusive one is told ... */
  bool took;      /* ... once notify() of this one has set it */
  bool first;     /* before all others, whoever came when */
  unsigned order; /* in which they came */
  /* May remove this waiter, move list nodes and wake other queues: no more. */
  void (*notify)(struct fdemu_waiter *w, int events);
};

/* Calls of kinds of files. */
FDEMU_API extern const struct fdemu_call fdemu_pipe_call;  /* buf: two ints */
FDEMU_API extern const struct fdemu_call fdemu_pipe2_call; /* cmd = flags */

/* arg = family; cmd = type and flags; offset = protocol; of socketpair, buf: two
 * ints. AF_UNIX only; socket(2) makes a socket that cannot be connected. */
FDEMU_API extern const struct fdemu_call fdemu_socketpair_call;
FDEMU_API extern const struct fdemu_call fdemu_socket_call;
FDEMU_API extern const struct fdemu_call fdemu_shutdown_call; /* cmd = how */

/* buf: the data; cmd = MSG_*; msg: the address (msg_name), or NULL. The answer
 * to recvfrom sets msg_namelen: how long the sender's is, whatever the room. */
FDEMU_API extern const struct fdemu_call fdemu_sendto_call;
FDEMU_API extern const struct fdemu_call fdemu_recvfrom_call;

/* iov: the data; cmd = MSG_*; msg: the rest. The answer to recvmsg sets
 * msg_namelen, msg_controllen and msg_flags. */
FDEMU_API extern const struct fdemu_call fdemu_sendmsg_call;
FDEMU_API extern const struct fdemu_call fdemu_recvmsg_call;

/* arg = level; cmd = option; buf: the value. get: done is how much of buf it
 * takes; a buf of SIZE_MAX bytes is one whose size could not be fetched. */
FDEMU_API extern const struct fdemu_call fdemu_setsockopt_call;
FDEMU_API extern const struct fdemu_call fdemu_getsockopt_call;

/* buf: room for the address; offset becomes its length, whatever the room. */
FDEMU_API extern const struct fdemu_call fdemu_getsockname_call;
FDEMU_API extern const struct fdemu_call fdemu_getpeername_call;

/* arg = initial value; cmd = flags */
FDEMU_API extern const struct fdemu_call fdemu_eventfd_call;

/* arg = clock; cmd = flags */
FDEMU_API extern const struct fdemu_call fdemu_timerfd_create_call;

/* path = name; cmd = flags */
FDEMU_API extern const struct fdemu_call fdemu_memfd_create_call;

/* cmd = flags; buf: one struct itimerspec, the new setting, or two, the second
 * for the old one */
FDEMU_API extern const struct fdemu_call fdemu_timerfd_settime_call;

/* buf: a struct itimerspec */
FDEMU_API extern const struct fdemu_call fdemu_timerfd_gettime_call;

/* Of epoll(7). create: arg = size. create1: cmd = flags. ctl: cmd = operation;
 * arg = descriptor; buf: a struct epoll_event. wait and its relatives, which
 * differ in what a trace prints: buf: struct epoll_events; arg = how many at
 * most; timeout. */
FDEMU_API extern const struct fdemu_call fdemu_epoll_create_call;
FDEMU_API extern const struct fdemu_call fdemu_epoll_create1_call;
FDEMU_API extern const struct fdemu_call fdemu_epoll_ctl_call;
FDEMU_API extern const struct fdemu_call fdemu_epoll_wait_call;
FDEMU_API extern const struct fdemu_call fdemu_epoll_pwait_call;
FDEMU_API extern const struct fdemu_call fdemu_epoll_pwait2_call;

/* Moving bytes. fd is what is read, arg what is written; cmd = flags; the size
 * of buf: how many. iov: pointers to offsets (int64_t), NULL for the file's
 * position; none for tee, and one for sendfile. */
FDEMU_API extern const struct fdemu_call fdemu_sendfile_call;
FDEMU_API extern const struct fdemu_call fdemu_splice_call;
FDEMU_API extern const struct fdemu_call fdemu_tee_call;
FDEMU_API extern const struct fdemu_call fdemu_copy_file_range_call;

/* Between memory and a pipe: fd, iov; cmd = flags. arg: not 0: pages begin where
 * the addresses say so; 0: with each element. */
FDEMU_API extern const struct fdemu_call fdemu_vmsplice_call;

/*
 * Of the name space. Those that end in "at" take a path from fd on. cmd = flags
 * (AT_*, RENAME_*) where there are some. mkdirat, fchmodat2, fchmod, umask: arg
 * = mode. mknodat: arg = mode; offset = device. symlinkat: path2 = the target.
 * linkat, renameat2: the new name is path2, from the descriptor arg on.
 * faccessat2: arg = R_OK, ... fchownat, fchown: arg = user; offset = group.
 * newfstatat: buf: a struct stat; afterwards arg is what FS_IOC_GETFLAGS says,
 * or -1 where there are no such flags. utimensat: buf: two struct timespecs, or
 * nothing; without a path, of fd. truncate: offset = length. readlinkat,
 * getcwd, getdents64: buf.
 */
FDEMU_API extern const struct fdemu_call fdemu_mkdirat_call;
FDEMU_API extern const struct fdemu_call fdemu_mknodat_call;
FDEMU_API extern const struct fdemu_call fdemu_symlinkat_call;
FDEMU_API extern const struct fdemu_call fdemu_linkat_call;
FDEMU_API extern const struct fdemu_call fdemu_unlinkat_call;
FDEMU_API extern const struct fdemu_call fdemu_renameat2_call;
FDEMU_API extern const struct fdemu_call fdemu_newfstatat_call;
FDEMU_API extern const struct fdemu_call fdemu_readlinkat_call;
FDEMU_API extern const struct fdemu_call fdemu_faccessat2_call;
FDEMU_API extern const struct fdemu_call fdemu_fchmodat2_call;
FDEMU_API extern const struct fdemu_call fdemu_fchmod_call;
FDEMU_API extern const struct fdemu_call fdemu_fchownat_call;
FDEMU_API extern const struct fdemu_call fdemu_fchown_call;
FDEMU_API extern const struct fdemu_call fdemu_utimensat_call;
FDEMU_API extern const struct fdemu_call fdemu_truncate_call;
FDEMU_API extern const struct fdemu_call fdemu_chdir_call;
FDEMU_API extern const struct fdemu_call fdemu_fchdir_call;
FDEMU_API extern const struct fdemu_call fdemu_getcwd_call;
FDEMU_API extern const struct fdemu_call fdemu_umask_call;

/* buf: a struct statfs */
FDEMU_API extern const struct fdemu_call fdemu_statfs_call;
FDEMU_API extern const struct fdemu_call fdemu_fstatfs_call;
FDEMU_API extern const struct fdemu_call fdemu_getdents64_call;

/*
 * One system call. Zero it, fill in what the call takes, submit it. The caller
 * owns the memory, and keeps it, and what buf, iov and path point to, until
 * the answer is there. Between runs it may point buf, iov and mem of a pending
 * request elsewhere.
 */
struct fdemu_req {
  const struct fdemu_call *call; /* &fdemu_calls[FDEMU_READ], ... */
  int fd;
  int iovcnt;              /* of an ioctl: < 0: buf is an int that arg is in */
  struct iovec buf;        /* the data or the argument block */
  const struct iovec *iov; /* the data of readv and the like; NULL: it could
                              not be fetched */
  const struct fdemu_mem *mem;
  const char *path;   /* from fd on, AT_FDCWD or a directory, unless absolute */
  const char *path2;  /* the second one of calls that have two */
  struct msghdr *msg; /* of sendmsg(2) and the like: all but the data. In this
                         process's memory; the addresses in it are those of the
                         caller */
  unsigned long cmd;  /* fcntl command, ioctl request, whence, flags */
  int64_t arg;
  int64_t offset;        /* pread and the like; lseek */
  int64_t timeout;       /* ns from now; < 0: for ever. Only for calls that have
                      one: poll, select, sleep */
  struct fdemu_file *on; /* a description instead of fd; borrowed */
  const struct fdemu_ops *ops; /* whose methods, if not the description's */
  void (*complete)(struct fdemu_req *r); /* after a pending answer; may be
                                            NULL */
  uint32_t origin; /* the caller's: who makes the descriptors it makes */
  uint32_t who;    /* the caller's: whose choices chance makes; 0: the
                      process's. Below FDEMU_WHO_PROC. */
  void *user;      /* the caller's */
  int rwf;         /* RWF_* of preadv2(2); RWF_NOWAIT wants dontwait, too */
  bool dontwait;   /* -EAGAIN rather than wait, whatever O_NONBLOCK says */
  bool bounded;    /* as Linux's access_ok(): a buf that is beyond what memory
                      a program can have is -EFAULT, whatever there is to read */
  bool quiet;      /* not a program's call: not traced, no chance */
  bool lends; /* what is read at once may lie elsewhere: then buf says where,
                      and it stays there until the next call */
  int64_t result; /* >= 0, -errno, or FDEMU_PENDING */

  /* what drivers work with; see fdemu_driver.h */
  struct fdemu_proc *proc;
  void *driver;            /* for the driver that keeps the request */
  struct fdemu_list link;  /* likewise: a list node */
  struct fdemu_file *file; /* a reference, held until the answer */
  size_t len;              /* bytes wanted: all of buf or iov, or fewer */
  size_t done;             /* bytes moved so far; survives a retry */
  size_t asked;            /* len before chance made it shorter */
  int64_t patience;        /* ns; a method may set it before its first -EAGAIN:
                              how long to wait for better times. 0: for ever;
                              < 0: not at all */
  void *out;               /* what a call makes: a file, a process */
  void (*cancel)(struct fdemu_file *f, struct fdemu_req *r); /* of a kept
                              request; NULL: the description's */
  void (*ended)(struct fdemu_file *f, struct fdemu_req *r);  /* a method may set
                              it: the call has its answer, whichever */
  bool retry; /* this is not the first attempt */

  /* private */
  bool chained, injected, delayed;
  bool waits;   /* it was allowed to, and has */
  bool late;    /* but not any longer: its time is over */
  bool instead; /* fault is the answer, without an attempt */
  unsigned char state;
  bool made;     /* by this open() */
  int interrupt; /* an errno: cancelled while a method had it, or a signal
                    came: it does not wait any more */
  int fault;     /* an errno: to be the result in the end */
  int iovpos;    /* cursor into iov at done: element, offset */
  size_t iovoff;
  unsigned room;           /* msg_namelen before a recv said how long it is */
  int newfd;               /* the descriptor that open() is to fill ... */
  struct fde_entry *entry; /* ... and what: references */
  struct fdemu_inode *inode;
  int64_t delay; /* ns before the first attempt */
  int64_t since; /* ns: when it began to wait */
  struct fdemu_waiter waiter;
  struct fdemu_timer timer;
  struct fdemu_list mine; /* in the process's list while pending */
};

/*
 * Make a call. Returns its result, or FDEMU_PENDING if it has to wait; then
 * fdemu_run() calls r->complete() when r->result is there.
 */
FDEMU_API int64_t fdemu_submit(struct fdemu_proc *p, struct fdemu_req *r);

/* Submit, and run the kernel until the answer is there. -EDEADLK if it cannot
 * come. */
FDEMU_API int64_t fdemu_call(struct fdemu_proc *p, struct fdemu_req *r);

/*
 * Interrupt a pending request. What it has already moved is its result; if that
 * is nothing, -error is. complete() follows as always. EINTR is a signal: one
 * that waits for its file looks once more, from fdemu_run(), and goes on if it
 * can, as on Linux.
 */
FDEMU_API void fdemu_cancel(struct fdemu_req *r, int error);

/*
 * The request's memory goes away, or its owner has seen the result: forget it
 * and call nobody. Harmless on a request that was answered or never made (and
 * is zero); not to be called from inside the method that has it.
 */
FDEMU_API void fdemu_abandon(struct fdemu_req *r);

/* Walk over a process's pending requests; r = NULL for the first. */
FDEMU_API struct fdemu_req *fdemu_next_req(struct fdemu_proc *p,
                                           struct fdemu_req *r);

/* The lock that a pending request waits for, or that is at the head of the
 * queue that it waits in. */
struct fdemu_lockinfo {
  struct flock lock; /* as F_GETLK gives it; l_pid is -1 if it is not ... */
  uint64_t file;     /* ... a process's, but of the description with this id */
};
FDEMU_API bool fdemu_awaited_lock(const struct fdemu_req *r,
                                  struct fdemu_lockinfo *info);

/* The file that a pending request of sendfile(2) and the like waits for, and
 * POLLIN or POLLOUT; NULL if it is another request. */
FDEMU_API const struct fdemu_file *fdemu_awaited_file(const struct fdemu_req *r,
                                                      int *events);

/* What a pending request of open(2) has found at its path, and waits for; NULL
 * if it is another request. Borrowed. */
FDEMU_API const struct fdemu_inode *
fdemu_awaited_inode(const struct fdemu_req *r);

/* ---- the calls -------------------------------------------------------- */

/*
 * As section 2 of the manual has them, except that errors are the result.
 * They run the kernel while they wait (fdemu_call()).
 */
FDEMU_API int64_t fdemu_read(struct fdemu_proc *p, int fd, void *buf, size_t n);
FDEMU_API int64_t fdemu_write(struct fdemu_proc *p, int fd, const void *buf,
                              size_t n);
FDEMU_API int64_t fdemu_pread(struct fdemu_proc *p, int fd, void *buf, size_t n,
                              int64_t offset);
FDEMU_API int64_t fdemu_pwrite(struct fdemu_proc *p, int fd, const void *buf,
                               size_t n, int64_t offset);
FDEMU_API int64_t fdemu_readv(struct fdemu_proc *p, int fd,
                              const struct iovec *iov, int iovcnt);
FDEMU_API int64_t fdemu_writev(struct fdemu_proc *p, int fd,
                               const struct iovec *iov, int iovcnt);
FDEMU_API int64_t fdemu_preadv(struct fdemu_proc *p, int fd,
                               const struct iovec *iov, int iovcnt,
                               int64_t offset);
FDEMU_API int64_t fdemu_pwritev(struct fdemu_proc *p, int fd,
                                const struct iovec *iov, int iovcnt,
                                int64_t offset);
FDEMU_API int64_t fdemu_lseek(struct fdemu_proc *p, int fd, int64_t offset,
                              int whence);
FDEMU_API int fdemu_open(struct fdemu_proc *p, const char *path, int flags,
                         mode_t mode);
FDEMU_API int fdemu_close(struct fdemu_proc *p, int fd);
FDEMU_API int fdemu_close_range(struct fdemu_proc *p, unsigned first,
                                unsigned last, int flags);
FDEMU_API int fdemu_dup(struct fdemu_proc *p, int fd);
FDEMU_API int fdemu_dup2(struct fdemu_proc *p, int fd, int newfd);
FDEMU_API int fdemu_dup3(struct fdemu_proc *p, int fd, int newfd, int flags);
/* arg: an int, or for locks the address of a struct flock. */
FDEMU_API int fdemu_fcntl(struct fdemu_proc *p, int fd, int cmd, int64_t arg);
FDEMU_API int fdemu_flock(struct fdemu_proc *p, int fd, int op);
FDEMU_API int fdemu_ftruncate(struct fdemu_proc *p, int fd, int64_t length);
FDEMU_API int fdemu_fallocate(struct fdemu_proc *p, int fd, int mode,
                              int64_t offset, int64_t length);
FDEMU_API int fdemu_fsync(struct fdemu_proc *p, int fd);
FDEMU_API int fdemu_fdatasync(struct fdemu_proc *p, int fd);
FDEMU_API int64_t fdemu_ioctl(struct fdemu_proc *p, int fd,
                              unsigned long request, void *arg);
FDEMU_API int fdemu_fstat(struct fdemu_proc *p, int fd, struct stat *st);
FDEMU_API int fdemu_isatty(struct fdemu_proc *p, int fd);
FDEMU_API int fdemu_poll(struct fdemu_proc *p, struct pollfd *fds, size_t n,
                         int timeout_ms);
FDEMU_API int fdemu_pipe2(struct fdemu_proc *p, int fds[2], int flags);
/* What the other end of a socket's descriptions share, or the end that a message
 * is for (r, or NULL) which has an address; NULL if there is none, or f is
 * something else. Borrowed. */
FDEMU_API struct fdemu_inode *fdemu_socket_peer(const struct fdemu_file *f,
                                                struct fdemu_req *r);
FDEMU_API int fdemu_socketpair(struct fdemu_proc *p, int family, int type,
                               int protocol, int fds[2]);
FDEMU_API int fdemu_socket(struct fdemu_proc *p, int family, int type,
                           int protocol);
FDEMU_API int fdemu_shutdown(struct fdemu_proc *p, int fd, int how);
FDEMU_API int64_t fdemu_send(struct fdemu_proc *p, int fd, const void *buf,
                             size_t n, int flags);
FDEMU_API int64_t fdemu_recv(struct fdemu_proc *p, int fd, void *buf, size_t n,
                             int flags);
FDEMU_API int64_t fdemu_sendmsg(struct fdemu_proc *p, int fd,
                                const struct msghdr *m, int flags);
FDEMU_API int64_t fdemu_recvmsg(struct fdemu_proc *p, int fd, struct msghdr *m,
                                int flags);
FDEMU_API int fdemu_setsockopt(struct fdemu_proc *p, int fd, int level,
                               int option, const void *value, socklen_t n);
FDEMU_API int fdemu_getsockopt(struct fdemu_proc *p, int fd, int level,
                               int option, void *value, socklen_t *n);
FDEMU_API int fdemu_getsockname(struct fdemu_proc *p, int fd,
                                struct sockaddr *name, socklen_t *n);
FDEMU_API int fdemu_getpeername(struct fdemu_proc *p, int fd,
                                struct sockaddr *name, socklen_t *n);
FDEMU_API int64_t fdemu_sendfile(struct fdemu_proc *p, int out, int in,
                                 int64_t *offset, size_t count);
FDEMU_API int64_t fdemu_splice(struct fdemu_proc *p, int in, int64_t *in_offset,
                               int out, int64_t *out_offset, size_t count,
                               unsigned flags);
FDEMU_API int64_t fdemu_tee(struct fdemu_proc *p, int in, int out, size_t count,
                            unsigned flags);
FDEMU_API int64_t fdemu_vmsplice(struct fdemu_proc *p, int fd,
                                 const struct iovec *iov, int n,
                                 unsigned flags);
FDEMU_API int64_t fdemu_copy_file_range(struct fdemu_proc *p, int in,
                                        int64_t *in_offset, int out,
                                        int64_t *out_offset, size_t count,
                                        unsigned flags);
FDEMU_API int fdemu_epoll_create(struct fdemu_proc *p, int size);
FDEMU_API int fdemu_epoll_create1(struct fdemu_proc *p, int flags);
FDEMU_API int fdemu_epoll_ctl(struct fdemu_proc *p, int ep, int op, int fd,
                              const struct epoll_event *event);
FDEMU_API int fdemu_epoll_wait(struct fdemu_proc *p, int ep,
                               struct epoll_event *events, int maxevents,
                               int timeout_ms);
FDEMU_API int fdemu_epoll_pwait2(struct fdemu_proc *p, int ep,
                                 struct epoll_event *events, int maxevents,
                                 int64_t timeout_ns);

/* As pselect(2). n counts up to FD_SETSIZE. */
FDEMU_API int fdemu_select(struct fdemu_proc *p, int n, fd_set *in, fd_set *out,
                           fd_set *except, const struct timespec *timeout);
FDEMU_API int fdemu_memfd_create(struct fdemu_proc *p, const char *name,
                                 unsigned flags);
FDEMU_API int fdemu_eventfd(struct fdemu_proc *p, unsigned initval, int flags);

/* CLOCK_MONOTONIC and CLOCK_BOOTTIME are fdemu_now(); for CLOCK_REALTIME see
 * FDEMU_EPOCH. None is ever set. */
FDEMU_API int fdemu_timerfd_create(struct fdemu_proc *p, int clockid,
                                   int flags);
FDEMU_API int fdemu_timerfd_settime(struct fdemu_proc *p, int fd, int flags,
                                    const struct itimerspec *value,
                                    struct itimerspec *old);
FDEMU_API int fdemu_timerfd_gettime(struct fdemu_proc *p, int fd,
                                    struct itimerspec *value);

/*
 * Names. A kernel begins with the directory / alone, which belongs to the user
 * that all processes are, and is where they begin; fdemu_std_devices() makes
 * /dev and /tmp. The kernel's own process may do everything, and what it makes
 * is root's. Times are of the virtual clock; see FDEMU_EPOCH.
 */
FDEMU_API int fdemu_openat(struct fdemu_proc *p, int dirfd, const char *path,
                           int flags, mode_t mode);
FDEMU_API int fdemu_mkdirat(struct fdemu_proc *p, int dirfd, const char *path,
                            mode_t mode);
FDEMU_API int fdemu_mknodat(struct fdemu_proc *p, int dirfd, const char *path,
                            mode_t mode, dev_t dev);
FDEMU_API int fdemu_symlinkat(struct fdemu_proc *p, const char *target,
                              int dirfd, const char *path);
FDEMU_API int fdemu_linkat(struct fdemu_proc *p, int dirfd, const char *path,
                           int newdirfd, const char *newpath, int flags);
FDEMU_API int fdemu_unlinkat(struct fdemu_proc *p, int dirfd, const char *path,
                             int flags);
FDEMU_API int fdemu_renameat2(struct fdemu_proc *p, int dirfd, const char *path,
                              int newdirfd, const char *newpath,
                              unsigned flags);
FDEMU_API int fdemu_fstatat(struct fdemu_proc *p, int dirfd, const char *path,
                            struct stat *st, int flags);
FDEMU_API int64_t fdemu_readlinkat(struct fdemu_proc *p, int dirfd,
                                   const char *path, char *buf, size_t n);
FDEMU_API int fdemu_faccessat(struct fdemu_proc *p, int dirfd, const char *path,
                              int mode, int flags);
FDEMU_API int fdemu_fchmodat(struct fdemu_proc *p, int dirfd, const char *path,
                             mode_t mode, int flags);
FDEMU_API int fdemu_fchmod(struct fdemu_proc *p, int fd, mode_t mode);
FDEMU_API int fdemu_fchownat(struct fdemu_proc *p, int dirfd, const char *path,
                             uid_t uid, gid_t gid, int flags);
FDEMU_API int fdemu_fchown(struct fdemu_proc *p, int fd, uid_t uid, gid_t gid);
FDEMU_API int fdemu_utimensat(struct fdemu_proc *p, int dirfd, const char *path,
                              const struct timespec times[2], int flags);
FDEMU_API int fdemu_truncate(struct fdemu_proc *p, const char *path,
                             int64_t length);
FDEMU_API int fdemu_chdir(struct fdemu_proc *p, const char *path);
FDEMU_API int fdemu_fchdir(struct fdemu_proc *p, int fd);
/* As Linux's: the length with the zero at the end. */
FDEMU_API int fdemu_getcwd(struct fdemu_proc *p, char *buf, size_t n);
FDEMU_API mode_t fdemu_umask(struct fdemu_proc *p, mode_t mask);
/* Linux's struct linux_dirent64s: bytes, 0 at the end. A place in a directory
 * (d_off, lseek) stays good whatever else comes and goes. */
FDEMU_API int64_t fdemu_getdents64(struct fdemu_proc *p, int fd, void *buf,
                                   size_t n);

/* getrlimit(2), setrlimit(2) of RLIMIT_NOFILE: -EINVAL, -EPERM (raising the
 * hard limit). */
FDEMU_API void fdemu_get_nofile(const struct fdemu_proc *p, int *soft,
                                int *hard);
FDEMU_API int fdemu_set_nofile(struct fdemu_proc *p, int soft, int hard);

/* ---- descriptions ----------------------------------------------------- */

/* The description behind a descriptor, or NULL. Borrowed. */
FDEMU_API struct fdemu_file *fdemu_file_at(const struct fdemu_proc *p, int fd);

/* The same, but NULL for one with O_PATH: what calls other than those that are
 * about the descriptor itself want. */
FDEMU_API struct fdemu_file *fdemu_file_usable(const struct fdemu_proc *p,
                                               int fd);

/* Give back a reference; the last one releases the description. */
FDEMU_API void fdemu_file_put(struct fdemu_file *f);

/* The lowest free descriptor >= min becomes f, whose reference it takes over
 * unless it fails: -EINVAL (min), -EMFILE, -ENFILE, -ENOMEM; -ESRCH (p has
 * exited). */
FDEMU_API int fdemu_install(struct fdemu_proc *p, struct fdemu_file *f, int min,
                            bool cloexec);

/* The devices below under /dev, /tmp, /proc/self/fd, and what is to be known of
 * regular files, FIFOs and sockets with names. 0 or -ENOMEM. */
FDEMU_API int fdemu_std_devices(struct fdemu_kernel *k);

FDEMU_API int fdemu_null_add(struct fdemu_kernel *k, const char *path);
FDEMU_API int fdemu_zero_add(struct fdemu_kernel *k, const char *path);
FDEMU_API int fdemu_full_add(struct fdemu_kernel *k, const char *path);
FDEMU_API int fdemu_random_add(struct fdemu_kernel *k, const char *path);
FDEMU_API int fdemu_urandom_add(struct fdemu_kernel *k, const char *path);

/* No terminal: writes are forgotten, reads are at the end. */
FDEMU_API int fdemu_console_add(struct fdemu_kernel *k, const char *path);

/* Whose name says that there is none: ENXIO. */
FDEMU_API int fdemu_tty_add(struct fdemu_kernel *k, const char *path);

/* /dev/null without a name. flags: as open(2). NULL: no memory. */
FDEMU_API struct fdemu_file *fdemu_null_new(struct fdemu_kernel *k, int flags);

/* A FIFO, to be given a name: mode has its permissions. NULL: no memory. */
FDEMU_API struct fdemu_inode *fdemu_fifo_new(struct fdemu_kernel *k,
                                             mode_t mode);

/* A directory with a link for each descriptor of the process that looks: to be
 * read, and to be opened. Its parent has to be there. 0 or -errno. */
FDEMU_API int fdemu_procfd_add(struct fdemu_kernel *k, const char *path);

/* An empty regular file, with the permissions in mode and one reference, the
 * caller's. NULL: no memory. */
FDEMU_API struct fdemu_inode *fdemu_regular_new(struct fdemu_kernel *k,
                                                mode_t mode);

/* An object that keeps what is written to it, for a test to look at; its first
 * bytes are data (n may be 0). Opened for reading and writing. NULL: no
 * memory. */
FDEMU_API struct fdemu_file *fdemu_capture_new(struct fdemu_kernel *k,
                                               const void *data, size_t n);

/* The bytes in it: valid until the next write. NULL if f is something else. */
FDEMU_API const char *fdemu_capture_data(const struct fdemu_inode *inode,
                                         size_t *n);

/*
 * A description backed by a descriptor of the host, which answers what it knows;
 * owned: close it in the end. -EBADF, -ENOMEM. O_NONBLOCK is the description's
 * own (to begin with, the host's), so are O_ASYNC (SIGIO and the like do not
 * come), its owner, locks and leases. An ioctl(2) is passed on if its size is
 * known; addresses in what it is about are this process's. A write to an eventfd,
 * and a splice(2), set the host's O_NONBLOCK while they last; TCSBRK and
 * TCSETSW wait for what a terminal has to put out.
 */
FDEMU_API int fdemu_host_new(struct fdemu_kernel *k, int hostfd, bool owned,
                             struct fdemu_file **f);

/* What an epoll instance watches. */
struct fdemu_interest {
  struct fdemu_file *file; /* borrowed; may be under no descriptor any more */
  uint64_t data;
  uint32_t events; /* EPOLL*; none of POLL*: a one-shot that was reported */
  int fd;          /* under which it was added */
};

FDEMU_API bool fdemu_is_epoll(const struct fdemu_file *f);

/* Walk over what ep watches, in the order in which it was added; i = NULL for
 * the first. NULL at the end, or if ep is something else. */
FDEMU_API const struct fdemu_interest *
fdemu_epoll_next(const struct fdemu_file *ep, const struct fdemu_interest *i);

/* ---- faults ----------------------------------------------------------- */

/*
 * Calls that go wrong on purpose. A call that fits everything given is counted
 * in seen; those that when= picks are counted in hits, and fail with error,
 * move at most short_count bytes, or take delay ns of virtual time. The owner
 * keeps the memory until the rule is removed or the kernel freed.
 */
struct fdemu_rule {
  const char *const *calls; /* names as in traces, then NULL; NULL: any */
  const char *path, *kind;  /* fnmatch(3) patterns; NULL: any. A path fits as it
                               was given, or as the name that it leads to. */
  int fd, pid;              /* -1: any */
  /* May have a say, without making calls; NULL: yes. */
  bool (*match)(const struct fdemu_rule *rule, const struct fdemu_req *r);
  void *user;

  uint64_t first, last, step; /* which of them; fdemu_rule_when() */
  int error;                  /* an errno, or 0 */
  bool after;                 /* the call takes effect, then fails */
  size_t short_count;         /* bytes; 0: all */
  int64_t delay;              /* ns */

  uint64_t seen, hits;

  /* private */
  struct fdemu_kernel *kernel;
  struct fdemu_list link;
};

/* Fits every call, and does nothing to them. */
FDEMU_API void fdemu_rule_init(struct fdemu_rule *rule);

/* Set first, last and step as strace's when=: "3", "3+", "3+2", "3..9",
 * "3..9+2". 0 or -EINVAL. */
FDEMU_API int fdemu_rule_when(struct fdemu_rule *rule, const char *when);

/* In force from now on, behind those that are there; the first one that picks
 * a call is the one that acts. */
FDEMU_API void fdemu_inject(struct fdemu_kernel *k, struct fdemu_rule *rule);
FDEMU_API void fdemu_rule_remove(struct fdemu_rule *rule);

/* Walk over the rules in force; rule = NULL for the first. */
FDEMU_API struct fdemu_rule *fdemu_next_rule(struct fdemu_kernel *k,
                                             struct fdemu_rule *rule);

/* ---- tracing and names ------------------------------------------------ */

enum fdemu_phase {
  FDEMU_PHASE_CALL,       /* a call, and its answer */
  FDEMU_PHASE_UNFINISHED, /* a call that waits while others are made */
  FDEMU_PHASE_RESUMED     /* the answer to such a call */
};

struct fdemu_event {
  enum fdemu_phase phase;
  const struct fdemu_req *req; /* its memory may be gone afterwards */
  int64_t start; /* ns: when the call was made; it may have waited since */
};

/* fn is called for every call; it may look, and not touch. NULL: nobody. */
FDEMU_API void
fdemu_set_trace(struct fdemu_kernel *k,
                void (*fn)(void *ud, const struct fdemu_event *e), void *ud);

/* What traces call an ioctl request, whatever its name was: 0 or -ENOMEM. */
FDEMU_API int fdemu_name_request(struct fdemu_kernel *k, unsigned long request,
                                 const char *name);

/* The requests whose names are known to all kernels, by i from 0 on; NULL after
 * the last. */
FDEMU_API const char *fdemu_known_request(size_t i, unsigned long *request);

/* Print an event as strace(1) does, without a newline, into buf[size]; always
 * terminated. Returns the length of what is there. */
FDEMU_API size_t fdemu_format(const struct fdemu_event *e, char *buf,
                              size_t size);

/* "EAGAIN" for EAGAIN; NULL for a number that is none. */
FDEMU_API const char *fdemu_errname(int error);

/* EAGAIN for "EAGAIN"; 0 for a name that is none. */
FDEMU_API int fdemu_errno(const char *name);

#endif
