/* timer.c - virtual time: timers in a pairing heap, so that setting one needs
 * no memory */
#include "core/kernel.h"

/*
 * Fredman, Sedgewick, Sleator, Tarjan 1986. A timer's children are a list
 * linked by next; prev points to what points to it. Equal times fire in the
 * order in which they were set.
 */

static bool before(const struct fdemu_timer *a, const struct fdemu_timer *b)
{
  return a->when < b->when || (a->when == b->when && a->seq < b->seq);
}

/* Both are roots; either may be NULL. */
static struct fdemu_timer *meld(struct fdemu_timer *a, struct fdemu_timer *b)
{
  if (a == NULL)
    return b;
  if (b == NULL)
    return a;
  if (before(b, a)) {
    struct fdemu_timer *t = a;
    a = b;
    b = t;
  }
  b->next = a->child;
  if (b->next != NULL)
    b->next->prev = &b->next;
  a->child = b;
  b->prev = &a->child;
  return a;
}

/* One heap out of a list of siblings: in pairs, then from the last back. */
static struct fdemu_timer *meld_all(struct fdemu_timer *t)
{
  struct fdemu_timer *pairs = NULL, *root = NULL;

  while (t != NULL) {
    struct fdemu_timer *a = t, *b = t->next;
    t = b != NULL ? b->next : NULL;
    a->next = NULL;
    if (b != NULL)
      b->next = NULL;
    a = meld(a, b);
    a->next = pairs;
    pairs = a;
  }
  while (pairs != NULL) {
    struct fdemu_timer *a = pairs;
    pairs = a->next;
    a->next = NULL;
    root = meld(root, a);
  }
  return root;
}

static void set_root(struct fdemu_kernel *k, struct fdemu_timer *root)
{
  k->timers = root;
  if (root != NULL)
    root->prev = &k->timers;
}

void fdemu_timer_stop(struct fdemu_kernel *k, struct fdemu_timer *t)
{
  struct fdemu_timer *below;

  if (t->prev == NULL)
    return;
  *t->prev = t->next;
  if (t->next != NULL)
    t->next->prev = t->prev;
  t->prev = NULL;
  t->next = NULL;
  below = meld_all(t->child);
  t->child = NULL;
  set_root(k, meld(k->timers, below));
}

void fdemu_timer_set(struct fdemu_kernel *k, struct fdemu_timer *t,
                     int64_t when)
{
  fdemu_timer_stop(k, t);
  t->when = when;
  t->seq = k->timer_seq++;
  set_root(k, meld(k->timers, t));
}

struct fdemu_timer *fde_timer_first(const struct fdemu_kernel *k)
{
  return k->timers;
}

void fde_timer_fire(struct fdemu_kernel *k)
{
  struct fdemu_timer *t = k->timers;

  fdemu_timer_stop(k, t);
  t->fire(t);
}

/* t and its siblings, which must not come before parent. */
static bool heap_ok(const struct fdemu_timer *t,
                    const struct fdemu_timer *parent)
{
  for (; t != NULL; t = t->next) {
    if (t->prev == NULL || *t->prev != t)
      return false;
    if (parent != NULL && before(t, parent))
      return false;
    if (!heap_ok(t->child, t))
      return false;
  }
  return true;
}

const char *fde_timers_check(const struct fdemu_kernel *k)
{
  return heap_ok(k->timers, NULL) ? NULL : "timers out of order";
}
