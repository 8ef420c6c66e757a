/* proc_test.c - processes: fork, exec, exit, wait, and walking over them */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>

#include "fdemu_driver.h"
#include "test.h"

static struct fdemu_kernel *k;
static struct fdemu_proc *p;
static int fds[2];

static void setup(void)
{
  k = test_kernel();
  p = fdemu_proc_new(k);
  CHECK_EQ(fdemu_pipe2(p, fds, 0), 0);
}

static void teardown(void)
{
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

static struct fdemu_proc *fork_of(struct fdemu_proc *parent)
{
  struct fdemu_proc *child = NULL;

  CHECK(fdemu_fork(parent, &child) > 0);
  return child;
}

static void fork_shares_descriptions(void)
{
  struct fdemu_proc *child;
  char buf[8];

  setup();
  CHECK_EQ(fdemu_fcntl(p, fds[0], F_SETFD, FD_CLOEXEC), 0);
  CHECK_EQ(fdemu_set_nofile(p, 50, 60), 0);
  child = fork_of(p);
  CHECK_EQ(fdemu_getpid(p), 1);
  CHECK_EQ(fdemu_getpid(child), 2);
  CHECK(fdemu_kernel_of(child) == k);
  CHECK(fdemu_file_at(child, fds[0]) == fdemu_file_at(p, fds[0]));
  CHECK_EQ(fdemu_fcntl(child, fds[0], F_GETFD, 0), FD_CLOEXEC);
  CHECK_EQ(fdemu_fcntl(child, fds[1], F_GETFD, 0), 0);
  CHECK_EQ(fdemu_fcntl(child, fds[0], F_SETFL, O_NONBLOCK), 0);
  CHECK_EQ(fdemu_fcntl(p, fds[0], F_GETFL, 0), O_RDONLY | O_NONBLOCK);
  CHECK_EQ(fdemu_fcntl(child, fds[0], F_DUPFD, 50), -EINVAL); /* its limit */
  CHECK_EQ(fdemu_close(p, fds[1]), 0);
  CHECK_EQ(fdemu_read(p, fds[0], buf, 8), -EAGAIN); /* the child writes */
  CHECK_EQ(fdemu_close(child, fds[1]), 0);
  CHECK_EQ(fdemu_read(p, fds[0], buf, 8), 0);
  fdemu_proc_put(child);
  teardown();
}

static void exec_closes_what_is_marked(void)
{
  char buf[8];

  setup();
  CHECK_EQ(fdemu_dup3(p, fds[1], 9, O_CLOEXEC), 9);
  CHECK_EQ(fdemu_fcntl(p, fds[1], F_SETFD, FD_CLOEXEC), 0);
  CHECK_EQ(fdemu_exec(p), 0);
  CHECK_EQ(fdemu_next_fd(p, 0), fds[0]);
  CHECK_EQ(fdemu_next_fd(p, fds[0] + 1), -1);
  CHECK_EQ(fdemu_read(p, fds[0], buf, 8), 0);
  CHECK_EQ(fdemu_dup(p, fds[0]), 1);
  CHECK_EQ(fdemu_fcntl(p, 1, F_GETFD, 0), 0); /* nothing left of the flag */
  teardown();
}

static void exit_leaves_a_zombie(void)
{
  struct fdemu_proc *child;
  char buf[8];
  int status = -1;

  setup();
  CHECK_EQ(fdemu_wait(p, &status), -ECHILD);
  child = fork_of(p);
  fdemu_close(p, fds[1]);
  fdemu_exit(child, 0x1ff);
  fdemu_exit(child, 5); /* the first one counts */
  fdemu_proc_end(child);
  CHECK(!fdemu_alive(child));
  CHECK_EQ(fdemu_getpid(child), 2);           /* the struct is still there */
  CHECK_EQ(fdemu_read(p, fds[0], buf, 8), 0); /* its descriptors are not */
  CHECK(fdemu_file_at(child, fds[0]) == NULL);
  CHECK_EQ(fdemu_next_fd(child, 0), -1);
  CHECK_EQ(fdemu_wait(p, &status), 2);
  CHECK_EQ(status, 0xff);
  CHECK_EQ(fdemu_wait(p, NULL), -ECHILD);
  fdemu_proc_put(child);
  teardown();
}

static void wait_waits(void)
{
  struct fdemu_proc *a, *b;
  struct fdemu_req w = { .call = &fdemu_calls[FDEMU_WAIT] }, v = w;
  int raw = -1;

  setup();
  a = fork_of(p);
  b = fork_of(p);
  CHECK_EQ(fdemu_wait(p, NULL), -EDEADLK);
  w.buf = (struct iovec){ &raw, sizeof raw };
  CHECK_EQ(fdemu_submit(p, &w), FDEMU_PENDING);
  CHECK_EQ(fdemu_submit(p, &v), FDEMU_PENDING);
  fdemu_exit(b, 7);
  CHECK_EQ(w.result, FDEMU_PENDING);
  CHECK_EQ(fdemu_run(k), 1);
  CHECK_EQ(w.result, 3);
  CHECK_EQ(raw, 7 << 8);
  fdemu_exit(a, 0);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(v.result, 2);
  fdemu_proc_put(a);
  fdemu_proc_put(b);
  a = fork_of(p); /* two wait for one child: the other hears of it */
  fdemu_submit(p, &w);
  fdemu_submit(p, &v);
  fdemu_exit(a, 0);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(w.result, 4);
  CHECK_EQ(v.result, -ECHILD);
  fdemu_proc_put(a);
  teardown();
}

/* Zombies in the order in which they were born, as Linux looks for them. */
static void first_born_first_waited_for(void)
{
  struct fdemu_proc *c[5];
  static const int dies[] = { 3, 0, 4, 1, 2 };

  setup();
  for (int i = 0; i < 5; i++)
    c[i] = fork_of(p);
  for (int i = 0; i < 5; i++)
    fdemu_exit(c[dies[i]], dies[i] * 10);
  for (int i = 0; i < 5; i++) {
    int status = -1;
    CHECK_EQ(fdemu_wait(p, &status), i + 2);
    CHECK_EQ(status, i * 10);
    fdemu_proc_put(c[i]);
  }
  teardown();
}

static void orphans_are_nobodys(void)
{
  struct fdemu_proc *child, *grandchild, *zombie;

  setup();
  child = fork_of(p);
  grandchild = fork_of(child);
  zombie = fork_of(child);
  fdemu_exit(zombie, 0);
  fdemu_proc_put(zombie);
  fdemu_exit(child, 0);
  CHECK_EQ(fdemu_wait(p, NULL), 2);
  CHECK_EQ(fdemu_wait(p, NULL), -ECHILD);
  CHECK(fdemu_alive(grandchild));
  CHECK(fdemu_file_at(grandchild, fds[0]) != NULL);
  fdemu_exit(grandchild, 0);
  fdemu_proc_put(grandchild);
  fdemu_proc_put(child);
  teardown();
}

static void a_request_keeps_its_process(void)
{
  struct fdemu_proc *child;
  char buf[4];
  struct fdemu_req r = { .call = &fdemu_calls[FDEMU_READ], .buf = { buf, 4 } };
  int64_t live;

  setup();
  live = test_heap.live;
  child = fork_of(p);
  fdemu_proc_put(child);
  r.fd = fds[0];
  CHECK_EQ(fdemu_submit(child, &r), FDEMU_PENDING);
  fdemu_exit(child, 0);
  CHECK_EQ(fdemu_wait(p, NULL), 2); /* and nobody holds it any more */
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(r.result, -EINTR);
  fdemu_submit(p, &r); /* the same, without hearing of it */
  child = fork_of(p);
  fdemu_proc_put(child);
  fdemu_abandon(&r);
  fdemu_submit(child, &r);
  fdemu_exit(child, 0);
  CHECK_EQ(fdemu_wait(p, NULL), 3);
  fdemu_abandon(&r);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(test_heap.live, live); /* but no longer than that */
  teardown();
}

static void walking(void)
{
  struct fdemu_proc *c[4], *q;
  int pids = 0, n = 0;

  setup();
  for (int i = 0; i < 4; i++)
    c[i] = fork_of(p);
  fdemu_exit(c[1], 0);       /* a zombie has no descriptors to look at */
  q = fdemu_next_proc(k, 0); /* the kernel's own comes first */
  CHECK(q == fdemu_kernel_self(k));
  CHECK_EQ(fdemu_getpid(q), 0);
  for (q = fdemu_next_proc(k, 1); q != NULL;
       q = fdemu_next_proc(k, fdemu_getpid(q) + 1)) {
    pids = pids * 10 + fdemu_getpid(q);
    n++;
  }
  CHECK_EQ(n, 4);
  CHECK_EQ(pids, 1245);
  CHECK_EQ(fdemu_next_fd(p, -7), 0);
  CHECK_EQ(fdemu_next_fd(p, 1), 1);
  CHECK_EQ(fdemu_next_fd(p, 2), -1);
  CHECK_EQ(fdemu_next_fd(p, INT32_MAX), -1);
  for (int i = 0; i < 4; i++)
    fdemu_proc_put(c[i]);
  teardown();
}

/* Families at random: everything ends, nothing leaks. */
static void families(uint64_t seed)
{
  enum { MAX = 24 };
  struct fdemu_proc *c[MAX] = { NULL };
  struct fdemu_req w[MAX];
  uint64_t rng = seed * 13 + 1;
  int ends[2];

  k = test_kernel();
  memset(w, 0, sizeof w);
  for (int n = 0; n < 3000; n++) {
    size_t i = test_below(&rng, MAX), j = test_below(&rng, MAX);
    switch (test_below(&rng, 8)) {
    case 0:
    case 1:
      if (c[i] != NULL && c[j] == NULL && fdemu_alive(c[i]))
        fdemu_fork(c[i], &c[j]);
      else if (c[j] == NULL)
        c[j] = fdemu_proc_new(k);
      break;
    case 2:
      if (c[i] != NULL)
        fdemu_exit(c[i], n);
      break;
    case 3:
      if (c[i] != NULL && !fdemu_alive(c[i])) {
        fdemu_proc_put(c[i]);
        c[i] = NULL;
      }
      break;
    case 4:
      if (c[i] != NULL && w[i].result != FDEMU_PENDING) {
        fdemu_abandon(&w[i]);
        w[i] = (struct fdemu_req){ .call = &fdemu_calls[FDEMU_WAIT] };
        fdemu_submit(c[i], &w[i]);
      }
      break;
    case 5:
      if (c[i] != NULL && fdemu_next_fd(c[i], 20) < 0)
        fdemu_pipe2(c[i], ends, 0);
      break;
    case 6:
      if (c[i] != NULL && w[i].result != FDEMU_PENDING) {
        static char buf[4];
        fdemu_abandon(&w[i]);
        w[i] = (struct fdemu_req){ .call = &fdemu_calls[FDEMU_READ],
                                   .buf = { buf, 4 } };
        fdemu_submit(c[i], &w[i]);
      }
      break;
    default: fdemu_run(k);
    }
  }
  for (int i = 0; i < MAX; i++)
    if (c[i] != NULL) {
      fdemu_exit(c[i], 0);
      fdemu_proc_put(c[i]);
    }
  TEST_KERNEL_FREE(k);
}

/* A kernel takes everything with it, whoever still holds it. */
static void the_end_of_a_kernel(void)
{
  struct fdemu_proc *child, *zombie;

  setup();
  child = fork_of(p);
  zombie = fork_of(child);
  fdemu_exit(zombie, 0);
  fdemu_exit(p, 0);
  fdemu_kernel_free(k);
  CHECK_EQ(test_heap.live, 0);
}

static unsigned received(int signo)
{
  unsigned counts[FDEMU_NSIG];

  fdemu_signals(p, counts);
  return counts[signo];
}

/* What is urgent is told to the owner, as send_sigurg() of Linux does; with
 * O_ASYNC, in the signal of F_SETSIG, too. */
static void urgent_data(void)
{
  struct fdemu_file *f;
  unsigned counts[FDEMU_NSIG];

  setup();
  f = fdemu_file_at(p, fds[0]);
  fdemu_sigurg(f); /* to nobody */
  CHECK_EQ(received(SIGURG), 0);
  CHECK_EQ(fdemu_fcntl(p, fds[0], F_SETOWN, fdemu_getpid(p)), 0);
  fdemu_sigurg(f);
  CHECK_EQ(received(SIGURG), 1);
  CHECK_EQ(fdemu_fcntl(p, fds[0], F_SETSIG, SIGUSR1), 0);
  CHECK_EQ(fdemu_fcntl(p, fds[0], F_SETFL, O_ASYNC), 0);
  fdemu_sigurg(f);
  fdemu_signals(p, counts);
  CHECK(counts[SIGURG] == 1 && counts[SIGUSR1] == 1);
  teardown();
}

/* A kind's own memory in a kernel is found by its key. */
static void memory_of_kinds(void)
{
  static const char keys[2];
  char *one, *other;

  setup();
  one = fdemu_local(k, &keys[0], 8);
  other = fdemu_local(k, &keys[1], 8);
  CHECK(one != NULL && other != NULL && one != other && *one == 0);
  CHECK(fdemu_local(k, &keys[0], 8) == one);
  CHECK(fdemu_local(k, &keys[1], 8) == other);
  teardown();
}

/* "." in the path of a name is where it is. */
static void names_with_dots(void)
{
  struct fdemu_inode *i;

  setup();
  i = fdemu_regular_new(k, 0644);
  CHECK_EQ(fdemu_name(k, "/./a/./b", i), 0);
  CHECK_EQ(fdemu_open(p, "/a/b", O_RDONLY, 0), 2);
  fdemu_inode_put(i);
  teardown();
}

int main(void)
{
  fork_shares_descriptions();
  exec_closes_what_is_marked();
  exit_leaves_a_zombie();
  wait_waits();
  first_born_first_waited_for();
  orphans_are_nobodys();
  a_request_keeps_its_process();
  walking();
  urgent_data();
  memory_of_kinds();
  names_with_dots();
  for (uint64_t seed = 0; seed < 10; seed++)
    families(seed);
  the_end_of_a_kernel();
  return test_summary();
}
