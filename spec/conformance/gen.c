/*
 * gen.c - random scripts, biased to the edges
 *
 * The generator does not know what calls will answer, but it keeps a rough
 * picture: which kind of file each register had last, which processes live.
 * Kinds: p pipe, e eventfd, t timerfd, E epoll, n device, s socket, r regular
 * file, d directory, F fifo, m memfd.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "gen.h"

struct gen {
  struct text t;
  char kind[NREGS];
  bool closed[NREGS];
  bool alive[NPROCS];
  int proc, live;
  bool locks;   /* a script of locks */
  bool splices; /* one of sendfile and splice */
  bool rights;  /* one of sockets on their way */
  bool urgent;  /* one of urgent data */
  bool exec;    /* one with exec, and without owners of signals */
};

static uint64_t next(struct text *t)
{
  uint64_t x = t->rng;

  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  t->rng = x;
  return x * UINT64_C(0x2545f4914f6cdd1d);
}

void text_begin(struct text *t, uint64_t seed)
{
  *t = (struct text){ .rng = seed * UINT64_C(0x9e3779b97f4a7c15) + 1,
                      .text = calloc(1, 1) };
  for (int i = 0; i < 10; i++)
    next(t);
}

int text_pick(struct text *t, int n)
{
  return (int)((next(t) >> 11) % (uint64_t)n);
}

void text_putv(struct text *t, const char *fmt, va_list ap)
{
  if (t->cap - t->n < 2 * MAX_LINE) {
    t->cap = 2 * t->cap + 65536;
    t->text = realloc(t->text, t->cap);
  }
  t->n += (size_t)vsnprintf(t->text + t->n, t->cap - t->n, fmt, ap);
}

void text_put(struct text *t, const char *fmt, ...)
{
  va_list ap;

  va_start(ap, fmt);
  text_putv(t, fmt, ap);
  va_end(ap);
}

void text_put_word(struct text *t, const char *s, size_t n)
{
  int words = 1, i;

  for (size_t j = 0; j < n; j++)
    words += s[j] == ' ';
  for (i = text_pick(t, words); i > 0; i--)
    s += strcspn(s, " ") + 1;
  text_put(t, "%.*s", (int)strcspn(s, " >"), s);
}

static int pick(struct gen *g, int n)
{
  return text_pick(&g->t, n);
}

static bool one_in(struct gen *g, int n)
{
  return pick(g, n) == 0;
}

__attribute__((format(printf, 2, 3))) static void put(struct gen *g,
                                                      const char *fmt, ...)
{
  va_list ap;

  va_start(ap, fmt);
  text_putv(&g->t, fmt, ap);
  va_end(ap);
}

/* One of the words of s. */
static void put_word(struct gen *g, const char *s)
{
  text_put_word(&g->t, s, strlen(s));
}

/* ---- choices of their own --------------------------------------------- */

static void put_fd(struct gen *g, const char *kinds)
{
  int fit[NREGS], n = 0;

  if (one_in(g, 25)) {
    if (one_in(g, 2))
      put(g, "%d", 3 + pick(g, LIMIT));
    else
      put_word(g, "-1 40 39 63 1000000 2147483647 -2147483648");
    return;
  }
  for (int i = 0; i < NREGS; i++)
    if (g->kind[i] != 0 && (kinds == NULL || strchr(kinds, g->kind[i])) &&
        (!g->closed[i] || one_in(g, 12)))
      fit[n++] = i;
  if (n == 0 || one_in(g, 12))
    put(g, "r%d", pick(g, NREGS));
  else
    put(g, "r%d", fit[pick(g, n)]);
}

static void put_size(struct gen *g)
{
  switch (pick(g, 5)) {
  case 0: put(g, "%d", pick(g, 300)); break;
  case 1: put(g, "%d", pick(g, 9001)); break;
  default:
    put_word(g, "0 1 2 8 10 100 808 4095 4096 4097 8192 8193 9000 12288 65535 "
                "65536 65537 131072 200000");
  }
  if (one_in(g, 40))
    put_word(g, "@bad @null");
}

