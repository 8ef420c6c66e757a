/* kernel.c - the kernel object: run queue, clock, chance, memory */
#include "core/kernel.h"

#include <stdlib.h>
#include <string.h>

static void *default_alloc(void *ud, void *ptr, size_t size)
{
  (void)ud;
  if (size > 0)
    return realloc(ptr, size);
  free(ptr);
  return NULL;
}

static uint64_t probability(double p)
{
  if (!(p > 0))
    return 0;
  return p < 1 ? (uint64_t)(p * 4294967296.0) : UINT64_C(4294967296);
}

/* Clocks that are moved as far as they go stay there. */
static void set_now(struct fdemu_kernel *k, int64_t now)
{
  const int64_t start = FDEMU_EPOCH * INT64_C(1000000000);

  k->now = now;
  k->date = now < INT64_MAX - start ? start + now : INT64_MAX;
}

static void kernel_init(struct fdemu_kernel *k, const struct fdemu_config *c)
{
  fdemu_list_init(&k->procs);
  fdemu_list_init(&k->dead);
  fdemu_list_init(&k->runq);
  fdemu_list_init(&k->finished);
  fdemu_list_init(&k->sources);
  fdemu_list_init(&k->rules);
  fde_heap_init(k);
  k->largest = c->apart ? 0 : FDE_LARGEST;
  set_now(k, 0);
  k->seed = k->rng = c->seed;
  k->chance = ~c->seed;
  fde_attr_init(&k->anonymous, k, 0);
  k->space = c->space;
  k->max_open = c->descriptors > 0 ? c->descriptors : SIZE_MAX;
  k->nofile = c->nofile > 0 ? c->nofile : 1024;
  if (k->nofile > FDE_NR_OPEN)
    k->nofile = FDE_NR_OPEN;
  k->below[FDEMU_CHOICE_SHORT] = probability(c->short_counts);
  k->below[FDEMU_CHOICE_EINTR] = probability(c->eintr);
  if (c->random_order)
    k->below[FDEMU_CHOICE_RETRY] = k->below[FDEMU_CHOICE_TURN] = FDE_EVENLY;
  if (c->random_order)
    k->below[FDEMU_CHOICE_STOP] = probability(0.25);
  k->origins = c->origins;
  fde_care(k);
}

struct fdemu_kernel *fdemu_kernel_new(const struct fdemu_config *config)
{
  static const struct fdemu_config defaults;
  const struct fdemu_config *c = config != NULL ? config : &defaults;
  void *(*alloc)(void *, void *, size_t) =
      c->alloc != NULL ? c->alloc : default_alloc;
  struct fdemu_kernel *k = alloc(c->alloc_ud, NULL, sizeof *k);

  if (k == NULL)
    return NULL;
  memset(k, 0, sizeof *k);
  k->alloc = alloc;
  k->alloc_records = c->alloc_records != NULL ? c->alloc_records : alloc;
  k->alloc_ud = c->alloc_ud;
  kernel_init(k, c);
  k->root = fde_root_new(k);
  if (k->root == NULL)
    goto fail_kernel;
  k->self = fdemu_proc_new(k);
  if (k->self == NULL)
    goto fail_root;
  k->self->pid = k->last_pid = 0;
  k->self->umask = 0;
  return k;

fail_root:
  fde_names_free(k);
fail_kernel:
  fde_heap_free(k);
  alloc(c->alloc_ud, k, 0);
  return NULL;
}

struct fdemu_proc *fdemu_kernel_self(struct fdemu_kernel *k)
{
  return k->self;
}

void fdemu_kernel_free(struct fdemu_kernel *k)
{
  struct fdemu_proc *p;

  while (!fdemu_list_empty(&k->procs))
    fdemu_proc_end(fdemu_entry(k->procs.next, struct fdemu_proc, link));
  fdemu_run(k); /* the owners of what was in flight hear of it */
  fde_names_free(k);
  while (!fdemu_list_empty(&k->rules))
    fdemu_rule_remove(fdemu_entry(k->rules.next, struct fdemu_rule, link));
  fdemu_free(k, k->spare_move);
  fde_requests_free(k);
  fdemu_free(k, k->anonymous.locks);
  fde_choices_free(k);
  while (!fdemu_list_empty(&k->dead)) {
    p = fdemu_entry(k->dead.next, struct fdemu_proc, link);
    fdemu_list_remove(&p->link);
    fdemu_free(k, p);
  }
  while (k->locals != NULL) {
    struct fde_local *next = k->locals->next;
    fdemu_free(k, k->locals);
    k->locals = next;
  }
  fde_heap_free(k);
  k->alloc(k->alloc_ud, k, 0);
}

