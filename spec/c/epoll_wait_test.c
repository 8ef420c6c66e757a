/*
 * epoll_wait_test.c - who is woken, with what, and who sleeps on
 *
 * What is expected was measured on Linux 6.18, with a process for each that
 * waits and a real-time process that makes the calls and then rests ("|"), so
 * that the others run when it does.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>

#include "fdemu_driver.h"
#include "test.h"

#define MS       INT64_C(1000000)
#define ET       ((uint32_t)EPOLLET)
#define ONESHOT  ((uint32_t)EPOLLONESHOT)
#define EXCLUDES ((uint32_t)EPOLLEXCLUSIVE)

static struct fdemu_kernel *k;
static struct fdemu_proc *p;
static int f[2], g[2], ep, ep2;
static char record[256];

struct waiter {
  struct fdemu_req req;
  struct epoll_event ev[4];
  struct pollfd poll;
  char name;
};

static struct waiter waiters[4];
static int nwaiters;

static void note(const char *s)
{
  strncat(record, s, sizeof record - strlen(record) - 1);
}

static void woken(struct fdemu_req *r)
{
  const struct waiter *w = r->user;
  char s[64];

  snprintf(s, sizeof s, "%s%c:", record[0] != '\0' ? " " : "", w->name);
  note(s);
  if (r->call == &fdemu_calls[FDEMU_POLL]) {
    snprintf(s, sizeof s, "poll%d/%x", (int)r->result,
             (unsigned)w->poll.revents);
    note(s);
    return;
  }
  for (int i = 0; i < r->result; i++) {
    snprintf(s, sizeof s, "%d/%x", (int)w->ev[i].data.u32, w->ev[i].events);
    note(s);
  }
}

static struct waiter *next_waiter(char name)
{
  struct waiter *w = &waiters[nwaiters++];

  *w = (struct waiter){ .name = name };
  w->req.timeout = -1;
  w->req.complete = woken;
  w->req.user = w;
  return w;
}

static void waits(char name, int fd, int max)
{
  struct waiter *w = next_waiter(name);

  w->req.call = &fdemu_epoll_wait_call;
  w->req.fd = fd;
  w->req.arg = max;
  w->req.buf = (struct iovec){ w->ev, sizeof w->ev };
  CHECK_EQ(fdemu_submit(p, &w->req), FDEMU_PENDING);
}

static void polls(char name, int fd)
{
  struct waiter *w = next_waiter(name);

  w->req.call = &fdemu_calls[FDEMU_POLL];
  w->poll = (struct pollfd){ fd, POLLIN, 0 };
  w->req.buf = (struct iovec){ &w->poll, sizeof w->poll };
  CHECK_EQ(fdemu_submit(p, &w->req), FDEMU_PENDING);
}

static void three_wait(int max)
{
  waits('A', ep, max);
  waits('B', ep, max);
  waits('C', ep, max);
}

static int ctl(int e, int op, int fd, uint32_t events, uint64_t data)
{
  struct epoll_event ev = { .events = events, .data.u64 = data };

  return fdemu_epoll_ctl(p, e, op, fd, &ev);
}

static void add(int e, int fd, uint32_t events, uint64_t data)
{
  CHECK_EQ(ctl(e, EPOLL_CTL_ADD, fd, events, data), 0);
}

static void put(int fd)
{
  CHECK_EQ(fdemu_write(p, fd, "x", 1), 1);
}

static void rest(void)
{
  fdemu_run(k);
  note(record[0] != '\0' ? " |" : "|");
}

static void setup(void)
{
  k = test_kernel();
  p = fdemu_proc_new(k);
  CHECK_EQ(fdemu_pipe2(p, f, O_NONBLOCK), 0);
  CHECK_EQ(fdemu_pipe2(p, g, O_NONBLOCK), 0);
  ep = fdemu_epoll_create1(p, 0);
  ep2 = fdemu_epoll_create1(p, 0);
  nwaiters = 0;
  record[0] = '\0';
}

static void teardown(void)
{
  for (int i = 0; i < nwaiters; i++)
    fdemu_abandon(&waiters[i].req);
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

static void expect(const char *want)
{
  rest();
  CHECK_STR(record, want);
  teardown();
}

/* ---- several who wait ------------------------------------------------- */

