/* name.h - the name space: directories, entries, walks; private to core */
#ifndef FDE_NAME_H
#define FDE_NAME_H

#include "core/kernel.h"

#define FDE_NAME_MAX 255
#define FDE_PATH_MAX 4096
#define FDE_GID      FDEMU_UID

enum { FDE_EXEC = 1, FDE_WRITE = 2, FDE_READ = 4 };

/*
 * A name in a directory. It holds references to its inode and to the entry of
 * its directory; the directory holds one to it. Descriptions and working
 * directories hold others: so they know where they are after a rename, and that
 * they are nowhere after an unlink.
 */
struct fde_entry {
  struct fde_entry *next;   /* in its hash chain */
  struct fde_entry *parent; /* NULL: the root */
  struct fdemu_inode *inode;
  uint64_t cookie; /* its place in the order of the directory */
  uint32_t hash;
  int refs;
  bool gone; /* from its directory */
  size_t len;
  char *name;
};

struct fde_slot {
  uint64_t cookie;
  struct fde_entry *entry; /* NULL: gone */
};

/* Names by hash, and in the order in which they were made: a slot for each
 * cookie that may still be there, rising. */
struct fde_dir {
  struct fdemu_inode inode;
  struct fdemu_attr attr;
  struct fde_entry *entry; /* its name; borrowed */
  struct fde_entry **hash;
  struct fde_slot *order;
  size_t n, cap, norder, ordercap;
  uint64_t last_cookie;
  /* Of a directory whose contents depend on who asks; NULL: it is as above.
   * lookup makes an inode, the caller's; next the first name >= *pos, with
   * *pos behind it. */
  int (*lookup)(struct fdemu_proc *p, const char *name, size_t len,
                struct fdemu_inode **i);
  bool (*next)(struct fdemu_proc *p, uint64_t *pos, char name[16]);
};

/* A symbolic link: to the text in target, or straight to a description. */
struct fde_link {
  struct fdemu_inode inode;
  struct fdemu_attr attr;
  struct fdemu_file *file; /* a reference, or NULL */
  char target[];
};

/* Where a walk is: an inode, and the entry that it has there if it has one. */
struct fde_place {
  struct fde_entry *entry;
  struct fdemu_inode *inode;
};

enum fde_last { FDE_LAST_NAME, FDE_LAST_DOT, FDE_LAST_DOTDOT, FDE_LAST_ROOT };

/* What it points to is borrowed, and good until anything changes. */
struct fde_walk {
  struct fdemu_proc *proc;
  struct fde_place at;
  const char *last; /* the name that comes next, in at */
  size_t len;
  enum fde_last type;
  bool slash;               /* one follows it: it has to be a directory */
  int links;                /* symbolic links so far */
  struct fdemu_inode *made; /* by a lookup: put it in the end */
};

/* entry.c */
struct fde_dir *fde_dir_of(const struct fdemu_inode *i);
struct fdemu_inode *fde_dir_new(struct fdemu_kernel *k, mode_t mode);
struct fde_entry *fde_dir_find(const struct fde_dir *d, const char *name,
                               size_t len);
struct fde_entry *fde_entry_nameless(struct fde_entry *dir,
                                     struct fdemu_inode *i);
int fde_dir_put(struct fde_entry *dir, const char *name, size_t len,
                struct fdemu_inode *i);
int fde_dir_add(struct fde_entry *dir, const char *name, size_t len,
                struct fdemu_inode *i);
void fde_dir_remove(struct fde_entry *e);
int fde_dir_move(struct fde_entry *e, struct fde_entry *dir, const char *name,
                 size_t len, struct fde_entry *target);
int fde_dir_swap(struct fde_entry *a, struct fde_entry *b);
size_t fde_dir_slot(const struct fde_dir *d, uint64_t cookie);
bool fde_dir_dead(const struct fdemu_inode *i);
int64_t fde_entry_path(const struct fde_entry *e, char buf[FDE_PATH_MAX]);

/* walk.c */
int fde_may(const struct fdemu_proc *p, const struct fdemu_inode *i, int mask);
uid_t fde_uid(const struct fdemu_proc *p);
bool fde_owns(const struct fdemu_proc *p, const struct fdemu_inode *i);
int fde_walk(struct fde_walk *w, const struct fdemu_req *r, unsigned how);
int fde_walk_to(struct fde_walk *w, struct fdemu_proc *p, int dirfd,
                const char *path, unsigned how);
int fde_check_path(const char *path, unsigned how);
int fde_walk_link(struct fde_walk *w, struct fdemu_inode *i);
int fde_walk_lookup(struct fde_walk *w, struct fde_place *child);
int fde_walk_enter(struct fde_walk *w, bool follow);
void fde_walk_end(struct fde_walk *w);

enum {                    /* how */
       FDE_FOLLOW = 1,    /* a symbolic link at the end */
       FDE_DIRECTORY = 2, /* ENOTDIR for what is none */
       FDE_PARENT = 4,    /* stop before the last name */
       FDE_EMPTY = 8      /* an empty path means the descriptor */
};

/* names.c */
int fde_create(struct fde_walk *w, mode_t mode, dev_t dev,
               struct fde_place *made);
void fde_adopt(const struct fde_walk *w, struct fdemu_inode *i);

/* statfs.c */
bool fde_in_tmpfs(const struct fdemu_inode *i, bool named);
bool fde_same_fs(const struct fdemu_file *a, const struct fdemu_file *b);
bool fde_fs_uuid(const struct fdemu_file *f, uint8_t uuid[16]);

/* dir.c, link.c, open.c */
extern const struct fdemu_ops fde_dir_ops, fde_link_ops, fde_path_ops;

/* Whatever else may say of itself that it is a directory (one of the host's)
 * has no names here. */
static inline bool fde_is_dir(const struct fdemu_inode *i)
{
  return i->ops == &fde_dir_ops;
}

/* A directory that nobody changes: what is in it depends on who looks, and he
 * may. */
static inline bool fde_is_view(const struct fdemu_inode *i)
{
  return fde_is_dir(i) && fde_dir_of(i)->lookup != NULL;
}

static inline bool fde_is_link(const struct fdemu_inode *i)
{
  return i->ops == &fde_link_ops;
}

/* Of /proc: such a directory, or what is in one. */
static inline bool fde_is_proc(const struct fdemu_inode *i)
{
  return fde_is_view(i) ||
         (fde_is_link(i) &&
          fdemu_entry(i, const struct fde_link, inode)->file != NULL);
}

struct fdemu_inode *fde_link_new(struct fdemu_kernel *k, const char *target);
int64_t fde_link_text(const struct fdemu_inode *i, char buf[FDE_PATH_MAX]);

#endif
