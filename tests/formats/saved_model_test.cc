#include "formats/saved_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "nn/model_impl.h"
#include "sluice/layers.h"
#include "tests/nn/models.h"

namespace sluice::formats {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

Sequential small_model() {
  Sequential model("small");
  model.add(Input({3})).add(Dense({.units = 2, .activation = "relu"}));
  return model;
}

class Doubling final : public CustomLayer {
 public:
  Doubling() { set_name("doubling"); }
  std::string class_name() const override { return "Doubling"; }
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Doubling>(*this); }
  void forward(const Forward& args) const override {
    for (size_t i = 0; i < args.x.size(); ++i) args.y[i] = 2 * args.x[i];
  }
  void backward(const Backward& args) const override {
    for (size_t i = 0; i < args.dx.size(); ++i) args.dx[i] = 2 * args.dy[i];
  }
};

class Preprocessed : public Sequential {
 public:
  Preprocessed() : Sequential(small_model()) {
    impl_->preprocessing = Preprocessing{.sample_shape = {3}, .scale = 0.5f};
  }
};

class SavedModelTest : public testing::Test {
 protected:
  SavedModelTest() { fs::create_directories(directory_); }
  ~SavedModelTest() override { fs::remove_all(directory_); }

  size_t entries() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(directory_), {}));
  }
  std::string read(const fs::path& path) const {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  const fs::path directory_ =
      fs::path(testing::TempDir()) / ("sluice-saved-model-" + std::to_string(getpid()));
  const std::string folder_ = (directory_ / "1").string();
};

TEST_F(SavedModelTest, WritesTheGraphAndNothingElse) {
  const Sequential model = small_model();
  ASSERT_TRUE(write_saved_model(folder_ + "/", model).ok());
  EXPECT_EQ(entries(), 1u);
  EXPECT_EQ(read(folder_ + "/saved_model.pb"), saved_model_bytes(model));
  EXPECT_FALSE(fs::exists(folder_ + "/assets.extra"));
}

TEST_F(SavedModelTest, KeepsWhatTheDatasetDidBesideTheGraph) {
  const Preprocessed model;
  ASSERT_TRUE(write_saved_model(folder_, model).ok());
  EXPECT_EQ(Preprocessing::from_json(read(folder_ + "/assets.extra/sluice.json")),
            *model.impl().preprocessing);
}

TEST_F(SavedModelTest, HoldsEveryWeight) {
  Sequential model = small_model();
  const std::string before = saved_model_bytes(model);
  EXPECT_EQ(saved_model_bytes(model), before);
  model.parameters().values()[5] += 1;
  EXPECT_NE(saved_model_bytes(model), before);
}

TEST_F(SavedModelTest, IsReadableByWhoeverMayReadFilesOfThisProcess) {
  ASSERT_TRUE(write_saved_model(folder_, small_model()).ok());
  const mode_t mask = ::umask(0);
  ::umask(mask);
  struct stat there {};
  ASSERT_EQ(::stat(folder_.c_str(), &there), 0);
  EXPECT_EQ(there.st_mode & 0777, 0777 & ~mask);
}

TEST_F(SavedModelTest, LeavesWhatIsThereAsItIs) {
  fs::create_directories(folder_);  // also an empty folder, which rename() would replace
  const std::string message = write_saved_model(folder_, small_model()).message();
  EXPECT_THAT(message, HasSubstr("cannot write " + folder_ + ": it is there already"));
  EXPECT_EQ(message.find('\n'), std::string::npos);
  EXPECT_TRUE(fs::is_empty(folder_));
  EXPECT_EQ(entries(), 1u);
  EXPECT_FALSE(check_saved_model_folder(folder_, 1).ok());
}

TEST_F(SavedModelTest, ALinkThatLeadsNowhereIsThereToo) {
  fs::create_symlink("nowhere", folder_);
  EXPECT_FALSE(check_saved_model_folder(folder_, 1).ok());
  EXPECT_FALSE(write_saved_model(folder_, small_model()).ok());
  EXPECT_TRUE(fs::is_symlink(folder_));
  EXPECT_EQ(entries(), 1u);
}

TEST_F(SavedModelTest, TheTryAtTheStartLeavesNothingBehind) {
  EXPECT_TRUE(check_saved_model_folder(folder_ + "/", 4096).ok());
  EXPECT_EQ(entries(), 0u);
}

TEST_F(SavedModelTest, MakesTheFoldersAroundIt) {
  const std::string deep = folder_ + "/models/1/";
  EXPECT_TRUE(check_saved_model_folder(deep, 4096).ok());
  EXPECT_EQ(entries(), 0u);
  ASSERT_TRUE(write_saved_model(deep, small_model()).ok());
  EXPECT_TRUE(fs::exists(deep + "saved_model.pb"));
}

TEST_F(SavedModelTest, TheTryAtTheStartFindsWhereNoFolderCanBe) {
  std::ofstream(folder_) << "a file";
  const Status status = check_saved_model_folder(folder_ + "/2/3", 4096);
  EXPECT_THAT(status.message(), HasSubstr("cannot write " + folder_ + "/2/3"));
  EXPECT_EQ(entries(), 1u);
}

TEST_F(SavedModelTest, TheTryAtTheStartFindsThatThereIsNoRoom) {
  EXPECT_FALSE(check_saved_model_folder(folder_, uint64_t{1} << 60).ok());
  EXPECT_EQ(entries(), 0u);
}

TEST_F(SavedModelTest, RefusesALayerOfTheProgramsOwnByName) {
  Sequential model;
  model.add(Input({3})).add(Doubling());
  const std::string message =
      message_of<std::invalid_argument>([&] { (void)write_saved_model(folder_, model); });
  EXPECT_THAT(message, HasSubstr("layer \"doubling\" is computed by the program's own code"));
  EXPECT_EQ(entries(), 0u);
}

}  // namespace
}  // namespace sluice::formats
