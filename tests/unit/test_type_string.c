/* Strings against plain bytes in memory: writes and reads of parts around the borders of chunks,
 * conversions, checkpoints and restarts in between. */
#include "engine/base/alloc.h"
#include "engine/base/bytes.h"
#include "engine/base/rng.h"
#include "engine/types/type_string.h"
#include "tests/support/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { KEYS = 4, MODEL_MAX = STRING_CHUNK * 6, ROUNDS = 3000 };

struct model {
	uint8_t *bytes; /* MODEL_MAX */
	size_t len;
	bool present;
	uint64_t expire_at_ms;
};

struct fixture {
	char dir[64];
	struct engine *e;
	struct rng rng;
	struct model keys[KEYS];
	uint8_t *scratch; /* MODEL_MAX */
};

static void open_engine(struct fixture *f)
{
	struct engine_options opts = {
	    .dir = f->dir,
	    .io = io_posix(),
	    .clock = clock_system(),
	    .seed = 7,
	    .map_size_max = (uint64_t)1 << 32,
	    .memtable_max = 2 << 20,
	    .checkpoint_interval_ms = 3600000,
	    .wal_segment_size = 4 << 20,
	    .wal_keep_size = 4 << 20,
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

	(void)snprintf(f->dir, sizeof f->dir, "/tmp/cairn-string-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	rng_seed(&f->rng, 11);
	for (int i = 0; i < KEYS; i++) {
		f->keys[i].bytes = calloc(1, MODEL_MAX);
	}
	f->scratch = calloc(1, MODEL_MAX);
	open_engine(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(engine_close(f->e), ST_OK);
	remove_tree(f->dir);
	for (int i = 0; i < KEYS; i++) {
		free(f->keys[i].bytes);
	}
	free(f->scratch);
	free(f);
	return 0;
}

static void begin(struct fixture *f)
{
	engine_begin(f->e, slice_str("test"), 1000, 0);
}

static void commit(struct fixture *f)
{
	(void)engine_commit(f->e);
	(void)engine_turn_end(f->e);
	while (engine_writable(f->e) == ST_AGAIN) {
		(void)engine_turn_end(f->e);
	}
}

static void key_of(int n, struct store_key *key)
{
	static const char *const names[KEYS] = {"a", "b", "c", "d"};

	store_key_of_key(key, slice_str(names[n]));
}

/* NULL: absent. */
static const struct meta *look(struct fixture *f, int n, struct store_key *key, struct meta *m)
{
	enum status st;

	key_of(n, key);
	st = ks_lookup(f->e, key, m);
	assert_true(st == ST_OK || st == ST_NOT_FOUND);
	return st == ST_OK ? m : NULL;
}

/* A place near a border of chunks, or of the inline form, more often than not. */
static size_t place(struct rng *r, size_t max)
{
	size_t at = (size_t)rng_below(r, max + 1);

	if (rng_below(r, 3) > 0) {
		size_t near = (at / STRING_CHUNK) * STRING_CHUNK + (size_t)rng_below(r, 5);

		at = near >= 2 ? near - 2 : 0;
	}
	return at < max ? at : max;
}

static void random_bytes(struct fixture *f, size_t len)
{
	uint8_t base = (uint8_t)rng_next(&f->rng);

	for (size_t i = 0; i < len; i++) {
		f->scratch[i] = (uint8_t)(base + i * 7);
	}
}

static void check(struct fixture *f, int n)
{
	struct model *want = &f->keys[n];
	struct store_key key;
	struct meta found;
	const struct meta *m = look(f, n, &key, &found);
	struct string_reader r = {0};
	struct slice piece;
	size_t off = place(&f->rng, MODEL_MAX), len = place(&f->rng, MODEL_MAX);
	size_t at = off;
	enum status st;

	assert_int_equal(m != NULL, want->present);
	assert_int_equal(string_len(m), want->len);
	if (m != NULL) {
		assert_int_equal(m->expire_at_ms, want->expire_at_ms);
		assert_true(want->len <= STRING_INLINE_MAX || m->form == FORM_LARGE);
	}
	/* Behind the end the model holds zeros as well. */
	len = off + len > MODEL_MAX ? MODEL_MAX - off : len;
	memset(f->scratch, 0xee, len);
	assert_int_equal(string_read(f->e, key.slot, m, off, f->scratch, len), ST_OK);
	assert_memory_equal(f->scratch, want->bytes + off, len);

	st = string_reader_open(f->e, key.slot, m, off, len, &r);
	while (st == ST_OK) {
		st = string_reader_next(&r, &piece);
		if (st == ST_OK) {
			assert_true(piece.len > 0);
			for (size_t i = 0; piece.data == NULL && i < piece.len; i++) {
				assert_int_equal(want->bytes[at + i], 0);
			}
			if (piece.data != NULL) {
				assert_memory_equal(piece.data, want->bytes + at, piece.len);
			}
			at += piece.len;
		}
	}
	assert_int_equal(st, ST_END);
	string_reader_close(&r);
	string_reader_close(&r);
	len = off + len > want->len ? (off < want->len ? want->len - off : 0) : len;
	assert_int_equal(at, off + len);
}

static void model_set(struct model *m, const uint8_t *bytes, size_t len, uint64_t expire_at_ms)
{
	memset(m->bytes, 0, MODEL_MAX);
	memcpy(m->bytes, bytes, len);
	m->len = len;
	m->present = true;
	m->expire_at_ms = expire_at_ms;
}

static void set_whole(struct fixture *f, int n)
{
	struct store_key key;
	struct meta found;
	size_t len = place(&f->rng, MODEL_MAX);
	uint64_t expire_at_ms = rng_below(&f->rng, 2) == 0 ? 0 : 1000000;
	bool blind = rng_below(&f->rng, 2) == 0;
	const struct meta *m = look(f, n, &key, &found);
	struct slice value = slice_of(f->scratch, len);

	random_bytes(f, len);
	assert_int_equal(blind ? string_set(f->e, &key, value, 0, expire_at_ms)
			       : string_replace(f->e, &key, m, value, 0, expire_at_ms),
			 ST_OK);
	model_set(&f->keys[n], f->scratch, len, expire_at_ms);
}

static void write_part(struct fixture *f, int n)
{
	struct model *want = &f->keys[n];
	struct store_key key;
	struct meta found;
	size_t off = rng_below(&f->rng, 3) == 0 ? want->len : place(&f->rng, MODEL_MAX);
	size_t len =
	    rng_below(&f->rng, 2) == 0 ? (size_t)rng_below(&f->rng, 20) : place(&f->rng, MODEL_MAX);
	const struct meta *m = look(f, n, &key, &found);

	len = off + len > MODEL_MAX ? MODEL_MAX - off : len;
	random_bytes(f, len);
	assert_int_equal(string_write(f->e, &key, m, off, slice_of(f->scratch, len)), ST_OK);
	memcpy(want->bytes + off, f->scratch, len);
	want->len = off + len > want->len ? off + len : want->len;
	want->present = true;
	m = look(f, n, &key, &found);
	assert_non_null(m);
	assert_string_equal(string_encoding(m), "raw");
}

static enum status inverse_of_b(void *arg, uint64_t off, uint8_t *dst, size_t len)
{
	struct fixture *f = arg;
	struct store_key key;
	struct meta found;
	const struct meta *m = look(f, 1, &key, &found);
	enum status st = string_read(f->e, key.slot, m, off, dst, len);

	for (size_t i = 0; i < len; i++) {
		dst[i] = (uint8_t)~dst[i];
	}
	return st;
}

/* The destination may be the source. */
static void build(struct fixture *f, int n)
{
	struct model *source = &f->keys[1];
	size_t len = source->len;
	struct store_key key;

	if (len == 0) {
		return;
	}
	key_of(n, &key);
	assert_int_equal(string_build(f->e, &key, len, inverse_of_b, f), ST_OK);
	for (size_t i = 0; i < len; i++) {
		f->scratch[i] = (uint8_t)~source->bytes[i];
	}
	model_set(&f->keys[n], f->scratch, len, 0);
}

static void erase(struct fixture *f, int n)
{
	struct store_key key;
	struct meta found;
	const struct meta *m = look(f, n, &key, &found);

	if (m != NULL) {
		assert_int_equal(ks_delete(f->e, &key, m), ST_OK);
	}
	memset(f->keys[n].bytes, 0, MODEL_MAX);
	f->keys[n].len = 0;
	f->keys[n].present = false;
	f->keys[n].expire_at_ms = 0;
}

static void random_operations_leave_what_plain_bytes_would(void **state)
{
	struct fixture *f = *state;

	for (int round = 0; round < ROUNDS; round++) {
		int n = (int)rng_below(&f->rng, KEYS);
		uint64_t what = rng_below(&f->rng, 100);

		begin(f);
		if (what < 25) {
			set_whole(f, n);
		} else if (what < 85) {
			write_part(f, n);
		} else if (what < 90) {
			build(f, n);
		} else {
			erase(f, n);
		}
		check(f, n);
		commit(f);
		if (what == 99) {
			(void)engine_checkpoint(f->e);
		}
		if (round % 500 == 499) {
			assert_int_equal(engine_close(f->e), ST_OK);
			open_engine(f);
		}
		begin(f);
		for (int i = 0; i < KEYS; i++) {
			check(f, i);
		}
		commit(f);
	}
}

static void a_write_far_behind_the_end_stores_only_its_chunk(void **state)
{
	struct fixture *f = *state;
	struct store_key key;
	struct meta found;
	const struct meta *m;
	uint64_t far = (uint64_t)512 << 20;
	struct string_reader r;
	struct slice piece;
	uint32_t ops;

	begin(f);
	m = look(f, 0, &key, &found);
	assert_int_equal(string_write(f->e, &key, m, far - 1, slice_str("x")), ST_OK);
	ops = engine_batch_ops(f->e);
	m = look(f, 0, &key, &found);
	assert_int_equal(string_len(m), far);
	assert_in_range(ops, 1, 3);
	assert_int_equal(string_reader_open(f->e, key.slot, m, 0, far, &r), ST_OK);
	for (uint64_t at = 0, pieces = 0; at < far; pieces++) {
		assert_int_equal(string_reader_next(&r, &piece), ST_OK);
		assert_true(pieces < 4);
		at += piece.len;
	}
	assert_int_equal(string_reader_next(&r, &piece), ST_END);
	string_reader_close(&r);
	engine_rollback(f->e);
}

static void an_append_to_a_large_string_writes_two_entries(void **state)
{
	struct fixture *f = *state;
	struct store_key key;
	struct meta found;
	const struct meta *m;
	uint32_t ops;

	begin(f);
	key_of(2, &key);
	memset(f->scratch, 'v', MODEL_MAX);
	assert_int_equal(string_set(f->e, &key, slice_of(f->scratch, MODEL_MAX), 0, 0), ST_OK);
	ops = engine_batch_ops(f->e);
	m = look(f, 2, &key, &found);
	assert_int_equal(string_write(f->e, &key, m, MODEL_MAX, slice_str("more")), ST_OK);
	assert_int_equal(engine_batch_ops(f->e) - ops, 2);
	engine_rollback(f->e);
}

static void failing_memory_is_reported_and_rolled_back_whole(void **state)
{
	struct fixture *f = *state;
	enum status st = ST_NO_MEMORY;
	struct store_key key;
	struct meta found;

	begin(f);
	set_whole(f, 3);
	commit(f);
	for (int n = 0; st == ST_NO_MEMORY; n++) {
		const struct meta *m;

		assert_in_range(n, 0, 1000);
		begin(f);
		m = look(f, 3, &key, &found);
		memset(f->scratch, 'f', MODEL_MAX);
		mem_fail_nth(n);
		st = string_write(f->e, &key, m, 5, slice_of(f->scratch, MODEL_MAX - 5));
		mem_fail_nth(-1);
		engine_rollback(f->e);
		begin(f);
		check(f, 3);
		commit(f);
	}
	assert_int_equal(st, ST_OK);
}

static void a_chunk_longer_than_a_chunk_is_damage(void **state)
{
	struct fixture *f = *state;
	static const uint8_t first[4] = {0, 0, 0, 0};
	struct store_key key;
	struct meta found;
	const struct meta *m;
	struct slice parts[2] = {slice_of(string_zeros, STRING_CHUNK), slice_str("!")};
	uint8_t byte;
	struct string_reader r;
	struct slice piece;

	begin(f);
	key_of(0, &key);
	assert_int_equal(string_set(f->e, &key, slice_of(f->scratch, MODEL_MAX), 0, 0), ST_OK);
	m = look(f, 0, &key, &found);
	assert_int_equal(ks_elem_put(f->e, key.slot, m->id, slice_of(first, 4), parts, 2), ST_OK);
	assert_int_equal(string_read(f->e, key.slot, m, 0, &byte, 1), ST_CORRUPT);
	assert_int_equal(string_write(f->e, &key, m, 1, slice_str("x")), ST_CORRUPT);
	assert_int_equal(string_reader_open(f->e, key.slot, m, 0, MODEL_MAX, &r), ST_OK);
	assert_int_equal(string_reader_next(&r, &piece), ST_CORRUPT);
	string_reader_close(&r);
	engine_rollback(f->e);
}

static void integers_are_canonical_text(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		int64_t v;
	} cases[] = {
	    {"0", true, 0},
	    {"-1", true, -1},
	    {"10", true, 10},
	    {"9223372036854775807", true, INT64_MAX},
	    {"-9223372036854775808", true, INT64_MIN},
	    {"9223372036854775808", false, 0},
	    {"-9223372036854775809", false, 0},
	    {"18446744073709551617", false, 0},
	    {"", false, 0},
	    {"-", false, 0},
	    {"-0", false, 0},
	    {"+1", false, 0},
	    {"01", false, 0},
	    {" 1", false, 0},
	    {"1 ", false, 0},
	    {"1e3", false, 0},
	    {"--1", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint8_t text[STRING_INT_TEXT_MAX];
		int64_t v = 0;

		assert_int_equal(string_to_int(slice_str(cases[i].text), &v), cases[i].ok);
		if (cases[i].ok) {
			assert_true(v == cases[i].v);
			assert_true(slice_eq(slice_of(text, string_from_int(v, text)),
					     slice_str(cases[i].text)));
		}
	}
}

static void the_encoding_is_what_redis_would_say(void **state)
{
	static const char long_text[] = "0123456789012345678901234567890123456789abcde";
	static const struct {
		const char *text;
		uint8_t flags;
		const char *encoding;
	} cases[] = {
	    {"12", 0, "int"},	   {"12", META_RAW, "raw"}, {"12", META_ENCODED, "embstr"},
	    {"012", 0, "embstr"},  {"", 0, "embstr"},	    {long_text + 1, 0, "embstr"},
	    {long_text, 0, "raw"},
	};
	struct meta large = {.type = TYPE_STRING, .form = FORM_LARGE, .count = 20000};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct meta m = {.type = TYPE_STRING,
				 .flags = cases[i].flags,
				 .payload = slice_str(cases[i].text)};

		assert_string_equal(string_encoding(&m), cases[i].encoding);
	}
	assert_string_equal(string_encoding(&large), "raw");
	assert_int_equal(string_len(&large), 20000);
	assert_int_equal(string_len(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(integers_are_canonical_text),
	    cmocka_unit_test(the_encoding_is_what_redis_would_say),
	    cmocka_unit_test_setup_teardown(random_operations_leave_what_plain_bytes_would, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(a_write_far_behind_the_end_stores_only_its_chunk, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(an_append_to_a_large_string_writes_two_entries, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(failing_memory_is_reported_and_rolled_back_whole, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(a_chunk_longer_than_a_chunk_is_damage, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
