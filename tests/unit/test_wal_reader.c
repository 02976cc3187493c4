/* Reading a log: end, torn tail and damage are told apart in every situation of the rule in
 * wal_reader.h. */
#include "engine/base/alloc.h"
#include "engine/base/bytes.h"
#include "tests/support/log_maker.h"
#include "tests/support/log_sample.h"
#include "tests/support/memory_disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <xxhash.h>

static int setup(void **state)
{
	static struct log_maker m;

	log_maker_init(&m, 1, slice_of(NULL, 0));
	*state = &m;
	return 0;
}

static int teardown(void **state)
{
	log_maker_deinit(*state);
	return 0;
}

static struct log_verdict read_from(const struct log_maker *m, uint64_t from, uint64_t safe)
{
	struct log_verdict v;

	log_image_read(&m->image, from, safe, &v);
	assert_false(v.wrong);
	return v;
}

/* Reads all of it and expects this answer after LSN last. */
static struct log_verdict expect_safe(const struct log_maker *m, uint64_t safe, enum status st,
				      uint64_t last)
{
	struct log_verdict v = read_from(m, 0, safe);

	if (v.st != st || v.last != last) {
		print_error("%s after LSN %llu: %s\n", status_text(v.st),
			    (unsigned long long)v.last, v.error);
	}
	assert_int_equal(v.st, st);
	assert_int_equal(v.last, last);
	if (st != ST_END) {
		assert_non_null(strstr(v.error, "offset "));
		assert_non_null(strstr(v.error, ".wal"));
	}
	if (st == ST_CORRUPT) {
		assert_non_null(strstr(v.error, "cairn-wal replay"));
	} else if (st == ST_END) {
		assert_string_equal(v.error, "");
	}
	return v;
}

static struct log_verdict expect(const struct log_maker *m, enum status st, uint64_t last)
{
	return expect_safe(m, 0, st, last);
}

/* Flips a bit of the last frame's payload. */
static void hurt_payload(struct log_maker *m)
{
	log_maker_file(m)->data[m->frame_off + WAL_FRAME_HEADER_LEN + 3] ^= 0x10;
}

static void hurt_header(struct log_maker *m)
{
	log_maker_file(m)->data[m->frame_off + 17] ^= 1;
}

/* --- the end --- */

static void an_empty_folder_is_an_end(void **state)
{
	struct log_verdict v = expect(*state, ST_END, 0);

	assert_true(v.end.empty);
	assert_false(v.end.clean);
}

static void a_log_ends_where_blanks_begin(void **state)
{
	struct log_maker *m = *state;
	struct log_verdict v;

	log_maker_segment(m, false);
	v = expect(m, ST_END, 0);
	assert_false(v.end.empty);
	assert_int_equal(v.end.at.next_lsn, 1);
	assert_int_equal(v.end.at.segment_first, 1);
	assert_int_equal(v.end.at.segment_off, WAL_SEGMENT_HEADER_UNIT);
	log_maker_frame(m, 3, 0, 0);
	log_maker_frame(m, 20, 3, 0);
	v = expect(m, ST_END, 23);
	assert_int_equal(v.end.at.next_lsn, 24);
	assert_int_equal(v.end.at.chain, m->chain);
	assert_int_equal(v.end.at.segment_off, log_maker_file(m)->len);
	assert_int_equal(v.end.watermark, 3);
	assert_int_equal(v.end.frames, 2);
	assert_int_equal(v.end.records, 23);
	assert_int_equal(v.end.torn_bytes, 0);
	assert_int_equal(v.end.history.shard_id, 99);
	log_maker_bytes(m, 0, 100000);
	v = expect(m, ST_END, 23);
	assert_false(v.end.clean);
}

