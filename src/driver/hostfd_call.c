/*
 * hostfd_call.c - calls on descriptors of the host that move no bytes: fcntl(2),
 * ioctl(2), and what the core would answer by itself
 */
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "driver/hostfd.h"

/* uapi/linux/fcntl.h; not every libc has all of them. */
#define GET_RW_HINT 1035
#define SET_RW_HINT 1036

static int64_t result_of(int64_t n)
{
  return n < 0 ? -errno : n;
}

/* ---- fcntl ------------------------------------------------------------ */

/* Its own flags stay, on both sides; the rest is for the host to judge, and for
 * the core to keep. */
static int64_t set_flags(struct fdemu_file *f, struct fdemu_req *r)
{
  const int own = O_NONBLOCK | O_ASYNC, fd = fdh_of(f)->fd;
  int flags = fcntl(fd, F_GETFL);

  if (fcntl(fd, F_SETFL, ((int)r->arg & ~own) | (flags & own)) < 0)
    return -errno;
  f->flags = fdh_flags(f);
  return FDEMU_NEXT;
}

static int64_t get_hint(int fd, struct fdemu_req *r)
{
  uint64_t hint;

  if (fcntl(fd, GET_RW_HINT, &hint) < 0)
    return -errno;
  return fdemu_arg_store(r, 0, &hint, sizeof hint);
}

/* Whether it may comes before whether the hint is there. */
static int64_t set_hint(int fd, struct fdemu_req *r)
{
  uint64_t hint, *at = &hint;

  if (fdemu_arg_load(r, 0, &hint, sizeof hint) < 0)
    at = NULL;
  return result_of(fcntl(fd, SET_RW_HINT, at));
}

/* Record locks are the core's, and may be counted from positions that are not. */
static int64_t show_position(struct fdemu_file *f)
{
  struct fdh_host *h = fdh_of(f);
  off_t pos = lseek(h->fd, 0, SEEK_CUR);
  struct stat st;

  f->pos = pos > 0 ? pos : 0;
  if (fstat(h->fd, &st) == 0)
    h->attr.size = st.st_size;
  return FDEMU_NEXT;
}

static int64_t first_fcntl(struct fdemu_file *f, struct fdemu_req *r)
{
  int fd = fdh_of(f)->fd;

  switch (r->cmd) {
  case F_GETFL: return fdh_flags(f);
  case F_SETFL: return f->flags & O_PATH ? -EBADF : set_flags(f, r);
  case GET_RW_HINT: return get_hint(fd, r);
  case SET_RW_HINT: return set_hint(fd, r);
  case F_GETLK:
  case F_SETLK:
  case F_SETLKW:
  case F_OFD_GETLK:
  case F_OFD_SETLK:
  case F_OFD_SETLKW: return show_position(f);
  default: return FDEMU_NEXT;
  }
}

/* Commands that take an int. */
int64_t fdh_fcntl(struct fdemu_file *f, struct fdemu_req *r)
{
  switch (r->cmd) {
  case F_GETPIPE_SZ:
  case F_SETPIPE_SZ:
  case F_ADD_SEALS:
  case F_GET_SEALS:
    return result_of(fcntl(fdh_of(f)->fd, (int)r->cmd, (int)r->arg));
  default: return -EINVAL;
  }
}

/* ---- ioctl ------------------------------------------------------------ */

/* Numbers that do not say how much memory they are about, or say it wrong. */
static const struct {
  unsigned request, size;
  unsigned dir; /* _IOC_READ: the caller gets it */
} old[] = {
#define OUT _IOC_READ
#define IN  _IOC_WRITE
  { TCGETS, sizeof(struct termios), OUT },
  { TCSETS, sizeof(struct termios), IN },
  { TCSETSW, sizeof(struct termios), IN },
  { TCSETSF, sizeof(struct termios), IN },
  { TIOCGPGRP, sizeof(int), OUT },
  { TIOCSPGRP, sizeof(int), IN },
  { TIOCGSID, sizeof(int), OUT },
  { TIOCOUTQ, sizeof(int), OUT },
  { FIONREAD, sizeof(int), OUT },
  { TIOCGWINSZ, sizeof(struct winsize), OUT },
  { TIOCSWINSZ, sizeof(struct winsize), IN },
  { TIOCMGET, sizeof(int), OUT },
  { TIOCMBIS, sizeof(int), IN },
  { TIOCMBIC, sizeof(int), IN },
  { TIOCMSET, sizeof(int), IN },
  { TIOCPKT, sizeof(int), IN },
  { TIOCGETD, sizeof(int), OUT },
  { SIOCATMARK, sizeof(int), OUT },
  { FIOQSIZE, sizeof(int64_t), OUT },
  { FIGETBSZ, sizeof(int), OUT },
  { FS_IOC_GETFLAGS, sizeof(int), OUT },
  { FS_IOC_SETFLAGS, sizeof(int), IN },
#undef OUT
#undef IN
};

