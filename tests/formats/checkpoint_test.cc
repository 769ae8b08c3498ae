#include "formats/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

#include <csignal>
#include <cstring>
#include <filesystem>

#include "tests/nn/models.h"

namespace sluice::formats {
namespace {

using testing::ElementsAreArray;
using testing::HasSubstr;

Sequential small_model() {
  Sequential model("small");
  model.add(Input({3})).add(Dense({.units = 2, .activation = "relu"})).add(Dense({.units = 2}));
  return model;
}

class CheckpointTest : public testing::Test {
 protected:
  CheckpointTest() { std::filesystem::create_directories(directory_); }
  ~CheckpointTest() override { std::filesystem::remove_all(directory_); }

  std::string read() const {
    std::ifstream in(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write(const std::string& bytes) const {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
  }
  size_t files() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(directory_), {}));
  }

  // Loading what is at path_ must fail with one line that names the file, and change nothing.
  std::string expect_refused() {
    Sequential model = small_model();
    model.initialize(77);
    const Sequential before = model;
    const std::string message = message_of<RuntimeError>([&] { model.load_weights(path_); });
    EXPECT_THAT(message, testing::StartsWith(path_ + ": "));
    EXPECT_EQ(message.find('\n'), std::string::npos);
    EXPECT_TRUE(std::equal(model.parameters().values().begin(), model.parameters().values().end(),
                           before.parameters().values().begin()));
    EXPECT_EQ(message_of<RuntimeError>([&] { load_model(path_); }), message);
    return message.substr(std::min(message.size(), 2 + path_.size()));
  }