static void a_clean_mark_counts_only_at_the_very_end(void **state)
{
	struct log_maker *m = *state;
	struct log_verdict v;

	log_maker_segment(m, false);
	log_maker_frame(m, 3, 0, 0);
	log_maker_frame(m, 0, 3, WAL_FRAME_CLEAN);
	v = expect(m, ST_END, 3);
	assert_true(v.end.clean);
	log_maker_frame(m, 0, 3, 0);
	v = expect(m, ST_END, 3);
	assert_false(v.end.clean);
	log_maker_frame(m, 2, 3, 0);
	v = expect(m, ST_END, 5);
	assert_false(v.end.clean);
	log_maker_frame(m, 0, 5, WAL_FRAME_CLEAN);
	log_maker_segment(m, false);
	v = expect(m, ST_END, 5);
	assert_false(v.end.clean); /* the log went on, without a record as yet */
	log_maker_bytes(m, 0x77, 64);
	v = expect(m, ST_TORN, 5);
	assert_false(v.end.clean);
}

static void what_a_recycled_file_held_is_no_tail(void **state)
{
	struct log_maker *m = *state, old;
	struct log_verdict v;

	log_maker_init(&old, 0, slice_of(NULL, 0));
	old.next_lsn = 900;
	log_maker_segment(&old, false);
	log_maker_frame(&old, 2, 899, 0);
	log_maker_segment(m, true);
	log_maker_frame(m, 3, 0, 0);
	/* Frames sealed for another segment, also such as would follow. */
	assert_int_equal(buf_append(log_maker_file(m), log_maker_file(&old)->data + 4096,
				    log_maker_file(&old)->len - 4096),
			 ST_OK);
	v = expect(m, ST_END, 3);
	assert_int_equal(v.end.torn_bytes, 0);
	assert_false(v.end.clean);
	log_maker_deinit(&old);
}

static void a_frame_of_another_segment_does_not_continue_this_one(void **state)
{
	struct log_maker *m = *state;
	size_t off;

	log_maker_segment(m, false);
	log_maker_frame(m, 3, 0, 0);
	off = log_maker_file(m)->len;
	m->segment.salt++; /* all but the seal's salt is right: number, chain, checksums */
	log_maker_frame(m, 2, 3, 0);
	assert_int_equal(expect(m, ST_TORN, 3).end.at.segment_off, off);
}

/* --- torn tails --- */

static void bytes_that_are_no_frame_are_a_torn_tail(void **state)
{
	struct log_maker *m = *state;
	struct log_verdict v;
	size_t off;

	log_maker_segment(m, false);
	log_maker_frame(m, 3, 0, 0);
	off = log_maker_file(m)->len;
	log_maker_bytes(m, 0, 500);
	log_maker_bytes(m, 0xaa, 100);
	log_maker_bytes(m, 0, 3000);
	v = expect(m, ST_TORN, 3);
	assert_int_equal(v.end.torn_bytes, 600);
	assert_int_equal(v.end.at.segment_off, off);
	assert_int_equal(v.end.at.next_lsn, 4);
}

static void an_unwitnessed_last_frame_may_be_torn(void **state)
{
	struct log_maker *m = *state;
	size_t off, whole;

	log_maker_segment(m, false);
	log_maker_frame(m, 3, 0, 0);
	off = log_maker_file(m)->len;
	log_maker_frame(m, 20, 3, 0);
	whole = log_maker_file(m)->len;
	/* Cut anywhere in it. */
	for (size_t len = off + 1; len < whole; len += 13) {
		log_maker_file(m)->len = len;
		assert_in_range(expect(m, ST_TORN, 3).end.torn_bytes, 1, len - off);
	}
	log_maker_file(m)->len = whole;
	hurt_payload(m);
	expect(m, ST_TORN, 3);
	hurt_payload(m);
	hurt_header(m);
	expect(m, ST_TORN, 3);
}

static void a_frame_begun_in_a_recycled_file_is_a_torn_tail(void **state)
{
	struct log_maker *m = *state;
	struct log_verdict v;

	log_maker_segment(m, true);
	log_maker_frame(m, 3, 0, 0);
	log_maker_frame(m, 20, 3, 0);
	hurt_payload(m);
	v = expect(m, ST_TORN, 3);
	assert_int_equal(v.end.torn_bytes, wal_frame_span(&m->frame));
}

