/* The power goes while a full copy is being built: whatever the disk is left with, the copy goes on
 * from its place, or begins anew, and ends complete. */
#include "engine/key_codec.h"
#include "engine/snapshot_writer.h"
#include "engine/store.h"
#include "tests/support/check.h"
#include "tests/support/disk_shim.h"
#include "tests/support/quick_dir.h"
#include "tests/support/small_node.h"
#include "tests/support/temp_store.h"
#include "tests/support/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { KEYS = 300, ELEMENTS = 300, ENTRIES = KEYS + ELEMENTS, BLOCK = 23, MAP = 1 << 27 };

static char base[64];

struct entry {
	struct store_key key;
	char name[16];
	uint8_t value[128];
	size_t value_len;
	uint64_t sum_before;
};

static struct entry entries[ENTRIES];

static int by_key(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return slice_cmp(store_key_slice(&x->key), store_key_slice(&y->key));
}

static struct slice value_of(const struct entry *e)
{
	return slice_of(e->value, e->value_len);
}

/* Keys all over the slots, every third with an expiry, and one collection of many elements. */
static void make_entries(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < ENTRIES; i++) {
		struct entry *e = &entries[i];
		struct meta m = {.type = TYPE_STRING,
				 .expire_at_ms = i % 3 == 0 ? 5000 + (uint64_t)i : 0};

		(void)snprintf(e->name, sizeof e->name, "%d", i);
		memset(e->value, 'v', sizeof e->value);
		e->value_len = 40 + (size_t)i % 60;
		if (i < KEYS) {
			store_key_of_key(&e->key, slice_str(e->name));
			(void)meta_encode(&m, e->value);
		} else {
			store_key_of_elem(&e->key, 8000, 3, slice_str(e->name));
		}
	}
	qsort(entries, ENTRIES, sizeof entries[0], by_key);
	for (int i = 0; i < ENTRIES; i++) {
		entries[i].sum_before = sum;
		sum +=
		    snapshot_entry_digest(store_key_slice(&entries[i].key), value_of(&entries[i]));
	}
}

static uint64_t sum_of_all(void)
{
	const struct entry *last = &entries[ENTRIES - 1];

	return last->sum_before +
	       snapshot_entry_digest(store_key_slice(&last->key), value_of(last));
}

/* Builds, or goes on building, the copy in dir to its end. Returns the entry it began with. */
static uint64_t build(const char *dir, const char *what)
{
	struct snapshot_head head = {.lsn = 50, .next_id = 4};
	struct snapshot_resume place = {0};
	struct snapshot_tail tail = {60, 4, ENTRIES, sum_of_all()};
	struct buf raw = {0}, block = {0}, error = {0};
	struct snapshot_codec *codec;
	struct snapshot_writer *w;
	uint64_t at, began;
	bool goes_on;
	enum status st;

	head.history = (struct wal_history){.shard_id = 1, .count = 1};
	head.history.items[0] = (struct wal_timeline){.id = 2, .first_lsn = 1};
	assert_int_equal(snapshot_codec_create(&codec), ST_OK);
	st = snapshot_writer_open(io_posix(), dir, &head, MAP, &w, &goes_on, &error);
	CHECK(st == ST_OK, "%s: refused: %.*s\n", what, (int)error.len, (const char *)error.data);
	snapshot_writer_set_commit(w, 16384);
	if (goes_on) {
		assert_int_equal(snapshot_resume_decode(snapshot_writer_resume(w), &place), ST_OK);
	}
	began = place.entries;
	CHECK(began == 0 || place.sum == (began == ENTRIES ? tail.sum : entries[began].sum_before),
	      "%s: place with a wrong sum\n", what);
	for (at = began; at < ENTRIES;) {
		struct snapshot_block b = {.lsn = 50, .drain_lsn = 55, .entries_before = at};

		b.sum_before = entries[at].sum_before;
		raw.len = block.len = 0;
		for (; at < ENTRIES && b.entries < BLOCK; at++, b.entries++) {
			assert_int_equal(snapshot_entry_encode(store_key_slice(&entries[at].key),
							       value_of(&entries[at]), &raw),
					 ST_OK);
		}
		assert_int_equal(snapshot_block_encode(codec, &b, buf_slice(&raw), &block), ST_OK);
		st = snapshot_writer_add(w, buf_slice(&block), &error);
		CHECK(st == ST_OK, "%s: %.*s\n", what, (int)error.len, (const char *)error.data);
	}
	assert_int_equal(snapshot_writer_finish(w, &tail, &error), ST_OK);
	snapshot_writer_close(w);
	snapshot_codec_destroy(codec);
	buf_deinit(&raw);
	buf_deinit(&block);
	buf_deinit(&error);
	return began;
}

static void check_content(const char *dir, const char *what)
{
	char path[256];
	struct store_options opts = {.path = path, .io = io_posix(), .map_size_max = MAP};
	struct buf error = {0};
	struct store_reader *r;
	struct store_state s;
	struct store *store;

	(void)snprintf(path, sizeof path, "%s/copy/keyspace.mdb", dir);
	assert_int_equal(store_open(&opts, &store, &error), ST_OK);
	CHECK(temp_store_verify(store) == ENTRIES, "%s: entries are missing\n", what);
	assert_int_equal(store_reader_open(store, &r), ST_OK);
	for (int i = 0; i < ENTRIES; i++) {
		struct slice value;

		assert_int_equal(store_get(r, store_key_slice(&entries[i].key), &value), ST_OK);
		assert_true(slice_eq(value, value_of(&entries[i])));
	}
	assert_int_equal(store_reader_state(r, &s), ST_OK);
	assert_int_equal(s.checkpoint_lsn, 50);
	assert_int_equal(s.drain_lsn, 60);
	store_reader_close(r);
	store_close(store);
	buf_deinit(&error);
}

static void a_copy_goes_on_from_every_state_a_power_loss_leaves(void **state)
{
	size_t count, resumed = 0, anew = 0;
	struct disk_op *ops;
	char dir[128], image[128], what[96];

	(void)state;
	make_entries();
	(void)snprintf(dir, sizeof dir, "%s/node", base);
	(void)snprintf(image, sizeof image, "%s/image", base);
	assert_int_equal(mkdir(dir, 0700), 0);
	disk_shim_start(dir);
	assert_int_equal(build(dir, "recording"), 0);
	ops = disk_shim_stop(&count);
	check_content(dir, "recording");
	for (size_t i = 0; i < 3 * count; i++) {
		size_t n = i / 3;
		enum disk_image how = i % 3 == 0   ? DISK_ALL
				      : i % 3 == 1 ? DISK_RANDOM
						   : DISK_REORDERED;
		struct rng rng;

		rng_seed(&rng, i);
		assert_int_equal(mkdir(image, 0700), 0);
		(void)disk_image_write(ops, n, how, &rng, image);
		(void)snprintf(what, sizeof what, "operation %zu of %zu, image %d", n, count,
			       (int)how);
		if (build(image, what) > 0) {
			resumed++;
		} else {
			anew++;
		}
		check_content(image, what);
		remove_tree(image);
	}
	print_message("%zu operations; %zu copies went on, %zu began anew\n", count, resumed, anew);
	assert_true(resumed > count);
	disk_shim_free(ops, count);
	remove_tree(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_copy_goes_on_from_every_state_a_power_loss_leaves),
	};
	int failed;

	if (!quick_dir(base, sizeof base, "copy")) {
		return 1;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	remove_tree(base);
	return failed;
}
