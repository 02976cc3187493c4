/* The engine under the node: opening it by the configuration, and changing its dataset between two
 * turns (it is closed, its files are put back or replaced, and it is opened again). Clients stay;
 * those that wait for an acknowledgement that can't come any more are closed. Executor thread. */
#ifndef CAIRN_NET_NODE_STORE_H
#define CAIRN_NET_NODE_STORE_H

#include "engine/base/buf.h"
#include "engine/base/status.h"

#include <stdbool.h>

struct divergent_name;
struct server;

/* Opens the engine, as a replica when replicaof is set, and starts what reads from it. Errors of
 * engine_open. */
MUST_CHECK enum status node_store_open(struct server *s, struct buf *error);

/* Goes back to the record lsn: what came after it is archived in divergent/ (*archive, when
 * *records is not 0) and cut off. False: the store has gone further than that, so some or all of it
 * has to be fetched; the records are archived all the same and the old dataset is open again. Ends
 * the process when the directory can't be opened again. */
bool node_store_rewind(struct server *s, uint64_t lsn, struct divergent_name *archive,
		       uint64_t *records);

/* Puts what was fetched anew (engine/refetch.h) into the dataset, for the records that the archive
 * has. False: it can't be done, a full copy is needed, and the old dataset is open again. Ends the
 * process as above. */
bool node_store_take_refetch(struct server *s, const struct divergent_name *archive);

/* Puts the finished full copy (DIR/copy) in the place of the dataset. False: it can't take it, and
 * the old one is open again. Ends the process as above. */
bool node_store_take_copy(struct server *s);

/* Does what host.errand asks for, as soon as no reply waits for the log any more; called between
 * two turns. Ends the process as above. */
void node_store_errand(struct server *s);

#endif
