/* filter_native_test.c - programs of SO_ATTACH_FILTER, made at random, do with
 * a message what they do on Linux */
#include <errno.h>
#include <linux/filter.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fdemu_linux.h"
#include "test.h"

#define MOST     8  /* instructions before the last two */
#define LENGTH   64 /* of a message */
#define PROGRAMS 20000

typedef int64_t syscall_fn(long nr, const uint64_t args[6]);

static struct fdemu_proc *proc;
static uint64_t chance = 1;

static int64_t by_linux(long nr, const uint64_t a[6])
{
  long n = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);

  return n < 0 ? -errno : n;
}

static int64_t by_fdemu(long nr, const uint64_t a[6])
{
  return fdemu_syscall(proc, NULL, nr, a);
}

#define P(x)        ((uint64_t)(uintptr_t)(x))
#define DO(nr, ...) fn(SYS_##nr, (const uint64_t[6]){ __VA_ARGS__ })

/* ---- programs ----------------------------------------------------------- */

static uint32_t below(uint32_t n)
{
  return (uint32_t)test_below(&chance, n);
}

/* Near what is allowed, and a little beyond. What a processor or chance has to
 * do with is left out: SKF_AD_CPU, SKF_AD_RANDOM. */
static uint32_t constant(void)
{
  static const uint32_t special[] = {
    SKF_AD_IFINDEX, SKF_AD_HATYPE, SKF_AD_NLATTR,    SKF_AD_NLATTR_NEST,
    SKF_AD_MARK,    SKF_AD_QUEUE,  SKF_AD_ALU_XOR_X, SKF_AD_VLAN_TAG_PRESENT,
  };

  switch (below(8)) {
  case 0: return (uint32_t)SKF_AD_OFF + special[below(8)];
  case 1: return (uint32_t)SKF_NET_OFF + below(LENGTH + 2);
  case 2: return below(40);
  case 3: return UINT32_MAX - below(3);
  default: return below(LENGTH + 2);
  }
}

static struct sock_filter instruction(uint32_t left)
{
  static const uint16_t codes[] = {
    BPF_LD | BPF_IMM,
    BPF_LD | BPF_MEM,
    BPF_LD | BPF_W | BPF_LEN,
    BPF_LD | BPF_W | BPF_ABS,
    BPF_LD | BPF_H | BPF_ABS,
    BPF_LD | BPF_B | BPF_ABS,
    BPF_LD | BPF_W | BPF_IND,
    BPF_LD | BPF_H | BPF_IND,
    BPF_LD | BPF_B | BPF_IND,
    BPF_LDX | BPF_IMM,
    BPF_LDX | BPF_MEM,
    BPF_LDX | BPF_W | BPF_LEN,
    BPF_LDX | BPF_B | BPF_MSH,
    BPF_ST,
    BPF_STX,
    BPF_ALU | BPF_ADD | BPF_K,
    BPF_ALU | BPF_ADD | BPF_X,
    BPF_ALU | BPF_SUB | BPF_X,
    BPF_ALU | BPF_MUL | BPF_K,
    BPF_ALU | BPF_DIV | BPF_X,
    BPF_ALU | BPF_DIV | BPF_K,
    BPF_ALU | BPF_MOD | BPF_X,
    BPF_ALU | BPF_AND | BPF_K,
    BPF_ALU | BPF_OR | BPF_X,
    BPF_ALU | BPF_XOR | BPF_K,
    BPF_ALU | BPF_LSH | BPF_K,
    BPF_ALU | BPF_LSH | BPF_X,
    BPF_ALU | BPF_RSH | BPF_X,
    BPF_ALU | BPF_NEG,
    BPF_MISC | BPF_TAX,
    BPF_MISC | BPF_TXA,
    BPF_JMP | BPF_JA,
    BPF_JMP | BPF_JEQ | BPF_K,
    BPF_JMP | BPF_JEQ | BPF_X,
    BPF_JMP | BPF_JGT | BPF_K,
    BPF_JMP | BPF_JGE | BPF_X,
    BPF_JMP | BPF_JSET | BPF_K,
    BPF_RET | BPF_K,
  };
  struct sock_filter c = { .code = codes[below(sizeof codes / sizeof *codes)] };

  c.k = BPF_CLASS(c.code) == BPF_ST || BPF_CLASS(c.code) == BPF_STX ||
                (BPF_CLASS(c.code) <= BPF_LDX && BPF_MODE(c.code) == BPF_MEM)
            ? below(below(20) == 0 ? 20 : 3)
        : c.code == (BPF_JMP | BPF_JA) ? below(left + 1)
                                       : constant();
  c.jt = (uint8_t)below(left + 1);
  c.jf = (uint8_t)below(left);
  return c;
}