static void one_instance(void)
{
  setup(); /* level-triggered: one after the other */
  add(ep, f[0], EPOLLIN, 1);
  three_wait(4);
  put(f[1]);
  expect("C:1/1 B:1/1 A:1/1 |");
  setup(); /* an edge is for one */
  add(ep, f[0], EPOLLIN | ET, 1);
  three_wait(4);
  put(f[1]);
  rest();
  put(f[1]);
  expect("C:1/1 | B:1/1 |");
  setup(); /* who was woken for nothing is again the first */
  add(ep, f[0], EPOLLIN | ET, 1);
  three_wait(4);
  put(f[1]);
  put(f[1]);
  rest();
  put(f[1]);
  rest();
  put(f[1]);
  expect("C:1/1 | B:1/1 | A:1/1 |");
  setup();
  add(ep, f[0], EPOLLIN | ONESHOT, 1);
  three_wait(4);
  put(f[1]);
  rest();
  put(f[1]);
  rest();
  CHECK_EQ(ctl(ep, EPOLL_CTL_MOD, f[0], EPOLLIN | ONESHOT, 9), 0);
  expect("C:1/1 | | B:9/1 |");
}

static void two_files(void)
{
  setup();
  add(ep, f[0], EPOLLIN | ET, 1);
  add(ep, g[0], EPOLLIN | ET, 2);
  three_wait(1);
  put(f[1]);
  put(g[1]);
  expect("C:1/1 B:2/1 |");
  setup();
  add(ep, f[0], EPOLLIN | ET, 1);
  add(ep, g[0], EPOLLIN | ET, 2);
  three_wait(4);
  put(f[1]);
  put(g[1]);
  rest();
  put(g[1]);
  expect("C:1/12/1 | B:2/1 |");
}

static void changes_while_waiting(void)
{
  char c;

  setup();
  three_wait(4);
  put(f[1]);
  add(ep, f[0], EPOLLIN | ET, 1);
  expect("C:1/1 |");
  setup();
  add(ep, f[0], EPOLLIN, 1);
  three_wait(4);
  put(f[1]);
  CHECK_EQ(ctl(ep, EPOLL_CTL_DEL, f[0], 0, 0), 0);
  expect("|");
  setup();
  add(ep, f[0], EPOLLIN, 1);
  three_wait(4);
  put(f[1]);
  CHECK_EQ(fdemu_read(p, f[0], &c, 1), 1);
  rest();
  put(f[1]);
  expect("| C:1/1 B:1/1 A:1/1 |");
}

/* Epoll instances, and the order in which a file tells them. */
static void two_instances(void)
{
  setup();
  add(ep, f[0], EPOLLIN | ET, 1);
  add(ep2, f[0], EPOLLIN | ET, 2);
  waits('A', ep, 4);
  waits('B', ep2, 4);
  put(f[1]);
  expect("B:2/1 A:1/1 |");
  setup();
  add(ep, f[0], EPOLLIN | EXCLUDES, 1);
  add(ep2, f[0], EPOLLIN | EXCLUDES, 2);
  waits('A', ep, 4);
  waits('B', ep2, 4);
  put(f[1]);
  rest();
  put(f[1]);
  expect("A:1/1 | B:2/1 |");
  setup(); /* nobody waits at the first */
  add(ep, f[0], EPOLLIN | EXCLUDES, 1);
  add(ep2, f[0], EPOLLIN | EXCLUDES, 2);
  waits('B', ep2, 4);
  put(f[1]);
  expect("B:2/1 |");
  setup();
  add(ep, f[0], EPOLLIN | EXCLUDES, 1);
  add(ep2, f[0], EPOLLIN, 2);
  waits('A', ep, 4);
  waits('B', ep2, 4);
  put(f[1]);
  expect("B:2/1 A:1/1 |");
  setup(); /* all are told of a hang-up */
  add(ep, f[0], EPOLLIN | EXCLUDES, 1);
  add(ep2, f[0], EPOLLIN | EXCLUDES, 2);
  waits('A', ep, 4);
  waits('B', ep2, 4);
  CHECK_EQ(fdemu_close(p, f[1]), 0);
  expect("A:1/10 B:2/10 |");
}

