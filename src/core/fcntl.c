/* fcntl.c - fcntl(2) on what a description only keeps: hints, and where it came
 * from */
#include <errno.h>
#include <fcntl.h>

#include "core/kernel.h"

/* uapi/linux/fcntl.h; not every libc has all of them. */
enum {
  DUPFD_QUERY = 1027,
  CREATED_QUERY = 1028,
  GET_RW_HINT = 1035,
  SET_RW_HINT = 1036,
  LIFE_EXTREME = 5 /* the last RWH_WRITE_LIFE_* */
};

/* ---- hints --------------------------------------------- */

static int64_t get_hint(const struct fdemu_file *f, struct fdemu_req *r)
{
  uint64_t hint = f->inode->attr->hint;

  return fdemu_arg_store(r, 0, &hint, sizeof hint);
}

static int64_t set_hint(const struct fdemu_file *f, struct fdemu_req *r)
{
  uint64_t hint;
  int error;

  if (f->inode->attr->uid != FDEMU_UID)
    return -EPERM;
  error = fdemu_arg_load(r, 0, &hint, sizeof hint);
  if (error < 0)
    return error;
  if (hint > LIFE_EXTREME)
    return -EINVAL;
  f->inode->attr->hint = (uint8_t)hint;
  return 0;
}

/* ---- where it came from ----------------------------------------------- */

/* Is it what another descriptor is, too? */
static int64_t same(const struct fdemu_file *f, struct fdemu_req *r)
{
  const struct fdemu_file *other = fde_file_at(r->proc, (int)r->arg);

  return other == NULL ? -EBADF : other == f;
}

int64_t fde_fcntl_path(struct fdemu_file *f, struct fdemu_req *r)
{
  switch (r->cmd) {
  case DUPFD_QUERY: return same(f, r);
  case CREATED_QUERY: return (f->mode & FDEMU_MODE_CREATED) != 0;
  default: return FDEMU_NEXT;
  }
}

int64_t fde_fcntl_kept(struct fdemu_file *f, struct fdemu_req *r)
{
  switch (r->cmd) {
  case F_SETLEASE: return fde_setlease(f, r);
  case F_GETLEASE: return fde_getlease(f);
  case F_NOTIFY: return fde_notify(f, r);
  case GET_RW_HINT: return get_hint(f, r);
  case SET_RW_HINT: return set_hint(f, r);
  default: return fde_fcntl_owner(f, r);
  }
}
