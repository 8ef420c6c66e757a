/* device.c - inodes of devices, and names for them */
#include <errno.h>

#include "core/kernel.h"

struct device {
  struct fdemu_inode inode;
  struct fdemu_attr attr;
};

static void device_free(struct fdemu_inode *i)
{
  fdemu_free(i->kernel, fdemu_entry(i, struct device, inode));
}

struct fdemu_inode *fdemu_device_new(struct fdemu_kernel *k,
                                     const struct fdemu_ops *ops, mode_t mode,
                                     dev_t rdev)
{
  struct device *d = fdemu_alloc(k, sizeof *d);

  if (d == NULL)
    return NULL;
  fdemu_inode_init(&d->inode, &d->attr, k, ops, mode, device_free);
  d->attr.uid = 0;
  d->attr.gid = 0;
  d->attr.rdev = rdev;
  return &d->inode;
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
