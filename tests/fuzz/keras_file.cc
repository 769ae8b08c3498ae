// Keras' files, and what they are made of: HDF5 and zip.
#include <string>

#include "core/log.h"
#include "formats/hdf5_reader.h"
#include "formats/keras_files.h"
#include "formats/zip_reader.h"
#include "formats/zip_writer.h"
#include "sluice/errors.h"
#include "sluice/layers.h"
#include "tests/fuzz/targets.h"

namespace sluice::fuzz {
namespace {

template <typename Read>
void try_to(Read read) {
  try {
    read();
  } catch (const std::invalid_argument&) {
  } catch (const RuntimeError&) {
  }
}

// As in a model's target: no large layers. Digits behind a point make no number large.
bool has_large_numbers(std::string_view text) {
  size_t digits = 0;
  bool is_fraction = false;
  for (const char c : text) {
    const bool is_digit = c >= '0' && c <= '9';
    digits = is_digit && !is_fraction ? digits + 1 : 0;
    is_fraction = c == '.' || (is_digit && is_fraction);
    if (digits > 2) return true;
  }
  return false;
}

// All groups, all attributes and all numbers.
void walk(formats::Hdf5Reader& file, const formats::Hdf5Object& object, int deepest) {
  for (const auto& [name, attribute] : object.attributes) {
    try_to([&, &one = attribute] { (void)file.texts(one); });
  }
  if (object.array) {
    constexpr uint64_t kMost = 1 << 16;
    try_to([&] {
      const uint64_t count = object.array->space.count();
      if (count > kMost) return;
      std::vector<float> values(count);
      file.read(*object.array, values);
    });
    try_to([&] { (void)file.read_integer(*object.array); });
  }
  if (deepest == 0) return;
  for (const auto& [name, address] : object.members) {
    try_to([&, &at = address] { walk(file, file.open(at), deepest - 1); });
  }
}

Model small_model() {
  Sequential model;
  model.add(Input({3})).add(Dense({.units = 4})).add(BatchNormalization()).add(Dense({.units = 2}));
  return model;
}

}  // namespace

void run_hdf5(std::string_view input) {
  try_to([&] {
    formats::Hdf5Reader file(input);
    walk(file, file.root(), 3);
    (void)file.find(file.root(), "layers/dense/vars/0");
  });
}

void run_zip(std::string_view input) {
  try_to([&] {
    const formats::ZipReader archive(input);
    for (const char* name : {"metadata.json", "config.json", "model.weights.h5", "a"}) {
      std::string storage;
      try_to([&] { (void)archive.read(name, storage); });
    }
  });
}

void run_keras_file(std::string_view input) {
  log::set_level("off");
  if (has_large_numbers(input)) return;
  try_to([&] { (void)formats::parse_keras(input); });
  try_to([&] { (void)formats::parse_h5(input); });
  static const Model kModel = small_model();
  Model model = kModel;
  try_to([&] { formats::load_h5_weights(input, model); });
  // Anybody can write a checksum that holds: config.json, a zero, model.weights.h5.
  const size_t end = input.find('\0');
  if (end == std::string_view::npos) return;
  formats::ZipWriter archive;
  archive.add("config.json", input.substr(0, end));
  archive.add("model.weights.h5", input.substr(end + 1));
  const std::string file = std::move(archive).finish();
  try_to([&] { (void)formats::parse_keras(file); });
}

}  // namespace sluice::fuzz
