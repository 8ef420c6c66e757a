/*
 * args.c - arguments: from words to registers, and from memory to words
 *
 *   f  a descriptor: r3, or a number        i  an int: 5, -1, O_RDWR|O_CREAT;
 *      me is the user of the script
 *      (p1: the number of process 1; g1: of its group, negative)
 *   l  a 64-bit number                      P  a process (fork)
 *   W  bytes to write: a count; #5 is the number 5 in 8 bytes (2 registers)
 *   R  room for bytes to read: a count (2 registers)
 *   U  a vector to write, V one to read: [10,0,#5] (2 registers)
 *   H  a vector of memory that pages are taken from, if the first argument was
 *      opened for writing, or given to (2 registers)
 *   p  pollfds: [r0:IN|OUT,r1:0] (2 registers)
 *   s  an fd_set: {r0,5}                    t  a timespec, v a timeval: 1,500
 *   E  an epoll_event: IN|ET:7              L  room for events (2 registers)
 *   2  room for two descriptors             I  an int, in and out, or a program
 *      for a socket: bpf:7 is the 7th of those made at random
 *   S  a struct stat, X a struct statx      r  a struct rlimit: 5,10
 *   Y  an itimerspec: value/interval        y  room for one
 *   K  a struct flock: WRLCK:SET:0:10       o  an off_t, in and out
 *   N  a path; '' is the empty one, ~ is where scripts begin
 *   T  room for a link's target
 *   D  room for directory entries (2 registers)
 *   C  room for the working directory: more bytes than where scripts begin
 *      takes (2 registers)
 *   u  two timespecs: accessed/modified
 *   M  a message to send: [10,20]:r0,r1; [5]:r0!7 has 7 for the length of
 *      its control data, [5]^r0 is for the name of r0 (cf. J)
 *                                           m  room for one: 100:2, 100:2!7;
 *      100^9 has nine bytes of room for who sent it
 *   Q  messages to send: 3*[10,20]:r0, or q room for them: 3*100:2+5, the
 *      last of which is another (2 registers)
 *   A  room for a socket's name: a count (2 registers)
 *   J  the name of a socket: r0, or r0:7 for so much of it; =a is the file a (2
 *      registers)
 *   z  a struct statfs
 *   x  a struct fsxattr: xflags:extsize:projid:cowextsize
 *   c  a struct file_clone_range: a descriptor
 *   d  a struct file_dedupe_range: a count; 1!2 has 2 in its reserved fields
 *   g  room for the UUID of a file system, or for anything else of which only
 *      the first byte is of interest
 *
 * Where memory is meant, null and bad are addresses, and 10@bad is ten bytes
 * that are not there.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>

#include "conf.h"

#define FILL 0xaa

static _Thread_local size_t used; /* of the arena, by this call */

static void *room(size_t n)
{
  char *p = arena + used;

  used += (n + 15) & ~(size_t)15;
  if (used > ARENA)
    abort();
  return p;
}

static uint64_t address(const void *p)
{
  return (uint64_t)(uintptr_t)p;
}

static void *at(uint64_t a)
{
  return (void *)(uintptr_t)a; /* NOLINT: it is one */
}

/* null, bad: an address that is no good. */
static bool odd_address(const char *token, uint64_t *a)
{
  const char *s = strchr(token, '@');

  s = s != NULL ? s + 1 : token;
  if (strcmp(s, "null") == 0)
    *a = 0;
  else if (strcmp(s, "bad") == 0)
    *a = address(arena + ARENA);
  else
    return false;
  return true;
}

static bool in_arena(uint64_t a)
{
  return a >= address(arena) && a < address(arena + ARENA);
}

/* ---- numbers ---------------------------------------------------------- */

static int64_t one(const struct run *r, const char *s, size_t n)
{
  char word[64], *end;
  int64_t value;

  if (n >= sizeof word)
    n = sizeof word - 1;
  memcpy(word, s, n);
  word[n] = '\0';
  if (word[0] == 'r' && word[1] >= '0' && word[1] <= '9')
    return r->reg[atoi(word + 1) % NREGS];
  if (word[0] == 'p' && word[1] >= '0' && word[1] < '0' + NPROCS)
    return r->pid[word[1] - '0'];
  if (word[0] == 'g' && word[1] >= '0' && word[1] < '0' + NPROCS)
    return -r->pid[word[1] - '0'];
  if (strcmp(word, "me") == 0)
    return user_of(r->side);
  value = (int64_t)strtoull(word, &end, 0);
  if (end != word)
    return value;
  return constant(word, n);
}

/* A sum of flags: the bits of all. */
int64_t number(const struct run *r, const char *token)
{
  int64_t value = 0;

  for (const char *s = token; *s != '\0';) {
    size_t n = strcspn(s, "|");
    value |= one(r, s, n);
    s += n + (s[n] == '|');
  }
  return value;
}

static int64_t number_n(const struct run *r, const char *s, size_t n)
{
  char word[MAX_LINE];

  memcpy(word, s, n);
  word[n] = '\0';
  return number(r, word);
}

/* ---- bytes ------------------------------------------------------------ */

/* Different for every line. */
static void pattern(const struct run *r, unsigned char *p, size_t n)
{
  uint64_t x = (r->line + 1) * UINT64_C(0x9e3779b97f4a7c15);

  for (size_t i = 0; i < n; i++) {
    if (i % 8 == 0)
      x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
    p[i] = (unsigned char)(x >> (i % 8 * 8));
  }
}

static size_t fits(uint64_t n)
{
  return n < MAX_IO ? (size_t)n : MAX_IO;
}

/* An element of a vector, or a buffer; writing: with bytes in it. */
static struct iovec bytes(struct run *r, const char *token, bool writing)
{
  uint64_t odd, n;
  void *p;

