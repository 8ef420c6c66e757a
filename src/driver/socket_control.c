/*
 * socket_control.c - what goes beside the bytes of a message: descriptors and
 * credentials, as struct cmsghdrs in the caller's memory; cmsg(3), unix(7)
 *
 * While a call is made, r->driver has what a sender gave and no message has
 * taken yet. For a receiver r->offset counts the bytes of control data stored,
 * and r->arg are the flags that it will see.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "driver/socket.h"

#define MAX_FDS 253 /* SCM_MAX_FD */
#define NOBODY  65534

struct header {
  size_t len;
  int level, type;
};

_Static_assert(sizeof(struct header) == CMSG_LEN(0), "a struct cmsghdr");

/* ---- sending ---------------------------------------------------------- */

static void not_sent(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)f;
  if (r->driver != NULL)
    fds_rights_free(r->driver);
  r->driver = NULL;
}

/* What r->driver is from now on. NULL: no memory. */
static struct fds_rights *rights_of(struct fds_socket *s, struct fdemu_req *r)
{
  size_t room = r->msg->msg_controllen / sizeof(int);

  if (r->driver == NULL)
    r->driver =
        fds_rights_new(s->flight, room < MAX_FDS ? (unsigned)room : MAX_FDS);
  r->ended = not_sent;
  return r->driver;
}

/* scm_fp_copy() of Linux. */
static int load_fds(struct fds_socket *s, struct fdemu_req *r, const char *data,
                    size_t size)
{
  size_t n = size / sizeof(int);
  struct fds_rights *x;

  if (n == 0)
    return 0;
  if (n > MAX_FDS)
    return -EINVAL;
  x = rights_of(s, r);
  if (x == NULL)
    return -ENOMEM;
  if (x->n + n > MAX_FDS)
    return -EINVAL;
  for (size_t i = 0; i < n; i++) {
    struct fdemu_file *f;
    int fd, error = fdemu_load(r, &fd, data + i * sizeof fd, sizeof fd);
    if (error < 0)
      return error;
    f = fdemu_file_at(r->proc, fd);
    if (f == NULL)
      return -EBADF;
    fdemu_file_get(f);
    x->file[x->n++] = f;
  }
  return 0;
}

/* Only one's own. */
static int load_creds(struct fds_socket *s, struct fdemu_req *r,
                      const char *data, size_t size)
{
  struct fds_rights *x;
  struct ucred u;
  int error;

  if (size != sizeof u)
    return -EINVAL;
  error = fdemu_load(r, &u, data, sizeof u);
  if (error < 0)
    return error;
  if (u.uid == (uid_t)-1 || u.gid == (gid_t)-1) /* nobody's */
    return -EINVAL;
  if (u.pid != fdemu_getpid(r->proc) || u.uid != FDEMU_UID ||
      u.gid != FDEMU_UID)
    return -EPERM;
  x = rights_of(s, r);
  if (x == NULL)
    return -ENOMEM;
  x->creds = true;
  return 0;
}

static int load_one(struct fds_socket *s, struct fdemu_req *r,
                    const struct header *h, const char *data)
{
  if (h->level != SOL_SOCKET)
    return 0;
  switch (h->type) {
  case SCM_RIGHTS: return load_fds(s, r, data, h->len - sizeof *h);
  case SCM_CREDENTIALS: return load_creds(s, r, data, h->len - sizeof *h);
  default: return -EINVAL;
  }
}

/* The control data of a sendmsg(2), once. Whoever does not send it in the end
 * gives it back when the call ends. */
int fds_control_load(struct fds_socket *s, struct fdemu_req *r)
{
  const struct msghdr *m = r->msg;
  size_t at = 0;
  int error = 0;

  if (r->retry)
    return 0;
  r->driver = NULL;
  if (m == NULL || m->msg_control == NULL)
    return 0;
  while (error == 0 && at < m->msg_controllen &&
         m->msg_controllen - at >= sizeof(struct header)) {
    const char *base = (const char *)m->msg_control + at;
    struct header h;
    error = fdemu_load(r, &h, base, sizeof h);
    if (error == 0 && (h.len < sizeof h || h.len > m->msg_controllen - at))
      error = -EINVAL;
    if (error == 0)
      error = load_one(s, r, &h, base + sizeof h);
    at += CMSG_ALIGN(h.len);
  }
  return error;
}

/* b carries it. */
int fds_control_attach(struct fdemu_req *r, struct fds_buf *b)
{
  struct fds_rights *x = r->driver;
  int error = 0;

  if (x == NULL)
    return 0;
  if (x->creds)
    b->pid = fdemu_getpid(r->proc);
  if (x->n > 0)
    error = fds_rights_attach(r->proc, x, b);
  if (error == 0 && x->n > 0)
    r->driver = NULL;
  return error;
}

