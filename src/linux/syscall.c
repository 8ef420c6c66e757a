/* syscall.c - from numbers to requests: one table for all calls */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <time.h>

#include "linux/bynumber.h"

#ifndef SYS_fchmodat2 /* of Linux 6.6 */
#define SYS_fchmodat2 452
#endif

#define CORE(what) .call = &fdemu_calls[FDEMU_##what]

#define NAME(what) .call = &fdemu_##what##_call

/* Constant, and so only as long as its last entry. */
static const struct fdl_row rows[] = {
  [SYS_read] = { CORE(READ), .args = "fbn" },
  [SYS_write] = { CORE(WRITE), .args = "fbn" },
  [SYS_pread64] = { CORE(PREAD), .args = "fbno" },
  [SYS_pwrite64] = { CORE(PWRITE), .args = "fbno" },
  [SYS_readv] = { CORE(READV), .args = "f", .run = fdl_vector },
  [SYS_writev] = { CORE(WRITEV), .args = "f", .run = fdl_vector },
  [SYS_preadv] = { CORE(PREADV), .args = "f--o", .run = fdl_vector_at },
  [SYS_pwritev] = { CORE(PWRITEV), .args = "f--o", .run = fdl_vector_at },
  [SYS_preadv2] = { CORE(PREADV), .args = "f--o", .run = fdl_vector_flags },
  [SYS_pwritev2] = { CORE(PWRITEV), .args = "f--o", .run = fdl_vector_flags },
  [SYS_lseek] = { CORE(LSEEK), .args = "foc" },
  [SYS_open] = { CORE(OPEN), .run = fdl_open },
  [SYS_openat] = { CORE(OPEN), .run = fdl_openat },
  [SYS_creat] = { CORE(OPEN), .run = fdl_creat },
  [SYS_close] = { CORE(CLOSE), .args = "f" },
  [SYS_close_range] = { CORE(CLOSE_RANGE), .args = "fuc" },
  [SYS_dup] = { CORE(DUP), .args = "f" },
  [SYS_dup2] = { CORE(DUP2), .args = "fa" },
  [SYS_dup3] = { CORE(DUP3), .args = "fac" },
  [SYS_fcntl] = { CORE(FCNTL), .args = "fcx" },
  [SYS_flock] = { CORE(FLOCK), .args = "fc" },
  [SYS_ioctl] = { CORE(IOCTL), .args = "fcx" },
  [SYS_fstat] = { CORE(FSTAT), .args = "fs", .size = sizeof(struct stat) },
  [SYS_newfstatat] = { NAME(newfstatat), .args = "f-sc",
                       .size = sizeof(struct stat), .run = fdl_fstatat },
  [SYS_stat] = { NAME(newfstatat), .args = "-s", .size = sizeof(struct stat),
                 .run = fdl_path },
  [SYS_lstat] = { NAME(newfstatat), .args = "-s", .size = sizeof(struct stat),
                  .run = fdl_lpath },
  [SYS_statx] = { NAME(newfstatat), .args = "f", .run = fdl_statx },
  [SYS_mkdir] = { NAME(mkdirat), .run = fdl_mode },
  [SYS_mkdirat] = { NAME(mkdirat), .run = fdl_mode_at },
  [SYS_mknod] = { NAME(mknodat), .run = fdl_mknod },
  [SYS_mknodat] = { NAME(mknodat), .run = fdl_mknodat },
  [SYS_unlink] = { NAME(unlinkat), .run = fdl_path },
  [SYS_rmdir] = { NAME(unlinkat), .run = fdl_rmdir },
  [SYS_unlinkat] = { NAME(unlinkat), .args = "--c", .run = fdl_path_at },
  [SYS_rename] = { NAME(renameat2), .run = fdl_paths },
  [SYS_renameat] = { NAME(renameat2), .run = fdl_paths_at },
  [SYS_renameat2] = { NAME(renameat2), .run = fdl_paths_flags },
  [SYS_link] = { NAME(linkat), .run = fdl_paths },
  [SYS_linkat] = { NAME(linkat), .run = fdl_paths_flags },
  [SYS_symlink] = { NAME(symlinkat), .run = fdl_symlink },
  [SYS_symlinkat] = { NAME(symlinkat), .run = fdl_symlinkat },
  [SYS_readlink] = { NAME(readlinkat), .args = "-bi", .run = fdl_path },
  [SYS_readlinkat] = { NAME(readlinkat), .args = "--bi", .run = fdl_path_at },
  [SYS_chmod] = { NAME(fchmodat2), .run = fdl_mode },
  [SYS_fchmodat] = { NAME(fchmodat2), .run = fdl_mode_at },
  [SYS_fchmodat2] = { NAME(fchmodat2), .run = fdl_mode_flags },
  [SYS_fchmod] = { NAME(fchmod), .args = "fa" },
  [SYS_chown] = { NAME(fchownat), .args = "-ao", .run = fdl_path },
  [SYS_lchown] = { NAME(fchownat), .args = "-ao", .run = fdl_lpath },
  [SYS_fchownat] = { NAME(fchownat), .args = "--aoc", .run = fdl_path_at },
  [SYS_fchown] = { NAME(fchown), .args = "fao" },
  [SYS_access] = { NAME(faccessat2), .args = "-a", .run = fdl_path },
  [SYS_faccessat] = { NAME(faccessat2), .args = "--a", .run = fdl_path_at },
  [SYS_faccessat2] = { NAME(faccessat2), .args = "--ac", .run = fdl_path_at },
  [SYS_utimensat] = { NAME(utimensat), .args = "f-sc",
                      .size = 2 * sizeof(struct timespec),
                      .run = fdl_utimensat },
  [SYS_utimes] = { NAME(utimensat), .run = fdl_utimes },
  [SYS_futimesat] = { NAME(utimensat), .run = fdl_futimesat },
  [SYS_utime] = { NAME(utimensat), .run = fdl_utime },
  [SYS_statfs] = { NAME(statfs), .args = "-s", .size = sizeof(struct statfs),
                   .run = fdl_path },
  [SYS_fstatfs] = { NAME(fstatfs), .args = "fs",
                    .size = sizeof(struct statfs) },
  [SYS_truncate] = { NAME(truncate), .args = "-o", .run = fdl_path },
  [SYS_chdir] = { NAME(chdir), .run = fdl_path },
  [SYS_fchdir] = { NAME(fchdir), .args = "f" },
  [SYS_getcwd] = { NAME(getcwd), .args = "bn" },
  [SYS_umask] = { NAME(umask), .args = "a" },
  [SYS_getdents64] = { NAME(getdents64), .args = "fbi" },
  [SYS_pipe] = { &fdemu_pipe_call, .args = "s", .size = 2 * sizeof(int) },
  [SYS_pipe2] = { &fdemu_pipe2_call, .args = "sc", .size = 2 * sizeof(int) },
  [SYS_socketpair] = { &fdemu_socketpair_call, .args = "acos",
                       .size = 2 * sizeof(int) },
  [SYS_socket] = { &fdemu_socket_call, .args = "aco" },
  [SYS_sendto] = { &fdemu_sendto_call, .args = "fbn", .run = fdl_sendto },
  [SYS_recvfrom] = { &fdemu_recvfrom_call, .args = "fbn", .run = fdl_recvfrom },
  [SYS_sendmsg] = { &fdemu_sendmsg_call, .args = "f-c", .run = fdl_sendmsg },
  [SYS_recvmsg] = { &fdemu_recvmsg_call, .args = "f-c", .run = fdl_recvmsg },
  [SYS_sendmmsg] = { &fdemu_sendmsg_call, .args = "f-c", .run = fdl_sendmmsg },
  [SYS_recvmmsg] = { &fdemu_recvmsg_call, .args = "f-c", .run = fdl_recvmmsg },
  [SYS_setsockopt] = { &fdemu_setsockopt_call, .args = "f",
                       .run = fdl_setsockopt },
  [SYS_getsockopt] = { &fdemu_getsockopt_call, .args = "f",
                       .run = fdl_getsockopt },
  [SYS_getsockname] = { &fdemu_getsockname_call, .args = "f",
                        .run = fdl_sockname },
  [SYS_getpeername] = { &fdemu_getpeername_call, .args = "f",
                        .run = fdl_sockname },
  [SYS_shutdown] = { &fdemu_shutdown_call, .args = "fc" },
  [SYS_poll] = { CORE(POLL), .run = fdl_poll },
  [SYS_ppoll] = { CORE(POLL), .run = fdl_ppoll },
  [SYS_select] = { CORE(SELECT), .run = fdl_select },
  [SYS_pselect6] = { CORE(SELECT), .run = fdl_pselect6 },
  [SYS_ftruncate] = { CORE(FTRUNCATE), .args = "fo" },
  [SYS_fallocate] = { CORE(FALLOCATE), .args = "fcol" },
  [SYS_fadvise64] = { CORE(FADVISE), .args = "folc" },
  [SYS_readahead] = { CORE(READAHEAD), .args = "fol" },
  [SYS_sync_file_range] = { CORE(SYNC_RANGE), .args = "folc" },
  [SYS_syncfs] = { CORE(SYNCFS), .args = "f" },
  [SYS_memfd_create] = { &fdemu_memfd_create_call, .run = fdl_memfd_create },
  [SYS_fsync] = { CORE(FSYNC), .args = "f" },
  [SYS_fdatasync] = { CORE(FDATASYNC), .args = "f" },
  [SYS_eventfd] = { &fdemu_eventfd_call, .args = "u" },
  [SYS_eventfd2] = { &fdemu_eventfd_call, .args = "uc" },
  [SYS_epoll_create] = { &fdemu_epoll_create_call, .args = "a" },
  [SYS_epoll_create1] = { &fdemu_epoll_create1_call, .args = "c" },
  [SYS_epoll_ctl] = { &fdemu_epoll_ctl_call, .args = "fcas",
                      .size = sizeof(struct epoll_event) },
  [SYS_epoll_wait] = { &fdemu_epoll_wait_call, .args = "fb",
                       .run = fdl_epoll_wait },
  [SYS_epoll_pwait] = { &fdemu_epoll_pwait_call, .args = "fb",
                        .run = fdl_epoll_pwait },
  [SYS_epoll_pwait2] = { &fdemu_epoll_pwait2_call, .args = "fb",
                         .run = fdl_epoll_pwait2 },
  [SYS_timerfd_create] = { &fdemu_timerfd_create_call, .args = "ac" },
  [SYS_timerfd_settime] = { &fdemu_timerfd_settime_call, .args = "fc",
                            .run = fdl_timerfd_settime },
  [SYS_timerfd_gettime] = { &fdemu_timerfd_gettime_call, .args = "fs",
                            .size = sizeof(struct itimerspec) },
  [SYS_sendfile] = { &fdemu_sendfile_call, .args = "af-n",
                     .run = fdl_sendfile },
  [SYS_splice] = { &fdemu_splice_call, .args = "f-a-nc", .run = fdl_splice },
  [SYS_tee] = { &fdemu_tee_call, .args = "fanc" },
  [SYS_vmsplice] = { &fdemu_vmsplice_call, .args = "f--c",
                     .run = fdl_vmsplice },
  [SYS_copy_file_range] = { &fdemu_copy_file_range_call, .args = "f-a-nc",
                            .run = fdl_splice },
  [SYS_getpid] = { .run = fdl_getpid },
  [SYS_getrlimit] = { .run = fdl_getrlimit },
  [SYS_setrlimit] = { .run = fdl_setrlimit },
  [SYS_prlimit64] = { .run = fdl_prlimit },
};

