/* Archives of given-up records: their names, what they name, and the values at the fork. */
#include "engine/divergent.h"

#include "engine/divergent_names.h"
#include "engine/engine_shard.h"
#include "engine/keyspace.h"
#include "engine/rewind.h"
#include "engine/rewind_fork.h"
#include "tests/support/log_digest.h"
#include "tests/support/quick_dir.h"
#include "tests/support/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { NOW = 1000000 };

static char base[64];
static struct engine *e;

static void open_engine(bool replica)
{
	struct buf error = {0};
	struct engine_options opts = {
	    .dir = base,
	    .io = io_posix(),
	    .clock = clock_system(),
	    .seed = 7,
	    .map_size_max = 64 << 20,
	    .memtable_max = 16 << 20,
	    .checkpoint_interval_ms = 3600 * 1000,
	    .wal_segment_size = 1 << 20,
	    .fsync = WAL_FSYNC_NO,
	    .replica = replica,
	};

	assert_int_equal(engine_open(&opts, &e, &error), ST_OK);
	buf_deinit(&error);
}

static void commit(void)
{
	uint64_t lsn = engine_commit(e);

	(void)engine_turn_end(e);
	for (int i = 0; i < 5000 && engine_ack_lsn(e) < lsn; i++) {
		(void)engine_turn_end(e);
		(void)usleep(200);
	}
}

static void put_string(const char *name, const char *value, bool blind)
{
	struct meta m = {.type = TYPE_STRING, .form = FORM_INLINE}, old;
	struct slice part = slice_str(value);
	struct store_key key;
	bool there;

	store_key_of_key(&key, slice_str(name));
	engine_begin(e, slice_str("set"), NOW, 3);
	if (blind) {
		assert_int_equal(ks_put_blind(e, &key, &m, &part, 1), ST_OK);
	} else {
		there = ks_lookup(e, &key, &old) == ST_OK;
		assert_int_equal(ks_put(e, &key, there ? &old : NULL, &m, &part, 1), ST_OK);
	}
	commit();
}

/* A hash of one record for each field; fields == 0: only the one is written, and the key's record
 * is left as it is. */
static uint64_t put_hash(const char *name, uint64_t id, int fields)
{
	struct meta m = {.type = TYPE_HASH, .form = FORM_LARGE};
	struct slice value = slice_str("value");
	struct store_key key;
	char field[16];

	store_key_of_key(&key, slice_str(name));
	engine_begin(e, slice_str("hset"), NOW, 3);
	m.id = id != 0 ? id : ks_new_id(e);
	m.count = (uint64_t)fields;
	for (int i = 0; i < (fields == 0 ? 1 : fields); i++) {
		(void)snprintf(field, sizeof field, "f%d", i);
		assert_int_equal(ks_field_put(e, key.slot, m.id, slice_str(field), &value, 1),
				 ST_OK);
	}
	if (fields > 0) {
		assert_int_equal(ks_put(e, &key, NULL, &m, NULL, 0), ST_OK);
	}
	commit();
	return m.id;
}

static void remove_key(const char *name)
{
	struct store_key key;

	store_key_of_key(&key, slice_str(name));
	engine_begin(e, slice_str("del"), NOW, 3);
	assert_int_equal(ks_remove(e, &key), ST_OK);
	commit();
}

/* A log whose end is given up; the engine is open at the fork. */
static void diverge(void (*write)(void), struct rewind_result *result)
{
	struct buf error = {0};
	uint64_t fork = engine_last_lsn(e);

	write();
	assert_int_equal(engine_close_quick(e), ST_OK);
	assert_int_equal(rewind_log(io_posix(), base, fork, result, &error), ST_OK);
	buf_deinit(&error);
	open_engine(true);
	assert_int_equal(engine_last_lsn(e), fork);
}

static int setup(void **state)
{
	(void)state;
	assert_true(quick_dir(base, sizeof base, "divergent"));
	open_engine(false);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(engine_close_quick(e), ST_OK);
	remove_tree(base);
	return 0;
}

/* --- names --- */

