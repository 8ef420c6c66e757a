/* lsocket.c - Processes: sockets, their messages and options; signals */
#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <net/if.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "lua/lfdemu.h"

#define MAX_FDS 253 /* SCM_MAX_FD */
#define INQ     84  /* SO_INQ: not every libc has it */
/* Descriptors, credentials, what is left, and times in two ways. */
#define CONTROL \
  (CMSG_SPACE(MAX_FDS * sizeof(int)) + CMSG_SPACE(12) + \
   CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct timespec)) + \
   CMSG_SPACE(3 * sizeof(struct timespec)))

/* What sendmsg(2) and recvmsg(2) point to; the caller's stack keeps it. */
struct block {
  struct msghdr m;
  struct iovec iov;
  struct sockaddr_storage name;
  char control[CONTROL];
  char data[];
};

/* ---- making sockets --------------------------------------------------- */

static int opt_type(lua_State *L, int index)
{
  return lua_isnoneornil(L, index) ? SOCK_STREAM : lproc_int(L, index);
}

static int opt_family(lua_State *L, int index)
{
  return lua_isnoneornil(L, index) ? AF_UNIX : lproc_int(L, index);
}

static int pair_result(lua_State *L, struct call *c)
{
  int fds[2];

  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
  memcpy(fds, c->req.buf.iov_base, sizeof fds);
  lua_pushinteger(L, fds[0]);
  lua_pushinteger(L, fds[1]);
  return 2;
}

static struct call *begin_socket(lua_State *L, struct call *local,
                                 const struct fdemu_call *what)
{
  struct lprocess *lp = lproc_check(L);
  int family = opt_family(L, 2), type = opt_type(L, 3);
  int protocol = lproc_optint(L, 4);
  struct call *c = lcall_begin(L, lp->lk, local, what);

  c->req.arg = family;
  c->req.cmd = (unsigned)type;
  c->req.offset = protocol;
  return c;
}

/* p:socketpair([family [, type [, protocol]]]) -> fd, fd */
static int proc_socketpair(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  struct call local, *c = begin_socket(L, &local, &fdemu_socketpair_call);

  c->req.buf = (struct iovec){ lp->lk->scratch, 2 * sizeof(int) };
  c->keep = lcall_keep_copy;
  c->result = pair_result;
  return lcall_submit(L, lp->p, c);
}

/* p:socket([family [, type [, protocol]]]) -> fd */
static int proc_socket(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  struct call local, *c = begin_socket(L, &local, &fdemu_socket_call);

  return lcall_submit(L, lp->p, c);
}

/* p:shutdown(fd, how) -> 0 */
static int proc_shutdown(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int fd = lproc_fd(L, 2), how = lproc_int(L, 3);
  struct call local, *c = lcall_begin(L, lp->lk, &local, &fdemu_shutdown_call);

  c->req.fd = fd;
  c->req.cmd = (unsigned)how;
  return lcall_submit(L, lp->p, c);
}

/* ---- bytes ------------------------------------------------------------ */

/* p:send(fd, data [, flags]) -> count */
static int proc_send(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int fd = lproc_fd(L, 2), flags = lproc_optint(L, 4);
  size_t n;
  const char *s = larg_string(L, 3, &n);
  struct call local, *c = lcall_begin(L, lp->lk, &local, &fdemu_sendto_call);

  c->req.fd = fd;
  c->req.cmd = (unsigned)flags;
  c->req.buf = (struct iovec){ (void *)(uintptr_t)s, n };
  return lcall_submit(L, lp->p, c);
}

/* The bytes; with MSG_TRUNC, how many there were. */
static int recv_result(lua_State *L, struct call *c)
{
  int64_t n = c->req.result;
  bool real = (c->req.cmd & MSG_TRUNC) != 0;

  if (n < 0)
    return lcall_error(L, n, NULL);
  if (n > (int64_t)c->req.done)
    c->req.result = (int64_t)c->req.done;
  lcall_string(L, c);
  lua_pushinteger(L, (lua_Integer)n);
  return real ? 2 : (lua_pop(L, 1), 1);
}

/* p:recv(fd, count [, flags]) -> string; with MSG_TRUNC, the real length */
static int proc_recv(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int fd = lproc_fd(L, 2), flags = lproc_optint(L, 4);
  size_t count = lproc_count(L, 3);
  struct call local, *c = lcall_begin(L, lp->lk, &local, &fdemu_recvfrom_call);

  c->req.fd = fd;
  c->req.cmd = (unsigned)flags;
  lcall_want(c, count);
  c->result = recv_result;
  return lcall_submit(L, lp->p, c);
}

