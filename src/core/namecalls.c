/* namecalls.c - the calls of the name space as C functions */
#include <fcntl.h>

#include "core/kernel.h"

#define CALL(what) .call = &fdemu_##what##_call
#define AT(p)      .fd = dirfd, .path = (p)
#define CMD(flags) .cmd = (unsigned)(flags)
#define BUF(p, n)  .buf = { (void *)(uintptr_t)(p), (n) }

int fdemu_openat(struct fdemu_proc *p, int dirfd, const char *path, int flags,
                 mode_t mode)
{
  struct fdemu_req r = {
    .call = &fdemu_calls[FDEMU_OPEN], AT(path), CMD(flags), .arg = (int64_t)mode
  };

  return (int)fdemu_call(p, &r);
}

int fdemu_open(struct fdemu_proc *p, const char *path, int flags, mode_t mode)
{
  return fdemu_openat(p, AT_FDCWD, path, flags, mode);
}

int fdemu_mkdirat(struct fdemu_proc *p, int dirfd, const char *path,
                  mode_t mode)
{
  struct fdemu_req r = { CALL(mkdirat), AT(path), .arg = (int64_t)mode };

  return (int)fdemu_call(p, &r);
}

int fdemu_mknodat(struct fdemu_proc *p, int dirfd, const char *path,
                  mode_t mode, dev_t dev)
{
  struct fdemu_req r = { CALL(mknodat), AT(path), .arg = (int64_t)mode,
                         .offset = (int64_t)dev };

  return (int)fdemu_call(p, &r);
}

int fdemu_symlinkat(struct fdemu_proc *p, const char *target, int dirfd,
                    const char *path)
{
  struct fdemu_req r = { CALL(symlinkat), AT(path), .path2 = target };

  return (int)fdemu_call(p, &r);
}

int fdemu_linkat(struct fdemu_proc *p, int dirfd, const char *path,
                 int newdirfd, const char *newpath, int flags)
{
  struct fdemu_req r = { CALL(linkat), AT(path), .arg = newdirfd,
                         .path2 = newpath, CMD(flags) };

  return (int)fdemu_call(p, &r);
}

int fdemu_unlinkat(struct fdemu_proc *p, int dirfd, const char *path, int flags)
{
  struct fdemu_req r = { CALL(unlinkat), AT(path), CMD(flags) };

  return (int)fdemu_call(p, &r);
}

int fdemu_renameat2(struct fdemu_proc *p, int dirfd, const char *path,
                    int newdirfd, const char *newpath, unsigned flags)
{
  struct fdemu_req r = { CALL(renameat2), AT(path), .arg = newdirfd,
                         .path2 = newpath, CMD(flags) };

  return (int)fdemu_call(p, &r);
}

int fdemu_fstatat(struct fdemu_proc *p, int dirfd, const char *path,
                  struct stat *st, int flags)
{
  struct fdemu_req r = { CALL(newfstatat), AT(path), BUF(st, sizeof *st),
                         CMD(flags) };

  return (int)fdemu_call(p, &r);
}

int64_t fdemu_readlinkat(struct fdemu_proc *p, int dirfd, const char *path,
                         char *buf, size_t n)
{
  struct fdemu_req r = { CALL(readlinkat), AT(path), BUF(buf, n) };

  return fdemu_call(p, &r);
}

int fdemu_faccessat(struct fdemu_proc *p, int dirfd, const char *path, int mode,
                    int flags)
{
  struct fdemu_req r = { CALL(faccessat2), AT(path), .arg = mode, CMD(flags) };

  return (int)fdemu_call(p, &r);
}

int fdemu_fchmodat(struct fdemu_proc *p, int dirfd, const char *path,
                   mode_t mode, int flags)
{
  struct fdemu_req r = { CALL(fchmodat2), AT(path), .arg = (int64_t)mode,
                         CMD(flags) };

  return (int)fdemu_call(p, &r);
}

int fdemu_fchmod(struct fdemu_proc *p, int fd, mode_t mode)
{
  struct fdemu_req r = { CALL(fchmod), .fd = fd, .arg = (int64_t)mode };

  return (int)fdemu_call(p, &r);
}

int fdemu_fchownat(struct fdemu_proc *p, int dirfd, const char *path, uid_t uid,
                   gid_t gid, int flags)
{
  struct fdemu_req r = { CALL(fchownat), AT(path), .arg = (int)uid,
                         .offset = (int)gid, CMD(flags) };

  return (int)fdemu_call(p, &r);
}

int fdemu_fchown(struct fdemu_proc *p, int fd, uid_t uid, gid_t gid)
{
  struct fdemu_req r = { CALL(fchown), .fd = fd, .arg = (int)uid,
                         .offset = (int)gid };

  return (int)fdemu_call(p, &r);
}

int fdemu_utimensat(struct fdemu_proc *p, int dirfd, const char *path,
                    const struct timespec times[2], int flags)
{
  struct fdemu_req r = { CALL(utimensat), AT(path),
                         BUF(times, times != NULL ? 2 * sizeof *times : 0),
                         CMD(flags) };

  return (int)fdemu_call(p, &r);
}

int fdemu_truncate(struct fdemu_proc *p, const char *path, int64_t length)
{
  struct fdemu_req r = { CALL(truncate), .path = path, .offset = length };

  return (int)fdemu_call(p, &r);
}

int fdemu_chdir(struct fdemu_proc *p, const char *path)
{
  struct fdemu_req r = { CALL(chdir), .path = path };

  return (int)fdemu_call(p, &r);
}

int fdemu_fchdir(struct fdemu_proc *p, int fd)
{
  struct fdemu_req r = { CALL(fchdir), .fd = fd };

  return (int)fdemu_call(p, &r);
}

int fdemu_getcwd(struct fdemu_proc *p, char *buf, size_t n)
{
  struct fdemu_req r = { CALL(getcwd), BUF(buf, n) };

  return (int)fdemu_call(p, &r);
}

mode_t fdemu_umask(struct fdemu_proc *p, mode_t mask)
{
  struct fdemu_req r = { CALL(umask), .arg = (int64_t)mask };

  return (mode_t)fdemu_call(p, &r);
}

int64_t fdemu_getdents64(struct fdemu_proc *p, int fd, void *buf, size_t n)
{
  struct fdemu_req r = { CALL(getdents64), .fd = fd, BUF(buf, n) };

  return fdemu_call(p, &r);
}
