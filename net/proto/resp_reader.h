/* RESP requests from bytes, incrementally: multibulk and inline. Pure: owns no socket, copies no
 * argument.
 *
 * The caller keeps the unread bytes in one contiguous buffer and feeds it from the start of the
 * unfinished request; the reader remembers how far it looked, so a large argument arriving in many
 * pieces is not rescanned. The same bytes give the same requests however they are cut (a fuzzed
 * property). */
#ifndef CAIRN_NET_PROTO_RESP_READER_H
#define CAIRN_NET_PROTO_RESP_READER_H

#include "engine/base/slice.h"
#include "engine/base/status.h"

#include <stdbool.h>

enum { RESP_ARGS_MAX = 2147483647 }; /* what the header can say */

struct resp_limits {
	uint64_t args_max; /* RESP_ARGS_MAX; lower means "not authenticated", 10 before AUTH */
	uint64_t bulk_max; /* proto-max-bulk-len */
	uint64_t bulk_unauthenticated_max; /* 16384 before AUTH; 0: none */
	uint64_t inline_max;		   /* 65536 */
};

struct resp_span {
	size_t off, len;
};

/* A zeroed reader is ready. Fields are private to resp_reader.c. */
struct resp_reader {
	int64_t args_left; /* -1: no multibulk header seen yet */
	int64_t bulk_len;  /* -1: the next thing is a bulk header */
	size_t at;	   /* offset parsed so far, from the start of the request */
	size_t scanned;	   /* no end of the present line is before this offset */
	struct resp_span *spans;
	size_t spans_len, spans_cap;
	struct slice *argv;
	size_t argv_cap;
	char *inline_copy; /* unescaped words of a quoted inline request */
	bool started;
	char error[128];
};

/* Caller's memory; nothing is allocated before the first request needs it. */
void resp_reader_init(struct resp_reader *r);
void resp_reader_deinit(struct resp_reader *r);

/* Looks for one request at the start of in.
 * ST_OK: *argv, *argc borrow in and the reader until its next call; *used bytes are to be consumed.
 * argc 0: an empty request, to be skipped without a reply. ST_NEED_MORE: give the same bytes again
 * with more behind them. *used is 0; r->want (below) hints how many. ST_INVALID: protocol error;
 * r->error is the text after "-ERR Protocol error: " as Redis words it. ST_NO_MEMORY. */
MUST_CHECK enum status resp_reader_next(struct resp_reader *r, struct slice in,
					const struct resp_limits *limits, const struct slice **argv,
					size_t *argc, size_t *used);

/* Bytes from the start of the request that are surely needed before it can be complete (0:
 * unknown). */
size_t resp_reader_want(const struct resp_reader *r);

#endif
