/* trace_test.c - lines as strace(1) prints them */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "fdemu_driver.h"
#include "test.h"

static struct fdemu_kernel *k;
static struct fdemu_proc *p;
static char lines[8][400];
static int nlines;

/* Every line is printed into buffers of all smaller sizes, too. */
static void on_event(void *ud, const struct fdemu_event *e)
{
  char line[400], small[400];
  size_t n = fdemu_format(e, line, sizeof line);

  CHECK(ud == &nlines);
  CHECK_EQ(n, strlen(line));
  for (size_t size = 0; size <= n + 1; size++) {
    memset(small, 'x', sizeof small);
    fdemu_format(e, small, size);
    if (small[size] != 'x' ||
        (size > 0 &&
         (strlen(small) != size - 1 || memcmp(small, line, size - 1) != 0))) {
      CHECK(!"a line in a small buffer is its beginning");
      break;
    }
  }
  if (nlines < 8)
    memcpy(lines[nlines], line, sizeof line);
  nlines++;
}

static const char *last(void)
{
  return nlines > 0 ? lines[(nlines - 1) % 8] : "nothing";
}

static void setup(void)
{
  k = test_kernel();
  p = fdemu_proc_new(k);
  CHECK_EQ(fdemu_std_devices(k), 0);
  fdemu_set_trace(k, on_event, &nlines);
  nlines = 0;
  memset(lines, 0, sizeof lines);
}

