/* The verbs of cairn-slot; each in a file of its own. All read only. */
#ifndef CAIRN_TOOLS_SLOT_VERBS_H
#define CAIRN_TOOLS_SLOT_VERBS_H

#include "tools/slot_env.h"
#include "tools/wal_filter.h"

/* As struct tool_verb.run. */
int slot_info(struct tool *t, int argc, char **argv);
int slot_stat(struct tool *t, int argc, char **argv);
int slot_keys(struct tool *t, int argc, char **argv);
int slot_get(struct tool *t, int argc, char **argv);
int slot_dump(struct tool *t, int argc, char **argv);
int slot_digest(struct tool *t, int argc, char **argv);
int slot_diff(struct tool *t, int argc, char **argv);
int slot_check(struct tool *t, int argc, char **argv);

/* Walks the key records of slots that a filter lets pass. each returns EXIT_GO_ON to continue, else
 * the walk ends with that code. keys counts those given to each. Returns EXIT_CLEAN, or the code of
 * an error told already. */
struct slot_scan {
	struct tool *tool;
	const struct slot_env *env;
	const struct wal_filter *filter;
	int (*each)(struct slot_scan *scan, const struct key_record *record);
	void *arg;
	uint64_t keys;
};
int slot_scan_run(struct slot_scan *scan);

/* The bytes a value takes with its record: store keys and stored values. */
MUST_CHECK enum status slot_value_bytes(const struct view *v, const struct key_record *record,
					uint64_t *out);

#endif
