# The cluster in one process: seeds, golden scripts, planted bugs.
set(sim ${CMAKE_CURRENT_SOURCE_DIR}/sim)
set(golden ${CMAKE_CURRENT_SOURCE_DIR}/golden)
set(sim_sources ${sim}/sim_world.c ${sim}/sim_net.c ${sim}/sim_engine.c ${sim}/sim_check.c
	${sim}/sim_faults.c)

add_library(cairn_sim STATIC ${sim_sources})
target_link_libraries(cairn_sim PUBLIC cairn_cluster cairn_base)
# Hours of virtual time: that is worth an optimisation, also where the rest has less.
set(optimised "")
if(CMAKE_BUILD_TYPE STREQUAL Debug AND NOT CAIRN_SANITIZE AND NOT CAIRN_FUZZ AND NOT CAIRN_COVERAGE)
	set(optimised -O2)
	target_compile_options(cairn_cluster PRIVATE ${optimised})
	target_compile_options(cairn_sim PRIVATE ${optimised})
endif()
add_executable(sim_seeds ${sim}/sim_main.c)
target_link_libraries(sim_seeds PRIVATE cairn_sim)
add_executable(golden_run ${golden}/golden_run.c)
target_link_libraries(golden_run PRIVATE cairn_sim)

# 500 seeds of three virtual minutes in about 75 s of CPU. With fewer, some decision may never come
# up, which is an error; the bound is for a machine that is very slow.
# The long form runs 10,000 of ten minutes.
set(sim_seconds 300)
set(sim_minutes 3)
if(CAIRN_LONG)
	set(sim_minutes 10)
endif()
if(CAIRN_SANITIZE)
	set(sim_seconds 60)
endif()
cairn_test(sim.seeds sim 900 COMMAND sim_seeds --count 500 --seconds ${sim_seconds}
	--minutes ${sim_minutes})
cairn_test(sim.same_twice sim 120 COMMAND sim_seeds --first 40001 --count 3 --minutes 3 --twice)
cairn_test(sim.large sim 300 COMMAND sim_seeds --large)

file(GLOB scripts CONFIGURE_DEPENDS ${golden}/*.txt)
foreach(script ${scripts})
	get_filename_component(name ${script} NAME_WE)
	cairn_test(golden.${name} golden 60 COMMAND golden_run ${script})
endforeach()

# The same sources once more with the planted bugs: each must be found by a script or by seeds.
file(GLOB cluster_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/cluster/*.c)
add_library(cairn_planted STATIC EXCLUDE_FROM_ALL ${cluster_sources} ${sim_sources}
	${CMAKE_SOURCE_DIR}/engine/base/planted.c)
target_compile_definitions(cairn_planted PRIVATE CAIRN_PLANTED)
target_compile_options(cairn_planted PRIVATE ${optimised})
target_link_libraries(cairn_planted PUBLIC cairn_base)
foreach(program sim_planted golden_planted)
	add_executable(${program} EXCLUDE_FROM_ALL)
	target_link_libraries(${program} PRIVATE cairn_planted)
endforeach()
target_sources(sim_planted PRIVATE ${sim}/sim_main.c)
target_sources(golden_planted PRIVATE ${golden}/golden_run.c)
if(NOT CAIRN_SANITIZE AND NOT CAIRN_FUZZ AND NOT CAIRN_COVERAGE)
	set_target_properties(cairn_planted sim_planted golden_planted PROPERTIES
		EXCLUDE_FROM_ALL OFF)
	cairn_test(sim.planted sim 900 COMMAND ${Python3_EXECUTABLE} -B ${sim}/planted.py
		--sim $<TARGET_FILE:sim_planted> --golden $<TARGET_FILE:golden_planted>
		--scripts ${golden} --list ${sim}/PLANTED.md)
endif()
