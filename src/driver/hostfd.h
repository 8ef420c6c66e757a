/* hostfd.h - what the parts of the host descriptor share */
#ifndef FDEMU_HOSTFD_H
#define FDEMU_HOSTFD_H

#include <signal.h>
#include <sys/uio.h>

#include "fdemu_driver.h"

#define FDH_MAX_MESSAGE (1 << 24) /* bytes; more than the host takes */

#define FDH_NOT_YET (-2)

struct fdh_host {
  struct fdemu_inode inode;
  struct fdemu_attr attr;
  struct fdh_poller *poller;
  struct fdemu_list link; /* of the poller's; never of what is always ready */
  int fd;
  int watched;  /* another number for fd, in the poller's epoll; -1: not yet */
  int socket;   /* SOCK_*; 0: it is none */
  int terminal; /* opened again, for calls that do not wait; -1: it cannot */
  int error; /* SO_ERROR that a call here has left; the host cannot keep it */
  bool owned;
  bool plain;      /* a file or a disk: no call on it waits */
  bool guarded[2]; /* RWF_NOWAIT cannot read it, or write it */
};

static inline struct fdh_host *fdh_of(const struct fdemu_file *f)
{
  return fdemu_entry(f->inode, struct fdh_host, inode);
}

/* hostfd.c */
bool fdh_is_host(const struct fdemu_file *f);
int fdh_ready(const struct fdh_host *h, int events);
int fdh_flags(const struct fdemu_file *f);

/* hostfd_wait.c: every host that can be waited for is in its kernel's poller. 0
 * or -ENOMEM. */
int fdh_poller_join(struct fdh_host *h);
void fdh_poller_leave(struct fdh_host *h);

/*
 * hostfd_memory.c: the caller's memory, as the host sees it in one call. What
 * the caller does not have is not there for the host either, so it says itself
 * what comes of that.
 */
struct fdh_memory {
  struct iovec iov[1024];
  int n;
  size_t size; /* bytes in iov */

  /* private */
  char *bytes; /* NULL: it is the caller's own */
  char *heap, *map;
  size_t mapped;
  char some[16384];
};

/* The next bytes that r wants to move, at most max; writing: with bytes in
 * them. 0 or -ENOMEM. */
int fdh_memory_get(struct fdh_memory *m, struct fdemu_req *r, size_t max,
                   bool writing);

/* The host has moved so many of them: r goes on behind. 0 or -EFAULT. */
int fdh_memory_read(struct fdh_memory *m, struct fdemu_req *r, size_t n);
void fdh_memory_put(struct fdh_memory *m, const struct fdemu_req *r);

/* hostfd_option.c */
fdemu_method fdh_getsockopt, fdh_setsockopt, fdh_getsockname, fdh_getpeername;

/* hostfd_io.c, hostfd_call.c, hostfd_move.c, hostfd_socket.c */
fdemu_method fdh_read, fdh_write;
fdemu_method fdh_first, fdh_fcntl, fdh_ioctl;
extern const struct fdemu_socket fdh_socket;
struct fdh_quiet {
  sigset_t before;
};

/* Between these a SIGPIPE does not reach the process that this is in. end keeps
 * errno. */
void fdh_quiet_begin(struct fdh_quiet *q);
void fdh_quiet_end(const struct fdh_quiet *q, bool broken);
int64_t fdh_move(struct fdemu_file *in, struct fdemu_req *r);
int64_t fdh_vmsplice(struct fdemu_file *f, struct fdemu_req *r);
int64_t fdh_sock_read(struct fdh_host *h, struct fdh_memory *m);
int64_t fdh_sock_write(struct fdh_host *h, struct fdh_memory *m);
bool fdh_sock_lacks(const struct fdh_host *h, struct fdemu_req *r, int flags);
int64_t fdh_sock_broken(const struct fdh_host *h, const struct fdemu_req *r,
                        int flags);
int64_t fdh_patience(const struct fdh_host *h, bool writing);

#endif