static void teardown(void)
{
  fdemu_set_trace(k, NULL, NULL);
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

#define LINE(call, want) \
  do { \
    nlines = 0; \
    call; \
    CHECK_EQ(nlines, 1); \
    CHECK_STR(last(), want); \
  } while (0)

static void calls(void)
{
  int fds[2], n;
  char buf[64];
  struct iovec v[3] = { { buf, 2 }, { buf + 2, 0 }, { buf + 2, 30 } };
  struct stat st;

  setup();
  LINE(fdemu_open(p, "/dev/null", O_RDWR, 0),
       "[pid  1] openat(AT_FDCWD, \"/dev/null\", O_RDWR) = 0");
  LINE(fdemu_open(p, "/none/\t\"", O_RDONLY | O_CREAT | O_CLOEXEC, 0640),
       "[pid  1] openat(AT_FDCWD, \"/none/\\t\\\"\", "
       "O_RDONLY|O_CREAT|O_CLOEXEC, 0640) = -1 ENOENT "
       "(No such file or directory)");
  LINE(fdemu_pipe2(p, fds, O_CLOEXEC), "[pid  1] pipe2([1, 2], O_CLOEXEC) = 0");
  fdemu_fcntl(p, 2, F_SETFL, O_NONBLOCK);
  LINE(fdemu_write(p, 2,
                   "a\0"
                   "1\n\377z",
                   6),
       "[pid  1] write(2, \"a\\0001\\n\\377z\", 6) = 6");
  LINE(fdemu_read(p, 1, buf, 64),
       "[pid  1] read(1, \"a\\0001\\n\\377z\", 64) = 6");
  LINE(fdemu_write(p, 2, "0123456789abcdefghijklmnopqrstuv", 32),
       "[pid  1] write(2, \"0123456789abcdefghijklmnopqrstuv\", 32) = 32");
  LINE(fdemu_write(p, 2, "0123456789abcdefghijklmnopqrstuvw", 33),
       "[pid  1] write(2, \"0123456789abcdefghijklmnopqrstuv\"..., 33) = 33");
  LINE(fdemu_readv(p, 1, v, 3),
       "[pid  1] readv(1, [{iov_base=\"01\", iov_len=2}, "
       "{iov_base=\"\", iov_len=0}, "
       "{iov_base=\"23456789abcdefghijklmnopqrstuv\", iov_len=30}], 3) = 32");
  LINE(fdemu_read(p, 99, buf, 5),
       "[pid  1] read(99, ?, 5) = -1 EBADF (Bad file descriptor)");
  LINE(fdemu_pread(p, 1, buf, 5, 7),
       "[pid  1] pread64(1, ?, 5, 7) = -1 ESPIPE (Illegal seek)");
  LINE(fdemu_lseek(p, 1, -3, SEEK_END),
       "[pid  1] lseek(1, -3, SEEK_END) = -1 ESPIPE (Illegal seek)");
  LINE(fdemu_ioctl(p, 1, FIONREAD, &n),
       "[pid  1] ioctl(1, FIONREAD, [33]) = 0");
  LINE(fdemu_fcntl(p, 1, F_GETFL, 0),
       "[pid  1] fcntl(1, F_GETFL) = 0 (flags O_RDONLY)");
  LINE(fdemu_fcntl(p, 1, F_SETFD, FD_CLOEXEC),
       "[pid  1] fcntl(1, F_SETFD, FD_CLOEXEC) = 0");
  LINE(fdemu_fcntl(p, 1, F_SETFL, O_NONBLOCK),
       "[pid  1] fcntl(1, F_SETFL, O_RDONLY|O_NONBLOCK) = 0");
  LINE(fdemu_fcntl(p, 1, F_SETPIPE_SZ, 8192),
       "[pid  1] fcntl(1, F_SETPIPE_SZ, 8192) = 8192");
  LINE(fdemu_dup(p, 1), "[pid  1] dup(1) = 3");
  LINE(fdemu_dup2(p, 1, 7), "[pid  1] dup2(1, 7) = 7");
  LINE(fdemu_dup3(p, 1, 8, O_CLOEXEC), "[pid  1] dup3(1, 8, O_CLOEXEC) = 8");
  LINE(fdemu_fstat(p, 1, &st),
       "[pid  1] fstat(1, {st_mode=S_IFIFO|0600, st_size=0, ...}) = 0");
  LINE(fdemu_close(p, 3), "[pid  1] close(3) = 0");
  LINE(fdemu_close(p, 3), "[pid  1] close(3) = -1 EBADF (Bad file descriptor)");
  LINE(fdemu_close_range(p, 3, ~0u, 0),
       "[pid  1] close_range(3, 4294967295, 0) = 0");
  teardown();
}

static void a_call_that_waits(void)
{
  int fds[2];
  char buf[16];
  struct fdemu_req r = { .call = &fdemu_calls[FDEMU_READ], .buf = { buf, 16 } };

  setup();
  fdemu_pipe2(p, fds, 0);
  r.fd = fds[0];
  nlines = 0;
  fdemu_submit(p, &r);
  fdemu_write(p, fds[1], "abc", 3);
  fdemu_run(k);
  CHECK_EQ(nlines, 3);
  CHECK_STR(lines[0], "[pid  1] read(0,  <unfinished ...>");
  CHECK_STR(lines[1], "[pid  1] write(1, \"abc\", 3) = 3");
  CHECK_STR(lines[2], "[pid  1] <... read resumed>\"abc\", 16) = 3");
  nlines = 0;
  fdemu_submit(p, &r);
  fdemu_dup(p, 0);
  fdemu_cancel(&r, EINTR);
  fdemu_run(k);
  CHECK_EQ(nlines, 3);
  CHECK_STR(lines[2], "[pid  1] <... read resumed>?, 16) = -1 EINTR "
                      "(Interrupted system call)");
  r.call = &fdemu_calls[FDEMU_WAIT];
  teardown();
}

/* Nothing came between: one line, unless time has passed. */
static void a_call_that_waits_alone(void)
{
  struct pollfd pfd = { .events = POLLIN };
  int fds[2];

  setup();
  fdemu_pipe2(p, fds, 0);
  LINE(fdemu_poll(p, &pfd, 1, 0),
       "[pid  1] poll([{fd=0, events=POLLIN}], 1, 0) = 0 (Timeout)");
  nlines = 0;
  fdemu_poll(p, &pfd, 1, 20);
  CHECK_EQ(nlines, 2);
  CHECK_STR(lines[0], "[pid  1] poll([{fd=0, events=POLLIN}], 1, 20 "
                      "<unfinished ...>");
  CHECK_STR(lines[1], "[pid  1] <... poll resumed>) = 0 (Timeout)");
  fdemu_write(p, fds[1], "x", 1);
  LINE(fdemu_poll(p, &pfd, 1, -1),
       "[pid  1] poll([{fd=0, events=POLLIN}], 1, -1) = 1 "
       "([{fd=0, revents=POLLIN}])");
  teardown();
}

static void processes(void)
{
  struct fdemu_proc *child;
  int status;

  setup();
  LINE(fdemu_wait(p, NULL),
       "[pid  1] wait4(-1, ?, 0, NULL) = -1 ECHILD (No child processes)");
  LINE(fdemu_fork(p, &child), "[pid  1] fork() = 2");
  LINE(fdemu_dup(child, 5), "[pid  2] dup(5) = -1 EBADF (Bad file descriptor)");
  fdemu_exit(child, 3);
  fdemu_proc_put(child);
  LINE(fdemu_wait(p, &status),
       "[pid  1] wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 3}], 0, NULL)"
       " = 2");
  for (int i = 3; i < 10; i++)
    fdemu_proc_put(fdemu_proc_new(k));
  child = fdemu_proc_new(k);
  LINE(fdemu_dup(child, 5), "[pid 10] dup(5) = -1 EBADF (Bad file descriptor)");
  fdemu_proc_put(child);
  teardown();
}

static void what_is_not_traced(void)
{
  struct fdemu_req r = { .call = &fdemu_calls[FDEMU_DUP], .quiet = true };

  setup();
  fdemu_submit(p, &r);
  r = (struct fdemu_req){ .call = &fdemu_calls[FDEMU_SLEEP], .timeout = 5 };
  fdemu_call(p, &r);
  CHECK_EQ(nlines, 0);
  fdemu_set_trace(k, NULL, NULL);
  fdemu_dup(p, 0);
  CHECK_EQ(nlines, 0);
  teardown();
}

/* What the request points to may be out of reach. */
static int no_load(const struct fdemu_mem *m, void *dst, const void *addr,
                   size_t n)
{
  (void)m;
  (void)dst;
  (void)addr;
  (void)n;
  return -EFAULT;
}

static void memory_out_of_reach(void)
{
  struct fdemu_mem mem = { .load = no_load };
  struct fdemu_req r = { .call = &fdemu_calls[FDEMU_WRITE], .mem = &mem };
  int fds[2];

  setup();
  fdemu_pipe2(p, fds, 0);
  r.fd = fds[1];
  r.buf.iov_len = 5;
  nlines = 0;
  fdemu_submit(p, &r);
  CHECK_EQ(nlines, 1);
  CHECK(strstr(last(), ", 5) = -1 EFAULT (Bad address)") != NULL);
  r.call = &fdemu_calls[FDEMU_POLL];
  r.buf.iov_len = 24;
  fdemu_submit(p, &r);
  r.call = &fdemu_calls[FDEMU_FSTAT];
  fdemu_submit(p, &r);
  CHECK_EQ(nlines, 3);
  teardown();
}

static void names_of_errors(void)
{
  CHECK_STR(fdemu_errname(EAGAIN), "EAGAIN");
  CHECK_STR(fdemu_errname(EPERM), "EPERM");
  CHECK_STR(fdemu_errname(EOVERFLOW), "EOVERFLOW");
  CHECK_STR(fdemu_errname(EOPNOTSUPP), "EOPNOTSUPP");
  CHECK(fdemu_errname(0) == NULL);
  CHECK(fdemu_errname(-1) == NULL);
  CHECK(fdemu_errname(4095) == NULL);
  CHECK(fdemu_errname(INT32_MIN) == NULL);
  CHECK_EQ(fdemu_errno("EAGAIN"), EAGAIN);
  CHECK_EQ(fdemu_errno("EWOULDBLOCK"), EAGAIN);
  CHECK_EQ(fdemu_errno("ENOTSUP"), EOPNOTSUPP);
  CHECK_EQ(fdemu_errno("EDEADLOCK"), EDEADLK);
  CHECK_EQ(fdemu_errno("Eagain"), 0);
  CHECK_EQ(fdemu_errno(""), 0);
  for (int e = 1; e <= 133; e++) {
    const char *name = fdemu_errname(e);
    if (e == 41 || e == 58) /* EWOULDBLOCK and EDEADLOCK of others */
      CHECK(name == NULL);
    else if (CHECK(name != NULL))
      CHECK_EQ(fdemu_errno(name), e);
  }
}

int main(void)
{
  calls();
  a_call_that_waits();
  a_call_that_waits_alone();
  processes();
  what_is_not_traced();
  memory_out_of_reach();
  names_of_errors();
  return test_summary();
}
