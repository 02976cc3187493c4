/* Formatting and level filter of log lines. */
#include "engine/base/logger.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>

static _Atomic(logger_sink) the_sink;
static _Atomic(void *) the_arg;
static _Atomic int the_level = LOG_LVL_NOTICE;

void logger_set(logger_sink sink, void *arg, enum log_level min_level)
{
	atomic_store(&the_arg, arg);
	atomic_store(&the_level, (int)min_level);
	atomic_store(&the_sink, sink);
}

void logger_set_level(enum log_level min_level)
{
	atomic_store(&the_level, (int)min_level);
}

void logger(enum log_level level, const char *fmt, ...)
{
	logger_sink sink = atomic_load(&the_sink);
	int saved = errno;
	char line[1024];
	va_list ap;

	if (sink == NULL || (int)level < atomic_load(&the_level)) {
		return;
	}
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	sink(atomic_load(&the_arg), level, line);
	errno = saved;
}
