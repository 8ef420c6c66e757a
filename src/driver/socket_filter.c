/*
 * socket_filter.c - classic BPF: a program of the receiver's looks at each
 * message and says how many bytes of it are kept; SO_ATTACH_FILTER of socket(7)
 *
 * The sender of a message of which nothing is kept does not learn of it. Streams
 * keep a filter and do not ask it. As bpf_check_classic() of Linux, a program
 * is refused that could leave its code or its memory, or read memory that it
 * has not written; so whoever runs it has nothing to check but the message.
 */
#include <errno.h>
#include <linux/filter.h>
#include <string.h>

#include "driver/socket.h"

struct fds_filter {
  unsigned len;
  struct sock_filter code[];
};

/* What a program works on. */
struct machine {
  uint32_t a, x, mem[BPF_MEMWORDS];
  const unsigned char *data;
  uint32_t len;
  struct fdemu_kernel *kernel;
};

/* ---- what may be attached --------------------------------------------- */

/* All the operations that there are; chk_code_allowed() of Linux. */
static bool is_code(unsigned code)
{
  static const unsigned short codes[] = {
    BPF_ALU | BPF_ADD | BPF_K,
    BPF_ALU | BPF_ADD | BPF_X,
    BPF_ALU | BPF_SUB | BPF_K,
    BPF_ALU | BPF_SUB | BPF_X,
    BPF_ALU | BPF_MUL | BPF_K,
    BPF_ALU | BPF_MUL | BPF_X,
    BPF_ALU | BPF_DIV | BPF_K,
    BPF_ALU | BPF_DIV | BPF_X,
    BPF_ALU | BPF_MOD | BPF_K,
    BPF_ALU | BPF_MOD | BPF_X,
    BPF_ALU | BPF_AND | BPF_K,
    BPF_ALU | BPF_AND | BPF_X,
    BPF_ALU | BPF_OR | BPF_K,
    BPF_ALU | BPF_OR | BPF_X,
    BPF_ALU | BPF_XOR | BPF_K,
    BPF_ALU | BPF_XOR | BPF_X,
    BPF_ALU | BPF_LSH | BPF_K,
    BPF_ALU | BPF_LSH | BPF_X,
    BPF_ALU | BPF_RSH | BPF_K,
    BPF_ALU | BPF_RSH | BPF_X,
    BPF_ALU | BPF_NEG,
    BPF_LD | BPF_W | BPF_ABS,
    BPF_LD | BPF_H | BPF_ABS,
    BPF_LD | BPF_B | BPF_ABS,
    BPF_LD | BPF_W | BPF_IND,
    BPF_LD | BPF_H | BPF_IND,
    BPF_LD | BPF_B | BPF_IND,
    BPF_LD | BPF_W | BPF_LEN,
    BPF_LD | BPF_IMM,
    BPF_LD | BPF_MEM,
    BPF_LDX | BPF_W | BPF_LEN,
    BPF_LDX | BPF_B | BPF_MSH,
    BPF_LDX | BPF_IMM,
    BPF_LDX | BPF_MEM,
    BPF_ST,
    BPF_STX,
    BPF_MISC | BPF_TAX,
    BPF_MISC | BPF_TXA,
    BPF_RET | BPF_K,
    BPF_RET | BPF_A,
    BPF_JMP | BPF_JA,
    BPF_JMP | BPF_JEQ | BPF_K,
    BPF_JMP | BPF_JEQ | BPF_X,
    BPF_JMP | BPF_JGT | BPF_K,
    BPF_JMP | BPF_JGT | BPF_X,
    BPF_JMP | BPF_JGE | BPF_K,
    BPF_JMP | BPF_JGE | BPF_X,
    BPF_JMP | BPF_JSET | BPF_K,
    BPF_JMP | BPF_JSET | BPF_X,
  };

  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
    if (codes[i] == code)
      return true;
  return false;
}

/* Beyond SKF_AD_OFF is what the kernel knows of a message. */
static bool is_beyond(uint32_t k)
{
  return k >= (uint32_t)SKF_AD_OFF;
}

static bool is_ancillary(uint32_t k)
{
  return is_beyond(k) && k < (uint32_t)SKF_AD_OFF + SKF_AD_MAX && k % 4 == 0;
}

