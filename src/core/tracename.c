/* tracename.c - names of flags, commands and other numbers */
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/trace.h"

#define N FDE_N

static const struct fde_name open_flags[] = {
  N(O_CREAT),
  N(O_EXCL),
  N(O_NOCTTY),
  N(O_TRUNC),
  N(O_APPEND),
  N(O_NONBLOCK),
  N(O_SYNC),
  { O_SYNC & ~O_DSYNC, "__O_SYNC" },
  N(O_DSYNC),
  N(O_DIRECT),
  { 0100000, "O_LARGEFILE" },
  N(O_NOFOLLOW),
  N(O_NOATIME),
  N(O_CLOEXEC),
  N(O_PATH),
  N(O_TMPFILE),
  { O_TMPFILE & ~O_DIRECTORY, "__O_TMPFILE" },
  N(O_DIRECTORY),
  N(FASYNC),
  { 0, NULL },
};

const struct fde_name fde_fd_flags[] = {
  N(FD_CLOEXEC),
  { 0, NULL },
};

static const struct fde_name close_range_flags[] = {
  N(CLOSE_RANGE_UNSHARE),
  N(CLOSE_RANGE_CLOEXEC),
  { 0, NULL },
};

static const struct fde_name advices[] = {
  N(POSIX_FADV_NORMAL),
  N(POSIX_FADV_RANDOM),
  N(POSIX_FADV_SEQUENTIAL),
  N(POSIX_FADV_WILLNEED),
  N(POSIX_FADV_DONTNEED),
  N(POSIX_FADV_NOREUSE),
  { 0, NULL },
};

static const struct fde_name memfd_flags[] = {
  N(MFD_CLOEXEC),     N(MFD_ALLOW_SEALING), { 8, "MFD_NOEXEC_SEAL" },
  { 16, "MFD_EXEC" }, { 0, NULL },
};

static const struct fde_name fallocate_flags[] = {
  N(FALLOC_FL_KEEP_SIZE),
  N(FALLOC_FL_PUNCH_HOLE),
  N(FALLOC_FL_COLLAPSE_RANGE),
  N(FALLOC_FL_ZERO_RANGE),
  N(FALLOC_FL_INSERT_RANGE),
  N(FALLOC_FL_UNSHARE_RANGE),
  { 0, NULL },
};

static const struct fde_name sync_range_flags[] = {
  N(SYNC_FILE_RANGE_WAIT_BEFORE),
  N(SYNC_FILE_RANGE_WRITE),
  N(SYNC_FILE_RANGE_WAIT_AFTER),
  { 0, NULL },
};

static const struct fde_name flock_operations[] = {
  N(LOCK_SH), N(LOCK_EX), N(LOCK_UN), N(LOCK_NB), { 0, NULL },
};

static const struct fde_name at_flags[] = {
  N(AT_SYMLINK_NOFOLLOW), { AT_EACCESS, "AT_EACCESS" },
  N(AT_SYMLINK_FOLLOW),   N(AT_NO_AUTOMOUNT),
  N(AT_EMPTY_PATH),       { 0, NULL },
};

/* AT_EACCESS has the same value. */
static const struct fde_name unlink_flags[] = {
  N(AT_REMOVEDIR),
  { 0, NULL },
};

static const struct fde_name rename_flags[] = {
  N(RENAME_NOREPLACE),
  N(RENAME_EXCHANGE),
  N(RENAME_WHITEOUT),
  { 0, NULL },
};

static const struct fde_name access_modes[] = {
  N(R_OK),
  N(W_OK),
  N(X_OK),
  { 0, NULL },
};

/* In strace's order. */
const struct fde_name fde_whences[] = {
  N(SEEK_SET),  N(SEEK_CUR),  N(SEEK_END),
  N(SEEK_DATA), N(SEEK_HOLE), { 0, NULL },
};

