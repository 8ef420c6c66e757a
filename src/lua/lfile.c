/* lfile.c - what is in files from Lua: ftruncate, fallocate, memfd_create */
#include <string.h>

#include "lua/lfdemu.h"

/* p:ftruncate(fd, length) */
static int proc_ftruncate(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int fd = lproc_fd(L, 2);
  lua_Integer length = larg_integer(L, 3);
  struct call local,
      *c = lcall_begin(L, lp->lk, &local, &fdemu_calls[FDEMU_FTRUNCATE]);

  c->req.fd = fd;
  c->req.offset = length;
  return lcall_submit(L, lp->p, c);
}

/* A call on part of a file. Which arguments are how, and where from, and behind
 * that how long. */
static int on_part(lua_State *L, const struct fdemu_call *call, int how, int at)
{
  struct lprocess *lp = lproc_check(L);
  int fd = lproc_fd(L, 2), cmd = lproc_int(L, how);
  lua_Integer offset = larg_integer(L, at), length = larg_integer(L, at + 1);
  struct call local, *c = lcall_begin(L, lp->lk, &local, call);

  c->req.fd = fd;
  c->req.cmd = (unsigned)cmd;
  c->req.offset = offset;
  c->req.arg = length;
  return lcall_submit(L, lp->p, c);
}

/* p:fallocate(fd, mode, offset, length) */
static int proc_fallocate(lua_State *L)
{
  return on_part(L, &fdemu_calls[FDEMU_FALLOCATE], 3, 4);
}

/* p:posix_fadvise(fd, offset, length, advice); unlike the function in C, a
 * failure is given as all others are */
static int proc_posix_fadvise(lua_State *L)
{
  return on_part(L, &fdemu_calls[FDEMU_FADVISE], 5, 3);
}

/* p:memfd_create(name [, flags]) -> fd */
static int proc_memfd_create(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  size_t n;
  const char *name = larg_string(L, 2, &n);
  int flags = lproc_optint(L, 3);
  struct call local, *c;

  larg_check(L, strlen(name) == n, 2, "name contains a zero byte");
  c = lcall_begin(L, lp->lk, &local, &fdemu_memfd_create_call);
  c->req.path = name;
  c->req.cmd = (unsigned)flags;
  return lcall_submit(L, lp->p, c);
}

const luaL_Reg lfile_methods[] = {
  { "ftruncate", proc_ftruncate },
  { "fallocate", proc_fallocate },
  { "posix_fadvise", proc_posix_fadvise },
  { "memfd_create", proc_memfd_create },
  { NULL, NULL },
};