  if (token[0] == '#') {
    n = (uint64_t)number(r, token + 1);
    p = room(sizeof n);
    memcpy(p, &n, sizeof n);
    return (struct iovec){ p, sizeof n };
  }
  n = (uint64_t)one(r, token, strcspn(token, "@"));
  if (strchr(token, '@') != NULL && odd_address(token, &odd))
    return (struct iovec){ at(odd), n };
  p = room(fits(n) + 16);
  if (writing)
    pattern(r, p, fits(n));
  else
    memset(p, FILL, fits(n) + 16);
  return (struct iovec){ p, n };
}

/* The pieces of "[a,b,c]", with each() called for every one. */
static size_t pieces(const char *token, char word[][64], size_t max)
{
  const char *s = token + 1;
  size_t n = 0;

  while (n < max && *s != '\0' && *s != ']' && *s != '}') {
    size_t m = strcspn(s, ",]}");
    if (m > 63)
      m = 63;
    memcpy(word[n], s, m);
    word[n++][m] = '\0';
    s += m + (s[m] == ',');
  }
  return n;
}

static void vector(struct run *r, const char *token, bool writing, uint64_t *a)
{
  char word[32][64];
  struct iovec *iov;
  size_t n;

  if (token[0] != '[') { /* a vector that is not there, of some length */
    a[0] = 0;
    if (!odd_address(token, &a[0]))
      a[0] = address(room(1024 * sizeof *iov));
    a[1] = (uint64_t)one(r, token, strcspn(token, "@"));
    if (in_arena(a[0]))
      memset(at(a[0]), 0, 1024 * sizeof *iov);
    return;
  }
  n = pieces(token, word, 32);
  iov = room(n * sizeof *iov + 1);
  for (size_t i = 0; i < n; i++)
    iov[i] = bytes(r, word[i], writing);
  a[0] = address(iov);
  a[1] = n;
}

/* Pages that a pipe has stay what they are: elements that are in memory lie
 * where nobody ever writes. */
static void memory(struct run *r, const char *token, bool taken, uint64_t *a)
{
  struct iovec *iov;

  vector(r, token, false, a);
  iov = at(a[0]);
  for (uint64_t i = 0; taken && token[0] == '[' && i < a[1]; i++)
    if (address(iov[i].iov_base) < address(arena + ARENA))
      iov[i].iov_base = lasting_bytes + (r->line * 777 + i * 5099) % 65536;
}

static uint64_t digest(uint64_t h, const unsigned char *p, size_t n)
{
  for (; n >= 8; p += 8, n -= 8) {
    uint64_t x;
    memcpy(&x, p, 8);
    h = (h ^ x) * UINT64_C(0x100000001b3);
    h ^= h >> 29;
  }
  for (; n > 0; p++, n--)
    h = (h ^ *p) * UINT64_C(0x100000001b3);
  return h;
}

static void say_bytes(struct run *r, const unsigned char *p, size_t n)
{
  if (r->noise)
    return;
  if (n > 12) {
    say(r, " bytes:%016llx",
        (unsigned long long)digest(14695981039346656037u, p, n));
    return;
  }
  say(r, " \"");
  for (size_t i = 0; i < n; i++)
    say(r, "%02x", p[i]);
  say(r, "\"");
}

static void decode_read(struct run *r, uint64_t a, int64_t n, uint64_t size)
{
  const unsigned char *p = at(a);
  size_t got = n > 0 ? (size_t)n : 0;

  if (got > size)
    got = (size_t)size; /* MSG_TRUNC */
  if (!in_arena(a) || got > MAX_IO)
    return;
  if (got > 0)
    say_bytes(r, p, got);
  for (size_t i = got; i < got + 16 && i < fits(size) + 16; i++)
    if (p[i] != FILL) {
      say(r, " overrun");
      return;
    }
}

static void decode_vector(struct run *r, const uint64_t *a, int64_t n)
{
  uint64_t h = 14695981039346656037u;
  const struct iovec *iov = at(a[0]);

  if (n <= 0 || !in_arena(a[0]))
    return;
  for (size_t i = 0; i < a[1] && n > 0; i++) {
    size_t m = iov[i].iov_len < (size_t)n ? iov[i].iov_len : (size_t)n;
    if (!in_arena(address(iov[i].iov_base)))
      return;
    h = digest(h, iov[i].iov_base, m);
    n -= (int64_t)m;
  }
  if (!r->noise)
    say(r, " bytes:%016llx", (unsigned long long)h);
}

/* ---- poll, select, epoll ---------------------------------------------- */

static void encode_poll(struct run *r, const char *token, uint64_t *a)
{
  char word[32][64];
  struct pollfd *p;
  size_t n;

  if (token[0] != '[') {
    a[0] = 0;
    odd_address(token, &a[0]);
    a[1] = (uint64_t)one(r, token, strcspn(token, "@"));
    return;
  }
  n = pieces(token, word, 32);
  p = room(n * sizeof *p + 1);
  for (size_t i = 0; i < n; i++) {
    size_t m = strcspn(word[i], ":");
    p[i].fd = (int)number_n(r, word[i], m);
    p[i].events = (short)number(r, word[i][m] ? word[i] + m + 1 : "0");
    p[i].revents = -1;
  }
  a[0] = address(p);
  a[1] = n;
}

static void decode_poll(struct run *r, const uint64_t *a)
{
  const struct pollfd *p = at(a[0]);

  if (!in_arena(a[0]))
    return;
  say(r, " [");
  for (size_t i = 0; i < a[1]; i++)
    say(r, i > 0 ? ",%x" : "%x", (unsigned)(unsigned short)p[i].revents);
  say(r, "]");
}

