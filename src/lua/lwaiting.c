/* lwaiting.c - who waits, and for what, for the text of a deadlock */
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "fdemu_driver.h"
#include "lua/lfdemu.h"

/* ---- what is waited for ----------------------------------------------- */

static void set_integer(lua_State *L, const char *key, lua_Integer n)
{
  lua_pushinteger(L, n);
  lua_setfield(L, -2, key);
}

static void set_string(lua_State *L, const char *key, const char *s)
{
  lua_pushstring(L, s);
  lua_setfield(L, -2, key);
}

/* Who has an object: { {pid=, fd=, id=, flags=}, ...} */
static void push_holders(lua_State *L, struct lkernel *lk,
                         const struct fdemu_inode *inode)
{
  struct fdemu_proc *p;
  lua_Integer n = 0;

  lua_newtable(L);
  for (int pid = 0; (p = fdemu_next_proc(lk->k, pid)) != NULL;
       pid = fdemu_getpid(p) + 1)
    for (int fd = 0; (fd = fdemu_next_fd(p, fd)) >= 0; fd++) {
      const struct fdemu_file *f = fdemu_file_at(p, fd);
      if (f->inode != inode)
        continue;
      lua_createtable(L, 0, 4);
      set_integer(L, "pid", fdemu_getpid(p));
      set_integer(L, "fd", fd);
      set_integer(L, "id", (lua_Integer)f->id);
      set_integer(L, "flags", f->flags);
      lcall_push_origin(L, lk, fdemu_origin(p, fd));
      lua_setfield(L, -2, "origin");
      lcall_push_origin(L, lk, fdemu_forked(p, fd));
      lua_setfield(L, -2, "forked");
      lua_rawseti(L, -2, ++n);
    }
}

/* In the table on top of the stack: what f is, who else has it, and who has the
 * other end of a socket, for r or NULL. */
void lwaiting_file(lua_State *L, struct lkernel *lk, const struct fdemu_file *f,
                   struct fdemu_req *r)
{
  struct fdemu_inode *peer = fdemu_socket_peer(f, r);

  lua_pushstring(L, f->ops->name != NULL ? f->ops->name : "file");
  lua_setfield(L, -2, "kind");
  set_integer(L, "id", (lua_Integer)f->id);
  set_integer(L, "flags", f->flags);
  push_holders(L, lk, f->inode);
  lua_setfield(L, -2, "holders");
  lua_pushboolean(L, f->inode->ops == NULL || f->ops != f->inode->ops);
  lua_setfield(L, -2, "scripted");
  if (peer == NULL)
    return;
  push_holders(L, lk, peer);
  lua_setfield(L, -2, "peers");
}

/* { {fd=, events=, kind=, ...}, ... } of a poll or select */
static void set_polled(lua_State *L, struct lkernel *lk,
                       const struct fdemu_req *r)
{
  size_t n = r->buf.iov_len / sizeof(struct pollfd);
  lua_Integer count = 0;

  lua_newtable(L);
  for (size_t i = 0; r->mem == NULL && i < n; i++) {
    struct pollfd p;
    const struct fdemu_file *f;
    memcpy(&p, (const char *)r->buf.iov_base + i * sizeof p, sizeof p);
    f = fdemu_file_at(r->proc, p.fd);
    if (f == NULL)
      continue;
    lua_createtable(L, 0, 6);
    set_integer(L, "fd", p.fd);
    set_integer(L, "events", (unsigned short)p.events);
    lwaiting_file(L, lk, f, NULL);
    lua_rawseti(L, -2, ++count);
  }
  lua_setfield(L, -2, "polled");
}

/* The pids of those who could exit. */
static void set_children(lua_State *L, const struct lkernel *lk,
                         const struct fdemu_req *r)
{
  int parent = fdemu_getpid(r->proc);
  struct fdemu_proc *p;
  lua_Integer n = 0;

  lua_newtable(L);
  for (int pid = 1; (p = fdemu_next_proc(lk->k, pid)) != NULL;
       pid = fdemu_getpid(p) + 1)
    if (fdemu_getppid(p) == parent) {
      lua_pushinteger(L, fdemu_getpid(p));
      lua_rawseti(L, -2, ++n);
    }
  lua_setfield(L, -2, "children");
}

/* What an open() waits for: the other end of a FIFO, or a driver. */
static void set_opening(lua_State *L, const struct fdemu_req *r,
                        const struct fdemu_inode *i)
{
  lua_pushstring(L, r->path);
  lua_setfield(L, -2, "opening");
  if (!S_ISFIFO(i->mode))
    return;
  lua_pushstring(L, (r->cmd & O_ACCMODE) == O_RDONLY ? "writing" : "reading");
  lua_setfield(L, -2, "wanted");
}

