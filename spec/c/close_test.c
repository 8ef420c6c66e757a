/*
 * close_test.c - a close that is put off (src/core/close.c) cannot be told from
 * one that is done at once, whatever is asked of the kernel next
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/timerfd.h>

#include "fdemu_driver.h"
#include "test.h"

static struct fdemu_kernel *k;
static struct fdemu_proc *p;

static void setup_with(const struct fdemu_config *config)
{
  k = test_kernel_with(config);
  CHECK_EQ(fdemu_std_devices(k), 0);
  p = fdemu_proc_new(k);
}

static void setup(void)
{
  setup_with(NULL);
}

static void teardown(void)
{
  fdemu_exit(p, 0);
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

/* ---- those who wait ---------------------------------------------------- */

/* The order in which they have their answers. */
static char order[64];

struct reader {
  struct fdemu_req req;
  int fds[2];
  char name, byte;
  void (*then)(void);
};

static void reader_done(struct fdemu_req *r)
{
  struct reader *a = r->user;
  const char name[] = { a->name, '\0' };

  strcat(order, name);
  if (a->then != NULL)
    a->then();
}

/* One who waits for fd to be readable. */
static void wait_for(struct reader *a, char name, int fd)
{
  a->name = name;
  a->req = (struct fdemu_req){ .call = &fdemu_calls[FDEMU_READ],
                               .fd = fd,
                               .buf = { &a->byte, 1 },
                               .complete = reader_done,
                               .user = a };
  CHECK_EQ(fdemu_submit(p, &a->req), FDEMU_PENDING);
}

/* One who waits for a pipe of his own. */
static void wait_for_pipe(struct reader *a, char name)
{
  *a = (struct reader){ .fds = { -1, -1 } };
  CHECK_EQ(fdemu_pipe2(p, a->fds, 0), 0);
  wait_for(a, name, a->fds[0]);
}

/* After this nothing was asked, and the reader has not yet heard. */
static void setup_hangup(struct reader *a)
{
  setup();
  order[0] = '\0';
  wait_for_pipe(a, 'a');
  CHECK_EQ(fdemu_close(p, a->fds[1]), 0);
}

/* ---- a kind of file that counts ---------------------------------------- */

struct box {
  struct fdemu_inode inode;
  struct fdemu_attr attr;
  struct fdemu_list kept;       /* requests, by their link */
  void (*enter)(void);          /* called by each of its methods */
  void (*release)(void);        /* when the last description goes */
  bool full;                    /* there is something to read */
  bool keep;                    /* requests */
  bool slow;                    /* flush keeps the first request */
  int flushes, releases, error; /* what flush says */
  int dropped;
};

static struct box box, other;

static struct box *box_of(const struct fdemu_file *f)
{
  return fdemu_entry(f->inode, struct box, inode);
}

static void box_enter(const struct box *b)
{
  if (b->enter != NULL)
    b->enter();
}

static int64_t box_read(struct fdemu_file *f, struct fdemu_req *r)
{
  struct box *b = box_of(f);

  box_enter(b);
  if (b->keep) {
    fdemu_list_append(&b->kept, &r->link);
    return FDEMU_PENDING;
  }
  return b->full ? 0 : -EAGAIN;
}

static int box_poll(struct fdemu_file *f)
{
  box_enter(box_of(f));
  return box_of(f)->full ? POLLIN : 0;
}

static int64_t box_flush(struct fdemu_file *f, struct fdemu_req *r)
{
  struct box *b = box_of(f);

  b->flushes++;
  box_enter(b);
  if (b->slow && b->flushes == 1) {
    fdemu_list_append(&b->kept, &r->link);
    return FDEMU_PENDING;
  }
  return b->error;
}

static int64_t box_release(struct fdemu_file *f)
{
  box_of(f)->releases++;
  if (box_of(f)->release != NULL)
    box_of(f)->release();
  return 0;
}

static void box_dropped(struct fdemu_file *f)
{
  box_of(f)->dropped++;
}

static void box_free(struct fdemu_inode *i)
{
  (void)i;
}

static void box_cancel(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)f;
  (void)r;
}

static const struct fdemu_ops prompt_ops = {
  .name = "prompt",
  .mode = FDEMU_MODE_EPOLL | FDEMU_MODE_QUIET,
  .read = box_read,
  .poll = box_poll,
  .flush = box_flush,
  .release = box_release,
  .cancel = box_cancel,
};

/* Its methods make calls. */
static const struct fdemu_ops foreign_ops = {
  .name = "foreign",
  .mode = FDEMU_MODE_EPOLL,
  .read = box_read,
  .poll = box_poll,
  .flush = box_flush,
  .release = box_release,
};

static const struct fdemu_ops late_ops = {
  .name = "late",
  .mode = FDEMU_MODE_EPOLL | FDEMU_MODE_LATE,
  .read = box_read,
  .poll = box_poll,
  .release = box_release,
};

static const struct fdemu_ops dropped_ops = {
  .name = "dropped",
  .mode = FDEMU_MODE_EPOLL | FDEMU_MODE_LATE,
  .release = box_release,
  .dropped = box_dropped,
};

/* A descriptor of it, in process q. */
static int box_open_in(struct fdemu_proc *q, struct box *b,
                       const struct fdemu_ops *ops)
{
  struct fdemu_file *f;
  int fd;

  *b = (struct box){ 0 };
  fdemu_list_init(&b->kept);
  fdemu_inode_init(&b->inode, &b->attr, k, ops, S_IFCHR | 0600, box_free);
  f = fdemu_file_new(&b->inode, ops, O_RDWR, NULL);
  fdemu_inode_put(&b->inode);
  fd = fdemu_install(q, f, 0, false);
  CHECK(fd >= 0);
  return fd;
}

static int box_open(struct box *b, const struct fdemu_ops *ops)
{
  return box_open_in(p, b, ops);
}

/* ---- when -------------------------------------------------------------- */

/* Or all the rest of this file would prove nothing. */
static void test_is_put_off(void)
{
  int fd;

  setup();
  fd = box_open(&box, &late_ops);
  CHECK_EQ(fdemu_close(p, fd), 0);
  CHECK_EQ(box.releases, 0);
  CHECK_EQ(fdemu_getpid(p), 1); /* changes nothing */
  CHECK_EQ(fdemu_read(p, 7, NULL, 0), -EBADF);
  CHECK_EQ(box.releases, 1);
  teardown();
}