static uint64_t encode_set(struct run *r, const char *token)
{
  char word[32][64];
  uint64_t a = 0;
  fd_set *set;
  size_t n;

  if (odd_address(token, &a))
    return a;
  set = room(sizeof *set);
  FD_ZERO(set);
  n = pieces(token, word, 32);
  for (size_t i = 0; i < n; i++) {
    int64_t fd = number(r, word[i]);
    if (fd >= 0 && fd < FD_SETSIZE)
      FD_SET((int)fd, set);
  }
  return address(set);
}

static void decode_set(struct run *r, uint64_t a)
{
  if (!in_arena(a))
    return;
  say(r, " {");
  for (int fd = 0; fd < FD_SETSIZE; fd++)
    if (FD_ISSET(fd, (fd_set *)at(a)))
      say(r, "%d,", fd);
  say(r, "}");
}

static uint64_t encode_event(struct run *r, const char *token)
{
  size_t m = strcspn(token, ":");
  struct epoll_event *ev;
  uint64_t a;

  if (odd_address(token, &a))
    return a;
  ev = room(sizeof *ev);
  ev->events = (uint32_t)number_n(r, token, m);
  ev->data.u64 = (uint64_t)number(r, token[m] ? token + m + 1 : "0");
  return address(ev);
}

static void encode_events(struct run *r, const char *token, uint64_t *a)
{
  size_t n;

  a[1] = (uint64_t)one(r, token, strcspn(token, "@"));
  n = (int64_t)a[1] > 0 && a[1] < 100 ? (size_t)a[1] : 1;
  if (!odd_address(token, &a[0]))
    a[0] = address(room(n * sizeof(struct epoll_event)));
}

static void decode_events(struct run *r, uint64_t a, int64_t n)
{
  const struct epoll_event *ev = at(a);

  if (in_arena(a))
    for (int64_t i = 0; i < n; i++)
      say(r, " %x:%lld", (unsigned)ev[i].events, (long long)ev[i].data.u64);
}

/* ---- times ------------------------------------------------------------ */

static struct timespec spec(const struct run *r, const char *s, size_t n)
{
  size_t m = strcspn(s, ",/");
  struct timespec t = { number_n(r, s, m < n ? m : n), 0 };

  if (m < n && s[m] == ',')
    t.tv_nsec = number_n(r, s + m + 1, strcspn(s + m + 1, "/"));
  return t;
}

/* A time that is worth waiting for, in ns; 0: none, or a longer one. */
static int64_t short_time(int64_t s, int64_t ns)
{
  return s == 0 && ns > 0 && ns <= SHORT_NS ? ns : 0;
}

static int64_t short_time_at(uint64_t a, int unit)
{
  const struct timespec *t = at(a);

  return in_arena(a) ? short_time(t->tv_sec, t->tv_nsec * unit) : 0;
}

/* Whether a call ends by itself, after a short time. */
bool is_short(long nr, const uint64_t *a)
{
  switch (nr) {
  case SYS_poll: return short_time(0, (int)a[2] * INT64_C(1000000)) > 0;
  case SYS_epoll_wait:
  case SYS_epoll_pwait: return short_time(0, (int)a[3] * INT64_C(1000000)) > 0;
  case SYS_ppoll: return short_time_at(a[2], 1) > 0;
  case SYS_select: return short_time_at(a[4], 1000) > 0;
  case SYS_pselect6: return short_time_at(a[4], 1) > 0;
  case SYS_epoll_pwait2: return short_time_at(a[3], 1) > 0;
  default: return false;
  }
}

/* When the timer that a call has set goes off, although it may not have told
 * what it was before (EFAULT): in so many ns, or 0 if that is far away. Both
 * sides wait for it. */
int64_t expiry(long nr, const uint64_t *a, int64_t result)
{
  const struct itimerspec *it = at(a[2]);

  return nr == SYS_timerfd_settime && in_arena(a[2]) &&
                 (result == 0 || result == -EFAULT)
             ? short_time(it->it_value.tv_sec, it->it_value.tv_nsec)
             : 0;
}

/* Both have two 64-bit fields. */
static uint64_t encode_time(struct run *r, const char *token)
{
  struct timespec *t;
  uint64_t a;

  if (odd_address(token, &a))
    return a;
  t = room(sizeof *t);
  *t = spec(r, token, strlen(token));
  return address(t);
}

/* What is left of a time that ran out. */
static void decode_time(struct run *r, uint64_t a, int64_t n)
{
  const struct timespec *t = at(a);

  if (in_arena(a) && n == 0)
    say(r, " left %lld,%ld", (long long)t->tv_sec, t->tv_nsec);
}

static uint64_t encode_timer(struct run *r, const char *token)
{
  size_t m = strcspn(token, "/");
  struct itimerspec *it;
  uint64_t a;

  if (odd_address(token, &a))
    return a;
  it = room(sizeof *it);
  it->it_value = spec(r, token, m);
  it->it_interval = spec(r, token[m] ? token + m + 1 : "0", MAX_LINE);
  return address(it);
}

/* Linux's clock goes on meanwhile: to the next thousand seconds. */
static long long coarse(const struct timespec *t)
{
  return (t->tv_sec + (t->tv_nsec > 0) + 999) / 1000;
}

static void decode_timer(struct run *r, uint64_t a)
{
  const struct itimerspec *it = at(a);

  if (in_arena(a))
    say(r, " %lld/%lld,%ld", coarse(&it->it_value),
        (long long)it->it_interval.tv_sec, it->it_interval.tv_nsec);
}

/* ---- files ------------------------------------------------------------ */

