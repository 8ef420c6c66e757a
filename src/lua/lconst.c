/* lconst.c - constants, with Linux's values */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/fs.h>
#include <linux/i2c.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "lua/lfdemu.h"

#define C(name) \
  { \
#name, (lua_Integer)(name) \
  }

/* open() of a 64-bit program sets it, whatever libc's O_LARGEFILE is. */
#undef O_LARGEFILE
#define O_LARGEFILE 0100000

static const struct {
  const char *name;
  lua_Integer value;
} constants[] = {
  C(O_RDONLY),
  C(O_WRONLY),
  C(O_RDWR),
  C(O_ACCMODE),
  C(O_CREAT),
  C(O_EXCL),
  C(O_NOCTTY),
  C(O_TRUNC),
  C(O_APPEND),
  C(O_NONBLOCK),
  C(O_NDELAY),
  C(O_SYNC),
  C(O_DSYNC),
  C(O_ASYNC),
  C(O_DIRECT),
  C(O_LARGEFILE),
  C(O_DIRECTORY),
  C(O_NOFOLLOW),
  C(O_NOATIME),
  C(O_CLOEXEC),
  C(O_PATH),
  C(O_TMPFILE),
  C(F_DUPFD),
  C(F_DUPFD_CLOEXEC),
  C(F_GETFD),
  C(F_SETFD),
  C(F_GETFL),
  C(F_SETFL),
  C(F_GETLK),
  C(F_SETLK),
  C(F_SETLKW),
  C(F_OFD_GETLK),
  C(F_OFD_SETLK),
  C(F_OFD_SETLKW),
  C(F_GETPIPE_SZ),
  C(F_SETPIPE_SZ),
  C(F_ADD_SEALS),
  C(F_GET_SEALS),
  C(F_SEAL_SEAL),
  C(F_SEAL_SHRINK),
  C(F_SEAL_GROW),
  C(F_SEAL_WRITE),
  C(F_SEAL_FUTURE_WRITE),
  { "F_SEAL_EXEC", 0x20 },
  C(MFD_CLOEXEC),
  C(MFD_ALLOW_SEALING),
  { "MFD_NOEXEC_SEAL", 8 },
  { "MFD_EXEC", 16 },
  C(FALLOC_FL_KEEP_SIZE),
  C(FALLOC_FL_PUNCH_HOLE),
  C(FALLOC_FL_COLLAPSE_RANGE),
  C(FALLOC_FL_ZERO_RANGE),
  C(FALLOC_FL_INSERT_RANGE),
  C(FALLOC_FL_UNSHARE_RANGE),
  C(POSIX_FADV_NORMAL),
  C(POSIX_FADV_RANDOM),
  C(POSIX_FADV_SEQUENTIAL),
  C(POSIX_FADV_WILLNEED),
  C(POSIX_FADV_DONTNEED),
  C(POSIX_FADV_NOREUSE),
  C(SPLICE_F_MOVE),
  C(SPLICE_F_NONBLOCK),
  C(SPLICE_F_MORE),
  C(SPLICE_F_GIFT),
  C(F_RDLCK),
  C(F_WRLCK),
  C(F_UNLCK),
  C(FD_CLOEXEC),
  C(LOCK_SH),
  C(LOCK_EX),
  C(LOCK_UN),
  C(LOCK_NB),
  C(POLLIN),
  C(POLLPRI),
  C(POLLOUT),
  C(POLLERR),
  C(POLLHUP),
  C(POLLNVAL),
  C(POLLRDNORM),
  C(POLLRDBAND),
  C(POLLWRNORM),
  C(POLLWRBAND),
  C(POLLRDHUP),
  C(EPOLLIN),
  C(EPOLLPRI),
  C(EPOLLOUT),
  C(EPOLLERR),
  C(EPOLLHUP),
  C(EPOLLRDHUP),
  C(EPOLLRDNORM),
  C(EPOLLRDBAND),
  C(EPOLLWRNORM),
  C(EPOLLWRBAND),
  C(EPOLLMSG),
  C(EPOLLET),
  C(EPOLLONESHOT),
  C(EPOLLWAKEUP),
  C(EPOLLEXCLUSIVE),
  C(AF_UNSPEC),
  C(AF_UNIX),
  C(AF_INET),
  C(AF_INET6),
  C(SOCK_STREAM),
  C(SOCK_DGRAM),
  C(SOCK_RAW),
  C(SOCK_SEQPACKET),
  C(SOCK_NONBLOCK),
  C(SOCK_CLOEXEC),
  C(SHUT_RD),
  C(SHUT_WR),
  C(SHUT_RDWR),
  C(MSG_OOB),
  C(MSG_PEEK),
  C(MSG_DONTWAIT),
  C(MSG_TRUNC),
  C(MSG_CTRUNC),
  C(MSG_WAITALL),
  C(MSG_EOR),
  C(MSG_NOSIGNAL),
  C(MSG_MORE),
  C(MSG_CMSG_CLOEXEC),
  C(SOL_SOCKET),
  C(SCM_RIGHTS),
  C(SCM_CREDENTIALS),
  C(SO_DEBUG),
  C(SO_REUSEADDR),
  C(SO_TYPE),
  C(SO_ERROR),
  C(SO_DONTROUTE),
  C(SO_BROADCAST),
  C(SO_SNDBUF),
  C(SO_RCVBUF),
  C(SO_KEEPALIVE),
  C(SO_OOBINLINE),
  C(SO_PRIORITY),
  C(SO_LINGER),
  C(SO_REUSEPORT),
  C(SO_PASSCRED),
  C(SO_PEERCRED),
  C(SO_RCVLOWAT),
  C(SO_SNDLOWAT),
  C(SO_RCVTIMEO),
  C(SO_SNDTIMEO),
  C(SO_ACCEPTCONN),
  C(SO_PROTOCOL),
  C(SO_DOMAIN),
  C(SO_PEEK_OFF),
  C(SIGPIPE),
  C(SIGINT),
  C(SIGTERM),
  C(SIGALRM),
  C(SIGHUP),
  C(SIGUSR1),
  C(SIGUSR2),
  C(SIGCHLD),
  C(SIGIO),
  C(SIGKILL),
  C(EFD_SEMAPHORE),
  C(EFD_CLOEXEC),
  C(EFD_NONBLOCK),
  C(TFD_CLOEXEC),
  C(TFD_NONBLOCK),
  C(TFD_TIMER_ABSTIME),
  C(TFD_TIMER_CANCEL_ON_SET),
  C(CLOCK_REALTIME),
  C(CLOCK_MONOTONIC),
  C(CLOCK_BOOTTIME),
  C(CLOCK_REALTIME_ALARM),
  C(CLOCK_BOOTTIME_ALARM),
  { "CLOCK_EPOCH", FDEMU_EPOCH },
  C(EPOLL_CLOEXEC),
  C(EPOLL_CTL_ADD),
  C(EPOLL_CTL_MOD),
  C(EPOLL_CTL_DEL),
  C(SEEK_SET),
  C(SEEK_CUR),
  C(SEEK_END),
  C(SEEK_DATA),
  C(SEEK_HOLE),
  C(S_IFMT),
  C(S_IFREG),
  C(S_IFDIR),
  C(S_IFCHR),
  C(S_IFBLK),
  C(S_IFIFO),
  C(S_IFLNK),
  C(S_IFSOCK),
  C(S_ISUID),
  C(S_ISGID),
  C(S_ISVTX),
  C(S_IRWXU),
  C(S_IRUSR),
  C(S_IWUSR),
  C(S_IXUSR),
  C(S_IRWXG),
  C(S_IRGRP),
  C(S_IWGRP),
  C(S_IXGRP),
  C(S_IRWXO),
  C(S_IROTH),
  C(S_IWOTH),
  C(S_IXOTH),
  C(F_OK),
  C(R_OK),
  C(W_OK),
  C(X_OK),
  C(AT_FDCWD),
  C(AT_SYMLINK_NOFOLLOW),
  C(AT_SYMLINK_FOLLOW),
  C(AT_REMOVEDIR),
  C(AT_EACCESS),
  C(AT_EMPTY_PATH),
  C(RENAME_NOREPLACE),
  C(RENAME_EXCHANGE),
  C(DT_UNKNOWN),
  C(DT_FIFO),
  C(DT_CHR),
  C(DT_DIR),
  C(DT_BLK),
  C(DT_REG),
  C(DT_LNK),
  C(DT_SOCK),
  C(CLOSE_RANGE_UNSHARE),
  C(CLOSE_RANGE_CLOEXEC),
  C(I2C_M_RD),
  C(I2C_M_TEN),
  C(I2C_M_STOP),
  C(I2C_M_NOSTART),
  C(I2C_M_IGNORE_NAK),
  C(I2C_M_RECV_LEN),
  C(I2C_FUNC_I2C),
  C(I2C_FUNC_SMBUS_QUICK),
  C(I2C_FUNC_SMBUS_BYTE),
  C(I2C_FUNC_SMBUS_BYTE_DATA),
  C(I2C_FUNC_SMBUS_WORD_DATA),
  C(I2C_FUNC_SMBUS_BLOCK_DATA),
  C(I2C_FUNC_SMBUS_I2C_BLOCK),
  C(I2C_SMBUS_READ),
  C(I2C_SMBUS_WRITE),
  C(I2C_SMBUS_QUICK),
  C(I2C_SMBUS_BYTE),
  C(I2C_SMBUS_BYTE_DATA),
  C(I2C_SMBUS_WORD_DATA),
  C(I2C_SMBUS_BLOCK_DATA),
  C(I2C_SMBUS_I2C_BLOCK_DATA),
  C(I2C_SMBUS_BLOCK_MAX),
  C(STDIN_FILENO),
  C(STDOUT_FILENO),
  C(STDERR_FILENO),
  C(PIPE_BUF),
  C(IOV_MAX),
  { "RLIMIT_NOFILE", 7 },
};

void lconst_set(lua_State *L)
{
  unsigned long request;
  const char *known;

  for (size_t i = 0; (known = fdemu_known_request(i, &request)) != NULL; i++) {
    lua_pushinteger(L, (lua_Integer)request);
    lua_setfield(L, -2, known);
  }

  for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
    lua_pushinteger(L, constants[i].value);
    lua_setfield(L, -2, constants[i].name);
  }
  for (int e = 1; e <= EHWPOISON; e++) { /* the last of Linux */
    const char *name = fdemu_errname(e);
    if (name != NULL) {
      lua_pushinteger(L, e);
      lua_setfield(L, -2, name);
    }
  }
  lua_pushinteger(L, EWOULDBLOCK);
  lua_setfield(L, -2, "EWOULDBLOCK");
  lua_pushinteger(L, EOPNOTSUPP);
  lua_setfield(L, -2, "ENOTSUP");
  lua_pushinteger(L, EDEADLK);
  lua_setfield(L, -2, "EDEADLOCK");
}
