/*
 * drivers.c - a libFuzzer target: bytes are what drivers written in Lua do
 *
 * Each input runs drivers.lua and collects what it left; the Lua state is
 * closed now and then, and looked for leaks. (libFuzzer would do that after
 * each input that leaves the state larger, and do little else.) Then all inputs
 * since the last time are written to ...-leak-1 and so on, to be tried alone.
 * What is left to say here is an error that the script raises itself.
 *
 * It is run in the project's folder, with LUA_PATH as the Makefile sets it.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <sanitizer/lsan_interface.h>

#define RUNS 20 /* inputs for a Lua state */

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int luaopen_fdemu_core(lua_State *L);

static const char *program = "drivers";
static struct input {
  uint8_t *data;
  size_t size;
} inputs[RUNS]; /* since the state was made */
static int runs;

static void remember(const uint8_t *data, size_t size)
{
  struct input *i = &inputs[runs++ % RUNS];

  i->data = realloc(i->data, size + 1);
  if (i->data == NULL)
    abort();
  memcpy(i->data, data, size);
  i->size = size;
}

/* One of the last inputs has left something. */
static void blame(const char *what)
{
  char name[4096];

  fprintf(stderr, "%s are left, by one of %s-leak-1 ... -%d\n", what, program,
          RUNS);
  for (int i = 0; i < RUNS && inputs[i].data != NULL; i++) {
    FILE *f;
    snprintf(name, sizeof name, "%s-leak-%d", program, i + 1);
    f = fopen(name, "w");
    if (f == NULL || fwrite(inputs[i].data, 1, inputs[i].size, f) == 0)
      fprintf(stderr, "cannot write %s\n", name);
    if (f != NULL)
      fclose(f);
  }
  abort();
}

static int oom_in, oom_for; /* after so many allocations, so many fail */
static bool refused;

static void *allocate(void *ud, void *ptr, size_t old, size_t size)
{
  (void)ud;
  if (size == 0) {
    free(ptr);
    return NULL;
  }
  if (oom_in > 0 && (ptr == NULL || size > old) && --oom_in == 0) {
    oom_in = --oom_for > 0;
    refused = true;
    return NULL;
  }
  return realloc(ptr, size);
}

/* oom(n, times): the nth of Lua's allocations from now on fails, and those
 * after it. If it is one, Lua collects everything, and has it in the end. */
static int set_oom(lua_State *L)
{
  int n = (int)luaL_checkinteger(L, 1);

  oom_for = (int)luaL_optinteger(L, 2, 1);
  oom_in = n;
  return 0;
}

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
  lua_State *L = lua_newstate(allocate, NULL);

  if (L == NULL)
    abort();
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_fdemu_core);
  lua_setfield(L, -2, "fdemu.core");
  lua_pop(L, 1);
  need(L, luaL_loadfile(L, "spec/fuzz/drivers.lua"));
  lua_pushcfunction(L, set_oom);
  need(L, lua_pcall(L, 1, 2, 0));
  return L;
}

/* No kernel may be left when nobody has one any more. */
static void stop(lua_State *L)
{
  lua_pushvalue(L, 2);
  need(L, lua_pcall(L, 0, 1, 0));
  if (lua_tointeger(L, -1) != 0)
    blame("kernels");
  lua_close(L);
  if (__lsan_do_recoverable_leak_check() != 0)
    blame("allocations");
}

/* The script itself may meet what it has asked for. */
static bool is_memory_error(lua_State *L)
{
  const char *message = lua_tostring(L, -1);

  return message != NULL && strstr(message, "not enough memory") != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static lua_State *L;
  int status;

  if (size == 0)
    return 0;
  if (L == NULL)
    L = start();
  remember(data, size);
  lua_pushvalue(L, 1);
  lua_pushlstring(L, (const char *)data, size);
  refused = false;
  status = lua_pcall(L, 1, 0, 0);
  oom_in = 0;
  if (refused && status != LUA_OK && is_memory_error(L))
    lua_pop(L, 1);
  else
    need(L, status);
  lua_gc(L, LUA_GCCOLLECT, 0);
  if (runs % RUNS == 0) {
    stop(L);
    L = NULL;
  }
  return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
  (void)argc;
  program = (*argv)[0];
  return 0;
}
