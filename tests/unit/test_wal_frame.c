/* WAL frames: what is sealed is read back, and no bit of it can change unnoticed. */
#include "engine/base/alloc.h"
#include "engine/base/bytes.h"
#include "engine/base/rng.h"
#include "engine/wal/wal_frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <xxhash.h>
#include <zdict.h>

enum { SALT = 0x5eed, DICTIONARY_MAX = 4096, SUM_OFF = 80 };

static struct wal_frame fresh(uint64_t first_lsn, uint32_t records)
{
	return (struct wal_frame){
	    .records = records,
	    .first_lsn = first_lsn,
	    .epoch = 11,
	    .timeline = 22,
	    .time_ms = 33,
	    .chain = 44,
	    .watermark = first_lsn - 1,
	};
}

static struct wal_frame_encoder *encoder(int level, struct slice dictionary)
{
	struct wal_frame_encoder *e;

	assert_int_equal(wal_frame_encoder_create(level, dictionary, &e), ST_OK);
	return e;
}

/* Text that zstd likes. */
static void text(struct buf *out, size_t len, uint64_t seed)
{
	for (size_t i = out->len; i < len; i = out->len) {
		assert_int_equal(buf_printf(out, "{\"id\":%llu,\"name\":\"user-%zu\"},",
					    (unsigned long long)seed, i % 90),
				 ST_OK);
	}
	out->len = len;
}

static void noise(struct buf *out, size_t len)
{
	struct rng rng;

	rng_seed(&rng, len);
	assert_int_equal(buf_reserve(out, len), ST_OK);
	for (size_t i = 0; i < len; i++) {
		out->data[i] = (uint8_t)rng_next(&rng);
	}
	out->len = len;
}

/* A dictionary for text(). */
static struct slice dictionary(uint8_t *at)
{
	struct buf samples = {0};
	size_t sizes[200], n;

	for (size_t i = 0; i < 200; i++) {
		struct buf one = {0};

		text(&one, 300, i * 7919);
		sizes[i] = one.len;
		assert_int_equal(buf_append(&samples, one.data, one.len), ST_OK);
		buf_deinit(&one);
	}
	n = ZDICT_trainFromBuffer(at, DICTIONARY_MAX, samples.data, sizes, 200);
	assert_false(ZDICT_isError(n));
	buf_deinit(&samples);
	return slice_of(at, n);
}

/* Decodes the frame in b and compares what it holds. */
static void check_frame(const struct buf *b, struct slice dict, struct slice raw,
			unsigned flags_wanted)
{
	struct wal_frame_decoder *d;
	struct wal_frame f;
	struct slice stored, got;

	assert_int_equal(wal_frame_decode_header(buf_slice(b), SALT, &f), ST_OK);
	assert_int_equal(f.flags, flags_wanted);
	assert_int_equal(f.raw_len, raw.len);
	assert_int_equal(wal_frame_span(&f), b->len);
	assert_int_equal(b->len % WAL_FRAME_ALIGN, 0);
	stored = slice_of(b->data + WAL_FRAME_HEADER_LEN, f.stored_len);
	assert_int_equal(wal_frame_check_payload(&f, stored), ST_OK);
	assert_int_equal(wal_frame_decoder_create(&d), ST_OK);
	assert_int_equal(wal_frame_decoder_set_dictionary(d, dict), ST_OK);
	assert_int_equal(wal_frame_decode(d, &f, stored, &got), ST_OK);
	assert_true(slice_eq(got, raw));
	wal_frame_decoder_destroy(d);
}

