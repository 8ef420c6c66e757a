/* traceevent.c - how a trace shows what calls that wait for events take */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>

#include "core/trace.h"

#define N FDE_N

static const struct fde_name poll_events[] = {
  N(POLLIN),   N(POLLPRI),    N(POLLOUT),    N(POLLERR),    N(POLLHUP),
  N(POLLNVAL), N(POLLRDNORM), N(POLLRDBAND), N(POLLWRNORM), N(POLLWRBAND),
  N(POLLMSG),  N(POLLRDHUP),  { 0, NULL },
};

static const struct fde_name eventfd_flags[] = {
  N(EFD_SEMAPHORE),
  N(EFD_CLOEXEC),
  N(EFD_NONBLOCK),
  { 0, NULL },
};

static const struct fde_name timerfd_flags[] = {
  N(TFD_CLOEXEC),
  N(TFD_NONBLOCK),
  { 0, NULL },
};

static const struct fde_name settime_flags[] = {
  N(TFD_TIMER_ABSTIME),
  N(TFD_TIMER_CANCEL_ON_SET),
  { 0, NULL },
};

static const struct fde_name clocks[] = {
  N(CLOCK_REALTIME),       N(CLOCK_MONOTONIC),      N(CLOCK_BOOTTIME),
  N(CLOCK_REALTIME_ALARM), N(CLOCK_BOOTTIME_ALARM), { 0, NULL },
};

static const struct fde_name epoll_flags[] = {
  N(EPOLL_CLOEXEC),
  { 0, NULL },
};

static const struct fde_name epoll_operations[] = {
  N(EPOLL_CTL_ADD),
  N(EPOLL_CTL_DEL),
  N(EPOLL_CTL_MOD),
  { 0, NULL },
};

static const struct fde_name epoll_events[] = {
  N(EPOLLIN),     N(EPOLLPRI),     N(EPOLLOUT),
  N(EPOLLRDNORM), N(EPOLLRDBAND),  N(EPOLLWRNORM),
  N(EPOLLWRBAND), N(EPOLLMSG),     N(EPOLLERR),
  N(EPOLLHUP),    N(EPOLLRDHUP),   N(EPOLLEXCLUSIVE),
  N(EPOLLWAKEUP), N(EPOLLONESHOT), { 1u << 31, "EPOLLET" },
  { 0, NULL },
};

static struct pollfd pollfd_at(const struct fdemu_req *r, size_t i)
{
  struct pollfd p = { .fd = -1 };

  fde_trace_load(r, &p, (const char *)r->buf.iov_base + i * sizeof p, sizeof p);
  return p;
}

static void put_pollfds(struct fde_out *o, const struct fdemu_req *r)
{
  size_t n = r->buf.iov_len / sizeof(struct pollfd);

  fde_print(o, "[");
  for (size_t i = 0; i < n; i++) {
    struct pollfd p = pollfd_at(r, i);
    fde_print(o, i > 0 ? ", {fd=" : "{fd=");
    fde_print_int(o, p.fd);
    if (p.fd >= 0) {
      fde_print(o, ", events=");
      fde_print_flags(o, poll_events, (unsigned short)p.events, "0");
    }
    fde_print(o, "}");
  }
  fde_print(o, "]");
}

static void put_revents(struct fde_out *o, const struct fdemu_req *r)
{
  size_t n = r->buf.iov_len / sizeof(struct pollfd);
  const char *separator = " ([{fd=";

  if (r->result == 0)
    fde_print(o, " (Timeout)");
  if (r->result <= 0)
    return;
  for (size_t i = 0; i < n; i++) {
    struct pollfd p = pollfd_at(r, i);
    if (p.revents == 0)
      continue;
    fde_print(o, separator);
    fde_print_int(o, p.fd);
    fde_print(o, ", revents=");
    fde_print_flags(o, poll_events, (unsigned short)p.revents, "0");
    separator = "}, {fd=";
  }
  fde_print(o, "}])");
}

static void put_epoll_event(struct fde_out *o, const struct fdemu_req *r,
                            size_t i)
{
  struct epoll_event ev;
  const char *addr = r->buf.iov_base;

  if (addr == NULL) {
    fde_print(o, "NULL");
    return;
  }
  if (fde_trace_load(r, &ev, addr + i * sizeof ev, sizeof ev) < 0) {
    fde_print(o, "?");
    return;
  }
  fde_print(o, "{events=");
  fde_print_flags(o, epoll_events, ev.events, "0");
  fde_print(o, ", data={u32=");
  fde_print_uint(o, ev.data.u32, 10);
  fde_print(o, ", u64=");
  fde_print_uint(o, ev.data.u64, 10);
  fde_print(o, "}}");
}

static void put_epoll_events(struct fde_out *o, const struct fdemu_req *r)
{
  if (r->result < 0) {
    fde_print(o, "?");
    return;
  }
  fde_print(o, "[");
  for (size_t i = 0; i < (size_t)r->result; i++) {
    fde_print(o, i > 0 ? ", " : "");
    put_epoll_event(o, r, i);
  }
  fde_print(o, "]");
}

void fde_print_timespec(struct fde_out *o, const struct timespec *ts)
{
  fde_print(o, "{tv_sec=");
  fde_print_int(o, ts->tv_sec);
  fde_print(o, ", tv_nsec=");
  fde_print_int(o, ts->tv_nsec);
  fde_print(o, "}");
}

