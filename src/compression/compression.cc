#include "compression/compression.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "compression/codecs.h"
#include "core/alternatives.h"
#include "core/printable.h"

namespace sluice::compression {
namespace {

using Kind = Compression::Kind;

struct Name {
  Kind kind;
  const char* text;
  const char* form;  // for messages
};

constexpr Name kNames[] = {{Kind::kNone, "none", "none"},   {Kind::kFp16, "fp16", "fp16"},
                           {Kind::kBf16, "bf16", "bf16"},   {Kind::kInt8, "int8", "int8"},
                           {Kind::kOneBit, "1bit", "1bit"}, {Kind::kTopK, "topk", "topk:FRACTION"}};

std::string lower_case(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

Status wrong(std::string_view text, const std::string& expected) {
  return invalid_argument(fmt::format("compression: expected {}, got \"{}\"", expected,
                                      core::printable(std::string(text))));
}

Result<double> parse_fraction(std::string_view text, std::string_view digits) {
  double fraction = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stopped, error] = std::from_chars(digits.data(), end, fraction);
  const bool is_number = error == std::errc() && stopped == end;
  // Of a number that is none, both comparisons are false.
  if (is_number && fraction >= Compression::kLeastFraction &&
      fraction <= Compression::kMostFraction) {
    return fraction;
  }
  return wrong(text, fmt::format("topk with a fraction of the values from {} to {}, as topk:0.01",
                                 Compression::kLeastFraction, Compression::kMostFraction));
}

}  // namespace

Result<Compression> Compression::parse(std::string_view text) {
  const std::string lower = lower_case(text);
  const size_t colon = std::min(lower.find(':'), lower.size());
  for (const Name& name : kNames) {
    if (std::string_view(lower).substr(0, colon) != name.text) continue;
    if (name.kind == Kind::kTopK) {
      const std::string_view behind = std::string_view(lower).substr(colon);
      SLUICE_ASSIGN_OR_RETURN(const double fraction,
                              parse_fraction(text, behind.substr(behind.empty() ? 0 : 1)));
      return Compression{name.kind, fraction};
    }
    if (colon != lower.size()) return wrong(text, fmt::format("{} alone", name.text));
    return Compression{name.kind};
  }
  return wrong(text, core::alternatives(kNames, [](const Name& name) { return name.form; }));
}

bool Compression::is_valid() const {
  if (std::ranges::find(kNames, kind, &Name::kind) == std::end(kNames)) return false;
  if (kind != Kind::kTopK) return fraction == 0;
  return fraction >= kLeastFraction && fraction <= kMostFraction;
}

std::string Compression::to_string() const {
  const auto* name = std::ranges::find(kNames, kind, &Name::kind);
  return kind == Kind::kTopK ? fmt::format("{}:{}", name->text, fraction) : name->text;
}

size_t Compression::chosen(size_t values) const {
  const double share = std::round(fraction * static_cast<double>(values));
  return std::clamp(static_cast<size_t>(share), size_t{1}, values);
}

size_t encoded_bytes(const Compression& compression, size_t values) {
  const size_t rest = values % kBlock;
  return values / kBlock * block_bytes(compression, kBlock) +
         (rest == 0 ? 0 : block_bytes(compression, rest));
}

}  // namespace sluice::compression
