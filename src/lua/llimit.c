/*
 * llimit.c - limits of a kernel: what a script that runs away is stopped by
 *
 * Memory is what the core allocates; lmem.c counts it. Inside, a limit is
 * ENOMEM or ENFILE; outside it is an error, of the call that met it and of
 * every call after it.
 */
#include <string.h>

#include "lua/lfdemu.h"

static const char *const names[LIMIT_NONE] = { "memory", "descriptors", "tasks",
                                               "steps" };

/* Whether the core may have so many bytes more. */
bool llimit_memory(struct llimits *l, size_t more)
{
  if (more <= (size_t)l->max[LIMIT_MEMORY] - l->used)
    return true;
  l->hit = LIMIT_MEMORY;
  return false;
}

static int find(const char *name)
{
  int i = 0;

  while (i < LIMIT_NONE && (name == NULL || strcmp(names[i], name) != 0))
    i++;
  return i;
}

static lua_Integer check_limit(lua_State *L, const char *name)
{
  int ok;
  lua_Integer n = lua_tointegerx(L, -1, &ok);

  if (!ok || lua_type(L, -1) != LUA_TNUMBER || n < 1)
    luaL_error(L, "option 'limits': '%s' must be an integer above 0", name);
  return n;
}

/* The option limits of the table at index 1. */
void llimit_options(lua_State *L, struct llimits *l,
                    struct fdemu_config *config)
{
  int type = lua_getfield(L, 1, "limits");

  l->hit = LIMIT_NONE;
  for (int i = 0; i < LIMIT_NONE; i++)
    l->max[i] = LUA_MAXINTEGER;
  if (type != LUA_TNIL && type != LUA_TTABLE)
    luaL_error(L, "option 'limits' must be a table, not a %s",
               lua_typename(L, type));
  l->asked = type == LUA_TTABLE;
  if (l->asked) {
    lua_pushnil(L);
    while (lua_next(L, -2)) {
      const char *key =
          lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
      int i = find(key);
      if (i == LIMIT_NONE)
        luaL_error(L, "option 'limits': unknown limit '%s'",
                   luaL_tolstring(L, -2, NULL));
      l->max[i] = check_limit(L, key);
      lua_pop(L, 1);
    }
    if (l->max[LIMIT_DESCRIPTORS] < LUA_MAXINTEGER)
      config->descriptors = (size_t)l->max[LIMIT_DESCRIPTORS];
  }
  lua_pop(L, 1);
}

/* Raise if a limit was reached, ever. */
void llimit_check(lua_State *L, struct lkernel *lk)
{
  struct llimits *l = &lk->limits;
  const char *name;

  if (l->hit == LIMIT_NONE && lk->k != NULL && fdemu_refused(lk->k))
    l->hit = LIMIT_DESCRIPTORS;
  if (l->hit == LIMIT_NONE || lk->closing)
    return;
  name = names[l->hit];
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lcall_where(L, L);
  lua_pushfstring(L, "%s%slimit reached: %s (limits.%s = %I)",
                  lua_isnil(L, -1) ? "" : lua_tostring(L, -1),
                  lua_isnil(L, -1) ? "" : ": ", name, name,
                  (LUAI_UACINT)l->max[l->hit]);
  lua_error(L);
}

/* The core has no memory: raise, and say so if that is a limit's doing. */
int llimit_no_memory(lua_State *L, struct lkernel *lk)
{
  llimit_check(L, lk);
  return luaL_error(L, "not enough memory");
}

/* A system call is about to be made, or a task to go on. */
void llimit_step(lua_State *L, struct lkernel *lk)
{
  struct llimits *l = &lk->limits;

  if (l->hit == LIMIT_NONE && l->steps == l->max[LIMIT_STEPS])
    l->hit = LIMIT_STEPS;
  llimit_check(L, lk);
  l->steps++;
}

/* One more task is to live. */
void llimit_task(lua_State *L, struct lkernel *lk)
{
  struct llimits *l = &lk->limits;

  if (l->hit == LIMIT_NONE && lk->ntasks >= l->max[LIMIT_TASKS])
    l->hit = LIMIT_TASKS;
  llimit_check(L, lk);
}
