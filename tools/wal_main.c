/* cairn-wal: looks into a node's write-ahead log. */
#include "tools/wal_verbs.h"

static const struct tool_verb verbs[] = {
    {"info", "which segments there are: LSNs, times, sizes", wal_info},
    {"dump", "prints records", wal_dump},
    {"verify", "reads everything and tells end, torn tail and damage apart", wal_verify},
    {"stats", "records and bytes by command, slot, type, prefix or minute", wal_stats},
    {"replay", "builds a data directory as of an LSN or a time", wal_replay},
    {NULL, NULL, NULL},
};

int main(int argc, char **argv)
{
	return tool_main("cairn-wal", "the write-ahead log of a Cairn node, read-only", verbs, argc,
			 argv);
}
