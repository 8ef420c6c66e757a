/* socket.c - messages, options and names of sockets, whose arguments point to
 * arguments */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

#include "fdemu_driver.h"
#include "linux/bynumber.h"

#define MSG_CMSG_COMPAT 0x80000000u /* Linux's own: of 32-bit programs */

static void *address(uint64_t value)
{
  return (void *)(uintptr_t)value;
}

/* ---- sendto, recvfrom ------------------------------------------------- */

int64_t fdl_sendto(const struct fdl_call *c)
{
  struct msghdr m = { .msg_name = address(c->arg[4]),
                      .msg_namelen = (socklen_t)c->arg[5] };
  struct fdemu_req r;

  fdl_fill(c, &r);
  r.cmd = (unsigned)c->arg[3];
  r.msg = m.msg_name != NULL ? &m : NULL;
  return fdemu_call(c->p, &r);
}

/* How much room there is for a name. Linux looks when there is a message, which
 * is lost if that goes wrong. */
static int64_t fetch_room(const struct fdl_call *c, socklen_t *room)
{
  int n, error = fdl_load(c, &n, c->arg[5], sizeof n);

  *room = error == 0 && n > 0 ? (socklen_t)n : 0;
  return error == 0 && n < 0 ? -EINVAL : error;
}

int64_t fdl_recvfrom(const struct fdl_call *c)
{
  struct msghdr m = { .msg_name = address(c->arg[4]) };
  struct fdemu_req r;
  int64_t n, error = 0;

  fdl_fill(c, &r);
  r.cmd = (unsigned)c->arg[3];
  if (m.msg_name != NULL) {
    error = fetch_room(c, &m.msg_namelen);
    r.msg = &m;
  }
  n = fdemu_call(c->p, &r);
  if (n >= 0 && error == 0 && m.msg_name != NULL)
    error = fdl_store(c, c->arg[5], &m.msg_namelen, sizeof m.msg_namelen);
  return n >= 0 && error < 0 ? error : n;
}

/* ---- sendmsg, recvmsg ------------------------------------------------- */

/* A message whose parts were fetched, as far as they could be. What could not
 * be is left out in a way that gives EFAULT when its turn comes. */
struct message {
  struct msghdr m;
  struct iovec iov[IOV_MAX];
};

static void fetch(const struct fdl_call *c, struct message *x, uint64_t addr,
                  struct fdemu_req *r)
{
  struct msghdr *m = &x->m;
  size_t n;

  r->buf.iov_base = (void *)(uintptr_t)addr;
  if (fdl_load(c, m, addr, sizeof *m) < 0)
    return;
  r->msg = m;
  n = m->msg_iovlen;
  r->iovcnt = n <= IOV_MAX ? (int)n : -1;
  if (r->iovcnt >= 0 &&
      fdl_load(c, x->iov, (uintptr_t)m->msg_iov, n * sizeof *x->iov) == 0)
    r->iov = x->iov;
}

/* left: bytes that were not sent. */
static int64_t send_one(const struct fdl_call *c, size_t *left)
{
  struct message x;
  struct fdemu_req r;
  int64_t n;

  fdl_fill(c, &r);
  fetch(c, &x, c->arg[1], &r);
  n = fdemu_call(c->p, &r);
  *left = 0;
  for (int i = 0; n >= 0 && i < r.iovcnt; i++)
    *left += x.iov[i].iov_len;
  *left -= n > 0 ? (size_t)n : 0;
  return n;
}

int64_t fdl_sendmsg(const struct fdl_call *c)
{
  size_t left;

  return c->arg[2] & MSG_CMSG_COMPAT ? -EINVAL : send_one(c, &left);
}

static int store_field(const struct fdl_call *c, uint64_t addr, const void *x,
                       size_t n)
{
  return fdl_store(c, c->arg[1] + addr, x, n);
}

int64_t fdl_recvmsg(const struct fdl_call *c)
{
  struct message x;
  struct fdemu_req r;
  int64_t n;
  int error = 0;

  if (c->arg[2] & MSG_CMSG_COMPAT)
    return -EINVAL;
  fdl_fill(c, &r);
  fetch(c, &x, c->arg[1], &r);
  n = fdemu_call(c->p, &r);
  if (n < 0)
    return n;
  if (x.m.msg_name != NULL)
    error = store_field(c, offsetof(struct msghdr, msg_namelen),
                        &x.m.msg_namelen, sizeof x.m.msg_namelen);
  if (error == 0)
    error = store_field(c, offsetof(struct msghdr, msg_flags), &x.m.msg_flags,
                        sizeof x.m.msg_flags);
  if (error == 0)
    error = store_field(c, offsetof(struct msghdr, msg_controllen),
                        &x.m.msg_controllen, sizeof x.m.msg_controllen);
  return error < 0 ? error : n;
}

/* ---- sendmmsg, recvmmsg ----------------------------------------------- */

/* An option of the socket, by a call that the program does not make; or, of
 * what is none, why not. */
static int64_t option(const struct fdl_call *c, const struct fdemu_call *call,
                      int name, int *value)
{
  struct fdemu_req r;

  fdl_fill(c, &r);
  r.call = call;
  r.mem = NULL;
  r.quiet = true;
  r.arg = SOL_SOCKET;
  r.cmd = (unsigned)name;
  r.buf = (struct iovec){ value, sizeof *value };
  return fdemu_call(c->p, &r);
}

/* Several calls are one: the socket stays, even if its descriptor is closed
 * while the first of them waits. */
