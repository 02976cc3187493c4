/* A node that goes back to a fork has exactly the records up to it, and all others in an archive.
 */
#include "engine/rewind.h"

#include "engine/engine_shard.h"
#include "engine/keyspace.h"
#include "tests/support/log_digest.h"
#include "tests/support/quick_dir.h"
#include "tests/support/small_node.h"
#include "tests/support/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { BEFORE = 120, AFTER = 400, ENDS_MAX = 1000 };

static char base[64], model[96], work[96];
static struct small_node node; /* what the model directory is of */
static uint64_t store_lsn;     /* up to here it has been checkpointed */
static uint64_t ends[ENDS_MAX];
static size_t ends_count;

static void step(struct small_node *s, int steps)
{
	for (int i = 0; i < steps; i++) {
		assert_int_equal(small_node_step(s), ST_OK);
		if (rng_below(&s->rng, 3) == 0) {
			(void)engine_turn_end(s->e);
			(void)usleep(200); /* so that there are many frames */
		}
	}
	for (int i = 0; i < 5000 && engine_ack_lsn(s->e) < s->last_lsn; i++) {
		(void)engine_turn_end(s->e);
		(void)usleep(200);
	}
}

/* Ends without a checkpoint, as a deposed primary does. */
static void stop(struct small_node *s)
{
	assert_int_equal(engine_close_quick(s->e), ST_OK);
	s->e = NULL;
}

