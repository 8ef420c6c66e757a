/* host_test.c - descriptors of the host: real pipes and files */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"

static char got[300000];

static bool is_open(int hostfd)
{
  return fcntl(hostfd, F_GETFD) >= 0;
}

static void who_owns_what(void)
{
  struct fdemu_file *f = NULL;

  begin();
  CHECK_EQ(pipe(host), 0);
  fd[0] = adopt(host[0]);
  fd[1] = borrow(host[1]);
  CHECK_EQ(fdemu_close(p, fd[0]), 0);
  CHECK_EQ(fdemu_close(p, fd[1]), 0);
  CHECK(!is_open(host[0]));
  CHECK(is_open(host[1]));
  close(host[1]);
  CHECK_EQ(fdemu_host_new(k, host[1], true, &f), -EBADF);
  CHECK_EQ(fdemu_host_new(k, -1, true, &f), -EBADF);
  end();
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
  end();
}

static void modes_are_the_hosts(void)
{
  char c;

  begin_pipe();
  CHECK_EQ(fdemu_fcntl(p, fd[0], F_GETFL, 0), O_RDONLY);
  CHECK_EQ(fdemu_fcntl(p, fd[1], F_GETFL, 0), O_WRONLY);
  CHECK_EQ(fdemu_read(p, fd[1], &c, 1), -EBADF);
  CHECK_EQ(fdemu_write(p, fd[0], &c, 1), -EBADF);
  CHECK_EQ(fdemu_lseek(p, fd[0], 0, SEEK_CUR), -ESPIPE);
  CHECK_EQ(fdemu_pread(p, fd[0], &c, 1, 0), -ESPIPE);
  CHECK_EQ(fdemu_fcntl(p, fd[0], F_SETFL, O_NONBLOCK), 0);
  CHECK_EQ(fcntl(host[0], F_GETFL) & O_NONBLOCK, 0); /* the host's own */
  CHECK_EQ(fdemu_read(p, fd[0], &c, 1), -EAGAIN);
  end();
}

static void bytes_pass(void)
{
  char buf[8] = "";
  int n = -1;
  struct pollfd pfd[2] = { { .events = POLLIN }, { .events = POLLOUT } };

  begin_pipe();
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
  end();
}

/* Nothing wanted: nothing to wait for. */
static void counts_of_zero(void)
{
  char c = 0;
  struct fdemu_req r = { .call = &fdemu_calls[FDEMU_READ],
                         .buf = { &c, 0 },
                         .dontwait = true };

  begin_pipe();
  r.fd = fd[0];
  CHECK_EQ(fdemu_submit(p, &r), 0);
  fdemu_fcntl(p, fd[1], F_SETFL, O_NONBLOCK);
  CHECK_EQ(fdemu_write(p, fd[1], big, sizeof big), 65536);
  CHECK_EQ(fdemu_write(p, fd[1], &c, 1), -EAGAIN);
  CHECK_EQ(fdemu_write(p, fd[1], &c, 0), 0);
  end();
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

  begin_pipe();
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
  end();
}

/* More than the host's pipe takes, from an emulated task to another. */
static void there_and_back(void)
{
  struct fdemu_req w = { .call = &fdemu_calls[FDEMU_WRITE],
                         .buf = { big, sizeof big } };
  size_t n = 0;

  begin_pipe();
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
  end();
}

static void broken_pipe(void)
{
  begin_pipe();
  CHECK_EQ(fdemu_close(p, fd[0]), 0);
  CHECK_EQ(fdemu_write(p, fd[1], "x", 1), -EPIPE);
  end();
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
                               .fd = adopt(ends[i][0]),
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
  end();
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
  begin_pipe();
  f = adopt(h);
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
  end();
}

static int64_t cut_run(uint64_t seed)
{
  struct fdemu_config c = { .seed = seed, .short_counts = 0.5 };
  int h = memfd_create("file", 0), f;
  int64_t sum = 0, at = 0, n;

  begin_with(&c);
  CHECK_EQ(pipe(host), 0);
  f = adopt(h);
  adopt_both();
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
  end();
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

  begin_pipe();
  f = adopt(open("/", O_RDONLY | O_DIRECTORY));
  CHECK_EQ(fdemu_read(p, f, &c, 1), -EISDIR);
  end();
}

