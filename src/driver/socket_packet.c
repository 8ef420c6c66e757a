/* socket_packet.c - SOCK_DGRAM and SOCK_SEQPACKET: messages */
#include <errno.h>
#include <poll.h>
#include <sys/un.h>

#include "driver/socket.h"

#define PAGE      4096u
#define HEAD_MAX  16064u              /* SKB_MAX_ALLOC: bytes in a header */
#define PAGES_MAX ((size_t)17 * PAGE) /* MAX_SKB_FRAGS: bytes in pages */

/* ---- sending ---------------------------------------------------------- */

/* The peer of a datagram socket is gone, and this is how it shows. */
static int64_t disconnect(struct fds_socket *s)
{
  s->connected = false;
  fds_buf_purge(s);
  return -ECONNREFUSED;
}

/* A seqpacket goes to the peer, whatever the address. */
static bool has_address(const struct fds_socket *s, const struct fdemu_req *r)
{
  return s->type == SOCK_DGRAM && r->msg != NULL && r->msg->msg_namelen > 0;
}

static unsigned in_pages(size_t len)
{
  size_t n = len > HEAD_MAX ? len - HEAD_MAX : 0;

  n = n < PAGES_MAX ? n : PAGES_MAX;
  return (unsigned)((n + PAGE - 1) / PAGE * PAGE);
}

/* The message as a buffer that is not yet sent. */
static int64_t pack(struct fds_socket *s, struct fdemu_req *r,
                    struct fds_buf **b)
{
  int64_t error;

  if (r->len > (size_t)s->sndbuf - 32)
    return -EMSGSIZE;
  error = fds_may_send(s);
  if (error < 0)
    return error;
  *b = fds_buf_new(s, (unsigned)r->len, in_pages(r->len));
  if (*b == NULL)
    return -ENOMEM;
  error = fds_control_attach(r, *b);
  if (error == 0)
    error = fdemu_copy_in(r, (*b)->data, r->len);
  if (error < 0)
    fds_buf_free(*b);
  return error;
}

/* What is wrong with an address, before it is looked up. */
static int64_t check_address(const struct fds_socket *s, struct fdemu_req *r)
{
  sa_family_t family;
  int error;

  if (!has_address(s, r))
    return 0;
  if (r->msg->msg_namelen <= sizeof family ||
      r->msg->msg_namelen > sizeof(struct sockaddr_un))
    return -EINVAL;
  error = fdemu_load(r, &family, r->msg->msg_name, sizeof family);
  if (error < 0)
    return error;
  return family == AF_UNIX ? 0 : -EINVAL;
}

/* unix_may_send() of Linux: who has a peer hears of nobody else. */
static bool listens_to(const struct fds_socket *to, const struct fds_socket *s)
{
  return !to->connected || to->peer == s;
}

/* Of strangers, only so much waits in a queue. */
static bool is_crowded(const struct fds_socket *to, const struct fds_socket *s)
{
  const struct fds_buf *b = NULL;
  int n = 0;

  if (to == s || to->peer == s)
    return false;
  while (n <= FDS_MAX_BACKLOG && (b = fds_next(to, b)) != NULL)
    n++;
  return n > FDS_MAX_BACKLOG;
}

/* Whom a message is for; NULL: the peer, which is gone. */
static int64_t whereto(const struct fds_socket *s, struct fdemu_req *r,
                       struct fds_socket **to)
{
  *to = s->peer;
  if (has_address(s, r))
    return fds_name_find(s, r, to);
  return s->connected ? 0 : -ENOTCONN;
}

/* What keeps to from having b, of s. */
static int64_t refusal(const struct fds_socket *to, const struct fds_socket *s,
                       const struct fds_buf *b)
{
  if (!listens_to(to, s))
    return -EPERM;
  if (to->shutdown & FDS_NO_RECV)
    return -EPIPE;
  if (b->rights != NULL && !fds_passrights(to))
    return -EPERM;
  return is_crowded(to, s) ? -EAGAIN : 0;
}

/* Whom r is for, whatever has become of it; NULL: nobody, as far as is known. */
struct fds_socket *fds_packet_target(struct fds_socket *s, struct fdemu_req *r)
{
  struct fds_socket *to = NULL;

  if (!(r->call->flags & FDEMU_CALL_WRITE) || !has_address(s, r))
    return s->peer;
  return check_address(s, r) == 0 && fds_name_find(s, r, &to) == 0 ? to : NULL;
}

/* ---- waiting for a stranger ------------------------------------------- */

/* A message for a stranger who is crowded stays as it is, charged for and with
 * all that it carries, until there is room: r->driver. */
static void not_queued(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)f;
  if (r->driver != NULL)
    fds_buf_free(r->driver);
}

static bool is_kept(const struct fdemu_req *r)
{
  return r->ended == not_queued;
}

static void keep(struct fdemu_req *r, struct fds_buf *b)
{
  if (!is_kept(r) && r->ended != NULL)
    r->ended(r->file, r); /* what of the control data is not in b */
  r->driver = b;
  r->ended = not_queued;
}

static struct fds_buf *take_kept(struct fdemu_req *r)
{
  struct fds_buf *b = r->driver;

  r->driver = NULL;
  return b;
}

/* For a stranger to receive, or for what s is charged for. */
struct fdemu_waitq *fds_packet_waitq(struct fds_socket *s, struct fdemu_req *r)
{
  struct fds_socket *to = is_kept(r) ? fds_packet_target(s, r) : NULL;

  return to != NULL ? &to->senders : &s->inode.wq;
}

/* ---- the call --------------------------------------------------------- */

