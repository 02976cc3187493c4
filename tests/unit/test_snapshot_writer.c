/* The taking side of a full copy: what may follow, what is refused before anything of it is used,
 * and that a broken copy goes on where its last whole slot ended. */
#include "engine/snapshot_writer_impl.h"

#include "engine/dataset.h"
#include "engine/key_codec.h"
#include "engine/store.h"
#include "tests/support/small_node.h"
#include "tests/support/temp_store.h"
#include "tests/support/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { MAP = 1 << 28, KEYS = 3000, MIDDLE_SLOT = 9000 };

struct fixture {
	char dir[64];
	struct snapshot_head head;
	struct snapshot_codec *codec;
	struct snapshot_writer *w;
	struct buf raw, block, error;
	struct snapshot_block next; /* what the next block says of itself */
	bool goes_on;
};

static enum status open_copy(struct fixture *f, uint64_t map_size)
{
	f->error.len = 0;
	return snapshot_writer_open(io_posix(), f->dir, &f->head, map_size, &f->w, &f->goes_on,
				    &f->error);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	(void)snprintf(f->dir, sizeof f->dir, "/tmp/cairn-writer-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->head = (struct snapshot_head){.lsn = 100, .next_id = 5};
	f->head.history = (struct wal_history){.shard_id = 7, .count = 1};
	f->head.history.items[0] = (struct wal_timeline){.id = 3, .first_lsn = 1};
	f->next = (struct snapshot_block){.lsn = 100, .drain_lsn = 110};
	assert_int_equal(snapshot_codec_create(&f->codec), ST_OK);
	assert_int_equal(open_copy(f, MAP), ST_OK);
	assert_false(f->goes_on);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	snapshot_writer_close(f->w);
	snapshot_codec_destroy(f->codec);
	buf_deinit(&f->raw);
	buf_deinit(&f->block);
	buf_deinit(&f->error);
	remove_tree(f->dir);
	free(f);
	return 0;
}

static void add_raw(struct fixture *f, struct slice key, struct slice value)
{
	assert_int_equal(snapshot_entry_encode(key, value, &f->raw), ST_OK);
	f->next.entries++;
}

static void add_key(struct fixture *f, const struct store_key *key, uint64_t expire_at_ms,
		    const char *value)
{
	struct meta m = {.type = TYPE_STRING, .expire_at_ms = expire_at_ms};
	uint8_t record[META_ENCODED_MAX + 1024];
	size_t n = meta_encode(&m, record);

	memcpy(record + n, value, strlen(value));
	add_raw(f, store_key_slice(key), slice_of(record, n + strlen(value)));
}

static void add_field(struct fixture *f, uint16_t slot, uint64_t id, const char *field)
{
	struct store_key key;

	store_key_of_field(&key, slot, id, slice_str(field));
	add_raw(f, store_key_slice(&key), slice_str("v"));
}

static void add_mark(struct fixture *f, uint16_t slot, uint64_t id)
{
	struct store_key key;

	store_key_of_garbage(&key, slot, id);
	add_raw(f, store_key_slice(&key), slice_of(NULL, 0));
}

/* Gives what was added as a block; when it is taken the next one follows it. */
static enum status give(struct fixture *f)
{
	struct slice rest = buf_slice(&f->raw), key, value;
	uint64_t sum = 0;
	enum status st;

	f->block.len = 0;
	f->error.len = 0;
	assert_int_equal(snapshot_block_encode(f->codec, &f->next, rest, &f->block), ST_OK);
	st = snapshot_writer_add(f->w, buf_slice(&f->block), &f->error);
	assert_int_equal(st != ST_OK, f->error.len > 0);
	while (snapshot_entry_decode(&rest, &key, &value) == ST_OK) {
		sum += snapshot_entry_digest(key, value);
	}
	if (st == ST_OK) {
		f->next.entries_before += f->next.entries;
		f->next.sum_before += sum;
	}
	f->next.entries = 0;
	f->raw.len = 0;
	return st;
}

static struct snapshot_tail tail_of(const struct fixture *f)
{
	return (struct snapshot_tail){.drain_lsn = 120,
				      .next_id = 9,
				      .entries = f->next.entries_before,
				      .sum = f->next.sum_before};
}

static struct store *open_store(const struct fixture *f)
{
	char path[128];
	struct store_options opts = {.path = path, .io = io_posix(), .map_size_max = MAP};
	struct buf error = {0};
	struct store *store;

