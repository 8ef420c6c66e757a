/*
 * timerfd_test.c - timers that are read: on Linux's clock and on fdemu's
 *
 * Random calls on a timer of Linux's, with real waits of some milliseconds,
 * and on one of fdemu's, whose clock follows. A time that is measured is never
 * quite the time of the call; so a script that differs is played again, and
 * only one that differs every time has found something.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "fdemu_driver.h"
#include "test.h"

#define MS      INT64_C(1000000)
#define SECOND  (1000 * MS)
#define REPEATS 12

static struct fdemu_kernel *k;
static struct fdemu_proc *p;

static struct timespec ts_of(int64_t ns)
{
  return (struct timespec){ ns / SECOND, ns % SECOND };
}

static int64_t ns_of(struct timespec ts)
{
  return ts.tv_sec * SECOND + ts.tv_nsec;
}

static int64_t native_now(int clock)
{
  struct timespec ts;

  clock_gettime(clock, &ts);
  return ns_of(ts);
}

/* Let everything happen until the virtual time is when. */
static void advance(int64_t when)
{
  do
    fdemu_run(k);
  while (fdemu_tick(k, when));
  fdemu_set_now(k, when);
}

/* ---- against Linux ---------------------------------------------------- */

static uint64_t rng;
static int native_fd, fd, clockid;
static int64_t base, emu_base; /* what the clocks show when the script begins */
static char difference[128];

static int pick(int n)
{
  return (int)test_below(&rng, (uint64_t)n);
}

static void agree(const char *what, int64_t native, int64_t emu)
{
  if (native != emu && difference[0] == '\0')
    snprintf(difference, sizeof difference, "%s: Linux %lld, fdemu %lld", what,
             (long long)native, (long long)emu);
}

/* What is left of a time may differ by what the calls take. */
static void near(const char *what, struct timespec native, struct timespec emu)
{
  int64_t d = ns_of(native) - ns_of(emu);

  if (d < -MS || d > MS || !ns_of(native) != !ns_of(emu))
    agree(what, ns_of(native), ns_of(emu));
}

static void compare(const char *what, const struct itimerspec *a,
                    const struct itimerspec *b)
{
  agree(what, ns_of(a->it_interval), ns_of(b->it_interval));
  near(what, a->it_value, b->it_value);
}

static void play_settime(void)
{
  static const int values[] = { 0, 0, 1, 3, 5, 5, 20, -4 };
  int flags = pick(2) ? TFD_TIMER_ABSTIME : 0;
  int64_t value = values[pick(8)] * MS, interval = pick(2) * (1 + pick(4)) * MS;
  struct itimerspec a = { ts_of(interval), ts_of(value > 0 ? value : 0) };
  struct itimerspec b = a, old_a, old_b;

  if (flags && value != 0) {
    a.it_value = ts_of(native_now(clockid) + value);
    b.it_value = ts_of(fdemu_now(k) + emu_base + value);
  }
  agree("settime", timerfd_settime(native_fd, flags, &a, &old_a),
        fdemu_timerfd_settime(p, fd, flags, &b, &old_b));
  compare("settime's old value", &old_a, &old_b);
}

static void play_gettime(void)
{
  struct itimerspec a, b;

  agree("gettime", timerfd_gettime(native_fd, &a),
        fdemu_timerfd_gettime(p, fd, &b));
  compare("gettime", &a, &b);
}

static void play_read(void)
{
  uint64_t a = 0, b = 0;
  int64_t n = read(native_fd, &a, sizeof a);

  agree("read", n < 0 ? -errno : n, fdemu_read(p, fd, &b, sizeof b));
  agree("expirations", (int64_t)a, (int64_t)b);
}

static void play_poll(void)
{
  struct pollfd a = { native_fd, POLLIN | POLLOUT, 0 }, b = { fd, a.events, 0 };

  agree("poll", poll(&a, 1, 0), fdemu_poll(p, &b, 1, 0));
  agree("revents", a.revents, b.revents);
}

static void play_wait(void)
{
  usleep((unsigned)(pick(7) * 1000 + 500));
}

