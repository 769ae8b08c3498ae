// Reads the IDX format of MNIST: big-endian 32-bit words, then bytes.
//
//   images   magic 2051, records, rows, columns, then one byte per pixel, row by row
//   labels   magic 2049, records, then one byte per label
//
// The images of a plain file are read from it as they are needed; a file compressed with gzip, told
// by its first bytes, is decompressed once into an unnamed temporary file that is mapped.
#pragma once

#include <memory>
#include <string>

#include "data/records.h"
#include "sluice/status.h"

namespace sluice::data {

struct IdxOptions {
  std::string name;  // of the dataset
  int classes = 10;  // 1 to 256
};

// Pairs a file of images with the file of their labels; sample shape [rows, columns, 1], scale
// 1/255. Every byte is accounted for: a wrong magic number, a file that is cut short or has bytes
// left over, damaged gzip, a label that is no class, and different counts are each an error of one
// line that says which file, what was expected, what was found and what to do.
// NOT_FOUND: no such file. DATA_LOSS: damaged. INVALID_ARGUMENT: not this kind of file.
Result<std::shared_ptr<const Records>> read_idx(const std::string& images_path,
                                                const std::string& labels_path,
                                                const IdxOptions& options);

// The images alone, each as of class 0. Likewise.
Result<std::shared_ptr<const Records>> read_idx_images(const std::string& path);

}  // namespace sluice::data
