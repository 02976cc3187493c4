/* A seeded generator whose state is a value (xoshiro256**, seeded by splitmix64; Blackman and
 * Vigna, public domain). */
#ifndef CAIRN_ENGINE_BASE_RNG_H
#define CAIRN_ENGINE_BASE_RNG_H

#include <stdint.h>

struct rng {
	uint64_t s[4];
};

/* The same seed gives the same sequence for ever. */
void rng_seed(struct rng *r, uint64_t seed);

/* The next 64 bits. */
uint64_t rng_next(struct rng *r);

/* Uniform in [0, n); n must be positive. */
uint64_t rng_below(struct rng *r, uint64_t n);

#endif
