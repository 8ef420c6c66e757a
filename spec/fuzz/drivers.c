/*
 * drivers.c - a libFuzzer target: bytes are what drivers written in Lua do
 *
 * Each input runs drivers.lua and collects what it left; the Lua state is
 * closed now and then. With leaks and wrong accesses found by the sanitizers,
 * what is left to say here is an error that the script raises itself.
 *
 * It is run in the project's folder, with LUA_PATH as the Makefile sets it.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#define RUNS 20 /* inputs for a Lua state */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int luaopen_fdemu_core(lua_State *L);

static void need(lua_State *L, int status)
{
  if (status == LUA_OK)
    return;
  fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
  abort();
}

/* A state with the script's two functions at 1 and 2. */
static lua_State *start(void)
{
  lua_State *L = luaL_newstate();

  if (L == NULL)
    abort();
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_fdemu_core);
  lua_setfield(L, -2, "fdemu.core");
  lua_pop(L, 1);
  need(L, luaL_loadfile(L, "spec/fuzz/drivers.lua"));
  need(L, lua_pcall(L, 0, 2, 0));
  return L;
}

/* No kernel may be left when nobody has one any more. */
static void stop(lua_State *L)
{
  lua_pushvalue(L, 2);
  need(L, lua_pcall(L, 0, 1, 0));
  if (lua_tointeger(L, -1) != 0) {
    fprintf(stderr, "%d kernels are left\n", (int)lua_tointeger(L, -1));
    abort();
  }
  lua_close(L);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static lua_State *L;
  static int runs;

  if (L == NULL)
    L = start();
  lua_pushvalue(L, 1);
  lua_pushlstring(L, (const char *)data, size);
  need(L, lua_pcall(L, 1, 0, 0));
  lua_gc(L, LUA_GCCOLLECT, 0);
  if (++runs % RUNS == 0) {
    stop(L);
    L = NULL;
  }
  return 0;
}
