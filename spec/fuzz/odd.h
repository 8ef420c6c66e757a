/*
 * odd.h - a kind of file whose methods do anything that a driver may
 *
 * Each call of a method takes the next byte of a plan, which steps write: it
 * does what it should, or not now, keeps the request for a step to complete,
 * fails, cancels its own caller, ends its caller's process.
 */
#ifndef FUZZ_ODD_H
#define FUZZ_ODD_H

#include <errno.h>
#include <sys/stat.h>

#include "fdemu_driver.h"

#define NPLAN      16
#define NRELEASING 8

static uint8_t plan[NPLAN];
static unsigned planned;
static int odd_ready;   /* POLL* */
static size_t odd_left; /* bytes until it is full, or at its end */
static struct fdemu_list odd_kept;
static struct fdemu_file *releasing[NRELEASING];

/* Move n bytes if the call moves any. */
static int64_t odd_move(struct fdemu_req *r, size_t n)
{
  char bytes[64] = "odd";
  int error;

  n = n < fdemu_left(r) ? n : fdemu_left(r);
  n = n < sizeof bytes ? n : sizeof bytes;
  n = n < odd_left ? n : odd_left;
  odd_left -= n;
  error = r->call->flags & FDEMU_CALL_WRITE ? fdemu_copy_in(r, bytes, n)
                                            : fdemu_copy_out(r, bytes, n);
  return error < 0 ? error : (int64_t)r->done;
}

static int64_t odd_answer(struct fdemu_req *r, size_t n)
{
  const unsigned moves = FDEMU_CALL_READ | FDEMU_CALL_WRITE;

  return r->call->flags & moves ? odd_move(r, n) : 0;
}

static int64_t odd_keep(struct fdemu_req *r)
{
  fdemu_list_append(&odd_kept, &r->link);
  return FDEMU_PENDING;
}

static int64_t odd_method(struct fdemu_file *f, struct fdemu_req *r)
{
  const uint8_t how = plan[planned++ % NPLAN];

  if (r == NULL) /* a flush that nobody waits for */
    return 0;
  switch (how % 10) {
  case 0: return -EAGAIN;
  case 1: return odd_keep(r);
  case 2: return -EIO;
  case 3: odd_answer(r, how / 10); return -EAGAIN;
  case 4: fdemu_wake(&f->inode->wq, odd_ready); return odd_answer(r, 64);
  case 5: fdemu_cancel(r, EINTR); return odd_keep(r);
  case 6: fdemu_cancel(r, EINTR); return -EAGAIN;
  case 7:
    if (r->proc != fdemu_kernel_self(f->inode->kernel))
      fdemu_exit(r->proc, 3);
    return how & 64 ? -EAGAIN : odd_keep(r);
  default: return odd_answer(r, how / 4);
  }
}

/* Those that were cancelled are in no list any more. */
static void odd_cancel(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)f;
  (void)r;
}

static int odd_poll(struct fdemu_file *f)
{
  (void)f;
  return odd_ready;
}

/* Sometimes it lives on for a while. */
static int64_t odd_release(struct fdemu_file *f)
{
  const uint8_t how = plan[planned++ % NPLAN];
  struct fdemu_file **place = &releasing[how % NRELEASING];

  if (!(how & 128) || *place != NULL || f->data == plan)
    return 0;
  f->data = plan; /* only once */
  fdemu_file_get(f);
  *place = f;
  return FDEMU_PENDING;
}

#define ODD_METHODS \
  .read = odd_method, .write = odd_method, .ioctl = odd_method, \
  .sync = odd_method, .flush = odd_method, .truncate = odd_method, \
  .poll = odd_poll, .cancel = odd_cancel, .release = odd_release

static const struct fdemu_ops odd_ops = {
  .name = "odd", .mode = FDEMU_MODE_EPOLL | FDEMU_MODE_SHORT, ODD_METHODS
};

static const struct fdemu_ops seek_ops = { .name = "seek",
                                           .mode = FDEMU_MODE_SEEK |
                                                   FDEMU_MODE_PREAD |
                                                   FDEMU_MODE_SHORT,
                                           .flock = odd_method,
                                           .fcntl = odd_method,
                                           .lseek = odd_method,
                                           ODD_METHODS };

static void odd_add(struct fdemu_kernel *k)
{
  memset(plan, 8, sizeof plan);
  planned = 0;
  odd_ready = POLLIN | POLLOUT;
  odd_left = 20000;
  fdemu_list_init(&odd_kept);
  fdemu_device_add(k, "/dev/odd", &odd_ops, S_IFCHR | 0666, 1);
  fdemu_device_add(k, "/dev/seek", &seek_ops, S_IFCHR | 0666, 2);
}

/* What the driver does by itself. */
static void odd_step(const uint8_t *s)
{
  struct fdemu_req *r =
      fdemu_list_empty(&odd_kept)
          ? NULL
          : fdemu_entry(odd_kept.next, struct fdemu_req, link);
  struct fdemu_file **place = &releasing[s[2] % NRELEASING];

  switch (s[1] % 8) {
  case 0: memcpy(plan + s[2] % 8, s + 3, 5); break;
  case 1: odd_ready = s[2] & (POLLIN | POLLOUT | POLLERR | POLLHUP); break;
  case 2:
    if (*place != NULL)
      fdemu_file_put(*place);
    *place = NULL;
    break;
  case 3:
    if (r != NULL)
      fdemu_retry(r);
    break;
  case 4:
    if (r != NULL)
      fdemu_complete(r, -EAGAIN);
    break;
  case 5:
    if (r != NULL)
      fdemu_complete(r, -EIO);
    break;
  default:
    if (r != NULL)
      fdemu_complete(r, odd_answer(r, s[2]));
  }
}

static void odd_stop(void)
{
  for (int i = 0; i < NRELEASING; i++)
    if (releasing[i] != NULL) {
      struct fdemu_file *f = releasing[i];
      releasing[i] = NULL;
      fdemu_file_put(f);
    }
}

#endif
