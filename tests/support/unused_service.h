// A parameter server whose calls nobody makes, but for those that a test overrides.
#pragma once

#include "wire/parameters.h"

namespace sluice {

class UnusedService : public wire::ParameterService {
 public:
  void create(const wire::CreateRequest&, core::Reply<Status> reply) override { refuse(reply); }
  void assign(const wire::AssignRequest&, wire::ReceivedPayload,
              core::Reply<Status> reply) override {
    refuse(reply);
  }
  void exchange(const wire::PushHeader&, wire::ReceivedPayload,
                core::Reply<Result<wire::ExchangeReply>> reply) override {
    refuse(reply);
  }
  void pull(const wire::PullRequest&, core::Reply<Result<wire::PullReply>> reply) override {
    refuse(reply);
  }
  void fence(const wire::FenceRequest&, core::Reply<Result<wire::FenceReply>> reply) override {
    refuse(reply);
  }
  void ledger(const wire::LedgerRequest&, core::Reply<Result<wire::LedgerReply>> reply) override {
    refuse(reply);
  }
  void ping(uint64_t, core::Reply<Result<wire::PingReply>> reply) override { refuse(reply); }
  void set_gate(const wire::GateRequest&, core::Reply<Status> reply) override { refuse(reply); }

 private:
  static void refuse(auto& reply) { reply(internal_error("nobody should call this")); }
};

}  // namespace sluice
