/* The state that outlives a restart: between nodes.conf's rows and the tables. */
#ifndef CAIRN_CLUSTER_CONF_FILE_H
#define CAIRN_CLUSTER_CONF_FILE_H

#include "cluster/cluster_state.h"
#include "cluster/nodes_conf.h"

/* Fills empty tables from the text. ST_CORRUPT, ST_LIMIT: error says what and where. */
MUST_CHECK enum status conf_file_load(struct cluster *c, struct slice text, char error[160]);

/* Where a node's line goes: nodes.conf lists the slots of a former primary too, since they count in
 * the voting set. CLUSTER NODES does not, and has the port for clients of the asker's kind. */
enum conf_use { CONF_SAVED, CONF_SHOWN_PLAIN, CONF_SHOWN_TLS };

/* Appends a node's line without its end. */
void conf_file_put_node(const struct cluster *c, const struct cnode *n, enum conf_use use,
			struct conf_text *t);

#endif
