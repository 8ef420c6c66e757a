/*
 * trace.c - calls in strace(1)'s format
 *
 * struct fdemu_call.args has a letter for each argument; what follows a "|" is
 * known only after the call, and what follows a "=" comes after the result. f: r->fd; d: r->arg; c: close_range(2) flags; b: bytes in
 * r->buf; s: their length; v: bytes in r->iov; n: how many; o: r->offset; w:
 * whence; p: path; O: open(2) flags; G: some of these; m: mode; F: fcntl command and
 * argument; i: ioctl request and argument; S: struct stat; P: struct pollfd[];
 * T: timeout in ms; R: what is ready of P; 2: two descriptors; W: a wait status;
 * 1: -1; 0: 0; N: NULL; e: eventfd2(2) flags; C: clock; t: timerfd_create(2)
 * flags; A: timerfd_settime(2) flags; I, J: new and old itimerspec; K: one that was asked for; q:
 * nfds of select(2); x, y, z: its sets; E: its timeout; Q: what is ready; Y: epoll_create1(2) flags; X: epoll_ctl(2)
 * operation; V: its struct epoll_event; L: those that were reported; U: timeout
 * as a struct timespec; 8: 8; l: flock(2) operation; B: family, type
 * and protocol of a socket; H: shutdown(2) how; g: MSG_* flags; M: struct msghdr; D: level and name of a
 * socket option; u: its value and size; k: a socket's name and its size;
 * @: r->fd as a directory; j: r->arg likewise; r: path2; #: mode; !: mknod(2)
 * mode and device; a: access(2) mode; Z: AT_* flags; ~: RENAME_* flags; h: two
 * times or NULL; $: how many names;

 * 3: memfd_create(2) flags; 4: fallocate(2) mode; 5: advice; 6: sync_file_range(2) flags; <, >: offsets of what is
 * read and written; %: splice(2) flags.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/fs.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "core/kernel.h"

#define SHOWN 32 /* bytes of a string, as strace */

struct out {
  char *buf;
  size_t size, len;
};

static void put_mem(struct out *o, const char *s, size_t n)
{
  for (; n > 0 && o->len + 1 < o->size; n--)
    o->buf[o->len++] = *s++;
}

static void put(struct out *o, const char *s)
{
  put_mem(o, s, strlen(s));
}

static void put_uint(struct out *o, uint64_t n, unsigned base)
{
  char digits[24];
  size_t i = sizeof digits;

  do
    digits[--i] = "0123456789abcdef"[n % base];
  while ((n /= base) > 0);
  put_mem(o, digits + i, sizeof digits - i);
}

static void put_int(struct out *o, int64_t n)
{
  if (n < 0)
    put(o, "-");
  put_uint(o, n < 0 ? 0 - (uint64_t)n : (uint64_t)n, 10);
}

static void put_hex(struct out *o, uint64_t n)
{
  put(o, n != 0 ? "0x" : "");
  put_uint(o, n, 16);
}

/* ---- names ------------------------------------------------------------ */

struct name {
  unsigned long value;
  const char *name;
};

#define N(x) \
  { \
    (unsigned long)(x), #x \
  }

static const struct name open_flags[] = {
  N(O_CREAT),    N(O_EXCL),
  N(O_NOCTTY),   N(O_TRUNC),
  N(O_APPEND),   N(O_NONBLOCK),
  N(O_SYNC),     N(O_DSYNC),
  N(O_DIRECT),   { 0100000, "O_LARGEFILE" },
  N(O_NOFOLLOW), N(O_NOATIME),
  N(O_CLOEXEC),  N(O_PATH),
  N(O_TMPFILE),  N(O_DIRECTORY),
  N(FASYNC),     { 0, NULL },
};

static const struct name poll_events[] = {
  N(POLLIN),   N(POLLPRI),    N(POLLOUT),    N(POLLERR),    N(POLLHUP),
  N(POLLNVAL), N(POLLRDNORM), N(POLLRDBAND), N(POLLWRNORM), N(POLLWRBAND),
  N(POLLMSG),  N(POLLRDHUP),  { 0, NULL },
};

static const struct name fcntl_commands[] = {
  N(F_DUPFD),      N(F_GETFD),         N(F_SETFD),      N(F_GETFL),
  N(F_SETFL),      N(F_GETLK),         N(F_SETLK),      N(F_SETLKW),
  N(F_SETOWN),     N(F_GETOWN),        N(F_OFD_GETLK),  N(F_OFD_SETLK),
  N(F_OFD_SETLKW), N(F_DUPFD_CLOEXEC), N(F_SETPIPE_SZ), N(F_GETPIPE_SZ),
  N(F_SETSIG),     N(F_GETSIG),        N(F_SETOWN_EX),  N(F_GETOWN_EX),
  N(F_SETLEASE),   N(F_GETLEASE),      N(F_NOTIFY),     N(F_ADD_SEALS),
  N(F_GET_SEALS),  { 0, NULL },
};

static const struct name fd_flags[] = {
  N(FD_CLOEXEC),
  { 0, NULL },
};

static const struct name close_range_flags[] = {
  N(CLOSE_RANGE_UNSHARE),
  N(CLOSE_RANGE_CLOEXEC),
  { 0, NULL },
};

static const struct name socket_families[] = {
  N(AF_UNSPEC), N(AF_UNIX), N(AF_INET), N(AF_INET6), N(AF_NETLINK), { 0, NULL },
};

static const struct name socket_types[] = {
  N(SOCK_STREAM), N(SOCK_DGRAM),     N(SOCK_RAW),
  N(SOCK_RDM),    N(SOCK_SEQPACKET), { 0, NULL },
};

