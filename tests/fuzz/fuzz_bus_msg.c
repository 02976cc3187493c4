/* Bytes from a stranger on the bus: nothing crashes, and no slot, epoch or role changes. Then the
 * same bytes in the name of a known node: whatever it makes the node believe, epochs do not fall
 * and the node can save and load what it believes. */
#include "cluster/cluster_state.h"
#include "cluster/cluster_view.h"
#include "engine/base/alloc.h"
#include "engine/base/invariant.h"

#define ME    "0123456789abcdef0123456789abcdef01234567"
#define OTHER "fedcba9876543210fedcba9876543210fedcba98"
#define THIRD "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const char conf[] = ME " 10.0.0.1:7000@17000 myself,master - 0 0 3 connected 0-8191\n" OTHER
			      " 10.0.0.2:7001@17001 master - 0 0 2 connected 8192-16383\n" THIRD
			      " 10.0.0.3:7001@17001 slave " OTHER " 0 0 2 connected\n"
			      "vars currentEpoch 5 lastVoteEpoch 4\n";

static uint64_t in_slot(void *ctx, unsigned slot)
{
	(void)ctx;
	return slot % 2;
}

static uint64_t total(void *ctx)
{
	(void)ctx;
	return 1;
}

static struct cluster *boot(void *memory, struct slice text)
{
	struct cluster_config cfg = {.nodes_max = 8, .now_ms = 1000, .wall_ms = 1000};
	struct cluster_update up;
	struct cluster *c;
	char error[160];

	cluster_settings_default(&cfg.settings);
	cfg.keys = (struct cluster_keys){.in_slot = in_slot, .total = total};
	cfg.conf = text;
	INVARIANT(cluster_init(memory, &cfg, &c, &up, error) == ST_OK);
	return c;
}

static void drain(struct cluster *c, const struct cluster_update *up)
{
	static uint8_t buf[65536];

	for (size_t i = 0; i < up->ops_count; i++) {
		struct cluster_send_cursor cursor = {0};
		struct bus_msg m;
		uint64_t link;
		size_t len;

		while (up->ops[i].kind == OP_SEND &&
		       cluster_send_next(c, &up->ops[i], &cursor, buf, sizeof buf, &link, &len)) {
			INVARIANT(bus_msg_decode(slice_of(buf, len), &m) == ST_OK);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t memory[1 << 20] __attribute__((aligned(64)));
	static char text[262144];
	struct cluster_event ev = {.kind = CLUSTER_EV_MESSAGE, .now_ms = 1001, .wall_ms = 1001};
	struct cluster *c = boot(memory, slice_str(conf));
	struct cluster_update up;
	uint16_t owner[SLOTS];
	uint8_t *copy;
	uint64_t epoch;
	size_t len;

	memcpy(owner, c->owner, sizeof owner);
	ev.message.link = CLUSTER_LINK_INBOUND | 1;
	ev.message.bytes = slice_of(data, size);
	ev.message.peer_ip = "10.9.9.9";
	ev.message.local_ip = "10.0.0.1";
	if (size < BUS_HEADER_LEN || (memcmp(data + 40, OTHER, NODE_ID_LEN) != 0 &&
				      memcmp(data + 40, THIRD, NODE_ID_LEN) != 0)) {
		cluster_step(c, &ev, &up);
		drain(c, &up);
		INVARIANT(memcmp(owner, c->owner, sizeof owner) == 0);
		INVARIANT(c->current_epoch == 5 && c->last_vote_epoch == 4);
		INVARIANT(is_primary(self(c)) && self(c)->config_epoch == 3);
	}
	if (size < BUS_HEADER_LEN) {
		return 0;
	}
	copy = mem_alloc(size);
	INVARIANT(copy != NULL);
	memcpy(copy, data, size);
	memcpy(copy + 40, size % 2 == 0 ? OTHER : THIRD, NODE_ID_LEN);
	ev.message.bytes = slice_of(copy, size);
	ev.message.link = CLUSTER_LINK_INBOUND | 2;
	epoch = c->current_epoch;
	for (int i = 0; i < 3; i++) {
		ev.now_ms += 7000;
		ev.wall_ms += 7000;
		cluster_step(c, &ev, &up);
		drain(c, &up);
		INVARIANT(c->current_epoch >= epoch && c->last_vote_epoch <= c->current_epoch);
	}
	mem_free(copy);
	len = cluster_save(c, text, sizeof text);
	INVARIANT(len < sizeof text);
	(void)boot(memory, slice_of(text, len));
	return 0;
}
