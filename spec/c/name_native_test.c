/*
 * name_native_test.c - the name space against Linux: the same calls by number,
 * in a fresh root directory on the one side, in a fresh kernel on the other
 *
 *   name_native_test [first seed [seeds [calls]]]
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fdemu_driver.h"
#include "fdemu_linux.h"
#include "test.h"

#define MAX_CALLS 400
#define FDS       8

/* What a call said, in one line. */
struct record {
  char what[120], said[200];
};

static struct record *linux_says, *fdemu_says, *records;
static int nrecords;
static struct fdemu_proc *proc; /* NULL: calls are Linux's */
static uint64_t state;

static int64_t call(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                    uint64_t e)
{
  const uint64_t args[6] = { a, b, c, d, e, 0 };
  long n;

  if (proc != NULL)
    return fdemu_syscall(proc, NULL, nr, args);
  n = syscall(nr, a, b, c, d, e, 0L);
  return n < 0 ? -errno : n;
}

#define A(x) ((uint64_t)(uintptr_t)(x))

/* ---- chance ----------------------------------------------------------- */

static uint64_t below(uint64_t n)
{
  return test_below(&state, n);
}

static bool one_in(uint64_t n)
{
  return below(n) == 0;
}

static const char *some_path(char *path)
{
  static const char *const names[] = { "a", "b", "c", "d", "r",
                                       "s", "f", "g", ".", ".." };
  size_t n = 0;

  path[0] = '\0';
  if (one_in(60))
    return path;
  if (one_in(5))
    n += (size_t)sprintf(path + n, "/");
  do {
    uint64_t pick = below(16);
    if (one_in(150)) {
      size_t len = 254 + (size_t)below(3);
      memset(path + n, 'x', len);
      n += len;
      path[n] = '\0';
    } else
      n += (size_t)sprintf(path + n, "%s", names[pick < 10 ? pick : pick % 4]);
    if (one_in(2))
      break;
    n += (size_t)sprintf(path + n, one_in(8) ? "//" : "/");
  } while (!one_in(8));
  if (one_in(10))
    sprintf(path + n, "/");
  return path;
}

static int some_dirfd(void)
{
  return one_in(3) ? (int)below(FDS + 1) - 1 : AT_FDCWD;
}

static int some_mode(void)
{
  static const int modes[] = { 0,    0700, 0777, 0500,  0300,  0600,
                               0444, 0111, 0666, 01777, 07777, 02770 };

  return modes[below(sizeof modes / sizeof *modes)];
}

static int some_flags(void)
{
  static const int flags[] = { O_CREAT,    O_CREAT,   O_CREAT | O_EXCL,
                               O_TRUNC,    O_APPEND,  O_DIRECTORY,
                               O_NOFOLLOW, O_PATH,    O_CLOEXEC,
                               O_NOATIME,  O_TMPFILE, O_DIRECTORY };
  int f = O_NONBLOCK | (int)below(one_in(20) ? 4 : 3);

  while (!one_in(2))
    f |= flags[below(sizeof flags / sizeof *flags)];
  return f;
}

/* ---- what calls give -------------------------------------------------- */

static void say_stat(char *said, const struct stat *st)
{
  bool dir = S_ISDIR(st->st_mode);

  sprintf(said,
          " mode %o nlink %d uid %d gid %d size %lld blksize %d rdev %llx",
          st->st_mode, (int)st->st_nlink, (int)st->st_uid, (int)st->st_gid,
          dir ? 0LL : (long long)st->st_size, (int)st->st_blksize,
          (unsigned long long)st->st_rdev);
}

