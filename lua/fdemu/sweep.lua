--- fdemu.sweep(): every call of a body fails once, in each way that it can.

local core = require "fdemu.core"
local errnos = require "fdemu.errnos"
local trial = require "fdemu.trial"

local sweep = {}

-- library/fdemu.lua says what each is for.
local OPTIONS = {
  calls = "any", errnos = "any", short = "boolean", eintr = "boolean",
  leaks = "boolean", progress = "boolean", seed = "integer", nofile = "integer",
  strict = "boolean", host = "boolean", honest = "boolean", space = "integer",
  limits = "table",
}

-- ---- options --------------------------------------------------------------

local function misuse(options, message, ...)
  error(("%ssweep: %s"):format(options.place, message:format(...)), 0)
end

local function call_name(options, name)
  if type(name) ~= "string" then
    misuse(options, "option 'calls' must have names, not %s", tostring(name))
  end
  local call = errnos.aliases[name] or name
  if not errnos.calls[call] then misuse(options, "'%s' is no call", name) end
  return call
end

local function as_list(options, key, value)
  if type(value) == "string" then return { value } end
  if type(value) ~= "table" then
    misuse(options, "option '%s' must be a list of names, not %s", key,
      tostring(value))
  end
  return value
end

local function call_set(options)
  if options.calls == nil then return nil end
  local set = {}
  for _, name in ipairs(as_list(options, "calls", options.calls)) do
    set[call_name(options, name)] = true
  end
  return set
end

local function is_errno(k, name)
  return type(name) == "string" and pcall(k.inject, k, { errno = name })
end

local function errno_list(options, value)
  local list = as_list(options, "errnos", value)
  for _, name in ipairs(list) do
    if not is_errno(options.scratch, name) then
      misuse(options, "'%s' is no error", tostring(name))
    end
  end
  return list
end

-- errno names by call, or one list for all, or nil for those of Linux.
local function errno_options(options)
  local given = options.errnos
  if given == nil then return nil, nil end
  if type(given) ~= "table" or #given > 0 then
    return nil, errno_list(options, given)
  end
  local by_call = {}
  for name, list in next, given do
    by_call[call_name(options, name)] = errno_list(options, list)
  end
  return by_call, nil
end

local function complete(options, place)
  options.place = place
  options.kernel = {
    origins = true, eintr = 1, -- which choices = {} prevents
    limits = trial.limits(options.limits),
  }
  for _, key in ipairs {
    "seed", "nofile", "strict", "host", "honest", "space",
  } do
    options.kernel[key] = options[key]
  end
  local ok, k = pcall(core.kernel, options.kernel)
  if not ok then
    misuse(options, "%s", (tostring(k):gsub("^[^\n]-:%d+: ", "")))
  end
  options.scratch = k
  options.calls = call_set(options)
  options.by_call, options.all = errno_options(options)
  k:close()
end

-- ---- which calls, and what can happen to them -----------------------------

-- The line that makes the call: seen from a predicate of k:inject.
local function site_of()
  for level = 3, 12 do
    local info = debug.getinfo(level, "Sl")
    if not info then break end
    if info.currentline > 0 then
      return ("%s:%d"):format(info.short_src, info.currentline)
    end
  end
  return "?"
end

local function wanted(options, call)
  if options.calls then return options.calls[call.call] ~= nil end
  return errnos.calls[call.call] ~= nil
end

local function errnos_of(options, call)
  local names, after = errnos.of(call)
  if options.all then return options.all, after end
  if options.by_call then return options.by_call[call.call] or {}, after end
  return names, after
end

