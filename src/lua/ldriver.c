/*
 * ldriver.c - what the core sees of methods written in Lua
 *
 * The C method of such a slot puts the request on lk->jobs and keeps it; see
 * lworker.c for what becomes of it. poll has to answer at once, in the middle
 * of the core. And the devices and descriptions that a script makes of a table.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

#include "lua/lfdemu.h"

/* A scripted kind before its slots are filled in. */
static const struct fdemu_ops lua_ops = { .name = "lua",
                                          .mode = FDEMU_MODE_EPOLL };

/* ---- slots ------------------------------------------------------------ */

#define SLOT(name) \
  { \
#name, offsetof(struct fdemu_ops, name) \
  }

static const struct lslot slots[] = {
  SLOT(read),     SLOT(write), SLOT(lseek), SLOT(ioctl),
  SLOT(poll),     SLOT(flock), SLOT(fcntl), SLOT(stat),
  SLOT(truncate), SLOT(sync),  SLOT(flush), SLOT(release),
};

#define NSLOTS (sizeof slots / sizeof *slots)

const struct lslot *ldriver_slot(const char *name)
{
  for (size_t i = 0; i < NSLOTS; i++)
    if (strcmp(slots[i].name, name) == 0)
      return &slots[i];
  return NULL;
}

const struct lslot *ldriver_slot_of(const struct fdemu_call *call)
{
  for (size_t i = 0; i < NSLOTS; i++)
    if (slots[i].offset == call->slot)
      return &slots[i];
  return NULL;
}

/* ---- what the core calls ---------------------------------------------- */

static int64_t serve(struct fdemu_file *f, struct fdemu_req *r)
{
  struct lkernel *lk = ldesc_of(f)->lk;

  if (lk->closing)
    return -EIO;
  r->driver = NULL;
  fdemu_list_append(&lk->jobs, &r->link);
  return FDEMU_PENDING;
}

static int64_t flush(struct fdemu_file *f, struct fdemu_req *r)
{
  struct ldesc *d = ldesc_of(f);

  if (r != NULL)
    return serve(f, r);
  if (!d->lk->closing) {
    fdemu_file_get(f);
    d->flushes++;
    lworker_die(d);
  }
  return 0;
}

static int64_t release(struct fdemu_file *f)
{
  struct ldesc *d = ldesc_of(f);
  lua_State *L = d->lk->L;

  if (d->release && !d->released && !d->lk->closing) {
    fdemu_file_get(f);
    lworker_die(d);
    return FDEMU_PENDING;
  }
  if (d->native->release != NULL)
    d->native->release(f);
  fdemu_list_remove(&d->link);
  fdemu_list_remove(&d->polled);
  d->file = NULL;
  if (!d->lk->closing && lua_checkstack(L, 4)) /* else env goes, too */
    ldesc_forget(L, d);
  return 0;
}

/* What "r", "w", "rw" or an integer at index stands for; -1: none of these. */
int ldriver_mask(lua_State *L, int index)
{
  const char *s;
  int mask = 0;

  if (lua_isinteger(L, index))
    return (int)lua_tointeger(L, index) & INT_MAX;
  if (lua_type(L, index) != LUA_TSTRING)
    return -1;
  s = lua_tostring(L, index);
  if (s[strspn(s, "rw")] != '\0')
    return -1;
  if (strchr(s, 'r') != NULL)
    mask |= POLLIN | POLLRDNORM;
  if (strchr(s, 'w') != NULL)
    mask |= POLLOUT | POLLWRNORM;
  return mask;
}

static int poll_result(lua_State *L, int index, const char *driver)
{
  int mask = ldriver_mask(L, index);

  if (mask < 0)
    luaL_error(L,
               "driver '%s': poll returned %s, a mask, \"r\", \"w\" or"
               " \"rw\" was expected",
               driver,
               lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index)
                                                 : luaL_typename(L, index));
  return mask;
}

