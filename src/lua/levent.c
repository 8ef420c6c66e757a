/* levent.c - Processes: eventfd, timerfd, select */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/timerfd.h>

#include "lua/lfdemu.h"

#define SECOND INT64_C(1000000000)

/* ---- eventfd ---------------------------------------------------------- */

/* p:eventfd([initval [, flags]]) -> fd */
static int proc_eventfd(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  lua_Integer initval = larg_optinteger(L, 2, 0);
  int flags = lproc_optint(L, 3);
  struct call local, *c;

  larg_check(L, initval >= 0 && initval <= UINT_MAX, 2,
             "number does not fit into an unsigned int");
  c = lcall_begin(L, lp->lk, &local, &fdemu_eventfd_call);
  c->req.arg = initval;
  c->req.cmd = (unsigned)flags;
  return lcall_submit(L, lp->p, c);
}

/* The number that 8 bytes are; fewer are not what eventfd_read(3) expects. */
static int number_result(lua_State *L, struct call *c)
{
  const char *s = lcall_data(c);
  uint64_t n;

  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
  if (c->req.result != sizeof n)
    return lcall_error(L, -EINVAL, NULL);
  memcpy(&n, s, sizeof n);
  lua_pushinteger(L, (lua_Integer)n);
  return 1;
}

/* p:eventfd_read(fd) -> number; above math.maxinteger it wraps around */
static int proc_eventfd_read(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int fd = lproc_fd(L, 2);
  struct call local,
      *c = lcall_begin(L, lp->lk, &local, &fdemu_calls[FDEMU_READ]);

  c->req.fd = fd;
  lcall_want(c, sizeof(uint64_t));
  c->result = number_result;
  return lcall_submit(L, lp->p, c);
}

static int zero_result(lua_State *L, struct call *c)
{
  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
  if (c->req.result != sizeof(uint64_t))
    return lcall_error(L, -EINVAL, NULL);
  lua_pushinteger(L, 0);
  return 1;
}

/* p:eventfd_write(fd, n) -> 0 */
static int proc_eventfd_write(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int fd = lproc_fd(L, 2);
  lua_Integer n = larg_integer(L, 3);
  struct call local,
      *c = lcall_begin(L, lp->lk, &local, &fdemu_calls[FDEMU_WRITE]);

  c->number = n;
  c->req.fd = fd;
  c->req.buf = (struct iovec){ &c->number, sizeof c->number };
  c->result = zero_result;
  return lcall_submit(L, lp->p, c);
}

/* ---- timerfd ---------------------------------------------------------- */

/* p:timerfd_create([clockid [, flags]]) -> fd */
static int proc_timerfd_create(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int clock = lua_isnoneornil(L, 2) ? CLOCK_MONOTONIC : lproc_int(L, 2);
  int flags = lproc_optint(L, 3);
  struct call local,
      *c = lcall_begin(L, lp->lk, &local, &fdemu_timerfd_create_call);

  c->req.arg = clock;
  c->req.cmd = (unsigned)flags;
  return lcall_submit(L, lp->p, c);
}

/* Seconds to the nearest nanosecond, but not to 0 unless they are 0. What is
 * negative stays so. */
static struct timespec seconds(lua_State *L, int index)
{
  lua_Number s = larg_number(L, index);
  struct timespec ts = { 0, 0 };

  larg_check(L, s == s, index, "number of seconds is not a number");
  if (s < 0)
    return (struct timespec){ -1, 0 };
  if (s >= 9.2e18)
    return (struct timespec){ INT64_MAX, 0 };
  ts.tv_sec = (time_t)s;
  ts.tv_nsec = (long)((s - (lua_Number)ts.tv_sec) * 1e9 + 0.5);
  if (ts.tv_nsec >= SECOND) {
    ts.tv_nsec -= SECOND;
    ts.tv_sec++;
  }
  if (s > 0 && ts.tv_sec == 0 && ts.tv_nsec == 0)
    ts.tv_nsec = 1;
  return ts;
}

static void push_seconds(lua_State *L, const struct timespec *ts)
{
  lua_pushnumber(L, (lua_Number)ts->tv_sec + (lua_Number)ts->tv_nsec / 1e9);
}

static int settime_result(lua_State *L, struct call *c)
{
  const struct itimerspec *block = c->req.buf.iov_base;

  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
  lua_pushinteger(L, 0);
  push_seconds(L, &block[1].it_value);
  push_seconds(L, &block[1].it_interval);
  return 3;
}

/* p:timerfd_settime(fd, flags, value [, interval]) -> 0, what was left of the
 * old value, old interval: all in seconds */
static int proc_timerfd_settime(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int fd = lproc_fd(L, 2), flags = lproc_optint(L, 3);
  struct itimerspec new = { .it_value = seconds(L, 4) };
  struct itimerspec *block = (struct itimerspec *)(void *)lp->lk->scratch;
  struct call local,
      *c = lcall_begin(L, lp->lk, &local, &fdemu_timerfd_settime_call);

  if (!lua_isnoneornil(L, 5))
    new.it_interval = seconds(L, 5);
  block[0] = new;
  c->req.fd = fd;
  c->req.cmd = (unsigned)flags;
  c->req.buf = (struct iovec){ block, 2 * sizeof *block };
  c->keep = lcall_keep_copy;
  c->result = settime_result;
  return lcall_submit(L, lp->p, c);
}

