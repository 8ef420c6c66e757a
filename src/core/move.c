/*
 * move.c - bytes from one file to another: sendfile(2), splice(2), tee(2) and
 * copy_file_range(2)
 *
 * A call that moves bytes is made of calls that read and write them: requests
 * of its own, one after the other, on whichever file has its turn. When one of
 * them has to wait, or its driver keeps it, the call waits for that:
 *
 *   splice -> keeps itself; its request -> parked on the file it reads
 *          <- fdemu_retry()             <- complete()
 *
 * What is a queue of pages (struct fdemu_queue: a pipe) lends its pages to such
 * a request, and nobody else gets at them meanwhile; bytes go when they have
 * arrived, so nothing is lost where the other side fails. Between two of them
 * no request is needed. The call waits for them itself, as a watcher, so that
 * it takes nobody's turn.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "core/kernel.h"

#define PIECES 16
#define PIECE  4096

#define READABLE  (POLLIN | POLLRDNORM)
#define WRITEABLE (POLLOUT | POLLWRNORM)

struct fde_move {
  struct fdemu_req child;    /* what reads or writes now */
  struct fdemu_req *r;       /* the call; NULL: it has its answer */
  struct fdemu_file *in;     /* a reference */
  struct fdemu_file *out;    /* likewise */
  struct fdemu_file *wait;   /* who is not ready, ... */
  int events;                /* ... to do what */
  struct fdemu_file *waited; /* the pipe of two that was waited for last */
  int64_t (*step)(struct fde_move *m);
  int64_t in_pos, out_pos;
  size_t left;       /* bytes still wanted */
  size_t done;       /* bytes that have arrived */
  size_t chunk, off; /* bytes of them that were read, and of these written */
  struct iovec iov[PIECES];
  int n;         /* of them that the child uses */
  bool in_at;    /* the caller says where: not the file's position */
  bool out_at;   /* likewise */
  bool nonblock; /* wait for no pages, and for no bytes to fill them */
  bool writing;  /* the child writes */
  bool pending;  /* the child waits */
  bool answered; /* the child's result is to be looked at */
  bool stop;     /* no further child */
  bool freed;    /* pages of in are free ... */
  bool added;    /* bytes are in out: whoever waits has to know */
  bool keep;     /* tee(2) */
  char buf[PIECES * PIECE];
};

/* ---- one request of several -------------------------------------------- */

static void move_free(struct fdemu_kernel *k, struct fde_move *m)
{
  fdemu_file_put(m->in);
  fdemu_file_put(m->out);
  if (k->spare_move == NULL)
    k->spare_move = m;
  else
    fdemu_free(k, m);
}

/* A move of len bytes at most, to which r->out points until the end. */
static struct fde_move *move_new(struct fdemu_req *r, struct fdemu_file *in,
                                 struct fdemu_file *out, size_t len)
{
  struct fdemu_kernel *k = r->proc->kernel;
  struct fde_move *m = k->spare_move;

  if (m != NULL)
    k->spare_move = NULL;
  else
    m = fdemu_alloc(k, sizeof *m);
  if (m == NULL)
    return NULL;
  memset(m, 0, offsetof(struct fde_move, buf));
  m->r = r;
  m->in = in;
  m->out = out;
  m->left = len;
  fdemu_file_get(in);
  fdemu_file_get(out);
  r->out = m;
  return m;
}

static void child_done(struct fdemu_req *c);

/* Read or write the pieces of m. */
static int64_t child(struct fde_move *m, bool writing)
{
  struct fdemu_file *f = writing ? m->out : m->in;
  bool at = f->mode & FDEMU_MODE_SEEK || (writing ? m->out_at : m->in_at);
  int no = writing ? (at ? FDEMU_PWRITEV : FDEMU_WRITEV)
                   : (at ? FDEMU_PREADV : FDEMU_READV);
  struct fdemu_req *c = &m->child;

  memset(c, 0, offsetof(struct fdemu_req, proc));
  c->call = &fdemu_calls[no];
  c->on = f;
  c->iov = m->iov;
  c->iovcnt = m->n;
  c->offset = at ? (writing ? m->out_pos : m->in_pos) : 0;
  c->dontwait =
      !writing &&
      (m->done > 0 || (m->nonblock && !(f->mode & FDEMU_MODE_SPLICE_WAITS)));
  c->quiet = true;
  c->complete = child_done;
  c->user = m;
  m->writing = writing;
  m->pending = fdemu_submit(m->r->proc, c) == FDEMU_PENDING;
  m->answered = !m->pending;
  return c->result;
}

