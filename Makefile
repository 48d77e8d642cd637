# SPDX-License-Identifier: MIT
#
# The commands that people type; the build itself is Meson's (meson.build).
#
#   make            a release build of the library and the examples in build/
#   make demo       what the library does, in a minute
#   make test       every test, on every engine, plain and under the address sanitizer
#   make bench      the benchmark, beside its peers (bench/README.md)
#   make python     a wheel of the Python package in build/, for PYTHON (pip and a network)
#   make test-python       the tests of the Python package, on every Python found (tests/python)
#   make bench-python      the benchmark of the Python loop, beside its rivals (bench/python)
#   make python-inplace    the package in build-py-NAME/python, for PYTHON, without pip
#   make install    installs the library, as DESTDIR and PREFIX say
#   make dependencies    installs what the tests and examples need (Debian's packages)
#   make docs       docs/api_table.md, from the headers
#   make manual     the manual: build/manual/html, and the man pages in build/manual/man
#   make asan tsan valgrind    the tests under one checker; clang-asan and clang-tsan: clang's
#   make prove      all of that and more, for hours; says what failed at its end (tools/prove.py)
#   make packages   builds the Debian packages twice and uses them; shows the manual in a browser
#   make aarch64    the tests, compiled for aarch64 and run by an emulator
#   make mutants    plants known mistakes, each of which a test must notice (tools/mutants)
#   make fuzz       looks for inputs that break a rule, for FUZZ_SECONDS (tests/fuzz);
#                   FUZZ_TARGET is scenario, reader, arguments, tls or start_tls
#   make compilers  the switch as gcc and clang make it, at each level of optimisation
#   make ucontext   the tests on the switch for machines without assembly

BUILD  ?= build
PREFIX ?= /usr/local
MESON  ?= meson
OPTIONS ?= -Dwerror=true

# $(call configure,FOLDER,OPTIONS): makes a build folder, once.
configure = @test -f $(1)/build.ninja || \
    { rm -rf $(1); $(MESON) setup $(1) $(OPTIONS) $(2) >$(1).log 2>&1 || \
      { cat $(1).log; rm -rf $(1) $(1).log; exit 1; }; rm -f $(1).log; }
compile = @ninja -C $(1) --quiet

checked = --buildtype=debugoptimized -Db_ndebug=false -Db_lundef=false -Dbench=false

lean = --buildtype=debugoptimized -Db_ndebug=false -Dbench=false -Dexamples=false

.PHONY: all toolchain dependencies whole demo test bench asan asan-build valgrind install
.PHONY: docs manual packages format clean prove python python-inplace
.PHONY: python-build test-python bench-python test-uvloop
.PHONY: tsan tsan-build tsan-threaded clang-asan clang-asan-build clang-tsan clang-tsan-build
.PHONY: compilers ucontext ucontext-build aarch64 aarch64-build mutants fuzz fuzz-build fuzz-corpus

PYTHON ?= python3

# A wheel. pip brings the build's tools (pyproject.toml).
python:
	@mkdir -p $(BUILD)
	$(PYTHON) -m pip wheel --no-deps --wheel-dir $(BUILD) .

# The package in a build folder of its own, to be used with PYTHONPATH.
python_folder = build-py-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
python-inplace:
	$(call configure,$(python_folder),-Dpython=enabled \
	    -Dpython_path=$(shell $(PYTHON) -c 'import sys; print(sys.executable)') \
	    -Dtests=false -Dexamples=false -Dbench=false)
	$(call compile,$(python_folder) python-package)
	@echo "PYTHONPATH=$(python_folder)/python"

# The package for every Python of this machine, with assertions. Another list of Pythons
# (ASYNCIO_PYTHONS) configures the folder again.
python-build: dependencies
	@tools/install_dependencies.sh python3-dev python3-venv
	@tools/install_dependencies.sh redis-server postgresql || echo "their tests are skipped" >&2
	@python3 tools/find_pythons.py --facts | grep -q '"has_tests": true' || \
	    tools/install_dependencies.sh $$(/usr/bin/python3 -c \
	        'import sys; print("libpython%d.%d-testsuite" % sys.version_info[:2])') || true
	@pythons=$$(python3 tools/find_pythons.py | paste -sd,) && [ -n "$$pythons" ] && \
	if [ ! -f $(BUILD)-python/build.ninja ] || \
	   [ "$$(cat $(BUILD)-python/pythons 2>/dev/null)" != "$$pythons" ]; then \
	    rm -rf $(BUILD)-python && $(MESON) setup $(BUILD)-python $(OPTIONS) $(lean) -Dtests=false \
	        -Dpython=enabled -Dpython_path=$$pythons >$(BUILD)-python.log 2>&1 || \
	        { cat $(BUILD)-python.log; rm -rf $(BUILD)-python; exit 1; }; \
	    rm -f $(BUILD)-python.log; echo "$$pythons" >$(BUILD)-python/pythons; \
	fi
	$(call compile,$(BUILD)-python python-package)

