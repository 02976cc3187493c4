/* What dispatch asks of the script commands. Private to net/command. */
#ifndef CAIRN_NET_COMMAND_CMD_SCRIPT_H
#define CAIRN_NET_COMMAND_CMD_SCRIPT_H

#include "net/command/command.h"

/* The flags (enum script_flags) of the script that a request of EVAL or its kin would run;
 * SCRIPT_PLAIN when there is none. */
unsigned script_flags_of_request(struct dispatch *d, const struct command *cmd,
				 const struct slice *argv, size_t argc);

#endif
