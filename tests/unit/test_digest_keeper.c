/* Kept digests against those made from scratch, through random changes. */
#include "engine/digest_keeper.h"

#include "engine/base/rng.h"
#include "tests/support/temp_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define MAP ((uint64_t)64 << 20)

enum { SLOT = 7, KEYS = 6, IDS = 8, FIELDS = 5 };

struct fixture {
	struct temp_store temp;
	struct store_txn *txn;
	struct digest_keeper k;
	struct slot_stat stat;
	struct rng rng;
};

static void begin(struct fixture *f)
{
	assert_int_equal(store_txn_begin(f->temp.store, &f->txn), ST_OK);
	digest_keeper_begin(&f->k, f->txn);
}

static void commit(struct fixture *f)
{
	assert_int_equal(digest_keeper_save(&f->k), ST_OK);
	assert_int_equal(store_txn_commit(f->txn), ST_OK);
}

static struct slice key_of(struct store_key *key, int n)
{
	uint8_t name[2] = {(uint8_t)('a' + n), 0};

	store_key_of_key(key, slice_of(name, 1));
	key->bytes[0] = 0;
	key->bytes[1] = SLOT;
	return store_key_slice(key);
}

static struct kept_entry kept(struct slice key, struct slice stored)
{
	struct slice name, value;
	struct meta m;

	assert_int_equal(stored_split(key, stored, &name, &value), ST_OK);
	assert_int_equal(meta_decode(value, &m), ST_OK);
	return (struct kept_entry){.digest = digest_of_entry(key, stored),
				   .id = m.form == FORM_LARGE ? m.id : 0};
}

/* Puts a record that names a collection, or none (id 0), or removes it (payload NULL). */
static void record(struct fixture *f, int n, uint64_t id, const char *payload)
{
	struct store_key key;
	struct slice bytes = key_of(&key, n), old;
	struct kept_entry before = {0}, after = {0};
	uint8_t raw[META_ENCODED_MAX + 16];
	struct meta m = {.type = TYPE_HASH, .form = id != 0 ? FORM_LARGE : FORM_INLINE, .id = id};
	size_t len = meta_encode(&m, raw);

	if (store_txn_get(f->txn, bytes, &old) == ST_OK) {
		before = kept(bytes, old);
	}
	if (payload == NULL) {
		assert_int_equal(store_txn_del(f->txn, bytes), ST_OK);
	} else {
		if (id == 0) {
			memcpy(raw + len, payload, strlen(payload));
			len += strlen(payload);
		}
		after = kept(bytes, slice_of(raw, len));
		assert_int_equal(store_txn_put(f->txn, bytes, slice_of(raw, len)), ST_OK);
	}
	assert_int_equal(digest_keeper_record(&f->k, &f->stat, bytes, &before, &after), ST_OK);
}

static void element(struct fixture *f, uint64_t id, int field, const char *value)
{
	uint8_t name[1] = {(uint8_t)('f' + field)};
	struct digest before = {0}, after = {0};
	struct store_key key;
	struct slice bytes, old;

	store_key_of_field(&key, SLOT, id, slice_of(name, 1));
	bytes = store_key_slice(&key);
	if (store_txn_get(f->txn, bytes, &old) == ST_OK) {
		before = digest_of_entry(bytes, old);
	}
	if (value == NULL) {
		assert_int_equal(store_txn_del(f->txn, bytes), ST_OK);
	} else {
		after = digest_of_entry(bytes, slice_str(value));
		assert_int_equal(store_txn_put(f->txn, bytes, slice_str(value)), ST_OK);
	}
	assert_int_equal(digest_keeper_element(&f->k, &f->stat, bytes, before, after), ST_OK);
}

static void empty(struct fixture *f, uint64_t id)
{
	struct store_key prefix;
	uint32_t removed;
	uint64_t bytes;

	store_key_of_elem(&prefix, SLOT, id, slice_of(NULL, 0));
	assert_int_equal(
	    store_txn_del_prefix(f->txn, store_key_slice(&prefix), 1000, &removed, &bytes), ST_OK);
	assert_int_equal(digest_keeper_empty(&f->k, &f->stat, SLOT, id), ST_OK);
}

/* From scratch, as committed, up to a key (NULL: all). */
static struct digest scratch(struct fixture *f, const struct slice *until)
{
	struct content_digest c = {0};
	struct store_reader *r;
	struct store_cursor *cursor;
	struct slice key, value;
	struct digest d;
	enum status st;

