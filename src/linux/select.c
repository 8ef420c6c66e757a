/* select.c - select(2) and pselect6(2): sets of bits to pollfds and back */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "fdemu_driver.h"
#include "linux/bynumber.h"

enum { SETS = 3, BITS = 64, FEW = 256 };

static const short set_events[SETS] = { POLLIN, POLLOUT, POLLPRI };

/* The caller's sets, in words of 64 bits; and room for as many pollfds as
 * there are bits. */
struct sets {
  int n;        /* descriptors that they can hold */
  size_t words; /* of each */
  uint64_t *word[SETS];
  struct pollfd *fds;
};

/* Sets that the caller did not give are empty. */
static int sets_load(const struct fdl_call *c, const struct sets *s)
{
  for (int i = 0; i < SETS; i++) {
    int error = 0;
    memset(s->word[i], 0, s->words * sizeof(uint64_t));
    if (c->arg[1 + i] != 0 && s->words > 0)
      error =
          fdl_load(c, s->word[i], c->arg[1 + i], s->words * sizeof(uint64_t));
    if (error < 0)
      return error;
  }
  return 0;
}

static int sets_store(const struct fdl_call *c, const struct sets *s)
{
  for (int i = 0; i < SETS; i++) {
    int error = 0;
    if (c->arg[1 + i] != 0 && s->words > 0)
      error =
          fdl_store(c, c->arg[1 + i], s->word[i], s->words * sizeof(uint64_t));
    if (error < 0)
      return error;
  }
  return 0;
}

static size_t sets_to_fds(const struct sets *s)
{
  size_t count = 0;

  for (int fd = 0; fd < s->n; fd++) {
    struct pollfd p = { .fd = fd };
    for (int i = 0; i < SETS; i++)
      if (s->word[i][fd / BITS] >> fd % BITS & 1)
        p.events = (short)(p.events | set_events[i]);
    if (p.events != 0)
      s->fds[count++] = p;
  }
  return count;
}

static void sets_from_fds(const struct sets *s, size_t count)
{
  for (int i = 0; i < SETS; i++)
    memset(s->word[i], 0, s->words * sizeof(uint64_t));
  for (size_t at = 0; at < count; at++)
    for (int i = 0; i < SETS; i++)
      if (s->fds[at].revents & set_events[i])
        s->word[i][s->fds[at].fd / BITS] |= UINT64_C(1) << s->fds[at].fd % BITS;
}

static int64_t select_sets(const struct fdl_call *c, const struct sets *s,
                           int64_t timeout)
{
  int error = sets_load(c, s);
  struct fdemu_req r;
  size_t count;
  int64_t n;

  if (error < 0)
    return error;
  count = sets_to_fds(s);
  fdl_fill(c, &r);
  r.mem = NULL;
  r.buf = (struct iovec){ s->fds, count * sizeof *s->fds };
  r.timeout = timeout;
  n = fdemu_call(c->p, &r);
  if (n < 0)
    return n;
  sets_from_fds(s, count);
  error = sets_store(c, s);
  return error < 0 ? error : n;
}

/* As many bits as Linux looks at: it has room for 64 descriptors in every
 * process, and no set reaches beyond the room there is. */
static int highest(const struct fdl_call *c)
{
  int n = (int)c->arg[0], soft, hard, room = BITS;

  fdemu_get_nofile(c->p, &soft, &hard);
  if (n <= BITS)
    return n;
  if (soft > room)
    room = soft;
  return n < room ? n : room;
}

static int64_t select_for(const struct fdl_call *c, int64_t timeout)
{
  struct fdemu_kernel *k = fdemu_kernel_of(c->p);
  uint64_t few[SETS * FEW / BITS];
  struct pollfd few_fds[FEW];
  struct sets s = { .n = highest(c) };
  uint64_t *words = few;
  int64_t n = -ENOMEM;

  if (s.n < 0)
    return -EINVAL;
  s.words = ((size_t)s.n + BITS - 1) / BITS;
  s.fds = few_fds;
  if (s.n > FEW) {
    words = fdemu_alloc(k, SETS * s.words * sizeof *words);
    s.fds = fdemu_alloc(k, (size_t)s.n * sizeof *s.fds);
  }
  for (size_t i = 0; i < SETS; i++)
    s.word[i] = words + i * s.words;
  if (words != NULL && s.fds != NULL)
    n = select_sets(c, &s, timeout);
  if (s.n > FEW) {
    fdemu_free(k, s.fds);
    fdemu_free(k, words);
  }
  return n;
}

int64_t fdl_select(const struct fdl_call *c)
{
  int64_t start = fdemu_now(fdemu_kernel_of(c->p)), timeout = -1, n;

  if (c->arg[4] != 0) {
    timeout = fdl_load_timeval(c, c->arg[4]);
    if (timeout < 0)
      return timeout;
  }
  n = select_for(c, timeout);
  fdl_store_timeval(c, c->arg[4], start, timeout);
  return n;
}

/* The mask and its size do not fit into a register: they are a pair. */
int64_t fdl_pselect6(const struct fdl_call *c)
{
  int64_t start = fdemu_now(fdemu_kernel_of(c->p)), timeout = -1, n;
  uint64_t mask[2] = { 0, 0 };
  int error = 0;

  if (c->arg[5] != 0)
    error = fdl_load(c, mask, c->arg[5], sizeof mask);
  if (error < 0)
    return error;
  if (c->arg[4] != 0) {
    timeout = fdl_load_timespec(c, c->arg[4]);
    if (timeout < 0)
      return timeout;
  }
  error = fdl_check_mask(c, mask[0], mask[1]);
  if (error < 0)
    return error;
  n = select_for(c, timeout);
  fdl_store_timespec(c, c->arg[4], start, timeout);
  return n;
}
