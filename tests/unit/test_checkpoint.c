/* The checkpoint: order of sync, mark and state; counters that always fit the records; dead
 * collections; failures. */
#include "engine/checkpoint.h"

#include "engine/base/alloc.h"
#include "engine/base/rng.h"
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

enum { MAP = 256 << 20, SEED = 7, WAIT_MS = 60000 /* far more than a thread needs */ };

struct fixture {
	struct temp_store temp;
	struct checkpoint *checkpoint;
	struct memtable *table;
	uint64_t lsn;
	/* What the callbacks saw and are to say. */
	_Atomic uint64_t synced;
	_Atomic int sync_calls, sync_fails;
	enum status sync_status;
	bool verify_chunks;
	_Atomic int notified;
	uint64_t before_lsn;
};

static enum status on_sync(void *arg, uint64_t lsn)
{
	struct fixture *f = arg;

	atomic_fetch_add(&f->sync_calls, 1);
	if (atomic_load(&f->sync_fails) > 0) {
		atomic_fetch_sub(&f->sync_fails, 1);
		return f->sync_status;
	}
	atomic_store(&f->synced, lsn);
	return ST_OK;
}

static struct store_state state_now(struct store *s)
{
	struct store_reader *r;
	struct store_state state;

	assert_int_equal(store_reader_open(s, &r), ST_OK);
	assert_int_equal(store_reader_state(r, &state), ST_OK);
	store_reader_close(r);
	return state;
}

static void on_notify(void *arg)
{
	struct fixture *f = arg;

	if (f->verify_chunks) {
		struct store_state state = state_now(f->temp.store);

		(void)temp_store_verify(f->temp.store);
		/* Nothing is committed before the log is safe, and the mark goes first. */
		assert_true(state.drain_lsn <= atomic_load(&f->synced));
		assert_true(state.checkpoint_lsn == f->before_lsn ||
			    state.checkpoint_lsn == f->lsn);
		assert_true(state.drain_lsn == f->lsn || state.drain_lsn == f->before_lsn);
	}
	atomic_fetch_add(&f->notified, 1);
}

static void start(struct fixture *f, uint64_t chunk_bytes, uint32_t reclaim_max)
{
	struct checkpoint_options opts = {
	    .store = f->temp.store,
	    .clock = clock_system(),
	    .chunk_bytes = chunk_bytes,
	    .reclaim_max = reclaim_max,
	    .wal_sync = on_sync,
	    .notify = on_notify,
	    .arg = f,
	    .retry_ms = 5,
	};

	assert_int_equal(checkpoint_start(&opts, &f->checkpoint), ST_OK);
}

