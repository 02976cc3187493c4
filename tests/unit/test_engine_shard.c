/* Two engines in one process: one follows the other's log. After any mix of writes, checkpoints,
 * restarts and role changes both hold the same keyspace at the same LSN under the same chain. */
#include "engine/engine_shard.h"

#include "engine/base/rng.h"
#include "engine/engine_digest.h"
#include "engine/engine_impl.h"
#include "engine/engine_library.h"
#include "engine/keyspace.h"
#include "tests/support/temp_store.h"
#include "tests/support/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

#include <cmocka.h>

enum { KEYS = 300, PIECE = 32 << 10 };

struct node {
	char dir[64];
	struct engine *e;
	bool replica;
	uint64_t memtable_max, opened, touched, touched_all;
};

struct pair {
	struct node n[2];
	struct rng rng;
	uint64_t now_ms;
	/* The stream from n[0] to n[1]. */
	struct wal_tail *tail;
	struct wal_pin pin;
	struct wal_segment segment;
	struct wal_frame_decoder *decoder;
	struct buf header, error;
};

static void on_touched(void *arg, const struct store_key *key)
{
	struct node *n = arg;

	n->touched++;
	n->touched_all += key == NULL;
}

static void open_node(struct node *n)
{
	struct engine_options opts = {
	    .dir = n->dir,
	    .io = io_posix(),
	    .clock = clock_system(),
	    .seed = ++n->opened * 1000 + (uint64_t)n->replica,
	    .map_size_max = (uint64_t)1 << 32,
	    .memtable_max = n->memtable_max,
	    .checkpoint_interval_ms = 3600000,
	    .wal_segment_size = 256 << 10,
	    .wal_keep_size = 64 << 20,
	    .wal_compression_level = 1,
	    .fsync = WAL_FSYNC_NO,
	    .touched = on_touched,
	    .touched_arg = n,
	    .replica = n->replica,
	};
	struct buf error = {0};
	enum status st = engine_open(&opts, &n->e, &error);

	if (st != ST_OK) {
		print_error("%.*s\n", (int)error.len, (const char *)error.data);
	}
	buf_deinit(&error);
	assert_int_equal(st, ST_OK);
}

static void disconnect(struct pair *p)
{
	wal_tail_close(p->tail);
	p->tail = NULL;
	engine_unpin(p->n[0].e, &p->pin);
}

static void turn(struct node *n)
{
	(void)engine_turn_end(n->e);
}

/* A turn that leaves nothing on its way to the log. */
static void settle(struct node *n, struct engine_position *at)
{
	do {
		turn(n);
	} while (engine_position(n->e, at) == ST_AGAIN);
}

static struct engine_position position(struct node *n)
{
	struct engine_position at;

	settle(n, &at);
	return at;
}

static void restart(struct pair *p, int i, bool quick)
{
	struct engine_position at;

	disconnect(p);
	settle(&p->n[i], &at);
	assert_int_equal(quick ? engine_close_quick(p->n[i].e) : engine_close(p->n[i].e), ST_OK);
	open_node(&p->n[i]);
}

/* --- writing --- */

