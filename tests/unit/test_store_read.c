/* Reading the store: snapshots, cursors both ways, the expiry index, and damage that is noticed. */
#include "engine/base/alloc.h"
#include "engine/base/bytes.h"
#include "engine/key_codec.h"
#include "tests/support/temp_store.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

enum { MAP = 64 << 20, KEYS_MAX = 500 };

static struct slice key_of(uint32_t n, uint8_t bytes[7])
{
	bytes_put_u16be(bytes, (uint16_t)(n % 7));
	bytes[2] = KEYSPACE_KEY;
	bytes[3] = 0;
	bytes[4] = (uint8_t)(n >> 16);
	bytes[5] = (uint8_t)(n >> 8);
	bytes[6] = (uint8_t)n;
	return slice_of(bytes, 7);
}

static void fill(struct temp_store *t, uint32_t from, uint32_t to, const char *value)
{
	struct store_txn *txn;
	uint8_t bytes[7];

	assert_int_equal(store_txn_begin(t->store, &txn), ST_OK);
	for (uint32_t n = from; n < to; n++) {
		assert_int_equal(store_txn_put(txn, key_of(n, bytes), slice_str(value)), ST_OK);
	}
	assert_int_equal(store_txn_commit(txn), ST_OK);
}

static void a_reader_keeps_its_snapshot_until_it_is_renewed(void **state)
{
	struct temp_store t;
	struct store_reader *r;
	struct slice got;
	uint8_t bytes[7];

	(void)state;
	temp_store_create(&t, MAP);
	fill(&t, 0, 10, "old");
	assert_int_equal(store_reader_open(t.store, &r), ST_OK);
	for (int i = 0; i < 3; i++) {
		fill(&t, 0, 20, i % 2 == 0 ? "new" : "old");
		assert_int_equal(store_get(r, key_of(3, bytes), &got), ST_OK);
		assert_true(slice_eq(got, slice_str(i % 2 == 0 ? "old" : "new")));
		assert_int_equal(store_get(r, key_of(15, bytes), &got),
				 i == 0 ? ST_NOT_FOUND : ST_OK);
		if (i == 1) {
			store_reader_reset(r);
		}
		assert_int_equal(store_reader_renew(r), ST_OK);
		assert_int_equal(store_get(r, key_of(3, bytes), &got), ST_OK);
		assert_true(slice_eq(got, slice_str(i % 2 == 0 ? "new" : "old")));
	}
	store_reader_close(r);
	store_reader_close(NULL);
	temp_store_destroy(&t);
}

static void cursors_walk_both_ways_and_over_renewals(void **state)
{
	struct temp_store t;
	struct store_reader *r;
	struct store_cursor *c;
	struct slice key, value, last = {0};
	uint8_t bytes[7], previous[16];
	uint32_t n = 0;
	enum status st;

	(void)state;
	temp_store_create(&t, MAP);
	fill(&t, 0, KEYS_MAX, "v");
	assert_int_equal(store_reader_open(t.store, &r), ST_OK);
	assert_int_equal(store_cursor_open(r, &c), ST_OK);
	for (int round = 0; round < 2; round++) {
		n = 0;
		st = store_cursor_seek(c, slice_of(NULL, 0), &key, &value);
		for (; st == ST_OK; st = store_cursor_next(c, &key, &value)) {
			assert_true(n == 0 || slice_cmp(last, key) < 0);
			assert_true(slice_eq(value, slice_str("v")));
			memcpy(previous, key.data, key.len);
			last = slice_of(previous, key.len);
			n++;
		}
		assert_int_equal(st, ST_NOT_FOUND);
		assert_int_equal(n, KEYS_MAX);
		st = store_cursor_seek_before(c, slice_str("\xff"), &key, &value);
		assert_true(slice_eq(key, last));
		for (n = 0; st == ST_OK; st = store_cursor_prev(c, &key, &value)) {
			n++;
		}
		assert_int_equal(n, KEYS_MAX);
		assert_int_equal(store_reader_renew(r), ST_OK);
	}
	assert_int_equal(store_cursor_seek(c, key_of(7, bytes), &key, &value), ST_OK);
	assert_true(slice_eq(key, key_of(7, bytes)));
	assert_int_equal(store_cursor_seek_before(c, key_of(7, bytes), &key, &value), ST_OK);
	assert_true(slice_eq(key, key_of(0, bytes)));
	assert_int_equal(store_cursor_seek_before(c, key_of(0, bytes), &key, &value), ST_NOT_FOUND);
	assert_int_equal(store_cursor_seek(c, slice_str("\xff"), &key, &value), ST_NOT_FOUND);
	store_cursor_close(c);
	store_cursor_close(NULL);
	store_reader_close(r);
	temp_store_destroy(&t);
}

struct seen {
	uint64_t last_ms;
	uint8_t key[STORE_KEY_MAX];
	size_t key_len;
	uint32_t count;
};

