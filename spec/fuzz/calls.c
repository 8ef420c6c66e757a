/*
 * calls.c - a libFuzzer target: bytes are system calls
 *
 * Eight bytes are one step: what to do, and how each argument is made. A step
 * is a call by number, with arguments from tables of edges and addresses in a
 * small memory that the steps can fill; or a call that may wait while others
 * are made; or fork, exec, exit, an interrupt, time; or something that a driver
 * does; or a fault: in memory, of the allocator, by a rule. After each the
 * whole kernel is checked, and at the end nothing may be in flight or left.
 *
 * usage: calls CORPUS [-max_total_time=60]; calls FILE... runs those again
 */
#include <linux/fs.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "fdemu_linux.h"

#include "memory.h"
#include "odd.h"

#define STEP     8
#define HEAD     4 /* bytes before the first step */
#define NPROCS   4
#define NASYNC   8
#define NRULES   4
#define NFDS     24
#define MAXSTEPS 400

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fdemu_kernel *k;
static struct fdemu_proc *procs[NPROCS];
static struct fdemu_rule rules[NRULES];
static int64_t live;        /* allocations */
static int oom_in, oom_for; /* after so many, so many fail */
static bool replayed;       /* this run, later: then without that */
static bool copies;         /* it is later: a read shows nothing, it copies */
static uint64_t answers;    /* a hash of all results */

/* ---- arguments -------------------------------------------------------- */

static const uint64_t counts[] = { 0,     1,       2,         3,         7,
                                   8,     10,      16,        63,        64,
                                   100,   512,     1024,      1025,      4095,
                                   4096,  4097,    8192,      65535,     65536,
                                   65537, 1 << 20, INT32_MAX, UINT64_MAX };

static const uint64_t offsets[] = { 0,
                                    1,
                                    5,
                                    100,
                                    4095,
                                    4096,
                                    4097,
                                    8192,
                                    20000,
                                    1 << 20,
                                    INT64_C(1) << 40,
                                    INT64_MAX,
                                    INT64_MAX - 4096,
                                    UINT64_MAX,
                                    (uint64_t)-4096 };

static const uint64_t open_flags[] = { O_RDONLY,
                                       O_WRONLY,
                                       O_RDWR,
                                       O_RDWR | O_CREAT,
                                       O_RDWR | O_CREAT | O_EXCL,
                                       O_WRONLY | O_CREAT | O_TRUNC,
                                       O_WRONLY | O_APPEND,
                                       O_RDWR | O_NONBLOCK,
                                       O_RDONLY | O_NONBLOCK,
                                       O_WRONLY | O_NONBLOCK,
                                       O_DIRECTORY,
                                       O_PATH,
                                       O_PATH | O_NOFOLLOW,
                                       O_NOFOLLOW,
                                       O_RDWR | O_CLOEXEC,
                                       O_RDWR | O_TMPFILE,
                                       O_RDWR | O_DIRECT,
                                       O_RDWR | O_SYNC,
                                       O_RDWR | O_NOATIME };

static const uint64_t commands[] = {
  F_DUPFD,      F_DUPFD_CLOEXEC, F_GETFD,
  F_SETFD,      F_GETFL,         F_SETFL,
  F_GETOWN,     F_SETOWN,        F_GETSIG,
  F_SETSIG,     F_GETOWN_EX,     F_SETOWN_EX,
  F_GETPIPE_SZ, F_SETPIPE_SZ,    F_GET_SEALS,
  F_ADD_SEALS,  F_GET_RW_HINT,   F_SET_RW_HINT,
  F_SETLEASE,   F_GETLEASE,      F_NOTIFY,
  999
};

static const uint64_t lock_commands[] = {
  F_GETLK, F_SETLK, F_SETLKW, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW
};

static const uint64_t requests[] = {
  FIONREAD, FIONBIO,  FIOASYNC, FIOCLEX,         FIONCLEX, FIOQSIZE,     TCGETS,
  0x5413,   TIOCOUTQ, 0x1234,   FS_IOC_SETFLAGS, FICLONE,  FIDEDUPERANGE
};

static const uint64_t modes[] = { 0,      0777,    0644,   0400,
                                  01777,  0100644, 010644, 020644,
                                  040755, 0140777, 06777,  UINT32_MAX };

static const uint64_t types[] = { SOCK_STREAM,
                                  SOCK_DGRAM,
                                  SOCK_SEQPACKET,
                                  SOCK_STREAM | SOCK_NONBLOCK,
                                  SOCK_DGRAM | SOCK_NONBLOCK,
                                  SOCK_SEQPACKET | SOCK_CLOEXEC,
                                  SOCK_RAW };

