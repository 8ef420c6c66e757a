/* poll_test.c - poll(2): waiting for several files at once */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "fdemu_driver.h"
#include "test.h"

#define MS   INT64_C(1000000)
#define FULL 65536

static struct fdemu_kernel *k;
static struct fdemu_proc *p;
static int a[2], b[2];
static char big[FULL];
static int completed;

static void on_complete(struct fdemu_req *r)
{
  (void)r;
  completed++;
}

static void setup(void)
{
  k = test_kernel();
  p = fdemu_proc_new(k);
  CHECK_EQ(fdemu_pipe2(p, a, 0), 0);
  CHECK_EQ(fdemu_pipe2(p, b, 0), 0);
  completed = 0;
}

static void teardown(void)
{
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

static struct fdemu_req start(struct pollfd *fds, size_t n, int64_t timeout)
{
  return (struct fdemu_req){ .call = &fdemu_calls[FDEMU_POLL],
                             .buf = { fds, n * sizeof *fds },
                             .timeout = timeout,
                             .complete = on_complete };
}

static void answers_at_once(void)
{
  struct pollfd fds[] = { { a[0], POLLIN, -1 },
                          { a[1], POLLOUT | POLLIN, -1 },
                          { -5, POLLIN, -1 },
                          { 99, POLLIN, -1 },
                          { 1, 0, -1 } };

  setup();
  fds[0].fd = a[0];
  fds[1].fd = a[1];
  CHECK_EQ(fdemu_poll(p, fds, 5, -1), 2);
  CHECK_EQ(fds[0].revents, 0);
  CHECK_EQ(fds[1].revents, POLLOUT);
  CHECK_EQ(fds[2].revents, 0); /* ignored */
  CHECK_EQ(fds[3].revents, POLLNVAL);
  CHECK_EQ(fds[4].revents, 0);
  CHECK_EQ(fdemu_poll(p, fds, 1, 0), 0);
  CHECK_EQ(fdemu_now(k), 0);
  fdemu_close(p, a[0]);
  fds[0] = (struct pollfd){ .fd = a[1] }; /* unasked */
  CHECK_EQ(fdemu_poll(p, fds, 1, -1), 1);
  CHECK_EQ(fds[0].revents, POLLERR);
  fdemu_close(p, b[1]);
  fds[0] = (struct pollfd){ .fd = b[0] };
  CHECK_EQ(fdemu_poll(p, fds, 1, -1), 1);
  CHECK_EQ(fds[0].revents, POLLHUP);
  teardown();
}

static void takes_time(void)
{
  struct pollfd fds[1] = { { .events = POLLIN, .revents = 77 } };

  setup();
  fds[0].fd = a[0];
  CHECK_EQ(fdemu_poll(p, fds, 1, 250), 0);
  CHECK_EQ(fdemu_now(k), 250 * MS);
  CHECK_EQ(fds[0].revents, 0);
  CHECK_EQ(fdemu_poll(p, NULL, 0, 50), 0); /* a sleep */
  CHECK_EQ(fdemu_now(k), 300 * MS);
  CHECK_EQ(fdemu_poll(p, fds, 1, -1), -EDEADLK);
  CHECK_EQ(fdemu_poll(p, fds, 1, INT32_MIN), -EDEADLK);
  fdemu_fcntl(p, a[0], F_SETFL, O_NONBLOCK); /* of no interest to poll */
  CHECK_EQ(fdemu_poll(p, fds, 1, 10), 0);
  CHECK_EQ(fdemu_now(k), 310 * MS);
  teardown();
}

/* A wake that was for nothing neither answers nor starts the time anew. */
static void waits_on_after_a_false_alarm(void)
{
  struct pollfd fds[1] = { { .events = POLLIN } };
  struct fdemu_req r;

  setup();
  fds[0].fd = a[0];
  r = start(fds, 1, 100);
  fdemu_submit(p, &r);
  fdemu_set_now(k, 60);
  fdemu_wake(&fdemu_file_at(p, a[0])->inode->wq, POLLIN);
  CHECK_EQ(fdemu_run(k), 1);
  CHECK(fdemu_tick(k, INT64_MAX));
  CHECK_EQ(fdemu_now(k), 100);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(r.result, 0);
  CHECK_EQ(completed, 1);
  CHECK(!fdemu_tick(k, INT64_MAX)); /* no timer is left behind */
  teardown();
}

static void wakes_for_what_it_waits_for(void)
{
  struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLOUT } };
  struct fdemu_req r;
  char c;

  setup();
  fdemu_write(p, b[1], big, FULL);
  fds[0].fd = a[0];
  fds[1].fd = b[1];
  r = start(fds, 2, -1);
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  fdemu_read(p, b[0], &c, 1); /* room, but no slot */
  CHECK_EQ(fdemu_run(k), 1);
  fdemu_read(p, b[0], big, 4095);
  CHECK_EQ(r.result, FDEMU_PENDING);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(r.result, 1);
  CHECK_EQ(fds[0].revents, 0);
  CHECK_EQ(fds[1].revents, POLLOUT);
  fds[1].fd = -1;
  fdemu_submit(p, &r);
  fdemu_write(p, a[1], "x", 1);
  fdemu_close(p, a[1]);
  fdemu_run(k);
  CHECK_EQ(r.result, 1);
  CHECK_EQ(fds[0].revents, POLLIN | POLLHUP);
  teardown();
}