/* A fault in the middle of a file moves its position only by what arrived. */
static void a_fault_loses_nothing_of_a_file(void)
{
  struct fdemu_req r = { .call = &fdemu_calls[FDEMU_READ],
                         .mem = &test_no_mem,
                         .buf = { got, 5 } };
  int h = memfd_create("file", 0);

  begin_pipe();
  r.fd = adopt(h);
  CHECK_EQ(fdemu_write(p, r.fd, "hello", 5), 5);
  CHECK_EQ(fdemu_lseek(p, r.fd, 0, SEEK_SET), 0);
  CHECK_EQ(fdemu_submit(p, &r), -EFAULT);
  CHECK_EQ(fdemu_lseek(p, r.fd, 0, SEEK_CUR), 0);
  end();
}

static int64_t vector(int no, int f, const struct iovec *v, int n)
{
  struct fdemu_req r = { .call = &fdemu_calls[no],
                         .fd = f,
                         .mem = &only_shown,
                         .iov = v,
                         .iovcnt = n,
                         .dontwait = true };

  return fdemu_submit(p, &r);
}

static void a_fault_loses_nothing_of_a_stream(void)
{
  struct iovec v[2] = { { shown, 5 }, { big, 5 } };
  char c;

  begin_pipe();
  CHECK_EQ(fdemu_write(p, fd[1], "hello", 5), 5);
  CHECK_EQ(vector(FDEMU_READV, fd[0], &v[1], 1), -EFAULT);
  CHECK_EQ(vector(FDEMU_READV, fd[0], v, 2), 5);
  CHECK(memcmp(shown, "hello", 5) == 0);
  CHECK_EQ(vector(FDEMU_WRITEV, fd[1], &v[1], 1), -EFAULT);
  CHECK_EQ(vector(FDEMU_READV, fd[0], v, 1), -EAGAIN);
  CHECK_EQ(vector(FDEMU_WRITEV, fd[1], v, 1), 5);
  CHECK_EQ(fdemu_read(p, fd[0], &c, 1), 1);
  CHECK_EQ(c, 'h');
  end();
}

/* More than is kept on the stack, by way of an accessor. */
static void long_copies(void)
{
  struct fdemu_req w = { .call = &fdemu_calls[FDEMU_WRITE],
                         .mem = &test_mem,
                         .buf = { big, 60000 } };
  struct fdemu_req r = { .call = &fdemu_calls[FDEMU_READ],
                         .mem = &test_mem,
                         .buf = { got, 60000 } };

  begin_pipe();
  memset(got, 0, sizeof got);
  w.fd = fd[1];
  r.fd = fd[0];
  test_heap.fail_at = test_heap.count + 1;
  CHECK_EQ(fdemu_submit(p, &w), -ENOMEM);
  test_heap.fail_at = 0;
  CHECK_EQ(fdemu_submit(p, &w), 60000);
  CHECK_EQ(fdemu_submit(p, &r), 60000);
  CHECK(memcmp(big, got, 60000) == 0);
  end();
}

/* ---- what waits must not stop the others ------------------------------ */

static void an_eventfd_that_would_overflow_waits(void)
{
  uint64_t most = UINT64_MAX - 1, n = 0;
  int h = eventfd(0, 0), e;
  struct fdemu_req w = { .call = &fdemu_calls[FDEMU_WRITE],
                         .buf = { &most, sizeof most } };

  begin_pipe();
  e = adopt(h);
  CHECK_EQ(fdemu_write(p, e, &most, 8), 8);
  w.fd = e;
  CHECK_EQ(fdemu_submit(p, &w), FDEMU_PENDING);
  CHECK_EQ(fcntl(h, F_GETFL) & O_NONBLOCK, 0); /* it is as it was */
  CHECK_EQ(fdemu_read(p, e, &n, 8), 8);
  CHECK(n == most);
  while (w.result == FDEMU_PENDING && fdemu_tick(k, INT64_MAX))
    fdemu_run(k);
  CHECK_EQ(w.result, 8);
  CHECK_EQ(fdemu_write(p, e, &most, 7), -EINVAL);
  CHECK_EQ(fdemu_read(p, e, &n, 0), -EINVAL);
  end();
}

static void a_nearly_full_pipe_takes_what_fits(void)
{
  begin_pipe();
  CHECK_EQ(fdemu_write(p, fd[1], big, 65535), 65535);
  CHECK_EQ(fdemu_write(p, fd[1], "x", 1), 1);
  end();
}