static void nested(void)
{
  for (int level = 0; level < 2; level++) {
    setup();
    add(ep, f[0], EPOLLIN | (level ? 0 : ET), 1);
    add(ep2, ep, EPOLLIN | (level ? 0 : ET), 2);
    waits('A', ep, 4);
    waits('B', ep2, 4);
    polls('P', ep);
    polls('Q', ep2);
    put(f[1]);
    expect(level ? "A:1/1 P:poll1/1 B:2/1 Q:poll1/1 |" : "A:1/1 |");
  }
}

/* ---- edges that come from those who wait in read() and write() -------- */

static struct fdemu_req start(const struct fdemu_call *call, int fd, size_t n)
{
  static char room[100000];

  return (struct fdemu_req){ .call = call, .fd = fd, .buf = { room, n } };
}

/* What both ends of f report to an edge-triggered instance: masks, 0: none. */
static unsigned edges(void)
{
  struct epoll_event ev[4];
  int n = fdemu_epoll_wait(p, ep, ev, 4, 0);
  unsigned all = 0;

  for (int i = 0; i < n; i++)
    all |= ev[i].events << 8 * (ev[i].data.fd == f[1]);
  return all;
}

static void setup_blocking(int size)
{
  setup();
  for (int i = 0; i < 2; i++) {
    CHECK_EQ(fdemu_fcntl(p, f[i], F_SETFL, 0), 0);
    add(ep, f[i], EPOLLIN | EPOLLOUT | ET, (uint64_t)f[i]);
  }
  fdemu_fcntl(p, f[1], F_SETPIPE_SZ, size);
  CHECK_EQ(edges(), 0x400);
}

static void edges_of_calls_that_waited(void)
{
  static char room[100000];
  struct fdemu_req r;

  setup_blocking(65536);
  r = start(&fdemu_calls[FDEMU_READ], f[0], 4);
  fdemu_submit(p, &r);
  fdemu_write(p, f[1], room, 10);
  CHECK_EQ(edges(), 0x001); /* runs the reader, which leaves some */
  fdemu_run(k);
  CHECK_EQ(r.result, 4);
  CHECK_EQ(edges(), 0x001);
  CHECK_EQ(edges(), 0);
  teardown();

  setup_blocking(65536);
  fdemu_write(p, f[1], room, 1);
  CHECK_EQ(edges(), 0x001);
  r = start(&fdemu_calls[FDEMU_WRITE], f[1], 100000);
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  CHECK_EQ(edges(), 0); /* the pipe was not empty */
  fdemu_read(p, f[0], room, 65536);
  CHECK_EQ(edges(), 0x400);
  fdemu_run(k);
  CHECK_EQ(r.result, 100000);
  CHECK_EQ(edges(), 0x401);
  teardown();

  setup_blocking(8192);
  fdemu_write(p, f[1], room, 8192);
  CHECK_EQ(edges(), 0x001);
  r = start(&fdemu_calls[FDEMU_WRITE], f[1], 10);
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  CHECK_EQ(edges(), 0);
  fdemu_read(p, f[0], room, 8192);
  CHECK_EQ(edges(), 0x400);
  fdemu_run(k);
  CHECK_EQ(edges(), 0x401);
  teardown();
}

/* ---- time ------------------------------------------------------------- */