static bool has_pages(const struct fdemu_file *f)
{
  return f->ops->queue != NULL;
}

/* Others keep off the pages that the child works with. */
static int64_t hold(struct fde_move *m)
{
  if (has_pages(m->in))
    m->in->ops->queue->hold(m->in, POLLIN);
  if (has_pages(m->out))
    m->out->ops->queue->hold(m->out, POLLOUT);
  return FDEMU_PENDING;
}

/* The result if n ends the call: what was moved before counts. */
static int64_t result_of(const struct fde_move *m, int64_t n)
{
  return m->done > 0 ? (int64_t)m->done : n;
}

/* Reading and writing a device without positions moves none. */
static bool has_positions(const struct fdemu_file *f)
{
  return f->mode & FDEMU_MODE_SEEK || !S_ISCHR(f->inode->mode);
}

static void moved(struct fde_move *m, int64_t n)
{
  m->done += (size_t)n;
  m->left -= (size_t)n;
  m->in_pos += has_positions(m->in) ? n : 0;
  m->out_pos += has_positions(m->out) ? n : 0;
}

static int64_t not_ready(struct fde_move *m, struct fdemu_file *f, int events)
{
  if (!m->nonblock) {
    m->wait = f;
    m->events = events;
  }
  return -EAGAIN;
}

static bool can_read(const struct fdemu_file *f)
{
  return f->ops->read != NULL && !has_pages(f) &&
         !(f->mode & FDEMU_MODE_NO_SPLICE_READ);
}

static bool can_write(const struct fdemu_file *f)
{
  return f->ops->write != NULL && !(f->mode & FDEMU_MODE_NO_SPLICE_WRITE);
}

static void trim(struct fde_move *m, size_t len)
{
  int i = 0;

  for (; i < m->n && len > 0; i++) {
    if (m->iov[i].iov_len > len)
      m->iov[i].iov_len = len;
    len -= m->iov[i].iov_len;
  }
  m->n = i;
}

/* ---- the ways to go ----------------------------------------------------- */

static int64_t step_pages(struct fde_move *m)
{
  const struct fdemu_queue *q = m->in->ops->queue;
  struct iovec oldest = { NULL, 0 };
  int one = 1;
  int64_t n;

  q->peek(m->in, &oldest, &one);
  n = q->pass(m->in, m->out, m->left, m->keep, &m->waited);

  if (n == -EPIPE)
    return fdemu_broken(m->r);
  if (n == -EAGAIN)
    return not_ready(m, m->waited, m->waited == m->in ? READABLE : WRITEABLE);
  if (n > 0) {
    m->done = (size_t)n;
    m->freed = !m->keep && (size_t)n >= oldest.iov_len; /* a whole page */
    m->added = true;
  }
  return n;
}

/* A file's bytes fill pages. */
static int64_t step_fill(struct fde_move *m)
{
  const struct fdemu_queue *q = m->out->ops->queue;
  size_t skew = S_ISREG(m->in->inode->mode) ? (size_t)m->in_pos % PIECE : 0;
  int64_t n;

  for (;;) {
    if (!m->answered) {
      if (m->stop || (m->done > 0 && (m->left == 0 || m->chunk == 0)))
        return result_of(m, -EINTR);
      m->n = PIECES;
      n = q->room(m->out, m->iov, &m->n, m->left, skew);
      if (n == -EAGAIN && m->done == 0)
        return not_ready(m, m->out, WRITEABLE);
      if (n == -EPIPE && m->done == 0)
        n = fdemu_broken(m->r);
      if (n < 0)
        return result_of(m, n);
      m->chunk = (size_t)n;
      if (n > 0 && can_read(m->in) && child(m, false) == FDEMU_PENDING)
        return hold(m);
      if (!m->answered) {
        q->add(m->out, m->iov, m->n, 0);
        return n > 0 ? -EINVAL : 0;
      }
    }
    m->answered = false;
    n = m->child.result;
    q->add(m->out, m->iov, m->n, n > 0 ? (size_t)n : 0);
    if (n <= 0)
      return result_of(m, n);
    m->added = true;
    moved(m, n);
    if ((size_t)n < m->chunk)
      m->chunk = 0; /* that is all there is now */
    skew = 0;
  }
}

