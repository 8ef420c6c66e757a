/* devices.c - the devices that every kernel has, under their names */
#include "fdemu_driver.h"

int fdemu_std_devices(struct fdemu_kernel *k)
{
  int error = fdemu_null_add(k, "/dev/null");

  if (error == 0)
    error = fdemu_zero_add(k, "/dev/zero");
  if (error == 0)
    error = fdemu_full_add(k, "/dev/full");
  return error;
}
