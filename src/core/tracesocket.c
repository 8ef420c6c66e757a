/* tracesocket.c - how a trace shows what calls on sockets take */
#include <linux/filter.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "core/trace.h"

#define N FDE_N

static const struct fde_name socket_families[] = {
  N(AF_UNSPEC), N(AF_UNIX), N(AF_INET), N(AF_INET6), N(AF_NETLINK), { 0, NULL },
};

static const struct fde_name socket_types[] = {
  N(SOCK_STREAM), N(SOCK_DGRAM),     N(SOCK_RAW),
  N(SOCK_RDM),    N(SOCK_SEQPACKET), { 0, NULL },
};

static const struct fde_name socket_flags[] = {
  N(SOCK_CLOEXEC),
  N(SOCK_NONBLOCK),
  { 0, NULL },
};

static const struct fde_name msg_flags[] = {
  N(MSG_OOB),      N(MSG_PEEK),     N(MSG_DONTROUTE),    N(MSG_CTRUNC),
  N(MSG_TRUNC),    N(MSG_DONTWAIT), N(MSG_EOR),          N(MSG_WAITALL),
  N(MSG_NOSIGNAL), N(MSG_MORE),     N(MSG_CMSG_CLOEXEC), { 0, NULL },
};

static const struct fde_name socket_options[] = {
  N(SO_DEBUG),         N(SO_REUSEADDR),
  N(SO_TYPE),          N(SO_ERROR),
  N(SO_DONTROUTE),     N(SO_BROADCAST),
  N(SO_SNDBUF),        N(SO_RCVBUF),
  N(SO_KEEPALIVE),     N(SO_OOBINLINE),
  N(SO_PRIORITY),      N(SO_LINGER),
  N(SO_REUSEPORT),     N(SO_PASSCRED),
  N(SO_PEERCRED),      N(SO_RCVLOWAT),
  N(SO_SNDLOWAT),      N(SO_RCVTIMEO),
  N(SO_SNDTIMEO),      N(SO_ACCEPTCONN),
  N(SO_PROTOCOL),      N(SO_DOMAIN),
  N(SO_PEEK_OFF),      N(SO_PASSSEC),
  N(SO_TIMESTAMP),     N(SO_TIMESTAMPNS),
  N(SO_TIMESTAMPING),  N(SO_ATTACH_FILTER),
  N(SO_DETACH_FILTER), N(SO_LOCK_FILTER),
  N(SO_BINDTODEVICE),  N(SO_COOKIE),
  N(SO_NETNS_COOKIE),  { 83, "SO_PASSRIGHTS" },
  { 84, "SO_INQ" },    { 0, NULL },
};

static const struct fde_name control_types[] = {
  { SCM_RIGHTS, "SCM_RIGHTS" },
  { SCM_CREDENTIALS, "SCM_CREDENTIALS" },
  { SCM_TIMESTAMP, "SCM_TIMESTAMP" },
  { SCM_TIMESTAMPNS, "SCM_TIMESTAMPNS" },
  { SCM_TIMESTAMPING, "SCM_TIMESTAMPING" },
  { 84, "SCM_INQ" },
  { 0, NULL },
};

static const struct fde_name shutdown_hows[] = {
  N(SHUT_RD),
  N(SHUT_WR),
  N(SHUT_RDWR),
  { 0, NULL },
};

static void put_socket(struct fde_out *o, const struct fdemu_req *r)
{
  fde_print_name(o, socket_families, (unsigned long)r->arg);
  fde_print(o, ", ");
  fde_print_name(o, socket_types, r->cmd & 0xf);
  if (r->cmd & ~0xful) {
    fde_print(o, "|");
    fde_print_flags(o, socket_flags, r->cmd & ~0xful, "");
  }
  fde_print(o, ", ");
  fde_print_int(o, r->offset);
}

/* ---- sockets ---------------------------------------------------------- */

static void put_ucred(struct fde_out *o, const struct ucred *u)
{
  fde_print(o, "{pid=");
  fde_print_int(o, u->pid);
  fde_print(o, ", uid=");
  fde_print_int(o, u->uid);
  fde_print(o, ", gid=");
  fde_print_int(o, u->gid);
  fde_print(o, "}");
}

static void put_timeval(struct fde_out *o, const struct timeval *t,
                        const char *fraction)
{
  fde_print(o, "{tv_sec=");
  fde_print_int(o, t->tv_sec);
  fde_print(o, fraction);
  fde_print_int(o, t->tv_usec);
  fde_print(o, "}");
}

/* When it was sent. A struct timespec looks like a struct timeval. */
static void put_times(struct fde_out *o, const struct fdemu_req *r, int type,
                      const char *addr, size_t n)
{
  struct timeval t;

  fde_print(o, type == SCM_TIMESTAMPING ? "[" : "");
  for (size_t i = 0; i + sizeof t <= n; i += sizeof t) {
    fde_print(o, i > 0 ? ", " : "");
    if (fde_trace_load(r, &t, addr + i, sizeof t) == 0)
      put_timeval(o, &t, type == SCM_TIMESTAMP ? ", tv_usec=" : ", tv_nsec=");
    else
      fde_print(o, "?");
  }
  fde_print(o, type == SCM_TIMESTAMPING ? "]" : "");
}

