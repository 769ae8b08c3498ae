#include "formats/saved_model.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "core/atomic_file.h"
#include "core/file_io.h"
#include "formats/lowered_model.h"
#include "formats/protobuf/tensorflow_nodes.h"
#include "formats/tensorflow_operations.h"
#include "nn/model_impl.h"
#include "sluice/errors.h"

namespace sluice::formats {
namespace {

namespace fs = std::filesystem;

std::string without_last_slashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

Status failure(const std::string& folder, int error) {
  if (error == EEXIST || error == ENOTEMPTY) {
    return failed_precondition(fmt::format(
        "cannot write {}: it is there already; remove it, or choose another name", folder));
  }
  return core::file_error("cannot write " + folder, error,
                          "the folder around it must be there and writable");
}

// A new folder next to where another shall be, removed with all that is in it unless it has been
// renamed to that.
class NewFolder {
 public:
  explicit NewFolder(const std::string& target)
      : target_(without_last_slashes(target)), path_(target_ + ".tmp-XXXXXX") {
    made_ = ::mkdtemp(path_.data()) != nullptr && ::chmod(path_.c_str(), mode()) == 0;
    error_ = made_ ? 0 : errno;
  }
  ~NewFolder() {
    std::error_code ignored;
    if (made_) fs::remove_all(path_, ignored);
  }
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  int error() const { return error_; }  // errno's, or 0
  const std::string& path() const { return path_; }

  // Only where nothing is. The errno of the failure, or 0.
  int rename() {
    if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target_.c_str(), RENAME_NOREPLACE) != 0) {
      return errno;
    }
    made_ = false;
    return flush(fs::path(target_).parent_path().string());
  }
  static int flush(const std::string& folder) {
    const int fd =
        ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno;
    const int error = ::fsync(fd) == 0 || errno == EINVAL ? 0 : errno;  // some file systems cannot
    ::close(fd);
    return error;
  }

 private:
  // As mkdir() would have: mkdtemp()'s is for nobody else.
  static mode_t mode() {
    const mode_t mask = ::umask(0);
    ::umask(mask);
    return 0777 & ~mask;
  }

  const std::string target_;
  std::string path_;
  bool made_ = false;
  int error_ = 0;
};

// The nearest folder around it that is there, and a name in that: where it can be tried whether one
// can be made, as long as those in between are missing.
std::string trial_place(const std::string& target) {
  std::error_code ignored;
  fs::path place = target;
  while (place.has_parent_path() && place != place.parent_path() &&
         !fs::exists(place.parent_path(), ignored)) {
    place = place.parent_path();
  }
  return place.string();
}

}  // namespace

std::string saved_model_bytes(const Model& model) {
  const LoweredModel lowered(model, "a SavedModel");
  TensorflowNodes nodes;
  TensorflowOperations operations(lowered, nodes);
  const backend::Graph& graph = lowered.graph;
  for (size_t k = 0; k < graph.inputs.size(); ++k) {
    const Shape& shape = lowered.shape_of(graph.inputs[k]);
    operations.set(graph.inputs[k], nodes.add_input(lowered.inputs[k], shape.dims()));
  }
  for (const backend::Op& op : graph.ops) operations.append(op);
  for (size_t k = 0; k < graph.outputs.size(); ++k) {
    const backend::ValueId value = graph.outputs[k].value;
    nodes.add_output(lowered.outputs[k], operations.get(value), lowered.shape_of(value).dims());
  }
  return nodes.bytes();
}

Status check_saved_model_folder(const std::string& folder, uint64_t bytes) {
  const std::string target = without_last_slashes(folder);
  struct stat there {};
  if (::lstat(target.c_str(), &there) == 0) return failure(folder, EEXIST);
  if (errno != ENOENT) return failure(folder, errno);
  const NewFolder made(trial_place(target));
  if (made.error() != 0) return failure(folder, made.error());
  return core::OutputFile(made.path() + "/saved_model.pb").check(bytes);
}

Status write_saved_model(const std::string& folder, const Model& model) {
  const std::string graph = saved_model_bytes(model);
  SLUICE_RETURN_IF_ERROR(check_saved_model_folder(folder, graph.size()));
  if (const fs::path around = fs::path(without_last_slashes(folder)).parent_path();
      !around.empty()) {
    std::error_code error;
    fs::create_directories(around, error);
    if (error) return failure(folder, error.value());
  }
  NewFolder made(folder);
  if (made.error() != 0) return failure(folder, made.error());
  SLUICE_RETURN_IF_ERROR(core::replace_file(made.path() + "/saved_model.pb", {graph}));
  if (const auto& preprocessing = model.impl().preprocessing) {
    const std::string extra = made.path() + "/assets.extra", json = preprocessing->to_json();
    if (::mkdir(extra.c_str(), 0777) != 0) return failure(folder, errno);
    SLUICE_RETURN_IF_ERROR(core::replace_file(extra + "/sluice.json", {json}));
  }
  if (const int error = NewFolder::flush(made.path()); error != 0) return failure(folder, error);
  const int error = made.rename();
  return error == 0 ? ok_status() : failure(folder, error);
}

}  // namespace sluice::formats