/* RWF_NOWAIT is nothing for a FIFO. */
static void a_fifo_is_asked_first(void)
{
  char path[] = "/tmp/fdemu-host-XXXXXX";
  struct fdemu_req w = { .call = &fdemu_calls[FDEMU_WRITE],
                         .buf = { big, 100000 } };
  unsigned signals[FDEMU_NSIG];
  size_t n = 0;
  int h;

  begin_pipe();
  CHECK(mkdtemp(path) != NULL);
  chdir(path);
  CHECK_EQ(mkfifo("fifo", 0600), 0);
  h = open("fifo", O_RDONLY | O_NONBLOCK);
  w.fd = adopt(open("fifo", O_WRONLY));
  fcntl(h, F_SETFL, 0);
  fd[0] = adopt(h);
  CHECK_EQ(fdemu_submit(p, &w), FDEMU_PENDING);
  while (n < 100000) {
    int64_t m = fdemu_read(p, fd[0], got, 5000);
    if (!CHECK(m > 0))
      break;
    n += (size_t)m;
  }
  fdemu_run(k);
  CHECK_EQ(w.result, 100000);
  CHECK_EQ(fdemu_fcntl(p, fd[0], F_SETFL, O_NONBLOCK), 0);
  CHECK_EQ(fdemu_read(p, fd[0], got, 1), -EAGAIN);
  CHECK_EQ(fdemu_close(p, fd[0]), 0);
  signal(SIGPIPE, SIG_DFL); /* it is not this process's */
  CHECK_EQ(fdemu_write(p, w.fd, "x", 1), -EPIPE);
  signal(SIGPIPE, SIG_IGN);
  fdemu_signals(p, signals);
  CHECK_EQ(signals[SIGPIPE], 1);
  unlink("fifo");
  chdir("/");
  rmdir(path);
  end();
}

static int interest(int ep, int f, uint32_t events)
{
  struct epoll_event ev = { .events = events, .data.u64 = 7 };

  return fdemu_epoll_ctl(p, ep, EPOLL_CTL_ADD, f, &ev);
}

static void an_edge_is_told_once(void)
{
  struct epoll_event ev;
  int ep;

  begin_pipe();
  ep = fdemu_epoll_create1(p, 0);
  CHECK_EQ(interest(ep, fd[0], EPOLLIN | (uint32_t)EPOLLET), 0);
  CHECK_EQ(fdemu_epoll_wait(p, ep, &ev, 1, 0), 0);
  CHECK_EQ(write(host[1], "a", 1), 1); /* nobody here knows */
  CHECK_EQ(fdemu_epoll_wait(p, ep, &ev, 1, 0), 1);
  CHECK_EQ(ev.events, EPOLLIN);
  CHECK_EQ(fdemu_epoll_wait(p, ep, &ev, 1, 0), 0);
  CHECK_EQ(write(host[1], "b", 1), 1);
  CHECK_EQ(fdemu_epoll_wait(p, ep, &ev, 1, -1), 1);
  CHECK_EQ(fdemu_epoll_wait(p, ep, &ev, 1, 5), 0);
  CHECK_EQ(fdemu_now(k), INT64_C(5000000));
  end();
}

/* The number that it was made with is the caller's to close. */
static void who_watches_outlives_the_number(void)
{
  struct epoll_event ev;
  int ep;

  begin();
  CHECK_EQ(pipe(host), 0);
  fd[0] = borrow(host[0]);
  fd[1] = adopt(host[1]);
  ep = fdemu_epoll_create1(p, 0);
  CHECK_EQ(interest(ep, fd[0], EPOLLIN), 0);
  CHECK_EQ(fdemu_epoll_wait(p, ep, &ev, 1, 0), 0);
  close(host[0]);
  CHECK_EQ(fdemu_close(p, fd[0]), 0);
  CHECK_EQ(fdemu_write(p, fd[1], "x", 1), -EPIPE);
  CHECK_EQ(fdemu_epoll_wait(p, ep, &ev, 1, 5), 0);
  end();
}

