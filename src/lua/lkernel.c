/* lkernel.c - Kernels: options, the env table, and the end */
#include <string.h>

#include "lua/lfdemu.h"

/*
 * registry[&envs] is where in the registry the list of all kernels' envs is (by
 * number they are found faster than by address). Its values are weak: what
 * holds an env is its kernel's user value. [0] is the last place that was
 * taken; none is taken twice.
 */
static const char envs;

struct lkernel *lkernel_check(lua_State *L, int index)
{
  struct lkernel *lk = larg_udata(L, index, LFD_KERNEL);

  larg_check(L, lk->k != NULL, index, "kernel is closed");
  return lk;
}

/* Push env, and what leads to it below: two values. */
void lkernel_push_env(lua_State *L, const struct lkernel *lk)
{
  lua_rawgeti(L, LUA_REGISTRYINDEX, lk->envs);
  lua_rawgeti(L, -1, lk->place);
}

/* Push a table of env; 0: env itself. */
void lkernel_env(lua_State *L, struct lkernel *lk, int table)
{
  lkernel_push_env(L, lk);
  if (table != 0) {
    lua_rawgeti(L, -1, table);
    lua_replace(L, -3);
    lua_pop(L, 1);
  } else
    lua_replace(L, -2);
}

/* Push the Kernel. */
void lkernel_push(lua_State *L, struct lkernel *lk)
{
  lkernel_env(L, lk, 0);
  lua_getfield(L, -1, "kernel");
  lua_remove(L, -2);
}

/* Give lk a place in the list. */
static void take_place(lua_State *L, struct lkernel *lk)
{
  lua_rawgetp(L, LUA_REGISTRYINDEX, &envs);
  lk->envs = (int)lua_tointeger(L, -1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, lk->envs);
  lua_rawgeti(L, -1, 0);
  lk->place = lua_tointeger(L, -1) + 1;
  lua_pushinteger(L, lk->place);
  lua_rawseti(L, -3, 0);
  lua_pop(L, 3);
}

/* (table, key, value) */
static int set_protected(lua_State *L)
{
  lua_rawsetp(L, 1, lua_touserdata(L, 2));
  return 0;
}

/* Set what a table of env has under key to the value on top of the stack, which
 * is popped. False, and nothing has changed: no memory. */
bool lkernel_set(lua_State *L, struct lkernel *lk, int table, const void *key)
{
  lua_pushcfunction(L, set_protected);
  lkernel_env(L, lk, table);
  lua_pushlightuserdata(L, (void *)(uintptr_t)key);
  lua_pushvalue(L, -4);
  lua_remove(L, -5);
  if (lua_pcall(L, 3, 0, 0) == LUA_OK)
    return true;
  lua_pop(L, 1);
  return false;
}

/* Make env findable from lk. */
static void register_env(lua_State *L, struct lkernel *lk, int kernel)
{
  lua_rawgeti(L, LUA_REGISTRYINDEX, lk->envs);
  lua_getiuservalue(L, kernel, 1);
  lua_rawseti(L, -2, lk->place);
  lua_pop(L, 1);
}

/* Only the Kernel refers to its env, so env may refer to the Kernel. */
static void new_env(lua_State *L, int kernel)
{
  lua_newtable(L);
  for (int i = ENV_TASKS; i <= ENV_MISUSE; i++) {
    lua_newtable(L);
    lua_rawseti(L, -2, i);
  }
  for (int i = ENV_TRACE; i <= ENV_ORPHAN; i++) { /* places for them */
    lua_pushboolean(L, 0);
    lua_rawseti(L, -2, i);
  }
  lua_pushvalue(L, kernel);
  lua_setfield(L, -2, "kernel");
  lua_setiuservalue(L, kernel, 1);
}

/* ---- options ---------------------------------------------------------- */

static bool option_boolean(lua_State *L, const char *key, bool def)
{
  bool b;

  lua_getfield(L, 1, key);
  if (!lua_isnil(L, -1) && !lua_isboolean(L, -1))
    luaL_error(L, "option '%s' must be a boolean, not a %s", key,
               luaL_typename(L, -1));
  b = lua_isnil(L, -1) ? def : lua_toboolean(L, -1);
  lua_pop(L, 1);
  return b;
}

