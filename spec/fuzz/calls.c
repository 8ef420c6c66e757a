/*
 * calls.c - a libFuzzer target: bytes are system calls
 *
 * Eight bytes are one step: what to do, and how each argument is made. A step
 * is a call by number, with arguments from a table of edges and addresses in a
 * small memory that the steps can fill; or a call that may wait while others
 * are made; or fork, exec, exit, an interrupt, time. After each the whole
 * kernel is checked, and at the end nothing may be in flight or left.
 *
 * usage: calls CORPUS [-max_total_time=60]; calls FILE... runs those again
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "fdemu.h"
#include "fdemu_linux.h"

#define STEP     8
#define MEMORY   65536u
#define BASE     UINT64_C(0x10000)
#define NPROCS   4
#define NASYNC   8
#define MAXSTEPS 400
#define NELEM(a) (sizeof(a) / sizeof *(a))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fdemu_kernel *k;
static struct fdemu_proc *procs[NPROCS];
static struct fdemu_req async[NASYNC];
static unsigned char store[NASYNC][64];
static unsigned char memory[MEMORY];
static int64_t live;

/* ---- what a call sees ------------------------------------------------- */

static unsigned char *place(const void *addr, size_t n)
{
  uint64_t at = (uint64_t)(uintptr_t)addr;

  if (at < BASE || at - BASE > MEMORY || n > MEMORY - (at - BASE))
    return NULL;
  return memory + (at - BASE);
}

static int load(const struct fdemu_mem *m, void *dst, const void *addr,
                size_t n)
{
  const unsigned char *p = place(addr, n);

  (void)m;
  if (p == NULL)
    return -EFAULT;
  memcpy(dst, p, n);
  return 0;
}

static int put(const struct fdemu_mem *m, void *addr, const void *src, size_t n)
{
  unsigned char *p = place(addr, n);

  (void)m;
  if (p == NULL)
    return -EFAULT;
  if (src != NULL)
    memcpy(p, src, n);
  else
    memset(p, 0, n);
  return 0;
}

static const struct fdemu_mem mem = { load, put };

/* Paths, vectors and structs that calls find at the start of the memory; the
 * rest is whatever they leave there. */
static const char *const paths[] = {
  "/dev/null", "/dev/zero", "/dev/full", "a",     "b",  "a/b", "/tmp/x",
  "d",         "d/e",       "d/../a",    "l",     ".",  "..",  "/proc/self/fd",
  "fifo",      "/dev/fd/3", "",          "d/e/f", "//", "a/"
};

static void copy(size_t at, const void *src, size_t n)
{
  memcpy(memory + at, src, n);
}

/* One that is as it should be of each kind, where argument() looks. */
static void fill_structs(void)
{
  const struct epoll_event ev[2] = {
    { .events = EPOLLIN | EPOLLET, .data.u64 = 5 },
    { .events = EPOLLOUT | EPOLLONESHOT, .data.u64 = 6 },
  };
  const struct flock fl[2] = {
    { .l_type = F_WRLCK, .l_start = 2, .l_len = 10 },
    { .l_type = F_RDLCK, .l_whence = SEEK_CUR },
  };
  const struct timespec ts[4] = { { 0, 1000 }, { 1, 0 }, { 0, 5000 } };
  const struct pollfd fds[4] = { { 3, POLLIN, 0 },
                                 { 4, POLLOUT, 0 },
                                 { 5, POLLIN | POLLOUT, 0 },
                                 { -1, 0, 0 } };
  const int fd_set_of[8] = { 0xff8 };
  const int value[4] = { 4608, 1, 10 };
  const int64_t offset[2] = { 100, 7 };

  copy(640, &ev[0], sizeof ev[0]);
  copy(672, &ev[1], sizeof ev[1]);
  copy(704, &fl[0], sizeof fl[0]);
  copy(736, &fl[1], sizeof fl[1]);
  copy(768, &ts[0], 2 * sizeof ts[0]);
  copy(800, &ts[1], 2 * sizeof ts[0]);
  copy(832, fds, sizeof fds);
  copy(864, fd_set_of, sizeof fd_set_of);
  copy(896, value, sizeof value);
  copy(928, offset, sizeof offset);
}

