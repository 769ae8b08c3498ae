// What is said where the CUDA plug-in cannot be used; no CUDA is needed to know.
#include "backend/cuda_plugin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "backend/interface_id.h"
#include "core/version.h"

namespace sluice::backend {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string refusal(const std::string& path) {
  const auto plugin = load_cuda_plugin(path);
  if (plugin.ok()) return "loaded";
  EXPECT_EQ(plugin.status().code(), StatusCode::kNotFound);
  return plugin.status().message();
}

std::string test_plugin(const std::string& name) {
  return SLUICE_BINARY_DIR "/lib/test_plugins/" + name + ".so";
}

TEST(CudaPluginTest, AnAbsentFileIsNotInstalled) {
  EXPECT_THAT(refusal("/nowhere/libsluice_cuda.so"),
              AllOf(HasSubstr("/nowhere/libsluice_cuda.so"), HasSubstr("is not installed")));
  EXPECT_THAT(refusal("libsluice_cuda_of_nobody.so"), HasSubstr("is not installed"));
}

TEST(CudaPluginTest, AFileThatIsNoLibraryIsSaidToBeNone) {
  const std::string path = std::filesystem::temp_directory_path() / "sluice-not-a-library.so";
  std::ofstream(path) << "not a library";
  EXPECT_THAT(refusal(path), AllOf(HasSubstr("cannot be loaded"), HasSubstr(path)));
  std::filesystem::remove(path);
}

TEST(CudaPluginTest, AMissingSymbolIsNamed) {
  EXPECT_THAT(refusal(test_plugin("no_version")), HasSubstr(kCudaPluginVersion));
  EXPECT_THAT(refusal(test_plugin("no_interface")), HasSubstr(kCudaPluginInterface));
  EXPECT_THAT(refusal(test_plugin("no_entry")), HasSubstr(kCudaPluginEntry));
}

TEST(CudaPluginTest, AnotherVersionIsRefusedWithBoth) {
  EXPECT_THAT(refusal(test_plugin("other_version")),
              AllOf(HasSubstr("is of Sluice 0.0.1"), HasSubstr(core::version())));
}

TEST(CudaPluginTest, AnotherInterfaceOfTheSameVersionIsRefusedWithBoth) {
  EXPECT_THAT(refusal(test_plugin("other_interface")),
              AllOf(HasSubstr("(Other 1.0, 0123456789ab)"), HasSubstr(interface_id()),
                    HasSubstr("install the one that was built with this program")));
}

TEST(CudaPluginTest, TheInterfaceIsACompilerAndAHash) {
  EXPECT_THAT(interface_id(), ::testing::MatchesRegex("[A-Za-z]+ [0-9.]+, [0-9a-f]{12}"));
}

TEST(CudaPluginTest, AMissingLibraryIsNamed) {
  EXPECT_THAT(refusal(test_plugin("needs_cudnn")),
              AllOf(HasSubstr("cuDNN is missing"), HasSubstr("libcudnn_of_nobody.so.9")));
}

// The one that was built, where nvcc was: its symbols and libraries are complete.
TEST(CudaPluginTest, TheBuiltOneLoadsWithoutADriver) {
  const std::string path = SLUICE_BINARY_DIR "/lib/libsluice_cuda.so";
  if (!std::filesystem::exists(path)) {
    GTEST_SKIP() << "the CUDA plug-in was not built: no nvcc, no cuDNN, or a sanitizer's build";
  }
  const auto plugin = load_cuda_plugin(path);
  ASSERT_TRUE(plugin.ok()) << plugin.status();
  const CudaVersions versions = (*plugin)->versions();
  EXPECT_THAT(versions.runtime, ::testing::MatchesRegex("1[23]\\.[0-9]+"));
  EXPECT_THAT(versions.cudnn, ::testing::StartsWith("9."));
  EXPECT_THAT(versions.architectures, HasSubstr("9.0"));
  const auto gpus = (*plugin)->gpus();  // a machine may have some; if not, it says why
  if (!gpus.ok()) {
    EXPECT_THAT(gpus.status().message(), ::testing::Not(::testing::IsEmpty()));
  }
}

}  // namespace
}  // namespace sluice::backend
