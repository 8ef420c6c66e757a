--- One run of a body in a kernel of its own, and what came of it.

local core = require "fdemu.core"

local trial = {}

--- "x.lua:12: ", the line that called the function `level` up the stack.
function trial.where(level)
  local info = debug.getinfo(level + 1, "Sl")
  if info and info.currentline > 0 then
    return ("%s:%d: "):format(info.short_src, info.currentline)
  end
  return ""
end

-- An error at the line that called the public function `name`.
local function misuse(name, message, ...)
  error(("%s%s: %s"):format(trial.where(4), name, message:format(...)), 0)
end

--- The options and the body of a public function, which may come in either
-- order; the options may be left out. known: option -> type.
function trial.arguments(name, known, a, b)
  local options, body = a, b
  if type(a) == "function" then options, body = b, a end
  if type(body) ~= "function" then
    misuse(name, "a function expected, not a %s", type(body))
  elseif options ~= nil and type(options) ~= "table" then
    misuse(name, "a table of options expected, not a %s", type(options))
  end
  local checked = {}
  for key, value in next, options or {} do
    local wanted = known[key]
    if wanted == nil then
      misuse(name, "unknown option '%s'", tostring(key))
    elseif wanted == "integer" and math.type(value) ~= "integer"
      or wanted ~= "integer" and wanted ~= "any" and type(value) ~= wanted then
      misuse(name, "option '%s' must be %s %s, not %s", key,
        wanted:find("^[aeiou]") and "an" or "a", wanted, tostring(value))
    end
    checked[key] = value
  end
  return checked, body
end

-- The same error as another run's: its message up to the line it names.
local function place_of(message)
  return message:match("^[^\n]-:%d+:") or ""
end

local function failure(verdict, message, value)
  return {
    verdict = verdict, message = message, value = value,
    place = verdict == "error" and place_of(message) or "",
  }
end

-- A value that was raised, in words that are the same in every run.
local function text_of(value)
  local meta = debug.getmetatable(value)
  if type(value) == "string" or type(value) == "number"
    or type(meta) == "table" and meta.__tostring then
    return tostring(value)
  end
  return value == nil and "nil was raised"
    or ("a %s was raised that has no text"):format(type(value))
end

-- What an error that was raised means.
local function raised(value)
  local message = text_of(value)
  if message:find("^deadlock: ") then
    return failure("deadlock", message, value)
  elseif message:find("^[^\n]*limit reached: %a+ %(limits%.") then
    return failure("limit", message, value)
  end
  return failure("error", message, value)
end

-- The body has a coroutine of its own, so that it cannot yield to whoever
-- called.
local function run_body(k, body)
  local co = coroutine.create(body)
  local results = table.pack(coroutine.resume(co, k))
  if coroutine.status(co) == "suspended" then
    return raised("the body yielded to nobody: only tasks, which k:spawn and "
      .. "p:spawn make, can let others go on with coroutine.yield()")
  elseif not results[1] then
    local result = raised(results[2])
    if type(results[2]) == "string" and result.verdict == "error" then
      result.message = debug.traceback(co, results[2])
    end
    result.raised = true
    return result
  end
  return { verdict = "ok", place = "",
    results = table.pack(table.unpack(results, 2, results.n)) }
end

local function leaks_of(k)
  local rows = k:leaks()
  if #rows == 0 then return nil end
  local lines = {}
  for i, row in ipairs(rows) do lines[i] = tostring(row) end
  local result = failure("leak", table.concat(lines, "\n"))
  result.rows = rows
  return result
end

local function is_closed(k)
  return tostring(k):find("closed", 1, true) ~= nil
end

