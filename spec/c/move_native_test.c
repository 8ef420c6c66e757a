/*
 * move_native_test.c - random sendfile, splice, tee and copy_file_range on
 * pipes, devices and a file, on Linux and on fdemu: the same results, bytes,
 * offsets, readiness, and room
 *
 * Nothing waits: the pipes are non-blocking. A page of a file that Linux has
 * spliced into a pipe shows what is written to the file later, fdemu's does
 * not: in one half of the runs the file stays as it is, in the other half it is
 * not spliced.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fdemu_driver.h"
#include "test.h"
#include "tmpfs.h"

#define RUNS  60
#define CALLS 1500
#define BIG   200000

enum { FIRST = 20, PIPES = 3, FILES = FIRST + 2 * PIPES, LAST = FILES + 8 };

static uint64_t rng;
static struct fdemu_proc *p;
static char path[40];
static char native_bytes[BIG], bytes[BIG];
static int outcomes[200];
static int moves;

static int pick(int n)
{
  return (int)test_below(&rng, (uint64_t)n);
}

/* A call, its arguments, and what it gave on one side. */
struct call {
  enum { READ, WRITE, SPLICE, TEE, SENDFILE, COPY, SIZE, LSEEK, CLOSE } what;
  int fd, to;
  size_t n;
  unsigned flags;
  bool at[2];
  int64_t offset[2];
  int64_t result;
};

static int64_t result_of(int64_t n)
{
  return n < 0 ? -errno : n;
}

static void do_native(struct call *c)
{
  off_t *in = c->at[0] ? &c->offset[0] : NULL;
  off_t *out = c->at[1] ? &c->offset[1] : NULL;
  int64_t n = 0;

  switch (c->what) {
  case READ: n = read(c->fd, native_bytes, c->n); break;
  case WRITE: n = write(c->fd, bytes, c->n); break;
  case SPLICE: n = splice(c->fd, in, c->to, out, c->n, c->flags); break;
  case TEE: n = tee(c->fd, c->to, c->n, c->flags); break;
  case SENDFILE: n = sendfile(c->to, c->fd, in, c->n); break;
  case COPY: n = copy_file_range(c->fd, in, c->to, out, c->n, c->flags); break;
  case SIZE: n = fcntl(c->fd, F_SETPIPE_SZ, (int)c->n); break;
  case LSEEK: n = lseek(c->fd, (off_t)c->n, SEEK_SET); break;
  case CLOSE: n = close(c->fd); break;
  }
  c->result = result_of(n);
}

static void do_emulated(struct call *c)
{
  int64_t *in = c->at[0] ? &c->offset[0] : NULL;
  int64_t *out = c->at[1] ? &c->offset[1] : NULL;

  switch (c->what) {
  case READ: c->result = fdemu_read(p, c->fd, bytes, c->n); break;
  case WRITE: c->result = fdemu_write(p, c->fd, bytes, c->n); break;
  case SPLICE:
    c->result = fdemu_splice(p, c->fd, in, c->to, out, c->n, c->flags);
    break;
  case TEE: c->result = fdemu_tee(p, c->fd, c->to, c->n, c->flags); break;
  case SENDFILE: c->result = fdemu_sendfile(p, c->to, c->fd, in, c->n); break;
  case COPY:
    c->result = fdemu_copy_file_range(p, c->fd, in, c->to, out, c->n, c->flags);
    break;
  case SIZE:
    c->result = fdemu_fcntl(p, c->fd, F_SETPIPE_SZ, (int64_t)c->n);
    break;
  case LSEEK: c->result = fdemu_lseek(p, c->fd, (int64_t)c->n, SEEK_SET); break;
  case CLOSE: c->result = fdemu_close(p, c->fd); break;
  }
}

static size_t pick_size(void)
{
  static const size_t some[] = { 0,    1,    2,     100,   4095,  4096,
                                 4097, 8192, 65535, 65536, 65537, 131072 };

  switch (pick(4)) {
  case 0: return (size_t)pick(70000);
  case 1: return (size_t)pick(3) * 4096 + (size_t)pick(50);
  default: return some[pick(12)];
  }
}

static bool is_file(int fd)
{
  return fd >= FILES + 4;
}

