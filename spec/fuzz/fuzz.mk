# libFuzzer's programs, one for each target.  They begin with the inputs of the
# repository, which stay as they are; what they find is below FUZZ.
FUZZ         = $(BUILD)/fuzz
FUZZ_SECONDS ?= 10
FUZZ_CORE    = url format container retry_after reply
FUZZ_SANDBOX = range target task form results weights
FUZZ_C       = $(FUZZ_CORE) $(FUZZ_SANDBOX) engine
# Programs in Lua, which take the seconds.
FUZZ_LUA     = $(patsubst spec/fuzz/%.lua,%,$(wildcard spec/fuzz/store.lua))
FUZZES       ?= $(FUZZ_C) $(FUZZ_LUA)
FUZZ_CC      = clang $(WARNINGS) -D_GNU_SOURCE -Icsrc -O2 -g -MMD -MP \
  -fno-omit-frame-pointer -fsanitize=address,undefined \
  -fno-sanitize-recover=undefined
# Small files come and go: where there is memory for them, not on the disk.
FUZZ_TMP     = $(shell [ -w /dev/shm ] && echo /dev/shm || echo /tmp)
FUZZ_RUN     = nice env TMPDIR=$(FUZZ_TMP) \
  ASAN_OPTIONS=allocator_may_return_null=1:quarantine_size_mb=4 \
  $(FUZZ)/$(1) $(FUZZ)/corpus/$(1) $(FUZZ)/seeds/$(1) -artifact_prefix=$(FUZZ)/$(1)- \
  -max_total_time=$(FUZZ_SECONDS) -timeout=25 -rss_limit_mb=3000 -print_final_stats=1

fuzz_objects = $(patsubst csrc/%.c,$(FUZZ)/obj/%.o,$(1))
$(FUZZ)/core.a: $(call fuzz_objects,$(wildcard csrc/core/*.c))
$(FUZZ)/sandbox.a: $(call fuzz_objects,$(filter-out $(addprefix csrc/sandbox/,\
  audio.c binding.c live.c metrics.c) csrc/binding/%,$(SANDBOX_C)))
$(FUZZ)/%.a:
	@rm -f $@
	@ar rcs $@ $^

# The engine computes far more than it decides: comparing is not worth tracing.
$(FUZZ)/obj/engine/%.o: FUZZ_CC += -fno-sanitize-coverage=trace-cmp
$(FUZZ)/obj/engine/weights.o: csrc/engine/weights.bin
$(FUZZ)/obj/engine/product.o: FUZZ_CC += -O3
$(FUZZ)/obj/%.o: csrc/%.c
	@mkdir -p $(@D)
	$(call quiet,CC)$(FUZZ_CC) -fsanitize=fuzzer-no-link $(CORE_CFLAGS) \
	  $(SANDBOX_CFLAGS) -c -o $@ $<
-include $(wildcard $(FUZZ)/obj/*/*.d $(FUZZ)/obj/*/*/*.d)

$(FUZZ_CORE:%=$(FUZZ)/%): $(FUZZ)/core.a
$(FUZZ)/retry_after $(FUZZ)/reply: spec/fuzz/received.c
$(FUZZ_SANDBOX:%=$(FUZZ)/%) $(FUZZ)/engine: $(FUZZ)/sandbox.a
$(FUZZ_SANDBOX:%=$(FUZZ)/%) $(FUZZ)/engine: LIBS = $(SANDBOX_LIBS)
$(FUZZ_C:%=$(FUZZ)/%): $(FUZZ)/%: spec/fuzz/%.c $(wildcard spec/fuzz/*.h)
	$(call quiet,LD)$(FUZZ_CC) -fsanitize=fuzzer -MF $@.d -o $@ \
	  $(filter spec/fuzz/%.c,$^) $(filter %.a,$^) $(CORE_LIBS) $(LIBS) -lpthread -lm

.PHONY: $(FUZZES:%=fuzz-%)
fuzz-engine: SEED = $(LUA) spec/fuzz/engine_corpus.lua
fuzz-%: SEED = $(LUA) spec/fuzz/corpus.lua unpack $*
$(FUZZ_C:%=fuzz-%): fuzz-%: $(FUZZ)/%
	@mkdir -p $(FUZZ)/corpus/$*
	@$(SEED) $(FUZZ)/seeds/$*
	$(call step,$(call FUZZ_RUN,$*) > $(FUZZ)/$*.log 2>&1 || \
	  { tail -n 60 $(FUZZ)/$*.log; false; })
$(FUZZ_LUA:%=fuzz-%): fuzz-%: all
	@mkdir -p $(FUZZ)
	$(call step,$(ENV_LUA) $(ENV_C) LUA=$(LUA) BUILD=$(BUILD) $(LUA) \
	  spec/fuzz/$*.lua $(FUZZ_SECONDS))
