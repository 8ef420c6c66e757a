/* table.c - descriptor tables: an array and a tree of bitmaps over it */
#include <errno.h>
#include <string.h>

#include "core/kernel.h"

#define BITS FDE_GROUP

static int words(int cap, int level)
{
  int n = cap / BITS;

  while (level-- > 0)
    n = (n + BITS - 1) / BITS;
  return n;
}

static size_t word_of(int i)
{
  return (unsigned)i / BITS;
}

static uint64_t bit_of(int i)
{
  return UINT64_C(1) << ((unsigned)i % BITS);
}

static bool test(const uint64_t *bits, int i)
{
  return (bits[word_of(i)] & bit_of(i)) != 0;
}

static void assign(uint64_t *bits, int i, bool on)
{
  uint64_t *word = &bits[word_of(i)];

  *word = on ? *word | bit_of(i) : *word & ~bit_of(i);
}

/* A word of level 0 has become full, or is so no more: above, a bit is set when
 * the word below it is full. Returns fd: it is the last that is done. */
FDE_RARE static int mark_above(struct fde_table *t, int fd, bool on)
{
  int i = fd / BITS;

  for (int level = 1; level < FDE_LEVELS; level++) {
    bool was_full = t->used[level][i / BITS] == UINT64_MAX;
    assign(t->used[level], i, on);
    if (was_full == (t->used[level][i / BITS] == UINT64_MAX))
      break;
    i /= BITS;
  }
  return fd;
}

static inline int mark_used(struct fde_table *t, int fd)
{
  uint64_t *word = &t->used[0][word_of(fd)];

  *word |= bit_of(fd);
  return *word == UINT64_MAX ? mark_above(t, fd, true) : fd;
}

static inline void mark_free(struct fde_table *t, int fd)
{
  uint64_t *word = &t->used[0][word_of(fd)];
  const bool was_full = *word == UINT64_MAX;

  *word &= ~bit_of(fd);
  if (fd < t->lowest)
    t->lowest = fd;
  if (was_full)
    mark_above(t, fd, false);
}

/* The first free descriptor >= fd, whose own word has none; or cap. */
FDE_RARE static int first_free_above(const struct fde_table *t, int fd)
{
  int level = 0, i = fd;

  for (;; level++) {
    if (level == FDE_LEVELS || i / BITS >= words(t->cap, level))
      return t->cap;
    uint64_t bits = ~t->used[level][i / BITS] & UINT64_MAX << (i % BITS);
    if (bits != 0) {
      i = i / BITS * BITS + __builtin_ctzll(bits);
      break;
    }
    i = i / BITS + 1;
  }
  while (level-- > 0)
    i = i * BITS + __builtin_ctzll(~t->used[level][i]);
  return i;
}

/* What is above level 0, and beyond the end of a level, from level 0. */
static void build_levels(struct fde_table *t)
{
  for (int level = 1; level < FDE_LEVELS; level++) {
    int below = words(t->cap, level - 1);
    memset(t->used[level], 0xff, (size_t)words(t->cap, level) * 8);
    for (int i = 0; i < below; i++)
      if (t->used[level - 1][i] != UINT64_MAX)
        assign(t->used[level], i, false);
  }
}

/* A table with room for cap descriptors, and anything in it: one block, with
 * the groups last. */
static int table_alloc(struct fdemu_kernel *k, struct fde_table *t, int cap)
{
  const size_t ngroups = (size_t)words(cap, 0);
  size_t nbits = ngroups * 2, size;
  uint64_t *bits;

  for (int level = 0; level < FDE_LEVELS; level++)
    nbits += (size_t)words(cap, level);
  size = (size_t)cap * sizeof *t->file + nbits * sizeof *bits;
  if (k->origins)
    size += (size_t)cap * 3 * sizeof *t->origin;
  t->file = fdemu_alloc(k, size + ngroups * sizeof *t->group);
  if (t->file == NULL)
    return -ENOMEM;
  t->cap = cap;
  t->lowest = 0;
  t->shares = false;
  t->group = (struct fde_group *)(void *)((char *)t->file + size);
  bits = (uint64_t *)(void *)(t->file + cap);
  t->marks = (struct fde_marks *)(void *)bits;
  bits += ngroups * sizeof *t->marks / sizeof *bits;
  for (int level = 0; level < FDE_LEVELS; level++) {
    t->used[level] = bits;
    bits += words(cap, level);
  }
  t->origin = k->origins ? (uint32_t *)(void *)bits : NULL;
  t->closed = k->origins ? t->origin + cap : NULL;
  t->forked = k->origins ? t->closed + cap : NULL;
  return 0;
}

