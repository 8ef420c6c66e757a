/* zero.c - /dev/zero: takes everything, has zeros without end; null(4) */
#include "driver/devices.h"
#include "fdemu_driver.h"

const struct fdemu_ops fdemu_zero_ops = {
  .name = "zero",
  .mode = FDEMU_MODE_PREAD,
  .read = fdemu_device_zeros,
  .write = fdemu_device_sink,
  .lseek = fdemu_device_lseek,
};