static const struct name socket_flags[] = {
  N(SOCK_CLOEXEC),
  N(SOCK_NONBLOCK),
  { 0, NULL },
};

static const struct name msg_flags[] = {
  N(MSG_OOB),      N(MSG_PEEK),     N(MSG_DONTROUTE),    N(MSG_CTRUNC),
  N(MSG_TRUNC),    N(MSG_DONTWAIT), N(MSG_EOR),          N(MSG_WAITALL),
  N(MSG_NOSIGNAL), N(MSG_MORE),     N(MSG_CMSG_CLOEXEC), { 0, NULL },
};

static const struct name socket_options[] = {
  N(SO_DEBUG),     N(SO_REUSEADDR), N(SO_TYPE),     N(SO_ERROR),
  N(SO_DONTROUTE), N(SO_BROADCAST), N(SO_SNDBUF),   N(SO_RCVBUF),
  N(SO_KEEPALIVE), N(SO_OOBINLINE), N(SO_PRIORITY), N(SO_LINGER),
  N(SO_REUSEPORT), N(SO_PASSCRED),  N(SO_PEERCRED), N(SO_RCVLOWAT),
  N(SO_SNDLOWAT),  N(SO_RCVTIMEO),  N(SO_SNDTIMEO), N(SO_ACCEPTCONN),
  N(SO_PROTOCOL),  N(SO_DOMAIN),    N(SO_PEEK_OFF), { 0, NULL },
};

static const struct name control_types[] = {
  { SCM_RIGHTS, "SCM_RIGHTS" },
  { SCM_CREDENTIALS, "SCM_CREDENTIALS" },
  { 0, NULL },
};

static const struct name shutdown_hows[] = {
  N(SHUT_RD),
  N(SHUT_WR),
  N(SHUT_RDWR),
  { 0, NULL },
};

static const struct name eventfd_flags[] = {
  N(EFD_SEMAPHORE),
  N(EFD_CLOEXEC),
  N(EFD_NONBLOCK),
  { 0, NULL },
};

static const struct name timerfd_flags[] = {
  N(TFD_CLOEXEC),
  N(TFD_NONBLOCK),
  { 0, NULL },
};

static const struct name settime_flags[] = {
  N(TFD_TIMER_ABSTIME),
  N(TFD_TIMER_CANCEL_ON_SET),
  { 0, NULL },
};

static const struct name advices[] = {
  N(POSIX_FADV_NORMAL),
  N(POSIX_FADV_RANDOM),
  N(POSIX_FADV_SEQUENTIAL),
  N(POSIX_FADV_WILLNEED),
  N(POSIX_FADV_DONTNEED),
  N(POSIX_FADV_NOREUSE),
  { 0, NULL },
};

static const struct name memfd_flags[] = {
  N(MFD_CLOEXEC),     N(MFD_ALLOW_SEALING), { 8, "MFD_NOEXEC_SEAL" },
  { 16, "MFD_EXEC" }, { 0, NULL },
};

static const struct name fallocate_flags[] = {
  N(FALLOC_FL_KEEP_SIZE),
  N(FALLOC_FL_PUNCH_HOLE),
  N(FALLOC_FL_COLLAPSE_RANGE),
  N(FALLOC_FL_ZERO_RANGE),
  N(FALLOC_FL_INSERT_RANGE),
  N(FALLOC_FL_UNSHARE_RANGE),
  { 0, NULL },
};

static const struct name sync_range_flags[] = {
  N(SYNC_FILE_RANGE_WAIT_BEFORE),
  N(SYNC_FILE_RANGE_WRITE),
  N(SYNC_FILE_RANGE_WAIT_AFTER),
  { 0, NULL },
};

static const struct name clocks[] = {
  N(CLOCK_REALTIME),       N(CLOCK_MONOTONIC),      N(CLOCK_BOOTTIME),
  N(CLOCK_REALTIME_ALARM), N(CLOCK_BOOTTIME_ALARM), { 0, NULL },
};

static const struct name flock_operations[] = {
  N(LOCK_SH), N(LOCK_EX), N(LOCK_UN), N(LOCK_NB), { 0, NULL },
};

static const struct name at_flags[] = {
  N(AT_SYMLINK_NOFOLLOW), { AT_EACCESS, "AT_EACCESS" },
  N(AT_SYMLINK_FOLLOW),   N(AT_NO_AUTOMOUNT),
  N(AT_EMPTY_PATH),       { 0, NULL },
};

/* AT_EACCESS has the same value. */
static const struct name unlink_flags[] = {
  N(AT_REMOVEDIR),
  { 0, NULL },
};

static const struct name rename_flags[] = {
  N(RENAME_NOREPLACE),
  N(RENAME_EXCHANGE),
  N(RENAME_WHITEOUT),
  { 0, NULL },
};

static const struct name access_modes[] = {
  N(R_OK),
  N(W_OK),
  N(X_OK),
  { 0, NULL },
};

static const struct name epoll_flags[] = {
  N(EPOLL_CLOEXEC),
  { 0, NULL },
};

static const struct name epoll_operations[] = {
  N(EPOLL_CTL_ADD),
  N(EPOLL_CTL_DEL),
  N(EPOLL_CTL_MOD),
  { 0, NULL },
};

/* In strace's order. */
static const struct name epoll_events[] = {
  N(EPOLLIN),     N(EPOLLPRI),     N(EPOLLOUT),
  N(EPOLLRDNORM), N(EPOLLRDBAND),  N(EPOLLWRNORM),
  N(EPOLLWRBAND), N(EPOLLMSG),     N(EPOLLERR),
  N(EPOLLHUP),    N(EPOLLRDHUP),   N(EPOLLEXCLUSIVE),
  N(EPOLLWAKEUP), N(EPOLLONESHOT), { 1u << 31, "EPOLLET" },
  { 0, NULL },
};