static void put_vector(struct gen *g)
{
  int n = pick(g, 7);

  if (one_in(g, 20)) {
    put_word(g, "-1 1025 1024 0 2@bad 0@bad 2@null 2147483647 [] [10@bad] "
                "[5,5@bad,5] [0@bad,5]");
    return;
  }
  put(g, "[");
  for (int i = 0; i < n; i++) {
    put(g, i > 0 ? "," : "");
    if (one_in(g, 3))
      put_word(g, "0 8 #1 #5 4096 1");
    else if (one_in(g, 3))
      put(g, "%d", pick(g, 9001));
    else
      put_word(g, "1 2 10 100 808 4095 4096 4097 8192 8193 65536");
  }
  put(g, "]");
}

static void put_events(struct gen *g)
{
  static const char *const bits[] = { "IN",     "OUT",    "PRI",    "RDHUP",
                                      "RDNORM", "WRNORM", "RDBAND", "HUP" };

  if (one_in(g, 4))
    put_word(g, "IN OUT");
  else
    put_word(g, "IN|OUT IN|OUT|RDHUP 0 IN|OUT|PRI");
  if (one_in(g, 6))
    put(g, "|%s", bits[pick(g, 8)]);
}

static void put_poll(struct gen *g)
{
  int n = pick(g, 7);

  if (one_in(g, 40)) {
    put_word(g, "1@bad 1@null 0@null -1@bad 41@bad 40@bad");
    return;
  }
  put(g, "[");
  for (int i = 0; i < n; i++) {
    put(g, i > 0 ? "," : "");
    put_fd(g, NULL);
    put(g, ":");
    put_events(g);
  }
  put(g, "]");
}

static void put_set(struct gen *g)
{
  int n = pick(g, 4);

  if (one_in(g, 10)) {
    put_word(g, "null null null bad");
    return;
  }
  put(g, "{");
  for (int i = 0; i < n; i++) {
    put(g, i > 0 ? "," : "");
    put_fd(g, NULL);
  }
  put(g, "}");
}

static void put_event(struct gen *g)
{
  if (one_in(g, 30)) {
    put_word(g, "bad null");
    return;
  }
  put_events(g);
  if (one_in(g, 3))
    put(g, "|ET");
  if (one_in(g, 5))
    put(g, "|ONESHOT");
  if (one_in(g, 8))
    put(g, "|EXCLUSIVE");
  if (one_in(g, 20))
    put(g, "|WAKEUP");
  put(g, ":%d", pick(g, 100));
}

static void put_lock(struct gen *g)
{
  if (one_in(g, 40)) {
    put_word(g, "bad null 3:SET:0:0 WRLCK:5:0:0 WRLCK:SET:MAX:2 "
                "WRLCK:SET:-1:1 RDLCK:SET:5:-6 RDLCK:SET:0:5:4000001");
    return;
  }
  put_word(g, "RDLCK WRLCK WRLCK UNLCK");
  put_word(g, ":SET");
  put(g, ":%d:%d", pick(g, 20), pick(g, 12) - 2);
}

/* Bytes, and sometimes descriptors: not those of sockets, unless the script
 * sees to it that Linux collects those that are on their way among themselves.
 */
static void put_message(struct gen *g)
{
  if (g->rights) {
    put(g, "[5]:");
    put_fd(g, "ssp");
    put(g, one_in(g, 2) ? "," : "");
    if (g->t.text[g->t.n - 1] == ',')
      put_fd(g, "ssp");
    return;
  }
  if (one_in(g, 20)) {
    put_word(g, "null bad");
    return;
  }
  put_word(g, "[5] [10,20] [] [4096,100] [1]");
  if (one_in(g, 2))
    put_word(g, ":0 :1,2 :99 :0,0,0,-1 :0!2147483648 :0!16 :0!17 :0,1!24");
}

