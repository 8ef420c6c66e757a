/* attr.c - calls that look at inodes, or change what is known about them */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "core/name.h"

#define DEV       0x1c /* st_dev of everything ... */
#define DEV_APART 0x1  /* ... but memory that has no name, ... */
#define DEV_PROC  0x15 /* ... and what shows descriptors */
#define SECOND    INT64_C(1000000000)

/* ---- times ------------------------------------------------------------ */

/* It happened now. atime follows only if it is older than the others, as with
 * relatime, and if the inode has not been told otherwise. */
void fde_touch(struct fdemu_inode *i, int which)
{
  struct fdemu_attr *a = i->attr;
  int64_t now = i->kernel->date;

  if (which & FDE_ATIME && !(a->fsflags & FS_NOATIME_FL) &&
      (a->atime <= a->mtime || a->atime <= a->ctime))
    a->atime = now;
  if (which & FDE_MTIME)
    a->mtime = now;
  if (which & FDE_CTIME)
    a->ctime = now;
}

/* By way of f its contents were looked at. */
void fde_accessed(const struct fdemu_file *f)
{
  if (!(f->flags & O_NOATIME))
    fde_touch(f->inode, FDE_ATIME);
}

/* Whoever it ran as, it does so no more. If that is news, DN_ATTRIB. */
FDE_APART static unsigned drop_file_ids(const struct fdemu_proc *p,
                                        struct fdemu_inode *i)
{
  const mode_t mode = i->mode;

  if (fde_uid(p) == 0)
    return 0;
  i->mode &= ~(mode_t)S_ISUID;
  if (i->mode & S_IXGRP)
    i->mode &= ~(mode_t)S_ISGID;
  return i->mode != mode ? DN_ATTRIB : 0;
}

static unsigned drop_ids(const struct fdemu_proc *p, struct fdemu_inode *i)
{
  return S_ISREG(i->mode) ? drop_file_ids(p, i) : 0;
}

/* Its contents have changed. Returns what else did: DN_ATTRIB or 0. */
unsigned fde_wrote(const struct fdemu_proc *p, struct fdemu_inode *i)
{
  fde_touch(i, FDE_MTIME | FDE_CTIME);
  return drop_ids(p, i);
}

/* To truncate(2), a size that stays is no change, unless there are pages to
 * look through. */
int64_t fde_truncate_end(struct fdemu_req *r, int64_t result)
{
  bool same = r->call == &fdemu_truncate_call && r->arg == r->offset;

  if (r->inode != NULL) {
    fde_count(r->inode, O_WRONLY, -1);
    fdemu_inode_put(r->inode);
    r->inode = NULL;
  }
  if (result == 0 && r->file != NULL) {
    unsigned more = (same ? drop_ids : fde_wrote)(r->proc, r->file->inode);
    fde_note_entry(r->call == &fdemu_truncate_call ? r->entry : r->file->entry,
                   DN_MODIFY | more);
  }
  fde_entry_put(r->entry);
  r->entry = NULL;
  r->ops = r->call == &fdemu_truncate_call ? NULL : r->ops;
  return result;
}

static struct timespec to_timespec(int64_t ns)
{
  struct timespec ts = { ns / SECOND, ns % SECOND };

  if (ts.tv_nsec < 0) {
    ts.tv_nsec += SECOND;
    ts.tv_sec--;
  }
  return ts;
}

/* What does not fit becomes what does. */
static int64_t from_timespec(const struct timespec *ts)
{
  if (ts->tv_sec >= INT64_MAX / SECOND)
    return INT64_MAX;
  if (ts->tv_sec <= INT64_MIN / SECOND)
    return INT64_MIN / SECOND * SECOND;
  return ts->tv_sec * SECOND + ts->tv_nsec;
}

/* ---- stat ------------------------------------------------------------- */