/* The descriptors, who it is, or when, in a control message of n bytes. */
static void put_control_data(struct fde_out *o, const struct fdemu_req *r,
                             int type, const char *addr, size_t n)
{
  struct ucred u;
  int fd;

  if (type == SCM_CREDENTIALS && n == sizeof u &&
      fde_trace_load(r, &u, addr, n) == 0) {
    put_ucred(o, &u);
    return;
  }
  if (type == SCM_TIMESTAMP || type == SCM_TIMESTAMPNS ||
      type == SCM_TIMESTAMPING) {
    put_times(o, r, type, addr, n);
    return;
  }
  fde_print(o, "[");
  for (size_t i = 0; i + sizeof fd <= n; i += sizeof fd) {
    fde_print(o, i > 0 ? ", " : "");
    if (fde_trace_load(r, &fd, addr + i, sizeof fd) == 0)
      fde_print_int(o, fd);
    else
      fde_print(o, "?");
  }
  fde_print(o, "]");
}

static void put_control(struct fde_out *o, const struct fdemu_req *r)
{
  const char *base = r->msg->msg_control;
  size_t at = 0, n = r->msg->msg_controllen;
  struct cmsghdr h;

  fde_print(o, ", msg_control=[");
  while (at < n && n - at >= sizeof h &&
         fde_trace_load(r, &h, base + at, sizeof h) == 0) {
    if (h.cmsg_len < sizeof h || h.cmsg_len > n - at)
      break;
    fde_print(o, at > 0 ? ", {cmsg_len=" : "{cmsg_len=");
    fde_print_uint(o, h.cmsg_len, 10);
    fde_print(o, h.cmsg_level == SOL_SOCKET ? ", cmsg_level=SOL_SOCKET"
                                            : ", cmsg_level=?");
    fde_print(o, ", cmsg_type=");
    fde_print_name(o, control_types, (unsigned long)h.cmsg_type);
    fde_print(o, ", cmsg_data=");
    put_control_data(o, r, h.cmsg_type, base + at + sizeof h,
                     h.cmsg_len - sizeof h);
    fde_print(o, "}");
    at += CMSG_ALIGN(h.cmsg_len);
  }
  fde_print(o, "]");
}

/* A file's path, which ends before a zero byte; or another name, whose first byte
 * is one, and which strace shows as @. */
static void put_path(struct fde_out *o, const struct fdemu_req *r,
                     const char *path, size_t n)
{
  unsigned char s[sizeof((struct sockaddr_un *)0)->sun_path];
  size_t skip;

  n = n < sizeof s ? n : sizeof s;
  if (fde_trace_load(r, s, path, n) < 0)
    return;
  skip = s[0] == '\0' ? 1 : 0;
  if (skip == 0)
    n = strnlen((char *)s, n);
  fde_print(o, skip > 0 ? ", sun_path=@" : ", sun_path=");
  fde_print_string(o, s + skip, n - skip, false);
}

/* An address of n bytes. */
static void put_address(struct fde_out *o, const struct fdemu_req *r,
                        const char *addr, size_t n)
{
  sa_family_t family;

  if (addr == NULL || n < sizeof family ||
      fde_trace_load(r, &family, addr, sizeof family) < 0) {
    fde_print(o, addr == NULL ? "NULL" : "?");
    return;
  }
  fde_print(o, "{sa_family=");
  fde_print_name(o, socket_families, family);
  addr += sizeof family;
  n -= sizeof family;
  if (family == AF_UNIX && n > 0)
    put_path(o, r, addr, n);
  fde_print(o, "}");
}

/* msg_name, and how long it is: room for an answer, and the answer. */
static void put_name(struct fde_out *o, const struct fdemu_req *r,
                     const char *between)
{
  const struct msghdr *m = r->msg;
  const bool answer = !(r->call->flags & FDEMU_CALL_WRITE);
  size_t n = m->msg_namelen, room = answer ? r->room : n;

  put_address(o, r, n > 0 && (!answer || r->result >= 0) ? m->msg_name : NULL,
              n < room ? n : room);
  fde_print(o, between);
  fde_print_uint(o, room, 10);
  if (n != room && r->result >= 0) {
    fde_print(o, " => ");
    fde_print_uint(o, n, 10);
  }
}

/* The end of sendto(2) and recvfrom(2). */
static void put_peer(struct fde_out *o, const struct fdemu_req *r)
{
  bool sent = (r->call->flags & FDEMU_CALL_WRITE) != 0;

  if (r->msg == NULL || r->msg->msg_name == NULL)
    fde_print(o, sent ? "NULL, 0" : "NULL, NULL");
  else {
    put_name(o, r, sent ? ", " : ", [");
    fde_print(o, sent ? "" : "]");
  }
}

