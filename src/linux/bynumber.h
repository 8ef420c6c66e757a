/* bynumber.h - one system call by number; private to src/linux */
#ifndef FDL_BYNUMBER_H
#define FDL_BYNUMBER_H

#include "fdemu_linux.h"

/* The call that is made. */
struct fdl_call {
  struct fdemu_proc *p;
  const struct fdemu_mem *mem;
  const struct fdl_row *row;
  const uint64_t *arg;
  struct fdemu_file *on; /* a description that the call holds, or NULL: that is
                            what it is about, whatever becomes of arg[0] */
};

/*
 * What a number means. args has one letter per register, which says where in
 * the request it goes:
 *
 *   f  fd                           o  offset
 *   c  cmd, an unsigned int         a  arg, an int
 *   b  the address of buf           u  arg, an unsigned int
 *   l  arg, 64 bits                 i  the size of buf, an int; below 0: 0
 *   n  the size of buf              x  arg, and the address of a buf whose size
 *   s  the address of a buf of         only the call knows
 *      size bytes                   -  nothing
 *
 * The rest of the request is zero. What does not fit has a function of its
 * own, run, which may begin with fdl_fill().
 */
struct fdl_row {
  const struct fdemu_call *call;
  const char *args;
  size_t size;
  int64_t (*run)(const struct fdl_call *c);
};

/* syscall.c */
void fdl_fill(const struct fdl_call *c, struct fdemu_req *r);

/* memory.c: 0, or the accessor's -errno */
int fdl_load(const struct fdl_call *c, void *dst, uint64_t addr, size_t n);
int fdl_store(const struct fdl_call *c, uint64_t addr, const void *src,
              size_t n);
int fdl_load_path(const struct fdl_call *c, char path[], uint64_t addr);

/* time.c: ns, or -errno; what is left of a timeout since start; 0 or -errno */
int64_t fdl_load_timespec(const struct fdl_call *c, uint64_t addr);
int64_t fdl_load_timeval(const struct fdl_call *c, uint64_t addr);
void fdl_store_timespec(const struct fdl_call *c, uint64_t addr, int64_t start,
                        int64_t timeout);
void fdl_store_timeval(const struct fdl_call *c, uint64_t addr, int64_t start,
                       int64_t timeout);
int fdl_check_mask(const struct fdl_call *c, uint64_t addr, uint64_t size);

/* Calls with functions of their own. */
int64_t fdl_vector(const struct fdl_call *c);
int64_t fdl_vector_at(const struct fdl_call *c);
int64_t fdl_vmsplice(const struct fdl_call *c);
int64_t fdl_vector_flags(const struct fdl_call *c);
int64_t fdl_open(const struct fdl_call *c);
int64_t fdl_openat(const struct fdl_call *c);
int64_t fdl_creat(const struct fdl_call *c);
int64_t fdl_fstatat(const struct fdl_call *c);
int64_t fdl_statx(const struct fdl_call *c);
int64_t fdl_path(const struct fdl_call *c);
int64_t fdl_path_at(const struct fdl_call *c);
int64_t fdl_lpath(const struct fdl_call *c);
int64_t fdl_rmdir(const struct fdl_call *c);
int64_t fdl_paths(const struct fdl_call *c);
int64_t fdl_paths_at(const struct fdl_call *c);
int64_t fdl_paths_flags(const struct fdl_call *c);
int64_t fdl_symlink(const struct fdl_call *c);
int64_t fdl_symlinkat(const struct fdl_call *c);
int64_t fdl_mode(const struct fdl_call *c);
int64_t fdl_mode_at(const struct fdl_call *c);
int64_t fdl_mode_flags(const struct fdl_call *c);
int64_t fdl_mknod(const struct fdl_call *c);
int64_t fdl_mknodat(const struct fdl_call *c);
int64_t fdl_utimensat(const struct fdl_call *c);
int64_t fdl_utimes(const struct fdl_call *c);
int64_t fdl_futimesat(const struct fdl_call *c);
int64_t fdl_utime(const struct fdl_call *c);
int64_t fdl_poll(const struct fdl_call *c);
int64_t fdl_ppoll(const struct fdl_call *c);
int64_t fdl_select(const struct fdl_call *c);
int64_t fdl_pselect6(const struct fdl_call *c);
int64_t fdl_epoll_wait(const struct fdl_call *c);
int64_t fdl_epoll_pwait(const struct fdl_call *c);
int64_t fdl_epoll_pwait2(const struct fdl_call *c);
int64_t fdl_timerfd_settime(const struct fdl_call *c);
int64_t fdl_sendto(const struct fdl_call *c);
int64_t fdl_recvfrom(const struct fdl_call *c);
int64_t fdl_sendmsg(const struct fdl_call *c);
int64_t fdl_recvmsg(const struct fdl_call *c);
int64_t fdl_sendmmsg(const struct fdl_call *c);
int64_t fdl_recvmmsg(const struct fdl_call *c);
int64_t fdl_setsockopt(const struct fdl_call *c);
int64_t fdl_getsockopt(const struct fdl_call *c);
int64_t fdl_sockname(const struct fdl_call *c);
int64_t fdl_memfd_create(const struct fdl_call *c);
int64_t fdl_sendfile(const struct fdl_call *c);
int64_t fdl_splice(const struct fdl_call *c);
int64_t fdl_getpid(const struct fdl_call *c);
int64_t fdl_getrlimit(const struct fdl_call *c);
int64_t fdl_setrlimit(const struct fdl_call *c);
int64_t fdl_prlimit(const struct fdl_call *c);

#endif
