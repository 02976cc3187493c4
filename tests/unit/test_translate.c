/* Records as commands: what each kind of change becomes, and what has no command. */
#include "engine/base/alloc.h"
#include "engine/base/bytes.h"
#include "engine/export/translate.h"
#include "engine/types/type_string.h"
#include "tests/support/made_record.h"
#include "tools/wal_filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct key_choice all = {0};

/* A translator and the commands it gave since the last look. */
struct bench {
	struct translator t;
	struct resp_sink sink;
	struct buf got;
	struct made_record m;
	uint64_t lsn;
};

static enum status take(void *arg, struct slice bytes, uint64_t commands)
{
	(void)commands;
	return buf_append(arg, bytes.data, bytes.len);
}

static void open_bench(struct bench *b, struct key_choice choice, bool complete)
{
	*b = (struct bench){0};
	assert_int_equal(translate_init(&b->t, choice, complete, 5000), ST_OK);
	b->sink = (struct resp_sink){.take = take, .arg = &b->got};
}

static void close_bench(struct bench *b)
{
	translate_deinit(&b->t);
	resp_sink_deinit(&b->sink);
	buf_deinit(&b->got);
	made_deinit(&b->m);
}

static enum status translate(struct bench *b)
{
	struct wal_record rec;

	made_end(&b->m, ++b->lsn, &rec);
	return translate_record(&b->t, &rec, &b->sink);
}

/* Compares the commands with lines of words; long words are shown by their length. */
static void expect(struct bench *b, const char *want)
{
	struct buf text = {0};
	char *p, *end;

	assert_int_equal(resp_flush(&b->sink), ST_OK);
	assert_int_equal(buf_append(&b->got, "", 1), ST_OK);
	p = (char *)b->got.data;
	end = p + b->got.len - 1;
	while (p < end) {
		long argc = strtol(p + 1, &p, 10);

		for (long i = 0; i < argc; i++) {
			long len = strtol(p + 3, &p, 10);

			p += 2;
			if (len > 40) {
				assert_int_equal(buf_printf(&text, "<%ld>", len), ST_OK);
			} else {
				assert_int_equal(buf_append(&text, p, (size_t)len), ST_OK);
			}
			p += len;
			assert_int_equal(buf_append(&text, i + 1 < argc ? " " : "\n", 1), ST_OK);
		}
		p += 2;
	}
	assert_int_equal(buf_append(&text, "", 1), ST_OK);
	assert_string_equal((const char *)text.data, want);
	buf_deinit(&text);
	b->got.len = 0;
}

static struct meta list_of(uint64_t id, uint64_t head, uint64_t tail)
{
	return (struct meta){.type = TYPE_LIST,
			     .form = FORM_LARGE,
			     .id = id,
			     .count = tail - head,
			     .aux = {head, tail}};
}

static struct meta hash_of(uint64_t id, uint64_t count, uint64_t expire_at_ms)
{
	return (struct meta){.type = TYPE_HASH,
			     .form = FORM_LARGE,
			     .id = id,
			     .count = count,
			     .expire_at_ms = expire_at_ms};
}

static void put_list(struct bench *b, const char *key, uint64_t id, uint64_t head, uint64_t tail)
{
	struct meta meta = list_of(id, head, tail);

	made_meta(&b->m, key, &meta);
}

/* A list a b c d e at positions 10 to 14. */
static void make_list(struct bench *b, const char *key, uint64_t id)
{
	made_begin(&b->m, "rpush");
	for (uint64_t i = 0; i < 5; i++) {
		char value[2] = {(char)('a' + i), '\0'};

		made_elem(&b->m, key, id, 10 + i, value);
	}
	put_list(b, key, id, 10, 15);
	assert_int_equal(translate(b), ST_OK);
}

static void strings_and_small_values(void **state)
{
	struct bench b;

	(void)state;
	open_bench(&b, all, true);
	made_begin(&b.m, "set");
	made_string(&b.m, "k", "v", 0);
	assert_int_equal(translate(&b), ST_OK);
	expect(&b, "SET k v\n");
	made_begin(&b.m, "set");
	made_string(&b.m, "k", "v", 1);
	assert_int_equal(translate(&b), ST_OK);
	expect(&b, "SET k v PXAT 1\n");
	made_begin(&b.m, "exec");
	made_string(&b.m, "k", "twice", 0);
	made_string(&b.m, "k", "only the last counts", 0);
	made_op(&b.m, WAL_OP_DEL_KEY, "", 0, "gone");
	assert_int_equal(translate(&b), ST_OK);
	expect(&b, "MULTI\nDEL gone\nSET k only the last counts\nEXEC\n");
	made_begin(&b.m, "exec");
	made_string(&b.m, "k", "before", 0);
	made_op(&b.m, WAL_OP_FLUSH, "", 0, "");
	made_string(&b.m, "after", "x", 0);
	assert_int_equal(translate(&b), ST_OK);
	expect(&b, "MULTI\nFLUSHALL\nSET after x\nEXEC\n");
	assert_int_equal(b.t.left_out, 0);
	close_bench(&b);
}