/* Inodes have numbers of their own: in the order in which they are seen. */
static size_t inode(struct run *r, uint64_t dev, uint64_t ino)
{
  size_t i;

  for (i = 0; i < r->ninos; i++)
    if (r->inos[i].dev == dev && r->inos[i].ino == ino)
      return i;
  if (i < NINOS) {
    r->inos[i].dev = dev;
    r->inos[i].ino = ino;
    r->ninos++;
  }
  return i;
}

/* Where Linux's numbers depend on the file system: see exceptions.txt. */
static bool is_dir(unsigned mode)
{
  return S_ISDIR(mode);
}

/* Times that scripts have set: Linux's clock shows others. Those of its sockets
 * and pipes are not compared: see exceptions.txt. */
static void say_time(struct run *r, const char *name, unsigned mode, int64_t s,
                     uint32_t ns)
{
  if (s >= 0 && s < 1000 && !S_ISSOCK(mode) && !S_ISFIFO(mode))
    say(r, " %s %lld.%09u", name, (long long)s, ns);
}

/* The user of the script is 1000. */
static unsigned whose(const struct run *r, uid_t uid)
{
  return uid == user_of(r->side) ? 1000 : uid;
}

static void decode_stat(struct run *r, uint64_t a)
{
  const struct stat *st = at(a);

  if (!in_arena(a))
    return;
  say(r, " mode %o links %lu uid %u gid %u rdev %lx", (unsigned)st->st_mode,
      is_dir(st->st_mode) ? 0 : (unsigned long)st->st_nlink,
      whose(r, st->st_uid), whose(r, st->st_gid), (unsigned long)st->st_rdev);
  if (!is_dir(st->st_mode))
    say(r, " size %lld blksize %ld blocks %lld", (long long)st->st_size,
        (long)st->st_blksize, (long long)st->st_blocks);
  say(r, " inode %zu", inode(r, st->st_dev, st->st_ino));
  say_time(r, "accessed", st->st_mode, st->st_atim.tv_sec,
           (uint32_t)st->st_atim.tv_nsec);
  say_time(r, "modified", st->st_mode, st->st_mtim.tv_sec,
           (uint32_t)st->st_mtim.tv_nsec);
}

/* Of a file; others are of what is mounted. */
#define ATTRIBUTES \
  (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND | STATX_ATTR_NODUMP)

static void decode_statx(struct run *r, uint64_t a)
{
  const struct statx *x = at(a);

  if (!in_arena(a))
    return;
  say(r, " mode %o links %u uid %u gid %u", x->stx_mode,
      is_dir(x->stx_mode) ? 0 : x->stx_nlink, whose(r, x->stx_uid),
      whose(r, x->stx_gid));
  say(r, " attributes %llx of %llx",
      (unsigned long long)x->stx_attributes & ATTRIBUTES,
      (unsigned long long)x->stx_attributes_mask & ATTRIBUTES);
  if (!is_dir(x->stx_mode))
    say(r, " size %llu blksize %u blocks %llu", (unsigned long long)x->stx_size,
        x->stx_blksize, (unsigned long long)x->stx_blocks);
  say_time(r, "accessed", x->stx_mode, x->stx_atime.tv_sec,
           x->stx_atime.tv_nsec);
  say_time(r, "modified", x->stx_mode, x->stx_mtime.tv_sec,
           x->stx_mtime.tv_nsec);
}

static uint64_t encode_path(const struct run *r, const char *token)
{
  const char *base = "";
  uint64_t a;
  size_t n;
  char *p;

  if (odd_address(token, &a))
    return a;
  if (strcmp(token, "''") == 0)
    token = "";
  if (token[0] == '~') {
    base = r->side->directory;
    token++;
  }
  n = strlen(base) + strlen(token) + 1;
  p = room(n);
  snprintf(p, n, "%s%s", base, token);
  return address(p);
}

static void encode_cwd(struct run *r, const char *token, uint64_t *a)
{
  size_t base = strlen(r->side->directory);

  a[1] = (uint64_t)one(r, token, strcspn(token, "@"));
  if (a[1] > 0)
    a[1] += base;
  if (strchr(token, '@') == NULL || !odd_address(token, &a[0]))
    a[0] = address(room(fits(a[1])));
}

static uint64_t encode_times(struct run *r, const char *token)
{
  size_t m = strcspn(token, "/");
  struct timespec *t;
  uint64_t a;

  if (odd_address(token, &a))
    return a;
  t = room(2 * sizeof *t);
  t[0] = spec(r, token, m);
  t[1] = spec(r, token[m] ? token + m + 1 : "0", MAX_LINE);
  return address(t);
}