static void what_cannot_be_polled_is_not_for_epoll(void)
{
  int ep;

  begin_pipe();
  ep = fdemu_epoll_create1(p, 0);
  CHECK_EQ(interest(ep, adopt(memfd_create("f", 0)), EPOLLIN), -EPERM);
  CHECK_EQ(interest(ep, adopt(open("/dev/null", O_RDWR)), EPOLLIN), -EPERM);
  CHECK_EQ(interest(ep, adopt(open("/", O_RDONLY)), EPOLLIN), -EPERM);
  CHECK_EQ(interest(ep, adopt(eventfd(0, 0)), EPOLLIN), 0);
  end();
}

/* ---- what only the host knows ----------------------------------------- */

static void calls_are_passed_on(void)
{
  int h = memfd_create("file", MFD_ALLOW_SEALING), f, n = -1;
  struct timespec t[2] = { { 5, 6 }, { 7, 8 } };
  int flags[2] = { -1, -1 };
  struct fdemu_req chmods = { .call = &fdemu_fchmod_call, .arg = 0640 };
  struct fdemu_req times = { .call = &fdemu_utimensat_call,
                             .buf = { t, sizeof t } };
  struct stat st;

  begin_pipe();
  chmods.fd = times.fd = f = adopt(h);
  CHECK_EQ(fdemu_ftruncate(p, f, 100), 0);
  CHECK_EQ(fdemu_fallocate(p, f, 0, 0, 5000), 0);
  CHECK_EQ(fdemu_call(p, &chmods), 0);
  CHECK_EQ(fdemu_call(p, &times), 0);
  CHECK_EQ(fstat(h, &st), 0);
  CHECK_EQ(st.st_size, 5000);
  CHECK_EQ(st.st_mode & 0777, 0640);
  CHECK(st.st_atim.tv_sec == 5 && st.st_mtim.tv_nsec == 8);
  CHECK_EQ(fdemu_fsync(p, f), 0);
  CHECK_EQ(fdemu_fdatasync(p, f), 0);
  CHECK_EQ(fdemu_ioctl(p, f, FS_IOC_GETFLAGS, flags), 0);
  CHECK_EQ(flags[1], -1); /* it is an int, whatever the number says */
  CHECK_EQ(fdemu_fcntl(p, f, F_ADD_SEALS, F_SEAL_GROW), 0);
  CHECK_EQ(fdemu_ftruncate(p, f, 6000), -EPERM);
  CHECK_EQ(fdemu_fcntl(p, f, F_GET_SEALS, 0), F_SEAL_GROW);
  CHECK_EQ(fdemu_fsync(p, fd[0]), -EINVAL);
  CHECK_EQ(fdemu_ftruncate(p, fd[1], 0), -EINVAL);
  CHECK_EQ(fdemu_fallocate(p, fd[1], 0, 0, 1), -ESPIPE);
  CHECK_EQ(fdemu_fcntl(p, fd[0], F_GETPIPE_SZ, 0), 65536);
  CHECK_EQ(fdemu_fcntl(p, fd[0], F_SETPIPE_SZ, 4096), 4096);
  CHECK_EQ(fcntl(host[0], F_GETPIPE_SZ), 4096);
  CHECK_EQ(fdemu_ioctl(p, fd[0], TIOCOUTQ, &n), -ENOTTY);
  CHECK_EQ(fdemu_ioctl(p, fd[0], 0x4321, &n), -ENOTTY);
  CHECK_EQ(fdemu_ioctl(p, fd[0], _IOWR('x', 1, int), &n), -ENOTTY);
  end();
}

static void flags_are_the_hosts_but_o_nonblock(void)
{
  int h, f;

  begin();
  h = open("/dev/null", O_RDWR | O_NONBLOCK);
  f = adopt(h);
  CHECK_EQ(fdemu_fcntl(p, f, F_GETFL, 0), fcntl(h, F_GETFL));
  CHECK_EQ(fdemu_fcntl(p, f, F_GETFL, 0) & 0100000, 0100000); /* O_LARGEFILE */
  CHECK_EQ(fdemu_fcntl(p, f, F_SETFL, O_APPEND), 0);
  CHECK_EQ(fcntl(h, F_GETFL) & (O_APPEND | O_NONBLOCK), O_APPEND | O_NONBLOCK);
  CHECK_EQ(fdemu_fcntl(p, f, F_GETFL, 0) & (O_APPEND | O_NONBLOCK), O_APPEND);
  CHECK_EQ(fdemu_fcntl(p, f, F_SETFL, O_ASYNC), 0); /* it cannot */
  CHECK_EQ(fdemu_fcntl(p, f, F_GETFL, 0) & (O_ASYNC | O_APPEND), 0);
  end();
}