static int poll_protected(lua_State *L)
{
  const struct fdemu_file *f = lua_touserdata(L, 1);

  ldesc_push(L, ldesc_of(f));
  lua_getfield(L, -1, "poll");
  lua_insert(L, -2);
  lua_call(L, 1, 1);
  lua_pushinteger(L, poll_result(L, -1, f->ops->name));
  return 1;
}

static int traceback(lua_State *L)
{
  if (lua_type(L, 1) == LUA_TSTRING)
    luaL_traceback(L, L, lua_tostring(L, 1), 1);
  return 1;
}

/* The one method that is called in the middle of the core: it must not wait
 * (lk->polling), and its error is raised when the core has returned. */
int ldriver_poll(struct fdemu_file *f)
{
  struct ldesc *d = ldesc_of(f);
  struct lkernel *lk = d->lk;
  lua_State *L = lk->L;
  int mask = POLLERR, status;
  char *scratch;

  if (lk->closing)
    return mask;
  scratch = lua_checkstack(L, LUA_MINSTACK) ? lcall_interrupt(lk) : NULL;
  if (scratch == NULL) {
    lcall_orphan_memory(lk);
    return mask;
  }
  lua_pushcfunction(L, traceback);
  lua_pushcfunction(L, poll_protected);
  lua_pushlightuserdata(L, f);
  status = lua_pcall(L, 1, 1, -3);
  if (status == LUA_OK) {
    mask = (int)lua_tointeger(L, -1);
    d->seen = mask;
    d->seen_wakes = f->inode->wq.seq;
    lua_pop(L, 1);
  } else
    lcall_orphan(L, lk, status);
  lua_pop(L, 1);
  lcall_resume(lk, scratch);
  lk->L = L;
  return mask;
}

/* Point a slot of d's operations to Lua, or back to the kind's own method;
 * slot NULL: what every Description has. */
void ldriver_hook(struct ldesc *d, const struct lslot *slot, bool on)
{
  if (slot == NULL || strcmp(slot->name, "release") == 0) {
    d->ops.release = release;
    d->release = on;
  } else if (strcmp(slot->name, "poll") == 0) {
    d->ops.poll = on ? ldriver_poll : d->native->poll;
    fdemu_list_remove(&d->polled);
    if (on && d->honest)
      fdemu_list_append(&d->lk->polled, &d->polled);
  } else if (strcmp(slot->name, "flush") == 0)
    d->ops.flush = on ? flush : d->native->flush;
  else {
    const char *from = (const char *)d->native + slot->offset;
    fdemu_method *m = on ? serve : NULL;
    if (!on)
      memcpy(&m, from, sizeof m);
    memcpy((char *)&d->ops + slot->offset, &m, sizeof m);
  }
}

/* ---- devices ---------------------------------------------------------- */

/* Push a new Description of a device for r's open, with ops below its fields;
 * NULL: no memory. */
static struct ldesc *new_scripted(lua_State *L, struct lkernel *lk,
                                  struct fdemu_file *f)
{
  struct ldesc *d = ldesc_new(L, lk, f, true);

  lua_getiuservalue(L, -1, 1);
  lua_createtable(L, 0, 1);
  lkernel_env(L, lk, ENV_OPS);
  lua_rawgetp(L, -1, f->inode);
  lua_remove(L, -2);
  if (lua_getfield(L, -1, "honest") == LUA_TBOOLEAN && !lua_toboolean(L, -1))
    d->honest = false;
  lua_pop(L, 1);
  for (size_t n = 0; n < NSLOTS; n++) {
    bool on = lua_getfield(L, -1, slots[n].name) == LUA_TFUNCTION;
    if (lk->strict && (slots[n].offset == offsetof(struct fdemu_ops, read) ||
                       slots[n].offset == offsetof(struct fdemu_ops, write) ||
                       slots[n].offset == offsetof(struct fdemu_ops, ioctl)))
      on = true;
    if (on)
      ldriver_hook(d, &slots[n], true);
    lua_pop(L, 1);
  }
  if (lua_getfield(L, -1, "seekable"), lua_toboolean(L, -1))
    f->mode |= FDEMU_MODE_SEEK;
  if (lua_getfield(L, -2, "short"), lua_toboolean(L, -1))
    f->mode |= FDEMU_MODE_SHORT;
  if (lua_getfield(L, -3, "async"), lua_toboolean(L, -1))
    f->mode |= FDEMU_MODE_ASYNC;
  if (lua_getfield(L, -4, "name") == LUA_TSTRING)
    strncpy(d->kind, lua_tostring(L, -1), sizeof d->kind - 1);
  lua_pop(L, 4);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
  return d;
}

