/* tmpfs.h - a place for files of Linux's that are like fdemu's */
#ifndef TMPFS_H
#define TMPFS_H

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

#endif
