/* WAL segments: headers are read back as written and no byte of them changes unnoticed; names and
 * folders. */
#include "engine/base/alloc.h"
#include "engine/base/bytes.h"
#include "engine/wal/wal_segment.h"
#include "tests/support/memory_disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <xxhash.h>

static struct wal_segment sample(struct slice dictionary)
{
	return (struct wal_segment){
	    .first_lsn = 0x1234,
	    .chain = 77,
	    .watermark = 0x1233,
	    .created_ms = 88,
	    .recycled = true,
	    .history = {.shard_id = 5,
			.count = 2,
			.items = {{.id = 1, .epoch = 2, .first_lsn = 3},
				  {.id = 4, .epoch = 5, .first_lsn = 0x100}}},
	    .dictionary = dictionary,
	};
}

static void expect_same(const struct wal_segment *a, const struct wal_segment *b)
{
	assert_int_equal(a->first_lsn, b->first_lsn);
	assert_int_equal(a->chain, b->chain);
	assert_int_equal(a->watermark, b->watermark);
	assert_int_equal(a->created_ms, b->created_ms);
	assert_int_equal(a->salt, b->salt);
	assert_int_equal(a->header_len, b->header_len);
	assert_int_equal(a->recycled, b->recycled);
	assert_true(wal_history_eq(&a->history, &b->history));
	assert_true(slice_eq(a->dictionary, b->dictionary));
}

static void a_header_is_read_back_as_written(void **state)
{
	static uint8_t bytes[WAL_DICTIONARY_MAX + 1];
	static const size_t lens[] = {
	    0, 1, 4096 - 80 - 48, 4096 - 80 - 48 + 1, 100000, WAL_DICTIONARY_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++) {
		bytes[i] = (uint8_t)(i * 7 + 1);
	}
	for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
		struct wal_segment s = sample(slice_of(bytes, lens[i])), got;
		struct buf b = {0}, storage = {0};
		struct slice whole;

		assert_int_equal(wal_segment_encode(&s, &b), ST_OK);
		assert_int_equal(b.len, s.header_len);
		assert_int_equal(b.len % WAL_SEGMENT_HEADER_UNIT, 0);
		assert_true(b.len < 80 + 48 + lens[i] + WAL_SEGMENT_HEADER_UNIT);
		assert_int_equal(wal_segment_decode(buf_slice(&b), &got), ST_OK);
		expect_same(&s, &got);
		whole = buf_slice(&b);
		assert_int_equal(wal_segment_read(wal_source_of_memory(&whole), &storage, &got),
				 ST_OK);
		expect_same(&s, &got);
		buf_deinit(&b);
		buf_deinit(&storage);
	}
	struct wal_segment s = sample(slice_of(bytes, sizeof bytes));
	struct buf b = {0};

	assert_int_equal(wal_segment_encode(&s, &b), ST_LIMIT);
	assert_int_equal(b.len, 0);
}

static void no_bit_of_a_header_changes_unnoticed(void **state)
{
	struct wal_segment s = sample(slice_str("dictionary")), got;
	struct buf b = {0}, storage = {0};

	(void)state;
	assert_int_equal(wal_segment_encode(&s, &b), ST_OK);
	for (size_t bit = 0; bit < b.len * 8; bit++) {
		enum status st;

		b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		st = wal_segment_decode(buf_slice(&b), &got);
		assert_int_equal(st, bit < 64 ? ST_NOT_FOUND : bit < 96 ? ST_VERSION : ST_CORRUPT);
		b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t len = 0; len < b.len; len++) {
		struct slice cut = slice_of(b.data, len);
		enum status want = len < WAL_SEGMENT_PREFIX_LEN ? ST_NOT_FOUND : ST_CORRUPT;

		assert_int_equal(wal_segment_read(wal_source_of_memory(&cut), &storage, &got),
				 want);
	}
	buf_deinit(&b);
	buf_deinit(&storage);
}

