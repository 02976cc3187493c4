/* Readings of archives: what they answer, that one waits for the other to be taken, and that each
 * can be given up at any time. */
#include "net/archive_reader.h"

#include "engine/engine_shard.h"
#include "engine/keyspace.h"
#include "engine/rewind.h"
#include "net/command/session.h"
#include "tests/support/engine_box.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { RECORDS = 4 };

struct box {
	struct engine_box engine;
	struct rewind_result archive;
	struct archive_reader *reader;
	unsigned told; /* readings that were through */
};

/* The thread stands in its write while there is somebody to be waited for. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change = PTHREAD_COND_INITIALIZER;
static bool held;
static unsigned begun;

static void told(void *arg)
{
	struct box *b = arg;

	(void)pthread_mutex_lock(&lock);
	b->told++;
	(void)pthread_cond_broadcast(&change);
	(void)pthread_mutex_unlock(&lock);
}

static void wait_for(const unsigned *what, unsigned times)
{
	(void)pthread_mutex_lock(&lock);
	while (*what < times) {
		(void)pthread_cond_wait(&change, &lock);
	}
	(void)pthread_mutex_unlock(&lock);
}

static void hold(bool on)
{
	(void)pthread_mutex_lock(&lock);
	held = on;
	begun = 0;
	(void)pthread_cond_broadcast(&change);
	(void)pthread_mutex_unlock(&lock);
}

static void write_key(struct resp_writer *w, const struct divergent_op *op)
{
	(void)pthread_mutex_lock(&lock);
	begun++;
	(void)pthread_cond_broadcast(&change);
	while (held) {
		(void)pthread_cond_wait(&change, &lock);
	}
	(void)pthread_mutex_unlock(&lock);
	resp_bulk(w, op->key);
}

/* --- an archive of the keys b, c, d --- */

static void put(struct box *b, char name)
{
	struct meta m = {.type = TYPE_STRING, .form = FORM_INLINE};
	struct slice value = slice_str("v");
	struct store_key key;

	store_key_of_key(&key, slice_of(&name, 1));
	engine_box_begin(&b->engine);
	assert_int_equal(ks_put(b->engine.e, &key, NULL, &m, &value, 1), ST_OK);
	engine_box_commit(&b->engine);
	/* A frame of its own, so that the log can be cut there. */
	while (engine_ack_lsn(b->engine.e) < engine_last_lsn(b->engine.e)) {
		(void)engine_turn_end(b->engine.e);
		(void)usleep(200);
	}
}

static int setup(void **state)
{
	struct box *b = calloc(1, sizeof *b);
	struct buf error = {0};

	engine_box_open(&b->engine, 5);
	for (int i = 0; i < RECORDS; i++) {
		put(b, (char)('a' + i));
	}
	assert_int_equal(engine_close_quick(b->engine.e), ST_OK);
	if (rewind_log(io_posix(), b->engine.dir, 1, &b->archive, &error) != ST_OK) {
		fail_msg("%.*s", (int)error.len, (const char *)error.data);
	}
	assert_int_equal(engine_box_try(&b->engine, &error), ST_OK);
	buf_deinit(&error);
	assert_int_equal(archive_reader_create(b->engine.dir, told, b, &b->reader), ST_OK);
	hold(false);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct box *b = *state;

	archive_reader_destroy(b->reader);
	engine_box_close(&b->engine);
	free(b);
	return 0;
}

/* --- */

static struct archive_reading *begin(struct box *b, uint64_t from_lsn, uint64_t count)
{
	const struct archive_request request = {b->archive.name, from_lsn, count, 2, write_key};
	struct archive_reading *r = NULL;

	assert_int_equal(archive_reader_begin(b->reader, &request, &r), ST_OK);
	return r;
}

