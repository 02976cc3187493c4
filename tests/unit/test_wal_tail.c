/* A log followed while it is written, and the same frames written again by another log: both hold
 * the same records at the same LSNs under the same chain. */
#include "engine/wal/wal_tail.h"

#include "engine/base/alloc.h"
#include "engine/wal/wal_frame.h"
#include "engine/wal/wal_reader.h"
#include "engine/wal/wal_record.h"
#include "tests/support/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { SEGMENT = 64 << 10, PIECE = 8 << 10 };

struct box {
	char dir[64], from[80], to[80], archive[80];
	struct wal_writer *source, *copy;
	uint64_t next_lsn;
	struct wal_segment segment; /* that the tail stands in */
	struct buf header, error;
};

static struct wal_writer *open_log(const char *dir, const char *archive,
				   const struct wal_history *history, const struct wal_position *at)
{
	struct wal_writer_options opts = {
	    .io = io_posix(),
	    .clock = clock_system(),
	    .dir = dir,
	    .archive_dir = archive,
	    .segment_size = SEGMENT,
	    .compression_level = 1,
	    .fsync = WAL_FSYNC_ALWAYS,
	    .history = *history,
	    .at = *at,
	};
	struct wal_writer *w;

	assert_int_equal(wal_writer_open(&opts, &w), ST_OK);
	return w;
}

static const struct wal_history first_history = {
    .shard_id = 77, .count = 1, .items = {{.id = 5, .epoch = 0, .first_lsn = 1}}};
static const struct wal_position beginning = {.next_lsn = 1};

