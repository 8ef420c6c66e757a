/* walk.c - from paths to inodes; path_resolution(7) */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/name.h"

#define MAX_LINKS 40

/* ---- who may ---------------------------------------------------------- */

/* The kernel's own process may do everything. */
uid_t fde_uid(const struct fdemu_proc *p)
{
  return p == p->kernel->self ? 0 : FDEMU_UID;
}

bool fde_owns(const struct fdemu_proc *p, const struct fdemu_inode *i)
{
  return fde_uid(p) == 0 || fde_uid(p) == i->attr->uid;
}

/* mask: FDE_READ, FDE_WRITE, FDE_EXEC. 0 or -EACCES */
int fde_may(const struct fdemu_proc *p, const struct fdemu_inode *i, int mask)
{
  mode_t mode = i->mode;

  if (fde_uid(p) == 0)
    return 0;
  if (i->attr->uid == FDEMU_UID)
    mode >>= 6;
  else if (i->attr->gid == FDE_GID)
    mode >>= 3;
  return (unsigned)mask & ~mode && !fde_is_view(i) ? -EACCES : 0;
}

/* ---- steps ------------------------------------------------------------ */

static void set_at(struct fde_walk *w, struct fde_entry *e)
{
  w->at = (struct fde_place){ e, e->inode };
}

static int made_here(struct fde_walk *w, const struct fde_dir *d,
                     struct fde_place *child)
{
  struct fdemu_inode *i;
  int error = d->lookup(w->proc, w->last, w->len, &i);

  if (error < 0)
    return error;
  if (w->made != NULL)
    fdemu_inode_put(w->made);
  w->made = i;
  *child = (struct fde_place){ NULL, i };
  return 0;
}

/* What the next name stands for. */
int fde_walk_lookup(struct fde_walk *w, struct fde_place *child)
{
  const struct fde_dir *d = fde_dir_of(w->at.inode);

  if (fde_dir_dead(w->at.inode))
    return -ENOENT;
  if (w->len > FDE_NAME_MAX)
    return -ENAMETOOLONG;
  child->inode = NULL;
  child->entry = fde_dir_find(d, w->last, w->len);
  if (child->entry == NULL)
    return d->lookup != NULL ? made_here(w, d, child) : -ENOENT;
  child->inode = child->entry->inode;
  return 0;
}

static enum fde_last type_of(const char *s, size_t len)
{
  if (len == 1 && s[0] == '.')
    return FDE_LAST_DOT;
  if (len == 2 && s[0] == '.' && s[1] == '.')
    return FDE_LAST_DOTDOT;
  return FDE_LAST_NAME;
}

/* Go to the directory that has the last name of path. */
static int to_last(struct fde_walk *w, const char *path)
{
  const char *s = path;
  int error;

  if (*s == '/')
    set_at(w, w->proc->kernel->root);
  s += strspn(s, "/");
  w->type = FDE_LAST_ROOT;
  w->slash = false;
  while (*s != '\0') {
    const char *rest;
    error = fde_may(w->proc, w->at.inode, FDE_EXEC);
    if (error < 0)
      return error;
    w->last = s;
    w->len = strcspn(s, "/");
    w->type = type_of(s, w->len);
    w->slash = s[w->len] == '/';
    rest = s + w->len + strspn(s + w->len, "/");
    if (*rest == '\0')
      return 0;
    error = fde_walk_enter(w, true);
    if (error == 0 && !fde_is_dir(w->at.inode))
      error = -ENOTDIR;
    if (error < 0)
      return error;
    s = rest;
  }
  return 0;
}

/* Go on with what a symbolic link in at says, up to its last name. */
int fde_walk_link(struct fde_walk *w, struct fdemu_inode *i)
{
  const struct fde_link *l = fdemu_entry(i, const struct fde_link, inode);

  if (w->links++ >= MAX_LINKS)
    return -ELOOP;
  fde_touch(i, FDE_ATIME);
  if (l->file == NULL)
    return to_last(w, l->target);
  w->at = (struct fde_place){ l->file->entry, l->file->inode };
  w->type = FDE_LAST_ROOT; /* there is nothing more to look up */
  w->slash = false;
  return 0;
}

static int enter_link(struct fde_walk *w, struct fdemu_inode *i)
{
  int error = fde_walk_link(w, i);
  bool slash = w->slash;

  if (error == 0)
    error = fde_walk_enter(w, true);
  if (error == 0 && slash && !fde_is_dir(w->at.inode))
    error = -ENOTDIR;
  return error;
}

/* Go to what the next name stands for; follow: if that is a symbolic link, to
 * where it leads. */
int fde_walk_enter(struct fde_walk *w, bool follow)
{
  struct fde_place child;
  int error;

  switch (w->type) {
  case FDE_LAST_ROOT:
  case FDE_LAST_DOT: return 0;
  case FDE_LAST_DOTDOT:
    if (w->at.entry->parent != NULL)
      set_at(w, w->at.entry->parent);
    return 0;
  default: break;
  }
  error = fde_walk_lookup(w, &child);
  if (error < 0)
    return error;
  if (follow && fde_is_link(child.inode))
    return enter_link(w, child.inode);
  w->at = child;
  return 0;
}

/* ---- walks ------------------------------------------------------------ */

/* Where a path that does not begin with a slash begins. */
static int begin(struct fde_walk *w, int dirfd)
{
  const struct fdemu_file *f;

  if (dirfd == AT_FDCWD) {
    set_at(w, w->proc->cwd);
    return 0;
  }
  f = fde_file_at(w->proc, dirfd);
  if (f == NULL)
    return -EBADF;
  w->at = (struct fde_place){ f->entry, f->inode };
  return 0;
}

/* As getname() of Linux. */
int fde_check_path(const char *path, unsigned how)
{
  if (path == NULL)
    return -EFAULT;
  if (path[0] == '\0' && !(how & FDE_EMPTY))
    return -ENOENT;
  return strnlen(path, FDE_PATH_MAX) < FDE_PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* w->at becomes what path means; FDE_PARENT: what has its last name. Ends with
 * fde_walk_end(). */
int fde_walk_to(struct fde_walk *w, struct fdemu_proc *p, int dirfd,
                const char *path, unsigned how)
{
  int error = fde_check_path(path, how);
  bool directory;

  *w = (struct fde_walk){ .proc = p, .type = FDE_LAST_ROOT };
  if (error == 0 && path[0] != '/')
    error = begin(w, dirfd);
  if (error < 0)
    return error;
  if (path[0] != '/' && path[0] != '\0' && !fde_is_dir(w->at.inode))
    return -ENOTDIR;
  error = to_last(w, path);
  if (error < 0 || how & FDE_PARENT)
    return error;
  directory = w->slash || how & FDE_DIRECTORY;
  error = fde_walk_enter(w, w->slash || how & FDE_FOLLOW);
  if (error == 0 && directory && !fde_is_dir(w->at.inode))
    error = -ENOTDIR;
  return error;
}

int fde_walk(struct fde_walk *w, const struct fdemu_req *r, unsigned how)
{
  return fde_walk_to(w, r->proc, r->fd, r->path, how);
}

void fde_walk_end(struct fde_walk *w)
{
  if (w->made != NULL)
    fdemu_inode_put(w->made);
  w->made = NULL;
}
