/* trace_test.c - lines as strace(1) prints them */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include <sys/un.h>

#include "fdemu_driver.h"
#include "fdemu_linux.h"
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
static void memory_out_of_reach(void)
{
  struct fdemu_req r = { .call = &fdemu_calls[FDEMU_WRITE],
                         .mem = &test_no_mem };
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

/* ---- by number ---------------------------------------------------------- */

/* A call by number, with addresses below a page out of reach. The lines are
 * strace's, but for what is known to a program only: "?" stands for it. */
#define NR(nr, want, ...) \
  LINE(fdemu_syscall(p, &test_mem, SYS_##nr, \
                     (const uint64_t[6]){ __VA_ARGS__ }), \
       "[pid  1] " want)
#define P(x)    ((uint64_t)(uintptr_t)(x))
#define CWD     ((uint64_t)AT_FDCWD)
#define EFAULT_ "-1 EFAULT (Bad address)"
#define EINVAL_ "-1 EINVAL (Invalid argument)"
#define EPERM_  "-1 EPERM (Operation not permitted)"
#define EBADF_  "-1 EBADF (Bad file descriptor)"
#define ENOTTY_ "-1 ENOTTY (Inappropriate ioctl for device)"

static void names_and_times(void)
{
  struct timespec ts[2] = { { 5, 6 }, { 0, UTIME_OMIT } };
  char buf[1000];
  struct stat st;

  setup();
  NR(mkdir, "mkdirat(AT_FDCWD, \"/d\", 0755) = 0", P("/d"), 0755);
  NR(open, "openat(AT_FDCWD, \"/d\", O_RDONLY) = 0", P("/d"), O_RDONLY);
  NR(getdents64, "getdents64(0, ? /* 2 entries */, 1000) = 48", 0, P(buf),
     sizeof buf);
  NR(getdents64, "getdents64(0, ? /* 0 entries */, 1000) = 0", 0, P(buf),
     sizeof buf);
  NR(utimensat,
     "utimensat(0, \"x\", [{tv_sec=5, tv_nsec=6}, UTIME_OMIT], 0) = "
     "-1 ENOENT (No such file or directory)",
     0, P("x"), P(ts), 0);
  ts[0].tv_nsec = UTIME_NOW;
  NR(utimensat,
     "utimensat(AT_FDCWD, \"/d\", [UTIME_NOW, UTIME_OMIT], "
     "AT_SYMLINK_NOFOLLOW) = 0",
     CWD, P("/d"), P(ts), AT_SYMLINK_NOFOLLOW);
  NR(utimensat, "utimensat(AT_FDCWD, \"/d\", NULL, 0) = 0", CWD, P("/d"));
  NR(mknodat, "mknodat(0, \"c\", S_IFCHR|0600, makedev(0x1, 0x3)) = " EPERM_, 0,
     P("c"), S_IFCHR | 0600, makedev(1, 3));
  NR(mknodat,
     "mknodat(0, \"c\", S_IFBLK|S_ISVTX|0600, makedev(0x12c, 0x11170)) = " EPERM_,
     0, P("c"), S_IFBLK | S_ISVTX | 0600, makedev(300, 70000));
  NR(mknod, "mknodat(AT_FDCWD, \"/d/p\", S_IFIFO|0644) = 0", P("/d/p"),
     S_IFIFO | 0644);
  NR(mknod, "mknodat(AT_FDCWD, \"/d/q\", 0644) = 0", P("/d/q"), 0644);
  NR(mknod, "mknodat(AT_FDCWD, \"/d/q\", 0170644) = " EINVAL_, P("/d/q"),
     0170644);
  NR(linkat,
     "linkat(AT_FDCWD, \"x\", 0, \"y\", AT_EMPTY_PATH|0x2000) = " EINVAL_, CWD,
     P("x"), 0, P("y"), AT_EMPTY_PATH | 0x2000);
  NR(linkat,
     "linkat(AT_FDCWD, \"x\", 0, \"y\", 0x200000 /* AT_??? */) = " EINVAL_, CWD,
     P("x"), 0, P("y"), 0x200000);
  NR(open,
     "openat(AT_FDCWD, \"/d\", O_ACCMODE|O_CLOEXEC|0x40000000) = "
     "-1 EISDIR (Is a directory)",
     P("/d"), O_ACCMODE | O_CLOEXEC | 0x40000000);
  NR(memfd_create, "memfd_create(\"x\", 0x700 /* MFD_??? */) = " EINVAL_,
     P("x"), 0x700);
  LINE(fdemu_fstatat(p, AT_FDCWD, "/dev/null", &st, 0),
       "[pid  1] newfstatat(AT_FDCWD, \"/dev/null\", {st_mode=S_IFCHR|0666, "
       "st_rdev=makedev(0x1, 0x3), ...}, 0) = 0");
  teardown();
}

static void descriptors_and_locks(void)
{
  struct flock fl = { .l_type = F_WRLCK };
  int fds[2], n = 0;

  setup();
  fdemu_pipe2(p, fds, 0);
  NR(fcntl, "fcntl(0, F_SETLK, NULL) = " EFAULT_, 0, F_SETLK, 0);
  NR(fcntl, "fcntl(0, F_SETLK, ?) = " EFAULT_, 0, F_SETLK, 8);
  NR(fcntl,
     "fcntl(0, F_GETLK, {l_type=F_UNLCK, l_whence=SEEK_SET, l_start=0, "
     "l_len=0, l_pid=0}) = 0",
     0, F_GETLK, P(&fl));
  fl.l_type = 9;
  fl.l_whence = 7;
  NR(fcntl,
     "fcntl(0, F_SETLK, {l_type=0x9 /* F_??? */, "
     "l_whence=0x7 /* SEEK_??? */, l_start=0, l_len=0}) = " EINVAL_,
     0, F_SETLK, P(&fl));
  NR(fcntl, "fcntl(0, 0x3039 /* F_??? */, 0x7) = " EINVAL_, 0, 12345, 7);
  NR(fcntl, "fcntl(0, F_SETFD, FD_CLOEXEC|0xfe) = 0", 0, F_SETFD, 0xff);
  NR(fcntl, "fcntl(0, F_GETFD) = 0x1 (flags FD_CLOEXEC)", 0, F_GETFD);
  NR(fcntl, "fcntl(0, F_SETFD, 0xfe /* FD_??? */) = 0", 0, F_SETFD, 0xfe);
  NR(fcntl, "fcntl(0, F_GETFD) = 0", 0, F_GETFD);
  NR(ioctl, "ioctl(0, FIONREAD, NULL) = " EFAULT_, 0, FIONREAD, 0);
  NR(ioctl, "ioctl(0, FIONREAD, 0x8) = " EFAULT_, 0, FIONREAD, 8);
  NR(ioctl, "ioctl(99, FIONREAD, ?) = " EBADF_, 99, FIONREAD, P(&n));
  NR(ioctl, "ioctl(0, FIONBIO, [0]) = 0", 0, FIONBIO, P(&n));
  NR(ioctl, "ioctl(0, FIOCLEX) = 0", 0, FIOCLEX, 8);
  NR(ioctl, "ioctl(0, _IOC(_IOC_NONE, 0x56, 0x78, 0x1234), 0x8) = " ENOTTY_, 0,
     0x12345678, 8);
  NR(ioctl, "ioctl(0, _IOC(_IOC_NONE, 0x56, 0x78, 0x1234), 0) = " ENOTTY_, 0,
     0x12345678, 0);
  NR(ioctl, "ioctl(0, _IOC(_IOC_NONE, 0x56, 0x78, 0x1234), ?) = " ENOTTY_, 0,
     0x12345678, P(&n));
  NR(flock, "flock(0, LOCK_EX|0x40) = " EINVAL_, 0, LOCK_EX | 64);
  NR(pipe2, "pipe2(?, 0x7000001 /* O_??? */) = " EINVAL_, P(fds), 0x7000001);
  NR(write, "write(1, ?, 3) = " EFAULT_, 1, 8, 3);
  NR(writev, "writev(1, ?, 2) = " EFAULT_, 1, 8, 2);
  NR(writev, "writev(1, [], 0) = 0", 1, 8, 0);
  NR(eventfd2, "eventfd2(3, 0x2 /* EFD_??? */) = " EINVAL_, 3, 2);
  teardown();
}

#define TIME(is, in, vs, vn) \
  "{it_interval={tv_sec=" #is ", tv_nsec=" #in "}, it_value={tv_sec=" #vs \
  ", tv_nsec=" #vn "}}"

static void events(void)
{
  struct epoll_event ev = { EPOLLIN | EPOLLET, { .u64 = 0x500000007 } };
  struct itimerspec it = { { 1, 2 }, { 3, 4 } }, old;
  struct pollfd fds[3] = { { 1, POLLIN, 0 },
                           { -1, POLLIN, 0 },
                           { 2, POLLOUT | 0x4000, 0 } };
  int ends[2];

  setup();
  NR(epoll_create1, "epoll_create1(0) = 0", 0);
  fdemu_pipe2(p, ends, 0);
  NR(epoll_ctl,
     "epoll_ctl(0, EPOLL_CTL_ADD, 1, {events=EPOLLIN|EPOLLET, "
     "data={u32=7, u64=21474836487}}) = 0",
     0, EPOLL_CTL_ADD, 1, P(&ev));
  NR(epoll_ctl, "epoll_ctl(0, EPOLL_CTL_MOD, 1, NULL) = " EFAULT_, 0,
     EPOLL_CTL_MOD, 1, 0);
  NR(epoll_ctl, "epoll_ctl(0, EPOLL_CTL_MOD, 1, ?) = " EFAULT_, 0,
     EPOLL_CTL_MOD, 1, 8);
  ev.events = 0;
  NR(epoll_ctl,
     "epoll_ctl(0, EPOLL_CTL_MOD, 1, {events=0, data={u32=7, "
     "u64=21474836487}}) = 0",
     0, EPOLL_CTL_MOD, 1, P(&ev));
  NR(epoll_ctl,
     "epoll_ctl(0, 0x9 /* EPOLL_CTL_??? */, 1, {events=0, data={u32=7, "
     "u64=21474836487}}) = " EINVAL_,
     0, 9, 1, P(&ev));
  ev.events = EPOLLOUT;
  fdemu_epoll_ctl(p, 0, EPOLL_CTL_ADD, 2, &ev);
  NR(epoll_wait,
     "epoll_wait(0, [{events=EPOLLOUT, data={u32=7, u64=21474836487}}], 1, 0)"
     " = 1",
     0, P(&ev), 1, 0);
  NR(epoll_wait, "epoll_wait(0, ?, 0, 0) = " EINVAL_, 0, P(&ev), 0, 0);
  NR(epoll_ctl, "epoll_ctl(0, EPOLL_CTL_DEL, 2, NULL) = 0", 0, EPOLL_CTL_DEL, 2,
     0);
  NR(epoll_create1, "epoll_create1(EPOLL_CLOEXEC|0x4) = " EINVAL_,
     EPOLL_CLOEXEC | 4);
  NR(poll,
     "poll([{fd=1, events=POLLIN}, {fd=-1}, {fd=2, events=POLLOUT|0x4000}], 3,"
     " 0) = 1 ([{fd=2, revents=POLLOUT}])",
     P(fds), 3, 0);
  NR(timerfd_create, "timerfd_create(CLOCK_REALTIME, 0) = 3", CLOCK_REALTIME);
  LINE(fdemu_timerfd_settime(p, 3, TFD_TIMER_ABSTIME, &it, NULL),
       "[pid  1] timerfd_settime(3, TFD_TIMER_ABSTIME, "
       "{it_interval={tv_sec=1, tv_nsec=2}, it_value={tv_sec=3, tv_nsec=4}}, "
       "NULL) = 0");
  NR(timerfd_settime, "timerfd_settime(3, 0, " TIME(1, 2, 3, 4) ", NULL) = 0",
     3, 0, P(&it), 0);
  NR(timerfd_settime,
     "timerfd_settime(3, 0, " TIME(1, 2, 3, 4) ", " TIME(1, 2, 3, 4) ") = 0", 3,
     0, P(&it), P(&old));
  NR(timerfd_settime,
     "timerfd_settime(3, 0, " TIME(1, 2, 3, 4) ", ?) = " EFAULT_, 3, 0, P(&it),
     8);
  NR(timerfd_settime, "timerfd_settime(3, 0, ?, NULL) = " EFAULT_, 3, 0, 8, 0);
  NR(timerfd_gettime, "timerfd_gettime(3, ?) = " EFAULT_, 3, 8);
  teardown();
}

/* What a message of one byte, "x", is in a line: with msg_control and the like
 * between. */
#define MSG(control) \
  "{msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"x\", iov_len=1}], " \
  "msg_iovlen=1, " control ", msg_flags=0}"

static void messages(void)
{
  char x = 'x', control[CMSG_SPACE(12)];
  struct iovec v = { &x, 1 };
  struct msghdr m = { .msg_iov = &v,
                      .msg_iovlen = 1,
                      .msg_control = control,
                      .msg_controllen = CMSG_LEN(12) };
  const struct cmsghdr h = { CMSG_LEN(12), SOL_SOCKET, SCM_CREDENTIALS };
  const struct ucred u = { 1, FDEMU_UID, FDEMU_UID };

  setup();
  memcpy(control, &h, sizeof h);
  memcpy(control + sizeof h, &u, sizeof u);
  fdemu_syscall(
      p, NULL, SYS_socketpair,
      (const uint64_t[6]){ AF_UNIX, SOCK_STREAM, 0, P(&(int[2]){ 0 }) });
  NR(sendmsg,
     "sendmsg(0, " MSG("msg_control=[{cmsg_len=28, cmsg_level=SOL_SOCKET, "
                       "cmsg_type=SCM_CREDENTIALS, cmsg_data={pid=1, uid=1000, "
                       "gid=1000}}], msg_controllen=28") ", 0) = 1",
     0, P(&m), 0);
  memcpy(control + sizeof h, &(struct ucred){ 2, FDEMU_UID, FDEMU_UID },
         sizeof u);
  NR(sendmsg,
     "sendmsg(0, " MSG("msg_control=[{cmsg_len=28, cmsg_level=SOL_SOCKET, "
                       "cmsg_type=SCM_CREDENTIALS, cmsg_data={pid=2, uid=1000, "
                       "gid=1000}}], msg_controllen=28") ", 0) = " EPERM_,
     0, P(&m), 0);
  m.msg_control = (void *)8;
  NR(sendmsg,
     "sendmsg(0, " MSG("msg_control=[], msg_controllen=28") ", 0) = " EFAULT_,
     0, P(&m), 0);
  m = (struct msghdr){ .msg_iov = (void *)8, .msg_iovlen = 1 };
  NR(sendmsg,
     "sendmsg(0, {msg_name=NULL, msg_namelen=0, msg_iov=?, msg_iovlen=1, "
     "msg_controllen=0, msg_flags=0}, 0) = " EFAULT_,
     0, P(&m), 0);
  NR(sendmsg, "sendmsg(0, NULL, 0) = " EFAULT_, 0, 0, 0);
  NR(sendmsg, "sendmsg(0, ?, 0) = " EFAULT_, 0, 8, 0);
  teardown();
}

/* When messages were sent, as a program that sends such data itself says. */
static void times_of_messages(void)
{
  static const struct {
    int type;
    size_t size;
    const char *line;
  } rows[] = {
    { SCM_TIMESTAMP, 16,
      "cmsg_type=SCM_TIMESTAMP, cmsg_data={tv_sec=5, tv_usec=6}}]" },
    { SCM_TIMESTAMPNS, 16,
      "cmsg_type=SCM_TIMESTAMPNS, cmsg_data={tv_sec=5, tv_nsec=6}}]" },
    { SCM_TIMESTAMPING, 48,
      "cmsg_type=SCM_TIMESTAMPING, cmsg_data=[{tv_sec=5, tv_nsec=6}, {tv_sec=7, tv_nsec=8}, {tv_sec=9, tv_nsec=10}]}]" },
  };
  const int64_t times[6] = { 5, 6, 7, 8, 9, 10 };
  char x = 'x', control[CMSG_SPACE(48)];
  struct iovec v = { &x, 1 };
  struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control };
  int fds[2];

  setup();
  CHECK_EQ(fdemu_socketpair(p, AF_UNIX, SOCK_STREAM, 0, fds), 0);
  for (int i = 0; i < 3; i++) {
    const struct cmsghdr h = { CMSG_LEN(rows[i].size), SOL_SOCKET,
                               rows[i].type };
    memcpy(control, &h, sizeof h);
    memcpy(control + sizeof h, times, sizeof times);
    m.msg_controllen = h.cmsg_len;
    CHECK_EQ(fdemu_sendmsg(p, fds[0], &m, 0), -EINVAL);
    CHECK(strstr(last(), rows[i].line) != NULL);
  }
  teardown();
}

