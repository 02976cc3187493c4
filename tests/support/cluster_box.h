/* Commands of a node that is in a cluster: a command_box whose host has a cluster core in memory,
 * started from a nodes.conf text. No bus: what the core wants to send goes nowhere. */
#ifndef CAIRN_TESTS_SUPPORT_CLUSTER_BOX_H
#define CAIRN_TESTS_SUPPORT_CLUSTER_BOX_H

#include "cluster/cluster_state.h"
#include "tests/support/command_box.h"

#define BOX_ME	    "0123456789abcdef0123456789abcdef01234567"
#define BOX_OTHER   "fedcba9876543210fedcba9876543210fedcba98"
#define BOX_REPLICA "00112233445566778899aabbccddeeff00112233"

struct cluster_box {
	struct command_box command; /* first */
	struct cluster *cluster;
	void *memory;
	struct cluster_update up; /* of the last step; what tests do by hand is noted in it */
	struct cluster_settings settings; /* what the next cluster_box_set gives to the core */
	struct buf published;		  /* "channel payload\n" of each message for the bus */
	unsigned published_sharded;
	size_t links; /* how many links the bus says it has */
};

/* Three nodes: this one with slots 0-8191, another primary with 8192-16382, a replica of this one.
 * Nobody has 16383. */
extern const char cluster_box_conf[];

/* Opens with that nodes.conf, healthy and able to write. Asserts on failure. */
void cluster_box_open(struct cluster_box *b, const char *conf);
void cluster_box_close(struct cluster_box *b);

/* The same with cluster_box_conf as fixture of a test: a box on the heap in *state. */
int cluster_box_setup(void **state);
int cluster_box_teardown(void **state);

#define CLUSTER_BOX_TEST(f)                                                                        \
	cmocka_unit_test_setup_teardown(f, cluster_box_setup, cluster_box_teardown)

/* Gives b->settings to the core. */
void cluster_box_set(struct cluster_box *b);

/* Says that all is well now: the cluster is ok and a majority has just answered. */
void cluster_box_heal(struct cluster_box *b);

#endif