/* Three messages: bytes, descriptors, and a row of them for sendmmsg(). */
static void fill_messages(void)
{
  struct mmsghdr m = { .msg_hdr = {
                           .msg_iov = (struct iovec *)(uintptr_t)(BASE + 1024),
                           .msg_iovlen = 3,
                           .msg_control = (void *)(uintptr_t)(BASE + 3072),
                           .msg_controllen = 64,
                       } };
  char control[CMSG_SPACE(2 * sizeof(int))];
  struct cmsghdr *c = (struct cmsghdr *)(void *)control;
  const int fds[2] = { 3, 4 };

  memset(control, 0, sizeof control);
  c->cmsg_len = CMSG_LEN(sizeof fds);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  memcpy(CMSG_DATA(c), fds, sizeof fds);
  copy(3072, control, sizeof control);
  copy(2048, &m, sizeof m);
  copy(2112, &m, sizeof m);
  m.msg_hdr.msg_controllen = CMSG_SPACE(sizeof fds);
  copy(2176, &m, sizeof m);
}

static void fill_memory(void)
{
  uint64_t *word;

  memset(memory, 0, sizeof memory);
  for (size_t i = 0; i < NELEM(paths); i++)
    strcpy((char *)memory + 32 * i, paths[i]);
  word = (uint64_t *)(void *)(memory + 1024);
  for (int i = 0; i < 16; i++) { /* an iovec of 16, and a msghdr of it */
    word[2 * i] = BASE + 8192 + 512u * (unsigned)i;
    word[2 * i + 1] = (unsigned)(i * i * 17);
  }
  fill_structs();
  fill_messages();
}

static const uint64_t edges[] = {
  0,
  1,
  2,
  3,
  7,
  16,
  100,
  4095,
  4096,
  4097,
  65535,
  65536,
  65537,
  1 << 20,
  INT32_MAX,
  UINT32_MAX,
  INT64_MAX,
  UINT64_MAX,
  (uint64_t)-2,
  (uint64_t)-100,
  0x80000,
  0x800,
  0x4000,
  0x400,
  0x40,
  0xc0,
  0x241,
  0x442,
  0x10000,
  0x20000,
  0x200000,
  0x410000,
  FIONREAD,
  FIONBIO,
  TCGETS,
  0x5413,
  F_DUPFD,
  F_GETLK,
  F_SETLK,
  F_OFD_SETLK,
  F_SETPIPE_SZ,
  F_GETPIPE_SZ,
  F_SETFL,
  F_SETFD,
  EPOLLIN,
  EPOLLOUT,
  EPOLL_CTL_DEL,
  0x80000001u,
  SOL_SOCKET,
  SO_SNDBUF,
  SO_RCVBUF,
  SO_TYPE,
  MSG_PEEK,
  MSG_DONTWAIT,
  MSG_TRUNC,
  MSG_WAITALL,
  01644,
  0777,
  0100644,
  010644,
};

static uint64_t argument(uint8_t b)
{
  if (b < 48)
    return b % 24; /* a descriptor, a small number */
  if (b < 128)
    return BASE + 32u * (b - 48u); /* paths first */
  if (b < 144)
    return BASE + 1024 + 512u * (b - 128u);
  if (b < 160)
    return BASE + MEMORY - 8u * (b - 144u); /* the last bytes, and beyond */
  return edges[(b - 160u) % NELEM(edges)];
}

/* ---- steps ------------------------------------------------------------ */

#define FCHMODAT2 452 /* of Linux 6.6 */

