/* fcntl.c - fcntl(2) on what a description only keeps: who is to be told of
 * what, hints, and where it came from */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>

#include "core/kernel.h"

/* uapi/linux/fcntl.h; not every libc has all of them. */
enum {
  DUPFD_QUERY = 1027,
  CREATED_QUERY = 1028,
  GET_RW_HINT = 1035,
  SET_RW_HINT = 1036,
  GETOWNER_UIDS = 17,
  LIFE_EXTREME = 5,             /* the last RWH_WRITE_LIFE_* */
  NOTIFY_MANY = (int)(1u << 31) /* DN_MULTISHOT */
};

struct owner { /* struct f_owner_ex */
  int type, pid;
};

/* ---- owner ------------------------------------------------------------ */

/* A group is known by the process that it is named after. */
static bool exists(struct fdemu_kernel *k, int pid)
{
  struct fdemu_proc *p = pid > 0 ? fdemu_next_proc(k, pid) : NULL;

  return p != NULL && fdemu_getpid(p) == pid;
}

static int64_t set_owner(struct fdemu_file *f, struct owner o)
{
  if (o.pid != 0 && !exists(f->inode->kernel, o.pid))
    return -ESRCH;
  f->owner = o.pid;
  f->owner_type = (uint8_t)o.type;
  f->owned |= o.pid != 0;
  return 0;
}

static int64_t setown(struct fdemu_file *f, int who)
{
  if (who == INT_MIN)
    return -EINVAL;
  return set_owner(f, who < 0 ? (struct owner){ F_OWNER_PGRP, -who }
                              : (struct owner){ F_OWNER_PID, who });
}

static int64_t setown_ex(struct fdemu_file *f, struct fdemu_req *r)
{
  struct owner o;
  int error = fdemu_arg_load(r, 0, &o, sizeof o);

  if (error < 0)
    return error;
  if (o.type < F_OWNER_TID || o.type > F_OWNER_PGRP)
    return -EINVAL;
  return set_owner(f, o);
}

static struct owner owner_of(const struct fdemu_file *f)
{
  int pid = exists(f->inode->kernel, f->owner) ? f->owner : 0;

  return (struct owner){ f->owner_type, pid };
}

/* As Linux has it, where the number of a small group looks like an errno. */
static int64_t getown(const struct fdemu_file *f)
{
  struct owner o = owner_of(f);

  return o.type == F_OWNER_PGRP ? -o.pid : o.pid;
}

static int64_t getown_ex(const struct fdemu_file *f, struct fdemu_req *r)
{
  struct owner o = owner_of(f);

  return fdemu_arg_store(r, 0, &o, sizeof o);
}

static int64_t getowner_uids(const struct fdemu_file *f, struct fdemu_req *r)
{
  uid_t uid = f->owned ? FDEMU_UID : 0;
  uid_t uids[2] = { uid, uid };

  return fdemu_arg_store(r, 0, uids, sizeof uids);
}

static int64_t setsig(struct fdemu_file *f, int64_t signo)
{
  if (signo < 0 || signo >= FDEMU_NSIG)
    return -EINVAL;
  f->signo = (uint8_t)signo;
  return 0;
}

/* ---- leases, notes, hints --------------------------------------------- */

/* Unlike Linux: there are no leases. Nobody gets one, as if the file were open
 * elsewhere. */
static int64_t setlease(const struct fdemu_file *f, int64_t type)
{
  if (type != F_RDLCK && type != F_WRLCK && type != F_UNLCK)
    return -EINVAL;
  if (f->inode->uid != FDEMU_UID)
    return -EACCES;
  return S_ISREG(f->inode->mode) ? -EAGAIN : -EINVAL;
}

/* Unlike Linux: nobody is told what happens in directories. */
static int64_t notify(const struct fdemu_file *f, int events)
{
  if ((events & ~NOTIFY_MANY) == 0)
    return 0;
  return S_ISDIR(f->inode->mode) ? -ENOSYS : -ENOTDIR;
}

static int64_t get_hint(const struct fdemu_file *f, struct fdemu_req *r)
{
  uint64_t hint = f->inode->hint;

  return fdemu_arg_store(r, 0, &hint, sizeof hint);
}

static int64_t set_hint(const struct fdemu_file *f, struct fdemu_req *r)
{
  uint64_t hint;
  int error;

  if (f->inode->uid != FDEMU_UID)
    return -EPERM;
  error = fdemu_arg_load(r, 0, &hint, sizeof hint);
  if (error < 0)
    return error;
  if (hint > LIFE_EXTREME)
    return -EINVAL;
  f->inode->hint = (uint8_t)hint;
  return 0;
}

/* ---- where it came from ----------------------------------------------- */

/* Is it what another descriptor is, too? */
static int64_t same(const struct fdemu_file *f, struct fdemu_req *r)
{
  const struct fdemu_file *other = fdemu_file_at(r->proc, (int)r->arg);

  return other == NULL ? -EBADF : other == f;
}

int64_t fde_fcntl_path(struct fdemu_file *f, struct fdemu_req *r)
{
  switch (r->cmd) {
  case DUPFD_QUERY: return same(f, r);
  case CREATED_QUERY: return f->created;
  default: return FDEMU_NEXT;
  }
}

int64_t fde_fcntl_kept(struct fdemu_file *f, struct fdemu_req *r)
{
  switch (r->cmd) {
  case F_SETOWN: return setown(f, (int)r->arg);
  case F_GETOWN: return getown(f);
  case F_SETOWN_EX: return setown_ex(f, r);
  case F_GETOWN_EX: return getown_ex(f, r);
  case GETOWNER_UIDS: return getowner_uids(f, r);
  case F_SETSIG: return setsig(f, r->arg);
  case F_GETSIG: return f->signo;
  case F_SETLEASE: return setlease(f, (int)r->arg);
  case F_GETLEASE: return F_UNLCK;
  case F_NOTIFY: return notify(f, (int)r->arg);
  case GET_RW_HINT: return get_hint(f, r);
  case SET_RW_HINT: return set_hint(f, r);
  default: return FDEMU_NEXT;
  }
}
