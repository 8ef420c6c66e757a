/*
 * socket_urgent.c - urgent data in a stream: MSG_OOB, SIOCATMARK, the mark
 *
 *   ab | c | def    send("abc", MSG_OOB), send("def"): the last byte of the
 *        ^          first is a piece of its own, and s->urgent is that piece.
 *                   A read stops before it. The next one begins there: it
 *                   passes over c, which then is lost, and gives def; with
 *                   SO_OOBINLINE c is a byte like others, and it gives cdef.
 *
 *   ab | . | def    recv(MSG_OOB) has taken c: an empty piece is left, where a
 *                   read stops all the same.
 *
 * The urgent byte that came last is the one there is; an earlier one that
 * nobody has taken is a byte like others.
 */
#include <errno.h>
#include <sys/socket.h>

#include "driver/socket.h"

static bool is_inline(const struct fds_socket *s)
{
  return (s->booleans >> SO_OOBINLINE & 1) != 0;
}

/* b, a piece of one byte, is about to be sent to s: its owner hears of it. */
void fds_urgent_set(struct fds_socket *s, struct fds_buf *b)
{
  s->urgent = b;
  fdemu_sigurg(s->file);
}

/* ---- recv with MSG_OOB ------------------------------------------------ */

/* What is left of b marks where it was; of two such pieces in a row the first
 * says nothing. */
static void take(struct fds_socket *s, struct fds_buf *b)
{
  struct fds_buf *before = fds_before(s, b);

  s->urgent = NULL;
  b->len = 0;
  if (before != NULL && before->len == 0)
    fds_buf_free(before);
}

/* It never waits. 1 even if there is no room for the byte; a byte that cannot
 * be stored is lost: both as on Linux. */
int64_t fds_urgent_recv(struct fds_socket *s, struct fdemu_req *r, int flags)
{
  struct fds_buf *b = s->urgent;
  int error = 0;

  if (b == NULL || is_inline(s))
    return -EINVAL;
  if (r->len > 0)
    error = fdemu_copy_out(r, b->data + b->off, 1);
  if (!(flags & MSG_PEEK))
    take(s, b);
  if (error < 0)
    return error;
  r->arg |= MSG_OOB;
  return 1;
}

/* ---- recv without ----------------------------------------------------- */

/* A read that has got nothing yet begins at the mark. */
static struct fds_buf *begin_at_mark(struct fds_socket *s, struct fds_buf *b,
                                     bool peek)
{
  if (peek)
    return is_inline(s) ? b : fds_next(s, b);
  s->urgent = NULL;
  if (is_inline(s))
    return b;
  s->lost++;
  fds_buf_free(b);
  return fds_next(s, NULL);
}

struct fds_buf *fds_urgent_pass(struct fds_socket *s, struct fds_buf *b,
                                bool peek, bool some)
{
  if (b->len == 0) {
    struct fds_buf *empty = b;
    if (some && s->urgent == NULL)
      return NULL;
    b = fds_next(s, b);
    if (!peek)
      fds_buf_free(empty);
  }
  if (b == NULL || b != s->urgent)
    return b;
  return some ? NULL : begin_at_mark(s, b, peek);
}

/* ---- where the mark is ------------------------------------------------ */

/* Whether the next byte to be read is the urgent one, or comes after it. */
static bool at_mark(const struct fds_socket *s)
{
  const struct fds_buf *b = fds_next(s, NULL);

  if (b == NULL || b->len > 0)
    return b != NULL && b == s->urgent;
  return s->urgent == NULL || fds_next(s, b) == s->urgent;
}

/* SIOCATMARK: sockatmark(3). */
int64_t fds_urgent_ioctl(const struct fds_socket *s, struct fdemu_req *r)
{
  const int n = at_mark(s);

  if (s->type != SOCK_STREAM)
    return -EOPNOTSUPP;
  return fdemu_arg_store(r, 0, &n, sizeof n);
}
