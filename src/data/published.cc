#include "data/published.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>

#include "data/gzip.h"
#include "data/sha256.h"

namespace sluice::data {
namespace {

namespace fs = std::filesystem;

PublishedDataset with_digests(const std::string& name, std::array<std::string, 4> digests,
                              std::vector<std::string> mirrors) {
  PublishedDataset dataset = idx_folder(name);
  constexpr std::array<uint64_t, 4> kBytes = {16 + 60000 * 784, 8 + 60000, 16 + 10000 * 784,
                                              8 + 10000};
  for (size_t i = 0; i < 4; ++i) {
    dataset.files[i].sha256 = digests[i];
    dataset.files[i].bytes = kBytes[i];
  }
  dataset.mirrors = std::move(mirrors);
  return dataset;
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored) && !fs::is_directory(path, ignored);
}

std::string find_file(const std::string& folder, const std::string& name) {
  std::string dotted = name;  // "train-images.idx3-ubyte"
  if (const size_t at = dotted.find("-idx"); at != std::string::npos) dotted[at] = '.';
  for (const std::string& stem : {name, dotted}) {
    for (const char* suffix : {"", ".gz"}) {
      const fs::path path = fs::path(folder) / (stem + suffix);
      if (is_file(path)) return path.string();
    }
  }
  return {};
}

// Whether these are another dataset's files, told by their smallest one.
Status check_not_another(const PublishedDataset& dataset, const std::string& labels_path) {
  for (const PublishedDataset* other : {&mnist_files(), &fashion_mnist_files()}) {
    if (other->name == dataset.name) continue;
    const PublishedFile& file = other->files[kTestLabels];
    const auto digest = digest_of(labels_path, file.bytes);
    if (digest.ok() && *digest == file.sha256) {
      return invalid_argument(
          fmt::format("{} belongs to {}, not to {}: put each dataset into a folder of its own name",
                      labels_path, other->name, dataset.name));
    }
  }
  return ok_status();
}

}  // namespace

PublishedDataset idx_folder(const std::string& name) {
  PublishedDataset dataset;
  dataset.name = name;
  dataset.files[kTrainImages].name = "train-images-idx3-ubyte";
  dataset.files[kTrainLabels].name = "train-labels-idx1-ubyte";
  dataset.files[kTestImages].name = "t10k-images-idx3-ubyte";
  dataset.files[kTestLabels].name = "t10k-labels-idx1-ubyte";
  return dataset;
}

const PublishedDataset& mnist_files() {
  static const PublishedDataset kDataset = [] {
    PublishedDataset dataset =
        with_digests("mnist",
                     {"ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                      "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                      "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                      "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"},
                     {"https://ossci-datasets.s3.amazonaws.com/mnist",
                      "https://storage.googleapis.com/cvdf-datasets/mnist"});
    dataset.digits_stand_in = true;  // of the other published dataset they are not even a likeness
    return dataset;
  }();
  return kDataset;
}

const PublishedDataset& fashion_mnist_files() {
  static const PublishedDataset kDataset = with_digests(
      "fashion_mnist",
      {"c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
       "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
       "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
       "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"},
      {"https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
       // Its publisher offers no HTTPS; the digests make up for it.
       "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"});
  return kDataset;
}

Result<std::optional<PublishedPaths>> find_in_folder(const PublishedDataset& dataset,
                                                     const std::string& folder, size_t from) {
  PublishedPaths paths;
  std::string found, missing;
  for (size_t i = from; i < paths.size(); ++i) {
    paths[i] = find_file(folder, dataset.files[i].name);
    if (paths[i].empty()) {
      missing += (missing.empty() ? "" : ", ") + dataset.files[i].name;
    } else {
      found = paths[i];
    }
  }
  if (found.empty()) return std::optional<PublishedPaths>();
  if (missing.empty()) return std::optional(paths);
  return not_found(
      fmt::format("{}: {} has {} but not {}: put the missing files there, plain or .gz",
                  dataset.name, folder, fs::path(found).filename().string(), missing));
}

Result<std::optional<PublishedPaths>> find_in_place(const PublishedDataset& dataset,
                                                    const std::string& place) {
  std::string dashed = dataset.name;
  std::replace(dashed.begin(), dashed.end(), '_', '-');
  for (const std::string& name : {dataset.name, dashed}) {
    SLUICE_ASSIGN_OR_RETURN(auto paths, find_in_folder(dataset, (fs::path(place) / name).string()));
    if (paths) return paths;
  }
  SLUICE_ASSIGN_OR_RETURN(auto paths, find_in_folder(dataset, place));
  if (paths) SLUICE_RETURN_IF_ERROR(check_not_another(dataset, (*paths)[kTestLabels]));
  return paths;
}

Result<std::string> digest_of(const std::string& path, uint64_t limit) {
  SLUICE_ASSIGN_OR_RETURN(const auto file, core::InputFile::open(path));
  Sha256 sha;
  uint64_t size = 0;
  SLUICE_RETURN_IF_ERROR(read_maybe_gzip(*file, [&](std::span<const std::byte> piece) -> Status {
    size += piece.size();
    if (size > limit) {
      return more_than(limit, path);
    }
    sha.update(piece);
    return ok_status();
  }));
  return sha.hex();
}

}  // namespace sluice::data
