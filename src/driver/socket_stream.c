/* socket_stream.c - SOCK_STREAM: bytes, in the pieces in which Linux keeps
 * them */
#include <errno.h>
#include <poll.h>

#include "driver/socket.h"

#define PAGE     4096u
#define HEAD_MAX 3776u  /* SKB_MAX_HEAD(0): bytes in a header of one page */
#define MORE_MAX 32768u /* UNIX_SKB_FRAGS_SZ: bytes outside it */

static size_t min(size_t a, size_t b)
{
  return a < b ? a : b;
}

/* ---- sending ---------------------------------------------------------- */

static int64_t broken(struct fdemu_req *r, int flags)
{
  return flags & MSG_NOSIGNAL ? -EPIPE : fdemu_broken(r);
}

/* The next piece, and the bytes of it that are in pages. */
static unsigned piece(const struct fds_socket *s, size_t left, unsigned *pages)
{
  size_t n = min(left, (size_t)s->sndbuf / 2 - 64);

  n = min(n, HEAD_MAX + MORE_MAX);
  *pages = 0;
  if (n > HEAD_MAX) {
    size_t whole = (n - HEAD_MAX + PAGE - 1) / PAGE * PAGE;
    *pages = (unsigned)min(n, whole);
  }
  return (unsigned)n;
}

/* Up to left bytes. */
static int64_t send_piece(struct fds_socket *s, struct fdemu_req *r,
                          size_t left, bool urgent)
{
  unsigned pages, n = piece(s, left, &pages);
  struct fds_buf *b;
  int64_t error = fds_may_send(s);

  if (error < 0)
    return error;
  b = fds_buf_new(s, n, pages);
  if (b == NULL)
    return -ENOMEM;
  error = fds_control_attach(r, b);
  if (error == 0)
    error = fdemu_copy_in(r, b->data, n);
  if (error == 0 && b->rights != NULL && !fds_passrights(s->peer)) {
    fdemu_rewind(r, 0); /* only the first piece carries any */
    error = -EPERM;
  }
  if (error < 0) {
    fds_buf_free(b);
    return error;
  }
  if (urgent)
    fds_urgent_set(s->peer, b);
  fds_buf_send(r->proc, s->peer, b);
  return 0;
}

int64_t fds_stream_send(struct fds_socket *s, struct fdemu_req *r, int flags)
{
  const size_t urgent = flags & MSG_OOB ? 1 : 0; /* of the bytes, the last */
  int64_t error = fds_control_load(s, r);

  if (error < 0)
    return error;
  if (r->len < urgent)
    return -EOPNOTSUPP;
  if (r->msg != NULL && r->msg->msg_namelen > 0)
    return s->connected ? -EISCONN : -EOPNOTSUPP;
  if (!s->connected)
    return -ENOTCONN;
  if (s->shutdown & FDS_NO_SEND && !r->retry)
    return broken(r, flags);
  r->patience = flags & MSG_DONTWAIT ? -1 : s->sndtimeo;
  while (error == 0 && fdemu_left(r) > urgent)
    error = send_piece(s, r, fdemu_left(r) - urgent, false);
  if (error == 0 && fdemu_left(r) > 0)
    error = send_piece(s, r, 1, true);
  return error < 0 ? error : (int64_t)r->done;
}

/* ---- receiving -------------------------------------------------------- */

/* As many bytes as this are worth an answer. */
static size_t target(const struct fds_socket *s, const struct fdemu_req *r,
                     int flags)
{
  size_t n = flags & MSG_WAITALL ? r->len : min((size_t)s->rcvlowat, r->len);

  return n > 0 ? n : 1;
}

/* Whatever ends the wait of who awaited bytes: these, a signal, an exit. */
static void not_awaited(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)r;
  fds_set_awaited(fds_of(f), false);
}

/* Nothing is there (any more). */
static int64_t at_end(struct fds_socket *s, struct fdemu_req *r, int flags)
{
  int error;

  if (r->done < target(s, r, flags)) {
    error = fds_take_error(s);
    if (error < 0)
      return error;
    if (!(s->shutdown & FDS_NO_RECV)) {
      if (fdemu_may_wait(r)) {
        fds_set_awaited(s, true);
        r->ended = not_awaited;
      }
      return -EAGAIN;
    }
  }
  if (r->driver == NULL)
    fds_control_creds(s, r, FDS_NO_SENDER);
  return (int64_t)r->done;
}

