/*
 * socket_stamp.c - when a message was sent: SO_TIMESTAMP and its relatives,
 * socket(7)
 *
 * A message has the time at which it was sent if its receiver wanted times
 * then, else that at which a receiver first wants it. Streams have none. The
 * names with _NEW are those of programs whose longs have 32 bits; here both
 * have the same structs, and tell which was asked for last.
 */
#include <errno.h>
#include <linux/net_tstamp.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "driver/socket.h"

#define SECOND INT64_C(1000000000)

enum {
  TIMESTAMP_NEW = 63,
  TIMESTAMPNS_NEW = 64,
  TIMESTAMPING_NEW = 65,
};

/* Flags of SO_TIMESTAMPING: all that Linux 6.18 knows. Not every libc has names
 * for the last ones. */
enum {
  OPT_ID_TCP = 1 << 16,
  OPT_RX_FILTER = 1 << 17,
  TX_COMPLETION = 1 << 18,
  ALL_FLAGS = (TX_COMPLETION << 1) - 1,
};

/* struct fds_stamp.wanted */
enum { WANTED = 1, NANOSECONDS = 2, NEW = 4 };

/* ---- options ---------------------------------------------------------- */

static int64_t want(struct fds_stamp *t, int what, bool on)
{
  t->wanted = on ? WANTED | what : t->wanted & NEW;
  return 0;
}

/* The clock of a device; the only one there may be is no clock. */
static int64_t bind_clock(const struct fds_socket *s)
{
  return fds_device_of(s) == FDS_LOOPBACK ? -EINVAL : -EOPNOTSUPP;
}

static int64_t set_flags(struct fds_socket *s, struct fdemu_req *r, int n)
{
  int v[2] = { n, 0 }; /* struct so_timestamping, or its first part */
  int error;

  if (r->buf.iov_len == sizeof v) {
    error = fdemu_load(r, v, r->buf.iov_base, sizeof v);
    if (error < 0)
      return error;
  }
  if (v[0] & ~ALL_FLAGS ||
      (v[0] & OPT_ID_TCP && !(v[0] & SOF_TIMESTAMPING_OPT_ID)) ||
      (v[0] & SOF_TIMESTAMPING_OPT_STATS &&
       !(v[0] & SOF_TIMESTAMPING_OPT_TSONLY)))
    return -EINVAL;
  if (v[0] & SOF_TIMESTAMPING_BIND_PHC)
    return bind_clock(s);
  s->stamp.flags = v[0];
  s->stamp.wanted &= ~NEW;
  s->stamp.wanted |= r->cmd == TIMESTAMPING_NEW ? NEW : 0;
  return 0;
}

/* FDEMU_NEXT: it is another option. */
int64_t fds_set_stamp(struct fds_socket *s, struct fdemu_req *r, int n)
{
  switch (r->cmd) {
  case SO_TIMESTAMP: return want(&s->stamp, 0, n != 0);
  case SO_TIMESTAMPNS: return want(&s->stamp, NANOSECONDS, n != 0);
  case TIMESTAMP_NEW: return want(&s->stamp, NEW, n != 0);
  case TIMESTAMPNS_NEW: return want(&s->stamp, NEW | NANOSECONDS, n != 0);
  case SO_TIMESTAMPING:
  case TIMESTAMPING_NEW: return set_flags(s, r, n);
  default: return FDEMU_NEXT;
  }
}

static bool is(const struct fds_stamp *t, int mask, int what)
{
  return (t->wanted & mask) == what;
}

/* The value's size, or FDEMU_NEXT. */
int64_t fds_get_stamp(const struct fds_socket *s, unsigned long option,
                      int v[2])
{
  const struct fds_stamp *t = &s->stamp;

  switch (option) {
  case SO_TIMESTAMP: *v = is(t, ~0, WANTED); break;
  case SO_TIMESTAMPNS: *v = is(t, ~0, WANTED | NANOSECONDS); break;
  case TIMESTAMP_NEW: *v = is(t, WANTED | NEW, WANTED | NEW); break;
  case TIMESTAMPNS_NEW: *v = is(t, ~0, WANTED | NANOSECONDS | NEW); break;
  case SO_TIMESTAMPING:
  case TIMESTAMPING_NEW:
    v[0] = option == SO_TIMESTAMPING || t->wanted & NEW ? t->flags : 0;
    v[1] = 0;
    return 2 * sizeof *v;
  default: return FDEMU_NEXT;
  }
  return sizeof *v;
}

/* ---- messages --------------------------------------------------------- */

static void stamp(struct fds_buf *b)
{
  if (b->time == 0)
    b->time = FDEMU_EPOCH * SECOND + fdemu_now(b->from->inode.kernel);
}

/* b is on its way to s. */
void fds_stamp_sent(const struct fds_socket *s, struct fds_buf *b)
{
  if (s->stamp.wanted & WANTED)
    stamp(b);
}

static void store_time(struct fdemu_req *r, const struct fds_stamp *t,
                       const struct timespec *when)
{
  const struct timeval us = { when->tv_sec, when->tv_nsec / 1000 };
  const bool is_new = (t->wanted & NEW) != 0;

  if (t->wanted & NANOSECONDS)
    fds_control_store(r, is_new ? TIMESTAMPNS_NEW : SO_TIMESTAMPNS, when,
                      sizeof *when);
  else
    fds_control_store(r, is_new ? TIMESTAMP_NEW : SO_TIMESTAMP, &us, sizeof us);
}

/* Of software; the other two are those of devices. */
static void store_times(struct fdemu_req *r, const struct fds_stamp *t,
                        const struct timespec *when)
{
  const struct timespec all[3] = { *when };

  if (t->flags & SOF_TIMESTAMPING_SOFTWARE &&
      (t->flags & SOF_TIMESTAMPING_RX_SOFTWARE || !(t->flags & OPT_RX_FILTER)))
    fds_control_store(r, t->wanted & NEW ? TIMESTAMPING_NEW : SO_TIMESTAMPING,
                      all, sizeof all);
}

/* s receives b: __sock_recv_timestamp() of Linux. */
void fds_stamp_received(const struct fds_socket *s, struct fdemu_req *r,
                        struct fds_buf *b)
{
  struct timespec when;

  if (!(s->stamp.wanted & WANTED))
    return;
  stamp(b);
  when.tv_sec = b->time / SECOND;
  when.tv_nsec = b->time % SECOND;
  store_time(r, &s->stamp, &when);
  store_times(r, &s->stamp, &when);
}
