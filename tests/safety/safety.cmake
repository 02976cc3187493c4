# What becomes of acknowledged writes when nodes are killed, paused, cut off and brought back.
if(NOT TARGET cairn-server OR CAIRN_SANITIZE)
	return() # fault_shim stands where the sanitizers want to be, and times are measured
endif()

set(safety ${CMAKE_CURRENT_SOURCE_DIR}/safety)
set(safety_tools ${cairn} --wal $<TARGET_FILE:cairn-wal> --shim $<TARGET_FILE:fault_shim>)

cairn_test(safety.account e2e 60 COMMAND ${python} ${safety}/test_account.py)
cairn_test(safety.rounds e2e 600 COMMAND ${python} ${safety}/rounds.py ${safety_tools})
foreach(name windows minority rejoin)
	cairn_test(safety.${name} e2e 300
		COMMAND ${python} ${safety}/test_${name}.py ${safety_tools})
endforeach()
