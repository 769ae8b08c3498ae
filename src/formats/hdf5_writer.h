// Writing HDF5 files in memory, by libhdf5, in the form that h5py writes by default.
//
// libhdf5 is used by one thread at a time (it is not thread-safe), and says nothing by itself.
// Every function throws RuntimeError where it refuses something.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "sluice/shape.h"

namespace sluice::formats {

class Hdf5Writer {
 public:
  // `size`: of the file, about.
  explicit Hdf5Writer(size_t size);
  ~Hdf5Writer();
  Hdf5Writer(const Hdf5Writer&) = delete;
  Hdf5Writer& operator=(const Hdf5Writer&) = delete;

  // Paths are names with '/' in between, from the root on, which is "". Groups are made as needed.
  void add_group(const std::string& path);
  // Of a group that is there: a text, or several.
  void add_text(const std::string& path, const std::string& name, const std::string& text);
  void add_texts(const std::string& path, const std::string& name,
                 const std::vector<std::string>& texts);
  void add_array(const std::string& path, const Shape& shape, std::span<const float> values);
  void add_integer(const std::string& path, int64_t value);

  // The file. The writer is done then.
  std::string finish() &&;

 private:
  std::unique_lock<std::mutex> alone_;
  int64_t file_;  // hid_t
};

}  // namespace sluice::formats
