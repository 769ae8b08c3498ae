// How Driver makes the servers ready: each is told its shards, then all get their values.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "core/log.h"
#include "driver/driver.h"

namespace sluice::driver {
namespace {

// How long one address of a server is tried before the next one.
constexpr core::Duration kTryAddress = std::chrono::seconds(2);

}  // namespace

// Every server is told which shards are its own, at the first of its addresses that is reached;
// then all get their values.
void Driver::set_up() {
  stage_ = Stage::kSettingUp;
  const auto count = static_cast<size_t>(servers());
  channels_.resize(count);
  ledgers_.resize(count);
  not_reached_.resize(count);
  calls_left_ = servers();
  for (int server = 0; server < servers(); ++server) {
    create({job_, shard_map_, server, options_.update_rule, options_.pushes},
           [this, server](Result<std::shared_ptr<wire::ParameterChannel>> channel) {
             if (!channel.ok()) return fail(channel.status());
             created(server, *std::move(channel));
           });
  }
}

void Driver::create(wire::CreateRequest request, Created done) {
  const int server = request.server;
  not_reached_.resize(std::max(not_reached_.size(), static_cast<size_t>(server) + 1));
  std::vector<std::shared_ptr<wire::ParameterChannel>> candidates;
  for (const std::string& address : coordinator_.possible_addresses(server)) {
    candidates.push_back(transport_.connect_parameters(address));
  }
  std::string whom = "the parameter server at " + candidates.front()->address();
  client::RetryOptions retry{.give_up_after = options_.training.server_timeout};
  if (candidates.size() > 1) {
    whom += fmt::format(" or {}, where it came from", candidates.back()->address());
    retry.longest_attempt = kTryAddress;
  }
  creates_.push_back(std::make_unique<client::PersistentCall<Result<size_t>>>(world_, strand_));
  creates_.back()->start(
      whom, retry,
      [this, candidates, request, next = size_t{0}](const wire::CallOptions& call,
                                                    core::Reply<Result<size_t>> reply) mutable {
        const size_t tried = next++ % candidates.size();
        auto failed = lifetime_->on(strand_, [this, server = request.server](const Status& why) {
          not_reached_[static_cast<size_t>(server)] = why.message();
        });
        candidates[tried]->create(
            request, call, [tried, failed, reply = std::move(reply)](const Status& status) mutable {
              if (tried == 0 && !status.ok()) failed(status);
              reply(status.ok() ? Result<size_t>(tried) : Result<size_t>(status));
            });
      },
      [this, server, candidates, done = std::move(done)](const Result<size_t>& found) {
        if (found.ok()) {
          const auto& channel = candidates[*found];
          coordinator_.server_found(server, channel->address(),
                                    not_reached_[static_cast<size_t>(server)], world_.now());
          done(channel);
        } else {
          const bool elsewhere = !candidates.front()->address().starts_with("unix:");
          done(elsewhere && client::may_pass(found.status().code())
                   ? unavailable(fmt::format(
                         "{}; start it with --advertise HOST:PORT that driver and workers reach",
                         found.status().message()))
                   : found.status());
        }
        changed();
      });
}

void Driver::created(int server, std::shared_ptr<wire::ParameterChannel> channel) {
  channels_[static_cast<size_t>(server)] = std::move(channel);
  if (--calls_left_ == 0 && stage_ == Stage::kSettingUp) assign();
}

void Driver::assign() {
  client::ExchangeOptions exchange;
  exchange.give_up_after = options_.training.server_timeout;
  exchange.follows = true;
  client_ = std::make_unique<client::ParameterClient>(
      world_, transport_, strand_, job_, wire::Placement{revision_, shard_map_, server_addresses()},
      exchange, [](const std::string& whom) {
        if (!whom.empty()) SLUICE_LOG(warn, "waiting for a parameter server: {}", whom);
      });
  client_->assign(parameters_, lifetime_->on(strand_, [this](const Status& assigned) {
    begin_training(assigned);
    changed();
  }));
}

void Driver::begin_training(const Status& assigned) {
  if (stage_ != Stage::kSettingUp) return;
  if (!assigned.ok()) return fail(assigned);
  stage_ = Stage::kTraining;
  coordinator_.start_training(shard_map_, world_.now());
  poll_ledgers();
}

}  // namespace sluice::driver
