/* io.c - bytes: moving them, counting them, and where the next ones go */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "core/kernel.h"

/* uapi/linux/fs.h; not every libc has all of them. */
#define RWF_HI      0x01
#define RWF_NO_WAIT 0x08
#define RWF_END     0x10 /* RWF_APPEND */
#define RWF_NO_END  0x20 /* RWF_NOAPPEND */
/* And RWF_DSYNC, RWF_SYNC, RWF_NOSIGNAL. Nothing here is written atomically
 * (0x40), or goes through a cache (0x80). */
#define RWF_KNOWN \
  (RWF_HI | 0x02 | 0x04 | RWF_NO_WAIT | RWF_END | RWF_NO_END | 0x100)

/* ---- before and after ------------------------------------------------- */

/* Sets r->len as import_iovec() of Linux does: -EINVAL, and a cut at the most
 * that one call moves. */
static int64_t total_length(struct fdemu_req *r)
{
  uint64_t total = r->buf.iov_len;

  if (r->call->flags & FDEMU_CALL_VEC) {
    if (r->iovcnt < 0 || r->iovcnt > FDE_IOV_MAX)
      return -EINVAL;
    total = 0;
    for (int i = 0; i < r->iovcnt; i++) {
      if (r->iov[i].iov_len > SSIZE_MAX - total)
        return -EINVAL;
      total += r->iov[i].iov_len;
    }
  }
  r->len = total < FDE_MAX_RW ? (size_t)total : FDE_MAX_RW;
  r->asked = r->len;
  return 0;
}

/* Short counts: a property of the kind, drawn here and nowhere else. */
void fde_draw_length(struct fdemu_req *r)
{
  uint64_t n;

  if (r->proc->kernel->below[FDEMU_CHOICE_SHORT] == 0 || r->len < 2 ||
      r->quiet || !(r->file->mode & FDEMU_MODE_SHORT))
    return;
  n = fde_choose(r, FDEMU_CHOICE_SHORT, r->len - 1);
  if (n > 0)
    r->len = (size_t)n;
}

/* What Linux says to flags of preadv2() and pwritev2(), if there is anything to
 * be moved. */
static int64_t check_rwf(const struct fdemu_req *r)
{
  const bool write = (r->call->flags & FDEMU_CALL_WRITE) != 0;
  const struct fdemu_ops *ops = r->file->ops;
  const unsigned mode = r->file->mode;

  if ((write ? ops->write : ops->read) == NULL)
    return 0; /* there is something else to be said */
  if (r->rwf & ~RWF_KNOWN)
    return -EOPNOTSUPP;
  if (write && mode & FDEMU_MODE_NO_RWF_WRITE && r->rwf & ~RWF_HI)
    return -EOPNOTSUPP;
  if (r->rwf & RWF_END && r->rwf & RWF_NO_END)
    return -EINVAL;
  return r->rwf & RWF_NO_WAIT && mode & FDEMU_MODE_NO_NOWAIT ? -EOPNOTSUPP : 0;
}

static bool appends(const struct fdemu_req *r)
{
  return r->call->flags & FDEMU_CALL_WRITE && S_ISREG(r->file->inode->mode) &&
         (r->rwf & RWF_END ||
          (r->file->flags & O_APPEND && !(r->rwf & RWF_NO_END)));
}

/* O_APPEND: at the end, up to the largest size that there is. */
static int64_t append(struct fdemu_req *r)
{
  int64_t size = r->file->inode->size, room = INT64_MAX - size;

  r->offset = size;
  if (room == 0 && r->len > 0)
    return -EFBIG;
  if ((int64_t)r->len > room)
    r->len = r->asked = (size_t)room;
  return 0;
}

/* Where the bytes go, as things are when the call is really made. */
int64_t fde_io_place(struct fdemu_req *r)
{
  const struct fdemu_file *f = r->file;

  if (!(r->call->flags & FDEMU_CALL_AT))
    r->offset = f->mode & FDEMU_MODE_SEEK ? f->pos : 0;
  if (r->offset > INT64_MAX - (int64_t)r->len)
    return -EINVAL;
  if (r->rwf != 0 && r->len > 0) {
    int64_t error = check_rwf(r);
    if (error < 0)
      return error;
  }
  return appends(r) ? append(r) : 0;
}

