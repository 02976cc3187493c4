/* cairn-server: arguments, process set-up, the node, and an orderly end. */
#include "engine/base/alloc.h"
#include "engine/base/logger.h"
#include "net/command/command_groups.h"
#include "net/process.h"
#include "net/server.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void usage(void)
{
	(void)printf(
	    "Usage: cairn-server [FILE] [--directive value ...] [-]\n"
	    "       cairn-server -v | --version\n"
	    "       cairn-server -h | --help\n\n"
	    "FILE is a redis.conf-style configuration, - reads more of it from stdin; any "
	    "directive "
	    "can be\n"
	    "given as an option, for example:\n"
	    "       cairn-server --port 7000 --dir /var/lib/cairn --appendfsync everysec\n");
}

/* Under the name redis-server it answers what scripts ask of that program. */
static void version(const char *program)
{
	const char *name = strrchr(program, '/');

	if (strcmp(name == NULL ? program : name + 1, "redis-server") == 0) {
		(void)printf("Redis server v=%s sha=00000000:0 malloc=libc bits=64 build=0 (Cairn "
			     "%s)\n",
			     REDIS_COMPAT_VERSION, CAIRN_VERSION);
		return;
	}
	(void)printf("Cairn server v=%s (compatible with redis %s) bits=%zu\n", CAIRN_VERSION,
		     REDIS_COMPAT_VERSION, sizeof(void *) * 8);
}

static void greet(const struct config *c)
{
	struct buf names = {0};

	logger(LOG_LVL_WARNING, "Cairn is starting: version %s, PID: %d, port %lld", CAIRN_VERSION,
	       (int)getpid(), (long long)config_int(c, CONFIG_PORT));
	if (c->file == NULL) {
		logger(LOG_LVL_WARNING, "Warning: no config file specified, using the default "
					"config. In order to specify a config "
					"file use cairn-server /path/to/cairn.conf");
	} else {
		logger(LOG_LVL_WARNING, "Configuration loaded");
	}
	if (config_meaningless(c, &names)) {
		logger(LOG_LVL_NOTICE,
		       "These directives are accepted but have no meaning here: %.*s",
		       (int)names.len, (const char *)names.data);
	}
	buf_deinit(&names);
}

static void fit_maxclients(struct config *c)
{
	int64_t want = config_int(c, CONFIG_MAXCLIENTS), may = process_raise_fd_limit(want);
	char text[32];

	if (may < want) {
		logger(LOG_LVL_WARNING,
		       "maxclients is lowered from %lld to %lld: the system allows no more open "
		       "files (ulimit -n, LimitNOFILE of systemd).",
		       (long long)want, (long long)may);
		c->number[CONFIG_MAXCLIENTS] = may;
		(void)snprintf(text, sizeof text, "%lld", (long long)may);
		if (config_put_text(c, CONFIG_MAXCLIENTS, text) != ST_OK) {
			return;
		}
	}
}

static int serve(struct config *c, const char *executable)
{
	struct buf error = {0};
	struct server *s;
	int code = 1;

	if (server_open(c, executable, &s, &error, &code) != ST_OK) {
		logger(LOG_LVL_WARNING, "%.*s", (int)error.len, (const char *)error.data);
		buf_deinit(&error);
		return code;
	}
	buf_deinit(&error);
	/* Only now: the pid file of the node that made this one fail is not ours to overwrite. */
	process_write_pid(c);
	logger(LOG_LVL_NOTICE, "Server initialized");
	process_notify(c, "STATUS=Ready to accept connections\nREADY=1\n");
	code = server_run(s);
	process_notify(c, "STOPPING=1\n");
	if (!server_close(s) && code == 0) {
		code = 1;
	}
	process_remove_pid(c);
	logger(LOG_LVL_WARNING, "Cairn is now ready to exit, bye bye...");
	return code;
}

static int fail(struct config *c, struct buf *error, const char *otherwise)
{
	(void)fprintf(stderr, "\n%.*s\n", (int)error->len,
		      error->len > 0 ? (const char *)error->data : "");
	if (error->len == 0) {
		(void)fprintf(stderr, "%s\n", otherwise);
	}
	buf_deinit(error);
	config_deinit(c);
	return 1;
}

static int run(int argc, char **argv)
{
	static struct config config;
	struct buf error = {0};
	enum status st = config_init(&config);

	if (st == ST_OK) {
		st = config_read_args(&config, argc - 1, argv + 1, &error);
	}
	if (st != ST_OK) {
		return fail(&config, &error, status_text(st));
	}
	(void)umask(0077);
	/* While there is a terminal to complain to. */
	if (!process_enter_dir(&config, &error) || !process_open_log(&config, &error) ||
	    !process_daemonize(&config, &error)) {
		return fail(&config, &error, "");
	}
	process_prepare(config_int(&config, CONFIG_CRASH_LOG_ENABLED) != 0);
	greet(&config);
	fit_maxclients(&config);
	int code = serve(&config, argv[0]);

	config_deinit(&config);
	return code;
}

/* The options that redis-server takes in first place only. */
static bool first_option(const char *option, const char *program, int *code)
{
	*code = 0;
	if (strcmp(option, "-v") == 0 || strcmp(option, "--version") == 0) {
		version(program);
	} else if (strcmp(option, "-h") == 0 || strcmp(option, "--help") == 0) {
		usage();
	} else if (strcmp(option, "--test-memory") == 0 || strcmp(option, "--check-system") == 0) {
		(void)fprintf(stderr,
			      "cairn-server has no %s; see memtester(8) and the "
			      "system's own logs.\n",
			      option);
		*code = 1;
	} else {
		return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	int code;

	if (argc >= 2 && first_option(argv[1], argv[0], &code)) {
		return code;
	}
	return run(argc, argv);
}
