/* What goes wrong, and what operators do, at random times. */
#include "tests/sim/sim.h"

#include "cluster/cluster_view.h"

#include "engine/base/bytes.h"

static bool chance(struct sim *s, unsigned percent)
{
	return rng_below(&s->rng, 100) < percent;
}

static unsigned any_node(struct sim *s)
{
	return (unsigned)rng_below(&s->rng, s->node_count);
}

static bool draw(struct rng *r, unsigned percent)
{
	return rng_below(r, 100) < percent;
}

void sim_faults_draw(struct sim_options *o, uint64_t seed, unsigned nodes_max)
{
	static const uint32_t timeouts[] = {500, 1000, 2000, 2000, 5000, 15000};
	static const uint64_t starts[] = {UINT64_C(1) << 31, UINT64_C(1) << 32,
					  (UINT64_C(1) << 63) - 500, 1000};
	struct rng r;
	struct sim_faults *f = &o->faults;

	memset(o, 0, sizeof *o);
	o->seed = seed;
	rng_seed(&r, seed ^ 0x5eed);
	o->nodes = 3 + (unsigned)rng_below(&r, 13);
	if (nodes_max > 16 && rng_below(&r, 20) == 0) {
		o->nodes = 16 + (unsigned)rng_below(&r, nodes_max - 15);
	}
	if (o->nodes > nodes_max) {
		o->nodes = nodes_max;
	}
	o->primaries = o->nodes < 6 ? 3 : o->nodes / (2 + (unsigned)rng_below(&r, 2));
	o->primaries = o->primaries < 3 ? 3 : o->primaries;
	o->timeout_ms = timeouts[rng_below(&r, sizeof timeouts / sizeof timeouts[0])];
	if (draw(&r, 10)) {
		o->epoch_start = starts[rng_below(&r, sizeof starts / sizeof starts[0])];
	}
	f->crashes = draw(&r, 60);
	f->power_losses = draw(&r, 30);
	f->partitions = draw(&r, 60);
	f->one_way = draw(&r, 25);
	f->resets = draw(&r, 30);
	f->delays = draw(&r, 30);
	f->pauses = draw(&r, 30);
	f->slow_disks = draw(&r, 25);
	f->skew = draw(&r, 40);
	f->moves = draw(&r, 10);
	f->operators = draw(&r, 40);
	f->equal_epochs = draw(&r, 10);
	f->garbage = draw(&r, 20);
	f->lost_stores = draw(&r, 10);
}

/* Lets go of a partition of random shape. */
static void mend(struct sim *s)
{
	size_t pairs = (size_t)s->node_count * s->node_count;

	sim_say(s, "the network is whole again");
	memset(s->cut, 0, pairs * sizeof *s->cut);
}

static void partition(struct sim *s)
{
	unsigned shape = (unsigned)rng_below(&s->rng, 3);
	bool one_way = s->opts.faults.one_way && (!s->opts.faults.partitions || chance(s, 50));
	unsigned alone = any_node(s);
	static bool side[SIM_NODES_MAX];

	mend(s);
	for (unsigned i = 0; i < s->node_count; i++) {
		side[i] = shape == 0 ? i == alone : shape == 1 ? chance(s, 50) : i < alone;
	}
	for (unsigned a = 0; a < s->node_count; a++) {
		for (unsigned b = 0; b < s->node_count; b++) {
			if (side[a] != side[b] && (!one_way || side[a])) {
				sim_cut(s, a, b, true);
			}
		}
	}
	if (one_way) {
		s->unclean = true;
	}
	if (s->opts.trace != NULL) {
		char text[SIM_NODES_MAX + 1];

		for (unsigned i = 0; i < s->node_count; i++) {
			text[i] = side[i] ? '1' : '0';
		}
		text[s->node_count] = '\0';
		sim_say(s, "cut%s: %s", one_way ? " in one direction" : "", text);
	}
}

static void crash(struct sim *s)
{
	unsigned i = any_node(s);
	struct sim_node *n = &s->nodes[i];
	bool power = s->opts.faults.power_losses && (!s->opts.faults.crashes || chance(s, 50));
	uint64_t back = chance(s, 30) ? rng_below(&s->rng, 150 * SIM_MS)
				      : rng_below(&s->rng, 8 * s->opts.timeout_ms * SIM_MS);

	if (!n->alive) {
		return;
	}
	sim_kill(s, i, power);
	if (s->opts.faults.moves && chance(s, 50)) {
		n->address += 64;
		sim_say(s, "node %u has another address", i);
	}
	if (s->opts.faults.lost_stores && chance(s, 30) && n->durable != NULL) {
		sim_say(s, "node %u has lost its store", i);
		n->engine.lsn = 0;
		n->engine.history.count = 0;
		n->engine.complete = false;
		n->cfg.store_is_new = true;
	}
	sim_push(s, s->now_us + back + SIM_MS, SIM_EV_RESTART, i, 0, 0);
}

