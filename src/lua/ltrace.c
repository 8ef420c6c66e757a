/*
 * ltrace.c - k:trace(): calls in strace's format, to a file or a function
 *
 * The core reports an event in the middle of a call. A file gets its line at
 * once; for a function the event is queued, and delivered when the core has
 * returned. The function looks on: it may make calls, which are not traced and
 * must not wait.
 */
#include <stdio.h>
#include <string.h>

#include "lua/lfdemu.h"

#define LINE_SIZE 4096

struct event {
  struct fdemu_list link;
  enum fdemu_phase phase;
  const char *call;
  int pid, fd;
  bool has_fd, injected;
  uint32_t who;
  int64_t result, start, now;
  size_t asked;            /* if the call was cut short, else 0 */
  uint64_t file;           /* the description's id, or 0 */
  size_t line, kind, path; /* lengths; SIZE_MAX: there is none */
  size_t size;             /* of all this */
  char text[];             /* line, kind and path */
};

static size_t asked(const struct fdemu_req *r)
{
  return r->len < r->asked && r->result == (int64_t)r->len ? r->asked : 0;
}

static size_t length(const char *s)
{
  return s != NULL ? strlen(s) : SIZE_MAX;
}

static char *append(char *end, const char *s, size_t n)
{
  if (n == SIZE_MAX)
    return end;
  memcpy(end, s, n);
  return end + n;
}

static void queue(struct lkernel *lk, const struct fdemu_event *e,
                  const char *line, size_t n)
{
  const struct fdemu_req *r = e->req;
  const char *kind = r->file != NULL ? r->file->ops->name : NULL;
  const char *path = r->path != NULL   ? r->path
                     : r->file != NULL ? r->file->path
                                       : NULL;
  size_t nkind = length(kind), npath = length(path);
  size_t size = sizeof(struct event) + n + (kind != NULL ? nkind : 0) +
                (path != NULL ? npath : 0);
  struct event *v = lmem_resize(lk, NULL, 0, size);

  if (v == NULL) {
    lcall_orphan_memory(lk); /* who reads the trace would miss it */
    return;
  }
  *v = (struct event){ .phase = e->phase,
                       .call = r->call->name,
                       .pid = fdemu_getpid(r->proc),
                       .fd = r->fd,
                       .has_fd = (r->call->flags & FDEMU_CALL_FD) != 0,
                       .injected = r->injected,
                       .who = r->who != 0 ? r->who : lsched_who(lk->current),
                       .result = r->result,
                       .start = e->start,
                       .now = fdemu_now(lk->k),
                       .asked = asked(r),
                       .file = r->file != NULL ? r->file->id : 0,
                       .line = n,
                       .kind = nkind,
                       .path = npath,
                       .size = size };
  append(append(append(v->text, line, n), kind, nkind), path, npath);
  fdemu_list_append(&lk->events, &v->link);
  lk->attention = true;
}

/* The text of an origin; it lives as long as the kernel. */
static const char *origin_text(struct lkernel *lk, uint32_t id)
{
  const char *s = "?";

  if (!lua_checkstack(lk->L, LUA_MINSTACK))
    return s;
  lcall_push_origin(lk->L, lk, id);
  if (lua_type(lk->L, -1) == LUA_TSTRING)
    s = lua_tostring(lk->L, -1);
  lua_pop(lk->L, 1);
  return s;
}

/* What to say of a call that found its descriptor closed. */
static size_t add_misuse(struct lkernel *lk, const struct fdemu_req *r,
                         char *buf, size_t size)
{
  uint32_t made, closed;
  int fd, n;

  closed = lmisuse_closed(r, &fd, &made);
  if (closed == 0)
    return 0;
  n = snprintf(buf, size, " (%d was closed at %s, and made at %s)", fd,
               origin_text(lk, closed), origin_text(lk, made));
  return (size_t)n < size ? (size_t)n : size - 1;
}

static void on_event(void *ud, const struct fdemu_event *e)
{
  struct lkernel *lk = ud;
  char line[LINE_SIZE];
  size_t n = fdemu_format(e, line, sizeof line - 1);

  if (lk->origins && e->phase != FDEMU_PHASE_UNFINISHED)
    n += add_misuse(lk, e->req, line + n, sizeof line - 1 - n);
  if (lk->tracefile == NULL)
    queue(lk, e, line, n);
  else if (lk->tracefile->closef != NULL) { /* nobody has closed it */
    line[n++] = '\n';
    fwrite(line, 1, n, lk->tracefile->f);
  }
}

static void set_integer(lua_State *L, const char *key, int64_t n)
{
  lua_pushinteger(L, (lua_Integer)n);
  lua_setfield(L, -2, key);
}

/* Set a field to the n bytes at s, and return their end. */
static const char *set_text(lua_State *L, const char *key, const char *s,
                            size_t n)
{
  if (n == SIZE_MAX)
    return s;
  lua_pushlstring(L, s, n);
  lua_setfield(L, -2, key);
  return s + n;
}

static void set_seconds(lua_State *L, const char *key, int64_t ns)
{
  lua_pushnumber(L, (lua_Number)ns / 1e9);
  lua_setfield(L, -2, key);
}

