/* lrequest.c - k:requests(): what traces call the requests of ioctl(2) */
#include <string.h>

#include "lua/lfdemu.h"

/* No number has two names: which of them came last would be chance. */
static void check_requests(lua_State *L, int index)
{
  lua_newtable(L);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    if (lua_type(L, -2) != LUA_TSTRING || !lua_isinteger(L, -1))
      luaL_error(L, "requests must be integers by name");
    if (lua_rawgeti(L, -3, lua_tointeger(L, -1)) != LUA_TNIL) {
      const char *one = lua_tostring(L, -1), *two = lua_tostring(L, -3);
      bool less = strcmp(one, two) < 0;
      luaL_error(L, "requests %s and %s are the same number", less ? one : two,
                 less ? two : one);
    }
    lua_pop(L, 1);
    lua_pushvalue(L, -2);
    lua_rawseti(L, -4, lua_tointeger(L, -2));
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* Names of requests for traces: a table from name to number at index. */
void lrequest_names(lua_State *L, struct lkernel *lk, int index)
{
  check_requests(L, index);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    if (fdemu_name_request(lk->k, (unsigned long)lua_tointeger(L, -1),
                           lua_tostring(L, -2)) < 0)
      llimit_no_memory(L, lk);
    lua_pop(L, 1);
  }
}

/* k:requests{ NAME = number, ... }: what traces call requests of ioctl */
int lrequest_set(lua_State *L)
{
  struct lkernel *lk = lkernel_check(L, 1);

  larg_type(L, 2, LUA_TTABLE);
  lrequest_names(L, lk, 2);
  return 0;
}
