# reeve. `make demo` and `make check` go from nothing to done: they install what is missing first.
#
# Every set of flags builds into a folder of its own: build/plain, build/address,undefined, build/fuzz.

CC ?= cc
CFLAGS ?= -O2 -g
PREFIX ?= /usr/local
SANITIZE ?=
BUILD ?= build/$(or $(SANITIZE),plain)

# Empty while pkg-config or a library is missing, as the set-up has to get past these lines.
package = $(shell pkg-config $(1) 2>/dev/null)
MSGPACK := $(or $(if $(call package,--libs msgpack-c),msgpack-c),msgpack)
PACKAGES := libevent_core libcurl libpq libcgroup $(MSGPACK) jansson inih libsystemd libcrypto zlib

override CFLAGS += -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Wshadow -Wconversion \
    -Wmissing-prototypes -Werror -fno-common -fstack-protector-strong \
    $(call package,--cflags $(PACKAGES))
LDLIBS := $(call package,--libs $(PACKAGES)) -lpthread
ifneq ($(SANITIZE),)
override CFLAGS += -fsanitize=$(SANITIZE) -fno-omit-frame-pointer
override LDFLAGS += -fsanitize=$(SANITIZE)
endif

# A layer sees the headers below it and no others, so an upward include does not compile. By quotes
# alone: <spawn.h> is the system's.
LAYERS := accounting proxy guard
accounting_INCLUDES := -iquoteinclude -iquoteaccounting
proxy_INCLUDES := $(accounting_INCLUDES) -iquoteproxy
guard_INCLUDES := $(proxy_INCLUDES) -iquoteguard
tests_INCLUDES := $(guard_INCLUDES)

