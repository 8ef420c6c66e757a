--- fdemu.explore(): the same body under many seeds, until one fails; and
-- fdemu.deterministic(): whether it does the same twice.

local core = require "fdemu.core"
local shrink = require "fdemu.shrink"
local trial = require "fdemu.trial"

local explore = {}

-- library/fdemu.lua says what each is for.
local OPTIONS = {
  runs = "integer", seed = "integer", short = "number", eintr = "number",
  order = "string", nofile = "integer", strict = "boolean", host = "boolean",
  honest = "boolean", space = "integer", limits = "table",
  shard = "string", seconds = "number", leaks = "boolean", shrink = "integer",
  tail = "integer", progress = "boolean", deterministic = "boolean",
}

local KERNEL = {
  "short", "eintr", "order", "nofile", "strict", "host", "honest", "space",
}

-- At most so many runs for a failure that takes as long as the limit lets it.
local SHRINK_LIMIT = 50

-- The options of fdemu.kernel for a seed. strict with origins raises errors of
-- its own; so then every run has origins, to be like the one that explains.
local function kernel_options(options, seed, origins)
  local result = {
    seed = seed, origins = origins or options.strict,
    limits = trial.limits(options.limits),
  }
  for _, key in ipairs(KERNEL) do result[key] = options[key] end
  return result
end

-- An error at the line that called the public function.
local function misuse(options, message, ...)
  error(("%s%s: %s"):format(options.place, options.name, message:format(...)), 0)
end

local function environment(options, name, default, min)
  local text = os.getenv(name)
  if text == nil or text == "" then return default end
  local n = math.tointeger(tonumber(text))
  if n == nil or n < min then
    misuse(options, "%s=%s in the environment is not an integer%s", name, text,
      min > 0 and " > 0" or "")
  end
  return n
end

local function parse_shard(options)
  local text = options.shard or "1/1"
  local number, of = text:match("^(%d+)/(%d+)$")
  number, of = math.tointeger(tonumber(number)), math.tointeger(tonumber(of))
  if not number or not of or number < 1 or number > of then
    misuse(options, "option 'shard' must be as \"2/8\", not \"%s\"", text)
  end
  return number, of
end

local function check_least(options, key, least)
  local value = options[key]
  if value and not (value >= least) then
    misuse(options, "option '%s' must be >= %d, not %s", key, least, value)
  end
end

-- What fdemu.kernel says of its options.
local function check_kernel(options)
  local ok, k = pcall(core.kernel, kernel_options(options, 0))
  if not ok then
    misuse(options, "%s", (tostring(k):gsub("^[^\n]-:%d+: ", "")))
  end
  k:close()
end

-- The options as they are, defaults and environment included.
local function complete(name, options, place)
  options.name, options.place = name, place
  check_least(options, "runs", 1)
  check_least(options, "seconds", 0)
  check_least(options, "shrink", 0)
  check_least(options, "tail", 0)
  options.short = options.short or 0.5
  options.order = options.order or "random"
  options.number, options.of = parse_shard(options)
  options.runs = environment(options, "FDEMU_RUNS", options.runs or 1000, 1)
  options.seed = environment(options, "FDEMU_SEED", options.seed or 0,
    math.mininteger)
  options.shrink = options.shrink or 2000
  options.tail = options.tail or 20
  check_kernel(options)
end

-- ---- tokens ---------------------------------------------------------------

-- FNV-1a
local function hash(text)
  local h = 0x811c9dc5
  for i = 1, #text do h = (h ~ text:byte(i)) * 0x01000193 & 0xffffffff end
  return h
end