static void test_not_without_the_mode(void)
{
  int fd;

  setup();
  fd = box_open(&box, &prompt_ops);
  box.error = -EIO;
  CHECK_EQ(fdemu_close(p, fd), -EIO);
  CHECK_EQ(box.flushes, 1);
  CHECK_EQ(box.releases, 1);
  CHECK_EQ(fdemu_close(p, fd), -EBADF);
  teardown();
}

/* A close that flush has kept, and that is tried again, closes nothing more. */
static void test_flush_again(void)
{
  struct fdemu_req r = { .call = &fdemu_calls[FDEMU_CLOSE] };
  int fd;

  setup();
  r.fd = fd = box_open(&box, &prompt_ops);
  box.slow = true;
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  CHECK_EQ(fdemu_eventfd(p, 0, 0), fd);
  fdemu_retry(&r);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(r.result, 0);
  CHECK_EQ(box.flushes, 2);
  CHECK_EQ(box.releases, 1);
  CHECK_EQ(fdemu_close(p, fd), 0);
  teardown();
}

/* Those that were put off come before one that is not. */
static void test_order_of_kinds(void)
{
  struct reader a;
  int fd;

  setup();
  fd = box_open(&box, &prompt_ops);
  wait_for_pipe(&a, 'a');
  CHECK_EQ(fdemu_close(p, a.fds[1]), 0);
  CHECK_EQ(box_open(&other, &late_ops), a.fds[1]);
  CHECK_EQ(fdemu_close(p, a.fds[1]), 0);
  CHECK_EQ(other.releases, 0);
  CHECK_EQ(fdemu_close(p, fd), 0);
  CHECK_EQ(other.releases, 1);
  CHECK_EQ(fdemu_run(k), 0);
  teardown();
}

/* Whether a close is done at once, now. */
static bool is_prompt(struct fdemu_proc *q)
{
  int fd = box_open_in(q, &box, &late_ops);
  bool prompt;

  CHECK_EQ(fdemu_close(q, fd), 0);
  prompt = box.releases > 0;
  CHECK_KERNEL(k);
  CHECK_EQ(box.releases, 1);
  return prompt;
}

static void on_event(void *ud, const struct fdemu_event *e)
{
  (void)e;
  ++*(int *)ud;
}

static void test_prompt_while_traced(void)
{
  int n = 0;

  setup();
  fdemu_set_trace(k, on_event, &n);
  CHECK(is_prompt(p));
  CHECK_EQ(n, 1);
  fdemu_set_trace(k, NULL, NULL);
  CHECK(!is_prompt(p));
  teardown();
}

static void test_prompt_with_rules(void)
{
  struct fdemu_rule rule;

  setup();
  fdemu_rule_init(&rule);
  fdemu_inject(k, &rule);
  CHECK(is_prompt(p));
  CHECK_EQ(rule.seen, 1);
  fdemu_rule_remove(&rule);
  CHECK(!is_prompt(p));
  teardown();
}

static void test_prompt_with_notes(void)
{
  int fd;

  setup();
  fd = fdemu_open(p, "/tmp", O_RDONLY, 0);
  CHECK_EQ(fdemu_fcntl(p, fd, F_NOTIFY, DN_CREATE | DN_MULTISHOT), 0);
  CHECK(is_prompt(p));
  CHECK_EQ(fdemu_close(p, fd), 0);
  teardown();
}

static void test_prompt_with_short_counts(void)
{
  setup_with(&(struct fdemu_config){ .short_counts = 0.5 });
  CHECK(is_prompt(p));
  teardown();
}

static void test_prompt_with_origins(void)
{
  uint32_t made;
  struct fdemu_req r = { .call = &fdemu_calls[FDEMU_CLOSE], .origin = 9 };

  setup_with(&(struct fdemu_config){ .origins = true });
  CHECK(is_prompt(p));
  r.fd = fdemu_eventfd(p, 0, 0);
  CHECK_EQ(fdemu_submit(p, &r), 0);
  CHECK_EQ(fdemu_closed(p, r.fd, &made), 9);
  teardown();
}

/* Closing any descriptor of a file takes the process's locks of it. */
static void test_prompt_with_locks(void)
{
  struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
  struct fdemu_proc *q, *without;
  int fd, dup;

  setup();
  q = fdemu_proc_new(k);
  without = fdemu_proc_new(k);
  fd = fdemu_open(p, "/tmp/file", O_RDWR | O_CREAT, 0600);
  dup = fdemu_open(p, "/tmp/file", O_RDWR, 0);
  CHECK_EQ(fdemu_open(q, "/tmp/file", O_RDWR, 0), 0);
  CHECK_EQ(fdemu_fcntl(p, fd, F_SETLK, (int64_t)(intptr_t)&l), 0);
  CHECK_EQ(fdemu_fcntl(q, 0, F_SETLK, (int64_t)(intptr_t)&l), -EAGAIN);
  CHECK(is_prompt(p));
  CHECK(is_prompt(q)); /* it has asked for one */
  CHECK(!is_prompt(without));
  CHECK_EQ(fdemu_close(p, dup), 0);
  CHECK_EQ(fdemu_fcntl(q, 0, F_SETLK, (int64_t)(intptr_t)&l), 0);
  fdemu_exit(q, 0);
  fdemu_proc_put(q);
  fdemu_exit(without, 0);
  fdemu_proc_put(without);
  teardown();
}

static void test_prompt_while_overridden(void)
{
  struct fdemu_file *f;
  int fd;

  setup();
  fd = box_open(&other, &late_ops);
  f = fdemu_file_at(p, fd);
  fdemu_file_override(f, &dropped_ops);
  fdemu_file_override(f, &dropped_ops); /* counts once */
  CHECK(is_prompt(p));
  CHECK_EQ(fdemu_dup(p, fd), 1);
  other.dropped = 0;
  CHECK_EQ(fdemu_close(p, fd), 0);
  CHECK(other.dropped > 0);
  CHECK(is_prompt(p));
  CHECK_EQ(fdemu_close(p, 1), 0);
  CHECK_EQ(other.releases, 1);
  CHECK(!is_prompt(p));
  teardown();
}