/* Sorted: the order is the file system's. */
static int by_name(const void *a, const void *b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

struct entry {
  uint64_t ino;
  int64_t off;
  unsigned short len;
  unsigned char type;
  char name[];
};

static void decode_entries(struct run *r, uint64_t a, int64_t n)
{
  static char line[300][280];
  char *names[300];
  size_t count = 0;

  if (!in_arena(a))
    return;
  for (int64_t i = 0; i < n && count < 300;) {
    const struct entry *e = at(a + (uint64_t)i);
    names[count] = line[count];
    snprintf(line[count++], sizeof *line, " %s:%d", e->name, e->type);
    i += e->len;
  }
  qsort(names, count, sizeof *names, by_name);
  for (size_t i = 0; i < count; i++)
    say(r, "%s", names[i]);
}

static uint64_t encode_lock(struct run *r, const char *token)
{
  struct flock *l;
  uint64_t a;
  int64_t v[5] = { 0 };
  const char *s = token;

  if (odd_address(token, &a))
    return a;
  for (size_t i = 0; i < 5 && *s != '\0'; i++) {
    size_t m = strcspn(s, ":");
    v[i] = number_n(r, s, m);
    s += m + (s[m] == ':');
  }
  l = room(sizeof *l);
  memset(l, 0, sizeof *l);
  l->l_type = (short)v[0];
  l->l_whence = (short)v[1];
  l->l_start = v[2];
  l->l_len = v[3];
  l->l_pid = (pid_t)v[4];
  return address(l);
}

static void decode_lock(struct run *r, uint64_t a)
{
  const struct flock *l = at(a);

  if (in_arena(a))
    say(r, " type %d whence %d %lld+%lld owner %d", l->l_type, l->l_whence,
        (long long)l->l_start, (long long)l->l_len,
        l->l_pid > 0 ? slot_of(r, l->l_pid) : (int)l->l_pid);
}

/* The next of a row of numbers below n. */
static unsigned below(uint64_t *state, unsigned n)
{
  *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
  return (unsigned)(*state >> 33) % n;
}

/* What the kernel knows of a message, but for the processor it runs on, and
 * chance. */
static unsigned ancillary(uint64_t *state)
{
  unsigned n = below(state, 16) * 4;

  return n == SKF_AD_CPU || n == SKF_AD_RANDOM ? SKF_AD_ALU_XOR_X : n;
}

/* Most are good: those with no jumps too far, and no memory before its time. */
static struct sock_filter operation(uint64_t *state, unsigned left)
{
  static const unsigned char odd[] = { 0x00, 0x01, 0x02, 0x03, 0x06, 0x16,
                                       0x60, 0x61, 0x80, 0x81, 0xb1, 0x05,
                                       0x07, 0x87, 0x08, 0xff };
  static const int known[] = { SKF_AD_OFF, SKF_NET_OFF, SKF_LL_OFF, -1, 30 };
  struct sock_filter f = { .k = below(state, 12) };

  switch (below(state, 8)) {
  case 0: f.code = odd[below(state, sizeof odd)]; break;
  case 1:
  case 2: f.code = (uint16_t)(BPF_ALU | below(state, 11) << 4); break;
  case 3: f.code = (uint16_t)(BPF_ALU | BPF_X | below(state, 11) << 4); break;
  case 4:
  case 5: f.code = (uint16_t)(BPF_JMP | BPF_K | below(state, 5) << 4); break;
  default:
    f.code = (uint16_t)(BPF_LD | below(state, 3) << 3 |
                        (below(state, 2) ? BPF_ABS : BPF_IND));
    if (below(state, 3) == 0)
      f.k = (unsigned)known[below(state, 5)] + ancillary(state);
    break;
  }
  if (BPF_CLASS(f.code) == BPF_JMP) {
    f.jt = (uint8_t)below(state, left);
    f.jf = (uint8_t)below(state, left);
    f.k = f.code == BPF_JMP ? f.jt : f.k;
  }
  return f;
}

static uint64_t encode_program(const char *token)
{
  uint64_t state = strtoull(token, NULL, 10);
  struct sock_fprog *p = room(sizeof *p);
  struct sock_filter *f;

  memset(p, 0, sizeof *p);
  p->len = (unsigned short)(2 + below(&state, 7));
  f = p->filter = room(p->len * sizeof *f);
  for (unsigned i = 0; i < p->len; i++)
    f[i] = operation(&state, p->len - i);
  if (below(&state, 9) > 0)
    f[p->len - 1] = below(&state, 3) ? (struct sock_filter){ 0x16, 0, 0, 0 }
                                     : (struct sock_filter){ 0x06, 0, 0, 5 };
  return address(p);
}

static uint64_t encode_int(struct run *r, const char *token)
{
  uint64_t a;
  int64_t *p;

  if (odd_address(token, &a))
    return a;
  if (strncmp(token, "bpf:", 4) == 0)
    return encode_program(token + 4);
  p = room(sizeof *p);
  *p = number(r, token);
  return address(p);
}

static uint64_t encode_xattr(const struct run *r, const char *token)
{
  uint32_t field[5] = { 0 }; /* the third is for the answer alone */
  struct fsxattr *x;
  uint64_t a;

  if (odd_address(token, &a))
    return a;
  for (int i = 0; *token != '\0' && i < 5; i++) {
    size_t n = strcspn(token, ":");
    i += i == 2;
    field[i] = (uint32_t)number_n(r, token, n);
    token += n + (token[n] == ':');
  }
  x = room(sizeof *x);
  memset(x, 0, sizeof *x);
  x->fsx_xflags = field[0];
  x->fsx_extsize = field[1];
  x->fsx_projid = field[3];
  x->fsx_cowextsize = field[4];
  return address(x);
}

static void decode_xattr(struct run *r, uint64_t a)
{
  const struct fsxattr *x = at(a);

  if (in_arena(a))
    say(r, " flags %x sizes %u %u extents %u project %u", x->fsx_xflags,
        x->fsx_extsize, x->fsx_cowextsize, x->fsx_nextents, x->fsx_projid);
}

static uint64_t encode_clone(const struct run *r, const char *token)
{
  struct file_clone_range *c;
  uint64_t a;

  if (odd_address(token, &a))
    return a;
  c = room(sizeof *c);
  memset(c, 0, sizeof *c);
  c->src_fd = number(r, token);
  return address(c);
}

static uint64_t encode_dedupe(const struct run *r, const char *token)
{
  const char *reserved = strchr(token, '!');
  struct file_dedupe_range *d;
  uint64_t a;

  if (odd_address(token, &a))
    return a;
  d = room(8192);
  memset(d, 0, 8192);
  d->dest_count = (uint16_t)one(r, token, strcspn(token, "!"));
  if (reserved != NULL)
    d->reserved2 = (uint32_t)number(r, reserved + 1);
  return address(d);
}

static uint64_t encode_limit(struct run *r, const char *token)
{
  struct rlimit *l;
  struct timespec t;
  uint64_t a;

  if (odd_address(token, &a))
    return a;
  t = spec(r, token, strlen(token));
  l = room(sizeof *l);
  *l = (struct rlimit){ (rlim_t)t.tv_sec, (rlim_t)t.tv_nsec };
  return address(l);
}

static uint64_t encode_room(const char *token, size_t n)
{
  uint64_t a;
  void *p;

  if (odd_address(token, &a))
    return a;
  p = room(n);
  memset(p, 0, n);
  return address(p);
}

/* ---- messages --------------------------------------------------------- */

/* Room for a name: Linux leaves alone what it does not need. */
static void *name_room(void)
{
  void *p = room(sizeof(struct sockaddr_storage));

  memset(p, FILL, sizeof(struct sockaddr_storage));
  return p;
}

static size_t encode_file(struct sockaddr_un *name, const char *path)
{
  name->sun_family = AF_UNIX;
  memcpy(name->sun_path, path, strlen(path) + 1);
  return sizeof name->sun_family + strlen(path) + 1;
}

/* The name that a socket has now, or a file's. */
static void encode_address(struct run *r, int proc, const char *token,
                           uint64_t *a)
{
  const char *some = strchr(token, ':');
  struct sockaddr_un *name = name_room();
  uint64_t args[6] = { 0, address(name) };
  int *n = room(sizeof *n);

  a[0] = address(name);
  if (token[0] == '=') {
    a[1] = encode_file(name, token + 1);
    return;
  }
  args[0] = (uint64_t)number_n(r, token, strcspn(token, ":"));
  args[2] = address(n);
  *n = sizeof *name;
  if (r->side->call(r, proc, SYS_getsockname, args) < 0)
    *n = 0;
  a[1] = some != NULL ? (uint64_t)number(r, some + 1) : (uint64_t)*n;
}

/* What a message says that it has of control data. */
static size_t control_length(const struct run *r, const char *token, size_t n)
{
  const char *s = strchr(token, '!');

  return s != NULL ? (size_t)number_n(r, s + 1, strcspn(s + 1, "^")) : n;
}

static uint64_t encode_message(struct run *r, int proc, const char *token)
{
  struct msghdr *m;
  struct cmsghdr *c;
  const char *fds = strchr(token, ':'), *name = strchr(token, '^');
  uint64_t a[2];
  size_t n = 0;

  if (odd_address(token, a) && token[0] != '[')
    return a[0];
  m = room(sizeof *m);
  memset(m, 0, sizeof *m);
  vector(r, token, true, a);
  m->msg_iov = at(a[0]);
  m->msg_iovlen = a[1];
  if (name != NULL) {
    encode_address(r, proc, name + 1, a);
    m->msg_name = at(a[0]);
    m->msg_namelen = (socklen_t)a[1];
  }
  if (fds == NULL)
    return address(m);
  c = room(CMSG_SPACE(8 * sizeof(int)));
  for (const char *s = fds + 1;
       *s != '\0' && *s != '!' && *s != '^' && n < 8;) {
    size_t len = strcspn(s, ",!^");
    int fd = (int)number_n(r, s, len);
    memcpy((char *)CMSG_DATA(c) + n++ * sizeof fd, &fd, sizeof fd);
    s += len + (s[len] == ',');
  }
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(n * sizeof(int));
  m->msg_control = c;
  m->msg_controllen = control_length(r, token, CMSG_SPACE(n * sizeof(int)));
  return address(m);
}

static uint64_t encode_reception(struct run *r, const char *token)
{
  const char *fds = strchr(token, ':'), *name = strchr(token, '^');
  struct msghdr *m;
  struct iovec *iov;
  uint64_t a;

  if (odd_address(token, &a) && strchr(token, '@') == NULL)
    return a;
  m = room(sizeof *m);
  memset(m, 0, sizeof *m);
  iov = room(sizeof *iov);
  *iov = bytes(r, token, false);
  m->msg_iov = iov;
  m->msg_iovlen = 1;
  if (fds != NULL) {
    size_t n = (size_t)atoi(fds + 1);
    m->msg_control = room(CMSG_SPACE(n * sizeof(int)));
    memset(m->msg_control, 0, CMSG_SPACE(n * sizeof(int)));
    m->msg_controllen =
        control_length(r, token, n > 0 ? CMSG_LEN(n * sizeof(int)) : 0);
  }
  if (name != NULL) {
    m->msg_name = name_room();
    m->msg_namelen = (socklen_t)atoi(name + 1);
  }
  return address(m);
}

/* The names that sockets are given are chance: which of them are the same is
 * not, if all of it is there. */
static void say_name(struct run *r, const unsigned char *p)
{
  static const unsigned char start[] = { AF_UNIX, 0, 0 };
  unsigned char name[8];
  size_t n = sizeof start;
  uint64_t id = 0;

  memcpy(name, p, sizeof name);
  if (memcmp(name, start, sizeof start) == 0)
    for (; n < sizeof name && strchr("0123456789abcdef", name[n]) != NULL;
         n++) {
      id = id << 8 | name[n];
      name[n] = '#';
    }
  say_bytes(r, name, sizeof name);
  if (n == sizeof name)
    say(r, " name %zu", inode(r, UINT64_MAX, id));
}

/* As much of it as there was room for. */
static void decode_creds(struct run *r, const struct cmsghdr *c)
{
  size_t n = (size_t)c->cmsg_len - CMSG_LEN(0);
  struct ucred u = { 0 };

  memcpy(&u, CMSG_DATA(c), n < sizeof u ? n : sizeof u);
  say(r, " %zu: process %d user %u group %u", n,
      u.pid > 0 ? slot_of(r, u.pid) : u.pid, whose(r, u.uid), whose(r, u.gid));
}

static bool is_time(const struct cmsghdr *c)
{
  return c->cmsg_level == SOL_SOCKET &&
         (c->cmsg_type == SO_TIMESTAMP || c->cmsg_type == SO_TIMESTAMPNS ||
          c->cmsg_type == SO_TIMESTAMPING ||
          (c->cmsg_type >= 63 && c->cmsg_type <= 65)); /* the same, _NEW */
}

static void decode_reception(struct run *r, uint64_t a, int64_t n)
{
  struct msghdr *m = at(a);

  if (!in_arena(a))
    return;
  decode_read(r, address(m->msg_iov->iov_base),
              n < (int64_t)m->msg_iov->iov_len ? n
                                               : (int64_t)m->msg_iov->iov_len,
              m->msg_iov->iov_len);
  say(r, " flags %x", (unsigned)m->msg_flags);
  if (m->msg_name != NULL) {
    say(r, " from (%u)", m->msg_namelen);
    say_name(r, m->msg_name);
  }
  for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
    say(r, " %d/%d", c->cmsg_level, c->cmsg_type);
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS) {
      decode_creds(r, c);
      continue;
    }
    if (is_time(c)) {
      say(r, " %zu", (size_t)c->cmsg_len);
      continue;
    }
    for (size_t i = 0; CMSG_LEN((i + 1) * sizeof(int)) <= c->cmsg_len; i++) {
      int fd;
      memcpy(&fd, (char *)CMSG_DATA(c) + i * sizeof fd, sizeof fd);
      say(r, " fd %d", fd);
    }
  }
}

