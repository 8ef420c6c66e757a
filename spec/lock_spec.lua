-- lock_spec.lua - record locks and OFD locks of fcntl, with tables as
-- luaposix's. Every result is what Linux 6.18 gives.
local fdemu = require "fdemu"
local checks = require "spec.helper_checks"
local steps = require "spec.helper_steps"

local contains, failure, fails = checks.contains, checks.failure, steps.fails

local RD, WR, UN = fdemu.F_RDLCK, fdemu.F_WRLCK, fdemu.F_UNLCK
local GETLK, SETLK, SETLKW = fdemu.F_GETLK, fdemu.F_SETLK, fdemu.F_SETLKW

-- The struct flock for bytes first to last; last nil: to the end.
local function lock(type, first, last)
  return { l_type = type, l_whence = fdemu.SEEK_SET, l_start = first or 0,
           l_len = last and last - first + 1 or 0 }
end

describe("record locks", function()
  local k, p, q, a, b

  before_each(function()
    k = fdemu.kernel()
    p = k:process { stdout = "null", stderr = "null" }
    a = p:open("/dev/zero", "r+")
    q = p:fork()
    b = q:open("/dev/zero", "r+")
  end)

  after_each(function() k:close() end)

  -- What holds the bytes first to last, as q sees it: "W 3-5", ...
  local function seen(first, last)
    local fl = assert(q:fcntl(b, GETLK, lock(WR, first, last)))
    if fl.l_type == UN then return "-" end
    return ("%s %d-%s"):format(fl.l_type == RD and "R" or "W", fl.l_start,
      fl.l_len == 0 and "" or fl.l_start + fl.l_len - 1)
  end

  -- All locks of p, from byte 0 on.
  local function all()
    local t, at = {}, 0
    while true do
      local s = seen(at)
      if s == "-" then return table.concat(t, " ") end
      t[#t + 1] = s
      local last = s:match("%-(%d+)$")
      if not last then return table.concat(t, " ") end
      at = math.tointeger(tonumber(last)) + 1
    end
  end

  local function set(type, first, last)
    assert.equal(0, p:fcntl(a, SETLK, lock(type, first, last)))
  end

  it("have Linux's numbers", function()
    local want = {
      F_GETLK = 5, F_SETLK = 6, F_SETLKW = 7, F_OFD_GETLK = 36,
      F_OFD_SETLK = 37, F_OFD_SETLKW = 38, F_RDLCK = 0, F_WRLCK = 1,
      F_UNLCK = 2,
    }
    for name, value in pairs(want) do
      assert.equal(value, fdemu[name], name)
    end
  end)

  it("are shared or exclusive between processes", function()
    set(RD, 0, 9)
    assert.equal(0, q:fcntl(b, SETLK, lock(RD, 5, 20)))
    fails("EAGAIN", q:fcntl(b, SETLK, lock(WR, 9, 9)))
    fails("EAGAIN", p:fcntl(a, SETLK, lock(WR, 9, 9)))
    assert.equal(0, p:fcntl(a, SETLK, lock(WR, 0, 4)))
  end)

  it("do not conflict within a process", function()
    local c = p:open("/dev/zero", "r+")
    set(WR, 0, 9)
    assert.equal(0, p:fcntl(c, SETLK, lock(WR, 5, 20)))
    assert.equal("W 0-20", all())
  end)

  it("split where another type or nothing is put into them", function()
    set(WR, 0, 99)
    set(RD, 40, 49)
    assert.equal("W 0-39 R 40-49 W 50-99", all())
    set(UN, 45, 59)
    assert.equal("W 0-39 R 40-44 W 60-99", all())
  end)

  it("merge with what they touch of their type", function()
    set(WR, 0, 9)
    set(WR, 20, 29)
    assert.equal("W 0-9 W 20-29", all())
    set(WR, 10, 19)
    assert.equal("W 0-29", all())
    set(RD, 30, 39)
    assert.equal("W 0-29 R 30-39", all())
    set(RD, 0, 29)
    assert.equal("R 0-39", all())
  end)

  it("reach to the end of any file with a length of 0", function()
    set(WR, 100)
    assert.equal("W 100-", all())
    assert.equal("-", seen(0, 99))
    assert.equal("W 100-", seen(1 << 40, 1 << 40))
    set(UN, 200, 299)
    assert.equal("W 100-199 W 300-", all())
  end)

  it("lie before the start with a negative length", function()
    assert.equal(0, p:fcntl(a, SETLK, { l_type = WR, l_start = 10,
                                        l_len = -4 }))
    assert.equal("W 6-9", all())
    fails("EINVAL", p:fcntl(a, SETLK, { l_type = WR, l_start = 3,
                                        l_len = -4 }))
  end)

  it("refuse a range that is none", function()
    local max = math.maxinteger
    local function try(fl)
      return p:fcntl(a, SETLK, fl)
    end
    fails("EINVAL", try { l_type = WR, l_start = -1 })
    fails("EINVAL", try { l_type = WR, l_whence = 3 })
    fails("EINVAL", try { l_type = 7 })
    fails("EOVERFLOW", try { l_type = WR, l_start = max, l_len = 2 })
    assert.equal(0, try { l_type = WR, l_start = max, l_len = 1 })
    fails("EBADF", p:fcntl(99, SETLK, lock(WR)))
  end)

  it("need the access that they are about", function()
    local r, w = p:open("/dev/zero", "r"), p:open("/dev/zero", "w")
    fails("EBADF", p:fcntl(r, SETLK, lock(WR)))
    fails("EBADF", p:fcntl(w, SETLK, lock(RD)))
    assert.equal(0, p:fcntl(r, SETLK, lock(UN)))
    assert.equal(UN, p:fcntl(r, GETLK, lock(WR)).l_type)
  end)

  it("count from the position with SEEK_CUR", function()
    k:device("/dev/disk", { seekable = true, read = function() return "" end,
      write = function(_, data) return #data end })
    local fd, fd2 = p:open("/dev/disk", "r+"), q:open("/dev/disk", "r+")
    p:lseek(fd, 50, fdemu.SEEK_SET)
    assert.equal(0, p:fcntl(fd, SETLK, { l_type = WR, l_start = -10,
      l_whence = fdemu.SEEK_CUR, l_len = 5 }))
    local fl = q:fcntl(fd2, GETLK, lock(RD))
    assert.same({ 40, 5, fdemu.SEEK_SET }, { fl.l_start, fl.l_len,
                                             fl.l_whence })
  end)

  describe("F_GETLK", function()
    it("gives the lock that is in the way, and whose it is", function()
      set(WR, 10, 19)
      assert.same({ l_type = WR, l_whence = 0, l_start = 10, l_len = 10,
                    l_pid = p:getpid() },
        q:fcntl(b, GETLK, lock(RD)))
    end)

    it("gives what it got with F_UNLCK if nothing is", function()
      set(RD, 10, 19)
      assert.same({ l_type = UN, l_whence = 1, l_start = 3, l_len = 4,
                    l_pid = 5 },
        q:fcntl(b, GETLK, { l_type = RD, l_whence = 1, l_start = 3,
                            l_len = 4, l_pid = 5 }))
    end)

    it("leaves the table that it got alone", function()
      local fl = lock(WR)
      set(WR, 10, 19)
      q:fcntl(b, GETLK, fl)
      assert.same(lock(WR), fl)
    end)

    it("does not see the process's own locks", function()
      set(WR, 0, 9)
      assert.equal(UN, p:fcntl(a, GETLK, lock(WR)).l_type)
    end)

    it("refuses F_UNLCK as a question", function()
      fails("EINVAL", p:fcntl(a, GETLK, lock(UN)))
    end)
  end)

  describe("go", function()
    it("with any descriptor of the file that the process closes", function()
      local other = p:open("/dev/zero", "r")
      set(WR, 0, 9)
      p:close(other)
      assert.equal("", all())
    end)

    it("with a descriptor that dup2 replaces", function()
      local other = p:dup(a)
      set(WR, 0, 9)
      p:dup2(0, other)
      assert.equal("", all())
    end)

    it("with the process", function()
      set(WR, 0, 9)
      p:exit(0)
      assert.equal("", all())
    end)

    it("not with what another process closes", function()
      set(WR, 0, 9)
      q:close(a)
      assert.equal("W 0-9", all())
    end)

    it("not along to a child", function()
      set(WR, 0, 9)
      local child = p:fork()
      fails("EAGAIN", child:fcntl(a, SETLK, lock(RD, 0, 9)))
    end)

    it("not with exec, unless that closes a descriptor", function()
      set(WR, 0, 9)
      p:exec()
      assert.equal("W 0-9", all())
      p:fcntl(a, fdemu.F_SETFD, fdemu.FD_CLOEXEC)
      p:exec()
      assert.equal("", all())
    end)
  end)

  describe("F_SETLKW", function()
    it("suspends only the task that has to wait", function()
      set(WR, 0, 9)
      local t = q:spawn(function()
        return q:fcntl(b, SETLKW, lock(WR, 5, 14)), k:now()
      end)
      k:sleep(3)
      assert.equal("waiting", t.status)
      set(UN, 0, 4)
      k:sleep(1)
      assert.equal("waiting", t.status)
      set(UN, 5, 5)
      k:sleep(1)
      assert.equal("waiting", t.status)
      set(UN, 6, 9)
      assert.same({ 0, 5 }, { t:join() })
    end)

    it("waits in the main chunk while tasks run", function()
      set(WR, 0, 9)
      p:spawn(function()
        k:sleep(2)
        p:close(a)
      end)
      assert.equal(0, q:fcntl(b, SETLKW, lock(WR)))
      assert.equal(2, k:now())
    end)

    it("waits whatever O_NONBLOCK says", function()
      q:fcntl(b, fdemu.F_SETFL, fdemu.O_NONBLOCK)
      set(WR, 0, 9)
      local t = q:spawn(function() return q:fcntl(b, SETLKW, lock(WR)) end)
      k:sleep(1)
      p:exit(0)
      assert.equal(0, t:join())
    end)

    it("gives the lock to who waits longest, then to the next", function()
      local order = {}
      set(WR, 0, 9)
      for i = 1, 4 do
        local child = p:fork()
        child:spawn(function()
          assert(child:fcntl(a, SETLKW, lock(WR, 0, 9)))
          order[#order + 1] = i
          k:sleep(1)
          child:exit(0)
        end)
        k:sleep(0)
      end
      k:sleep(1)
      assert.same({}, order)
      set(UN)
      assert.is_true(k:run())
      assert.same({ 1, 2, 3, 4 }, order)
      assert.equal(5, k:now())
    end)

    it("lets all readers in together", function()
      local n = 0
      set(WR, 0, 9)
      for _ = 1, 3 do
        local child = p:fork()
        child:spawn(function()
          assert(child:fcntl(a, SETLKW, lock(RD, 0, 9)))
          n = n + 1
        end)
      end
      k:sleep(1)
      set(RD, 0, 9)
      k:run()
      assert.equal(3, n)
    end)

    it("leaves nothing behind when it is cancelled", function()
      set(WR, 0, 9)
      local t = q:spawn(function() return q:fcntl(b, SETLKW, lock(WR)) end)
      k:sleep(1)
      t:cancel()
      set(UN)
      set(WR, 0, 9)
      assert.equal("W 0-9", all())
    end)

    it("gives EDEADLK to who closes a circle", function()
      local t
      set(WR, 0, 0)
      assert.equal(0, q:fcntl(b, SETLK, lock(WR, 1, 1)))
      t = q:spawn(function() return q:fcntl(b, SETLKW, lock(WR, 0, 0)) end)
      k:sleep(1)
      fails("EDEADLK", p:fcntl(a, SETLKW, lock(WR, 1, 1)))
      set(UN, 0, 0)
      assert.equal(0, t:join())
    end)

    it("sees a circle of several processes", function()
      local procs = { p }
      for i = 2, 5 do procs[i] = p:fork() end
      for i, proc in ipairs(procs) do
        assert.equal(0, proc:fcntl(a, SETLK, lock(WR, i, i)))
      end
      for i = 1, 4 do
        procs[i]:spawn { function()
          procs[i]:fcntl(a, SETLKW, lock(WR, i + 1, i + 1))
        end, daemon = true }
      end
      k:sleep(1)
      fails("EDEADLK", procs[5]:fcntl(a, SETLKW, lock(WR, 1, 1)))
    end)

    it("explains who has what it waits for", function()
      set(WR, 10, 19)
      local text = failure(q.fcntl, q, b, SETLKW, lock(RD))
      contains(text, ("process %d, fcntl(%d) on zero"):format(q:getpid(), b))
      contains(text, ("waits for a lock: process %d holds a write lock on "
        .. "bytes 10 to 19"):format(p:getpid()))
      set(RD, 0)
      text = failure(q.fcntl, q, b, SETLKW, lock(WR, 5, 5))
      contains(text, "holds a read lock on all bytes")
    end)
  end)

  describe("bad input", function()
    local function refused(...)
      return failure(p.fcntl, p, a, ...)
    end

    it("names the function, the argument and the field", function()
      contains(refused(SETLK), "bad argument #3 to 'fcntl'")
      contains(refused(SETLK, 1), "bad argument #3 to 'fcntl'")
      contains(refused(SETLK, {}), "#3 to 'fcntl' (field 'l_type' is missing)")
      contains(refused(SETLK, { l_type = "x" }),
        "field 'l_type' must be an integer, not a string")
      contains(refused(SETLK, { l_type = WR, l_start = 1.5 }),
        "field 'l_start' has no integer representation")
      contains(refused(SETLK, { l_type = WR, l_len = {} }),
        "field 'l_len' must be an integer, not a table")
      contains(refused(SETLK, { l_type = 1 << 20 }),
        "field 'l_type' does not fit")
      contains(refused(GETLK, { l_type = WR, l_pid = 1 << 40 }),
        "field 'l_pid' does not fit")
    end)

    it("may be a table that makes calls", function()
      local fl = setmetatable({}, { __index = function(_, name)
        p:write(1, "x")
        return name == "l_type" and WR or nil
      end })
      assert.equal(0, p:fcntl(a, SETLK, fl))
      assert.equal("W 0-", all())
    end)
  end)

  it("are shown in the trace with their fields", function()
    local lines = {}
    k:trace(function(event) lines[#lines + 1] = tostring(event) end)
    set(WR, 10, 19)
    q:fcntl(b, GETLK, lock(RD))
    q:fcntl(b, SETLK, { l_type = RD, l_whence = 9, l_start = -1 })
    p:flock(a, fdemu.LOCK_EX | fdemu.LOCK_NB)
    k:trace(nil)
    assert.same({
      "[pid  1] fcntl(3, F_SETLK, {l_type=F_WRLCK, l_whence=SEEK_SET, "
        .. "l_start=10, l_len=10}) = 0",
      "[pid  2] fcntl(4, F_GETLK, {l_type=F_WRLCK, l_whence=SEEK_SET, "
        .. "l_start=10, l_len=10, l_pid=1}) = 0",
      "[pid  2] fcntl(4, F_SETLK, {l_type=F_RDLCK, l_whence=0x9 /* SEEK_??? */, "
        .. "l_start=-1, l_len=0}) = -1 EINVAL (Invalid argument)",
      "[pid  1] flock(3, LOCK_EX|LOCK_NB) = 0",
    }, lines)
  end)
end)

describe("OFD locks", function()
  local OFD_GETLK, OFD_SETLK = fdemu.F_OFD_GETLK, fdemu.F_OFD_SETLK
  local OFD_SETLKW = fdemu.F_OFD_SETLKW
  local k, p, a, b

  before_each(function()
    k = fdemu.kernel()
    p = k:process { stdout = "null", stderr = "null" }
    a, b = p:open("/dev/zero", "r+"), p:open("/dev/zero", "r+")
  end)

  after_each(function() k:close() end)

  it("belong to the description, within one process too", function()
    assert.equal(0, p:fcntl(a, OFD_SETLK, lock(WR, 0, 9)))
    fails("EAGAIN", p:fcntl(b, OFD_SETLK, lock(RD, 9, 9)))
    assert.equal(0, p:fcntl(p:dup(a), OFD_SETLK, lock(RD, 0, 9)))
    assert.equal(0, p:fcntl(b, OFD_SETLK, lock(RD, 9, 9)))
  end)

  it("are shared across fork and go with the last descriptor", function()
    assert.equal(0, p:fcntl(a, OFD_SETLK, lock(WR, 0, 9)))
    local q, dup = p:fork(), p:dup(a)
    assert.equal(0, q:fcntl(a, OFD_SETLK, lock(WR, 0, 9)))
    p:close(a)
    fails("EAGAIN", p:fcntl(b, OFD_SETLK, lock(WR, 0, 9)))
    p:close(dup)
    fails("EAGAIN", p:fcntl(b, OFD_SETLK, lock(WR, 0, 9)))
    q:exit(0)
    assert.equal(0, p:fcntl(b, OFD_SETLK, lock(WR, 0, 9)))
  end)

  it("conflict with a process's own record locks", function()
    assert.equal(0, p:fcntl(a, SETLK, lock(WR, 0, 9)))
    fails("EAGAIN", p:fcntl(a, OFD_SETLK, lock(WR, 5, 5)))
    assert.equal(p:getpid(), p:fcntl(a, OFD_GETLK, lock(RD)).l_pid)
  end)

  it("are nobody's when they are asked for", function()
    assert.equal(0, p:fcntl(a, OFD_SETLK, lock(WR, 3, 5)))
    assert.same({ l_type = WR, l_whence = 0, l_start = 3, l_len = 3,
                  l_pid = -1 }, p:fcntl(b, GETLK, lock(RD)))
    assert.equal(UN, p:fcntl(a, OFD_GETLK, lock(RD)).l_type)
    assert.equal(WR, p:fcntl(a, OFD_GETLK, lock(UN)).l_type)
    assert.equal(UN, p:fcntl(b, OFD_GETLK, lock(UN)).l_type)
  end)

  it("refuse a pid", function()
    for _, cmd in ipairs { OFD_GETLK, OFD_SETLK, OFD_SETLKW } do
      fails("EINVAL", p:fcntl(a, cmd, { l_type = WR, l_pid = 1 }))
    end
  end)

  it("wait with F_OFD_SETLKW, and explain who has the lock", function()
    assert.equal(0, p:fcntl(a, OFD_SETLK, lock(WR)))
    local t = p:spawn(function() return p:fcntl(b, OFD_SETLKW, lock(WR)) end)
    k:sleep(1)
    assert.equal("waiting", t.status)
    local text = failure(t.join, t)
    contains(text, ("zero #%d has a write lock on all bytes: process 1 holds "
      .. "it as descriptor %d"):format(p:description(a).id, a))
    p:close(a)
    assert.equal(0, t:join())
  end)

  it("do not look for deadlocks", function()
    assert.equal(0, p:fcntl(a, OFD_SETLK, lock(WR, 0, 0)))
    assert.equal(0, p:fcntl(b, OFD_SETLK, lock(WR, 1, 1)))
    local t = p:spawn { function()
      return p:fcntl(a, OFD_SETLKW, lock(WR, 1, 1))
    end, daemon = true }
    contains(failure(p.fcntl, p, b, OFD_SETLKW, lock(WR, 0, 0)), "deadlock")
    t:cancel()
  end)
end)
