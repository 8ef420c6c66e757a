/*
 * close_model_test.c - two kernels do the same, by chance; one of them puts closes
 * off (src/core/close.c), and nothing that they say tells which
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/timerfd.h>

#include "fdemu_driver.h"
#include "test.h"

/* What a test of chance knows of each; the same of both after each step. */
enum { PROCS = 3, REQS = 12, FDS = 80 };

struct world {
  struct test_heap heap;
  struct fdemu_kernel *k;
  struct fdemu_proc *p[PROCS];
  struct fdemu_req req[REQS];
  struct pollfd polled[REQS][3];
  char byte[REQS];
  int64_t log[4 * REQS]; /* who had which answer, in which order */
  int nlog;
};

static struct world worlds[2];

static void log_answer(struct fdemu_req *r)
{
  struct world *w = r->user;
  const ptrdiff_t i = r - w->req;

  w->log[w->nlog++] = (int64_t)i << 32 ^ r->result;
  if (r->call == &fdemu_calls[FDEMU_POLL])
    for (int n = 0; n < 3; n++)
      w->log[w->nlog++] = w->polled[i][n].revents;
}

static void world_new(struct world *w, uint64_t seed, bool prompt)
{
  const struct fdemu_config config = { .seed = seed,
                                       .nofile = FDS,
                                       .random_order = seed % 2 > 0,
                                       .descriptors = 150,
                                       .origins = prompt,
                                       .alloc = test_alloc,
                                       .alloc_ud = &w->heap };

  memset(w, 0, sizeof *w);
  w->k = fdemu_kernel_new(&config);
  CHECK_EQ(fdemu_std_devices(w->k), 0);
  for (int i = 0; i < PROCS; i++)
    w->p[i] = fdemu_proc_new(w->k);
}

static void world_free(struct world *w)
{
  for (int i = 0; i < PROCS; i++)
    fdemu_proc_put(w->p[i]);
  fdemu_kernel_free(w->k);
  CHECK_EQ(w->heap.live, 0);
}

/* What is done next, in both. */
struct step {
  int what, p, fd, other, req;
};

enum {
  CLOSE, /* most of all */
  CLOSE_TOO = 22,
  PIPE,
  PIPE_TOO,
  EVENTFD,
  EPOLL,
  TIMERFD,
  MEMFD,
  DUP,
  DUP2,
  FILL,
  WRITE,
  READ,
  LOCK,
  OWN,
  WATCH,
  START,
  START_TOO,
  START_POLL,
  CANCEL,
  ABANDON,
  RUN,
  RUNNABLE,
  TICK,
  READY,
  REFS,
  FILE_AT,
  NEXT,
  SIGNALS,
  SPACE,
  INTERESTS,
  RANGE,
  EXEC,
  FORK,
  EXIT,
  LOOK,
  SOCKETS,
  SEND,
  SEND_TOO,
  RECEIVE,
  RECORD,
  STEPS
};

static int64_t start(struct world *w, const struct step *s, bool poll)
{
  struct fdemu_req *r = &w->req[s->req];

  if (r->result == FDEMU_PENDING)
    return 0;
  fdemu_abandon(r);
  *r = (struct fdemu_req){ .call = &fdemu_calls[poll ? FDEMU_POLL : FDEMU_READ],
                           .fd = s->fd,
                           .buf = { &w->byte[s->req], 1 },
                           .timeout = -1,
                           .complete = log_answer,
                           .user = w };
  if (poll) {
    for (int i = 0; i < 3; i++)
      w->polled[s->req][i] =
          (struct pollfd){ .fd = (s->fd + i * s->other) % FDS,
                           .events = POLLIN | POLLOUT };
    r->buf = (struct iovec){ w->polled[s->req], sizeof w->polled[s->req] };
  }
  return fdemu_submit(w->p[s->p], r);
}

/* A new reserved number, or two, with the file of another in it. */
static int64_t fill_one(struct fdemu_proc *q, const struct step *s)
{
  int fd, error = fdemu_reserve(q, &fd, 1);
  struct fdemu_file *f = fdemu_file_at(q, s->fd);

  if (error < 0)
    return error;
  if (f == NULL) {
    fdemu_unreserve(q, &fd, 1);
    return -EBADF;
  }
  fdemu_file_get(f);
  fdemu_fill(q, fd, f, s->other % 2 > 0);
  return fd;
}

static int64_t signals_of(struct fdemu_proc *q)
{
  unsigned counts[FDEMU_NSIG];

  fdemu_signals(q, counts);
  return (int64_t)counts[SIGIO] << 32 | counts[SIGPIPE];
}