static void fresh_table(struct fixture *f)
{
	memtable_destroy(f->table);
	assert_int_equal(memtable_create(1 << 20, SEED, &f->table), ST_OK);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	temp_store_create(&f->temp, MAP);
	fresh_table(f);
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

static struct mt_entry *entry(struct fixture *f, const struct store_key *key, uint8_t flags)
{
	struct slice bytes = store_key_slice(key);
	struct mt_entry *e;

	assert_int_equal(memtable_upsert(f->table, bytes, memtable_hash(bytes, SEED), &e), ST_OK);
	e->flags = flags;
	e->lsn = ++f->lsn;
	return e;
}

static void put_meta(struct fixture *f, const char *name, const struct meta *m, const char *payload,
		     uint8_t flags)
{
	struct store_key key;
	uint8_t head[META_ENCODED_MAX], len[4];
	struct slice parts[4];
	size_t n = 0;
	struct mt_entry *e;

	store_key_of_key(&key, slice_str(name));
	e = entry(f, &key, flags);
	if (store_key_is_long(store_key_slice(&key))) {
		uint32_t name_len = (uint32_t)strlen(name);

		memcpy(len, &name_len, sizeof len);
		parts[n++] = slice_of(len, sizeof len);
		parts[n++] = slice_str(name);
	}
	parts[n++] = slice_of(head, meta_encode(m, head));
	parts[n++] = slice_str(payload);
	assert_int_equal(memtable_store(f->table, e, parts, n), ST_OK);
}

static void put_string(struct fixture *f, const char *name, const char *value, uint64_t expire,
		       uint8_t flags)
{
	struct meta m = {.type = TYPE_STRING, .form = FORM_INLINE, .expire_at_ms = expire};

	put_meta(f, name, &m, value, flags);
}

static void put_large(struct fixture *f, const char *name, uint64_t id)
{
	struct meta m = {.type = TYPE_HASH, .form = FORM_LARGE, .id = id, .count = 1};

	put_meta(f, name, &m, "", 0);
}

static void del_key(struct fixture *f, const char *name, uint8_t flags)
{
	struct store_key key;

	store_key_of_key(&key, slice_str(name));
	(void)entry(f, &key, (uint8_t)(MT_TOMBSTONE | flags));
}

static void put_field(struct fixture *f, const char *of, uint64_t id, const char *field,
		      const char *value)
{
	struct store_key key;
	struct slice part = slice_str(value);

	store_key_of_field(&key, keyslot(slice_str(of)), id, slice_str(field));
	assert_int_equal(memtable_store(f->table, entry(f, &key, 0), &part, 1), ST_OK);
}

static void drop(struct fixture *f, const char *of, uint64_t id)
{
	struct store_key key;
	struct slice part = slice_of(NULL, 0);

	store_key_of_garbage(&key, keyslot(slice_str(of)), id);
	assert_int_equal(memtable_store(f->table, entry(f, &key, 0), &part, 1), ST_OK);
}

static void submit(struct fixture *f)
{
	struct checkpoint_job job = {.table = f->table, .lsn = f->lsn, .next_id = f->lsn + 100};

	job.history.count = 1;
	job.history.items[0].id = f->lsn;
	checkpoint_submit(f->checkpoint, &job);
}

static enum checkpoint_phase wait_phase(struct fixture *f, enum checkpoint_phase phase)
{
	for (int i = 0; i < WAIT_MS && checkpoint_phase(f->checkpoint) != phase; i++) {
		(void)usleep(1000);
	}
	return checkpoint_phase(f->checkpoint);
}

static uint64_t take(struct fixture *f)
{
	struct checkpoint_slot_change *changes;
	uint32_t count;
	uint64_t release;

	assert_true(checkpoint_take(f->checkpoint, &changes, &count, &release));
	mem_free(changes);
	return release;
}

/* The phase turns to done before the last transaction's notification is sent: waits for it. */
static void wait_notified(struct fixture *f)
{
	struct checkpoint_stats stats;

	checkpoint_stats(f->checkpoint, &stats);
	for (int i = 0; i < WAIT_MS && (uint64_t)atomic_load(&f->notified) < stats.chunks; i++) {
		(void)usleep(1000);
	}
	assert_true((uint64_t)atomic_load(&f->notified) >= stats.chunks);
}

/* Drains the table, takes the result and begins a new table. Returns the LSN to release. */
static uint64_t drain(struct fixture *f)
{
	uint64_t release;

	submit(f);
	assert_int_equal(wait_phase(f, CHECKPOINT_DONE), CHECKPOINT_DONE);
	if (f->verify_chunks) {
		wait_notified(f); /* it reads what changes below */
	}
	release = take(f);
	f->before_lsn = f->lsn;
	fresh_table(f);
	return release;
}

static void wait_reclaimed(struct fixture *f)
{
	struct checkpoint_stats stats;

	for (int i = 0; i < WAIT_MS; i++) {
		checkpoint_stats(f->checkpoint, &stats);
		if (stats.reclaim_pending == 0) {
			break;
		}
		(void)usleep(1000);
	}
	assert_int_equal(stats.reclaim_pending, 0);
}

static enum status get_key(struct fixture *f, const char *name, char *dst, size_t cap)
{
	struct store_reader *r;
	struct store_key key;
	struct slice stored, whole, value;
	struct meta m;
	enum status st;

	store_key_of_key(&key, slice_str(name));
	assert_int_equal(store_reader_open(f->temp.store, &r), ST_OK);
	st = store_get(r, store_key_slice(&key), &stored);
	if (st == ST_OK) {
		assert_int_equal(stored_split(store_key_slice(&key), stored, &whole, &value),
				 ST_OK);
		assert_true(slice_eq(whole, slice_str(name)));
		assert_int_equal(meta_decode(value, &m), ST_OK);
		(void)snprintf(dst, cap, "%.*s", (int)m.payload.len, (const char *)m.payload.data);
	}
	store_reader_close(r);
	return st;
}

static void expect(struct fixture *f, const char *name, const char *value)
{
	char got[64] = "";

	assert_int_equal(get_key(f, name, got, sizeof got), value == NULL ? ST_NOT_FOUND : ST_OK);
	assert_string_equal(got, value == NULL ? "" : value);
}

static void a_drain_moves_the_table_into_the_store(void **state)
{
	struct fixture *f = *state;
	struct store_state s;
	struct checkpoint_stats stats;

	start(f, 64 << 20, 100);
	put_string(f, "a", "1", 0, 0);
	put_string(f, "b", "2", 5000, 0);
	put_string(f, "gone", "x", 7000, 0);
	assert_int_equal(drain(f), 0);
	assert_int_equal(temp_store_verify(f->temp.store), 3);
	put_string(f, "b", "two", 6000, 0);
	del_key(f, "gone", 0);
	del_key(f, "never", 0);
	put_string(f, "undone", "x", 0, MT_ABSENT);
	assert_int_equal(drain(f), 3); /* the log is kept back to the checkpoint before */
	assert_int_equal(temp_store_verify(f->temp.store), 2);
	expect(f, "a", "1");
	expect(f, "b", "two");
	expect(f, "gone", NULL);
	expect(f, "undone", NULL);
	s = state_now(f->temp.store);
	assert_int_equal(s.checkpoint_lsn, 7);
	assert_int_equal(s.drain_lsn, 7);
	assert_int_equal(s.previous_checkpoint_lsn, 3);
	assert_int_equal(s.next_id, 107);
	assert_int_equal(s.history.count, 1);
	assert_int_equal(s.history.items[0].id, 7);
	checkpoint_stats(f->checkpoint, &stats);
	assert_int_equal(stats.drains, 2);
	assert_int_equal(stats.last_error, ST_OK);
	assert_int_equal(atomic_load(&f->synced), 7);
}

static void changed_counters_are_handed_over(void **state)
{
	struct fixture *f = *state;
	struct checkpoint_slot_change *changes;
	uint32_t count;
	uint64_t release;

	start(f, 1, 100);
	put_string(f, "a", "1", 0, 0);
	put_string(f, "b", "2", 9, 0);
	submit(f);
	assert_int_equal(wait_phase(f, CHECKPOINT_DONE), CHECKPOINT_DONE);
	assert_true(checkpoint_take(f->checkpoint, &changes, &count, &release));
	assert_int_equal(count, 2);
	for (uint32_t i = 0; i < count; i++) {
		bool b = changes[i].slot == keyslot(slice_str("b"));

		assert_true(b || changes[i].slot == keyslot(slice_str("a")));
		assert_int_equal(changes[i].stat.keys, 1);
		assert_int_equal(changes[i].stat.expires, b);
	}
	mem_free(changes);
	assert_int_equal(checkpoint_phase(f->checkpoint), CHECKPOINT_IDLE);
}

static void every_commit_on_the_way_is_consistent(void **state)
{
	struct fixture *f = *state;
	struct checkpoint_stats stats;
	char name[32];

	f->verify_chunks = true;
	start(f, 1, 100); /* one entry per transaction */
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 60; i++) {
			/* Few slots, so that one slot takes several transactions. */
			(void)snprintf(name, sizeof name, "{%d}%d", i % 5, i);
			if (round == 1 && i % 3 == 0) {
				del_key(f, name, 0);
			} else {
				put_string(f, name, "value", (uint64_t)(i % 2) * 1000, 0);
			}
		}
		(void)drain(f);
	}
	checkpoint_stats(f->checkpoint, &stats);
	assert_int_equal(stats.chunks, 120);
	assert_int_equal(checkpoint_commits(f->checkpoint), 120);
	assert_true(atomic_load(&f->notified) >= 120);
	assert_int_equal(temp_store_verify(f->temp.store), 40);
}

