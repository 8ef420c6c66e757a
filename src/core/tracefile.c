/* tracefile.c - how a trace shows paths, modes, fcntl(2), ioctl(2), stat(2) */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "core/trace.h"

#define N FDE_N

static const struct fde_name fcntl_commands[] = {
  N(F_DUPFD),
  N(F_GETFD),
  N(F_SETFD),
  N(F_GETFL),
  N(F_SETFL),
  N(F_GETLK),
  N(F_SETLK),
  N(F_SETLKW),
  N(F_SETOWN),
  N(F_GETOWN),
  N(F_OFD_GETLK),
  N(F_OFD_SETLK),
  N(F_OFD_SETLKW),
  N(F_DUPFD_CLOEXEC),
  N(F_SETPIPE_SZ),
  N(F_GETPIPE_SZ),
  N(F_SETSIG),
  N(F_GETSIG),
  N(F_SETOWN_EX),
  N(F_GETOWN_EX),
  N(F_SETLEASE),
  N(F_GETLEASE),
  N(F_NOTIFY),
  N(F_ADD_SEALS),
  N(F_GET_SEALS),
  { 17, "F_GETOWNER_UIDS" },
  { 1027, "F_DUPFD_QUERY" },
  { 1028, "F_CREATED_QUERY" },
  { 1035, "F_GET_RW_HINT" },
  { 1036, "F_SET_RW_HINT" },
  { 0, NULL },
};

static const struct fde_name lock_types[] = {
  N(F_RDLCK),
  N(F_WRLCK),
  N(F_UNLCK),
  { 0, NULL },
};

/* F_GETLK's is shown as it was answered. */
static void put_flock(struct fde_out *o, const struct fdemu_req *r, bool asks)
{
  struct flock fl;

  if (r->buf.iov_base == NULL ||
      fde_trace_load(r, &fl, r->buf.iov_base, sizeof fl) < 0) {
    fde_print(o, r->buf.iov_base == NULL ? "NULL" : "?");
    return;
  }
  fde_print(o, "{l_type=");
  fde_print_name(o, lock_types, (unsigned short)fl.l_type);
  fde_print(o, ", l_whence=");
  fde_print_name(o, fde_whences, (unsigned short)fl.l_whence);
  fde_print(o, ", l_start=");
  fde_print_int(o, fl.l_start);
  fde_print(o, ", l_len=");
  fde_print_int(o, fl.l_len);
  if (asks) {
    fde_print(o, ", l_pid=");
    fde_print_int(o, fl.l_pid);
  }
  fde_print(o, "}");
}

static void put_fcntl(struct fde_out *o, const struct fdemu_req *r)
{
  fde_print_name(o, fcntl_commands, r->cmd);
  switch (r->cmd) {
  case F_GETFD:
  case F_GETFL:
  case F_GETPIPE_SZ:
  case F_GETSIG:
  case F_GETLEASE:
  case F_GET_SEALS:
  case F_GETOWN: return;
  default: fde_print(o, ", ");
  }
  switch (r->cmd) {
  case F_SETFL: fde_print_open_flags(o, (unsigned long)r->arg); break;
  case F_SETFD: fde_print_flags(o, fde_fd_flags, (unsigned)r->arg, "0"); break;
  case F_GETLK:
  case F_OFD_GETLK: put_flock(o, r, r->result >= 0); break;
  case F_SETLK:
  case F_SETLKW:
  case F_OFD_SETLK:
  case F_OFD_SETLKW: put_flock(o, r, false); break;
  default:
    if (fde_lookup(fcntl_commands, r->cmd) != NULL)
      fde_print_int(o, r->arg);
    else
      fde_print_hex(o, (uint64_t)r->arg);
  }
}

static void put_request(struct fde_out *o, const struct fdemu_req *r)
{
  static const char *const dirs[] = { "_IOC_NONE", "_IOC_WRITE", "_IOC_READ",
                                      "_IOC_READ|_IOC_WRITE" };
  unsigned long cmd = r->cmd;
  int arg;
  const char *name = fde_request_name(r->proc->kernel, cmd, &arg);

  if (name != NULL) {
    fde_print(o, name);
    if (arg >= 0) {
      fde_print(o, "(");
      fde_print_int(o, arg);
      fde_print(o, ")");
    }
    return;
  }
  fde_print(o, "_IOC(");
  fde_print(o, dirs[_IOC_DIR(cmd)]);
  fde_print(o, ", ");
  fde_print_hex(o, _IOC_TYPE(cmd));
  fde_print(o, ", ");
  fde_print_hex(o, _IOC_NR(cmd));
  fde_print(o, ", ");
  fde_print_hex(o, _IOC_SIZE(cmd));
  fde_print(o, ")");
}