/* Not what would make a page of the file change in a pipe. */
static void spare_file(struct call *c, bool fixed)
{
  if (c->what == WRITE && fixed && is_file(c->fd))
    c->fd = FILES + 1;
  if (c->what != SPLICE && c->what != SENDFILE && c->what != COPY)
    return;
  if (fixed && is_file(c->to))
    c->to = FILES + 1;
  else if (!fixed && is_file(c->fd) && c->what != COPY)
    c->fd = FILES;
}

static struct call pick_call(void)
{
  static const unsigned flags[] = { SPLICE_F_NONBLOCK,
                                    SPLICE_F_NONBLOCK,
                                    0,
                                    SPLICE_F_MOVE | SPLICE_F_NONBLOCK,
                                    SPLICE_F_MORE | SPLICE_F_NONBLOCK,
                                    SPLICE_F_GIFT | SPLICE_F_NONBLOCK,
                                    16 };
  static const int whats[] = { READ,     WRITE, WRITE,  SPLICE,   SPLICE,
                               SPLICE,   TEE,   TEE,    SENDFILE, SENDFILE,
                               SENDFILE, COPY,  SPLICE, TEE };
  struct call c = { .what = (unsigned)whats[pick(14)] };
  int r = pick(60);

  c.fd = FIRST + pick(LAST - FIRST);
  c.to = FIRST + pick(LAST - FIRST);
  if (pick(3) > 0) { /* the way that data flows */
    c.fd &= ~1;
    c.to |= 1;
  }
  if (c.what == WRITE)
    c.fd |= 1;
  c.n = pick_size();
  c.flags = flags[pick(7)];
  if (c.what == COPY)
    c.flags = pick(20) == 0;
  if (r == 0)
    c.what = SIZE;
  else if (r == 1) {
    c.what = LSEEK;
    c.n %= 20000;
  } else if (r == 2 && pick(8) == 0)
    c.what = CLOSE;
  for (int i = 0; i < 2; i++) {
    c.at[i] = pick(3) == 0;
    c.offset[i] = pick(12) == 0 ? pick(2) - 2 : pick(30000);
    if (i == 0 && pick(40) == 0) /* not even Linux has so much memory */
      c.offset[i] = INT64_MAX - pick(5000);
  }
  if ((c.what == SENDFILE || c.what == COPY) && c.n > 4096 && pick(2) == 0)
    c.n = 1 + (size_t)pick(4096);
  return c;
}

/* What else can be seen of the descriptors. */
static void look(int64_t native[], int64_t emulated[], int *n)
{
  for (int fd = FIRST; fd < LAST; fd++) {
    struct pollfd a = { fd, POLLIN | POLLOUT, 0 }, b = a;
    int x = -1, y = -1;
    poll(&a, 1, 0);
    fdemu_poll(p, &b, 1, 0);
    native[*n] = a.revents;
    emulated[(*n)++] = b.revents;
    if (fd < FILES) {
      native[*n] = ioctl(fd, FIONREAD, &x) < 0 ? -errno : x;
      emulated[*n] = fdemu_ioctl(p, fd, FIONREAD, &y);
      if (emulated[*n] == 0)
        emulated[*n] = y;
    } else {
      native[*n] = result_of(lseek(fd, 0, SEEK_CUR));
      emulated[*n] = fdemu_lseek(p, fd, 0, SEEK_CUR);
    }
    ++*n;
  }
}

static const char *const names[] = {
  "read",         "write", "splice", "tee", "sendfile", "copy_file_range",
  "F_SETPIPE_SZ", "lseek", "close"
};

static bool compare(struct call *a, struct call *b, int run, int call)
{
  int64_t x[100], y[100];
  int n = 2;
  bool same = a->result == b->result;

  x[0] = a->offset[0];
  x[1] = a->offset[1];
  y[0] = b->offset[0];
  y[1] = b->offset[1];
  if (same && a->what == READ && a->result > 0)
    same = memcmp(native_bytes, bytes, (size_t)a->result) == 0;
  look(x, y, &n);
  for (int i = 0; i < n; i++)
    if (x[i] != y[i] && same) {
      printf("seen %d: Linux %lld, fdemu %lld\n", i, (long long)x[i],
             (long long)y[i]);
      same = false;
    }
  if (!same)
    printf("run %d, call %d: %s(%d, %d, %zu, %u) at %lld %lld: "
           "Linux %lld, fdemu %lld\n",
           run, call, names[a->what], a->fd, a->to, a->n, a->flags,
           a->at[0] ? (long long)x[0] : -100, a->at[1] ? (long long)x[1] : -100,
           (long long)a->result, (long long)b->result);
  return CHECK(same);
}

