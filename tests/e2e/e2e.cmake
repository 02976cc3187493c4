# Real processes on 127.0.0.1: cairn-server beside Debian's redis-server and its clients.
if(NOT TARGET cairn-server)
	return()
endif()

set(python ${Python3_EXECUTABLE} -B)
set(e2e ${CMAKE_CURRENT_SOURCE_DIR}/e2e)
set(cairn --cairn $<TARGET_FILE:cairn-server>)

# Sanitized builds compare fewer commands; the plain build has the full count.
set(commands "")
set(rounds "")
if(CAIRN_SANITIZE AND NOT CAIRN_LONG)
	set(commands --commands 8000)
	set(rounds --rounds 6)
endif()

cairn_test(e2e.differential e2e 300 COMMAND ${python} ${e2e}/differential.py ${cairn} ${commands}
	--slot-tool $<TARGET_FILE:cairn-slot>)
cairn_test(e2e.generators e2e 120 COMMAND ${python} ${e2e}/test_generators.py ${cairn})
cairn_test(crash.kill9 crash 300 SERIAL
	COMMAND ${python} ${CMAKE_CURRENT_SOURCE_DIR}/crash/kill9.py ${cairn} ${rounds})

cairn_test(crash.model crash 600
	COMMAND ${python} ${CMAKE_CURRENT_SOURCE_DIR}/crash/model.py ${cairn})

add_executable(hiredis_client ${e2e}/hiredis_client.c)
target_link_libraries(hiredis_client PRIVATE node_flags PkgConfig::HIREDIS)

add_executable(hiredis_cluster_client ${e2e}/hiredis_cluster_client.c)
target_link_libraries(hiredis_cluster_client PRIVATE node_flags PkgConfig::HIREDIS)
cairn_test(e2e.cluster_clients e2e 600 COMMAND ${python} ${e2e}/test_cluster_clients.py ${cairn}
	--hiredis $<TARGET_FILE:hiredis_cluster_client>)

foreach(name startup process config connections clients cluster_bus pubsub blocking)
	cairn_test(e2e.${name} e2e 300 COMMAND ${python} ${e2e}/test_${name}.py ${cairn}
		--hiredis $<TARGET_FILE:hiredis_client>)
endforeach()
foreach(name acl dump migrate debug client_libraries cluster_bytes mixed_forming scripts
		events tracking tls)
	cairn_test(e2e.${name} e2e 300 COMMAND ${python} ${e2e}/test_${name}.py ${cairn})
endforeach()
add_executable(fate_client ${e2e}/fate_client.c)
target_link_libraries(fate_client PRIVATE node_flags PkgConfig::HIREDIS)
foreach(name failover cluster_cli mixed_cluster replication diverge functions tools tools_replay
		tools_damage manpages streams hash_fields redis_replica tls_nodes)
	cairn_test(e2e.${name} e2e 600 COMMAND ${python} ${e2e}/test_${name}.py ${cairn}
		--wal $<TARGET_FILE:cairn-wal> --slot $<TARGET_FILE:cairn-slot>
		--hiredis $<TARGET_FILE:fate_client>)
endforeach()
add_executable(alter_store ${e2e}/alter_store.c)
target_link_libraries(alter_store PRIVATE cairn_engine)
cairn_test(e2e.slot_digest e2e 300 COMMAND ${python} ${e2e}/test_slot_digest.py ${cairn}
	--slot $<TARGET_FILE:cairn-slot> --hiredis $<TARGET_FILE:alter_store>)
if(NOT CAIRN_SANITIZE)
	# It stands before the C library, where the sanitizers want to be.
	add_library(fault_shim SHARED ${e2e}/fault_shim.c)
	target_link_libraries(fault_shim PRIVATE node_flags)
	cairn_test(e2e.faults e2e 300 COMMAND ${python} ${e2e}/test_faults.py ${cairn}
		--shim $<TARGET_FILE:fault_shim>)
	# Memory is measured, so not under sanitizers, whose own shadow is the larger part.
	cairn_test(e2e.memory e2e 600 COMMAND ${python} ${e2e}/test_memory.py ${cairn})
	cairn_test(e2e.scale e2e 300 SERIAL COMMAND ${python} ${e2e}/test_scale.py ${cairn})
endif()
