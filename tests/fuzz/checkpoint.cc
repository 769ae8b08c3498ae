#include "formats/checkpoint.h"

#include <zlib.h>

#include <cstring>
#include <string>

#include "sluice/errors.h"
#include "tests/fuzz/targets.h"

namespace sluice::fuzz {
namespace {

void append(std::string& file, uint64_t number, size_t bytes) {
  file.append(reinterpret_cast<const char*>(&number), bytes);
}

// Anybody can write sizes and a checksum that hold.
std::string file_of(std::string_view header, std::string_view data) {
  std::string file = "SLUICECK";
  append(file, 1, 4);
  append(file, header.size(), 4);
  append(file, data.size(), 8);
  file += header;
  file.resize((file.size() + 63) / 64 * 64, '\0');
  file += data;
  const auto* bytes = reinterpret_cast<const Bytef*>(file.data());
  append(file, crc32(0, bytes, static_cast<uInt>(file.size())), 4);
  return file;
}

void read(std::string_view file) {
  try {
    formats::parse_checkpoint(file);
  } catch (const std::invalid_argument&) {
  } catch (const RuntimeError&) {
  }
}

}  // namespace

void run_checkpoint(std::string_view input) {
  read(input);
  const size_t end = input.find('\0');
  if (end == std::string_view::npos) return;
  const std::string_view header = input.substr(0, end);
  // As in a model's target: no large layers.
  size_t digits = 0;
  for (const char c : header) {
    digits = c >= '0' && c <= '9' ? digits + 1 : 0;
    if (digits > 2) return;
  }
  read(file_of(header, input.substr(end + 1)));
}

}  // namespace sluice::fuzz
