/*
 * heap.c - memory for objects of which there may be very many
 *
 * Blocks of one size lie side by side in slabs, and those that are free are on
 * their slab's list. So to give one back is to write to it and to its slab's
 * head; a general allocator also looks at the blocks beside it, which no cache
 * has when there are many. The heads are apart from the slabs, so that they lie
 * together. A slab without a block in use goes back to the kernel's allocator,
 * unless it is the last with room. After J. Bonwick, "The Slab Allocator",
 * USENIX 1994.
 */
#include "core/kernel.h"

#define STEP ((size_t)16)
#define SLAB ((size_t)65536)

struct block {
  struct fde_slab *slab; /* NULL: it is one of the kernel's allocator */
  struct block *next;    /* free; in use, the object begins here */
};

struct fde_slab {
  struct fdemu_list link; /* in its class, if it has room */
  struct fde_class *of;
  struct block *free; /* of those that were in use before */
  char *memory;
  size_t size;              /* of a block */
  unsigned used, cut, room; /* blocks: in use; ever used; in all */
};

static size_t block_size(size_t size)
{
  return (offsetof(struct block, next) + size + STEP - 1) / STEP * STEP;
}

static void *object_of(struct block *b)
{
  return &b->next;
}

void fde_heap_init(struct fdemu_kernel *k)
{
  for (size_t i = 0; i < FDE_CLASSES; i++)
    fdemu_list_init(&k->heap[i].slabs);
}

static void slab_free(struct fdemu_kernel *k, struct fde_slab *s)
{
  fdemu_list_remove(&s->link);
  fdemu_free(k, s->memory);
  fdemu_free(k, s);
}

void fde_heap_free(struct fdemu_kernel *k)
{
  for (size_t i = 0; i < FDE_CLASSES; i++)
    while (!fdemu_list_empty(&k->heap[i].slabs))
      slab_free(k, fdemu_entry(k->heap[i].slabs.next, struct fde_slab, link));
}

/* Each is twice as large as the one before, up to SLAB bytes. */
FDE_RARE static struct fde_slab *slab_new(struct fdemu_kernel *k,
                                          struct fde_class *c, size_t size)
{
  const unsigned most = (unsigned)(SLAB / size);
  const unsigned room = c->room > 0 ? c->room : 4;
  struct fde_slab *s = fdemu_alloc(k, sizeof *s);

  if (s == NULL)
    return NULL;
  *s = (struct fde_slab){ .of = c, .size = size, .room = room };
  s->memory = fdemu_alloc(k, room * size);
  if (s->memory == NULL) {
    fdemu_free(k, s);
    return NULL;
  }
  c->room = 2 * room < most ? 2 * room : most;
  fdemu_list_append(&c->slabs, &s->link);
  return s;
}

static inline struct block *take(struct fde_slab *s)
{
  struct block *b = s->free;

  if (b != NULL)
    s->free = b->next;
  else {
    b = (struct block *)(void *)(s->memory + s->cut++ * s->size);
    b->slab = s;
  }
  if (++s->used == s->room)
    fdemu_list_remove(&s->link);
  return b;
}

FDE_RARE static void *alone(struct fdemu_kernel *k, size_t size)
{
  const size_t head = offsetof(struct block, next);
  struct block *b =
      size <= SIZE_MAX - head ? fdemu_alloc(k, head + size) : NULL;

  if (b == NULL)
    return NULL;
  b->slab = NULL;
  return object_of(b);
}

void *fdemu_object_alloc(struct fdemu_kernel *k, size_t size)
{
  struct fde_class *c = &k->heap[block_size(size) / STEP % FDE_CLASSES];
  struct fde_slab *s;

  if (size > k->largest || block_size(size) > k->largest)
    return alone(k, size);
  s = fdemu_entry(c->slabs.next, struct fde_slab, link);
  if (fdemu_list_empty(&c->slabs)) {
    s = slab_new(k, c, block_size(size));
    if (s == NULL)
      return NULL;
  }
  return object_of(take(s));
}

void fdemu_object_free(struct fdemu_kernel *k, void *object)
{
  struct block *b;
  struct fde_slab *s;

  if (object == NULL)
    return;
  b = fdemu_entry(object, struct block, next);
  s = b->slab;
  if (s == NULL) {
    fdemu_free(k, b);
    return;
  }
  if (s->used == s->room)
    fdemu_list_prepend(&s->of->slabs, &s->link);
  b->next = s->free;
  s->free = b;
  if (--s->used == 0 && s->of->slabs.next != s->of->slabs.prev)
    slab_free(k, s);
}

/* ---- checking --------------------------------------------------------- */

static const char *check_slab(const struct fde_slab *s)
{
  unsigned free = 0;

  for (const struct block *b = s->free; b != NULL; b = b->next)
    if (b->slab != s || ++free > s->cut)
      return "a free block that is another slab's";
  if (s->used >= s->room || s->used + free != s->cut)
    return "a slab that has miscounted its blocks";
  return NULL;
}

const char *fde_heap_check(const struct fdemu_kernel *k)
{
  const char *wrong = NULL;

  for (size_t i = 0; wrong == NULL && i < FDE_CLASSES; i++) {
    const struct fdemu_list *l = &k->heap[i].slabs, *n;
    for (n = l->next; wrong == NULL && n != l; n = n->next)
      wrong = check_slab(fdemu_entry(n, struct fde_slab, link));
  }
  return wrong;
}
