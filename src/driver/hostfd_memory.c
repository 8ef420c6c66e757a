/*
 * hostfd_memory.c - the memory of a caller, for calls on the host
 *
 * A caller in this process has memory that the host can use. Other memory is
 * behind an accessor: it is copied, and in front of memory that is not there,
 * so that a call of the host ends where the caller's memory does.
 *
 *   caller    [ good | not there ]      copy   [ good | a page of PROT_NONE ]
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "driver/hostfd.h"

#define PAGE 4096

static void *address(const void *base, size_t offset)
{
  uintptr_t at = (uintptr_t)base + offset;

  return (void *)at;
}

/* ---- pieces ----------------------------------------------------------- */

static void add_piece(struct fdh_memory *m, void *base, size_t n)
{
  m->iov[m->n++] = (struct iovec){ base, n };
  m->size += n;
}

/* Where the next bytes are for the caller. */
static void pieces(struct fdh_memory *m, const struct fdemu_req *r, size_t max)
{
  size_t skip = r->done;

  m->n = 0;
  m->size = 0;
  if (max > fdemu_left(r))
    max = fdemu_left(r);
  if (!(r->call->flags & FDEMU_CALL_VEC)) {
    add_piece(m, address(r->buf.iov_base, skip), max);
    return;
  }
  for (int i = 0; i < r->iovcnt && m->size < max; i++) {
    size_t n = r->iov[i].iov_len;
    if (n <= skip) {
      skip -= n;
      if (n > 0 || r->done > 0)
        continue;
    }
    n -= skip;
    if (n > max - m->size)
      n = max - m->size;
    add_piece(m, address(r->iov[i].iov_base, skip), n);
    skip = 0;
  }
}

/* ---- what can be stored ----------------------------------------------- */

/* A byte of the caller's becomes what it is; one that cannot be read, 0. -errno
 * if it cannot be written. */
static int touch(struct fdemu_req *r, void *addr)
{
  char c = 0;

  if (addr == NULL || fdemu_load(r, &c, addr, 1) < 0)
    c = 0;
  return fdemu_store(r, addr, &c, 1);
}

/* Bytes of a piece up to the first that cannot: memory comes in pages. */
static size_t good_of(struct fdemu_req *r, const struct iovec *v, int *error)
{
  size_t n = 0;

  *error = 0;
  while (n < v->iov_len) {
    *error = touch(r, address(v->iov_base, n));
    if (*error < 0)
      return n;
    n += PAGE - (uintptr_t)address(v->iov_base, n) % PAGE;
  }
  return v->iov_len;
}

/* Bytes that can be stored; -ENOMEM and the like, if that is not since the
 * caller has no more. */
static int64_t storable(const struct fdh_memory *m, struct fdemu_req *r)
{
  size_t good = 0;
  int error = 0;

  for (int i = 0; i < m->n && error == 0; i++)
    good += good_of(r, &m->iov[i], &error);
  return error == 0 || error == -EFAULT ? (int64_t)good : error;
}

/* ---- the copy --------------------------------------------------------- */

/* The first good bytes move to the end of what is there. */
static int guard(struct fdh_memory *m, size_t good)
{
  size_t size = (good + PAGE - 1) / PAGE * PAGE + PAGE;
  char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  if (p == MAP_FAILED)
    return -ENOMEM;
  m->map = p;
  m->mapped = size;
  mprotect(p + size - PAGE, PAGE, PROT_NONE);
  memcpy(p + size - PAGE - good, m->bytes, good);
  m->bytes = p + size - PAGE - good;
  return 0;
}

/* The pieces become those of the copy, of which good bytes are there. */
static void point(struct fdh_memory *m, size_t good)
{
  size_t at = 0;

  for (int i = 0; i < m->n; i++) {
    m->iov[i].iov_base = m->bytes + (at < good ? at : good);
    at += m->iov[i].iov_len;
  }
}

/* What the caller has of the next bytes, of which a write is to have a copy. */
static int64_t good_bytes(struct fdh_memory *m, struct fdemu_req *r,
                          bool writing)
{
  size_t done = r->done;
  int64_t good;

  if (!writing)
    return storable(m, r);
  good = fdemu_take(r, m->bytes, m->size) < 0 ? (int64_t)(r->done - done)
                                              : (int64_t)m->size;
  fdemu_rewind(r, done);
  return good;
}

static int copy(struct fdh_memory *m, struct fdemu_req *r, bool writing)
{
  int64_t good;
  int error = 0;

  m->bytes = m->some;
  if (m->size > sizeof m->some)
    m->bytes = m->heap = fdemu_alloc(r->file->inode->kernel, m->size);
  if (m->bytes == NULL)
    return -ENOMEM;
  good = good_bytes(m, r, writing);
  if (good < 0)
    return (int)good;
  if ((size_t)good < m->size)
    error = guard(m, (size_t)good);
  if (error == 0)
    point(m, (size_t)good);
  return error;
}

int fdh_memory_get(struct fdh_memory *m, struct fdemu_req *r, size_t max,
                   bool writing)
{
  int error;

  m->bytes = m->heap = m->map = NULL;
  pieces(m, r, max);
  if (r->mem == NULL || m->size == 0)
    return 0;
  error = copy(m, r, writing);
  if (error < 0)
    fdh_memory_put(m, r);
  return error;
}

int fdh_memory_read(struct fdh_memory *m, struct fdemu_req *r, size_t n)
{
  if (m->bytes != NULL && n > 0)
    return fdemu_copy_out(r, m->bytes, n);
  fdemu_rewind(r, r->done + n);
  return 0;
}

void fdh_memory_put(struct fdh_memory *m, const struct fdemu_req *r)
{
  fdemu_free(r->file->inode->kernel, m->heap);
  if (m->map != NULL)
    munmap(m->map, m->mapped);
  m->heap = m->map = NULL;
}