static void a_flushed_table_empties_the_store_first(void **state)
{
	struct fixture *f = *state;

	start(f, 1, 100);
	put_string(f, "a", "1", 50, 0);
	put_large(f, "h", 5);
	put_field(f, "h", 5, "f", "v");
	drop(f, "a", 4);
	(void)drain(f);
	put_string(f, "b", "2", 0, 0);
	memtable_set_flushed(f->table, true);
	(void)drain(f);
	assert_int_equal(temp_store_verify(f->temp.store), 1);
	expect(f, "a", NULL);
	expect(f, "b", "2");
	memtable_set_flushed(f->table, true);
	f->lsn++;
	(void)drain(f);
	assert_int_equal(temp_store_verify(f->temp.store), 0);
	assert_int_equal(state_now(f->temp.store).checkpoint_lsn, f->lsn);
}

static void an_empty_table_still_moves_the_checkpoint(void **state)
{
	struct fixture *f = *state;

	start(f, 1 << 20, 100);
	f->lsn = 41;
	(void)drain(f);
	assert_int_equal(state_now(f->temp.store).checkpoint_lsn, 41);
}

static void fill_hash(struct fixture *f, const char *name, uint64_t id, int fields)
{
	char field[16];

	put_large(f, name, id);
	for (int i = 0; i < fields; i++) {
		(void)snprintf(field, sizeof field, "f%d", i);
		put_field(f, name, id, field, "value");
	}
}