static const uint64_t messages[] = { 0,
                                     MSG_PEEK,
                                     MSG_DONTWAIT,
                                     MSG_TRUNC,
                                     MSG_WAITALL,
                                     MSG_NOSIGNAL,
                                     MSG_OOB,
                                     MSG_EOR,
                                     MSG_CTRUNC,
                                     MSG_CMSG_CLOEXEC,
                                     MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT };

static const uint64_t options[] = { SO_TYPE,
                                    SO_ERROR,
                                    SO_SNDBUF,
                                    SO_RCVBUF,
                                    SO_RCVLOWAT,
                                    SO_SNDTIMEO,
                                    SO_RCVTIMEO,
                                    SO_LINGER,
                                    SO_PASSCRED,
                                    SO_PEERCRED,
                                    SO_DOMAIN,
                                    SO_PROTOCOL,
                                    SO_KEEPALIVE,
                                    SO_PEEK_OFF,
                                    SO_ACCEPTCONN,
                                    SO_SNDBUFFORCE,
                                    SO_REUSEADDR,
                                    77 /* SO_PEERPIDFD */,
                                    999 };

static const uint64_t flags[] = {
  0,       1,       2,       4,       8,        0x10,     0x40,   0x80,
  0x100,   0x200,   0x400,   0x800,   0x1000,   0x2000,   0x4000, 0x10000,
  0x20000, 0x80000, 0x80800, 0x80001, 0x200000, 0x410000, 1000,   UINT32_MAX
};

static uint64_t one_of(const uint64_t *list, size_t n, uint8_t b)
{
  return list[b % n];
}

#define ONE_OF(list, b) one_of(list, NELEM(list), b)

/* The argument that b stands for, of the kind that the letter says. */
static uint64_t argument(char letter, uint8_t b)
{
  switch (letter) {
  case 'f': /* a descriptor */
    return b % 27 == 24 ? (uint64_t)AT_FDCWD : b % 27u - (b % 27 == 26) * 27u;
  case 'p': return BASE + 32u * (b % NELEM(paths));
  case 'b': /* bytes; also the last of the memory, and those beyond */
    return b < 224 ? BASE + 8192 + 512u * (b % 16)
                   : BASE + MEMORY - 16u * (b - 224u);
  case 'i': return BASE + 1024 + 16u * (b % 16);
  case 'v': return b < 240 ? b % 18u : ONE_OF(counts, b);
  case 'n': return ONE_OF(counts, b);
  case 'N': return one_of(counts, NELEM(counts) - 3, b); /* not for hours */
  case 'o': return ONE_OF(offsets, b);
  case 'h': return b % 9u; /* how */
  case 't': return b % 4 - 1u;
  case 'x': return b % 4 == 0 ? b / 64u : BASE + 640 + 32u * (b % 12);
  case 'y': /* an offset: of a pipe, none */
    return b % 2 == 0 && b < 224 ? 0 : argument('x', b);
  case 'l': return BASE + 704 + 32u * (b % 2);
  case 'e': return BASE + 640 + 32u * (b % 2);
  case 's': return BASE + 4096 + 128u * (b % 32);
  case 'g': return BASE + 2048 + 64u * (b % 3);
  case 'w': return b % 64u;
  case 'k': return b < 240 ? 1 : b; /* AF_UNIX, SOL_SOCKET */
  case 'O': return ONE_OF(open_flags, b);
  case 'C': return ONE_OF(commands, b);
  case 'L': return ONE_OF(lock_commands, b);
  case 'I': return ONE_OF(requests, b);
  case 'm': return ONE_OF(modes, b);
  case 'S': return ONE_OF(types, b);
  case 'M': return ONE_OF(messages, b);
  case 'T': return ONE_OF(options, b);
  case '#': return ONE_OF(flags, b);
  case '0': return b < 224 ? 0 : b;
  default: return BASE + 256u * b;
  }
}

/* ---- calls by number -------------------------------------------------- */

#define FCHMODAT2 452 /* of Linux 6.6 */

