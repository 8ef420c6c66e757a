/* path.c - calls that take a path */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "linux/bynumber.h"

/*
 * Linux looks at flags, and at what comes before a path, even if the path
 * cannot be read; so the call is made without one, which is -EFAULT when its
 * turn comes. Returns the path, or NULL and what is wrong with it.
 */
static const char *fetch(const struct fdl_call *c, char path[], uint64_t addr,
                         int *error)
{
  int e = fdl_load_path(c, path, addr);

  if (e == 0)
    return path;
  if (*error == 0)
    *error = e;
  return NULL;
}

static int64_t answer(struct fdemu_proc *p, struct fdemu_req *r, int error)
{
  int64_t n = fdemu_call(p, r);

  return n == -EFAULT && error < 0 ? error : n;
}

/* Make the call with a path from dirfd on; the other arguments are in the
 * registers that the row's letters say. */
static int64_t with_path(const struct fdl_call *c, int dirfd, uint64_t addr)
{
  char path[PATH_MAX];
  struct fdemu_req r;
  int error = 0;

  fdl_fill(c, &r);
  r.fd = dirfd;
  r.path = fetch(c, path, addr, &error);
  return answer(c->p, &r, error);
}

/* The same where no path at all is as good as an empty one. */
static const char *fetch_or_empty(const struct fdl_call *c, char path[],
                                  uint64_t addr, int flags, int *error)
{
  return addr == 0 && flags & AT_EMPTY_PATH ? "" : fetch(c, path, addr, error);
}

static int64_t open_path(const struct fdl_call *c, int dirfd, uint64_t addr,
                         uint64_t flags, uint64_t mode)
{
  char path[PATH_MAX];
  struct fdemu_req r;
  int error = 0;

  fdl_fill(c, &r);
  r.fd = dirfd;
  r.path = fetch(c, path, addr, &error);
  r.cmd = (unsigned)flags;
  r.arg = (mode_t)mode;
  return answer(c->p, &r, error);
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

int64_t fdl_fstatat(const struct fdl_call *c)
{
  char path[PATH_MAX];
  struct fdemu_req r;
  int error = 0;

  fdl_fill(c, &r);
  r.path = fetch_or_empty(c, path, c->arg[1], (int)c->arg[3], &error);
  return answer(c->p, &r, error);
}

static struct statx_timestamp stamp(const struct timespec *t)
{
  return (struct statx_timestamp){ .tv_sec = t->tv_sec,
                                   .tv_nsec = (uint32_t)t->tv_nsec };
}

/* flags: what newfstatat(2) leaves in arg. Unlike Linux: what is mounted is not
 * told. */
static void to_statx(const struct stat *st, int64_t flags, struct statx *x)
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
  if (flags < 0)
    return;
  x->stx_attributes = (uint64_t)flags & STATX_ATTR_NODUMP;
  x->stx_attributes_mask =
      STATX_ATTR_NODUMP | STATX_ATTR_APPEND | STATX_ATTR_IMMUTABLE;
}

