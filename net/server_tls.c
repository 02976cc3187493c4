/* The tls-* directives in this node. */
#include "engine/base/logger.h"
#include "net/server.h"

/* Those whose change loads everything anew, as in Redis: the name of a file says nothing of what is
 * in it now. */
static const enum config_id directives[] = {CONFIG_TLS_PORT,
					    CONFIG_TLS_CLUSTER,
					    CONFIG_TLS_REPLICATION,
					    CONFIG_TLS_AUTH_CLIENTS,
					    CONFIG_TLS_CERT_FILE,
					    CONFIG_TLS_KEY_FILE,
					    CONFIG_TLS_KEY_FILE_PASS,
					    CONFIG_TLS_CLIENT_CERT_FILE,
					    CONFIG_TLS_CLIENT_KEY_FILE,
					    CONFIG_TLS_CLIENT_KEY_FILE_PASS,
					    CONFIG_TLS_DH_PARAMS_FILE,
					    CONFIG_TLS_CA_CERT_FILE,
					    CONFIG_TLS_CA_CERT_DIR,
					    CONFIG_TLS_PROTOCOLS,
					    CONFIG_TLS_CIPHERS,
					    CONFIG_TLS_CIPHERSUITES,
					    CONFIG_TLS_PREFER_SERVER_CIPHERS,
					    CONFIG_TLS_SESSION_CACHING,
					    CONFIG_TLS_SESSION_CACHE_SIZE,
					    CONFIG_TLS_SESSION_CACHE_TIMEOUT};

enum { DIRECTIVES = sizeof directives / sizeof directives[0] };

bool server_tls_changed(const bool changed[])
{
	return server_tls_changed_name(changed) != NULL;
}

const char *server_tls_changed_name(const bool changed[])
{
	for (int i = 0; i < DIRECTIVES; i++) {
		if (changed[directives[i]]) {
			return config_name(directives[i]);
		}
	}
	return NULL;
}

static void settings_of(const struct config *c, struct tls_settings *out)
{
	*out = (struct tls_settings){
	    .cert_file = config_text(c, CONFIG_TLS_CERT_FILE),
	    .key_file = config_text(c, CONFIG_TLS_KEY_FILE),
	    .key_file_pass = config_text(c, CONFIG_TLS_KEY_FILE_PASS),
	    .client_cert_file = config_text(c, CONFIG_TLS_CLIENT_CERT_FILE),
	    .client_key_file = config_text(c, CONFIG_TLS_CLIENT_KEY_FILE),
	    .client_key_file_pass = config_text(c, CONFIG_TLS_CLIENT_KEY_FILE_PASS),
	    .dh_params_file = config_text(c, CONFIG_TLS_DH_PARAMS_FILE),
	    .ca_cert_file = config_text(c, CONFIG_TLS_CA_CERT_FILE),
	    .ca_cert_dir = config_text(c, CONFIG_TLS_CA_CERT_DIR),
	    .protocols = config_text(c, CONFIG_TLS_PROTOCOLS),
	    .ciphers = config_text(c, CONFIG_TLS_CIPHERS),
	    .ciphersuites = config_text(c, CONFIG_TLS_CIPHERSUITES),
	    .prefer_server_ciphers = config_int(c, CONFIG_TLS_PREFER_SERVER_CIPHERS) != 0,
	    .session_caching = config_int(c, CONFIG_TLS_SESSION_CACHING) != 0,
	    .session_cache_size = (long)config_int(c, CONFIG_TLS_SESSION_CACHE_SIZE),
	    .session_cache_timeout_s = (long)config_int(c, CONFIG_TLS_SESSION_CACHE_TIMEOUT),
	    .needs_ca = config_int(c, CONFIG_TLS_AUTH_CLIENTS) != TLS_AUTH_NO ||
			config_int(c, CONFIG_TLS_CLUSTER) != 0 ||
			config_int(c, CONFIG_TLS_REPLICATION) != 0,
	};
}

enum status server_tls_configure(struct server *s, struct buf *error)
{
	const struct config *c = s->config;
	struct tls_settings settings;
	struct buf why = {0};
	enum status st;

	if (config_int(c, CONFIG_TLS_PORT) == 0 && config_int(c, CONFIG_TLS_CLUSTER) == 0 &&
	    config_int(c, CONFIG_TLS_REPLICATION) == 0) {
		return ST_OK;
	}
	settings_of(c, &settings);
	st = tls_load(s->tls, &settings, &why);
	if (st != ST_OK) {
		logger(LOG_LVL_WARNING, "%.*s", (int)why.len, (const char *)why.data);
		if (error != NULL) {
			buf_note(error, "Failed to configure TLS: %.*s", (int)why.len,
				 (const char *)why.data);
		}
	}
	buf_deinit(&why);
	return st;
}

bool server_tls_connector(const struct server *s, bool wanted, struct ssl_st **out)
{
	*out = wanted ? tls_connector(s->tls) : NULL;
	return !wanted || *out != NULL;
}

int server_port(const struct server *s, bool tls)
{
	int port = (int)config_int(s->config, CONFIG_PORT);
	int tls_port = (int)config_int(s->config, CONFIG_TLS_PORT);

	if (tls) {
		return tls_port != 0 ? tls_port : port;
	}
	return port != 0 ? port : tls_port;
}