static bool play(uint64_t seed)
{
  static void (*const calls[])(
      void) = { play_settime, play_settime, play_gettime, play_read, play_read,
                play_poll,    play_wait,    play_wait,    play_wait };
  static const int clocks[] = { CLOCK_MONOTONIC, CLOCK_REALTIME,
                                CLOCK_BOOTTIME };

  rng = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
  clockid = clocks[pick(3)];
  difference[0] = '\0';
  k = test_kernel();
  p = fdemu_proc_new(k);
  fd = fdemu_timerfd_create(p, clockid, TFD_NONBLOCK);
  native_fd = timerfd_create(clockid, TFD_NONBLOCK);
  base = native_now(CLOCK_MONOTONIC) - SECOND;
  emu_base = clockid == CLOCK_REALTIME ? FDEMU_EPOCH * SECOND : 0;
  for (int i = 0; i < 30 && difference[0] == '\0'; i++) {
    advance(native_now(CLOCK_MONOTONIC) - base);
    calls[pick((int)(sizeof calls / sizeof *calls))]();
  }
  close(native_fd);
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
  return difference[0] == '\0';
}

static void against_linux(void)
{
  for (uint64_t seed = 1; seed <= 20; seed++) {
    bool same = false;
    for (int i = 0; i < REPEATS && !same; i++)
      same = play(seed);
    if (!same)
      fprintf(stderr, "seed %d: %s\n", (int)seed, difference);
    CHECK(same);
  }
}

/* ---- on the virtual clock --------------------------------------------- */

static void begin(int flags)
{
  k = test_kernel();
  p = fdemu_proc_new(k);
  fd = fdemu_timerfd_create(p, CLOCK_MONOTONIC, flags);
}

static void end(void)
{
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

static int set(int64_t value, int64_t interval)
{
  struct itimerspec it = { ts_of(interval), ts_of(value) };

  return fdemu_timerfd_settime(p, fd, 0, &it, NULL);
}

static uint64_t ticks(void)
{
  uint64_t n = 0;

  return fdemu_read(p, fd, &n, sizeof n) == sizeof n ? n : 0;
}

static void nobody_looks(void)
{
  begin(0);
  CHECK_EQ(set(5, 5), 0);
  CHECK(fdemu_tick(k, INT64_MAX));
  CHECK_EQ(fdemu_now(k), 5);
  CHECK(!fdemu_tick(k, INT64_MAX)); /* the clock stands still */
  fdemu_set_now(k, 1000);
  CHECK_EQ(ticks(), 200);
  CHECK_EQ(ticks(), 1);
  CHECK_EQ(fdemu_now(k), 1005);
  end();
}

static void armed_while_read(void)
{
  uint64_t n = 0;
  struct fdemu_req r = { .call = &fdemu_calls[FDEMU_READ],
                         .buf = { &n, sizeof n } };

  begin(0);
  r.fd = fd;
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  CHECK(!fdemu_tick(k, INT64_MAX));
  CHECK_EQ(set(100, 0), 0);
  CHECK_EQ(set(300, 7), 0);
  CHECK(fdemu_tick(k, INT64_MAX));
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(r.result, 8);
  CHECK_EQ(n, 1);
  CHECK_EQ(fdemu_now(k), 300);
  end();
}

static void closed_while_set(void)
{
  begin(0);
  CHECK_EQ(set(100, 0), 0);
  CHECK_EQ(fdemu_close(p, fd), 0);
  CHECK(!fdemu_tick(k, INT64_MAX));
  end();
}

/* No arithmetic goes beyond the end of time. */
static void at_the_end_of_time(void)
{
  struct itimerspec it = { { INT64_MAX, 0 }, { INT64_MAX, 999999999 } };

  begin(TFD_NONBLOCK);
  fdemu_set_now(k, 5);
  CHECK_EQ(fdemu_timerfd_settime(p, fd, 0, &it, NULL), 0);
  CHECK_EQ(fdemu_timerfd_gettime(p, fd, &it), 0);
  CHECK_EQ(ns_of(it.it_value), INT64_MAX - 5);
  CHECK_EQ(set(1, INT64_MAX), 0);
  advance(INT64_MAX - 1);
  CHECK_EQ(ticks(), 1);
  CHECK_EQ(fdemu_timerfd_gettime(p, fd, &it), 0);
  CHECK_EQ(ns_of(it.it_value), 1);
  CHECK_EQ(ns_of(it.it_interval), INT64_MAX);
  end();
}

int main(void)
{
  against_linux();
  nobody_looks();
  armed_while_read();
  closed_while_set();
  at_the_end_of_time();
  return test_summary();
}
