/*
 * socket.c - sockets of AF_UNIX: socketpair(2), socket(2), shutdown(2)
 *
 *   struct fds_socket        struct fds_socket     A socket has one description
 *     queue <---- writes of ---- peer              and a queue of what was sent
 *     peer ----- writes of ----> queue             to it. What it has sent is
 *                                                  charged to it until somebody
 *                                                  takes it (socket_buf.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>

#include "driver/socket.h"

#define NFAMILIES 46 /* AF_MAX of Linux 6.18 */
#define NTYPES    11 /* SOCK_MAX */

int fds_take_error(struct fds_socket *s)
{
  int error = s->error;

  s->error = 0;
  return -error;
}

/* ---- methods ---------------------------------------------------------- */

static int64_t sock_read(struct fdemu_file *f, struct fdemu_req *r)
{
  struct fds_socket *s = fds_of(f);

  if (r->len == 0)
    return 0;
  return s->type == SOCK_STREAM ? fds_stream_recv(s, r, 0)
                                : fds_packet_recv(s, r, 0);
}

static int64_t sock_write(struct fdemu_file *f, struct fdemu_req *r)
{
  struct fds_socket *s = fds_of(f);

  return s->type == SOCK_STREAM ? fds_stream_send(s, r, 0)
                                : fds_packet_send(s, r, 0);
}

static int sock_poll(struct fdemu_file *f)
{
  struct fds_socket *s = fds_of(f);
  int ready = 0;

  if (s->error != 0)
    ready |= POLLERR;
  if (s->shutdown == (FDS_NO_RECV | FDS_NO_SEND) ||
      (!s->connected && s->type != SOCK_DGRAM))
    ready |= POLLHUP;
  if (s->shutdown & FDS_NO_RECV)
    ready |= POLLRDHUP | POLLIN | POLLRDNORM;
  if (!fdemu_list_empty(&s->queue))
    ready |= POLLIN | POLLRDNORM;
  if (s->urgent != NULL)
    ready |= POLLPRI;
  if (fds_writable(s))
    ready |= FDS_OUT;
  return ready;
}

/* As unix_dgram_poll() of Linux; streams are not told that they have looked. */
static void sock_missed(struct fdemu_file *f, int events)
{
  struct fds_socket *s = fds_of(f);

  if (events & FDS_OUT && s->type != SOCK_STREAM)
    fds_set_full(s);
}

/* Bytes that can be read: of a stream or SOCK_SEQPACKET all, else of the next
 * message. Linux goes on counting urgent bytes that were passed over. */
int fds_queued(const struct fds_socket *s)
{
  unsigned n = s->lost;

  for (struct fds_buf *b = fds_next(s, NULL); b != NULL; b = fds_next(s, b)) {
    n += b->len;
    if (s->type == SOCK_DGRAM)
      break;
  }
  return (int)n;
}

/* An older name of F_SETOWN. */
static int64_t set_owner(struct fdemu_file *f, struct fdemu_req *r)
{
  int who, error = fdemu_arg_load(r, 0, &who, sizeof who);

  return error < 0 ? error : fdemu_setown(f, who);
}

static struct fdemu_waitq *sock_waitq(struct fdemu_file *f, struct fdemu_req *r)
{
  return fds_packet_waitq(fds_of(f), r);
}

static int64_t sock_ioctl(struct fdemu_file *f, struct fdemu_req *r)
{
  const struct fds_socket *s = fds_of(f);
  int n;

  switch (r->cmd) {
  case FIOSETOWN:
  case SIOCSPGRP: return set_owner(f, r);
  case FIOGETOWN:
  case SIOCGPGRP: n = fdemu_getown(f); break;
  case SIOCINQ: n = fds_queued(s); break;
  case SIOCOUTQ: n = (int)s->sent; break;
  case SIOCATMARK: return fds_urgent_ioctl(s, r);
  default: return -ENOTTY;
  }
  return fdemu_arg_store(r, 0, &n, sizeof n);
}

