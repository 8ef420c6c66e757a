-- drivers.lua - kinds of file that Linux has, written as users write theirs
--
-- "run.lua drivers" makes the scripts with these in the place of fdemu's own.

local fdemu = require "fdemu"

local function nothing() return "" end
local function zeros(_, n) return ("\0"):rep(n) end
local function all(_, data) return #data end
local function none() return nil, "ENOSPC" end
local function start() return 0 end

-- A device with what stat(2) tells of the real one.
local function device(name, rdev, read, write)
  return { name = name, seekable = true, read = read, write = write,
    lseek = start, stat = function() return { st_rdev = rdev, st_uid = 0 } end }
end

local drivers = {
  devices = {
    ["/dev/null"] = device("null", 0x103, nothing, all),
    ["/dev/zero"] = device("zero", 0x105, zeros, all),
    ["/dev/full"] = device("full", 0x107, zeros, none),
  },
}

-- A counter of 64 bits; all ones is what it never becomes.
local eventfd = { name = "eventfd", mode = 384, lseek = start,
  stat = function() return { st_uid = 0 } end }

function eventfd.read(self, count)
  if count < 8 then return nil, "EINVAL" end
  if self.count == 0 then return nil, "EAGAIN" end
  local n = self.semaphore and 1 or self.count
  self.count = self.count - n
  self:wake()
  return ("<i8"):pack(n)
end

function eventfd.write(self, data)
  if #data ~= 8 then return nil, "EINVAL" end
  local n = ("<i8"):unpack(data)
  if n == -1 then return nil, "EINVAL" end
  if math.ult(-2 - self.count, n) then return nil, "EAGAIN" end
  self.count = self.count + n
  self:wake()
  return 8
end

function eventfd.poll(self)
  local mask = 0
  if self.count ~= 0 then mask = fdemu.POLLIN end
  if self.count ~= -2 then mask = mask | fdemu.POLLOUT end
  return mask
end

function drivers.eventfd(p, k, initval, flags)
  local known = fdemu.EFD_NONBLOCK | fdemu.EFD_CLOEXEC | fdemu.EFD_SEMAPHORE
  if flags & ~known ~= 0 then return p:eventfd(initval, flags) end
  local d = k:description(eventfd, fdemu.O_RDWR | flags & fdemu.O_NONBLOCK)
  d.count, d.semaphore = initval, flags & fdemu.EFD_SEMAPHORE ~= 0
  local fd, message, errno = p:install(d, 0)
  if fd and flags & fdemu.EFD_CLOEXEC ~= 0 then
    p:fcntl(fd, fdemu.F_SETFD, fdemu.FD_CLOEXEC)
  end
  return fd, message, errno
end

-- Where they differ from the real ones: a call, and what Lua's answers. What
-- follows in the same cell of the matrix is not compared.
local excused = {
  -- A device belongs to the user who has written it.
  { "^fcntl r0 F_SETFL .*O_NOATIME", "0" }, { "^fcntl r0 F_SETLEASE ", "EINVAL" },
  { "^fchmod", "0" }, { "^fchown", "0" }, { "^utimensat ", "0" },
  { "^faccessat2 r0 ", "0" },
  { "^open /dev/%l+ .* > r0", "EACCES" }, -- whose mode that has changed
  -- epoll takes every driver.
  { "^epoll_ctl r%d+ [%u4]+ r0 ", ".*" },
  -- Nobody but fdemu's own can be read from everywhere and have no position, or
  -- refuse to be spliced.
  { "^sendfile ", ".*" }, { "^splice ", ".*" },
}

function drivers.excuses(call, said)
  for _, e in ipairs(excused) do
    if call:find(e[1]) and said:find("^" .. e[2] .. "$") then return true end
  end
  return false
end

return drivers
