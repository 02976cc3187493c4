/* What a MIGRATE under way consists of; for migrate_job.c and migrate_guard.c. Private to
 * net/command. */
#ifndef CAIRN_NET_COMMAND_MIGRATE_JOB_IMPL_H
#define CAIRN_NET_COMMAND_MIGRATE_JOB_IMPL_H

#include "net/command/migrate_job.h"
#include "net/command/migrate_keys.h"
#include "net/command/value_dump.h"

enum {
	MIGRATE_HOST_LEN = 256,
	MIGRATE_ERROR_LEN = 512, /* bytes of the target's error that are told */
};

struct migration {
	struct dispatch *dispatch;
	struct session *session;
	struct migration *next, **link; /* of all that are under way */
	char host[MIGRATE_HOST_LEN];
	int port;
	int64_t db;
	uint64_t timeout_ms;
	bool copy, replace;
	bool has_user, has_password;
	struct buf user, password;

	struct migrate_keys keys;
	size_t cursor; /* no key before it waits */

	struct migrate_link *to;
	unsigned preamble; /* replies of AUTH and SELECT that are due */
	bool selecting;	   /* the last of them is SELECT's */
	bool barred;	   /* one of them was an error: nothing that follows counts */
	size_t *sent;	   /* places of keys whose replies are due, in order; a ring of count */
	size_t sent_first, sent_len;

	size_t current; /* key being sent; count: none */
	bool measuring; /* its payload's length is not known yet */
	bool headed;	/* its request was begun, so it has to be ended or the connection closed */
	struct store_key key;
	struct value_dump dump;
	uint64_t expire_at_ms;

	bool spoiled; /* a request can't be ended: only replies are taken from this connection */
	bool retried, there_any;
	const char *io_error; /* the reply's text; NULL: none */
	char target_error[MIGRATE_ERROR_LEN];
	struct buf piece, line;
};

#endif
