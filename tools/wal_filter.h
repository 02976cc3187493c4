/* Which records and operations of a log a verb is asked about. */
#ifndef CAIRN_TOOLS_WAL_FILTER_H
#define CAIRN_TOOLS_WAL_FILTER_H

#include "engine/export/translate.h"
#include "tools/log_source.h"
#include "tools/tool_args.h"

/* Targets of the options in WAL_FILTER_OPTIONS; start with WAL_FILTER_INIT. */
struct wal_filter {
	struct position start, end; /* inclusive */
	uint64_t since, until;	    /* Unix ms: from since on, before until */
	uint64_t epoch, timeline, client;
	const char *key, *prefix, *match, *cmds, *types;
	struct slot_set slots;
};

#define WAL_FILTER_INIT                                                                            \
	{                                                                                          \
		.until = UINT64_MAX, .epoch = UINT64_MAX                                           \
	}

#define WAL_POSITION_OPTIONS(f)                                                                    \
	{                                                                                          \
	    "start", 's', OPT_POSITION, &(f)->start, "POS", "first position (LSN or EPOCH:LSN)",   \
	    NULL},                                                                                 \
	    {"end", 'e', OPT_POSITION, &(f)->end, "POS", "last position", NULL},                   \
	    {"since",  0,                                                                          \
	     OPT_TIME, &(f)->since,                                                                \
	     "TIME",   "records of this time or later\n(Unix seconds or ms, or RFC 3339)",         \
	     NULL},                                                                                \
	{                                                                                          \
		"until", 0, OPT_TIME, &(f)->until, "TIME", "records before this time", NULL        \
	}

#define WAL_KEY_OPTIONS(f)                                                                         \
	{"slot", 0, OPT_SLOTS, &(f)->slots, "RANGES", "only these slots, as 0-99,812", NULL},      \
	    {"key", 0, OPT_TEXT, &(f)->key, "KEY", "only this key", NULL},                         \
	    {"prefix", 0, OPT_TEXT, &(f)->prefix, "TEXT", "only keys that begin so", NULL},        \
	{                                                                                          \
		"match", 0, OPT_TEXT, &(f)->match, "GLOB", "only keys that fit, as in KEYS", NULL  \
	}

#define WAL_FILTER_OPTIONS(f)                                                                      \
	WAL_KEY_OPTIONS(f),                                                                        \
	    {"cmd", 0, OPT_TEXT, &(f)->cmds, "NAMES", "only these commands, as set,del", NULL},    \
	    {"type", 0, OPT_TEXT, &(f)->types, "NAMES", "only these types, as hash,set", NULL},    \
	    {"epoch", 0, OPT_U64, &(f)->epoch, "N", "only this epoch", NULL},                      \
	    {"history", 0, OPT_HEX, &(f)->timeline, "ID", "only this timeline", NULL},             \
	{                                                                                          \
		"client", 0, OPT_U64, &(f)->client, "ID", "only this client id", NULL              \
	}

/* What position, time, command, epoch, timeline and client say. */
bool wal_filter_record(const struct wal_filter *f, const struct wal_record *rec,
		       const struct log_place *place);
/* True when no record from this one on can pass, as far as its position tells. */
bool wal_filter_past(const struct wal_filter *f, const struct wal_record *rec,
		     const struct log_place *place);
/* What slot, key and type say. An operation whose key is not known passes no key filter; a flush,
 * which is about every key, passes all. */
bool wal_filter_op(const struct wal_filter *f, const struct op_facts *facts);
/* True when wal_filter_op may refuse anything. */
bool wal_filter_has_ops(const struct wal_filter *f);
/* A key alone, with its slot. */
bool wal_filter_key(const struct wal_filter *f, struct slice key, uint16_t slot);

/* The keys that it lets through, for the translator; f stays borrowed. */
struct key_choice wal_filter_choice(const struct wal_filter *f);

#endif
