/* The sections of INFO. Private to net/command. */
#ifndef CAIRN_NET_COMMAND_INFO_TEXT_H
#define CAIRN_NET_COMMAND_INFO_TEXT_H

#include "net/command/command_host.h"
#include "net/command/dispatch_state.h"

struct info {
	struct command_ctx *ctx;
	struct buf text;
	enum status st; /* of the first append that failed; nothing is added afterwards */
	struct engine_stats engine;
	struct process_facts process;
	struct replication_view replication;
	unsigned replicas; /* listed so far */
};

/* Appends formatted text. */
void info_add(struct info *in, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A number of bytes as "1.50M". */
struct human_bytes {
	char text[32];
};
struct human_bytes info_human(uint64_t bytes);

/* One section each, head line included. */
void info_server(struct info *in);
void info_clients(struct info *in);
void info_memory(struct info *in);
void info_persistence(struct info *in);
void info_stats(struct info *in);
void info_replication(struct info *in);
void info_cpu(struct info *in);
void info_modules(struct info *in);
void info_commandstats(struct info *in);
void info_errorstats(struct info *in);
void info_latencystats(struct info *in);
void info_cluster(struct info *in);
void info_wal(struct info *in);
void info_storage(struct info *in);
void info_keyspace(struct info *in);

#endif
