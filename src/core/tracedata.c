/* tracedata.c - how a trace shows numbers, bytes and vectors of them */
#include <errno.h>
#include <string.h>

#include "core/trace.h"

#define SHOWN 32 /* bytes of a string, as strace */

/* ---- arguments -------------------------------------------------------- */

static void put_char(struct fde_out *o, unsigned char c, unsigned char next)
{
  static const char escapes[] = "\"\"\\\\\nn\tt\rr\vv\ff";

  for (const char *e = escapes; *e != '\0'; e += 2)
    if (c == (unsigned char)*e) {
      fde_print_mem(o, "\\", 1);
      fde_print_mem(o, e + 1, 1);
      return;
    }
  if (c >= ' ' && c < 0x7f) {
    fde_print_mem(o, (const char *)&c, 1);
    return;
  }
  fde_print(o, "\\");
  if (next >= '0' && next <= '7') { /* a digit would belong to the escape */
    fde_print_uint(o, c >> 6, 8);
    fde_print_uint(o, c >> 3 & 7, 8);
    fde_print_uint(o, c & 7, 8);
  } else
    fde_print_uint(o, c, 8);
}

void fde_print_string(struct fde_out *o, const unsigned char *s, size_t n,
                      bool more)
{
  fde_print(o, "\"");
  for (size_t i = 0; i < n; i++)
    put_char(o, s[i], i + 1 < n ? s[i + 1] : 0);
  fde_print(o, more ? "\"..." : "\"");
}

int fde_trace_load(const struct fdemu_req *r, void *dst, const void *addr,
                   size_t n)
{
  if (r->mem != NULL)
    return r->mem->load(r->mem, dst, addr, n);
  memcpy(dst, addr, n);
  return 0;
}

void fde_print_bytes(struct fde_out *o, const struct fdemu_req *r,
                     const void *addr, size_t n)
{
  unsigned char s[SHOWN];
  size_t shown = n < SHOWN ? n : SHOWN;

  if (n > 0 && (addr == NULL || fde_trace_load(r, s, addr, shown) < 0))
    fde_print(o, "?");
  else
    fde_print_string(o, s, shown, n > shown);
}

/* Whether r's bytes are known: those of a read that failed are not. */
bool fde_has_bytes(const struct fdemu_req *r)
{
  return r->call->flags & FDEMU_CALL_WRITE || r->result >= 0;
}

/* The bytes that a read has moved, or that a write has to. */
static size_t shown_bytes(const struct fdemu_req *r)
{
  if (r->call->flags & FDEMU_CALL_WRITE)
    return SIZE_MAX;
  return r->result > 0 ? (size_t)r->result : 0;
}

static void put_data(struct fde_out *o, const struct fdemu_req *r)
{
  size_t n = r->buf.iov_len, shown = shown_bytes(r);

  if (n > 0 && !fde_has_bytes(r))
    fde_print(o, "?");
  else
    fde_print_bytes(o, r, r->buf.iov_base, n < shown ? n : shown);
}

void fde_print_iov(struct fde_out *o, const struct fdemu_req *r)
{
  size_t left = shown_bytes(r);

  if (r->iov == NULL && r->iovcnt != 0) {
    fde_print(o, "?");
    return;
  }
  fde_print(o, "[");
  for (int i = 0; i < r->iovcnt && i < FDE_IOV_MAX; i++) {
    size_t n = r->iov[i].iov_len;
    fde_print(o, i > 0 ? ", {iov_base=" : "{iov_base=");
    if (n > 0 && !fde_has_bytes(r))
      fde_print(o, "?");
    else
      fde_print_bytes(o, r, r->iov[i].iov_base, n < left ? n : left);
    left -= n < left ? n : left;
    fde_print(o, ", iov_len=");
    fde_print_uint(o, n, 10);
    fde_print(o, "}");
  }
  fde_print(o, "]");
}

/* The offset that a call which moves bytes was given; sendfile's also as it is
 * now. It has moved on by what is the result. */
static void put_offset(struct fde_out *o, const struct fdemu_req *r, int i)
{
  int64_t pos, moved = r->result > 0 ? r->result : 0;
  const void *addr = i < r->iovcnt ? r->iov[i].iov_base : NULL;

  if (addr == NULL || fde_trace_load(r, &pos, addr, sizeof pos) < 0) {
    fde_print(o, addr == NULL ? "NULL" : "?");
    return;
  }
  fde_print(o, "[");
  fde_print_int(o, pos - moved);
  if (r->iovcnt == 1 && moved > 0) {
    fde_print(o, "] => [");
    fde_print_int(o, pos);
  }
  fde_print(o, "]");
}

static void put_ints(struct fde_out *o, const struct fdemu_req *r, int n)
{
  int v[2];

  if (r->result < 0 ||
      fde_trace_load(r, v, r->buf.iov_base, sizeof *v * (size_t)n) < 0) {
    fde_print(o, "?");
    return;
  }
  fde_print(o, "[");
  for (int i = 0; i < n; i++) {
    fde_print(o, i > 0 ? ", " : "");
    fde_print_int(o, v[i]);
  }
  fde_print(o, "]");
}

static void put_exit_status(struct fde_out *o, const struct fdemu_req *r)
{
  int status;

  if (r->buf.iov_base == NULL || r->result < 0 ||
      fde_trace_load(r, &status, r->buf.iov_base, sizeof status) < 0) {
    fde_print(o, r->buf.iov_base == NULL ? "NULL" : "?");
    return;
  }
  fde_print(o, "[{WIFEXITED(s) && WEXITSTATUS(s) == ");
  fde_print_int(o, status >> 8 & 0xff);
  fde_print(o, "}]");
}

static void put_fd(struct fde_out *o, const struct fdemu_req *r)
{
  fde_print_int(o, r->fd);
}

static void put_arg(struct fde_out *o, const struct fdemu_req *r)
{
  fde_print_int(o, r->arg);
}

static void put_size(struct fde_out *o, const struct fdemu_req *r)
{
  fde_print_uint(o, r->buf.iov_len, 10);
}

static void put_position(struct fde_out *o, const struct fdemu_req *r)
{
  fde_print_int(o, r->offset);
}

static void put_count(struct fde_out *o, const struct fdemu_req *r)
{
  if (r->call->flags & FDEMU_CALL_VEC)
    fde_print_int(o, r->iovcnt);
  else
    fde_print_uint(o, r->buf.iov_len / sizeof(struct pollfd), 10);
}

static void put_in_offset(struct fde_out *o, const struct fdemu_req *r)
{
  put_offset(o, r, 0);
}

static void put_out_offset(struct fde_out *o, const struct fdemu_req *r)
{
  put_offset(o, r, 1);
}

static void put_fds(struct fde_out *o, const struct fdemu_req *r)
{
  put_ints(o, r, 2);
}

/* ---- words ------------------------------------------------------------ */

const struct fde_word fde_data_words[] = {
  { "fd", .put = put_fd },
  { "arg", .put = put_arg },
  { "fd2", .put = put_arg },
  { "data", .put = put_data },
  { "size", .put = put_size },
  { "iov", .put = fde_print_iov },
  { "count", .put = put_count },
  { "offset", .put = put_position },
  { "in_offset", .put = put_in_offset },
  { "out_offset", .put = put_out_offset },
  { "fds", .put = put_fds },
  { "wait_status", .put = put_exit_status },
  { .word = NULL },
};
