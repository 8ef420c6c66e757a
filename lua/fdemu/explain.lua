--- Failures that explain themselves.

local core = require "fdemu.core"

local explain = {}

local function list(items)
  if #items < 2 then
    return items[1] or ""
  end
  return table.concat(items, ", ", 1, #items - 1) .. " and " .. items[#items]
end

local function reads(holder)
  return holder.flags & core.O_ACCMODE ~= core.O_WRONLY
end

local function writes(holder)
  return holder.flags & core.O_ACCMODE ~= core.O_RDONLY
end

-- "process 1 holds the write end as descriptor 4"
local function holders(waiting, what, wanted)
  local held = {}
  for _, holder in ipairs(waiting.holders) do
    if wanted == nil or wanted(holder) then
      held[#held + 1] = ("process %d holds %s as descriptor %d%s")
        :format(holder.pid, what, holder.fd,
          holder.origin and (" (made at %s%s)"):format(holder.origin,
            holder.forked and ", forked at " .. holder.forked or "") or "")
    end
  end
  return #held > 0 and list(held) or "nobody holds a descriptor of " .. what
end

-- Who could make it ready for one of these: for a pipe and a socket those who
-- have the other end. Nil for what has none.
local function other_end(waiting, reading)
  if waiting.kind == "pipe" then
    local mode = waiting.flags & core.O_ACCMODE
    reading = mode == core.O_RDONLY or mode == core.O_RDWR and reading
    return holders(waiting, ("the %s end"):format(reading and "write" or "read"),
      reading and writes or reads)
  elseif waiting.kind == "socket" then
    return holders({ holders = waiting.peers or {} }, "the other end")
  end
end

local EVENTS = { "IN", "PRI", "OUT", "RDNORM", "RDBAND", "WRNORM", "WRBAND",
  "MSG", "RDHUP" }

-- "EPOLLIN|EPOLLOUT"; errors and hang-ups are always waited for.
local function event_names(events, prefix)
  local names = {}
  for _, name in ipairs(EVENTS) do
    if events & core["EPOLL" .. name] ~= 0 then
      names[#names + 1] = prefix .. name
    end
  end
  if #names > 0 then
    return table.concat(names, "|")
  end
  return (prefix == "POLL" or events & core.EPOLLERR ~= 0) and "errors only"
    or "disarmed"
end

local MANY = 8

-- "descriptor 3 (pipe #4) for EPOLLIN (process 1 holds the write end as ...)"
local function watched(interests, verb, prefix)
  local items = {}
  for i, interest in ipairs(interests) do
    if i > MANY then
      items[i] = ("%d more"):format(#interests - MANY)
      break
    end
    local other = other_end(interest, interest.events & core.POLLOUT == 0)
    items[i] = ("descriptor %d (%s #%d) for %s%s"):format(interest.fd,
      interest.kind, interest.id, event_names(interest.events, prefix),
      other and " (" .. other .. ")" or "")
  end
  if #items == 0 then
    return ("it %s nothing"):format(verb)
  end
  return ("it %s %s"):format(verb, list(items))
end

-- "a write lock on bytes 0 to 9", "a shared lock"
local function lock_name(lock, call)
  local exclusive = lock.l_type == core.F_WRLCK
  if call == "flock" then
    return exclusive and "an exclusive lock" or "a shared lock"
  end
  local range = "all bytes"
  if lock.l_len == 1 then
    range = ("byte %d"):format(lock.l_start)
  elseif lock.l_len > 0 then
    range = ("bytes %d to %d"):format(lock.l_start,
      lock.l_start + lock.l_len - 1)
  elseif lock.l_start > 0 then
    range = ("the bytes from %d on"):format(lock.l_start)
  end
  return ("a %s lock on %s"):format(exclusive and "write" or "read", range)
end

-- A process holds record locks, a description the others; whoever has a
-- descriptor of that keeps it.
local function lock_holder(waiting)
  local lock = waiting.lock
  local name = lock_name(lock, waiting.call)
  if lock.file == 0 then
    return ("process %d holds %s"):format(lock.l_pid, name)
  end
  local function of_it(holder)
    return holder.id == lock.file
  end
  return ("%s #%d has %s: %s"):format(waiting.kind, lock.file, name,
    holders(waiting, "it", of_it))
end

-- "process 2 and process 3 still run"
local function children(pids)
  local names = {}
  for i, pid in ipairs(pids) do
    names[i] = "process " .. pid
  end
  return ("%s still %s"):format(list(names), #names == 1 and "runs" or "run")
end

-- What would have to happen for the call to go on.
local function remedy(waiting)
  if waiting.answered then
    return "has its answer, but what waits above it on the C stack comes first"
  end
  local reading = waiting.events & core.POLLIN ~= 0
  local writing = waiting.events & core.POLLOUT ~= 0
  if waiting.lock then
    return "waits for a lock: " .. lock_holder(waiting)
  elseif waiting.kind == "epoll" and waiting.interests then
    return "waits for an event: " .. watched(waiting.interests, "watches", "EPOLL")
  elseif waiting.polled then
    return "waits for an event: " .. watched(waiting.polled, "looks at", "POLL")
  elseif waiting.kind == "pipe" and (reading or writing) then
    return ("waits for %s, or for the last %s end to be closed: %s"):format(
      reading and "data" or "room", reading and "write" or "read",
      other_end(waiting, reading))
  elseif waiting.kind == "socket" and (reading or writing) then
    return ("waits for %s, or for the other end to be closed: %s"):format(
      reading and "data" or "room", other_end(waiting, reading))
  elseif waiting.kind == "eventfd" and reading then
    return "waits for a number to be written: " .. holders(waiting, "it")
  elseif waiting.kind == "eventfd" and writing then
    return "waits for the counter to be read: " .. holders(waiting, "it")
  elseif waiting.kind == "timerfd" then
    return "waits for the timer, which is not set, to expire: "
      .. holders(waiting, "it")
  elseif waiting.wanted then
    return ("waits for somebody to open %s for %s"):format(waiting.opening,
      waiting.wanted)
  elseif waiting.opening then
    return ("waits for the driver of %s to call wake()"):format(waiting.opening)
  elseif waiting.children then
    return "waits for a child to exit: " .. children(waiting.children)
  elseif waiting.call == "peer" then
    return "waits for what the program does"
  elseif waiting.call == "join" then
    return waiting.target and ("waits for task '%s' to end"):format(waiting.target)
      or "waits for another task to end"
  elseif waiting.kind and waiting.scripted then
    return ("waits for the driver of %s #%d to call wake()"):format(waiting.kind,
      waiting.id)
  elseif waiting.kind then
    return ("waits for %s #%d to be woken"):format(waiting.kind, waiting.id)
  end
  return "waits for somebody to wake it"
end

local function who(waiting)
  if waiting.method then
    return waiting.method
  elseif waiting.task then
    return (waiting.daemon and "daemon '%s'" or "task '%s'")
      :format(waiting.task)
  end
  return "the main chunk"
end

-- What scripts call it, where that is not its name in a trace.
local NAMES = { pselect6 = "select", wait4 = "wait", openat = "open",
  pread64 = "pread", pwrite64 = "pwrite" }

local function what(waiting)
  local call = NAMES[waiting.call] or waiting.call
  if waiting.fd then
    call = ("%s(%d)"):format(call, waiting.fd)
  end
  if waiting.pid > 0 then
    call = ("process %d, %s"):format(waiting.pid, call)
  end
  if waiting.kind then
    call = ("%s on %s #%d"):format(call, waiting.kind, waiting.id)
  end
  return call
end

--- The text of a deadlock, from core.waiting().
function explain.deadlock(all)
  local lines = { "deadlock: nothing can run and no timer is left" }
  for _, waiting in ipairs(all) do
    lines[#lines + 1] = ("  %s: %s at %s; %s"):format(
      who(waiting), what(waiting), waiting.where or "?", remedy(waiting))
  end
  return table.concat(lines, "\n")
end

return explain
