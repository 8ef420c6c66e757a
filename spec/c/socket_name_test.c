/* socket_name_test.c - names of sockets, which Linux gives by chance */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "test.h"

#define NAME_SIZE (sizeof(sa_family_t) + 6)

static struct fdemu_kernel *k;
static struct fdemu_proc *p;

static void begin(void)
{
  k = test_kernel();
  p = fdemu_proc_new(k);
  fdemu_set_nofile(p, 1024, 1024);
}

static void end(void)
{
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

/* A datagram socket that has a name, since it has tried to send something; or
 * -1. */
static int named(void)
{
  int on = 1, fd = fdemu_socket(p, AF_UNIX, SOCK_DGRAM, 0);

  return fdemu_setsockopt(p, fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) ==
                     0 &&
                 fdemu_send(p, fd, "x", 1, 0) == -ENOTCONN
             ? fd
             : -1;
}

static bool get_name(int fd, struct sockaddr_un *a)
{
  socklen_t n = sizeof *a;

  memset(a, 0, sizeof *a);
  return fdemu_getsockname(p, fd, (struct sockaddr *)a, &n) == 0 &&
         n == NAME_SIZE && a->sun_family == AF_UNIX && a->sun_path[0] == '\0';
}

static struct sockaddr_un name_of(int fd)
{
  struct sockaddr_un a;

  CHECK(get_name(fd, &a));
  return a;
}

static int64_t send_to(int fd, const struct sockaddr_un *a, socklen_t n,
                       const char *text)
{
  struct iovec v = { (void *)(uintptr_t)text, strlen(text) };
  const struct msghdr m = { .msg_name = (void *)(uintptr_t)a,
                            .msg_namelen = n,
                            .msg_iov = &v,
                            .msg_iovlen = 1 };

  return fdemu_sendmsg(p, fd, &m, MSG_DONTWAIT);
}

static void are_counted(void)
{
  struct sockaddr_un a;

  begin();
  for (int i = 0; i < 100; i++)
    CHECK_EQ(named(), i);
  a = name_of(0);
  CHECK_STR(a.sun_path + 1, "00000");
  a = name_of(99);
  CHECK_STR(a.sun_path + 1, "00063");
  CHECK(fdemu_check(k) == NULL);
  end();
}

/* Their places are found whatever has come and gone. */
static void reach_their_sockets(void)
{
  char text[20], got[20];
  int from;

  begin();
  from = fdemu_socket(p, AF_UNIX, SOCK_DGRAM, 0);
  for (int i = 0; i < 300; i++) {
    struct sockaddr_un a = name_of(named());
    if (i % 3 != 0)
      CHECK_EQ(fdemu_close(p, from + 1 + (i + 2) / 3), 0);
    snprintf(text, sizeof text, "%d", i);
    CHECK_EQ(send_to(from, &a, NAME_SIZE, text),
             i % 3 != 0 ? -ECONNREFUSED : (int64_t)strlen(text));
  }
  for (int i = 0; i < 300; i += 3) {
    int64_t n = fdemu_recv(p, from + 1 + i / 3, got, sizeof got, MSG_DONTWAIT);
    snprintf(text, sizeof text, "%d", i);
    CHECK_EQ(n, strlen(text));
    CHECK(n > 0 && memcmp(text, got, (size_t)n) == 0);
  }
  end();
}

/* After all others, and never one that somebody has. */
static void are_given_again(void)
{
  struct sockaddr_un before, a;
  int again = 0, right = 0;

  begin();
  CHECK_EQ(named(), 0);
  before = name_of(0);
  for (int i = 0; i < 1 << 20; i++) {
    right += named() == 1 && get_name(1, &a) && fdemu_close(p, 1) == 0 &&
             strcmp(a.sun_path + 1, "00000") != 0;
    again += strcmp(a.sun_path + 1, before.sun_path + 1) <= 0;
    before = a;
  }
  CHECK_EQ(right, 1 << 20);
  CHECK_EQ(again, 1);
  end();
}

static void nearly_right_are_wrong(void)
{
  struct sockaddr_un a, b;
  int from;

  begin();
  for (int i = 0; i < 12; i++)
    CHECK_EQ(named(), i);
  a = name_of(11);
  CHECK_STR(a.sun_path + 1, "0000b");
  from = fdemu_socket(p, AF_UNIX, SOCK_DGRAM, 0);
  CHECK_EQ(send_to(from, &a, NAME_SIZE, "x"), 1);
  CHECK_EQ(send_to(from, &a, NAME_SIZE - 1, "x"), -ECONNREFUSED);
  CHECK_EQ(send_to(from, &a, NAME_SIZE + 1, "x"), -ECONNREFUSED);
  for (const char *s = "0000B 0x00b +000b -0001 1000b fffff 0000g "; *s;
       s += 6) {
    b = a;
    memcpy(b.sun_path + 1, s, 5);
    CHECK_EQ(send_to(from, &b, NAME_SIZE, "x"), -ECONNREFUSED);
  }
  end();
}

int main(void)
{
  are_counted();
  reach_their_sockets();
  are_given_again();
  nearly_right_are_wrong();
  return test_summary();
}
