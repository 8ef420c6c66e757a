-- modem.lua - a serial modem, written as the dialogue that it holds
--
-- The device is a peer: a function that reads what the program writes, and
-- answers. The program below dials, waits for the connection, and hangs up; the
-- modem is slow (in virtual time), gives one busy signal, and then a carrier.
--
--   lua5.4 examples/modem.lua

local fdemu = require "fdemu"

local k = fdemu.kernel()
local p = k:process()

k:device("/dev/ttyS0", fdemu.peer(function(dev)
  local busy = true
  while true do
    local command = dev:readline "\r"
    if not command then return end -- the program has closed it
    dev:write(command .. "\r\n")   -- the echo
    dev:sleep(0.05)
    if command == "ATZ" then
      dev:write "OK\r\n"
    elseif command:match "^ATDT%d+$" then
      dev:sleep(4)
      dev:write(busy and "BUSY\r\n" or "CONNECT 9600\r\n")
      if not busy then break end
      busy = false
    else
      dev:write "ERROR\r\n"
    end
  end
  dev:write "welcome\r\nlogin: "
  local name = dev:expect("(%w+)\r", 60)
  dev:write(("bye, %s\r\n"):format(name))
end, { seconds = 30 }))

-- ---- the program ----------------------------------------------------------

local fd = assert(p:open("/dev/ttyS0", fdemu.O_RDWR))
local received = ""

-- Wait for one of the answers; gives up after that many milliseconds.
local function answer(timeout, ...)
  while true do
    for _, text in ipairs { ... } do
      local from, to = received:find(text, 1, true)
      if from then
        received = received:sub(to + 1)
        return text
      end
    end
    local n = assert(p:poll({ { fd = fd, events = fdemu.POLLIN } }, timeout))
    if n == 0 then return "no answer" end
    local data = assert(p:read(fd, 16))
    if data == "" then return "hung up" end
    received = received .. data
  end
end

local function command(text, timeout, ...)
  assert(p:write(fd, text .. "\r"))
  local result = answer(timeout, ...)
  print(("%5.2f s  %-12s %s"):format(k:now(), text, result))
  return result
end

command("ATZ", 1000, "OK", "ERROR")
command("ATX?", 1000, "OK", "ERROR")
repeat
  local result = command("ATDT5551234", 10000, "CONNECT", "BUSY")
until result == "CONNECT"
print(("%5.2f s  %s"):format(k:now(), answer(1000, "login:")))
command("guest", 1000, "bye, guest")
print(("%5.2f s  %s"):format(k:now(), answer(1000, "more")))