/* While there is a kind of which nobody knows what its methods do. */
static void test_prompt_with_foreign(void)
{
  int fd;

  setup();
  CHECK(!is_prompt(p));
  fd = box_open(&other, &foreign_ops);
  CHECK(is_prompt(p));
  CHECK_EQ(fdemu_dup(p, fd), 1);
  CHECK_EQ(fdemu_close(p, fd), 0);
  CHECK(is_prompt(p));
  CHECK_EQ(fdemu_close(p, 1), 0);
  CHECK_EQ(other.releases, 1);
  CHECK(!is_prompt(p));
  teardown();
}

/* After a fork() it is not known how many refer to a description. */
static void test_prompt_while_shared(void)
{
  struct fdemu_proc *child;
  struct reader a;

  setup();
  wait_for_pipe(&a, 'a');
  CHECK(fdemu_fork(p, &child) > 0);
  CHECK(is_prompt(p));
  CHECK(is_prompt(child));
  CHECK_EQ(fdemu_close(p, a.fds[1]), 0);
  CHECK(!fdemu_runnable(k));
  CHECK_EQ(fdemu_close(child, a.fds[1]), 0);
  CHECK(fdemu_runnable(k));
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(a.req.result, 0);
  fdemu_exit(child, 0);
  fdemu_proc_put(child);
  CHECK_EQ(fdemu_wait(p, NULL), 2);
  teardown();
}

/* A descriptor that was put off is not the child's. */
static void test_fork_after(void)
{
  struct fdemu_proc *child;
  struct reader a;

  setup_hangup(&a);
  CHECK(fdemu_fork(p, &child) > 0);
  CHECK_EQ(fdemu_close(child, a.fds[1]), -EBADF);
  CHECK(fdemu_runnable(k));
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(a.req.result, 0);
  fdemu_exit(child, 0);
  fdemu_proc_put(child);
  CHECK_EQ(fdemu_wait(p, NULL), 2);
  teardown();
}

/* ---- what there is to ask --------------------------------------------- */

static void test_runnable(void)
{
  struct reader a;

  setup_hangup(&a);
  CHECK(fdemu_runnable(k));
  CHECK_EQ(fdemu_run(k), 0);
  CHECK(!fdemu_runnable(k));
  teardown();
}

static void test_run(void)
{
  struct reader a;

  setup_hangup(&a);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(a.req.result, 0);
  CHECK_STR(order, "a");
  teardown();
}

static void test_run_poll(void)
{
  struct pollfd fd = { .events = POLLOUT };
  struct fdemu_req r = { .call = &fdemu_calls[FDEMU_POLL],
                         .buf = { &fd, sizeof fd },
                         .timeout = -1 };
  static char all[65536];
  int fds[2];

  setup();
  CHECK_EQ(fdemu_pipe2(p, fds, 0), 0);
  CHECK_EQ(fdemu_write(p, fds[1], all, sizeof all), (int)sizeof all);
  fd.fd = fds[1];
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  CHECK_EQ(fdemu_close(p, fds[0]), 0);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(r.result, 1);
  CHECK_EQ(fd.revents, POLLERR);
  teardown();
}

static void set_timer(int fd, int64_t s)
{
  const struct itimerspec t = { .it_value.tv_sec = s };

  CHECK_EQ(fdemu_timerfd_settime(p, fd, 0, &t, NULL), 0);
}

/* The timer of a descriptor that is closed does not go off. */
static void test_tick(void)
{
  int fd, second;

  setup();
  fd = fdemu_timerfd_create(p, CLOCK_MONOTONIC, 0);
  second = fdemu_timerfd_create(p, CLOCK_MONOTONIC, 0);
  set_timer(fd, 1);
  set_timer(second, 2);
  CHECK_EQ(fdemu_close(p, fd), 0);
  CHECK(fdemu_tick(k, INT64_MAX));
  CHECK_EQ(fdemu_now(k), INT64_C(2000000000));
  set_timer(second, 1);
  CHECK_EQ(fdemu_close(p, second), 0);
  CHECK(!fdemu_tick(k, INT64_MAX));
  CHECK_EQ(fdemu_now(k), INT64_C(2000000000));
  teardown();
}

static void test_file_at(void)
{
  struct reader a;

  setup_hangup(&a);
  CHECK(fdemu_file_at(p, a.fds[1]) == NULL);
  CHECK(fdemu_file_at(p, a.fds[0]) != NULL);
  CHECK_EQ(fdemu_run(k), 0);
  teardown();
}

static void test_file_usable(void)
{
  struct reader a;

  setup_hangup(&a);
  CHECK(fdemu_file_usable(p, a.fds[1]) == NULL);
  CHECK(fdemu_file_usable(p, a.fds[0]) != NULL);
  CHECK_EQ(fdemu_run(k), 0);
  teardown();
}

static void test_next_fd(void)
{
  setup();
  CHECK_EQ(fdemu_eventfd(p, 0, 0), 0);
  CHECK_EQ(fdemu_eventfd(p, 0, 0), 1);
  CHECK_EQ(fdemu_close(p, 0), 0);
  CHECK_EQ(fdemu_next_fd(p, 0), 1);
  CHECK_EQ(fdemu_close(p, 1), 0);
  CHECK_EQ(fdemu_next_fd(p, 0), -1);
  teardown();
}

static void test_initial(void)
{
  setup();
  CHECK_EQ(fdemu_eventfd(p, 0, 0), 0);
  fdemu_set_initial(p);
  CHECK(fdemu_is_initial(p, 0));
  CHECK_EQ(fdemu_close(p, 0), 0);
  CHECK(!fdemu_is_initial(p, 0));
  CHECK_EQ(fdemu_eventfd(p, 0, 0), 0);
  fdemu_set_initial(p);
  CHECK_EQ(fdemu_close(p, 0), 0);
  fdemu_set_initial(p);
  CHECK_EQ(fdemu_eventfd(p, 0, 0), 0);
  CHECK(!fdemu_is_initial(p, 0));
  teardown();
}

