#include "core/gpus.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include "tests/support/fake_root.h"

namespace sluice::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class GpusTest : public testing::Test {
 protected:
  GpusTest() {
    unsetenv("CUDA_VISIBLE_DEVICES");
    describe("0000:81:00.0", "GPU-bbbb-2");
    describe("0000:01:00.0", "GPU-aaaa-1");
  }
  ~GpusTest() override { unsetenv("CUDA_VISIBLE_DEVICES"); }

  void describe(const std::string& place, const std::string& uuid) const {
    root_.write("/proc/driver/nvidia/gpus/" + place + "/information",
                "Model: \t\t NVIDIA H100\nIRQ:   \t\t 88\nGPU UUID: \t " + uuid +
                    "\nBus Location: \t " + place + "\n");
  }
  const testing_support::FakeRoot root_;
};

TEST_F(GpusTest, AreWhatTheDriverDescribes) {
  EXPECT_THAT(visible_gpus(root_.path()), ElementsAre("GPU-aaaa-1", "GPU-bbbb-2"));
}

TEST_F(GpusTest, OneThatHasNoNameYetIsLeftOut) {
  describe("0000:01:00.0", "not known yet");
  EXPECT_THAT(visible_gpus(root_.path()), ElementsAre("GPU-bbbb-2"));
}

TEST_F(GpusTest, WhoIsGivenSomeSeesThose) {
  setenv("CUDA_VISIBLE_DEVICES", "GPU-bbbb", 1);
  EXPECT_THAT(visible_gpus(root_.path()), ElementsAre("GPU-bbbb-2"));
}

TEST_F(GpusTest, NumbersMeanWhatOnlyCudaKnows) {
  for (const char* numbers : {"1", "0,1", "MIG-1234", ""}) {
    setenv("CUDA_VISIBLE_DEVICES", numbers, 1);
    EXPECT_THAT(visible_gpus(root_.path()), IsEmpty()) << numbers;
  }
}

TEST_F(GpusTest, ThereAreNoneWithoutADriver) {
  EXPECT_THAT(visible_gpus(testing_support::FakeRoot().path()), IsEmpty());
}

}  // namespace
}  // namespace sluice::core
