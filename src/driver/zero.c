/* zero.c - /dev/zero: takes everything, has zeros without end; null(4) */
#include <sys/sysmacros.h>

#include "fdemu_driver.h"

static const struct fdemu_ops zero_ops = {
  .name = "zero",
  .mode = FDEMU_MODE_LATE | FDEMU_MODE_PREAD,
  .read = fdemu_read_zeros,
  .write = fdemu_write_nowhere,
  .lseek = fdemu_lseek_0,
};

int fdemu_zero_add(struct fdemu_kernel *k, const char *path)
{
  return fdemu_device_add(k, path, &zero_ops, S_IFCHR | 0666, makedev(1, 5));
}
