-- eeprom.lua - an I2C EEPROM behind /dev/i2c-1, with Linux's own ioctls
--
-- The device is a 24C02: 256 bytes at address 0x50 of the bus, pages of 8 bytes,
-- and 5 ms after each write in which it does not answer. The program uses it as
-- one would on hardware: I2C_RDWR with two messages for a read at any address,
-- SMBus calls for single bytes, and a retry while the chip is busy.
--
--   lua5.4 examples/eeprom.lua

local fdemu = require "fdemu"

local k = fdemu.kernel()
local p = k:process()

-- As <linux/i2c.h> and <linux/i2c-dev.h> declare them.
local i2c_msg = fdemu.struct [[
  __u16 addr;
  __u16 flags;
  __u16 len;
  __u8 *buf;
]]
local i2c_rdwr = fdemu.struct [[
  struct i2c_msg *msgs; /* pointers to i2c_msgs */
  __u32 nmsgs;
]]
local i2c_smbus = fdemu.struct [[
  __u8 read_write;
  __u8 command;
  __u32 size;
  union i2c_smbus_data *data;
]]

-- ---- the hardware ---------------------------------------------------------

local ADDRESS, PAGE, WRITE_TIME = 0x50, 8, 0.005

local chip = { memory = fdemu.buffer(("\xff"):rep(256)), at = 0, ready = 0 }

-- The first byte of a write is the address in the chip; the rest stays in its
-- page, however long it is.
function chip.write(bytes)
  chip.at = bytes:byte(1) or chip.at
  for byte in bytes:sub(2):gmatch "." do
    chip.memory:set(byte, chip.at)
    chip.at = chip.at // PAGE * PAGE + (chip.at + 1) % PAGE
    chip.ready = k:now() + WRITE_TIME
  end
end

function chip.read(count)
  local bytes = {}
  for i = 1, count do
    bytes[i] = chip.memory:get(chip.at, 1)
    chip.at = (chip.at + 1) % 256
  end
  return table.concat(bytes)
end

-- Whether the chip answers to its address.
local function answers(address)
  return address == ADDRESS and k:now() >= chip.ready
end

local handlers = {}

handlers[fdemu.I2C_SLAVE] = function(self, address)
  self.slave = address
end

handlers[fdemu.I2C_FUNCS] = function(_, arg)
  arg:pack("<I8", 0, fdemu.I2C_FUNC_I2C | fdemu.I2C_FUNC_SMBUS_BYTE_DATA)
end

handlers[fdemu.I2C_RDWR] = function(_, arg)
  local all = i2c_rdwr:at(arg)
  for i = 0, all.nmsgs - 1 do
    local msg = i2c_msg:at(all.msgs, i * i2c_msg.size)
    if not answers(msg.addr) then return nil, "ENXIO" end
    if msg.flags & fdemu.I2C_M_RD ~= 0 then
      msg.buf:set(chip.read(msg.len))
    else
      chip.write(msg.buf:get(0, msg.len))
    end
  end
  return all.nmsgs
end

handlers[fdemu.I2C_SMBUS] = function(self, arg)
  local call = i2c_smbus:at(arg)
  if call.size ~= fdemu.I2C_SMBUS_BYTE_DATA then return nil, "EOPNOTSUPP" end
  if not answers(self.slave) then return nil, "ENXIO" end
  local address = string.char(call.command)
  if call.read_write == fdemu.I2C_SMBUS_READ then
    chip.write(address)
    call.data:set(chip.read(1))
  else
    chip.write(address .. call.data:get(0, 1))
  end
end

k:device("/dev/i2c-1", {
  ioctl = function(self, request, arg)
    local handler = handlers[request]
    if not handler then return nil, "ENOTTY" end
    return handler(self, arg)
  end,
})

-- ---- the program ----------------------------------------------------------

local fd = assert(p:open("/dev/i2c-1", fdemu.O_RDWR))

-- One transfer of these messages; waits while the chip is busy.
local function transfer(messages)
  local msgs = fdemu.buffer(#messages * i2c_msg.size)
  for i, message in ipairs(messages) do
    local msg = i2c_msg:at(msgs, (i - 1) * i2c_msg.size)
    msg.addr, msg.flags = ADDRESS, message.flags or 0
    msg.len, msg.buf = #message.buf, message.buf
  end
  local arg = i2c_rdwr:new { msgs = msgs, nmsgs = #messages }
  for attempt = 1, 10 do
    local n, message, errno = p:ioctl(fd, fdemu.I2C_RDWR, arg)
    if n then return attempt end
    if errno ~= fdemu.ENXIO then error(message) end
    k:sleep(0.001)
  end
  error "the chip does not answer"
end

local function write(address, text)
  local attempts = 0
  for i = 1, #text do -- up to the end of a page
    local from = address + i - 1
    if i == 1 or from % PAGE == 0 then
      local page = text:sub(i, i + PAGE - 1 - from % PAGE)
      attempts = attempts + transfer { { buf = fdemu.buffer(
        string.char(from) .. page) } }
    end
  end
  return attempts
end

local function read(address, count)
  local data = fdemu.buffer(count)
  transfer {
    { buf = fdemu.buffer(string.char(address)) },
    { buf = data, flags = fdemu.I2C_M_RD },
  }
  return data:get()
end

local function smbus(read_write, command, data)
  return p:ioctl(fd, fdemu.I2C_SMBUS, i2c_smbus:new {
    read_write = read_write, command = command,
    size = fdemu.I2C_SMBUS_BYTE_DATA, data = data })
end

k:trace(function(event)
  if event.call == "ioctl" then
    print(("%6.3f s  %s"):format(k:now(),
      tostring(event):gsub('ioctl%((%d+), ([%w_]+), ".*"%)', "ioctl(%1, %2, ...)")))
  end
end)

local attempts = write(0x1c, "a serial number")
k:trace(nil)
print(("written in %d attempts, %.3f s"):format(attempts, k:now()))
print(("read back: %q"):format(read(0x1c, 15)))

assert(p:ioctl(fd, fdemu.I2C_SLAVE, ADDRESS))
assert(smbus(fdemu.I2C_SMBUS_WRITE, 0x1c, fdemu.buffer "A"))
k:sleep(WRITE_TIME)
local byte = fdemu.buffer(1)
assert(smbus(fdemu.I2C_SMBUS_READ, 0x1c, byte))
print(("by SMBus:  %q"):format(byte:get()))
p:ioctl(fd, fdemu.I2C_SLAVE, 0x51)
local _, message = smbus(fdemu.I2C_SMBUS_READ, 0, byte)
print("at 0x51:   " .. message)