	(void)snprintf(path, sizeof path, "%s/copy/keyspace.mdb", f->dir);
	assert_int_equal(store_open(&opts, &store, &error), ST_OK);
	buf_deinit(&error);
	return store;
}

static void close_writer(struct fixture *f)
{
	snapshot_writer_close(f->w);
	f->w = NULL;
}

/* Store keys of the names k0, k1, ... in their order. */
static struct store_key *sorted_keys(void)
{
	static struct store_key keys[KEYS];
	static char names[KEYS][16];

	for (int i = 0; i < KEYS; i++) {
		(void)snprintf(names[i], sizeof names[i], "k%d", i);
		store_key_of_key(&keys[i], slice_str(names[i]));
		for (int j = i; j > 0 && slice_cmp(store_key_slice(&keys[j]),
						   store_key_slice(&keys[j - 1])) < 0;
		     j--) {
			struct store_key swap = keys[j];

			keys[j] = keys[j - 1];
			keys[j - 1] = swap;
		}
	}
	return keys;
}

static void a_finished_copy_is_a_store_with_counters_and_index(void **state)
{
	struct fixture *f = *state;
	struct store_key *keys = sorted_keys();
	struct snapshot_tail tail;
	struct store_state s;
	struct store_reader *r;
	struct store *store;

	for (int i = 0; i < KEYS; i++) {
		add_key(f, &keys[i], i % 3 == 0 ? 1000 + (uint64_t)i : 0, "value");
		if (i % 50 == 49) {
			assert_int_equal(give(f), ST_OK);
		}
	}
	tail = tail_of(f);
	assert_int_equal(snapshot_writer_finish(f->w, &tail, &f->error), ST_OK);
	close_writer(f);
	store = open_store(f);
	assert_int_equal(temp_store_verify(store), KEYS);
	assert_int_equal(store_reader_open(store, &r), ST_OK);
	assert_int_equal(store_reader_state(r, &s), ST_OK);
	assert_int_equal(s.checkpoint_lsn, 100);
	assert_int_equal(s.previous_checkpoint_lsn, 100);
	assert_int_equal(s.drain_lsn, 120);
	assert_int_equal(s.next_id, 9);
	assert_true(wal_history_eq(&s.history, &f->head.history));
	store_reader_close(r);
	store_close(store);
}

/* A slot's marks may come once more at its end, and are counted once. */
static void marks_may_come_again_at_the_end_of_their_slot(void **state)
{
	struct fixture *f = *state;
	struct snapshot_tail tail;
	struct slot_stat *stats = calloc(SLOTS, sizeof *stats);
	struct store_reader *r;
	struct store *store;

	add_mark(f, 7, 2);
	add_field(f, 7, 2, "a");
	assert_int_equal(give(f), ST_OK);
	add_field(f, 7, 3, "b");
	add_mark(f, 7, 2);
	add_mark(f, 7, 3);
	add_mark(f, 8, 1);
	assert_int_equal(give(f), ST_OK);
	tail = tail_of(f);
	assert_int_equal(snapshot_writer_finish(f->w, &tail, &f->error), ST_OK);
	close_writer(f);
	store = open_store(f);
	assert_int_equal(temp_store_verify(store), 5);
	assert_int_equal(store_reader_open(store, &r), ST_OK);
	assert_int_equal(store_reader_slots(r, stats), ST_OK);
	assert_int_equal(stats[7].garbage, 2);
	assert_int_equal(stats[8].garbage, 1);
	store_reader_close(r);
	store_close(store);
	free(stats);
}

static void what_does_not_follow_is_refused_and_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct snapshot_block good;
	struct store_key key;
	struct snapshot_tail tail;

