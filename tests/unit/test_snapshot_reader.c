/* A full copy of an engine that goes on writing is, with the log replayed over it, the same
 * keyspace: however the blocks fall between the writes, and wherever the link breaks. */
#include "engine/snapshot_reader.h"

#include "engine/dataset.h"
#include "engine/keyspace.h"
#include "engine/snapshot_writer.h"
#include "engine/store.h"
#include "tests/support/engine_box.h"
#include "tests/support/quick_dir.h"
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

enum { ROUNDS = 30, MAP = 1 << 28 };

struct copy {
	struct engine *e;
	const char *dir;
	struct snapshot_reader *reader;
	struct snapshot_writer *writer;
	struct buf block, error;
	uint64_t blocks;
};

static void copy_open(struct copy *c)
{
	struct buf resume = {0};
	bool goes_on;
	enum status st = snapshot_copy_resume(io_posix(), c->dir, &resume, &c->error);

	assert_true(st == ST_OK || st == ST_NOT_FOUND);
	assert_int_equal(snapshot_reader_open(c->e, buf_slice(&resume), &c->reader), ST_OK);
	assert_int_equal(snapshot_writer_open(io_posix(), c->dir, snapshot_reader_head(c->reader),
					      MAP, &c->writer, &goes_on, &c->error),
			 ST_OK);
	assert_int_equal(goes_on, st == ST_OK);
	snapshot_writer_set_commit(c->writer, 16384);
	buf_deinit(&resume);
}

static void copy_break(struct copy *c)
{
	snapshot_reader_close(c->reader);
	snapshot_writer_close(c->writer);
	c->reader = NULL;
	c->writer = NULL;
}

/* One block; false at the end. */
static bool copy_step(struct copy *c, size_t raw_target)
{
	enum status st;

	c->block.len = 0;
	st = snapshot_reader_next(c->reader, raw_target, &c->block);
	if (st == ST_END) {
		return false;
	}
	assert_int_equal(st, ST_OK);
	st = snapshot_writer_add(c->writer, buf_slice(&c->block), &c->error);
	if (st != ST_OK) {
		print_error("%.*s\n", (int)c->error.len, (const char *)c->error.data);
	}
	assert_int_equal(st, ST_OK);
	c->blocks++;
	return true;
}

static void copy_finish(struct copy *c, struct snapshot_tail *tail)
{
	assert_int_equal(snapshot_reader_tail(c->reader, tail), ST_OK);
	assert_int_equal(snapshot_writer_finish(c->writer, tail, &c->error), ST_OK);
	copy_break(c);
	buf_deinit(&c->block);
	buf_deinit(&c->error);
}

/* --- against a model --- */

static void live(struct small_node *s, int steps)
{
	for (int i = 0; i < steps; i++) {
		enum status st = small_node_step(s);

		assert_true(st == ST_OK || st == ST_AGAIN);
		(void)engine_turn_end(s->e);
		if (rng_below(&s->rng, 8) == 0) {
			(void)engine_checkpoint(s->e);
			(void)engine_turn_end(s->e);
			(void)usleep(300);
		}
	}
}

/* All that was written is in the store. */
static void settle(struct small_node *s)
{
	struct engine_stats stats;

	for (int i = 0; i < 5000; i++) {
		(void)engine_checkpoint(s->e);
		(void)engine_turn_end(s->e);
		engine_stats(s->e, &stats);
		if (stats.checkpoint_lsn == s->last_lsn) {
			return;
		}
		(void)usleep(300);
	}
	fail();
}

static void wait_durable(struct small_node *s)
{
	for (int i = 0; i < 5000 && engine_ack_lsn(s->e) < s->last_lsn; i++) {
		(void)engine_turn_end(s->e);
		(void)usleep(200);
	}
	assert_int_equal(engine_ack_lsn(s->e), s->last_lsn);
}

/* Counters, index and content of a replica's store after everything has been drained. */
static void check_store(const char *dir)
{
	char path[128];
	struct store_options opts = {.path = path, .io = io_posix(), .map_size_max = MAP};
	struct buf error = {0};
	struct store *store;

	(void)snprintf(path, sizeof path, "%s/keyspace.mdb", dir);
	assert_int_equal(store_open(&opts, &store, &error), ST_OK);
	(void)temp_store_verify(store);
	store_close(store);
	buf_deinit(&error);
}