static void lists_change_at_their_ends_and_inside(void **state)
{
	struct bench b;

	(void)state;
	open_bench(&b, all, true);
	make_list(&b, "l", 3);
	expect(&b, "MULTI\nDEL l\nRPUSH l a b c d e\nEXEC\n");
	made_begin(&b.m, "lset");
	made_elem(&b.m, "l", 3, 12, "C");
	assert_int_equal(translate(&b), ST_OK);
	expect(&b, "LSET l 2 C\n");
	made_begin(&b.m, "lpush");
	made_elem(&b.m, "l", 3, 9, "x");
	made_elem(&b.m, "l", 3, 8, "y");
	put_list(&b, "l", 3, 8, 15);
	assert_int_equal(translate(&b), ST_OK);
	expect(&b, "LPUSH l x y\n");
	made_begin(&b.m, "exec");
	made_elem(&b.m, "l", 3, 8, NULL);
	made_elem(&b.m, "l", 3, 14, NULL);
	made_elem(&b.m, "l", 3, 13, "D");
	put_list(&b, "l", 3, 9, 14);
	assert_int_equal(translate(&b), ST_OK);
	expect(&b, "MULTI\nLTRIM l 1 5\nLSET l 4 D\nEXEC\n");
	made_begin(&b.m, "exec");
	made_elem(&b.m, "l", 3, 14, "tail");
	made_elem(&b.m, "l", 3, 9, NULL);
	made_elem(&b.m, "l", 3, 10, NULL);
	put_list(&b, "l", 3, 11, 15);
	assert_int_equal(translate(&b), ST_OK);
	expect(&b, "MULTI\nLTRIM l 2 4\nRPUSH l tail\nEXEC\n");
	/* An element that the new bounds need is not there: the log does not fit together. */
	made_begin(&b.m, "rpush");
	made_elem(&b.m, "l", 3, 16, "after a gap");
	put_list(&b, "l", 3, 11, 17);
	assert_int_equal(translate(&b), ST_CORRUPT);
	close_bench(&b);
}

static void hashes_and_their_expiry(void **state)
{
	struct bench b;
	struct meta h = hash_of(4, 2, 9000);

	(void)state;
	open_bench(&b, all, true);
	made_begin(&b.m, "hset");
	made_field(&b.m, "h", 4, "f", "1");
	made_field(&b.m, "h", 4, "g", "2");
	made_meta(&b.m, "h", &h);
	assert_int_equal(translate(&b), ST_OK);
	assert_int_equal(resp_flush(&b.sink), ST_OK);
	b.got.len = 0; /* the order of fields is the store's */
	made_begin(&b.m, "hset");
	made_field(&b.m, "h", 4, "f", "new");
	assert_int_equal(translate(&b), ST_OK);
	expect(&b, "HSET h f new\n");
	made_begin(&b.m, "hdel");
	made_field(&b.m, "h", 4, "g", NULL);
	h.count = 1;
	h.expire_at_ms = 0;
	made_meta(&b.m, "h", &h);
	assert_int_equal(translate(&b), ST_OK);
	expect(&b, "MULTI\nPERSIST h\nHDEL h g\nEXEC\n");
	/* 4000 is before the bound of 5000: it waits for the end. */
	made_begin(&b.m, "pexpireat");
	h.expire_at_ms = 4000;
	made_meta(&b.m, "h", &h);
	assert_int_equal(translate(&b), ST_OK);
	expect(&b, "");
	assert_int_equal(b.t.held, 1);
	assert_int_equal(translate_finish(&b.t, &b.sink), ST_OK);
	expect(&b, "PEXPIREAT h 4000\n");
	made_begin(&b.m, "del");
	made_op(&b.m, WAL_OP_DEL_KEY, "h", 0, "h");
	made_op(&b.m, WAL_OP_DROP, "h", 4, "");
	assert_int_equal(translate(&b), ST_OK);
	expect(&b, "DEL h\n");
	assert_int_equal(translate_finish(&b.t, &b.sink), ST_OK);
	expect(&b, "");
	close_bench(&b);
}

