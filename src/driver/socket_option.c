/* socket_option.c - setsockopt(2), getsockopt(2) */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/time.h>

#include "driver/socket.h"

#define SECOND INT64_C(1000000000)
/* Of programs with 64-bit times, which those of x86-64 all are. */
enum { RCVTIMEO_NEW = 66, SNDTIMEO_NEW = 67 };

#define MIN_BUF 2304 /* SOCK_MIN_RCVBUF; SOCK_MIN_SNDBUF is twice that */

/* What is only kept. */
static const uint64_t booleans =
    UINT64_C(1) << SO_REUSEADDR | UINT64_C(1) << SO_DONTROUTE |
    UINT64_C(1) << SO_BROADCAST | UINT64_C(1) << SO_KEEPALIVE |
    UINT64_C(1) << SO_OOBINLINE | UINT64_C(1) << SO_NO_CHECK |
    UINT64_C(1) << SO_PASSCRED | UINT64_C(1) << SO_PASSSEC |
    UINT64_C(1) << SO_RXQ_OVFL | UINT64_C(1) << SO_WIFI_STATUS |
    UINT64_C(1) << SO_NOFCS | UINT64_C(1) << SO_SELECT_ERR_QUEUE;

static bool is_boolean(unsigned long option)
{
  return option < 64 && (booleans >> option & 1) != 0;
}

/* An option that takes an int, or more than that. */
union value {
  int n;
  int pair[2];
  struct ucred cred;
  struct timeval tv;
  unsigned many[9];
};

/* ---- setsockopt ------------------------------------------------------- */

static int buffer_size(int n, int smallest)
{
  unsigned limited = (unsigned)n < FDS_MAX_BUF ? (unsigned)n : FDS_MAX_BUF;

  return (int)limited * 2 > smallest ? (int)limited * 2 : smallest;
}

static int64_t set_sndbuf(struct fds_socket *s, int n)
{
  if (fds_lock_buffer(s, 1) < 0)
    return -ENOMEM;
  s->sndbuf = buffer_size(n, 2 * MIN_BUF);
  if (fds_writable(s))
    fds_roomy(s);
  return 0;
}

static int64_t set_rcvbuf(struct fds_socket *s, int n)
{
  if (fds_lock_buffer(s, 2) < 0)
    return -ENOMEM;
  s->rcvbuf = buffer_size(n, MIN_BUF);
  return 0;
}

/* Unlike Linux: microseconds are not rounded up to ticks of a clock. */
static int64_t set_timeout(int64_t *ns, struct fdemu_req *r)
{
  struct timeval tv;
  int error;

  if (r->buf.iov_len < sizeof tv)
    return -EINVAL;
  error = fdemu_load(r, &tv, r->buf.iov_base, sizeof tv);
  if (error < 0)
    return error;
  if (tv.tv_usec < 0 || tv.tv_usec >= 1000000)
    return -EDOM;
  if (tv.tv_sec < 0)
    *ns = -1;
  else if (tv.tv_sec >= INT64_MAX / SECOND)
    *ns = 0;
  else
    *ns = tv.tv_sec * SECOND + tv.tv_usec * 1000;
  return 0;
}

static int64_t set_linger(struct fds_socket *s, struct fdemu_req *r)
{
  int linger[2], error;

  if (r->buf.iov_len < sizeof linger)
    return -EINVAL;
  error = fdemu_load(r, linger, r->buf.iov_base, sizeof linger);
  if (error < 0)
    return error;
  s->linger[0] = linger[0] != 0;
  if (linger[0] != 0)
    s->linger[1] = linger[1];
  return 0;
}

static int64_t set_priority(struct fds_socket *s, int n)
{
  if (n < 0 || n > 6)
    return -EPERM;
  s->priority = n;
  return 0;
}

