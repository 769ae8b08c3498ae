// What reads bytes that anybody may have written, for a fuzzer (fuzzer.cc) and for a test that
// reads what fuzzers have found (fuzz_test.cc).
//
// A target must come back from any input, whatever it is: with a refusal, or with something that
// keeps what is promised of it.
#pragma once

#include <span>
#include <string_view>

namespace sluice::fuzz {

struct Target {
  const char* name;  // of its folder in tests/fuzz/corpus, too
  const char* what;
  void (*run)(std::string_view input);
};

std::span<const Target> targets();

void run_model(std::string_view input);       // a model's JSON
void run_texts(std::string_view input);       // optimizers, losses, metrics
void run_checkpoint(std::string_view input);  // header, a zero, data: a file with a right checksum
void run_onnx(std::string_view input);        // an ONNX file
void run_csv(std::string_view input);         // a CSV file with the column "y"
void run_inputs(std::string_view input);      // a file that a model is used on
void run_idx(std::string_view input);         // two files behind one another; see idx.cc
void run_hdf5(std::string_view input);        // an HDF5 file, all of it
void run_zip(std::string_view input);         // a zip archive
void run_keras_file(std::string_view input);  // .keras, .h5, .weights.h5, and see there
void run_update(std::string_view input);      // compressed values of a push; see update.cc
void run_weights(std::string_view input);     // weights of records; see weights.cc

// Ends the process unless `holds`.
void require(bool holds, const char* what);

}  // namespace sluice::fuzz
