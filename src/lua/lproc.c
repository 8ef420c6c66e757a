/*
 * lproc.c - Processes: made, forked, ended, and what belongs to one
 *
 * Its methods are parse, call, result. What fails is nil, message, errno; what
 * is misused raises.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "lua/lfdemu.h"

#define CALL(what) (&fdemu_calls[FDEMU_##what])

static struct lprocess *check_any(lua_State *L)
{
  struct lprocess *lp = larg_udata(L, 1, LFD_PROCESS);

  larg_check(L, lp->lk->k != NULL, 1, "kernel is closed");
  larg_check(L, lp->p != NULL, 1, "process was finalized");
  return lp;
}

/* The same after a closer look; raises, and says why, if it is none. */
struct lprocess *lproc_check_living(lua_State *L)
{
  struct lprocess *lp = check_any(L);

  if (!fdemu_alive(lp->p)) {
    lua_pushfstring(L, "process %d has exited", lp->pid);
    larg_error(L, 1, lua_tostring(L, -1));
  }
  return lp;
}

const char lproc_tag[] = LFD_PROCESS;

int lproc_int(lua_State *L, int index)
{
  lua_Integer n = larg_integer(L, index);

  larg_check(L, n >= INT_MIN && n <= UINT_MAX, index,
             "number does not fit into an int");
  return (int)n;
}

int lproc_optint(lua_State *L, int index)
{
  return lua_isnoneornil(L, index) ? 0 : lproc_int(L, index);
}

/* ---- processes -------------------------------------------------------- */

/* Push a Process, for set_process(). */
static struct lprocess *push_process(lua_State *L, struct lkernel *lk)
{
  struct lprocess *lp = lcompat_newuserdata(L, sizeof *lp);

  memset(lp, 0, sizeof *lp);
  lp->lk = lk;
  fdemu_list_init(&lp->link);
  luaL_setmetatable(L, LFD_PROCESS);
  lkernel_push(L, lk); /* whoever holds a Process holds its kernel */
  lua_setiuservalue(L, -2, 1);
  fdemu_list_append(&lk->processes, &lp->link);
  return lp;
}

/* lp has p, whose reference it takes over. */
static void set_process(struct lprocess *lp, struct fdemu_proc *p)
{
  lp->p = p;
  lp->pid = fdemu_getpid(p);
  lp->tag = lproc_tag;
}

static int fork_result(lua_State *L, struct call *c)
{
  struct lprocess *lp;

  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
  lp = lua_touserdata(L, 2);
  set_process(lp, c->req.out);
  lua_pushvalue(L, 2);
  return 1;
}

/* p:fork() -> Process */
static int proc_fork(lua_State *L)
{
  struct lprocess *lp = lproc_check(L), *child;
  struct call local, *c;

  lua_settop(L, 1);
  child = push_process(L, lp->lk);
  memcpy(child->captured, lp->captured, sizeof child->captured);
  for (int i = 0; i < 3; i++)
    if (child->captured[i] != NULL)
      fdemu_inode_get(child->captured[i]);
  c = lcall_begin(L, lp->lk, &local, CALL(FORK));
  c->result = fork_result;
  return lcall_submit(L, lp->p, c);
}

static int proc_exec(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  struct call local, *c = lcall_begin(L, lp->lk, &local, CALL(EXEC));

  return lcall_submit(L, lp->p, c);
}

/* p:exit([status]) */
static int proc_exit(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int status = lproc_optint(L, 2);

  lp->lk->L = L;
  lp->tag = NULL;
  fdemu_exit(lp->p, status);
  status = ltask_end_process(L, lp->lk, fdemu_getpid(lp->p));
  lworker_drain(L, lp->lk);
  if (status != LUA_OK)
    return lua_error(L);
  lcall_raise_orphan(L, lp->lk);
  return 0;
}

static int wait_result(lua_State *L, struct call *c)
{
  int status;

  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
  memcpy(&status, c->req.buf.iov_base, sizeof status);
  lua_pushinteger(L, (lua_Integer)c->req.result);
  lua_pushliteral(L, "exited");
  lua_pushinteger(L, status >> 8 & 0xff);
  return 3;
}

/* p:wait() -> pid, "exited", status */
static int proc_wait(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  struct call local, *c = lcall_begin(L, lp->lk, &local, CALL(WAIT));

  c->req.buf.iov_base = lp->lk->scratch;
  c->req.buf.iov_len = sizeof(int);
  c->keep = lcall_keep_copy;
  c->result = wait_result;
  return lcall_submit(L, lp->p, c);
}

