/* Facts about geo commands; see command_facts.h for the forms of keys and args. */
#include "net/command/command_facts.h"

const struct command_facts command_facts_geo[] = {
    {.name = "geoadd",
     .since = "3.2.0",
     .group = "geo",
     .complexity = "O(log(N)) for each member, with N elements in the set",
     .summary = "Adds positions to a sorted set, or changes them.",
     .acl = "write geo slow",
     .keys = "RW update, index 1, range 0 1 0",
     .args = "key key k:0; condition oneof s:6.2.0 f:o {nx pure-token t:NX; xx pure-token t:XX}; "
	     "change pure-token t:CH s:6.2.0 f:o; longitude_latitude_member block f:m {longitude "
	     "double; latitude double; member string}"},
    {.name = "geodist",
     .since = "3.2.0",
     .group = "geo",
     .complexity = "O(log(N)) with N elements in the set",
     .summary = "Returns the distance of two members.",
     .acl = "read geo slow",
     .keys = "RO access, index 1, range 0 1 0",
     .args = "key key k:0; member1 string; member2 string; unit oneof f:o {m pure-token t:M; km "
	     "pure-token t:KM; ft pure-token t:FT; mi pure-token t:MI}"},
    {.name = "geohash",
     .since = "3.2.0",
     .group = "geo",
     .complexity = "O(log(N)) for each member, with N elements in the set",
     .summary = "Returns positions of members as geohash texts.",
     .acl = "read geo slow",
     .keys = "RO access, index 1, range 0 1 0",
     .args = "key key k:0; member string f:m"},
    {.name = "geopos",
     .since = "3.2.0",
     .group = "geo",
     .complexity = "O(log(N)) for each member, with N elements in the set",
     .summary = "Returns positions of members as longitude and latitude.",
     .acl = "read geo slow",
     .keys = "RO access, index 1, range 0 1 0",
     .args = "key key k:0; member string f:m"},
    {.name = "georadius",
     .since = "3.2.0",
     .group = "geo",
     .complexity = "O(N+log(M)) with N elements in the boxes around the area and M in it",
     .summary = "Finds, and may store, the members within a distance from a position.",
     .doc_flags = "deprecated",
     .deprecated_since = "6.2.0",
     .replaced_by = "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument",
     .acl = "write geo slow",
     .keys = "RO access, index 1, range 0 1 0; OW update, keyword STORE 6, range 0 1 0; OW "
	     "update, keyword STOREDIST 6, range 0 1 0",
     .args =
	 "key key k:0; longitude double; latitude double; radius double; unit oneof {m "
	 "pure-token t:M; km pure-token t:KM; ft pure-token t:FT; mi pure-token t:MI}; withcoord "
	 "pure-token t:WITHCOORD f:o; withdist pure-token t:WITHDIST f:o; withhash pure-token "
	 "t:WITHHASH f:o; count block f:o {count integer t:COUNT; any pure-token t:ANY s:6.2.0 "
	 "f:o}; order oneof f:o {asc pure-token t:ASC; desc pure-token t:DESC}; key key k:1 "
	 "t:STORE "
	 "f:o; key key k:2 t:STOREDIST f:o"},
    {.name = "georadius_ro",
     .since = "3.2.10",
     .group = "geo",
     .complexity = "O(N+log(M)) with N elements in the boxes around the area and M in it",
     .summary = "Finds the members within a distance from a position.",
     .doc_flags = "deprecated",
     .deprecated_since = "6.2.0",
     .replaced_by = "`GEOSEARCH` with the `BYRADIUS` argument",
     .acl = "read geo slow",
     .keys = "RO access, index 1, range 0 1 0",
     .args =
	 "key key k:0; longitude double; latitude double; radius double; unit oneof {m "
	 "pure-token t:M; km pure-token t:KM; ft pure-token t:FT; mi pure-token t:MI}; withcoord "
	 "pure-token t:WITHCOORD f:o; withdist pure-token t:WITHDIST f:o; withhash pure-token "
	 "t:WITHHASH f:o; count block f:o {count integer t:COUNT; any pure-token t:ANY s:6.2.0 "
	 "f:o}; order oneof f:o {asc pure-token t:ASC; desc pure-token t:DESC}"},
    {.name = "georadiusbymember",
     .since = "3.2.0",
     .group = "geo",
     .complexity = "O(N+log(M)) with N elements in the boxes around the area and M in it",
     .summary = "Finds, and may store, the members within a distance from one of them.",
     .doc_flags = "deprecated",
     .deprecated_since = "6.2.0",
     .replaced_by = "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` "
		    "arguments",
     .acl = "write geo slow",
     .keys = "RO access, index 1, range 0 1 0; OW update, keyword STORE 5, range 0 1 0; OW "
	     "update, keyword STOREDIST 5, range 0 1 0",
     .args =
	 "key key k:0; member string; radius double; unit oneof {m pure-token t:M; km "
	 "pure-token t:KM; ft pure-token t:FT; mi pure-token t:MI}; withcoord pure-token "
	 "t:WITHCOORD f:o; withdist pure-token t:WITHDIST f:o; withhash pure-token t:WITHHASH f:o; "
	 "count block f:o {count integer t:COUNT; any pure-token t:ANY f:o}; order oneof f:o {asc "
	 "pure-token t:ASC; desc pure-token t:DESC}; key key k:1 t:STORE f:o; key key k:2 "
	 "t:STOREDIST f:o"},
    {.name = "georadiusbymember_ro",
     .since = "3.2.10",
     .group = "geo",
     .complexity = "O(N+log(M)) with N elements in the boxes around the area and M in it",
     .summary = "Finds the members within a distance from one of them.",
     .doc_flags = "deprecated",
     .deprecated_since = "6.2.0",
     .replaced_by = "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments",
     .acl = "read geo slow",
     .keys = "RO access, index 1, range 0 1 0",
     .args =
	 "key key k:0; member string; radius double; unit oneof {m pure-token t:M; km "
	 "pure-token t:KM; ft pure-token t:FT; mi pure-token t:MI}; withcoord pure-token "
	 "t:WITHCOORD f:o; withdist pure-token t:WITHDIST f:o; withhash pure-token t:WITHHASH f:o; "
	 "count block f:o {count integer t:COUNT; any pure-token t:ANY f:o}; order oneof f:o {asc "
	 "pure-token t:ASC; desc pure-token t:DESC}"},
    {.name = "geosearch",
     .since = "6.2.0",
     .group = "geo",
     .complexity = "O(N+log(M)) with N elements in the boxes around the area and M in it",
     .summary = "Finds the members within a circle or box.",
     .acl = "read geo slow",
     .keys = "RO access, index 1, range 0 1 0",
     .args =
	 "key key k:0; from oneof {member string t:FROMMEMBER; longitude_latitude block "
	 "t:FROMLONLAT {longitude double; latitude double}}; by oneof {circle block {radius double "
	 "t:BYRADIUS; unit oneof {m pure-token t:M; km pure-token t:KM; ft pure-token t:FT; mi "
	 "pure-token t:MI}}; box block {width double t:BYBOX; height double; unit oneof {m "
	 "pure-token t:M; km pure-token t:KM; ft pure-token t:FT; mi pure-token t:MI}}}; order "
	 "oneof f:o {asc pure-token t:ASC; desc pure-token t:DESC}; count block f:o {count integer "
	 "t:COUNT; any pure-token t:ANY f:o}; withcoord pure-token t:WITHCOORD f:o; withdist "
	 "pure-token t:WITHDIST f:o; withhash pure-token t:WITHHASH f:o"},
    {.name = "geosearchstore",
     .since = "6.2.0",
     .group = "geo",
     .complexity = "O(N+log(M)) with N elements in the boxes around the area and M in it",
     .summary = "Stores the members within a circle or box.",
     .acl = "write geo slow",
     .keys = "OW update, index 1, range 0 1 0; RO access, index 2, range 0 1 0",
     .args =
	 "destination key k:0; source key k:1; from oneof {member string t:FROMMEMBER; "
	 "longitude_latitude block t:FROMLONLAT {longitude double; latitude double}}; by oneof "
	 "{circle block {radius double t:BYRADIUS; unit oneof {m pure-token t:M; km pure-token "
	 "t:KM; ft pure-token t:FT; mi pure-token t:MI}}; box block {width double t:BYBOX; height "
	 "double; unit oneof {m pure-token t:M; km pure-token t:KM; ft pure-token t:FT; mi "
	 "pure-token t:MI}}}; order oneof f:o {asc pure-token t:ASC; desc pure-token t:DESC}; "
	 "count "
	 "block f:o {count integer t:COUNT; any pure-token t:ANY f:o}; storedist pure-token "
	 "t:STOREDIST f:o"},
    {.name = NULL},
};