/* Bytes from somebody who does not belong here must change nothing: C14. */
static uint64_t digest(const struct cluster *c)
{
	uint64_t h = c->current_epoch * 31 + c->last_vote_epoch;

	for (unsigned i = 0; i < SLOTS; i++) {
		h = (h ^ c->owner[i]) * UINT64_C(0x100000001b3);
	}
	FOR_EACH_NODE(c, n)
	{
		if (!has_flag(n, NODE_HANDSHAKE)) {
			h = (h ^ n->config_epoch ^ n->flags << 7 ^ n->primary) *
			    UINT64_C(0x100000001b3);
		}
	}
	return h;
}

static size_t forge(struct sim *s, const struct cluster *c, uint8_t *buf)
{
	static const enum bus_type types[] = {
	    BUS_PING, BUS_PONG, BUS_FAIL, BUS_UPDATE, BUS_AUTH_REQUEST, BUS_AUTH_ACK, BUS_MFSTART};
	static struct slot_bits all;
	struct bus_header h = {.flags = NODE_PRIMARY, .mflags = BUS_FORCEACK | BUS_PAUSED};
	size_t len = BUS_HEADER_LEN;

	memset(&all, 0xff, sizeof all);
	h.type = (uint16_t)types[rng_below(&s->rng, sizeof types / sizeof types[0])];
	h.slots = &all;
	h.current_epoch = h.config_epoch = c->current_epoch + rng_below(&s->rng, 1000);
	memset(h.sender.text, 'x', NODE_ID_LEN);
	h.addr.port = 1;
	h.addr.bus_port = 2;
	bus_put_header(buf, &h);
	if (h.type == BUS_FAIL) {
		len = bus_put_fail(buf, &self(c)->id);
	} else if (h.type == BUS_UPDATE) {
		len = bus_put_update(buf, h.current_epoch, &self(c)->id, &all);
	}
	return len;
}

static void stranger(struct sim *s)
{
	static uint8_t bytes[8192];
	struct sim_node *n = &s->nodes[any_node(s)];
	struct cluster_event ev = {.kind = CLUSTER_EV_MESSAGE};
	uint64_t before;
	size_t len;

	if (!n->alive || n->blocked_until_us > s->now_us) {
		return;
	}
	len = forge(s, n->c, bytes);
	if (chance(s, 50)) {
		for (int i = 0; i < 4; i++) {
			bytes[rng_below(&s->rng, len)] = (uint8_t)rng_next(&s->rng);
		}
		/* Not by chance the id of somebody known. */
		memset(bytes + 40, 'x', NODE_ID_LEN);
	}
	if (bytes[12] == 0 && bytes[13] == BUS_MEET) {
		return; /* that one may introduce itself */
	}
	/* Time passes first, so that what follows is due to the bytes alone. */
	ev.kind = CLUSTER_EV_TIME;
	sim_step(s, n, &ev);
	before = digest(n->c);
	ev = (struct cluster_event){.kind = CLUSTER_EV_MESSAGE};
	ev.message.link = CLUSTER_LINK_INBOUND | UINT64_C(1) << 60 | 1;
	ev.message.bytes = slice_of(bytes, len);
	ev.message.peer_ip = "192.168.0.1";
	ev.message.local_ip = "10.0.0.1";
	sim_step(s, n, &ev);
	if (digest(n->c) != before) {
		sim_broken(s, "C14: bytes of a stranger changed node %u", n->index);
	}
}

static void hold_back(struct sim *s)
{
	unsigned a = any_node(s);
	unsigned b = any_node(s);

	if (a != b) {
		s->unclean = true;
		s->hold_until_us[a * s->node_count + b] =
		    s->now_us + SIM_S + rng_below(&s->rng, 7 * SIM_S);
		sim_say(s, "what %u says to %u is held back", a, b);
	}
}

