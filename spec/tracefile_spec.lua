-- tracefile_spec.lua - traces as JSON lines, and for Perfetto
local fdemu = require "fdemu"
local dkjson = require "dkjson" -- which busted needs, too
local checks = require "spec.helper_checks"

local contains, failure = checks.contains, checks.failure

local function decode(text)
  local value, at, err = dkjson.decode(text)
  assert.is_nil(err)
  assert.is_nil(text:find("%S", at))
  return value
end

describe("trace", function()
  local k, p, r, w

  before_each(function()
    k = fdemu.kernel()
    p = k:process { stdout = "null", stderr = "null" }
    r, w = p:pipe()
  end)

  after_each(function() k:close() end)

  local pieces

  local function trace(format)
    local list = {}
    k:trace(function(piece) list[#list + 1] = piece end, { format = format })
    pieces = list
  end

  local function text() return table.concat(pieces) end

  -- A reader that waits for a writer, who takes 2 s.
  local function play()
    k:spawn { function() p:read(r, 10) end, name = "reader" }
    k:spawn { function()
      k:sleep(2)
      p:write(w, "\0\"\\\xff")
    end, name = "wri\"ter\xff\n" }
    k:run()
    p:close(99)
  end

  describe("as JSON lines", function()
    it("has an object for each event", function()
      trace "json"
      play()
      k:trace(nil)
      local list = {}
      for line in text():gmatch("[^\n]+") do list[#list + 1] = decode(line) end
      assert.same({ time = 0, start = 0, phase = "unfinished", pid = 1,
        task = "reader", call = "read", fd = r, description = 4,
        kind = "pipe", line = "[pid  1] read(3,  <unfinished ...>" }, list[1])
      assert.equal("wri\"terÿ\n", list[2].task)
      assert.equal(2, list[2].start)
      assert.same({ time = 2, start = 0, phase = "resumed", pid = 1,
        task = "reader", call = "read", fd = r, description = 4,
        kind = "pipe", result = 4,
        line = [=[[pid  1] <... read resumed>"\0\"\\\377", 10) = 4]=] },
        list[3])
      assert.same({ time = 2, start = 2, phase = "call", pid = 1,
        call = "close", fd = 99, result = -1, errno = "EBADF",
        line = "[pid  1] close(99) = -1 EBADF (Bad file descriptor)" },
        list[4])
      assert.equal(4, #list)
    end)

    it("says which calls were cut short, and which made to fail", function()
      trace "json"
      k:inject { call = "write", when = 1, short = 1 }
      k:inject { call = "write", when = 2, errno = "EIO" }
      p:write(w, "abc")
      p:write(w, "abc")
      local first, second = decode(pieces[1]), decode(pieces[2])
      assert.is_true(first.injected)
      assert.equal(3, first.short)
      assert.is_true(second.injected)
      assert.equal("EIO", second.errno)
    end)

    it("names the path", function()
      trace "json"
      local fd = p:open("/dev/null")
      p:read(fd, 1)
      p:open("/dev/no\xff")
      assert.equal("/dev/null", decode(pieces[1]).path)
      assert.equal("/dev/null", decode(pieces[2]).path)
      assert.equal("/dev/noÿ", decode(pieces[3]).path)
    end)
  end)

  describe("for Perfetto", function()
    -- Slices by lane: { ["tasks reader"] = { {name=, ts=, dur=}, ... } }.
    local function lanes(list)
      local processes, names, slices = {}, {}, {}
      for _, e in ipairs(list) do
        local key = e.pid .. "/" .. tostring(e.tid)
        if e.ph == "M" and e.name == "process_name" then
          processes[e.pid] = e.args.name
        elseif e.ph == "M" then
          assert.equal("thread_name", e.name)
          names[key] = processes[e.pid] .. " " .. e.args.name
          slices[names[key]] = {}
        else
          assert.equal("X", e.ph)
          table.insert(slices[names[key]], e)
        end
      end
      return slices
    end

    -- Slices of a lane do not overlap.
    local function check(slices)
      for _, lane in pairs(slices) do
        table.sort(lane, function(a, b) return a.ts < b.ts end)
        for i, e in ipairs(lane) do
          assert.is_true(e.dur > 0)
          local following = lane[i + 1]
          assert.is_true(not following or e.ts + e.dur <= following.ts + 1e-6)
        end
      end
      return slices
    end

    it("has a lane per task and a lane per description", function()
      trace "perfetto"
      play()
      k:trace(nil)
      local slices = check(lanes(decode(text())))
      local read = slices["tasks reader"][1]
      assert.equal("read", read.name)
      assert.equal("pipe", read.cat)
      assert.is_true(math.abs(read.dur - 2e6) < 1)
      assert.equal(4, read.args.result)
      assert.equal("reader", read.args.task)
      assert.equal(1, read.args.process)
      local write = slices["tasks wri\"terÿ\n"][1]
      assert.is_true(write.ts >= 2e6)
      assert.equal("read", slices["descriptions pipe #4"][1].name)
      assert.equal("write", slices["descriptions pipe #5"][1].name)
      local close = slices["tasks main chunk"][1]
      assert.equal("close", close.name)
      assert.equal("EBADF", close.args.errno)
    end)

    it("keeps the order of what happens at one time", function()
      trace "perfetto"
      for _ = 1, 10 do p:write(w, "x") end
      k:trace(nil)
      local slices = check(lanes(decode(text())))
      assert.equal(10, #slices["tasks main chunk"])
    end)

    it("shows calls that overlap in lanes of their own", function()
      trace "perfetto"
      for i = 1, 3 do
        k:spawn { function() p:read(r, 1) end, name = "reader " .. i }
      end
      k:after(1, function() p:write(w, "abc") end)
      k:run()
      k:trace(nil)
      local slices = check(lanes(decode(text())))
      for _, name in ipairs { "", " (2)", " (3)" } do
        assert.equal("read", slices["descriptions pipe #4" .. name][1].name)
      end
    end)

    it("shows a call that waited alone as long as it took", function()
      trace "perfetto"
      p:poll({ { fd = r, events = fdemu.POLLIN } }, 500)
      k:trace(nil)
      local poll = check(lanes(decode(text())))["tasks main chunk"][1]
      assert.is_true(math.abs(poll.dur - 5e5) < 1)
    end)

    it("shows what a driver does for a call within it", function()
      k:device("/dev/relay", { read = function() return p:read(r, 1) end })
      local fd = p:open("/dev/relay")
      p:write(w, "x")
      trace "perfetto"
      k:spawn { function() p:read(fd, 1) end, name = "user" }
      k:run()
      k:trace(nil)
      local slices = check(lanes(decode(text())))
      local outer, inner = slices["tasks user"][1],
        slices["tasks user (2)"][1]
      assert.is_true(outer.ts < inner.ts)
      assert.is_true(outer.ts + outer.dur > inner.ts + inner.dur)
    end)

    it("is complete when the kernel closes", function()
      trace "perfetto"
      k:spawn { function() p:read(r, 1) end, name = "stuck", daemon = true }
      k:sleep(1)
      p:close(99)
      k:close()
      local slices = check(lanes(decode(text())))
      assert.equal("read", slices["tasks stuck"][1].name)
    end)

    it("is complete when it stops, with what is unfinished", function()
      trace "perfetto"
      k:spawn { function() p:read(r, 1) end, name = "stuck", daemon = true }
      k:sleep(1)
      p:close(99)
      k:trace(nil)
      local slices = check(lanes(decode(text())))
      assert.is_true(slices["tasks stuck"][1].args.unfinished)
    end)

    it("is complete when another trace begins, and when it is empty", function()
      trace "perfetto"
      k:trace(function() end)
      assert.equal(2, #decode(text()))
      trace "perfetto"
      local first = pieces
      trace "perfetto"
      assert.equal(2, #decode(table.concat(first)))
      k:close()
      assert.equal(2, #decode(text()))
    end)

    it("is complete when the kernel is collected", function()
      local other = fdemu.kernel()
      local out = {}
      other:trace(function(s) out[#out + 1] = s end, { format = "perfetto" })
      other = nil -- luacheck: ignore
      collectgarbage() collectgarbage()
      assert.equal(2, #decode(table.concat(out)))
    end)

    it("knows a call that began before it", function()
      k:spawn { function() p:read(r, 1) end, name = "early" }
      k:run(1)
      p:close(99)
      trace "perfetto"
      p:write(w, "x")
      k:run()
      k:trace(nil)
      local slices = check(lanes(decode(text())))
      assert.equal("read", slices["tasks early"][1].name)
    end)
  end)

  it("goes to a file, which is flushed in the end", function()
    local name = os.tmpname()
    finally(function() os.remove(name) end)
    local file = assert(io.open(name, "w"))
    k:trace(file, { format = "perfetto" })
    p:close(99)
    k:trace(nil)
    local other = assert(io.open(name))
    assert.equal(4, #decode(other:read("a")))
    other:close()
    k:trace(file, { format = "json" })
    file:close()
    p:close(99)
    k:trace(nil)
  end)

  it("may be asked for by strace's name", function()
    local list = {}
    k:trace(function(e) list[#list + 1] = tostring(e) end,
      { format = "strace" })
    p:close(99)
    assert.same({ "[pid  1] close(99) = -1 EBADF (Bad file descriptor)" },
      list)
  end)

  it("says the same again, in every format", function()
    local function run(format)
      local other = fdemu.kernel { seed = 1, order = "random" }
      k, p = other, other:process { stdout = "null", stderr = "null" }
      r, w = p:pipe()
      trace(format)
      play()
      other:close()
      return text()
    end
    for _, format in ipairs { "json", "perfetto" } do
      assert.equal(run(format), run(format))
    end
  end)

  it("raises for what is no format, or no sink", function()
    contains(failure(k.trace, k, print, { format = "xml" }),
      "bad argument #2 to 'trace' (format 'xml' is not strace, json or "
        .. "perfetto)")
    contains(failure(k.trace, k, print, { colour = 1 }),
      "unknown option 'colour'")
    contains(failure(k.trace, k, print, "json"), "table expected, got string")
    contains(failure(k.trace, k, "file", { format = "json" }),
      "bad argument #1 to 'trace' (a file, a function or nil expected, got")
    contains(failure(k.trace, k, 1), "bad argument #1 to 'trace'")
    local file, line = io.tmpfile(), nil
    file:close()
    contains(failure(function()
      line = debug.getinfo(1, "l").currentline + 1
      k:trace(file)
    end), ("spec/tracefile_spec.lua:%d: bad argument #1 to 'trace' (file is "
      .. "closed)"):format(line))
  end)
end)
