-- misuse_spec.lua - descriptors that are used after they were closed
local fdemu = require "fdemu"
local checks = require "spec.helper_checks"

local contains, failure = checks.contains, checks.failure

local FILE = debug.getinfo(1, "S").short_src

describe("misuse", function()
  local k, p, r, w
  local made, closed

  local function start(options)
    options.origins = true
    k = fdemu.kernel(options)
    p = k:process { stdout = "null", stderr = "null" }
    r, w = p:pipe() made = debug.getinfo(1, "l").currentline
    p:close(r) closed = debug.getinfo(1, "l").currentline
  end

  before_each(function() start {} end)
  after_each(function() k:close() end)

  -- The places of descriptor r, as texts have them.
  local function places()
    return ("closed at %s:%d, and made at %s:%d")
      :format(FILE, closed, FILE, made)
  end

  it("is a double close, which still fails as on Linux", function()
    local line = debug.getinfo(1, "l").currentline + 1
    assert.same({ nil, "Bad file descriptor", 9 }, { p:close(r) })
    local all = k:misuse()
    assert.equal(1, #all)
    assert.same({ pid = 1, fd = r, call = "close", count = 1,
      where = FILE .. ":" .. line, closed = FILE .. ":" .. closed,
      made = FILE .. ":" .. made }, all[1])
    assert.equal(("process 1, close of descriptor %d at %s:%d: it was %s")
      :format(r, FILE, line, places()), tostring(all[1]))
  end)

  it("is any call on a closed descriptor", function()
    p:read(r, 1)
    p:dup2(r, 9)
    p:dup3(r, 9)
    p:poll({ { fd = w, events = 0 }, { fd = r, events = 0 } }, 0)
    p:select({ w, r }, nil, nil, 0)
    local ep = p:epoll_create1()
    p:epoll_ctl(ep, fdemu.EPOLL_CTL_ADD, r, fdemu.EPOLLIN)
    local calls = {}
    for i, row in ipairs(k:misuse()) do
      calls[i] = row.call
      contains(tostring(row), places())
    end
    -- epoll_create1() has taken the number of r
    assert.same({ "read", "dup2", "dup3", "poll", "pselect6" }, calls)
    local one, two = p:pipe()
    p:close(two)
    p:epoll_ctl(ep, fdemu.EPOLL_CTL_ADD, two, fdemu.EPOLLIN)
    assert.equal("epoll_ctl", k:misuse()[6].call)
    p:close(one)
  end)

  it("is a directory to begin at, and p:description()", function()
    p:openat(r, "x")
    p:rename("x", "y") -- which is not
    p:renameat2(fdemu.AT_FDCWD, "x", r, "y")
    assert.same({ nil, "Bad file descriptor", 9 }, { p:description(r) })
    assert.is_nil((p:description(99)))
    local calls = {}
    for i, row in ipairs(k:misuse()) do
      calls[i] = row.call
      assert.equal(r, row.fd)
    end
    assert.same({ "openat", "renameat2", "description" }, calls)
    local d = p:description(w)
    p:close(w)
    contains(failure(p.install, p, d), "description is closed")
  end)

  it("is not a number that was never open, or is again", function()
    p:close(99)
    p:read(-1, 1)
    p:dup2(w, -1)
    assert.equal(r, p:dup(w))
    p:read(r, 1) -- a write end
    assert.same({}, k:misuse())
  end)

  it("is not an error that was injected", function()
    k:inject { call = "write", errno = "EBADF" }
    p:write(w, "x")
    assert.same({}, k:misuse())
  end)

  it("has one row for a line that does it again", function()
    for _ = 1, 3 do p:close(r) end
    assert.equal(1, #k:misuse())
    assert.equal(3, k:misuse()[1].count)
  end)

  it("knows of close_range and exec, and of the parent", function()
    local q = p:fork()
    q:close(r)
    q:fcntl(w, fdemu.F_SETFD, fdemu.FD_CLOEXEC)
    q:exec() local exec = debug.getinfo(1, "l").currentline
    q:close(w)
    p:close_range(w, w)
    p:close(w)
    local all = k:misuse()
    assert.equal(FILE .. ":" .. closed, all[1].closed)
    assert.equal(FILE .. ":" .. exec, all[2].closed)
    assert.equal(1, all[3].pid)
  end)

  it("knows lines of callers through C functions", function()
    local line = debug.getinfo(1, "l").currentline + 1
    pcall(p.close, p, r)
    assert.equal(FILE .. ":" .. line, k:misuse()[1].where)
  end)

  it("is shown in a trace", function()
    local lines = {}
    k:trace(function(event) lines[#lines + 1] = tostring(event) end)
    p:close(r)
    p:close(99)
    assert.same({
      ("[pid  1] close(%d) = -1 EBADF (Bad file descriptor) (%d was %s)")
        :format(r, r, places()),
      "[pid  1] close(99) = -1 EBADF (Bad file descriptor)",
    }, lines)
  end)

  it("is raised by p:description() if the kernel is strict", function()
    start { strict = true }
    contains(failure(function() p:description(r) end), places())
    assert.is_truthy(p:description(w))
  end)

  it("is raised if the kernel is strict", function()
    k:close()
    start { strict = true }
    local text = failure(function() p:close(r) end)
    contains(text, FILE .. ":" .. debug.getinfo(1, "l").currentline - 1)
    contains(text, "close of descriptor " .. r)
    contains(text, places())
    local task = k:spawn(function() return p:read(r, 1) end)
    contains(failure(task.join, task), "read of descriptor " .. r)
    assert.same({ nil, "Bad file descriptor", 9 }, { p:close(99) })
    assert.equal(0, p:close(w))
    assert.equal(2, #k:misuse())
  end)

  it("is not looked for without origins", function()
    local other = fdemu.kernel { strict = true }
    local q = other:process { stdout = "null", stderr = "null" }
    local one = q:pipe()
    q:close(one)
    assert.same({ nil, "Bad file descriptor", 9 }, { q:close(one) })
    assert.same({}, other:misuse())
    other:close()
  end)
end)
