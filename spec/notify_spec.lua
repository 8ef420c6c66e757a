-- notify_spec.lua - F_NOTIFY: signals of what happens in a directory

local fdemu = require "fdemu"

local IO = fdemu.SIGIO

describe("F_NOTIFY", function()
  local k, p, dir

  before_each(function()
    k = fdemu.kernel { nofile = 16 }
    p = k:process { stdout = "null", stderr = "null" }
    assert(p:mkdir("/d"))
    dir = p:open("/d", "r")
  end)

  after_each(function()
    p:exit(0)
    k:run()
    assert.same({}, k:leaks())
    k:close()
  end)

  local function notify(mask)
    assert.equal(0, p:fcntl(dir, fdemu.F_NOTIFY, mask))
  end

  local function many(mask) notify(mask | fdemu.DN_MULTISHOT) end

  it("tells once, unless it is to go on", function()
    notify(fdemu.DN_CREATE)
    p:mkdir("/d/a")
    p:mkdir("/d/b")
    assert.same({ [IO] = 1 }, p:signals())
    many(fdemu.DN_CREATE)
    p:mkdir("/d/c")
    p:link("/d/c", "/d/x") -- EPERM
    p:symlink("a", "/d/y")
    p:mkdir("/e")
    assert.same({ [IO] = 2 }, p:signals())
  end)

  it("tells of names that come, go and change", function()
    many(fdemu.DN_DELETE)
    p:close(p:open("/d/a", "w"))
    p:rename("/d/a", "/d/b")
    assert.same({ [IO] = 1 }, p:signals())
    p:unlink("/d/b")
    assert.same({ [IO] = 1 }, p:signals())
    notify(0)
    many(fdemu.DN_RENAME)
    p:mkdir("/d/a")
    p:rename("/d/a", "/d/b")
    p:rename("/d/b", "/b")
    assert.same({ [IO] = 1 }, p:signals())
  end)

  it("tells of what is done with the files in it", function()
    local fd = p:open("/d/f", "w+")
    local function after(mask, step)
      notify(0)
      many(mask)
      step()
      return p:signals()[IO]
    end
    assert.equal(1, after(fdemu.DN_MODIFY, function() p:write(fd, "x") end))
    assert.equal(1, after(fdemu.DN_MODIFY, function() p:ftruncate(fd, 9) end))
    assert.equal(1, after(fdemu.DN_ACCESS, function() p:pread(fd, 1, 0) end))
    assert.equal(nil, after(fdemu.DN_ACCESS, function() p:read(fd, 0) end))
    assert.equal(1, after(fdemu.DN_ATTRIB, function()
      p:chmod("/d/f", 384)
    end))
  end)

  it("goes with any descriptor that its process closes", function()
    local child = p:fork()
    many(fdemu.DN_CREATE)
    child:close(dir)
    child:mkdir("/d/a")
    assert.same({ [IO] = 1 }, p:signals())
    assert.same({}, child:signals())
    p:close(p:dup(dir))
    p:mkdir("/d/b")
    assert.same({}, p:signals())
    child:exit(0)
  end)
end)
