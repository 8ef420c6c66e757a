/* socket_msg.c - send(2), recv(2) and their relatives */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/un.h>

#include "driver/socket.h"

/* ---- before ----------------------------------------------------------- */

static int64_t check_socket(const struct fdemu_file *f)
{
  return f->inode->ops->socket != NULL ? FDEMU_NEXT : -ENOTSOCK;
}

/* move_addr_to_kernel() of Linux: whether there is an address at all. */
static int64_t fetch_address(struct fdemu_req *r)
{
  struct sockaddr_storage a;
  struct msghdr *m = r->msg;

  if (m->msg_name == NULL || m->msg_namelen == 0) {
    m->msg_namelen = 0;
    return 0;
  }
  if (m->msg_namelen > sizeof a)
    return -EINVAL;
  return fdemu_load(r, &a, m->msg_name, m->msg_namelen);
}

static int64_t sendto_begin(struct fdemu_file *f, struct fdemu_req *r)
{
  int64_t error = check_socket(f);

  if (error == FDEMU_NEXT && r->msg != NULL && (error = fetch_address(r)) == 0)
    error = FDEMU_NEXT;
  return error;
}

/* Linux fetches control data as a whole, whatever is in it. */
static int64_t fetch_control(struct fdemu_req *r)
{
  const struct msghdr *m = r->msg;
  char piece[256];
  int64_t error = 0;

  if (m->msg_controllen > INT_MAX)
    return -ENOBUFS;
  for (size_t at = 0; error == 0 && at < m->msg_controllen;) {
    size_t n = m->msg_controllen - at;
    n = n < sizeof piece ? n : sizeof piece;
    error = m->msg_control != NULL
                ? fdemu_load(r, piece, (char *)m->msg_control + at, n)
                : -EFAULT;
    at += n;
  }
  return error < 0 ? error : FDEMU_NEXT;
}

/* In Linux's order. */
static int64_t check_msg(struct fdemu_req *r, bool sending)
{
  struct msghdr *m = r->msg;
  int64_t error = 0;

  if (m == NULL)
    return -EFAULT;
  if (m->msg_name == NULL)
    m->msg_namelen = 0;
  if (m->msg_namelen > INT_MAX)
    return -EINVAL;
  if (m->msg_namelen > sizeof(struct sockaddr_storage))
    m->msg_namelen = sizeof(struct sockaddr_storage);
  if (sending)
    error = fetch_address(r);
  if (error < 0)
    return error;
  if (r->iovcnt < 0 || r->iovcnt > UIO_MAXIOV)
    return -EMSGSIZE;
  if (r->iovcnt > 0 && r->iov == NULL)
    return -EFAULT;
  return sending ? fetch_control(r) : FDEMU_NEXT;
}

static int64_t sendmsg_begin(struct fdemu_file *f, struct fdemu_req *r)
{
  int64_t error = check_socket(f);

  return error == FDEMU_NEXT ? check_msg(r, true) : error;
}

static int64_t recvmsg_begin(struct fdemu_file *f, struct fdemu_req *r)
{
  int64_t error = check_socket(f);

  r->arg = (int64_t)(r->cmd & MSG_CMSG_CLOEXEC);
  if (error == FDEMU_NEXT && (error = check_msg(r, false)) == FDEMU_NEXT)
    r->room = r->msg->msg_namelen;
  return error;
}

static int64_t recvfrom_begin(struct fdemu_file *f, struct fdemu_req *r)
{
  r->arg = 0;
  r->room = r->msg != NULL ? r->msg->msg_namelen : 0;
  return check_socket(f);
}

/* ---- the calls -------------------------------------------------------- */

static int64_t send_run(struct fdemu_file *f, struct fdemu_req *r)
{
  return f->inode->ops->socket->send(f, r);
}

static int64_t recv_run(struct fdemu_file *f, struct fdemu_req *r)
{
  return f->inode->ops->socket->recv(f, r);
}

static int64_t recv_end(struct fdemu_req *r, int64_t result)
{
  const struct fdemu_file *f = r->file;

  return f != NULL && f->inode->ops->socket != NULL
             ? f->inode->ops->socket->received(r, result)
             : result;
}

int64_t fds_send(struct fdemu_file *f, struct fdemu_req *r)
{
  struct fds_socket *s = fds_of(f);

  return s->type == SOCK_STREAM ? fds_stream_send(s, r, (int)r->cmd)
                                : fds_packet_send(s, r, (int)r->cmd);
}

int64_t fds_recv(struct fdemu_file *f, struct fdemu_req *r)
{
  struct fds_socket *s = fds_of(f);

  return s->type == SOCK_STREAM ? fds_stream_recv(s, r, (int)r->cmd)
                                : fds_packet_recv(s, r, (int)r->cmd);
}

#define SENDS (FDEMU_CALL_FD | FDEMU_CALL_WRITE)
#define RECVS (FDEMU_CALL_FD | FDEMU_CALL_READ)

const struct fdemu_call fdemu_sendto_call = {
  .name = "sendto",
  .args = "fd data size msg_flags peer",
  .begin = sendto_begin,
  .run = send_run,
  .events = POLLOUT,
  .flags = SENDS,
};

const struct fdemu_call fdemu_recvfrom_call = {
  .name = "recvfrom",
  .args = "fd | data size msg_flags peer",
  .begin = recvfrom_begin,
  .run = recv_run,
  .finish = recv_end,
  .events = POLLIN,
  .flags = RECVS,
};

const struct fdemu_call fdemu_sendmsg_call = {
  .name = "sendmsg",
  .args = "fd msghdr msg_flags",
  .begin = sendmsg_begin,
  .run = send_run,
  .events = POLLOUT,
  .flags = SENDS | FDEMU_CALL_VEC,
};

const struct fdemu_call fdemu_recvmsg_call = {
  .name = "recvmsg",
  .args = "fd | msghdr msg_flags",
  .begin = recvmsg_begin,
  .run = recv_run,
  .finish = recv_end,
  .events = POLLIN,
  .flags = RECVS | FDEMU_CALL_VEC,
};

int64_t fdemu_send(struct fdemu_proc *p, int fd, const void *buf, size_t n,
                   int flags)
{
  struct fdemu_req r = {
    .call = &fdemu_sendto_call,
    .fd = fd,
    .buf = { (void *)(uintptr_t)buf, n },
    .cmd = (unsigned)flags,
  };

  return fdemu_call(p, &r);
}

int64_t fdemu_recv(struct fdemu_proc *p, int fd, void *buf, size_t n, int flags)
{
  struct fdemu_req r = {
    .call = &fdemu_recvfrom_call,
    .fd = fd,
    .buf = { buf, n },
    .cmd = (unsigned)flags,
  };

  return fdemu_call(p, &r);
}

static int64_t message(struct fdemu_proc *p, const struct fdemu_call *call,
                       int fd, struct msghdr *m, int flags)
{
  struct fdemu_req r = {
    .call = call,
    .fd = fd,
    .iov = m->msg_iov,
    .iovcnt = m->msg_iovlen <= UIO_MAXIOV ? (int)m->msg_iovlen : -1,
    .msg = m,
    .cmd = (unsigned)flags,
  };

  return fdemu_call(p, &r);
}

int64_t fdemu_sendmsg(struct fdemu_proc *p, int fd, const struct msghdr *m,
                      int flags)
{
  struct msghdr copy = *m;

  return message(p, &fdemu_sendmsg_call, fd, &copy, flags);
}

int64_t fdemu_recvmsg(struct fdemu_proc *p, int fd, struct msghdr *m, int flags)
{
  return message(p, &fdemu_recvmsg_call, fd, m, flags);
}