static const struct name whences[] = {
  N(SEEK_SET),  N(SEEK_CUR),  N(SEEK_END),
  N(SEEK_DATA), N(SEEK_HOLE), { 0, NULL },
};

static const struct name lock_types[] = {
  N(F_RDLCK),
  N(F_WRLCK),
  N(F_UNLCK),
  { 0, NULL },
};

static const struct name splice_flags[] = {
  N(SPLICE_F_MOVE), N(SPLICE_F_NONBLOCK), N(SPLICE_F_MORE),
  N(SPLICE_F_GIFT), { 0, NULL },
};

static const char *lookup(const struct name *names, unsigned long value)
{
  for (; names->name != NULL; names++)
    if (names->value == value)
      return names->name;
  return NULL;
}

/* How many bytes the first names have in common: "CLOCK_". */
static size_t prefix(const struct name *names)
{
  const char *a = names[0].name, *b = names[1].name;
  size_t n = 0;

  if (b == NULL)
    return (size_t)(strrchr(a, '_') + 1 - a);
  while (a[n] != '\0' && a[n] == b[n])
    n++;
  return n;
}

/* A number without a name: 0x4d, and CLOCK_??? as a comment. */
static void put_unknown(struct out *o, const struct name *names,
                        unsigned long value)
{
  put_hex(o, value);
  put(o, " /* ");
  put_mem(o, names->name, prefix(names));
  put(o, "??? */");
}

static void put_name(struct out *o, const struct name *names,
                     unsigned long value)
{
  const char *name = lookup(names, value);

  if (name != NULL)
    put(o, name);
  else
    put_unknown(o, names, value);
}

/* A|B|0x80: a flag with several bits counts when all of them are there. */
static void put_flags(struct out *o, const struct name *names,
                      unsigned long value, const char *none)
{
  const struct name *n;
  bool any = false;

  for (n = names; n->name != NULL; n++) {
    if ((value & n->value) != n->value)
      continue;
    put(o, any ? "|" : "");
    put(o, n->name);
    value &= ~n->value;
    any = true;
  }
  if (value != 0 && !any)
    put_unknown(o, names, value);
  else if (value != 0) {
    put(o, "|");
    put_hex(o, value);
  } else if (!any)
    put(o, none);
}

static void put_socket(struct out *o, const struct fdemu_req *r)
{
  put_name(o, socket_families, (unsigned long)r->arg);
  put(o, ", ");
  put_name(o, socket_types, r->cmd & 0xf);
  if (r->cmd & ~0xful) {
    put(o, "|");
    put_flags(o, socket_flags, r->cmd & ~0xful, "");
  }
  put(o, ", ");
  put_int(o, r->offset);
}

static void put_open_flags(struct out *o, unsigned long flags)
{
  static const char *const modes[] = { "O_RDONLY", "O_WRONLY", "O_RDWR",
                                       "O_ACCMODE" };

  put(o, modes[flags & O_ACCMODE]);
  flags &= ~(unsigned long)O_ACCMODE;
  for (const struct name *n = open_flags; n->name != NULL; n++)
    if (flags != 0 && (flags & n->value) == n->value) {
      put(o, "|");
      put(o, n->name);
      flags &= ~n->value;
    }
  if (flags != 0) {
    put(o, "|");
    put_hex(o, flags);
  }
}

/* ---- arguments -------------------------------------------------------- */

static void put_char(struct out *o, unsigned char c, unsigned char next)
{
  static const char escapes[] = "\"\"\\\\\nn\tt\rr\vv\ff";

  for (const char *e = escapes; *e != '\0'; e += 2)
    if (c == (unsigned char)*e) {
      put_mem(o, "\\", 1);
      put_mem(o, e + 1, 1);
      return;
    }
  if (c >= ' ' && c < 0x7f) {
    put_mem(o, (const char *)&c, 1);
    return;
  }
  put(o, "\\");
  if (next >= '0' && next <= '7') { /* a digit would belong to the escape */
    put_uint(o, c >> 6, 8);
    put_uint(o, c >> 3 & 7, 8);
    put_uint(o, c & 7, 8);
  } else
    put_uint(o, c, 8);
}

static void put_string(struct out *o, const unsigned char *s, size_t n,
                       bool more)
{
  put(o, "\"");
  for (size_t i = 0; i < n; i++)
    put_char(o, s[i], i + 1 < n ? s[i + 1] : 0);
  put(o, more ? "\"..." : "\"");
}

static int load(const struct fdemu_req *r, void *dst, const void *addr,
                size_t n)
{
  if (r->mem != NULL)
    return r->mem->load(r->mem, dst, addr, n);
  memcpy(dst, addr, n);
  return 0;
}

static void put_bytes(struct out *o, const struct fdemu_req *r,
                      const void *addr, size_t n)
{
  unsigned char s[SHOWN];
  size_t shown = n < SHOWN ? n : SHOWN;

  if (n > 0 && (addr == NULL || load(r, s, addr, shown) < 0))
    put(o, "?");
  else
    put_string(o, s, shown, n > shown);
}

/* Whether r's bytes are known: those of a read that failed are not. */
static bool has_bytes(const struct fdemu_req *r)
{
  return r->call->flags & FDEMU_CALL_WRITE || r->result >= 0;
}