/* Returns the number of blocks. */
static uint64_t one_round(const char *base, uint64_t seed)
{
	char dir[96], replica[96], from[128], to[128];
	struct small_node s, r;
	struct copy c = {0};
	struct snapshot_tail tail;
	uint64_t digest;

	(void)snprintf(dir, sizeof dir, "%s/primary", base);
	(void)snprintf(replica, sizeof replica, "%s/replica", base);
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(mkdir(replica, 0700), 0);
	small_node_init(&s, dir, seed);
	s.keep_size = 1 << 30;
	assert_int_equal(small_node_open(&s), ST_OK);
	live(&s, 60);
	settle(&s);
	c.e = s.e;
	c.dir = replica;
	copy_open(&c);
	while (copy_step(&c, 1 + rng_below(&s.rng, 600))) {
		live(&s, (int)rng_below(&s.rng, 6));
		if (rng_below(&s.rng, 12) == 0) {
			copy_break(&c);
			live(&s, 5);
			copy_open(&c);
		}
	}
	if (rng_below(&s.rng, 2) == 0) {
		live(&s, 10);
	}
	copy_finish(&c, &tail);
	wait_durable(&s);
	assert_true(tail.drain_lsn <= s.last_lsn);
	(void)snprintf(from, sizeof from, "%s/wal", dir);
	(void)snprintf(to, sizeof to, "%s/copy/wal", replica);
	copy_tree(from, to);
	assert_int_equal(dataset_commit_copy(io_posix(), replica, &c.error), ST_OK);
	small_node_init(&r, replica, 1);
	assert_int_equal(small_node_open(&r), ST_OK);
	assert_int_equal(small_node_lsn(&r), s.last_lsn);
	assert_int_equal(small_node_digest(&r, &digest), ST_OK);
	assert_int_equal(digest, s.digests[s.last_lsn]);
	assert_int_equal(small_node_close(&r), ST_OK);
	check_store(replica);
	assert_int_equal(small_node_close(&s), ST_OK);
	small_node_deinit(&r);
	small_node_deinit(&s);
	return c.blocks;
}

static void a_copy_with_its_log_is_the_keyspace_it_was_made_from(void **state)
{
	char base[64];
	uint64_t blocks = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
		assert_true(quick_dir(base, sizeof base, "copy"));
		blocks += one_round(base, seed);
		remove_tree(base);
	}
	print_message("%llu blocks\n", (unsigned long long)blocks);
	assert_true(blocks > 4 * ROUNDS);
}

/* --- garbage that the log does not name --- */

static void set_blind(struct engine_box *b, const char *name)
{
	struct meta m = {.type = TYPE_STRING};
	struct slice part = slice_str("string");
	struct store_key key;

	store_key_of_key(&key, slice_str(name));
	engine_box_begin(b);
	assert_int_equal(ks_put_blind(b->e, &key, &m, &part, 1), ST_OK);
	engine_box_commit(b);
}

static void put_hash(struct engine_box *b, const char *name, int fields)
{
	struct meta m = {.type = TYPE_HASH, .form = FORM_LARGE, .count = (uint64_t)fields};
	struct slice part = slice_str("value");
	struct store_key key;
	char field[16];

	store_key_of_key(&key, slice_str(name));
	engine_box_begin(b);
	m.id = ks_new_id(b->e);
	assert_int_equal(ks_put(b->e, &key, NULL, &m, NULL, 0), ST_OK);
	for (int i = 0; i < fields; i++) {
		struct slice f = slice_of(field, (size_t)snprintf(field, sizeof field, "f%d", i));

		assert_int_equal(ks_field_put(b->e, key.slot, m.id, f, &part, 1), ST_OK);
	}
	engine_box_commit(b);
}

/* Of three keys of a slot the one that comes first, last or between in the store. */
static const char *in_order(int which)
{
	static const char *names[] = {"{s}1", "{s}2", "{s}3"};

	for (int i = 0; i < 3; i++) {
		int before = 0;

		for (int j = 0; j < 3; j++) {
			before += key_order(slice_str(names[j])) < key_order(slice_str(names[i]));
		}
		if (before == which) {
			return names[i];
		}
	}
	return NULL;
}

static uint64_t reclaim_pending(struct engine_box *b)
{
	struct engine_stats stats;

	(void)engine_turn_end(b->e);
	engine_stats(b->e, &stats);
	return stats.checkpoint.reclaim_pending;
}

/* Marks and elements in the copy's store. */
static void count_spaces(const char *dir, unsigned *marks, unsigned *elements)
{
	char path[128];
	struct store_options opts = {.path = path, .io = io_posix(), .map_size_max = MAP};
	struct buf error = {0};
	struct store_reader *r;
	struct store_cursor *c;
	struct slice key, value;
	struct store *store;
	enum status st;

	*marks = *elements = 0;
	(void)snprintf(path, sizeof path, "%s/copy/keyspace.mdb", dir);
	assert_int_equal(store_open(&opts, &store, &error), ST_OK);
	(void)temp_store_verify(store);
	assert_int_equal(temp_store_orphans(store), 0);
	assert_int_equal(store_reader_open(store, &r), ST_OK);
	assert_int_equal(store_cursor_open(r, &c), ST_OK);
	st = store_cursor_seek(c, slice_of(NULL, 0), &key, &value);
	for (; st == ST_OK; st = store_cursor_next(c, &key, &value)) {
		*marks += store_key_space(key) == KEYSPACE_GARBAGE;
		*elements += store_key_space(key) == KEYSPACE_ELEM;
	}
	store_cursor_close(c);
	store_reader_close(r);
	store_close(store);
	buf_deinit(&error);
}

