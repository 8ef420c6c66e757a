/*
 * host.c - real descriptors: "host pipe O_NONBLOCK > r0 r1"
 *
 * Linux's side uses them, fdemu's wraps them (fdemu_host_new()): what they
 * answer there has to be what they answer here.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf.h"

enum { FILE_SIZE = 5000 };

/* O_NONBLOCK and O_CLOEXEC are SOCK_ and EFD_ flags, too. */
static int pair(int type, int flags, int fd[2])
{
  return socketpair(AF_UNIX, type | flags, 0, fd);
}

/* Of a name that is gone, with bytes in it. */
static int file(int flags, uid_t owner)
{
  static const char name[] = "host";
  static const char bytes[FILE_SIZE] = { 1, 2, 3, 4, 5 };
  int made = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644), fd;

  if (made < 0 || write(made, bytes, sizeof bytes) != sizeof bytes ||
      fchown(made, owner, owner) < 0 || fchmod(made, 0644) < 0)
    return -1;
  fd = open(name, flags);
  unlink(name);
  if (fd >= 0)
    dup2(fd, made); /* the lower number */
  close(fd);
  return made;
}

static int one(const char *what, int flags, uid_t owner)
{
  if (strcmp(what, "eventfd") == 0)
    return eventfd(0, flags);
  if (strcmp(what, "memfd") == 0)
    return memfd_create("name", MFD_ALLOW_SEALING);
  if (strcmp(what, "file") == 0)
    return file(flags, owner);
  return open(what, flags); /* a device */
}

/* The descriptors that "host what flags" means: how many, or -errno. */
int host_make(const char *what, int flags, uid_t owner, int fd[2])
{
  int n = 2, error;

  if (strcmp(what, "pipe") == 0)
    error = pipe2(fd, flags);
  else if (strcmp(what, "stream") == 0)
    error = pair(SOCK_STREAM, flags, fd);
  else if (strcmp(what, "datagrams") == 0)
    error = pair(SOCK_DGRAM, flags, fd);
  else if (strcmp(what, "packets") == 0)
    error = pair(SOCK_SEQPACKET, flags, fd);
  else {
    error = fd[0] = one(what, flags, owner);
    n = 1;
  }
  return error < 0 ? -errno : n;
}
