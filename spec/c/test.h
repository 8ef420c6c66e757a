/* test.h - what the tests in C share: checks that count, a heap that counts */
#ifndef TEST_H
#define TEST_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fdemu.h"

static int test_passed, test_failed;

/* A failed check is printed, counted, and the test goes on. */
static inline bool test_check(bool ok, const char *file, int line,
                              const char *what)
{
  if (ok)
    test_passed++;
  else if (test_failed++ < 100)
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
  return ok;
}

static inline bool test_equal(int64_t got, int64_t want, const char *file,
                              int line, const char *what)
{
  char s[512];

  snprintf(s, sizeof s, "%s is %lld, not %lld", what, (long long)got,
           (long long)want);
  return test_check(got == want, file, line, s);
}

static inline bool test_same(const char *got, const char *want,
                             const char *file, int line)
{
  char s[1024];

  snprintf(s, sizeof s, "\n  got  %s\n  want %s", got, want);
  return test_check(strcmp(got, want) == 0, file, line, s);
}

#define CHECK(e) test_check((e) ? true : false, __FILE__, __LINE__, #e)
#define CHECK_EQ(got, want) \
  test_equal((int64_t)(got), (int64_t)(want), __FILE__, __LINE__, #got)
#define CHECK_STR(got, want) test_same(got, want, __FILE__, __LINE__)

/* The last line of a test program, and its exit status. */
static inline int test_summary(void)
{
  printf("%d passed, %d failed\n", test_passed, test_failed);
  return test_failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The same of a test that cannot be made here. */
static inline int test_skip(const char *why)
{
  printf("%s\n0 passed, 0 failed, 1 skipped\n", why);
  return EXIT_SUCCESS;
}

/* xorshift64* : the tests' own chance, apart from the kernel's. */
static inline uint64_t test_random(uint64_t *state)
{
  uint64_t x = *state;

  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  *state = x;
  return x * UINT64_C(0x2545f4914f6cdd1d);
}

static inline uint64_t test_below(uint64_t *state, uint64_t n)
{
  return (test_random(state) >> 11) % n;
}

/* ---- memory ------------------------------------------------------------ */

/* Addresses below a page are bad, as they are for Linux. What is fetched is
 * read by whole pages, which have more in them than AddressSanitizer lets a
 * memcpy() see. */
__attribute__((no_sanitize("address"))) static inline int
test_load(const struct fdemu_mem *m, void *dst, const void *addr, size_t n)
{
  (void)m;
  if ((uintptr_t)addr < 4096)
    return -EFAULT;
  for (size_t i = 0; i < n; i++)
    ((volatile char *)dst)[i] = ((const volatile char *)addr)[i];
  return 0;
}

static inline int test_store(const struct fdemu_mem *m, void *addr,
                             const void *src, size_t n)
{
  (void)m;
  if ((uintptr_t)addr < 4096)
    return -EFAULT;
  memcpy(addr, src, n);
  return 0;
}

static const struct fdemu_mem test_mem = { test_load, test_store };

/* All addresses are bad. */
static inline int test_no_load(const struct fdemu_mem *m, void *dst,
                               const void *addr, size_t n)
{
  (void)m;
  (void)dst;
  (void)addr;
  (void)n;
  return -EFAULT;
}

static inline int test_no_store(const struct fdemu_mem *m, void *addr,
                                const void *src, size_t n)
{
  (void)m;
  (void)addr;
  (void)src;
  (void)n;
  return -EFAULT;
}

static const struct fdemu_mem test_no_mem = { test_no_load, test_no_store };

/* ---- kernels that notice leaks ---------------------------------------- */

/* fail_at: the allocation that fails, counted from 1; 0: none. */
struct test_heap {
  int64_t live, count, fail_at;
};

static inline void *test_alloc(void *ud, void *ptr, size_t size)
{
  struct test_heap *h = ud;
  void *new;

  if (size == 0) {
    h->live -= ptr != NULL;
    free(ptr);
    return NULL;
  }
  if (++h->count == h->fail_at)
    return NULL;
  new = realloc(ptr, size);
  if (new == NULL)
    abort();
  h->live += ptr == NULL;
  return new;
}

static struct test_heap test_heap;

static inline struct fdemu_kernel *
test_kernel_with(const struct fdemu_config *config)
{
  static const struct fdemu_config none;
  struct fdemu_config c = config != NULL ? *config : none;

  test_heap = (struct test_heap){ 0 };
  c.alloc = test_alloc;
  c.alloc_ud = &test_heap;
  return fdemu_kernel_new(&c);
}

static inline struct fdemu_kernel *test_kernel(void)
{
  return test_kernel_with(NULL);
}

/* fdemu_check() of k says what is wrong. */
#define BROKEN(what) \
  do { \
    const char *wrong = fdemu_check(k); \
    CHECK(wrong != NULL); \
    CHECK_STR(wrong != NULL ? wrong : "", what); \
  } while (0)

/* Everything in the kernel fits together. */
#define CHECK_KERNEL(k) \
  do { \
    const char *wrong = fdemu_check(k); \
    test_check(wrong == NULL, __FILE__, __LINE__, wrong); \
  } while (0)

/* Ends a test: nothing is in flight and nothing leaks. */
#define TEST_KERNEL_FREE(k) \
  do { \
    CHECK_EQ(fdemu_run(k), 0); \
    CHECK_KERNEL(k); \
    fdemu_kernel_free(k); \
    CHECK_EQ(test_heap.live, 0); \
  } while (0)

#endif
