/* device.c - inodes of devices, and names for them */
#include <errno.h>

#include "core/kernel.h"

static void device_free(struct fdemu_inode *i)
{
  fdemu_free(i->kernel, i);
}

struct fdemu_inode *fdemu_device_new(struct fdemu_kernel *k,
                                     const struct fdemu_ops *ops, mode_t mode,
                                     dev_t rdev)
{
  struct fdemu_inode *i = fdemu_alloc(k, sizeof *i);

  if (i == NULL)
    return NULL;
  fdemu_inode_init(i, k, ops, mode, device_free);
  i->uid = 0;
  i->gid = 0;
  i->rdev = rdev;
  return i;
}

int fdemu_device_add(struct fdemu_kernel *k, const char *path,
                     const struct fdemu_ops *ops, mode_t mode, dev_t rdev)
{
  struct fdemu_inode *i = fdemu_device_new(k, ops, mode, rdev);
  int error;

  if (i == NULL)
    return -ENOMEM;
  error = fdemu_name(k, path, i);
  fdemu_inode_put(i);
  return error;
}