static void a_dropped_collection_is_removed_in_steps_and_its_neighbours_stay(void **state)
{
	struct fixture *f = *state;
	struct checkpoint_stats stats;

	start(f, 64 << 20, 7);
	fill_hash(f, "{t}a", 1, 20);
	fill_hash(f, "{t}b", 2, 21);
	fill_hash(f, "{t}c", 3, 20);
	(void)drain(f);
	assert_int_equal(temp_store_verify(f->temp.store), 64);
	del_key(f, "{t}b", 0);
	drop(f, "{t}b", 2);
	(void)drain(f);
	wait_reclaimed(f);
	assert_int_equal(temp_store_verify(f->temp.store), 42);
	checkpoint_stats(f->checkpoint, &stats);
	assert_int_equal(stats.reclaimed, 21);
	assert_int_equal(state_now(f->temp.store).checkpoint_lsn, f->lsn);
}

static void a_blind_write_drops_the_collection_below(void **state)
{
	static const struct {
		bool tombstone;
		uint64_t new_id; /* 0: a string */
		uint8_t flags;
		uint64_t left;
	} cases[] = {
	    {false, 0, MT_BLIND, 1}, {true, 0, MT_BLIND, 0}, {false, 9, MT_BLIND, 1},
	    {false, 1, MT_BLIND, 4}, {false, 0, 0, 4},
	};
	struct fixture *f = *state;

	start(f, 1, 100);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		memtable_set_flushed(f->table, true);
		fill_hash(f, "h", 1, 3);
		(void)drain(f);
		if (cases[i].tombstone) {
			del_key(f, "h", cases[i].flags);
		} else if (cases[i].new_id == 0) {
			put_string(f, "h", "s", 0, cases[i].flags);
		} else {
			struct meta m = {.type = TYPE_HASH,
					 .form = FORM_LARGE,
					 .id = cases[i].new_id,
					 .count = 1};

			put_meta(f, "h", &m, "", cases[i].flags);
		}
		/* Written before the collection was replaced: must not come back. */
		put_field(f, "h", 1, "f0", "changed");
		(void)drain(f);
		wait_reclaimed(f);
		assert_int_equal(temp_store_verify(f->temp.store), cases[i].left);
	}
}

static void elements_of_a_collection_dropped_in_the_same_table_are_not_written(void **state)
{
	struct fixture *f = *state;
	struct checkpoint_stats stats;

	start(f, 64 << 20, 100);
	fill_hash(f, "h", 1, 50);
	del_key(f, "h", 0);
	drop(f, "h", 1);
	(void)drain(f);
	wait_reclaimed(f);
	checkpoint_stats(f->checkpoint, &stats);
	assert_int_equal(stats.reclaimed, 0);
	assert_int_equal(temp_store_verify(f->temp.store), 0);
}

static void marks_are_found_again_after_a_restart(void **state)
{
	struct fixture *f = *state;

	start(f, 64 << 20, 1);
	fill_hash(f, "h", 1, 30);
	(void)drain(f);
	drop(f, "h", 1);
	(void)drain(f);
	checkpoint_stop(f->checkpoint);
	temp_store_reopen(&f->temp, MAP);
	start(f, 64 << 20, 1000);
	wait_reclaimed(f);
	assert_int_equal(temp_store_verify(f->temp.store), 1);
}

