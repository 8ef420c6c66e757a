/* lfault.c - k:inject(): calls that go wrong on purpose */
#include <errno.h>
#include <string.h>

#include "lua/lfdemu.h"

#define MAX_CALLS 32

/* A Rule. While it is in force env anchors it; its user value has the strings
 * that it points to, and the predicate at 1. */
struct lrule {
  struct fdemu_rule rule;
  struct lkernel *lk;
  const char *calls[MAX_CALLS + 1];
  const char *task;  /* the name of the task that makes the call; NULL: any */
  const char *where; /* "file:line: " that made it, or "" */
  const char *when;  /* as it was given, or NULL */
  bool predicate, optional, ended;
};

static struct lrule *lrule_of(const struct fdemu_rule *rule)
{
  return fdemu_entry(rule, struct lrule, rule);
}

static void push_rule(lua_State *L, struct lrule *lr)
{
  lkernel_env(L, lr->lk, ENV_RULES);
  lua_rawgetp(L, -1, lr);
  lua_remove(L, -2);
}

/* ---- whether a call fits ------------------------------------------------ */

static bool right_task(lua_State *L, const struct lrule *lr)
{
  const char *name;
  bool same;

  if (lr->task == NULL)
    return true;
  lsched_push_name(L, lr->lk->current);
  name = lua_tostring(L, -1);
  same = name != NULL && strcmp(name, lr->task) == 0;
  lua_pop(L, 1);
  return same;
}

static void set_integer(lua_State *L, const char *key, lua_Integer n)
{
  lua_pushinteger(L, n);
  lua_setfield(L, -2, key);
}

static void set_file(lua_State *L, const struct fdemu_file *f)
{
  lua_pushstring(L, f->ops->name);
  lua_setfield(L, -2, "kind");
  set_integer(L, "flags", f->flags);
  if (f->mode & FDEMU_MODE_SHORT) {
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "short");
  }
}

/* What a predicate sees of a call. */
static void push_call(lua_State *L, struct lkernel *lk,
                      const struct fdemu_req *r)
{
  const char *path = r->path;

  if (path == NULL && r->file != NULL)
    path = r->file->path;
  lua_createtable(L, 0, 10);
  lua_pushstring(L, r->call->name);
  lua_setfield(L, -2, "call");
  set_integer(L, "pid", fdemu_getpid(r->proc));
  set_integer(L, "count", (lua_Integer)r->len);
  set_integer(L, "cmd", (lua_Integer)r->cmd);
  if (r->call->flags & FDEMU_CALL_FD)
    set_integer(L, "fd", r->fd);
  if (r->file != NULL)
    set_file(L, r->file);
  lua_pushstring(L, path);
  lua_setfield(L, -2, "path");
  lsched_push_name(L, lk->current);
  lua_setfield(L, -2, "task");
}

/* (rule, request) -> what the predicate says of the call */
static int ask(lua_State *L)
{
  struct lrule *lr = lua_touserdata(L, 1);

  push_rule(L, lr);
  lua_getiuservalue(L, -1, 1);
  lua_rawgeti(L, -1, 1);
  push_call(L, lr->lk, lua_touserdata(L, 2));
  lua_call(L, 1, 1);
  lua_pushboolean(L, lua_toboolean(L, -1));
  return 1;
}

/* Called in the middle of the core, so nothing may wait or raise here. */
static bool match(const struct fdemu_rule *rule, const struct fdemu_req *r)
{
  struct lrule *lr = lrule_of(rule);
  struct lkernel *lk = lr->lk;
  lua_State *L = lk->L;
  bool yes = false, room = lua_checkstack(L, LUA_MINSTACK) != 0;
  char *scratch;
  int status;

  if (room && !right_task(L, lr))
    return false;
  if (room && !lr->predicate)
    return true;
  scratch = room ? lcall_interrupt(lk) : NULL;
  if (scratch == NULL) {
    lcall_orphan_memory(lk);
    return false;
  }
  lua_pushcfunction(L, ask);
  lua_pushlightuserdata(L, lr);
  lua_pushlightuserdata(L, (void *)(uintptr_t)r);
  status = lua_pcall(L, 2, 1, 0);
  if (status == LUA_OK) {
    yes = lua_toboolean(L, -1);
    lua_pop(L, 1);
  } else
    lcall_orphan(L, lk, status);
  lcall_resume(lk, scratch);
  lk->L = L;
  return yes;
}

