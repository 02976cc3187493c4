/* What rdb_value.c, rdb_stream.c and rdb_opaque.c share. Private to net/proto. */
#ifndef CAIRN_NET_PROTO_RDB_VALUE_IMPL_H
#define CAIRN_NET_PROTO_RDB_VALUE_IMPL_H

#include "net/proto/rdb_format.h"
#include "net/proto/rdb_read.h"
#include "net/proto/rdb_value.h"

/* One decoding under way. */
struct rdb_decode {
	struct rdb_reader in;
	enum rdb_kind kind;
	rdb_take take;
	void *arg;
	struct buf scratch[2]; /* unpacked strings: a blob or an element; its value */
	uint64_t given;	       /* elements so far */
};

/* --- rdb_stream.c --- */

struct rdb_stream_sink;

/* Walks through a stream of that type; sink NULL: checks it. */
MUST_CHECK enum status rdb_walk_stream(struct rdb_decode *d, enum rdb_type type,
				       const struct rdb_stream_sink *sink, void *arg);

/* --- rdb_opaque.c: checked, not given out --- */

/* Walks through a module's value. */
MUST_CHECK enum status rdb_walk_module(struct rdb_decode *d);

#endif