  const std::filesystem::path directory_ =
      std::filesystem::path(testing::TempDir()) / ("sluice-checkpoint-" + std::to_string(getpid()));
  const std::string path_ = (directory_ / "model.sluice").string();
};

TEST_F(CheckpointTest, WeightsComeBackBitForBit) {
  Sequential saved = nn::all_layers();
  saved.initialize(3);
  saved.save_weights(path_);
  Sequential loaded = nn::all_layers();
  loaded.load_weights(path_);
  EXPECT_THAT(loaded.parameters().values(), ElementsAreArray(saved.parameters().values()));
}

TEST_F(CheckpointTest, LoadModelBringsTheArchitectureToo) {
  Sequential saved = nn::all_layers();
  saved.initialize(3);
  saved.save_weights(path_);
  const Model loaded = load_model(path_);
  EXPECT_EQ(loaded.to_json(), saved.to_json());
  EXPECT_THAT(loaded.parameters().values(), ElementsAreArray(saved.parameters().values()));
}

TEST_F(CheckpointTest, TheBytesLieWhereTheHeaderFileSays) {
  Sequential model = small_model();
  model.save_weights(path_);
  const std::string file = read();
  EXPECT_EQ(file.substr(0, 8), "SLUICECK");
  uint32_t version, header;
  uint64_t data;
  std::memcpy(&version, file.data() + 8, 4);
  std::memcpy(&header, file.data() + 12, 4);
  std::memcpy(&data, file.data() + 16, 8);
  EXPECT_EQ(version, 1u);
  EXPECT_EQ(data, 4u * (3 * 2 + 2 + 2 * 2 + 2));
  EXPECT_EQ(file.substr(24, 16), R"({"architecture":)");
  EXPECT_EQ(file[24 + header - 1], '}');
  const size_t begin = (24 + header + 63) / 64 * 64;
  ASSERT_EQ(file.size(), begin + data + 4);
  EXPECT_EQ(std::memcmp(file.data() + begin, model.parameters().values().data(), data), 0);
  uint32_t crc;
  std::memcpy(&crc, file.data() + file.size() - 4, 4);
  EXPECT_EQ(crc, crc32(0, reinterpret_cast<const Bytef*>(file.data()),
                       static_cast<uInt>(file.size() - 4)));
}

TEST_F(CheckpointTest, AModelWithoutWeightsCanBeSaved) {
  Sequential model;
  model.add(Input({4})).add(Flatten());
  model.save_weights(path_);
  EXPECT_EQ(load_model(path_).to_json(), model.to_json());
}

TEST_F(CheckpointTest, WhatTheDatasetDidComesBack) {
  Sequential model = small_model();
  model.set_preprocessing(Preprocessing{
      .sample_shape = {3}, .scale = 0.5f, .columns = {"a", "b", "c"}, .class_names = {"u", "v"}});
  model.save(path_);
  EXPECT_EQ(load_model(path_).preprocessing(), model.preprocessing());
  small_model().save(path_);
  EXPECT_EQ(load_model(path_).preprocessing(), std::nullopt);
}

TEST_F(CheckpointTest, AFileCutShortAnywhereIsRefused) {
  small_model().save_weights(path_);
  for (size_t size = read().size(); size-- > 0;) {
    std::filesystem::resize_file(path_, size);
    const std::string message = expect_refused();
    ASSERT_THAT(message, HasSubstr(size >= 8 ? "cut short" : "expected a model")) << size;
  }
}

TEST_F(CheckpointTest, AFileWithMoreBehindItIsRefused) {
  small_model().save_weights(path_);
  std::ofstream(path_, std::ios::binary | std::ios::app) << '\0';
  EXPECT_THAT(expect_refused(), HasSubstr("bytes are not what its header says"));
}

TEST_F(CheckpointTest, AFlippedBitAnywhereIsRefused) {
  small_model().save_weights(path_);
  const std::string whole = read();
  std::fstream file(path_, std::ios::binary | std::ios::in | std::ios::out);
  const auto put = [&](size_t at, char byte) {
    file.seekp(static_cast<std::streamoff>(at));
    file.put(byte).flush();
  };
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    put(bit / 8, static_cast<char>(whole[bit / 8] ^ (1 << (bit % 8))));
    ASSERT_THROW(load_model(path_), std::exception) << "bit " << bit;
    put(bit / 8, whole[bit / 8]);
  }
  EXPECT_NO_THROW(load_model(path_));
  put(whole.size() - 10, static_cast<char>(whole[whole.size() - 10] ^ 1));
  EXPECT_EQ(expect_refused(), "damaged: its checksum does not hold; use an older copy");
}

TEST_F(CheckpointTest, OtherFilesAreRefused) {
  for (const char* other : {"GIF89a and something else entirely, long enough for a header", "GI"}) {
    write(other);
    EXPECT_EQ(expect_refused(),
              "is of no format that is known here; expected a model: Keras' .keras, .h5 or JSON, "
              "ONNX, or what Sluice has saved");
  }
  write("");
  EXPECT_THAT(expect_refused(), HasSubstr("is empty; expected a model"));
}

TEST_F(CheckpointTest, NewerFormatsAreRefused) {
  small_model().save_weights(path_);
  std::string file = read();
  file[8] = 2;
  write(file);
  EXPECT_EQ(expect_refused(),
            "of format version 2, this program reads version 1; use a newer Sluice");
}

// A right checksum proves nothing about who wrote the header.
TEST_F(CheckpointTest, HeadersThatDoNotFitTheDataAreRefused) {
  small_model().save_weights(path_);
  const std::string whole = read();
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string file = whole;
    const size_t at = file.find(from);
    ASSERT_NE(at, std::string::npos);
    ASSERT_EQ(from.size(), to.size());
    file.replace(at, from.size(), to);
    const auto crc = static_cast<uint32_t>(
        crc32(0, reinterpret_cast<const Bytef*>(file.data()), static_cast<uInt>(file.size() - 4)));
    std::memcpy(file.data() + file.size() - 4, &crc, 4);
    write(file);
    expect_refused();
  };
  with(R"("shape":[3,2])", R"("shape":[9,2])");
  with(R"("shape":[3,2])", R"("shape":[3,0])");
  with(R"("shape":[3,2])", R"("shape":[-3,])");
  with(R"("shape":[3,2])", R"("shape":"any")");
  with(R"("offset":8)", R"("offset":7)");
  with(R"("variables":)", R"("variab1es":)");
  with(R"({"architecture":)", R"([[architecture":)");
}

