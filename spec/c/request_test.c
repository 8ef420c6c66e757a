/*
 * request_test.c - the life of a request, with a kind of file that is written
 * here against fdemu_driver.h alone: whatever pipe.c may do, this one may
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "fdemu_driver.h"
#include "test.h"

/* ---- a box of bytes --------------------------------------------------- */

enum how { NOW, KEEP, KEEP_ON_RETRY };

enum { BOX_WAIT = 0xb001, BOX_COUNT, BOX_GET_LIMIT, BOX_SET_LIMIT };

struct box {
  struct fdemu_inode inode;
  struct fdemu_attr attr;
  enum how how;
  bool one;        /* wakes one at a time */
  bool eof;        /* empty means end of file */
  size_t n, limit; /* bytes in it; room; they count up from first */
  unsigned char first;
  struct fdemu_list kept; /* requests, by their link */
  int calls, cancels, flushes, quiet_flushes, releases;
  int64_t offset;
  struct fdemu_req victim;              /* what a method submits itself */
  struct fdemu_proc *kill;              /* a process that a method ends */
  struct fdemu_req *forget, *interrupt; /* requests that a method ends */
};

static struct box *box_of(struct fdemu_file *f)
{
  return fdemu_entry(f->inode, struct box, inode);
}

static void box_wake(struct box *b, int events)
{
  if (b->one)
    fdemu_wake_one(&b->inode.wq, events);
  else
    fdemu_wake(&b->inode.wq, events);
}

/* What the test has asked for; true if the request is to be kept. */
static bool box_enter(struct box *b, struct fdemu_req *r)
{
  b->calls++;
  if (b->kill != NULL) {
    struct fdemu_proc *p = b->kill;
    b->kill = NULL;
    fdemu_exit(p, 3);
  }
  if (b->interrupt != NULL) {
    struct fdemu_req *q = b->interrupt;
    b->interrupt = NULL;
    fdemu_cancel(q, EINTR);
  }
  if (b->how == KEEP || (b->how == KEEP_ON_RETRY && r->retry)) {
    fdemu_list_append(&b->kept, &r->link);
    return true;
  }
  return false;
}

static int64_t box_take(struct box *b, struct fdemu_req *r)
{
  unsigned char bytes[64];
  size_t n = fdemu_left(r) < b->n ? fdemu_left(r) : b->n;
  int error;

  n = n < sizeof bytes ? n : sizeof bytes;
  for (size_t i = 0; i < n; i++)
    bytes[i] = (unsigned char)(b->first + i);
  error = fdemu_copy_out(r, bytes, n);
  if (error < 0)
    return error;
  b->n -= n;
  b->first = (unsigned char)(b->first + n);
  if (n > 0)
    box_wake(b, POLLOUT);
  return n > 0 || r->len == 0 || b->eof ? (int64_t)r->done : -EAGAIN;
}

static int64_t box_read(struct fdemu_file *f, struct fdemu_req *r)
{
  struct box *b = box_of(f);

  b->offset = r->offset;
  if (box_enter(b, r))
    return FDEMU_PENDING;
  return box_take(b, r);
}

/* Takes what it has room for, and waits for the rest. */
static int64_t box_write(struct fdemu_file *f, struct fdemu_req *r)
{
  struct box *b = box_of(f);
  unsigned char bytes[64];
  size_t n = b->limit - b->n;
  int error;

  b->offset = r->offset;
  if (box_enter(b, r))
    return FDEMU_PENDING;
  n = n < fdemu_left(r) ? n : fdemu_left(r);
  n = n < sizeof bytes ? n : sizeof bytes;
  error = fdemu_copy_in(r, bytes, n);
  if (error < 0)
    return error;
  b->n += n;
  if (n > 0)
    box_wake(b, POLLIN);
  return fdemu_left(r) == 0 ? (int64_t)r->done : -EAGAIN;
}

static int64_t box_ioctl(struct fdemu_file *f, struct fdemu_req *r)
{
  struct box *b = box_of(f);
  int n;
  int64_t error;

  if (box_enter(b, r))
    return FDEMU_PENDING;
  switch (r->cmd) {
  case BOX_WAIT: return -EAGAIN;
  case BOX_COUNT: return (int64_t)b->n;
  case BOX_GET_LIMIT:
    n = (int)b->limit;
    return fdemu_arg_store(r, 0, &n, sizeof n);
  case BOX_SET_LIMIT:
    error = fdemu_arg_load(r, 0, &n, sizeof n);
    if (error == 0)
      b->limit = (size_t)n;
    return error;
  default: return -ENOTTY;
  }
}

static int64_t box_flush(struct fdemu_file *f, struct fdemu_req *r)
{
  struct box *b = box_of(f);

  if (r == NULL)
    b->quiet_flushes++;
  else
    b->flushes++;
  if (r != NULL && box_enter(b, r))
    return FDEMU_PENDING;
  return r != NULL && b->eof ? -EIO : 0;
}

static int box_poll(struct fdemu_file *f)
{
  struct box *b = box_of(f);

  return (b->n > 0 || b->eof ? POLLIN : 0) | (b->n < b->limit ? POLLOUT : 0);
}

static void box_cancel(struct fdemu_file *f, struct fdemu_req *r)
{
  struct box *b = box_of(f);

  fdemu_list_remove(&r->link);
  b->cancels++;
}

static int64_t box_release(struct fdemu_file *f)
{
  box_of(f)->releases++;
  return 0;
}

static const struct fdemu_ops box_ops = {
  .name = "box",
  .mode = FDEMU_MODE_EPOLL,
  .read = box_read,
  .write = box_write,
  .ioctl = box_ioctl,
  .flush = box_flush,
  .poll = box_poll,
  .cancel = box_cancel,
  .release = box_release,
};

static void box_free(struct fdemu_inode *i)
{
  (void)i; /* it is on the test's stack */
}

/* ---- what the tests share --------------------------------------------- */

static struct fdemu_kernel *k;
static struct fdemu_proc *p;
static struct box box;
static int fd;
static int completed;
static struct fdemu_req *order[16];

static void on_complete(struct fdemu_req *r)
{
  if (completed < 16)
    order[completed] = r;
  completed++;
}

static void box_init(const struct fdemu_ops *ops, int flags)
{
  struct fdemu_file *f;

  box = (struct box){ .limit = 64 };
  fdemu_list_init(&box.kept);
  fdemu_inode_init(&box.inode, &box.attr, k, ops, S_IFCHR | 0600, box_free);
  f = fdemu_file_new(&box.inode, ops, flags, NULL);
  fdemu_inode_put(&box.inode);
  fd = fdemu_install(p, f, 0, false);
  completed = 0;
  memset(order, 0, sizeof order);
}

static void setup_with(const struct fdemu_config *c,
                       const struct fdemu_ops *ops, int flags)
{
  k = test_kernel_with(c);
  p = fdemu_proc_new(k);
  box_init(ops, flags);
}

static void setup(void)
{
  setup_with(NULL, &box_ops, O_RDWR);
}