/* The same number, for something else. */
static void test_reserve(void)
{
  struct fdemu_file *f;
  int fd, made;

  setup();
  fd = fdemu_eventfd(p, 0, 0);
  f = fdemu_null_new(k, O_RDWR);
  CHECK_EQ(fdemu_close(p, fd), 0);
  CHECK_EQ(fdemu_reserve(p, &made, 1), 0);
  CHECK_EQ(made, fd);
  fdemu_fill(p, fd, f, false);
  CHECK(fdemu_file_at(p, fd) == f);
  CHECK_EQ(fdemu_refs(f), 1);
  CHECK_EQ(fdemu_close(p, fd), 0);
  CHECK_EQ(fdemu_close(p, fd), -EBADF);
  teardown();
}

static void test_unreserve(void)
{
  int fds[2];

  setup();
  CHECK_EQ(fdemu_eventfd(p, 0, 0), 0);
  CHECK_EQ(fdemu_reserve(p, fds, 2), 0);
  CHECK_EQ(fdemu_close(p, 0), 0);
  CHECK_EQ(fdemu_close(p, fds[0]), -EBADF);
  fdemu_unreserve(p, fds, 2);
  CHECK_EQ(fdemu_next_fd(p, 0), -1);
  CHECK_EQ(fdemu_eventfd(p, 0, 0), 0);
  teardown();
}

static void test_install(void)
{
  struct fdemu_file *f;

  setup();
  CHECK_EQ(fdemu_eventfd(p, 0, 0), 0);
  f = fdemu_null_new(k, O_RDWR);
  CHECK_EQ(fdemu_close(p, 0), 0);
  CHECK_EQ(fdemu_install(p, f, 0, true), 0);
  CHECK(fdemu_file_at(p, 0) == f);
  CHECK_EQ(fdemu_fcntl(p, 0, F_GETFD, 0), FD_CLOEXEC);
  teardown();
}

static void test_refs(void)
{
  struct fdemu_file *f;

  setup();
  CHECK_EQ(fdemu_eventfd(p, 0, 0), 0);
  CHECK_EQ(fdemu_dup(p, 0), 1);
  f = fdemu_file_at(p, 0);
  CHECK_EQ(fdemu_refs(f), 2);
  CHECK_EQ(fdemu_close(p, 1), 0);
  CHECK_EQ(fdemu_refs(f), 1);
  teardown();
}

static void test_ready(void)
{
  struct fdemu_file *f;
  int fds[2];

  setup();
  CHECK_EQ(fdemu_pipe2(p, fds, 0), 0);
  f = fdemu_file_at(p, fds[0]);
  CHECK_EQ(fdemu_ready(f), 0);
  CHECK_EQ(fdemu_close(p, fds[1]), 0);
  CHECK_EQ(fdemu_ready(f), POLLHUP);
  teardown();
}

static void test_ready_for(void)
{
  struct fdemu_file *f;
  int fds[2];

  setup();
  CHECK_EQ(fdemu_pipe2(p, fds, 0), 0);
  f = fdemu_file_at(p, fds[1]);
  CHECK_EQ(fdemu_close(p, fds[0]), 0);
  CHECK(fdemu_ready_for(f, POLLOUT) & POLLERR);
  teardown();
}

static int memfd_with_page(void)
{
  int fd = fdemu_memfd_create(p, "m", 0);

  CHECK_EQ(fdemu_write(p, fd, "x", 1), 1);
  return fd;
}

static void test_space_used(void)
{
  int fd;

  setup();
  fd = memfd_with_page();
  CHECK_EQ(fdemu_space_used(k), FDEMU_PAGE);
  CHECK_EQ(fdemu_close(p, fd), 0);
  CHECK_EQ(fdemu_space_used(k), 0);
  fd = fdemu_open(p, "/tmp/x", O_RDWR | O_CREAT, 0600);
  CHECK_EQ(fdemu_write(p, fd, "x", 1), 1);
  CHECK_EQ(fdemu_unlinkat(p, AT_FDCWD, "/tmp/x", 0), 0);
  CHECK_EQ(fdemu_close(p, fd), 0);
  CHECK_EQ(fdemu_space_used(k), 0);
  teardown();
}

/* A driver wants the room that it had. */
static void test_space_take(void)
{
  int fd;

  setup();
  fdemu_set_space(k, FDEMU_PAGE);
  fd = memfd_with_page();
  CHECK_EQ(fdemu_space_take(k, FDEMU_PAGE), -ENOSPC);
  CHECK_EQ(fdemu_close(p, fd), 0);
  CHECK_EQ(fdemu_space_take(k, FDEMU_PAGE), 0);
  fdemu_space_give(k, FDEMU_PAGE);
  teardown();
}

static void test_signals(void)
{
  unsigned counts[FDEMU_NSIG];
  int fds[2];

  setup();
  CHECK_EQ(fdemu_pipe2(p, fds, 0), 0);
  CHECK_EQ(fdemu_fcntl(p, fds[0], F_SETOWN, fdemu_getpid(p)), 0);
  CHECK_EQ(fdemu_fcntl(p, fds[0], F_SETFL, O_ASYNC), 0);
  fdemu_signals(p, counts);
  CHECK_EQ(fdemu_close(p, fds[1]), 0);
  fdemu_signals(p, counts);
  CHECK(counts[SIGIO] > 0);
  teardown();
}

/* In the order in which they happened: first what was closed in p, then what is
 * closed by an exit. */
static void exit_after(void (*how)(struct fdemu_proc *q))
{
  struct reader a, b;
  struct fdemu_proc *q;

  setup();
  order[0] = '\0';
  q = fdemu_proc_new(k);
  wait_for_pipe(&a, 'a');
  wait_for_pipe(&b, 'b');
  fdemu_file_get(fdemu_file_at(p, b.fds[1]));
  CHECK_EQ(fdemu_install(q, fdemu_file_at(p, b.fds[1]), 0, false), 0);
  CHECK_EQ(fdemu_close(p, b.fds[1]), 0);
  CHECK_EQ(fdemu_close(p, a.fds[1]), 0);
  how(q);
  fdemu_proc_put(q);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_STR(order, "ab");
  teardown();
}

static void exit_now(struct fdemu_proc *q)
{
  fdemu_exit(q, 0);
}

static void test_exit(void)
{
  exit_after(exit_now);
}

