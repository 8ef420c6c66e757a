/*
 * hostfd.c - descriptions backed by a descriptor of the host
 *
 * hostfd*.c are the only place that makes system calls. What a description of
 * the host can say itself, it is asked. It is never left to block: what is not
 * ready is -EAGAIN, and the kernel waits for the host when nothing else can run
 * (struct fdemu_source).
 *
 * O_NONBLOCK and O_ASYNC are this description's own, since the host's may be
 * others', too; so are the owner (F_SETOWN), leases, and locks, of which the
 * host's belong to the process that this is in.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "driver/hostfd.h"

#define CREATED_QUERY 1028 /* F_CREATED_QUERY, of Linux 6.12 */
#define OWN_FLAGS     (O_NONBLOCK | O_ASYNC)

int fdh_ready(const struct fdh_host *h, int events)
{
  struct pollfd p = { .fd = h->fd, .events = (short)events };

  return poll(&p, 1, 0) > 0 ? p.revents : 0;
}

/* As F_GETFL. */
int fdh_flags(const struct fdemu_file *f)
{
  int flags = fcntl(fdh_of(f)->fd, F_GETFL);

  if (flags < 0)
    return f->flags;
  return (flags & ~OWN_FLAGS) | (f->flags & OWN_FLAGS);
}

static int host_poll(struct fdemu_file *f)
{
  const struct fdh_host *h = fdh_of(f);

  return fdh_ready(h, POLLIN | POLLRDNORM | POLLRDBAND | POLLPRI | POLLOUT |
                          POLLWRNORM | POLLWRBAND | POLLRDHUP) |
         (h->error != 0 ? POLLERR : 0);
}

static int64_t host_lseek(struct fdemu_file *f, struct fdemu_req *r)
{
  off_t pos = lseek(fdh_of(f)->fd, r->offset, (int)r->cmd);

  return pos < 0 ? -errno : pos;
}

static int64_t host_truncate(struct fdemu_file *f, struct fdemu_req *r)
{
  return ftruncate(fdh_of(f)->fd, r->offset) < 0 ? -errno : 0;
}

static int64_t host_allocate(struct fdemu_file *f, struct fdemu_req *r)
{
  return fallocate(fdh_of(f)->fd, (int)r->cmd, r->offset, r->arg) < 0 ? -errno
                                                                      : 0;
}

static int64_t host_sync(struct fdemu_file *f, struct fdemu_req *r)
{
  int fd = fdh_of(f)->fd;
  int n = r->call == &fdemu_calls[FDEMU_FDATASYNC] ? fdatasync(fd) : fsync(fd);

  return n < 0 ? -errno : 0;
}

/* ---- the inode -------------------------------------------------------- */

static int64_t host_stat(struct fdemu_file *f, struct fdemu_req *r)
{
  struct stat st;

  if (fstat(fdh_of(f)->fd, &st) < 0)
    return -errno;
  return fdemu_arg_store(r, 0, &st, sizeof st);
}

/* What the core looks at. */
static void take_attr(struct fdh_host *h, const struct stat *st)
{
  h->inode.mode = st->st_mode;
  h->attr.uid = st->st_uid == geteuid() ? FDEMU_UID : st->st_uid;
  h->attr.gid = st->st_gid;
  h->attr.rdev = st->st_rdev;
  h->attr.size = st->st_size;
}

static int host_change(struct fdemu_inode *i, const struct fdemu_change *c)
{
  struct fdh_host *h = fdemu_entry(i, struct fdh_host, inode);
  struct stat st;
  int n;

  switch (c->what) {
  case FDEMU_CHANGE_MODE: n = fchmod(h->fd, c->mode); break;
  case FDEMU_CHANGE_OWNER: n = fchown(h->fd, c->uid, c->gid); break;
  default: n = futimens(h->fd, c->time); break;
  }
  if (n < 0)
    return -errno;
  if (fstat(h->fd, &st) == 0)
    take_attr(h, &st);
  return 0;
}

static void host_free(struct fdemu_inode *i)
{
  struct fdh_host *h = fdemu_entry(i, struct fdh_host, inode);

  fdh_poller_leave(h);
  if (h->terminal >= 0)
    close(h->terminal);
  if (h->owned)
    close(h->fd);
  fdemu_free(i->kernel, h);
}

#define COMMON \
  .name = "host", .mode = FDEMU_MODE_QUIET | FDEMU_MODE_DIRECT, \
  .first = fdh_first, .read = fdh_read, .write = fdh_write, \
  .ioctl = fdh_ioctl, .fcntl = fdh_fcntl, .stat = host_stat, \
  .change = host_change, .truncate = host_truncate, .allocate = host_allocate, \
  .sync = host_sync, .poll = host_poll

/* What has positions, what has none, and what has messages. */
static const struct fdemu_ops file_ops = { COMMON, .lseek = host_lseek };
static const struct fdemu_ops stream_ops = { COMMON };
static const struct fdemu_ops socket_ops = { COMMON, .socket = &fdh_socket };

static const struct fdemu_ops *ops_of(const struct fdh_host *h)
{
  if (h->socket != 0)
    return &socket_ops;
  return lseek(h->fd, 0, SEEK_CUR) < 0 && errno == ESPIPE ? &stream_ops
                                                          : &file_ops;
}

bool fdh_is_host(const struct fdemu_file *f)
{
  return f->inode->ops->first == fdh_first;
}

/* ---- making them ------------------------------------------------------ */

