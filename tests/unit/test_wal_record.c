/* WAL records: what is written is read back, and no bytes are believed beyond their lengths. */
#include "engine/base/alloc.h"
#include "engine/base/keyslot.h"
#include "engine/base/rng.h"
#include "engine/wal/wal_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const struct wal_op sample[] = {
    {.kind = WAL_OP_PUT_KEY, .flags = WAL_OP_BLIND, .name = {(const uint8_t *)"user:1", 6}},
    {.kind = WAL_OP_DEL_KEY, .name = {(const uint8_t *)"{tag}x", 6}},
    {.kind = WAL_OP_PUT_FIELD, .slot = 16383, .id = 1, .name = {(const uint8_t *)"f", 1}},
    {.kind = WAL_OP_DEL_FIELD, .slot = 7, .id = 300, .name = {NULL, 0}},
    {.kind = WAL_OP_PUT_ELEM, .slot = 0, .id = UINT64_MAX, .name = {(const uint8_t *)"\0\1", 2}},
    {.kind = WAL_OP_DEL_ELEM, .slot = 9, .id = 128, .name = {(const uint8_t *)"e", 1}},
    {.kind = WAL_OP_DROP, .slot = 5, .id = 77},
    {.kind = WAL_OP_FLUSH},
};
enum { SAMPLES = sizeof sample / sizeof sample[0] };

static bool has_value(enum wal_op_kind kind)
{
	return kind == WAL_OP_PUT_KEY || kind == WAL_OP_PUT_FIELD || kind == WAL_OP_PUT_ELEM;
}

static void encode_sample(struct buf *out, uint64_t client_id)
{
	struct slice parts[2] = {slice_str("head:"), slice_str("tail")};
	size_t start;

	assert_int_equal(
	    wal_record_begin(out, slice_str("hset"), 0xabcdef123456u, client_id, &start), ST_OK);
	for (size_t i = 0; i < SAMPLES; i++) {
		assert_int_equal(wal_record_add(out, start, &sample[i], parts,
						has_value(sample[i].kind) ? 2 : 0),
				 ST_OK);
	}
	wal_record_end(out, start);
}

static void every_operation_is_read_back_as_written(void **state)
{
	struct buf b = {0};
	struct wal_record rec;
	struct wal_op op;
	size_t used;

	(void)state;
	encode_sample(&b, 42);
	encode_sample(&b, 0);
	assert_int_equal(wal_record_decode(buf_slice(&b), &rec, &used), ST_OK);
	assert_int_equal(used, b.len / 2 + 4); /* the client id is in the first record only */
	assert_int_equal(rec.time_ms, 0xabcdef123456u);
	assert_int_equal(rec.client_id, 42);
	assert_true(slice_eq(rec.cmd, slice_str("hset")));
	for (size_t i = 0; i < SAMPLES; i++) {
		assert_int_equal(wal_op_next(&rec.ops, &op), ST_OK);
		assert_int_equal(op.kind, sample[i].kind);
		assert_int_equal(op.flags, sample[i].flags);
		assert_int_equal(op.id, sample[i].id);
		assert_true(slice_eq(op.name, sample[i].name));
		assert_int_equal(op.slot, op.kind == WAL_OP_PUT_KEY || op.kind == WAL_OP_DEL_KEY
					      ? keyslot(op.name)
					      : sample[i].slot);
		assert_true(slice_eq(op.value, slice_str(has_value(op.kind) ? "head:tail" : "")));
	}
	assert_int_equal(wal_op_next(&rec.ops, &op), ST_END);
	assert_int_equal(wal_record_decode(slice_skip(buf_slice(&b), used), &rec, &used), ST_OK);
	assert_int_equal(rec.client_id, 0);
	buf_deinit(&b);
}