void *fdemu_local(struct fdemu_kernel *k, const void *key, size_t size)
{
  struct fde_local *l = k->locals;

  while (l != NULL && l->key != key)
    l = l->next;
  if (l != NULL)
    return l->data;
  l = fdemu_alloc(k, sizeof *l + size);
  if (l == NULL)
    return NULL;
  memset(l->data, 0, size);
  l->key = key;
  l->next = k->locals;
  k->locals = l;
  return l->data;
}

void *fdemu_realloc(struct fdemu_kernel *k, void *ptr, size_t size)
{
  return k->alloc(k->alloc_ud, ptr, size);
}

void *fdemu_alloc(struct fdemu_kernel *k, size_t size)
{
  return k->alloc(k->alloc_ud, NULL, size > 0 ? size : 1);
}

void fdemu_free(struct fdemu_kernel *k, void *ptr)
{
  if (ptr != NULL)
    k->alloc(k->alloc_ud, ptr, 0);
}

/* splitmix64 (Steele, Lea, Flood 2014): one word of state, any seed will do. */
uint64_t fde_splitmix(uint64_t *state)
{
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);

  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

uint64_t fdemu_random(struct fdemu_kernel *k)
{
  return fde_splitmix(&k->rng);
}

uint64_t fdemu_seed(const struct fdemu_kernel *k)
{
  return k->seed;
}

int64_t fdemu_now(const struct fdemu_kernel *k)
{
  return k->now;
}

void fdemu_set_now(struct fdemu_kernel *k, int64_t when)
{
  if (when > k->now)
    set_now(k, when);
}

static struct fdemu_req *runnable(struct fdemu_list *n)
{
  return fdemu_entry(n, struct fdemu_req, link);
}

/* In random order this walks the queue; whoever asks for it pays for it. */
static struct fdemu_req *choose_runnable(struct fdemu_kernel *k)
{
  struct fdemu_req *first = runnable(k->runq.next), *r;
  struct fdemu_list *n;
  struct fdemu_choice c = { .kind = FDEMU_CHOICE_RETRY,
                            .who = fde_who(first),
                            .call = first->call->name,
                            .pid = first->proc->pid,
                            .fd = -1,
                            .origin = first->origin };
  uint64_t behind = 0;

  for (n = first->link.next; n != &k->runq; n = n->next)
    behind++;
  n = &first->link;
  for (behind = fdemu_choose(k, &c, behind); behind > 0; behind--)
    n = n->next;
  r = runnable(n);
  c.other = fde_who(r);
  fdemu_chosen(k, &c);
  return r;
}

static struct fdemu_req *next_runnable(struct fdemu_kernel *k)
{
  if (k->below[FDEMU_CHOICE_RETRY] > 0 && k->runq.next->next != &k->runq)
    return choose_runnable(k);
  return runnable(k->runq.next);
}

size_t fdemu_run(struct fdemu_kernel *k)
{
  struct fdemu_req *r;

  for (;;) {
    fde_catch_up(k);
    if (!fdemu_list_empty(&k->runq)) {
      r = next_runnable(k);
      fdemu_list_remove(&r->link);
      fde_attempt(r);
    } else if (!fdemu_list_empty(&k->finished)) {
      r = fdemu_entry(k->finished.next, struct fdemu_req, link);
      fdemu_abandon(r); /* from here on it is its owner's */
      if (r->complete != NULL)
        r->complete(r);
    } else {
      return k->pending;
    }
  }
}

bool fdemu_runnable(struct fdemu_kernel *k)
{
  fde_catch_up(k);
  return !fdemu_list_empty(&k->runq) || !fdemu_list_empty(&k->finished);
}

static bool sources_wait(struct fdemu_kernel *k, bool block)
{
  if (fdemu_list_empty(&k->sources))
    return false;
  return fdemu_entry(k->sources.next, struct fdemu_source, link)
      ->wait(&k->sources, block);
}

bool fdemu_look(struct fdemu_kernel *k)
{
  fde_catch_up(k);
  return sources_wait(k, false);
}

bool fdemu_tick(struct fdemu_kernel *k, int64_t limit)
{
  const struct fdemu_timer *t;

  fde_catch_up(k);
  t = fde_timer_first(k);
  fde_trace_flush(k);
  if (sources_wait(k, false) && !fdemu_list_empty(&k->runq))
    return true;
  if (t != NULL && t->when <= limit) {
    fdemu_set_now(k, t->when);
    fde_timer_fire(k);
    return true;
  }
  return t == NULL && limit == INT64_MAX && sources_wait(k, true);
}

void fdemu_source_add(struct fdemu_kernel *k, struct fdemu_source *s)
{
  fdemu_list_append(&k->sources, &s->link);
}

void fdemu_source_remove(struct fdemu_source *s)
{
  fdemu_list_remove(&s->link);
}

void fdemu_set_trace(struct fdemu_kernel *k,
                     void (*fn)(void *ud, const struct fdemu_event *e),
                     void *ud)
{
  k->unfinished = NULL;
  k->trace = fn;
  k->trace_ud = ud;
  fde_care(k);
}