static void assert_taken(struct archive_reading *r, const char *before, const char *wanted)
{
	struct buf out = {0};

	assert_int_equal(buf_append(&out, before, strlen(before)), ST_OK);
	assert_int_equal(archive_reader_take(r, &out), ST_OK);
	assert_int_equal(out.len, strlen(wanted));
	assert_memory_equal(out.data, wanted, out.len);
	buf_deinit(&out);
}

static void replies_are_appended(void **state)
{
	struct box *b = *state;
	struct archive_reading *r = begin(b, 0, 100);

	wait_for(&b->told, 1);
	assert_taken(r, "", "*3\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n");
	r = begin(b, 3, 1);
	wait_for(&b->told, 2);
	assert_taken(r, "+OK\r\n", "+OK\r\n*1\r\n$1\r\nc\r\n");
	r = begin(b, RECORDS + 1, 100);
	wait_for(&b->told, 3);
	assert_taken(r, "+OK\r\n", "+OK\r\n*0\r\n");
}

static void one_waits_until_the_other_is_taken(void **state)
{
	struct box *b = *state;
	struct archive_reading *first, *second;
	struct buf out = {0};

	hold(true);
	first = begin(b, 0, 1);
	second = begin(b, 3, 1);
	wait_for(&begun, 1);
	assert_int_equal(archive_reader_take(first, &out), ST_AGAIN);
	hold(false);
	wait_for(&b->told, 1);
	(void)usleep(20 * 1000);
	assert_int_equal(begun, 0); /* the second one has not begun */
	assert_int_equal(archive_reader_take(second, &out), ST_AGAIN);
	assert_int_equal(out.len, 0);
	assert_taken(first, "", "*1\r\n$1\r\nb\r\n");
	wait_for(&b->told, 2);
	assert_taken(second, "", "*1\r\n$1\r\nc\r\n");
}

/* As a client does that goes away before, while and after its request is being served. */
static void each_can_be_given_up(void **state)
{
	struct box *b = *state;
	struct session s = {0};
	struct archive_reading *queued[3], *last;

	hold(true);
	s.reading = begin(b, 0, 1);
	wait_for(&begun, 1);
	for (int i = 0; i < 3; i++) {
		queued[i] = begin(b, 0, 1);
	}
	queued[2]->abandon(queued[2]); /* the last of the queue, then one in its midst */
	last = begin(b, 3, 1);
	queued[1]->abandon(queued[1]);
	session_abandon(&s); /* the one under way */
	assert_null(s.reading);
	session_abandon(&s);
	hold(false);
	wait_for(&b->told, 1); /* of the one given up nobody is told */
	queued[0]->abandon(queued[0]);
	wait_for(&b->told, 2);
	assert_taken(last, "", "*1\r\n$1\r\nc\r\n");
	/* The end comes while one that was given up is under way. */
	hold(true);
	s.reading = begin(b, 0, 1);
	wait_for(&begun, 1);
	session_abandon(&s);
	hold(false);
}

static void failures_are_told(void **state)
{
	struct box *b = *state;
	struct archive_reading *r;
	struct buf out = {0};
	char path[512];

	(void)snprintf(path, sizeof path, "%s/%s", b->engine.dir, b->archive.file);
	assert_int_equal(truncate(path, (off_t)b->archive.bytes - 60), 0);
	r = begin(b, 0, 100);
	wait_for(&b->told, 1);
	assert_int_equal(archive_reader_take(r, &out), ST_CORRUPT);
	assert_int_equal(unlink(path), 0);
	r = begin(b, 0, 100);
	wait_for(&b->told, 2);
	assert_int_equal(archive_reader_take(r, &out), ST_NOT_FOUND);
	assert_int_equal(out.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(replies_are_appended, setup, teardown),
	    cmocka_unit_test_setup_teardown(one_waits_until_the_other_is_taken, setup, teardown),
	    cmocka_unit_test_setup_teardown(each_can_be_given_up, setup, teardown),
	    cmocka_unit_test_setup_teardown(failures_are_told, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
