/* Values read out of a view: whole, in pieces, and never believed where lengths, counts and
 * positions disagree. Digests, which are made of them. */
#include "engine/export/effect.h"
#include "engine/export/value.h"
#include "engine/types/small_blob.h"
#include "engine/types/type_string.h"
#include "tests/support/made_record.h"
#include "tools/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

struct bench {
	struct overlay *over;
	struct view view;
	struct made_record m;
};

static void bench_open(struct bench *b)
{
	*b = (struct bench){0};
	assert_int_equal(overlay_create(UINT64_MAX, &b->over), ST_OK);
	b->view.over = b->over;
	made_begin(&b->m, "x");
}

static void bench_close(struct bench *b)
{
	overlay_destroy(b->over);
	made_deinit(&b->m);
}

/* Takes in what was made. */
static void settle(struct bench *b)
{
	struct wal_record rec;
	struct wal_op op;

	made_end(&b->m, 1, &rec);
	while (wal_op_next(&rec.ops, &op) == ST_OK) {
		struct effect e;

		assert_int_equal(effect_of(&op, &e), ST_OK);
		assert_int_equal(overlay_apply(b->over, &e), ST_OK);
	}
	assert_int_equal(overlay_finish(b->over), ST_OK);
	made_begin(&b->m, "x");
}

/* Elements in brackets, fields as name=value; then the status that ended the walk. */
static enum status read_value(struct bench *b, const char *key, char *out, size_t size)
{
	struct key_record r;
	struct value_walk w;
	struct slice name, value;
	size_t len = 0;
	enum status st = key_record_get(&b->view, slice_str(key), &r);

	out[0] = '\0';
	if (st == ST_OK) {
		st = value_open(&b->view, &r, &w);
		while (st == ST_OK && (st = value_next(&w, &name, &value)) == ST_OK) {
			len += (size_t)snprintf(out + len, size - len, "[%.*s%s%.*s]",
						(int)name.len, (const char *)name.data,
						r.meta.type == TYPE_HASH ? "=" : "", (int)value.len,
						(const char *)value.data);
		}
		value_close(&w);
	}
	return st;
}

static void expect(struct bench *b, const char *key, enum status st, const char *want)
{
	char got[256];

	assert_int_equal(read_value(b, key, got, sizeof got), st);
	if (want != NULL) {
		assert_string_equal(got, want);
	}
}

static void small(struct bench *b, const char *key, enum value_type type, const char *entries)
{
	struct small_blob blob;
	struct meta meta = {.type = type};

	small_blob_clear(&blob);
	for (; *entries != '\0'; entries++) {
		struct slice one = slice_of(entries, 1);

		assert_true(
		    small_blob_splice(&blob, blob.len, 0, 0, &one, 1, COLLECTION_INLINE_MAX));
	}
	meta.payload = small_blob_slice(&blob);
	made_meta(&b->m, key, &meta);
}

static struct meta large(enum value_type type, uint64_t id, uint64_t count)
{
	return (struct meta){
	    .type = type, .form = FORM_LARGE, .id = id, .count = count, .aux = {10, 10 + count}};
}

static void small_and_large_collections(void **state)
{
	struct meta list = large(TYPE_LIST, 3, 3), hash = large(TYPE_HASH, 4, 1);
	struct bench b;

	(void)state;
	bench_open(&b);
	small(&b, "l", TYPE_LIST, "abc");
	small(&b, "h", TYPE_HASH, "fvgw");
	small(&b, "odd", TYPE_HASH, "fvg");
	made_string(&b.m, "s", "text", 0);
	made_string(&b.m, "e", "", 0);
	made_meta(&b.m, "L", &list);
	made_elem(&b.m, "L", 3, 11, "b");
	made_elem(&b.m, "L", 3, 10, "a");
	made_elem(&b.m, "L", 3, 12, "c");
	made_meta(&b.m, "H", &hash);
	made_field(&b.m, "H", 4, "f", "v");
	settle(&b);
	expect(&b, "l", ST_END, "[a][b][c]");
	expect(&b, "h", ST_END, "[f=v][g=w]");
	expect(&b, "odd", ST_CORRUPT, NULL);
	expect(&b, "s", ST_END, "[text]");
	expect(&b, "e", ST_END, NULL);
	expect(&b, "L", ST_END, "[a][b][c]");
	expect(&b, "H", ST_END, "[f=v]");
	expect(&b, "none", ST_NOT_FOUND, "");
	bench_close(&b);
}

static void counts_and_positions_must_agree(void **state)
{
	struct meta list = large(TYPE_LIST, 3, 3), hash = large(TYPE_HASH, 4, 2);
	struct bench b;

	(void)state;
	bench_open(&b);
	made_meta(&b.m, "L", &list);
	made_elem(&b.m, "L", 3, 10, "a");
	made_elem(&b.m, "L", 3, 12, "c");
	made_meta(&b.m, "H", &hash);
	made_field(&b.m, "H", 4, "f", "v");
	settle(&b);
	expect(&b, "L", ST_CORRUPT, "[a]"); /* a gap */
	expect(&b, "H", ST_CORRUPT, "[f=v]");
	made_elem(&b.m, "L", 3, 11, "b");
	made_elem(&b.m, "L", 3, 13, "d");
	made_field(&b.m, "H", 4, "g", "w");
	made_field(&b.m, "H", 4, "h", "x");
	settle(&b);
	expect(&b, "L", ST_CORRUPT, "[a][b][c]"); /* one too many */
	expect(&b, "H", ST_CORRUPT, NULL);
	bench_close(&b);
}

