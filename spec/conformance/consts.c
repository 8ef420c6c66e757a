/* consts.c - names in scripts */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "conf.h"

/* clang-format off */
static const struct {
  const char *name;
  int64_t value;
} names[] = {
  { "O_RDONLY", (int64_t)O_RDONLY },
  { "O_WRONLY", (int64_t)O_WRONLY },
  { "O_RDWR", (int64_t)O_RDWR },
  { "O_NONBLOCK", (int64_t)O_NONBLOCK },
  { "O_CLOEXEC", (int64_t)O_CLOEXEC },
  { "O_APPEND", (int64_t)O_APPEND },
  { "O_CREAT", (int64_t)O_CREAT },
  { "O_EXCL", (int64_t)O_EXCL },
  { "O_TRUNC", (int64_t)O_TRUNC },
  { "O_DIRECTORY", (int64_t)O_DIRECTORY },
  { "O_NOFOLLOW", (int64_t)O_NOFOLLOW },
  { "O_PATH", (int64_t)O_PATH },
  { "O_TMPFILE", (int64_t)O_TMPFILE },
  { "O_DIRECT", (int64_t)O_DIRECT },
  { "O_ASYNC", (int64_t)O_ASYNC },
  { "O_NOATIME", (int64_t)O_NOATIME },
  { "O_NOCTTY", (int64_t)O_NOCTTY },
  { "O_SYNC", (int64_t)O_SYNC },
  { "O_DSYNC", (int64_t)O_DSYNC },
  { "O_LARGEFILE", (int64_t)O_LARGEFILE },
  { "AT_FDCWD", (int64_t)AT_FDCWD },
  { "AT_EMPTY_PATH", (int64_t)AT_EMPTY_PATH },
  { "AT_SYMLINK_NOFOLLOW", (int64_t)AT_SYMLINK_NOFOLLOW },
  { "AT_SYMLINK_FOLLOW", (int64_t)AT_SYMLINK_FOLLOW },
  { "AT_REMOVEDIR", (int64_t)AT_REMOVEDIR },
  { "AT_EACCESS", (int64_t)AT_EACCESS },
  { "F_DUPFD", (int64_t)F_DUPFD },
  { "F_DUPFD_CLOEXEC", (int64_t)F_DUPFD_CLOEXEC },
  { "F_GETFD", (int64_t)F_GETFD },
  { "F_SETFD", (int64_t)F_SETFD },
  { "F_GETFL", (int64_t)F_GETFL },
  { "F_SETFL", (int64_t)F_SETFL },
  { "F_GETLK", (int64_t)F_GETLK },
  { "F_SETLK", (int64_t)F_SETLK },
  { "F_SETLKW", (int64_t)F_SETLKW },
  { "F_OFD_GETLK", (int64_t)F_OFD_GETLK },
  { "F_OFD_SETLK", (int64_t)F_OFD_SETLK },
  { "F_OFD_SETLKW", (int64_t)F_OFD_SETLKW },
  { "F_GETPIPE_SZ", (int64_t)F_GETPIPE_SZ },
  { "F_SETPIPE_SZ", (int64_t)F_SETPIPE_SZ },
  { "F_GETOWN", (int64_t)F_GETOWN },
  { "F_SETOWN", (int64_t)F_SETOWN },
  { "F_GETSIG", (int64_t)F_GETSIG },
  { "F_SETSIG", (int64_t)F_SETSIG },
  { "F_GETLEASE", (int64_t)F_GETLEASE },
  { "F_SETLEASE", (int64_t)F_SETLEASE },
  { "F_NOTIFY", (int64_t)F_NOTIFY },
  { "DN_ACCESS", (int64_t)DN_ACCESS },
  { "DN_MODIFY", (int64_t)DN_MODIFY },
  { "DN_CREATE", (int64_t)DN_CREATE },
  { "DN_DELETE", (int64_t)DN_DELETE },
  { "DN_RENAME", (int64_t)DN_RENAME },
  { "DN_ATTRIB", (int64_t)DN_ATTRIB },
  { "DN_MULTISHOT", (int64_t)DN_MULTISHOT },
  { "F_ADD_SEALS", (int64_t)F_ADD_SEALS },
  { "F_GET_SEALS", (int64_t)F_GET_SEALS },
  { "F_SEAL_WRITE", (int64_t)F_SEAL_WRITE },
  { "F_SEAL_SHRINK", (int64_t)F_SEAL_SHRINK },
  { "F_SEAL_GROW", (int64_t)F_SEAL_GROW },
  { "F_SEAL_SEAL", (int64_t)F_SEAL_SEAL },
  { "FD_CLOEXEC", (int64_t)FD_CLOEXEC },
  { "FALLOC_FL_KEEP_SIZE", (int64_t)FALLOC_FL_KEEP_SIZE },
  { "FALLOC_FL_PUNCH_HOLE", (int64_t)FALLOC_FL_PUNCH_HOLE },
  { "SPLICE_F_NONBLOCK", (int64_t)SPLICE_F_NONBLOCK },
  { "SPLICE_F_MOVE", (int64_t)SPLICE_F_MOVE },
  { "SPLICE_F_MORE", (int64_t)SPLICE_F_MORE },
  { "SEEK_SET", (int64_t)SEEK_SET },
  { "SEEK_CUR", (int64_t)SEEK_CUR },
  { "SEEK_END", (int64_t)SEEK_END },
  { "SEEK_DATA", (int64_t)SEEK_DATA },
  { "SEEK_HOLE", (int64_t)SEEK_HOLE },
  { "R_OK", (int64_t)R_OK },
  { "W_OK", (int64_t)W_OK },
  { "X_OK", (int64_t)X_OK },
  { "F_OK", (int64_t)F_OK },
  { "RDLCK", (int64_t)F_RDLCK },
  { "WRLCK", (int64_t)F_WRLCK },
  { "UNLCK", (int64_t)F_UNLCK },
  { "SET", (int64_t)SEEK_SET },
  { "CUR", (int64_t)SEEK_CUR },
  { "END", (int64_t)SEEK_END },
  { "LOCK_SH", (int64_t)LOCK_SH },
  { "LOCK_EX", (int64_t)LOCK_EX },
  { "LOCK_UN", (int64_t)LOCK_UN },
  { "LOCK_NB", (int64_t)LOCK_NB },
  { "FIONREAD", (int64_t)FIONREAD },
  { "FIONBIO", (int64_t)FIONBIO },
  { "FIOCLEX", (int64_t)FIOCLEX },
  { "FIONCLEX", (int64_t)FIONCLEX },
  { "FIOASYNC", (int64_t)FIOASYNC },
  { "TCGETS", (int64_t)TCGETS },
  { "TIOCGWINSZ", (int64_t)TIOCGWINSZ },
  { "TIOCOUTQ", (int64_t)TIOCOUTQ },
  { "SIOCATMARK", (int64_t)SIOCATMARK },
  { "FIOQSIZE", (int64_t)FIOQSIZE },
  { "FIGETBSZ", (int64_t)FIGETBSZ },
  { "FICLONE", (int64_t)FICLONE },
  { "FICLONERANGE", (int64_t)FICLONERANGE },
  { "FIDEDUPERANGE", (int64_t)FIDEDUPERANGE },
  { "FS_IOC_FIEMAP", (int64_t)FS_IOC_FIEMAP },
  { "FS_IOC_GETFLAGS", (int64_t)FS_IOC_GETFLAGS },
  { "FS_IOC_SETFLAGS", (int64_t)FS_IOC_SETFLAGS },
  { "FS_IOC_FSGETXATTR", (int64_t)FS_IOC_FSGETXATTR },
  { "FS_IOC_FSSETXATTR", (int64_t)FS_IOC_FSSETXATTR },
  { "FS_IOC_GETFSUUID", 0x80111500 },
  { "FS_IOC_GETFSSYSFSPATH", 0x80811501 },
  { "NODUMP", (int64_t)FS_NODUMP_FL },
  { "NOATIME", (int64_t)FS_NOATIME_FL },
  { "CLOSE_RANGE_CLOEXEC", (int64_t)CLOSE_RANGE_CLOEXEC },
  { "CLOSE_RANGE_UNSHARE", (int64_t)CLOSE_RANGE_UNSHARE },
  { "EPOLL_CLOEXEC", (int64_t)EPOLL_CLOEXEC },
  { "ADD", (int64_t)EPOLL_CTL_ADD },
  { "MOD", (int64_t)EPOLL_CTL_MOD },
  { "DEL", (int64_t)EPOLL_CTL_DEL },
  { "IN", (int64_t)EPOLLIN },
  { "OUT", (int64_t)EPOLLOUT },
  { "PRI", (int64_t)EPOLLPRI },
  { "ERR", (int64_t)EPOLLERR },
  { "HUP", (int64_t)EPOLLHUP },
  { "RDHUP", (int64_t)EPOLLRDHUP },
  { "RDNORM", (int64_t)EPOLLRDNORM },
  { "WRNORM", (int64_t)EPOLLWRNORM },
  { "RDBAND", (int64_t)EPOLLRDBAND },
  { "WRBAND", (int64_t)EPOLLWRBAND },
  { "ET", (int64_t)EPOLLET },
  { "ONESHOT", (int64_t)EPOLLONESHOT },
  { "EXCLUSIVE", (int64_t)EPOLLEXCLUSIVE },
  { "WAKEUP", (int64_t)EPOLLWAKEUP },
  { "EFD_NONBLOCK", (int64_t)EFD_NONBLOCK },
  { "EFD_CLOEXEC", (int64_t)EFD_CLOEXEC },
  { "EFD_SEMAPHORE", (int64_t)EFD_SEMAPHORE },
  { "TFD_NONBLOCK", (int64_t)TFD_NONBLOCK },
  { "TFD_CLOEXEC", (int64_t)TFD_CLOEXEC },
  { "TFD_TIMER_ABSTIME", (int64_t)TFD_TIMER_ABSTIME },
  { "TFD_TIMER_CANCEL_ON_SET", (int64_t)TFD_TIMER_CANCEL_ON_SET },
  { "CLOCK_REALTIME", (int64_t)CLOCK_REALTIME },
  { "CLOCK_MONOTONIC", (int64_t)CLOCK_MONOTONIC },
  { "CLOCK_BOOTTIME", (int64_t)CLOCK_BOOTTIME },
  { "CLOCK_REALTIME_ALARM", (int64_t)CLOCK_REALTIME_ALARM },
  { "CLOCK_PROCESS_CPUTIME_ID", (int64_t)CLOCK_PROCESS_CPUTIME_ID },
  { "MFD_CLOEXEC", (int64_t)MFD_CLOEXEC },
  { "MFD_ALLOW_SEALING", (int64_t)MFD_ALLOW_SEALING },
  { "MFD_HUGETLB", (int64_t)MFD_HUGETLB },
  { "AF_UNIX", (int64_t)AF_UNIX },
  { "AF_INET", (int64_t)AF_INET },
  { "SOCK_STREAM", (int64_t)SOCK_STREAM },
  { "SOCK_DGRAM", (int64_t)SOCK_DGRAM },
  { "SOCK_SEQPACKET", (int64_t)SOCK_SEQPACKET },
  { "SOCK_NONBLOCK", (int64_t)SOCK_NONBLOCK },
  { "SOCK_CLOEXEC", (int64_t)SOCK_CLOEXEC },
  { "SOL_SOCKET", (int64_t)SOL_SOCKET },
  { "SO_TYPE", (int64_t)SO_TYPE },
  { "SO_ERROR", (int64_t)SO_ERROR },
  { "SO_SNDBUF", (int64_t)SO_SNDBUF },
  { "SO_RCVBUF", (int64_t)SO_RCVBUF },
  { "SO_DOMAIN", (int64_t)SO_DOMAIN },
  { "SO_PROTOCOL", (int64_t)SO_PROTOCOL },
  { "SO_OOBINLINE", (int64_t)SO_OOBINLINE },
  { "SO_PEEK_OFF", (int64_t)SO_PEEK_OFF },
  { "SO_PASSCRED", (int64_t)SO_PASSCRED },
  { "SO_ACCEPTCONN", (int64_t)SO_ACCEPTCONN },
  { "SO_RCVLOWAT", (int64_t)SO_RCVLOWAT },
  { "MSG_PEEK", (int64_t)MSG_PEEK },
  { "MSG_DONTWAIT", (int64_t)MSG_DONTWAIT },
  { "MSG_TRUNC", (int64_t)MSG_TRUNC },
  { "MSG_WAITALL", (int64_t)MSG_WAITALL },
  { "MSG_NOSIGNAL", (int64_t)MSG_NOSIGNAL },
  { "MSG_OOB", (int64_t)MSG_OOB },
  { "MSG_CMSG_CLOEXEC", (int64_t)MSG_CMSG_CLOEXEC },
  { "MSG_EOR", (int64_t)MSG_EOR },
  { "MSG_MORE", (int64_t)MSG_MORE },
  { "MSG_WAITFORONE", (int64_t)MSG_WAITFORONE },
  { "SOCK_RAW", (int64_t)SOCK_RAW },
  { "SHUT_RD", (int64_t)SHUT_RD },
  { "SHUT_WR", (int64_t)SHUT_WR },
  { "SHUT_RDWR", (int64_t)SHUT_RDWR },
  { "UTIME_NOW", (int64_t)UTIME_NOW },
  { "UTIME_OMIT", (int64_t)UTIME_OMIT },
  { "RLIMIT_NOFILE", (int64_t)RLIMIT_NOFILE },
  { "S_IFIFO", (int64_t)S_IFIFO },
  { "S_IFREG", (int64_t)S_IFREG },
  { "S_IFCHR", (int64_t)S_IFCHR },
  { "S_IFDIR", (int64_t)S_IFDIR },
  { "S_IFSOCK", (int64_t)S_IFSOCK },
  { "S_IFBLK", (int64_t)S_IFBLK },
  { "STATX_BASIC", (int64_t)STATX_BASIC_STATS },
  { "TFD_IOC_SET_TICKS", 0x40085400 },
  { "RWF_NOWAIT", 8 },
  { "RWF_APPEND", 16 },
  { "IOV_MAX", 1024 },
  { "MAX", INT64_MAX },
};
/* clang-format on */

enum { SLOTS = 1024 };

static unsigned slot(const char *s, size_t n)
{
  unsigned h = 5381;

  for (size_t i = 0; i < n; i++)
    h = h * 33 ^ (unsigned char)s[i];
  return h % SLOTS;
}

/* The value of a name. There has to be one. */
int64_t constant(const char *s, size_t n)
{
  static unsigned short table[SLOTS]; /* 1 + index */
  static bool full;

  for (size_t i = 0; !full && i < sizeof names / sizeof *names; i++) {
    unsigned h = slot(names[i].name, strlen(names[i].name));
    while (table[h] != 0)
      h = (h + 1) % SLOTS;
    table[h] = (unsigned short)(i + 1);
  }
  full = true;
  for (unsigned h = slot(s, n); table[h] != 0; h = (h + 1) % SLOTS)
    if (strncmp(names[table[h] - 1].name, s, n) == 0 &&
        names[table[h] - 1].name[n] == '\0')
      return names[table[h] - 1].value;
  fprintf(stderr, "conformance: unknown name %.*s\n", (int)n, s);
  exit(2);
}
