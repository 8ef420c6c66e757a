/* shrink.c - the shortest script that still differs */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"

/* The lines of a script; NULL: left out. */
struct lines {
  char **line;
  size_t n;
};

static struct script *assemble(const struct lines *l)
{
  size_t size = 1;
  char *text, *p;

  for (size_t i = 0; i < l->n; i++)
    size += l->line[i] != NULL ? strlen(l->line[i]) + 1 : 0;
  p = text = malloc(size);
  for (size_t i = 0; i < l->n; i++)
    if (l->line[i] != NULL)
      p += sprintf(p, "%s\n", l->line[i]);
  *p = '\0';
  return script_parse(text);
}

/* What comes behind the difference is of no interest. */
static bool still_differs(const struct lines *l, size_t *line)
{
  struct script *s = assemble(l);
  size_t at;
  bool yes = differs(s, &at, NULL);

  if (yes && line != NULL)
    *line = at;
  script_free(s);
  return yes;
}

static void compact(struct lines *l)
{
  size_t n = 0;

  for (size_t i = 0; i < l->n; i++)
    if (l->line[i] != NULL)
      l->line[n++] = l->line[i];
  l->n = n;
}

static bool drop_range(struct lines *l, size_t from, size_t count)
{
  char *kept[1 << 12];

  memcpy(kept, l->line + from, count * sizeof *kept);
  memset(l->line + from, 0, count * sizeof *kept);
  if (still_differs(l, NULL))
    return true;
  memcpy(l->line + from, kept, count * sizeof *kept);
  return false;
}

static void drop_lines(struct lines *l)
{
  for (size_t size = 1 << 12; size > 0; size /= 2) {
    for (size_t i = l->n; i > 0; i -= i < size ? i : size) {
      size_t from = i < size ? 0 : i - size;
      drop_range(l, from, i - from);
    }
    compact(l);
  }
}

/* Words that mean less. */
static bool try_word(struct lines *l, size_t i, size_t at, size_t len,
                     const char *with, size_t n)
{
  char *old = l->line[i], *new;

  if (n == len && memcmp(old + at, with, n) == 0)
    return false;
  new = malloc(strlen(old) + n + 1);
  sprintf(new, "%.*s%.*s%s", (int)at, old, (int)n, with, old + at + len);
  l->line[i] = new;
  if (still_differs(l, NULL))
    return true; /* a few bytes are lost: the program ends soon */
  l->line[i] = old;
  free(new);
  return false;
}

static bool simpler_number(struct lines *l, size_t i, size_t at, size_t len)
{
  char half[32];
  long long n = strtoll(l->line[i] + at, NULL, 0);

  if (n == 0 || n == 1)
    return false;
  snprintf(half, sizeof half, "%lld", n / 2);
  return try_word(l, i, at, len, "0", 1) || try_word(l, i, at, len, "1", 1) ||
         try_word(l, i, at, len, half, strlen(half));
}

/* Numbers become smaller, flags fewer, lists shorter. */
static bool simplify_line(struct lines *l, size_t i)
{
  const char *s = strchr(l->line[i] + 2, ' ');

  if (strstr(l->line[i], "timerfd_settime") != NULL)
    return false; /* shorter times would be over too soon */
  while (s != NULL && *s != '\0') {
    size_t at = (size_t)(s - l->line[i]), sep, len, element;
    sep = strcspn(s + 1, " |,:[]{}/>@") + 1;
    len = sep - 1;
    if (len > 0 && (isdigit((unsigned char)s[1]) || s[1] == '-') &&
        simpler_number(l, i, at + 1, len))
      return true;
    if (len > 0 && s[0] == '|' && try_word(l, i, at, sep, "", 0))
      return true;
    if (len > 0 && s[sep] == '|' && try_word(l, i, at + 1, sep, "", 0))
      return true;
    element = strcspn(s + 1, " ,]}") + 1;
    if (s[0] == ',' && strpbrk(s, "]}") != NULL &&
        try_word(l, i, at, element, "", 0))
      return true;
    if ((s[0] == '[' || s[0] == '{') && s[element] == ',' &&
        try_word(l, i, at + 1, element, "", 0))
      return true;
    s += sep;
  }
  return false;
}

static void shrink(struct lines *l)
{
  size_t before;

  for (int round = 0; round < 4; round++) {
    before = l->n;
    drop_lines(l);
    for (size_t i = 0; i < l->n; i++)
      while (simplify_line(l, i))
        ;
    if (l->n == before && round > 0)
      break;
  }
}

static void print_answer(const struct run *r, size_t i, const char *name)
{
  size_t end = i + 1 < r->script->n ? r->start[i + 1] : r->nout;

  printf("    %-6s %.*s\n", name, (int)(end - r->start[i]),
         r->out + r->start[i]);
}

/* The first difference is known, and both sides' answers are there still. */
void report(const struct script *s, size_t first, const char *title,
            bool thoroughly)
{
  struct lines l = { calloc(s->n + 1, sizeof *l.line), first + 1 };
  struct script *small;
  size_t at;

  printf("\n%s, line %zu: %s\n", title, first + 1, s->op[first].line);
  print_answer(native, first, "Linux");
  print_answer(emulated, first, "fdemu");
  if (!thoroughly)
    return;
  for (size_t i = 0; i <= first; i++)
    l.line[i] = strdup(s->op[i].line);
  for (int i = 0; i < 3 && !still_differs(&l, NULL); i++)
    if (i == 2) {
      printf("  (it does not come again)\n");
      return;
    }
  shrink(&l);
  small = assemble(&l);
  if (!differs(small, &at, NULL)) {
    printf("  (it does not come again)\n");
    return;
  }
  for (size_t i = 0; i <= at && i < small->n; i++) {
    printf("  %s\n", small->op[i].line);
    if (i == at)
      print_answer(native, i, "Linux"), print_answer(emulated, i, "fdemu");
  }
  fflush(stdout);
}