struct ldevice {
  struct fdemu_inode inode;
  struct fdemu_attr attr;
  struct lkernel *lk;
  char name[32];
};

/* A new description for r's open of a device; NULL without memory. */
struct fdemu_file *ldriver_opening(const struct fdemu_req *r)
{
  struct ldevice *dev = r->driver;

  return fdemu_file_new(&dev->inode, &lua_ops, (int)r->cmd, NULL);
}

/* Push its Description. */
struct ldesc *ldriver_scripted(lua_State *L, struct fdemu_file *f)
{
  const struct ldevice *dev = fdemu_entry(f->inode, struct ldevice, inode);
  struct ldesc *d = new_scripted(L, dev->lk, f);

  if (dev->name[0] != '\0' && strcmp(d->kind, "lua") == 0)
    memcpy(d->kind, dev->name, sizeof d->kind);
  return d;
}

/* It was never open: there is nothing to release. */
void ldriver_put_unopened(struct fdemu_file *f)
{
  if (f->handle != NULL)
    ldesc_of(f)->released = true;
  fdemu_file_put(f);
}

static int64_t device_open(struct fdemu_inode *i, struct fdemu_req *r)
{
  struct ldevice *dev = fdemu_entry(i, struct ldevice, inode);

  if (dev->lk->closing)
    return -EIO;
  r->driver = dev;
  fdemu_list_append(&dev->lk->jobs, &r->link);
  return FDEMU_PENDING;
}

static void device_free(struct fdemu_inode *i)
{
  struct ldevice *dev = fdemu_entry(i, struct ldevice, inode);
  lua_State *L = dev->lk->L;

  if (!dev->lk->closing && lua_checkstack(L, 4)) {
    lkernel_env(L, dev->lk, ENV_OPS);
    lua_pushnil(L);
    lua_rawsetp(L, -2, i);
    lua_pop(L, 1);
  }
  fdemu_free(i->kernel, dev);
}

static void check_field(lua_State *L, int index, const char *key, int type)
{
  int t = lua_getfield(L, index, key);

  if (t != LUA_TNIL && t != type)
    luaL_error(L, "bad driver: %s must be a %s, not a %s", key,
               lua_typename(L, type), lua_typename(L, t));
  lua_pop(L, 1);
}

static void check_integer(lua_State *L, int index, const char *key,
                          lua_Integer min, lua_Integer max)
{
  int ok = 1;
  lua_Integer n = min;

  if (lua_getfield(L, index, key) != LUA_TNIL)
    n = lua_tointegerx(L, -1, &ok);
  if (!ok || n < min || n > max)
    luaL_error(L, "bad driver: %s must be an integer from %I to %I", key,
               (LUAI_UACINT)min, (LUAI_UACINT)max);
  lua_pop(L, 1);
}

static lua_Integer integer_in(lua_State *L, int index, const char *key,
                              lua_Integer def)
{
  lua_Integer n = def;

  if (lua_getfield(L, index, key) != LUA_TNIL)
    n = lua_tointeger(L, -1);
  lua_pop(L, 1);
  return n;
}

