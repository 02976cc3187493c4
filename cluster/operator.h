/* The subcommands of CLUSTER that change state, as an operator or redis-cli --cluster gives them.
 *
 * They come as a COMMAND event with the words after CLUSTER; error texts are Redis's. Known:
 * ADDSLOTS ADDSLOTSRANGE BUMPEPOCH DELSLOTS DELSLOTSRANGE FAILOVER FLUSHSLOTS FORGET MEET REPLICATE
 * RESET SAVECONFIG SET-CONFIG-EPOCH SETSLOT. */
#ifndef CAIRN_CLUSTER_OPERATOR_H
#define CAIRN_CLUSTER_OPERATOR_H

#include "cluster/cluster_state.h"

/* Carries out a command; the reply is in the update. Nothing changes when it is an error. */
void operator_command(struct cluster *c, const struct slice *argv, unsigned argc);

/* A command's implementation: argv[0] is its name, argc is within its bounds. */
typedef void operator_run(struct cluster *c, const struct slice *argv, unsigned argc);

/* Those about slots, in operator_slots.c. */
operator_run operator_addslots, operator_addslotsrange, operator_delslots, operator_delslotsrange,
    operator_flushslots, operator_setslot;

/* Replies, for the implementations. */
void operator_ok(struct cluster *c);
void operator_error(struct cluster *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* An argument as a decimal integer; false when it is none. */
bool operator_integer(struct slice arg, int64_t *out);

/* True when an argument is that word, in any case. */
bool operator_is(struct slice arg, const char *word);

/* The node that an argument names exactly, or NULL. */
struct cnode *operator_node(const struct cluster *c, struct slice arg);

#endif
