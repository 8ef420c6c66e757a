--- Makes a list of choices that fails as short as it gets: delta debugging
-- (Zeller, Hildebrandt 2002), then smaller values.

local shrink = {}

--- A text that two lists share only if they are the same choices.
local function key_of(list)
  local keys = {}
  for i, choice in ipairs(list) do
    keys[i] = ("%s %d %d %d"):format(choice.kind, choice.who, choice.nth,
      choice.value)
  end
  table.sort(keys)
  return table.concat(keys, ",")
end

local function size_of(list)
  local sum = 0
  for _, choice in ipairs(list) do sum = sum + choice.value end
  return #list, sum
end

--- Whether list a is shorter, or as long with lower values.
function shrink.simpler(a, b)
  local length_a, sum_a = size_of(a)
  local length_b, sum_b = size_of(b)
  return length_a < length_b or length_a == length_b and sum_a < sum_b
end

-- The list without those for which leave(choice, index) is true.
local function without(list, leave)
  local rest = {}
  for i, choice in ipairs(list) do
    if not leave(choice, i) then rest[#rest + 1] = choice end
  end
  return rest
end

local Search = {}
Search.__index = Search

-- Takes the candidate if it fails, too, and made fewer choices. What it then
-- came to choose is what goes on being shrunk.
function Search:try(candidate)
  local key = key_of(candidate)
  if self.tried[key] or self.runs >= self.most then return false end
  self.tried[key] = true
  self.runs = self.runs + 1
  local made = self.test(candidate)
  if made == nil or not shrink.simpler(made, self.best) then return false end
  self.best = made
  return true
end

local function is_switch(choice)
  return choice.kind ~= "short" and choice.kind ~= "eintr"
end

-- All of a sort at once.
function Search:sorts()
  self:try({})
  self:try(without(self.best, is_switch))
  self:try(without(self.best, function(choice) return not is_switch(choice) end))
end

-- Chunks, and smaller chunks, down to single choices.
function Search:chunks()
  local size = math.max(1, #self.best // 2)
  while true do
    local from, taken = 1, false
    while from <= #self.best do
      local first, last = from, from + size - 1
      if self:try(without(self.best, function(_, i)
        return i >= first and i <= last
      end)) then
        taken = true
      else
        from = from + size
      end
    end
    if size == 1 and not taken then return end
    size = size > 1 and size // 2 or 1
  end
end

local FEW = 12

-- Two that are needed only because of each other.
function Search:pairs()
  if #self.best > FEW then return end
  local i = 1
  while i < #self.best do
    local j, taken = i + 1, false
    while j <= #self.best and not taken do
      local a, b = i, j
      taken = self:try(without(self.best, function(_, n)
        return n == a or n == b
      end))
      j = j + 1
    end
    i = taken and 1 or i + 1
  end
end

local function with_value(list, index, value)
  local copy = table.move(list, 1, #list, 1, {})
  local choice = {}
  for key, field in next, list[index] do choice[key] = field end
  choice.value = value
  copy[index] = choice
  return copy
end

-- Each value as low as it goes.
function Search:values()
  local i = 1
  while i <= #self.best do
    local low, before = 0, #self.best -- low does not fail, or is not known to
    while self.best[i] and self.best[i].value - low > 1 do
      local value = low == 0 and 1 or (low + self.best[i].value) // 2
      if not self:try(with_value(self.best, i, value)) then low = value end
    end
    if #self.best == before then i = i + 1 end
  end
end

--- The shortest list found. test(list) -> what a run that was given the list
-- chose, if it failed in the same way, else nil.
-- most: how many runs it may take
function shrink.list(list, test, most)
  local search = setmetatable({
    best = list, test = test, most = most, runs = 0, tried = {},
  }, Search)
  local before
  search:sorts()
  repeat
    before = search.best
    search:chunks()
    search:pairs()
    search:values()
  until search.best == before
  return search.best
end

return shrink
