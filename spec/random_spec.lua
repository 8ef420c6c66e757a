-- random_spec.lua - /dev/random, /dev/urandom, /dev/console and /dev/tty.
-- Every result is what Linux 6.18 gives, but for what it is that chance gives.

local fdemu = require "fdemu"
local steps = require "spec.helper_steps"

local fails = steps.fails

local function start(options)
  local k = fdemu.kernel(options)
  return k, k:process { stdout = "null", stderr = "null" }
end

describe("random numbers", function()
  it("are the same for the same seed, and only then", function()
    local got = {}
    for i, seed in ipairs { 7, 7, 8 } do
      local k, p = start { seed = seed }
      got[i] = p:read(p:open "/dev/urandom", 1000)
      assert.equal(1000, #got[i])
      assert.not_equal(got[i], p:read(p:open "/dev/random", 1000))
      assert.not_equal(got[i], p:read(p:open "/dev/urandom", 1000))
      k:close()
    end
    assert.equal(got[1], got[2])
    assert.not_equal(got[1], got[3])
  end)

  it("change nothing else that chance decides", function()
    local function lengths(read)
      local k, p = start { seed = 3, short = 0.5 }
      local fd, random, list = p:memfd_create "x", p:open "/dev/random", {}
      for i = 1, 50 do
        if read then p:read(random, 7) end
        list[i] = p:write(fd, ("x"):rep(100))
      end
      k:close()
      return list
    end
    assert.same(lengths(false), lengths(true))
  end)

  for _, name in ipairs { "/dev/random", "/dev/urandom" } do
    it("come from a character device: " .. name, function()
      local k, p = start()
      local fd = assert(p:open(name, fdemu.O_RDWR))
      assert.equal(fdemu.S_IFCHR | 438, p:fstat(fd).st_mode)
      assert.equal(5, p:write(fd, "12345"))
      assert.equal(3, #p:pread(fd, 3, 100))
      assert.equal(0, p:lseek(fd, 10, fdemu.SEEK_SET))
      assert.equal(256, (("<i4"):unpack(select(2,
        p:ioctl(fd, fdemu._IOR("R", 0, 4), ("\0"):rep(4))))))
      fails("EPERM", p:ioctl(fd, fdemu._IO("R", 4)))
      fails("EINVAL", p:ioctl(fd, fdemu.TCGETS))
      fails("EINVAL", p:fsync(fd))
      local list = { { fd = fd, events = 0x7fff } }
      p:poll(list, 0)
      assert.equal(name == "/dev/random" and 0x41 or 0x145, list[1].revents)
      k:close()
    end)
  end
end)

describe("the console", function()
  it("is no terminal, takes everything and says nothing", function()
    local k, p = start()
    local fd = assert(p:open("/dev/console", fdemu.O_RDWR))
    assert.equal(5, p:write(fd, "hello"))
    assert.equal("", p:read(fd, 100))
    assert.is_falsy(p:isatty(fd))
    fails("ESPIPE", p:lseek(fd, 0))
    fails("ESPIPE", p:pread(fd, 1, 0))
    fails("ENOTTY", p:ioctl(fd, fdemu.TCGETS))
    k:close()
  end)

  it("is nobody's controlling terminal", function()
    local k, p = start()
    assert.equal(fdemu.S_IFCHR | 438, p:stat("/dev/tty").st_mode)
    assert.equal(0x500, p:stat("/dev/tty").st_rdev)
    for _, mode in ipairs { "r", "w", "a+" } do
      fails("ENXIO", p:open("/dev/tty", mode))
    end
    fails("ENOTDIR", p:open("/dev/tty", fdemu.O_DIRECTORY))
    fails("EEXIST", p:open("/dev/tty", fdemu.O_CREAT | fdemu.O_EXCL))
    assert.equal(3, p:open("/dev/tty", fdemu.O_PATH))
    k:device("/dev/tty", { read = function() return "typed" end })
    assert.equal("typed", p:read(p:open "/dev/tty", 10))
    k:close()
  end)
end)
