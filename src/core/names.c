/* names.c - calls that make and unmake names */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>

#include "core/name.h"

/* ---- making ----------------------------------------------------------- */

/* i is made by the process in the directory that the walk is at. */
void fde_adopt(const struct fde_walk *w, struct fdemu_inode *i)
{
  const struct fdemu_inode *dir = w->at.inode;

  i->attr->uid = fde_uid(w->proc);
  i->attr->gid = i->attr->uid;
  i->attr->fsflags = dir->attr->fsflags;
  if (!(dir->mode & S_ISGID))
    return;
  i->attr->gid = dir->attr->gid;
  if (fde_is_dir(i))
    i->mode |= S_ISGID;
}

static int may_create(const struct fde_walk *w)
{
  if (fde_dir_dead(w->at.inode) || fde_is_view(w->at.inode))
    return -ENOENT;
  return fde_may(w->proc, w->at.inode, FDE_WRITE | FDE_EXEC);
}

/* i becomes the name that the walk is before; its reference is taken. */
static int add(struct fde_walk *w, struct fdemu_inode *i)
{
  int error;

  if (i == NULL)
    return -ENOMEM;
  fde_adopt(w, i);
  error = fde_dir_add(w->at.entry, w->last, w->len, i);
  fdemu_inode_put(i);
  return error;
}

/* Make an object with a type, the permissions that umask leaves, and the name
 * that the walk is before. */
int fde_create(struct fde_walk *w, mode_t mode, dev_t dev,
               struct fde_place *made)
{
  struct fdemu_kernel *k = w->proc->kernel;
  struct fdemu_inode *i = NULL;
  int error = may_create(w);

  mode &= ~w->proc->umask;
  if (error == 0 && S_ISDIR(mode))
    i = fde_dir_new(k, mode);
  else if (error == 0)
    error = fdemu_make(k, mode, &i);
  if (error < 0)
    return error;
  if (i != NULL && (S_ISCHR(mode) || S_ISBLK(mode)))
    i->attr->rdev = dev;
  error = add(w, i);
  if (error == 0 && made != NULL)
    fde_walk_lookup(w, made);
  return error;
}

/* Walk to a name that is not there yet. */
static int walk_new(struct fde_walk *w, struct fdemu_proc *p, int dirfd,
                    const char *path, bool directory)
{
  struct fde_place child;
  int error = fde_walk_to(w, p, dirfd, path, FDE_PARENT);

  if (error < 0)
    return error;
  if (w->type != FDE_LAST_NAME)
    return -EEXIST;
  error = fde_walk_lookup(w, &child);
  if (error == 0)
    return -EEXIST;
  if (fde_is_view(w->at.inode))
    return error;
  return error == -ENOENT && (directory || !w->slash) ? 0 : error;
}

static int64_t name_mkdir(struct fdemu_file *f, struct fdemu_req *r)
{
  struct fde_walk w;
  int error = walk_new(&w, r->proc, r->fd, r->path, true);

  (void)f;
  if (error == 0)
    error = fde_create(&w, S_IFDIR | ((mode_t)r->arg & 01777), 0, NULL);
  fde_walk_end(&w);
  return error;
}

/* A character device 0:0, which overlay file systems take for a whiteout, is
 * everybody's to make. */
static int may_mknod(const struct fdemu_proc *p, mode_t *mode, dev_t dev)
{
  switch (*mode & S_IFMT) {
  case 0: *mode |= S_IFREG; return 0;
  case S_IFREG:
  case S_IFIFO:
  case S_IFSOCK: return 0;
  case S_IFCHR: return fde_uid(p) == 0 || dev == 0 ? 0 : -EPERM;
  case S_IFBLK: return fde_uid(p) == 0 ? 0 : -EPERM;
  case S_IFDIR: return -EPERM;
  default: return -EINVAL;
  }
}

/* Whether the process may is asked twice, and a little too late, as in Linux:
 * a type that is none first, then the path, then privilege. */
