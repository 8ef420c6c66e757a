/* table_test.c - descriptor tables against a naive model, and large ones */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <time.h>

#include "fdemu_driver.h"
#include "test.h"

#define PROCS 4
#define MAX   700

static struct fdemu_kernel *k;
static uint64_t rng;

static int pick(int n)
{
  return (int)test_below(&rng, (uint64_t)n);
}

/* ---- a description that does nothing ---------------------------------- */

static struct fdemu_inode inode;
static struct fdemu_attr attr;
static int released;

static int64_t thing_release(struct fdemu_file *f)
{
  (void)f;
  released++;
  return 0;
}

static const struct fdemu_ops thing_ops = { .name = "thing",
                                            .release = thing_release };

static void thing_free(struct fdemu_inode *i)
{
  (void)i;
}

static struct fdemu_file *thing(void)
{
  return fdemu_file_new(&inode, &thing_ops, O_RDWR, NULL);
}

/* ---- the model -------------------------------------------------------- */

struct model {
  uint64_t id[MAX]; /* of the description; 0: free */
  bool cloexec[MAX];
  int limit;
  bool alive;
};

static struct model models[PROCS];
static struct fdemu_proc *procs[PROCS];

static int lowest(const struct model *m, int from)
{
  for (int fd = from; fd < m->limit; fd++)
    if (m->id[fd] == 0)
      return fd;
  return -EMFILE;
}

static int put(struct model *m, int fd, uint64_t id, bool cloexec)
{
  if (fd >= 0) {
    m->id[fd] = id;
    m->cloexec[fd] = cloexec;
  }
  return fd;
}

static bool is_open(const struct model *m, int fd)
{
  return fd >= 0 && fd < MAX && m->id[fd] != 0;
}

static int model_dup(struct model *m, int fd, int min, bool cloexec)
{
  if (!is_open(m, fd))
    return -EBADF;
  if (min < 0 || min >= m->limit)
    return -EINVAL;
  return put(m, lowest(m, min), m->id[fd], cloexec);
}

static int model_dup3(struct model *m, int fd, int to, int flags)
{
  if (flags & ~O_CLOEXEC || fd == to)
    return -EINVAL;
  if (to < 0 || to >= m->limit || !is_open(m, fd))
    return -EBADF;
  return put(m, to, m->id[fd], flags != 0);
}

static int model_dup2(struct model *m, int fd, int to)
{
  if (fd == to && is_open(m, fd))
    return fd;
  return fd == to ? -EBADF : model_dup3(m, fd, to, 0);
}

static int model_close_range(struct model *m, unsigned first, unsigned last,
                             unsigned flags)
{
  if (flags & ~CLOSE_RANGE_CLOEXEC || first > last)
    return -EINVAL;
  for (unsigned fd = first; fd <= last && fd < MAX; fd++)
    if (m->id[fd] != 0) {
      if (flags)
        m->cloexec[fd] = true;
      else
        m->id[fd] = 0;
    }
  return 0;
}

static void model_exec(struct model *m)
{
  for (int fd = 0; fd < MAX; fd++)
    if (m->cloexec[fd])
      m->id[fd] = 0;
}

/* ---- the same on both ------------------------------------------------- */

static int pick_fd(const struct model *m)
{
  switch (pick(30)) {
  case 0: return -1;
  case 1: return m->limit;
  case 2: return MAX - 1;
  case 3: return INT32_MAX;
  case 4: return INT32_MIN;
  default: return pick(m->limit);
  }
}

static void step_open(struct model *m, struct fdemu_proc *p)
{
  struct fdemu_file *f = thing();
  uint64_t id = f->id;
  bool cloexec = pick(2) == 0;
  int min = pick(4) == 0 ? pick_fd(m) : 0, want, got;

  want = min < 0 || min >= m->limit ? -EINVAL
                                    : put(m, lowest(m, min), id, cloexec);
  got = fdemu_install(p, f, min, cloexec);
  CHECK_EQ(got, want);
  if (got < 0)
    fdemu_file_put(f);
}

