// What a training step on a GPU costs its host, and what becomes of errors and memory; told by the
// emulator's counters.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/cuda_replica.h"
#include "emulator.h"
#include "tests/backend/graph_builder.h"

extern "C" sluice::backend::CudaPlugin* sluice_cuda_plugin();

namespace sluice::backend::cuda {
namespace {

using emulator::counters;
using emulator::Counters;
using testing::GraphBuilder;
using ::testing::HasSubstr;
using testing::Samples;
using enum Activation::Kind;

constexpr LossSpec kSparse = SparseCategoricalCrossentropy{};

Graph small_cnn() {
  return GraphBuilder({8, 8, 1})
      .conv({.filters = 8})
      .activation(kRelu)
      .max_pool()
      .flatten()
      .dense(12)
      .activation(kRelu)
      .dense(5)
      .activation(kSoftmax)
      .build(kSparse);
}

std::shared_ptr<Backend> backend() {
  const auto gpus = sluice_cuda_plugin()->gpus();
  return sluice_cuda_plugin()->open(gpus->front(), 0);
}

std::unique_ptr<Replica> make_replica(const Graph& graph, Precision precision = Precision::kFloat32,
                                      int64_t batch_size = 4) {
  ReplicaOptions options{.batch_size = batch_size, .precision = precision};
  options.optimizer = "adam";
  auto replica = backend()->compile(graph, options);
  core::Rng rng(1);
  for (float& value : replica->parameters()) value = rng.uniform(-0.3f, 0.3f);
  replica->parameters_changed();
  return replica;
}

void step(Replica& replica, uint64_t seed) {
  const Samples samples(replica.graph(), 4, seed);
  const BatchBuffers buffers = replica.batch_buffers();
  const auto x = buffers.x.first(samples.x.size()), y = buffers.y.first(samples.y.size());
  std::copy(samples.x.begin(), samples.x.end(), x.begin());
  std::copy(samples.y.begin(), samples.y.end(), y.begin());
  replica.start_step({4, x, y});
}

TEST(CudaStepTest, IsOneGraphLaunchWithoutAllocationOrSynchronisation) {
  for (const Precision precision : {Precision::kFloat32, Precision::kMixedBfloat16}) {
    const auto replica = make_replica(small_cnn(), precision);
    for (uint64_t i = 0; i < 4; ++i) step(*replica, i);
    (void)replica->take_metrics();
    const Counters before = counters();
    constexpr int kSteps = 10;
    for (uint64_t i = 0; i < kSteps; ++i) step(*replica, i);
    const Counters queued = counters();
    EXPECT_EQ(queued.device_allocations, before.device_allocations);
    EXPECT_EQ(queued.host_allocations, before.host_allocations);
    // The only waiting is for a place in the input ring: two batches are on their way at a time.
    EXPECT_LE(queued.synchronisations - before.synchronisations, 2 * kSteps);
    (void)replica->take_metrics();
    EXPECT_EQ(counters().graphs_run - before.graphs_run, kSteps);
    EXPECT_EQ(counters().unpinned_copies, before.unpinned_copies);
    EXPECT_EQ(counters().synchronisations - queued.synchronisations, 1);
  }
}

TEST(CudaStepTest, NothingIsComputedBeforeSomebodyWaits) {
  const auto replica = make_replica(small_cnn());
  step(*replica, 1);
  step(*replica, 2);
  (void)replica->take_metrics();
  const int64_t graphs = counters().graphs_run;
  step(*replica, 3);
  step(*replica, 4);
  EXPECT_EQ(counters().graphs_run, graphs) << "a step waited for the device";
  EXPECT_EQ(replica->take_metrics().samples, 8);
  EXPECT_EQ(counters().graphs_run, graphs + 2);
}

TEST(CudaStepTest, UpdatesAndCentresTravelWithoutWaitingForTheNextWindow) {
  const auto replica = make_replica(small_cnn());
  const auto centre = replica->make_exchange_buffer(), update = replica->make_exchange_buffer();
  std::fill_n(centre->data(), centre->size(), 0.1f);
  step(*replica, 1);  // both places of the input ring are captured
  step(*replica, 2);
  (void)replica->take_metrics();
  const Counters before = counters();
  replica->adopt(centre->span(), OwnUpdate::kIncluded);
  step(*replica, 3);
  step(*replica, 4);
  replica->start_update({.trained = 1}, update->span());
  replica->adopt(centre->span(), OwnUpdate::kMissing);
  step(*replica, 5);  // of the next window
  (void)replica->finish_update();
  EXPECT_EQ(counters().graphs_run, before.graphs_run + 2) << "the next window was waited for";
  EXPECT_EQ(replica->take_metrics().samples, 4);
  EXPECT_EQ(counters().graphs_run, before.graphs_run + 3);
  EXPECT_EQ(counters().unpinned_copies, before.unpinned_copies);
  EXPECT_EQ(counters().device_allocations, before.device_allocations + 3) << "once per replica";
}

TEST(CudaStepTest, AReplicaLeavesNothingBehind) {
  (void)make_replica(small_cnn());  // what a process keeps, it has now
  const Counters before = counters();
  {
    const auto replica = make_replica(small_cnn());
    const auto buffer = replica->make_exchange_buffer();
    step(*replica, 1);
    replica->begin_window();
    replica->start_update({.trained = 1}, buffer->span());
    EXPECT_GT(counters().device_bytes_in_use, before.device_bytes_in_use);
    EXPECT_GT(counters().handles_in_use, before.handles_in_use);
  }
  EXPECT_EQ(counters().device_bytes_in_use, before.device_bytes_in_use);
  EXPECT_EQ(counters().handles_in_use, before.handles_in_use);
}

// --- Errors ---

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "none";
}

TEST(CudaErrorTest, NamesTheCallAndWhatCudaSays) {
  const auto replica = make_replica(small_cnn());
  step(*replica, 1);
  emulator::fail_next("cudaGraphLaunch", cudaErrorLaunchFailure);
  const std::string error = error_of([&] { step(*replica, 2); });
  EXPECT_THAT(error, HasSubstr("cudaGraphLaunch: "));
  EXPECT_THAT(error, HasSubstr("cudaErrorLaunchFailure"));
}

TEST(CudaErrorTest, ACaptureThatFailsIsNoneAndTheNextStepCapturesAgain) {
  for (const char* function : {"launch", "cudnnConvolutionBackwardFilter", "cublasLtMatmul"}) {
    const auto replica = make_replica(small_cnn());
    const auto reference = make_replica(small_cnn());
    step(*replica, 1);
    step(*reference, 1);
    (void)replica->take_metrics();
    (void)reference->take_metrics();
    // The second place of the input ring has a graph of its own.
    emulator::fail_next(function, function == std::string("cublasLtMatmul")
                                      ? static_cast<int>(CUBLAS_STATUS_EXECUTION_FAILED)
                                  : function == std::string("launch")
                                      ? static_cast<int>(cudaErrorLaunchFailure)
                                      : static_cast<int>(CUDNN_STATUS_EXECUTION_FAILED));
    EXPECT_NE(error_of([&] { step(*replica, 2); }), "none") << function;
    emulator::forget_failures();
    for (uint64_t i = 3; i < 6; ++i) {
      step(*replica, i);
      step(*reference, i);
    }
    EXPECT_NEAR(replica->take_metrics().loss_sum, reference->take_metrics().loss_sum, 1e-5)
        << function;
  }
}

TEST(CudaErrorTest, WithoutMemoryTheReplicaIsNotMadeAndSaysWhatToDo) {
  const Counters before = counters();
  for (int i = 0; i < 12; ++i) {
    emulator::fail_next("cudaMallocFromPoolAsync", cudaErrorMemoryAllocation, i);
    const std::string error = error_of([] { make_replica(small_cnn()); });
    EXPECT_THAT(error, HasSubstr("cuda:0 (Emulated GPU): ")) << i;
    EXPECT_THAT(error, HasSubstr("are not free")) << i;
    emulator::forget_failures();
  }
  EXPECT_EQ(counters().device_bytes_in_use, before.device_bytes_in_use);
}

TEST(CudaErrorTest, MoreOutputsThanAnIntCountsAreRefusedByName) {
  const Graph graph = GraphBuilder({1}).dense(1 << 20).dense(1).build(MeanSquaredError{});
  try {
    make_replica(graph, Precision::kFloat32, 1 << 11);
    FAIL() << "2^31 numbers";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("for a batch of 2048: its 2147483648 outputs"));
    EXPECT_THAT(error.what(), HasSubstr("make the batch smaller"));
  }
}

}  // namespace
}  // namespace sluice::backend::cuda
