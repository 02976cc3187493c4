/* Any text as nodes.conf: refused with a reason, or loaded, saved, and loaded again alike. */
#include "cluster/cluster.h"
#include "cluster/nodes_conf.h"
#include "engine/base/invariant.h"

static uint64_t in_slot(void *ctx, unsigned slot)
{
	(void)ctx;
	(void)slot;
	return 0;
}

static uint64_t total(void *ctx)
{
	(void)ctx;
	return 0;
}

static enum status boot(void *memory, struct slice text, struct cluster **c)
{
	struct cluster_config cfg = {.nodes_max = 8, .now_ms = 1000, .wall_ms = 1000};
	struct cluster_update up;
	char error[160] = "";
	enum status st;

	cluster_settings_default(&cfg.settings);
	cfg.keys = (struct cluster_keys){.in_slot = in_slot, .total = total};
	cfg.conf = text;
	st = cluster_init(memory, &cfg, c, &up, error);
	INVARIANT(st == ST_OK || error[0] != '\0');
	return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t memory[1 << 20] __attribute__((aligned(64)));
	static char once[262144];
	static char twice[262144];
	struct cluster *c;
	size_t len;

	if (boot(memory, slice_of(data, size), &c) != ST_OK) {
		return 0;
	}
	len = cluster_save(c, once, sizeof once);
	INVARIANT(len < sizeof once);
	INVARIANT(boot(memory, slice_of(once, len), &c) == ST_OK);
	/* Another time: pings are stamped with now, shard ids are drawn for those without. */
	len = cluster_save(c, once, sizeof once);
	INVARIANT(boot(memory, slice_of(once, len), &c) == ST_OK);
	INVARIANT(cluster_save(c, twice, sizeof twice) == len && memcmp(once, twice, len) == 0);
	return 0;
}
