#include <fmt/core.h>

#include <algorithm>

#include "transport/inproc/call.h"
#include "transport/inproc/channels.h"
#include "wire/move.h"

namespace sluice::transport {
namespace {

using PulledVersion = wire::ParameterChannel::PulledVersion;

wire::ReceivedPayload received(const wire::Bytes& payload, const std::vector<size_t>& piece_sizes) {
  wire::ReceivedPayload result;
  result.owner = payload.owner;
  std::span<const std::byte> rest = payload.bytes;
  if (piece_sizes.empty()) {
    result.pieces.push_back(rest);
    return result;
  }
  for (size_t i = 0; !rest.empty(); i = (i + 1) % piece_sizes.size()) {
    const size_t n = std::min(piece_sizes[i], rest.size());
    result.pieces.push_back(rest.first(n));
    rest = rest.subspan(n);
  }
  return result;
}

Result<PulledVersion> hand_over(const wire::PullReply& pulled, const wire::PushReply& push,
                                std::span<float> into, const std::string& name) {
  const Status taken = wire::take(pulled, into);
  if (!taken.ok()) return data_loss(name + " sent " + taken.message());
  const size_t bytes = pulled.difference ? pulled.difference->code.bytes.size() : pulled.bytes();
  return PulledVersion{push, pulled.version, pulled.clock, pulled.held, bytes};
}

// What goes along with a payload does not count.
Status check_size(const wire::Bytes& payload, const InprocService& service,
                  const std::string& name) {
  if (payload.bytes.size() <= service.max_message_bytes) return ok_status();
  return {StatusCode::kResourceExhausted,
          fmt::format("{} takes messages of at most {} bytes, this one has {}", name,
                      service.max_message_bytes, payload.bytes.size())};
}

class InprocParameterChannel final : public wire::ParameterChannel {
 public:
  InprocParameterChannel(std::shared_ptr<InprocNetwork> network, const std::string& name,
                         std::vector<size_t> piece_sizes)
      : piece_sizes_(std::move(piece_sizes)), calls_(std::move(network), name) {}

  void exchange(const wire::PushHeader& header, wire::Bytes update, std::span<float> into,
                const wire::CallOptions& options,
                core::Reply<Result<PulledVersion>> reply) override {
    start(options, std::move(reply), update,
          [header, update, into, sizes = piece_sizes_, name = address()](
              wire::ParameterService& service, InprocAnswer<Result<PulledVersion>> answer) {
            service.exchange(header, received(update, sizes),
                             [into, name, answer = std::move(answer)](
                                 Result<wire::ExchangeReply> exchanged) mutable {
                               answer.with([&]() -> Result<PulledVersion> {
                                 SLUICE_RETURN_IF_ERROR(exchanged.status());
                                 return hand_over(exchanged->pull, exchanged->push, into, name);
                               });
                             });
          });
  }

  void pull(const wire::PullRequest& request, std::span<float> into,
            const wire::CallOptions& options, core::Reply<Result<PulledVersion>> reply) override {
    start(options, std::move(reply), {},
          [request, into, name = address()](wire::ParameterService& service,
                                            InprocAnswer<Result<PulledVersion>> answer) {
            service.pull(request, [into, name, answer = std::move(answer)](
                                      Result<wire::PullReply> pulled) mutable {
              answer.with([&]() -> Result<PulledVersion> {
                SLUICE_RETURN_IF_ERROR(pulled.status());
                return hand_over(*pulled, {}, into, name);
              });
            });
          });
  }

  void create(const wire::CreateRequest& request, const wire::CallOptions& options,
              core::Reply<Status> reply) override {
    start(options, std::move(reply), {},
          [request](wire::ParameterService& service, InprocAnswer<Status> answer) {
            service.create(request, std::move(answer));
          });
  }

  void assign(const wire::AssignRequest& request, wire::Bytes values,
              const wire::CallOptions& options, core::Reply<Status> reply) override {
    start(options, std::move(reply), values,
          [request, values, sizes = piece_sizes_](wire::ParameterService& service,
                                                  InprocAnswer<Status> answer) {
            service.assign(request, received(values, sizes), std::move(answer));
          });
  }

  void fence(const wire::FenceRequest& request, const wire::CallOptions& options,
             core::Reply<Result<wire::FenceReply>> reply) override {
    start(
        options, std::move(reply), {},
        [request](wire::ParameterService& service, InprocAnswer<Result<wire::FenceReply>> answer) {
          service.fence(request, std::move(answer));
        });
  }

  void ledger(const wire::LedgerRequest& request, const wire::CallOptions& options,
              core::Reply<Result<wire::LedgerReply>> reply) override {
    start(
        options, std::move(reply), {},
        [request](wire::ParameterService& service, InprocAnswer<Result<wire::LedgerReply>> answer) {
          service.ledger(request, std::move(answer));
        });
  }

  void ping(uint64_t job, const wire::CallOptions& options,
            core::Reply<Result<wire::PingReply>> reply) override {
    start(options, std::move(reply), {},
          [job](wire::ParameterService& service, InprocAnswer<Result<wire::PingReply>> answer) {
            service.ping(job, std::move(answer));
          });
  }

  void set_gate(const wire::GateRequest& request, const wire::CallOptions& options,
                core::Reply<Status> reply) override {
    start(options, std::move(reply), {},
          [request](wire::ParameterService& service, InprocAnswer<Status> answer) {
            service.set_gate(request, std::move(answer));
          });
  }

  void move(const wire::MoveRequest& request, const wire::CallOptions& options,
            core::Reply<Result<wire::MoveReply>> reply) override {
    start(options, std::move(reply), {},
          [request](wire::ParameterService& service, InprocAnswer<Result<wire::MoveReply>> answer) {
            service.move(request, std::move(answer));
          });
  }

  wire::Path path() override { return {wire::Path::Way::kSharedMemory, ""}; }
  void cut() override { calls_.cut(); }
  const std::string& address() const override { return calls_.name(); }

 private:
  template <typename Answer, typename Enter>
  void start(const wire::CallOptions& options, core::Reply<Answer> reply,
             const wire::Bytes& payload, Enter enter) {
    calls_.start(options, std::move(reply),
                 [payload, name = address(), enter = std::move(enter)](
                     const InprocService& service, InprocAnswer<Answer> answer) mutable {
                   if (!service.parameters) return answer(wrong_kind(name, "parameter server"));
                   const Status fits = check_size(payload, service, name);
                   if (!fits.ok()) return answer(fits);
                   enter(*service.parameters, std::move(answer));
                 });
  }

  const std::vector<size_t> piece_sizes_;
  InprocCalls calls_;
};

}  // namespace

std::shared_ptr<wire::ParameterChannel> make_inproc_parameter_channel(
    std::shared_ptr<InprocNetwork> network, const std::string& address,
    std::vector<size_t> piece_sizes) {
  return std::make_shared<InprocParameterChannel>(std::move(network), address,
                                                  std::move(piece_sizes));
}

}  // namespace sluice::transport
