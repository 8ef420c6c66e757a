/*
 * socket_kept.c - options of networks and devices: a socket of AF_UNIX keeps
 * them, and few have an effect
 *
 * As sk_setsockopt() and sk_getsockopt() of Linux 6.18 answer the
 * unprivileged. Not every libc has names for all of them.
 */
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <string.h>
#include <time.h>

#include "driver/socket.h"

enum {
  LOCK_FILTER = 44,
  BUSY_POLL = 46,
  MAX_PACING_RATE = 47,
  BPF_EXTENSIONS = 48,
  INCOMING_CPU = 49,
  ATTACH_BPF = 50,
  ATTACH_REUSEPORT_CBPF = 51,
  ATTACH_REUSEPORT_EBPF = 52,
  CNX_ADVICE = 53,
  MEMINFO = 55,
  COOKIE = 57,
  PEERGROUPS = 59,
  INCOMING_NAPI_ID = 56,
  ZEROCOPY = 60,
  TXTIME = 61,
  BINDTOIFINDEX = 62,
  DETACH_REUSEPORT_BPF = 68,
  PREFER_BUSY_POLL = 69,
  BUSY_POLL_BUDGET = 70,
  NETNS_COOKIE = 71,
  BUF_LOCK = 72,
  RESERVE_MEM = 73,
  TXREHASH = 74,
  RCVMARK = 75,
  DEVMEM_DONTNEED = 80,
  RCVPRIORITY = 82,
  PASSRIGHTS = 83,
};

/* What is there to be asked for, what it is at first, and its size. */
static const struct {
  unsigned char option, size;
  short first;
} kept[] = {
  { LOCK_FILTER, 4, 0 },      { BUSY_POLL, 4, 0 },
  { MAX_PACING_RATE, 8, -1 }, { INCOMING_CPU, 4, -1 },
  { INCOMING_NAPI_ID, 4, 0 }, { ZEROCOPY, 4, 0 },
  { TXTIME, 8, 0 },           { BINDTOIFINDEX, 4, 0 },
  { PREFER_BUSY_POLL, 4, 0 }, { BUF_LOCK, 4, 0 },
  { RESERVE_MEM, 4, 0 },      { RCVMARK, 4, 0 },
  { RCVPRIORITY, 4, 0 },      { BPF_EXTENSIONS, 4, 64 },
  { PASSRIGHTS, 4, 1 },
};

static const char loopback[] = "lo";

#define NKEPT (sizeof kept / sizeof *kept)

static size_t index_of(unsigned long option)
{
  size_t i = 0;

  while (i < NKEPT && kept[i].option != option)
    i++;
  return i;
}

/* Of the one at i. */
static int64_t value_at(const struct fds_socket *s, size_t i)
{
  return s->kept != NULL ? s->kept[i] : kept[i].first;
}

static int64_t value_of(const struct fds_socket *s, unsigned long option)
{
  return value_at(s, index_of(option));
}

/* Allocated by the first that is set. */
static int64_t keep(struct fds_socket *s, unsigned long option, int64_t value)
{
  const size_t at = index_of(option);

  if (s->kept == NULL) {
    s->kept = fdemu_alloc(s->inode.kernel, NKEPT * sizeof *s->kept);
    if (s->kept == NULL)
      return -ENOMEM;
    for (size_t i = 0; i < NKEPT; i++)
      s->kept[i] = kept[i].first;
  }
  s->kept[at] = value;
  return 0;
}

/* Sizes that a program has chosen are not to be changed by the kernel. */
int64_t fds_lock_buffer(struct fds_socket *s, int which)
{
  return keep(s, BUF_LOCK, value_of(s, BUF_LOCK) | which);
}

bool fds_filter_locked(const struct fds_socket *s)
{
  return value_of(s, LOCK_FILTER) != 0;
}

/* Whether descriptors may be sent to s. */
bool fds_passrights(const struct fds_socket *s)
{
  return value_of(s, PASSRIGHTS) != 0;
}

/* The index of the one that s is bound to; 0: none. */
int fds_device_of(const struct fds_socket *s)
{
  return (int)value_of(s, BINDTOIFINDEX);
}

/* ---- setsockopt ------------------------------------------------------- */

static int64_t bind_index(struct fds_socket *s, int n)
{
  if (fds_device_of(s) != 0)
    return -EPERM;
  return n < 0 ? -EINVAL : keep(s, BINDTOIFINDEX, n);
}

int64_t fds_set_device(struct fds_socket *s, struct fdemu_req *r)
{
  char name[IFNAMSIZ] = "";
  size_t n = r->buf.iov_len < sizeof name ? r->buf.iov_len : sizeof name - 1;
  int error = n > 0 ? fdemu_load(r, name, r->buf.iov_base, n) : 0;

  if (error < 0)
    return error;
  if (name[0] == '\0')
    return bind_index(s, 0);
  return strcmp(name, loopback) == 0 ? bind_index(s, FDS_LOOPBACK) : -ENODEV;
}

/* No descriptor is one of a program. */
static int64_t set_bpf(const struct fds_socket *s, const struct fdemu_req *r,
                       int fd)
{
  if (r->buf.iov_len != sizeof fd)
    return -EINVAL;
  if (fds_filter_locked(s))
    return -EPERM;
  return fdemu_file_usable(r->proc, fd) != NULL ? -EINVAL : -EBADF;
}