static void the_bytes_are_those_of_the_specification(void **state)
{
	static const uint8_t want[] = {
	    29,	  0,	0,    0,			  /* body_len */
	    1,						  /* client id present */
	    0x06, 0x05, 0x04, 0x03, 0x02, 0x01,		  /* time */
	    3,	  's',	'e',  't',			  /* command */
	    9,	  0,	0,    0,    0,	  0,	0,   0,	  /* client id */
	    0,	  1,	1,    'k',  3,	  'a',	'b', 'c', /* put-key, blind */
	    7,	  0,					  /* flush */
	};
	struct slice value = slice_str("abc");
	struct wal_op put = {.kind = WAL_OP_PUT_KEY, .flags = WAL_OP_BLIND, .name = slice_str("k")};
	struct wal_op flush = {.kind = WAL_OP_FLUSH};
	struct buf b = {0};
	size_t start;

	(void)state;
	assert_int_equal(wal_record_begin(&b, slice_str("set"), 0x010203040506u, 9, &start), ST_OK);
	assert_int_equal(wal_record_add(&b, start, &put, &value, 1), ST_OK);
	assert_int_equal(wal_record_add(&b, start, &flush, NULL, 0), ST_OK);
	wal_record_end(&b, start);
	assert_int_equal(b.len, sizeof want);

	assert_memory_equal(b.data, want, sizeof want);
	buf_deinit(&b);
}

static void a_client_id_of_0_is_left_out_not_written(void **state)
{
	struct buf b = {0};
	struct wal_record rec;
	size_t start, used;

	(void)state;
	assert_int_equal(wal_record_begin(&b, slice_str("set"), 1, 9, &start), ST_OK);
	wal_record_end(&b, start);
	assert_int_equal(wal_record_decode(buf_slice(&b), &rec, &used), ST_OK);
	memset(b.data + b.len - 8, 0, 8);
	assert_int_equal(wal_record_decode(buf_slice(&b), &rec, &used), ST_CORRUPT);
	buf_deinit(&b);
}

static void a_long_command_name_is_cut(void **state)
{
	char name[300];
	struct buf b = {0};
	struct wal_record rec;
	size_t start, used;

	(void)state;
	memset(name, 'x', sizeof name);
	assert_int_equal(wal_record_begin(&b, slice_of(name, sizeof name), 1, 0, &start), ST_OK);
	wal_record_end(&b, start);
	assert_int_equal(wal_record_decode(buf_slice(&b), &rec, &used), ST_OK);
	assert_int_equal(rec.cmd.len, 255);
	assert_int_equal(rec.ops.len, 0);
	buf_deinit(&b);
}

/* Decodes everything that decodes and touches every byte; returns whether all of it was well
 * formed.
 */
static bool walk(struct slice in)
{
	struct wal_record rec;
	struct wal_op op;
	size_t used;
	unsigned sum = 0;

	while (in.len > 0) {
		enum status st = wal_record_decode(in, &rec, &used);

		if (st != ST_OK) {
			return false;
		}
		assert_in_range(used, 1, in.len);
		while ((st = wal_op_next(&rec.ops, &op)) == ST_OK) {
			for (size_t i = 0; i < op.name.len; i++) {
				sum += op.name.data[i];
			}
			for (size_t i = 0; i < op.value.len; i++) {
				sum += op.value.data[i];
			}
		}
		if (st != ST_END) {
			return false;
		}
		in = slice_skip(in, used);
	}
	return sum != 1;
}

static void a_record_cut_anywhere_is_refused(void **state)
{
	struct buf b = {0};

	(void)state;
	encode_sample(&b, 3);
	assert_true(walk(buf_slice(&b)));
	for (size_t len = 1; len < b.len; len++) {
		/* A copy of exactly that length, so that a sanitizer sees any reading beyond. */
		uint8_t *cut = mem_alloc(len);

		assert_non_null(cut);
		memcpy(cut, b.data, len);
		assert_false(walk(slice_of(cut, len)));
		mem_free(cut);
	}
	buf_deinit(&b);
}

static void random_damage_never_reads_outside(void **state)
{
	struct buf b = {0};
	struct rng rng;

	(void)state;
	rng_seed(&rng, 1);
	for (int round = 0; round < 20000; round++) {
		b.len = 0;
		encode_sample(&b, 3);
		for (uint64_t n = rng_below(&rng, 4) + 1; n > 0; n--) {
			b.data[rng_below(&rng, b.len)] = (uint8_t)rng_next(&rng);
		}
		uint8_t *exact = mem_alloc(b.len);

		assert_non_null(exact);
		memcpy(exact, b.data, b.len);
		(void)walk(slice_of(exact, b.len));
		mem_free(exact);
	}
	buf_deinit(&b);
}

