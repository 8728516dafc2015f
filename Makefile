# reeve: make, make check, make demo; see README.md.
#
# SANITIZE=address,undefined builds into a folder of its own, as every set of flags does.

CC ?= cc
SANITIZE ?=
BUILD := build/$(or $(subst $(eval ) ,,$(SANITIZE)),plain)
PACKAGES := libevent_core libcurl libpq jansson inih libsystemd libcrypto zlib \
            $(shell pkg-config --exists msgpack-c && echo msgpack-c || echo msgpack)
LAYERS := accounting proxy guard

CFLAGS ?= -O2 -g
override CFLAGS += -std=gnu17 -Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes -Werror \
    -D_GNU_SOURCE -fno-common -fstack-protector-strong \
    $(shell pkg-config --cflags $(PACKAGES)) $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer)
# A layer sees the headers below it and no others, so an upward include does not compile.
accounting_INCLUDES := -Iinclude -Iaccounting
proxy_INCLUDES := $(accounting_INCLUDES) -Iproxy
guard_INCLUDES := $(proxy_INCLUDES) -Iguard
tests_INCLUDES := $(guard_INCLUDES)
LDLIBS := $(shell pkg-config --libs $(PACKAGES)) -lcgroup -lpthread
LDFLAGS += $(if $(SANITIZE),-fsanitize=$(SANITIZE))

SOURCES := $(wildcard $(addsuffix /*.c,$(LAYERS)))
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)
LIBRARY := $(BUILD)/libreeve.a
TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/test_*.c))

all: $(BUILD)/reeve $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/fake_claude.c))

$(BUILD)/reeve: $(BUILD)/guard/main.o $(LIBRARY)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
	@[ -n "$(SANITIZE)" ] || ln -sf $@ reeve

$(LIBRARY): $(filter-out $(BUILD)/guard/main.o,$(OBJECTS))
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $($(firstword $(subst /, ,$*))_INCLUDES) -MMD -MP -c -o $@ $<

$(BUILD)/tests/test_%: $(BUILD)/tests/test_%.o $(LIBRARY)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) $(shell pkg-config --libs check)

$(BUILD)/tests/fake_claude: $(BUILD)/tests/fake_claude.o
	$(CC) $(LDFLAGS) -o $@ $^ -levent_openssl -levent_core -lssl -lcrypto -ljansson -lz

# The sources that embed data are rebuilt when the data changes.
$(BUILD)/accounting/embedded.o: $(wildcard sql/*)

check-unit: $(TESTS)
	@for test in $^; do $$test || exit 1; done

layers:
	@for source in $(SOURCES); do ! grep -nH '#include "[^"]*/' $$source || exit 1; done
	@$(MAKE) --no-print-directory $(OBJECTS)

format:
	clang-format -i $(wildcard */*.[ch])

clean:
	rm -rf build reeve

.PHONY: all check-unit layers format clean
.DELETE_ON_ERROR:
-include $(wildcard $(BUILD)/*/*.d)