/* Of a device, what only the host knows: can epoll take it? */
static bool can_poll(int fd)
{
  struct epoll_event ev = { 0 };
  int ep = epoll_create1(EPOLL_CLOEXEC);
  bool can = epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == 0 || errno != EPERM;

  close(ep);
  return can;
}

static bool is_plain(int fd, mode_t mode)
{
  return S_ISREG(mode) || S_ISDIR(mode) || S_ISBLK(mode) ||
         (S_ISCHR(mode) && !can_poll(fd));
}

/* What splice(2) cannot do with it. */
static unsigned no_splice(const struct stat *st)
{
  if ((st->st_mode & S_IFMT) == 0)
    return FDEMU_MODE_NO_SPLICE_READ | FDEMU_MODE_NO_SPLICE_WRITE;
  if (S_ISDIR(st->st_mode) ||
      (S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3)))
    return FDEMU_MODE_NO_SPLICE_READ;
  return 0;
}

static unsigned mode_of(const struct fdh_host *h, const struct stat *st)
{
  unsigned mode = no_splice(st);

  if (h->plain && !S_ISCHR(st->st_mode))
    mode |= FDEMU_MODE_SHORT;
  if (!h->plain)
    mode |= FDEMU_MODE_EPOLL;
  if (!h->plain && (st->st_mode & S_IFMT) != 0)
    mode |= FDEMU_MODE_ASYNC;
  if (preadv(h->fd, NULL, 0, 0) == 0 || errno != ESPIPE)
    mode |= FDEMU_MODE_PREAD;
  if (h->socket != 0)
    mode |= h->socket == SOCK_STREAM ? FDEMU_MODE_LAST_FIRST
                                     : FDEMU_MODE_SPLICE_WAITS;
  if (fcntl(h->fd, CREATED_QUERY) == 1)
    mode |= FDEMU_MODE_CREATED;
  return mode;
}

/* The same object once more. Nothing here waits: not for the other end of a FIFO
 * of the host's either, which is -ENXIO. */
static int reopen(const struct fdh_host *h, int flags)
{
  char path[40];
  int fd;

  flags &= ~(O_CREAT | O_EXCL | O_NOFOLLOW);
  snprintf(path, sizeof path, "/proc/self/fd/%d", h->fd);
  fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0)
    return -errno;
  if (!(flags & O_NONBLOCK))
    fcntl(fd, F_SETFL, flags);
  return fd;
}

/* open(2) of what /proc/self/fd has: a description of its own, on the host too. */
static int64_t host_open(struct fdemu_inode *i, struct fdemu_req *r)
{
  struct fdemu_file *f = NULL;
  int error, fd = reopen(fdemu_entry(i, struct fdh_host, inode), (int)r->cmd);

  if (fd < 0)
    return fd;
  error = fdemu_host_new(i->kernel, fd, true, &f);
  if (error < 0) {
    close(fd);
    return error;
  }
  return fdemu_opened(r, f);
}

static struct fdh_host *host_new(struct fdemu_kernel *k, int fd,
                                 const struct stat *st)
{
  struct fdh_host *h = fdemu_alloc(k, sizeof *h);
  socklen_t n = sizeof h->socket;

  if (h == NULL)
    return NULL;
  memset(h, 0, sizeof *h);
  if (S_ISSOCK(st->st_mode))
    getsockopt(fd, SOL_SOCKET, SO_TYPE, &h->socket, &n);
  h->fd = fd;
  h->watched = -1;
  h->terminal = FDH_NOT_YET;
  h->plain = is_plain(fd, st->st_mode);
  fdemu_inode_init(&h->inode, &h->attr, k, ops_of(h), st->st_mode, host_free);
  h->inode.open = host_open;
  take_attr(h, st);
  fdemu_list_init(&h->link);
  return h;
}

/* Memory without a name, which was not opened. */
static bool is_memfd(int fd, const struct stat *st)
{
  char path[40], link[16] = "";

  if (!S_ISREG(st->st_mode) || st->st_nlink > 0)
    return false;
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return readlink(path, link, sizeof link) > 0 &&
         strncmp(link, "/memfd:", 7) == 0;
}

/* For leases: whatever else was opened, by whomever. */
static void count_open(struct fdh_host *h, int flags, const struct stat *st)
{
  h->attr.apart = is_memfd(h->fd, st);
  if (h->attr.apart)
    return;
  h->attr.opened.readers = (flags & O_ACCMODE) == O_RDONLY;
  h->attr.opened.writers = !h->attr.opened.readers;
}

/* Until it is complete it is not the host's owner. */
int fdemu_host_new(struct fdemu_kernel *k, int fd, bool owned,
                   struct fdemu_file **f)
{
  struct stat st;
  int flags = fcntl(fd, F_GETFL);
  struct fdh_host *h;

  if (flags < 0 || fstat(fd, &st) < 0)
    return -EBADF;
  h = host_new(k, fd, &st);
  if (h == NULL)
    return -ENOMEM;
  *f = NULL;
  count_open(h, flags, &st);
  if (h->plain || fdh_poller_join(h) == 0)
    *f = fdemu_file_new(&h->inode, h->inode.ops, flags & ~O_ASYNC, NULL);
  if (*f != NULL) {
    (*f)->mode |= mode_of(h, &st);
    h->owned = owned;
  }
  fdemu_inode_put(&h->inode);
  return *f != NULL ? 0 : -ENOMEM;
}
