# tests/fuzz/fuzz_<name>.c defines LLVMFuzzerTestOneInput; tests/fuzz/corpus/<name>/ holds its seeds
# and the inputs that once failed. With CAIRN_FUZZ the target explores for CAIRN_FUZZ_SECONDS; in
# every other build the corpus is replayed, so a finding stays fixed under each sanitizer.
set(CAIRN_FUZZ_SECONDS 20 CACHE STRING "How long ctest lets each fuzz target explore")

file(GLOB fuzz_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/fuzz_*.c)
list(FILTER fuzz_sources EXCLUDE REGEX "/fuzz_replay\\.c$")
foreach(source ${fuzz_sources})
	get_filename_component(target ${source} NAME_WE)
	string(REPLACE "fuzz_" "" name ${target})
	set(corpus ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/${name})
	add_executable(${target} ${source})
	target_link_libraries(${target} PRIVATE ${cairn_layers})
	if(CAIRN_FUZZ)
		target_link_options(${target} PRIVATE -fsanitize=fuzzer)
		# New inputs go to the build tree; the source corpus is read only.
		set(found ${CMAKE_CURRENT_BINARY_DIR}/corpus/${name})
		file(MAKE_DIRECTORY ${found})
		set(seeds "")
		if(IS_DIRECTORY ${corpus})
			set(seeds ${corpus})
		endif()
		math(EXPR limit "${CAIRN_FUZZ_SECONDS} + 120")
		cairn_test(fuzz.${name} fuzz ${limit} COMMAND ${target}
			-max_total_time=${CAIRN_FUZZ_SECONDS} -timeout=10 -rss_limit_mb=2048
			-max_len=65536 -print_final_stats=1 -artifact_prefix=${found}-
			${found} ${seeds})
	else()
		target_sources(${target} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/fuzz_replay.c)
		cairn_test(fuzz.${name} fuzz 300 COMMAND ${target} ${corpus})
	endif()
endforeach()
