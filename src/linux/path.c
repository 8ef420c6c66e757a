/* path.c - calls that take a path */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "linux/bynumber.h"

static int64_t open_path(const struct fdl_call *c, int dirfd, uint64_t addr,
                         uint64_t flags, uint64_t mode)
{
  char path[PATH_MAX];
  struct fdemu_req r;
  int error = fdl_load_path(c, path, addr);

  if (error < 0)
    return error;
  fdl_fill(c, &r);
  r.fd = dirfd;
  r.path = path;
  r.cmd = (unsigned)flags;
  r.arg = (mode_t)mode;
  return fdemu_call(c->p, &r);
}

int64_t fdl_open(const struct fdl_call *c)
{
  return open_path(c, AT_FDCWD, c->arg[0], c->arg[1], c->arg[2]);
}

int64_t fdl_openat(const struct fdl_call *c)
{
  return open_path(c, (int)c->arg[0], c->arg[1], c->arg[2], c->arg[3]);
}

int64_t fdl_creat(const struct fdl_call *c)
{
  return open_path(c, AT_FDCWD, c->arg[0], O_CREAT | O_WRONLY | O_TRUNC,
                   c->arg[1]);
}

/* 0: the descriptor itself is meant. So far no other file is known by a path
 * to these calls. */
static int64_t path_is_empty(const struct fdl_call *c, uint64_t addr, int flags)
{
  char path[PATH_MAX];
  int error;

  if (addr == 0 && flags & AT_EMPTY_PATH)
    return 0;
  error = fdl_load_path(c, path, addr);
  if (error < 0)
    return error;
  if (path[0] != '\0')
    return -ENOSYS;
  return flags & AT_EMPTY_PATH ? 0 : -ENOENT;
}

int64_t fdl_fstatat(const struct fdl_call *c)
{
  int flags = (int)c->arg[3];
  struct fdemu_req r;
  int64_t n;

  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH |
                AT_STATX_SYNC_TYPE))
    return -EINVAL;
  n = path_is_empty(c, c->arg[1], flags);
  if (n < 0)
    return n;
  fdl_fill(c, &r);
  return fdemu_call(c->p, &r);
}

static struct statx_timestamp stamp(const struct timespec *t)
{
  return (struct statx_timestamp){ .tv_sec = t->tv_sec,
                                   .tv_nsec = (uint32_t)t->tv_nsec };
}

static void to_statx(const struct stat *st, struct statx *x)
{
  memset(x, 0, sizeof *x);
  x->stx_mask = STATX_BASIC_STATS;
  x->stx_blksize = (uint32_t)st->st_blksize;
  x->stx_nlink = (uint32_t)st->st_nlink;
  x->stx_uid = st->st_uid;
  x->stx_gid = st->st_gid;
  x->stx_mode = (uint16_t)st->st_mode;
  x->stx_ino = st->st_ino;
  x->stx_size = (uint64_t)st->st_size;
  x->stx_blocks = (uint64_t)st->st_blocks;
  x->stx_atime = stamp(&st->st_atim);
  x->stx_ctime = stamp(&st->st_ctim);
  x->stx_mtime = stamp(&st->st_mtim);
  x->stx_rdev_major = (uint32_t)(st->st_rdev >> 8 & 0xfff);
  x->stx_rdev_minor = (uint32_t)(st->st_rdev & 0xff);
  x->stx_dev_major = (uint32_t)(st->st_dev >> 8 & 0xfff);
  x->stx_dev_minor = (uint32_t)(st->st_dev & 0xff);
}

int64_t fdl_statx(const struct fdl_call *c)
{
  int flags = (int)c->arg[2];
  struct fdemu_req r;
  struct statx x;
  struct stat st;
  int64_t n;

  if (c->arg[3] & STATX__RESERVED ||
      (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE ||
      flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH |
                AT_STATX_SYNC_TYPE))
    return -EINVAL;
  n = path_is_empty(c, c->arg[1], flags);
  if (n < 0)
    return n;
  fdl_fill(c, &r);
  r.mem = NULL;
  r.buf = (struct iovec){ &st, sizeof st };
  n = fdemu_call(c->p, &r);
  if (n < 0)
    return n;
  to_statx(&st, &x);
  return fdl_store(c, c->arg[4], &x, sizeof x);
}
