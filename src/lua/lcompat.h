/* lcompat.h - Lua 5.3 and 5.4 with one face */
#ifndef LCOMPAT_H
#define LCOMPAT_H

#include <lauxlib.h>
#include <lua.h>

#if LUA_VERSION_NUM >= 504

#define lcompat_newuserdata(L, size) lua_newuserdatauv(L, size, 1)
#define lcompat_resetthread(co)      lua_resetthread(co)

#else

#define lcompat_newuserdata(L, size) lua_newuserdata(L, size)
#define lua_getiuservalue(L, i, n)   lua_getuservalue(L, i)
#define lua_setiuservalue(L, i, n)   lua_setuservalue(L, i)
#define luaL_pushfail(L)             lua_pushnil(L)
/* Lua 5.3 cannot close a coroutine: it is left to the collector. */
#define lcompat_resetthread(co)      ((void)(co), LUA_OK)

#endif

/* lua_resume() of 5.4: *nres values are on co's stack. */
static inline int lcompat_resume(lua_State *co, lua_State *from, int nargs,
                                 int *nres)
{
#if LUA_VERSION_NUM >= 504
  return lua_resume(co, from, nargs, nres);
#else
  int status = lua_resume(co, from, nargs);
  *nres = status <= LUA_YIELD ? lua_gettop(co) : 1;
  return status;
#endif
}

#endif
