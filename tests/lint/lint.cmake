# Checks of the source's shape. They read the tree and the built libraries; no network, no writing.
function(cairn_lint name)
	add_test(NAME lint.${name} COMMAND ${Python3_EXECUTABLE} -B
		${CMAKE_SOURCE_DIR}/tests/lint/check_${name}.py --root ${CMAKE_SOURCE_DIR} ${ARGN})
	set_tests_properties(lint.${name} PROPERTIES LABELS lint TIMEOUT 120)
endfunction()

cairn_lint(includes)
cairn_lint(shape --known ${CMAKE_BINARY_DIR}/formatted.txt)
if(NOT CAIRN_SANITIZE AND NOT CAIRN_COVERAGE AND NOT CAIRN_FUZZ)
	# Instrumentation adds calls of its own, so symbols are judged in plain builds.
	set(unoptimised "")
	if(CMAKE_BUILD_TYPE STREQUAL Debug)
		set(unoptimised --unoptimised)
	endif()
	set(absent "")
	foreach(layer base wal engine types cluster proto command)
		get_target_property(type cairn_${layer} TYPE)
		if(NOT type STREQUAL STATIC_LIBRARY)
			string(APPEND absent "${layer},")
		endif()
	endforeach()
	cairn_lint(symbols --build ${CMAKE_BINARY_DIR} --absent=${absent} ${unoptimised})
endif()
if(NOT CMAKE_BUILD_TYPE STREQUAL Debug)
	cairn_lint(hardening $<TARGET_FILE:cairn-server> $<TARGET_FILE:cairn-wal>
		$<TARGET_FILE:cairn-slot>)
endif()
add_test(NAME lint.selftest COMMAND ${Python3_EXECUTABLE} -B
	${CMAKE_SOURCE_DIR}/tests/lint/selftest.py)
set_tests_properties(lint.selftest PROPERTIES LABELS lint TIMEOUT 120)
