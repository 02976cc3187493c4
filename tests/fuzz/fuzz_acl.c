/* Lines of an aclfile: users that are read are written as text that makes the same users again, who
 * may do the same.
 *
 * Input: the file. */
#include "engine/base/invariant.h"
#include "net/command/acl.h"
#include "tests/fuzz/fuzz_input.h"

static const char *const requests[][4] = {
    {"GET", "a"},
    {"SET", "b", "x", "GET"},
    {"MSET", "a", "1", "x"},
    {"CONFIG", "GET", "a"},
    {"SELECT", "0"},
    {"PUBLISH", "news", "m"},
    {"PSUBSCRIBE", "a*"},
    {"COPY", "a", "x"},
    {"EVAL", "s", "1", "y"},
    {"SORT", "a", "STORE", "b"},
};

static void check_same(struct acl *a, const struct acl_user *u, const struct acl_user *v)
{
	for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
		struct slice argv[4], one, other;
		const struct command_entry *e;
		size_t argc = 0;

		while (argc < 4 && requests[i][argc] != NULL) {
			argv[argc] = slice_str(requests[i][argc]);
			argc++;
		}
		e = command_table_resolve(a->table, argv, argc);
		INVARIANT(e != NULL);
		INVARIANT(acl_check(a, u, e, argv, argc, &one) ==
			  acl_check(a, v, e, argv, argc, &other));
		INVARIANT(slice_eq(one, other));
	}
}

static void check_again(struct acl *first)
{
	struct buf text = {0}, again = {0}, error = {0};
	struct acl second;

	INVARIANT(acl_write(first, &text) == ST_OK);
	INVARIANT(acl_init_empty(&second, first->table) == ST_OK);
	INVARIANT(acl_read(&second, "f", buf_slice(&text), &error) == ST_OK);
	INVARIANT(acl_write(&second, &again) == ST_OK);
	INVARIANT(slice_eq(buf_slice(&text), buf_slice(&again)));
	INVARIANT(first->users_count == second.users_count);
	for (size_t i = 0; i < first->users_count; i++) {
		INVARIANT(first->users[i]->unrestricted == second.users[i]->unrestricted ||
			  !first->users[i]->unrestricted);
		check_same(first, first->users[i], second.users[i]);
		FUZZ_CANARY(first->users[i]->selectors_count == 3 &&
			    first->users[i]->passwords.len > 0);
	}
	acl_deinit(&second);
	buf_deinit(&text);
	buf_deinit(&again);
	buf_deinit(&error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct command_table table;
	uint8_t *text = fuzz_exact(slice_of(data, size));
	struct buf error = {0};
	struct acl a;
	enum status st;

	if (table.count == 0) {
		INVARIANT(command_table_init(&table) == ST_OK);
	}
	INVARIANT(acl_init_empty(&a, &table) == ST_OK);
	st = acl_read(&a, "f", slice_of(text, size), &error);
	INVARIANT((st == ST_OK && error.len == 0) || (st == ST_INVALID && error.len > 0));
	check_again(&a); /* the lines that were right */
	acl_deinit(&a);
	buf_deinit(&error);
	free(text);
	return 0;
}