static const struct fde_name splice_flags[] = {
  N(SPLICE_F_MOVE), N(SPLICE_F_NONBLOCK), N(SPLICE_F_MORE),
  N(SPLICE_F_GIFT), { 0, NULL },
};

const char *fde_lookup(const struct fde_name *names, unsigned long value)
{
  for (; names->name != NULL; names++)
    if (names->value == value)
      return names->name;
  return NULL;
}

/* How many bytes the first names have in common: "CLOCK_". */
static size_t prefix(const struct fde_name *names)
{
  const char *a = names[0].name, *b = names[1].name;
  size_t n = 0;

  if (b == NULL)
    return (size_t)(strrchr(a, '_') + 1 - a);
  while (a[n] != '\0' && a[n] == b[n])
    n++;
  return n;
}

/* A number without a name: 0x4d, and CLOCK_??? as a comment. */
static void put_unknown(struct fde_out *o, const struct fde_name *names,
                        unsigned long value)
{
  fde_print_hex(o, value);
  fde_print(o, " /* ");
  fde_print_mem(o, names->name, prefix(names));
  fde_print(o, "??? */");
}

void fde_print_name(struct fde_out *o, const struct fde_name *names,
                    unsigned long value)
{
  const char *name = fde_lookup(names, value);

  if (name != NULL)
    fde_print(o, name);
  else
    put_unknown(o, names, value);
}

/* A|B|0x80: a flag with several bits counts when all of them are there. */
void fde_print_flags(struct fde_out *o, const struct fde_name *names,
                     unsigned long value, const char *none)
{
  const struct fde_name *n;
  bool any = false;

  for (n = names; n->name != NULL; n++) {
    if ((value & n->value) != n->value)
      continue;
    fde_print(o, any ? "|" : "");
    fde_print(o, n->name);
    value &= ~n->value;
    any = true;
  }
  if (value != 0 && !any)
    put_unknown(o, names, value);
  else if (value != 0) {
    fde_print(o, "|");
    fde_print_hex(o, value);
  } else if (!any)
    fde_print(o, none);
}

void fde_print_open_flags(struct fde_out *o, unsigned long flags)
{
  static const char *const modes[] = { "O_RDONLY", "O_WRONLY", "O_RDWR",
                                       "O_ACCMODE" };

  fde_print(o, modes[flags & O_ACCMODE]);
  flags &= ~(unsigned long)O_ACCMODE;
  for (const struct fde_name *n = open_flags; n->name != NULL; n++)
    if (flags != 0 && (flags & n->value) == n->value) {
      fde_print(o, "|");
      fde_print(o, n->name);
      flags &= ~n->value;
    }
  if (flags != 0) {
    fde_print(o, "|");
    fde_print_hex(o, flags);
  }
}

static void put_open(struct fde_out *o, const struct fdemu_req *r)
{
  fde_print_open_flags(o, r->cmd & ~0100000ul); /* glibc adds it */
}

static void put_access(struct fde_out *o, const struct fdemu_req *r)
{
  fde_print_flags(o, access_modes, (unsigned long)r->arg, "F_OK");
}

/* ---- words ------------------------------------------------------------ */

const struct fde_word fde_name_words[] = {
  { "open_flags", .put = put_open },
  { "access", .put = put_access },
  { "fd_flags", .names = open_flags, .none = "0" },
  { "close_range_flags", .names = close_range_flags, .none = "0" },
  { "whence", .names = fde_whences },
  { "flock", .names = flock_operations, .none = "0" },
  { "at_flags", .names = at_flags, .none = "0" },
  { "unlink_flags", .names = unlink_flags, .none = "0" },
  { "rename_flags", .names = rename_flags, .none = "0" },
  { "memfd_flags", .names = memfd_flags, .none = "0" },
  { "fallocate_mode", .names = fallocate_flags, .none = "0" },
  { "sync_range_flags", .names = sync_range_flags, .none = "0" },
  { "advice", .names = advices },
  { "splice_flags", .names = splice_flags, .none = "0" },
  { .word = NULL },
};