SOURCES := $(wildcard $(addsuffix /*.c,$(LAYERS)))
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)
LIBRARY := $(BUILD)/libreeve.a
FAKE := $(wildcard tests/fake_*.c)
PROGRAMS := $(BUILD)/reeve $(BUILD)/whole/reeve $(BUILD)/whole/systemd_scope.so \
    $(if $(FAKE),$(BUILD)/tests/fake_claude $(BUILD)/tests/kill_at.so)
TESTS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/test_*.c))
FUZZERS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz_*.c))
BENCHES := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/*.c))
FORMATTED := $(wildcard */*.[ch] tests/bench/*.[ch])

all: $(PROGRAMS)
tests: all $(TESTS)
fuzzers: $(FUZZERS)
benches: all $(BENCHES)

$(BUILD)/whole/reeve: $(BUILD)/guard/main.o $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/guard/systemd_scope.o: override CFLAGS += -fPIC
$(BUILD)/whole/systemd_scope.so: $(BUILD)/guard/systemd_scope.o
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -shared -o $@ $^ $(call package,--libs libsystemd)

# The one that is started for every run; see guard/elsewhere.c.
$(BUILD)/reeve: $(BUILD)/guard/main.o $(BUILD)/guard/elsewhere.o $(LIBRARY)
	$(CC) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LDLIBS)
	@! readelf --dynamic $@ | grep -E 'NEEDED.*lib(curl|pq|crypto|systemd)' || \
	    { echo "reeve needs these by now: see guard/elsewhere.c"; rm $@; exit 1; }
	@[ $(BUILD) != build/plain ] || ln -sf $@ reeve

$(LIBRARY): $(filter-out $(BUILD)/guard/main.o $(BUILD)/guard/elsewhere.o,$(OBJECTS))
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $($(firstword $(subst /, ,$*))_INCLUDES) -MMD -MP -c -o $@ $<

# Sources that embed data are rebuilt when the data changes.
$(BUILD)/accounting/embedded.o: $(wildcard sql/* guard/page/*)

$(BUILD)/tests/test_%: $(BUILD)/tests/test_%.o $(LIBRARY)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) $(call package,--libs check)

$(BUILD)/tests/fuzz_%: $(BUILD)/tests/fuzz_%.o $(LIBRARY)
	$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)

FAKE_LDLIBS := -levent_core -lssl -lcrypto -ljansson -lz

$(BUILD)/tests/fake_claude: $(FAKE:%.c=$(BUILD)/%.o)
	$(CC) $(LDFLAGS) -o $@ $^ $(FAKE_LDLIBS)

# The fake judges reeve, so its tests do not link reeve.
$(BUILD)/tests/test_fake_%: $(BUILD)/tests/test_fake_%.o \
    $(patsubst %.c,$(BUILD)/%.o,$(filter-out tests/fake_claude.c,$(FAKE)))
	$(CC) $(LDFLAGS) -o $@ $^ $(FAKE_LDLIBS) $(call package,--libs check)

# It is preloaded into whatever is tested, so it is plain.
$(BUILD)/tests/kill_at.so: tests/kill_at.c Makefile
	@mkdir -p $(@D)
	$(CC) $(filter-out -fsanitize=%,$(CFLAGS)) -shared -fPIC -o $@ $< -ldl

$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o
	$(CC) $(LDFLAGS) -o $@ $^

check:
	@packaging/setup.sh build run check
	@MAKE='$(MAKE)' SANITIZE='$(SANITIZE)' tests/run.sh

check-unit:
	@packaging/setup.sh build run check
	@$(MAKE) --no-print-directory -j$$(nproc) -s tests
	@for test in $(TESTS); do $$test || exit 1; done

# The full counts of what `make check` does in short: random interleavings, and the real daemon.
check-ceilings:
	@packaging/setup.sh build run check
	@$(MAKE) --no-print-directory -j$$(nproc) -s all $(BUILD)/tests/test_budget_property
	@REEVE_INTERLEAVINGS=$(or $(INTERLEAVINGS),1000000) $(BUILD)/tests/test_budget_property
	@CEILINGS=full BUILD=$(BUILD) tests/flow_ceilings.sh

# The full counts of what agents see while their credentials die, and the steps of a refresh.
check-credentials:
	@packaging/setup.sh build run check
	@$(MAKE) --no-print-directory -j$$(nproc) -s all
	@CREDENTIALS=full BUILD=$(BUILD) tests/flow_credentials.sh

# The full count of what `make check` does in short: kill -9 of whatever belongs to a run.
check-slots:
	@packaging/setup.sh build run check
	@$(MAKE) --no-print-directory -j$$(nproc) -s all
	@SLOTS=full BUILD=$(BUILD) tests/flow_slots.sh

# The live page in a real browser, and /metrics under promtool. Of Prometheus' package only that is
# unpacked: installed, it would start a server.
check-page:
	@packaging/setup.sh build run check page
	@$(MAKE) --no-print-directory -j$$(nproc) -s all
	@[ -x build/promtool/usr/bin/promtool ] || { mkdir -p build/promtool && cd build/promtool && \
	    apt-get -qq -o APT::Sandbox::User=root download prometheus && dpkg -x prometheus_*.deb . ; } || true
	@BUILD=$(BUILD) tests/flow_metrics.sh
	@BUILD=$(BUILD) tests/flow_page.sh

# The morning report in full: each day for anomalies, on paper and on screens (REPORT_SHOTS=FOLDER).
check-report:
	@packaging/setup.sh build run check report
	@$(MAKE) --no-print-directory -j$$(nproc) -s all
	@REPORT=full BUILD=$(BUILD) tests/flow_report.sh

# The books beside ccusage's table, over sessions of the real Claude Code.
check-ccusage:
	@packaging/setup.sh build run check
	@$(MAKE) --no-print-directory -j$$(nproc) -s all
	@BUILD=$(BUILD) tests/compare_ccusage.sh

# The race for keys in full: 64 claimers, killed at random.
check-state:
	@packaging/setup.sh build run check
	@$(MAKE) --no-print-directory -j$$(nproc) -s all $(BUILD)/tests/test_source_state_race
	@REEVE_STATE_KEYS=$(or $(STATE_KEYS),10000) $(BUILD)/tests/test_source_state_race
	@STATE=full BUILD=$(BUILD) tests/flow_state.sh

check-bare:
	@tests/bare.sh $(BARE_TARGETS)

fuzz:
	@packaging/setup.sh build check
	@MAKE='$(MAKE)' FUZZ_SECONDS=$(or $(FUZZ_SECONDS),600) tests/run.sh fuzz

demo:
	@packaging/setup.sh build run
	@$(MAKE) --no-print-directory -j$$(nproc) -s all
	@tests/demo.sh

bench:
	@packaging/setup.sh build run bench
	@$(MAKE) --no-print-directory -j$$(nproc) -s benches
	@tests/bench/bench.py $(BENCH)

bench-peer:
	@packaging/setup.sh build run bench
	@$(MAKE) --no-print-directory -j$$(nproc) -s benches
	@tests/bench/peer.py $(BENCH)

# These two in a guest, see VM_KIND.
bench-start:
	@packaging/setup.sh build run deb vm-$(VM_KIND)
	@$(MAKE) --no-print-directory -j$$(nproc) -s benches
	@packaging/deb.sh && VM_SECONDS=1800 VM_FILES=$(BUILD)/tests/bench/start_clock \
	    tests/vm/boot.sh $(VM_KIND) build/reeve_*.deb package bench_start

bench-oom:
	@packaging/setup.sh build run deb vm-$(VM_KIND)
	@$(MAKE) --no-print-directory -j$$(nproc) -s benches
	@VM_KIND=$(VM_KIND) tests/bench/oom.py $(BENCH)

layers:
	@! grep -n '#include ".*/' $(SOURCES)
	@$(MAKE) --no-print-directory $(OBJECTS)

format:
	clang-format -i $(FORMATTED)

style:
	@clang-format --dry-run -Werror $(FORMATTED)
	@! grep -nE '\<(sprintf|vsprintf|strcpy|strcat|strtok|atoi|system|gets)\(' $(FORMATTED)

lint:
	@packaging/setup.sh build lint
	@$(MAKE) --no-print-directory -k cppcheck clang-tidy

cppcheck:
	cppcheck --quiet --error-exitcode=1 --inline-suppr --suppressions-list=.cppcheck-suppressions \
	    --enable=warning,performance,portability --std=c11 $(tests_INCLUDES:-iquote%=-I%) \
	    --include=/usr/include/jansson.h \
	    --include=/usr/include/$(shell $(CC) -print-multiarch)/sys/queue.h $(LAYERS) tests

clang-tidy:
	@printf '%s\n' $(filter %.c,$(FORMATTED)) | xargs -P$$(nproc) -I{} \
	    clang-tidy --quiet {} -- $(CFLAGS) $(tests_INCLUDES) 2>/dev/null

install: all
	install -D -m 755 $(BUILD)/reeve $(DESTDIR)$(PREFIX)/bin/reeve
	install -D -m 755 $(BUILD)/whole/reeve $(DESTDIR)$(PREFIX)/lib/reeve/reeve
	install -D -m 644 $(BUILD)/whole/systemd_scope.so $(DESTDIR)$(PREFIX)/lib/reeve/systemd_scope.so
	install -D -m 644 packaging/reeve.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/reeve
	for page in docs/man/*; do install -D -m 644 \
	    -t $(DESTDIR)$(PREFIX)/share/man/man$${page##*.} $$page || exit 1; done

deb:
	@packaging/setup.sh build deb
	@packaging/deb.sh

# The disks of the test guest: VM_KIND=uml or qemu.
VM_KIND ?= qemu

vm: deb
	@packaging/setup.sh vm-$(VM_KIND)
	@tests/vm/image.sh $(VM_KIND) $$(ls build/reeve_*.deb)

check-vm:
	@packaging/setup.sh build run
	@VM_KIND=$(VM_KIND) VM_SECONDS=1800 VM_STRICT=1 tests/flow_vm.sh

clean:
	rm -rf build reeve

.PHONY: all deb vm check-vm tests fuzzers benches check check-unit check-ceilings check-credentials \
    check-slots check-state check-page check-report check-ccusage check-bare fuzz demo bench bench-peer bench-start bench-oom layers format \
    style lint cppcheck clang-tidy install clean
.DELETE_ON_ERROR:
-include $(wildcard $(BUILD)/*/*.d $(BUILD)/*/*/*.d)