static void devices_have_offsets(void)
{
  char c = 'x';
  int z;

  begin_pipe();
  z = adopt(open("/dev/zero", O_RDWR));
  CHECK_EQ(fdemu_pread(p, z, &c, 1, 5), 1);
  CHECK_EQ(c, 0);
  CHECK_EQ(fdemu_pwrite(p, z, &c, 1, 5), 1);
  CHECK_EQ(fdemu_read(p, z, got, sizeof got), sizeof got);
  z = adopt(open("/dev/full", O_RDWR));
  CHECK_EQ(fdemu_write(p, z, "x", 1), -ENOSPC);
  end();
}

/* A terminal's ioctls, and its other end. */
static void terminals(void)
{
  struct winsize w = { .ws_row = 5, .ws_col = 6 };
  int master = posix_openpt(O_RDWR | O_NOCTTY), n = -1, m, t;
  char buf[8] = "";

  if (master < 0)
    return;
  begin_pipe();
  grantpt(master);
  unlockpt(master);
  t = adopt(open(ptsname(master), O_RDWR | O_NOCTTY));
  m = adopt(master);
  CHECK_EQ(fdemu_isatty(p, t), 1);
  CHECK_EQ(fdemu_ioctl(p, t, TIOCSWINSZ, &w), 0);
  memset(&w, 0, sizeof w);
  CHECK_EQ(fdemu_ioctl(p, m, TIOCGWINSZ, &w), 0);
  CHECK(w.ws_row == 5 && w.ws_col == 6);
  CHECK_EQ(fdemu_ioctl(p, t, TIOCOUTQ, &n), 0);
  CHECK_EQ(n, 0);
  CHECK_EQ(fdemu_ioctl(p, m, TIOCGPTN, &n), 0); /* it says how much it is */
  CHECK(n >= 0);
  CHECK_EQ(fdemu_ioctl(p, t, TCFLSH, (void *)2), 0);
  CHECK_EQ(fdemu_write(p, m, "hi\n", 3), 3);
  CHECK_EQ(fdemu_read(p, t, buf, 8), 3);
  CHECK_STR(buf, "hi\n");
  CHECK_EQ(fdemu_fcntl(p, t, F_SETFL, O_NONBLOCK), 0);
  CHECK_EQ(fdemu_read(p, t, buf, 8), -EAGAIN);
  CHECK_EQ(fdemu_pread(p, t, buf, 8, 0), -ESPIPE);
  end();
}

/* Nobody reads what is written to it. */
static void a_full_terminal_waits(void)
{
  int master = posix_openpt(O_RDWR | O_NOCTTY), h;
  struct fdemu_req w = { .call = &fdemu_calls[FDEMU_WRITE],
                         .buf = { big, 100000 } };
  size_t n = 0;

  if (master < 0)
    return;
  begin_pipe();
  grantpt(master);
  unlockpt(master);
  h = open(ptsname(master), O_RDWR | O_NOCTTY);
  w.fd = adopt(h);
  fd[0] = adopt(master);
  memset(big, 'x', 100000); /* no newlines, which would become two bytes */
  CHECK_EQ(fdemu_submit(p, &w), FDEMU_PENDING);
  CHECK_EQ(fcntl(h, F_GETFL) & O_NONBLOCK, 0);
  while (n < 100000) {
    int64_t m = fdemu_read(p, fd[0], got, sizeof got);
    if (!CHECK(m > 0))
      break;
    n += (size_t)m;
  }
  fdemu_run(k);
  CHECK_EQ(w.result, 100000);
  /* the other way a line is too long, and ends where it does not fit */
  w.fd = fd[0];
  fdemu_submit(p, &w);
  fdemu_abandon(&w);
  end();
}

/* ---- sockets ---------------------------------------------------------- */

/* fd[] are those of a pair of the host's. */
static void pair_of(int type)
{
  k = test_kernel();
  p = fdemu_proc_new(k);
  CHECK_EQ(socketpair(AF_UNIX, type, 0, host), 0);
  adopt_both();
}

