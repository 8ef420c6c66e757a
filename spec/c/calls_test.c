/*
 * calls_test.c - calls as functions: each passes on all that it is given, and
 * what comes back; and where sockets and names are unlike Linux's
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "test.h"

static struct fdemu_kernel *k;
static struct fdemu_proc *p;

static void setup(void)
{
  k = test_kernel();
  CHECK_EQ(fdemu_std_devices(k), 0);
  p = fdemu_proc_new(k);
}

static void teardown(void)
{
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

static struct stat stat_of(const char *path)
{
  struct stat st = { 0 };

  CHECK_EQ(fdemu_fstatat(p, AT_FDCWD, path, &st, 0), 0);
  return st;
}

static void attributes_by_path_and_by_descriptor(void)
{
  struct timespec times[2] = { { 11, 1 }, { 22, 2 } };
  int d, fd;

  setup();
  CHECK_EQ(fdemu_umask(p, 027), 022);
  CHECK_EQ(fdemu_umask(p, 077), 027);
  CHECK_EQ(fdemu_mkdirat(p, AT_FDCWD, "d", 0777), 0);
  CHECK_EQ(stat_of("d").st_mode & 07777, 0700);
  d = fdemu_open(p, "d", O_RDONLY | O_DIRECTORY, 0);
  fd = fdemu_openat(p, d, "f", O_CREAT | O_RDWR, 0666);
  CHECK_EQ(stat_of("d/f").st_mode & 07777, 0600);
  CHECK_EQ(fdemu_fchmodat(p, d, "f", 0640, 0), 0);
  CHECK_EQ(stat_of("d/f").st_mode & 07777, 0640);
  CHECK_EQ(fdemu_fchmod(p, fd, 0400), 0);
  CHECK_EQ(stat_of("d/f").st_mode & 07777, 0400);
  CHECK_EQ(fdemu_faccessat(p, d, "f", R_OK, 0), 0);
  CHECK_EQ(fdemu_faccessat(p, d, "f", W_OK, 0), -EACCES);
  CHECK_EQ(fdemu_fchownat(p, d, "f", (uid_t)-1, (gid_t)-1, 0), 0);
  CHECK_EQ(fdemu_fchownat(p, d, "f", 0, (gid_t)-1, 0), -EPERM);
  CHECK_EQ(fdemu_fchown(p, fd, (uid_t)-1, 0), -EPERM);
  CHECK_EQ(fdemu_utimensat(p, d, "f", times, 0), 0);
  CHECK_EQ(stat_of("d/f").st_atim.tv_sec, 11);
  CHECK_EQ(stat_of("d/f").st_mtim.tv_nsec, 2);
  CHECK_EQ(fdemu_utimensat(p, d, "g", NULL, 0), -ENOENT);
  CHECK_EQ(fdemu_truncate(p, "d/f", 7), -EACCES);
  CHECK_EQ(fdemu_fchmod(p, fd, 0600), 0);
  CHECK_EQ(fdemu_truncate(p, "d/f", 7), 0);
  CHECK_EQ(stat_of("d/f").st_size, 7);
  CHECK_EQ(fdemu_fsync(p, fd), 0);
  CHECK_EQ(fdemu_fdatasync(p, fd), 0);
  CHECK_EQ(fdemu_fsync(p, 99), -EBADF);
  CHECK_EQ(fdemu_fdatasync(p, 99), -EBADF);
  teardown();
}

static void where_names_begin(void)
{
  _Alignas(struct dirent64) char buf[512];
  const struct dirent64 *first = (const void *)buf;
  int d;

  setup();
  CHECK_EQ(fdemu_mkdirat(p, AT_FDCWD, "d", 0755), 0);
  d = fdemu_open(p, "d", O_RDONLY, 0);
  CHECK_EQ(fdemu_symlinkat(p, "to here", d, "l"), 0);
  CHECK_EQ(fdemu_getcwd(p, buf, sizeof buf), 2);
  CHECK_EQ(fdemu_fchdir(p, d), 0);
  CHECK_EQ(fdemu_getcwd(p, buf, sizeof buf), 3);
  CHECK_STR(buf, "/d");
  CHECK_EQ(fdemu_getcwd(p, buf, 2), -ERANGE);
  CHECK_EQ(fdemu_readlinkat(p, AT_FDCWD, "l", buf, 4), 4);
  CHECK(memcmp(buf, "to h", 4) == 0);
  CHECK_EQ(fdemu_getdents64(p, d, buf, sizeof buf), 24 + 24 + 24);
  CHECK_STR(first->d_name, ".");
  CHECK_EQ(fdemu_getdents64(p, d, buf, sizeof buf), 0);
  teardown();
}

static void locks_of_descriptions(void)
{
  int a, b;

  setup();
  a = fdemu_open(p, "f", O_CREAT | O_RDWR, 0600);
  b = fdemu_open(p, "f", O_RDWR, 0);
  CHECK_EQ(fdemu_flock(p, a, LOCK_EX), 0);
  CHECK_EQ(fdemu_flock(p, b, LOCK_SH | LOCK_NB), -EAGAIN);
  CHECK_EQ(fdemu_flock(p, a, LOCK_UN), 0);
  CHECK_EQ(fdemu_flock(p, b, LOCK_SH | LOCK_NB), 0);
  teardown();
}

/* Of a pipe with a byte in it, by numbers that Linux's has as well. */
static void select_as_linux_does(void)
{
  const struct timespec none = { 0, 0 }, bad = { 0, 1000000000 };
  int there[2], here[2];
  fd_set in[2], out[2], except[2];

  setup();
  CHECK_EQ(pipe(there), 0);
  CHECK_EQ(fdemu_pipe2(p, here, 0), 0);
  CHECK_EQ(fdemu_dup2(p, here[0], there[0] + 20), there[0] + 20);
  CHECK_EQ(fdemu_dup2(p, here[1], there[0] + 21), there[0] + 21);
  CHECK_EQ(dup2(there[0], there[0] + 20), there[0] + 20);
  CHECK_EQ(dup2(there[1], there[0] + 21), there[0] + 21);
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < 2; i++) {
      FD_ZERO(&in[i]);
      FD_ZERO(&out[i]);
      FD_ZERO(&except[i]);
      FD_SET(there[0] + 20, &in[i]);
      FD_SET(there[0] + 21, &out[i]);
      FD_SET(there[0] + 20, &except[i]);
    }
    CHECK_EQ(fdemu_select(p, there[0] + 22, &in[0], &out[0], &except[0], &none),
             pselect(there[0] + 22, &in[1], &out[1], &except[1], &none, NULL));
    CHECK(memcmp(&in[0], &in[1], sizeof in[0]) == 0);
    CHECK(memcmp(&out[0], &out[1], sizeof out[0]) == 0);
    CHECK(memcmp(&except[0], &except[1], sizeof except[0]) == 0);
    CHECK_EQ(write(there[1], "x", 1), fdemu_write(p, here[1], "x", 1));
  }
  CHECK_EQ(fdemu_select(p, -1, NULL, NULL, NULL, &none), -EINVAL);
  CHECK_EQ(fdemu_select(p, 0, NULL, NULL, NULL, &bad), -EINVAL);
  CHECK_EQ(fdemu_select(p, 1 << 20, NULL, NULL, NULL, &none), 0);
  for (int i = 0; i < 2; i++) {
    close(there[i]);
    close(there[0] + 20 + i);
  }
  teardown();
}