static void names_come_back_and_others_are_none(void **state)
{
	static const char *const wrong[] = {
	    "",
	    "1-0000000000000002-00000000000000ab",
	    "1-2-ab.wal",
	    "01-0000000000000002-00000000000000ab.wal",
	    "1-0000000000000002-00000000000000AB.wal",
	    "1-0000000000000002-00000000000000ab.wal.tmp",
	    "-0000000000000002-00000000000000ab.wal",
	    "99999999999999999999-0000000000000002-00000000000000ab.wal",
	    "archive.tmp",
	};
	struct divergent_name n = {UINT64_MAX, 2, 0xab}, back;
	char text[DIVERGENT_NAME_SIZE], fork[DIVERGENT_PATH_SIZE];

	(void)state;
	divergent_name_format(&n, text);
	assert_string_equal(text, "18446744073709551615-0000000000000002-00000000000000ab.wal");
	assert_true(divergent_name_parse(text, &back));
	assert_memory_equal(&n, &back, sizeof n);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		assert_false(divergent_name_parse(wrong[i], &back));
	}
	assert_true(divergent_fork_path("/a/1-2-3.wal", fork));
	assert_string_equal(fork, "/a/1-2-3.fork");
	assert_false(divergent_fork_path("/a/1-2-3.fork", fork));
}

/* --- archives --- */

struct seen {
	size_t ops;
	uint64_t first_lsn, last_lsn;
	char keys[256];
};

static void see(void *arg, const struct divergent_op *op)
{
	struct seen *s = arg;

	s->ops++;
	s->first_lsn = s->first_lsn == 0 ? op->lsn : s->first_lsn;
	s->last_lsn = op->lsn;
	(void)snprintf(s->keys + strlen(s->keys), sizeof s->keys - strlen(s->keys), "%s:%.*s ",
		       op->op, (int)op->key.len, (const char *)op->key.data);
}

static void count(void *arg, const struct divergent_name *n)
{
	(void)n;
	++*(int *)arg;
}

static void write_three(void)
{
	put_string("b", "lost", false);
	put_string("a", "lost", true);
	remove_key("c");
}

static void write_long_ones(void)
{
	size_t len = DIVERGENT_READ_MAX * 2 / 3;
	char *value = malloc(len + 1);

	assert_non_null(value);
	memset(value, 'x', len);
	value[len] = 0;
	put_string("a", value, false);
	put_string("b", value, false);
	put_string("c", value, false);
	free(value);
}

static void a_reading_is_bounded_and_goes_on_where_it_ended(void **state)
{
	struct rewind_result r;
	struct seen some = {0}, rest = {0};

	(void)state;
	diverge(write_long_ones, &r);
	assert_int_equal(divergent_read(io_posix(), base, &r.name, 0, 100, see, &some), ST_OK);
	assert_string_equal(some.keys, "put-key:a put-key:b ");
	assert_int_equal(
	    divergent_read(io_posix(), base, &r.name, some.last_lsn + 1, 100, see, &rest), ST_OK);
	assert_string_equal(rest.keys, "put-key:c ");
	assert_int_equal(rest.last_lsn, r.last_lsn);
}

static void an_archive_is_looked_at_read_and_removed(void **state)
{
	struct divergent_archive a;
	struct rewind_result r;
	struct seen all = {0}, one = {0};
	int n = 0;

	(void)state;
	put_string("c", "before", false);
	diverge(write_three, &r);
	assert_int_equal(divergent_look(io_posix(), base, &r.name, &a), ST_OK);
	assert_int_equal(a.last_lsn, r.last_lsn);
	assert_int_equal(a.last_lsn, a.name.first_lsn + 2);
	assert_int_equal(a.bytes, r.bytes);
	assert_int_equal(wal_history_at(&a.history, a.last_lsn)->id, r.name.timeline);
	assert_false(a.fork_values);
	assert_int_equal(divergent_read(io_posix(), base, &r.name, 0, 100, see, &all), ST_OK);
	assert_string_equal(all.keys, "put-key:b put-key:a del-key:c ");
	assert_int_equal(divergent_read(io_posix(), base, &r.name, a.last_lsn - 1, 1, see, &one),
			 ST_OK);
	assert_string_equal(one.keys, "put-key:a ");
	assert_int_equal(one.first_lsn, a.last_lsn - 1);
	assert_int_equal(divergent_list(io_posix(), base, count, &n), ST_OK);
	assert_int_equal(n, 1);
	assert_int_equal(divergent_remove(io_posix(), base, &r.name), ST_OK);
	assert_int_equal(divergent_remove(io_posix(), base, &r.name), ST_NOT_FOUND);
	assert_int_equal(divergent_look(io_posix(), base, &r.name, &a), ST_NOT_FOUND);
	n = 0;
	assert_int_equal(divergent_list(io_posix(), base, count, &n), ST_OK);
	assert_int_equal(n, 0);
}