static void test_proc_end(void)
{
  exit_after(fdemu_proc_end);
}

/* The descriptors of the process that exits. */
static void test_exit_of_its_own(void)
{
  struct reader a;
  int fd;

  setup_hangup(&a);
  fd = box_open(&box, &late_ops);
  CHECK_EQ(fdemu_close(p, fd), 0);
  fdemu_exit(p, 0);
  CHECK_EQ(box.releases, 1);
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
  CHECK_EQ(a.req.result, -EINTR);
}

static void test_kernel_free(void)
{
  struct reader a;

  setup_hangup(&a);
  CHECK_EQ(fdemu_close(p, box_open(&box, &late_ops)), 0);
  CHECK_EQ(box.releases, 0);
  fdemu_proc_put(p);
  fdemu_kernel_free(k);
  CHECK_EQ(box.releases, 1);
  CHECK_EQ(a.req.result, -EINTR);
  CHECK_EQ(test_heap.live, 0);
}

/* A signal comes after what came before. */
static void test_cancel(void)
{
  struct reader a, b;

  setup();
  order[0] = '\0';
  wait_for_pipe(&b, 'b');
  wait_for_pipe(&a, 'a');
  CHECK_EQ(fdemu_close(p, a.fds[1]), 0);
  fdemu_cancel(&b.req, EINTR);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_STR(order, "ab");
  CHECK_EQ(b.req.result, -EINTR);
  teardown();
}

static void test_abandon(void)
{
  struct reader a, b;

  setup();
  order[0] = '\0';
  wait_for_pipe(&b, 'b');
  wait_for_pipe(&a, 'a');
  CHECK_EQ(fdemu_close(p, a.fds[1]), 0);
  fdemu_abandon(&b.req);
  CHECK_EQ(b.req.result, -ECANCELED);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_STR(order, "a");
  teardown();
}

/* A request that a driver keeps, by name b, and one who waits for a pipe whose
 * last writer was just closed. */
static void setup_kept(struct reader *a, struct reader *b)
{
  int fd;

  setup();
  order[0] = '\0';
  fd = box_open(&box, &prompt_ops);
  box.keep = true;
  wait_for(b, 'b', fd);
  box.keep = false;
  box.full = true;
  CHECK_EQ(fdemu_close(p, fd), 0);
  wait_for_pipe(a, 'a');
  CHECK_EQ(fdemu_close(p, a->fds[1]), 0);
}

static void test_retry(void)
{
  struct reader a, b = { 0 };

  setup_kept(&a, &b);
  fdemu_retry(&b.req);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_STR(order, "ab");
  teardown();
}

static void fill_other(void)
{
  other.full = true;
  fdemu_wake(&other.inode.wq, POLLIN);
}

static void ended(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)f;
  (void)r;
  fill_other();
}

/* The answer is the end of a call, and that wakes somebody. */
static void test_complete(void)
{
  struct reader a, b = { 0 }, c = { 0 };

  setup_kept(&a, &b);
  wait_for(&c, 'c', box_open(&other, &prompt_ops));
  CHECK_EQ(fdemu_close(p, a.fds[0]), 0);
  CHECK_EQ(fdemu_run(k), 2);
  CHECK_STR(order, "a");
  wait_for_pipe(&a, 'a');
  b.req.ended = ended;
  CHECK_EQ(fdemu_close(p, a.fds[1]), 0);
  fdemu_complete(&b.req, 0);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_STR(order, "abac");
  teardown();
}

/* A reference that somebody else gives back is the last, and that wakes somebody. */
static void test_file_put(void)
{
  struct reader a, c = { 0 };
  struct fdemu_file *f;
  int fd;

  setup();
  order[0] = '\0';
  fd = box_open(&box, &prompt_ops);
  box.release = fill_other;
  f = fdemu_file_at(p, fd);
  fdemu_file_get(f);
  CHECK_EQ(fdemu_close(p, fd), 0);
  wait_for_pipe(&a, 'a');
  wait_for(&c, 'c', box_open(&other, &prompt_ops));
  CHECK_EQ(fdemu_close(p, a.fds[1]), 0);
  fdemu_file_put(f);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_STR(order, "ac");
  teardown();
}

static void test_check_is_quiet(void)
{
  struct reader a;

  setup_hangup(&a);
  CHECK_KERNEL(k);
  CHECK(fdemu_runnable(k));
  CHECK_EQ(fdemu_run(k), 0);
  teardown();
}

/* What the descriptor was is let go with its own methods. */
static void test_override(void)
{
  struct fdemu_file *f;
  int fd;

  setup();
  fd = box_open(&box, &late_ops);
  f = fdemu_file_at(p, fd);
  fdemu_file_get(f);
  CHECK_EQ(fdemu_close(p, fd), 0);
  fdemu_file_override(f, &dropped_ops);
  CHECK_EQ(fdemu_refs(f), 1);
  CHECK_EQ(box.dropped, 0);
  fdemu_file_put(f);
  CHECK_EQ(box.releases, 1);
  teardown();
}

/* The lock of a description goes with it, and nobody waits for it any more. */
static void test_awaited_lock(void)
{
  struct fdemu_req r = { .call = &fdemu_calls[FDEMU_FLOCK], .cmd = LOCK_EX };
  struct fdemu_lockinfo info;
  int fd;

  setup();
  fd = fdemu_open(p, "/tmp/lock", O_RDWR | O_CREAT, 0600);
  r.fd = fdemu_open(p, "/tmp/lock", O_RDWR, 0);
  CHECK_EQ(fdemu_flock(p, fd, LOCK_EX), 0);
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  CHECK(fdemu_awaited_lock(&r, &info));
  CHECK_EQ(fdemu_close(p, fd), 0);
  CHECK(!fdemu_awaited_lock(&r, &info));
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(r.result, 0);
  teardown();
}

/* An epoll instance watches no descriptions that are gone. */
static void test_epoll_next(void)
{
  struct epoll_event e = { .events = EPOLLIN };
  struct fdemu_file *f;
  int ep, fd;

  setup();
  ep = fdemu_epoll_create1(p, 0);
  fd = fdemu_eventfd(p, 0, 0);
  CHECK_EQ(fdemu_epoll_ctl(p, ep, EPOLL_CTL_ADD, fd, &e), 0);
  f = fdemu_file_at(p, ep);
  CHECK(fdemu_epoll_next(f, NULL) != NULL);
  CHECK_EQ(fdemu_close(p, fd), 0);
  CHECK(fdemu_epoll_next(f, NULL) == NULL);
  teardown();
}

