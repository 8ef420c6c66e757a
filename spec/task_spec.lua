-- task_spec.lua - tasks, their ends, and the kernel's clock
local fdemu = require "fdemu"
local checks = require "spec.helper_checks"

local contains, failure = checks.contains, checks.failure

describe("task", function()
  local k, p, r, w

  before_each(function()
    k = fdemu.kernel()
    p = k:process()
    r, w = p:pipe()
  end)

  after_each(function() k:close() end)

  local function noop() end

  describe("spawn", function()
    it("starts nothing before the others are run", function()
      local ran = false
      local t = k:spawn(function() ran = true end)
      assert.is_false(ran)
      assert.equal("ready", t.status)
      k:run()
      assert.is_true(ran)
      assert.equal("done", t.status)
    end)

    it("hands its arguments to the function, nils among them", function()
      local got
      k:spawn(function(...) got = table.pack(...) end, 1, nil, "x", nil)
      k:run()
      assert.equal(4, got.n)
      assert.same({ 1, nil, "x" }, { got[1], got[2], got[3] })
    end)

    it("starts tasks in the order in which they were made", function()
      local order = {}
      for i = 1, 10 do k:spawn(function() order[#order + 1] = i end) end
      k:run()
      assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, order)
    end)

    it("works inside a task", function()
      local order = {}
      k:spawn(function()
        k:spawn(function() order[#order + 1] = "inner" end)
        order[#order + 1] = "outer"
      end)
      k:run()
      assert.same({ "outer", "inner" }, order)
    end)

    it("of a process works as the kernel's", function()
      local got
      local t = p:spawn(function(a, b)
        got = a .. b
        return p:read(r, 10)
      end, "a", "b")
      p:write(w, "data")
      assert.equal("data", t:join())
      assert.equal("ab", got)
    end)

    it("takes a table with name and daemon", function()
      local t = k:spawn { noop, name = "worker", daemon = true }
      assert.equal("worker", t.name)
      local u = p:spawn { noop, name = "other" }
      assert.equal("other", u.name)
    end)

    it("refuses options that it does not know", function()
      contains(failure(k.spawn, k, { noop, bogus = 1 }), "'bogus'")
      contains(failure(p.spawn, p, { noop, bogus = 1 }), "'bogus'")
    end)

    it("refuses what is no function", function()
      failure(k.spawn, k)
      failure(k.spawn, k, nil)
      failure(k.spawn, k, 42)
      failure(k.spawn, k, {})
      failure(k.spawn, k, { 42 })
      failure(k.spawn, k, { noop, name = 42 })
      failure(p.spawn, p)
      failure(p.spawn, p, {})
      assert.is_true(k:run())
    end)

    it("takes functions that are written in C", function()
      assert.equal("ABC", k:spawn(string.upper, "abc"):join())
    end)

    it("copes with very many tasks", function()
      local n = 0
      for _ = 1, 10000 do k:spawn(function() n = n + 1 end) end
      k:run()
      assert.equal(10000, n)
    end)
  end)

  describe("join", function()
    it("gives the results, nils among them", function()
      local t = k:spawn(function() return 1, nil, "three", nil end)
      local got = table.pack(t:join())
      assert.equal(4, got.n)
      assert.equal(1, got[1])
      assert.equal("three", got[3])
    end)

    it("gives them again", function()
      local t = k:spawn(function() return "x" end)
      assert.equal("x", t:join())
      assert.equal("x", t:join())
      local u = k:spawn(function() return t:join() end)
      assert.equal("x", u:join())
    end)

    it("gives nothing when the function returned nothing", function()
      assert.equal(0, select("#", k:spawn(noop):join()))
    end)

    it("waits in a task", function()
      local order = {}
      local slow = k:spawn(function()
        k:sleep(2)
        order[#order + 1] = "slow"
        return 42
      end)
      k:spawn(function()
        table.insert(order, "joined " .. slow:join())
      end)
      k:spawn(function() order[#order + 1] = "other" end)
      k:run()
      assert.same({ "other", "slow", "joined 42" }, order)
    end)

    it("may be waited for by several", function()
      local t = k:spawn(function()
        k:sleep(1)
        return "x"
      end)
      local got = {}
      for _ = 1, 5 do
        k:spawn(function() table.insert(got, (t:join())) end)
      end
      k:run()
      assert.equal("xxxxx", table.concat(got))
    end)

    it("in the main chunk runs the others", function()
      local t = k:spawn(function() return p:read(r, 10) end)
      k:spawn(function()
        k:sleep(1)
        p:write(w, "abc")
      end)
      assert.equal("abc", t:join())
      assert.equal(1, k:now())
    end)

    it("raises the task's error", function()
      local t = k:spawn(function() error("it broke") end)
      contains(failure(t.join, t), "it broke")
      assert.equal("error", t.status)
    end)

    it("raises error objects as they are", function()
      local object = { code = 7 }
      local t = k:spawn(function() error(object) end)
      local ok, err = pcall(t.join, t)
      assert.is_false(ok)
      assert.equal(object, err)
    end)

    it("raises for a task that was cancelled", function()
      local t = k:spawn { function() p:read(r, 1) end, name = "victim" }
      k:sleep(1)
      t:cancel()
      local text = failure(t.join, t)
      contains(text, "victim")
      contains(text, "was cancelled")
    end)

    it("raises in one who was waiting when the task is cancelled", function()
      local t = k:spawn { function() p:read(r, 1) end, name = "victim" }
      local u = k:spawn(function() return pcall(t.join, t) end)
      k:sleep(1)
      t:cancel()
      local ok, text = u:join()
      assert.is_false(ok)
      contains(text, "was cancelled")
    end)

    it("of itself raises", function()
      local t
      t = k:spawn(function() return pcall(t.join, t) end)
      assert.is_false((t:join()))
    end)

    it("does not end the wait early for a wake of something else", function()
      local t = k:spawn(function()
        for _ = 1, 5 do k:sleep(1) end
        return "end"
      end)
      for i = 1, 4 do k:after(i + 0.5, noop) end
      assert.equal("end", t:join())
      assert.equal(5, k:now())
    end)
  end)

  describe("error", function()
    it("that nobody joined is raised from run", function()
      k:spawn(function() error("lonely") end)
      contains(failure(k.run, k), "lonely")
    end)

    it("that nobody joined is raised once", function()
      k:spawn(function() error("lonely") end)
      failure(k.run, k)
      assert.is_true(k:run())
    end)

    it("that was joined is not raised from run", function()
      local t = k:spawn(function() error("looked after") end)
      failure(t.join, t)
      assert.is_true(k:run())
      local u = k:spawn(function() error("looked after") end)
      k:spawn(function() pcall(u.join, u) end)
      assert.is_true(k:run())
    end)

    it("is raised when run ends, after the others have run", function()
      local n = 0
      k:spawn(function() error("first") end)
      for _ = 1, 3 do
        k:spawn(function()
          k:sleep(1)
          n = n + 1
        end)
      end
      contains(failure(k.run, k), "first")
      assert.equal(3, n)
    end)

    it("is raised before a deadlock", function()
      k:spawn(function() p:read(r, 1) end)
      k:spawn(function() error("the cause") end)
      contains(failure(k.run, k), "the cause")
    end)

    it("leaves the kernel usable", function()
      k:spawn(function() error("lonely") end)
      failure(k.run, k)
      k:spawn(function() p:write(w, "abc") end)
      assert.equal("abc", p:read(r, 10))
      assert.is_true(k:run())
    end)

    it("of a task that was spawned by another is raised too", function()
      k:spawn(function()
        k:spawn(function()
          k:sleep(1)
          error("grandchild")
        end)
      end)
      contains(failure(k.run, k), "grandchild")
    end)

    it("that the task itself catches stays in it", function()
      local t = k:spawn(function()
        local ok, err = pcall(function()
          k:sleep(1)
          error("caught")
        end)
        assert(not ok)
        return err
      end)
      assert.is_true(k:run())
      contains(t:join(), "caught")
    end)
  end)

  describe("cancel", function()
    it("ends a task that waits", function()
      local after = false
      local t = k:spawn(function()
        p:read(r, 1)
        after = true
      end)
      k:sleep(1)
      assert.is_true(t:cancel())
      assert.equal("cancelled", t.status)
      p:write(w, "x")
      assert.is_true(k:run())
      assert.is_false(after)
      assert.equal("x", p:read(r, 1))
    end)

    it("ends a task that has not started", function()
      local ran = false
      local t = k:spawn(function() ran = true end)
      assert.is_true(t:cancel())
      assert.is_true(k:run())
      assert.is_false(ran)
    end)

    it("ends a task that sleeps, and run does not wait for it", function()
      local t = k:spawn(function() k:sleep(1000) end)
      k:sleep(1)
      assert.is_true(t:cancel())
      assert.is_true(k:run())
      assert.equal(1, k:now())
    end)

    it("ends a task that joins another, and not the other", function()
      local slow = k:spawn(function()
        k:sleep(5)
        return "kept"
      end)
      local t = k:spawn(function() slow:join() end)
      k:sleep(1)
      assert.is_true(t:cancel())
      assert.equal("kept", slow:join())
      assert.equal("cancelled", t.status)
    end)

    it("ends a task that its yield has put at the end", function()
      local rounds = 0
      local t = k:spawn(function()
        while true do
          rounds = rounds + 1
          coroutine.yield()
        end
      end)
      k:spawn(function() t:cancel() end)
      assert.is_true(k:run())
      assert.is_true(rounds <= 2)
      assert.equal("cancelled", t.status)
    end)

    it("ends a daemon", function()
      local t = k:spawn { function() p:read(r, 1) end, daemon = true }
      assert.is_true(k:run())
      assert.is_true(t:cancel())
      assert.equal("cancelled", t.status)
    end)

    it("is not stopped by a pcall in the task", function()
      local after = false
      local t = k:spawn(function()
        while true do
          pcall(p.read, p, r, 1)
          after = true
        end
      end)
      k:sleep(1)
      assert.is_true(t:cancel())
      p:write(w, "xxx")
      assert.is_true(k:run())
      assert.is_false(after)
    end)

    it("says whether there was anything to cancel", function()
      local t = k:spawn(noop)
      assert.is_true(t:cancel())
      assert.is_false(t:cancel())
      local u = k:spawn(noop)
      k:run()
      assert.is_false(u:cancel())
      assert.equal("done", u.status)
      local v = k:spawn(error, "x")
      pcall(v.join, v)
      assert.is_false(v:cancel())
      assert.equal("error", v.status)
    end)

    it("is refused to the task itself", function()
      local text
      local t
      t = k:spawn(function()
        text = failure(t.cancel, t)
        k:sleep(1)
        return "alive"
      end)
      assert.equal("alive", t:join())
      assert.is_string(text)
    end)

    it("does not lose bytes that the task had not got", function()
      p:write(w, "abc")
      local t = k:spawn(function() return p:read(r, 10) end)
      t:cancel()
      k:run()
      assert.equal("abc", p:read(r, 10))
    end)

    it("gives the reference of a waiting call back", function()
      local d = p:description(r)
      local t = k:spawn(function() p:read(r, 1) end)
      k:sleep(1)
      assert.equal(2, d.refs)
      t:cancel()
      k:run()
      assert.equal(1, d.refs)
    end)

    it("of many in any order leaves the rest alone", function()
      local tasks, alive = {}, 0
      for i = 1, 100 do
        tasks[i] = k:spawn(function()
          if p:read(r, 1) == "x" then alive = alive + 1 end
        end)
      end
      k:sleep(1)
      for i = 100, 1, -3 do assert.is_true(tasks[i]:cancel()) end
      p:write(w, ("x"):rep(100))
      assert.is_true(k:run())
      assert.equal(66, alive)
      assert.equal(("x"):rep(34), p:read(r, 100))
    end)

    if _VERSION ~= "Lua 5.3" then
      it("closes variables that are to be closed", function()
        local closed = {}
        local body = assert(load([[
          local k, closed = ...
          return function()
            local guard <close> = setmetatable({}, {
              __close = function() closed[#closed + 1] = "closed" end,
            })
            k:sleep(10)
            closed[#closed + 1] = "after"
            return guard
          end]]))(k, closed)
        local t = k:spawn(body)
        k:sleep(1)
        t:cancel()
        k:run()
        assert.same({ "closed" }, closed)
      end)
    end
  end)

  describe("status", function()
    it("is running inside the task", function()
      local t, inside
      t = k:spawn(function() inside = t.status end)
      k:run()
      assert.equal("running", inside)
    end)

    it("is waiting in every call that waits", function()
      local endless = k:spawn { function() p:read(r, 1) end, daemon = true }
      local tasks = {
        k:spawn(function() k:sleep(10) end),
        k:spawn(function() return pcall(endless.join, endless) end),
        k:spawn(function()
          p:poll({ { fd = r, events = fdemu.POLLIN } }, 9000)
        end),
        endless,
      }
      k:sleep(1)
      for _, t in ipairs(tasks) do assert.equal("waiting", t.status) end
      endless:cancel()
      k:run()
    end)

    it("cannot be assigned, nor can anything else", function()
      local t = k:spawn(noop)
      failure(function() t.status = "done" end)
      failure(function() t.bogus = 1 end)
      assert.equal("ready", t.status)
    end)

    it("is done, error or cancelled at the end", function()
      local a = k:spawn(noop)
      local b = k:spawn(error, "x")
      local c = k:spawn(noop)
      c:cancel()
      pcall(k.run, k)
      assert.equal("done", a.status)
      assert.equal("error", b.status)
      assert.equal("cancelled", c.status)
    end)
  end)

  describe("name", function()
    it("is task and a number by default", function()
      local a, b = k:spawn(noop), k:spawn(noop)
      assert.is_truthy(a.name:find("^task %d+$"))
      assert.is_truthy(b.name:find("^task %d+$"))
      assert.not_equal(a.name, b.name)
    end)

    it("is the same in a kernel that did the same", function()
      local other = fdemu.kernel()
      assert.equal(k:spawn(noop).name, other:spawn(noop).name)
      other:close()
    end)
  end)

  describe("daemon", function()
    it("is not waited for", function()
      local t = k:spawn { function() p:read(r, 1) end, daemon = true }
      k:spawn(function() k:sleep(1) end)
      assert.is_true(k:run())
      assert.equal("waiting", t.status)
      assert.equal(1, k:now())
    end)

    it("runs on while others run", function()
      local beats = 0
      k:spawn {
        function()
          while true do
            k:sleep(1)
            beats = beats + 1
          end
        end,
        daemon = true,
      }
      k:spawn(function() k:sleep(5.5) end)
      assert.is_true(k:run())
      assert.equal(5, beats)
    end)

    it("that ticks for ever does not keep run from ending", function()
      k:spawn {
        function() while true do k:sleep(1) end end,
        daemon = true,
      }
      assert.is_true(k:run())
      assert.equal(0, k:now())
    end)

    it("can be joined", function()
      local t = k:spawn { function() return p:read(r, 9) end, daemon = true }
      p:write(w, "abc")
      assert.equal("abc", t:join())
    end)
  end)

  describe("coroutine.yield", function()
    it("lets the others run", function()
      local order = {}
      for _, name in ipairs { "a", "b" } do
        k:spawn(function()
          for i = 1, 3 do
            order[#order + 1] = name .. i
            coroutine.yield()
          end
        end)
      end
      k:run()
      assert.equal("a1 b1 a2 b2 a3 b3", table.concat(order, " "))
    end)

    it("goes on when nobody else is there", function()
      local t = k:spawn(function()
        for _ = 1, 100 do coroutine.yield() end
        return "end"
      end)
      assert.is_true(k:run())
      assert.equal("end", t:join())
      assert.equal(0, k:now())
    end)

    it("does nothing with its arguments", function()
      local t = k:spawn(function()
        return select("#", coroutine.yield(1, nil, {}, "x"))
      end)
      assert.equal(0, t:join())
    end)

    it("does not take time from those who sleep", function()
      local t = k:spawn(function()
        k:sleep(1)
        return k:now()
      end)
      k:spawn(function() for _ = 1, 100 do coroutine.yield() end end)
      k:run()
      assert.equal(1, t:join())
    end)
  end)

  describe("run", function()
    it("returns true at once when there is nothing to do", function()
      assert.is_true(k:run())
      assert.is_true(k:run(10))
      assert.equal(0, k:now())
    end)

    it("returns true when all is done", function()
      k:spawn(function() k:sleep(3) end)
      assert.is_true(k:run())
      assert.equal(3, k:now())
    end)

    it("for some seconds returns false and has used them all", function()
      local t = k:spawn(function() k:sleep(3) end)
      assert.is_false(k:run(2))
      assert.equal(2, k:now())
      assert.equal("waiting", t.status)
      assert.is_true(k:run(2))
      assert.equal(3, k:now())
      assert.equal("done", t.status)
    end)

    it("for some seconds stops between two timers", function()
      local beats = 0
      k:spawn(function()
        for _ = 1, 10 do
          k:sleep(1)
          beats = beats + 1
        end
      end)
      assert.is_false(k:run(3.5))
      assert.equal(3, beats)
      assert.equal(3.5, k:now())
      assert.is_false(k:run(3.5))
      assert.equal(7, beats)
      assert.is_true(k:run())
      assert.equal(10, beats)
    end)

    it("for no time runs what can run now", function()
      local log = {}
      k:spawn(function()
        log[#log + 1] = "now"
        k:sleep(1)
        log[#log + 1] = "later"
      end)
      assert.is_false(k:run(0))
      assert.same({ "now" }, log)
      assert.equal(0, k:now())
    end)

    it("for some seconds waits for what no timer will end", function()
      local t = k:spawn(function() return p:read(r, 10) end)
      assert.is_false(k:run(2))
      assert.equal(2, k:now())
      p:write(w, "abc")
      assert.is_true(k:run(2))
      assert.equal("abc", t:join())
      assert.equal(2, k:now())
    end)

    it("for some seconds raises errors that nobody joined", function()
      k:spawn(function() error("lonely") end)
      contains(failure(k.run, k, 1), "lonely")
    end)

    it("refuses a time that is none", function()
      failure(k.run, k, -1)
      failure(k.run, k, 0 / 0)
      failure(k.run, k, "soon")
      failure(k.run, k, {})
    end)
  end)

  describe("clock", function()
    it("starts at zero and is a float", function()
      assert.equal(0, k:now())
      assert.equal("float", math.type(k:now()))
    end)

    it("moves when all sleep, and by no more than needed", function()
      k:sleep(0.25)
      assert.equal(0.25, k:now())
      k:sleep(2)
      assert.equal(2.25, k:now())
      assert.equal("float", math.type(k:now()))
    end)

    it("does not move by itself", function()
      for _ = 1, 1000 do
        p:write(w, "x")
        p:read(r, 1)
      end
      assert.equal(0, k:now())
    end)

    it("can be put forward by years without waiting", function()
      local start = os.time()
      k:sleep(10 * 365 * 86400)
      assert.equal(10 * 365 * 86400, k:now())
      assert.is_true(os.time() - start < 5)
    end)

    it("counts in nanoseconds", function()
      k:sleep(1e-9)
      assert.is_true(math.abs(k:now() - 1e-9) < 1e-15)
      for _ = 1, 9 do k:sleep(1e-9) end
      assert.is_true(math.abs(k:now() - 1e-8) < 1e-15)
    end)

    it("is one for each kernel", function()
      local other = fdemu.kernel()
      k:sleep(5)
      assert.equal(0, other:now())
      other:close()
    end)
  end)

  describe("sleep", function()
    it("wakes sleepers in the order of their times", function()
      local order = {}
      for _, s in ipairs { 3, 1, 2, 0.5, 2.5 } do
        k:spawn(function()
          k:sleep(s)
          assert(k:now() == s)
          order[#order + 1] = s
        end)
      end
      k:run()
      assert.same({ 0.5, 1, 2, 2.5, 3 }, order)
    end)

    it("wakes those of the same time in the order of their calls", function()
      local order = {}
      for i = 1, 20 do
        k:spawn(function()
          k:sleep(1)
          order[#order + 1] = i
        end)
      end
      k:run()
      for i = 1, 20 do assert.equal(i, order[i]) end
    end)

    it("of no time is over without the clock moving", function()
      k:sleep(0)
      assert.equal(0, k:now())
    end)

    it("keeps thousands of timers apart", function()
      local last, n = -1, 0
      for i = 1, 3000 do
        k:spawn(function()
          k:sleep((i * 7919) % 1009)
          assert(k:now() >= last)
          last, n = k:now(), n + 1
        end)
      end
      k:run()
      assert.equal(3000, n)
      assert.equal(1008, k:now())
    end)

    it("refuses a time that is none", function()
      failure(k.sleep, k)
      failure(k.sleep, k, -1)
      failure(k.sleep, k, 0 / 0)
      failure(k.sleep, k, "soon")
      assert.equal(0, k:now())
    end)
  end)

  describe("after", function()
    it("runs a function at that time", function()
      local at
      k:after(2, function() at = k:now() end)
      assert.is_nil(at)
      k:run()
      assert.equal(2, at)
    end)

    it("counts from now", function()
      local at
      k:sleep(3)
      k:after(2, function() at = k:now() end)
      k:run()
      assert.equal(5, at)
    end)

    it("runs them in the order of their times", function()
      local order = {}
      for _, s in ipairs { 3, 1, 2 } do
        k:after(s, function() order[#order + 1] = s end)
      end
      k:run()
      assert.same({ 1, 2, 3 }, order)
    end)

    it("gives a task that can be joined", function()
      local t = k:after(2, function() return "result" end)
      assert.equal("result", t:join())
      assert.equal("done", t.status)
    end)

    it("gives a task that can be cancelled", function()
      local ran = false
      local t = k:after(2, function() ran = true end)
      assert.is_true(t:cancel())
      assert.is_true(k:run())
      assert.is_false(ran)
      assert.equal(0, k:now())
    end)

    it("may wait, being a task of its own", function()
      k:after(1, function() p:write(w, p:read(r, 10):upper()) end)
      k:after(2, function() p:write(w, "abc") end)
      k:run()
      assert.equal("ABC", p:read(r, 10))
    end)

    it("raises its error from run", function()
      k:after(1, function() error("too late") end)
      contains(failure(k.run, k), "too late")
    end)

    it("may start itself again", function()
      local n = 0
      local function tick()
        n = n + 1
        if n < 5 then k:after(1, tick) end
      end
      k:after(1, tick)
      k:run()
      assert.equal(5, n)
      assert.equal(5, k:now())
    end)

    it("refuses bad arguments", function()
      failure(k.after, k)
      failure(k.after, k, 1)
      failure(k.after, k, -1, noop)
      failure(k.after, k, 0 / 0, noop)
      failure(k.after, k, "x", noop)
      failure(k.after, k, 1, "x")
      assert.is_true(k:run())
    end)
  end)

  describe("of a process that exits", function()
    local c

    before_each(function() c = p:fork() end)

    it("ends with it, wherever it waits", function()
      local task = c:spawn(function()
        repeat local s = c:read(r, 1) until s == ""
      end)
      local sleeper = c:spawn(function() k:sleep(1000) end)
      local joiner = c:spawn(function() task:join() end)
      c:spawn(function()
        k:sleep(1)
        c:exit(0)
      end)
      assert.is_true(k:run())
      assert.equal(1, k:now())
      for _, t in ipairs { task, sleeper, joiner } do
        assert.equal("cancelled", t.status)
      end
      contains(failure(task.join, task), "was cancelled")
    end)

    it("ends with it before it has begun", function()
      local begun
      local task = c:spawn(function() begun = true end)
      c:exit(0)
      assert.is_true(k:run())
      assert.is_nil(begun)
      assert.equal("cancelled", task.status)
    end)

    it("goes on if it is the one that called exit", function()
      local after
      c:spawn(function()
        c:exit(3)
        after = k:now()
      end)
      assert.is_true(k:run())
      assert.equal(0, after)
      assert.same({ 2, "exited", 3 }, { p:wait() })
    end)

    it("is not one of the kernel's or of another process", function()
      local mine = k:spawn(function() return c:read(r, 1) end)
      local other = p:spawn(function() return p:read(r, 1) end)
      k:sleep(1)
      c:exit(0)
      assert.equal(fdemu.EINTR, (select(3, mine:join())))
      p:write(w, "x")
      assert.equal("x", other:join())
    end)

    if _VERSION ~= "Lua 5.3" then
      it("closes its variables, and an error there is raised", function()
        local closed = 0
        local function body()
          local close = load("local v <close> = ... v.wait()")
          close(setmetatable({ wait = function() c:read(r, 1) end }, {
            __close = function()
              closed = closed + 1
              error("number " .. closed)
            end,
          }))
        end
        c:spawn(body)
        c:spawn(body)
        k:run(1)
        contains(failure(c.exit, c, 0), "number 1")
        assert.equal(2, closed)
        assert.is_true(k:run())
      end)
    end
  end)

  describe("order", function()
    local function order_of(options)
      local kernel = fdemu.kernel(options)
      local q = kernel:process()
      local from, to = q:pipe()
      local order = {}
      for i = 1, 30 do
        kernel:spawn(function()
          q:read(from, 1)
          order[#order + 1] = i
        end)
      end
      kernel:sleep(1)
      q:write(to, ("x"):rep(30))
      kernel:run()
      assert.equal(30, #order)
      kernel:close()
      return table.concat(order, " ")
    end

    it("fifo is the order of the calls", function()
      local fifo = order_of { order = "fifo", seed = 1 }
      assert.equal(fifo, order_of { order = "fifo", seed = 2 })
      assert.equal(fifo, order_of())
    end)

    it("random follows the seed", function()
      local one = order_of { order = "random", seed = 1 }
      assert.equal(one, order_of { order = "random", seed = 1 })
      assert.not_equal(one, order_of { order = "random", seed = 2 })
      assert.not_equal(one, order_of { order = "fifo", seed = 1 })
    end)
  end)
end)
