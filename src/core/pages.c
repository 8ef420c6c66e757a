/*
 * pages.c - sparse storage: pages that are there once they were written
 *
 * A radix tree of 64 slots to a node. A slot stands for all the pages beneath
 * it, 64^height of them, and is empty (NULL), one of two marks that say the
 * same of all of them, a node, or, at height 0, a page. A file of one page is
 * that page. A node knows which of its slots have data and which have nothing
 * else, so that the next data or the next hole is found in one descent.
 *
 * Calls that change a range first make nodes where its ends lie inside a slot
 * (split), which changes nothing that can be seen and may fail; then they
 * cannot.
 */
#include <errno.h>
#include <string.h>

#include "core/kernel.h"

#define BITS       6
#define SLOTS      (1 << BITS)
#define MAX_HEIGHT 9
#define SPAN(h)    (INT64_C(1) << (BITS * (h)))

_Static_assert(SPAN(MAX_HEIGHT) > INT64_MAX / FDEMU_PAGE, "all offsets");

struct node {
  int64_t count;        /* pages beneath that are there */
  uint64_t some, whole; /* slots that have data; and nothing but data */
  void *slot[SLOTS];
};

/* Marks: there, but never written; and there, and only zeros. */
static const char reserved, zeros;
#define RESERVED ((void *)(uintptr_t)&reserved)
#define ZEROS    ((void *)(uintptr_t)&zeros)

static bool is_mark(const void *slot)
{
  return slot == NULL || slot == RESERVED || slot == ZEROS;
}

static int64_t count_of(const void *slot, int h)
{
  if (slot == NULL)
    return 0;
  if (is_mark(slot))
    return SPAN(h);
  return h == 0 ? 1 : ((const struct node *)slot)->count;
}

/* The slot's index at a node whose slots are of height h. */
static int index_at(int64_t page, int h)
{
  return (int)(page >> (BITS * h)) & (SLOTS - 1);
}

/* What n says of its slot i, whose height is h. */
static void refresh(struct node *n, int i, int h)
{
  const void *s = n->slot[i];
  const struct node *below = h > 0 && !is_mark(s) ? s : NULL;
  const uint64_t bit = UINT64_C(1) << i;
  bool some = s != NULL && s != RESERVED, whole = some;

  if (below != NULL) {
    some = below->some != 0;
    whole = below->whole == UINT64_MAX;
  }
  n->some = some ? n->some | bit : n->some & ~bit;
  n->whole = whole ? n->whole | bit : n->whole & ~bit;
}

/* A node in the place of a mark that stands for all of its slots, of height
 * h. */
static struct node *node_new(struct fdemu_kernel *k, void *mark, int h)
{
  struct node *n = fdemu_alloc(k, sizeof *n);

  if (n == NULL)
    return NULL;
  n->count = SLOTS * count_of(mark, h);
  n->some = n->whole = mark == ZEROS ? UINT64_MAX : 0;
  for (int i = 0; i < SLOTS; i++)
    n->slot[i] = mark;
  return n;
}

/* ---- checking --------------------------------------------------------- */

static const char *check_node(const struct node *n, int h)
{
  struct node copy = *n;
  int64_t count = 0;

  for (int i = 0; i < SLOTS; i++) {
    const char *wrong = NULL;
    if (h > 1 && !is_mark(n->slot[i]))
      wrong = check_node(n->slot[i], h - 1);
    if (wrong != NULL)
      return wrong;
    count += count_of(n->slot[i], h - 1);
    refresh(&copy, i, h - 1);
  }
  if (count != n->count)
    return "storage that has miscounted its pages";
  return copy.some == n->some && copy.whole == n->whole
             ? NULL
             : "storage that does not know where it has data";
}

const char *fdemu_pages_check(const struct fdemu_pages *s)
{
  if (count_of(s->root, s->height) != s->count)
    return "storage that has miscounted its pages";
  return s->height > 0 && !is_mark(s->root) ? check_node(s->root, s->height)
                                            : NULL;
}

/* ---- the kernel's room for storage ------------------------------------ */

void fdemu_set_space(struct fdemu_kernel *k, int64_t bytes)
{
  k->space = bytes;
}

int64_t fdemu_space_used(struct fdemu_kernel *k)
{
  fde_catch_up(k);
  return k->space_used;
}

