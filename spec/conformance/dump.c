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
    "shutdown sendto recvfrom sendfile splice tee copy_file_range ";

/* Addresses, vectors that are no list, times that are none, structs. */
static const char *const unknown[] = {
  "bad", "@", ",1000000000", ",-1", "FIOCLEX", "FIONCLEX", "TFD_IOC",
};

static bool is_known(const char *name)
{
  char word[40];

  snprintf(word, sizeof word, " %s ", name);
  return strstr(known, word) != NULL;
}

/* Whether a null or a negative number is one that Lua has: it knows no offset
 * where there is none, and counts are no less than 0. */
static bool is_plain(const struct op *op)
{
  bool moves = strstr(" sendfile splice tee copy_file_range ", op->call->name);

  for (int i = 0; i < op->nargs; i++) {
    if (!(moves && op->call->args[i] == 'o') && strcmp(op->arg[i], "null") == 0)
      return false;
    if (moves && op->call->args[i] == 'l' && op->arg[i][0] == '-')
      return false;
    if (strchr("TC", op->call->args[i]) != NULL &&
        strcmp(op->arg[i], "100") != 0)
      return false;
  }
  return true;
}

static bool is_expressible(const struct op *op)
{
  if (!is_known(op->call->name) || op->task > 0 || !is_plain(op))
    return false;
  for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
    if (strstr(op->line, unknown[i]) != NULL)
      return false;
  for (int i = 0; i < op->nargs; i++)
    if (strchr("UVp", op->call->args[i]) != NULL && op->arg[i][0] != '[')
      return false;
  return strcmp(op->call->name, "select") != 0 ||
         (strcmp(op->arg[0], "64") == 0 && strcmp(op->arg[4], "0") == 0);
}

/* Takes text, which it frees. */
void dump(char *text, const char *title)
{
  struct script *all = script_parse(text), *s;
  char *kept = calloc(1, 1 + all->n * MAX_LINE), *p = kept;

  for (size_t i = 0; i < all->n; i++)
    if (is_expressible(&all->op[i]))
      p += sprintf(p, "%s\n", all->op[i].line);
  script_free(all);
  s = script_parse(kept);
  fdemu_run_script(emulated, s);
  printf("## %s\n", title);
  for (size_t i = 0; i < s->n; i++) {
    size_t end = i + 1 < s->n ? emulated->start[i + 1] : emulated->nout;
    printf("%s\t%.*s\n", s->op[i].line, (int)(end - emulated->start[i]),
           emulated->out + emulated->start[i]);
  }
  script_free(s);
}