static int64_t with_socket(const struct fdl_call *c,
                           int64_t (*run)(const struct fdl_call *c))
{
  struct fdl_call held = *c;
  int64_t n;

  held.on = fdemu_file_usable(c->p, (int)c->arg[0]);
  if (held.on != NULL)
    fdemu_file_get(held.on);
  n = run(&held);
  if (held.on != NULL)
    fdemu_file_put(held.on);
  return n;
}

static int store_length(const struct fdl_call *c, unsigned n)
{
  return fdl_store(c, c->arg[1] + offsetof(struct mmsghdr, msg_len), &n,
                   sizeof n);
}

/* One after the other, until one fails, which counts if it is the first, or was
 * not sent as a whole. */
static int64_t send_many(const struct fdl_call *c)
{
  uint64_t arg[4] = { c->arg[0], c->arg[1], c->arg[3] };
  int64_t count = (unsigned)c->arg[2] < IOV_MAX ? (unsigned)c->arg[2] : IOV_MAX;
  struct fdl_call each = *c;
  size_t left = 0;
  int64_t n, done = 0;
  int type;

  if (c->arg[3] & MSG_CMSG_COMPAT)
    return -EINVAL;
  each.arg = arg;
  n = option(c, &fdemu_getsockopt_call, SO_TYPE, &type);
  for (; n >= 0 && done < count && left == 0;
       arg[1] += sizeof(struct mmsghdr)) {
    n = send_one(&each, &left);
    if (n >= 0)
      n = store_length(&each, (unsigned)n);
    done += n >= 0;
  }
  return done > 0 ? done : n;
}

int64_t fdl_sendmmsg(const struct fdl_call *c)
{
  return with_socket(c, send_many);
}

/* Until one fails, or it is late, which is looked at only between two
 * messages. */
static int64_t recv_many(const struct fdl_call *c, int64_t end)
{
  uint64_t arg[4] = { c->arg[0], c->arg[1], c->arg[3] };
  struct fdl_call each = *c;
  int64_t n, done = 0;
  int error = 0;

  each.arg = arg;
  n = option(c, &fdemu_getsockopt_call, SO_ERROR, &error);
  if (n < 0 || error != 0)
    return n < 0 ? n : -error;
  for (; done < (unsigned)c->arg[2]; arg[1] += sizeof(struct mmsghdr)) {
    n = fdl_recvmsg(&each);
    if (n >= 0)
      n = store_length(&each, (unsigned)n);
    if (n < 0)
      break;
    done++;
    if (arg[2] & MSG_OOB) /* what is urgent comes alone */
      break;
    if (arg[2] & MSG_WAITFORONE)
      arg[2] |= MSG_DONTWAIT;
    if (fdemu_now(fdemu_kernel_of(c->p)) >= end)
      break;
  }
  if (done == 0)
    return n;
  error = (int)-n;
  if (n < 0 && n != -EAGAIN) /* for the next call to tell */
    option(c, &fdemu_setsockopt_call, SO_ERROR, &error);
  return done;
}

static int64_t recv_until(const struct fdl_call *c)
{
  int64_t start = fdemu_now(fdemu_kernel_of(c->p)), timeout, n;

  if (c->arg[3] & MSG_CMSG_COMPAT)
    return -EINVAL;
  if (c->arg[4] == 0)
    return recv_many(c, INT64_MAX);
  timeout = fdl_load_timespec(c, c->arg[4]);
  if (timeout < 0)
    return timeout;
  n = recv_many(c, timeout < INT64_MAX - start ? start + timeout : INT64_MAX);
  if (n > 0)
    fdl_store_timespec(c, c->arg[4], start, timeout);
  return n;
}

int64_t fdl_recvmmsg(const struct fdl_call *c)
{
  return with_socket(c, recv_until);
}

/* ---- options and names ------------------------------------------------ */

/* The size of an answer, fetched from where it will be stored. */
static size_t fetch_size(const struct fdl_call *c, uint64_t addr)
{
  int n;

  if (fdl_load(c, &n, addr, sizeof n) < 0)
    return SIZE_MAX;
  return n < 0 ? SIZE_MAX - 1 : (size_t)n;
}

int64_t fdl_setsockopt(const struct fdl_call *c)
{
  struct fdemu_req r;
  int n = (int)c->arg[4];

  fdl_fill(c, &r);
  r.arg = (int)c->arg[1];
  r.cmd = (unsigned)c->arg[2];
  r.buf.iov_base = address(c->arg[3]);
  r.buf.iov_len = n < 0 ? SIZE_MAX : (size_t)n;
  return fdemu_call(c->p, &r);
}

int64_t fdl_getsockopt(const struct fdl_call *c)
{
  struct fdemu_req r;
  int64_t result;
  int n;

  fdl_fill(c, &r);
  r.arg = (int)c->arg[1];
  r.cmd = (unsigned)c->arg[2];
  r.buf = (struct iovec){ address(c->arg[3]), fetch_size(c, c->arg[4]) };
  result = fdemu_call(c->p, &r);
  n = (int)r.done;
  return result < 0 ? result : fdl_store(c, c->arg[4], &n, sizeof n);
}

int64_t fdl_sockname(const struct fdl_call *c)
{
  struct fdemu_req r;
  int64_t result;
  int n;

  fdl_fill(c, &r);
  r.buf = (struct iovec){ address(c->arg[1]), fetch_size(c, c->arg[2]) };
  result = fdemu_call(c->p, &r);
  n = (int)r.offset;
  return result < 0 ? result : fdl_store(c, c->arg[2], &n, sizeof n);
}