static void socket_options(void)
{
  uint32_t size = 4, one = 1;
  struct sockaddr name;
  int n = 5;

  setup();
  fdemu_syscall(
      p, NULL, SYS_socketpair,
      (const uint64_t[6]){ AF_UNIX, SOCK_STREAM, 0, P(&(int[2]){ 0 }) });
  NR(setsockopt, "setsockopt(0, SOL_SOCKET, SO_RCVBUF, ?, 4) = " EFAULT_, 0,
     SOL_SOCKET, SO_RCVBUF, 8, 4);
  NR(setsockopt, "setsockopt(0, SOL_SOCKET, SO_RCVBUF, ?, 2) = " EINVAL_, 0,
     SOL_SOCKET, SO_RCVBUF, P(&n), 2);
  NR(setsockopt,
     "setsockopt(0, 6, 3, [5], 4) = "
     "-1 EOPNOTSUPP (Operation not supported)",
     0, 6, 3, P(&n), 4);
  NR(getsockopt, "getsockopt(0, SOL_SOCKET, SO_TYPE, [1], [4]) = 0", 0,
     SOL_SOCKET, SO_TYPE, P(&n), P(&size));
  NR(getsockopt,
     "getsockopt(0, SOL_SOCKET, 0x270f /* SO_??? */, ?, 4) = "
     "-1 ENOPROTOOPT (Protocol not available)",
     0, SOL_SOCKET, 9999, P(&n), P(&size));
  size = sizeof name;
  NR(getsockname, "getsockname(0, {sa_family=AF_UNIX}, [16 => 2]) = 0", 0,
     P(&name), P(&size));
  NR(getpeername, "getpeername(0, {sa_family=AF_UNIX}, [2]) = 0", 0, P(&name),
     P(&size));
  NR(getpeername, "getpeername(0, ?, [1 => 2]) = 0", 0, P(&name), P(&one));
  NR(close, "close(1) = 0", 1);
  NR(getpeername, "getpeername(1, ?, ?) = " EBADF_, 1, P(&name), P(&size));
  teardown();
}

