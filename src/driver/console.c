/* console.c - /dev/console of a machine without a terminal: what is written
 * goes nowhere, nobody types */
#include <errno.h>
#include <sys/sysmacros.h>

#include "fdemu_driver.h"

static int64_t console_read(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)f;
  (void)r;
  return 0;
}

/* No position, as a terminal, and none of a terminal's ioctls. */
static const struct fdemu_ops console_ops = {
  .name = "console",
  .mode = FDEMU_MODE_EPOLL,
  .read = console_read,
  .write = fdemu_write_nowhere,
};

/* It belongs to who is logged in. */
int fdemu_console_add(struct fdemu_kernel *k, const char *path)
{
  struct fdemu_inode *i =
      fdemu_device_new(k, &console_ops, S_IFCHR | 0600, makedev(5, 1));
  int error;

  if (i == NULL)
    return -ENOMEM;
  i->attr->uid = FDEMU_UID;
  error = fdemu_name(k, path, i);
  fdemu_inode_put(i);
  return error;
}
