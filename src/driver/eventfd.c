/* eventfd.c - a counter that is added to and taken from; eventfd(2) */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "fdemu_driver.h"

#define MAXIMUM (UINT64_MAX - 1)

struct eventfd {
  struct fdemu_file file;
  struct fdemu_inode inode;
  uint64_t count;
  bool semaphore; /* a read takes 1 rather than all */
};

static struct eventfd *eventfd_of(const struct fdemu_file *f)
{
  return fdemu_entry(f->inode, struct eventfd, inode);
}

/* What is taken is gone even if the caller's memory is bad, as on Linux. */
static int64_t counter_read(struct fdemu_file *f, struct fdemu_req *r)
{
  struct eventfd *e = eventfd_of(f);
  uint64_t n = e->semaphore ? 1 : e->count;
  int error;

  if (r->len < sizeof n)
    return -EINVAL;
  if (e->count == 0)
    return -EAGAIN;
  e->count -= n;
  error = fdemu_copy_out(r, &n, sizeof n);
  fdemu_wake(&e->inode.wq, POLLOUT);
  return error < 0 ? error : (int64_t)sizeof n;
}

/* One write(2). A value that there is no room for yet is not taken. */
static int64_t add(struct eventfd *e, struct fdemu_req *r)
{
  size_t done = r->done;
  uint64_t n;
  int error;

  if (fdemu_piece(r) != sizeof n)
    return -EINVAL;
  error = fdemu_copy_in(r, &n, sizeof n);
  if (error < 0)
    return error;
  if (n <= MAXIMUM - e->count) {
    e->count += n;
    fdemu_wake(&e->inode.wq, POLLIN);
    return 0;
  }
  fdemu_rewind(r, done);
  return n > MAXIMUM ? -EINVAL : -EAGAIN;
}

/* Each element of a writev(2) is a write of its own: 16 bytes in two of 8 are
 * two numbers, 8 bytes in two of 4 are none. */
static int64_t counter_write(struct fdemu_file *f, struct fdemu_req *r)
{
  int64_t error;

  do
    error = add(eventfd_of(f), r);
  while (error == 0 && fdemu_left(r) > 0);
  return error < 0 ? error : (int64_t)r->done;
}

static int eventfd_poll(struct fdemu_file *f)
{
  const struct eventfd *e = eventfd_of(f);

  return (e->count > 0 ? POLLIN : 0) | (e->count < MAXIMUM ? POLLOUT : 0);
}

static void eventfd_free(struct fdemu_inode *i)
{
  fdemu_object_free(i->kernel, fdemu_entry(i, struct eventfd, inode));
}

static const struct fdemu_ops eventfd_ops = {
  .name = "eventfd",
  .mode = FDEMU_MODE_LATE | FDEMU_MODE_EPOLL | FDEMU_MODE_NO_SPLICE_READ |
          FDEMU_MODE_NO_SPLICE_WRITE | FDEMU_MODE_NO_RWF_WRITE,
  .read = counter_read,
  .write = counter_write,
  .lseek = fdemu_lseek_0,
  .poll = eventfd_poll,
};

static struct fdemu_file *eventfd_new(struct fdemu_kernel *k, unsigned count,
                                      int flags)
{
  struct eventfd *e = fdemu_object_alloc(k, sizeof *e);

  if (e == NULL)
    return NULL;
  fdemu_inode_init(&e->inode, NULL, k, &eventfd_ops, 0600, eventfd_free);
  e->count = count;
  e->semaphore = (flags & EFD_SEMAPHORE) != 0;
  fdemu_file_init(&e->file, &e->inode, &eventfd_ops,
                  O_RDWR | (flags & O_NONBLOCK), NULL);
  fdemu_inode_put(&e->inode);
  return &e->file;
}

static int64_t eventfd_make(struct fdemu_file *unused, struct fdemu_req *r)
{
  const int flags = (int)r->cmd;
  struct fdemu_file *f;
  int fd, error;

  (void)unused;
  if (flags & ~(EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK))
    return -EINVAL;
  error = fdemu_reserve(r->proc, &fd, 1);
  if (error < 0)
    return error;
  f = eventfd_new(fdemu_kernel_of(r->proc), (unsigned)r->arg, flags);
  if (f == NULL) {
    fdemu_unreserve(r->proc, &fd, 1);
    return -ENOMEM;
  }
  fdemu_fill(r->proc, fd, f, (flags & EFD_CLOEXEC) != 0);
  return fd;
}

const struct fdemu_call fdemu_eventfd_call = {
  .name = "eventfd2",
  .args = "arg eventfd_flags",
  .run = eventfd_make,
};

int fdemu_eventfd(struct fdemu_proc *p, unsigned initval, int flags)
{
  struct fdemu_req r = {
    .call = &fdemu_eventfd_call,
    .arg = initval,
    .cmd = (unsigned long)flags,
  };

  return (int)fdemu_call(p, &r);
}