static void teardown(void)
{
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

static struct fdemu_req request(enum fdemu_callno no, void *buf, size_t n)
{
  return (struct fdemu_req){ .call = &fdemu_calls[no],
                             .fd = fd,
                             .buf = { buf, n },
                             .complete = on_complete };
}

static struct fdemu_req *kept(void)
{
  return fdemu_list_empty(&box.kept)
             ? NULL
             : fdemu_entry(box.kept.next, struct fdemu_req, link);
}

static bool counts_up(const void *buf, size_t n, unsigned char first)
{
  const unsigned char *s = buf;

  for (size_t i = 0; i < n; i++)
    if (s[i] != (unsigned char)(first + i))
      return false;
  return true;
}

/* ---- answers at once -------------------------------------------------- */

static void answers_at_once(void)
{
  char buf[8];
  struct fdemu_req r = request(FDEMU_READ, buf, sizeof buf);
  int64_t allocations;

  setup();
  r.fd = fd;
  box.n = 5;
  allocations = test_heap.count;
  CHECK_EQ(fdemu_submit(p, &r), 5);
  CHECK_EQ(r.result, 5);
  CHECK(counts_up(buf, 5, 0));
  CHECK_EQ(completed, 0); /* never for an answer that submit() gave */
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(completed, 0);
  CHECK_EQ(test_heap.count, allocations);
  box.n = 1; /* the same memory again */
  CHECK_EQ(fdemu_submit(p, &r), 1);
  r.fd = 77;
  CHECK_EQ(fdemu_submit(p, &r), -EBADF);
  r.fd = -1;
  CHECK_EQ(fdemu_submit(p, &r), -EBADF);
  CHECK_EQ(fdemu_read(p, fd, buf, 0), 0);
  CHECK(fdemu_next_req(p, NULL) == NULL);
  teardown();
}

static void defaults_of_empty_slots(void)
{
  static const struct fdemu_ops none = { .name = "none" };
  struct stat st;
  struct pollfd pfd = { .events = POLLIN | POLLOUT };
  char buf[4];

  setup_with(NULL, &none, O_RDWR);
  CHECK_EQ(fdemu_read(p, fd, buf, 4), -EINVAL);
  CHECK_EQ(fdemu_write(p, fd, buf, 4), -EINVAL);
  CHECK_EQ(fdemu_pread(p, fd, buf, 4, 0), -ESPIPE);
  CHECK_EQ(fdemu_pread(p, fd, buf, 4, -1), -EINVAL);
  CHECK_EQ(fdemu_pread(p, 99, buf, 4, -1), -EINVAL);
  CHECK_EQ(fdemu_pwrite(p, 99, buf, 4, 0), -EBADF);
  CHECK_EQ(fdemu_lseek(p, fd, 0, SEEK_SET), -ESPIPE);
  CHECK_EQ(fdemu_ioctl(p, fd, 7, NULL), -ENOTTY);
  CHECK_EQ(fdemu_fcntl(p, fd, 999, 0), -EINVAL);
  CHECK_EQ(fdemu_isatty(p, fd), -ENOTTY);
  CHECK_EQ(fdemu_fstat(p, fd, &st), 0);
  CHECK_EQ(st.st_mode, S_IFCHR | 0600);
  pfd.fd = fd;
  CHECK_EQ(fdemu_poll(p, &pfd, 1, -1), 1);
  CHECK_EQ(pfd.revents, POLLIN | POLLOUT);
  CHECK_EQ(fdemu_close(p, fd), 0);
  teardown();
}

static void checks_the_access_mode_first(void)
{
  char buf[4] = "";
  struct iovec v = { buf, 4 };

  setup_with(NULL, &box_ops, O_RDONLY);
  CHECK_EQ(fdemu_write(p, fd, buf, 0), -EBADF);
  CHECK_EQ(fdemu_writev(p, fd, &v, -1), -EBADF);
  CHECK_EQ(fdemu_close(p, fd), 0);
  box_init(&box_ops, O_WRONLY);
  CHECK_EQ(fdemu_read(p, fd, buf, 1), -EBADF);
  CHECK_EQ(fdemu_readv(p, fd, &v, 1), -EBADF);
  CHECK_EQ(box.calls, 0);
  fdemu_close(p, fd);
  box_init(&box_ops, O_ACCMODE);
  CHECK_EQ(fdemu_read(p, fd, buf, 1), -EBADF);
  CHECK_EQ(fdemu_write(p, fd, buf, 1), -EBADF);
  teardown();
}

/* ---- waiting ---------------------------------------------------------- */

static void parks_and_tries_again_after_a_wake(void)
{
  char buf[8];
  struct fdemu_req r;

  setup();
  r = request(FDEMU_READ, buf, sizeof buf);
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  CHECK_EQ(r.result, FDEMU_PENDING);
  CHECK(fdemu_next_req(p, NULL) == &r);
  CHECK(fdemu_next_req(p, &r) == NULL);
  CHECK(fdemu_waited(&box.inode.wq, POLLIN));
  CHECK(!fdemu_waited(&box.inode.wq, POLLOUT));
  CHECK_EQ(fdemu_run(k), 1);
  CHECK_EQ(box.calls, 1); /* nobody woke it */
  fdemu_wake(&box.inode.wq, POLLOUT);
  CHECK_EQ(fdemu_run(k), 1);
  CHECK_EQ(box.calls, 1); /* not for it */
  fdemu_wake(&box.inode.wq, POLLIN);
  CHECK_EQ(box.calls, 1); /* a wake calls no method */
  CHECK_EQ(fdemu_run(k), 1);
  CHECK_EQ(box.calls, 2);
  CHECK(fdemu_waited(&box.inode.wq, POLLIN)); /* parked again */
  box.n = 3;
  fdemu_wake(&box.inode.wq, POLLHUP); /* concerns everyone */
  fdemu_wake(&box.inode.wq, POLLIN);  /* twice is once */
  CHECK_EQ(completed, 0);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(box.calls, 3);
  CHECK_EQ(completed, 1);
  CHECK_EQ(r.result, 3);
  CHECK(fdemu_next_req(p, NULL) == NULL);
  CHECK(!fdemu_waited(&box.inode.wq, POLLIN | POLLOUT));
  teardown();
}

/* Hang-ups and errors concern everyone, whatever they wait for. */
static void hang_ups_wake_everyone(void)
{
  static const int events[] = { POLLHUP, POLLERR };
  char buf[8], data[100] = "";

  for (int i = 0; i < 2; i++) {
    struct fdemu_req r, w;
    setup();
    r = request(FDEMU_READ, buf, 8);
    w = request(FDEMU_WRITE, data, 100);
    box.limit = 0;
    fdemu_submit(p, &r);
    fdemu_submit(p, &w);
    fdemu_wake(&box.inode.wq, events[i]);
    CHECK_EQ(fdemu_run(k), 2);
    CHECK_EQ(box.calls, 4);
    fdemu_abandon(&r);
    fdemu_abandon(&w);
    teardown();
  }
}

static void goes_on_where_it_was(void)
{
  unsigned char data[200];
  struct fdemu_req w;

  setup();
  box.limit = 50;
  w = request(FDEMU_WRITE, data, sizeof data);
  CHECK_EQ(fdemu_submit(p, &w), FDEMU_PENDING);
  CHECK_EQ(w.done, 50);
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(box.n, 50);
    box.n = 0;
    fdemu_wake(&box.inode.wq, POLLOUT);
    CHECK_EQ(completed, 0);
    fdemu_run(k);
  }
  CHECK_EQ(completed, 1);
  CHECK_EQ(w.result, 200);
  teardown();
}

static void non_blocking_fails_instead(void)
{
  char buf[100] = "";
  struct fdemu_req r;

  setup();
  r = request(FDEMU_READ, buf, 5);
  r.dontwait = true;
  CHECK_EQ(fdemu_submit(p, &r), -EAGAIN);
  CHECK_EQ(fdemu_fcntl(p, fd, F_SETFL, O_NONBLOCK), 0);
  CHECK_EQ(fdemu_read(p, fd, buf, 5), -EAGAIN);
  CHECK_EQ(fdemu_write(p, fd, buf, 100), 64); /* what could be done counts */
  CHECK_EQ(fdemu_write(p, fd, buf, 1), -EAGAIN);
  CHECK_EQ(fdemu_ioctl(p, fd, BOX_WAIT, NULL), -EAGAIN);
  CHECK_EQ(fdemu_fcntl(p, fd, F_SETFL, 0), 0);
  CHECK_EQ(fdemu_write(p, fd, buf, 1), -EDEADLK); /* it would wait for ever */
  teardown();
}

