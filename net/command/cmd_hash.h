/* What the files of hash commands share. Private to them. */
#ifndef CAIRN_NET_COMMAND_CMD_HASH_H
#define CAIRN_NET_COMMAND_CMD_HASH_H

#include "engine/types/type_hash.h"
#include "net/command/command.h"
#include "net/command/command_host.h"

/* What OBJECT ENCODING goes by. */
static inline struct hash_limits hash_limits_of(const struct command_ctx *ctx)
{
	return (struct hash_limits){.entries = ctx->host->hash_max_listpack_entries,
				    .value = ctx->host->hash_max_listpack_value};
}

/* --- requests on fields, in cmd_hash_expiry.c --- */

/* A request on fields of the hash that argument 1 names. */
struct fields_request {
	struct command_ctx *ctx;
	struct store_key key;
	struct meta m;
	bool found;    /* the key */
	int64_t at_ms; /* the time that it names */
	size_t first;  /* argument of the first field; the others follow to the end */
};

/* Looks the hash up. False: the error reply was sent. */
MUST_CHECK bool fields_lookup(struct fields_request *q);

/* FIELDS, their number and they themselves, from argument at on; bad_number: what is said when it
 * is none. False: the error reply was sent. */
MUST_CHECK bool fields_parse(struct fields_request *q, size_t at, const char *bad_number);

/* The time in an argument, of units of unit_ms, as unix ms. False: the error reply was sent. */
MUST_CHECK bool fields_parse_time(struct fields_request *q, size_t arg, int64_t unit_ms,
				  bool absolute);

/* An option that says when fields expire: EX, PX, EXAT or PXAT in argument arg, the time behind it.
 * *is: it is one. False: the error reply was sent. */
MUST_CHECK bool fields_parse_option(struct fields_request *q, size_t arg, bool *is);

#define ERR_FIELDS_NUMBER "ERR Number of fields must be a positive integer"

/* Whether the time of the request has come already: fields that get it go at once. */
static inline bool fields_time_is_past(const struct fields_request *q)
{
	return (uint64_t)q->at_ms <= q->ctx->now_ms;
}

/* Tells what changes of when fields expire, or went, amount to. */
void fields_tell(const struct fields_request *q, const struct hash_timing *t, const char *event);

/* --- commands for the table in cmd_hash.c --- */

/* In cmd_hash_expiry.c. */
void cmd_hexpire(struct command_ctx *ctx);
void cmd_hpexpire(struct command_ctx *ctx);
void cmd_hexpireat(struct command_ctx *ctx);
void cmd_hpexpireat(struct command_ctx *ctx);
void cmd_hpersist(struct command_ctx *ctx);
void cmd_httl(struct command_ctx *ctx);
void cmd_hpttl(struct command_ctx *ctx);
void cmd_hexpiretime(struct command_ctx *ctx);
void cmd_hpexpiretime(struct command_ctx *ctx);

/* In cmd_hash_timed.c. */
void cmd_hgetdel(struct command_ctx *ctx);
void cmd_hgetex(struct command_ctx *ctx);
void cmd_hsetex(struct command_ctx *ctx);

#endif
