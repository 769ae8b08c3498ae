// Compressed updates and differences, end to end within one process, over every transport.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "compression/encoder.h"
#include "tests/transport/transport_fixture.h"

namespace sluice::transport {
namespace {

using compression::Compression;

constexpr uint64_t kJob = 77;
constexpr size_t kSize = 10'001;  // of each of two shards
constexpr int64_t kMember = 5;

Compression encoding(const char* text) { return *Compression::parse(text); }

class CompressedTransportTest : public ::testing::TestWithParam<TransportKind> {
 protected:
  void SetUp() override {
    server_.serve_job(kJob);
    transport_ = make_transport(GetParam());
    listener_ = *transport_->listen(any_address(GetParam()), &server_, {.threads = 2});
    channel_ = transport_->connect_parameters(listener_->address());
    const auto map = wire::ShardMap::even(2 * kSize, 2, 1);
    ASSERT_TRUE(create(*channel_, adding(kJob, map)).ok());
    for (int i = 0; i < 2; ++i) {
      std::vector<float> values(map[i].size);
      for (size_t k = 0; k < values.size(); ++k) values[k] = std::sin(static_cast<float>(k));
      ASSERT_TRUE(assign(*channel_, {kJob, {i, 1}}, values).ok());
    }
    trains({kMember});
    size_ = map[0].size;
  }

  void trains(std::vector<int64_t> members) {
    wire::GateRequest request{kJob, {.generation = ++generation_}};
    for (const int64_t member : members) request.gate.trainees.push_back({.member = member});
    ASSERT_TRUE(await_status([&](auto reply) {
                  channel_->set_gate(request, kSoon, std::move(reply));
                }).ok());
  }

  // The first piece of a push of both shards; the second has nothing.
  Result<PulledVersion> stage(int64_t sequence, const Compression& its, wire::Bytes code) {
    wire::PushHeader header = header_of(kJob, {0, 1}, {0, 1, sequence});
    header.step = wire::PushStep::kStage;
    header.encoding = its;
    return await_result<PulledVersion>([&](auto reply) {
      channel_->exchange(header, std::move(code), {}, kSoon, std::move(reply));
    });
  }
  Status finish(int64_t sequence) {
    wire::PushHeader header = header_of(kJob, {1, 1}, {0, 1, sequence});
    std::vector<float> into(2 * kSize - size_);
    return exchange(*channel_, header, payload_of(std::vector<float>(into.size())), into).status();
  }
  std::vector<float> centre() {
    std::vector<float> values(size_);
    EXPECT_TRUE(pull(*channel_, kJob, {0, 1}, values).ok());
    return values;
  }
  static wire::Bytes code_of(const Compression& its, const std::vector<float>& values) {
    auto code = std::make_shared<std::vector<std::byte>>(encoded_bytes(its, values.size()));
    std::vector<float> residual(values.size());
    compression::encode(its, values, residual, *code);
    return {code, *code};
  }
  Result<PulledVersion> pull_difference(const Compression& its, uint64_t holds,
                                        std::vector<float>& into) {
    wire::PullRequest request{.job = kJob, .shards = {0, 1}, .worker = 0};
    request.wanted = wire::Wanted{its, kMember, holds};
    return await_result<PulledVersion>(
        [&](auto reply) { channel_->pull(request, into, kSoon, std::move(reply)); });
  }

