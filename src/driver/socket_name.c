/*
 * socket_name.c - names of sockets: unix(7), "Autobind feature"
 *
 * There is no bind(2). But a socket without a name whose messages are to tell
 * who sends them (SO_PASSCRED) is given one with the first: a zero byte and five
 * hexadecimal digits. Linux begins anywhere, here the kernel counts; a name is
 * given again after a million others, and never while its socket is open.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "driver/socket.h"

#define DIGITS    5
#define NNAMES    (1u << 4 * DIGITS)
#define FAMILY    sizeof(sa_family_t)
#define NAME_SIZE (FAMILY + 1 + DIGITS)
#define FEWEST    8u

/* Per kernel: sockets by the last bits of their names, no two of which are the
 * same. There is room for twice as many as there are, up to all. */
struct names {
  struct fds_socket **at;
  unsigned room, n;
  unsigned next; /* what is tried next, counted on and on */
};

static struct names *names_of(struct fdemu_kernel *k)
{
  static const char key;

  return fdemu_local(k, &key, sizeof(struct names));
}

static struct fds_socket **place(const struct names *l, int name)
{
  return &l->at[(unsigned)name & (l->room - 1)];
}

static int grow(struct fdemu_kernel *k, struct names *l)
{
  struct names more = *l;

  if (l->n * 2 < l->room || l->room == NNAMES)
    return l->n < NNAMES ? 0 : -ENOSPC;
  more.room = l->room > 0 ? l->room * 2 : FEWEST;
  more.at = fdemu_alloc(k, more.room * sizeof *more.at);
  if (more.at == NULL)
    return -ENOMEM;
  memset(more.at, 0, more.room * sizeof *more.at);
  for (unsigned i = 0; i < l->room; i++)
    if (l->at[i] != NULL)
      *place(&more, l->at[i]->name) = l->at[i];
  fdemu_free(k, l->at);
  *l = more;
  return 0;
}

int fds_name_bind(struct fds_socket *s)
{
  struct names *l = names_of(s->inode.kernel);
  int error = l != NULL ? grow(s->inode.kernel, l) : -ENOMEM;

  if (error < 0)
    return error;
  while (*place(l, (int)(l->next % NNAMES)) != NULL)
    l->next++;
  s->name = (int)(l->next++ % NNAMES);
  *place(l, s->name) = s;
  l->n++;
  return 0;
}

/* Those who have messages of s go on telling it. */
void fds_name_unbind(struct fds_socket *s)
{
  struct names *l;

  if (s->name == FDS_NO_NAME)
    return;
  l = names_of(s->inode.kernel); /* it is there: no memory is needed */
  *place(l, s->name) = NULL;
  if (--l->n > 0)
    return;
  fdemu_free(s->inode.kernel, l->at);
  l->at = NULL;
  l->room = 0;
}

/* ---- addresses -------------------------------------------------------- */

/* Returns how long it is. */
static size_t compose(struct sockaddr_un *a, int name)
{
  memset(a, 0, sizeof *a);
  a->sun_family = AF_UNIX;
  if (name == FDS_NO_NAME)
    return FAMILY;
  for (int i = DIGITS; i > 0; i--, name >>= 4)
    a->sun_path[i] = "0123456789abcdef"[name & 15];
  return NAME_SIZE;
}

/* The socket that an address of n bytes names, or NULL. */
static struct fds_socket *named(struct fdemu_kernel *k,
                                const struct sockaddr_un *a, size_t n)
{
  const struct names *l = names_of(k);
  char digits[DIGITS + 1] = "";
  struct sockaddr_un own;
  struct fds_socket *s;

  if (l == NULL || l->n == 0 || n != NAME_SIZE)
    return NULL;
  memcpy(digits, a->sun_path + 1, DIGITS);
  s = *place(l, (int)strtol(digits, NULL, 16));
  return s != NULL && compose(&own, s->name) == n && memcmp(&own, a, n) == 0
             ? s
             : NULL;
}

/* unix_find_bsd() of Linux. No socket is bound to a file, whatever it is. */
static int64_t find_file(struct fdemu_proc *p, const struct sockaddr_un *a,
                         size_t n)
{
  char path[sizeof a->sun_path + 1] = "";
  struct fdemu_req r = { .call = &fdemu_faccessat2_call,
                         .fd = AT_FDCWD,
                         .path = path,
                         .arg = W_OK,
                         .cmd = AT_EACCESS,
                         .quiet = true };
  int64_t error;

  memcpy(path, a->sun_path, n - FAMILY);
  error = fdemu_submit(p, &r);
  return error < 0 ? error : -ECONNREFUSED;
}

