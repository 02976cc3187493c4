/* Key to hash slot: CRC16 (XMODEM) of the key or its hash tag, modulo 16384.
 * Source: Redis Cluster specification, "Key distribution model" and "Hash tags". */
#ifndef CAIRN_ENGINE_BASE_KEYSLOT_H
#define CAIRN_ENGINE_BASE_KEYSLOT_H

#include "engine/base/slice.h"

enum { SLOTS = 16384 };

/* The slot, 0..16383, of a key. A non-empty {tag} after the first '{' is hashed instead of the
 * whole key. */
uint16_t keyslot(struct slice key);

#endif
