# Makefile - builds the C library and the Lua module; "make help" tells more

BUILD = build
LUA = lua5.4
LUAS = lua5.4 lua5.3
CC = gcc

WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes \
  -Wmissing-prototypes -Wcast-qual -Wcast-align -Wwrite-strings -Werror
# Functions begin a cache line: else what one takes depends on those before it.
CFLAGS = -O3 -g -falign-functions=64
override CFLAGS += -std=c11 -fPIC -fvisibility=hidden \
  -fno-semantic-interposition -fno-plt -D_GNU_SOURCE -Isrc \
  $(WARNINGS) $(SANITIZE)

# Each object is an allocation, for those who look at each: see src/core/heap.c.
APART = -DFDE_LARGEST=0

# Used only where the binding is compiled, and only then expanded.
LUA_CFLAGS = $(or $(shell pkg-config --cflags $(LUA) 2>/dev/null), \
  -I/usr/include/$(LUA))

LIB = $(wildcard src/core/*.c src/driver/*.c src/linux/*.c)
BINDING = $(wildcard src/lua/*.c)
CTESTS = $(wildcard spec/c/*.c)

LIB_O = $(LIB:src/%.c=$(BUILD)/obj/%.o)
BINDING_O = $(BINDING:src/%.c=$(BUILD)/$(LUA)/obj/%.o)
CORE_SO = $(BUILD)/$(LUA)/fdemu/core.so
CTEST_BIN = $(CTESTS:spec/c/%.c=$(BUILD)/spec/%)
C_FILES = $(wildcard src/*.h src/*/*.h src/*/*.c spec/c/*.h spec/c/*.c) \
  $(wildcard bench/*.c spec/fuzz/*.[ch] spec/oom/*.c spec/conformance/*.[ch])

# What each target needs of Debian.
NEED_DEMO = gcc libc6-dev lua5.4 liblua5.4-dev
NEED_TEST = $(NEED_DEMO) lua5.3 liblua5.3-dev lua-busted luarocks
NEED_BENCH_53 = lua5.3 liblua5.3-dev lua-posix
NEED_FUZZ = $(NEED_DEMO) clang libclang-rt-14-dev
# (Debian starts LDoc with Lua 5.1.)
NEED_OOM = $(NEED_DEMO) lua5.3 liblua5.3-dev
NEED_DOC = lua5.4 lua5.1 lua-ldoc
NEED_LINT = $(NEED_TEST) clang-format lua-check cppcheck
NEED_ANALYZE = $(NEED_DEMO) clang-tidy

# The demo's parameters, taken literally: a file name may have a $ in it.
FILE = README.md
SEED = 0
override FILE := $(value FILE)
override SEED := $(value SEED)
export FILE SEED TRACE

MAKEFLAGS += --no-print-directory
PARALLEL = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))
SAY = $(if $(V),,@printf '  %-3s %s\n' $(1) $@;)

.PHONY: all lib all-tests ctests demo test bench cbench guard oom coverage \
  fuzz fuzz-fixed fuzz-ready \
  sanitize valgrind lint analyze analyzed format \
  conformance conformance-fixed conformance-drivers conformance-seeds \
  conformance-waits \
  package deps clean help
.DELETE_ON_ERROR:

all: $(BUILD)/libfdemu.a $(CORE_SO) ; @:

lib: $(BUILD)/libfdemu.a $(BUILD)/libfdemu.so ; @:

$(BUILD)/libfdemu.a: $(LIB_O)
	$(call SAY,AR)rm -f $@ && $(AR) rcs $@ $^

# Exports what the public headers mark FDEMU_API.
$(BUILD)/libfdemu.so: $(LIB_O)
	$(call SAY,LD)$(CC) -shared -Wl,-z,defs $(SANITIZE) $(LDFLAGS) -o $@ $^

# Exports only luaopen_fdemu_core: what comes from the library stays inside.
$(CORE_SO): $(BINDING_O) $(BUILD)/libfdemu.a
	@mkdir -p $(@D)
	$(call SAY,LD)$(CC) -shared -Wl,--exclude-libs,ALL $(SANITIZE) $(LDFLAGS) \
	  -o $@ $^

$(BUILD)/obj/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	$(call SAY,CC)$(CC) $(CFLAGS) $(COUNTED) -MMD -MP -c -o $@ $<

$(BUILD)/$(LUA)/obj/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	$(call SAY,CC)$(CC) $(CFLAGS) $(LUA_CFLAGS) -MMD -MP -c -o $@ $<

# A C test is one file and the library, without Lua.
$(BUILD)/spec/%: spec/c/%.c $(BUILD)/libfdemu.a Makefile
	@mkdir -p $(@D)
	$(call SAY,CC)$(CC) $(CFLAGS) $(LDFLAGS) -MMD -MP -o $@ $< \
	  $(BUILD)/libfdemu.a

# The runner of make conformance.
CONF = $(BUILD)/conformance
CONF_O = $(patsubst spec/conformance/%.c,$(BUILD)/conf/%.o, \
  $(wildcard spec/conformance/*.c))

$(BUILD)/conf/%.o: spec/conformance/%.c Makefile
	@mkdir -p $(@D)
	$(call SAY,CC)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(CONF): $(CONF_O) $(BUILD)/libfdemu.a
	$(call SAY,LD)$(CC) $(SANITIZE) $(LDFLAGS) -o $@ $^

-include $(LIB_O:.o=.d) $(BINDING_O:.o=.d) $(CTEST_BIN:=.d) $(CONF_O:.o=.d)

# Everything that the tests run, for every Lua.
all-tests:
	@$(MAKE) $(PARALLEL) ctests
	@$(foreach lua,$(LUAS),$(MAKE) $(PARALLEL) LUA=$(lua) all &&) :

ctests: $(CTEST_BIN) ; @:

demo:
	@tools/need.sh $(NEED_DEMO)
	@$(MAKE) $(PARALLEL) all
	@LUA_PATH="lua/?.lua;lua/?/init.lua;;" LUA_CPATH="$(BUILD)/$(LUA)/?.so;;" \
	  $(LUA) examples/digest.lua "$$FILE" "$$SEED"

test:
	@tools/need.sh $(NEED_TEST)
	@$(MAKE) all-tests
	@tools/test.sh $(BUILD) $(LUAS)

# The same tests on a build that stops at a memory error, undefined behaviour
# or a leak. Left out are specs of the plain build itself, tagged "plain".
# nodelete: a leak is reported when the module would be unloaded already.
sanitize:
	@tools/need.sh $(NEED_TEST)
	@$(MAKE) all-tests BUILD=build/asan LDFLAGS=-Wl,-z,nodelete \
	  CFLAGS="-O1 -g -fno-omit-frame-pointer $(APART)" \
	  SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all"
	@PRELOAD=$$($(CC) -print-file-name=libasan.so) \
	  ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 \
	  UBSAN_OPTIONS=print_stacktrace=1 BUSTED="--exclude-tags=plain" \
	  tools/test.sh build/asan $(LUAS)

# The tests under valgrind, in half an hour. Left out are those that make the same
# calls on Linux, or all that there are: valgrind has descriptors of its own, looks
# at addresses before the kernel does, and does not know all calls.
NATIVE = native_test$$|^(epoll|host_calls|lock|syscall)_test$$

valgrind:
	@tools/need.sh $(NEED_TEST) valgrind
	@$(MAKE) all-tests BUILD=build/valgrind CFLAGS="-O2 -g $(APART)"
	@echo "left out: $$(ls spec/c | sed -n 's/_test\.c$$/_test/p' | \
	  grep -E '$(NATIVE)' | tr '\n' ' ')"
	@UNDER="valgrind -q --error-exitcode=99 --leak-check=full" SLOW=60 \
	  EXCEPT='$(NATIVE)' BUSTED="--exclude-tags=plain" \
	  tools/test.sh build/valgrind $(LUAS)

# fdemu against its peers, with LUA=lua5.3 also luaposix; ROUNDS=n, ONLY=pattern, JSON=file.
bench:
	@tools/need.sh $(NEED_DEMO) $(if $(filter lua5.3,$(LUA)),$(NEED_BENCH_53))
	@$(MAKE) $(PARALLEL) all $(BUILD)/$(LUA)/hostsys.so
	@LUA_PATH="?.lua;lua/?.lua;lua/?/init.lua;;" \
	  LUA_CPATH="$(BUILD)/$(LUA)/?.so;;" $(LUA) bench/run.lua

# The same from C.
cbench: $(BUILD)/cbench ; @$(BUILD)/cbench "$$ONLY"

$(BUILD)/cbench: bench/cbench.c $(BUILD)/libfdemu.a Makefile
	@mkdir -p $(@D)
	$(call SAY,CC)$(CC) $(CFLAGS) -o $@ $< $(BUILD)/libfdemu.a

# Instructions per call must stay below what bench/guard.sh says.
guard:
	@tools/need.sh $(NEED_DEMO) valgrind
	@$(MAKE) $(PARALLEL) all $(BUILD)/cbench
	@bench/guard.sh $(BUILD) $(LUA)

$(BUILD)/$(LUA)/hostsys.so: bench/hostsys.c Makefile
	@mkdir -p $(@D)
	$(call SAY,LD)$(CC) $(CFLAGS) $(LUA_CFLAGS) -shared -o $@ $< -lpthread

# Bytes are calls, by libFuzzer; what it finds is left in $(BUILD)/fuzz.
FUZZ = $(wildcard spec/fuzz/*.c)
FUZZ_BIN = $(FUZZ:spec/fuzz/%.c=$(BUILD)/fuzz/%)
FUZZ_FLAGS = -g -O1 -fno-omit-frame-pointer -std=c11 -D_GNU_SOURCE -Isrc \
  $(APART) \
  -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ_LIB_O = $(LIB:src/%.c=$(BUILD)/fuzz/obj/%.o)
FUZZ_LUA_O = $(BINDING:src/%.c=$(BUILD)/fuzz/obj/%.o)
FUZZ_O = $(FUZZ:spec/fuzz/%.c=$(BUILD)/fuzz/obj/%.o)
FUZZ_ENV = LUA_PATH="lua/?.lua;lua/?/init.lua;;"
TIME = 60

fuzz: fuzz-ready
	@$(FUZZ_ENV) tools/fuzz.sh $(BUILD)/fuzz $(TIME) $(FUZZ:spec/fuzz/%.c=%)

# The same inputs each time, for about a minute each: those of the corpora, and
# so many that are made of them.
fuzz-fixed: fuzz-ready
	@$(FUZZ_ENV) tools/fuzz.sh $(BUILD)/fuzz fixed calls=16000 drivers=5000

fuzz-ready:
	@tools/need.sh $(NEED_FUZZ)
	@$(MAKE) $(PARALLEL) $(FUZZ_BIN)

$(BUILD)/fuzz/obj/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	$(call SAY,CC)clang $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link $(LUA_CFLAGS) \
	  -MMD -MP -c -o $@ $<

$(BUILD)/fuzz/obj/%.o: spec/fuzz/%.c Makefile
	@mkdir -p $(@D)
	$(call SAY,CC)clang $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link $(LUA_CFLAGS) \
	  -MMD -MP -c -o $@ $<

$(BUILD)/fuzz/drivers: $(FUZZ_LUA_O)
$(BUILD)/fuzz/drivers: FUZZ_LIBS = -l$(LUA) -lm -ldl

$(FUZZ_BIN): $(BUILD)/fuzz/%: $(BUILD)/fuzz/obj/%.o $(FUZZ_LIB_O)
	$(call SAY,LD)clang $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $^ $(FUZZ_LIBS)

-include $(FUZZ_LIB_O:.o=.d) $(FUZZ_LUA_O:.o=.d) $(FUZZ_O:.o=.d)

# Every allocation fails once: in C, and of Lua and the binding. With QUICK
# only so many of each case.
OOM_LUA = $(BUILD)/$(LUA)/oom
OOM_FLAGS = BUILD=build/oom CFLAGS="-O2 -g $(APART)"

oom:
	@tools/need.sh $(NEED_OOM)
	@$(MAKE) $(PARALLEL) build/oom/spec/oom_test $(OOM_FLAGS)
	@$(foreach lua,$(LUAS),$(MAKE) $(PARALLEL) LUA=$(lua) \
	  build/oom/$(lua)/oom $(OOM_FLAGS) &&) :
	@LUA_PATH="lua/?.lua;lua/?/init.lua;;" tools/oom.sh build/oom $(LUAS)

$(OOM_LUA): spec/oom/oom.c $(BINDING_O) $(BUILD)/libfdemu.a Makefile
	@mkdir -p $(@D)
	$(call SAY,CC)$(CC) $(CFLAGS) $(LUA_CFLAGS) $(LDFLAGS) -o $@ $< \
	  $(BINDING_O) $(BUILD)/libfdemu.a -l$(LUA) -lm -ldl

# The same calls on Linux and on fdemu; SHARD=1/4 is a second quarter of the
# matrix and of the seeds. After so many calls as CHECK says the whole state is
# looked at.
SEEDS = 2000
OPS = 1000
SHARD = 0/1
CHECK = 20
CONFORM = $(CONF) -c $(CHECK) -e spec/conformance/exceptions.txt

conformance: conformance-fixed conformance-seeds
	@$(MAKE) conformance-drivers PIPES=0/8

$(CONF)-ready: ; @tools/need.sh $(NEED_DEMO) && $(MAKE) $(PARALLEL) $(CONF) all

# What was found once, what waits (known, and at random), and every call on
# every kind of file.
conformance-fixed: $(CONF)-ready
	@$(CONFORM) -F spec/conformance/found.txt
	@$(CONFORM) -F spec/conformance/scenarios.txt
	@$(CONFORM) -W -s 1 -n $(WAITS)
	@$(CONFORM) -M -k $(SHARD)

# Kinds that Linux has, written in Lua, against the answers of C: the subjects of
# matrix.c whose names begin so. Pipes have many, PIPES=1/8 is an eighth of them.
PIPES = 0/1

conformance-drivers: $(CONF)-ready
	@{ printf '$(PIPES) %s\n' write read a; \
	  printf '0/1 %s\n' eventfd null zero full semaphore; } | \
	LUA_PATH="lua/?.lua;lua/?/init.lua;;" LUA_CPATH="$(BUILD)/$(LUA)/?.so;;" \
	  xargs -n 2 -P "$$(nproc)" sh -c '$(CONF) -D -M -k "$$0" -S "$$1" | \
	    $(LUA) spec/conformance/run.lua drivers "$$1"'

# Random scripts of calls that wait, of which some are chance on Linux.
WAITS = 2000

conformance-waits: $(CONF)-ready
	@$(CONFORM) -W -s "$$SEED" -n $(WAITS)

# Random scripts, and some of them through the Lua binding.
conformance-seeds: $(CONF)-ready
	@$(CONFORM) -s "$$SEED" -n $(SEEDS) -o $(OPS) -k $(SHARD)
	@$(CONF) -D -s "$$SEED" -n 100 -o $(OPS) | \
	  LUA_PATH="lua/?.lua;lua/?/init.lua;;" \
	  LUA_CPATH="$(BUILD)/$(LUA)/?.so;;" $(LUA) spec/conformance/run.lua

# What the C tests, the specs and the conformance runs reach.
LINES = 97
BRANCHES = 90
COUNT = BUILD=build/cov LUAS=$(LUA) COUNTED="-O0 --coverage" LDFLAGS=--coverage

coverage:
	@tools/need.sh $(NEED_TEST) lcov
	@rm -rf build/cov && $(MAKE) all-tests build/cov/conformance $(COUNT)
	@BUSTED="--exclude-tags=plain" tools/counts.sh build/cov \
	  tools/test.sh build/cov $(LUA)
	@$(MAKE) conformance $(COUNT) SHARD=0/4 SEEDS=800
	@tools/coverage.sh build/cov $(LINES) $(BRANCHES)

lint:
	@tools/need.sh $(NEED_LINT)
	clang-format --dry-run -Werror $(C_FILES)
	luacheck -q lua spec examples tools bench rockspec/*.rockspec .busted
	cppcheck -q --std=c11 --enable=warning,performance,portability \
	  --library=lua,posix,gnu --inline-suppr \
	  --error-exitcode=1 -Isrc -D_GNU_SOURCE src
	@$(MAKE) $(PARALLEL) all
	lua5.4 tools/busted.lua spec/layers_spec.lua

# What two static analyzers say of the library and the binding.
ANALYZED = $(patsubst %.c,$(BUILD)/analyze/%.ok,$(wildcard src/*/*.c))