static void step_dup(struct model *m, struct fdemu_proc *p)
{
  int fd = pick_fd(m), to = pick_fd(m);
  int flags = pick(8) == 0 ? O_NONBLOCK : pick(2) ? O_CLOEXEC : 0;

  switch (pick(4)) {
  case 0: {
    int want =
        is_open(m, fd) && m->limit == 0 ? -EMFILE : model_dup(m, fd, 0, false);
    CHECK_EQ(fdemu_dup(p, fd), want);
    break;
  }
  case 1: CHECK_EQ(fdemu_dup2(p, fd, to), model_dup2(m, fd, to)); break;
  case 2:
    CHECK_EQ(fdemu_dup3(p, fd, to, flags), model_dup3(m, fd, to, flags));
    break;
  default:
    CHECK_EQ(fdemu_fcntl(p, fd, flags ? F_DUPFD_CLOEXEC : F_DUPFD, to),
             model_dup(m, fd, to, flags != 0));
  }
}

static void step_close(struct model *m, struct fdemu_proc *p)
{
  int fd = pick_fd(m);
  unsigned first, last, flags;

  if (pick(40) > 0) {
    int want = is_open(m, fd) ? 0 : -EBADF;
    if (want == 0)
      m->id[fd] = 0;
    CHECK_EQ(fdemu_close(p, fd), want);
    return;
  }
  first = (unsigned)pick_fd(m);
  last = pick(10) == 0 ? ~0u : first + (unsigned)pick(100) - 1;
  flags = pick(3) == 0 ? CLOSE_RANGE_CLOEXEC : pick(9) == 0 ? 8 : 0;
  CHECK_EQ(fdemu_close_range(p, first, last, (int)flags),
           model_close_range(m, first, last, flags));
}

static void step_flags(struct model *m, struct fdemu_proc *p)
{
  int fd = pick_fd(m), arg = pick(4);
  bool open = is_open(m, fd);

  if (pick(2)) {
    CHECK_EQ(fdemu_fcntl(p, fd, F_GETFD, 0),
             open ? (m->cloexec[fd] ? FD_CLOEXEC : 0) : -EBADF);
    return;
  }
  CHECK_EQ(fdemu_fcntl(p, fd, F_SETFD, arg), open ? 0 : -EBADF);
  if (open)
    m->cloexec[fd] = (arg & FD_CLOEXEC) != 0;
}

static void step_limit(struct model *m, struct fdemu_proc *p)
{
  int limit = pick(5) == 0 ? pick(MAX) : 64 + pick(40);

  if (pick(100) == 0)
    limit = 0;
  CHECK_EQ(fdemu_set_nofile(p, limit, MAX), 0);
  m->limit = limit > 0 ? limit : 1;
  if (limit == 0) { /* nothing at all can be opened */
    struct fdemu_file *f = thing();
    CHECK_EQ(fdemu_install(p, f, 0, false), -EINVAL);
    fdemu_file_put(f);
    if (m->id[0] != 0)
      CHECK_EQ(fdemu_dup(p, 0), -EMFILE);
    CHECK_EQ(fdemu_set_nofile(p, 1, MAX), 0);
  }
}

static void end(int i)
{
  fdemu_exit(procs[i], 0);
  fdemu_proc_put(procs[i]);
  memset(&models[i], 0, sizeof models[i]);
}

static void step_fork(int i)
{
  int j = pick(PROCS);

  if (j == i)
    return;
  if (models[j].alive)
    end(j);
  CHECK(fdemu_fork(procs[i], &procs[j]) > 0);
  models[j] = models[i];
}

/* Descriptors of all processes that have the description. */
static int holders(uint64_t id)
{
  int n = 0;

  for (int i = 0; i < PROCS; i++)
    for (int fd = 0; models[i].alive && fd < MAX; fd++)
      n += models[i].id[fd] == id;
  return n;
}

/* To ask for references ends their being shared after a fork. */
static void compare_refs(const struct fdemu_proc *p)
{
  int fd = fdemu_next_fd(p, pick(MAX));

  if (fd >= 0)
    CHECK_EQ(fdemu_refs(fdemu_file_at(p, fd)),
             holders(fdemu_file_at(p, fd)->id));
}

static void compare(const struct model *m, const struct fdemu_proc *p)
{
  int next = fdemu_next_fd(p, -1);
  bool ok = true;

  for (int fd = 0; fd < MAX; fd++) {
    struct fdemu_file *f = fdemu_file_at(p, fd);
    ok = ok && (f != NULL ? f->id : 0) == m->id[fd];
    if (m->id[fd] != 0) {
      ok = ok && next == fd;
      next = fdemu_next_fd(p, fd + 1);
    }
  }
  CHECK(ok && next == -1);
  CHECK_KERNEL(k);
  if (pick(8) == 0)
    compare_refs(p);
}

