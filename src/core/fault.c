/* fault.c - calls that are made to fail, to fall short or to take long */
#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "core/kernel.h"

void fdemu_rule_init(struct fdemu_rule *rule)
{
  memset(rule, 0, sizeof *rule);
  rule->fd = -1;
  rule->pid = -1;
  rule->first = 1;
  rule->last = UINT64_MAX;
  rule->step = 1;
  fdemu_list_init(&rule->link);
}

/* ---- strace's when=: 3, 3+, 3+2, 3..9, 3..9+2 --------------------------- */

/* A number > 0 at *s, which moves behind it; 0 if there is none. */
static uint64_t number(const char **s)
{
  uint64_t n = 0;

  for (; **s >= '0' && **s <= '9'; ++*s) {
    if (n > UINT32_MAX)
      return 0;
    n = 10 * n + (uint64_t)(**s - '0');
  }
  return n;
}

int fdemu_rule_when(struct fdemu_rule *rule, const char *when)
{
  uint64_t first = number(&when), last = first, step = 1;

  if (first == 0)
    return -EINVAL;
  if (when[0] == '.' && when[1] == '.') {
    when += 2;
    last = number(&when);
    if (last < first)
      return -EINVAL;
  } else if (*when == '+')
    last = UINT64_MAX;
  if (*when == '+' && *++when != '\0')
    step = number(&when);
  if (step == 0 || *when != '\0')
    return -EINVAL;
  rule->first = first;
  rule->last = last;
  rule->step = step;
  return 0;
}

/* ---- rules -------------------------------------------------------------- */

void fdemu_inject(struct fdemu_kernel *k, struct fdemu_rule *rule)
{
  fdemu_rule_remove(rule);
  rule->kernel = k;
  fdemu_list_append(&k->rules, &rule->link);
  fde_care(k);
}

struct fdemu_rule *fdemu_next_rule(struct fdemu_kernel *k,
                                   struct fdemu_rule *rule)
{
  struct fdemu_list *n = rule != NULL ? rule->link.next : k->rules.next;

  return n == &k->rules ? NULL : fdemu_entry(n, struct fdemu_rule, link);
}

/* A predicate may do this while the rules are being walked over. */
void fdemu_rule_remove(struct fdemu_rule *rule)
{
  struct fdemu_kernel *k = rule->kernel;

  if (k == NULL)
    return;
  if (k->next_rule == &rule->link)
    k->next_rule = rule->link.next;
  if (k->picked == rule)
    k->picked = NULL;
  fdemu_list_remove(&rule->link);
  rule->kernel = NULL;
  fde_care(k);
}

static bool names_call(const struct fdemu_rule *rule, const char *name)
{
  if (rule->calls == NULL)
    return true;
  for (const char *const *c = rule->calls; *c != NULL; c++)
    if (strcmp(*c, name) == 0)
      return true;
  return false;
}

static bool glob(const char *pattern, const char *s)
{
  return pattern == NULL || (s != NULL && fnmatch(pattern, s, 0) == 0);
}

/* dup3(2) and close_range(2) have a descriptor, too, which they check late. */
static bool has_fd(const struct fdemu_req *r)
{
  return r->file != NULL || strncmp(r->call->args, "fd", 2) == 0;
}

static bool matches(const struct fdemu_rule *rule, const struct fdemu_req *r)
{
  const char *kind = r->file != NULL ? r->file->ops->name : NULL;

  if (rule->fd >= 0 && (rule->fd != r->fd || !has_fd(r)))
    return false;
  if (rule->pid >= 0 && rule->pid != r->proc->pid)
    return false;
  return names_call(rule, r->call->name) && glob(rule->kind, kind) &&
         (rule->path == NULL || fde_path_fits(rule->path, r)) &&
         (rule->match == NULL || rule->match(rule, r));
}

/* Only calls that move bytes can be cut short. */
static bool can_act(const struct fdemu_rule *rule, const struct fdemu_req *r)
{
  return rule->error != 0 || rule->delay > 0 || r->len > 0;
}

static bool fires(const struct fdemu_rule *rule)
{
  return rule->seen >= rule->first && rule->seen <= rule->last &&
         (rule->seen - rule->first) % rule->step == 0;
}

/* Every rule counts the calls that it matches; the first to fire acts. */
static struct fdemu_rule *find(struct fdemu_kernel *k, struct fdemu_req *r)
{
  struct fdemu_rule *found;

  k->picked = NULL;
  k->next_rule = k->rules.next;
  while (k->next_rule != &k->rules) {
    struct fdemu_rule *rule =
        fdemu_entry(k->next_rule, struct fdemu_rule, link);
    k->next_rule = k->next_rule->next;
    if (!matches(rule, r))
      continue;
    rule->seen++;
    if (k->picked == NULL && fires(rule) && can_act(rule, r))
      k->picked = rule;
  }
  found = k->picked;
  k->next_rule = NULL;
  k->picked = NULL;
  return found;
}

/* Before the first attempt. 0: go on; -errno: the answer. */
int64_t fde_inject(struct fdemu_req *r)
{
  struct fdemu_kernel *k = r->proc->kernel;
  struct fdemu_rule *rule = NULL;

  if (r->quiet || r->call->flags & FDEMU_CALL_QUIET)
    return 0;
  if (k->next_rule == NULL) /* a predicate's own calls are left alone */
    rule = find(k, r);
  if (rule == NULL)
    return 0;
  rule->hits++;
  r->injected = true;
  r->delay = rule->delay;
  if (rule->short_count > 0 && rule->short_count < r->len)
    r->len = rule->short_count;
  r->fault = rule->error;
  r->instead = rule->error != 0 && !rule->after;
  return r->instead && r->delay == 0 ? -rule->error : 0;
}