  server::ParameterServer server_{core::real_world()};
  std::unique_ptr<wire::Transport> transport_;
  std::unique_ptr<wire::Listener> listener_;
  std::shared_ptr<wire::ParameterChannel> channel_;
  size_t size_ = 0;
  int64_t generation_ = 0;
};

TEST_P(CompressedTransportTest, UpdatesAreDecodedWhereTheyAreApplied) {
  int64_t sequence = 0;
  for (const char* text : {"fp16", "bf16", "int8", "1bit", "topk:0.1"}) {
    SCOPED_TRACE(text);
    std::vector<float> update(size_), right = centre(), decoded(size_);
    for (size_t i = 0; i < size_; ++i) update[i] = std::cos(static_cast<float>(i)) / 8;
    const wire::Bytes code = code_of(encoding(text), update);
    ASSERT_TRUE(wire::take({{code.bytes}, code.owner, encoding(text)}, right).ok());
    const auto staged = stage(++sequence, encoding(text), code);
    ASSERT_TRUE(staged.ok()) << staged.status();
    ASSERT_TRUE(finish(sequence).ok());
    EXPECT_EQ(centre(), right);
  }
}

TEST_P(CompressedTransportTest, WhatIsNoCodeIsRefusedAndChangesNothing) {
  const std::vector<float> before = centre(), update(size_, 0.5f);
  const wire::Bytes code = code_of(encoding("int8"), update);
  const auto refusal = [&](const Compression& its, const wire::Bytes& bytes) {
    return stage(1, its, bytes).status().code();
  };
  EXPECT_EQ(refusal(encoding("1bit"), code), StatusCode::kInvalidArgument);
  EXPECT_EQ(refusal({}, code), StatusCode::kInvalidArgument);
  EXPECT_EQ(refusal(encoding("int8"), {code.owner, code.bytes.first(100)}),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(refusal({static_cast<Compression::Kind>(17), 0}, code), StatusCode::kInvalidArgument);
  EXPECT_EQ(refusal({static_cast<Compression::Kind>(-1), 0}, code), StatusCode::kInvalidArgument);
  EXPECT_EQ(refusal({Compression::Kind::kTopK, std::nan("")}, code), StatusCode::kInvalidArgument);
  EXPECT_EQ(refusal({Compression::Kind::kTopK, 1e9}, code), StatusCode::kInvalidArgument);
  const Compression sparse = encoding("topk:0.01");
  const auto rubbish =
      std::make_shared<const std::vector<std::byte>>(encoded_bytes(sparse, size_), std::byte{0xff});
  EXPECT_EQ(refusal(sparse, {rubbish, *rubbish}), StatusCode::kDataLoss);
  wire::PushHeader both = header_of(kJob, {0, 2}, {0, 1, 1});
  both.encoding = encoding("int8");
  std::vector<float> into(2 * size_);
  const auto refused = await_result<PulledVersion>(
      [&](auto reply) { channel_->exchange(both, code, into, kSoon, std::move(reply)); });
  EXPECT_EQ(refused.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(centre(), before);
  ASSERT_TRUE(stage(1, encoding("int8"), code).ok());
  ASSERT_TRUE(finish(1).ok());
}

TEST_P(CompressedTransportTest, DifferencesBringAWorkerToTheValues) {
  std::vector<float> held(size_);
  auto pulled = pull_difference(encoding("int8"), 0, held);
  ASSERT_TRUE(pulled.ok()) << pulled.status();
  EXPECT_NE(pulled->held, 0u);
  EXPECT_EQ(held, centre()) << "who holds nothing gets all";

  std::vector<float> update(size_);
  for (size_t i = 0; i < size_; ++i) update[i] = static_cast<float>(i % 100) / 64;
  const wire::Bytes whole(payload_of(update));
  ASSERT_TRUE(stage(1, {}, whole).ok());
  ASSERT_TRUE(finish(1).ok());
  const std::vector<float> right = centre();
  const auto distance = [&] {
    double sum = 0;
    for (size_t i = 0; i < size_; ++i) sum += std::abs(static_cast<double>(held[i] - right[i]));
    return sum / static_cast<double>(size_);
  };
  double before = distance();
  EXPECT_GT(before, 0.5);
  for (int i = 0; i < 3; ++i) {
    pulled = pull_difference(encoding("int8"), pulled->held, held);
    ASSERT_TRUE(pulled.ok()) << pulled.status();
    EXPECT_EQ(pulled->version, 1);
    EXPECT_LT(distance(), before / 20) << i;
    before = std::max(distance(), 1e-5);
  }
}

// The answer got lost: the next is a difference to the same again.
TEST_P(CompressedTransportTest, ADifferenceIsToWhatTheWorkerSaysItHolds) {
  std::vector<float> held(size_);
  const auto first = pull_difference(encoding("bf16"), 0, held);
  ASSERT_TRUE(stage(1, {}, payload_of(std::vector<float>(size_, 1))).ok());
  ASSERT_TRUE(finish(1).ok());
  std::vector<float> lost = held;
  ASSERT_TRUE(pull_difference(encoding("bf16"), first->held, lost).ok());
  const auto again = pull_difference(encoding("bf16"), first->held, held);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(held, lost);
  const std::vector<float> right = centre();
  for (size_t i = 0; i < size_; ++i) ASSERT_NEAR(held[i], right[i], 0.01);
}

TEST_P(CompressedTransportTest, AnUnknownNameIsAnsweredWithAll) {
  std::vector<float> held(size_);
  const auto first = pull_difference(encoding("int8"), 0, held);
  std::vector<float> other(size_, 12345);
  const auto pulled = pull_difference(encoding("int8"), first->held + 1, other);
  ASSERT_TRUE(pulled.ok()) << pulled.status();
  EXPECT_EQ(other, centre());
}

TEST_P(CompressedTransportTest, NothingIsKeptOfWhoDoesNotTrain) {
  std::vector<float> held(size_);
  const auto first = pull_difference(encoding("int8"), 0, held);
  trains({kMember + 1});
  std::vector<float> all(size_, 12345);
  const auto pulled = pull_difference(encoding("int8"), first->held, all);
  ASSERT_TRUE(pulled.ok()) << pulled.status();
  EXPECT_EQ(pulled->held, 0u);
  EXPECT_EQ(all, centre());
}

std::string case_name(const ::testing::TestParamInfo<TransportKind>& kind) {
  return to_string(kind.param);
}

INSTANTIATE_TEST_SUITE_P(All, CompressedTransportTest,
                         ::testing::Values(TransportKind::kInproc, TransportKind::kInprocOddPieces,
                                           TransportKind::kGrpcTcp, TransportKind::kGrpcUnix),
                         case_name);

}  // namespace
}  // namespace sluice::transport
