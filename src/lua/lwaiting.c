/* lwaiting.c - what a call waits for, for the text of a deadlock */
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "fdemu_driver.h"
#include "lua/lfdemu.h"

static void set_integer(lua_State *L, const char *key, lua_Integer n)
{
  lua_pushinteger(L, n);
  lua_setfield(L, -2, key);
}

/* In the table on top of the stack: what f is, who else has it, and who has the
 * other end of a socket. */
void lwaiting_file(lua_State *L, struct lkernel *lk, const struct fdemu_file *f)
{
  struct fdemu_inode *peer = fdemu_socket_peer(f);

  lua_pushstring(L, f->ops->name != NULL ? f->ops->name : "file");
  lua_setfield(L, -2, "kind");
  set_integer(L, "id", (lua_Integer)f->id);
  set_integer(L, "flags", f->flags);
  lsched_push_holders(L, lk, f->inode);
  lua_setfield(L, -2, "holders");
  lua_pushboolean(L, f->inode->ops == NULL || f->ops != f->inode->ops);
  lua_setfield(L, -2, "scripted");
  if (peer == NULL)
    return;
  lsched_push_holders(L, lk, peer);
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
    lwaiting_file(L, lk, f);
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
void lwaiting_set(lua_State *L, struct lkernel *lk, const struct fdemu_req *r)
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
