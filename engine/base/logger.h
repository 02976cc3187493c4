/* Log lines: levels here, the sink (file, stdout, syslog) chosen by whoever runs the program. */
#ifndef CAIRN_ENGINE_BASE_LOGGER_H
#define CAIRN_ENGINE_BASE_LOGGER_H

enum log_level { LOG_LVL_DEBUG, LOG_LVL_VERBOSE, LOG_LVL_NOTICE, LOG_LVL_WARNING };

/* Receives one line without newline. Any thread. */
typedef void (*logger_sink)(void *arg, enum log_level level, const char *line);

/* Sets the sink and the lowest level that reaches it. Call before other threads start, or with
 * level only changing. A NULL sink drops everything. */
void logger_set(logger_sink sink, void *arg, enum log_level min_level);

/* Changes the lowest level alone. Any thread. */
void logger_set_level(enum log_level min_level);

/* Formats one line (cut at 1023 bytes) and hands it to the sink. errno is preserved. */
void logger(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
