/* open.c - open(2): find or make the inode, check, and ask it for a file */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "core/name.h"

/* open() of a 64-bit program sets it, whatever libc's O_LARGEFILE is. */
#define LARGEFILE     0100000
#define TMPFILE       (O_TMPFILE & ~O_DIRECTORY)
#define FLAGS_OF_PATH (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* What a descriptor with O_PATH has: a place, and nothing to do there. */
const struct fdemu_ops fde_path_ops = { .name = "path",
                                        .mode = FDEMU_MODE_LATE };

/* ---- flags ------------------------------------------------------------ */

static bool has(unsigned long flags, unsigned long wanted)
{
  return (flags & wanted) == wanted;
}

static unsigned long flags_of(const struct fdemu_req *r)
{
  return r->cmd & O_PATH ? r->cmd & FLAGS_OF_PATH : r->cmd;
}

static int check_flags(unsigned long flags)
{
  if (has(flags, O_CREAT | O_DIRECTORY))
    return -EINVAL;
  if (flags & TMPFILE &&
      (!(flags & O_DIRECTORY) || (flags & O_ACCMODE) == O_RDONLY))
    return -EINVAL;
  return 0;
}

/* The permissions that a description with these flags takes. */
static int wanted(unsigned long flags)
{
  static const int masks[] = { FDE_READ, FDE_WRITE, FDE_READ | FDE_WRITE,
                               FDE_READ | FDE_WRITE };

  return masks[flags & O_ACCMODE] | (flags & O_TRUNC ? FDE_WRITE : 0);
}

/* ---- the inode -------------------------------------------------------- */

static int make_unnamed(struct fde_walk *w, struct fdemu_req *r)
{
  int mode = S_IFREG | ((int)r->arg & 07777 & ~r->proc->umask), error;
  struct fdemu_inode *i;

  error = fde_may(w->proc, w->at.inode, FDE_WRITE | FDE_EXEC);
  if (error == 0 && fde_is_view(w->at.inode))
    error = -EOPNOTSUPP;
  if (error == 0)
    error = fdemu_make(w->proc->kernel, (mode_t)mode, &i);
  if (error != 0)
    return error;
  fde_adopt(w, i);
  i->attr->nlink = 0;
  i->attr->nameless = true;
  i->attr->named = (r->cmd & O_EXCL) != 0; /* and may not be named any more */
  r->entry = w->at.entry; /* the directory, to say where it is */
  fde_entry_get(r->entry);
  fde_walk_end(w);
  w->made = i;
  w->at = (struct fde_place){ NULL, i };
  return 0;
}

/* The last name of the path, for a call that may make it. */
static int find_or_make(struct fde_walk *w, struct fdemu_req *r,
                        unsigned long flags)
{
  bool follow = !(flags & O_NOFOLLOW) && !(flags & O_EXCL);
  struct fde_place child;
  int error = fde_walk(w, r, FDE_PARENT);

  while (error == 0 && w->type == FDE_LAST_NAME) {
    if (w->slash)
      return -EISDIR;
    error = fde_walk_lookup(w, &child);
    if (error == -ENOENT) {
      r->made = true;
      return fde_create(w, S_IFREG | ((mode_t)r->arg & 07777), 0, &w->at);
    }
    if (error < 0)
      return error;
    if (!follow || !fde_is_link(child.inode)) {
      w->at = child;
      return 0;
    }
    error = fde_walk_link(w, child.inode);
  }
  return error == 0 ? fde_walk_enter(w, true) : error;
}

static int find(struct fde_walk *w, struct fdemu_req *r, unsigned long flags)
{
  unsigned how = (flags & O_NOFOLLOW ? 0u : FDE_FOLLOW) |
                 (flags & O_DIRECTORY ? FDE_DIRECTORY : 0u);
  int error;

  if (flags & O_CREAT)
    return find_or_make(w, r, flags);
  error = fde_walk(w, r, how);
  if (error == 0 && flags & TMPFILE) {
    r->made = true;
    error = make_unnamed(w, r);
  }
  return error;
}

