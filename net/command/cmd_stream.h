/* What the files of stream commands share. Private to them. */
#ifndef CAIRN_NET_COMMAND_CMD_STREAM_H
#define CAIRN_NET_COMMAND_CMD_STREAM_H

#include "engine/types/stream_group.h"
#include "net/command/command.h"

/* --- cmd_stream_id.c: IDs and entries as arguments and replies --- */

/* How an ID may look. */
enum stream_id_form {
	STREAM_ID_STRICT, /* MS, MS-SEQ */
	STREAM_ID_ANY,	  /* also - and + */
};

/* Reads an ID; missing_seq: when there is none. auto_seq: MS-* is possible, and whether it was that
 * (NULL: it is not). False: it is none. */
MUST_CHECK bool stream_parse_id(struct slice text, enum stream_id_form form, uint64_t missing_seq,
				bool *auto_seq, struct stream_id *out);

/* The same of argv[arg]. False: the error reply was sent. */
MUST_CHECK bool stream_arg_id(struct command_ctx *ctx, size_t arg, enum stream_id_form form,
			      uint64_t missing_seq, bool *auto_seq, struct stream_id *out);

/* All of argv[first..], strictly, into ids (emptied before) as struct stream_id. False: the error
 * reply was sent. */
MUST_CHECK bool stream_args_ids(struct command_ctx *ctx, size_t first, struct buf *ids);

/* A start or (end) an end of an interval, where ( excludes. False: the error reply was sent. */
MUST_CHECK bool stream_arg_bound(struct command_ctx *ctx, size_t arg, bool end,
				 struct stream_id *out);

/* An ID as a bulk. */
void stream_reply_id(struct command_ctx *ctx, struct stream_id id);

/* One entry: its ID, and an array of its fields and values. */
MUST_CHECK enum status stream_reply_entry(struct command_ctx *ctx, struct stream_id id,
					  struct slice value);

/* An array of the entries from..to, at most count (0: all). ids (NULL: none) gets their IDs as
 * struct stream_id. */
MUST_CHECK enum status stream_reply_range(struct command_ctx *ctx, const struct stream *s,
					  struct stream_id from, struct stream_id to, bool reverse,
					  uint64_t count, struct buf *ids);

/* --- cmd_stream.c --- */

/* Looks argv[arg]'s stream up. False: the error reply was sent. *found false: there is none, and s
 * is not set. */
MUST_CHECK bool stream_lookup(struct command_ctx *ctx, size_t arg, struct store_key *key,
			      struct stream *s, bool *found);

/* The same, counted as a keyspace hit or miss whatever the command: for those on what is pending,
 * which read and write. */
MUST_CHECK bool stream_lookup_counted(struct command_ctx *ctx, size_t arg, struct store_key *key,
				      struct stream *s, bool *found);

/* Writes the stream; an error is replied to instead of what was said so far. */
void stream_finish(struct command_ctx *ctx, struct stream *s, enum status st);

/* --- cmd_stream_group.c --- */

/* The stream of argv[1] and its group argv[2]. False: the error reply was sent; without group,
 * "NOGROUP No such key ... or consumer group ...". */
MUST_CHECK bool stream_lookup_group(struct command_ctx *ctx, struct store_key *key,
				    struct stream *s, struct stream_group *g);

/* The group's consumer of that name, made when there is none; it has been seen now. Not written
 * when it was there: to be put by the caller. */
MUST_CHECK enum status stream_use_consumer(struct command_ctx *ctx, struct stream *s,
					   struct stream_group *g, struct slice name,
					   struct stream_consumer *out);

/* Whether an entry behind the first one was deleted at or behind from. */
MUST_CHECK enum status stream_has_gaps(const struct stream *s, struct stream_id from, bool *out);

/* How many entries were added up to id as far as that can be told; STREAM_READS_UNKNOWN. */
MUST_CHECK enum status stream_distance(const struct stream *s, struct stream_id id, int64_t *out);

/* --- commands of the other files, for the table in cmd_stream.c --- */
void cmd_xread(struct command_ctx *ctx);
void cmd_xreadgroup(struct command_ctx *ctx);
void cmd_xack(struct command_ctx *ctx);
void cmd_xpending(struct command_ctx *ctx);
void cmd_xclaim(struct command_ctx *ctx);
void cmd_xautoclaim(struct command_ctx *ctx);

extern const struct command subcommands_xgroup[], subcommands_xinfo[];

#endif
