/* devices.c - the devices that every kernel has, under their names */
#include <errno.h>

#include "fdemu_driver.h"

/* Those, and /tmp for everyone. */
int fdemu_std_devices(struct fdemu_kernel *k)
{
  int error = fdemu_null_add(k, "/dev/null");

  if (error == 0)
    error = fdemu_zero_add(k, "/dev/zero");
  if (error == 0)
    error = fdemu_full_add(k, "/dev/full");
  if (error == 0)
    error = fdemu_mkdirat(fdemu_kernel_self(k), AT_FDCWD, "/tmp", 01777);
  return error == -EEXIST ? 0 : error;
}
