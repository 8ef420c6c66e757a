/* lchoice.c - what chance decided, as Lua tables: for fdemu.explore */
#include <stdlib.h>
#include <string.h>

#include "lua/lfdemu.h"

static const char *const kinds[FDEMU_NCHOICES + 1] = {
  [FDEMU_CHOICE_SHORT] = "short", [FDEMU_CHOICE_EINTR] = "eintr",
  [FDEMU_CHOICE_RETRY] = "retry", [FDEMU_CHOICE_TURN] = "turn",
  [FDEMU_CHOICE_STOP] = "stop",
};

static int no_memory(lua_State *L)
{
  return luaL_error(L, "not enough memory");
}

static void keep_name(lua_State *L, struct lkernel *lk, lua_Integer who)
{
  lkernel_env(L, lk, ENV_NAMES);
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, who);
  lua_pop(L, 1);
}

/* The names of tasks are kept, since tasks end before they are asked for. */
void lchoice_keep_names(lua_State *L, struct lkernel *lk)
{
  struct fdemu_list *n;

  if (lk->names)
    return;
  for (n = lk->tasks.next; n != &lk->tasks; n = n->next) {
    struct task *t = fdemu_entry(n, struct task, all);
    if (t->worker)
      continue;
    lsched_push_name(L, t);
    keep_name(L, lk, lsched_who(t));
    lua_pop(L, 1);
  }
  lk->names = true;
}

/* The name of a new task is on top of the stack. */
void lchoice_name(lua_State *L, struct lkernel *lk, lua_Integer who)
{
  if (lk->names)
    keep_name(L, lk, who);
}

/* record(kernel): choices(kernel) will know them from now on. */
int lchoice_record(lua_State *L)
{
  struct lkernel *lk = lkernel_check(L, 1);

  lchoice_keep_names(L, lk);
  return fdemu_record(lk->k) < 0 ? no_memory(L) : 0;
}

static uint64_t field(lua_State *L, const char *key)
{
  lua_Integer n;

  lua_getfield(L, -1, key);
  n = larg_integer(L, -1);
  lua_pop(L, 1);
  return (uint64_t)n;
}

static struct fdemu_choice choice_at(lua_State *L, lua_Integer i)
{
  struct fdemu_choice c = { 0 };
  const char *kind;

  lua_rawgeti(L, 2, i);
  larg_check(L, lua_istable(L, -1), 2, "a list of choices expected");
  lua_getfield(L, -1, "kind");
  kind = lua_tostring(L, -1);
  while (c.kind < FDEMU_NCHOICES &&
         (kind == NULL || strcmp(kinds[c.kind], kind) != 0))
    c.kind++;
  larg_check(L, c.kind < FDEMU_NCHOICES, 2, "unknown kind of choice");
  lua_pop(L, 1);
  c.who = (uint32_t)field(L, "who");
  c.nth = field(L, "nth");
  c.value = field(L, "value");
  lua_pop(L, 1);
  return c;
}

/* replay(kernel, list): these choices instead of chance's. */
int lchoice_replay(lua_State *L)
{
  struct lkernel *lk = lkernel_check(L, 1);
  struct fdemu_choice *list;
  size_t n;

  larg_type(L, 2, LUA_TTABLE);
  n = lua_rawlen(L, 2);
  list = lua_newuserdata(L, (n + 1) * sizeof *list);
  for (size_t i = 0; i < n; i++)
    list[i] = choice_at(L, (lua_Integer)i + 1);
  lchoice_keep_names(L, lk);
  return fdemu_replay(lk->k, list, n) < 0 ? no_memory(L) : 0;
}

static void set_integer(lua_State *L, const char *key, uint64_t n)
{
  lua_pushinteger(L, (lua_Integer)n);
  lua_setfield(L, -2, key);
}

static void set_name(lua_State *L, struct lkernel *lk, const char *key,
                     uint32_t who)
{
  lkernel_env(L, lk, ENV_NAMES);
  if (lua_rawgeti(L, -1, who) == LUA_TNIL) {
    lua_pop(L, 1);
    if (who > FDEMU_WHO_PROC)
      lua_pushfstring(L, "process %d", (int)(who & ~FDEMU_WHO_PROC));
    else
      lua_pushfstring(L, "task %d", (int)who);
  }
  lua_setfield(L, -3, key);
  lua_pop(L, 1);
}

static void push_choice(lua_State *L, struct lkernel *lk,
                        const struct fdemu_choice *c)
{
  lua_createtable(L, 0, 12);
  lua_pushstring(L, kinds[c->kind]);
  lua_setfield(L, -2, "kind");
  set_integer(L, "who", c->who);
  set_integer(L, "nth", c->nth);
  set_integer(L, "value", c->value);
  set_integer(L, "most", c->most);
  lua_pushstring(L, c->call);
  lua_setfield(L, -2, "call");
  set_integer(L, "pid", (uint64_t)c->pid);
  if (c->fd >= 0)
    set_integer(L, "fd", (uint64_t)c->fd);
  lcall_push_origin(L, lk, c->origin);
  lua_setfield(L, -2, "origin");
  set_name(L, lk, "task", c->who);
  if (c->other != 0)
    set_name(L, lk, "other", c->other);
}

/* choices(kernel) -> the list of what was chosen, and was not 0 */
int lchoice_list(lua_State *L)
{
  struct lkernel *lk = lkernel_check(L, 1);
  const struct fdemu_choice *list;
  int64_t n = fdemu_choices(lk->k, &list);

  if (n < 0)
    return no_memory(L);
  lua_createtable(L, (int)n, 0);
  for (int64_t i = 0; i < n; i++) {
    push_choice(L, lk, &list[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

/* counts(kernel) -> a list of { kind=, who=, nth= }: how often each came to
 * choose, whatever was chosen */
int lchoice_counts(lua_State *L)
{
  struct lkernel *lk = lkernel_check(L, 1);
  size_t n = fdemu_choice_counts(lk->k, NULL, 0);
  struct fdemu_choice *list = lua_newuserdata(L, (n + 1) * sizeof *list);

  fdemu_choice_counts(lk->k, list, n);
  lua_createtable(L, (int)n, 0);
  for (size_t i = 0; i < n; i++) {
    lua_createtable(L, 0, 3);
    lua_pushstring(L, kinds[list[i].kind]);
    lua_setfield(L, -2, "kind");
    set_integer(L, "who", list[i].who);
    set_integer(L, "nth", list[i].nth);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}
