// How records are held: features as stored, labels as class numbers, and where both came from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/byte_order.h"
#include "sluice/shape.h"

namespace sluice::data {

// How a stored feature becomes a float: value * scale. kFloat32 and labels lie as in memory
// (core/byte_order.h).
enum class Element : uint8_t { kUint8, kFloat32 };
size_t element_size(Element element);

// Where records can be had again by another process. Empty `kind`: nowhere but in this one's
// memory.
struct RecordsSource {
  std::string kind;                // "idx": images, labels; "csv": one file; "digits": no files
  std::vector<std::string> files;  // absolute paths
  uint64_t seed = 0;               // "digits"
  int64_t first = 0;               // the record of the source that is record 0 here

  friend bool operator==(const RecordsSource&, const RecordsSource&) = default;
};

// What a reader on another machine must know to make sense of the bytes, and where to look for them
// first. data/describe.h carries it to another process.
struct RecordsInfo {
  std::string name;    // "mnist"
  Shape sample_shape;  // [28, 28, 1]
  int classes = 10;
  Element element = Element::kUint8;
  float scale = 1.0f / 255.0f;
  int64_t records = 0;
  std::string origin;  // where it came from, for people: a path, a URL, "generated, seed 1"
  RecordsSource source;

  size_t record_bytes() const {
    return static_cast<size_t>(sample_shape.size()) * element_size(element);
  }
};

// Immutable; safe to read from several threads.
class Records {
 public:
  // `storage` keeps both spans alive. Throws std::invalid_argument when the sizes do not agree, or,
  // naming the record, when a label is not in [0, classes).
  Records(RecordsInfo info, std::span<const std::byte> features, std::span<const int32_t> labels,
          std::shared_ptr<const void> storage);

  const RecordsInfo& info() const { return info_; }
  std::span<const std::byte> features() const { return features_; }  // [records, record_bytes]
  std::span<const int32_t> labels() const { return labels_; }

  // Records [first, first + count), sharing this one's storage. Throws std::out_of_range.
  std::shared_ptr<const Records> slice(int64_t first, int64_t count) const;

  // The same records under another name or with more classes. Throws like the constructor.
  std::shared_ptr<const Records> with_info(RecordsInfo info) const;

  // Writes the records at `indices` one after another: x [n, sample...] as floats, y the labels.
  // Throws std::invalid_argument for a span of another size, std::out_of_range for an index.
  void gather(std::span<const uint32_t> indices, std::span<float> x) const;
  void gather_labels(std::span<const uint32_t> indices, std::span<float> y) const;   // [n]
  void gather_one_hot(std::span<const uint32_t> indices, std::span<float> y) const;  // [n, classes]

 private:
  void check_gather(std::span<const uint32_t> indices, size_t width, size_t size) const;

  RecordsInfo info_;
  std::span<const std::byte> features_;
  std::span<const int32_t> labels_;
  std::shared_ptr<const void> storage_;
};

}  // namespace sluice::data
