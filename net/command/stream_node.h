/* Entries of a stream as a node of an RDB value (its form: net/proto/rdb_stream.c): gathered one by
 * one, then written. Pure. */
#ifndef CAIRN_NET_COMMAND_STREAM_NODE_H
#define CAIRN_NET_COMMAND_STREAM_NODE_H

#include "engine/types/stream_format.h"
#include "net/proto/listpack.h"

/* Takes bytes of an RDB value. */
typedef enum status (*rdb_put)(void *arg, const void *bytes, size_t len);

/* Where the parts of a value go; st is the first failure, after which nothing more does. */
struct rdb_out {
	rdb_put put;
	void *arg;
	enum status st;
};
void rdb_out_bytes(struct rdb_out *o, const void *bytes, size_t len);
void rdb_out_len(struct rdb_out *o, uint64_t len);
/* A string, as a number where Redis has it so, and one that never is. */
void rdb_out_string(struct rdb_out *o, struct slice text);
void rdb_out_name(struct rdb_out *o, struct slice name);
/* 8 bytes, little-endian: a time. */
void rdb_out_u64(struct rdb_out *o, uint64_t v);
/* An ID as two lengths, and as 16 bytes. */
void rdb_out_id(struct rdb_out *o, struct stream_id id);
void rdb_out_id_bytes(struct rdb_out *o, struct stream_id id);

/* Entries that are written together. Zeroed: none yet. The first one's strings are kept, as what a
 * walk gives is borrowed until its next step. */
struct stream_node {
	struct stream_id master;
	struct buf first;
	struct listpack entries; /* without a master entry: how many there are is not known yet */
	uint64_t count;
};

/* How many entries, the largest of so many bytes, are written together, so that a piece stays
 * small.
 */
uint64_t stream_node_entries(uint64_t entry_max);

/* Adds an entry, whose ID is behind the one before. ST_CORRUPT, ST_NO_MEMORY. */
MUST_CHECK enum status stream_node_add(struct stream_node *n, struct stream_id id,
				       struct slice value);
/* Writes the ID and the blob of the node, which is empty again. Errors of put, ST_NO_MEMORY. */
MUST_CHECK enum status stream_node_put(struct stream_node *n, rdb_put put, void *arg);
void stream_node_deinit(struct stream_node *n);

#endif
