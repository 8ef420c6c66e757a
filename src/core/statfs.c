/* statfs.c - what file systems say of themselves */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/statfs.h>

#include "core/name.h"

/* uapi/linux/magic.h, and what the internal ones are */
#define TMPFS      0x01021994
#define PROC       0x9fa0
#define PIPEFS     0x50495045
#define SOCKFS     0x534f434b
#define ANON_INODE 0x09041934

#define VALID    0x0020 /* f_flags */
#define RELATIME 0x1000

/* What has a name is in one file system, and what has none has its own. */
static unsigned type_of(const struct fdemu_inode *i, bool named)
{
  if ((i->mode & S_IFMT) == 0)
    return ANON_INODE;
  if (!named && S_ISFIFO(i->mode))
    return PIPEFS;
  if (!named && S_ISSOCK(i->mode))
    return SOCKFS;
  return fde_is_proc(i) ? PROC : TMPFS;
}

bool fde_in_tmpfs(const struct fdemu_inode *i, bool named)
{
  return type_of(i, named) == TMPFS;
}

static unsigned type_of_file(const struct fdemu_file *f)
{
  return type_of(f->inode, f->entry != NULL);
}

/* Devices have one of their own: Linux's are in a devtmpfs. */
bool fde_same_fs(const struct fdemu_file *a, const struct fdemu_file *b)
{
  return type_of_file(a) == type_of_file(b) &&
         a->inode->attr->apart == b->inode->attr->apart &&
         S_ISCHR(a->inode->mode) == S_ISCHR(b->inode->mode);
}

/* Chance makes Linux's; a seed makes this. False: it has none. */
bool fde_fs_uuid(const struct fdemu_file *f, uint8_t uuid[16])
{
  uint64_t state = f->inode->kernel->seed + (f->inode->attr->apart ? 1 : 0) +
                   (S_ISCHR(f->inode->mode) ? 2 : 0);
  uint64_t bits[2];

  if (type_of_file(f) != TMPFS)
    return false;
  bits[0] = fde_splitmix(&state);
  bits[1] = fde_splitmix(&state);
  memcpy(uuid, bits, sizeof bits);
  uuid[6] = (uint8_t)(0x40 | (uuid[6] & 0x0f)); /* a random one, RFC 9562 */
  uuid[8] = (uint8_t)(0x80 | (uuid[8] & 0x3f));
  return true;
}

/* Without a limit a tmpfs says that it has no blocks. */
static int64_t answer(struct fdemu_req *r, const struct fdemu_inode *i,
                      bool named)
{
  const struct fdemu_kernel *k = r->proc->kernel;
  unsigned type = type_of(i, named);
  struct statfs s;

  memset(&s, 0, sizeof s);
  s.f_type = type;
  s.f_bsize = s.f_frsize = 4096;
  s.f_namelen = FDE_NAME_MAX;
  s.f_flags = type == PROC || (type == TMPFS && !i->attr->apart)
                  ? VALID | RELATIME
                  : VALID;
  if (type == TMPFS && k->space > 0) {
    int64_t left = k->space / 4096 - k->space_used / 4096;
    s.f_blocks = (fsblkcnt_t)(k->space / 4096);
    s.f_bfree = s.f_bavail = (fsblkcnt_t)(left > 0 ? left : 0);
  }
  return fdemu_arg_store(r, 0, &s, sizeof s);
}

static int64_t run_statfs(struct fdemu_file *f, struct fdemu_req *r)
{
  struct fde_walk w;
  int64_t n;

  (void)f;
  r->fd = AT_FDCWD;
  n = fde_walk(&w, r, FDE_FOLLOW);
  if (n == 0)
    n = answer(r, w.at.inode, w.at.entry != NULL);
  fde_walk_end(&w);
  return n;
}

static int64_t run_fstatfs(struct fdemu_file *f, struct fdemu_req *r)
{
  return answer(r, f->inode, f->entry != NULL);
}

const struct fdemu_call fdemu_statfs_call = { .name = "statfs",
                                              .args = "path | data size",
                                              .run = run_statfs };
const struct fdemu_call fdemu_fstatfs_call = {
  .name = "fstatfs",
  .args = "fd | data size",
  .run = run_fstatfs,
  .flags = FDEMU_CALL_FD | FDEMU_CALL_PATH,
};