analyze:
	@tools/need.sh $(NEED_ANALYZE)
	@$(MAKE) $(PARALLEL) analyzed
	@echo "gcc -fanalyzer, clang-tidy: $(words $(ANALYZED)) files, nothing found"

analyzed: $(ANALYZED)

$(BUILD)/analyze/%.ok: %.c $(wildcard src/*.h src/*/*.h) .clang-tidy
	@mkdir -p $(@D)
	$(call SAY,TDY)$(CC) -fanalyzer -S -o /dev/null $(CFLAGS) $(LUA_CFLAGS) $<
	@clang-tidy --quiet $< -- $(filter -std=% -D% -I%,$(CFLAGS)) \
	  $(LUA_CFLAGS) 2>$@.log || { cat $@.log; exit 1; }
	@touch $@

.PHONY: meta doc

# What library/fdemu.lua does not declare yet.
meta: all
	@LUA_PATH="lua/?.lua;lua/?/init.lua;;" LUA_CPATH="$(BUILD)/$(LUA)/?.so;;" \
	  $(LUA) tools/meta.lua --write

# The reference, from the annotations.
doc:
	@tools/need.sh $(NEED_DOC)
	@rm -rf $(BUILD)/doc && mkdir -p $(BUILD)/doc/source
	@$(LUA) tools/docsource.lua $(BUILD)/doc/source
	@ldoc -q -c tools/config.ld -d $(BUILD)/doc $(BUILD)/doc/source
	@echo "$(BUILD)/doc/index.html"