/* The message as a buffer, after all that is looked at before its receiver. */
static int64_t prepare(struct fds_socket *s, struct fdemu_req *r, int flags,
                       struct fds_buf **b)
{
  int64_t error;

  if (s->type == SOCK_SEQPACKET && !r->retry) {
    error = fds_take_error(s);
    if (error < 0)
      return error;
    if (!s->connected)
      return -ENOTCONN;
  }
  error = fds_control_load(s, r);
  if (error < 0)
    return error;
  if (flags & MSG_OOB)
    return -EOPNOTSUPP;
  error = check_address(s, r);
  if (error == 0 && fds_passcred(s) && s->name == FDS_NO_NAME)
    error = fds_name_bind(s);
  if (error < 0)
    return error;
  r->patience = flags & MSG_DONTWAIT ? -1 : s->sndtimeo;
  return pack(s, r, b);
}

/* b goes where it is for, or nowhere, or stays with r (-EAGAIN). What a filter
 * does not want is as good as sent; it looks only once. After a signal nobody
 * looks at the stranger again. */
static int64_t forward(struct fds_socket *s, struct fdemu_req *r,
                       struct fds_buf *b)
{
  const bool again = is_kept(r);
  struct fds_socket *to;
  int64_t error = again && fdemu_interrupted(r) ? -EAGAIN : whereto(s, r, &to);
  bool wanted = true;

  if (error == 0 && !again)
    wanted = fds_filter(to != NULL ? to->filter : s->peer_filter, b);
  if (error == 0 && wanted)
    error = to != NULL ? refusal(to, s, b) : disconnect(s);
  if (error == 0 && wanted) {
    fds_stamp_sent(to, b);
    fds_buf_send(r->proc, to, b);
  } else if (error == -EAGAIN && fdemu_may_wait(r))
    keep(r, b);
  else
    fds_buf_free(b);
  return error;
}

int64_t fds_packet_send(struct fds_socket *s, struct fdemu_req *r, int flags)
{
  struct fds_buf *b;
  int64_t error = 0;

  if (is_kept(r))
    b = take_kept(r);
  else
    error = prepare(s, r, flags, &b);
  if (error < 0)
    return error;
  error = forward(s, r, b);
  fdemu_wake_no_more(r); /* each message that is received wakes one */
  if (error < 0) {
    fdemu_rewind(r, 0);
    return error;
  }
  return (int64_t)r->len;
}

/* ---- receiving -------------------------------------------------------- */

/* The message that is looked at, and how many bytes of it are skipped. */
static struct fds_buf *find(const struct fds_socket *s, int flags, size_t *skip)
{
  struct fds_buf *b = fds_next(s, NULL);

  *skip = 0;
  if (!(flags & MSG_PEEK) || s->peek_off < 0)
    return b;
  *skip = (size_t)s->peek_off;
  while (b != NULL && *skip >= b->len && (*skip > 0 || b->peeked)) {
    *skip -= b->len;
    b = fds_next(s, b);
  }
  return b;
}

static int64_t nothing(const struct fds_socket *s, struct fdemu_req *r)
{
  if (!(s->shutdown & FDS_NO_RECV) ||
      (s->type == SOCK_DGRAM && !fdemu_may_wait(r)))
    return -EAGAIN;
  return fds_name_tell(r, NULL);
}

static void move_peek_off(struct fds_socket *s, int flags, size_t len, size_t n)
{
  if (s->peek_off < 0)
    return;
  if (flags & MSG_PEEK)
    s->peek_off += (int)n;
  else
    s->peek_off = s->peek_off > (int)len ? s->peek_off - (int)len : 0;
}

/* What goes beside the bytes of b. */
static void control(struct fds_socket *s, struct fdemu_req *r,
                    struct fds_buf *b, int flags)
{
  fds_stamp_received(s, r, b);
  fds_control_creds(s, r, b->pid);
  fds_control_label(s, r);
  if (b->rights == NULL)
    return;
  if (flags & MSG_PEEK)
    fds_control_rights(r, b->rights);
  else {
    struct fds_rights *x = fds_rights_detach(b);
    fds_control_rights(r, x);
    fds_rights_free(x);
  }
}

/* A message that cannot be stored is lost, as on Linux. */
int64_t fds_packet_recv(struct fds_socket *s, struct fdemu_req *r, int flags)
{
  struct fds_buf *b;
  size_t skip, n, len;
  int64_t error;

  if (s->type == SOCK_SEQPACKET && !s->connected)
    return -ENOTCONN;
  if (flags & MSG_OOB)
    return -EOPNOTSUPP;
  r->patience = flags & MSG_DONTWAIT ? -1 : s->rcvtimeo;
  error = fds_take_error(s);
  if (error < 0)
    return error;
  b = find(s, flags, &skip);
  if (b == NULL)
    return nothing(s, r);
  fdemu_wake_no_more(r); /* a message wakes one, whatever he does with it */
  b->peeked = true;
  len = b->len;
  n = len - skip < r->len ? len - skip : r->len;
  error = fdemu_copy_out(r, b->data + skip, n);
  if (error == 0) {
    control(s, r, b, flags);
    error = fds_name_tell(r, b->from);
  }
  if (!(flags & MSG_PEEK))
    fds_buf_free(b);
  fdemu_wake_one(&s->senders, FDS_OUT); /* after a look too, as on Linux */
  if (error < 0) {
    fdemu_rewind(r, 0);
    return error;
  }
  if (n < len - skip)
    r->arg |= MSG_TRUNC;
  move_peek_off(s, flags, len, n);
  return (int64_t)(flags & MSG_TRUNC ? len - skip : n);
}
