/* A quick look at the request at the front of some bytes, without reading it: enough to know which
 * key it will ask for. Pure. */
#ifndef CAIRN_NET_PROTO_RESP_PEEK_H
#define CAIRN_NET_PROTO_RESP_PEEK_H

#include "engine/base/slice.h"

#include <stdbool.h>

enum { RESP_PEEK_ARGS_MAX = 32 };

/* All borrow the bytes. */
struct resp_peek {
	struct slice name, key; /* the first two arguments */
	struct slice rest[2];	/* the next two; data NULL: there are fewer */
	size_t used;		/* bytes of the whole request */
};

/* True: a whole request in the usual form (multibulk, plain lengths) with at least two arguments
 * and at most RESP_PEEK_ARGS_MAX. False says nothing: it may be valid all the same. */
bool resp_peek(struct slice in, struct resp_peek *out);

#endif