static void put_ns(struct fde_out *o, int64_t ns)
{
  struct timespec ts = { ns / 1000000000, ns % 1000000000 };

  fde_print_timespec(o, &ts);
}

static void put_itimerspec(struct fde_out *o, const struct fdemu_req *r,
                           size_t i, bool known)
{
  const size_t size = sizeof(struct itimerspec);
  struct itimerspec it;

  if (r->buf.iov_len < (i + 1) * size) {
    fde_print(o, "NULL");
    return;
  }
  if (!known || r->buf.iov_base == NULL ||
      fde_trace_load(r, &it, (const char *)r->buf.iov_base + i * size, size) <
          0) {
    fde_print(o, "?");
    return;
  }
  fde_print(o, "{it_interval=");
  fde_print_timespec(o, &it.it_interval);
  fde_print(o, ", it_value=");
  fde_print_timespec(o, &it.it_value);
  fde_print(o, "}");
}

/* The descriptors of a select() that are, or were found, in a set. */
static bool put_set(struct fde_out *o, const struct fdemu_req *r, int set,
                    bool found, const char *before)
{
  size_t n = r->buf.iov_len / sizeof(struct pollfd);
  bool any = false;

  for (size_t i = 0; i < n; i++) {
    struct pollfd p = pollfd_at(r, i);
    if (!((found ? p.revents : p.events) & set))
      continue;
    fde_print(o, any ? " " : before);
    fde_print_int(o, p.fd);
    any = true;
  }
  if (any)
    fde_print(o, "]");
  else if (!found)
    fde_print(o, "NULL");
  return any;
}

static int highest_fd(const struct fdemu_req *r)
{
  int max = -1;

  for (size_t i = 0; i < r->buf.iov_len / sizeof(struct pollfd); i++)
    if (pollfd_at(r, i).fd > max)
      max = pollfd_at(r, i).fd;
  return max;
}

static void put_selected(struct fde_out *o, const struct fdemu_req *r)
{
  bool any;

  if (r->result == 0)
    fde_print(o, " (Timeout)");
  if (r->result <= 0)
    return;
  any = put_set(o, r, POLLIN, true, " (in [");
  any |= put_set(o, r, POLLOUT, true, any ? ", out [" : " (out [");
  put_set(o, r, POLLPRI, true, any ? ", except [" : " (except [");
  if (r->timeout >= 0) {
    fde_print(o, ", left ");
    put_ns(o, r->retry ? r->timer.when - r->proc->kernel->now : r->timeout);
  }
  fde_print(o, ")");
}

static void put_timeout(struct fde_out *o, const struct fdemu_req *r)
{
  if (r->timeout < 0)
    fde_print(o, "NULL");
  else
    put_ns(o, r->timeout);
}

static void put_new_time(struct fde_out *o, const struct fdemu_req *r)
{
  put_itimerspec(o, r, 0, true);
}

static void put_old_time(struct fde_out *o, const struct fdemu_req *r)
{
  put_itimerspec(o, r, 1, r->result >= 0);
}

static void put_time(struct fde_out *o, const struct fdemu_req *r)
{
  put_itimerspec(o, r, 0, r->result >= 0);
}

static void put_nfds(struct fde_out *o, const struct fdemu_req *r)
{
  fde_print_int(o, highest_fd(r) + 1);
}

static void put_readfds(struct fde_out *o, const struct fdemu_req *r)
{
  put_set(o, r, POLLIN, false, "[");
}

static void put_writefds(struct fde_out *o, const struct fdemu_req *r)
{
  put_set(o, r, POLLOUT, false, "[");
}

static void put_exceptfds(struct fde_out *o, const struct fdemu_req *r)
{
  put_set(o, r, POLLPRI, false, "[");
}

static void put_timeout_ms(struct fde_out *o, const struct fdemu_req *r)
{
  fde_print_int(o, r->timeout < 0 ? -1 : r->timeout / 1000000);
}

static void put_clock(struct fde_out *o, const struct fdemu_req *r)
{
  fde_print_name(o, clocks, (uint32_t)r->arg);
}

static void put_control_event(struct fde_out *o, const struct fdemu_req *r)
{
  if (r->cmd == EPOLL_CTL_DEL)
    fde_print(o, "NULL");
  else
    put_epoll_event(o, r, 0);
}

/* ---- words ------------------------------------------------------------ */

const struct fde_word fde_event_words[] = {
  { "pollfds", .put = put_pollfds },
  { "revents", .put = put_revents },
  { "timeout_ms", .put = put_timeout_ms },
  { "timeout", .put = put_timeout },
  { "nfds", .put = put_nfds },
  { "readfds", .put = put_readfds },
  { "writefds", .put = put_writefds },
  { "exceptfds", .put = put_exceptfds },
  { "selected", .put = put_selected },
  { "epoll_flags", .names = epoll_flags, .none = "0" },
  { "epoll_op", .names = epoll_operations },
  { "epoll_event", .put = put_control_event },
  { "epoll_events", .put = put_epoll_events },
  { "eventfd_flags", .names = eventfd_flags, .none = "0" },
  { "timerfd_flags", .names = timerfd_flags, .none = "0" },
  { "settime_flags", .names = settime_flags, .none = "0" },
  { "clock", .put = put_clock },
  { "new_time", .put = put_new_time },
  { "old_time", .put = put_old_time },
  { "time", .put = put_time },
  { .word = NULL },
};