static int proc_getpid(lua_State *L)
{
  lua_pushinteger(L, lproc_check(L)->pid);
  return 1;
}

static void check_resource(lua_State *L, int index)
{
  larg_check(L, larg_integer(L, index) == 7, index,
             "RLIMIT_NOFILE is the only limit there is");
}

/* p:getrlimit(RLIMIT_NOFILE) -> soft, hard */
static int proc_getrlimit(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int soft, hard;

  check_resource(L, 2);
  fdemu_get_nofile(lp->p, &soft, &hard);
  lua_pushinteger(L, soft);
  lua_pushinteger(L, hard);
  return 2;
}

/* p:setrlimit(RLIMIT_NOFILE, soft [, hard]) */
static int proc_setrlimit(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int soft, hard, error;

  check_resource(L, 2);
  fdemu_get_nofile(lp->p, &soft, &hard);
  soft = lproc_int(L, 3);
  if (!lua_isnoneornil(L, 4))
    hard = lproc_int(L, 4);
  error = fdemu_set_nofile(lp->p, soft, hard);
  if (error < 0)
    return lcall_error(L, error, NULL);
  lua_pushinteger(L, 0);
  return 1;
}

static int proc_spawn(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);

  return ltask_spawn(L, lp->lk, fdemu_getpid(lp->p));
}

/* ---- descriptions ----------------------------------------------------- */

/* p:description(fd) -> Description */
static int proc_description(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int fd = lproc_fd(L, 2);
  struct fdemu_file *f = fdemu_file_at(lp->p, fd);

  if (f == NULL) {
    lmisuse_look(L, lp->lk, lp->p, fd, "description");
    return lcall_error(L, -EBADF, NULL);
  }
  ldesc_new(L, lp->lk, f, false);
  return 1;
}

/* p:install(description [, min]) -> fd */
static int proc_install(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  struct ldesc *d = ldesc_check(L, 2);
  int min = lproc_optint(L, 3), fd;

  larg_check(L, d->lk == lp->lk, 2, "description of another kernel");
  llimit_check(L, lp->lk);
  lcall_set_origin(L, lp->lk);
  fd = fdemu_install(lp->p, d->file, min, false);
  if (fd < 0) {
    llimit_check(L, lp->lk);
    return lcall_error(L, fd, NULL);
  }
  fdemu_file_get(d->file);
  ldesc_sink(d);
  lua_pushinteger(L, fd);
  return 1;
}

/* ---- the host --------------------------------------------------------- */

static int host_refused(lua_State *L)
{
  luaL_pushfail(L);
  lua_pushliteral(L, "Operation not permitted: host descriptors need "
                     "fdemu.kernel { host = true }");
  lua_pushinteger(L, EPERM);
  return 3;
}

/* The host's descriptor at index: an integer, or an io file, which is flushed
 * and stays its owner's. */
static int check_host(lua_State *L, int index)
{
  luaL_Stream *stream = luaL_testudata(L, index, LUA_FILEHANDLE);

  if (stream == NULL)
    return lproc_fd(L, index);
  larg_check(L, stream->closef != NULL, index, "file is closed");
  fflush(stream->f);
  return fileno(stream->f);
}

/* p:host(hostfd | file) -> fd */
static int proc_host(lua_State *L)
{
  struct lprocess *lp = lproc_check(L);
  int hostfd = check_host(L, 2), fd, error;
  struct fdemu_file *f;

  if (!lp->lk->host)
    return host_refused(L);
  lcall_set_origin(L, lp->lk);
  hostfd = fcntl(hostfd, F_DUPFD_CLOEXEC, 0);
  if (hostfd < 0)
    return lcall_error(L, -errno, NULL);
  error = fdemu_host_new(lp->lk->k, hostfd, true, &f);
  if (error < 0) {
    close(hostfd);
    return lcall_error(L, error, NULL);
  }
  fd = fdemu_install(lp->p, f, 0, false);
  if (fd < 0) {
    fdemu_file_put(f);
    llimit_check(L, lp->lk);
    return lcall_error(L, fd, NULL);
  }
  lua_pushinteger(L, fd);
  return 1;
}

/* ---- process{...} ----------------------------------------------------- */

