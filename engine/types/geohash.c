/* Interleaved cells of longitude and latitude, distances, and the cells that cover an area. Each
 * computation is done in Redis's order, since its digits are seen. */
#include "engine/types/geohash.h"

#include <math.h>

enum { STEPS = 26 }; /* bits of each coordinate */

#define DEGREE	      (3.14159265358979323846 / 180.0) /* in radians */
#define EARTH_RADIUS  6372797.560856		       /* metres */
#define HALF_CIRCLE   20037726.37		       /* metres of half the equator on the map */
#define ODD_BITS      UINT64_C(0xaaaaaaaaaaaaaaaa)
#define EVEN_BITS     UINT64_C(0x5555555555555555)
#define TWO_TO_THE_63 9223372036854775808.0
#define TWO_TO_THE_64 18446744073709551616.0

/* A cell of 2 * steps bits; steps 0: none. */
struct cell {
	uint64_t bits;
	unsigned steps;
};

/* What a cell, or a shape, reaches over: degrees. */
struct area {
	double west, south, east, north;
};

/* --- bits --- */

/* Puts zeros between the bits. */
static uint64_t spread(uint32_t v)
{
	uint64_t x = v;

	x = (x | x << 16) & UINT64_C(0x0000ffff0000ffff);
	x = (x | x << 8) & UINT64_C(0x00ff00ff00ff00ff);
	x = (x | x << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
	x = (x | x << 2) & UINT64_C(0x3333333333333333);
	return (x | x << 1) & EVEN_BITS;
}

/* Takes every other bit, from the lowest on. */
static uint32_t gather(uint64_t x)
{
	x &= EVEN_BITS;
	x = (x | x >> 1) & UINT64_C(0x3333333333333333);
	x = (x | x >> 2) & UINT64_C(0x0f0f0f0f0f0f0f0f);
	x = (x | x >> 4) & UINT64_C(0x00ff00ff00ff00ff);
	x = (x | x >> 8) & UINT64_C(0x0000ffff0000ffff);
	return (uint32_t)(x | x >> 16);
}

bool geo_valid(struct geo_point p)
{
	return p.longitude >= -GEO_LONGITUDE_MAX && p.longitude <= GEO_LONGITUDE_MAX &&
	       p.latitude >= -GEO_LATITUDE_MAX && p.latitude <= GEO_LATITUDE_MAX;
}

/* The cell of a position where latitudes reach from -latitude_max to latitude_max. */
static struct cell cell_of(struct geo_point p, double latitude_max, unsigned steps)
{
	double scale = (double)(UINT64_C(1) << steps);
	double y = (p.latitude + latitude_max) / (latitude_max + latitude_max) * scale;
	double x =
	    (p.longitude + GEO_LONGITUDE_MAX) / (GEO_LONGITUDE_MAX + GEO_LONGITUDE_MAX) * scale;

	return (struct cell){spread((uint32_t)y) | spread((uint32_t)x) << 1, steps};
}

static struct area area_of(struct cell c)
{
	double scale = (double)(UINT64_C(1) << c.steps);
	double width = 2 * GEO_LONGITUDE_MAX, height = 2 * GEO_LATITUDE_MAX;
	uint32_t y = gather(c.bits), x = gather(c.bits >> 1);

	/* What lies beyond the last cell begins anew at 0: 32 bits are counted in. */
	return (struct area){
	    .west = -GEO_LONGITUDE_MAX + x / scale * width,
	    .south = -GEO_LATITUDE_MAX + y / scale * height,
	    .east = -GEO_LONGITUDE_MAX + (uint32_t)(x + 1) / scale * width,
	    .north = -GEO_LATITUDE_MAX + (uint32_t)(y + 1) / scale * height,
	};
}

uint64_t geo_encode(struct geo_point p)
{
	return cell_of(p, GEO_LATITUDE_MAX, STEPS).bits;
}

int64_t geo_score_int(double score)
{
	return score >= -TWO_TO_THE_63 && score < TWO_TO_THE_63 ? (int64_t)score : INT64_MIN;
}

/* A score as 64 bits: those of a negative number are its two's complement, what is beyond all
 * integers has none of the lower ones. */
static uint64_t bits_of(double score)
{
	if (score >= TWO_TO_THE_63) {
		return score < TWO_TO_THE_64 ? (uint64_t)score : 0;
	}
	return (uint64_t)geo_score_int(score);
}

static double limited(double v, double max)
{
	return v > max ? max : v < -max ? -max : v;
}

struct geo_point geo_decode(double score)
{
	struct area a = area_of((struct cell){bits_of(score), STEPS});

	return (struct geo_point){limited((a.west + a.east) / 2, GEO_LONGITUDE_MAX),
				  limited((a.south + a.north) / 2, GEO_LATITUDE_MAX)};
}

void geo_text(struct geo_point p, char dst[GEO_TEXT_LEN])
{
	static const char letters[] = "0123456789bcdefghjkmnpqrstuvwxyz";
	uint64_t bits = cell_of(p, 90, STEPS).bits;

	for (int i = 0; i < GEO_TEXT_LEN - 1; i++) {
		dst[i] = letters[bits >> (2 * STEPS - 5 * (i + 1)) & 31];
	}
	dst[GEO_TEXT_LEN - 1] = letters[0]; /* only two bits are left */
}

/* --- distances --- */

double geo_distance(struct geo_point a, struct geo_point b)
{
	double from = a.latitude * DEGREE, to = b.latitude * DEGREE;
	double u = sin((to - from) / 2);
	double v = sin((b.longitude * DEGREE - a.longitude * DEGREE) / 2);

	return 2.0 * EARTH_RADIUS * asin(sqrt(u * u + cos(from) * cos(to) * v * v));
}

bool geo_within(const struct geo_shape *shape, double score, struct geo_point *p, double *distance)
{
	struct geo_point c = shape->center, at = geo_decode(score);

	if (shape->box) {
		struct geo_point along = {c.longitude, at.latitude};
		struct geo_point across = {at.longitude, c.latitude};

		if (geo_distance(at, along) > shape->width * shape->unit / 2 ||
		    geo_distance(at, across) > shape->height * shape->unit / 2) {
			return false;
		}
	}
	*distance = geo_distance(c, at);
	*p = at;
	return shape->box || *distance <= shape->radius * shape->unit;
}

/* --- covering a shape --- */

/* The box around a shape. */
static struct area bounds_of(const struct geo_shape *s)
{
	double height = s->unit * (s->box ? s->height / 2 : s->radius);
	double width = s->unit * (s->box ? s->width / 2 : s->radius);
	double up = height / EARTH_RADIUS / DEGREE;
	/* The side nearer to a pole spans more degrees. */
	double nearer = s->center.latitude < 0 ? s->center.latitude - up : s->center.latitude + up;
	double aside = width / EARTH_RADIUS / cos(nearer * DEGREE) / DEGREE;

	return (struct area){s->center.longitude - aside, s->center.latitude - up,
			     s->center.longitude + aside, s->center.latitude + up};
}

/* How fine the cells may be that, with their neighbours, hold a shape of that radius. */
static unsigned steps_for(double metres, double latitude)
{
	int steps = 1;

	if (metres == 0) {
		return STEPS;
	}
	for (; metres < HALF_CIRCLE; metres *= 2) {
		steps++;
	}
	steps -= 2;
	if (latitude > 66 || latitude < -66) {
		steps -= latitude > 80 || latitude < -80 ? 2 : 1;
	}
	return steps < 1 ? 1 : steps > STEPS ? STEPS : (unsigned)steps;
}

/* The bits in mask, all others being of the other coordinate, counted up or down by one. */
static uint64_t moved(uint64_t bits, uint64_t mask, unsigned steps, int by)
{
	uint64_t others = ~mask >> (64 - 2 * steps);
	uint64_t mine = bits & mask;

	if (by > 0) {
		mine += others + 1;
	} else if (by < 0) {
		mine = (mine | others) - (others + 1);
	}
	return (bits & ~mask) | (mine & mask >> (64 - 2 * steps));
}

/* The cell beside c, so many to the east and north; at the edges it is the one on the far side. */
static struct cell beside(struct cell c, int east, int north)
{
	if (east != 0) {
		c.bits = moved(c.bits, ODD_BITS, c.steps, east);
	}
	if (north != 0) {
		c.bits = moved(c.bits, EVEN_BITS, c.steps, north);
	}
	return c;
}

/* Whether a cell with its neighbours reaches over all of the bounds. */
static bool reaches(struct cell c, const struct area *bounds)
{
	/* No comparison of a bound that is no number keeps the cell from reaching it. */
	return !(area_of(beside(c, 0, 1)).north < bounds->north) &&
	       !(area_of(beside(c, 0, -1)).south > bounds->south) &&
	       !(area_of(beside(c, 1, 0)).east < bounds->east) &&
	       !(area_of(beside(c, -1, 0)).west > bounds->west);
}

/* Whether nothing of the shape lies in that direction beyond the cell. */
static bool needless(struct cell c, const struct area *bounds, int east, int north)
{
	struct area a = area_of(c);

	return c.steps >= 2 &&
	       ((north < 0 && a.south < bounds->south) || (north > 0 && a.north > bounds->north) ||
		(east < 0 && a.west < bounds->west) || (east > 0 && a.east > bounds->east));
}

static struct geo_range range_of(struct cell c)
{
	unsigned shift = 2 * STEPS - 2 * c.steps;

	return (struct geo_range){(double)(c.bits << shift), (double)((c.bits + 1) << shift)};
}

unsigned geo_ranges(const struct geo_shape *shape, struct geo_range out[GEO_RANGES_MAX])
{
	/* East and north of the cell itself: the order decides in which results come. */
	static const int around[GEO_RANGES_MAX][2] = {{0, 0}, {0, 1},  {0, -1}, {1, 0},	 {-1, 0},
						      {1, 1}, {-1, 1}, {1, -1}, {-1, -1}};
	struct area bounds = bounds_of(shape);
	double half_width = shape->width / 2, half_height = shape->height / 2;
	double radius =
	    shape->unit * (shape->box ? sqrt(half_width * half_width + half_height * half_height)
				      : shape->radius);
	unsigned steps = steps_for(radius, shape->center.latitude), n = 0;
	struct cell c = cell_of(shape->center, GEO_LATITUDE_MAX, steps), last = {0, 0};

	if (steps > 1 && !reaches(c, &bounds)) {
		c = cell_of(shape->center, GEO_LATITUDE_MAX, steps - 1);
	}
	for (unsigned i = 0; i < GEO_RANGES_MAX; i++) {
		int east = around[i][0], north = around[i][1];
		struct cell next = beside(c, east, north);

		/* In a search around half the earth neighbours are the same cell. */
		if (needless(c, &bounds, east, north) || (n > 1 && next.bits == last.bits)) {
			continue;
		}
		out[n++] = range_of(next);
		last = next;
	}
	return n;
}
