-- fifo_spec.lua - FIFOs: opening one waits for the other end; fifo(7).
-- Every result is what Linux 6.18 gives.

local fdemu = require "fdemu"
local steps = require "spec.helper_steps"

local fails = steps.fails

describe("a FIFO", function()
  local k, p

  before_each(function()
    k = fdemu.kernel { nofile = 32 }
    p = k:process { stdout = "null", stderr = "null" }
    assert.equal(0, p:mkfifo("f"))
  end)

  after_each(function() k:close() end)

  it("has a type and a mode", function()
    assert.equal(fdemu.S_IFIFO | 420, p:stat("f").st_mode)
  end)

  it("is opened when both ends are", function()
    local log = {}
    p:spawn(function()
      local r = p:open("f", "r")
      log[#log + 1] = "reader"
      local data = p:read(r, 10)
      log[#log + 1] = data
      local rest = p:read(r, 10)
      log[#log + 1] = rest
    end)
    p:spawn(function()
      k:sleep(1)
      assert.same({}, log)
      local w = p:open("f", fdemu.O_WRONLY)
      p:write(w, "hello")
      p:close(w)
    end)
    k:run()
    assert.same({ "reader", "hello", "" }, log)
    assert.equal(1, k:now())
  end)

  it("keeps a writer until there is a reader", function()
    local at
    p:spawn(function()
      local w = p:open("f", fdemu.O_WRONLY)
      at = k:now()
      p:write(w, "x")
    end)
    k:sleep(2)
    local r = p:open("f")
    assert.equal("x", p:read(r, 1))
    assert.equal(2, at)
  end)

  it("lets in who waited, even if the other has left again", function()
    local opened = false
    p:spawn(function()
      opened = p:open("f", "r") ~= nil
    end)
    k:sleep(1)
    p:close(p:open("f", fdemu.O_WRONLY))
    k:run()
    assert.is_true(opened)
  end)

  it("does not keep those who do not wait", function()
    fails("ENXIO", p:open("f", fdemu.O_WRONLY | fdemu.O_NONBLOCK))
    local r = p:open("f", fdemu.O_RDONLY | fdemu.O_NONBLOCK)
    assert.equal("", p:read(r, 1))
    local list = { { fd = r, events = fdemu.POLLIN } }
    assert.equal(0, p:poll(list, 0))
    local w = p:open("f", fdemu.O_WRONLY | fdemu.O_NONBLOCK)
    fails("EAGAIN", p:read(r, 1))
    p:close(w)
    assert.equal(1, p:poll(list, 0))
    assert.equal(fdemu.POLLHUP, list[1].revents)
  end)

  it("needs nobody else when it is opened for both", function()
    local fd = p:open("f", fdemu.O_RDWR)
    assert.equal(2, p:write(fd, "ab"))
    assert.equal("ab", p:read(fd, 10))
  end)

  it("forgets what is in it when nobody has it", function()
    local fd = p:open("f", fdemu.O_RDWR)
    p:write(fd, "ab")
    p:close(fd)
    fd = p:open("f", fdemu.O_RDWR | fdemu.O_NONBLOCK)
    fails("EAGAIN", p:read(fd, 10))
  end)

  it("that is removed still connects those who have it", function()
    local fd = p:open("f", fdemu.O_RDWR)
    assert(p:unlink("f"))
    assert.equal(1, p:write(fd, "x"))
    assert.equal("x", p:read(fd, 1))
    assert.equal(0, p:fstat(fd).st_nlink)
  end)

  it("is no longer waited for by a process that exits", function()
    local child = p:fork()
    child:spawn { function() child:open("f", "r") end, daemon = true }
    k:sleep(1)
    child:exit(0)
    fails("ENXIO", p:open("f", fdemu.O_WRONLY | fdemu.O_NONBLOCK))
  end)
end)

describe("/proc/self/fd", function()
  local k, p

  before_each(function()
    k = fdemu.kernel { nofile = 32 }
    p = k:process { stdout = "null", stderr = "null" }
  end)

  after_each(function() k:close() end)

  it("says where descriptors are, also after a rename", function()
    local fd = p:open("/a", "w")
    local link = "/proc/self/fd/" .. fd
    assert.equal("/a", p:readlink(link))
    p:rename("/a", "/b")
    assert.equal("/b", p:readlink("/dev/fd/" .. fd))
    p:unlink("/b")
    assert.equal("/b (deleted)", p:readlink(link))
    assert.equal(fdemu.S_IFLNK | 192, p:lstat(link).st_mode)
    assert.equal(64, p:lstat(link).st_size)
    fails("ENOENT", p:readlink("/proc/self/fd/30"))
    fails("ENOENT", p:readlink("/proc/self/fd/0" .. fd))
  end)

  it("names what has no name", function()
    local r = p:pipe()
    local ino = p:fstat(r).st_ino
    assert.equal("pipe:[" .. ino .. "]", p:readlink("/proc/self/fd/" .. r))
    local e = p:eventfd()
    assert.equal("anon_inode:[eventfd]", p:readlink("/proc/self/fd/" .. e))
    local ep = p:epoll_create1(0)
    assert.equal("anon_inode:[eventpoll]", p:readlink("/proc/self/fd/" .. ep))
    local m = p:memfd_create("m", 0)
    assert.equal("/memfd:m (deleted)", p:readlink("/proc/self/fd/" .. m))
    assert.equal(0, p:mkdir("d", 448))
    local t = p:open("d", fdemu.O_TMPFILE | fdemu.O_RDWR, 384)
    assert.equal("/d/#" .. p:fstat(t).st_ino .. " (deleted)",
      p:readlink("/proc/self/fd/" .. t))
    fails("EACCES", p:open("/proc/self/fd/" .. e)) -- it is root's, as Linux's
  end)

  it("opens files anew, with a position of their own", function()
    local fd = p:open("/a", fdemu.O_RDWR | fdemu.O_CREAT)
    p:write(fd, "hello")
    p:unlink("/a")
    local again = p:open("/proc/self/fd/" .. fd)
    assert.equal("hello", p:read(again, 10))
    fails("EBADF", p:write(again, "x"))
  end)

  it("leads to directories, and on from there to others", function()
    local root = p:open("/", fdemu.O_RDONLY | fdemu.O_DIRECTORY)
    local m = p:memfd_create("m", 0)
    p:write(m, "hello")
    local path = ("/proc/self/fd/%d/proc/self/fd/%d"):format(root, m)
    assert.equal("/memfd:m (deleted)", p:readlink(path))
    assert.equal("hello", p:read(p:open(path), 10))
  end)

  it("opens no socket, and nor does any other name of one", function()
    local s = p:socketpair(fdemu.AF_UNIX, fdemu.SOCK_STREAM, 0)
    fails("ENXIO", p:open("/proc/self/fd/" .. s))
    assert.equal(0, p:mknod("/s", fdemu.S_IFSOCK | 420))
    fails("ENXIO", p:open("/s"))
    assert.is_number(p:open("/s", fdemu.O_PATH))
  end)

  it("opens pipes without waiting", function()
    local r, w = p:pipe()
    local again = p:open("/proc/self/fd/" .. r, fdemu.O_WRONLY)
    assert.equal(1, p:write(again, "x"))
    assert.equal("x", p:read(r, 1))
    p:close(w)
    p:close(again)
    assert.equal("", p:read(r, 1))
  end)

  it("is what O_TMPFILE and O_PATH need", function()
    local fd = p:open("/tmp", fdemu.O_TMPFILE | fdemu.O_RDWR)
    p:write(fd, "x")
    local at = fdemu.AT_FDCWD
    assert.equal(0, p:linkat(at, "/proc/self/fd/" .. fd, at, "/t",
      fdemu.AT_SYMLINK_FOLLOW))
    local path = p:open("/t", fdemu.O_PATH)
    fails("EBADF", p:read(path, 1))
    assert.equal("x", p:read(p:open("/proc/self/fd/" .. path), 1))
  end)

  it("has a link for each descriptor", function()
    local fd = p:open("/proc/self/fd")
    assert.equal(". .. 0 1 2 3", table.concat((p:readdir(fd)), " "))
    fails("ENOENT", p:open("/proc/self/fd/x", "w"))
    fails("EPERM", p:unlink("/proc/self/fd/0"))
  end)

  it("is a directory that nobody changes", function()
    fails("ENOENT", p:open("/proc/self/fd/q", "w"))
    fails("ENOENT", p:mkdir("/proc/self/fd/q", 448))
    fails("EPERM", p:unlink("/proc/self/fd/0"))
    fails("EPERM", p:chmod("/proc/self/fd", 448))
    fails("EOPNOTSUPP", p:open("/proc/self/fd",
      fdemu.O_TMPFILE | fdemu.O_RDWR, 384))
    assert.equal(0, p:access("/proc/self/fd", fdemu.W_OK))
  end)

  it("opens no FIFO for packets", function()
    local r = p:pipe()
    fails("EINVAL", p:open("/proc/self/fd/" .. r,
      fdemu.O_RDWR | fdemu.O_DIRECT))
  end)
end)