/* Every number that there is; the spelling of arguments is argument()'s. */
static const struct {
  short nr;
  const char *args;
} calls[] = {
  { SYS_read, "fbn" },
  { SYS_write, "fbn" },
  { SYS_pread64, "fbno" },
  { SYS_pwrite64, "fbno" },
  { SYS_readv, "fiv" },
  { SYS_writev, "fiv" },
  { SYS_preadv, "fivo" },
  { SYS_pwritev, "fivo" },
  { SYS_preadv2, "fivo-w" },
  { SYS_pwritev2, "fivo-w" },
  { SYS_lseek, "foh" },
  { SYS_open, "pOm" },
  { SYS_openat, "fpOm" },
  { SYS_creat, "pm" },
  { SYS_close, "f" },
  { SYS_close_range, "ff#" },
  { SYS_dup, "f" },
  { SYS_dup2, "ff" },
  { SYS_dup3, "ff#" },
  { SYS_fcntl, "fCx" },
  { SYS_fcntl, "fLl" },
  { SYS_ioctl, "fIx" },
  { SYS_fstat, "fs" },
  { SYS_newfstatat, "fps#" },
  { SYS_statx, "fp##s" },
  { SYS_pipe, "s" },
  { SYS_pipe2, "s#" },
  { SYS_poll, "xnt" },
  { SYS_ppoll, "xnxxn" },
  { SYS_select, "nxxxx" },
  { SYS_pselect6, "nxxxxx" },
  { SYS_eventfd, "n" },
  { SYS_eventfd2, "n#" },
  { SYS_timerfd_create, "h#" },
  { SYS_timerfd_settime, "fhxx" },
  { SYS_timerfd_gettime, "fs" },
  { SYS_epoll_create, "n" },
  { SYS_epoll_create1, "#" },
  { SYS_epoll_ctl, "fhfe" },
  { SYS_epoll_wait, "fsnt" },
  { SYS_epoll_pwait, "fsnt00" },
  { SYS_epoll_pwait2, "fsnx00" },
  { SYS_flock, "fh" },
  { SYS_ftruncate, "fo" },
  { SYS_truncate, "po" },
  { SYS_fsync, "f" },
  { SYS_fdatasync, "f" },
  { SYS_fallocate, "fhoo" },
  { SYS_memfd_create, "ph" },
  { SYS_socketpair, "kS0s" },
  { SYS_sendto, "fbnM00" },
  { SYS_recvfrom, "fbnMss" },
  { SYS_sendmsg, "fgM" },
  { SYS_recvmsg, "fgM" },
  { SYS_shutdown, "fh" },
  { SYS_getsockopt, "fkTsx" },
  { SYS_setsockopt, "fkTxn" },
  { SYS_sendfile, "ffyN" },
  { SYS_splice, "fyfyNh" },
  { SYS_vmsplice, "fivh" },
  { SYS_tee, "ffNh" },
  { SYS_copy_file_range, "fyfyN0" },
  { SYS_mkdir, "pm" },
  { SYS_mkdirat, "fpm" },
  { SYS_rmdir, "p" },
  { SYS_unlink, "p" },
  { SYS_unlinkat, "fp#" },
  { SYS_rename, "pp" },
  { SYS_renameat2, "fpfph" },
  { SYS_link, "pp" },
  { SYS_linkat, "fpfp#" },
  { SYS_symlink, "pp" },
  { SYS_symlinkat, "pfp" },
  { SYS_readlink, "psn" },
  { SYS_readlinkat, "fpsn" },
  { SYS_mknod, "pm#" },
  { SYS_mknodat, "fpm#" },
  { SYS_chmod, "pm" },
  { SYS_fchmod, "fm" },
  { SYS_access, "ph" },
  { SYS_faccessat, "fph" },
  { SYS_getdents64, "fbn" },
  { SYS_getcwd, "bn" },
  { SYS_chdir, "p" },
  { SYS_fchdir, "f" },
  { SYS_umask, "m" },
  { SYS_utimensat, "fpx#" },
  { SYS_utimes, "px" },
  { SYS_futimesat, "fpx" },
  { SYS_utime, "px" },
  { SYS_statfs, "ps" },
  { SYS_fstatfs, "fs" },
  { SYS_stat, "ps" },
  { SYS_lstat, "ps" },
  { SYS_chown, "p##" },
  { SYS_lchown, "p##" },
  { SYS_fchown, "f##" },
  { SYS_fchownat, "fp###" },
  { SYS_faccessat2, "fph#" },
  { SYS_fchmodat, "fpm" },
  { FCHMODAT2, "fpm#" },
  { SYS_renameat, "fpfp" },
  { SYS_fadvise64, "fooh" },
  { SYS_readahead, "foo" },
  { SYS_sync_file_range, "fooh" },
  { SYS_syncfs, "f" },
  { SYS_socket, "kS0" },
  { SYS_getsockname, "fsx" },
  { SYS_getpeername, "fsx" },
  { SYS_sendmmsg, "fgnM" },
  { SYS_recvmmsg, "fgnMx" },
  { SYS_setrlimit, "hx" },
  { SYS_getrlimit, "hs" },
  { SYS_prlimit64, "0hxs" },
  { SYS_getpid, "" },
  { SYS_fcntl, "fC#" },
};

