/* devices.c - the memory devices under their names in /dev */
#include "driver/devices.h"

#include <errno.h>
#include <sys/sysmacros.h>

#define MEM_MAJOR 1

int64_t fdemu_device_sink(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)f;
  return (int64_t)r->len;
}

int64_t fdemu_device_zeros(struct fdemu_file *f, struct fdemu_req *r)
{
  int error = fdemu_copy_zeros(r, fdemu_left(r));

  (void)f;
  return error < 0 ? error : (int64_t)r->done;
}

int64_t fdemu_device_lseek(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)f;
  (void)r;
  return 0;
}

static void device_free(struct fdemu_inode *i)
{
  fdemu_free(i->kernel, i);
}

static struct fdemu_inode *device_new(struct fdemu_kernel *k,
                                      const struct fdemu_ops *ops,
                                      unsigned minor)
{
  struct fdemu_inode *i = fdemu_alloc(k, sizeof *i);

  if (i == NULL)
    return NULL;
  fdemu_inode_init(i, k, ops, S_IFCHR | 0666, device_free);
  i->rdev = makedev(MEM_MAJOR, minor);
  return i;
}

static int device_add(struct fdemu_kernel *k, const char *path,
                      const struct fdemu_ops *ops, unsigned minor)
{
  struct fdemu_inode *i = device_new(k, ops, minor);
  int error;

  if (i == NULL)
    return -ENOMEM;
  error = fdemu_name(k, path, i);
  fdemu_inode_put(i);
  return error;
}

struct fdemu_file *fdemu_null_new(struct fdemu_kernel *k, int flags)
{
  struct fdemu_inode *i = device_new(k, &fdemu_null_ops, 3);
  struct fdemu_file *f;

  if (i == NULL)
    return NULL;
  f = fdemu_file_new(i, &fdemu_null_ops, flags, NULL);
  fdemu_inode_put(i);
  return f;
}

int fdemu_std_devices(struct fdemu_kernel *k)
{
  int error = device_add(k, "/dev/null", &fdemu_null_ops, 3);

  if (error == 0)
    error = device_add(k, "/dev/zero", &fdemu_zero_ops, 5);
  if (error == 0)
    error = device_add(k, "/dev/full", &fdemu_full_ops, 7);
  return error;
}