	add_field(f, 7, 3, "x");
	assert_int_equal(give(f), ST_OK);
	add_mark(f, 7, 1);
	add_mark(f, 7, 2);
	assert_int_equal(give(f), ST_OK);
	good = f->next;
	for (int i = 0; i < 9; i++) {
		f->next = good;
		switch (i) {
		case 0: /* an entry twice */
			add_field(f, 7, 3, "x");
			break;
		case 1: /* a slot that has ended with its marks */
			add_field(f, 7, 4, "x");
			break;
		case 2: /* marks out of order */
			add_mark(f, 7, 2);
			break;
		case 3: /* an earlier slot */
			add_mark(f, 6, 9);
			break;
		case 4: /* the first of two is fine */
			add_field(f, 9, 3, "x");
			store_key_of_garbage(&key, 9, 5);
			add_raw(f, store_key_slice(&key), slice_str("not empty"));
			break;
		case 5:
			add_field(f, 9, 3, "x");
			f->next.entries_before--;
			break;
		case 6:
			add_field(f, 9, 3, "x");
			f->next.sum_before++;
			break;
		case 7:
			add_field(f, 9, 3, "x");
			f->next.lsn++;
			break;
		default:
			add_field(f, 9, 3, "x");
			f->next.entries++;
		}
		assert_int_equal(give(f), ST_CORRUPT);
	}
	f->next = good;
	assert_int_equal(give(f), ST_CORRUPT); /* empty */
	f->next = good;
	add_field(f, 9, 3, "x");
	assert_int_equal(give(f), ST_OK);
	f->block.data[f->block.len - 1] ^= 1;
	assert_int_equal(snapshot_writer_add(f->w, buf_slice(&f->block), &f->error), ST_CORRUPT);
	tail = tail_of(f);
	tail.entries++;
	assert_int_equal(snapshot_writer_finish(f->w, &tail, &f->error), ST_CORRUPT);
	tail = tail_of(f);
	tail.sum++;
	assert_int_equal(snapshot_writer_finish(f->w, &tail, &f->error), ST_CORRUPT);
	tail = tail_of(f);
	tail.drain_lsn = 109; /* blocks were read later */
	assert_int_equal(snapshot_writer_finish(f->w, &tail, &f->error), ST_CORRUPT);
	tail.drain_lsn = 110;
	assert_int_equal(snapshot_writer_finish(f->w, &tail, &f->error), ST_OK);
}

static struct snapshot_resume place_of(struct fixture *f)
{
	struct snapshot_resume place;
	struct buf bytes = {0};

	assert_int_equal(snapshot_copy_resume(io_posix(), f->dir, &bytes, &f->error), ST_OK);
	assert_int_equal(snapshot_resume_decode(buf_slice(&bytes), &place), ST_OK);
	buf_deinit(&bytes);
	return place;
}

/* Goes on as a reader would that is given the place. */
static void go_on(struct fixture *f, const struct snapshot_resume *place)
{
	assert_int_equal(open_copy(f, MAP), ST_OK);
	assert_true(f->goes_on);
	f->next = (struct snapshot_block){.lsn = place->lsn,
					  .drain_lsn = 115,
					  .entries_before = place->entries,
					  .sum_before = place->sum};
}

