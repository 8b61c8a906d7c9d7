# All rooms as libtessera.a and libtessera.so, and what an installed tree needs besides. The archive is all that a program
# needs: the upscaler is in it, too, and linked where it is used.
include(CMakePackageConfigHelpers)

get_property(rooms GLOBAL PROPERTY TESSERA_ROOMS)
set(room_objects)
foreach(room ${rooms})
  list(APPEND room_objects $<TARGET_OBJECTS:${room}>)
endforeach()
set_property(SOURCE runtime/session/c_api.cpp TARGET_DIRECTORY tessera_session
             APPEND PROPERTY COMPILE_DEFINITIONS TESSERA_VERSION="${PROJECT_VERSION}")

set(tessera_private_libraries Threads::Threads ${CMAKE_DL_LIBS} ${TESSERA_OPENBLAS_LIBRARY})

add_library(tessera_static STATIC ${room_objects} $<TARGET_OBJECTS:tessera_upscale_objects>)
set_target_properties(tessera_static PROPERTIES OUTPUT_NAME tessera EXPORT_NAME static)
target_link_libraries(tessera_static PUBLIC $<BUILD_INTERFACE:tessera_flags> $<BUILD_INTERFACE:tessera_tree> ${tessera_private_libraries})
target_include_directories(tessera_static INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

add_library(tessera_shared SHARED ${room_objects})
set_target_properties(tessera_shared PROPERTIES OUTPUT_NAME tessera EXPORT_NAME shared
                      VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
                      LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/exports.map)
target_link_libraries(tessera_shared PRIVATE $<BUILD_INTERFACE:tessera_flags> ${tessera_private_libraries})
target_link_options(tessera_shared PRIVATE -Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/exports.map
                    -Wl,--no-undefined -Wl,--gc-sections)
if(TESSERA_SANITIZE)
  set_property(TARGET tessera_shared PROPERTY LINK_OPTIONS "")
endif()
target_include_directories(tessera_shared INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

install(TARGETS tessera_static tessera_shared EXPORT tessera
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/tessera DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT tessera NAMESPACE tessera:: FILE tessera-targets.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tessera)
configure_package_config_file(cmake/tessera-config.cmake.in ${PROJECT_BINARY_DIR}/tessera-config.cmake
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tessera)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/tessera-config-version.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${PROJECT_BINARY_DIR}/tessera-config.cmake ${PROJECT_BINARY_DIR}/tessera-config-version.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tessera)
# The installed tree may be moved: everything is found from where the file lies.
file(RELATIVE_PATH TESSERA_PC_UP /p/${CMAKE_INSTALL_LIBDIR}/pkgconfig /p)
configure_file(cmake/tessera.pc.in ${PROJECT_BINARY_DIR}/tessera.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/tessera.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
