/* fdemu_list.h - intrusive circular lists */
#ifndef FDEMU_LIST_H
#define FDEMU_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A node, or the head of a list. A node in no list points to itself. */
struct fdemu_list {
  struct fdemu_list *next, *prev;
};

/* The struct of which *p is the given member. */
#define fdemu_entry(p, type, member) \
  ((type *)((uintptr_t)(p)-offsetof(type, member)))

static inline void fdemu_list_init(struct fdemu_list *l)
{
  l->next = l->prev = l;
}

static inline bool fdemu_list_empty(const struct fdemu_list *l)
{
  return l->next == l;
}

static inline void fdemu_list_append(struct fdemu_list *l, struct fdemu_list *n)
{
  n->prev = l->prev;
  n->next = l;
  l->prev->next = n;
  l->prev = n;
}

static inline void fdemu_list_prepend(struct fdemu_list *l,
                                      struct fdemu_list *n)
{
  fdemu_list_append(l->next, n);
}

/* Removing twice is harmless. */
static inline void fdemu_list_remove(struct fdemu_list *n)
{
  n->prev->next = n->next;
  n->next->prev = n->prev;
  fdemu_list_init(n);
}

/* Move all of from to the tail of l. */
static inline void fdemu_list_splice(struct fdemu_list *l,
                                     struct fdemu_list *from)
{
  if (fdemu_list_empty(from))
    return;
  from->next->prev = l->prev;
  l->prev->next = from->next;
  from->prev->next = l;
  l->prev = from->prev;
  fdemu_list_init(from);
}

#endif
