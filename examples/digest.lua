-- digest.lua - a real file, a pipe, and a SHA-256 device written in Lua
--
--   lua5.4 examples/digest.lua [FILE [SEED]]
--
-- One task reads FILE, a file of the host, with short counts, and writes it
-- into an emulated pipe. Another moves what comes out to /dev/sha256. The
-- digest must be the one that coreutils' sha256sum finds. With TRACE=1 in the
-- environment, every call is printed to stderr.

package.path = arg[0]:gsub("[^/]*$", "?.lua;", 1) .. package.path

local fdemu = require "fdemu"
local sha256 = require "sha256"

local SHA256_RESET = fdemu._IO(("h"):byte(), 0)
local SHA256_DIGEST = fdemu._IOR(("h"):byte(), 1, 32)

-- The device: write data to it, get the digest by ioctl, or read it as text.
local device = { short = true } -- its calls may be cut short, too

function device:open()
  self.hash, self.sent = sha256.new(), 0
end

function device:write(data)
  self.hash:update(data)
  return #data
end

function device:ioctl(request, arg)
  if request == SHA256_RESET then
    self:open()
  elseif request == SHA256_DIGEST then
    arg:set(self.hash:digest())
  else
    return nil, fdemu.ENOTTY
  end
end

function device:read(count)
  local text = self.hash:hex():sub(self.sent + 1, self.sent + count)
  self.sent = self.sent + #text
  return text
end

function device.poll()
  return "rw"
end

-- Ends the program with a message for its user: a table, which is told from
-- the string that a mistake in the program raises.
local function fail(message)
  error({ message = message })
end

-- Passes on the results of a call that must not fail.
local function check(name, result, message, ...)
  if result == nil then fail(name .. ": " .. message) end
  return result, message, ...
end

-- Reads to the end of the file; each piece goes to consume().
local function read_all(p, fd, name, consume)
  local data = check(name, p:read(fd, 4096))
  while data ~= "" do
    consume(data)
    data = check(name, p:read(fd, 4096))
  end
end

-- A write may take less than it is given, so go on until all is written.
local function write_all(p, fd, name, data)
  while data ~= "" do
    data = data:sub(check(name, p:write(fd, data)) + 1)
  end
end

-- Sends a file of the host through the pipe into the device. Returns the
-- digest and its text, as the device gives them.
local function digest(k, path)
  local p = k:process()
  local file, message = io.open(path, "rb")
  if not file then fail(message) end
  local from = check(path, p:host(file))
  file:close()
  local r, w = check("pipe", p:pipe())
  local dev = check("open", p:open("/dev/sha256", fdemu.O_RDWR))

  p:spawn(function()
    read_all(p, from, path, function(data) write_all(p, w, "pipe", data) end)
    p:close(w)
  end)
  p:spawn(function()
    check("reset", p:ioctl(dev, SHA256_RESET))
    read_all(p, r, "pipe", function(data)
      write_all(p, dev, "/dev/sha256", data)
    end)
  end)
  k:run()

  local buffer, text = fdemu.buffer(32), {}
  check("digest", p:ioctl(dev, SHA256_DIGEST, buffer))
  check("poll", p:poll({ { fd = dev, events = fdemu.POLLIN } }, 0))
  read_all(p, dev, "/dev/sha256", function(data) text[#text + 1] = data end)
  p:exit(0)
  return buffer:get(), table.concat(text)
end

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

-- A line as sha256sum prints it: awkward names are escaped, and marked.
local function sum_line(text, path)
  local name, escapes = path:gsub("[\\\n\r]", {
    ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r",
  })
  return (escapes > 0 and "\\" or "") .. text .. "  " .. name
end

-- What coreutils find; the shell opens the file, so any name will do.
local function coreutils(path)
  local quoted = "'" .. path:gsub("'", "'\\''") .. "'"
  local pipe = assert(io.popen("sha256sum < " .. quoted))
  local line = pipe:read("l")
  pipe:close()
  return line and line:match("^%x+") or "nothing"
end

local function main(path, seed)
  seed = math.tointeger(tonumber(seed)) or fail("SEED must be an integer")
  local k = fdemu.kernel { seed = seed, short = 0.5, host = true }
  k:device("/dev/sha256", device)

  local calls, short = 0, 0
  k:trace(function(event)
    if os.getenv("TRACE") == "1" then
      io.stderr:write(tostring(event), "\n")
    end
    if event.phase ~= "unfinished" then calls = calls + 1 end
    if event.short then short = short + 1 end
  end)

  local bytes, text = digest(k, path)
  k:close()
  assert(hex(bytes) == text, "ioctl and read give different digests")
  print(sum_line(text, path))
  print(("%d calls, %d cut short by seed %d"):format(calls, short, seed))

  local expected = coreutils(path)
  if text ~= expected then fail("sha256sum finds " .. expected) end
  print("coreutils' sha256sum finds the same")
end

local ok, problem = pcall(main, arg[1] or "README.md", arg[2] or 0)
if not ok then
  local message = type(problem) == "table" and problem.message or problem
  io.stderr:write("digest: ", message, "\n")
  os.exit(1, true)
end
