/* What was denied lately, as ACL LOG tells it. */
#ifndef CAIRN_NET_COMMAND_ACL_LOG_H
#define CAIRN_NET_COMMAND_ACL_LOG_H

#include "net/command/acl.h"

/* Where a request was when it was denied. */
enum acl_context {
	ACL_AT_TOP,
	ACL_IN_MULTI,
	ACL_IN_SCRIPT,
};

struct acl_log_entry {
	struct acl_log_entry *older, *newer;
	uint64_t id, count;
	uint64_t created_ms, updated_ms; /* Unix time */
	enum acl_denial denial;
	enum acl_context context;
	struct buf object; /* the command, key or channel; shortened */
	struct buf user;
	struct buf client; /* as CLIENT LIST shows it */
};

/* A zeroed log is a valid empty one that keeps nothing. */
struct acl_log {
	struct acl_log_entry *newest, *oldest;
	size_t len, len_max;
	uint64_t next_id;
	/* All that were denied since the start or CONFIG RESETSTAT, for INFO, by enum acl_denial.
	 */
	uint64_t counts[ACL_DENIED_CHANNEL + 1];
};

/* What happened, borrowed. */
struct acl_event {
	enum acl_denial denial;
	enum acl_context context;
	struct slice object, user, client;
	uint64_t now_ms;
};

/* Notes an event: with one of the last few that was the same within a minute, or anew. Without
 * memory it is only counted. */
void acl_log_add(struct acl_log *log, const struct acl_event *event);

/* Changes how many are kept. */
void acl_log_set_max(struct acl_log *log, size_t len_max);

/* Forgets all entries, not the counts. */
void acl_log_reset(struct acl_log *log);

#endif
