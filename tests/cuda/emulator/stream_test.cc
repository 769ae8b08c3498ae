#include <cmath>
#include <thread>

#include "testing/fixture.h"
#include "testing/kernels.h"

namespace sluice::emulator::testing {
namespace {

class StreamTest : public EmulatorTest {
 protected:
  StreamTest() { EXPECT_CUDA(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming)); }
  ~StreamTest() override { EXPECT_CUDA(cudaEventDestroy(event_)); }
  cudaEvent_t event_ = nullptr;
};

TEST_F(StreamTest, NothingRunsBeforeSomebodyWaits) {
  const DeviceArray<float> x({1.0f, 2.0f}), y(2);
  ASSERT_CUDA(scale(x.data(), y.data(), 2, 3.0f, stream_));
  EXPECT_TRUE(std::isnan(y.values_now()[0]));
  ASSERT_CUDA(cudaStreamSynchronize(stream_));
  EXPECT_EQ(y.values_now(), (std::vector<float>{3.0f, 6.0f}));
}

TEST_F(StreamTest, PinnedSourceThatIsOverwrittenTooEarlyShows) {
  const PinnedArray<float> x({1.0f});
  const DeviceArray<float> y(1);
  ASSERT_CUDA(cudaMemcpyAsync(y.data(), x.data(), x.bytes(), cudaMemcpyHostToDevice, stream_));
  x[0] = 2.0f;
  EXPECT_EQ(y.values()[0], 2.0f);
}

TEST_F(StreamTest, CopiesOfUnpinnedMemoryHaveCudasHiddenWaitsAndAreCounted) {
  const int64_t before = counters().unpinned_copies;
  std::vector<float> x = {1.0f}, z = {0.0f};
  const DeviceArray<float> y(1);
  ASSERT_CUDA(cudaMemcpyAsync(y.data(), x.data(), y.bytes(), cudaMemcpyHostToDevice, stream_));
  x[0] = 2.0f;  // staged already
  ASSERT_CUDA(cudaMemcpyAsync(z.data(), y.data(), y.bytes(), cudaMemcpyDeviceToHost, stream_));
  EXPECT_EQ(z[0], 1.0f);
  EXPECT_EQ(counters().unpinned_copies, before + 2);
}

TEST_F(StreamTest, WaitingForOneStreamRunsNoOther) {
  const DeviceArray<float> x({1.0f}), y(1), z(1);
  ASSERT_CUDA(scale(x.data(), y.data(), 1, 2.0f, stream_));
  ASSERT_CUDA(scale(x.data(), z.data(), 1, 2.0f, other_));
  ASSERT_CUDA(cudaStreamSynchronize(other_));
  EXPECT_TRUE(std::isnan(y.values_now()[0]));
  EXPECT_EQ(z.values_now()[0], 2.0f);
}

TEST_F(StreamTest, WaitForAnEventRunsTheOtherStreamUpToIt) {
  const DeviceArray<float> x({1.0f}), y(1), z(1), later(1);
  ASSERT_CUDA(scale(x.data(), y.data(), 1, 2.0f, stream_));
  ASSERT_CUDA(cudaEventRecord(event_, stream_));
  ASSERT_CUDA(scale(x.data(), later.data(), 1, 2.0f, stream_));
  ASSERT_CUDA(cudaStreamWaitEvent(other_, event_, 0));
  ASSERT_CUDA(scale(y.data(), z.data(), 1, 5.0f, other_));
  ASSERT_CUDA(cudaStreamSynchronize(other_));
  EXPECT_EQ(z.values_now()[0], 10.0f);
  EXPECT_TRUE(std::isnan(later.values_now()[0]));
}

TEST_F(StreamTest, WithoutAnEventTheOtherStreamReadsPoison) {
  const DeviceArray<float> x({1.0f}), y(1), z(1);
  ASSERT_CUDA(scale(x.data(), y.data(), 1, 2.0f, stream_));
  ASSERT_CUDA(scale(y.data(), z.data(), 1, 5.0f, other_));
  ASSERT_CUDA(cudaStreamSynchronize(other_));
  EXPECT_TRUE(std::isnan(z.values_now()[0]));
}

TEST_F(StreamTest, AWaitMeansTheRecordAtTheTimeOfTheCall) {
  const DeviceArray<float> x({1.0f}), y(1), z(1);
  ASSERT_CUDA(scale(x.data(), y.data(), 1, 2.0f, stream_));
  ASSERT_CUDA(cudaEventRecord(event_, stream_));
  ASSERT_CUDA(cudaStreamWaitEvent(other_, event_, 0));
  ASSERT_CUDA(scale(x.data(), z.data(), 1, 2.0f, stream_));
  ASSERT_CUDA(cudaEventRecord(event_, stream_));  // a later record changes no earlier wait
  ASSERT_CUDA(cudaStreamSynchronize(other_));
  EXPECT_EQ(y.values_now()[0], 2.0f);
  EXPECT_TRUE(std::isnan(z.values_now()[0]));
}

TEST_F(StreamTest, AnEventNeverRecordedIsComplete) {
  EXPECT_CUDA(cudaEventQuery(event_));
  EXPECT_CUDA(cudaEventSynchronize(event_));
  EXPECT_CUDA(cudaStreamWaitEvent(stream_, event_, 0));
}

TEST_F(StreamTest, QueriesRunOneOperationEachSoThatPollingEnds) {
  const DeviceArray<float> x({1.0f}), y(1);
  for (int i = 0; i < 3; ++i) ASSERT_CUDA(scale(x.data(), y.data(), 1, 2.0f, stream_));
  ASSERT_CUDA(cudaEventRecord(event_, stream_));
  EXPECT_EQ(cudaEventQuery(event_), cudaErrorNotReady);
  EXPECT_EQ(y.values_now()[0], 2.0f);
  int queries = 1;
  while (cudaEventQuery(event_) == cudaErrorNotReady) ++queries;
  EXPECT_EQ(queries, 3);
  EXPECT_CUDA(cudaStreamQuery(stream_));
}

TEST_F(StreamTest, QueryOfAStreamThatWaitsRunsTheOtherOne) {
  const DeviceArray<float> x({1.0f}), y(1);
  ASSERT_CUDA(scale(x.data(), y.data(), 1, 2.0f, stream_));
  ASSERT_CUDA(cudaEventRecord(event_, stream_));
  ASSERT_CUDA(cudaStreamWaitEvent(other_, event_, 0));
  EXPECT_EQ(cudaStreamQuery(other_), cudaErrorNotReady);
  EXPECT_EQ(y.values_now()[0], 2.0f);
  while (cudaStreamQuery(other_) == cudaErrorNotReady) {
  }
}

TEST_F(StreamTest, HostFunctionsRunInOrderAndMustNotCallCuda) {
  struct Data {
    const float* y;
    float seen;
    cudaError_t error;
  };
  const DeviceArray<float> x({1.0f}), y(1);
  Data data{y.data(), 0.0f, cudaSuccess};
  ASSERT_CUDA(scale(x.data(), y.data(), 1, 2.0f, stream_));
  const auto read = [](void* p) {
    auto* const d = static_cast<Data*>(p);
    d->seen = *d->y;
    d->error = cudaDeviceSynchronize();
  };
  ASSERT_CUDA(cudaLaunchHostFunc(stream_, read, &data));
  EXPECT_EQ(data.seen, 0.0f);
  ASSERT_CUDA(cudaStreamSynchronize(stream_));
  EXPECT_EQ(data.seen, 2.0f);
  EXPECT_EQ(data.error, cudaErrorNotPermitted);
}

TEST_F(StreamTest, TheDefaultStreamAndBlockingStreamsWaitForEachOther) {
  cudaStream_t blocking = nullptr;
  ASSERT_CUDA(cudaStreamCreate(&blocking));
  const DeviceArray<float> x({1.0f}), y(1), z(1), u(1);
  ASSERT_CUDA(scale(x.data(), y.data(), 1, 2.0f, blocking));
  ASSERT_CUDA(scale(y.data(), z.data(), 1, 2.0f, nullptr));
  ASSERT_CUDA(scale(z.data(), u.data(), 1, 2.0f, blocking));
  ASSERT_CUDA(cudaStreamSynchronize(blocking));
  EXPECT_EQ(u.values_now()[0], 8.0f);
  ASSERT_CUDA(cudaStreamDestroy(blocking));
}

TEST_F(StreamTest, ADestroyedStreamFinishesItsWork) {
  const DeviceArray<float> x({1.0f}), y(1);
  cudaStream_t stream = nullptr;
  ASSERT_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  ASSERT_CUDA(scale(x.data(), y.data(), 1, 2.0f, stream));
  ASSERT_CUDA(cudaStreamDestroy(stream));
  EXPECT_EQ(y.values()[0], 2.0f);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorInvalidResourceHandle);
}

