/* What people write on a command line, as values: positions, times, sizes, slot ranges, globs.
 * Pure. */
#ifndef CAIRN_TOOLS_TOOL_PARSE_H
#define CAIRN_TOOLS_TOOL_PARSE_H

#include "engine/base/keyslot.h"
#include "engine/base/slice.h"

#include <stdbool.h>

/* A place in the log: "lsn" or "epoch:lsn". */
struct position {
	bool set, has_epoch;
	uint64_t epoch, lsn;
};

/* Orders a record at (epoch, lsn) against a position: negative before, 0 at, positive after it.
 * Without an epoch in the position, LSNs alone decide. */
int position_cmp(uint64_t epoch, uint64_t lsn, const struct position *at);

struct slot_set {
	uint32_t count;
	uint8_t bits[SLOTS / 8];
};

static inline bool slot_set_has(const struct slot_set *s, uint16_t slot)
{
	return (s->bits[slot / 8] >> (slot % 8) & 1) != 0;
}

/* Adds a slot, once. */
void slot_set_add(struct slot_set *s, uint16_t slot);

/* Each returns false when the text is not of the form; *out is then unchanged. */

/* Decimal, the whole text. */
bool parse_u64(const char *text, uint64_t *out);
/* 65536, 64k, 1m, 2g, 1t; powers of 1024; a trailing b or ib is fine. */
bool parse_size(const char *text, uint64_t *out);
bool parse_position(const char *text, struct position *out);
/* Unix seconds (with up to three decimals), milliseconds (12 digits or more), or RFC 3339: a date
 * alone, or with a time of day, fraction, and Z or +hh:mm (UTC without one). */
bool parse_time_ms(const char *text, uint64_t *out);
/* "0-99,812"; adds to *out. */
bool parse_slots(const char *text, struct slot_set *out);
/* 16 hex digits at most, with or without 0x. */
bool parse_hex(const char *text, uint64_t *out);

/* Where a node listens: redis://[[user]:password@]host[:port][/0] as redis-cli -u takes it (with
 * %XX for reserved characters), host:port, or the path of a Unix socket (with a slash in front). */
struct node_address {
	char host[256]; /* or the socket's path */
	char user[128], password[512];
	uint16_t port; /* 0: a Unix socket */
};
bool parse_node_address(const char *text, struct node_address *out);

/* What a quoted word stands for, as the tools print it: "..." with \n \r \t \\ \" and \xHH; without
 * quotes the text is taken as it is. Writes at most strlen(text) bytes to dst, which may be text;
 * false: a quote is missing or an escape is none. */
bool parse_quoted(const char *text, uint8_t *dst, size_t *len);

/* Glob as in KEYS: * ? [a-z] [^x] \x. Work is bounded by pattern length times text length. */
bool glob_fits(struct slice pattern, struct slice text);

/* True when the comma-separated list holds the word, ignoring ASCII case. */
bool list_has(const char *list, struct slice word);

#endif
