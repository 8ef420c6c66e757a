/*
 * larg.c - checking arguments
 *
 * As luaL_check*(), but an error names the function and counts its arguments
 * without self however it was called: the functions that larg_register()
 * makes have their name as their first upvalue, ":name" if they are methods,
 * and the metatable of their self as their second.
 */
#include <math.h>

#include "lua/lfdemu.h"

/* Raises: argument index (on the stack) is wrong in the way that msg says. */
int larg_error(lua_State *L, int index, const char *msg)
{
  const char *name = NULL;

  if (lua_type(L, lua_upvalueindex(1)) == LUA_TSTRING)
    name = lua_tostring(L, lua_upvalueindex(1));
  if (name == NULL)
    return luaL_argerror(L, index, msg);
  if (*name != ':')
    return luaL_error(L, "bad argument #%d to '%s' (%s)", index, name, msg);
  if (index == 1)
    return luaL_error(L, "calling '%s' on bad self (%s)", name + 1, msg);
  return luaL_error(L, "bad argument #%d to '%s' (%s)", index - 1, name + 1,
                    msg);
}

static const char *type_name(lua_State *L, int index)
{
  if (luaL_getmetafield(L, index, "__name") == LUA_TSTRING)
    return lua_tostring(L, -1);
  return luaL_typename(L, index);
}

int larg_wrong(lua_State *L, int index, const char *expected)
{
  return larg_error(
      L, index,
      lua_pushfstring(L, "%s expected, got %s", expected, type_name(L, index)));
}

void larg_type(lua_State *L, int index, int type)
{
  if (lua_type(L, index) != type)
    larg_wrong(L, index, lua_typename(L, type));
}

/* self of a method is found by comparing metatables, without their names. */
static bool is_self(lua_State *L, int index)
{
  bool same;

  if (index != 1 || !lua_getmetatable(L, 1))
    return false;
  same = lua_rawequal(L, -1, lua_upvalueindex(2));
  lua_pop(L, 1);
  return same;
}

void *larg_udata(lua_State *L, int index, const char *name)
{
  void *u = is_self(L, index) ? lua_touserdata(L, index)
                              : luaL_testudata(L, index, name);

  if (u == NULL)
    larg_wrong(L, index, name);
  return u;
}

/* Raises: argument index is not an integer. */
RARE static int no_integer(lua_State *L, int index)
{
  if (lua_isnumber(L, index))
    return larg_error(L, index, "number has no integer representation");
  return larg_wrong(L, index, "number");
}

/* 0, if that is what argument index is. */
lua_Integer larg_zero(lua_State *L, int index)
{
  int ok;

  lua_tointegerx(L, index, &ok);
  return ok ? 0 : no_integer(L, index);
}

lua_Integer larg_optinteger(lua_State *L, int index, lua_Integer def)
{
  return lua_isnoneornil(L, index) ? def : larg_integer(L, index);
}

lua_Number larg_number(lua_State *L, int index)
{
  int ok;
  lua_Number n = lua_tonumberx(L, index, &ok);

  if (!ok)
    larg_wrong(L, index, "number");
  return n;
}

/*
 * Seconds, to the nearest nanosecond; all there are, if they are more. Not 0 for
 * what is more than 0: of two times that cannot be told apart, the difference of
 * the numbers may still be, and whoever waits for what is left of a time would
 * wait for ever, in no time.
 */
int64_t larg_nanoseconds(lua_Number seconds)
{
  int64_t ns;

  if (!(seconds < 9e9))
    return INT64_MAX;
  ns = (int64_t)llround(seconds * 1e9);
  return ns == 0 && seconds > 0 ? 1 : ns;
}

/* Raises: argument index is not a string. */
const char *larg_no_string(lua_State *L, int index)
{
  larg_wrong(L, index, "string");
  return NULL;
}

/* Set functions in the table on top of the stack; meta: the metatable of their
 * self if they are methods, else 0. */
void larg_register(lua_State *L, const luaL_Reg *l, int meta)
{
  if (meta != 0)
    meta = lua_absindex(L, meta);
  for (; l->name != NULL; l++) {
    lua_pushfstring(L, meta != 0 ? ":%s" : "%s", l->name);
    if (meta != 0)
      lua_pushvalue(L, meta);
    lua_pushcclosure(L, l->func, meta != 0 ? 2 : 1);
    lua_setfield(L, -2, l->name);
  }
}

/* A class: metamethods may be NULL; __index is the table of its methods, or a
 * closure of index over that table. */
void larg_class(lua_State *L, const char *name, const luaL_Reg *metamethods,
                const luaL_Reg *methods, lua_CFunction index)
{
  luaL_newmetatable(L, name);
  if (metamethods != NULL)
    luaL_setfuncs(L, metamethods, 0);
  lua_newtable(L);
  larg_register(L, methods, -2);
  if (index != NULL)
    lua_pushcclosure(L, index, 1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