static void open_box(struct box *b, bool archive)
{
	*b = (struct box){.next_lsn = 1};
	(void)snprintf(b->dir, sizeof b->dir, "/tmp/cairn-tail-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	(void)snprintf(b->from, sizeof b->from, "%s/from", b->dir);
	(void)snprintf(b->to, sizeof b->to, "%s/to", b->dir);
	(void)snprintf(b->archive, sizeof b->archive, "%s/archive", b->dir);
	assert_int_equal(io_posix()->ops->mkdir(NULL, b->from), ST_OK);
	assert_int_equal(io_posix()->ops->mkdir(NULL, b->to), ST_OK);
	assert_int_equal(io_posix()->ops->mkdir(NULL, b->archive), ST_OK);
	b->source = open_log(b->from, archive ? b->archive : NULL, &first_history, &beginning);
}

static void close_box(struct box *b)
{
	(void)wal_writer_close(b->source);
	(void)wal_writer_close(b->copy);
	buf_deinit(&b->error);
	buf_deinit(&b->header);
	remove_tree(b->dir);
}

/* Writes count records of one key each and waits until they are durable. */
static void write_records(struct box *b, uint32_t count, uint32_t value_len)
{
	struct buf records = {0};
	uint8_t *value = mem_calloc(1, value_len + 1);

	for (uint32_t i = 0; i < count; i++) {
		struct wal_op op = {.kind = WAL_OP_PUT_KEY};
		char name[32];
		size_t start;
		struct slice part = slice_of(value, value_len);

		for (uint32_t j = 0; j < value_len; j++) {
			value[j] = (uint8_t)((b->next_lsn + i) * 31 + j * 7);
		}
		(void)snprintf(name, sizeof name, "key:%u", (unsigned)(b->next_lsn + i));
		op.name = slice_str(name);
		assert_int_equal(wal_record_begin(&records, slice_str("set"), 1000 + i, 0, &start),
				 ST_OK);
		assert_int_equal(wal_record_add(&records, start, &op, &part, 1), ST_OK);
		wal_record_end(&records, start);
	}
	assert_int_equal(wal_writer_append(b->source, &records, b->next_lsn, count), ST_OK);
	b->next_lsn += count;
	assert_int_equal(wal_writer_sync(b->source, b->next_lsn - 1), ST_OK);
	buf_deinit(&records);
	mem_free(value);
}

static struct wal_tail *open_tail(struct box *b, bool archive, uint64_t lsn, enum status want)
{
	struct wal_tail_options opts = {.io = io_posix(),
					.dir = b->from,
					.archive_dir = archive ? b->archive : NULL,
					.lsn = lsn};
	struct wal_tail *t = NULL;

	b->error.len = 0;
	assert_int_equal(wal_tail_open(&opts, &t, &b->error), want);
	return t;
}

/* Hands a frame over, waiting for what is pending. */
static void append_frame(struct wal_writer *w, const struct wal_frame *f, struct slice stored)
{
	enum status st;

	while ((st = wal_writer_append_frame(w, f, stored)) == ST_AGAIN) {
		(void)usleep(200);
	}
	assert_int_equal(st, ST_OK);
}

/* What a replica does with a piece. */
static void receive(struct box *b, const struct wal_tail_piece *piece)
{
	struct wal_segment *segment = &b->segment;
	struct buf *header = &b->header;
	struct slice in = piece->frames;

	if (piece->header.len > 0) {
		header->len = 0;
		assert_int_equal(buf_append(header, piece->header.data, piece->header.len), ST_OK);
		assert_int_equal(wal_segment_decode(buf_slice(header), segment), ST_OK);
		if (b->copy == NULL) {
			struct wal_position at = {.next_lsn = piece->first_lsn,
						  .chain = segment->chain};

			b->copy = open_log(b->to, NULL, &segment->history, &at);
		}
		for (;;) {
			enum status st =
			    wal_writer_set_history(b->copy, &segment->history, segment->dictionary);

			if (st == ST_OK) {
				break;
			}
			assert_int_equal(st, ST_AGAIN);
			(void)usleep(200);
		}
	}
	while (in.len > 0) {
		struct wal_frame f;

		assert_int_equal(wal_frame_decode_header(in, segment->salt, &f), ST_OK);
		if (f.records > 0) {
			append_frame(b->copy, &f,
				     slice_of(in.data + WAL_FRAME_HEADER_LEN, f.stored_len));
		}
		in = slice_skip(in, wal_frame_span(&f));
	}
}

/* Follows the tail until the end. */
static void follow(struct box *b, struct wal_tail *t)
{
	uint64_t limit = b->next_lsn - 1;

	for (;;) {
		struct wal_tail_piece piece;
		enum status st = wal_tail_next(t, limit, PIECE, &piece, &b->error);

		if (st == ST_END) {
			break;
		}
		if (st != ST_OK) {
			print_error("%.*s\n", (int)b->error.len, (const char *)b->error.data);
		}
		assert_int_equal(st, ST_OK);
		receive(b, &piece);
	}
	assert_int_equal(wal_tail_lsn(t), b->next_lsn);
	assert_int_equal(wal_writer_sync(b->copy, limit), ST_OK);
}

/* Both logs are being written: an empty frame that arrives between two looks of the reader is a
 * tail to it, torn or not. */
static bool at_end(enum status st)
{
	return st == ST_END || st == ST_TORN;
}

/* Reads both logs record by record from LSN from on. */
static void compare(struct box *b, uint64_t from)
{
	struct wal_reader_options opts = {.from_lsn = from};
	struct wal_reader *one, *two;
	uint64_t count = 0, lsn[2], chain[2];

	assert_int_equal(wal_reader_open(io_posix(), b->from, &opts, &one), ST_OK);
	assert_int_equal(wal_reader_open(io_posix(), b->to, &opts, &two), ST_OK);
	for (;;) {
		struct wal_record r1, r2;
		enum status st = wal_reader_next(one, &r1), st2 = wal_reader_next(two, &r2);

		if (at_end(st) && at_end(st2)) {
			break;
		}
		assert_int_equal(st, ST_OK);
		assert_int_equal(st2, ST_OK);
		assert_int_equal(r1.lsn, r2.lsn);
		assert_int_equal(r1.time_ms, r2.time_ms);
		assert_true(slice_eq(r1.ops, r2.ops));
		count++;
	}
	assert_int_equal(count, b->next_lsn - from);
	wal_reader_close(one);
	wal_reader_close(two);
	wal_writer_chain(b->source, &lsn[0], &chain[0]);
	wal_writer_chain(b->copy, &lsn[1], &chain[1]);
	assert_int_equal(lsn[0], lsn[1]);
	assert_int_equal(chain[0], chain[1]);
}

static void a_copy_follows_across_segments(void **state)
{
	struct box b;
	struct wal_tail *t;

	(void)state;
	open_box(&b, false);
	write_records(&b, 100, 300);
	t = open_tail(&b, false, 1, ST_OK);
	follow(&b, t);
	compare(&b, 1);
	for (int round = 0; round < 40; round++) {
		write_records(&b, 1 + (uint32_t)round * 7, 1 + (uint32_t)round * 40);
		follow(&b, t);
	}
	write_records(&b, 2, 200000); /* frames longer than a segment */
	follow(&b, t);
	compare(&b, 1);
	wal_tail_close(t);
	close_box(&b);
}

static void a_tail_begins_at_the_frame_that_holds_the_record(void **state)
{
	struct box b;

	(void)state;
	open_box(&b, false);
	write_records(&b, 500, 100);
	write_records(&b, 500, 100);
	for (uint64_t lsn = 1; lsn <= 1001; lsn += 50) {
		struct wal_tail *t = open_tail(&b, false, lsn, ST_OK);
		struct wal_tail_piece piece;

		assert_true(wal_tail_lsn(t) <= lsn);
		if (lsn <= 1000) {
			assert_int_equal(wal_tail_next(t, 1000, 1, &piece, &b.error), ST_OK);
			assert_true(piece.next_lsn > lsn);
			assert_true(piece.header.len > 0);
		} else {
			assert_int_equal(wal_tail_next(t, 1000, 1, &piece, &b.error), ST_END);
		}
		wal_tail_close(t);
	}
	(void)open_tail(&b, false, 1002, ST_NOT_FOUND);
	close_box(&b);
}

static void a_new_timeline_reaches_the_copy(void **state)
{
	struct wal_history next = first_history;
	struct wal_segment_list list = {0};
	struct box b;
	struct wal_tail *t;
	struct wal_reader *r;
	struct wal_reader_options opts = {0};
	struct wal_reader_end end;
	struct wal_record rec;

	(void)state;
	open_box(&b, false);
	write_records(&b, 10, 100);
	t = open_tail(&b, false, 1, ST_OK);
	follow(&b, t);
	wal_history_begin(&next, (struct wal_timeline){.id = 9, .epoch = 3, .first_lsn = 11});
	assert_int_equal(wal_writer_set_history(b.source, &next, slice_of(NULL, 0)), ST_OK);
	while (true) {
		size_t before = b.next_lsn;

		/* The new segment may still be pending. */
		struct buf probe = {0};
		enum status st = wal_writer_append(b.source, &probe, before, 0);

		buf_deinit(&probe);
		if (st == ST_OK) {
			break;
		}
		assert_int_equal(st, ST_AGAIN);
		(void)usleep(200);
	}
	write_records(&b, 10, 100);
	follow(&b, t);
	wal_tail_close(t);
	compare(&b, 1);
	assert_int_equal(wal_reader_open(io_posix(), b.to, &opts, &r), ST_OK);
	while (wal_reader_next(r, &rec) == ST_OK) {
	}
	wal_reader_end(r, &end);
	assert_true(wal_history_eq(&end.history, &next));
	wal_reader_close(r);
	assert_int_equal(wal_segment_list_read(io_posix(), b.to, &list), ST_OK);
	assert_int_equal(list.count, 2);
	wal_segment_list_deinit(&list);
	close_box(&b);
}

static void pinned_segments_stay_and_unpinned_ones_go(void **state)
{
	struct box b;
	struct wal_pin pin = {0};
	struct wal_stats stats;

	(void)state;
	open_box(&b, false);
	wal_writer_pin(b.source, &pin, 50);
	for (int i = 0; i < 20; i++) {
		write_records(&b, 100, 1000);
		wal_writer_release(b.source, b.next_lsn - 1);
	}
	assert_true(pin.placed);
	wal_tail_close(open_tail(&b, false, 50, ST_OK));
	wal_writer_unpin(b.source, &pin);
	for (int i = 0; i < 20; i++) {
		write_records(&b, 100, 1000);
		wal_writer_release(b.source, b.next_lsn - 1);
	}
	(void)open_tail(&b, false, 50, ST_NOT_FOUND);
	wal_writer_stats(b.source, &stats);
	assert_true(stats.first_lsn > 50);
	close_box(&b);
}

static void what_left_the_folder_is_read_from_the_archive(void **state)
{
	struct box b;
	struct wal_tail *t = NULL;

	(void)state;
	open_box(&b, true);
	for (int i = 0; i < 40; i++) {
		write_records(&b, 100, 1000);
		wal_writer_release(b.source, b.next_lsn - 1);
		(void)usleep(1000);
	}
	(void)open_tail(&b, false, 1, ST_NOT_FOUND);
	t = open_tail(&b, true, 1, ST_OK);
	follow(&b, t);
	wal_tail_close(t);
	close_box(&b);
}

static void damage_does_not_travel(void **state)
{
	struct box b;
	char path[160];
	FILE *f;
	struct wal_tail *t;
	struct wal_tail_piece piece;
	enum status st = ST_OK;
	uint8_t byte;

	(void)state;
	open_box(&b, false);
	for (int i = 0; i < 10; i++) {
		write_records(&b, 100, 100);
	}
	(void)snprintf(path, sizeof path, "%s/%016x.wal", b.from, 1);
	f = fopen(path, "r+b");
	assert_non_null(f);
	assert_int_equal(fseek(f, 4096 + 5000, SEEK_SET), 0);
	assert_int_equal(fread(&byte, 1, 1, f), 1);
	byte ^= 0x40;
	assert_int_equal(fseek(f, 4096 + 5000, SEEK_SET), 0);
	assert_int_equal(fwrite(&byte, 1, 1, f), 1);
	assert_int_equal(fclose(f), 0);
	t = open_tail(&b, false, 1, ST_OK);
	while (st == ST_OK) {
		st = wal_tail_next(t, b.next_lsn - 1, PIECE, &piece, &b.error);
	}
	assert_true(st == ST_CORRUPT || st == ST_NOT_FOUND);
	assert_true(b.error.len > 0);
	wal_tail_close(t);
	close_box(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_copy_follows_across_segments),
	    cmocka_unit_test(a_tail_begins_at_the_frame_that_holds_the_record),
	    cmocka_unit_test(a_new_timeline_reaches_the_copy),
	    cmocka_unit_test(pinned_segments_stay_and_unpinned_ones_go),
	    cmocka_unit_test(what_left_the_folder_is_read_from_the_archive),
	    cmocka_unit_test(damage_does_not_travel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