/* What Linux checks before it asks the file, in its order. */
int64_t fde_io_begin(struct fdemu_req *r)
{
  struct fdemu_file *f = r->file;
  unsigned flags = r->call->flags;
  int unwanted = flags & FDEMU_CALL_READ ? O_WRONLY : O_RDONLY;
  int mode = f->flags & O_ACCMODE;
  int64_t error = FDEMU_NEXT;

  if (flags & FDEMU_CALL_AT &&
      !(f->mode & (FDEMU_MODE_SEEK | FDEMU_MODE_PREAD)))
    return -ESPIPE;
  if (r->call->begin != NULL)
    error = r->call->begin(f, r);
  else if (mode == unwanted || mode == O_ACCMODE)
    error = -EBADF;
  if (error != FDEMU_NEXT)
    return error;
  error = total_length(r);
  if (error == 0)
    error = fde_io_place(r);
  if (error == 0)
    fde_draw_length(r);
  return error;
}

/* A write that could not fetch or keep its bytes has begun all the same. */
static bool has_written(const struct fdemu_req *r, int64_t n)
{
  return n > 0 || n == -EFAULT ||
         (!r->injected && (n == -ENOSPC || n == -EPERM));
}

/* Even a read of nothing is one of a file, unless it is nothing in pieces; and
 * one into no memory. */
static bool has_read(const struct fdemu_req *r, int64_t n)
{
  if (r->file->flags & O_NOATIME)
    return false;
  return n == -EFAULT ||
         (n >= 0 && (r->asked > 0 || (S_ISREG(r->file->inode->mode) &&
                                      !(r->call->flags & FDEMU_CALL_VEC))));
}

static void touch(const struct fdemu_req *r, int64_t n)
{
  if (r->call->flags & FDEMU_CALL_WRITE && has_written(r, n))
    fde_wrote(r->proc, r->file->inode);
  else if (r->call->flags & FDEMU_CALL_READ && has_read(r, n))
    fde_touch(r->file->inode, FDE_ATIME);
}

/* What was moved is the result, even if the rest of the call failed. */
int64_t fde_io_end(struct fdemu_req *r, int64_t result)
{
  struct fdemu_file *f = r->file;

  if (result < 0 && r->done > 0)
    result = (int64_t)r->done;
  if (result > 0 && f->mode & FDEMU_MODE_SEEK &&
      !(r->call->flags & FDEMU_CALL_AT))
    f->pos = r->offset + result;
  if (f != NULL &&
      (S_ISREG(f->inode->mode) || (result >= 0 && S_ISFIFO(f->inode->mode))))
    touch(r, result);
  return result;
}

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
static inline void move_bytes(char *dst, const char *src, size_t n)
{
  for (; n > 2048; n -= 2048, dst += 2048, src += 2048)
    memmove(dst, src, 2048);
  memmove(dst, src, n);
}

/* One piece of this process's own memory: what nearly every call has. */
static inline void copy_plain(struct fdemu_req *r, void *dst, const void *src,
                              size_t n)
{
  char *addr = (char *)r->buf.iov_base + r->iovoff;

  if (dst != NULL)
    move_bytes(dst, addr, n);
  else if (src != NULL)
    move_bytes(addr, src, n);
  else
    memset(addr, 0, n);
  r->iovoff += n;
  r->done += n;
}

static int copy_pieces(struct fdemu_req *r, void *dst, const void *src,
                       size_t n)
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

static inline int copy(struct fdemu_req *r, void *dst, const void *src,
                       size_t n)
{
  if (r->mem != NULL || r->call->flags & FDEMU_CALL_VEC)
    return copy_pieces(r, dst, src, n);
  copy_plain(r, dst, src, n);
  return 0;
}

int fdemu_copy_out(struct fdemu_req *r, const void *src, size_t n)
{
  return copy(r, NULL, src, n);
}

int fdemu_copy_in(struct fdemu_req *r, void *dst, size_t n)
{
  return copy(r, dst, NULL, n);
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
    error = copy(r, NULL, r->mem != NULL ? zeros : NULL, m);
    n -= m;
  }
  return error;
}

/* Bytes that could not be moved at once, in halves that can. */
static void move_most(struct fdemu_req *r, char *dst, const char *src, size_t n)
{
  for (n /= 2; n > 0;) {
    int error = dst != NULL   ? fdemu_copy_in(r, dst, n)
                : src != NULL ? fdemu_copy_out(r, src, n)
                              : fdemu_copy_zeros(r, n);
    if (error < 0)
      n /= 2;
    else if (dst != NULL)
      dst += n;
    else if (src != NULL)
      src += n;
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
  return addr != NULL || n == 0 ? mem_load(r, dst, addr, n) : -EFAULT;
}

int fdemu_store(struct fdemu_req *r, void *addr, const void *src, size_t n)
{
  return addr != NULL || n == 0 ? mem_store(r, addr, src, n) : -EFAULT;
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
  case SEEK_END: base = f->inode->size; break;
  default: return -EINVAL;
  }
  if (r->offset > 0 && base > INT64_MAX - r->offset)
    return -EINVAL;
  if (base + r->offset < 0)
    return -EINVAL;
  f->pos = base + r->offset;
  return f->pos;
}
