/* io.c - bytes: moving them to and from a caller's memory, and positions */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "core/kernel.h"

/* ---- the caller's memory ---------------------------------------------- */

static int mem_store(const struct fdemu_req *r, void *addr, const void *src,
                     size_t n)
{
  if (r->mem != NULL)
    return r->mem->store(r->mem, addr, src, n);
  if (src != NULL)
    memcpy(addr, src, n);
  else
    memset(addr, 0, n);
  return 0;
}

static int mem_load(const struct fdemu_req *r, void *dst, const void *addr,
                    size_t n)
{
  if (r->mem != NULL)
    return r->mem->load(r->mem, dst, addr, n);
  memcpy(dst, addr, n);
  return 0;
}

/* An address in memory that may not be this process's: a number. */
static void *address(const void *base, size_t offset)
{
  uintptr_t at = (uintptr_t)base + offset;

  return (void *)at;
}

/* One piece of the caller's memory at the cursor: at most n bytes. */
static void *piece(const struct fdemu_req *r, int *pos, size_t *off, size_t *n)
{
  const struct iovec *v;

  if (!(r->call->flags & FDEMU_CALL_VEC)) {
    void *addr = address(r->buf.iov_base, *off);
    *off += *n;
    return addr;
  }
  while (*off == r->iov[*pos].iov_len) {
    ++*pos;
    *off = 0;
  }
  v = &r->iov[*pos];
  if (*n > v->iov_len - *off)
    *n = v->iov_len - *off;
  *off += *n;
  return address(v->iov_base, *off - *n);
}

size_t fdemu_piece(const struct fdemu_req *r)
{
  if (!(r->call->flags & FDEMU_CALL_VEC))
    return fdemu_left(r);
  for (int i = r->iovpos; i < r->iovcnt; i++) {
    size_t n = r->iov[i].iov_len - (i == r->iovpos ? r->iovoff : 0);
    if (n > 0 || r->done == 0)
      return n < fdemu_left(r) ? n : fdemu_left(r);
  }
  return 0;
}

/* The C library copies 4 KiB and more with rep movsb, which AMD's Zen 3 and 4 do
 * twenty times slower than otherwise if dst is a few bytes behind src in their
 * pages. So less than that at once; by memmove(), of which gcc makes none. */
#define CHUNK 2048

FDE_APART static void move_chunks(char *dst, const char *src, size_t n)
{
  for (; n > CHUNK; n -= CHUNK, dst += CHUNK, src += CHUNK)
    memmove(dst, src, CHUNK);
  memmove(dst, src, n);
}

/* A byte at a time is how many programs talk: that is no call. */
static inline void move_bytes(char *dst, const char *src, size_t n)
{
  if (n == 1)
    *dst = *src;
  else if (n > CHUNK)
    move_chunks(dst, src, n);
  else
    memmove(dst, src, n);
}

FDE_APART static int copy_pieces(struct fdemu_req *r, void *dst,
                                 const void *src, size_t n)
{
  int pos = r->iovpos;
  size_t off = r->iovoff, done = 0;

  while (done < n) {
    size_t m = n - done;
    void *addr = piece(r, &pos, &off, &m);
    int error =
        dst != NULL
            ? mem_load(r, (char *)dst + done, addr, m)
            : mem_store(r, addr, src != NULL ? (const char *)src + done : NULL,
                        m);
    if (error < 0)
      return error;
    done += m;
  }
  r->iovpos = pos;
  r->iovoff = off;
  r->done += n;
  return 0;
}

/* Not if the answer will be seen later, when others have made calls. */
bool fdemu_lend(struct fdemu_req *r, void *data, size_t n)
{
  if (!r->lends || r->result == FDEMU_PENDING || r->done > 0 ||
      r->call->flags & FDEMU_CALL_VEC)
    return false;
  r->buf.iov_base = data;
  r->done = n;
  return true;
}

/* One piece of this process's own memory: what nearly every call has. */
static inline bool is_plain(const struct fdemu_req *r)
{
  return r->mem == NULL && r->iov == NULL;
}

/* The next n bytes of it. They count as moved at once, so that nothing is left
 * to do behind the copy. */
static inline char *plain_take(struct fdemu_req *r, size_t n)
{
  char *bytes = (char *)r->buf.iov_base + r->iovoff;

  r->iovoff += n;
  r->done += n;
  return bytes;
}

int fdemu_copy_out(struct fdemu_req *r, const void *src, size_t n)
{
  if (!is_plain(r))
    return copy_pieces(r, NULL, src, n);
  move_bytes(plain_take(r, n), src, n);
  return 0;
}

int fdemu_copy_in(struct fdemu_req *r, void *dst, size_t n)
{
  if (!is_plain(r))
    return copy_pieces(r, dst, NULL, n);
  move_bytes(dst, plain_take(r, n), n);
  return 0;
}

static int copy_zeros(struct fdemu_req *r, const void *zeros, size_t n)
{
  if (!is_plain(r))
    return copy_pieces(r, NULL, zeros, n);
  memset(plain_take(r, n), 0, n);
  return 0;
}

