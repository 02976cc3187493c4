/* What commands ask of the cluster beyond its views: changes, messages, facts of links. */
#include "net/cluster_host.h"

#include "cluster/cluster_view.h"
#include "net/cluster_node_impl.h"
#include "net/server.h"

void cluster_host_command(struct command_host *h, const struct slice *argv, unsigned argc,
			  struct cluster_reply *out)
{
	struct cluster_node *n = server_of_host(h)->cluster;
	struct cluster_event ev = {.kind = CLUSTER_EV_COMMAND};

	ev.command.argv = argv;
	ev.command.argc = argc;
	n->in_command = true;
	cluster_driver_event(n->driver, &ev, out);
	n->in_command = false;
}

void cluster_host_publish(struct command_host *h, struct slice channel, struct slice payload,
			  bool sharded)
{
	struct cluster_node *n = server_of_host(h)->cluster;
	struct cluster_event ev = {.kind = CLUSTER_EV_PUBLISH};

	ev.publish.channel = channel;
	ev.publish.payload = payload;
	ev.publish.sharded = sharded;
	cluster_driver_event(n->driver, &ev, NULL);
}

static void tell_link(const struct cluster_node *n, const struct cluster_view_node *of,
		      bool inbound, void (*each)(void *arg, const struct cluster_link_view *l),
		      void *arg)
{
	struct bus_link_info info;
	struct cluster_link_view v;

	if (!cluster_driver_link(n->driver, inbound ? of->inbound : of->link, &info)) {
		return;
	}
	v = (struct cluster_link_view){
	    .inbound = inbound,
	    .writing = info.writes_wait,
	    .node_id = of->id,
	    .created_wall_ms = info.created_wall_ms,
	    .buffer_allocated = info.output_cap,
	    .buffer_used = info.output_bytes,
	};
	each(arg, &v);
}

void cluster_host_each_link(struct command_host *h,
			    void (*each)(void *arg, const struct cluster_link_view *l), void *arg)
{
	const struct cluster_node *n = server_of_host(h)->cluster;
	const struct cluster *c = cluster_driver_core(n->driver);

	for (uint16_t i = 0; i < cluster_view_places(c); i++) {
		struct cluster_view_node of;

		if (cluster_view_node(c, i, &of)) {
			tell_link(n, &of, false, each, arg);
			tell_link(n, &of, true, each, arg);
		}
	}
}