static lua_Integer option_integer(lua_State *L, const char *key,
                                  lua_Integer def)
{
  lua_Integer n = def;
  int ok = 1;

  if (lua_getfield(L, 1, key) != LUA_TNIL) {
    n = lua_tointegerx(L, -1, &ok);
    if (!ok || lua_type(L, -1) != LUA_TNUMBER)
      luaL_error(L, "option '%s' must be an integer", key);
  }
  lua_pop(L, 1);
  return n;
}

static double option_probability(lua_State *L, const char *key)
{
  double p = 0;

  if (lua_getfield(L, 1, key) != LUA_TNIL) {
    if (lua_type(L, -1) != LUA_TNUMBER || !(lua_tonumber(L, -1) >= 0) ||
        lua_tonumber(L, -1) > 1)
      luaL_error(L, "option '%s' must be a number from 0 to 1", key);
    p = lua_tonumber(L, -1);
  }
  lua_pop(L, 1);
  return p;
}

static bool option_order(lua_State *L)
{
  const char *order = "fifo";

  if (lua_getfield(L, 1, "order") != LUA_TNIL) {
    order = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    if (strcmp(order, "fifo") != 0 && strcmp(order, "random") != 0)
      luaL_error(L, "option 'order' must be \"fifo\" or \"random\"");
  }
  lua_pop(L, 1);
  return strcmp(order, "random") == 0;
}

static void check_options(lua_State *L)
{
  static const char *const known[] = { "seed",   "nofile", "short",   "order",
                                       "strict", "host",   "origins", "eintr",
                                       "honest", "space",  "limits",  NULL };

  lua_pushnil(L);
  while (lua_next(L, 1)) {
    int i = 0;
    if (lua_type(L, -2) != LUA_TSTRING)
      luaL_error(L, "options are named, not numbered");
    while (known[i] != NULL && strcmp(known[i], lua_tostring(L, -2)) != 0)
      i++;
    if (known[i] == NULL)
      luaL_error(L, "unknown option '%s'", lua_tostring(L, -2));
    lua_pop(L, 1);
  }
}

/* ---- beginning -------------------------------------------------------- */

static void init_lists(struct lkernel *lk)
{
  fdemu_list_init(&lk->ready);
  fdemu_list_init(&lk->tasks);
  fdemu_list_init(&lk->failed);
  fdemu_list_init(&lk->idle);
  fdemu_list_init(&lk->jobs);
  fdemu_list_init(&lk->dying);
  fdemu_list_init(&lk->processes);
  fdemu_list_init(&lk->events);
  fdemu_list_init(&lk->polled);
  fdemu_list_init(&lk->floating);
}

/* kernel([options]) */
static int kernel_new(lua_State *L)
{
  struct fdemu_config config = { 0 };
  lua_Integer nofile;
  struct lkernel *lk;

  lua_settop(L, 1);
  if (lua_isnil(L, 1)) {
    lua_newtable(L);
    lua_replace(L, 1);
  }
  larg_type(L, 1, LUA_TTABLE);
  check_options(L);
  lk = lcompat_newuserdata(L, sizeof *lk);
  memset(lk, 0, sizeof *lk);
  init_lists(lk);
  lmem_init(L, lk);
  luaL_setmetatable(L, LFD_KERNEL);
  lk->seed = option_integer(L, "seed", 0);
  nofile = option_integer(L, "nofile", 1024);
  if (nofile < 1 || nofile > 1048576)
    return luaL_error(L, "option 'nofile' must be from 1 to 1048576");
  config.space = option_integer(L, "space", 0);
  if (config.space < 0)
    return luaL_error(L, "option 'space' must not be negative");
  config.seed = (uint64_t)lk->seed;
  config.nofile = (int)nofile;
  config.short_counts = option_probability(L, "short");
  config.eintr = option_probability(L, "eintr");
  config.random_order = lk->random_order = option_order(L);
  lk->honest = option_boolean(L, "honest", true);
  lk->strict = option_boolean(L, "strict", false);
  lk->host = option_boolean(L, "host", false);
  config.origins = lk->origins = option_boolean(L, "origins", false);
  llimit_options(L, &lk->limits, &config);
  config.alloc = lmem_core;
  config.alloc_records = lmem_records;
  config.alloc_ud = lk;
  lk->attention = lcall_wants_attention(lk);
  lk->careful = lcall_wants_care(lk);
  take_place(L, lk);
  new_env(L, 2);
  register_env(L, lk, 2);
  lk->L = L;
  lk->scratch = lmem_resize(lk, NULL, 0, SCRATCH_SIZE);
  lk->k = fdemu_kernel_new(&config);
  if (lk->scratch == NULL || lk->k == NULL || fdemu_std_devices(lk->k) < 0)
    return llimit_no_memory(L, lk);
  return 1;
}

