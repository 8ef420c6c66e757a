-- waiting_spec.lua - where a blocking call may be made, and who waits
local fdemu = require "fdemu"
local checks = require "spec.helper_checks"

local contains, failure = checks.contains, checks.failure

describe("a blocking call", function()
  local k, p, r, w

  before_each(function()
    k = fdemu.kernel()
    p = k:process()
    r, w = p:pipe()
  end)

  after_each(function() k:close() end)

  -- A task that writes each of the strings, one a second.
  local function writer(...)
    local list = { ... }
    return k:spawn(function()
      for _, s in ipairs(list) do
        k:sleep(1)
        p:write(w, s)
      end
    end)
  end

  -- Three tasks of which each can go on only after the next one has. It works
  -- only if every wait suspends its own task and holds up no other: read(a)
  -- is answered while read(b) is waiting, and read(b) needs what the first
  -- does afterwards.
  local function crossing(read)
    local r2, w2 = p:pipe()
    local a = k:spawn(function()
      local s = read(r)
      p:write(w2, s .. "2")
      return s
    end)
    local b = k:spawn(function() return read(r2) end)
    local c = k:spawn(function() p:write(w, "1") end)
    assert.is_true(k:run())
    assert.equal("1", a:join())
    assert.equal("12", b:join())
    assert.equal("done", c.status)
  end

  describe("in a task", function()
    it("suspends that task and no other", function()
      crossing(function(fd) return p:read(fd, 10) end)
    end)

    it("inside pcall suspends that task and no other", function()
      crossing(function(fd)
        local ok, s = pcall(p.read, p, fd, 10)
        assert(ok, s)
        return s
      end)
    end)

    it("inside xpcall suspends that task and no other", function()
      crossing(function(fd)
        local ok, s = xpcall(function() return p:read(fd, 10) end, error)
        assert(ok, s)
        return s
      end)
    end)

    it("inside a metamethod suspends that task and no other", function()
      local object = setmetatable({}, {
        __index = function(_, fd) return p:read(fd, 10) end,
      })
      crossing(function(fd) return object[fd] end)
    end)

    it("inside an operator suspends that task and no other", function()
      local object = setmetatable({}, {
        __add = function(_, fd) return p:read(fd, 10) end,
      })
      crossing(function(fd) return object + fd end)
    end)

    it("inside a for iterator suspends that task and no other", function()
      crossing(function(fd)
        local all
        for s in function() return not all and p:read(fd, 10) or nil end do
          all = s
        end
        return all
      end)
    end)

    it("inside a nested function keeps locals and varargs", function()
      local function deep(n, ...)
        if n == 0 then
          local s = p:read(r, 10)
          return s, ...
        end
        return deep(n - 1, n, ...)
      end
      local t = k:spawn(function() return select("#", deep(50)), deep(1) end)
      writer("a", "b")
      local n, s, one = t:join()
      assert.equal(51, n)
      assert.equal("b", s)
      assert.equal(1, one)
    end)

    it("reports errors raised after the wait through pcall", function()
      local t = k:spawn(function()
        return pcall(function()
          local s = p:read(r, 10)
          error("got " .. s)
        end)
      end)
      writer("x")
      local ok, err = t:join()
      assert.is_false(ok)
      contains(err, "got x")
    end)

    it("hands failures over after the wait", function()
      p:write(w, ("x"):rep(65536))
      local t = k:spawn(function() return p:write(w, "more") end)
      k:sleep(1)
      p:close(r)
      local n, message, errno = t:join()
      assert.is_nil(n)
      assert.equal("Broken pipe", message)
      assert.equal(32, errno)
    end)

    it("hands more than one result over after the wait", function()
      local t = k:spawn(function() return p:readv(r, { 1, 2 }) end)
      writer("abc")
      local list, total = t:join()
      assert.same({ "a", "bc" }, list)
      assert.equal(3, total)
    end)

    it("may be made by a method fetched before", function()
      local read = p.read
      crossing(function(fd) return read(p, fd, 10) end)
    end)

    it("may be the task's function itself", function()
      local t = k:spawn(p.read, p, r, 10)
      writer("abc")
      assert.equal("abc", t:join())
    end)

    it("may be made by coroutine.wrap'ed C functions", function()
      local t = k:spawn(function()
        return coroutine.wrap(p.read)(p, r, 10)
      end)
      writer("abc")
      assert.equal("abc", t:join())
    end)
  end)

  describe("in the main chunk", function()
    it("is answered at once where it can be", function()
      p:write(w, "abc")
      assert.equal("abc", p:read(r, 10))
    end)

    it("runs the tasks until it is answered", function()
      writer("abc")
      assert.equal("abc", p:read(r, 10))
      assert.equal(1, k:now())
    end)

    it("runs them no further than that", function()
      local t = writer("abc", "def")
      assert.equal("abc", p:read(r, 10))
      assert.equal("waiting", t.status)
      assert.equal(1, k:now())
      assert.equal("def", p:read(r, 10))
    end)

    it("moves a large write through a pipe", function()
      local t = k:spawn(function()
        local n = 0
        while true do
          local s = p:read(r, 30000)
          if s == "" then return n end
          n = n + #s
        end
      end)
      assert.equal(1000000, p:write(w, ("x"):rep(1000000)))
      p:close(w)
      assert.equal(1000000, t:join())
    end)

    it("is not disturbed by the error of a task", function()
      k:spawn(function() error("somebody else") end)
      writer("abc")
      assert.equal("abc", p:read(r, 10))
      contains(failure(k.run, k), "somebody else")
    end)

    it("works inside pcall, gsub, sort and metamethods", function()
      writer("a", "b", "c", "d")
      local ok, s = pcall(p.read, p, r, 1)
      assert.is_true(ok)
      assert.equal("a", s)
      assert.equal("b", (("x"):gsub("x", function() return p:read(r, 1) end)))
      local m = setmetatable({}, { __len = function() return p:read(r, 1) end })
      assert.equal("c", #m)
      local seen
      table.sort({ 1, 2 }, function(x, y)
        seen = seen or p:read(r, 1)
        return x < y
      end)
      assert.equal("d", seen)
    end)

    it("works inside a coroutine of the main chunk", function()
      writer("abc", "def")
      local co = coroutine.wrap(function()
        coroutine.yield("first " .. p:read(r, 10))
        return "second " .. p:read(r, 10)
      end)
      assert.equal("first abc", co())
      assert.equal("second def", co())
    end)
  end)

  describe("in a coroutine that the user made inside a task", function()
    it("never shows up as a yield at the user's resume", function()
      local t = k:spawn(function()
        local co = coroutine.create(function()
          local s = p:read(r, 10)
          coroutine.yield("mine", s)
          return "end", p:read(r, 10)
        end)
        local log = {}
        log[1] = table.pack(coroutine.resume(co))
        log[2] = table.pack(coroutine.resume(co))
        log[3] = coroutine.status(co)
        return log
      end)
      writer("abc", "def")
      local log = t:join()
      assert.same({ true, "mine", "abc", n = 3 }, log[1])
      assert.same({ true, "end", "def", n = 3 }, log[2])
      assert.equal("dead", log[3])
    end)

    it("makes iterators of coroutine.wrap work", function()
      local function bytes()
        return coroutine.wrap(function()
          while true do
            local s = p:read(r, 1)
            if s == "" then return end
            coroutine.yield(s)
          end
        end)
      end
      local t = k:spawn(function()
        local got = {}
        for c in bytes() do got[#got + 1] = c end
        return table.concat(got)
      end)
      k:spawn(function()
        for _, s in ipairs { "he", "llo", " ", "world" } do
          k:sleep(1)
          p:write(w, s)
        end
        p:close(w)
      end)
      assert.equal("hello world", t:join())
    end)

    it("works several coroutines deep", function()
      local t = k:spawn(function()
        local function nest(n)
          if n == 0 then return p:read(r, 10) end
          return coroutine.wrap(nest)(n - 1)
        end
        return nest(10)
      end)
      writer("deep")
      assert.equal("deep", t:join())
    end)

    it("keeps others from resuming it while it waits", function()
      local co
      local t = k:spawn(function()
        co = coroutine.create(function() return p:read(r, 10) end)
        return coroutine.resume(co)
      end)
      local seen
      k:spawn(function()
        k:sleep(0.5)
        seen = { coroutine.status(co), (coroutine.resume(co, "intruder")) }
      end)
      writer("abc")
      local ok, s = t:join()
      assert.is_true(ok)
      assert.equal("abc", s)
      assert.not_equal("suspended", seen[1])
      assert.is_false(seen[2])
    end)

    it("may go on in another task", function()
      local co = coroutine.wrap(function()
        while true do coroutine.yield(p:read(r, 1)) end
      end)
      local got = {}
      for i = 1, 3 do
        k:spawn(function()
          k:sleep(i * 2)
          got[i] = co()
        end)
      end
      p:write(w, "abc")
      k:run()
      assert.same({ "a", "b", "c" }, got)
    end)

    it("may go on in the main chunk after a task", function()
      local co = coroutine.wrap(function()
        coroutine.yield(p:read(r, 1))
        coroutine.yield(p:read(r, 1))
      end)
      writer("a", "b")
      local t = k:spawn(function() return co() end)
      assert.equal("a", t:join())
      assert.equal("b", co())
    end)

    it("lets coroutine.yield go to the user's resume", function()
      local t = k:spawn(function()
        local co = coroutine.wrap(function() coroutine.yield("to user") end)
        return co()
      end)
      assert.equal("to user", t:join())
    end)

    it("raises its errors at the user's resume", function()
      local t = k:spawn(function()
        local co = coroutine.create(function()
          p:read(r, 1)
          error("inside")
        end)
        return coroutine.resume(co)
      end)
      writer("x")
      local ok, err = t:join()
      assert.is_false(ok)
      contains(err, "inside")
    end)

    it("works for sleep and join as well", function()
      local slow = k:spawn(function()
        k:sleep(3)
        return "slow"
      end)
      local t = k:spawn(function()
        local co = coroutine.wrap(function()
          k:sleep(1)
          coroutine.yield(k:now())
          coroutine.yield(slow:join())
        end)
        return co(), co()
      end)
      local at, s = t:join()
      assert.equal(1, at)
      assert.equal("slow", s)
    end)
  end)

  describe("below a C function that cannot be yielded across", function()
    it("works in a callback of string.gsub", function()
      local t = k:spawn(function()
        return (("a-b-c"):gsub("%a", function() return p:read(r, 1) end))
      end)
      writer("x", "y", "z")
      assert.equal("x-y-z", t:join())
    end)

    it("works in a comparator of table.sort", function()
      local t = k:spawn(function()
        local list = { 5, 3, 4, 1, 2 }
        table.sort(list, function(a, b)
          k:sleep(0.1)
          return a < b
        end)
        return list
      end)
      assert.same({ 1, 2, 3, 4, 5 }, t:join())
      assert.is_true(k:now() > 0)
    end)

    it("works in a reader function of load", function()
      local t = k:spawn(function()
        return load(function()
          local s = p:read(r, 100)
          return s ~= "" and s or nil
        end)()
      end)
      k:spawn(function()
        p:write(w, "return ")
        k:sleep(1)
        p:write(w, "42")
        p:close(w)
      end)
      assert.equal(42, t:join())
    end)

    it("works in __tostring called by tostring", function()
      local t = k:spawn(function()
        return tostring(setmetatable({}, {
          __tostring = function() return p:read(r, 10) end,
        }))
      end)
      writer("text")
      assert.equal("text", t:join())
    end)

    it("works in the message handler of xpcall", function()
      local t = k:spawn(function()
        local _, s = xpcall(error, function() return p:read(r, 10) end)
        return s
      end)
      writer("handled")
      assert.equal("handled", t:join())
    end)

    it("lets the other tasks run", function()
      local beats = 0
      k:spawn {
        function()
          while true do
            k:sleep(0.1)
            beats = beats + 1
          end
        end,
        daemon = true,
      }
      local t = k:spawn(function()
        return (("a"):gsub("a", function() return p:read(r, 1) end))
      end)
      writer("x")
      assert.equal("x", t:join())
      assert.is_true(beats >= 9)
    end)

    it("works in several tasks answered in their order", function()
      local r2, w2 = p:pipe()
      local function gsubbed(fd)
        return (("a"):gsub("a", function() return p:read(fd, 1) end))
      end
      local a = k:spawn(gsubbed, r)
      local b = k:spawn(gsubbed, r2)
      k:spawn(function()
        k:sleep(1)
        p:write(w, "1")
        k:sleep(1)
        p:write(w2, "2")
      end)
      assert.is_true(k:run())
      assert.equal("1", a:join())
      assert.equal("2", b:join())
    end)

    it("works in several tasks answered in the reverse order", function()
      local r2, w2 = p:pipe()
      local function gsubbed(fd)
        return (("a"):gsub("a", function() return p:read(fd, 1) end))
      end
      local a = k:spawn(gsubbed, r)
      local b = k:spawn(gsubbed, r2)
      k:spawn(function()
        k:sleep(1)
        p:write(w2, "2")
        k:sleep(1)
        p:write(w, "1")
      end)
      assert.is_true(k:run())
      assert.equal("1", a:join())
      assert.equal("2", b:join())
    end)

    it("works when the task is joined from such a place", function()
      local inner = k:spawn(function() return p:read(r, 1) end)
      local outer = k:spawn(function()
        return (("b"):gsub("b", function() return inner:join() end))
      end)
      writer("x")
      assert.equal("x", outer:join())
    end)

    it("does not hang when it waits for what is below it on the stack",
      function()
        local inner = k:spawn(function()
          return (("a"):gsub("a", function() return p:read(r, 1) end))
        end)
        k:spawn(function()
          k:sleep(1)
          return (("b"):gsub("b", function() return inner:join() end))
        end)
        k:after(2, function() p:write(w, "x") end)
        pcall(k.run, k)
        assert.equal("x", inner:join())
      end)

    it("passes errors through the C function", function()
      local t = k:spawn(function()
        return pcall(string.gsub, "a", "a", function()
          error("got " .. p:read(r, 1))
        end)
      end)
      writer("x")
      local ok, err = t:join()
      assert.is_false(ok)
      contains(err, "got x")
    end)
  end)

  describe("in a finalizer", function()
    local function finalize(fn)
      setmetatable({}, { __gc = fn })
      pcall(collectgarbage) -- Lua 5.3 raises the finalizer's error here
      pcall(collectgarbage)
    end

    it("is answered at once where it can be", function()
      local got
      p:write(w, "abc")
      finalize(function() got = p:read(r, 10) end)
      assert.equal("abc", got)
    end)

    it("runs the tasks until it is answered", function()
      local got
      writer("abc")
      finalize(function() got = p:read(r, 10) end)
      assert.equal("abc", got)
    end)

    it("works in a task", function()
      local got
      local t = k:spawn(function()
        finalize(function() got = p:read(r, 10) end)
        return got
      end)
      writer("abc")
      assert.equal("abc", t:join())
    end)

    it("leaves the kernel usable when it can never be answered", function()
      local before
      finalize(function()
        before = true
        p:read(r, 10)
      end)
      assert.is_true(before)
      writer("abc")
      assert.equal("abc", p:read(r, 10))
    end)

    it("may close and exit", function()
      local q = k:process()
      finalize(function()
        p:close(w)
        q:exit(0)
      end)
      assert.equal("", p:read(r, 10))
      contains(failure(q.getpid, q), "has exited")
    end)
  end)

  if _VERSION ~= "Lua 5.3" then
    describe("in __close", function()
      local body = [[
        local p, r = ...
        local got
        do
          local guard <close> = setmetatable({}, {
            __close = function() got = p:read(r, 10) end,
          })
          got = guard and "not yet"
        end
        return got]]

      it("works in a task", function()
        local t = k:spawn(assert(load(body)), p, r)
        writer("abc")
        assert.equal("abc", t:join())
      end)

      it("works in the main chunk", function()
        writer("abc")
        assert.equal("abc", assert(load(body))(p, r))
      end)
    end)
  end

  describe("in a driver's method", function()
    local function device(read)
      k:device("/dev/dev", { read = read })
      return assert(p:open("/dev/dev", fdemu.O_RDWR))
    end

    it("suspends that call and no other task", function()
      local fd = device(function(_, n) return (p:read(r, n)) end)
      local r2, w2 = p:pipe()
      local a = k:spawn(function()
        local s = p:read(fd, 10)
        p:write(w2, s .. "2")
        return s
      end)
      local b = k:spawn(function() return p:read(r2, 10) end)
      k:spawn(function() p:write(w, "1") end)
      assert.is_true(k:run())
      assert.equal("1", a:join())
      assert.equal("12", b:join())
    end)

    it("works below string.gsub", function()
      local fd = device(function()
        return (("a"):gsub("a", function() return p:read(r, 10) end))
      end)
      writer("abc")
      assert.equal("abc", p:read(fd, 10))
    end)

    it("works in a coroutine of the method", function()
      local fd = device(function()
        local co = coroutine.wrap(function()
          coroutine.yield((p:read(r, 1)))
          coroutine.yield((p:read(r, 1)))
        end)
        return co() .. co()
      end)
      local t = k:spawn(function() return p:read(fd, 10) end)
      writer("a", "b")
      assert.equal("ab", t:join())
    end)

    it("works when the caller cannot yield", function()
      local fd = device(function(_, n) return (p:read(r, n)) end)
      local t = k:spawn(function()
        return (("a"):gsub("a", function() return p:read(fd, 10) end))
      end)
      writer("abc")
      assert.equal("abc", t:join())
    end)

    it("works in pcall", function()
      local fd = device(function(_, n)
        local _, s = pcall(p.read, p, r, n)
        return s
      end)
      writer("abc")
      assert.equal("abc", p:read(fd, 10))
    end)

    it("works when the method yields to let others run", function()
      local fd = device(function()
        for _ = 1, 3 do coroutine.yield() end
        return "yielded"
      end)
      assert.equal("yielded", p:read(fd, 10))
      local t = k:spawn(function() return p:read(fd, 10) end)
      assert.equal("yielded", t:join())
    end)
  end)

  describe("nested in another", function()
    it("is answered however deep it is", function()
      local last = r
      for i = 1, 20 do
        local below = last
        k:device("/dev/layer" .. i, {
          read = function(_, n) return (p:read(below, n)) end,
        })
        last = assert(p:open("/dev/layer" .. i, fdemu.O_RDWR))
      end
      local t = k:spawn(function() return p:read(last, 10) end)
      writer("abc", "def")
      assert.equal("abc", t:join())
      assert.equal("def", p:read(last, 10))
    end)

    it("gives each its own answer", function()
      local got = {}
      local t = k:spawn(function()
        ("abc"):gsub(".", function(c)
          local co = coroutine.wrap(function()
            table.sort({ 2, 1 }, function(x, y)
              if not got[c] then got[c] = p:read(r, 1) end
              return x < y
            end)
            coroutine.yield(got[c])
          end)
          assert(co() == got[c])
        end)
      end)
      writer("1", "2", "3")
      t:join()
      assert.same({ a = "1", b = "2", c = "3" }, got)
    end)

    it("by 20 tasks at a time works for all of them", function()
      local pipes, tasks = {}, {}
      for i = 1, 20 do
        pipes[i] = { p:pipe() }
        tasks[i] = k:spawn(function()
          return (("a"):gsub("a", function()
            return p:read(pipes[i][1], 10)
          end))
        end)
      end
      k:spawn(function()
        for i = 1, 20 do
          k:sleep(1)
          local j = i * 7 % 20 + 1
          p:write(pipes[j][2], tostring(j))
        end
      end)
      assert.is_true(k:run())
      for i = 1, 20 do assert.equal(tostring(i), tasks[i]:join()) end
    end)
  end)

  describe("between two kernels", function()
    it("runs its own kernel only", function()
      local other = fdemu.kernel()
      local q = other:process()
      local a, b = q:pipe()
      local ran = false
      k:spawn(function() ran = true end)
      other:spawn(function() q:write(b, "abc") end)
      assert.equal("abc", q:read(a, 10))
      assert.is_false(ran)
      other:close()
    end)

    it("works when a task of one calls the other", function()
      local other = fdemu.kernel()
      local q = other:process()
      local a, b = q:pipe()
      other:spawn(function()
        other:sleep(5)
        q:write(b, "abc")
      end)
      local t = k:spawn(function() return q:read(a, 10) end)
      assert.equal("abc", t:join())
      assert.equal(5, other:now())
      assert.equal(0, k:now())
      other:close()
    end)
  end)
end)
