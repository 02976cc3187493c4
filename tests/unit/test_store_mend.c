/* The look that a writer takes at the store's file before LMDB opens it: whatever LMDB leaves
 * behind is accepted, a lost meta page is mended by going back one commit. */
#include "engine/store_file.h"

#include "engine/base/bytes.h"
#include "engine/base/rng.h"
#include "tests/support/temp_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MAP = 256 << 20, PAGE = 4096, KEYS = 500, COMMITS = 420, META_TXN = 144 };

/* One commit that frees and takes pages of all kinds. */
static void commit(struct temp_store *t, struct rng *rng)
{
	static uint8_t value[40000];
	struct store_txn *txn;
	uint64_t count = 1 + rng_below(rng, 40);

	assert_int_equal(store_txn_begin(t->store, &txn), ST_OK);
	for (uint64_t i = 0; i < count; i++) {
		char name[32];
		struct slice key = slice_of(name, (size_t)snprintf(name, sizeof name, "K%03u",
								   (unsigned)rng_below(rng, KEYS)));
		size_t len =
		    rng_below(rng, 10) == 0 ? rng_below(rng, sizeof value) : rng_below(rng, 300);

		if (rng_below(rng, 3) == 0) {
			assert_int_equal(store_txn_del(txn, key), ST_OK);
		} else {
			assert_int_equal(store_txn_put(txn, key, slice_of(value, len)), ST_OK);
		}
	}
	assert_int_equal(store_txn_commit(txn), ST_OK);
}

static enum status look(const struct temp_store *t, bool write)
{
	struct buf error = {0};
	enum status st = store_file_check(io_posix(), t->path, write, &error);

	if (st != ST_OK) {
		print_message("%.*s\n", (int)error.len, (const char *)error.data);
		assert_true(error.len > 0);
	}
	buf_deinit(&error);
	return st;
}

static size_t count_entries(struct temp_store *t)
{
	struct store_reader *r;
	struct store_cursor *c;
	struct slice key, value;
	size_t n = 0;
	enum status st;

	assert_int_equal(store_reader_open(t->store, &r), ST_OK);
	assert_int_equal(store_cursor_open(r, &c), ST_OK);
	st = store_cursor_seek(c, slice_of(NULL, 0), &key, &value);
	for (; st == ST_OK; n++) {
		st = store_cursor_next(c, &key, &value);
	}
	assert_int_equal(st, ST_NOT_FOUND);
	store_cursor_close(c);
	store_reader_close(r);
	return n;
}

/* Transaction numbers pass 255, the free list grows and shrinks, the file is opened in between. */
static void every_commit_leaves_a_file_that_is_accepted(void **state)
{
	struct temp_store t;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 8);
	temp_store_create(&t, MAP);
	for (int i = 0; i < COMMITS; i++) {
		commit(&t, &rng);
		assert_int_equal(look(&t, false), ST_OK);
		assert_int_equal(look(&t, true), ST_OK);
		(void)count_entries(&t);
		if (i % 60 == 59) {
			temp_store_reopen(&t, MAP);
		}
	}
	temp_store_destroy(&t);
}

/* Overwrites bytes of the file. */
static void poke(const struct temp_store *t, uint64_t off, const void *bytes, size_t len)
{
	const struct io *io = io_posix();
	struct io_file *f;

	assert_int_equal(io->ops->open(io->ctx, t->path, IO_READ | IO_WRITE, &f), ST_OK);
	assert_int_equal(io->ops->pwrite(io->ctx, f, bytes, len, off), ST_OK);
	io->ops->close(io->ctx, f);
}

static uint64_t transaction(const struct temp_store *t, unsigned number)
{
	const struct io *io = io_posix();
	struct io_file *f;
	uint8_t raw[8];
	size_t got;

	assert_int_equal(io->ops->open(io->ctx, t->path, IO_READ, &f), ST_OK);
	assert_int_equal(io->ops->pread(io->ctx, f, raw, 8, number * PAGE + META_TXN, &got), ST_OK);
	io->ops->close(io->ctx, f);
	return bytes_get_u64le(raw);
}

static void a_lost_meta_page_goes_back_one_commit(void **state)
{
	static const uint8_t zeros[PAGE];

	(void)state;
	for (unsigned lost = 0; lost < 2; lost++) {
		struct temp_store t;
		struct rng rng;
		uint64_t left;
		size_t before, earlier;
		unsigned newest;

		rng_seed(&rng, 6);
		temp_store_create(&t, MAP);
		for (int i = 0; i < 20; i++) {
			commit(&t, &rng);
		}
		earlier = count_entries(&t);
		commit(&t, &rng);
		before = count_entries(&t);
		assert_int_not_equal(before, earlier);
		temp_store_close(&t);
		newest = transaction(&t, 0) > transaction(&t, 1) ? 0 : 1;
		left = transaction(&t, lost ^ 1u);
		poke(&t, (uint64_t)lost * PAGE, zeros, PAGE);
		assert_int_equal(look(&t, false), ST_CORRUPT); /* who only reads mends nothing */
		assert_int_equal(transaction(&t, lost), 0);
		assert_int_equal(look(&t, true), ST_OK);
		assert_int_equal(transaction(&t, lost ^ 1u), left);
		assert_int_equal(transaction(&t, lost), left - 1);
		assert_int_equal(look(&t, false), ST_OK);
		temp_store_reopen(&t, MAP);
		/* Of the older one nothing hangs; with the newer one its commit is gone. */
		if (lost == newest) {
			assert_true(count_entries(&t) == earlier);
		} else {
			assert_true(count_entries(&t) == before);
		}
		for (int i = 0; i < 20; i++) {
			commit(&t, &rng);
			assert_int_equal(look(&t, true), ST_OK);
		}
		temp_store_destroy(&t);
	}
}

static void two_lost_meta_pages_are_refused(void **state)
{
	static const uint8_t zeros[2 * PAGE];
	struct temp_store t;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 4);
	temp_store_create(&t, MAP);
	commit(&t, &rng);
	temp_store_close(&t);
	poke(&t, 0, zeros, sizeof zeros);
	assert_int_equal(look(&t, true), ST_CORRUPT);
	assert_int_equal(look(&t, false), ST_CORRUPT);
	temp_store_destroy(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_commit_leaves_a_file_that_is_accepted),
	    cmocka_unit_test(a_lost_meta_page_goes_back_one_commit),
	    cmocka_unit_test(two_lost_meta_pages_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