static const char *const std_names[] = { "stdin", "stdout", "stderr" };

/* What an option says; its value is on the stack. */
struct std {
  const char *s; /* NULL: d */
  size_t n;
  struct ldesc *d;
};

/* The option on top of the stack, for descriptor i. */
static struct std check_std(lua_State *L, const struct lkernel *lk, int i)
{
  struct std std = { .s = i == 0 ? "null" : "host" };

  if (luaL_testudata(L, -1, LFD_DESCRIPTION) != NULL) {
    std = (struct std){ .d = ldesc_check(L, lua_gettop(L)) };
    if (std.d->lk != lk)
      luaL_error(L, "option '%s' is a description of another kernel",
                 std_names[i]);
  } else if (lua_type(L, -1) == LUA_TSTRING)
    std.s = lua_tolstring(L, -1, &std.n);
  else if (!lua_isnil(L, -1))
    luaL_error(L, "option '%s' must be a string or a Description",
               std_names[i]);
  if (i != 0 && std.s != NULL && strcmp(std.s, "null") != 0 &&
      strcmp(std.s, "host") != 0 && strcmp(std.s, "capture") != 0)
    luaL_error(L,
               "option '%s' must be \"null\", \"host\", \"capture\" or"
               " a Description, not '%s'",
               std_names[i], std.s);
  return std;
}

/* The description that it stands for, a reference to which is the caller's. */
static int std_file(struct lprocess *lp, int i, const struct std *std,
                    struct fdemu_file **f)
{
  struct fdemu_kernel *k = lp->lk->k;
  bool capture;

  *f = NULL;
  if (std->s == NULL) {
    *f = std->d->file;
    fdemu_file_get(*f);
    return 0;
  }
  if (strcmp(std->s, "host") == 0)
    return fdemu_host_new(k, i, false, f);
  capture = strcmp(std->s, "capture") == 0;
  *f = strcmp(std->s, "null") == 0
           ? fdemu_null_new(k, i == 0 ? O_RDONLY : O_WRONLY)
           : fdemu_capture_new(k, std->s, capture ? 0 : std->n);
  if (*f != NULL && capture) {
    lp->captured[i] = (*f)->inode;
    fdemu_inode_get(lp->captured[i]);
  }
  return *f != NULL ? 0 : -ENOMEM;
}

static void check_options(lua_State *L)
{
  lua_pushnil(L);
  while (lua_next(L, 2)) {
    const char *key;
    int i = 0;
    if (lua_type(L, -2) != LUA_TSTRING)
      luaL_error(L, "options are named, not numbered");
    key = lua_tostring(L, -2);
    while (i < 3 && strcmp(key, std_names[i]) != 0)
      i++;
    if (i == 3)
      luaL_error(L, "unknown option '%s'", key);
    lua_pop(L, 1);
  }
}

/* lp gets a process with three descriptors: 0, or -errno, and nothing is left of
 * it. *i: the descriptor that an error is about. */
static int make_process(struct lprocess *lp, const struct std std[3], int *i)
{
  struct fdemu_proc *p = fdemu_proc_new(lp->lk->k);
  struct fdemu_file *f[3];
  int fds[3], error;

  if (p == NULL)
    return -ENOMEM;
  set_process(lp, p);
  *i = 0;
  error = fdemu_reserve(p, fds, 3);
  if (error < 0)
    goto fail_exit;
  for (; *i < 3; ++*i) {
    error = std_file(lp, *i, &std[*i], &f[*i]);
    if (error < 0)
      goto fail_put;
  }
  for (int n = 0; n < 3; n++) {
    fdemu_fill(p, fds[n], f[n], false);
    if (std[n].s == NULL)
      ldesc_sink(std[n].d);
  }
  fdemu_set_initial(p);
  return 0;

fail_put:
  for (int n = 0; n < *i; n++)
    fdemu_file_put(f[n]);
  fdemu_unreserve(p, fds, 3);
fail_exit:
  fdemu_proc_end(p);
  return error;
}

