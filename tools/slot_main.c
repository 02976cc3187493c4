/* cairn-slot: looks into a node's data directory by slot and key. */
#include "tools/slot_verbs.h"

static const struct tool_verb verbs[] = {
    {"info", "what the data directory is: shard, history, LSNs, file figures", slot_info},
    {"stat", "keys, bytes and expiries: in all, by slot, type or prefix", slot_stat},
    {"keys", "lists keys by slot, pattern, type, size or expiry", slot_keys},
    {"get", "prints one key", slot_get},
    {"dump", "writes keys as commands or JSON", slot_dump},
    {"digest", "a number for each slot's content, equal on nodes with equal keys", slot_digest},
    {"diff", "what two data directories hold differently", slot_diff},
    {"check", "verifies tree, checksums, counters, elements and the expiry index", slot_check},
    {NULL, NULL, NULL},
};

int main(int argc, char **argv)
{
	return tool_main("cairn-slot", "keys and slots of a Cairn data directory, read-only", verbs,
			 argc, argv);
}