static void write_some(struct pair *p, struct node *n)
{
	struct store_key key;
	struct meta old, m = {.type = TYPE_STRING};
	char name[32], text[64];
	struct slice part;
	enum status found;

	(void)snprintf(name, sizeof name, "key:%u", (unsigned)rng_below(&p->rng, KEYS));
	(void)snprintf(text, sizeof text, "value-%llu", (unsigned long long)rng_next(&p->rng));
	part = slice_str(text);
	engine_begin(n->e, slice_str("test"), p->now_ms, 0);
	store_key_of_key(&key, slice_str(name));
	found = ks_lookup(n->e, &key, &old);
	assert_true(found == ST_OK || found == ST_NOT_FOUND);
	switch (rng_below(&p->rng, 40)) {
	case 0:
		if (found == ST_OK) {
			assert_int_equal(ks_delete(n->e, &key, &old), ST_OK);
		}
		break;
	case 1:
		if (rng_below(&p->rng, 40) == 0) {
			assert_int_equal(ks_flush(n->e), ST_OK);
		}
		break;
	case 5:
		(void)snprintf(name, sizeof name, "lib%u", (unsigned)rng_below(&p->rng, 3));
		assert_int_equal(rng_below(&p->rng, 3) == 0
				     ? engine_library_del(n->e, slice_str(name))
				     : engine_library_put(n->e, slice_str(name), part),
				 ST_OK);
		break;
	case 2:
	case 3: {
		struct meta large = {.type = TYPE_HASH, .form = FORM_LARGE};

		large.id = found == ST_OK && old.form == FORM_LARGE ? old.id : ks_new_id(n->e);
		large.count = 1 + rng_below(&p->rng, 100);
		assert_int_equal(ks_put(n->e, &key, found == ST_OK ? &old : NULL, &large, NULL, 0),
				 ST_OK);
		assert_int_equal(ks_field_put(n->e, key.slot, large.id, slice_str(text), &part, 1),
				 ST_OK);
		break;
	}
	case 4:
		m.expire_at_ms = p->now_ms + rng_below(&p->rng, 2000);
		assert_int_equal(ks_put(n->e, &key, found == ST_OK ? &old : NULL, &m, &part, 1),
				 ST_OK);
		break;
	default:
		assert_int_equal(ks_put_blind(n->e, &key, &m, &part, 1), ST_OK);
	}
	(void)engine_commit(n->e);
}

/* --- the stream --- */

static bool connect_pair(struct pair *p)
{
	struct engine_position at = position(&p->n[1]), from = position(&p->n[0]);
	uint64_t fork;

	assert_int_equal(wal_history_fork(&from.history, from.lsn, &at.history, at.lsn, &fork),
			 ST_OK);
	if (fork != at.lsn) {
		return false;
	}
	p->error.len = 0;
	assert_int_equal(engine_tail_open(p->n[0].e, at.lsn + 1, &p->pin, &p->tail, &p->error),
			 ST_OK);
	assert_int_equal(wal_tail_chain(p->tail), at.chain);
	return true;
}

static void apply_piece(struct pair *p, const struct wal_tail_piece *piece)
{
	struct slice in = piece->frames;
	enum status st;

	if (piece->header.len > 0) {
		p->header.len = 0;
		assert_int_equal(buf_append(&p->header, piece->header.data, piece->header.len),
				 ST_OK);
		assert_int_equal(wal_segment_decode(buf_slice(&p->header), &p->segment), ST_OK);
		while ((st = engine_follow_history(p->n[1].e, &p->segment.history,
						   p->segment.dictionary)) == ST_AGAIN) {
			turn(&p->n[1]);
		}
		assert_int_equal(st, ST_OK);
	}
	while (in.len > 0) {
		struct wal_frame f;
		struct slice stored, records;

		assert_int_equal(wal_frame_decode_header(in, p->segment.salt, &f), ST_OK);
		stored = slice_of(in.data + WAL_FRAME_HEADER_LEN, f.stored_len);
		assert_int_equal(wal_frame_decode(p->decoder, &f, stored, &records), ST_OK);
		while (f.records > 0 &&
		       (st = engine_apply_frame(p->n[1].e, &f, stored, records)) != ST_OK) {
			assert_int_equal(st, ST_AGAIN);
			turn(&p->n[1]);
		}
		in = slice_skip(in, wal_frame_span(&f));
	}
	turn(&p->n[1]);
}

static void stream(struct pair *p)
{
	struct engine_position from = position(&p->n[0]);

	for (;;) {
		struct wal_tail_piece piece;
		enum status st = wal_tail_next(p->tail, from.lsn, PIECE, &piece, &p->error);

		if (st == ST_END) {
			return;
		}
		assert_int_equal(st, ST_OK);
		apply_piece(p, &piece);
	}
}

/* --- comparing --- */

static uint64_t mix(uint64_t sum, struct slice a, struct slice b, uint64_t c)
{
	return sum + XXH3_64bits_withSeed(a.data, a.len, XXH3_64bits_withSeed(b.data, b.len, c));
}

