/* null.c - /dev/null: takes everything, has nothing; null(4) */
#include "driver/devices.h"
#include "fdemu_driver.h"

static int64_t null_read(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)f;
  (void)r;
  return 0;
}

const struct fdemu_ops fdemu_null_ops = {
  .name = "null",
  .mode = FDEMU_MODE_PREAD,
  .read = null_read,
  .write = fdemu_device_sink,
  .lseek = fdemu_device_lseek,
};