/* The same message n times, "3*message"; "3*message+other": but the last. */
static void encode_messages(struct run *r, int proc, char letter,
                            const char *token, uint64_t *a)
{
  size_t n = (size_t)atoi(token);
  const char *each = strchr(token, '*');
  const char *last = strchr(token, '+');
  struct mmsghdr *m;
  char first[MAX_LINE];

  each = each != NULL ? each + 1 : token;
  snprintf(first, sizeof first, "%.*s", (int)strcspn(each, "+"), each);
  a[1] = n;
  if (odd_address(first, &a[0]) && strchr(first, '@') == NULL)
    return;
  m = room(n * sizeof *m + 1);
  for (size_t i = 0; i < n; i++) {
    const char *s = i == n - 1 && last ? last + 1 : first;
    uint64_t one =
        letter == 'Q' ? encode_message(r, proc, s) : encode_reception(r, s);
    m[i] = (struct mmsghdr){ .msg_hdr = *(struct msghdr *)at(one) };
  }
  a[0] = address(m);
}

static void decode_messages(struct run *r, char letter, uint64_t a, int64_t n)
{
  struct mmsghdr *m = at(a);

  for (int64_t i = 0; i < n && in_arena(a); i++) {
    say(r, " %u", m[i].msg_len);
    if (letter == 'q')
      decode_reception(r, address(&m[i].msg_hdr), m[i].msg_len);
  }
}

