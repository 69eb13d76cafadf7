# What checks camb beyond `make test`; part of the Makefile at the top, where
# its variables are explained.

# $(call step,COMMANDS): how long they took, and a verdict in one line, which
# .ci/run counts.
define step
	@start=$$(date +%s); if { $(1); }; then verdict=passed; \
	else verdict=failed; fi; \
	echo "$@ took $$(($$(date +%s) - start)) s"; echo "$@: $$verdict"; \
	[ $$verdict = passed ]
endef

LINTS = lint-luacheck lint-format lint-docs lint-gcc lint-clang lint-poll \
  lint-x87 lint-dead lint-calls
.PHONY: lint $(LINTS)
lint: check-deps ## Check Lua, formatting, docs; gcc and clang.
	@$(MAKE) --no-print-directory -k $(LINTS)

lint-luacheck:
	$(call step,luacheck -q lua examples spec)

C_FILES = $(wildcard csrc/*/*.[ch] csrc/*/*/*.[ch] spec/*/*.[ch])
lint-format:
	$(call step,clang-format --dry-run -Werror $(C_FILES))

lint-docs:
	$(call step,$(MAKE) --no-print-directory docs)

# A build in which warnings are errors; `make test-luas` does it for other Luas.
lint-gcc lint-clang: lint-%:
	$(call step,$(AGAIN) all bench-programs BUILD=$(BUILD)/lint/$* CC=$* \
	  EXTRA_CFLAGS=-Werror)
# The poller of last resort, which Linux never chooses by itself.
lint-poll:
	$(call step,$(CC) $(ALL_CFLAGS) -Werror -DCAMB_POLLER_POLL -fsyntax-only \
	  $(wildcard csrc/core/*.c))
# Floats of more digits than they have, as on a PC without SSE.
X87 = $(if $(filter x86_64,$(shell uname -m)),-mfpmath=387)
lint-x87:
	$(call step,gcc $(ALL_CFLAGS) -Werror $(X87) -fsyntax-only \
	  $(wildcard csrc/engine/*.c))
# No function of C without a caller: the linker says what it leaves out.
DEAD = $(BUILD)/lint/dead
lint-dead:
	@rm -rf $(DEAD)/lib; mkdir -p $(DEAD)
	$(call step,{ $(AGAIN) core sandbox BUILD=$(DEAD) \
	  CFLAGS="-O0 -ffunction-sections" \
	  LDFLAGS="-Wl$(comma)--gc-sections$(comma)--print-gc-sections" \
	  > $(DEAD)/log 2>&1 || { cat $(DEAD)/log; false; }; } && \
	  $(LUA) spec/support/dead.lua $(DEAD)/log)
# No function of Lua without a caller, and no circle of requires or includes.
lint-calls:
	$(call step,$(ENV_LUA) $(ENV_C) $(LUA) spec/support/calls.lua \
	  $(LUA_FILES) $(wildcard csrc/*/*.h csrc/*/*/*.h))