static void many_entries_of_one_pipe(void)
{
  enum { N = 1000 };
  static struct pollfd fds[N];
  struct fdemu_req r, reader;
  char c;

  setup();
  for (int i = 0; i < N; i++)
    fds[i] = (struct pollfd){ .fd = a[i % 3 == 2], .events = POLLIN };
  r = start(fds, N, -1);
  fdemu_submit(p, &r);
  reader = (struct fdemu_req){ .call = &fdemu_calls[FDEMU_READ],
                               .fd = a[0],
                               .buf = { &c, 1 } };
  fdemu_submit(p, &reader); /* in the same queue, behind it */
  CHECK_EQ(fdemu_write(p, a[1], "xy", 2), 2);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(reader.result, 1);
  CHECK_EQ(r.result, 667);
  CHECK_EQ(completed, 1);
  teardown();
}

static void too_many_entries(void)
{
  static struct pollfd fds[9];

  setup();
  fdemu_set_nofile(p, 8, 8);
  for (int i = 0; i < 9; i++)
    fds[i].fd = -1;
  CHECK_EQ(fdemu_poll(p, fds, 8, 0), 0);
  CHECK_EQ(fdemu_poll(p, fds, 9, 0), -EINVAL);
  CHECK_EQ(fdemu_poll(p, fds, (size_t)1 << 31, 0), -EINVAL);
  teardown();
}

/* All ways out of a poll() that holds the last references to both ends. */
static void descriptors_closed_meanwhile(void)
{
  for (int how = 0; how < 5; how++) {
    struct pollfd fds[4] = { { .events = POLLIN },
                             { .events = POLLIN },
                             { .events = POLLPRI },
                             { .events = POLLPRI } };
    struct fdemu_req r;
    setup();
    fds[0].fd = fds[2].fd = a[0];
    fds[1].fd = fds[3].fd = a[1];
    r = start(fds, 4, how == 0 ? 500 : -1);
    CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
    CHECK_EQ(fdemu_close(p, a[0]), 0);
    CHECK_EQ(fdemu_close(p, a[1]), 0);
    CHECK_EQ(fdemu_run(k), 1); /* close() does not end it */
    switch (how) {
    case 0: CHECK(fdemu_tick(k, INT64_MAX)); break;
    case 1: fdemu_cancel(&r, EINTR); break;
    case 2: fdemu_abandon(&r); break;
    case 3: fdemu_exit(p, 0); break;
    default: /* another try: they are not open now */
      fds[0].fd = b[0];
      fds[2].fd = -1;
      fds[1].fd = a[1];
      fds[3].fd = -1;
      fdemu_cancel(&r, EINTR);
      fdemu_run(k);
      CHECK_EQ(fdemu_submit(p, &r), 1);
      CHECK_EQ(fds[1].revents, POLLNVAL);
    }
    CHECK_EQ(fdemu_run(k), 0);
    CHECK_EQ(fdemu_run(k), 0);
    CHECK_EQ(completed, how == 2 ? 0 : 1);
    CHECK_EQ(r.result, how < 2    ? 4 /* POLLNVAL, as on Linux */
                       : how == 2 ? -ECANCELED
                       : how == 4 ? 1
                                  : -EINTR);
    teardown();
  }
}

