/* Words with quotes from a line. */
#include "net/proto/quoted_words.h"

#include <ctype.h>
#include <string.h>

static int hex_value(uint8_t c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* What a backslash inside double quotes stands for; *used characters of text are eaten. */
static char unescape(const uint8_t *text, size_t avail, size_t *used)
{
	static const char from[] = "nrtba";
	static const char to[] = "\n\r\t\b\a";
	const char *known;

	if (avail >= 4 && text[1] == 'x' && isxdigit(text[2]) && isxdigit(text[3])) {
		*used = 4;
		return (char)(hex_value(text[2]) * 16 + hex_value(text[3]));
	}
	*used = 2;
	known = text[1] == '\0' ? NULL : strchr(from, text[1]);
	return known != NULL ? to[known - from] : (char)text[1];
}

/* One word that may hold quotes, unescaped to dst. Returns the bytes eaten,
 * 0 when a quote is not closed or followed by more than a space. */
static size_t quoted_word(const uint8_t *text, size_t len, char *dst, size_t *dst_len)
{
	char quote = 0;
	size_t i = 0, n = 0;

	while (i < len) {
		uint8_t c = text[i];

		if (quote == 0) {
			if (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
				break;
			}
			if (c == '"' || c == '\'') {
				quote = (char)c;
			} else {
				dst[n++] = (char)c;
			}
			i++;
		} else if (c == '\\' && quote == '"' && i + 1 < len) {
			size_t used;

			dst[n++] = unescape(text + i, len - i, &used);
			i += used;
		} else if (c == '\\' && quote == '\'' && i + 1 < len && text[i + 1] == '\'') {
			dst[n++] = '\'';
			i += 2;
		} else if (c == (uint8_t)quote) {
			if (i + 1 < len && !isspace(text[i + 1])) {
				return 0;
			}
			*dst_len = n;
			return i + 1;
		} else {
			dst[n++] = (char)c;
			i++;
		}
	}
	*dst_len = n;
	return quote == 0 ? i : 0;
}

enum status quoted_word_next(const uint8_t *text, size_t len, size_t *at, char *dst,
			     size_t *dst_len)
{
	size_t used;

	while (*at < len && isspace(text[*at])) {
		(*at)++;
	}
	if (*at == len) {
		return ST_END;
	}
	used = quoted_word(text + *at, len - *at, dst, dst_len);
	*at += used;
	return used == 0 ? ST_INVALID : ST_OK;
}
