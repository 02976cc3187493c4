/* The look at a request to come. */
#include "net/proto/resp_peek.h"

enum { DIGITS_MAX = 9 };

/* Reads kind, a few digits, CR and LF at *at. False: something else is there, or less. */
static bool take_length(struct slice in, size_t *at, uint8_t kind, size_t *out)
{
	const uint8_t *text = in.data + *at;
	size_t avail = in.len - *at;
	size_t n = 1, value = 0;

	if (avail == 0 || text[0] != kind) {
		return false;
	}
	while (n < avail && n <= DIGITS_MAX && text[n] >= '0' && text[n] <= '9') {
		value = value * 10 + (size_t)(text[n++] - '0');
	}
	if (n == 1 || avail - n < 2 || text[n] != '\r' || text[n + 1] != '\n') {
		return false;
	}
	*at += n + 2;
	*out = value;
	return true;
}

static bool take_argument(struct slice in, size_t *at, struct slice *out)
{
	size_t len;

	if (!take_length(in, at, '$', &len) || in.len - *at < len + 2) {
		return false;
	}
	*out = slice_of(in.data + *at, len);
	*at += len + 2;
	return true;
}

bool resp_peek(struct slice in, struct resp_peek *out)
{
	struct slice argument;
	size_t argc, at = 0;

	out->rest[0] = slice_of(NULL, 0);
	out->rest[1] = slice_of(NULL, 0);
	if (!take_length(in, &at, '*', &argc) || argc < 2 || argc > RESP_PEEK_ARGS_MAX ||
	    !take_argument(in, &at, &out->name) || !take_argument(in, &at, &out->key)) {
		return false;
	}
	for (size_t i = 2; i < argc; i++) {
		if (!take_argument(in, &at, &argument)) {
			return false;
		}
		if (i < 4) {
			out->rest[i - 2] = argument;
		}
	}
	out->used = at;
	return true;
}