static void a_cut_archive_is_damage(void **state)
{
	struct divergent_archive a;
	struct rewind_result r;
	char path[512];

	(void)state;
	diverge(write_three, &r);
	(void)snprintf(path, sizeof path, "%s/%s", base, r.file);
	assert_int_equal(truncate(path, (off_t)r.bytes - 8), 0);
	assert_int_equal(divergent_look(io_posix(), base, &r.name, &a), ST_CORRUPT);
	assert_int_equal(truncate(path, 100), 0);
	assert_int_equal(divergent_look(io_posix(), base, &r.name, &a), ST_CORRUPT);
}

/* --- what they name --- */

static uint64_t hash_id;

static void write_often(void)
{
	for (int i = 0; i < 20; i++) {
		put_string(i % 2 == 0 ? "x" : "y", "v", i % 2 == 1);
	}
	(void)put_hash("hash", hash_id, 0);
	remove_key("x");
}

static void names_are_told_once(void **state)
{
	struct divergent_names n;
	struct rewind_result r;
	struct store_key x, y;

	(void)state;
	hash_id = put_hash("hash", 0, 5);
	diverge(write_often, &r);
	assert_int_equal(divergent_names_read(io_posix(), base, &r.name, 2, &n), ST_LIMIT);
	assert_int_equal(divergent_names_read(io_posix(), base, &r.name, 3, &n), ST_OK);
	store_key_of_key(&x, slice_str("x"));
	store_key_of_key(&y, slice_str("y"));
	assert_int_equal(byte_list_count(&n.keys), 2);
	assert_true(divergent_names_has_key(&n, slice_str("x")));
	assert_true(divergent_names_has_key(&n, slice_str("y")));
	assert_false(divergent_names_has_key(&n, slice_str("hash")));
	assert_int_equal(n.ids_count, 1);
	assert_true(divergent_names_has_id(&n, keyslot(slice_str("hash")), hash_id));
	assert_false(divergent_names_has_id(&n, keyslot(slice_str("hash")), hash_id + 1));
	assert_false(divergent_names_blind(&n, x.slot));
	assert_true(divergent_names_blind(&n, y.slot));
	assert_false(n.whole);
	divergent_names_deinit(&n);
}

static void flush(void)
{
	engine_begin(e, slice_str("flushall"), NOW, 3);
	assert_int_equal(ks_flush(e), ST_OK);
	commit();
}

static void a_flush_names_the_whole_keyspace(void **state)
{
	struct divergent_names n;
	struct rewind_result r;

	(void)state;
	diverge(flush, &r);
	assert_int_equal(divergent_names_read(io_posix(), base, &r.name, 10, &n), ST_OK);
	assert_true(n.whole);
	assert_int_equal(byte_list_count(&n.keys), 0);
	divergent_names_deinit(&n);
}

/* --- values at the fork --- */

static void write_all_kinds(void)
{
	put_string("old", "lost", true);
	put_string("new", "lost", false);
	(void)put_hash("hash", hash_id, 0);
	remove_key("c");
}

static void the_values_at_the_fork_are_kept(void **state)
{
	struct divergent_archive a;
	struct rewind_result r;
	struct log_digest file;
	char path[512], fork[DIVERGENT_PATH_SIZE];
	uint64_t keys = 0;

	(void)state;
	put_string("old", "before", false);
	put_string("c", "before", false);
	put_string("untouched", "before", false);
	hash_id = put_hash("hash", 0, 300);
	diverge(write_all_kinds, &r);
	assert_int_equal(rewind_keep_fork(e, io_posix(), base, &r.name, &keys), ST_OK);
	assert_int_equal(keys, 4); /* the hash is found by its collection's number */
	assert_int_equal(divergent_look(io_posix(), base, &r.name, &a), ST_OK);
	assert_true(a.fork_values);
	(void)snprintf(path, sizeof path, "%s/%s", base, r.file);
	assert_true(divergent_fork_path(path, fork));
	assert_true(log_digest_file(fork, &file));
	assert_true(file.clean);
	assert_int_equal(file.first_lsn, 1);
	assert_int_equal(file.last_lsn, 4);
	assert_int_equal(divergent_remove(io_posix(), base, &r.name), ST_OK);
	assert_int_not_equal(access(fork, F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_come_back_and_others_are_none),
	    cmocka_unit_test_setup_teardown(an_archive_is_looked_at_read_and_removed, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(a_reading_is_bounded_and_goes_on_where_it_ended, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(a_cut_archive_is_damage, setup, teardown),
	    cmocka_unit_test_setup_teardown(names_are_told_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_flush_names_the_whole_keyspace, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_values_at_the_fork_are_kept, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
