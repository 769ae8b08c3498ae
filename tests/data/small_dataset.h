// A dataset of a few records that is "published" as MNIST is, for tests of finding and fetching it.
#pragma once

#include <array>
#include <map>
#include <string>

#include "data/fetcher.h"
#include "data/published.h"
#include "data/sha256.h"
#include "tests/data/test_files.h"

namespace sluice::data {

struct SmallDataset {
  PublishedDataset dataset = idx_folder("small_set");
  std::array<std::string, 4> contents = {idx_images(3, 2, 2, "abcdefghijkl"),
                                         idx_labels(3, std::string("\x00\x01\x02", 3)),
                                         idx_images(1, 2, 2, "mnop"), idx_labels(1, "\x03")};

  SmallDataset() {
    dataset.digits_stand_in = true;
    for (size_t i = 0; i < 4; ++i) {
      Sha256 sha;
      sha.update(std::as_bytes(std::span(contents[i])));
      dataset.files[i].sha256 = sha.hex();
      dataset.files[i].bytes = contents[i].size();
    }
    dataset.mirrors = {"https://one.test/x", "https://two.test/y"};
  }

  const std::string& name(size_t part) const { return dataset.files[part].name; }
  // Writes all four files, `prefix` in front of their names.
  void write_to(const TestFolder& folder, const std::string& prefix) const {
    for (size_t i = 0; i < 4; ++i) folder.write(prefix + name(i), contents[i]);
  }
};

// A network that consists of a map; everything else is unreachable.
class FakeFetcher final : public Fetcher {
 public:
  std::map<std::string, std::string> bodies;
  std::vector<std::string> asked;

  // Serves all files of `small` under `mirror`.
  void serve(const SmallDataset& small, const std::string& mirror) {
    for (size_t i = 0; i < 4; ++i) {
      bodies[mirror + "/" + small.name(i) + ".gz"] = gzip(small.contents[i]);
    }
  }

  Status fetch(const std::string& url, const Sink& sink) override {
    asked.push_back(url);
    const auto found = bodies.find(url);
    if (found == bodies.end()) return unavailable(url + ": no route");
    const auto bytes = std::as_bytes(std::span(found->second));
    const size_t half = bytes.size() / 2;
    SLUICE_RETURN_IF_ERROR(sink(bytes.first(half)));
    return sink(bytes.subspan(half));
  }
};

}  // namespace sluice::data
