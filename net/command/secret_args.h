/* Which arguments of a request are passwords, and so not to be shown by SLOWLOG and the like. */
#ifndef CAIRN_NET_COMMAND_SECRET_ARGS_H
#define CAIRN_NET_COMMAND_SECRET_ARGS_H

#include "engine/base/slice.h"

/* What is shown in the place of one. */
#define SECRET_SHOWN "(redacted)"

/* True when the command, by its full name, may have secret arguments at all. */
bool command_has_secrets(const char *full_name);

/* True when argv[i] of such a request is one. */
bool command_arg_is_secret(const char *full_name, const struct slice *argv, size_t argc, size_t i);

#endif
