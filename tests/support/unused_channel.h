// A parameter channel of a test that is about exchanges: what it does not use is answered at once.
#pragma once

#include "wire/parameters.h"

namespace sluice {

class UnusedChannel : public wire::ParameterChannel {
 public:
  void create(const wire::CreateRequest&, const wire::CallOptions&,
              core::Reply<Status> reply) override {
    reply(ok_status());
  }
  void assign(const wire::AssignRequest&, wire::Bytes, const wire::CallOptions&,
              core::Reply<Status> reply) override {
    reply(ok_status());
  }
  void fence(const wire::FenceRequest&, const wire::CallOptions&,
             core::Reply<Result<wire::FenceReply>> reply) override {
    reply(wire::FenceReply{});
  }
  void ledger(const wire::LedgerRequest&, const wire::CallOptions&,
              core::Reply<Result<wire::LedgerReply>> reply) override {
    reply(wire::LedgerReply{});
  }
};

}  // namespace sluice