static void names_of_sockets(void)
{
  struct sockaddr_un name = { 0 };
  socklen_t n = sizeof name;
  int s[2];

  setup();
  CHECK_EQ(fdemu_socketpair(p, AF_UNIX, SOCK_STREAM, 0, s), 0);
  CHECK_EQ(fdemu_getsockname(p, s[0], (struct sockaddr *)&name, &n), 0);
  CHECK_EQ(n, sizeof(sa_family_t));
  CHECK_EQ(name.sun_family, AF_UNIX);
  n = 1;
  CHECK_EQ(fdemu_getpeername(p, s[0], (struct sockaddr *)&name, &n), 0);
  CHECK_EQ(n, sizeof(sa_family_t));
  CHECK_EQ(fdemu_shutdown(p, s[0], SHUT_RDWR), 0);
  n = 77;
  CHECK_EQ(fdemu_getpeername(p, 99, (struct sockaddr *)&name, &n), -EBADF);
  CHECK_EQ(n, 77);
  teardown();
}

static void a_datagram_to_a_name_finds_no_socket(void)
{
  struct sockaddr_un to = { AF_UNIX, "/f" };
  struct iovec v = { (char[]){ 'x' }, 1 };
  struct msghdr m = {
    .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &v, .msg_iovlen = 1
  };
  int s;

  setup();
  CHECK(fdemu_open(p, "/f", O_CREAT | O_RDWR, 0600) >= 0);
  s = fdemu_socket(p, AF_UNIX, SOCK_DGRAM, 0);
  CHECK_EQ(fdemu_sendmsg(p, s, &m, 0), -ECONNREFUSED);
  to.sun_path[1] = 'g';
  CHECK_EQ(fdemu_sendmsg(p, s, &m, 0), -ENOENT);
  to.sun_path[0] = '\0'; /* an abstract name */
  CHECK_EQ(fdemu_sendmsg(p, s, &m, 0), -ECONNREFUSED);
  to.sun_family = AF_INET;
  CHECK_EQ(fdemu_sendmsg(p, s, &m, 0), -EINVAL);
  teardown();
}