static void setting_non_blocking_wakes_nobody(void)
{
  char buf[4];
  struct fdemu_req r;

  setup();
  r = request(FDEMU_READ, buf, 4);
  fdemu_submit(p, &r);
  fdemu_fcntl(p, fd, F_SETFL, O_NONBLOCK);
  CHECK_EQ(fdemu_run(k), 1);
  box.n = 2;
  fdemu_wake(&box.inode.wq, POLLIN);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(r.result, 2);
  teardown();
}

static void an_ioctl_waits_for_pri(void)
{
  struct fdemu_req r;

  setup();
  r = request(FDEMU_IOCTL, NULL, 0);
  r.cmd = BOX_WAIT;
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  r.cmd = BOX_COUNT;
  box.n = 9;
  fdemu_wake(&box.inode.wq, POLLPRI);
  fdemu_run(k);
  CHECK_EQ(r.result, 9);
  teardown();
}

static void wake_one_is_a_chain(void)
{
  char buf[4][16];
  struct fdemu_req r[4];

  setup();
  box.one = true;
  for (int i = 0; i < 4; i++) {
    r[i] = request(FDEMU_READ, buf[i], 2);
    CHECK_EQ(fdemu_submit(p, &r[i]), FDEMU_PENDING);
  }
  CHECK_EQ(box.calls, 4);
  box.n = 5; /* enough for two, and half of the third */
  fdemu_wake_one(&box.inode.wq, POLLIN);
  CHECK_EQ(fdemu_run(k), 1);
  CHECK_EQ(box.calls, 7); /* the fourth was not disturbed */
  CHECK(order[0] == &r[0] && order[1] == &r[1] && order[2] == &r[2]);
  CHECK_EQ(r[2].result, 1);
  CHECK(counts_up(buf[2], 1, 4));
  fdemu_cancel(&r[3], EINTR);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(r[3].result, -EINTR);
  teardown();
}

/* Whoever was chosen alone and goes away hands its turn on. */
static void a_chain_survives_who_leaves_it(void)
{
  char buf[4][16];
  struct fdemu_req r[4];

  for (int how = 0; how < 4; how++) {
    struct fdemu_proc *q;
    setup();
    q = fdemu_proc_new(k);
    fdemu_file_get(fdemu_file_at(p, fd));
    CHECK_EQ(fdemu_install(q, fdemu_file_at(p, fd), fd, false), fd);
    for (int i = 0; i < 3; i++) {
      r[i] = request(FDEMU_READ, buf[i], 2);
      fdemu_submit(i == 0 ? q : p, &r[i]);
    }
    box.n = 4;
    fdemu_wake_one(&box.inode.wq, POLLIN);
    switch (how) {
    case 0: fdemu_cancel(&r[0], EIO); break;
    case 1: fdemu_abandon(&r[0]); break;
    case 2: fdemu_exit(q, 0); break;
    default:
      r[0].buf.iov_len = 2;
      r[0].fd = -1; /* of no meaning any more */
      box.how = NOW;
      fdemu_fcntl(p, fd, F_SETFL, O_NONBLOCK);
    }
    CHECK_EQ(fdemu_run(k), how == 3 ? 1 : 0);
    CHECK_EQ(r[1].result, 2);
    CHECK_EQ(r[2].result, how == 3 ? FDEMU_PENDING : 2);
    fdemu_abandon(&r[2]);
    fdemu_proc_put(q);
    teardown();
  }
}

static void runs_in_order_or_at_random(void)
{
  int same = 0;

  for (uint64_t seed = 0; seed < 20; seed++) {
    struct fdemu_config c = { .seed = seed, .random_order = true };
    struct fdemu_req r[8], *first[8];
    char buf[8];
    bool fifo = true;
    for (int pass = 0; pass < 2; pass++) {
      setup_with(&c, &box_ops, O_RDWR);
      for (int i = 0; i < 8; i++) {
        r[i] = request(FDEMU_READ, &buf[i], 1);
        fdemu_submit(p, &r[i]);
      }
      box.n = 8;
      fdemu_wake(&box.inode.wq, POLLIN);
      CHECK_EQ(fdemu_run(k), 0);
      CHECK_EQ(completed, 8);
      if (pass == 0)
        memcpy(first, order, sizeof first);
      else
        CHECK(memcmp(first, order, sizeof first) == 0);
      for (int i = 0; i < 8; i++)
        fifo = fifo && order[i] == &r[i];
      teardown();
    }
    same += fifo;
  }
  CHECK(same < 5);
}

/* ---- requests that the driver keeps ----------------------------------- */

static void a_driver_may_answer_later(void)
{
  char buf[8];
  struct fdemu_req r;

  setup();
  box.how = KEEP;
  r = request(FDEMU_READ, buf, 4);
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  CHECK(kept() == &r);
  CHECK_EQ(fdemu_run(k), 1);
  fdemu_wake(&box.inode.wq, POLLIN); /* it is not parked */
  CHECK_EQ(fdemu_run(k), 1);
  CHECK_EQ(box.calls, 1);
  CHECK_EQ(fdemu_copy_out(&r, "abcd", 4), 0);
  fdemu_complete(&r, 4);
  CHECK_EQ(completed, 0); /* the caller hears of it from fdemu_run() */
  CHECK(fdemu_list_empty(&box.kept));
  fdemu_complete(&r, 2); /* once only */
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(completed, 1);
  CHECK_EQ(r.result, 4);
  CHECK(memcmp(buf, "abcd", 4) == 0);
  fdemu_complete(&r, 1); /* too late, harmless */
  fdemu_retry(&r);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(completed, 1);
  teardown();
}

static void a_late_error_is_an_error(void)
{
  char buf[8];
  struct fdemu_req r;

  setup();
  box.how = KEEP;
  r = request(FDEMU_READ, buf, 8);
  fdemu_submit(p, &r);
  fdemu_complete(&r, -EIO);
  fdemu_run(k);
  CHECK_EQ(r.result, -EIO);
  fdemu_submit(p, &r);
  CHECK_EQ(fdemu_copy_out(&r, "ab", 2), 0);
  fdemu_complete(&r, -EIO); /* but what was moved, was */
  fdemu_run(k);
  CHECK_EQ(r.result, 2);
  teardown();
}

static void a_late_eagain_parks(void)
{
  char buf[8];
  struct fdemu_req r;

  setup();
  box.how = KEEP;
  r = request(FDEMU_READ, buf, 8);
  fdemu_submit(p, &r);
  fdemu_complete(&r, -EAGAIN);
  CHECK_EQ(fdemu_run(k), 1);
  CHECK(fdemu_waited(&box.inode.wq, POLLIN));
  box.how = NOW;
  box.n = 1;
  fdemu_wake(&box.inode.wq, POLLIN);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(r.result, 1);
  box.how = KEEP;
  fdemu_fcntl(p, fd, F_SETFL, O_NONBLOCK);
  fdemu_submit(p, &r);
  fdemu_complete(&r, -EAGAIN);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(r.result, -EAGAIN);
  teardown();
}

static void a_kept_request_can_be_tried_again(void)
{
  char buf[8];
  struct fdemu_req r;

  setup();
  box.how = KEEP;
  r = request(FDEMU_READ, buf, 8);
  fdemu_submit(p, &r);
  fdemu_retry(&r);
  CHECK_EQ(box.calls, 1); /* from fdemu_run() only */
  box.how = NOW;
  box.n = 2;
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(box.calls, 2);
  CHECK_EQ(r.result, 2);
  box.how = KEEP_ON_RETRY; /* parked, then kept, then answered */
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  fdemu_wake(&box.inode.wq, POLLIN);
  CHECK_EQ(fdemu_run(k), 1);
  CHECK(kept() == &r);
  fdemu_complete(&r, 0);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(r.result, 0);
  teardown();
}

