/*
 * hostfd_socket.c - sockets of the host: messages, options, names
 *
 * Descriptors in messages are the host's on the way: of those sent here only
 * such can go, and those received become descriptions of the host's.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "driver/hostfd.h"

#define SECOND      INT64_C(1000000000)
#define MAX_CONTROL 8192
#define MAX_RIGHTS  253 /* SCM_MAX_FD */
#define ZEROCOPY    0x4000000

/* ---- one call --------------------------------------------------------- */

/* What a recvmmsg(2) here has left for the next call is told as if the host had
 * it: by who would have to wait, or of messages at once. */
static ssize_t fail_by(struct fdh_host *h)
{
  errno = h->error;
  h->error = 0;
  return -1;
}

static ssize_t recv_now(struct fdh_host *h, struct msghdr *msg, int flags)
{
  ssize_t n;

  if (h->error != 0 && h->socket != SOCK_STREAM)
    return fail_by(h);
  n = recvmsg(h->fd, msg, flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (h->error != 0 && (n == 0 || (n < 0 && errno == EAGAIN)))
    return fail_by(h);
  return n;
}

static ssize_t send_now(struct fdh_host *h, const struct msghdr *msg, int flags)
{
  if (h->error != 0)
    return fail_by(h);
  return sendmsg(h->fd, msg, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* ---- as a file -------------------------------------------------------- */

static void as_message(struct msghdr *msg, struct fdh_memory *m)
{
  memset(msg, 0, sizeof *msg);
  msg->msg_iov = m->iov;
  msg->msg_iovlen = (size_t)m->n;
}

/* read(2) of nothing takes nothing. */
int64_t fdh_sock_read(struct fdh_host *h, struct fdh_memory *m)
{
  struct msghdr msg;

  as_message(&msg, m);
  return m->size > 0 ? recv_now(h, &msg, 0) : 0;
}

int64_t fdh_sock_write(struct fdh_host *h, struct fdh_memory *m)
{
  const int end = h->socket == SOCK_SEQPACKET ? MSG_EOR : 0;
  struct msghdr msg;

  as_message(&msg, m);
  return send_now(h, &msg, end);
}

/* Only streams have a signal for it. */
int64_t fdh_sock_broken(const struct fdh_host *h, const struct fdemu_req *r,
                        int flags)
{
  return h->socket == SOCK_STREAM && !(flags & MSG_NOSIGNAL) ? fdemu_broken(r)
                                                             : -EPIPE;
}

/* For how long its calls wait, in ns; 0: for ever. */
int64_t fdh_patience(const struct fdh_host *h, bool writing)
{
  struct timeval tv = { 0, 0 };
  socklen_t n = sizeof tv;

  getsockopt(h->fd, SOL_SOCKET, writing ? SO_SNDTIMEO : SO_RCVTIMEO, &tv, &n);
  return tv.tv_sec < INT64_MAX / SECOND
             ? tv.tv_sec * SECOND + tv.tv_usec * INT64_C(1000)
             : 0;
}

/* -EAGAIN: how long r waits now. */
static int64_t not_now(const struct fdh_host *h, struct fdemu_req *r,
                       bool writing)
{
  r->patience = r->cmd & MSG_DONTWAIT ? -1 : fdh_patience(h, writing);
  return -EAGAIN;
}

static size_t low_water(const struct fdh_host *h)
{
  int low = 1;
  socklen_t n = sizeof low;

  getsockopt(h->fd, SOL_SOCKET, SO_RCVLOWAT, &low, &n);
  return (size_t)low;
}

/* Whether what a stream has given to r is less than it waits for, and more may
 * come. What was only looked at is looked at again. */
bool fdh_sock_lacks(const struct fdh_host *h, struct fdemu_req *r, int flags)
{
  if (h->socket != SOCK_STREAM || fdemu_left(r) == 0 ||
      flags & (MSG_OOB | MSG_DONTWAIT) || !fdemu_may_wait(r))
    return false;
  if (!(flags & MSG_WAITALL) && (flags & MSG_PEEK || r->done >= low_water(h)))
    return false;
  if (fdh_ready(h, POLLRDHUP) != 0)
    return false;
  if (flags & MSG_PEEK)
    fdemu_rewind(r, 0);
  return true;
}

/* ---- control data ----------------------------------------------------- */

struct control {
  _Alignas(struct cmsghdr) char bytes[MAX_CONTROL];
};

static bool is_rights(const struct cmsghdr *c)
{
  return c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS;
}

static size_t count_of(const struct cmsghdr *c)
{
  return (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
}

static int get_fd(const struct cmsghdr *c, size_t i)
{
  int fd;

  memcpy(&fd, (const char *)CMSG_DATA(c) + i * sizeof fd, sizeof fd);
  return fd;
}

static void put_fd(struct cmsghdr *c, size_t i, int fd)
{
  memcpy((char *)CMSG_DATA(c) + i * sizeof fd, &fd, sizeof fd);
}

static int to_host(const struct fdemu_req *r, int fd)
{
  const struct fdemu_file *f = fdemu_file_at(r->proc, fd);

  if (f == NULL)
    return -EBADF;
  return fdh_is_host(f) ? fdh_of(f)->fd : -EXDEV;
}

/* Unlike Linux: what is not the host's cannot be sent there, EXDEV. */
static int rights_to_host(const struct fdemu_req *r, struct cmsghdr *c)
{
  for (size_t i = 0; i < count_of(c); i++) {
    int fd = to_host(r, get_fd(c, i));
    if (fd < 0)
      return fd;
    put_fd(c, i, fd);
  }
  return 0;
}

/* Of oneself, as the host knows it. */
static int creds_to_host(const struct fdemu_req *r, struct cmsghdr *c)
{
  struct ucred u;

  if (c->cmsg_len != CMSG_LEN(sizeof u))
    return -EINVAL;
  memcpy(&u, CMSG_DATA(c), sizeof u);
  if (u.pid != fdemu_getpid(r->proc) || u.uid != FDEMU_UID ||
      u.gid != FDEMU_UID)
    return -EPERM;
  u = (struct ucred){ getpid(), geteuid(), getegid() };
  memcpy(CMSG_DATA(c), &u, sizeof u);
  return 0;
}

/* What a sendmsg(2) has beside its bytes. What is malformed stays so. */
static int control_to_host(struct fdemu_req *r, struct msghdr *msg,
                           struct control *x)
{
  int error = 0;

  if (r->msg->msg_controllen == 0 || r->done > 0)
    return 0;
  if (r->msg->msg_controllen > sizeof *x)
    return -ENOBUFS;
  msg->msg_control = x;
  msg->msg_controllen = r->msg->msg_controllen;
  if (fdemu_load(r, x, r->msg->msg_control, msg->msg_controllen) < 0)
    return -EFAULT;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL && error == 0;
       c = CMSG_NXTHDR(msg, c)) {
    const size_t room = msg->msg_controllen - (size_t)((char *)c - x->bytes);
    if (c->cmsg_len < sizeof *c || c->cmsg_len > room)
      break;
    if (is_rights(c) && count_of(c) <= MAX_RIGHTS)
      error = rights_to_host(r, c);
    else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS)
      error = creds_to_host(r, c);
  }
  return error;
}

/* A descriptor that has come, under a number here. */
static int adopt(struct fdemu_req *r, int hostfd)
{
  struct fdemu_file *f;
  int fd, error = fdemu_reserve(r->proc, &fd, 1);

  if (error < 0)
    return error;
  error = fdemu_host_new(r->file->inode->kernel, hostfd, true, &f);
  if (error < 0) {
    fdemu_unreserve(r->proc, &fd, 1);
    return error;
  }
  fdemu_fill(r->proc, fd, f, (r->cmd & MSG_CMSG_CLOEXEC) != 0);
  return fd;
}

/* As many as there are numbers for. */
static void rights_from_host(struct fdemu_req *r, struct msghdr *msg,
                             struct cmsghdr *c)
{
  size_t n = count_of(c), i = 0;
  int fd;

  for (; i < n && (fd = adopt(r, get_fd(c, i))) >= 0; i++)
    put_fd(c, i, fd);
  if (i == n)
    return;
  msg->msg_flags |= MSG_CTRUNC;
  for (size_t j = i; j < n; j++)
    close(get_fd(c, j));
  c->cmsg_len = CMSG_LEN(i * sizeof(int));
}

static void control_from_host(struct fdemu_req *r, struct msghdr *msg)
{
  for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL;
       c = CMSG_NXTHDR(msg, c))
    if (is_rights(c))
      rights_from_host(r, msg, c);
}

/* ---- messages --------------------------------------------------------- */

struct message {
  struct msghdr msg;
  struct sockaddr_storage name;
  struct control control;
  struct fdh_memory memory;
};

static int64_t send_once(struct fdh_host *h, struct fdemu_req *r,
                         struct message *x)
{
  int64_t n;
  int error = fdh_memory_get(&x->memory, r, FDH_MAX_MESSAGE, true);

  if (error < 0)
    return error;
  as_message(&x->msg, &x->memory);
  if (r->msg != NULL) {
    error = control_to_host(r, &x->msg, &x->control);
    if (error == 0 && r->msg->msg_namelen > 0)
      error = fdemu_load(r, &x->name, r->msg->msg_name, r->msg->msg_namelen);
    x->msg.msg_name = r->msg->msg_namelen > 0 ? &x->name : NULL;
    x->msg.msg_namelen = r->msg->msg_namelen;
  }
  n = error == 0 ? send_now(h, &x->msg, (int)r->cmd & ~ZEROCOPY) : -1;
  if (n < 0 && error == 0)
    error = -errno;
  fdh_memory_put(&x->memory, r);
  if (n > 0)
    fdemu_rewind(r, r->done + (size_t)n);
  return error < 0 ? error : n;
}

static int64_t sock_send(struct fdemu_file *f, struct fdemu_req *r)
{
  struct fdh_host *h = fdh_of(f);
  struct message x;
  int64_t n;

  do {
    n = send_once(h, r, &x);
    if (n == -EAGAIN)
      return not_now(h, r, true);
    if (n == -EPIPE && r->done == 0)
      return fdh_sock_broken(h, r, (int)r->cmd);
  } while (n > 0 && fdemu_left(r) > 0);
  return n < 0 ? n : (int64_t)r->done;
}

/* The parts of r->msg but its bytes, as far as they fit. */
static int store_message(struct fdemu_req *r, struct message *x)
{
  struct msghdr *to = r->msg;
  size_t n = x->msg.msg_namelen < r->room ? x->msg.msg_namelen : r->room;
  int error = 0;

  if (to->msg_name != NULL && n > 0)
    error = fdemu_store(r, to->msg_name, &x->name, n);
  if (error == 0 && x->msg.msg_controllen > 0)
    error = fdemu_store(r, to->msg_control, &x->control, x->msg.msg_controllen);
  to->msg_namelen = x->msg.msg_namelen;
  to->msg_controllen = x->msg.msg_controllen;
  to->msg_flags = x->msg.msg_flags & ~MSG_CMSG_CLOEXEC;
  to->msg_flags |= (int)r->cmd & MSG_CMSG_CLOEXEC;
  return error;
}

static int64_t recv_once(struct fdh_host *h, struct fdemu_req *r,
                         struct message *x)
{
  int64_t n;
  int error = fdh_memory_get(&x->memory, r, FDH_MAX_MESSAGE, false);

  if (error < 0)
    return error;
  as_message(&x->msg, &x->memory);
  if (r->msg != NULL) {
    x->msg.msg_name = r->msg->msg_name != NULL ? &x->name : NULL;
    x->msg.msg_namelen = sizeof x->name;
    x->msg.msg_controllen = r->msg->msg_control == NULL ? 0
                            : r->msg->msg_controllen < sizeof x->control
                                ? r->msg->msg_controllen
                                : sizeof x->control;
    x->msg.msg_control = x->msg.msg_controllen > 0 ? &x->control : NULL;
  }
  n = recv_now(h, &x->msg, (int)r->cmd);
  if (n < 0)
    error = -errno;
  else
    error = fdh_memory_read(
        &x->memory, r, (size_t)n < x->memory.size ? (size_t)n : x->memory.size);
  fdh_memory_put(&x->memory, r);
  if (n >= 0)
    control_from_host(r, &x->msg);
  return error < 0 ? error : n;
}

static int64_t sock_recv(struct fdemu_file *f, struct fdemu_req *r)
{
  struct fdh_host *h = fdh_of(f);
  struct message x;
  size_t done = r->done;
  int64_t n = recv_once(h, r, &x);

  if (n == -EAGAIN)
    return not_now(h, r, false);
  if (n < 0)
    return n;
  if (n > 0 && fdh_sock_lacks(h, r, (int)r->cmd))
    return not_now(h, r, false);
  if (r->msg != NULL) {
    int error = store_message(r, &x);
    if (error < 0)
      return error;
  }
  return (int64_t)done + n;
}

static int64_t sock_received(struct fdemu_req *r, int64_t result)
{
  (void)r;
  return result;
}

static int64_t sock_shutdown(struct fdemu_file *f, struct fdemu_req *r)
{
  return shutdown(fdh_of(f)->fd, (int)r->cmd) < 0 ? -errno : 0;
}

/* ---- the kind --------------------------------------------------------- */

const struct fdemu_socket fdh_socket = {
  .send = sock_send,
  .recv = sock_recv,
  .received = sock_received,
  .shutdown = sock_shutdown,
  .getsockopt = fdh_getsockopt,
  .setsockopt = fdh_setsockopt,
  .getsockname = fdh_getsockname,
  .getpeername = fdh_getpeername,
};
