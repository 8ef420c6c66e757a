/* wait.c - wait queues: who is told when a file becomes ready */
#include <fcntl.h>
#include <poll.h>

#include "core/kernel.h"

#define ALWAYS (POLLERR | POLLHUP)

void fdemu_waitq_init(struct fdemu_waitq *wq)
{
  fdemu_list_init(&wq->readers);
  fdemu_list_init(&wq->writers);
  fdemu_list_init(&wq->watchers);
  wq->seq = wq->added = 0;
}

static struct fdemu_list *list_for(struct fdemu_waitq *wq, int events)
{
  switch (events & ~ALWAYS) {
  case POLLIN: return &wq->readers;
  case POLLOUT: return &wq->writers;
  default: return &wq->watchers;
  }
}

/* Linux has one list, with those that are told exclusively at its end, where
 * most requests are, too. Which of these came first is what order says. */
static void take_order(struct fdemu_waitq *wq, struct fdemu_waiter *w)
{
  w->first = false;
  w->order = ++wq->added;
}

static bool is_before(const struct fdemu_waiter *a,
                      const struct fdemu_waiter *b)
{
  return a->first || (int)(a->order - b->order) < 0;
}

void fde_watch(struct fdemu_waitq *wq, struct fdemu_waiter *w)
{
  struct fdemu_list *l = list_for(wq, w->events);

  if (l == &wq->watchers) {
    fdemu_watch(wq, w);
    return;
  }
  take_order(wq, w);
  fdemu_list_append(l, &w->link);
}

void fde_watch_first(struct fdemu_waitq *wq, struct fdemu_waiter *w)
{
  w->first = true;
  fdemu_list_prepend(list_for(wq, w->events), &w->link);
}

/* Exclusive ones are at the end: a walk can stop there. */
void fdemu_watch(struct fdemu_waitq *wq, struct fdemu_waiter *w)
{
  take_order(wq, w);
  if (w->exclusive)
    fdemu_list_append(&wq->watchers, &w->link);
  else
    fdemu_list_prepend(&wq->watchers, &w->link);
}

int fdemu_concerns(const struct fdemu_file *f, int events)
{
  const int reading = POLLIN | POLLRDNORM | POLLRDBAND;
  const int writing = POLLOUT | POLLWRNORM | POLLWRBAND;

  switch (f->flags & O_ACCMODE) {
  case O_RDONLY: return (events & ~writing) | FDEMU_WAKE_READERS;
  case O_WRONLY: return (events & ~reading) | FDEMU_WAKE_WRITERS;
  default: return events | FDEMU_WAKE_READERS | FDEMU_WAKE_WRITERS;
  }
}

void fdemu_unwatch(struct fdemu_waiter *w)
{
  fdemu_list_remove(&w->link);
}

void fde_unwatch(struct fdemu_waiter *w)
{
  fdemu_list_remove(&w->link);
}

static struct fdemu_waiter *first_on(const struct fdemu_list *l)
{
  return fdemu_list_empty(l) ? NULL
                             : fdemu_entry(l->next, struct fdemu_waiter, link);
}

/*
 * Notify those who watch and whom events concern; one: of the exclusive ones
 * only the first that takes it, unless somebody else was there before. Returns
 * who took it, or NULL. Each may remove itself, and nothing but itself, from the
 * list; those who add themselves meanwhile (there are none: notify() only moves
 * nodes) would not be reached.
 */
static struct fdemu_waiter *notify(struct fdemu_list *l, int events, bool one,
                                   const struct fdemu_waiter *other)
{
  struct fdemu_list *n = l->next;

  while (n != l) {
    struct fdemu_waiter *w = fdemu_entry(n, struct fdemu_waiter, link);
    n = n->next;
    if (one && w->exclusive && other != NULL && is_before(other, w))
      return NULL;
    if ((w->events | ALWAYS) & events) {
      w->notify(w, events);
      if (one && w->exclusive && w->took)
        return w;
    }
  }
  return NULL;
}

