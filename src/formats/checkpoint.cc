#include "formats/checkpoint.h"

#include <fmt/core.h>
#include <zlib.h>

#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/atomic_file.h"
#include "core/file_io.h"
#include "core/json_depth.h"

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

std::string write_header(const std::string& architecture, const core::ParameterLayout& layout) {
  Json variables = Json::array();
  for (const core::Variable& variable : layout.variables()) {
    variables.push_back(
        {{"name", variable.name}, {"shape", variable.shape.dims()}, {"offset", variable.offset}});
  }
  const Json header = {{"architecture", Json::parse(architecture)}, {"variables", variables}};
  return header.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// The file's sizes agree, its checksum holds.
Status check_file(std::span<const char> file) {
  const size_t known = std::min(file.size(), sizeof(kMagic));
  if (!std::equal(kMagic, kMagic + known, file.begin())) {
    return data_loss("is not a Sluice checkpoint");
  }
  if (file.size() < sizeof(Prefix)) return data_loss("is cut short; use an older copy");
  Prefix prefix;
  std::memcpy(&prefix, file.data(), sizeof(prefix));
  if (prefix.version != kVersion) {
    return failed_precondition(
        fmt::format("has format version {}, this program reads version {}; use a newer Sluice",
                    prefix.version, kVersion));
  }
  const size_t data_at = aligned(sizeof(Prefix) + prefix.header_size);
  const size_t rest = file.size() < data_at ? 0 : file.size() - data_at;
  if (rest < sizeof(uint32_t) || prefix.data_size != rest - sizeof(uint32_t)) {
    return data_loss(fmt::format(
        "is cut short or damaged: its {} bytes are not what its header says; use an older copy",
        file.size()));
  }
  const size_t covered = file.size() - sizeof(uint32_t);
  uint32_t stored;
  std::memcpy(&stored, file.data() + covered, sizeof(stored));
  if (checksum(0, file.first(covered)) != stored) {
    return data_loss("is damaged: its checksum does not hold; use an older copy");
  }
  return {};
}

Result<core::ParameterLayout> read_layout(const Json& variables, size_t floats) {
  core::ParameterLayout layout;
  for (const Json& variable : variables) {
    const auto sizes = variable.at("shape").get<std::vector<int64_t>>();
    size_t size = 1;
    for (int64_t n : sizes) {
      if (n < 0 || (n > 0 && size > floats / static_cast<size_t>(n))) {
        return data_loss("has variables that do not fit its data");
      }
      size *= static_cast<size_t>(n);
    }
    const size_t offset = layout.add(variable.at("name").get<std::string>(), Shape(sizes));
    if (offset != variable.at("offset").get<size_t>() || layout.size() > floats) {
      return data_loss("has variables that do not fit its data");
    }
  }
  if (layout.size() != floats) return data_loss("has variables that do not fit its data");
  return layout;
}

// From a file that check_file() found whole. Still trusts nothing: anybody can compute a checksum.
Result<Checkpoint> parse_file(std::span<const char> file) {
  Prefix prefix;
  std::memcpy(&prefix, file.data(), sizeof(prefix));
  try {
    const auto text = file.subspan(sizeof(Prefix), prefix.header_size);
    // The architecture is one level down.
    if (core::deeper_than({text.data(), text.size()}, core::kJsonLevels + 1)) {
      return data_loss("has a header that is nested too deep; use an older copy");
    }
    const Json header = Json::parse(text.begin(), text.end());
    SLUICE_ASSIGN_OR_RETURN(core::ParameterLayout layout,
                            read_layout(header.at("variables"), prefix.data_size / sizeof(float)));
    Checkpoint checkpoint{header.at("architecture").dump(), core::ParameterSet(std::move(layout))};
    const std::span<float> values = checkpoint.parameters.values();
    if (values.size_bytes() != prefix.data_size) {
      return data_loss("has variables that do not fit its data");
    }
    const char* data = file.data() + aligned(sizeof(Prefix) + prefix.header_size);
    if (!values.empty()) std::memcpy(values.data(), data, values.size_bytes());
    return checkpoint;
  } catch (const Json::exception&) {
    return data_loss("has a header that is not as Sluice writes it");
  }
}

Result<Checkpoint> check_and_parse(std::span<const char> file) {
  SLUICE_RETURN_IF_ERROR(check_file(file));
  return parse_file(file);
}

}  // namespace

Status check_checkpoint_name(const std::string& path) {
  for (const std::string format : {".keras", ".h5", ".hdf5", ".json", ".onnx", ".pb", ".tflite",
                                   ".pt", ".pth", ".npy", ".npz", ".safetensors"}) {
    if (!path.ends_with(format)) continue;
    return invalid_argument(fmt::format(
        "{}: Sluice writes weights in a format of its own, not as {}; choose another name, such as "
        "{}.sluice",
        path, format, path.substr(0, path.size() - format.size())));
  }
  return ok_status();
}

uint64_t checkpoint_bytes(const std::string& architecture, const core::ParameterLayout& layout) {
  return aligned(sizeof(Prefix) + write_header(architecture, layout).size()) +
         layout.size() * sizeof(float) + sizeof(uint32_t);
}

Status write_checkpoint(const std::string& path, const std::string& architecture,
                        const core::ParameterSet& parameters) {
  core::OutputFile file(path);
  return write_checkpoint(file, architecture, parameters);
}

Status write_checkpoint(core::OutputFile& file, const std::string& architecture,
                        const core::ParameterSet& parameters) {
  SLUICE_RETURN_IF_ERROR(check_checkpoint_name(file.path()));
  const std::string header = write_header(architecture, parameters.layout());
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

Result<Checkpoint> read_checkpoint(const std::string& path) {
  SLUICE_ASSIGN_OR_RETURN(const std::string file,
                          core::read_file(path, [](std::string_view) { return SIZE_MAX / 2; }));
  return parse_checkpoint(path, file);
}

Result<Checkpoint> parse_checkpoint(const std::string& path, std::span<const char> file) {
  Result<Checkpoint> checkpoint = check_and_parse(file);
  if (checkpoint.ok()) return checkpoint;
  return Status(checkpoint.status().code(),
                fmt::format("checkpoint {} {}", path, checkpoint.status().message()));
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
      return failed_precondition(fmt::format("is of another model: it has {} where this one has {}",
                                             describe(there), describe(here)));
    }
  }
  if (in_file != in_model) {
    return failed_precondition(
        fmt::format("is of another model: it has {} variables, this one {}", in_file, in_model));
  }
  return {};
}

}  // namespace sluice::formats
