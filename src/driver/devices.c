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
  { fdemu_tty_add, "/dev/tty" },
};

static const struct {
  const char *target, *path;
} links[] = {
  { "/proc/self/fd", "/dev/fd" },
  { "/proc/self/fd/0", "/dev/stdin" },
  { "/proc/self/fd/1", "/dev/stdout" },
  { "/proc/self/fd/2", "/dev/stderr" },
};

static int64_t node_open(struct fdemu_inode *i, struct fdemu_req *r)
{
  (void)i;
  (void)r;
  return -ENXIO;
}

/* A name that nobody can open: a socket's, or a whiteout. */
static struct fdemu_inode *node_new(struct fdemu_kernel *k, mode_t mode)
{
  static const struct fdemu_ops sock_ops = { .name = "socket",
                                             .mode = FDEMU_MODE_DIRECT };
  static const struct fdemu_ops char_ops = { .name = "whiteout",
                                             .mode = FDEMU_MODE_DIRECT };

  struct fdemu_inode *i =
      fdemu_device_new(k, S_ISCHR(mode) ? &char_ops : &sock_ops, mode, 0);

  if (i != NULL)
    i->open = node_open;
  return i;
}

/* 0 if it is there already: a second attempt goes on where the first ended. */
static int there(int error)
{
  return error == -EEXIST ? 0 : error;
}

static int add_directories(struct fdemu_kernel *k)
{
  struct fdemu_proc *self = fdemu_kernel_self(k);
  int error = there(fdemu_mkdirat(self, AT_FDCWD, "/tmp", 01777));

  if (error == 0)
    error = there(fdemu_mkdirat(self, AT_FDCWD, "/proc", 0555));
  if (error == 0)
    error = there(fdemu_mkdirat(self, AT_FDCWD, "/proc/self", 0555));
  if (error == 0)
    error = fdemu_procfd_add(k, "/proc/self/fd");
  for (size_t i = 0; error == 0 && i < sizeof links / sizeof *links; i++)
    error =
        there(fdemu_symlinkat(self, links[i].target, AT_FDCWD, links[i].path));
  return error;
}

int fdemu_std_devices(struct fdemu_kernel *k)
{
  int error = 0;

  fdemu_maker(k, S_IFREG, fdemu_regular_new);
  fdemu_maker(k, S_IFIFO, fdemu_fifo_new);
  fdemu_maker(k, S_IFSOCK, node_new);
  fdemu_maker(k, S_IFCHR, node_new);
  for (size_t i = 0; error == 0 && i < sizeof devices / sizeof *devices; i++)
    error = devices[i].add(k, devices[i].path);
  return error == 0 ? add_directories(k) : error;
}