/* Bytes of what is copied by a fork(): all but the groups. */
static size_t table_size(const struct fde_table *t)
{
  return (size_t)((const char *)t->group - (const char *)t->file);
}

static void init_groups(struct fde_table *t)
{
  for (int i = 0; i < words(t->cap, 0); i++) {
    fdemu_list_init(&t->group[i].sharers);
    t->group[i].file = t->file + (ptrdiff_t)i * BITS;
  }
}

/* Those who share references with from share them with to, whose group is
 * alone. */
static void join(struct fde_group *to, struct fde_group *from)
{
  fdemu_list_append(&from->sharers, &to->sharers);
}

/* to is larger, and takes over what from has. */
static void table_move(struct fde_table *to, const struct fde_table *from)
{
  size_t nbits = (size_t)words(from->cap, 0) * 8;

  memset(to->file + from->cap, 0,
         table_size(to) - (size_t)from->cap * sizeof *to->file);
  if (from->cap > 0) {
    memcpy(to->file, from->file, (size_t)from->cap * sizeof *to->file);
    memcpy(to->marks, from->marks, nbits * 2);
    memcpy(to->used[0], from->used[0], nbits);
    if (from->origin != NULL) {
      memcpy(to->origin, from->origin, (size_t)from->cap * sizeof *to->origin);
      memcpy(to->closed, from->closed, (size_t)from->cap * sizeof *to->closed);
      memcpy(to->forked, from->forked, (size_t)from->cap * sizeof *to->forked);
    }
  }
  build_levels(to);
  to->lowest = from->lowest;
  to->shares = from->shares;
  for (int i = 0; from->shares && i < words(from->cap, 0); i++) {
    join(&to->group[i], &from->group[i]);
    fdemu_list_remove(&from->group[i].sharers);
  }
}

static void table_free(struct fdemu_kernel *k, struct fde_table *t)
{
  fdemu_free(k, t->file);
  *t = (struct fde_table){ 0 };
}

/* Make descriptors 0..fd exist. */
static int table_grow(struct fdemu_kernel *k, struct fde_table *t, int fd)
{
  struct fde_table bigger;
  int cap = t->cap > 0 ? t->cap : BITS;

  while (cap <= fd)
    cap *= 2;
  if (cap == t->cap)
    return 0;
  if (table_alloc(k, &bigger, cap) < 0)
    return -ENOMEM;
  init_groups(&bigger);
  table_move(&bigger, t);
  table_free(k, t);
  *t = bigger;
  return 0;
}

/* Whether n more descriptors can be in use: 0 or -ENFILE. */
static int check_room(struct fdemu_kernel *k, size_t n)
{
  if (n <= k->max_open - k->nopen)
    return 0;
  k->refused = true;
  return -ENFILE;
}

/* Which descriptors of a word are in use and have no file. */
static uint64_t reserved_in(const struct fde_table *t, int word)
{
  struct fdemu_file *const *file = t->file + (ptrdiff_t)word * BITS;
  uint64_t none = 0;

  for (int i = 0; i < BITS; i++)
    none |= (uint64_t)(file[i] == NULL) << i;
  return none & t->used[0][word];
}

static size_t open_in(const struct fde_table *t)
{
  size_t n = 0;

  for (int fd = 0; fd < t->cap; fd++)
    n += t->file[fd] != NULL;
  return n;
}

/* fork(): the same files, and a share of from's references to them. What is
 * only reserved is from's alone. */
int fde_table_copy(struct fdemu_kernel *k, struct fde_table *to,
                   struct fde_table *from)
{
  size_t n = open_in(from);

  if (from->cap == 0)
    return 0;
  if (check_room(k, n) < 0)
    return -ENFILE;
  if (table_alloc(k, to, from->cap) < 0)
    return -ENOMEM;
  k->nopen += n;
  memcpy(to->file, from->file, table_size(from));
  init_groups(to);
  to->lowest = from->lowest;
  for (int i = 0; i < words(to->cap, 0); i++) {
    uint64_t reserved = reserved_in(to, i);
    for (; reserved != 0; reserved &= reserved - 1)
      mark_free(to, i * BITS + __builtin_ctzll(reserved));
    if (to->used[0][i] != 0)
      join(&to->group[i], &from->group[i]);
  }
  for (int fd = 0; to->forked != NULL && fd < to->cap; fd++)
    to->forked[fd] = k->origin;
  to->shares = from->shares = k->shares = true;
  return 0;
}