static const short numbers[] = {
  SYS_read,
  SYS_write,
  SYS_pread64,
  SYS_pwrite64,
  SYS_readv,
  SYS_writev,
  SYS_preadv,
  SYS_pwritev,
  SYS_preadv2,
  SYS_pwritev2,
  SYS_lseek,
  SYS_open,
  SYS_openat,
  SYS_creat,
  SYS_close,
  SYS_close,
  SYS_close_range,
  SYS_dup,
  SYS_dup2,
  SYS_dup3,
  SYS_fcntl,
  SYS_fcntl,
  SYS_ioctl,
  SYS_fstat,
  SYS_newfstatat,
  SYS_statx,
  SYS_pipe,
  SYS_pipe2,
  SYS_poll,
  SYS_ppoll,
  SYS_select,
  SYS_pselect6,
  SYS_eventfd,
  SYS_eventfd2,
  SYS_timerfd_create,
  SYS_timerfd_settime,
  SYS_timerfd_gettime,
  SYS_epoll_create,
  SYS_epoll_create1,
  SYS_epoll_ctl,
  SYS_epoll_ctl,
  SYS_epoll_wait,
  SYS_epoll_pwait,
  SYS_epoll_pwait2,
  SYS_flock,
  SYS_ftruncate,
  SYS_truncate,
  SYS_fsync,
  SYS_fdatasync,
  SYS_fallocate,
  SYS_memfd_create,
  SYS_socketpair,
  SYS_socketpair,
  SYS_sendto,
  SYS_recvfrom,
  SYS_sendmsg,
  SYS_recvmsg,
  SYS_shutdown,
  SYS_getsockopt,
  SYS_setsockopt,
  SYS_sendfile,
  SYS_splice,
  SYS_tee,
  SYS_copy_file_range,
  SYS_mkdir,
  SYS_mkdirat,
  SYS_rmdir,
  SYS_unlink,
  SYS_unlinkat,
  SYS_rename,
  SYS_renameat2,
  SYS_link,
  SYS_linkat,
  SYS_symlink,
  SYS_symlinkat,
  SYS_readlink,
  SYS_readlinkat,
  SYS_mknod,
  SYS_mknodat,
  SYS_chmod,
  SYS_fchmod,
  SYS_access,
  SYS_faccessat,
  SYS_getdents64,
  SYS_getcwd,
  SYS_chdir,
  SYS_fchdir,
  SYS_umask,
  SYS_utimensat,
  SYS_stat,
  SYS_lstat,
  SYS_chown,
  SYS_lchown,
  SYS_fchown,
  SYS_fchownat,
  SYS_faccessat2,
  SYS_fchmodat,
  FCHMODAT2,
  SYS_renameat,
  SYS_fadvise64,
  SYS_readahead,
  SYS_sync_file_range,
  SYS_syncfs,
  SYS_socket,
  SYS_getsockname,
  SYS_getpeername,
  SYS_sendmmsg,
  SYS_recvmmsg,
  SYS_setrlimit,
  SYS_getrlimit,
  SYS_prlimit64,
  SYS_getpid,
};

static void call_by_number(struct fdemu_proc *p, const uint8_t *s)
{
  uint64_t args[6];

  for (int i = 0; i < 6; i++)
    args[i] = argument(s[2 + i]);
  fdemu_syscall(p, &mem, numbers[s[1] % NELEM(numbers)], args);
}

static const struct fdemu_call *const waits[] = {
  &fdemu_calls[FDEMU_READ],  &fdemu_calls[FDEMU_WRITE],
  &fdemu_calls[FDEMU_FLOCK], &fdemu_calls[FDEMU_IOCTL],
  &fdemu_calls[FDEMU_CLOSE], &fdemu_calls[FDEMU_WAIT],
  &fdemu_sendto_call,        &fdemu_recvfrom_call,
  &fdemu_calls[FDEMU_FCNTL],
};