/* ---- giving up -------------------------------------------------------- */

enum state { PARKED, QUEUED, KEPT, RETRIED, FINISHED, STATES };

static void bring_to(enum state state, struct fdemu_req *r)
{
  box.how = state == PARKED || state == QUEUED ? NOW : KEEP;
  CHECK_EQ(fdemu_submit(p, r), FDEMU_PENDING);
  if (state == QUEUED)
    fdemu_wake(&box.inode.wq, POLLIN | POLLOUT);
  if (state == RETRIED)
    fdemu_retry(r);
  if (state == FINISHED)
    fdemu_complete(r, 0);
}

static void cancel_in_every_state(void)
{
  for (enum state s = PARKED; s < STATES; s++) {
    char buf[8];
    struct fdemu_req r;
    setup();
    r = request(FDEMU_READ, buf, 8);
    bring_to(s, &r);
    fdemu_cancel(&r, EINTR);
    CHECK_EQ(completed, 0);
    CHECK_EQ(box.cancels, s == KEPT);
    CHECK(fdemu_list_empty(&box.kept));
    fdemu_cancel(&r, EIO); /* the first one counts */
    fdemu_complete(&r, 5);
    CHECK_EQ(fdemu_run(k), 0);
    CHECK_EQ(completed, 1);
    CHECK_EQ(r.result, s == FINISHED ? 0 : -EINTR);
    fdemu_cancel(&r, EIO);
    CHECK_EQ(fdemu_run(k), 0);
    CHECK_EQ(completed, 1);
    CHECK(!fdemu_waited(&box.inode.wq, POLLIN));
    teardown();
  }
}

/* What came without a wake, and what a wake has brought already. */
static void an_interrupted_wait_looks_once_more(void)
{
  for (int woken = 0; woken < 2; woken++)
    for (int there = 0; there < 2; there++) {
      unsigned char buf[8];
      struct fdemu_req r;
      setup();
      r = request(FDEMU_READ, buf, 8);
      bring_to(woken ? QUEUED : PARKED, &r);
      box.n = there ? 3 : 0;
      fdemu_cancel(&r, EINTR);
      CHECK_EQ(box.calls, 1); /* only fdemu_run() calls methods */
      CHECK_EQ(r.result, FDEMU_PENDING);
      CHECK_EQ(fdemu_run(k), 0);
      CHECK_EQ(box.calls, 2);
      CHECK_EQ(r.result, there ? 3 : -EINTR);
      CHECK_EQ(completed, 1);
      teardown();
    }
}

/* A method that keeps what it is asked then does not wait, either. */
static void the_last_look_is_not_kept(void)
{
  struct fdemu_req r;
  char buf[8];

  setup();
  r = request(FDEMU_READ, buf, 8);
  bring_to(PARKED, &r);
  box.how = KEEP;
  fdemu_cancel(&r, EINTR);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(box.cancels, 1);
  CHECK(fdemu_list_empty(&box.kept));
  CHECK_EQ(r.result, -EINTR);
  teardown();
}

static void cancel_keeps_what_was_moved(void)
{
  char data[100] = "";
  struct fdemu_req w;

  setup();
  w = request(FDEMU_WRITE, data, 100);
  fdemu_submit(p, &w);
  fdemu_cancel(&w, EINTR);
  fdemu_run(k);
  CHECK_EQ(w.result, 64);
  teardown();
}

/* One that may be freed before the call is over. */
static struct fdemu_req *heap_request(enum fdemu_callno no, void *buf, size_t n)
{
  struct fdemu_req *r = malloc(sizeof *r);

  if (r == NULL)
    abort();
  *r = request(no, buf, n);
  return r;
}

static void abandon_in_every_state(void)
{
  struct fdemu_req never = { .call = &fdemu_calls[FDEMU_READ] };

  setup();
  fdemu_abandon(&never);
  teardown();
  for (enum state s = PARKED; s < STATES; s++) {
    char buf[8];
    struct fdemu_req *r = heap_request(FDEMU_READ, buf, 8);
    setup();
    bring_to(s, r);
    fdemu_abandon(r);
    CHECK_EQ(box.cancels, s == KEPT);
    fdemu_abandon(r);
    free(r); /* from here on it may not be touched */
    fdemu_wake(&box.inode.wq, POLLIN | POLLOUT | POLLHUP);
    CHECK_EQ(fdemu_run(k), 0);
    CHECK_EQ(completed, 0);
    CHECK_EQ(fdemu_close(p, fd), box.how == KEEP ? -EDEADLK : 0);
    CHECK_EQ(box.releases, 1); /* it held a reference and let it go */
    teardown();
  }
}

static void exit_in_every_state(void)
{
  for (enum state s = PARKED; s < STATES; s++)
    for (int put = 0; put < 2; put++) {
      char buf[8];
      struct fdemu_req r;
      setup();
      r = request(FDEMU_READ, buf, 8);
      bring_to(s, &r);
      fdemu_exit(p, 1);
      CHECK(!fdemu_alive(p));
      CHECK_EQ(completed, 0);
      CHECK_EQ(box.cancels, s == KEPT);
      CHECK_EQ(box.releases, 1);
      if (put) /* its last holder leaves before the owner has heard */
        fdemu_proc_put(p);
      CHECK_EQ(fdemu_run(k), 0);
      CHECK_EQ(completed, 1);
      CHECK_EQ(r.result, s == FINISHED ? 0 : -EINTR);
      if (!put)
        fdemu_proc_put(p);
      TEST_KERNEL_FREE(k);
    }
}

static void the_end_of_the_kernel_in_every_state(void)
{
  for (enum state s = PARKED; s < STATES; s++) {
    char buf[8];
    struct fdemu_req r;
    setup();
    r = request(FDEMU_READ, buf, 8);
    bring_to(s, &r);
    fdemu_kernel_free(k);
    CHECK_EQ(completed, 1);
    CHECK_EQ(r.result, s == FINISHED ? 0 : -EINTR);
    CHECK_EQ(test_heap.live, 0);
    CHECK_EQ(box.releases, 1);
  }
}

/* A driver's method may end the process that called it. */
static void exit_while_a_method_runs(void)
{
  char buf[8];
  struct fdemu_req r;

  for (enum how how = NOW; how <= KEEP; how++)
    for (int late = 0; late < 2; late++) {
      setup();
      r = request(FDEMU_READ, buf, 8);
      if (late) {
        CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
        fdemu_wake(&box.inode.wq, POLLIN);
      }
      box.how = how;
      box.kill = p;
      if (!late)
        CHECK(fdemu_submit(p, &r) == -EINTR || r.result == FDEMU_PENDING);
      CHECK_EQ(fdemu_run(k), 0);
      CHECK_EQ(r.result, -EINTR);
      CHECK_EQ(box.releases, 1);
      CHECK(!fdemu_alive(p));
      fdemu_abandon(&r);
      fdemu_proc_put(p);
      TEST_KERNEL_FREE(k);
    }
}

static void cancel_while_a_method_runs(void)
{
  char buf[8];
  struct fdemu_req r;

  for (int late = 0; late < 2; late++) {
    setup();
    r = request(FDEMU_READ, buf, 8);
    if (late) {
      fdemu_submit(p, &r);
      fdemu_wake(&box.inode.wq, POLLIN);
    }
    box.interrupt = &r;
    box.n = late ? 0 : 3;
    if (!late)
      CHECK_EQ(fdemu_submit(p, &r), 3);
    CHECK_EQ(fdemu_run(k), 0);
    CHECK_EQ(completed, late);
    CHECK_EQ(r.result, late ? -EINTR : 3);
    fdemu_abandon(&r);
    teardown();
  }
}