static void against_the_model(uint64_t seed, int steps)
{
  k = test_kernel();
  fdemu_inode_init(&inode, &attr, k, &thing_ops, S_IFCHR, thing_free);
  rng = seed * 1001 + 7;
  memset(models, 0, sizeof models);
  procs[0] = fdemu_proc_new(k);
  models[0].alive = true;
  CHECK_EQ(fdemu_set_nofile(procs[0], 100, MAX), 0);
  models[0].limit = 100;
  for (int n = 0; n < steps; n++) {
    int i = pick(PROCS);
    struct model *m = &models[i];
    if (!m->alive)
      continue;
    switch (pick(60)) {
    case 0: step_fork(i); break;
    case 1: step_limit(m, procs[i]); break;
    case 2:
      CHECK_EQ(fdemu_exec(procs[i]), 0);
      model_exec(m);
      break;
    default:
      switch (pick(4)) {
      case 0: step_open(m, procs[i]); break;
      case 1: step_dup(m, procs[i]); break;
      case 2: step_close(m, procs[i]); break;
      default: step_flags(m, procs[i]);
      }
    }
    /* a closed number has no flag left */
    for (int fd = 0; n % 64 == 0 && fd < MAX; fd++)
      if (m->id[fd] == 0)
        m->cloexec[fd] = false;
    if (n % 64 == 0)
      compare(m, procs[i]);
  }
  for (int i = 0; i < PROCS; i++)
    if (models[i].alive)
      end(i);
  TEST_KERNEL_FREE(k);
}

/* ---- limits ----------------------------------------------------------- */

static void limits(void)
{
  struct fdemu_config c = { .nofile = 3 };
  struct fdemu_proc *p;
  int soft, hard, fds[2] = { 7, 7 };

  k = test_kernel();
  p = fdemu_proc_new(k);
  fdemu_get_nofile(p, &soft, &hard);
  CHECK_EQ(soft, 1024);
  CHECK_EQ(hard, 1024);
  CHECK_EQ(fdemu_set_nofile(p, 10, 20), 0);
  fdemu_get_nofile(p, &soft, &hard);
  CHECK_EQ(soft, 10);
  CHECK_EQ(hard, 20);
  CHECK_EQ(fdemu_set_nofile(p, 10, 21), -EPERM);
  CHECK_EQ(fdemu_set_nofile(p, 21, 20), -EINVAL);
  CHECK_EQ(fdemu_set_nofile(p, 20, 20), 0);
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);

  k = test_kernel_with(&c);
  p = fdemu_proc_new(k);
  CHECK_EQ(fdemu_pipe2(p, fds, 0), 0);
  CHECK_EQ(fdemu_pipe2(p, fds, 0), -EMFILE); /* room for one is not enough */
  CHECK_EQ(fds[0], 0);
  CHECK_EQ(fdemu_dup(p, 0), 2);
  CHECK_EQ(fdemu_dup(p, 0), -EMFILE);
  CHECK_EQ(fdemu_dup2(p, 0, 3), -EBADF);
  CHECK_EQ(fdemu_dup2(p, 0, 2), 2);
  CHECK_EQ(fdemu_fcntl(p, 0, F_DUPFD, 3), -EINVAL);
  CHECK_EQ(fdemu_fcntl(p, 0, F_DUPFD, 2), -EMFILE);
  CHECK_EQ(fdemu_set_nofile(p, 1, 3), 0);
  CHECK_EQ(fdemu_fcntl(p, 2, F_GETFD, 0), 0); /* open ones stay open */
  CHECK_EQ(fdemu_dup2(p, 2, 1), -EBADF);
  CHECK_EQ(fdemu_dup2(p, 2, 2), 2);
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

