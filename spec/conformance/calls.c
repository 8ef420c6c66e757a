/* calls.c - the calls that scripts are made of; a new one is one row */
#include <string.h>
#include <sys/syscall.h>

#include "conf.h"

/* Alternatives that several calls share. A choice that begins with ~ is one
 * of gen.c's own. */
#define SIZE  "~size"
#define VEC   "~vector"
#define FD    "~fd"
#define BASE  "O_NONBLOCK O_NONBLOCK O_NONBLOCK|O_CLOEXEC "
#define OFF   "0 0 1 5 -1 4095 4096 4097 MAX 10000"
#define STAT  "out out out out null bad"
#define TIMES "~timer"
#define DIRFD "~dir"
#define PATH  "~path"
#define IN    "~in"
#define OUT   "~out"
#define COUNT "0 1 100 100 5000 5000 65536 70000 -1"

/* clang-format off */
const struct call calls[] = {
  /* name, number, arguments, weight, kinds, makes, choices */
  { "read", SYS_read, "fR", 60, "pstemr", 0, { FD, SIZE } },
  { "write", SYS_write, "fW", 60, "psemr", 0, { FD, SIZE } },
  { "readv", SYS_readv, "fV", 20, "pstemr", 0, { FD, VEC } },
  { "writev", SYS_writev, "fU", 20, "psemr", 0, { FD, VEC } },
  { "pread64", SYS_pread64, "fRl", 6, NULL, 0, { FD, SIZE, OFF } },
  { "pwrite64", SYS_pwrite64, "fWl", 6, NULL, 0, { FD, SIZE, OFF } },
  { "preadv", SYS_preadv, "fVl", 3, NULL, 0, { FD, VEC, OFF } },
  { "pwritev", SYS_pwritev, "fUl", 3, NULL, 0, { FD, VEC, OFF } },
  { "preadv2", SYS_preadv2, "fVlii", 3, NULL, 0,
    { FD, VEC, OFF " -1 -1 -1", "0", "0 0 0 0x10000" } },
  { "pwritev2", SYS_pwritev2, "fUlii", 3, NULL, 0,
    { FD, VEC, OFF " -1 -1 -1", "0", "0 0 0 0x10000" } },
  { "lseek", SYS_lseek, "fli", 10, NULL, 0,
    { FD, OFF, "SEEK_SET SEEK_CUR SEEK_END SEEK_DATA SEEK_HOLE 5 -1" } },
  { "ftruncate", SYS_ftruncate, "fl", 5, NULL, 0, { FD, OFF } },
  { "fsync", SYS_fsync, "f", 2, NULL, 0, { FD } },
  { "fdatasync", SYS_fdatasync, "f", 2, NULL, 0, { FD } },
  { "close", SYS_close, "f", 40, NULL, 0, { FD } },
  { "close_range", SYS_close_range, "iii", 3, NULL, 0,
    { "~number", "~number", "0 0 CLOSE_RANGE_CLOEXEC 64" } },
  { "dup", SYS_dup, "f", 12, NULL, '=', { FD } },
  { "dup2", SYS_dup2, "ff", 10, NULL, '=', { FD, "~to" } },
  { "dup3", SYS_dup3, "ffi", 8, NULL, '=',
    { FD, "~to", "0 O_CLOEXEC O_CLOEXEC|O_NONBLOCK 1" } },
  { "fcntl", SYS_fcntl, "fii", 6, NULL, '=',
    { FD, "F_DUPFD F_DUPFD_CLOEXEC", "~to" } },
  { "fcntl", SYS_fcntl, "fii", 12, NULL, 0,
    { FD, "F_GETFD F_SETFD F_GETFL F_GETFL F_GETFL 999", "0 1 2 3" } },
  { "fcntl", SYS_fcntl, "fii", 10, NULL, 0,
    { FD, "F_SETFL", BASE "0 O_APPEND|O_NONBLOCK O_DIRECT|O_NONBLOCK "
      "O_ASYNC|O_NONBLOCK O_NOATIME|O_NONBLOCK O_RDWR|O_CREAT|O_NONBLOCK" } },
  { "fcntl", SYS_fcntl, "fii", 8, NULL, 0,
    { FD, "F_SETOWN", "p0 p0 p0 p1 g0 g0 g1 0 99999999" } },
  { "fcntl", SYS_fcntl, "fii", 4, NULL, 0,
    { FD, "F_SETSIG F_GETSIG", "0 10 40 41 65" } },
  { "fcntl", SYS_fcntl, "fii", 8, "ps", 0,
    { FD, "F_SETFL", "O_ASYNC|O_NONBLOCK O_ASYNC|O_NONBLOCK O_NONBLOCK" } },
  { "fcntl", SYS_fcntl, "fii", 15, "rm", 0,
    { FD, "F_SETLEASE F_SETLEASE F_SETLEASE F_GETLEASE",
      "RDLCK RDLCK WRLCK WRLCK UNLCK 3" } },
  { "fcntl", SYS_fcntl, "fii", 2, NULL, 0, { FD, "F_SETLEASE", "0 1 2" } },
  { "ioctl", SYS_ioctl, "fiI", 3, NULL, 0, { FD, "FIOASYNC", "1 1 0 bad" } },
  { "fcntl", SYS_fcntl, "fii", 8, "p", 0,
    { FD, "F_GETPIPE_SZ F_SETPIPE_SZ",
      "0 1 4096 4097 8192 16384 40000 65536 100000 131072 1048576 -1" } },
  { "ioctl", SYS_ioctl, "fio", 2, NULL, 0, { FD, "FIOQSIZE", "0 0 null" } },
  { "ioctl", SYS_ioctl, "fiI", 10, NULL, 0,
    { FD, "FIONREAD FIONREAD FIONREAD 0x1234", "0 0 0 0 null bad" } },
  { "ioctl", SYS_ioctl, "fii", 3, NULL, 0, { FD, "FIOCLEX FIONCLEX", "0" } },
  { "ioctl", SYS_ioctl, "fiI", 4, NULL, 0, { FD, "FIONBIO", "1 1 3 0 bad" } },
  { "ioctl", SYS_ioctl, "fio", 4, "t", 0,
    { FD, "TFD_IOC_SET_TICKS", "1 0 5 -1 bad" } },
  { "fstat", SYS_fstat, "fS", 10, NULL, 0, { FD, STAT } },
  { "newfstatat", SYS_newfstatat, "fNSi", 3, NULL, 0,
    { FD, "''", STAT, "AT_EMPTY_PATH AT_EMPTY_PATH 0 1" } },
  { "statx", SYS_statx, "fNiiX", 3, NULL, 0,
    { FD, "''", "AT_EMPTY_PATH AT_EMPTY_PATH 0 1", "STATX_BASIC", STAT } },
  { "open", SYS_open, "Nii", 8, NULL, 'n',
    { "/dev/null /dev/zero /dev/full '' null bad",
      "O_RDWR O_RDONLY O_WRONLY 3 O_RDWR|O_CLOEXEC O_RDWR|O_APPEND "
      "O_RDWR|O_NONBLOCK O_RDWR|O_DIRECTORY O_RDWR|O_TRUNC O_RDWR|O_DIRECT",
      "0" } },
  { "pipe", SYS_pipe, "2", 1, NULL, 'p', { "out null bad" } },
  { "pipe2", SYS_pipe2, "2i", 25, NULL, 'p',
    { "out out out out out out out out null bad",
      BASE BASE "O_NONBLOCK|O_DIRECT 0 O_NONBLOCK|O_APPEND" } },
  { "poll", SYS_poll, "pi", 25, NULL, 0, { "~poll", "0 0 0 0 0 0 0 0 -1 1 2147483647" } },
  { "ppoll", SYS_ppoll, "ptii", 6, NULL, 0,
    { "~poll", "0 0 0 0 0 -1 0,1000000000 null bad 0,1000 0,1", "0", "0" } },
  { "select", SYS_select, "isssv", 12, NULL, 0,
    { "40 64 10 0 -1", "~set", "~set", "~set", "0 0 0 0 0 -1 0,-1 null bad 0,1 0,1000" } },
  { "pselect6", SYS_pselect6, "issst", 6, NULL, 0,
    { "40 64 10 0 -1", "~set", "~set", "~set",
      "0 0 0 0 0 -1 0,1000000000 null bad 0,1000 0,1" } },
  { "eventfd2", SYS_eventfd2, "ii", 12, NULL, 'e',
    { "0 1 5 -1", "EFD_NONBLOCK EFD_NONBLOCK|EFD_SEMAPHORE "
      "EFD_NONBLOCK|EFD_CLOEXEC 0 2" } },
  { "eventfd", SYS_eventfd, "i", 1, NULL, 'e', { "0 1 3" } },
  { "write", SYS_write, "fW", 25, "e", 0,
    { FD, "#1 #5 #0 #-1 #-2 #-3 #MAX 7 9 16" } },
  { "read", SYS_read, "fR", 25, "et", 0, { FD, "8 8 8 8 7 9 0 8@bad" } },
  { "timerfd_create", SYS_timerfd_create, "ii", 6, NULL, 't',
    { "CLOCK_MONOTONIC CLOCK_REALTIME CLOCK_BOOTTIME CLOCK_REALTIME_ALARM -1",
      "TFD_NONBLOCK TFD_NONBLOCK|TFD_CLOEXEC 0 1" } },
  { "timerfd_settime", SYS_timerfd_settime, "fiYy", 12, "t", 0,
    { FD, "0 0 0 0 4", TIMES, STAT } },
  { "timerfd_settime", SYS_timerfd_settime, "fiYy", 12, "t", 0,
    { FD, "TFD_TIMER_ABSTIME TFD_TIMER_ABSTIME 3", "0,1/0 0,1/0 0,0/0",
      STAT } },
  { "timerfd_gettime", SYS_timerfd_gettime, "fy", 6, "t", 0, { FD, STAT } },
  { "epoll_create1", SYS_epoll_create1, "i", 8, NULL, 'E',
    { "0 0 EPOLL_CLOEXEC 1" } },
  { "epoll_create", SYS_epoll_create, "i", 1, NULL, 'E', { "1 0 -1" } },
  { "epoll_ctl", SYS_epoll_ctl, "fifE", 60, "E", 0,
    { FD, "ADD ADD ADD ADD ADD MOD MOD DEL DEL 4", FD, "~event" } },
  { "epoll_wait", SYS_epoll_wait, "fLi", 40, "E", 0,
    { FD, "10 10 10 10 1 2 3 0 -1 10@bad 10@null",
      "0 0 0 0 0 0 0 0 0 0 0 -1 1 -2147483648" } },
  { "epoll_pwait", SYS_epoll_pwait, "fLiii", 3, "E", 0,
    { FD, "10 1", "0 0 1", "0 1", "8 7" } },
  { "epoll_pwait2", SYS_epoll_pwait2, "fLt", 4, "E", 0,
    { FD, "10 1 2", "0 0 0 0,1000000000 -1 bad null 0,1000 0,1000000" } },
  { "setrlimit", SYS_setrlimit, "ir", 1, NULL, 0,
    { "RLIMIT_NOFILE", "40,40 40,40 20,40 10,40 4,40 50,40 40,50 bad" } },
  { "socketpair", SYS_socketpair, "iii2", 20, NULL, 's',
    { "AF_UNIX AF_UNIX AF_UNIX AF_UNIX AF_UNIX AF_UNIX AF_INET 99",
      "SOCK_STREAM|SOCK_NONBLOCK SOCK_STREAM|SOCK_NONBLOCK "
      "SOCK_DGRAM|SOCK_NONBLOCK SOCK_SEQPACKET|SOCK_NONBLOCK SOCK_STREAM 99 "
      "SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC",
      "0 0 0 0 1 99", "out out out out out out null bad" } },
  { "shutdown", SYS_shutdown, "fi", 8, "s", 0,
    { FD, "SHUT_RD SHUT_WR SHUT_RDWR 3 -1" } },
  { "flock", SYS_flock, "fi", 30, "!prsFmd", 0,
    { FD, "LOCK_SH|LOCK_NB LOCK_EX|LOCK_NB LOCK_UN LOCK_SH|LOCK_NB "
      "LOCK_EX|LOCK_NB LOCK_UN|LOCK_NB LOCK_SH LOCK_EX 0 3 4" } },
  { "fcntl", SYS_fcntl, "fiK", 60, "!prsFmd", 0,
    { FD, "F_SETLK F_SETLK F_SETLK F_OFD_SETLK F_OFD_SETLK F_SETLKW "
      "F_OFD_SETLKW", "~lock" } },
  { "fcntl", SYS_fcntl, "fiK", 25, "!prsFmd", 0,
    { FD, "F_GETLK F_OFD_GETLK", "~lock" } },
  { "sendto", SYS_sendto, "fWiii", 20, "s", 0,
    { FD, SIZE, "0 0 MSG_DONTWAIT MSG_NOSIGNAL MSG_EOR", "0", "0" } },
  { "recvfrom", SYS_recvfrom, "fRiii", 25, "s", 0,
    { FD, SIZE, "0 0 MSG_PEEK MSG_DONTWAIT MSG_TRUNC MSG_WAITALL "
      "MSG_PEEK|MSG_TRUNC", "0", "0" } },
  { "sendmsg", SYS_sendmsg, "fMi", 12, "s", 0,
    { FD, "~message", "0 0 MSG_DONTWAIT" } },
  { "recvmsg", SYS_recvmsg, "fmi", 15, "s", 0,
    { FD, "100:4 100:4 0:4 100 10:1 5000:2 100:0",
      "0 0 MSG_PEEK MSG_DONTWAIT MSG_TRUNC MSG_CMSG_CLOEXEC" } },
  { "getsockopt", SYS_getsockopt, "fiiIo", 5, "s", 0,
    { FD, "SOL_SOCKET", "SO_TYPE SO_ERROR SO_SNDBUF SO_RCVBUF SO_DOMAIN "
      "SO_PROTOCOL SO_ACCEPTCONN SO_RCVLOWAT 999", "0", "4 4 4 2 0" } },
  { "setsockopt", SYS_setsockopt, "fiiIi", 3, "s", 0,
    { FD, "SOL_SOCKET", "SO_SNDBUF SO_RCVBUF SO_RCVLOWAT SO_TYPE 999",
      "0 1 5000 100000", "4 4 4 2" } },
  { "memfd_create", SYS_memfd_create, "Ni", 12, NULL, 'm',
    { "name name '' bad", "0 0 MFD_CLOEXEC MFD_ALLOW_SEALING 0x1000" } },
  { "fcntl", SYS_fcntl, "fii", 8, "m", 0,
    { FD, "F_ADD_SEALS F_GET_SEALS",
      "F_SEAL_WRITE F_SEAL_SHRINK F_SEAL_GROW F_SEAL_SEAL 0 0x1000" } },
  { "fallocate", SYS_fallocate, "fill", 8, "rm", 0,
    { FD, "0 0 FALLOC_FL_KEEP_SIZE FALLOC_FL_PUNCH_HOLE "
      "FALLOC_FL_KEEP_SIZE|FALLOC_FL_PUNCH_HOLE 0x1000",
      "0 5 4096 -1 10000", "1 4096 10000 0 -1" } },
  { "ftruncate", SYS_ftruncate, "fl", 12, "rm", 0, { FD, OFF } },
  { "lseek", SYS_lseek, "fli", 15, "rm", 0,
    { FD, "0 1 5 4095 4096 8192 20000 -1",
      "SEEK_SET SEEK_CUR SEEK_END SEEK_DATA SEEK_HOLE" } },
  { "openat", SYS_openat, "fNii", 50, NULL, 'r',
    { DIRFD, PATH,
      "O_RDWR|O_CREAT O_RDWR|O_CREAT O_RDWR|O_CREAT O_RDONLY O_RDWR O_WRONLY "
      "O_WRONLY|O_CREAT|O_TRUNC O_RDWR|O_CREAT|O_EXCL O_RDWR|O_APPEND|O_CREAT "
      "O_RDONLY|O_NONBLOCK O_WRONLY|O_NONBLOCK O_RDWR|O_NONBLOCK "
      "O_RDWR|O_NOFOLLOW O_PATH O_PATH|O_NOFOLLOW O_RDONLY|O_DIRECTORY "
      "O_RDWR|O_TMPFILE O_CREAT|O_DIRECTORY 3 O_RDONLY|O_TRUNC "
      "O_PATH|O_DIRECTORY O_RDWR|O_CREAT|O_CLOEXEC O_RDWR|O_NOATIME",
      "0644 0644 0600 0 0444 0755" } },
  { "openat", SYS_openat, "fNii", 25, NULL, 'F',
    { DIRFD, "p p p q d/p",
      "O_RDWR|O_NONBLOCK O_RDONLY|O_NONBLOCK O_WRONLY|O_NONBLOCK O_RDWR "
      "O_RDONLY|O_NONBLOCK O_RDONLY O_WRONLY O_WRONLY|O_TRUNC|O_NONBLOCK "
      "O_PATH "
      "O_RDWR|O_APPEND|O_DIRECT|O_NONBLOCK 3 O_RDWR|O_DIRECTORY",
      "0644" } },
  { "openat", SYS_openat, "fNii", 10, NULL, 'd',
    { DIRFD, ". d d . e", "O_RDONLY|O_DIRECTORY O_RDONLY O_PATH", "0" } },
  { "mkdirat", SYS_mkdirat, "fNi", 8, NULL, 0,
    { DIRFD, "d d d e d/e a", "0755 0755 0755 0555 0 0300" } },
  { "mknodat", SYS_mknodat, "fNil", 6, NULL, 0,
    { DIRFD, "a b d/a", "S_IFREG|0600 S_IFREG|0600 S_IFBLK S_IFDIR 0644",
      "0" } },
  { "mknodat", SYS_mknodat, "fNil", 12, NULL, 0,
    { DIRFD, "p p q d/p a", "S_IFIFO|0644 S_IFIFO|0600 S_IFIFO", "0" } },
  { "mknod", SYS_mknod, "Nil", 3, NULL, 0,
    { "p q a d/q b '' bad", "S_IFIFO|0644 S_IFIFO|0200 S_IFREG|0644 "
      "S_IFCHR|0644 S_IFSOCK|0644", "0 0 0x103" } },
  { "unlinkat", SYS_unlinkat, "fNi", 12, NULL, 0,
    { DIRFD, PATH, "0 0 0 AT_REMOVEDIR 1" } },
  { "renameat", SYS_renameat, "fNfN", 8, NULL, 0,
    { DIRFD, PATH, DIRFD, PATH } },
  { "renameat2", SYS_renameat2, "fNfNi", 3, NULL, 0,
    { DIRFD, PATH, DIRFD, PATH, "0 1 2 3 8" } },
  { "linkat", SYS_linkat, "fNfNi", 6, NULL, 0,
    { DIRFD, PATH, DIRFD, PATH, "0 0 AT_SYMLINK_FOLLOW 1" } },
  { "symlinkat", SYS_symlinkat, "NfN", 6, NULL, 0,
    { "a b d l m d/a '' none", DIRFD, "l l m d/l a" } },
  { "readlinkat", SYS_readlinkat, "fNT", 4, NULL, 0,
    { DIRFD, PATH, "100 1 0 -1" } },
  { "newfstatat", SYS_newfstatat, "fNSi", 12, NULL, 0,
    { DIRFD, PATH, "out out out bad", "0 AT_SYMLINK_NOFOLLOW" } },
  { "statx", SYS_statx, "fNiiX", 4, NULL, 0,
    { DIRFD, PATH, "0 AT_SYMLINK_NOFOLLOW", "STATX_BASIC", "out" } },
  { "faccessat", SYS_faccessat, "fNi", 4, NULL, 0,
    { DIRFD, PATH, "F_OK R_OK W_OK X_OK 8" } },
  { "fchmodat", SYS_fchmodat, "fNi", 4, NULL, 0,
    { DIRFD, PATH, "0644 0755 0 0200 04755" } },
  { "fchmod", SYS_fchmod, "fi", 3, NULL, 0, { FD, "0644 0755 0 0400" } },
  { "truncate", SYS_truncate, "Nl", 4, NULL, 0, { PATH, OFF } },
  { "utimensat", SYS_utimensat, "fNui", 5, NULL, 0,
    { DIRFD, PATH, "1,5/2,6 100,0/100,1 null 3/UTIME_OMIT,UTIME_OMIT "
      "0,UTIME_OMIT/7 0,UTIME_OMIT/0,UTIME_OMIT 0,1000000000/1 0,-1/0 bad "
      "0,UTIME_NOW/8", "0 0 AT_SYMLINK_NOFOLLOW 1 AT_EMPTY_PATH" } },
  { "utimensat", SYS_utimensat, "fNui", 4, NULL, 0,
    { FD, "null null null ''", "1,5/2,6 0,UTIME_OMIT/7 5/5", "0 0 0 0x100" } },
  { "chdir", SYS_chdir, "N", 2, NULL, 0,
    { "d d ~ ~ ~ . a l none '' bad" } },
  { "fchdir", SYS_fchdir, "f", 1, "d", 0, { FD } },
  { "getcwd", SYS_getcwd, "C", 5, NULL, 0,
    { "100 100 1 2 0 100@bad 0@null" } },
  { "sendfile", SYS_sendfile, "ffol", 25, NULL, 0,
    { OUT, IN, "null null null 0 5 -1 4096 bad MAX", COUNT } },
  { "splice", SYS_splice, "fofoli", 40, NULL, 0,
    { IN, "null null null null 0 5 -1 bad", OUT,
      "null null null null 0 7 -1 bad", COUNT,
      "SPLICE_F_NONBLOCK SPLICE_F_NONBLOCK SPLICE_F_NONBLOCK|SPLICE_F_MOVE "
      "0 0x100" } },
  { "tee", SYS_tee, "ffli", 15, NULL, 0,
    { "~pipe", "~pipe", COUNT, "SPLICE_F_NONBLOCK SPLICE_F_NONBLOCK 0 "
      "0x100" } },
  { "copy_file_range", SYS_copy_file_range, "fofoli", 15, NULL, 0,
    { IN, "null null 0 5 -1 4096 bad MAX", OUT, "null null 0 7 -1 4096 bad",
      COUNT, "0 0 0 1" } },
  { "getdents64", SYS_getdents64, "fD", 6, "d", 0, { FD, "8192 8192 10 0 8192@bad" } },
  { "umask", SYS_umask, "i", 1, NULL, 0, { "022 0 077 0777 022" } },
  { "fork", DO_FORK, "P", 2, NULL, 0, { "1 2 3" } },
  { "exit", DO_EXIT, "i", 4, NULL, 0, { "0 1 255" } },
  { "exec", DO_EXEC, "", 2, NULL, 0, { 0 } },
  { "wait", DO_WAIT, "", 2, NULL, 0, { 0 } },
  { "signals", DO_SIGNALS, "", 12, NULL, 0, { 0 } },
};
/* clang-format on */

const size_t ncalls = sizeof calls / sizeof *calls;

/* Rows of one name and number of arguments differ for the generator alone,
 * except for the letters of their arguments: the first that has them is meant
 * if they do not matter. */
const struct call *call_named(const char *name, size_t n)
{
  for (size_t i = 0; i < ncalls; i++)
    if (strncmp(calls[i].name, name, n) == 0 && calls[i].name[n] == '\0')
      return &calls[i];
  return NULL;
}
