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

/* Push a Process for p, whose reference it takes over. */
static struct lprocess *push_process(lua_State *L, struct lkernel *lk)
{
  struct lprocess *lp = lcompat_newuserdata(L, sizeof *lp);

  memset(lp, 0, sizeof *lp);
  lp->lk = lk;
  fdemu_list_append(&lk->processes, &lp->link);
  luaL_setmetatable(L, LFD_PROCESS);
  lkernel_push(L, lk); /* whoever holds a Process holds its kernel */
  lua_setiuservalue(L, -2, 1);
  return lp;
}

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
  if (d->floating)
    d->floating = false; /* its reference is the descriptor's now */
  else
    fdemu_file_get(d->file);
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
  hostfd = fcntl(hostfd, F_DUPFD_CLOEXEC, 0);
  if (hostfd < 0)
    return lcall_error(L, -errno, NULL);
  error = fdemu_host_new(lp->lk->k, hostfd, true, &f);
  if (error < 0) {
    close(hostfd);
    return lcall_error(L, error, NULL);
  }
  lcall_set_origin(L, lp->lk);
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

/* A description, a reference to which is the caller's, from an option. */
static int std_file(lua_State *L, struct lprocess *lp, int i,
                    struct fdemu_file **f)
{
  struct fdemu_kernel *k = lp->lk->k;
  size_t n;
  const char *s = NULL;
  int error;

  *f = NULL;
  if (luaL_testudata(L, -1, LFD_DESCRIPTION) != NULL) {
    struct ldesc *d = ldesc_check(L, lua_gettop(L));
    if (d->lk != lp->lk)
      return luaL_error(L, "option '%s' is a description of another kernel",
                        std_names[i]);
    *f = d->file;
    if (d->floating)
      d->floating = false;
    else
      fdemu_file_get(*f);
    return 0;
  }
  if (lua_isnil(L, -1))
    s = i == 0 ? "null" : "host";
  else if (lua_type(L, -1) == LUA_TSTRING)
    s = lua_tolstring(L, -1, &n);
  else
    return luaL_error(L, "option '%s' must be a string or a Description",
                      std_names[i]);
  if (strcmp(s, "null") == 0) {
    *f = fdemu_null_new(k, i == 0 ? O_RDONLY : O_WRONLY);
    return *f != NULL ? 0 : -ENOMEM;
  }
  if (strcmp(s, "host") == 0)
    return fdemu_host_new(k, i, false, f);
  if (strcmp(s, "capture") != 0 && i != 0)
    return luaL_error(L,
                      "option '%s' must be \"null\", \"host\", \"capture\" or"
                      " a Description, not '%s'",
                      std_names[i], s);
  if (strcmp(s, "capture") == 0)
    n = 0;
  *f = fdemu_capture_new(k, s, n);
  error = *f != NULL ? 0 : -ENOMEM;
  if (error == 0 && (i != 0 || n == 0)) {
    lp->captured[i] = (*f)->inode;
    fdemu_inode_get(lp->captured[i]);
  }
  return error;
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

/* k:process{stdin=, stdout=, stderr=} */
int lproc_new(lua_State *L)
{
  struct lkernel *lk = lkernel_check(L, 1);
  struct lprocess *lp;
  struct fdemu_file *f;
  struct fdemu_proc *p;
  int error;

  lua_settop(L, 2);
  if (lua_isnil(L, 2)) {
    lua_newtable(L);
    lua_replace(L, 2);
  }
  larg_type(L, 2, LUA_TTABLE);
  check_options(L);
  lk->L = L;
  llimit_check(L, lk);
  lp = push_process(L, lk);
  p = fdemu_proc_new(lk->k);
  if (p == NULL)
    return llimit_no_memory(L, lk);
  set_process(lp, p);
  lcall_set_origin(L, lk);
  for (int i = 0; i < 3; i++) {
    lua_getfield(L, 2, std_names[i]);
    error = std_file(L, lp, i, &f);
    if (error == -ENOMEM)
      return llimit_no_memory(L, lk);
    if (error < 0)
      return luaL_error(L, "the host's %s is closed", std_names[i]);
    if (fdemu_install(p, f, 0, false) < 0) {
      fdemu_file_put(f);
      llimit_check(L, lk);
      return luaL_error(L, "no descriptor for %s", std_names[i]);
    }
    lua_pop(L, 1);
  }
  fdemu_set_initial(p);
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
