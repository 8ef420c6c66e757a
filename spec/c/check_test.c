/* check_test.c - fdemu_check(): quiet when all is well, loud when it is not */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "fdemu_driver.h"
#include "test.h"

static struct fdemu_kernel *k;
static struct fdemu_proc *p;
static int fds[2];
static struct fdemu_req reader;
static char byte;

/* A kernel with a timer, a lock, a dup, a fork, and a reader that waits. */
static void setup(void)
{
  k = test_kernel();
  fdemu_std_devices(k);
  p = fdemu_proc_new(k);
  CHECK_EQ(fdemu_pipe2(p, fds, 0), 0);
  CHECK_EQ(fdemu_dup(p, fds[1]), 2);
  reader = (struct fdemu_req){ .call = &fdemu_calls[FDEMU_READ],
                               .fd = fds[0],
                               .buf = { &byte, 1 } };
  CHECK_EQ(fdemu_submit(p, &reader), FDEMU_PENDING);
  CHECK_KERNEL(k);
}

static void teardown(void)
{
  CHECK_KERNEL(k);
  fdemu_abandon(&reader);
  fdemu_exit(p, 0);
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

#define BROKEN(what) \
  do { \
    const char *wrong = fdemu_check(k); \
    CHECK(wrong != NULL); \
    CHECK_STR(wrong != NULL ? wrong : "", what); \
  } while (0)

static void test_references(void)
{
  struct fdemu_file *f;
  int refs;

  setup();
  f = fdemu_file_at(p, fds[1]);
  refs = f->refs;
  f->refs = 1;
  BROKEN("a description with too few references");
  f->refs = 0;
  BROKEN("a descriptor whose description is gone");
  f->refs = refs;
  refs = f->inode->refs;
  f->inode->refs = 0;
  BROKEN("a description whose inode is gone");
  f->inode->refs = refs;
  teardown();
}

static void test_requests(void)
{
  struct fdemu_file *f;
  struct fdemu_list *first, *next;
  unsigned char state;

  setup();
  reader.result = 0;
  BROKEN("a pending request that has its answer");
  reader.result = FDEMU_PENDING;
  state = reader.state;
  reader.state = 0xff;
  BROKEN("a pending request in no state to get its answer");
  reader.state = state;
  reader.done = 2;
  BROKEN("a request that has moved more than it was to");
  reader.done = 0;
  f = fdemu_file_at(p, fds[0]);
  first = &f->inode->wq.readers;
  next = first->next;
  first->next = first;
  BROKEN("a wait queue whose links do not fit");
  first->next = next;
  teardown();
}

static void never(struct fdemu_timer *t)
{
  (void)t;
}

static void test_timers(void)
{
  struct fdemu_timer early = { .fire = never }, late = { .fire = never };

  setup();
  fdemu_timer_set(k, &early, 10);
  fdemu_timer_set(k, &late, 20);
  CHECK_KERNEL(k);
  early.when = 30;
  BROKEN("timers out of order");
  early.when = 10;
  fdemu_timer_stop(k, &early);
  fdemu_timer_stop(k, &late);
  teardown();
}

static const char *complain(const struct fdemu_file *f)
{
  (void)f;
  return "a driver's own complaint";
}

static void test_drivers(void)
{
  struct fdemu_file *f;
  const struct fdemu_ops *ops;
  struct fdemu_ops own;

  setup();
  f = fdemu_file_at(p, fds[0]);
  ops = f->ops;
  own = *ops;
  own.check = complain;
  f->ops = &own;
  BROKEN("a driver's own complaint");
  f->ops = ops;
  teardown();
}

static void test_kinds(void)
{
  struct fdemu_inode *dir, *file, *memory;

  setup();
  CHECK_EQ(fdemu_open(p, "/tmp", O_RDONLY, 0), 3);
  CHECK_EQ(fdemu_open(p, "/tmp/file", O_RDWR | O_CREAT, 0600), 4);
  CHECK_EQ(fdemu_memfd_create(p, "memory", 0), 5);
  CHECK_EQ(fdemu_pwrite(p, 4, "x", 1, 1000000), 1);
  CHECK_KERNEL(k);
  dir = fdemu_file_at(p, 3)->inode;
  dir->attr->nlink++;
  BROKEN("a directory that has miscounted its directories");
  dir->attr->nlink--;
  file = fdemu_file_at(p, 4)->inode;
  file->attr->nlink = 0;
  BROKEN("a name of what has none");
  file->attr->nlink = 1;
  file->attr->room++;
  BROKEN("a file that has miscounted its pages");
  file->attr->room--;
  memory = fdemu_file_at(p, 5)->inode;
  memory->attr->size = -1;
  BROKEN("a file of negative size");
  memory->attr->size = 0;
  teardown();
}

int main(void)
{
  test_references();
  test_requests();
  test_timers();
  test_drivers();
  test_kinds();
  return test_summary();
}
