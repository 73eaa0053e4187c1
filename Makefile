# anteroom: build, test and set-up. `make help` lists the targets; src/STYLE.md tells how the code is kept.
#
# Everything made goes below build/<mode>/: release and bench (g++, optimised), debug (g++, library assertions), asan and
# tsan (clang++ with sanitizers), fuzz (libFuzzer) and check (lints). MODE=... chooses for `make all`.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

MODE ?= release
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 30
READS ?= 10000000
PORT ?= 8001

out := build/$(MODE)

# --- What there is ---------------------------------------------------------------------------------------------------

# A hiredis made by conf/setup/build-hiredis.sh goes before the system's.
pkg_config := PKG_CONFIG_PATH=$(CURDIR)/build/deps/lib/pkgconfig pkg-config

# QUIC is left out where the system has no ngtcp2 that is new enough.
has_quic := $(shell $(pkg_config) --atleast-version=1.11 libngtcp2 libngtcp2_crypto_gnutls 2>/dev/null && echo yes)
needs_quic := src/quic/%.cpp src/gateway/% src/client/quic% test/unit/quic/% test/unit/gateway/% test/unit/client/quic% \
              test/e2e/quic% test/fuzz/quic% test/bench/quic% test/load/% test/floor/% test/support/quic%
files = $(if $(has_quic),$(wildcard $(1)),$(filter-out $(needs_quic),$(wildcard $(1))))

# Lower layers first; a module may use only what stands before it (test/lint/layers.py has the exact edges).
module_order := base metrics resp config command access cache net quic route upstream backend proxy admin server \
                gateway client main