/* A letter in 16 is of another kind than it should be. */
static uint64_t argument_of(const char *args, int i, const uint8_t *s)
{
  const char letter = (size_t)i < strlen(args) ? args[i] : '0';
  const uint8_t wrong = s[1] / 16 == 15 ? s[7] : 0;

  return argument(wrong % 7 == i + 1 ? "fnox#h"[i] : letter, s[2 + i]);
}

static void note(int64_t result)
{
  answers = (answers ^ (uint64_t)result) * UINT64_C(0x100000001b3);
}

/* A step in eight is a read that may be shown where the bytes lie. */
static bool lends(const uint8_t *s)
{
  return s[0] >> 5 == 7 && !copies;
}

/* All that a read got, into this process's memory or where it is shown, is
 * there, and is the same when the call copies it. */
static void note_bytes(const struct fdemu_req *r, int64_t n)
{
  const unsigned char *bytes = r->buf.iov_base;

  if (r->call == &fdemu_calls[FDEMU_READ] && r->mem == NULL)
    for (int64_t i = 0; i < n; i++)
      note(bytes[i]);
}

/* read(2) into memory of this process, which is what can be lent to. */
static void read_here(struct fdemu_proc *p, struct fdemu_req r)
{
  static unsigned char room[2 * MEMORY];
  int64_t n;

  r.call = &fdemu_calls[FDEMU_READ];
  r.buf.iov_base = room;
  if (r.buf.iov_len > sizeof room)
    r.buf.iov_len = sizeof room;
  n = fdemu_call(p, &r);
  note(n);
  note_bytes(&r, n);
}

static void call_by_number(struct fdemu_proc *p, unsigned which,
                           const uint8_t *s)
{
  const short nr = calls[which % NELEM(calls)].nr;
  const char *args = calls[which % NELEM(calls)].args;
  uint64_t arg[6];

  for (int i = 0; i < 6; i++)
    arg[i] = argument_of(args, i, s);
  if (nr == SYS_read && s[0] >> 5 == 7)
    read_here(p, (struct fdemu_req){ .fd = (int)arg[0],
                                     .buf.iov_len = arg[2],
                                     .lends = lends(s) });
  else
    note(fdemu_syscall(p, &mem, nr, arg));
}

/* ---- calls that wait meanwhile ---------------------------------------- */

static const struct fdemu_call *const waits[] = { &fdemu_calls[FDEMU_READ],
                                                  &fdemu_calls[FDEMU_WRITE],
                                                  &fdemu_calls[FDEMU_FLOCK],
                                                  &fdemu_calls[FDEMU_IOCTL],
                                                  &fdemu_calls[FDEMU_CLOSE],
                                                  &fdemu_calls[FDEMU_WAIT],
                                                  &fdemu_sendto_call,
                                                  &fdemu_recvfrom_call,
                                                  &fdemu_calls[FDEMU_FCNTL],
                                                  &fdemu_calls[FDEMU_POLL],
                                                  &fdemu_calls[FDEMU_SELECT],
                                                  &fdemu_calls[FDEMU_SLEEP],
                                                  &fdemu_calls[FDEMU_OPEN],
                                                  &fdemu_calls[FDEMU_READV],
                                                  &fdemu_calls[FDEMU_WRITEV],
                                                  &fdemu_calls[FDEMU_PREAD],
                                                  &fdemu_calls[FDEMU_FSYNC],
                                                  &fdemu_calls[FDEMU_FTRUNCATE],
                                                  &fdemu_sendmsg_call,
                                                  &fdemu_recvmsg_call,
                                                  &fdemu_epoll_wait_call,
                                                  &fdemu_vmsplice_call,
                                                  &fdemu_sendfile_call,
                                                  &fdemu_splice_call,
                                                  &fdemu_tee_call,
                                                  &fdemu_copy_file_range_call };

struct async {
  struct fdemu_req req;
  unsigned char store[256];
  struct iovec iov[3];
  struct msghdr msg;
};

static struct async asyncs[NASYNC];

static void fill_lock(struct async *a, const uint8_t *s)
{
  const struct flock fl = { .l_type = (short)(s[4] % 3),
                            .l_start = s[6] % 8,
                            .l_len = s[7] % 8 };

  a->req.cmd = s[5] % 2 == 0 ? F_SETLKW : F_OFD_SETLKW;
  a->req.buf.iov_len = sizeof fl;
  memcpy(a->store, &fl, sizeof fl);
}