static void unknown_flags_kinds_and_slots_are_refused(void **state)
{
	static const struct {
		const char *what;
		size_t off;
		uint8_t byte;
	} cases[] = {
	    {"record flags", 4, 2},	{"operation kind", 15, WAL_OP_KINDS},
	    {"operation flags", 16, 2}, {"slot", 18, 0x40},
	    {"body length", 0, 0xff},	{"body shorter than its header", 0, 7},
	};
	struct wal_op drop = {.kind = WAL_OP_DROP, .slot = 1, .id = 2};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf b = {0};
		size_t start;

		assert_int_equal(wal_record_begin(&b, slice_str("del"), 1, 0, &start), ST_OK);
		assert_int_equal(wal_record_add(&b, start, &drop, NULL, 0), ST_OK);
		wal_record_end(&b, start);
		assert_true(walk(buf_slice(&b)));
		b.data[cases[i].off] = cases[i].byte;
		if (walk(buf_slice(&b))) {
			fail_msg("accepted: %s", cases[i].what);
		}
		buf_deinit(&b);
	}
}

static void a_batch_over_the_limit_is_refused_and_leaves_the_record_alone(void **state)
{
	/* Only lengths are looked at before the refusal, so the bytes need not exist. */
	uint8_t byte = 0;
	struct slice half = slice_of(&byte, (size_t)WAL_RECORD_LEN_MAX / 2 + 1);
	struct slice parts[2] = {half, half};
	struct slice huge = slice_of(&byte, SIZE_MAX);
	struct wal_op op = {.kind = WAL_OP_PUT_KEY, .name = slice_str("k")};
	struct buf b = {0};
	size_t start, len;

	(void)state;
	assert_int_equal(wal_record_begin(&b, slice_str("set"), 1, 0, &start), ST_OK);
	len = b.len;
	assert_int_equal(wal_record_add(&b, start, &op, parts, 2), ST_LIMIT);
	assert_int_equal(wal_record_add(&b, start, &op, &huge, 1), ST_LIMIT);
	op.name = huge;
	assert_int_equal(wal_record_add(&b, start, &op, NULL, 0), ST_LIMIT);
	assert_int_equal(b.len, len);
	buf_deinit(&b);
}

static void failing_memory_leaves_the_buffer_unchanged(void **state)
{
	struct buf b = {0};
	struct wal_op op = {.kind = WAL_OP_PUT_KEY, .name = slice_str("k")};
	char big[4096] = {0};
	struct slice value = slice_of(big, sizeof big);
	size_t start = 0, len;

	(void)state;
	mem_fail_nth(0);
	assert_int_equal(wal_record_begin(&b, slice_str("set"), 1, 0, &start), ST_NO_MEMORY);
	assert_int_equal(b.len, 0);
	mem_fail_nth(-1);
	assert_int_equal(wal_record_begin(&b, slice_str("set"), 1, 0, &start), ST_OK);
	len = b.len;
	mem_fail_nth(0);
	assert_int_equal(wal_record_add(&b, start, &op, &value, 1), ST_NO_MEMORY);
	mem_fail_nth(-1);
	assert_int_equal(b.len, len);
	assert_int_equal(wal_record_add(&b, start, &op, &value, 1), ST_OK);
	wal_record_end(&b, start);
	assert_true(walk(buf_slice(&b)));
	buf_deinit(&b);
}

static void kinds_have_names(void **state)
{
	(void)state;
	assert_string_equal(wal_op_kind_text(WAL_OP_PUT_KEY), "put-key");
	assert_string_equal(wal_op_kind_text(WAL_OP_FLUSH), "flush");
	assert_string_equal(wal_op_kind_text(WAL_OP_KINDS), "unknown-op");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_operation_is_read_back_as_written),
	    cmocka_unit_test(the_bytes_are_those_of_the_specification),
	    cmocka_unit_test(a_client_id_of_0_is_left_out_not_written),
	    cmocka_unit_test(a_long_command_name_is_cut),
	    cmocka_unit_test(a_record_cut_anywhere_is_refused),
	    cmocka_unit_test(random_damage_never_reads_outside),
	    cmocka_unit_test(unknown_flags_kinds_and_slots_are_refused),
	    cmocka_unit_test(a_batch_over_the_limit_is_refused_and_leaves_the_record_alone),
	    cmocka_unit_test(failing_memory_leaves_the_buffer_unchanged),
	    cmocka_unit_test(kinds_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