static void put_msghdr(struct fde_out *o, const struct fdemu_req *r)
{
  const struct msghdr *m = r->msg;
  bool known = r->call->flags & FDEMU_CALL_WRITE || r->result >= 0;

  if (m == NULL) {
    fde_print(o, r->buf.iov_base == NULL ? "NULL" : "?");
    return;
  }
  fde_print(o, "{msg_name=");
  put_name(o, r, ", msg_namelen=");
  fde_print(o, ", msg_iov=");
  if (r->iov != NULL)
    fde_print_iov(o, r);
  else
    fde_print(o, "?");
  fde_print(o, ", msg_iovlen=");
  fde_print_int(o, r->iovcnt);
  if (m->msg_control != NULL && m->msg_controllen > 0 && known)
    put_control(o, r);
  fde_print(o, ", msg_controllen=");
  fde_print_uint(o, m->msg_controllen, 10);
  fde_print(o, ", msg_flags=");
  fde_print_flags(o, msg_flags, known ? (unsigned)m->msg_flags : 0, "0");
  fde_print(o, "}");
}

static void put_option(struct fde_out *o, const struct fdemu_req *r)
{
  if (r->arg == SOL_SOCKET) {
    fde_print(o, "SOL_SOCKET, ");
    fde_print_name(o, socket_options, r->cmd);
    return;
  }
  fde_print_int(o, r->arg);
  fde_print(o, ", ");
  fde_print_uint(o, r->cmd, 10);
}

/* n bytes of an option: as an int unless it is known to be a struct. */
static void put_option_bytes(struct fde_out *o, const struct fdemu_req *r,
                             size_t n)
{
  union {
    int i;
    struct linger linger;
    struct ucred cred;
    struct timeval time;
    struct sock_fprog program;
  } u;

  if (n < sizeof u.i || n > sizeof u ||
      fde_trace_load(r, &u, r->buf.iov_base, n) < 0)
    fde_print(o, "?");
  else if (r->cmd == SO_PEERCRED && n == sizeof u.cred)
    put_ucred(o, &u.cred);
  else if (r->cmd == SO_LINGER && n == sizeof u.linger) {
    fde_print(o, "{l_onoff=");
    fde_print_int(o, u.linger.l_onoff);
    fde_print(o, ", l_linger=");
    fde_print_int(o, u.linger.l_linger);
    fde_print(o, "}");
  } else if (r->cmd == SO_ATTACH_FILTER && n == sizeof u.program) {
    fde_print(o, "{len=");
    fde_print_uint(o, u.program.len, 10);
    fde_print(o, ", filter=...}");
  } else if (n == sizeof u.time)
    put_timeval(o, &u.time, ", tv_usec=");
  else {
    fde_print(o, "[");
    fde_print_int(o, u.i);
    fde_print(o, "]");
  }
}

/* That of getsockopt(2) when it is known. */
static void put_option_value(struct fde_out *o, const struct fdemu_req *r)
{
  bool getting = strchr(r->call->args, '|') != NULL;
  bool known = r->buf.iov_base != NULL && (!getting || r->result >= 0);
  size_t n = getting && known ? r->done : r->buf.iov_len;

  if (known && getting && r->cmd == SO_ATTACH_FILTER)
    fde_print(o, "..."); /* n are not bytes */
  else if (known && r->cmd == SO_BINDTODEVICE)
    fde_print_bytes(o, r, r->buf.iov_base, n);
  else if (known)
    put_option_bytes(o, r, n);
  else
    fde_print(o, "?");
  fde_print(o, getting && known ? ", [" : ", ");
  fde_print_uint(o, n, 10);
  fde_print(o, getting && known ? "]" : "");
}

static void put_sockname(struct fde_out *o, const struct fdemu_req *r)
{
  if (r->result < 0) {
    fde_print(o, "?, ?");
    return;
  }
  put_address(o, r, r->buf.iov_base,
              (size_t)r->offset < r->buf.iov_len ? (size_t)r->offset
                                                 : r->buf.iov_len);
  fde_print(o, ", [");
  fde_print_uint(o, r->buf.iov_len, 10);
  if (r->offset != (int64_t)r->buf.iov_len) {
    fde_print(o, " => ");
    fde_print_int(o, r->offset);
  }
  fde_print(o, "]");
}

/* ---- words ------------------------------------------------------------ */

const struct fde_word fde_socket_words[] = {
  { "socket", .put = put_socket },
  { "how", .names = shutdown_hows },
  { "msg_flags", .names = msg_flags, .none = "0" },
  { "msghdr", .put = put_msghdr },
  { "peer", .put = put_peer },
  { "sockopt", .put = put_option },
  { "sockopt_value", .put = put_option_value },
  { "sockname", .put = put_sockname },
  { .word = NULL },
};
