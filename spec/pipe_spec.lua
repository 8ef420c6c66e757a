-- pipe_spec.lua - pipes: slots of a page, PIPE_BUF, both ends' closing.
-- Every result in a program is what Linux 6.18 gives to the same calls.

local fdemu = require "fdemu"
local steps = require "spec.helper_steps"

local fails, run, ready = steps.fails, steps.run, steps.ready

-- pipe_write and pipe_read of Linux on lists of slots: the oracle of the
-- random test. It counts bytes only; run() checks which bytes they are.
local Model = {}
Model.__index = Model

local PAGE = 4096

function Model.new(packet)
  return setmetatable({ slots = {}, max = 16, packet = packet }, Model)
end

function Model:write(n)
  if n == 0 then return 0 end
  local done, last, rest = 0, self.slots[#self.slots], n % PAGE
  if rest > 0 and last and not last.packet
    and last.start + last.len + rest <= PAGE then
    last.len = last.len + rest
    done = rest
  end
  while done < n and #self.slots < self.max do
    local len = math.min(PAGE, n - done)
    table.insert(self.slots, { start = 0, len = len, packet = self.packet })
    done = done + len
  end
  return done > 0 and done or "EAGAIN"
end

-- The number of bytes read, and how many of a packet were thrown away.
function Model:read(n)
  local done, lost = 0, 0
  while n > 0 and self.slots[1] do
    local slot = self.slots[1]
    local len = math.min(n, slot.len)
    slot.start, slot.len, done = slot.start + len, slot.len - len, done + len
    n = slot.packet and 0 or n - len
    if slot.packet then slot.len, lost = 0, slot.len end
    if slot.len == 0 then table.remove(self.slots, 1) end
  end
  return (done > 0 or n == 0) and done or "EAGAIN", lost
end

function Model:resize(bytes)
  local slots = 1
  while slots * PAGE < bytes do slots = slots * 2 end
  if slots > 256 then return "EPERM" end
  if slots < #self.slots then return "EBUSY" end
  self.max = slots
  return slots * PAGE
end

function Model:queued()
  local n = 0
  for _, slot in ipairs(self.slots) do n = n + slot.len end
  return n
end

function Model:ready()
  return #self.slots > 0 and "IN RDNORM" or "-",
    #self.slots < self.max and "OUT WRNORM" or "-"
end

local sizes = {
  0, 1, 2, 10, 100, 808, 2000, 4000, 4095, 4096, 4097, 5000, 8192, 9000,
  12288, 40000, 65536, 70000,
}
local capacities = {
  0, 1, 4096, 4097, 8192, 12288, 20000, 65536, 131072, 1048576, 1048577,
}

-- A random program and its results by the model.
local function random_program(seed, length)
  local random = steps.random(seed)
  local model = Model.new(false)
  local t = { "pipe2 r w NONBLOCK" }
  local function add(call, ...)
    t[#t + 1] = call:format(...)
  end
  for _ = 1, length do
    local what = random(20)
    if what <= 8 then
      local n = sizes[random(#sizes)]
      add("write w %d = %s", n, model:write(n))
    elseif what <= 15 then
      local n = sizes[random(#sizes)]
      local got, lost = model:read(n)
      add("read r %d = %s", n, got)
      if lost > 0 then add("skip %d", lost) end
    elseif what == 16 then
      local n = capacities[random(#capacities)]
      add("resize %s %d = %s", random(2) == 1 and "r" or "w", n,
        model:resize(n))
    elseif what == 17 then
      model.packet = random(3) == 1
      add("setfl w NONBLOCK%s", model.packet and "|DIRECT" or "")
    elseif what == 18 then
      local a, b = sizes[random(#sizes)], sizes[random(#sizes)]
      add("writev w %d,%d = %s", a, b, model:write(a + b))
    elseif what == 19 then
      local a, b = sizes[random(#sizes)], sizes[random(#sizes)]
      local got, lost = model:read(a + b)
      add("readv r %d,%d = %s", a, b, got)
      if lost > 0 then add("skip %d", lost) end
    else
      add("size r = %d", model.max * PAGE)
    end
    local r, w = model:ready()
    add("poll r = %s", r)
    add("poll w = %s", w)
    add("queued r = %d", model:queued())
  end
  return table.concat(t, "\n")
end

describe("a pipe", function()
  local k, p

  before_each(function()
    k = fdemu.kernel {}
    p = k:process { stdout = "null", stderr = "null" }
  end)

  after_each(function() k:close() end)

  describe("when it is made", function()
    it("takes the two lowest free descriptors, read end first", function()
      assert.same({ 3, 4 }, { p:pipe() })
      p:close(0)
      assert.same({ 0, 5 }, { p:pipe() })
    end)

    it("has the status flags of its ends", function()
      local r, w = p:pipe()
      assert.equal(fdemu.O_RDONLY, p:fcntl(r, fdemu.F_GETFL))
      assert.equal(fdemu.O_WRONLY, p:fcntl(w, fdemu.F_GETFL))
    end)

    it("takes pipe2's flags for both ends", function()
      for _, row in ipairs {
        { 0, 0x0, 0x1, 0 },
        { fdemu.O_CLOEXEC, 0x0, 0x1, 1 },
        { fdemu.O_NONBLOCK, 0x800, 0x801, 0 },
        { fdemu.O_CLOEXEC | fdemu.O_NONBLOCK, 0x800, 0x801, 1 },
      } do
        local r, w = assert(p:pipe2(row[1]))
        assert.equal(row[2], p:fcntl(r, fdemu.F_GETFL))
        assert.equal(row[3], p:fcntl(w, fdemu.F_GETFL))
        assert.equal(row[4], p:fcntl(r, fdemu.F_GETFD))
        assert.equal(row[4], p:fcntl(w, fdemu.F_GETFD))
      end
    end)

    it("takes O_DIRECT for the write end only", function()
      local r, w = assert(p:pipe2(fdemu.O_DIRECT))
      assert.equal(0, p:fcntl(r, fdemu.F_GETFL))
      assert.equal(fdemu.O_WRONLY | fdemu.O_DIRECT,
        p:fcntl(w, fdemu.F_GETFL))
    end)

    it("refuses unknown flags and makes nothing", function()
      for _, flag in ipairs {
        "O_APPEND", "O_ASYNC", "O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC",
      } do
        fails("EINVAL", p:pipe2(fdemu[flag]))
        fails("EINVAL", p:pipe2(fdemu[flag] | fdemu.O_CLOEXEC))
      end
      assert.equal(3, p:dup(0))
    end)

    it("is named by its kind, the same for both ends", function()
      local r, w = p:pipe()
      local a, b = p:description(r), p:description(w)
      assert.equal("pipe", a.kind)
      assert.equal("pipe", b.kind)
      assert.are_not.equal(a.id, b.id)
    end)

    it("shows in fstat as a FIFO that both ends share", function()
      local r, w = p:pipe()
      assert.equal(5, p:write(w, "hello"))
      local a, b = assert(p:fstat(r)), assert(p:fstat(w))
      for _, row in ipairs {
        { "st_mode", 4480 }, -- 010600
        { "st_size", 0 }, { "st_nlink", 1 }, { "st_rdev", 0 },
        { "st_blksize", 4096 }, { "st_blocks", 0 },
      } do
        assert.equal(row[2], a[row[1]], row[1])
        assert.equal(row[2], b[row[1]], row[1])
      end
      assert.equal(a.st_ino, b.st_ino)
      assert.equal(a.st_dev, b.st_dev)
      local other = assert(p:fstat((p:pipe())))
      assert.are_not.equal(a.st_ino, other.st_ino)
      assert.equal(a.st_dev, other.st_dev)
    end)
  end)

  describe("as a queue of bytes", function()
    it("gives back what was written, in order", function()
      run(p, [[
        pipe2 r w
        write w 5 = 5
        write w 7 = 7
        queued r = 12
        queued w = 12
        read r 3 = 3
        queued r = 9
        read r 100 = 9
        queued r = 0
      ]])
    end)

    it("ends at the end of what is there, not at a write's end", function()
      local r, w = p:pipe()
      p:write(w, "abc")
      p:write(w, "def")
      assert.equal("abcd", p:read(r, 4))
      assert.equal("ef", p:read(r, 4))
    end)

    it("keeps bytes of every value", function()
      local all = {}
      for i = 0, 255 do all[#all + 1] = string.char(i) end
      all = table.concat(all)
      local r, w = p:pipe()
      assert.equal(256, p:write(w, all))
      assert.equal(all, p:read(r, 256))
    end)

    it("scatters and gathers", function()
      run(p, [[
        pipe2 r w NONBLOCK
        writev w 3,0,4 = 7
        readv r 2,0,2 = 4
        readv r 2,100 = 3
        readv r 1,1 = EAGAIN
        readv r 0,0 = 0
        writev w 0,0 = 0
        queued r = 0
        writev w 3000,3000 = 6000
        readv r 5000,5000 = 6000
        writev w 40000,40000 = 65536
        writev w 1,1 = EAGAIN
      ]])
      local r, w = p:pipe()
      assert.equal(5, p:writev(w, { "ab", "", "cde" }))
      assert.same({ { "a", "bc", "de", "" }, 5, n = 2 },
        table.pack(p:readv(r, { 1, 2, 3, 4 })))
    end)

    it("says EAGAIN when it is empty and non-blocking", function()
      run(p, [[
        pipe2 r w NONBLOCK
        read r 1 = EAGAIN
        readv r 1,1 = EAGAIN
        read r 0 = 0
        write w 0 = 0
        read r 1 = EAGAIN
        write w 1 = 1
        read r 1 = 1
        read r 1 = EAGAIN
      ]])
    end)

    it("obeys O_NONBLOCK set later, for every dup", function()
      run(p, [[
        pipe2 r w
        dup r r2
        setfl r2 NONBLOCK
        read r 1 = EAGAIN
        write w 1 = 1
        read r2 9 = 1
      ]])
    end)

    it("is idle at once for a read of nothing, even blocking", function()
      run(p, [[
        pipe2 r w
        read r 0 = 0
        readv r 0 = 0
        write w 0 = 0
        write w 65536 = 65536
        write w 0 = 0
        read r 0 = 0
        queued r = 65536
      ]])
    end)

    it("does not allocate what a reader merely offers", function()
      local r, w = p:pipe2(fdemu.O_NONBLOCK)
      fails("EAGAIN", p:read(r, 1 << 40))
      fails("EAGAIN", p:read(r, math.maxinteger))
      assert.equal(3, p:write(w, "abc"))
      assert.equal("abc", p:read(r, 1 << 40))
    end)
  end)

  describe("in slots of a page", function()
    it("holds 65536 bytes, then EAGAIN", function()
      run(p, [[
        pipe2 r w NONBLOCK
        write w 65535 = 65535
        write w 1 = 1
        write w 1 = EAGAIN
        queued r = 65536
        read r 65537 = 65536
        read r 1 = EAGAIN
      ]])
    end)

    it("takes what fits of a write above PIPE_BUF", function()
      run(p, [[
        pipe2 r w NONBLOCK
        write w 70000 = 65536
        write w 70000 = EAGAIN
        read r 4096 = 4096
        write w 8192 = 4096
        read r 8192 = 8192
        write w 70000 = 8192
        write w 1 = EAGAIN
      ]])
    end)

    it("counts free slots, not free bytes", function()
      run(p, [[
        pipe2 r w NONBLOCK
        write w 65536 = 65536
        read r 10 = 10
        write w 1 = EAGAIN
        poll w = -
        read r 4085 = 4085
        write w 1 = EAGAIN
        poll w = -
        read r 1 = 1
        poll w = OUT WRNORM
        write w 1 = 1
        poll w = -
        write w 4095 = 4095
        write w 1 = EAGAIN
      ]])
    end)

    it("merges small writes into the last page", function()
      run(p, [[
        pipe2 r w NONBLOCK
        resize w 4096 = 4096
        write w 1 = 1
        poll w = -
        write w 4000 = 4000
        write w 95 = 95
        write w 1 = EAGAIN
        read r 4096 = 4096
        write w 4096 = 4096
        write w 1 = EAGAIN
      ]])
    end)

    it("does not merge a write that does not fit whole", function()
      run(p, [[
        pipe2 r w NONBLOCK
        resize w 8192 = 8192
        write w 4000 = 4000
        write w 97 = 97
        poll w = -
        write w 4000 = EAGAIN
        write w 3999 = 3999
        write w 1 = EAGAIN
        queued r = 8096
        read r 4000 = 4000
        write w 4097 = 4096
        read r 9000 = 8192
      ]])
    end)

    it("does not use again what was read of the last page", function()
      run(p, [[
        pipe2 r w NONBLOCK
        resize w 4096 = 4096
        write w 3000 = 3000
        read r 2999 = 2999
        write w 1096 = 1096
        write w 1 = EAGAIN
        queued r = 1097
        read r 1097 = 1097
        write w 4096 = 4096
      ]])
    end)

    it("starts a new page after the last one was emptied", function()
      run(p, [[
        pipe2 r w NONBLOCK
        resize w 4096 = 4096
        write w 10 = 10
        read r 10 = 10
        write w 4096 = 4096
        queued r = 4096
      ]])
    end)

    it("fills the last page with the bytes beyond a page", function()
      run(p, [[
        pipe2 r w NONBLOCK
        resize w 8192 = 8192
        write w 4097 = 4097
        write w 9000 = 808
        queued r = 4905
        write w 4096 = EAGAIN
        write w 8192 = EAGAIN
        write w 3287 = 3287
        write w 1 = EAGAIN
        read r 9000 = 8192
      ]])
    end)

    it("keeps writes up to PIPE_BUF whole", function()
      run(p, [[
        pipe2 r w NONBLOCK
        write w 61440 = 61440
        write w 4000 = 4000
        write w 97 = EAGAIN
        writev w 90,7 = EAGAIN
        write w 4096 = EAGAIN
        write w 96 = 96
        write w 1 = EAGAIN
        queued r = 65536
      ]])
    end)

    it("agrees with the model on random programs", function()
      for seed = 1, 60 do
        local ok, message = pcall(function()
          local s = run(p, random_program(seed, 40))
          p:close(s.fd.r)
          p:close(s.fd.w)
        end)
        if not ok then
          error(("seed %d: %s"):format(seed, tostring(message)), 0)
        end
      end
    end)
  end)

  describe("resized by F_SETPIPE_SZ", function()
    it("has a power of two of pages, from 4096 to 1048576", function()
      local r, w = p:pipe()
      local max = 1048576
      for _, row in ipairs {
        { 0, 4096 }, { 1, 4096 }, { 4095, 4096 }, { 4096, 4096 },
        { 4097, 8192 }, { 8192, 8192 }, { 8193, 16384 }, { 12288, 16384 },
        { 65535, 65536 }, { 65537, 131072 }, { 100000, 131072 },
        { max - 1, max }, { max, max }, { 65536, 65536 },
      } do
        assert.equal(row[2], p:fcntl(w, fdemu.F_SETPIPE_SZ, row[1]))
        assert.equal(row[2], p:fcntl(r, fdemu.F_GETPIPE_SZ))
        assert.equal(row[2], p:fcntl(w, fdemu.F_GETPIPE_SZ))
      end
      assert.equal(8192, p:fcntl(r, fdemu.F_SETPIPE_SZ, 5000))
    end)

    it("refuses what is too big and changes nothing", function()
      local r, w = p:pipe()
      for _, row in ipairs {
        { 1048577, "EPERM" }, { 1 << 21, "EPERM" }, { 0x7fffffff, "EPERM" },
        { 1 << 31, "EPERM" }, { (1 << 31) + 1, "EINVAL" },
        { 0xffffffff, "EINVAL" }, { -1, "EINVAL" }, { -4096, "EINVAL" },
      } do
        fails(row[2], p:fcntl(w, fdemu.F_SETPIPE_SZ, row[1]))
        assert.equal(65536, p:fcntl(r, fdemu.F_GETPIPE_SZ))
      end
    end)

    it("is EBUSY below the slots in use", function()
      run(p, [[
        pipe2 r w NONBLOCK
        write w 12289 = 12289
        resize w 4096 = EBUSY
        resize w 0 = EBUSY
        resize w 8192 = EBUSY
        size w = 65536
        resize w 12288 = 16384
        read r 4095 = 4095
        resize w 8192 = EBUSY
        read r 4097 = 4097
        resize w 8192 = 8192
        poll w = -
        write w 4096 = EAGAIN
        write w 4095 = 4095
        read r 9000 = 8192
      ]])
    end)

    it("keeps what is queued, in a wrapped ring too", function()
      run(p, [[
        pipe2 r w NONBLOCK
        write w 65536 = 65536
        read r 50000 = 50000
        write w 40000 = 40000
        resize r 1048576 = 1048576
        queued r = 55536
        write w 900000 = 900000
        resize r 65536 = EBUSY
        read r 900000 = 900000
        resize r 65536 = 65536
        read r 65536 = 55536
        read r 1 = EAGAIN
      ]])
    end)

    it("has room again after growing", function()
      run(p, [[
        pipe2 r w NONBLOCK
        resize r 4096 = 4096
        write w 4096 = 4096
        poll w = -
        resize r 8192 = 8192
        poll w = OUT WRNORM
        write w 1 = 1
        resize r 4096 = EBUSY
      ]])
    end)

    it("wakes a writer by growing", function()
      local r, w = p:pipe()
      assert.equal(65536, p:write(w, ("x"):rep(65536)))
      local task = p:spawn(function() return p:write(w, "more") end)
      p:spawn(function()
        k:sleep(0.05)
        assert.equal(131072, p:fcntl(r, fdemu.F_SETPIPE_SZ, 131072))
      end)
      assert.is_true(k:run())
      assert.equal(4, (task:join()))
      assert.equal(65540, p:ioctl(r, fdemu.FIONREAD))
    end)

    it("concerns pipes only", function()
      fails("EBADF", p:fcntl(0, fdemu.F_GETPIPE_SZ))
      fails("EBADF", p:fcntl(0, fdemu.F_SETPIPE_SZ, 4096))
      fails("EBADF", p:fcntl(99, fdemu.F_GETPIPE_SZ))
    end)
  end)

  describe("in packet mode", function()
    it("gives one packet per read and drops the rest of it", function()
      local r, w = p:pipe2(fdemu.O_DIRECT | fdemu.O_NONBLOCK)
      assert.equal(3, p:write(w, "abc"))
      assert.equal(5, p:write(w, "defgh"))
      assert.equal(8, p:ioctl(r, fdemu.FIONREAD))
      assert.equal("ab", p:read(r, 2))
      assert.equal(5, p:ioctl(r, fdemu.FIONREAD))
      assert.equal("defgh", p:read(r, 100))
      fails("EAGAIN", p:read(r, 100))
    end)

    it("splits a big write into packets of a page", function()
      run(p, [[
        pipe2 r w NONBLOCK|DIRECT
        write w 5000 = 5000
        read r 9000 = 4096
        read r 9000 = 904
        read r 9000 = EAGAIN
        write w 65536 = 65536
        write w 1 = EAGAIN
        read r 4096 = 4096
        read r 4096 = 4096
        write w 9000 = 8192
      ]])
    end)

    it("takes a slot for each packet", function()
      run(p, [[
        pipe2 r w NONBLOCK|DIRECT
        resize w 8192 = 8192
        write w 1 = 1
        poll w = OUT WRNORM
        write w 1 = 1
        poll w = -
        write w 1 = EAGAIN
        write w 0 = 0
        queued r = 2
        read r 0 = 0
        queued r = 2
        read r 10 = 1
        write w 7 = 7
        read r 10 = 1
        read r 10 = 7
        write w 0 = 0
        read r 10 = EAGAIN
      ]])
    end)

    it("makes one packet of a writev, and readv takes one", function()
      local r, w = p:pipe2(fdemu.O_DIRECT | fdemu.O_NONBLOCK)
      assert.equal(4, p:writev(w, { "ab", "cd" }))
      assert.equal(1, p:writev(w, { "", "e" }))
      assert.equal(0, p:writev(w, { "", "" }))
      assert.same({ "a", "b" }, (p:readv(r, { 1, 1 })))
      assert.same({ "", "e" }, (p:readv(r, { 0, 5 })))
      fails("EAGAIN", p:read(r, 1))
    end)

    it("is a matter of the write end's flags, at each write", function()
      local r, w = p:pipe2(fdemu.O_NONBLOCK)
      local function mode(fd, flags)
        assert.equal(0, p:fcntl(fd, fdemu.F_SETFL, fdemu.O_NONBLOCK | flags))
      end
      mode(r, fdemu.O_DIRECT)
      p:write(w, "ab")
      p:write(w, "cd")
      assert.equal("a", p:read(r, 1))
      assert.equal("bcd", p:read(r, 9))
      mode(w, fdemu.O_DIRECT)
      p:write(w, "ab")
      p:write(w, "cd")
      mode(w, 0)
      p:write(w, "ef")
      p:write(w, "gh")
      assert.equal("a", p:read(r, 1))
      assert.equal("cd", p:read(r, 9))
      assert.equal("efgh", p:read(r, 9))
    end)

    it("lets a packet merge into an ordinary last page", function()
      local r, w = p:pipe2(fdemu.O_NONBLOCK)
      local flags = fdemu.O_NONBLOCK | fdemu.O_DIRECT
      p:write(w, "aa")
      assert.equal(0, p:fcntl(w, fdemu.F_SETFL, flags))
      p:write(w, "bb")
      assert.equal("aabb", p:read(r, 9))
    end)

    it("ends a read that began with ordinary bytes", function()
      run(p, [[
        pipe2 r w NONBLOCK
        write w 4096 = 4096
        setfl w NONBLOCK|DIRECT
        write w 10 = 10
        write w 10 = 10
        read r 9000 = 4106
        read r 9000 = 10
      ]])
    end)
  end)

  describe("whose other end is closed", function()
    it("gives the rest, then end of file", function()
      run(p, [[
        pipe2 r w
        write w 5000 = 5000
        close w
        poll r = IN HUP RDNORM
        read r 4999 = 4999
        poll r = IN HUP RDNORM
        read r 100 = 1
        poll r = HUP
        read r 100 = 0
        read r 100 = 0
        readv r 1,2 = 0
        queued r = 0
      ]])
    end)

    it("reports it to a large read, and of a pipe never written", function()
      run(p, [[
        pipe2 r w
        close w
        read r 100000 = 0
        pipe2 r2 w2
        write w2 65536 = 65536
        close w2
        read r2 100000 = 65536
        read r2 100000 = 0
      ]])
    end)

    it("reports end of file, not EAGAIN, when non-blocking", function()
      run(p, [[
        pipe2 r w NONBLOCK
        close w
        read r 1 = 0
        readv r 1,1 = 0
      ]])
    end)

    it("reports it only when every write end is closed", function()
      run(p, [[
        pipe2 r w NONBLOCK
        dup w w2
        close w
        read r 1 = EAGAIN
        poll r = -
        write w2 1 = 1
        close w2
        read r 2 = 1
        read r 2 = 0
      ]])
    end)

    it("is EPIPE to write to, only when every read end is", function()
      run(p, [[
        pipe2 r w
        dup r r2
        close r
        write w 3 = 3
        poll w = OUT WRNORM
        read r2 2 = 2
        close r2
        write w 3 = EPIPE
        writev w 1,2 = EPIPE
        write w 100000 = EPIPE
        poll w = OUT ERR WRNORM
        queued w = 1
      ]])
    end)

    it("is EPIPE rather than EAGAIN when it is full", function()
      run(p, [[
        pipe2 r w NONBLOCK
        write w 65536 = 65536
        close r
        write w 1 = EPIPE
        poll w = ERR
      ]])
    end)

    it("takes a write of nothing", function()
      run(p, [[
        pipe2 r w
        close r
        write w 0 = 0
        writev w 0,0 = 0
      ]])
    end)
  end)

  describe("that blocks", function()
    it("makes a reader wait for a byte, not for its count", function()
      local r, w = p:pipe()
      local task = p:spawn(function() return p:read(r, 100) end)
      p:spawn(function()
        k:sleep(0.05)
        p:write(w, "abc")
      end)
      k:run()
      assert.equal("abc", (task:join()))
      assert.near(0.05, k:now(), 1e-6)
    end)

    it("finishes a write of more than it holds", function()
      local r, w = p:pipe()
      local data = steps.bytes(0, 200000)
      local task = p:spawn(function() return p:write(w, data) end)
      local parts, short = {}, 0
      p:spawn(function()
        local got = 0
        while got < #data do
          local part = assert(p:read(r, 10000))
          if #part < 10000 then short = short + 1 end
          parts[#parts + 1], got = part, got + #part
        end
      end)
      k:run()
      assert.equal(200000, (task:join()))
      assert.is_true(data == table.concat(parts))
      assert.is_true(short < 200)
    end)

    it("finishes a writev of more than it holds", function()
      local r, w = p:pipe()
      local list = { steps.bytes(0, 50000), "", steps.bytes(50000, 50000) }
      local task = p:spawn(function() return p:writev(w, list) end)
      local got = {}
      p:spawn(function()
        local n = 0
        while n < 100000 do
          got[#got + 1] = assert(p:read(r, 100000))
          n = n + #got[#got]
        end
      end)
      k:run()
      assert.equal(100000, (task:join()))
      assert.is_true(steps.bytes(0, 100000) == table.concat(got))
    end)

    it("keeps a writer waiting until a slot is free", function()
      local r, w = p:pipe()
      p:write(w, ("x"):rep(65536))
      local log = {}
      p:spawn(function()
        assert.equal(1, p:write(w, "y"))
        log[#log + 1] = "written"
      end)
      p:spawn(function()
        k:sleep(0.05)
        p:read(r, 4095)
        log[#log + 1] = "4095 read"
        k:sleep(0.05)
        log[#log + 1] = "4096 read"
        p:read(r, 1)
      end)
      k:run()
      assert.same({ "4095 read", "4096 read", "written" }, log)
    end)

    it("does not mix blocking writes up to PIPE_BUF", function()
      local r, w = p:pipe()
      for i = 1, 3 do
        p:spawn(function()
          local data = string.char(64 + i):rep(4096)
          for _ = 1, 20 do assert.equal(4096, p:write(w, data)) end
        end)
      end
      local got = {}
      p:spawn(function()
        local n = 0
        while n < 60 * 4096 do
          got[#got + 1] = assert(p:read(r, 1000))
          n = n + #got[#got]
        end
      end)
      k:run()
      got = table.concat(got)
      local count = { A = 0, B = 0, C = 0 }
      for at = 1, #got, 4096 do
        local piece = got:sub(at, at + 4095)
        local c = piece:sub(1, 1)
        assert.is_true(piece == c:rep(4096), "a write was torn")
        count[c] = count[c] + 1
      end
      assert.same({ A = 20, B = 20, C = 20 }, count)
    end)

    it("wakes a reader by the last write end's close", function()
      local r, w = p:pipe()
      local w2 = p:dup(w)
      local task = p:spawn(function() return p:read(r, 1) end)
      local log = {}
      p:spawn(function()
        task:join()
        log[#log + 1] = "end of file"
      end)
      p:spawn(function()
        k:sleep(0.05)
        p:close(w)
        log[#log + 1] = "first close"
        k:sleep(0.05)
        log[#log + 1] = "second close"
        p:close(w2)
      end)
      k:run()
      assert.equal("", (task:join()))
      assert.same({ "first close", "second close", "end of file" }, log)
    end)

    it("wakes every reader at end of file", function()
      local r, w = p:pipe()
      local tasks = {}
      for i = 1, 5 do
        tasks[i] = p:spawn(function() return p:read(r, 1) end)
      end
      p:spawn(function()
        k:sleep(0.05)
        p:close(w)
      end)
      k:run()
      for i = 1, 5 do assert.equal("", (tasks[i]:join())) end
    end)

    it("wakes a writer by the last read end's close", function()
      local r, w = p:pipe()
      p:write(w, ("x"):rep(65536))
      local task = p:spawn(function() return p:write(w, "y") end)
      p:spawn(function()
        k:sleep(0.05)
        p:close(r)
      end)
      k:run()
      fails("EPIPE", task:join())
    end)

    it("tells a writer cut off in the middle how far it got", function()
      local r, w = p:pipe()
      local task = p:spawn(function()
        return p:write(w, ("x"):rep(100000))
      end)
      p:spawn(function()
        k:sleep(0.05)
        assert.equal(8192, #p:read(r, 8192))
        k:sleep(0.05)
        p:close(r)
      end)
      k:run()
      assert.equal(73728, (task:join()))
      fails("EPIPE", p:write(w, "x"))
    end)

    it("lets each of two readers have its bytes once", function()
      local r, w = p:pipe()
      local got = {}
      for _ = 1, 2 do
        p:spawn(function()
          while true do
            local data = assert(p:read(r, 3))
            if data == "" then return end
            got[#got + 1] = data
          end
        end)
      end
      p:spawn(function()
        for i = 1, 30 do
          p:write(w, ("%03d"):format(i))
          if i % 7 == 0 then k:sleep(0.01) end
        end
        p:close(w)
      end)
      k:run()
      table.sort(got)
      assert.equal(30, #got)
      for i = 1, 30 do assert.equal(("%03d"):format(i), got[i]) end
    end)

    it("does not wake a waiter when O_NONBLOCK is set", function()
      local r, w = p:pipe()
      local log = {}
      p:spawn(function()
        local data = p:read(r, 5)
        log[#log + 1] = data
      end)
      p:spawn(function()
        k:sleep(0.05)
        assert.equal(0, p:fcntl(r, fdemu.F_SETFL, fdemu.O_NONBLOCK))
        fails("EAGAIN", p:read(r, 1))
        k:sleep(0.05)
        log[#log + 1] = "still waiting"
        p:write(w, "data")
      end)
      k:run()
      assert.same({ "still waiting", "data" }, log)
    end)

    it("serves a reader whose descriptor was closed meanwhile", function()
      local r, w = p:pipe()
      local task = p:spawn(function() return p:read(r, 5) end)
      p:spawn(function()
        k:sleep(0.05)
        assert.equal(0, p:close(r))
        fails("EBADF", p:read(r, 1))
        assert.equal(4, p:write(w, "late"))
      end)
      k:run()
      assert.equal("late", (task:join()))
      fails("EPIPE", p:write(w, "x"))
    end)

    it("serves a reader whose number is another file by now", function()
      local r, w = p:pipe()
      local r2, w2 = p:pipe()
      p:write(w2, "wrong")
      local task = p:spawn(function() return p:read(r, 5) end)
      p:spawn(function()
        k:sleep(0.05)
        assert.equal(r, p:dup2(r2, r))
        assert.equal(5, p:write(w, "right"))
      end)
      k:run()
      assert.equal("right", (task:join()))
      assert.equal("wrong", p:read(r, 5))
    end)

    it("wakes a writer of a full pipe in packet mode", function()
      local r, w = p:pipe2(fdemu.O_DIRECT)
      for i = 1, 16 do p:write(w, ("%02d"):format(i)) end
      local task = p:spawn(function() return p:write(w, "17") end)
      p:spawn(function()
        k:sleep(0.05)
        assert.equal("0", p:read(r, 1))
      end)
      k:run()
      assert.equal(2, (task:join()))
      for i = 2, 17 do assert.equal(("%02d"):format(i), p:read(r, 9)) end
    end)

    it("waits in the main chunk while tasks go on", function()
      local r, w = p:pipe()
      p:spawn(function()
        k:sleep(0.05)
        p:write(w, "from a task")
      end)
      assert.equal("from a task", p:read(r, 100))
    end)

    it("passes a byte round a ring of pipes", function()
      local ends = {}
      for i = 1, 10 do ends[i] = { p:pipe() } end
      for i = 1, 9 do
        p:spawn(function()
          local data = p:read(ends[i][1], 10)
          p:write(ends[i + 1][2], data .. i)
        end)
      end
      p:spawn(function() p:write(ends[1][2], "") p:write(ends[1][2], ".") end)
      assert.equal(".123456789", p:read(ends[10][1], 20))
    end)
  end)

  describe("that is asked the wrong thing", function()
    it("checks the access mode first", function()
      local r, w = p:pipe()
      fails("EBADF", p:write(r, "x"))
      fails("EBADF", p:write(r, ""))
      fails("EBADF", p:writev(r, { "x" }))
      fails("EBADF", p:read(w, 1))
      fails("EBADF", p:read(w, 0))
      fails("EBADF", p:readv(w, { 1 }))
      p:close(w)
      fails("EBADF", p:write(r, "x"))
    end)

    it("has no position", function()
      local r, w = p:pipe()
      p:write(w, "abc")
      for _, fd in ipairs { r, w } do
        for whence = 0, 4 do
          fails("ESPIPE", p:lseek(fd, 0, whence))
          fails("ESPIPE", p:lseek(fd, -1, whence))
        end
        fails("EINVAL", p:lseek(fd, 0, 5))
        fails("EINVAL", p:lseek(fd, 0, -1))
        fails("ESPIPE", p:pread(fd, 1, 0))
        fails("ESPIPE", p:pread(fd, 0, 0))
        fails("ESPIPE", p:pwrite(fd, "x", 0))
        fails("ESPIPE", p:pwrite(fd, "", 0))
        fails("ESPIPE", p:preadv(fd, { 1 }, 0))
        fails("ESPIPE", p:pwritev(fd, { "x" }, 0))
        fails("EINVAL", p:pread(fd, 1, -1))
        fails("EINVAL", p:pwrite(fd, "x", -1))
        fails("EINVAL", p:preadv(fd, { 1 }, -2))
        fails("EINVAL", p:pwritev(fd, { "x" }, -2))
      end
      assert.equal("abc", p:read(r, 9))
    end)

    it("is no terminal and knows no other ioctl", function()
      local r, w = p:pipe()
      for _, fd in ipairs { r, w } do
        fails("ENOTTY", p:isatty(fd))
        fails("ENOTTY", p:ioctl(fd, 0xdeadbeef, fdemu.buffer(64)))
        fails("ENOTTY", p:ioctl(fd, 0, fdemu.buffer(64)))
      end
    end)

    it("answers FIONREAD into a buffer, on both ends", function()
      local r, w = p:pipe()
      p:write(w, "12345")
      for _, fd in ipairs { r, w } do
        local arg = fdemu.buffer(4)
        assert.equal(0, p:ioctl(fd, fdemu.FIONREAD, arg))
        assert.equal(5, (arg:unpack "<i4"))
        assert.equal(5, p:ioctl(fd, fdemu.FIONREAD))
        local n, bytes = p:ioctl(fd, fdemu.FIONREAD, "\xff\xff\xff\xff")
        assert.equal(0, n)
        assert.equal(5, (("<i4"):unpack(bytes)))
      end
    end)

    -- Large reads are not copied together where that need not be.
    describe("in large pieces", function()
      local function bytes(seed, n)
        local t = {}
        for i = 1, n do t[i] = string.char((i * seed + i // 251) % 256) end
        return table.concat(t)
      end
      local one, two = bytes(7, 65536), bytes(13, 65536)

      it("gives what was written, whatever is written later", function()
        local r, w = p:pipe()
        assert.equal(65536, p:write(w, one))
        local got = p:read(r, 65536)
        assert.equal(65536, p:write(w, two))
        assert.is_true(got == one)
        assert.is_true(p:read(r, 5000) == two:sub(1, 5000))
        assert.is_true(p:read(r, 50000) == two:sub(5001, 55000))
        assert.equal(40000, p:write(w, one:sub(1, 40000)))
        assert.is_true(p:read(r, 70000) == two:sub(55001) .. one:sub(1, 40000))
      end)

      it("gives it to who has to wait, or is delayed, as well", function()
        local r, w = p:pipe()
        local got = {}
        local function reader(i)
          k:spawn(function() got[i] = p:read(r, 65536) end)
        end
        reader(1)
        k:spawn(function()
          p:write(w, one)
          p:write(w, two)
        end)
        k:run()
        k:inject { call = "read", delay = 1, when = "1" }
        reader(2)
        k:spawn(function() p:write(w, one) end) -- as soon as there is room
        k:run()
        assert.is_true(got[1] == one)
        assert.is_true(got[2] == two)
        assert.is_true(p:read(r, 65536) == one)
      end)

      it("shows it to a trace, which may write more meanwhile", function()
        local r, w = p:pipe()
        p:write(w, one)
        k:trace(function(event)
          if event.call == "read" then
            k:trace(nil)
            p:write(w, two)
          end
        end)
        assert.is_true(p:read(r, 65536) == one)
        assert.is_true(p:read(r, 65536) == two)
      end)

      it("hands pages on to another pipe, and grows and shrinks", function()
        local r, w = p:pipe()
        local r2, w2 = p:pipe()
        p:write(w, one)
        assert.equal(20000, p:splice(r, nil, w2, nil, 20000))
        p:close(w2)
        assert.is_true(p:read(r, 45536) == one:sub(20001))
        p:write(w, two)
        assert.is_true(p:read(r2, 65536) == one:sub(1, 20000))
        assert.equal(131072, p:fcntl(w, fdemu.F_SETPIPE_SZ, 131072))
        assert.equal(65536, p:write(w, one))
        assert.is_true(p:read(r, 131072) == two .. one)
        assert.equal(4096, p:fcntl(w, fdemu.F_SETPIPE_SZ, 4096))
        p:write(w, one:sub(1, 4096))
        assert.is_true(p:read(r, 65536) == one:sub(1, 4096))
        p:close(r2)
      end)
    end)

    it("keeps two pipes apart", function()
      local r1, w1 = p:pipe()
      local r2, w2 = p:pipe()
      p:write(w1, "one")
      p:write(w2, "two")
      assert.equal("two", p:read(r2, 9))
      assert.equal("one", p:read(r1, 9))
      p:close(w2)
      assert.equal("", p:read(r2, 9))
      assert.equal("-", ready(p, r1))
    end)
  end)
end)