/* In the table on top of the stack: what calls wait for that have no file. */
static void set_other(lua_State *L, struct lkernel *lk,
                      const struct fdemu_req *r)
{
  const struct fdemu_inode *i = fdemu_awaited_inode(r);

  if (r->call == &fdemu_calls[FDEMU_POLL] ||
      r->call == &fdemu_calls[FDEMU_SELECT])
    set_polled(L, lk, r);
  else if (r->call == &fdemu_calls[FDEMU_WAIT])
    set_children(L, lk, r);
  else if (i != NULL)
    set_opening(L, r, i);
}

/* ---- everyone who waits ------------------------------------------------ */

/* The line that waits. */
static void set_where(lua_State *L, lua_State *co)
{
  lcall_where(L, co);
  lua_setfield(L, -2, "where");
}

/* The lock that r waits for: a struct flock's fields, and file, the id of the
 * description that has it, or 0. */
static void set_lock(lua_State *L, const struct fdemu_req *r)
{
  struct fdemu_lockinfo info;

  if (!fdemu_awaited_lock(r, &info))
    return;
  lfcntl_push_flock(L, &info.lock);
  set_integer(L, "file", (lua_Integer)info.file);
  lua_setfield(L, -2, "lock");
}

static void set_request(lua_State *L, struct lkernel *lk, struct fdemu_req *r)
{
  int events = r->call->events;
  const struct fdemu_file *f = fdemu_awaited_file(r, &events);

  if (f == NULL)
    f = r->file;
  set_string(L, "call", r->call->name);
  lua_pushboolean(L, r->result != FDEMU_PENDING);
  lua_setfield(L, -2, "answered");
  set_integer(L, "pid", fdemu_getpid(r->proc));
  if (r->on == NULL && r->call->flags & FDEMU_CALL_FD)
    set_integer(L, "fd", r->fd);
  set_integer(L, "events", events);
  if (r->call == &ltask_join_call) {
    lsched_push_name(L, (struct task *)(uintptr_t)r->arg);
    lua_setfield(L, -2, "target");
  }
  set_other(L, lk, r);
  if (f == NULL)
    return;
  lwaiting_file(L, lk, f, r);
  lepoll_push_interests(L, lk, f);
  lua_setfield(L, -2, "interests");
  set_lock(L, r);
}

/* What a method's request is for: "read of thermo". */
static void set_worker(lua_State *L, const struct task *t)
{
  lua_pushfstring(L, "%s of driver '%s'", t->slot->name, t->file->ops->name);
  lua_setfield(L, -2, "method");
}

static void set_name(lua_State *L, struct task *t)
{
  lsched_push_name(L, t);
  lua_setfield(L, -2, "task");
}

static struct call *nested_in(struct lkernel *lk, const lua_State *co)
{
  for (struct call *c = lk->nested; c != NULL; c = c->outer)
    if (c->L == co)
      return c;
  return NULL;
}

static bool waits(struct lkernel *lk, struct task *t)
{
  return t->status == TASK_WAITING ||
         (t->status == TASK_RUNNING && nested_in(lk, t->co) != NULL);
}

/* waiting(kernel) -> a list of tables, one for each that waits: for the text of
 * a deadlock, which is composed in Lua. */
int lwaiting_list(lua_State *L)
{
  struct lkernel *lk = lkernel_check(L, 1);
  struct fdemu_list *n;
  lua_Integer i = 0;

  lua_newtable(L);
  for (n = lk->tasks.next; n != &lk->tasks; n = n->next) {
    struct task *t = fdemu_entry(n, struct task, all);
    struct call *c = nested_in(lk, t->co);
    if (!waits(lk, t))
      continue;
    lua_newtable(L);
    if (t->worker)
      set_worker(L, t);
    else
      set_name(L, t);
    set_where(L, t->co);
    set_request(L, lk, c != NULL ? &c->req : &t->call.req);
    lua_pushboolean(L, t->daemon);
    lua_setfield(L, -2, "daemon");
    lua_rawseti(L, -2, ++i);
  }
  for (struct call *c = lk->nested; c != NULL; c = c->outer) {
    bool listed = false;
    for (n = lk->tasks.next; n != &lk->tasks; n = n->next)
      if (fdemu_entry(n, struct task, all)->co == c->L)
        listed = true;
    if (listed)
      continue;
    lua_newtable(L);
    set_where(L, c->L);
    set_request(L, lk, &c->req);
    lua_rawseti(L, -2, ++i);
  }
  return 1;
}