test-python: python-build
	@python3 tools/run_tests.py --python $(BUILD)-python

# An optimised build for one Python, best one that is optimised itself: PYTHON=python3.14.
# BENCH_OPTIONS: --repeats, --only, --scale (bench/python/README.md).
bench-python: dependencies
	$(call configure,$(BUILD)-python-bench,-Dtests=false -Dexamples=false -Dbench=false \
	    -Dpython=enabled -Dpython_path=$(shell $(PYTHON) -c 'import sys; print(sys.executable)'))
	$(call compile,$(BUILD)-python-bench python-package)
	@python3 bench/python/run.py $(BUILD)-python-bench --python $(PYTHON) $(BENCH_OPTIONS)

# uvloop's own tests on the loop of libasyncio, from a folder of its sources or from PyPI.
test-uvloop: python-build
	@python3 tests/python/uvloop_suite.py $(BUILD)-python

# Needs a compiler, Meson and Ninja, and changes nothing on the system.
all: toolchain
	$(call configure,$(BUILD),--prefix=$(PREFIX))
	$(call compile,$(BUILD) programs)

toolchain:
	@tools/check_toolchain.sh

dependencies:
	@tools/install_dependencies.sh

# Everything, the tests and the benchmark included.
whole: dependencies
	$(call configure,$(BUILD),--prefix=$(PREFIX))
	$(call compile,$(BUILD))

demo: dependencies all
	@tools/demo.sh $(BUILD)

asan-build: dependencies
	$(call configure,$(BUILD)-asan,$(checked) -Db_sanitize=address$(comma)undefined)
	$(call compile,$(BUILD)-asan)

# The switches of other machines: of aarch64 where there are a compiler and an emulator for it.
switches = ucontext $(if $(and $(shell command -v aarch64-linux-gnu-gcc),\
                              $(shell command -v qemu-aarch64)),aarch64)

# Where threads meet, under the thread sanitizer too.
test: whole asan-build tsan-threaded python-build $(switches:%=%-build)
	@python3 tools/run_tests.py $(BUILD) $(BUILD)-asan --threaded $(BUILD)-tsan \
	    $(switches:%=--unit $(BUILD)-%) --python $(BUILD)-python

ucontext-build: dependencies
	$(call configure,$(BUILD)-ucontext,$(lean) -Dfiber=ucontext)
	$(call compile,$(BUILD)-ucontext)

ucontext: ucontext-build
	@python3 tools/run_tests.py $(BUILD)-ucontext

aarch64-build:
	@tools/install_dependencies.sh gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
	$(call configure,$(BUILD)-aarch64,$(lean) -Dssl=disabled \
	    --cross-file tools/cross/aarch64-linux-gnu.ini)
	$(call compile,$(BUILD)-aarch64)

aarch64: aarch64-build
	@python3 tools/run_tests.py --unit $(BUILD)-aarch64

bench: whole
	@tools/install_dependencies.sh --list tools/packages_bench.txt || \
	    echo "peers whose packages are missing are left out" >&2
	@python3 bench/harness/run.py $(BUILD)

# $(call checker,FOLDER,SANITIZERS): makes a build folder for the tests alone, once.
checker = $(call configure,$(1),$(checked) -Dexamples=false -Db_sanitize=$(subst +,$(comma),$(2)))

asan: asan-build
	@python3 tools/run_tests.py $(BUILD)-asan

tsan-build: dependencies
	$(call checker,$(BUILD)-tsan,thread)
	$(call compile,$(BUILD)-tsan)

tsan-threaded: dependencies
	$(call checker,$(BUILD)-tsan,thread)
	@ninja -C $(BUILD)-tsan --quiet threaded

tsan: tsan-build
	@python3 tools/run_tests.py --unit $(BUILD)-tsan