static void every_kind_of_payload_is_read_back(void **state)
{
	uint8_t dict_bytes[DICTIONARY_MAX];
	struct slice none = {NULL, 0}, dict = dictionary(dict_bytes);
	static const struct {
		size_t len;
		bool noise, dict;
		int level;
		unsigned flags;
	} cases[] = {
	    {0, false, false, 1, 0},
	    {13, false, false, 1, 0},
	    {WAL_FRAME_ZSTD_MIN - 1, false, false, 1, 0},
	    {WAL_FRAME_ZSTD_MIN, false, false, 1, WAL_FRAME_ZSTD},
	    {3000, false, false, 0, 0},
	    {3000, true, false, 1, 0},
	    {3000, false, false, 19, WAL_FRAME_ZSTD},
	    {3000, false, false, 1000, WAL_FRAME_ZSTD}, /* cut to the highest */
	    {3000, false, true, 1, WAL_FRAME_ZSTD | WAL_FRAME_DICTIONARY},
	    {3000, false, true, 0, 0},
	    {70000, false, false, 1, WAL_FRAME_ZSTD},
	    {WAL_FRAME_ZSTD_MAX + 1, false, false, 1, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct slice with = cases[i].dict ? dict : none;
		struct wal_frame_encoder *e = encoder(cases[i].level, with);
		struct wal_frame f = fresh(9, cases[i].len == 0 ? 0 : 1);
		struct buf raw = {0}, b = {0};

		if (cases[i].noise) {
			noise(&raw, cases[i].len);
		} else {
			text(&raw, cases[i].len, 5);
		}
		assert_int_equal(wal_frame_encode(e, &f, buf_slice(&raw), SALT, &b), ST_OK);
		check_frame(&b, with, buf_slice(&raw), cases[i].flags);
		assert_int_equal(f.digest, XXH3_64bits(b.data, 72));
		wal_frame_encoder_destroy(e);
		buf_deinit(&raw);
		buf_deinit(&b);
	}
}

static void a_raw_seal_equals_an_uncompressed_frame(void **state)
{
	struct wal_frame_encoder *e = encoder(0, slice_of(NULL, 0));
	struct wal_frame f = fresh(5, 1), g = fresh(5, 1);
	uint8_t header[WAL_FRAME_HEADER_LEN];
	struct buf raw = {0}, b = {0};

	(void)state;
	noise(&raw, 777);
	assert_int_equal(wal_frame_encode(e, &f, buf_slice(&raw), SALT, &b), ST_OK);
	wal_frame_seal_raw(&g, buf_slice(&raw), SALT, header);
	assert_memory_equal(header, b.data, sizeof header);
	assert_int_equal(f.digest, g.digest);
	wal_frame_encoder_destroy(e);
	buf_deinit(&raw);
	buf_deinit(&b);
}

static void no_bit_of_a_header_changes_unnoticed(void **state)
{
	uint8_t header[WAL_FRAME_HEADER_LEN] = {0};
	struct slice bytes = slice_of(header, sizeof header);
	struct wal_frame f = fresh(1000, 2), got;

	(void)state;
	wal_frame_seal_raw(&f, slice_str("012345678901234567890123"), SALT, header);
	assert_int_equal(wal_frame_decode_header(bytes, SALT, &got), ST_OK);
	assert_int_equal(got.first_lsn, 1000);
	assert_int_equal(got.records, 2);
	assert_int_equal(got.epoch, 11);
	assert_int_equal(got.timeline, 22);
	assert_int_equal(got.time_ms, 33);
	assert_int_equal(got.chain, 44);
	assert_int_equal(got.watermark, 999);
	assert_int_equal(wal_frame_next_lsn(&got), 1002);
	assert_int_equal(got.digest, f.digest);
	for (size_t bit = 0; bit < sizeof header * 8; bit++) {
		header[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(wal_frame_decode_header(bytes, SALT, &got), ST_NOT_FOUND);
		header[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	/* Another place's seal is no seal here. */
	assert_int_equal(wal_frame_decode_header(bytes, SALT + 1, &got), ST_NOT_FOUND);
	assert_int_equal(wal_frame_decode_header(bytes, 0, &got), ST_NOT_FOUND);
	for (size_t len = 0; len < sizeof header; len++) {
		assert_int_equal(wal_frame_decode_header(slice_of(header, len), SALT, &got),
				 ST_NEED_MORE);
	}
}

static void no_bit_of_a_payload_changes_unnoticed(void **state)
{
	struct wal_frame_encoder *e = encoder(3, slice_of(NULL, 0));
	struct wal_frame f = fresh(1, 1);
	struct buf raw = {0}, b = {0};
	struct slice stored;

	(void)state;
	text(&raw, 900, 1);
	assert_int_equal(wal_frame_encode(e, &f, buf_slice(&raw), SALT, &b), ST_OK);
	stored = slice_of(b.data + WAL_FRAME_HEADER_LEN, f.stored_len);
	for (size_t bit = 0; bit < stored.len * 8; bit++) {
		b.data[WAL_FRAME_HEADER_LEN + bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(wal_frame_check_payload(&f, stored), ST_CORRUPT);
		b.data[WAL_FRAME_HEADER_LEN + bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(wal_frame_check_payload(&f, stored), ST_OK);
	assert_int_equal(wal_frame_check_payload(&f, slice_of(stored.data, stored.len - 1)),
			 ST_CORRUPT);
	wal_frame_encoder_destroy(e);
	buf_deinit(&raw);
	buf_deinit(&b);
}

/* Puts v of len bytes at off of a header and seals it again: what a faulty or hostile writer could
 * make. */
static void reseal(uint8_t *header, size_t off, uint64_t v, size_t len)
{
	uint8_t raw[8];

	bytes_put_u64le(raw, v);
	memcpy(header + off, raw, len);
	bytes_put_u64le(header + SUM_OFF, XXH3_64bits_withSeed(header, SUM_OFF, SALT));
}

static void sealed_nonsense_is_refused(void **state)
{
	static const struct {
		const char *what;
		size_t off, len;
		uint64_t value;
		enum status want;
	} cases[] = {
	    {"magic", 0, 4, 0, ST_NOT_FOUND},
	    {"version 2", 4, 2, 2, ST_VERSION},
	    {"version 0", 4, 2, 0, ST_VERSION},
	    {"unknown flag", 6, 2, 8, ST_VERSION},
	    {"reserved field", 28, 4, 1, ST_VERSION},
	    {"dictionary without zstd", 6, 2, WAL_FRAME_DICTIONARY, ST_CORRUPT},
	    {"records in a clean mark", 6, 2, WAL_FRAME_CLEAN, ST_CORRUPT},
	    {"stored more than raw", 8, 4, 25, ST_CORRUPT},
	    {"stored less than raw, not compressed", 8, 4, 23, ST_CORRUPT},
	    {"endless", 12, 4, 0xffffffff, ST_CORRUPT},
	    {"first LSN 0", 16, 8, 0, ST_CORRUPT},
	    {"LSN wraps", 16, 8, UINT64_MAX - 1, ST_CORRUPT},
	    {"more records than fit", 24, 4, 3, ST_CORRUPT},
	    {"bytes without records", 24, 4, 0, ST_CORRUPT},
	    {"no timeline", 40, 8, 0, ST_CORRUPT},
	    {"watermark at the frame itself", 72, 8, 1000, ST_CORRUPT},
	    {"watermark far above", 72, 8, UINT64_MAX, ST_CORRUPT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint8_t header[WAL_FRAME_HEADER_LEN];
		struct wal_frame f = fresh(1000, 2), got;
		enum status st;

		wal_frame_seal_raw(&f, slice_str("012345678901234567890123"), SALT, header);
		reseal(header, cases[i].off, cases[i].value, cases[i].len);
		st = wal_frame_decode_header(slice_of(header, sizeof header), SALT, &got);
		if (st != cases[i].want) {
			print_error("%s: %s\n", cases[i].what, status_text(st));
		}
		assert_int_equal(st, cases[i].want);
	}
}

static void a_payload_that_does_not_decompress_is_damage(void **state)
{
	uint8_t dict_bytes[DICTIONARY_MAX];
	struct slice dict = dictionary(dict_bytes), got;
	struct wal_frame_encoder *e = encoder(1, dict);
	struct wal_frame f = fresh(1, 1), other;
	struct wal_frame_decoder *d;
	struct buf raw = {0}, b = {0};
	struct slice stored;

	(void)state;
	text(&raw, 2000, 3);
	assert_int_equal(wal_frame_encode(e, &f, buf_slice(&raw), SALT, &b), ST_OK);
	assert_true((f.flags & WAL_FRAME_DICTIONARY) != 0);
	stored = slice_of(b.data + WAL_FRAME_HEADER_LEN, f.stored_len);
	assert_int_equal(wal_frame_decoder_create(&d), ST_OK);
	assert_int_equal(wal_frame_decode(d, &f, stored, &got), ST_CORRUPT); /* no dictionary */
	assert_int_equal(wal_frame_decoder_set_dictionary(d, dict), ST_OK);
	assert_int_equal(wal_frame_decode(d, &f, stored, &got), ST_OK);
	other = f;
	other.raw_len--;
	assert_int_equal(wal_frame_decode(d, &other, stored, &got), ST_CORRUPT);
	other = f;
	other.raw_len++;
	assert_int_equal(wal_frame_decode(d, &other, stored, &got), ST_CORRUPT);
	assert_int_equal(wal_frame_decode(d, &f, slice_of(stored.data, stored.len - 1), &got),
			 ST_CORRUPT);
	b.data[WAL_FRAME_HEADER_LEN] ^= 1; /* zstd's own magic */
	assert_int_equal(wal_frame_decode(d, &f, stored, &got), ST_CORRUPT);
	wal_frame_decoder_destroy(d);
	wal_frame_encoder_destroy(e);
	buf_deinit(&raw);
	buf_deinit(&b);
}

static void the_digest_is_the_same_on_every_node(void **state)
{
	uint8_t here[WAL_FRAME_HEADER_LEN], there[WAL_FRAME_HEADER_LEN];
	struct wal_frame f = fresh(50, 1), g = fresh(50, 1);
	struct slice raw = slice_str("thirteen bytes");

	(void)state;
	g.watermark = 3;
	wal_frame_seal_raw(&f, raw, SALT, here);
	wal_frame_seal_raw(&g, raw, SALT + 1, there);
	assert_int_equal(f.digest, g.digest);
	assert_memory_equal(here, there, 72);
	g.chain++;
	wal_frame_seal_raw(&g, raw, SALT, there);
	assert_int_not_equal(f.digest, g.digest);
}

static void the_level_changes_between_frames(void **state)
{
	uint8_t dict_bytes[DICTIONARY_MAX];
	struct slice dict = dictionary(dict_bytes);
	struct wal_frame_encoder *e = encoder(0, dict);
	static const struct {
		int level;
		unsigned flags;
	} steps[] = {{0, 0},
		     {1, WAL_FRAME_ZSTD | WAL_FRAME_DICTIONARY},
		     {0, 0},
		     {9, WAL_FRAME_ZSTD | WAL_FRAME_DICTIONARY}};
	struct buf raw = {0};

	(void)state;
	text(&raw, 2000, 3);
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		struct wal_frame f = fresh(1, 1);
		struct buf b = {0};

		assert_int_equal(wal_frame_encoder_set_level(e, steps[i].level), ST_OK);
		assert_int_equal(wal_frame_encode(e, &f, buf_slice(&raw), SALT, &b), ST_OK);
		check_frame(&b, dict, buf_slice(&raw), steps[i].flags);
		buf_deinit(&b);
	}
	wal_frame_encoder_destroy(e);
	buf_deinit(&raw);
}

static void failing_memory_leaves_the_output_alone(void **state)
{
	struct wal_frame f = fresh(1, 1);
	struct wal_frame_encoder *e;
	struct wal_frame_decoder *d;
	struct buf raw = {0}, b = {0};
	size_t used;

	(void)state;
	text(&raw, 5000, 3);
	used = mem_used();
	for (int64_t n = 0;; n++) {
		enum status st;

		mem_fail_nth(n);
		st = wal_frame_encoder_create(1, buf_slice(&raw), &e);
		mem_fail_nth(-1);
		if (st == ST_OK) {
			break;
		}
		assert_int_equal(st, ST_NO_MEMORY);
		assert_int_equal(mem_used(), used);
	}
	mem_fail_nth(0);
	assert_int_equal(wal_frame_encode(e, &f, buf_slice(&raw), SALT, &b), ST_NO_MEMORY);
	assert_int_equal(b.len, 0);
	mem_fail_nth(-1);
	assert_int_equal(wal_frame_encode(e, &f, buf_slice(&raw), SALT, &b), ST_OK);
	mem_fail_nth(0);
	assert_int_equal(wal_frame_decoder_create(&d), ST_NO_MEMORY);
	mem_fail_nth(-1);
	wal_frame_encoder_destroy(e);
	buf_deinit(&raw);
	buf_deinit(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_kind_of_payload_is_read_back),
	    cmocka_unit_test(a_raw_seal_equals_an_uncompressed_frame),
	    cmocka_unit_test(no_bit_of_a_header_changes_unnoticed),
	    cmocka_unit_test(no_bit_of_a_payload_changes_unnoticed),
	    cmocka_unit_test(sealed_nonsense_is_refused),
	    cmocka_unit_test(a_payload_that_does_not_decompress_is_damage),
	    cmocka_unit_test(the_digest_is_the_same_on_every_node),
	    cmocka_unit_test(the_level_changes_between_frames),
	    cmocka_unit_test(failing_memory_leaves_the_output_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
