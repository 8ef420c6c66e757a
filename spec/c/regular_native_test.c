/*
 * regular_native_test.c - the same random calls on files of Linux's tmpfs and on
 * fdemu's: bytes, holes, sizes, positions, seals, memory that is not there
 *
 * As native_test.c does it: both sides agree on every number. The buffer ends
 * where memory does, so that calls can be made to run into that.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fdemu_driver.h"
#include "native.h"
#include "tmpfs.h"

#define LIMIT 16
#define PAGE  4096
#define PAGES 24 /* that most calls are about */
#define ROOM  (6 * PAGE)

static char name[64];       /* of the file on Linux */
static char *ours, *theirs; /* ROOM bytes, then nothing */

static int pick_fd(void)
{
  static const int odd[] = { -1, LIMIT, 1000000 };
  int open[LIMIT], n = 0;

  if (pick(40) == 0)
    return PICK(odd);
  for (int fd = 3; (fd = fdemu_next_fd(p, fd)) >= 0; fd++)
    open[n++] = fd;
  return n == 0 || pick(40) == 0 ? 3 + pick(LIMIT - 3) : open[pick(n)];
}

static int64_t pick_offset(void)
{
  int64_t at = (int64_t)pick(PAGES) * PAGE;

  switch (pick(12)) {
  case 0: return INT64_MAX - pick(3) * pick(PAGE);
  case 1: return -pick(5);
  case 2: return pick(100);
  case 3: return at * (INT64_C(1) << pick(46));
  case 4: return at + pick(3) - 1;
  case 5: return at;
  default: return at + pick(PAGE);
  }
}

static int64_t pick_length(void)
{
  static const int64_t lengths[] = { 0, 1, PAGE, PAGE - 1, PAGE + 1, -1 };

  return pick(3) > 0 ? pick(5 * PAGE) : PICK(lengths);
}

/* ---- memory ----------------------------------------------------------- */

static bool is_there(const void *addr, size_t n)
{
  uintptr_t a = (uintptr_t)addr, end = (uintptr_t)ours + ROOM;

  return a <= end && n <= end - a;
}

static int load(const struct fdemu_mem *m, void *dst, const void *addr,
                size_t n)
{
  (void)m;
  if (!is_there(addr, n))
    return -EFAULT;
  memcpy(dst, addr, n);
  return 0;
}

static int store(const struct fdemu_mem *m, void *addr, const void *src,
                 size_t n)
{
  (void)m;
  if (!is_there(addr, n))
    return -EFAULT;
  memcpy(addr, src, n);
  return 0;
}

static const struct fdemu_mem mem = { load, store };

