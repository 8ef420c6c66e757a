-- explore.lua - a line-oriented server, and what fdemu.explore finds in it
--
--   lua5.4 examples/explore.lua
--
-- Clients send "add 5\n" over a socketpair; the server adds to a total that it
-- keeps in a file, and answers with it. The first server takes what a read gives
-- for a line; the second reads lines, but holds no lock while it adds; the third
-- does. All three work if nothing comes between. explore tries many orders of the
-- same calls, with short counts, and shrinks what it finds to the choices that
-- matter.

local fdemu = require "fdemu"

-- The number in a file. A read may give less than there is ...
local function total_of(p, file)
  local text = ""
  repeat
    local data = assert(p:pread(file, 20, #text))
    text = text .. data
  until data == ""
  return tonumber(text) or 0
end

-- ... and a write may take less than it is given.
local function set_total(p, file, total)
  local text, done = ("%d"):format(total), 0
  while done < #text do
    done = done + assert(p:pwrite(file, text:sub(done + 1), done))
  end
end

-- Answers each line that next_line() gives; lock(op) is called around the sum.
local function serve(p, socket, file, next_line, lock)
  for line in next_line do
    local n = assert(line:match("^add (%d+)$"), "not a request: " .. line)
    lock(fdemu.LOCK_EX)
    local total = total_of(p, file) + n
    set_total(p, file, total)
    lock(fdemu.LOCK_UN)
    assert(p:write(socket, ("%d\n"):format(total)))
  end
  assert(p:close(file))
  assert(p:close(socket))
end

-- Takes what a read gives for a line.
local function reads(p, socket)
  return function()
    local data = assert(p:read(socket, 64))
    return data ~= "" and data:sub(1, -2) or nil
  end
end

-- Lines, however they come.
local function lines(p, socket)
  local buffer = ""
  return function()
    while not buffer:find("\n") do
      local data = assert(p:read(socket, 64))
      if data == "" then return nil end
      buffer = buffer .. data
    end
    local line, rest = buffer:match("^([^\n]*)\n(.*)")
    buffer = rest
    return line
  end
end

local function no_lock() end

local function file_lock(p, file)
  return function(op) assert(p:flock(file, op)) end
end

-- Sends a request in two pieces, as a program with a small buffer does.
local function ask(p, socket, n)
  assert(p:write(socket, "add "))
  assert(p:write(socket, n .. "\n"))
  local next_line = lines(p, socket)
  assert(tonumber(next_line()), "no answer")
  assert(p:close(socket))
end

-- The body for explore: two clients, and a task of the server for each.
local function world(server)
  return function(k)
    local p = k:process()
    p:close(assert(p:open("/total", "w", 384)))
    for i = 1, 2 do
      local ours, theirs = assert(p:socketpair(fdemu.AF_UNIX, fdemu.SOCK_STREAM))
      p:spawn { function()
        local file = assert(p:open("/total", "r+"))
        server(p, ours, file)
      end, name = "server " .. i }
      p:spawn { ask, p, theirs, i * 100, name = "client " .. i }
    end
    k:run()
    local file = assert(p:open("/total", "r"))
    local total = total_of(p, file)
    p:close(file)
    assert(total == 300, "the total is " .. total)
  end
end

local SERVERS = {
  { "a read is a line", function(p, socket, file)
    serve(p, socket, file, reads(p, socket), file_lock(p, file))
  end },
  { "lines, but no lock", function(p, socket, file)
    serve(p, socket, file, lines(p, socket), no_lock)
  end },
  { "lines and a lock", function(p, socket, file)
    serve(p, socket, file, lines(p, socket), file_lock(p, file))
  end },
}

for _, server in ipairs(SERVERS) do
  print(("== %s"):format(server[1]))
  local ok, found = pcall(fdemu.explore, { runs = 500, tail = 8 }, world(server[2]))
  print(ok and ("nothing in %d runs, with %d switches"):format(found.runs,
    found.switches) or tostring(found))
end
