/* Where log lines go: stdout or a file, in Redis's line format, and syslog when asked. */
#ifndef CAIRN_NET_LOG_SINK_H
#define CAIRN_NET_LOG_SINK_H

#include "engine/base/logger.h"

#include <stdbool.h>

/* Begins logging at this level. file "": stdout. syslog_ident NULL: no syslog. The strings are
 * copied; a relative file is looked for in the working directory of the moment. A file that was
 * renamed or removed (logrotate) is created anew with the next line. False: the file can't be
 * opened (errno says why); lines go to stdout then. */
bool log_sink_open(const char *file, enum log_level level, const char *syslog_ident, int facility);

/* The letter that stands for the node's role in each line: M for a primary, S for a replica. Any
 * thread. */
void log_sink_set_role(char letter);

/* Writes one line from a signal handler: no allocation, no lock, no stdio. */
void log_sink_emergency(const char *text);

/* The descriptor that lines go to, for a signal handler. */
int log_sink_fd(void);

#endif
