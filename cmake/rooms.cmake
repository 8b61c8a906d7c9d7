# A room is a folder of sources and one CMake target. It is compiled against a view of the tree, a folder of links
# to the headers that it may include, and finds no others.

add_library(tessera_flags INTERFACE)
target_compile_options(tessera_flags INTERFACE -Wall -Wextra -Wpedantic)
if(TESSERA_WERROR)
  target_compile_options(tessera_flags INTERFACE -Werror)
endif()
if(TESSERA_VULKAN)
  target_compile_definitions(tessera_flags INTERFACE TESSERA_VULKAN)
endif()
# References hold every element that they ask for against the tensor's size.
target_compile_definitions(tessera_flags INTERFACE $<$<OR:$<CONFIG:Debug>,$<BOOL:${TESSERA_SANITIZE}>>:TESSERA_CHECKED>)
if(TESSERA_SANITIZE)
  list(JOIN TESSERA_SANITIZE "," sanitizers)
  target_compile_options(tessera_flags INTERFACE -fsanitize=${sanitizers} -fno-omit-frame-pointer
                                                 -fno-sanitize-recover=all)
  target_link_options(tessera_flags INTERFACE -fsanitize=${sanitizers})
endif()

# Hardened: a stack that is written over ends the program, calls return where they came from, addresses of functions are
# read-only once loaded, nothing on a stack is code. The bytes do not tell where they were built.
if(NOT TESSERA_SANITIZE)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    set(tessera_branches -fcf-protection=full)
  endif()
  target_compile_options(tessera_flags INTERFACE -fstack-protector-strong -fstack-clash-protection
    $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE> $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2> ${tessera_branches})
endif()
target_compile_options(tessera_flags INTERFACE -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)
target_link_options(tessera_flags INTERFACE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)

# The whole tree, for what stands outside the rooms: tools, tests, benchmarks.
add_library(tessera_tree INTERFACE)
target_include_directories(tessera_tree INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)

# tessera_view(NAME DIR dir SEES what...): the headers of a folder, and what it sees: rooms, with all that they see, or
# single headers. The result is the folder of links TESSERA_VIEW_NAME.
function(tessera_view name)
  cmake_parse_arguments(VIEW "" "DIR" "SEES" ${ARGN})
  file(GLOB headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR} ${VIEW_DIR}/*.h ${VIEW_DIR}/*.hpp ${VIEW_DIR}/*.def)
  foreach(seen ${VIEW_SEES})
    if(seen MATCHES "/")
      list(APPEND headers ${seen})
    else()
      get_property(theirs GLOBAL PROPERTY TESSERA_HEADERS_${seen})
      if(NOT theirs)
        message(FATAL_ERROR "room ${name} sees room ${seen}, which is not there yet")
      endif()
      list(APPEND headers ${theirs})
    endif()
  endforeach()
  list(REMOVE_DUPLICATES headers)
  set_property(GLOBAL PROPERTY TESSERA_HEADERS_${name} ${headers})
  set(view ${PROJECT_BINARY_DIR}/sees/${name})
  file(REMOVE_RECURSE ${view})
  foreach(header ${headers})
    get_filename_component(folder ${view}/${header} DIRECTORY)
    file(MAKE_DIRECTORY ${folder})
    file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${header} ${view}/${header} SYMBOLIC)
  endforeach()
  set(TESSERA_VIEW_${name} ${view} PARENT_SCOPE)
endfunction()

# tessera_room(NAME [DIR dir] [SEES what...]): every .cpp of the folder, as object library tessera_NAME.
function(tessera_room name)
  cmake_parse_arguments(ROOM "" "DIR" "SEES" ${ARGN})
  if(NOT ROOM_DIR)
    set(ROOM_DIR ${CMAKE_CURRENT_SOURCE_DIR}/${name})
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${ROOM_DIR}/*.cpp)
  if(NOT sources)
    message(FATAL_ERROR "room ${name} has no sources in ${ROOM_DIR}")
  endif()
  add_library(tessera_${name} OBJECT ${sources})
  target_link_libraries(tessera_${name} PUBLIC tessera_flags)
  tessera_view(${name} DIR ${ROOM_DIR} SEES ${ROOM_SEES})
  target_include_directories(tessera_${name} PRIVATE ${TESSERA_VIEW_${name}})
  set_property(GLOBAL APPEND PROPERTY TESSERA_ROOMS tessera_${name})
endfunction()

# tessera_list(ROOM WORD TYPE HEADER [NAMESPACE name] file...): each NAME.cpp of the files defines `extern const TYPE NAME`
# in the namespace, which bears the room's name if it has no other; the room gets pointers to them all, as WORD_files and
# WORD_file_count.
function(tessera_list room word type header)
  cmake_parse_arguments(LIST "" "NAMESPACE" "" ${ARGN})
  if(NOT LIST_NAMESPACE)
    set(LIST_NAMESPACE ${room})
  endif()
  set(declarations)
  set(entries)
  foreach(file ${LIST_UNPARSED_ARGUMENTS})
    get_filename_component(name ${file} NAME_WE)
    string(APPEND declarations "extern const ${type} ${name};\n")
    string(APPEND entries "    &${name},\n")
  endforeach()
  set(list ${CMAKE_CURRENT_BINARY_DIR}/${word}_list.cpp)
  file(CONFIGURE OUTPUT ${list} CONTENT
"// Written by cmake/rooms.cmake.
#include \"${header}\"
namespace tessera::${LIST_NAMESPACE} {
${declarations}
extern const ${type}* const ${word}_files[];
extern const int ${word}_file_count;
const ${type}* const ${word}_files[] = {
${entries}};
const int ${word}_file_count = sizeof(${word}_files) / sizeof(*${word}_files);
}  // namespace tessera::${LIST_NAMESPACE}
")
  target_sources(tessera_${room} PRIVATE ${list})
endfunction()