static void fill_one(const struct fdl_call *c, struct fdemu_req *r, char letter,
                     uint64_t value)
{
  void *address = (void *)(uintptr_t)value;

  switch (letter) {
  case 'f': r->fd = (int)value; break;
  case 'o': r->offset = (int64_t)value; break;
  case 'c': r->cmd = (unsigned)value; break;
  case 'a': r->arg = (int)value; break;
  case 'u': r->arg = (unsigned)value; break;
  case 'l': r->arg = (int64_t)value; break;
  case 'b': r->buf.iov_base = address; break;
  case 'n': r->buf.iov_len = (size_t)value; break;
  case 'i': r->buf.iov_len = (int)value > 0 ? (unsigned)value : 0; break;
  case 's': r->buf = (struct iovec){ address, c->row->size }; break;
  case 'x':
    r->arg = (int64_t)value;
    r->buf = (struct iovec){ address, SIZE_MAX };
    break;
  default: break;
  }
}

void fdl_fill(const struct fdl_call *c, struct fdemu_req *r)
{
  const char *args = c->row->args;

  memset(r, 0, sizeof *r);
  r->call = c->row->call;
  r->mem = c->mem;
  r->on = c->on;
  r->bounded = true;
  for (int i = 0; args != NULL && args[i] != '\0'; i++)
    fill_one(c, r, args[i], c->arg[i]);
}

int64_t fdemu_syscall(struct fdemu_proc *p, const struct fdemu_mem *mem,
                      long nr, const uint64_t args[6])
{
  struct fdl_call c = { .p = p, .mem = mem, .arg = args };
  struct fdemu_req r;

  if (nr < 0 || (size_t)nr >= sizeof rows / sizeof *rows)
    return -ENOSYS;
  c.row = &rows[nr];
  if (c.row->run != NULL)
    return c.row->run(&c);
  if (c.row->call == NULL)
    return -ENOSYS;
  fdl_fill(&c, &r);
  return fdemu_call(p, &r);
}

int64_t fdl_getpid(const struct fdl_call *c)
{
  return fdemu_getpid(c->p);
}