/* Pages are written to a file: all that are there. */
static int64_t step_drain(struct fde_move *m)
{
  const struct fdemu_queue *q = m->in->ops->queue;
  int64_t n;

  for (;;) {
    if (!m->answered) {
      if (m->stop || (m->done > 0 && m->left == 0))
        return result_of(m, -EINTR);
      m->n = PIECES;
      n = q->peek(m->in, m->iov, &m->n);
      if (n == -EAGAIN && m->done == 0)
        return not_ready(m, m->in, READABLE);
      if (n <= 0)
        return result_of(m, n);
      trim(m, m->left);
      if (child(m, true) == FDEMU_PENDING)
        return hold(m);
    }
    m->answered = false;
    n = m->child.result;
    m->freed |= q->drop(m->in, n > 0 ? (size_t)n : 0);
    if (n <= 0)
      return result_of(m, n);
    moved(m, n);
  }
}

/* From file to file, by way of a buffer. What was read and could not be written
 * is where it was: in has a position, and that does not move. */
static int64_t step_copy(struct fde_move *m)
{
  int64_t n;

  for (;;) {
    if (!m->answered) {
      bool writing = m->off < m->chunk;
      size_t len = writing ? m->chunk - m->off : m->left;
      if (m->stop || len == 0)
        return result_of(m, m->stop ? -EINTR : 0);
      if (writing ? !can_write(m->out) : !can_read(m->in))
        return result_of(m, -EINVAL);
      m->iov[0].iov_base = m->buf + (writing ? m->off : 0);
      m->iov[0].iov_len = len < sizeof m->buf ? len : sizeof m->buf;
      m->n = 1;
      if (child(m, writing) == FDEMU_PENDING)
        return FDEMU_PENDING;
    }
    m->answered = false;
    n = m->child.result;
    if (n <= 0)
      return result_of(m, n);
    if (m->writing) {
      m->off += (size_t)n;
      moved(m, n);
    } else {
      m->off = 0;
      m->chunk = (size_t)n;
    }
  }
}

/* ---- the life of a move ------------------------------------------------- */

static void tell(struct fde_move *m, bool held)
{
  bool in = m->freed, out = m->added;

  m->freed = m->added = false;
  if (in)
    fdemu_wake_one(&m->in->inode->wq, WRITEABLE | FDEMU_WAKE_SIGOUT);
  if (out)
    fdemu_wake_one(&m->out->inode->wq, READABLE | FDEMU_WAKE_SIGIN);
  if (held && has_pages(m->in) && fdemu_ready(m->in) & POLLIN)
    fdemu_wake_one(&m->in->inode->wq, READABLE);
  if (held && has_pages(m->out) && fdemu_ready(m->out) & POLLOUT)
    fdemu_wake_one(&m->out->inode->wq, WRITEABLE);
}

static void move_cancel(struct fdemu_file *f, struct fdemu_req *r);

/* Go on, from where it stopped. */
static int64_t move_go(struct fde_move *m)
{
  bool held = m->answered;
  int64_t n;

  m->wait = NULL;
  n = m->step(m);
  tell(m, held && n != FDEMU_PENDING);
  if (n == FDEMU_PENDING)
    m->r->cancel = move_cancel;
  return n;
}

/* The last of a child whose call did not want to know any more. */
static void move_end_late(struct fde_move *m)
{
  struct fdemu_kernel *k = m->in->inode->kernel;

  m->answered = m->stop = true;
  move_go(m);
  move_free(k, m);
}

static void child_done(struct fdemu_req *c)
{
  struct fde_move *m = c->user;

  m->pending = false;
  m->answered = true;
  if (m->r != NULL)
    fdemu_retry(m->r);
  else
    move_end_late(m);
}

/* The caller gives up: so does the child, and what it has done counts. One that
 * is in a method now ends later. */
static void move_cancel(struct fdemu_file *f, struct fdemu_req *r)
{
  struct fde_move *m = r->out;

  (void)f;
  m->stop = true;
  fde_cancel(&m->child, EINTR);
  if (m->child.result == FDEMU_PENDING)
    return;
  fdemu_abandon(&m->child);
  m->pending = false;
  m->answered = true;
  move_go(m);
}

