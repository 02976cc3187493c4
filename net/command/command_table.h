/* All commands joined into one table: lookup by name, and a dense number per command and
 * subcommand for statistics. */
#ifndef CAIRN_NET_COMMAND_COMMAND_TABLE_H
#define CAIRN_NET_COMMAND_COMMAND_TABLE_H

#include "net/command/command.h"

struct command_entry {
	const struct command *cmd;
	const char *full_name; /* "get", "client|list" */
	size_t full_name_len;
	const struct command_entry *parent; /* the container of a subcommand */
	const struct command_entry *subs;   /* subs_count entries */
	size_t subs_count;
	uint32_t index; /* below command_table.count */
	/* What clients call it: full_name, or what rename-command made of it; NULL: removed. */
	const char *called;
	size_t called_len;
};

struct command_table {
	struct command_entry *entries; /* commands first, then subcommands, container by container
					*/
	size_t count, top_count, removed_count; /* removed: by rename-command, of the top ones */
	const struct command_entry **buckets;	/* open addressing by lower-case name */
	size_t buckets_mask;
	char *names;
};

/* Joins the tables of all cmd_*.c. ST_NO_MEMORY. */
MUST_CHECK enum status command_table_init(struct command_table *t);
void command_table_deinit(struct command_table *t);

/* rename-command: clients call the command by another name (borrowed) from now on; an empty one
 * removes it. ST_NOT_FOUND: there is no command from. ST_INVALID: another one is called to. */
MUST_CHECK enum status command_table_rename(struct command_table *t, struct slice from,
					    struct slice to);

/* The command that clients call so, ignoring case, or NULL. */
const struct command_entry *command_table_find(const struct command_table *t, struct slice name);

/* The subcommand of that name, or NULL. */
const struct command_entry *command_entry_sub(const struct command_entry *e, struct slice name);

/* By full name, "get" or "client|list", or NULL. */
const struct command_entry *command_table_find_full(const struct command_table *t,
						    struct slice full_name);

/* What a request runs: the subcommand where the command has some. NULL: no such command. */
const struct command_entry *command_table_resolve(const struct command_table *t,
						  const struct slice *argv, size_t argc);

/* True when the number of arguments fits. */
bool command_arity_ok(const struct command *cmd, size_t argc);

/* The key arguments of a request, one after the other: *at starts at 0; false at the end. For
 * commands whose keys the table says completely (no CMD_MOVABLE_KEYS). */
bool command_key_next(const struct command *cmd, size_t argc, size_t *at);

#endif
