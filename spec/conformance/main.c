/*
 * main.c - make conformance: seeds, waits, the matrix, a script from a file
 *
 * The work is divided among as many workers as there are processors; each has
 * a directory of its own for the files that scripts make.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../c/tmpfs.h"
#include "conf.h"

struct run *native, *emulated;
size_t excused_total;

static struct {
  bool matrix, waits, print, sections, dump, quick, uses;
  uint64_t seed, seeds;
  int ops, shard, shards, jobs, most;
  const char *file, *exceptions;
} options = { .seed = 1, .ops = 1000, .shards = 1, .most = 3 };

enum { MAX_EXCEPTIONS = 200 };

/* What the workers tell. */
static struct progress {
  uint64_t scripts, calls, cells, excused, differences, vague;
  uint64_t uses[MAX_EXCEPTIONS];
  char current[64][80]; /* of each worker, for the one that crashes */
} * progress;

/* ---- exceptions ------------------------------------------------------- */

static struct {
  char *line, *native, *emulated;
  bool host; /* only where some descriptors are the host's */
} exceptions[MAX_EXCEPTIONS];
static size_t nexceptions;

static char *trim(char *s)
{
  size_t n;

  while (*s == ' ')
    s++;
  for (n = strlen(s); n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\n'); n--)
    s[n - 1] = '\0';
  return strdup(s);
}

/* Lines of the form: call ; Linux's answer ; fdemu's answer ; reason. "host: "
 * before the call: in scripts with descriptors of the host. */
void exceptions_load(const char *path)
{
  FILE *f = fopen(path, "r");
  char line[1000], *part[4], *save;

  if (f == NULL) {
    perror(path);
    exit(2);
  }
  while (fgets(line, sizeof line, f) != NULL) {
    int n = 0;
    if (line[0] == '#' || line[0] == '\n')
      continue;
    for (char *p = strtok_r(line, ";", &save); p != NULL && n < 4;
         p = strtok_r(NULL, ";", &save))
      part[n++] = p;
    if (n != 4 || nexceptions == MAX_EXCEPTIONS) {
      fprintf(stderr, "%s: malformed: %s\n", path, line);
      exit(2);
    }
    exceptions[nexceptions].host = strncmp(part[0], "host: ", 6) == 0;
    exceptions[nexceptions].line =
        trim(part[0] + (exceptions[nexceptions].host ? 6 : 0));
    exceptions[nexceptions].native = trim(part[1]);
    exceptions[nexceptions++].emulated = trim(part[2]);
  }
  fclose(f);
}

static bool is_excused(const struct script *s, size_t at, const char *a,
                       const char *b)
{
  const char *line = s->op[at].line, *call = strchr(line, ' ');

  for (size_t i = 0; i < nexceptions; i++)
    if ((s->host || !exceptions[i].host) &&
        fnmatch(exceptions[i].line, call != NULL ? call + 1 : line, 0) == 0 &&
        fnmatch(exceptions[i].native, a, 0) == 0 &&
        fnmatch(exceptions[i].emulated, b, 0) == 0) {
      __atomic_add_fetch(&progress->uses[i], 1, __ATOMIC_RELAXED);
      return true;
    }
  return false;
}

/* ---- comparing -------------------------------------------------------- */

static size_t answer(const struct run *r, size_t i, const char **s)
{
  size_t end = i + 1 < r->line ? r->start[i + 1] : r->nout;

  *s = r->out + r->start[i];
  return end - r->start[i];
}

/* The line of the call of a task that says something at line i. */
static size_t begun(const struct run *r, size_t i, char task)
{
  const struct op *op = r->script->op;
  const char *s;

  while (i > 0 && (op[i].task != task - 'A' + 1 ||
                   (answer(r, i, &s) >= 4 && memcmp(s, "busy", 4) == 0)))
    i--;
  return i;
}

/* The next part of an answer, "5 | A: 1" has two, which is cut off. */
static char *next_part(char **s)
{
  char *part = *s, *end = strstr(part, " | ");

  if (end != NULL)
    *end = '\0';
  *s = end != NULL ? end + 3 : NULL;
  return part;
}

/* Whether each part of line i's answers that differs is excused: what the line
 * says is its own, and then there are tasks. */
static bool parts_excused(const struct run *r, size_t i, char *one, char *two)
{
  size_t line = i;

  while (one != NULL && two != NULL) {
    char *a = next_part(&one), *b = next_part(&two);
    if (strcmp(a, b) != 0 && !is_excused(r->script, line, a, b))
      return false;
    if (one == NULL || two == NULL || one[0] != two[0])
      break;
    line = begun(r, i, one[0]);
    one += one[1] == ':' ? 3 : 2; /* "A: 1", "A sleeps" */
    two += two[1] == ':' ? 3 : 2;
  }
  return one == NULL && two == NULL;
}

size_t compare(const struct run *a, const struct run *b, size_t *excused)
{
  size_t n = a->line > b->line ? a->line : b->line;

  *excused = 0;
  if (a->line == b->line && a->nout == b->nout &&
      memcmp(a->out, b->out, a->nout) == 0 &&
      memcmp(a->start, b->start, n * sizeof *a->start) == 0)
    return a->script->n;
  for (size_t i = 0; i < a->line && i < b->line; i++) {
    const char *s, *t;
    size_t m = answer(a, i, &s), k = answer(b, i, &t);
    char one[2000], two[2000];
    if (m == k && memcmp(s, t, m) == 0)
      continue;
    snprintf(one, sizeof one, "%.*s", (int)m, s);
    snprintf(two, sizeof two, "%.*s", (int)k, t);
    if (!parts_excused(a, i, one, two))
      return i;
    ++*excused;
  }
  return a->script->n;
}

/* Who is woken first may be chance. What Linux has said up to line at is what
 * it says, if it says so again and again, whoever has to stand back. */
enum { AGAIN = 2 * (MOOD_ONE_CPU | MOOD_TASKS) };

static bool says_again(const struct script *s, size_t at, const char *said,
                       size_t len)
{
  const char *last;
  size_t n;

  linux_run(native, s);
  if (at >= native->line)
    return false;
  n = answer(native, at, &last);
  return (size_t)(last - native->out) + n == len &&
         memcmp(native->out, said, len) == 0;
}

static bool is_steady(const struct script *s, size_t at)
{
  const char *last;
  size_t n = answer(native, at, &last), len = (size_t)(last - native->out) + n;
  char *said = memcpy(malloc(len + 1), native->out, len);
  bool same = true;

  for (int i = AGAIN; i > 0 && same; i--) {
    linux_mood = i / 2; /* each twice, and the usual one last */
    same = says_again(s, at, said, len);
  }
  linux_mood = 0;
  free(said);
  return same;
}

/* Nobody has to wait in s. That Linux has said something else may be chance all
 * the same: a page that it has put away is none for RWF_NOWAIT. Asked again,
 * and once more, it says what fdemu says. */
static bool takes_back(const struct script *s)
{
  size_t excused;

  for (int i = 0; i < 2; i++) {
    linux_run(native, s);
    if (compare(native, emulated, &excused) < s->n)
      return false;
  }
  return true;
}

bool differs(const struct script *s, size_t *at, bool *vague)
{
  size_t excused;
  bool steady = true;

  linux_run(native, s);
  fdemu_run_script(emulated, s);
  *at = compare(native, emulated, &excused);
  excused_total += excused;
  if (*at < s->n)
    steady = s->tasks ? is_steady(s, *at) : !takes_back(s);
  if (vague != NULL)
    *vague = !steady;
  return *at < s->n && steady;
}

/* ---- work ------------------------------------------------------------- */

static const char *tmpfs; /* where scripts make their files */

/* Locks on devices and anonymous inodes are everybody's. */
static int enter(const char *text)
{
  bool locks = options.matrix && (strstr(text, "LCK:") != NULL ||
                                  strstr(text, " flock ") != NULL);
  char name[64];
  int fd;

  if (!locks)
    return -1;
  snprintf(name, sizeof name, "%s/fdemu-conformance.lock", tmpfs);
  fd = open(name, O_CREAT | O_RDWR | O_CLOEXEC, 0666);
  if (fd >= 0)
    flock(fd, LOCK_EX);
  return fd;
}

static bool check(char *text, const char *title)
{
  int lock = enter(text);
  struct script *s = script_parse(text);
  size_t at;
  bool bad, vague;

  excused_total = 0;
  bad = differs(s, &at, &vague);
  __atomic_add_fetch(&progress->scripts, 1, __ATOMIC_RELAXED);
  __atomic_add_fetch(&progress->calls, s->n, __ATOMIC_RELAXED);
  __atomic_add_fetch(&progress->excused, excused_total, __ATOMIC_RELAXED);
  __atomic_add_fetch(&progress->vague, vague, __ATOMIC_RELAXED);
  if (vague && !options.waits)
    printf("%s, line %zu: %s\n  (Linux does not always say so)\n", title,
           at + 1, s->op[at].line);
  if (bad) {
    uint64_t n =
        __atomic_add_fetch(&progress->differences, 1, __ATOMIC_RELAXED);
    if (n <= (uint64_t)options.most)
      report(s, at, title, !options.quick);
  }
  script_free(s);
  close(lock);
  return !bad;
}

static void print_script(const char *text)
{
  struct script *s = script_parse(strdup(text));
  size_t at;

  differs(s, &at, NULL);
  for (size_t i = 0; i < s->n; i++) {
    const char *x, *y;
    size_t m = answer(native, i, &x), n = answer(emulated, i, &y);
    printf("%-50s = %.*s\n", s->op[i].line, (int)m, x);
    if (m != n || memcmp(x, y, m) != 0)
      printf("%50s ! %.*s\n", "", (int)n, y);
  }
  script_free(s);
}

static char *script_text(uint64_t i, char title[80])
{
  size_t cells;
  char *text;

  if (options.matrix) {
    snprintf(title, 80, "matrix, script %llu", (unsigned long long)i);
    text = matrix_script(i, &cells);
    __atomic_add_fetch(&progress->cells, cells, __ATOMIC_RELAXED);
    return text;
  }
  if (options.waits) {
    snprintf(title, 80, "waits, seed %llu",
             (unsigned long long)(options.seed + i));
    return waits(options.seed + i);
  }
  snprintf(title, 80, "seed %llu", (unsigned long long)(options.seed + i));
  return generate(options.seed + i, options.ops);
}

char directory[64];

static void leave_directory(void)
{
  chdir("/");
  rmdir(directory);
}

/* Before the first script: memory, and an empty directory of the user that the
 * processes of scripts are. */
static void prepare(void)
{
  uid_t user;

  linux_user_init();
  user = user_of(&linux_side);
  snprintf(directory, sizeof directory, "%s/fdemu-conformance-XXXXXX", tmpfs);
  if (mkdtemp(directory) == NULL || chdir(directory) < 0 ||
      chmod(directory, 0755) < 0 ||
      (getuid() == 0 && chown(directory, user, user) < 0)) {
    perror(directory);
    _exit(2);
  }
  arena_init();
  native = run_new();
  emulated = run_new();
}

static void work(int worker)
{
  int share = options.shards * options.jobs;
  uint64_t first = (uint64_t)(options.shard * options.jobs + worker);
  prepare();
  for (uint64_t i = first; i < options.seeds; i += (uint64_t)share) {
    char *text = script_text(i, progress->current[worker]);
    if (options.print)
      print_script(text);
    check(text, progress->current[worker]);
  }
  leave_directory();
  exit(0); /* and keep what was counted for gcov */
}

static double seconds(void)
{
  struct timespec t;

  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void show_progress(double start)
{
  if (isatty(2))
    fprintf(stderr, "\r%llu scripts, %llu calls, %llu differences, %.0f s ",
            (unsigned long long)progress->scripts,
            (unsigned long long)progress->calls,
            (unsigned long long)progress->differences, seconds() - start);
}

/* Returns how many workers went wrong. */
static int await_workers(const pid_t *pid, double start)
{
  int left = options.jobs, wrong = 0, status;

  while (left > 0) {
    struct timespec pause = { 0, 100000000 };
    pid_t who = waitpid(-1, &status, WNOHANG);
    if (who > 0) {
      left--;
      for (int i = 0; i < options.jobs; i++)
        if (pid[i] == who && status != 0) {
          printf("\n%s: the worker died of status %#x\n", progress->current[i],
                 (unsigned)status);
          wrong++;
        }
      continue;
    }
    show_progress(start);
    nanosleep(&pause, NULL);
  }
  if (isatty(2))
    fprintf(stderr, "\r%70s\r", "");
  return wrong;
}

static char *read_file(const char *path)
{
  FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
  char *text = calloc(1, 1 << 20);

  if (f == NULL || fread(text, 1, (1 << 20) - 1, f) == 0) {
    perror(path);
    exit(2);
  }
  return text;
}

static void parse_options(int argc, char **argv)
{
  int c;

  options.jobs = (int)sysconf(_SC_NPROCESSORS_ONLN);
  while ((c = getopt(argc, argv, "s:n:o:k:j:e:m:f:F:c:S:MWpDqu")) != -1)
    switch (c) {
    case 's': options.seed = strtoull(optarg, NULL, 0); break;
    case 'n': options.seeds = strtoull(optarg, NULL, 0); break;
    case 'o': options.ops = atoi(optarg); break;
    case 'k': sscanf(optarg, "%d/%d", &options.shard, &options.shards); break;
    case 'j': options.jobs = atoi(optarg); break;
    case 'e': options.exceptions = optarg; break;
    case 'm': options.most = atoi(optarg); break;
    case 'f': options.file = optarg; break;
    case 'F':
      options.file = optarg;
      options.sections = true;
      break;
    case 'c': fdemu_check_every = (unsigned)atoi(optarg); break;
    case 'M': options.matrix = true; break;
    case 'S': matrix_only = optarg; break;
    case 'W': options.waits = true; break;
    case 'q': options.quick = true; break;
    case 'u': options.uses = true; break;
    case 'D': options.dump = true; break;
    case 'p': options.print = true; break;
    default: exit(2);
    }
  if (options.jobs > 64)
    options.jobs = 64;
  if (options.exceptions != NULL)
    exceptions_load(options.exceptions);
}

static void summary(const char *what, double start)
{
  if (progress->cells > 0)
    printf("matrix: %llu cells\n", (unsigned long long)progress->cells);
  printf("%s: %llu scripts, %llu calls, %llu differences, %llu excused, ", what,
         (unsigned long long)progress->scripts,
         (unsigned long long)progress->calls,
         (unsigned long long)progress->differences,
         (unsigned long long)progress->excused);
  if (options.waits || progress->vague > 0)
    printf("%llu undetermined, ", (unsigned long long)progress->vague);
  printf("%.1f seconds\n", seconds() - start);
  for (size_t i = 0; options.uses && i < nexceptions; i++)
    printf("  excused %llu times: %s%s ; %s ; %s\n",
           (unsigned long long)progress->uses[i],
           exceptions[i].host ? "host: " : "", exceptions[i].line,
           exceptions[i].native, exceptions[i].emulated);
}

/* What run.lua compares itself with; one process makes it. */
static int run_dump(void)
{
  arena_init();
  emulated = run_new();
  if (options.matrix)
    options.seeds = matrix_scripts();
  for (uint64_t i = (uint64_t)options.shard; i < options.seeds;
       i += (uint64_t)options.shards) {
    char title[80], *text = script_text(i, title);
    dump(text, title);
  }
  return 0;
}

/* One script, with every answer. */
static int run_file(void)
{
  char *text = read_file(options.file);
  bool ok;

  prepare();
  print_script(text);
  ok = check(text, options.file);
  leave_directory();
  return ok ? 0 : 1;
}

/* Scripts that begin with a line "## what they show". */
static int run_sections(double start)
{
  char *text = read_file(options.file), *s = strstr(text, "## ");
  char path[200];

  prepare();
  while (s != NULL) {
    char *end = strstr(s + 1, "\n## ");
    size_t title = strcspn(s, "\n");
    char name[200];
    snprintf(name, sizeof name, "%.*s", (int)title - 3, s + 3);
    check(strndup(s, end != NULL ? (size_t)(end - s) : strlen(s)), name);
    s = end != NULL ? end + 1 : NULL;
  }
  free(text);
  leave_directory();
  snprintf(path, sizeof path, "%s", options.file);
  summary(basename(path), start);
  return progress->differences > 0;
}

int main(int argc, char **argv)
{
  double start = seconds();
  pid_t pid[64];
  int wrong;

  /* A table's size, which /proc/self/fd ends with, is that of what fork(2)
   * finds open, and never shrinks: whatever started this may have left more */
  syscall(SYS_close_range, 3u, ~0u, 0);
  parse_options(argc, argv);
  progress = mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (options.dump)
    return run_dump();
  tmpfs = tmpfs_find();
  if (tmpfs == NULL) {
    fprintf(stderr, "conformance: no tmpfs to compare with\n");
    return 2;
  }
  if (options.file != NULL)
    return options.sections ? run_sections(start) : run_file();
  if (options.matrix)
    options.seeds = matrix_scripts();
  fflush(stdout);
  for (int i = 0; i < options.jobs; i++)
    if ((pid[i] = fork()) == 0)
      work(i);
  wrong = await_workers(pid, start);
  summary(options.matrix ? "matrix" : options.waits ? "waits" : "seeds", start);
  return progress->differences > 0 || wrong > 0 ? 1 : 0;
}