static const struct fde_name inode_flags[] = {
  N(FS_SYNC_FL),   N(FS_IMMUTABLE_FL), N(FS_APPEND_FL),
  N(FS_NODUMP_FL), N(FS_NOATIME_FL),   { 0, NULL }
};

/* Requests whose argument is the address of an int. */
static bool takes_int(const struct fdemu_req *r)
{
  switch (r->cmd) {
  case FIONREAD:
  case TIOCOUTQ:
  case SIOCATMARK:
  case FIOGETOWN:
  case SIOCGPGRP:
  case FIGETBSZ:
  case FS_IOC_GETFLAGS: return r->result >= 0;
  case FIONBIO:
  case FIOASYNC:
  case FIOSETOWN:
  case SIOCSPGRP:
  case FS_IOC_SETFLAGS: return true;
  default: return false;
  }
}

static bool put_int(struct fde_out *o, const struct fdemu_req *r)
{
  int n;

  if (fde_trace_load(r, &n, r->buf.iov_base, sizeof n) < 0)
    return false;
  fde_print(o, "[");
  if (r->cmd == FS_IOC_GETFLAGS || r->cmd == FS_IOC_SETFLAGS)
    fde_print_flags(o, inode_flags, (unsigned)n, "0");
  else
    fde_print_int(o, n);
  fde_print(o, "]");
  return true;
}

/* What may be an address is not shown. */
static void put_pointer(struct fde_out *o, const struct fdemu_req *r)
{
  int arg;

  if ((uint64_t)r->arg >= FDEMU_PAGE)
    fde_print(o, "?");
  else if (r->arg != 0)
    fde_print_hex(o, (uint64_t)r->arg);
  else
    fde_print(o, fde_request_name(r->proc->kernel, r->cmd, &arg) != NULL
                     ? "NULL"
                     : "0");
}

/* The argument of a call in C: nobody knows how large it is. */
static void put_raw_arg(struct fde_out *o, const struct fdemu_req *r)
{
  if (r->cmd == FIOCLEX || r->cmd == FIONCLEX)
    return;
  fde_print(o, ", ");
  if (r->buf.iov_base == NULL || !takes_int(r) || !put_int(o, r))
    put_pointer(o, r);
}

/* An int that was asked for is shown as strace does, an address never. */
static void put_ioctl(struct fde_out *o, const struct fdemu_req *r)
{
  put_request(o, r);
  if (r->buf.iov_len == SIZE_MAX)
    put_raw_arg(o, r);
  if (r->buf.iov_len == SIZE_MAX || r->buf.iov_base == NULL)
    return;
  fde_print(o, ", ");
  if (takes_int(r) || (r->iovcnt < 0 && r->done > 0 && r->result >= 0))
    put_int(o, r);
  else if (r->iovcnt >= 0)
    fde_print_bytes(o, r, r->buf.iov_base, r->buf.iov_len);
  else if (r->arg == 0) /* the argument is the number itself */
    fde_print(o, "0");
  else
    fde_print_hex(o, (uint64_t)r->arg);
}

/* 0644, or 000 */
static void put_octal(struct fde_out *o, mode_t mode)
{
  fde_print(o, mode < 010 ? "00" : "0");
  fde_print_uint(o, mode, 8);
}

/* S_ISUID|0755 */
static void put_mode(struct fde_out *o, mode_t mode)
{
  static const struct fde_name bits[] = {
    N(S_ISUID), N(S_ISGID), N(S_ISVTX), { 0, NULL }
  };

  if (mode & 07000) {
    fde_print_flags(o, bits, mode & 07000, "");
    fde_print(o, "|");
  }
  put_octal(o, mode & 0777);
}

static const struct fde_name file_types[] = {
  N(S_IFIFO), N(S_IFCHR), N(S_IFDIR),  N(S_IFBLK),
  N(S_IFREG), N(S_IFLNK), N(S_IFSOCK), { 0, NULL },
};

static void put_typed_mode(struct fde_out *o, mode_t mode)
{
  const char *type = fde_lookup(file_types, mode & S_IFMT);

  if (type == NULL) {
    put_octal(o, mode);
    return;
  }
  fde_print(o, type);
  fde_print(o, "|");
  put_mode(o, mode & ~(mode_t)S_IFMT);
}