/* By calls that have something to say and no way to say it; no program can. */
static int64_t set_error(struct fds_socket *s, const struct fdemu_req *r, int n)
{
  if (!r->quiet)
    return -ENOPROTOOPT;
  s->error = n;
  return 0;
}

/* How much is left is told by messages that streams receive. */
static int64_t set_inq(struct fds_socket *s, const struct fdemu_req *r, int n)
{
  if (s->type != SOCK_STREAM)
    return -ENOPROTOOPT;
  if (r->buf.iov_len != sizeof n || n < 0 || n > 1)
    return -EINVAL;
  s->inq = n;
  return 0;
}

static int64_t set_option(struct fds_socket *s, struct fdemu_req *r, int n)
{
  int64_t result;

  if (is_boolean(r->cmd)) {
    uint64_t bit = UINT64_C(1) << r->cmd;
    s->booleans = n != 0 ? s->booleans | bit : s->booleans & ~bit;
    return 0;
  }
  switch (r->cmd) {
  case SO_DEBUG: return n != 0 ? -EACCES : 0;
  case SO_SNDBUF: return set_sndbuf(s, n);
  case SO_RCVBUF: return set_rcvbuf(s, n);
  case SO_PRIORITY: return set_priority(s, n);
  case SO_LINGER: return set_linger(s, r);
  case SO_BSDCOMPAT: return 0;
  case SO_REUSEPORT: return n != 0 ? -EOPNOTSUPP : 0;
  case SO_RCVLOWAT: s->rcvlowat = n < 0 ? INT_MAX : n > 0 ? n : 1; return 0;
  case RCVTIMEO_NEW:
  case SO_RCVTIMEO: return set_timeout(&s->rcvtimeo, r);
  case SNDTIMEO_NEW:
  case SO_SNDTIMEO: return set_timeout(&s->sndtimeo, r);
  case SO_SNDBUFFORCE:
  case SO_RCVBUFFORCE:
  case SO_MARK: return -EPERM;
  case SO_PEEK_OFF: s->peek_off = n; return 0;
  case SO_ERROR: return set_error(s, r, n);
  case FDS_INQ: return set_inq(s, r, n);
  default:
    result = fds_set_stamp(s, r, n);
    return result == FDEMU_NEXT ? fds_set_kept(s, r, n) : result;
  }
}

int64_t fds_setsockopt(struct fdemu_file *f, struct fdemu_req *r)
{
  int n, error;

  if (r->buf.iov_len > INT_MAX)
    return -EINVAL;
  if (r->arg != SOL_SOCKET)
    return -EOPNOTSUPP;
  if (r->cmd == SO_BINDTODEVICE)
    return fds_set_device(fds_of(f), r);
  if (r->buf.iov_len < sizeof n)
    return -EINVAL;
  error = fdemu_load(r, &n, r->buf.iov_base, sizeof n);
  return error < 0 ? error : set_option(fds_of(f), r, n);
}

/* ---- getsockopt ------------------------------------------------------- */

static int64_t get_timeout(int64_t ns, union value *v)
{
  v->tv.tv_sec = ns > 0 ? ns / SECOND : 0;
  v->tv.tv_usec = ns > 0 ? ns % SECOND / 1000 : 0;
  return sizeof v->tv;
}

static int64_t get_cred(const struct fds_socket *s, union value *v)
{
  const unsigned id = s->peer_pid != 0 ? FDEMU_UID : UINT_MAX;

  v->cred = (struct ucred){ s->peer_pid, id, id };
  return sizeof v->cred;
}

