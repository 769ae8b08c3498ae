// Real models' files (cases/real.py) of every format that is read, cut short and changed: each is
// read as another model or refused in a line, soon and without much memory.
//
// $SLUICE_DAMAGE is how many times each file is changed. A thousand take minutes; without
// it they are few (./dev test keras has them all).
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>

#include "core/log.h"
#include "core/rng.h"
#include "formats/keras_files.h"
#include "formats/model_file.h"
#include "formats/zip_reader.h"
#include "formats/zip_writer.h"
#include "sluice/errors.h"
#include "tests/keras/golden.h"

namespace sluice::keras {
namespace {

constexpr size_t kMostCuts = 50;
constexpr double kMostSeconds = 5;             // of the processor, for one file
constexpr int64_t kMostMemoryKib = 512 << 10;  // more than before

size_t number_of_changes() {
  const char* named = std::getenv("SLUICE_DAMAGE");
  return named != nullptr ? std::stoul(named) : 5;
}

int64_t peak_memory_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

// Of a file of this name, as the model's owner sees it.
std::string saved(const Model& model, const std::string& name) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / ("sluice-damage-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  model.save(folder / name);
  std::ifstream in(folder / name, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  std::filesystem::remove_all(folder);
  return bytes;
}

// A .keras whose checksums hold, as they do in one that somebody has made on purpose.
class Archive {
 public:
  explicit Archive(const std::string& bytes) {
    const formats::ZipReader reader(bytes);
    for (const char* name : {"config.json", "model.weights.h5"}) {
      std::string storage;
      const auto content = reader.read(name, storage);
      members_.emplace_back(name, std::string(content.begin(), content.end()));
    }
  }

  const std::string& member(size_t i) const { return members_[i].second; }
  std::string with(size_t changed, const std::string& content) const {
    formats::ZipWriter archive;
    for (size_t i = 0; i < members_.size(); ++i) {
      archive.add(members_[i].first, i == changed ? content : members_[i].second);
    }
    return std::move(archive).finish();
  }

 private:
  std::vector<std::pair<std::string, std::string>> members_;
};

class DamageTest : public testing::Test {
 public:
  DamageTest(const Json& record, std::string file) : record_(record), file_(std::move(file)) {}
  ~DamageTest() override { log::set_level("info"); }

  void TestBody() override {
    log::set_level("off");
    Model model = model_of(record_);
    const std::string bytes = saved(model, file_);
    if (file_ == "m.weights.h5") {
      damage(bytes, [&](const std::string& file) { formats::load_h5_weights(file, model); });
      return;
    }
    const auto parse = [&](const std::string& file) { formats::parse_model(file_, file); };
    parse(bytes);
    damage(bytes, parse);
    if (file_ != "m.keras") return;
    const Archive archive(bytes);
    for (const size_t member : {0, 1}) {
      damage(archive.member(member),
             [&](const std::string& content) { parse(archive.with(member, content)); });
    }
  }

 private:
  template <typename Read>
  void damage(const std::string& bytes, const Read& read) {
    const int64_t before = peak_memory_kib();
    const size_t changes = number_of_changes(), cuts = std::min(kMostCuts, changes);
    for (size_t cut = 0; cut < cuts; ++cut) {
      expect_one_line(read, bytes.substr(0, bytes.size() * cut / cuts));
    }
    core::Rng rng(1, {2});
    for (size_t i = 0; i < changes; ++i) {
      std::string changed = bytes;
      changed[rng.next() % changed.size()] = static_cast<char>(rng.next());
      expect_one_line(read, changed);
    }
    EXPECT_LT(peak_memory_kib() - before, kMostMemoryKib);
  }

  template <typename Read>
  void expect_one_line(const Read& read, const std::string& bytes) {
    const std::clock_t start = std::clock();
    std::string message;
    try {
      read(bytes);
    } catch (const std::invalid_argument& error) {
      message = error.what();
    } catch (const RuntimeError& error) {
      message = error.what();
    }
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_LT(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC, kMostSeconds) << message;
  }

  const Json& record_;
  const std::string file_;
};

const bool kRegistered = [] {
  const auto real = golden_files().find("real");
  if (real == golden_files().end()) return false;
  for (const auto& item : real->second.items()) {
    const Json& record = item.value();
    for (const char* file : {"m.sluice", "m.keras", "m.h5", "m.weights.h5", "m.json", "m.onnx"}) {
      testing::RegisterTest(
          "damage", (item.key() + "/" + file).c_str(), nullptr, nullptr, __FILE__, __LINE__,
          [&record, file]() -> testing::Test* { return new DamageTest(record, file); });
    }
  }
  return true;
}();

}  // namespace
}  // namespace sluice::keras