static int64_t name_mknod(struct fdemu_file *f, struct fdemu_req *r)
{
  mode_t mode = (mode_t)r->arg & (S_IFMT | 07777);
  int may = may_mknod(r->proc, &mode, (dev_t)r->offset), error;
  struct fde_walk w;

  (void)f;
  if (may == -EINVAL || S_ISDIR(mode))
    return may;
  error = walk_new(&w, r->proc, r->fd, r->path, false);
  if (error == 0)
    error = may_create(&w);
  if (error == 0)
    error = may;
  if (error == 0)
    error = fde_create(&w, mode, (dev_t)r->offset, NULL);
  fde_walk_end(&w);
  return error;
}

static int64_t name_symlink(struct fdemu_file *f, struct fdemu_req *r)
{
  struct fde_walk w = { 0 };
  int error = fde_check_path(r->path2, 0);

  (void)f;
  if (error < 0)
    return error;
  error = walk_new(&w, r->proc, r->fd, r->path, false);
  if (error == 0)
    error = may_create(&w);
  if (error == 0)
    error = add(&w, fde_link_new(r->proc->kernel, r->path2));
  fde_walk_end(&w);
  return error;
}

/* protected_hardlinks of proc_sys_fs(5) is on. */
static int may_link_source(const struct fdemu_proc *p,
                           const struct fdemu_inode *i)
{
  if (fde_owns(p, i))
    return 0;
  if (!S_ISREG(i->mode) || i->mode & S_ISUID ||
      (i->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) ||
      fde_may(p, i, FDE_READ | FDE_WRITE) < 0)
    return -EPERM;
  return 0;
}

/* What has no name is in no file system, or in one of its kind's own; but for
 * what O_TMPFILE made. */
static int link_to(struct fde_walk *w, const struct fde_place *from)
{
  struct fdemu_inode *i = from->inode;
  int error = from->entry == NULL && !i->attr->nameless
                  ? -EXDEV
                  : may_link_source(w->proc, i);

  if (error == 0)
    error = may_create(w);
  if (error < 0)
    return error;
  if (fde_is_dir(i))
    return -EPERM;
  if (i->attr->nlink == 0 && i->attr->named)
    return -ENOENT;
  return fde_dir_add(w->at.entry, w->last, w->len, i);
}