/* The bytes that a read has moved, or that a write has to. */
static size_t shown_bytes(const struct fdemu_req *r)
{
  if (r->call->flags & FDEMU_CALL_WRITE)
    return SIZE_MAX;
  return r->result > 0 ? (size_t)r->result : 0;
}

static void put_data(struct out *o, const struct fdemu_req *r)
{
  size_t n = r->buf.iov_len, shown = shown_bytes(r);

  if (n > 0 && !has_bytes(r))
    put(o, "?");
  else
    put_bytes(o, r, r->buf.iov_base, n < shown ? n : shown);
}

static void put_iov(struct out *o, const struct fdemu_req *r)
{
  size_t left = shown_bytes(r);

  put(o, "[");
  for (int i = 0; i < r->iovcnt && i < FDE_IOV_MAX; i++) {
    size_t n = r->iov[i].iov_len;
    put(o, i > 0 ? ", {iov_base=" : "{iov_base=");
    if (n > 0 && !has_bytes(r))
      put(o, "?");
    else
      put_bytes(o, r, r->iov[i].iov_base, n < left ? n : left);
    left -= n < left ? n : left;
    put(o, ", iov_len=");
    put_uint(o, n, 10);
    put(o, "}");
  }
  put(o, "]");
}

/* ---- sockets ---------------------------------------------------------- */

/* The descriptors, or who it is, in a control message of n bytes. */
static void put_control_data(struct out *o, const struct fdemu_req *r, int type,
                             const char *addr, size_t n)
{
  struct ucred u;
  int fd;

  if (type == SCM_CREDENTIALS && n == sizeof u && load(r, &u, addr, n) == 0) {
    put(o, "{pid=");
    put_int(o, u.pid);
    put(o, ", uid=");
    put_int(o, u.uid);
    put(o, ", gid=");
    put_int(o, u.gid);
    put(o, "}");
    return;
  }
  put(o, "[");
  for (size_t i = 0; i + sizeof fd <= n; i += sizeof fd) {
    put(o, i > 0 ? ", " : "");
    if (load(r, &fd, addr + i, sizeof fd) == 0)
      put_int(o, fd);
    else
      put(o, "?");
  }
  put(o, "]");
}

static void put_control(struct out *o, const struct fdemu_req *r)
{
  const char *base = r->msg->msg_control;
  size_t at = 0, n = r->msg->msg_controllen;
  struct cmsghdr h;

  put(o, ", msg_control=[");
  while (at < n && n - at >= sizeof h &&
         load(r, &h, base + at, sizeof h) == 0) {
    if (h.cmsg_len < sizeof h || h.cmsg_len > n - at)
      break;
    put(o, at > 0 ? ", {cmsg_len=" : "{cmsg_len=");
    put_uint(o, h.cmsg_len, 10);
    put(o, h.cmsg_level == SOL_SOCKET ? ", cmsg_level=SOL_SOCKET"
                                      : ", cmsg_level=?");
    put(o, ", cmsg_type=");
    put_name(o, control_types, (unsigned long)h.cmsg_type);
    put(o, ", cmsg_data=");
    put_control_data(o, r, h.cmsg_type, base + at + sizeof h,
                     h.cmsg_len - sizeof h);
    put(o, "}");
    at += CMSG_ALIGN(h.cmsg_len);
  }
  put(o, "]");
}

static void put_msghdr(struct out *o, const struct fdemu_req *r)
{
  const struct msghdr *m = r->msg;
  bool known = r->call->flags & FDEMU_CALL_WRITE || r->result >= 0;

  if (m == NULL) {
    put(o, "NULL");
    return;
  }
  put(o, "{msg_name=NULL, msg_namelen=0, msg_iov=");
  if (r->iov != NULL)
    put_iov(o, r);
  else
    put(o, "?");
  put(o, ", msg_iovlen=");
  put_int(o, r->iovcnt);
  if (m->msg_control != NULL && m->msg_controllen > 0 && known)
    put_control(o, r);
  put(o, ", msg_controllen=");
  put_uint(o, m->msg_controllen, 10);
  put(o, ", msg_flags=");
  put_flags(o, msg_flags, known ? (unsigned)m->msg_flags : 0, "0");
  put(o, "}");
}

static void put_option(struct out *o, const struct fdemu_req *r)
{
  if (r->arg == SOL_SOCKET) {
    put(o, "SOL_SOCKET, ");
    put_name(o, socket_options, r->cmd);
    return;
  }
  put_int(o, r->arg);
  put(o, ", ");
  put_uint(o, r->cmd, 10);
}

/* As an int, whatever it is; of getsockopt(2) when it is known. */
static void put_option_value(struct out *o, const struct fdemu_req *r)
{
  bool getting = strchr(r->call->args, '|') != NULL;
  size_t n = getting ? r->done : r->buf.iov_len;
  int value;

  if (n >= sizeof value && r->buf.iov_base != NULL &&
      (!getting || r->result >= 0) &&
      load(r, &value, r->buf.iov_base, sizeof value) == 0) {
    put(o, "[");
    put_int(o, value);
    put(o, getting ? "], [" : "], ");
    put_uint(o, n, 10);
    put(o, getting ? "]" : "");
  } else {
    put(o, "?, ");
    put_uint(o, r->buf.iov_len, 10);
  }
}

static void put_sockname(struct out *o, const struct fdemu_req *r)
{
  if (r->result < 0) {
    put(o, "?, ?");
    return;
  }
  put(o, "{sa_family=AF_UNIX}, [");
  put_uint(o, r->buf.iov_len, 10);
  put(o, " => ");
  put_int(o, r->offset);
  put(o, "]");
}

static struct pollfd pollfd_at(const struct fdemu_req *r, size_t i)
{
  struct pollfd p = { .fd = -1 };

