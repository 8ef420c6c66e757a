/* lname.c - the name space from Lua: paths, directories, links, attributes */
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "lua/lfdemu.h"

#define PATH_SIZE 4096
#define AT(call)  (&fdemu_##call##_call)

/* ---- results ---------------------------------------------------------- */

static int path_result(lua_State *L, struct call *c)
{
  if (c->req.result < 0)
    return lcall_error(L, c->req.result, c->req.path);
  lua_pushinteger(L, (lua_Integer)c->req.result);
  return 1;
}

static int text_result(lua_State *L, struct call *c)
{
  if (c->req.result < 0)
    return lcall_error(L, c->req.result, c->req.path);
  lua_pushlstring(L, c->req.buf.iov_base, (size_t)c->req.result);
  return 1;
}

/* getcwd(2) counts the zero at the end. */
static int cwd_result(lua_State *L, struct call *c)
{
  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
  lua_pushlstring(L, c->req.buf.iov_base, (size_t)c->req.result - 1);
  return 1;
}

static int stat_result(lua_State *L, struct call *c)
{
  struct stat st;

  if (c->req.result < 0)
    return lcall_error(L, c->req.result, c->req.path);
  memcpy(&st, c->req.buf.iov_base, sizeof st);
  lfd_push_stat(L, &st);
  return 1;
}

/* A list of names, and one of their types (DT_*). */
static int names_result(lua_State *L, struct call *c)
{
  const char *s = c->req.buf.iov_base, *end = s + c->req.result;
  lua_Integer n = 0;

  if (c->req.result < 0)
    return lcall_error(L, c->req.result, NULL);
  lua_newtable(L);
  lua_newtable(L);
  while (s < end) {
    uint16_t size;
    memcpy(&size, s + offsetof(struct dirent, d_reclen), sizeof size);
    lua_pushstring(L, s + offsetof(struct dirent, d_name));
    lua_rawseti(L, -3, ++n);
    lua_pushinteger(L, (unsigned char)s[offsetof(struct dirent, d_type)]);
    lua_rawseti(L, -2, n);
    s += size;
  }
  return 2;
}

/* ---- arguments -------------------------------------------------------- */

static const char *check_path(lua_State *L, int index)
{
  size_t n;
  const char *path = larg_string(L, index, &n);

  larg_check(L, strlen(path) == n, index, "path contains a zero byte");
  return path;
}

/* An id; nil, like -1, leaves it as it is. */
static lua_Integer opt_id(lua_State *L, int index)
{
  lua_Integer id = larg_optinteger(L, index, -1);

  larg_check(L, id >= -1 && id <= UINT32_MAX, index,
             "number does not fit into an id");
  return (int)(uint32_t)id;
}

static void set_one(lua_State *L, struct fdemu_req *r, char letter, int index)
{
  switch (letter) {
  case 'd': r->fd = lproc_int(L, index); break;
  case 'n': r->arg = lproc_int(L, index); break;
  case 'p': r->path = check_path(L, index); break;
  case 'q': r->path2 = check_path(L, index); break;
  case 'm': r->arg = lproc_int(L, index); break;
  case 'M':
    if (!lua_isnoneornil(L, index))
      r->arg = lproc_int(L, index);
    break;
  case 'f': r->cmd |= (unsigned)lproc_optint(L, index); break;
  case 'u': r->arg = opt_id(L, index); break;
  case 'g': r->offset = opt_id(L, index); break;
  case 'o': r->offset = larg_integer(L, index); break;
  case 'O': r->offset = larg_optinteger(L, index, 0); break;
  default: break;
  }
}

/*
 * Make a call; args has a letter for each argument: d: descriptor of a
 * directory; n: of the second one; p, q: paths; m: a mode, or M: the default
 * arg; f: flags, in addition to cmd; u, g: user and group; o, O: a number, or
 * one that may be left out.
 */