static int64_t set_rate(struct fds_socket *s, struct fdemu_req *r, int n)
{
  uint64_t rate = (unsigned)n == UINT_MAX ? UINT64_MAX : (unsigned)n;

  if (r->buf.iov_len == sizeof rate) {
    int error = fdemu_load(r, &rate, r->buf.iov_base, sizeof rate);
    if (error < 0)
      return error;
  }
  return keep(s, MAX_PACING_RATE, (int64_t)rate);
}

static int64_t set_txtime(struct fds_socket *s, struct fdemu_req *r)
{
  int txtime[2], error; /* a clock and flags */
  int64_t both;

  if (r->buf.iov_len != sizeof txtime)
    return -EINVAL;
  error = fdemu_load(r, txtime, r->buf.iov_base, sizeof txtime);
  if (error < 0)
    return error;
  if ((unsigned)txtime[1] > 3)
    return -EINVAL;
  if (txtime[0] != CLOCK_MONOTONIC)
    return -EPERM;
  memcpy(&both, txtime, sizeof both);
  return keep(s, TXTIME, both);
}

static int64_t set_budget(int n)
{
  if (n > 0)
    return -EPERM;
  return n < 0 ? -EINVAL : 0;
}

int64_t fds_set_kept(struct fds_socket *s, struct fdemu_req *r, int n)
{
  switch (r->cmd) {
  case SO_ATTACH_FILTER: return fds_filter_attach(s, r);
  case ATTACH_REUSEPORT_CBPF: return fds_filter_attach_group(s, r);
  case SO_DETACH_FILTER: return fds_filter_detach(s);
  case LOCK_FILTER:
    return fds_filter_locked(s) && n == 0 ? -EPERM : keep(s, r->cmd, n != 0);
  case ATTACH_BPF:
  case ATTACH_REUSEPORT_EBPF: return set_bpf(s, r, n);
  case DETACH_REUSEPORT_BPF: return -EINVAL;
  case BUSY_POLL: return n < 0 ? -EINVAL : keep(s, r->cmd, n);
  case MAX_PACING_RATE: return set_rate(s, r, n);
  case INCOMING_CPU: return keep(s, r->cmd, n);
  case CNX_ADVICE: return 0;
  case DEVMEM_DONTNEED: return -EBADF;
  case ZEROCOPY:
  case TXREHASH: return -EOPNOTSUPP;
  case TXTIME: return set_txtime(s, r);
  case BINDTOIFINDEX: return bind_index(s, n);
  case PREFER_BUSY_POLL: return n != 0 ? -EPERM : 0;
  case BUSY_POLL_BUDGET: return set_budget(n);
  case BUF_LOCK: return n & ~3 ? -EINVAL : keep(s, r->cmd, n);
  case RESERVE_MEM: return n < 0 ? -EINVAL : -EOPNOTSUPP;
  case RCVMARK:
  case RCVPRIORITY:
  case PASSRIGHTS: return keep(s, r->cmd, n != 0);
  default: return -ENOPROTOOPT;
  }
}

/* ---- getsockopt ------------------------------------------------------- */

/* sk_get_meminfo() of Linux: what is queued is the sender's. */
static int64_t get_memory(const struct fds_socket *s, unsigned v[9])
{
  memset(v, 0, 9 * sizeof *v);
  v[1] = (unsigned)s->rcvbuf;
  v[2] = s->sent;
  v[3] = (unsigned)s->sndbuf;
  return 9 * sizeof *v;
}

/* A number that no other socket has. */
static int64_t get_cookie(const struct fds_socket *s, size_t room, void *v)
{
  if (room < sizeof s->file->id)
    return -EINVAL;
  memcpy(v, &s->file->id, sizeof s->file->id);
  return sizeof s->file->id;
}

/* All sockets are in one name space of networks. */
static int64_t get_namespace(size_t room, void *v)
{
  const uint64_t cookie = 1;

  if (room != sizeof cookie)
    return -EINVAL;
  memcpy(v, &cookie, sizeof cookie);
  return sizeof cookie;
}

/* In four bytes: all that is too much for them is the same. */
static int64_t get_rate(uint64_t rate, void *v)
{
  const unsigned n = rate < UINT_MAX ? (unsigned)rate : UINT_MAX;

  memcpy(v, &n, sizeof n);
  return sizeof n;
}

static int64_t get_device(const struct fds_socket *s, size_t room, void *v)
{
  if (fds_device_of(s) == 0)
    return 0;
  if (room < IFNAMSIZ)
    return -EINVAL;
  if (fds_device_of(s) != FDS_LOOPBACK)
    return -ENODEV;
  memcpy(v, loopback, sizeof loopback);
  return sizeof loopback;
}

/* The value, and its size; 0 or -errno. room: what there is for it. */
int64_t fds_get_kept(const struct fds_socket *s, unsigned long option,
                     size_t room, void *v)
{
  const size_t i = index_of(option);
  int64_t value;

  switch (option) {
  case SO_BINDTODEVICE: return get_device(s, room, v);
  case PEERGROUPS: return s->peer_pid != 0 ? 0 : -ENODATA;
  case COOKIE: return get_cookie(s, room, v);
  case NETNS_COOKIE: return get_namespace(room, v);
  case SO_PEERNAME: return fds_name_option(s, room, v);
  case MEMINFO: return get_memory(s, v);
  case TXREHASH: return -EOPNOTSUPP;
  default: break;
  }
  if (i == NKEPT)
    return -ENOPROTOOPT;
  value = value_at(s, i);
  if (option == MAX_PACING_RATE && room < sizeof value)
    return get_rate((uint64_t)value, v);
  memcpy(v, &value, kept[i].size);
  return kept[i].size;
}