  load(r, &p, (const char *)r->buf.iov_base + i * sizeof p, sizeof p);
  return p;
}

static void put_pollfds(struct out *o, const struct fdemu_req *r)
{
  size_t n = r->buf.iov_len / sizeof(struct pollfd);

  put(o, "[");
  for (size_t i = 0; i < n; i++) {
    struct pollfd p = pollfd_at(r, i);
    put(o, i > 0 ? ", {fd=" : "{fd=");
    put_int(o, p.fd);
    if (p.fd >= 0) {
      put(o, ", events=");
      put_flags(o, poll_events, (unsigned short)p.events, "0");
    }
    put(o, "}");
  }
  put(o, "]");
}

static void put_revents(struct out *o, const struct fdemu_req *r)
{
  size_t n = r->buf.iov_len / sizeof(struct pollfd);
  const char *separator = " ([{fd=";

  if (r->result == 0)
    put(o, " (Timeout)");
  if (r->result <= 0)
    return;
  for (size_t i = 0; i < n; i++) {
    struct pollfd p = pollfd_at(r, i);
    if (p.revents == 0)
      continue;
    put(o, separator);
    put_int(o, p.fd);
    put(o, ", revents=");
    put_flags(o, poll_events, (unsigned short)p.revents, "0");
    separator = "}, {fd=";
  }
  put(o, "}])");
}

static void put_epoll_event(struct out *o, const struct fdemu_req *r, size_t i)
{
  struct epoll_event ev;
  const char *addr = r->buf.iov_base;

  if (addr == NULL) {
    put(o, "NULL");
    return;
  }
  if (load(r, &ev, addr + i * sizeof ev, sizeof ev) < 0) {
    put(o, "?");
    return;
  }
  put(o, "{events=");
  put_flags(o, epoll_events, ev.events, "0");
  put(o, ", data={u32=");
  put_uint(o, ev.data.u32, 10);
  put(o, ", u64=");
  put_uint(o, ev.data.u64, 10);
  put(o, "}}");
}

static void put_epoll_events(struct out *o, const struct fdemu_req *r)
{
  if (r->result < 0) {
    put(o, "?");
    return;
  }
  put(o, "[");
  for (size_t i = 0; i < (size_t)r->result; i++) {
    put(o, i > 0 ? ", " : "");
    put_epoll_event(o, r, i);
  }
  put(o, "]");
}

static void put_timespec(struct out *o, const struct timespec *ts)
{
  put(o, "{tv_sec=");
  put_int(o, ts->tv_sec);
  put(o, ", tv_nsec=");
  put_int(o, ts->tv_nsec);
  put(o, "}");
}

static void put_ns(struct out *o, int64_t ns)
{
  struct timespec ts = { ns / 1000000000, ns % 1000000000 };

  put_timespec(o, &ts);
}

static void put_itimerspec(struct out *o, const struct fdemu_req *r, size_t i,
                           bool known)
{
  const size_t size = sizeof(struct itimerspec);
  struct itimerspec it;

  if (r->buf.iov_len < (i + 1) * size) {
    put(o, "NULL");
    return;
  }
  if (!known || r->buf.iov_base == NULL ||
      load(r, &it, (const char *)r->buf.iov_base + i * size, size) < 0) {
    put(o, "?");
    return;
  }
  put(o, "{it_interval=");
  put_timespec(o, &it.it_interval);
  put(o, ", it_value=");
  put_timespec(o, &it.it_value);
  put(o, "}");
}

/* The descriptors of a select() that are, or were found, in a set. */
static bool put_set(struct out *o, const struct fdemu_req *r, int set,
                    bool found, const char *before)
{
  size_t n = r->buf.iov_len / sizeof(struct pollfd);
  bool any = false;

  for (size_t i = 0; i < n; i++) {
    struct pollfd p = pollfd_at(r, i);
    if (!((found ? p.revents : p.events) & set))
      continue;
    put(o, any ? " " : before);
    put_int(o, p.fd);
    any = true;
  }
  if (any)
    put(o, "]");
  else if (!found)
    put(o, "NULL");
  return any;
}

static int highest_fd(const struct fdemu_req *r)
{
  int max = -1;

  for (size_t i = 0; i < r->buf.iov_len / sizeof(struct pollfd); i++)
    if (pollfd_at(r, i).fd > max)
      max = pollfd_at(r, i).fd;
  return max;
}

static void put_selected(struct out *o, const struct fdemu_req *r)
{
  bool any;

  if (r->result == 0)
    put(o, " (Timeout)");
  if (r->result <= 0)
    return;
  any = put_set(o, r, POLLIN, true, " (in [");
  any |= put_set(o, r, POLLOUT, true, any ? ", out [" : " (out [");
  put_set(o, r, POLLPRI, true, any ? ", except [" : " (except [");
  if (r->timeout >= 0) {
    put(o, ", left ");
    put_ns(o, r->retry ? r->timer.when - r->proc->kernel->now : r->timeout);
  }
  put(o, ")");
}

/* The offset that a call which moves bytes was given; sendfile's also as it is
 * now. It has moved on by what is the result. */
static void put_offset(struct out *o, const struct fdemu_req *r, int i)
{
  int64_t pos, moved = r->result > 0 ? r->result : 0;
  const void *addr = i < r->iovcnt ? r->iov[i].iov_base : NULL;

  if (addr == NULL || load(r, &pos, addr, sizeof pos) < 0) {
    put(o, addr == NULL ? "NULL" : "?");
    return;
  }
  put(o, "[");
  put_int(o, pos - moved);
  if (r->iovcnt == 1 && moved > 0) {
    put(o, "] => [");
    put_int(o, pos);
  }
  put(o, "]");
}

