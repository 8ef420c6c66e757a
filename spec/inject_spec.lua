local fdemu = require "fdemu"
local checks = require "spec.helper_checks"

local contains, failure = checks.contains, checks.failure

-- "1.4..": which of 10 one-byte writes came through, for a when=.
local function outcome(p, w, n)
  local marks = {}
  for i = 1, n or 10 do
    marks[i] = p:write(w, "x") and "." or tostring(i % 10)
  end
  return table.concat(marks)
end

-- What a Process has that is no call, or cannot fail.
local NO_CALLS = {}
for name in ("captured description exit getpid getrlimit host install "
  .. "setrlimit signals spawn"):gmatch("%a+") do
  NO_CALLS[name] = true
end

describe("inject", function()
  local k, p, r, w

  before_each(function()
    k = fdemu.kernel()
    p = k:process { stdout = "null", stderr = "null" }
    r, w = p:pipe()
  end)

  after_each(function() k:close() end)

  describe("when", function()
    for when, expected in pairs {
      ["3"] = "..3.......",
      ["8+"] = ".......890",
      ["3+2"] = "..3.5.7.9.",
      ["3..5"] = "..345.....",
      ["3..9+2"] = "..3.5.7.9.",
      ["2..7+3"] = ".2..5.....",
      ["1+"] = "1234567890",
      ["1..1"] = "1.........",
      ["11"] = "..........",
    } do
      it(("= %s picks the same calls as strace's"):format(when), function()
        local rule = k:inject { call = "write", when = when, errno = "EIO" }
        assert.equal(expected, outcome(p, w))
        assert.equal(select(2, expected:gsub("%d", "")), rule.hits)
      end)
    end

    it("may be an integer, and left out: then it is every call", function()
      k:inject { call = "write", when = 2, errno = "EIO" }
      assert.equal(".2..", outcome(p, w, 4))
      k:inject { call = "write", errno = "ENOSPC" }
      assert.equal("1234", outcome(p, w, 4))
    end)

    it("that does not parse raises, naming it", function()
      for _, when in ipairs { "", "0", "x", "3-5", "5..3", "3..", "3+0",
        "3++", "+3", "3 ", "-1", "1.5", "99999999999999999999" } do
        local text = failure(k.inject, k,
          { call = "write", when = when, errno = "EIO" })
        contains(text, "bad rule: when")
        contains(text, when)
      end
      contains(failure(k.inject, k, { when = {}, errno = "EIO" }), "when")
    end)
  end)

  describe("picks calls", function()
    it("by a list of names", function()
      k:inject { call = { "read", "write" }, errno = "EIO" }
      assert.same({ nil, "Input/output error", 5 }, { p:write(w, "x") })
      assert.same({ nil, "Input/output error", 5 }, { p:read(r, 1) })
      assert.equal(5, p:dup(r))
    end)

    it("by names with commas between them, as strace has them", function()
      k:inject { call = "read,write, dup", errno = "EIO" }
      assert.is_nil((p:write(w, "x")))
      assert.is_nil((p:read(r, 1)))
      assert.is_nil((p:dup(r)))
      assert.equal(5, p:fcntl(r, fdemu.F_DUPFD, 0))
      contains(failure(k.inject, k, { call = "read,wriet", errno = "EIO" }),
        "bad rule: call 'wriet' is not known")
    end)

    it("but not sleep and join, which are no system calls", function()
      k:inject { errno = "EIO" }
      k:sleep(1)
      assert.equal(1, k:now())
      assert.equal(7, k:spawn(function() return 7 end):join())
      contains(failure(k.inject, k, { call = "sleep", errno = "EIO" }),
        "'sleep' is not known")
    end)

    it("by the descriptor of dup3 and close_range, too", function()
      local rule = k:inject { fd = r, errno = "EIO" }
      assert.is_nil((p:dup3(r, 9)))
      assert.is_nil((p:close_range(r, r)))
      assert.equal(9, p:dup3(w, 9))
      assert.equal(2, rule.hits)
    end)

    it("by the names that programs use", function()
      k:inject { call = { "open", "pread" }, errno = "EMFILE" }
      assert.same({ nil, "/dev/null: Too many open files", 24 },
        { p:open("/dev/null") })
      assert.equal(24, (select(3, p:pread(0, 1, 0))))
    end)

    it("by a pattern of the path", function()
      local null, zero = p:open("/dev/null", "r"), p:open("/dev/zero", "r")
      k:inject { path = "/dev/z*", errno = "EIO" }
      assert.equal("", p:read(null, 1))
      assert.is_nil((p:read(zero, 1)))
      assert.is_nil((p:open("/dev/zero")))
      assert.is_number((p:open("/dev/null")))
    end)

    it("by a pattern of the kind", function()
      k:inject { kind = "p?pe", errno = "EIO" }
      assert.is_nil((p:write(w, "x")))
      assert.equal("", p:read(0, 1))
    end)

    it("by descriptor and by process", function()
      local q = p:fork()
      k:inject { fd = w, pid = q:getpid(), errno = "EIO" }
      assert.equal(1, p:write(w, "x"))
      assert.is_nil((q:write(w, "x")))
      assert.equal("x", q:read(r, 1))
    end)

    it("by the name of the task", function()
      k:inject { call = "write", task = "victim", errno = "EIO" }
      local function body() return p:write(w, "x") end
      local victim = k:spawn { body, name = "victim" }
      local other = k:spawn { body, name = "other" }
      assert.is_nil((victim:join()))
      assert.equal(1, other:join())
      assert.equal(1, p:write(w, "x"))
    end)

    it("by the name that a path leads to", function()
      local function hits(path, fn)
        local rule = k:inject { path = path, errno = "EIO", optional = true }
        fn()
        rule:remove()
        return rule.hits
      end
      p:mkdir("/data")
      p:mkdir("/data/sub")
      p:symlink("/data/sub", "/link")
      p:chdir("/data")
      local fd = p:open("log", "w")
      local dirfd = p:open("/data/sub")
      for _, case in ipairs {
        { "/data/log", function() p:write(fd, "x") end },
        { "log", function() p:write(fd, "x") end },
        { "/data/new", function() p:open("new", "w") end },
        { "/data/new", function() p:open("./sub/../new", "w") end },
        { "/data/sub/new", function() p:openat(dirfd, "new", "w") end },
        { "/data/sub/new", function() p:open("/link/new", "w") end },
        { "/data/sub", function() p:stat("/link") end },
        { "/link", function() p:stat("/../link") end },
        { "/data/new", function() p:rename("log", "new") end },
        { "/data", function() p:open(".") end },
      } do
        assert.message(case[1]).equal(1, hits(case[1], case[2]))
      end
      for _, case in ipairs {
        { "/data/log", function() p:symlink("/data/log", "/other") end },
        { "/data/log", function() p:open("/nowhere/log") end },
        { "/data/log", function() p:write(w, "x") end },
        { "/log", function() p:open("log") end },
      } do
        assert.message(case[1]).equal(0, hits(case[1], case[2]))
      end
    end)

    it("by a predicate that sees call, fd, kind, flags, path and count", function()
      local seen = {}
      k:inject {
        where = function(call)
          seen[#seen + 1] = call
          return call.count == 3
        end,
        errno = "EIO",
      }
      assert.equal(2, p:write(w, "ab"))
      assert.is_nil((p:write(w, "abc")))
      p:open("/dev/null")
      assert.same({ call = "write", pid = 1, fd = w, kind = "pipe", count = 2,
        cmd = 0, flags = fdemu.O_WRONLY }, seen[1])
      assert.equal("openat", seen[3].call)
      assert.equal("/dev/null", seen[3].path)
    end)

    it("by a predicate that knows the task", function()
      k:inject { where = function(call) return call.task == "victim" end,
        errno = "EIO" }
      local function body() return p:write(w, "x") end
      assert.is_nil((k:spawn { body, name = "victim" }:join()))
      assert.equal(1, k:spawn { body, name = "other" }:join())
      assert.equal(1, p:write(w, "x"))
    end)

    it("by a predicate whose error is the caller's", function()
      k:inject { where = function() error("no idea") end, errno = "EIO" }
      contains(failure(p.write, p, w, "x"), "no idea")
    end)

    it("by a predicate that must not wait", function()
      k:inject { call = "write", where = function() p:read(r, 1) end,
        errno = "EIO" }
      contains(failure(p.write, p, w, "x"), "must not wait")
    end)

    it("but never those of scripts on descriptions", function()
      k:inject { errno = "EIO" }
      assert.equal(1, p:description(w):write("x"))
    end)
  end)

  describe("does to them", function()
    it("nothing before the error, so that nothing is lost", function()
      p:write(w, "abc")
      local rule = k:inject { call = "read", when = 1, errno = "EINTR" }
      assert.same({ nil, "Interrupted system call", 4 }, { p:read(r, 10) })
      assert.equal("abc", p:read(r, 10))
      assert.equal(1, rule.hits)
      assert.equal(2, rule.seen)
    end)

    it("what they do, and then an error, with after", function()
      k:inject { call = "write", errno = fdemu.EIO, after = true }
      assert.is_nil((p:write(w, "abc")))
      assert.equal("abc", p:read(r, 10))
    end)

    it("a short count", function()
      k:inject { call = { "read", "write" }, short = 2 }
      assert.equal(2, p:write(w, "abcdef"))
      p:write(w, "c")
      assert.equal("ab", p:read(r, 10))
    end)

    it("a short count only where bytes are moved", function()
      local rule = k:inject { short = 1 }
      assert.equal(5, p:dup(r))
      assert.same({ 1, 0 }, { rule.seen, rule.hits })
      assert.equal(1, p:write(w, "abc"))
      assert.same({ 2, 1 }, { rule.seen, rule.hits })
    end)

    it("a delay of virtual time, in which others run", function()
      k:inject { call = "write", delay = 2.5, when = 1 }
      local first = p:spawn(function()
        p:write(w, "slow")
        return k:now()
      end)
      local second = p:spawn(function()
        p:write(w, "quick")
        return k:now()
      end)
      assert.equal("quick", p:read(r, 10))
      assert.equal(0, second:join())
      assert.equal(2.5, first:join())
      assert.equal("slow", p:read(r, 10))
    end)

    it("a delay after which a write goes where the end is then", function()
      local a = p:open("/tmp/log", "a")
      local rule = k:inject { call = "write", delay = 1, when = 1 }
      local late = p:spawn(function() return p:write(a, "late") end)
      local early = p:spawn(function() return p:write(a, "early") end)
      assert.same({ 4, 5 }, { late:join(), early:join() })
      rule:remove()
      assert.equal("earlylate", p:read(p:open("/tmp/log", "r"), 20))
      assert.equal(0, p:close(a))
    end)

    it("a delay before a wait with a time limit", function()
      k:inject { call = "poll", delay = 1 }
      assert.equal(0, p:poll({ { fd = r, events = fdemu.POLLIN } }, 500))
      assert.equal(1.5, k:now())
    end)

    it("nothing to the record locks of a descriptor that stays", function()
      local q, lock = k:process(), { l_type = fdemu.F_WRLCK }
      local a = p:open("/tmp/locked", fdemu.O_RDWR | fdemu.O_CREAT, 384)
      local b = q:open("/tmp/locked", fdemu.O_RDWR)
      assert.equal(0, p:fcntl(a, fdemu.F_SETLK, lock))
      k:inject { call = "close", errno = "EIO", when = 1 }
      assert.equal(fdemu.EIO, select(3, p:close(a)))
      assert.equal(fdemu.EAGAIN, select(3, q:fcntl(b, fdemu.F_SETLK, lock)))
      assert.equal(0, p:close(a))
      assert.equal(0, q:fcntl(b, fdemu.F_SETLK, lock))
      assert.equal(0, q:close(b))
    end)

    -- What has the number by then, if anything, is not what they were given.
    for _, again in ipairs { false, true } do
      it("a delay in which the descriptor is closed" ..
        (again and ", and its number taken again" or ""), function()
        local spare, results = p:eventfd(0), {}
        local function later(name, ...)
          local args = table.pack(...)
          p:spawn(function()
            local result = { p[name](p, table.unpack(args)) }
            results[#results + 1] = result
          end)
        end
        k:inject { call = { "close", "fcntl", "ioctl" }, delay = 1, when = "1..4" }
        later("close", spare)
        later("fcntl", spare, fdemu.F_SETFD, fdemu.FD_CLOEXEC)
        later("fcntl", spare, fdemu.F_GETFD)
        later("ioctl", spare, fdemu.FIOCLEX)
        k:run(0.5)
        assert.equal(0, p:close(spare))
        if again then assert.equal(spare, p:dup(r)) end
        assert.is_true(k:run())
        local ebadf = { nil, "Bad file descriptor", fdemu.EBADF }
        assert.same({ ebadf, ebadf, ebadf, ebadf }, results)
        if again then
          assert.equal(0, p:fcntl(spare, fdemu.F_GETFD))
          p:write(w, "x")
          assert.equal("x", p:read(spare, 1))
          assert.equal(0, p:close(spare))
        end
      end)
    end

    it("a delay that can be cancelled", function()
      k:inject { call = "poll", delay = 1 }
      local t = p:spawn(function()
        p:poll({ { fd = r, events = fdemu.POLLIN } }, 500)
      end)
      k:run(0.5)
      assert.is_true(t:cancel())
      assert.is_true(k:run())
    end)

    it("a delay of calls that fill something in", function()
      k:inject { call = { "pipe", "pipe2", "fstat" }, delay = 1 }
      local got = {}
      for i = 1, 3 do
        p:spawn(function()
          local a, b = p:pipe()
          got[i] = b - a == 1 and p:fstat(a).st_mode
        end)
      end
      assert.is_true(k:run())
      assert.same({ 0x1180, 0x1180, 0x1180 }, got)
    end)

    it("a delay and then an error, without effect", function()
      k:inject { call = { "write", "open" }, delay = 1, errno = "EIO" }
      local result
      p:spawn(function() result = { p:write(w, "abc") } end)
      k:run(0.5)
      assert.is_nil(result)
      k:run()
      assert.same({ nil, "Input/output error", fdemu.EIO }, result)
      assert.equal(1, k:now())
      assert.equal(fdemu.EIO, select(3, p:open("/file", "w")))
      assert.equal(2, k:now())
      assert.equal(fdemu.ENOENT, select(3, p:stat("/file")))
      p:fcntl(r, fdemu.F_SETFL, fdemu.O_NONBLOCK)
      assert.equal(fdemu.EAGAIN, select(3, p:read(r, 1)))
      k:inject { call = "read", delay = 1, errno = "EAGAIN" }
      p:fcntl(r, fdemu.F_SETFL, 0)
      assert.equal(fdemu.EAGAIN, select(3, p:read(r, 1)))
      assert.equal(3, k:now())
    end)

    it("a delay, and then an error after it took effect", function()
      k:inject { call = "write", delay = 1, errno = "EIO", after = true }
      assert.is_nil((p:write(w, "x")))
      assert.equal(1, k:now())
    end)

    it("what the first rule that picks them says; all count", function()
      local a = k:inject { call = "write", when = "2+", errno = "EIO" }
      local b = k:inject { call = "write", errno = "ENOSPC" }
      assert.equal(fdemu.ENOSPC, (select(3, p:write(w, "x"))))
      assert.equal(fdemu.EIO, (select(3, p:write(w, "x"))))
      assert.same({ 1, 1 }, { a.hits, b.hits })
      assert.same({ 2, 2 }, { a.seen, b.seen })
    end)

    it("what the trace then shows", function()
      local lines = {}
      k:trace(function(event) lines[#lines + 1] = tostring(event) end)
      k:inject { call = "write", errno = "ENOSPC" }
      p:write(w, "x")
      assert.equal('[pid  1] write(' .. w .. ', "x", 1) = -1 ENOSPC '
        .. "(No space left on device) (INJECTED)", lines[1])
    end)
  end)

  describe("a rule", function()
    it("is in force until it is removed, which may be twice", function()
      local rule = k:inject { call = "write", errno = "EIO" }
      assert.is_nil((p:write(w, "x")))
      rule:remove()
      rule:remove()
      assert.equal(1, p:write(w, "x"))
      assert.equal(1, rule.hits)
    end)

    it("is in force when nobody holds it", function()
      k:inject { call = "write", path = nil, errno = "EIO" }
      collectgarbage() collectgarbage()
      assert.is_nil((p:write(w, "x")))
    end)

    it("outlives its kernel as a value", function()
      local other = fdemu.kernel()
      local rule = other:inject { errno = "EIO" }
      other:close()
      rule:remove()
      assert.equal(0, rule.hits)
      contains(tostring(rule), "fdemu.Rule")
    end)

    it("may remove itself, and others, in its predicate", function()
      local a, b
      a = k:inject { where = function() a:remove() b:remove() end, errno = 5 }
      b = k:inject { call = "write", errno = "ENOSPC" }
      assert.equal(1, p:write(w, "x"))
    end)

    it("is listed while it is in force", function()
      local a = k:inject { call = "write", errno = "EIO" }
      local b = k:inject { call = "read", errno = "EIO" }
      assert.same({ a, b }, k:rules())
      a:remove()
      assert.same({ b }, k:rules())
    end)

    describe("that was never used", function()
      local made

      local function rule(t)
        t.errno = "EIO"
        made = debug.getinfo(1, "l").currentline + 1
        return k:inject(t)
      end

      local function expect(unused, reason)
        local text = "a rule made at spec/inject_spec.lua:" .. made
          .. " was never used: " .. reason
        assert.equal(text, unused.unused)
        contains(failure(unused.close, unused), text)
      end

      it("says so, where it was made, and why", function()
        local a = rule { call = "read" }
        p:write(w, "x")
        expect(a, "no call matched it")
        expect(rule { call = "read" }, "no call matched it")
        local b = rule { call = "write", when = "3+" }
        p:write(w, "x")
        p:write(w, "x")
        expect(b, "2 calls matched it, but when = 3+ picked none")
      end)

      it("says when others came before it", function()
        rule { call = "write" }
        local second = rule { call = "write" }
        p:write(w, "x")
        expect(second, "1 call matched it, but another rule came before it")
      end)

      it("is reported once", function()
        local a = rule { call = "read" }
        failure(a.close, a)
        a:close()
      end)

      it("is not reported if it is optional, removed or was used", function()
        local a = rule { call = "read", optional = true }
        assert.is_nil(a.unused)
        a:close()
        local b = rule { call = "read" }
        b:remove()
        b:close()
        local c = rule { call = "write" }
        p:write(w, "x")
        c:close()
      end)

      it("is reported after its kernel has ended", function()
        local other = fdemu.kernel()
        local a = other:inject { errno = "EIO" }
        other:close()
        contains(failure(a.close, a), "never used: no call matched it")
      end)
    end)

    if _VERSION ~= "Lua 5.3" then
      it("ends with its scope, and says if it was never used", function()
        local body = load([[
          local k, p, w, call = ...
          local rule <close> = k:inject { call = call, errno = "EIO" }
          p:write(w, "x")
          if call == "dup" then error "something else" end
        ]], "=body")
        body(k, p, w, "write")
        assert.equal(1, p:write(w, "x"))
        contains(failure(body, k, p, w, "read"),
          "a rule made at body:2 was never used")
        contains(failure(body, k, p, w, "dup"), "something else")
        assert.equal(1, p:write(w, "x"))
      end)
    end
  end)

  it("raises for what makes no rule, naming the key", function()
    for key, rule in pairs {
      ["'colour'"] = { colour = 1, errno = "EIO" },
      ["call '"] = nil,
      ["call"] = { call = "wriet", errno = "EIO" },
      ["errno"] = { errno = "ENOSUCH" },
      ["short"] = { short = 0 },
      ["delay"] = { delay = -1 },
      ["fd"] = { fd = -1, errno = "EIO" },
      ["pid"] = { pid = "x", errno = "EIO" },
      ["path"] = { path = 1, errno = "EIO" },
      ["after"] = { after = true, short = 1 },
      ["short has no effect"] = { errno = "EIO", short = 1 },
      ["'1'"] = { "write", errno = "EIO" },
      ["where"] = { where = 1, errno = "EIO" },
      ["optional"] = { optional = 1, errno = "EIO" },
      ["bad rule: call"] = { call = { "read", 1 }, errno = "EIO" },
      ["it needs"] = { call = "write" },
    } do
      contains(failure(k.inject, k, rule), key)
    end
    contains(failure(k.inject, k), "table expected")
    for name in pairs(getmetatable(p).__index) do
      local ok = pcall(k.inject, k, { call = name, errno = "EIO", fd = 999 })
      assert.message(name).equal(not NO_CALLS[name], ok)
    end
    local line
    contains(failure(function()
      line = debug.getinfo(1, "l").currentline + 1
      k:inject { call = "wriet", errno = "EIO" }
    end), "spec/inject_spec.lua:" .. line .. ": bad rule: call 'wriet'")
    contains(failure(k.inject, k, { call = {}, errno = "EIO" }), "names")
    assert.equal(1, p:write(w, "x"))
  end)
end)

describe("eintr", function()
  it("interrupts calls that would wait, and only those", function()
    local k = fdemu.kernel { eintr = 1 }
    local p = k:process { stdout = "null", stderr = "null" }
    local r, w = p:pipe()
    assert.same({ nil, "Interrupted system call", 4 }, { p:read(r, 1) })
    assert.equal(1, p:write(w, "x"))
    assert.equal("x", p:read(r, 1))
    k:sleep(1)
    assert.equal(65536, p:write(w, ("x"):rep(100000)))
    k:close()
  end)

  it("comes from the seed", function()
    local function run(seed)
      local k = fdemu.kernel { eintr = 0.5, seed = seed }
      local p = k:process { stdout = "null", stderr = "null" }
      local r, w = p:pipe()
      local got = {}
      p:spawn(function()
        for i = 1, 20 do
          local s = p:read(r, 1)
          got[i] = s or "-"
        end
      end)
      p:spawn(function()
        for _ = 1, 20 do
          k:sleep(1)
          p:write(w, "x")
        end
      end)
      k:run()
      k:close()
      return table.concat(got)
    end
    assert.equal(run(1), run(1))
    assert.not_equal(run(1), run(2))
  end)
end)