static void one_fault(struct sim *s)
{
	const struct sim_faults *f = &s->opts.faults;

	switch (rng_below(&s->rng, 10)) {
	case 0:
	case 1:
		if (f->crashes || f->power_losses) {
			crash(s);
		}
		break;
	case 2:
	case 3:
		if (f->partitions || f->one_way) {
			if (chance(s, 60)) {
				partition(s);
			} else {
				mend(s);
			}
		}
		break;
	case 4:
		if (f->resets) {
			sim_reset_links(s, any_node(s));
		}
		break;
	case 5:
		if (f->delays) {
			hold_back(s);
		}
		break;
	case 6:
		if (f->pauses) {
			sim_pause(s, any_node(s),
				  rng_below(&s->rng, 3 * s->opts.timeout_ms * SIM_MS));
		}
		break;
	case 7:
		if (f->slow_disks) {
			s->nodes[any_node(s)].disk_slow_us =
			    chance(s, 50) ? 0 : rng_below(&s->rng, 400 * SIM_MS);
		}
		break;
	case 8:
		if (f->garbage) {
			stranger(s);
		}
		break;
	default:
		break;
	}
}

void sim_fault(struct sim *s)
{
	if (!s->faults_on) {
		return;
	}
	one_fault(s);
	sim_push(s, s->now_us + rng_below(&s->rng, 2 * s->opts.timeout_ms * SIM_MS + SIM_S),
		 SIM_EV_FAULT, 0, 0, 0);
}

static const char *id_of(const struct sim *s, unsigned i)
{
	return self(s->nodes[i].c)->id.text;
}

static bool is_up(const struct sim *s, unsigned i)
{
	return s->nodes[i].alive && s->nodes[i].blocked_until_us <= s->now_us;
}

/* One step of moving a slot, as redis-cli does it: one command at a time. */
static void reshard_step(struct sim *s)
{
	struct sim_reshard *r = &s->reshard;
	bool good = false;

	switch (r->step++) {
	case 0:
		good = sim_command(s, r->to, "SETSLOT %u IMPORTING %s", r->slot, id_of(s, r->from));
		break;
	case 1:
		good = sim_command(s, r->from, "SETSLOT %u MIGRATING %s", r->slot, id_of(s, r->to));
		break;
	case 2:
		/* The keys are moved first, which takes a connection between the two: without it
		 * an operator is told so and stops. */
		good = sim_path_open(s, r->from, r->to) &&
		       sim_command(s, r->to, "SETSLOT %u NODE %s", r->slot, id_of(s, r->to));
		break;
	case 3:
		good = sim_command(s, r->from, "SETSLOT %u NODE %s", r->slot, id_of(s, r->to));
		break;
	default:
		break;
	}
	if (!good || r->step == 4) {
		if (!good) {
			(void)sim_command(s, r->to, "SETSLOT %u STABLE", r->slot);
			(void)sim_command(s, r->from, "SETSLOT %u STABLE", r->slot);
		}
		r->busy = false;
	}
}

static void reshard_begin(struct sim *s)
{
	unsigned from = any_node(s);
	unsigned to = any_node(s);
	const struct cnode *n;

	if (from == to || !is_up(s, from) || !is_up(s, to)) {
		return;
	}
	n = self(s->nodes[from].c);
	if (!is_primary(n) || n->slots_count < 10 || !is_primary(self(s->nodes[to].c))) {
		return;
	}
	for (unsigned i = 0; i < SLOTS; i++) {
		if (slot_bits_get(&n->slots, i)) {
			s->unclean = true; /* both serve it for an instant: asking decides */
			s->reshard =
			    (struct sim_reshard){.busy = true, .slot = i, .from = from, .to = to};
			return;
		}
	}
}

/* Whether node i counts another one's vote: forgotten by command, it would take fewer votes there
 * to win, and as many as ever where it is known what became of its slots. */
static bool takes_for_voter(const struct sim *s, unsigned i, unsigned other)
{
	const struct cluster *c = s->nodes[i].c;

	FOR_EACH_NODE(c, n)
	{
		if (node_id_eq(&n->id, &self(s->nodes[other].c)->id)) {
			return is_voter(n);
		}
	}
	return false;
}

/* Takes a replica out of the cluster, as del-node does; it comes back after the minute that it is
 * forgotten for. */
static void forget(struct sim *s)
{
	unsigned gone = any_node(s);

	if (s->returning != SIM_NODES_MAX || !is_up(s, gone) || s->node_count < 5 ||
	    is_primary(self(s->nodes[gone].c))) {
		return;
	}
	for (unsigned i = 0; i < s->node_count; i++) {
		if (i != gone && (!is_up(s, i) || takes_for_voter(s, i, gone))) {
			return; /* an operator would wait until all are there, and know its role */
		}
	}
	for (unsigned i = 0; i < s->node_count; i++) {
		if (i != gone) {
			(void)sim_command(s, i, "FORGET %s", id_of(s, gone));
		}
	}
	s->nodes[gone].keys = 0;
	(void)sim_command(s, gone, "RESET SOFT");
	s->returning = gone;
	s->return_us = s->now_us + 65 * SIM_S;
}