struct fdemu_inode *fdemu_socket_peer(const struct fdemu_file *f,
                                      struct fdemu_req *r)
{
  struct fds_socket *peer = NULL;

  if (f->inode->ops == &fds_ops)
    peer = r != NULL ? fds_packet_target(fds_of(f), r) : fds_of(f)->peer;
  return peer != NULL ? &peer->inode : NULL;
}

/* A peer that closes with this unread has lost data; an empty message in front
 * does not count, as Linux has it. */
static bool unread(const struct fds_socket *s)
{
  struct fds_buf *b = fds_next(s, NULL);

  if (b != NULL && b->len == 0)
    b = fds_next(s, b);
  return b != NULL;
}

/* Who is connected with s learns that it is gone; of SOCK_DGRAM not before it
 * sends something. */
static void leave_peer(struct fds_socket *s)
{
  struct fds_socket *peer = s->peer;

  s->peer = NULL;
  if (peer == NULL)
    return;
  peer->peer = NULL;
  peer->peer_name = s->name;
  peer->peer_filter = s->filter;
  s->filter = NULL;
  if (s->type == SOCK_DGRAM)
    return;
  peer->shutdown = FDS_NO_RECV | FDS_NO_SEND;
  if (unread(s))
    peer->error = ECONNRESET;
  fdemu_wake(&peer->inode.wq, FDS_ALL | fds_news(peer));
}

static int64_t sock_release(struct fdemu_file *f)
{
  struct fds_socket *s = fds_of(f);

  s->file = NULL;
  fds_name_unbind(s);
  leave_peer(s);
  fds_buf_purge(s);
  fdemu_wake(&s->senders, FDS_OUT);
  return 0;
}

static void sock_dropped(struct fdemu_file *f)
{
  fds_collect(fds_of(f));
}

static void sock_free(struct fdemu_inode *i)
{
  struct fds_socket *s = fdemu_entry(i, struct fds_socket, inode);

  fdemu_free(i->kernel, s->spare);
  fdemu_free(i->kernel, s->kept);
  fdemu_free(i->kernel, s->filter);
  fdemu_free(i->kernel, s->peer_filter);
  fdemu_object_free(i->kernel, s);
}

static fdemu_method sock_shutdown;

static const struct fdemu_socket sock_methods = {
  .send = fds_send,
  .recv = fds_recv,
  .received = fds_control_end,
  .shutdown = sock_shutdown,
  .getsockopt = fds_getsockopt,
  .setsockopt = fds_setsockopt,
  .getsockname = fds_getsockname,
  .getpeername = fds_getpeername,
};

const struct fdemu_ops fds_ops = {
  .name = "socket",
  .socket = &sock_methods,
  .mode = FDEMU_MODE_QUIET | FDEMU_MODE_EPOLL | FDEMU_MODE_ASYNC,
  .read = sock_read,
  .write = sock_write,
  .ioctl = sock_ioctl,
  .poll = sock_poll,
  .missed = sock_missed,
  .waitq = sock_waitq,
  .dropped = sock_dropped,
  .release = sock_release,
  .check = fds_buf_check,
};

/* ---- making them ------------------------------------------------------ */

static struct fds_socket *sock_new(struct fdemu_kernel *k, int type)
{
  struct fds_socket *s = fdemu_object_alloc(k, sizeof *s);

  if (s == NULL)
    return NULL;
  memset(s, 0, sizeof *s);
  fdemu_inode_init(&s->inode, &s->attr, k, &fds_ops, S_IFSOCK | 0777,
                   sock_free);
  fdemu_list_init(&s->queue);
  fdemu_list_init(&s->carriers);
  fdemu_list_init(&s->flying);
  fdemu_list_init(&s->todo);
  fdemu_waitq_init(&s->senders);
  s->type = type;
  s->sndbuf = s->rcvbuf = FDS_DEFAULT_BUF;
  s->rcvlowat = 1;
  s->peek_off = -1;
  s->name = s->peer_name = FDS_NO_NAME;
  return s;
}

