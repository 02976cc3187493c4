/* "PID:M DD Mon YYYY HH:MM:SS.mmm * text": the line format that tools made for Redis look for. */
#include "net/log_sink.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

static int log_fd = STDOUT_FILENO;
static bool to_syslog;
static char ident[64];

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
	n = snprintf(text, sizeof text, "%d:M %s.%03d %c %s\n", (int)getpid(), date,
		     (int)(now.tv_usec / 1000), marks[level], line);
	if (n >= (int)sizeof text) {
		n = (int)sizeof text - 1;
		text[n - 1] = '\n';
	}
	/* One write per line keeps lines whole when several threads log. */
	if (write(log_fd, text, (size_t)n) < 0) {
		return;
	}
	if (to_syslog) {
		syslog(priorities[level], "%s", line);
	}
}

bool log_sink_open(const char *file, enum log_level level, const char *syslog_ident, int facility)
{
	bool ok = true;

	if (file[0] != 0) {
		int fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

		ok = fd >= 0;
		log_fd = ok ? fd : STDOUT_FILENO;
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
