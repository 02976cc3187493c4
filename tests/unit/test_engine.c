/* The engine against a plain model: random batches on strings and collections, with checkpoints,
 * rollbacks, flushes, expiry and restarts in between; the content and the counts must be the same
 * after every round. */
#include "engine/base/alloc.h"
#include "engine/base/bytes.h"
#include "engine/base/rng.h"
#include "engine/engine.h"
#include "engine/keyspace.h"
#include "tests/support/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { KEYS_MAX = 120, FIELDS = 40, LONG_NAME = 700 };

/* What one key holds in the model. value 0: nothing; collections have field values, 0: no such
 * field. */
struct model_key {
	bool present, large;
	uint32_t value;
	uint64_t expire_at_ms;
	uint32_t fields[FIELDS];
};

struct fixture {
	char dir[64];
	struct engine *e;
	uint64_t now_ms;
	struct rng rng;
	struct model_key keys[KEYS_MAX];
};

static void open_engine(struct fixture *f)
{
	struct engine_options opts = {
	    .dir = f->dir,
	    .io = io_posix(),
	    .clock = clock_system(),
	    .seed = 99,
	    .map_size_max = (uint64_t)1 << 32,
	    .memtable_max = 1 << 20,
	    .checkpoint_interval_ms = 3600000,
	    .wal_segment_size = 1 << 20,
	    .wal_keep_size = 1 << 20,
	    .wal_compression_level = 1,
	    .fsync = WAL_FSYNC_NO,
	};
	struct buf error = {0};
	enum status st = engine_open(&opts, &f->e, &error);

	if (st != ST_OK) {
		print_error("%.*s\n", (int)error.len, (const char *)error.data);
	}
	buf_deinit(&error);
	assert_int_equal(st, ST_OK);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	(void)snprintf(f->dir, sizeof f->dir, "/tmp/cairn-engine-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->now_ms = 1000000;
	rng_seed(&f->rng, 2026);
	open_engine(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(engine_close(f->e), ST_OK);
	remove_tree(f->dir);
	free(f);
	return 0;
}

/* Every tenth name is longer than a store key can be; they differ only behind the cut. */
static struct slice key_name(uint32_t n, char *dst)
{
	int len = snprintf(dst, LONG_NAME + 32, "{tag%u}", n % 3);

	if (n % 10 == 9) {
		memset(dst + len, 'x', LONG_NAME);
		len += LONG_NAME;
	}
	len += snprintf(dst + len, 16, "%u", n);
	return slice_of(dst, (size_t)len);
}

static struct slice value_text(uint32_t v, char *dst)
{
	int len = snprintf(dst, 512, "%u:", v);
	size_t extra = v % 300;

	memset(dst + len, 'v', extra);
	return slice_of(dst, (size_t)len + extra);
}

static bool alive(const struct fixture *f, const struct model_key *m)
{
	return m->present && (m->expire_at_ms == 0 || m->expire_at_ms > f->now_ms);
}

static void begin(struct fixture *f)
{
	engine_begin(f->e, slice_str("test"), f->now_ms, 0);
}

static struct slice field_name(uint32_t n, char *dst)
{
	int len = snprintf(dst, 32, "field%u", n);

	if (n % 13 == 12) {
		memset(dst + len, 'f', LONG_NAME);
		len += LONG_NAME;
	}
	return slice_of(dst, (size_t)len);
}

static void check_key(struct fixture *f, uint32_t n)
{
	struct model_key *m = &f->keys[n];
	char name[LONG_NAME + 64], text[1024];
	struct store_key key;
	struct meta meta;
	enum status st;

	store_key_of_key(&key, key_name(n, name));
	st = ks_lookup(f->e, &key, &meta);
	if (!alive(f, m)) {
		assert_int_equal(st, ST_NOT_FOUND);
		return;
	}
	assert_int_equal(st, ST_OK);
	assert_int_equal(meta.expire_at_ms, m->expire_at_ms);
	assert_int_equal(meta.form, m->large ? FORM_LARGE : FORM_INLINE);
	if (!m->large) {
		assert_true(slice_eq(meta.payload, value_text(m->value, text)));
		return;
	}
	struct ks_iter it;
	struct slice field, value;
	uint64_t order, last = 0;
	uint32_t seen = 0, expect = 0;

	for (uint32_t i = 0; i < FIELDS; i++) {
		char fname[LONG_NAME + 64];
		enum status got =
		    ks_field_get(f->e, key.slot, meta.id, field_name(i, fname), &value);

		assert_int_equal(got, m->fields[i] == 0 ? ST_NOT_FOUND : ST_OK);
		if (m->fields[i] != 0) {
			assert_true(slice_eq(value, value_text(m->fields[i], text)));
			expect++;
		}
	}
	assert_int_equal(ks_fields_open(f->e, key.slot, meta.id, 0, &it), ST_OK);
	while ((st = ks_fields_next(&it, &order, &field, &value)) == ST_OK) {
		assert_true(order >= last);
		last = order;
		seen++;
	}
	assert_int_equal(st, ST_END);
	ks_iter_close(&it);
	assert_int_equal(seen, expect);
}

static void check_all(struct fixture *f)
{
	uint64_t live = 0, physical = 0, seen = 0;

	/* Reads that meet an expired key remove it when their batch ends, so twice gives exact
	 * counts. */
	for (int round = 0; round < 20; round++) {
		begin(f);
		for (uint32_t n = 0; n < KEYS_MAX; n++) {
			check_key(f, n);
		}
		(void)engine_commit(f->e);
		(void)engine_turn_end(f->e);
	}
	begin(f);
	for (uint32_t n = 0; n < KEYS_MAX; n++) {
		live += alive(f, &f->keys[n]);
	}
	for (unsigned slot = 0; slot < SLOTS; slot++) {
		struct ks_iter it;
		struct slice name;
		struct meta meta;
		uint64_t order, last = 0, in_slot = engine_slot_keys(f->e, (uint16_t)slot);
		enum status st;

		if (in_slot == 0) {
			continue;
		}
		assert_int_equal(ks_keys_open(f->e, (uint16_t)slot, 0, &it), ST_OK);
		while ((st = ks_keys_next(&it, &order, &name, &meta)) == ST_OK) {
			assert_true(order >= last);
			last = order;
			seen++;
		}
		assert_int_equal(st, ST_END);
		ks_iter_close(&it);
		physical += in_slot;
	}
	assert_int_equal(engine_commit(f->e), 0);
	assert_int_equal(seen, live);
	for (int i = 0; i < 5000 && engine_count_resolve(f->e, 1000) > 0; i++) {
		(void)engine_turn_end(f->e);
		usleep(1000);
	}
	assert_int_equal(engine_count_resolve(f->e, 1000), 0);
	assert_int_equal(engine_keys(f->e), live);
	(void)physical;
}

static void put_string(struct fixture *f, struct model_key *model, uint32_t n, bool blind)
{
	char name[LONG_NAME + 64], text[1024];
	struct store_key key;
	struct meta old, meta = {.type = TYPE_STRING};
	struct model_key *m = &model[n];
	struct slice part;
	enum status st;

	store_key_of_key(&key, key_name(n, name));
	memset(m, 0, sizeof *m);
	m->present = true;
	m->value = 1 + (uint32_t)rng_below(&f->rng, 100000);
	if (rng_below(&f->rng, 4) == 0) {
		m->expire_at_ms = f->now_ms + 1 + rng_below(&f->rng, 3000);
	}
	meta.expire_at_ms = m->expire_at_ms;
	part = value_text(m->value, text);
	if (blind) {
		assert_int_equal(ks_put_blind(f->e, &key, &meta, &part, 1), ST_OK);
		return;
	}
	st = ks_lookup(f->e, &key, &old);
	assert_int_equal(ks_put(f->e, &key, st == ST_OK ? &old : NULL, &meta, &part, 1), ST_OK);
}

static void change_fields(struct fixture *f, struct model_key *model, uint32_t n)
{
	char name[LONG_NAME + 64], fname[LONG_NAME + 64], text[1024];
	struct store_key key;
	struct meta meta, old;
	struct model_key *m = &model[n];
	enum status st;

	store_key_of_key(&key, key_name(n, name));
	st = ks_lookup(f->e, &key, &old);
	if (st == ST_OK && old.form == FORM_LARGE) {
		meta = old;
	} else {
		meta = (struct meta){.type = TYPE_HASH, .form = FORM_LARGE, .id = ks_new_id(f->e)};
		memset(m, 0, sizeof *m);
		m->present = true;
		m->large = true;
	}
	for (int i = 0; i < 8; i++) {
		uint32_t field = (uint32_t)rng_below(&f->rng, FIELDS);
		struct slice fs = field_name(field, fname), vs;

		if (rng_below(&f->rng, 3) == 0) {
			m->fields[field] = 0;
			assert_int_equal(ks_field_del(f->e, key.slot, meta.id, fs), ST_OK);
			continue;
		}
		m->fields[field] = 1 + (uint32_t)rng_below(&f->rng, 1000);
		vs = value_text(m->fields[field], text);
		assert_int_equal(ks_field_put(f->e, key.slot, meta.id, fs, &vs, 1), ST_OK);
	}
	meta.count++;
	assert_int_equal(ks_put(f->e, &key, st == ST_OK ? &old : NULL, &meta, NULL, 0), ST_OK);
}

static void delete_key(struct fixture *f, struct model_key *model, uint32_t n)
{
	char name[LONG_NAME + 64];
	struct store_key key;
	struct meta old;

	store_key_of_key(&key, key_name(n, name));
	if (ks_lookup(f->e, &key, &old) == ST_OK) {
		assert_int_equal(ks_delete(f->e, &key, &old), ST_OK);
	}
	memset(&model[n], 0, sizeof model[n]);
}

/* Within a slot (the tag chooses it) a rename moves the record alone. */
static void rename_key(struct fixture *f, struct model_key *model, uint32_t from, uint32_t to)
{
	char a[LONG_NAME + 64], b[LONG_NAME + 64];
	struct store_key src, dst;
	struct meta old, replaced;
	enum status st;
	uint8_t copy[1024];
	struct slice part;

	store_key_of_key(&src, key_name(from, a));
	store_key_of_key(&dst, key_name(to, b));
	if (from == to || src.slot != dst.slot || ks_lookup(f->e, &src, &old) != ST_OK) {
		return;
	}
	assert_true(old.payload.len <= sizeof copy);
	part = slice_of(copy, old.payload.len);
	memcpy(copy, old.payload.data == NULL ? copy : old.payload.data, old.payload.len);
	st = ks_lookup(f->e, &dst, &replaced);
	assert_int_equal(ks_detach(f->e, &src, &old), ST_OK);
	assert_int_equal(ks_put(f->e, &dst, st == ST_OK ? &replaced : NULL, &old, &part, 1), ST_OK);
	model[to] = model[from];
	memset(&model[from], 0, sizeof model[from]);
}

/* One batch of a few random operations, committed or rolled back. */
static void random_batch(struct fixture *f)
{
	static struct model_key model[KEYS_MAX];
	uint32_t ops = 1 + (uint32_t)rng_below(&f->rng, 4);

	memcpy(model, f->keys, sizeof model);
	begin(f);
	for (uint32_t i = 0; i < ops; i++) {
		uint32_t n = (uint32_t)rng_below(&f->rng, KEYS_MAX);

		switch (rng_below(&f->rng, 100)) {
		default:
			put_string(f, model, n, rng_below(&f->rng, 2) == 0);
			break;
		case 40 ... 69:
			change_fields(f, model, n);
			break;
		case 70 ... 84:
			delete_key(f, model, n);
			break;
		case 85 ... 98:
			rename_key(f, model, n, (uint32_t)rng_below(&f->rng, KEYS_MAX));
			break;
		case 99:
			if (rng_below(&f->rng, 4) == 0) {
				assert_int_equal(ks_flush(f->e), ST_OK);
				memset(model, 0, sizeof model);
			}
			break;
		}
	}
	if (rng_below(&f->rng, 5) == 0) {
		engine_rollback(f->e);
		return;
	}
	(void)engine_commit(f->e);
	memcpy(f->keys, model, sizeof model);
}

static void random_batches_match_the_model_across_checkpoints_and_restarts(void **state)
{
	struct fixture *f = *state;

	for (int round = 0; round < 60; round++) {
		for (int i = 0; i < 60; i++) {
			random_batch(f);
			f->now_ms += rng_below(&f->rng, 20);
			if (rng_below(&f->rng, 4) == 0) {
				(void)engine_turn_end(f->e);
			}
			if (rng_below(&f->rng, 40) == 0) {
				(void)engine_checkpoint(f->e);
			}
			if (rng_below(&f->rng, 30) == 0) {
				(void)engine_expire_cycle(f->e, f->now_ms, 20);
			}
		}
		(void)engine_turn_end(f->e);
		if (rng_below(&f->rng, 8) == 0) {
			assert_int_equal(engine_close(f->e), ST_OK);
			open_engine(f);
		}
		check_all(f);
	}
}

static void a_second_open_of_the_directory_names_the_holder(void **state)
{
	struct fixture *f = *state;
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct engine_options opts = {
		    .dir = f->dir,
		    .io = io_posix(),
		    .clock = clock_system(),
		    .map_size_max = 1 << 30,
		    .memtable_max = 1 << 20,
		    .wal_segment_size = 1 << 20,
		};
		struct buf error = {0};
		struct engine *e;
		char pid[32];
		enum status st = engine_open(&opts, &e, &error);

		(void)snprintf(pid, sizeof pid, "process %d:", (int)getppid());
		_exit(st == ST_LOCKED && memmem(error.data, error.len, pid, strlen(pid)) != NULL
			  ? 0
			  : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		random_batches_match_the_model_across_checkpoints_and_restarts, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_second_open_of_the_directory_names_the_holder, setup,
					    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