/* A sum over all live keys and elements. */
static uint64_t digest(struct pair *p, struct node *n)
{
	uint64_t sum = 0, keys = 0;

	engine_begin(n->e, slice_str("read"), p->now_ms, 0);
	for (unsigned slot = 0; slot < SLOTS; slot++) {
		struct ks_iter it = {0}, fields = {0};
		struct slice name, field, value;
		struct meta m;
		uint64_t order;

		if (engine_slot_keys(n->e, (uint16_t)slot) == 0) {
			continue;
		}
		assert_int_equal(ks_keys_open(n->e, (uint16_t)slot, 0, &it), ST_OK);
		while (ks_keys_next(&it, &order, &name, &m) == ST_OK) {
			keys++;
			sum = mix(sum, name, m.payload, m.expire_at_ms + m.count);
			if (m.form != FORM_LARGE) {
				continue;
			}
			assert_int_equal(ks_fields_open(n->e, (uint16_t)slot, m.id, 0, &fields),
					 ST_OK);
			while (ks_fields_next(&fields, &order, &field, &value) == ST_OK) {
				sum = mix(sum, field, value, m.id);
			}
			ks_iter_close(&fields);
		}
		ks_iter_close(&it);
	}
	for (size_t i = 0; i < engine_libraries(n->e)->count; i++) {
		const struct library *l = engine_libraries(n->e)->items[i];

		sum = mix(sum, library_name(l), library_code(l), 1);
	}
	(void)engine_commit(n->e);
	return sum + keys;
}

static void compare(struct pair *p)
{
	struct engine_position a = position(&p->n[0]), b = position(&p->n[1]);

	assert_int_equal(a.lsn, b.lsn);
	assert_int_equal(a.chain, b.chain);
	assert_int_equal(digest(p, &p->n[0]), digest(p, &p->n[1]));
}

/* Turns until the node's newest checkpoint is at lsn, or after it; wanted: asks for one. */
static void await_checkpoint(struct node *n, uint64_t lsn, bool wanted)
{
	uint64_t at;

	while (!engine_digest_lsn(n->e, &at) || at < lsn) {
		if (wanted) {
			(void)engine_checkpoint(n->e);
		}
		turn(n);
		(void)usleep(200);
	}
}

/* A checkpoint of the primary, at a record in the middle of what it streams; the replica is told
 * before it gets that, and makes one there, too. Both had everything in their stores before. */
static void checkpoint_both(struct pair *p)
{
	uint64_t lsn;

	for (int i = 0; i < 2; i++) {
		await_checkpoint(&p->n[i], position(&p->n[i]).lsn, true);
	}
	for (int i = 0; i < 30; i++) {
		write_some(p, &p->n[0]);
	}
	lsn = position(&p->n[0]).lsn;
	(void)engine_checkpoint(p->n[0].e);
	turn(&p->n[0]);
	assert_int_equal(engine_freeze_lsn(p->n[0].e), lsn);
	engine_freeze_at(p->n[1].e, lsn);
	for (int i = 0; i < 30; i++) {
		write_some(p, &p->n[0]);
	}
	stream(p);
	assert_int_equal(engine_freeze_lsn(p->n[1].e), lsn);
	for (int i = 0; i < 2; i++) {
		await_checkpoint(&p->n[i], lsn, false);
	}
}

/* The slots of both at the LSN of their newest checkpoint; returns how many have keys. */
static unsigned compare_contents(struct pair *p)
{
	unsigned filled = 0;

	for (unsigned slot = 0; slot < SLOTS; slot++) {
		struct slot_content c[2];

		for (int i = 0; i < 2; i++) {
			engine_slot_content(p->n[i].e, (uint16_t)slot, &c[i]);
			assert_true(c[i].known);
		}
		assert_int_equal(c[0].keys, c[1].keys);
		assert_true(digest_eq(c[0].digest, c[1].digest));
		assert_int_equal(c[0].keys == 0, digest_eq(c[0].digest, (struct digest){0}));
		filled += c[0].keys > 0;
	}
	return filled;
}

/* The keys of both that have not expired, counted exactly. */
static void compare_counts(struct pair *p)
{
	for (int i = 0; i < 2; i++) {
		while (engine_count_resolve(p->n[i].e, UINT32_MAX) > 0) {
			turn(&p->n[i]);
			(void)usleep(100);
		}
	}
	assert_int_equal(engine_keys(p->n[0].e), engine_keys(p->n[1].e));
	assert_int_equal(engine_expires(p->n[0].e), engine_expires(p->n[1].e));
}

