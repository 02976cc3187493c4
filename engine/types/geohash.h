/* Positions on earth as numbers of 52 bits that sorted sets keep as scores, with Redis's
 * arithmetic: the same bits, and the same digits of what is computed from them. Pure.
 *
 * A number has 26 bits of latitude (within 85.05112878 degrees of the equator, even bits) and 26 of
 * longitude (odd bits), each counting cells from the south or west; a position that is read is the
 * middle of its cell. Numbers near each other are near on earth, so that an area is covered by a
 * few ranges of them. */
#ifndef CAIRN_ENGINE_TYPES_GEOHASH_H
#define CAIRN_ENGINE_TYPES_GEOHASH_H

#include <stdbool.h>
#include <stdint.h>

#define GEO_LONGITUDE_MAX 180.0
#define GEO_LATITUDE_MAX  85.05112878

enum { GEO_TEXT_LEN = 11, GEO_RANGES_MAX = 9 };

/* In degrees. */
struct geo_point {
	double longitude, latitude;
};

/* True where a position can be kept. */
bool geo_valid(struct geo_point p);

/* The number of a valid position. */
uint64_t geo_encode(struct geo_point p);

/* The position that a score means; any number means one. */
struct geo_point geo_decode(double score);

/* The standard geohash of a position, without a terminator; its last letter is always 0. */
void geo_text(struct geo_point p, char dst[GEO_TEXT_LEN]);

/* A score as an integer; the least one where there is none such. */
int64_t geo_score_int(double score);

/* Metres between two positions on a sphere. */
double geo_distance(struct geo_point a, struct geo_point b);

/* What is searched: a circle, or a box whose sides lie along the meridians. */
struct geo_shape {
	struct geo_point center;
	bool box;
	double unit;		      /* metres */
	double radius, width, height; /* in units */
};

/* Whether a score's position lies in the shape; *p and *distance (metres from its center) are set
 * then. */
bool geo_within(const struct geo_shape *shape, double score, struct geo_point *p, double *distance);

/* Scores from <= score < to. */
struct geo_range {
	double from, to;
};

/* The ranges of scores that together hold all within the shape, and more; how many. */
unsigned geo_ranges(const struct geo_shape *shape, struct geo_range out[GEO_RANGES_MAX]);

#endif
