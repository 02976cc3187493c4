/* The verbs of cairn-wal; each returns an exit code of tools/tool.h. */
#ifndef CAIRN_TOOLS_WAL_VERBS_H
#define CAIRN_TOOLS_WAL_VERBS_H

#include "tools/log_source.h"
#include "tools/tool_args.h"

/* What segments there are. */
int wal_info(struct tool *t, int argc, char **argv);
/* Records as text or JSON lines. */
int wal_dump(struct tool *t, int argc, char **argv);
/* Reads everything and judges it. */
int wal_verify(struct tool *t, int argc, char **argv);
/* Sums by command, slot, type, prefix or minute. */
int wal_stats(struct tool *t, int argc, char **argv);
/* Does again what the log did. */
int wal_replay(struct tool *t, int argc, char **argv);
/* Cuts the end off. */
int wal_repair(struct tool *t, int argc, char **argv);
/* Given-up records: list, show, diff, replay. */
int wal_diverge(struct tool *t, int argc, char **argv);
/* Trains a compression dictionary. */
int wal_train_dict(struct tool *t, int argc, char **argv);

#endif
