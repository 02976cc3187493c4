/* Facts about commands that nothing but COMMAND needs: what COMMAND INFO and COMMAND DOCS say
 * beyond a command's row. Data in command_facts_*.c, compact texts that are read when asked for.
 *
 * keys: key specifications, "; " between them; each is "FLAGS, BEGIN, FIND" with BEGIN one of
 *   "index POS", "keyword WORD FROM" and FIND one of "range LAST STEP LIMIT",
 *   "keynum INDEX FIRST STEP", the numbers as COMMAND INFO names them; or "FLAGS, unknown, unknown"
 *   for keys that no such rule finds.
 * args: arguments, "; " between them; each is "NAME TYPE" followed by any of k:KEY_SPEC_INDEX
 *   t:TOKEN s:SINCE d:DEPRECATED_SINCE f:FLAGS (o optional, m multiple, t multiple_token) and, for
 *   oneof and block, by " {arguments}". */
#ifndef CAIRN_NET_COMMAND_COMMAND_FACTS_H
#define CAIRN_NET_COMMAND_COMMAND_FACTS_H

#include "engine/base/slice.h"
#include "net/command/command.h"

struct command_facts {
	const char *name; /* full name: "get", "client|list" */
	const char *since, *group, *complexity, *summary;
	const char *doc_flags, *deprecated_since, *replaced_by; /* NULL: none */
	const char *acl;	 /* categories without '@', spaces between them */
	const char *tips;	 /* NULL: none; spaces between them */
	const char *keys, *args; /* NULL: none */
};

/* Ended by a row of NULL name. */
extern const struct command_facts command_facts_string[], command_facts_collection[],
    command_facts_key[], command_facts_node[], command_facts_cluster[], command_facts_pubsub[],
    command_facts_function[], command_facts_zset[], command_facts_hll[], command_facts_geo[],
    command_facts_set[], command_facts_script[], command_facts_stream[], command_facts_acl[],
    command_facts_lolwut[], command_facts_hash_expiry[];

/* The facts of a command by its full name, or NULL. */
const struct command_facts *command_facts_find(const char *full_name);

/* A decoded key specification. */
struct key_spec {
	struct slice flags; /* words with spaces between them */
	bool unknown;	    /* nothing but the flags is set */
	bool by_keyword;
	struct slice keyword;
	int64_t begin;	/* index; for a keyword: where to look from */
	bool by_number; /* keynum instead of range */
	int64_t find[3];
};

/* Takes the next specification off the front of text; false: there is none. */
bool key_spec_next(struct slice *text, struct key_spec *out);

/* Takes the next word, ended by sep or the end, off the front of text; false: text is empty. */
bool facts_word(struct slice *text, char sep, struct slice *out);

/* Writes an arguments text as COMMAND DOCS does: an array of maps. */
void facts_reply_args(struct resp_writer *w, struct slice args);

/* Writes key specifications as COMMAND INFO does: a set of maps. */
void facts_reply_key_specs(struct resp_writer *w, struct slice keys);

#endif