/* Nor is more of it looked at than an address can have. */
static void a_datagram_to_no_address_is_for_nobody(void)
{
  struct sockaddr_storage to = { .ss_family = AF_UNIX };
  struct iovec v = { (char[]){ 'x' }, 1 };
  struct msghdr m = {
    .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &v, .msg_iovlen = 1
  };
  struct fdemu_req r = {
    .call = &fdemu_sendmsg_call, .iov = &v, .iovcnt = 1, .msg = &m
  };
  int fds[2];

  setup();
  CHECK_EQ(fdemu_socketpair(p, AF_UNIX, SOCK_DGRAM, 0, fds), 0);
  r.fd = fds[0];
  for (m.msg_namelen = 1; m.msg_namelen <= sizeof to; m.msg_namelen++)
    if (m.msg_namelen <= sizeof(sa_family_t) ||
        m.msg_namelen > sizeof(struct sockaddr_un)) {
      CHECK_EQ(fdemu_submit(p, &r), -EINVAL);
      CHECK(fdemu_socket_peer(fdemu_file_at(p, fds[0]), &r) == NULL);
    }
  m.msg_namelen = 0;
  CHECK_EQ(fdemu_submit(p, &r), 1);
  CHECK(fdemu_socket_peer(fdemu_file_at(p, fds[0]), &r) != NULL);
  teardown();
}

static void there_is_no_network(void)
{
  setup();
  CHECK_EQ(fdemu_socket(p, AF_INET, SOCK_STREAM, 0), -EAFNOSUPPORT);
  CHECK_EQ(fdemu_socket(p, AF_INET6, SOCK_DGRAM, 0), -EAFNOSUPPORT);
  teardown();
}

static void a_whiteout_is_left_behind(void)
{
  setup();
  CHECK(fdemu_open(p, "f", O_CREAT | O_RDWR, 0600) >= 0);
  CHECK_EQ(fdemu_renameat2(p, AT_FDCWD, "f", AT_FDCWD, "g", RENAME_WHITEOUT),
           0);
  CHECK_EQ(stat_of("g").st_nlink, 1);
  CHECK_EQ(stat_of("f").st_mode, S_IFCHR);
  CHECK_EQ(stat_of("f").st_rdev, 0);
  CHECK_EQ(fdemu_renameat2(p, AT_FDCWD, "f", AT_FDCWD, "g",
                           RENAME_WHITEOUT | RENAME_EXCHANGE),
           -EINVAL);
  teardown();
}

/* Linux rounds it up to 4 ms or 10 ms, as its clock ticks. */
static void timeouts_of_sockets_are_exact(void)
{
  const struct timeval set = { 1, 1 };
  struct timeval got = { 0, 0 };
  socklen_t n = sizeof got;
  int s[2];

  setup();
  CHECK_EQ(fdemu_socketpair(p, AF_UNIX, SOCK_STREAM, 0, s), 0);
  CHECK_EQ(fdemu_setsockopt(p, s[0], SOL_SOCKET, SO_RCVTIMEO, &set, sizeof set),
           0);
  CHECK_EQ(fdemu_getsockopt(p, s[0], SOL_SOCKET, SO_RCVTIMEO, &got, &n), 0);
  CHECK_EQ(got.tv_sec, 1);
  CHECK_EQ(got.tv_usec, 1);
  CHECK_EQ(fdemu_recv(p, s[0], &n, 1, 0), -EAGAIN);
  CHECK_EQ(fdemu_now(k), INT64_C(1000001000));
  teardown();
}

int main(void)
{
  attributes_by_path_and_by_descriptor();
  where_names_begin();
  locks_of_descriptions();
  select_as_linux_does();
  names_of_sockets();
  a_datagram_to_a_name_finds_no_socket();
  a_datagram_to_no_address_is_for_nobody();
  there_is_no_network();
  a_whiteout_is_left_behind();
  timeouts_of_sockets_are_exact();
  return test_summary();
}
