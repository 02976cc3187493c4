/* The writer's surroundings. */
#include "tests/support/wal_box.h"

#include "tests/support/log_sample.h"
#include "tests/support/patience.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

enum { POLL_US = 200, POLLS = 100000 /* twenty seconds */ };

static uint64_t box_mono_us(void *ctx)
{
	struct wal_box *b = ctx;

	return atomic_load(&b->now_us);
}

static uint64_t box_wall_ms(void *ctx)
{
	struct wal_box *b = ctx;

	return atomic_load(&b->now_us) / 1000;
}

static void box_notify(void *arg)
{
	struct wal_box *b = arg;

	atomic_fetch_add(&b->notices, 1);
}

void wal_box_init(struct wal_box *b)
{
	memset(b, 0, sizeof *b);
	b->disk = memory_disk_create();
	b->clock = (struct clock){box_mono_us, box_wall_ms, b};
	atomic_store(&b->now_us, UINT64_C(1000000000));
	b->opts = (struct wal_writer_options){
	    .io = memory_disk_io(b->disk),
	    .clock = &b->clock,
	    .dir = "wal",
	    .segment_size = 16 * 1024,
	    .keep_size = UINT64_MAX,
	    .fsync = WAL_FSYNC_ALWAYS,
	    .history = {.shard_id = 42},
	    .notify = box_notify,
	    .notify_arg = b,
	};
	assert_int_equal(b->opts.io->ops->mkdir(b->opts.io->ctx, "wal"), ST_OK);
	assert_int_equal(b->opts.io->ops->mkdir(b->opts.io->ctx, "archive"), ST_OK);
}

void wal_box_deinit(struct wal_box *b)
{
	memory_disk_let_go(b->disk);
	if (b->w != NULL) {
		(void)wal_box_close(b);
	}
	buf_deinit(&b->records);
	memory_disk_destroy(b->disk);
}

int wal_box_setup(void **state)
{
	static struct wal_box b;

	wal_box_init(&b);
	*state = &b;
	return 0;
}

int wal_box_teardown(void **state)
{
	wal_box_deinit(*state);
	return 0;
}

void wal_box_prepare(struct wal_box *b, bool clean)
{
	struct log_verdict v;

	wal_box_read(b, &v);
	assert_true(v.st == ST_END || v.st == ST_TORN);
	assert_false(v.wrong);
	b->opts.at = v.end.at;
	if (v.end.empty) {
		b->opts.at = (struct wal_position){.next_lsn = 1};
	} else {
		b->opts.history = v.end.history;
	}
	b->next_lsn = b->opts.at.next_lsn;
	if (!clean || b->opts.history.count == 0) {
		wal_history_begin(&b->opts.history,
				  (struct wal_timeline){.id = 100 + b->opts.history.count,
							.epoch = 1,
							.first_lsn = b->next_lsn});
	}
}

void wal_box_open(struct wal_box *b, bool clean)
{
	wal_box_prepare(b, clean);
	assert_int_equal(wal_writer_open(&b->opts, &b->w), ST_OK);
}

enum status wal_box_close(struct wal_box *b)
{
	enum status st = wal_writer_close(b->w);

	b->w = NULL;
	return st;
}

enum status wal_box_append(struct wal_box *b, uint32_t count)
{
	enum status st;

	b->records.len = 0;
	for (uint32_t i = 0; i < count; i++) {
		log_sample_add(&b->records, b->next_lsn + i);
	}
	st = wal_writer_append(b->w, &b->records, b->next_lsn, count);
	if (st == ST_OK) {
		assert_int_equal(b->records.len, 0);
		b->next_lsn += count;
	}
	return st;
}

void wal_box_await_written(struct wal_box *b, uint64_t lsn)
{
	for (int i = patience(POLLS); i > 0 && wal_writer_written_lsn(b->w) < lsn; i--) {
		(void)usleep(POLL_US);
	}
	assert_true(wal_writer_written_lsn(b->w) >= lsn);
}

void wal_box_await_durable(struct wal_box *b, uint64_t lsn)
{
	for (int i = patience(POLLS); i > 0 && wal_writer_durable_lsn(b->w) < lsn; i--) {
		(void)usleep(POLL_US);
	}
	assert_true(wal_writer_durable_lsn(b->w) >= lsn);
}

void wal_box_await_state(struct wal_box *b, enum wal_state state)
{
	for (int i = patience(POLLS); i > 0 && wal_writer_state(b->w) != state; i--) {
		(void)usleep(POLL_US);
	}
	assert_int_equal(wal_writer_state(b->w), state);
}

void wal_box_advance_ms(struct wal_box *b, uint64_t ms)
{
	atomic_fetch_add(&b->now_us, ms * 1000);
	wal_writer_set_retention(b->w, b->opts.keep_size, b->opts.keep_ms);
}

void wal_box_read(struct wal_box *b, struct log_verdict *out)
{
	log_dir_read(b->opts.io, "wal", 0, 0, out);
}
