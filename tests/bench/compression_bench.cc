// How fast updates are made smaller and read again, against memcpy of the same floats.
//
//   sluice_compression_bench [--rounds N] [--json FILE]
//
// One thread. Encoding adds normally distributed values to the residual that the round before left;
// validating and decoding read pieces of 64 KiB at odd addresses, as gRPC delivers them, decoding
// into one scratch block. All are measured in turns; the medians are compared. GB/s count the bytes
// of the floats.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "compression/decoder.h"
#include "compression/encoder.h"
#include "core/aligned_buffer.h"
#include "core/rng.h"
#include "tests/bench/measure.h"

namespace sluice::bench {
namespace {

using compression::Compression;

constexpr size_t kPiece = size_t{64} << 10;

void check(const Status& status) {
  if (!status.ok()) throw std::runtime_error(status.to_string());
}

std::vector<std::span<const std::byte>> pieces_of(std::span<const std::byte> rest) {
  std::vector<std::span<const std::byte>> pieces;
  for (; !rest.empty(); rest = rest.subspan(pieces.back().size())) {
    pieces.push_back(rest.first(std::min(kPiece, rest.size())));
  }
  return pieces;
}

nlohmann::ordered_json measure(const std::string& text, const core::AlignedBuffer& values,
                               int rounds) {
  const Compression compression = *Compression::parse(text);
  const size_t n = values.size(), bytes = n * sizeof(float);
  core::AlignedBuffer residual(n), copy(n);
  const size_t encoded = compression::encoded_bytes(compression, n);
  std::vector<std::byte> buffer(encoded + 1);
  const auto code = std::span(buffer).subspan(1);
  const auto pieces = pieces_of(code);
  std::vector<float> scratch(compression::kBlock);
  std::vector<double> encode_s, validate_s, decode_s, copy_s;
  const auto time = [&](std::vector<double>& seconds, int round, const auto& call) {
    const double s = seconds_per_call(1, 0.02, call);
    if (round >= 0) seconds.push_back(s);
  };
  for (int round = -1; round < rounds; ++round) {  // the first warms up
    time(encode_s, round,
         [&] { compression::encode(compression, values.span(), residual.span(), code); });
    time(validate_s, round, [&] { check(compression::validate(compression, n, pieces)); });
    time(decode_s, round, [&] {
      compression::Decoder decoder(compression, n, pieces);
      while (!decoder.next(scratch).empty()) {
      }
    });
    time(copy_s, round, [&] { std::memcpy(copy.data(), values.data(), bytes); });
  }
  const auto speed = [&](const std::vector<double>& s) {
    return 1e-9 * static_cast<double>(bytes) / median(s);
  };
  const double copied = speed(copy_s);
  nlohmann::ordered_json result = {
      {"compression", text},
      {"bytes", bytes},
      {"bytes_per_value", static_cast<double>(encoded) / static_cast<double>(n)},
      {"encode_gb_per_s", speed(encode_s)},
      {"decode_gb_per_s", speed(decode_s)},
      {"memcpy_gb_per_s", copied},
      {"encode_ratio", speed(encode_s) / copied},
      {"decode_ratio", speed(decode_s) / copied},
      {"validate_of_decode", median(validate_s) / median(decode_s)},
      {"rounds", rounds}};
  std::printf(
      "%-10s %5.1f MB: encode %6.2f GB/s   decode %6.2f   memcpy %6.2f   ratios %.2f %.2f"
      "   validate / decode %.3f\n",
      text.c_str(), static_cast<double>(bytes) * 1e-6, speed(encode_s), speed(decode_s), copied,
      speed(encode_s) / copied, speed(decode_s) / copied, median(validate_s) / median(decode_s));
  return result;
}

int run(const std::vector<std::string>& arguments) {
  int rounds = 9;
  std::string file;
  for (size_t i = 0; i + 1 < arguments.size(); i += 2) {
    if (arguments[i] == "--rounds") rounds = std::stoi(arguments[i + 1]);
    if (arguments[i] == "--json") file = arguments[i + 1];
  }
  nlohmann::ordered_json cases;
  for (const size_t parameters : {size_t{1'048'853}, size_t{16'000'000}}) {
    core::AlignedBuffer values(parameters);
    core::Rng rng(1);
    for (float& value : values.span()) value = 1e-3f * rng.normal();
    for (const char* text : {"none", "fp16", "bf16", "int8", "1bit", "topk:0.01", "topk:0.1"}) {
      cases.push_back(measure(text, values, rounds));
    }
  }
  if (!file.empty()) {
    std::ofstream(file)
        << nlohmann::ordered_json{{"benchmark", "compression"}, {"cases", cases}}.dump(2) << "\n";
  }
  return 0;
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  try {
    return sluice::bench::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sluice_compression_bench: %s\n", error.what());
    return 1;
  }
}
