// Which GPU a process takes, and what it says where there is none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "backend/cuda_plugin.h"
#include "backend/replica.h"

namespace sluice::backend {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// The emulator reads its environment at every use; the plug-in is looked for once.
class DevicesTest : public ::testing::Test {
 protected:
  void SetUp() override { setenv("SLUICE_CUDA_PLUGIN", SLUICE_EMULATED_PLUGIN, 1); }
  void TearDown() override {
    unsetenv("SLUICE_EMULATED_GPUS");
    unsetenv("SLUICE_EMULATED_ARCH");
  }
  static void set(const char* name, const char* value) { setenv(name, value, 1); }

  static std::string name_of(const DeviceOptions& options) {
    const auto backend = open_backend(options);
    return backend.ok() ? (*backend)->name() : backend.status().message();
  }
};

TEST_F(DevicesTest, AutoTakesAGpuWhereThereIsOne) {
  EXPECT_EQ(name_of({.name = "auto"}), "cuda:0 (Emulated GPU)");
  EXPECT_EQ(name_of({.name = "cuda"}), "cuda:0 (Emulated GPU)");
  EXPECT_THAT(name_of({.name = "cpu"}), StartsWith("cpu"));
  set("SLUICE_EMULATED_GPUS", "0");
  EXPECT_THAT(name_of({.name = "auto"}), StartsWith("cpu"));
}

TEST_F(DevicesTest, SlotsSpreadOverTheGpusRoundRobin) {
  set("SLUICE_EMULATED_GPUS", "3");
  std::vector<std::string> taken;
  for (int slot = 0; slot < 7; ++slot) {
    taken.push_back(name_of({.name = slot % 2 == 0 ? "cuda" : "auto", .slot = slot}).substr(0, 6));
  }
  EXPECT_THAT(taken, ::testing::ElementsAre("cuda:0", "cuda:1", "cuda:2", "cuda:0", "cuda:1",
                                            "cuda:2", "cuda:0"));
}

TEST_F(DevicesTest, OneThatIsNamedByItsUuidIsTakenWhereItIs) {
  set("SLUICE_EMULATED_GPUS", "3");
  const std::string second = "GPU-02000000-0000-0000-0000-000000000000";
  EXPECT_EQ(name_of({.name = "auto", .slot = 2, .gpu = second}), "cuda:1 (Emulated GPU)");
  EXPECT_EQ(name_of({.name = "cuda", .slot = 2, .gpu = "GPU-elsewhere"}), "cuda:2 (Emulated GPU)");
  EXPECT_EQ(name_of({.name = "cuda:0", .slot = 2, .gpu = second}), "cuda:0 (Emulated GPU)");
}

TEST_F(DevicesTest, ANumberedGpuIsTakenWhateverTheSlot) {
  set("SLUICE_EMULATED_GPUS", "2");
  EXPECT_EQ(name_of({.name = "cuda:1", .slot = 4}), "cuda:1 (Emulated GPU)");
  EXPECT_EQ(name_of({.name = "cuda:2"}),
            "device \"cuda:2\": this host has 2 GPU(s), counted from 0");
}

TEST_F(DevicesTest, WhatIsMissingIsNamed) {
  set("SLUICE_EMULATED_GPUS", "0");
  EXPECT_THAT(name_of({.name = "cuda"}), HasSubstr("finds no GPU"));
  set("SLUICE_EMULATED_GPUS", "no-driver");
  EXPECT_THAT(name_of({.name = "cuda:0"}), HasSubstr("no NVIDIA driver is installed"));
  EXPECT_THAT(name_of({.name = "auto"}), StartsWith("cpu"));
}

TEST_F(DevicesTest, AGpuThatTheBuildHasNoCodeForIsRefusedWithItsArchitecture) {
  set("SLUICE_EMULATED_ARCH", "7.0");
  EXPECT_THAT(name_of({.name = "cuda"}), HasSubstr("compute capability 7.0"));
  EXPECT_THAT(name_of({.name = "cuda"}), HasSubstr("7.5 8.0 9.0 and newer"));
  EXPECT_THAT(name_of({.name = "cuda"}), HasSubstr("SLUICE_CUDA_ARCHITECTURES=70"));
  EXPECT_THAT(name_of({.name = "auto"}), StartsWith("cpu"));
  for (const char* served : {"7.5", "8.0", "8.9", "9.0", "10.0", "12.1"}) {
    set("SLUICE_EMULATED_ARCH", served);
    EXPECT_EQ(name_of({.name = "cuda"}), "cuda:0 (Emulated GPU)") << served;
  }
}

TEST_F(DevicesTest, Bfloat16NeedsAnArchitectureThatHasIt) {
  set("SLUICE_EMULATED_ARCH", "7.5");
  const auto old = open_backend({.name = "cuda"});
  ASSERT_TRUE(old.ok());
  EXPECT_THAT((*old)->check(Precision::kMixedBfloat16).message(), HasSubstr("it takes 8.0"));
  EXPECT_TRUE((*old)->check(Precision::kTf32).ok()) << "computed as float32 there";
  set("SLUICE_EMULATED_ARCH", "8.0");
  EXPECT_TRUE((*open_backend({.name = "cuda"}))->check(Precision::kMixedBfloat16).ok());
}

}  // namespace
}  // namespace sluice::backend
