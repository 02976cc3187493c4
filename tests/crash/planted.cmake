# The engine once more with the planted bugs of PLANTED.md, under the tests that the list names:
# each must be caught. In the plain build alone, where a test's failure can only be the bug.
if(NOT CMAKE_BUILD_TYPE STREQUAL Debug OR CAIRN_SANITIZE OR CAIRN_FUZZ OR CAIRN_COVERAGE)
	return()
endif()
set(crash ${CMAKE_CURRENT_SOURCE_DIR}/crash)

file(GLOB planted_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/engine/base/*.c
	${CMAKE_SOURCE_DIR}/engine/wal/*.c ${CMAKE_SOURCE_DIR}/engine/*.c
	${CMAKE_SOURCE_DIR}/engine/types/*.c ${CMAKE_CURRENT_SOURCE_DIR}/support/*.c)
add_library(cairn_planted_engine STATIC ${planted_sources})
target_compile_definitions(cairn_planted_engine PRIVATE CAIRN_PLANTED)
# It stands before the layers, so everything of the engine comes from it.
target_link_libraries(cairn_planted_engine PUBLIC ${cairn_layers} PkgConfig::CMOCKA)

set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${crash}/PLANTED.md)
file(STRINGS ${crash}/PLANTED.md rows REGEX "^\\| [0-9]+ \\|")
set(programs "")
set(known "")
foreach(row ${rows})
	string(REGEX REPLACE "^.*\\| ([a-z0-9_]+) \\|$" "\\1" name "${row}")
	if(name IN_LIST known)
		continue()
	endif()
	list(APPEND known ${name})
	file(GLOB source ${crash}/${name}.c ${CMAKE_CURRENT_SOURCE_DIR}/unit/${name}.c)
	add_executable(${name}_planted ${source})
	target_link_libraries(${name}_planted PRIVATE cairn_planted_engine cairn_tools)
	list(APPEND programs ${name}=$<TARGET_FILE:${name}_planted>)
endforeach()
cairn_test(crash.planted crash 300 COMMAND ${Python3_EXECUTABLE} -B ${crash}/planted.py
	--source ${CMAKE_SOURCE_DIR}/engine --list ${crash}/PLANTED.md ${programs})
