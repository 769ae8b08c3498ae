#include <cmath>
#include <functional>
#include <thread>

#include "testing/fixture.h"
#include "testing/kernels.h"

namespace sluice::emulator::testing {
namespace {

class CaptureTest : public EmulatorTest {
 protected:
  CaptureTest() {
    EXPECT_CUDA(cudaEventCreateWithFlags(&fork_, cudaEventDisableTiming));
    EXPECT_CUDA(cudaEventCreateWithFlags(&join_, cudaEventDisableTiming));
  }
  ~CaptureTest() override {
    EXPECT_CUDA(cudaEventDestroy(fork_));
    EXPECT_CUDA(cudaEventDestroy(join_));
  }

  void begin() { ASSERT_CUDA(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal)); }

  // The end of the capture as a graph that can run.
  cudaGraphExec_t end() {
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t exec = nullptr;
    EXPECT_CUDA(cudaStreamEndCapture(stream_, &graph));
    EXPECT_CUDA(cudaGraphInstantiate(&exec, graph, 0));
    EXPECT_CUDA(cudaGraphDestroy(graph));
    return exec;
  }

  void expect_invalid() {
    cudaGraph_t graph = fake_graph();
    EXPECT_EQ(cudaStreamEndCapture(stream_, &graph), cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(graph, nullptr);
  }

  cudaGraph_t fake_graph() { return reinterpret_cast<cudaGraph_t>(this); }

  void expect_end_fails(cudaError_t error) {
    cudaGraph_t graph = nullptr;
    EXPECT_EQ(cudaStreamEndCapture(stream_, &graph), error);
  }

  cudaEvent_t fork_ = nullptr;
  cudaEvent_t join_ = nullptr;
};

TEST_F(CaptureTest, RecordsInsteadOfRunningAndReplays) {
  const DeviceArray<float> x({1.0f}), y({10.0f});
  begin();
  ASSERT_CUDA(add(x.data(), y.data(), 1, stream_));
  ASSERT_CUDA(add(x.data(), y.data(), 1, stream_));
  const cudaGraphExec_t exec = end();
  EXPECT_EQ(y.values()[0], 10.0f);
  for (int i = 0; i < 3; ++i) ASSERT_CUDA(cudaGraphLaunch(exec, stream_));
  EXPECT_EQ(y.values_now()[0], 10.0f);
  EXPECT_EQ(y.values()[0], 16.0f);
  EXPECT_EQ(counters().graphs_run, before_.graphs_run + 3);
  ASSERT_CUDA(cudaGraphExecDestroy(exec));
}

TEST_F(CaptureTest, CopiesReadTheirSourceAtEveryReplay) {
  const PinnedArray<float> x({1.0f}), z({0.0f});
  const DeviceArray<float> y(1);
  begin();
  ASSERT_CUDA(cudaMemcpyAsync(y.data(), x.data(), 4, cudaMemcpyHostToDevice, stream_));
  ASSERT_CUDA(scale(y.data(), y.data(), 1, 2.0f, stream_));
  ASSERT_CUDA(cudaMemcpyAsync(z.data(), y.data(), 4, cudaMemcpyDeviceToHost, stream_));
  const cudaGraphExec_t exec = end();
  for (const float value : {3.0f, 4.0f}) {
    x[0] = value;
    ASSERT_CUDA(cudaGraphLaunch(exec, stream_));
    ASSERT_CUDA(cudaStreamSynchronize(stream_));
    EXPECT_EQ(z[0], 2.0f * value);
  }
  ASSERT_CUDA(cudaGraphExecDestroy(exec));
}

TEST_F(CaptureTest, ForkAndJoinPullAnotherStreamIn) {
  const DeviceArray<float> x({1.0f}), y(1), z(1), sum({0.0f});
  begin();
  ASSERT_CUDA(scale(x.data(), y.data(), 1, 2.0f, stream_));
  ASSERT_CUDA(cudaEventRecord(fork_, stream_));
  ASSERT_CUDA(cudaStreamWaitEvent(other_, fork_, 0));
  ASSERT_CUDA(scale(y.data(), z.data(), 1, 10.0f, other_));
  cudaStreamCaptureStatus status;
  ASSERT_CUDA(cudaStreamIsCapturing(other_, &status));
  EXPECT_EQ(status, cudaStreamCaptureStatusActive);
  ASSERT_CUDA(cudaEventRecord(join_, other_));
  ASSERT_CUDA(cudaStreamWaitEvent(stream_, join_, 0));
  ASSERT_CUDA(add(z.data(), sum.data(), 1, stream_));
  const cudaGraphExec_t exec = end();
  ASSERT_CUDA(cudaStreamIsCapturing(other_, &status));
  EXPECT_EQ(status, cudaStreamCaptureStatusNone);
  for (int i = 0; i < 2; ++i) ASSERT_CUDA(cudaGraphLaunch(exec, stream_));
  EXPECT_EQ(sum.values()[0], 40.0f);
  ASSERT_CUDA(cudaGraphExecDestroy(exec));
}

// z is read on one branch and written on the other: some replay reads it first.
TEST_F(CaptureTest, ReplaysShowAMissingEdgeBetweenBranches) {
  const DeviceArray<float> x({1.0f}), y(1), z(1);
  begin();
  ASSERT_CUDA(cudaEventRecord(fork_, stream_));
  ASSERT_CUDA(cudaStreamWaitEvent(other_, fork_, 0));
  ASSERT_CUDA(scale(x.data(), z.data(), 1, 2.0f, stream_));
  ASSERT_CUDA(scale(z.data(), y.data(), 1, 2.0f, other_));
  ASSERT_CUDA(cudaEventRecord(join_, other_));
  ASSERT_CUDA(cudaStreamWaitEvent(stream_, join_, 0));
  const cudaGraphExec_t exec = end();
  int poisoned = 0;
  for (int i = 0; i < 2; ++i) {
    ASSERT_CUDA(cudaMemsetAsync(z.data(), 0xFF, 4, stream_));
    ASSERT_CUDA(cudaGraphLaunch(exec, stream_));
    poisoned += std::isnan(y.values()[0]) ? 1 : 0;
  }
  EXPECT_EQ(poisoned, 1);
  ASSERT_CUDA(cudaGraphExecDestroy(exec));
}

TEST_F(CaptureTest, ABranchThatIsNotJoinedIsAnError) {
  begin();
  ASSERT_CUDA(cudaEventRecord(fork_, stream_));
  ASSERT_CUDA(cudaStreamWaitEvent(other_, fork_, 0));
  ASSERT_CUDA(nothing(1, 1, 0, other_));
  expect_end_fails(cudaErrorStreamCaptureUnjoined);
}

TEST_F(CaptureTest, CallsThatACaptureForbidsInvalidateIt) {
  void* pointer = nullptr;
  const std::vector<std::function<cudaError_t()>> calls = {
      [&] { return cudaStreamSynchronize(stream_); },
      [&] { return cudaStreamSynchronize(other_); },
      [&] { return cudaStreamQuery(stream_); },
      [&] { return cudaDeviceSynchronize(); },
      [&] { return cudaMalloc(&pointer, 16); },
      [&] { return cudaHostAlloc(&pointer, 16, cudaHostAllocDefault); },
      [&] { return cudaMallocAsync(&pointer, 16, stream_); }};
  for (size_t i = 0; i < calls.size(); ++i) {
    begin();
    EXPECT_EQ(calls[i](), cudaErrorStreamCaptureUnsupported) << i;
    EXPECT_EQ(nothing(1, 1, 0, stream_), cudaErrorStreamCaptureInvalidated) << i;
    expect_invalid();
    EXPECT_CUDA(nothing(1, 1, 0, stream_));
  }
}

TEST_F(CaptureTest, FreeingDuringACaptureInvalidatesIt) {
  const DeviceArray<float> x(1);
  begin();
  EXPECT_EQ(cudaFree(x.data()), cudaErrorStreamCaptureUnsupported);
  expect_invalid();
}

TEST_F(CaptureTest, AThreadLocalCaptureForbidsOtherThreadsNothing) {
  begin();
  std::thread([] {
    void* pointer = nullptr;
    EXPECT_CUDA(cudaMalloc(&pointer, 16));
    EXPECT_CUDA(cudaFree(pointer));
  }).join();
  ASSERT_CUDA(cudaGraphExecDestroy(end()));
}

TEST_F(CaptureTest, AGlobalCaptureForbidsThemToo) {
  ASSERT_CUDA(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal));
  std::thread([] {
    void* pointer = nullptr;
    EXPECT_EQ(cudaMalloc(&pointer, 16), cudaErrorStreamCaptureUnsupported);
  }).join();
  expect_invalid();
}

TEST_F(CaptureTest, WorkOutsideOfTheCaptureCannotBeWaitedFor) {
  ASSERT_CUDA(nothing(1, 1, 0, other_));
  ASSERT_CUDA(cudaEventRecord(fork_, other_));
  begin();
  EXPECT_EQ(cudaStreamWaitEvent(stream_, fork_, 0), cudaErrorStreamCaptureIsolation);
  expect_invalid();
}

TEST_F(CaptureTest, ACapturedEventCannotBeWaitedForOutside) {
  begin();
  ASSERT_CUDA(cudaEventRecord(fork_, stream_));
  ASSERT_CUDA(cudaGraphExecDestroy(end()));
  EXPECT_EQ(cudaEventSynchronize(fork_), cudaErrorCapturedEvent);
  EXPECT_EQ(cudaEventQuery(fork_), cudaErrorCapturedEvent);
  ASSERT_CUDA(cudaEventRecord(fork_, stream_));
  EXPECT_CUDA(cudaEventSynchronize(fork_));
}

TEST_F(CaptureTest, EndsOnlyOnItsOriginAndItsThread) {
  begin();
  ASSERT_CUDA(cudaEventRecord(fork_, stream_));
  ASSERT_CUDA(cudaStreamWaitEvent(other_, fork_, 0));
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamEndCapture(other_, &graph), cudaErrorStreamCaptureUnmatched);
  std::thread([&] {
    EXPECT_EQ(cudaStreamEndCapture(stream_, &graph), cudaErrorStreamCaptureWrongThread);
  }).join();
  ASSERT_CUDA(cudaGraphExecDestroy(end()));
  EXPECT_EQ(cudaStreamEndCapture(stream_, &graph), cudaErrorIllegalState);
}