static void fill_poll(struct async *a, const uint8_t *s)
{
  struct pollfd fds[3];

  for (int i = 0; i < 3; i++)
    fds[i] = (struct pollfd){ s[4 + i] % NFDS, POLLIN | POLLOUT, 0 };
  fds[1].events = (short)s[7];
  memcpy(a->store, fds, sizeof fds);
  a->req.buf.iov_len = sizeof fds;
}

/* The offsets of a call that moves bytes: none, or one after the other. */
static void fill_move(struct async *a, const uint8_t *s)
{
  a->req.arg = s[4] % NFDS;
  a->req.iov = a->iov;
  a->iov[0] = (struct iovec){ s[6] & 1 ? a->store : NULL, 8 };
  a->iov[1] = (struct iovec){ s[6] & 2 ? a->store + 8 : NULL, 8 };
  a->req.iovcnt = a->req.call == &fdemu_tee_call        ? 0
                  : a->req.call == &fdemu_sendfile_call ? 1
                                                        : 2;
  a->req.buf = (struct iovec){ NULL, argument('N', s[5]) };
}

static void fill_vector(struct async *a, const uint8_t *s)
{
  a->req.iov = a->iov;
  a->req.iovcnt = s[4] % 4;
  for (int i = 0; i < 3; i++)
    a->iov[i] = (struct iovec){ a->store + 64 * i, s[5 + i] % 64u };
  a->req.msg = &a->msg;
}

/* In its own memory, or in that which faults can be in. */
static void fill(struct async *a, const uint8_t *s)
{
  struct fdemu_req *r = &a->req;
  const struct fdemu_call *c = waits[s[1] % NELEM(waits)];

  memset(a, 0, sizeof *a);
  r->call = c;
  r->fd = s[2] % NFDS;
  r->cmd = c == &fdemu_calls[FDEMU_FLOCK] || c == &fdemu_vmsplice_call
               ? s[4] % 16u
               : FIONREAD;
  r->timeout = s[6] % 3 * 500 - 1;
  r->offset = s[7];
  r->buf = (struct iovec){ a->store, s[5] };
  if (c == &fdemu_calls[FDEMU_FCNTL])
    fill_lock(a, s);
  else if (c == &fdemu_calls[FDEMU_POLL] || c == &fdemu_calls[FDEMU_SELECT])
    fill_poll(a, s);
  else if (c == &fdemu_calls[FDEMU_OPEN]) {
    r->path = paths[s[4] % NELEM(paths)];
    r->cmd = ONE_OF(open_flags, s[5]);
    r->fd = AT_FDCWD;
  } else if (c == &fdemu_epoll_wait_call)
    r->arg = 1 + s[5] % 4;
  else if (s[1] % NELEM(waits) >= NELEM(waits) - 4)
    fill_move(a, s);
  else if (c->flags & FDEMU_CALL_VEC)
    fill_vector(a, s);
  else if (c == &fdemu_calls[FDEMU_IOCTL] || c == &fdemu_calls[FDEMU_WAIT])
    r->buf.iov_len = sizeof(int);
  else if (s[7] & 1) {
    r->mem = &mem;
    r->buf.iov_base = (void *)(uintptr_t)argument('b', s[4]);
  }
}

/* Later, others may have made calls: nothing is shown any more. */
static void completed(struct fdemu_req *r)
{
  const struct async *a = fdemu_entry(r, struct async, req);

  note(r->result);
  if (r->lends && r->buf.iov_base != a->store) {
    fprintf(stderr, "a read that has waited is lent its bytes\n");
    abort();
  }
  note_bytes(r, r->result);
}

static void submit(struct fdemu_proc *p, struct async *a, bool lent)
{
  int64_t n;

  a->req.complete = completed;
  a->req.lends = lent && a->req.mem == NULL;
  n = fdemu_submit(p, &a->req);
  note(n);
  note_bytes(&a->req, n);
}

/* A place for a call that may wait, or NULL: the one in it has no answer. */
static struct async *place_for_call(uint8_t b)
{
  struct async *a = &asyncs[b % NASYNC];

  if (a->req.result == FDEMU_PENDING)
    return NULL;
  fdemu_abandon(&a->req);
  return a;
}

static void call_later(struct fdemu_proc *p, const uint8_t *s)
{
  struct async *a = place_for_call(s[3]);

  if (a == NULL)
    return;
  fill(a, s);
  submit(p, a, lends(s));
}