static void put_special(struct gen *g, const char *choice, const char *kinds)
{
  if (strcmp(choice, "~fd") == 0)
    put_fd(g, kinds);
  else if (strcmp(choice, "~any") == 0)
    put_fd(g, NULL);
  else if (strcmp(choice, "~in") == 0)
    put_fd(g, one_in(g, 3) ? "p" : one_in(g, 2) ? "sFn" : "r");
  else if (strcmp(choice, "~out") == 0)
    put_fd(g, one_in(g, 2) ? "p" : "rmsFnde");
  else if (strcmp(choice, "~pipe") == 0)
    put_fd(g, "pppF");
  else if (strcmp(choice, "~size") == 0)
    put_size(g);
  else if (strcmp(choice, "~vector") == 0)
    put_vector(g);
  else if (strcmp(choice, "~poll") == 0)
    put_poll(g);
  else if (strcmp(choice, "~set") == 0)
    put_set(g);
  else if (strcmp(choice, "~event") == 0)
    put_event(g);
  else if (strcmp(choice, "~dir") == 0)
    one_in(g, 6) ? put_fd(g, "d") : put(g, "AT_FDCWD");
  else if (strcmp(choice, "~path") == 0)
    put_word(g, one_in(g, 3) ? "d/a d/b d/l d/e d/f l m d/. a/ d/ . '' bad "
                               "null none/x a/x e/a l/a d/e/a p q ~/d/a ~/a"
                             : "a b a b d e f l p");
  else if (strcmp(choice, "~message") == 0)
    put_message(g);
  else if (strcmp(choice, "~lock") == 0)
    put_lock(g);
  else if (strcmp(choice, "~number") == 0)
    put(g, "%d", 3 + pick(g, LIMIT + 4));
  else if (strcmp(choice, "~to") == 0)
    one_in(g, 4) ? put_fd(g, NULL) : put(g, "%d", 3 + pick(g, LIMIT));
  else if (strcmp(choice, "~name") == 0) {
    if (one_in(g, 8)) {
      put_word(g, "=a =b =d/a =d =none =p =l =a/ =m =~");
      return;
    }
    put_fd(g, "s");
    if (one_in(g, 8))
      put_word(g, ":0 :2 :3 :7 :9 :110 :111");
  } else if (strcmp(choice, "~timer") == 0)
    put_word(g, "0,0/0 1000000/0 1000000/5,7 2000000/1000 -1/0 0,1000000000/0 "
                "5000000/0,-1 0,0/3 0,1/0 0,1000/0 0,1000000/1000000");
  else
    abort();
}

/* ---- lines ------------------------------------------------------------ */

static int free_reg(struct gen *g)
{
  int i = pick(g, NREGS);

  for (int n = 0; n < NREGS && g->kind[i] != 0 && !g->closed[i]; n++)
    i = (i + 1) % NREGS;
  return i;
}

static void set_reg(struct gen *g, int i, char kind)
{
  if (g->kind[i] == 0 || g->closed[i])
    g->live++;
  g->kind[i] = kind;
  g->closed[i] = false;
}

/* Where does what a line makes go. line: its first argument's register. */
static void put_outputs(struct gen *g, const struct call *c, int source)
{
  bool pair = strchr(c->args, '2') != NULL;
  char kind = c->makes == '=' ? source >= 0 ? g->kind[source] : 'n' : c->makes;
  int a = free_reg(g), b;

  set_reg(g, a, kind);
  put(g, " > r%d", a);
  if (!pair)
    return;
  b = free_reg(g);
  set_reg(g, b, kind);
  put(g, " r%d", b);
}

/* The register of the argument that begins at text[at], or -1. */
static int reg_at(const struct gen *g, size_t at)
{
  return g->t.text[at] == 'r' && g->t.text[at + 1] >= '0' &&
                 g->t.text[at + 1] <= '9'
             ? atoi(g->t.text + at + 1)
             : -1;
}

static void note(struct gen *g, const struct call *c, size_t first, int source)
{
  if (c->nr == DO_FORK)
    g->alive[atoi(g->t.text + first)] = true;
  if (c->nr == DO_EXIT)
    g->alive[g->proc] = false;
  if (strcmp(c->name, "close") == 0 && source >= 0 && !g->closed[source]) {
    g->closed[source] = true;
    g->live--;
  }
}