/* What may be opened, in Linux's order. */
static int may_open(const struct fde_walk *w, unsigned long flags, bool made)
{
  const struct fdemu_inode *i = w->at.inode;
  int error = 0;

  if (!made && has(flags, O_CREAT | O_EXCL))
    return -EEXIST;
  if (flags & O_CREAT && fde_is_dir(i))
    return -EISDIR;
  if (flags & O_PATH)
    return 0;
  if (fde_is_link(i))
    return -ELOOP;
  if (fde_is_dir(i) && wanted(flags) & FDE_WRITE)
    return -EISDIR;
  if (!made)
    error = fde_may(w->proc, i, wanted(flags));
  if (error < 0)
    return error;
  if (flags & O_NOATIME && !fde_owns(w->proc, i))
    return -EPERM;
  if (i->open == NULL && ((i->mode & S_IFMT) == 0 || S_ISSOCK(i->mode)))
    return -ENXIO; /* there is no second description of it */
  if (flags & O_DIRECT && !(i->ops->mode & FDEMU_MODE_DIRECT))
    return -EINVAL;
  return 0;
}

/* ---- the description -------------------------------------------------- */

/* Descriptions that are open, or on their way, by whom leases are judged. */
void fde_count(struct fdemu_inode *i, int flags, int by)
{
  const int mode = flags & O_ACCMODE;

  if (!S_ISREG(i->mode) || flags & O_PATH || mode == O_ACCMODE)
    return;
  if (mode == O_RDONLY)
    i->attr->opened.readers += (unsigned)by;
  else
    i->attr->opened.writers += (unsigned)by;
}

static int64_t open_inode(struct fdemu_req *r)
{
  struct fdemu_inode *i = r->inode;
  int error;

  if (r->cmd & O_PATH)
    return fdemu_opened(
        r, fdemu_file_new(i, &fde_path_ops, (int)flags_of(r), NULL));
  error = fde_lease_break(i, (int)r->cmd, r->retry);
  if (error < 0)
    return error;
  if (i->open != NULL)
    return i->open(i, r);
  return fdemu_opened(r, fdemu_file_new(i, i->ops, (int)r->cmd, NULL));
}

int64_t fdemu_opened(struct fdemu_req *r, struct fdemu_file *f)
{
  r->out = f;
  return f != NULL ? 0 : -ENOMEM;
}

/* Look the path up once; what was found is kept, should open() have to wait. */
static int64_t open_path(struct fdemu_req *r)
{
  unsigned long flags = flags_of(r);
  struct fde_walk w;
  int error = find(&w, r, flags);

  if (error == 0)
    error = may_open(&w, flags, r->made);
  if (error == 0) {
    r->inode = w.at.inode;
    fdemu_inode_get(r->inode);
    fde_count(r->inode, (int)flags, 1);
    if (w.at.entry != NULL) {
      r->entry = w.at.entry;
      fde_entry_get(r->entry);
    }
  }
  fde_walk_end(&w);
  return error;
}

/* The descriptor is reserved before the path is looked at, as in Linux: EMFILE
 * comes before ENOENT. */
int64_t fde_open(struct fdemu_file *f, struct fdemu_req *r)
{
  int64_t error;

  (void)f;
  if (r->inode != NULL)
    return open_inode(r);
  error = check_flags(flags_of(r));
  if (error == 0)
    error = fde_check_path(r->path, 0);
  if (error == 0)
    error = fdemu_reserve(r->proc, &r->newfd, 1);
  if (error == 0)
    error = open_path(r);
  if (error != 0)
    return error;
  r->cmd |= LARGEFILE;
  return open_inode(r);
}

