/* cairn-server: arguments, process set-up, the node, and an orderly end. */
#include "engine/base/alloc.h"
#include "engine/base/logger.h"
#include "net/log_sink.h"
#include "net/server.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

enum { FDS_RESERVED = 32, EXIT_IO_ERROR = 74, FRAMES_MAX = 64 };

static void usage(void)
{
	(void)printf(
	    "Usage: cairn-server [FILE | -] [--directive value ...]\n"
	    "       cairn-server -v | --version\n"
	    "       cairn-server -h | --help\n\n"
	    "FILE is a redis.conf-style configuration (- reads it from stdin); any directive can "
	    "be given\n"
	    "as an option, for example:\n"
	    "       cairn-server --port 7000 --dir /var/lib/cairn --appendfsync everysec\n");
}

/* --- crashes --- */

/* A page that can't be read raises SIGBUS: nothing it held may be served, so the node ends. */
static void on_crash(int number)
{
	void *frames[FRAMES_MAX];
	int n;

	log_sink_emergency(
	    number == SIGBUS ? "=== CAIRN: SIGBUS: a page of the store could not be read (disk "
			       "error or truncated "
			       "file); stopping, so that nothing wrong is served ===\n"
			     : "=== CAIRN BUG REPORT: the node crashed by a signal; stack: ===\n");
	n = backtrace(frames, FRAMES_MAX);
	backtrace_symbols_fd(frames, n, STDERR_FILENO);
	if (number == SIGBUS) {
		_exit(EXIT_IO_ERROR);
	}
	(void)signal(number, SIG_DFL);
	(void)raise(number);
}

static void set_signals(bool crash_log)
{
	static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
	struct sigaction act = {.sa_handler = on_crash,
				.sa_flags = (int)(SA_NODEFER | SA_RESETHAND)};

	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	for (size_t i = 0; crash_log && i < sizeof crashes / sizeof crashes[0]; i++) {
		(void)sigaction(crashes[i], &act, NULL);
	}
}

/* --- the process --- */

static void raise_fd_limit(struct config *c)
{
	rlim_t want = (rlim_t)config_int(c, CONFIG_MAXCLIENTS) + FDS_RESERVED;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= want) {
		return;
	}
	limit.rlim_cur =
	    limit.rlim_max != RLIM_INFINITY && limit.rlim_max < want ? limit.rlim_max : want;
	if (limit.rlim_max < limit.rlim_cur) {
		limit.rlim_max = limit.rlim_cur;
	}
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < want) {
		c->number[CONFIG_MAXCLIENTS] =
		    limit.rlim_cur > FDS_RESERVED ? (int64_t)(limit.rlim_cur - FDS_RESERVED) : 1;
		logger(LOG_LVL_WARNING,
		       "maxclients is lowered to %lld: the system allows %llu open files.",
		       (long long)c->number[CONFIG_MAXCLIENTS], (unsigned long long)limit.rlim_cur);
	}
}

/* Tells systemd (or whoever reads NOTIFY_SOCKET) a state. */
static void notify_supervisor(const struct config *c, const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	const char *mode = config_text(c, CONFIG_SUPERVISED);
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd;

	if (path == NULL || (strcmp(mode, "systemd") != 0 && strcmp(mode, "auto") != 0) ||
	    strlen(path) >= sizeof sa.sun_path) {
		return;
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return;
	}
	memcpy(sa.sun_path, path, strlen(path));
	if (sa.sun_path[0] == '@') {
		sa.sun_path[0] = 0;
	}
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&sa,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))) < 0) {
		logger(LOG_LVL_WARNING, "cannot notify the supervisor: %m");
	}
	(void)close(fd);
}

static void daemonize(void)
{
	int fd;

	if (fork() != 0) {
		_exit(0);
	}
	(void)setsid();
	fd = open("/dev/null", O_RDWR);
	if (fd >= 0) {
		(void)dup2(fd, STDIN_FILENO);
		(void)dup2(fd, STDOUT_FILENO);
		(void)dup2(fd, STDERR_FILENO);
		if (fd > STDERR_FILENO) {
			(void)close(fd);
		}
	}
}