/* Files that are written and files that fill pipes do not go together: the
 * pipes may have the new bytes. A script of the latter has one file, and no sockets:
 * into how many slots their bytes go depends on where Linux has them. */
static bool makes_splice_vague(const struct call *c)
{
  static const char *const names[] = { "mknod",   "rename",   "link",
                                       "symlink", "renameat", "renameat2",
                                       "linkat",  "symlinkat" };

  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(c->name, names[i]) == 0)
      return true;
  return c->makes == 'r' || c->makes == 'm' || c->makes == 's' ||
         (c->nr == SYS_mknodat && strncmp(c->choice[2], "S_IFREG", 7) == 0);
}

static bool splices(const struct call *c)
{
  return c->nr == SYS_sendfile || c->nr == SYS_splice;
}

/* Anonymous inodes and devices are one for the whole machine, and so are their
 * locks: scripts have either. */
static int ordinary_weight(const struct gen *g, const struct call *c)
{
  bool locks = c->kinds != NULL && c->kinds[0] == '!';
  bool shared = c->makes != 0 && strchr("etEn", c->makes) != NULL;

  if (g->exec ? strncmp(c->choice[1] ? c->choice[1] : "", "F_SETOWN", 8) == 0
              : c->nr == DO_EXEC)
    return 0;
  if (g->splices ? makes_splice_vague(c) : splices(c))
    return 0;
  return g->locks ? (shared ? 0 : c->weight) : (locks ? 0 : c->weight);
}

static bool is_one_of(const struct call *c, const char *names)
{
  char word[40];

  snprintf(word, sizeof word, " %s ", c->name);
  return strstr(names, word) != NULL;
}

static bool has_choice(const struct call *c, const char *word)
{
  for (int i = 0; c->args[i] != '\0'; i++)
    if (strstr(c->choice[i], word) != NULL)
      return true;
  return false;
}

/* What has to do with urgent data, and what else shows or ends it: not enough
 * to fill a socket, where nothing more happens. */
static int urgent_weight(const struct call *c)
{
  if (has_choice(c, "OOB") || has_choice(c, "SIOCATMARK"))
    return 10 * c->weight;
  return is_one_of(c, " read readv write recvfrom poll select epoll_ctl "
                      "epoll_wait shutdown close signals ") ||
                 has_choice(c, "F_SETOWN") || has_choice(c, "F_SETSIG") ||
                 has_choice(c, "O_ASYNC")
             ? c->weight
             : 0;
}

/* Few kinds of calls make circles more often than many would. */
static int weight(const struct gen *g, const struct call *c)
{
  if (g->rights)
    return is_one_of(c, " socketpair sendmsg recvmsg read close dup dup2 poll "
                        "pipe2 shutdown fork exit exec ")
               ? c->weight * (c->nr == SYS_sendmsg ? 4 : 1)
               : 0;
  if (g->urgent)
    return urgent_weight(c);
  return ordinary_weight(g, c);
}

static const struct call *pick_call(struct gen *g)
{
  int total = 0, n;

  for (size_t i = 0; i < ncalls; i++)
    total += weight(g, &calls[i]);
  n = pick(g, total);
  for (size_t i = 0;; i++)
    if ((n -= weight(g, &calls[i])) < 0)
      return &calls[i];
}

/* Process 0 stays, and is the one that makes most calls. */
static void pick_proc(struct gen *g)
{
  int p = pick(g, NPROCS);

  if (!g->alive[g->proc])
    g->proc = 0;
  if (one_in(g, 15))
    g->proc = g->alive[p] ? p : 0;
}

/* Where a position in a directory that was read before is is undefined: lists
 * are read from the beginning. */
