-- flaky_disk.lua - a disk with bad sectors, and a program that rescues the rest
--
-- The disk is a block device of 64 sectors. Some sectors can never be read, some
-- only at the third attempt, and a rule makes every ninth read fail on its way.
-- Reads may be short, too. The program copies what it can into a second disk,
-- in large blocks where that works and sector by sector where it does not.
--
--   lua5.4 examples/flaky_disk.lua [seed]

local fdemu = require "fdemu"

local SECTOR, SECTORS, BLOCK = 512, 64, 8
local SEED = math.tointeger(tonumber(arg and arg[1] or 1)) or error "seed: a number"

local k = fdemu.kernel { seed = SEED, short = 0.2 }
local p = k:process()

local function sector_text(n)
  return (("sector %02d\n"):format(n)):rep(52):sub(1, SECTOR)
end

-- ---- the disks ------------------------------------------------------------

-- The medium is a Buffer. `fails(n)` says whether sector n cannot be read now.
local function disk(medium, fails)
  return {
    name = "disk", seekable = true, short = true,
    size = #medium, mode = fdemu.S_IFBLK | 0x1b6, -- rw-rw-rw-
    read = function(_, count, offset)
      count = math.max(0, math.min(count, #medium - offset))
      local first, last = offset // SECTOR, (offset + count - 1) // SECTOR
      k:sleep(0.0001 * (last - first + 1))
      for n = first, last do
        if fails(n) then
          k:sleep(0.5) -- it tries hard
          return nil, fdemu.EIO
        end
      end
      return medium:get(offset, count)
    end,
    write = function(_, data, offset)
      if offset >= #medium then return nil, fdemu.ENOSPC end
      data = data:sub(1, #medium - offset)
      medium:set(data, offset)
      return #data
    end,
    ioctl = function(_, request, arg)
      if request ~= fdemu.BLKGETSIZE64 then return nil, fdemu.ENOTTY end
      arg:pack("<I8", 0, #medium)
    end,
    sync = function() k:sleep(0.01) end,
  }
end

local old = fdemu.buffer(SECTOR * SECTORS)
for n = 0, SECTORS - 1 do old:set(sector_text(n), n * SECTOR) end

local dead = { [13] = true, [14] = true, [40] = true }
local weak = { [21] = 2, [55] = 2 } -- so often it fails
k:device("/dev/sda", disk(old, function(n)
  if weak[n] and weak[n] > 0 then
    weak[n] = weak[n] - 1
    return true
  end
  return dead[n]
end))
local new = fdemu.buffer(SECTOR * SECTORS)
k:device("/dev/sdb", disk(new, function() return false end))

-- The cable is not what it was, either.
local rule = k:inject { call = "pread", path = "/dev/sda", when = "4+9", errno = "EIO" }

-- ---- the program ----------------------------------------------------------

local from = assert(p:open("/dev/sda", fdemu.O_RDONLY))
local to = assert(p:open("/dev/sdb", fdemu.O_RDWR))
local reads, retries, bad = 0, 0, {}

-- All of these bytes, or nil and the errno that did not go away.
local function read_all(offset, count, attempts)
  local parts = {}
  while count > 0 do
    local data, _, errno = p:pread(from, count, offset)
    reads = reads + 1
    if data == "" then break end
    if data then
      parts[#parts + 1] = data
      offset, count = offset + #data, count - #data
    elseif attempts > 1 then
      attempts, retries = attempts - 1, retries + 1
    else
      return nil, errno
    end
  end
  return table.concat(parts)
end

local function write_all(offset, data)
  while data ~= "" do
    local n = assert(p:pwrite(to, data, offset))
    offset, data = offset + n, data:sub(n + 1)
  end
end

local size = fdemu.buffer(8)
assert(p:ioctl(from, fdemu.BLKGETSIZE64, size))
size = size:unpack "<I8"
assert(size == p:lseek(from, 0, fdemu.SEEK_END))

for block = 0, size - 1, BLOCK * SECTOR do
  local data = read_all(block, BLOCK * SECTOR, 1)
  if data then
    write_all(block, data)
  else -- sector by sector
    for at = block, block + (BLOCK - 1) * SECTOR, SECTOR do
      data = read_all(at, SECTOR, 4)
      if data then
        write_all(at, data)
      else
        bad[#bad + 1] = at // SECTOR
      end
    end
  end
end
assert(p:fsync(to))

-- ---- what came of it ------------------------------------------------------

local right = 0
for n = 0, SECTORS - 1 do
  if new:get(n * SECTOR, SECTOR) == sector_text(n) then right = right + 1 end
end
print(("%d of %d sectors rescued; lost: %s"):format(right, SECTORS,
  table.concat(bad, ", ")))
print(("%d reads, %d of them again, %d failed by the rule; %.1f s")
  :format(reads, retries, rule.hits, k:now()))
