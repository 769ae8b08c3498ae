// The records of tests/keras/golden, or of the folder $SLUICE_KERAS_CASES (reference.py).
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/parameter_set.h"
#include "sluice/model.h"

namespace sluice::keras {

using Json = nlohmann::ordered_json;

inline std::vector<float> floats_of(const Json& base64) {
  std::vector<uint8_t> bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : base64.get<std::string>()) {
    static const std::string kDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const size_t digit = kDigits.find(c);
    if (digit == std::string::npos) break;  // padding
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<uint8_t>(bits >> count));
  }
  std::vector<float> floats(bytes.size() / sizeof(float));
  std::memcpy(floats.data(), bytes.data(), floats.size() * sizeof(float));
  return floats;
}

// How far a record's numbers of this name may be from what we compute.
inline double tolerance_of(const Json& record, const std::string& numbers) {
  return std::max(1e-5, 3 * record.at("errors").at(numbers).get<double>());
}

// The model with its weights.
inline Model model_of(const Json& record) {
  Model model = Model::from_json(record.at("keras3").dump());
  const std::vector<float> weights = floats_of(record.at("weights"));
  if (weights.size() != model.parameters().values().size()) {
    throw std::runtime_error("the model has another number of weights");
  }
  std::copy(weights.begin(), weights.end(), model.parameters().values().begin());
  return model;
}

// $SLUICE_KERAS_CASES, or nothing.
inline std::filesystem::path named_folder() {
  const char* named = std::getenv("SLUICE_KERAS_CASES");
  return named != nullptr ? named : "";
}

// File by file, each an object of records; read once.
inline const std::map<std::string, Json>& golden_files() {
  static const std::map<std::string, Json> files = [] {
    std::map<std::string, Json> read;
    const std::filesystem::path named = named_folder();
    const std::filesystem::path folder =
        named.empty() ? SLUICE_SOURCE_DIR "/tests/keras/golden" : named;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.path().extension() != ".json") continue;
      read[entry.path().stem()] = Json::parse(std::ifstream(entry.path()));
    }
    return read;
  }();
  return files;
}

}  // namespace sluice::keras
