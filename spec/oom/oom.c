/*
 * oom.c - the Lua binding, again and again, with the first, the second, the
 * third ... allocation failing
 *
 * usage: oom [-s STEPS] [NAME...]
 *
 * spec/oom/cases.lua has a case for every function. Each is run in a Lua state
 * of its own, whose allocator is also that of the binding and of the kernels in
 * it, so that whatever allocates can be made to fail; and when the state is
 * closed, it must have nothing left. Each is also run with a full collection at
 * every line and call. Further: opening the module, and closing a
 * state when nothing can be allocated.
 *
 * It is run in the project's folder, with LUA_PATH as the Makefile sets it.
 * With -s, only so many allocations of one case fail, spread over all that it
 * makes.
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CASES "spec/oom/cases.lua"

int luaopen_fdemu_core(lua_State *L);

static long passed, failed, failures; /* checks; allocations that failed */
static const char *steps = "0";

static void check(bool ok, const char *name, const char *what)
{
  if (ok)
    passed++;
  else {
    failed++;
    printf("FAILED: %s: %s\n", name, what);
  }
}

/* ---- the heap --------------------------------------------------------- */

/* In front of a block: how large it is. */
union header {
  size_t size;
  max_align_t align;
};

struct heap {
  size_t live;   /* bytes */
  long count;    /* allocations since it was armed */
  long fail_at;  /* the one that fails, from 1; 0: it is not armed */
  bool all;      /* and so do all that come after it */
  void *ptr;     /* of the one that failed, and what was wanted: Lua collects */
  size_t wanted; /* garbage and tries again */
  bool wrong;    /* a block came back with another size */
};

static bool fails(struct heap *h, void *ptr, size_t size)
{
  bool again;

  if (h->fail_at == 0)
    return false;
  h->count++;
  again = h->count == h->fail_at + 1 && ptr == h->ptr && size == h->wanted;
  if (h->count != h->fail_at && !again && !(h->all && h->count > h->fail_at))
    return false;
  h->ptr = ptr;
  h->wanted = size;
  failures++;
  return true;
}

/* lua_Alloc. A block that grows moves. */
static void *heap_alloc(void *ud, void *ptr, size_t old, size_t size)
{
  struct heap *h = ud;
  union header *from = ptr != NULL ? (union header *)ptr - 1 : NULL, *to = NULL;

  if (from == NULL)
    old = 0; /* a type, and no size */
  else if (from->size != old)
    h->wrong = true;
  if (size > 0) {
    if (size > old && fails(h, ptr, size))
      return NULL;
    to = malloc(sizeof *to + size);
    if (to == NULL)
      abort();
    to->size = size;
    if (from != NULL)
      memcpy(to + 1, from + 1, old < size ? old : size);
  }
  h->live += size - old;
  free(from);
  return to != NULL ? to + 1 : NULL;
}

static struct heap *heap_of(lua_State *L)
{
  void *ud;

  lua_getallocf(L, &ud);
  return ud;
}

/* ---- the module oom, for the cases ------------------------------------ */

static int try_done(lua_State *L, int status, lua_KContext ctx)
{
  struct heap *h = heap_of(L);
  bool hit = h->count >= h->fail_at && h->fail_at > 0;

  (void)ctx;
  h->fail_at = 0;
  lua_pushboolean(L, hit);
  lua_insert(L, 1);
  lua_pushboolean(L, status == LUA_OK || status == LUA_YIELD);
  lua_insert(L, 2);
  lua_pushboolean(L, status == LUA_ERRMEM);
  lua_insert(L, 3);
  return lua_gettop(L);
}

/* try(n, all, f, ...): call f when the nth allocation fails (and, with all,
 * whatever comes after it) -> whether there were so many; whether f returned;
 * whether that is Lua's memory error; results or error */
static int oom_try(lua_State *L)
{
  struct heap *h = heap_of(L);
  lua_Integer n = luaL_checkinteger(L, 1);
  int status;

  h->all = lua_toboolean(L, 2);
  lua_remove(L, 1);
  lua_remove(L, 1);
  h->count = 0;
  h->fail_at = (long)n;
  status = lua_pcallk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, 0, try_done);
  return try_done(L, status, 0);
}

/* stop(): nothing fails any more -> whether something has */
static int oom_stop(lua_State *L)
{
  struct heap *h = heap_of(L);

  lua_pushboolean(L, h->fail_at > 0 && h->count >= h->fail_at);
  h->fail_at = 0;
  return 1;
}

/* count() -> allocations in what was tried last */
static int oom_count(lua_State *L)
{
  lua_pushinteger(L, heap_of(L)->count);
  return 1;
}

/* live() -> bytes that are allocated */
static int oom_live(lua_State *L)
{
  lua_pushinteger(L, (lua_Integer)heap_of(L)->live);
  return 1;
}

/* check(ok, name, what) */
static int oom_check(lua_State *L)
{
  check(lua_toboolean(L, 1), luaL_checkstring(L, 2), luaL_checkstring(L, 3));
  return 0;
}

