/* heap_test.c - memory for objects: src/core/heap.c. With FDE_LARGEST 0 (make
 * sanitize) each is an allocation of its own, and the rest of this holds. */
#include <errno.h>

#include "core/kernel.h"
#include "test.h"

/* Of the kernel's allocator: what is in use. */
static int64_t live_before;
static struct fdemu_kernel *k;

static void setup(void)
{
  k = test_kernel();
  live_before = test_heap.live;
}

static void teardown(void)
{
  TEST_KERNEL_FREE(k);
}

struct object {
  unsigned char *at;
  size_t size;
  unsigned char mark;
};

/* False if there is no memory. */
static bool make(struct object *o, size_t size, unsigned char mark)
{
  *o = (struct object){ .at = fdemu_object_alloc(k, size), .mark = mark };
  if (o->at == NULL)
    return false;
  o->size = size;
  memset(o->at, mark, size);
  return true;
}

static bool is_whole(const struct object *o)
{
  for (size_t i = 0; i < o->size; i++)
    if (o->at[i] != o->mark)
      return false;
  return true;
}

static void drop(struct object *o)
{
  CHECK(is_whole(o));
  fdemu_object_free(k, o->at);
  o->at = NULL;
}

/* ---- sizes ------------------------------------------------------------- */

enum { OBJECTS = 1000, MOST = 2000 };

/* At most this many allocations are kept for objects that may come: for each
 * size of blocks a slab and its head. */
#define KEPT (FDE_LARGEST > 0 ? 2 * (int64_t)(FDE_CLASSES - 1) : 0)

/* Objects of all sizes come and go, in any order, and keep what is in them. */
static void test_any_order(void)
{
  static struct object all[OBJECTS];
  uint64_t rng = 11;

  setup();
  for (int i = 0; i < 100 * OBJECTS; i++) {
    struct object *o = &all[test_below(&rng, OBJECTS)];
    /* Many, then few, then many: slabs come and go, too. */
    const bool wanted = test_below(&rng, 100) < (i / 5000 % 2 ? 10 : 90);
    if (o->at != NULL && !wanted)
      drop(o);
    else if (o->at == NULL && wanted)
      CHECK(make(o, 1 + test_below(&rng, MOST), (unsigned char)i));
    if (o->at != NULL && (uintptr_t)o->at % _Alignof(void *) != 0)
      CHECK(!"aligned");
    if (i % 1000 == 999)
      CHECK_KERNEL(k);
  }
  for (int i = 0; i < OBJECTS; i++)
    if (all[i].at != NULL)
      drop(&all[i]);
  CHECK_KERNEL(k);
  CHECK(test_heap.live - live_before <= KEPT);
  teardown();
}

/* Each size around each that blocks have, and both ends. */
static void test_each_size(void)
{
  setup();
  for (size_t size = 0; size <= MOST; size++) {
    struct object a, b;
    CHECK(make(&a, size, 0xaa));
    CHECK(make(&b, size, 0xbb));
    CHECK(a.at != b.at);
    drop(&a);
    drop(&b);
  }
  CHECK_KERNEL(k);
  CHECK(test_heap.live - live_before <= KEPT);
  CHECK(fdemu_object_alloc(k, SIZE_MAX) == NULL);
  CHECK(fdemu_object_alloc(k, SIZE_MAX - sizeof(void *) + 1) == NULL);
  CHECK_KERNEL(k);
  teardown();
}

/* The largest that has a slab, and the smallest that has none: it goes back to
 * the allocator at once. */
static void test_large(void)
{
  const size_t most =
      FDE_LARGEST > sizeof(void *) ? FDE_LARGEST - sizeof(void *) : 0;
  struct object o;

  setup();
  CHECK(make(&o, most + 1, 1));
  CHECK_EQ(test_heap.live, live_before + 1);
  drop(&o);
  CHECK_EQ(test_heap.live, live_before);
  if (most > 0) {
    CHECK(make(&o, most, 1));
    CHECK_EQ(test_heap.live, live_before + 2);
    drop(&o);
    CHECK_EQ(test_heap.live, live_before + 2);
  }
  teardown();
}

/* ---- many -------------------------------------------------------------- */

enum { MANY = 20000 };

