#include "formats/hdf5_object.h"

#include <algorithm>
#include <string_view>

#include "sluice/errors.h"

namespace sluice::formats {
namespace {

constexpr std::string_view kHeader = "object header";

bool begins_with(std::span<const char> bytes, std::string_view signature) {
  return std::string_view(bytes.data(), bytes.size()).starts_with(signature);
}

struct Block {
  uint64_t address, size;
};

// Those of version 1 have their sizes in multiples of 8 bytes, and no creation order.
struct Form {
  bool is_first_version = true;
  bool has_creation_order = false;
};

// What is left behind the last message, shorter than one, is unused.
void read_block(std::span<const char> block, Form form, std::vector<Hdf5Message>& messages,
                std::vector<Block>& continuations) {
  Hdf5Cursor cursor(block, kHeader);
  const size_t prefix = form.is_first_version ? 8 : form.has_creation_order ? 6 : 4;
  while (cursor.left() >= prefix) {
    const uint64_t type = cursor.number(form.is_first_version ? 2 : 1);
    const uint16_t size = cursor.word();
    const uint8_t flags = cursor.byte();
    if (form.is_first_version) {
      cursor.skip(3);
    } else if (form.has_creation_order) {
      cursor.skip(2);
    }
    Hdf5Message message{static_cast<Hdf5MessageType>(type), (flags & 2) != 0, cursor.take(size)};
    if (message.type == Hdf5MessageType::kContinuation) {
      Hdf5Cursor place(message.data, kHeader);
      const uint64_t address = place.address();
      continuations.push_back({address, place.number(8)});
    } else {
      messages.push_back(message);
    }
  }
}

Block first_block_v1(Hdf5Bytes& file, uint64_t address) {
  Hdf5Cursor cursor(file.at(address, 16, kHeader), kHeader);
  cursor.skip(8);  // version, the number of messages, references to the object
  return {address + 16, cursor.dword()};
}

Block first_block_v2(Hdf5Bytes& file, uint64_t address, Form& form) {
  constexpr uint64_t kPrefix = 6;
  Hdf5Cursor cursor(file.at(address, kPrefix, kHeader), kHeader);
  cursor.skip(4);
  if (cursor.byte() != 2) cursor.fail();
  const uint8_t flags = cursor.byte();
  form = {false, (flags & 4) != 0};
  const uint64_t unread = ((flags & 0x20) != 0 ? 16 : 0) + ((flags & 0x10) != 0 ? 4 : 0);
  const uint64_t width = uint64_t{1} << (flags & 3);
  Hdf5Cursor size(file.at(address + kPrefix + unread, width, kHeader), kHeader);
  return {address + kPrefix + unread + width, size.number(width)};
}

// Without signature and checksum. Checksums are not looked at: damage is found where it does harm,
// and a .keras file has one over all of it.
std::span<const char> continuation_of(Hdf5Bytes& file, const Block& block, Form form) {
  const std::span<const char> bytes = file.at(block.address, block.size, kHeader);
  if (form.is_first_version) return bytes;
  if (bytes.size() < 8 || !begins_with(bytes, "OCHK")) throw_hdf5_damage(block.address, kHeader);
  return bytes.subspan(4, bytes.size() - 8);
}

}  // namespace

std::vector<Hdf5Message> read_hdf5_messages(Hdf5Bytes& file, uint64_t address) {
  Form form;
  const std::span<const char> begin = file.at(address, 4, kHeader);
  if (begin[0] != 1 && !begins_with(begin, "OHDR")) throw_hdf5_damage(address, kHeader);
  const Block first =
      begin[0] == 1 ? first_block_v1(file, address) : first_block_v2(file, address, form);
  std::vector<Hdf5Message> messages;
  std::vector<Block> continuations;
  read_block(file.at(first.address, first.size, kHeader), form, messages, continuations);
  uint64_t left = file.size();  // no two of them have a byte in common
  for (size_t i = 0; i < continuations.size(); ++i) {
    const Block block = continuations[i];
    if (block.size == 0 || block.size > left) throw_hdf5_damage(block.address, kHeader);
    left -= block.size;
    read_block(continuation_of(file, block, form), form, messages, continuations);
  }
  return messages;
}

const Hdf5Message* find_message(const std::vector<Hdf5Message>& messages, Hdf5MessageType type) {
  const auto found = std::ranges::find(messages, type, &Hdf5Message::type);
  if (found == messages.end()) return nullptr;
  if (found->is_shared) {
    throw RuntimeError("has HDF5's shared messages (named datatypes), which Sluice does not read");
  }
  return &*found;
}

}  // namespace sluice::formats