static void fill_stat(const struct fdemu_inode *i, struct stat *st)
{
  const struct fdemu_attr *a = i->attr;
  bool proc = fde_is_proc(i);

  memset(st, 0, sizeof *st);
  st->st_dev = a->apart ? DEV_APART : proc ? DEV_PROC : DEV;
  st->st_ino = a->ino;
  st->st_mode = i->mode;
  st->st_nlink = (nlink_t)a->nlink;
  st->st_uid = a->uid;
  st->st_gid = a->gid;
  st->st_rdev = a->rdev;
  st->st_size = a->size;
  st->st_blksize = proc ? 1024 : 4096;
  if (S_ISREG(i->mode))
    st->st_blocks = a->room >= 0 ? a->room / 512 : (a->size + 511) / 512;
  st->st_atim = to_timespec(a->atime);
  st->st_mtim = to_timespec(a->mtime);
  st->st_ctim = to_timespec(a->ctime);
}

void fdemu_fill_stat(const struct fdemu_file *f, struct stat *st)
{
  fill_stat(f->inode, st);
}

int64_t fde_stat(struct fdemu_file *f, struct fdemu_req *r)
{
  struct stat st;

  fill_stat(f->inode, &st);
  return fdemu_arg_store(r, 0, &st, sizeof st);
}

/* Methods are a description's: one without a descriptor, that its kind has not
 * opened and does not release. */
static int64_t borrow_file(struct fdemu_req *r, struct fdemu_inode *i,
                           int flags)
{
  r->file = fdemu_file_new(i, &fde_path_ops, flags, NULL);
  if (r->file == NULL)
    return -ENOMEM;
  r->ops = i->ops;
  return FDEMU_NEXT;
}

static int64_t give_back(struct fdemu_req *r, int64_t result)
{
  r->ops = NULL;
  return result;
}

static unsigned how_of(const struct fdemu_req *r)
{
  return (r->cmd & AT_SYMLINK_NOFOLLOW ? 0u : FDE_FOLLOW) |
         (r->cmd & AT_EMPTY_PATH ? FDE_EMPTY : 0u);
}

/* AT_EMPTY_PATH means a descriptor, as fstat(2) does, and no other flag. */
static bool is_fstat(const struct fdemu_req *r)
{
  return r->cmd & AT_EMPTY_PATH && r->fd >= 0 && r->path != NULL &&
         r->path[0] == '\0';
}

/* The description, which may know better than its inode. */
static struct fdemu_file *stat_itself(const struct fdemu_req *r)
{
  struct fdemu_file *f = is_fstat(r) ? fde_file_at(r->proc, r->fd) : NULL;

  return f != NULL && f->ops->stat != NULL ? f : NULL;
}

/* What statx(2) has and stat(2) has not. */
static void note_flags(struct fdemu_req *r, const struct fdemu_inode *i,
                       const struct fde_entry *e)
{
  r->arg = fde_in_tmpfs(i, e != NULL) ? i->attr->fsflags : -1;
}

static int64_t attr_stat(struct fdemu_file *f, struct fdemu_req *r)
{
  const unsigned long known = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT |
                              AT_EMPTY_PATH | AT_STATX_SYNC_TYPE;
  struct fde_walk w;
  struct stat st;
  int64_t n;

  if (f != NULL) /* a retry */
    return FDEMU_NEXT;
  if (r->cmd & ~known && !is_fstat(r))
    return -EINVAL;
  f = stat_itself(r);
  if (f != NULL) {
    fdemu_file_get(f);
    note_flags(r, f->inode, f->entry);
    r->file = f;
    r->ops = f->ops;
    return FDEMU_NEXT;
  }
  n = fde_walk(&w, r, how_of(r));
  if (n == 0)
    note_flags(r, w.at.inode, w.at.entry);
  if (n == 0 && w.at.inode->ops->stat != NULL)
    n = borrow_file(r, w.at.inode, O_PATH);
  else if (n == 0) {
    fill_stat(w.at.inode, &st);
    n = fdemu_arg_store(r, 0, &st, sizeof st);
  }
  fde_walk_end(&w);
  return n;
}

