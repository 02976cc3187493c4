/* Who owns which slot, as I see it, and what claims do to that.
 *
 * A slot stays bound to its owner until a claim with a newer config epoch, or the owner's own word,
 * takes it away: the nodes with slots are the voting set, so it shrinks by nothing else but
 * FORGET, RESET and an operator's DELSLOTS. A slot whose owner stopped claiming it (it lists it no
 * more, or became a replica) is marked abandoned: still bound, free for any claimant, and not
 * advertised to others. */
#ifndef CAIRN_CLUSTER_SLOT_MAP_H
#define CAIRN_CLUSTER_SLOT_MAP_H

#include "cluster/cluster_state.h"

/* No slot is bound or marked. */
void slot_map_init(struct cluster *c);

/* The node a slot is bound to, or NULL. */
struct cnode *slot_owner(const struct cluster *c, unsigned slot);

/* The node that serves a slot: its owner if that is a primary, else NULL. */
struct cnode *slot_server(const struct cluster *c, unsigned slot);

/* Binds a slot to n, whatever it was bound to. */
void slot_bind(struct cluster *c, unsigned slot, struct cnode *n);

/* Makes a slot nobody's. */
void slot_unbind(struct cluster *c, unsigned slot);

/* Makes all slots of n nobody's; how many they were. */
unsigned slot_map_unbind_all(struct cluster *c, struct cnode *n);

/* Moves all slots of one node to another. */
void slot_map_move_all(struct cluster *c, struct cnode *from, struct cnode *to);

/* Marks all slots of n abandoned: it is no primary any more. */
void slot_map_abandon(struct cluster *c, struct cnode *n);

/* Applies what a primary says of itself (its header, or an UPDATE about it): it claims bits under
 * epoch. May make this node somebody's replica. */
void slot_map_claim(struct cluster *c, struct cnode *sender, uint64_t epoch,
		    const struct slot_bits *bits);

/* Sends UPDATEs to a node whose claims are older than what I know: one per newer owner. */
void slot_map_advise(struct cluster *c, struct cnode *sender, uint64_t epoch,
		     const struct slot_bits *bits);

/* The slots to be told of n to others: its slots without the abandoned ones. */
void slot_map_advertised(const struct cluster *c, const struct cnode *n, struct slot_bits *out);

#endif
