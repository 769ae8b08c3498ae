#include "backend/cuda/exchange_window.h"

#include <cstddef>
#include <cstring>

namespace sluice::backend::cuda {
namespace {

constexpr size_t kStateFloats = sizeof(StepState) / sizeof(float);

void copy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  if (bytes > 0) SLUICE_CHECKED(cudaMemcpyAsync(to, from, bytes, kind, stream));
}

void wait_in(cudaStream_t stream, const Event& event) {
  SLUICE_CHECKED(cudaStreamWaitEvent(stream, event.get(), 0));
}

void record(const Event& event, cudaStream_t stream) {
  SLUICE_CHECKED(cudaEventRecord(event.get(), stream));
}

bool is_over(const Event& event) {
  const cudaError_t status = cudaEventQuery(event.get());
  if (status == cudaErrorNotReady) {
    (void)cudaGetLastError();  // no error at all
    return false;
  }
  check(status, "cudaEventQuery");
  return true;
}

}  // namespace

void take_metrics(StepState* from, StepState* to, cudaStream_t stream) {
  constexpr size_t kFirst = offsetof(StepState, loss_sum);
  constexpr size_t kBytes = sizeof(StepState) - kFirst;
  copy(reinterpret_cast<char*>(to) + kFirst, reinterpret_cast<char*>(from) + kFirst, kBytes,
       cudaMemcpyDeviceToDevice, stream);
  SLUICE_CHECKED(cudaMemsetAsync(reinterpret_cast<char*>(from) + kFirst, 0, kBytes, stream));
}

ExchangeWindow::ExchangeWindow(const Context& context, const Parameters& parameters,
                               StepState* metrics)
    : context_(context),
      parameters_(parameters),
      metrics_(metrics),
      sums_gradients_(!parameters.optimizer() && parameters.gradients() != nullptr),
      window_metrics_(*context.device, 1),
      host_metrics_(make_pinned(context.device, kStateFloats)) {
  if (sums_gradients_) start_ = DeviceArray<float>(*context.device, parameters.size());
}

void ExchangeWindow::need_memory() {
  if (update_.size() == parameters_.keras_size()) return;
  Device& device = *context_.device;
  if (!sums_gradients_) start_ = DeviceArray<float>(device, parameters_.size());
  update_ = DeviceArray<float>(device, parameters_.keras_size());
  centre_ = DeviceArray<float>(device, parameters_.keras_size());
}

void ExchangeWindow::begin() {
  need_memory();
  cudaStream_t stream = context_.main.stream.get();
  const size_t sums = sums_end();
  if (sums > 0) SLUICE_CHECKED(cudaMemsetAsync(start_.data(), 0, sums * sizeof(float), stream));
  copy(start_.data() + sums, parameters_.values() + sums, start_.bytes() - sums * sizeof(float),
       cudaMemcpyDeviceToDevice, stream);
}

size_t ExchangeWindow::sums_end() const { return sums_gradients_ ? parameters_.trained_size() : 0; }

void ExchangeWindow::start_update(const UpdateScale& scale, std::span<float> update) {
  cudaStream_t stream = context_.main.stream.get();
  wait_in(stream, delivered_);  // the one before is out of update_
  if (sums_gradients_) parameters_.clip(scale.trained, start_.data(), stream);
  read_update(parameters_.segments(), scale.trained, scale.state, parameters_.values(),
              start_.data(), static_cast<int64_t>(sums_end()), update_.data(), stream);
  take_metrics(metrics_, window_metrics_.data(), stream);
  record(made_, stream);
  wait_in(downloads_.get(), made_);
  copy(update.data(), update_.data(), update.size_bytes(), cudaMemcpyDeviceToHost,
       downloads_.get());
  copy(host_metrics_->data(), window_metrics_.data(), sizeof(StepState), cudaMemcpyDeviceToHost,
       downloads_.get());
  record(delivered_, downloads_.get());
}

bool ExchangeWindow::update_ready() const { return is_over(delivered_) && is_over(arrived_); }

StepState ExchangeWindow::finish_update() {
  SLUICE_CHECKED(cudaEventSynchronize(delivered_.get()));
  SLUICE_CHECKED(cudaEventSynchronize(arrived_.get()));
  StepState state;
  std::memcpy(&state, host_metrics_->data(), sizeof(state));
  return state;
}

void ExchangeWindow::wait() {
  (void)cudaStreamSynchronize(downloads_.get());
  (void)cudaStreamSynchronize(uploads_.get());
}

void ExchangeWindow::adopt(std::span<const float> centre, OwnUpdate own) {
  need_memory();
  cudaStream_t stream = context_.main.stream.get();
  wait_in(uploads_.get(), adopted_);  // the one before is out of centre_
  copy(centre_.data(), centre.data(), centre.size_bytes(), cudaMemcpyHostToDevice, uploads_.get());
  record(arrived_, uploads_.get());
  wait_in(stream, arrived_);
  write_sum(parameters_.segments(), centre_.data(),
            own == OwnUpdate::kMissing ? update_.data() : nullptr, parameters_.values(),
            parameters_.bfloat16_values(), stream);
  record(adopted_, stream);
  begin();
}

}  // namespace sluice::backend::cuda
