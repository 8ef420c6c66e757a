--- For specs run by busted: assertions, and tests that have a kernel.
--
--     require "fdemu.busted"
--
--     fdemu_it("hands on what is written", { short = 0.5 }, function(k, p)
--       local r, w = p:pipe()
--       p:write(w, "x")
--       assert.equal("x", p:read(r, 1))
--       p:close(r)
--       p:close(w)
--       assert.errno("EBADF", p:read(r, 1))
--       assert.no_leaks(k)
--     end)

local fdemu = require "fdemu"
local busted = require "busted"
local luassert = require "luassert"
local say = require "say"

local it, fail = busted.it, busted.fail
if it == nil then
  error("fdemu.busted is for specs that busted runs", 2)
end

-- ---- assertions -----------------------------------------------------------

-- An assertion whose check returns whether it holds and what to say if it
-- does not (or, after assert.not_, if it does).
local function assertion(name, check)
  local key = "fdemu." .. name
  say:set(key, "%s")
  luassert:register("assertion", name, function(_, arguments, level)
    local ok, text = check(arguments, (level or 1) + 2)
    arguments[1], arguments.n, arguments.nofmt = text, 1, { true }
    return ok
  end, key, key)
end

local function listed(title, rows)
  local lines = { title }
  for i, row in ipairs(rows) do
    lines[i + 1] = "  " .. tostring(row)
  end
  return table.concat(lines, "\n")
end