static void a_half_drained_store_keeps_its_marks(void **state)
{
	struct fixture *f = *state;
	struct store_txn *t;
	struct store_state s;
	struct checkpoint_stats stats;

	start(f, 64 << 20, 10);
	fill_hash(f, "h", 1, 30);
	(void)drain(f);
	checkpoint_stop(f->checkpoint);
	s = state_now(f->temp.store);
	s.drain_lsn = s.checkpoint_lsn + 5;
	assert_int_equal(store_txn_begin(f->temp.store, &t), ST_OK);
	assert_int_equal(store_txn_state(t, &s), ST_OK);
	struct store_key mark;
	struct slot_stat stat[SLOTS];
	struct store_reader *r;

	store_key_of_garbage(&mark, keyslot(slice_str("h")), 1);
	assert_int_equal(store_reader_open(f->temp.store, &r), ST_OK);
	assert_int_equal(store_reader_slots(r, stat), ST_OK);
	store_reader_close(r);
	stat[mark.slot].garbage++;
	stat[mark.slot].bytes += mark.len;
	assert_int_equal(store_txn_put(t, store_key_slice(&mark), slice_of(NULL, 0)), ST_OK);
	assert_int_equal(store_txn_slot(t, mark.slot, &stat[mark.slot]), ST_OK);
	assert_int_equal(store_txn_commit(t), ST_OK);
	start(f, 64 << 20, 10);
	(void)usleep(100000);
	checkpoint_stats(f->checkpoint, &stats);
	assert_int_equal(stats.reclaimed, 0);
	/* A first part of what is replayed does not reach the drain mark. */
	put_string(f, "a", "1", 0, 0);
	(void)drain(f);
	assert_int_equal(state_now(f->temp.store).checkpoint_lsn, f->lsn);
	assert_int_equal(state_now(f->temp.store).drain_lsn, s.drain_lsn);
	(void)usleep(50000);
	checkpoint_stats(f->checkpoint, &stats);
	assert_int_equal(stats.reclaimed, 0);
	/* The replayed table names the element again: it is dead, and stays out. */
	put_field(f, "h", 1, "f99", "late");
	del_key(f, "a", 0);
	f->lsn += 5;
	(void)drain(f);
	wait_reclaimed(f);
	assert_int_equal(temp_store_verify(f->temp.store), 1);
}

static void in_a_held_slot_nothing_is_reclaimed_until_all_holds_are_gone(void **state)
{
	struct fixture *f = *state;
	struct checkpoint_stats stats;
	uint16_t slot = keyslot(slice_str("h"));

	start(f, 64 << 20, 10);
	checkpoint_hold(f->checkpoint, slot);
	checkpoint_hold(f->checkpoint, slot);
	fill_hash(f, "h", 1, 30);
	fill_hash(f, "other", 2, 30);
	(void)drain(f);
	del_key(f, "h", 0);
	drop(f, "h", 1);
	del_key(f, "other", 0);
	drop(f, "other", 2);
	(void)drain(f);
	for (int i = 0; i < 2; i++) {
		for (int n = 0; n < 300; n++) {
			checkpoint_stats(f->checkpoint, &stats);
			if (stats.reclaim_pending == 1) {
				break;
			}
			(void)usleep(1000);
		}
		(void)usleep(50000);
		checkpoint_stats(f->checkpoint, &stats);
		assert_int_equal(stats.reclaim_pending, 1);
		assert_int_equal(stats.reclaimed, 30);
		assert_int_equal(temp_store_verify(f->temp.store), 31); /* a mark, 30 elements */
		checkpoint_let_go(f->checkpoint, slot);
	}
	wait_reclaimed(f);
	assert_int_equal(temp_store_verify(f->temp.store), 0);
}

static void a_job_does_not_wait_for_reclaiming(void **state)
{
	struct fixture *f = *state;
	struct checkpoint_stats stats;

	start(f, 64 << 20, 1);
	fill_hash(f, "h", 1, 1000);
	(void)drain(f);
	del_key(f, "h", 0);
	drop(f, "h", 1);
	(void)drain(f);
	(void)usleep(30000);
	put_string(f, "a", "1", 0, 0);
	(void)drain(f);
	checkpoint_stats(f->checkpoint, &stats);
	assert_true(stats.reclaimed > 0);
	assert_int_equal(stats.reclaim_pending, 1);
	(void)temp_store_verify(f->temp.store);
}