/* These have a number for an argument. */
static bool takes_number(unsigned long request)
{
  return request == TCSBRK || request == TCXONC || request == TCFLSH ||
         request == TCSBRKP || request == TIOCEXCL || request == TIOCNXCL;
}

/* How much memory a request is about, and which way; false: nobody knows. */
static bool shape(unsigned long request, unsigned *size, unsigned *dir)
{
  for (size_t i = 0; i < sizeof old / sizeof *old; i++)
    if (old[i].request == request) {
      *size = old[i].size;
      *dir = old[i].dir;
      return true;
    }
  *size = (unsigned)_IOC_SIZE(request);
  *dir = (unsigned)_IOC_DIR(request);
  return *size > 0 && *dir != 0;
}

/* An address that is none stays one: it depends on the request when that
 * matters. What the host does not fill in stays what it is. */
static int64_t with_block(int fd, struct fdemu_req *r, unsigned size,
                          unsigned dir)
{
  char block[1 << _IOC_SIZEBITS];
  void *at = block;
  int64_t n;
  int error;

  memset(block, 0, size);
  if (fdemu_arg_load(r, 0, block, size) < 0 && dir & _IOC_WRITE)
    at = NULL;
  n = ioctl(fd, r->cmd, at);
  if (n < 0)
    return -errno;
  error = dir & _IOC_READ ? fdemu_arg_store(r, 0, block, size) : 0;
  return error < 0 ? error : n;
}

/* The owner is this description's own. */
static int64_t owner(struct fdemu_file *f, struct fdemu_req *r)
{
  int who;

  if (r->cmd == FIOGETOWN || r->cmd == SIOCGPGRP) {
    who = fdemu_getown(f);
    return fdemu_arg_store(r, 0, &who, sizeof who);
  }
  if (fdemu_arg_load(r, 0, &who, sizeof who) < 0)
    return -EFAULT;
  return fdemu_setown(f, who);
}

static bool is_owner(unsigned long request)
{
  return request == FIOSETOWN || request == SIOCSPGRP || request == FIOGETOWN ||
         request == SIOCGPGRP;
}

int64_t fdh_ioctl(struct fdemu_file *f, struct fdemu_req *r)
{
  const struct fdh_host *h = fdh_of(f);
  unsigned size, dir;

  if (h->socket != 0 && is_owner(r->cmd))
    return owner(f, r);
  if (takes_number(r->cmd))
    return result_of(ioctl(h->fd, r->cmd, (unsigned long)r->arg));
  return shape(r->cmd, &size, &dir) ? with_block(h->fd, r, size, dir) : -ENOTTY;
}

static int64_t first_ioctl(struct fdemu_file *f, struct fdemu_req *r)
{
  return r->cmd == FIOQSIZE || r->cmd == FIGETBSZ ? fdh_ioctl(f, r)
                                                  : FDEMU_NEXT;
}

/* ---- the rest --------------------------------------------------------- */

static int64_t host_statfs(int fd, struct fdemu_req *r)
{
  struct statfs s;

  if (fstatfs(fd, &s) < 0)
    return -errno;
  return fdemu_arg_store(r, 0, &s, sizeof s);
}

static int64_t on_range(int fd, const struct fdemu_req *r)
{
  if (r->call == &fdemu_calls[FDEMU_FADVISE])
    return -posix_fadvise(fd, r->offset, r->arg, (int)r->cmd);
  if (r->call == &fdemu_calls[FDEMU_READAHEAD])
    return result_of(readahead(fd, r->offset, (size_t)r->arg));
  return result_of(sync_file_range(fd, r->offset, r->arg, (unsigned)r->cmd));
}

int64_t fdh_first(struct fdemu_file *f, struct fdemu_req *r)
{
  const struct fdemu_call *c = r->call;
  int fd = fdh_of(f)->fd;

  if (c == &fdemu_calls[FDEMU_FCNTL])
    return first_fcntl(f, r);
  if (c == &fdemu_calls[FDEMU_IOCTL])
    return first_ioctl(f, r);
  if (c == &fdemu_fstatfs_call)
    return host_statfs(fd, r);
  if (c == &fdemu_calls[FDEMU_FADVISE] || c == &fdemu_calls[FDEMU_READAHEAD] ||
      c == &fdemu_calls[FDEMU_SYNC_RANGE])
    return on_range(fd, r);
  if (c == &fdemu_sendfile_call || c == &fdemu_splice_call ||
      c == &fdemu_tee_call || c == &fdemu_copy_file_range_call)
    return fdh_move(f, r);
  if (c == &fdemu_vmsplice_call)
    return fdh_vmsplice(f, r);
  if (c == &fdemu_calls[FDEMU_SYNCFS])
    return result_of(syncfs(fd));
  return FDEMU_NEXT;
}
