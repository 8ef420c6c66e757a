/*
 * sockopt_native_test.c - every option of SOL_SOCKET, on Linux and on fdemu:
 * what it is at first, what may be set, and what it is then
 */
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fdemu_driver.h"
#include "fdemu_linux.h"
#include "test.h"

#define OPTIONS 90
#define ROOM    40

static struct fdemu_proc *p;
static int fd; /* the same on both sides */
static char what[64];

/* What there is to know about no socket of fdemu, or is a number of the whole
 * machine's: see exceptions.txt. And SO_PEERCRED, which has a pid. */
static bool is_left_out(int option)
{
  static const int left_out[] = { SO_PEERCRED, 29, 35, 37, 57, 63, 64,
                                  65,          71, 76, 77, 83, 84 };

  for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
    if (left_out[i] == option)
      return true;
  return false;
}

static int64_t native(long n)
{
  return n < 0 ? -errno : n;
}

static void get(int option, unsigned room)
{
  char value[2][ROOM];
  unsigned n[2] = { room, room };
  int64_t r =
      native(syscall(SYS_getsockopt, fd, SOL_SOCKET, option, value[0], &n[0]));
  const uint64_t args[6] = { (uint64_t)fd, SOL_SOCKET, (uint64_t)option,
                             (uintptr_t)value[1], (uintptr_t)&n[1] };

  snprintf(what, sizeof what, "get %d, %u", option, room);
  test_equal(fdemu_syscall(p, NULL, SYS_getsockopt, args), r, __FILE__,
             __LINE__, what);
  if (test_equal(n[1], n[0], __FILE__, __LINE__, what) && r == 0)
    test_check(memcmp(value[0], value[1], n[0]) == 0, __FILE__, __LINE__, what);
}

static void set(int option, const void *value, unsigned size)
{
  const uint64_t args[6] = { (uint64_t)fd, SOL_SOCKET, (uint64_t)option,
                             (uintptr_t)value, size };
  int64_t r =
      native(syscall(SYS_setsockopt, fd, SOL_SOCKET, option, value, size));

  snprintf(what, sizeof what, "set %d, %u: %d", option, size,
           *(const int *)value);
  test_equal(fdemu_syscall(p, NULL, SYS_setsockopt, args), r, __FILE__,
             __LINE__, what);
}

static void look(int option)
{
  get(option, 4);
  get(option, 8);
  get(option, 2);
  get(option, 0);
  get(option, ROOM);
}

static void test_option(int option)
{
  static const int values[] = { 0, 1, 5, -1, 2304, 3, 0 };
  static const int wide[4] = { 1, 0, 0, 0 }, none[4] = { 0, 0, 0, 0 };

  look(option);
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    set(option, &values[i], 4);
    look(option);
    look(72); /* SO_BUF_LOCK */
  }
  set(option, wide, 8);
  set(option, none, 8);
  set(option, none, 16);
  set(option, none, 2);
  look(option);
}

/* pair: 0: a socket that is not connected. */
static void test_type(int type, bool pair)
{
  for (int option = 1; option <= OPTIONS; option++) {
    int fds[2] = { -1, -1 };
    if (is_left_out(option))
      continue;
    if (pair) {
      CHECK_EQ(socketpair(AF_UNIX, type, 0, fds), 0);
      CHECK_EQ(fdemu_socketpair(p, AF_UNIX, type, 0, fds), 0);
    } else {
      fds[0] = socket(AF_UNIX, type, 0);
      CHECK_EQ(fdemu_socket(p, AF_UNIX, type, 0), fds[0]);
    }
    fd = fds[0];
    test_option(option);
    for (int i = 0; i < 2 && fds[i] >= 0; i++) {
      close(fds[i]);
      fdemu_close(p, fds[i]);
    }
  }
}

int main(void)
{
  static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
  struct fdemu_kernel *k = fdemu_kernel_new(NULL);

  if (getuid() == 0 && (setgid(FDEMU_UID) < 0 || setuid(FDEMU_UID) < 0))
    abort();
  syscall(SYS_close_range, 3u, ~0u, 0);
  fdemu_std_devices(k);
  p = fdemu_proc_new(k);
  for (int i = 0; i < 3; i++)
    fdemu_open(p, "/dev/null", O_RDWR, 0);
  for (int i = 0; i < 3; i++) {
    test_type(types[i], true);
    test_type(types[i], false);
  }
  fdemu_proc_put(p);
  fdemu_kernel_free(k);
  return test_summary();
}
