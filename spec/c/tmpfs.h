/* tmpfs.h - a place for files of Linux's that are like fdemu's */
#ifndef TMPFS_H
#define TMPFS_H

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

static inline bool tmpfs_is(const char *dir)
{
  struct statfs s;

  return statfs(dir, &s) == 0 && s.f_type == TMPFS_MAGIC &&
         access(dir, W_OK) == 0;
}

/*
 * A directory that everyone can write to and that is a tmpfs: one that is there
 * or, where root may do that, one that only this process and its children see.
 * To be called before privileges are dropped. NULL: there is none.
 */
static inline const char *tmpfs_find(void)
{
  if (tmpfs_is("/dev/shm"))
    return "/dev/shm";
  if (tmpfs_is("/tmp"))
    return "/tmp";
  if (unshare(CLONE_NEWNS) == 0 &&
      mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
      mount("tmpfs", "/tmp", "tmpfs", 0, "mode=1777") == 0)
    return "/tmp";
  return NULL;
}

/*
 * The same, or one that has no name: then it is the working directory. For
 * those who do not ask where they are.
 */
static inline const char *tmpfs_enter(void)
{
  const char *dir = tmpfs_find();
  int fs, mount;
  bool there;

  if (dir != NULL)
    return dir;
  fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
  mount = fsconfig(fs, FSCONFIG_SET_STRING, "mode", "1777", 0) == 0 &&
                  fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0
              ? fsmount(fs, FSMOUNT_CLOEXEC, 0)
              : -1;
  there = mount >= 0 && fchdir(mount) == 0;
  close(mount);
  close(fs);
  return there ? "." : NULL;
}

#endif