static bool is_jump(const struct sock_filter *c)
{
  return BPF_CLASS(c->code) == BPF_JMP && c->code != (BPF_JMP | BPF_JA);
}

/* One operation, of which n - 1 others follow. */
static bool is_good(const struct sock_filter *c, unsigned n)
{
  switch (c->code) {
  case BPF_ALU | BPF_DIV | BPF_K:
  case BPF_ALU | BPF_MOD | BPF_K: return c->k != 0;
  case BPF_ALU | BPF_LSH | BPF_K:
  case BPF_ALU | BPF_RSH | BPF_K: return c->k < 32;
  case BPF_LD | BPF_MEM:
  case BPF_LDX | BPF_MEM:
  case BPF_ST:
  case BPF_STX: return c->k < BPF_MEMWORDS;
  case BPF_LD | BPF_W | BPF_ABS:
  case BPF_LD | BPF_H | BPF_ABS:
  case BPF_LD | BPF_B | BPF_ABS: return !is_beyond(c->k) || is_ancillary(c->k);
  case BPF_JMP | BPF_JA: return c->k < n - 1;
  default:
    return is_code(c->code) &&
           (!is_jump(c) || (c->jt < n - 1 && c->jf < n - 1));
  }
}

/* Whether no word of memory is read that may not have been written. written:
 * for each operation those that are on every way to it. */
static bool writes_first(const struct fds_filter *x, uint16_t *written)
{
  uint16_t now = 0;

  memset(written, 0xff, x->len * sizeof *written);
  for (unsigned i = 0; i < x->len; i++) {
    const struct sock_filter *c = &x->code[i];
    now &= written[i];
    if (c->code == BPF_ST || c->code == BPF_STX)
      now |= (uint16_t)(1u << c->k);
    else if ((c->code == (BPF_LD | BPF_MEM) ||
              c->code == (BPF_LDX | BPF_MEM)) &&
             !(now >> c->k & 1))
      return false;
    else if (BPF_CLASS(c->code) == BPF_JMP) {
      written[i + 1 + (is_jump(c) ? c->jt : c->k)] &= now;
      if (is_jump(c))
        written[i + 1 + c->jf] &= now;
      now = UINT16_MAX;
    }
  }
  return true;
}

static int check(struct fdemu_kernel *k, const struct fds_filter *x)
{
  const unsigned last = x->code[x->len - 1].code;
  uint16_t *written;
  bool good = last == (BPF_RET | BPF_K) || last == (BPF_RET | BPF_A);

  for (unsigned i = 0; good && i < x->len; i++)
    good = is_good(&x->code[i], x->len - i);
  if (!good)
    return -EINVAL;
  written = fdemu_alloc(k, x->len * sizeof *written);
  if (written == NULL)
    return -ENOMEM;
  good = writes_first(x, written);
  fdemu_free(k, written);
  return good ? 0 : -EINVAL;
}

/* ---- running it ------------------------------------------------------- */

/* Big-endian. At a negative offset is what some layer of a network has put
 * before the data; of these a message has the one that is the data. */
static bool load(const struct machine *m, uint32_t at, uint32_t n, uint32_t *v)
{
  if (at >= (uint32_t)SKF_NET_OFF)
    at -= (uint32_t)SKF_NET_OFF;
  if (at > m->len || n > m->len - at)
    return false;
  *v = 0;
  for (uint32_t i = 0; i < n; i++)
    *v = *v << 8 | m->data[at + i];
  return true;
}

/* The attribute of a netlink message of type m->x, from at to end: where it is;
 * 0: nowhere. Its numbers are in the machine's byte order. */
static uint32_t find_attribute(const struct machine *m, uint32_t at,
                               uint32_t end)
{
  uint16_t head[2]; /* struct nlattr: length, type */

  while (end >= at && end - at >= sizeof head) {
    memcpy(head, m->data + at, sizeof head);
    if (head[0] < sizeof head || head[0] > end - at)
      return 0;
    if ((head[1] & 0x3fffu) == m->x)
      return at;
    at += (head[0] + 3u) & ~3u;
  }
  return 0;
}