int fde_move_park(struct fdemu_req *r)
{
  struct fde_move *m = r->out;

  if (r->inode != NULL) {
    fdemu_park(r, &r->inode->wq, POLLIN | POLLOUT, false);
    return 0;
  }
  if (m == NULL || m->wait == NULL)
    return -EAGAIN;
  fdemu_park(r, &m->wait->inode->wq, m->events, true); /* as Linux's */
  return 0;
}

const struct fdemu_file *fdemu_awaited_file(const struct fdemu_req *r,
                                            int *events)
{
  const struct fde_move *m = r->out;

  if (r->result == FDEMU_PENDING && r->call->park == fde_vmsplice_park) {
    *events = fde_writable(r->file) ? POLLOUT : POLLIN;
    return r->file;
  }
  if (r->result != FDEMU_PENDING || r->call->park != fde_move_park || m == NULL)
    return NULL;
  if (m->pending) {
    *events = m->writing ? POLLOUT : POLLIN;
    return m->writing ? m->out : m->in;
  }
  *events = m->events & (POLLIN | POLLOUT);
  return m->wait;
}

/* ---- offsets ------------------------------------------------------------ */

/* Where the caller has them: r->iov[0] of what is read, r->iov[1] of what is
 * written. */
static void *offset_addr(const struct fdemu_req *r, int i)
{
  return i < r->iovcnt ? r->iov[i].iov_base : NULL;
}

static int put_offset(struct fdemu_req *r, int i, struct fdemu_file *f,
                      int64_t pos)
{
  void *addr = offset_addr(r, i);

  if (addr != NULL)
    return fdemu_store(r, addr, &pos, sizeof pos);
  if (f->mode & FDEMU_MODE_SEEK)
    f->pos = pos;
  return 0;
}

static void forget_inode(struct fdemu_req *r)
{
  if (r->inode != NULL)
    fdemu_inode_put(r->inode);
  r->inode = NULL;
}

int64_t fdemu_move_wait(struct fdemu_req *r, struct fdemu_inode *i)
{
  fdemu_inode_get(i);
  forget_inode(r);
  r->inode = i;
  return -EAGAIN;
}

/* The answer: positions move on. */
static int64_t move_end(struct fdemu_req *r, int64_t result)
{
  struct fde_move *m = r->out;
  int error = 0;

  forget_inode(r);
  if (m == NULL)
    return result;
  if (m->answered) { /* what the child has done counts */
    m->stop = true;
    move_go(m);
  }
  r->out = NULL;
  if (m->done > 0) {
    result = (int64_t)m->done;
    fde_note_move(m->in, m->out);
  }
  if (result >= 0)
    error = put_offset(r, 1, m->out, m->out_pos);
  if (result >= 0 && error == 0)
    error = put_offset(r, 0, m->in, m->in_pos);
  m->r = NULL;
  if (!m->pending)
    move_free(r->proc->kernel, m);
  return error < 0 ? error : result;
}

/* The offset that the caller gives, or the file's. */
static int get_offset(struct fdemu_req *r, int i, const struct fdemu_file *f,
                      int64_t *pos)
{
  const void *addr = offset_addr(r, i);

  if (addr != NULL)
    return fdemu_load(r, pos, addr, sizeof *pos);
  *pos = f->mode & FDEMU_MODE_SEEK ? f->pos : 0;
  return 0;
}

/* As rw_verify_area() of Linux. */
static bool good_range(int64_t pos, size_t len)
{
  return len <= INT64_MAX && pos >= 0 && pos <= INT64_MAX - (int64_t)len;
}

/* ---- what the calls check ----------------------------------------------- */

static bool positioned(const struct fdemu_file *f)
{
  return f->mode & (FDEMU_MODE_SEEK | FDEMU_MODE_PREAD);
}

static bool seekable(const struct fdemu_file *f)
{
  return f->mode & FDEMU_MODE_SEEK || f->ops->lseek != NULL;
}

static struct fdemu_file *out_of(const struct fdemu_req *r)
{
  return r->arg >= INT32_MIN && r->arg <= INT32_MAX
             ? fde_file_usable(r->proc, (int)r->arg)
             : NULL;
}