int64_t fdl_statx(const struct fdl_call *c)
{
  int flags = (int)c->arg[2], error = 0;
  char path[PATH_MAX];
  struct fdemu_req r;
  struct statx x;
  struct stat st;
  int64_t n;

  if (c->arg[3] & STATX__RESERVED ||
      (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE)
    return -EINVAL;
  fdl_fill(c, &r);
  r.path = fetch_or_empty(c, path, c->arg[1], flags, &error);
  r.cmd = (unsigned)flags;
  r.buf = (struct iovec){ &st, sizeof st };
  r.mem = NULL;
  n = answer(c->p, &r, error);
  if (n < 0)
    return n;
  to_statx(&st, r.arg, &x);
  return fdl_store(c, c->arg[4], &x, sizeof x);
}

/* ---- names ------------------------------------------------------------ */

/* (path, ...) */
int64_t fdl_path(const struct fdl_call *c)
{
  return with_path(c, AT_FDCWD, c->arg[0]);
}

/* (dirfd, path, ...) */
int64_t fdl_path_at(const struct fdl_call *c)
{
  return with_path(c, (int)c->arg[0], c->arg[1]);
}

/* With cmd = flags that the call implies, and that take no register. */
static int64_t path_with(const struct fdl_call *c, int flags)
{
  char path[PATH_MAX];
  struct fdemu_req r;
  int error = fdl_load_path(c, path, c->arg[0]);

  if (error < 0)
    return error;
  fdl_fill(c, &r);
  r.fd = AT_FDCWD;
  r.path = path;
  r.cmd = (unsigned)flags;
  return fdemu_call(c->p, &r);
}

int64_t fdl_lpath(const struct fdl_call *c)
{
  return path_with(c, AT_SYMLINK_NOFOLLOW);
}

int64_t fdl_rmdir(const struct fdl_call *c)
{
  return path_with(c, AT_REMOVEDIR);
}

/* Two paths, from descriptors on. */
static int64_t two_paths(const struct fdl_call *c, int fd, uint64_t addr,
                         int fd2, uint64_t addr2, uint64_t flags)
{
  char path[PATH_MAX], path2[PATH_MAX];
  struct fdemu_req r;
  int error = 0;

  fdl_fill(c, &r);
  r.fd = fd;
  r.path = fetch(c, path, addr, &error);
  r.arg = fd2;
  r.path2 = fetch(c, path2, addr2, &error);
  r.cmd = (unsigned)flags;
  return answer(c->p, &r, error);
}

/* link, rename */
int64_t fdl_paths(const struct fdl_call *c)
{
  return two_paths(c, AT_FDCWD, c->arg[0], AT_FDCWD, c->arg[1], 0);
}

/* renameat has no flags, whatever is in the register. */
int64_t fdl_paths_at(const struct fdl_call *c)
{
  return two_paths(c, (int)c->arg[0], c->arg[1], (int)c->arg[2], c->arg[3], 0);
}

/* linkat, renameat2 */
int64_t fdl_paths_flags(const struct fdl_call *c)
{
  return two_paths(c, (int)c->arg[0], c->arg[1], (int)c->arg[2], c->arg[3],
                   c->arg[4]);
}

int64_t fdl_symlink(const struct fdl_call *c)
{
  return two_paths(c, AT_FDCWD, c->arg[1], AT_FDCWD, c->arg[0], 0);
}

int64_t fdl_symlinkat(const struct fdl_call *c)
{
  return two_paths(c, (int)c->arg[1], c->arg[2], AT_FDCWD, c->arg[0], 0);
}

/* Modes are 16 bits of the register. */
static int64_t with_mode(const struct fdl_call *c, int fd, uint64_t addr,
                         uint64_t mode, uint64_t flags)
{
  char path[PATH_MAX] = "";
  struct fdemu_req r;
  int error = 0;

  if ((flags & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) == 0)
    error = fdl_load_path(c, path, addr);
  if (error < 0)
    return error;
  fdl_fill(c, &r);
  r.fd = fd;
  r.path = path;
  r.arg = (uint16_t)mode;
  r.cmd = (unsigned)flags;
  return fdemu_call(c->p, &r);
}

/* mkdir, chmod */
int64_t fdl_mode(const struct fdl_call *c)
{
  return with_mode(c, AT_FDCWD, c->arg[0], c->arg[1], 0);
}

int64_t fdl_mode_at(const struct fdl_call *c)
{
  return with_mode(c, (int)c->arg[0], c->arg[1], c->arg[2], 0);
}

int64_t fdl_mode_flags(const struct fdl_call *c)
{
  return with_mode(c, (int)c->arg[0], c->arg[1], c->arg[2],
                   (unsigned)c->arg[3]);
}

/* The kernel's dev_t, 12 bits of major and 20 of minor, as struct stat has it. */
static int64_t mknod_at(const struct fdl_call *c, int fd, const uint64_t *arg)
{
  uint64_t dev = (unsigned)arg[2];
  char path[PATH_MAX];
  struct fdemu_req r;
  int error = 0;

  fdl_fill(c, &r);
  r.fd = fd;
  r.path = fetch(c, path, arg[0], &error);
  r.arg = (uint16_t)arg[1];
  r.offset = (int64_t)dev;
  return answer(c->p, &r, error);
}

int64_t fdl_mknod(const struct fdl_call *c)
{
  return mknod_at(c, AT_FDCWD, c->arg);
}

int64_t fdl_mknodat(const struct fdl_call *c)
{
  return mknod_at(c, (int)c->arg[0], c->arg + 1);
}

/* Without a path the times are the descriptor's. One that cannot be read is
 * found out where it is walked: no descriptor, and no path. */
int64_t fdl_utimensat(const struct fdl_call *c)
{
  char path[PATH_MAX];
  struct fdemu_req r;
  int error;

  fdl_fill(c, &r);
  if (c->arg[2] == 0)
    r.buf.iov_len = 0;
  if (c->arg[1] != 0) {
    error = fdl_load_path(c, path, c->arg[1]);
    if (error < 0 && error != -EFAULT)
      return error;
    r.path = error == 0 ? path : NULL;
    if (error < 0)
      r.fd = AT_FDCWD;
  }
  return fdemu_call(c->p, &r);
}

/* Times in other structs than utimensat(2) has: those of (path), or of a
 * descriptor. NULL: now. */
static int64_t set_times(const struct fdl_call *c, int fd, uint64_t addr,
                         struct timespec *times)
{
  char path[PATH_MAX];
  struct fdemu_req r;
  int error = addr != 0 ? fdl_load_path(c, path, addr) : 0;

  if (error < 0)
    return error;
  fdl_fill(c, &r);
  r.fd = fd;
  r.path = addr != 0 ? path : NULL;
  r.mem = NULL;
  if (times != NULL)
    r.buf = (struct iovec){ times, 2 * sizeof *times };
  return fdemu_call(c->p, &r);
}

static int64_t utimes_at(const struct fdl_call *c, int fd, const uint64_t *arg)
{
  struct timespec ts[2];
  struct timeval tv[2];
  int error;

  if (arg[1] == 0)
    return set_times(c, fd, arg[0], NULL);
  error = fdl_load(c, tv, arg[1], sizeof tv);
  if (error < 0)
    return error;
  for (int i = 0; i < 2; i++) {
    if (tv[i].tv_usec < 0 || tv[i].tv_usec >= 1000000)
      return -EINVAL;
    ts[i] = (struct timespec){ tv[i].tv_sec, tv[i].tv_usec * 1000 };
  }
  return set_times(c, fd, arg[0], ts);
}

int64_t fdl_utimes(const struct fdl_call *c)
{
  return utimes_at(c, AT_FDCWD, c->arg);
}

int64_t fdl_futimesat(const struct fdl_call *c)
{
  return utimes_at(c, (int)c->arg[0], c->arg + 1);
}

/* Whole seconds. */
int64_t fdl_utime(const struct fdl_call *c)
{
  struct timespec ts[2];
  int64_t t[2];
  int error;

  if (c->arg[1] == 0)
    return set_times(c, AT_FDCWD, c->arg[0], NULL);
  error = fdl_load(c, t, c->arg[1], sizeof t);
  ts[0] = (struct timespec){ .tv_sec = error == 0 ? t[0] : 0 };
  ts[1] = (struct timespec){ .tv_sec = error == 0 ? t[1] : 0 };
  return error < 0 ? error : set_times(c, AT_FDCWD, c->arg[0], ts);
}