static char *edge_of_memory(void)
{
  char *end = mmap(NULL, ROOM + PAGE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  if (end == MAP_FAILED)
    abort();
  munmap(end + ROOM, PAGE);
  return end;
}

static void scribble(void)
{
  for (int i = 0; i < 64; i++)
    ours[pick(ROOM)] = (char)pick(256);
  memcpy(theirs, ours, ROOM);
}

/* Where a call's n bytes are: rarely they are not all there. */
static size_t pick_place(size_t n)
{
  if (n > ROOM || pick(10) == 0)
    return (size_t)(ROOM - (pick(3) > 0 ? pick(PAGE) : 0));
  return (size_t)pick((int)(ROOM - n + 1));
}

/* ---- calls ------------------------------------------------------------ */

static void do_memfd(void)
{
  static const unsigned flags[] = { MFD_ALLOW_SEALING,
                                    MFD_ALLOW_SEALING,
                                    MFD_CLOEXEC,
                                    MFD_CLOEXEC | MFD_ALLOW_SEALING,
                                    0,
                                    8,
                                    16,
                                    24,
                                    0x20 };
  char longest[300];
  unsigned f = PICK(flags);
  size_t n = pick(10) == 0 ? (size_t)(245 + pick(10)) : (size_t)pick(8);

  memset(longest, 'm', n);
  longest[n] = '\0';
  say("memfd_create(%zu, %#x)", n, f);
  agree(native(memfd_create(longest, f)), fdemu_memfd_create(p, longest, f));
}

static void do_open(void)
{
  static const int access[] = { O_RDWR, O_RDWR, O_RDONLY, O_WRONLY, O_ACCMODE };
  static const int flags[] = { 0, 0, O_APPEND, O_TRUNC, O_CLOEXEC };
  int f = PICK(access) | PICK(flags);

  say("open(%#o)", (unsigned)f);
  agree(native(open(name, f)), fdemu_open(p, "/file", f, 0));
}

static void do_bytes(void)
{
  const bool writing = pick(2) > 0, at = pick(2) > 0;
  const enum fdemu_callno call = writing ? (at ? FDEMU_PWRITE : FDEMU_WRITE)
                                         : (at ? FDEMU_PREAD : FDEMU_READ);
  size_t n = (size_t)(pick_length() & 0x7fff), place = pick_place(n);
  const int64_t offset = at ? pick_offset() : 0;
  struct fdemu_req r = { .call = &fdemu_calls[call],
                         .fd = pick_fd(),
                         .buf = { ours + place, n },
                         .offset = offset,
                         .mem = &mem };
  char *b = theirs + place;

  scribble();
  say("%s(%d, %zu, %lld), %zu there", r.call->name, r.fd, n, (long long)offset,
      ROOM - place);
  if (writing)
    agree(native(at ? pwrite(r.fd, b, n, offset) : write(r.fd, b, n)),
          fdemu_call(p, &r));
  else
    agree(native(at ? pread(r.fd, b, n, offset) : read(r.fd, b, n)),
          fdemu_call(p, &r));
  agree(0, memcmp(ours, theirs, ROOM));
}

static void do_vector(void)
{
  const bool writing = pick(2) > 0, at = pick(2) > 0;
  const enum fdemu_callno call = writing ? (at ? FDEMU_PWRITEV : FDEMU_WRITEV)
                                         : (at ? FDEMU_PREADV : FDEMU_READV);
  struct iovec v[5], w[5];
  const int64_t offset = at ? pick_offset() : 0;
  struct fdemu_req r = { .call = &fdemu_calls[call],
                         .fd = pick_fd(),
                         .iov = v,
                         .iovcnt = pick(6),
                         .offset = offset,
                         .mem = &mem };

  scribble();
  for (int i = 0; i < r.iovcnt; i++) {
    size_t n = (size_t)(pick_length() & 0x3fff), place = pick_place(n);
    v[i] = (struct iovec){ ours + place, n };
    w[i] = (struct iovec){ theirs + place, n };
  }
  say("%s(%d, %d, %lld)", r.call->name, r.fd, r.iovcnt, (long long)offset);
  if (writing)
    agree(native(at ? pwritev(r.fd, w, r.iovcnt, offset)
                    : writev(r.fd, w, r.iovcnt)),
          fdemu_call(p, &r));
  else
    agree(native(at ? preadv(r.fd, w, r.iovcnt, offset)
                    : readv(r.fd, w, r.iovcnt)),
          fdemu_call(p, &r));
  agree(0, memcmp(ours, theirs, ROOM));
}

static void do_lseek(void)
{
  int64_t offset = pick_offset();
  int fd = pick_fd(), whence = pick(6);
  struct stat st;

  if (whence == SEEK_CUR || whence == SEEK_END)
    offset = pick(3) > 0 ? pick(3 * PAGE) - 2 * PAGE : offset;
  if (whence > SEEK_END && fdemu_fstat(p, fd, &st) == 0 &&
      st.st_size > INT64_MAX - PAGE)
    return; /* Linux finds anything from 0 to EMFILE in the last page of all */
  say("lseek(%d, %lld, %d)", fd, (long long)offset, whence);
  agree(native(lseek(fd, offset, whence)), fdemu_lseek(p, fd, offset, whence));
}

static void do_truncate(void)
{
  int64_t size = pick_offset();
  int fd = pick_fd();

  say("ftruncate(%d, %lld)", fd, (long long)size);
  agree(native(ftruncate(fd, size)), fdemu_ftruncate(p, fd, size));
}

/* What would take Linux much memory is not asked for. */
static void do_allocate(void)
{
  static const int modes[] = { 0, 0,  1,  1,  3,  3,   3,   2, 8,
                               9, 16, 17, 32, 64, 128, 256, 5 };
  int mode = PICK(modes), fd = pick_fd();
  int64_t offset = pick_offset(), length = pick_length();

  if (mode == 3 && pick(4) == 0)
    length = pick_offset();
  say("fallocate(%d, %d, %lld, %lld)", fd, mode, (long long)offset,
      (long long)length);
  agree(native(fallocate(fd, mode, offset, length)),
        fdemu_fallocate(p, fd, mode, offset, length));
}

static void do_seals(void)
{
  static const int seals[] = { 0,           F_SEAL_SEAL,  F_SEAL_SHRINK,
                               F_SEAL_GROW, F_SEAL_WRITE, F_SEAL_FUTURE_WRITE,
                               0x20,        0x40 };
  int fd = pick_fd(), s = PICK(seals);

  if (pick(4) == 0) {
    say("fcntl(%d, F_ADD_SEALS, %#x)", fd, (unsigned)s);
    agree(native(fcntl(fd, F_ADD_SEALS, s)),
          fdemu_fcntl(p, fd, F_ADD_SEALS, s));
  }
  say("fcntl(%d, F_GET_SEALS)", fd);
  agree(native(fcntl(fd, F_GET_SEALS)), fdemu_fcntl(p, fd, F_GET_SEALS, 0));
}

static void do_flags(void)
{
  static const int flags[] = { 0, O_APPEND, O_NONBLOCK, O_APPEND, O_DIRECT };
  int fd = pick_fd(), f = PICK(flags);

  if (f == O_DIRECT && pick(4) > 0)
    f = 0;
  say("fcntl(%d, F_SETFL, %#o)", fd, (unsigned)f);
  agree(native(fcntl(fd, F_SETFL, f)), fdemu_fcntl(p, fd, F_SETFL, f));
  say("fcntl(%d, F_GETFL)", fd);
  agree(native(fcntl(fd, F_GETFL)), fdemu_fcntl(p, fd, F_GETFL, 0));
  if (f == O_DIRECT) { /* wants aligned memory */
    fcntl(fd, F_SETFL, 0);
    fdemu_fcntl(p, fd, F_SETFL, 0);
  }
}

static void do_stat(void)
{
  struct stat a = { 0 }, b = { 0 };
  int fd = pick_fd();

  say("fstat(%d)", fd);
  if (!agree(native(fstat(fd, &a)), fdemu_fstat(p, fd, &b)))
    return;
  say("fstat(%d): st_mode", fd);
  agree(a.st_mode, b.st_mode);
  say("fstat(%d): st_nlink", fd);
  agree((int64_t)a.st_nlink, (int64_t)b.st_nlink);
  say("fstat(%d): st_size", fd);
  agree(a.st_size, b.st_size);
  say("fstat(%d): st_blocks", fd);
  agree(a.st_blocks, b.st_blocks);
  say("fstat(%d): st_blksize", fd);
  agree(a.st_blksize, b.st_blksize);
  say("fstat(%d): st_uid", fd);
  agree(a.st_uid, b.st_uid);
}

static void do_ioctl(void)
{
  static const unsigned long requests[] = { FIONREAD, FIONREAD, 0x5460, 2,
                                            1,        0x5401,   0x1234 };
  unsigned long request = PICK(requests);
  int64_t a = 0, b = 0;
  int fd = pick_fd();

  say("ioctl(%d, %#lx)", fd, request);
  agree(native(ioctl(fd, request, &a)), fdemu_ioctl(p, fd, request, &b));
  agree(a, b);
}

static void do_sync(void)
{
  int fd = pick_fd();

  say("fsync(%d)", fd);
  agree(native(fsync(fd)), fdemu_fsync(p, fd));
  say("fdatasync(%d)", fd);
  agree(native(fdatasync(fd)), fdemu_fdatasync(p, fd));
}

static int64_t range(enum fdemu_callno call, int fd, int64_t offset,
                     int64_t length, int flags)
{
  struct fdemu_req r = { .call = &fdemu_calls[call],
                         .fd = fd,
                         .offset = offset,
                         .arg = length,
                         .cmd = (unsigned)flags };

  return fdemu_call(p, &r);
}

static void do_advice(void)
{
  int64_t offset = pick_offset(), length = pick_length();
  int fd = pick_fd(), advice = pick(9) - 1;

  say("fadvise64(%d, %lld, %lld, %d)", fd, (long long)offset, (long long)length,
      advice);
  agree(native(syscall(SYS_fadvise64, fd, offset, length, advice)),
        range(FDEMU_FADVISE, fd, offset, length, advice));
  say("readahead(%d, %lld, %lld)", fd, (long long)offset, (long long)length);
  agree(native(syscall(SYS_readahead, fd, offset, length)),
        range(FDEMU_READAHEAD, fd, offset, length, 0));
  say("sync_file_range(%d, %lld, %lld, %d)", fd, (long long)offset,
      (long long)length, advice);
  agree(native(syscall(SYS_sync_file_range, fd, offset, length, advice)),
        range(FDEMU_SYNC_RANGE, fd, offset, length, advice));
  say("syncfs(%d)", fd);
  agree(native(syncfs(fd)), range(FDEMU_SYNCFS, fd, 0, 0, 0));
}

static void do_poll(void)
{
  struct pollfd a = { .fd = pick_fd(), .events = (short)pick(0x400) }, b = a;

  say("poll(%d, %#x)", a.fd, (unsigned)a.events);
  agree(native(poll(&a, 1, 0)), fdemu_poll(p, &b, 1, 0));
  agree(a.revents, b.revents);
}

static void do_dup(void)
{
  int fd = pick_fd();

  dup_both(fd);
}

static void do_close(void)
{
  int fd = pick_fd();

  if (fd >= 3) {
    close_both(fd);
  }
}

static void step(void)
{
  static void (*const calls[])(void) = {
    do_memfd, do_open,  do_open,     do_bytes,    do_bytes,    do_bytes,
    do_bytes, do_bytes, do_bytes,    do_bytes,    do_vector,   do_vector,
    do_lseek, do_lseek, do_lseek,    do_lseek,    do_truncate, do_truncate,
    do_seals, do_flags, do_allocate, do_allocate, do_allocate, do_stat,
    do_stat,  do_stat,  do_ioctl,    do_sync,     do_poll,     do_advice,
    do_dup,   do_close, do_close,
  };

  PICK(calls)();
}

/* ---- sequences -------------------------------------------------------- */

static void sequence(uint64_t seed, int steps)
{
  struct fdemu_inode *i;
  int fd;

  begin(LIMIT);
  i = fdemu_regular_new(k, 0600);
  CHECK_EQ(fdemu_name(k, "/file", i), 0);
  fdemu_inode_put(i);
  fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
  CHECK_EQ(fd, 3);
  close(fd);
  make_steps(seed, steps, step);
  unlink(name);
  fdemu_proc_put(p);
  CHECK_EQ(fdemu_run(k), 0);
  CHECK(fdemu_space_used(k) >= 0);
  TEST_KERNEL_FREE(k);
}

int main(int argc, char **argv)
{
  static const int expected[] = { EBADF, EFAULT, EFBIG,      EINVAL, EMFILE,
                                  ENXIO, EPERM,  EOPNOTSUPP, ENOTTY };
  const char *dir = tmpfs_enter();
  int steps = argc > 1 ? atoi(argv[1]) : 5000;
  uint64_t seeds = argc > 2 ? (uint64_t)atoi(argv[2]) : 40;

  if (dir == NULL)
    return test_skip("no tmpfs to compare with");
  limit_files(LIMIT);
  drop_privileges(1000);
  umask(022);
  snprintf(name, sizeof name, "%s/fdemu-%d", dir, (int)getpid());
  ours = edge_of_memory();
  theirs = edge_of_memory();
  for (uint64_t seed = 1; seed <= seeds; seed++)
    sequence(seed, steps);
  CHECK_HAPPENED(expected);
  unlimit_files();
  return test_summary();
}
