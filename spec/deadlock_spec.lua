-- deadlock_spec.lua - what is said when nothing can run any more
local fdemu = require "fdemu"
local checks = require "spec.helper_checks"

local contains, failure = checks.contains, checks.failure

local START = "deadlock: nothing can run and no timer is left"

local function lacks(text, part)
  assert.is_nil(tostring(text):find(part, 1, true),
    ("%q is in %q"):format(part, tostring(text)))
end

-- The line of the text that has the part in it.
local function line_with(text, part)
  for line in text:gmatch("[^\n]+") do
    if line:find(part, 1, true) then return line end
  end
  error(("no line with %q in %q"):format(part, text), 2)
end

local function here() return debug.getinfo(2, "l").currentline end

describe("deadlock", function()
  local k, p, r, w

  before_each(function()
    k = fdemu.kernel()
    p = k:process()
    r, w = p:pipe()
  end)

  after_each(function() k:close() end)

  it("starts by saying what it is", function()
    k:spawn(function() p:read(r, 1) end)
    assert.equal(START, failure(k.run, k):sub(1, #START))
  end)

  it("names task, process, call, descriptor, kind and line", function()
    local line
    k:spawn { function()
      line = here() + 1
      local s = p:read(r, 1)
      return s
    end, name = "the reader" }
    local text = line_with(failure(k.run, k), "the reader")
    contains(text, "process 1")
    contains(text, "read")
    contains(text, tostring(r))
    contains(text, "pipe")
    contains(text, "deadlock_spec.lua:" .. line)
  end)

  it("says who holds the write end for which a reader waits", function()
    k:spawn(function() p:read(r, 1) end)
    contains(failure(k.run, k),
      ("process 1 holds the write end as descriptor %d"):format(w))
  end)

  it("says who holds the read end for which a writer waits", function()
    k:spawn { function() p:write(w, ("x"):rep(70000)) end, name = "filler" }
    local text = failure(k.run, k)
    contains(line_with(text, "filler"), "write")
    contains(text,
      ("process 1 holds the read end as descriptor %d"):format(r))
  end)

  it("names every process and descriptor that holds the end", function()
    local child = p:fork()
    local other = p:dup(w)
    local third = k:process()
    assert.equal(40, third:install(p:description(w), 40))
    k:spawn(function() p:read(r, 1) end)
    local text = failure(k.run, k)
    local form = "process %d holds the write end as descriptor %d"
    contains(text, form:format(1, w))
    contains(text, form:format(1, other))
    contains(text, form:format(child:getpid(), w))
    contains(text, form:format(third:getpid(), 40))
    lacks(text, form:format(child:getpid(), other))
  end)

  it("does not name one who has closed the end", function()
    local child = p:fork()
    p:close(w)
    k:spawn(function() p:read(r, 1) end)
    local text = failure(k.run, k)
    contains(text, "process 2 holds the write end as descriptor " .. w)
    lacks(text, "process 1 holds the write end")
    child:exit(0)
  end)

  it("lists every task that waits", function()
    local child = p:fork()
    local r2 = child:pipe()
    k:spawn { function() p:read(r, 1) end, name = "alpha" }
    k:spawn { function() child:read(r2, 1) end, name = "beta" }
    k:spawn { function()
      p:poll({ { fd = r, events = fdemu.POLLIN } }, -1)
    end, name = "gamma" }
    k:spawn { function() k:sleep(1) end, name = "finished" }
    local text = failure(k.run, k)
    contains(line_with(text, "alpha"), "process 1")
    contains(line_with(text, "beta"), "process 2")
    contains(line_with(text, "gamma"), "poll")
    lacks(text, "finished")
  end)

  it("lists daemons that wait when another is stuck", function()
    k:spawn { function() p:read(r, 1) end, daemon = true, name = "the daemon" }
    k:spawn { function() p:read(r, 1) end, name = "the other" }
    local text = failure(k.run, k)
    contains(text, "the daemon")
    contains(text, "the other")
  end)

  it("names both of two tasks that wait for each other", function()
    local r2, w2 = p:pipe()
    k:spawn { function()
      p:read(r, 1)
      p:write(w2, "x")
    end, name = "alpha" }
    k:spawn { function()
      p:read(r2, 1)
      p:write(w, "x")
    end, name = "beta" }
    local text = failure(k.run, k)
    contains(line_with(text, "alpha"), tostring(r))
    contains(line_with(text, "beta"), tostring(r2))
    contains(text, "holds the write end as descriptor " .. w)
    contains(text, "holds the write end as descriptor " .. w2)
  end)

  it("names tasks that join each other", function()
    local a, b
    a = k:spawn { function() b:join() end, name = "alpha" }
    b = k:spawn { function() a:join() end, name = "beta" }
    local text = failure(k.run, k)
    contains(line_with(text, "alpha"), "join")
    contains(text, "beta")
  end)

  it("says what a poll and a select look at, and who has the rest", function()
    k:spawn { function()
      p:poll({ { fd = r, events = fdemu.POLLIN }, { fd = -1 },
        { fd = w, events = 0 } })
    end, name = "poller" }
    k:spawn { function() p:select({ r }, nil, { w }) end, name = "selector" }
    k:spawn { function() p:select() end, name = "sleeper" }
    local text = failure(k.run, k)
    contains(line_with(text, "poller"), "waits for an event: it looks at "
      .. "descriptor 3 (pipe #4) for POLLIN (process 1 holds the write end as "
      .. "descriptor 4) and descriptor 4 (pipe #5) for errors only (process 1 "
      .. "holds the read end as descriptor 3)")
    contains(line_with(text, "selector"), "select at ")
    contains(line_with(text, "selector"), "descriptor 4 (pipe #5) for POLLPRI")
    contains(line_with(text, "sleeper"), "it looks at nothing")
  end)

  it("says what an epoll instance watches, and who has the rest", function()
    local ep = p:epoll_create1()
    p:epoll_ctl(ep, fdemu.EPOLL_CTL_ADD, r, fdemu.EPOLLIN)
    k:spawn(function() p:epoll_wait(ep, 1) end)
    contains(failure(k.run, k), "it watches descriptor 3 (pipe #4) for EPOLLIN "
      .. "(process 1 holds the write end as descriptor 4)")
  end)

  it("says how many more there are of many", function()
    local list = {}
    for i = 1, 20 do list[i] = { fd = p:pipe(), events = fdemu.POLLIN } end
    k:spawn(function() p:poll(list) end)
    contains(failure(k.run, k), " and 12 more")
  end)

  it("names the task that a task joins", function()
    local t = k:spawn { function() p:read(r, 1) end, name = "the reader" }
    k:spawn { function() t:join() end, name = "the joiner" }
    contains(line_with(failure(k.run, k), "the joiner"),
      "waits for task 'the reader' to end")
  end)

  it("names the children that a wait waits for", function()
    p:fork()
    k:spawn(function() p:wait() end)
    contains(failure(k.run, k), "process 1, wait at ")
    contains(failure(k.run, k), "a child to exit: process 2 still runs")
    p:fork():fork()
    contains(failure(k.run, k),
      "a child to exit: process 2 and process 3 still run")
  end)

  it("names the FIFO that nobody opens at the other end", function()
    p:mkfifo("/f")
    k:spawn(function() p:open("/f", "r") end)
    contains(failure(k.run, k), "open at ")
    contains(failure(k.run, k), "waits for somebody to open /f for writing")
    local other = fdemu.kernel()
    local q = other:process()
    q:mkfifo("/f")
    other:spawn(function() q:open("/f", "w") end)
    contains(failure(other.run, other),
      "waits for somebody to open /f for reading")
    other:close()
  end)

  it("names the device that says that it cannot be opened now", function()
    k:device("/dev/x", { open = function() return nil, "EAGAIN" end })
    k:spawn(function() p:open("/dev/x") end)
    contains(failure(k.run, k), "waits for the driver of /dev/x to call wake()")
  end)

  it("names the device that nobody wakes", function()
    k:device("/dev/sleepy", {
      read = function() return nil, fdemu.EAGAIN end,
    })
    local fd = p:open("/dev/sleepy", fdemu.O_RDWR)
    k:spawn { function() p:read(fd, 1) end, name = "patient" }
    local text = line_with(failure(k.run, k), "patient")
    contains(text, "sleepy")
    contains(text, "waits for the driver of sleepy #6 to call wake()")
    contains(text, "read")
    contains(text, tostring(fd))
  end)

  it("names the call for which a driver's method waits", function()
    local q = k:process()
    local qr, qw = q:pipe()
    k:device("/dev/relay", { read = function() return q:read(qr, 1) end })
    local fd = p:open("/dev/relay", fdemu.O_RDWR)
    k:spawn { function() p:read(fd, 1) end, name = "patient" }
    local text = failure(k.run, k)
    contains(line_with(text, "patient"), "relay")
    contains(text, "process 2 holds the write end as descriptor " .. qw)
  end)

  describe("of the main chunk", function()
    it("is raised at the call, naming it", function()
      local line
      local err = failure(function()
        line = here() + 1
        local got = p:read(r, 1)
        return got
      end)
      contains(err, START)
      contains(err, "read")
      contains(err, "pipe")
      contains(err, "deadlock_spec.lua:" .. line)
      contains(err, "process 1 holds the write end as descriptor " .. w)
    end)

    it("lists the tasks as well", function()
      local r2 = p:pipe()
      k:spawn { function() p:read(r2, 1) end, name = "alpha" }
      local text = failure(p.read, p, r, 1)
      contains(text, START)
      contains(text, "alpha")
    end)

    it("lists waiting daemons as well", function()
      k:spawn { function() p:read(r, 1) end, daemon = true, name = "the d" }
      contains(failure(p.read, p, r, 1), "the d")
    end)

    it("is raised for a write, a poll and a join", function()
      contains(failure(p.write, p, w, ("x"):rep(70000)), START)
      assert.is_true(#p:read(r, 70000) > 0)
      contains(failure(p.poll, p, { { fd = r, events = 1 } }), START)
      local t = k:spawn(function() p:read(r, 1) end)
      contains(failure(t.join, t), START)
      t:cancel()
    end)

    it("is raised for wait() when a child never exits", function()
      p:fork()
      contains(failure(p.wait, p), "deadlock")
    end)

    it("is raised in a coroutine of the main chunk", function()
      local co = coroutine.create(function() p:read(r, 1) end)
      local ok, err = coroutine.resume(co)
      assert.is_false(ok)
      contains(err, START)
      assert.equal("dead", coroutine.status(co))
    end)
  end)

  describe("below a C function in a task", function()
    local function stuck()
      return (("a"):gsub("a", function() return p:read(r, 1) end))
    end

    it("is raised", function()
      k:spawn { stuck, name = "stuck" }
      contains(failure(k.run, k), START)
    end)

    it("can be caught by the task", function()
      local text
      local t = k:spawn(function()
        text = failure(stuck)
        return "went on"
      end)
      assert.equal("went on", t:join())
      contains(text, START)
      contains(text, "deadlock_spec.lua")
    end)
  end)

  describe("leaves the kernel usable", function()
    it("with the tasks still waiting after a deadlock of run", function()
      local t = k:spawn(function() return p:read(r, 10) end)
      failure(k.run, k)
      assert.equal("waiting", t.status)
      p:write(w, "abc")
      assert.is_true(k:run())
      assert.equal("abc", t:join())
    end)

    it("after a deadlock of the main chunk", function()
      failure(p.read, p, r, 10)
      p:write(w, "abc")
      assert.equal("abc", p:read(r, 10))
      k:after(1, function() p:write(w, "def") end)
      assert.equal("def", p:read(r, 10))
    end)

    it("and says the same when it is asked again", function()
      k:spawn(function() p:read(r, 1) end)
      local first = failure(k.run, k)
      assert.equal(first, failure(k.run, k))
    end)

    it("with no reference left behind", function()
      local d = p:description(r)
      for _ = 1, 10 do failure(p.read, p, r, 10) end
      assert.equal(1, d.refs)
      p:write(w, "abc")
      assert.equal("abc", p:read(r, 10))
    end)

    it("with all bytes accounted for after a write that was stuck", function()
      failure(p.write, p, w, ("x"):rep(70000))
      p:close(w)
      local n = 0
      while true do
        local s = p:read(r, 70000)
        if s == "" then break end
        n = n + #s
      end
      assert.equal(65536, n)
    end)
  end)

  describe("is not seen", function()
    it("while a timer is left", function()
      k:spawn(function() p:read(r, 1) end)
      k:after(1000, function() p:write(w, "x") end)
      assert.is_true(k:run())
    end)

    it("while a poll has a timeout", function()
      k:spawn(function()
        p:poll({ { fd = r, events = fdemu.POLLIN } }, 1000)
      end)
      assert.is_true(k:run())
      assert.equal(1, k:now())
    end)

    it("in daemons alone", function()
      k:spawn { function() p:read(r, 1) end, daemon = true }
      assert.is_true(k:run())
    end)

    it("for a task that was cancelled", function()
      local t = k:spawn(function() p:read(r, 1) end)
      k:sleep(1)
      t:cancel()
      assert.is_true(k:run())
    end)

    it("when a task ended in an error, which is raised instead", function()
      k:spawn(function() p:read(r, 1) end)
      k:spawn(function() error("the cause") end)
      local text = failure(k.run, k)
      contains(text, "the cause")
      assert.is_nil(text:find("^deadlock"))
    end)
  end)

  it("shows the lines that made the other ends, with origins", function()
    local other = fdemu.kernel { origins = true }
    local q = other:process()
    local made = debug.getinfo(1, "l").currentline + 1
    local read = q:pipe()
    q:dup(4)
    q:fork()
    other:spawn(function() q:read(read, 1) end)
    local text = failure(other.run, other)
    local file = debug.getinfo(1, "S").short_src .. ":"
    contains(text, "descriptor 4 (made at " .. file .. made .. ")")
    contains(text, "descriptor 5 (made at " .. file .. made + 1 .. ")")
    contains(text, "process 2 holds the write end as descriptor 4 (made at ")
    other:close()
  end)

  for name, type in pairs { stream = fdemu.SOCK_STREAM,
    datagram = fdemu.SOCK_DGRAM, seqpacket = fdemu.SOCK_SEQPACKET } do
    describe("of a " .. name .. " socket", function()
      local a, b

      before_each(function()
        a, b = p:socketpair(fdemu.AF_UNIX, type, 0)
      end)

      it("says who holds the other end, of a reader", function()
        local q = p:fork()
        q:close(a)
        p:close(b)
        k:spawn(function() p:recv(a, 1) end)
        local text = failure(k.run, k)
        contains(text, ("recvfrom(%d) on socket"):format(a))
        contains(text, "waits for data")
        contains(text, "process 2 holds the other end as descriptor " .. b)
        lacks(text, "process 1 holds the other end")
      end)

      it("says who holds the other end, of a writer", function()
        k:spawn(function()
          while true do p:send(a, ("x"):rep(5000)) end
        end)
        local text = failure(k.run, k)
        contains(text, ("sendto(%d) on socket"):format(a))
        contains(text, "waits for room")
        contains(text, "process 1 holds the other end as descriptor " .. b)
      end)
    end)
  end

  it("names no address", function()
    k:spawn(function() p:read(r, 1) end)
    assert.is_nil(failure(k.run, k):find("0x%x%x%x%x"))
  end)
end)
