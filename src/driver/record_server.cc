#include "driver/record_server.h"

#include <fmt/core.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "sluice/errors.h"

namespace sluice::driver {
namespace {

constexpr size_t kChunkBytes = size_t{2} << 20;

}  // namespace

RecordServer::RecordServer(core::World& world, std::shared_ptr<const data::Records> records,
                           const data::Partitioning& partitioning)
    : records_(std::move(records)),
      partitioning_(partitioning),
      strand_(world.make_strand("records")) {}

RecordServer::~RecordServer() { strand_->close(); }

void RecordServer::fetch(int64_t partition, int64_t first,
                         core::Reply<Result<wire::RecordChunk>> reply) {
  if (partition < 0 || partition >= partitioning_.partitions()) {
    return reply(not_found(fmt::format("there is no partition {}", partition)));
  }
  if (first < 0 || first > partitioning_.size(partition)) {
    return reply(
        invalid_argument(fmt::format("partition {} has {} records, record {} was asked for",
                                     partition, partitioning_.size(partition), first)));
  }
  strand_->post([this, partition, first, reply = std::move(reply)]() mutable {
    reply(read_or_say_why(partition, first));
  });
}

Result<wire::RecordChunk> RecordServer::read_or_say_why(int64_t partition, int64_t first) {
  try {
    return read(partition, first);
  } catch (const RuntimeError& error) {  // their file cannot be read any more, or has changed
    return data_loss(error.what());
  } catch (const std::exception& error) {
    return internal_error(error.what());
  }
}

Result<wire::RecordChunk> RecordServer::read(int64_t partition, int64_t first) {
  const std::vector<uint32_t>& indices = indices_of(partition);
  const size_t record_bytes = records_->info().record_bytes();
  const size_t most = std::max<size_t>(kChunkBytes / record_bytes, 1);
  const auto begin = static_cast<size_t>(first);
  const size_t count = std::min(most, indices.size() - begin);
  wire::RecordChunk chunk;
  chunk.first = first;
  chunk.features.resize(count * record_bytes);
  const auto wanted = std::span(indices).subspan(begin, count);
  records_->gather_stored(wanted, chunk.features);
  const data::Targets& targets = records_->targets();
  const auto values = static_cast<size_t>(records_->info().values);
  for (const uint32_t record : wanted) {
    if (values == 0) {
      chunk.labels.push_back(targets.labels[record]);
    } else {
      const auto own = targets.values.subspan(record * values, values);
      chunk.values.insert(chunk.values.end(), own.begin(), own.end());
    }
    if (!targets.weights.empty()) chunk.weights.push_back(targets.weights[record]);
  }
  return chunk;
}

const std::vector<uint32_t>& RecordServer::indices_of(int64_t partition) {
  const auto known = indices_.find(partition);
  if (known != indices_.end()) return known->second;
  return indices_.emplace(partition, partitioning_.records(partition)).first->second;
}

}  // namespace sluice::driver
