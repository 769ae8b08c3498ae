#include "backend/cuda/rates.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/matmul.h"
#include "backend/cuda/timing.h"
#include "core/rng.h"

namespace sluice::backend::cuda {
namespace {

constexpr int kRounds = 5, kCalls = 5;

// Seconds of one call, which only puts long work on the stream. Not as a Trial: copies that a graph
// makes are slower.
template <typename Call>
double seconds_of(cudaStream_t stream, const Call& call) {
  const Event begin = make_timer(), end = make_timer();
  std::vector<double> seconds;
  call();  // loads the code
  for (int round = 0; round < kRounds; ++round) {
    SLUICE_CHECKED(cudaEventRecord(begin.get(), stream));
    for (int i = 0; i < kCalls; ++i) call();
    SLUICE_CHECKED(cudaEventRecord(end.get(), stream));
    seconds.push_back(seconds_between(begin, end) / kCalls);
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 2];
}

double copy_rate(const Context& context, int64_t bytes) {
  const auto size = static_cast<size_t>(bytes);
  const DeviceArray<char> from(*context.device, size), to(*context.device, size);
  cudaStream_t stream = context.main.stream.get();
  const double seconds = seconds_of(stream, [&] {
    SLUICE_CHECKED(cudaMemcpyAsync(to.data(), from.data(), size, cudaMemcpyDeviceToDevice, stream));
  });
  return 2 * static_cast<double>(size) / seconds;
}

// Random numbers in [-1, 1), repeated: zeros would be multiplied with less power, and so faster.
void fill(const DeviceArray<char>& memory, Type type, cudaStream_t stream) {
  core::Rng rng(1);
  std::vector<uint32_t> block(size_t{1} << 18);
  const auto bits = [&rng] { return std::bit_cast<uint32_t>(rng.uniform(-1, 1)); };
  for (uint32_t& word : block) {
    // The upper half of a float32 is a bfloat16.
    word = type == Type::kFloat32 ? bits() : (bits() & 0xffff0000u) | (bits() >> 16);
  }
  const size_t block_bytes = block.size() * sizeof(uint32_t);
  for (size_t done = 0; done < memory.bytes(); done += block_bytes) {
    SLUICE_CHECKED(cudaMemcpyAsync(memory.data() + done, block.data(),
                                   std::min(block_bytes, memory.bytes() - done),
                                   cudaMemcpyHostToDevice, stream));
  }
  SLUICE_CHECKED(cudaStreamSynchronize(stream));
}

double product_rate(const std::shared_ptr<Device>& device, Precision precision, int64_t n) {
  const Context context(device, precision, false);
  const Type type = precision == Precision::kMixedBfloat16 ? Type::kBfloat16 : Type::kFloat32;
  const size_t bytes = static_cast<size_t>(n * n) * size_of(type);
  const DeviceArray<char> a(*device, bytes), b(*device, bytes), d(*device, bytes);
  cudaStream_t stream = context.main.stream.get();
  fill(a, type, stream);
  fill(b, type, stream);
  const auto product = Matmul::make(context, context.main,
                                    {.m = n,
                                     .n = n,
                                     .k = n,
                                     .factors = type,
                                     .result = type,
                                     .a = a.data(),
                                     .b = b.data(),
                                     .d = d.data()});
  if (!product) throw CudaError("cuBLASLt has no algorithm for a product of square matrices");
  const double seconds = seconds_of(stream, [&] { product->run(a.data(), b.data(), d.data()); });
  const auto size = static_cast<double>(n);
  return 2 * size * size * size / seconds;
}

GpuRates measure(const GpuInfo& gpu, const GpuRateSizes& sizes) {
  const auto device = std::make_shared<Device>(gpu);
  const Status bfloat16 = make_cuda_backend(gpu, 0)->check(Precision::kMixedBfloat16);
  GpuRates rates;
  rates.copy_bytes = copy_rate(Context(device, Precision::kFloat32, false), sizes.copy_bytes);
  rates.float32_flops = product_rate(device, Precision::kFloat32, sizes.matrix);
  rates.tf32_flops = product_rate(device, Precision::kTf32, sizes.matrix);
  if (bfloat16.ok()) {
    rates.bfloat16_flops = product_rate(device, Precision::kMixedBfloat16, sizes.matrix);
  }
  return rates;
}

}  // namespace

Result<GpuRates> measure_rates(const GpuInfo& gpu, const GpuRateSizes& sizes) {
  try {
    return measure(gpu, sizes);
  } catch (const CudaError& error) {
    return internal_error(error.what());
  }
}

}  // namespace sluice::backend::cuda
