/* What EVAL's table and dispatch ask of functions. Private to net/command. */
#ifndef CAIRN_NET_COMMAND_CMD_FUNCTION_H
#define CAIRN_NET_COMMAND_CMD_FUNCTION_H

#include "net/command/command.h"

/* FCALL and FCALL_RO. */
void cmd_fcall(struct command_ctx *ctx);

/* The flags (enum script_flags) of a function; SCRIPT_PLAIN when there is none of that name. */
unsigned function_flags(struct dispatch *d, struct slice name);

#endif