static int64_t interests_of(const struct fdemu_file *f)
{
  const struct fdemu_interest *i = NULL;
  int64_t n = 0;

  while (f != NULL && (i = fdemu_epoll_next(f, i)) != NULL)
    n = n * 31 + (int64_t)i->file->id;
  return n;
}

static int64_t own(struct fdemu_proc *q, int fd)
{
  int error = fdemu_fcntl(q, fd, F_SETOWN, fdemu_getpid(q));

  return error < 0 ? error : fdemu_fcntl(q, fd, F_SETFL, O_ASYNC | O_NONBLOCK);
}

static int64_t fork_one(struct world *w, const struct step *s)
{
  struct fdemu_proc *child = NULL;
  int64_t pid = fdemu_fork(w->p[s->p], &child);

  if (child != NULL) {
    fdemu_exit(w->p[(s->p + 1) % PROCS], 0);
    fdemu_proc_put(w->p[(s->p + 1) % PROCS]);
    w->p[(s->p + 1) % PROCS] = child;
  }
  return pid;
}

static int64_t exit_one(struct world *w, const struct step *s)
{
  fdemu_exit(w->p[s->p], 1);
  fdemu_proc_put(w->p[s->p]);
  w->p[s->p] = fdemu_proc_new(w->k);
  return fdemu_getpid(w->p[s->p]);
}

static int64_t set_timerfd(struct fdemu_proc *q, int ms)
{
  const struct itimerspec t = { .it_value.tv_nsec = (ms + 1) * 1000 };
  int fd = fdemu_timerfd_create(q, CLOCK_MONOTONIC, TFD_NONBLOCK);

  if (fd >= 0)
    fdemu_timerfd_settime(q, fd, 0, &t, NULL);
  return fd;
}

/* What a call that does not wait says. */
static int64_t at_once(struct fdemu_proc *q, const struct step *s, bool write)
{
  static char bytes[5000];
  struct fdemu_req r = { .call = &fdemu_calls[write ? FDEMU_WRITE : FDEMU_READ],
                         .fd = s->fd,
                         .buf = { bytes, s->other % 2 ? 8 : sizeof bytes },
                         .dontwait = true };

  return fdemu_submit(q, &r);
}

/* A message with a descriptor. */
static int64_t send_fd(struct fdemu_proc *q, const struct step *s)
{
  union {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof(int))];
  } control = { .head = { .cmsg_len = CMSG_LEN(sizeof(int)),
                          .cmsg_level = SOL_SOCKET,
                          .cmsg_type = SCM_RIGHTS } };
  struct iovec v = { (char[]){ 'x' }, 1 };
  const struct msghdr m = { .msg_iov = &v,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof control };

  memcpy(CMSG_DATA(&control.head), &s->fd, sizeof s->fd);
  return fdemu_sendmsg(q, s->other, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int64_t receive_fd(struct fdemu_proc *q, const struct step *s)
{
  char byte;
  union {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof(int))];
  } control = { 0 };
  struct iovec v = { &byte, 1 };
  struct msghdr m = { .msg_iov = &v,
                      .msg_iovlen = 1,
                      .msg_control = &control,
                      .msg_controllen = sizeof control };
  int fd = 0;
  int64_t n = fdemu_recvmsg(q, s->fd, &m, MSG_DONTWAIT);

  if (n > 0 && m.msg_controllen >= CMSG_LEN(sizeof fd))
    memcpy(&fd, CMSG_DATA(&control.head), sizeof fd);
  return n + 10 * fd;
}

/* From then on its closes are done at once, until it exits. */
static int64_t lock_record(struct fdemu_proc *q, int fd)
{
  struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

  return fdemu_fcntl(q, fd, F_SETLK, (int64_t)(intptr_t)&l);
}

