/* Replies taken apart: is it exactly one well-formed RESP value, and what is in it? */
#ifndef CAIRN_TESTS_SUPPORT_REPLY_H
#define CAIRN_TESTS_SUPPORT_REPLY_H

#include "engine/base/slice.h"

/* The head of a value: a whole scalar, or the header of an aggregate whose values follow. */
struct reply_head {
	char kind;	   /* '+' '-' ':' '$' '*' '%' '~' '>' '_' '#' ',' '(' '=' */
	bool null;	   /* $-1, *-1 or _ */
	struct slice text; /* of a scalar; borrowed */
	uint64_t values;   /* that follow, of an aggregate (two for each pair of a map) */
};

/* Reads the next head from *in and goes behind it. False: the bytes are none. */
bool reply_next(struct slice *in, struct reply_head *out);

/* Goes behind one whole value with all that is in it. False: malformed or cut. */
bool reply_skip(struct slice *in);

/* True when the bytes are one whole value and nothing else. */
bool reply_whole(struct slice in);

/* The number of an integer reply; -1: it is none. */
int64_t reply_int(struct slice in);

#endif