/* ... and is told of none when it is gone itself. */
static void test_weak_next(void)
{
  struct epoll_event e = { .events = EPOLLIN };
  struct fdemu_file *f;
  int ep, fd;

  setup();
  ep = fdemu_epoll_create1(p, 0);
  fd = fdemu_eventfd(p, 0, 0);
  CHECK_EQ(fdemu_epoll_ctl(p, ep, EPOLL_CTL_ADD, fd, &e), 0);
  f = fdemu_file_at(p, fd);
  CHECK(fdemu_weak_next(f, NULL) != NULL);
  CHECK_EQ(fdemu_close(p, ep), 0);
  CHECK(fdemu_weak_next(f, NULL) == NULL);
  teardown();
}

static void test_waited(void)
{
  struct epoll_event e = { .events = EPOLLIN };
  int ep, fd;

  setup();
  fd = box_open(&box, &prompt_ops);
  ep = fdemu_epoll_create1(p, 0);
  CHECK_EQ(fdemu_epoll_ctl(p, ep, EPOLL_CTL_ADD, fd, &e), 0);
  CHECK(fdemu_waited(&box.inode.wq, POLLIN));
  CHECK_EQ(fdemu_close(p, ep), 0);
  CHECK(!fdemu_waited(&box.inode.wq, POLLIN));
  teardown();
}

static bool look_other(struct fdemu_list *sources, bool block)
{
  (void)sources;
  (void)block;
  fill_other();
  return true;
}

/* What is outside becomes ready after what happened here. */
static void test_look(void)
{
  struct fdemu_source source = { .wait = look_other };
  struct reader a, c = { 0 };

  setup();
  order[0] = '\0';
  wait_for_pipe(&a, 'a');
  wait_for(&c, 'c', box_open(&other, &prompt_ops));
  fdemu_source_add(k, &source);
  CHECK_EQ(fdemu_close(p, a.fds[1]), 0);
  CHECK(fdemu_look(k));
  fdemu_source_remove(&source);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_STR(order, "ac");
  teardown();
}

/* A driver that wakes of its own accord says first that time has passed. */
static void test_catch_up(void)
{
  struct reader a, c = { 0 };

  setup();
  order[0] = '\0';
  wait_for_pipe(&a, 'a');
  wait_for(&c, 'c', box_open(&other, &prompt_ops));
  CHECK_EQ(fdemu_close(p, a.fds[1]), 0);
  fdemu_catch_up(k);
  fill_other();
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_STR(order, "ac");
  teardown();
}

/* ---- calls ------------------------------------------------------------- */

static void test_calls(void)
{
  struct fdemu_req on = { .call = &fdemu_calls[FDEMU_CLOSE], .fd = -1 };
  struct pollfd fd = { .fd = 1, .events = POLLIN };
  char byte;
  int fds[2];

  setup();
  CHECK_EQ(fdemu_pipe2(p, fds, 0), 0);
  CHECK_EQ(fdemu_close(p, 1), 0);
  CHECK_EQ(fdemu_close(p, 1), -EBADF);
  CHECK_EQ(fdemu_read(p, 0, &byte, 1), 0);
  CHECK_EQ(fdemu_dup(p, 0), 1);
  CHECK_EQ(fdemu_close(p, 1), 0);
  CHECK_EQ(fdemu_poll(p, &fd, 1, 0), 1);
  CHECK_EQ(fd.revents, POLLNVAL);
  CHECK_EQ(fdemu_fcntl(p, 0, F_DUPFD, 1), 1);
  CHECK_EQ(fdemu_close(p, 1), 0);
  CHECK_EQ(fdemu_dup2(p, 0, 1), 1);
  CHECK_EQ(fdemu_close(p, 0), 0);
  CHECK_EQ(fdemu_dup2(p, 0, 1), -EBADF);
  CHECK_EQ(fdemu_dup2(p, 1, 0), 0);
  on.on = fdemu_file_at(p, 1);
  CHECK_EQ(fdemu_submit(p, &on), -EBADF);
  CHECK_EQ(fdemu_close(p, 1), 0);
  CHECK_EQ(fdemu_close_range(p, 1, 1, 0), 0);
  CHECK_EQ(fdemu_close(p, 0), 0);
  CHECK_EQ(fdemu_exec(p), 0);
  CHECK_EQ(fdemu_close(p, -1), -EBADF);
  CHECK_EQ(fdemu_close(p, 63), -EBADF);
  CHECK_EQ(fdemu_close(p, 64), -EBADF);
  CHECK_EQ(fdemu_close(p, INT_MAX), -EBADF);
  fdemu_exit(p, 0);
  CHECK_EQ(fdemu_close(p, 0), -ESRCH);
  teardown();
}

/* dup2() onto a descriptor decides anew whether it can be put off. */
static void test_dup2_onto(void)
{
  int late, prompt;

  setup();
  late = box_open(&box, &late_ops);
  prompt = box_open(&other, &prompt_ops);
  CHECK_EQ(fdemu_dup2(p, prompt, late), late);
  CHECK_EQ(box.releases, 1);
  CHECK_EQ(fdemu_close(p, prompt), 0);
  CHECK_EQ(fdemu_close(p, late), 0);
  CHECK_EQ(other.releases, 1);
  CHECK_EQ(other.flushes, 2);
  late = box_open(&box, &late_ops);
  prompt = box_open(&other, &prompt_ops);
  CHECK_EQ(fdemu_dup2(p, late, prompt), prompt);
  CHECK_EQ(fdemu_close(p, late), 0);
  CHECK_EQ(fdemu_close(p, prompt), 0);
  CHECK_EQ(box.releases, 0);
  CHECK_KERNEL(k);
  CHECK_EQ(box.releases, 1);
  teardown();
}

