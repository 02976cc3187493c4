/* Words from a line: never longer than what they are read from, and a word written with escapes is
 * read back as it was.
 *
 * Input: the line. */
#include "engine/base/buf.h"
#include "engine/base/invariant.h"
#include "net/proto/quoted_words.h"
#include "tests/fuzz/fuzz_input.h"

/* Reads the word alone on a line, every byte of it escaped. */
static void check_escaped(const char *word, size_t len)
{
	struct buf line = {0};
	char *back = malloc(len + 1);
	size_t at = 0, back_len = 0;

	INVARIANT(back != NULL && buf_printf(&line, " \"") == ST_OK);
	for (size_t i = 0; i < len; i++) {
		INVARIANT(buf_printf(&line, "\\x%02x", (uint8_t)word[i]) == ST_OK);
	}
	INVARIANT(buf_printf(&line, "\"") == ST_OK);
	INVARIANT(quoted_word_next(line.data, line.len, &at, back, &back_len) == ST_OK);
	INVARIANT(slice_eq(slice_of(word, len), slice_of(back, back_len)));
	INVARIANT(quoted_word_next(line.data, line.len, &at, back, &back_len) == ST_END);
	free(back);
	buf_deinit(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *line = fuzz_exact(slice_of(data, size));
	size_t at = 0, words = 0;
	enum status st = ST_OK;

	while (st == ST_OK) {
		size_t from = at, len = 0;
		char *word = malloc(size - at + 1);

		INVARIANT(word != NULL);
		st = quoted_word_next(line, size, &at, word, &len);
		if (st == ST_OK) {
			INVARIANT(at > from && at <= size && len <= at - from);
			check_escaped(word, len);
			words++;
			FUZZ_CANARY(words == 2 && len == 2 && word[0] == '\n');
		} else {
			INVARIANT(st == ST_INVALID || (st == ST_END && at == size));
		}
		free(word);
	}
	free(line);
	return 0;
}