static void submitting_for_the_dead(void)
{
  char buf[8];
  struct fdemu_req r;

  setup();
  fdemu_exit(p, 0);
  r = request(FDEMU_READ, buf, 8);
  CHECK_EQ(fdemu_submit(p, &r), -ESRCH);
  CHECK_EQ(fdemu_open(p, "/dev/null", O_RDONLY, 0), -ESRCH);
  CHECK_EQ(fdemu_close(p, 0), -ESRCH);
  teardown();
}

/* ---- descriptors that go away ----------------------------------------- */

static void close_does_not_pull_it_away(void)
{
  char buf[8];
  struct fdemu_req r;

  setup();
  r = request(FDEMU_READ, buf, 8);
  fdemu_submit(p, &r);
  CHECK_EQ(fdemu_close(p, fd), 0);
  CHECK_EQ(box.flushes, 1);
  CHECK_EQ(box.releases, 0);
  CHECK(fdemu_file_at(p, fd) == NULL);
  CHECK_EQ(fdemu_run(k), 1);
  box.n = 2;
  fdemu_wake(&box.inode.wq, POLLIN);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(r.result, 2);
  CHECK_EQ(box.releases, 1);
  teardown();
}

static void flush_at_each_close_release_at_the_last(void)
{
  int a, b;

  setup();
  a = fdemu_dup(p, fd);
  b = fdemu_dup(p, fd);
  CHECK_EQ(fdemu_close(p, a), 0);
  CHECK_EQ(box.flushes, 1);
  box.eof = true; /* flush fails: the descriptor is gone all the same */
  CHECK_EQ(fdemu_close(p, b), -EIO);
  CHECK_EQ(fdemu_close(p, b), -EBADF);
  CHECK_EQ(box.releases, 0);
  CHECK_EQ(fdemu_close_range(p, 0, ~0u, 0), 0);
  CHECK_EQ(box.quiet_flushes, 1);
  CHECK_EQ(box.releases, 1);
  teardown();
}

static void close_may_wait(void)
{
  struct fdemu_req r;

  setup();
  box.how = KEEP;
  r = request(FDEMU_CLOSE, NULL, 0);
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  CHECK(fdemu_file_at(p, fd) == NULL); /* the number is free at once */
  CHECK_EQ(box.releases, 0);
  fdemu_complete(&r, -ENOSPC);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(r.result, -ENOSPC);
  CHECK_EQ(box.releases, 1);
  teardown();
}

static int64_t keep_release(struct fdemu_file *f)
{
  if (box_of(f)->releases++ > 0)
    return 0;
  fdemu_file_get(f);
  return FDEMU_PENDING;
}

static void a_release_may_take_its_time(void)
{
  static const struct fdemu_ops ops = { .release = keep_release };
  struct fdemu_file *f;

  setup_with(NULL, &ops, O_RDWR);
  f = fdemu_file_at(p, fd);
  CHECK_EQ(fdemu_close(p, fd), 0);
  CHECK_EQ(box.releases, 1);
  fdemu_file_put(f); /* still there; the sanitizers would know */
  CHECK_EQ(box.releases, 2);
  teardown();
}

/* ---- what a request can say ------------------------------------------- */

static void a_request_on_a_description(void)
{
  char buf[8];
  struct fdemu_req r;

  setup();
  r = request(FDEMU_READ, buf, 8);
  r.on = fdemu_file_at(p, fd);
  r.fd = -1;
  fdemu_file_get(r.on);
  fdemu_close(p, fd); /* in no table any more */
  box.n = 3;
  CHECK_EQ(fdemu_submit(p, &r), 3);
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  fdemu_file_put(r.on); /* borrowed only until it was submitted */
  CHECK_EQ(box.releases, 0);
  box.eof = true;
  fdemu_wake(&box.inode.wq, POLLIN);
  fdemu_run(k);
  CHECK_EQ(r.result, 0);
  CHECK_EQ(box.releases, 1);
  teardown();
}

/* Calls about the descriptor itself find none. */
static void a_request_on_a_description_touches_no_table(void)
{
  struct fdemu_file *f;
  struct fdemu_req r;
  int none = -1;

  setup();
  f = fdemu_file_at(p, fd);
  fdemu_file_get(f);
  fdemu_close(p, fd);
  box.flushes = 0;
  for (int i = 0; i < 3; i++) {
    r = request(i == 0 ? FDEMU_CLOSE : FDEMU_FCNTL, NULL, 0);
    r.on = f;
    r.fd = none;
    r.cmd = i == 1 ? F_GETFD : F_SETFD;
    fdemu_submit(p, &r); /* what it gives is not promised; that it lives is */
    CHECK_EQ(fdemu_next_fd(p, 0), -1);
    CHECK_EQ(box.releases, 0);
  }
  r = request(FDEMU_FCNTL, NULL, 0);
  r.on = f;
  r.cmd = F_GETFL;
  CHECK_EQ(fdemu_submit(p, &r), O_RDWR);
  r = request(FDEMU_DUP, NULL, 0);
  r.on = f;
  CHECK_EQ(fdemu_submit(p, &r), 0);
  CHECK(fdemu_file_at(p, 0) == f);
  fdemu_file_put(f);
  CHECK_EQ(box.releases, 0);
  teardown();
}

static int64_t other_read(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)f;
  return fdemu_copy_out(r, "other", 5) < 0 ? -EFAULT : 5;
}

static int other_cancels;

static void other_cancel(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)f;
  fdemu_list_remove(&r->link);
  other_cancels++;
}

static int64_t other_write(struct fdemu_file *f, struct fdemu_req *r)
{
  r->cancel = other_cancel;
  fdemu_list_append(&box_of(f)->kept, &r->link);
  return FDEMU_PENDING;
}

static void a_request_with_other_methods(void)
{
  static const struct fdemu_ops ops = { .read = other_read,
                                        .write = other_write };
  char buf[8] = "";
  struct fdemu_req r;

  setup();
  r = request(FDEMU_READ, buf, 8);
  r.ops = &ops;
  CHECK_EQ(fdemu_submit(p, &r), 5);
  CHECK(memcmp(buf, "other", 5) == 0);
  CHECK_EQ(box.calls, 0);
  r = request(FDEMU_LSEEK, NULL, 0);
  r.ops = &ops;
  CHECK_EQ(fdemu_submit(p, &r), -ESPIPE); /* a slot of theirs that is NULL */
  r = request(FDEMU_IOCTL, NULL, 0);
  r.cmd = BOX_COUNT;
  r.ops = &ops;
  CHECK_EQ(fdemu_submit(p, &r), -ENOTTY);
  r = request(FDEMU_WRITE, buf, 8);
  r.ops = &ops;
  other_cancels = 0;
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  fdemu_cancel(&r, EINTR); /* who kept it is told */
  CHECK_EQ(other_cancels, 1);
  CHECK_EQ(box.cancels, 0);
  fdemu_run(k);
  CHECK_EQ(r.result, -EINTR);
  teardown();
}

static void methods_replaced_while_it_waits(void)
{
  static const struct fdemu_ops ops = { .read = other_read };
  char buf[8];
  struct fdemu_req r;

  setup();
  r = request(FDEMU_READ, buf, 8);
  fdemu_submit(p, &r);
  fdemu_file_at(p, fd)->ops = &ops;
  fdemu_wake(&box.inode.wq, POLLIN);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(r.result, 5);
  fdemu_file_at(p, fd)->ops = &box_ops;
  teardown();
}

/* ---- the caller's memory ---------------------------------------------- */

/* Memory that works for some time. */
struct weak {
  struct fdemu_mem mem;
  size_t good;  /* calls that succeed */
  size_t again; /* ... and after one that fails */
};