static void a_broken_copy_goes_on_at_the_slot_that_was_under_way(void **state)
{
	struct fixture *f = *state;
	struct snapshot_resume place;
	struct snapshot_tail tail;
	struct store_key *keys = sorted_keys();
	struct store *store;
	uint64_t before = 0;
	char field[16];
	int i = 0;

	for (; keys[i].slot < MIDDLE_SLOT; i++) {
		add_key(f, &keys[i], 77, "value");
	}
	before = f->next.entries;
	assert_int_equal(give(f), ST_OK);
	for (int n = 0; n < 5000; n++) { /* more than one round of removal */
		struct store_key key;

		(void)snprintf(field, sizeof field, "%06d", n);
		store_key_of_elem(&key, MIDDLE_SLOT, 4, slice_str(field));
		add_raw(f, store_key_slice(&key), slice_str("v"));
	}
	assert_int_equal(give(f), ST_OK);
	close_writer(f);
	place = place_of(f);
	assert_int_equal(place.slot, MIDDLE_SLOT);
	assert_int_equal(place.entries, before);
	assert_int_equal(place.lsn, 100);
	assert_int_equal(place.drain_lsn, 110);
	go_on(f, &place);
	close_writer(f); /* and breaks again at once */
	store = open_store(f);
	assert_int_equal(temp_store_verify(store), before);
	store_close(store);
	place = place_of(f);
	assert_int_equal(place.entries, before);
	go_on(f, &place);
	/* This time the slot has less in it. */
	add_field(f, MIDDLE_SLOT, 4, "only");
	add_mark(f, MIDDLE_SLOT, 4);
	for (; i < KEYS && keys[i].slot == MIDDLE_SLOT; i++) {
	}
	for (; i < KEYS; i++) {
		add_key(f, &keys[i], 0, "value");
	}
	assert_int_equal(give(f), ST_OK);
	tail = tail_of(f);
	assert_int_equal(snapshot_writer_finish(f->w, &tail, &f->error), ST_OK);
	close_writer(f);
	store = open_store(f);
	assert_int_equal(temp_store_verify(store), tail.entries);
	assert_int_equal(temp_store_orphans(store), 0);
	store_close(store);
}

static void a_finished_copy_can_be_taken_up_again(void **state)
{
	struct fixture *f = *state;
	struct snapshot_resume place;
	struct snapshot_tail tail;

	add_field(f, 7, 3, "x");
	assert_int_equal(give(f), ST_OK);
	tail = tail_of(f);
	assert_int_equal(snapshot_writer_finish(f->w, &tail, &f->error), ST_OK);
	close_writer(f);
	place = place_of(f);
	assert_int_equal(place.slot, SNAPSHOT_END);
	assert_int_equal(place.drain_lsn, 120);
	go_on(f, &place);
	add_field(f, 16383, 3, "x");
	assert_int_equal(give(f), ST_CORRUPT);
	assert_int_equal(snapshot_writer_finish(f->w, &tail, &f->error), ST_OK);
}

static void put_log(const struct fixture *f)
{
	char path[128];
	FILE *file;

	(void)snprintf(path, sizeof path, "%s/copy/wal", f->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	(void)snprintf(path, sizeof path, "%s/copy/wal/0000000000000001.wal", f->dir);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fclose(file), 0);
}

static bool has_log(const struct fixture *f)
{
	char path[128];

	(void)snprintf(path, sizeof path, "%s/copy/wal", f->dir);
	return access(path, F_OK) == 0;
}

/* The log goes with the store it belongs to. */
static void another_head_begins_anew(void **state)
{
	struct fixture *f = *state;
	struct snapshot_head heads[4];

	for (int i = 0; i < 4; i++) {
		heads[i] = f->head;
	}
	heads[0].lsn = 101;
	heads[1].history.shard_id = 8;
	heads[2].history.items[0].id = 4;
	heads[3].history.count = 2; /* a timeline that began later is no other copy */
	heads[3].history.items[1] = (struct wal_timeline){.id = 9, .first_lsn = 101};
	for (int i = 0; i < 4; i++) {
		struct snapshot_head first = f->head;

		close_writer(f);
		assert_int_equal(dataset_drop_copy(io_posix(), f->dir, &f->error), ST_OK);
		assert_int_equal(open_copy(f, MAP), ST_OK);
		assert_false(f->goes_on);
		close_writer(f);
		put_log(f);
		f->head = heads[i];
		assert_int_equal(open_copy(f, MAP), ST_OK);
		assert_int_equal(f->goes_on, i == 3);
		assert_int_equal(has_log(f), i == 3);
		f->head = first;
	}
}