static void a_later_frame_that_knows_nothing_proves_nothing(void **state)
{
	struct log_maker *m = *state;

	log_maker_segment(m, false);
	log_maker_frame(m, 3, 0, 0);
	log_maker_frame(m, 2, 3, 0);
	hurt_payload(m);
	log_maker_frame(m, 2, 3, 0); /* written before the one above was synced */
	expect(m, ST_TORN, 3);
}

/* --- damage --- */

static void a_witness_behind_makes_it_damage(void **state)
{
	static const struct {
		uint32_t records;
		unsigned flags;
	} witnesses[] = {{0, 0}, {0, WAL_FRAME_CLEAN}, {2, 0}};

	for (size_t i = 0; i < 6; i++) {
		struct log_maker *m = *state;

		log_maker_segment(m, i % 2 == 0);
		log_maker_frame(m, 3, 0, 0);
		log_maker_frame(m, 2, 3, 0);
		if (i < 3) {
			hurt_payload(m);
		} else {
			hurt_header(m);
		}
		log_maker_frame(m, witnesses[i % 3].records, 4, witnesses[i % 3].flags);
		assert_int_equal(expect(m, ST_CORRUPT, 3).end.watermark, 4);
		log_maker_deinit(m);
		log_maker_init(m, 1, slice_of(NULL, 0));
	}
}

static void witnesses_are_found_wherever_they_lie(void **state)
{
	/* The window that is looked through is 1 MiB; a header may begin in one and end in the
	 * next. */
	for (size_t gap = (1 << 20) - 512; gap <= (1 << 20) + 256; gap += 8) {
		struct log_maker *m = *state;

		log_maker_segment(m, true);
		log_maker_frame(m, 3, 0, 0);
		log_maker_bytes(m, 0x11, gap & ~(size_t)7);
		log_maker_frame(m, 0, 3, 0);
		m->frame.first_lsn = 9;
		m->frame.watermark = 8;
		log_maker_reseal(m);
		expect(m, ST_CORRUPT, 3);
		log_maker_deinit(m);
		log_maker_init(m, 1, slice_of(NULL, 0));
	}
}

static void what_the_checkpoint_knows_makes_it_damage(void **state)
{
	struct log_maker *m = *state;

	log_maker_segment(m, false);
	log_maker_frame(m, 3, 0, 0);
	log_maker_frame(m, 2, 3, 0);
	hurt_payload(m);
	expect_safe(m, 3, ST_TORN, 3);
	expect_safe(m, 4, ST_CORRUPT, 3);
	log_maker_file(m)->len = m->frame_off;
	expect_safe(m, 3, ST_END, 3);
	expect_safe(m, 4, ST_CORRUPT, 3); /* nothing is there, and yet it was */
}

static void a_bad_place_before_the_last_segment_is_damage(void **state)
{
	struct log_maker *m = *state;

	log_maker_segment(m, false);
	log_maker_frame(m, 3, 0, 0);
	log_maker_frame(m, 2, 3, 0);
	hurt_payload(m);
	log_maker_segment(m, false);
	expect(m, ST_CORRUPT, 3);
	log_maker_frame(m, 2, 5, 0);
	expect(m, ST_CORRUPT, 3);
}

static void a_torn_tail_that_was_cut_stays_cut(void **state)
{
	struct log_maker *m = *state;

	log_maker_segment(m, false);
	log_maker_frame(m, 3, 0, 0);
	log_maker_bytes(m, 0xee, 50);
	log_maker_segment(m, false); /* as after a restart: it begins at the torn LSN */
	expect(m, ST_END, 3);
	log_maker_frame(m, 2, 3, 0);
	log_maker_segment(m, false);
	log_maker_frame(m, 1, 5, 0);
	expect(m, ST_END, 6);
}

static void missing_segments_are_noticed(void **state)
{
	struct log_maker *m = *state;
	struct log_verdict v;

	for (uint32_t i = 0; i < 4; i++) {
		log_maker_segment(m, false);
		log_maker_frame(m, 5, m->next_lsn - 1, 0);
	}
	expect(m, ST_END, 20);
	log_image_remove(&m->image, 2);
	v = expect(m, ST_CORRUPT, 10);
	assert_non_null(strstr(v.error, "0000000000000006.wal"));
	assert_non_null(strstr(v.error, "0000000000000010.wal"));
	log_image_remove(&m->image, 0);
	v = read_from(m, 0, 0);
	assert_int_equal(v.first, 6); /* the caller knows whether it needs older ones */
	assert_int_equal(v.end.first_lsn, 6);
}

