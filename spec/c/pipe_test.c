/* pipe_test.c - what native_test.c cannot show of pipes: calls that wait */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>

#include "fdemu_driver.h"
#include "test.h"

#define PAGE 4096
#define FULL 65536

static struct fdemu_kernel *k;
static struct fdemu_proc *p;
static int fds[2];
static unsigned char big[4 * FULL], got[4 * FULL];

static void setup(int flags)
{
  k = test_kernel();
  p = fdemu_proc_new(k);
  CHECK_EQ(fdemu_pipe2(p, fds, flags), 0);
  CHECK_EQ(fds[0], 0);
  CHECK_EQ(fds[1], 1);
}

static void teardown(void)
{
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

static struct fdemu_req start(enum fdemu_callno no, void *buf, size_t n)
{
  return (struct fdemu_req){ .call = &fdemu_calls[no],
                             .fd = fds[no == FDEMU_WRITE],
                             .buf = { buf, n } };
}

static int queued(void)
{
  int n = -1;

  CHECK_EQ(fdemu_ioctl(p, fds[0], FIONREAD, &n), 0);
  return n;
}

static int ready(int fd, int events)
{
  struct pollfd pfd = { .fd = fd, .events = (short)events };

  fdemu_poll(p, &pfd, 1, 0);
  return pfd.revents;
}

static void passes_bytes_in_order(void)
{
  char buf[16] = "";

  setup(0);
  CHECK_EQ(fdemu_write(p, fds[1], "hello, ", 7), 7);
  CHECK_EQ(fdemu_write(p, fds[1], "world", 5), 5);
  CHECK_EQ(queued(), 12);
  CHECK_EQ(fdemu_read(p, fds[0], buf, 3), 3);
  CHECK_EQ(fdemu_read(p, fds[0], buf + 3, 13), 9);
  CHECK_STR(buf, "hello, world");
  CHECK_EQ(fdemu_read(p, fds[1], buf, 1), -EBADF);
  CHECK_EQ(fdemu_write(p, fds[0], buf, 1), -EBADF);
  CHECK_EQ(fdemu_lseek(p, fds[0], 0, SEEK_CUR), -ESPIPE);
  CHECK_EQ(fdemu_pread(p, fds[0], buf, 1, 0), -ESPIPE);
  teardown();
}

static void a_reader_waits_for_bytes(void)
{
  char buf[16];
  struct fdemu_req r;

  setup(0);
  r = start(FDEMU_READ, buf, 16);
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  CHECK_EQ(fdemu_write(p, fds[1], "abc", 3), 3);
  CHECK_EQ(r.result, FDEMU_PENDING);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(r.result, 3);
  CHECK_EQ(fdemu_read(p, fds[0], buf, 0), 0); /* nothing wanted, no wait */
  CHECK_EQ(fdemu_read(p, fds[0], buf, 1), -EDEADLK);
  teardown();
}

static void a_blocking_write_returns_when_all_is_written(void)
{
  struct fdemu_req w;
  size_t n = 0;

  setup(0);
  for (size_t i = 0; i < sizeof big; i++)
    big[i] = (unsigned char)(i * 7 + i / 251);
  w = start(FDEMU_WRITE, big, 200000);
  CHECK_EQ(fdemu_submit(p, &w), FDEMU_PENDING);
  CHECK_EQ(queued(), FULL);
  while (n < 200000) {
    int64_t m = fdemu_read(p, fds[0], got + n, 5000);
    CHECK(m > 0);
    if (m <= 0)
      break;
    n += (size_t)m;
    fdemu_run(k);
    CHECK(w.result == (n + FULL >= 200000 ? 200000 : FDEMU_PENDING) ||
          w.result == FDEMU_PENDING);
  }
  CHECK_EQ(n, 200000);
  CHECK_EQ(w.result, 200000);
  CHECK(memcmp(big, got, 200000) == 0);
  teardown();
}

/* No two writes of up to PIPE_BUF bytes mix, whoever waits. */
static void small_writes_stay_whole(void)
{
  enum { WRITERS = 7, SIZE = 3000, ROUNDS = 40 };
  static unsigned char data[WRITERS][SIZE];
  struct fdemu_req w[WRITERS];
  int left = WRITERS * ROUNDS, whole = 0, rounds[WRITERS] = { 0 };

  setup(0);
  for (int i = 0; i < WRITERS; i++) {
    memset(data[i], 'a' + i, SIZE);
    w[i] = start(FDEMU_WRITE, data[i], SIZE);
  }
  while (left > 0) {
    for (int i = 0; i < WRITERS; i++)
      while (w[i].result != FDEMU_PENDING && rounds[i] < ROUNDS) {
        rounds[i]++;
        fdemu_submit(p, &w[i]);
      }
    if (fdemu_read(p, fds[0], got, SIZE) != SIZE)
      break;
    left--;
    for (int j = 1; j < SIZE; j++)
      if (got[j] != got[0])
        goto mixed;
    whole++;
  mixed:
    fdemu_run(k);
  }
  CHECK_EQ(whole, WRITERS * ROUNDS);
  CHECK_EQ(queued(), 0);
  teardown();
}

static void non_blocking_writes(void)
{
  setup(O_NONBLOCK);
  CHECK_EQ(fdemu_write(p, fds[1], big, FULL - 10), FULL - 10);
  CHECK_EQ(fdemu_write(p, fds[1], big, 4096), -EAGAIN); /* all or nothing */
  CHECK_EQ(fdemu_write(p, fds[1], big, 11), -EAGAIN);
  CHECK_EQ(fdemu_write(p, fds[1], big, 10), 10); /* into the last page */
  CHECK_EQ(queued(), FULL);
  CHECK_EQ(fdemu_read(p, fds[0], got, 10), 10);
  CHECK_EQ(fdemu_write(p, fds[1], big, 1), -EAGAIN); /* not a free slot */
  CHECK_EQ(ready(fds[1], POLLOUT), 0);
  CHECK_EQ(fdemu_read(p, fds[0], got, PAGE - 10), PAGE - 10);
  CHECK_EQ(ready(fds[1], POLLOUT), POLLOUT);
  CHECK_EQ(fdemu_write(p, fds[1], big, 2 * PAGE), PAGE);
  teardown();
  setup(O_NONBLOCK);
  CHECK_EQ(fdemu_fcntl(p, fds[1], F_SETPIPE_SZ, 2 * PAGE), 2 * PAGE);
  CHECK_EQ(fdemu_write(p, fds[1], big, 4097), 4097);
  CHECK_EQ(fdemu_write(p, fds[1], big, 9000), 808);
  teardown();
}

static void the_last_write_end_is_the_end_of_file(void)
{
  char buf[4];
  struct fdemu_req r, r2;
  int other;

  setup(0);
  other = fdemu_dup(p, fds[1]);
  r = start(FDEMU_READ, buf, 4);
  r2 = start(FDEMU_READ, buf, 4);
  fdemu_submit(p, &r);
  fdemu_submit(p, &r2);
  CHECK_EQ(fdemu_close(p, fds[1]), 0);
  CHECK_EQ(fdemu_run(k), 2);
  CHECK_EQ(fdemu_close(p, other), 0);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(r.result, 0);
  CHECK_EQ(r2.result, 0); /* everybody hears of it */
  CHECK_EQ(fdemu_read(p, fds[0], buf, 4), 0);
  CHECK_EQ(ready(fds[0], POLLIN), POLLHUP);
  teardown();
}

static void the_last_read_end_breaks_the_pipe(void)
{
  struct fdemu_req w, v;

  setup(0);
  CHECK_EQ(fdemu_write(p, fds[1], big, FULL), FULL);
  w = start(FDEMU_WRITE, big, 1);
  v = start(FDEMU_WRITE, big, 5);
  fdemu_submit(p, &w);
  fdemu_submit(p, &v);
  CHECK_EQ(ready(fds[1], POLLOUT), 0);
  CHECK_EQ(fdemu_close(p, fds[0]), 0);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(w.result, -EPIPE);
  CHECK_EQ(v.result, -EPIPE);
  CHECK_EQ(fdemu_write(p, fds[1], big, 1), -EPIPE);
  CHECK_EQ(fdemu_write(p, fds[1], big, 0), 0);
  CHECK_EQ(ready(fds[1], POLLOUT), POLLERR);
  teardown();
  setup(0); /* what has gone through counts */
  w = start(FDEMU_WRITE, big, FULL + 9);
  fdemu_submit(p, &w);
  fdemu_close(p, fds[0]);
  fdemu_run(k);
  CHECK_EQ(w.result, FULL);
  teardown();
}

static void a_reader_in_flight_is_a_reader(void)
{
  char buf[4];
  struct fdemu_req r;

  setup(0);
  r = start(FDEMU_READ, buf, 4);
  fdemu_submit(p, &r);
  fdemu_close(p, fds[0]);
  CHECK_EQ(fdemu_write(p, fds[1], "abcdef", 6), 6); /* no EPIPE yet */
  fdemu_run(k);
  CHECK_EQ(r.result, 4);
  CHECK_EQ(fdemu_write(p, fds[1], "abcdef", 6), -EPIPE);
  teardown();
}

static void one_byte_wakes_one_reader(void)
{
  char buf[3];
  struct fdemu_req r[3];

  setup(0);
  for (int i = 0; i < 3; i++) {
    r[i] = start(FDEMU_READ, &buf[i], 1);
    fdemu_submit(p, &r[i]);
  }
  CHECK_EQ(fdemu_write(p, fds[1], "x", 1), 1);
  CHECK_EQ(fdemu_run(k), 2);
  CHECK_EQ(r[0].result, 1);
  CHECK_EQ(fdemu_write(p, fds[1], "yz", 2), 2);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK(memcmp(buf, "xyz", 3) == 0);
  teardown();
}

static void a_larger_pipe_lets_writers_go_on(void)
{
  struct fdemu_req w;

  setup(0);
  w = start(FDEMU_WRITE, big, 2 * FULL);
  fdemu_submit(p, &w);
  CHECK_EQ(fdemu_fcntl(p, fds[0], F_SETPIPE_SZ, PAGE), -EBUSY);
  CHECK_EQ(fdemu_fcntl(p, fds[0], F_SETPIPE_SZ, FULL + 1), 2 * FULL);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(w.result, 2 * FULL);
  CHECK_EQ(fdemu_read(p, fds[0], got, 2 * FULL), 2 * FULL);
  CHECK(memcmp(big, got, 2 * FULL) == 0);
  CHECK_EQ(fdemu_fcntl(p, fds[0], F_SETPIPE_SZ, 0), PAGE);
  CHECK_EQ(fdemu_fcntl(p, fds[0], F_SETPIPE_SZ, 1 << 20), 1 << 20);
  CHECK_EQ(fdemu_fcntl(p, fds[0], F_SETPIPE_SZ, (1 << 20) + 1), -EPERM);
  CHECK_EQ(fdemu_fcntl(p, fds[0], F_SETPIPE_SZ, -1), -EINVAL);
  CHECK_EQ(fdemu_fcntl(p, fds[0], F_SETPIPE_SZ, INT64_C(1) << 31), -EPERM);
  CHECK_EQ(fdemu_fcntl(p, fds[0], F_GETPIPE_SZ, 0), 1 << 20);
  teardown();
}

static void packets(void)
{
  struct fdemu_req r;

  setup(O_DIRECT);
  CHECK_EQ(fdemu_write(p, fds[1], "one", 3), 3);
  CHECK_EQ(fdemu_write(p, fds[1], "three", 5), 5);
  CHECK_EQ(fdemu_read(p, fds[0], got, 100), 3);
  CHECK_EQ(fdemu_read(p, fds[0], got, 2), 2); /* the rest is dropped */
  CHECK_EQ(queued(), 0);
  r = start(FDEMU_READ, got, 100);
  fdemu_submit(p, &r);
  CHECK_EQ(fdemu_write(p, fds[1], big, PAGE + 1), PAGE + 1); /* two packets */
  fdemu_run(k);
  CHECK_EQ(r.result, 100);
  CHECK_EQ(fdemu_read(p, fds[0], got, 100), 1);
  teardown();
}

/* ---- memory that fails ------------------------------------------------ */

static size_t good; /* bytes that can be moved */

static int limited(void *dst, const void *src, size_t n)
{
  if (n > good)
    return -EFAULT;
  good -= n;
  memcpy(dst, src, n);
  return 0;
}

static int limited_load(const struct fdemu_mem *m, void *dst, const void *addr,
                        size_t n)
{
  (void)m;
  return limited(dst, addr, n);
}

static int limited_store(const struct fdemu_mem *m, void *addr, const void *src,
                         size_t n)
{
  (void)m;
  return limited(addr, src, n);
}

static void a_fault_leaves_the_bytes_in_the_pipe(void)
{
  static const struct fdemu_mem mem = { limited_load, limited_store };
  struct fdemu_req r;
  int none[2] = { -1, -1 };

  setup(0);
  CHECK_EQ(fdemu_write(p, fds[1], big, 3 * PAGE), 3 * PAGE);
  r = start(FDEMU_READ, got, 3 * PAGE);
  r.mem = &mem;
  good = 0;
  CHECK_EQ(fdemu_submit(p, &r), -EFAULT);
  CHECK_EQ(queued(), 3 * PAGE);
  good = PAGE + 5; /* the second page does not fit */
  CHECK_EQ(fdemu_submit(p, &r), PAGE);
  CHECK_EQ(queued(), 2 * PAGE);
  CHECK_EQ(fdemu_read(p, fds[0], got + PAGE, 3 * PAGE), 2 * PAGE);
  CHECK(memcmp(got, big, 3 * PAGE) == 0);
  r = start(FDEMU_WRITE, big, 3 * PAGE);
  r.mem = &mem;
  good = PAGE - 1;
  CHECK_EQ(fdemu_submit(p, &r), -EFAULT);
  CHECK_EQ(queued(), 0);
  good = 2 * PAGE;
  CHECK_EQ(fdemu_submit(p, &r), 2 * PAGE);
  CHECK_EQ(queued(), 2 * PAGE);
  r = (struct fdemu_req){ .call = &fdemu_pipe2_call,
                          .mem = &mem,
                          .buf = { none, sizeof none } };
  good = 0;
  CHECK_EQ(fdemu_submit(p, &r), -EFAULT);
  CHECK_EQ(none[0], -1);
  CHECK_EQ(fdemu_dup(p, fds[0]), 2); /* and took no descriptor */
  teardown();
}

/* ---- endurance -------------------------------------------------------- */

/* Readers, writers, closers at random; all bytes arrive once and in order. */
static void random_traffic(uint64_t seed)
{
  struct fdemu_config c = { .seed = seed, .random_order = seed % 2 == 1 };
  uint64_t rng = seed * 77 + 1;
  struct fdemu_req w, r;
  size_t sent = 0, taken = 0, size, total = 1000000;
  static unsigned char out[20000], in[20000];
  bool closed = false, eof = false;

  k = test_kernel_with(&c);
  p = fdemu_proc_new(k);
  fdemu_pipe2(p, fds, 0);
  w = start(FDEMU_WRITE, out, 0);
  r = start(FDEMU_READ, in, 0);
  while (!eof) {
    if (w.result != FDEMU_PENDING && !closed && test_below(&rng, 2)) {
      size = 1 + test_below(&rng, sizeof out);
      if (sent >= total) {
        closed = true;
        fdemu_close(p, fds[1]);
        continue;
      }
      for (size_t i = 0; i < size; i++)
        out[i] = (unsigned char)((sent + i) * 31 >> 3);
      sent += size;
      w.buf.iov_len = size;
      fdemu_submit(p, &w);
    }
    if (r.result != FDEMU_PENDING) {
      r.buf.iov_len = 1 + test_below(&rng, sizeof in);
      fdemu_submit(p, &r);
    }
    if (test_below(&rng, 3) == 0)
      fdemu_fcntl(p, fds[0], F_SETPIPE_SZ, (int64_t)test_below(&rng, 200000));
    fdemu_run(k);
    if (r.result == FDEMU_PENDING)
      continue;
    eof = r.result <= 0;
    for (int64_t i = 0; i < r.result; i++)
      if (in[i] != (unsigned char)((taken + (size_t)i) * 31 >> 3)) {
        CHECK(!"a byte is not what was sent");
        break;
      }
    taken += (size_t)(r.result > 0 ? r.result : 0);
  }
  CHECK_EQ(r.result, 0);
  CHECK_EQ(taken, sent);
  teardown();
}

/* Nothing is kept for an idle pipe, and buffers are used again. */
static void memory(void)
{
  int64_t live, count;

  k = test_kernel();
  p = fdemu_proc_new(k);
  live = test_heap.live;
  CHECK_EQ(fdemu_pipe2(p, fds, 0), 0);
  CHECK(test_heap.live - live <= 5); /* a table; slabs, with their heads, of
                                        pipes and of descriptions */
  live = test_heap.live;
  count = test_heap.count;
  CHECK_EQ(fdemu_write(p, fds[1], big, FULL), FULL);
  CHECK_EQ(fdemu_read(p, fds[0], got, FULL), FULL);
  CHECK(test_heap.count - count <= 18);
  count = test_heap.count;
  for (int i = 0; i < 10; i++) {
    CHECK_EQ(fdemu_write(p, fds[1], big, FULL), FULL);
    CHECK_EQ(fdemu_read(p, fds[0], got, FULL), FULL);
  }
  CHECK_EQ(test_heap.count, count);
  teardown();
}

/* A large read shows where the pages lie, whatever the pipe was used for. */
static void large_reads_are_lent(void)
{
  char c = 'x';

  setup(0);
  for (int small = 0; small < 2; small++) {
    struct fdemu_req r = start(FDEMU_READ, got, FULL);
    r.lends = true;
    for (int i = 0; i < 20 * small; i++) {
      CHECK_EQ(fdemu_write(p, fds[1], &c, 1), 1);
      CHECK_EQ(fdemu_read(p, fds[0], &c, 1), 1);
    }
    memset(big, 'a' + small, FULL);
    CHECK_EQ(fdemu_write(p, fds[1], big, FULL), FULL);
    CHECK_EQ(fdemu_submit(p, &r), FULL);
    CHECK(r.buf.iov_base != got);
    CHECK(memcmp(r.buf.iov_base, big, FULL) == 0);
  }
  teardown();
}

/* The same in a pipe whose first writes were small. */
static void small_writes_make_room_for_large_ones(void)
{
  struct fdemu_req r;
  char few[3 * PAGE];

  setup(0);
  memset(few, 'f', sizeof few);
  CHECK_EQ(fdemu_write(p, fds[1], few, sizeof few), sizeof few);
  CHECK_EQ(fdemu_read(p, fds[0], few, sizeof few), sizeof few);
  CHECK_EQ(fdemu_write(p, fds[1], big, FULL), FULL);
  r = start(FDEMU_READ, got, FULL);
  r.lends = true;
  CHECK_EQ(fdemu_submit(p, &r), FULL);
  CHECK(r.buf.iov_base != got);
  CHECK(memcmp(r.buf.iov_base, big, FULL) == 0);
  teardown();
}

/* What a read shows stays, even if the pipe has all the pages that it may keep:
 * this one came from another pipe. */
static void a_page_of_another_pipe_is_lent(void)
{
  struct fdemu_req r;
  int other[2];

  setup(0);
  memset(big, 'a', FULL);
  CHECK_EQ(fdemu_write(p, fds[1], big, FULL), FULL);
  CHECK_EQ(fdemu_read(p, fds[0], got, FULL), FULL);
  CHECK_EQ(fdemu_pipe2(p, other, 0), 0);
  memset(big, 'b', PAGE);
  CHECK_EQ(fdemu_write(p, other[1], big, PAGE), PAGE);
  CHECK_EQ(fdemu_splice(p, other[0], NULL, fds[1], NULL, PAGE, 0), PAGE);
  r = start(FDEMU_READ, got, PAGE);
  r.lends = true;
  CHECK_EQ(fdemu_submit(p, &r), PAGE);
  CHECK(r.buf.iov_base != got);
  CHECK(memcmp(r.buf.iov_base, big, PAGE) == 0);
  teardown();
}

/* Who is interrupted looks once more, and is in no queue until then. */
static void an_interrupted_reader_waits_no_more(void)
{
  struct fdemu_req r, next;
  char c;

  setup(0);
  r = start(FDEMU_READ, got, 1);
  next = start(FDEMU_READ, got + 1, 1);
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  CHECK_EQ(fdemu_submit(p, &next), FDEMU_PENDING);
  fdemu_cancel(&r, EINTR);
  CHECK(fdemu_check(k) == NULL);
  c = 'a';
  CHECK_EQ(fdemu_write(p, fds[1], &c, 1), 1);
  fdemu_run(k);
  CHECK_EQ(r.result, 1); /* it is there before it has heard of it */
  CHECK_EQ(next.result, FDEMU_PENDING);
  fdemu_abandon(&r);
  r = start(FDEMU_READ, got, 1);
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  fdemu_cancel(&r, EINTR);
  fdemu_run(k);
  CHECK_EQ(r.result, -EINTR);
  CHECK_EQ(fdemu_write(p, fds[1], &c, 1), 1);
  fdemu_run(k);
  CHECK_EQ(next.result, 1);
  fdemu_abandon(&r);
  fdemu_abandon(&next);
  teardown();
}

int main(void)
{
  passes_bytes_in_order();
  a_reader_waits_for_bytes();
  a_blocking_write_returns_when_all_is_written();
  small_writes_stay_whole();
  non_blocking_writes();
  the_last_write_end_is_the_end_of_file();
  the_last_read_end_breaks_the_pipe();
  a_reader_in_flight_is_a_reader();
  one_byte_wakes_one_reader();
  a_larger_pipe_lets_writers_go_on();
  packets();
  a_fault_leaves_the_bytes_in_the_pipe();
  memory();
  large_reads_are_lent();
  small_writes_make_room_for_large_ones();
  a_page_of_another_pipe_is_lent();
  an_interrupted_reader_waits_no_more();
  for (uint64_t seed = 0; seed < 10; seed++)
    random_traffic(seed);
  return test_summary();
}