/* The event that v is, without the name of the task. */
static void push_event(lua_State *L, const struct event *v)
{
  static const char *const phases[] = { "call", "unfinished", "resumed" };
  bool over = v->phase != FDEMU_PHASE_UNFINISHED;
  bool answered = over && v->result != FDEMU_PENDING; /* not of exit_group */
  const char *s = v->text;

  lua_createtable(L, 0, 16);
  luaL_setmetatable(L, LFD_EVENT);
  lua_pushstring(L, v->call);
  lua_setfield(L, -2, "call");
  lua_pushstring(L, phases[v->phase]);
  lua_setfield(L, -2, "phase");
  s = set_text(L, "line", s, v->line);
  s = set_text(L, "kind", s, v->kind);
  set_text(L, "path", s, v->path);
  set_integer(L, "pid", v->pid);
  set_integer(L, "who", v->who);
  if (v->has_fd)
    set_integer(L, "fd", v->fd);
  if (v->file != 0)
    set_integer(L, "description", (int64_t)v->file);
  if (answered)
    set_integer(L, "result", v->result < 0 ? -1 : v->result);
  if (answered && v->result < 0)
    set_integer(L, "errno", -v->result);
  if (v->asked != 0)
    set_integer(L, "short", (int64_t)v->asked);
  if (v->injected) {
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "injected");
  }
  set_seconds(L, "start", v->start);
  set_seconds(L, "time", over ? v->now : v->start);
}

static void set_task(lua_State *L, struct lkernel *lk, uint32_t who)
{
  lkernel_env(L, lk, ENV_NAMES);
  lua_rawgeti(L, -1, who);
  lua_setfield(L, -3, "task");
  lua_pop(L, 1);
}

static void forget(struct lkernel *lk, struct event *v)
{
  fdemu_list_remove(&v->link);
  lmem_free(lk, v, v->size);
}

struct delivery {
  struct lkernel *lk;
  bool made; /* the event */
};

/* (delivery): hand the first event that is queued to the function. It stays
 * there if there is no memory to make it of. */
static int deliver_first(lua_State *L)
{
  struct delivery *d = lua_touserdata(L, 1);
  struct event *v = fdemu_entry(d->lk->events.next, struct event, link);

  lkernel_env(L, d->lk, ENV_TRACE);
  push_event(L, v);
  set_task(L, d->lk, v->who);
  forget(d->lk, v);
  d->made = true;
  if (lua_isfunction(L, -2))
    lua_call(L, 1, 0);
  return 0;
}

/* Hand what is queued to the function, whose errors are raised. False: there is
 * no memory, and they are for the next time. */
bool ltrace_deliver(lua_State *L, struct lkernel *lk)
{
  struct delivery d = { .lk = lk, .made = true };

  if (lk->telling)
    return true;
  while (d.made && !fdemu_list_empty(&lk->events)) {
    int status;
    d.made = false;
    lk->telling = lk->careful = true;
    lk->polling++;
    lua_pushcfunction(L, deliver_first);
    lua_pushlightuserdata(L, &d);
    status = lua_pcall(L, 1, 0, 0);
    lk->polling--;
    lk->telling = false;
    lk->careful = lcall_wants_care(lk);
    lk->L = L;
    if (status != LUA_OK && d.made)
      lua_error(L);
    if (status != LUA_OK)
      lua_pop(L, 1);
  }
  return d.made;
}

void ltrace_stop(struct lkernel *lk)
{
  if (lk->k != NULL)
    fdemu_set_trace(lk->k, NULL, NULL);
  while (!fdemu_list_empty(&lk->events))
    forget(lk, fdemu_entry(lk->events.next, struct event, link));
}

/* Tracing stops, or the kernel closes: the sink may want to know. */
void ltrace_end(lua_State *L, struct lkernel *lk)
{
  lkernel_env(L, lk, ENV_TRACE_END);
  if (!lua_toboolean(L, -1)) {
    lua_pop(L, 1);
    return;
  }
  lkernel_env(L, lk, 0);
  lua_pushboolean(L, 0);
  lua_rawseti(L, -2, ENV_TRACE_END);
  lua_pop(L, 1);
  lua_call(L, 0, 0);
}

/* k:trace(file | function | nil [, ended]) */
int ltrace_set(lua_State *L)
{
  struct lkernel *lk = lkernel_check(L, 1);
  luaL_Stream *stream = luaL_testudata(L, 2, LUA_FILEHANDLE);

  larg_check(L, stream != NULL || lua_isfunction(L, 2) || lua_isnil(L, 2), 2,
             "a file, a function or nil expected");
  larg_check(L, stream == NULL || stream->closef != NULL, 2, "file is closed");
  if (!lua_isnoneornil(L, 3))
    larg_type(L, 3, LUA_TFUNCTION);
  lua_settop(L, 3);
  if (!ltrace_deliver(L, lk))
    llimit_no_memory(L, lk);
  if (lua_isfunction(L, 2))
    lchoice_keep_names(L, lk);
  ltrace_stop(lk);
  ltrace_end(L, lk);
  lkernel_env(L, lk, 0);
  for (int i = 0; i < 2; i++) {
    if (lua_isnil(L, 2 + i))
      lua_pushboolean(L, 0); /* keeps the place */
    else
      lua_pushvalue(L, 2 + i);
    lua_rawseti(L, -2, ENV_TRACE + i);
  }
  lk->tracefile = stream;
  if (!lua_isnil(L, 2))
    fdemu_set_trace(lk->k, on_event, lk);
  return 0;
}

static int event_tostring(lua_State *L)
{
  larg_type(L, 1, LUA_TTABLE);
  lua_getfield(L, 1, "line");
  return 1;
}

int ltrace_open(lua_State *L)
{
  luaL_newmetatable(L, LFD_EVENT);
  lua_pushcfunction(L, event_tostring);
  lua_setfield(L, -2, "__tostring");
  lua_pop(L, 1);
  return 0;
}
