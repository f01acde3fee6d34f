# Weir: flow measurement that another network can trust.  `make help` lists what can be made.
#
# One Makefile for the whole tree. Sources are found by folder, so a new file needs no line here.
# The walls: each room is compiled with only the -I that its place in the design allows, so an
# include across a wall does not compile; `make layers` proves the same of symbols.

BUILD    ?= build
CC       ?= cc
OPT      ?= -O2
SANITIZE ?=
WARN      = -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
CFLAGS   ?= $(OPT) -g
BASE      = -std=c11 -D_GNU_SOURCE -pthread -fno-strict-aliasing -MMD -MP
OWN       = $(BASE) $(WARN) $(CFLAGS) $(SANITIZE)
FOREIGN   = $(BASE) -w $(CFLAGS) $(SANITIZE)
PREFIX   ?= /usr/local
VERSION   = 0.1.0
JOBS     ?= $(shell nproc 2>/dev/null || echo 1)
# One line a file; make V=1 shows the commands.
say       = $(if $(V),,@echo "  $(1)  $(patsubst $(BUILD)/%,%,$@)";)
hush      = $(if $(V),,@)

# ---- what a Debian 12 machine needs; names of packages, nothing else --------------------------
BUILD_PACKAGES = gcc make pkg-config gsoap libgsoap-dev libpcap-dev libsqlite3-dev libxml2-dev \
                 libzstd-dev zlib1g-dev libjansson-dev libssl-dev
DEMO_PACKAGES  = softflowd tcpdump
CHECK_PACKAGES = $(DEMO_PACKAGES) libcunit1-dev python3 python3-zeep nfdump sqlite3 pmacct tshark \
                 binutils openssl
BENCH_PACKAGES = nfdump python3 libcunit1-dev

# ---- rooms ------------------------------------------------------------------------------------
find_c       = $(sort $(shell find $(1) -name '*.c' 2>/dev/null))
LIB_SRC      = $(call find_c,lib)
COLLECTOR_SRC= $(call find_c,collector)
SQLEXT_SRC   = $(call find_c,dbcomponent/sqlext)
DB_SRC       = $(filter-out $(SQLEXT_SRC),$(call find_c,dbcomponent))
SERVICES_SRC = $(call find_c,services)
WEIR_SRC     = $(call find_c,clients/weir)
GEN_SRC      = $(wildcard bench/weirgen*.c)
FUZZ_SRC     = $(filter-out tests/fuzz/replay.c,$(wildcard tests/fuzz/fuzz_*.c))

INC_lib         = -Ilib
INC_collector   = -Ilib -Icollector -Icollector/include
INC_dbcomponent = -Ilib -Idbcomponent -Idbcomponent/include
INC_services    = -Ilib -Iservices -Icollector/include -Idbcomponent/include -I$(BUILD)/soap
INC_clients     = -Ilib -Iclients -I$(BUILD)/soap
INC_bench       = -Ilib -Ibench
INC_tests       = -Ilib -Icollector -Icollector/include -Idbcomponent -Idbcomponent/include \
                  -Iservices -Iclients -Ibench -Itests -I$(BUILD)/soap

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
GENERATED_LIB = $(BUILD)/gen/ie_table.c
GENERATED_DB  = $(BUILD)/gen/migrations.c
GENERATED_SVC = $(BUILD)/gen/documents.c
LIB_OBJ       = $(call obj,$(LIB_SRC)) $(BUILD)/gen/ie_table.o
DB_OBJ        = $(call obj,$(DB_SRC)) $(BUILD)/gen/migrations.o

LIBS_lib  = -lzstd -lm
LIBS_db   = -lsqlite3 $(LIBS_lib)
LIBS_col  = -lpcap -lz $(LIBS_lib)
LIBS_soap = -lgsoap
LIBS_rooms = -lsqlite3 -lpcap -lz -lssl -lcrypto $(LIBS_lib)