static int by_name(const void *a, const void *b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names and types, in alphabetical order. */
static void say_names(char *said, char *buf, int64_t n)
{
  const char *names[64];
  size_t count = 0, len = 0;

  for (int64_t i = 0; i < n && count < 64; count++) {
    struct dirent *d = (void *)(buf + i);
    names[count] = d->d_name;
    i += d->d_reclen;
  }
  qsort(names, count, sizeof *names, by_name);
  for (size_t i = 0; i < count && len < 100; i++)
    len += (size_t)snprintf(said + len, 40, " %.20s/%d", names[i],
                            ((const unsigned char *)names[i])[-1]);
}

static struct record *begin(const char *name)
{
  struct record *r = &records[nrecords];

  strcpy(r->what, name);
  r->said[0] = '\0';
  return r;
}

/* Adds to what is called, for a reader. */
#define WITH(...) \
  snprintf(r->what + strlen(r->what), sizeof r->what - strlen(r->what), \
           __VA_ARGS__)

static void end(struct record *r, int64_t n, const char *more)
{
  char said[200];

  snprintf(said, sizeof said, "%lld%.150s", (long long)n, more);
  strcpy(r->said, said);
  nrecords++;
}

/* ---- calls ------------------------------------------------------------ */

static char path[2048], path2[2048];

static void do_open(void)
{
  struct record *r = begin("openat");
  int dirfd = some_dirfd(), flags = some_flags(), mode = some_mode();

  some_path(path);
  WITH(" %d %.40s flags %o mode %o", dirfd, path, flags, mode);
  end(r, call(SYS_openat, A(dirfd), A(path), A(flags), A(mode), 0), "");
}

static void do_stat(void)
{
  static const int flags[] = { 0, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, 0x4 };
  struct record *r = begin("newfstatat");
  int dirfd = some_dirfd(), flag = flags[below(4)];
  struct stat st;
  char said[150] = "";
  int64_t n;

  some_path(path);
  WITH(" %d %.40s flags %x", dirfd, path, flag);
  n = call(SYS_newfstatat, A(dirfd), A(path), A(&st), A(flag), 0);
  if (n == 0)
    say_stat(said, &st);
  end(r, n, said);
}

static void do_fstat(void)
{
  struct record *r = begin("fstat");
  int fd = (int)below(FDS);
  struct stat st;
  char said[150] = "";
  int64_t n = call(SYS_fstat, A(fd), A(&st), 0, 0, 0);

  WITH(" %d", fd);
  if (n == 0)
    say_stat(said, &st);
  end(r, n, said);
}

static void do_mode(const char *name, long nr)
{
  struct record *r = begin(name);
  int dirfd = some_dirfd(), mode = some_mode();

  some_path(path);
  WITH(" %d %.40s mode %o", dirfd, path, mode);
  end(r, call(nr, A(dirfd), A(path), A(mode), 0, 0), "");
}

static void do_mknod(void)
{
  static const int types[] = { 0,       S_IFREG, S_IFREG, S_IFDIR,
                               S_IFLNK, S_IFIFO, 0170000 };
  struct record *r = begin("mknodat");
  int dirfd = some_dirfd(), mode = some_mode() | types[below(7)];

  some_path(path);
  WITH(" %d %.40s mode %o", dirfd, path, mode);
  end(r, call(SYS_mknodat, A(dirfd), A(path), A(mode), 0x501, 0), "");
}

static void do_unlink(void)
{
  struct record *r = begin("unlinkat");
  int dirfd = some_dirfd();
  int flags = one_in(30) ? 1 : one_in(2) ? AT_REMOVEDIR : 0;

  some_path(path);
  WITH(" %d %.40s flags %x", dirfd, path, flags);
  end(r, call(SYS_unlinkat, A(dirfd), A(path), A(flags), 0, 0), "");
}

static void do_two(const char *name, long nr, int flags)
{
  struct record *r = begin(name);
  int fd = some_dirfd(), fd2 = some_dirfd();

  some_path(path);
  some_path(path2);
  WITH(" %d %.40s %d %.40s flags %x", fd, path, fd2, path2, flags);
  end(r, call(nr, A(fd), A(path), A(fd2), A(path2), A(flags)), "");
}

static void do_rename(void)
{
  static const int flags[] = {
    0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_EXCHANGE, 3, 8
  };

  do_two("renameat2", SYS_renameat2, flags[below(8)]);
}

static void do_link(void)
{
  static const int flags[] = { 0, 0, AT_SYMLINK_FOLLOW, AT_EMPTY_PATH, 1 };

  do_two("linkat", SYS_linkat, flags[below(5)]);
}

static void do_symlink(void)
{
  struct record *r = begin("symlinkat");
  int dirfd = some_dirfd();

  some_path(path);
  some_path(path2);
  WITH(" %.40s %d %.40s", path2, dirfd, path);
  end(r, call(SYS_symlinkat, A(path2), A(dirfd), A(path), 0, 0), "");
}

static void do_readlink(void)
{
  struct record *r = begin("readlinkat");
  int dirfd = some_dirfd(), size = one_in(6) ? (int)below(3) : 100;
  char said[150] = " ";
  int64_t n;

  some_path(path);
  WITH(" %d %.40s %d", dirfd, path, size);
  n = call(SYS_readlinkat, A(dirfd), A(path), A(said + 1), A(size), 0);
  said[n > 0 ? n + 1 : 0] = '\0';
  end(r, n, said);
}

static void do_access(void)
{
  static const int flags[] = { 0, AT_EACCESS, AT_SYMLINK_NOFOLLOW,
                               AT_EMPTY_PATH, 1 };
  struct record *r = begin("faccessat2");
  int dirfd = some_dirfd(), mode = (int)below(9), flag = flags[below(5)];

  some_path(path);
  WITH(" %d %.40s mode %d flags %x", dirfd, path, mode, flag);
  end(r, call(SYS_faccessat2, A(dirfd), A(path), A(mode), A(flag), 0), "");
}

static void do_chown(void)
{
  static const int ids[] = { -1, -1, FDEMU_UID, FDEMU_UID, 0 };
  static const int flags[] = { 0, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, 1 };
  struct record *r = begin("fchownat");
  int dirfd = some_dirfd(), flag = flags[below(4)];
  int uid = ids[below(5)], gid = ids[below(5)];

  some_path(path);
  WITH(" %d %.40s %d %d flags %x", dirfd, path, uid, gid, flag);
  end(r, call(SYS_fchownat, A(dirfd), A(path), A(uid), A(gid), A(flag)), "");
}

/* By descriptor. */
static void do_fd(const char *name, long nr, uint64_t arg)
{
  struct record *r = begin(name);
  int fd = (int)below(FDS);

  WITH(" %d %lld", fd, (long long)arg);
  end(r, call(nr, A(fd), arg, 0, 0, 0), "");
}

static void do_utimens(void)
{
  struct timespec ts[2] = { { 5, (long)below(3) - 1 }, { 7, UTIME_NOW } };
  static const int flags[] = { 0, 0, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, 1 };
  struct record *r = begin("utimensat");
  int dirfd = some_dirfd(), flag = flags[below(5)], how = (int)below(4);
  const char *p = one_in(6) ? NULL : path;

  some_path(path);
  if (how == 1)
    ts[0].tv_nsec = ts[1].tv_nsec = UTIME_OMIT;
  WITH(" %d %.40s %d flags %x", dirfd, p != NULL ? p : "NULL", how, flag);
  end(r, call(SYS_utimensat, A(dirfd), A(p), how > 1 ? A(ts) : 0, A(flag), 0),
      "");
}

static void do_truncate(void)
{
  struct record *r = begin("truncate");
  int size = (int)below(100) - 3;

  some_path(path);
  WITH(" %.40s %d", path, size);
  end(r, call(SYS_truncate, A(path), A(size), 0, 0, 0), "");
}

static void do_chdir(void)
{
  struct record *r = begin("chdir");

  some_path(path);
  WITH(" %.40s", path);
  end(r, call(SYS_chdir, A(path), 0, 0, 0, 0), "");
}

static void do_getcwd(void)
{
  struct record *r = begin("getcwd");
  int size = one_in(4) ? (int)below(8) : 2048;
  char said[2049] = " ";
  int64_t n = call(SYS_getcwd, A(said + 1), A(size), 0, 0, 0);

  WITH(" %d", size);
  end(r, n, n > 0 ? said : "");
}

static void do_getdents(void)
{
  struct record *r = begin("getdents64");
  int fd = (int)below(FDS), size = one_in(8) ? (int)below(30) : 4096;
  char said[300] = "";
  static char buf[4096];
  int64_t n;

  WITH(" %d %d", fd, size);
  call(SYS_lseek, A(fd), 0, SEEK_SET, 0, 0);
  n = call(SYS_getdents64, A(fd), A(buf), A(size), 0, 0);
  if (n > 0 && size == 4096)
    say_names(said, buf, n);
  end(r, n, said);
}

static void one_call(void)
{
  switch (below(32)) {
  case 0:
  case 1:
  case 2:
  case 3:
  case 4: do_open(); break;
  case 5: do_fd("close", SYS_close, 0); break;
  case 6: do_fd("close", SYS_close, 0); break;
  case 7: do_stat(); break;
  case 8: do_fstat(); break;
  case 9:
  case 10:
  case 11: do_mode("mkdirat", SYS_mkdirat); break;
  case 12: do_mknod(); break;
  case 13:
  case 14: do_unlink(); break;
  case 15:
  case 16:
  case 17: do_rename(); break;
  case 18: do_link(); break;
  case 19:
  case 20: do_symlink(); break;
  case 21: do_readlink(); break;
  case 22: do_access(); break;
  case 23: do_mode("fchmodat", SYS_fchmodat); break;
  case 24: do_chown(); break;
  case 25: do_utimens(); break;
  case 26: do_truncate(); break;
  case 27: do_chdir(); break;
  case 28: do_getcwd(); break;
  case 29: do_getdents(); break;
  case 30: do_fd("fchdir", SYS_fchdir, 0); break;
  default:
    switch (below(6)) {
    case 0: do_fd("fchmod", SYS_fchmod, (uint64_t)some_mode()); break;
    case 1: do_fd("dup", SYS_dup, 0); break;
    case 2: do_fd("ftruncate", SYS_ftruncate, 5); break;
    case 3: do_fd("write", SYS_write, A("x")); break;
    case 4: do_fd("F_GETFL", SYS_fcntl, F_GETFL); break;
    default: {
      struct record *r = begin("umask");
      end(r, call(SYS_umask, below(64) * 8, 0, 0, 0, 0), "");
    }
    }
  }
}

static void calls(struct record *where, uint64_t seed, int n)
{
  state = seed * 0x9e3779b97f4a7c15u + 1;
  records = where;
  nrecords = 0;
  for (int i = 0; i < n; i++)
    one_call();
}

/* What root leaves for everybody: /r with the file f, and /s, where nobody may
 * remove what is not his, with the file g. */
static void as_root(void)
{
  call(SYS_umask, 0, 0, 0, 0, 0);
  call(SYS_mkdir, A("/r"), 0755, 0, 0, 0);
  call(SYS_mkdir, A("/s"), 01777, 0, 0, 0);
  call(SYS_mknod, A("/r/f"), S_IFREG | 0644, 0, 0, 0);
  call(SYS_mknod, A("/s/g"), S_IFREG | 0666, 0, 0, 0);
}

/* ---- both sides ------------------------------------------------------- */

/* In a child: a root directory of its own, as another user. */
static void linux_child(const char *dir, uint64_t seed, int n)
{
  if (chown(dir, FDEMU_UID, FDEMU_UID) != 0 || chmod(dir, 0755) != 0 ||
      chroot(dir) != 0 || chdir("/") != 0)
    _exit(1);
  as_root();
  umask(022);
  if (setgroups(0, NULL) != 0 ||
      setresgid(FDEMU_UID, FDEMU_UID, FDEMU_UID) != 0 ||
      setresuid(FDEMU_UID, FDEMU_UID, FDEMU_UID) != 0)
    _exit(1);
  syscall(SYS_close_range, 0, ~0U, 0);
  calls(linux_says, seed, n);
  _exit(0);
}

static bool on_linux(uint64_t seed, int n)
{
  char dir[] = "/dev/shm/fdemu-name-XXXXXX", command[64];
  int status = -1;
  pid_t pid;

  if (mkdtemp(dir) == NULL)
    return false;
  pid = fork();
  if (pid == 0)
    linux_child(dir, seed, n);
  if (pid > 0)
    waitpid(pid, &status, 0);
  snprintf(command, sizeof command, "rm -rf %s", dir);
  if (system(command) != 0)
    return false;
  return status == 0;
}

static void on_fdemu(uint64_t seed, int n)
{
  struct fdemu_kernel *k = test_kernel();
  struct fdemu_proc *p = fdemu_proc_new(k);

  fdemu_maker(k, S_IFREG, fdemu_regular_new);
  fdemu_maker(k, S_IFIFO, fdemu_fifo_new);
  proc = fdemu_kernel_self(k);
  as_root();
  proc = p;
  calls(fdemu_says, seed, n);
  proc = NULL;
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

/* The first difference, and what led to it. */
static bool compare(uint64_t seed, int n)
{
  for (int i = 0; i < n; i++) {
    const struct record *a = &linux_says[i], *b = &fdemu_says[i];
    if (strcmp(a->said, b->said) == 0)
      continue;
    for (int j = i > 400 ? i - 400 : 0; j < i; j++)
      if (linux_says[j].said[0] != '-')
        fprintf(stderr, "  %s = %s\n", linux_says[j].what, linux_says[j].said);
    fprintf(stderr, "seed %llu call %d: %s\n  Linux %s\n  fdemu %s\n",
            (unsigned long long)seed, i, a->what, a->said, b->said);
    return false;
  }
  return true;
}

static void *shared(size_t size)
{
  void *m = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                 -1, 0);

  if (m == MAP_FAILED)
    abort();
  return m;
}

int main(int argc, char **argv)
{
  uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
  uint64_t seeds = argc > 2 ? strtoull(argv[2], NULL, 10) : 60;
  int n = argc > 3 ? atoi(argv[3]) : MAX_CALLS;
  bool root = getuid() == 0;

  if (n > MAX_CALLS)
    n = MAX_CALLS;
  linux_says = shared(MAX_CALLS * sizeof *linux_says);
  fdemu_says = shared(MAX_CALLS * sizeof *fdemu_says);
  if (!root)
    printf("not root: fdemu alone, without Linux\n");
  for (uint64_t seed = first; seed < first + seeds; seed++) {
    on_fdemu(seed, n);
    if (!root)
      continue;
    CHECK(on_linux(seed, n));
    if (!CHECK(compare(seed, n)))
      break;
  }
  return test_summary();
}