static void messages_stay_whole(void)
{
  int n = 0;

  pair_of(SOCK_DGRAM);
  CHECK_EQ(fdemu_write(p, fd[0], big, 9000), 9000);
  CHECK_EQ(fdemu_write(p, fd[0], "", 0), 0);
  CHECK_EQ(fdemu_send(p, fd[0], big, 20000, 0), 20000);
  CHECK_EQ(fdemu_ioctl(p, fd[1], FIONREAD, &n), 0);
  CHECK_EQ(n, 9000);
  CHECK_EQ(fdemu_recv(p, fd[1], got, 10, MSG_PEEK | MSG_TRUNC), 9000);
  CHECK_EQ(fdemu_read(p, fd[1], got, sizeof got), 9000);
  CHECK_EQ(fdemu_read(p, fd[1], got, sizeof got), 0);
  CHECK_EQ(fdemu_recv(p, fd[1], got, sizeof got, 0), 20000);
  CHECK(memcmp(got, big, 20000) == 0);
  CHECK_EQ(fdemu_recv(p, fd[1], got, 1, MSG_DONTWAIT), -EAGAIN);
  end();
}

static void half_closed(void)
{
  struct pollfd pfd = { .events = POLLIN | POLLRDHUP | POLLWRBAND };
  unsigned signals[FDEMU_NSIG];
  char c;

  pair_of(SOCK_STREAM);
  CHECK_EQ(fdemu_shutdown(p, fd[1], SHUT_WR), 0);
  pfd.fd = fd[0];
  CHECK_EQ(fdemu_poll(p, &pfd, 1, 0), 1);
  CHECK_EQ(pfd.revents, POLLIN | POLLRDHUP | POLLWRBAND);
  CHECK_EQ(fdemu_read(p, fd[0], &c, 1), 0);
  CHECK_EQ(fdemu_send(p, fd[1], "x", 1, MSG_NOSIGNAL), -EPIPE);
  fdemu_signals(p, signals);
  CHECK_EQ(signals[SIGPIPE], 0);
  CHECK_EQ(fdemu_write(p, fd[1], "x", 1), -EPIPE);
  fdemu_signals(p, signals);
  CHECK_EQ(signals[SIGPIPE], 1);
  CHECK_EQ(fdemu_shutdown(p, fd[1], 3), -EINVAL);
  end();
  begin_pipe();
  CHECK_EQ(fdemu_shutdown(p, fd[0], SHUT_RD), -ENOTSOCK);
  CHECK_EQ(fdemu_send(p, fd[1], "x", 1, 0), -ENOTSOCK);
  end();
}

