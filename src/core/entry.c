/* entry.c - directories and the names in them */
#include "core/name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define FIRST_COOKIE 2 /* 0 and 1 are . and .. */

struct fde_dir *fde_dir_of(const struct fdemu_inode *i)
{
  return fdemu_entry(i, struct fde_dir, inode);
}

/* ---- references ------------------------------------------------------- */

void fde_entry_get(struct fde_entry *e)
{
  e->refs++;
}

/* The last one to a name gives back its directory's, and so on. */
void fde_entry_put(struct fde_entry *e)
{
  while (e != NULL && --e->refs == 0) {
    struct fde_entry *parent = e->parent;
    struct fdemu_inode *i = e->inode;
    struct fdemu_kernel *k = i->kernel;
    fdemu_free(k, e->name);
    fdemu_free(k, e);
    fdemu_inode_put(i);
    e = parent;
  }
}

static char *copy_name(struct fdemu_kernel *k, const char *name, size_t len)
{
  char *copy = fdemu_alloc(k, len + 1);

  if (copy != NULL) {
    memcpy(copy, name, len);
    copy[len] = '\0';
  }
  return copy;
}

/* FNV-1a */
static uint32_t hash(const char *s, size_t len)
{
  uint32_t h = 0x811c9dc5u;

  for (; len > 0; len--)
    h = (h ^ (unsigned char)*s++) * 0x01000193u;
  return h;
}

/* A name in no directory yet, with one reference. */
static struct fde_entry *entry_new(const char *name, size_t len,
                                   struct fdemu_inode *i)
{
  struct fde_entry *e = fdemu_alloc(i->kernel, sizeof *e);

  if (e == NULL)
    return NULL;
  memset(e, 0, sizeof *e);
  e->name = copy_name(i->kernel, name, len);
  if (e->name == NULL) {
    fdemu_free(i->kernel, e);
    return NULL;
  }
  e->len = len;
  e->hash = hash(name, len);
  e->refs = 1;
  e->inode = i;
  fdemu_inode_get(i);
  return e;
}

/* ---- directories ------------------------------------------------------ */

static void dir_free(struct fdemu_inode *i)
{
  struct fde_dir *d = fde_dir_of(i);

  fdemu_free(i->kernel, d->hash);
  fdemu_free(i->kernel, d->order);
  fdemu_free(i->kernel, d);
}

struct fdemu_inode *fde_dir_new(struct fdemu_kernel *k, mode_t mode)
{
  struct fde_dir *d = fdemu_alloc(k, sizeof *d);

  if (d == NULL)
    return NULL;
  memset(d, 0, sizeof *d);
  fdemu_inode_init(&d->inode, &d->attr, k, &fde_dir_ops, S_IFDIR | mode,
                   dir_free);
  d->attr.nlink = 2;
  d->last_cookie = FIRST_COOKIE;
  return &d->inode;
}

/* Whose world this is, is also whose root it is. */
struct fde_entry *fde_root_new(struct fdemu_kernel *k)
{
  struct fdemu_inode *i = fde_dir_new(k, 0755);
  struct fde_entry *e;

  if (i == NULL)
    return NULL;
  i->attr->named = true;
  e = entry_new("", 0, i);
  fdemu_inode_put(i);
  if (e != NULL)
    fde_dir_of(i)->entry = e;
  return e;
}

/* It was removed while somebody still had it. */
bool fde_dir_dead(const struct fdemu_inode *i)
{
  return fde_is_dir(i) && i->attr->nlink == 0;
}

struct fde_entry *fde_dir_find(const struct fde_dir *d, const char *name,
                               size_t len)
{
  uint32_t h = hash(name, len);
  struct fde_entry *e = d->cap > 0 ? d->hash[h & (d->cap - 1)] : NULL;

  while (e != NULL &&
         (e->hash != h || e->len != len || memcmp(e->name, name, len) != 0))
    e = e->next;
  return e;
}