/* A limit beyond what Linux has cannot lead to absurd tables. */
static void absurd_limits(void)
{
  struct fdemu_config c = { .nofile = INT32_MAX };
  struct fdemu_proc *p;
  int fds[2], soft, hard;

  k = test_kernel_with(&c);
  p = fdemu_proc_new(k);
  fdemu_get_nofile(p, &soft, &hard);
  CHECK(soft <= 1048576); /* fs.nr_open */
  CHECK_EQ(fdemu_pipe2(p, fds, 0), 0);
  if (soft <= 1048576)
    CHECK_EQ(fdemu_dup2(p, 0, INT32_MAX - 1), -EBADF);
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

static void reserved_descriptors(void)
{
  struct fdemu_proc *p, *child;
  struct fdemu_file *f;
  int fds[2] = { -1, -1 }, one;

  k = test_kernel();
  fdemu_inode_init(&inode, &attr, k, &thing_ops, S_IFCHR, thing_free);
  released = 0;
  p = fdemu_proc_new(k);
  CHECK_EQ(fdemu_reserve(p, fds, 2), 0);
  CHECK_EQ(fds[0], 0);
  CHECK_EQ(fds[1], 1);
  CHECK_EQ(fdemu_dup(p, 0), -EBADF);
  CHECK_EQ(fdemu_close(p, 1), -EBADF);
  CHECK_EQ(fdemu_next_fd(p, 0), -1);
  CHECK_EQ(fdemu_install(p, thing(), 0, false), 2);
  CHECK_EQ(fdemu_dup2(p, 2, 0), -EBUSY);
  CHECK_EQ(fdemu_close_range(p, 0, 1, 0), 0); /* not theirs to close */
  CHECK(fdemu_fork(p, &child) > 0);
  CHECK_EQ(fdemu_dup(child, 2), 0); /* nor the child's */
  fdemu_exit(child, 0);
  fdemu_proc_put(child);
  f = thing();
  fdemu_fill(p, fds[0], f, true);
  CHECK(fdemu_file_at(p, 0) == f);
  CHECK_EQ(fdemu_fcntl(p, 0, F_GETFD, 0), FD_CLOEXEC);
  fdemu_unreserve(p, fds, 2); /* the filled one stays */
  CHECK(fdemu_file_at(p, 0) == f);
  CHECK_EQ(fdemu_reserve(p, &one, 1), 0);
  CHECK_EQ(one, 1);
  fdemu_set_nofile(p, 4, 1024);
  CHECK_EQ(fdemu_reserve(p, fds, 2), -EMFILE);
  CHECK_EQ(fdemu_reserve(p, fds, 1), 0); /* none was taken */
  CHECK_EQ(fds[0], 3);
  fdemu_exit(p, 0); /* with two of them still reserved */
  CHECK_EQ(released, 2);
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

/* ---- a limit for all tables ------------------------------------------- */

static void limit_of_all(void)
{
  const struct fdemu_config config = { .descriptors = 4 };
  struct fdemu_proc *p, *child;
  struct fdemu_req r = { .call = &fdemu_calls[FDEMU_FORK] };
  int fds[2];

  k = test_kernel_with(&config);
  p = fdemu_proc_new(k);
  CHECK_EQ(fdemu_pipe2(p, fds, 0), 0);
  CHECK(fdemu_call(p, &r) > 0);
  child = r.out;
  CHECK(!fdemu_refused(k));
  CHECK_EQ(fdemu_dup2(p, 0, 1), 1); /* no more than before */
  CHECK_EQ(fdemu_dup2(p, 0, 2), -ENFILE);
  CHECK(fdemu_refused(k));
  CHECK_EQ(fdemu_dup(child, 0), -ENFILE);
  CHECK_EQ(fdemu_fcntl(p, 0, F_DUPFD, 9), -ENFILE);
  CHECK_EQ(fdemu_pipe2(p, fds, 0), -ENFILE);
  CHECK_EQ(fdemu_close(child, 0), 0);
  CHECK_EQ(fdemu_pipe2(p, fds, 0), -ENFILE); /* there is room for one */
  CHECK_EQ(fdemu_call(p, &r), -ENFILE);
  CHECK_EQ(fdemu_dup(p, 0), 2);
  CHECK_KERNEL(k);
  fdemu_exit(child, 0);
  CHECK_EQ(fdemu_dup(p, 0), 3);
  CHECK_EQ(fdemu_dup(p, 0), -ENFILE);
  CHECK_KERNEL(k);
  fdemu_proc_put(child);
  fdemu_exit(p, 0);
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

/* ---- a million -------------------------------------------------------- */

static double seconds(void)
{
  struct timespec t;

  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Closing and opening again in a table with n open ones: time for 20,000. */
static double churn(struct fdemu_proc *p, int n)
{
  double start = seconds();

  for (int i = 0; i < 20000; i++) {
    int fd = pick(n);
    if (fdemu_close(p, fd) != 0 || fdemu_dup(p, (fd + 1) % n) != fd) {
      CHECK(!"the lowest free one");
      break;
    }
  }
  return seconds() - start;
}

static void a_million(void)
{
  struct fdemu_config c = { .nofile = 1000000 };
  struct fdemu_proc *p, *child;
  double small, large;
  bool ok = true;

  k = test_kernel_with(&c);
  fdemu_inode_init(&inode, &attr, k, &thing_ops, S_IFCHR, thing_free);
  released = 0;
  rng = 5;
  p = fdemu_proc_new(k);
  CHECK_EQ(fdemu_install(p, thing(), 0, false), 0);
  for (int fd = 1; fd < 100; fd++)
    ok = ok && fdemu_dup(p, 0) == fd;
  small = churn(p, 100);
  for (int fd = 100; fd < 1000000 && ok; fd++)
    ok = fdemu_dup(p, 0) == fd;
  CHECK(ok);
  CHECK_EQ(fdemu_dup(p, 0), -EMFILE);
  large = churn(p, 1000000);
  CHECK(large < 20 * small + 0.05); /* caches, but not a million */
  CHECK_EQ(fdemu_close(p, 999999), 0);
  CHECK_EQ(fdemu_close(p, 64 * 64 * 64), 0);
  CHECK_EQ(fdemu_fcntl(p, 0, F_DUPFD, 64 * 64 * 64 + 1), 999999);
  CHECK_EQ(fdemu_dup(p, 1), 64 * 64 * 64);
  CHECK_EQ(fdemu_dup(p, 1), -EMFILE);
  CHECK(fdemu_fork(p, &child) > 0);
  CHECK_EQ(fdemu_close_range(p, 1, 999998, 0), 0);
  CHECK_EQ(fdemu_next_fd(p, 1), 999999);
  CHECK_EQ(fdemu_dup(p, 0), 1);
  CHECK_EQ(fdemu_close_range(child, 500, ~0u, CLOSE_RANGE_CLOEXEC), 0);
  CHECK_EQ(fdemu_exec(child), 0);
  CHECK_EQ(fdemu_dup(child, 0), 500);
  fdemu_exit(child, 0);
  fdemu_exit(p, 0);
  CHECK_EQ(released, 1);
  fdemu_proc_put(child);
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

static int64_t by(uint32_t origin, struct fdemu_proc *p, int call, int fd)
{
  struct fdemu_req r = { .call = &fdemu_calls[call],
                         .fd = fd,
                         .origin = origin };

  return fdemu_submit(p, &r);
}

static int64_t fork_by(uint32_t origin, struct fdemu_proc *p,
                       struct fdemu_proc **child)
{
  struct fdemu_req r = { .call = &fdemu_calls[FDEMU_FORK], .origin = origin };
  int64_t pid = fdemu_submit(p, &r);

  *child = r.out;
  return pid;
}

/* With origins a table knows who made and who closed each descriptor. */
static void origins(void)
{
  struct fdemu_config config = { .origins = true };
  struct fdemu_proc *p, *child;
  uint32_t made = 0;

  k = test_kernel_with(&config);
  p = fdemu_proc_new(k);
  fdemu_set_origin(k, 1);
  CHECK_EQ(fdemu_install(p, fdemu_null_new(k, O_RDWR), 0, false), 0);
  CHECK_EQ(by(2, p, FDEMU_DUP, 0), 1);
  CHECK_EQ(fdemu_origin(p, 1), 2);
  CHECK_EQ(fdemu_closed(p, 1, &made), 0);
  CHECK_EQ(by(3, p, FDEMU_CLOSE, 1), 0);
  CHECK_EQ(fdemu_origin(p, 1), 0);
  CHECK_EQ(fdemu_closed(p, 1, &made), 3);
  CHECK_EQ(made, 2);
  CHECK_EQ(fdemu_install(p, fdemu_null_new(k, O_RDWR), 300, false), 300);
  CHECK_EQ(fdemu_closed(p, 1, &made), 3); /* the table has grown */
  CHECK(fork_by(5, p, &child) > 0);
  CHECK_EQ(fdemu_closed(child, 1, &made), 3);
  CHECK_EQ(fdemu_origin(child, 0), 1);
  CHECK_EQ(fdemu_forked(child, 0), 5);
  CHECK_EQ(fdemu_forked(p, 0), 0);
  CHECK_EQ(by(4, child, FDEMU_DUP, 0), 1);
  CHECK_EQ(fdemu_forked(child, 1), 0);
  CHECK_EQ(fdemu_closed(child, 1, &made), 0);
  CHECK_EQ(fdemu_closed(p, 1, &made), 3);
  CHECK_EQ(fdemu_closed(p, -1, &made), 0);
  CHECK_EQ(fdemu_closed(p, 100, &made), 0);
  CHECK_EQ(fdemu_closed(p, 100000, &made), 0);
  fdemu_exit(child, 0);
  fdemu_exit(p, 0);
  fdemu_proc_put(child);
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

/* ---- what a fork shares ----------------------------------------------- */

/* Whoever changes first what both have, and without memory. */
static void close_after_fork(bool parent_first, bool exits)
{
  struct fdemu_proc *p, *child, *grandchild, *none, *first, *last;
  int64_t allocated;
  bool ok = true;

  k = test_kernel();
  fdemu_inode_init(&inode, &attr, k, &thing_ops, S_IFCHR, thing_free);
  released = 0;
  p = fdemu_proc_new(k);
  for (int fd = 0; fd < 200; fd++)
    ok = ok && fdemu_install(p, thing(), 0, false) == fd;
  CHECK(fdemu_fork(p, &child) > 0);
  CHECK(fdemu_fork(child, &grandchild) > 0);
  CHECK_KERNEL(k);
  for (int i = 1; i <= 2; i++) { /* of the process, and of its table */
    test_heap.fail_at = test_heap.count + i;
    CHECK_EQ(fdemu_fork(p, &none), -ENOMEM);
  }
  allocated = test_heap.count;
  first = parent_first ? p : child;
  last = parent_first ? child : p;
  CHECK_EQ(fdemu_close(grandchild, 70), 0);
  CHECK_EQ(fdemu_dup2(first, 3, 4), 4);
  CHECK_KERNEL(k);
  if (exits)
    fdemu_exit(first, 0);
  for (int fd = 0; fd < 200 && !exits; fd++)
    ok = ok && fdemu_close(first, fd) == 0;
  fdemu_exit(grandchild, 0);
  CHECK_EQ(released, 0);
  CHECK_KERNEL(k);
  for (int fd = 0; fd < 200; fd++)
    ok = ok && fdemu_close(last, fd) == 0 && released == fd + 1;
  CHECK(ok);
  CHECK_KERNEL(k);
  CHECK_EQ(test_heap.count, allocated);
  fdemu_exit(first, 0);
  fdemu_exit(last, 0);
  fdemu_proc_put(p);
  fdemu_proc_put(child);
  fdemu_proc_put(grandchild);
  TEST_KERNEL_FREE(k);
}

/* The one who shares gets a larger table. */
static void grow_after_fork(void)
{
  struct fdemu_proc *p, *child;

  k = test_kernel();
  fdemu_inode_init(&inode, &attr, k, &thing_ops, S_IFCHR, thing_free);
  released = 0;
  p = fdemu_proc_new(k);
  CHECK_EQ(fdemu_install(p, thing(), 7, false), 7);
  CHECK(fdemu_fork(p, &child) > 0);
  CHECK_EQ(fdemu_fcntl(child, 7, F_DUPFD, 300), 300);
  CHECK_EQ(fdemu_fcntl(p, 7, F_DUPFD, 500), 500);
  CHECK_KERNEL(k);
  CHECK_EQ(fdemu_close(p, 500), 0);
  CHECK_EQ(fdemu_close(p, 7), 0);
  CHECK_EQ(fdemu_close(child, 300), 0);
  CHECK_EQ(fdemu_refs(fdemu_file_at(child, 7)), 1);
  CHECK_KERNEL(k);
  CHECK_EQ(released, 0);
  CHECK_EQ(fdemu_close(child, 7), 0);
  CHECK_EQ(released, 1);
  fdemu_exit(child, 0);
  fdemu_exit(p, 0);
  fdemu_proc_put(child);
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

static void the_dead_get_nothing(void)
{
  struct fdemu_proc *p;
  struct fdemu_file *f;

  k = test_kernel();
  p = fdemu_proc_new(k);
  f = fdemu_null_new(k, O_RDONLY);
  fdemu_exit(p, 0);
  CHECK_EQ(fdemu_install(p, f, 0, false), -ESRCH);
  CHECK(fdemu_check(k) == NULL);
  CHECK_EQ(fdemu_next_fd(p, 0), -1);
  fdemu_file_put(f);
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

int main(void)
{
  for (uint64_t seed = 0; seed < 8; seed++)
    against_the_model(seed, 40000);
  limits();
  absurd_limits();
  reserved_descriptors();
  limit_of_all();
  a_million();
  origins();
  for (int i = 0; i < 4; i++)
    close_after_fork(i % 2 == 0, i / 2 == 0);
  grow_after_fork();
  the_dead_get_nothing();
  return test_summary();
}