-- What a token must fit: the body and the options that change what chance
-- can choose.
local function fit_of(options, body)
  local ok, dump = pcall(string.dump, body, true)
  local parts = { core._VERSION, _VERSION, ok and dump or "C" }
  for _, key in ipairs(KERNEL) do
    parts[#parts + 1] = key .. "=" .. tostring(options[key])
  end
  return ("%08x"):format(hash(table.concat(parts, "\n")))
end

local LETTERS = {
  short = "s", eintr = "e", retry = "r", turn = "t", stop = "p",
}
local KINDS = {}
for kind, letter in next, LETTERS do KINDS[letter] = kind end

local WHO_PROC = 0x80000000 -- FDEMU_WHO_PROC

-- "s3-7-1": task 3's 7th short count is of 1 byte; "sp1-7-1": process 1's.
local function encode(choice)
  local who = choice.who & WHO_PROC ~= 0 and "p" .. (choice.who & ~WHO_PROC)
    or tostring(choice.who)
  return ("%s%s-%d-%d"):format(LETTERS[choice.kind], who, choice.nth,
    choice.value)
end

local function decode(text)
  local letter, process, who, nth, value =
    text:match("^(%l)(p?)(%d+)%-(%d+)%-(%d+)$")
  local kind = KINDS[letter]
  who, nth, value = math.tointeger(who), math.tointeger(nth), math.tointeger(value)
  if not kind or not who or not nth or not value or who >= WHO_PROC then
    return nil
  end
  return { kind = kind, nth = nth, value = value,
    who = process == "p" and who | WHO_PROC or who }
end

local function token_of(options, body, seed, choices)
  local parts = {}
  for i, choice in ipairs(choices) do parts[i] = encode(choice) end
  return ("1_%d_%s_%s"):format(seed, fit_of(options, body),
    #parts > 0 and table.concat(parts, ".") or "0")
end

local function parse_token(token)
  local version, seed, fit, list =
    token:match("^(%d+)_(%-?%d+)_(%x+)_([%w%-.]+)$")
  seed = math.tointeger(tonumber(seed))
  if version ~= "1" or not seed then return nil end
  local choices = {}
  for text in list:gmatch("[^.]+") do
    if text ~= "0" then
      local choice = decode(text)
      if not choice then return nil end
      choices[#choices + 1] = choice
    end
  end
  return seed, fit, choices
end

-- ---- words ----------------------------------------------------------------

-- "task 'reader'", "task 3", "process 1"
local function quoted(name)
  if name:find("^task %d+$") or name:find("^process %d+$") then return name end
  return ("task '%s'"):format(name)
end

local function at(choice)
  return choice.origin and " at " .. choice.origin or ""
end

local function call_of(choice)
  return choice.fd and ("%s(%d)"):format(choice.call, choice.fd) or choice.call
end

local WORDS = {}

function WORDS.short(choice)
  return ("%s: %s%s moved at most %d of %d bytes"):format(quoted(choice.task),
    call_of(choice), at(choice), choice.value, choice.most + 1)
end

function WORDS.eintr(choice)
  return ("%s: %s%s was interrupted (EINTR)"):format(quoted(choice.task),
    call_of(choice), at(choice))
end

function WORDS.turn(choice)
  return ("%s, %s, had to let %s go first"):format(quoted(choice.task),
    choice.origin and "after its call at " .. choice.origin
    or "which had made no call yet", quoted(choice.other))
end

function WORDS.stop(choice)
  return ("%s was stopped before %s%s, and others went first"):format(
    quoted(choice.task), call_of(choice), at(choice))
end

function WORDS.retry(choice)
  return ("%s: %s%s was woken, but %s went first"):format(quoted(choice.task),
    choice.call, at(choice), quoted(choice.other))
end

local function indent(text)
  return (text:gsub("[^\n]+", "  %0"))
end

local function describe_choices(failure)
  if #failure.choices == 0 then
    return "chance was not needed: it fails without a short count, an "
      .. "interruption or a switch"
  end
  local lines = {}
  for i, choice in ipairs(failure.choices) do
    lines[i] = ("  %d. %s"):format(i, WORDS[choice.kind](choice))
  end
  local made = failure.drawn > #lines
    and (" (of %d that chance made; shrunk in %d runs)"):format(failure.drawn,
      failure.shrunk) or ""
  return ("it needs %d choice%s%s:\n%s"):format(#lines,
    #lines == 1 and "" or "s", made, table.concat(lines, "\n"))
end

local function describe_trace(trace, tail)
  local first = math.max(1, #trace - tail + 1)
  if #trace == 0 or tail == 0 then return nil end
  return ("the last %d of %d lines of the trace:\n%s"):format(#trace - first + 1,
    #trace, indent(table.concat(trace, "\n", first)))
end

-- The error that explore raises: a table that prints as its text.
local Failure = {
  __tostring = function(self) return self.text end,
  __name = "fdemu.Failure",
}

local function compose(failure, options, place)
  local parts = {
    ("%sexplore: seed %d%s: %s"):format(place, failure.seed,
      failure.run and (" (run %d of %d)"):format(failure.run, options.runs)
      or " (replayed)", failure.verdict),
    indent(failure.message),
    describe_choices(failure),
  }
  parts[#parts + 1] = describe_trace(failure.trace, options.tail)
  parts[#parts + 1] = "to make the same run again: FDEMU_REPLAY=" .. failure.token
  failure.text = table.concat(parts, "\n")
  return setmetatable(failure, Failure)
end

-- ---- running --------------------------------------------------------------

-- A run with all that explains it.
local function explained_run(options, body, seed, choices)
  local trace = {}
  local result = trial.run({
    kernel = kernel_options(options, seed, true), leaks = options.leaks,
    trace = trace, choices = choices,
  }, body)
  result.trace = trace
  return result
end

local function same_failure(a, b)
  return a.verdict == b.verdict and a.place == b.place
end

local function not_reproducible(place, seed, first, second, what)
  local line, a, b = trial.difference(first.trace, second.trace)
  local detail = line
    and ("line %d of the trace was\n  %s\nand then\n  %s"):format(line, a, b)
    or ("it ended with\n%s\nand then with\n%s"):format(
      indent(first.message or "ok"), indent(second.message or "ok"))
  error(("%sexplore: seed %d failed, but is not reproducible: %s, %s\n%s"):format(
    place, seed, what, detail, trial.causes), 0)
end

-- Makes the run that failed again, twice, and then from its choices alone.
local function reproduce(options, body, seed, failed, place)
  local first = explained_run(options, body, seed, true)
  local second = explained_run(options, body, seed, true)
  if trial.difference(first.trace, second.trace)
    or not same_failure(first, second) then
    not_reproducible(place, seed, first, second, "with the same seed")
  elseif not same_failure(failed, first) then
    failed.trace = {}
    not_reproducible(place, seed, failed, { message = first.message, trace = {} },
      "with the same seed")
  end
  local replayed = explained_run(options, body, seed, first.choices)
  if trial.difference(first.trace, replayed.trace)
    or not same_failure(first, replayed) then
    not_reproducible(place, seed, first, replayed, "with the same choices")
  end
  return first
end

local OTHERS = 20

-- Leaving out one choice after the other can end where none can be left out,
-- though there is a shorter list. So other seeds that fail alike are tried.
local function shrink_choices(options, body, seed, failed, report)
  local runs = 0
  local function run(seed_of_run, choices)
    runs = runs + 1
    report(("explore: shrinking, run %d"):format(runs))
    local result = trial.run({
      kernel = kernel_options(options, seed_of_run), leaks = options.leaks,
      choices = choices,
    }, body)
    return same_failure(result, failed) and result.choices or nil
  end
  local function test(choices) return run(seed, choices) end
  local most = options.shrink
  if failed.verdict == "limit" then most = math.min(most, SHRINK_LIMIT) end
  local best = shrink.list(failed.choices, test, most)
  for i = 1, OTHERS do
    if #best < 2 or runs >= most then break end
    local other = run(seed + i, true)
    other = other and test(other)
    if other then
      other = shrink.list(other, test, most - runs)
      if shrink.simpler(other, best) then best = other end
    end
  end
  return best, runs
end

local function fail(options, body, seed, failed, place, report)
  local first = reproduce(options, body, seed, failed, place)
  local list, runs = shrink_choices(options, body, seed, first, report)
  local result = explained_run(options, body, seed, list)
  report(nil)
  return compose({
    seed = seed, run = failed.run, verdict = result.verdict,
    message = result.message, value = result.value, trace = result.trace,
    choices = result.choices, drawn = #first.choices, shrunk = runs,
    token = token_of(options, body, seed, result.choices),
  }, options, place)
end

-- ---- the public side ------------------------------------------------------

local function unused(told, made)
  local used = {}
  for _, choice in ipairs(made) do used[encode(choice)] = true end
  for _, choice in ipairs(told) do
    if not used[encode(choice)] then return encode(choice) end
  end
end

local Stats = {
  __tostring = function(self)
    return ("explore: %d runs from seed %d, %d faults, %d switches, %.1f s")
      :format(self.runs, self.seed, self.faults, self.switches, self.seconds)
  end,
}

local function new_stats(options)
  return setmetatable({
    runs = 0, seed = options.seed, faults = 0, switches = 0, seconds = 0,
  }, Stats)
end

local function count(stats, choices)
  stats.runs = stats.runs + 1
  for _, choice in ipairs(choices) do
    local kind = choice.kind == "short" or choice.kind == "eintr"
    stats[kind and "faults" or "switches"] =
      stats[kind and "faults" or "switches"] + 1
  end
end

local function replay(options, body, token, place)
  local seed, fit, choices = parse_token(token)
  if not seed then
    error(("%sexplore: FDEMU_REPLAY=%s is not a token of this version")
      :format(place, token), 0)
  elseif fit ~= fit_of(options, body) then
    error(("%sexplore: FDEMU_REPLAY=%s does not fit: it was made for another "
      .. "body, or other options, or before they were changed"):format(place,
      token), 0)
  end
  local result = explained_run(options, body, seed, choices)
  local stray = unused(choices, result.choices)
  if result.verdict == "ok" and stray then
    error(("%sexplore: FDEMU_REPLAY does not fit any more: the run passes, and "
      .. "does not come to choice %s. Either the program has changed, or it is "
      .. "another from process to process.\n%s"):format(place, stray,
      trial.causes), 0)
  elseif result.verdict ~= "ok" then
    error(compose({
      seed = seed, verdict = result.verdict, message = result.message,
      value = result.value, trace = result.trace, choices = result.choices,
      drawn = #result.choices, shrunk = 0, token = token,
    }, options, place), 0)
  end
  local stats = new_stats(options)
  stats.seed, stats.replayed = seed, true
  count(stats, result.choices)
  return stats
end

local function search(options, body, place)
  local stats, report = new_stats(options), trial.reporter(options.progress)
  local start = os.clock()
  for run = options.number, options.runs, options.of do
    local seed = options.seed + run - 1
    report(("explore: run %d of %d"):format(run, options.runs))
    local result = trial.run({
      kernel = kernel_options(options, seed), leaks = options.leaks,
      choices = true,
    }, body)
    if result.verdict ~= "ok" then
      result.run = run
      local _, failure = pcall(fail, options, body, seed, result, place, report)
      report(nil)
      error(failure, 0)
    end
    count(stats, result.choices)
    stats.seconds = os.clock() - start
    if options.seconds and stats.seconds >= options.seconds then break end
  end
  report(nil)
  return stats
end

--- Run body(k) under many seeds, each in a new kernel: with short counts, calls
-- that are interrupted, and tasks in random order. The tasks that it makes are
-- run, too. At the first run that raises an error, does not come to an end
-- (deadlock) or leaves descriptors open, raises an error: a table that prints
-- as a text, with the fewest choices of chance that make it fail.
--
-- FDEMU_REPLAY in the environment, with the token of such an error, makes that
-- run and no other. FDEMU_SEED and FDEMU_RUNS stand for seed and runs.
---@param options? fdemu.ExploreOptions
---@param body fun(k: fdemu.Kernel)
---@return table stats `runs`, `seed`, `faults`, `switches`, `seconds`
function explore.explore(options, body)
  local place = trial.where(2)
  options, body = trial.arguments("explore", OPTIONS, options, body)
  complete("explore", options, place)
  local token = os.getenv("FDEMU_REPLAY")
  if token and token ~= "" then return replay(options, body, token, place) end
  if options.deterministic then
    local problem = trial.compare({
      kernel = kernel_options(options, options.seed), leaks = options.leaks,
    }, body)
    if problem then error(place .. "explore: " .. problem, 0) end
  end
  return search(options, body, place)
end

--- Run body(k) twice with the same seed, and compare the traces.
---@param options? fdemu.ExploreOptions
---@param body fun(k: fdemu.Kernel)
---@return boolean? ok nil if the runs differ
---@return string? message the first line that differs, and the usual causes
function explore.deterministic(options, body)
  local place = trial.where(2)
  options, body = trial.arguments("deterministic", OPTIONS, options, body)
  complete("deterministic", options, place)
  local problem = trial.compare({
    kernel = kernel_options(options, options.seed), leaks = options.leaks,
  }, body)
  if problem then return nil, problem end
  return true
end

return explore