/* An open() that has to wait does so for anything to happen to the inode. */
int fde_open_park(struct fdemu_req *r)
{
  if (r->cmd & O_NONBLOCK)
    return -EAGAIN;
  fdemu_park(r, &r->inode->wq, FDEMU_WAKE_OPEN, false);
  return 0;
}

const struct fdemu_inode *fdemu_awaited_inode(const struct fdemu_req *r)
{
  return r->call == &fdemu_calls[FDEMU_OPEN] ? r->inode : NULL;
}

/* 0 or -ENOMEM */
static int set_path(struct fdemu_file *f, const char *path)
{
  size_t size = strlen(path) + 1;

  if (f->path != NULL)
    return 0;
  f->path = fdemu_alloc(f->inode->kernel, size);
  if (f->path == NULL)
    return -ENOMEM;
  memcpy(f->path, path, size);
  return 0;
}

/* What Linux calls a file without a name, in the directory where it was made. */
static int set_nameless(struct fdemu_file *f, const struct fdemu_req *r)
{
  char dir[FDE_PATH_MAX], path[FDE_PATH_MAX + 40];

  if (fde_entry_path(r->entry, dir) < 0)
    return 0;
  snprintf(path, sizeof path, "%s/#%llu (deleted)",
           strcmp(dir, "/") == 0 ? "" : dir,
           (unsigned long long)f->inode->attr->ino);
  f->entry = fde_entry_nameless(r->entry, f->inode);
  return f->entry != NULL ? set_path(f, path) : -ENOMEM;
}

/* Where f is, unless open() gave a description that is somewhere else. 0 or
 * -ENOMEM */
static int set_place(struct fdemu_file *f, struct fdemu_req *r)
{
  int error;

  if (r->made && r->cmd & TMPFILE)
    return set_nameless(f, r);
  error = set_path(f, r->path);
  if (error < 0)
    return error;
  if (f->entry == NULL && f->inode == r->inode) {
    f->entry = r->entry;
    r->entry = NULL;
  }
  return 0;
}

/* There was no memory to open what this call has made. */
static void unmake(const struct fdemu_req *r)
{
  if (r->made && r->cmd & O_CREAT && r->entry != NULL && !r->entry->gone)
    fde_dir_remove(r->entry);
}

static void forget_place(struct fdemu_req *r)
{
  fde_entry_put(r->entry);
  if (r->inode != NULL) {
    fde_count(r->inode, (int)r->cmd, -1);
    fdemu_inode_put(r->inode);
  }
  r->entry = NULL;
  r->inode = NULL;
}

/* Fill or give back the descriptor. */
int64_t fde_open_end(struct fdemu_req *r, int64_t result)
{
  unsigned long flags = flags_of(r);
  struct fdemu_file *f = r->out;

  r->out = NULL;
  if (!r->proc->alive && result >= 0)
    result = -EINTR; /* whatever opened it has ended the process */
  if (result >= 0 && f != NULL)
    result = set_place(f, r);
  if (result >= 0 && f != NULL) {
    if (f->inode == r->inode) {
      f->mode |= FDEMU_MODE_COUNTED;
      fde_count(f->inode, (int)r->cmd, 1);
    }
    if (r->made && flags & O_CREAT && f->inode == r->inode)
      f->mode |= FDEMU_MODE_CREATED;
    if (flags & O_TRUNC && !r->made && f->inode == r->inode &&
        S_ISREG(f->inode->mode)) {
      fde_note_entry(f->entry, DN_MODIFY | fde_wrote(r->proc, f->inode));
    }
    fdemu_fill(r->proc, r->newfd, f, (flags & O_CLOEXEC) != 0);
    result = r->newfd;
    f = NULL;
  } else if (r->newfd >= 0)
    fdemu_unreserve(r->proc, &r->newfd, 1);
  if (f != NULL)
    fdemu_file_put(f);
  if (result == -ENOMEM)
    unmake(r);
  forget_place(r);
  return result;
}
