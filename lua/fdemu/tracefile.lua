--- Traces for programs: JSON lines, and what Perfetto and Chrome show.
--
-- Each format is a function of a writer that returns two: one that takes
-- events, and one for the end of the trace.

local core = require "fdemu.core"
local json = require "fdemu.json"

local formats = {}

local function fields(...)
  return { n = select("#", ...), ... }
end

--- One object per line and event.
function formats.json(write)
  return function(e)
    write(json.object(fields("time", e.time, "start", e.start, "phase",
      e.phase, "pid", e.pid, "task", e.task, "call", e.call, "fd", e.fd,
      "description", e.description, "kind", e.kind, "path", e.path,
      "result", e.result, "errno", e.errno and core.errname(e.errno),
      "short", e.short, "injected", e.injected, "line", e.line)) .. "\n")
  end, function() end
end

-- ---- Chrome's trace events --------------------------------------------

local TASKS, DESCRIPTIONS = 1, 2

-- Nanoseconds as microseconds.
local function micro(ns)
  return ("%d.%03d"):format(ns // 1000, ns % 1000)
end

-- A list of objects, one per line, which is complete after close().
local function array(write)
  local separator = "[\n"
  local list = {}
  function list.add(text)
    write(separator .. text)
    separator = ",\n"
  end
  function list.close()
    write(separator == ",\n" and "\n]\n" or "[]\n")
  end
  return list
end

-- Lanes hold calls that do not overlap: if one is busy, the next one of the
-- same name is taken. group() finds the lane for a name and marks it busy.
local function lane_maker(list, process, title)
  local lanes, count = {}, 0
  list.add(json.object(fields("name", "process_name", "ph", "M", "pid",
    process, "args", fields("name", title))))
  return function(key, name)
    local group = lanes[key] or {}
    lanes[key] = group
    local i = 1
    while group[i] and group[i].busy do
      i = i + 1
    end
    local lane = group[i]
    if not lane then
      count = count + 1
      lane = { process = process, id = count }
      group[i] = lane
      list.add(json.object(fields("name", "thread_name", "ph", "M", "pid",
        process, "tid", count, "args",
        fields("name", i == 1 and name or ("%s (%d)"):format(name, i)))))
    end
    lane.busy = true
    return lane
  end
end

-- A slice of a lane, from begin to finish (ns).
local function slice(list, lane, e, begin, finish, unfinished)
  list.add(('{"name":%s,"cat":%s,"ph":"X","ts":%s,"dur":%s,"pid":%d,'
    .. '"tid":%d,"args":%s}'):format(json.string(e.call),
    json.string(e.kind or "call"), micro(begin), micro(finish - begin),
    lane.process, lane.id, json.object(fields("line", e.line, "process",
      e.pid, "task", e.task, "result", e.result, "errno",
      e.errno and core.errname(e.errno), "unfinished", unfinished))))
  lane.busy = false
end

--- A lane per task and a lane per description. A call takes no virtual time:
-- it is drawn a nanosecond long, and one after the other, so that the order can
-- be seen.
function formats.perfetto(write)
  local list = array(write)
  local task_lane = lane_maker(list, TASKS, "tasks")
  local description_lane = lane_maker(list, DESCRIPTIONS, "descriptions")
  local clock, waiting = 0, {}

  -- The next moment to draw something that happens at a time (s).
  local function moment(time)
    local ns = math.floor(time * 1e9 + 0.5)
    clock = math.max(ns, clock + 1)
    return clock
  end

  local function begin(e)
    local call = { event = e, from = moment(e.start), lanes = {
      task_lane(e.who, e.task or "main chunk") } }
    if e.description then
      call.lanes[2] = description_lane(e.description,
        ("%s #%d%s"):format(e.kind, e.description,
          e.path and " " .. e.path or ""))
    end
    return call
  end

  local function finish(call, e, unfinished)
    local to = moment(e.time)
    for _, lane in ipairs(call.lanes) do
      slice(list, lane, e, call.from, to, unfinished)
    end
  end

  -- The call that an event ends, which is not in the list any more.
  local function resume(e)
    for i = #waiting, 1, -1 do
      local w = waiting[i].event
      if w.who == e.who and w.call == e.call and w.pid == e.pid
        and w.fd == e.fd and w.start == e.start then
        return table.remove(waiting, i)
      end
    end
    return begin(e) -- it began before the trace
  end

  return function(e)
    if e.phase == "unfinished" then
      waiting[#waiting + 1] = begin(e)
    else
      finish(e.phase == "resumed" and resume(e) or begin(e), e)
    end
  end, function()
    for _, call in ipairs(waiting) do
      finish(call, call.event, true)
    end
    list.close()
  end
end

local tracefile = {}

local function writer(sink)
  if type(sink) == "function" then
    return sink, function() end
  end
  return function(text)
    if io.type(sink) == "file" then
      assert(sink:write(text))
    end
  end, function()
    if io.type(sink) == "file" then
      sink:flush()
    end
  end
end

--- The functions for core's trace: one for each event, one for the end.
function tracefile.open(sink, format)
  local write, flush = writer(sink)
  local event, ended = formats[format](write)
  return event, function()
    ended()
    flush()
  end
end

--- Whether there is such a format.
function tracefile.has(format)
  return formats[format] ~= nil
end

return tracefile