/* Many take few allocations, and all but the last go back. */
static void test_many(void)
{
  static struct object all[MANY];
  uint64_t rng = 12;

  setup();
  for (int i = 0; i < MANY; i++)
    CHECK(make(&all[i], 40, (unsigned char)i));
  CHECK(FDE_LARGEST == 0 || test_heap.live - live_before < MANY / 100);
  for (int i = MANY - 1; i > 0; i--) {
    const size_t j = test_below(&rng, (uint64_t)i + 1);
    const struct object o = all[i];
    all[i] = all[j];
    all[j] = o;
  }
  for (int i = 0; i < MANY; i++) {
    drop(&all[i]);
    if (i % 2000 == 0)
      CHECK_KERNEL(k);
  }
  CHECK(test_heap.live - live_before <= (FDE_LARGEST > 0 ? 2 : 0));
  teardown();
}

/* One more than a slab has, again and again: nothing is allocated for it but
 * once. */
static void test_to_and_fro(void)
{
  struct object all[5], o;
  int64_t count;

  setup();
  for (int i = 0; i < 5; i++)
    CHECK(make(&all[i], 100, (unsigned char)i));
  count = test_heap.count;
  for (int i = 0; i < 100; i++) {
    drop(&all[4]);
    CHECK(make(&all[4], 100, 4));
    CHECK(make(&o, 100, 9));
    drop(&o);
  }
  CHECK(FDE_LARGEST == 0 || test_heap.count == count);
  for (int i = 0; i < 5; i++)
    drop(&all[i]);
  teardown();
}

/* What is free is used before there is more. */
static void test_again(void)
{
  struct object all[64];
  int64_t live;

  setup();
  for (int i = 0; i < 64; i++)
    CHECK(make(&all[i], 24, (unsigned char)i));
  live = test_heap.live;
  for (int n = 0; n < 10; n++) {
    for (int i = n % 3; i < 64; i += 3)
      drop(&all[i]);
    for (int i = n % 3; i < 64; i += 3)
      CHECK(make(&all[i], 24, (unsigned char)i));
  }
  CHECK_EQ(test_heap.live, live);
  for (int i = 0; i < 64; i++)
    drop(&all[i]);
  teardown();
}

/* ---- without memory ---------------------------------------------------- */

/* The nth allocation fails of those that the next object takes. */
static void fail(int n, size_t size)
{
  struct object o;

  test_heap.fail_at = test_heap.count + n;
  CHECK(!make(&o, size, 1));
  test_heap.fail_at = 0;
  CHECK_EQ(test_heap.live, live_before);
  CHECK_KERNEL(k);
  CHECK(make(&o, size, 1));
  drop(&o);
}

static void test_no_memory(void)
{
  setup();
  fail(1, FDE_LARGEST + 1);
  fail(1, 100); /* the head of a slab */
  teardown();
  if (FDE_LARGEST > 0) {
    setup();
    fail(2, 100); /* its memory */
    teardown();
  }
}

/* The first slab is full, and there is none for another object; those that are
 * there stay. */
static void test_no_memory_for_more(void)
{
  struct object all[5];
  int64_t live;

  setup();
  for (int i = 0; i < 4; i++)
    CHECK(make(&all[i], 100, (unsigned char)i));
  live = test_heap.live;
  for (int n = 1; n <= (FDE_LARGEST > 0 ? 2 : 1); n++) {
    test_heap.fail_at = test_heap.count + n;
    CHECK(!make(&all[4], 100, 4));
    CHECK_EQ(test_heap.live, live);
  }
  test_heap.fail_at = 0;
  CHECK(make(&all[4], 100, 4));
  for (int i = 0; i < 5; i++)
    drop(&all[i]);
  CHECK_KERNEL(k);
  teardown();
}

/* ---- checking ---------------------------------------------------------- */

/* Before an object is its slab's address; in a free block the next free one
 * begins the object. */
static void test_broken(void)
{
  void **a, **b, **c, *kept;

  if (FDE_LARGEST == 0)
    return;
  setup();
  a = fdemu_object_alloc(k, 100);
  b = fdemu_object_alloc(k, 100);
  c = fdemu_object_alloc(k, 900);
  fdemu_object_free(k, a);
  fdemu_object_free(k, b);
  CHECK_KERNEL(k);
  kept = b[-1];
  b[-1] = c[-1];
  BROKEN("a free block that is another slab's");
  b[-1] = kept;
  kept = b[0];
  b[0] = NULL;
  BROKEN("a slab that has miscounted its blocks");
  b[0] = &b[-1]; /* for ever */
  BROKEN("a free block that is another slab's");
  b[0] = kept;
  CHECK_KERNEL(k);
  fdemu_object_free(k, c);
  fdemu_object_free(k, NULL);
  teardown();
}

int main(void)
{
  test_any_order();
  test_each_size();
  test_large();
  test_many();
  test_to_and_fro();
  test_again();
  test_no_memory();
  test_no_memory_for_more();
  test_broken();
  return test_summary();
}
