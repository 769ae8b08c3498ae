// What a group of an HDF5 file has: its symbol table, as HDF5 writes it unless it is told
// otherwise, or links within its header.
#include <fmt/core.h>

#include <string_view>

#include "formats/hdf5_object.h"
#include "sluice/errors.h"

namespace sluice::formats {
namespace {

using Members = std::map<std::string, uint64_t, std::less<>>;

[[noreturn]] void refuse_link(std::string_view name, std::string_view kind) {
  throw RuntimeError(fmt::format(
      "has {} at \"{}\": Sluice follows only links to what is in the file itself", kind, name));
}

void add(Members& members, std::string_view name, uint64_t address) {
  if (!members.emplace(name, address).second) {
    throw RuntimeError(fmt::format("is damaged: two members of a group are named \"{}\"", name));
  }
}

class SymbolTable {
 public:
  SymbolTable(Hdf5Bytes& file, uint64_t tree, uint64_t heap) : file_(file) {
    constexpr std::string_view kHeap = "local heap";
    Hdf5Cursor cursor(file.at(heap, 32, kHeap), kHeap);
    if (cursor.text(4) != "HEAP") throw_hdf5_damage(heap, kHeap);
    cursor.skip(4);
    const uint64_t size = cursor.number(8);
    cursor.skip(8);
    names_ = file.at(cursor.address(), size, kHeap);
    read_tree(tree, kDeepest);
  }

  Members take() { return std::move(members_); }

 private:
  static constexpr int kDeepest = 64;  // levels of a tree, of which each has 2 nodes at least

  void read_tree(uint64_t address, int deepest) {
    constexpr std::string_view kTree = "group's tree";
    constexpr size_t kPrefix = 24;
    Hdf5Cursor prefix(file_.at(address, kPrefix, kTree), kTree);
    if (prefix.text(4) != "TREE" || prefix.byte() != 0) throw_hdf5_damage(address, kTree);
    const int level = prefix.byte();
    if (level > deepest) throw_hdf5_damage(address, kTree);
    const uint64_t entries = prefix.word();
    Hdf5Cursor cursor(file_.at(address + kPrefix, 16 * entries, kTree), kTree);
    for (uint64_t i = 0; i < entries; ++i) {
      cursor.skip(8);
      const uint64_t child = cursor.address();
      if (level > 0) {
        read_tree(child, level - 1);
      } else {
        read_symbols(child);
      }
    }
  }

  void read_symbols(uint64_t address) {
    constexpr std::string_view kNode = "symbol table";
    Hdf5Cursor prefix(file_.at(address, 8, kNode), kNode);
    if (prefix.text(4) != "SNOD") throw_hdf5_damage(address, kNode);
    prefix.skip(2);
    const uint64_t entries = prefix.word();
    Hdf5Cursor cursor(file_.at(address + 8, 40 * entries, kNode), kNode);
    for (uint64_t i = 0; i < entries; ++i) {
      const uint64_t name_at = cursor.number(8), object = cursor.address();
      const uint32_t cached = cursor.dword();
      cursor.skip(20);
      if (name_at > names_.size()) cursor.fail();
      Hdf5Cursor text(names_.subspan(name_at), kNode);
      const std::string_view name = text.text(std::min<uint64_t>(text.left(), kLongestName));
      file_.count(name.size());
      if (cached == 2) refuse_link(name, "a soft link");
      add(members_, name, object);
    }
  }

  static constexpr uint64_t kLongestName = 65536;

  Hdf5Bytes& file_;
  std::span<const char> names_;
  Members members_;
};

void read_link(std::span<const char> message, Members& members) {
  Hdf5Cursor cursor(message, "link");
  if (cursor.byte() != 1) cursor.fail();
  const uint8_t flags = cursor.byte();
  const uint8_t type = (flags & 8) != 0 ? cursor.byte() : 0;
  if ((flags & 4) != 0) cursor.skip(8);   // in which order they were made
  if ((flags & 16) != 0) cursor.skip(1);  // the name's character set
  const std::string_view name = cursor.text(cursor.number(size_t{1} << (flags & 3)));
  if (type != 0) refuse_link(name, type == 1 ? "a soft link" : "an external link");
  add(members, name, cursor.address());
}

void refuse_dense(std::span<const char> link_info) {
  Hdf5Cursor cursor(link_info, "link info");
  cursor.skip(1);
  if ((cursor.byte() & 1) != 0) cursor.skip(8);
  if (cursor.address() == kHdf5Undefined) return;
  throw RuntimeError(
      "has groups in HDF5's newer form (libver=\"latest\"), which Sluice does not read; write it "
      "with h5py's defaults, as Keras does");
}

}  // namespace

Members read_hdf5_group(Hdf5Bytes& file, const std::vector<Hdf5Message>& messages) {
  if (const Hdf5Message* table = find_message(messages, Hdf5MessageType::kSymbolTable)) {
    Hdf5Cursor cursor(table->data, "symbol table");
    const uint64_t tree = cursor.address();
    return SymbolTable(file, tree, cursor.address()).take();
  }
  if (const Hdf5Message* info = find_message(messages, Hdf5MessageType::kLinkInfo)) {
    refuse_dense(info->data);
  }
  Members members;
  for (const Hdf5Message& message : messages) {
    if (message.type == Hdf5MessageType::kLink) read_link(message.data, members);
  }
  return members;
}

}  // namespace sluice::formats
