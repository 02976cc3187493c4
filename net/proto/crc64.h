/* CRC-64 of Redis's serialized values (Jones polynomial, reflected, no inversion). Pure.
 * Source: the parameters and the check value of the Redis protocol: "123456789" gives
 * e9c6d914c4b8d9ca. */
#ifndef CAIRN_NET_PROTO_CRC64_H
#define CAIRN_NET_PROTO_CRC64_H

#include "engine/base/slice.h"

/* Continues crc (0 at the beginning) over bytes. Any thread. */
uint64_t crc64(uint64_t crc, struct slice bytes);

#endif
