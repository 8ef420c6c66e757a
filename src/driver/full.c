/* full.c - /dev/full: has zeros without end, no room for anything; full(4) */
#include <errno.h>

#include "driver/devices.h"
#include "fdemu_driver.h"

static int64_t full_write(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)f;
  (void)r;
  return -ENOSPC;
}

const struct fdemu_ops fdemu_full_ops = {
  .name = "full",
  .mode = FDEMU_MODE_PREAD,
  .read = fdemu_device_zeros,
  .write = full_write,
  .lseek = fdemu_device_lseek,
};