/* --- fixture --- */

/* The second node begins as a copy of the first one's files. */
static int setup(void **state)
{
	struct pair *p = calloc(1, sizeof *p);
	struct engine_position at;

	rng_seed(&p->rng, 4711);
	p->now_ms = 1000000;
	for (int i = 0; i < 2; i++) {
		p->n[i].memtable_max = 256 << 10;
		(void)snprintf(p->n[i].dir, sizeof p->n[i].dir, "/tmp/cairn-repl-XXXXXX");
		assert_non_null(mkdtemp(p->n[i].dir));
	}
	assert_int_equal(wal_frame_decoder_create(&p->decoder), ST_OK);
	open_node(&p->n[0]);
	write_some(p, &p->n[0]);
	settle(&p->n[0], &at);
	assert_int_equal(engine_close(p->n[0].e), ST_OK);
	copy_tree(p->n[0].dir, p->n[1].dir);
	p->n[1].replica = true;
	open_node(&p->n[0]);
	open_node(&p->n[1]);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct pair *p = *state;

	disconnect(p);
	for (int i = 0; i < 2; i++) {
		(void)engine_close(p->n[i].e);
		remove_tree(p->n[i].dir);
	}
	wal_frame_decoder_destroy(p->decoder);
	buf_deinit(&p->header);
	buf_deinit(&p->error);
	free(p);
	return 0;
}

/* --- tests --- */

static void a_replica_follows_through_restarts_and_checkpoints(void **state)
{
	struct pair *p = *state;
	unsigned filled = 0;

	for (int round = 0; round < 200; round++) {
		uint64_t writes = rng_below(&p->rng, 300);

		for (uint64_t i = 0; i < writes; i++) {
			write_some(p, &p->n[0]);
			if (rng_below(&p->rng, 4) == 0) {
				turn(&p->n[0]);
			}
		}
		switch (rng_below(&p->rng, 8)) {
		case 0:
			restart(p, 0, rng_below(&p->rng, 2) == 0);
			break;
		case 1:
			restart(p, 1, rng_below(&p->rng, 2) == 0);
			break;
		case 2:
			(void)engine_checkpoint(p->n[0].e);
			break;
		case 3:
			(void)engine_checkpoint(p->n[1].e);
			break;
		case 4:
			p->now_ms += 500;
			(void)engine_expire_cycle(p->n[0].e, p->now_ms, 50);
			assert_int_equal(engine_expire_cycle(p->n[1].e, p->now_ms, 50), 0);
			break;
		default:
			break;
		}
		if (p->tail == NULL) {
			assert_true(connect_pair(p));
		}
		stream(p);
		if (round % 10 == 0) {
			compare(p);
			compare_counts(p);
		}
		if (round % 20 == 3) {
			checkpoint_both(p);
			filled += compare_contents(p);
			assert_int_equal(temp_store_orphans(p->n[0].e->store), 0);
			assert_int_equal(temp_store_orphans(p->n[1].e->store), 0);
		}
	}
	compare(p);
	compare_counts(p);
	assert_true(p->n[1].touched > 0);
	assert_true(filled > 100);
}

static void a_promoted_replica_begins_a_timeline(void **state)
{
	struct pair *p = *state;
	struct engine_position before, a, b;
	uint64_t fork;
	enum status st;

	assert_true(connect_pair(p));
	for (int i = 0; i < 50; i++) {
		write_some(p, &p->n[0]);
	}
	stream(p);
	before = position(&p->n[1]);
	for (int i = 0; i < 5; i++) { /* what the replica misses */
		write_some(p, &p->n[0]);
	}
	do {
		turn(&p->n[1]);
		st = engine_promote(p->n[1].e, 7);
	} while (st == ST_AGAIN);
	assert_int_equal(st, ST_OK);
	assert_false(engine_is_replica(p->n[1].e));
	p->n[1].replica = false;
	for (int i = 0; i < 20; i++) {
		write_some(p, &p->n[1]);
		turn(&p->n[1]);
	}
	a = position(&p->n[0]);
	b = position(&p->n[1]);
	assert_int_equal(b.history.items[b.history.count - 1].epoch, 7);
	assert_int_equal(wal_history_fork(&a.history, a.lsn, &b.history, b.lsn, &fork), ST_OK);
	assert_int_equal(fork, before.lsn);
	disconnect(p);
	/* The new timeline is on disk. */
	assert_int_equal(engine_close_quick(p->n[1].e), ST_OK);
	open_node(&p->n[1]);
	b = position(&p->n[1]);
	assert_int_equal(wal_history_fork(&a.history, a.lsn, &b.history, b.lsn, &fork), ST_OK);
	assert_int_equal(fork, before.lsn);
}