/* As far as the caller's memory is good: what is lost was nothing. */
int fdemu_copy_zeros(struct fdemu_req *r, size_t n)
{
  static const char zeros[4096];
  int error = 0;

  while (n > 0 && error == 0) { /* an accessor takes bytes, and not NULL */
    size_t m = r->mem == NULL || n < sizeof zeros ? n : sizeof zeros;
    size_t off = r->iovoff;
    int pos = r->iovpos;
    piece(r, &pos, &off, &m);
    error = copy_zeros(r, r->mem != NULL ? zeros : NULL, m);
    n -= m;
  }
  return error;
}

/* Of bytes that could not be moved at once, those before the first that cannot:
 * in halves. By then it may be one that can. */
static void move_most(struct fdemu_req *r, char *dst, const char *src, size_t n)
{
  const size_t end = r->done + n;

  for (n /= 2; n > 0 && r->done < end;) {
    const size_t done = r->done, m = n < end - done ? n : end - done;
    int error = dst != NULL   ? fdemu_copy_in(r, dst, m)
                : src != NULL ? fdemu_copy_out(r, src, m)
                              : fdemu_copy_zeros(r, m);
    if (error < 0)
      n /= 2;
    else if (dst != NULL)
      dst += m;
    else if (src != NULL)
      src += m;
  }
}

int fdemu_give(struct fdemu_req *r, const void *src, size_t n)
{
  size_t done = r->done;
  int error = src != NULL ? fdemu_copy_out(r, src, n) : fdemu_copy_zeros(r, n);

  if (error < 0) /* some of the zeros may have been moved */
    move_most(r, NULL, src, n - (r->done - done));
  return error;
}

int fdemu_take(struct fdemu_req *r, void *dst, size_t n)
{
  int error = fdemu_copy_in(r, dst, n);

  if (error < 0)
    move_most(r, dst, NULL, n);
  return error;
}

void fdemu_rewind(struct fdemu_req *r, size_t done)
{
  r->done = done;
  r->iovpos = 0;
  r->iovoff = done;
  if (r->call->flags & FDEMU_CALL_VEC)
    while (r->iovoff > 0 && r->iovoff >= r->iov[r->iovpos].iov_len)
      r->iovoff -= r->iov[r->iovpos++].iov_len;
}

int64_t fdemu_read_zeros(struct fdemu_file *f, struct fdemu_req *r)
{
  int error = fdemu_give(r, NULL, fdemu_left(r));

  (void)f;
  return error < 0 ? error : (int64_t)r->done;
}

int64_t fdemu_write_nowhere(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)f;
  return (int64_t)r->len;
}

int fdemu_load(struct fdemu_req *r, void *dst, const void *addr, size_t n)
{
  if (addr == NULL)
    return n == 0 ? 0 : -EFAULT;
  return mem_load(r, dst, addr, n);
}

int fdemu_store(struct fdemu_req *r, void *addr, const void *src, size_t n)
{
  if (addr == NULL)
    return n == 0 ? 0 : -EFAULT;
  return mem_store(r, addr, src, n);
}

static bool in_block(const struct fdemu_req *r, size_t offset, size_t n)
{
  return r->buf.iov_base != NULL && offset <= r->buf.iov_len &&
         n <= r->buf.iov_len - offset;
}

int fdemu_arg_load(struct fdemu_req *r, size_t offset, void *dst, size_t n)
{
  if (!in_block(r, offset, n))
    return -EFAULT;
  return mem_load(r, dst, address(r->buf.iov_base, offset), n);
}

int fdemu_arg_store(struct fdemu_req *r, size_t offset, const void *src,
                    size_t n)
{
  int error;

  if (!in_block(r, offset, n))
    return -EFAULT;
  error = mem_store(r, address(r->buf.iov_base, offset), src, n);
  if (error == 0 && offset + n > r->done)
    r->done = offset + n; /* how much of the block is an answer */
  return error;
}

/* ---- sizes ------------------------------------------------------------ */

int64_t fde_truncate_check(struct fdemu_req *r)
{
  return r->offset < 0 ? -EINVAL : FDEMU_NEXT;
}

/* Unlike a write, not EBADF. */
int64_t fde_truncate_mode(struct fdemu_file *f, struct fdemu_req *r)
{
  int mode = f->flags & O_ACCMODE;

  (void)r;
  return mode == O_WRONLY || mode == O_RDWR ? FDEMU_NEXT : -EINVAL;
}

/* ---- positions -------------------------------------------------------- */

/* What Linux checks before it asks the file. */
int64_t fde_lseek_check(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)f;
  return r->cmd > SEEK_HOLE ? -EINVAL : FDEMU_NEXT;
}

int64_t fdemu_lseek_0(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)f;
  (void)r;
  return 0;
}

/* lseek(2) of a description whose position the core keeps. */
int64_t fdemu_lseek_default(struct fdemu_file *f, struct fdemu_req *r)
{
  int64_t base;

  if (!(f->mode & FDEMU_MODE_SEEK))
    return -ESPIPE;
  switch (r->cmd) {
  case SEEK_SET: base = 0; break;
  case SEEK_CUR: base = f->pos; break;
  case SEEK_END: base = f->inode->attr->size; break;
  default: return -EINVAL;
  }
  if (r->offset > 0 && base > INT64_MAX - r->offset)
    return -EINVAL;
  if (base + r->offset < 0)
    return -EINVAL;
  f->pos = base + r->offset;
  return f->pos;
}