static void read_later(struct fdemu_proc *p, int fd, uint8_t b)
{
  struct async *a = place_for_call(b);

  if (a == NULL)
    return;
  memset(a, 0, sizeof *a);
  a->req.call = &fdemu_calls[FDEMU_READ];
  a->req.fd = fd;
  a->req.buf = (struct iovec){ a->store, sizeof a->store };
  submit(p, a, !copies);
}

/* ---- traffic ---------------------------------------------------------- */

/* A byte is what is done with the two pipes of furnish(): which, what, and with
 * how much. Chance alone finds them too rarely to fill them and to move pages
 * from one to the other. */
static void traffic(struct fdemu_proc *p, uint8_t b)
{
  static const int ends[2][2] = { { 3, 4 }, { 17, 18 } };
  static const size_t sizes[] = {
    1, 100, 4096, 5000, 8192, 20000, 65536, 1000
  };
  const size_t n = sizes[b >> 4 & 7];
  const int *own = ends[b & 1], *other = ends[~b & 1];
  const int what = b >> 1 & 7;

  switch (what) {
  case 0: read_later(p, own[0], b >> 4); break;
  case 1:
  case 2:
    read_here(p, (struct fdemu_req){ .fd = own[0],
                                     .buf.iov_len = n,
                                     .dontwait = true,
                                     .lends = what == 1 && !copies });
    break;
  case 3: note(fdemu_tee(p, own[0], other[1], n, SPLICE_F_NONBLOCK)); break;
  case 4:
  case 5:
    note(fdemu_splice(p, own[0], NULL, other[1], NULL, n, SPLICE_F_NONBLOCK));
    break;
  default:
    note(fdemu_call(p, &(struct fdemu_req){ .call = &fdemu_calls[FDEMU_WRITE],
                                            .fd = own[1],
                                            .buf = { memory, n },
                                            .dontwait = true }));
  }
}

/* ---- steps ------------------------------------------------------------ */

static void do_fork(struct fdemu_proc *p, int at)
{
  struct fdemu_proc *child;

  if (procs[at] == p || fdemu_fork(p, &child) < 0)
    return;
  if (procs[at] != NULL) {
    fdemu_exit(procs[at], 1);
    fdemu_proc_put(procs[at]);
  }
  procs[at] = child;
}

static void do_capture(struct fdemu_proc *p, int min)
{
  struct fdemu_file *f = fdemu_capture_new(k, "captured", 8);

  if (f != NULL && fdemu_install(p, f, min, false) < 0)
    fdemu_file_put(f);
}

static void process_step(struct fdemu_proc *p, const uint8_t *s)
{
  struct fdemu_req *r = &asyncs[s[2] % NASYNC].req;
  unsigned signals[FDEMU_NSIG];
  int status;

  switch (s[1] % 12) {
  case 0: do_fork(p, s[2] % NPROCS); break;
  case 1:
    if (p != procs[0])
      fdemu_exit(p, s[2]);
    break;
  case 2: fdemu_exec(p); break;
  case 3: fdemu_wait(p, &status); break;
  case 4:
  case 5:
    if (r->result == FDEMU_PENDING)
      fdemu_cancel(r, EINTR);
    break;
  case 6: fdemu_abandon(r); break;
  case 7: fdemu_tick(k, INT64_MAX); break;
  case 8: do_capture(p, s[2] % NFDS); break;
  case 9: fdemu_signals(p, signals); break;
  case 10:
    for (int i = 2; i < STEP; i++)
      traffic(p, s[i]);
    break;
  default: fdemu_run(k);
  }
}

static const char *const read_names[] = { "read", "recvfrom", "readv", NULL };
static const char *const write_names[] = { "write", "sendto", "splice", NULL };

static void set_rule(const uint8_t *s)
{
  struct fdemu_rule *rule = &rules[s[2] % NRULES];

  if (rule->calls != NULL)
    fdemu_rule_remove(rule);
  fdemu_rule_init(rule);
  rule->calls = s[3] & 1 ? read_names : write_names;
  if (s[3] & 2)
    rule->fd = s[4] % NFDS;
  if (s[3] & 4)
    rule->kind = "o*";
  if (s[3] & 8)
    rule->path = "*d*";
  rule->first = 1 + s[5] % 3;
  rule->last = rule->first + s[5] / 64;
  if (s[6] & 1)
    rule->error = EIO;
  if (s[6] & 2)
    rule->after = rule->error != 0;
  if (s[6] & 4)
    rule->short_count = 1 + s[7] % 8;
  if (s[6] & 8)
    rule->delay = s[7];
  fdemu_inject(k, rule);
}