static int64_t attr_readlink(struct fdemu_file *f, struct fdemu_req *r)
{
  char text[FDE_PATH_MAX];
  struct fde_walk w;
  int64_t n;

  (void)f;
  if (r->buf.iov_len == 0 || r->buf.iov_len > INT32_MAX)
    return -EINVAL;
  n = fde_walk(&w, r, FDE_EMPTY);
  if (n == 0 && !fde_is_link(w.at.inode))
    n = r->path[0] == '\0' ? -ENOENT : -EINVAL;
  if (n == 0)
    n = fde_link_text(w.at.inode, text);
  if (n > (int64_t)r->buf.iov_len)
    n = (int64_t)r->buf.iov_len;
  if (n >= 0) {
    int error = fdemu_arg_store(r, 0, text, (size_t)n);
    fde_touch(w.at.inode, FDE_ATIME);
    n = error < 0 ? error : n;
  }
  fde_walk_end(&w);
  return n;
}

static int64_t attr_access(struct fdemu_file *f, struct fdemu_req *r)
{
  const unsigned long known = AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;
  struct fde_walk w;
  int error;

  (void)f;
  if (r->arg & ~INT64_C(7) || r->cmd & ~known)
    return -EINVAL;
  error = fde_walk(&w, r, how_of(r));
  if (error == 0)
    error = fde_may(r->proc, w.at.inode, (int)r->arg);
  fde_walk_end(&w);
  return error;
}

/* ---- change ----------------------------------------------------------- */

/* Who watches the directory is told, if n says that something has changed. */
static int64_t changed(int64_t n, const struct fde_entry *e, unsigned events)
{
  if (n == 0 && events != 0)
    fde_note_entry(e, events);
  return n;
}

/* Do something with the inode that a path means. */
static int64_t with_inode(struct fdemu_req *r, unsigned how, unsigned events,
                          int64_t (*change)(struct fdemu_inode *i,
                                            struct fdemu_req *r))
{
  struct fde_walk w;
  int64_t n = fde_walk(&w, r, how);

  if (n == 0)
    n = changed(change(w.at.inode, r), w.at.entry, events);
  fde_walk_end(&w);
  return n;
}

/* Whose it is changes it. FDEMU_NEXT: it is the core's. */
static int64_t ask_owner(struct fdemu_inode *i, const struct fdemu_change *c)
{
  return i->ops->change != NULL ? i->ops->change(i, c) : FDEMU_NEXT;
}

static int64_t change_mode(struct fdemu_inode *i, struct fdemu_req *r)
{
  mode_t mode = (mode_t)r->arg & 07777;
  const struct fdemu_change c = { .what = FDEMU_CHANGE_MODE, .mode = mode };
  int64_t n = ask_owner(i, &c);

  if (n != FDEMU_NEXT)
    return n;
  if (fde_is_link(i) || !(i->mode & S_IFMT))
    return -EOPNOTSUPP;
  if (!fde_owns(r->proc, i))
    return -EPERM;
  if (fde_is_view(i) || (i->attr->same_exec && (i->mode ^ mode) & 0111))
    return -EPERM;
  if (fde_uid(r->proc) != 0 && i->attr->gid != FDE_GID)
    mode &= ~(mode_t)S_ISGID;
  i->mode = (i->mode & S_IFMT) | mode;
  fde_touch(i, FDE_CTIME);
  return 0;
}

static int64_t attr_chmod(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)f;
  if (r->cmd & ~(unsigned long)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
    return -EINVAL;
  return with_inode(r, how_of(r), DN_ATTRIB, change_mode);
}

static int64_t attr_fchmod(struct fdemu_file *f, struct fdemu_req *r)
{
  return changed(change_mode(f->inode, r), f->entry, DN_ATTRIB);
}

/* An id of -1 is to stay. The owner may give a file to himself, and to his
 * group. */
