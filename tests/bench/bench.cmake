# Benchmarks are built with the tests and run by hand: see the head of each script.
add_executable(loadgen ${CMAKE_CURRENT_SOURCE_DIR}/bench/loadgen.c)
target_link_libraries(loadgen PRIVATE cairn_base)
add_executable(standstill ${CMAKE_CURRENT_SOURCE_DIR}/bench/standstill.c)
target_link_libraries(standstill PRIVATE node_flags Threads::Threads)
add_executable(bench_engine ${CMAKE_CURRENT_SOURCE_DIR}/bench/bench_engine.c)
target_link_libraries(bench_engine PRIVATE cairn_engine)

add_custom_target(bench
	COMMAND ${Python3_EXECUTABLE} -B ${CMAKE_CURRENT_SOURCE_DIR}/bench/bench_compare.py
		--cairn $<TARGET_FILE:cairn-server> --loadgen $<TARGET_FILE:loadgen>
	DEPENDS cairn-server loadgen USES_TERMINAL VERBATIM)