static const char *in(const char *dir, const char *name)
{
	static char path[512];

	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static int setup_model(void **state)
{
	(void)state;
	assert_true(quick_dir(base, sizeof base, "rewind"));
	(void)snprintf(model, sizeof model, "%s/model", base);
	(void)snprintf(work, sizeof work, "%s/work", base);
	assert_int_equal(mkdir(model, 0700), 0);
	small_node_init(&node, model, 3);
	node.memtable_max = 16 << 20;
	assert_int_equal(small_node_open(&node), ST_OK);
	for (int i = 0; i < 4; i++) { /* so that segments are used again */
		step(&node, BEFORE);
		assert_int_equal(small_node_close(&node), ST_OK);
		assert_int_equal(small_node_open(&node), ST_OK);
	}
	store_lsn = node.last_lsn;
	step(&node, AFTER);
	stop(&node);
	ends_count = log_frame_ends(in(model, "wal"), 1, ends, ENDS_MAX);
	assert_true(ends_count > 50);
	assert_int_equal(ends[ends_count - 1], node.last_lsn);
	return 0;
}

static int teardown_model(void **state)
{
	(void)state;
	small_node_deinit(&node);
	remove_tree(base);
	return 0;
}

static void fresh_work(void)
{
	remove_tree(work);
	copy_tree(model, work);
}

static bool same_log(const char *a, const char *b)
{
	char cmd[512];

	(void)snprintf(cmd, sizeof cmd, "diff -r '%s/wal' '%s/wal' > /dev/null", a, b);
	return system(cmd) == 0;
}

static enum status rewind_to(uint64_t fork, struct rewind_result *result)
{
	struct buf error = {0};
	enum status st = rewind_log(io_posix(), work, fork, result, &error);

	assert_int_equal(st != ST_OK, error.len > 0);
	buf_deinit(&error);
	return st;
}

/* The archive has every record after the fork as the model's log has it. */
static void check_archive(const struct rewind_result *result, uint64_t fork)
{
	struct log_digest want, got;
	struct stat info;

	log_digest_dir(in(model, "wal"), fork + 1, &want);
	assert_true(log_digest_file(in(work, result->file), &got));
	assert_int_equal(got.first_lsn, fork + 1);
	assert_int_equal(got.last_lsn, node.last_lsn);
	assert_int_equal(got.digest, want.digest);
	assert_true(got.clean);
	assert_true(wal_history_eq(&got.history, &want.history));
	assert_int_equal(result->first_lsn, fork + 1);
	assert_int_equal(result->last_lsn, node.last_lsn);
	assert_int_equal(result->records, node.last_lsn - fork);
	assert_int_equal(stat(in(work, result->file), &info), 0);
	assert_int_equal(result->bytes, info.st_size);
}

/* A node started there is at lsn, and goes on from it. */
static void check_node(uint64_t lsn)
{
	struct small_node s;
	uint64_t digest;

	small_node_init(&s, work, 9);
	s.memtable_max = 16 << 20;
	if (small_node_open(&s) != ST_OK) {
		print_error("%.*s\n", (int)s.error.len, (const char *)s.error.data);
		fail();
	}
	assert_int_equal(small_node_lsn(&s), lsn);
	assert_int_equal(small_node_digest(&s, &digest), ST_OK);
	assert_int_equal(digest, node.digests[lsn]);
	small_node_adopt(&s);
	step(&s, 20);
	stop(&s);
	assert_int_equal(small_node_open(&s), ST_OK);
	assert_int_equal(small_node_digest(&s, &digest), ST_OK);
	assert_int_equal(digest, s.digests[s.last_lsn]);
	assert_int_equal(small_node_close(&s), ST_OK);
	small_node_deinit(&s);
	assert_int_not_equal(access(in(work, REWIND_MARK), F_OK), 0);
}

static void after_a_rewind_the_node_is_at_the_fork(void **state)
{
	struct rewind_result result;

	(void)state;
	for (size_t i = 0; i < ends_count; i += 1 + ends_count / 25) {
		if (ends[i] < store_lsn || ends[i] == node.last_lsn) {
			continue;
		}
		fresh_work();
		assert_int_equal(rewind_to(ends[i], &result), ST_OK);
		check_archive(&result, ends[i]);
		check_node(ends[i]);
	}
	fresh_work();
	assert_int_equal(rewind_to(store_lsn, &result), ST_OK);
	check_archive(&result, store_lsn);
	check_node(store_lsn);
}

static void at_the_end_of_the_log_there_is_nothing_to_give_up(void **state)
{
	struct rewind_result result;

	(void)state;
	fresh_work();
	assert_int_equal(rewind_to(node.last_lsn, &result), ST_OK);
	assert_int_equal(result.records, 0);
	assert_string_equal(result.file, "");
	check_node(node.last_lsn);
}

static void only_the_end_of_a_frame_can_be_a_fork(void **state)
{
	struct rewind_result result;
	size_t i = 0;

	(void)state;
	fresh_work();
	while (ends[i] < store_lsn || ends[i + 1] - ends[i] < 2) {
		i++;
	}
	assert_int_equal(rewind_to(ends[i] + 1, &result), ST_INVALID);
	assert_int_equal(rewind_to(node.last_lsn + 1, &result), ST_INVALID);
	assert_int_not_equal(access(in(work, "divergent"), F_OK), 0);
	assert_true(same_log(model, work));
	check_node(node.last_lsn);
}

static void what_the_store_holds_cannot_be_given_up_by_the_log(void **state)
{
	struct rewind_result result;
	size_t i = 0;

	(void)state;
	fresh_work();
	while (ends[i + 1] < store_lsn) {
		i++;
	}
	assert_int_equal(rewind_to(ends[i], &result), ST_AGAIN);
	check_archive(&result, ends[i]);
	assert_true(same_log(model, work));
	check_node(node.last_lsn);
}

static void an_archive_is_written_once(void **state)
{
	struct rewind_result first, again;
	struct buf error = {0};
	struct stat before, after;
	uint64_t fork = ends[ends_count / 2];
	char path[512];

	(void)state;
	fresh_work();
	assert_int_equal(rewind_archive(io_posix(), work, fork, &first, &error), ST_OK);
	check_archive(&first, fork);
	assert_true(same_log(model, work));
	(void)snprintf(path, sizeof path, "%s", in(work, first.file));
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(rewind_archive(io_posix(), work, fork, &again, &error), ST_OK);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(again.records, first.records);
	assert_int_equal(again.bytes, first.bytes);
	assert_int_equal(again.last_lsn, first.last_lsn);
	assert_string_equal(again.file, first.file);
	/* One that is not whole is none. */
	assert_int_equal(truncate(path, before.st_size - 100), 0);
	assert_int_equal(rewind_log(io_posix(), work, fork, &again, &error), ST_OK);
	check_archive(&again, fork);
	check_node(fork);
	assert_int_equal(rewind_archive(io_posix(), work, node.last_lsn + 100, &again, &error),
			 ST_OK);
	assert_int_equal(again.records, 0);
	buf_deinit(&error);
}

/* Archived segments that are older than the log keeps are not asked for: what is there is. */
static void a_log_that_begins_behind_the_fork_is_archived_as_far_as_it_goes(void **state)
{
	struct wal_segment_list list;
	char name[WAL_SEGMENT_NAME_SIZE], path[512];
	struct rewind_result result;

	(void)state;
	fresh_work();
	assert_int_equal(wal_segment_list_read(io_posix(), in(work, "wal"), &list), ST_OK);
	assert_true(list.count > 3);
	for (size_t i = 0; i < 3; i++) {
		wal_segment_name(list.first_lsn[i], name);
		(void)snprintf(path, sizeof path, "%s/wal/%s", work, name);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(rewind_to(list.first_lsn[1] - 1, &result), ST_AGAIN);
	assert_int_equal(result.first_lsn, list.first_lsn[3]);
	assert_int_equal(result.last_lsn, node.last_lsn);
	wal_segment_list_deinit(&list);
}

static void a_damaged_log_is_not_cut(void **state)
{
	struct wal_segment_list list;
	char name[WAL_SEGMENT_NAME_SIZE], path[512];
	struct rewind_result result;
	FILE *f;

	(void)state;
	fresh_work();
	assert_int_equal(wal_segment_list_read(io_posix(), in(work, "wal"), &list), ST_OK);
	wal_segment_name(list.first_lsn[list.count - 2], name);
	(void)snprintf(path, sizeof path, "%s/wal/%s", work, name);
	f = fopen(path, "r+");
	assert_non_null(f);
	assert_int_equal(fseek(f, WAL_SEGMENT_HEADER_UNIT + 200, SEEK_SET), 0);
	assert_int_equal(fputs("damage", f) >= 0, 1);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(rewind_to(store_lsn, &result), ST_CORRUPT);
	assert_int_not_equal(access(in(work, REWIND_MARK), F_OK), 0);
	wal_segment_list_deinit(&list);
}

static void a_mark_that_says_nothing_stops_the_start(void **state)
{
	static const char *const texts[] = {"",
					    "Rewind to LSN \n",
					    "Rewind to LSN 5",
					    "Rewind to LSN 5x\n",
					    "nonsense\n",
					    "Rewind to LSN 99999999999999999999\n"};
	struct small_node s;

	(void)state;
	fresh_work();
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		FILE *f = fopen(in(work, REWIND_MARK), "w");

		assert_non_null(f);
		assert_int_equal(fputs(texts[i], f) >= 0, 1);
		assert_int_equal(fclose(f), 0);
		small_node_init(&s, work, 1);
		assert_int_equal(small_node_open(&s), ST_CORRUPT);
		assert_true(s.error.len > 0);
		small_node_deinit(&s);
	}
	assert_true(same_log(model, work));
}

/* --- logs that the small node does not make --- */

struct other {
	char dir[128];
	struct engine *e;
	bool replica;
	const char *dictionary;
};

static void other_open(struct other *o)
{
	struct engine_options opts = {
	    .dir = o->dir,
	    .io = io_posix(),
	    .clock = clock_system(),
	    .seed = 5,
	    .map_size_max = (uint64_t)1 << 28,
	    .memtable_max = 4 << 20,
	    .checkpoint_interval_ms = 3600000,
	    .wal_segment_size = 1 << 20,
	    .wal_keep_size = 1 << 30,
	    .wal_compression_level = 1,
	    .wal_dictionary = o->dictionary == NULL ? slice_of(NULL, 0) : slice_str(o->dictionary),
	    .fsync = WAL_FSYNC_ALWAYS,
	    .replica = o->replica,
	};
	struct buf error = {0};
	enum status st = engine_open(&opts, &o->e, &error);

	if (st != ST_OK) {
		print_error("%.*s\n", (int)error.len, (const char *)error.data);
	}
	assert_int_equal(st, ST_OK);
	buf_deinit(&error);
}

/* One record, and a frame, per key. */
static void other_write(struct other *o, int from, int to)
{
	struct meta m = {.type = TYPE_STRING};
	struct store_key key;
	char name[16], value[2000] = {0};
	struct slice part = slice_of(value, sizeof value);

	for (int i = from; i < to; i++) {
		memset(value, 'a' + i % 26, sizeof value);
		store_key_of_key(&key,
				 slice_of(name, (size_t)snprintf(name, sizeof name, "k%d", i)));
		engine_begin(o->e, slice_str("set"), 1000, 1);
		assert_int_equal(ks_put_blind(o->e, &key, &m, &part, 1), ST_OK);
		assert_int_not_equal(engine_commit(o->e), 0);
		for (int n = 0; n < 5000; n++) {
			struct engine_position at;

			(void)engine_turn_end(o->e);
			if (engine_position(o->e, &at) == ST_OK &&
			    engine_durable_lsn(o->e) == at.lsn) {
				break;
			}
			(void)usleep(100);
		}
	}
}

static uint64_t other_keys(struct other *o)
{
	while (engine_count_resolve(o->e, 1000) > 0) {
		(void)engine_turn_end(o->e);
	}
	return engine_keys(o->e);
}

static void other_init(struct other *o)
{
	*o = (struct other){0};
	(void)snprintf(o->dir, sizeof o->dir, "%s/other", base);
	assert_int_equal(mkdir(o->dir, 0700), 0);
	other_open(o);
}

/* Frames of segments with other dictionaries, and of none, come together in one file. */
static void an_archive_takes_frames_of_any_dictionary(void **state)
{
	static const char *const dictionaries[] = {"aaaaaaaabbbbbbbbccccccccdddddddd", NULL,
						   "eeeeeeeeffffffffgggggggghhhhhhhh"};
	struct rewind_result result;
	struct buf error = {0};
	struct log_digest want, got;
	struct other o;

	(void)state;
	for (int first = 0; first < 3; first++) {
		other_init(&o);
		for (int i = 0; i < 3; i++) {
			assert_int_equal(engine_close_quick(o.e), ST_OK);
			o.dictionary = dictionaries[(first + i) % 3];
			other_open(&o);
			other_write(&o, 10 * i, 10 * i + 10);
		}
		assert_int_equal(engine_close_quick(o.e), ST_OK);
		log_digest_dir(in(o.dir, "wal"), 6, &want);
		assert_int_equal(rewind_log(io_posix(), o.dir, 5, &result, &error), ST_OK);
		assert_true(log_digest_file(in(o.dir, result.file), &got));
		assert_int_equal(got.records, 25);
		assert_int_equal(got.digest, want.digest);
		other_open(&o);
		assert_int_equal(other_keys(&o), 5);
		assert_int_equal(engine_close(o.e), ST_OK);
		remove_tree(o.dir);
	}
	buf_deinit(&error);
}

/* Directly behind a full copy the log begins with the first record of the shard's new timeline. */
static void a_log_of_which_nothing_is_left_still_knows_where_it_goes_on(void **state)
{
	struct engine_position before, after;
	struct wal_segment_list list;
	char name[WAL_SEGMENT_NAME_SIZE], path[512];
	struct rewind_result result;
	struct buf error = {0};
	struct other o;

	(void)state;
	other_init(&o);
	other_write(&o, 0, 10);
	assert_int_equal(engine_position(o.e, &before), ST_OK);
	assert_int_equal(engine_close(o.e), ST_OK);
	other_open(&o);
	assert_int_equal(engine_promote(o.e, 12), ST_OK);
	other_write(&o, 10, 20);
	assert_int_equal(engine_close_quick(o.e), ST_OK);
	assert_int_equal(wal_segment_list_read(io_posix(), in(o.dir, "wal"), &list), ST_OK);
	for (size_t i = 0; i < list.count && list.first_lsn[i] <= before.lsn; i++) {
		wal_segment_name(list.first_lsn[i], name);
		(void)snprintf(path, sizeof path, "%s/wal/%s", o.dir, name);
		assert_int_equal(unlink(path), 0);
	}
	wal_segment_list_deinit(&list);
	assert_int_equal(rewind_log(io_posix(), o.dir, before.lsn, &result, &error), ST_OK);
	assert_int_equal(result.records, 10);
	assert_int_equal(strncmp(result.file, "divergent/12-000000000000000b-", 30), 0);
	o.replica = true;
	other_open(&o);
	assert_int_equal(other_keys(&o), 10);
	assert_int_equal(engine_position(o.e, &after), ST_OK);
	assert_int_equal(after.lsn, before.lsn);
	assert_int_equal(after.chain, before.chain);
	assert_true(wal_history_eq(&after.history, &before.history));
	assert_int_equal(engine_close(o.e), ST_OK);
	remove_tree(o.dir);
	buf_deinit(&error);
}

static void a_log_can_be_given_up_whole(void **state)
{
	struct rewind_result result;
	struct buf error = {0};
	struct other o;

	(void)state;
	other_init(&o);
	other_write(&o, 0, 10);
	assert_int_equal(engine_close_quick(o.e), ST_OK);
	assert_int_equal(rewind_log(io_posix(), o.dir, 0, &result, &error), ST_OK);
	assert_int_equal(result.records, 10);
	other_open(&o);
	assert_int_equal(other_keys(&o), 0);
	assert_int_equal(engine_close(o.e), ST_OK);
	remove_tree(o.dir);
	/* A directory in which there never was a node. */
	assert_int_equal(mkdir(o.dir, 0700), 0);
	assert_int_equal(rewind_log(io_posix(), o.dir, 0, &result, &error), ST_OK);
	assert_int_equal(result.records, 0);
	assert_int_equal(rewind_log(io_posix(), o.dir, 1, &result, &error), ST_INVALID);
	remove_tree(o.dir);
	buf_deinit(&error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(after_a_rewind_the_node_is_at_the_fork),
	    cmocka_unit_test(at_the_end_of_the_log_there_is_nothing_to_give_up),
	    cmocka_unit_test(only_the_end_of_a_frame_can_be_a_fork),
	    cmocka_unit_test(what_the_store_holds_cannot_be_given_up_by_the_log),
	    cmocka_unit_test(an_archive_is_written_once),
	    cmocka_unit_test(a_log_that_begins_behind_the_fork_is_archived_as_far_as_it_goes),
	    cmocka_unit_test(a_damaged_log_is_not_cut),
	    cmocka_unit_test(a_mark_that_says_nothing_stops_the_start),
	    cmocka_unit_test(an_archive_takes_frames_of_any_dictionary),
	    cmocka_unit_test(a_log_of_which_nothing_is_left_still_knows_where_it_goes_on),
	    cmocka_unit_test(a_log_can_be_given_up_whole),
	};

	return cmocka_run_group_tests(tests, setup_model, teardown_model);
}
