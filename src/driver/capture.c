/* capture.c - an object that keeps what is written to it: the standard output
 * of a process under test, and the input that a test has prepared */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "fdemu_driver.h"

struct capture {
  struct fdemu_inode inode;
  struct fdemu_attr attr;
  char *data;
  size_t cap;
};

static struct capture *capture_of(const struct fdemu_inode *i)
{
  return fdemu_entry(i, struct capture, inode);
}

static int64_t capture_read(struct fdemu_file *f, struct fdemu_req *r)
{
  const struct capture *c = capture_of(f->inode);
  size_t n = 0;
  int error;

  if (r->offset < f->inode->attr->size)
    n = (size_t)(f->inode->attr->size - r->offset);
  if (n > fdemu_left(r))
    n = fdemu_left(r);
  error = fdemu_copy_out(r, c->data + r->offset, n);
  return error < 0 ? error : (int64_t)r->done;
}

static int grow(struct capture *c, size_t size)
{
  size_t cap = c->cap > 0 ? c->cap : 256;
  char *data;

  while (cap < size)
    cap *= 2;
  if (cap == c->cap)
    return 0;
  data = fdemu_realloc(c->inode.kernel, c->data, cap);
  if (data == NULL)
    return -ENOMEM;
  c->data = data;
  c->cap = cap;
  return 0;
}

static int64_t capture_write(struct fdemu_file *f, struct fdemu_req *r)
{
  struct capture *c = capture_of(f->inode);
  size_t size = (size_t)f->inode->attr->size, offset = (size_t)r->offset;
  int error;

  if (r->offset > INT_MAX - (int64_t)r->len)
    return -EFBIG;
  if (r->len == 0)
    return 0;
  error = grow(c, offset + r->len);
  if (error < 0)
    return error;
  if (offset > size)
    memset(c->data + size, 0, offset - size);
  error = fdemu_copy_in(r, c->data + offset, fdemu_left(r));
  if (error < 0)
    return error;
  if (offset + r->done > size)
    f->inode->attr->size = (int64_t)(offset + r->done);
  return (int64_t)r->done;
}

static void capture_free(struct fdemu_inode *i)
{
  struct capture *c = capture_of(i);

  fdemu_free(i->kernel, c->data);
  fdemu_free(i->kernel, c);
}

static const struct fdemu_ops capture_ops = {
  .name = "capture",
  .mode = FDEMU_MODE_QUIET | FDEMU_MODE_SEEK,
  .read = capture_read,
  .write = capture_write,
};

struct fdemu_file *fdemu_capture_new(struct fdemu_kernel *k, const void *data,
                                     size_t n)
{
  struct capture *c = fdemu_alloc(k, sizeof *c);
  struct fdemu_file *f = NULL;

  if (c == NULL)
    return NULL;
  c->data = NULL;
  c->cap = 0;
  fdemu_inode_init(&c->inode, &c->attr, k, &capture_ops, S_IFREG | 0600,
                   capture_free);
  if (grow(c, n > 0 ? n : 1) < 0)
    goto out;
  if (n > 0)
    memcpy(c->data, data, n);
  c->attr.size = (int64_t)n;
  f = fdemu_file_new(&c->inode, &capture_ops, O_RDWR, NULL);
out:
  fdemu_inode_put(&c->inode);
  return f;
}

const char *fdemu_capture_data(const struct fdemu_inode *i, size_t *n)
{
  if (i->ops != &capture_ops)
    return NULL;
  *n = (size_t)i->attr->size;
  return capture_of(i)->data;
}