/* The first slot whose cookie is not below. */
size_t fde_dir_slot(const struct fde_dir *d, uint64_t cookie)
{
  size_t low = 0, high = d->norder;

  while (low < high) {
    size_t mid = low + (high - low) / 2;
    if (d->order[mid].cookie < cookie)
      low = mid + 1;
    else
      high = mid;
  }
  return low;
}

static int grow_hash(struct fde_dir *d)
{
  struct fdemu_kernel *k = d->inode.kernel;
  size_t cap = d->cap > 0 ? 2 * d->cap : 8;
  struct fde_entry **new = fdemu_alloc(k, cap * sizeof *new);

  if (new == NULL)
    return -ENOMEM;
  memset(new, 0, cap * sizeof *new);
  for (size_t i = 0; i < d->cap; i++)
    for (struct fde_entry *e = d->hash[i], *next; e != NULL; e = next) {
      next = e->next;
      e->next = new[e->hash & (cap - 1)];
      new[e->hash & (cap - 1)] = e;
    }
  fdemu_free(k, d->hash);
  d->hash = new;
  d->cap = cap;
  return 0;
}

static void compact(struct fde_dir *d)
{
  size_t n = 0;

  for (size_t i = 0; i < d->norder; i++)
    if (d->order[i].entry != NULL)
      d->order[n++] = d->order[i];
  d->norder = n;
}

static int grow_order(struct fde_dir *d, size_t more)
{
  size_t cap = d->ordercap > 0 ? 2 * d->ordercap : 8;
  struct fde_slot *new;

  if (d->norder > 16 && d->n < d->norder / 2)
    compact(d);
  if (d->norder + more <= d->ordercap)
    return 0;
  new = fdemu_realloc(d->inode.kernel, d->order, cap * sizeof *new);
  if (new == NULL)
    return -ENOMEM;
  d->order = new;
  d->ordercap = cap;
  return 0;
}

/* Room for some more names. */
static int reserve(struct fde_dir *d, size_t more)
{
  int error = 0;

  if (d->n + more > d->cap)
    error = grow_hash(d);
  if (error == 0 && d->norder + more > d->ordercap)
    error = grow_order(d, more);
  return error;
}

/* There is room: e, whose reference is the directory's now, becomes the newest
 * name. */
static void attach(struct fde_entry *dir, struct fde_entry *e)
{
  struct fde_dir *d = fde_dir_of(dir->inode);
  struct fde_entry **chain = &d->hash[e->hash & (d->cap - 1)];

  e->parent = dir;
  fde_entry_get(dir);
  e->gone = false;
  e->next = *chain;
  *chain = e;
  e->cookie = d->last_cookie++;
  d->order[d->norder++] = (struct fde_slot){ e->cookie, e };
  d->n++;
  if (fde_is_dir(e->inode))
    d->attr.nlink++;
  fde_touch(&d->inode, FDE_MTIME | FDE_CTIME);
}

/* The other way round, except that e keeps its reference to the directory. */
static void detach(struct fde_entry *e)
{
  struct fde_dir *d = fde_dir_of(e->parent->inode);
  struct fde_entry **link = &d->hash[e->hash & (d->cap - 1)];

  while (*link != e)
    link = &(*link)->next;
  *link = e->next;
  d->order[fde_dir_slot(d, e->cookie)].entry = NULL;
  while (d->norder > 0 && d->order[d->norder - 1].entry == NULL)
    d->norder--;
  d->n--;
  if (fde_is_dir(e->inode))
    d->attr.nlink--;
  fde_touch(&d->inode, FDE_MTIME | FDE_CTIME);
}

/* One more name for i in dir, of which nobody is told. -ENOMEM */
int fde_dir_put(struct fde_entry *dir, const char *name, size_t len,
                struct fdemu_inode *i)
{
  struct fde_entry *e = entry_new(name, len, i);

