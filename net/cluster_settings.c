/* cluster-* directives to the core's settings. */
#include "cluster/cluster.h"
#include "net/cluster_node_impl.h"
#include "net/server.h"

#include <stdio.h>

enum { BUS_PORT_OFFSET = 10000, PORT_MAX = 65535, NODE_TIMEOUT_MS_MIN = 20 };

uint16_t cluster_bus_port(const struct server *s)
{
	int64_t port = config_int(s->config, CONFIG_CLUSTER_PORT);

	/* CONFIG SET port does not move the bus. */
	if (s->cluster != NULL && s->cluster->bus_port != 0) {
		return s->cluster->bus_port;
	}
	if (port == 0) {
		port = server_port(s, config_int(s->config, CONFIG_TLS_CLUSTER) != 0) +
		       BUS_PORT_OFFSET;
	}
	return port > PORT_MAX ? 0 : (uint16_t)port;
}

/* Milliseconds as the core counts them. */
static uint32_t timeout_ms(int64_t ms)
{
	if (ms < NODE_TIMEOUT_MS_MIN) {
		return NODE_TIMEOUT_MS_MIN;
	}
	return ms > INT32_MAX ? INT32_MAX : (uint32_t)ms;
}

/* A node's port is that of the kind that the bus is of, its other one of the other kind. */
static void set_client_ports(const struct config *c, struct cluster_settings *out)
{
	uint16_t port = (uint16_t)config_int(c, CONFIG_PORT);
	uint16_t tls_port = (uint16_t)config_int(c, CONFIG_TLS_PORT);
	uint16_t shown = (uint16_t)config_int(c, CONFIG_CLUSTER_ANNOUNCE_PORT);
	uint16_t tls_shown = (uint16_t)config_int(c, CONFIG_CLUSTER_ANNOUNCE_TLS_PORT);

	out->tls_cluster = config_int(c, CONFIG_TLS_CLUSTER) != 0;
	out->addr.port = out->tls_cluster ? tls_port : port;
	out->addr.other_port = out->tls_cluster ? port : tls_port;
	out->announce.port = out->tls_cluster ? tls_shown : shown;
	out->announce.other_port = out->tls_cluster ? shown : tls_shown;
}

void cluster_settings_of(const struct server *s, struct cluster_settings *out)
{
	static const enum cluster_endpoint endpoints[] = {ENDPOINT_IP, ENDPOINT_HOSTNAME,
							  ENDPOINT_UNKNOWN};
	const struct config *c = s->config;

	cluster_settings_default(out);
	out->node_timeout_ms = timeout_ms(config_int(c, CONFIG_CLUSTER_NODE_TIMEOUT));
	out->migration_barrier = (uint32_t)config_int(c, CONFIG_CLUSTER_MIGRATION_BARRIER);
	out->replica_validity_factor = (uint32_t)config_int(c, CONFIG_CLUSTER_VALIDITY_FACTOR);
	out->repl_ping_period_s = (uint32_t)config_int(c, CONFIG_REPL_PING_PERIOD);
	out->require_full_coverage = config_int(c, CONFIG_CLUSTER_FULL_COVERAGE) != 0;
	out->allow_reads_when_down = config_int(c, CONFIG_CLUSTER_READS_WHEN_DOWN) != 0;
	out->allow_pubsubshard_when_down = config_int(c, CONFIG_CLUSTER_PUBSUBSHARD) != 0;
	out->allow_replica_migration = config_int(c, CONFIG_CLUSTER_REPLICA_MIGRATION) != 0;
	out->replica_no_failover = config_int(c, CONFIG_CLUSTER_NO_FAILOVER) != 0;
	out->endpoint = endpoints[config_int(c, CONFIG_CLUSTER_ENDPOINT_TYPE)];
	set_client_ports(c, out);
	out->addr.bus_port = cluster_bus_port(s);
	(void)snprintf(out->announce.ip, sizeof out->announce.ip, "%s",
		       config_text(c, CONFIG_CLUSTER_ANNOUNCE_IP));
	out->announce.bus_port = (uint16_t)config_int(c, CONFIG_CLUSTER_ANNOUNCE_BUS_PORT);
	(void)snprintf(out->hostname, sizeof out->hostname, "%s",
		       config_text(c, CONFIG_CLUSTER_ANNOUNCE_HOSTNAME));
	(void)snprintf(out->name, sizeof out->name, "%s",
		       config_text(c, CONFIG_CLUSTER_ANNOUNCE_HUMAN_NODENAME));
}

static bool accepts_hostname(const char *name, struct buf *error)
{
	if (strlen(name) >= NODE_HOSTNAME_CAP) {
		buf_note(error,
			 "cluster-announce-hostname') - Hostnames must be less than %d "
			 "characters",
			 NODE_HOSTNAME_CAP);
		return false;
	}
	for (const char *at = name; *at != 0; at++) {
		if (!((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
		      (*at >= '0' && *at <= '9') || *at == '-' || *at == '.')) {
			buf_note(error, "cluster-announce-hostname') - Hostnames may only contain "
					"alphanumeric characters, hyphens or dots");
			return false;
		}
	}
	return true;
}

static bool accepts_name(const char *name, struct buf *error)
{
	if (strlen(name) >= NODE_NAME_CAP || !node_name_safe(name, NODE_NAME_CAP)) {
		buf_note(error,
			 "cluster-announce-human-nodename') - Announced human node name contained "
			 "invalid character, or has more than %d; letters, digits and -_./ are "
			 "taken",
			 NODE_NAME_CAP - 1);
		return false;
	}
	return true;
}

bool cluster_settings_valid(const struct config *c, struct buf *error)
{
	const char *ip = config_text(c, CONFIG_CLUSTER_ANNOUNCE_IP);

	if (strlen(ip) >= NODE_IP_CAP || !node_text_safe(ip, strlen(ip) + 1)) {
		buf_note(error,
			 "cluster-announce-ip') - an address has at most %d characters, "
			 "letters, digits and .:-_%% alone",
			 NODE_IP_CAP - 1);
		return false;
	}
	return accepts_hostname(config_text(c, CONFIG_CLUSTER_ANNOUNCE_HOSTNAME), error) &&
	       accepts_name(config_text(c, CONFIG_CLUSTER_ANNOUNCE_HUMAN_NODENAME), error);
}

enum status cluster_node_configure(struct cluster_node *n, struct buf *error)
{
	struct cluster_settings settings;

	if (n == NULL || n->driver == NULL) {
		return ST_OK;
	}
	if (!cluster_settings_valid(n->server->config, error)) {
		return ST_INVALID;
	}
	cluster_settings_of(n->server, &settings);
	cluster_driver_settings(
	    n->driver, &settings,
	    (uint64_t)config_int(n->server->config, CONFIG_CLUSTER_SENDBUF_LIMIT),
	    config_text(n->server->config, CONFIG_BIND_SOURCE_ADDR), n->server->tls);
	return ST_OK;
}