static bool may_chown(const struct fdemu_proc *p, const struct fdemu_inode *i,
                      uid_t uid, gid_t gid)
{
  if (fde_uid(p) == 0)
    return true;
  if (uid != (uid_t)-1 && (i->attr->uid != FDEMU_UID || uid != FDEMU_UID))
    return false;
  if (gid != (gid_t)-1 &&
      (i->attr->uid != FDEMU_UID || (gid != i->attr->gid && gid != FDE_GID)))
    return false;
  return true;
}

static int64_t change_owner(struct fdemu_inode *i, struct fdemu_req *r)
{
  uid_t uid = (uid_t)r->arg;
  gid_t gid = (gid_t)r->offset;
  const struct fdemu_change c = { .what = FDEMU_CHANGE_OWNER,
                                  .uid = uid,
                                  .gid = gid };
  int64_t n = ask_owner(i, &c);

  if (n != FDEMU_NEXT)
    return n;
  if (!(i->mode & S_IFMT))
    return -EOPNOTSUPP;
  if (!may_chown(r->proc, i, uid, gid))
    return -EPERM;
  if (uid != (uid_t)-1)
    i->attr->uid = uid;
  if (gid != (gid_t)-1)
    i->attr->gid = gid;
  if (!fde_is_dir(i)) {
    i->mode &= ~(mode_t)S_ISUID;
    if (i->mode & S_IXGRP)
      i->mode &= ~(mode_t)S_ISGID;
  }
  fde_touch(i, FDE_CTIME);
  return 0;
}

static unsigned events_of_chown(const struct fdemu_req *r)
{
  return (uid_t)r->arg != (uid_t)-1 || (gid_t)r->offset != (gid_t)-1 ? DN_ATTRIB
                                                                     : 0;
}

static int64_t attr_chown(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)f;
  if (r->cmd & ~(unsigned long)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
    return -EINVAL;
  return with_inode(r, how_of(r), events_of_chown(r), change_owner);
}

static int64_t attr_fchown(struct fdemu_file *f, struct fdemu_req *r)
{
  return changed(change_owner(f->inode, r), f->entry, events_of_chown(r));
}

static int may_set_times(const struct fdemu_req *r, const struct fdemu_inode *i,
                         bool now)
{
  if (!(i->mode & S_IFMT) && !now)
    return -EOPNOTSUPP;
  if (fde_owns(r->proc, i))
    return 0;
  return now ? fde_may(r->proc, i, FDE_WRITE) : -EPERM;
}

static void set_time(const struct fdemu_inode *i, int64_t *t,
                     const struct timespec *ts)
{
  if (ts->tv_nsec == UTIME_NOW)
    *t = i->kernel->date;
  else if (ts->tv_nsec != UTIME_OMIT)
    *t = from_timespec(ts);
}

static int load_times(struct fdemu_req *r, struct timespec ts[2])
{
  const struct timespec now = { .tv_nsec = UTIME_NOW };
  int error = 0;

  ts[0] = now;
  ts[1] = now;
  if (r->buf.iov_base != NULL)
    error = fdemu_arg_load(r, 0, ts, 2 * sizeof *ts);
  return error;
}

static bool bad_time(const struct timespec *ts)
{
  return ts->tv_nsec != UTIME_NOW && ts->tv_nsec != UTIME_OMIT &&
         (ts->tv_nsec < 0 || ts->tv_nsec >= SECOND);
}

static int64_t change_times(struct fdemu_inode *i, struct fdemu_req *r)
{
  struct fdemu_change c = { .what = FDEMU_CHANGE_TIMES };
  struct timespec *ts = c.time;
  int64_t n;
  int error = load_times(r, ts);

  if (error == 0 && (bad_time(&ts[0]) || bad_time(&ts[1])))
    error = -EINVAL;
  if (error == 0 && (n = ask_owner(i, &c)) != FDEMU_NEXT)
    return n;
  if (error == 0)
    error = may_set_times(
        r, i, ts[0].tv_nsec == UTIME_NOW && ts[1].tv_nsec == UTIME_NOW);
  if (error < 0)
    return error;
  set_time(i, &i->attr->atime, &ts[0]);
  set_time(i, &i->attr->mtime, &ts[1]);
  fde_touch(i, FDE_CTIME);
  return 0;
}

