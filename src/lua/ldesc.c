/*
 * ldesc.c - Descriptions: an open file description as a Lua object
 *
 * The user value has the fields that a script has set, and falls back to the
 * ops table that made the description. A function in a slot's field overrides
 * the kind's own method: file->ops points to d->ops, a copy with the slot
 * replaced.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lua/lfdemu.h"

static struct ldesc *check_any(lua_State *L, int index)
{
  return larg_udata(L, index, LFD_DESCRIPTION);
}

struct ldesc *ldesc_check(lua_State *L, int index)
{
  struct ldesc *d = check_any(L, index);

  larg_check(L, d->lk->k != NULL, index, "kernel is closed");
  larg_check(L, d->file != NULL, index, "description is closed");
  return d;
}

/* Push the userdata of an open description. */
void ldesc_push(lua_State *L, struct ldesc *d)
{
  lkernel_env(L, d->lk, ENV_DESCS);
  lua_rawgetp(L, -1, d);
  lua_replace(L, -2);
}

/* The file is gone; a script may still hold the userdata. */
void ldesc_forget(lua_State *L, struct ldesc *d)
{
  lkernel_env(L, d->lk, ENV_DESCS);
  lua_pushnil(L);
  lua_rawsetp(L, -2, d);
  lua_pop(L, 1);
}

/* A table has it now, or nobody: it has no reference of its own any more. */
void ldesc_sink(struct ldesc *d)
{
  if (fdemu_list_empty(&d->floating))
    return;
  fdemu_list_remove(&d->floating);
  fdemu_file_put(d->file);
}

/* Push f's Description, made now if it has none. The fields table is new. */
struct ldesc *ldesc_new(lua_State *L, struct lkernel *lk, struct fdemu_file *f,
                        bool scripted)
{
  struct ldesc *d = f->handle;

  if (d != NULL) {
    ldesc_push(L, d);
    return d;
  }
  d = lcompat_newuserdata(L, sizeof *d);
  memset(d, 0, sizeof *d);
  d->lk = lk;
  d->honest = lk->honest;
  fdemu_list_init(&d->link);
  fdemu_list_init(&d->polled);
  fdemu_list_init(&d->floating);
  luaL_setmetatable(L, LFD_DESCRIPTION);
  lua_newtable(L);
  lkernel_push(L, lk); /* whoever holds a Description holds its kernel */
  lua_rawsetp(L, -2, lk);
  lua_setiuservalue(L, -2, 1);
  lkernel_env(L, lk, ENV_DESCS);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, d);
  lua_pop(L, 1);
  d->id = (lua_Integer)f->id;
  d->native = f->ops;
  d->scripted = scripted;
  d->ops = *f->ops;
  strncpy(d->kind, f->ops->name, sizeof d->kind - 1);
  d->ops.name = d->kind;
  ldriver_hook(d, NULL, false);
  d->file = f;
  fdemu_file_override(f, &d->ops);
  f->handle = d;
  return d;
}

/* ---- the kind's own methods, as functions ----------------------------- */

/* A request on the description itself, with its kind's own methods. */
static struct call *begin(lua_State *L, struct ldesc *d, struct call *local,
                          enum fdemu_callno no)
{
  struct call *c = lcall_begin(L, d->lk, local, &fdemu_calls[no]);

  c->req.on = d->file;
  c->req.ops = d->native;
  c->req.fd = -1;
  c->req.quiet = true;
  return c;
}

static int submit(lua_State *L, struct ldesc *d, struct call *c)
{
  return lcall_submit(L, fdemu_kernel_self(d->lk->k), c);
}

static int native_read(lua_State *L)
{
  struct ldesc *d = ldesc_check(L, 1);
  lua_Integer n = larg_integer(L, 2);
  bool at = !lua_isnoneornil(L, 3);
  struct call local, *c;

  larg_check(L, n >= 0, 2, "count must not be negative");
  c = begin(L, d, &local, at ? FDEMU_PREAD : FDEMU_READ);
  c->req.offset = larg_optinteger(L, 3, 0);
  lcall_want(c, (size_t)n);
  return submit(L, d, c);
}