static void list_directory(struct gen *g)
{
  size_t n;

  put(g, "%d lseek ", g->proc);
  n = g->t.n;
  put_fd(g, "d");
  put(g, " 0 SEEK_SET\n");
  put(g, "%d getdents64 %.*s ", g->proc, (int)strcspn(g->t.text + n, " "),
      g->t.text + n);
  put_word(g, "8192 8192 8192 10 0 8192@bad");
  put(g, "\n");
}

static void line(struct gen *g)
{
  const struct call *c = pick_call(g);
  size_t first;
  int source;

  pick_proc(g);
  if (c->nr == SYS_getdents64) {
    list_directory(g);
    return;
  }
  if (c->nr == DO_EXIT && g->proc == 0)
    return;
  put(g, "%d %s", g->proc, c->name);
  first = g->t.n + 1;
  for (size_t i = 0; c->args[i] != '\0'; i++) {
    put(g, " ");
    if (c->choice[i][0] == '~')
      put_special(g, c->choice[i], i == 0 ? c->kinds : NULL);
    else
      put_word(g, c->choice[i]);
  }
  source = c->args[0] == 'f' ? reg_at(g, first) : -1;
  note(g, c, first, source);
  if (c->makes != 0)
    put_outputs(g, c, source);
  put(g, "\n");
  if (g->rights && is_one_of(c, " recvmsg read close dup2 exit exec "))
    put(g, "0 collect\n");
}

static void reset(struct gen *g)
{
  memset(g->closed, true, sizeof g->closed);
  g->live = 0;
}

/* Pairs of all types, and two pipes. */
static void begin_rights(struct gen *g)
{
  static const char *const types[] = { "STREAM", "DGRAM", "SEQPACKET",
                                       "STREAM" };

  for (int i = 0; i < 4; i++) {
    put(g, "0 socketpair AF_UNIX SOCK_%s|SOCK_NONBLOCK 0 out > r%d r%d\n",
        types[i], 2 * i, 2 * i + 1);
    set_reg(g, 2 * i, 's');
    set_reg(g, 2 * i + 1, 's');
  }
  for (int i = 8; i < 12; i += 2) {
    put(g, "0 pipe2 out O_NONBLOCK > r%d r%d\n", i, i + 1);
    set_reg(g, i, 'p');
    set_reg(g, i + 1, 'p');
  }
}

/* Two pairs of streams, and an epoll. */
static void begin_urgent(struct gen *g)
{
  put(g, "0 close_range 3 -1 0\n");
  reset(g);
  for (int i = 0; i < 4; i += 2) {
    put(g, "0 socketpair AF_UNIX SOCK_STREAM|SOCK_NONBLOCK 0 out > r%d r%d\n",
        i, i + 1);
    set_reg(g, i, 's');
    set_reg(g, i + 1, 's');
  }
  put(g, "0 epoll_create1 0 > r4\n");
  set_reg(g, 4, 'E');
}

/* The same text for the same seed. */
char *generate(uint64_t seed, int nops)
{
  struct gen g = { .locks = seed % 5 == 4,
                   .splices = seed % 5 == 3,
                   .exec = seed % 2 == 1,
                   .rights = seed % 100 == 7,
                   .urgent = seed % 20 == 12 };

  if (g.rights && nops > 100)
    nops = 100; /* it takes long to collect */

  g.alive[0] = true;
  text_begin(&g.t, seed);
  if (g.rights)
    begin_rights(&g);
  if (g.splices) {
    put(&g, "0 openat AT_FDCWD src O_RDWR|O_CREAT 0600 > r0\n0 write r0 20000\n"
            "0 close r0\n0 openat AT_FDCWD src O_RDONLY 0 > r0\n");
    set_reg(&g, 0, 'r');
  }
  for (int i = 0; i < nops; i++) {
    size_t n = g.t.n;
    if (g.urgent && i % 60 == 0)
      begin_urgent(&g);
    while (g.t.n == n)
      line(&g);
    if ((g.live > LIMIT - 8 && one_in(&g, 8)) || one_in(&g, 400)) {
      put(&g, "%d close_range %d -1 0\n", g.proc, 3 + pick(&g, 10));
      reset(&g);
      i++;
    }
  }
  return g.t.text;
}
