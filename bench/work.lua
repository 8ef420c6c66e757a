-- work.lua - one workload, n times, for bench/guard.sh to count
--
-- usage: lua5.4 bench/work.lua WORK N

local fdemu = require "fdemu"

local k = fdemu.kernel {}
local p = k:process { stdout = "null", stderr = "null" }
local r, w = p:pipe()
local works = {}

function works.pipe(n)
  for _ = 1, n do
    p:write(w, "x")
    p:read(r, 1)
  end
end

function works.dup(n)
  for _ = 1, n do p:close(p:dup(r)) end
end

function works.device(n)
  k:device("/dev/one", { read = function() return "x" end })
  local fd = p:open("/dev/one", fdemu.O_RDONLY)
  for _ = 1, n do p:read(fd, 1) end
end

function works.tasks(n)
  local r2, w2 = p:pipe()
  k:spawn(function()
    for _ = 1, n do
      p:write(w, "x")
      p:read(r2, 1)
    end
  end)
  k:spawn(function()
    for _ = 1, n do
      p:read(r, 1)
      p:write(w2, "x")
    end
  end)
  k:run()
end

works[arg[1]](tonumber(arg[2]))