static bool works(struct weak *w)
{
  if (w->good > 0) {
    w->good--;
    return true;
  }
  w->good = w->again;
  return false;
}

static int weak_load(const struct fdemu_mem *m, void *dst, const void *addr,
                     size_t n)
{
  struct weak *w = fdemu_entry(m, struct weak, mem);

  if (!works(w))
    return -EFAULT;
  memcpy(dst, addr, n);
  return 0;
}

static int weak_store(const struct fdemu_mem *m, void *addr, const void *src,
                      size_t n)
{
  struct weak *w = fdemu_entry(m, struct weak, mem);

  if (!works(w))
    return -EFAULT;
  if (src != NULL)
    memcpy(addr, src, n);
  else
    memset(addr, 0, n);
  return 0;
}

static void a_fault_loses_nothing(void)
{
  struct weak w = { .mem = { weak_load, weak_store } };
  char buf[16];
  struct iovec v[3] = { { buf, 2 }, { buf + 2, 0 }, { buf + 4, 8 } };
  struct fdemu_req r;

  setup();
  box.n = 10;
  r = request(FDEMU_READ, buf, 8);
  r.mem = &w.mem;
  CHECK_EQ(fdemu_submit(p, &r), -EFAULT);
  CHECK_EQ(box.n, 10);
  r = request(FDEMU_READV, NULL, 0);
  r.iov = v;
  r.iovcnt = 3;
  r.mem = &w.mem;
  w.good = 1; /* the first element, and not the third */
  CHECK_EQ(fdemu_submit(p, &r), -EFAULT);
  CHECK_EQ(r.done, 0);
  CHECK_EQ(box.n, 10);
  w.good = 3;
  CHECK_EQ(fdemu_submit(p, &r), 10);
  CHECK(counts_up(buf, 2, 0) && counts_up(buf + 4, 8, 2));
  r = request(FDEMU_WRITE, buf, 8);
  r.mem = &w.mem;
  w.good = 0;
  CHECK_EQ(fdemu_submit(p, &r), -EFAULT);
  CHECK_EQ(box.n, 0);
  teardown();
}

/* Where a call moves what it can, and the fault is gone when it looks how much
 * that is: other threads map memory, too. */
static void a_fault_may_go_away(void)
{
  struct weak w = { .mem = { weak_load, weak_store }, .again = 100 };
  static char in[3000], out[3000];
  struct fdemu_req r;
  int f;

  setup();
  memset(in, 'x', sizeof in);
  f = fdemu_memfd_create(p, "f", 0);
  r = request(FDEMU_WRITE, in, sizeof in);
  r.fd = f;
  r.mem = &w.mem;
  CHECK_EQ(fdemu_submit(p, &r), 3000);
  CHECK_EQ(fdemu_lseek(p, f, 0, SEEK_CUR), 3000);
  r = request(FDEMU_READ, out, sizeof out);
  r.fd = f;
  r.mem = &w.mem;
  w.good = 0;
  CHECK_EQ(fdemu_lseek(p, f, 0, SEEK_SET), 0);
  CHECK_EQ(fdemu_submit(p, &r), 3000);
  CHECK(memcmp(in, out, sizeof in) == 0);
  CHECK(fdemu_check(k) == NULL);
  teardown();
}

static void the_argument_block_has_an_end(void)
{
  struct weak w = { .mem = { weak_load, weak_store } };
  int n = 0;
  struct fdemu_req r;

  setup();
  r = request(FDEMU_IOCTL, &n, sizeof n);
  r.cmd = BOX_GET_LIMIT;
  CHECK_EQ(fdemu_submit(p, &r), 0);
  CHECK_EQ(n, 64);
  r.buf.iov_len = 3;
  CHECK_EQ(fdemu_submit(p, &r), -EFAULT);
  r.cmd = BOX_SET_LIMIT;
  CHECK_EQ(fdemu_submit(p, &r), -EFAULT);
  r.buf.iov_len = 4;
  r.mem = &w.mem;
  CHECK_EQ(fdemu_submit(p, &r), -EFAULT);
  CHECK_EQ(box.limit, 64);
  r = request(FDEMU_IOCTL, NULL, 0);
  r.cmd = FIONBIO;
  CHECK_EQ(fdemu_submit(p, &r), -EFAULT);
  r = request(FDEMU_FSTAT, &n, sizeof n);
  CHECK_EQ(fdemu_submit(p, &r), -EFAULT);
  teardown();
}

static void vectors(void)
{
  static struct iovec v[1025];
  char buf[64];
  struct fdemu_req r;

  setup();
  CHECK_EQ(fdemu_readv(p, fd, v, -1), -EINVAL);
  CHECK_EQ(fdemu_readv(p, fd, v, 1025), -EINVAL);
  CHECK_EQ(fdemu_readv(p, fd, v, 0), 0);
  CHECK_EQ(fdemu_readv(p, fd, NULL, 0), 0);
  CHECK_EQ(fdemu_readv(p, fd, v, 1024), 0); /* all empty */
  CHECK_EQ(box.calls, 0);
  CHECK_EQ(fdemu_readv(p, 99, v, 1025), -EBADF);
  for (int i = 0; i < 1024; i++)
    v[i] = (struct iovec){ &buf[i / 2 % 64], (size_t)(i % 2) };
  box.n = 64;
  CHECK_EQ(fdemu_readv(p, fd, v, 1024), 64);
  CHECK(counts_up(buf, 64, 0));
  v[0].iov_len = (size_t)SSIZE_MAX + 1;
  CHECK_EQ(fdemu_readv(p, fd, v, 2), -EINVAL);
  CHECK_EQ(fdemu_preadv(p, fd, v, 2, -1), -EINVAL);
  /* an element at a time, over several attempts */
  box = (struct box){ .inode = box.inode, .limit = 64 };
  fdemu_list_init(&box.kept);
  r = request(FDEMU_WRITEV, NULL, 0);
  v[0] = (struct iovec){ buf, 0 };
  v[1] = (struct iovec){ buf, 64 };
  v[2] = (struct iovec){ NULL, 0 };
  v[3] = (struct iovec){ buf, 10 };
  v[4] = (struct iovec){ NULL, 0 };
  r.iov = v;
  r.iovcnt = 5;
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  CHECK_EQ(r.done, 64);
  box.n = 0;
  fdemu_wake(&box.inode.wq, POLLOUT);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(r.result, 74);
  CHECK_EQ(box.n, 10);
  teardown();
}

/* A cursor that was set back points at the same bytes again. */
static void rewinding(void)
{
  char buf[12] = "abcdefghijk", got[16] = "";
  struct iovec v[5] = {
    { buf, 0 }, { buf, 3 }, { buf + 3, 0 }, { buf + 3, 4 }, { buf + 7, 4 }
  };
  struct fdemu_req r;

  setup();
  box.how = KEEP;
  r = request(FDEMU_WRITEV, NULL, 0);
  r.iov = v;
  r.iovcnt = 5;
  fdemu_submit(p, &r);
  for (size_t at = 0; at <= 11; at++) {
    CHECK_EQ(fdemu_copy_in(&r, got, fdemu_left(&r)), 0);
    fdemu_rewind(&r, at);
    CHECK_EQ(r.done, at);
    CHECK_EQ(fdemu_left(&r), 11 - at);
    memset(got, 0, sizeof got);
    CHECK_EQ(fdemu_copy_in(&r, got, fdemu_left(&r)), 0);
    CHECK_STR(got, buf + at);
    fdemu_rewind(&r, at);
  }
  fdemu_complete(&r, 11);
  fdemu_run(k);
  CHECK_EQ(r.result, 11);
  r = request(FDEMU_WRITE, buf, 11);
  fdemu_submit(p, &r);
  CHECK_EQ(fdemu_copy_in(&r, got, 11), 0);
  fdemu_rewind(&r, 4);
  memset(got, 0, sizeof got);
  CHECK_EQ(fdemu_copy_in(&r, got, 7), 0);
  CHECK_STR(got, "efghijk");
  fdemu_complete(&r, 11);
  fdemu_run(k);
  teardown();
}

