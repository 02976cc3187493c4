/* Writes listpacks, the form in which Redis keeps a stream's entries (see rdb_packed.h). Pure. */
#ifndef CAIRN_NET_PROTO_LISTPACK_H
#define CAIRN_NET_PROTO_LISTPACK_H

#include "engine/base/buf.h"
#include "engine/base/slice.h"

/* A listpack under construction; the caller frees bytes. */
struct listpack {
	struct buf bytes;
	uint64_t entries;
};

/* Begins an empty one; memory that there is, is kept. ST_NO_MEMORY. */
MUST_CHECK enum status listpack_begin(struct listpack *lp);
/* Adds a number, or a string as such. ST_NO_MEMORY. */
MUST_CHECK enum status listpack_int(struct listpack *lp, int64_t v);
MUST_CHECK enum status listpack_string(struct listpack *lp, struct slice text);
/* Ends it: bytes holds it then. ST_LIMIT: it is longer than 4 GiB. */
MUST_CHECK enum status listpack_end(struct listpack *lp);

#endif
