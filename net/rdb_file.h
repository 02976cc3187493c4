/* Writes an RDB file, version 10, as redis-server 7.0 and later load it, from a view of a store:
 * key by key, with little in hand whatever a value's size. Values are in the encodings of DUMP
 * (net/command/value_dump.h), uncompressed.
 *
 *   "REDIS0010", auxiliary fields, libraries of functions, database 0 and its sizes, for each key
 *   [0xfc and expiry, ms] type, name, value; 0xff, CRC-64 of all before it */
#ifndef CAIRN_NET_RDB_FILE_H
#define CAIRN_NET_RDB_FILE_H

#include "engine/export/value.h"
#include "net/command/stream_node.h"

struct rdb_file {
	/* Takes the next bytes of the file; NULL: only their number is wanted. */
	enum status (*take)(void *arg, struct slice bytes);
	void *arg;
	uint64_t bytes; /* of the file so far */

	/* Private. */
	uint64_t crc;
	struct buf pending;
};

/* What the auxiliary fields say. */
struct rdb_about {
	uint64_t now_ms;
	const char *repl_id; /* NULL: the file is not for a replica */
	uint64_t repl_offset;
};

/* In this order; any error is final: of take, of reading the view (engine/export/value.h),
 * ST_NO_MEMORY. */
MUST_CHECK enum status rdb_file_begin(struct rdb_file *f, const struct rdb_about *about);
MUST_CHECK enum status rdb_file_library(struct rdb_file *f, struct slice code);
MUST_CHECK enum status rdb_file_sizes(struct rdb_file *f, uint64_t keys, uint64_t expires);
MUST_CHECK enum status rdb_file_key(struct rdb_file *f, const struct view *v,
				    const struct key_record *record);
MUST_CHECK enum status rdb_file_end(struct rdb_file *f);
void rdb_file_deinit(struct rdb_file *f);

/* The body of a stream's value, behind its type. Errors as above. For rdb_file.c. */
MUST_CHECK enum status rdb_file_stream(struct rdb_out *o, const struct view *v,
				       const struct key_record *record);

#endif