static void huge_counts_are_cut(void)
{
  static const struct fdemu_ops none = { .read = NULL, .write = box_write };
  char c = 0;
  struct fdemu_req r;

  setup_with(NULL, &none, O_RDWR);
  box.how = KEEP;
  r = request(FDEMU_WRITE, &c, (size_t)1 << 40);
  fdemu_submit(p, &r);
  CHECK_EQ(r.len, 0x7ffff000);
  fdemu_abandon(&r);
  teardown();
}

/* ---- positions -------------------------------------------------------- */

static void positions_are_the_cores(void)
{
  static const struct fdemu_ops ops = { .mode = FDEMU_MODE_SEEK,
                                        .read = box_read,
                                        .write = box_write };
  char buf[8] = "";
  int other;

  setup_with(NULL, &ops, O_RDWR);
  box.n = 20;
  CHECK_EQ(fdemu_read(p, fd, buf, 8), 8);
  CHECK_EQ(box.offset, 0);
  other = fdemu_dup(p, fd);
  CHECK_EQ(fdemu_read(p, other, buf, 2), 2);
  CHECK_EQ(box.offset, 8);
  CHECK_EQ(fdemu_lseek(p, fd, 0, SEEK_CUR), 10);
  CHECK_EQ(fdemu_pread(p, fd, buf, 1, 77), 1);
  CHECK_EQ(box.offset, 77);
  CHECK_EQ(fdemu_pwrite(p, fd, buf, 1, 78), 1);
  CHECK_EQ(box.offset, 78);
  CHECK_EQ(fdemu_lseek(p, fd, 0, SEEK_CUR), 10);
  CHECK_EQ(fdemu_lseek(p, fd, -11, SEEK_CUR), -EINVAL);
  CHECK_EQ(fdemu_lseek(p, fd, 0, SEEK_CUR), 10);
  CHECK_EQ(fdemu_lseek(p, fd, -10, SEEK_CUR), 0);
  CHECK_EQ(fdemu_lseek(p, fd, 0, 99), -EINVAL);
  box.attr.size = 100;
  CHECK_EQ(fdemu_lseek(p, fd, -1, SEEK_END), 99);
  box.inode.mode = S_IFREG | 0600;
  fdemu_fcntl(p, fd, F_SETFL, O_APPEND);
  fdemu_lseek(p, fd, 5, SEEK_SET);
  CHECK_EQ(fdemu_write(p, fd, buf, 3), 3);
  CHECK_EQ(box.offset, 100);
  CHECK_EQ(fdemu_lseek(p, fd, 0, SEEK_CUR), 103);
  CHECK_EQ(fdemu_pwrite(p, fd, buf, 3, 0), 3);
  CHECK_EQ(box.offset, 100);
  CHECK_EQ(fdemu_lseek(p, fd, 0, SEEK_CUR), 103);
  teardown();
}

/* ---- chance ----------------------------------------------------------- */

static const struct fdemu_ops short_ops = {
  .mode = FDEMU_MODE_SHORT,
  .read = box_read,
  .write = box_write,
};

static int short_run(uint64_t seed, double how, int64_t lengths[100])
{
  struct fdemu_config c = { .seed = seed, .short_counts = how };
  char buf[64];
  int cut = 0;

  setup_with(&c, &short_ops, O_RDWR);
  for (int i = 0; i < 100; i++) {
    box.n = 64;
    lengths[i] = fdemu_read(p, fd, buf, 20);
    CHECK(lengths[i] >= 1 && lengths[i] <= 20);
    cut += lengths[i] < 20;
    box.n = 64;
    CHECK_EQ(fdemu_read(p, fd, buf, 1), 1); /* one byte or nothing */
    CHECK_EQ(fdemu_read(p, fd, buf, 0), 0);
  }
  teardown();
  return cut;
}

static void short_counts_depend_on_the_seed_alone(void)
{
  int64_t a[100], b[100], c[100];
  int cut = short_run(7, 0.5, a);

  CHECK(cut > 25 && cut < 75);
  CHECK_EQ(short_run(7, 0.5, b), cut);
  CHECK(memcmp(a, b, sizeof a) == 0);
  short_run(8, 0.5, c);
  CHECK(memcmp(a, c, sizeof a) != 0);
  CHECK_EQ(short_run(7, 0, a), 0);
  CHECK_EQ(short_run(7, 1, a), 100);
}

static void short_counts_only_where_they_are_allowed(void)
{
  struct fdemu_config c = { .seed = 1, .short_counts = 1 };
  char buf[64] = "";
  struct fdemu_req r;
  int fds[2];

  setup_with(&c, &box_ops, O_RDWR);
  box.n = 64;
  CHECK_EQ(fdemu_read(p, fd, buf, 64), 64);
  CHECK_EQ(fdemu_pipe2(p, fds, 0), 0);
  CHECK_EQ(fdemu_write(p, fds[1], buf, 64), 64);
  CHECK_EQ(fdemu_read(p, fds[0], buf, 64), 64);
  teardown();
  setup_with(&c, &short_ops, O_RDWR);
  box.n = 64;
  r = request(FDEMU_READ, buf, 20);
  r.quiet = true; /* not a program's call */
  CHECK_EQ(fdemu_submit(p, &r), 20);
  r.quiet = false;
  CHECK(fdemu_submit(p, &r) < 20);
  CHECK_EQ(r.asked, 20);
  teardown();
}

/* ---- who may complete ------------------------------------------------- */

static struct fdemu_req second;
static int64_t seen;

static void submit_second(struct fdemu_req *r)
{
  completed++;
  seen = r->result;
  fdemu_submit(p, &second);
}

static void complete_may_submit(void)
{
  char buf[8], c;
  struct fdemu_req r;

  setup();
  r = request(FDEMU_READ, buf, 8);
  r.complete = submit_second;
  second = request(FDEMU_READ, &c, 1);
  fdemu_submit(p, &r);
  box.n = 3;
  fdemu_wake(&box.inode.wq, POLLIN);
  CHECK_EQ(fdemu_run(k), 1);
  CHECK_EQ(seen, 3);
  box.n = 1;
  fdemu_wake(&box.inode.wq, POLLIN);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(second.result, 1);
  CHECK_EQ(completed, 2);
  teardown();
}

static void free_request(struct fdemu_req *r)
{
  completed++;
  free(r);
}

static void complete_may_free_the_request(void)
{
  char buf[8];

  setup();
  for (int i = 0; i < 3; i++) {
    struct fdemu_req *r = heap_request(FDEMU_READ, buf, 2);
    r->complete = free_request;
    fdemu_submit(p, r);
  }
  box.n = 6;
  fdemu_wake(&box.inode.wq, POLLIN);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(completed, 3);
  teardown();
}

/* A blocking call inside another call's method: the inner one runs. */
static void a_call_runs_the_others_while_it_waits(void)
{
  char buf[8], c[70] = "";
  struct fdemu_req w;

  setup();
  w = request(FDEMU_WRITE, c, 70);
  CHECK_EQ(fdemu_submit(p, &w), FDEMU_PENDING);
  CHECK_EQ(fdemu_read(p, fd, buf, 8), 8);
  CHECK_EQ(w.result, FDEMU_PENDING); /* woken, not run: nobody waited */
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(w.result, 70);
  box.n = 0;
  CHECK_EQ(fdemu_read(p, fd, buf, 8), -EDEADLK);
  CHECK_EQ(fdemu_run(k), 0);
  teardown();
}

/* ---- open that waits -------------------------------------------------- */

