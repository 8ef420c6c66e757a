-- measure.lua - how long functions take, compared within one run
--
-- These machines are noisy, so nothing is compared with another run: the
-- functions of a comparison take turns, and what counts is the median of the
-- rounds' ratios.

local host = require "hostsys"

local M = {}

M.rounds = tonumber(os.getenv "ROUNDS") or 15

function M.median(list)
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted)
  local middle = (#sorted + 1) // 2
  return sorted[middle]
end

-- Seconds of processor time that f(n) takes.
function M.time(f, n)
  local start = host.now()
  f(n)
  return host.now() - start
end

-- How many times f has to go to take about 5 ms.
local function enough(f)
  local n = 1
  while true do
    local t = M.time(f, n)
    if t > 1e-3 then return math.max(1, math.ceil(n * 5e-3 / t)) end
    n = n * 4
  end
end

-- f and each of peers do something n times. Returns f's nanoseconds for one,
-- and for each peer its nanoseconds and the ratio peer / f.
function M.compare(f, peers)
  local n, counts = enough(f), {}
  for i, peer in ipairs(peers) do counts[i] = enough(peer) end
  local own, theirs, ratios = {}, {}, {}
  for round = 1, M.rounds do
    collectgarbage()
    own[round] = M.time(f, n) / n
    for i, peer in ipairs(peers) do
      theirs[i] = theirs[i] or {}
      ratios[i] = ratios[i] or {}
      theirs[i][round] = M.time(peer, counts[i]) / counts[i]
      ratios[i][round] = theirs[i][round] / own[round]
    end
  end
  local result = {}
  for i in ipairs(peers) do
    result[i] = { ns = M.median(theirs[i]) * 1e9, ratio = M.median(ratios[i]) }
  end
  return M.median(own) * 1e9, result
end

return M
