-- name_spec.lua - the name space from Lua: directories, links, permissions.
-- Every result is what Linux 6.18 gives to a user who is not root.

local fdemu = require "fdemu"
local steps = require "spec.helper_steps"

local fails = steps.fails

describe("names", function()
  local k, p

  before_each(function()
    k = fdemu.kernel { nofile = 32 }
    p = k:process { stdout = "null", stderr = "null" }
  end)

  after_each(function() k:close() end)

  describe("of directories", function()
    it("come in the order in which they were made", function()
      for _, name in ipairs { "b", "a", "c" } do assert(p:mkdir(name)) end
      assert(p:rmdir("a"))
      assert(p:mkdir("a"))
      local fd = p:open("/")
      local names, types = p:readdir(fd)
      assert.equal(". .. dev tmp proc b c a", table.concat(names, " "))
      assert.equal(fdemu.DT_DIR, types[6])
      assert.same({}, (p:readdir(fd)))
      assert.equal(0, p:lseek(fd, 0, fdemu.SEEK_SET))
      assert.equal(8, #p:readdir(fd))
    end)

    it("count the directories in them as links", function()
      assert(p:mkdir("a"))
      assert.equal(2, p:stat("a").st_nlink)
      assert(p:mkdir("a/b"))
      assert.equal(3, p:stat("a").st_nlink)
      fails("ENOTEMPTY", p:rmdir("a"))
      assert(p:rmdir("a/b"))
      assert(p:rmdir("a"))
      fails("ENOENT", p:stat("a"))
    end)

    it("are what openat and its relatives begin at", function()
      assert(p:mkdir("a"))
      local dir = p:open("a", fdemu.O_DIRECTORY)
      assert.equal(0, p:mkdirat(dir, "b"))
      assert.equal(fdemu.S_IFDIR | 448, p:fstatat(dir, "b").st_mode & ~63)
      assert.equal(0, p:renameat2(dir, "b", fdemu.AT_FDCWD, "c"))
      fails("ENOENT", p:openat(dir, "b"))
      assert.equal(4, p:openat(dir, "../c"))
      assert.equal(0, p:unlinkat(fdemu.AT_FDCWD, "c", fdemu.AT_REMOVEDIR))
      fails("EBADF", p:openat(17, "x"))
    end)

    it("are where a process is, and where it stays when they move", function()
      assert.equal("/", p:getcwd())
      assert(p:mkdir("a"))
      assert(p:mkdir("b"))
      assert.equal(0, p:chdir("a"))
      assert.equal("/a", p:getcwd())
      assert(p:rename("/a", "/b/x"))
      assert.equal("/b/x", p:getcwd())
      assert(p:rmdir("/b/x"))
      fails("ENOENT", p:getcwd())
      fails("ENOENT", p:mkdir("y"))
      assert.equal(0, p:chdir(".."))
      assert.equal("/b", p:getcwd())
    end)

    it("are inherited with the umask by a child", function()
      assert.equal(18, p:umask(63))
      assert(p:mkdir("a"))
      assert(p:chdir("a"))
      local child = p:fork()
      assert.equal("/a", child:getcwd())
      assert(child:mkdir("b", 511))
      assert.equal(448, p:stat("b").st_mode & 511)
      child:exit(0)
    end)

    it("cannot be written, and give EISDIR to a read", function()
      fails("EISDIR", p:open("/", fdemu.O_RDWR))
      fails("EISDIR", p:open("/", "w"))
      fails("EISDIR", p:read(p:open("/"), 10))
      fails("ENOTDIR", p:readdir(p:open("/dev/null")))
    end)
  end)

  describe("of links", function()
    it("lead where they say, from where they are", function()
      assert(p:mkdir("a"))
      assert(p:symlink("../dev", "a/l"))
      assert.equal("../dev", p:readlink("a/l"))
      assert.equal(fdemu.S_IFCHR, p:stat("a/l/null").st_mode & fdemu.S_IFMT)
      assert.equal(fdemu.S_IFLNK | 511, p:lstat("a/l").st_mode)
      fails("EINVAL", p:readlink("a"))
      fails("ELOOP", p:open("a/l", fdemu.O_NOFOLLOW))
    end)

    it("that lead to themselves give ELOOP", function()
      assert(p:symlink("y", "x"))
      assert(p:symlink("x", "y"))
      fails("ELOOP", p:stat("x"))
      fails("ELOOP", p:open("x/z"))
    end)

    it("may be 40 on a way, and not 41", function()
      assert(p:mkdir("0"))
      for i = 1, 41 do assert(p:symlink(tostring(i - 1), tostring(i))) end
      assert.truthy(p:stat("40"))
      fails("ELOOP", p:stat("41"))
    end)

    it("count, if they are hard", function()
      assert(p:symlink("nowhere", "a"))
      assert.equal(0, p:link("a", "b"))
      assert.equal(2, p:lstat("a").st_nlink)
      assert.equal(p:lstat("a").st_ino, p:lstat("b").st_ino)
      assert(p:unlink("a"))
      assert.equal(1, p:lstat("b").st_nlink)
      assert(p:mkdir("d"))
      fails("EPERM", p:link("d", "e"))
    end)
  end)

  describe("that are renamed", function()
    it("take the place of what was there", function()
      assert(p:symlink("1", "a"))
      assert(p:symlink("2", "b"))
      assert.equal(0, p:rename("a", "b"))
      assert.equal("1", p:readlink("b"))
      fails("ENOENT", p:readlink("a"))
    end)

    it("swap places, or do not, as the flags say", function()
      assert(p:symlink("1", "a"))
      assert(p:mkdir("b"))
      local at = fdemu.AT_FDCWD
      fails("EEXIST", p:renameat2(at, "a", at, "b", fdemu.RENAME_NOREPLACE))
      assert(p:renameat2(at, "a", at, "b", fdemu.RENAME_EXCHANGE))
      assert(p:renameat2(at, "a", at, "c", fdemu.RENAME_WHITEOUT))
      assert.equal(fdemu.S_IFCHR, p:stat("a").st_mode) -- 0:0, for overlays
      assert.equal(0, p:stat("a").st_rdev)
      assert(p:unlink("a"))
      assert(p:rename("c", "a"))
      assert.equal("1", p:readlink("b"))
      assert.equal(fdemu.S_IFDIR, p:stat("a").st_mode & fdemu.S_IFMT)
    end)

    it("cannot go into themselves", function()
      assert(p:mkdir("a"))
      fails("EINVAL", p:rename("a", "a/b"))
      assert(p:mkdir("a/c"))
      fails("ENOTEMPTY", p:rename("a/c", "a"))
    end)
  end)

  describe("that others own", function()
    it("can be looked at and not changed", function()
      fails("EACCES", p:mkdir("/dev/x"))
      fails("EACCES", p:unlink("/dev/null"))
      fails("EPERM", p:chmod("/dev/null", 511))
      fails("EPERM", p:chown("/dev/null", 1000))
      fails("EACCES", p:access("/dev", fdemu.W_OK))
      assert.equal(0, p:access("/dev/null", fdemu.R_OK | fdemu.W_OK))
    end)

    it("are searched only with permission", function()
      assert(p:mkdir("a"))
      assert(p:mkdir("a/b"))
      assert(p:chmod("a", 384))
      fails("EACCES", p:stat("a/b"))
      fails("EACCES", p:chdir("a"))
      assert(p:chmod("a", 64))
      assert.truthy(p:stat("a/b"))
      fails("EACCES", p:open("a"))
      fails("EACCES", p:mkdir("a/c"))
    end)
  end)

  describe("with O_PATH", function()
    it("are places that nothing can be done with", function()
      local fd = p:open("/dev", fdemu.O_PATH)
      assert.equal(fdemu.O_PATH, p:fcntl(fd, fdemu.F_GETFL))
      assert.equal(fdemu.S_IFDIR, p:fstat(fd).st_mode & fdemu.S_IFMT)
      fails("EBADF", p:readdir(fd))
      fails("EBADF", p:fchmod(fd, 511))
      fails("EBADF", p:flock(fd, fdemu.LOCK_SH))
      fails("EBADF", p:fcntl(fd, fdemu.F_SETFL, 0))
      assert.equal(fd + 1, p:dup(fd))
      assert.equal(fd + 2, p:openat(fd, "null", fdemu.O_RDWR))
      assert.equal(0, p:fchdir(fd))
      assert.equal("/dev", p:getcwd())
      local list = { { fd = fd, events = fdemu.POLLIN } }
      assert.equal(1, p:poll(list, 0))
      assert.equal(fdemu.POLLNVAL, list[1].revents)
    end)

    it("can be symbolic links", function()
      assert(p:symlink("x", "a"))
      local fd = p:open("a", fdemu.O_PATH | fdemu.O_NOFOLLOW)
      assert.equal("x", p:readlinkat(fd, ""))
    end)

    it("leave the file as it is, whatever other flags say", function()
      assert(p:close(assert(p:open("a", "w", tonumber("6755", 8)))))
      local before = p:stat("a")
      k:sleep(10)
      local flags = fdemu.O_PATH | fdemu.O_RDWR | fdemu.O_TRUNC
      local fd = assert(p:open("a", flags | fdemu.O_CREAT))
      assert.same(before, p:stat("a"))
      assert.equal(fdemu.O_PATH, p:fcntl(fd, fdemu.F_GETFL))
    end)
  end)

  it("are opened without flags that Linux does not know", function()
    local fd = assert(p:open("/dev/null", fdemu.O_RDWR | 0x3c | 0x80000000))
    assert.equal(fdemu.O_RDWR | fdemu.O_LARGEFILE, p:fcntl(fd, fdemu.F_GETFL))
    fd = assert(p:open("/dev/null", fdemu.O_SYNC & ~fdemu.O_DSYNC))
    assert.equal(fdemu.O_SYNC | fdemu.O_LARGEFILE, p:fcntl(fd, fdemu.F_GETFL))
  end)

  it("have the times of the virtual clock", function()
    assert(p:mkdir("a"))
    local before = p:stat("a").st_mtime
    k:sleep(10)
    assert(p:mkdir("a/b"))
    assert.equal(before + 10, p:stat("a").st_mtime)
    assert.equal(0, p:utime("a", 5, 7))
    assert.equal(5, p:stat("a").st_mtime)
    assert.equal(7, p:stat("a").st_atime)
    assert.equal(before + 10, p:stat("a").st_ctime)
  end)

  it("may have 255 bytes, and paths 4095", function()
    local name = ("x"):rep(255)
    assert(p:mkdir(name))
    fails("ENAMETOOLONG", p:mkdir(name .. "x"))
    assert.truthy(p:stat(("./"):rep(2047) .. "."))
    fails("ENAMETOOLONG", p:stat(("./"):rep(2048)))
  end)

  it("of devices are made with the directories that they are in", function()
    k:device("/a/b/thing", { read = function() return "x" end })
    assert.equal("x", p:read(p:open("/a/b/thing"), 1))
    fails("EACCES", p:unlink("/a/b/thing"))
    assert.has_error(function() k:device("/a/b", {}) end,
      "bad argument #1 to 'device' (Is a directory)")
    assert.has_error(function() k:device("/a/b/thing/x", {}) end,
      "bad argument #1 to 'device' (Not a directory)")
  end)

  it("in errors are the ones that were given", function()
    assert.same({ nil, "x/y: No such file or directory", 2 },
      { p:mkdir("x/y") })
  end)

  it("are where faults find them", function()
    k:inject { call = "mkdir", path = "/x*", errno = "ENOSPC" }
    fails("ENOSPC", p:mkdir("/x1"))
    assert.equal(0, p:mkdir("/y"))
  end)

  it("are shown in traces", function()
    local lines = {}
    k:trace(function(e) lines[#lines + 1] = tostring(e) end)
    p:mkdir("a", 448)
    p:renameat2(fdemu.AT_FDCWD, "a", fdemu.AT_FDCWD, "b",
      fdemu.RENAME_NOREPLACE)
    p:rmdir("b")
    p:symlink("t", "l")
    p:access("l", fdemu.R_OK)
    p:umask(18)
    k:trace(nil)
    assert.same({
      '[pid  1] mkdirat(AT_FDCWD, "a", 0700) = 0',
      '[pid  1] renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE) = 0',
      '[pid  1] unlinkat(AT_FDCWD, "b", AT_REMOVEDIR) = 0',
      '[pid  1] symlinkat("t", AT_FDCWD, "l") = 0',
      '[pid  1] faccessat2(AT_FDCWD, "l", R_OK, 0) = ' ..
        "-1 ENOENT (No such file or directory)",
      "[pid  1] umask(022) = 18",
    }, lines)
  end)
end)
