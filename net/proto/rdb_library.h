/* The payload of FUNCTION DUMP and FUNCTION RESTORE: the code of libraries, one after the other, as
 * Redis 7 writes them. Pure.
 *
 *   for each library: 0xf5, its code as an RDB string; then the footer (net/proto/rdb_format.h) */
#ifndef CAIRN_NET_PROTO_RDB_LIBRARY_H
#define CAIRN_NET_PROTO_RDB_LIBRARY_H

#include "net/proto/rdb_read.h"

/* The most bytes of code that one library may have; what stands before one. */
enum { RDB_LIBRARY_MAX = 512 << 20, RDB_LIBRARY_OPCODE = 0xf5 };

/* Appends a library. ST_NO_MEMORY. */
MUST_CHECK enum status rdb_library_put(struct buf *payload, struct slice code);
/* Ends a payload. ST_NO_MEMORY. */
MUST_CHECK enum status rdb_library_seal(struct buf *payload);

/* Begins to read. ST_CORRUPT: the version or the checksum are wrong. */
MUST_CHECK enum status rdb_library_open(struct slice payload, struct rdb_reader *out);
/* The next library's code; borrows the payload or scratch, whose content is replaced. ST_END.
 * ST_WRONG_TYPE: it is something else; ST_CORRUPT: it is not whole; ST_LIMIT: longer than
 * RDB_LIBRARY_MAX; ST_NO_MEMORY. */
MUST_CHECK enum status rdb_library_next(struct rdb_reader *r, struct buf *scratch,
					struct slice *code);

#endif
