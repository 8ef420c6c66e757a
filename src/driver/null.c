/* null.c - /dev/null: takes everything, has nothing; null(4) */
#include <sys/sysmacros.h>

#include "fdemu_driver.h"

#define MODE (S_IFCHR | 0666)
#define RDEV makedev(1, 3)

static int64_t null_read(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)f;
  (void)r;
  return 0;
}

static const struct fdemu_ops null_ops = {
  .name = "null",
  .mode = FDEMU_MODE_LATE | FDEMU_MODE_PREAD | FDEMU_MODE_NO_SPLICE_READ,
  .read = null_read,
  .write = fdemu_write_nowhere,
  .lseek = fdemu_lseek_0,
};

int fdemu_null_add(struct fdemu_kernel *k, const char *path)
{
  return fdemu_device_add(k, path, &null_ops, MODE, RDEV);
}

struct fdemu_file *fdemu_null_new(struct fdemu_kernel *k, int flags)
{
  struct fdemu_inode *i = fdemu_device_new(k, &null_ops, MODE, RDEV);
  struct fdemu_file *f;

  if (i == NULL)
    return NULL;
  f = fdemu_file_new(i, &null_ops, flags, NULL);
  fdemu_inode_put(i);
  return f;
}