static void a_string_with_holes_is_as_long_as_it_says(void **state)
{
	struct meta s = large(TYPE_STRING, 5, 2 * STRING_CHUNK + 100);
	struct buf whole = {0};
	struct key_record r;
	struct bench b;

	(void)state;
	bench_open(&b);
	made_meta(&b.m, "s", &s);
	made_chunk(&b.m, "s", 5, 1, slice_str("middle"));
	settle(&b);
	assert_int_equal(key_record_get(&b.view, slice_str("s"), &r), ST_OK);
	assert_int_equal(value_string(&b.view, &r, &whole), ST_OK);
	assert_int_equal(whole.len, 2 * STRING_CHUNK + 100);
	for (size_t i = 0; i < whole.len; i++) {
		size_t at = i - STRING_CHUNK;

		assert_int_equal(whole.data[i], i >= STRING_CHUNK && at < 6 ? "middle"[at] : 0);
	}
	/* A chunk behind the end, and one that reaches over it. */
	made_chunk(&b.m, "s", 5, 3, slice_str("x"));
	settle(&b);
	assert_int_equal(value_string(&b.view, &r, &whole), ST_CORRUPT);
	s.id = 6;
	s.count = 3;
	made_meta(&b.m, "t", &s);
	made_chunk(&b.m, "t", 6, 0, slice_str("four"));
	settle(&b);
	expect(&b, "t", ST_CORRUPT, NULL);
	buf_deinit(&whole);
	bench_close(&b);
}

static void keys_are_walked_by_slot(void **state)
{
	struct bench b;
	struct key_walk w;
	struct key_record r;
	struct meta hash = large(TYPE_HASH, 4, 1);
	uint16_t slot = keyslot(slice_str("H")), last = 0;
	int keys = 0;

	(void)state;
	bench_open(&b);
	for (int i = 0; i < 300; i++) {
		char name[16];

		(void)snprintf(name, sizeof name, "k%d", i);
		made_string(&b.m, name, "v", 0);
	}
	made_meta(&b.m, "H", &hash);
	made_field(&b.m, "H", 4, "f", "v");
	made_op(&b.m, WAL_OP_DEL_KEY, "", 0, "k7");
	settle(&b);
	assert_int_equal(key_walk_open(&b.view, 0, SLOTS - 1, &w), ST_OK);
	while (key_walk_next(&w, &r) == ST_OK) {
		assert_true(r.slot >= last && r.slot == keyslot(r.name));
		assert_false(slice_eq(r.name, slice_str("k7")));
		last = r.slot;
		keys++;
	}
	key_walk_close(&w);
	assert_int_equal(keys, 300);
	assert_int_equal(key_walk_open(&b.view, slot, slot, &w), ST_OK);
	assert_int_equal(key_walk_next(&w, &r), ST_OK);
	assert_true(slice_eq(r.name, slice_str("H")));
	assert_int_equal(key_walk_next(&w, &r), ST_END);
	key_walk_close(&w);
	bench_close(&b);
}

static uint64_t digest(struct bench *b, const char *key)
{
	struct key_record r;
	uint64_t d;

	assert_int_equal(key_record_get(&b->view, slice_str(key), &r), ST_OK);
	assert_int_equal(digest_of(&b->view, &r, &d), ST_OK);
	return d;
}

static void a_digest_is_of_the_content_alone(void **state)
{
	struct meta list = large(TYPE_LIST, 3, 3), hash = large(TYPE_HASH, 4, 2);
	uint64_t l, h, s;
	struct bench b, c;

	(void)state;
	bench_open(&b);
	small(&b, "l", TYPE_LIST, "abc");
	small(&b, "h", TYPE_HASH, "fvgw");
	made_string(&b.m, "s", "abc", 0);
	settle(&b);
	l = digest(&b, "l");
	h = digest(&b, "h");
	s = digest(&b, "s");
	assert_true(l != h && h != s && l != s);
	/* The same in another form, and in another order where there is none. */
	bench_open(&c);
	made_meta(&c.m, "l", &list);
	made_elem(&c.m, "l", 3, 10, "a");
	made_elem(&c.m, "l", 3, 11, "b");
	made_elem(&c.m, "l", 3, 12, "c");
	made_meta(&c.m, "h", &hash);
	made_field(&c.m, "h", 4, "g", "w");
	made_field(&c.m, "h", 4, "f", "v");
	settle(&c);
	assert_true(digest(&c, "l") == l && digest(&c, "h") == h);
	small(&c, "h", TYPE_HASH, "gwfv");
	settle(&c);
	assert_true(digest(&c, "h") == h);
	/* Anything else is another one. */
	small(&c, "l", TYPE_LIST, "acb");
	small(&c, "h", TYPE_HASH, "fwgv");
	made_string(&c.m, "s", "abc", 1);
	settle(&c);
	assert_true(digest(&c, "l") != l && digest(&c, "h") != h && digest(&c, "s") != s);
	bench_close(&b);
	bench_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(small_and_large_collections),
	    cmocka_unit_test(counts_and_positions_must_agree),
	    cmocka_unit_test(a_string_with_holes_is_as_long_as_it_says),
	    cmocka_unit_test(keys_are_walked_by_slot),
	    cmocka_unit_test(a_digest_is_of_the_content_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
