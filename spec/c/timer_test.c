/* timer_test.c - the virtual clock: timers against a naive model */
#include <errno.h>

#include "fdemu_driver.h"
#include "test.h"

#define TIMERS 300

static struct fdemu_kernel *k;

struct alarm {
  struct fdemu_timer timer;
  int64_t when;   /* of the model */
  uint64_t order; /* of setting */
  bool set;
  int fired, again; /* how often to set itself once more */
};

static struct alarm alarms[TIMERS];
static uint64_t last_order;
static int mistakes, fired;

static void set(struct alarm *a, int64_t when)
{
  a->when = when;
  a->order = ++last_order;
  a->set = true;
  fdemu_timer_set(k, &a->timer, when);
}

/* Must be the first of those that are set. */
static void fire(struct fdemu_timer *t)
{
  struct alarm *a = fdemu_entry(t, struct alarm, timer);

  fired++;
  mistakes += !a->set || t->when != a->when || fdemu_now(k) < a->when;
  for (int i = 0; i < TIMERS; i++) {
    const struct alarm *b = &alarms[i];
    mistakes +=
        b->set && b != a &&
        (b->when < a->when || (b->when == a->when && b->order < a->order));
  }
  a->set = false;
  a->fired++;
  if (a->again > 0) {
    a->again--;
    set(a, fdemu_now(k) + 3);
  }
}

static void against_a_model(uint64_t seed, int64_t range)
{
  uint64_t rng = seed * 99 + 5;
  int live = 0;

  k = test_kernel();
  memset(alarms, 0, sizeof alarms);
  for (int i = 0; i < TIMERS; i++)
    alarms[i].timer.fire = fire;
  last_order = 0;
  mistakes = fired = 0;
  for (int step = 0; step < 3000; step++) {
    struct alarm *a = &alarms[test_below(&rng, TIMERS)];
    int64_t now = fdemu_now(k), then;
    switch (test_below(&rng, 5)) {
    case 0:
    case 1:
      set(a, now + (int64_t)test_below(&rng, (uint64_t)range));
      a->again = (int)test_below(&rng, 3);
      break;
    case 2:
      a->set = false;
      fdemu_timer_stop(k, &a->timer); /* also one that is not set */
      break;
    default:
      then = now + (int64_t)test_below(&rng, (uint64_t)range / 8 + 1);
      while (fdemu_tick(k, then))
        mistakes += fdemu_now(k) > then;
      fdemu_set_now(k, then);
      mistakes += fdemu_now(k) != then;
      for (int i = 0; i < TIMERS; i++) /* nobody was passed over */
        mistakes += alarms[i].set && alarms[i].when <= then;
    }
  }
  while (fdemu_tick(k, INT64_MAX))
    ;
  for (int i = 0; i < TIMERS; i++)
    live += alarms[i].set;
  CHECK_EQ(live, 0);
  CHECK_EQ(mistakes, 0);
  CHECK(fired > 500);
  TEST_KERNEL_FREE(k);
}

static void equal_times_fire_in_order(void)
{
  k = test_kernel();
  memset(alarms, 0, sizeof alarms);
  mistakes = fired = 0;
  for (int i = TIMERS - 1; i >= 0; i--) {
    alarms[i].timer.fire = fire;
    set(&alarms[i], 50);
  }
  set(&alarms[TIMERS - 1], 50); /* moved behind the others */
  for (int i = TIMERS - 2; i >= 0; i--) {
    CHECK(fdemu_tick(k, 50));
    CHECK_EQ(alarms[i].fired, 1);
  }
  CHECK_EQ(alarms[TIMERS - 1].fired, 0);
  CHECK(fdemu_tick(k, 50));
  CHECK(!fdemu_tick(k, 50));
  CHECK_EQ(mistakes, 0);
  TEST_KERNEL_FREE(k);
}

static void the_clock(void)
{
  k = test_kernel();
  memset(alarms, 0, sizeof alarms);
  CHECK_EQ(fdemu_now(k), 0);
  CHECK(!fdemu_tick(k, INT64_MAX)); /* nothing to wait for */
  CHECK(!fdemu_tick(k, 1000));
  CHECK_EQ(fdemu_now(k), 0);
  fdemu_set_now(k, 100);
  fdemu_set_now(k, 50); /* never back */
  CHECK_EQ(fdemu_now(k), 100);
  alarms[0].timer.fire = fire;
  set(&alarms[0], 20); /* already over: at once, and the clock stays */
  CHECK(fdemu_tick(k, INT64_MAX));
  CHECK_EQ(alarms[0].fired, 1);
  CHECK_EQ(fdemu_now(k), 100);
  set(&alarms[0], INT64_MAX);
  CHECK(!fdemu_tick(k, INT64_MAX - 1));
  CHECK_EQ(fdemu_now(k), 100);
  CHECK(fdemu_tick(k, INT64_MAX));
  CHECK_EQ(fdemu_now(k), INT64_MAX);
  TEST_KERNEL_FREE(k);
}

static void on_complete(struct fdemu_req *r)
{
  fired++;
  (void)r;
}

static void sleeping(void)
{
  struct fdemu_req s = { .call = &fdemu_calls[FDEMU_SLEEP],
                         .timeout = 1000,
                         .complete = on_complete };
  struct fdemu_req never = s, none = s;
  struct fdemu_proc *p;

  k = test_kernel();
  p = fdemu_proc_new(k);
  fired = 0;
  CHECK_EQ(fdemu_submit(p, &s), FDEMU_PENDING);
  never.timeout = -1;
  CHECK_EQ(fdemu_submit(p, &never), FDEMU_PENDING);
  none.timeout = 0;
  CHECK_EQ(fdemu_submit(p, &none), 0);
  CHECK_EQ(fdemu_run(k), 2);
  CHECK_EQ(fdemu_now(k), 0); /* only fdemu_tick() moves it */
  CHECK(fdemu_tick(k, INT64_MAX));
  CHECK_EQ(fdemu_now(k), 1000);
  CHECK_EQ(fired, 0);
  CHECK_EQ(fdemu_run(k), 1);
  CHECK_EQ(fired, 1);
  CHECK_EQ(s.result, 0);
  CHECK(!fdemu_tick(k, INT64_MAX)); /* the other one sleeps for ever */
  fdemu_cancel(&never, EINTR);
  fdemu_run(k);
  CHECK_EQ(never.result, -EINTR);
  never.timeout = INT64_MAX; /* beyond the end of time: no overflow */
  CHECK_EQ(fdemu_call(p, &never), 0);
  CHECK_EQ(fdemu_now(k), INT64_MAX);
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

int main(void)
{
  for (uint64_t seed = 0; seed < 8; seed++)
    against_a_model(seed, seed % 2 ? 40 : 100000);
  equal_times_fire_in_order();
  the_clock();
  sleeping();
  return test_summary();
}
