/*
 * hostfd.c - descriptions backed by a descriptor of the host
 *
 * The only place that makes system calls. The host's descriptor is never left
 * to block: what is not ready is -EAGAIN, and the kernel waits for the host
 * when nothing else can run (struct fdemu_source).
 */
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "fdemu_driver.h"

#define BATCH 64 /* host descriptors that one poll(2) asks about */

struct host {
  struct fdemu_inode inode;
  struct fdemu_attr attr;
  struct fdemu_source source; /* in the kernel's list unless always ready */
  int fd;
  bool owned, regular;
};

static struct host *host_of(const struct fdemu_file *f)
{
  return fdemu_entry(f->inode, struct host, inode);
}

static int host_ready(const struct host *h, int events)
{
  struct pollfd p = { .fd = h->fd, .events = (short)events };

  if (h->regular)
    return events & ~POLLPRI;
  return poll(&p, 1, 0) > 0 ? p.revents : 0;
}

/* ---- moving bytes ----------------------------------------------------- */

/* How much to ask the host for: of a stream no more than surely fits. */
static size_t batch(const struct host *h, const struct fdemu_req *r,
                    size_t size)
{
  size_t n = fdemu_left(r) < size ? fdemu_left(r) : size;

  return h->regular || n < PIPE_BUF ? n : PIPE_BUF;
}

static bool positioned(const struct fdemu_req *r)
{
  return (r->call->flags & FDEMU_CALL_AT) != 0;
}

/* Unlike Linux: what was read from a stream is lost if the caller's memory
 * cannot take it. */
static int64_t host_read(struct fdemu_file *f, struct fdemu_req *r)
{
  struct host *h = host_of(f);
  char buf[16384];

  do {
    size_t n = batch(h, r, sizeof buf);
    int64_t at = r->offset + (int64_t)r->done;
    ssize_t got;
    int error;
    if (n > 0 && !host_ready(h, POLLIN))
      return r->done > 0 ? (int64_t)r->done : -EAGAIN;
    got = positioned(r) ? pread(h->fd, buf, n, at) : read(h->fd, buf, n);
    if (got < 0)
      return -errno;
    error = fdemu_copy_out(r, buf, (size_t)got);
    if (error < 0 && h->regular && !positioned(r))
      lseek(h->fd, -got, SEEK_CUR); /* as if it had not been read */
    if (error < 0)
      return error;
    if ((size_t)got < n)
      break;
  } while (fdemu_left(r) > 0);
  return (int64_t)r->done;
}