/* The group that fd is in has references of its own from now on. */
void fde_table_unshare(struct fde_table *t, int fd)
{
  struct fde_group *g = &t->group[fd / BITS];

  if (fdemu_list_empty(&g->sharers))
    return;
  for (int i = 0; i < BITS; i++)
    if (g->file[i] != NULL)
      __builtin_prefetch(&g->file[i]->refs, 1);
  for (int i = 0; i < BITS; i++)
    if (g->file[i] != NULL)
      g->file[i]->refs++;
  fdemu_list_remove(&g->sharers);
}

/* Whether nobody is told when a descriptor of one of these is closed that is
 * not the last. */
static bool go_quietly(const struct fde_group *g)
{
  for (int i = 0; i < BITS; i++)
    if (g->file[i] != NULL)
      __builtin_prefetch(g->file[i]);
  for (int i = 0; i < BITS; i++)
    if (g->file[i] != NULL &&
        (g->file[i]->ops->flush != NULL || g->file[i]->ops->dropped != NULL))
      return false;
  return true;
}

/* If fd is the first file of a group that is shared, and nobody is told that it
 * closes: its references are the others' now. The caller empties it. */
bool fde_table_leave(struct fde_table *t, int fd)
{
  struct fde_group *g = &t->group[fd / BITS];

  if (fdemu_list_empty(&g->sharers) ||
      fde_table_next(t, fd / BITS * BITS) != fd || !go_quietly(g))
    return false;
  fdemu_list_remove(&g->sharers);
  return true;
}

static void unshare_those(struct fdemu_list *procs)
{
  for (struct fdemu_list *n = procs->next; n != procs; n = n->next) {
    struct fde_table *t = &fdemu_entry(n, struct fdemu_proc, link)->table;
    for (int fd = 0; t->shares && fd < t->cap; fd += BITS)
      fde_table_unshare(t, fd);
    t->shares = false;
  }
}

/* Every description has a reference for each descriptor. Takes as long as the
 * forks since the last time would have taken longer. */
void fde_unshare_all(struct fdemu_kernel *k)
{
  if (!k->shares)
    return;
  unshare_those(&k->procs);
  unshare_those(&k->dead); /* one may be about to close what it has */
  k->shares = false;
}

/* The table grows first. */
FDE_RARE static int reserve_beyond(struct fdemu_proc *p, int min, int fd)
{
  return table_grow(p->kernel, &p->table, fd) < 0 ? -ENOMEM
                                                  : fde_table_reserve(p, min);
}

/* fd is free, or beyond the table. */
static inline int reserve(struct fdemu_proc *p, int min, int fd)
{
  struct fde_table *t = &p->table;

  if (fd >= p->soft)
    return -EMFILE;
  if (check_room(p->kernel, 1) < 0)
    return -ENFILE;
  if (fd >= t->cap)
    return reserve_beyond(p, min, fd);
  if (min <= t->lowest)
    t->lowest = fd + 1;
  p->kernel->nopen++;
  return mark_used(t, fd);
}

/* The word of fd has none that is free behind it. */
FDE_RARE static int reserve_above(struct fdemu_proc *p, int min, int fd)
{
  return reserve(p, min, first_free_above(&p->table, fd));
}

/* The lowest free descriptor >= min becomes used, without a file. */
int fde_table_reserve(struct fdemu_proc *p, int min)
{
  const struct fde_table *t = &p->table;
  uint64_t bits;
  int fd;

  if (min < 0 || min >= p->soft)
    return -EINVAL;
  fd = min > t->lowest ? min : t->lowest;
  if (fd >= t->cap)
    return reserve(p, min, fd);
  bits = ~t->used[0][word_of(fd)] & UINT64_MAX << ((unsigned)fd % BITS);
  if (bits == 0)
    return reserve_above(p, min, fd);
  return reserve(p, min, (int)word_of(fd) * BITS + __builtin_ctzll(bits));
}

/* fd becomes used, whatever it was. The caller has checked its range. */
int fde_table_claim(struct fdemu_proc *p, int fd)
{
  struct fde_table *t = &p->table;

  if (fd < t->cap && test(t->used[0], fd))
    return 0;
  if (check_room(p->kernel, 1) < 0)
    return -ENFILE;
  if (fd >= t->cap && table_grow(p->kernel, t, fd) < 0)
    return -ENOMEM;
  mark_used(t, fd);
  p->kernel->nopen++;
  return 0;
}

/* The number can be had again. */
static inline void free_number(struct fdemu_proc *p, int fd)
{
  uint64_t bit;
  struct fde_marks *m = fde_marks_of(&p->table, fd, &bit);

  p->kernel->nopen--;
  m->cloexec &= ~bit;
  m->late &= ~bit;
  mark_free(&p->table, fd);
}

