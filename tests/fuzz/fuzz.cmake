# tests/fuzz/fuzz_<name>.c defines LLVMFuzzerTestOneInput; tests/fuzz/corpus/<name>/ holds its seeds
# and the inputs that once failed, tests/fuzz/dictionaries/<name>.txt words that help. With
# CAIRN_FUZZ the target explores for CAIRN_FUZZ_SECONDS; in every other build the corpus is
# replayed, so a finding stays fixed under each sanitizer.
set(CAIRN_FUZZ_SECONDS 20 CACHE STRING "How long ctest lets each fuzz target explore")

file(GLOB fuzz_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/fuzz_*.c)
list(FILTER fuzz_sources EXCLUDE REGEX "/fuzz_replay\\.c$")
add_custom_target(fuzzers)

# A target with its options for libFuzzer. Inputs longer than this only make it slow.
function(cairn_fuzz_options name out)
	set(options -max_len=4096 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1)
	set(words ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/dictionaries/${name}.txt)
	if(EXISTS ${words})
		list(APPEND options -dict=${words})
	endif()
	if(name STREQUAL commands)
		# The engine lives across inputs; what it keeps is looked at only at the end.
		list(APPEND options -detect_leaks=0)
	endif()
	set(${out} ${options} PARENT_SCOPE)
endfunction()

foreach(source ${fuzz_sources})
	get_filename_component(target ${source} NAME_WE)
	string(REPLACE "fuzz_" "" name ${target})
	set(corpus ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/${name})
	add_executable(${target} ${source})
	target_link_libraries(${target} PRIVATE ${cairn_layers})
	add_dependencies(fuzzers ${target})
	if(NOT CAIRN_FUZZ)
		target_sources(${target} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/fuzz_replay.c)
		cairn_test(fuzz.${name} fuzz 300 COMMAND ${target} ${corpus})
		continue()
	endif()
	cairn_fuzz_options(${name} options)
	target_link_options(${target} PRIVATE -fsanitize=fuzzer)
	# New inputs go to the build tree; the source corpus is read only.
	set(found ${CMAKE_CURRENT_BINARY_DIR}/corpus/${name})
	file(MAKE_DIRECTORY ${found})
	math(EXPR limit "${CAIRN_FUZZ_SECONDS} + 120")
	cairn_test(fuzz.${name} fuzz ${limit} COMMAND ${target}
		-max_total_time=${CAIRN_FUZZ_SECONDS} ${options} -artifact_prefix=${found}-
		${found} ${corpus})

	# The same target with its canary, from the seeds alone: it has to be found within a minute.
	# What it finds on the way stays in memory.
	file(GLOB seeds ${corpus}/*)
	list(JOIN seeds "," seeds)
	add_executable(${target}_canary EXCLUDE_FROM_ALL ${source})
	target_compile_definitions(${target}_canary PRIVATE CAIRN_FUZZ_CANARY)
	target_link_libraries(${target}_canary PRIVATE ${cairn_layers})
	target_link_options(${target}_canary PRIVATE -fsanitize=fuzzer)
	if(CAIRN_LONG)
		add_dependencies(fuzzers ${target}_canary)
		cairn_test(fuzz_canary.${name} fuzz 180 COMMAND ${target}_canary -max_total_time=60
			${options} -artifact_prefix=${found}-canary- -seed_inputs=${seeds})
		set_tests_properties(fuzz_canary.${name} PROPERTIES
			PASS_REGULAR_EXPRESSION "canary found")
	endif()
endforeach()

# Connections that do not behave, against a whole node; it goes on for as long as it is told.
if(TARGET cairn-server AND NOT CAIRN_FUZZ)
	cairn_test(fuzz.tls_noise fuzz 300 COMMAND ${Python3_EXECUTABLE} -B
		${CMAKE_CURRENT_SOURCE_DIR}/fuzz/tls_noise.py --cairn $<TARGET_FILE:cairn-server>)
endif()
