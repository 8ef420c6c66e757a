/* lfdemu.c - the module fdemu.core */
#include <string.h>
#include <sys/ioctl.h>

#include "lua/lfdemu.h"

/* strerror(errno) -> message */
static int module_strerror(lua_State *L)
{
  lua_pushstring(L, strerror((int)larg_integer(L, 1)));
  return 1;
}

/* errname(errno) -> name, or nil */
static int module_errname(lua_State *L)
{
  lua_Integer error = larg_integer(L, 1);

  lua_pushstring(L,
                 error > 0 && error < 4096 ? fdemu_errname((int)error) : NULL);
  return 1;
}

static lua_Integer check_range(lua_State *L, int index, lua_Integer max)
{
  lua_Integer n = larg_integer(L, index);

  larg_check(L, n >= 0 && n <= max, index, "out of range");
  return n;
}

/* The type of a request: a number, or the character that stands for it. */
static unsigned check_type(lua_State *L)
{
  size_t n;

  if (lua_type(L, 1) == LUA_TSTRING) {
    const char *s = lua_tolstring(L, 1, &n);
    larg_check(L, n == 1, 1, "one character expected");
    return (unsigned char)*s;
  }
  return (unsigned)check_range(L, 1, _IOC_TYPEMASK);
}

/* The size of an argument: a number, or a layout's. */
static unsigned check_size(lua_State *L)
{
  if (luaL_getmetafield(L, 3, "__name") == LUA_TSTRING &&
      strcmp(lua_tostring(L, -1), LFD_STRUCT) == 0) {
    lua_getfield(L, 3, "size");
    lua_replace(L, 3);
  }
  return (unsigned)check_range(L, 3, _IOC_SIZEMASK);
}

static int request(lua_State *L, unsigned dir)
{
  unsigned type = check_type(L);
  unsigned nr = (unsigned)check_range(L, 2, _IOC_NRMASK);
  unsigned size = dir != _IOC_NONE ? check_size(L) : 0;

  lua_pushinteger(L, (lua_Integer)_IOC(dir, type, nr, size));
  return 1;
}

static int module_io(lua_State *L)
{
  return request(L, _IOC_NONE);
}

static int module_ior(lua_State *L)
{
  return request(L, _IOC_READ);
}

static int module_iow(lua_State *L)
{
  return request(L, _IOC_WRITE);
}

static int module_iowr(lua_State *L)
{
  return request(L, _IOC_READ | _IOC_WRITE);
}

/* explain(fn): fn(list) composes the text of a deadlock. */
static int module_explain(lua_State *L)
{
  larg_type(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, LFD_EXPLAIN);
  return 0;
}

/* check(kernel): nil, or what does not fit in its state. */
static int module_check(lua_State *L)
{
  const struct lkernel *lk = lkernel_check(L, 1);
  const char *wrong = lsched_check(lk);

  lua_pushstring(L, wrong != NULL ? wrong : fdemu_check(lk->k));
  return 1;
}

static const luaL_Reg functions[] = {
  { "check", module_check },
  { "buffer", lbuffer_make },
  { "strerror", module_strerror },
  { "errname", module_errname },
  { "_IO", module_io },
  { "_IOR", module_ior },
  { "_IOW", module_iow },
  { "_IOWR", module_iowr },
  { "explain", module_explain },
  { "waiting", lwaiting_list },
  { "bind", ltask_bind },
  { "condition", lcond_new },
  { "record", lchoice_record },
  { "replay", lchoice_replay },
  { "choices", lchoice_list },
  { "counts", lchoice_counts },
  { NULL, NULL },
};

FDEMU_API int luaopen_fdemu_core(lua_State *L);

int luaopen_fdemu_core(lua_State *L)
{
  luaL_checkversion(L);
  lbuffer_open(L);
  ldesc_open(L);
  lsched_open(L);
  ltask_open(L);
  lcond_open(L);
  lproc_open(L);
  ltrace_open(L);
  lfault_open(L);
  llsof_open(L);
  lmisuse_open(L);
  lua_newtable(L);
  larg_register(L, functions, 0);
  lkernel_open(L);
  lua_setfield(L, -2, "kernel");
  lua_pushliteral(L, FDEMU_VERSION);
  lua_setfield(L, -2, "_VERSION");
  luaL_getmetatable(L, LFD_KERNEL);
  lua_getfield(L, -1, "__index");
  lua_setfield(L, -3, "Kernel");
  lua_pop(L, 1);
  lconst_set(L);
  return 1;
}