/* write(2) or pwrite(2) without a SIGPIPE for this process. */
static ssize_t write_quietly(const struct host *h, const void *buf, size_t n,
                             const struct fdemu_req *r, int64_t at)
{
  const struct timespec no_time = { 0, 0 };
  sigset_t pipe_only, before;
  ssize_t put;
  int error;

  if (h->regular)
    return positioned(r) ? pwrite(h->fd, buf, n, at) : write(h->fd, buf, n);
  sigemptyset(&pipe_only);
  sigaddset(&pipe_only, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
  put = positioned(r) ? pwrite(h->fd, buf, n, at) : write(h->fd, buf, n);
  error = errno;
  if (put < 0 && error == EPIPE && !sigismember(&before, SIGPIPE))
    sigtimedwait(&pipe_only, NULL, &no_time);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  errno = error;
  return put;
}

static int64_t host_write(struct fdemu_file *f, struct fdemu_req *r)
{
  struct host *h = host_of(f);
  char buf[16384];

  fflush(stdout); /* what the C library holds back comes first */
  do {
    size_t n = batch(h, r, sizeof buf), done = r->done;
    int64_t at = r->offset + (int64_t)done;
    ssize_t put;
    int error;
    if (n > 0 && !host_ready(h, POLLOUT))
      return -EAGAIN;
    error = fdemu_copy_in(r, buf, n);
    if (error < 0)
      return error;
    put = write_quietly(h, buf, n, r, at);
    fdemu_rewind(r, done + (put > 0 ? (size_t)put : 0));
    if (put < 0)
      return -errno;
    if ((size_t)put < n)
      break;
  } while (fdemu_left(r) > 0);
  return (int64_t)r->done;
}

/* ---- the rest --------------------------------------------------------- */

static int64_t host_lseek(struct fdemu_file *f, struct fdemu_req *r)
{
  off_t pos = lseek(host_of(f)->fd, r->offset, (int)r->cmd);

  return pos < 0 ? -errno : pos;
}

/* Requests that fill in a struct of a known size; who else would know it? */
static int64_t host_ioctl(struct fdemu_file *f, struct fdemu_req *r)
{
  char block[64];
  size_t size;

  switch (r->cmd) {
  case FIONREAD: size = sizeof(int); break;
  case TCGETS: size = sizeof(struct termios); break;
  case TIOCGWINSZ: size = sizeof(struct winsize); break;
  default: return -ENOTTY;
  }
  if (ioctl(host_of(f)->fd, r->cmd, block) < 0)
    return -errno;
  return fdemu_arg_store(r, 0, block, size);
}

static int64_t host_stat(struct fdemu_file *f, struct fdemu_req *r)
{
  struct stat st;

  if (fstat(host_of(f)->fd, &st) < 0)
    return -errno;
  return fdemu_arg_store(r, 0, &st, sizeof st);
}

static int host_poll(struct fdemu_file *f)
{
  return host_ready(host_of(f),
                    POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLPRI);
}

static void host_free(struct fdemu_inode *i)
{
  struct host *h = fdemu_entry(i, struct host, inode);

  fdemu_source_remove(&h->source);
  if (h->owned)
    close(h->fd);
  fdemu_free(i->kernel, h);
}

/* ---- waiting for the host --------------------------------------------- */

static short waited(const struct host *h)
{
  return (short)((fdemu_waited(&h->inode.wq, POLLIN) ? POLLIN : 0) |
                 (fdemu_waited(&h->inode.wq, POLLOUT) ? POLLOUT : 0));
}

static struct host *host_at(struct fdemu_list *n)
{
  return fdemu_entry(n, struct host, source.link);
}

/* Up to BATCH that are waited for, from *n on; *n moves behind them. */
static nfds_t gather(struct fdemu_list *sources, struct fdemu_list **n,
                     struct pollfd *fds, struct host **hosts)
{
  nfds_t count = 0;

  for (; *n != sources && count < BATCH; *n = (*n)->next) {
    short events = waited(host_at(*n));
    if (events == 0)
      continue;
    hosts[count] = host_at(*n);
    fds[count++] = (struct pollfd){ .fd = host_at(*n)->fd, .events = events };
  }
  return count;
}

/* With more than BATCH descriptors, blocking waits on the batches in turn. */
static bool host_wait(struct fdemu_list *sources, bool block)
{
  struct pollfd fds[BATCH];
  struct host *hosts[BATCH];
  struct fdemu_list *n = sources->next;
  nfds_t count;
  bool any = false, woken = false;

  while (n != sources && (count = gather(sources, &n, fds, hosts)) > 0) {
    bool alone = !any && n == sources;
    any = true;
    if (poll(fds, count, !block || woken ? 0 : alone ? -1 : 10) <= 0)
      continue;
    for (nfds_t i = 0; i < count; i++)
      if (fds[i].revents != 0) {
        woken = true;
        fdemu_wake(&hosts[i]->inode.wq, fds[i].revents);
      }
  }
  return block ? any : woken;
}

static const struct fdemu_ops host_ops = {
  .name = "host",
  .mode = FDEMU_MODE_EPOLL,
  .read = host_read,
  .write = host_write,
  .lseek = host_lseek,
  .ioctl = host_ioctl,
  .stat = host_stat,
  .poll = host_poll,
};

int fdemu_host_new(struct fdemu_kernel *k, int fd, bool owned,
                   struct fdemu_file **f)
{
  struct stat st;
  int flags = fcntl(fd, F_GETFL);
  struct host *h;

  if (flags < 0 || fstat(fd, &st) < 0)
    return -EBADF;
  h = fdemu_alloc(k, sizeof *h);
  if (h == NULL)
    return -ENOMEM;
  fdemu_inode_init(&h->inode, &h->attr, k, &host_ops, st.st_mode, host_free);
  h->fd = fd;
  h->owned = false;
  h->regular = S_ISREG(st.st_mode) || S_ISDIR(st.st_mode);
  h->source.wait = host_wait;
  fdemu_list_init(&h->source.link);
  flags &= O_ACCMODE | O_APPEND | O_PATH;
  *f = fdemu_file_new(&h->inode, &host_ops, flags, NULL);
  if (*f == NULL)
    goto fail_inode;
  if (h->regular)
    (*f)->mode |= FDEMU_MODE_SHORT | FDEMU_MODE_PREAD;
  else
    fdemu_source_add(k, &h->source);
  h->owned = owned;
  fdemu_inode_put(&h->inode);
  return 0;

fail_inode:
  fdemu_inode_put(&h->inode);
  return -ENOMEM;
}