/* k:process{stdin=, stdout=, stderr=} */
int lproc_new(lua_State *L)
{
  struct lkernel *lk = lkernel_check(L, 1);
  struct lprocess *lp;
  struct std std[3];
  int error, i = 0;

  lua_settop(L, 2);
  if (lua_isnil(L, 2)) {
    lua_newtable(L);
    lua_replace(L, 2);
  }
  larg_type(L, 2, LUA_TTABLE);
  check_options(L);
  for (int n = 0; n < 3; n++) {
    lua_getfield(L, 2, std_names[n]);
    std[n] = check_std(L, lk, n);
  }
  lk->L = L;
  llimit_check(L, lk);
  lcall_set_origin(L, lk);
  lp = push_process(L, lk);
  error = make_process(lp, std, &i);
  if (error == -ENOMEM)
    return llimit_no_memory(L, lk);
  if (error == -ENFILE || error == -EMFILE) {
    llimit_check(L, lk);
    return luaL_error(L, "no descriptors for stdin, stdout and stderr");
  }
  if (error < 0)
    return luaL_error(L, "the host's %s is closed", std_names[i]);
  return 1;
}

/* p:captured(fd) -> string: also when the process has closed it, or exited */
static int proc_captured(lua_State *L)
{
  struct lprocess *lp = check_any(L);
  int fd = lproc_fd(L, 2);
  const char *s;
  size_t n;

  larg_check(L, fd >= 0 && fd < 3 && lp->captured[fd] != NULL, 2,
             "this descriptor was not made with \"capture\"");
  s = fdemu_capture_data(lp->captured[fd], &n);
  lua_pushlstring(L, s, n);
  return 1;
}

static int proc_tostring(lua_State *L)
{
  const struct lprocess *lp = larg_udata(L, 1, LFD_PROCESS);

  lua_pushfstring(L, "%s: %d%s", LFD_PROCESS, lp->pid,
                  lp->lk->k == NULL || lp->p == NULL || !fdemu_alive(lp->p)
                      ? " (exited)"
                      : "");
  return 1;
}

/* Every process of lk has exited, without a call. */
void lproc_exited(struct lkernel *lk)
{
  struct fdemu_list *n;

  for (n = lk->processes.next; n != &lk->processes; n = n->next)
    fdemu_entry(n, struct lprocess, link)->tag = NULL;
}

/* Give back the references: the userdata or the kernel goes away. */
void lproc_forget(struct lprocess *lp)
{
  fdemu_list_remove(&lp->link);
  for (int i = 0; i < 3; i++)
    if (lp->captured[i] != NULL)
      fdemu_inode_put(lp->captured[i]);
  memset(lp->captured, 0, sizeof lp->captured);
  if (lp->p != NULL)
    fdemu_proc_put(lp->p);
  lp->p = NULL;
  lp->tag = NULL;
}

static int proc_gc(lua_State *L)
{
  struct lprocess *lp = larg_udata(L, 1, LFD_PROCESS);

  lp->lk->L = L;
  if (lp->lk->k != NULL)
    lproc_forget(lp);
  return 0;
}

/* __close: the process exits */
static int proc_close_scope(lua_State *L)
{
  const struct lprocess *lp = larg_udata(L, 1, LFD_PROCESS);

  lua_settop(L, 1);
  return lp->lk->k != NULL && lp->p != NULL && fdemu_alive(lp->p) ? proc_exit(L)
                                                                  : 0;
}

static const luaL_Reg methods[] = {
  { "fork", proc_fork },
  { "exec", proc_exec },
  { "exit", proc_exit },
  { "wait", proc_wait },
  { "getpid", proc_getpid },
  { "getrlimit", proc_getrlimit },
  { "setrlimit", proc_setrlimit },
  { "spawn", proc_spawn },
  { "description", proc_description },
  { "install", proc_install },
  { "host", proc_host },
  { "captured", proc_captured },
  { NULL, NULL },
};

static const luaL_Reg metamethods[] = {
  { "__tostring", proc_tostring },
  { "__gc", proc_gc },
  { "__close", proc_close_scope },
  { NULL, NULL },
};

/* All methods: the system calls, by what they are about. */
static const luaL_Reg *const groups[] = {
  methods,         lio_methods,    lfd_methods,    lpoll_methods,
  levent_methods,  lepoll_methods, lfcntl_methods, lfile_methods,
  lsocket_methods, lname_methods,  lmove_methods,  NULL,
};

int lproc_open(lua_State *L)
{
  luaL_newmetatable(L, LFD_PROCESS);
  luaL_setfuncs(L, metamethods, 0);
  lua_newtable(L);
  for (int i = 0; groups[i] != NULL; i++)
    larg_register(L, groups[i], -2);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  return 0;
}
