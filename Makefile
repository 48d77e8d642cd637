# SPDX-License-Identifier: MIT
#
# The few commands that one types; the build itself is Meson's (meson.build).
#
#   make            a release build of everything in build/
#   make demo       what the library does, in a minute
#   make test       every test, on every engine, plain and under the address sanitizer
#   make bench      the benchmark
#   make install    as DESTDIR and PREFIX say
#   make docs       docs/api_table.md, from the headers
#   make asan tsan valgrind    the tests under one checker

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

.PHONY: all dependencies asan-build demo test bench asan tsan valgrind install docs format clean

all: dependencies
	$(call configure,$(BUILD),--prefix=$(PREFIX))
	$(call compile,$(BUILD))

dependencies:
	@tools/install_dependencies.sh

demo: all
	@tools/demo.sh $(BUILD)

asan-build: dependencies
	$(call configure,$(BUILD)-asan,$(checked) -Db_sanitize=address$(comma)undefined)
	$(call compile,$(BUILD)-asan)

test: all asan-build
	@python3 tools/run_tests.py $(BUILD) $(BUILD)-asan

bench: all
	@python3 bench/harness/run.py $(BUILD)

asan: asan-build
	@python3 tools/run_tests.py $(BUILD)-asan

tsan: dependencies
	$(call configure,$(BUILD)-tsan,$(checked) -Db_sanitize=thread)
	$(call compile,$(BUILD)-tsan)
	@python3 tools/run_tests.py $(BUILD)-tsan

valgrind: all
	@python3 tools/run_tests.py --valgrind $(BUILD)

install: all
	@$(MESON) configure $(BUILD) -Dprefix=$(PREFIX)
	@ninja -C $(BUILD) --quiet
	@DESTDIR=$(DESTDIR) $(MESON) install -C $(BUILD) --no-rebuild --quiet

docs:
	@python3 tools/make_api_table.py

format:
	@git ls-files src include tests bench | grep "\.[ch]$$" | xargs clang-format -i

clean:
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan

comma := ,