  if (e == NULL)
    return -ENOMEM;
  if (reserve(fde_dir_of(dir->inode), 1) < 0) {
    fde_entry_put(e);
    return -ENOMEM;
  }
  if (fde_is_dir(i))
    fde_dir_of(i)->entry = e;
  else if (i->attr->named ||
           i->attr->nameless) /* others are made with a link */
    i->attr->nlink++;
  i->attr->named = true;
  fde_touch(i, FDE_CTIME);
  attach(dir, e);
  return 0;
}

int fde_dir_add(struct fde_entry *dir, const char *name, size_t len,
                struct fdemu_inode *i)
{
  int error = fde_dir_put(dir, name, len, i);

  if (error == 0)
    fde_note(dir->inode, DN_CREATE);
  return error;
}

/* What O_TMPFILE has made in dir: a name that nobody finds. NULL: no memory. */
struct fde_entry *fde_entry_nameless(struct fde_entry *dir,
                                     struct fdemu_inode *i)
{
  char name[24];
  int len =
      snprintf(name, sizeof name, "#%llu", (unsigned long long)i->attr->ino);
  struct fde_entry *e = entry_new(name, (size_t)len, i);

  if (e != NULL) {
    e->gone = true;
    e->parent = dir;
    fde_entry_get(dir);
  }
  return e;
}

static void lose_link(struct fdemu_inode *i)
{
  i->attr->nlink = fde_is_dir(i) ? 0 : i->attr->nlink - 1;
  fde_touch(i, FDE_CTIME);
}

/* Nobody finds it there any more. */
void fde_dir_remove(struct fde_entry *e)
{
  detach(e);
  e->gone = true;
  lose_link(e->inode);
  fde_entry_put(e);
}

/* e becomes name in dir, instead of target if there is one. -ENOMEM */
int fde_dir_move(struct fde_entry *e, struct fde_entry *dir, const char *name,
                 size_t len, struct fde_entry *target)
{
  struct fdemu_kernel *k = e->inode->kernel;
  struct fde_entry *old = e->parent;
  char *copy = copy_name(k, name, len);

  if (copy == NULL)
    return -ENOMEM;
  if (reserve(fde_dir_of(dir->inode), 1) < 0) {
    fdemu_free(k, copy);
    return -ENOMEM;
  }
  if (target != NULL) {
    fde_note(target->inode, DN_ATTRIB); /* it has a name less */
    fde_dir_remove(target);
  }
  detach(e);
  fdemu_free(k, e->name);
  e->name = copy;
  e->len = len;
  e->hash = hash(copy, len);
  fde_touch(e->inode, FDE_CTIME);
  attach(dir, e);
  fde_note_rename(old->inode, dir->inode);
  fde_entry_put(old);
  return 0;
}

static void swap_names(struct fde_entry *a, struct fde_entry *b)
{
  char *name = a->name;
  size_t len = a->len;
  uint32_t h = a->hash;

  a->name = b->name;
  a->len = b->len;
  a->hash = b->hash;
  b->name = name;
  b->len = len;
  b->hash = h;
}

/* Each takes the other's place and name. -ENOMEM */
int fde_dir_swap(struct fde_entry *a, struct fde_entry *b)
{
  struct fde_entry *in_a = a->parent, *in_b = b->parent;

  if (reserve(fde_dir_of(in_a->inode), 2) < 0 ||
      reserve(fde_dir_of(in_b->inode), 2) < 0)
    return -ENOMEM;
  detach(a);
  detach(b);
  swap_names(a, b);
  fde_touch(a->inode, FDE_CTIME);
  fde_touch(b->inode, FDE_CTIME);
  attach(in_b, a);
  attach(in_a, b);
  fde_note_rename(in_a->inode, in_b->inode);
  fde_note_rename(in_b->inode, in_a->inode);
  fde_entry_put(in_a);
  fde_entry_put(in_b);
  return 0;
}

/* ---- paths ------------------------------------------------------------ */

