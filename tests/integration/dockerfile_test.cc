// The two Dockerfiles, which no test can build: that they agree where they should.
#include <gmock/gmock.h>

#include <fstream>
#include <set>
#include <sstream>

namespace sluice {
namespace {

using ::testing::IsSupersetOf;

// The names behind "apt-get install" in the last stage.
std::set<std::string> runtime_packages(const std::string& name) {
  std::ifstream file(SLUICE_SOURCE_DIR "/docker/" + name);
  std::set<std::string> packages;
  bool installing = false;
  for (std::string word; file >> word;) {
    if (word == "FROM") packages.clear();
    if (word == "install") installing = true;
    if (word == "&&") installing = false;
    const bool is_name = word != "install" && word != "\\" && word[0] != '-';
    if (installing && is_name) packages.insert(word);
  }
  return packages;
}

TEST(DockerfileTest, TheImageForGpusHasEveryLibraryOfTheOther) {
  std::set<std::string> plain = runtime_packages("Dockerfile");
  const std::set<std::string> with_cuda = runtime_packages("Dockerfile.cuda");
  ASSERT_EQ(plain.erase("ca-certificates"), 1u);  // the other has it from an earlier stage
  EXPECT_GE(plain.size(), 7u);
  EXPECT_THAT(with_cuda, IsSupersetOf(plain));
  EXPECT_THAT(with_cuda, IsSupersetOf({"libcublas-13-0", "libcudnn9-cuda-13"}));
}

}  // namespace
}  // namespace sluice