/* ---- the rule's fields -------------------------------------------------- */

static int bad(lua_State *L, const char *key, const char *what)
{
  return luaL_error(L, "bad rule: %s %s", key, what);
}

/* Push field key, which must have a type, or be nil: false. */
static bool field(lua_State *L, const char *key, int type)
{
  int t = lua_getfield(L, 2, key);

  if (t != LUA_TNIL && t != type)
    bad(L, key,
        lua_pushfstring(L, "must be a %s, not a %s", lua_typename(L, type),
                        lua_typename(L, t)));
  if (t != LUA_TNIL)
    return true;
  lua_pop(L, 1);
  return false;
}

/* Keep the string on top of the stack in the rule's user value (at index 4),
 * and pop it. */
static const char *keep(lua_State *L)
{
  const char *s = lua_tostring(L, -1);

  lua_rawseti(L, 4, (lua_Integer)lua_rawlen(L, 4) + 1);
  return s;
}

static const char *string_field(lua_State *L, const char *key)
{
  return field(L, key, LUA_TSTRING) ? keep(L) : NULL;
}

static lua_Integer integer_field(lua_State *L, const char *key, lua_Integer def,
                                 lua_Integer min, lua_Integer max)
{
  lua_Integer n = def;
  int ok;

  if (!field(L, key, LUA_TNUMBER))
    return def;
  n = lua_tointegerx(L, -1, &ok);
  if (!ok || n < min || n > max)
    bad(L, key, "is out of range");
  lua_pop(L, 1);
  return n;
}

static bool is_call(const char *name)
{
  static const struct fdemu_call *const others[] = {
    &fdemu_mkdirat_call,
    &fdemu_mknodat_call,
    &fdemu_symlinkat_call,
    &fdemu_linkat_call,
    &fdemu_unlinkat_call,
    &fdemu_renameat2_call,
    &fdemu_newfstatat_call,
    &fdemu_readlinkat_call,
    &fdemu_faccessat2_call,
    &fdemu_fchmodat2_call,
    &fdemu_fchmod_call,
    &fdemu_fchownat_call,
    &fdemu_fchown_call,
    &fdemu_utimensat_call,
    &fdemu_truncate_call,
    &fdemu_chdir_call,
    &fdemu_fchdir_call,
    &fdemu_getcwd_call,
    &fdemu_umask_call,
    &fdemu_statfs_call,
    &fdemu_fstatfs_call,
    &fdemu_getdents64_call,
    &fdemu_pipe_call,
    &fdemu_pipe2_call,
    &fdemu_socketpair_call,
    &fdemu_socket_call,
    &fdemu_shutdown_call,
    &fdemu_sendto_call,
    &fdemu_recvfrom_call,
    &fdemu_sendmsg_call,
    &fdemu_recvmsg_call,
    &fdemu_setsockopt_call,
    &fdemu_getsockopt_call,
    &fdemu_getsockname_call,
    &fdemu_getpeername_call,
    &fdemu_eventfd_call,
    &fdemu_epoll_create_call,
    &fdemu_epoll_create1_call,
    &fdemu_epoll_ctl_call,
    &fdemu_epoll_wait_call,
    &fdemu_timerfd_create_call,
    &fdemu_timerfd_settime_call,
    &fdemu_memfd_create_call,
    &fdemu_timerfd_gettime_call,
    &fdemu_sendfile_call,
    &fdemu_splice_call,
    &fdemu_tee_call,
    &fdemu_copy_file_range_call,
    &fdemu_vmsplice_call
  };

  for (size_t i = 0; i < FDEMU_NCALLS; i++)
    if (strcmp(fdemu_calls[i].name, name) == 0)
      return !(fdemu_calls[i].flags & FDEMU_CALL_QUIET);
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (strcmp(others[i]->name, name) == 0)
      return true;
  return false;
}

/* The call named by the string on top of the stack, which it pops. Programs
 * say pread, traces say pread64. */
