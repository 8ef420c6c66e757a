/*
 * random.c - /dev/random and /dev/urandom: bytes by chance; random(4)
 *
 * Each has a generator of its own, which depends on the kernel's seed alone: to
 * read here changes nothing else that chance decides, nor does writing add any.
 */
#include <errno.h>
#include <linux/random.h>
#include <poll.h>
#include <sys/sysmacros.h>

#include "fdemu_driver.h"

#define ENTROPY 256 /* bits, ever */

struct random {
  struct fdemu_inode inode;
  struct fdemu_attr attr;
  uint64_t state;
};

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t next(uint64_t *state)
{
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);

  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static int64_t random_read(struct fdemu_file *f, struct fdemu_req *r)
{
  struct random *g = fdemu_entry(f->inode, struct random, inode);
  uint64_t block[64];
  int error = 0;

  while (fdemu_left(r) > 0 && error == 0) {
    size_t n = fdemu_left(r) < sizeof block ? fdemu_left(r) : sizeof block;
    for (size_t i = 0; i * sizeof *block < n; i++)
      block[i] = next(&g->state);
    error = fdemu_give(r, block, n);
  }
  return error < 0 ? error : (int64_t)r->done;
}

static int64_t random_write(struct fdemu_file *f, struct fdemu_req *r)
{
  char block[512];
  int error = 0;

  (void)f;
  while (fdemu_left(r) > 0 && error == 0)
    error = fdemu_take(
        r, block, fdemu_left(r) < sizeof block ? fdemu_left(r) : sizeof block);
  return error < 0 ? error : (int64_t)r->done;
}

static int64_t random_ioctl(struct fdemu_file *f, struct fdemu_req *r)
{
  const int bits = ENTROPY;

  (void)f;
  switch (r->cmd) {
  case RNDGETENTCNT: return fdemu_arg_store(r, 0, &bits, sizeof bits);
  case RNDADDTOENTCNT:
  case RNDADDENTROPY:
  case RNDZAPENTCNT:
  case RNDCLEARPOOL:
  case RNDRESEEDCRNG: return -EPERM;
  default: return -EINVAL;
  }
}

static int random_poll(struct fdemu_file *f)
{
  (void)f;
  return POLLIN | POLLRDNORM;
}

static void random_free(struct fdemu_inode *i)
{
  fdemu_free(i->kernel, fdemu_entry(i, struct random, inode));
}

#define METHODS \
  .read = random_read, .write = random_write, .ioctl = random_ioctl, \
  .lseek = fdemu_lseek_0

static const struct fdemu_ops random_ops = {
  .name = "random",
  .mode =
      FDEMU_MODE_LATE | FDEMU_MODE_PREAD | FDEMU_MODE_ASYNC | FDEMU_MODE_EPOLL,
  METHODS,
  .poll = random_poll,
};

static const struct fdemu_ops urandom_ops = {
  .name = "urandom",
  .mode = FDEMU_MODE_LATE | FDEMU_MODE_PREAD | FDEMU_MODE_ASYNC,
  METHODS,
};

static int add(struct fdemu_kernel *k, const char *path,
               const struct fdemu_ops *ops, unsigned minor_number)
{
  struct random *g = fdemu_alloc(k, sizeof *g);
  int error;

  if (g == NULL)
    return -ENOMEM;
  fdemu_inode_init(&g->inode, &g->attr, k, ops, S_IFCHR | 0666, random_free);
  g->attr.uid = g->attr.gid = 0;
  g->attr.rdev = makedev(1, minor_number);
  g->state = ~fdemu_seed(k) ^ minor_number;
  error = fdemu_name(k, path, &g->inode);
  fdemu_inode_put(&g->inode);
  return error;
}

int fdemu_random_add(struct fdemu_kernel *k, const char *path)
{
  return add(k, path, &random_ops, 8);
}

int fdemu_urandom_add(struct fdemu_kernel *k, const char *path)
{
  return add(k, path, &urandom_ops, 9);
}
