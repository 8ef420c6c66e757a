/* move_test.c - sendfile(2) and its relatives between kinds that take their time */
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include "fdemu_driver.h"
#include "test.h"

/* A file that has n bytes, 'x', to be read, or room for as many, and whose
 * methods may do something else on the way. */
struct slow {
  struct fdemu_inode inode;
  struct fdemu_attr attr;
  size_t n;
  struct fdemu_req *interrupts; /* this call, from inside a method */
};

static struct fdemu_kernel *k;
static struct fdemu_proc *p;
static struct slow slow, other;
static int slow_fd, other_fd, file, ends[2], completed;

static int64_t enter(struct fdemu_file *f, const struct fdemu_req *r, size_t *n)
{
  struct slow *s = fdemu_entry(f->inode, struct slow, inode);

  *n = s->n < fdemu_left(r) ? s->n : fdemu_left(r);
  if (*n == 0)
    return -EAGAIN;
  s->n -= *n;
  if (s->interrupts != NULL)
    fdemu_cancel(s->interrupts, EINTR);
  s->interrupts = NULL;
  return 0;
}

static int64_t slow_read(struct fdemu_file *f, struct fdemu_req *r)
{
  char bytes[8];
  size_t n;
  int64_t error = enter(f, r, &n);

  if (error == 0)
    error = fdemu_copy_out(r, memset(bytes, 'x', n), n);
  return error < 0 ? error : (int64_t)r->done;
}

static int64_t slow_write(struct fdemu_file *f, struct fdemu_req *r)
{
  char bytes[8];
  size_t n;
  int64_t error = enter(f, r, &n);

  if (error == 0)
    error = fdemu_copy_in(r, bytes, n);
  return error < 0 ? error : (int64_t)r->done;
}

static const struct fdemu_ops slow_ops = {
  .name = "slow",
  .mode = FDEMU_MODE_SEEK,
  .read = slow_read,
  .write = slow_write,
};

static void slow_free(struct fdemu_inode *i)
{
  (void)i; /* it is the test's */
}

static int slow_new(struct slow *s)
{
  struct fdemu_file *f;

  memset(s, 0, sizeof *s);
  fdemu_inode_init(&s->inode, &s->attr, k, &slow_ops, S_IFREG | 0600,
                   slow_free);
  s->attr.size = 1000;
  f = fdemu_file_new(&s->inode, &slow_ops, O_RDWR, NULL);
  fdemu_inode_put(&s->inode);
  return fdemu_install(p, f, 0, false);
}

static void setup(void)
{
  k = test_kernel();
  p = fdemu_proc_new(k);
  slow_fd = slow_new(&slow);
  other_fd = slow_new(&other);
  CHECK_EQ(fdemu_std_devices(k), 0);
  file = fdemu_open(p, "/file", O_RDWR | O_CREAT, 0600);
  CHECK_EQ(fdemu_pipe2(p, ends, 0), 0);
  completed = 0;
}

