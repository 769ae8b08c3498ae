// The two Dockerfiles, which no test can build: that they agree where they should.
#include <gmock/gmock.h>

#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>

namespace sluice {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;

std::string contents(const std::string& name) {
  std::ifstream file(SLUICE_SOURCE_DIR "/" + name);
  return {std::istreambuf_iterator<char>(file), {}};
}

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

TEST(DockerfileTest, TheImagesRunAsAUserInNumbersAndLeaveNoVolumesBehind) {
  for (const char* name : {"docker/Dockerfile", "docker/Dockerfile.cuda"}) {
    const std::string text = contents(name);
    EXPECT_THAT(text, ContainsRegex("\nUSER 1000:1000\n")) << name;
    EXPECT_THAT(text, Not(HasSubstr("\nVOLUME"))) << name;
  }
}

// What is laid over a file changes services that it has; else it would add others.
TEST(DockerfileTest, TheWorkersOfComposeReserveGpusAndHaveTheImageForThem) {
  const std::string overlay = contents("docker/compose.gpu.yaml");
  EXPECT_THAT(contents("docker/compose.yaml"), HasSubstr("\n  worker:\n"));
  EXPECT_THAT(overlay, HasSubstr("\nservices:\n  worker:\n"));
  EXPECT_THAT(overlay, HasSubstr("build: {dockerfile: docker/Dockerfile.cuda}\n"));
  EXPECT_THAT(overlay, HasSubstr("devices: [{driver: nvidia, count: all, capabilities: [gpu]}]\n"));
}

TEST(DockerfileTest, TheirLabelsTellVersionAndLicence) {
  const std::string project = contents("CMakeLists.txt");
  const std::string words = "project(sluice VERSION ";
  const size_t begin = project.find(words) + words.size();
  const std::string version = project.substr(begin, project.find(' ', begin) - begin);
  for (const char* name : {"docker/Dockerfile", "docker/Dockerfile.cuda"}) {
    const std::string text = contents(name);
    EXPECT_THAT(text, HasSubstr("opencontainers.image.version=\"" + version + "\"")) << name;
    EXPECT_THAT(text, HasSubstr("opencontainers.image.licenses=\"Apache-2.0\"")) << name;
    EXPECT_THAT(text, HasSubstr("opencontainers.image.title=")) << name;
    EXPECT_THAT(text, HasSubstr("opencontainers.image.source=")) << name;
  }
}

}  // namespace
}  // namespace sluice
