local fdemu = require "fdemu"

describe("lsof and leaks", function()
  local k, p

  before_each(function()
    k = fdemu.kernel { origins = true }
    p = k:process { stdout = "capture", stderr = "null" }
  end)

  after_each(function() k:close() end)

  it("list every descriptor of every process, in order", function()
    local r, w = p:pipe()
    local q = k:process { stdout = "null", stderr = "null" }
    q:close(1)
    local got = {}
    for i, row in ipairs(k:lsof()) do
      got[i] = ("%d:%d %s"):format(row.pid, row.fd, row.kind)
    end
    assert.same({ "1:0 null", "1:1 capture", "1:2 null",
      ("1:%d pipe"):format(r), ("1:%d pipe"):format(w), "2:0 null", "2:2 null",
    }, got)
  end)

  it("say what each is, and which line made it", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local fd = p:open("/dev/zero", fdemu.O_RDWR)
    local row = k:leaks()[1]
    assert.equal(fd, row.fd)
    assert.equal("/dev/zero", row.path)
    assert.equal("zero", row.kind)
    assert.equal(p:description(fd).id, row.id)
    assert.equal(0x8002, row.flags)
    assert.equal(0, row.offset)
    assert.truthy(row.origin:find(":" .. line, 1, true))
    assert.truthy(tostring(row):find(
      "process 1, descriptor 3: zero #" .. row.id .. ", /dev/zero, made at ",
      1, true))
  end)

  it("leave out what processes were made with, also after fork", function()
    local q = p:fork()
    assert.same({}, k:leaks())
    q:dup2(0, 1)
    q:dup(0)
    local fds = {}
    for i, row in ipairs(k:leaks()) do fds[i] = { row.pid, row.fd } end
    assert.same({ { 2, 1 }, { 2, 3 } }, fds)
  end)

  it("say which fork gave a descriptor to a process", function()
    p:pipe()
    local q = p:fork() local fork = debug.getinfo(1, "l").currentline
    q:dup(3)
    local rows = k:leaks()
    assert.is_nil(rows[1].forked)
    assert.equal(2, rows[3].pid)
    assert.equal("spec/lsof_spec.lua:" .. fork, rows[3].forked)
    assert.truthy(tostring(rows[3]):find(", forked at spec/lsof_spec.lua:"
      .. fork, 1, true))
    assert.is_nil(rows[5].forked)
  end)

  it("have nothing of processes that have exited", function()
    p:pipe()
    p:exit(0)
    assert.same({}, k:lsof())
  end)

  it("know no origin unless asked to", function()
    local other = fdemu.kernel()
    local q = other:process { stdout = "null", stderr = "null" }
    q:pipe()
    assert.is_nil(other:leaks()[1].origin)
    assert.equal("process 1, descriptor 3: pipe #4",
      tostring(other:leaks()[1]))
    other:close()
  end)
end)