static void fault_step(const uint8_t *s)
{
  switch (s[1] % 4) {
  case 0: fault_in = 1 + s[2] % 8; break;
  case 1:
    oom_in = replayed ? 0 : 1 + s[2] % 16;
    oom_for = 1 + s[3] % 4;
    break;
  case 2: set_rule(s); break;
  default: /* something to read from the memory */
    memcpy(memory + 640 + (s[3] * 64u + s[2]) % 4096, s + 4, 4);
  }
}

static void step(const uint8_t *s)
{
  struct fdemu_proc *p = procs[(s[0] >> 3) % NPROCS];

  if (p == NULL || !fdemu_alive(p))
    p = procs[0];
  switch (s[0] % 8) {
  case 0: call_later(p, s); break;
  case 1: process_step(p, s); break;
  case 2: fault_step(s); break;
  case 3: odd_step(s); break;
  default: call_by_number(p, s[1], s);
  }
}

/* ---- what is looked at ------------------------------------------------ */

/* What a list of descriptors or a message about a deadlock asks for. */
static void look(void)
{
  struct fdemu_lockinfo lock;
  uint32_t made;
  int events;

  for (struct fdemu_proc *p = fdemu_next_proc(k, 0); p != NULL;
       p = fdemu_next_proc(k, fdemu_getpid(p) + 1)) {
    for (struct fdemu_req *r = fdemu_next_req(p, NULL); r != NULL;
         r = fdemu_next_req(p, r)) {
      fdemu_awaited_lock(r, &lock);
      fdemu_awaited_file(r, &events);
    }
    for (int fd = fdemu_next_fd(p, 0); fd >= 0; fd = fdemu_next_fd(p, fd + 1)) {
      struct fdemu_file *f = fdemu_file_at(p, fd);
      const struct fdemu_interest *i = NULL;
      while ((i = fdemu_epoll_next(f, i)) != NULL)
        events += i->fd;
      fdemu_origin(p, fd);
      fdemu_forked(p, fd);
      fdemu_closed(p, fd, &made);
    }
  }
}

static void check(size_t at, const uint8_t *s)
{
  const char *wrong = fdemu_check(k);

  if (wrong == NULL) {
    look();
    return;
  }
  fprintf(stderr, "step %zu (%d %d %d): %s\n", at, s[0], s[1], s[2], wrong);
  abort();
}

/* The text of an event fits, whatever the room. */
static void on_event(void *ud, const struct fdemu_event *e)
{
  const size_t room = *(const uint8_t *)ud % 5 == 0 ? 40 : 4096;
  char line[4096];

  if (fdemu_format(e, line, room) != strlen(line) || strlen(line) >= room)
    abort();
}

/* ---- a run ------------------------------------------------------------ */

static void *count_alloc(void *ud, void *ptr, size_t size)
{
  (void)ud;
  if (size == 0) {
    live -= ptr != NULL;
    free(ptr);
    return NULL;
  }
  if (oom_in > 1)
    oom_in--;
  else if (oom_in == 1 && oom_for-- > 0)
    return NULL;
  else
    oom_in = 0;
  live += ptr == NULL;
  return realloc(ptr, size);
}

/* One of each kind, so that most steps meet something. */
static void furnish(struct fdemu_proc *p, bool small)
{
  struct epoll_event event = { .events = EPOLLIN, .data.u64 = 3 };
  int fds[2];

  fdemu_pipe2(p, fds, 0);                               /* 3, 4 */
  fdemu_socketpair(p, AF_UNIX, SOCK_STREAM, 0, fds);    /* 5, 6 */
  fdemu_socketpair(p, AF_UNIX, SOCK_SEQPACKET, 0, fds); /* 7, 8 */
  fdemu_eventfd(p, 0, 0);                               /* 9 */
  fdemu_epoll_ctl(p, fdemu_epoll_create1(p, 0), EPOLL_CTL_ADD, 3, &event);
  fdemu_timerfd_create(p, CLOCK_MONOTONIC, 0); /* 11 */
  fdemu_memfd_create(p, "m", 0);               /* 12 */
  fdemu_open(p, "a", O_RDWR | O_CREAT, 0644);  /* 13 */
  fdemu_open(p, "/dev/odd", O_RDWR, 0);        /* 14 */
  fdemu_open(p, "/dev/seek", O_RDWR, 0);       /* 15 */
  fdemu_mkdirat(p, AT_FDCWD, "d", 0755);
  fdemu_open(p, "d", O_RDONLY, 0); /* 16 */
  fdemu_mknodat(p, AT_FDCWD, "fifo", S_IFIFO | 0644, 0);
  fdemu_symlinkat(p, "d/e", AT_FDCWD, "l");
  fdemu_write(p, 13, "twelve bytes", 12);
  fdemu_pipe2(p, fds, O_NONBLOCK); /* 17, 18 */
  if (small) /* one page, so that it is full, and has all that it may keep */
    fdemu_fcntl(p, 17, F_SETPIPE_SZ, 1);
}