static struct fdemu_req *opening;

static int64_t slow_open(struct fdemu_inode *i, struct fdemu_req *r)
{
  (void)i;
  opening = r;
  return FDEMU_PENDING;
}

static void open_may_wait(void)
{
  for (int how = 0; how < 4; how++) {
    struct fdemu_req r = { .call = &fdemu_calls[FDEMU_OPEN],
                           .path = "/dev/box",
                           .cmd = O_RDWR,
                           .complete = on_complete };
    setup();
    box.inode.open = slow_open;
    CHECK_EQ(fdemu_name(k, "/dev/box", &box.inode), 0);
    CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
    CHECK(opening == &r);
    CHECK_EQ(fdemu_dup(p, fd), 2); /* 1 is taken already */
    CHECK_EQ(fdemu_close(p, 1), -EBADF);
    CHECK_EQ(fdemu_dup2(p, fd, 1), -EBUSY);
    switch (how) {
    case 0:
      fdemu_complete(&r, fdemu_opened(&r, fdemu_file_new(&box.inode, &box_ops,
                                                         O_RDWR, NULL)));
      break;
    case 1: fdemu_complete(&r, -ENXIO); break;
    case 2: fdemu_cancel(&r, EINTR); break;
    default: fdemu_exit(p, 0);
    }
    CHECK_EQ(fdemu_run(k), 0);
    CHECK_EQ(r.result, how == 0 ? 1 : how == 1 ? -ENXIO : -EINTR);
    if (how < 3)
      CHECK_EQ(fdemu_dup(p, fd), how == 0 ? 3 : 1);
    teardown();
  }
}

static int64_t fatal_open(struct fdemu_inode *i, struct fdemu_req *r)
{
  fdemu_exit(p, 0);
  return fdemu_opened(r, fdemu_file_new(i, i->ops, O_RDWR, NULL));
}

/* There is no table any more for what it has opened. */
static void open_may_end_the_process(void)
{
  setup();
  box.inode.open = fatal_open;
  CHECK_EQ(fdemu_name(k, "/dev/box", &box.inode), 0);
  CHECK_EQ(fdemu_open(p, "/dev/box", O_RDWR, 0), -EINTR);
  CHECK(!fdemu_alive(p));
  CHECK_EQ(box.releases, 2);
  CHECK_EQ(fdemu_next_fd(p, 0), -1);
  teardown();
}

static void opening_by_name(void)
{
  char buf[4];
  int a;

  setup();
  CHECK_EQ(fdemu_name(k, "/dev/box", &box.inode), 0);
  a = fdemu_open(p, "/dev/box", O_RDWR | O_CLOEXEC | O_NONBLOCK, 0);
  CHECK_EQ(a, 1);
  CHECK_EQ(fdemu_fcntl(p, a, F_GETFD, 0), FD_CLOEXEC);
  CHECK_EQ(fdemu_fcntl(p, a, F_GETFL, 0), O_RDWR | O_NONBLOCK | 0100000);
  CHECK_EQ(fdemu_read(p, a, buf, 4), -EAGAIN);
  CHECK_EQ(fdemu_open(p, "/dev/none", O_RDWR, 0), -ENOENT);
  CHECK_EQ(fdemu_open(p, "", O_RDWR, 0), -ENOENT);
  CHECK_EQ(fdemu_open(p, "/dev/box", O_RDWR | O_CREAT | O_EXCL, 0), -EEXIST);
  CHECK_EQ(fdemu_open(p, "/dev/box", O_RDONLY | O_DIRECTORY, 0), -ENOTDIR);
  CHECK_EQ(fdemu_dup(p, fd), 2); /* failures took no descriptor */
  fdemu_set_nofile(p, 3, 3);
  CHECK_EQ(fdemu_open(p, "/dev/none", O_RDWR, 0), -EMFILE);
  teardown();
}

static struct fdemu_inode *make_box(struct fdemu_kernel *kernel, mode_t mode)
{
  return fdemu_device_new(kernel, &box_ops, mode, 0);
}

/* What a name of each type becomes is up to whoever registered for it. */
static void makers(void)
{
  struct fdemu_inode *i = NULL;

  k = test_kernel();
  CHECK_EQ(fdemu_make(k, S_IFREG | 0600, &i), -EPERM);
  fdemu_maker(k, S_IFREG | 0777, make_box);
  CHECK_EQ(fdemu_make(k, S_IFIFO | 0600, &i), -EPERM);
  CHECK_EQ(fdemu_make(k, S_IFREG | 0640, &i), 0);
  CHECK_EQ(i->mode, S_IFREG | 0640);
  fdemu_inode_put(i);
  test_heap.fail_at = test_heap.count + 1;
  CHECK_EQ(fdemu_make(k, S_IFREG | 0640, &i), -ENOMEM);
  fdemu_maker(k, S_IFREG, NULL);
  CHECK_EQ(fdemu_make(k, S_IFREG | 0600, &i), -EPERM);
  TEST_KERNEL_FREE(k);
}

/* Found by the fuzzer of drivers: whoever waits among the watchers was told
 * exclusively or not, as the caller's memory had it. */
static void private_fields_need_not_be_set(void)
{
  struct fdemu_req r;

  k = test_kernel();
  p = fdemu_proc_new(k);
  CHECK_EQ(fdemu_std_devices(k), 0);
  CHECK_EQ(fdemu_mknodat(p, AT_FDCWD, "/tmp/f", S_IFIFO | 0600, 0), 0);
  memset(&r, 1, sizeof r);
  memset(&r, 0, offsetof(struct fdemu_req, proc));
  r.call = &fdemu_calls[FDEMU_OPEN];
  r.fd = AT_FDCWD;
  r.path = "/tmp/f";
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  CHECK(!r.waiter.exclusive);
  CHECK_KERNEL(k);
  CHECK_EQ(fdemu_open(p, "/tmp/f", O_WRONLY, 0), 1);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(r.result, 0);
  fdemu_exit(p, 0);
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

int main(void)
{
  answers_at_once();
  defaults_of_empty_slots();
  checks_the_access_mode_first();
  parks_and_tries_again_after_a_wake();
  hang_ups_wake_everyone();
  goes_on_where_it_was();
  non_blocking_fails_instead();
  setting_non_blocking_wakes_nobody();
  an_ioctl_waits_for_pri();
  wake_one_is_a_chain();
  a_chain_survives_who_leaves_it();
  runs_in_order_or_at_random();
  a_driver_may_answer_later();
  a_late_error_is_an_error();
  a_late_eagain_parks();
  a_kept_request_can_be_tried_again();
  cancel_in_every_state();
  an_interrupted_wait_looks_once_more();
  the_last_look_is_not_kept();
  cancel_keeps_what_was_moved();
  abandon_in_every_state();
  exit_in_every_state();
  the_end_of_the_kernel_in_every_state();
  exit_while_a_method_runs();
  cancel_while_a_method_runs();
  submitting_for_the_dead();
  close_does_not_pull_it_away();
  flush_at_each_close_release_at_the_last();
  close_may_wait();
  a_release_may_take_its_time();
  a_request_on_a_description();
  a_request_on_a_description_touches_no_table();
  a_request_with_other_methods();
  methods_replaced_while_it_waits();
  a_fault_loses_nothing();
  a_fault_may_go_away();
  the_argument_block_has_an_end();
  vectors();
  rewinding();
  huge_counts_are_cut();
  positions_are_the_cores();
  short_counts_depend_on_the_seed_alone();
  short_counts_only_where_they_are_allowed();
  complete_may_submit();
  complete_may_free_the_request();
  a_call_runs_the_others_while_it_waits();
  open_may_wait();
  open_may_end_the_process();
  opening_by_name();
  makers();
  private_fields_need_not_be_set();
  return test_summary();
}
