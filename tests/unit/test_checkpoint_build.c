/* Missing digests are built by the checkpoint thread beside its jobs, a batch at a time. */
#include "engine/checkpoint.h"

#include "engine/base/alloc.h"
#include "engine/key_codec.h"
#include "tests/support/temp_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* More slots than one step finishes. */
enum { KEYS = DIGEST_BUILT_MAX + 20 };

struct fixture {
	struct temp_store temp;
	struct checkpoint *checkpoint;
	struct memtable *table;
};

static enum status on_sync(void *arg, uint64_t lsn)
{
	(void)arg;
	(void)lsn;
	return ST_OK;
}

static void on_notify(void *arg)
{
	(void)arg;
}

/* A key in each of KEYS slots, none of which has a digest. */
static void fill(struct store *s)
{
	struct meta m = {.type = TYPE_STRING, .form = FORM_INLINE};
	uint8_t raw[META_ENCODED_MAX];
	size_t len = meta_encode(&m, raw);
	struct store_txn *txn;

	assert_int_equal(store_txn_begin(s, &txn), ST_OK);
	for (uint16_t slot = 0; slot < KEYS; slot++) {
		struct slot_stat stat = {.keys = 1, .bytes = 1, .undigested = true};
		struct store_key key;

		store_key_of_key(&key, slice_str("key"));
		key.slot = slot;
		key.bytes[0] = (uint8_t)(slot >> 8);
		key.bytes[1] = (uint8_t)slot;
		assert_int_equal(store_txn_put(txn, store_key_slice(&key), slice_of(raw, len)),
				 ST_OK);
		assert_int_equal(store_txn_slot(txn, slot, &stat), ST_OK);
	}
	assert_int_equal(store_txn_commit(txn), ST_OK);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct checkpoint_options opts = {
	    .clock = clock_system(),
	    .chunk_bytes = 1 << 20,
	    .reclaim_max = 10,
	    .wal_sync = on_sync,
	    .notify = on_notify,
	    .arg = f,
	    .retry_ms = 5,
	};

	temp_store_create(&f->temp, (uint64_t)64 << 20);
	fill(f->temp.store);
	opts.store = f->temp.store;
	assert_int_equal(checkpoint_start(&opts, &f->checkpoint), ST_OK);
	assert_int_equal(memtable_create(1 << 20, 7, &f->table), ST_OK);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	checkpoint_stop(f->checkpoint);
	memtable_destroy(f->table);
	temp_store_destroy(&f->temp);
	free(f);
	return 0;
}

/* Waits for the next batch; 0: none comes. */
static uint32_t next_built(struct fixture *f, struct digest_built *built)
{
	uint32_t n = 0;

	for (int i = 0; i < 3000 && n == 0; i++) {
		n = checkpoint_take_built(f->checkpoint, built);
		(void)usleep(1000);
	}
	return n;
}

static void assert_all_built(struct fixture *f)
{
	struct digest_built built[DIGEST_BUILT_MAX];
	uint16_t at = 0;

	while (at < KEYS) {
		uint32_t n = next_built(f, built);

		assert_true(n > 0);
		for (uint32_t i = 0; i < n; i++) {
			assert_int_equal(built[i].slot, at++);
			assert_false(digest_eq(built[i].digest, (struct digest){0}));
		}
	}
}

static void slots_are_handed_over_in_batches(void **state)
{
	struct fixture *f = *state;

	checkpoint_build_digests(f->checkpoint);
	assert_all_built(f);
}

static void it_goes_on_once_a_job_has_been_taken(void **state)
{
	struct fixture *f = *state;
	struct checkpoint_job job = {.table = f->table, .lsn = 1, .next_id = 1};
	struct digest_built built[DIGEST_BUILT_MAX];
	struct checkpoint_slot_change *changes;
	uint32_t count;
	uint64_t release;

	job.history.count = 1;
	job.history.items[0].id = 1;
	checkpoint_submit(f->checkpoint, &job);
	for (int i = 0; i < 5000 && checkpoint_phase(f->checkpoint) != CHECKPOINT_DONE; i++) {
		(void)usleep(1000);
	}
	assert_int_equal(checkpoint_phase(f->checkpoint), CHECKPOINT_DONE);
	/* The counters that the executor has are those before the job: not now. */
	checkpoint_build_digests(f->checkpoint);
	(void)usleep(50000);
	assert_int_equal(checkpoint_take_built(f->checkpoint, built), 0);
	assert_true(checkpoint_take(f->checkpoint, &changes, &count, &release));
	mem_free(changes);
	assert_all_built(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(slots_are_handed_over_in_batches, setup, teardown),
	    cmocka_unit_test_setup_teardown(it_goes_on_once_a_job_has_been_taken, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