/* A hash is replaced blindly after its slot's marks were read and before its record was: the mark
 * that the checkpoint makes up must come, as long as elements do. */
static void a_mark_made_while_its_slot_is_read_comes_with_the_copy(void **state)
{
	char dir[] = "/tmp/cairn-marks-XXXXXX";
	struct engine_box b = {0};
	struct copy c = {0};
	struct snapshot_tail tail;
	unsigned marks, elements;

	(void)state;
	assert_non_null(mkdtemp(dir));
	engine_box_open(&b, 1);
	set_blind(&b, in_order(0));
	put_hash(&b, in_order(1), 300);
	set_blind(&b, in_order(2));
	engine_box_checkpoint(&b);
	c.e = b.e;
	c.dir = dir;
	copy_open(&c);
	assert_true(copy_step(&c, 1)); /* the first key alone */
	set_blind(&b, in_order(1));
	engine_box_checkpoint(&b);
	assert_true(copy_step(&c, 1)); /* what was the hash */
	for (int i = 0; i < 200; i++) {
		(void)usleep(500);
		assert_int_equal(reclaim_pending(&b), 1); /* held */
	}
	assert_true(copy_step(&c, 1));
	assert_true(copy_step(&c, 1)); /* an element */
	while (copy_step(&c, 4000)) {
	}
	copy_finish(&c, &tail);
	count_spaces(dir, &marks, &elements);
	assert_int_equal(marks, 1);
	assert_int_equal(elements, 300);
	for (int i = 0; i < 4000 && reclaim_pending(&b) > 0; i++) {
		(void)usleep(500);
	}
	assert_int_equal(reclaim_pending(&b), 0); /* let go */
	remove_tree(dir);
	engine_box_close(&b);
}

static void a_closed_reader_lets_go(void **state)
{
	char dir[] = "/tmp/cairn-marks-XXXXXX";
	struct engine_box b = {0};
	struct copy c = {0};

	(void)state;
	assert_non_null(mkdtemp(dir));
	engine_box_open(&b, 1);
	put_hash(&b, in_order(1), 300);
	set_blind(&b, in_order(2));
	engine_box_checkpoint(&b);
	c.e = b.e;
	c.dir = dir;
	copy_open(&c);
	assert_true(copy_step(&c, 1));
	copy_break(&c);
	set_blind(&b, in_order(1));
	engine_box_checkpoint(&b);
	for (int i = 0; i < 4000 && reclaim_pending(&b) > 0; i++) {
		(void)usleep(500);
	}
	assert_int_equal(reclaim_pending(&b), 0);
	buf_deinit(&c.block);
	buf_deinit(&c.error);
	remove_tree(dir);
	engine_box_close(&b);
}

static void a_place_that_is_not_of_this_store_is_refused(void **state)
{
	struct snapshot_resume place = {0};
	struct engine_box b = {0};
	struct snapshot_reader *r;
	struct buf out = {0}, resume = {0};
	struct snapshot_tail tail;

	(void)state;
	engine_box_open(&b, 1);
	set_blind(&b, "a");
	engine_box_checkpoint(&b);
	place.lsn = 2;
	place.drain_lsn = 2;
	assert_int_equal(snapshot_resume_encode(&place, &resume), ST_OK);
	assert_int_equal(snapshot_reader_open(b.e, buf_slice(&resume), &r), ST_AGAIN);
	place.lsn = 1;
	resume.len = 0;
	assert_int_equal(snapshot_resume_encode(&place, &resume), ST_OK);
	assert_int_equal(snapshot_reader_open(b.e, buf_slice(&resume), &r), ST_AGAIN);
	assert_int_equal(snapshot_reader_open(b.e, slice_str("nonsense"), &r), ST_VERSION);
	assert_int_equal(snapshot_reader_open(b.e, slice_str("x"), &r), ST_CORRUPT);
	assert_int_equal(snapshot_reader_open(b.e, slice_of(NULL, 0), &r), ST_OK);
	assert_int_equal(snapshot_reader_head(r)->lsn, 1);
	assert_int_equal(snapshot_reader_head(r)->keys, 1);
	assert_int_equal(snapshot_reader_tail(r, &tail), ST_INVALID);
	assert_int_equal(snapshot_reader_next(r, 1 << 20, &out), ST_OK);
	assert_int_equal(snapshot_reader_next(r, 1 << 20, &out), ST_END);
	assert_int_equal(snapshot_reader_tail(r, &tail), ST_OK);
	assert_int_equal(tail.entries, 1);
	assert_int_equal(tail.drain_lsn, 1);
	snapshot_reader_close(r);
	buf_deinit(&out);
	buf_deinit(&resume);
	engine_box_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_copy_with_its_log_is_the_keyspace_it_was_made_from),
	    cmocka_unit_test(a_mark_made_while_its_slot_is_read_comes_with_the_copy),
	    cmocka_unit_test(a_closed_reader_lets_go),
	    cmocka_unit_test(a_place_that_is_not_of_this_store_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