struct form {
  const struct fdemu_call *call;
  const char *args;
  int64_t arg;
  int cmd;
  int (*result)(lua_State *L, struct call *c);
  size_t size; /* of the buffer that it fills */
};

static int make(lua_State *L, const struct form *form)
{
  struct lprocess *lp = lproc_check(L);
  struct fdemu_req r = { .fd = AT_FDCWD,
                         .arg = form->arg,
                         .cmd = (unsigned)form->cmd };
  struct call local, *c;

  for (int i = 0; form->args[i] != '\0'; i++)
    set_one(L, &r, form->args[i], i + 2);
  c = lcall_begin(L, lp->lk, &local, form->call);
  c->req.fd = r.fd;
  c->req.path = r.path;
  c->req.path2 = r.path2;
  c->req.arg = r.arg;
  c->req.cmd = r.cmd;
  c->req.offset = r.offset;
  c->result = form->result != NULL ? form->result : path_result;
  if (form->size > 0) {
    c->req.buf = (struct iovec){ lp->lk->scratch, form->size };
    c->keep = lcall_keep_copy;
  }
  return lcall_submit(L, lp->p, c);
}

/* ---- calls ------------------------------------------------------------ */

#define METHOD(name, ...) \
  static int proc_##name(lua_State *L) \
  { \
    static const struct form form = { __VA_ARGS__ }; \
    return make(L, &form); \
  }

METHOD(creat, .call = &fdemu_calls[FDEMU_OPEN], .args = "pM", .arg = 0666,
       .cmd = O_CREAT | O_WRONLY | O_TRUNC)
METHOD(mkdir, .call = AT(mkdirat), .args = "pM", .arg = 0777)
METHOD(mkdirat, .call = AT(mkdirat), .args = "dpM", .arg = 0777)
METHOD(mkfifo, .call = AT(mknodat), .args = "pM", .arg = 0666)
METHOD(mknod, .call = AT(mknodat), .args = "pmO")
METHOD(mknodat, .call = AT(mknodat), .args = "dpmO")
METHOD(unlink, .call = AT(unlinkat), .args = "p")
METHOD(rmdir, .call = AT(unlinkat), .args = "p", .cmd = AT_REMOVEDIR)
METHOD(unlinkat, .call = AT(unlinkat), .args = "dpf")
METHOD(rename, .call = AT(renameat2), .args = "pq", .arg = AT_FDCWD)
METHOD(renameat2, .call = AT(renameat2), .args = "dpnqf")
METHOD(link, .call = AT(linkat), .args = "pq", .arg = AT_FDCWD)
METHOD(linkat, .call = AT(linkat), .args = "dpnqf")
METHOD(symlink, .call = AT(symlinkat), .args = "qp")
METHOD(symlinkat, .call = AT(symlinkat), .args = "qdp")
METHOD(readlink, .call = AT(readlinkat), .args = "p", .result = text_result,
       .size = PATH_SIZE)
METHOD(readlinkat, .call = AT(readlinkat), .args = "dp", .result = text_result,
       .size = PATH_SIZE)
METHOD(stat, .call = AT(newfstatat), .args = "p", .result = stat_result,
       .size = sizeof(struct stat))
METHOD(lstat, .call = AT(newfstatat), .args = "p", .cmd = AT_SYMLINK_NOFOLLOW,
       .result = stat_result, .size = sizeof(struct stat))
METHOD(fstatat, .call = AT(newfstatat), .args = "dpf", .result = stat_result,
       .size = sizeof(struct stat))