static void teardown(void)
{
  CHECK(fdemu_check(k) == NULL);
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

static void on_complete(struct fdemu_req *r)
{
  (void)r;
  completed++;
}

static struct fdemu_req move(const struct fdemu_call *call, int in, int out,
                             size_t n)
{
  return (struct fdemu_req){ .call = call,
                             .fd = in,
                             .arg = out,
                             .buf = { NULL, n },
                             .complete = on_complete };
}

static void ready(struct slow *s, size_t n)
{
  s->n = n;
  fdemu_wake(&s->inode.wq, POLLIN | POLLOUT);
}

static void each_waits_for_whoever_has_its_turn(void)
{
  struct fdemu_req r;
  int events = 0;

  setup();
  r = move(&fdemu_sendfile_call, slow_fd, other_fd, 3);
  CHECK(fdemu_awaited_file(&r, &events) == NULL);
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  CHECK(fdemu_awaited_file(&r, &events) == fdemu_file_at(p, slow_fd));
  CHECK_EQ(events, POLLIN);
  ready(&slow, 3);
  CHECK_EQ(fdemu_run(k), 1 + 1); /* the call, and the write that it makes */
  CHECK(fdemu_awaited_file(&r, &events) == fdemu_file_at(p, other_fd));
  CHECK_EQ(events, POLLOUT);
  ready(&other, 3);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(r.result, 3);
  CHECK(fdemu_awaited_file(&r, &events) == NULL);
  teardown();
}

/* copy_file_range(2), too, is tried again; and two of them at once. */
static void they_end_in_any_order(void)
{
  struct fdemu_req a, b;

  setup();
  a = move(&fdemu_copy_file_range_call, slow_fd, file, 5);
  b = move(&fdemu_copy_file_range_call, other_fd, file, 5);
  CHECK_EQ(fdemu_submit(p, &a), FDEMU_PENDING);
  CHECK_EQ(fdemu_submit(p, &b), FDEMU_PENDING);
  ready(&other, 4);
  fdemu_run(k);
  CHECK_EQ(a.result, FDEMU_PENDING);
  CHECK_EQ(b.result, 4);
  ready(&slow, 5);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(a.result, 5);
  CHECK_EQ(completed, 2);
  CHECK_EQ(fdemu_lseek(p, file, 0, SEEK_CUR), 5); /* both began at 0 */
  teardown();
}

/* What was read in vain is nobody's: the call does not know of it any more. */
static void one_that_is_interrupted_in_a_read_ends_late(void)
{
  struct fdemu_req r;

  setup();
  r = move(&fdemu_sendfile_call, slow_fd, file, 8);
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  slow.interrupts = &r;
  ready(&slow, 5);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(r.result, -EINTR);
  CHECK_EQ(completed, 1);
  CHECK_EQ(fdemu_lseek(p, slow_fd, 0, SEEK_CUR), 0);
  CHECK_EQ(fdemu_lseek(p, file, 0, SEEK_CUR), 0);
  teardown();
}

/* Pages that were lent come back when the write is over, without what it took. */
static void one_that_is_interrupted_in_a_write_gives_pages_back(void)
{
  struct fdemu_req r;
  char buf[9] = "";

  setup();
  CHECK_EQ(fdemu_write(p, ends[1], "abcdefgh", 8), 8);
  r = move(&fdemu_splice_call, ends[0], slow_fd, 8);
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  slow.interrupts = &r;
  ready(&slow, 3);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(r.result, -EINTR);
  CHECK_EQ(fdemu_read(p, ends[0], buf, 8), 5);
  CHECK_STR(buf, "defgh");
  teardown();
}

/* Its write has been answered, and it does not know that yet. */
static void one_that_is_interrupted_then_counts_what_has_arrived(void)
{
  struct fdemu_req r, reads = { .call = &fdemu_calls[FDEMU_READ] };
  char buf[8];

  setup();
  CHECK_EQ(fdemu_write(p, ends[1], "abcdefgh", 8), 8);
  r = move(&fdemu_splice_call, ends[0], slow_fd, 8);
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  reads.fd = other_fd;
  reads.buf = (struct iovec){ buf, 8 };
  CHECK_EQ(fdemu_submit(p, &reads), FDEMU_PENDING);
  ready(&slow, 3);
  other.interrupts = &r;
  ready(&other, 1);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(reads.result, 1);
  CHECK_EQ(r.result, 3);
  CHECK_EQ(fdemu_read(p, ends[0], buf, 8), 5);
  teardown();
}

/* More than any call moves is asked for, and what is there is moved. */
static void one_that_asks_for_everything_gets_what_there_is(void)
{
  int64_t at = INT64_MAX - 3;

  setup();
  CHECK_EQ(fdemu_write(p, file, "abcde", 5), 5);
  CHECK_EQ(fdemu_lseek(p, file, 0, SEEK_SET), 0);
  CHECK_EQ(fdemu_sendfile(p, ends[1], file, NULL, (size_t)1 << 40), 5);
  slow.n = 8;
  CHECK_EQ(fdemu_copy_file_range(p, slow_fd, NULL, other_fd, &at, 8, 0),
           -EDEADLK); /* it has read 3, which nobody takes */
  CHECK_EQ(slow.n, 8 - 3);
  teardown();
}

int main(void)
{
  each_waits_for_whoever_has_its_turn();
  they_end_in_any_order();
  one_that_is_interrupted_in_a_read_ends_late();
  one_that_is_interrupted_in_a_write_gives_pages_back();
  one_that_is_interrupted_then_counts_what_has_arrived();
  one_that_asks_for_everything_gets_what_there_is();
  return test_summary();
}
