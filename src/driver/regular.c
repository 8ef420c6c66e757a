/* regular.c - regular files in memory, as tmpfs has them, and memfd_create(2) */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fdemu_driver.h"

/* Of Linux 6.3; not every libc has them. */
#define SEAL_EXEC   0x20
#define NOEXEC_SEAL 0x08u
#define EXEC        0x10u

#define ALL_SEALS \
  (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | \
   F_SEAL_FUTURE_WRITE | SEAL_EXEC)
#define NO_WRITE (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)

#define NAME_LIMIT 249 /* bytes of a memfd's name */

struct regular {
  struct fdemu_inode inode;
  struct fdemu_attr attr;
  struct fdemu_pages pages;
  int seals;
};

static struct regular *regular_of(struct fdemu_inode *i)
{
  return fdemu_entry(i, struct regular, inode);
}

/* Pages have come or gone. */
static int64_t stored(struct regular *g, int64_t result)
{
  g->attr.room = g->pages.count * FDEMU_PAGE;
  return result;
}

/* ---- bytes ------------------------------------------------------------ */

static int64_t regular_read(struct fdemu_file *f, struct fdemu_req *r)
{
  struct regular *g = regular_of(f->inode);
  int error = 0;

  while (fdemu_left(r) > 0 && error == 0) {
    int64_t at = r->offset + (int64_t)r->done;
    size_t in = (size_t)(at % FDEMU_PAGE), n = FDEMU_PAGE - in;
    const char *page;

    if (at >= f->inode->attr->size)
      break;
    if ((int64_t)n > f->inode->attr->size - at)
      n = (size_t)(f->inode->attr->size - at);
    if (n > fdemu_left(r))
      n = fdemu_left(r);
    page = fdemu_page(&g->pages, at / FDEMU_PAGE);
    error = fdemu_give(r, page != NULL ? page + in : NULL, n);
  }
  return error < 0 ? error : (int64_t)r->done;
}

/* The part of a write that is in one page. A page is there from the moment on
 * when something was to be written to it, even if nothing could be read. */
static int write_page(struct regular *g, struct fdemu_req *r)
{
  int64_t at = r->offset + (int64_t)r->done, *size = &g->attr.size;
  size_t in = (size_t)(at % FDEMU_PAGE), n = FDEMU_PAGE - in, moved = r->done;
  char *page;
  bool fresh;
  int error;

  if (n > fdemu_left(r))
    n = fdemu_left(r);
  if (g->seals & NO_WRITE ||
      (g->seals & F_SEAL_GROW && (int64_t)n > *size - at))
    return -EPERM;
  error = fdemu_page_make(&g->pages, at / FDEMU_PAGE, &page, &fresh);
  if (error < 0)
    return error;
  error = fdemu_take(r, page + in, n);
  moved = r->done - moved;
  if (fresh) {
    memset(page, 0, in);
    memset(page + in + moved, 0, FDEMU_PAGE - in - moved);
  }
  if (*size < at + (int64_t)moved)
    *size = at + (int64_t)moved;
  return error;
}

static int64_t regular_write(struct fdemu_file *f, struct fdemu_req *r)
{
  struct regular *g = regular_of(f->inode);
  int error = 0;

  while (fdemu_left(r) > 0 && error == 0)
    error = write_page(g, r);
  return stored(g, error < 0 ? error : (int64_t)r->done);
}

/* ---- sizes ------------------------------------------------------------ */

/* Zeros from byte first of a page on up to byte end, if it was written. */
static void wipe(struct regular *g, int64_t page, int64_t first, int64_t end)
{
  char *bytes = (char *)(uintptr_t)fdemu_page(&g->pages, page);

  if (bytes != NULL && first < end)
    memset(bytes + first, 0, (size_t)(end - first));
}

/* Bytes first to end - 1 become a hole: the pages that are in it go, and of
 * others there are zeros left. */
static int punch(struct regular *g, int64_t first, int64_t end)
{
  int64_t a = first / FDEMU_PAGE, b = end / FDEMU_PAGE;
  int64_t from = first % FDEMU_PAGE, to = end % FDEMU_PAGE;
  int error = fdemu_pages_clear(&g->pages, from > 0 ? a + 1 : a, b);

  if (error < 0)
    return error;
  if (a == b)
    wipe(g, a, from, to);
  else {
    if (from > 0)
      wipe(g, a, from, FDEMU_PAGE);
    wipe(g, b, 0, to);
  }
  return 0;
}

