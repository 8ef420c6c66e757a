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

/* p:fallocate(fd, mode, offset, length) */
static int proc_fallocate(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int fd = lproc_fd(L, 2), mode = lproc_int(L, 3);
  lua_Integer offset = larg_integer(L, 4), length = larg_integer(L, 5);
  struct call local,
      *c = lcall_begin(L, lp->lk, &local, &fdemu_calls[FDEMU_FALLOCATE]);

  c->req.fd = fd;
  c->req.cmd = (unsigned)mode;
  c->req.offset = offset;
  c->req.arg = length;
  return lcall_submit(L, lp->p, c);
}

/* p:posix_fadvise(fd, offset, length, advice); unlike the function in C, a
 * failure is given as all others are */
static int proc_posix_fadvise(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int fd = lproc_fd(L, 2), advice = lproc_int(L, 5);
  lua_Integer offset = larg_integer(L, 3), length = larg_integer(L, 4);
  struct call local,
      *c = lcall_begin(L, lp->lk, &local, &fdemu_calls[FDEMU_FADVISE]);

  c->req.fd = fd;
  c->req.cmd = (unsigned)advice;
  c->req.offset = offset;
  c->req.arg = length;
  return lcall_submit(L, lp->p, c);
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
