-- hazards_spec.lua - where user code, the collector and the core's lists meet
--
-- Each describe is one of the hazards that a sketch of this library fell into.
-- Most of these end in a crash when they go wrong, or under a sanitizer.
local fdemu = require "fdemu"
local checks = require "spec.helper_checks"

local contains, failure = checks.contains, checks.failure

local function collect() collectgarbage() end

-- Finalizers, and what only they held, need more than one round.
local function collect_all()
  for _ = 1, 3 do collectgarbage() end
end

-- Fills memory that was just freed, so that a stale pointer finds garbage.
local function churn()
  collect()
  local rubbish = {}
  for i = 1, 1000 do rubbish[i] = ("x"):rep(i % 300 + 1) .. i end
  for i = 1, 300 do rubbish[i] = coroutine.create(collect) end
  assert(#rubbish == 1000)
  collect()
end

describe("hazard", function()
  local k, p, r, w, made

  before_each(function()
    k = fdemu.kernel()
    p = k:process()
    r, w = p:pipe()
    made = 0
  end)

  after_each(function()
    collect()
    k:close()
    collect()
  end)

  local function still_works() checks.works(k) end

  local function device(ops, flags)
    made = made + 1
    k:device("/dev/dev" .. made, ops)
    return assert(p:open("/dev/dev" .. made, flags or fdemu.O_RDWR))
  end

  describe("1, a process that goes while its requests are queued,", function()
    it("leaves no waiter in the pipe's queues", function()
      local child = p:fork()
      for _ = 1, 5 do
        k:spawn(function() pcall(child.read, child, r, 1) end)
      end
      k:sleep(1)
      child:exit(0)
      churn()
      p:write(w, "abc")
      pcall(k.run, k)
      assert.equal("abc", p:read(r, 10))
      still_works()
    end)

    it("answers or cancels each of its tasks", function()
      local child = p:fork()
      local reader = child:spawn(function() return child:read(r, 1) end)
      local writer = child:spawn(function()
        return child:write(w, ("x"):rep(100000))
      end)
      local poller = child:spawn(function()
        return child:poll({ { fd = r, events = 0 } }, -1)
      end)
      local sleeper = child:spawn(function() k:sleep(5) end)
      k:sleep(1)
      child:exit(3)
      collect()
      pcall(k.run, k)
      pcall(k.run, k)
      for _, t in ipairs { reader, writer, poller } do
        assert.is_true(t.status == "done" or t.status == "error" or
          t.status == "cancelled", t.status)
      end
      assert.not_equal("ready", sleeper.status)
      still_works()
    end)

    it("stays a zombie until it is waited for", function()
      local child = p:fork()
      local pid = child:getpid()
      k:spawn(function() pcall(child.read, child, r, 1) end)
      k:sleep(1)
      child:exit(7)
      child = nil -- luacheck: ignore
      churn()
      assert.same({ pid, "exited", 7 }, { p:wait() })
      assert.same({ nil, "No child processes", 10 }, { p:wait() })
      still_works()
    end)

    it("may be forgotten by the script without being gone", function()
      do
        local q = p:fork()
        q:close(r)
      end
      churn()
      p:close(w)
      p:fcntl(r, fdemu.F_SETFL, fdemu.O_NONBLOCK)
      -- A collected Process object closes its table, or stays alive with it;
      -- in both cases there is an answer and no crash.
      local s, _, errno = p:read(r, 1)
      assert.is_true(s == "" or errno == fdemu.EAGAIN)
      still_works()
    end)

    it("can exit in a task of its own that is waiting elsewhere", function()
      local t = p:spawn(function()
        local s = p:read(r, 1)
        p:exit(0)
        return s
      end)
      p:write(w, "x")
      pcall(k.run, k)
      assert.not_equal("waiting", t.status)
      contains(failure(p.read, p, r, 1), "has exited")
      still_works()
    end)

    it("can exit while its parent waits for it", function()
      local child = p:fork()
      local t = p:spawn(function() return p:wait() end)
      child:spawn(function() child:read(r, 1) end)
      k:sleep(1)
      child:exit(9)
      churn()
      local pid, how, status = t:join()
      assert.equal(2, pid)
      assert.equal("exited", how)
      assert.equal(9, status)
      pcall(k.run, k)
    end)

    it("can be the parent of one that lives on", function()
      local child = p:fork()
      local t = k:spawn(function() return child:read(r, 10) end)
      k:sleep(1)
      p:exit(0)
      p = nil
      churn()
      child:write(w, "orphan")
      assert.equal("orphan", t:join())
      child:exit(0)
    end)

    it("can go with the whole kernel while all are waiting", function()
      for _ = 1, 5 do
        local kernel = fdemu.kernel()
        local q = kernel:process()
        local a, b = q:pipe()
        kernel:device("/dev/dev", {
          read = function() return (q:read(a, 1)) end,
          write = function() return nil, fdemu.EAGAIN end,
        })
        local fd = q:open("/dev/dev", fdemu.O_RDWR)
        kernel:spawn(function() q:read(a, 1) end)
        kernel:spawn(function() q:read(fd, 1) end)
        kernel:spawn(function() q:write(fd, "x") end)
        kernel:spawn(function() q:write(b, ("x"):rep(100000)) end)
        kernel:spawn(function() kernel:sleep(100) end)
        kernel:after(100, function() end)
        kernel:spawn(function()
          return (("a"):gsub("a", function() kernel:sleep(0.5) end))
        end)
        kernel:sleep(1)
        kernel:close()
        collect()
      end
      still_works()
    end)
  end)

  describe("2, a suspended caller that is closed or collected,", function()
    if coroutine.close then
      it("closed by coroutine.close from outside", function()
        local co
        local t = k:spawn(function()
          co = coroutine.running()
          return p:read(r, 10)
        end)
        k:sleep(1)
        pcall(coroutine.close, co)
        churn()
        p:write(w, "abc")
        k:run(1)
        pcall(k.run, k)
        assert.equal("abc", p:read(r, 10))
        assert.is_true(t.status ~= "ready" and t.status ~= "running")
        still_works()
      end)

      it("closed while it sleeps", function()
        local co
        k:spawn(function()
          co = coroutine.running()
          k:sleep(5)
        end)
        k:sleep(1)
        pcall(coroutine.close, co)
        co = nil -- luacheck: ignore
        churn()
        k:sleep(10)
        pcall(k.run, k)
        still_works()
      end)

      it("closed while another task joins it", function()
        local co
        local t = k:spawn(function()
          co = coroutine.running()
          p:read(r, 1)
        end)
        local u = k:spawn(function() return pcall(t.join, t) end)
        k:sleep(1)
        pcall(coroutine.close, co)
        churn()
        p:write(w, "x")
        pcall(k.run, k)
        assert.is_true(u.status == "done" or u.status == "waiting")
        t:cancel()
        pcall(k.run, k)
        still_works()
      end)

      it("closed in the middle of a driver's method", function()
        local co
        local fd = device {
          read = function()
            co = coroutine.running()
            p:read(r, 1)
            return "x"
          end,
        }
        local t = k:spawn(function() return pcall(p.read, p, fd, 1) end)
        k:sleep(1)
        pcall(coroutine.close, co)
        churn()
        p:write(w, "x")
        pcall(k.run, k)
        t:cancel()
        pcall(k.run, k)
        still_works()
      end)
    end

    it("resumed by hand from outside", function()
      local co
      local t = k:spawn(function()
        co = coroutine.running()
        local s = p:read(r, 10)
        return s
      end)
      k:sleep(1)
      -- The library may refuse it, or see through it; it may not crash, and
      -- the bytes may not be lost.
      pcall(coroutine.resume, co, "forged", "answer")
      churn()
      p:write(w, "abc")
      pcall(k.run, k)
      local ok, s = pcall(t.join, t)
      if not ok or s ~= "abc" then s = p:read(r, 10) end
      assert.equal("abc", s)
      still_works()
    end)

    it("resumed by hand from another task, again and again", function()
      local co
      local t = k:spawn(function()
        co = coroutine.running()
        return p:read(r, 10)
      end)
      k:spawn(function()
        for _ = 1, 5 do
          coroutine.resume(co)
          collect()
          coroutine.yield()
        end
      end)
      k:after(1, function() p:write(w, "abc") end)
      pcall(k.run, k)
      assert.is_true(t.status == "done" or t.status == "error")
      still_works()
    end)

    it("whose coroutine nobody but the kernel knows", function()
      local got = {}
      for i = 1, 20 do
        k:spawn(function() got[i] = p:read(r, 1) end)
      end
      k:sleep(1)
      churn()
      p:write(w, ("x"):rep(20))
      assert.is_true(k:run())
      assert.equal(20, #got)
    end)

    it("that was cancelled, before the data comes", function()
      for _ = 1, 20 do
        local t = k:spawn(function() p:read(r, 1) end)
        k:sleep(1)
        t:cancel()
      end
      churn()
      p:write(w, "abc")
      assert.is_true(k:run())
      assert.equal("abc", p:read(r, 10))
    end)

    it("that was cancelled in the middle of a large write", function()
      local t = k:spawn(function() p:write(w, ("x"):rep(200000)) end)
      k:sleep(1)
      t:cancel()
      churn()
      local n = 0
      p:close(w)
      while true do
        local s = p:read(r, 4096)
        if s == "" then break end
        n = n + #s
      end
      assert.equal(65536, n)
    end)

    it("whose strings and buffers nobody else refers to", function()
      local t = k:spawn(function()
        return p:writev(w, { ("a"):rep(70000), ("b"):rep(70000) })
      end)
      k:sleep(1)
      churn()
      local parts = {}
      local n = 0
      while n < 140000 do
        local s = p:read(r, 10000)
        parts[#parts + 1], n = s, n + #s
        if #parts % 4 == 0 then collect() end
      end
      assert.equal(140000, t:join())
      assert.equal(("a"):rep(70000) .. ("b"):rep(70000), table.concat(parts))
    end)

    it("that had its answer but not its turn", function()
      local t = k:spawn(function() return p:read(r, 1) end)
      k:sleep(1)
      k:spawn(function()
        p:write(w, "x")
        t:cancel()
        collect()
      end)
      assert.is_true(k:run())
      assert.equal("cancelled", t.status)
      still_works()
    end)

    it("that waits below a C function, in a task that is cancelled", function()
      local t = k:spawn(function()
        return (("a"):gsub("a", function() return p:read(r, 1) end))
      end)
      k:spawn(function()
        k:sleep(1)
        pcall(t.cancel, t)
        collect()
        p:write(w, "x")
      end)
      pcall(k.run, k)
      pcall(k.run, k)
      assert.is_true(t.status == "done" or t.status == "cancelled" or
        t.status == "error", t.status)
      still_works()
    end)
  end)

  describe("3, a driver's method that outlives its caller,", function()
    it("runs on after its caller was cancelled and bothers nobody", function()
      local log = {}
      local fd = device {
        read = function()
          local s = p:read(r, 10)
          log[#log + 1] = s
          return s
        end,
      }
      local t = k:spawn(function() table.insert(log, (p:read(fd, 10))) end)
      k:sleep(1)
      assert.is_true(t:cancel())
      t = nil -- luacheck: ignore
      churn()
      p:write(w, "abc")
      k:run(1)
      assert.is_true(#log <= 1)
      still_works()
    end)

    it("may fail, raise or return rubbish then", function()
      local ends = {
        function() return nil, "EIO" end,
        function() error("nobody listens") end,
        function() return ("x"):rep(1000) end,
        function() return {} end,
        function() return nil, fdemu.EAGAIN end,
        function() end,
      }
      for _, finish in ipairs(ends) do
        local fd = device {
          read = function()
            k:sleep(2)
            return finish()
          end,
        }
        local t = k:spawn(function() p:read(fd, 10) end)
        k:sleep(1)
        t:cancel()
        churn()
        -- Loud to somebody or to nobody, but once and for all.
        pcall(k.run, k, 5)
        pcall(k.sleep, k, 5)
        pcall(k.run, k, 5)
        k:sleep(5)
        p:close(fd)
      end
      still_works()
    end)

    it("keeps its description no longer than needed", function()
      local released = 0
      local fd = device {
        read = function()
          k:sleep(2)
          return "x"
        end,
        release = function() released = released + 1 end,
      }
      local t = k:spawn(function() p:read(fd, 10) end)
      k:sleep(1)
      t:cancel()
      p:close(fd)
      churn()
      k:run(5)
      k:sleep(5)
      assert.equal(1, released)
    end)

    it("may hold the Buffer of an ioctl whose caller is gone", function()
      local kept
      local fd = device {
        ioctl = function(_, _, arg)
          kept = arg
          k:sleep(2)
          arg:set("late")
          collect()
          return #arg:get()
        end,
      }
      do
        local t = k:spawn(function()
          return p:ioctl(fd, 0x4D01, fdemu.buffer(64))
        end)
        k:sleep(1)
        t:cancel()
      end
      churn()
      pcall(k.run, k, 5)
      churn()
      pcall(kept.set, kept, ("z"):rep(64))
      pcall(kept.get, kept)
      still_works()
    end)

    it("may hold the Buffer of an ioctl that is over", function()
      local kept
      local fd = device {
        ioctl = function(_, _, arg)
          kept = arg
          arg:set("first")
          return 0
        end,
      }
      local _, bytes = p:ioctl(fd, 0x4D01, ("."):rep(16))
      assert.equal("first" .. ("."):rep(11), bytes)
      churn()
      pcall(kept.set, kept, ("z"):rep(16))
      pcall(kept.get, kept)
      churn()
      assert.equal("first" .. ("."):rep(11), bytes)
      still_works()
    end)

    it("may outlive the process of its caller", function()
      local q = k:process()
      local log = {}
      k:device("/dev/slow", {
        read = function()
          k:sleep(2)
          log[#log + 1] = "read"
          return "x"
        end,
        release = function() log[#log + 1] = "release" end,
      })
      local fd = q:open("/dev/slow", fdemu.O_RDWR)
      q:spawn(function() pcall(q.read, q, fd, 1) end)
      k:sleep(1)
      q:exit(0)
      churn()
      pcall(k.run, k)
      k:sleep(5)
      assert.equal("release", log[#log])
      local releases = 0
      for _, what in ipairs(log) do
        if what == "release" then releases = releases + 1 end
      end
      assert.equal(1, releases)
      still_works()
    end)

    it("may outlive a stack of callers", function()
      local fd1 = device { read = function() return p:read(r, 1) end }
      k:device("/dev/upper", { read = function() return p:read(fd1, 1) end })
      local fd2 = p:open("/dev/upper", fdemu.O_RDWR)
      for _ = 1, 10 do
        local t = k:spawn(function() p:read(fd2, 1) end)
        k:sleep(1)
        t:cancel()
        churn()
      end
      p:write(w, ("x"):rep(30))
      pcall(k.run, k, 1)
      still_works()
    end)

    it("may cancel its own caller", function()
      local t
      local fd = device {
        read = function()
          k:sleep(1)
          pcall(t.cancel, t)
          collect()
          return "x"
        end,
      }
      t = k:spawn(function() return p:read(fd, 1) end)
      pcall(k.run, k)
      pcall(k.run, k)
      assert.is_true(t.status == "cancelled" or t.status == "done", t.status)
      still_works()
    end)

    it("may cancel its own caller before it waits", function()
      local t
      local fd = device {
        read = function()
          pcall(t.cancel, t)
          collect()
          return "x"
        end,
      }
      t = k:spawn(function() return p:read(fd, 1) end)
      pcall(k.run, k)
      pcall(k.run, k)
      assert.is_true(t.status == "cancelled" or t.status == "done", t.status)
      still_works()
    end)

    it("may end its caller's process and wait where it cannot yield",
      function()
        local q = k:process()
        k:device("/dev/x", {
          read = function()
            q:exit(0)
            local function wait() k:sleep(1) end
            return (("x"):gsub("x", wait))
          end,
        })
        local fd = q:open("/dev/x", fdemu.O_RDWR)
        local after
        local t = k:spawn(function()
          local data, _, errno = q:read(fd, 1)
          after = { data, errno, k:now() }
        end)
        k:run()
        assert.equal("done", t.status)
        assert.same({ nil, fdemu.EINTR, 1.0 }, after)
        still_works()
      end)
  end)

  describe("4, a request where nobody can yield,", function()
    it("is answered by running the others", function()
      k:after(1, function() p:write(w, "abc") end)
      assert.is_false(coroutine.isyieldable())
      assert.equal("abc", p:read(r, 10))
    end)

    it("is taken back when there is no answer", function()
      for _ = 1, 10 do failure(p.read, p, r, 10) end
      churn()
      p:write(w, "abc")
      assert.equal("abc", p:read(r, 10))
    end)

    it("is taken back from a driver whose method waits", function()
      local fd = device { read = function() return (p:read(r, 10)) end }
      for _ = 1, 3 do
        contains(failure(p.read, p, fd, 10), "deadlock")
        churn()
      end
      p:write(w, "abc")
      pcall(k.run, k, 1)
      still_works()
    end)

    it("may be made in hundreds of tasks at a time", function()
      -- Every one of them sits on the C stack, which is finite: what does not
      -- fit has to end as an error, never as a crash.
      local done = 0
      for _ = 1, 400 do
        k:spawn(function()
          local ok = pcall(string.gsub, "a", "a", function()
            return p:read(r, 1)
          end)
          if ok then done = done + 1 end
        end)
      end
      k:after(1, function() p:write(w, ("x"):rep(400)) end)
      pcall(k.run, k)
      pcall(k.run, k)
      assert.is_true(done > 0)
      still_works()
    end)

    it("may be made by a method of a method of a method", function()
      local depth = 0
      local fd
      fd = device {
        read = function()
          depth = depth + 1
          if depth > 300 then return "bottom" end
          return (p:read(fd, 10))
        end,
      }
      local ok, s = pcall(p.read, p, fd, 10)
      assert.is_true(not ok or s == "bottom")
      depth = 0
      local t = k:spawn(function() return pcall(p.read, p, fd, 10) end)
      pcall(k.run, k)
      assert.equal("done", t.status)
      still_works()
    end)

    it("may be made without an end by a method of itself", function()
      local fd
      fd = device { read = function() return (p:read(fd, 1)) end }
      failure(p.read, p, fd, 1)
      churn()
      still_works()
    end)
  end)

  describe("5, a call in a coroutine of the user's,", function()
    it("does not yield to the user's resume", function()
      local t = k:spawn(function()
        local co = coroutine.create(function() return p:read(r, 10) end)
        return coroutine.resume(co)
      end)
      k:after(1, function() p:write(w, "abc") end)
      local ok, s = t:join()
      assert.is_true(ok)
      assert.equal("abc", s)
    end)

    it("does not after the coroutine was used before by the user", function()
      local t = k:spawn(function()
        local co = coroutine.wrap(function()
          coroutine.yield(1)
          coroutine.yield(p:read(r, 1))
          coroutine.yield(3)
          return p:read(r, 1)
        end)
        return co(), co(), co(), co()
      end)
      k:after(1, function() p:write(w, "a") end)
      k:after(2, function() p:write(w, "b") end)
      assert.same({ 1, "a", 3, "b" }, { t:join() })
    end)

    it("does not in a coroutine that a driver's method made", function()
      local fd = device {
        read = function()
          return (coroutine.wrap(function() return (p:read(r, 10)) end)())
        end,
      }
      k:after(1, function() p:write(w, "abc") end)
      assert.equal("abc", p:read(fd, 10))
    end)

    it("does not when the coroutine makes a task that makes another",
      function()
        local t = k:spawn(function()
          return coroutine.wrap(function()
            local inner = k:spawn(function()
              return coroutine.wrap(function() return p:read(r, 10) end)()
            end)
            return inner:join()
          end)()
        end)
        k:after(1, function() p:write(w, "abc") end)
        assert.equal("abc", t:join())
      end)

    it("leaves a user's generator collectable in the middle", function()
      local gone = setmetatable({}, { __mode = "k" })
      local t = k:spawn(function()
        local co = coroutine.create(function()
          coroutine.yield(p:read(r, 1))
          coroutine.yield(p:read(r, 1))
        end)
        gone[co] = true
        local _, s = coroutine.resume(co)
        return s
      end)
      k:after(1, function() p:write(w, "ab") end)
      assert.equal("a", t:join())
      collect_all()
      assert.is_nil(next(gone))
      assert.equal("b", p:read(r, 1))
    end)
  end)

  describe("6, descriptors closed while lists are walked,", function()
    it("by the reader that is woken, for the others", function()
      local readers = {}
      for i = 1, 10 do
        readers[i] = p:dup(r)
      end
      local got = 0
      for i = 1, 10 do
        k:spawn(function()
          if p:read(readers[i], 1) == "x" then got = got + 1 end
          for j = 1, 10 do p:close(readers[j]) end
          collect()
        end)
      end
      k:sleep(1)
      p:close(r)
      p:write(w, ("x"):rep(10))
      assert.is_true(k:run())
      assert.equal(10, got)
    end)

    it("by a driver's method, for its own descriptor", function()
      local released = 0
      local fd
      fd = device {
        read = function(self)
          p:close(fd)
          collect()
          return tostring(self.refs)
        end,
        release = function() released = released + 1 end,
      }
      assert.equal("1", p:read(fd, 10))
      k:sleep(1)
      assert.equal(1, released)
      assert.same({ nil, "Bad file descriptor", 9 }, { p:read(fd, 1) })
    end)

    it("by a driver's method, with dup2 over its own descriptor", function()
      local released = 0
      local fd
      fd = device {
        write = function(_, data)
          assert(p:dup2(w, fd))
          collect()
          return #data
        end,
        release = function() released = released + 1 end,
      }
      assert.equal(3, p:write(fd, "abc"))
      k:sleep(1)
      assert.equal(1, released)
      assert.equal(3, p:write(fd, "def"))
      assert.equal("def", p:read(r, 10))
    end)

    it("by flush, for its own and other descriptors", function()
      local log = {}
      local fd, other
      fd = device {
        flush = function()
          log[#log + 1] = "flush"
          p:close(other)
          p:close(fd)
          collect()
        end,
        release = function() log[#log + 1] = "release" end,
      }
      other = p:dup(fd)
      p:close(fd)
      k:sleep(1)
      assert.equal("release", log[#log])
      local releases = 0
      for _, what in ipairs(log) do
        if what == "release" then releases = releases + 1 end
      end
      assert.equal(1, releases)
      assert.same({ nil, "Bad file descriptor", 9 }, { p:close(other) })
    end)

    it("by release, for other descriptors", function()
      local log = {}
      local fds = {}
      k:device("/dev/chain", {
        release = function()
          log[#log + 1] = "release"
          local fd = table.remove(fds)
          if fd then p:close(fd) end
          collect()
        end,
      })
      for i = 1, 20 do fds[i] = p:open("/dev/chain", fdemu.O_RDWR) end
      p:close(table.remove(fds))
      k:sleep(1)
      assert.equal(20, #log)
    end)

    it("by release at exit, for descriptors that exit closes too", function()
      local q = k:process()
      local released = 0
      k:device("/dev/chain", {
        release = function()
          released = released + 1
          for fd = 0, 40 do pcall(q.close, q, fd) end
          pcall(q.open, q, "/dev/null", fdemu.O_RDWR)
          pcall(q.exit, q, 1)
          collect()
        end,
      })
      for _ = 1, 20 do q:open("/dev/chain", fdemu.O_RDWR) end
      pcall(q.exit, q, 0)
      k:sleep(1)
      assert.equal(20, released)
      contains(failure(q.getpid, q), "has exited")
      still_works()
    end)

    it("by release at dup2, which takes the number before it", function()
      local fd
      fd = device {
        release = function()
          p:dup2(0, fd)
          collect()
        end,
      }
      assert.equal(fd, p:dup2(w, fd))
      local kind = p:description(fd).kind
      assert.is_true(kind == "pipe" or kind == "null", kind)
      still_works()
    end)

    it("by poll, for what is being polled", function()
      local fd, list
      fd = device {
        poll = function()
          p:close(fd)
          p:close(r)
          collect()
          return 0
        end,
      }
      list = {
        { fd = r, events = fdemu.POLLIN },
        { fd = fd, events = fdemu.POLLIN },
        { fd = fd, events = fdemu.POLLIN },
        { fd = r, events = fdemu.POLLIN },
      }
      pcall(p.poll, p, list, 100)
      churn()
      still_works()
    end)

    it("by tasks, for what another is polling", function()
      local fds = {}
      for i = 1, 10 do fds[i] = p:dup(r) end
      local list = {}
      for i = 1, 10 do list[i] = { fd = fds[i], events = fdemu.POLLIN } end
      local t = k:spawn(function() return p:poll(list, 5000) end)
      k:sleep(1)
      for i = 1, 10 do p:close(fds[i]) end
      churn()
      p:write(w, "x")
      t:join()
      k:run()
      assert.equal("x", p:read(r, 10))
    end)

    it("by a task that a wake from release has started", function()
      local a, b = p:pipe()
      local fd
      fd = device {
        release = function()
          p:write(b, "go")
          p:close(a)
          p:close(b)
        end,
      }
      local t = k:spawn(function()
        local s = p:read(a, 10)
        p:close(fd)
        collect()
        return s
      end)
      k:sleep(1)
      p:close(fd)
      assert.equal("go", t:join())
    end)

    it("by a method called while wake is being handled", function()
      local fds = {}
      local ready = false
      k:device("/dev/many", {
        read = function(self)
          if not ready then return nil, fdemu.EAGAIN end
          for _, fd in ipairs(fds) do p:close(fd) end
          self:wake()
          collect()
          return "x"
        end,
      })
      local got = 0
      local first = p:open("/dev/many", fdemu.O_RDWR)
      local d = p:description(first)
      for i = 1, 10 do
        fds[i] = i == 1 and first or p:dup(first)
        k:spawn(function()
          if p:read(fds[i], 1) == "x" then got = got + 1 end
        end)
      end
      k:sleep(1)
      ready = true
      d:wake()
      assert.is_true(k:run())
      assert.equal(10, got)
      assert.equal(0, d.refs)
    end)

    it("by a sink of the trace", function()
      local depth = 0
      k:trace(function()
        depth = depth + 1
        if depth == 1 then
          pcall(p.close, p, r)
          pcall(p.dup2, p, 0, w)
          collect()
        end
        depth = depth - 1
      end)
      pcall(p.write, p, w, "abc")
      pcall(p.read, p, r, 10)
      pcall(k.trace, k, nil)
      still_works()
    end)

    it("by exit of the process, from inside a driver's method", function()
      local q = k:process()
      local released = 0
      k:device("/dev/exit", {
        read = function()
          q:exit(0)
          collect()
          return "x"
        end,
        release = function() released = released + 1 end,
      })
      local fd = q:open("/dev/exit", fdemu.O_RDWR)
      pcall(q.read, q, fd, 1)
      churn()
      k:sleep(1)
      assert.equal(1, released)
      contains(failure(q.getpid, q), "has exited")
      still_works()
    end)

    it("by exec of the process, from inside a driver's method", function()
      local released = 0
      local fd = device({
        read = function()
          p:exec()
          collect()
          return "x"
        end,
        release = function() released = released + 1 end,
      }, fdemu.O_RDWR | fdemu.O_CLOEXEC)
      assert.equal("x", p:read(fd, 1))
      k:sleep(1)
      assert.equal(1, released)
    end)

    it("by close of the kernel, from inside a driver's method", function()
      for _, slot in ipairs { "read", "open", "poll", "flush", "release" } do
        local kernel = fdemu.kernel()
        local q = kernel:process()
        kernel:device("/dev/close", {
          [slot] = function()
            kernel:close()
            collect()
            return slot == "poll" and 0 or slot == "read" and "x" or 0
          end,
        })
        local fd
        pcall(function()
          fd = q:open("/dev/close", fdemu.O_RDWR)
          q:read(fd, 1)
        end)
        pcall(function() q:poll({ { fd = fd, events = 1 } }, 0) end)
        pcall(q.close, q, fd)
        pcall(kernel.close, kernel)
        churn()
      end
      still_works()
    end)

    it("by close of the kernel, whose drivers make new ones", function()
      local kernel = fdemu.kernel()
      local late
      local d = kernel:description {
        release = function() late = kernel:description {} end,
      }
      kernel:close()
      collect()
      contains(tostring(d), "(closed)")
      contains(tostring(late), "(closed)")
    end)

    it("by close of the kernel, from inside a task", function()
      local kernel = fdemu.kernel()
      local q = kernel:process()
      local a = q:pipe()
      kernel:spawn(function() q:read(a, 1) end)
      kernel:spawn(function()
        kernel:sleep(1)
        pcall(kernel.close, kernel)
        collect()
        pcall(q.read, q, a, 1)
      end)
      pcall(kernel.run, kernel)
      pcall(kernel.close, kernel)
      kernel, q = nil, nil -- luacheck: ignore
      churn()
      still_works()
    end)
  end)

  describe("7, coroutines and kernels that are forgotten,", function()
    it("a kernel with waiting tasks is collected", function()
      local gone = setmetatable({}, { __mode = "k" })
      for _ = 1, 10 do
        local kernel = fdemu.kernel()
        local q = kernel:process()
        local a, b = q:pipe()
        kernel:device("/dev/dev", { read = function() return q:read(a, 1) end })
        local fd = q:open("/dev/dev", fdemu.O_RDWR)
        kernel:spawn(function() return q:read(a, 1), kernel end)
        kernel:spawn(function() return q:read(fd, 1), kernel end)
        kernel:spawn(function() return q:write(b, ""), kernel:sleep(9) end)
        kernel:sleep(1)
        gone[kernel], gone[q] = true, true
      end
      collect_all()
      assert.is_nil(next(gone))
    end)

    it("a kernel whose overrides and sinks refer to it is collected",
      function()
        local gone = setmetatable({}, { __mode = "k" })
        for _ = 1, 10 do
          local kernel = fdemu.kernel()
          local q = kernel:process()
          local _, b = q:pipe()
          local d = q:description(b)
          d.write = function(_, data) return kernel and q and #data end
          d.owner = kernel
          kernel:trace(function() return kernel, q, d end)
          kernel:device("/dev/dev", { world = kernel, process = q })
          kernel:after(5, function() return kernel end)
          q:write(b, "x")
          gone[kernel] = true
        end
        collect_all()
        assert.is_nil(next(gone))
      end)

    it("a process keeps its kernel alive", function()
      local q = fdemu.kernel():process()
      churn()
      local a, b = q:pipe()
      assert.equal(3, q:write(b, "abc"))
      assert.equal("abc", q:read(a, 10))
      q:exit(0)
    end)

    it("a description keeps what it needs", function()
      local d
      do
        local kernel = fdemu.kernel()
        local q = kernel:process()
        local _, b = q:pipe()
        d = q:description(b)
      end
      churn()
      pcall(d.write, d, "abc")
      assert.equal("pipe", d.kind)
      d = nil -- luacheck: ignore
      churn()
    end)

    it("a native function keeps what it needs", function()
      local write
      do
        local kernel = fdemu.kernel()
        local q = kernel:process()
        local _, b = q:pipe()
        write = q:description(b).write
        kernel:close()
      end
      churn()
      failure(write, nil, "abc")
      failure(write, {}, "abc")
    end)

    it("a task object keeps its results and no more", function()
      local gone = setmetatable({}, { __mode = "k" })
      local t = k:spawn(function()
        local big = {}
        gone[big] = true
        return "result"
      end)
      k:run()
      collect_all()
      assert.is_nil(next(gone))
      assert.equal("result", t:join())
    end)

    it("a task that is done is collected", function()
      local gone = setmetatable({}, { __mode = "k" })
      for _ = 1, 50 do
        gone[k:spawn(function()
          gone[coroutine.running()] = true
          k:sleep(1)
        end)] = true
      end
      k:run()
      -- A few coroutines may be kept for the next task.
      collect_all()
      local n = 0
      for _ in pairs(gone) do n = n + 1 end
      assert.is_true(n < 50, n .. " of 100 are left")
    end)

    it("thousands of tasks leave nothing behind", function()
      local function round()
        for _ = 1, 500 do
          k:spawn(function()
            k:sleep(1)
            p:write(w, "x")
          end)
        end
        for _ = 1, 500 do k:spawn(function() p:read(r, 1) end) end
        k:run()
        collect_all()
        return collectgarbage("count")
      end
      round()
      round()
      local before = round()
      for _ = 1, 4 do round() end
      assert.is_true(round() < before + 100)
    end)

    it("thousands of calls of methods leave nothing behind", function()
      local fd = device {
        read = function()
          coroutine.yield()
          return "x"
        end,
        write = function(_, data) return #data end,
      }
      local function round()
        for _ = 1, 1000 do
          p:read(fd, 1)
          p:write(fd, "abc")
        end
        collect_all()
        return collectgarbage("count")
      end
      round()
      local before = round()
      for _ = 1, 3 do round() end
      assert.is_true(round() < before + 50)
    end)

    it("thousands of descriptors leave nothing behind", function()
      k:device("/dev/dev", {
        open = function(self) self.state = {} end,
        release = function() end,
      })
      local function round()
        for _ = 1, 500 do
          local fd = p:open("/dev/dev", fdemu.O_RDWR)
          local d = p:description(fd)
          d.read = function() return d and "" end
          p:close(fd)
          local a, b = p:pipe()
          p:close(a)
          p:close(b)
        end
        collect_all()
        return collectgarbage("count")
      end
      round()
      local before = round()
      for _ = 1, 3 do round() end
      assert.is_true(round() < before + 50)
    end)

    it("a kernel made in a coroutine that is gone works on", function()
      local kernel = coroutine.wrap(function()
        local world = fdemu.kernel()
        local q = world:process()
        world:device("/dev/dev", {
          read = function()
            world:sleep(1)
            return "x"
          end,
        })
        world:trace(function() end)
        coroutine.yield(world, q)
      end)
      local world, q = kernel()
      kernel = nil -- luacheck: ignore
      churn()
      local fd = q:open("/dev/dev", fdemu.O_RDWR)
      local t = world:spawn(function() return q:read(fd, 1) end)
      assert.equal("x", t:join())
      assert.equal("x", q:read(fd, 1))
      world:close()
    end)

    it("a description made in a task that is gone works on", function()
      local fd
      do
        local t = k:spawn(function()
          fd = p:install(k:description({
            read = function()
              k:sleep(1)
              return "x"
            end,
          }, fdemu.O_RDWR))
          p:description(w).write = function(_, data)
            k:sleep(1)
            return #data
          end
        end)
        t:join()
      end
      churn()
      assert.equal("x", p:read(fd, 1))
      assert.equal(3, p:write(w, "abc"))
    end)

    it("methods run first in a task that is gone", function()
      local fd = device {
        read = function()
          k:sleep(1)
          return "x"
        end,
      }
      for _ = 1, 5 do
        k:spawn(function() p:read(fd, 1) end):join()
        churn()
      end
      assert.equal("x", p:read(fd, 1))
    end)

    it("full collections at every step change nothing", function()
      local fd = device {
        read = function()
          collect()
          k:sleep(0.1)
          collect()
          return (p:read(r, 5))
        end,
      }
      p:description(w).write = (function(write)
        return function(self, data)
          collect()
          return write(self, (data:upper()))
        end
      end)(p:description(w).write)
      local got = {}
      for _ = 1, 5 do
        k:spawn(function() table.insert(got, (p:read(fd, 5))) end)
        k:spawn(function()
          collect()
          p:write(w, "abcde")
        end)
      end
      assert.is_true(k:run())
      assert.equal(("ABCDE"):rep(5), table.concat(got))
    end)

    it("a collector that never rests changes nothing", function()
      local pause = collectgarbage("setpause", 0)
      local mul = collectgarbage("setstepmul", 10000)
      local ok, err = pcall(function()
        local fd = device {
          read = function(_, n)
            k:sleep(0.1)
            return (p:read(r, n))
          end,
        }
        local t = k:spawn(function()
          local got = {}
          for i = 1, 50 do got[i] = p:read(fd, 10) end
          return table.concat(got, " ")
        end)
        k:spawn(function()
          for i = 1, 50 do
            k:sleep(1)
            p:write(w, tostring(i))
          end
        end)
        local expected = {}
        for i = 1, 50 do expected[i] = tostring(i) end
        assert(t:join() == table.concat(expected, " "))
      end)
      collectgarbage("setpause", pause)
      collectgarbage("setstepmul", mul)
      assert.is_true(ok, tostring(err))
    end)
  end)
end)