static void put_timeout(struct out *o, const struct fdemu_req *r)
{
  if (r->timeout < 0)
    put(o, "NULL");
  else
    put_ns(o, r->timeout);
}

/* F_GETLK's is shown as it was answered. */
static void put_flock(struct out *o, const struct fdemu_req *r, bool asks)
{
  struct flock fl;

  if (r->buf.iov_base == NULL || load(r, &fl, r->buf.iov_base, sizeof fl) < 0) {
    put(o, r->buf.iov_base == NULL ? "NULL" : "?");
    return;
  }
  put(o, "{l_type=");
  put_name(o, lock_types, (unsigned short)fl.l_type);
  put(o, ", l_whence=");
  put_name(o, whences, (unsigned short)fl.l_whence);
  put(o, ", l_start=");
  put_int(o, fl.l_start);
  put(o, ", l_len=");
  put_int(o, fl.l_len);
  if (asks) {
    put(o, ", l_pid=");
    put_int(o, fl.l_pid);
  }
  put(o, "}");
}

static void put_fcntl(struct out *o, const struct fdemu_req *r)
{
  put_name(o, fcntl_commands, r->cmd);
  switch (r->cmd) {
  case F_GETFD:
  case F_GETFL:
  case F_GETPIPE_SZ:
  case F_GETSIG:
  case F_GETLEASE:
  case F_GET_SEALS:
  case F_GETOWN: return;
  default: put(o, ", ");
  }
  switch (r->cmd) {
  case F_SETFL: put_open_flags(o, (unsigned long)r->arg); break;
  case F_SETFD: put_flags(o, fd_flags, (unsigned)r->arg, "0"); break;
  case F_GETLK:
  case F_OFD_GETLK: put_flock(o, r, r->result >= 0); break;
  case F_SETLK:
  case F_SETLKW:
  case F_OFD_SETLK:
  case F_OFD_SETLKW: put_flock(o, r, false); break;
  default:
    if (lookup(fcntl_commands, r->cmd) != NULL)
      put_int(o, r->arg);
    else
      put_hex(o, (uint64_t)r->arg);
  }
}

static void put_request(struct out *o, const struct fdemu_req *r)
{
  static const char *const dirs[] = { "_IOC_NONE", "_IOC_WRITE", "_IOC_READ",
                                      "_IOC_READ|_IOC_WRITE" };
  unsigned long cmd = r->cmd;
  int arg;
  const char *name = fde_request_name(r->proc->kernel, cmd, &arg);

  if (name != NULL) {
    put(o, name);
    if (arg >= 0) {
      put(o, "(");
      put_int(o, arg);
      put(o, ")");
    }
    return;
  }
  put(o, "_IOC(");
  put(o, dirs[_IOC_DIR(cmd)]);
  put(o, ", ");
  put_hex(o, _IOC_TYPE(cmd));
  put(o, ", ");
  put_hex(o, _IOC_NR(cmd));
  put(o, ", ");
  put_hex(o, _IOC_SIZE(cmd));
  put(o, ")");
}

/* An int that was asked for is shown as strace does, an address never. */
static void put_ioctl(struct out *o, const struct fdemu_req *r)
{
  int n;

  put_request(o, r);
  if (r->buf.iov_base == NULL)
    return;
  if ((r->cmd == FIONREAD && r->result >= 0) || r->cmd == FIONBIO) {
    if (load(r, &n, r->buf.iov_base, sizeof n) == 0) {
      put(o, ", [");
      put_int(o, n);
      put(o, "]");
    }
  } else if (r->iovcnt < 0 && (r->done == 0 || r->result < 0)) {
    put(o, ", "); /* the argument is the number itself */
    if (r->arg == 0)
      put(o, "0");
    else
      put_hex(o, (uint64_t)r->arg);
  } else if (r->iovcnt < 0 && load(r, &n, r->buf.iov_base, sizeof n) == 0) {
    put(o, ", [");
    put_int(o, n);
    put(o, "]");
  } else if (r->buf.iov_len != SIZE_MAX) {
    put(o, ", ");
    put_bytes(o, r, r->buf.iov_base, r->buf.iov_len);
  }
}

/* S_ISUID|0755 */
static void put_mode(struct out *o, mode_t mode)
{
  static const struct name bits[] = {
    N(S_ISUID), N(S_ISGID), N(S_ISVTX), { 0, NULL }
  };

  if (mode & 07000) {
    put_flags(o, bits, mode & 07000, "");
    put(o, "|");
  }
  mode &= 0777;
  put(o, mode < 010 ? "00" : "0");
  put_uint(o, mode, 8);
}

static const struct name file_types[] = {
  N(S_IFIFO), N(S_IFCHR), N(S_IFDIR),  N(S_IFBLK),
  N(S_IFREG), N(S_IFLNK), N(S_IFSOCK), { 0, NULL },
};

static void put_typed_mode(struct out *o, mode_t mode)
{
  const char *type = lookup(file_types, mode & S_IFMT);

  if (type != NULL) {
    put(o, type);
    put(o, "|");
    mode &= ~(mode_t)S_IFMT;
  }
  put_mode(o, mode);
}

static void put_mknod(struct out *o, const struct fdemu_req *r)
{
  mode_t mode = (mode_t)r->arg;

  put_typed_mode(o, mode);
  if (!S_ISCHR(mode) && !S_ISBLK(mode))
    return;
  put(o, ", makedev(");
  put_hex(o, (uint64_t)r->offset >> 8 & 0xfff);
  put(o, ", ");
  put_hex(o, (uint64_t)r->offset & 0xff);
  put(o, ")");
}