static void takes_time(void)
{
  struct epoll_event ev[2];

  setup();
  add(ep, f[0], EPOLLIN, 1);
  CHECK_EQ(fdemu_epoll_wait(p, ep, ev, 2, 250), 0);
  CHECK_EQ(fdemu_now(k), 250 * MS);
  CHECK_EQ(fdemu_epoll_wait(p, ep, ev, 2, 0), 0);
  CHECK_EQ(fdemu_epoll_pwait2(p, ep, ev, 2, 7), 0); /* ns */
  CHECK_EQ(fdemu_now(k), 250 * MS + 7);
  CHECK_EQ(fdemu_epoll_wait(p, ep, ev, 2, -1), -EDEADLK);
  CHECK_EQ(fdemu_epoll_wait(p, ep, ev, 2, INT32_MIN), -EDEADLK);
  put(f[1]);
  CHECK_EQ(fdemu_epoll_wait(p, ep, ev, 2, 1000), 1);
  CHECK_EQ(fdemu_now(k), 250 * MS + 7);
  teardown();
}

/* A wake for nothing neither answers nor starts the time anew. */
static void false_alarm(void)
{
  char c;

  setup();
  add(ep, f[0], EPOLLIN, 1);
  waits('A', ep, 4);
  fdemu_abandon(&waiters[0].req);
  waiters[0].req.timeout = 100;
  CHECK_EQ(fdemu_submit(p, &waiters[0].req), FDEMU_PENDING);
  fdemu_set_now(k, 60);
  put(f[1]);
  fdemu_read(p, f[0], &c, 1);
  CHECK_EQ(fdemu_run(k), 1);
  CHECK(fdemu_tick(k, INT64_MAX));
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(fdemu_now(k), 100);
  CHECK_EQ(waiters[0].req.result, 0);
  CHECK(!fdemu_tick(k, INT64_MAX));
  teardown();
}

/* ---- descriptions that go --------------------------------------------- */

static void keys(void)
{
  struct epoll_event ev[2];
  int copy;

  setup();
  add(ep, f[0], EPOLLIN, 1);
  copy = fdemu_dup(p, f[0]);
  put(f[1]);
  CHECK_EQ(fdemu_close(p, f[0]), 0);
  CHECK_EQ(fdemu_epoll_wait(p, ep, ev, 2, 0), 1); /* the dup lives */
  CHECK_EQ(ev[0].data.u64, 1);
  CHECK_EQ(ctl(ep, EPOLL_CTL_DEL, f[0], 0, 0), -EBADF);
  CHECK_EQ(ctl(ep, EPOLL_CTL_DEL, copy, 0, 0), -ENOENT);
  CHECK_EQ(fdemu_dup2(p, g[0], f[0]), f[0]); /* the number is another's */
  CHECK_EQ(ctl(ep, EPOLL_CTL_MOD, f[0], EPOLLIN, 2), -ENOENT);
  add(ep, f[0], EPOLLIN, 2);
  CHECK_EQ(fdemu_dup2(p, copy, f[0]), f[0]); /* the key is back */
  CHECK_EQ(ctl(ep, EPOLL_CTL_MOD, f[0], EPOLLIN, 3), 0);
  CHECK_EQ(fdemu_epoll_wait(p, ep, ev, 2, 0), 1);
  CHECK_EQ(ev[0].data.u64, 3);
  CHECK_EQ(fdemu_close(p, f[0]), 0);
  CHECK_EQ(fdemu_close(p, copy), 0);
  CHECK_EQ(fdemu_epoll_wait(p, ep, ev, 2, 0), 0);
  CHECK(fdemu_epoll_next(fdemu_file_at(p, ep), NULL)->file ==
        fdemu_file_at(p, g[0]));
  teardown();
}