static void sealed_nonsense_is_refused(void **state)
{
	static const struct {
		const char *what;
		size_t off, len;
		uint64_t value;
		enum status want;
	} cases[] = {
	    {"length 0", 12, 4, 0, ST_CORRUPT},
	    {"odd length", 12, 4, 4097, ST_CORRUPT},
	    {"huge length", 12, 4, 1u << 30, ST_CORRUPT},
	    {"first LSN 0", 32, 8, 0, ST_CORRUPT},
	    {"watermark at the first LSN", 48, 8, 0x1234, ST_CORRUPT},
	    {"unknown flag", 64, 4, 2, ST_VERSION},
	    {"no history", 68, 4, 0, ST_CORRUPT},
	    {"too much history", 68, 4, WAL_HISTORY_MAX + 1, ST_CORRUPT},
	    {"dictionary beyond the header", 72, 4, 4096, ST_CORRUPT},
	    {"reserved field", 76, 4, 1, ST_VERSION},
	    {"timeline 0", 80, 8, 0, ST_CORRUPT},
	    {"history that falls", 96, 8, 0x101, ST_CORRUPT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct wal_segment s = sample(slice_str("d")), got;
		struct buf b = {0};
		uint8_t raw[8];
		enum status st;

		assert_int_equal(wal_segment_encode(&s, &b), ST_OK);
		bytes_put_u64le(raw, cases[i].value);
		memcpy(b.data + cases[i].off, raw, cases[i].len);
		bytes_put_u64le(b.data + 16, XXH3_64bits_withSeed(b.data + 24, b.len - 24,
								  UINT64_C(1) << 32 | b.len));
		st = wal_segment_decode(buf_slice(&b), &got);
		if (st != cases[i].want) {
			print_error("%s: %s\n", cases[i].what, status_text(st));
		}
		assert_int_equal(st, cases[i].want);
		buf_deinit(&b);
	}
}

static void frames_of_each_segment_have_a_salt_of_their_own(void **state)
{
	uint64_t salt = wal_segment_salt(1, 2, 3);

	(void)state;
	assert_int_equal(salt, wal_segment_salt(1, 2, 3));
	assert_int_not_equal(salt, wal_segment_salt(2, 2, 3));
	assert_int_not_equal(salt, wal_segment_salt(1, 3, 3));
	assert_int_not_equal(salt, wal_segment_salt(1, 2, 4));
}

static void only_exact_names_are_segments(void **state)
{
	static const char *const others[] = {
	    "",
	    "next.tmp",
	    "0000000000000001",
	    "0000000000000001.wa",
	    "0000000000000001.wal2",
	    "000000000000001.wal",
	    "00000000000000001.wal",
	    "000000000000000A.wal",
	    "000000000000000g.wal",
	    " 00000000000001.wal",
	};
	static const uint64_t lsns[] = {1, 0xabcdef, UINT64_MAX};
	char name[WAL_SEGMENT_NAME_SIZE], path[WAL_PATH_MAX], dir[WAL_PATH_MAX];
	uint64_t got;

	(void)state;
	for (size_t i = 0; i < sizeof lsns / sizeof lsns[0]; i++) {
		wal_segment_name(lsns[i], name);
		assert_true(wal_segment_name_parse(name, &got));
		assert_int_equal(got, lsns[i]);
	}
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		assert_false(wal_segment_name_parse(others[i], &got));
	}
	assert_int_equal(wal_segment_path("a/b", "c", path), ST_OK);
	assert_string_equal(path, "a/b/c");
	memset(dir, 'x', sizeof dir);
	dir[sizeof dir - 2] = 0;
	assert_int_equal(wal_segment_path(dir, "c", path), ST_LIMIT);
	dir[sizeof dir - 3] = 0;
	assert_int_equal(wal_segment_path(dir, "c", path), ST_OK);
}

static void a_folder_is_listed_in_order(void **state)
{
	struct memory_disk *d = memory_disk_create();
	const struct io *io = memory_disk_io(d);
	struct wal_segment_list list;
	char name[WAL_SEGMENT_NAME_SIZE], path[64];

	(void)state;
	assert_int_equal(wal_segment_list_read(io, "wal", &list), ST_NOT_FOUND);
	assert_int_equal(io->ops->mkdir(io->ctx, "wal"), ST_OK);
	assert_int_equal(wal_segment_list_read(io, "wal", &list), ST_OK);
	assert_int_equal(list.count, 0);
	wal_segment_list_deinit(&list);
	for (uint64_t i = 0; i < 200; i++) {
		wal_segment_name((i * 73) % 200 + 1, name);
		(void)snprintf(path, sizeof path, "wal/%s", name);
		memory_disk_put(d, path, slice_str("x"));
	}
	memory_disk_put(d, "wal/next.tmp", slice_str("x"));
	assert_int_equal(wal_segment_list_read(io, "wal", &list), ST_OK);
	assert_int_equal(list.count, 200);
	for (uint64_t i = 0; i < 200; i++) {
		assert_int_equal(list.first_lsn[i], i + 1);
	}
	wal_segment_list_deinit(&list);
	memory_disk_fail(d, MEMORY_DISK_LIST, 0, 1, ST_IO);
	assert_int_equal(wal_segment_list_read(io, "wal", &list), ST_IO);
	for (int64_t n = 0; n < 3; n++) {
		mem_fail_nth(n);
		assert_int_equal(wal_segment_list_read(io, "wal", &list), ST_NO_MEMORY);
		mem_fail_nth(-1);
	}
	memory_disk_destroy(d);
}

static void a_source_gives_what_there_is(void **state)
{
	struct memory_disk *d = memory_disk_create();
	const struct io *io = memory_disk_io(d);
	struct wal_source_file file = {.io = io};
	struct slice bytes = slice_str("0123456789");
	struct wal_source sources[2];
	char got[16];
	size_t n;

	(void)state;
	memory_disk_put(d, "f", bytes);
	assert_int_equal(io->ops->open(io->ctx, "f", IO_READ, &file.file), ST_OK);
	sources[0] = wal_source_of_file(&file);
	sources[1] = wal_source_of_memory(&bytes);
	for (int i = 0; i < 2; i++) {
		struct wal_source s = sources[i];

		assert_int_equal(s.read_at(s.ctx, got, 4, 3, &n), ST_OK);
		assert_int_equal(n, 4);
		assert_memory_equal(got, "3456", 4);
		assert_int_equal(s.read_at(s.ctx, got, 16, 8, &n), ST_OK);
		assert_int_equal(n, 2);
		assert_int_equal(s.read_at(s.ctx, got, 16, 10, &n), ST_OK);
		assert_int_equal(n, 0);
		assert_int_equal(s.read_at(s.ctx, got, 16, UINT64_MAX, &n), ST_OK);
		assert_int_equal(n, 0);
	}
	io->ops->close(io->ctx, file.file);
	memory_disk_destroy(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_header_is_read_back_as_written),
	    cmocka_unit_test(no_bit_of_a_header_changes_unnoticed),
	    cmocka_unit_test(sealed_nonsense_is_refused),
	    cmocka_unit_test(frames_of_each_segment_have_a_salt_of_their_own),
	    cmocka_unit_test(only_exact_names_are_segments),
	    cmocka_unit_test(a_folder_is_listed_in_order),
	    cmocka_unit_test(a_source_gives_what_there_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
