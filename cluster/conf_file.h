/* The state that outlives a restart: between nodes.conf's rows and the tables. */
#ifndef CAIRN_CLUSTER_CONF_FILE_H
#define CAIRN_CLUSTER_CONF_FILE_H

#include "cluster/cluster_state.h"
#include "cluster/nodes_conf.h"

/* Fills empty tables from the text. ST_CORRUPT, ST_LIMIT: error says what and where. */
MUST_CHECK enum status conf_file_load(struct cluster *c, struct slice text, char error[160]);

/* Appends a node's line without its end. shown: for CLUSTER NODES, which does not list the slots of
 * a former primary; nodes.conf does, since they count in the voting set. */
void conf_file_put_node(const struct cluster *c, const struct cnode *n, bool shown,
			struct conf_text *t);

#endif