/* Each type has names of its own. */
int64_t fds_name_find(const struct fds_socket *s, struct fdemu_req *r,
                      struct fds_socket **to)
{
  struct sockaddr_un a;
  int error = fdemu_load(r, &a, r->msg->msg_name, r->msg->msg_namelen);

  if (error < 0)
    return error;
  if (a.sun_path[0] != '\0')
    return find_file(r->proc, &a, r->msg->msg_namelen);
  *to = named(s->inode.kernel, &a, r->msg->msg_namelen);
  return *to != NULL && (*to)->type == s->type ? 0 : -ECONNREFUSED;
}

/* move_addr_to_user() of Linux: as much of it as there is room for, and how long
 * it is. Unlike getsockname(2), a sender without a name has no address. */
int fds_name_tell(struct fdemu_req *r, const struct fds_socket *from)
{
  struct msghdr *m = r->msg;
  struct sockaddr_un a;
  size_t size;

  if (m == NULL)
    return 0;
  m->msg_namelen = 0;
  if (m->msg_name == NULL || from == NULL || from->name == FDS_NO_NAME)
    return 0;
  size = compose(&a, from->name);
  m->msg_namelen = (socklen_t)size;
  return fdemu_store(r, m->msg_name, &a, size < r->room ? size : r->room);
}

/* ---- getsockname, getpeername ----------------------------------------- */

static int peer_name(const struct fds_socket *s)
{
  return s->peer != NULL ? s->peer->name : s->peer_name;
}

/* SO_PEERNAME: there has to be as much of it as is wanted. */
int64_t fds_name_option(const struct fds_socket *s, size_t room, void *v)
{
  struct sockaddr_un a;
  size_t size = compose(&a, peer_name(s));

  if (!s->connected)
    return -ENOTCONN;
  if (room > size)
    return -EINVAL;
  memcpy(v, &a, size);
  return (int64_t)size;
}

static int64_t store_name(struct fdemu_req *r, int name)
{
  struct sockaddr_un a;
  size_t size = compose(&a, name);
  size_t n = size < r->buf.iov_len ? size : r->buf.iov_len;

  if (r->buf.iov_len > INT_MAX)
    return r->buf.iov_len == SIZE_MAX ? -EFAULT : -EINVAL;
  r->offset = (int64_t)size;
  return n > 0 ? fdemu_arg_store(r, 0, &a, n) : 0;
}

int64_t fds_getsockname(struct fdemu_file *f, struct fdemu_req *r)
{
  return store_name(r, fds_of(f)->name);
}

int64_t fds_getpeername(struct fdemu_file *f, struct fdemu_req *r)
{
  const struct fds_socket *s = fds_of(f);

  return s->connected ? store_name(r, peer_name(s)) : -ENOTCONN;
}

static int64_t getsockname_run(struct fdemu_file *f, struct fdemu_req *r)
{
  return fds_methods_of(f) != NULL ? fds_methods_of(f)->getsockname(f, r)
                                   : -ENOTSOCK;
}

static int64_t getpeername_run(struct fdemu_file *f, struct fdemu_req *r)
{
  return fds_methods_of(f) != NULL ? fds_methods_of(f)->getpeername(f, r)
                                   : -ENOTSOCK;
}

const struct fdemu_call fdemu_getsockname_call = {
  .name = "getsockname",
  .args = "fd | sockname",
  .run = getsockname_run,
  .flags = FDEMU_CALL_FD,
};

const struct fdemu_call fdemu_getpeername_call = {
  .name = "getpeername",
  .args = "fd | sockname",
  .run = getpeername_run,
  .flags = FDEMU_CALL_FD,
};

static int get_name(struct fdemu_proc *p, const struct fdemu_call *call, int fd,
                    struct sockaddr *name, socklen_t *n)
{
  struct fdemu_req r = { .call = call, .fd = fd, .buf = { name, *n } };
  int64_t result = fdemu_call(p, &r);

  if (result == 0)
    *n = (socklen_t)r.offset;
  return (int)result;
}

int fdemu_getsockname(struct fdemu_proc *p, int fd, struct sockaddr *name,
                      socklen_t *n)
{
  return get_name(p, &fdemu_getsockname_call, fd, name, n);
}

int fdemu_getpeername(struct fdemu_proc *p, int fd, struct sockaddr *name,
                      socklen_t *n)
{
  return get_name(p, &fdemu_getpeername_call, fd, name, n);
}
