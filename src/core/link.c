/* link.c - symbolic links */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/name.h"

static void link_free(struct fdemu_inode *i)
{
  struct fde_link *l = fdemu_entry(i, struct fde_link, inode);

  if (l->file != NULL)
    fdemu_file_put(l->file);
  fdemu_free(i->kernel, l);
}

const struct fdemu_ops fde_link_ops = { .name = "symlink" };

/* NULL: no memory. */
struct fdemu_inode *fde_link_new(struct fdemu_kernel *k, const char *target)
{
  size_t len = strlen(target);
  struct fde_link *l = fdemu_alloc(k, sizeof *l + len + 1);

  if (l == NULL)
    return NULL;
  fdemu_inode_init(&l->inode, &l->attr, k, &fde_link_ops, S_IFLNK | 0777,
                   link_free);
  l->attr.size = (int64_t)len;
  l->file = NULL;
  memcpy(l->target, target, len + 1);
  return &l->inode;
}

/* What Linux shows of a description that is no file with a name. */
static int describe(const struct fdemu_file *f, char *buf, size_t n)
{
  const struct fdemu_inode *i = f->inode;
  const char *name = i->ops->label != NULL ? i->ops->label : i->ops->name;

  if (f->path != NULL)
    return snprintf(buf, n, "%s", f->path);
  if ((i->mode & S_IFMT) == 0)
    return snprintf(buf, n, "anon_inode:[%s]", name);
  return snprintf(buf, n, "%s:[%llu]", name, (unsigned long long)i->attr->ino);
}

/* The text in buf, without a zero at its end; its length. */
int64_t fde_link_text(const struct fdemu_inode *i, char buf[FDE_PATH_MAX])
{
  static const char gone[] = " (deleted)";
  const struct fde_link *l = fdemu_entry(i, const struct fde_link, inode);
  const struct fdemu_file *f = l->file;
  int64_t n;

  if (f == NULL) {
    memcpy(buf, l->target, (size_t)i->attr->size);
    return i->attr->size;
  }
  if (f->entry == NULL) {
    n = describe(f, buf, FDE_PATH_MAX);
    return n < FDE_PATH_MAX ? n : FDE_PATH_MAX - 1;
  }
  n = fde_entry_path(f->entry, buf);
  if (n < 0 || !f->entry->gone)
    return n;
  if ((size_t)n + sizeof gone > FDE_PATH_MAX)
    return -ENAMETOOLONG;
  memcpy(buf + n, gone, sizeof gone);
  return n + (int64_t)sizeof gone - 1;
}