static void start(const uint8_t *head)
{
  const uint8_t how = head[1];
  struct fdemu_config config = { .seed = head[0],
                                 .nofile = NFDS,
                                 .alloc = count_alloc };

  config.short_counts = how & 1 ? 0.3 : 0;
  config.eintr = how & 2 ? 0.2 : 0;
  config.random_order = (how & 4) != 0;
  config.origins = (how & 8) != 0;
  config.space = how & 16 ? 40960 : 0;
  config.descriptors = how & 32 ? 40 : 0;
  live = 0;
  oom_in = 0;
  answers = 0;
  k = fdemu_kernel_new(&config);
  fdemu_std_devices(k);
  odd_add(k);
  procs[0] = fdemu_proc_new(k);
  for (int fd = 0; fd < 3; fd++)
    fdemu_open(procs[0], "/dev/null", O_RDWR, 0);
  memset(asyncs, 0, sizeof asyncs);
  memset(rules, 0, sizeof rules);
  fill_memory();
  if (head[3] % 4 != 0)
    furnish(procs[0], (head[3] & 4) != 0);
  if (how & 64)
    fdemu_set_trace(k, on_event, (void *)(uintptr_t)(head + 2));
}

static void stop(void)
{
  oom_in = 0;
  for (int i = 0; i < NPROCS; i++) {
    if (procs[i] == NULL)
      continue;
    if (fdemu_alive(procs[i]))
      fdemu_exit(procs[i], 0);
    fdemu_proc_put(procs[i]);
    procs[i] = NULL;
  }
  for (int i = 0; i < NASYNC; i++)
    fdemu_abandon(&asyncs[i].req);
  if (fdemu_run(k) != 0) {
    fprintf(stderr, "something is still in flight\n");
    abort();
  }
  odd_stop();
  fdemu_kernel_free(k);
  if (live != 0) {
    fprintf(stderr, "%d allocations are left\n", (int)live);
    abort();
  }
}

static void run(const uint8_t *data, size_t size)
{
  for (size_t i = 0; i < MAXSTEPS && (i + 1) * STEP <= size; i++) {
    step(data + i * STEP);
    check(i, data + i * STEP);
  }
}

/* A run whose choices are known is the same as the one that made them. */
static void run_again(const uint8_t *data, size_t size)
{
  const struct fdemu_choice *list;
  struct fdemu_choice *choices;
  const uint64_t before = answers;
  int64_t n = fdemu_choices(k, &list);

  if (n < 0) { /* there was no memory for them */
    stop();
    return;
  }
  choices = malloc((size_t)(n + 1) * sizeof *choices);
  if (n > 0)
    memcpy(choices, list, (size_t)n * sizeof *choices);
  stop();
  start(data);
  fdemu_replay(k, choices, (size_t)n);
  copies = true;
  run(data + HEAD, size - HEAD);
  copies = false;
  free(choices);
  if (answers != before) {
    fprintf(stderr, "a replay has other results\n");
    abort();
  }
  stop();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size < HEAD)
    return 0;
  replayed = data[1] >= 128;
  start(data);
  if (replayed)
    fdemu_record(k);
  run(data + HEAD, size - HEAD);
  if (replayed)
    run_again(data, size);
  else
    stop();
  return 0;
}

/* Every number that is answered is in the list. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
  const uint8_t head[HEAD] = { 0 };

  (void)argc;
  (void)argv;
  start(head);
  for (short nr = 0; nr < 600; nr++) {
    const uint64_t none[6] = { UINT64_MAX, UINT64_MAX, UINT64_MAX,
                               UINT64_MAX, UINT64_MAX, UINT64_MAX };
    size_t i = 0;
    while (i < NELEM(calls) && calls[i].nr != nr)
      i++;
    if (i == NELEM(calls) &&
        fdemu_syscall(procs[0], &mem, nr, none) != -ENOSYS) {
      fprintf(stderr, "call %d is in no row of calls[]\n", nr);
      abort();
    }
  }
  stop();
  return 0;
}