/* exec() and close_range() leave nothing that makes a later number's close late. */
static void test_marks_go(void)
{
  int fd;

  setup();
  fd = box_open(&box, &late_ops);
  CHECK_EQ(fdemu_fcntl(p, fd, F_SETFD, FD_CLOEXEC), 0);
  CHECK_EQ(fdemu_exec(p), 0);
  CHECK_EQ(box.releases, 1);
  CHECK_EQ(box_open(&box, &prompt_ops), fd);
  CHECK_EQ(fdemu_close(p, fd), 0);
  CHECK_EQ(box.releases, 1);
  CHECK_EQ(box_open(&box, &late_ops), fd);
  CHECK_EQ(fdemu_close_range(p, 0, UINT_MAX, 0), 0);
  CHECK_EQ(box.releases, 1);
  CHECK_EQ(box_open(&box, &prompt_ops), fd);
  CHECK_EQ(fdemu_close(p, fd), 0);
  CHECK_EQ(box.releases, 1);
  teardown();
}

static void test_table_grows(void)
{
  struct reader a;
  int top;

  setup_hangup(&a);
  top = fdemu_fcntl(p, a.fds[0], F_DUPFD, 500);
  CHECK_EQ(top, 500);
  CHECK(fdemu_runnable(k));
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(fdemu_close(p, top), 0);
  CHECK_EQ(fdemu_fcntl(p, a.fds[0], F_DUPFD, 1000), 1000);
  CHECK(fdemu_file_at(p, top) == NULL);
  CHECK_EQ(fdemu_close(p, 1000), 0);
  CHECK_EQ(fdemu_fcntl(p, a.fds[0], F_DUPFD, 900), 900);
  CHECK_EQ(fdemu_refs(fdemu_file_at(p, 900)), 2);
  teardown();
}

/* The limit counts those that are closed as closed. */
static void test_limit_of_all(void)
{
  setup_with(&(struct fdemu_config){ .descriptors = 2 });
  CHECK_EQ(fdemu_eventfd(p, 0, 0), 0);
  CHECK_EQ(fdemu_eventfd(p, 0, 0), 1);
  CHECK_EQ(fdemu_eventfd(p, 0, 0), -ENFILE);
  CHECK_EQ(fdemu_close(p, 0), 0);
  CHECK_EQ(fdemu_close(p, 1), 0);
  CHECK_EQ(fdemu_eventfd(p, 0, 0), 0);
  CHECK_EQ(fdemu_eventfd(p, 0, 0), 1);
  CHECK_EQ(fdemu_eventfd(p, 0, 0), -ENFILE);
  teardown();
}

/* ---- many -------------------------------------------------------------- */

enum { MANY = 62 };

/* Those who wait hear of it in the order of the closes. */
static void test_many(void)
{
  static struct reader a[MANY];
  char want[MANY + 1];

  setup();
  order[0] = '\0';
  for (int i = 0; i < MANY; i++)
    wait_for_pipe(&a[i], (char)('0' + i));
  for (int i = 0, n = 0; i < MANY; i++, n = (n + 27) % MANY) {
    CHECK_EQ(fdemu_close(p, a[n].fds[1]), 0);
    want[i] = a[n].name;
  }
  want[MANY] = '\0';
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_STR(order, want);
  teardown();
}

/* So many and no more are put off at a time, whoever made them. */
static void test_how_many(void)
{
  int n = 0;

  setup();
  CHECK_EQ(box_open(&box, &late_ops), 0);
  for (int fd = 1; fd < 200; fd++)
    CHECK_EQ(fdemu_eventfd(p, 0, 0), fd);
  CHECK_EQ(fdemu_close(p, 0), 0);
  while (box.releases == 0 && n < 199)
    CHECK_EQ(fdemu_close(p, ++n), 0);
  CHECK(n > 1 && n < 100);
  teardown();
}

static void test_two_processes(void)
{
  struct reader a, b;
  struct fdemu_proc *q, *first = p;

  setup();
  order[0] = '\0';
  first = p;
  q = fdemu_proc_new(k);
  wait_for_pipe(&a, 'a');
  p = q;
  wait_for_pipe(&b, 'b');
  p = first;
  CHECK_EQ(fdemu_close(q, b.fds[1]), 0);
  CHECK_EQ(fdemu_close(p, a.fds[1]), 0);
  CHECK_EQ(fdemu_close(q, b.fds[1]), -EBADF);
  CHECK(fdemu_file_at(q, b.fds[1]) == NULL);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_STR(order, "ba");
  fdemu_exit(q, 0);
  fdemu_proc_put(q);
  teardown();
}

/* ---- closes of those whom the kernel calls ----------------------------- */

static int also; /* what is closed */

static void close_also(void)
{
  int fd = also;

  also = -1;
  if (fd >= 0)
    CHECK_EQ(fdemu_close(p, fd), 0);
}

/* Whoever has got his answer closes something: those who wait for that have
 * heard of it when fdemu_run() has run all there is. */
static void test_in_complete(void)
{
  struct reader a, b;

  setup();
  order[0] = '\0';
  wait_for_pipe(&b, 'b');
  wait_for_pipe(&a, 'a');
  a.then = close_also;
  also = b.fds[1];
  CHECK_EQ(fdemu_close(p, a.fds[1]), 0);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_STR(order, "ab");
  teardown();
}

/* ... and so it is no deadlock, nor time for the clock to move. */
static void test_in_complete_of_a_call(void)
{
  struct reader a, b;
  char byte;

  setup();
  wait_for_pipe(&b, 'b');
  fdemu_abandon(&b.req);
  wait_for_pipe(&a, 'a');
  a.then = close_also;
  also = b.fds[1];
  CHECK_EQ(fdemu_close(p, a.fds[1]), 0);
  CHECK_EQ(fdemu_read(p, b.fds[0], &byte, 1), 0);
  teardown();
}

static struct pollfd polled[2];

static void close_and_wake(void)
{
  close_also();
  fdemu_wake(&box.inode.wq, POLLIN);
}