static int native_write(lua_State *L)
{
  struct ldesc *d = ldesc_check(L, 1);
  size_t n;
  const char *s = larg_string(L, 2, &n);
  bool at = !lua_isnoneornil(L, 3);
  struct call local, *c;

  c = begin(L, d, &local, at ? FDEMU_PWRITE : FDEMU_WRITE);
  c->req.offset = larg_optinteger(L, 3, 0);
  c->req.buf.iov_base = (void *)(uintptr_t)s;
  c->req.buf.iov_len = n;
  return submit(L, d, c);
}

static int native_lseek(lua_State *L)
{
  struct ldesc *d = ldesc_check(L, 1);
  lua_Integer offset = larg_integer(L, 2);
  lua_Integer whence = larg_integer(L, 3);
  struct call local, *c = begin(L, d, &local, FDEMU_LSEEK);

  c->req.offset = offset;
  c->req.cmd = (unsigned long)whence;
  return submit(L, d, c);
}

static int native_ioctl(lua_State *L)
{
  struct ldesc *d = ldesc_check(L, 1);
  lua_Integer request = larg_integer(L, 2);
  struct call local, *c;

  lua_settop(L, 3);
  c = begin(L, d, &local, FDEMU_IOCTL);
  c->req.cmd = (unsigned long)request;
  lcall_set_ioctl(L, c, 3);
  return submit(L, d, c);
}

static int native_fcntl(lua_State *L)
{
  struct ldesc *d = ldesc_check(L, 1);
  lua_Integer cmd = larg_integer(L, 2), arg = larg_optinteger(L, 3, 0);
  struct call local, *c = begin(L, d, &local, FDEMU_FCNTL);

  c->req.cmd = (unsigned long)cmd;
  c->req.arg = arg;
  return submit(L, d, c);
}

/* A call with a number and no data: flock, truncate, sync. */
static int native_number(lua_State *L, enum fdemu_callno no, lua_Integer cmd,
                         lua_Integer offset)
{
  struct ldesc *d = ldesc_check(L, 1);
  struct call local, *c = begin(L, d, &local, no);

  c->req.cmd = (unsigned long)cmd;
  c->req.offset = offset;
  return submit(L, d, c);
}

static int native_flock(lua_State *L)
{
  return native_number(L, FDEMU_FLOCK, larg_integer(L, 2), 0);
}

static int native_truncate(lua_State *L)
{
  return native_number(L, FDEMU_FTRUNCATE, 0, larg_integer(L, 2));
}

static int native_sync(lua_State *L)
{
  return native_number(L, lua_toboolean(L, 2) ? FDEMU_FDATASYNC : FDEMU_FSYNC,
                       0, 0);
}

static int native_poll(lua_State *L)
{
  struct ldesc *d = ldesc_check(L, 1);

  int events = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
  struct fdemu_file *f = d->file;

  d->lk->L = L;
  fdemu_file_get(f); /* an epoll instance asks others, who may close it */
  if (d->native->poll != NULL)
    events = d->native->poll(f);
  fdemu_file_put(f);
  lua_pushinteger(L, events);
  return 1;
}

static int stat_result(lua_State *L, struct call *c)
{
  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
  lfd_push_stat(L, c->req.buf.iov_base);
  return 1;
}

static int native_stat(lua_State *L)
{
  struct ldesc *d = ldesc_check(L, 1);
  struct call local, *c = begin(L, d, &local, FDEMU_FSTAT);

  c->req.buf.iov_base = d->lk->scratch;
  c->req.buf.iov_len = sizeof(struct stat);
  c->keep = lcall_keep_copy;
  c->result = stat_result;
  return submit(L, d, c);
}

/* The kind's own release, and flush, happen whatever an override does. */
static int native_nothing(lua_State *L)
{
  ldesc_check(L, 1);
  lua_pushinteger(L, 0);
  return 1;
}

static const luaL_Reg natives[] = {
  { "read", native_read },
  { "write", native_write },
  { "lseek", native_lseek },
  { "ioctl", native_ioctl },
  { "fcntl", native_fcntl },
  { "poll", native_poll },
  { "stat", native_stat },
  { "flush", native_nothing },
  { "release", native_nothing },
  { "flock", native_flock },
  { "truncate", native_truncate },
  { "sync", native_sync },
  { NULL, NULL },
};

/* Whether the kind has a method of its own in a slot. */
static bool has_native(const struct ldesc *d, const struct lslot *slot)
{
  void (*const *method)(void) = (void (*const *)(void))(
      const void *)((const char *)d->native + slot->offset);

  return !d->scripted && *method != NULL;
}

