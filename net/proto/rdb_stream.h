/* Streams of an RDB value, given out part by part. Private to net/proto but for the parts. */
#ifndef CAIRN_NET_PROTO_RDB_STREAM_H
#define CAIRN_NET_PROTO_RDB_STREAM_H

#include "engine/base/slice.h"
#include "engine/base/status.h"

struct rdb_stream_id {
	uint64_t ms, seq;
};

/* What is said of the stream as a whole; what versions before 2 do not say is derived as Redis
 * does. */
struct rdb_stream_about {
	uint64_t length, entries_added;
	struct rdb_stream_id last, first, max_deleted;
	bool has_history; /* version 2 or later: first, max_deleted and entries_added were there */
};

struct rdb_stream_group {
	struct slice name;
	struct rdb_stream_id last;
	int64_t entries_read; /* -1: not known */
};

struct rdb_stream_consumer {
	struct slice name;
	uint64_t seen_ms;
	int64_t active_ms; /* -1: never, or not known */
};

/* Who takes the parts, in the order of the payload: entries, about; for each group itself, its
 * pending entries, its consumers, each with the IDs of its pending ones, and the end. Everything is
 * borrowed during the call. Anything but ST_OK ends the decoding with that status. */
struct rdb_stream_sink {
	/* fields_count strings, by turns field and value. */
	enum status (*entry)(void *arg, struct rdb_stream_id id, const struct slice *fields,
			     size_t fields_count);
	enum status (*about)(void *arg, const struct rdb_stream_about *a);
	enum status (*group)(void *arg, const struct rdb_stream_group *g);
	enum status (*pending)(void *arg, struct rdb_stream_id id, uint64_t time_ms,
			       uint64_t deliveries);
	enum status (*consumer)(void *arg, const struct rdb_stream_consumer *c);
	enum status (*owned)(void *arg, struct rdb_stream_id id);
	enum status (*group_end)(void *arg);
};

/* Decodes type and body of a stream's value as rdb_value_decode does; sink NULL: only checks. */
MUST_CHECK enum status rdb_stream_decode(struct slice value, uint64_t string_max,
					 const struct rdb_stream_sink *sink, void *arg);

#endif