int fdemu_space_take(struct fdemu_kernel *k, int64_t bytes)
{
  fde_catch_up(k);
  if (bytes > INT64_MAX - k->space_used ||
      (k->space > 0 && k->space_used + bytes > k->space))
    return -ENOSPC;
  k->space_used += bytes;
  return 0;
}

void fdemu_space_give(struct fdemu_kernel *k, int64_t bytes)
{
  k->space_used -= bytes;
}

static int charge(struct fdemu_pages *s, int64_t n)
{
  if (n > INT64_MAX / FDEMU_PAGE)
    return -ENOSPC;
  return fdemu_space_take(s->kernel, n * FDEMU_PAGE);
}

/* ---- one page --------------------------------------------------------- */

void fdemu_pages_init(struct fdemu_pages *s, struct fdemu_kernel *k)
{
  *s = (struct fdemu_pages){ .kernel = k };
}

/* Let the root stand for page, too. */
static int grow(struct fdemu_pages *s, int64_t page)
{
  while (page >= SPAN(s->height)) {
    struct node *n;

    if (s->root != NULL) {
      n = node_new(s->kernel, NULL, s->height);
      if (n == NULL)
        return -ENOMEM;
      n->slot[0] = s->root;
      n->count = count_of(s->root, s->height);
      refresh(n, 0, s->height);
      s->root = n;
    }
    s->height++;
  }
  return 0;
}

const char *fdemu_page(const struct fdemu_pages *s, int64_t page)
{
  const void *slot = s->root;

  if (page >= SPAN(s->height))
    return NULL;
  for (int h = s->height; h > 0 && !is_mark(slot); h--)
    slot = ((const struct node *)slot)->slot[index_at(page, h - 1)];
  return is_mark(slot) ? NULL : slot;
}

/* Put a page where there is a mark. */
static int fill(struct fdemu_pages *s, void **slot)
{
  bool new = *slot == NULL;
  void *bytes;

  if (new &&charge(s, 1) < 0)
    return -ENOSPC;
  bytes = fdemu_alloc(s->kernel, FDEMU_PAGE);
  if (bytes == NULL) {
    fdemu_space_give(s->kernel, new ? FDEMU_PAGE : 0);
    return -ENOMEM;
  }
  *slot = bytes;
  return new;
}

int fdemu_page_make(struct fdemu_pages *s, int64_t page, char **bytes,
                    bool *fresh)
{
  struct node *path[MAX_HEIGHT + 1];
  void **slot = &s->root;
  int new = grow(s, page);

  if (new < 0)
    return new;
  for (int h = s->height; h > 0; h--) {
    if (is_mark(*slot)) {
      struct node *n = node_new(s->kernel, *slot, h - 1);
      if (n == NULL)
        return -ENOMEM;
      *slot = n;
    }
    path[h] = *slot;
    slot = &path[h]->slot[index_at(page, h - 1)];
  }
  *fresh = is_mark(*slot);
  if (*fresh) {
    new = fill(s, slot);
    if (new < 0)
      return new;
    s->count += new;
    for (int h = 1; h <= s->height; h++) {
      path[h]->count += new;
      refresh(path[h], index_at(page, h - 1), h - 1);
    }
  }
  *bytes = *slot;
  return 0;
}

/* ---- ranges ----------------------------------------------------------- */

/* Let no slot reach across the beginning of page, except where nothing is to
 * change: a slot that is same. */
static int split(struct fdemu_pages *s, int64_t page, const void *same)
{
  void **slot = &s->root;

  if (page >= SPAN(s->height))
    return 0;
  for (int h = s->height; page % SPAN(h) != 0 && *slot != same; h--) {
    struct node *n = *slot;

    if (is_mark(n)) {
      n = node_new(s->kernel, n, h - 1);
      if (n == NULL)
        return -ENOMEM;
      *slot = n;
    }
    slot = &n->slot[index_at(page, h - 1)];
  }
  return 0;
}

/* Change all of a slot. Returns how many pages there are now and were not. */
typedef int64_t change(struct fdemu_kernel *k, void **slot, int h);