static int64_t begin(struct fdemu_req *r, struct fdemu_file *in,
                     struct fdemu_file *out, const int64_t pos[2], size_t len,
                     bool nonblock)
{
  struct fde_move *m;

  if (len < r->len)
    r->len = len;
  fde_draw_length(r);
  m = move_new(r, in, out, r->len);
  if (m == NULL)
    return -ENOMEM;
  m->in_pos = pos[0];
  m->out_pos = pos[1];
  m->in_at = offset_addr(r, 0) != NULL;
  m->out_at = offset_addr(r, 1) != NULL;
  m->nonblock = nonblock;
  m->keep = r->call == &fdemu_tee_call;
  if (has_pages(out))
    m->step = has_pages(in) && r->call != &fdemu_sendfile_call ? step_pages
                                                               : step_fill;
  else
    m->step = has_pages(in) ? step_drain : step_copy;
  return move_go(m);
}

/* ---- sendfile(2) -------------------------------------------------------- */

/* r->len is at most what the caller wants; a fault may make it less. */
static void set_length(struct fdemu_req *r)
{
  r->len = r->buf.iov_len < FDE_MAX_RW ? r->buf.iov_len : FDE_MAX_RW;
}

static int64_t sendfile_check(struct fdemu_req *r)
{
  int64_t pos;
  const void *addr = offset_addr(r, 0);

  set_length(r);
  if (addr != NULL && fdemu_load(r, &pos, addr, sizeof pos) < 0)
    return -EFAULT;
  return FDEMU_NEXT;
}

static int64_t sendfile_run(struct fdemu_file *in, struct fdemu_req *r)
{
  size_t len = r->buf.iov_len;
  struct fdemu_file *out;
  int64_t pos[2];
  int error;

  if (r->out != NULL)
    return move_go(r->out);
  if (!fde_readable(in))
    return -EBADF;
  if (offset_addr(r, 0) != NULL && !positioned(in))
    return -ESPIPE;
  error = get_offset(r, 0, in, &pos[0]);
  if (error < 0)
    return error;
  if (!good_range(pos[0], len))
    return -EINVAL;
  out = out_of(r);
  if (out == NULL || !fde_writable(out))
    return -EBADF;
  if (len > FDE_MAX_RW)
    len = FDE_MAX_RW;
  get_offset(r, 1, out, &pos[1]);
  if (!has_pages(out)) {
    if (!good_range(pos[1], len) || out->flags & O_APPEND || !seekable(in))
      return -EINVAL;
    fde_accessed(in); /* whatever comes of it */
    if (len == 0)
      return 0;
  }
  return begin(r, in, out, pos, len, has_pages(out) && out->flags & O_NONBLOCK);
}

const struct fdemu_call fdemu_sendfile_call = {
  .name = "sendfile",
  .args = "fd2 fd | in_offset size",
  .check = sendfile_check,
  .run = sendfile_run,
  .park = fde_move_park,
  .finish = move_end,
  .flags = FDEMU_CALL_FD,
};

/* ---- splice(2), tee(2) -------------------------------------------------- */

bool fde_bad_splice(const struct fdemu_req *r)
{
  return (r->cmd & ~(unsigned long)(SPLICE_F_MOVE | SPLICE_F_NONBLOCK |
                                    SPLICE_F_MORE | SPLICE_F_GIFT)) != 0;
}

static int64_t splice_check(struct fdemu_req *r)
{
  set_length(r);
  if (r->buf.iov_len == 0)
    return 0;
  return fde_bad_splice(r) ? -EINVAL : FDEMU_NEXT;
}

static int64_t tee_check(struct fdemu_req *r)
{
  set_length(r);
  if (fde_bad_splice(r))
    return -EINVAL;
  return r->buf.iov_len == 0 ? 0 : FDEMU_NEXT;
}

/* A pipe has no offsets. Pages that are spliced may take time: Linux has no
 * RWF_NOWAIT from then on. */
static int splice_pipe(const struct fdemu_req *r, int i, struct fdemu_file *f)
{
  if (!has_pages(f))
    return 0;
  if (offset_addr(r, i) != NULL)
    return -ESPIPE;
  f->mode |= FDEMU_MODE_NO_NOWAIT;
  return 0;
}