static void a_segment_of_another_log_is_noticed(void **state)
{
	struct log_maker *m = *state;

	log_maker_segment(m, false);
	log_maker_frame(m, 5, 0, 0);
	m->chain ^= 1;
	log_maker_segment(m, false);
	log_maker_frame(m, 5, 5, 0);
	expect(m, ST_CORRUPT, 5);
}

static void a_damaged_segment_header_is_refused(void **state)
{
	struct log_maker *m = *state;
	struct buf *b;

	log_maker_segment(m, false);
	log_maker_frame(m, 5, 0, 0);
	log_maker_segment(m, false);
	b = log_maker_file(m);
	log_maker_frame(m, 5, 5, 0);
	b->data[300] ^= 1;
	expect(m, ST_CORRUPT, 5);
	b->data[300] ^= 1;
	b->data[3] ^= 1;
	expect(m, ST_CORRUPT, 5);
	b->data[3] ^= 1;
	b->data[8]++;
	expect(m, ST_VERSION, 5);
	b->data[8]--;
	b->len = 100;
	expect(m, ST_CORRUPT, 5);
	b->len = 0;
	expect(m, ST_CORRUPT, 5);
	/* A whole header under another file's name. */
	b->len = 0;
	assert_int_equal(buf_append(b, m->image.files[0].bytes.data, m->image.files[0].bytes.len),
			 ST_OK);
	expect(m, ST_CORRUPT, 5);
}

/* --- frames that are whole but do not follow --- */

static void a_frame_must_follow_by_number(void **state)
{
	/* Frames with and without records: an LSN skipped or repeated. */
	for (int i = 0; i < 4; i++) {
		struct log_maker *m = *state;

		log_maker_segment(m, false);
		log_maker_frame(m, 3, 0, 0);
		log_maker_frame(m, i < 2 ? 2 : 0, 2, 0);
		m->frame.first_lsn += i % 2 == 0 ? 1 : UINT64_MAX;
		log_maker_reseal(m);
		expect(m, ST_TORN, 3);
		m->next_lsn = 6;
		log_maker_frame(m, 0, 4, 0);
		expect(m, ST_CORRUPT, 3);
		log_maker_deinit(m);
		log_maker_init(m, 1, slice_of(NULL, 0));
	}
}

static void a_frame_must_follow_by_chain(void **state)
{
	for (uint32_t records = 0; records < 3; records += 2) {
		struct log_maker *m = *state;

		log_maker_segment(m, false);
		log_maker_frame(m, 3, 0, 0);
		log_maker_frame(m, records, 3, 0);
		m->frame.chain ^= 1;
		log_maker_reseal(m);
		expect(m, ST_TORN, 3);
		log_maker_deinit(m);
		log_maker_init(m, 1, slice_of(NULL, 0));
	}
}

/* Seals the last frame's header anew after a raw change. */
static void poke(struct log_maker *m, size_t off, uint8_t value)
{
	uint8_t *at = log_maker_file(m)->data + m->frame_off;

	at[off] = value;
	bytes_put_u64le(at + 80, XXH3_64bits_withSeed(at, 80, m->segment.salt));
}

static void an_unknown_frame_version_is_not_taken_for_damage(void **state)
{
	struct log_maker *m = *state;

	log_maker_segment(m, false);
	log_maker_frame(m, 3, 0, 0);
	log_maker_frame(m, 2, 3, 0);
	poke(m, 4, 2);
	expect(m, ST_VERSION, 3);
	poke(m, 4, 1);
	expect(m, ST_END, 5);
	poke(m, 6, 0x80);
	expect(m, ST_VERSION, 3);
}