format:
	clang-format -i $(C_FILES)

package:
	@tools/need.sh $(NEED_TEST)
	@tools/package.sh

deps:
	@tools/need.sh $(NEED_LINT) $(NEED_ANALYZE) $(NEED_DOC)

clean:
	rm -rf build

help:
	@echo "make           build/libfdemu.a and build/$(LUA)/fdemu/core.so"
	@echo "make lib       build/libfdemu.a and build/libfdemu.so"
	@echo "make LUA=lua5.3  the same for another Lua"
	@echo "make demo      examples/digest.lua; FILE=path SEED=n TRACE=1"
	@echo "make test      C tests and specs under $(LUAS)"
	@echo "make sanitize  the same with ASan, UBSan and LeakSanitizer"
	@echo "make valgrind  the same under valgrind's memcheck; slow"
	@echo "make bench     against the real calls, bare Lua, memcpy; JSON=file"
	@echo "make cbench    the same from C"
	@echo "make guard     instructions per call, which have limits"
	@echo "make oom       every allocation fails once; QUICK=n of each case"
	@echo "make fuzz      random calls, TIME=60 seconds for each fuzzer"
	@echo "make fuzz-fixed  the same calls each time, for about as long"
	@echo "make conformance  the same calls on Linux and on fdemu; SEEDS= OPS="
	@echo "                  SEED=first SHARD=i/n"
	@echo "make conformance-drivers  the same calls on kinds written in Lua; PIPES="
	@echo "make conformance-waits  random calls that wait; WAITS= SEED="
	@echo "make coverage  what the tests reach of core and drivers"
	@echo "make lint      clang-format, luacheck, cppcheck, layers"
	@echo "make analyze   gcc -fanalyzer, clang-tidy"
	@echo "make package   LuaRocks: lint, install, test; the README's script"
	@echo "make doc       the reference, in HTML (LDoc)"
	@echo "make meta      adds what is missing to library/fdemu.lua"
	@echo "make format    clang-format in place"
	@echo "make deps      installs what all of these need (Debian)"
	@echo "make clean     removes build/"
	@echo "V=1            shows the compiler's command lines"
