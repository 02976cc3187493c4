/* The process around the node: signals of crashes, limits, log, directory, daemon, pid file and the
 * supervisor. */
#include "net/process.h"

#include "engine/base/logger.h"
#include "net/log_sink.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

enum { FDS_RESERVED = 32, EXIT_IO_ERROR = 74, FRAMES_MAX = 64 };

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
	backtrace_symbols_fd(frames, n, log_sink_fd());
	if (number == SIGBUS) {
		_exit(EXIT_IO_ERROR);
	}
	(void)signal(number, SIG_DFL);
	(void)raise(number);
}

void process_prepare(bool crash_log)
{
	static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
	struct sigaction act = {.sa_handler = on_crash,
				.sa_flags = (int)(SA_NODEFER | SA_RESETHAND)};

	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	for (size_t i = 0; crash_log && i < sizeof crashes / sizeof crashes[0]; i++) {
		(void)sigaction(crashes[i], &act, NULL);
	}
}

/* --- limits, log, directory --- */

int64_t process_raise_fd_limit(int64_t clients)
{
	rlim_t want = (rlim_t)clients + FDS_RESERVED;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= want) {
		return clients;
	}
	limit.rlim_cur = want;
	if (limit.rlim_max < want) {
		struct rlimit higher = {want, want};

		/* Only the privileged may raise the hard limit. */
		if (setrlimit(RLIMIT_NOFILE, &higher) == 0) {
			return clients;
		}
		limit.rlim_cur = limit.rlim_max;
	}
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur >= want) {
		return clients;
	}
	return limit.rlim_cur > FDS_RESERVED ? (int64_t)(limit.rlim_cur - FDS_RESERVED) : 1;
}

bool process_open_log(const struct config *c, struct buf *error)
{
	static const int facilities[] = {LOG_USER,   LOG_LOCAL0, LOG_LOCAL1, LOG_LOCAL2, LOG_LOCAL3,
					 LOG_LOCAL4, LOG_LOCAL5, LOG_LOCAL6, LOG_LOCAL7};
	const char *file = config_text(c, CONFIG_LOGFILE);
	const char *ident =
	    config_int(c, CONFIG_SYSLOG_ENABLED) != 0 ? config_text(c, CONFIG_SYSLOG_IDENT) : NULL;

	if (!log_sink_open(file, (enum log_level)config_int(c, CONFIG_LOGLEVEL), ident,
			   facilities[config_int(c, CONFIG_SYSLOG_FACILITY)])) {
		buf_note(error, "Can't open the log file %s: %m", file);
		return false;
	}
	return true;
}

bool process_enter_dir(struct config *c, struct buf *error)
{
	const char *dir = config_text(c, CONFIG_DIR);
	char full[PATH_MAX];

	if (dir[0] != 0 && mkdir(dir, 0700) != 0 && errno != EEXIST) {
		buf_note(error, "Can't create the directory '%s' (dir): %m", dir);
		return false;
	}
	if ((dir[0] != 0 && chdir(dir) != 0) || getcwd(full, sizeof full) == NULL) {
		buf_note(error, "Can't chdir to '%s' (dir): %m", dir);
		return false;
	}
	if (config_put_text(c, CONFIG_DIR, full) != ST_OK) {
		buf_note(error, "out of memory");
		return false;
	}
	return true;
}

/* --- daemon and supervisor --- */

const char *process_supervisor(const struct config *c)
{
	const char *mode = config_text(c, CONFIG_SUPERVISED);
	bool any = strcmp(mode, "auto") == 0;

	if ((any || strcmp(mode, "upstart") == 0) && getenv("UPSTART_JOB") != NULL) {
		return "upstart";
	}
	return (any || strcmp(mode, "systemd") == 0) && getenv("NOTIFY_SOCKET") != NULL ? "systemd"
											: NULL;
}

bool process_daemonize(const struct config *c, struct buf *error)
{
	const char *by = process_supervisor(c);
	pid_t child;
	int fd;

	if (by != NULL && strcmp(by, "upstart") == 0) {
		(void)raise(SIGSTOP); /* which upstart takes for "ready" */
	}
	if (by != NULL || config_int(c, CONFIG_DAEMONIZE) == 0) {
		return true;
	}
	child = fork();
	if (child < 0) {
		buf_note(error, "Can't go into the background: %m");
		return false;
	}
	if (child > 0) {
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
	return true;
}

/* Redis's rule: a daemon always has a pid file, others when one is named. */
static const char *pid_path(const struct config *c)
{
	const char *path = config_text(c, CONFIG_PIDFILE);

	return path[0] != 0			      ? path
	       : config_int(c, CONFIG_DAEMONIZE) != 0 ? "/var/run/redis.pid"
						      : NULL;
}

void process_write_pid(const struct config *c)
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

void process_remove_pid(const struct config *c)
{
	if (pid_path(c) != NULL) {
		logger(LOG_LVL_NOTICE, "Removing the pid file.");
		(void)unlink(pid_path(c));
	}
}

void process_notify(const struct config *c, const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	const char *by = process_supervisor(c);
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd;

	if (by == NULL || strcmp(by, "systemd") != 0) {
		return;
	}
	if ((path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof sa.sun_path) {
		logger(LOG_LVL_WARNING, "NOTIFY_SOCKET is no socket's name: %s", path);
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
