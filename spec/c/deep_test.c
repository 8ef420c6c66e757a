/* deep_test.c - directories so deep that a path to them is too long
 *
 * What is made and opened there by a short name is as anywhere; what asks for
 * the path gets ENAMETOOLONG. All results are Linux's. */
#include <fcntl.h>
#include <sys/stat.h>

#include "fdemu_driver.h"
#include "test.h"

enum { LEVELS = 17, LENGTH = 250 }; /* more than PATH_MAX together */

static struct fdemu_kernel *k;
static struct fdemu_proc *p;
static char path[9000];

static void setup(void)
{
  char name[LENGTH + 1] = "";

  k = test_kernel();
  p = fdemu_proc_new(k);
  CHECK_EQ(fdemu_std_devices(k), 0);
  memset(name, 'a', LENGTH);
  for (int i = 0; i < LEVELS; i++) {
    CHECK_EQ(fdemu_mkdirat(p, AT_FDCWD, name, 0755), 0);
    CHECK_EQ(fdemu_chdir(p, name), 0);
  }
}

static void teardown(void)
{
  CHECK(fdemu_check(k) == NULL);
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

static int64_t where(int fd)
{
  char link[40];

  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  return fdemu_readlinkat(p, AT_FDCWD, link, path, sizeof path);
}

static void paths_are_too_long(void)
{
  int fd;

  setup();
  CHECK_EQ(fdemu_getcwd(p, path, sizeof path), -ENAMETOOLONG);
  fd = fdemu_open(p, "f", O_RDWR | O_CREAT, 0600);
  CHECK(fd >= 0);
  CHECK_EQ(where(fd), -ENAMETOOLONG);
  CHECK_EQ(fdemu_unlinkat(p, AT_FDCWD, "f", 0), 0);
  CHECK_EQ(where(fd), -ENAMETOOLONG);
  fd = fdemu_open(p, ".", O_TMPFILE | O_RDWR, 0600);
  CHECK(fd >= 0);
  CHECK_EQ(fdemu_write(p, fd, "x", 1), 1);
  teardown();
}

static void names_are_as_anywhere(void)
{
  int fd;

  setup();
  CHECK_EQ(fdemu_mkdirat(p, AT_FDCWD, "d", 0755), 0);
  CHECK_EQ(fdemu_renameat2(p, AT_FDCWD, "d", AT_FDCWD, "e", 0), 0);
  CHECK_EQ(fdemu_symlinkat(p, "x", AT_FDCWD, "s"), 0);
  fd = fdemu_open(p, "f", O_RDWR | O_CREAT, 0600);
  CHECK_EQ(fdemu_linkat(p, AT_FDCWD, "f", AT_FDCWD, "g", 0), 0);
  CHECK_EQ(fdemu_close(p, fd), 0);
  teardown();
}

/* Of a rule's pattern: no path fits. */
static void rules_with_paths_do_not_fit(void)
{
  struct fdemu_rule rule;

  setup();
  fdemu_rule_init(&rule);
  rule.path = "/a*/f";
  rule.error = EIO;
  fdemu_inject(k, &rule);
  CHECK(fdemu_open(p, "f", O_RDWR | O_CREAT, 0600) >= 0);
  CHECK_EQ(rule.hits, 0);
  fdemu_rule_remove(&rule);
  teardown();
}

static void devices_have_names_that_fit(void)
{
  static char name[300] = "/dev/";
  struct fdemu_inode *i;

  setup();
  memset(name + 5, 'a', 256);
  CHECK_EQ(fdemu_make(k, S_IFIFO | 0600, &i), 0);
  CHECK_EQ(fdemu_name(k, name, i), -ENAMETOOLONG);
  name[5 + 255] = '\0';
  CHECK_EQ(fdemu_name(k, name, i), 0);
  fdemu_inode_put(i);
  teardown();
}

int main(void)
{
  paths_are_too_long();
  names_are_as_anywhere();
  rules_with_paths_do_not_fit();
  devices_have_names_that_fit();
  return test_summary();
}
