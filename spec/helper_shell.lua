-- helper_shell.lua - for specs that run programs of the host

local shell = {}

-- A word that the shell takes literally.
local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

shell.quote = quote

-- Runs a command. Returns what it wrote to stdout and stderr, and its exit
-- status. A sanitizer that is preloaded is for shell.lua only: programs of the
-- host have leaks of their own.
function shell.run(command)
  local pipe = assert(io.popen("unset LD_PRELOAD; { " .. command .. "\n} 2>&1"))
  local output = pipe:read("a")
  local _, _, status = pipe:close()
  return output, status
end

-- As run(), for a command that must succeed; returns the output only.
function shell.must(command)
  local output, status = shell.run(command)
  if status ~= 0 then
    error(("exit status %d from: %s\n%s"):format(status, command, output), 2)
  end
  return output
end

function shell.read_file(path)
  local file = assert(io.open(path, "rb"))
  local data = file:read("a")
  file:close()
  return data
end

function shell.write_file(path, data)
  local file = assert(io.open(path, "wb"))
  assert(file:write(data))
  assert(file:close())
end

-- The name of a new, empty folder.
function shell.folder()
  return (shell.must("mktemp -d"):gsub("\n$", ""))
end

function shell.remove(folder)
  shell.must("rm -rf " .. quote(folder))
end

-- The version of Lua that runs this, such as "5.4", and how to call it.
shell.version = _VERSION:match("%d+%.%d+")
shell.lua = ("env LD_PRELOAD=%s %s"):format(quote(os.getenv("LD_PRELOAD") or ""),
  quote(os.getenv("SPEC_LUA")
    or shell.must("readlink /proc/$PPID/exe"):match("[^\n]+")))

-- Where the module under test was built.
shell.build = os.getenv("BUILD") or "build"

return shell
