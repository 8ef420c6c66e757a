/* root_test.c - what the kernel's own process, root, makes, and what others may
 * do with it */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fdemu_driver.h"
#include "test.h"

static struct fdemu_kernel *k;
static struct fdemu_proc *p, *root;

static void setup(void)
{
  k = test_kernel();
  p = fdemu_proc_new(k);
  root = fdemu_kernel_self(k);
  CHECK_EQ(fdemu_std_devices(k), 0);
}

static void teardown(void)
{
  CHECK(fdemu_check(k) == NULL);
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

static mode_t mode_of(const char *path)
{
  struct stat st = { 0 };

  CHECK_EQ(fdemu_fstatat(p, AT_FDCWD, path, &st, 0), 0);
  return st.st_mode & 07777;
}

static void make(struct fdemu_proc *who, const char *path, mode_t mode)
{
  int fd = fdemu_openat(who, AT_FDCWD, path, O_CREAT | O_RDWR, 0600);

  CHECK(fd >= 0);
  CHECK_EQ(fdemu_fchmodat(who, AT_FDCWD, path, mode, 0), 0);
  CHECK_EQ(fdemu_close(who, fd), 0);
}

/* chmod(2): S_ISGID is not for who is not in the file's group. */
static void the_group_of_others_is_not_set(void)
{
  setup();
  make(p, "/f", 02755);
  CHECK_EQ(mode_of("/f"), 02755);
  CHECK_EQ(fdemu_fchownat(root, AT_FDCWD, "/f", (uid_t)-1, 5, 0), 0);
  CHECK_EQ(mode_of("/f"), 0755); /* chown(2) has taken it away */
  CHECK_EQ(fdemu_fchmodat(p, AT_FDCWD, "/f", 02755, 0), 0);
  CHECK_EQ(mode_of("/f"), 0755);
  CHECK_EQ(fdemu_fchmodat(root, AT_FDCWD, "/f", 02755, 0), 0);
  CHECK_EQ(mode_of("/f"), 02755);
  teardown();
}

/* And it is lost where somebody else writes to the file. */
static void ids_are_dropped_by_a_write(void)
{
  int fd;

  setup();
  make(root, "/f", 06777);
  fd = fdemu_openat(root, AT_FDCWD, "/f", O_WRONLY, 0);
  CHECK_EQ(fdemu_write(root, fd, "x", 1), 1);
  CHECK_EQ(mode_of("/f"), 06777);
  CHECK_EQ(fdemu_close(root, fd), 0);
  fd = fdemu_openat(p, AT_FDCWD, "/f", O_WRONLY, 0);
  CHECK_EQ(fdemu_write(p, fd, "x", 1), 1);
  CHECK_EQ(mode_of("/f"), 0777);
  teardown();
}

/* protected_hardlinks of proc_sys_fs(5). */
static void links_to_files_of_others_need_both_permissions(void)
{
  setup();
  make(root, "/f", 0644);
  CHECK_EQ(fdemu_linkat(p, AT_FDCWD, "/f", AT_FDCWD, "/l", 0), -EPERM);
  CHECK_EQ(fdemu_fchmodat(root, AT_FDCWD, "/f", 0666, 0), 0);
  CHECK_EQ(fdemu_linkat(p, AT_FDCWD, "/f", AT_FDCWD, "/l", 0), 0);
  CHECK_EQ(fdemu_fchmodat(root, AT_FDCWD, "/f", 04666, 0), 0);
  CHECK_EQ(fdemu_linkat(p, AT_FDCWD, "/f", AT_FDCWD, "/m", 0), -EPERM);
  CHECK_EQ(fdemu_fchmodat(root, AT_FDCWD, "/f", 02676, 0), 0);
  CHECK_EQ(fdemu_linkat(p, AT_FDCWD, "/f", AT_FDCWD, "/m", 0), -EPERM);
  CHECK_EQ(fdemu_linkat(root, AT_FDCWD, "/f", AT_FDCWD, "/m", 0), 0);
  teardown();
}

/* Who is in the file's group, and does not own it. */
static void the_group_may_what_its_bits_say(void)
{
  struct stat st;

  setup();
  make(p, "/mine", 0600);
  CHECK_EQ(fdemu_fstatat(p, AT_FDCWD, "/mine", &st, 0), 0);
  make(root, "/f", 0647);
  CHECK_EQ(fdemu_fchownat(root, AT_FDCWD, "/f", (uid_t)-1, st.st_gid, 0), 0);
  CHECK_EQ(fdemu_faccessat(p, AT_FDCWD, "/f", R_OK, 0), 0);
  CHECK_EQ(fdemu_faccessat(p, AT_FDCWD, "/f", W_OK, 0), -EACCES);
  CHECK_EQ(fdemu_fchownat(root, AT_FDCWD, "/f", (uid_t)-1, 5, 0), 0);
  CHECK_EQ(fdemu_faccessat(p, AT_FDCWD, "/f", W_OK, 0), 0);
  teardown();
}

int main(void)
{
  the_group_may_what_its_bits_say();
  the_group_of_others_is_not_set();
  ids_are_dropped_by_a_write();
  links_to_files_of_others_need_both_permissions();
  return test_summary();
}