static struct fdemu_file *sock_open(struct fdemu_kernel *k, int type, int flags)
{
  struct fds_flight *l = fds_flight_of(k);
  struct fds_socket *s = l != NULL ? sock_new(k, type) : NULL;
  struct fdemu_file *f;

  if (s == NULL)
    return NULL;
  s->flight = l;
  s->file = f = fdemu_file_new(&s->inode, &fds_ops, O_RDWR | flags, NULL);
  if (f != NULL)
    f->mode |=
        type == SOCK_STREAM ? FDEMU_MODE_LAST_FIRST : FDEMU_MODE_SPLICE_WAITS;
  fdemu_inode_put(&s->inode);
  return f;
}

static void connect_to(struct fds_socket *s, struct fds_socket *peer, int pid)
{
  s->peer = peer;
  s->connected = true;
  s->peer_pid = pid;
}

static int pair_open(struct fdemu_proc *p, int type, int flags,
                     struct fdemu_file *f[2])
{
  struct fdemu_kernel *k = fdemu_kernel_of(p);

  f[0] = sock_open(k, type, flags);
  if (f[0] == NULL)
    return -ENOMEM;
  f[1] = sock_open(k, type, flags);
  if (f[1] == NULL) {
    fdemu_file_put(f[0]);
    return -ENOMEM;
  }
  connect_to(fds_of(f[0]), fds_of(f[1]), fdemu_getpid(p));
  connect_to(fds_of(f[1]), fds_of(f[0]), fdemu_getpid(p));
  return 0;
}

/* The families that know no pairs, as far as they tell. */
static int inet_error(int family, int type, int protocol)
{
  switch (type) {
  case SOCK_STREAM:
    return protocol == 0 || protocol == IPPROTO_TCP ? -EOPNOTSUPP
                                                    : -EPROTONOSUPPORT;
  case SOCK_DGRAM:
    if (family == AF_INET && protocol == IPPROTO_ICMP)
      return -EACCES;
    return protocol == 0 || protocol == IPPROTO_UDP ? -EOPNOTSUPP
                                                    : -EPROTONOSUPPORT;
  case SOCK_RAW: return protocol == 0 ? -EPROTONOSUPPORT : -EPERM;
  default: return -ESOCKTNOSUPPORT;
  }
}

/* What Linux says of a kind of socket; *type becomes the one that it is. */
static int check_kind(int family, int *type, int protocol)
{
  if (family < 0 || family >= NFAMILIES)
    return -EAFNOSUPPORT;
  if (*type >= NTYPES)
    return -EINVAL;
  if (family == AF_INET || family == AF_INET6)
    return inet_error(family, *type, protocol);
  if (family != AF_UNIX)
    return -EAFNOSUPPORT;
  if (protocol != 0 && protocol != PF_UNIX)
    return -EPROTONOSUPPORT;
  if (*type == SOCK_RAW)
    *type = SOCK_DGRAM;
  return *type == SOCK_STREAM || *type == SOCK_DGRAM || *type == SOCK_SEQPACKET
             ? 0
             : -ESOCKTNOSUPPORT;
}

/* r->cmd: SOCK_NONBLOCK is O_NONBLOCK, and so on. */
static int split_type(const struct fdemu_req *r, int *type, int *flags)
{
  *flags = (int)r->cmd & ~0xf;
  *type = (int)r->cmd & 0xf;
  return *flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC) ? -EINVAL : 0;
}

static int64_t pair_make(struct fdemu_file *unused, struct fdemu_req *r)
{
  struct fdemu_file *f[2] = { NULL, NULL };
  int fds[2], type, flags, error = split_type(r, &type, &flags);

  (void)unused;
  if (error < 0)
    return error;
  error = fdemu_reserve(r->proc, fds, 2);
  if (error < 0)
    return error;
  error = fdemu_arg_store(r, 0, fds, sizeof fds);
  if (error == 0)
    error = check_kind((int)r->arg, &type, (int)r->offset);
  if (error == 0)
    error = pair_open(r->proc, type, flags & SOCK_NONBLOCK, f);
  if (error < 0) {
    fdemu_unreserve(r->proc, fds, 2);
    return error;
  }
  for (int i = 0; i < 2; i++)
    fdemu_fill(r->proc, fds[i], f[i], (flags & SOCK_CLOEXEC) != 0);
  return 0;
}

