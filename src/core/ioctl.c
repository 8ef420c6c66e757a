/*
 * ioctl.c - ioctl(2): what is answered before the kind is asked
 *
 * As do_vfs_ioctl() of Linux. Files of which more is known than their kind may
 * say are those whose position the core keeps, and directories.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/name.h"

/* uapi/linux/fs.h; not every libc has all of them. */
#ifndef FS_IOC_GETFSUUID
#define FS_IOC_GETFSUUID      _IOR(0x15, 0, struct uuid)
#define FS_IOC_GETFSSYSFSPATH _IOR(0x15, 1, char[129])
#endif

struct uuid { /* struct fsuuid2 */
  uint8_t len;
  uint8_t uuid[16];
};

/* ---- descriptions ----------------------------------------------------- */

static int64_t set_nonblock(struct fdemu_file *f, struct fdemu_req *r)
{
  int on, error = fdemu_arg_load(r, 0, &on, sizeof on);

  if (error == 0)
    f->flags = on ? f->flags | O_NONBLOCK : f->flags & ~O_NONBLOCK;
  return error;
}

/* As ioctl_fioasync() of Linux: a kind that cannot is asked only to change. */
static int64_t set_async(struct fdemu_file *f, struct fdemu_req *r)
{
  int on, error = fdemu_arg_load(r, 0, &on, sizeof on);

  if (error < 0)
    return error;
  if (!!on == !!(f->flags & O_ASYNC))
    return 0;
  if (!(f->mode & FDEMU_MODE_ASYNC))
    return -ENOTTY;
  return fde_set_async(f, on != 0);
}

/* ---- sizes ------------------------------------------------------------ */

/* What it occupies; only of what can have a size. */
static int64_t get_size(struct fdemu_file *f, struct fdemu_req *r)
{
  const mode_t type = f->inode->mode & S_IFMT;
  struct stat st;
  int64_t bytes;

  if (type != S_IFREG && type != S_IFDIR && type != S_IFLNK)
    return -ENOTTY;
  fdemu_fill_stat(f, &st);
  bytes = (int64_t)st.st_blocks * 512;
  return fdemu_arg_store(r, 0, &bytes, sizeof bytes);
}

static int64_t get_block(const struct fdemu_file *f, struct fdemu_req *r)
{
  struct stat st;
  int block;

  fdemu_fill_stat(f, &st);
  block = (int)st.st_blksize;
  return fdemu_arg_store(r, 0, &block, sizeof block);
}

static bool is_file(const struct fdemu_file *f)
{
  return S_ISREG(f->inode->mode) && f->mode & FDEMU_MODE_SEEK;
}

static int64_t get_rest(const struct fdemu_file *f, struct fdemu_req *r)
{
  const int ahead = (int)(f->inode->attr->size - f->pos);

  if (!is_file(f))
    return FDEMU_NEXT;
  return fdemu_arg_store(r, 0, &ahead, sizeof ahead);
}

/* ---- flags of inodes -------------------------------------------------- */

/* Those that tmpfs keeps; and those that are for root, who is nobody's process
 * here. */
#define KEPT     (FS_NODUMP_FL | FS_NOATIME_FL)
#define OF_ROOT  (FS_APPEND_FL | FS_IMMUTABLE_FL)
#define XKEPT    (FS_XFLAG_NODUMP | FS_XFLAG_NOATIME)
#define XOF_ROOT (FS_XFLAG_APPEND | FS_XFLAG_IMMUTABLE)
#define XKNOWN   0x8001fffbu
#define XIGNORED (FS_XFLAG_PREALLOC | FS_XFLAG_HASATTR)

static bool has_flags(const struct fdemu_file *f)
{
  return is_file(f) || (fde_is_dir(f->inode) && !fde_is_view(f->inode));
}

static int64_t get_flags(const struct fdemu_file *f, struct fdemu_req *r)
{
  const unsigned flags = f->inode->attr->fsflags;

  if (!has_flags(f))
    return FDEMU_NEXT;
  return fdemu_arg_store(r, 0, &flags, sizeof flags);
}

static int64_t keep_flags(struct fdemu_file *f, unsigned flags)
{
  f->inode->attr->fsflags = (uint8_t)flags;
  fde_touch(f->inode, FDE_CTIME);
  return 0;
}

static int64_t set_flags(struct fdemu_file *f, struct fdemu_req *r)
{
  unsigned flags;
  int error = fdemu_arg_load(r, 0, &flags, sizeof flags);

  if (error < 0)
    return error;
  if (!has_flags(f))
    return FDEMU_NEXT;
  if (!fde_owns(r->proc, f->inode) || flags & OF_ROOT)
    return -EPERM;
  return flags & ~(unsigned)KEPT ? -EOPNOTSUPP : keep_flags(f, flags);
}

static int64_t get_xattr(const struct fdemu_file *f, struct fdemu_req *r)
{
  const unsigned flags = f->inode->attr->fsflags;
  struct fsxattr x;

  if (!has_flags(f))
    return FDEMU_NEXT;
  memset(&x, 0, sizeof x);
  x.fsx_xflags = (flags & FS_NODUMP_FL ? FS_XFLAG_NODUMP : 0u) |
                 (flags & FS_NOATIME_FL ? FS_XFLAG_NOATIME : 0u);
  return fdemu_arg_store(r, 0, &x, sizeof x);
}