/* Submit a call that may wait, into a place whose call is over. */
static void submit(struct fdemu_proc *p, const uint8_t *s)
{
  int i = s[3] % NASYNC;
  struct fdemu_req *r = &async[i];

  if (r->result == FDEMU_PENDING)
    return;
  fdemu_abandon(r);
  memset(r, 0, sizeof *r);
  r->call = waits[s[1] % NELEM(waits)];
  r->fd = s[2] % 24;
  r->cmd = r->call == &fdemu_calls[FDEMU_FLOCK] ? s[4] % 16u : FIONREAD;
  r->buf = (struct iovec){ store[i], s[5] % sizeof store[i] };
  if (r->call == &fdemu_calls[FDEMU_FCNTL]) {
    const struct flock fl = { .l_type = s[4] % 3,
                              .l_start = s[6] % 8,
                              .l_len = s[7] % 8 };
    r->cmd = s[5] % 2 == 0 ? F_SETLKW : F_OFD_SETLKW;
    r->buf.iov_len = sizeof fl;
    memcpy(store[i], &fl, sizeof fl);
  }
  if (r->call == &fdemu_calls[FDEMU_IOCTL] ||
      r->call == &fdemu_calls[FDEMU_WAIT])
    r->buf.iov_len = sizeof(int);
  fdemu_submit(p, r);
}

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

static void step(const uint8_t *s)
{
  struct fdemu_proc *p = procs[(s[0] >> 3) % NPROCS];
  struct fdemu_req *r = &async[s[2] % NASYNC];
  int status;

  if (p == NULL || !fdemu_alive(p))
    p = procs[0];
  switch (s[0] % 8) {
  case 0: submit(p, s); break;
  case 1:
    if (s[1] < 32)
      do_fork(p, s[2] % NPROCS);
    else if (s[1] < 48 && p != procs[0])
      fdemu_exit(p, s[2]);
    else if (s[1] < 64)
      fdemu_exec(p);
    else if (s[1] < 80)
      fdemu_wait(p, &status);
    else if (s[1] < 128 && r->result == FDEMU_PENDING)
      fdemu_cancel(r, EINTR);
    else if (s[1] < 160)
      fdemu_abandon(r);
    else if (s[1] < 192)
      fdemu_tick(k, INT64_MAX);
    else
      fdemu_run(k);
    break;
  case 2: /* something to read from the memory */
    memcpy(memory + 1024 + (s[1] * 64u + s[2]) % 4096, s + 3, 5);
    break;
  default: call_by_number(p, s);
  }
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
  live += ptr == NULL;
  return realloc(ptr, size);
}

static void check(size_t at, const uint8_t *s)
{
  const char *wrong = fdemu_check(k);

  if (wrong == NULL)
    return;
  fprintf(stderr, "step %zu (%d %d %d): %s\n", at, s[0], s[1], s[2], wrong);
  abort();
}

static void start(uint8_t seed)
{
  struct fdemu_config config = { .seed = seed,
                                 .nofile = 24,
                                 .alloc = count_alloc };

  if (seed & 1)
    config.short_counts = 0.3;
  if (seed & 2)
    config.eintr = 0.2;
  config.random_order = (seed & 4) != 0;
  live = 0;
  k = fdemu_kernel_new(&config);
  fdemu_std_devices(k);
  procs[0] = fdemu_proc_new(k);
  for (int fd = 0; fd < 3; fd++)
    fdemu_open(procs[0], "/dev/null", O_RDWR, 0);
  memset(async, 0, sizeof async);
  fill_memory();
}

static void stop(void)
{
  for (int i = 0; i < NPROCS; i++) {
    if (procs[i] == NULL)
      continue;
    if (fdemu_alive(procs[i]))
      fdemu_exit(procs[i], 0);
    fdemu_proc_put(procs[i]);
    procs[i] = NULL;
  }
  for (int i = 0; i < NASYNC; i++)
    fdemu_abandon(&async[i]);
  if (fdemu_run(k) != 0) {
    fprintf(stderr, "something is still in flight\n");
    abort();
  }
  fdemu_kernel_free(k);
  if (live != 0) {
    fprintf(stderr, "%d allocations are left\n", (int)live);
    abort();
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size == 0)
    return 0;
  start(data[0]);
  data++;
  size--;
  for (size_t i = 0; i < MAXSTEPS && (i + 1) * STEP <= size; i++) {
    step(data + i * STEP);
    check(i, data + i * STEP);
  }
  stop();
  return 0;
}
