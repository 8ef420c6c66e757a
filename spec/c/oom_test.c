/*
 * oom_test.c - a workload of every constructor and call, again and again, with
 * the first, the second, the third ... allocation failing
 *
 * Whatever fails says ENOMEM and leaves things as they were: it succeeds when
 * it is tried once more.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "fdemu_driver.h"
#include "fdemu_linux.h"
#include "test.h"

#define FDS 200

static struct fdemu_kernel *k;
static struct fdemu_proc *p;
static int refused; /* calls that had no memory */

/* ---- things as they were ---------------------------------------------- */

struct state {
  uint64_t id[FDS];
  int cloexec[FDS], queued[FDS];
  int nprocs, nreqs;
  int64_t live, now;
};

static struct state before;

static void look(struct state *s)
{
  struct fdemu_proc *q;
  struct fdemu_req *r = NULL;

  memset(s, 0, sizeof *s);
  for (int fd = 0; p != NULL && fd < FDS; fd++) {
    struct fdemu_file *f = fdemu_file_at(p, fd);
    if (f == NULL)
      continue;
    s->id[fd] = f->id;
    s->cloexec[fd] = fdemu_fcntl(p, fd, F_GETFD, 0);
    fdemu_ioctl(p, fd, FIONREAD, &s->queued[fd]);
  }
  for (q = fdemu_next_proc(k, 0); q != NULL;
       q = fdemu_next_proc(k, fdemu_getpid(q) + 1))
    s->nprocs++;
  while (p != NULL && (r = fdemu_next_req(p, r)) != NULL)
    s->nreqs++;
  s->live = test_heap.live;
  s->now = fdemu_now(k);
}

/* True if the call is to be made again. Room in a table or a pipe may be there
 * already; what leaks is seen in the end. */
static bool again(bool failed, const char *what, int line, bool may_keep)
{
  struct state after;

  if (!failed)
    return false;
  refused++;
  look(&after);
  if (may_keep)
    after.live = before.live;
  test_check(memcmp(&before, &after, sizeof after) == 0, __FILE__, line, what);
  return true;
}