clang-asan-build clang-tsan-build: export CC = clang
clang-asan-build clang-tsan-build: dependencies
	@tools/install_dependencies.sh clang libclang-rt-14-dev
	$(call checker,$(BUILD)-$(@:-build=),$(if $(findstring asan,$@),address+undefined,thread))
	$(call compile,$(BUILD)-$(@:-build=))

clang-asan clang-tsan: %: %-build
	@python3 tools/run_tests.py --unit $(BUILD)-$@

valgrind: whole
	@python3 tools/run_tests.py --valgrind $(BUILD)

prove:
	@python3 tools/prove.py $(BUILD)

compilers: dependencies
	@tools/install_dependencies.sh clang lld
	@python3 tools/compilers.py $(BUILD)

mutants: dependencies
	@python3 tools/mutants/mutants.py --folder $(BUILD)-mutants

# A target of tests/fuzz, its corpus there, and the largest input.
FUZZ_SECONDS ?= 300
FUZZ_TARGET  ?= scenario
fuzzer = $(BUILD)-fuzz/tests/fuzz/fuzz_$(FUZZ_TARGET)
fuzz_corpus_scenario = corpus
fuzz_corpus = $(or $(fuzz_corpus_$(FUZZ_TARGET)),corpus_$(FUZZ_TARGET))
fuzz_most = $(if $(filter scenario,$(FUZZ_TARGET)),1500,300)

fuzz-build: export CC = clang
fuzz-build: dependencies
	@tools/install_dependencies.sh clang libclang-rt-14-dev
	$(call configure,$(BUILD)-fuzz,$(checked) -Dexamples=false -Dfuzz=true \
	    -Db_sanitize=address$(comma)undefined -Dc_args=-fsanitize=fuzzer-no-link)
	@ninja -C $(BUILD)-fuzz --quiet tests/fuzz/fuzz_$(FUZZ_TARGET)
	@mkdir -p $(BUILD)-fuzz/$(fuzz_corpus)

fuzz: fuzz-build
	@$(fuzzer) -max_total_time=$(FUZZ_SECONDS) -timeout=60 -max_len=$(fuzz_most) \
	    -print_final_stats=1 -artifact_prefix=$(BUILD)-fuzz/ $(BUILD)-fuzz/$(fuzz_corpus) \
	    tests/fuzz/$(fuzz_corpus)

# What was found worth keeping, no more of it than reaches the same.
fuzz-corpus: fuzz-build
	@mv tests/fuzz/$(fuzz_corpus) $(BUILD)-fuzz/former && mkdir tests/fuzz/$(fuzz_corpus)
	@$(fuzzer) -set_cover_merge=1 -use_counters=0 -max_len=$(fuzz_most) \
	    tests/fuzz/$(fuzz_corpus) $(BUILD)-fuzz/former $(BUILD)-fuzz/$(fuzz_corpus)
	@rm -rf $(BUILD)-fuzz/former

install: all
	@$(MESON) configure $(BUILD) -Dprefix=$(abspath $(PREFIX))
	@ninja -C $(BUILD) --quiet programs
	@DESTDIR=$(DESTDIR) $(MESON) install -C $(BUILD) --no-rebuild --quiet

docs:
	@python3 tools/make_api_table.py

manual_packages = python3-sphinx furo python3-myst-parser python3-sphinx-copybutton mandoc codespell

manual:
	@tools/install_dependencies.sh $(manual_packages)
	@python3 tools/make_manual.py $(BUILD)/manual

package_packages = debhelper dpkg-dev fakeroot lintian autopkgtest man-db chromium cmake libdw-dev

packages: manual
	@tools/install_dependencies.sh $(manual_packages) $(package_packages)
	@status=0; python3 tests/packages/debian.py . || status=1; \
	    python3 tests/packages/newcomer.py . || status=1; \
	    python3 tests/packages/browser.py $(BUILD)/manual/html || status=1; \
	    python3 tests/packages/foreign.py . || status=1; exit $$status

format:
	@git ls-files src include tests bench | grep "\.[ch]$$" | xargs clang-format -i

clean:
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan $(BUILD)-ucontext $(BUILD)-aarch64 \
	    $(BUILD)-compilers $(BUILD)-mutants $(BUILD)-fuzz $(BUILD)-python \
	    $(BUILD)-python-bench $(BUILD)-clang-asan \
	    $(BUILD)-clang-tsan $(BUILD)-prove

comma := ,
