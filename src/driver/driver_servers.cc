// How Driver has shards go to other servers when more or fewer are wanted (shard_move.h).
#include <fmt/core.h>

#include <utility>

#include "core/log.h"
#include "driver/driver.h"

namespace sluice::driver {

// Called after every event.
void Driver::look_at_servers() {
  if (stage_ != Stage::kTraining) return;
  const int wanted = coordinator_.servers_wanted();
  if (!moving_) {
    const bool may = coordinator_.phase() == Phase::kTraining && stopping_.empty();
    if (may && wanted != servers() && coordinator_.wanted_servers_ready()) reach_servers();
    return;
  }
  if (!stopping_.empty()) return call_off_move("the job is being stopped");
  if (wanted != moving_->to.servers()) return call_off_move("other servers are wanted by now");
  if (coordinator_.phase() != Phase::kTraining) return call_off_move("everything is trained");
  if (moving_->to_reach == 0 && !moving_->move && grants_.empty()) move_shards();
}

// From now on no lease is granted, and every server that comes is told its shards.
void Driver::reach_servers() {
  const int wanted = coordinator_.servers_wanted();
  moving_.emplace();
  moving_->revision = ++last_revision_;
  moving_->to = shard_map_of(options_, parameters_->size(), wanted);
  moving_->servers = channels_;
  moving_->servers.resize(static_cast<size_t>(std::max(wanted, servers())));
  moving_->to_reach = std::max(wanted - servers(), 0);
  coordinator_.set_moving(true, world_.now());
  creates_.clear();
  for (int server = servers(); server < wanted; ++server) {
    create({job_, moving_->to, server, options_.update_rule, options_.pushes, moving_->revision},
           [this, server](Result<std::shared_ptr<wire::ParameterChannel>> channel) {
             reached(server, std::move(channel));
           });
  }
  if (moving_->to_reach == 0 && grants_.empty()) move_shards();
}

void Driver::reached(int server, Result<std::shared_ptr<wire::ParameterChannel>> channel) {
  if (!moving_) return;
  if (!channel.ok()) return call_off_move(channel.status().message());
  moving_->servers[static_cast<size_t>(server)] = *std::move(channel);
  --moving_->to_reach;
}

// Nobody is being granted a lease: what the servers say of pushes does not change by that.
void Driver::move_shards() {
  ShardMove::Plan plan{
      .job = job_,
      .revision = revision_,
      .next_revision = moving_->revision,
      .from = shard_map_,
      .to = moving_->to,
      .servers = moving_->servers,
      .update_rule = options_.update_rule,
      .pushes = options_.pushes,
      .addresses_for = [this](int server) { return coordinator_.server_addresses_for(server); },
      .give_up_after = options_.training.server_timeout,
      .decided = [this] { coordinator_.move_decided(moving_->to.servers()); },
      .waiting_for =
          [this](const std::string& whom) {
            coordinator_.move_waits_for(whom, world_.now());
            publish();
          },
      .answer_bytes = wire::move_bytes(options_.training)};
  moving_->move = std::make_unique<ShardMove>(world_, strand_, std::move(plan));
  moving_->move->start([this](Status status) {
    // Not within the move itself, which this ends.
    strand_->post([this, status = std::move(status)] {
      if (!moving_ || stage_ != Stage::kTraining) return;
      shards_moved(status);
      changed();
    });
  });
}

void Driver::shards_moved(const Status& status) {
  const ShardMove& move = *moving_->move;
  if (!status.ok() && move.is_decided()) return fail(status);
  if (!status.ok()) return call_off_move(status.message());
  const core::TimePoint now = world_.now();
  const ServersChanged change{servers(), moving_->to.servers(),
                              static_cast<int64_t>(move.floats_moved() * sizeof(float)),
                              core::to_seconds(move.held())};
  for (wire::LedgerReply& ledger : move.retired()) retired_ledgers_.push_back(std::move(ledger));
  shard_map_ = moving_->to;
  revision_ = moving_->revision;
  channels_ = std::move(moving_->servers);
  channels_.resize(static_cast<size_t>(servers()));
  ledgers_.resize(channels_.size());
  gates_told_.assign(channels_.size(), {});
  client_->follow({revision_, shard_map_, server_addresses()});
  coordinator_.moved(shard_map_, revision_, now);
  moves_.emplace_back(now, change);
  observer_.on_event({now, change});
  end_move();
  ++poll_;
  poll_ledgers();
}

// The move is over, one way or the other.
void Driver::end_move() {
  moving_.reset();
  coordinator_.set_moving(false, world_.now());
}

// Servers that stand still have to be told first.
void Driver::call_off_move(const std::string& why) {
  if (moving_->called_off.empty()) moving_->called_off = why;
  if (moving_->move && moving_->move->is_under_way()) {
    return moving_->move->call_off(cancelled(why));
  }
  coordinator_.keep_servers(moving_->called_off, world_.now());
  end_move();
}

}  // namespace sluice::driver