static void a_record_that_does_not_decode_is_damage(void **state)
{
	struct log_maker *m = *state;
	uint8_t *at;

	wal_frame_encoder_destroy(m->encoder);
	assert_int_equal(wal_frame_encoder_create(0, slice_of(NULL, 0), &m->encoder), ST_OK);
	log_maker_segment(m, false);
	log_maker_frame(m, 3, 0, 0);
	log_maker_frame(m, 2, 3, 0);
	at = log_maker_file(m)->data + m->frame_off + WAL_FRAME_HEADER_LEN;
	at[4] = 0x80; /* an unknown record flag */
	m->frame.payload_sum = XXH3_64bits(at, m->frame.stored_len);
	log_maker_reseal(m);
	expect(m, ST_CORRUPT, 3);
}

static void a_frame_that_does_not_decompress_is_damage(void **state)
{
	struct log_maker *m = *state;
	uint8_t *at;

	log_maker_segment(m, false);
	log_maker_frame(m, 3, 0, 0);
	log_maker_frame(m, 20, 3, 0);
	assert_true((m->frame.flags & WAL_FRAME_ZSTD) != 0);
	at = log_maker_file(m)->data + m->frame_off + WAL_FRAME_HEADER_LEN;
	at[0] ^= 1;
	m->frame.payload_sum = XXH3_64bits(at, m->frame.stored_len);
	log_maker_reseal(m);
	expect(m, ST_CORRUPT, 3);
}

/* --- where reading begins, and what is said about it --- */

static void reading_begins_where_it_is_told(void **state)
{
	struct log_maker *m = *state;

	for (uint32_t i = 0; i < 3; i++) {
		log_maker_segment(m, false);
		log_maker_frame(m, 4, m->next_lsn - 1, 0);
		log_maker_frame(m, 6, m->next_lsn - 1, 0);
	}
	for (uint64_t from = 0; from <= 31; from++) {
		struct log_verdict v = read_from(m, from, 0);

		assert_int_equal(v.st, ST_END);
		assert_int_equal(v.first, from == 31 ? 0 : from == 0 ? 1 : from);
		assert_int_equal(v.last, from == 31 ? 0 : 30);
		assert_int_equal(v.end.first_lsn, from < 11 ? 1 : from < 21 ? 11 : 21);
	}
	/* What lies before is not even looked at. */
	m->image.files[0].bytes.data[20] ^= 1;
	assert_int_equal(read_from(m, 11, 0).first, 11);
	assert_int_equal(read_from(m, 10, 0).st, ST_CORRUPT);
}

static void each_record_tells_its_place(void **state)
{
	struct wal_reader_options opts = {0};
	struct log_maker *m = *state;
	struct wal_reader_segment segment;
	struct slice bytes;
	struct wal_reader *r;
	struct wal_record rec;
	struct wal_place place;

	log_maker_segment(m, false);
	log_maker_frame(m, 3, 0, 0);
	log_maker_frame(m, 2, 3, 0);
	bytes = buf_slice(log_maker_file(m));
	segment = (struct wal_reader_segment){1, wal_source_of_memory(&bytes), "here"};
	assert_int_equal(wal_reader_open_segments(&segment, 1, &opts, &r), ST_OK);
	for (uint32_t i = 1; i <= 5; i++) {
		assert_int_equal(wal_reader_next(r, &rec), ST_OK);
		assert_int_equal(rec.lsn, i);
		assert_int_equal(wal_reader_left(r), i <= 3 ? 3 - i : 5 - i);
		wal_reader_place(r, &place);
		assert_string_equal(place.file, "here");
		assert_int_equal(place.offset, i <= 3 ? 4096 : m->frame_off);
		assert_int_equal(place.records, i <= 3 ? 3 : 2);
		assert_int_equal(place.epoch, 3);
		assert_int_equal(place.timeline, 7);
	}
	assert_int_equal(wal_reader_next(r, &rec), ST_END);
	wal_reader_close(r);
	wal_reader_close(NULL);
}

/* --- what may fail --- */

