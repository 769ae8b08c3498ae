# Several sources of a folder in one translation unit, which read the headers that they share once.
#
# For builds that are made from nothing more often than they are changed: the sanitized ones
# (CMakePresets.json), and the tests of continuous integration. Otherwise each source is compiled
# alone, which finds includes that are missing. docs/building.md has the figures.
set(SLUICE_UNITY OFF CACHE STRING
    "Compile up to eight sources of a folder at once: OFF, TESTS (those of tests only) or ON")

# These use a name in their unnamed namespace that another source of their folder uses too. Whoever
# adds a source that does ("redefinition of ...", "... is ambiguous") gives one of both another
# name, or a line here.
set(SLUICE_APART
  src/cli/train_command.cc
  src/client/parameter_client.cc
  src/core/file_io.cc
  src/data/array_records.cc
  src/data/csv.cc
  src/data/idx.cc
  src/data/input_lines.cc
  src/formats/hdf5_group.cc
  src/formats/hdf5_types.cc
  src/formats/keras_h5.cc
  src/formats/keras_weights.cc
  src/formats/keras_writer.cc
  src/formats/model_file.cc
  src/formats/onnx_import/activations.cc
  src/formats/onnx_import/arithmetic.cc
  src/formats/onnx_import/importer.cc
  src/formats/onnx_import/shapes.cc
  src/formats/protobuf/tensorflow_nodes.cc
  src/formats/zip_reader.cc
  src/formats/zip_writer.cc
  src/nn/arguments.cc
  src/nn/initializers.cc
  src/nn/layers/pooling.cc
  src/nn/layers/up_sampling.cc
  src/nn/metrics.cc
  src/transport/grpc/parameter_methods.cc
  tests/data/fetcher_test.cc
  tests/data/inputs_test.cc
  tests/data/sha256_test.cc
  tests/data/weights_file_test.cc
  tests/driver/job_event_test.cc
  tests/driver/lease_table_test.cc
  tests/formats/keras_files_test.cc
  tests/formats/model_file_test.cc
  tests/formats/saved_model_test.cc
  tests/keras/exports_test.cc
  tests/keras/optimizers_test.cc
  tests/nn/arguments_test.cc
  tests/nn/initializers_test.cc
  tests/nn/shape_layers_test.cc
  tests/server/job_store_test.cc
  tests/server/push_machine_test.cc
  tests/show/status_view_test.cc
  tests/train/predict_test.cc
  tests/transport/compressed_transport_test.cc
  tests/transport/deadline_test.cc
  tests/transport/grpc/robustness_test.cc
  tests/transport/later_test.cc
  tests/transport/parameter_transport_test.cc
  tests/worker/worker_test.cc)
# Whose sources are alike and so are their names: a rule, an algorithm, a kernel or a test each.
set(SLUICE_APART_TARGETS
  sluice_algorithm sluice_backend sluice_graph sluice_optim backend_test cuda_test integration_test)

# sluice_unity(TARGET): for a target of this folder, whose sources are named from it.
function(sluice_unity target)
  if(NOT SLUICE_UNITY OR target IN_LIST SLUICE_APART_TARGETS)
    return()
  endif()
  set(tests ${PROJECT_SOURCE_DIR}/tests)
  cmake_path(IS_PREFIX tests ${CMAKE_CURRENT_SOURCE_DIR} is_test)
  if(SLUICE_UNITY STREQUAL "TESTS" AND NOT is_test)
    return()
  endif()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
  get_target_property(sources ${target} SOURCES)
  foreach(source IN LISTS sources)
    cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
               OUTPUT_VARIABLE path)
    cmake_path(RELATIVE_PATH path BASE_DIRECTORY ${PROJECT_SOURCE_DIR})
    if(path IN_LIST SLUICE_APART)
      set_source_files_properties(${source} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
    endif()
  endforeach()
endfunction()