static void come_back(struct sim *s)
{
	unsigned i = s->returning;
	unsigned via = any_node(s);

	if (!is_up(s, i) || !is_up(s, via) || via == i) {
		return;
	}
	if (s->nodes[i].c->nodes_count > 2) {
		s->returning = SIM_NODES_MAX; /* it is in: gossip does the rest */
		return;
	}
	(void)sim_command(s, i, "MEET 10.0.%u.%u 6379", s->nodes[via].address >> 8,
			  s->nodes[via].address & 255);
}

static void one_command(struct sim *s)
{
	unsigned i = any_node(s);
	const struct cnode *me;

	if (!is_up(s, i)) {
		return;
	}
	me = self(s->nodes[i].c);
	switch (rng_below(&s->rng, s->opts.faults.equal_epochs ? 10 : 7)) {
	case 0:
	case 1:
		if (is_replica(me)) {
			(void)sim_command(s, i, "FAILOVER");
		}
		break;
	case 2:
		if (is_replica(me)) {
			s->unclean = true;
			(void)sim_command(s, i, "FAILOVER FORCE");
		}
		break;
	case 3:
		reshard_begin(s);
		break;
	case 4:
		forget(s);
		break;
	case 5:
		if (is_primary(me) && me->slots_count > 0) {
			sim_stop(s, i);
		}
		break;
	case 6:
		if (is_replica(me) || me->slots_count == 0) {
			unsigned to = any_node(s);

			if (s->nodes[to].c != NULL) {
				(void)sim_command(s, i, "REPLICATE %s", id_of(s, to));
			}
		}
		break;
	default:
		s->unclean = true;
		for (unsigned k = 0; k < s->node_count; k++) {
			/* Many at one moment: the same epoch is taken more than once. */
			if (is_up(s, k) && chance(s, 40)) {
				(void)sim_command(s, k,
						  is_replica(self(s->nodes[k].c))
						      ? "FAILOVER TAKEOVER"
						      : "BUMPEPOCH");
			}
		}
		break;
	}
}

void sim_operator(struct sim *s)
{
	uint64_t pause = 2 * SIM_S + rng_below(&s->rng, 10 * SIM_S);

	if (!s->faults_on) {
		return;
	}
	if (s->returning != SIM_NODES_MAX && s->now_us > s->return_us) {
		come_back(s);
	} else if (s->reshard.busy) {
		reshard_step(s);
		pause = 5 * SIM_MS + rng_below(&s->rng, 300 * SIM_MS);
	} else {
		one_command(s);
	}
	sim_push(s, s->now_us + pause, SIM_EV_OPERATOR, 0, 0, 0);
}

static bool somebody_claims(const struct sim *s, unsigned slot)
{
	for (unsigned i = 0; i < s->node_count; i++) {
		if (is_primary(self(s->nodes[i].c)) &&
		    slot_bits_get(&self(s->nodes[i].c)->slots, slot)) {
			return true;
		}
	}
	return false;
}

static void cover(struct sim *s, unsigned slot)
{
	for (unsigned i = 0; i < s->node_count; i++) {
		if (self(s->nodes[i].c)->slots_count > 0 && is_primary(self(s->nodes[i].c))) {
			(void)sim_command(s, i, "DELSLOTS %u", slot);
			(void)sim_command(s, i, "ADDSLOTS %u", slot);
			(void)sim_command(s, i, "BUMPEPOCH");
			return;
		}
	}
}

static void introduce(struct sim *s, unsigned i)
{
	for (unsigned k = 0; k < s->node_count; k++) {
		const struct cluster *c = s->nodes[i].c;
		const struct cnode *known = NULL;

		FOR_EACH_NODE(c, n)
		{
			if (node_id_eq(&n->id, &self(s->nodes[k].c)->id)) {
				known = n;
			}
		}
		if (i != k && (known == NULL || known->link_state != LINK_UP)) {
			(void)sim_command(s, i, "MEET 10.0.%u.%u 6379", s->nodes[k].address >> 8,
					  s->nodes[k].address & 255);
		}
	}
}

void sim_repair(struct sim *s)
{
	for (unsigned i = 0; i < s->node_count && s->violations == 0; i++) {
		for (unsigned slot = 0; slot < SLOTS; slot++) {
			const struct cluster *c = s->nodes[i].c;

			if (c->migrating_to[slot] != NONE || c->importing_from[slot] != NONE) {
				(void)sim_command(s, i, "SETSLOT %u STABLE", slot);
			}
		}
		introduce(s, i);
	}
	for (unsigned slot = 0; slot < SLOTS && s->opts.faults.operators; slot++) {
		if (!somebody_claims(s, slot)) {
			cover(s, slot);
		}
	}
}