	assert_int_equal(store_reader_open(f->temp.store, &r), ST_OK);
	assert_int_equal(store_cursor_open(r, &cursor), ST_OK);
	st = store_cursor_seek(cursor, slice_of(NULL, 0), &key, &value);
	for (; st == ST_OK && (until == NULL || slice_cmp(key, *until) <= 0);
	     st = store_cursor_next(cursor, &key, &value)) {
		assert_int_equal(content_digest_add(&c, key, value), ST_OK);
	}
	d = content_digest_take(&c);
	content_digest_deinit(&c);
	store_cursor_close(cursor);
	store_reader_close(r);
	return d;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	temp_store_create(&f->temp, MAP);
	rng_seed(&f->rng, 42);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	temp_store_destroy(&f->temp);
	free(f);
	return 0;
}

static void step(struct fixture *f)
{
	int n = (int)rng_below(&f->rng, KEYS);
	uint64_t id = 1 + rng_below(&f->rng, IDS);
	char value[16];

	(void)snprintf(value, sizeof value, "%d", (int)rng_below(&f->rng, 1000));
	switch (rng_below(&f->rng, 8)) {
	case 0:
		record(f, n, id, "");
		break;
	case 1:
		record(f, n, 0, value);
		break;
	case 2:
		record(f, n, 0, NULL);
		break;
	case 3:
		empty(f, id);
		break;
	case 4:
		element(f, id, (int)rng_below(&f->rng, FIELDS), NULL);
		break;
	default:
		element(f, id, (int)rng_below(&f->rng, FIELDS), value);
		break;
	}
}

static void what_is_kept_is_what_is_there(void **state)
{
	struct fixture *f = *state;

	for (int round = 0; round < 300; round++) {
		begin(f);
		for (uint64_t n = 1 + rng_below(&f->rng, 12); n > 0; n--) {
			step(f);
		}
		commit(f);
		assert_true(digest_eq(f->stat.digest, scratch(f, NULL)));
	}
}

static void a_renamed_collection_counts_once_in_either_order(void **state)
{
	struct fixture *f = *state;

	begin(f);
	record(f, 0, 1, "");
	element(f, 1, 0, "v");
	record(f, 1, 1, ""); /* the new name first, */
	record(f, 0, 0, NULL);
	commit(f);
	assert_true(digest_eq(f->stat.digest, scratch(f, NULL)));
	begin(f);
	record(f, 1, 0, NULL); /* and last */
	commit(f);
	begin(f);
	record(f, 2, 1, "");
	commit(f);
	assert_true(digest_eq(f->stat.digest, scratch(f, NULL)));
	begin(f);
	record(f, 2, 0, NULL);
	empty(f, 1);
	commit(f);
	assert_true(digest_eq(f->stat.digest, (struct digest){0}));
}

static void a_transaction_that_is_given_up_leaves_no_trace(void **state)
{
	struct fixture *f = *state;
	struct slot_stat before;

	begin(f);
	record(f, 0, 1, "");
	element(f, 1, 0, "v");
	commit(f);
	before = f->stat;
	begin(f);
	element(f, 1, 1, "w");
	store_txn_abort(f->txn);
	f->stat = before;
	begin(f);
	element(f, 1, 2, "x");
	commit(f);
	assert_true(digest_eq(f->stat.digest, scratch(f, NULL)));
}

static void an_undigested_slot_counts_up_to_where_it_is_built(void **state)
{
	struct fixture *f = *state;

	begin(f);
	for (int i = 0; i < 200; i++) {
		step(f);
	}
	f->stat.undigested = true;
	assert_int_equal(digest_keeper_clear(&f->k, &f->stat, SLOT), ST_OK);
	step(f);
	commit(f);
	assert_true(digest_eq(f->stat.digest, (struct digest){0}));
	/* Built up to the middle of the key records: only those count. */
	f->k.building = true;
	(void)key_of(&f->k.built, KEYS / 2);
	f->k.built.slot = SLOT;
	begin(f);
	for (int i = 0; i < KEYS; i++) {
		record(f, i, 0, NULL);
	}
	commit(f);
	f->stat.digest = (struct digest){0};
	for (int round = 0; round < 100; round++) {
		struct slice until = store_key_slice(&f->k.built);

		begin(f);
		step(f);
		commit(f);
		assert_true(digest_eq(f->stat.digest, scratch(f, &until)));
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(what_is_kept_is_what_is_there),
	    T(a_renamed_collection_counts_once_in_either_order),
	    T(a_transaction_that_is_given_up_leaves_no_trace),
	    T(an_undigested_slot_counts_up_to_where_it_is_built),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
