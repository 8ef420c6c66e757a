/* dir.c - directories as files: getdents64(2) and lseek(2) */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/name.h"

/* Linux's struct linux_dirent64, up to the name. */
struct dirent_head {
  uint64_t ino;
  int64_t off;
  uint16_t reclen;
  uint8_t type;
};

#define HEAD (offsetof(struct dirent_head, type) + 1)

/* One name: its place, and the one behind it. */
struct item {
  uint64_t pos, next;
  uint64_t ino;
  mode_t mode;
  const char *name;
  size_t len;
};

static int64_t dir_read(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)f;
  (void)r;
  return -EISDIR;
}

/* In /proc they have numbers: Linux's has an end at 0, and no large files. */
static int64_t view_lseek(struct fdemu_file *f, struct fdemu_req *r)
{
  int64_t before = f->pos, n;

  if (r->cmd == SEEK_DATA || r->cmd == SEEK_HOLE)
    return -ENXIO;
  n = fdemu_lseek_default(f, r);
  if (n <= INT32_MAX)
    return n;
  f->pos = before;
  return -EINVAL;
}

/* The end is nowhere: names have places, and not sizes. */
static int64_t dir_lseek(struct fdemu_file *f, struct fdemu_req *r)
{
  int64_t pos = r->offset;

  if (fde_is_view(f->inode))
    return view_lseek(f, r);
  if (r->cmd == SEEK_CUR && (pos > 0 ? f->pos > INT64_MAX - pos : false))
    return -EINVAL;
  if (r->cmd == SEEK_CUR)
    pos += f->pos;
  else if (r->cmd != SEEK_SET)
    return -EINVAL;
  if (pos < 0)
    return -EINVAL;
  f->pos = pos;
  return pos;
}

static int64_t dir_sync(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)r;
  return fde_is_view(f->inode) ? -EINVAL : 0;
}

const struct fdemu_ops fde_dir_ops = {
  .name = "directory",
  .mode = FDEMU_MODE_LATE | FDEMU_MODE_SEEK | FDEMU_MODE_NO_SPLICE_READ |
          FDEMU_MODE_NO_RWF_READ,
  .read = dir_read,
  .lseek = dir_lseek,
  .sync = dir_sync,
};

/* . and .., which are no entries. */
static void dot(const struct fdemu_file *f, struct item *it)
{
  const struct fde_entry *parent = f->entry->parent;
  const struct fdemu_inode *i =
      it->pos == 1 && parent != NULL ? parent->inode : f->inode;

  it->next = it->pos + 1;
  it->ino = i->attr->ino;
  it->mode = i->mode;
  it->name = it->pos == 0 ? "." : "..";
  it->len = it->pos + 1;
}

static bool made_item(struct fdemu_proc *p, const struct fde_dir *d,
                      struct item *it, char name[16])
{
  it->next = it->pos;
  if (!d->next(p, &it->next, name))
    return false;
  it->ino = d->attr.ino + it->next;
  it->mode = S_IFLNK;
  it->name = name;
  it->len = strlen(name);
  return true;
}

/* The first name at it->pos or behind. */
static bool find_item(struct fdemu_proc *p, const struct fdemu_file *f,
                      struct item *it, char name[16])
{
  const struct fde_dir *d = fde_dir_of(f->inode);
  size_t slot;

  if (it->pos < 2) {
    dot(f, it);
    return true;
  }
  if (d->next != NULL)
    return made_item(p, d, it, name);
  slot = fde_dir_slot(d, it->pos);
  while (slot < d->norder && d->order[slot].entry == NULL)
    slot++;
  if (slot == d->norder)
    return false;
  it->next = d->order[slot].cookie + 1;
  it->ino = d->order[slot].entry->inode->attr->ino;
  it->mode = d->order[slot].entry->inode->mode;
  it->name = d->order[slot].entry->name;
  it->len = d->order[slot].entry->len;
  return true;
}

/* Bytes that were stored at offset; 0: there is no room. */
static int64_t put_item(struct fdemu_req *r, size_t offset,
                        const struct item *it)
{
  char record[HEAD + FDE_NAME_MAX + 1 + 8] = { 0 };
  size_t size = (HEAD + it->len + 1 + 7) / 8 * 8;
  struct dirent_head head = {
    .ino = it->ino,
    .off = (int64_t)it->next,
    .reclen = (uint16_t)size,
    .type = (uint8_t)IFTODT(it->mode),
  };
  int error;

  if (size > r->buf.iov_len - offset)
    return 0;
  memcpy(record, &head, HEAD);
  memcpy(record + HEAD, it->name, it->len);
  error = fdemu_arg_store(r, offset, record, size);
  return error < 0 ? error : (int64_t)size;
}

static int64_t dir_getdents(struct fdemu_file *f, struct fdemu_req *r)
{
  struct item it = { .pos = (uint64_t)f->pos };
  size_t offset = 0;
  char name[16];
  int64_t n = 0;

  if (!fde_is_dir(f->inode))
    return -ENOTDIR;
  if (fde_dir_dead(f->inode))
    return -ENOENT;
  while (find_item(r->proc, f, &it, name)) {
    n = put_item(r, offset, &it);
    if (n <= 0)
      break;
    offset += (size_t)n;
    it.pos = it.next;
    n = 0;
  }
  fde_accessed(f);
  fde_note_entry(f->entry, DN_ACCESS);
  f->pos = (int64_t)it.pos;
  if (offset > 0)
    return (int64_t)offset;
  if (n < 0)
    return n;
  return find_item(r->proc, f, &it, name) ? -EINVAL : 0;
}

const struct fdemu_call fdemu_getdents64_call = {
  .name = "getdents64",
  .args = "fd | names size",
  .run = dir_getdents,
  .flags = FDEMU_CALL_FD,
};
