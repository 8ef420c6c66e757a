rockspec_format = "3.0"
package = "fdemu"
version = "scm-1"

-- "luarocks make" builds the clone that it is run in and fetches nothing.
source = { url = "git+file://." }

description = {
  summary = "An emulated POSIX file-descriptor kernel, scriptable in Lua",
  detailed = [[
    Processes, descriptor tables, open file descriptions and the system calls
    on them, with Linux's results and errors. Devices and other kinds of file
    can be written in Lua. Time is virtual, chance is seeded.
  ]],
  license = "MIT",
}

supported_platforms = { "linux" }
dependencies = { "lua >= 5.3, < 5.5" }

build = {
  type = "builtin",
  modules = {
    ["fdemu.busted"] = "lua/fdemu/busted.lua",
    ["fdemu.explain"] = "lua/fdemu/explain.lua",
    ["fdemu.errnos"] = "lua/fdemu/errnos.lua",
    ["fdemu.explore"] = "lua/fdemu/explore.lua",
    ["fdemu.shrink"] = "lua/fdemu/shrink.lua",
    ["fdemu.sweep"] = "lua/fdemu/sweep.lua",
    ["fdemu.trial"] = "lua/fdemu/trial.lua",
    ["fdemu.json"] = "lua/fdemu/json.lua",
    ["fdemu.tracefile"] = "lua/fdemu/tracefile.lua",
    ["fdemu"] = "lua/fdemu/init.lua",
    ["fdemu.layout"] = "lua/fdemu/layout.lua",
    ["fdemu.peer"] = "lua/fdemu/peer.lua",
    ["fdemu.struct"] = "lua/fdemu/struct.lua",
    ["fdemu.core"] = {
      sources = {
        "src/core/attr.c",
        "src/core/calls.c",
        "src/core/check.c",
        "src/core/choice.c",
        "src/core/device.c",
        "src/core/dir.c",
        "src/core/entry.c",
        "src/core/errno.c",
        "src/core/fault.c",
        "src/core/fd.c",
        "src/core/file.c",
        "src/core/io.c",
        "src/core/kernel.c",
        "src/core/link.c",
        "src/core/lock.c",
        "src/core/namecalls.c",
        "src/core/names.c",
        "src/core/open.c",
        "src/core/poll.c",
        "src/core/proc.c",
        "src/core/req.c",
        "src/core/request.c",
        "src/core/table.c",
        "src/core/timer.c",
        "src/core/trace.c",
        "src/core/wait.c",
        "src/core/walk.c",
        "src/driver/capture.c",
        "src/driver/devices.c",
        "src/driver/eventfd.c",
        "src/driver/epoll.c",
        "src/driver/full.c",
        "src/driver/hostfd.c",
        "src/driver/null.c",
        "src/driver/pipe.c",
        "src/driver/socket.c",
        "src/driver/socket_buf.c",
        "src/driver/socket_control.c",
        "src/driver/socket_msg.c",
        "src/driver/socket_option.c",
        "src/driver/socket_packet.c",
        "src/driver/socket_rights.c",
        "src/driver/socket_stream.c",
        "src/driver/timerfd.c",
        "src/driver/zero.c",
        "src/linux/epoll.c",
        "src/linux/memory.c",
        "src/linux/path.c",
        "src/linux/poll.c",
        "src/linux/rlimit.c",
        "src/linux/select.c",
        "src/linux/socket.c",
        "src/linux/syscall.c",
        "src/linux/time.c",
        "src/linux/timerfd.c",
        "src/linux/vector.c",
        "src/lua/larg.c",
        "src/lua/lbuffer.c",
        "src/lua/lcall.c",
        "src/lua/lchoice.c",
        "src/lua/lcond.c",
        "src/lua/lconst.c",
        "src/lua/ldesc.c",
        "src/lua/ldriver.c",
        "src/lua/lepoll.c",
        "src/lua/levent.c",
        "src/lua/lfault.c",
        "src/lua/lfcntl.c",
        "src/lua/lfd.c",
        "src/lua/lfdemu.c",
        "src/lua/lio.c",
        "src/lua/lkernel.c",
        "src/lua/llsof.c",
        "src/lua/lpoll.c",
        "src/lua/lmisuse.c",
        "src/lua/lproc.c",
        "src/lua/lsched.c",
        "src/lua/ltrace.c",
        "src/lua/lwaiting.c",
      },
      incdirs = { "src" },
      defines = { "_GNU_SOURCE" },
    },
  },
}

-- Builds with make, then runs busted in the Lua that luarocks uses.
test = { type = "command", script = "tools/busted.lua" }
