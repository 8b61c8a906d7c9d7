# A room is a folder of sources and one CMake target. What it may include is what it links.

add_library(tessera_flags INTERFACE)
target_include_directories(tessera_flags INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
target_compile_options(tessera_flags INTERFACE -Wall -Wextra -Wpedantic)
if(TESSERA_WERROR)
  target_compile_options(tessera_flags INTERFACE -Werror)
endif()
if(TESSERA_SANITIZE)
  list(JOIN TESSERA_SANITIZE "," sanitizers)
  target_compile_options(tessera_flags INTERFACE -fsanitize=${sanitizers} -fno-omit-frame-pointer
                                                 -fno-sanitize-recover=all)
  target_link_options(tessera_flags INTERFACE -fsanitize=${sanitizers})
endif()

# tessera_room(NAME [DIR dir] [LINKS room...]): every .cpp of the folder, as object library tessera_NAME.
function(tessera_room name)
  cmake_parse_arguments(ROOM "" "DIR" "LINKS" ${ARGN})
  if(NOT ROOM_DIR)
    set(ROOM_DIR ${CMAKE_CURRENT_SOURCE_DIR}/${name})
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${ROOM_DIR}/*.cpp)
  add_library(tessera_${name} OBJECT ${sources})
  target_link_libraries(tessera_${name} PUBLIC tessera_flags)
  foreach(link ${ROOM_LINKS})
    target_link_libraries(tessera_${name} PUBLIC tessera_${link})
  endforeach()
  set_property(GLOBAL APPEND PROPERTY TESSERA_ROOMS tessera_${name})
endfunction()