static void members_of_sets(void **state)
{
	struct meta s = {.type = TYPE_SET, .form = FORM_LARGE, .id = 6, .count = 1};
	struct bench b;

	(void)state;
	open_bench(&b, all, true);
	made_begin(&b.m, "sadd");
	made_field(&b.m, "s", 6, "m", "");
	made_meta(&b.m, "s", &s);
	assert_int_equal(translate(&b), ST_OK);
	expect(&b, "MULTI\nDEL s\nSADD s m\nEXEC\n");
	made_begin(&b.m, "sadd");
	made_field(&b.m, "s", 6, "n", "");
	s.count = 2;
	made_meta(&b.m, "s", &s);
	assert_int_equal(translate(&b), ST_OK);
	expect(&b, "SADD s n\n");
	made_begin(&b.m, "srem");
	made_field(&b.m, "s", 6, "m", NULL);
	s.count = 1;
	made_meta(&b.m, "s", &s);
	assert_int_equal(translate(&b), ST_OK);
	expect(&b, "SREM s m\n");
	close_bench(&b);
}

static void long_strings_by_chunks(void **state)
{
	static uint8_t bytes[STRING_CHUNK];
	struct meta s = {.type = TYPE_STRING, .form = FORM_LARGE, .id = 5, .count = 20000};
	struct bench b;

	(void)state;
	memset(bytes, 'x', sizeof bytes);
	open_bench(&b, all, true);
	made_begin(&b.m, "set");
	made_chunk(&b.m, "s", 5, 0, slice_of(bytes, STRING_CHUNK));
	made_chunk(&b.m, "s", 5, 1, slice_of(bytes, 20000 - STRING_CHUNK));
	made_meta(&b.m, "s", &s);
	assert_int_equal(translate(&b), ST_OK);
	expect(&b, "SET s <20000>\n");
	made_begin(&b.m, "setrange");
	made_chunk(&b.m, "s", 5, 1, slice_of(bytes, 10)); /* zeros follow */
	assert_int_equal(translate(&b), ST_OK);
	expect(&b, "SETRANGE s 16320 <3680>\n");
	made_begin(&b.m, "setrange");
	made_chunk(&b.m, "s", 5, 0, slice_of(bytes, 5));
	s.count = 60000;
	made_meta(&b.m, "s", &s);
	assert_int_equal(translate(&b), ST_OK);
	assert_int_equal(resp_flush(&b.sink), ST_OK);
	/* A zero byte makes the string as long. */
	assert_non_null(memmem(b.got.data, b.got.len, "$5\r\n59999\r\n$1\r\n\0\r\n", 18));
	b.got.len = 0;
	made_begin(&b.m, "setrange");
	made_chunk(&b.m, "s", 5, 9, slice_of(bytes, 5)); /* beyond the end */
	assert_int_equal(translate(&b), ST_CORRUPT);
	close_bench(&b);
}

static void renames_keep_what_a_key_holds(void **state)
{
	struct bench b;

	(void)state;
	open_bench(&b, all, true);
	make_list(&b, "{t}a", 3);
	make_list(&b, "{t}b", 4);
	assert_int_equal(resp_flush(&b.sink), ST_OK);
	b.got.len = 0;
	made_begin(&b.m, "rename");
	made_op(&b.m, WAL_OP_DEL_KEY, "", 0, "{t}a");
	put_list(&b, "{t}c", 3, 10, 15);
	assert_int_equal(translate(&b), ST_OK);
	expect(&b, "MULTI\nRENAME {t}a {t}c\nDEL {t}a\nEXEC\n");
	/* Two change places. */
	made_begin(&b.m, "exec");
	put_list(&b, "{t}c", 4, 10, 15);
	put_list(&b, "{t}b", 3, 10, 15);
	made_elem(&b.m, "{t}b", 3, 11, "B");
	assert_int_equal(translate(&b), ST_OK);
	assert_int_equal(resp_flush(&b.sink), ST_OK);
	for (const char *const *part =
		 (const char *const[]){"{t}c\r\n$11\r\ncairn-wal:3", "{t}b\r\n$11\r\ncairn-wal:4",
				       "cairn-wal:3\r\n$4\r\n{t}b", "cairn-wal:4\r\n$4\r\n{t}c",
				       "LSET\r\n$4\r\n{t}b\r\n$1\r\n1\r\n$1\r\nB", NULL};
	     *part != NULL; part++) {
		assert_non_null(memmem(b.got.data, b.got.len, *part, strlen(*part)));
	}
	close_bench(&b);
}

/* Fields of one hash name that share no bucket: each is told of by its own. */
static void made_time(struct bench *b, const char *field, uint64_t at_ms)
{
	uint8_t bytes[32];
	uint32_t bucket = (uint32_t)(key_order(slice_str(field)) >> 16);

	bytes_put_u64le(bytes, at_ms);
	bytes_put_u32le(bytes + 8, (uint32_t)strlen(field));
	memcpy(bytes + 12, field, strlen(field));
	made_chunk(&b->m, "h", 4, bucket, slice_of(bytes, 12 + strlen(field)));
}