local function left_open(rows)
  return listed(#rows == 1 and "a descriptor was left open:"
    or ("%d descriptors were left open:"):format(#rows), rows)
end

assertion("no_leaks", function(arguments, level)
  local k = arguments[1]
  if (debug.getmetatable(k) or {}).__name ~= "fdemu.Kernel" then
    error("bad argument #1 to 'no_leaks' (fdemu.Kernel expected, got "
      .. type(k) .. ")", level)
  end
  local rows = k:leaks()
  if #rows == 0 then
    return true, "no descriptor was left open"
  end
  return false, left_open(rows)
end)

local function describe_error(errno)
  return ("%s (%s)"):format(fdemu.errname(errno) or errno,
    fdemu.strerror(errno))
end

-- What a call has returned, in words.
local function outcome(results)
  local value, message, errno = results[2], results[3], results[4]
  if value == nil and math.type(errno) == "integer" then
    return "it failed with " .. describe_error(errno)
  elseif value == nil and message == nil then
    return "it returned nothing"
  elseif value == nil then
    return "it returned nil, " .. tostring(message)
  end
  return (type(value) == "string" and "it returned %q" or "it returned %s")
    :format(type(value) == "string" and value or tostring(value))
end

assertion("errno", function(arguments, level)
  local wanted = arguments[1]
  if type(wanted) == "string" then
    wanted = math.type(fdemu[wanted]) == "integer" and fdemu[wanted]
  end
  if math.type(wanted) ~= "integer" or not fdemu.errname(wanted) then
    error(("bad argument #1 to 'errno' (%s is no errno)")
      :format(tostring(arguments[1])), level)
  end
  local ok = arguments[2] == nil and arguments[4] == wanted
  return ok, ("the call should %sfail with %s, but %s"):format(
    ok and "not " or "", describe_error(wanted), outcome(arguments))
end)

-- ---- fdemu_it -------------------------------------------------------------

-- Options that are not the kernel's, with their defaults.
local OWN = { runs = 1, tail = 20, leaks = true, process = false }

local function copy(t)
  local new = {}
  for key, value in pairs(t) do
    new[key] = value
  end
  return new
end

-- An integer >= least, from the environment or the options.
local function integer(own, key, least, variable)
  local text = os.getenv(variable or "")
  local value = own[key]
  if text and text ~= "" then
    key, value = variable, math.tointeger(tonumber(text)) or text
  end
  if math.type(value) ~= "integer" or value < least then
    error(("%s must be an integer%s, not %s"):format(key,
      least > math.mininteger and " >= " .. least or "", tostring(value)), 4)
  end
  return value
end

-- Our own options, and those of kernels, which are tried.
local function settings(options)
  local own, kernel = copy(OWN), { origins = true }
  for key, value in pairs(options) do
    (OWN[key] ~= nil and own or kernel)[key] = value
  end
  own.process = own.process or { stdout = "capture", stderr = "capture" }
  own.tail = integer(own, "tail", 0)
  own.runs = integer(own, "runs", 1, "FDEMU_RUNS")
  own.seed = kernel.seed or 0
  own.seed = integer(own, "seed", math.mininteger, "FDEMU_SEED")
  local ok, k = pcall(fdemu.kernel, kernel)
  if not ok then
    error(k, 3)
  end
  k:close()
  return own, kernel
end

-- Keeps the last lines of a kernel's trace.
local function recorder(k, size)
  local lines, count = {}, 0
  if size > 0 then
    k:trace(function(event)
      count = count + 1
      lines[count] = tostring(event)
      lines[count - size] = nil
    end)
  end
  return function()
    if count == 0 then
      return ""
    end
    local first = math.max(1, count - size + 1)
    return ("\n%s\n%s"):format(first == 1 and "the calls:"
      or ("the last %d of %d calls:"):format(size, count),
      table.concat(lines, "\n", first, count))
  end
end

-- What is wrong at the end of a test that went well, or nil.
local function verdict(k, own)
  local misuse, leaks = k:misuse(), k:leaks()
  if #misuse > 0 then
    return listed("a descriptor was used after it was closed:", misuse)
  end
  for _, rule in ipairs(k:rules()) do
    if rule.unused then
      return rule.unused
    end
  end
  if own.leaks and #leaks > 0 then
    return left_open(leaks)
  end
end

-- An error with more text, of the same type for busted.
local function extend(err, text)
  if (debug.getmetatable(err) or {}).__type == "pending" then
    return err
  elseif type(err) == "table" and type(rawget(err, "message")) == "string" then
    err.message = err.message .. text
  elseif type(err) == "string" then
    return err .. text
  end
  return err
end

-- Where the function of a test begins: "file:line: ".
local function location(fn)
  local info = debug.getinfo(fn, "S")
  return ("%s:%d: "):format(info.short_src, info.linedefined)
end

-- A message gets a place, if it has none, and a traceback down to this file.
local function explain(err, fn)
  if type(err) ~= "string" then
    return err
  end
  if not err:find("^[^\n]-:%d+: ") then
    err = location(fn) .. err
  end
  if not err:find("\nstack traceback:", 1, true) then
    local trace = debug.traceback("", 3)
    trace = trace:gsub("\n[^\n]*fdemu/busted%.lua:.*", "")
    err = err .. (trace:find("\n\t", 1, true) and trace or "")
  end
  return err
end

local function is_open(k)
  return (pcall(k.now, k))
end

-- One run of a test under one seed.
local function attempt(fn, own, options, run)
  options.seed = own.seed + run - 1
  local k = fdemu.kernel(options)
  local recorded = recorder(k, own.tail)
  local ok, err = xpcall(function()
    fn(k, k:process(own.process))
    if is_open(k) then
      k:run()
      local text = verdict(k, own)
      if text then
        fail(location(fn) .. text, 0)
      end
    end
  end, function(err) return explain(err, fn) end)
  if not ok then
    err = extend(err, ("\nseed %d%s; FDEMU_SEED=%d repeats it%s"):format(
      options.seed, own.runs > 1
        and (" (run %d of %d)"):format(run, own.runs) or "",
      options.seed, recorded()))
  end
  local closed, trouble = pcall(k.close, k)
  if not ok then
    error(err, 0)
  elseif not closed then
    error(trouble, 0)
  end
end

local function check_argument(index, value, wanted)
  if type(value) ~= wanted then
    error(("bad argument #%d to 'fdemu_it' (%s expected, got %s)")
      :format(index, wanted, type(value)), 3)
  end
end

--- A test that has a kernel `k` and a process `p` in it. See library/fdemu.lua.
local function fdemu_it(name, options, fn)
  if fn == nil then
    options, fn = {}, options
  end
  check_argument(1, name, "string")
  check_argument(2, options, "table")
  check_argument(3, fn, "function")
  local own, kernel = settings(options)
  return it(name, function()
    for run = 1, own.runs do
      attempt(fn, own, kernel, run)
    end
  end)
end

_G.fdemu_it = fdemu_it

return { it = fdemu_it }
