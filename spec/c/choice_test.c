/* choice_test.c - what chance decides: drawn, recorded, replayed */
#include <errno.h>

#include "fdemu_driver.h"
#include "test.h"

#define CALLS 40
#define WHOS  3

static struct fdemu_kernel *k;
static struct fdemu_proc *p;
static int fd;

/* A file that takes whatever it is asked to. */
static int64_t sink_write(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)f;
  r->done = r->len;
  return (int64_t)r->len;
}

static const struct fdemu_ops sink_ops = { .name = "sink",
                                           .mode = FDEMU_MODE_SHORT,
                                           .write = sink_write };

static void begin(uint64_t seed, double probability)
{
  struct fdemu_config c = { .seed = seed, .short_counts = probability };
  struct fdemu_inode *inode;
  struct fdemu_file *f;

  k = test_kernel_with(&c);
  p = fdemu_proc_new(k);
  inode = fdemu_device_new(k, &sink_ops, 0666, 0);
  f = fdemu_file_new(inode, &sink_ops, O_RDWR, NULL);
  fdemu_inode_put(inode);
  fd = fdemu_install(p, f, 0, false);
}

static void end(void)
{
  fdemu_exit(p, 0);
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

static int64_t write_as(uint32_t who, size_t n)
{
  static char data[1000];
  struct fdemu_req r = {
    .call = &fdemu_calls[FDEMU_WRITE], .fd = fd, .buf = { data, n }, .who = who
  };

  return fdemu_submit(p, &r);
}

/* CALLS writes by each of WHOS: what came of them. */
static void program(int64_t results[CALLS][WHOS])
{
  for (int i = 0; i < CALLS; i++)
    for (uint32_t who = 0; who < WHOS; who++)
      results[i][who] = write_as(who, 100);
}

static void records_and_replays(uint64_t seed)
{
  int64_t drawn[CALLS][WHOS], recorded[CALLS][WHOS], replayed[CALLS][WHOS];
  const struct fdemu_choice *list, *again;
  struct fdemu_choice copy[CALLS * WHOS];
  int64_t n, mistakes = 0, shorts = 0;

  begin(seed, 0.3);
  program(drawn);
  CHECK_EQ(fdemu_choices(k, &list), 0);
  end();
  begin(seed, 0.3);
  CHECK_EQ(fdemu_record(k), 0);
  program(recorded);
  n = fdemu_choices(k, &list);
  CHECK(n > 0 && n < CALLS * WHOS);
  CHECK(memcmp(drawn, recorded, sizeof drawn) == 0);
  for (int64_t i = 0; i < n; i++)
    copy[n - 1 - i] = list[i]; /* any order will do */
  for (int i = 0; i < CALLS; i++)
    for (int who = 0; who < WHOS; who++)
      shorts += recorded[i][who] < 100;
  CHECK_EQ(n, shorts);
  for (int64_t i = 0; i < n; i++) {
    uint32_t who = list[i].who & FDEMU_WHO_PROC ? 0 : list[i].who;
    mistakes += list[i].kind != FDEMU_CHOICE_SHORT || list[i].most != 99 ||
                strcmp(list[i].call, "write") != 0 || list[i].fd != fd ||
                recorded[list[i].nth - 1][who] != (int64_t)list[i].value;
  }
  CHECK_EQ(mistakes, 0);
  end();
  begin(seed + 1, 0.3); /* the seed does not matter any more */
  CHECK_EQ(fdemu_replay(k, copy, (size_t)n), 0);
  program(replayed);
  CHECK(memcmp(recorded, replayed, sizeof recorded) == 0);
  CHECK_EQ(fdemu_choices(k, &again), n);
  end();
}

/* One that is left out changes nothing but itself. */
static void leaves_out(void)
{
  struct fdemu_choice list[] = {
    { .kind = FDEMU_CHOICE_SHORT, .who = 1, .nth = 3, .value = 7 },
    { .kind = FDEMU_CHOICE_SHORT, .who = 2, .nth = 5, .value = 9 },
    { .kind = FDEMU_CHOICE_SHORT, .who = 1, .nth = 4, .value = 200 },
  };
  int64_t results[CALLS][WHOS], sum = 0;

  begin(1, 1);
  CHECK_EQ(fdemu_replay(k, list, 3), 0);
  program(results);
  CHECK_EQ(results[2][1], 7);
  CHECK_EQ(results[4][2], 9);
  CHECK_EQ(results[3][1], 100); /* it cannot be 200 bytes of 100 */
  end();
  begin(1, 1);
  CHECK_EQ(fdemu_replay(k, list + 1, 1), 0);
  program(results);
  for (int i = 0; i < CALLS; i++)
    for (int who = 0; who < WHOS; who++)
      sum += results[i][who];
  CHECK_EQ(results[4][2], 9);
  CHECK_EQ(sum, CALLS * WHOS * 100 - 91);
  end();
  begin(1, 1);
  CHECK_EQ(fdemu_replay(k, NULL, 0), 0);
  CHECK_EQ(write_as(0, 100), 100);
  CHECK_EQ(write_as(0, 1), 1);
  CHECK_EQ(fdemu_record(k), 0); /* chance again */
  CHECK(write_as(0, 100) < 100);
  end();
}

/* Many who choose, so that the table grows. */
static void many(void)
{
  static struct fdemu_choice counts[5000];
  const struct fdemu_choice *list;
  int64_t mistakes = 0;

  begin(7, 1);
  CHECK_EQ(fdemu_record(k), 0);
  for (uint32_t who = 1; who <= 5000; who++)
    write_as(who, 2);
  for (uint32_t who = 1; who <= 5000; who++)
    write_as(who, 2);
  CHECK_EQ(fdemu_choices(k, &list), 10000);
  for (uint32_t i = 0; i < 10000; i++)
    mistakes += list[i].who != i % 5000 + 1 || list[i].nth != i / 5000 + 1;
  CHECK_EQ(mistakes, 0);
  CHECK_EQ(fdemu_choice_counts(k, counts, 5000), 5000);
  for (uint32_t i = 0; i < 5000; i++)
    mistakes += counts[i].who != i + 1 || counts[i].nth != 2;
  CHECK_EQ(mistakes, 0);
  counts[1].who = 0;
  CHECK_EQ(fdemu_choice_counts(k, counts, 1), 5000);
  CHECK_EQ(counts[1].who, 0);
  end();
  begin(7, 1);
  CHECK_EQ(fdemu_choice_counts(k, counts, 1), 0);
  end();
}

/* fdemu_random() gives the same whatever is chosen. */
static void random_is_apart(void)
{
  uint64_t first;

  begin(3, 0);
  fdemu_random(k);
  first = fdemu_random(k);
  end();
  begin(3, 1);
  fdemu_random(k);
  for (int i = 0; i < 10; i++)
    write_as(1, 100);
  CHECK(fdemu_random(k) == first);
  end();
}

/* Whatever fails, the calls go on, and the list says that it is not whole. */
static void without_memory(void)
{
  const struct fdemu_choice *list;
  int64_t n = -1;

  for (int at = 1; n < 0 && at < 100; at++) {
    begin(1, 1);
    test_heap.fail_at = test_heap.count + at;
    if (fdemu_record(k) == 0) {
      for (int i = 0; i < 20; i++)
        CHECK(write_as((uint32_t)i + 1, 100) > 0);
      n = fdemu_choices(k, &list);
      CHECK(n == 20 || n == -ENOMEM);
    }
    test_heap.fail_at = 0;
    end();
  }
  CHECK_EQ(n, 20);
  n = -ENOMEM;
  for (int at = 1; n < 0 && at < 100; at++) {
    struct fdemu_choice one = { .who = 1, .nth = 1, .value = 5 };
    begin(1, 1);
    test_heap.fail_at = test_heap.count + at;
    n = fdemu_replay(k, &one, 1);
    test_heap.fail_at = 0;
    CHECK_EQ(write_as(1, 100) == 5, n == 0);
    end();
  }
}

static void one_of_none(void)
{
  struct fdemu_choice c = { .kind = FDEMU_CHOICE_SHORT, .value = 7 };

  begin(1, 1);
  CHECK_EQ(fdemu_choose(k, &c, 0), 0);
  CHECK_EQ(c.value, 0);
  end();
}

int main(void)
{
  for (uint64_t seed = 0; seed < 50; seed++)
    records_and_replays(seed);
  leaves_out();
  many();
  random_is_apart();
  without_memory();
  one_of_none();
  return test_summary();
}
