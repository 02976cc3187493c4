/* The mark of whose data a node has. */
#include "net/data_mark.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct node_id id_of(char c)
{
	struct node_id id = {{0}};

	memset(id.text, c, NODE_ID_LEN);
	return id;
}

static void it_is_remembered_until_it_is_cleared(void **state)
{
	char dir[] = "/tmp/cairn-mark-XXXXXX", path[64];
	struct node_id a = id_of('a'), b = id_of('b'), none = {{0}};
	struct data_mark m;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof path, "%s/shard-data.conf", dir);
	assert_int_equal(data_mark_open(&m, dir), ST_OK);
	assert_false(data_mark_is(&m, &none, 0));
	assert_int_equal(data_mark_set(&m, &none, 7), ST_OK);
	assert_int_equal(access(path, F_OK), -1); /* a shard without a name is none */
	assert_int_equal(data_mark_set(&m, &a, 0xfedcba9876543210), ST_OK);
	assert_true(data_mark_is(&m, &a, 0xfedcba9876543210));
	assert_false(data_mark_is(&m, &b, 0xfedcba9876543210));
	assert_false(data_mark_is(&m, &a, 1));
	data_mark_close(&m);

	assert_int_equal(data_mark_open(&m, dir), ST_OK);
	assert_true(data_mark_is(&m, &a, 0xfedcba9876543210));
	assert_int_equal(data_mark_set(&m, &b, 3), ST_OK);
	assert_false(data_mark_is(&m, &a, 0xfedcba9876543210));
	assert_int_equal(data_mark_clear(&m), ST_OK);
	assert_false(data_mark_is(&m, &b, 3));
	data_mark_close(&m);

	assert_int_equal(data_mark_open(&m, dir), ST_OK);
	assert_false(data_mark_is(&m, &b, 3));
	data_mark_close(&m);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void a_loss_is_remembered_until_the_data_is_whole(void **state)
{
	char dir[] = "/tmp/cairn-mark-XXXXXX", path[64];
	struct node_id a = id_of('a');
	struct data_mark m;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof path, "%s/shard-data.conf", dir);
	assert_int_equal(data_mark_open(&m, dir), ST_OK);
	assert_false(m.lost);
	assert_int_equal(data_mark_set(&m, &a, 3), ST_OK);
	assert_int_equal(data_mark_lost(&m), ST_OK);
	assert_false(data_mark_is(&m, &a, 3));
	data_mark_close(&m);

	assert_int_equal(data_mark_open(&m, dir), ST_OK);
	assert_true(m.lost);
	assert_int_equal(data_mark_set(&m, &a, 3), ST_OK);
	assert_false(m.lost);
	data_mark_close(&m);

	assert_int_equal(data_mark_open(&m, dir), ST_OK);
	assert_false(m.lost);
	assert_true(data_mark_is(&m, &a, 3));
	data_mark_close(&m);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void a_damaged_mark_is_none(void **state)
{
	static const char *const texts[] = {"", "x", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
					    ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA "
					     "0000000000000003\n")};
	struct node_id a = id_of('a');

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		char dir[] = "/tmp/cairn-mark-XXXXXX", path[64];
		struct data_mark m;
		FILE *f;

		assert_non_null(mkdtemp(dir));
		(void)snprintf(path, sizeof path, "%s/shard-data.conf", dir);
		f = fopen(path, "w");
		assert_non_null(f);
		assert_true(fputs(texts[i], f) >= 0);
		assert_int_equal(fclose(f), 0);
		assert_int_equal(data_mark_open(&m, dir), ST_OK);
		assert_false(data_mark_is(&m, &a, 3));
		assert_int_equal(data_mark_set(&m, &a, 3), ST_OK);
		assert_true(data_mark_is(&m, &a, 3));
		data_mark_close(&m);
		assert_int_equal(unlink(path), 0);
		assert_int_equal(rmdir(dir), 0);
	}
}

static void a_mark_that_can_not_be_written_is_not_set(void **state)
{
	struct node_id a = id_of('a');
	struct data_mark m;

	(void)state;
	assert_int_equal(data_mark_open(&m, "/nonexistent"), ST_OK);
	assert_int_not_equal(data_mark_set(&m, &a, 3), ST_OK);
	assert_false(data_mark_is(&m, &a, 3));
	data_mark_close(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(it_is_remembered_until_it_is_cleared),
	    cmocka_unit_test(a_loss_is_remembered_until_the_data_is_whole),
	    cmocka_unit_test(a_damaged_mark_is_none),
	    cmocka_unit_test(a_mark_that_can_not_be_written_is_not_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
