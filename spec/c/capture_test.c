/* capture_test.c - captures, against files of Linux where these agree */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fdemu_driver.h"
#include "test.h"

static struct fdemu_kernel *k;
static struct fdemu_proc *p;

static void setup(void)
{
  k = test_kernel();
  p = fdemu_proc_new(k);
}

static void teardown(void)
{
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

static int capture(const void *data, size_t n)
{
  struct fdemu_file *f = fdemu_capture_new(k, data, n);

  CHECK(f != NULL);
  return fdemu_install(p, f, 0, false);
}

static void keeps_what_is_written(void)
{
  int fd;
  size_t n = 0;
  char buf[8] = "";
  const char *data;
  struct fdemu_inode *i;
  struct stat st;

  setup();
  fd = capture(NULL, 0);
  i = fdemu_file_at(p, fd)->inode;
  CHECK(fdemu_capture_data(i, &n) != NULL);
  CHECK_EQ(n, 0);
  CHECK_EQ(fdemu_write(p, fd, "hello ", 6), 6);
  CHECK_EQ(fdemu_write(p, fd, "world", 5), 5);
  fdemu_inode_get(i);
  CHECK_EQ(fdemu_fstat(p, fd, &st), 0);
  CHECK_EQ(st.st_size, 11);
  CHECK(S_ISREG(st.st_mode));
  CHECK_EQ(fdemu_close(p, fd), 0); /* what holds the inode holds the bytes */
  data = fdemu_capture_data(i, &n);
  CHECK_EQ(n, 11);
  CHECK(data != NULL && memcmp(data, "hello world", 11) == 0);
  fdemu_inode_put(i);
  fd = capture("input", 5);
  CHECK_EQ(fdemu_read(p, fd, buf, 3), 3);
  CHECK_EQ(fdemu_read(p, fd, buf + 3, 5), 2);
  CHECK_EQ(fdemu_read(p, fd, buf, 5), 0);
  CHECK_STR(buf, "input");
  teardown();
}

static void something_else_is_not_one(void)
{
  int fds[2];
  size_t n = 77;

  setup();
  fdemu_pipe2(p, fds, 0);
  CHECK(fdemu_capture_data(fdemu_file_at(p, 0)->inode, &n) == NULL);
  teardown();
}

static void a_fault_writes_nothing(void)
{
  struct fdemu_req w = { .call = &fdemu_calls[FDEMU_WRITE],
                         .mem = &test_no_mem };
  size_t n;

  setup();
  w.fd = capture("ab", 2);
  w.buf.iov_len = 1000;
  CHECK_EQ(fdemu_submit(p, &w), -EFAULT);
  CHECK(fdemu_capture_data(fdemu_file_at(p, w.fd)->inode, &n) != NULL);
  CHECK_EQ(n, 2);
  CHECK_EQ(fdemu_lseek(p, w.fd, 0, SEEK_CUR), 0);
  teardown();
}

/* ---- as a file of Linux ----------------------------------------------- */

static uint64_t rng;
static int host, emu;
static bool same;

static int64_t native(int64_t n)
{
  return n < 0 ? -errno : n;
}

static void agree(const char *what, int64_t x, int64_t a, int64_t b)
{
  if (a != b) {
    fprintf(stderr, "%s (%lld): Linux %lld, fdemu %lld\n", what, (long long)x,
            (long long)a, (long long)b);
    same = false;
  }
}

static void step(void)
{
  static const int64_t odd[] = { -1, 0, INT64_MAX, INT64_MIN, INT64_MAX - 3 };
  static unsigned char out[3000], a[3000], b[3000];
  size_t n = test_below(&rng, 50) == 0 ? 0 : test_below(&rng, sizeof out);
  int64_t at = (int64_t)test_below(&rng, 20000), got;
  int whence = (int)test_below(&rng, 3), x = -1, y = -1;

  for (size_t i = 0; i < n; i += 17)
    out[i] = (unsigned char)test_random(&rng);
  switch (test_below(&rng, 9)) {
  case 0:
    agree("write", (int64_t)n, native(write(host, out, n)),
          fdemu_write(p, emu, out, n));
    break;
  case 1:
    agree("pwrite", at, native(pwrite(host, out, n, at)),
          fdemu_pwrite(p, emu, out, n, at));
    break;
  case 2:
  case 3:
    memset(a, 0, sizeof a);
    memset(b, 0, sizeof b);
    got = native(read(host, a, n));
    agree("read", (int64_t)n, got, fdemu_read(p, emu, b, n));
    same = same && memcmp(a, b, sizeof a) == 0;
    break;
  case 4:
    if (test_below(&rng, 6) == 0)
      at = odd[test_below(&rng, 5)];
    got = native(pread(host, a, n, at));
    agree("pread", at, got, fdemu_pread(p, emu, b, n, at));
    break;
  case 5:
  case 6:
    if (test_below(&rng, 4) == 0)
      at = odd[test_below(&rng, 5)];
    if (test_below(&rng, 8) == 0)
      whence = 77;
    got = native(lseek(host, at, whence));
    agree(whence == 0   ? "SEEK_SET"
          : whence == 1 ? "SEEK_CUR"
                        : "SEEK_END",
          at, got, fdemu_lseek(p, emu, at, whence));
    if (got > 20000) { /* what comes next is short */
      lseek(host, 0, SEEK_SET);
      fdemu_lseek(p, emu, 0, SEEK_SET);
    }
    break;
  case 7: {
    int flags = test_below(&rng, 3) == 0 ? O_APPEND : 0;
    agree("F_SETFL", flags, native(fcntl(host, F_SETFL, flags)),
          fdemu_fcntl(p, emu, F_SETFL, flags));
    break;
  }
  default:
    got = native(ioctl(host, FIONREAD, &x));
    agree("FIONREAD", 0, got, fdemu_ioctl(p, emu, FIONREAD, &y));
    agree("FIONREAD", 1, x, y);
  }
}

static void as_a_file_of_linux(uint64_t seed)
{
  struct stat a, b;

  setup();
  rng = seed * 5 + 1;
  host = memfd_create("capture", 0);
  if (host < 0)
    return;
  emu = capture(NULL, 0);
  same = true;
  for (int i = 0; i < 2000 && same; i++)
    step();
  fstat(host, &a);
  fdemu_fstat(p, emu, &b);
  agree("st_size", 0, a.st_size, b.st_size);
  agree("st_blksize", 0, a.st_blksize, b.st_blksize);
  CHECK(same);
  close(host);
  teardown();
}

/* Beyond what memory can be for, without trying. */
static void far_away(void)
{
  char c = 'x';
  int fd;
  int64_t count;

  setup();
  fd = capture(NULL, 0);
  count = test_heap.count;
  CHECK_EQ(fdemu_pwrite(p, fd, &c, 1, INT64_MAX - 1), -EFBIG);
  CHECK_EQ(fdemu_lseek(p, fd, INT64_MAX - 5, SEEK_SET), INT64_MAX - 5);
  CHECK_EQ(fdemu_read(p, fd, &c, 1), 0);
  CHECK_EQ(fdemu_write(p, fd, &c, 1), -EFBIG);
  CHECK_EQ(test_heap.count, count);
  teardown();
}

int main(void)
{
  keeps_what_is_written();
  something_else_is_not_one();
  a_fault_writes_nothing();
  far_away();
  for (uint64_t seed = 0; seed < 10; seed++)
    as_a_file_of_linux(seed);
  return test_summary();
}
