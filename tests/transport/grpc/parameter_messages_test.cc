#include "transport/grpc/parameter_messages.h"

#include <gtest/gtest.h>

#include "tests/transport/grpc/filled_message.h"

namespace sluice::transport {
namespace {

template <typename Message>
class ParameterMessageTest : public ::testing::Test {};

using ParameterMessages =
    ::testing::Types<v1::Shard, v1::CreateRequest, v1::AssignHeader, v1::PushHeader, v1::PushReply,
                     v1::PullRequest, v1::FenceRequest, v1::FenceReply, v1::LedgerRequest,
                     v1::LedgerReply, v1::MoveRequest, v1::MoveReply>;
TYPED_TEST_SUITE(ParameterMessageTest, ParameterMessages);

TYPED_TEST(ParameterMessageTest, EveryFieldIsReadAndWritten) {
  auto message = filled<TypeParam>();
  // Who shares memory is between the transport's two ends.
  const auto* shared = message.GetDescriptor()->FindFieldByName("shared");
  if (shared != nullptr) message.GetReflection()->ClearField(&message, shared);
  EXPECT_EQ(to_proto(from_proto(message)).DebugString(), message.DebugString());
}

}  // namespace
}  // namespace sluice::transport