/* ---- the descriptors ---------------------------------------------------- */

static void both(int native, int emulated, int fd)
{
  CHECK_EQ(dup2(native, fd), fd);
  close(native);
  CHECK_EQ(fdemu_dup2(p, emulated, fd), fd);
  fdemu_close(p, emulated);
}

static void open_all(struct fdemu_kernel *k)
{
  static const char *const devices[] = { "/dev/zero", "/dev/null", "/dev/full",
                                         "/dev/zero" };
  static const int flags[] = { O_RDWR,   O_RDWR,  O_RDWR, O_RDWR | O_APPEND,
                               O_RDONLY, O_WRONLY };
  struct fdemu_file *f = fdemu_capture_new(k, NULL, 0);
  int fd = FIRST;

  for (int i = 0; i < PIPES; i++) {
    int a[2], b[2];
    CHECK_EQ(pipe2(a, O_NONBLOCK), 0);
    CHECK_EQ(fdemu_pipe2(p, b, O_NONBLOCK), 0);
    both(a[0], b[0], fd++);
    both(a[1], b[1], fd++);
  }
  for (int i = 0; i < 4; i++)
    both(open(devices[i], O_RDWR), fdemu_open(p, devices[i], O_RDWR, 0), fd++);
  for (int i = 2; i < 6; i++) {
    struct fdemu_file *g = fdemu_file_new(f->inode, f->ops, flags[i], NULL);
    both(open(path, flags[i]), fdemu_install(p, g, 0, false), fd++);
  }
  fdemu_file_put(f);
  CHECK_EQ(truncate(path, 0), 0);
  for (int i = 0; i < 50000; i++)
    bytes[i] = (char)test_random(&rng);
  CHECK_EQ(write(FILES + 4, bytes, 50000), 50000);
  CHECK_EQ(fdemu_write(p, FILES + 4, bytes, 50000), 50000);
}

static void close_all(void)
{
  for (int fd = FIRST; fd < LAST; fd++) {
    close(fd);
    fdemu_close(p, fd);
  }
}

static void count(const struct call *c)
{
  if (c->what == READ || c->what == WRITE || c->what > COPY)
    return;
  if (c->result > 0)
    moves++;
  else
    outcomes[-c->result]++;
}

static bool run_once(int run)
{
  struct fdemu_kernel *k = fdemu_kernel_new(NULL);
  bool same = true;

  rng = (uint64_t)run * 7919 + 1;
  p = fdemu_proc_new(k);
  CHECK_EQ(fdemu_std_devices(k), 0);
  open_all(k);
  for (int i = 0; i < CALLS && same; i++) {
    struct call a = pick_call(), b;
    spare_file(&a, run % 2 == 0);
    if (a.what == WRITE)
      for (size_t j = 0; j < a.n; j++)
        bytes[j] = (char)test_random(&rng);
    b = a;
    do_native(&a);
    do_emulated(&b);
    same = compare(&a, &b, run, i);
    count(&a);
  }
  close_all();
  fdemu_proc_put(p);
  fdemu_kernel_free(k);
  return same;
}

int main(void)
{
  int fd = memfd_create("move", 0);

  if (!tmpfs_is("/dev/zero")) /* its largest position is the file system's */
    return test_skip("/dev is no devtmpfs");
  signal(SIGPIPE, SIG_IGN);
  CHECK(fd >= 0);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  for (int run = 0; run < RUNS && run_once(run); run++)
    ;
  close(fd);
  CHECK(moves > RUNS * CALLS / 20);
  CHECK(outcomes[0] > 0 && outcomes[EINVAL] > 0 && outcomes[EAGAIN] > 0);
  CHECK(outcomes[EBADF] > 0 && outcomes[ESPIPE] > 0);
  return test_summary();
}