static void fork_shares(void)
{
  struct fdemu_proc *child;
  struct epoll_event ev[2];

  setup();
  add(ep, f[0], EPOLLIN, 1);
  CHECK(fdemu_fork(p, &child) > 0);
  fdemu_close(p, f[0]);
  put(f[1]);
  CHECK_EQ(fdemu_epoll_wait(p, ep, ev, 2, 0), 1); /* the child has it */
  CHECK_EQ(fdemu_epoll_wait(child, ep, ev, 2, 0), 1);
  CHECK_EQ(fdemu_epoll_ctl(child, ep, EPOLL_CTL_DEL, f[0], NULL), 0);
  CHECK_EQ(fdemu_epoll_wait(p, ep, ev, 2, 0), 0);
  add(ep, g[0], EPOLLOUT, 1);
  fdemu_exit(child, 0);
  fdemu_proc_put(child);
  CHECK_EQ(fdemu_write(p, f[1], "x", 1), -EPIPE);
  teardown();
}

/* Nobody but a wait holds the instance that is waited for. */
static void closed_while_waiting(void)
{
  setup();
  add(ep, f[0], EPOLLIN, 1);
  add(ep2, ep, EPOLLIN, 2);
  waits('A', ep, 4);
  waits('B', ep2, 4);
  fdemu_close(p, ep2);
  fdemu_run(k);
  put(f[1]);
  expect("A:1/1 B:2/1 |");
  setup();
  add(ep, f[0], EPOLLIN, 1);
  waits('A', ep, 4);
  fdemu_close(p, ep);
  fdemu_close(p, f[0]); /* there is nothing to wait for any more */
  CHECK_EQ(fdemu_write(p, f[1], "x", 1), -EPIPE);
  expect("|");
}

/* ---- what a file may do when it is asked ------------------------------ */

struct odd {
  struct fdemu_inode inode;
  struct fdemu_attr attr;
  int fd, asked;
  void (*then)(struct odd *o);
};

static int odd_poll(struct fdemu_file *file)
{
  struct odd *o = fdemu_entry(file->inode, struct odd, inode);

  o->asked++;
  if (o->then != NULL)
    o->then(o);
  return POLLIN;
}

static const struct fdemu_ops odd_ops = { .name = "odd",
                                          .mode = FDEMU_MODE_EPOLL,
                                          .poll = odd_poll };

static void odd_free(struct fdemu_inode *i)
{
  (void)i;
}

static void odd_new(struct odd *o)
{
  struct fdemu_file *file;

  *o = (struct odd){ .fd = -1 };
  fdemu_inode_init(&o->inode, &o->attr, k, &odd_ops, S_IFCHR | 0600, odd_free);
  file = fdemu_file_new(&o->inode, &odd_ops, O_RDWR, NULL);
  o->fd = fdemu_install(p, file, 0, false);
}

static void closes_itself(struct odd *o)
{
  fdemu_close(p, o->fd);
}

static void closes_all(struct odd *o)
{
  (void)o;
  fdemu_close_range(p, 0, ~0u, 0);
}

static void leaves(struct odd *o)
{
  fdemu_epoll_ctl(p, ep, EPOLL_CTL_DEL, o->fd, NULL);
}

static void comes_again(struct odd *o)
{
  leaves(o);
  o->then = NULL;
  ctl(ep, EPOLL_CTL_ADD, o->fd, EPOLLIN | ET, 7);
}

static void asks_the_set(struct odd *o)
{
  struct epoll_event ev[4];
  struct pollfd set = { .fd = ep2, .events = POLLIN };

  (void)o;
  fdemu_epoll_wait(p, ep, ev, 4, 0);
  fdemu_poll(p, &set, 1, 0);
}

static void grows_the_set(struct odd *o)
{
  for (int i = 0; i < 100; i++)
    ctl(ep, EPOLL_CTL_ADD, fdemu_dup(p, f[0]), EPOLLIN, 1);
  o->then = NULL;
}

static void wakes(struct odd *o)
{
  fdemu_wake(&o->inode.wq, POLLIN);
}