static void a_failed_log_fails_the_drain_and_nothing_is_committed(void **state)
{
	struct fixture *f = *state;
	struct checkpoint_stats stats;

	f->sync_status = ST_IO;
	atomic_store(&f->sync_fails, 1);
	start(f, 1, 100);
	put_string(f, "a", "1", 0, 0);
	submit(f);
	assert_int_equal(wait_phase(f, CHECKPOINT_FAILED), CHECKPOINT_FAILED);
	submit(f); /* as by a caller who looked before it failed */
	assert_int_equal(checkpoint_phase(f->checkpoint), CHECKPOINT_FAILED);
	checkpoint_stats(f->checkpoint, &stats);
	assert_int_equal(stats.last_error, ST_IO);
	assert_int_equal(checkpoint_commits(f->checkpoint), 0);
	assert_int_equal(temp_store_verify(f->temp.store), 0);
	assert_int_equal(state_now(f->temp.store).drain_lsn, 0);
}

static void want_of_room_is_waited_out(void **state)
{
	struct fixture *f = *state;

	f->sync_status = ST_NO_SPACE;
	atomic_store(&f->sync_fails, 3);
	start(f, 1, 100);
	put_string(f, "a", "1", 0, 0);
	(void)drain(f);
	assert_int_equal(atomic_load(&f->sync_calls), 4);
	expect(f, "a", "1");
}

static void want_of_memory_is_waited_out(void **state)
{
	struct fixture *f = *state;
	char name[16];

	start(f, 1 << 20, 100);
	for (int n = 0; n < 4; n++) {
		(void)snprintf(name, sizeof name, "k%d", n);
		put_string(f, name, "1", 0, 0);
		mem_fail_nth(n);
		submit(f);
		assert_int_equal(wait_phase(f, CHECKPOINT_DONE), CHECKPOINT_DONE);
		mem_fail_nth(-1);
		(void)take(f);
		fresh_table(f);
		expect(f, name, "1");
	}
	(void)temp_store_verify(f->temp.store);
}

