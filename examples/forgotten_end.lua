-- forgotten_end.lua - a forgotten write end, found by the deadlock report
--
--   lua5.4 examples/forgotten_end.lua
--
-- A parent gives lines to a child through a pipe. The child sorts them when it
-- sees the end of the file, which comes when nobody has the write end any more.
-- The child has inherited one, and forgets to close it: it waits for itself. On
-- Linux both would hang without a word. Here the kernel sees that nothing can
-- ever happen, and says who holds the write end and which line made it.

local fdemu = require "fdemu"

local function sort_lines(p, fd)
  local data = ""
  repeat
    local piece = assert(p:read(fd, 100))
    data = data .. piece
  until piece == ""
  local lines = {}
  for line in data:gmatch("[^\n]+") do lines[#lines + 1] = line end
  table.sort(lines)
  return lines
end

-- The lines in order, as a child makes them that closes its write end, or not.
local function sorted(k, closes)
  local parent = k:process()
  local r, w = parent:pipe()
  local child = parent:fork()
  parent:close(r)

  k:spawn { function()
    for _, line in ipairs { "pipe", "descriptor", "inode" } do
      parent:write(w, line .. "\n")
    end
    parent:close(w)
    parent:wait()
  end, name = "parent" }

  local sorter = k:spawn { function()
    if closes then child:close(w) end
    local lines = sort_lines(child, r)
    child:exit(0)
    return lines
  end, name = "child" }

  k:run()
  return sorter:join()
end

-- With `origins` a kernel remembers which line made each descriptor.
local ok, report = pcall(sorted, fdemu.kernel { origins = true }, false)
assert(not ok)
report = report:gsub("; ", ";\n    "):gsub("closed: ", "closed:\n      ")
print((report:gsub(" %(made", "\n       %0")))

print(table.concat(sorted(fdemu.kernel(), true), " "))

-- It prints:
--
--   deadlock: nothing can run and no timer is left
--     task 'parent': process 1, wait at examples/forgotten_end.lua:37;
--       waits for a child to exit: process 2 still runs
--     task 'child': process 2, read(3) on pipe #4 at examples/forgotten_end.lua:16;
--       waits for data, or for the last write end to be closed:
--         process 2 holds the write end as descriptor 4
--           (made at examples/forgotten_end.lua:28, forked at examples/forgotten_end.lua:29)
--   descriptor inode pipe