/* Both ends are there: what is wrong with their offsets? */
static int splice_offsets(struct fdemu_req *r, struct fdemu_file *in,
                          struct fdemu_file *out, int64_t pos[2])
{
  int error = splice_pipe(r, 0, in);

  if (error == 0)
    error = splice_pipe(r, 1, out);
  if (error < 0)
    return error;
  error = get_offset(r, 1, out, &pos[1]);
  return error < 0 ? error : get_offset(r, 0, in, &pos[0]);
}

/* The side that is no pipe. */
static int splice_file(const struct fdemu_req *r, const struct fdemu_file *f,
                       int i, int64_t pos)
{
  if (offset_addr(r, i) != NULL && !positioned(f))
    return -EINVAL;
  if (i == 1 && f->flags & O_APPEND)
    return -EINVAL;
  if (!good_range(pos, r->buf.iov_len))
    return -EINVAL;
  return i == 1 && !can_write(f) ? -EINVAL : 0;
}

static int64_t splice_run(struct fdemu_file *in, struct fdemu_req *r)
{
  bool nonblock = (r->cmd & SPLICE_F_NONBLOCK) != 0;
  struct fdemu_file *out;
  int64_t pos[2];
  int error;

  if (r->out != NULL)
    return move_go(r->out);
  out = out_of(r);
  if (out == NULL)
    return -EBADF;
  error = splice_offsets(r, in, out, pos);
  if (error < 0)
    return error;
  if (!fde_readable(in) || !fde_writable(out))
    return -EBADF;
  if (!has_pages(in) && !has_pages(out))
    return -EINVAL;
  if (has_pages(in) && has_pages(out) && in->inode == out->inode)
    return -EINVAL;
  if (!has_pages(in))
    error = splice_file(r, in, 0, pos[0]);
  else if (!has_pages(out))
    error = splice_file(r, out, 1, pos[1]);
  if (error < 0)
    return error;
  if (has_pages(in))
    nonblock |= (in->flags & O_NONBLOCK) != 0;
  if (has_pages(out))
    nonblock |= (out->flags & O_NONBLOCK) != 0;
  return begin(r, in, out, pos, r->buf.iov_len, nonblock);
}

static int64_t tee_run(struct fdemu_file *in, struct fdemu_req *r)
{
  static const int64_t pos[2];
  struct fdemu_file *out;

  if (r->out != NULL)
    return move_go(r->out);
  out = out_of(r);
  if (out == NULL || !fde_readable(in) || !fde_writable(out))
    return -EBADF;
  if (!has_pages(in) || !has_pages(out) || in->inode == out->inode)
    return -EINVAL;
  return begin(r, in, out, pos, r->buf.iov_len,
               r->cmd & SPLICE_F_NONBLOCK ||
                   (in->flags | out->flags) & O_NONBLOCK);
}

const struct fdemu_call fdemu_splice_call = {
  .name = "splice",
  .args = "fd in_offset fd2 out_offset size splice_flags",
  .check = splice_check,
  .run = splice_run,
  .park = fde_move_park,
  .finish = move_end,
  .flags = FDEMU_CALL_FD,
};

const struct fdemu_call fdemu_tee_call = {
  .name = "tee",
  .args = "fd fd2 size splice_flags",
  .check = tee_check,
  .run = tee_run,
  .park = fde_move_park,
  .finish = move_end,
  .flags = FDEMU_CALL_FD,
};

/* ---- copy_file_range(2) ------------------------------------------------- */

/* As generic_file_rw_checks() of Linux. */
int fde_copy_modes(const struct fdemu_file *in, const struct fdemu_file *out)
{
  mode_t a = in->inode->mode, b = out->inode->mode;

  if (S_ISDIR(a) || S_ISDIR(b))
    return -EISDIR;
  if (!S_ISREG(a) || !S_ISREG(b))
    return -EINVAL;
  return fde_readable(in) && fde_writable(out) && !(out->flags & O_APPEND)
             ? 0
             : -EBADF;
}

/* As generic_copy_file_checks() of Linux. Only what the core knows the size of
 * is cut at its end beforehand. */