.PHONY: messages
messages: ## Print every text that camb says, with its place, for reading.
	@$(LUA) spec/support/messages.lua $(LUA_FILES) \
	  $(wildcard csrc/*/*.c csrc/*/*/*.c)

# For `make coverage`, which lines of Lua run is written down by specs under ASan,
# where the lines of C are counted as well.
COUNTS_LINES = $(filter coverage%,$(MAKECMDGOALS))
COVERED      = $(abspath $(BUILD))/coverage
COVERAGE_SO  = $(abspath $(BUILD))/coverage.so
COVERING     = COVERAGE=$(COVERED) \
  LUA_INIT_5_4="package.loadlib('$(COVERAGE_SO)', 'luaopen_coverage')()"

$(COVERAGE_SO): spec/support/coverage.c
	@mkdir -p $(@D)
	$(call quiet,LD)gcc $(WARNINGS) -D_GNU_SOURCE $(LUA_CFLAGS) -fPIC -shared \
	  -o $@ $<

# The sanitizers: an interpreter first in PATH that begins under one of them,
# so that Lua processes which specs start are checked as well.
ASAN     = $(BUILD)/sanitize$(if $(COUNTS_LINES),-coverage)
VALGRIND = $(BUILD)/valgrind
PRELOAD  = $(abspath $(BUILD)/preload.so)
TSAN     = $(BUILD)/tsan
ASAN_FLAGS = -fsanitize=address,undefined -fno-sanitize-recover=all
ASAN_RUN = env LD_PRELOAD=$$(gcc -print-file-name=libasan.so):$(PRELOAD)
TSAN_RUN = env LD_PRELOAD=$$(gcc -print-file-name=libtsan.so):$(PRELOAD)
VALGRIND_RUN = env LD_PRELOAD=$(PRELOAD) valgrind --quiet --error-exitcode=99 \
  --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite \
  --child-silent-after-fork=yes --vgdb=no

# $(call interpreter,FOLDER,COMMAND): make $(LUA) start by COMMAND there.
define interpreter
	@mkdir -p $(1)/bin
	@{ echo '#!/bin/sh'; \
	   echo "exec $(2) $$(command -v $(LUA)) \"\$$@\""; } > $(1)/bin/$(notdir $(LUA))
	@chmod +x $(1)/bin/$(notdir $(LUA))
endef

# Specs find in SANITIZER which one it is, where they measure what it changes,
# such as the memory of the process.  Some run in `make test` alone: #build,
# #slow, #kill, #page, and #timed, which holds an upper bound of time.  TSan runs
# what has threads.

# Specs of the C that all others call: what valgrind and a collector that never
# rests, which take minutes, have time for.
C_SPECS = $(wildcard $(patsubst %,spec/%_spec.lua,api cancel condition deadline \
  fault_matrix fork gathering hostile inherit json misuse partfile parts \
  resources sandbox sandbox_* stems tls wait watchdog))
SANITIZERS = sanitize-asan sanitize-valgrind sanitize-tsan
SLOW_LIMIT ?= 2700
VALGRIND_SPECS ?= $(C_SPECS)
TSAN_SPECS ?= $(wildcard spec/sandbox*_spec.lua) spec/faults_spec.lua \
  spec/live_page_spec.lua spec/step_spec.lua
.PHONY: sanitize $(SANITIZERS)
sanitize: check-deps ## Run the specs under ASan and UBSan, TSan, valgrind.
	@$(MAKE) --no-print-directory -k $(SANITIZERS)

$(PRELOAD): spec/support/preload.c
	@mkdir -p $(@D)
	$(call quiet,LD)gcc $(WARNINGS) -D_GNU_SOURCE -fPIC -shared -o $@ $<

# $(call sanitized,FOLDER,CFLAGS,FLAGS): build everything there.
sanitized = $(AGAIN) all bench-programs BUILD=$(1) CC=gcc CFLAGS="$(2)" \
  EXTRA_CFLAGS="$(3)"
# $(call checked,FOLDER,FILES,JOBS): run specs in that build, JOBS at a time.
checked = $(MAKE) --no-print-directory -j$(3) -k --output-sync=target BUILD=$(1) \
  LUA=$(notdir $(LUA)) FILE_LIMIT=$(SLOW_LIMIT) \
  EXCEPT="build timed slow kill page" \
  $(addprefix each-,$(call long-first,$(LONG),$(2)))

# ASan leaves out what only measures how stems sound, and what other Luas run.  It
# has the most files, which mostly wait, so it runs more at a time than the others.
NOT_ASAN   = $(patsubst %,spec/%_spec.lua,engine_net other_luas)
ASAN_SPECS = $(if $(filter spec,$(SPECS)),$(filter-out $(NOT_ASAN),$(FILES)),$(SPECS))
sanitize-asan: $(PRELOAD) $(COVERAGE_SO)
	$(call interpreter,$(ASAN),$(ASAN_RUN))
	$(call step,$(call sanitized,$(ASAN),-O1 -g -fno-omit-frame-pointer,\
	  $(ASAN_FLAGS) $(if $(COUNTS_LINES),--coverage)) && \
	  find $(ASAN) -name '*.gcda' -delete && \
	  SANITIZER=asan ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 \
	  UBSAN_OPTIONS=print_stacktrace=1 $(if $(COUNTS_LINES),$(COVERING)) \
	  $(call checked,$(ASAN),$(ASAN_SPECS),$$((3 * $(CORES)))))

sanitize-tsan: $(PRELOAD)
	$(call interpreter,$(TSAN),$(TSAN_RUN))
	$(call step,$(call sanitized,$(TSAN),-O1 -g,-fsanitize=thread) && \
	  SANITIZER=tsan TSAN_OPTIONS=halt_on_error=1:io_sync=0 \
	  $(call checked,$(TSAN),$(TSAN_SPECS),$(CORES)))

sanitize-valgrind: $(PRELOAD)
	$(call interpreter,$(VALGRIND),$(VALGRIND_RUN))
	$(call step,$(call sanitized,$(VALGRIND),-O2 -g,-DCAMB_WITHOUT_AVX2) && \
	  SANITIZER=valgrind \
	  $(call checked,$(VALGRIND),$(VALGRIND_SPECS),$(CORES)))

COVERAGES = coverage-csrc coverage-lua
.PHONY: coverage $(COVERAGES)
coverage: check-deps ## Run the specs under ASan and print what they cover.
	@rm -rf $(COVERED)
	+@$(AGAIN) -k $(COVERAGES)
coverage-csrc coverage-lua: sanitize-asan
coverage-csrc:
	$(call step,$(LUA) spec/support/coverage.lua c $(ASAN)/obj)
coverage-lua:
	$(call step,$(LUA) spec/support/coverage.lua lua $(COVERED) $(LUA_FILES))

-include spec/fuzz/fuzz.mk
.PHONY: fuzz
fuzz: check-deps ## Fuzz each of FUZZES for FUZZ_SECONDS (10).
	+@$(AGAIN) -k $(FUZZES:%=fuzz-%)

# The longest first, more of them at a time than there are processors: some wait
# more than they compute.  What is tagged #timed runs in `make test` alone, so these
# may run side by side; each has a folder of its own to build in.
CHECKS = $(SANITIZERS) test-luas $(LINTS) $(TORTURES) $(FUZZES:%=fuzz-%)
# What these have no time for; `make sanitize` has it all.  Under ASan: what the
# command and a batch say and keep, in one process after the other, whose C the
# other files run.  Under valgrind: what takes a minute each, mostly FFmpeg's and
# OpenSSL's.
UNHURRIED_ASAN = $(wildcard $(patsubst %,spec/%_spec.lua,archive batch_gone \
  batch_kill batch_postgres batch_store book breaker cli_* confirm control cure \
  doubt identity journal layout limits locale look own_store paid plan pooler \
  progress report roles status store store_* unfinished written))
UNHURRIED_VALGRIND = $(patsubst %,spec/%_spec.lua,parts sandbox_abuse \
  sandbox_tasks tls)
.PHONY: check
check: check-deps ## All of these but coverage, and test-luas, side by side.
	@$(AGAIN) all bench-programs $(SUPPORT_SO)
	@$(MAKE) --no-print-directory -k -j$$(($(CORES) + 2)) --output-sync=target \
	  ASAN_SPECS="$(filter-out $(UNHURRIED_ASAN) $(NOT_ASAN),$(FILES))" \
	  VALGRIND_SPECS="$(filter-out $(UNHURRIED_VALGRIND),$(C_SPECS))" $(CHECKS)

# Memory is refused: to a Lua state, to C and libcurl, to the sandbox; and the
# collector never rests.  TORTURE=all refuses every request once, in half an
# hour; otherwise it is every so manyth, in two minutes.
TORTURE  ?= some
TORTURED  = $(BUILD)/torture
TORTURES  = torture-lua torture-malloc torture-sandbox torture-collect \
  torture-gc
WRAPPED   = malloc calloc realloc free strdup strndup \
  $(shell sed -n 's/^LENT.[^,]*, \([A-Za-z0-9_]*\),.*/\1/p' \
  spec/torture/allocate.c) json_pack
comma     = ,
TORTURE_RUN = env $(ENV_LUA) LUA_CPATH="$(abspath $(TORTURED))/lib/$(notdir \
  $(LUA))/?.so;$${LUA_CPATH:-;}" ASAN_OPTIONS=detect_leaks=1 \
  LSAN_OPTIONS=suppressions=spec/torture/leaks.supp:print_suppressions=0 \
  $(TORTURED)/torture
GC_SPECS = $(patsubst %,spec/%_spec.lua,api client errors money scheduler stems)
.PHONY: torture torture-build $(TORTURES)
torture: check-deps ## Refuse memory everywhere; TORTURE=all for every request.
	@$(MAKE) --no-print-directory -k $(TORTURES)

torture-build:
	@$(AGAIN) core sandbox BUILD=$(TORTURED) CC=gcc \
	  CFLAGS="-O1 -g -fno-omit-frame-pointer" EXTRA_CFLAGS="$(ASAN_FLAGS)" \
	  LDFLAGS="$(patsubst %,-Wl$(comma)--wrap=%,$(WRAPPED))"
	@gcc $(WARNINGS) -D_GNU_SOURCE -O1 -g $(ASAN_FLAGS) -rdynamic \
	  $(LUA_CFLAGS) $(CORE_CFLAGS) $(SANDBOX_CFLAGS) -o $(TORTURED)/torture \
	  spec/torture/*.c $(shell pkg-config --libs $(LUA_PC)) $(CORE_LIBS) \
	  $(SANDBOX_LIBS)

torture-lua torture-malloc torture-collect: torture-%: torture-build
	$(call step,$(TORTURE_RUN) spec/torture/main.lua $* $(TORTURE))
torture-sandbox: torture-build
	$(call step,$(TORTURE_RUN) spec/torture/sandbox.lua $(TORTURE))
# Full collections where the main paths are; elsewhere the collector just never
# rests.  Nothing behind the sandbox's HTTP knows of Lua.
GC_FILES = $(filter-out $(GC_SPECS) spec/sandbox_%_spec.lua,$(C_SPECS) $(patsubst \
  %,spec/%_spec.lua,batch events faults limits loops step store submit))
torture-gc:
	$(call step,$(AGAIN) all bench-programs && CAMB_GC=1000 \
	  $(MAKE) --no-print-directory run-test FILE_LIMIT=$(SLOW_LIMIT) \
	  SPECS="--exclude-tags=timed $(GC_SPECS)" && CAMB_GC=always $(AGAIN) -k \
	  --output-sync=target FILE_LIMIT=$(SLOW_LIMIT) EXCEPT="build timed slow kill page" \
	  $(GC_FILES:spec/%_spec.lua=each-%))

# Programs that print figures.  A C program that needs more than libc says here
# what it is linked with.
BENCHES ?= $(wildcard spec/bench/*.lua)
BENCH_PROGRAMS = $(patsubst spec/bench/%.c,$(BUILD)/bench/%,$(wildcard spec/bench/*.c))
$(BUILD)/bench/engine: $(ENGINE_O)
$(BUILD)/bench/engine: LIBS = $(shell pkg-config --libs $(AV))
$(BUILD)/bench/floor: LIBS = $(CORE_LIBS)
$(BUILD)/bench/service: LIBS = $(shell pkg-config --libs libmicrohttpd)

$(BUILD)/bench/%: spec/bench/%.c
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(ALL_CFLAGS) -o $@ $^ $(LIBS) -lpthread -lm

# Jobs among faults by chance, for long; not a part of any other target.
SECONDS ?= 60
JOBS    ?= 200
SEED    ?=
.PHONY: soak
soak: test-deps ## Run JOBS jobs at a time for SECONDS under random faults.
	@$(AGAIN) all bench-programs $(SUPPORT_SO)
	@$(ENV_LUA) $(ENV_C) LUA=$(LUA) $(LUA) spec/soak/soak.lua $(SECONDS) \
	  $(JOBS) $(SEED)

# Workers of one store that are killed, stopped and cut off, in a quarter of an
# hour: WORDS are for each program, as its head says, such as seconds=600.
SOAKS ?= kills stopped namespaces away refused restart
WORDS ?=
.PHONY: soak-workers
soak-workers: test-deps ## Kill and cut off workers and their database; SOAKS=kills.
	@$(AGAIN) all
	@failed=; for soak in $(SOAKS); do echo "== $$soak"; \
	  $(ENV_LUA) $(ENV_C) LUA=$(LUA) BUILD=$(BUILD) $(LUA) \
	  spec/soak/workers/$$soak.lua $(WORDS) || failed="$$failed $$soak"; done; \
	[ -z "$$failed" ] || { echo "failed:$$failed"; false; }

# Programs that people script in Lua, from Debian; not a part of any other target.
HOSTS ?=
.PHONY: hosts
hosts: ## Run camb in other programs, each in a chroot (root); HOSTS=… for some.
	$(call install-packages,$(PACKAGES) $(LUA_PACKAGES) debootstrap)
	@$(AGAIN) all
	@BUILD=$(BUILD) spec/hosts/run.sh $(HOSTS)

# Recordings that spec/bench/separation mixes, 130 MB.  The network's weights
# are fitted to others.
BENCH_PACKAGES = asc-music asterisk-core-sounds-en-g722 csmash-demosong \
  csound-doc fillets-ng-data-nl gamine-data \
  gnome-shell-pomodoro-data sonic-pi-samples
WEIGHTS_PACKAGES = gcc libc6-dev ffmpeg python3-torch python3-scipy \
  python3-soundfile fluidsynth flite espeak-ng

.PHONY: weights
weights: ## Fit the engine's weights anew, in hours: into build/weights.
	$(call install-packages,$(WEIGHTS_PACKAGES))
	@WEIGHTS_DATA=$(abspath $(BUILD))/weights spec/bench/weights/weights.sh

.PHONY: bench bench-deps bench-programs run-bench
bench-deps:
	$(call install-packages,$(PACKAGES) $(TEST_PACKAGES) $(BENCH_PACKAGES))
bench: bench-deps ## Run every program of spec/bench; BENCHES=… for some.
	@$(AGAIN) all bench-programs
	@$(MAKE) --no-print-directory run-bench
bench-programs: $(BENCH_PROGRAMS)
run-bench:
	@for b in $(BENCHES); do echo "== $$b"; \
	  $(ENV_LUA) $(ENV_C) $(ENV_PATH) LUA=$(LUA) BUILD=$(BUILD) \
	  $(LUA) $$b || exit 1; done
