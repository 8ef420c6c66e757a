/*
 * trace.c - calls in strace(1)'s format
 *
 * struct fdemu_call.args has a word for each argument, with spaces between:
 *
 *   "fd epoll_op fd2 epoll_event"    "fd | data size"    "pollfds count = revents"
 *
 * What follows a "|" is known only after the call, and what follows a "=" comes
 * after the result. tracename.c, tracedata.c, ... say which words there are; any
 * other is printed as it is: a number, NULL. "fd" and "dirfd" are r->fd, "fd2"
 * is a descriptor in r->arg.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/trace.h"

void fde_print_mem(struct fde_out *o, const char *s, size_t n)
{
  for (; n > 0 && o->len + 1 < o->size; n--)
    o->buf[o->len++] = *s++;
}

void fde_print(struct fde_out *o, const char *s)
{
  fde_print_mem(o, s, strlen(s));
}

void fde_print_uint(struct fde_out *o, uint64_t n, unsigned base)
{
  char digits[24];
  size_t i = sizeof digits;

  do
    digits[--i] = "0123456789abcdef"[n % base];
  while ((n /= base) > 0);
  fde_print_mem(o, digits + i, sizeof digits - i);
}

void fde_print_int(struct fde_out *o, int64_t n)
{
  if (n < 0)
    fde_print(o, "-");
  fde_print_uint(o, n < 0 ? 0 - (uint64_t)n : (uint64_t)n, 10);
}

void fde_print_hex(struct fde_out *o, uint64_t n)
{
  fde_print(o, n != 0 ? "0x" : "");
  fde_print_uint(o, n, 16);
}

/* ---- words ------------------------------------------------------------ */

static const struct fde_word *find_word(const char *s, size_t n)
{
  static const struct fde_word *const lists[] = {
    fde_data_words,  fde_file_words,   fde_name_words,
    fde_event_words, fde_socket_words, NULL,
  };

  for (int i = 0; lists[i] != NULL; i++)
    for (const struct fde_word *w = lists[i]; w->word != NULL; w++)
      if (strncmp(w->word, s, n) == 0 && w->word[n] == '\0')
        return w;
  return NULL;
}

static void put_word(struct fde_out *o, const struct fdemu_req *r,
                     const char *s, size_t n)
{
  const struct fde_word *w = find_word(s, n);

  if (w == NULL)
    fde_print_mem(o, s, n);
  else if (w->put != NULL)
    w->put(o, r);
  else if (w->none != NULL)
    fde_print_flags(o, w->names, r->cmd, w->none);
  else
    fde_print_name(o, w->names, r->cmd);
}

/* The next word: its length. Moves *s to it; 0 at the end. */
static size_t next_word(const char **s)
{
  *s += strspn(*s, " ");
  return strcspn(*s, " ");
}

/* open(2) has a mode only if it may make the file. */
static bool omitted(const struct fdemu_req *r, const char *s, size_t n)
{
  return strncmp(s, "open_mode", n) == 0 &&
         !(r->cmd & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)));
}

/* ---- lines ------------------------------------------------------------ */

/* Flags by their names, too. */
static void put_success(struct fde_out *o, const struct fdemu_req *r)
{
  bool getfl = r->call == &fdemu_calls[FDEMU_FCNTL] && r->cmd == F_GETFL;
  bool getfd = r->call == &fdemu_calls[FDEMU_FCNTL] && r->cmd == F_GETFD;

  if (!getfl && (!getfd || r->result == 0)) {
    fde_print_int(o, r->result);
    return;
  }
  fde_print_hex(o, (uint64_t)r->result);
  fde_print(o, " (flags ");
  if (getfl)
    fde_print_open_flags(o, (unsigned long)r->result);
  else
    fde_print_flags(o, fde_fd_flags, (unsigned long)r->result, "0");
  fde_print(o, ")");
}

static void put_result(struct fde_out *o, const struct fdemu_req *r)
{
  int64_t result = r->result;
  const char *name;

  fde_print(o, ") = ");
  if (result == FDEMU_PENDING) { /* it never returns */
    fde_print(o, "?");
    return;
  }
  if (result >= 0) {
    put_success(o, r);
    return;
  }
  fde_print(o, "-1 ");
  name = fdemu_errname((int)-result);
  if (name != NULL)
    fde_print(o, name);
  else
    fde_print_int(o, -result);
  fde_print(o, " (");
  fde_print(o, strerror((int)-result));
  fde_print(o, ")");
}

/* The arguments in args up to the end, or to what is not known yet. Returns
 * where it stopped. */
static const char *put_args(struct fde_out *o, const struct fdemu_req *r,
                            const char *args, bool finished)
{
  bool first = true;
  size_t n;

  for (; (n = next_word(&args)) > 0 && *args != '='; args += n) {
    if (*args == '|' && !finished) {
      fde_print(o, first ? "" : ", ");
      break;
    }
    if (*args == '|' || omitted(r, args, n))
      continue;
    fde_print(o, first ? "" : ", ");
    put_word(o, r, args, n);
    first = false;
  }
  return args;
}

/* What is not in the line of a call that had to wait. */
static const char *late_args(const char *args)
{
  const char *after = strchr(args, '|');

  return after != NULL ? after + 1 : args + strcspn(args, "=");
}

size_t fdemu_format(const struct fdemu_event *e, char *buf, size_t size)
{
  struct fde_out o = { buf, size, 0 };
  const struct fdemu_req *r = e->req;
  bool resumed = e->phase == FDEMU_PHASE_RESUMED;
  const char *args = resumed ? late_args(r->call->args) : r->call->args;
  size_t n;

  fde_print(&o, "[pid ");
  if (r->proc->pid < 10)
    fde_print(&o, " ");
  fde_print_int(&o, r->proc->pid);
  fde_print(&o, resumed ? "] <... " : "] ");
  fde_print(&o, r->call->name);
  fde_print(&o, resumed ? " resumed>" : "(");
  args = put_args(&o, r, args, e->phase != FDEMU_PHASE_UNFINISHED);
  if (e->phase == FDEMU_PHASE_UNFINISHED)
    fde_print(&o, " <unfinished ...>");
  else {
    put_result(&o, r);
    if (r->injected)
      fde_print(&o, " (INJECTED)");
    if (*args == '=') {
      args++;
      n = next_word(&args);
      put_word(&o, r, args, n);
    }
  }
  if (size > 0)
    buf[o.len] = '\0';
  return o.len;
}