static const char *call_name(lua_State *L)
{
  static const char *const aliases[][2] = {
    { "pread", "pread64" },       { "pwrite", "pwrite64" },
    { "open", "openat" },         { "wait", "wait4" },
    { "eventfd", "eventfd2" },    { "exec", "execve" },
    { "isatty", "ioctl" },        { "creat", "openat" },
    { "mkdir", "mkdirat" },       { "mkfifo", "mknodat" },
    { "mknod", "mknodat" },       { "unlink", "unlinkat" },
    { "rmdir", "unlinkat" },      { "rename", "renameat2" },
    { "link", "linkat" },         { "symlink", "symlinkat" },
    { "readlink", "readlinkat" }, { "stat", "newfstatat" },
    { "lstat", "newfstatat" },    { "fstatat", "newfstatat" },
    { "access", "faccessat2" },   { "faccessat", "faccessat2" },
    { "chmod", "fchmodat2" },     { "fchmodat", "fchmodat2" },
    { "chown", "fchownat" },      { "lchown", "fchownat" },
    { "utime", "utimensat" },     { "readdir", "getdents64" },
    { "send", "sendto" },         { "recv", "recvfrom" },
    { "eventfd_read", "read" },   { "eventfd_write", "write" },
    { "select", "pselect6" },     { "posix_fadvise", "fadvise64" },
  };
  const char *s = lua_tostring(L, -1);

  for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
    if (strcmp(aliases[i][0], s) == 0) {
      lua_pop(L, 1);
      return aliases[i][1];
    }
  if (!is_call(s))
    bad(L, "call", lua_pushfstring(L, "'%s' is not known", s));
  return keep(L);
}

/* Add the calls that the string on top of the stack names, with commas between
 * them; pops it. Returns how many there are now. */
static int add_calls(lua_State *L, struct lrule *lr, int n)
{
  const char *s = lua_tostring(L, -1);

  if (lua_type(L, -1) != LUA_TSTRING)
    bad(L, "call", "must be a name or a list of names");
  for (;;) {
    size_t len = strcspn(s, ",");
    if (n == MAX_CALLS)
      bad(L, "call", "must have from 1 to 32 names");
    lua_pushlstring(L, s, len);
    lr->calls[n++] = call_name(L);
    if (s[len] == '\0')
      break;
    s += len + 1;
    s += strspn(s, " ");
  }
  lua_pop(L, 1);
  return n;
}

static void calls_field(lua_State *L, struct lrule *lr)
{
  int n = 0;

  if (lua_getfield(L, 2, "call") == LUA_TNIL) {
    lua_pop(L, 1);
    return;
  }
  if (lua_type(L, -1) != LUA_TTABLE)
    n = add_calls(L, lr, n);
  else {
    lua_Integer len = luaL_len(L, -1);
    if (len < 1)
      bad(L, "call", "must have from 1 to 32 names");
    for (lua_Integer i = 1; i <= len; i++) {
      lua_geti(L, -1, i);
      n = add_calls(L, lr, n);
    }
    lua_pop(L, 1);
  }
  lr->calls[n] = NULL;
  lr->rule.calls = lr->calls;
}

static int errno_field(lua_State *L)
{
  lua_Integer error = 0;

  switch (lua_getfield(L, 2, "errno")) {
  case LUA_TNIL: break;
  case LUA_TNUMBER: error = lua_tointeger(L, -1); break;
  case LUA_TSTRING: error = fdemu_errno(lua_tostring(L, -1)); break;
  default: error = -1;
  }
  if (!lua_isnil(L, -1) &&
      (error <= 0 || error > 4095 || fdemu_errname((int)error) == NULL))
    bad(L, "errno",
        lua_pushfstring(L, "'%s' is not known", luaL_tolstring(L, -1, NULL)));
  lua_pop(L, 1);
  return (int)error;
}

static int64_t delay_field(lua_State *L)
{
  double seconds = 0;

  if (field(L, "delay", LUA_TNUMBER)) {
    seconds = lua_tonumber(L, -1);
    if (!(seconds >= 0 && seconds < 4e9))
      bad(L, "delay", "is out of range");
    lua_pop(L, 1);
  }
  return larg_nanoseconds(seconds);
}