/* The path of e in buf, with a zero at its end; its length, or -ENAMETOOLONG.
 * Of what is gone it is the one that it had. */
int64_t fde_entry_path(const struct fde_entry *e, char buf[FDE_PATH_MAX])
{
  size_t at = FDE_PATH_MAX - 1;

  buf[at] = '\0';
  if (e->parent == NULL)
    buf[--at] = '/';
  for (; e->parent != NULL; e = e->parent) {
    if (e->len + 1 > at)
      return -ENAMETOOLONG;
    at -= e->len;
    memcpy(buf + at, e->name, e->len);
    buf[--at] = '/';
  }
  memmove(buf, buf + at, FDE_PATH_MAX - at);
  return (int64_t)(FDE_PATH_MAX - 1 - at);
}

/* ---- names that no program gives ---------------------------------------- */

/* The directory name in dir, made if it is not there. */
static int subdir(struct fde_entry **dir, const char *name, size_t len)
{
  struct fde_entry *e = fde_dir_find(fde_dir_of((*dir)->inode), name, len);
  struct fdemu_inode *i;
  int error;

  if (len == 1 && *name == '.')
    return 0;
  if (e == NULL) {
    i = fde_dir_new((*dir)->inode->kernel, 0755);
    if (i == NULL)
      return -ENOMEM;
    i->attr->uid = 0;
    i->attr->gid = 0;
    error = fde_dir_add(*dir, name, len, i);
    fdemu_inode_put(i);
    if (error < 0)
      return error;
    e = fde_dir_of(i)->entry;
  }
  *dir = e;
  return fde_is_dir(e->inode) ? 0 : -ENOTDIR;
}

/* i gets a name in dir, instead of what had it before. */
static int name_in(struct fde_entry *dir, const char *name, size_t len,
                   struct fdemu_inode *i)
{
  struct fde_entry *old = fde_dir_find(fde_dir_of(dir->inode), name, len);
  int error;

  if (len > FDE_NAME_MAX)
    return -ENAMETOOLONG;
  if (len == 0 || (old != NULL && fde_is_dir(old->inode)))
    return -EISDIR;
  error = fde_dir_add(dir, name, len, i); /* in front of the old one */
  if (error == 0 && old != NULL)
    fde_dir_remove(old);
  return error;
}

/* Directories that were made for nothing go again. */
static void unmake(struct fde_entry *dir, int made)
{
  struct fde_entry *parent;

  for (; made > 0; made--, dir = parent) {
    parent = dir->parent;
    fde_dir_remove(dir);
  }
}

int fdemu_name(struct fdemu_kernel *k, const char *path, struct fdemu_inode *i)
{
  struct fde_entry *dir = k->root;
  int error = 0, made = 0; /* of the last directories */
  size_t len;

  for (;; path += len) {
    bool there;
    path += strspn(path, "/");
    len = strcspn(path, "/");
    if (path[len] == '\0')
      break;
    there = fde_dir_find(fde_dir_of(dir->inode), path, len) != NULL;
    error = subdir(&dir, path, len);
    if (error < 0)
      break;
    made += !there && !(len == 1 && *path == '.');
  }
  if (error == 0)
    error = name_in(dir, path, len, i);
  if (error < 0)
    unmake(dir, made);
  return error;
}

/* From the leaves up; what others hold stays, and is nowhere. */
void fde_names_free(struct fdemu_kernel *k)
{
  struct fde_entry *e = k->root;

  for (;;) {
    struct fde_dir *d = fde_dir_of(e->inode);
    struct fde_entry *child =
        d->norder > 0 ? d->order[d->norder - 1].entry : NULL;
    if (child != NULL && fde_is_dir(child->inode) &&
        fde_dir_of(child->inode)->n > 0)
      e = child;
    else if (child != NULL)
      fde_dir_remove(child);
    else if (e->parent != NULL)
      e = e->parent;
    else
      break;
  }
  fde_entry_put(k->root);
  k->root = NULL;
}