/* ---- receiving -------------------------------------------------------- */

/* Room that is left for control data. */
static size_t room(const struct fdemu_req *r)
{
  return r->msg->msg_controllen - (size_t)r->offset;
}

static char *place(const struct fdemu_req *r)
{
  return (char *)r->msg->msg_control + r->offset;
}

static void advance(struct fdemu_req *r, size_t n)
{
  r->offset += (int64_t)(n < room(r) ? n : room(r));
}

static bool has_control(const struct fdemu_req *r)
{
  return r->msg != NULL && r->msg->msg_control != NULL;
}

/* put_cmsg() of Linux: as much of it as there is room for. */
void fds_control_store(struct fdemu_req *r, int type, const void *data,
                       size_t n)
{
  struct header h = { CMSG_LEN(n), SOL_SOCKET, type };

  if (!has_control(r) || room(r) < h.len)
    r->arg |= MSG_CTRUNC;
  if (!has_control(r) || room(r) < sizeof h)
    return;
  if (h.len > room(r))
    h.len = room(r);
  if (fdemu_store(r, place(r), &h, sizeof h) == 0 &&
      fdemu_store(r, place(r) + sizeof h, data, h.len - sizeof h) == 0)
    advance(r, CMSG_SPACE(n));
}

/* Who sent it, if this socket wants to know; pid 0: it was not said. At the end
 * of a stream Linux shows zeros. */
void fds_control_creds(const struct fds_socket *s, struct fdemu_req *r, int pid)
{
  const unsigned id = pid > 0 ? FDEMU_UID : pid == 0 ? NOBODY : 0;
  const struct ucred u = { pid > 0 ? pid : 0, id, id };

  if (fds_passcred(s))
    fds_control_store(r, SCM_CREDENTIALS, &u, sizeof u);
}

/* No message has a security label; but who asks for them and has no room is
 * told that something is missing. */
void fds_control_label(const struct fds_socket *s, struct fdemu_req *r)
{
  if (s->booleans >> SO_PASSSEC & 1 && !has_control(r))
    r->arg |= MSG_CTRUNC;
}

/* One more descriptor: receive_fd() of Linux. */
static int install(struct fdemu_req *r, struct fdemu_file *f, char *where)
{
  int fd, error = fdemu_reserve(r->proc, &fd, 1);

  if (error < 0)
    return error;
  error = fdemu_store(r, where, &fd, sizeof fd);
  if (error < 0) {
    fdemu_unreserve(r->proc, &fd, 1);
    return error;
  }
  fdemu_file_get(f);
  fdemu_fill(r->proc, fd, f, (r->cmd & MSG_CMSG_CLOEXEC) != 0);
  return 0;
}

/* The descriptors in a message, as many as fit. The caller keeps x. */
void fds_control_rights(struct fdemu_req *r, const struct fds_rights *x)
{
  struct header h = { 0, SOL_SOCKET, SCM_RIGHTS };
  unsigned n = 0, max = 0;

  if (has_control(r) && room(r) > sizeof h)
    max = (unsigned)((room(r) - sizeof h) / sizeof(int) < x->n
                         ? (room(r) - sizeof h) / sizeof(int)
                         : x->n);
  while (n < max &&
         install(r, x->file[n], place(r) + CMSG_LEN(n * sizeof(int))) == 0)
    n++;
  h.len = CMSG_LEN(n * sizeof(int));
  if (n > 0 && fdemu_store(r, place(r), &h, sizeof h) == 0)
    advance(r, CMSG_SPACE(n * sizeof(int)));
  if (n < x->n)
    r->arg |= MSG_CTRUNC;
}

/* What is left, if this socket is to tell; of an urgent byte nothing is. */
static void store_inq(struct fdemu_req *r)
{
  const struct fds_socket *s = fds_of(r->file);
  int left;

  if (!s->inq || r->arg & MSG_OOB)
    return;
  left = fds_queued(s);
  fds_control_store(r, FDS_INQ, &left, sizeof left);
}

/* The last word of a recvmsg(2). What a signal ends has nothing but bytes, as on
 * Linux. */
int64_t fds_control_end(struct fdemu_req *r, int64_t result)
{
  struct msghdr *m = r->msg;

  if (m == NULL || (result < 0 && r->done == 0) || r->file == NULL)
    return result;
  if (result < 0 && fdemu_interrupted(r)) {
    r->offset = 0;
    r->arg = (int64_t)(r->cmd & MSG_CMSG_CLOEXEC);
  } else
    store_inq(r);
  if (fds_of(r->file)->type == SOCK_STREAM)
    m->msg_namelen = 0; /* none has a name */
  m->msg_controllen = (size_t)r->offset;
  m->msg_flags = (int)r->arg;
  return result;
}