/* Those who wait to read, or to write, and came before whoever has taken it. */
static void notify_all(struct fdemu_list *l, int events,
                       const struct fdemu_waiter *taker)
{
  struct fdemu_list *n = l->next;

  while (n != l) {
    struct fdemu_waiter *w = fdemu_entry(n, struct fdemu_waiter, link);
    n = n->next;
    if (taker != NULL && !is_before(w, taker))
      return;
    w->notify(w, events);
  }
}

/* Most wakes: nobody is there. */
static inline bool nobody(const struct fdemu_waitq *wq)
{
  return fdemu_list_empty(&wq->watchers) && fdemu_list_empty(&wq->readers) &&
         fdemu_list_empty(&wq->writers);
}

/* Who watches is told before who waits to read or to write, as in Linux: a
 * poll() sees what a read() then takes away. Those who asked to be told
 * exclusively are all told of the end only. */
FDE_APART static void wake_all(struct fdemu_waitq *wq, int events)
{
  const struct fdemu_waiter *taker =
      notify(&wq->watchers, events, !(events & ALWAYS), NULL);

  if (events & (POLLIN | ALWAYS))
    notify_all(&wq->readers, events, taker);
  if (events & (POLLOUT | ALWAYS | FDEMU_WAKE_AGAIN))
    notify_all(&wq->writers, events, taker);
}

void fdemu_wake(struct fdemu_waitq *wq, int events)
{
  wq->seq++;
  if (!nobody(wq))
    wake_all(wq, events);
}

static void notify_first(struct fdemu_list *l, int events)
{
  if (!fdemu_list_empty(l)) {
    struct fdemu_waiter *w = fdemu_entry(l->next, struct fdemu_waiter, link);
    struct fdemu_req *r = fdemu_entry(w, struct fdemu_req, waiter);
    r->chained = true;
    w->notify(w, events);
  }
}

/* Only parked requests are on readers and writers. */
FDE_APART static void wake_first(struct fdemu_waitq *wq, int events)
{
  const struct fdemu_list *l = events & POLLIN ? &wq->readers : &wq->writers;

  if (events & FDEMU_WAKE_AGAIN)
    notify_all(&wq->writers, events, NULL);
  if (notify(&wq->watchers, events, true,
             events & (POLLIN | POLLOUT) ? first_on(l) : NULL) != NULL)
    return;
  if (events & POLLIN)
    notify_first(&wq->readers, events);
  if (events & POLLOUT)
    notify_first(&wq->writers, events);
}

void fdemu_wake_one(struct fdemu_waitq *wq, int events)
{
  wq->seq++;
  if (!nobody(wq))
    wake_first(wq, events);
}

void fdemu_wake_next(struct fdemu_req *r)
{
  r->chained = true;
}

void fdemu_wake_no_more(struct fdemu_req *r)
{
  r->chained = false;
}

/* A request woken alone has its answer: the next one's turn, if there is
 * anything left for it. Watchers are told too, as by the next wake of a pipe
 * of Linux: for epoll that is another edge. */
void fde_chain(struct fdemu_req *r, struct fdemu_inode *i)
{
  int events = r->call->events;

  r->chained = false;
  if (fdemu_list_empty(list_for(&i->wq, events)) &&
      fdemu_list_empty(&i->wq.watchers))
    return;
  if (fdemu_ready(r->file) & events)
    fdemu_wake_one(&i->wq, events | (events & POLLIN ? POLLRDNORM : 0) |
                               (events & POLLOUT ? POLLWRNORM : 0));
}

bool fdemu_waited(const struct fdemu_waitq *wq, int events)
{
  struct fdemu_list *n;

  if (events & POLLIN && !fdemu_list_empty(&wq->readers))
    return true;
  if (events & POLLOUT && !fdemu_list_empty(&wq->writers))
    return true;
  for (n = wq->watchers.next; n != &wq->watchers; n = n->next)
    if (fdemu_entry(n, struct fdemu_waiter, link)->events & events)
      return true;
  return false;
}