/* As fileattr_set_prepare() of Linux: extents of no size need no flags. */
static int check_extents(struct fsxattr *x, mode_t mode)
{
  if (x->fsx_projid == UINT32_MAX)
    return -EINVAL;
  if (x->fsx_xflags & FS_XFLAG_EXTSIZE && !S_ISREG(mode))
    return -EINVAL;
  if (x->fsx_xflags & FS_XFLAG_EXTSZINHERIT && !S_ISDIR(mode))
    return -EINVAL;
  if (x->fsx_extsize == 0)
    x->fsx_xflags &= ~(unsigned)(FS_XFLAG_EXTSIZE | FS_XFLAG_EXTSZINHERIT);
  if (x->fsx_cowextsize == 0)
    x->fsx_xflags &= ~(unsigned)FS_XFLAG_COWEXTSIZE;
  return 0;
}

static int64_t set_xattr(struct fdemu_file *f, struct fdemu_req *r)
{
  struct fsxattr x;
  int error = fdemu_arg_load(r, 0, &x, sizeof x);

  if (error == 0 && x.fsx_xflags & ~XKNOWN)
    error = -EOPNOTSUPP;
  if (error < 0)
    return error;
  if (!has_flags(f))
    return FDEMU_NEXT;
  if (!fde_owns(r->proc, f->inode) || x.fsx_xflags & XOF_ROOT)
    return -EPERM;
  error = check_extents(&x, f->inode->mode);
  if (error < 0)
    return error;
  if (x.fsx_xflags & ~(unsigned)(XKEPT | XIGNORED) || x.fsx_extsize != 0 ||
      x.fsx_projid != 0 || x.fsx_cowextsize != 0)
    return -EOPNOTSUPP;
  return keep_flags(f,
                    (x.fsx_xflags & FS_XFLAG_NODUMP ? FS_NODUMP_FL : 0u) |
                        (x.fsx_xflags & FS_XFLAG_NOATIME ? FS_NOATIME_FL : 0u));
}

/* ---- bytes that files share: no file system here can ------------------ */

/* As vfs_clone_file_range() of Linux. */
static int64_t clone_from(const struct fdemu_file *f, const struct fdemu_req *r,
                          int64_t fd)
{
  const struct fdemu_file *in = fde_file_usable(r->proc, (int)fd);
  int error;

  if (in == NULL)
    return -EBADF;
  error = fde_same_fs(in, f) ? fde_copy_modes(in, f) : -EXDEV;
  return error < 0 ? error : -EOPNOTSUPP;
}

static int64_t clone_range(const struct fdemu_file *f, struct fdemu_req *r)
{
  struct file_clone_range c;
  int error = fdemu_arg_load(r, 0, &c, sizeof c);

  return error < 0 ? error : clone_from(f, r, c.src_fd);
}

/* As ioctl_file_dedupe_range() of Linux, which takes a page. */
static int64_t dedupe_range(const struct fdemu_file *f, struct fdemu_req *r)
{
  char block[4096];
  struct file_dedupe_range d;
  size_t size;
  int error = fdemu_arg_load(r, offsetof(struct file_dedupe_range, dest_count),
                             &d.dest_count, sizeof d.dest_count);

  if (error < 0)
    return error;
  size = sizeof d + d.dest_count * sizeof(struct file_dedupe_range_info);
  if (size > sizeof block)
    return -ENOMEM;
  error = fdemu_arg_load(r, 0, block, size);
  if (error < 0)
    return error;
  memcpy(&d, block, sizeof d);
  if (!fde_readable(f) || d.reserved1 || d.reserved2)
    return -EINVAL;
  if (S_ISDIR(f->inode->mode))
    return -EISDIR;
  return S_ISREG(f->inode->mode) ? -EOPNOTSUPP : -EINVAL;
}

/* ---- file systems ----------------------------------------------------- */

static int64_t get_uuid(const struct fdemu_file *f, struct fdemu_req *r)
{
  struct uuid u = { .len = sizeof u.uuid };

  if (!fde_fs_uuid(f, u.uuid))
    return -ENOTTY;
  return fdemu_arg_store(r, 0, &u, sizeof u);
}

int64_t fde_ioctl(struct fdemu_file *f, struct fdemu_req *r)
{
  switch (r->cmd) {
  case FIOCLEX:
  case FIONCLEX:
    if (fde_has_fd(r))
      fde_set_cloexec(&r->proc->table, r->fd, r->cmd == FIOCLEX);
    else if (r->on == NULL)
      return -EBADF;
    return 0;
  case FIONBIO: return set_nonblock(f, r);
  case FIOASYNC: return set_async(f, r);
  case FIOQSIZE: return get_size(f, r);
  case FIONREAD: return get_rest(f, r);
  case FIGETBSZ: return get_block(f, r);
  case FIBMAP: return is_file(f) ? -EPERM : FDEMU_NEXT;
  case FIFREEZE:
  case FITHAW: return -EPERM;
  case FS_IOC_GETFLAGS: return get_flags(f, r);
  case FS_IOC_SETFLAGS: return set_flags(f, r);
  case FS_IOC_FSGETXATTR: return get_xattr(f, r);
  case FS_IOC_FSSETXATTR: return set_xattr(f, r);
  case FICLONE: return clone_from(f, r, r->arg);
  case FICLONERANGE: return clone_range(f, r);
  case FIDEDUPERANGE: return dedupe_range(f, r);
  case FS_IOC_FIEMAP: return -EOPNOTSUPP;
  case FS_IOC_GETFSUUID: return get_uuid(f, r);
  case FS_IOC_GETFSSYSFSPATH: return -ENOTTY;
  default: return FDEMU_NEXT;
  }
}