static void when_field(lua_State *L, struct lrule *lr)
{
  const char *when;

  if (lua_getfield(L, 2, "when") != LUA_TNIL) {
    if (lua_type(L, -1) != LUA_TSTRING && !lua_isinteger(L, -1))
      bad(L, "when", "must be an integer, or a string such as \"3..9+2\"");
    when = lua_tostring(L, -1);
    if (fdemu_rule_when(&lr->rule, when) < 0)
      bad(L, "when",
          lua_pushfstring(L,
                          "'%s' is not first, first+, first+step,"
                          " first..last or first..last+step",
                          when));
    lr->when = keep(L);
    return;
  }
  lua_pop(L, 1);
}

static bool boolean_field(lua_State *L, const char *key)
{
  bool yes = false;

  if (field(L, key, LUA_TBOOLEAN)) {
    yes = lua_toboolean(L, -1);
    lua_pop(L, 1);
  }
  return yes;
}

static void check_keys(lua_State *L)
{
  static const char *const known[] = { "call",     "path",  "kind",  "fd",
                                       "pid",      "task",  "where", "when",
                                       "errno",    "short", "delay", "after",
                                       "optional", NULL };

  lua_pushnil(L);
  while (lua_next(L, 2)) {
    const char *key = luaL_tolstring(L, -2, NULL);
    int i = 0;
    while (known[i] != NULL && strcmp(known[i], key) != 0)
      i++;
    if (known[i] == NULL || lua_type(L, -3) != LUA_TSTRING)
      bad(L, lua_pushfstring(L, "'%s'", key), "is not a key of a rule");
    lua_pop(L, 1);
    lua_pop(L, 1);
  }
}

static void fill_rule(lua_State *L, struct lrule *lr)
{
  struct fdemu_rule *rule = &lr->rule;

  rule->match = match;
  calls_field(L, lr);
  rule->path = string_field(L, "path");
  rule->kind = string_field(L, "kind");
  lr->task = string_field(L, "task");
  rule->fd = (int)integer_field(L, "fd", -1, 0, INT32_MAX);
  rule->pid = (int)integer_field(L, "pid", -1, 1, INT32_MAX);
  rule->short_count = (size_t)integer_field(L, "short", 0, 1, LUA_MAXINTEGER);
  rule->error = errno_field(L);
  rule->delay = delay_field(L);
  when_field(L, lr);
  rule->after = boolean_field(L, "after");
  lr->optional = boolean_field(L, "optional");
  if (field(L, "where", LUA_TFUNCTION)) {
    lr->predicate = true;
    lua_rawseti(L, 4, 1);
  }
  if (rule->error == 0 && rule->short_count == 0 && rule->delay == 0)
    luaL_error(L, "bad rule: it needs an errno, a short or a delay");
  if (rule->after && rule->error == 0)
    bad(L, "after", "needs an errno");
  if (rule->short_count > 0 && rule->error != 0 && !rule->after)
    bad(L, "short", "has no effect with an errno, unless after is true");
}

/* k:inject{...} -> Rule */
int lfault_inject(lua_State *L)
{
  struct lkernel *lk = lkernel_check(L, 1);
  struct lrule *lr;

  larg_type(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  check_keys(L);
  lr = lcompat_newuserdata(L, sizeof *lr);
  memset(lr, 0, sizeof *lr);
  fdemu_rule_init(&lr->rule);
  lr->lk = lk;
  luaL_setmetatable(L, LFD_RULE);
  lua_newtable(L);
  lua_pushboolean(L, 0); /* the predicate's place */
  lua_rawseti(L, -2, 1);
  lkernel_push(L, lk); /* whoever holds a Rule holds its kernel */
  lua_setfield(L, -2, "kernel");
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 3, 1);
  fill_rule(L, lr);
  luaL_where(L, 1);
  lr->where = keep(L);
  lkernel_env(L, lk, ENV_RULES);
  lua_pushvalue(L, 3);
  lua_rawsetp(L, -2, lr);
  fdemu_inject(lk->k, &lr->rule);
  lua_settop(L, 3);
  return 1;
}

/* ---- Rule --------------------------------------------------------------- */

static struct lrule *check(lua_State *L)
{
  return larg_udata(L, 1, LFD_RULE);
}

