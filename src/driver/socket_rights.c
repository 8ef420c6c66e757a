/*
 * socket_rights.c - descriptors on their way (SCM_RIGHTS), and those that
 * nobody can take any more
 *
 * A socket may be on its way in the queue of a socket that is itself on its
 * way. When the last reference from outside to such sockets goes, nothing is
 * left to close them: a cycle. It is looked for as soon as the references to a
 * socket are no more than those that are on their way, among the sockets that
 * are on their way and nowhere else; cf. net/unix/garbage.c of Linux.
 */
#include <errno.h>
#include <string.h>

#include "driver/socket.h"

/* Per kernel. */
struct fds_flight {
  struct fdemu_kernel *kernel;
  struct fdemu_list sockets; /* on their way at least once */
  struct fds_rights *dead;   /* to be given back */
  int count;                 /* descriptors on their way */
  bool draining, collecting, again;
};

struct fds_flight *fds_flight_of(struct fdemu_kernel *k)
{
  static const char key;
  struct fds_flight *l = fdemu_local(k, &key, sizeof *l);

  if (l != NULL && l->kernel == NULL) {
    l->kernel = k;
    fdemu_list_init(&l->sockets);
  }
  return l;
}

static struct fds_socket *socket_of(const struct fdemu_file *f)
{
  return f->inode->ops == &fds_ops ? fds_of(f) : NULL;
}

struct fds_rights *fds_rights_new(struct fds_flight *l, unsigned max)
{
  struct fds_rights *x =
      fdemu_alloc(l->kernel, sizeof *x + max * sizeof *x->file);

  if (x == NULL)
    return NULL;
  x->flight = l;
  x->n = 0;
  x->creds = false;
  return x;
}

/* ---- counting --------------------------------------------------------- */

static void count_one(struct fds_flight *l, const struct fdemu_file *f, int by)
{
  struct fds_socket *s = socket_of(f);

  l->count += by;
  if (s == NULL)
    return;
  s->inflight += by;
  if (s->inflight == 0)
    fdemu_list_remove(&s->flying);
  else if (s->inflight == by)
    fdemu_list_append(&l->sockets, &s->flying);
}

/* b has x. -ETOOMANYREFS, as Linux says it to the unprivileged. */
int fds_rights_attach(struct fdemu_proc *p, struct fds_rights *x,
                      struct fds_buf *b)
{
  int soft, hard;

  fdemu_get_nofile(p, &soft, &hard);
  if (x->flight->count > soft)
    return -ETOOMANYREFS;
  for (unsigned i = 0; i < x->n; i++)
    count_one(x->flight, x->file[i], 1);
  b->rights = x;
  return 0;
}

/* b has it no more; it is the caller's. */
struct fds_rights *fds_rights_detach(struct fds_buf *b)
{
  struct fds_rights *x = b->rights;

  for (unsigned i = 0; i < x->n; i++)
    count_one(x->flight, x->file[i], -1);
  b->rights = NULL;
  fdemu_list_remove(&b->carrier);
  return x;
}

/* ---- giving back ------------------------------------------------------ */

/* One after the other: the last reference to a socket releases what is in its
 * queue, and so on. */
static void drain(struct fds_flight *l)
{
  if (l->draining)
    return;
  l->draining = true;
  while (l->dead != NULL) {
    struct fds_rights *x = l->dead;
    l->dead = x->next;
    for (unsigned i = 0; i < x->n; i++)
      fdemu_file_put(x->file[i]);
    fdemu_free(l->kernel, x);
  }
  l->draining = false;
}

void fds_rights_free(struct fds_rights *x)
{
  x->next = x->flight->dead;
  x->flight->dead = x;
  drain(x->flight);
}

/* ---- cycles ----------------------------------------------------------- */

#define EACH_SOCKET(s, list) \
  for (struct fdemu_list *n_ = (list)->next; \
       n_ != (list) && ((s) = fdemu_entry(n_, struct fds_socket, flying)); \
       n_ = n_->next)

/* Calls fn for every socket that is on its way in a message to s, until it is
 * true of one. */