-- What the body did, then what its tasks did, then what they left behind.
local function run_all(k, body, options)
  local result = run_body(k, body)
  if is_closed(k) then return result end
  if result.verdict == "ok" then
    local ok, err = pcall(k.run, k)
    if not ok then
      result = raised(err)
      result.raised = true
    end
  end
  if options.leaks ~= false
    and (result.verdict == "ok" or result.verdict == "error") then
    local leak = leaks_of(k)
    if result.verdict == "ok" then
      result = leak or result
    else
      result.leaks = leak and leak.rows
    end
  end
  return result
end

--- Runs body(k) once, then the tasks that it made. prepare(k) comes first.
-- options: those of fdemu.kernel in `kernel`; leaks = false: not looked for;
-- trace: a list that gets the lines of the trace; choices: a list that is
-- replayed, or true to record them.
-- @return { verdict = "ok" | "error" | "deadlock" | "limit" | "leak", message = }
function trial.run(options, body, prepare)
  local k = core.kernel(options.kernel)
  local trace = options.trace
  if trace then
    k:trace(function(event) trace[#trace + 1] = tostring(event) end)
  end
  if type(options.choices) == "table" then
    core.replay(k, options.choices)
  elseif options.choices then
    core.record(k)
  end
  if prepare then prepare(k) end
  local result = run_all(k, body, options)
  if not is_closed(k) then
    if trace then k:trace(nil) end -- what closing it interrupts is not shown
    if options.choices then
      result.choices, result.counts = core.choices(k), core.counts(k)
    end
    local ok, err = pcall(k.close, k)
    if not ok and result.verdict == "ok" then result = raised(err) end
  end
  result.choices = result.choices or {}
  return result
end

trial.STEPS = 200000

--- The option limits of a kernel: with one for the steps, so that every body
-- comes to an end.
function trial.limits(given)
  local limits = { steps = trial.STEPS }
  for key, value in next, given or {} do limits[key] = value end
  return limits
end

--- The first line in which two lists differ, or nil.
function trial.difference(a, b)
  for i = 1, math.max(#a, #b) do
    if a[i] ~= b[i] then return i, a[i] or "(ended)", b[i] or "(ended)" end
  end
end

trial.causes = [[
What makes runs differ: the order of pairs() and next() over keys that are
tables, functions or strings; os.time(), os.clock() and other clocks of the
host; math.random() and os.tmpname(); addresses, as in tostring({}); files of
the host; and what is kept from one run to the next (upvalues, globals,
modules). k:now() is a clock that does not differ.]]

--- Runs body twice. Returns nil if it did the same, or the text that says where
-- it did not, and the result of the first run.
function trial.compare(options, body)
  local first, second = {}, {}
  local function run(trace)
    local copy = { trace = trace }
    for key, value in next, options do copy[key] = copy[key] or value end
    return trial.run(copy, body)
  end
  local one, two = run(first), run(second)
  local line, a, b = trial.difference(first, second)
  if line then
    return ("the runs differ in line %d of their traces:\n  1st: %s\n"
      .. "  2nd: %s\n%s"):format(line, a, b, trial.causes), one
  elseif one.verdict ~= two.verdict or one.place ~= two.place then
    return ("the runs make the same calls, but end differently:\n  1st: %s\n"
      .. "  2nd: %s\n%s"):format(one.message or "ok", two.message or "ok",
      trial.causes), one
  end
  return nil, one, first
end

local function is_terminal()
  local k = core.kernel()
  local ok, yes = pcall(function()
    local p = k:process { stdout = "null" }
    return p:isatty(2)
  end)
  k:close()
  return ok and yes == 1
end

--- A function that shows a text on the terminal's line, a few times a second;
-- nil wipes it out.
function trial.reporter(wanted)
  if wanted == false or (wanted == nil and not is_terminal()) then
    return function() end
  end
  local shown, last = false, -1
  return function(text)
    local now = os.clock()
    if text == nil then
      if shown then io.stderr:write("\r\27[K") end
      shown = false
    elseif now - last >= 0.1 then
      io.stderr:write("\r\27[K", text)
      shown, last = true, now
    end
  end
end

return trial
