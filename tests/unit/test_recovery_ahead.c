/* What the thread that reads the log ahead hands over is what a plain reader gives, operation for
 * operation, whatever the records' sizes; it can be ended anywhere. */
#include "engine/recovery_ahead.h"

#include "engine/memtable.h"
#include "tests/support/wal_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { SEED = 11, SMALL = 3000, MANY_OPS = 3000, LONG_VALUE = 300 * 1024 };

struct log {
	struct wal_box box;
	uint64_t ops; /* in it */
};

/* Appends a record of so many operations with values of so many bytes. */
static void append(struct log *l, int ops, size_t value_len)
{
	static uint8_t value[LONG_VALUE];
	struct wal_box *b = &l->box;
	struct slice part = slice_of(value, value_len);
	size_t start;

	assert_int_equal(
	    wal_record_begin(&b->records, slice_str("set"), 1000 + b->next_lsn, 0, &start), ST_OK);
	for (int i = 0; i < ops; i++) {
		struct wal_op op = {.kind = i % 7 == 3 ? WAL_OP_DEL_KEY : WAL_OP_PUT_KEY};
		char name[32];

		(void)snprintf(name, sizeof name, "key:%d", i % 500);
		op.name = slice_str(name);
		value[0] = (uint8_t)l->ops++;
		assert_int_equal(wal_record_add(&b->records, start, &op, &part,
						op.kind == WAL_OP_PUT_KEY ? 1 : 0),
				 ST_OK);
	}
	wal_record_end(&b->records, start);
	assert_int_equal(wal_writer_append(b->w, &b->records, b->next_lsn, 1), ST_OK);
	wal_box_await_durable(b, b->next_lsn++);
}

static int setup(void **state)
{
	static struct log l;

	l.ops = 0;
	wal_box_init(&l.box);
	l.box.opts.segment_size = 4 << 20;
	l.box.opts.compression_level = 1;
	wal_box_open(&l.box, true);
	*state = &l;
	return 0;
}

static int teardown(void **state)
{
	struct log *l = *state;

	wal_box_deinit(&l->box);
	return 0;
}

static struct wal_reader *open_reader(struct log *l, uint64_t from)
{
	struct wal_reader_options opts = {.from_lsn = from};
	struct wal_reader *r;

	assert_int_equal(wal_reader_open(l->box.opts.io, "wal", &opts, &r), ST_OK);
	return r;
}

/* Compares one operation with the next of the plain reader. */
static void compare(const struct recovery_item *item, struct wal_reader *plain,
		    struct wal_record *rec)
{
	struct wal_op op;
	struct store_key key;
	enum status st = wal_op_next(&rec->ops, &op);

	while (st == ST_END) {
		assert_int_equal(wal_reader_next(plain, rec), ST_OK);
		st = wal_op_next(&rec->ops, &op);
	}
	assert_int_equal(st, ST_OK);
	assert_int_equal(item->lsn, rec->lsn);
	assert_int_equal(item->op.kind, op.kind);
	assert_true(slice_eq(item->op.name, op.name));
	assert_true(slice_eq(item->op.value, op.value));
	store_key_of_key(&key, op.name);
	assert_true(slice_eq(store_key_slice(&item->key), store_key_slice(&key)));
	assert_int_equal(item->hash, memtable_hash(store_key_slice(&key), SEED));
}

static void it_gives_what_the_reader_gives(void **state)
{
	struct log *l = *state;
	struct wal_reader *r, *plain;
	struct wal_record rec = {0};
	struct recovery_ahead *a;
	struct recovery_batch *b;
	uint64_t ops = 0, records = 0, last = 0;

	append(l, 0, 0);
	for (int i = 0; i < SMALL; i++) {
		append(l, 1 + i % 3, 100);
	}
	append(l, 1, LONG_VALUE);
	append(l, 1, 10);
	append(l, MANY_OPS, 4);	  /* more than a batch, and too long to be copied */
	append(l, MANY_OPS, 200); /* the same for longer */
	append(l, 2, LONG_VALUE);
	append(l, 300, 1);
	r = open_reader(l, 1);
	plain = open_reader(l, 1);
	assert_int_equal(recovery_ahead_start(r, 1, SEED, &a), ST_OK);
	do {
		b = recovery_ahead_next(a);
		for (uint32_t i = 0; i < b->count; i++) {
			compare(&b->items[i], plain, &rec);
		}
		ops += b->count;
		records += b->records;
		if (b->records > 0) {
			assert_true(b->last_lsn > last);
			last = b->last_lsn;
		}
		assert_true(b->end.at.next_lsn > last);
	} while (b->stop == ST_OK);
	assert_int_equal(b->stop, ST_END);
	assert_int_equal(ops, l->ops);
	assert_int_equal(records, l->box.next_lsn - 1);
	assert_int_equal(last, l->box.next_lsn - 1);
	assert_int_equal(recovery_ahead_end(a), 0);
	wal_reader_close(r);
	wal_reader_close(plain);
}

static void it_can_be_ended_at_any_batch(void **state)
{
	struct log *l = *state;

	for (int i = 0; i < SMALL; i++) {
		append(l, 1, 100);
	}
	append(l, 1, LONG_VALUE);
	append(l, 1, 10);
	for (int batches = 0; batches < 20; batches++) {
		struct wal_reader *r = open_reader(l, 1);
		struct recovery_ahead *a;
		enum status st = ST_OK;

		assert_int_equal(recovery_ahead_start(r, 1, SEED, &a), ST_OK);
		for (int i = 0; i < batches && st == ST_OK; i++) {
			st = recovery_ahead_next(a)->stop;
		}
		assert_int_equal(recovery_ahead_end(a), 0);
		wal_reader_close(r);
	}
	assert_int_equal(recovery_ahead_end(NULL), 0);
}

static void a_log_that_begins_elsewhere_is_told(void **state)
{
	struct log *l = *state;
	struct wal_reader *r;
	struct recovery_ahead *a;

	append(l, 1, 10);
	append(l, 1, 10);
	r = open_reader(l, 2);
	assert_int_equal(recovery_ahead_start(r, 1, SEED, &a), ST_OK);
	assert_int_equal(recovery_ahead_next(a)->stop, ST_CORRUPT);
	assert_int_equal(recovery_ahead_end(a), 2);
	wal_reader_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(it_gives_what_the_reader_gives, setup, teardown),
	    cmocka_unit_test_setup_teardown(it_can_be_ended_at_any_batch, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_log_that_begins_elsewhere_is_told, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