source_folders := $(patsubst src/%/,%,$(sort $(dir $(call files,src/*/*.cpp))))
unplaced := $(filter-out $(module_order),$(source_folders))
$(if $(unplaced),$(error src/ has folders that module_order in the Makefile does not place: $(unplaced)))
modules := $(filter $(source_folders),$(module_order))

sources := $(sort $(call files,src/*/*.cpp))
headers := $(sort $(call files,src/*/*.hpp include/anteroom/*.hpp))
test_sources := $(sort $(call files,test/*/*.cpp test/unit/*/*.cpp))
test_headers := $(sort $(call files,test/support/*.hpp))
all_code := $(sort $(sources) $(headers) $(test_sources) $(test_headers) $(call files,test/*/*.hpp test/unit/*/*.hpp))

program_main := src/main/main.cpp
suites := $(foreach kind,property contract e2e,$(if $(wildcard test/$(kind)/*_test.cpp),$(kind)))
unit_names := $(sort $(patsubst test/unit/%/,%,$(dir $(call files,test/unit/*/*_test.cpp))))
fuzz_names := $(patsubst test/fuzz/%_fuzz.cpp,%,$(call files,test/fuzz/*_fuzz.cpp))
bench_names := $(patsubst test/bench/%.cpp,%,$(call files,test/bench/*.cpp))

# --- Compilers and flags ---------------------------------------------------------------------------------------------

clang := clang++-19
ifneq ($(filter asan tsan fuzz,$(MODE)),)
  compiler := $(clang)
else
  compiler := $(if $(filter default,$(origin CXX)),g++,$(CXX))
endif

hardening := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong
optimised := -O2 -g -DNDEBUG $(hardening)
mode_flags_release := $(optimised)
mode_flags_bench := $(optimised)
mode_flags_debug := -O1 -g -D_GLIBCXX_ASSERTIONS
mode_flags_check := -O1 -Werror
mode_flags_asan := -O1 -g -D_GLIBCXX_ASSERTIONS -fno-omit-frame-pointer -fsanitize=address,undefined \
                   -fno-sanitize-recover=all
mode_flags_tsan := -O1 -g -D_GLIBCXX_ASSERTIONS -fno-omit-frame-pointer -fsanitize=thread
mode_flags_fuzz := $(mode_flags_asan) -fsanitize=fuzzer-no-link
mode_flags := $(mode_flags_$(MODE))
$(if $(mode_flags),,$(error MODE=$(MODE) is not one of release bench debug check asan tsan fuzz))

packages := libevent libevent_pthreads hiredis spdlog gnutls
packages += $(if $(has_quic),libngtcp2 libngtcp2_crypto_gnutls)
package_cflags := $(shell $(pkg_config) --cflags $(packages) 2>/dev/null)
package_libs := $(shell $(pkg_config) --libs $(packages) 2>/dev/null)
ifneq ($(filter asan tsan fuzz,$(MODE)),)
  # The packaged spdlog is not instrumented: its locks would be invisible to the sanitizers.
  package_cflags := $(filter-out -DSPDLOG_COMPILED_LIB -DSPDLOG_SHARED_LIB,$(package_cflags))
  package_libs := $(filter-out -lspdlog,$(package_libs))
endif

warnings := -Wall -Wextra -Wconversion -Wshadow
third_party := $(patsubst -I%,-isystem %,$(package_cflags))
common_flags := -std=c++23 -pthread $(warnings) -Isrc -Iinclude $(third_party) $(if $(has_quic),-DANTEROOM_QUIC) \
                $(CPPFLAGS) $(CXXFLAGS)
src_flags := $(common_flags) $(mode_flags)
# Tests are compiled at -O1 and know their lines but not their variables (-g1): half of the time of -O2 -g.
test_flags := $(common_flags) -Itest $(patsubst -g,-g1,$(patsubst -O2,-O1,$(mode_flags)))
bench_flags := $(common_flags) -Itest $(mode_flags)
link_flags := -pthread $(filter -fsanitize=address% -fsanitize=thread,$(mode_flags)) -Wl,--as-needed -Wl,-z,relro,-z,now \
              $(LDFLAGS)

# --- Modules and the program -----------------------------------------------------------------------------------------

object_of = $(patsubst %.cpp,$(out)/%.o,$(1))
library_of = $(patsubst %,$(out)/lib%.a,$(1))
reverse = $(if $(1),$(call reverse,$(wordlist 2,$(words $(1)),$(1))) $(firstword $(1)))
# The libraries of a module and of those before it, as the linker wants them: users first.
up_to = $(if $(filter $(1),$(firstword $(2))),$(1),$(if $(2),$(firstword $(2)) $(call up_to,$(1),$(wordlist 2,$(words $(2)),$(2)))))
libraries_up_to = $(call library_of,$(call reverse,$(call up_to,$(1),$(modules))))
all_libraries := $(call library_of,$(call reverse,$(modules)))
support := $(out)/libtest_support.a

# A changed folder means that a file came or went; then its archive is made anew.
define library_rule
$(call library_of,$(1)): $(call object_of,$(filter-out $(program_main),$(call files,src/$(1)/*.cpp))) src/$(1)
endef
$(foreach module,$(modules),$(eval $(call library_rule,$(module))))
$(support): $(call object_of,$(call files,test/support/*.cpp)) $(wildcard test/support)

$(out)/lib%.a:
	@echo "  AR    $@"
	@rm -f $@
	@ar rcs $@ $(filter %.o,$^)

$(out)/anteroom: $(call object_of,$(program_main)) $(all_libraries)
	$(link)

build/anteroom: build/release/anteroom
	@ln -sfn release/anteroom $@

define link
@echo "  LINK  $@"
@$(compiler) -o $@ $(filter %.o %.a,$^) $(link_flags) $(1) $(package_libs)
endef

# --- Compiling -------------------------------------------------------------------------------------------------------

define compile
@echo "  CXX   $<"
@mkdir -p $(@D)
@$(compiler) $(1) -MMD -MP -c -o $@ $<
endef

$(out)/src/%.o: src/%.cpp $(out)/flags | have-deps
	$(call compile,$(src_flags))

$(out)/test/bench/%.o: test/bench/%.cpp $(out)/flags | have-deps
	$(call compile,$(bench_flags))

# Nothing between them and what they measure may be slow.
$(out)/test/kv_load/%.o: test/kv_load/%.cpp $(out)/flags | have-deps
	$(call compile,$(bench_flags))

$(out)/test/floor_server/%.o: test/floor_server/%.cpp $(out)/flags | have-deps
	$(call compile,$(bench_flags))

$(out)/test/%.o: test/%.cpp $(out)/flags | have-deps
	$(call compile,$(test_flags))

# Rewritten only when the command changes, so that new flags compile everything anew.
$(out)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(compiler) $(src_flags) $(test_flags)' | cmp -s - $@ || echo '$(compiler) $(src_flags) $(test_flags)' >$@

.PHONY: have-deps FORCE
have-deps:
	@$(pkg_config) --exists $(packages) || { echo "Libraries are missing: run 'make deps' first." >&2; exit 1; }

-include $(shell find $(out) -name '*.d' 2>/dev/null)
.SECONDARY:

# --- Test programs ---------------------------------------------------------------------------------------------------

gtest_libs := -lgmock -lgtest_main -lgtest -lrapidcheck
# For test/support/trace.cpp, which the suite of properties uses.
trace_libs := -llzma

# The tests of a test program link what it is made of, but for its main().
tested_programs := floor_server kv_load
code_of = $(call object_of,$(filter-out test/$(1)/$(1).cpp,$(if $(filter $(1),$(tested_programs)),$(wildcard test/$(1)/*.cpp))))

define unit_rule
$(out)/unit_$(1): $(call object_of,$(call files,test/unit/$(1)/*.cpp)) $(call code_of,$(1)) $(support) \
    $(if $(filter $(1),$(modules)),$(call libraries_up_to,$(1)),$(all_libraries)) test/unit/$(1)
	$$(call link,$(gtest_libs))
endef
$(foreach unit,$(unit_names),$(eval $(call unit_rule,$(unit))))

define suite_rule
$(out)/suite_$(1): $(call object_of,$(call files,test/$(1)/*.cpp)) $(support) $(all_libraries) test/$(1)
	$$(call link,$(gtest_libs) $(trace_libs))
endef
$(foreach suite,$(suites),$(eval $(call suite_rule,$(suite))))

# Run by the end-to-end tests, which find it beside their own program.
$(out)/hiredis_client: $(call object_of,$(wildcard test/clients/*.cpp)) test/clients
	$(link)

# For test/bench/quic_cpu.py and test/bench/quic_loss.py.
$(out)/stream_load: $(call object_of,$(wildcard test/load/*.cpp)) $(all_libraries)
	$(link)

# For test/bench/compare.py.
$(out)/kv_load: $(call object_of,$(wildcard test/kv_load/*.cpp))
	$(link)

$(out)/floor_server: $(call object_of,$(wildcard test/floor_server/*.cpp))
	$(link)

$(out)/udp_relay: $(call object_of,$(wildcard test/floor/*.cpp)) $(all_libraries)
	$(link)

$(out)/tun_relay: $(call object_of,$(wildcard test/netem/*.cpp))
	$(link)

# Loaded into the redis-server of the end-to-end tests, which is built without sanitizers.
$(out)/alias_module.so: test/module/alias_module.cpp $(out)/flags
	@echo "  CXX   $@"
	@$(compiler) -std=c++23 $(warnings) -O1 -g -fPIC -shared -o $@ $<

$(out)/suite_e2e: | $(out)/hiredis_client $(out)/alias_module.so

$(out)/replay_%: $(out)/test/fuzz/%_fuzz.o $(out)/test/fuzz/replay_main.o $(support) $(all_libraries)
	$(link)

$(out)/fuzz_%: $(out)/test/fuzz/%_fuzz.o $(support) $(all_libraries)
	$(call link,-fsanitize=fuzzer)

$(out)/bench_%: $(out)/test/bench/%.o $(support) $(all_libraries)
	$(call link,-lbenchmark_main -lbenchmark)

$(out)/soak: $(call object_of,$(wildcard test/soak/*.cpp)) $(support) $(all_libraries) test/soak
	$(call link,-lgmock -lgtest)

unit_programs := $(unit_names:%=$(out)/unit_%)
suite_programs := $(filter-out %_e2e,$(suites:%=$(out)/suite_%))
e2e_programs := $(filter %_e2e,$(suites:%=$(out)/suite_%))
replay_programs := $(fuzz_names:%=$(out)/replay_%)
fuzz_programs := $(fuzz_names:%=$(out)/fuzz_%)
bench_programs := $(bench_names:%=$(out)/bench_%)

# --- What people call ------------------------------------------------------------------------------------------------

# Set-up comes before the rest is planned, so each of these calls make once more; without -j it uses every core.
again = +@$(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS))

.DEFAULT_GOAL := all
.PHONY: all run test check asan tsan fuzz bench soak format tidy install deps build-deps bench-deps clean help
all: ## Build the program (MODE=release unless given), linked as build/anteroom
	$(again) program

run: build-deps ## Start a caching front-end on PORT=8001; UPSTREAM=redis://host:6379 uses your Redis; ARGS=... is passed on
	$(again) MODE=release program
	@exec conf/run/run.sh '$(PORT)' '$(UPSTREAM)' $(ARGS)

test: deps ## Install what is missing, build, run every test; ends with "N passed, N failed"
	$(again) MODE=release run-tests

check: tools ## Format, layers, warnings, clang-tidy, thread safety, spelling; reports long files and functions
	$(again) -k MODE=check run-check

asan: tools ## Run the tests under AddressSanitizer and UndefinedBehaviorSanitizer
	$(again) MODE=asan run-tests

tsan: tools ## Run the tests under ThreadSanitizer
	$(again) MODE=tsan run-tests

fuzz: tools ## Run each fuzz target for FUZZ_SECONDS=30, starting from its corpus
	$(again) MODE=fuzz run-fuzz

bench: bench-deps ## Run the benchmarks and compare with other servers (QUICK=1: two minutes); ARGS=... is passed on
	$(again) MODE=release run-bench

soak: build-deps ## Check READS=10000000 reads under writes and faults; ARGS=... is passed on, as '--seed 1 --consistency ttl'
	$(again) MODE=release run-soak

format: ## Lay the code out anew with clang-format
	@clang-format-19 -i $(all_code)

tidy: tools ## Run clang-tidy alone
	$(again) -k MODE=check run-tidy

install: ## Install program, sample configuration and systemd unit below PREFIX=/usr/local (DESTDIR is honoured)
	$(again) MODE=release program
	install -D -m 755 build/release/anteroom '$(DESTDIR)$(PREFIX)/bin/anteroom'
	install -d '$(DESTDIR)$(PREFIX)/lib/systemd/system'
	sed 's|@PREFIX@|$(PREFIX)|g' conf/systemd/anteroom.service >'$(DESTDIR)$(PREFIX)/lib/systemd/system/anteroom.service'
	[[ -e '$(DESTDIR)$(PREFIX)/etc/anteroom/anteroom.json' ]] || \
	  install -D -m 640 conf/anteroom.json '$(DESTDIR)$(PREFIX)/etc/anteroom/anteroom.json'

deps: ## Install the libraries, servers and clients that build, tests and `make run` need
	@conf/setup/install-deps.sh test

build-deps: ## Install only what build and `make run` need: no clients of other languages
	@conf/setup/install-deps.sh build

bench-deps: ## Install what the build needs and the servers that `make bench` compares with
	@conf/setup/install-deps.sh bench

clean: ## Remove what was built (downloaded dependencies stay; `rm -rf build` removes them too)
	rm -rf $(filter-out build/deps,$(wildcard build/*))

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: tools program run-tests run-fuzz run-bench run-soak run-check run-tidy
tools:
	@conf/setup/install-deps.sh tools

program: $(if $(wildcard $(program_main)),$(out)/anteroom $(if $(filter release,$(MODE)),build/anteroom))

run-tests: program $(unit_programs) $(suite_programs) $(e2e_programs) $(replay_programs)
	@ANTEROOM_BINARY=$(CURDIR)/$(out)/anteroom JOBS=$(JOBS) test/run_all.py --logs $(out)/logs \
	  --parallel $(unit_programs) $(suite_programs) --alone $(e2e_programs) --replay $(replay_programs)

run-fuzz: $(fuzz_programs)
	@test/run_fuzz.sh $(FUZZ_SECONDS) $(fuzz_programs)

run-bench: program $(out)/kv_load $(out)/floor_server $(if $(QUICK),,$(bench_programs))
	@$(if $(QUICK),,for program in $(bench_programs); do $$program; done)
	@test/bench/compare.py $(if $(QUICK),--quick) $(ARGS)

run-soak: program $(out)/soak
	@ANTEROOM_BINARY=$(CURDIR)/$(out)/anteroom $(out)/soak --reads $(READS) $(ARGS)

# --- make check ------------------------------------------------------------------------------------------------------

lint := test/lint
shell_scripts := $(sort $(wildcard conf/*/*.sh test/*.sh test/lint/*.sh) .ci/run)
checked_objects := $(call object_of,$(sources) $(test_sources))
header_checks := $(patsubst %,$(out)/%.alone,$(headers) $(test_headers))
clang_checks := $(patsubst %,$(out)/%.clang,$(sources) $(test_sources))
tidy_checks := $(patsubst %,$(out)/%.tidy,$(sources))
text_checks := check-format check-layers check-glossary check-spelling check-shell check-compose check-bench

run-check: $(text_checks) $(checked_objects) $(header_checks) $(clang_checks) $(tidy_checks) check-instructions
	@$(lint)/sizes.py $(sources) $(headers) $(test_sources) $(test_headers)
	@echo "check: clean"

run-tidy: $(tidy_checks)

.PHONY: $(text_checks) check-instructions
check-format:
	@clang-format-19 --dry-run -Werror $(all_code)

check-layers:
	@$(lint)/layers.py

check-glossary:
	@$(lint)/glossary.py $(all_code) $(wildcard *.md src/*.md conf/*.md)

check-spelling:
	@codespell --config $(lint)/codespellrc src include test conf Makefile $(wildcard *.md)

check-shell:
	@shellcheck -x $(shell_scripts)

check-compose:
	@$(lint)/compose.sh

check-bench:
	@test/bench/compare.py --self-test

# Of the program as it is used, whatever mode this is.
check-instructions:
	@$(MAKE) --no-print-directory MODE=release program
	@test/bench/instructions.py

# The object's own list of headers tells when a check of the same source is out of date.
$(out)/%.cpp.clang: %.cpp $(out)/%.o
	@echo "  CLANG $<"
	@$(clang) $(common_flags) -Itest -Wthread-safety -Werror -fsyntax-only $<
	@touch $@

$(out)/%.cpp.tidy: %.cpp $(out)/%.o .clang-tidy | build/compile_commands.json
	@echo "  TIDY  $<"
	@clang-tidy-19 --quiet -p build $< 2> >(grep -vE 'warnings? generated|^Suppressed|^Use -' >&2 || true)
	@touch $@

$(out)/%.hpp.alone: %.hpp $(out)/flags | have-deps
	@mkdir -p $(@D)
	@echo '#include "$(patsubst include/%,%,$(patsubst test/%,%,$(patsubst src/%,%,$<)))"' | \
	  $(compiler) $(common_flags) -Itest -Werror -MMD -MP -MF $@.d -MT $@ -fsyntax-only -x c++ -
	@touch $@

# For clang-tidy and editors.
build/compile_commands.json: Makefile $(sources) $(test_sources)
	@{ separator='['; for file in $(sources) $(test_sources); do \
	  printf '%s\n{"directory": "%s", "file": "%s", "command": "%s"}' "$$separator" '$(CURDIR)' "$$file" \
	    "$(clang) $(common_flags) -Itest -c $$file"; separator=','; \
	done; echo; echo ']'; } >$@
