/* hostfd_option.c - options and names of sockets of the host */
#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <sys/socket.h>

#include "driver/hostfd.h"

#define MAX_OPTION  32768
#define PEER_PIDFD  77 /* SO_PEERPIDFD */
#define ATTACH_CBPF 51 /* SO_ATTACH_REUSEPORT_CBPF */
#define ATTACH_EBPF 52 /* SO_ATTACH_REUSEPORT_EBPF */

/* ---- options ---------------------------------------------------------- */

/* The size of an answer that the caller could not say, or said wrong. */
static int64_t bad_size(const struct fdemu_req *r)
{
  if (r->buf.iov_len <= INT_MAX)
    return 0;
  return r->buf.iov_len == SIZE_MAX ? -EFAULT : -EINVAL;
}

static int64_t tell_error(struct fdh_host *h, struct fdemu_req *r)
{
  int error = h->error;

  h->error = 0;
  return fdemu_arg_store(r, 0, &error,
                         r->buf.iov_len < sizeof error ? r->buf.iov_len
                                                       : sizeof error);
}

/* Of a filter the size is in operations. */
int64_t fdh_getsockopt(struct fdemu_file *f, struct fdemu_req *r)
{
  char value[MAX_OPTION];
  const bool filter = r->arg == SOL_SOCKET && r->cmd == SO_GET_FILTER;
  const size_t unit = filter ? sizeof(struct sock_filter) : 1;
  socklen_t n = (socklen_t)(sizeof value / unit);
  int64_t error = 0;

  if (r->arg == SOL_SOCKET && r->cmd == SO_ERROR && fdh_of(f)->error != 0)
    return tell_error(fdh_of(f), r);
  if (r->arg == SOL_SOCKET && r->cmd == PEER_PIDFD)
    return -ENOPROTOOPT; /* Unlike Linux: it would be a process of the host's */
  if (n > r->buf.iov_len)
    n = (socklen_t)r->buf.iov_len;
  if (bad_size(r) < 0)
    n = (socklen_t)-1;
  if (getsockopt(fdh_of(f)->fd, (int)r->arg, (int)r->cmd, value, &n) < 0)
    return bad_size(r) == -EFAULT && errno == EINVAL ? -EFAULT : -errno;
  if (n > 0 && r->buf.iov_len > 0)
    error = fdemu_store(r, r->buf.iov_base, value, n * unit);
  r->done = n;
  return error;
}

/* A program is elsewhere: it is fetched, too. */
static int64_t set_filter(int fd, struct fdemu_req *r)
{
  struct sock_filter code[BPF_MAXINSNS];
  struct sock_fprog p;
  int error;

  if (r->buf.iov_len != sizeof p)
    return -EINVAL;
  error = fdemu_load(r, &p, r->buf.iov_base, sizeof p);
  if (error == 0 && p.len > 0 && p.len <= BPF_MAXINSNS)
    error = fdemu_load(r, code, p.filter, p.len * sizeof *code);
  p.filter = code;
  if (error < 0)
    return error;
  return setsockopt(fd, SOL_SOCKET, (int)r->cmd, &p, sizeof p) < 0 ? -errno : 0;
}

/* A program that is a descriptor, which no description here can be. */
static int64_t set_program(struct fdemu_req *r)
{
  int fd, error = fdemu_load(r, &fd, r->buf.iov_base, sizeof fd);

  if (error == 0)
    error = fdemu_file_usable(r->proc, fd) != NULL ? -EINVAL : -EBADF;
  return error;
}

/* By calls that have something to say and no way to say it; no program can. */
static int64_t keep_error(struct fdh_host *h, struct fdemu_req *r)
{
  return fdemu_load(r, &h->error, r->buf.iov_base, sizeof h->error);
}

int64_t fdh_setsockopt(struct fdemu_file *f, struct fdemu_req *r)
{
  char value[MAX_OPTION];
  bool there;
  int n, fd = fdh_of(f)->fd;

  if (r->quiet && r->arg == SOL_SOCKET && r->cmd == SO_ERROR)
    return keep_error(fdh_of(f), r);
  if (r->arg == SOL_SOCKET && r->buf.iov_len >= sizeof(int) &&
      (r->cmd == SO_ATTACH_BPF || r->cmd == ATTACH_EBPF))
    return set_program(r);

  if (r->buf.iov_len > INT_MAX)
    return -EINVAL;
  if (r->buf.iov_len > sizeof value)
    return -ENOBUFS;
  there = fdemu_load(r, value, r->buf.iov_base, r->buf.iov_len) == 0;
  if (r->arg == SOL_SOCKET && there &&
      (r->cmd == SO_ATTACH_FILTER || r->cmd == ATTACH_CBPF))
    return set_filter(fd, r);
  n = setsockopt(fd, (int)r->arg, (int)r->cmd, there ? value : NULL,
                 (socklen_t)r->buf.iov_len);
  return n < 0 ? -errno : 0;
}

/* ---- names ------------------------------------------------------------ */

static int64_t name(struct fdemu_req *r,
                    int (*get)(int fd, struct sockaddr *a, socklen_t *n),
                    int fd)
{
  union {
    struct sockaddr any;
    struct sockaddr_storage all;
  } a;
  socklen_t n = sizeof a;
  size_t room;

  if (get(fd, &a.any, &n) < 0)
    return -errno;
  if (bad_size(r) < 0)
    return bad_size(r);
  room = n < r->buf.iov_len ? n : r->buf.iov_len;
  r->offset = n;
  return room > 0 ? fdemu_arg_store(r, 0, &a, room) : 0;
}

int64_t fdh_getsockname(struct fdemu_file *f, struct fdemu_req *r)
{
  return name(r, getsockname, fdh_of(f)->fd);
}

int64_t fdh_getpeername(struct fdemu_file *f, struct fdemu_req *r)
{
  return name(r, getpeername, fdh_of(f)->fd);
}