static int64_t sock_make(struct fdemu_file *unused, struct fdemu_req *r)
{
  struct fdemu_file *f;
  int fd, type, flags, error = split_type(r, &type, &flags);

  (void)unused;
  if (error == 0)
    error = check_kind((int)r->arg, &type, (int)r->offset);
  if (error == -EOPNOTSUPP || error == -EPERM || error == -EACCES)
    error = -EAFNOSUPPORT; /* Unlike Linux: there is no network */
  if (error == 0)
    error = fdemu_reserve(r->proc, &fd, 1);
  if (error != 0)
    return error;
  f = sock_open(fdemu_kernel_of(r->proc), type, flags & SOCK_NONBLOCK);
  if (f == NULL) {
    fdemu_unreserve(r->proc, &fd, 1);
    return -ENOMEM;
  }
  fdemu_fill(r->proc, fd, f, (flags & SOCK_CLOEXEC) != 0);
  return fd;
}

/* ---- shutdown --------------------------------------------------------- */

static int64_t sock_shutdown(struct fdemu_file *f, struct fdemu_req *r)
{
  struct fds_socket *s;
  int how;

  if (r->cmd > SHUT_RDWR)
    return -EINVAL;
  how = (int)r->cmd + 1; /* SHUT_* to what it forbids */
  s = fds_of(f);
  s->shutdown |= how;
  fdemu_wake(&s->inode.wq, FDS_ALL);
  if (s->peer == NULL || s->type == SOCK_DGRAM)
    return 0;
  if (how & FDS_NO_RECV)
    s->peer->shutdown |= FDS_NO_SEND;
  if (how & FDS_NO_SEND)
    s->peer->shutdown |= FDS_NO_RECV;
  fdemu_wake(&s->peer->inode.wq,
             FDS_ALL | (how & FDS_NO_SEND ? fds_news(s->peer) : 0));
  return 0;
}

static int64_t shutdown_run(struct fdemu_file *f, struct fdemu_req *r)
{
  const struct fdemu_socket *s = f->inode->ops->socket;

  return s != NULL ? s->shutdown(f, r) : -ENOTSOCK;
}

const struct fdemu_call fdemu_socketpair_call = {
  .name = "socketpair",
  .args = "socket | fds",
  .run = pair_make,
};

const struct fdemu_call fdemu_socket_call = {
  .name = "socket",
  .args = "socket",
  .run = sock_make,
};

const struct fdemu_call fdemu_shutdown_call = {
  .name = "shutdown",
  .args = "fd how",
  .run = shutdown_run,
  .flags = FDEMU_CALL_FD,
};

int fdemu_socketpair(struct fdemu_proc *p, int family, int type, int protocol,
                     int fds[2])
{
  struct fdemu_req r = {
    .call = &fdemu_socketpair_call,
    .arg = family,
    .cmd = (unsigned)type,
    .offset = protocol,
    .buf = { fds, 2 * sizeof *fds },
  };

  return (int)fdemu_call(p, &r);
}

int fdemu_socket(struct fdemu_proc *p, int family, int type, int protocol)
{
  struct fdemu_req r = {
    .call = &fdemu_socket_call,
    .arg = family,
    .cmd = (unsigned)type,
    .offset = protocol,
  };

  return (int)fdemu_call(p, &r);
}

int fdemu_shutdown(struct fdemu_proc *p, int fd, int how)
{
  struct fdemu_req r = {
    .call = &fdemu_shutdown_call,
    .fd = fd,
    .cmd = (unsigned)how,
  };

  return (int)fdemu_call(p, &r);
}