static void remove_rule(lua_State *L, struct lrule *lr)
{
  lr->ended = true;
  if (lr->lk->k == NULL || lr->rule.kernel == NULL)
    return;
  fdemu_rule_remove(&lr->rule);
  lkernel_env(L, lr->lk, ENV_RULES);
  lua_pushnil(L);
  lua_rawsetp(L, -2, lr);
  lua_pop(L, 1);
}

/* rule:remove(): it is not in force any more */
static int rule_remove(lua_State *L)
{
  remove_rule(L, check(L));
  return 0;
}

/* Push why a rule that did nothing did nothing. */
static void push_unused(lua_State *L, const struct lrule *lr)
{
  const struct fdemu_rule *rule = &lr->rule;
  luaL_Buffer b;

  luaL_buffinit(L, &b);
  luaL_addstring(&b, "a rule");
  if (*lr->where != '\0') {
    luaL_addstring(&b, " made at ");
    luaL_addlstring(&b, lr->where, strlen(lr->where) - 2);
  }
  luaL_addstring(&b, " was never used: ");
  if (rule->seen == 0)
    luaL_addstring(&b, "no call matched it");
  else {
    lua_pushfstring(L, "%I", (LUAI_UACINT)rule->seen);
    luaL_addvalue(&b);
    luaL_addstring(&b, rule->seen == 1 ? " call" : " calls");
    luaL_addstring(&b, " matched it, but ");
    if (lr->when == NULL || rule->seen >= rule->first)
      luaL_addstring(&b, rule->short_count > 0 && rule->error == 0
                             ? "none could be cut short, or another rule came"
                               " before it"
                             : "another rule came before it");
    else {
      luaL_addstring(&b, "when = ");
      luaL_addstring(&b, lr->when);
      luaL_addstring(&b, " picked none");
    }
  }
  luaL_pushresult(&b);
}

static bool unused(const struct lrule *lr)
{
  return lr->rule.hits == 0 && !lr->optional;
}

/* The end of its scope: a rule that did nothing was a mistake, unless something
 * else went wrong. Also rule:close(). */
static int rule_close(lua_State *L)
{
  struct lrule *lr = check(L);
  bool ended = lr->ended;

  remove_rule(L, lr);
  if (ended || !unused(lr) || !lua_isnoneornil(L, 2))
    return 0;
  luaL_where(L, 1);
  push_unused(L, lr);
  lua_concat(L, 2);
  return lua_error(L);
}

/* k:rules() -> a list of the rules in force, in the order of k:inject() */
int lfault_rules(lua_State *L)
{
  struct lkernel *lk = lkernel_check(L, 1);
  struct fdemu_rule *rule = NULL;
  lua_Integer n = 0;

  lua_newtable(L);
  while ((rule = fdemu_next_rule(lk->k, rule)) != NULL) {
    push_rule(L, lrule_of(rule));
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

static int rule_index(lua_State *L)
{
  const struct lrule *lr = check(L);
  const char *key = lua_tostring(L, 2);

  if (key != NULL && strcmp(key, "hits") == 0)
    lua_pushinteger(L, (lua_Integer)lr->rule.hits);
  else if (key != NULL && strcmp(key, "seen") == 0)
    lua_pushinteger(L, (lua_Integer)lr->rule.seen);
  else if (key != NULL && strcmp(key, "unused") == 0) {
    if (unused(lr))
      push_unused(L, lr);
    else
      lua_pushnil(L);
  } else {
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
  }
  return 1;
}

static int rule_tostring(lua_State *L)
{
  const struct lrule *lr = check(L);

  lua_pushfstring(L, "%s: %d of %d calls", LFD_RULE, (int)lr->rule.hits,
                  (int)lr->rule.seen);
  return 1;
}

static const luaL_Reg methods[] = {
  { "remove", rule_remove },
  { "close", rule_close },
  { NULL, NULL },
};

static const luaL_Reg metamethods[] = {
  { "__tostring", rule_tostring },
  { "__close", rule_close },
  { NULL, NULL },
};

int lfault_open(lua_State *L)
{
  larg_class(L, LFD_RULE, metamethods, methods, rule_index);
  return 0;
}
