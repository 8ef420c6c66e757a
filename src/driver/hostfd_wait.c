/*
 * hostfd_wait.c - waiting for descriptors of the host
 *
 *   host --wq--> who waits here       Hosts that somebody has waited for are in
 *     |                               an epoll instance of the host's, for
 *     +--> the poller's epoll         edges: each is told of once, as drivers
 *                                     here tell of theirs with fdemu_wake().
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "driver/hostfd.h"

#define BATCH 64 /* hosts that are told of at once */

#define EVENTS \
  (EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDNORM | EPOLLRDBAND | EPOLLWRNORM | \
   EPOLLWRBAND | EPOLLRDHUP)

/* A kernel's: there while it has hosts. */
struct fdh_poller {
  struct fdemu_source source;
  struct fdemu_list hosts;
  size_t count;
  int ep; /* -1: nobody has waited yet */
};

static const char key;

/* Another number, since nobody else can close that. */
static int watch(struct fdh_poller *p, struct fdh_host *h)
{
  struct epoll_event ev = { .events = EVENTS | EPOLLET, .data.ptr = h };

  if (p->ep < 0)
    p->ep = epoll_create1(EPOLL_CLOEXEC);
  h->watched = fcntl(h->fd, F_DUPFD_CLOEXEC, 0);
  if (epoll_ctl(p->ep, EPOLL_CTL_ADD, h->watched, &ev) == 0)
    return 0;
  close(h->watched);
  h->watched = -1;
  return -1;
}

/* Whether somebody waits for a host. *busy: one that cannot be watched just now,
 * and is tried again and again. */
static bool watch_all(struct fdh_poller *p, bool *busy)
{
  struct fdemu_list *n;
  bool any = false;

  *busy = false;
  for (n = p->hosts.next; n != &p->hosts; n = n->next) {
    struct fdh_host *h = fdemu_entry(n, struct fdh_host, link);
    if (!fdemu_waited(&h->inode.wq, EVENTS))
      continue;
    any = true;
    if (h->watched >= 0 || watch(p, h) == 0)
      continue;
    *busy = true;
    fdemu_wake(&h->inode.wq, fdh_ready(h, EVENTS));
  }
  return any;
}

static bool poller_wait(struct fdemu_list *sources, bool block);

/* Its own source is somewhere in the list. */
static struct fdh_poller *poller_in(const struct fdemu_list *sources)
{
  struct fdemu_list *n = sources->next;

  while (fdemu_entry(n, struct fdemu_source, link)->wait != poller_wait)
    n = n->next;
  return fdemu_entry(n, struct fdh_poller, source.link);
}

static bool poller_wait(struct fdemu_list *sources, bool block)
{
  struct fdh_poller *p = poller_in(sources);
  struct epoll_event ev[BATCH];
  bool busy;
  int n;

  if (!watch_all(p, &busy))
    return false;
  n = epoll_wait(p->ep, ev, BATCH, block && !busy ? -1 : 0);
  for (int i = 0; i < n; i++) {
    struct fdh_host *h = ev[i].data.ptr;
    fdemu_wake(&h->inode.wq,
               (int)(ev[i].events & (EVENTS | EPOLLERR | EPOLLHUP)));
  }
  return block || busy || n > 0;
}

int fdh_poller_join(struct fdh_host *h)
{
  struct fdh_poller *p = fdemu_local(h->inode.kernel, &key, sizeof *p);

  if (p == NULL)
    return -ENOMEM;
  if (p->count++ == 0) {
    p->ep = -1;
    p->source.wait = poller_wait;
    fdemu_list_init(&p->source.link);
    fdemu_list_init(&p->hosts);
    fdemu_source_add(h->inode.kernel, &p->source);
  }
  h->poller = p;
  fdemu_list_append(&p->hosts, &h->link);
  return 0;
}

void fdh_poller_leave(struct fdh_host *h)
{
  struct fdh_poller *p = h->poller;

  if (p == NULL)
    return;
  fdemu_list_remove(&h->link);
  if (h->watched >= 0) {
    epoll_ctl(p->ep, EPOLL_CTL_DEL, h->watched, NULL);
    close(h->watched);
  }
  if (--p->count > 0)
    return;
  if (p->ep >= 0)
    close(p->ep);
  fdemu_source_remove(&p->source);
}