/* A name, and its length in and out, which is 8 bytes long. */
static void encode_name(struct run *r, const char *token, uint64_t *a)
{
  uint64_t odd;
  int64_t *n = room(sizeof *n);
  bool plain = !odd_address(token, &odd) || strchr(token, '@') != NULL;

  *n = plain ? (int)one(r, token, strcspn(token, "@")) : 0;
  a[1] = address(n);
  a[0] = address(name_room());
  if (odd_address(token, &odd))
    a[strchr(token, '@') == NULL] = odd;
}

static void decode_name(struct run *r, const uint64_t *a)
{
  if (in_arena(a[1]))
    say(r, " (%lld)", (long long)*(int64_t *)at(a[1]));
  if (in_arena(a[0]))
    say_name(r, at(a[0]));
}

/* Sizes are the file system's business. */
static void decode_statfs(struct run *r, uint64_t a)
{
  const struct statfs *s = at(a);

  if (in_arena(a))
    say(r, " type %lx bsize %ld namelen %ld frsize %ld flags %lx",
        (unsigned long)s->f_type, (long)s->f_bsize, (long)s->f_namelen,
        (long)s->f_frsize, (unsigned long)s->f_flags);
}

static void decode_limit(struct run *r, uint64_t a)
{
  const struct rlimit *l = at(a);

  if (in_arena(a))
    say(r, " (%llu,%llu)", (unsigned long long)l->rlim_cur,
        (unsigned long long)l->rlim_max);
}

/* ---- letters ---------------------------------------------------------- */

static void set_bytes(uint64_t *a, struct iovec v)
{
  a[0] = address(v.iov_base);
  a[1] = v.iov_len;
}

