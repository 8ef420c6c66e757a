-- process_spec.lua - fork, exec, exit, wait, and what a process starts with.
-- Every result of a system call is what Linux 6.18 gives.

local fdemu = require "fdemu"
local shell = require "spec.helper_shell"
local steps = require "spec.helper_steps"

local fails = steps.fails

describe("a process", function()
  local k, p

  before_each(function()
    k = fdemu.kernel {}
    p = k:process { stdout = "null", stderr = "null" }
  end)

  after_each(function() k:close() end)

  it("has a number counted from 1", function()
    assert.equal(1, p:getpid())
    assert.equal(2, k:process({}):getpid())
    assert.equal(3, p:fork():getpid())
    assert.equal(1, p:getpid())
  end)

  describe("forked", function()
    it("has the same descriptors", function()
      local r, w = p:pipe2(fdemu.O_CLOEXEC)
      assert.equal(9, p:dup2(w, 9))
      local c = p:fork()
      assert.equal(1, c:fcntl(r, fdemu.F_GETFD))
      assert.equal(1, c:fcntl(w, fdemu.F_GETFD))
      assert.equal(0, c:fcntl(9, fdemu.F_GETFD))
      fails("EBADF", c:fcntl(5, fdemu.F_GETFD))
      assert.equal(5, c:dup(0))
    end)

    it("has a table of its own", function()
      local r, w = p:pipe()
      local c = p:fork()
      assert.equal(0, c:close(r))
      assert.equal(0, c:fcntl(w, fdemu.F_SETFD, 1))
      assert.equal(0, p:fcntl(r, fdemu.F_GETFD))
      assert.equal(0, p:fcntl(w, fdemu.F_GETFD))
      assert.equal(5, p:dup(0))
      fails("EBADF", c:fcntl(5, fdemu.F_GETFD))
      assert.equal(0, c:close_range(0, 100))
      assert.equal(1, p:write(w, "x"))
      assert.equal("x", p:read(r, 1))
    end)

    it("shares the descriptions", function()
      local r, w = p:pipe()
      local d = p:description(r)
      assert.equal(1, d.refs)
      local c = p:fork()
      assert.equal(2, d.refs)
      assert.equal(d, c:description(r))
      assert.equal(0, c:fcntl(r, fdemu.F_SETFL, fdemu.O_NONBLOCK))
      fails("EAGAIN", p:read(r, 1))
      assert.equal(5, c:write(w, "child"))
      assert.equal("child", p:read(r, 9))
      c:close(r)
      assert.equal(1, d.refs)
    end)

    it("shares the status flags", function()
      local r = p:pipe()
      local c = p:fork()
      assert.equal(0, c:fcntl(r, fdemu.F_SETFL, fdemu.O_NONBLOCK))
      assert.equal(fdemu.O_NONBLOCK, p:fcntl(r, fdemu.F_GETFL))
      assert.equal(0, p:fcntl(r, fdemu.F_SETFL, 0))
      assert.equal(0, c:fcntl(r, fdemu.F_GETFL))
    end)

    it("holds a pipe's ends open", function()
      local r, w = p:pipe()
      p:fcntl(r, fdemu.F_SETFL, fdemu.O_NONBLOCK)
      local c = p:fork()
      p:close(w)
      fails("EAGAIN", p:read(r, 1))
      c:close(w)
      assert.equal("", p:read(r, 1))
    end)

    it("talks to its parent through a pipe", function()
      local r, w = p:pipe()
      local c = p:fork()
      c:close(r)
      p:close(w)
      c:spawn(function()
        k:sleep(0.05)
        c:write(w, "hello, ")
        k:sleep(0.05)
        c:write(w, "parent")
        c:close(w)
      end)
      local got = {}
      p:spawn(function()
        repeat
          local data = assert(p:read(r, 100))
          got[#got + 1] = data
        until data == ""
      end)
      k:run()
      assert.same({ "hello, ", "parent", "" }, got)
    end)

    it("has the same limit", function()
      local small = fdemu.kernel { nofile = 8 }
      local c = small:process({}):fork()
      for fd = 3, 7 do assert.equal(fd, c:dup(0)) end
      fails("EMFILE", c:dup(0))
      small:close()
    end)

    it("copies 1000 descriptors", function()
      for _ = 3, 1002 do p:dup(0) end
      p:close(500)
      local c = p:fork()
      assert.equal(500, c:dup(0))
      assert.equal(1003, c:dup(0))
      assert.equal(500, p:dup(0))
      assert.equal(0, c:close(1002))
      assert.equal(0, p:fcntl(1002, fdemu.F_GETFD))
    end)

    it("shares a limit-free chain of forks", function()
      local r, w = p:pipe()
      local chain = { p }
      for i = 2, 10 do chain[i] = chain[i - 1]:fork() end
      for i = 1, 9 do chain[i]:close(w) end
      assert.equal(1, chain[10]:write(w, "x"))
      assert.equal("x", chain[5]:read(r, 9))
      chain[10]:close(w)
      assert.equal("", chain[3]:read(r, 9))
    end)
  end)

  describe("that execs", function()
    it("closes its descriptors with FD_CLOEXEC, no others", function()
      local r, w = p:pipe2(fdemu.O_CLOEXEC)
      local r2, w2 = p:pipe()
      local kept = p:dup(w)
      assert.equal(0, p:fcntl(0, fdemu.F_SETFD, fdemu.FD_CLOEXEC))
      assert.equal(0, p:exec())
      for _, fd in ipairs { r, w, 0 } do
        fails("EBADF", p:fcntl(fd, fdemu.F_GETFD))
      end
      for _, fd in ipairs { r2, w2, kept, 1, 2 } do
        assert.equal(0, p:fcntl(fd, fdemu.F_GETFD))
      end
      assert.equal(0, p:dup(1))
      assert.equal(1, p:getpid())
    end)

    it("leaves its parent's descriptors alone", function()
      local r, w = p:pipe2(fdemu.O_CLOEXEC)
      local c = p:fork()
      c:exec()
      assert.equal(1, p:write(w, "x"))
      assert.equal("x", p:read(r, 1))
      p:close(w)
      assert.equal("", p:read(r, 1))
    end)

    it("wakes who waited for an end that it closes", function()
      local r, w = p:pipe()
      local c = p:fork()
      c:fcntl(w, fdemu.F_SETFD, fdemu.FD_CLOEXEC)
      p:close(w)
      local task = p:spawn(function() return p:read(r, 1) end)
      k:spawn(function()
        k:sleep(0.05)
        c:exec()
      end)
      k:run()
      assert.equal("", (task:join()))
    end)
  end)

  describe("that exits", function()
    it("closes its descriptors", function()
      local r, w = p:pipe()
      local c = p:fork()
      p:close(w)
      p:fcntl(r, fdemu.F_SETFL, fdemu.O_NONBLOCK)
      fails("EAGAIN", p:read(r, 1))
      c:exit(0)
      assert.equal("", p:read(r, 1))
    end)

    it("wakes who waits for an end that it closes", function()
      local r, w = p:pipe()
      local c = p:fork()
      p:close(w)
      local task = p:spawn(function() return p:read(r, 1) end)
      k:spawn(function()
        k:sleep(0.05)
        c:exit(1)
      end)
      k:run()
      assert.equal("", (task:join()))
    end)

    it("gives up the calls that it had in flight", function()
      local r, w = p:pipe()
      local c = p:fork()
      p:close(r)
      k:spawn { function() return c:read(r, 1) end, daemon = true }
      k:spawn(function()
        k:sleep(0.05)
        c:exit(0)
      end)
      k:run()
      fails("EPIPE", p:write(w, "x"))
    end)

    it("makes no further calls", function()
      local c = p:fork()
      c:exit(0)
      for _, call in ipairs {
        function() return c:read(0, 1) end,
        function() return c:write(1, "x") end,
        function() return c:close(0) end,
        function() return c:pipe() end,
        function() return c:fork() end,
        function() return c:exit(0) end,
        function() return c:open("/dev/null") end,
        function() return c:poll({}, 0) end,
      } do
        local ok, message = pcall(call)
        assert.is_false(ok)
        assert.truthy(tostring(message):find("process 2 has exited", 1, true))
      end
      assert.equal(3, p:dup(0))
    end)
  end)

  describe("that waits", function()
    it("gets the number and the status of a child", function()
      local c = p:fork()
      c:exit(7)
      assert.same({ 2, "exited", 7 }, { p:wait() })
      fails("ECHILD", p:wait())
    end)

    it("sees the low eight bits of the status", function()
      for _, row in ipairs { { 0, 0 }, { 255, 255 }, { 256, 0 }, { 257, 1 },
        { -1, 255 } } do
        p:fork():exit(row[1])
        local _, how, status = p:wait()
        assert.equal("exited", how)
        assert.equal(row[2], status)
      end
    end)

    it("sees status 0 when none is given", function()
      p:fork():exit()
      assert.same({ 2, "exited", 0 }, { p:wait() })
    end)

    it("has no child at first", function()
      local pid, message, errno = p:wait()
      assert.is_nil(pid)
      assert.equal("No child processes", message)
      assert.equal(10, errno)
    end)

    it("blocks until a child exits", function()
      local c = p:fork()
      k:spawn(function()
        k:sleep(0.05)
        c:exit(3)
      end)
      assert.same({ 2, "exited", 3 }, { p:wait() })
      assert.near(0.05, k:now(), 1e-6)
    end)

    it("gets each child once", function()
      local c1, c2, c3 = p:fork(), p:fork(), p:fork()
      c2:exit(2)
      assert.same({ 3, "exited", 2 }, { p:wait() })
      c3:exit(3)
      assert.same({ 4, "exited", 3 }, { p:wait() })
      c1:exit(1)
      assert.same({ 2, "exited", 1 }, { p:wait() })
      fails("ECHILD", p:wait())
    end)

    it("gets the child that it forked first of several that wait",
      function()
        local c1, c2, c3 = p:fork(), p:fork(), p:fork()
        c3:exit(3)
        c1:exit(1)
        c2:exit(2)
        local got = {}
        for i = 1, 3 do got[i] = (p:wait()) end
        assert.same({ 2, 3, 4 }, got)
      end)

    it("does not get its grandchildren", function()
      local c = p:fork()
      local g = c:fork()
      c:exit(1)
      assert.same({ 2, "exited", 1 }, { p:wait() })
      fails("ECHILD", p:wait())
      assert.equal(3, g:getpid())
      g:exit(0)
      fails("ECHILD", p:wait())
    end)

    it("gives each of two waiting tasks one child", function()
      local c1, c2 = p:fork(), p:fork()
      local got = {}
      for _ = 1, 2 do
        p:spawn(function()
          local pid = assert(p:wait())
          got[#got + 1] = pid
        end)
      end
      k:spawn(function()
        k:sleep(0.05)
        c2:exit(0)
        k:sleep(0.05)
        c1:exit(0)
      end)
      k:run()
      assert.same({ 3, 2 }, got)
    end)

    it("keeps a number from being used again", function()
      local c = p:fork()
      c:exit(0)
      p:wait()
      assert.equal(3, p:fork():getpid())
    end)
  end)
end)

describe("the descriptors 0, 1 and 2", function()
  local k

  before_each(function() k = fdemu.kernel {} end)

  after_each(function() k:close() end)

  it("are at end of file and swallow everything with null", function()
    local p = k:process { stdin = "null", stdout = "null", stderr = "null" }
    assert.equal("", p:read(0, 10))
    assert.equal(3, p:write(1, "abc"))
    assert.equal(3, p:write(2, "abc"))
    assert.equal(3, p:dup(0))
  end)

  it("keep what is written with capture", function()
    local p = k:process { stdout = "capture", stderr = "capture" }
    assert.equal("", p:captured(1))
    assert.equal(4, p:write(1, "out\n"))
    assert.equal(4, p:write(2, "err\n"))
    assert.equal(2, p:writev(1, { "a", "b" }))
    assert.equal("out\nab", p:captured(1))
    assert.equal("err\n", p:captured(2))
    assert.equal("out\nab", p:captured(1))
  end)

  it("keep what is written through a dup or by a child", function()
    local p = k:process { stdout = "capture", stderr = "null" }
    assert.equal(9, p:dup2(1, 9))
    assert.equal(2, p:dup2(1, 2))
    local c = p:fork()
    p:write(9, "1")
    c:write(1, "2")
    p:write(2, "3")
    assert.equal(0, p:close(1))
    c:write(9, "4")
    assert.equal("1234", p:captured(1))
  end)

  it("can be asked for after the process is gone", function()
    local p = k:process { stdout = "capture", stderr = "null" }
    p:write(1, ("x"):rep(200000))
    p:close(1)
    p:exit(0)
    assert.equal(("x"):rep(200000), p:captured(1))
  end)

  it("raise when asked for without capture", function()
    local p = k:process { stdout = "capture", stderr = "null" }
    assert.has_error(function() return p:captured(0) end)
    assert.has_error(function() return p:captured(2) end)
    assert.has_error(function() return p:captured(3) end)
    p:dup2(1, 5)
    assert.has_error(function() return p:captured(5) end)
  end)

  it("are captured apart in two processes", function()
    local a = k:process { stdout = "capture", stderr = "null" }
    local b = k:process { stdout = "capture", stderr = "null" }
    a:write(1, "a")
    b:write(1, "b")
    assert.equal("a", a:captured(1))
    assert.equal("b", b:captured(1))
  end)

  it("read the string given as stdin", function()
    local p = k:process { stdin = "line 1\nline 2\n", stdout = "null",
      stderr = "null" }
    assert.equal("line 1\n", p:read(0, 7))
    assert.equal("line 2\n", p:read(0, 100))
    assert.equal("", p:read(0, 100))
    assert.equal("", p:read(0, 100))
  end)

  it("read an empty string as end of file", function()
    local p = k:process { stdin = "", stdout = "null", stderr = "null" }
    assert.equal("", p:read(0, 100))
  end)

  it("share the position in stdin with a child", function()
    local p = k:process { stdin = "abcdef", stdout = "null",
      stderr = "null" }
    local c = p:fork()
    assert.equal("abc", c:read(0, 3))
    assert.equal("def", p:read(0, 9))
    assert.equal("", c:read(0, 3))
  end)

  it("read a long string", function()
    local data = steps.bytes(0, 300000)
    local p = k:process { stdin = data, stdout = "null", stderr = "null" }
    local got = {}
    repeat
      got[#got + 1] = assert(p:read(0, 50000))
    until got[#got] == ""
    assert.is_true(data == table.concat(got))
  end)

  it("are a description of one's own", function()
    local d = k:description({
      read = function() return "mine" end,
      write = function(_, data) return #data end,
    }, fdemu.O_RDWR)
    local p = k:process { stdin = d, stdout = d, stderr = "null" }
    assert.equal("mine", p:read(0, 10))
    assert.equal(5, p:write(1, "hello"))
    assert.equal(d, p:description(0))
    assert.equal(d, p:description(1))
  end)

  it("may be closed and opened again", function()
    local p = k:process { stdout = "null", stderr = "null" }
    for fd = 0, 2 do assert.equal(0, p:close(fd)) end
    fails("EBADF", p:write(1, "x"))
    assert.same({ 0, 1 }, { p:pipe() })
    assert.equal(1, p:write(1, "x"))
    assert.equal("x", p:read(0, 9))
  end)

  it("are nothing else, and then there is no process", function()
    for _, options in ipairs {
      { stdout = "nothing" }, { stderr = 5 }, { stdout = true },
      { stdin = {} }, { stdout = 5, stdin = "text", stderr = "capture" },
    } do
      assert.has_error(function() return k:process(options) end)
      assert.same({}, k:lsof())
    end
    assert.equal(1, k:process({ stdout = "null", stderr = "null" }):getpid())
    local ok, message = pcall(k.process, k, { bogus = 1 })
    assert.is_false(ok)
    assert.truthy(tostring(message):find("unknown option 'bogus'", 1, true))
  end)

  it("are no process, and take no pid, where the host's are closed", function()
    local program = [[
      local k = require "fdemu".kernel()
      local _, message = pcall(k.process, k, { stdin = "host" })
      print((message:gsub("^.-:%d+: ", "")), k:process():getpid())]]
    local path = "LUA_PATH='lua/?.lua;lua/?/init.lua;;' LUA_CPATH='%s/lua%s/?.so;;' "
    assert.equal("the host's stdin is closed\t1\n",
      shell.must(path:format(shell.build, shell.version) .. shell.lua .. " -e "
        .. shell.quote(program) .. " <&-"))
  end)
end)
