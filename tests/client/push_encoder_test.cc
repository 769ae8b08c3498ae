#include "client/push_encoder.h"

#include <gmock/gmock.h>

namespace sluice::client {
namespace {

using compression::Compression;
using testing::ElementsAre;

// Of the four values of a shard the largest one is sent.
const Compression kLargest = *Compression::parse("topk:0.25");

class PushEncoderTest : public testing::Test {
 protected:
  static wire::Payload payload(std::vector<float> values) {
    auto owner = std::make_shared<const std::vector<float>>(std::move(values));
    const std::span<const float> span(*owner);
    return {std::move(owner), span};
  }
  // What arrives of an update for these shards.
  std::vector<float> send(std::vector<float> values, const Compression& encoding = kLargest,
                          wire::ShardRange shards = {0, 1}) {
    const size_t n = values.size();
    const PushEncoder::Code code = encoder_.encode(0, encoding, shards, payload(std::move(values)));
    std::vector<float> arrived(n);
    EXPECT_TRUE(wire::take({{code.bytes.bytes}, code.bytes.owner, code.encoding}, arrived).ok());
    return arrived;
  }

  wire::ShardMap map_ = wire::ShardMap({{0, 0, 4, 0}, {1, 4, 4, 0}});
  PushEncoder encoder_{map_};
};

TEST_F(PushEncoderTest, SendsLaterWhatItHasKept) {
  encoder_.begin(1);
  EXPECT_THAT(send({1, 2, 3, 4}), ElementsAre(0, 0, 0, 4));
  encoder_.end(/*is_acknowledged=*/true);
  encoder_.begin(1);
  EXPECT_THAT(send({1, 2, 3, 4}), ElementsAre(0, 0, 6, 0));
  encoder_.end(true);
  encoder_.begin(1);
  EXPECT_THAT(send({0, 0, 0, 0}, Compression()), ElementsAre(2, 4, 0, 4));
  encoder_.end(true);
  encoder_.begin(1);
  EXPECT_THAT(send({0, 0, 0, 0}), ElementsAre(0, 0, 0, 0)) << "all had been sent";
}

TEST_F(PushEncoderTest, KeepsARepeatedMessageAsItWas) {
  encoder_.begin(2);
  EXPECT_THAT(send({1, 2, 3, 4}), ElementsAre(0, 0, 0, 4));
  EXPECT_THAT(send({1, 2, 3, 4}, Compression()), ElementsAre(0, 0, 0, 4));
}

// It may have been applied with what was kept before.
TEST_F(PushEncoderTest, DropsWhatItHasKeptWithAPushThatNobodyAcknowledged) {
  encoder_.begin(1);
  (void)send({1, 2, 3, 4});
  encoder_.end(/*is_acknowledged=*/false);
  encoder_.begin(1);
  EXPECT_THAT(send({0, 0, 1, 0}), ElementsAre(0, 0, 1, 0));
}

TEST_F(PushEncoderTest, KeepsEachShardsOwn) {
  encoder_.begin(1);
  (void)send({1, 2, 3, 4}, kLargest, {1, 1});
  encoder_.end(true);
  encoder_.begin(1);
  EXPECT_THAT(send({0, 0, 0, 0, 1, 1, 1, 1}, Compression(), {0, 2}),
              ElementsAre(0, 0, 0, 0, 2, 3, 4, 1));
}

TEST_F(PushEncoderTest, LendsAnUpdateThatNeedsNothing) {
  encoder_.begin(1);
  const wire::Payload update = payload({1, 2, 3, 4});
  const PushEncoder::Code& code = encoder_.encode(0, Compression(), {0, 1}, update);
  EXPECT_EQ(code.bytes.floats().data(), update.values.data());
}

// --- Shards that are cut otherwise ---

std::shared_ptr<core::AlignedBuffer> buffer(const std::vector<float>& values) {
  auto all = std::make_shared<core::AlignedBuffer>(values.size());
  std::ranges::copy(values, all->data());
  return all;
}

std::vector<float> floats(const core::AlignedBuffer& all) {
  return {all.span().begin(), all.span().end()};
}

TEST_F(PushEncoderTest, TakesBackWhatItWasCutTo) {
  encoder_.begin(1);
  (void)send({1, 2, 3, 4});  // 1, 2, 3 are kept
  encoder_.end(true);
  encoder_.begin(2);
  const auto update = buffer({1, 2, 3, 4, 5, 6, 7, 8});
  const auto part = [&](size_t offset) {
    return wire::Payload{update, update->span().subspan(offset, 4)};
  };
  (void)encoder_.encode(0, kLargest, {0, 1}, part(0));
  (void)encoder_.encode(1, kLargest, {1, 1}, part(4));
  EXPECT_THAT(floats(*encoder_.taken_back(update, 0)), ElementsAre(2, 4, 6, 4, 5, 6, 7, 8));
  encoder_.begin(1);
  EXPECT_THAT(send({0, 0, 0, 0}, Compression()), ElementsAre(0, 0, 0, 0)) << "nothing is kept";
}

// Also of a message that has not been made yet, and of one that was sent whole.
TEST_F(PushEncoderTest, TakesBackWhatItHadKept) {
  for (const bool sent : {false, true}) {
    encoder_.begin(1);
    (void)send({1, 2, 3, 4});
    encoder_.end(true);
    encoder_.begin(2);
    const auto update = buffer({0, 0, 0, 1, 0, 0, 0, 1});
    if (sent) {
      (void)encoder_.encode(0, Compression(), {0, 1}, {update, update->span().first(4)});
    }
    EXPECT_THAT(floats(*encoder_.taken_back(update, 0)), ElementsAre(1, 2, 3, 1, 0, 0, 0, 1));
    encoder_.end(true);
  }
}

TEST_F(PushEncoderTest, AnUpdateThatWasNotEncodedStaysAsItIs) {
  encoder_.begin(1);
  const auto update = buffer({1, 2, 3, 4, 5, 6, 7, 8});
  (void)encoder_.encode(0, Compression(), {0, 2}, {update, update->span()});
  EXPECT_EQ(encoder_.taken_back(update, 0), update);
}

TEST_F(PushEncoderTest, WhatItHasKeptGoesToWhoeverHasTheFloats) {
  encoder_.begin(1);
  (void)send({1, 2, 3, 4});
  encoder_.end(true);
  const wire::ShardMap before = std::exchange(map_, wire::ShardMap({{0, 0, 2, 0}, {1, 2, 6, 1}}));
  encoder_.cut_as(before, map_);
  encoder_.begin(2);
  EXPECT_THAT(send({0, 0}, Compression(), {0, 1}), ElementsAre(1, 2));
  encoder_.end(true);
  encoder_.begin(2);
  EXPECT_THAT(send({0, 0, 0, 0, 0, 0}, Compression(), {1, 1}), ElementsAre(3, 0, 0, 0, 0, 0));
}

}  // namespace
}  // namespace sluice::client
