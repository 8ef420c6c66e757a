/* full.c - /dev/full: has zeros without end, no room for anything; full(4) */
#include <errno.h>
#include <sys/sysmacros.h>

#include "fdemu_driver.h"

static int64_t full_write(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)f;
  (void)r;
  return -ENOSPC;
}

static const struct fdemu_ops full_ops = {
  .name = "full",
  .mode = FDEMU_MODE_LATE | FDEMU_MODE_PREAD | FDEMU_MODE_NO_SPLICE_WRITE |
          FDEMU_MODE_NO_NOWAIT | FDEMU_MODE_NO_RWF_WRITE,
  .read = fdemu_read_zeros,
  .write = full_write,
  .lseek = fdemu_lseek_0,
};

int fdemu_full_add(struct fdemu_kernel *k, const char *path)
{
  return fdemu_device_add(k, path, &full_ops, S_IFCHR | 0666, makedev(1, 7));
}
