/* range.c - calls on a range of a file: room for it, and advice, which is
 * checked as on Linux and has no effect */
#include <errno.h>
#include <fcntl.h>

#include "core/kernel.h"

#define WRITE_ZEROES 0x80 /* FALLOC_FL_WRITE_ZEROES, of Linux 6.17 */

static bool may(const struct fdemu_file *f, int access)
{
  int mode = f->flags & O_ACCMODE;

  return mode == access || mode == O_RDWR;
}

/* As vfs_fallocate() of Linux: which flags go together. */
static bool fallocate_mode(unsigned long mode)
{
  bool keep = (mode & FALLOC_FL_KEEP_SIZE) != 0;

  switch (mode & ~(unsigned long)FALLOC_FL_KEEP_SIZE) {
  case 0:
  case FALLOC_FL_UNSHARE_RANGE:
  case FALLOC_FL_ZERO_RANGE: return true;
  case FALLOC_FL_PUNCH_HOLE: return keep;
  case FALLOC_FL_COLLAPSE_RANGE:
  case FALLOC_FL_INSERT_RANGE:
  case WRITE_ZEROES: return !keep;
  default: return false;
  }
}

int64_t fde_fallocate_check(struct fdemu_file *f, struct fdemu_req *r)
{
  mode_t mode = f->inode->mode;

  if (r->offset < 0 || r->arg <= 0)
    return -EINVAL;
  if (!fallocate_mode(r->cmd))
    return -EOPNOTSUPP;
  if (!may(f, O_WRONLY))
    return -EBADF;
  if (S_ISFIFO(mode))
    return -ESPIPE;
  if (S_ISDIR(mode))
    return -EISDIR;
  if (!S_ISREG(mode) && !S_ISBLK(mode))
    return -ENODEV;
  return r->offset > INT64_MAX - r->arg ? -EFBIG : FDEMU_NEXT;
}

int64_t fde_fadvise(struct fdemu_file *f, struct fdemu_req *r)
{
  if (S_ISFIFO(f->inode->mode))
    return -ESPIPE;
  return r->arg < 0 || r->cmd > POSIX_FADV_NOREUSE ? -EINVAL : 0;
}

int64_t fde_readahead(struct fdemu_file *f, struct fdemu_req *r)
{
  mode_t mode = f->inode->mode;

  if (!may(f, O_RDONLY))
    return -EBADF;
  return (S_ISREG(mode) || S_ISBLK(mode)) && r->arg >= 0 ? 0 : -EINVAL;
}

int64_t fde_sync_range(struct fdemu_file *f, struct fdemu_req *r)
{
  mode_t mode = f->inode->mode;

  if (r->cmd &
          ~(unsigned long)(SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                           SYNC_FILE_RANGE_WAIT_AFTER) ||
      r->offset < 0 || r->arg < 0 || r->offset > INT64_MAX - r->arg)
    return -EINVAL;
  return S_ISREG(mode) || S_ISBLK(mode) || S_ISDIR(mode) ? 0 : -ESPIPE;
}

int64_t fde_syncfs(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)f;
  (void)r;
  return 0;
}
