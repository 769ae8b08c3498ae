// One call to a service of the same process, and its answer.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "core/reply.h"
#include "transport/inproc/network.h"

namespace sluice::transport {

// `Answer` is Status or Result<T>, what the caller waits for.
template <typename Answer>
class TypedInprocCall;

// How a service answers a call. An answer that comes when the call is over is dropped.
template <typename Answer>
class InprocAnswer {
 public:
  InprocAnswer(std::shared_ptr<InprocNetwork> network,
               std::shared_ptr<TypedInprocCall<Answer>> call)
      : network_(std::move(network)), call_(std::move(call)) {}

  void operator()(Answer answer) {
    with([&] { return std::move(answer); });
  }
  // Answers with what `make` returns, which is not called when the call is over.
  template <typename Make>
  void with(Make make) {
    const std::optional<Status> status = network_->claim(*call_);
    if (!status) return;
    call_->give(status->ok() ? Answer(make()) : Answer(*status));
    network_->ended(*call_);
  }

 private:
  std::shared_ptr<InprocNetwork> network_;
  std::shared_ptr<TypedInprocCall<Answer>> call_;
};

template <typename Answer>
class TypedInprocCall final : public InprocCall,
                              public std::enable_shared_from_this<TypedInprocCall<Answer>> {
 public:
  using Enter = core::UniqueFunction<void(const InprocService&, InprocAnswer<Answer>)>;

  TypedInprocCall(std::shared_ptr<InprocNetwork> network, const std::string& name,
                  core::Duration timeout, Enter enter, core::Reply<Answer> reply)
      : InprocCall(name, timeout),
        network_(std::move(network)),
        enter_(std::move(enter)),
        reply_(std::move(reply)) {}

  void enter(const InprocService& service) override {
    Enter enter = std::move(enter_);  // the request is let go when the service has it
    enter(service, InprocAnswer<Answer>(network_, this->shared_from_this()));
  }
  void fail(Status why) override { give(Answer(std::move(why))); }
  void give(Answer answer) { reply_(std::move(answer)); }

 private:
  const std::shared_ptr<InprocNetwork> network_;
  Enter enter_;
  core::Reply<Answer> reply_;
};

inline Status wrong_kind(const std::string& name, const char* expected) {
  return {StatusCode::kUnimplemented, name + " is no " + expected};
}

// The calls of one channel, which are ended with it.
class InprocCalls {
 public:
  InprocCalls(std::shared_ptr<InprocNetwork> network, std::string name)
      : network_(std::move(network)), name_(std::move(name)), channel_(network_->add_channel()) {}
  ~InprocCalls() { network_->close(channel_, cancelled("the channel to " + name_ + " closed")); }
  InprocCalls(const InprocCalls&) = delete;
  InprocCalls& operator=(const InprocCalls&) = delete;

  // `enter` is called with the service, as soon as there is one, and an InprocAnswer.
  template <typename Answer, typename Enter>
  void start(const wire::CallOptions& options, core::Reply<Answer> reply, Enter enter) {
    network_->start(channel_,
                    std::make_shared<TypedInprocCall<Answer>>(network_, name_, options.timeout,
                                                              std::move(enter), std::move(reply)));
  }
  void cut() { network_->cut(channel_, cancelled("the call to " + name_ + " was cut off")); }

  const std::string& name() const { return name_; }

 private:
  const std::shared_ptr<InprocNetwork> network_;
  const std::string name_;
  const uint64_t channel_;
};

}  // namespace sluice::transport
