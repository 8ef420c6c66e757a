std = "lua54"
max_line_length = 100
ignore = {
  "581", -- not (x >= 0) is not x < 0: a NaN is refused, too
}
files["spec"] = { std = "+busted", read_globals = { "fdemu_it" } }
