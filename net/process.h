/* The process around the node: what main.c sets up before the node runs, and undoes after it. */
#ifndef CAIRN_NET_PROCESS_H
#define CAIRN_NET_PROCESS_H

#include "net/config.h"

/* Ignores SIGPIPE and SIGHUP, and gives up gaining privileges. crash_log: a crash leaves a line and
 * its stack in the log; a page of the store that can't be read (SIGBUS) ends the process with
 * 74. */
void process_prepare(bool crash_log);

/* Lets so many clients connect, beside the node's own files. Returns how many the system allows, at
 * most clients. */
int64_t process_raise_fd_limit(int64_t clients);

/* Opens the log file or syslog. False: error says why. */
bool process_open_log(const struct config *c, struct buf *error);

/* Creates (0700) and enters dir; the configuration has its absolute path afterwards. False: error
 * says why. */
bool process_enter_dir(struct config *c, struct buf *error);

/* Goes into the background when daemonize says so and nobody supervises; the parent exits with 0.
 * Tells upstart. False: error says why. */
bool process_daemonize(const struct config *c, struct buf *error);

/* Writes the pid file where one is asked for, or for a daemon (as Redis does). A failure is logged.
 */
void process_write_pid(const struct config *c);
/* Removes it. */
void process_remove_pid(const struct config *c);

/* What supervises: "systemd", "upstart" or NULL; auto looks at what it left in the environment. */
const char *process_supervisor(const struct config *c);

/* Tells systemd, or whoever reads NOTIFY_SOCKET, a state; without supervision nothing. */
void process_notify(const struct config *c, const char *state);

#endif
