#include "transport/grpc/control_messages.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <utility>

#include "tests/transport/grpc/filled_message.h"

namespace sluice::transport {
namespace {

template <typename T>
const T& value_of(const T& value) {
  return value;
}
template <typename T>
const T& value_of(const Result<T>& result) {
  return *result;
}

template <typename Message>
class ControlMessageTest : public ::testing::Test {};

using ControlMessages =
    ::testing::Types<v1::JoinRequest, v1::JoinReply, v1::AcquireRequest, v1::AcquireReply,
                     v1::HeartbeatRequest, v1::HeartbeatReply, v1::FinishRequest, v1::LeaveRequest,
                     v1::FetchRequest, v1::RecordChunk>;
TYPED_TEST_SUITE(ControlMessageTest, ControlMessages);

TYPED_TEST(ControlMessageTest, EveryFieldIsReadAndWritten) {
  const auto message = filled<TypeParam>();
  EXPECT_EQ(to_proto(value_of(from_proto(message))).DebugString(), message.DebugString());
}

TEST(ControlMessagesTest, RolesAreThoseOfTheProto) {
  wire::JoinRequest request;
  for (const auto& [role, proto] : {std::pair(wire::Role::kServer, v1::ROLE_SERVER),
                                    std::pair(wire::Role::kWorker, v1::ROLE_WORKER)}) {
    request.role = role;
    EXPECT_EQ(to_proto(request).role(), proto);
    EXPECT_EQ(from_proto(to_proto(request))->role, role);
  }
}

TEST(ControlMessagesTest, WhoSaysNoRoleIsRefused) {
  v1::JoinRequest request = to_proto(wire::JoinRequest{});
  for (const int role : {0, 3, -1}) {
    request.set_role(static_cast<v1::Role>(role));
    EXPECT_EQ(from_proto(request).status().code(), StatusCode::kInvalidArgument) << role;
  }
}

TEST(ControlMessagesTest, DurationsAreBetweenNothingAndADay) {
  v1::HeartbeatRequest heartbeat;
  v1::AcquireReply acquire;
  for (const auto& [sent, read] : {std::pair(INT64_MIN, 0L), std::pair(-1L, 0L), std::pair(7L, 7L),
                                   std::pair(INT64_MAX, 24 * 3600 * 1'000'000'000L)}) {
    heartbeat.set_hold_ns(sent);
    EXPECT_EQ(from_proto(heartbeat).hold.count(), read);
    acquire.set_retry_after_ns(sent);
    EXPECT_EQ(from_proto(acquire).retry_after.count(), read);
  }
}

TEST(ControlMessagesTest, AcquireKindsAreThoseOfTheProto) {
  using Kind = wire::AcquireReply::Kind;
  wire::AcquireReply reply;
  for (const auto& [kind, proto] : {std::pair(Kind::kGranted, v1::AcquireReply::GRANTED),
                                    std::pair(Kind::kWait, v1::AcquireReply::WAIT),
                                    std::pair(Kind::kDone, v1::AcquireReply::DONE),
                                    std::pair(Kind::kAbort, v1::AcquireReply::ABORT)}) {
    reply.kind = kind;
    EXPECT_EQ(to_proto(reply).kind(), proto);
    EXPECT_EQ(from_proto(to_proto(reply)).kind, kind);
  }
}

TEST(ControlMessagesTest, HeartbeatKindsAreThoseOfTheProto) {
  using Kind = wire::HeartbeatReply::Kind;
  for (const auto& [kind, proto] : {std::pair(Kind::kContinue, v1::HeartbeatReply::CONTINUE),
                                    std::pair(Kind::kLeaseLost, v1::HeartbeatReply::LEASE_LOST),
                                    std::pair(Kind::kDone, v1::HeartbeatReply::DONE),
                                    std::pair(Kind::kAbort, v1::HeartbeatReply::ABORT)}) {
    EXPECT_EQ(to_proto(wire::HeartbeatReply{kind, ""}).kind(), proto);
    EXPECT_EQ(from_proto(to_proto(wire::HeartbeatReply{kind, ""})).kind, kind);
  }
}

// Proto3 keeps the numbers that a newer driver sends.
TEST(ControlMessagesTest, KindsOfANewerDriverMeanAbort) {
  v1::AcquireReply acquire;
  acquire.set_kind(static_cast<v1::AcquireReply::Kind>(99));
  EXPECT_EQ(from_proto(acquire).kind, wire::AcquireReply::Kind::kAbort);
  v1::HeartbeatReply heartbeat;
  heartbeat.set_kind(static_cast<v1::HeartbeatReply::Kind>(99));
  EXPECT_EQ(from_proto(heartbeat).kind, wire::HeartbeatReply::Kind::kAbort);
}

TEST(ControlMessagesTest, CodesThatNobodyKnowsAreUnknown) {
  for (const int code : {-1, 16, 1000}) {
    v1::LeaveRequest leave;
    leave.set_code(code);
    leave.set_message("why");
    EXPECT_EQ(from_proto(leave).status, Status(StatusCode::kUnknown, "why")) << code;
  }
}

// A path of another time, in Latin 1: the driver must still hear that the worker gave up.
TEST(ControlMessagesTest, ReasonThatIsNoUtf8IsStillRead) {
  const wire::LeaveRequest leave{1, 7, data_loss("/data/M\xfcnchen.csv is damaged")};
  v1::LeaveRequest read;
  EXPECT_TRUE(read.ParseFromString(to_proto(leave).SerializeAsString()));
  EXPECT_EQ(from_proto(read).status.code(), StatusCode::kDataLoss);
}

}  // namespace
}  // namespace sluice::transport