static void check_ops(lua_State *L, int index)
{
  larg_type(L, index, LUA_TTABLE);
  for (size_t i = 0; i < NSLOTS; i++)
    check_field(L, index, slots[i].name, LUA_TFUNCTION);
  check_field(L, index, "open", LUA_TFUNCTION);
  check_field(L, index, "seekable", LUA_TBOOLEAN);
  check_field(L, index, "short", LUA_TBOOLEAN);
  check_field(L, index, "async", LUA_TBOOLEAN);
  check_field(L, index, "honest", LUA_TBOOLEAN);
  check_field(L, index, "requests", LUA_TTABLE);
  check_integer(L, index, "size", 0, INT64_MAX);
  check_integer(L, index, "mode", 0, S_IFMT | 07777);
  check_field(L, index, "name", LUA_TSTRING);
}

/* NULL: no memory. */
static struct ldevice *device_new(lua_State *L, struct lkernel *lk, int ops)
{
  mode_t mode = (mode_t)integer_in(L, ops, "mode", S_IFCHR | 0666);
  struct ldevice *dev;

  if (lua_getfield(L, ops, "requests") == LUA_TTABLE)
    lrequest_names(L, lk, lua_gettop(L));
  lua_pop(L, 1);
  dev = fdemu_alloc(lk->k, sizeof *dev);
  if (dev == NULL)
    return NULL;
  memset(dev, 0, sizeof *dev);
  fdemu_inode_init(&dev->inode, &dev->attr, lk->k, &lua_ops, mode, device_free);
  dev->attr.size = integer_in(L, ops, "size", 0);
  dev->inode.open = device_open;
  dev->lk = lk;
  lua_pushvalue(L, ops);
  if (!lkernel_set(L, lk, ENV_OPS, &dev->inode)) {
    fdemu_free(lk->k, dev);
    return NULL;
  }
  return dev;
}

/* k:device(path, ops) */
int ldriver_device(lua_State *L)
{
  struct lkernel *lk = lkernel_check(L, 1);
  size_t len;
  const char *path = larg_string(L, 2, &len), *base = strrchr(path, '/');
  struct ldevice *dev;
  int error;

  larg_check(L, len > 0, 2, "path is empty");
  larg_check(L, strlen(path) == len, 2, "path contains a zero byte");
  check_ops(L, 3);
  lk->L = L;
  dev = device_new(L, lk, 3);
  if (dev == NULL)
    return llimit_no_memory(L, lk);
  strncpy(dev->name, base != NULL ? base + 1 : path, sizeof dev->name - 1);
  error = fdemu_name(lk->k, path, &dev->inode);
  fdemu_inode_put(&dev->inode);
  if (error == -ENOMEM)
    llimit_no_memory(L, lk);
  if (error < 0)
    larg_error(L, 2, strerror(-error));
  return 0;
}

/* (lkernel, file) -> Description */
static int description_protected(lua_State *L)
{
  new_scripted(L, lua_touserdata(L, 1), lua_touserdata(L, 2));
  return 1;
}

/* k:description(ops [, flags]) -> Description, in no table yet */
int ldriver_description(lua_State *L)
{
  struct lkernel *lk = lkernel_check(L, 1);
  lua_Integer flags = larg_optinteger(L, 3, O_RDWR);
  struct ldevice *dev;
  struct fdemu_file *f;

  check_ops(L, 2);
  lk->L = L;
  dev = device_new(L, lk, 2);
  if (dev == NULL)
    return llimit_no_memory(L, lk);
  f = fdemu_file_new(&dev->inode, &lua_ops, (int)flags, NULL);
  fdemu_inode_put(&dev->inode);
  if (f == NULL)
    return llimit_no_memory(L, lk);
  lua_pushcfunction(L, description_protected);
  lua_pushlightuserdata(L, lk);
  lua_pushlightuserdata(L, f);
  if (lua_pcall(L, 2, 1, 0) != LUA_OK) {
    ldriver_put_unopened(f);
    return lua_error(L);
  }
  fdemu_list_append(&lk->floating, &ldesc_of(f)->floating);
  return 1;
}