/* An attribute behind m->a, or within the one at m->a. */
static uint32_t attribute(const struct machine *m, bool nested)
{
  uint16_t length;

  if (m->len < 4 || m->a > m->len - 4)
    return 0;
  if (!nested)
    return find_attribute(m, m->a, m->len);
  memcpy(&length, m->data + m->a, sizeof length);
  if (length < 4 || length > m->len - m->a)
    return 0;
  return find_attribute(m, m->a + 4, m->a + length);
}

/* What is known of a message that came through no network is mostly 0. False:
 * the program ends here, with what is in a, as it has no device. */
static bool ancillary(struct machine *m, uint32_t what)
{
  switch (what) {
  case SKF_AD_IFINDEX:
  case SKF_AD_HATYPE: return false;
  case SKF_AD_NLATTR:
  case SKF_AD_NLATTR_NEST:
    m->a = attribute(m, what == SKF_AD_NLATTR_NEST);
    break;
  case SKF_AD_ALU_XOR_X: m->a ^= m->x; break;
  case SKF_AD_RANDOM: m->a = (uint32_t)fdemu_random(m->kernel); break;
  default: m->a = 0; break;
  }
  return true;
}

static uint32_t width(unsigned code)
{
  return BPF_SIZE(code) == BPF_W ? 4 : BPF_SIZE(code) == BPF_H ? 2 : 1;
}

/* LD: into a. */
static bool load_a(struct machine *m, const struct sock_filter *c)
{
  switch (BPF_MODE(c->code)) {
  case BPF_IMM: m->a = c->k; return true;
  case BPF_MEM: m->a = m->mem[c->k]; return true;
  case BPF_LEN: m->a = m->len; return true;
  case BPF_IND: return load(m, m->x + c->k, width(c->code), &m->a);
  default: return load(m, c->k, width(c->code), &m->a);
  }
}

/* LDX: into x. BPF_MSH: the length of an IP header. */
static bool load_x(struct machine *m, const struct sock_filter *c)
{
  switch (BPF_MODE(c->code)) {
  case BPF_IMM: m->x = c->k; return true;
  case BPF_MEM: m->x = m->mem[c->k]; return true;
  case BPF_LEN: m->x = m->len; return true;
  default:
    if (!load(m, c->k, 1, &m->x))
      return false;
    m->x = (m->x & 15) * 4;
    return true;
  }
}

/* False: a division by zero. */
static bool compute(struct machine *m, const struct sock_filter *c)
{
  const uint32_t v = BPF_SRC(c->code) == BPF_X ? m->x : c->k;

  switch (BPF_OP(c->code)) {
  case BPF_ADD: m->a += v; break;
  case BPF_SUB: m->a -= v; break;
  case BPF_MUL: m->a *= v; break;
  case BPF_AND: m->a &= v; break;
  case BPF_OR: m->a |= v; break;
  case BPF_XOR: m->a ^= v; break;
  case BPF_LSH: m->a <<= v & 31; break;
  case BPF_RSH: m->a >>= v & 31; break;
  case BPF_NEG: m->a = -m->a; break;
  default: /* BPF_DIV, BPF_MOD */
    if (v == 0)
      return false;
    m->a = BPF_OP(c->code) == BPF_DIV ? m->a / v : m->a % v;
    break;
  }
  return true;
}

/* How many operations are skipped. */
static uint32_t jump(const struct machine *m, const struct sock_filter *c)
{
  const uint32_t v = BPF_SRC(c->code) == BPF_X ? m->x : c->k;
  bool yes;

  switch (BPF_OP(c->code)) {
  case BPF_JA: return c->k;
  case BPF_JEQ: yes = m->a == v; break;
  case BPF_JGT: yes = m->a > v; break;
  case BPF_JGE: yes = m->a >= v; break;
  default: yes = (m->a & v) != 0; break; /* BPF_JSET */
  }
  return yes ? c->jt : c->jf;
}

/* Everything that goes on with the next operation, or does not: false. */
static bool step(struct machine *m, const struct sock_filter *c)
{
  switch (BPF_CLASS(c->code)) {
  case BPF_LD: return load_a(m, c);
  case BPF_LDX: return load_x(m, c);
  case BPF_ST: m->mem[c->k] = m->a; return true;
  case BPF_STX: m->mem[c->k] = m->x; return true;
  case BPF_ALU: return compute(m, c);
  default: /* BPF_MISC */
    if (BPF_MISCOP(c->code) == BPF_TAX)
      m->x = m->a;
    else
      m->a = m->x;
    return true;
  }
}

