-- lease_spec.lua - leases: F_SETLEASE, F_GETLEASE, and who waits for them

local fdemu = require "fdemu"
local steps = require "spec.helper_steps"

local fails = steps.fails
local RDLCK, WRLCK, UNLCK = fdemu.F_RDLCK, fdemu.F_WRLCK, fdemu.F_UNLCK

describe("leases", function()
  local k, p

  before_each(function()
    k = fdemu.kernel { nofile = 16 }
    p = k:process { stdout = "null", stderr = "null" }
    p:close(assert(p:open("/f", "w")))
  end)

  after_each(function()
    k:run()
    p:exit(0)
    assert.same({}, k:leaks())
    k:close()
  end)

  local function lease(fd, type) return p:fcntl(fd, fdemu.F_SETLEASE, type) end
  local function held(fd) return p:fcntl(fd, fdemu.F_GETLEASE) end

  it("for reading need a file that nobody writes", function()
    local r = p:open("/f", "r")
    assert.equal(0, lease(r, RDLCK))
    assert.equal(RDLCK, held(r))
    assert.equal(0, lease(r, UNLCK))
    local w = p:open("/f", "r+")
    fails("EAGAIN", lease(r, RDLCK))
    fails("EAGAIN", lease(w, RDLCK))
    p:close(w)
    assert.equal(0, lease(r, RDLCK))
  end)

  it("for writing need a file that nobody else has open", function()
    local a = p:open("/f", "r+")
    local b = p:open("/f", "r")
    fails("EAGAIN", lease(a, WRLCK))
    p:close(b)
    assert.equal(0, lease(a, WRLCK))
    assert.equal(WRLCK, held(a))
    assert.equal(0, lease(p:dup(a), UNLCK)) -- it is the description's
    assert.equal(UNLCK, held(a))
    fails("EAGAIN", lease(a, UNLCK))
  end)

  it("are for the owner's regular files", function()
    local r = p:pipe()
    for _, type in ipairs { RDLCK, WRLCK, UNLCK } do
      fails("EINVAL", lease(r, type))
      fails("EACCES", lease(p:open("/dev/null", "r"), type))
    end
    fails("EINVAL", lease(p:open("/dev/null", "r"), 3))
  end)

  it("hold up who opens the file, until they are given up", function()
    local child = p:fork()
    local fd = p:open("/f", "r")
    local events = {}
    lease(fd, RDLCK)
    p:close(p:open("/f", "r")) -- reading is no reason
    child:spawn(function()
      events[1] = child:open("/f", "w") ~= nil and k:now()
    end)
    k:after(3, function()
      assert.same({ [fdemu.SIGIO] = 1 }, p:signals())
      assert.equal(UNLCK, held(fd)) -- what it is asked to be
      lease(fd, UNLCK)
    end)
    k:run()
    assert.same({ 3.0 }, events)
    child:exit(0)
  end)

  it("are broken after 45 seconds", function()
    local fd = p:open("/f", "r+")
    lease(fd, WRLCK)
    fails("EAGAIN", p:open("/f", fdemu.O_RDONLY | fdemu.O_NONBLOCK))
    assert.equal(RDLCK, held(fd))
    k:sleep(10)
    local truncated = p:spawn(function()
      assert(p:truncate("/f", 5))
      return k:now()
    end)
    local read = p:spawn(function()
      local r = assert(p:open("/f", "r"))
      return k:now(), p:fstat(r).st_size
    end)
    assert.equal(55.0, truncated:join())
    assert.same({ 45.0, 0 }, { read:join() })
    assert.equal(UNLCK, held(fd))
    assert.same({ [fdemu.SIGIO] = 2 }, p:signals())
  end)

  it("end with the description, and with what waits", function()
    local fd = p:open("/f", "r")
    lease(fd, RDLCK)
    local opened = p:spawn(function() return p:open("/f", "w") end)
    local interrupted = p:spawn(function() return p:truncate("/f", 1) end)
    p:spawn(function()
      interrupted:interrupt()
      fails("EINTR", interrupted:join())
      p:close(fd)
    end)
    p:close(assert(opened:join()))
    fd = p:open("/f", "r+")
    assert.equal(0, lease(fd, WRLCK)) -- nothing else counts as open
  end)

  it("tell by the signal of F_SETSIG, and F_UNLCK forgets whom", function()
    local fd = p:open("/f", "r+")
    lease(fd, WRLCK)
    assert.equal(p:getpid(), p:fcntl(fd, fdemu.F_GETOWN))
    p:fcntl(fd, fdemu.F_SETSIG, fdemu.SIGUSR1)
    fails("EAGAIN", p:open("/f", fdemu.O_WRONLY | fdemu.O_NONBLOCK))
    assert.same({ [fdemu.SIGUSR1] = 1 }, p:signals())
    lease(fd, UNLCK)
    assert.equal(0, p:fcntl(fd, fdemu.F_GETOWN))
    assert.equal(0, p:fcntl(fd, fdemu.F_GETSIG))
  end)
end)
