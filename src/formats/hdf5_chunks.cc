#include "formats/hdf5_chunks.h"

#include <fmt/core.h>
#include <libdeflate.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "sluice/errors.h"

namespace sluice::formats {
namespace {

constexpr std::string_view kTree = "index of chunks";

struct Inflater {
  void operator()(libdeflate_decompressor* decompressor) const {
    libdeflate_free_decompressor(decompressor);
  }
};

class ChunkReader {
 public:
  ChunkReader(Hdf5Bytes& file, const Hdf5Chunking& chunking, const Hdf5Type& type,
              const Hdf5Space& space, std::span<float> to)
      : file_(file), chunking_(chunking), type_(type), to_(to) {
    for (const int64_t size : space.sizes) shape_.push_back(static_cast<uint64_t>(size));
    uint64_t chunks = 1;
    for (size_t axis = 0; axis < shape_.size(); ++axis) {
      const uint64_t size = chunking.sizes[axis];
      if (size == 0) throw_hdf5_damage(chunking.tree, kTree);
      per_axis_.push_back((shape_[axis] + size - 1) / size);
      chunks *= per_axis_.back();  // no more than there are elements
      if (__builtin_mul_overflow(elements_, size, &elements_) ||
          elements_ > to.size() + kMostBeyond) {
        throw RuntimeError("has a dataset whose chunks are far larger than it is");
      }
    }
    seen_.resize(chunks);
  }

  void read() {
    if (to_.empty()) return;
    read_tree(chunking_.tree, kDeepest);
    if (std::ranges::all_of(seen_, [](bool seen) { return seen; })) return;
    throw RuntimeError("has a dataset of which some chunks were never written");
  }

 private:
  static constexpr int kDeepest = 64;
  // HDF5 lets arrays that may grow have chunks that are larger than they are; its own and h5py's
  // are of a megabyte.
  static constexpr uint64_t kMostBeyond = uint64_t{1} << 20;

  void read_tree(uint64_t address, int deepest) {
    constexpr size_t kPrefix = 24;
    Hdf5Cursor prefix(file_.at(address, kPrefix, kTree), kTree);
    if (prefix.text(4) != "TREE" || prefix.byte() != 1) throw_hdf5_damage(address, kTree);
    const int level = prefix.byte();
    if (level > deepest) throw_hdf5_damage(address, kTree);
    const uint64_t entries = prefix.word();
    const uint64_t entry = 8 + 8 * (shape_.size() + 1) + 8;
    Hdf5Cursor cursor(file_.at(address + kPrefix, entries * entry, kTree), kTree);
    for (uint64_t i = 0; i < entries; ++i) {
      const uint32_t size = cursor.dword(), left_out = cursor.dword();
      std::vector<uint64_t> corner;
      for (size_t axis = 0; axis < shape_.size(); ++axis) corner.push_back(cursor.number(8));
      cursor.skip(8);  // within an element: always 0
      const uint64_t child = cursor.address();
      if (level > 0) {
        read_tree(child, level - 1);
      } else {
        read_chunk(corner, left_out, file_.at(child, size, "chunk"));
      }
    }
  }

  void read_chunk(const std::vector<uint64_t>& corner, uint32_t left_out,
                  std::span<const char> stored) {
    uint64_t number = 0;
    for (size_t axis = 0; axis < shape_.size(); ++axis) {
      const uint64_t place = corner[axis] / chunking_.sizes[axis];
      if (corner[axis] % chunking_.sizes[axis] != 0 || place >= per_axis_[axis]) fail();
      number = number * per_axis_[axis] + place;
    }
    if (seen_[number]) fail();
    seen_[number] = true;
    const std::span<const char> bytes = unpacked(stored, left_out);
    floats_.resize(elements_);
    convert_hdf5(type_, bytes, floats_);
    copy(corner, 0, floats_.data(), 0);
  }

  [[noreturn]] static void fail() { throw RuntimeError("is damaged: a chunk of a dataset"); }

