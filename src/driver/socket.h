/* socket.h - sockets: what the files of this kind share */
#ifndef FDS_SOCKET_H
#define FDS_SOCKET_H

#include <sys/socket.h>

#include "fdemu_driver.h"

#define FDS_DEFAULT_BUF 212992        /* sysctl net.core.wmem_default */
#define FDS_MAX_BUF     (4096 * 1024) /* sysctl net.core.wmem_max */
#define FDS_MAX_BACKLOG 10            /* sysctl net.unix.max_dgram_qlen */

#define FDS_IN  (POLLIN | POLLPRI | POLLRDNORM | POLLRDBAND)
#define FDS_OUT (POLLOUT | POLLWRNORM | POLLWRBAND)
#define FDS_ALL (FDS_IN | FDS_OUT | POLLERR | POLLHUP | POLLRDHUP)

/* struct fds_socket.shutdown: SHUT_RD + 1, SHUT_WR + 1 */
enum { FDS_NO_RECV = 1, FDS_NO_SEND = 2 };

struct fds_flight; /* descriptors on their way, in one kernel */
struct fds_filter; /* a program that looks at messages: socket_filter.c */

/* Which times a receiver wants to see: socket_stamp.c. */
struct fds_stamp {
  int wanted; /* SO_TIMESTAMP, SO_TIMESTAMPNS */
  int flags;  /* SO_TIMESTAMPING */
};

/* Descriptors in a message, or about to be; each is a reference. */
struct fds_rights {
  struct fds_flight *flight;
  struct fds_rights *next; /* of those that are given back */
  bool creds;              /* the sender said who it is */
  unsigned n;
  struct fdemu_file *file[];
};

/* A message, or a piece of a stream, that was sent and not yet received. */
struct fds_buf {
  struct fdemu_list link;    /* in the receiver's queue */
  struct fds_socket *from;   /* a reference */
  unsigned room;             /* bytes that data[] has */
  unsigned charge;           /* what it takes of the sender's SO_SNDBUF */
  unsigned off, len;         /* what of it is still to be read */
  bool peeked;               /* by MSG_PEEK, if it is empty */
  int pid;                   /* who sent it; 0: it was not said */
  int64_t time;              /* when it was sent, in ns since 1970, or 0 */
  struct fds_rights *rights; /* or NULL */
  struct fdemu_list carrier; /* in the receiver's list of those with rights */
  char data[];
};

struct fds_socket {
  struct fdemu_inode inode;
  struct fdemu_attr attr;
  struct fds_socket *peer;    /* NULL: none, or it is gone */
  struct fdemu_list queue;    /* received */
  struct fdemu_list carriers; /* those of them that carry descriptors */
  struct fds_buf *urgent;     /* of those in queue: MSG_OOB, or NULL */
  struct fds_buf *spare;      /* one that was used and is free */
  int type, protocol;
  bool connected; /* the peer may be gone */
  int shutdown;   /* FDS_NO_RECV, FDS_NO_SEND */
  int error;      /* SO_ERROR */
  unsigned lost;  /* urgent bytes that were passed over; FIONREAD counts them */
  unsigned sent;  /* charges of what this socket has sent and nobody received */
  bool full;      /* that was too much for a sender who has O_ASYNC */
  bool awaited;   /* somebody began to wait for bytes when there was O_ASYNC */
  int sndbuf, rcvbuf;
  int rcvlowat;
  int peek_off;               /* SO_PEEK_OFF; < 0: off */
  bool inq;                   /* SO_INQ */
  int64_t rcvtimeo, sndtimeo; /* ns; 0: for ever; < 0: not at all */
  int peer_pid;               /* SO_PEERCRED */
  uint64_t booleans;          /* SO_*: a bit for each that is on */
  int priority, linger[2];    /* SO_PRIORITY, SO_LINGER: kept, no more */
  int64_t *kept;              /* likewise: socket_kept.c, or NULL */
  struct fds_stamp stamp;
  struct fds_filter *filter;      /* of what it receives, or NULL */
  struct fds_filter *peer_filter; /* that of a peer that is gone, or NULL */

  int name, peer_name;        /* socket_name.c: its own, that of a peer that is
                                 gone, or FDS_NO_NAME */
  struct fdemu_waitq senders; /* strangers who wait for room in queue */