/* As fsnotify_change() of Linux. */
static unsigned events_of_utimens(const struct timespec ts[2])
{
  if (ts[0].tv_nsec == UTIME_OMIT)
    return DN_MODIFY;
  return ts[1].tv_nsec == UTIME_OMIT ? DN_ACCESS : DN_ATTRIB;
}

static int64_t attr_utimens(struct fdemu_file *f, struct fdemu_req *r)
{
  struct timespec ts[2];
  int error = load_times(r, ts);

  (void)f;
  if (error < 0)
    return error;
  if (ts[0].tv_nsec == UTIME_OMIT && ts[1].tv_nsec == UTIME_OMIT)
    return 0; /* not even the path matters */
  if (r->path == NULL && r->fd != AT_FDCWD) {
    const struct fdemu_file *on;
    if (r->cmd != 0)
      return -EINVAL;
    on = fde_file_usable(r->proc, r->fd);
    return on == NULL ? -EBADF
                      : changed(change_times(on->inode, r), on->entry,
                                events_of_utimens(ts));
  }
  if (r->cmd & ~(unsigned long)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
    return -EINVAL;
  return with_inode(r, how_of(r), events_of_utimens(ts), change_times);
}

/* It counts as open for writing, and breaks leases as an open(2) does. */
static int64_t truncate_opened(struct fdemu_req *r)
{
  int error = fde_lease_break(r->inode, O_WRONLY, r->retry);

  if (error < 0)
    return error;
  r->arg = r->inode->attr->room > 0 ? -1 : r->inode->attr->size;
  return borrow_file(r, r->inode, O_WRONLY);
}

static int truncate_park(struct fdemu_req *r)
{
  if (r->file == NULL)
    fdemu_park(r, &r->inode->wq, FDEMU_WAKE_OPEN, false);
  else
    fdemu_park(r, &r->file->inode->wq, POLLPRI, false);
  return 0;
}

static int64_t truncate_inode(struct fdemu_inode *i, struct fdemu_req *r)
{
  int error;

  if (fde_is_dir(i))
    return -EISDIR;
  if (!S_ISREG(i->mode))
    return -EINVAL;
  error = fde_may(r->proc, i, FDE_WRITE);
  if (error < 0)
    return error;
  r->inode = i;
  fdemu_inode_get(i);
  fde_count(i, O_WRONLY, 1);
  return truncate_opened(r);
}

static int64_t truncate_path(struct fdemu_req *r)
{
  struct fde_walk w;
  int64_t n = fde_walk(&w, r, FDE_FOLLOW);

  if (n == 0) {
    r->entry = w.at.entry;
    if (r->entry != NULL)
      fde_entry_get(r->entry);
    n = truncate_inode(w.at.inode, r);
  }
  fde_walk_end(&w);
  return n;
}

static int64_t attr_truncate(struct fdemu_file *f, struct fdemu_req *r)
{
  if (f != NULL)
    return FDEMU_NEXT;
  return r->inode != NULL ? truncate_opened(r) : truncate_path(r);
}

static int64_t truncate_check(struct fdemu_req *r)
{
  r->fd = AT_FDCWD;
  return r->offset < 0 ? -EINVAL : FDEMU_NEXT;
}

/* ---- the process's own ------------------------------------------------ */

static void set_cwd(struct fdemu_proc *p, struct fde_entry *e)
{
  fde_entry_get(e);
  fde_entry_put(p->cwd);
  p->cwd = e;
}

static int64_t attr_chdir(struct fdemu_file *f, struct fdemu_req *r)
{
  struct fde_walk w;
  int error =
      fde_walk_to(&w, r->proc, AT_FDCWD, r->path, FDE_FOLLOW | FDE_DIRECTORY);

  (void)f;
  if (error == 0)
    error = fde_may(r->proc, w.at.inode, FDE_EXEC);
  if (error == 0)
    set_cwd(r->proc, w.at.entry);
  fde_walk_end(&w);
  return error;
}

static int64_t attr_fchdir(struct fdemu_file *f, struct fdemu_req *r)
{
  int error;

  if (!fde_is_dir(f->inode))
    return -ENOTDIR;
  error = fde_may(r->proc, f->inode, FDE_EXEC);
  if (error == 0)
    set_cwd(r->proc, f->entry);
  return error;
}

static int64_t attr_getcwd(struct fdemu_file *f, struct fdemu_req *r)
{
  const struct fde_entry *cwd = r->proc->cwd;
  char path[FDE_PATH_MAX];
  int64_t n;
  int error;

  (void)f;
  if (cwd->gone)
    return -ENOENT;
  n = fde_entry_path(cwd, path);
  if (n < 0)
    return n;
  if ((uint64_t)n + 1 > r->buf.iov_len)
    return -ERANGE;
  error = fdemu_arg_store(r, 0, path, (size_t)n + 1);
  return error < 0 ? error : n + 1;
}

static int64_t attr_umask(struct fdemu_file *f, struct fdemu_req *r)
{
  mode_t old = r->proc->umask;

  (void)f;
  r->proc->umask = (mode_t)r->arg & 0777;
  return old;
}

/* ---- the calls -------------------------------------------------------- */

#define FD FDEMU_CALL_FD

const struct fdemu_call fdemu_newfstatat_call = {
  .name = "newfstatat",
  .args = "dirfd path | stat at_flags",
  .slot = offsetof(struct fdemu_ops, stat),
  .run = attr_stat,
  .finish = give_back,
};
const struct fdemu_call fdemu_readlinkat_call = {
  .name = "readlinkat", .args = "dirfd path | data size", .run = attr_readlink
};
const struct fdemu_call fdemu_faccessat2_call = {
  .name = "faccessat2", .args = "dirfd path access at_flags", .run = attr_access
};
const struct fdemu_call fdemu_fchmodat2_call = {
  .name = "fchmodat2", .args = "dirfd path mode at_flags", .run = attr_chmod
};
const struct fdemu_call fdemu_fchmod_call = {
  .name = "fchmod", .args = "fd mode", .run = attr_fchmod, .flags = FD
};
const struct fdemu_call fdemu_fchownat_call = {
  .name = "fchownat",
  .args = "dirfd path arg offset at_flags",
  .run = attr_chown
};
const struct fdemu_call fdemu_fchown_call = {
  .name = "fchown", .args = "fd arg offset", .run = attr_fchown, .flags = FD
};
const struct fdemu_call fdemu_utimensat_call = {
  .name = "utimensat", .args = "dirfd path times at_flags", .run = attr_utimens
};
const struct fdemu_call fdemu_truncate_call = {
  .name = "truncate",
  .args = "path offset",
  .slot = offsetof(struct fdemu_ops, truncate),
  .check = truncate_check,
  .run = attr_truncate,
  .missing = -EINVAL,
  .finish = fde_truncate_end,
  .park = truncate_park,
};
const struct fdemu_call fdemu_chdir_call = { .name = "chdir",
                                             .args = "path",
                                             .run = attr_chdir };
const struct fdemu_call fdemu_fchdir_call = { .name = "fchdir",
                                              .args = "fd",
                                              .run = attr_fchdir,
                                              .flags = FD | FDEMU_CALL_PATH };
const struct fdemu_call fdemu_getcwd_call = { .name = "getcwd",
                                              .args = "| data size",
                                              .run = attr_getcwd };
const struct fdemu_call fdemu_umask_call = { .name = "umask",
                                             .args = "mode",
                                             .run = attr_umask };