TEST_F(StreamTest, StaleAndForeignHandlesAreErrors) {
  cudaEvent_t event = nullptr;
  ASSERT_CUDA(cudaEventCreate(&event));
  ASSERT_CUDA(cudaEventDestroy(event));
  EXPECT_EQ(cudaEventRecord(event, stream_), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaEventDestroy(event), cudaErrorInvalidResourceHandle);
  const auto none = reinterpret_cast<cudaStream_t>(&event);
  EXPECT_EQ(cudaStreamSynchronize(none), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(nothing(1, 1, 0, none), cudaErrorInvalidResourceHandle);
}

TEST_F(StreamTest, ElapsedTimeNeedsTimedEventsThatAreDone) {
  cudaEvent_t start = nullptr, end = nullptr;
  ASSERT_CUDA(cudaEventCreate(&start));
  ASSERT_CUDA(cudaEventCreate(&end));
  float ms = -1.0f;
  ASSERT_CUDA(cudaEventRecord(start, stream_));
  ASSERT_CUDA(nothing(8, 128, 0, stream_));
  ASSERT_CUDA(cudaEventRecord(end, stream_));
  EXPECT_EQ(cudaEventElapsedTime(&ms, start, end), cudaErrorNotReady);
  ASSERT_CUDA(cudaEventSynchronize(end));
  EXPECT_CUDA(cudaEventElapsedTime(&ms, start, end));
  EXPECT_GE(ms, 0.0f);
  EXPECT_EQ(cudaEventElapsedTime(&ms, event_, end), cudaErrorInvalidResourceHandle);
  ASSERT_CUDA(cudaEventDestroy(start));
  ASSERT_CUDA(cudaEventDestroy(end));
}

TEST_F(StreamTest, ThreadsWithStreamsOfTheirOwnRunAtOnce) {
  const std::vector<float> ones(1000, 1.0f);
  std::vector<float> sums(4, 0.0f);
  std::vector<std::thread> threads;
  for (float& sum : sums) {
    threads.emplace_back([&ones, &sum] {
      cudaStream_t stream = nullptr;
      EXPECT_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
      {
        const DeviceArray<float> x(ones), total({0.0f});
        for (int i = 0; i < 3; ++i) {
          EXPECT_CUDA(sum_by_barriers(x.data(), total.data(), 1000, stream));
          EXPECT_CUDA(sum_by_shuffles(x.data(), total.data(), 1000, stream));
        }
        EXPECT_CUDA(cudaStreamSynchronize(stream));
        sum = total.values_now()[0];
      }
      EXPECT_CUDA(cudaStreamDestroy(stream));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sums, std::vector<float>(4, 6000.0f));
}

TEST_F(StreamTest, ThreadsMayWaitForTheSameStream) {
  const DeviceArray<unsigned> x({0u});
  for (int i = 0; i < 50; ++i) ASSERT_CUDA(count_threads(x.data(), 2, 64, stream_));
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([this] { EXPECT_CUDA(cudaStreamSynchronize(stream_)); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(x.values_now()[0], 50u * 128u);
}

TEST_F(StreamTest, SynchronisationsAndLaunchesAreCounted) {
  const Counters before = counters();
  ASSERT_CUDA(nothing(1, 1, 0, stream_));
  EXPECT_EQ(counters().kernels_run, before.kernels_run);
  ASSERT_CUDA(cudaStreamSynchronize(stream_));
  ASSERT_CUDA(cudaDeviceSynchronize());
  EXPECT_EQ(counters().kernels_run, before.kernels_run + 1);
  EXPECT_EQ(counters().synchronisations, before.synchronisations + 2);
}

}  // namespace
}  // namespace sluice::emulator::testing