-- What can happen to a call: a list of { errno = } and { short = }.
local function faults_of(options, call)
  local faults = {}
  local names, after = errnos_of(options, call)
  for _, name in ipairs(names) do
    if name ~= "EINTR" or options.eintr ~= false then
      faults[#faults + 1] = { errno = name, after = after }
    end
  end
  if options.short ~= false and errnos.may_be_short(call) then
    faults[#faults + 1] = { short = 1 }
  end
  return faults
end

-- A rule that makes fn(call, site) decide, but of the calls that are wanted.
local function rule_of(options, fault, fn)
  return {
    errno = fault.errno, short = fault.short, after = fault.after,
    where = function(call)
      return wanted(options, call) and fn(call, site_of()) or false
    end,
  }
end

local function run(options, body, fault, fn)
  return trial.run({
    kernel = options.kernel, leaks = options.leaks, choices = {},
  }, body, function(k)
    k:inject(rule_of(options, fault, fn))
  end)
end

-- ---- judging --------------------------------------------------------------

local function is_failure(results)
  return results.n >= 2 and not results[1] and results[2] ~= nil
end

-- Whether the value that was raised tells of the error.
local function tells_of(value, name)
  local number = core[name]
  if value == number then return true end
  if type(value) == "table" then
    for _, key in ipairs { "errno", "code", "errnum" } do
      local field = rawget(value, key)
      if field == number or field == name then return true end
    end
  end
  local text = tostring(value)
  return text:find(core.strerror(number), 1, true) ~= nil
    or text:find(name, 1, true) ~= nil
end

-- What the body itself has opened goes with it when it ends with an error, as
-- if its program had died. What the functions that it calls have opened and
-- not closed is a leak.
local function lost_elsewhere(rows, body)
  local info = debug.getinfo(body, "S")
  for _, row in ipairs(rows or {}) do
    local file, line = (row.origin or ""):match("^(.*):(%d+)$")
    line = tonumber(line) or 0
    if file ~= info.short_src or line < info.linedefined
      or line > info.lastlinedefined then
      return tostring(row)
    end
  end
end

local function judge_error(result, fault, body)
  if not fault.errno or not tells_of(result.value, fault.errno) then
    return "error", result.message
  end
  local lost = lost_elsewhere(result.leaks, body)
  if lost then return "leak", lost end
  return "ok", result.message
end

local function judge_results(results, fault)
  if not is_failure(results) then return "ok" end
  local message, number = tostring(results[2]), results[3]
  if fault.errno and (number == core[fault.errno]
    or tells_of(message, fault.errno)) then
    return "ok", message
  end
  return "error", "it returned " .. message
end

local function judge(result, fault, body)
  if result.verdict == "error" then
    return judge_error(result, fault, body)
  elseif result.verdict ~= "ok" then
    return result.verdict, result.message
  end
  return judge_results(result.results, fault)
end

-- ---- the report -----------------------------------------------------------

local function first_line(text)
  return text and text:match("^[^\n]*") or ""
end

-- A row, or several that differ only in their errnos.
local function row_text(row, errno_names)
  return ("%s: %s, call %d: %s: %s%s"):format(row.site, row.call, row.n,
    errno_names, row.verdict,
    row.detail and ": " .. first_line(row.detail) or "")
end

local Row = {
  __tostring = function(row) return row_text(row, row.errno) end,
}

-- Rows in their order, with those together that differ only in their errnos.
local function row_texts(rows)
  local texts, previous, names, key = {}, nil, nil, nil
  for _, row in ipairs(rows) do
    local new = row_text(row, "")
    if new == key then
      names = names .. ", " .. row.errno
    else
      previous, names, key = row, row.errno, new
      texts[#texts + 1] = ""
    end
    texts[#texts] = row_text(previous, names)
  end
  return texts
end

local Report = {}
Report.__index = Report

function Report:__tostring()
  local lines = {
    ("sweep: %d calls, %d runs with a fault, %d failure%s"):format(self.calls,
      #self, #self.failures, #self.failures == 1 and "" or "s"),
  }
  for _, text in ipairs(row_texts(self.failures)) do
    lines[#lines + 1] = "  " .. text
  end
  return table.concat(lines, "\n")
end

function Report:add(row)
  if row == nil then return end
  self[#self + 1] = row
  if row.verdict ~= "ok" then
    self.ok = false
    self.failures[#self.failures + 1] = row
  end
end

--- Raise the report as a text if there are failures.
---@return fdemu.SweepReport self
function Report:check()
  if not self.ok then error(trial.where(2) .. tostring(self), 0) end
  return self
end

-- ---- running --------------------------------------------------------------

-- The calls of a run to which nothing happens.
local function count_calls(options, body)
  local calls = {}
  local result = run(options, body, { errno = "EIO" }, function(call, site)
    call.site = site
    calls[#calls + 1] = call
    return false
  end)
  local verdict, detail = judge(result, {}, body)
  if verdict ~= "ok" then
    misuse(options, "the body fails without a fault: %s: %s", verdict, detail)
  end
  return calls, result.counts
end

-- Who comes to wait, and how often; if errors are given, those do it all.
local function interruptions(options, counts)
  local list = {}
  if options.eintr == false or options.all or options.by_call then return list end
  for _, count in ipairs(counts) do
    if count.kind == "eintr" then list[#list + 1] = count end
  end
  return list
end

-- So many calls are no program that ends.
local function too_many(calls)
  return 100 * #calls + 10000
end

local function run_fault(options, body, calls, n, fault)
  local count, strayed = 0, nil
  local result = run(options, body, fault, function(call, site)
    count = count + 1
    if count > too_many(calls) then
      error(("%s: endless: %d calls, and no end"):format(site, count), 0)
    elseif count ~= n then
      return false
    end
    if call.call ~= calls[n].call or site ~= calls[n].site then
      strayed = ("call %d was %s at %s"):format(n, call.call, site)
    end
    return not strayed
  end)
  if strayed or count < n then
    return "unreproducible", (strayed or "the call was not made") .. "; "
      .. trial.causes
  end
  return judge(result, fault, body)
end

-- An interruption of the nth call that who has to wait in: its row, or nil.
local function interrupt(options, body, who, nth)
  local choice = { kind = "eintr", who = who, nth = nth, value = 1 }
  local result = trial.run({
    kernel = options.kernel, leaks = options.leaks, choices = { choice },
  }, body)
  local made = result.choices[1]
  if made and not wanted(options, made) then return nil end
  local row = { call = "?", site = "?", n = nth, errno = "EINTR" }
  if made then
    row.call, row.fd, row.site = made.call, made.fd, made.origin or "?"
    row.verdict, row.detail = judge(result, row, body)
  else
    row.verdict, row.detail = "unreproducible", trial.causes
  end
  return setmetatable(row, Row)
end

local function row_of(calls, n, fault, verdict, detail)
  local call = calls[n]
  return setmetatable({
    site = call.site, call = call.call, n = n, fd = call.fd, path = call.path,
    kind = call.kind, errno = fault.errno or "short count", verdict = verdict,
    detail = detail,
  }, Row)
end

--- Run body(k) once to see its calls; then again for each call and each error
-- that Linux documents for it, for a short count where that can be, and for an
-- interruption (EINTR) wherever a call had to wait. Each run has to end (no
-- deadlock), to leave no descriptor open, and to raise or return (nil, message,
-- errno) no other error than the one that it was given.
--
-- A body that raises that error has ended like a program that dies: what it
-- has opened itself is no leak then; what the functions that it calls have
-- opened, and did not close, is.
---@param body fun(k: fdemu.Kernel): ...
---@param options? fdemu.SweepOptions
---@return fdemu.SweepReport report a list of rows: `site`, `call`, `n` (which of
--- the calls; with EINTR, which of the waits of its task), `errno`, `verdict`
--- ("ok", "error", "leak", "deadlock", "limit", "unreproducible"), `detail`
function sweep.sweep(body, options)
  local place = trial.where(2)
  options, body = trial.arguments("sweep", OPTIONS, body, options)
  complete(options, place)
  local calls, counts = count_calls(options, body)
  local show = trial.reporter(options.progress)
  local report = setmetatable({ ok = true, failures = {}, calls = #calls }, Report)
  for n, call in ipairs(calls) do
    show(("sweep: call %d of %d"):format(n, #calls))
    for _, fault in ipairs(faults_of(options, call)) do
      report:add(row_of(calls, n, fault,
        run_fault(options, body, calls, n, fault)))
    end
  end
  show("sweep: calls that wait")
  for _, count in ipairs(interruptions(options, counts)) do
    for nth = 1, count.nth do
      report:add(interrupt(options, body, count.who, nth))
    end
  end
  show(nil)
  report.runs = #report + 1
  return report
end

return sweep
