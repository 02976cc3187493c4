/* Lines of words with quotes. */
#include "net/proto/quoted_words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* All words of a line in brackets, "!" at an error. */
static const char *words_of(const char *line, char out[256])
{
	size_t at = 0, n = 0;
	enum status st = ST_OK;

	while (st == ST_OK) {
		size_t len = 0;

		out[n] = '[';
		st = quoted_word_next((const uint8_t *)line, strlen(line), &at, out + n + 1, &len);
		if (st == ST_OK) {
			n += len + 1;
			out[n++] = ']';
		}
	}
	if (st == ST_INVALID) {
		out[n++] = '!';
	}
	out[n] = 0;
	return out;
}

static void lines_are_cut_into_words(void **state)
{
	static const struct {
		const char *line, *want;
	} cases[] = {
	    {"", ""},
	    {" \t\r\n", ""},
	    {"a", "[a]"},
	    {"  set  key\tvalue\r\n", "[set][key][value]"},
	    {"\"\" ''", "[][]"},
	    {"\"a b\" 'c d'", "[a b][c d]"},
	    {"\"\\n\\r\\t\\b\\a\"", "[\n\r\t\b\a]"},
	    {"\"\\x41\\x6a\\x7F\\q\\\"\\\\\"", "[Aj\x7fq\"\\]"},
	    {"\"\\x4\" \"\\xzz\"", "[x4][xzz]"},
	    {"'it\\'s' '\\n'", "[it's][\\n]"},
	    {"a\"b c\"", "[ab c]"},
	    {"\\n", "[\\n]"},
	    {"\"a", "!"},
	    {"x 'a", "[x]!"},
	    {"\"a\"b", "!"},
	    {"'a'\"b\"", "!"},
	    {"\"a\\", "!"},
	};
	char out[256];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_string_equal(words_of(cases[i].line, out), cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines_are_cut_into_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
