/* kind_test.c - what a kind in C may do that none of fdemu's own does */
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fdemu_driver.h"
#include "test.h"

/* A file with a name whose methods say "not now" until they are let. */
static struct {
  struct fdemu_inode inode;
  struct fdemu_attr attr;
  bool let;
  bool keeps;
  struct fdemu_req *kept;
  int calls, ready;
  int64_t size;
} kind;

static int64_t enter(void)
{
  kind.calls++;
  return kind.let ? 0 : -EAGAIN;
}

static int64_t kind_stat(struct fdemu_file *f, struct fdemu_req *r)
{
  struct stat st;
  int64_t error = enter();

  if (kind.keeps) {
    kind.kept = r;
    return FDEMU_PENDING;
  }
  if (error < 0)
    return error;
  fdemu_fill_stat(f, &st);
  st.st_size = 1234;
  return fdemu_arg_store(r, 0, &st, sizeof st);
}

static int64_t kind_truncate(struct fdemu_file *f, struct fdemu_req *r)
{
  int64_t error = enter();

  (void)f;
  kind.size = error < 0 ? kind.size : r->offset;
  return error;
}

static int64_t kind_flock(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)f;
  (void)r;
  return enter();
}

/* Each element in its turn, and then there is none. */
static int64_t kind_write(struct fdemu_file *f, struct fdemu_req *r)
{
  char bytes[8];
  int64_t error = 0;

  (void)f;
  while (error == 0 && fdemu_piece(r) > 0)
    error = fdemu_copy_in(r, bytes, fdemu_piece(r));
  return error < 0 ? error : (int64_t)r->done;
}

static int64_t kind_ioctl(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)f;
  (void)r;
  return -4000;
}

static int kind_poll(struct fdemu_file *f)
{
  (void)f;
  return kind.ready;
}

static void kind_cancel(struct fdemu_file *f, struct fdemu_req *r)
{
  (void)f;
  (void)r;
}

static const struct fdemu_ops kind_ops = {
  .name = "kind",
  .mode = FDEMU_MODE_SEEK | FDEMU_MODE_EPOLL,
  .poll = kind_poll,
  .cancel = kind_cancel,
  .write = kind_write,
  .ioctl = kind_ioctl,
  .flock = kind_flock,
  .stat = kind_stat,
  .truncate = kind_truncate,
};

static void kind_free(struct fdemu_inode *i)
{
  (void)i; /* it is the test's */
}

static struct fdemu_kernel *k;
static struct fdemu_proc *p;

static void setup(void)
{
  k = test_kernel();
  p = fdemu_proc_new(k);
  memset(&kind, 0, sizeof kind);
  fdemu_inode_init(&kind.inode, &kind.attr, k, &kind_ops, S_IFREG | 0666,
                   kind_free);
  CHECK_EQ(fdemu_name(k, "/kind", &kind.inode), 0);
  fdemu_inode_put(&kind.inode);
}