/* ---- end -------------------------------------------------------------- */

/* No task runs from here on. */
static void end_tasks(lua_State *L, struct lkernel *lk)
{
  struct fdemu_list *n = lk->tasks.next;

  while (n != &lk->tasks) {
    struct task *t = fdemu_entry(n, struct task, all);
    n = n->next;
    fdemu_abandon(&t->call.req);
    lcall_free(&t->call);
    if (!t->worker)
      lsched_end(L, t, TASK_CANCELLED);
  }
}

/* Give back the references of Descriptions that are in no table. */
static void put_floating(struct lkernel *lk)
{
  while (!fdemu_list_empty(&lk->floating))
    ldesc_sink(fdemu_entry(lk->floating.next, struct ldesc, floating));
}

/* Nobody waits any more: let go of what workers still have. env: there is
 * one, from which they go, too. */
static void end_workers(lua_State *L, struct lkernel *lk, bool env)
{
  while (!fdemu_list_empty(&lk->tasks)) {
    struct task *t = fdemu_entry(lk->tasks.next, struct task, all);
    struct fdemu_file *f = t->file;
    t->file = NULL;
    if (env)
      lsched_end(L, t, TASK_CANCELLED);
    else
      lsched_drop(L, t);
    if (f != NULL && t->holds)
      fdemu_file_put(f);
  }
}

static void put_dying(struct lkernel *lk)
{
  while (!fdemu_list_empty(&lk->dying)) {
    struct ldesc *d = fdemu_entry(lk->dying.next, struct ldesc, link);
    bool last = d->flushes <= 1;
    fdemu_list_remove(&d->link);
    if (!last) {
      d->flushes--;
      fdemu_list_append(&lk->dying, &d->link);
    }
    fdemu_file_put(d->file);
  }
}

static void free_scratch(struct lkernel *lk)
{
  lmem_free(lk, lk->scratch, SCRATCH_SIZE);
  lmem_free(lk, lk->spare, SCRATCH_SIZE);
  lk->scratch = lk->spare = NULL;
}

/* Processes exit, descriptions are released, and drivers hear of it. */
static void close_kernel(lua_State *L, struct lkernel *lk)
{
  struct fdemu_proc *p;

  lk->L = L;
  end_tasks(L, lk);
  while ((p = fdemu_next_proc(lk->k, 1)) != NULL)
    fdemu_proc_end(p);
  lproc_exited(lk);
  put_floating(lk);
  do
    fdemu_run(lk->k);
  while (lworker_drain(L, lk));
  lk->closing = true;
  end_workers(L, lk, true);
  put_dying(lk);
  put_floating(lk); /* what drivers have made meanwhile */
  if (!ltrace_deliver(L, lk))
    llimit_no_memory(L, lk);
  ltrace_end(L, lk);
  lcall_raise_orphan(L, lk);
}

static void free_kernel(lua_State *L, struct lkernel *lk)
{
  struct fdemu_kernel *k = lk->k;

  ltrace_stop(lk);
  put_floating(lk);
  end_workers(L, lk, false);
  put_dying(lk);
  while (!fdemu_list_empty(&lk->processes))
    lproc_forget(fdemu_entry(lk->processes.next, struct lprocess, link));
  if (k != NULL)
    fdemu_kernel_free(k);
  lk->k = NULL;
  free_scratch(lk);
}

