/* socket.h - sockets: what the files of this kind share */
#ifndef FDS_SOCKET_H
#define FDS_SOCKET_H

#include <sys/socket.h>

#include "fdemu_driver.h"

#define FDS_DEFAULT_BUF 212992        /* sysctl net.core.wmem_default */
#define FDS_MAX_BUF     (4096 * 1024) /* sysctl net.core.wmem_max */

#define FDS_IN  (POLLIN | POLLPRI | POLLRDNORM | POLLRDBAND)
#define FDS_OUT (POLLOUT | POLLWRNORM | POLLWRBAND)
#define FDS_ALL (FDS_IN | FDS_OUT | POLLERR | POLLHUP | POLLRDHUP)

/* struct fds_socket.shutdown: SHUT_RD + 1, SHUT_WR + 1 */
enum { FDS_NO_RECV = 1, FDS_NO_SEND = 2 };

/* A message, or a piece of a stream, that was sent and not yet received. */
struct fds_buf {
  struct fdemu_list link;  /* in the receiver's queue */
  struct fds_socket *from; /* a reference */
  unsigned room;           /* bytes that data[] has */
  unsigned charge;         /* what it takes of the sender's SO_SNDBUF */
  unsigned off, len;       /* what of it is still to be read */
  bool peeked;             /* by MSG_PEEK, if it is empty */
  char data[];
};

struct fds_socket {
  struct fdemu_inode inode;
  struct fds_socket *peer; /* NULL: none, or it is gone */
  struct fdemu_list queue; /* received */
  struct fds_buf *spare;   /* one that was used and is free */
  int type, protocol;
  bool connected; /* the peer may be gone */
  int shutdown;   /* FDS_NO_RECV, FDS_NO_SEND */
  int error;      /* SO_ERROR */
  unsigned sent;  /* charges of what this socket has sent and nobody received */
  int sndbuf, rcvbuf;
  int rcvlowat;
  int peek_off;               /* SO_PEEK_OFF; < 0: off */
  int64_t rcvtimeo, sndtimeo; /* ns; 0: for ever; < 0: not at all */
  int peer_pid;               /* SO_PEERCRED */
  uint64_t booleans;          /* SO_*: a bit for each that is on */
};

extern const struct fdemu_ops fds_ops;

static inline struct fds_socket *fds_of(const struct fdemu_file *f)
{
  return fdemu_entry(f->inode, struct fds_socket, inode);
}

/* The oldest, or what came after b; NULL: nothing. */
static inline struct fds_buf *fds_next(const struct fds_socket *s,
                                       const struct fds_buf *b)
{
  struct fdemu_list *n = b != NULL ? b->link.next : s->queue.next;

  return n == &s->queue ? NULL : fdemu_entry(n, struct fds_buf, link);
}

/* socket.c: what SO_ERROR would tell, once; 0 or -errno */
int fds_take_error(struct fds_socket *s);

/* socket_buf.c */
int64_t fds_may_send(struct fds_socket *s);
bool fds_writable(const struct fds_socket *s);
struct fds_buf *fds_buf_new(struct fds_socket *from, unsigned len,
                            unsigned pages);
void fds_buf_send(struct fds_socket *to, struct fds_buf *b);
void fds_buf_free(struct fds_buf *b);
void fds_buf_purge(struct fds_socket *s);

/* socket_stream.c, socket_packet.c: flags are MSG_* */
int64_t fds_stream_send(struct fds_socket *s, struct fdemu_req *r, int flags);
int64_t fds_stream_recv(struct fds_socket *s, struct fdemu_req *r, int flags);
int64_t fds_packet_send(struct fds_socket *s, struct fdemu_req *r, int flags);
int64_t fds_packet_recv(struct fds_socket *s, struct fdemu_req *r, int flags);

#endif
