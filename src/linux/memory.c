/* memory.c - the caller's memory: structs, strings and vectors in it */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "linux/bynumber.h"

#define PAGE 4096u /* memory is there or not by whole pages */

int fdl_load(const struct fdl_call *c, void *dst, uint64_t addr, size_t n)
{
  const void *src = (const void *)(uintptr_t)addr;

  if (c->mem != NULL)
    return c->mem->load(c->mem, dst, src, n);
  if (src == NULL)
    return -EFAULT;
  memcpy(dst, src, n);
  return 0;
}

int fdl_store(const struct fdl_call *c, uint64_t addr, const void *src,
              size_t n)
{
  void *dst = (void *)(uintptr_t)addr;

  if (c->mem != NULL)
    return c->mem->store(c->mem, dst, src, n);
  if (dst == NULL)
    return -EFAULT;
  memcpy(dst, src, n);
  return 0;
}

/* The string at addr, into PATH_MAX bytes; -ENAMETOOLONG. Nothing is touched
 * beyond the page that it ends in: the next may not be there. */
int fdl_load_path(const struct fdl_call *c, char path[], uint64_t addr)
{
  for (size_t n = 0; n < PATH_MAX;) {
    size_t m = PAGE - (addr + n) % PAGE;
    int error;

    if (m > PATH_MAX - n)
      m = PATH_MAX - n;
    if (c->mem == NULL && addr != 0)
      m = strnlen((const char *)(uintptr_t)addr, PATH_MAX - 1) + 1;
    error = fdl_load(c, path + n, addr + n, m);
    if (error < 0)
      return error;
    if (memchr(path + n, '\0', m) != NULL)
      return 0;
    n += m;
  }
  return -ENAMETOOLONG;
}
