/* Which arguments of a request are keys, also for commands whose options say so. */
#ifndef CAIRN_NET_COMMAND_COMMAND_KEYS_H
#define CAIRN_NET_COMMAND_COMMAND_KEYS_H

#include "net/command/command_facts.h"
#include "net/command/command_table.h"

/* Called for each key. flags: what the command does to it, words with spaces between them, as its
 * specification says ("RW access update"). False ends the walk. */
typedef bool command_key_fn(void *arg, struct slice key, struct slice flags);

/* Walks over the keys of a request by the specifications of its command. Shard channels, which are
 * no keys but are placed like them (flag not_key), are walked only where with_channels. ST_OK;
 * ST_END: each said that it is enough; ST_INVALID: the request makes no sense, or has no keys. */
enum status command_keys_each(const struct command_entry *entry, const struct slice *argv,
			      size_t argc, bool with_channels, command_key_fn *each, void *arg);

/* The same for who has looked up the facts of the command (NULL: none). */
enum status command_keys_each_of(const struct command_facts *f, const struct slice *argv,
				 size_t argc, bool with_channels, command_key_fn *each, void *arg);

/* True for SET and BITFIELD, whose arguments say more exactly than their specification what they do
 * with the key. */
bool command_has_exact_flags(const char *full_name);
/* What they say; for any other command flags as they are. */
struct slice command_exact_flags(const char *full_name, struct slice flags,
				 const struct slice *argv, size_t argc);

/* True when the command has a specification of keys at all. */
bool command_has_keys(const struct command_entry *entry);

#endif
