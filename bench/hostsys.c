/*
 * hostsys.c - the real system calls for Lua, as thin as a binding can be
 *
 * What fdemu is measured against: no checks, no error messages, one C function
 * per call. Also two threads over real pipes, a clock, and how much memory
 * malloc() has given out.
 */
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

static char buffer[1 << 20];

static int fd_arg(lua_State *L, int index)
{
  return (int)lua_tointeger(L, index);
}

static int host_read(lua_State *L)
{
  ssize_t n = read(fd_arg(L, 1), buffer, (size_t)lua_tointeger(L, 2));

  lua_pushlstring(L, buffer, n > 0 ? (size_t)n : 0);
  return 1;
}

static int host_write(lua_State *L)
{
  size_t n;
  const char *s = lua_tolstring(L, 2, &n);

  lua_pushinteger(L, write(fd_arg(L, 1), s, n));
  return 1;
}

static int host_pipe(lua_State *L)
{
  int fds[2];

  if (pipe(fds) < 0)
    return luaL_error(L, "pipe failed");
  lua_pushinteger(L, fds[0]);
  lua_pushinteger(L, fds[1]);
  return 2;
}

static int host_dup(lua_State *L)
{
  lua_pushinteger(L, dup(fd_arg(L, 1)));
  return 1;
}

static int host_close(lua_State *L)
{
  lua_pushinteger(L, close(fd_arg(L, 1)));
  return 1;
}

/* epoll_wait(epfd): the data of one event */
static int host_epoll_wait(lua_State *L)
{
  struct epoll_event ev = { 0 };

  lua_pushinteger(L, epoll_wait(fd_arg(L, 1), &ev, 1, -1));
  lua_pushinteger(L, ev.data.fd);
  return 2;
}

/* epoll(fd): an epoll that watches it for input */
static int host_epoll(lua_State *L)
{
  struct epoll_event ev = { .events = EPOLLIN };
  int ep = epoll_create1(0);

  ev.data.fd = fd_arg(L, 1);
  epoll_ctl(ep, EPOLL_CTL_ADD, ev.data.fd, &ev);
  lua_pushinteger(L, ep);
  return 1;
}

/* A C function that does nothing: what calling one costs. */
static int host_nop(lua_State *L)
{
  (void)L;
  return 0;
}

static const luaL_Reg object_methods[] = {
  { "nop", host_nop },
  { NULL, NULL },
};

/* object(): a userdata with a method that does nothing, as a Process has
 * methods */
static int host_object(lua_State *L)
{
  lua_newuserdata(L, 1);
  lua_createtable(L, 0, 1);
  luaL_newlib(L, object_methods);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  return 1;
}

/* copy(s): memcpy() and a string of the copy */
static int host_copy(lua_State *L)
{
  size_t n;
  const char *s = lua_tolstring(L, 1, &n);

  memcpy(buffer, s, n);
  lua_pushlstring(L, buffer, n);
  return 1;
}

/* memcpy(n): copies n bytes, with malloc() of the place as fork() needs it */
static int host_memcpy(lua_State *L)
{
  size_t n = (size_t)lua_tointeger(L, 1);
  char *from = malloc(n), *to;
  struct timespec a, b;

  if (from == NULL)
    return luaL_error(L, "not enough memory");
  memset(from, 1, n);
  clock_gettime(CLOCK_MONOTONIC, &a);
  to = malloc(n);
  if (to != NULL)
    memcpy(to, from, n);
  clock_gettime(CLOCK_MONOTONIC, &b);
  lua_pushnumber(L, (double)(b.tv_sec - a.tv_sec) +
                        1e-9 * (double)(b.tv_nsec - a.tv_nsec));
  lua_pushinteger(L, to != NULL ? to[n - 1] : 0); /* it has to be copied */
  free(to);
  free(from);
  return 2;
}

/* ---- two threads ------------------------------------------------------ */

static void *answer(void *arg)
{
  const int *fds = arg;
  char c;

  while (read(fds[0], &c, 1) == 1)
    if (write(fds[1], &c, 1) != 1)
      break;
  return NULL;
}

/* pingpong(n): n requests and answers */
static int host_pingpong(lua_State *L)
{
  lua_Integer n = lua_tointeger(L, 1);
  int there[2], back[2], peer[2];
  pthread_t thread;
  char c = 'x';

  if (pipe(there) < 0 || pipe(back) < 0)
    return luaL_error(L, "pipe failed");
  peer[0] = there[0];
  peer[1] = back[1];
  if (pthread_create(&thread, NULL, answer, peer) != 0)
    return luaL_error(L, "pthread_create failed");
  while (n-- > 0)
    if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1)
      break;
  close(there[1]);
  pthread_join(thread, NULL);
  close(there[0]);
  close(back[0]);
  close(back[1]);
  return 0;
}

/* ---- measuring -------------------------------------------------------- */

static int push_clock(lua_State *L, clockid_t clock)
{
  struct timespec t;

  clock_gettime(clock, &t);
  lua_pushnumber(L, (double)t.tv_sec + 1e-9 * (double)t.tv_nsec);
  return 1;
}

/* What this process has used of the processors: neither what others did in the
 * meantime nor how long threads waited for each other. */
static int host_now(lua_State *L)
{
  return push_clock(L, CLOCK_PROCESS_CPUTIME_ID);
}

/* The clock on the wall. */
static int host_elapsed(lua_State *L)
{
  return push_clock(L, CLOCK_MONOTONIC);
}

/* Bytes that malloc() has given out. */
static int host_memory(lua_State *L)
{
  struct mallinfo2 m = mallinfo2();

  lua_pushinteger(L, (lua_Integer)(m.uordblks + m.hblkhd));
  return 1;
}

/* keep_memory(): what is freed stays the process's, and is used again. Otherwise
 * malloc() gives the system what lies at the end, or not, by what lies behind it;
 * and to get it back is a page fault for every 4 KiB, which is the system's time. */
static int host_keep_memory(lua_State *L)
{
  (void)L;
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  mallopt(M_MMAP_MAX, 0);
  return 0;
}

static const luaL_Reg functions[] = {
  { "read", host_read },
  { "write", host_write },
  { "pipe", host_pipe },
  { "dup", host_dup },
  { "close", host_close },
  { "epoll", host_epoll },
  { "epoll_wait", host_epoll_wait },
  { "nop", host_nop },
  { "object", host_object },
  { "copy", host_copy },
  { "memcpy", host_memcpy },
  { "pingpong", host_pingpong },
  { "now", host_now },
  { "elapsed", host_elapsed },
  { "memory", host_memory },
  { "keep_memory", host_keep_memory },
  { NULL, NULL },
};

__attribute__((visibility("default"))) int luaopen_hostsys(lua_State *L);

int luaopen_hostsys(lua_State *L)
{
  luaL_newlib(L, functions);
  return 1;
}