/* n = call, which fails for want of memory at most once. */
#define TRY(n, call) \
  do { \
    look(&before); \
    n = (call); \
    if (again(n == -ENOMEM, #call, __LINE__, true)) \
      n = (call); \
  } while (0)

#define TRY_WRITE(n, call) \
  do { \
    look(&before); \
    n = (call); \
    if (again(n == -ENOMEM || n == -ENOSPC, #call, __LINE__, true)) \
      n = (call); \
  } while (0)

#define TRY_NEW(x, call) \
  do { \
    look(&before); \
    x = (call); \
    if (again(x == NULL, #call, __LINE__, false)) \
      x = (call); \
    CHECK(x != NULL); \
  } while (0)

/* ---- a device --------------------------------------------------------- */

struct device {
  struct fdemu_inode inode;
  struct fdemu_attr attr;
};

static int64_t device_open(struct fdemu_inode *i, struct fdemu_req *r)
{
  return fdemu_opened(r, fdemu_file_new(i, i->ops, (int)r->cmd, NULL));
}

static void device_free(struct fdemu_inode *i)
{
  fdemu_free(i->kernel, fdemu_entry(i, struct device, inode));
}

static int64_t device_stat(struct fdemu_file *f, struct fdemu_req *r)
{
  struct stat st;

  fdemu_fill_stat(f, &st);
  return fdemu_arg_store(r, 0, &st, sizeof st);
}

static const struct fdemu_ops device_ops = { .name = "device",
                                             .stat = device_stat };

static struct device *device_new(void)
{
  struct device *d = fdemu_alloc(k, sizeof *d);

  if (d == NULL)
    return NULL;
  fdemu_inode_init(&d->inode, &d->attr, k, &device_ops, S_IFCHR | 0600,
                   device_free);
  d->inode.open = device_open;
  return d;
}

/* ---- the workload ----------------------------------------------------- */

static void named_devices(void)
{
  struct device *d;
  struct stat st;
  int n;
  char path[32];

  TRY_NEW(d, device_new());
  for (int i = 0; i < 40; i++) { /* the hash table grows */
    snprintf(path, sizeof path, "/dev/d%d", i % 35);
    TRY(n, fdemu_name(k, path, &d->inode));
    CHECK_EQ(n, 0);
  }
  look(&before);
  n = fdemu_name(k, "/deep/and/deeper", &d->inode);
  if (again(n == -ENOMEM, "name", __LINE__, true)) {
    CHECK_EQ(fdemu_unlinkat(p, AT_FDCWD, "/deep", 0), -ENOENT);
    n = fdemu_name(k, "/deep/and/deeper", &d->inode);
  }
  CHECK_EQ(n, 0);
  fdemu_inode_put(&d->inode);
  for (int i = 0; i < 4; i++) { /* the second name replaces the first */
    TRY(n, fdemu_name_request(k, 0x100u + (unsigned)i % 2, "NAME"));
    CHECK_EQ(n, 0);
  }
  TRY(n, fdemu_fstatat(p, AT_FDCWD, "/dev/d7", &st, 0));
  CHECK_EQ(n, 0);
  TRY(n, fdemu_open(p, "/dev/d7", O_RDWR, 0));
  CHECK(n >= 0);
  CHECK_EQ(fdemu_close(p, n), 0);
  TRY(n, fdemu_open(p, "/dev/null", O_RDWR, 0));
  CHECK(n >= 0);
  CHECK_EQ(fdemu_close(p, n), 0);
}

/* Names that come, move and go: what fails changes nothing. */
static void names(void)
{
  char path[32];
  struct stat st;
  int n;

  look(&before);
  n = fdemu_open(p, "/new", O_RDWR | O_CREAT, 0600);
  if (again(n == -ENOMEM, "open", __LINE__, true)) {
    CHECK_EQ(fdemu_unlinkat(p, AT_FDCWD, "/new", 0), -ENOENT);
    n = fdemu_open(p, "/new", O_RDWR | O_CREAT | O_EXCL, 0600);
  }
  CHECK(n >= 0);
  CHECK(fdemu_file_at(p, n)->path != NULL);
  CHECK_EQ(fdemu_close(p, n), 0);
  TRY(n, fdemu_mkdirat(p, AT_FDCWD, "/n", 0755));
  CHECK_EQ(n, 0);
  TRY(n, fdemu_chdir(p, "/n"));
  for (int i = 0; i < 20; i++) {
    snprintf(path, sizeof path, "d%d", i);
    TRY(n, fdemu_mkdirat(p, AT_FDCWD, path, 0755));
    CHECK_EQ(n, 0);
  }
  TRY(n, fdemu_symlinkat(p, "d1/../d2", AT_FDCWD, "l"));
  CHECK_EQ(n, 0);
  TRY(n, fdemu_linkat(p, AT_FDCWD, "l", AT_FDCWD, "m", 0));
  CHECK_EQ(n, 0);
  for (int i = 0; i < 20; i++) {
    snprintf(path, sizeof path, "d0/e%d", i);
    TRY(n, fdemu_renameat2(p, AT_FDCWD, "m", AT_FDCWD, path, 0));
    CHECK_EQ(n, 0);
    TRY(n, fdemu_renameat2(p, AT_FDCWD, path, AT_FDCWD, "l", RENAME_EXCHANGE));
    TRY(n, fdemu_renameat2(p, AT_FDCWD, path, AT_FDCWD, "w", RENAME_WHITEOUT));
    TRY(n, fdemu_unlinkat(p, AT_FDCWD, path, 0));
    TRY(n, fdemu_renameat2(p, AT_FDCWD, "w", AT_FDCWD, path, 0));
    CHECK_EQ(n, 0);
    TRY(n, fdemu_linkat(p, AT_FDCWD, "l", AT_FDCWD, "m", 0));
    CHECK_EQ(n, 0);
  }
  for (int i = 0; i < 20; i++) { /* the lists grow by an exchange, too */
    snprintf(path, sizeof path, "d1/x%d", i);
    TRY(n, fdemu_mkdirat(p, AT_FDCWD, path, 0755));
    CHECK_EQ(n, 0);
    for (int twice = 0; twice < 2; twice++)
      TRY(n,
          fdemu_renameat2(p, AT_FDCWD, path, AT_FDCWD, "d2", RENAME_EXCHANGE));
    CHECK_EQ(n, 0);
  }
  TRY(n, (int)fdemu_readlinkat(p, AT_FDCWD, "l", path, 0));
  CHECK_EQ(n, -EINVAL);
  TRY(n, fdemu_fstatat(p, AT_FDCWD, "l", &st, AT_SYMLINK_NOFOLLOW));
  CHECK_EQ(st.st_nlink, 22);
  TRY(n, fdemu_open(p, "l", O_RDONLY, 0));
  CHECK(n >= 0);
  CHECK_EQ(fdemu_close(p, n), 0);
  TRY(n, fdemu_openat(p, AT_FDCWD, "l", O_PATH | O_NOFOLLOW, 0));
  CHECK(n >= 0);
  CHECK_EQ(fdemu_close(p, n), 0);
  CHECK_EQ(fdemu_unlinkat(p, AT_FDCWD, "d3", AT_REMOVEDIR), 0);
  TRY(n, fdemu_mknodat(p, AT_FDCWD, "f", S_IFIFO | 0600, 0));
  CHECK_EQ(n, 0);
  TRY(n, fdemu_open(p, "f", O_RDWR, 0));
  CHECK(n >= 0);
  snprintf(path, sizeof path, "/proc/self/fd/%d", n);
  TRY(n, fdemu_open(p, path, O_RDONLY | O_CLOEXEC, 0));
  CHECK(n >= 0);
  CHECK_EQ(fdemu_close(p, n), 0);
  CHECK_EQ(fdemu_close(p, n - 1), 0);
}

static void captures(void)
{
  struct fdemu_file *f;
  int fd;
  int64_t n;
  size_t size = 0;

  TRY_NEW(f, fdemu_capture_new(k, "abc", 3));
  TRY(fd, fdemu_install(p, f, 5, true));
  CHECK_EQ(fd, 5);
  CHECK_EQ(fdemu_lseek(p, fd, 0, SEEK_END), 3);
  for (int i = 0; i < 5; i++) {
    static char block[300];
    TRY_WRITE(n, fdemu_write(p, fd, block, sizeof block));
    CHECK_EQ(n, sizeof block);
  }
  CHECK(fdemu_capture_data(fdemu_file_at(p, fd)->inode, &size) != NULL);
  CHECK_EQ(size, 1503);
  TRY_NEW(f, fdemu_null_new(k, O_RDONLY));
  fdemu_file_put(f);
}

/* Pages far apart, and ranges whose ends lie inside what has no node yet. */
static void files(void)
{
  struct fdemu_inode *i;
  int64_t n;
  int fd;

  TRY_NEW(i, fdemu_regular_new(k, 0600));
  fdemu_inode_put(i);
  TRY(fd, fdemu_memfd_create(p, "x", 0));
  CHECK(fd >= 0);
  for (int64_t at = 1; at < INT64_C(1) << 50; at <<= 11) {
    TRY(n, fdemu_pwrite(p, fd, "x", 1, at));
    CHECK_EQ(n, 1);
  }
  for (int64_t at = 4096 * 70; at < INT64_C(1) << 50; at <<= 11) {
    TRY(n, fdemu_fallocate(p, fd, FALLOC_FL_KEEP_SIZE, at, at));
    CHECK_EQ(n, 0);
    TRY(n, fdemu_pwrite(p, fd, "x", 1, at + at / 2));
    CHECK_EQ(n, 1);
    TRY(n, fdemu_fallocate(p, fd, 3, at + at / 4, at / 8));
    CHECK_EQ(n, 0);
  }
  TRY(n, fdemu_ftruncate(p, fd, 4096 * 80));
  CHECK_EQ(n, 0);
  CHECK_EQ(fdemu_space_used(k), 4096 * 11);
  CHECK_EQ(fdemu_close(p, fd), 0);
  CHECK_EQ(fdemu_space_used(k), 0);
}

static void write_all(int fd, size_t size)
{
  static char data[100000];
  int64_t n;

  for (size_t done = 0; done < size; done += (size_t)n) {
    TRY_WRITE(n, fdemu_write(p, fd, data, size - done));
    if (!CHECK(n > 0))
      break;
  }
}

static void pipes(void)
{
  static char data[100000];
  int fds[2] = { -1, -1 }, n;
  int64_t m;

  TRY(n, fdemu_pipe2(p, fds, O_CLOEXEC));
  CHECK_EQ(n, 0);
  write_all(fds[1], 30000);
  TRY(n, fdemu_fcntl(p, fds[0], F_SETPIPE_SZ, 131072));
  CHECK_EQ(n, 131072);
  write_all(fds[1], 60000);
  TRY(m, fdemu_read(p, fds[0], data, sizeof data));
  CHECK_EQ(m, 90000);
}

static void waiting(void)
{
  int fds[2] = { -1, -1 }, n;
  char c;
  struct fdemu_req r = { .call = &fdemu_calls[FDEMU_READ], .buf = { &c, 1 } };
  struct fdemu_req q = { .call = &fdemu_calls[FDEMU_POLL], .timeout = -1 };
  struct pollfd set[3] = { { .events = POLLIN },
                           { .events = POLLPRI },
                           { .events = POLLIN } };

  TRY(n, fdemu_pipe2(p, fds, 0));
  CHECK_EQ(n, 0);
  r.fd = set[0].fd = set[2].fd = fds[0];
  set[1].fd = fds[1];
  q.buf = (struct iovec){ set, sizeof set };
  TRY(n, fdemu_poll(p, set, 3, 5));
  CHECK_EQ(n, 0);
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING); /* a read needs none */
  look(&before);
  fdemu_submit(p, &q);
  if (again(q.result == -ENOMEM, "poll", __LINE__, false))
    fdemu_submit(p, &q);
  CHECK_EQ(q.result, FDEMU_PENDING);
  write_all(fds[1], 2);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(r.result, 1);
  CHECK_EQ(q.result, 2);
}

static int epoll_add(int ep, int fd)
{
  struct epoll_event ev = { .events = EPOLLIN };

  return fdemu_epoll_ctl(p, ep, EPOLL_CTL_ADD, fd, &ev);
}

static int interests(int ep)
{
  const struct fdemu_interest *i = NULL;
  int n = 0;

  while ((i = fdemu_epoll_next(fdemu_file_at(p, ep), i)) != NULL)
    n++;
  return n;
}

static void epolls(void)
{
  struct epoll_event ev[3];
  int fds[2] = { -1, -1 }, n, ep, outer, known = 0;
  int64_t count;

  TRY(ep, fdemu_epoll_create1(p, EPOLL_CLOEXEC));
  CHECK(ep > 0);
  TRY(outer, fdemu_epoll_create1(p, 0));
  CHECK(outer > 0);
  TRY(n, epoll_add(outer, ep));
  CHECK_EQ(n, 0);
  TRY(n, fdemu_pipe2(p, fds, 0));
  CHECK_EQ(n, 0);
  for (int i = 0; i < 20; i++) { /* the hash table grows */
    int fd;
    TRY(fd, fdemu_dup(p, fds[0]));
    TRY(n, epoll_add(ep, fd));
    CHECK_EQ(n, 0);
    CHECK_EQ(interests(ep), ++known);
  }
  write_all(fds[1], 2);
  count = test_heap.count;
  CHECK_EQ(fdemu_epoll_wait(p, ep, ev, 3, 0), 3); /* needs none */
  CHECK_EQ(fdemu_epoll_wait(p, outer, ev, 3, -1), 1);
  CHECK_EQ(test_heap.count, count);
  CHECK_EQ(fdemu_close_range(p, (unsigned)ep, ~0u, 0), 0);
}

static void descriptors(void)
{
  int n, fds[3];

  TRY(n, fdemu_dup(p, 0));
  CHECK(n > 0);
  TRY(n, fdemu_dup2(p, 0, 70)); /* the table grows */
  CHECK_EQ(n, 70);
  TRY(n, fdemu_dup3(p, 0, 130, O_CLOEXEC));
  CHECK_EQ(n, 130);
  TRY(n, fdemu_fcntl(p, 0, F_DUPFD, 300));
  CHECK_EQ(n, 300);
  for (int i = 0; i < 150; i++) {
    TRY(n, fdemu_dup(p, 0));
    CHECK(n > 0);
  }
  TRY(n, fdemu_reserve(p, fds, 3));
  CHECK_EQ(n, 0);
  fdemu_unreserve(p, fds, 3);
}

static void processes(void)
{
  struct fdemu_proc *child = NULL;
  int n;

  TRY(n, fdemu_fork(p, &child));
  CHECK_EQ(n, fdemu_getpid(p) + 1); /* one that failed has taken no pid */
  if (child == NULL)
    return;
  TRY(n, fdemu_exec(child));
  CHECK_EQ(n, 0);
  fdemu_exit(child, 9);
  fdemu_proc_put(child);
  CHECK(fdemu_wait(p, &n) > 1);
  CHECK_EQ(n, 9);
}

static int host_new(int fd, struct fdemu_file **f)
{
  return fdemu_host_new(k, fd, true, f);
}

static void hosts(void)
{
  struct fdemu_file *f = NULL;
  char path[40];
  int host[2], n;

  CHECK_EQ(pipe(host), 0);
  for (int i = 0; i < 2; i++) {
    TRY(n, host_new(host[i], &f));
    CHECK_EQ(n, 0);
    TRY(n, fdemu_install(p, f, 0, false));
    CHECK(n >= 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", n);
    TRY(n, fdemu_open(p, path, O_RDWR | O_NONBLOCK, 0));
    CHECK(n >= 0);
  }
}

/* A socket in its own queue. */
static void passed(void)
{
  const struct cmsghdr h = { CMSG_LEN(2 * sizeof(int)), SOL_SOCKET,
                             SCM_RIGHTS };
  char byte = 'x', c[CMSG_LEN(2 * sizeof(int))];
  struct iovec v = { &byte, 1 };
  struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
  int n, fds[2];

  TRY(n, fdemu_socketpair(p, AF_UNIX, SOCK_STREAM, 0, fds));
  memcpy(c, &h, sizeof h);
  memcpy(c + sizeof h, fds, sizeof fds);
  m.msg_control = c;
  m.msg_controllen = sizeof c;
  TRY(n, (int)fdemu_sendmsg(p, fds[0], &m, 0));
  CHECK_EQ(n, 1);
  TRY(n, (int)fdemu_recvmsg(p, fds[1], &m, MSG_PEEK));
  CHECK_EQ(n, 1);
  CHECK_EQ(fdemu_close_range(p, (unsigned)fds[0], ~0u, 0), 0);
}

static void sockets(void)
{
  static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
  char buf[6000];
  int fds[2], n, on = 1;

  memset(buf, 'x', sizeof buf);
  for (int i = 0; i < 3; i++) {
    TRY(n, fdemu_socketpair(p, AF_UNIX, types[i], 0, fds));
    CHECK_EQ(n, 0);
    CHECK_EQ(
        fdemu_setsockopt(p, fds[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on),
        0); /* messages need a name first */
    TRY(n, fdemu_socket(p, AF_UNIX, types[i], 0));
    CHECK_EQ(fdemu_close(p, n), 0);
    TRY(n, (int)fdemu_write(p, fds[0], buf, sizeof buf));
    CHECK_EQ(n, sizeof buf);
    TRY(n, (int)fdemu_write(p, fds[0], buf, 10));
    CHECK_EQ(n, 10);
    CHECK_EQ(fdemu_read(p, fds[1], buf, sizeof buf), sizeof buf);
    CHECK_EQ(fdemu_close(p, fds[0]), 0);
    CHECK_EQ(fdemu_read(p, fds[1], buf, sizeof buf), 10);
    CHECK_EQ(fdemu_close(p, fds[1]), 0);
  }
  passed();
}

/* A page that was not to be had makes a count shorter. */
static void moves(void)
{
  static char letters[] = "abc", bytes[10];
  const struct iovec text = { letters, 3 }, room = { bytes, sizeof bytes };
  int a[2], b[2], n, zero, total = 0;

  TRY(zero, fdemu_open(p, "/dev/zero", O_RDWR, 0));
  TRY(n, fdemu_pipe2(p, a, O_NONBLOCK));
  TRY(n, fdemu_pipe2(p, b, O_NONBLOCK));
  write_all(a[1], 6);
  TRY(n, (int)fdemu_tee(p, a[0], b[1], 4, 0));
  CHECK_EQ(n, 4);
  TRY(n, (int)fdemu_splice(p, a[0], NULL, b[1], NULL, 2, 0));
  CHECK_EQ(n, 2);
  TRY(n, (int)fdemu_splice(p, a[0], NULL, b[1], NULL, 10, 0));
  CHECK_EQ(n, 4);
  TRY(n, (int)fdemu_vmsplice(p, a[1], &text, 1, 0));
  CHECK_EQ(n, 3);
  TRY(n, (int)fdemu_vmsplice(p, a[0], &room, 1, 0));
  CHECK_EQ(n, 3);
  while (total < 20000) {
    TRY(n, (int)fdemu_sendfile(p, a[1], zero, NULL, 20000 - (size_t)total));
    if (!CHECK(n > 0))
      break;
    total += n;
  }
  TRY(n, (int)fdemu_splice(p, a[0], NULL, zero, NULL, 30000, 0));
  CHECK_EQ(n, 20000);
  TRY(n, fdemu_pipe2(p, b, O_NONBLOCK));
  TRY(n, (int)fdemu_sendfile(p, b[1], zero, NULL, 1)); /* it had no ring yet */
  CHECK_EQ(n, 1);
  TRY(n, (int)fdemu_sendfile(p, zero, zero, NULL, 100000));
  CHECK_EQ(n, 100000);
  CHECK_EQ(fdemu_close_range(p, (unsigned)zero, ~0u, 0), 0);
}

static void counters(void)
{
  const struct itimerspec soon = { .it_value.tv_sec = 1 };
  int n, fd;

  TRY(fd, fdemu_eventfd(p, 3, 0));
  CHECK(fd >= 0);
  CHECK_EQ(fdemu_close(p, fd), 0);
  TRY(fd, fdemu_timerfd_create(p, CLOCK_MONOTONIC, 0));
  CHECK(fd >= 0);
  TRY(n, fdemu_timerfd_settime(p, fd, 0, &soon, NULL));
  CHECK_EQ(n, 0);
  CHECK_EQ(fdemu_close(p, fd), 0);
}

static int record(int fd, int cmd, short type, int64_t start, int64_t len)
{
  struct flock fl = { .l_type = type, .l_start = start, .l_len = len };

  return fdemu_fcntl(p, fd, cmd, (intptr_t)&fl);
}

/* F_SETLK says that there are no more locks. */
#define TRY_LOCK(n, call) \
  do { \
    look(&before); \
    n = (call); \
    if (again(n == -ENOLCK || n == -ENOMEM, #call, __LINE__, true)) \
      n = (call); \
  } while (0)

static void locks(void)
{
  int fd, n;

  TRY(fd, fdemu_open(p, "/new", O_RDWR, 0));
  CHECK(fd >= 0);
  TRY_LOCK(n, fdemu_flock(p, fd, LOCK_UN)); /* gives no lock, takes none */
  CHECK_EQ(n, 0);
  TRY_LOCK(n, fdemu_flock(p, fd, LOCK_SH));
  CHECK_EQ(n, 0);
  TRY_LOCK(n, fdemu_flock(p, fd, LOCK_EX));
  CHECK_EQ(n, 0);
  TRY_LOCK(n, record(fd, F_SETLK, F_UNLCK, 0, 0));
  CHECK_EQ(n, 0);
  TRY_LOCK(n, record(fd, F_SETLK, F_WRLCK, 0, 30));
  CHECK_EQ(n, 0);
  TRY_LOCK(n, record(fd, F_SETLK, F_UNLCK, 10, 10)); /* two are left */
  CHECK_EQ(n, 0);
  TRY_LOCK(n, record(fd, F_OFD_SETLKW, F_RDLCK, 10, 10));
  CHECK_EQ(n, 0);
  CHECK_EQ(fdemu_close(p, fd), 0);
  for (short type = F_RDLCK; type <= F_UNLCK; type++) { /* the file's first */
    TRY(fd, fdemu_memfd_create(p, "x", 0));
    CHECK(fd >= 0);
    TRY_LOCK(n, record(fd, F_SETLK, type, 0, 1));
    CHECK_EQ(n, 0);
    CHECK_EQ(fdemu_close(p, fd), 0);
  }
}

/* Whom a description tells, and of what. */
static void owners(void)
{
  int fd, dir, n;

  look(&before);
  fd = fdemu_open(p, "/leased", O_RDONLY | O_CREAT, 0600);
  if (again(fd == -ENOMEM, "open", __LINE__, true))
    fd = fdemu_open(p, "/leased", O_RDONLY | O_CREAT, 0600);
  CHECK(fd >= 0);
  TRY(n, fdemu_fcntl(p, fd, F_SETLEASE, F_RDLCK));
  CHECK_EQ(n, 0);
  CHECK_EQ(fdemu_fcntl(p, fd, F_GETOWN, 0), fdemu_getpid(p));
  CHECK_EQ(fdemu_close(p, fd), 0);
  TRY(dir, fdemu_open(p, "/n", O_RDONLY, 0));
  CHECK(dir >= 0);
  TRY(n, fdemu_fcntl(p, dir, F_NOTIFY, DN_CREATE));
  CHECK_EQ(n, 0);
  CHECK_EQ(fdemu_close(p, dir), 0);
  for (int i = 0; i < 3; i++) {
    static const int cmd[] = { F_SETOWN, F_SETSIG, F_SETFL };
    const int arg[] = { fdemu_getpid(p), SIGUSR1, O_ASYNC };
    int fds[2];
    TRY(n, fdemu_pipe2(p, fds, 0));
    TRY(n, fdemu_fcntl(p, fds[0], cmd[i], arg[i]));
    CHECK_EQ(n, 0);
    CHECK_EQ(fdemu_close_range(p, (unsigned)fds[0], (unsigned)fds[1], 0), 0);
  }
}

static int set_option(int fd, int option, int value)
{
  return fdemu_setsockopt(p, fd, SOL_SOCKET, option, &value, sizeof value);
}

/* What is allocated by the first option that is set, and with credentials. */
static void options(void)
{
  static const int option[] = { SO_SNDBUF, SO_RCVBUF, SO_MAX_PACING_RATE };
  const struct ucred u = { fdemu_getpid(p), FDEMU_UID, FDEMU_UID };
  const struct cmsghdr h = { CMSG_LEN(sizeof u), SOL_SOCKET, SCM_CREDENTIALS };
  struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, 100) };
  const struct sock_fprog program = { 1, code };
  char c[CMSG_LEN(sizeof u)], byte = 'x';
  struct iovec v = { &byte, 1 };
  struct msghdr m = {
    .msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c
  };
  int n, fds[2];

  memcpy(c, &h, sizeof h);
  memcpy(c + sizeof h, &u, sizeof u);
  for (size_t i = 0; i < sizeof option / sizeof *option; i++) {
    TRY(n, fdemu_socketpair(p, AF_UNIX, SOCK_DGRAM, 0, fds));
    CHECK_EQ(n, 0);
    TRY(n, set_option(fds[0], option[i], 5000));
    CHECK_EQ(n, 0);
    TRY(n, (int)fdemu_sendmsg(p, fds[0], &m, 0));
    CHECK_EQ(n, 1);
    TRY(n, fdemu_setsockopt(p, fds[1], SOL_SOCKET, SO_ATTACH_FILTER, &program,
                            sizeof program));
    CHECK_EQ(n, 0);
    CHECK_EQ(fdemu_close_range(p, (unsigned)fds[0], (unsigned)fds[1], 0), 0);
  }
}

/* By number, with more descriptors than there is room for on the stack. */
static void many(void)
{
  static uint64_t set[16];
  static struct pollfd fds[1000];
  int n;

  memset(fds, 0xff, sizeof fds); /* descriptor -1: none */
  TRY(n, (int)fdemu_syscall(p, NULL, SYS_poll,
                            (const uint64_t[6]){ (uintptr_t)fds, 1000, 0 }));
  CHECK_EQ(n, 0);
  TRY(n,
      (int)fdemu_syscall(p, NULL, SYS_select,
                         (const uint64_t[6]){ 1024, (uintptr_t)set, 0, 0,
                                              (uintptr_t)(uint64_t[2]){ 0 } }));
  CHECK_EQ(n, 0);
}

/* Until nothing is refused any more. */
static bool workload(int64_t fail_at, bool apart)
{
  struct fdemu_config c = { .alloc = test_alloc,
                            .alloc_ud = &test_heap,
                            .apart = apart };
  int n;

  test_heap = (struct test_heap){ .fail_at = fail_at };
  refused = 0;
  p = NULL;
  k = fdemu_kernel_new(&c);
  if (k == NULL) {
    CHECK_EQ(test_heap.live, 0);
    return true;
  }
  TRY_NEW(p, fdemu_proc_new(k));
  n = fdemu_std_devices(k);
  if (n < 0) { /* those that it has made stay */
    CHECK_EQ(n, -ENOMEM);
    CHECK_EQ(fdemu_std_devices(k), 0);
    refused++;
  }
  named_devices();
  names();
  captures();
  files();
  pipes();
  waiting();
  epolls();
  sockets();
  moves();
  descriptors();
  processes();
  hosts();
  counters();
  locks();
  owners();
  options();
  many();
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
  return refused > 0;
}

/* An allocation that fails without consequence (a page that can wait) is no
 * end: only a run that makes all of them is. */
static void each_allocation(bool apart)
{
  int64_t n = 1, kept = 0;

  do {
    kept = workload(n, apart);
    if (!kept && test_heap.count >= n)
      kept = 1;
    n++;
  } while (kept && n < 3000);
  CHECK(n > 60);
  printf("%d allocations%s\n", (int)n - 2, apart ? "" : ", with slabs");
}

int main(void)
{
  each_allocation(true);
  each_allocation(false);
  return test_summary();
}