static const luaL_Reg functions[] = {
  { "try", oom_try },   { "stop", oom_stop },   { "count", oom_count },
  { "live", oom_live }, { "check", oom_check }, { NULL, NULL },
};

static int open_oom(lua_State *L)
{
  luaL_newlib(L, functions);
  lua_pushstring(L, steps);
  lua_setfield(L, -2, "steps");
  return 1;
}

/* ---- Lua states ------------------------------------------------------- */

static int panic(lua_State *L)
{
  fprintf(stderr, "an error that nobody caught: %s\n", lua_tostring(L, -1));
  return 0;
}

static void preload(lua_State *L, const char *name, lua_CFunction open)
{
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, open);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
}

static lua_State *start(struct heap *h)
{
  lua_State *L;

  memset(h, 0, sizeof *h);
  L = lua_newstate(heap_alloc, h);
  if (L == NULL)
    abort();
  lua_atpanic(L, panic);
  luaL_openlibs(L);
  preload(L, "fdemu.core", luaopen_fdemu_core);
  preload(L, "oom", open_oom);
  return L;
}

static void stop(lua_State *L, struct heap *h, const char *name)
{
  char text[64];

  lua_close(L);
  snprintf(text, sizeof text, "%zu bytes are left", h->live);
  check(h->live == 0, name, text);
  check(!h->wrong, name, "a block is freed with a wrong size");
}

static int traceback(lua_State *L)
{
  luaL_traceback(L, L, lua_tostring(L, 1), 1);
  return 1;
}

/* Call a function of the cases; its result stays on the stack. */
static bool call(lua_State *L, const char *function, const char *arg)
{
  if (luaL_loadfile(L, CASES) == LUA_OK && lua_pcall(L, 0, 1, 0) == LUA_OK) {
    lua_pushcfunction(L, traceback);
    lua_getfield(L, -2, function);
    lua_pushstring(L, arg);
    if (lua_pcall(L, 1, 1, -3) == LUA_OK)
      return true;
  }
  check(false, arg, lua_tostring(L, -1));
  return false;
}

/* One case. */
static void run(const char *name)
{
  struct heap h;
  lua_State *L = start(&h);

  call(L, "run", name);
  stop(L, &h, name);
}

/* ---- what takes more than one state ----------------------------------- */

static int require_module(lua_State *L)
{
  lua_getglobal(L, "require");
  lua_pushstring(L, "fdemu");
  lua_call(L, 1, 1);
  return 1;
}

/* The module is opened when the nth allocation fails; then when none does. */
static void open_module(void)
{
  bool hit = true;

  for (long n = 1; hit; n += n < 300 ? 1 : n / 8) {
    struct heap h;
    lua_State *L = start(&h);
    int status;
    h.all = n % 2 == 0;
    h.fail_at = n;
    lua_pushcfunction(L, require_module);
    status = lua_pcall(L, 0, 0, 0);
    hit = h.count >= n;
    h.fail_at = 0;
    check(status != LUA_OK || !hit || !h.all, "require", "has not failed");
    lua_settop(L, 0);
    lua_pushcfunction(L, require_module);
    check(lua_pcall(L, 0, 0, 0) == LUA_OK, "require", "cannot be tried again");
    stop(L, &h, "require");
  }
}

/* A state with much in it is closed when the nth allocation fails, and all that
 * come after it; until none does. */
static void close_state(void)
{
  bool hit = true;

  for (long n = 1; hit; n++) {
    struct heap h;
    lua_State *L = start(&h);
    bool made = call(L, "world", "close");
    h.all = true;
    h.count = 0;
    h.fail_at = n;
    if (made)
      stop(L, &h, "lua_close");
    hit = made && h.count >= n;
  }
}

/* ---- all of it -------------------------------------------------------- */

static bool wanted(int argc, char **argv, const char *name)
{
  for (int i = 1; i < argc; i++)
    if (strstr(name, argv[i]) != NULL)
      return true;
  return argc < 2;
}

static void run_all(int argc, char **argv)
{
  struct heap h;
  lua_State *L = start(&h);

  if (call(L, "names", "names"))
    for (lua_Integer i = 1; lua_rawgeti(L, -1, i) == LUA_TSTRING; i++) {
      if (wanted(argc, argv, lua_tostring(L, -1)))
        run(lua_tostring(L, -1));
      lua_pop(L, 1);
    }
  lua_settop(L, 0);
  stop(L, &h, "names");
}

int main(int argc, char **argv)
{
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc > 2 && strcmp(argv[1], "-s") == 0) {
    steps = argv[2];
    argc -= 2;
    argv += 2;
  }
  run_all(argc, argv);
  if (wanted(argc, argv, "require"))
    open_module();
  if (wanted(argc, argv, "lua_close"))
    close_state();
  printf("%s: %ld allocations failed\n", LUA_VERSION, failures);
  printf("%ld passed, %ld failed\n", passed, failed);
  return failed > 0 || passed == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
