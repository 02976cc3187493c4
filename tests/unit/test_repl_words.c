/* What is said between frames: each word once, the newest only, and no mark that comes too late. */
#include "net/repl_words.h"

#include "net/proto/repl_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Takes what is due and reads the next message from at on; 0: there is none. */
static char next(struct buf *out, size_t *at, uint64_t *value)
{
	struct repl_message m;
	struct repl_contents c;
	size_t used;

	if (*at == out->len) {
		return 0;
	}
	assert_int_equal(repl_decode(slice_skip(buf_slice(out), *at), &m, &used), ST_OK);
	*at += used;
	if (m.type == REPL_MARK) {
		assert_int_equal(repl_get_mark(m.payload, value), ST_OK);
	} else {
		assert_int_equal(repl_get_contents(m.payload, &c), ST_OK);
		*value = c.lsn;
	}
	return (char)m.type;
}

static void set_contents(struct repl_words *w, uint64_t lsn)
{
	struct buf b = {0};

	assert_int_equal(repl_contents_begin(lsn, &b), ST_OK);
	assert_int_equal(repl_words_contents(w, buf_slice(&b)), ST_OK);
	buf_deinit(&b);
}

static void the_newest_words_are_said_once(void **state)
{
	struct repl_words w = {0};
	struct buf out = {0};
	uint64_t value;
	size_t at = 0;

	(void)state;
	assert_false(repl_words_due(&w, 1));
	assert_false(repl_words_mark(&w, 0));
	set_contents(&w, 3);
	set_contents(&w, 4);
	assert_true(repl_words_mark(&w, 8));
	assert_true(repl_words_mark(&w, 9));
	assert_false(repl_words_mark(&w, 9));
	assert_true(repl_words_due(&w, 5));
	assert_int_equal(repl_words_take(&w, 5, &out), ST_OK);
	assert_int_equal(next(&out, &at, &value), REPL_MARK);
	assert_int_equal(value, 9);
	assert_int_equal(next(&out, &at, &value), REPL_CONTENTS);
	assert_int_equal(value, 4);
	assert_int_equal(next(&out, &at, &value), 0);
	assert_false(repl_words_due(&w, 5));
	assert_int_equal(repl_words_take(&w, 5, &out), ST_OK);
	assert_int_equal(out.len, at);
	set_contents(&w, 5);
	repl_words_deinit(&w);
	assert_false(repl_words_due(&w, 5));
	buf_deinit(&out);
}

static void a_mark_is_said_up_to_right_behind_its_record(void **state)
{
	struct repl_words w = {0};
	struct buf out = {0};
	uint64_t value;
	size_t at = 0;

	(void)state;
	(void)repl_words_mark(&w, 9);
	assert_false(repl_words_due(&w, 11));
	assert_int_equal(repl_words_take(&w, 11, &out), ST_OK);
	assert_int_equal(out.len, 0);
	assert_true(repl_words_due(&w, 10));
	assert_int_equal(repl_words_take(&w, 10, &out), ST_OK);
	assert_int_equal(next(&out, &at, &value), REPL_MARK);
	assert_int_equal(value, 9);
	buf_deinit(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_newest_words_are_said_once),
	    cmocka_unit_test(a_mark_is_said_up_to_right_behind_its_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