static void a_full_map_is_told_and_the_copy_goes_on_in_a_larger_one(void **state)
{
	struct fixture *f = *state;
	struct store_key *keys = sorted_keys();
	struct snapshot_resume place;
	struct snapshot_tail tail;
	struct store *store;
	enum status st = ST_OK;
	int i = 0;

	close_writer(f);
	assert_int_equal(dataset_drop_copy(io_posix(), f->dir, &f->error), ST_OK);
	assert_int_equal(open_copy(f, 160 * 1024), ST_OK);
	snapshot_writer_set_commit(f->w, 8192);
	for (; i < KEYS && st == ST_OK; i++) {
		add_key(f, &keys[i], 0, "some value that takes a little room in the file");
		if (i % 20 == 19) {
			st = give(f);
		}
	}
	assert_int_equal(st, ST_MAP_FULL);
	f->next.entries = 0;
	f->raw.len = 0;
	add_key(f, &keys[i], 0, "");
	assert_int_equal(give(f), ST_MAP_FULL); /* for good */
	close_writer(f);
	place = place_of(f);
	assert_true(place.entries > 0 && place.entries < KEYS);
	go_on(f, &place);
	for (i = (int)place.entries; i < KEYS; i++) {
		add_key(f, &keys[i], 0, "some value that takes a little room in the file");
	}
	assert_int_equal(give(f), ST_OK);
	tail = tail_of(f);
	assert_int_equal(snapshot_writer_finish(f->w, &tail, &f->error), ST_OK);
	close_writer(f);
	store = open_store(f);
	assert_int_equal(temp_store_verify(store), KEYS);
	store_close(store);
}

static void what_came_is_written_before_a_wait_if_it_is_much(void **state)
{
	struct fixture *f = *state;
	struct store_key *keys = sorted_keys();
	char value[700];
	struct snapshot_tail tail;
	struct store *store;

	memset(value, 'x', sizeof value - 1);
	value[sizeof value - 1] = 0;
	assert_int_equal(snapshot_writer_rest(f->w, &f->error), ST_OK); /* nothing came yet */
	add_key(f, &keys[0], 0, "little");
	assert_int_equal(give(f), ST_OK);
	assert_int_equal(snapshot_writer_rest(f->w, &f->error), ST_OK);
	assert_non_null(f->w->txn);
	for (int i = 1; i < KEYS; i++) {
		add_key(f, &keys[i], 0, value);
	}
	assert_int_equal(give(f), ST_OK);
	assert_non_null(f->w->txn);
	assert_int_equal(snapshot_writer_rest(f->w, &f->error), ST_OK);
	assert_null(f->w->txn);
	assert_int_equal(snapshot_writer_rest(f->w, &f->error), ST_OK);
	tail = tail_of(f);
	assert_int_equal(snapshot_writer_finish(f->w, &tail, &f->error), ST_OK);
	close_writer(f);
	store = open_store(f);
	assert_int_equal(temp_store_verify(store), KEYS);
	store_close(store);
}

static void a_marked_copy_is_not_touched(void **state)
{
	struct fixture *f = *state;
	char path[128];
	FILE *file;

	close_writer(f);
	f->head.lsn++;
	(void)snprintf(path, sizeof path, "%s/copy/READY", f->dir);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(open_copy(f, MAP), ST_INVALID);
	assert_true(f->error.len > 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    CASE(a_finished_copy_is_a_store_with_counters_and_index),
	    CASE(marks_may_come_again_at_the_end_of_their_slot),
	    CASE(what_does_not_follow_is_refused_and_changes_nothing),
	    CASE(a_broken_copy_goes_on_at_the_slot_that_was_under_way),
	    CASE(a_finished_copy_can_be_taken_up_again),
	    CASE(another_head_begins_anew),
	    CASE(a_full_map_is_told_and_the_copy_goes_on_in_a_larger_one),
	    CASE(what_came_is_written_before_a_wait_if_it_is_much),
	    CASE(a_marked_copy_is_not_touched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