static int close_protected(lua_State *L)
{
  struct lkernel *lk = lua_touserdata(L, 1);

  register_env(L, lk, 1);
  close_kernel(L, lk);
  return 0;
}

/* Whatever goes wrong, the kernel is closed afterwards: from then on without
 * Lua, which may have no memory, and without env. */
static int shut(lua_State *L, struct lkernel *lk)
{
  int status;

  lua_pushcfunction(L, close_protected);
  lua_pushvalue(L, 1);
  status = lua_pcall(L, 1, 0, 0);
  lk->closing = true;
  lk->L = L;
  free_kernel(L, lk);
  return status;
}

/* k:close(); also __close */
static int kernel_close(lua_State *L)
{
  struct lkernel *lk = larg_udata(L, 1, LFD_KERNEL);

  if (lk->k == NULL)
    return 0;
  if (lk->current != NULL || lk->nested != NULL || lk->polling > 0)
    return luaL_error(L, "a kernel cannot be closed while it runs");
  return shut(L, lk) == LUA_OK ? 0 : lua_error(L);
}

static int kernel_gc(lua_State *L)
{
  struct lkernel *lk = larg_udata(L, 1, LFD_KERNEL);

  if (lk->k != NULL)
    shut(L, lk);
  free_scratch(lk);
  return 0;
}

/* ---- methods ---------------------------------------------------------- */

static int kernel_spawn(lua_State *L)
{
  return ltask_spawn(L, lkernel_check(L, 1), 0);
}

static int kernel_now(lua_State *L)
{
  const struct lkernel *lk = lkernel_check(L, 1);

  lua_pushnumber(L, (lua_Number)fdemu_now(lk->k) / 1e9);
  return 1;
}

static int sleep_result(lua_State *L, struct call *c)
{
  return c->req.result < 0 ? lcall_integer(L, c) : 0;
}

/* k:sleep(seconds) */
static int kernel_sleep(lua_State *L)
{
  struct lkernel *lk = lkernel_check(L, 1);
  double seconds = larg_number(L, 2);
  struct call local, *c;

  larg_check(L, seconds >= 0, 2, "seconds must not be negative");
  c = lcall_begin(L, lk, &local, &fdemu_calls[FDEMU_SLEEP]);
  c->req.timeout = larg_nanoseconds(seconds);
  c->result = sleep_result;
  return lcall_submit(L, fdemu_kernel_self(lk->k), c);
}

static int kernel_tostring(lua_State *L)
{
  const struct lkernel *lk = larg_udata(L, 1, LFD_KERNEL);

  lua_pushfstring(L, "%s: seed %I%s", LFD_KERNEL, (LUAI_UACINT)lk->seed,
                  lk->k == NULL ? " (closed)" : "");
  return 1;
}

static const luaL_Reg methods[] = {
  { "process", lproc_new },
  { "device", ldriver_device },
  { "description", ldriver_description },
  { "requests", lrequest_set },
  { "spawn", kernel_spawn },
  { "run", lsched_run },
  { "sleep", kernel_sleep },
  { "now", kernel_now },
  { "trace", ltrace_set },
  { "inject", lfault_inject },
  { "rules", lfault_rules },
  { "lsof", llsof_all },
  { "leaks", llsof_leaks },
  { "misuse", lmisuse_list },
  { "close", kernel_close },
  { NULL, NULL },
};

static const luaL_Reg functions[] = {
  { "kernel", kernel_new },
  { NULL, NULL },
};

static const luaL_Reg metamethods[] = {
  { "__tostring", kernel_tostring },
  { "__gc", kernel_gc },
  { "__close", kernel_close },
  { NULL, NULL },
};

int lkernel_open(lua_State *L)
{
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_pushinteger(L, 0);
  lua_rawseti(L, -2, 0);
  lua_pushinteger(L, luaL_ref(L, LUA_REGISTRYINDEX));
  lua_rawsetp(L, LUA_REGISTRYINDEX, &envs);
  larg_class(L, LFD_KERNEL, metamethods, methods, NULL);
  lua_newtable(L);
  larg_register(L, functions, 0);
  lua_getfield(L, -1, "kernel");
  lua_remove(L, -2);
  return 1;
}