static bool each_carried(struct fds_socket *s, struct fdemu_list *todo,
                         bool (*fn)(struct fds_socket *s,
                                    struct fdemu_list *todo))
{
  for (struct fdemu_list *n = s->carriers.next; n != &s->carriers;
       n = n->next) {
    const struct fds_rights *x =
        fdemu_entry(n, struct fds_buf, carrier)->rights;
    for (unsigned i = 0; i < x->n; i++) {
      struct fds_socket *t = socket_of(x->file[i]);
      if (t != NULL && fn(t, todo))
        return true;
    }
  }
  return false;
}

static bool one_less(struct fds_socket *s, struct fdemu_list *todo)
{
  (void)todo;
  s->others--;
  return false;
}

static bool reached(struct fds_socket *s, struct fdemu_list *todo)
{
  if (s->garbage) {
    s->garbage = false;
    fdemu_list_append(todo, &s->todo);
  }
  return false;
}

static bool is_circle(struct fds_socket *s, struct fdemu_list *todo)
{
  (void)todo;
  return s->circle;
}

/* Garbage is circles, and what hangs on them: that is in no circle, and so on
 * from the ends. */
static void find_circles(struct fds_flight *l)
{
  struct fds_socket *s;
  bool again;

  EACH_SOCKET(s, &l->sockets)
  {
    s->circle = s->garbage;
  }
  do {
    again = false;
    EACH_SOCKET(s, &l->sockets)
    {
      if (s->circle && !each_carried(s, NULL, is_circle)) {
        s->circle = false;
        again = true;
      }
    }
  } while (again);
}

/* Of the sockets on their way, those that no one else refers to, and that only
 * such sockets carry, are garbage. */
static void mark(struct fds_flight *l)
{
  struct fdemu_list todo;
  struct fds_socket *s;

  fdemu_list_init(&todo);
  EACH_SOCKET(s, &l->sockets)
  {
    s->garbage = fdemu_refs(s->file) == s->inflight;
    s->others = s->inflight;
  }
  EACH_SOCKET(s, &l->sockets)
  {
    if (s->garbage)
      each_carried(s, &todo, one_less);
  }
  EACH_SOCKET(s, &l->sockets)
  {
    if (s->others > 0)
      reached(s, &todo);
  }
  while (!fdemu_list_empty(&todo)) {
    s = fdemu_entry(todo.next, struct fds_socket, todo);
    fdemu_list_remove(&s->todo);
    each_carried(s, &todo, reached);
  }
}

/* What it carries is given back. A circle's messages are gone before its
 * sockets are released, so their peers have lost nothing. */
static void discard(struct fds_flight *l, struct fds_socket *s)
{
  while (!fdemu_list_empty(&s->carriers)) {
    struct fds_buf *b = fdemu_entry(s->carriers.next, struct fds_buf, carrier);
    struct fds_rights *x = fds_rights_detach(b);
    x->next = l->dead;
    l->dead = x;
  }
  if (s->circle)
    fds_buf_purge(s);
}

/* What garbage carries is given back; that releases it. */
static void sweep(struct fds_flight *l)
{
  struct fdemu_list todo;
  struct fds_socket *s;

  fdemu_list_init(&todo);
  find_circles(l);
  EACH_SOCKET(s, &l->sockets)
  {
    if (s->garbage)
      fdemu_list_append(&todo, &s->todo);
  }
  while (!fdemu_list_empty(&todo)) {
    s = fdemu_entry(todo.next, struct fds_socket, todo);
    fdemu_list_remove(&s->todo);
    discard(l, s);
  }
}

/* The last reference to s that was not on its way may just have gone. */
void fds_collect(struct fds_socket *s)
{
  struct fds_flight *l = s->flight;

  if (s->inflight == 0 || fdemu_refs(s->file) != s->inflight)
    return;
  l->again = true;
  if (l->collecting)
    return;
  l->collecting = true;
  while (l->again) {
    l->again = false;
    mark(l);
    sweep(l);
    drain(l);
  }
  l->collecting = false;
}
