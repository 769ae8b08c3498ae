#include "formats/hdf5_writer.h"

#include <fmt/core.h>
#include <hdf5.h>

#include <algorithm>

#include "sluice/errors.h"

namespace sluice::formats {
namespace {

static_assert(sizeof(hid_t) == sizeof(int64_t));

std::mutex& library() {
  static std::mutex mutex;
  return mutex;
}

// libhdf5 writes each failure to standard error unless it is told not to, for as long.
class Silence {
 public:
  Silence() {
    H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  ~Silence() { H5Eset_auto2(H5E_DEFAULT, function_, data_); }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;

 private:
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
};

[[noreturn]] void refuse(const std::string& what) {
  throw RuntimeError(fmt::format("HDF5 cannot write {}", what));
}

// What libhdf5 has opened, until it is closed.
class Handle {
 public:
  Handle(hid_t id, herr_t (*close)(hid_t), const std::string& what) : id_(id), close_(close) {
    if (id_ < 0) refuse(what);
  }
  ~Handle() { close_(id_); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  operator hid_t() const { return id_; }  // NOLINT: implicit

 private:
  const hid_t id_;
  herr_t (*const close_)(hid_t);
};

void check(herr_t result, const std::string& what) {
  if (result < 0) refuse(what);
}

Handle text_type() {
  return {[] {
            const hid_t type = H5Tcopy(H5T_C_S1);
            if (type >= 0 &&
                (H5Tset_size(type, H5T_VARIABLE) < 0 || H5Tset_cset(type, H5T_CSET_UTF8) < 0)) {
              H5Tclose(type);
              return hid_t{-1};
            }
            return type;
          }(),
          H5Tclose, "texts"};
}

// Groups on the way are made with what is at its end.
Handle making_groups() {
  return {[] {
            const hid_t list = H5Pcreate(H5P_LINK_CREATE);
            if (list >= 0 && H5Pset_create_intermediate_group(list, 1) < 0) {
              H5Pclose(list);
              return hid_t{-1};
            }
            return list;
          }(),
          H5Pclose, "groups"};
}

void write_attribute(hid_t file, const std::string& path, const std::string& name, hid_t space,
                     const std::vector<const char*>& texts) {
  const Handle object(H5Oopen(file, path.empty() ? "/" : path.c_str(), H5P_DEFAULT), H5Oclose,
                      path);
  const Handle type = text_type();
  const Handle attribute(H5Acreate2(object, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT),
                         H5Aclose, name);
  if (!texts.empty()) check(H5Awrite(attribute, type, texts.data()), name);
}

// libhdf5 takes "." for the group around it, so that what is in a group of this name gets lost.
void check_names(const std::string& path) {
  if (("/" + path + "/").find("/./") != std::string::npos) {
    throw RuntimeError(fmt::format("\"{}\": HDF5 has no name \".\"; give the layer another", path));
  }
}

void write_dataset(hid_t file, const std::string& path, hid_t stored, hid_t given,
                   const std::vector<hsize_t>& sizes, const void* values) {
  check_names(path);
  const Handle space(sizes.empty()
                         ? H5Screate(H5S_SCALAR)
                         : H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr),
                     H5Sclose, path);
  const Handle groups = making_groups();
  const Handle dataset(
      H5Dcreate2(file, path.c_str(), stored, space, groups, H5P_DEFAULT, H5P_DEFAULT), H5Dclose,
      path);
  check(H5Dwrite(dataset, given, H5S_ALL, H5S_ALL, H5P_DEFAULT, values), path);
}

}  // namespace

Hdf5Writer::Hdf5Writer(size_t size) : alone_(library()) {
  const Silence silence;
  const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "a file");
  // In memory, which grows by so much at a time.
  check(H5Pset_fapl_core(access, std::max<size_t>(size / 8, 65536), 0), "a file in memory");
  file_ = H5Fcreate("memory", H5F_ACC_TRUNC, H5P_DEFAULT, access);
  if (file_ < 0) refuse("a file in memory");
}

Hdf5Writer::~Hdf5Writer() {
  const Silence silence;
  H5Fclose(file_);
}

void Hdf5Writer::add_group(const std::string& path) {
  const Silence silence;
  if (path.empty()) return;
  check_names(path);
  // Made already, where its name begins that of another.
  const hid_t there = H5Gopen2(file_, path.c_str(), H5P_DEFAULT);
  if (there >= 0) {
    H5Gclose(there);
    return;
  }
  const Handle groups = making_groups();
  const Handle group(H5Gcreate2(file_, path.c_str(), groups, H5P_DEFAULT, H5P_DEFAULT), H5Gclose,
                     path);
}

void Hdf5Writer::add_text(const std::string& path, const std::string& name,
                          const std::string& text) {
  const Silence silence;
  const Handle space(H5Screate(H5S_SCALAR), H5Sclose, name);
  write_attribute(file_, path, name, space, {text.c_str()});
}

void Hdf5Writer::add_texts(const std::string& path, const std::string& name,
                           const std::vector<std::string>& texts) {
  const Silence silence;
  const hsize_t count = texts.size();
  const Handle space(H5Screate_simple(1, &count, nullptr), H5Sclose, name);
  std::vector<const char*> pointers;
  for (const std::string& text : texts) pointers.push_back(text.c_str());
  write_attribute(file_, path, name, space, pointers);
}

void Hdf5Writer::add_array(const std::string& path, const Shape& shape,
                           std::span<const float> values) {
  const Silence silence;
  const std::vector<hsize_t> sizes(shape.dims().begin(), shape.dims().end());
  write_dataset(file_, path, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, sizes, values.data());
}

void Hdf5Writer::add_integer(const std::string& path, int64_t value) {
  const Silence silence;
  write_dataset(file_, path, H5T_STD_I64LE, H5T_NATIVE_INT64, {}, &value);
}

std::string Hdf5Writer::finish() && {
  const Silence silence;
  check(H5Fflush(file_, H5F_SCOPE_GLOBAL), "a file");
  const ssize_t size = H5Fget_file_image(file_, nullptr, 0);
  if (size < 0) refuse("a file");
  std::string image(static_cast<size_t>(size), '\0');
  if (H5Fget_file_image(file_, image.data(), image.size()) != size) refuse("a file");
  return image;
}

}  // namespace sluice::formats