/* Messages of different senders are not glued together if it matters who sent
 * them. r->driver keeps whose this is, while the call waits for more. */
static bool same_sender(const struct fds_socket *s, const struct fds_buf *b,
                        struct fdemu_req *r)
{
  void *sender = (void *)((intptr_t)b->pid + 1);

  if (r->driver != NULL)
    return r->driver == sender;
  if (fds_passcred(s)) {
    r->driver = sender;
    fds_control_creds(s, r, b->pid);
  }
  return true;
}

/* The descriptors that b carries, if any, which end the call. */
static bool take_rights(struct fdemu_req *r, struct fds_buf *b)
{
  struct fds_rights *x;

  if (b->rights == NULL)
    return false;
  x = fds_rights_detach(b);
  fds_control_rights(r, x);
  fds_rights_free(x);
  return true;
}

/* 1: and that is all, for this call; 0; or -errno. */
static int take(struct fds_socket *s, struct fds_buf *b, struct fdemu_req *r)
{
  unsigned n = (unsigned)min(b->len, fdemu_left(r));
  int error = fdemu_copy_out(r, b->data + b->off, n);
  bool last;

  if (error < 0)
    return error;
  b->off += n;
  b->len -= n;
  if (s->peek_off > 0)
    s->peek_off = s->peek_off > (int)n ? s->peek_off - (int)n : 0;
  last = take_rights(r, b);
  if (b->len == 0)
    fds_buf_free(b);
  return last;
}

/* The same without taking anything: what b has beyond its first skip bytes. */
static int look(struct fds_socket *s, struct fds_buf *b, size_t skip,
                struct fdemu_req *r)
{
  unsigned n = (unsigned)min(b->len - skip, fdemu_left(r));
  int error = fdemu_copy_out(r, b->data + b->off + skip, n);

  if (error < 0)
    return error;
  if (s->peek_off >= 0)
    s->peek_off += (int)n;
  if (b->rights == NULL)
    return 0;
  fds_control_rights(r, b->rights);
  return 1;
}

/* An offset to begin at counts the urgent byte, and may be its own. */
static int64_t peek(struct fds_socket *s, struct fdemu_req *r, int flags)
{
  size_t skip = s->peek_off > 0 ? (size_t)s->peek_off : 0;
  struct fds_buf *b = fds_next(s, NULL);
  int error = 0;

  if (b == NULL)
    return at_end(s, r, flags);
  do {
    b = fds_pass(s, b, true, r->done > 0);
    for (; b != NULL && skip >= b->len; b = fds_next(s, b))
      skip -= b->len;
    if (b == NULL && r->done == 0)
      return at_end(s, r, flags);
    if (b == NULL || !same_sender(s, b, r))
      break;
    error = look(s, b, skip, r);
    skip = 0;
    b = fds_next(s, b);
  } while (error == 0 && b != NULL);
  return error < 0 ? error : (int64_t)r->done;
}

int64_t fds_stream_recv(struct fds_socket *s, struct fdemu_req *r, int flags)
{
  int error = 0;

  if (!s->connected)
    return -EINVAL;
  if (flags & MSG_OOB)
    return fds_urgent_recv(s, r, flags);
  if (!r->retry)
    r->driver = NULL;
  r->patience = flags & MSG_DONTWAIT ? -1 : s->rcvtimeo;
  fds_control_label(s, r);
  if (flags & MSG_PEEK)
    return peek(s, r, flags);
  do {
    struct fds_buf *b = fds_next(s, NULL);
    if (b != NULL && (b = fds_pass(s, b, false, r->done > 0)) == NULL &&
        r->done > 0)
      break;
    if (b == NULL)
      return at_end(s, r, flags);
    if (!same_sender(s, b, r))
      break;
    error = take(s, b, r);
  } while (error == 0 && fdemu_left(r) > 0);
  return error < 0 ? error : (int64_t)r->done;
}
