/* cairn-wal: looks into a node's write-ahead log. */
#include "tools/wal_verbs.h"

static const struct tool_verb verbs[] = {
    {"info", "which segments there are: LSNs, times, sizes", wal_info},
    {"dump", "prints records, also while a node writes them", wal_dump},
    {"verify", "reads everything and tells end, torn tail and damage apart", wal_verify},
    {"stats", "records and bytes by command, slot, type, prefix or minute", wal_stats},
    {"replay", "point-in-time recovery, or commands for a running node", wal_replay},
    {"repair", "cuts a damaged or unwanted end off (writes)", wal_repair},
    {"diverge", "what a deposed primary gave up: list, show, diff, put back", wal_diverge},
    {"train-dict", "trains a compression dictionary from what was written", wal_train_dict},
    {NULL, NULL, NULL},
};

int main(int argc, char **argv)
{
	return tool_main("cairn-wal", "the write-ahead log of a Cairn node", verbs, argc, argv);
}