static void fields_that_expire(void **state)
{
	struct bench b;
	struct meta h = hash_of(4, 1, 0);

	(void)state;
	h.fields_timed = 1;
	h.fields_at_ms = 7000;
	open_bench(&b, all, true);
	made_begin(&b.m, "hsetex");
	made_field(&b.m, "h", 4, "f", "1");
	made_time(&b, "f", 7000);
	made_meta(&b.m, "h", &h);
	assert_int_equal(translate(&b), ST_OK);
	expect(&b, "MULTI\nDEL h\nHSET h f 1\nHPEXPIREAT h 7000 FIELDS 1 f\nEXEC\n");
	/* A value that leaves the time, which is told again. */
	made_begin(&b.m, "hincrby");
	made_field(&b.m, "h", 4, "f", "2");
	made_time(&b, "f", 7000);
	assert_int_equal(translate(&b), ST_OK);
	expect(&b, "MULTI\nHSET h f 2\nHPEXPIREAT h 7000 FIELDS 1 f\nEXEC\n");
	/* Another field beside it; then an end of the time. */
	made_begin(&b.m, "hset");
	made_field(&b.m, "h", 4, "g", "3");
	h.count = 2;
	made_meta(&b.m, "h", &h);
	assert_int_equal(translate(&b), ST_OK);
	expect(&b, "HSET h g 3\n");
	made_begin(&b.m, "hpersist");
	made_field(&b.m, "h", 4, "f", "2");
	h.fields_timed = h.fields_at_ms = 0;
	made_meta(&b.m, "h", &h);
	assert_int_equal(translate(&b), ST_OK);
	expect(&b, "HSET h f 2\n");
	/* A bucket that does not decode. */
	made_begin(&b.m, "hexpire");
	made_chunk(&b.m, "h", 4, 1, slice_str("none"));
	assert_int_equal(translate(&b), ST_CORRUPT);
	close_bench(&b);
}

static void what_has_no_command_is_counted(void **state)
{
	struct wal_filter some = WAL_FILTER_INIT;
	struct bench b;
	struct meta h = hash_of(9, 100, 0);

	(void)state;
	open_bench(&b, all, false);
	made_begin(&b.m, "lset");
	made_elem(&b.m, "l", 8, 3, "of a list from before the log");
	assert_int_equal(translate(&b), ST_OK);
	assert_int_equal(b.t.left_out, 1);
	made_begin(&b.m, "rpush");
	made_elem(&b.m, "l", 8, 14, "x");
	put_list(&b, "l", 8, 10, 15);
	assert_int_equal(translate(&b), ST_OK);
	assert_int_equal(b.t.left_out, 2);
	expect(&b, "");
	/* Fields of a hash speak for themselves. */
	made_begin(&b.m, "hset");
	made_field(&b.m, "h", 9, "f", "v");
	made_meta(&b.m, "h", &h);
	assert_int_equal(translate(&b), ST_OK);
	expect(&b, "MULTI\nPERSIST h\nHSET h f v\nEXEC\n");
	assert_int_equal(b.t.left_out, 2);
	close_bench(&b);

	some.prefix = "mine:";
	open_bench(&b, wal_filter_choice(&some), true);
	make_list(&b, "{x}", 3);
	made_begin(&b.m, "exec");
	made_string(&b.m, "mine:1", "v", 0);
	made_string(&b.m, "other", "v", 0);
	assert_int_equal(translate(&b), ST_OK);
	expect(&b, "SET mine:1 v\n");
	made_begin(&b.m, "flushall");
	made_op(&b.m, WAL_OP_FLUSH, "", 0, "");
	assert_int_equal(translate(&b), ST_OK);
	expect(&b, "");
	assert_int_equal(b.t.left_out, 1);
	close_bench(&b);
}

static void failing_memory_is_told(void **state)
{
	struct bench b;

	(void)state;
	for (int64_t nth = 0;; nth++) {
		struct wal_record rec;
		enum status st;

		open_bench(&b, all, true);
		made_begin(&b.m, "rpush");
		for (uint64_t i = 0; i < 300; i++) {
			made_elem(&b.m, "l", 3, 10 + i, "value");
		}
		put_list(&b, "l", 3, 10, 310);
		made_end(&b.m, 1, &rec);
		mem_fail_nth(nth);
		st = translate_record(&b.t, &rec, &b.sink);
		mem_fail_nth(-1);
		close_bench(&b);
		if (st == ST_OK) {
			break;
		}
		assert_int_equal(st, ST_NO_MEMORY);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(strings_and_small_values),
	    cmocka_unit_test(lists_change_at_their_ends_and_inside),
	    cmocka_unit_test(hashes_and_their_expiry),
	    cmocka_unit_test(fields_that_expire),
	    cmocka_unit_test(members_of_sets),
	    cmocka_unit_test(long_strings_by_chunks),
	    cmocka_unit_test(renames_keep_what_a_key_holds),
	    cmocka_unit_test(what_has_no_command_is_counted),
	    cmocka_unit_test(failing_memory_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