/* Redis's rule: a daemon always has a pid file, others when one is named. */
static const char *pid_path(const struct config *c)
{
	const char *path = config_text(c, CONFIG_PIDFILE);

	return path[0] != 0			      ? path
	       : config_int(c, CONFIG_DAEMONIZE) != 0 ? "/var/run/redis.pid"
						      : NULL;
}

static void write_pid(const struct config *c)
{
	const char *path = pid_path(c);
	FILE *f;

	if (path == NULL) {
		return;
	}
	f = fopen(path, "we");
	if (f == NULL) {
		logger(LOG_LVL_WARNING, "Failed to write PID file %s: %m", path);
		return;
	}
	(void)fprintf(f, "%d\n", (int)getpid());
	(void)fclose(f);
}

static bool open_log(const struct config *c)
{
	static const int facilities[] = {LOG_USER,   LOG_LOCAL0, LOG_LOCAL1, LOG_LOCAL2, LOG_LOCAL3,
					 LOG_LOCAL4, LOG_LOCAL5, LOG_LOCAL6, LOG_LOCAL7};
	const char *ident =
	    config_int(c, CONFIG_SYSLOG_ENABLED) != 0 ? config_text(c, CONFIG_SYSLOG_IDENT) : NULL;

	if (!log_sink_open(config_text(c, CONFIG_LOGFILE),
			   (enum log_level)config_int(c, CONFIG_LOGLEVEL), ident,
			   facilities[config_int(c, CONFIG_SYSLOG_FACILITY)])) {
		(void)fprintf(stderr, "Can't open the log file %s: %m\n",
			      config_text(c, CONFIG_LOGFILE));
		return false;
	}
	return true;
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

/* Paths are resolved as redis-server does: the log file before the change of directory, the rest
 * after it. */
static bool enter_dir(const struct config *c)
{
	const char *dir = config_text(c, CONFIG_DIR);

	if (dir[0] == 0) {
		return true;
	}
	if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
		(void)fprintf(stderr, "Can't create '%s': %m\n", dir);
		return false;
	}
	if (chdir(dir) != 0) {
		(void)fprintf(stderr, "Can't chdir to '%s': %m\n", dir);
		return false;
	}
	return true;
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
	logger(LOG_LVL_NOTICE, "Server initialized");
	notify_supervisor(c, "STATUS=Ready to accept connections\nREADY=1\n");
	code = server_run(s);
	notify_supervisor(c, "STOPPING=1\n");
	server_close(s);
	if (pid_path(c) != NULL) {
		logger(LOG_LVL_NOTICE, "Removing the pid file.");
		(void)unlink(pid_path(c));
	}
	logger(LOG_LVL_WARNING, "Cairn is now ready to exit, bye bye...");
	return code;
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
		(void)fprintf(stderr, "\n%.*s\n", (int)error.len,
			      error.len > 0 ? (const char *)error.data : status_text(st));
		buf_deinit(&error);
		config_deinit(&config);
		return 1;
	}
	(void)umask(0077);
	if (!enter_dir(&config)) {
		return 1;
	}
	if (config_int(&config, CONFIG_DAEMONIZE) != 0 &&
	    strcmp(config_text(&config, CONFIG_SUPERVISED), "no") == 0) {
		daemonize();
	}
	if (!open_log(&config)) {
		return 1;
	}
	set_signals(config_int(&config, CONFIG_CRASH_LOG_ENABLED) != 0);
	write_pid(&config);
	greet(&config);
	raise_fd_limit(&config);
	int code = serve(&config, argv[0]);

	config_deinit(&config);
	return code;
}

int main(int argc, char **argv)
{
	if (argc == 2 && (strcmp(argv[1], "-v") == 0 || strcmp(argv[1], "--version") == 0)) {
		(void)printf("Cairn server v=%s (compatible with redis 7.0.15) bits=64\n",
			     CAIRN_VERSION);
		return 0;
	}
	if (argc == 2 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0)) {
		usage();
		return 0;
	}
	return run(argc, argv);
}