static void note(void *arg, uint64_t expire_at_ms, struct slice key)
{
	struct seen *s = arg;

	assert_true(expire_at_ms >= s->last_ms);
	s->last_ms = expire_at_ms;
	memcpy(s->key, key.data, key.len);
	s->key_len = key.len;
	s->count++;
}

static void the_expiry_index_is_walked_in_pages(void **state)
{
	struct temp_store t;
	struct store_reader *r;
	struct store_txn *txn;
	struct seen s = {.count = 0};
	uint32_t before;

	(void)state;
	temp_store_create(&t, MAP);
	assert_int_equal(store_txn_begin(t.store, &txn), ST_OK);
	for (int i = 0; i < 100; i++) {
		char name[700];
		struct store_key k;
		int len = snprintf(name, sizeof name, "key:%d", i);

		if (i % 5 == 0) {
			memset(name + len, 'x', sizeof name - (size_t)len);
			len = sizeof name;
		}
		store_key_of_key(&k, slice_of(name, (size_t)len));
		assert_int_equal(
		    store_txn_expiry(txn, 1000 + (uint64_t)i / 4, store_key_slice(&k), true),
		    ST_OK);
		if (i % 10 == 3) {
			assert_int_equal(store_txn_expiry(txn, 1000 + (uint64_t)i / 4,
							  store_key_slice(&k), false),
					 ST_OK);
		}
	}
	assert_int_equal(store_txn_commit(txn), ST_OK);
	assert_int_equal(store_reader_open(t.store, &r), ST_OK);
	do {
		struct seen from = s;

		before = s.count;
		assert_int_equal(store_reader_expiries(r, from.last_ms,
						       slice_of(from.key, from.key_len), 1019, 7,
						       note, &s),
				 ST_OK);
		assert_true(s.count - before <= 7);
	} while (s.count > before);
	assert_int_equal(s.count, 80 - 8); /* due until 1019, less those taken out */
	assert_int_equal(s.last_ms, 1019);
	store_reader_close(r);
	temp_store_destroy(&t);
}

/* Changes one byte wherever the file has these bytes: pages that are no longer used have them too.
 */
static void damage(const char *path, const char *needle)
{
	static uint8_t bytes[1 << 20];
	int fd = open(path, O_RDWR | O_CLOEXEC);
	ssize_t len = read(fd, bytes, sizeof bytes);
	uint8_t *at = bytes;
	int found = 0;

	while ((at = memmem(at, (size_t)(bytes + len - at), needle, strlen(needle))) != NULL) {
		*at ^= 1;
		assert_int_equal(pwrite(fd, at, 1, at - bytes), 1);
		found++;
	}
	assert_true(found > 0);
	assert_int_equal(close(fd), 0);
}

static void a_damaged_value_is_not_served(void **state)
{
	struct temp_store t;
	struct store_reader *r;
	struct store_cursor *c;
	struct slice key, got;
	uint8_t bytes[7];
	enum status st;

	(void)state;
	temp_store_create(&t, MAP);
	fill(&t, 1, 2, "precious bytes");
	fill(&t, 0, 1, "others");
	temp_store_close(&t);
	damage(t.path, "precious bytes");
	temp_store_reopen(&t, MAP);
	assert_int_equal(store_reader_open(t.store, &r), ST_OK);
	assert_int_equal(store_get(r, key_of(0, bytes), &got), ST_OK);
	assert_int_equal(store_get(r, key_of(1, bytes), &got), ST_CORRUPT);
	assert_int_equal(store_cursor_open(r, &c), ST_OK);
	st = store_cursor_seek(c, slice_of(NULL, 0), &key, &got);
	while (st == ST_OK) {
		st = store_cursor_next(c, &key, &got);
	}
	assert_int_equal(st, ST_CORRUPT);
	store_cursor_close(c);
	store_reader_close(r);
	temp_store_destroy(&t);
}

static void memory_that_runs_out_is_said(void **state)
{
	struct temp_store t;
	struct store_reader *r;
	struct store_cursor *c;

	(void)state;
	temp_store_create(&t, MAP);
	mem_fail_nth(0);
	assert_int_equal(store_reader_open(t.store, &r), ST_NO_MEMORY);
	assert_int_equal(store_reader_open(t.store, &r), ST_OK);
	mem_fail_nth(0);
	assert_int_equal(store_cursor_open(r, &c), ST_NO_MEMORY);
	mem_fail_nth(-1);
	store_reader_close(r);
	temp_store_destroy(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_reader_keeps_its_snapshot_until_it_is_renewed),
	    cmocka_unit_test(cursors_walk_both_ways_and_over_renewals),
	    cmocka_unit_test(the_expiry_index_is_walked_in_pages),
	    cmocka_unit_test(a_damaged_value_is_not_served),
	    cmocka_unit_test(memory_that_runs_out_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
