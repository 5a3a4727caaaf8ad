# SPDX-License-Identifier: GPL-2.0-or-later
# The one makefile. `make help` lists the targets. BUILD=dir selects another configured build.
.DEFAULT_GOAL := all
BUILD ?= build
V ?= 0
Q = $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-5s %s\n' $(1) $(2))

# Whatever needs a configured tree configures it; the others must work on a bare machine.
BARE := help deps clean check planted fuzz-figures soak demo lab lab-variants format
ifneq ($(filter-out $(BARE),$(or $(MAKECMDGOALS),all)),)
$(BUILD)/config.mk: configure VERSION
	./configure --builddir=$(BUILD) $(CONFIGURE_ARGS)
-include $(BUILD)/config.mk
endif

DEVICES := $(shell sed -n 's/^DEVICE(\(.*\))$$/\1/p' hw/devices.def hw/sim/devices.def)

CORE_SRC := $(wildcard hw/core/*.c)
LIB_SRC := $(CORE_SRC) $(wildcard hw/chipset/*.c hw/storage/*.c hw/video/*.c hw/input/*.c hw/char/*.c hw/network/*.c net/*.c \
	hw/sim/*.c hw/xen/*.c block/*.c chardev/*.c display/*.c firmware/*.c) \
	$(wildcard toolstack/*.c toolstack/supervisor/*.c toolstack/qtest/*.c toolstack/record/*.c) $(wildcard hw/pc.c) $(wildcard ioreq/*.c)
PROGRAMS := $(BUILD)/hvmdm $(BUILD)/hvmdm-model $(BUILD)/hvmdm-ctl $(BUILD)/hvmdm-replay
# The parts that need Xen's libraries; --disable-xen leaves them out, and hvmdm, which is nothing without.
XEN_SRC := $(wildcard ioreq/xen*.c ioreq/pv_xen.c) toolstack/supervisor/hypercall.c
ifneq ($(XEN),yes)
LIB_SRC := $(filter-out $(XEN_SRC),$(LIB_SRC))
PROGRAMS := $(filter-out $(BUILD)/hvmdm,$(PROGRAMS))
endif
# A program that only the build runs, without sanitizers: it makes the system call filters.
RULES_SRC := toolstack/sandbox_rules.c
LIB_SRC := $(filter-out $(RULES_SRC),$(LIB_SRC))
RULES_CFLAGS = $(filter-out -fsanitize% -fno-sanitize% --coverage,$(CFLAGS))
# All of the supervisor, which is in every guest's way for as long as it runs: small, and no library
# but libc. Static where nothing speaks against it (the sanitizers do).
SUPERVISOR_SRC := hvmdm.c $(wildcard toolstack/supervisor/*.c) toolstack/supervised.c \
	toolstack/xenstore.c toolstack/xenstore_wire.c toolstack/sandbox_supervisor.c block/lock.c \
	hw/xen/handover.c \
	ioreq/loop.c ioreq/quick.c hw/core/log.c hw/core/arena.c hw/core/state.c
SUPERVISOR_LDFLAGS = $(if $(findstring -fsanitize,$(LDFLAGS)),$(LDFLAGS),$(filter-out -pie,$(LDFLAGS)) -static)
# The device that breaks on request is in no program but tests, and in a build for the lab.
ifeq ($(TEST_FAULTS),yes)
LIB_SRC += hw/test/fault.c
endif
TEST_LIB_SRC := $(filter-out tests/bench_main.c tests/replay.c,$(wildcard tests/*.c)) hw/test/fault.c
QTEST_LIB_SRC := tests/qtest/guest.c
QTEST := $(patsubst tests/qtest/test_%.c,%,$(wildcard tests/qtest/test_*.c))
# Test programs count what our code allocates (tests/allocations.c).
COUNTED := -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -Wl,--wrap=strdup
UNIT := $(patsubst tests/unit/test_%.c,%,$(wildcard tests/unit/test_*.c))

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
LIB := $(BUILD)/libhvmdm.a
HWTESTS := $(DEVICES:%=$(BUILD)/tests/hw-%)
UNITTESTS := $(UNIT:%=$(BUILD)/tests/unit-%)
QTESTS := $(QTEST:%=$(BUILD)/tests/qtest-%)
SYSTEMS := $(BUILD)/hvmdm-system-i386 $(BUILD)/hvmdm-system-x86_64

.PHONY: planted fuzz-figures all programs lab-variants check check-unit check-lab soak bench demo lab deps format lint install uninstall clean help tests qtests fuzz
all: $(PROGRAMS) $(SYSTEMS) $(if $(filter yes,$(XEN)),$(BUILD)/tests/null_dm) $(BUILD)/compile_commands.json

help:
	@sed -n 's/^## //p' Makefile
## all        build hvmdm, hvmdm-model, hvmdm-ctl and hvmdm-replay (after ./configure, which runs by itself if needed)
## deps       install what building and testing need (Debian packages; asks nothing)
## check      all tests that a change must pass: unit, device, fuzz smoke, real Xen in the lab
## check-unit the tests that need no Xen, under ASan and UBSan
## qtests     clients of the test port, build/tests/qtest-*
## check-lab  the lab scenarios (LAB="cd-boot reboot" selects)
## soak       the long campaigns
## planted    bring old bugs back, see that tests and fuzzers find them (half an hour; ARGS="NAME --no-fuzz")
## fuzz-figures  speed and branch coverage of the fuzz targets (ARGS="--seconds 60")
## bench      figures beside QEMU, in three lab boots, two of them by the clock: on an idle machine
## demo       boot real Xen here and watch a guest run on hvmdm
## lab        an interactive dom0
## lab-variants  builds with faults, and with another layout of the state, for the lab's scenarios
## format     lay the code out; lint: check layout, layers, clang-tidy
## install    into PREFIX (DESTDIR is honoured); uninstall; clean

deps:
	$(Q)tests/lab/packages.sh

$(BUILD)/obj/%.o: %.c $(BUILD)/config.mk
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/sandbox_rules: $(RULES_SRC) toolstack/sandbox.h toolstack/sandbox_pid.h $(BUILD)/config.mk
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(RULES_CFLAGS) -o $@ $< $(RULESLIBS)
$(BUILD)/sandbox_filter.inc: $(BUILD)/sandbox_rules
	$(call say,GEN,$@)
	$(Q)$< > $@.new && mv $@.new $@
$(call obj,toolstack/sandbox_filter.c): $(BUILD)/sandbox_filter.inc

$(LIB): $(call obj,$(LIB_SRC))
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/hvmdm: $(call obj,$(SUPERVISOR_SRC))
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(SUPERVISOR_LDFLAGS) -o $@ $^

$(BUILD)/hvmdm-model: $(call obj,hvmdm-model.c) $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(MODELLIBS) -lpthread

# As clients of the test port know it: they take the architecture from the name.
$(BUILD)/hvmdm-system-%: $(BUILD)/hvmdm-model
	$(Q)ln -sf hvmdm-model $@

$(BUILD)/hvmdm-replay: $(call obj,hvmdm-replay.c) $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(MODELLIBS) -lpthread

$(BUILD)/hvmdm-ctl: $(call obj,hvmdm-ctl.c) $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

# A program that is nothing but an ioreq server; the lab's scenario hypervisor-port runs it.
$(BUILD)/tests/null_dm: $(call obj,tests/bench/null_dm.c) $(LIB)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(XENLIBS) $(LIBS) -lpthread

# A device without its test file does not build: the rule has no source then.
$(BUILD)/tests/hw-%: $(BUILD)/obj/tests/hw/%.o $(BUILD)/obj/tests/bench_main.o $(call obj,$(TEST_LIB_SRC)) $(LIB)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(COUNTED) -o $@ $^ $(XENLIBS) $(LIBS) $(TESTLIBS) -lpthread

$(BUILD)/tests/unit-%: $(BUILD)/obj/tests/unit/test_%.o $(call obj,$(TEST_LIB_SRC)) $(LIB)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(COUNTED) -o $@ $^ $(XENLIBS) $(LIBS) $(TESTLIBS) -lpthread

# Looks into a crash record and repeats what killed the device model, on the simulator.
$(BUILD)/tests/replay: $(call obj,tests/replay.c hw/test/fault.c) $(LIB)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(XENLIBS) $(LIBS) -lpthread

$(BUILD)/tests/unit-fault: | $(BUILD)/tests/replay

# Clients of the test port: they know the program by its sockets only.
$(BUILD)/tests/qtest-%: $(BUILD)/obj/tests/qtest/test_%.o $(call obj,$(QTEST_LIB_SRC))
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(TESTLIBS)

tests: $(UNITTESTS) $(HWTESTS) $(BUILD)/tests/replay
qtests: $(QTESTS) $(PROGRAMS)

# One fuzz target per device; those with a main of their own are tests/fuzz/fuzz_*.c.
FUZZERS := $(DEVICES:%=$(BUILD)/fuzz/%) $(patsubst tests/fuzz/fuzz_%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
fuzz: $(FUZZERS)
fuzz-%:
	$(Q)./configure --builddir=build-fuzz --cc=clang --enable-fuzz --enable-asan --enable-ubsan >/dev/null
	$(Q)$(MAKE) --no-print-directory BUILD=build-fuzz build-fuzz/fuzz/$*
	build-fuzz/fuzz/$* $(ARGS)

$(BUILD)/fuzz/%: $(BUILD)/obj/tests/hw/%.o $(call obj,tests/fuzz/device.c $(TEST_LIB_SRC)) $(LIB)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(COUNTED) -fsanitize=fuzzer -o $@ $^ $(XENLIBS) $(LIBS) $(TESTLIBS) -lpthread
$(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(call obj,$(TEST_LIB_SRC)) $(LIB)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(COUNTED) -fsanitize=fuzzer -o $@ $^ $(XENLIBS) $(LIBS) $(TESTLIBS) -lpthread

$(BUILD)/compile_commands.json: Makefile $(BUILD)/config.mk $(LIB_SRC) hvmdm.c hvmdm-model.c hvmdm-replay.c | $(BUILD)/sandbox_filter.inc
	$(Q){ sep='['; for f in $(LIB_SRC) $(RULES_SRC) hvmdm.c hvmdm-model.c hvmdm-ctl.c hvmdm-replay.c $(wildcard tests/*.c tests/hw/*.c tests/unit/*.c tests/qtest/*.c tests/fuzz/*.c); do \
		printf '%s\n {"directory": "%s", "file": "%s", "command": "%s"}' "$$sep" "$(CURDIR)" "$$f" \
		'$(subst ",\",$(CC) $(CPPFLAGS) $(CFLAGS)) -c '"$$f"; sep=,; done; echo ']'; } > $@
	$(Q)ln -sf $(BUILD)/compile_commands.json compile_commands.json

# Builds that only the lab uses: with a device that breaks on request, and with another layout of the
# state, to upgrade to.
lab-variants:
	$(Q)./configure --builddir=build/variants/faults --enable-test-faults >/dev/null
	$(Q)$(MAKE) --no-print-directory BUILD=build/variants/faults programs
	$(Q)./configure --builddir=build/variants/layout2 --test-layout=2 >/dev/null
	$(Q)$(MAKE) --no-print-directory BUILD=build/variants/layout2 programs
programs: $(PROGRAMS)

check:
	$(Q)tests/check.sh
check-unit:
	$(Q)tests/check.sh unit
check-lab:
	$(Q)tests/check.sh lab $(LAB)
soak:
	$(Q)tests/check.sh soak
planted:
	$(Q)tests/planted/run.py $(ARGS)
fuzz-figures:
	$(Q)tests/fuzz/figures.py $(ARGS)
bench: all
	$(Q)tests/bench/run.sh
demo: deps
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/lab/demo.sh
lab: deps
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/lab/lab shell

FORMATTED = $(shell git ls-files '*.c' '*.h')
format:
	$(Q)clang-format -i $(FORMATTED)
lint: $(BUILD)/compile_commands.json
	$(Q)tests/lint/run.sh $(BUILD)

SBIN := $(filter-out %-model,$(PROGRAMS))
install: all
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/libexec/hvmdm $(DESTDIR)$(PREFIX)/share/man/man8
	install -m 755 $(SBIN) $(DESTDIR)$(PREFIX)/sbin/
	install -m 755 $(BUILD)/hvmdm-model $(DESTDIR)$(PREFIX)/libexec/hvmdm/
	ln -sf hvmdm-model $(DESTDIR)$(PREFIX)/libexec/hvmdm/hvmdm-system-i386
	ln -sf hvmdm-model $(DESTDIR)$(PREFIX)/libexec/hvmdm/hvmdm-system-x86_64
	install -m 644 $(SBIN:$(BUILD)/%=docs/%.8) $(DESTDIR)$(PREFIX)/share/man/man8/
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/sbin/hvmdm $(DESTDIR)$(PREFIX)/sbin/hvmdm-ctl \
		$(DESTDIR)$(PREFIX)/sbin/hvmdm-replay \
		$(DESTDIR)$(PREFIX)/libexec/hvmdm/hvmdm-model \
		$(DESTDIR)$(PREFIX)/libexec/hvmdm/hvmdm-system-i386 \
		$(DESTDIR)$(PREFIX)/libexec/hvmdm/hvmdm-system-x86_64 \
		$(DESTDIR)$(PREFIX)/share/man/man8/hvmdm.8 $(DESTDIR)$(PREFIX)/share/man/man8/hvmdm-ctl.8 \
		$(DESTDIR)$(PREFIX)/share/man/man8/hvmdm-replay.8
	[ ! -d $(DESTDIR)$(PREFIX)/libexec/hvmdm ] || \
		rmdir --ignore-fail-on-non-empty $(DESTDIR)$(PREFIX)/libexec/hvmdm

clean:
	rm -rf build build-* compile_commands.json

.SECONDARY:
-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
