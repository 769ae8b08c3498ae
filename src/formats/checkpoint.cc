#include "formats/checkpoint.h"

#include <fmt/core.h>
#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/atomic_file.h"
#include "core/json_depth.h"
#include "core/json_text.h"
#include "core/parameter_set.h"
#include "nn/model_impl.h"
#include "sluice/errors.h"

namespace sluice::formats {
namespace {

using Json = nlohmann::ordered_json;

static_assert(std::endian::native == std::endian::little, "the file's bytes are little-endian");

constexpr char kMagic[] = {'S', 'L', 'U', 'I', 'C', 'E', 'C', 'K'};
constexpr uint32_t kVersion = 1;
constexpr size_t kAlignment = 64;

struct Prefix {
  char magic[8];
  uint32_t version;
  uint32_t header_size;
  uint64_t data_size;
};
static_assert(sizeof(Prefix) == 24);

size_t aligned(size_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

uint32_t checksum(uint32_t crc, std::span<const char> bytes) {
  if (bytes.empty()) return crc;  // for zlib, no bytes at no address mean: begin anew
  return static_cast<uint32_t>(
      ::crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

std::string write_header(const Model& model) {
  Json variables = Json::array();
  for (const core::Variable& variable : model.parameters().layout().variables()) {
    variables.push_back(
        {{"name", variable.name}, {"shape", variable.shape.dims()}, {"offset", variable.offset}});
  }
  Json header = {{"architecture", core::parse_plain_json(model.to_json())},
                 {"variables", variables}};
  if (model.preprocessing())
    header["preprocessing"] = core::parse_plain_json(model.preprocessing()->to_json());
  return core::json_text(header);
}

// What a file says, checked as far as it can be without a model.
struct Checkpoint {
  std::string architecture;  // JSON, for Model::from_json()
  core::ParameterSet parameters;
  std::string preprocessing;  // JSON; empty: not known
};

// Throws unless the file's sizes agree and its checksum holds.
void check_file(std::span<const char> file) {
  if (file.size() < sizeof(Prefix)) throw RuntimeError("cut short; use an older copy");
  Prefix prefix;
  std::memcpy(&prefix, file.data(), sizeof(prefix));
  if (!is_checkpoint({file.data(), file.size()})) throw RuntimeError("not a Sluice checkpoint");
  if (prefix.version != kVersion) {
    throw RuntimeError(
        fmt::format("of format version {}, this program reads version {}; use a newer Sluice",
                    prefix.version, kVersion));
  }
  const size_t data_at = aligned(sizeof(Prefix) + prefix.header_size);
  const size_t rest = file.size() < data_at ? 0 : file.size() - data_at;
  if (rest < sizeof(uint32_t) || prefix.data_size != rest - sizeof(uint32_t)) {
    throw RuntimeError(fmt::format(
        "cut short or damaged: its {} bytes are not what its header says; use an older copy",
        file.size()));
  }
  const size_t covered = file.size() - sizeof(uint32_t);
  uint32_t stored;
  std::memcpy(&stored, file.data() + covered, sizeof(stored));
  if (checksum(0, file.first(covered)) != stored) {
    throw RuntimeError("damaged: its checksum does not hold; use an older copy");
  }
}

core::ParameterLayout read_layout(const Json& variables, size_t floats) {
  const RuntimeError misfit("its variables do not fit its data");
  core::ParameterLayout layout;
  for (const Json& variable : variables) {
    const auto sizes = variable.at("shape").get<std::vector<int64_t>>();
    size_t size = 1;
    for (int64_t n : sizes) {
      if (n < 0 || (n > 0 && size > floats / static_cast<size_t>(n))) throw misfit;
      size *= static_cast<size_t>(n);
    }
    const size_t offset = layout.add(variable.at("name").get<std::string>(), Shape(sizes));
    if (offset != variable.at("offset").get<size_t>() || layout.size() > floats) throw misfit;
  }
  if (layout.size() != floats) throw misfit;
  return layout;
}

// From a file that check_file() found whole. Still trusts nothing: anybody can compute a checksum.
Checkpoint parse_file(std::span<const char> file) {
  Prefix prefix;
  std::memcpy(&prefix, file.data(), sizeof(prefix));
  try {
    const auto text = file.subspan(sizeof(Prefix), prefix.header_size);
    // The architecture is one level down.
    if (core::deeper_than({text.data(), text.size()}, core::kJsonLevels + 1)) {
      throw RuntimeError("its header is nested too deep; use an older copy");
    }
    const Json header = core::parse_plain_json({text.data(), text.size()});
    Checkpoint checkpoint{
        core::json_text(header.at("architecture")),
        core::ParameterSet(read_layout(header.at("variables"), prefix.data_size / sizeof(float))),
        header.contains("preprocessing") ? core::json_text(header.at("preprocessing")) : ""};
    const std::span<float> values = checkpoint.parameters.values();
    if (values.size_bytes() != prefix.data_size) {
      throw RuntimeError("its variables do not fit its data");
    }
    const char* data = file.data() + aligned(sizeof(Prefix) + prefix.header_size);
    if (!values.empty()) std::memcpy(values.data(), data, values.size_bytes());
    return checkpoint;
  } catch (const Json::exception&) {
    throw RuntimeError("its header is not as Sluice writes it");
  }
}

}  // namespace

uint64_t checkpoint_bytes(const Model& model) {
  const core::ParameterLayout& layout = model.parameters().layout();
  return aligned(sizeof(Prefix) + write_header(model).size()) + layout.size() * sizeof(float) +
         sizeof(uint32_t);
}

Status write_checkpoint(core::OutputFile& file, const Model& model) {
  const core::ParameterSet& parameters = model.parameters();
  const std::string header = write_header(model);
  if (header.size() > std::numeric_limits<uint32_t>::max()) {
    return invalid_argument(
        fmt::format("cannot write {}: the architecture is too large", file.path()));
  }
  Prefix prefix = {{}, kVersion, static_cast<uint32_t>(header.size()), 0};
  std::memcpy(prefix.magic, kMagic, sizeof(kMagic));
  prefix.data_size = parameters.values().size_bytes();

  std::string front(reinterpret_cast<const char*>(&prefix), sizeof(prefix));
  front += header;
  front.resize(aligned(front.size()), '\0');
  const std::span<const char> data(reinterpret_cast<const char*>(parameters.values().data()),
                                   parameters.values().size_bytes());
  const uint32_t crc = checksum(checksum(0, front), data);
  return file.write({front, data, {reinterpret_cast<const char*>(&crc), sizeof(crc)}});
}

bool is_checkpoint(std::string_view file) {
  return file.starts_with(std::string_view(kMagic, sizeof kMagic));
}

Model parse_checkpoint(std::span<const char> file) {
  check_file(file);
  const Checkpoint checkpoint = parse_file(file);
  Model model = Model::from_json(checkpoint.architecture);
  const Status same =
      check_same_layout(checkpoint.parameters.layout(), model.parameters().layout());
  if (!same.ok()) throw RuntimeError(same.message());
  std::ranges::copy(checkpoint.parameters.values(), model.parameters().values().begin());
  if (!checkpoint.preprocessing.empty()) {
    model.impl().preprocessing = Preprocessing::from_json(checkpoint.preprocessing);
  }
  return model;
}

Status check_same_layout(const core::ParameterLayout& file, const core::ParameterLayout& model) {
  const auto describe = [](const core::Variable& v) {
    return fmt::format("\"{}\" {}", v.name, v.shape.to_string());
  };
  const size_t in_file = file.variables().size();
  const size_t in_model = model.variables().size();
  for (size_t i = 0; i < std::min(in_file, in_model); ++i) {
    const core::Variable& there = file.variables()[i];
    const core::Variable& here = model.variables()[i];
    if (there.name != here.name || there.shape != here.shape) {
      return failed_precondition(fmt::format("of another model: it has {} where this one has {}",
                                             describe(there), describe(here)));
    }
  }
  if (in_file != in_model) {
    return failed_precondition(
        fmt::format("of another model: it has {} variables, this one {}", in_file, in_model));
  }
  return {};
}

}  // namespace sluice::formats