/* A poll() that is tried after somebody's complete() sees what that did. */
static void test_in_complete_before_poll(void)
{
  struct fdemu_req r = { .call = &fdemu_calls[FDEMU_POLL],
                         .buf = { polled, sizeof polled },
                         .timeout = -1 };
  struct reader a;

  setup();
  wait_for_pipe(&a, 'a');
  a.then = close_and_wake;
  also = fdemu_eventfd(p, 0, 0);
  polled[0] =
      (struct pollfd){ .fd = box_open(&box, &prompt_ops), .events = POLLIN };
  polled[1] = (struct pollfd){ .fd = also, .events = POLLIN };
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  CHECK_EQ(fdemu_close(p, a.fds[1]), 0);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(r.result, 1);
  CHECK_EQ(polled[1].revents, POLLNVAL);
  teardown();
}

/* A method of one file closes another that is still to be looked at. */
static void test_in_poll(void)
{
  setup();
  polled[0] =
      (struct pollfd){ .fd = box_open(&box, &foreign_ops), .events = POLLIN };
  polled[1] = (struct pollfd){ .fd = fdemu_eventfd(p, 1, 0), .events = POLLIN };
  box.enter = close_also;
  also = polled[1].fd;
  CHECK_EQ(fdemu_poll(p, polled, 2, 0), 1);
  CHECK_EQ(polled[1].revents, POLLNVAL);
  teardown();
}

/* What was closed within a call is done when it ends. */
static void test_in_read(void)
{
  struct reader a;
  char byte;
  int fd;

  setup();
  wait_for_pipe(&a, 'a');
  fd = box_open(&box, &foreign_ops);
  box.enter = close_also;
  box.full = true;
  also = a.fds[1];
  CHECK_EQ(fdemu_read(p, fd, &byte, 1), 0);
  CHECK(fdemu_file_at(p, a.fds[1]) == NULL);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(a.req.result, 0);
  teardown();
}

/* flush closes another of the descriptors that are being closed, before its own
 * or behind it. */
static void close_in_flush(int (*how)(void), bool before)
{
  int fd;

  setup();
  if (before)
    also = fdemu_eventfd(p, 0, 0);
  fd = box_open(&box, &foreign_ops);
  if (!before)
    also = fdemu_eventfd(p, 0, 0);
  box.enter = close_also;
  CHECK_EQ(fdemu_fcntl(p, fd, F_SETFD, FD_CLOEXEC), 0);
  CHECK_EQ(fdemu_fcntl(p, also, F_SETFD, FD_CLOEXEC), 0);
  CHECK_EQ(how(), 0);
  CHECK_EQ(fdemu_next_fd(p, 0), -1);
  CHECK_EQ(fdemu_eventfd(p, 0, 0), 0);
  CHECK_EQ(fdemu_eventfd(p, 0, 0), 1);
  CHECK_EQ(box.releases, 1);
  teardown();
}

static int range(void)
{
  return fdemu_close_range(p, 0, UINT_MAX, 0);
}

static int exec(void)
{
  return fdemu_exec(p);
}

static void test_in_flush(void)
{
  close_in_flush(range, false);
  close_in_flush(exec, false);
  close_in_flush(range, true);
  close_in_flush(exec, true);
}

/* An exit, in the course of which somebody else closes something, and then a
 * driver wakes somebody. */
static void test_in_exit(void)
{
  struct reader a, c = { 0 };
  struct fdemu_proc *q;
  int fd;

  setup();
  order[0] = '\0';
  q = fdemu_proc_new(k);
  wait_for_pipe(&a, 'a');
  also = a.fds[1];
  CHECK_EQ(box_open_in(q, &box, &foreign_ops), 0);
  box.enter = close_also;
  fd = box_open(&other, &prompt_ops);
  wait_for(&c, 'c', fd);
  other.enter = fill_other;
  fdemu_file_get(fdemu_file_at(p, fd));
  CHECK_EQ(fdemu_install(q, fdemu_file_at(p, fd), 0, false), 1);
  fdemu_exit(q, 0);
  fdemu_proc_put(q);
  other.enter = NULL;
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_STR(order, "ac");
  CHECK(!is_prompt(p));
  teardown();
}

static void close_when_gone(struct fdemu_weak *w)
{
  (void)w;
  close_also();
}

/* Who looks on when a description goes closes another: the call that follows
 * finds both closed. */
static void test_in_gone(void)
{
  struct fdemu_weak w = { .gone = close_when_gone };
  struct fdemu_file *f;
  int fd;

  setup();
  fd = fdemu_eventfd(p, 0, 0);
  also = fdemu_eventfd(p, 0, 0);
  fdemu_weak_set(&w, fdemu_file_at(p, fd));
  CHECK_EQ(fdemu_close(p, fd), 0);
  f = fdemu_null_new(k, O_RDWR);
  CHECK_EQ(fdemu_install(p, f, 1, false), 1);
  CHECK_EQ(also, -1);
  CHECK(fdemu_file_at(p, 1) == f);
  CHECK_EQ(fdemu_refs(f), 1);
  teardown();
}

int main(void)
{
  test_is_put_off();
  test_not_without_the_mode();
  test_flush_again();
  test_order_of_kinds();
  test_prompt_while_traced();
  test_prompt_with_rules();
  test_prompt_with_notes();
  test_prompt_with_short_counts();
  test_prompt_with_origins();
  test_prompt_with_locks();
  test_prompt_while_overridden();
  test_prompt_with_foreign();
  test_prompt_while_shared();
  test_fork_after();
  test_runnable();
  test_run();
  test_run_poll();
  test_tick();
  test_file_at();
  test_file_usable();
  test_next_fd();
  test_initial();
  test_reserve();
  test_unreserve();
  test_install();
  test_refs();
  test_ready();
  test_ready_for();
  test_space_used();
  test_space_take();
  test_signals();
  test_exit();
  test_proc_end();
  test_exit_of_its_own();
  test_kernel_free();
  test_cancel();
  test_abandon();
  test_retry();
  test_complete();
  test_file_put();
  test_check_is_quiet();
  test_override();
  test_awaited_lock();
  test_epoll_next();
  test_weak_next();
  test_waited();
  test_look();
  test_catch_up();
  test_calls();
  test_dup2_onto();
  test_marks_go();
  test_table_grows();
  test_limit_of_all();
  test_many();
  test_how_many();
  test_two_processes();
  test_in_complete();
  test_in_complete_of_a_call();
  test_in_complete_before_poll();
  test_in_poll();
  test_in_read();
  test_in_flush();
  test_in_exit();
  test_in_gone();
  return test_summary();
}