static int gettime_result(lua_State *L, struct call *c)
{
  const struct itimerspec *it = c->req.buf.iov_base;

  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
  push_seconds(L, &it->it_value);
  push_seconds(L, &it->it_interval);
  return 2;
}

/* p:timerfd_gettime(fd) -> value, interval: in seconds */
static int proc_timerfd_gettime(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int fd = lproc_fd(L, 2);
  struct call local,
      *c = lcall_begin(L, lp->lk, &local, &fdemu_timerfd_gettime_call);

  c->req.fd = fd;
  c->req.buf = (struct iovec){ lp->lk->scratch, sizeof(struct itimerspec) };
  c->keep = lcall_keep_copy;
  c->result = gettime_result;
  return lcall_submit(L, lp->p, c);
}

/* ---- select ----------------------------------------------------------- */

enum { SETS = 3 };

static const short set_events[SETS] = { POLLIN, POLLOUT, POLLPRI };

static lua_Integer check_list(lua_State *L, int index)
{
  lua_Integer n;

  if (lua_isnoneornil(L, index))
    return 0;
  larg_type(L, index, LUA_TTABLE);
  n = luaL_len(L, index);
  larg_check(L, n >= 0 && n <= INT_MAX, index, "list is too long");
  return n;
}

/* Append the list at index, a descriptor that is in it twice once only.
 * Returns the end of what there is now. */
static struct pollfd *add_set(lua_State *L, int index, lua_Integer n,
                              short event, struct pollfd *end)
{
  if (n == 0)
    return end;
  lua_newtable(L); /* those that were seen */
  for (lua_Integer i = 1; i <= n; i++) {
    lua_Integer fd;
    int ok;
    lua_geti(L, index, i);
    fd = lua_tointegerx(L, -1, &ok);
    larg_check(L, ok, index, "a list of descriptors expected");
    if (lua_rawgeti(L, -2, fd) == LUA_TNIL) {
      lua_pushboolean(L, 1);
      lua_rawseti(L, -4, fd);
      *end++ = (struct pollfd){
        .fd = fd >= 0 && fd <= INT_MAX ? (int)fd : -1,
        .events = event,
      };
    }
    lua_pop(L, 2);
  }
  lua_pop(L, 1);
  return end;
}

/* The count, and a list for each set of what is in it now. */
static int select_result(lua_State *L, struct call *c)
{
  size_t n = c->req.buf.iov_len / sizeof(struct pollfd);
  struct pollfd p;

  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
  lua_pushinteger(L, (lua_Integer)c->req.result);
  for (int set = 0; set < SETS; set++) {
    lua_Integer count = 0;
    lua_newtable(L);
    for (size_t i = 0; i < n; i++) {
      memcpy(&p, (const char *)c->req.buf.iov_base + i * sizeof p, sizeof p);
      if (!(p.revents & set_events[set]))
        continue;
      lua_pushinteger(L, p.fd);
      lua_rawseti(L, -2, ++count);
    }
  }
  return 1 + SETS;
}

/* Nanoseconds; -1: for ever. */
static int64_t opt_timeout(lua_State *L, int index)
{
  struct timespec ts;

  if (lua_isnoneornil(L, index))
    return -1;
  ts = seconds(L, index);
  return ts.tv_sec < INT64_MAX / SECOND ? ts.tv_sec * SECOND + ts.tv_nsec
                                        : INT64_MAX;
}

/* p:select(readfds, writefds, exceptfds [, seconds]) -> count, and lists of
 * those that are ready */
static int proc_select(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  lua_Integer n[SETS], total = 0;
  int64_t timeout = opt_timeout(L, 5);
  struct pollfd *fds, *end;
  struct call local, *c;

  for (int i = 0; i < SETS; i++)
    total += n[i] = check_list(L, 2 + i);
  if (timeout < -1)
    return lcall_error(L, -EINVAL, NULL);
  lua_settop(L, 5);
  fds = (size_t)total * sizeof *fds <= SCRATCH_SIZE
            ? (struct pollfd *)(void *)lp->lk->scratch
            : lcompat_newuserdata(L, (size_t)total * sizeof *fds);
  end = fds;
  for (int i = 0; i < SETS; i++)
    end = add_set(L, 2 + i, n[i], set_events[i], end);
  c = lcall_begin(L, lp->lk, &local, &fdemu_calls[FDEMU_SELECT]);
  c->req.buf = (struct iovec){ fds, (size_t)(end - fds) * sizeof *fds };
  c->req.timeout = timeout;
  c->keep = lcall_keep_copy;
  c->result = select_result;
  return lcall_submit(L, lp->p, c);
}

const luaL_Reg levent_methods[] = {
  { "eventfd", proc_eventfd },
  { "eventfd_read", proc_eventfd_read },
  { "eventfd_write", proc_eventfd_write },
  { "timerfd_create", proc_timerfd_create },
  { "timerfd_settime", proc_timerfd_settime },
  { "timerfd_gettime", proc_timerfd_gettime },
  { "select", proc_select },
  { NULL, NULL },
};
