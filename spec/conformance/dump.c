/* dump.c - scripts that Lua can express, with the answers that C gets */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"

static const char known[] =
    " read write readv writev pread64 pwrite64 preadv pwritev lseek "
    "fsync fdatasync close close_range dup dup2 dup3 fcntl ioctl fstat open "
    "pipe pipe2 eventfd2 poll select timerfd_create timerfd_settime "
    "timerfd_gettime epoll_create epoll_create1 epoll_ctl epoll_wait setrlimit "
    "flock fork exec exit wait signals openat mkdirat mknodat unlinkat renameat2 linkat "
    "symlinkat readlinkat newfstatat faccessat fchmodat fchmod truncate "
    "ftruncate fallocate memfd_create umask chdir fchdir getcwd socketpair "
    "shutdown sendto recvfrom sendfile splice tee copy_file_range creat mkdir "
    "rmdir unlink rename renameat link symlink readlink access faccessat2 chmod "
    "fchmodat2 chown lchown fchown fchownat mknod socket eventfd stat lstat "
    "utimensat getdents64 getrlimit fadvise64 sendmsg recvmsg getsockopt "
    "setsockopt getsockname getpeername ";

/* Addresses, times that are none or are kept, control data of odd lengths, and
 * numbers whose names Lua does not have. */
static const char *const unknown[] = {
  "bad", "@", ",1000000000", ",-1/", "OMIT", "!", " 103", " 1027", " 0x", "^",
};

static bool is_known(const char *name)
{
  char word[40];

  snprintf(word, sizeof word, " %s ", name);
  return strstr(known, word) != NULL;
}

/* What the arguments with these letters have to be: the room that Lua takes. */
static bool has_lua_room(char letter, const char *arg)
{
  switch (letter) {
  case 'x':
  case 'c':
  case 'd':
  case 'g': return false;
  case 'T':
  case 'C': return strcmp(arg, "100") == 0;
  case 'A': return strcmp(arg, "110") == 0;
  case 'D': return strcmp(arg, "8192") == 0;
  case 'm': return strstr(arg, ":4") != NULL;
  case 'U':
  case 'V':
  case 'p':
  case 'M': return arg[0] == '[';
  default: return true;
  }
}

/* Whether a null or a negative number is one that Lua has: it knows no offset
 * where there is none, no time where it is now, and no count below 0. */
static bool is_plain(const struct op *op)
{
  bool moves = strstr(" sendfile splice tee copy_file_range ", op->call->name);

  for (int i = 0; i < op->nargs; i++) {
    char letter = op->call->args[i];
    if (strcmp(op->arg[i], "null") == 0 &&
        !(letter == 'u' || (moves && letter == 'o')))
      return false;
    if (moves && letter == 'l' && op->arg[i][0] == '-')
      return false;
    if (!has_lua_room(letter, op->arg[i]))
      return false;
  }
  return true;
}

/* 1 is then the answer, for no byte. */
static bool gets_urgent_nothing(const struct op *op)
{
  return strstr(op->arg[2], "MSG_OOB") != NULL && atoi(op->arg[1]) == 0;
}

/* Calls that have a way to say less in Lua than in C. */
static bool is_said(const struct op *op)
{
  if (strcmp(op->call->name, "select") == 0)
    return strcmp(op->arg[0], "64") == 0 && strcmp(op->arg[4], "-1") != 0 &&
           strcmp(op->arg[4], "0,-1") != 0;
  if (strcmp(op->call->name, "getrlimit") == 0)
    return strcmp(op->arg[0], "RLIMIT_NOFILE") == 0;
  if (strcmp(op->call->name, "sendto") == 0)
    return op->nargs == 5;
  if (strcmp(op->call->name, "recvfrom") == 0)
    return op->nargs == 5 && !gets_urgent_nothing(op);
  if (strcmp(op->call->name, "recvmsg") == 0)
    return strstr(op->arg[2], "MSG_TRUNC") == NULL && !gets_urgent_nothing(op);
  if (strstr(op->call->name, "etsockopt") != NULL)
    return strcmp(op->arg[4], "4") == 0 &&
           strcmp(op->arg[1], "SOL_SOCKET") == 0 &&
           strncmp(op->arg[2], "SO_", 3) == 0;
  return true;
}

static bool is_expressible(const struct op *op)
{
  if (!is_known(op->call->name) || op->task > 0 || !is_plain(op))
    return false;
  for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
    if (strstr(op->line, unknown[i]) != NULL)
      return false;
  return is_said(op);
}

/* Takes text, which it frees. */
void dump(char *text, const char *title)
{
  struct script *all = script_parse(text), *s;
  char *kept = calloc(1, 1 + all->n * MAX_LINE), *p = kept;

  for (size_t i = 0; i < all->n; i++)
    if (is_expressible(&all->op[i]))
      p += sprintf(p, "%s\n", all->op[i].line);
  if (all->host)
    p = kept; /* from Lua they are what they are from C */
  *p = '\0';
  script_free(all);
  s = script_parse(kept);
  fdemu_run_script(emulated, s);
  if (s->n > 0)
    printf("## %s\n", title);
  for (size_t i = 0; i < s->n; i++) {
    size_t end = i + 1 < s->n ? emulated->start[i + 1] : emulated->nout;
    printf("%s\t%.*s\n", s->op[i].line, (int)(end - emulated->start[i]),
           emulated->out + emulated->start[i]);
  }
  script_free(s);
}