static void options_and_names(void)
{
  union {
    struct sockaddr any;
    struct sockaddr_un un;
  } a;
  struct timeval tv = { 2, 0 };
  socklen_t n = sizeof a;
  int type = 0;
  char c;

  pair_of(SOCK_STREAM);
  n = sizeof type;
  CHECK_EQ(fdemu_getsockopt(p, fd[0], SOL_SOCKET, SO_TYPE, &type, &n), 0);
  CHECK_EQ(type, SOCK_STREAM);
  n = sizeof a;
  CHECK_EQ(fdemu_getsockname(p, fd[0], &a.any, &n), 0);
  CHECK_EQ(n, sizeof(sa_family_t));
  CHECK_EQ(a.un.sun_family, AF_UNIX);
  n = sizeof a;
  CHECK_EQ(fdemu_getpeername(p, fd[0], &a.any, &n), 0);
  /* how long it waits is in time that is not the host's */
  CHECK_EQ(fdemu_setsockopt(p, fd[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv),
           0);
  CHECK_EQ(fdemu_recv(p, fd[0], &c, 1, 0), -EAGAIN);
  CHECK_EQ(fdemu_now(k), INT64_C(2000000000));
  CHECK_EQ(fdemu_read(p, fd[0], &c, 1), -EAGAIN);
  CHECK_EQ(fdemu_now(k), INT64_C(4000000000));
  end();
}

static void all_of_it(void)
{
  struct fdemu_req r = { .call = &fdemu_recvfrom_call,
                         .buf = { got, 10 },
                         .cmd = MSG_WAITALL };

  pair_of(SOCK_STREAM);
  r.fd = fd[0];
  CHECK_EQ(fdemu_write(p, fd[1], "01234", 5), 5);
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  CHECK_EQ(fdemu_write(p, fd[1], "56789", 5), 5);
  CHECK(fdemu_tick(k, INT64_MAX));
  fdemu_run(k);
  CHECK_EQ(r.result, 10);
  CHECK(memcmp(got, "0123456789", 10) == 0);
  end();
}

/* A message with descriptors. */
static int64_t send_fds(int f, const int *fds, int n)
{
  union {
    struct cmsghdr c;
    char room[CMSG_SPACE(4 * sizeof(int))];
  } x = { .c = { CMSG_LEN((size_t)n * sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
  char byte = 'm';
  struct iovec iov = { &byte, 1 };
  struct msghdr m = { .msg_iov = &iov,
                      .msg_iovlen = 1,
                      .msg_control = &x,
                      .msg_controllen = CMSG_SPACE((size_t)n * sizeof(int)) };

  memcpy(CMSG_DATA(&x.c), fds, (size_t)n * sizeof *fds);
  return fdemu_sendmsg(p, f, &m, 0);
}

static int64_t recv_fds(int f, int *fds, int n, int *flags, size_t *len)
{
  union {
    struct cmsghdr c;
    char room[CMSG_SPACE(4 * sizeof(int))];
  } x;
  char byte;
  struct iovec iov = { &byte, 1 };
  struct msghdr m = { .msg_iov = &iov,
                      .msg_iovlen = 1,
                      .msg_control = &x,
                      .msg_controllen = sizeof x };
  int64_t result = fdemu_recvmsg(p, f, &m, MSG_CMSG_CLOEXEC);

  memcpy(fds, CMSG_DATA(&x.c), (size_t)n * sizeof *fds);
  *flags = m.msg_flags;
  *len = m.msg_controllen > 0 ? x.c.cmsg_len : 0;
  return result;
}

static void descriptors_travel(void)
{
  int mine, e, fds[2], flags;
  uint64_t n = 5;
  size_t len;

  pair_of(SOCK_STREAM);
  e = adopt(eventfd(0, 0));
  mine = fdemu_eventfd(p, 0, 0);
  CHECK_EQ(send_fds(fd[0], &mine, 1), -EXDEV); /* it is not the host's */
  CHECK_EQ(send_fds(fd[0], (int[]){ 99 }, 1), -EBADF);
  CHECK_EQ(send_fds(fd[0], (int[]){ e, e }, 2), 1);
  CHECK_EQ(recv_fds(fd[1], fds, 2, &flags, &len), 1);
  CHECK_EQ(len, CMSG_LEN(2 * sizeof(int)));
  CHECK_EQ(fdemu_write(p, fds[0], &n, 8), 8);
  n = 0;
  CHECK_EQ(fdemu_read(p, e, &n, 8), 8);
  CHECK_EQ(n, 5);
  CHECK_EQ(fdemu_fcntl(p, fds[1], F_GETFD, 0), FD_CLOEXEC);
  /* one number is left */
  CHECK_EQ(fdemu_set_nofile(p, fds[1] + 2, 1024), 0);
  CHECK_EQ(send_fds(fd[0], (int[]){ e, e }, 2), 1);
  CHECK_EQ(recv_fds(fd[1], fds, 1, &flags, &len), 1);
  CHECK_EQ(len, CMSG_LEN(sizeof(int)));
  CHECK(flags & MSG_CTRUNC);
  end();
}

/* ---- moving ----------------------------------------------------------- */

static int64_t move(const struct fdemu_call *call, int in, int out, size_t n,
                    struct fdemu_req *r)
{
  *r = (struct fdemu_req){
    .call = call, .fd = in, .arg = out, .buf = { NULL, n }
  };
  return fdemu_submit(p, r);
}

static void bytes_move_at_the_host(void)
{
  struct fdemu_req r;
  int f, g, other[2], h = memfd_create("f", 0);

  begin_pipe();
  f = adopt(h);
  CHECK_EQ(fdemu_write(p, f, "0123456789", 10), 10);
  CHECK_EQ(fdemu_lseek(p, f, 2, SEEK_SET), 2);
  CHECK_EQ(move(&fdemu_sendfile_call, f, fd[1], 5, &r), 5);
  CHECK_EQ(lseek(h, 0, SEEK_CUR), 7);
  CHECK_EQ(pipe(host), 0);
  other[0] = adopt(host[0]);
  other[1] = adopt(host[1]);
  CHECK_EQ(move(&fdemu_tee_call, fd[0], other[1], 5, &r), 5);
  CHECK_EQ(move(&fdemu_splice_call, fd[0], other[1], 5, &r), 5);
  CHECK_EQ(move(&fdemu_splice_call, fd[0], other[1], 5, &r), FDEMU_PENDING);
  CHECK_EQ(fdemu_write(p, fd[1], "x", 1), 1);
  CHECK(fdemu_tick(k, INT64_MAX));
  fdemu_run(k);
  CHECK_EQ(r.result, 1);
  g = fdemu_memfd_create(p, "g", 0); /* not the host's */
  CHECK_EQ(move(&fdemu_splice_call, other[0], g, 5, &r), -EINVAL);
  CHECK_EQ(fdemu_read(p, other[0], got, 20), 11);
  CHECK(memcmp(got, "2345623456x", 11) == 0);
  CHECK_EQ(fdemu_close(p, other[0]), 0);
  CHECK_EQ(move(&fdemu_sendfile_call, f, other[1], 1, &r), -EPIPE);
  end();
}

/* The host's pipe gets pages of its own: the caller may change his. */
static void pages_are_given_to_the_host(void)
{
  static _Alignas(4096) char large[20 * 4096];
  char mine[] = "mine", *volatile spare = mine;
  struct iovec v[2] = { { mine, 2 }, { mine + 2, 2 } };
  struct fdemu_req r = {
    .call = &fdemu_vmsplice_call, .fd = -1, .iov = v, .iovcnt = 2
  };

  begin_pipe();
  CHECK_EQ(fdemu_vmsplice(p, fd[1], v, 2, 0), 4);
  memset(spare, 'x', 4);
  CHECK_EQ(fdemu_vmsplice(p, fd[0], v, 1, 0), 2);
  CHECK(memcmp(mine, "mixx", 4) == 0);
  CHECK_EQ(fdemu_read(p, fd[0], got, 10), 2);
  CHECK(memcmp(got, "ne", 2) == 0);
  CHECK_EQ(fdemu_vmsplice(p, fd[0], v, 2, SPLICE_F_NONBLOCK), -EAGAIN);
  CHECK_EQ(fdemu_vmsplice(p, fd[0], v, -1, 0), -EINVAL);
  CHECK_EQ(fdemu_vmsplice(p, fd[0], v, 0, 0), 0);
  r.fd = fd[0];
  CHECK_EQ(fdemu_submit(p, &r), FDEMU_PENDING);
  CHECK_EQ(fdemu_write(p, fd[1], "late", 4), 4);
  CHECK(fdemu_tick(k, INT64_MAX));
  fdemu_run(k);
  CHECK_EQ(r.result, 4);
  CHECK(memcmp(mine, "late", 4) == 0);
  fdemu_abandon(&r);
  v[0] = (struct iovec){ large, sizeof large };
  CHECK_EQ(fdemu_vmsplice(p, fd[1], v, 1, SPLICE_F_NONBLOCK), 16 * 4096);
  CHECK_EQ(fdemu_vmsplice(p, fd[1], v, 1, SPLICE_F_NONBLOCK), -EAGAIN);
  CHECK_EQ(fdemu_close(p, fd[0]), 0);
  CHECK_EQ(fdemu_vmsplice(p, fd[1], v, 1, 0), -EPIPE);
  end();
}

/* Of what is no terminal. */
static void a_pipe_has_no_window(void)
{
  char size[8];

  begin_pipe();
  CHECK_EQ(fdemu_ioctl(p, fd[0], TIOCGWINSZ, size), -ENOTTY);
  CHECK_EQ(fdemu_ioctl(p, fd[0], TCGETS, NULL), -ENOTTY);
  end();
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
  a_fault_loses_nothing_of_a_stream();
  long_copies();
  an_eventfd_that_would_overflow_waits();
  a_nearly_full_pipe_takes_what_fits();
  a_fifo_is_asked_first();
  an_edge_is_told_once();
  who_watches_outlives_the_number();
  what_cannot_be_polled_is_not_for_epoll();
  calls_are_passed_on();
  flags_are_the_hosts_but_o_nonblock();
  devices_have_offsets();
  terminals();
  a_full_terminal_waits();
  messages_stay_whole();
  half_closed();
  options_and_names();
  all_of_it();
  descriptors_travel();
  bytes_move_at_the_host();
  pages_are_given_to_the_host();
  return test_summary();
}