static int copy_check(struct fdemu_file *in, struct fdemu_file *out,
                      const int64_t pos[2], size_t *len)
{
  int error = fde_copy_modes(in, out);

  if (error < 0)
    return error;
  if (in->inode->attr->apart != out->inode->attr->apart)
    return -EXDEV;
  if ((uint64_t)pos[0] + *len < *len || (uint64_t)pos[1] + *len < *len)
    return -EOVERFLOW;
  if (in->mode & FDEMU_MODE_SEEK) {
    int64_t rest = in->inode->attr->size - pos[0];
    if (pos[0] >= in->inode->attr->size)
      *len = 0;
    else if ((uint64_t)rest < *len)
      *len = (size_t)rest;
  }
  if (pos[1] == INT64_MAX)
    return -EFBIG;
  if (pos[1] >= 0 && *len > (uint64_t)(INT64_MAX - pos[1]))
    *len = (size_t)(INT64_MAX - pos[1]);
  if (in->inode == out->inode && pos[1] + (int64_t)*len > pos[0] &&
      pos[1] < pos[0] + (int64_t)*len)
    return -EINVAL;
  if (!good_range(pos[0], *len) || !good_range(pos[1], *len))
    return -EINVAL;
  return 0;
}

static int64_t copy_length(struct fdemu_req *r)
{
  set_length(r);
  return FDEMU_NEXT;
}

static int64_t copy_run(struct fdemu_file *in, struct fdemu_req *r)
{
  struct fdemu_file *out;
  size_t len = r->buf.iov_len;
  int64_t pos[2];
  int error;

  if (r->out != NULL)
    return move_go(r->out);
  out = out_of(r);
  if (out == NULL)
    return -EBADF;
  error = get_offset(r, 0, in, &pos[0]);
  if (error == 0)
    error = get_offset(r, 1, out, &pos[1]);
  if (error == 0 && r->cmd != 0)
    error = -EINVAL;
  if (error == 0)
    error = copy_check(in, out, pos, &len);
  if (error < 0 || len == 0)
    return error;
  return begin(r, in, out, pos, len, false);
}

const struct fdemu_call fdemu_copy_file_range_call = {
  .name = "copy_file_range",
  .args = "fd in_offset fd2 out_offset size 0",
  .check = copy_length,
  .run = copy_run,
  .park = fde_move_park,
  .finish = move_end,
  .flags = FDEMU_CALL_FD,
};

/* ---- as C functions ----------------------------------------------------- */

int64_t fdemu_sendfile(struct fdemu_proc *p, int out, int in, int64_t *offset,
                       size_t count)
{
  const struct iovec at = { offset, sizeof *offset };
  struct fdemu_req r = { .call = &fdemu_sendfile_call,
                         .fd = in,
                         .arg = out,
                         .buf.iov_len = count,
                         .iov = &at,
                         .iovcnt = 1 };

  return fdemu_call(p, &r);
}

/* Both ends may have an offset. */
static int64_t move(const struct fdemu_call *call, struct fdemu_proc *p, int in,
                    int64_t *in_offset, int out, int64_t *out_offset,
                    size_t count, unsigned flags)
{
  const struct iovec at[2] = { { in_offset, sizeof *in_offset },
                               { out_offset, sizeof *out_offset } };
  struct fdemu_req r = { .call = call,
                         .fd = in,
                         .arg = out,
                         .buf.iov_len = count,
                         .iov = at,
                         .iovcnt = 2,
                         .cmd = flags };

  return fdemu_call(p, &r);
}

int64_t fdemu_splice(struct fdemu_proc *p, int in, int64_t *in_offset, int out,
                     int64_t *out_offset, size_t count, unsigned flags)
{
  return move(&fdemu_splice_call, p, in, in_offset, out, out_offset, count,
              flags);
}

int64_t fdemu_tee(struct fdemu_proc *p, int in, int out, size_t count,
                  unsigned flags)
{
  struct fdemu_req r = { .call = &fdemu_tee_call,
                         .fd = in,
                         .arg = out,
                         .buf.iov_len = count,
                         .cmd = flags };

  return fdemu_call(p, &r);
}

int64_t fdemu_copy_file_range(struct fdemu_proc *p, int in, int64_t *in_offset,
                              int out, int64_t *out_offset, size_t count,
                              unsigned flags)
{
  return move(&fdemu_copy_file_range_call, p, in, in_offset, out, out_offset,
              count, flags);
}
