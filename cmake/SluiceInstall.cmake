# What `cmake --install` puts where: libraries, headers, a CMake package and a pkg-config file. (The
# command and the CUDA plug-in are installed by their own folders.)
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/sluice)

# The static library is a component, so that who only runs programs can leave it out.
foreach(kind IN LISTS kinds)
  set(component)
  if(kind STREQUAL "static")
    set(component COMPONENT static)
  endif()
  install(TARGETS sluice_${kind} EXPORT sluice_${kind}
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} ${component})
  install(EXPORT sluice_${kind} NAMESPACE sluice:: FILE sluice-${kind}.cmake
          DESTINATION ${package_dir} ${component})
endforeach()

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/sluiceConfig.cmake.in
  ${PROJECT_BINARY_DIR}/package/sluiceConfig.cmake INSTALL_DESTINATION ${package_dir}
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/sluiceConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/package/sluiceConfig.cmake
              ${PROJECT_BINARY_DIR}/package/sluiceConfigVersion.cmake DESTINATION ${package_dir})
foreach(library oneDNN TurboJPEG libdeflate HDF5Serial)
  install(FILES ${PROJECT_SOURCE_DIR}/cmake/Find${library}.cmake DESTINATION ${package_dir}
          COMPONENT static)
endforeach()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/sluice DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

# Relative to its own place, so that a prefix can be moved.
set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY
           ${CMAKE_INSTALL_PREFIX}/${pkgconfig_dir} OUTPUT_VARIABLE prefix_from_pkgconfig)
cmake_path(GET HDF5Serial_LIBRARY STEM HDF5_NAME)  # libhdf5_serial
string(REGEX REPLACE "^lib" "" HDF5_NAME ${HDF5_NAME})
configure_file(${PROJECT_SOURCE_DIR}/cmake/sluice.pc.in ${PROJECT_BINARY_DIR}/package/sluice.pc
               @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/package/sluice.pc DESTINATION ${pkgconfig_dir})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
