/*
 * lmem.c - memory that is not Lua's: from the allocator of the Lua state
 *
 * Whoever limits or counts what a Lua state has sees all of it. A block is
 * given back with its size, which the core does not know: its blocks have it
 * in front of them, and what they sum up to is what the option limits.memory
 * is about.
 */
#include "lua/lfdemu.h"

struct header {
  _Alignas(max_align_t) size_t size;
};

void lmem_init(lua_State *L, struct lkernel *lk)
{
  lk->mem.f = lua_getallocf(L, &lk->mem.ud);
}

/* As lua_Alloc: from old bytes to size, 0 frees. NULL without memory. */
void *lmem_resize(struct lkernel *lk, void *ptr, size_t old, size_t size)
{
  return lk->mem.f(lk->mem.ud, ptr, old, size);
}

void lmem_free(struct lkernel *lk, void *ptr, size_t size)
{
  if (ptr != NULL)
    lmem_resize(lk, ptr, size, 0);
}

static void *resize(struct lkernel *lk, struct header *h, size_t size)
{
  size_t old = h != NULL ? sizeof *h + h->size : 0;

  if (size == 0) {
    lmem_free(lk, h, old);
    return NULL;
  }
  h = lmem_resize(lk, h, old, sizeof *h + size);
  if (h == NULL)
    return NULL;
  h->size = size;
  return h + 1;
}

/* fdemu_config.alloc, for the kernel of lk. */
void *lmem_core(void *ud, void *ptr, size_t size)
{
  struct lkernel *lk = ud;
  struct header *h = ptr != NULL ? (struct header *)ptr - 1 : NULL;
  size_t old = h != NULL ? h->size : 0;
  void *block;

  if (size > old && !llimit_memory(&lk->limits, size - old))
    return NULL;
  block = resize(lk, h, size);
  if (block != NULL || size == 0)
    lk->limits.used += size - old;
  return block;
}

/* fdemu_config.alloc_records: whatever limits.memory is. */
void *lmem_records(void *ud, void *ptr, size_t size)
{
  return resize(ud, ptr != NULL ? (struct header *)ptr - 1 : NULL, size);
}
