/* "PID:M DD Mon YYYY HH:MM:SS.mmm * text": the line format that tools made for Redis look for. */
#include "net/log_sink.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = STDOUT_FILENO;
static char log_path[PATH_MAX]; /* "": stdout */
static bool to_syslog;
static char ident[64];
static _Atomic char role = 'M';

static int open_file(const char *file)
{
	return open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* Moves on to a new file when the old one has another name now, or none. Without a descriptor to
 * spare the old one will do. */
static void follow_rotation(void)
{
	struct stat named, open_one;
	int fd;

	if (log_path[0] == 0 ||
	    (stat(log_path, &named) == 0 && fstat(log_fd, &open_one) == 0 &&
	     named.st_ino == open_one.st_ino && named.st_dev == open_one.st_dev)) {
		return;
	}
	fd = open_file(log_path);
	if (fd >= 0) {
		int old = log_fd;

		log_fd = fd;
		if (old != STDOUT_FILENO) {
			(void)close(old);
		}
	}
}

static void sink(void *arg, enum log_level level, const char *line)
{
	static const char marks[] = ".-*#";
	static const int priorities[] = {LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARNING};
	char text[1200], date[64];
	struct timeval now;
	struct tm parts;
	int n;

	(void)arg;
	(void)gettimeofday(&now, NULL);
	(void)localtime_r(&now.tv_sec, &parts);
	(void)strftime(date, sizeof date, "%d %b %Y %H:%M:%S", &parts);
	n = snprintf(text, sizeof text, "%d:%c %s.%03d %c %s\n", (int)getpid(), role, date,
		     (int)(now.tv_usec / 1000), marks[level], line);
	if (n >= (int)sizeof text) {
		n = (int)sizeof text - 1;
		text[n - 1] = '\n';
	}
	/* What a client sent must not look like a line of ours. */
	for (int i = 0; i + 1 < n; i++) {
		if (text[i] == '\n' || text[i] == '\r') {
			text[i] = ' ';
		}
	}
	(void)pthread_mutex_lock(&lock);
	follow_rotation();
	if (write(log_fd, text, (size_t)n) < 0) {
		n = 0; /* nowhere to say so */
	}
	(void)pthread_mutex_unlock(&lock);
	if (to_syslog) {
		syslog(priorities[level], "%s", line);
	}
}

void log_sink_set_role(char letter)
{
	role = letter;
}

bool log_sink_open(const char *file, enum log_level level, const char *syslog_ident, int facility)
{
	bool ok = true;

	if (file[0] != 0) {
		int fd = open_file(file);

		ok = fd >= 0;
		log_fd = ok ? fd : STDOUT_FILENO;
		(void)snprintf(log_path, sizeof log_path, "%s", ok ? file : "");
	}
	if (syslog_ident != NULL) {
		(void)snprintf(ident, sizeof ident, "%s", syslog_ident);
		openlog(ident, LOG_PID | LOG_NDELAY | LOG_NOWAIT, facility);
		to_syslog = true;
	}
	logger_set(sink, NULL, level);
	return ok;
}

void log_sink_emergency(const char *text)
{
	size_t len = strlen(text);

	if (write(log_fd, text, len) < 0) {
		return;
	}
}

int log_sink_fd(void)
{
	return log_fd;
}