/* The pipe lives while it is polled: what comes in is still seen. */
static void a_polled_file_stays(void)
{
  struct pollfd fds[1] = { { .events = POLLIN } };
  struct fdemu_req r;

  setup();
  fds[0].fd = a[0];
  r = start(fds, 1, -1);
  fdemu_submit(p, &r);
  fdemu_close(p, a[0]);
  CHECK_EQ(fdemu_write(p, a[1], "x", 1), 1); /* not EPIPE */
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(r.result, 1);
  CHECK_EQ(fds[0].revents, POLLNVAL); /* looked up again, as Linux does */
  CHECK_EQ(fdemu_write(p, a[1], "x", 1), -EPIPE);
  teardown();
}

/* ---- many at random --------------------------------------------------- */

enum { PIPES = 12, POLLS = 20 };

static int pipes[PIPES][2];
static struct fdemu_req polls[POLLS];
static struct pollfd sets[POLLS][8];
static uint64_t ids[POLLS][8]; /* of the files when it began */

static uint64_t id_at(int fd)
{
  struct fdemu_file *f = fdemu_file_at(p, fd);

  return f != NULL ? f->id : 0;
}

/* No poll() sleeps while one of its files is ready. */
static int sleepers(void)
{
  int wrong = 0;

  for (int i = 0; i < POLLS; i++) {
    size_t n = polls[i].buf.iov_len / sizeof(struct pollfd);
    for (size_t e = 0; e < n && polls[i].result == FDEMU_PENDING; e++) {
      struct pollfd copy = sets[i][e];
      if (ids[i][e] != 0 && id_at(copy.fd) == ids[i][e])
        wrong += fdemu_poll(p, &copy, 1, 0) > 0;
    }
  }
  return wrong;
}

static void step(uint64_t *rng)
{
  int i = (int)test_below(rng, PIPES), j = (int)test_below(rng, POLLS);
  size_t n = test_below(rng, 9);

  switch (test_below(rng, 6)) {
  case 0: fdemu_write(p, pipes[i][1], big, test_below(rng, FULL)); break;
  case 1: fdemu_read(p, pipes[i][0], big, test_below(rng, FULL)); break;
  case 2: fdemu_close(p, pipes[i][test_below(rng, 2)]); break;
  case 3:
    fdemu_close(p, pipes[i][0]);
    fdemu_close(p, pipes[i][1]);
    fdemu_pipe2(p, pipes[i], O_NONBLOCK);
    break;
  case 4:
    if (polls[j].result == FDEMU_PENDING && test_below(rng, 2))
      fdemu_cancel(&polls[j], EINTR);
    break;
  default:
    if (polls[j].result == FDEMU_PENDING)
      break;
    fdemu_abandon(&polls[j]);
    for (size_t e = 0; e < n; e++) {
      sets[j][e] = (struct pollfd){
        .fd = pipes[test_below(rng, PIPES)][test_below(rng, 2)],
        .events = (short)(test_below(rng, 2) ? POLLIN : POLLOUT)
      };
      ids[j][e] = id_at(sets[j][e].fd);
    }
    polls[j] = start(sets[j], n, (int64_t)test_below(rng, 50) - 5);
    fdemu_submit(p, &polls[j]);
  }
}

static void nobody_oversleeps(uint64_t seed)
{
  uint64_t rng = seed * 31 + 3;
  int wrong = 0;

  k = test_kernel();
  p = fdemu_proc_new(k);
  memset(polls, 0, sizeof polls);
  for (int i = 0; i < PIPES; i++)
    fdemu_pipe2(p, pipes[i], O_NONBLOCK);
  for (int n = 0; n < 4000; n++) {
    step(&rng);
    if (n % 5 == 0)
      fdemu_tick(k, fdemu_now(k) + 10);
    fdemu_run(k);
    wrong += sleepers();
  }
  CHECK_EQ(wrong, 0);
  fdemu_exit(p, 0);
  fdemu_run(k);
  teardown();
}

int main(void)
{
  answers_at_once();
  takes_time();
  waits_on_after_a_false_alarm();
  wakes_for_what_it_waits_for();
  many_entries_of_one_pipe();
  too_many_entries();
  descriptors_closed_meanwhile();
  a_polled_file_stays();
  for (uint64_t seed = 0; seed < 6; seed++)
    nobody_oversleeps(seed);
  return test_summary();
}