static int64_t name_link(struct fdemu_file *f, struct fdemu_req *r)
{
  unsigned how = (r->cmd & AT_SYMLINK_FOLLOW ? FDE_FOLLOW : 0u) |
                 (r->cmd & AT_EMPTY_PATH ? FDE_EMPTY : 0u);
  struct fde_walk from, to = { 0 };
  int error;

  (void)f;
  if (r->cmd & ~(unsigned long)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
    return -EINVAL;
  error = fde_walk(&from, r, how);
  if (error == 0)
    error = walk_new(&to, r->proc, (int)r->arg, r->path2, false);
  if (error == 0)
    error = link_to(&to, &from.at);
  fde_walk_end(&to);
  fde_walk_end(&from);
  return error;
}

/* ---- unmaking --------------------------------------------------------- */

/* Whether child may go from the directory that the walk is at, as may_delete()
 * of Linux. */
static int may_delete(const struct fde_walk *w, const struct fde_place *child,
                      bool directory)
{
  const struct fdemu_inode *dir = w->at.inode;
  int error = fde_may(w->proc, dir, FDE_WRITE | FDE_EXEC);

  if (error < 0)
    return error;
  if (child->entry == NULL)
    return directory ? -ENOTDIR : -EPERM;
  if (dir->mode & S_ISVTX && !fde_owns(w->proc, child->inode) &&
      !fde_owns(w->proc, dir))
    return -EPERM;
  if (directory)
    return fde_is_dir(child->inode) ? 0 : -ENOTDIR;
  return fde_is_dir(child->inode) ? -EISDIR : 0;
}

static bool has_names(const struct fdemu_inode *i)
{
  const struct fde_dir *d = fde_dir_of(i);

  return d->n > 0 || d->lookup != NULL;
}

static int64_t do_rmdir(struct fde_walk *w)
{
  struct fde_place child;
  int error;

  switch (w->type) {
  case FDE_LAST_DOTDOT: return -ENOTEMPTY;
  case FDE_LAST_DOT: return -EINVAL;
  case FDE_LAST_ROOT: return -EBUSY;
  default: break;
  }
  error = fde_walk_lookup(w, &child);
  if (error == 0)
    error = may_delete(w, &child, true);
  if (error < 0)
    return error;
  if (has_names(child.inode))
    return -ENOTEMPTY;
  fde_dir_remove(child.entry);
  fde_note(w->at.inode, DN_DELETE);
  return 0;
}

static int64_t do_unlink(struct fde_walk *w)
{
  struct fde_place child;
  int error;

  if (w->type != FDE_LAST_NAME)
    return -EISDIR;
  error = fde_walk_lookup(w, &child);
  if (error < 0)
    return error;
  if (w->slash)
    return fde_is_dir(child.inode) ? -EISDIR : -ENOTDIR;
  error = may_delete(w, &child, false);
  if (error == 0) {
    fde_dir_remove(child.entry);
    fde_note(w->at.inode, DN_DELETE);
  }
  return error;
}

static int64_t name_unlink(struct fdemu_file *f, struct fdemu_req *r)
{
  struct fde_walk w;
  int64_t n;

  (void)f;
  if (r->cmd & ~(unsigned long)AT_REMOVEDIR)
    return -EINVAL;
  n = fde_walk(&w, r, FDE_PARENT);
  if (n == 0)
    n = r->cmd & AT_REMOVEDIR ? do_rmdir(&w) : do_unlink(&w);
  fde_walk_end(&w);
  return n;
}

/* ---- rename ----------------------------------------------------------- */

struct rename {
  struct fde_walk from, to;
  struct fde_place old, new; /* new.inode is NULL if there is nothing */
  unsigned long flags;
};

static bool is_dir(const struct fde_place *p)
{
  return p->inode != NULL && fde_is_dir(p->inode);
}

/* Whether e is dir, or above it. */
static bool above(const struct fde_entry *e, const struct fde_entry *dir)
{
  while (dir != NULL && dir != e)
    dir = dir->parent;
  return e != NULL && dir == e;
}

static int rename_find(struct rename *m)
{
  int error;

  if (m->from.type != FDE_LAST_NAME)
    return -EBUSY;
  if (m->to.type != FDE_LAST_NAME)
    return m->flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
  error = fde_walk_lookup(&m->from, &m->old);
  if (error < 0)
    return error;
  error = fde_walk_lookup(&m->to, &m->new);
  if (error == -ENOENT && !fde_is_view(m->to.at.inode) &&
      !fde_dir_dead(m->to.at.inode))
    return m->flags & RENAME_EXCHANGE ? -ENOENT : 0;
  if (error == 0 && m->flags & RENAME_NOREPLACE)
    return -EEXIST;
  return error;
}

static int rename_check(const struct rename *m)
{
  bool exchange = (m->flags & RENAME_EXCHANGE) != 0;

  if (exchange && !is_dir(&m->new) && m->to.slash)
    return -ENOTDIR;
  if (!is_dir(&m->old) && (m->from.slash || (!exchange && m->to.slash)))
    return -ENOTDIR;
  if (above(m->old.entry, m->to.at.entry))
    return -EINVAL;
  if (above(m->new.entry, m->from.at.entry))
    return exchange ? -EINVAL : -ENOTEMPTY;
  return 0;
}

/* A directory that gets another parent is written to. */
static int may_move(const struct rename *m, const struct fde_place *p)
{
  if (m->from.at.inode == m->to.at.inode || !is_dir(p))
    return 0;
  return fde_may(m->from.proc, p->inode, FDE_WRITE);
}

static int rename_allowed(const struct rename *m)
{
  bool exchange = (m->flags & RENAME_EXCHANGE) != 0;
  int error = may_delete(&m->from, &m->old, is_dir(&m->old));

  if (error == 0 && m->new.inode == NULL)
    error = may_create(&m->to);
  else if (error == 0)
    error = may_delete(&m->to, &m->new, is_dir(exchange ? &m->new : &m->old));
  if (error == 0)
    error = may_move(m, &m->old);
  if (error == 0 && exchange)
    error = may_move(m, &m->new);
  if (error == 0 && !exchange && is_dir(&m->new) && has_names(m->new.inode))
    error = -ENOTEMPTY;
  return error;
}

static int move(const struct rename *m)
{
  return fde_dir_move(m->old.entry, m->to.at.entry, m->to.last, m->to.len,
                      m->new.entry);
}

/* What stays there hides the name in the layers below an overlay file system:
 * a character device 0:0. It is in front of the old one before that goes. */
static int move_with_whiteout(struct rename *m)
{
  struct fdemu_inode *i;
  struct fde_entry *dir = m->from.at.entry;
  int error = fdemu_make(m->from.proc->kernel, S_IFCHR, &i);

  if (error < 0)
    return error;
  fde_adopt(&m->from, i);
  error = fde_dir_put(dir, m->from.last, m->from.len, i);
  fdemu_inode_put(i);
  if (error < 0)
    return error;
  error = move(m);
  if (error < 0)
    fde_dir_remove(
        fde_dir_find(fde_dir_of(dir->inode), m->from.last, m->from.len));
  return error;
}

/* Between file systems nothing moves, whatever the names. */
static bool is_across(const struct rename *m)
{
  return fde_is_view(m->from.at.inode) != fde_is_view(m->to.at.inode);
}

static int do_rename(struct rename *m)
{
  int error = is_across(m) ? -EXDEV : rename_find(m);

  if (error == 0)
    error = rename_check(m);
  if (error < 0 || m->old.inode == m->new.inode)
    return error; /* two names of one object stay as they are */
  error = rename_allowed(m);
  if (error < 0)
    return error;
  if (m->flags & RENAME_EXCHANGE)
    return fde_dir_swap(m->old.entry, m->new.entry);
  return m->flags & RENAME_WHITEOUT ? move_with_whiteout(m) : move(m);
}

static bool bad_rename(unsigned long flags)
{
  const unsigned long replaces = RENAME_NOREPLACE | RENAME_WHITEOUT;

  return flags & ~(replaces | RENAME_EXCHANGE) ||
         (flags & RENAME_EXCHANGE && flags & replaces);
}

static int64_t name_rename(struct fdemu_file *f, struct fdemu_req *r)
{
  struct rename m = { .flags = r->cmd };
  int error;

  (void)f;
  if (bad_rename(r->cmd))
    return -EINVAL;
  error = fde_walk(&m.from, r, FDE_PARENT);
  if (error == 0)
    error = fde_walk_to(&m.to, r->proc, (int)r->arg, r->path2, FDE_PARENT);
  if (error == 0)
    error = do_rename(&m);
  fde_walk_end(&m.to);
  fde_walk_end(&m.from);
  return error;
}

/* ---- the calls -------------------------------------------------------- */

const struct fdemu_call fdemu_mkdirat_call = { .name = "mkdirat",
                                               .args = "dirfd path mode",
                                               .run = name_mkdir };
const struct fdemu_call fdemu_mknodat_call = { .name = "mknodat",
                                               .args = "dirfd path node",
                                               .run = name_mknod };
const struct fdemu_call fdemu_symlinkat_call = { .name = "symlinkat",
                                                 .args = "path2 dirfd path",
                                                 .run = name_symlink };
const struct fdemu_call fdemu_linkat_call = {
  .name = "linkat", .args = "dirfd path dirfd2 path2 at_flags", .run = name_link
};
const struct fdemu_call fdemu_unlinkat_call = {
  .name = "unlinkat", .args = "dirfd path unlink_flags", .run = name_unlink
};
const struct fdemu_call fdemu_renameat2_call = {
  .name = "renameat2",
  .args = "dirfd path dirfd2 path2 rename_flags",
  .run = name_rename
};
