/* Histories: what gives way, what two logs share, and bytes that are not believed. */
#include "engine/base/bytes.h"
#include "engine/wal/wal_history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct wal_history history_of(const struct wal_timeline *items, uint32_t count)
{
	struct wal_history h = {.shard_id = 7};

	for (uint32_t i = 0; i < count; i++) {
		wal_history_begin(&h, items[i]);
	}
	return h;
}

static void a_timeline_without_records_gives_way(void **state)
{
	struct wal_timeline items[] = {{1, 0, 1}, {2, 0, 10}, {3, 1, 10}};
	struct wal_history h = history_of(items, 3);

	(void)state;
	assert_int_equal(h.count, 2);
	assert_int_equal(h.items[1].id, 3);
	assert_int_equal(h.items[1].epoch, 1);
}

static void a_full_history_forgets_its_oldest_entry(void **state)
{
	struct wal_history h = {.shard_id = 7};

	(void)state;
	for (uint64_t i = 1; i <= WAL_HISTORY_MAX + 5; i++) {
		wal_history_begin(&h, (struct wal_timeline){i, 0, i * 10});
	}
	assert_int_equal(h.count, WAL_HISTORY_MAX);
	assert_int_equal(h.items[0].id, 6);
	assert_int_equal(h.items[WAL_HISTORY_MAX - 1].id, WAL_HISTORY_MAX + 5);
}

static void forks_are_where_both_logs_end_to_agree(void **state)
{
	const struct wal_timeline one[] = {{1, 0, 1}};
	const struct wal_timeline promoted[] = {{1, 0, 1}, {2, 1, 61}};
	const struct wal_timeline restarted[] = {{1, 0, 1}, {3, 0, 91}};
	const struct wal_timeline longer[] = {{1, 0, 1}, {2, 1, 61}, {4, 2, 81}};
	const struct wal_timeline short_memory[] = {{2, 1, 61}, {4, 2, 81}};
	const struct {
		const struct wal_timeline *a;
		uint32_t a_count;
		uint64_t a_last;
		const struct wal_timeline *b;
		uint32_t b_count;
		uint64_t b_last, fork;
	} cases[] = {
	    {one, 1, 100, one, 1, 40, 40},	     /* one is behind */
	    {promoted, 2, 70, one, 1, 100, 60},	     /* the old primary went on */
	    {promoted, 2, 70, one, 1, 50, 50},	     /* a replica that missed the end */
	    {promoted, 2, 70, restarted, 2, 95, 60}, /* both went on apart */
	    {longer, 3, 90, promoted, 2, 85, 80},
	    {longer, 3, 90, one, 1, 100, 60},
	    {short_memory, 2, 90, promoted, 2, 85, 80},
	    {one, 1, 60, promoted, 2, 60, 60}, /* a timeline without records yet */
	    {one, 1, 0, one, 1, 5, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct wal_history a = history_of(cases[i].a, cases[i].a_count);
		struct wal_history b = history_of(cases[i].b, cases[i].b_count);
		uint64_t there = 0, back = 0;

		assert_int_equal(wal_history_fork(&a, cases[i].a_last, &b, cases[i].b_last, &there),
				 ST_OK);
		assert_int_equal(wal_history_fork(&b, cases[i].b_last, &a, cases[i].a_last, &back),
				 ST_OK);
		assert_int_equal(there, cases[i].fork);
		assert_int_equal(back, cases[i].fork);
	}
}

static void strangers_share_nothing(void **state)
{
	const struct wal_timeline one[] = {{1, 0, 1}}, other[] = {{2, 0, 1}}, moved[] = {{1, 0, 5}};
	struct wal_history a = history_of(one, 1), b = history_of(other, 1), c = a;
	uint64_t fork;

	(void)state;
	c.shard_id = 8;
	assert_int_equal(wal_history_fork(&a, 10, &b, 10, &fork), ST_NOT_FOUND);
	assert_int_equal(wal_history_fork(&a, 10, &c, 10, &fork), ST_NOT_FOUND);
	b = history_of(moved, 1);
	assert_int_equal(wal_history_fork(&a, 10, &b, 10, &fork), ST_NOT_FOUND);
	assert_false(wal_history_eq(&a, &b));
	assert_false(wal_history_eq(&a, &c));
	assert_true(wal_history_eq(&a, &a));
}

static void bytes_come_back_and_damage_is_refused(void **state)
{
	const struct wal_timeline items[] = {{1, 0, 1}, {2, 1, 61}, {4, 2, 81}};
	struct wal_history h = history_of(items, 3), back;
	struct buf b = {0};
	struct slice in;

	(void)state;
	assert_int_equal(wal_history_encode(&h, &b), ST_OK);
	assert_int_equal(buf_append(&b, "rest", 4), ST_OK);
	in = buf_slice(&b);
	assert_int_equal(wal_history_decode(&in, &back), ST_OK);
	assert_true(wal_history_eq(&h, &back));
	assert_int_equal(in.len, 4);
	for (size_t len = 0; len < b.len - 4; len++) {
		in = slice_of(b.data, len);
		assert_int_equal(wal_history_decode(&in, &back), ST_CORRUPT);
	}
	bytes_put_u64le(b.data + 12 + WAL_HISTORY_ITEM_LEN, 0); /* an id of 0 */
	in = buf_slice(&b);
	assert_int_equal(wal_history_decode(&in, &back), ST_CORRUPT);
	bytes_put_u32le(b.data + 8, WAL_HISTORY_MAX + 1);
	in = buf_slice(&b);
	assert_int_equal(wal_history_decode(&in, &back), ST_CORRUPT);
	buf_deinit(&b);
}

static void each_record_has_its_timeline(void **state)
{
	struct wal_history h = {
	    .count = 2,
	    .items = {{.id = 5, .first_lsn = 10}, {.id = 6, .first_lsn = 20}},
	};

	(void)state;
	assert_null(wal_history_at(&h, 9));
	assert_int_equal(wal_history_at(&h, 10)->id, 5);
	assert_int_equal(wal_history_at(&h, 19)->id, 5);
	assert_int_equal(wal_history_at(&h, 20)->id, 6);
	assert_int_equal(wal_history_at(&h, UINT64_MAX)->id, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_timeline_without_records_gives_way),
	    cmocka_unit_test(a_full_history_forgets_its_oldest_entry),
	    cmocka_unit_test(forks_are_where_both_logs_end_to_agree),
	    cmocka_unit_test(strangers_share_nothing),
	    cmocka_unit_test(each_record_has_its_timeline),
	    cmocka_unit_test(bytes_come_back_and_damage_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