static void a_full_map_loses_nothing_and_is_tried_again(void **state)
{
	struct fixture *f = *state;
	struct checkpoint_stats stats = {0};
	char name[32], value[1000];
	uint64_t before;

	memset(value, 'v', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	temp_store_reopen(&f->temp, 1 << 20);
	start(f, 128 << 10, 100);
	put_string(f, "first", "1", 0, 0);
	(void)drain(f);
	before = checkpoint_commits(f->checkpoint);
	for (int i = 0; i < 3000; i++) {
		(void)snprintf(name, sizeof name, "key%d", i);
		put_string(f, name, value, 0, 0);
	}
	submit(f);
	for (int i = 0; i < WAIT_MS && stats.last_error == ST_OK; i++) {
		(void)usleep(1000);
		checkpoint_stats(f->checkpoint, &stats);
	}
	assert_int_equal(stats.last_error, ST_MAP_FULL);
	assert_int_equal(checkpoint_phase(f->checkpoint), CHECKPOINT_DRAINING);
	assert_true(checkpoint_commits(f->checkpoint) > before); /* whole chunks are kept */
	(void)temp_store_verify(f->temp.store);
	checkpoint_stop(f->checkpoint); /* does not hang */
	assert_int_equal(state_now(f->temp.store).checkpoint_lsn, 1);
	assert_int_equal(state_now(f->temp.store).drain_lsn, f->lsn);
	temp_store_reopen(&f->temp, MAP);
	start(f, 128 << 10, 100);
	(void)drain(f);
	assert_int_equal(temp_store_verify(f->temp.store), 3001);
}

/* What the store is to hold after each drain, kept without any of the code under test. */
struct model {
	char value[64][16]; /* "": no such key */
	uint64_t expire[64], id[64];
	int fields[64];
};

static void random_step(struct fixture *f, struct model *m, struct rng *rng, uint64_t *next_id)
{
	uint64_t k = rng_below(rng, 64);
	char name[600], field[16];
	bool fresh;
	struct store_key key;
	struct mt_entry *e;
	uint8_t blind;

	(void)snprintf(name, sizeof name, "{%d}k%d", (int)(k % 4), (int)k);
	if (k % 16 == 0) { /* a long name */
		memset(name + strlen(name), 'x', 590 - strlen(name));
		name[590] = '\0';
	}
	store_key_of_key(&key, slice_str(name));
	e = memtable_find(f->table, store_key_slice(&key),
			  memtable_hash(store_key_slice(&key), SEED));
	fresh = e == NULL;
	blind = fresh || (e->flags & MT_BLIND) != 0 ? MT_BLIND : 0;
	switch (rng_below(rng, 4)) {
	case 0: /* replaced without a look */
	case 1: /* deleted, likewise */
		if (!fresh && m->id[k] != 0) {
			drop(f, name, m->id[k]);
		}
		m->id[k] = 0;
		m->fields[k] = 0;
		if (rng_below(rng, 2) == 0) {
			m->value[k][0] = '\0';
			m->expire[k] = 0;
			del_key(f, name, blind);
			break;
		}
		(void)snprintf(m->value[k], sizeof m->value[k], "v%d", (int)rng_below(rng, 1000));
		m->expire[k] = rng_below(rng, 3) * 1000;
		put_string(f, name, m->value[k], m->expire[k], blind);
		break;
	default: /* a collection: begun anew, or one more field */
		if (m->id[k] == 0) {
			m->id[k] = ++*next_id;
			m->fields[k] = 0;
			m->value[k][0] = '\0';
			m->expire[k] = 0;
			struct meta meta = {
			    .type = TYPE_HASH, .form = FORM_LARGE, .id = m->id[k], .count = 1};

			put_meta(f, name, &meta, "", blind);
		}
		(void)snprintf(field, sizeof field, "f%d", m->fields[k]++);
		put_field(f, name, m->id[k], field, "v");
		break;
	}
}

static uint64_t model_entries(const struct model *m)
{
	uint64_t n = 0;

	for (int k = 0; k < 64; k++) {
		n += m->id[k] != 0 ? 1 + (uint64_t)m->fields[k] : m->value[k][0] != '\0';
	}
	return n;
}

static void random_tables_leave_what_the_model_says(void **state)
{
	static const uint64_t chunks[] = {1, 20000, 64 << 20};
	struct fixture *f = *state;

	for (uint64_t seed = 1; seed <= 12; seed++) {
		struct model m = {0};
		struct rng rng;
		uint64_t next_id = 0;

		rng_seed(&rng, seed);
		start(f, chunks[seed % 3], 3);
		memtable_set_flushed(f->table, true);
		for (int round = 0; round < 8; round++) {
			uint64_t steps = rng_below(&rng, 150);

			for (uint64_t i = 0; i < steps; i++) {
				random_step(f, &m, &rng, &next_id);
			}
			(void)drain(f);
			(void)temp_store_verify(f->temp.store);
		}
		wait_reclaimed(f);
		assert_int_equal(temp_store_verify(f->temp.store), model_entries(&m));
		for (int k = 0; k < 64; k++) {
			char name[32];

			(void)snprintf(name, sizeof name, "{%d}k%d", k % 4, k);
			if (k % 16 != 0 && m.id[k] == 0) {
				expect(f, name, m.value[k][0] == '\0' ? NULL : m.value[k]);
			}
		}
		checkpoint_stop(f->checkpoint);
		f->checkpoint = NULL;
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(a_drain_moves_the_table_into_the_store),
	    T(changed_counters_are_handed_over),
	    T(every_commit_on_the_way_is_consistent),
	    T(a_flushed_table_empties_the_store_first),
	    T(an_empty_table_still_moves_the_checkpoint),
	    T(a_dropped_collection_is_removed_in_steps_and_its_neighbours_stay),
	    T(a_blind_write_drops_the_collection_below),
	    T(elements_of_a_collection_dropped_in_the_same_table_are_not_written),
	    T(marks_are_found_again_after_a_restart),
	    T(a_half_drained_store_keeps_its_marks),
	    T(in_a_held_slot_nothing_is_reclaimed_until_all_holds_are_gone),
	    T(a_job_does_not_wait_for_reclaiming),
	    T(a_failed_log_fails_the_drain_and_nothing_is_committed),
	    T(want_of_room_is_waited_out),
	    T(want_of_memory_is_waited_out),
	    T(a_full_map_loses_nothing_and_is_tried_again),
	    T(random_tables_leave_what_the_model_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