PROGRAMS  = $(BUILD)/weird $(BUILD)/weir $(BUILD)/weirgen $(BUILD)/weir_flow.so
UNITS     = $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/*/test_*.c))
REPLAYS   = $(patsubst tests/fuzz/%.c,$(BUILD)/tests/fuzz/%,$(FUZZ_SRC))
FUZZERS   = $(patsubst tests/fuzz/%.c,$(BUILD)/fuzzers/%,$(FUZZ_SRC))

.PHONY: all programs units style demo demo-run run check check-run asan layers bench bench-100m bench-build install \
        clean help setup setup-build setup-demo setup-bench fuzz fuzzers
.DELETE_ON_ERROR:
.SECONDARY:

all: need-build                       ## build weird, weir, weirgen and weir_flow.so into build/
	@$(MAKE) --no-print-directory -j$(JOBS) programs
programs: $(PROGRAMS)
units: $(UNITS) $(REPLAYS)

# ---- set-up -----------------------------------------------------------------------------------
.PHONY: need-build
need-build:
	@sh tests/setup.sh need $(BUILD_PACKAGES)
setup-build:
	@sh tests/setup.sh install $(BUILD_PACKAGES)
setup-demo:
	@sh tests/setup.sh install $(BUILD_PACKAGES) $(DEMO_PACKAGES)
setup:                                ## install what build and tests need (apt-get; root or sudo)
	@sh tests/setup.sh install $(BUILD_PACKAGES) $(CHECK_PACKAGES)
setup-bench:
	@sh tests/setup.sh install $(BUILD_PACKAGES) $(BENCH_PACKAGES)

# ---- generated --------------------------------------------------------------------------------
IE_LISTS = lib/ie/ipfix-elements.csv lib/ie/ipfix-not-reversible.csv \
           lib/ie/ipfix-enterprise-elements.csv lib/ie/weir-elements.csv
$(BUILD)/gen/ie_table.c: lib/ie/ietable.awk $(IE_LISTS)
	@mkdir -p $(@D)
	LC_ALL=C awk -f lib/ie/ietable.awk $(IE_LISTS) > $@
$(BUILD)/gen/migrations.c: schemas/embed.awk $(sort $(wildcard schemas/sql/*.sql))
	@mkdir -p $(@D)
	LC_ALL=C awk -f schemas/embed.awk -v table=migrations $(sort $(wildcard schemas/sql/*.sql)) > $@
$(BUILD)/gen/documents.c: schemas/embed.awk $(sort $(wildcard wsdl/*.wsdl schemas/xsd/*.xsd))
	@mkdir -p $(@D)
	LC_ALL=C awk -f schemas/embed.awk -v table=documents $(sort $(wildcard wsdl/*.wsdl schemas/xsd/*.xsd)) > $@
$(BUILD)/gen/%.o: $(BUILD)/gen/%.c
	$(call say,CC)$(CC) $(OWN) -Ilib -Ischemas -c -o $@ $<

include services/soap.mk

# ---- compiling, a rule a room -----------------------------------------------------------------
define room_rule
$$(BUILD)/obj/$(1)/%.o: $(1)/%.c | $(3)
	@mkdir -p $$(@D)
	$$(call say,CC)$$(CC) $$(OWN) $$(INC_$(2)) -Ischemas $$(SOAP_FLAGS_$(2)) -c -o $$@ $$<
endef
$(eval $(call room_rule,lib,lib,))
$(eval $(call room_rule,collector,collector,))
$(eval $(call room_rule,dbcomponent,dbcomponent,))
$(eval $(call room_rule,services,services,$$(SOAP_HEADERS)))
$(eval $(call room_rule,clients,clients,$$(SOAP_HEADERS)))
$(eval $(call room_rule,bench,bench,))
$(eval $(call room_rule,tests,tests,$$(SOAP_HEADERS)))

# The two that say it; they are compiled anew when it changes.
VERSIONED = $(BUILD)/obj/services/weird_main.o $(BUILD)/obj/clients/weir/words.o
$(VERSIONED): OWN += -DWEIR_VERSION='"$(VERSION)"'
$(VERSIONED): Makefile

XML_CFLAGS = $(shell pkg-config --cflags libxml-2.0 2>/dev/null)
$(BUILD)/obj/clients/%.o: OWN += $(XML_CFLAGS)
$(BUILD)/obj/tests/%.o: OWN += $(XML_CFLAGS)

$(BUILD)/libweir.a: $(LIB_OBJ)
	@rm -f $@
	$(call say,AR)$(AR) rcs $@ $^
$(BUILD)/libcollector.a: $(call obj,$(COLLECTOR_SRC))
	@rm -f $@
	$(call say,AR)$(AR) rcs $@ $^
$(BUILD)/libdbcomponent.a: $(DB_OBJ)
	@rm -f $@
	$(call say,AR)$(AR) rcs $@ $^
# Services without their main, so that tests can link them.
$(BUILD)/libservices.a: $(filter-out %_main.o,$(call obj,$(SERVICES_SRC))) $(SOAP_SERVER_OBJ) $(BUILD)/gen/documents.o
	@rm -f $@
	$(call say,AR)$(AR) rcs $@ $^

ROOMS = $(BUILD)/libcollector.a $(BUILD)/libdbcomponent.a $(BUILD)/libweir.a
$(BUILD)/weird: $(BUILD)/obj/services/weird_main.o $(BUILD)/libservices.a $(ROOMS)
	$(call say,LD)$(CC) $(OWN) -o $@ $^ $(LIBS_soap) -ljansson $(LIBS_rooms)
$(BUILD)/weir: $(call obj,$(WEIR_SRC)) $(SOAP_CLIENT_OBJ) $(BUILD)/libweir.a
	$(call say,LD)$(CC) $(OWN) -o $@ $^ $(LIBS_soap) -lxml2 -ljansson $(LIBS_lib)
$(BUILD)/weirgen: $(call obj,$(GEN_SRC)) $(BUILD)/libweir.a
	$(call say,LD)$(CC) $(OWN) -o $@ $^ -lpcap $(LIBS_lib)

$(BUILD)/replay: $(BUILD)/obj/bench/replay.o $(BUILD)/libweir.a
	$(call say,LD)$(CC) $(OWN) -o $@ $^ $(LIBS_lib)
# Measures the collector's insides, so it sees them, unlike the rest of bench/.
$(BUILD)/obj/bench/decode_bench.o: INC_bench += $(INC_collector)
$(BUILD)/decode_bench: $(BUILD)/obj/bench/decode_bench.o $(BUILD)/libcollector.a $(BUILD)/libweir.a
	$(call say,LD)$(CC) $(OWN) -o $@ $^ -lssl -lcrypto $(LIBS_col)
$(BUILD)/soap_load: $(BUILD)/obj/bench/soap_load.o $(BUILD)/libweir.a
	$(call say,LD)$(CC) $(OWN) -o $@ $^ $(LIBS_lib)

# ---- the extension for SQLite: what it needs of lib and dbcomponent, once more as position-independent
# code that reaches SQLite through the program which loads it. Never sanitized: that program is not.
PIC_OBJ = $(patsubst %.c,$(BUILD)/pic/%.o,$(LIB_SRC) $(DB_SRC) $(SQLEXT_SRC)) \
          $(BUILD)/pic/gen/ie_table.o $(BUILD)/pic/gen/migrations.o
PIC     = $(BASE) $(WARN) $(CFLAGS) -fPIC -fvisibility=hidden -ffunction-sections \
          $(INC_dbcomponent) -Ischemas -include sqlext/redirect.h
$(BUILD)/pic/gen/%.o: $(BUILD)/gen/%.c
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(PIC) -c -o $@ $<
$(BUILD)/pic/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(PIC) -c -o $@ $<
$(BUILD)/weir_flow.so: $(PIC_OBJ)
	$(call say,LD)$(CC) $(BASE) $(CFLAGS) -shared -Wl,--gc-sections -Wl,-Bsymbolic -o $@ $^ $(LIBS_lib)

# ---- tests: a program a file, linked with its own room and lib only ---------------------------
$(BUILD)/tests/lib/%: $(BUILD)/obj/tests/lib/%.o $(BUILD)/libweir.a
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(OWN) -o $@ $^ -lcunit $(LIBS_lib)
$(BUILD)/tests/collector/%: $(BUILD)/obj/tests/collector/%.o $(BUILD)/libcollector.a $(BUILD)/libweir.a
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(OWN) -o $@ $^ $(BUILD)/libweir.a -lcunit -lssl -lcrypto $(LIBS_col)
# Its schedules are weirgen's.
$(BUILD)/tests/collector/test_schedules: $(filter-out %_main.o,$(call obj,$(GEN_SRC)))
$(BUILD)/tests/dbcomponent/%: $(BUILD)/obj/tests/dbcomponent/%.o $(BUILD)/libdbcomponent.a $(BUILD)/libweir.a
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(OWN) -o $@ $^ -lcunit $(LIBS_db)
$(BUILD)/tests/services/%: $(BUILD)/obj/tests/services/%.o $(BUILD)/libservices.a $(ROOMS)
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(OWN) -o $@ $^ -lcunit $(LIBS_soap) -ljansson $(LIBS_rooms)
$(BUILD)/tests/clients/%: $(BUILD)/obj/tests/clients/%.o \
                          $(filter-out %_main.o,$(call obj,$(WEIR_SRC))) $(SOAP_CLIENT_OBJ) $(BUILD)/libweir.a
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(OWN) -o $@ $^ -lcunit $(LIBS_soap) -lxml2 -ljansson $(LIBS_lib)
$(BUILD)/tests/bench/%: $(BUILD)/obj/tests/bench/%.o $(filter-out %_main.o,$(call obj,$(GEN_SRC))) $(BUILD)/libweir.a
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(OWN) -o $@ $^ -lcunit -lpcap $(LIBS_lib)
# Fuzz targets replay their corpus in `make check`; `make fuzzers` builds them for libFuzzer.
$(BUILD)/tests/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(BUILD)/obj/tests/fuzz/replay.o $(ROOMS)
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(OWN) -o $@ $^ $(BUILD)/libweir.a $(LIBS_rooms)
# A parser of the client's room; libweir.a stands once more on the command line, after it.
$(BUILD)/tests/fuzz/fuzz_http_answer $(BUILD)/fuzzers/fuzz_http_answer: $(BUILD)/obj/clients/weir/http_answer.o

fuzzers:                              ## build the fuzz targets with clang's libFuzzer into build/fuzz/fuzzers/
	@sh tests/setup.sh install clang libclang-rt-14-dev
	$(MAKE) BUILD=build/fuzz CC=clang OPT=-O1 fuzz-link \
	  SANITIZE="-fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined"
.PHONY: fuzz-link
fuzz-link: $(FUZZERS)
$(BUILD)/fuzzers/%: $(BUILD)/obj/tests/fuzz/%.o $(ROOMS)
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(OWN) -fsanitize=fuzzer -o $@ $^ $(BUILD)/libweir.a $(LIBS_rooms)

check:                                ## install what is needed, build, and run every test
	@$(MAKE) --no-print-directory setup
	@$(MAKE) --no-print-directory check-run
check-run:
	@$(MAKE) --no-print-directory -j$(JOBS) programs units
	@$(MAKE) --no-print-directory layers
	@BUILD=$(BUILD) sh tests/run.sh

asan:                                 ## the same under AddressSanitizer and UBSan, in build/asan
	@$(MAKE) --no-print-directory setup
	@$(MAKE) --no-print-directory BUILD=build/asan OPT="-O1" \
	  SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer" check-run

style:                                ## files, lines and functions that grew too long
	@sh tests/style.sh

layers: $(ROOMS)                      ## prove the walls: includes and symbols
	@BUILD=$(BUILD) sh tests/layers.sh

demo:                                 ## three points of presence, a lossy exporter, a matrix with its account
	@$(MAKE) --no-print-directory setup-demo
	@$(MAKE) --no-print-directory -j$(JOBS) programs
	@BUILD=$(BUILD) sh tests/demo.sh
run:                                  ## the same, and leave it running
	@$(MAKE) --no-print-directory setup-demo
	@$(MAKE) --no-print-directory -j$(JOBS) programs
	@BUILD=$(BUILD) sh tests/demo.sh --stay

bench:                                ## beside nfdump, DuckDB, ClickHouse and SQLite, in one run; about 25 minutes
	@$(MAKE) --no-print-directory bench-build
	@BUILD=$(BUILD) sh bench/bench.sh
bench-100m:                           ## sizes and questions of a hundred million flows
	@$(MAKE) --no-print-directory bench-build
	@BUILD=$(BUILD) sh bench/bench.sh scale
bench-build:
	@$(MAKE) --no-print-directory setup-bench
	@$(MAKE) --no-print-directory -j$(JOBS) programs
	@$(MAKE) --no-print-directory -j$(JOBS) $(BUILD)/decode_bench $(BUILD)/replay $(BUILD)/soap_load \
	    $(BUILD)/tests/dbcomponent/bench_year

install: all                          ## into PREFIX (/usr/local)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/weir
	install -d $(DESTDIR)$(PREFIX)/share/weir/wsdl $(DESTDIR)$(PREFIX)/share/weir/xsd
	install -m 755 $(BUILD)/weird $(BUILD)/weir $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(BUILD)/weir_flow.so $(DESTDIR)$(PREFIX)/lib/weir
	install -m 644 wsdl/*.wsdl $(DESTDIR)$(PREFIX)/share/weir/wsdl
	install -m 644 schemas/xsd/*.xsd $(DESTDIR)$(PREFIX)/share/weir/xsd

clean:                                ## remove build/
	rm -rf build

help:                                 ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