// Walking it would take all of the stack.
TEST_F(CheckpointTest, AHeaderNestedTooDeepIsRefused) {
  const int deep = 500'000;
  const std::string header =
      R"({"architecture":)" + std::string(deep, '[') + std::string(deep, ']') + "}";
  const uint32_t sizes[] = {1, static_cast<uint32_t>(header.size()), 0, 0};
  std::string file = "SLUICECK";
  file.append(reinterpret_cast<const char*>(sizes), sizeof(sizes));
  file += header;
  file.resize((file.size() + 63) / 64 * 64, '\0');
  const auto crc = static_cast<uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(file.data()), static_cast<uInt>(file.size())));
  file.append(reinterpret_cast<const char*>(&crc), sizeof(crc));
  write(file);
  EXPECT_EQ(expect_refused(), "its header is nested too deep; use an older copy");
}

TEST_F(CheckpointTest, AnotherModelsWeightsAreRefused) {
  Sequential wider("small");
  wider.add(Input({3})).add(Dense({.units = 4})).add(Dense({.units = 2}));
  wider.save_weights(path_);
  Sequential model = small_model();
  EXPECT_EQ(message_of<RuntimeError>([&] { model.load_weights(path_); }),
            path_ +
                ": of another model: it has \"dense/kernel\" [3, 4] where this one has "
                "\"dense/kernel\" [3, 2]");
  Sequential shorter;
  shorter.add(Input({3})).add(Dense({.units = 2}));
  shorter.save_weights(path_);
  EXPECT_EQ(message_of<RuntimeError>([&] { model.load_weights(path_); }),
            path_ + ": of another model: it has 2 variables, this one 4");
}

TEST_F(CheckpointTest, AMissingFileIsSaidToBeMissing) {
  EXPECT_EQ(message_of<RuntimeError>([&] { load_model(path_); }),
            "cannot open " + path_ + ": No such file or directory");
}

TEST_F(CheckpointTest, AFullDiskLeavesTheOldFileUntouched) {
  Sequential model = small_model();
  model.save_weights(path_);
  const std::string before = read();

  // No file of this process may grow beyond 256 bytes, as if the disk had no more room.
  rlimit limit;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
  const rlimit small = {256, limit.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  model.initialize(5);
  const std::string message = message_of<RuntimeError>([&] { model.save_weights(path_); });
  setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, handler);

  EXPECT_EQ(message, "cannot write " + path_ + ": File too large; what was there is unchanged");
  EXPECT_EQ(read(), before);
  EXPECT_EQ(files(), 1u);
}

TEST_F(CheckpointTest, AFolderThatIsNotThereIsNamed) {
  const std::string path = (directory_ / "missing" / "model.sluice").string();
  EXPECT_EQ(message_of<RuntimeError>([&] { small_model().save_weights(path); }),
            "cannot write " + path + ": No such file or directory; what was there is unchanged");
}

TEST_F(CheckpointTest, AFolderIsNotReplaced) {
  EXPECT_EQ(message_of<RuntimeError>([&] { small_model().save_weights(directory_.string()); }),
            "cannot write " + directory_.string() + ": Is a directory");
}

TEST_F(CheckpointTest, SavingAgainReplacesTheFileAndLeavesNothingBehind) {
  Sequential model = small_model();
  model.save_weights(path_);
  const std::string first = read();
  model.initialize(9);
  model.save_weights(path_);
  EXPECT_NE(read(), first);
  EXPECT_EQ(files(), 1u);
}

}  // namespace
}  // namespace sluice::formats