static void put_path(struct out *o, const char *path)
{
  if (path == NULL)
    put(o, "NULL");
  else
    put_string(o, (const unsigned char *)path, strlen(path), false);
}

static void put_dirfd(struct out *o, int64_t fd)
{
  if (fd == AT_FDCWD)
    put(o, "AT_FDCWD");
  else
    put_int(o, fd);
}

static void put_times(struct out *o, const struct fdemu_req *r)
{
  struct timespec ts[2];

  if (r->buf.iov_base == NULL) {
    put(o, "NULL");
    return;
  }
  if (load(r, ts, r->buf.iov_base, sizeof ts) < 0) {
    put(o, "?");
    return;
  }
  put(o, "[");
  for (int i = 0; i < 2; i++) {
    put(o, i > 0 ? ", " : "");
    if (ts[i].tv_nsec == UTIME_NOW)
      put(o, "UTIME_NOW");
    else if (ts[i].tv_nsec == UTIME_OMIT)
      put(o, "UTIME_OMIT");
    else
      put_timespec(o, &ts[i]);
  }
  put(o, "]");
}

/* The number of struct linux_dirent64s in the buffer. */
static void put_names(struct out *o, const struct fdemu_req *r)
{
  const size_t at = offsetof(struct dirent, d_reclen);
  const char *buf = r->buf.iov_base;
  uint64_t n = 0;
  uint16_t size;

  for (int64_t i = 0; i < r->result; i += size, n++)
    if (load(r, &size, buf + (size_t)i + at, sizeof size) < 0 || size == 0)
      break;
  put(o, "? /* ");
  put_uint(o, n, 10);
  put(o, " entries */");
}

static void put_stat(struct out *o, const struct fdemu_req *r)
{
  struct stat st;

  if (r->result < 0 || load(r, &st, r->buf.iov_base, sizeof st) < 0) {
    put(o, "?");
    return;
  }
  put(o, "{st_mode=");
  put_typed_mode(o, st.st_mode);
  if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
    put(o, ", st_rdev=makedev(");
    put_hex(o, major(st.st_rdev));
    put(o, ", ");
    put_hex(o, minor(st.st_rdev));
    put(o, ")");
  } else {
    put(o, ", st_size=");
    put_int(o, st.st_size);
  }
  put(o, ", ...}");
}

static void put_ints(struct out *o, const struct fdemu_req *r, int n)
{
  int v[2];

  if (r->result < 0 || load(r, v, r->buf.iov_base, sizeof *v * (size_t)n) < 0) {
    put(o, "?");
    return;
  }
  put(o, "[");
  for (int i = 0; i < n; i++) {
    put(o, i > 0 ? ", " : "");
    put_int(o, v[i]);
  }
  put(o, "]");
}

static void put_exit_status(struct out *o, const struct fdemu_req *r)
{
  int status;

  if (r->buf.iov_base == NULL || r->result < 0 ||
      load(r, &status, r->buf.iov_base, sizeof status) < 0) {
    put(o, r->buf.iov_base == NULL ? "NULL" : "?");
    return;
  }
  put(o, "[{WIFEXITED(s) && WEXITSTATUS(s) == ");
  put_int(o, status >> 8 & 0xff);
  put(o, "}]");
}