static uint64_t checkpoint_lsn(struct node *n)
{
	struct engine_stats stats;

	for (int i = 0; i < 300; i++) {
		turn(n);
		(void)usleep(1000);
		engine_stats(n->e, &stats);
		if (!stats.checkpoint_running) {
			break;
		}
	}
	return stats.checkpoint_lsn;
}

static void the_store_waits_for_the_replicas(void **state)
{
	struct pair *p = *state;
	struct node *n = &p->n[0];
	uint64_t began;

	n->memtable_max = 8 << 20;
	restart(p, 0, false);
	began = checkpoint_lsn(n);
	engine_set_horizon(n->e, began);
	engine_set_memtable_max(n->e, 1);
	for (int i = 0; i < 100; i++) {
		write_some(p, n);
	}
	turn(n); /* frozen, and held */
	engine_set_memtable_max(n->e, 8 << 20);
	assert_int_equal(checkpoint_lsn(n), began);
	engine_set_horizon(n->e, UINT64_MAX);
	assert_true(checkpoint_lsn(n) > began);
	/* Closing leaves unshared records to the log. */
	began = checkpoint_lsn(n);
	write_some(p, n);
	write_some(p, n);
	engine_set_horizon(n->e, began);
	restart(p, 0, false);
	assert_int_equal(checkpoint_lsn(n), began);
}

static void a_tail_larger_than_memory_is_drained_at_the_start(void **state)
{
	struct pair *p = *state;
	struct node *n = &p->n[0];
	struct engine_stats stats;
	uint64_t before;

	n->memtable_max = 64 << 20;
	restart(p, 0, false);
	for (int i = 0; i < 20000; i++) {
		write_some(p, n);
		if (i % 50 == 0) {
			turn(n);
		}
	}
	before = digest(p, n);
	n->memtable_max = 32 << 10;
	restart(p, 0, true);
	engine_stats(n->e, &stats);
	assert_true(stats.recovery_records > 15000);
	assert_true(stats.checkpoint.drains > 1);
	assert_true(stats.memtable_bytes < 4 * n->memtable_max);
	assert_int_equal(digest(p, n), before);
}

static void what_does_not_follow_is_refused(void **state)
{
	struct pair *p = *state;
	struct wal_history other = {
	    .shard_id = 1, .count = 1, .items = {{.id = 3, .first_lsn = 1}}};
	struct engine_position at = position(&p->n[1]);
	struct wal_frame f = {.first_lsn = at.lsn + 2, .records = 1, .stored_len = 4};

	assert_int_equal(engine_follow_history(p->n[1].e, &other, slice_of(NULL, 0)), ST_CORRUPT);
	assert_int_equal(engine_apply_frame(p->n[1].e, &f, slice_str("abcd"), slice_str("abcd")),
			 ST_CORRUPT);
	f.first_lsn = at.lsn + 1;
	assert_int_equal(engine_apply_frame(p->n[1].e, &f, slice_str("abcd"), slice_str("abcd")),
			 ST_CORRUPT);
	assert_int_equal(position(&p->n[1]).lsn, at.lsn);
	compare(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_replica_follows_through_restarts_and_checkpoints,
					    setup, teardown),
	    cmocka_unit_test_setup_teardown(a_promoted_replica_begins_a_timeline, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_store_waits_for_the_replicas, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_tail_larger_than_memory_is_drained_at_the_start,
					    setup, teardown),
	    cmocka_unit_test_setup_teardown(what_does_not_follow_is_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