/* The last two make A a length that is worth looking at. */
static unsigned short program(struct sock_filter code[MOST + 2])
{
  unsigned short n = (unsigned short)below(MOST + 1);

  for (uint32_t i = 0; i < n; i++)
    code[i] = instruction(n + 2 - i - 1);
  code[n] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 127);
  code[n + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_A, 0);
  return (unsigned short)(n + 2);
}

/* ---- the same on both --------------------------------------------------- */

/* What becomes of the message: its length, or an error. */
static int64_t filtered(syscall_fn *fn, const struct sock_fprog *prog,
                        const char *message)
{
  char buf[LENGTH];
  int pair[2];
  int64_t n;

  DO(socketpair, AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, P(pair));
  n = DO(setsockopt, (uint64_t)pair[1], SOL_SOCKET, SO_ATTACH_FILTER, P(prog),
         sizeof *prog);
  if (n == 0)
    n = DO(write, (uint64_t)pair[0], P(message), LENGTH);
  if (n == LENGTH)
    n = DO(read, (uint64_t)pair[1], P(buf), LENGTH);
  DO(close, (uint64_t)pair[0]);
  DO(close, (uint64_t)pair[1]);
  return n;
}

static void print_program(const struct sock_fprog *prog)
{
  for (int i = 0; i < prog->len; i++)
    printf("  { %#x, %u, %u, %#x }\n", prog->filter[i].code, prog->filter[i].jt,
           prog->filter[i].jf, prog->filter[i].k);
}

/* Small bytes are lengths and types of netlink's attributes, too. */
static void random_programs(void)
{
  struct sock_filter code[MOST + 2];
  char message[LENGTH];

  for (int i = 0; i < PROGRAMS; i++) {
    const struct sock_fprog prog = { program(code), code };
    int64_t got, want;
    for (int j = 0; j < LENGTH; j++)
      message[j] = (char)(below(3) > 0 ? (j % 2 ? 0 : below(9)) : below(256));
    want = filtered(by_linux, &prog, message);
    got = filtered(by_fdemu, &prog, message);
    if (!CHECK_EQ(got, want))
      print_program(&prog);
  }
}

/* An attribute of netlink's is found, alone and inside another. */
static void attributes(void)
{
  char message[LENGTH] = { 0 };
  const uint16_t head[] = { 20, 9, 5, 1, 0, 0, 8, 2 };

  memcpy(message, head, sizeof head);
  for (uint32_t what = 0; what < 8; what++) {
    struct sock_filter code[] = {
      BPF_STMT(BPF_LDX | BPF_IMM, what / 2),
      BPF_STMT(BPF_LD | BPF_IMM, what % 2 ? 0 : 4),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS,
               (uint32_t)SKF_AD_OFF +
                   (what % 2 ? SKF_AD_NLATTR_NEST : SKF_AD_NLATTR)),
      BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 1),
      BPF_STMT(BPF_RET | BPF_A, 0),
    };
    const struct sock_fprog prog = { 5, code };
    CHECK_EQ(filtered(by_fdemu, &prog, message),
             filtered(by_linux, &prog, message));
  }
}

/* What the options say, without a message. */
static void options(syscall_fn *fn, int64_t log[6])
{
  struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, 1) };
  struct sock_filter unknown[] = { BPF_STMT(0xffff, 0), code[0] };
  const struct sock_fprog good = { 1, code }, bad = { 2, unknown };
  const uint64_t sol = SOL_SOCKET;
  int pair[2], unused = 0;
  uint64_t fd;

  DO(socketpair, AF_UNIX, SOCK_DGRAM, 0, P(pair));
  fd = (uint64_t)pair[0];
  log[0] = DO(setsockopt, fd, sol, SO_DETACH_FILTER, P(&unused), 4);
  log[1] = DO(setsockopt, fd, sol, SO_ATTACH_FILTER, P(&bad), sizeof bad);
  log[2] = DO(setsockopt, fd, sol, SO_ATTACH_FILTER, P(&good), sizeof good);
  log[3] =
      DO(setsockopt, fd, sol, SO_ATTACH_REUSEPORT_CBPF, P(&good), sizeof good);
  log[4] = DO(setsockopt, fd, sol, SO_DETACH_FILTER, P(&unused), 4);
  log[5] = DO(setsockopt, fd, sol, SO_DETACH_FILTER, P(&unused), 4);
  DO(close, (uint64_t)pair[0]);
  DO(close, (uint64_t)pair[1]);
}

static void the_same_options(void)
{
  int64_t want[6], got[6];

  options(by_linux, want);
  options(by_fdemu, got);
  for (int i = 0; i < 6; i++)
    CHECK_EQ(got[i], want[i]);
}

int main(void)
{
  struct fdemu_kernel *k = test_kernel();

  proc = fdemu_proc_new(k);
  random_programs();
  attributes();
  the_same_options();
  fdemu_proc_put(proc);
  TEST_KERNEL_FREE(k);
  return test_summary();
}
