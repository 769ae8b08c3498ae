#include "formats/hdf5_reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "formats/hdf5_object.h"
#include "sluice/errors.h"

namespace sluice::formats {
namespace {

constexpr std::string_view kSignature("\x89HDF\r\n\x1a\n", 8);
constexpr std::string_view kSuperblock = "superblock";

void require_widths(Hdf5Cursor& cursor) {
  const int of_offsets = cursor.byte(), of_lengths = cursor.byte();
  if (of_offsets == 8 && of_lengths == 8) return;
  throw RuntimeError(fmt::format(
      "has addresses of {} and lengths of {} bytes; Sluice reads HDF5 files with 8 and 8",
      of_offsets, of_lengths));
}

void require_base(uint64_t base) {
  if (base != 0) throw RuntimeError("is an HDF5 file with other data in front, which is not read");
}

// The address of the root group's header.
uint64_t read_superblock(Hdf5Bytes& file) {
  Hdf5Cursor cursor(file.at(0, std::min<uint64_t>(file.size(), 96), kSuperblock), kSuperblock);
  cursor.skip(kSignature.size());
  const uint8_t version = cursor.byte();
  if (version > 3) {
    throw RuntimeError(fmt::format("is of version {} of HDF5; Sluice reads 0 to 3", version));
  }
  if (version >= 2) {
    require_widths(cursor);
    cursor.skip(1);
    require_base(cursor.address());
    cursor.skip(16);
    return cursor.address();
  }
  cursor.skip(4);
  require_widths(cursor);
  cursor.skip(version == 0 ? 9 : 13);
  require_base(cursor.address());
  cursor.skip(32);
  return cursor.address();
}

size_t padded(size_t size) { return (size + 7) / 8 * 8; }

std::string up_to_zero(std::span<const char> bytes) {
  return std::string(Hdf5Cursor(bytes, "text").text(bytes.size()));
}

std::pair<std::string, Hdf5Attribute> read_attribute(std::span<const char> message) {
  Hdf5Cursor cursor(message, "attribute");
  const uint8_t version = cursor.byte();
  const uint8_t flags = cursor.byte();
  if (version < 1 || version > 3) cursor.fail();
  if (version > 1 && (flags & 3) != 0) {
    throw RuntimeError("has attributes of named datatypes, which Sluice does not read");
  }
  const size_t name_size = cursor.word(), type_size = cursor.word(), space_size = cursor.word();
  if (version == 3) cursor.skip(1);  // the name's character set
  const auto take = [&](size_t size) {
    const std::span<const char> bytes = cursor.take(version == 1 ? padded(size) : size);
    return bytes.first(size);
  };
  const std::span<const char> name = take(name_size);
  Hdf5Attribute attribute;
  attribute.type = read_hdf5_type(take(type_size));
  attribute.space = read_hdf5_space(take(space_size));
  attribute.data = cursor.rest();
  return {up_to_zero(name), attribute};
}

std::map<std::string, Hdf5Attribute, std::less<>> read_attributes(
    const std::vector<Hdf5Message>& messages) {
  std::map<std::string, Hdf5Attribute, std::less<>> attributes;
  for (const Hdf5Message& message : messages) {
    if (message.type == Hdf5MessageType::kAttribute && !message.is_shared) {
      attributes.insert(read_attribute(message.data));
    }
  }
  return attributes;
}

}  // namespace

bool is_hdf5(std::string_view file) { return file.starts_with(kSignature); }

Hdf5Reader::Hdf5Reader(std::span<const char> file) : bytes_(file) {
  if (!is_hdf5({file.data(), file.size()})) throw RuntimeError("is not an HDF5 file");
  root_ = read_superblock(bytes_);
}

const Hdf5Object& Hdf5Reader::open(uint64_t address) {
  const auto found = objects_.find(address);
  if (found != objects_.end()) return found->second;
  const std::vector<Hdf5Message> messages = read_hdf5_messages(bytes_, address);
  Hdf5Object object;
  object.array = find_hdf5_array(messages);
  if (!object.array) object.members = read_hdf5_group(bytes_, messages);
  object.attributes = read_attributes(messages);
  return objects_.emplace(address, std::move(object)).first->second;
}

const Hdf5Object* Hdf5Reader::find(const Hdf5Object& from, std::string_view path) {
  const Hdf5Object* object = &from;
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, end);
    path.remove_prefix(std::min(end + 1, path.size()));
    if (name.empty()) continue;
    const auto member = object->members.find(name);
    if (member == object->members.end()) return nullptr;
    object = &open(member->second);
  }
  return object;
}

const Hdf5Reader::Heap& Hdf5Reader::heap(uint64_t address) {
  constexpr std::string_view kHeap = "global heap";
  const auto found = heaps_.find(address);
  if (found != heaps_.end()) return found->second;
  Hdf5Cursor prefix(bytes_.at(address, 16, kHeap), kHeap);
  if (prefix.text(4) != "GCOL") throw_hdf5_damage(address, kHeap);
  prefix.skip(4);
  const uint64_t size = prefix.number(8);
  if (size < 16) prefix.fail();
  Hdf5Cursor cursor(bytes_.at(address, size, kHeap), kHeap);
  cursor.skip(16);
  Heap heap;
  while (cursor.left() >= 16) {
    const uint32_t index = cursor.word();
    cursor.skip(6);
    const uint64_t length = cursor.number(8);
    if (index == 0) break;  // what is free
    const std::span<const char> bytes = cursor.take(length);
    heap.emplace(index, bytes);
    cursor.skip(std::min(padded(length) - length, cursor.left()));
  }
  return heaps_.emplace(address, std::move(heap)).first->second;
}

std::vector<std::string> Hdf5Reader::texts(const Hdf5Attribute& attribute) {
  const uint64_t count = attribute.space.count();
  if (count == 0) return {};
  const bool is_variable = attribute.type.kind == Hdf5Type::Kind::kVariableString;
  if (!is_variable && attribute.type.kind != Hdf5Type::Kind::kString) {
    throw RuntimeError(fmt::format("has {} where texts are needed", text_of(attribute.type)));
  }
  Hdf5Cursor cursor(attribute.data, "attribute");
  std::vector<std::string> texts;
  for (uint64_t i = 0; i < count; ++i) {
    Hdf5Cursor element(cursor.take(attribute.type.size), "text");
    if (!is_variable) {
      texts.push_back(up_to_zero(element.rest()));
      continue;
    }
    const uint64_t length = element.dword(), address = element.address();
    if (length == 0) {
      texts.emplace_back();
      continue;
    }
    const Heap& values = heap(address);
    const auto value = values.find(element.dword());
    if (value == values.end() || value->second.size() < length) element.fail();
    bytes_.count(length);  // many may be the same one
    texts.push_back(up_to_zero(value->second.first(length)));
  }
  return texts;
}

std::optional<std::string> Hdf5Reader::text(const Hdf5Object& object, std::string_view attribute) {
  const auto found = object.attributes.find(attribute);
  if (found == object.attributes.end()) return std::nullopt;
  std::vector<std::string> all = texts(found->second);
  if (all.size() != 1) return std::nullopt;
  return std::move(all.front());
}

}  // namespace sluice::formats
