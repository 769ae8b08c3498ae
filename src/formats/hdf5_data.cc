#include "formats/hdf5_data.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "formats/hdf5_chunks.h"
#include "sluice/errors.h"

namespace sluice::formats {
namespace {

constexpr std::string_view kLayout = "data layout";

struct Layout {
  enum class Kind { kCompact, kContiguous, kChunked };
  Kind kind = Kind::kCompact;
  std::span<const char> bytes{};                // compact
  uint64_t address = kHdf5Undefined, size = 0;  // contiguous
  Hdf5Chunking chunking{};
};

Layout read_layout(const Hdf5Array& array) {
  Hdf5Cursor cursor(array.layout, kLayout);
  const uint8_t version = cursor.byte();
  const uint8_t kind = cursor.byte();
  if (version < 3) {
    throw RuntimeError("is of HDF5 before 1.6.3, whose datasets Sluice does not read");
  }
  if (version > 4) cursor.fail();
  Layout layout;
  if (kind == 0) {
    layout.bytes = cursor.take(cursor.word());
  } else if (kind == 1) {
    layout.kind = Layout::Kind::kContiguous;
    layout.address = cursor.address();
    layout.size = cursor.number(8);
  } else if (kind == 2 && version == 3) {
    layout.kind = Layout::Kind::kChunked;
    const size_t rank = cursor.byte();  // one more than the array's, for the element's size
    layout.chunking.tree = cursor.address();
    if (rank != array.space.sizes.size() + 1) cursor.fail();
    for (size_t i = 0; i + 1 < rank; ++i) layout.chunking.sizes.push_back(cursor.dword());
    if (cursor.dword() != array.type.size) cursor.fail();
    if (!array.filters.empty()) layout.chunking.filters = read_hdf5_filters(array.filters);
  } else if (kind == 2) {
    throw RuntimeError(
        "has datasets with an index of HDF5's newer form (libver=\"latest\"), which Sluice does "
        "not read; write it with h5py's defaults, as Keras does");
  } else if (kind == 3) {
    throw RuntimeError("has a virtual dataset, whose data lie in other files");
  } else {
    cursor.fail();
  }
  return layout;
}

// Of a dataset that is not in chunks.
std::span<const char> bytes_of(Hdf5Bytes& file, const Layout& layout, uint64_t size) {
  if (layout.kind == Layout::Kind::kCompact) {
    if (layout.bytes.size() < size) throw RuntimeError("is damaged: a dataset lacks elements");
    return layout.bytes.first(size);
  }
  if (size == 0) return {};
  if (layout.address == kHdf5Undefined) {
    throw RuntimeError("has a dataset that was never written");
  }
  if (layout.size < size) throw RuntimeError("is damaged: a dataset lacks elements");
  return file.at(layout.address, size, "dataset");
}

}  // namespace

std::optional<Hdf5Array> find_hdf5_array(const std::vector<Hdf5Message>& messages) {
  const Hdf5Message* layout = find_message(messages, Hdf5MessageType::kLayout);
  if (layout == nullptr) return std::nullopt;
  const Hdf5Message* type = find_message(messages, Hdf5MessageType::kDatatype);
  const Hdf5Message* space = find_message(messages, Hdf5MessageType::kDataspace);
  if (type == nullptr || space == nullptr) {
    throw RuntimeError("is damaged: it has a dataset without a type or a shape");
  }
  if (find_message(messages, Hdf5MessageType::kExternalFiles) != nullptr) {
    throw RuntimeError("has an external dataset, whose data lie in another file");
  }
  Hdf5Array array{read_hdf5_type(type->data), read_hdf5_space(space->data), layout->data};
  if (const Hdf5Message* filters = find_message(messages, Hdf5MessageType::kFilters)) {
    array.filters = filters->data;
  }
  return array;
}

void read_hdf5_array(Hdf5Bytes& file, const Hdf5Array& array, std::span<float> to) {
  if (!is_number(array.type)) {
    throw RuntimeError(fmt::format("has {} where numbers are needed", text_of(array.type)));
  }
  const uint64_t count = array.space.count();
  if (count != to.size()) {
    throw RuntimeError(fmt::format("has an array of {} elements, not {}", count, to.size()));
  }
  const Layout layout = read_layout(array);
  if (layout.kind == Layout::Kind::kChunked) {
    read_hdf5_chunks(file, layout.chunking, array.type, array.space, to);
  } else {
    convert_hdf5(array.type, bytes_of(file, layout, count * array.type.size), to);
  }
}

int64_t read_hdf5_integer(Hdf5Bytes& file, const Hdf5Array& array) {
  const Layout layout = read_layout(array);
  if (array.type.kind != Hdf5Type::Kind::kInteger || array.type.is_big_endian ||
      array.space.count() != 1 || layout.kind == Layout::Kind::kChunked) {
    throw RuntimeError(fmt::format("has {} where one whole number is needed", text_of(array.type)));
  }
  Hdf5Cursor cursor(bytes_of(file, layout, array.type.size), kLayout);
  const uint64_t value = cursor.number(array.type.size);
  const unsigned unused = 64 - 8 * array.type.size;
  // A negative one's sign goes all the way up.
  return array.type.is_signed ? static_cast<int64_t>(value << unused) >> unused
                              : static_cast<int64_t>(value);
}

}  // namespace sluice::formats
