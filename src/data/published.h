// Datasets that are published as four IDX files: what the files are called, what is in them, and
// where they are.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sluice/status.h"

namespace sluice::data {

// One file, decompressed.
struct PublishedFile {
  std::string name;    // "train-images-idx3-ubyte"
  std::string sha256;  // of its bytes, 64 hexadecimal digits; empty: unknown
  uint64_t bytes = 0;  // its size; 0: unknown
};

// In this order everywhere.
inline constexpr size_t kTrainImages = 0, kTrainLabels = 1, kTestImages = 2, kTestLabels = 3;
using PublishedPaths = std::array<std::string, 4>;

struct PublishedDataset {
  std::string name;  // "fashion_mnist"
  std::array<PublishedFile, 4> files;
  std::vector<std::string> mirrors;  // URLs to which "/NAME.gz" is appended, best first
  int classes = 10;
  bool digits_stand_in = false;  // generated digits may take its place where it cannot be had
};

const PublishedDataset& mnist_files();
const PublishedDataset& fashion_mnist_files();
// The four usual file names, contents unknown: for a user's own folder.
PublishedDataset idx_folder(const std::string& name);

// The four files in `folder` itself, plain or .gz, also with the usual slip of a dot before "idx";
// nullopt when none of them is there. NOT_FOUND, naming what is missing, when only some are.
// `from`: the first one that is wanted, kTestImages for the test set alone; others stay empty.
Result<std::optional<PublishedPaths>> find_in_folder(const PublishedDataset& dataset,
                                                     const std::string& folder,
                                                     size_t from = kTrainImages);

// The same in a folder of `place` named after the dataset ("fashion_mnist" or "fashion-mnist"), or
// in `place` itself. INVALID_ARGUMENT when `place` itself has the files of another dataset known
// here.
Result<std::optional<PublishedPaths>> find_in_place(const PublishedDataset& dataset,
                                                    const std::string& place);

// The digest of a file's bytes, decompressed if need be; `limit` bytes at most.
Result<std::string> digest_of(const std::string& path, uint64_t limit);

}  // namespace sluice::data