/* ---- fields ----------------------------------------------------------- */

static lua_Integer references(const struct ldesc *d)
{
  if (d->file == NULL)
    return 0;
  return fdemu_refs(d->file) - !fdemu_list_empty(&d->floating);
}

static bool push_builtin(lua_State *L, struct ldesc *d, const char *key)
{
  if (strcmp(key, "id") == 0)
    lua_pushinteger(L, d->id);
  else if (strcmp(key, "kind") == 0)
    lua_pushstring(L, d->kind);
  else if (strcmp(key, "flags") == 0)
    lua_pushinteger(L, d->file != NULL ? d->file->flags : 0);
  else if (strcmp(key, "kernel") == 0)
    lkernel_push(L, d->lk);
  else if (strcmp(key, "refs") == 0)
    lua_pushinteger(L, references(d));
  else
    return false;
  return true;
}

static int desc_index(lua_State *L)
{
  struct ldesc *d = check_any(L, 1);
  const struct lslot *slot;
  const char *key;

  if (lua_type(L, 2) == LUA_TSTRING) {
    key = lua_tostring(L, 2);
    if (push_builtin(L, d, key))
      return 1;
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) /* wake */
      return 1;
  }
  lua_getiuservalue(L, 1, 1);
  lua_pushvalue(L, 2);
  lua_gettable(L, -2);
  if (!lua_isnil(L, -1) || lua_type(L, 2) != LUA_TSTRING)
    return 1;
  slot = ldriver_slot(lua_tostring(L, 2));
  if (slot != NULL && has_native(d, slot)) {
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(2));
  }
  return 1;
}

static int desc_newindex(lua_State *L)
{
  struct ldesc *d = check_any(L, 1);
  const struct lslot *slot = NULL;

  if (lua_type(L, 2) == LUA_TSTRING) {
    const char *key = lua_tostring(L, 2);
    if (push_builtin(L, d, key) || strcmp(key, "wake") == 0)
      return luaL_error(L, "field '%s' of a description is read-only", key);
    slot = ldriver_slot(key);
    if (slot != NULL && !lua_isnil(L, 3) && !lua_isfunction(L, 3))
      return luaL_error(L, "slot '%s' must be a function or nil, not a %s", key,
                        luaL_typename(L, 3));
  }
  lua_getiuservalue(L, 1, 1);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, 3);
  lua_rawset(L, -3);
  if (slot != NULL && d->file != NULL) {
    lua_getfield(L, -1, slot->name); /* its ops table may have one */
    ldriver_hook(d, slot, lua_isfunction(L, -1));
  }
  return 0;
}

/* d:wake([events]): readiness may have changed, to these, or any */
static int desc_wake(lua_State *L)
{
  struct ldesc *d = ldesc_check(L, 1);
  int events = LDESC_ALL;

  if (!lua_isnoneornil(L, 2)) {
    events = ldriver_mask(L, 2);
    larg_check(L, events >= 0, 2, "a mask, \"r\", \"w\" or \"rw\" expected");
  }

  d->lk->L = L;
  d->ended = false;
  if (events & POLLIN)
    events |= FDEMU_WAKE_SIGIN;
  if (events & POLLOUT)
    events |= FDEMU_WAKE_SIGOUT;
  fdemu_wake(&d->file->inode->wq, events);
  return 0;
}

static int desc_tostring(lua_State *L)
{
  const struct ldesc *d = check_any(L, 1);

  lua_pushfstring(L, "%s: %s #%I%s", LFD_DESCRIPTION, d->kind,
                  (LUAI_UACINT)d->id, d->file == NULL ? " (closed)" : "");
  return 1;
}

static const luaL_Reg methods[] = {
  { "wake", desc_wake },
  { NULL, NULL },
};

static const luaL_Reg metamethods[] = {
  { "__newindex", desc_newindex },
  { "__tostring", desc_tostring },
  { NULL, NULL },
};

int ldesc_open(lua_State *L)
{
  luaL_newmetatable(L, LFD_DESCRIPTION);
  luaL_setfuncs(L, metamethods, 0);
  lua_newtable(L);
  larg_register(L, methods, -2);
  lua_newtable(L);
  larg_register(L, natives, -3);
  lua_pushcclosure(L, desc_index, 2);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  return 0;
}
