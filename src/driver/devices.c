/* devices.c - what every kernel has: devices under their names, a way to make
 * regular files, and /tmp */
#include <errno.h>

#include "fdemu_driver.h"

static const struct {
  int (*add)(struct fdemu_kernel *k, const char *path);
  const char *path;
} devices[] = {
  { fdemu_null_add, "/dev/null" },       { fdemu_zero_add, "/dev/zero" },
  { fdemu_full_add, "/dev/full" },       { fdemu_random_add, "/dev/random" },
  { fdemu_urandom_add, "/dev/urandom" }, { fdemu_console_add, "/dev/console" },
};

int fdemu_std_devices(struct fdemu_kernel *k)
{
  int error = 0;

  fdemu_maker(k, S_IFREG, fdemu_regular_new);
  for (size_t i = 0; error == 0 && i < sizeof devices / sizeof *devices; i++)
    error = devices[i].add(k, devices[i].path);
  if (error == 0)
    error = fdemu_mkdirat(fdemu_kernel_self(k), AT_FDCWD, "/tmp", 01777);
  return error == -EEXIST ? 0 : error;
}
