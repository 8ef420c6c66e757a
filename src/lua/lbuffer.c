/* lbuffer.c - Buffers: memory that an ioctl can read and write */
#include <string.h>

#include "lua/lfdemu.h"

struct lbuffer *lbuffer_new(lua_State *L, size_t size)
{
  struct lbuffer *b = lcompat_newuserdata(L, sizeof *b + size);

  b->size = size;
  memset(b->data, 0, size);
  luaL_setmetatable(L, LFD_BUFFER);
  return b;
}

struct lbuffer *lbuffer_test(lua_State *L, int index)
{
  return luaL_testudata(L, index, LFD_BUFFER);
}

static struct lbuffer *check(lua_State *L)
{
  return larg_udata(L, 1, LFD_BUFFER);
}

/* buffer(size | bytes) */
int lbuffer_make(lua_State *L)
{
  if (lua_type(L, 1) == LUA_TSTRING) {
    size_t n;
    const char *s = lua_tolstring(L, 1, &n);
    memcpy(lbuffer_new(L, n)->data, s, n);
  } else {
    lua_Integer size = larg_integer(L, 1);
    larg_check(L, size >= 0, 1, "size must not be negative");
    larg_check(L, size <= INT32_MAX, 1, "size is too large");
    lbuffer_new(L, (size_t)size);
  }
  return 1;
}

/* The offset at index, 0 by default, of n bytes that must be inside. */
static size_t check_offset(lua_State *L, const struct lbuffer *b, int index,
                           size_t n)
{
  lua_Integer offset = larg_optinteger(L, index, 0);

  larg_check(L, offset >= 0, index, "offset must not be negative");
  larg_check(L, (size_t)offset <= b->size, index,
             "offset is past the end of the buffer");
  if (n > b->size - (size_t)offset)
    luaL_error(L,
               "%d bytes at offset %d are past the end of the buffer"
               " (%d bytes)",
               (int)n, (int)offset, (int)b->size);
  return (size_t)offset;
}

/* b:get([offset [, n]]) -> string */
static int buffer_get(lua_State *L)
{
  const struct lbuffer *b = check(L);
  size_t offset = check_offset(L, b, 2, 0);
  lua_Integer n = larg_optinteger(L, 3, (lua_Integer)(b->size - offset));

  larg_check(L, n >= 0, 3, "count must not be negative");
  check_offset(L, b, 2, (size_t)n);
  lua_pushlstring(L, b->data + offset, (size_t)n);
  return 1;
}

/* b:set(bytes [, offset]) -> b */
static int buffer_set(lua_State *L)
{
  struct lbuffer *b = check(L);
  size_t n;
  const char *s = larg_string(L, 2, &n);
  size_t offset = check_offset(L, b, 3, n);

  memcpy(b->data + offset, s, n);
  lua_settop(L, 1);
  return 1;
}

/* Call string[name] with the arguments from index on. */
static void string_function(lua_State *L, const char *name)
{
  lua_getglobal(L, "string");
  lua_getfield(L, -1, name);
  lua_remove(L, -2);
}

/* b:pack(fmt, offset, ...) -> b: as string.pack, into the buffer */
static int buffer_pack(lua_State *L)
{
  struct lbuffer *b = check(L);
  int n = lua_gettop(L);
  size_t size, offset;
  const char *s;

  larg_string(L, 2, NULL);
  larg_integer(L, 3);
  string_function(L, "pack");
  lua_pushvalue(L, 2);
  for (int i = 4; i <= n; i++)
    lua_pushvalue(L, i);
  lua_call(L, n - 2, 1);
  s = lua_tolstring(L, -1, &size);
  offset = check_offset(L, b, 3, size);
  memcpy(b->data + offset, s, size);
  lua_settop(L, 1);
  return 1;
}

/* b:unpack(fmt [, offset]) -> values: as string.unpack, without the position */
static int buffer_unpack(lua_State *L)
{
  const struct lbuffer *b = check(L);
  size_t offset = check_offset(L, b, 3, 0);

  larg_string(L, 2, NULL);
  lua_settop(L, 3);
  string_function(L, "unpack");
  lua_pushvalue(L, 2);
  lua_pushlstring(L, b->data + offset, b->size - offset);
  lua_call(L, 2, LUA_MULTRET);
  lua_pop(L, 1);
  return lua_gettop(L) - 3;
}

/* ---- pointers --------------------------------------------------------- */

/* Each Buffer has addresses of its own for those that it points to: they are
 * the same in every run, and nobody else's. Its user value keeps the Buffers,
 * by number and the numbers by Buffer. */
#define SPACE ((lua_Integer)1 << 32) /* more than a Buffer can have */

static lua_Integer pointees(lua_State *L)
{
  if (lua_getiuservalue(L, 1, 1) != LUA_TTABLE)
    return 0;
  return (lua_Integer)lua_rawlen(L, -1);
}

/* b:point(buffer) -> the address that buffer has in b */
static int buffer_point(lua_State *L)
{
  lua_Integer n;

  check(L);
  larg_udata(L, 2, LFD_BUFFER);
  lua_settop(L, 2);
  n = pointees(L) + 1;
  if (n == 1) {
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, 1);
  }
  lua_pushvalue(L, 2);
  if (lua_rawget(L, -2) == LUA_TNUMBER)
    n = lua_tointeger(L, -1);
  lua_pop(L, 1);
  lua_pushvalue(L, 2);
  lua_pushinteger(L, n);
  lua_rawset(L, -3);
  lua_pushvalue(L, 2); /* last: it is what takes the number */
  lua_rawseti(L, -2, n);
  lua_pushinteger(L, n * SPACE);
  return 1;
}

/* b:pointee(address) -> Buffer, offset; or nil */
static int buffer_pointee(lua_State *L)
{
  lua_Integer address, n;
  const struct lbuffer *to;

  check(L);
  address = larg_integer(L, 2);
  n = pointees(L);
  if (address < SPACE || address / SPACE > n)
    return 0;
  lua_rawgeti(L, -1, address / SPACE);
  to = lua_touserdata(L, -1);
  lua_pushinteger(L, address % SPACE);
  return (size_t)(address % SPACE) <= to->size ? 2 : 0;
}

static int buffer_len(lua_State *L)
{
  lua_pushinteger(L, (lua_Integer)check(L)->size);
  return 1;
}

static int buffer_tostring(lua_State *L)
{
  lua_pushfstring(L, "%s: %d bytes", LFD_BUFFER, (int)check(L)->size);
  return 1;
}

static const luaL_Reg methods[] = {
  { "get", buffer_get },
  { "set", buffer_set },
  { "pack", buffer_pack },
  { "unpack", buffer_unpack },
  { "point", buffer_point },
  { "pointee", buffer_pointee },
  { NULL, NULL },
};

static const luaL_Reg metamethods[] = {
  { "__len", buffer_len },
  { "__tostring", buffer_tostring },
  { NULL, NULL },
};

int lbuffer_open(lua_State *L)
{
  larg_class(L, LFD_BUFFER, metamethods, methods, NULL);
  return 0;
}