/* During ADD, during a wait, and through an instance around it. */
static void asked_files_do_as_they_like(void)
{
  static void (*const deeds[])(
      struct odd *) = { closes_itself, closes_all,    leaves, comes_again,
                        asks_the_set,  grows_the_set, wakes };

  for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++)
    for (int when = 0; when < 4; when++) {
      struct odd o;
      struct epoll_event ev[4];
      struct pollfd set;
      setup();
      odd_new(&o);
      put(f[1]);
      add(ep2, ep, EPOLLIN, 5);
      o.then = when == 0 ? deeds[i] : NULL;
      CHECK_EQ(ctl(ep, EPOLL_CTL_ADD, o.fd, EPOLLIN | (when & 1 ? ET : 0), 1),
               0);
      o.then = deeds[i];
      set = (struct pollfd){ .fd = ep2, .events = POLLIN };
      if (when < 3)
        fdemu_epoll_wait(p, when < 2 ? ep : ep2, ev, 4, 0);
      else
        fdemu_poll(p, &set, 1, 0);
      o.then = NULL;
      CHECK(o.asked > 0 && o.asked < 50);
      fdemu_epoll_wait(p, ep2, ev, 4, 0);
      teardown();
    }
}

/* An event that comes while a wait collects is for the next wait. */
static void events_while_collecting(void)
{
  struct epoll_event ev[4];
  struct odd o;

  setup();
  odd_new(&o);
  add(ep, o.fd, EPOLLIN | ET, 1);
  CHECK_EQ(fdemu_epoll_wait(p, ep, ev, 4, 0), 1);
  CHECK_EQ(fdemu_epoll_wait(p, ep, ev, 4, 0), 0);
  fdemu_wake(&o.inode.wq, POLLIN);
  o.then = wakes;
  CHECK_EQ(fdemu_epoll_wait(p, ep, ev, 4, 0), 1);
  o.then = NULL;
  CHECK_EQ(fdemu_epoll_wait(p, ep, ev, 4, 0), 1);
  CHECK_EQ(fdemu_epoll_wait(p, ep, ev, 4, 0), 0);
  teardown();
}

/* ---- the caller's memory ---------------------------------------------- */

static int room_for;

static int store_some(const struct fdemu_mem *m, void *addr, const void *src,
                      size_t n)
{
  (void)m;
  if (room_for-- <= 0)
    return -EFAULT;
  memcpy(addr, src, n);
  return 0;
}

static void faults_lose_nothing(void)
{
  static const struct fdemu_mem mem = { test_no_load, store_some };
  struct epoll_event ev[4] = { { .events = 0 } };
  struct fdemu_req r = { .call = &fdemu_epoll_wait_call, .mem = &mem };

  setup();
  add(ep, f[0], EPOLLIN | ET, 1);
  add(ep, g[0], EPOLLIN | ET, 2);
  put(f[1]);
  put(g[1]);
  r.fd = ep;
  r.arg = 4;
  r.buf = (struct iovec){ ev, sizeof ev };
  room_for = 0;
  CHECK_EQ(fdemu_call(p, &r), -EFAULT);
  room_for = 1;
  CHECK_EQ(fdemu_call(p, &r), 1);
  CHECK_EQ(ev[0].data.u64, 1);
  CHECK_EQ(fdemu_epoll_wait(p, ep, ev, 4, 0), 1);
  CHECK_EQ(ev[0].data.u64, 2);
  r = (struct fdemu_req){ .call = &fdemu_epoll_ctl_call,
                          .mem = &mem,
                          .fd = -1 };
  r.cmd = EPOLL_CTL_ADD;
  r.buf = (struct iovec){ ev, sizeof ev };
  CHECK_EQ(fdemu_call(p, &r), -EFAULT); /* even before EBADF */
  r.cmd = EPOLL_CTL_DEL;
  CHECK_EQ(fdemu_call(p, &r), -EBADF);
  teardown();
}

int main(void)
{
  one_instance();
  two_files();
  changes_while_waiting();
  two_instances();
  nested();
  edges_of_calls_that_waited();
  takes_time();
  false_alarm();
  keys();
  fork_shares();
  closed_while_waiting();
  asked_files_do_as_they_like();
  events_while_collecting();
  faults_lose_nothing();
  return test_summary();
}