/* Change pages first to end - 1 of a slot of height h. */
static int64_t each(struct fdemu_kernel *k, void **slot, int h, int64_t first,
                    int64_t end, change *fn)
{
  struct node *n = *slot;
  int64_t delta = 0;

  if ((first == 0 && end == SPAN(h) && (is_mark(n) || h == 0)) || is_mark(n))
    return fn(k, slot, h);
  for (int i = index_at(first, --h); i < SLOTS && SPAN(h) * i < end; i++) {
    int64_t base = SPAN(h) * i;
    delta += each(k, &n->slot[i], h, first > base ? first - base : 0,
                  end - base < SPAN(h) ? end - base : SPAN(h), fn);
    refresh(n, i, h);
  }
  n->count += delta;
  if (n->count == 0) {
    fdemu_free(k, n);
    *slot = NULL;
  }
  return delta;
}

static int64_t clear_slot(struct fdemu_kernel *k, void **slot, int h)
{
  int64_t count = count_of(*slot, h);

  if (!is_mark(*slot))
    fdemu_free(k, *slot);
  *slot = NULL;
  return -count;
}

/* Linux writes a page that was reserved before, lest what undoes a failing
 * call give it away. */
static int64_t reserve_slot(struct fdemu_kernel *k, void **slot, int h)
{
  bool new = *slot == NULL;

  (void)k;
  if (new)
    *slot = RESERVED;
  else if (*slot == RESERVED)
    *slot = ZEROS;
  return new ? SPAN(h) : 0;
}

/* Pages first to end - 1 of a slot that are there. */
static int64_t count_range(const void *slot, int h, int64_t first, int64_t end)
{
  const struct node *n = slot;
  int64_t count = 0;

  if (slot == NULL)
    return 0;
  if (is_mark(slot))
    return end - first;
  if (first == 0 && end == SPAN(h))
    return count_of(slot, h);
  for (int i = index_at(first, --h); i < SLOTS && SPAN(h) * i < end; i++) {
    int64_t base = SPAN(h) * i;
    count += count_range(n->slot[i], h, first > base ? first - base : 0,
                         end - base < SPAN(h) ? end - base : SPAN(h));
  }
  return count;
}

int fdemu_pages_reserve(struct fdemu_pages *s, int64_t first, int64_t end)
{
  int64_t new;

  if (first >= end)
    return 0;
  if (grow(s, end - 1) < 0)
    return -ENOMEM;
  new = end - first - count_range(s->root, s->height, first, end);
  if (charge(s, new) < 0)
    return -ENOSPC;
  if (split(s, first, ZEROS) < 0 || split(s, end, ZEROS) < 0) {
    fdemu_space_give(s->kernel, new *FDEMU_PAGE);
    return -ENOMEM;
  }
  s->count += each(s->kernel, &s->root, s->height, first, end, reserve_slot);
  return 0;
}

int fdemu_pages_clear(struct fdemu_pages *s, int64_t first, int64_t end)
{
  int64_t delta;

  if (end > SPAN(s->height))
    end = SPAN(s->height);
  if (first >= end)
    return 0;
  if (split(s, first, NULL) < 0 || split(s, end, NULL) < 0)
    return -ENOMEM;
  delta = each(s->kernel, &s->root, s->height, first, end, clear_slot);
  fdemu_space_give(s->kernel, -delta * FDEMU_PAGE);
  s->count += delta;
  return 0;
}

void fdemu_pages_free(struct fdemu_pages *s)
{
  fdemu_pages_clear(s, 0, INT64_MAX); /* the ends are those of the root */
}

/* ---- looking for data and holes --------------------------------------- */

/* The first page >= from of a slot with data, or without; or -1. */
static int64_t find(const void *slot, int h, int64_t from, bool data)
{
  const struct node *n = slot;
  uint64_t left;

  if (is_mark(slot) || h == 0)
    return (slot != NULL && slot != RESERVED) == data ? from : -1;
  left = (data ? n->some : ~n->whole) & UINT64_MAX << index_at(from, --h);
  for (; left != 0; left &= left - 1) {
    int i = __builtin_ctzll(left);
    int64_t base = SPAN(h) * i;
    int64_t at = find(n->slot[i], h, from > base ? from - base : 0, data);

    if (at >= 0)
      return base + at;
  }
  return -1;
}

int64_t fdemu_pages_next(const struct fdemu_pages *s, int64_t from, bool data)
{
  int64_t end = SPAN(s->height);
  int64_t at = from < end ? find(s->root, s->height, from, data) : -1;

  if (at >= 0)
    return at;
  if (data)
    return INT64_MAX;
  return from > end ? from : end;
}
