/*
 * lhonest.c - what a driver written in Lua says of itself, and what it does
 *
 * A bug of this kind shows late and elsewhere: a program that spins, or that
 * sleeps for ever. So it is an error, which names the driver's function.
 */
#include <poll.h>
#include <stddef.h>

#include "lua/lfdemu.h"

static bool is_slot(const struct task *t, size_t offset)
{
  return t->job == LJOB_CALL && t->slot->offset == offset;
}

/*
 * "Not now", says a read, or a write: what does poll say? They agree, unless
 * the method has waited and somebody has woken the file meanwhile. What poll
 * says is also what a missing wake is measured by.
 */
void lhonest_not_now(lua_State *L, const struct task *t)
{
  const struct fdemu_file *f = t->file;
  const struct ldesc *d = f->handle;
  bool reads = is_slot(t, offsetof(struct fdemu_ops, read));

  if (!d->honest || f->ops->poll != ldriver_poll ||
      fdemu_left(t->serving) == 0 ||
      !(reads || is_slot(t, offsetof(struct fdemu_ops, write))) ||
      (t->yielded && f->inode->wq.seq != t->wakes))
    return;
  if (ldriver_poll(t->file) & POLLIN && reads)
    lanswer_bad(L, t, "EAGAIN, but poll says that it is readable");
}

/* An end of file stays until something else is done with the file. */
void lhonest_end(lua_State *L, const struct task *t, size_t n)
{
  struct ldesc *d = t->file->handle;

  if (!d->honest || !d->scripted || t->file->mode & FDEMU_MODE_SEEK ||
      fdemu_left(t->serving) == 0)
    return;
  if (n > 0 && d->ended)
    lanswer_bad(
        L, t,
        "data after the end of file, \"\": for nothing now it is nil, EAGAIN");
  d->ended = n == 0;
}

/* Whether a method on this inode is under way: it may still wake. */
static bool busy(struct lkernel *lk, const struct fdemu_inode *i)
{
  struct fdemu_list *n;

  for (n = lk->tasks.next; n != &lk->tasks; n = n->next) {
    const struct task *t = fdemu_entry(n, struct task, all);
    if (t->worker && t->file != NULL && t->file->inode == i)
      return true;
  }
  return false;
}

/* What d is ready for, without a wake, though somebody waits for it. */
static int unwoken(struct lkernel *lk, struct ldesc *d)
{
  struct fdemu_waitq *wq = &d->file->inode->wq;
  int seen = d->seen, fresh;

  if (wq->seq != d->seen_wakes || !fdemu_waited(wq, ~0))
    return 0;
  fresh = ldriver_poll(d->file) & ~seen;
  if (fresh == 0 || !fdemu_waited(wq, fresh) || busy(lk, d->file->inode)) {
    d->seen = seen;
    return 0;
  }
  return fresh;
}

/* Nothing can run: does somebody wait for a file that is ready? Whoever it is
 * goes on after the error. */
void lhonest_wakes(lua_State *L, struct lkernel *lk)
{
  struct fdemu_list *n;

  for (n = lk->polled.next; n != &lk->polled; n = n->next) {
    struct ldesc *d = fdemu_entry(n, struct ldesc, polled);
    int events = unwoken(lk, d);
    if (events == 0)
      continue;
    fdemu_wake(&d->file->inode->wq, events);
    luaL_error(L,
               "driver '%s': poll says that it is %s, but nobody has woken who"
               " waits for that: self:wake() is missing%s",
               d->kind,
               events & POLLIN    ? "readable"
               : events & POLLOUT ? "writable"
                                  : "ready",
               lworker_place(L, d, "poll"));
  }
}