static void put_arg(struct out *o, const struct fdemu_req *r, char what)
{
  switch (what) {
  case 'f': put_int(o, r->fd); break;
  case 'd': put_int(o, r->arg); break;
  case 'c': put_flags(o, close_range_flags, r->cmd, "0"); break;
  case 'b': put_data(o, r); break;
  case 's': put_uint(o, r->buf.iov_len, 10); break;
  case 'v': put_iov(o, r); break;
  case 'n':
    if (r->call->flags & FDEMU_CALL_VEC)
      put_int(o, r->iovcnt);
    else
      put_uint(o, r->buf.iov_len / sizeof(struct pollfd), 10);
    break;
  case 'o': put_int(o, r->offset); break;
  case 'w': put_name(o, whences, r->cmd); break;
  case 'p': put_path(o, r->path); break;
  case 'r': put_path(o, r->path2); break;
  case '@': put_dirfd(o, r->fd); break;
  case 'j': put_dirfd(o, r->arg); break;
  case '#': put_mode(o, (mode_t)r->arg); break;
  case '!': put_mknod(o, r); break;
  case 'a': put_flags(o, access_modes, (unsigned long)r->arg, "F_OK"); break;
  case 'Z':
    put_flags(o, r->call == &fdemu_unlinkat_call ? unlink_flags : at_flags,
              r->cmd, "0");
    break;
  case '~': put_flags(o, rename_flags, r->cmd, "0"); break;
  case 'h': put_times(o, r); break;
  case '$': put_names(o, r); break;
  case 'O': put_open_flags(o, r->cmd & ~0100000ul); break;
  case 'G': put_flags(o, open_flags, r->cmd, "0"); break;
  case 'm': put_mode(o, (mode_t)r->arg); break;
  case 'F': put_fcntl(o, r); break;
  case 'i': put_ioctl(o, r); break;
  case 'S': put_stat(o, r); break;
  case 'P': put_pollfds(o, r); break;
  case 'R': put_revents(o, r); break;
  case 'T': put_int(o, r->timeout < 0 ? -1 : r->timeout / 1000000); break;
  case '2': put_ints(o, r, 2); break;
  case 'W': put_exit_status(o, r); break;
  case '1': put(o, "-1"); break;
  case '0': put(o, "0"); break;
  case 'N': put(o, "NULL"); break;
  case 'e': put_flags(o, eventfd_flags, r->cmd, "0"); break;
  case 'C': put_name(o, clocks, (uint32_t)r->arg); break;
  case '3': put_flags(o, memfd_flags, r->cmd, "0"); break;
  case '4': put_flags(o, fallocate_flags, r->cmd, "0"); break;
  case '6': put_flags(o, sync_range_flags, r->cmd, "0"); break;
  case '5': put_name(o, advices, r->cmd); break;
  case 't': put_flags(o, timerfd_flags, r->cmd, "0"); break;
  case 'A': put_flags(o, settime_flags, r->cmd, "0"); break;
  case 'I': put_itimerspec(o, r, 0, true); break;
  case 'J': put_itimerspec(o, r, 1, r->result >= 0); break;
  case 'K': put_itimerspec(o, r, 0, r->result >= 0); break;
  case 'q': put_int(o, highest_fd(r) + 1); break;
  case 'x': put_set(o, r, POLLIN, false, "["); break;
  case 'y': put_set(o, r, POLLOUT, false, "["); break;
  case 'z': put_set(o, r, POLLPRI, false, "["); break;
  case 'E': put_timeout(o, r); break;
  case 'Q': put_selected(o, r); break;
  case '<': put_offset(o, r, 0); break;
  case '>': put_offset(o, r, 1); break;
  case '%': put_flags(o, splice_flags, r->cmd, "0"); break;
  case '8': put(o, "8"); break;
  case 'Y': put_flags(o, epoll_flags, r->cmd, "0"); break;
  case 'X': put_name(o, epoll_operations, r->cmd); break;
  case 'V':
    if (r->cmd == EPOLL_CTL_DEL)
      put(o, "NULL");
    else
      put_epoll_event(o, r, 0);
    break;
  case 'L': put_epoll_events(o, r); break;
  case 'U': put_timeout(o, r); break;
  case 'B': put_socket(o, r); break;
  case 'H': put_name(o, shutdown_hows, r->cmd); break;
  case 'g': put_flags(o, msg_flags, r->cmd, "0"); break;
  case 'M': put_msghdr(o, r); break;
  case 'D': put_option(o, r); break;
  case 'u': put_option_value(o, r); break;
  case 'k': put_sockname(o, r); break;
  case 'l': put_flags(o, flock_operations, r->cmd, "0"); break;
  default: break;
  }
}

/* Letters that print nothing unless the call has that argument. */
static bool omitted(const struct fdemu_req *r, char what)
{
  return what == 'm' && !(r->cmd & (O_CREAT | O_TMPFILE));
}

/* ---- lines ------------------------------------------------------------ */

/* Flags by their names, too. */
static void put_success(struct out *o, const struct fdemu_req *r)
{
  bool getfl = r->call == &fdemu_calls[FDEMU_FCNTL] && r->cmd == F_GETFL;
  bool getfd = r->call == &fdemu_calls[FDEMU_FCNTL] && r->cmd == F_GETFD;

  if (!getfl && (!getfd || r->result == 0)) {
    put_int(o, r->result);
    return;
  }
  put_hex(o, (uint64_t)r->result);
  put(o, " (flags ");
  if (getfl)
    put_open_flags(o, (unsigned long)r->result);
  else
    put_flags(o, fd_flags, (unsigned long)r->result, "0");
  put(o, ")");
}

static void put_result(struct out *o, const struct fdemu_req *r)
{
  int64_t result = r->result;
  const char *name;

  put(o, ") = ");
  if (result >= 0) {
    put_success(o, r);
    return;
  }
  put(o, "-1 ");
  name = fdemu_errname((int)-result);
  if (name != NULL)
    put(o, name);
  else
    put_int(o, -result);
  put(o, " (");
  put(o, strerror((int)-result));
  put(o, ")");
}

/* The arguments in args up to the end, or to what is not known yet. Returns
 * where it stopped. */
static const char *put_args(struct out *o, const struct fdemu_req *r,
                            const char *args, bool finished)
{
  bool first = true;

  for (; *args != '\0' && *args != '='; args++) {
    if (*args == '|') {
      if (finished)
        continue;
      put(o, first ? "" : ", ");
      break;
    }
    if (omitted(r, *args))
      continue;
    put(o, first ? "" : ", ");
    put_arg(o, r, *args);
    first = false;
  }
  return args;
}

size_t fdemu_format(const struct fdemu_event *e, char *buf, size_t size)
{
  struct out o = { buf, size, 0 };
  const struct fdemu_req *r = e->req;
  const char *args = r->call->args;

  put(&o, "[pid ");
  if (r->proc->pid < 10)
    put(&o, " ");
  put_int(&o, r->proc->pid);
  put(&o, e->phase == FDEMU_PHASE_RESUMED ? "] <... " : "] ");
  put(&o, r->call->name);
  put(&o, e->phase == FDEMU_PHASE_RESUMED ? " resumed>" : "(");
  if (e->phase == FDEMU_PHASE_RESUMED) {
    const char *after = strchr(args, '|');
    args = after != NULL ? after + 1 : args + strcspn(args, "=");
  }
  args = put_args(&o, r, args, e->phase != FDEMU_PHASE_UNFINISHED);
  if (e->phase == FDEMU_PHASE_UNFINISHED)
    put(&o, " <unfinished ...>");
  else {
    put_result(&o, r);
    if (r->injected)
      put(&o, " (INJECTED)");
    while (*args != '\0')
      put_arg(&o, r, *args++);
  }
  if (size > 0)
    buf[o.len] = '\0';
  return o.len;
}