static int64_t resize(struct regular *g, int64_t size)
{
  int error = 0;

  if ((g->seals & F_SEAL_SHRINK && size < g->attr.size) ||
      (g->seals & F_SEAL_GROW && size > g->attr.size))
    return -EPERM;
  if (size <= g->attr.size) { /* also what was reserved beyond the end */
    int64_t last = size / FDEMU_PAGE;
    error =
        fdemu_pages_clear(&g->pages, last + (size % FDEMU_PAGE > 0), INT64_MAX);
    if (error == 0)
      wipe(g, last, size % FDEMU_PAGE, FDEMU_PAGE);
  }
  if (error == 0)
    g->attr.size = size;
  return stored(g, error);
}

static int64_t regular_truncate(struct fdemu_file *f, struct fdemu_req *r)
{
  return resize(regular_of(f->inode), r->offset);
}

static int64_t allocate(struct regular *g, const struct fdemu_req *r)
{
  int64_t end = r->offset + r->arg;
  int error;

  if (r->cmd & ~(unsigned long)(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
    return -EOPNOTSUPP;
  if (r->cmd & FALLOC_FL_PUNCH_HOLE)
    return g->seals & NO_WRITE ? -EPERM : punch(g, r->offset, end);
  if (g->seals & F_SEAL_GROW && end > g->attr.size)
    return -EPERM;
  error = fdemu_pages_reserve(&g->pages, r->offset / FDEMU_PAGE,
                              (end - 1) / FDEMU_PAGE + 1);
  if (error == 0 && !(r->cmd & FALLOC_FL_KEEP_SIZE) && end > g->attr.size)
    g->attr.size = end;
  return error;
}

static int64_t regular_allocate(struct fdemu_file *f, struct fdemu_req *r)
{
  struct regular *g = regular_of(f->inode);

  return stored(g, allocate(g, r));
}

/* ---- the rest --------------------------------------------------------- */

/* SEEK_DATA and SEEK_HOLE; what is left to say of the others is the core's. */
static int64_t regular_lseek(struct fdemu_file *f, struct fdemu_req *r)
{
  const bool data = r->cmd == SEEK_DATA;
  const struct regular *g = regular_of(f->inode);
  int64_t size = f->inode->attr->size, page, at = r->offset;

  if (!data && r->cmd != SEEK_HOLE)
    return fdemu_lseek_default(f, r);
  if (at < 0 || at >= size)
    return -ENXIO;
  page = fdemu_pages_next(&g->pages, at / FDEMU_PAGE, data);
  if (page > (size - 1) / FDEMU_PAGE) {
    if (data)
      return -ENXIO;
    at = size;
  } else if (page > at / FDEMU_PAGE)
    at = page * FDEMU_PAGE;
  f->pos = at;
  return at;
}

static int64_t regular_sync(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)f;
  (void)r;
  return 0;
}

/* As memfd_add_seals() of Linux. */
static int64_t add_seals(struct regular *g, int64_t seals)
{
  if (seals & ~(int64_t)ALL_SEALS)
    return -EINVAL;
  if (g->seals & F_SEAL_SEAL)
    return -EPERM;
  if (seals & SEAL_EXEC && g->inode.mode & 0111)
    seals |= F_SEAL_SHRINK | F_SEAL_GROW | NO_WRITE;
  g->seals |= (int)seals;
  g->attr.same_exec = (g->seals & SEAL_EXEC) != 0;
  return 0;
}

static int64_t regular_fcntl(struct fdemu_file *f, struct fdemu_req *r)
{
  struct regular *g = regular_of(f->inode);

  switch (r->cmd) {
  case F_ADD_SEALS: return add_seals(g, (unsigned)r->arg);
  case F_GET_SEALS: return g->seals;
  case F_GETPIPE_SZ:
  case F_SETPIPE_SZ: return -EBADF;
  default: return -EINVAL;
  }
}

static int64_t regular_open(struct fdemu_inode *i, struct fdemu_req *r)
{
  struct fdemu_file *f = fdemu_file_new(i, i->ops, (int)r->cmd, NULL);
  int64_t error = 0;

  if (f != NULL && r->cmd & O_TRUNC)
    error = resize(regular_of(i), 0);
  if (error < 0) {
    fdemu_file_put(f);
    return error;
  }
  return fdemu_opened(r, f);
}

static void regular_free(struct fdemu_inode *i)
{
  struct regular *g = regular_of(i);

  fdemu_pages_free(&g->pages);
  fdemu_object_free(i->kernel, g);
}

static const char *regular_check(const struct fdemu_file *f)
{
  const struct regular *g = regular_of(f->inode);

  if (g->attr.size < 0)
    return "a file of negative size";
  if (g->attr.room != g->pages.count * FDEMU_PAGE)
    return "a file that has miscounted its pages";
  return fdemu_pages_check(&g->pages);
}

#define METHODS \
  .mode = FDEMU_MODE_LATE | FDEMU_MODE_SEEK | FDEMU_MODE_SHORT | \
          FDEMU_MODE_DIRECT | FDEMU_MODE_NO_NOWAIT, \
  .read = regular_read, .write = regular_write, .lseek = regular_lseek, \
  .fcntl = regular_fcntl, .truncate = regular_truncate, \
  .allocate = regular_allocate, .sync = regular_sync, .check = regular_check

static const struct fdemu_ops regular_ops = { .name = "regular", METHODS };
static const struct fdemu_ops memfd_ops = { .name = "memfd", METHODS };

static struct regular *regular_new(struct fdemu_kernel *k,
                                   const struct fdemu_ops *ops, mode_t mode,
                                   int seals)
{
  struct regular *g = fdemu_object_alloc(k, sizeof *g);

  if (g == NULL)
    return NULL;
  fdemu_inode_init(&g->inode, &g->attr, k, ops, S_IFREG | (mode & 07777),
                   regular_free);
  g->inode.open = regular_open;
  g->attr.room = 0;
  fdemu_pages_init(&g->pages, k);
  g->seals = seals;
  g->attr.same_exec = (seals & SEAL_EXEC) != 0;
  return g;
}

struct fdemu_inode *fdemu_regular_new(struct fdemu_kernel *k, mode_t mode)
{
  struct regular *g = regular_new(k, &regular_ops, mode, F_SEAL_SEAL);

  return g != NULL ? &g->inode : NULL;
}

/* ---- memfd_create(2) -------------------------------------------------- */

static struct fdemu_file *memfd_new(struct fdemu_kernel *k, const char *name,
                                    unsigned long flags)
{
  const size_t size = strlen(name) + sizeof "/memfd: (deleted)";
  const bool noexec = (flags & NOEXEC_SEAL) != 0;
  struct fdemu_file *f = NULL;
  struct regular *g;

  g = regular_new(k, &memfd_ops, noexec ? 0666 : 0777,
                  noexec                      ? SEAL_EXEC
                  : flags & MFD_ALLOW_SEALING ? 0
                                              : F_SEAL_SEAL);
  if (g == NULL)
    return NULL;
  g->attr.nlink = 0;
  g->attr.apart = true;
  f = fdemu_file_new(&g->inode, &memfd_ops, O_RDWR | 0100000, NULL);
  fdemu_inode_put(&g->inode);
  if (f == NULL)
    return NULL;
  f->mode &= ~(unsigned)FDEMU_MODE_DIRECT;
  f->path = fdemu_alloc(k, size);
  if (f->path == NULL) {
    fdemu_file_put(f);
    return NULL;
  }
  snprintf(f->path, size, "/memfd:%s (deleted)", name);
  return f;
}

/* Huge pages are as many small ones. */
static int64_t memfd_check(const struct fdemu_req *r)
{
  const unsigned long known =
      MFD_CLOEXEC | MFD_ALLOW_SEALING | NOEXEC_SEAL | EXEC;

  if (r->cmd & ~known ||
      (r->cmd & (NOEXEC_SEAL | EXEC)) == (NOEXEC_SEAL | EXEC))
    return -EINVAL;
  if (r->path == NULL)
    return -EFAULT;
  return strlen(r->path) > NAME_LIMIT ? -EINVAL : 0;
}

static int64_t memfd_make(struct fdemu_file *unused, struct fdemu_req *r)
{
  struct fdemu_file *f;
  int fd;
  int64_t error = memfd_check(r);

  (void)unused;
  if (error == 0)
    error = fdemu_reserve(r->proc, &fd, 1);
  if (error < 0)
    return error;
  f = memfd_new(fdemu_kernel_of(r->proc), r->path, r->cmd);
  if (f == NULL) {
    fdemu_unreserve(r->proc, &fd, 1);
    return -ENOMEM;
  }
  fdemu_fill(r->proc, fd, f, (r->cmd & MFD_CLOEXEC) != 0);
  return fd;
}

const struct fdemu_call fdemu_memfd_create_call = {
  .name = "memfd_create",
  .args = "path memfd_flags",
  .run = memfd_make,
};

int fdemu_memfd_create(struct fdemu_proc *p, const char *name, unsigned flags)
{
  struct fdemu_req r = {
    .call = &fdemu_memfd_create_call,
    .path = name,
    .cmd = flags,
  };

  return (int)fdemu_call(p, &r);
}
