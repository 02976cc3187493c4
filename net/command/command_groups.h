/* What the command files share among themselves: subcommand tables, help texts, the version that
 * clients are told. Private to net/command. */
#ifndef CAIRN_NET_COMMAND_COMMAND_GROUPS_H
#define CAIRN_NET_COMMAND_COMMAND_GROUPS_H

#include "net/command/command.h"

/* Clients choose what they use by this: the Redis whose commands Cairn answers like. */
#define REDIS_COMPAT_VERSION "7.2.4"

extern const struct command subcommands_acl[], subcommands_client[], subcommands_object[],
    subcommands_slowlog[], subcommands_latency[], subcommands_config[], subcommands_memory[],
    subcommands_command[], subcommands_function[];

/* ASKING, which lasts until the command after it. */
void cmd_asking(struct command_ctx *ctx);

/* Functions of commands_key that live in files of their own. */
void cmd_expire(struct command_ctx *ctx);
void cmd_expireat(struct command_ctx *ctx);
void cmd_pexpire(struct command_ctx *ctx);
void cmd_pexpireat(struct command_ctx *ctx);
void cmd_persist(struct command_ctx *ctx);
void cmd_ttl(struct command_ctx *ctx);
void cmd_pttl(struct command_ctx *ctx);
void cmd_expiretime(struct command_ctx *ctx);
void cmd_pexpiretime(struct command_ctx *ctx);
void cmd_copy(struct command_ctx *ctx);
void cmd_move(struct command_ctx *ctx);
void cmd_rename(struct command_ctx *ctx);
void cmd_renamenx(struct command_ctx *ctx);
void cmd_scan(struct command_ctx *ctx);
void cmd_sort(struct command_ctx *ctx);
void cmd_sort_ro(struct command_ctx *ctx);
void cmd_keys(struct command_ctx *ctx);
void cmd_randomkey(struct command_ctx *ctx);
void cmd_wait(struct command_ctx *ctx);
void cmd_waitaof(struct command_ctx *ctx);

/* And of commands_server. */
void cmd_info(struct command_ctx *ctx);
void cmd_debug(struct command_ctx *ctx);
void cmd_swapdb(struct command_ctx *ctx);
void cmd_monitor(struct command_ctx *ctx);
void cmd_command(struct command_ctx *ctx);

/* And of CLIENT. */
void cmd_client_tracking(struct command_ctx *ctx);
void cmd_client_caching(struct command_ctx *ctx);
void cmd_client_getredir(struct command_ctx *ctx);
void cmd_client_trackinginfo(struct command_ctx *ctx);

/* And of DEBUG, on the dataset. */
void debug_digest(struct command_ctx *ctx);
void debug_digest_value(struct command_ctx *ctx);
void debug_populate(struct command_ctx *ctx);
void debug_reload(struct command_ctx *ctx);
void debug_load_log(struct command_ctx *ctx);
void debug_change_id(struct command_ctx *ctx);

/* DEBUG's verbs about what only Redis has inside (cmd_debug_inside.c). */
/* Finds the key that argument 2 names. False: the error reply was sent. */
bool debug_find_key(struct command_ctx *ctx, struct store_key *key, struct meta *m);
void debug_sds_len(struct command_ctx *ctx);
void debug_listpack(struct command_ctx *ctx);
void debug_tables(struct command_ctx *ctx);
void debug_key_table(struct command_ctx *ctx);
void debug_reply_buffer(struct command_ctx *ctx);
void debug_replicate(struct command_ctx *ctx);
void debug_client_eviction(struct command_ctx *ctx);
void debug_deny_scripts(struct command_ctx *ctx);
void debug_pause_cron(struct command_ctx *ctx);

/* What OBJECT ENCODING says of a value; a static string. Errors: as engine/keyspace.h. */
MUST_CHECK enum status object_encoding(struct command_ctx *ctx, const struct store_key *key,
				       const struct meta *m, const char **out);

/* The monotonic clock, which waits go by, in milliseconds. */
uint64_t command_mono_ms(const struct command_ctx *ctx);

/* The time argument in argv[arg] (milliseconds from now, not negative) as a deadline of the
 * monotonic clock; 0: for ever. False: the error reply was sent. */
MUST_CHECK bool command_arg_deadline(struct command_ctx *ctx, size_t arg, uint64_t *deadline_ms);

/* True when the command is to be run again later: not past the deadline (0: none) that the first
 * such call of this request gave, and waiting is possible here. */
MUST_CHECK bool command_wait_until(struct command_ctx *ctx, uint64_t deadline_ms);

/* The reply of a HELP subcommand: a head line, then lines, ended by NULL, then HELP itself. */
void command_reply_help(struct command_ctx *ctx, const char *const *lines);

/* "ERR unknown subcommand or wrong number of arguments for 'x'. Try NAME HELP." */
void command_reply_bad_subcommand(struct command_ctx *ctx);

/* Sets the name of the client's connection ("" removes it). False: the error reply was sent. */
MUST_CHECK bool client_set_name(struct command_ctx *ctx, struct slice name);

#endif
