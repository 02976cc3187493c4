/* Operator commands about slots. */
#include "cluster/operator.h"

#include "cluster/migration.h"
#include "cluster/node_table.h"
#include "cluster/outbox.h"
#include "cluster/role.h"
#include "cluster/slot_map.h"

static bool read_slot(struct cluster *c, struct slice arg, unsigned *out)
{
	int64_t v;

	if (!operator_integer(arg, &v) || v < 0 || v >= SLOTS) {
		operator_error(c, "Invalid or out of range slot");
		return false;
	}
	*out = (unsigned)v;
	return true;
}

/* Adds one slot to the set if it may be added to, or taken from, this node. */
static bool choose(struct cluster *c, unsigned slot, bool adding, struct slot_bits *set)
{
	if (adding && slot_owner(c, slot) != NULL) {
		operator_error(c, "Slot %u is already busy", slot);
		return false;
	}
	if (!adding && slot_owner(c, slot) == NULL) {
		operator_error(c, "Slot %u is already unassigned", slot);
		return false;
	}
	if (slot_bits_get(set, slot)) {
		operator_error(c, "Slot %u specified multiple times", slot);
		return false;
	}
	slot_bits_set(set, slot);
	return true;
}

static void change(struct cluster *c, const struct slot_bits *set, bool adding)
{
	for (unsigned s = 0; s < SLOTS; s++) {
		if (!slot_bits_get(set, s)) {
			continue;
		}
		if (adding) {
			c->importing_from[s] = NONE;
			slot_bind(c, s, self(c));
		} else {
			slot_unbind(c, s);
		}
	}
	need_persist(c, PERSIST_SYNC);
	operator_ok(c);
}

static void run_list(struct cluster *c, const struct slice *argv, unsigned argc, bool adding)
{
	struct slot_bits set = {{0}};
	unsigned slot;

	for (unsigned i = 1; i < argc; i++) {
		if (!read_slot(c, argv[i], &slot)) {
			return;
		}
	}
	for (unsigned i = 1; i < argc; i++) {
		if (!read_slot(c, argv[i], &slot) || !choose(c, slot, adding, &set)) {
			return;
		}
	}
	change(c, &set, adding);
}

static void run_ranges(struct cluster *c, const struct slice *argv, unsigned argc, bool adding)
{
	struct slot_bits set = {{0}};
	unsigned first;
	unsigned last;

	if (argc % 2 == 0) {
		operator_error(c, "wrong number of arguments for 'cluster|%s' command",
			       adding ? "addslotsrange" : "delslotsrange");
		return;
	}
	for (unsigned i = 1; i < argc; i += 2) {
		if (!read_slot(c, argv[i], &first) || !read_slot(c, argv[i + 1], &last)) {
			return;
		}
		if (first > last) {
			operator_error(c, "start slot number %u is greater than end slot number %u",
				       first, last);
			return;
		}
		for (unsigned s = first; s <= last; s++) {
			if (!choose(c, s, adding, &set)) {
				return;
			}
		}
	}
	change(c, &set, adding);
}

void operator_addslots(struct cluster *c, const struct slice *argv, unsigned argc)
{
	run_list(c, argv, argc, true);
}

void operator_addslotsrange(struct cluster *c, const struct slice *argv, unsigned argc)
{
	run_ranges(c, argv, argc, true);
}

void operator_delslots(struct cluster *c, const struct slice *argv, unsigned argc)
{
	run_list(c, argv, argc, false);
}

void operator_delslotsrange(struct cluster *c, const struct slice *argv, unsigned argc)
{
	run_ranges(c, argv, argc, false);
}

void operator_flushslots(struct cluster *c, const struct slice *argv, unsigned argc)
{
	(void)argv;
	(void)argc;
	if (c->keys.total(c->keys.ctx) > 0) {
		operator_error(c, "DB must be empty to perform CLUSTER FLUSHSLOTS.");
		return;
	}
	(void)slot_map_unbind_all(c, self(c));
	need_persist(c, PERSIST_SYNC);
	operator_ok(c);
}