METHOD(access, .call = AT(faccessat2), .args = "pM")
METHOD(faccessat, .call = AT(faccessat2), .args = "dpMf")
METHOD(chmod, .call = AT(fchmodat2), .args = "pm")
METHOD(fchmodat, .call = AT(fchmodat2), .args = "dpmf")
METHOD(fchmod, .call = AT(fchmod), .args = "dm")
METHOD(chown, .call = AT(fchownat), .args = "pug")
METHOD(lchown, .call = AT(fchownat), .args = "pug", .cmd = AT_SYMLINK_NOFOLLOW)
METHOD(fchownat, .call = AT(fchownat), .args = "dpugf")
METHOD(fchown, .call = AT(fchown), .args = "dug")
METHOD(truncate, .call = AT(truncate), .args = "po")
METHOD(chdir, .call = AT(chdir), .args = "p")
METHOD(fchdir, .call = AT(fchdir), .args = "d")
METHOD(getcwd, .call = AT(getcwd), .args = "", .result = cwd_result,
       .size = PATH_SIZE)
METHOD(umask, .call = AT(umask), .args = "m")
METHOD(readdir, .call = AT(getdents64), .args = "d", .result = names_result,
       .size = SCRATCH_SIZE)

/* mkfifo is a mknod of a type. */
static int proc_mkfifo_typed(lua_State *L)
{
  int mode = lua_isnoneornil(L, 3) ? 0666 : lproc_int(L, 3);

  lproc_check(L);
  lua_settop(L, 2);
  lua_pushinteger(L, S_IFIFO | (mode & 07777));
  return proc_mkfifo(L);
}

/* Seconds, or nil for now. */
static struct timespec opt_time(lua_State *L, int index)
{
  struct timespec ts = { 0, UTIME_NOW };
  lua_Number s, whole;

  if (lua_isnoneornil(L, index))
    return ts;
  s = larg_number(L, index);
  larg_check(L, s >= -9.2e18 && s <= 9.2e18, index, "time is out of range");
  whole = floor(s);
  ts.tv_sec = (time_t)whole;
  ts.tv_nsec = (long)((s - whole) * 1e9);
  return ts;
}

static int set_times(lua_State *L, int dirfd, int path, int atime, int mtime,
                     int flags)
{
  struct lprocess *lp = lproc_check(L);
  const char *name = check_path(L, path);
  struct timespec ts[2] = { opt_time(L, atime), opt_time(L, mtime) };
  struct call local, *c = lcall_begin(L, lp->lk, &local, &fdemu_utimensat_call);

  c->req.fd = dirfd;
  c->req.path = name;
  c->req.cmd = (unsigned)flags;
  memcpy(lp->lk->scratch, ts, sizeof ts);
  c->req.buf = (struct iovec){ lp->lk->scratch, sizeof ts };
  c->keep = lcall_keep_copy;
  c->result = path_result;
  return lcall_submit(L, lp->p, c);
}

/* p:utime(path [, mtime [, atime]]), as luaposix has it */
static int proc_utime(lua_State *L)
{
  return set_times(L, AT_FDCWD, 2, 4, 3, 0);
}

/* p:utimensat(dirfd, path, atime, mtime [, flags]) */
static int proc_utimensat(lua_State *L)
{
  lproc_check(L);
  return set_times(L, lproc_int(L, 2), 3, 4, 5, lproc_optint(L, 6));
}

#define M(name) \
  { \
#name, proc_##name \
  }

const luaL_Reg lname_methods[] = {
  M(creat),      M(mkdir),       M(mkdirat),   { "mkfifo", proc_mkfifo_typed },
  M(mknod),      M(mknodat),     M(unlink),    M(rmdir),
  M(unlinkat),   M(rename),      M(renameat2), M(link),
  M(linkat),     M(symlink),     M(symlinkat), M(readlink),
  M(readlinkat), M(stat),        M(lstat),     M(fstatat),
  M(access),     M(faccessat),   M(chmod),     M(fchmodat),
  M(fchmod),     M(chown),       M(lchown),    M(fchownat),
  M(fchown),     M(truncate),    M(chdir),     M(fchdir),
  M(getcwd),     M(umask),       M(readdir),   M(utime),
  M(utimensat),  { NULL, NULL },
};
