-- drivers.lua - kinds of file that Linux has, written as users write theirs
--
-- "run.lua drivers" makes the scripts with these in the place of fdemu's own.

local fdemu = require "fdemu"

local function nothing() return "" end
local PAGE = ("\0"):rep(4096)
local function zeros(_, n) return PAGE:rep(n // 4096) .. PAGE:sub(1, n % 4096) end
local function all(_, data) return #data end
local function none() return nil, "ENOSPC" end
local function start() return 0 end

-- A device with what stat(2) tells of the real one.
local function device(name, rdev, read, write)
  return { name = name, seekable = true, read = read, write = write,
    lseek = start,
    stat = function() return { st_rdev = rdev, st_uid = 0, st_gid = 0 } end }
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
  stat = function() return { st_uid = 0, st_gid = 0 } end }

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

-- A pipe: a ring of slots, each a page that has bytes of at most one write, and
-- of what was added to it since. What is in it belongs to both of its ends, which
-- are descriptions of their own.
local PAGE_SIZE, MOST = 4096, 1048576
local pipe = { name = "pipe", mode = 4480, async = true }

local function full(q) return #q.slots >= q.limit end

-- Takes up to count bytes of the oldest slot.
local function take(q, count)
  local slot = q.slots[1]
  local data = slot.data:sub(slot.at + 1, slot.at + count)
  slot.at = slot.at + #data
  local whole = slot.packet or slot.at == #slot.data
  if whole then table.remove(q.slots, 1) end
  return data, whole and not slot.packet
end

function pipe.read(self, count)
  local q = self.queue
  if count == 0 then return "" end
  if #q.slots == 0 then
    if q.writer then return nil, "EAGAIN" end
    return ""
  end
  local was_full, got, more = full(q), {}, true
  while count > 0 and more and #q.slots > 0 do
    got[#got + 1], more = take(q, count)
    count = count - #got[#got]
  end
  if was_full and not full(q) and q.writer then q.writer:wake("w") end
  return table.concat(got)
end

-- The bytes beyond whole pages go into the newest page if they all fit.
local function merge(q, data)
  local n, slot = #data % PAGE_SIZE, q.slots[#q.slots]
  if n == 0 or not slot or slot.packet or #slot.data + n > PAGE_SIZE then return 0 end
  slot.data = slot.data .. data:sub(1, n)
  return n
end

function pipe.write(self, data)
  local q = self.queue
  if data == "" then return 0 end
  if not q.reader then return nil, "EPIPE" end
  local n = merge(q, data)
  while n < #data and not full(q) do
    local page = data:sub(n + 1, n + PAGE_SIZE)
    q.slots[#q.slots + 1] =
      { data = page, at = 0, packet = self.flags & fdemu.O_DIRECT ~= 0 }
    n = n + #page
  end
  if n > 0 then q.reader:wake("r") end
  if n < #data then return n, "EAGAIN" end
  return n
end

function pipe.poll(self)
  local q, mask = self.queue, 0
  if self == q.reader then
    if #q.slots > 0 then mask = fdemu.POLLIN | fdemu.POLLRDNORM end
    return q.writer and mask or mask | fdemu.POLLHUP
  end
  if not full(q) then mask = fdemu.POLLOUT | fdemu.POLLWRNORM end
  return q.reader and mask or mask | fdemu.POLLERR
end

function pipe.ioctl(self, request, arg)
  if request ~= fdemu.FIONREAD then return nil, "ENOTTY" end
  local n = 0
  for _, slot in ipairs(self.queue.slots) do n = n + #slot.data - slot.at end
  arg:set(("<i4"):pack(n))
end

function pipe.fcntl(self, cmd, size)
  local q, pages = self.queue, 1
  if cmd == fdemu.F_GETPIPE_SZ then return q.limit * PAGE_SIZE end
  size = size & 0xffffffff
  if cmd ~= fdemu.F_SETPIPE_SZ or size > 0x80000000 then return nil, "EINVAL" end
  while pages * PAGE_SIZE < size do pages = pages * 2 end
  if pages > q.limit and pages * PAGE_SIZE > MOST then return nil, "EPERM" end
  if pages < #q.slots then return nil, "EBUSY" end
  q.limit = pages
  if q.writer then q.writer:wake("w") end
  return pages * PAGE_SIZE
end

-- Who has the other end has to hear of it.
function pipe.release(self)
  local q = self.queue
  if self == q.reader then q.reader = nil else q.writer = nil end
  local other = q.reader or q.writer
  if other then other:wake() end
end

function drivers.pipe2(p, k, flags)
  local known = fdemu.O_NONBLOCK | fdemu.O_CLOEXEC | fdemu.O_DIRECT
  if flags & ~known ~= 0 then return p:pipe2(flags) end
  local status = flags & fdemu.O_NONBLOCK
  local q = { slots = {}, limit = 16,
    reader = k:description(pipe, fdemu.O_RDONLY | status),
    writer = k:description(pipe, fdemu.O_WRONLY | flags & ~fdemu.O_CLOEXEC) }
  q.reader.queue, q.writer.queue = q, q
  local r, message, errno = p:install(q.reader, 0)
  if not r then return nil, message, errno end
  local w
  w, message, errno = p:install(q.writer, 0)
  if not w then
    p:close(r)
    return nil, message, errno
  end
  if flags & fdemu.O_CLOEXEC ~= 0 then
    p:fcntl(r, fdemu.F_SETFD, fdemu.FD_CLOEXEC)
    p:fcntl(w, fdemu.F_SETFD, fdemu.FD_CLOEXEC)
  end
  return r, w
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
  -- refuse to be spliced, or lend pages.
  { "^sendfile ", ".*" }, { "^splice ", ".*" }, { "^tee ", "EINVAL" },
  -- O_DIRECT is there from the beginning, or not at all.
  { "^fcntl r0 F_SETFL .*O_DIRECT", "EINVAL" },
}

function drivers.excuses(call, said)
  for _, e in ipairs(excused) do
    if call:find(e[1]) and said:find("^" .. e[2] .. "$") then return true end
  end
  return false
end

return drivers