/* Into registers from a on; returns how many. */
int encode(struct run *r, int proc, char letter, const char *token, uint64_t *a)
{
  switch (letter) {
  case 'f':
  case 'i':
  case 'l':
  case 'P': a[0] = (uint64_t)number(r, token); return 1;
  case 'W': set_bytes(a, bytes(r, token, true)); return 2;
  case 'R': set_bytes(a, bytes(r, token, false)); return 2;
  case 'U': vector(r, token, true, a); return 2;
  case 'V': vector(r, token, false, a); return 2;
  case 'H': memory(r, token, r->taken, a); return 2;
  case 'p': encode_poll(r, token, a); return 2;
  case 's': a[0] = encode_set(r, token); return 1;
  case 't':
  case 'v': a[0] = encode_time(r, token); return 1;
  case 'E': a[0] = encode_event(r, token); return 1;
  case 'L': encode_events(r, token, a); return 2;
  case '2': a[0] = encode_room(token, 8); return 1;
  case 'o':
  case 'I': a[0] = encode_int(r, token); return 1;
  case 'S': a[0] = encode_room(token, sizeof(struct stat)); return 1;
  case 'X': a[0] = encode_room(token, sizeof(struct statx)); return 1;
  case 'r': a[0] = encode_limit(r, token); return 1;
  case 'Y': a[0] = encode_timer(r, token); return 1;
  case 'y': a[0] = encode_room(token, sizeof(struct itimerspec)); return 1;
  case 'K': a[0] = encode_lock(r, token); return 1;
  case 'N': a[0] = encode_path(r, token); return 1;
  case 'T':
  case 'D': set_bytes(a, bytes(r, token, false)); return 2;
  case 'C': encode_cwd(r, token, a); return 2;
  case 'u': a[0] = encode_times(r, token); return 1;
  case 'M': a[0] = encode_message(r, proc, token); return 1;
  case 'm': a[0] = encode_reception(r, token); return 1;
  case 'Q':
  case 'q': encode_messages(r, proc, letter, token, a); return 2;
  case 'A': encode_name(r, token, a); return 2;
  case 'J': encode_address(r, proc, token, a); return 2;
  case 'z': a[0] = encode_room(token, sizeof(struct statfs)); return 1;
  case 'x': a[0] = encode_xattr(r, token); return 1;
  case 'c': a[0] = encode_clone(r, token); return 1;
  case 'd': a[0] = encode_dedupe(r, token); return 1;
  case 'g': a[0] = encode_room(token, 256); return 1;
  default: abort();
  }
}

/* What a call that gave n >= 0 has left in memory. */
void decode(struct run *r, char letter, const uint64_t *a, int64_t n)
{
  switch (letter) {
  case 'R': decode_read(r, a[0], n, a[1]); break;
  case 'H':
  case 'V': decode_vector(r, a, n); break;
  case 'p': decode_poll(r, a); break;
  case 's': decode_set(r, a[0]); break;
  case 't':
  case 'v': decode_time(r, a[0], n); break;
  case 'L': decode_events(r, a[0], n); break;
  case '2':
    if (in_arena(a[0]))
      say(r, " [%d,%d]", ((int *)at(a[0]))[0], ((int *)at(a[0]))[1]);
    break;
  case 'I':
    if (in_arena(a[0]))
      say(r, " (%d)", *(int *)at(a[0]));
    break;
  case 'o':
    if (in_arena(a[0]))
      say(r, " (%lld)", (long long)*(int64_t *)at(a[0]));
    break;
  case 'S': decode_stat(r, a[0]); break;
  case 'X': decode_statx(r, a[0]); break;
  case 'y': decode_timer(r, a[0]); break;
  case 'K': decode_lock(r, a[0]); break;
  case 'T':
    if (in_arena(a[0]))
      say(r, " -> %.*s", (int)n, (const char *)at(a[0]));
    break;
  case 'D': decode_entries(r, a[0], n); break;
  case 'C':
    if (in_arena(a[0]))
      say(r, " .%s", (const char *)at(a[0]) + strlen(r->side->directory));
    break;
  case 'm': decode_reception(r, a[0], n); break;
  case 'Q':
  case 'q': decode_messages(r, letter, a[0], n); break;
  case 'A': decode_name(r, a); break;
  case 'z': decode_statfs(r, a[0]); break;
  case 'x': decode_xattr(r, a[0]); break;
  case 'g':
    if (in_arena(a[0]))
      say(r, " (%d)", *(unsigned char *)at(a[0]));
    break;
  case 'r': decode_limit(r, a[0]); break;
  default: break;
  }
}

/* Whether the call's first argument was opened for writing. */
static bool is_written(struct run *r, int proc, const struct op *op)
{
  const uint64_t a[6] = { (uint64_t)number(r, op->arg[0]), F_GETFL };
  int64_t flags = r->side->call(r, proc, SYS_fcntl, a);

  return flags >= 0 &&
         ((flags & O_ACCMODE) == O_WRONLY || (flags & O_ACCMODE) == O_RDWR);
}

/* One call: the same for both sides. */
void run_op(struct run *r, int proc, const struct op *op)
{
  uint64_t a[16] = { 0 };
  int reg[NTOKENS], next = 0;
  int64_t n;

  r->start[r->line] = (uint32_t)r->nout;
  if (op->call->nr < 0) {
    n = r->side->special(r, proc, op);
    say_result(r, n);
    return;
  }
  r->noise |= strstr(op->line, "random ") != NULL;
  r->taken = op->call->nr == SYS_vmsplice && is_written(r, proc, op);
  used = (size_t)op->task * (ARENA / (NTASKS + 1)) & ~(size_t)15;
  for (int i = 0; i < op->nargs; i++) {
    reg[i] = next;
    next += encode(r, proc, op->call->args[i], op->arg[i], &a[next]);
  }
  n = r->side->call(r, proc, op->call->nr, a);
  if (n > 0 && op->call->nr == SYS_getcwd)
    n -= (int64_t)strlen(r->side->directory);
  say_result(r, n);
  if (n < 0)
    return;
  for (int i = 0; i < op->nargs; i++)
    decode(r, op->call->args[i], &a[reg[i]], n);
  if (op->nout == 1)
    r->reg[op->out[0]] = n;
  for (int i = 0; op->nout == 2 && i < op->nargs; i++)
    if (op->call->args[i] == '2')
      for (int j = 0; j < 2; j++)
        r->reg[op->out[j]] = ((int *)at(a[reg[i]]))[j];
}