/* The value, and its size, or -errno. room: what there is for it. */
static int64_t get_option(struct fds_socket *s, unsigned long option,
                          size_t room, union value *v)
{
  int64_t size;

  v->n = 0;
  if (is_boolean(option)) {
    v->n = (int)(s->booleans >> option & 1);
    return sizeof v->n;
  }
  switch (option) {
  case SO_TYPE: v->n = s->type; break;
  case SO_DOMAIN: v->n = AF_UNIX; break;
  case SO_ERROR: v->n = -fds_take_error(s); break;
  case SO_SNDBUF: v->n = s->sndbuf; break;
  case SO_RCVBUF: v->n = s->rcvbuf; break;
  case SO_PRIORITY: v->n = s->priority; break;
  case SO_LINGER: memcpy(v->pair, s->linger, sizeof v->pair); return 8;
  case SO_PEERCRED: return get_cred(s, v);
  case SO_RCVLOWAT: v->n = s->rcvlowat; break;
  case SO_SNDLOWAT: v->n = 1; break;
  case RCVTIMEO_NEW:
  case SO_RCVTIMEO: return get_timeout(s->rcvtimeo, v);
  case SNDTIMEO_NEW:
  case SO_SNDTIMEO: return get_timeout(s->sndtimeo, v);
  case SO_PEEK_OFF: v->n = s->peek_off; break;
  case SO_DEBUG:
  case SO_BSDCOMPAT:
  case SO_REUSEPORT:
  case SO_ACCEPTCONN:
  case SO_MARK:
  case SO_PROTOCOL: break;
  default:
    size = fds_get_stamp(s, option, v->pair);
    return size == FDEMU_NEXT ? fds_get_kept(s, option, room, v) : size;
  }
  return sizeof v->n;
}

int64_t fds_getsockopt(struct fdemu_file *f, struct fdemu_req *r)
{
  union value v;
  int64_t n;

  if (r->arg != SOL_SOCKET)
    return -EOPNOTSUPP;
  if (r->buf.iov_len > INT_MAX)
    return r->buf.iov_len == SIZE_MAX ? -EFAULT : -EINVAL;
  if (r->cmd == SO_GET_FILTER)
    return fds_filter_get(fds_of(f), r);
  n = get_option(fds_of(f), r->cmd, r->buf.iov_len, &v);
  if (n > (int64_t)r->buf.iov_len)
    n = (int64_t)r->buf.iov_len;
  return n > 0 ? fdemu_arg_store(r, 0, &v, (size_t)n) : n;
}

/* ---- the calls -------------------------------------------------------- */

static int64_t setsockopt_run(struct fdemu_file *f, struct fdemu_req *r)
{
  return fds_methods_of(f) != NULL ? fds_methods_of(f)->setsockopt(f, r)
                                   : -ENOTSOCK;
}

static int64_t getsockopt_run(struct fdemu_file *f, struct fdemu_req *r)
{
  return fds_methods_of(f) != NULL ? fds_methods_of(f)->getsockopt(f, r)
                                   : -ENOTSOCK;
}

const struct fdemu_call fdemu_setsockopt_call = {
  .name = "setsockopt",
  .args = "fd sockopt sockopt_value",
  .run = setsockopt_run,
  .flags = FDEMU_CALL_FD,
};

const struct fdemu_call fdemu_getsockopt_call = {
  .name = "getsockopt",
  .args = "fd sockopt | sockopt_value",
  .run = getsockopt_run,
  .flags = FDEMU_CALL_FD,
};

int fdemu_setsockopt(struct fdemu_proc *p, int fd, int level, int option,
                     const void *value, socklen_t n)
{
  struct fdemu_req r = {
    .call = &fdemu_setsockopt_call,
    .fd = fd,
    .arg = level,
    .cmd = (unsigned)option,
    .buf = { (void *)(uintptr_t)value, n },
  };

  return (int)fdemu_call(p, &r);
}

int fdemu_getsockopt(struct fdemu_proc *p, int fd, int level, int option,
                     void *value, socklen_t *n)
{
  struct fdemu_req r = {
    .call = &fdemu_getsockopt_call,
    .fd = fd,
    .arg = level,
    .cmd = (unsigned)option,
    .buf = { value, *n },
  };
  int64_t result = fdemu_call(p, &r);

  if (result == 0)
    *n = (socklen_t)r.done;
  return (int)result;
}