  /* socket_rights.c */
  struct fdemu_file *file;
  struct fds_flight *flight;
  struct fdemu_list flying, todo; /* in lists of those on their way */
  int inflight;                   /* references to file that are on their way */
  int others; /* of these, those that sockets which are not garbage hold */
  bool garbage;
  bool circle; /* of garbage: in the end it carries itself */
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

/* What came before b; NULL: nothing. */
static inline struct fds_buf *fds_before(const struct fds_socket *s,
                                         const struct fds_buf *b)
{
  struct fdemu_list *n = b->link.prev;

  return n == &s->queue ? NULL : fdemu_entry(n, struct fds_buf, link);
}

/* socket.c: what SO_ERROR would tell, once; 0 or -errno */
int fds_take_error(struct fds_socket *s);
int fds_queued(const struct fds_socket *s);

/* socket_buf.c */
int64_t fds_may_send(struct fds_socket *s);
bool fds_writable(const struct fds_socket *s);
struct fds_buf *fds_buf_new(struct fds_socket *from, unsigned len,
                            unsigned pages);
void fds_buf_send(struct fdemu_proc *p, struct fds_socket *to,
                  struct fds_buf *b);
void fds_buf_free(struct fds_buf *b);
int fds_news(const struct fds_socket *s);
void fds_set_full(struct fds_socket *s);
void fds_set_awaited(struct fds_socket *s, bool on);
void fds_roomy(struct fds_socket *s);
void fds_buf_purge(struct fds_socket *s);
const char *fds_buf_check(const struct fdemu_file *f);

/* socket_kept.c */
#define FDS_LOOPBACK 1 /* the only device there is: its index */
int fds_device_of(const struct fds_socket *s);
bool fds_filter_locked(const struct fds_socket *s);
bool fds_passrights(const struct fds_socket *s);
int64_t fds_set_device(struct fds_socket *s, struct fdemu_req *r);
int64_t fds_set_kept(struct fds_socket *s, struct fdemu_req *r, int n);
int64_t fds_get_kept(const struct fds_socket *s, unsigned long option,
                     size_t room, void *v);
int64_t fds_lock_buffer(struct fds_socket *s, int which);

/* socket_rights.c */
struct fds_flight *fds_flight_of(struct fdemu_kernel *k);
struct fds_rights *fds_rights_new(struct fds_flight *l, unsigned max);
int fds_rights_attach(struct fdemu_proc *p, struct fds_rights *x,
                      struct fds_buf *b);
struct fds_rights *fds_rights_detach(struct fds_buf *b);
void fds_rights_free(struct fds_rights *x);
void fds_collect(struct fds_socket *s);

/* socket_control.c */
#define FDS_NO_SENDER (-1)
int fds_control_load(struct fds_socket *s, struct fdemu_req *r);
int fds_control_attach(struct fdemu_req *r, struct fds_buf *b);
void fds_control_creds(const struct fds_socket *s, struct fdemu_req *r,
                       int pid);
void fds_control_rights(struct fdemu_req *r, const struct fds_rights *x);
int64_t fds_control_end(struct fdemu_req *r, int64_t result);

void fds_control_store(struct fdemu_req *r, int type, const void *data,
                       size_t n);
void fds_control_label(const struct fds_socket *s, struct fdemu_req *r);

/* socket_filter.c */
#define FDS_MAX_FILTER 4096 /* operations */
bool fds_filter(const struct fds_filter *x, struct fds_buf *b);
int64_t fds_filter_attach(struct fds_socket *s, struct fdemu_req *r);
int64_t fds_filter_attach_group(const struct fds_socket *s,
                                struct fdemu_req *r);
int64_t fds_filter_detach(struct fds_socket *s);
int64_t fds_filter_get(const struct fds_socket *s, struct fdemu_req *r);

/* socket_stamp.c */
int64_t fds_set_stamp(struct fds_socket *s, struct fdemu_req *r, int n);
int64_t fds_get_stamp(const struct fds_socket *s, unsigned long option,
                      int v[2]);
void fds_stamp_sent(const struct fds_socket *s, struct fds_buf *b);
void fds_stamp_received(const struct fds_socket *s, struct fdemu_req *r,
                        struct fds_buf *b);

/* socket_name.c */
#define FDS_NO_NAME (-1)
int fds_name_bind(struct fds_socket *s);
void fds_name_unbind(struct fds_socket *s);
int64_t fds_name_find(const struct fds_socket *s, struct fdemu_req *r,
                      struct fds_socket **to);
int64_t fds_name_option(const struct fds_socket *s, size_t room, void *v);
int fds_name_tell(struct fdemu_req *r, const struct fds_socket *from);

/* socket_msg.c, socket_option.c, socket_name.c: struct fdemu_socket */
fdemu_method fds_send, fds_recv, fds_getsockopt, fds_setsockopt;
fdemu_method fds_getsockname, fds_getpeername;

/* NULL: f is none. */
static inline const struct fdemu_socket *
fds_methods_of(const struct fdemu_file *f)
{
  return f->inode->ops->socket;
}

/* socket_option.c */
#define FDS_INQ 84 /* SO_INQ, of Linux 6.17 */
static inline bool fds_passcred(const struct fds_socket *s)
{
  return (s->booleans >> SO_PASSCRED & 1) != 0;
}

/* socket_urgent.c */
void fds_urgent_set(struct fds_socket *s, struct fds_buf *b);
int64_t fds_urgent_recv(struct fds_socket *s, struct fdemu_req *r, int flags);
int64_t fds_urgent_ioctl(const struct fds_socket *s, struct fdemu_req *r);
struct fds_buf *fds_urgent_pass(struct fds_socket *s, struct fds_buf *b,
                                bool peek, bool some);

/* Where a recv(2) without MSG_OOB goes on that has come to b, and has some bytes
 * already; not to peek: what it passes over is gone. NULL: no further. */
static inline struct fds_buf *fds_pass(struct fds_socket *s, struct fds_buf *b,
                                       bool peek, bool some)
{
  return b->len > 0 && b != s->urgent ? b : fds_urgent_pass(s, b, peek, some);
}

/* socket_stream.c, socket_packet.c: flags are MSG_* */
int64_t fds_stream_send(struct fds_socket *s, struct fdemu_req *r, int flags);
int64_t fds_stream_recv(struct fds_socket *s, struct fdemu_req *r, int flags);
int64_t fds_packet_send(struct fds_socket *s, struct fdemu_req *r, int flags);
int64_t fds_packet_recv(struct fds_socket *s, struct fdemu_req *r, int flags);
struct fds_socket *fds_packet_target(struct fds_socket *s, struct fdemu_req *r);
struct fdemu_waitq *fds_packet_waitq(struct fds_socket *s, struct fdemu_req *r);

#endif
