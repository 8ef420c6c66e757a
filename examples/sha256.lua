-- sha256.lua - SHA-256 (FIPS 180-4) in plain Lua, fed piece by piece
--
--   local hash = require("sha256").new()
--   hash:update("ab"):update("c")
--   print(hash:hex())   --> ba7816bf...

local K = {
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5,
  0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
  0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
  0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
  0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
  0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
  0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5,
  0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
  0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
}

local BLOCK = 64
local WORDS = ">" .. ("I4"):rep(16)
local MASK = 0xffffffff

local w = {} -- the message schedule of the block at hand

-- Mixes the 64 bytes of data at position at into the state h.
--
-- A word that stands twice in a 64-bit integer is rotated by a plain shift;
-- what this leaves in the upper half is masked off at the end.
local function compress(h, data, at)
  w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8], w[9], w[10], w[11], w[12],
    w[13], w[14], w[15], w[16] = WORDS:unpack(data, at)
  for i = 17, 64 do
    local x, y = w[i - 15], w[i - 2]
    local xx, yy = x << 32 | x, y << 32 | y
    w[i] = w[i - 16] + w[i - 7] + (xx >> 7 ~ xx >> 18 ~ x >> 3)
      + (yy >> 17 ~ yy >> 19 ~ y >> 10) & MASK
  end

  local a, b, c, d = h[1], h[2], h[3], h[4]
  local e, f, g, s = h[5], h[6], h[7], h[8]
  for i = 1, 64 do
    local aa, ee = a << 32 | a, e << 32 | e
    local t = s + K[i] + w[i] + (ee >> 6 ~ ee >> 11 ~ ee >> 25 & MASK)
      + (g ~ e & (f ~ g))
    s, g, f, e = g, f, e, d + t & MASK
    t = t + (aa >> 2 ~ aa >> 13 ~ aa >> 22 & MASK) + (a & b | c & (a | b))
    d, c, b, a = c, b, a, t & MASK
  end

  h[1], h[2] = h[1] + a & MASK, h[2] + b & MASK
  h[3], h[4] = h[3] + c & MASK, h[4] + d & MASK
  h[5], h[6] = h[5] + e & MASK, h[6] + f & MASK
  h[7], h[8] = h[7] + g & MASK, h[8] + s & MASK
end

-- Mixes the whole blocks of data into h; returns what is left over.
local function absorb(h, data)
  local whole = #data - #data % BLOCK
  for at = 1, whole, BLOCK do
    compress(h, data, at)
  end
  return data:sub(whole + 1)
end

local sha256 = {}
sha256.__index = sha256

function sha256.new()
  return setmetatable({
    rest = "", -- bytes that do not fill a block yet
    length = 0,
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
  }, sha256)
end

function sha256:update(data)
  self.length = self.length + #data
  self.rest = absorb(self, self.rest .. data)
  return self
end

-- The 32 bytes of the digest of all data so far; more data may follow.
function sha256:digest()
  local h = table.move(self, 1, 8, 1, {})
  local zeros = ("\0"):rep((BLOCK - 9 - self.length) % BLOCK)
  absorb(h, self.rest .. "\x80" .. zeros .. (">I8"):pack(self.length * 8))
  return (">" .. ("I4"):rep(8)):pack(table.unpack(h, 1, 8))
end

function sha256:hex()
  return (self:digest():gsub(".", function(c)
    return ("%02x"):format(c:byte())
  end))
end

return sha256
