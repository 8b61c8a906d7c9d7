# All rooms as one static library; library targets for embedding are made from the same objects.
get_property(rooms GLOBAL PROPERTY TESSERA_ROOMS)
set(room_objects)
foreach(room ${rooms})
  list(APPEND room_objects $<TARGET_OBJECTS:${room}>)
endforeach()

add_library(tessera_static STATIC ${room_objects})
set_target_properties(tessera_static PROPERTIES OUTPUT_NAME tessera)
target_link_libraries(tessera_static PUBLIC tessera_flags Threads::Threads ${CMAKE_DL_LIBS})