static void store(const struct log_maker *m, struct memory_disk *d)
{
	const struct io *io = memory_disk_io(d);

	assert_int_equal(io->ops->mkdir(io->ctx, "wal"), ST_OK);
	for (size_t i = 0; i < m->image.count; i++) {
		char path[64];

		(void)snprintf(path, sizeof path, "wal/%s", m->image.files[i].name);
		memory_disk_put(d, path, buf_slice(&m->image.files[i].bytes));
	}
}

static void errors_of_the_disk_are_no_verdict(void **state)
{
	struct log_maker *m = *state;
	struct memory_disk *d = memory_disk_create();
	struct log_verdict v;
	uint64_t n = 0;

	log_dir_read(memory_disk_io(d), "wal", 0, 0, &v);
	assert_int_equal(v.st, ST_NOT_FOUND);
	for (uint32_t i = 0; i < 3; i++) {
		log_maker_segment(m, false);
		log_maker_frame(m, 5, m->next_lsn - 1, 0);
	}
	log_maker_bytes(m, 0x11, 3 << 20); /* more than a window to look through */
	store(m, d);
	do {
		memory_disk_fail(d, MEMORY_DISK_ANY, n++, 1, ST_IO);
		log_dir_read(memory_disk_io(d), "wal", 0, 0, &v);
		assert_false(v.wrong);
		assert_true(v.st == ST_IO || v.st == ST_TORN);
	} while (v.st == ST_IO);
	assert_int_equal(v.last, 15);
	assert_true(n > 10);
	memory_disk_destroy(d);
}

static void failing_memory_is_no_verdict(void **state)
{
	struct log_maker *m = *state;
	struct memory_disk *d = memory_disk_create();
	struct log_verdict v;
	size_t used;
	int64_t n = 0;

	for (uint32_t i = 0; i < 3; i++) {
		log_maker_segment(m, false);
		log_maker_frame(m, 20, m->next_lsn - 1, 0);
	}
	store(m, d);
	log_dir_read(memory_disk_io(d), "wal", 0, 0, &v); /* makes the samples */
	used = mem_used();
	do {
		mem_fail_nth(n++);
		log_dir_read(memory_disk_io(d), "wal", 0, 0, &v);
		mem_fail_nth(-1);
		assert_int_equal(mem_used(), used);
		assert_false(v.wrong);
		assert_true(v.st == ST_NO_MEMORY || v.st == ST_END);
	} while (v.st == ST_NO_MEMORY);
	assert_int_equal(v.last, 60);
	assert_true(n > 5);
	memory_disk_destroy(d);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(an_empty_folder_is_an_end),
	    TEST(a_log_ends_where_blanks_begin),
	    TEST(a_clean_mark_counts_only_at_the_very_end),
	    TEST(what_a_recycled_file_held_is_no_tail),
	    TEST(a_frame_of_another_segment_does_not_continue_this_one),
	    TEST(bytes_that_are_no_frame_are_a_torn_tail),
	    TEST(an_unwitnessed_last_frame_may_be_torn),
	    TEST(a_frame_begun_in_a_recycled_file_is_a_torn_tail),
	    TEST(a_later_frame_that_knows_nothing_proves_nothing),
	    TEST(a_witness_behind_makes_it_damage),
	    TEST(witnesses_are_found_wherever_they_lie),
	    TEST(what_the_checkpoint_knows_makes_it_damage),
	    TEST(a_bad_place_before_the_last_segment_is_damage),
	    TEST(a_torn_tail_that_was_cut_stays_cut),
	    TEST(missing_segments_are_noticed),
	    TEST(a_segment_of_another_log_is_noticed),
	    TEST(a_damaged_segment_header_is_refused),
	    TEST(a_frame_must_follow_by_number),
	    TEST(a_frame_must_follow_by_chain),
	    TEST(an_unknown_frame_version_is_not_taken_for_damage),
	    TEST(a_record_that_does_not_decode_is_damage),
	    TEST(a_frame_that_does_not_decompress_is_damage),
	    TEST(reading_begins_where_it_is_told),
	    TEST(each_record_tells_its_place),
	    TEST(errors_of_the_disk_are_no_verdict),
	    TEST(failing_memory_is_no_verdict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