/* The node of MIGRATING and IMPORTING: known, and a primary. */
static struct cnode *peer_of(struct cluster *c, struct slice arg)
{
	struct cnode *n = operator_node(c, arg);

	if (n == NULL) {
		operator_error(c, "I don't know about node %.*s", (int)arg.len,
			       (const char *)arg.data);
		return NULL;
	}
	if (!is_primary(n)) {
		operator_error(c, "Target node is not a master");
		return NULL;
	}
	return n;
}

static void mark_migrating(struct cluster *c, unsigned slot, struct slice arg)
{
	struct cnode *n;

	if (slot_owner(c, slot) != self(c)) {
		operator_error(c, "I'm not the owner of hash slot %u", slot);
		return;
	}
	n = peer_of(c, arg);
	if (n != NULL) {
		c->migrating_to[slot] = n == self(c) ? (uint16_t)NONE : index_of(c, n);
		operator_ok(c);
	}
}

static void mark_importing(struct cluster *c, unsigned slot, struct slice arg)
{
	struct cnode *n;

	if (slot_owner(c, slot) == self(c)) {
		operator_error(c, "I'm already the owner of hash slot %u", slot);
		return;
	}
	n = peer_of(c, arg);
	if (n != NULL) {
		c->importing_from[slot] = n == self(c) ? (uint16_t)NONE : index_of(c, n);
		operator_ok(c);
	}
}

static void assign(struct cluster *c, unsigned slot, struct slice arg)
{
	struct cnode *me = self(c);
	struct cnode *n = operator_node(c, arg);
	bool was_mine = slot_owner(c, slot) == me;
	bool empty = c->keys.in_slot(c->keys.ctx, slot) == 0;

	if (n == NULL) {
		operator_error(c, "Unknown node %.*s", (int)arg.len, (const char *)arg.data);
		return;
	}
	if (!is_primary(n)) {
		operator_error(c, "Target node is not a master");
		return;
	}
	if (was_mine && n != me && !empty) {
		operator_error(
		    c,
		    "Can't assign hashslot %u to a different node while I still hold keys "
		    "for this hash slot.",
		    slot);
		return;
	}
	if (empty) {
		c->migrating_to[slot] = NONE;
	}
	slot_bind(c, slot, n);
	operator_ok(c);
	if (was_mine && n != me && me->slots_count == 0 && c->settings.allow_replica_migration) {
		NOTE(c, "the last slot went to %.*s", SHORT(n));
		role_follow(c, n, ROLE_DEPOSED);
		return;
	}
	if (n == me && c->importing_from[slot] != NONE) {
		migration_import_done(c, slot);
	}
}

void operator_setslot(struct cluster *c, const struct slice *argv, unsigned argc)
{
	unsigned slot;

	if (!is_primary(self(c))) {
		operator_error(c, "Please use SETSLOT only with masters.");
		return;
	}
	if (!read_slot(c, argv[1], &slot)) {
		return;
	}
	if (argc == 4 && operator_is(argv[2], "migrating")) {
		mark_migrating(c, slot, argv[3]);
	} else if (argc == 4 && operator_is(argv[2], "importing")) {
		mark_importing(c, slot, argv[3]);
	} else if (argc == 3 && operator_is(argv[2], "stable")) {
		c->migrating_to[slot] = NONE;
		c->importing_from[slot] = NONE;
		operator_ok(c);
	} else if (argc == 4 && operator_is(argv[2], "node")) {
		assign(c, slot, argv[3]);
	} else {
		operator_error(c, "Invalid CLUSTER SETSLOT action or number of arguments. Try "
				  "CLUSTER HELP");
	}
	if (c->up->reply.kind == REPLY_OK) {
		need_persist(c, PERSIST_SAVE);
	}
}
