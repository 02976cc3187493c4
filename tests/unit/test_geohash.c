/* Positions as numbers: known ones, there and back, distances, and that an area's ranges miss
 * nothing that lies in it. */
#include "engine/types/geohash.h"

#include "engine/base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct geo_point palermo = {13.361389, 38.115556}, catania = {15.087269, 37.502669};

static void known_positions(void **state)
{
	char text[GEO_TEXT_LEN];

	(void)state;
	assert_int_equal(geo_encode(palermo), 3479099956230698);
	assert_int_equal(geo_encode(catania), 3479447370796909);
	geo_text(geo_decode(3479099956230698), text);
	assert_memory_equal(text, "sqc8b49rny0", GEO_TEXT_LEN);
	assert_true(fabs(geo_distance(geo_decode(3479099956230698), geo_decode(3479447370796909)) -
			 166274.1516) < 0.0001);
	assert_true(geo_distance(palermo, palermo) == 0);
}

static void only_some_positions_are_valid(void **state)
{
	(void)state;
	assert_true(geo_valid((struct geo_point){180, 85.05112878}));
	assert_true(geo_valid((struct geo_point){-180, -85.05112878}));
	assert_false(geo_valid((struct geo_point){180.1, 0}));
	assert_false(geo_valid((struct geo_point){0, -85.06}));
	assert_false(geo_valid((struct geo_point){NAN, 0}));
}

/* Any score is a position, those that no position has included. */
static void any_score_is_a_position(void **state)
{
	static const double scores[] = {0,
					-1,
					1e300,
					-1e300,
					INFINITY,
					-INFINITY,
					0.5,
					4503599627370495,
					9007199254740992,
					1e19,
					-9.3e18};

	(void)state;
	for (size_t i = 0; i < sizeof scores / sizeof scores[0]; i++) {
		assert_true(geo_valid(geo_decode(scores[i])));
	}
	assert_int_equal(geo_score_int(-2.9), -2);
	assert_int_equal(geo_score_int(INFINITY), INT64_MIN);
}

static struct geo_point random_point(struct rng *rng)
{
	return (struct geo_point){(double)rng_below(rng, 3600001) / 10000 - 180,
				  (double)rng_below(rng, 1701021) / 10000 - 85.051};
}

static void a_position_comes_back_within_its_cell(void **state)
{
	struct rng rng;

	(void)state;
	rng_seed(&rng, 3);
	for (int i = 0; i < 20000; i++) {
		struct geo_point p = random_point(&rng), back = geo_decode((double)geo_encode(p));

		assert_true(fabs(p.longitude - back.longitude) <= 360 / 67108864.0);
		assert_true(fabs(p.latitude - back.latitude) <= 171 / 67108864.0);
	}
}

/* Whether one of the ranges holds a score. */
static bool held(const struct geo_range *ranges, unsigned n, double score)
{
	for (unsigned i = 0; i < n; i++) {
		if (score >= ranges[i].from && score < ranges[i].to) {
			return true;
		}
	}
	return false;
}

/* A shape of any size, and points near its center, whose distances are spread likewise. Not near
 * the poles and the date line, where Redis's cells miss some. */
static void ranges_hold_what_is_within(void **state)
{
	struct geo_range ranges[GEO_RANGES_MAX];
	struct rng rng;
	unsigned within = 0;

	(void)state;
	rng_seed(&rng, 5);
	for (int i = 0; i < 3000; i++) {
		double size = pow(10, (double)rng_below(&rng, 60) / 10);
		struct geo_shape shape = {
		    .center = {(double)rng_below(&rng, 100) - 50, (double)rng_below(&rng, 80) - 40},
		    .box = i % 2 == 0,
		    .unit = i % 3 == 0 ? 1 : 0.3048,
		    .radius = size,
		    .width = size * 2,
		    .height = size};
		unsigned n = geo_ranges(&shape, ranges);

		assert_true(n >= 1 && n <= GEO_RANGES_MAX);
		for (int k = 0; k < 50; k++) {
			double degrees = size / 111000 * (double)rng_below(&rng, 1000) / 700;
			double turn = (double)rng_below(&rng, 628) / 100, distance;
			struct geo_point p = {shape.center.longitude + degrees * cos(turn),
					      shape.center.latitude + degrees * sin(turn)};
			double score = (double)geo_encode(p);

			if (geo_within(&shape, score, &p, &distance)) {
				within++;
				assert_true(held(ranges, n, score));
			}
		}
	}
	assert_true(within > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_positions),
	    cmocka_unit_test(only_some_positions_are_valid),
	    cmocka_unit_test(any_score_is_a_position),
	    cmocka_unit_test(a_position_comes_back_within_its_cell),
	    cmocka_unit_test(ranges_hold_what_is_within),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