static void put_device(struct fde_out *o, dev_t dev)
{
  fde_print(o, "makedev(");
  fde_print_hex(o, major(dev));
  fde_print(o, ", ");
  fde_print_hex(o, minor(dev));
  fde_print(o, ")");
}

static void put_mknod(struct fde_out *o, const struct fdemu_req *r)
{
  mode_t mode = (mode_t)r->arg;

  put_typed_mode(o, mode);
  if (!S_ISCHR(mode) && !S_ISBLK(mode))
    return;
  fde_print(o, ", ");
  put_device(o, (dev_t)r->offset);
}

static void put_path(struct fde_out *o, const char *path)
{
  if (path == NULL)
    fde_print(o, "NULL");
  else
    fde_print_string(o, (const unsigned char *)path, strlen(path), false);
}

static void put_dirfd(struct fde_out *o, int64_t fd)
{
  if (fd == AT_FDCWD)
    fde_print(o, "AT_FDCWD");
  else
    fde_print_int(o, fd);
}

static void put_times(struct fde_out *o, const struct fdemu_req *r)
{
  struct timespec ts[2];

  if (r->buf.iov_base == NULL) {
    fde_print(o, "NULL");
    return;
  }
  if (fde_trace_load(r, ts, r->buf.iov_base, sizeof ts) < 0) {
    fde_print(o, "?");
    return;
  }
  fde_print(o, "[");
  for (int i = 0; i < 2; i++) {
    fde_print(o, i > 0 ? ", " : "");
    if (ts[i].tv_nsec == UTIME_NOW)
      fde_print(o, "UTIME_NOW");
    else if (ts[i].tv_nsec == UTIME_OMIT)
      fde_print(o, "UTIME_OMIT");
    else
      fde_print_timespec(o, &ts[i]);
  }
  fde_print(o, "]");
}

/* The number of struct linux_dirent64s in the buffer. */
static void put_names(struct fde_out *o, const struct fdemu_req *r)
{
  const size_t at = offsetof(struct dirent, d_reclen);
  const char *buf = r->buf.iov_base;
  uint64_t n = 0;
  uint16_t size;

  for (int64_t i = 0; i < r->result; i += size, n++)
    if (fde_trace_load(r, &size, buf + (size_t)i + at, sizeof size) < 0 ||
        size == 0)
      break;
  fde_print(o, "? /* ");
  fde_print_uint(o, n, 10);
  fde_print(o, " entries */");
}

static void put_stat(struct fde_out *o, const struct fdemu_req *r)
{
  struct stat st;

  if (r->result < 0 || fde_trace_load(r, &st, r->buf.iov_base, sizeof st) < 0) {
    fde_print(o, "?");
    return;
  }
  fde_print(o, "{st_mode=");
  put_typed_mode(o, st.st_mode);
  if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
    fde_print(o, ", st_rdev=");
    put_device(o, st.st_rdev);
  } else {
    fde_print(o, ", st_size=");
    fde_print_int(o, st.st_size);
  }
  fde_print(o, ", ...}");
}

static void put_path1(struct fde_out *o, const struct fdemu_req *r)
{
  put_path(o, r->path);
}

static void put_path2(struct fde_out *o, const struct fdemu_req *r)
{
  put_path(o, r->path2);
}

static void put_dirfd1(struct fde_out *o, const struct fdemu_req *r)
{
  put_dirfd(o, r->fd);
}

static void put_dirfd2(struct fde_out *o, const struct fdemu_req *r)
{
  put_dirfd(o, r->arg);
}

static void put_arg_mode(struct fde_out *o, const struct fdemu_req *r)
{
  put_octal(o, (mode_t)r->arg & 0xffff); /* a umode_t */
}

/* ---- words ------------------------------------------------------------ */

const struct fde_word fde_file_words[] = {
  { "path", .put = put_path1 },
  { "path2", .put = put_path2 },
  { "dirfd", .put = put_dirfd1 },
  { "dirfd2", .put = put_dirfd2 },
  { "mode", .put = put_arg_mode },
  { "open_mode", .put = put_arg_mode },
  { "node", .put = put_mknod },
  { "times", .put = put_times },
  { "names", .put = put_names },
  { "fcntl", .put = put_fcntl },
  { "ioctl", .put = put_ioctl },
  { "stat", .put = put_stat },
  { .word = NULL },
};
