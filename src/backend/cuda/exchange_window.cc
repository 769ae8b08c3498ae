#include "backend/cuda/exchange_window.h"

#include <cstddef>

namespace sluice::backend::cuda {
namespace {

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

void take_metrics(StepState* from, StepState* to, size_t counters, cudaStream_t stream) {
  constexpr size_t kFirst = offsetof(StepState, loss_sum);
  static_assert(kFirst + sizeof(double) == sizeof(StepState), "the counters follow the loss");
  const size_t bytes = sizeof(StepState) - kFirst + counters * sizeof(double);
  copy(reinterpret_cast<char*>(to) + kFirst, reinterpret_cast<char*>(from) + kFirst, bytes,
       cudaMemcpyDeviceToDevice, stream);
  SLUICE_CHECKED(cudaMemsetAsync(reinterpret_cast<char*>(from) + kFirst, 0, bytes, stream));
}

ExchangeWindow::ExchangeWindow(const Context& context, const Parameters& parameters,
                               StepState* metrics, size_t counters)
    : context_(context),
      parameters_(parameters),
      metrics_(metrics),
      counters_(counters),
      sums_gradients_(!parameters.optimizer() && parameters.gradients() != nullptr),
      window_metrics_(*context.device, state_size(counters)),
      host_metrics_(make_pinned(context.device, 2 * state_size(counters))) {
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

void ExchangeWindow::start_update(const UpdateSpec& spec, std::span<float> update) {
  cudaStream_t stream = context_.main.stream.get();
  wait_in(stream, delivered_);  // the one before is out of update_
  if (sums_gradients_) parameters_.clip(spec.trained, start_.data(), stream);
  const auto trained_end = static_cast<int64_t>(parameters_.trained_size());
  read_update(parameters_.segments(),
              {.scale = spec.trained,
               .state_scale = spec.state,
               .sums_end = static_cast<int64_t>(sums_end()),
               .weights_end = spec.weights ? trained_end : 0},
              parameters_.values(), start_.data(), update_.data(), stream);
  take_metrics(metrics_, reinterpret_cast<StepState*>(window_metrics_.data()), counters_, stream);
  record(made_, stream);
  wait_in(downloads_.get(), made_);
  copy(update.data(), update_.data(), update.size_bytes(), cudaMemcpyDeviceToHost,
       downloads_.get());
  copy(host_metrics_->data(), window_metrics_.data(), window_metrics_.bytes(),
       cudaMemcpyDeviceToHost, downloads_.get());
  record(delivered_, downloads_.get());
}

bool ExchangeWindow::update_ready() const { return is_over(delivered_) && is_over(arrived_); }

const StepState* ExchangeWindow::finish_update() {
  SLUICE_CHECKED(cudaEventSynchronize(delivered_.get()));
  SLUICE_CHECKED(cudaEventSynchronize(arrived_.get()));
  return reinterpret_cast<const StepState*>(host_metrics_->data());
}

void ExchangeWindow::wait() {
  (void)cudaStreamSynchronize(downloads_.get());
  (void)cudaStreamSynchronize(uploads_.get());
}

void ExchangeWindow::adopt(std::span<const float> centre, OwnUpdate own, float rate) {
  need_memory();
  cudaStream_t stream = context_.main.stream.get();
  wait_in(uploads_.get(), adopted_);  // the one before is out of centre_
  copy(centre_.data(), centre.data(), centre.size_bytes(), cudaMemcpyHostToDevice, uploads_.get());
  record(arrived_, uploads_.get());
  wait_in(stream, arrived_);
  const bool elastic = own == OwnUpdate::kElastic;
  write_sum(parameters_.segments(), centre_.data(),
            own == OwnUpdate::kIncluded ? nullptr : update_.data(),
            {.rate = rate, .end = elastic ? static_cast<int64_t>(parameters_.trained_size()) : 0},
            parameters_.values(), parameters_.bfloat16_values(), stream);
  record(adopted_, stream);
  begin();
}

}  // namespace sluice::backend::cuda
