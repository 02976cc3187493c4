/* What command_host_ops promises of the cluster; h is the server's host. Only while host.cluster is
 * set. Executor thread, within a command. */
#ifndef CAIRN_NET_CLUSTER_HOST_H
#define CAIRN_NET_CLUSTER_HOST_H

#include "cluster/cluster.h"
#include "net/command/command_host.h"

/* See command_host_ops.cluster_command, cluster_publish, each_cluster_link. */
void cluster_host_command(struct command_host *h, const struct slice *argv, unsigned argc,
			  struct cluster_reply *out);
void cluster_host_publish(struct command_host *h, struct slice channel, struct slice payload,
			  bool sharded);
void cluster_host_each_link(struct command_host *h,
			    void (*each)(void *arg, const struct cluster_link_view *l), void *arg);

#endif
