/* Adding libraries: one by its code, or those of a payload, all or none. Private to net/command. */
#ifndef CAIRN_NET_COMMAND_FUNCTION_RESTORE_H
#define CAIRN_NET_COMMAND_FUNCTION_RESTORE_H

#include "net/command/command.h"

enum restore_policy { RESTORE_APPEND, RESTORE_REPLACE, RESTORE_FLUSH };

/* Each sends its reply. The table of functions must be what the engine has (functions_sync), and is
 * so again afterwards, unless the batch is undone. */
void function_load(struct command_ctx *ctx, struct slice code, bool replace);
void function_restore(struct command_ctx *ctx, struct slice payload, enum restore_policy policy);

#endif
