#include "core/gpus.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace sluice::core {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPrefix = "GPU-";

// A line "GPU UUID: GPU-1f0c..." of the driver's own description.
std::string uuid_in(const fs::path& description) {
  std::ifstream file(description);
  for (std::string line; std::getline(file, line);) {
    const size_t uuid = line.find(kPrefix);
    if (line.starts_with("GPU UUID:") && uuid != std::string::npos) return line.substr(uuid);
  }
  return "";
}

std::vector<std::string> words(const std::string& list) {
  std::vector<std::string> result;
  std::istringstream stream(list);
  for (std::string word; std::getline(stream, word, ',');) result.push_back(word);
  return result;
}

}  // namespace

std::vector<std::string> visible_gpus(const std::string& root) {
  std::vector<fs::path> folders;
  std::error_code none;
  for (fs::directory_iterator entry(root + "/proc/driver/nvidia/gpus", none), end; entry != end;
       entry.increment(none)) {
    folders.push_back(entry->path());
  }
  std::sort(folders.begin(), folders.end());  // by the place on the bus
  std::vector<std::string> all;
  for (const fs::path& folder : folders) {
    const std::string uuid = uuid_in(folder / "information");
    if (!uuid.empty()) all.push_back(uuid);
  }
  const char* chosen = std::getenv("CUDA_VISIBLE_DEVICES");
  if (chosen == nullptr) return all;
  std::vector<std::string> visible;
  for (const std::string& beginning : words(chosen)) {
    const auto it = std::find_if(all.begin(), all.end(), [&](const std::string& uuid) {
      return beginning.starts_with(kPrefix) && uuid.starts_with(beginning);
    });
    if (it == all.end()) return {};
    visible.push_back(*it);
  }
  return visible;
}

}  // namespace sluice::core
