/*
 * choice.c - what chance decides: drawn, recorded, replayed
 *
 * A choice is known by its kind, by who has to make it, and by how many of
 * that kind he made before, taken or not. So a list of choices keeps its
 * meaning when one is left out: what another task does later is counted
 * apart, and what this one does later is counted alike, as long as it comes
 * to the same choices.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/kernel.h"

struct count {
  uint32_t kind, who;
  uint64_t n; /* 0: nobody's */
};

struct fde_choices {
  struct fdemu_choice *made, *told; /* told is sorted */
  size_t nmade, cap, ntold;
  struct count *counts; /* a hash table, never full */
  size_t ncounts, countcap;
  bool replay; /* told is to be done, instead of what chance says */
  bool lost;   /* there was no memory */
};

/* ---- counting ----------------------------------------------------------- */

static struct count *slot(struct count *counts, size_t cap, uint32_t kind,
                          uint32_t who)
{
  size_t i = who * 0x9e3779b1u + kind * 0x85ebca6bu;

  for (i &= cap - 1; counts[i].n > 0; i = (i + 1) & (cap - 1))
    if (counts[i].kind == kind && counts[i].who == who)
      break;
  return &counts[i];
}

/* As realloc(); size 0 frees. */
static void *resize(struct fdemu_kernel *k, void *ptr, size_t size)
{
  return ptr != NULL || size > 0 ? k->alloc_records(k->alloc_ud, ptr, size)
                                 : NULL;
}

static int grow_counts(struct fdemu_kernel *k, struct fde_choices *ch)
{
  size_t cap = ch->countcap > 0 ? 2 * ch->countcap : 32;
  struct count *counts = resize(k, NULL, cap * sizeof *counts);

  if (counts == NULL)
    return -ENOMEM;
  memset(counts, 0, cap * sizeof *counts);
  for (size_t i = 0; i < ch->countcap; i++) {
    const struct count *c = &ch->counts[i];
    if (c->n > 0)
      *slot(counts, cap, c->kind, c->who) = *c;
  }
  resize(k, ch->counts, 0);
  ch->counts = counts;
  ch->countcap = cap;
  return 0;
}

/* Which of its kind this one is for its maker: 1, 2, ...; 0: no memory. */
static uint64_t number(struct fdemu_kernel *k, const struct fdemu_choice *c)
{
  struct fde_choices *ch = k->choices;
  struct count *count;

  if (4 * (ch->ncounts + 1) > 3 * ch->countcap && grow_counts(k, ch) < 0)
    return 0;
  count = slot(ch->counts, ch->countcap, c->kind, c->who);
  if (count->n == 0) {
    count->kind = c->kind;
    count->who = c->who;
    ch->ncounts++;
  }
  return ++count->n;
}

/* ---- the lists ---------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
  const struct fdemu_choice *x = a, *y = b;

  if (x->kind != y->kind)
    return x->kind < y->kind ? -1 : 1;
  if (x->who != y->who)
    return x->who < y->who ? -1 : 1;
  return x->nth < y->nth ? -1 : x->nth > y->nth;
}

static uint64_t look_up(const struct fde_choices *ch,
                        const struct fdemu_choice *c, uint64_t n)
{
  const struct fdemu_choice *found = NULL;

  if (ch->ntold > 0)
    found = bsearch(c, ch->told, ch->ntold, sizeof *c, compare);
  return found != NULL && found->value <= n ? found->value : 0;
}

static void record(struct fdemu_kernel *k, const struct fdemu_choice *c)
{
  struct fde_choices *ch = k->choices;

  if (ch->nmade == ch->cap) {
    size_t cap = ch->cap > 0 ? 2 * ch->cap : 16;
    void *made = resize(k, ch->made, cap * sizeof *ch->made);
    if (made == NULL) {
      ch->lost = true;
      return;
    }
    ch->made = made;
    ch->cap = cap;
  }
  ch->made[ch->nmade++] = *c;
}

/* ---- choosing ----------------------------------------------------------- */

