-- measure.lua - how long functions take, compared within one run
--
-- These machines are noisy, so nothing is compared with another run: the
-- functions of a comparison take turns, and what counts is the median of the
-- rounds' ratios.

local host = require "hostsys"

local M = {}

M.rounds = tonumber(os.getenv "ROUNDS") or 15

local LEAST = 200

function M.median(list)
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted)
  local middle = (#sorted + 1) // 2
  return sorted[middle]
end

-- Seconds that f(n) takes by a clock, host.now or host.elapsed.
local function time(f, n, clock)
  local start = clock()
  f(n)
  return clock() - start
end

-- How many times f has to go to take about 5 ms, but so often that what it has
-- to prepare (a thread) does not count.
local function enough(f, clock)
  local n = LEAST
  while true do
    local t = time(f, n, clock)
    if t > 1e-3 then return math.max(LEAST, math.ceil(n * 5e-3 / t)) end
    n = n * 4
  end
end

-- f and each of peers do something n times. Returns f's nanoseconds for one,
-- and for each peer its nanoseconds and the ratio peer / f. What counts is the
-- processor's time unless another clock is given.
function M.compare(f, peers, clock)
  clock = clock or host.now
  local n, counts = enough(f, clock), {}
  for i, peer in ipairs(peers) do counts[i] = enough(peer, clock) end
  local own, theirs, ratios = {}, {}, {}
  for round = 1, M.rounds do
    collectgarbage()
    own[round] = time(f, n, clock) / n
    for i, peer in ipairs(peers) do
      theirs[i] = theirs[i] or {}
      ratios[i] = ratios[i] or {}
      theirs[i][round] = time(peer, counts[i], clock) / counts[i]
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
