/* console.c - /dev/console and /dev/tty of a machine without a terminal: what is
 * written goes nowhere, nobody types */
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
  .mode = FDEMU_MODE_LATE | FDEMU_MODE_EPOLL,
  .read = console_read,
  .write = fdemu_write_nowhere,
};

/* Takes the reference to i, which is NULL without memory. */
static int name_it(struct fdemu_kernel *k, const char *path,
                   struct fdemu_inode *i)
{
  int error;

  if (i == NULL)
    return -ENOMEM;
  error = fdemu_name(k, path, i);
  fdemu_inode_put(i);
  return error;
}

/* It belongs to who is logged in. */
int fdemu_console_add(struct fdemu_kernel *k, const char *path)
{
  struct fdemu_inode *i =
      fdemu_device_new(k, &console_ops, S_IFCHR | 0600, makedev(5, 1));

  if (i != NULL)
    i->attr->uid = FDEMU_UID;
  return name_it(k, path, i);
}

static const struct fdemu_ops tty_ops = { .name = "tty",
                                          .mode = FDEMU_MODE_DIRECT };

/* No process has a controlling terminal. */
static int64_t tty_open(struct fdemu_inode *i, struct fdemu_req *r)
{
  (void)i;
  (void)r;
  return -ENXIO;
}

int fdemu_tty_add(struct fdemu_kernel *k, const char *path)
{
  struct fdemu_inode *i =
      fdemu_device_new(k, &tty_ops, S_IFCHR | 0666, makedev(5, 0));

  if (i != NULL)
    i->open = tty_open;
  return name_it(k, path, i);
}
