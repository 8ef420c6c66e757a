/* llsof.c - k:lsof(), k:leaks(): the descriptors that are open */
#include "lua/lfdemu.h"

static void set_integer(lua_State *L, const char *key, lua_Integer n)
{
  lua_pushinteger(L, n);
  lua_setfield(L, -2, key);
}

static void push_row(lua_State *L, struct lkernel *lk,
                     const struct fdemu_proc *p, int fd)
{
  const struct fdemu_file *f = fdemu_file_at(p, fd);

  lua_createtable(L, 0, 8);
  luaL_setmetatable(L, LFD_ROW);
  set_integer(L, "pid", fdemu_getpid(p));
  set_integer(L, "fd", fd);
  set_integer(L, "id", (lua_Integer)f->id);
  set_integer(L, "flags", f->flags);
  set_integer(L, "offset", f->pos);
  lua_pushstring(L, f->ops->name);
  lua_setfield(L, -2, "kind");
  lua_pushstring(L, f->path); /* nil if it was not opened by a name */
  lua_setfield(L, -2, "path");
  lcall_push_origin(L, lk, fdemu_origin(p, fd));
  lua_setfield(L, -2, "origin");
  lcall_push_origin(L, lk, fdemu_forked(p, fd));
  lua_setfield(L, -2, "forked");
}

static int list(lua_State *L, bool leaks)
{
  struct lkernel *lk = lkernel_check(L, 1);
  struct fdemu_proc *p;
  lua_Integer n = 0;

  lua_newtable(L);
  for (int pid = 1; (p = fdemu_next_proc(lk->k, pid)) != NULL;
       pid = fdemu_getpid(p) + 1)
    for (int fd = 0; (fd = fdemu_next_fd(p, fd)) >= 0; fd++) {
      if (leaks && fdemu_is_initial(p, fd))
        continue;
      push_row(L, lk, p, fd);
      lua_rawseti(L, -2, ++n);
    }
  return 1;
}

/* k:lsof() -> a list of all open descriptors, by process and number */
int llsof_all(lua_State *L)
{
  return list(L, false);
}

/* k:leaks() -> the same without what processes were made with */
int llsof_leaks(lua_State *L)
{
  return list(L, true);
}

/* "process 1, descriptor 3: pipe #4, opened at x.lua:12" */
static int row_tostring(lua_State *L)
{
  larg_type(L, 1, LUA_TTABLE);
  lua_getfield(L, 1, "pid");
  lua_getfield(L, 1, "fd");
  lua_getfield(L, 1, "kind");
  lua_getfield(L, 1, "id");
  lua_pushfstring(L, "process %s, descriptor %s: %s #%s", lua_tostring(L, -4),
                  lua_tostring(L, -3), lua_tostring(L, -2),
                  lua_tostring(L, -1));
  if (lua_getfield(L, 1, "path") == LUA_TSTRING)
    lua_pushfstring(L, "%s, %s", lua_tostring(L, -2), lua_tostring(L, -1));
  else
    lua_pop(L, 1);
  if (lua_getfield(L, 1, "origin") == LUA_TSTRING)
    lua_pushfstring(L, "%s, made at %s", lua_tostring(L, -2),
                    lua_tostring(L, -1));
  else
    lua_pop(L, 1);
  if (lua_getfield(L, 1, "forked") == LUA_TSTRING)
    lua_pushfstring(L, "%s, forked at %s", lua_tostring(L, -2),
                    lua_tostring(L, -1));
  else
    lua_pop(L, 1);
  return 1;
}

int llsof_open(lua_State *L)
{
  luaL_newmetatable(L, LFD_ROW);
  lua_pushcfunction(L, row_tostring);
  lua_setfield(L, -2, "__tostring");
  lua_pop(L, 1);
  return 0;
}