/* As strace(1) shows them. */
static void names_of_sockets(void)
{
  struct sockaddr_un name = { 0 };
  struct iovec v = { (char[]){ 'x' }, 1 };
  struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
  uint32_t size = sizeof name, three = 3;
  int on = 1;

  setup();
  fdemu_syscall(
      p, NULL, SYS_socketpair,
      (const uint64_t[6]){ AF_UNIX, SOCK_DGRAM, 0, P(&(int[2]){ 0 }) });
  fdemu_setsockopt(p, 0, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
  fdemu_send(p, 0, "x", 1, 0);
  fdemu_send(p, 0, "x", 1, 0);
  NR(getsockname,
     "getsockname(0, {sa_family=AF_UNIX, sun_path=@\"00000\"}, [110 => 8]) = 0",
     0, P(&name), P(&size));
  NR(sendto,
     "sendto(1, \"y\", 1, 0, {sa_family=AF_UNIX, sun_path=@\"00000\"}, 8) = 1",
     1, P("y"), 1, 0, P(&name), 8);
  NR(sendto,
     "sendto(1, \"y\", 1, 0, {sa_family=AF_UNIX, sun_path=\"a\"}, 3) = "
     "-1 ENOENT (No such file or directory)",
     1, P("y"), 1, 0, P(&((struct sockaddr_un){ AF_UNIX, "a" })), 3);
  NR(sendto,
     "sendto(1, \"y\", 1, 0, {sa_family=AF_UNIX, sun_path=\"a\"}, 110) = "
     "-1 ENOENT (No such file or directory)",
     1, P("y"), 1, 0, P(&((struct sockaddr_un){ AF_UNIX, "a" })), sizeof name);
  NR(sendto,
     "sendto(1, \"y\", 1, 0, {sa_family=AF_UNIX, sun_path=\""
     "0123456789012345678901234567890123456789\"}, 42) = "
     "-1 ENOENT (No such file or directory)",
     1, P("y"), 1, 0,
     P(&((struct sockaddr_un){ AF_UNIX,
                               "0123456789012345678901234567890123456789" })),
     42);
  size = sizeof name;
  NR(recvfrom,
     "recvfrom(1, \"x\", 1, 0, {sa_family=AF_UNIX, sun_path=@\"00000\"}, "
     "[110 => 8]) = 1",
     1, P(v.iov_base), 1, 0, P(&name), P(&size));
  NR(recvfrom, "recvfrom(1, ?, 1, MSG_DONTWAIT, NULL, [8]) = " EFAULT_, 1, 8, 1,
     MSG_DONTWAIT, P(&name), P(&size));
  fdemu_send(p, 0, "x", 1, 0);
  NR(recvfrom,
     "recvfrom(1, \"x\", 1, 0, {sa_family=AF_UNIX, sun_path=@\"\"}, "
     "[3 => 8]) = 1",
     1, P(v.iov_base), 1, 0, P(&name), P(&three));
  fdemu_send(p, 0, "x", 1, 0);
  m.msg_name = &name;
  m.msg_namelen = sizeof name;
  NR(recvmsg,
     "recvmsg(1, {msg_name={sa_family=AF_UNIX, sun_path=@\"00000\"}, "
     "msg_namelen=110 => 8, msg_iov=[{iov_base=\"x\", iov_len=1}], "
     "msg_iovlen=1, msg_controllen=0, msg_flags=0}, 0) = 1",
     1, P(&m), 0);
  NR(sendmsg,
     "sendmsg(1, {msg_name={sa_family=AF_UNIX, sun_path=@\"00000\"}, "
     "msg_namelen=8, msg_iov=[{iov_base=\"x\", iov_len=1}], msg_iovlen=1, "
     "msg_controllen=0, msg_flags=0}, 0) = 1",
     1, P(&m), 0);
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
  names_and_times();
  descriptors_and_locks();
  events();
  messages();
  times_of_messages();
  socket_options();
  names_of_sockets();
  names_of_errors();
  return test_summary();
}