static inline void empty_slot(struct fdemu_proc *p, int fd)
{
  p->table.file[fd] = NULL;
  free_number(p, fd);
}

/* As fde_table_remove(), but the slot is still to be emptied. NULL, and nothing is
 * done: fd is not open, or it must not be closed late. */
struct fdemu_file **fde_table_free_late(struct fdemu_proc *p, int fd)
{
  struct fde_table *t = &p->table;
  uint64_t bit;

  if (fd < 0 || fd >= t->cap || !(fde_marks_of(t, fd, &bit)->late & bit))
    return NULL;
  free_number(p, fd);
  return &t->file[fd];
}

FDE_APART static void empty_shared(struct fdemu_proc *p, int fd)
{
  fde_table_unshare(&p->table, fd);
  empty_slot(p, fd);
}

/* Empty a slot; the reference to its file, if it has one, is the caller's. */
void fde_table_remove(struct fdemu_proc *p, int fd)
{
  if (p->table.shares)
    empty_shared(p, fd);
  else
    empty_slot(p, fd);
}

/* The table of a process that has nothing open; what a call had reserved is
 * forgotten. */
void fde_table_free(struct fdemu_proc *p)
{
  for (int fd = 0; fd < p->table.cap; fd++)
    if (fde_reserved(&p->table, fd))
      fde_table_remove(p, fd);
  for (int i = 0; p->table.shares && i < words(p->table.cap, 0); i++)
    fdemu_list_remove(&p->table.group[i].sharers);
  table_free(p->kernel, &p->table);
}

/* The first descriptor >= fd that has a file, or -1. */
int fde_table_next(const struct fde_table *t, int fd)
{
  while (fd < t->cap) {
    uint64_t bits = t->used[0][fd / BITS] & UINT64_MAX << (fd % BITS);
    if (bits == 0)
      fd = (fd / BITS + 1) * BITS;
    else {
      fd = fd / BITS * BITS + __builtin_ctzll(bits);
      if (t->file[fd] != NULL)
        return fd;
      fd++;
    }
  }
  return -1;
}

bool fde_reserved(const struct fde_table *t, int fd)
{
  return fd < t->cap && t->file[fd] == NULL && test(t->used[0], fd);
}

/* ---- checking --------------------------------------------------------- */

/* Whether t is the one, of those that share them, whose references to the group
 * of fd are counted. */
bool fde_table_counts(const struct fde_table *t, int fd)
{
  const struct fde_group *g = &t->group[fd / BITS];

  for (const struct fdemu_list *n = g->sharers.next; n != &g->sharers;
       n = n->next)
    if (n < &g->sharers)
      return false;
  return true;
}

static const char *check_group(const struct fde_table *t, int word)
{
  const struct fde_group *g = &t->group[word];
  const struct fdemu_list *next = g->sharers.next;

  if (next == NULL || next->prev != &g->sharers)
    return "descriptors whose links to those who share them do not fit";
  if (next == &g->sharers)
    return NULL;
  if (!t->shares)
    return "a table that does not know that it shares";
  if (memcmp(fdemu_entry(next, struct fde_group, sharers)->file, g->file,
             BITS * sizeof *g->file) != 0)
    return "descriptors that are shared and differ";
  return NULL;
}

/* *nopen is counted up by the descriptors in use. */
const char *fde_table_check(const struct fde_table *t, size_t *nopen)
{
  for (int fd = 0; fd < t->cap; fd++) {
    if (t->file[fd] != NULL && !test(t->used[0], fd))
      return "an open descriptor that counts as free";
    if (t->file[fd] != NULL && t->file[fd]->refs <= 0)
      return "a descriptor whose description is gone";
    *nopen += test(t->used[0], fd);
    if (fde_get_cloexec(t, fd) && !test(t->used[0], fd))
      return "a free descriptor with FD_CLOEXEC";
    if (t->marks[word_of(fd)].late & bit_of(fd) &&
        (t->file[fd] == NULL || !fde_late(t->file[fd])))
      return "a descriptor that is closed late and must not be";
  }
  for (int fd = 0; fd < t->lowest; fd++)
    if (!test(t->used[0], fd))
      return "a descriptor that is free and will not be found";
  for (int i = 0; i < words(t->cap, 0); i++) {
    const char *wrong = check_group(t, i);
    if (wrong != NULL)
      return wrong;
  }
  for (int level = 1; t->cap > 0 && level < FDE_LEVELS; level++)
    for (int i = 0; i < words(t->cap, level - 1); i++)
      if (test(t->used[level], i) != (t->used[level - 1][i] == UINT64_MAX))
        return "a bitmap that does not know which words are full";
  return NULL;
}