  // Filters back to front, without those whose bits are set in `left_out`.
  std::span<const char> unpacked(std::span<const char> bytes, uint32_t left_out) {
    const size_t size = elements_ * type_.size;
    for (size_t i = chunking_.filters.size(); i-- > 0;) {
      if (i < 32 && (left_out >> i & 1) != 0) continue;
      const bool is_deflated = chunking_.filters[i] == Hdf5Chunking::kDeflate;
      // DEFLATE makes at most 1032 bytes of one.
      if (is_deflated ? size / 1032 > bytes.size() : bytes.size() != size) fail();
      std::vector<char>& to = bytes.data() == scratch_[0].data() ? scratch_[1] : scratch_[0];
      to.resize(size);
      if (is_deflated) {
        inflate(bytes, to);
      } else {
        unshuffle(bytes, to);
      }
      bytes = to;
    }
    if (bytes.size() != size) fail();
    return bytes;
  }

  void inflate(std::span<const char> bytes, std::span<char> to) {
    if (inflater_ == nullptr) inflater_.reset(libdeflate_alloc_decompressor());
    if (inflater_ == nullptr) throw std::bad_alloc();
    const libdeflate_result result = libdeflate_zlib_decompress(
        inflater_.get(), bytes.data(), bytes.size(), to.data(), to.size(), nullptr);
    if (result != LIBDEFLATE_SUCCESS) fail();
  }

  // All first bytes of elements come before all second ones.
  void unshuffle(std::span<const char> bytes, std::span<char> to) const {
    for (size_t b = 0; b < type_.size; ++b) {
      for (size_t i = 0; i < elements_; ++i) to[i * type_.size + b] = bytes[b * elements_ + i];
    }
  }

  // What of the chunk lies within the array. `at`: the number of the array's element.
  void copy(const std::vector<uint64_t>& corner, size_t axis, const float* from, uint64_t at) {
    if (axis == shape_.size()) {
      to_[at] = *from;
      return;
    }
    uint64_t stride = 1;  // of the chunk along this axis
    for (size_t i = axis + 1; i < shape_.size(); ++i) stride *= chunking_.sizes[i];
    const uint64_t n = std::min(chunking_.sizes[axis], shape_[axis] - corner[axis]);
    const uint64_t begin = at * shape_[axis] + corner[axis];
    if (axis + 1 == shape_.size()) {
      std::copy_n(from, n, to_.begin() + static_cast<std::ptrdiff_t>(begin));
      return;
    }
    for (uint64_t i = 0; i < n; ++i) copy(corner, axis + 1, from + i * stride, begin + i);
  }

  Hdf5Bytes& file_;
  const Hdf5Chunking& chunking_;
  const Hdf5Type& type_;
  const std::span<float> to_;
  std::vector<uint64_t> shape_, per_axis_;
  uint64_t elements_ = 1;   // of a chunk
  std::vector<bool> seen_;  // of chunks
  std::vector<float> floats_;
  std::vector<char> scratch_[2];
  std::unique_ptr<libdeflate_decompressor, Inflater> inflater_;
};

}  // namespace

std::vector<uint64_t> read_hdf5_filters(std::span<const char> message) {
  Hdf5Cursor cursor(message, "filters");
  const uint8_t version = cursor.byte();
  const int count = cursor.byte();
  if (version != 1 && version != 2) cursor.fail();
  if (version == 1) cursor.skip(6);
  std::vector<uint64_t> filters;
  for (int i = 0; i < count; ++i) {
    const uint64_t id = cursor.word();
    if (id != Hdf5Chunking::kDeflate && id != Hdf5Chunking::kShuffle) {
      throw RuntimeError(fmt::format(
          "has data packed by HDF5's filter number {}; Sluice reads gzip and shuffle", id));
    }
    const uint16_t name = version == 1 ? cursor.word() : uint16_t{0};
    cursor.skip(2);
    const uint16_t values = cursor.word();
    cursor.skip((name + 7u) / 8 * 8);
    cursor.skip(4u * (version == 1 ? (values + 1u) / 2 * 2 : values));
    filters.push_back(id);
  }
  return filters;
}

void read_hdf5_chunks(Hdf5Bytes& file, const Hdf5Chunking& chunking, const Hdf5Type& type,
                      const Hdf5Space& space, std::span<float> to) {
  ChunkReader(file, chunking, type, space, to).read();
}

}  // namespace sluice::formats
