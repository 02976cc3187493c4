/* Taking replies apart. */
#include "tests/support/reply.h"

#include <stdlib.h>

/* A line without its CR LF. */
static bool take_line(struct slice *in, struct slice *out)
{
	const uint8_t *cr = in->len == 0 ? NULL : memchr(in->data, '\r', in->len);
	size_t len = cr == NULL ? 0 : (size_t)(cr - in->data);

	if (cr == NULL || in->len < len + 2 || cr[1] != '\n' ||
	    memchr(in->data, '\n', len) != NULL) {
		return false;
	}
	*out = slice_of(in->data, len);
	*in = slice_skip(*in, len + 2);
	return true;
}

static bool number(struct slice text, int64_t *out)
{
	char copy[32], *end;

	if (text.len == 0 || text.len >= sizeof copy) {
		return false;
	}
	memcpy(copy, text.data, text.len);
	copy[text.len] = 0;
	*out = strtoll(copy, &end, 10);
	return *end == 0;
}

static bool take_bulk(struct slice *in, int64_t len, struct reply_head *out)
{
	if (len < 0) {
		out->null = true;
		return len == -1;
	}
	if ((uint64_t)len + 2 > in->len || memcmp(in->data + len, "\r\n", 2) != 0) {
		return false;
	}
	out->text = slice_of(in->data, (size_t)len);
	*in = slice_skip(*in, (size_t)len + 2);
	return true;
}

bool reply_next(struct slice *in, struct reply_head *out)
{
	struct slice line;
	int64_t n = 0;

	*out = (struct reply_head){0};
	if (!take_line(in, &line) || line.len == 0) {
		return false;
	}
	out->kind = (char)line.data[0];
	out->text = slice_skip(line, 1);
	switch (out->kind) {
	case '+':
	case '-':
	case ',':
	case '(':
		return true;
	case ':':
		return number(out->text, &n);
	case '#':
		return slice_eq(out->text, slice_str("t")) || slice_eq(out->text, slice_str("f"));
	case '_':
		out->null = true;
		return out->text.len == 0;
	case '$':
	case '=':
		return number(out->text, &n) && take_bulk(in, n, out);
	case '*':
	case '%':
	case '~':
	case '>':
		out->null = number(out->text, &n) && n == -1 && out->kind == '*';
		out->values = out->null ? 0 : (uint64_t)n * (out->kind == '%' ? 2 : 1);
		return out->null || (out->text.len > 0 && n >= 0);
	default:
		return false;
	}
}

bool reply_skip(struct slice *in)
{
	uint64_t left = 1;

	while (left > 0) {
		struct reply_head head;

		if (!reply_next(in, &head) || head.values > in->len) {
			return false;
		}
		left += head.values - 1;
	}
	return true;
}

bool reply_whole(struct slice in)
{
	return reply_skip(&in) && in.len == 0;
}

int64_t reply_int(struct slice in)
{
	struct reply_head head;
	int64_t n = -1;

	return reply_next(&in, &head) && head.kind == ':' && number(head.text, &n) ? n : -1;
}
