/* host_test.c - descriptors of the host: real pipes and files */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fdemu_driver.h"
#include "test.h"

static struct fdemu_kernel *k;
static struct fdemu_proc *p;
static int host[2], fd[2]; /* a real pipe, and its ends in p */
static char big[300000], got[300000];

static int adopt(int hostfd, bool owned)
{
  struct fdemu_file *f = NULL;

  CHECK_EQ(fdemu_host_new(k, hostfd, owned, &f), 0);
  return f != NULL ? fdemu_install(p, f, 0, false) : -1;
}

static void setup_with(const struct fdemu_config *c)
{
  k = test_kernel_with(c);
  p = fdemu_proc_new(k);
  CHECK_EQ(pipe(host), 0);
}

static void setup(void)
{
  setup_with(NULL);
  fd[0] = adopt(host[0], true);
  fd[1] = adopt(host[1], true);
}

static void teardown(void)
{
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

static bool is_open(int hostfd)
{
  return fcntl(hostfd, F_GETFD) >= 0;
}

static void who_owns_what(void)
{
  struct fdemu_file *f = NULL;

  setup_with(NULL);
  fd[0] = adopt(host[0], true);
  fd[1] = adopt(host[1], false);
  CHECK_EQ(fdemu_close(p, fd[0]), 0);
  CHECK_EQ(fdemu_close(p, fd[1]), 0);
  CHECK(!is_open(host[0]));
  CHECK(is_open(host[1]));
  close(host[1]);
  CHECK_EQ(fdemu_host_new(k, host[1], true, &f), -EBADF);
  CHECK_EQ(fdemu_host_new(k, -1, true, &f), -EBADF);
  teardown();
  CHECK_EQ(pipe(host), 0);
  k = test_kernel();
  p = fdemu_proc_new(k);
  for (int i = 1; i < 10; i++) { /* without memory it stays the caller's */
    int error;
    test_heap.fail_at = test_heap.count + i;
    error = fdemu_host_new(k, host[0], true, &f);
    test_heap.fail_at = 0;
    CHECK(is_open(host[0]));
    if (error == 0) {
      CHECK(i > 1);
      fdemu_file_put(f);
      break;
    }
    CHECK_EQ(error, -ENOMEM);
  }
  CHECK(!is_open(host[0]));
  close(host[1]);
  teardown();
}

static void modes_are_the_hosts(void)
{
  char c;

  setup();
  CHECK_EQ(fdemu_fcntl(p, fd[0], F_GETFL, 0), O_RDONLY);
  CHECK_EQ(fdemu_fcntl(p, fd[1], F_GETFL, 0), O_WRONLY);
  CHECK_EQ(fdemu_read(p, fd[1], &c, 1), -EBADF);
  CHECK_EQ(fdemu_write(p, fd[0], &c, 1), -EBADF);
  CHECK_EQ(fdemu_lseek(p, fd[0], 0, SEEK_CUR), -ESPIPE);
  CHECK_EQ(fdemu_pread(p, fd[0], &c, 1, 0), -ESPIPE);
  CHECK_EQ(fdemu_fcntl(p, fd[0], F_SETFL, O_NONBLOCK), 0);
  CHECK_EQ(fcntl(host[0], F_GETFL) & O_NONBLOCK, 0); /* the host's own */
  CHECK_EQ(fdemu_read(p, fd[0], &c, 1), -EAGAIN);
  teardown();
}

static void bytes_pass(void)
{
  char buf[8] = "";
  int n = -1;
  struct pollfd pfd[2] = { { .events = POLLIN }, { .events = POLLOUT } };

  setup();
  pfd[0].fd = fd[0];
  pfd[1].fd = fd[1];
  CHECK_EQ(fdemu_poll(p, pfd, 2, 0), 1);
  CHECK_EQ(pfd[1].revents, POLLOUT);
  CHECK_EQ(write(host[1], "abc", 3), 3);
  CHECK_EQ(fdemu_poll(p, pfd, 2, -1), 2);
  CHECK_EQ(pfd[0].revents, POLLIN);
  CHECK_EQ(fdemu_ioctl(p, fd[0], FIONREAD, &n), 0);
  CHECK_EQ(n, 3);
  CHECK_EQ(fdemu_write(p, fd[1], "de", 2), 2);
  CHECK_EQ(fdemu_read(p, fd[0], buf, 8), 5);
  CHECK_STR(buf, "abcde");
  CHECK_EQ(fdemu_isatty(p, fd[0]), -ENOTTY);
  CHECK_EQ(fdemu_close(p, fd[1]), 0);
  CHECK_EQ(fdemu_read(p, fd[0], buf, 8), 0);
  CHECK_EQ(fdemu_poll(p, pfd, 1, -1), 1);
  CHECK_EQ(pfd[0].revents, POLLHUP);
  teardown();
}

/* Nothing wanted: nothing to wait for. */
static void counts_of_zero(void)
{
  char c = 0;
  struct fdemu_req r = { .call = &fdemu_calls[FDEMU_READ],
                         .buf = { &c, 0 },
                         .dontwait = true };

  setup();
  r.fd = fd[0];
  CHECK_EQ(fdemu_submit(p, &r), 0);
  fdemu_fcntl(p, fd[1], F_SETFL, O_NONBLOCK);
  CHECK_EQ(fdemu_write(p, fd[1], big, sizeof big), 65536);
  CHECK_EQ(fdemu_write(p, fd[1], &c, 1), -EAGAIN);
  CHECK_EQ(fdemu_write(p, fd[1], &c, 0), 0);
  teardown();
}

/* Another process of the host does after a while what ours waits for. */
static pid_t later(void (*act)(void))
{
  pid_t pid = fork();

  if (pid == 0) {
    usleep(30000);
    act();
    _exit(0);
  }
  return pid;
}

static void act_write(void)
{
  if (write(host[1], "late", 4) != 4)
    _exit(1);
}

static void waits_for_the_host(void)
{
  char buf[8] = "";
  struct fdemu_req r = { .call = &fdemu_calls[FDEMU_READ], .buf = { buf, 8 } };
  pid_t pid;

  setup();
  CHECK(!fdemu_tick(k, INT64_MAX)); /* nobody waits for the host */
  pid = later(act_write);
  CHECK_EQ(fdemu_read(p, fd[0], buf, 8), 4);
  CHECK_STR(buf, "late");
  waitpid(pid, NULL, 0);
  CHECK_EQ(fdemu_now(k), 0);
  /* while anything else can be done, the host is only looked at */
  r.fd = fd[0];
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  CHECK_EQ(fdemu_poll(p, NULL, 0, 1000), 0);
  CHECK_EQ(fdemu_now(k), INT64_C(1000000000));
  CHECK_EQ(r.result, FDEMU_PENDING);
  CHECK(!fdemu_tick(k, fdemu_now(k) + 5)); /* nor with a limit */
  CHECK_EQ(write(host[1], "now", 3), 3);
  CHECK(fdemu_tick(k, INT64_MAX));
  CHECK_EQ(fdemu_run(k), 0);
  CHECK_EQ(r.result, 3);
  pid = later(act_write); /* poll() waits for the host, too */
  {
    struct pollfd pfd = { .fd = fd[0], .events = POLLIN };
    CHECK_EQ(fdemu_poll(p, &pfd, 1, -1), 1);
    CHECK_EQ(pfd.revents, POLLIN);
  }
  waitpid(pid, NULL, 0);
  teardown();
}

/* More than the host's pipe takes, from an emulated task to another. */
static void there_and_back(void)
{
  struct fdemu_req w = { .call = &fdemu_calls[FDEMU_WRITE],
                         .buf = { big, sizeof big } };
  size_t n = 0;

  setup();
  for (size_t i = 0; i < sizeof big; i++)
    big[i] = (char)(i * 13 + i / 509);
  w.fd = fd[1];
  CHECK_EQ(fdemu_submit(p, &w), FDEMU_PENDING);
  while (n < sizeof big) {
    int64_t m = fdemu_read(p, fd[0], got + n, 7777);
    if (!CHECK(m > 0))
      break;
    n += (size_t)m;
  }
  fdemu_run(k);
  CHECK_EQ(w.result, (int64_t)sizeof big);
  CHECK(memcmp(big, got, sizeof big) == 0);
  teardown();
}

static void broken_pipe(void)
{
  setup();
  CHECK_EQ(fdemu_close(p, fd[0]), 0);
  CHECK_EQ(fdemu_write(p, fd[1], "x", 1), -EPIPE);
  teardown();
}

/* More of them than one poll(2) asks about. */
enum { N = 150 };

static int ends[N][2];

static void act_many(void)
{
  if (write(ends[N - 2][1], "y", 1) != 1)
    _exit(1);
}

static void many(void)
{
  static struct fdemu_req r[N];
  char buf[N];
  pid_t pid;

  k = test_kernel();
  p = fdemu_proc_new(k);
  for (int i = 0; i < N; i++) {
    CHECK_EQ(pipe(ends[i]), 0);
    r[i] = (struct fdemu_req){ .call = &fdemu_calls[FDEMU_READ],
                               .fd = adopt(ends[i][0], true),
                               .buf = { &buf[i], 1 } };
    CHECK_EQ(fdemu_submit(p, &r[i]), FDEMU_PENDING);
  }
  for (int i = N - 1; i >= 0; i -= 49) {
    CHECK_EQ(write(ends[i][1], "x", 1), 1);
    CHECK(fdemu_tick(k, INT64_MAX));
    fdemu_run(k);
    CHECK_EQ(r[i].result, 1);
  }
  pid = later(act_many); /* it is not among those asked about first */
  for (int i = 0; i < 100 && r[N - 2].result == FDEMU_PENDING; i++) {
    CHECK(fdemu_tick(k, INT64_MAX));
    fdemu_run(k);
  }
  CHECK_EQ(r[N - 2].result, 1);
  waitpid(pid, NULL, 0);
  for (int i = 0; i < N; i++) {
    fdemu_abandon(&r[i]);
    close(ends[i][1]);
  }
  teardown();
}

static void files(void)
{
  int h = memfd_create("file", 0), f, n = -1;
  char buf[16] = "";
  struct iovec v[3] = { { buf, 2 }, { buf, 0 }, { buf + 2, 9 } };
  struct pollfd pfd = { .events = POLLIN | POLLOUT | POLLPRI };
  struct stat st;

  if (h < 0)
    return;
  setup();
  f = adopt(h, true);
  CHECK_EQ(fdemu_write(p, f, "hello world", 11), 11);
  CHECK_EQ(lseek(h, 0, SEEK_CUR), 11); /* one position, the host's */
  CHECK_EQ(fdemu_lseek(p, f, 3, SEEK_SET), 3);
  CHECK_EQ(fdemu_ioctl(p, f, FIONREAD, &n), 0);
  CHECK_EQ(n, 8);
  CHECK_EQ(fdemu_readv(p, f, v, 3), 8);
  CHECK_STR(buf, "lo world");
  CHECK_EQ(fdemu_read(p, f, buf, 16), 0);
  CHECK_EQ(fdemu_pread(p, f, buf, 5, 6), 5);
  CHECK(memcmp(buf, "world", 5) == 0);
  CHECK_EQ(fdemu_pwrite(p, f, "W", 1, 6), 1);
  CHECK_EQ(fdemu_lseek(p, f, 0, SEEK_END), 11);
  CHECK_EQ(fdemu_lseek(p, f, -12, SEEK_CUR), -EINVAL);
  CHECK_EQ(fdemu_fstat(p, f, &st), 0);
  CHECK(S_ISREG(st.st_mode) && st.st_size == 11);
  pfd.fd = f;
  CHECK_EQ(fdemu_poll(p, &pfd, 1, -1), 1);
  CHECK_EQ(pfd.revents, POLLIN | POLLOUT);
  CHECK_EQ(fdemu_write(p, f, big, sizeof big), sizeof big);
  CHECK_EQ(fdemu_pread(p, f, got, sizeof got, 11), sizeof big);
  CHECK(memcmp(big, got, sizeof big) == 0);
  teardown();
}

static int64_t cut_run(uint64_t seed)
{
  struct fdemu_config c = { .seed = seed, .short_counts = 0.5 };
  int h = memfd_create("file", 0), f;
  int64_t sum = 0, at = 0, n;

  setup_with(&c);
  f = adopt(h, true);
  fd[0] = adopt(host[0], true);
  fd[1] = adopt(host[1], true);
  CHECK_EQ(write(h, big, sizeof big), sizeof big);
  fdemu_lseek(p, f, 0, SEEK_SET);
  memset(got, 0, sizeof got);
  while ((n = fdemu_read(p, f, got + at, 9999)) > 0) {
    at += n;
    sum = sum % 1000003 * 31 + n;
  }
  CHECK_EQ(n, 0);
  CHECK_EQ(at, sizeof big);
  CHECK(memcmp(big, got, sizeof big) == 0);
  CHECK_EQ(fdemu_write(p, fd[1], big, 5000), 5000); /* a stream is not cut */
  teardown();
  return sum;
}

static void short_counts(void)
{
  CHECK_EQ(cut_run(3), cut_run(3));
  CHECK(cut_run(3) != cut_run(4));
}

static void a_directory_cannot_be_read(void)
{
  char c;
  int f;

  setup();
  f = adopt(open("/", O_RDONLY | O_DIRECTORY), true);
  CHECK_EQ(fdemu_read(p, f, &c, 1), -EISDIR);
  teardown();
}

/* A fault in the middle of a file moves its position only by what arrived. */
static int no_store(const struct fdemu_mem *m, void *addr, const void *src,
                    size_t n)
{
  (void)m;
  (void)addr;
  (void)src;
  (void)n;
  return -EFAULT;
}

static void a_fault_loses_nothing_of_a_file(void)
{
  static const struct fdemu_mem mem = { .store = no_store };
  struct fdemu_req r = { .call = &fdemu_calls[FDEMU_READ],
                         .mem = &mem,
                         .buf = { NULL, 5 } };
  int h = memfd_create("file", 0);

  setup();
  r.fd = adopt(h, true);
  CHECK_EQ(fdemu_write(p, r.fd, "hello", 5), 5);
  CHECK_EQ(fdemu_lseek(p, r.fd, 0, SEEK_SET), 0);
  CHECK_EQ(fdemu_submit(p, &r), -EFAULT);
  CHECK_EQ(fdemu_lseek(p, r.fd, 0, SEEK_CUR), 0);
  teardown();
}

/* Linux's would keep what it could not store. */
static void a_fault_loses_what_came_from_a_stream(void)
{
  static const struct fdemu_mem mem = { .store = no_store };
  struct fdemu_req r = { .call = &fdemu_calls[FDEMU_READ],
                         .mem = &mem,
                         .buf = { NULL, 5 } };
  char c;

  setup();
  CHECK_EQ(fdemu_fcntl(p, fd[0], F_SETFL, O_NONBLOCK), 0);
  CHECK_EQ(fdemu_write(p, fd[1], "hello", 5), 5);
  r.fd = fd[0];
  CHECK_EQ(fdemu_submit(p, &r), -EFAULT);
  CHECK_EQ(fdemu_read(p, fd[0], &c, 1), -EAGAIN);
  teardown();
}

/* Of what is no terminal. */
static void a_pipe_has_no_window(void)
{
  char size[8];

  setup();
  CHECK_EQ(fdemu_ioctl(p, fd[0], TIOCGWINSZ, size), -ENOTTY);
  CHECK_EQ(fdemu_ioctl(p, fd[0], TCGETS, NULL), -ENOTTY);
  teardown();
}

int main(void)
{
  signal(SIGPIPE, SIG_IGN);
  who_owns_what();
  modes_are_the_hosts();
  bytes_pass();
  counts_of_zero();
  waits_for_the_host();
  there_and_back();
  broken_pipe();
  many();
  files();
  a_pipe_has_no_window();
  short_counts();
  a_directory_cannot_be_read();
  a_fault_loses_nothing_of_a_file();
  a_fault_loses_what_came_from_a_stream();
  return test_summary();
}
