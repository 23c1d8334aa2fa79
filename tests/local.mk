# SPDX-License-Identifier: GPL-3.0-or-later
#
# Every test speaks TAP, so each line of it is counted in the summary.  Unit
# tests mirror app/: tests/base/test_buf.c holds app/base/buf.c.

tap_driver = env AM_TAP_AWK='$(AWK)' \
	$(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
LOG_DRIVER = $(tap_driver)
TEST_EXTENSIONS = .py
PY_LOG_DRIVER = $(tap_driver)
PY_LOG_COMPILER = $(PYTHON)

AM_TESTS_ENVIRONMENT = \
	export LIBRAPI_BUILD_DIR='$(abs_top_builddir)'; \
	export LIBRAPI_SOURCE_DIR='$(abs_top_srcdir)'; \
	export LIGHTTPD='$(LIGHTTPD)'; \
	export PYTHON='$(PYTHON)'; \
	export CLANG_FORMAT='$(CLANG_FORMAT)'; \
	export PYTHONDONTWRITEBYTECODE=1;

# The harness runs CUnit; contract.c is the suite that every engine passes.
# fault.c is not in here: it takes the place of functions of the C library, and
# belongs to the programs that make them fail.
%C%_libtests_a_SOURCES = \
	%D%/api/client.c \
	%D%/api/client.h \
	%D%/harness.c \
	%D%/harness.h \
	%D%/logged.c \
	%D%/logged.h \
	%D%/peer.c \
	%D%/peer.h \
	%D%/serving.c \
	%D%/serving.h \
	%D%/store/cases.h \
	%D%/store/contract.c \
	%D%/store/contract.h \
	%D%/store/contract_commit.c \
	%D%/store/contract_changes.c \
	%D%/store/contract_decide.c \
	%D%/store/contract_marks.c \
	%D%/store/contract_prefix.c \
	%D%/store/contract_read.c \
	%D%/store/contract_snapshot.c \
	%D%/store/gdbm/made.c \
	%D%/store/gdbm/made.h \
	%D%/store/gdbm/small.h \
	%D%/store/model.c \
	%D%/torture/dice.h \
	%D%/torture/frames.c \
	%D%/torture/frames.h \
	%D%/torture/kept.c \
	%D%/torture/kept.h \
	%D%/torture/lived.c \
	%D%/torture/lived.h \
	%D%/torture/others.c \
	%D%/torture/others.h \
	%D%/torture/seen.c \
	%D%/torture/seen.h

# Each is made of the one .c file of its name, unless it says otherwise below,
# and linked with LDADD.
unit_tests = \
	%D%/base/test_arena \
	%D%/base/test_base64 \
	%D%/base/test_buf \
	%D%/base/test_clock \
	%D%/base/test_conf \
	%D%/base/test_crc32c \
	%D%/base/test_err \
	%D%/base/test_file \
	%D%/base/test_folder \
	%D%/base/test_log \
	%D%/base/test_marks \
	%D%/base/test_notify \
	%D%/base/test_random \
	%D%/base/test_setting \
	%D%/base/test_sha256 \
	%D%/base/test_throttle \
	%D%/base/test_view \
	%D%/bolt/test_bolt \
	%D%/front/test_receiver \
	%D%/http/test_auth \
	%D%/http/test_date \
	%D%/http/test_etag \
	%D%/http/test_json \
	%D%/http/test_json_grammar \
	%D%/http/test_json_plain \
	%D%/http/test_json_tree \
	%D%/http/test_json_write \
	%D%/http/test_mediatype \
	%D%/http/test_merge_patch \
	%D%/http/test_problem \
	%D%/http/test_request \
	%D%/http/test_response \
	%D%/http/test_route \
	%D%/http/test_sse \
	%D%/http/test_stored \
	%D%/http/test_uri \
	%D%/http/test_utf8 \
	%D%/store/test_memory \
	%D%/store/test_memory_faults \
	%D%/store/test_record \
	%D%/store/gdbm/test_changes \
	%D%/store/gdbm/test_checkpoint \
	%D%/store/gdbm/test_durable \
	%D%/store/gdbm/test_engine \
	%D%/store/gdbm/test_hash \
	%D%/store/gdbm/test_journal \
	%D%/store/gdbm/test_keys \
	%D%/store/gdbm/test_manifest \
	%D%/store/gdbm/test_memtable \
	%D%/store/gdbm/test_prefix \
	%D%/store/gdbm/test_processes \
	%D%/store/gdbm/test_recent \
	%D%/store/gdbm/test_recovery \
	%D%/store/gdbm/test_reserve \
	%D%/store/gdbm/test_retain \
	%D%/store/gdbm/test_snapshot \
	%D%/store/gdbm/test_table \
	%D%/store/gdbm/test_table_faults \
	%D%/store/gdbm/test_tablecheck \
	%D%/store/gdbm/test_turn \
	%D%/api/test_about \
	%D%/api/test_access \
	%D%/api/test_bulk \
	%D%/api/test_condition \
	%D%/api/test_cors \
	%D%/api/test_entries \
	%D%/api/test_entry \
	%D%/api/test_failure \
	%D%/api/test_health \
	%D%/api/test_lines \
	%D%/api/test_memory \
	%D%/api/test_metrics \
	%D%/api/test_news \
	%D%/api/test_patch \
	%D%/api/test_permit \
	%D%/api/test_rollup \
	%D%/api/test_seed \
	%D%/api/test_serve \
	%D%/api/test_spool \
	%D%/api/test_transfer \
	%D%/api/test_txn \
	%D%/api/test_watch \
	%D%/torture/test_cuts \
	%D%/torture/test_damage \
	%D%/torture/test_faults \
	%D%/torture/test_faults_import \
	%D%/torture/test_faults_tables \
	%D%/torture/test_nasty \
	%D%/torture/test_struck \
	%D%/test_child \
	%D%/test_crew \
	%D%/test_exchange \
	%D%/test_fcgirecord \
	%D%/test_handout \
	%D%/test_harness \
	%D%/test_listener \
	%D%/test_pace \
	%D%/test_starter \
	%D%/test_stream \
	%D%/test_syncer \
	%D%/test_watcher \
	%D%/test_worker

%C%_base_test_arena_SOURCES = \
	%D%/base/test_arena.c \
	%D%/fault.c %D%/fault.h %D%/next.h
%C%_base_test_base64_SOURCES = \
	%D%/base/test_base64.c \
	%D%/fault.c %D%/fault.h %D%/next.h
%C%_base_test_buf_SOURCES = \
	%D%/base/test_buf.c \
	%D%/fault.c %D%/fault.h %D%/next.h
%C%_base_test_conf_SOURCES = \
	%D%/base/test_conf.c \
	%D%/fault.c %D%/fault.h %D%/next.h
%C%_base_test_file_SOURCES = \
	%D%/base/test_file.c \
	%D%/fault.c %D%/fault.h %D%/next.h
%C%_base_test_folder_SOURCES = \
	%D%/base/test_folder.c \
	%D%/fault.c %D%/fault.h %D%/next.h
%C%_front_test_receiver_SOURCES = \
	%D%/front/test_receiver.c \
	app/front/receiver.c app/front/receiver.h
%C%_http_test_json_tree_SOURCES = \
	%D%/http/test_json_tree.c \
	%D%/fault.c %D%/fault.h %D%/next.h
%C%_http_test_merge_patch_SOURCES = \
	%D%/http/test_merge_patch.c \
	%D%/fault.c %D%/fault.h %D%/next.h
%C%_http_test_stored_SOURCES = \
	%D%/http/test_stored.c \
	%D%/fault.c %D%/fault.h %D%/next.h
%C%_store_test_memory_faults_SOURCES = \
	%D%/store/test_memory_faults.c \
	%D%/fault.c %D%/fault.h %D%/next.h
%C%_store_gdbm_test_changes_SOURCES = \
	%D%/store/gdbm/test_changes.c \
	%D%/fault.c %D%/fault.h %D%/next.h
%C%_store_gdbm_test_manifest_SOURCES = \
	%D%/store/gdbm/test_manifest.c \
	%D%/fault.c %D%/fault.h %D%/next.h
%C%_store_gdbm_test_recent_SOURCES = \
	%D%/store/gdbm/test_recent.c \
	%D%/fault.c %D%/fault.h %D%/next.h
%C%_store_gdbm_test_recovery_SOURCES = \
	%D%/store/gdbm/test_recovery.c \
	%D%/fault.c %D%/fault.h %D%/next.h
%C%_store_gdbm_test_reserve_SOURCES = \
	%D%/store/gdbm/test_reserve.c \
	%D%/fault.c %D%/fault.h %D%/next.h
%C%_store_gdbm_test_retain_SOURCES = \
	%D%/store/gdbm/test_retain.c \
	%D%/fault.c %D%/fault.h %D%/next.h
%C%_store_gdbm_test_snapshot_SOURCES = \
	%D%/store/gdbm/test_snapshot.c \
	%D%/fault.c %D%/fault.h %D%/next.h
%C%_store_gdbm_test_table_faults_SOURCES = \
	%D%/store/gdbm/test_table_faults.c \
	%D%/fault.c %D%/fault.h %D%/next.h
%C%_api_test_access_SOURCES = \
	%D%/api/test_access.c \
	%D%/fault.c %D%/fault.h %D%/next.h
%C%_api_test_spool_SOURCES = \
	%D%/api/test_spool.c \
	%D%/fault.c %D%/fault.h %D%/next.h
%C%_api_test_transfer_SOURCES = \
	%D%/api/test_transfer.c \
	%D%/fault.c %D%/fault.h %D%/next.h
%C%_api_test_watch_SOURCES = \
	%D%/api/test_watch.c \
	%D%/fault.c %D%/fault.h %D%/next.h
%C%_test_exchange_SOURCES = \
	%D%/test_exchange.c \
	%D%/fault.c %D%/fault.h %D%/next.h
%C%_torture_test_cuts_SOURCES = \
	%D%/torture/compare.c \
	%D%/torture/disk.c \
	%D%/torture/disk.h \
	%D%/torture/ledger.c \
	%D%/torture/ledger.h \
	%D%/torture/operation.h \
	%D%/torture/test_cuts.c \
	%D%/torture/trace.c \
	%D%/torture/trace.h \
	%D%/next.h
every_call_struck = \
	%D%/torture/strike.c \
	%D%/torture/strike.h \
	%D%/fault.c %D%/fault.h %D%/next.h
%C%_torture_test_faults_SOURCES = $(every_call_struck) \
	%D%/torture/acked.c \
	%D%/torture/acked.h \
	%D%/torture/test_faults.c
%C%_torture_test_faults_import_SOURCES = $(every_call_struck) \
	%D%/torture/test_faults_import.c
%C%_torture_test_faults_tables_SOURCES = $(every_call_struck) \
	%D%/torture/acked.c \
	%D%/torture/acked.h \
	%D%/torture/test_faults_tables.c
%C%_torture_test_struck_SOURCES = \
	%D%/torture/test_struck.c \
	%D%/fault.c %D%/fault.h %D%/next.h
%C%_api_test_memory_SOURCES = \
	%D%/api/test_memory.c \
	%D%/fault.c %D%/fault.h %D%/next.h

LDADD = %D%/libfuzz.a %D%/libtests.a app/liblibrapi.a \
	$(CUNIT_LIBS) $(FCGI_LIBS) $(JSON_C_LIBS) $(GDBM_LIBS) $(NETTLE_LIBS) \
	$(FUZZER_LIBS)

end_to_end_tests = \
	%D%/e2e/test_abuse.py \
	%D%/e2e/test_access.py \
	%D%/e2e/test_checkpoint.py \
	%D%/e2e/test_cli.py \
	%D%/e2e/test_clock.py \
	%D%/e2e/test_concurrency.py \
	%D%/e2e/test_cors.py \
	%D%/e2e/test_damaged.py \
	%D%/e2e/test_docs.py \
	%D%/e2e/test_errors.py \
	%D%/e2e/test_full.py \
	%D%/e2e/test_host.py \
	%D%/e2e/test_http.py \
	%D%/e2e/test_import_bolt.py \
	%D%/e2e/test_keys.py \
	%D%/e2e/test_kill.py \
	%D%/e2e/test_listing.py \
	%D%/e2e/test_manual.py \
	%D%/e2e/test_metrics.py \
	%D%/e2e/test_misspoken.py \
	%D%/e2e/test_notify.py \
	%D%/e2e/test_roles.py \
	%D%/e2e/test_routes.py \
	%D%/e2e/test_options.py \
	%D%/e2e/test_patch.py \
	%D%/e2e/test_properties.py \
	%D%/e2e/test_seed.py \
	%D%/e2e/test_signals.py \
	%D%/e2e/test_slow_disk.py \
	%D%/e2e/test_start.py \
	%D%/e2e/test_stopped.py \
	%D%/e2e/test_stored.py \
	%D%/e2e/test_stored_fresh.py \
	%D%/e2e/test_stored_load.py \
	%D%/e2e/test_tls.py \
	%D%/e2e/test_transfer.py \
	%D%/e2e/test_txn.py \
	%D%/e2e/test_unsynced.py \
	%D%/e2e/test_watch.py \
	%D%/linear/test_checker.py \
	%D%/linear/test_linear.py \
	%D%/kube/test_settings.py
# Looks at what all of those have exercised.
contract_test = %D%/e2e/test_contract.py
%D%/e2e/test_contract.log: $(end_to_end_tests:.py=.log)

clean-local: clean-contract
.PHONY: clean-contract
clean-contract:
	rm -rf %D%/contract %D%/hypothesis

lint_tests = \
	%D%/lint/format.py \
	%D%/lint/layers.py \
	%D%/lint/sources.py

# Not a part of make check, but of make check-containers.
container_tests = \
	%D%/container/test_image.py \
	%D%/container/test_pod.py

# ... and of make check-kube.
kube_tests = \
	%D%/kube/test_chart.py \
	%D%/kube/test_mk8s.py \
	%D%/kube/test_secret.py

python_helpers = \
	%D%/container/container.py \
	%D%/kube/kube.py \
	%D%/browser/swagger_ui.py \
	%D%/e2e/abuse.py \
	%D%/e2e/connection.py \
	%D%/e2e/contract.py \
	%D%/e2e/disk.py \
	%D%/e2e/librapi.py \
	%D%/e2e/metrics.py \
	%D%/e2e/stored.py \
	%D%/e2e/stream.py \
	%D%/e2e/syscalls.py \
	%D%/e2e/tap.py \
	%D%/e2e/vitals.py \
	%D%/fuzz/run.py \
	%D%/fuzz/seeds.py \
	%D%/linear/checker.py \
	%D%/linear/clients.py \
	%D%/linear/faults.py \
	%D%/linear/history.py \
	%D%/linear/shrink.py \
	%D%/lint/lint.py \
	%D%/mutants/run.py \
	%D%/prometheus/scrape.py \
	%D%/torture/kill_storm.py \
	%D%/torture/power_cuts.py

dist_check_SCRIPTS = $(lint_tests) $(end_to_end_tests) $(contract_test)
EXTRA_DIST += $(python_helpers) $(container_tests) $(kube_tests) %D%/host/bare_host \
	%D%/kube/package-lock.json \
	%D%/kube/package.json \
	%D%/kube/validate.mjs

# Each is its one .c file.  The main() in libfuzz.a replays the corpus; where
# libFuzzer is linked it brings its own, and that one is left out.
fuzz_targets = \
	%D%/fuzz/fuzz_access \
	%D%/fuzz/fuzz_api \
	%D%/fuzz/fuzz_bolt \
	%D%/fuzz/fuzz_conf \
	%D%/fuzz/fuzz_fastcgi \
	%D%/fuzz/fuzz_http \
	%D%/fuzz/fuzz_journal \
	%D%/fuzz/fuzz_json \
	%D%/fuzz/fuzz_keys \
	%D%/fuzz/fuzz_lines \
	%D%/fuzz/fuzz_manifest \
	%D%/fuzz/fuzz_patch \
	%D%/fuzz/fuzz_record \
	%D%/fuzz/fuzz_table
%C%_libfuzz_a_SOURCES = \
	%D%/fuzz/fuzz.c \
	%D%/fuzz/fuzz.h \
	%D%/fuzz/replay.c
EXTRA_DIST += %D%/fuzz/corpus %D%/fuzz/leaks.supp

# BoltDB's own files, and the program that made them.
EXTRA_DIST += \
	%D%/bolt/large.db \
	%D%/bolt/make.go \
	%D%/bolt/small.db

# Preloaded, these make the wall clock jump, and the disk slow or fail.  No
# libtool for them.
preloaded = %D%/e2e/clock_shift.so %D%/e2e/bad_disk.so
build_preloaded = $(AM_V_GEN)$(MKDIR_P) $(@D) && \
	$(CC) -D_GNU_SOURCE $(CFLAGS) -shared -fPIC -o $@
%D%/e2e/clock_shift.so: %D%/e2e/clock_shift.c Makefile
	$(build_preloaded) $(srcdir)/%D%/e2e/clock_shift.c
%D%/e2e/bad_disk.so: %D%/e2e/bad_disk.c Makefile
	$(build_preloaded) $(srcdir)/%D%/e2e/bad_disk.c
EXTRA_DIST += %D%/e2e/clock_shift.c %D%/e2e/bad_disk.c
CLEANFILES += $(preloaded)

if TESTS_POSSIBLE
check_DATA = $(preloaded)
check_LIBRARIES += %D%/libfuzz.a %D%/libtests.a
check_PROGRAMS += $(unit_tests) $(fuzz_targets)
TESTS = $(lint_tests) $(unit_tests) $(fuzz_targets) $(end_to_end_tests)
else
# Loudly: a suite that is passed over must not look like one that passed.
check-local:
	@echo 'make check needs $(check_missing); install that (./autogen.sh' \
		'--deps does) and run ./configure again' >&2
	@exit 1
endif

# Power cuts on real file systems, for root.
EXTRA_PROGRAMS = %D%/torture/plug
CLEANFILES += %D%/torture/plug
%C%_torture_plug_SOURCES = \
	%D%/torture/compare.c \
	%D%/torture/ledger.c \
	%D%/torture/plug.c
%C%_torture_plug_LDADD = app/liblibrapi.a $(GDBM_LIBS) $(JSON_C_LIBS)
run_power_cuts = $(AM_TESTS_ENVIRONMENT) unshare --mount \
	$(PYTHON) $(srcdir)/%D%/torture/power_cuts.py
CUTS = 102

.PHONY: power-cuts
power-cuts: %D%/torture/plug
	$(run_power_cuts) --cuts=$(CUTS)

# Processes killed under load, through lighttpd.
run_kill_storm = $(AM_TESTS_ENVIRONMENT) \
	$(PYTHON) $(srcdir)/%D%/torture/kill_storm.py
KILLS = 200

.PHONY: kill-storm
kill-storm: all
	$(run_kill_storm) --kills=$(KILLS)

# The long forms, minutes each; not part of make check.
.PHONY: torture
torture: all %D%/torture/plug %D%/torture/test_cuts %D%/torture/test_damage \
		%D%/torture/test_faults %D%/torture/test_faults_import \
		%D%/torture/test_faults_tables %D%/torture/test_nasty
	LIBRAPI_TORTURE=1 %D%/torture/test_damage
	LIBRAPI_TORTURE=1 %D%/torture/test_faults
	LIBRAPI_TORTURE=1 %D%/torture/test_faults_import
	LIBRAPI_TORTURE=1 %D%/torture/test_faults_tables
	LIBRAPI_TORTURE=1 %D%/torture/test_nasty
	LIBRAPI_TORTURE=1 %D%/torture/test_cuts
	if [ "$$(id -u)" = 0 ]; then $(run_power_cuts) --cuts=1000; \
		else echo 'make power-cuts needs root: left out' >&2; fi
	$(run_kill_storm) --kills=2000
	$(AM_TESTS_ENVIRONMENT) \
	for test in e2e/test_abuse e2e/test_damaged e2e/test_misspoken \
			linear/test_linear; do \
		LIBRAPI_TORTURE=1 $(PYTHON) $(srcdir)/%D%/$$test.py || exit 1; \
	done

# Histories that have no order, kept by test_linear.py.
clean-local: clean-linear
.PHONY: clean-linear
clean-linear:
	rm -f %D%/linear/history-*.jsonl

# For SOAK_MINUTES under mixed load and kills; what it prints over time is in
# soak.tsv as well.
SOAK_MINUTES = 20

.PHONY: soak
soak: all
	$(AM_TESTS_ENVIRONMENT) $(PYTHON) $(srcdir)/%D%/torture/soak.py \
		--minutes=$(SOAK_MINUTES) --out=soak.tsv $(SOAK_ARGS)
EXTRA_DIST += %D%/torture/soak.py %D%/torture/soak_load.py
CLEANFILES += soak.tsv

# make bench: not part of make check, and not built by make all.
bench_programs = %D%/bench/null %D%/bench/store_alone
EXTRA_PROGRAMS += $(bench_programs)
%C%_bench_null_SOURCES = %D%/bench/null.c
%C%_bench_null_LDADD = $(FCGI_LIBS)
%C%_bench_store_alone_SOURCES = %D%/bench/store_alone.c
%C%_bench_store_alone_LDADD = app/liblibrapi.a $(GDBM_LIBS) $(JSON_C_LIBS)
CLEANFILES += $(bench_programs) %D%/bench/bolt-server
EXTRA_DIST += \
	%D%/bench/bench.py \
	%D%/bench/bolt/main.go \
	%D%/bench/kv.lua \
	%D%/bench/load.py \
	%D%/bench/peers.py \
	%D%/bench/report.py \
	%D%/bench/special.py

bench_packages = wrk gnuplot-nox golang-go golang-github-boltdb-bolt-dev \
	etcd-server redis-server webdis
run_bench = $(AM_TESTS_ENVIRONMENT) $(PYTHON) $(srcdir)/%D%/bench/bench.py

.PHONY: bench bench-quick bench-deps
bench: all $(bench_programs)
	$(run_bench) --out=bench $(BENCH_ARGS)

# The same ratios from a smaller run, in less than three minutes.
bench-quick: all $(bench_programs)
	$(run_bench) --quick --out=bench $(BENCH_ARGS)

# Debian would start servers of its own with the packages: nobody asked for.
bench-deps:
	@as_root=; [ "$$(id -u)" = 0 ] || as_root=sudo; \
	for service in etcd redis-server webdis; do \
		dpkg-query -W $$service >/dev/null 2>&1 || \
			absent="$$absent $$service"; \
	done; \
	$$as_root apt-get -q update; \
	$$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y \
		--no-install-recommends $(bench_packages) && \
	if [ -d /run/systemd/system ] && [ "$$absent" ]; then \
		$$as_root systemctl disable --now etcd redis-server webdis; \
	fi

clean-local: clean-bench
.PHONY: clean-bench
clean-bench:
	rm -rf bench

# make fuzz: each target for so many seconds, with libFuzzer, in a copy of the
# sources and a build of its own, as for make coverage.  What it finds of new
# inputs is kept in fuzz/found for the next run, which begins with them.
FUZZ_CC = clang
FUZZ_SECONDS = 60
FUZZ_TARGETS =

# What runs in there.
.PHONY: fuzz-run
fuzz-run: $(fuzz_targets)
	$(PYTHON) $(srcdir)/%D%/fuzz/run.py --seconds=$(FUZZ_SECONDS) \
		--found=.. --corpus=$(srcdir)/%D%/fuzz/corpus \
		$(fuzz_targets) --only $(FUZZ_TARGETS)

.PHONY: fuzz
fuzz: distdir
	rm -rf fuzz/source fuzz/build && mkdir -p fuzz/build
	mv $(distdir) fuzz/source
	cd fuzz/build && ../source/configure --enable-fuzzing CC='$(FUZZ_CC)' \
		CFLAGS='-g -O1' >configure.log
	$(MAKE) -C fuzz/build fuzz-run FUZZ_SECONDS='$(FUZZ_SECONDS)' \
		FUZZ_TARGETS='$(FUZZ_TARGETS)'

clean-local: clean-fuzz
.PHONY: clean-fuzz
clean-fuzz:
	rm -rf fuzz

# make mutants: builds that break a promise on purpose, and the tests that have
# to notice, in a copy of the sources and a build of its own.
MUTANTS =

.PHONY: mutants
mutants: distdir
	rm -rf mutants && mkdir -p mutants/build
	mv $(distdir) mutants/source && chmod -R u+w mutants/source
	cd mutants/build && ../source/configure CC='$(CC)' CFLAGS='-g -O1' \
		>configure.log
	$(AM_TESTS_ENVIRONMENT) $(PYTHON) $(srcdir)/%D%/mutants/run.py \
		--source=mutants/source --build=mutants/build --make='$(MAKE)' \
		$(MUTANTS)

EXTRA_DIST += %D%/mutants

clean-local: clean-mutants
.PHONY: clean-mutants
clean-mutants:
	rm -rf mutants