static uint64_t draw(struct fdemu_kernel *k, uint64_t below, uint64_t n)
{
  if (below == FDE_EVENLY)
    return fde_splitmix(&k->chance) % (n + 1);
  if (fde_splitmix(&k->chance) >> 32 >= below)
    return 0;
  return 1 + fde_splitmix(&k->chance) % n;
}

uint64_t fdemu_choose(struct fdemu_kernel *k, struct fdemu_choice *c,
                      uint64_t n)
{
  struct fde_choices *ch = k->choices;

  c->value = 0;
  if (k->below[c->kind] == 0 || n == 0)
    return 0;
  if (ch == NULL)
    return c->value = draw(k, k->below[c->kind], n);
  c->nth = number(k, c);
  c->most = n;
  if (c->nth == 0)
    ch->lost = true;
  else if (ch->replay)
    c->value = look_up(ch, c, n);
  else
    c->value = draw(k, k->below[c->kind], n);
  return c->value;
}

void fdemu_chosen(struct fdemu_kernel *k, const struct fdemu_choice *c)
{
  if (k->choices != NULL && c->value > 0)
    record(k, c);
}

uint32_t fde_who(const struct fdemu_req *r)
{
  return r->who != 0 ? r->who : FDEMU_WHO_PROC | (uint32_t)r->proc->pid;
}

uint64_t fde_choose(const struct fdemu_req *r, enum fdemu_choice_kind kind,
                    uint64_t n)
{
  struct fdemu_kernel *k = r->proc->kernel;
  struct fdemu_choice c = { .kind = kind, .who = fde_who(r) };

  if (fdemu_choose(k, &c, n) == 0)
    return 0;
  c.call = r->call->name;
  c.pid = r->proc->pid;
  c.fd = r->call->flags & FDEMU_CALL_FD ? r->fd : -1;
  c.origin = r->origin;
  fdemu_chosen(k, &c);
  return c.value;
}

/* ---- the public side ---------------------------------------------------- */

void fde_choices_free(struct fdemu_kernel *k)
{
  struct fde_choices *ch = k->choices;

  if (ch == NULL)
    return;
  resize(k, ch->made, 0);
  resize(k, ch->told, 0);
  resize(k, ch->counts, 0);
  resize(k, ch, 0);
  k->choices = NULL;
}

int fdemu_record(struct fdemu_kernel *k)
{
  struct fde_choices *ch = resize(k, NULL, sizeof *ch);

  if (ch == NULL)
    return -ENOMEM;
  memset(ch, 0, sizeof *ch);
  fde_choices_free(k);
  k->choices = ch;
  return 0;
}

int fdemu_replay(struct fdemu_kernel *k, const struct fdemu_choice *list,
                 size_t n)
{
  struct fdemu_choice *told = resize(k, NULL, (n + 1) * sizeof *told);

  if (told == NULL || fdemu_record(k) < 0) {
    resize(k, told, 0);
    return -ENOMEM;
  }
  if (n > 0) {
    memcpy(told, list, n * sizeof *told);
    qsort(told, n, sizeof *told, compare);
  }
  k->choices->told = told;
  k->choices->ntold = n;
  k->choices->replay = true;
  return 0;
}

int64_t fdemu_choices(const struct fdemu_kernel *k,
                      const struct fdemu_choice **list)
{
  const struct fde_choices *ch = k->choices;

  *list = ch != NULL ? ch->made : NULL;
  if (ch == NULL)
    return 0;
  return ch->lost ? -ENOMEM : (int64_t)ch->nmade;
}

size_t fdemu_choice_counts(const struct fdemu_kernel *k,
                           struct fdemu_choice *list, size_t max)
{
  const struct fde_choices *ch = k->choices;
  size_t n = 0;

  if (ch == NULL)
    return 0;
  for (size_t i = 0; i < ch->countcap && n < max; i++) {
    const struct count *c = &ch->counts[i];
    if (c->n > 0)
      list[n++] =
          (struct fdemu_choice){ .kind = c->kind, .who = c->who, .nth = c->n };
  }
  if (n > 0)
    qsort(list, n, sizeof *list, compare);
  return ch->ncounts;
}