static void teardown(void)
{
  CHECK(fdemu_check(k) == NULL);
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

/* r waits for the kind, which is asked again when it is woken. */
static void waits(struct fdemu_req *r, int64_t result)
{
  CHECK_EQ(fdemu_submit(p, r), FDEMU_PENDING);
  fdemu_wake(&kind.inode.wq, POLLPRI);
  CHECK_EQ(fdemu_run(k), 1);
  CHECK_EQ(kind.calls, 2);
  kind.let = true;
  fdemu_wake(&kind.inode.wq, POLLPRI);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(r->result, result);
  CHECK_EQ(kind.calls, 3);
}

static void stat_of_a_name_asks_the_kind(void)
{
  struct stat st;
  struct fdemu_req r = { .call = &fdemu_newfstatat_call,
                         .fd = AT_FDCWD,
                         .path = "/kind",
                         .buf = { &st, sizeof st } };

  setup();
  CHECK_EQ(fdemu_call(p, &r), -EAGAIN); /* nobody waits for that */
  kind.let = true;
  CHECK_EQ(fdemu_call(p, &r), 0);
  CHECK_EQ(kind.calls, 2);
  kind.keeps = true;
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  kind.keeps = false;
  fdemu_retry(kind.kept); /* and it is looked for by name only once */
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(r.result, 0);
  CHECK_EQ(kind.calls, 4);
  CHECK_EQ(st.st_size, 1234);
  CHECK_EQ(st.st_mode, S_IFREG | 0666);
  teardown();
}

static void truncate_of_a_name_asks_the_kind(void)
{
  struct fdemu_req r = {
    .call = &fdemu_truncate_call, .fd = AT_FDCWD, .path = "/kind", .offset = 77
  };

  setup();
  waits(&r, 0);
  CHECK_EQ(kind.size, 77);
  teardown();
}

static void flock_waits_for_the_kind(void)
{
  struct fdemu_req r = { .call = &fdemu_calls[FDEMU_FLOCK], .cmd = LOCK_EX };

  setup();
  r.fd = fdemu_open(p, "/kind", O_RDWR, 0);
  waits(&r, 0);
  kind.let = false;
  CHECK_EQ(fdemu_flock(p, r.fd, LOCK_EX | LOCK_NB), -EAGAIN);
  teardown();
}

static void pieces_come_to_an_end(void)
{
  char bytes[] = "abcde";
  const struct iovec v[3] = { { bytes, 3 }, { NULL, 0 }, { bytes + 3, 2 } };
  int fd;

  setup();
  fd = fdemu_open(p, "/kind", O_RDWR, 0);
  CHECK_EQ(fdemu_writev(p, fd, v, 3), 5);
  teardown();
}

/* A position that the kind does not know how to find. */
static void data_and_holes_are_the_kinds(void)
{
  int fd;

  setup();
  fd = fdemu_open(p, "/kind", O_RDWR, 0);
  CHECK_EQ(fdemu_lseek(p, fd, 3, SEEK_SET), 3);
  CHECK_EQ(fdemu_lseek(p, fd, 0, SEEK_DATA), -EINVAL);
  CHECK_EQ(fdemu_lseek(p, fd, 0, SEEK_CUR), 3);
  teardown();
}

static char line[200];

static void on_event(void *ud, const struct fdemu_event *e)
{
  (void)ud;
  fdemu_format(e, line, sizeof line);
}

static void an_error_without_a_name_is_a_number(void)
{
  int fd;

  setup();
  fd = fdemu_open(p, "/kind", O_RDWR, 0);
  fdemu_set_trace(k, on_event, NULL);
  CHECK_EQ(fdemu_ioctl(p, fd, TIOCOUTQ, NULL), -4000);
  CHECK_STR(line,
            "[pid  1] ioctl(0, TIOCOUTQ, NULL) = -1 4000 (Unknown error 4000)");
  fdemu_set_trace(k, NULL, NULL);
  teardown();
}

/* fallocate(2) of a directory that its kind has opened to write. */
static void a_directory_has_no_room_to_allocate(void)
{
  struct fdemu_file *f;
  int fd;

  setup();
  kind.inode.mode = S_IFDIR | 0777;
  f = fdemu_file_new(&kind.inode, &kind_ops, O_RDWR, NULL);
  fd = fdemu_install(p, f, 0, false);
  CHECK_EQ(fdemu_fallocate(p, fd, 0, 0, 10), -EISDIR);
  kind.inode.mode = S_IFREG | 0666;
  teardown();
}

/* Record locks and notes are a process's, and go when a descriptor is closed: a
 * description that is in no table has neither. */
static void what_a_close_ends_needs_a_descriptor(void)
{
  struct flock fl = { .l_type = F_WRLCK };
  struct fdemu_req lock = { .call = &fdemu_calls[FDEMU_FCNTL],
                            .cmd = F_SETLK,
                            .buf = { &fl, sizeof fl } };
  struct fdemu_req note = { .call = &fdemu_calls[FDEMU_FCNTL],
                            .cmd = F_NOTIFY,
                            .arg = DN_CREATE };
  int fd, dir;

  setup();
  fd = fdemu_open(p, "/kind", O_RDWR, 0);
  dir = fdemu_open(p, "/", O_RDONLY, 0);
  lock.on = fdemu_file_at(p, fd);
  note.on = fdemu_file_at(p, dir);
  CHECK_EQ(fdemu_call(p, &lock), -EBADF);
  CHECK_EQ(fdemu_call(p, &note), -EBADF);
  CHECK_EQ(fdemu_fcntl(p, fd, F_SETLK, (int64_t)(intptr_t)&fl), 0);
  CHECK_EQ(fdemu_fcntl(p, dir, F_NOTIFY, DN_CREATE), 0);
  teardown();
}

/* What it waits for the lock with is closed: it gets the lock, finds out, and
 * gives it back. */
static void a_lock_that_comes_after_the_close_is_not_kept(void)
{
  struct flock fl = { .l_type = F_WRLCK }, seen = fl;
  struct fdemu_proc *q;
  struct fdemu_req r = { .call = &fdemu_calls[FDEMU_FCNTL],
                         .cmd = F_SETLKW,
                         .buf = { &fl, sizeof fl } };
  int mine, theirs;

  setup();
  q = fdemu_proc_new(k);
  mine = fdemu_open(p, "/kind", O_RDWR, 0);
  theirs = fdemu_open(q, "/kind", O_RDWR, 0);
  CHECK_EQ(fdemu_fcntl(q, theirs, F_SETLK, (int64_t)(intptr_t)&fl), 0);
  r.fd = mine;
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  CHECK_EQ(fdemu_close(p, mine), 0);
  CHECK_EQ(fdemu_close(q, theirs), 0);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(r.result, -EBADF);
  theirs = fdemu_open(q, "/kind", O_RDWR, 0);
  CHECK_EQ(fdemu_fcntl(q, theirs, F_GETLK, (int64_t)(intptr_t)&seen), 0);
  CHECK_EQ(seen.l_type, F_UNLCK);
  fdemu_proc_put(q);
  teardown();
}

static struct fdemu_rule first, second;

static bool forgets_the_first(const struct fdemu_rule *rule,
                              const struct fdemu_req *r)
{
  (void)rule;
  (void)r;
  fdemu_rule_remove(&first);
  return true;
}

static void a_rule_that_is_removed_when_it_was_picked_does_not_act(void)
{
  int fd;

  setup();
  fd = fdemu_open(p, "/kind", O_RDWR, 0);
  fdemu_rule_init(&first);
  fdemu_rule_init(&second);
  first.error = EIO;
  second.match = forgets_the_first;
  fdemu_inject(k, &first);
  fdemu_inject(k, &second);
  CHECK_EQ(fdemu_dup(p, fd), 1);
  CHECK_EQ(first.hits, 0);
  CHECK(fdemu_next_rule(k, NULL) == &second);
  fdemu_rule_remove(&second);
  teardown();
}

/* Who is interrupted before the call was begun has nothing to look at. */
static void a_call_that_is_held_back_is_interrupted(void)
{
  struct fdemu_req r = { .call = &fdemu_calls[FDEMU_DUP] };

  setup();
  r.fd = fdemu_open(p, "/kind", O_RDWR, 0);
  fdemu_rule_init(&first);
  first.delay = 1000;
  fdemu_inject(k, &first);
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  fdemu_cancel(&r, EINTR);
  CHECK_EQ(r.result, -EINTR);
  fdemu_abandon(&r);
  fdemu_rule_remove(&first);
  teardown();
}

/* Two instances wait with an exclusive interest in the kind, which wakes with
 * events. Returns how many have heard of it. */
static int exclusive(int interest, int ready, int events,
                     void (*wake)(struct fdemu_waitq *wq, int events))
{
  struct epoll_event ev = { .events = (uint32_t)interest | EPOLLEXCLUSIVE };
  struct epoll_event seen[2];
  struct fdemu_req r[2];
  int fd, done;

  setup();
  fd = fdemu_open(p, "/kind", O_RDWR, 0);
  for (int i = 0; i < 2; i++) {
    int ep = fdemu_epoll_create1(p, 0);
    CHECK_EQ(fdemu_epoll_ctl(p, ep, EPOLL_CTL_ADD, fd, &ev), 0);
    r[i] = (struct fdemu_req){ .call = &fdemu_epoll_wait_call,
                               .fd = ep,
                               .arg = 1,
                               .buf = { &seen[i], sizeof *seen },
                               .timeout = -1 };
    CHECK_EQ(fdemu_submit(p, &r[i]), FDEMU_PENDING);
  }
  kind.ready = ready;
  wake(&kind.inode.wq, events);
  fdemu_run(k);
  done = (r[0].result == 1) + (r[1].result == 1);
  fdemu_abandon(&r[0]);
  fdemu_abandon(&r[1]);
  teardown();
  return done;
}

/* As ep_poll_callback() of Linux: a wake that is about reading and writing is for
 * all, and one about neither is used, unless all were meant. */
static void an_exclusive_interest_takes_what_it_is_about(void)
{
  CHECK_EQ(exclusive(EPOLLIN, POLLIN, POLLIN, fdemu_wake), 1);
  CHECK_EQ(exclusive(EPOLLOUT, POLLOUT, POLLOUT, fdemu_wake), 1);
  CHECK_EQ(exclusive(EPOLLIN | EPOLLOUT, POLLOUT, POLLIN | POLLOUT, fdemu_wake),
           2);
  CHECK_EQ(exclusive(EPOLLIN, POLLERR, POLLERR, fdemu_wake_one), 1);
  CHECK_EQ(exclusive(EPOLLIN, POLLERR, POLLERR, fdemu_wake), 2);
}

static void a_process_without_a_table_may_fork(void)
{
  struct fdemu_proc *child;

  setup();
  CHECK_EQ(fdemu_fork(p, &child), 2);
  CHECK_EQ(fdemu_open(child, "/kind", O_RDWR, 0), 0);
  CHECK_EQ(fdemu_next_fd(p, 0), -1);
  fdemu_proc_put(child);
  teardown();
}

int main(void)
{
  stat_of_a_name_asks_the_kind();
  truncate_of_a_name_asks_the_kind();
  flock_waits_for_the_kind();
  pieces_come_to_an_end();
  data_and_holes_are_the_kinds();
  an_error_without_a_name_is_a_number();
  a_directory_has_no_room_to_allocate();
  what_a_close_ends_needs_a_descriptor();
  a_lock_that_comes_after_the_close_is_not_kept();
  a_rule_that_is_removed_when_it_was_picked_does_not_act();
  a_call_that_is_held_back_is_interrupted();
  an_exclusive_interest_takes_what_it_is_about();
  a_process_without_a_table_may_fork();
  return test_summary();
}
