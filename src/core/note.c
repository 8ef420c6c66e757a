/*
 * note.c - F_NOTIFY: signals of what happens in a directory
 *
 * What a process asks for belongs to it and to the description, and goes when
 * it closes any descriptor of that, or, without DN_MULTISHOT, when it has
 * happened once. As fs/notify of Linux has it: what is done with a file happens
 * in the directory where it was opened, and to a directory in itself, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "core/name.h"

struct note {
  struct fdemu_list link; /* in the inode's list */
  struct fdemu_file *file;
  const struct fdemu_proc *proc;
  unsigned mask; /* DN_* */
};

static struct note *note_at(const struct fdemu_list *n)
{
  return fdemu_entry(n, struct note, link);
}

static void drop(struct fdemu_kernel *k, struct note *n)
{
  k->nnotes--;
  fde_care(k);
  fdemu_list_remove(&n->link);
  fdemu_free(k, n);
}

/* ---- what happens ----------------------------------------------------- */

void fde_note(const struct fdemu_inode *dir, unsigned event)
{
  struct fdemu_kernel *k = dir->kernel;
  struct fdemu_list *list, *n, *next;

  if (k->nnotes == 0 || !fde_is_dir(dir) || dir->attr->locks == NULL)
    return;
  list = &dir->attr->locks->notes;
  for (n = list->next; n != list; n = next) {
    struct note *note = note_at(n);
    next = n->next;
    if (!(note->mask & event))
      continue;
    fde_tell_owner(note->file, SIGIO);
    if (!(note->mask & DN_MULTISHOT))
      drop(k, note);
  }
}

void fde_note_entry(const struct fde_entry *e, unsigned event)
{
  if (e == NULL)
    return;
  if (e->parent != NULL)
    fde_note(e->parent->inode, event);
  fde_note(e->inode, event);
}

/* What goes through a FIFO or a device is no news of its directory. */
static void note_file(const struct fdemu_file *f, unsigned event)
{
  if (S_ISREG(f->inode->mode) || S_ISDIR(f->inode->mode))
    fde_note_entry(f->entry, event);
}

/* A program's calls; readv(2) says so even if there was nothing to be read. */
void fde_note_io(const struct fdemu_req *r, int64_t result)
{
  const unsigned flags = r->call->flags;

  if (r->quiet)
    return;
  if (flags & FDEMU_CALL_WRITE && result > 0)
    note_file(r->file, DN_MODIFY);
  if (flags & FDEMU_CALL_READ && result >= (flags & FDEMU_CALL_VEC ? 0 : 1))
    note_file(r->file, DN_ACCESS);
}

/* Something was moved: it is one event for each, in however many pieces. */
void fde_note_move(const struct fdemu_file *in, const struct fdemu_file *out)
{
  note_file(in, DN_ACCESS);
  note_file(out, DN_MODIFY);
}

void fde_note_rename(const struct fdemu_inode *from,
                     const struct fdemu_inode *to)
{
  if (from == to)
    fde_note(from, DN_RENAME);
  fde_note(from, DN_DELETE);
  fde_note(to, DN_CREATE);
}

/* ---- fcntl(2) --------------------------------------------------------- */

static struct note *find(const struct fdemu_proc *p, const struct fdemu_file *f)
{
  const struct fdemu_locks *locks = f->inode->attr->locks;
  const struct fdemu_list *n;

  if (locks == NULL)
    return NULL;
  for (n = locks->notes.next; n != &locks->notes; n = n->next)
    if (note_at(n)->file == f && note_at(n)->proc == p)
      return note_at(n);
  return NULL;
}

/* p has closed a descriptor of f. */
void fde_note_close(const struct fdemu_proc *p, const struct fdemu_file *f)
{
  struct note *n = find(p, f);

  if (n != NULL)
    drop(p->kernel, n);
}

static int64_t add(struct fdemu_file *f, struct fdemu_proc *p, unsigned mask)
{
  struct fdemu_locks *locks = fde_locks_get(f);
  struct note *n;

  if (locks == NULL)
    return -ENOMEM;
  n = fdemu_alloc(p->kernel, sizeof *n);
  if (n == NULL)
    return -ENOMEM;
  if (fde_default_owner(f, p) < 0) {
    fdemu_free(p->kernel, n);
    return -ENOMEM;
  }
  *n = (struct note){ .file = f, .proc = p, .mask = mask };
  fdemu_list_prepend(&locks->notes, &n->link);
  p->kernel->nnotes++;
  fde_care(p->kernel);
  p->locked = true;
  return 0;
}

int64_t fde_notify(struct fdemu_file *f, const struct fdemu_req *r)
{
  const unsigned mask = (unsigned)r->arg;
  struct note *n;

  if ((mask & ~DN_MULTISHOT) == 0) {
    fde_note_close(r->proc, f);
    return 0;
  }
  if (!fde_is_dir(f->inode))
    return -ENOTDIR;
  if (r->on != NULL)
    return -EBADF; /* it would have no end */
  n = find(r->proc, f);
  if (n == NULL)
    return add(f, r->proc, mask);
  n->mask |= mask;
  return fde_default_owner(f, r->proc);
}
