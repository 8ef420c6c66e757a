/* check_test.c - fdemu_check(): quiet when all is well, loud when it is not */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "core/name.h"
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

/* x is now something else, and the check says what; then as before. */
#define WRONG(x, now, what) \
  do { \
    __typeof__(x) was = (x); \
    (x) = (now); \
    BROKEN(what); \
    (x) = was; \
  } while (0)

static void test_more_requests(void)
{
  struct fdemu_weak weak = { .gone = NULL };
  struct fdemu_file *f;

  setup();
  WRONG(reader.proc, NULL, "a request in the list of another process");
  WRONG(reader.state, FDE_RUNNING,
        "a request in a wait queue that is not parked");
  f = fdemu_file_at(p, fds[0]);
  fdemu_weak_set(&weak, f);
  WRONG(weak.prev, &weak.next, "weak references whose links do not fit");
  fdemu_weak_clear(&weak);
  CHECK_EQ(fdemu_close(p, fds[0]), 0);
  CHECK(!fdemu_runnable(k));
  WRONG(f->refs, 0, "a request whose description is gone");
  CHECK_EQ(fdemu_write(p, fds[1], "x", 1), 1);
  WRONG(reader.state, FDE_PARKED,
        "a run queue with a request that is not queued");
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(reader.result, 1);
  teardown();
}

static void test_processes(void)
{
  struct fdemu_proc *child;

  setup();
  WRONG(p->alive, false, "a dead process among the living");
  WRONG(p->children.next, NULL, "a process whose lists do not fit");
  WRONG(k->nopen, 0, "descriptors that were not counted");
  WRONG(k->pending, 7, "requests that nobody knows of");
  WRONG(k->dead.next, NULL, "a list of the kernel whose links do not fit");
  WRONG(p->table.used[0][0], 0, "an open descriptor that counts as free");
  WRONG(p->table.marks[0].late, UINT64_C(1) << 40,
        "a descriptor that is closed late and must not be");
  WRONG(p->table.marks[0].cloexec, UINT64_C(1) << 40,
        "a free descriptor with FD_CLOEXEC");
  WRONG(p->table.used[1][0], 1,
        "a bitmap that does not know which words are full");
  WRONG(p->table.group[0].sharers.next, NULL,
        "descriptors whose links to those who share them do not fit");
  WRONG(p->table.lowest, 9, "a descriptor that is free and will not be found");
  CHECK_EQ(fdemu_fork(p, &child), 2);
  CHECK_KERNEL(k);
  WRONG(p->table.shares, false, "a table that does not know that it shares");
  WRONG(child->table.file[0], child->table.file[1],
        "descriptors that are shared and differ");
  fdemu_exit(child, 0);
  fdemu_proc_put(child);
  teardown();
}

static void test_names(void)
{
  struct fde_dir *d;
  struct fde_entry *e;

  setup();
  d = fde_dir_of(k->root->inode);
  e = d->order[0].entry;
  WRONG(e->gone, true, "a name that is not where it was found");
  WRONG(e->cookie, 999, "a name that its directory does not find");
  WRONG(d->entry, e, "a directory that does not know its name");
  WRONG(d->n, 0, "a directory that has miscounted its names");
  teardown();
}

static void test_links_of_timers(void)
{
  struct fdemu_timer t = { .fire = never };

  setup();
  fdemu_timer_set(k, &t, 10);
  WRONG(t.prev, NULL, "timers out of order");
  fdemu_timer_stop(k, &t);
  teardown();
}

int main(void)
{
  test_references();
  test_requests();
  test_timers();
  test_drivers();
  test_kinds();
  test_more_requests();
  test_processes();
  test_names();
  test_links_of_timers();
  return test_summary();
}