static uint32_t run(struct machine *m, const struct sock_filter *c)
{
  for (;; c++) {
    if (BPF_CLASS(c->code) == BPF_RET)
      return BPF_RVAL(c->code) == BPF_A ? m->a : c->k;
    if (BPF_CLASS(c->code) == BPF_JMP)
      c += jump(m, c);
    else if (BPF_CLASS(c->code) == BPF_LD && BPF_MODE(c->code) == BPF_ABS &&
             is_ancillary(c->k)) {
      if (!ancillary(m, c->k - (uint32_t)SKF_AD_OFF))
        return m->a;
    } else if (!step(m, c))
      return 0;
  }
}

/* b is on its way to a socket that has x, or NULL: it is cut to what is kept of
 * it. False: nothing is, it is lost. */
bool fds_filter(const struct fds_filter *x, struct fds_buf *b)
{
  struct machine m = { .data = (const unsigned char *)b->data,
                       .len = b->len,
                       .kernel = b->from->inode.kernel };
  uint32_t kept;

  if (x == NULL)
    return true;
  kept = run(&m, x->code);
  if (kept < b->len)
    b->len = kept;
  return kept > 0;
}

/* ---- options ---------------------------------------------------------- */

static int load_program(struct fdemu_req *r, struct sock_fprog *program)
{
  if (r->buf.iov_len != sizeof *program)
    return -EINVAL;
  return fdemu_load(r, program, r->buf.iov_base, sizeof *program);
}

/* The program of an option, which the caller frees; or -errno. Unlike Linux: it
 * may be as long as it likes, however much memory its translation would take
 * there (sysctl net.core.optmem_max). */
static int fetch(const struct fds_socket *s, struct fdemu_req *r,
                 struct fds_filter **filter)
{
  struct fdemu_kernel *k = s->inode.kernel;
  struct sock_fprog program;
  struct fds_filter *x;
  int error = load_program(r, &program);

  if (error < 0)
    return error;
  if (fds_filter_locked(s))
    return -EPERM;
  if (program.len == 0 || program.len > FDS_MAX_FILTER ||
      program.filter == NULL)
    return -EINVAL;
  x = fdemu_alloc(k, sizeof *x + program.len * sizeof *x->code);
  if (x == NULL)
    return -ENOMEM;
  x->len = program.len;
  error = fdemu_load(r, x->code, program.filter, x->len * sizeof *x->code);
  if (error == 0)
    error = check(k, x);
  if (error < 0)
    fdemu_free(k, x);
  else
    *filter = x;
  return error;
}

int64_t fds_filter_attach(struct fds_socket *s, struct fdemu_req *r)
{
  struct fds_filter *x;
  int error = fetch(s, r, &x);

  if (error < 0)
    return error;
  fdemu_free(s->inode.kernel, s->filter);
  s->filter = x;
  return 0;
}

/* For groups of sockets that share an address, which here none does. */
int64_t fds_filter_attach_group(const struct fds_socket *s, struct fdemu_req *r)
{
  struct fds_filter *x;
  int error = fetch(s, r, &x);

  if (error < 0)
    return error;
  fdemu_free(s->inode.kernel, x);
  return -EINVAL;
}

int64_t fds_filter_detach(struct fds_socket *s)
{
  if (fds_filter_locked(s))
    return -EPERM;
  if (s->filter == NULL)
    return -ENOENT;
  fdemu_free(s->inode.kernel, s->filter);
  s->filter = NULL;
  return 0;
}

/* Linux counts operations here, not bytes: r->done is their number. */
int64_t fds_filter_get(const struct fds_socket *s, struct fdemu_req *r)
{
  const struct fds_filter *x = s->filter;
  int64_t error = 0;

  if (x == NULL)
    return 0;
  if (r->buf.iov_len > 0 && r->buf.iov_len < x->len)
    return -EINVAL;
  if (r->buf.iov_len > 0)
    error = fdemu_store(r, r->buf.iov_base, x->code, x->len * sizeof *x->code);
  if (error == 0)
    r->done = x->len;
  return error;
}