/* ---- addresses -------------------------------------------------------- */

#define PATH offsetof(struct sockaddr_un, sun_path)

/* An address of n bytes as { family =, path = }; without a name there is no
 * path, and that of a file ends before the zero byte. */
static void push_address(lua_State *L, const void *addr, size_t n)
{
  struct sockaddr_un a = { 0 };

  memcpy(&a, addr, n < sizeof a ? n : sizeof a);
  lua_createtable(L, 0, 2);
  lua_pushinteger(L, a.sun_family);
  lua_setfield(L, -2, "family");
  if (a.sun_family != AF_UNIX || n <= PATH || n > sizeof a)
    return;
  lua_pushlstring(L, a.sun_path,
                  a.sun_path[0] != '\0' ? strnlen(a.sun_path, n - PATH)
                                        : n - PATH);
  lua_setfield(L, -2, "path");
}

/* The field to of the table at index 3, if there is one. */
static void set_address(lua_State *L, struct msghdr *m)
{
  struct sockaddr_un *a = m->msg_name;
  const char *path;
  size_t n;

  if (lua_getfield(L, 3, "to") != LUA_TNIL) {
    larg_check(L,
               lua_istable(L, -1) && lua_getfield(L, -1, "path") == LUA_TSTRING,
               3, "to must be an address: { path = string }");
    path = lua_tolstring(L, -1, &n);
    larg_check(L, n <= sizeof a->sun_path, 3, "the path of to is too long");
    a->sun_family = AF_UNIX;
    memcpy(a->sun_path, path, n);
    m->msg_namelen = (socklen_t)(PATH + n);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* ---- messages --------------------------------------------------------- */

static struct block *push_block(lua_State *L, size_t room)
{
  struct block *b = lcompat_newuserdata(L, sizeof *b + room);

  memset(b, 0, sizeof *b);
  b->iov = (struct iovec){ b->data, room };
  b->m.msg_iov = &b->iov;
  b->m.msg_iovlen = 1;
  b->m.msg_name = &b->name;
  return b;
}

static void set_block(struct call *c, struct block *b)
{
  c->req.iov = &b->iov;
  c->req.iovcnt = 1;
  c->req.msg = &b->m;
}

/* What recvmsg() gives may be sent on; another field is a mistake. */
static void check_fields(lua_State *L)
{
  static const char *const known[] = { "data", "fds", "to",   "flags", "creds",
                                       "time", "inq", "from", NULL };

  larg_type(L, 3, LUA_TTABLE);
  lua_pushnil(L);
  while (lua_next(L, 3)) {
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    int i = 0;
    while (known[i] != NULL && strcmp(known[i], key) != 0)
      i++;
    if (known[i] == NULL)
      larg_error(L, 3, lua_pushfstring(L, "unknown field '%s'", key));
    lua_pop(L, 1);
  }
}

/* The field fds of the table at index 3, if there is one. */
static void set_fds(lua_State *L, struct block *b)
{
  struct cmsghdr h = { 0, SOL_SOCKET, SCM_RIGHTS };
  lua_Integer n;

  if (lua_getfield(L, 3, "fds") == LUA_TNIL) {
    lua_pop(L, 1);
    return;
  }
  larg_check(L, lua_istable(L, -1), 3, "fds must be a list of descriptors");
  n = luaL_len(L, -1);
  larg_check(L, n >= 0 && n <= MAX_FDS + 1, 3, "fds has too many descriptors");
  for (lua_Integer i = 0; i < n; i++) {
    lua_Integer fd;
    int ok, number;
    lua_geti(L, -1, i + 1);
    fd = lua_tointegerx(L, -1, &ok);
    larg_check(L, ok, 3, "fds must be a list of descriptors");
    lua_pop(L, 1);
    number = fd >= 0 && fd <= INT_MAX ? (int)fd : -1;
    memcpy(b->control + sizeof h + (size_t)i * sizeof number, &number,
           sizeof number);
  }
  lua_pop(L, 1);
  h.cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
  memcpy(b->control, &h, sizeof h);
  b->m.msg_control = b->control;
  b->m.msg_controllen = h.cmsg_len;
}

/* p:sendmsg(fd, { data =, fds =, to = } [, flags]) -> count */
static int proc_sendmsg(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int fd = lproc_fd(L, 2), flags = lproc_optint(L, 4);
  struct call local, *c;
  struct block *b;

  check_fields(L);
  lua_settop(L, 4);
  b = push_block(L, 0);
  set_fds(L, b);
  set_address(L, &b->m);
  if (lua_getfield(L, 3, "data") != LUA_TNIL) {
    larg_check(L, lua_type(L, -1) == LUA_TSTRING, 3, "data must be a string");
    b->iov.iov_base = (void *)(uintptr_t)lua_tolstring(L, -1, &b->iov.iov_len);
  }
  c = lcall_begin(L, lp->lk, &local, &fdemu_sendmsg_call);
  c->req.fd = fd;
  c->req.cmd = (unsigned)flags;
  set_block(c, b);
  return lcall_submit(L, lp->p, c);
}

static void push_fds(lua_State *L, const char *data, size_t n)
{
  int fd;

  for (size_t i = 0; i + sizeof fd <= n; i += sizeof fd) {
    memcpy(&fd, data + i, sizeof fd);
    lua_pushinteger(L, fd);
    lua_rawseti(L, -2, (lua_Integer)(i / sizeof fd) + 1);
  }
}

static void push_creds(lua_State *L, const char *data)
{
  struct ucred u;

  memcpy(&u, data, sizeof u);
  lua_createtable(L, 0, 3);
  lua_pushinteger(L, u.pid);
  lua_setfield(L, -2, "pid");
  lua_pushinteger(L, u.uid);
  lua_setfield(L, -2, "uid");
  lua_pushinteger(L, u.gid);
  lua_setfield(L, -2, "gid");
}

/* Seconds since 1970, as the fields st_mtime and others of fstat(). A struct
 * timespec looks like a struct timeval. */
static void push_time(lua_State *L, int type, const char *data)
{
  struct timeval t;

  memcpy(&t, data, sizeof t);
  lua_pushnumber(L, (lua_Number)t.tv_sec +
                        (lua_Number)t.tv_usec /
                            (type == SCM_TIMESTAMP ? 1e6 : 1e9));
}

static void push_int(lua_State *L, const char *data)
{
  int n;

  memcpy(&n, data, sizeof n);
  lua_pushinteger(L, n);
}

/* fds, creds, time and inq of the table on top of the stack. */
static void set_control(lua_State *L, const struct msghdr *m)
{
  const char *control = m->msg_control;
  struct cmsghdr h;

  lua_newtable(L);
  for (size_t at = 0; at + sizeof h <= m->msg_controllen;
       at += CMSG_ALIGN(h.cmsg_len)) {
    memcpy(&h, control + at, sizeof h);
    if (h.cmsg_type == SCM_RIGHTS)
      push_fds(L, control + at + sizeof h, h.cmsg_len - sizeof h);
    else if (h.cmsg_type == SCM_CREDENTIALS &&
             h.cmsg_len == CMSG_LEN(sizeof(struct ucred))) {
      push_creds(L, control + at + sizeof h);
      lua_setfield(L, -3, "creds");
    } else if (h.cmsg_type == SCM_TIMESTAMP || h.cmsg_type == SCM_TIMESTAMPNS) {
      push_time(L, h.cmsg_type, control + at + sizeof h);
      lua_setfield(L, -3, "time");
    } else if (h.cmsg_type == INQ) {
      push_int(L, control + at + sizeof h);
      lua_setfield(L, -3, "inq");
    }
  }
  lua_setfield(L, -2, "fds");
}

/* (call) -> its table */
static int push_message(lua_State *L)
{
  const struct call *c = lua_touserdata(L, 1);
  const struct msghdr *m = c->req.msg;

  lua_createtable(L, 0, 4);
  lua_pushlstring(L, c->req.iov->iov_base, c->req.done);
  lua_setfield(L, -2, "data");
  lua_pushinteger(L, m->msg_flags);
  lua_setfield(L, -2, "flags");
  set_control(L, m);
  if (m->msg_namelen > 0) {
    push_address(L, m->msg_name, m->msg_namelen);
    lua_setfield(L, -2, "from");
  }
  return 1;
}

/* Descriptors that came, and that nobody will hear of. */
static void close_fds(const struct call *c)
{
  const struct msghdr *m = c->req.msg;
  const char *at = m->msg_control, *end = at + m->msg_controllen;
  struct cmsghdr h;
  int fd;

  for (; at + sizeof h <= end; at += CMSG_ALIGN(h.cmsg_len)) {
    memcpy(&h, at, sizeof h);
    if (h.cmsg_type != SCM_RIGHTS)
      continue;
    for (size_t i = sizeof h; i + sizeof fd <= h.cmsg_len; i += sizeof fd) {
      memcpy(&fd, at + i, sizeof fd);
      fdemu_close(c->req.proc, fd);
    }
  }
}

/* There may be no memory for the table: then the bytes are lost, and the
 * descriptors closed. */
static int recvmsg_result(lua_State *L, struct call *c)
{
  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
  lua_pushcfunction(L, push_message);
  lua_pushlightuserdata(L, c);
  if (lua_pcall(L, 1, 1, 0) == LUA_OK)
    return 1;
  close_fds(c);
  return lua_error(L);
}

/* p:recvmsg(fd, count [, flags]) -> { data =, fds =, flags =, creds =, time =,
 * inq =, from = } */
static int proc_recvmsg(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int fd = lproc_fd(L, 2), flags = lproc_optint(L, 4);
  size_t count = lproc_count(L, 3);
  struct call local, *c;
  struct block *b;

  larg_check(L, count <= INT_MAX, 3, "count is too large");
  lua_settop(L, 4);
  b = push_block(L, count);
  b->m.msg_namelen = sizeof b->name;
  b->m.msg_control = b->control;
  b->m.msg_controllen = sizeof b->control;
  c = lcall_begin(L, lp->lk, &local, &fdemu_recvmsg_call);
  c->req.fd = fd;
  c->req.cmd = (unsigned)flags;
  set_block(c, b);
  c->result = recvmsg_result;
  return lcall_submit(L, lp->p, c);
}

/* ---- options ---------------------------------------------------------- */

static bool is_cookie(unsigned long option)
{
  return option == SO_COOKIE || option == SO_NETNS_COOKIE;
}

static bool is_timeout(lua_Integer option)
{
  return option == SO_RCVTIMEO || option == SO_SNDTIMEO;
}

static struct timeval seconds(lua_State *L, int index)
{
  lua_Number s = larg_number(L, index);
  struct timeval tv;

  larg_check(L, s == s, index, "number of seconds is not a number");
  if (s < 0)
    return (struct timeval){ -1, 0 };
  if (s >= 9e15)
    return (struct timeval){ 0, 0 }; /* for ever */
  tv.tv_sec = (time_t)s;
  tv.tv_usec = (suseconds_t)((s - (lua_Number)tv.tv_sec) * 1e6 + 0.5);
  if (tv.tv_usec >= 1000000)
    tv = (struct timeval){ tv.tv_sec + 1, 0 };
  if (s > 0 && tv.tv_sec == 0 && tv.tv_usec == 0)
    tv.tv_usec = 1;
  return tv;
}

/* The operations in the string at index, which stays on the stack. */
static struct sock_fprog program(lua_State *L, int index)
{
  size_t n;
  const char *code = larg_string(L, index, &n);

  larg_check(L, n % sizeof(struct sock_filter) == 0, index,
             "a filter must be operations of 8 bytes");
  n /= sizeof(struct sock_filter);
  larg_check(L, n <= USHRT_MAX, index, "a filter has too many operations");
  return (struct sock_fprog){ (unsigned short)n, (void *)(uintptr_t)code };
}

union value {
  int n[2];
  struct timeval tv;
  struct sock_fprog program;
  char name[IFNAMSIZ];
};

/* The value at index 5, or two; returns its size. */
static size_t get_value(lua_State *L, int option, union value *v)
{
  memset(v, 0, sizeof *v);
  if (is_timeout(option)) {
    v->tv = seconds(L, 5);
    return sizeof v->tv;
  }
  if (option == SO_ATTACH_FILTER) {
    v->program = program(L, 5);
    return sizeof v->program;
  }
  if (option == SO_BINDTODEVICE) {
    larg_string(L, 5, NULL);
    strncpy(v->name, lua_tostring(L, 5), sizeof v->name - 1);
    return strlen(v->name);
  }
  v->n[0] = lproc_int(L, 5);
  v->n[1] = lproc_optint(L, 6);
  return option == SO_LINGER ? sizeof v->n : sizeof *v->n;
}

/* p:setsockopt(fd, level, option, value [, value]) -> 0; of SO_RCVTIMEO and
 * SO_SNDTIMEO seconds, of SO_LINGER two integers, of SO_ATTACH_FILTER and
 * SO_BINDTODEVICE a string */
static int proc_setsockopt(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int fd = lproc_fd(L, 2), level = lproc_int(L, 3), option = lproc_int(L, 4);
  union value v;
  size_t n = get_value(L, option, &v);
  struct call local,
      *c = lcall_begin(L, lp->lk, &local, &fdemu_setsockopt_call);

  c->req.fd = fd;
  c->req.arg = level;
  c->req.cmd = (unsigned)option;
  c->req.buf = (struct iovec){ lp->lk->scratch, n };
  memcpy(lp->lk->scratch, &v, n);
  c->keep = lcall_keep_copy;
  return lcall_submit(L, lp->p, c);
}

/* An option's value, or several. */
static int push_value(lua_State *L, unsigned long option, const char *block,
                      size_t size)
{
  int n = (int)(size / sizeof(int));
  struct timeval tv;
  uint64_t cookie;

  if (is_timeout((lua_Integer)option)) {
    memcpy(&tv, block, sizeof tv);
    lua_pushnumber(L, (lua_Number)tv.tv_sec + (lua_Number)tv.tv_usec / 1e6);
    return 1;
  }
  if (is_cookie(option)) {
    memcpy(&cookie, block, sizeof cookie);
    lua_pushinteger(L, (lua_Integer)cookie);
    return 1;
  }
  if (option == SO_BINDTODEVICE) {
    lua_pushstring(L, block);
    return 1;
  }
  for (int i = 0; i < n && i < 4; i++)
    push_int(L, block + (size_t)i * sizeof(int));
  return n;
}

static int getsockopt_result(lua_State *L, struct call *c)
{
  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
  if (c->req.cmd == SO_ATTACH_FILTER) {
    lua_pushinteger(L, (lua_Integer)c->req.done);
    return 1;
  }
  if (c->req.done == 0) /* it has no value */
    return lcall_integer(L, c);
  return push_value(L, c->req.cmd, c->req.buf.iov_base, c->req.done);
}

/* p:getsockopt(fd, level, option) -> integer; of SO_PEERCRED pid, uid, gid, of
 * SO_LINGER two, of SO_RCVTIMEO and SO_SNDTIMEO seconds, of SO_ATTACH_FILTER
 * how many operations it has, of SO_BINDTODEVICE a name */
static int proc_getsockopt(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int fd = lproc_fd(L, 2), level = lproc_int(L, 3), option = lproc_int(L, 4);
  struct call local,
      *c = lcall_begin(L, lp->lk, &local, &fdemu_getsockopt_call);

  c->req.fd = fd;
  c->req.arg = level;
  c->req.cmd = (unsigned)option;
  /* A filter is only asked for its length; a cookie is as long as it is. */
  c->req.buf.iov_base = lp->lk->scratch;
  c->req.buf.iov_len = option == SO_ATTACH_FILTER         ? 0
                       : is_cookie((unsigned long)option) ? 8
                                                          : 16;
  c->keep = lcall_keep_copy;
  c->result = getsockopt_result;
  return lcall_submit(L, lp->p, c);
}

static int name_result(lua_State *L, struct call *c)
{
  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
  push_address(L, c->req.buf.iov_base, (size_t)c->req.offset);
  return 1;
}

static int do_name(lua_State *L, const struct fdemu_call *what)
{
  struct lprocess *lp = lproc_check(L);
  int fd = lproc_fd(L, 2);
  struct call local, *c = lcall_begin(L, lp->lk, &local, what);

  c->req.fd = fd;
  c->req.buf = (struct iovec){ lp->lk->scratch, sizeof(struct sockaddr_un) };
  c->keep = lcall_keep_copy;
  c->result = name_result;
  return lcall_submit(L, lp->p, c);
}

/* p:getsockname(fd), p:getpeername(fd) -> { family = AF_UNIX, path = } */
static int proc_getsockname(lua_State *L)
{
  return do_name(L, &fdemu_getsockname_call);
}

static int proc_getpeername(lua_State *L)
{
  return do_name(L, &fdemu_getpeername_call);
}

/* ---- signals ---------------------------------------------------------- */

/* p:signals() -> { [number] = how often } of those that came since it was asked
 * for the last time */
static int proc_signals(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  unsigned counts[FDEMU_NSIG];

  lua_createtable(L, FDEMU_NSIG, 0); /* before they are forgotten */
  fdemu_signals(lp->p, counts);
  for (int i = 1; i < FDEMU_NSIG; i++) {
    if (counts[i] == 0)
      continue;
    lua_pushinteger(L, counts[i]);
    lua_rawseti(L, -2, i);
  }
  return 1;
}

const luaL_Reg lsocket_methods[] = {
  { "socketpair", proc_socketpair },
  { "socket", proc_socket },
  { "shutdown", proc_shutdown },
  { "send", proc_send },
  { "recv", proc_recv },
  { "sendmsg", proc_sendmsg },
  { "recvmsg", proc_recvmsg },
  { "setsockopt", proc_setsockopt },
  { "getsockopt", proc_getsockopt },
  { "getsockname", proc_getsockname },
  { "getpeername", proc_getpeername },
  { "signals", proc_signals },
  { NULL, NULL },
};