static int64_t take_step(struct world *w, const struct step *s)
{
  struct epoll_event e = { .events = EPOLLIN | EPOLLOUT };
  struct fdemu_proc *q = w->p[s->p];
  struct fdemu_file *f;
  int fds[2] = { 0, 0 };
  int64_t n;

  switch (s->what) {
  case PIPE:
  case PIPE_TOO:
    n = fdemu_pipe2(q, fds, s->other % 2 ? O_CLOEXEC : 0);
    return n < 0 ? n : fds[0] * 1000 + fds[1];
  case EVENTFD: return fdemu_eventfd(q, (unsigned)s->other % 2, 0);
  case EPOLL: return fdemu_epoll_create1(q, 0);
  case TIMERFD: return set_timerfd(q, s->other);
  case MEMFD: return fdemu_memfd_create(q, "m", 0);
  case DUP: return fdemu_fcntl(q, s->fd, F_DUPFD, s->other);
  case DUP2: return fdemu_dup2(q, s->fd, s->other);
  case FILL: return fill_one(q, s);
  case WRITE: return at_once(q, s, true);
  case READ: return at_once(q, s, false);
  case LOCK: return fdemu_flock(q, s->fd, LOCK_EX | LOCK_NB);
  case OWN: return own(q, s->fd);
  case WATCH: return fdemu_epoll_ctl(q, s->other, EPOLL_CTL_ADD, s->fd, &e);
  case START:
  case START_TOO: return start(w, s, false);
  case START_POLL: return start(w, s, true);
  case CANCEL: fdemu_cancel(&w->req[s->req], EINTR); return 0;
  case ABANDON: fdemu_abandon(&w->req[s->req]); return 0;
  case RUN: return (int64_t)fdemu_run(w->k);
  case RUNNABLE: return fdemu_runnable(w->k);
  case TICK: return fdemu_tick(w->k, INT64_MAX) + 2 * fdemu_now(w->k);
  case READY:
    f = fdemu_file_at(q, s->other);
    fdemu_close(q, s->fd);
    return f != NULL && s->fd != s->other ? fdemu_ready(f) : -1;
  case REFS: f = fdemu_file_at(q, s->fd); return f != NULL ? fdemu_refs(f) : -1;
  case FILE_AT:
    f = fdemu_file_usable(q, s->fd);
    return f != NULL ? (int64_t)f->id : -1;
  case NEXT: return fdemu_next_fd(q, s->fd);
  case SIGNALS: return signals_of(q);
  case SPACE: return fdemu_space_used(w->k);
  case INTERESTS: return interests_of(fdemu_file_at(q, s->fd));
  case RANGE:
    return fdemu_close_range(q, (unsigned)s->fd, (unsigned)s->other,
                             s->req == 0 ? CLOSE_RANGE_CLOEXEC : 0);
  case EXEC: return fdemu_exec(q);
  case FORK: return fork_one(w, s);
  case EXIT: return exit_one(w, s);
  case LOOK: return fdemu_look(w->k);
  case SOCKETS:
    n = fdemu_socketpair(q, AF_UNIX, SOCK_STREAM, 0, fds);
    return n < 0 ? n : fds[0] * 1000 + fds[1];
  case SEND:
  case SEND_TOO: return send_fd(q, s);
  case RECEIVE: return receive_fd(q, s);
  case RECORD: return lock_record(q, s->fd);
  default: return fdemu_close(q, s->fd);
  }
}

/* Both give the same answers: of n calls how many failed? */
static int compare(uint64_t seed, int n, int *passed)
{
  uint64_t rng = seed * 2 + 1;
  int done = 0;

  world_new(&worlds[0], seed, false);
  world_new(&worlds[1], seed, true);
  for (int i = 0; i < n; i++) {
    struct step s = { .what = (int)test_below(&rng, STEPS),
                      .p = (int)test_below(&rng, PROCS),
                      .fd = (int)test_below(&rng, 24),
                      .other = (int)test_below(&rng, i % 64 ? 24 : FDS + 1),
                      .req = (int)test_below(&rng, REQS) };
    int64_t got[2];
    if (((s.what >= RANGE && s.what <= EXIT) || s.what == RECORD) &&
        test_below(&rng, 8) > 0)
      s.what = CLOSE; /* not too often: nothing would be left */
    for (int j = 0; j < 2; j++) {
      worlds[j].nlog = 0;
      got[j] = take_step(&worlds[j], &s);
    }
    done++;
    *passed += got[0] >= 0;
    if (got[0] != got[1] || worlds[0].nlog != worlds[1].nlog ||
        memcmp(worlds[0].log, worlds[1].log, sizeof worlds[0].log) != 0) {
      fprintf(stderr, "seed %d, step %d: %d: %lld, not %lld\n", (int)seed, i,
              s.what, (long long)got[0], (long long)got[1]);
      CHECK(false);
      break;
    }
    if (i % 1000 == 999)
      for (int j = 0; j < 2; j++)
        CHECK_KERNEL(worlds[j].k);
  }
  for (int j = 0; j < 2; j++)
    world_free(&worlds[j]);
  return done;
}

static void test_model(void)
{
  int done = 0, passed = 0;

  for (uint64_t seed = 1; seed <= 250; seed++)
    done += compare(seed, 4000, &passed);
  CHECK(done >= 100000);
  CHECK(passed > done / 4); /* most have something to do */
}

int main(void)
{
  test_model();
  return test_summary();
}