TEST_F(CaptureTest, TheDefaultStreamCannotWaitForABlockingStreamThatCaptures) {
  cudaStream_t blocking = nullptr;
  ASSERT_CUDA(cudaStreamCreate(&blocking));
  ASSERT_CUDA(cudaStreamBeginCapture(blocking, cudaStreamCaptureModeRelaxed));
  EXPECT_EQ(nothing(1, 1, 0, nullptr), cudaErrorStreamCaptureImplicit);
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamEndCapture(blocking, &graph), cudaErrorStreamCaptureInvalidated);
  ASSERT_CUDA(cudaStreamDestroy(blocking));
}

TEST_F(CaptureTest, GraphsTellHowManyNodesTheyHave) {
  begin();
  for (int i = 0; i < 3; ++i) ASSERT_CUDA(nothing(1, 1, 0, stream_));
  cudaGraph_t graph = nullptr;
  ASSERT_CUDA(cudaStreamEndCapture(stream_, &graph));
  size_t nodes = 0;
  ASSERT_CUDA(cudaGraphGetNodes(graph, nullptr, &nodes));
  EXPECT_EQ(nodes, 3u);
  ASSERT_CUDA(cudaGraphDestroy(graph));
  EXPECT_EQ(cudaGraphDestroy(graph), cudaErrorInvalidValue);
}

TEST_F(CaptureTest, LaunchesOfOneGraphRunOneAfterAnother) {
  const DeviceArray<float> x({1.0f}), y({0.0f});
  begin();
  ASSERT_CUDA(add(x.data(), y.data(), 1, stream_));
  const cudaGraphExec_t exec = end();
  ASSERT_CUDA(cudaGraphUpload(exec, stream_));
  ASSERT_CUDA(cudaGraphLaunch(exec, stream_));
  ASSERT_CUDA(cudaGraphLaunch(exec, other_));
  ASSERT_CUDA(cudaStreamSynchronize(other_));
  EXPECT_EQ(y.values_now()[0], 2.0f);
  ASSERT_CUDA(cudaGraphExecDestroy(exec));
}

}  // namespace
}  // namespace sluice::emulator::testing
