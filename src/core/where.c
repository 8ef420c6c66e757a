/* where.c - whether the path of a call fits a pattern: as it was given, or as
 * the name that it leads to */
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>

#include "core/name.h"

static bool fits(const char *pattern, const char *s)
{
  return s != NULL && fnmatch(pattern, s, 0) == 0;
}

static bool entry_fits(const char *pattern, const struct fde_entry *e)
{
  char buf[FDE_PATH_MAX];

  return e != NULL && fde_entry_path(e, buf) >= 0 && fits(pattern, buf);
}

/* A name in a directory, which need not be there. */
static bool name_fits(const char *pattern, const struct fde_walk *w)
{
  char buf[FDE_PATH_MAX];
  int64_t n;

  if (w->type != FDE_LAST_NAME || w->at.entry == NULL)
    return false;
  n = fde_entry_path(w->at.entry, buf);
  if (n < 1 || (size_t)n + w->len + 2 > sizeof buf)
    return false;
  if (buf[n - 1] != '/')
    buf[n++] = '/';
  memcpy(buf + n, w->last, w->len);
  buf[(size_t)n + w->len] = '\0';
  return fits(pattern, buf);
}

/* With what is no directory taken out (".", "..", links), but the last name
 * left as it is, and then followed. */
static bool path_fits(const char *pattern, struct fdemu_proc *p, int dirfd,
                      const char *path)
{
  struct fde_walk w;
  bool yes;

  if (fits(pattern, path))
    return true;
  yes = fde_walk_to(&w, p, dirfd, path, FDE_PARENT) == 0 &&
        name_fits(pattern, &w);
  fde_walk_end(&w);
  if (yes)
    return true;
  yes = fde_walk_to(&w, p, dirfd, path, FDE_FOLLOW) == 0 &&
        entry_fits(pattern, w.at.entry);
  fde_walk_end(&w);
  return yes;
}

static bool file_fits(const char *pattern, const struct fdemu_file *f)
{
  return fits(pattern, f->path) || entry_fits(pattern, f->entry);
}

/* The paths of a call, or those of its description. */
bool fde_path_fits(const char *pattern, const struct fdemu_req *r)
{
  if (r->path == NULL)
    return r->file != NULL && file_fits(pattern, r->file);
  return path_fits(pattern, r->proc, r->fd, r->path) ||
         (strstr(r->call->args, "dirfd2") != NULL && r->path2 != NULL &&
          path_fits(pattern, r->proc, (int)r->arg, r->path2));
}
