/*
 * ltrace.c - k:trace(): calls in strace's format, to a file or a function
 *
 * The core reports an event in the middle of a call. A file gets its line at
 * once; for a function the event is queued, and delivered when the core has
 * returned.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lua/lfdemu.h"

#define LINE_SIZE 4096

struct event {
  struct fdemu_list link;
  enum fdemu_phase phase;
  const char *call;
  int pid, fd;
  bool has_fd;
  int64_t result, now;
  size_t asked; /* if the call was cut short, else 0 */
  size_t len;
  char line[];
};

static size_t asked(const struct fdemu_req *r)
{
  return r->len < r->asked && r->result == (int64_t)r->len ? r->asked : 0;
}

static void queue(struct lkernel *lk, const struct fdemu_event *e,
                  const char *line, size_t n)
{
  const struct fdemu_req *r = e->req;
  struct event *v = malloc(sizeof *v + n);

  if (v == NULL)
    return;
  *v = (struct event){ .phase = e->phase,
                       .call = r->call->name,
                       .pid = fdemu_getpid(r->proc),
                       .fd = r->fd,
                       .has_fd = (r->call->flags & FDEMU_CALL_FD) != 0,
                       .result = r->result,
                       .now = fdemu_now(lk->k),
                       .asked = asked(r),
                       .len = n };
  memcpy(v->line, line, n);
  fdemu_list_append(&lk->events, &v->link);
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

static void push_event(lua_State *L, const struct event *v)
{
  static const char *const phases[] = { "call", "unfinished", "resumed" };

  lua_createtable(L, 0, 9);
  luaL_setmetatable(L, LFD_EVENT);
  lua_pushstring(L, v->call);
  lua_setfield(L, -2, "call");
  lua_pushstring(L, phases[v->phase]);
  lua_setfield(L, -2, "phase");
  lua_pushlstring(L, v->line, v->len);
  lua_setfield(L, -2, "line");
  set_integer(L, "pid", v->pid);
  if (v->has_fd)
    set_integer(L, "fd", v->fd);
  if (v->phase != FDEMU_PHASE_UNFINISHED)
    set_integer(L, "result", v->result < 0 ? -1 : v->result);
  if (v->phase != FDEMU_PHASE_UNFINISHED && v->result < 0)
    set_integer(L, "errno", -v->result);
  if (v->asked != 0)
    set_integer(L, "short", (int64_t)v->asked);
  lua_pushnumber(L, (lua_Number)v->now / 1e9);
  lua_setfield(L, -2, "time");
}

/* Hand what is queued to the function. What it does is traced later. */
void ltrace_deliver(lua_State *L, struct lkernel *lk)
{
  struct fdemu_list events;

  fdemu_list_init(&events);
  fdemu_list_splice(&events, &lk->events);
  while (!fdemu_list_empty(&events)) {
    struct event *v = fdemu_entry(events.next, struct event, link);
    fdemu_list_remove(&v->link);
    lkernel_env(L, lk, ENV_TRACE);
    push_event(L, v);
    free(v);
    if (lua_isfunction(L, -2)) {
      if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
        fdemu_list_splice(&events, &lk->events);
        fdemu_list_splice(&lk->events, &events);
        lua_error(L);
      }
    } else
      lua_pop(L, 2);
  }
}

void ltrace_stop(struct lkernel *lk)
{
  if (lk->k != NULL)
    fdemu_set_trace(lk->k, NULL, NULL);
  while (!fdemu_list_empty(&lk->events)) {
    struct event *v = fdemu_entry(lk->events.next, struct event, link);
    fdemu_list_remove(&v->link);
    free(v);
  }
}

/* k:trace(file | function | nil) */
int ltrace_set(lua_State *L)
{
  struct lkernel *lk = lkernel_check(L, 1);
  luaL_Stream *stream = luaL_testudata(L, 2, LUA_FILEHANDLE);

  larg_check(L, stream != NULL || lua_isfunction(L, 2) || lua_isnil(L, 2), 2,
             "a file, a function or nil expected");
  larg_check(L, stream == NULL || stream->closef != NULL, 2, "file is closed");
  lua_settop(L, 2);
  ltrace_deliver(L, lk);
  ltrace_stop(lk);
  lkernel_env(L, lk, 0);
  lua_pushvalue(L, 2);
  lua_rawseti(L, -2, ENV_TRACE);
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
