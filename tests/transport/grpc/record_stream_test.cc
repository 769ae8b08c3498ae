#include "transport/grpc/record_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/transport/grpc/raw_server.h"
#include "tests/transport/transport_fixture.h"

namespace sluice::transport {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string chunk(int64_t first) {
  v1::RecordChunk message;
  message.set_first(first);
  message.set_records(1);
  return message.SerializeAsString();
}

class GrpcRecordStreamTest : public ::testing::Test {
 protected:
  using Answer = std::function<void(RawServer::Call&)>;

  Status read(const Answer& answer, core::Duration timeout = kSoon.timeout) {
    server_.emplace(answer);
    const Peer peer = server_->peer("driver");
    const auto stub = v1::Control::NewStub(peer.channel);
    return read_record_stream(
        peer, *stub, {},
        [&](const wire::RecordChunk& received) {
          firsts_.push_back(received.first);
          if (on_chunk_) on_chunk_();
          return true;
        },
        timeout);
  }

  std::optional<RawServer> server_;
  std::function<void()> on_chunk_;
  std::vector<int64_t> firsts_;
};

TEST_F(GrpcRecordStreamTest, ErrorAfterSomeChunksIsTheServices) {
  const Status said = unavailable("the disk is gone");
  EXPECT_EQ(read([&](RawServer::Call& call) {
              call.answer({chunk(0), chunk(1)}, to_grpc(said, call.context()));
            }),
            said);
  EXPECT_THAT(firsts_, ElementsAre(0, 1));
}

TEST_F(GrpcRecordStreamTest, DriverThatDiesMidwayIsUnavailable) {
  std::string address;
  on_chunk_ = [&] {
    address = server_->address();
    server_.reset();
  };
  const Status status = read([](RawServer::Call& call) { call.answer({chunk(0)}, std::nullopt); });
  EXPECT_EQ(status.code(), StatusCode::kUnavailable) << status;
  EXPECT_THAT(status.message(), HasSubstr("driver at " + address));
}

TEST_F(GrpcRecordStreamTest, NothingBehindADamagedChunkIsHandedOut) {
  // However it ends: the receiver counts the records.
  (void)read(
      [](RawServer::Call& call) {
        call.answer({chunk(0), "\x0a\x05zz", chunk(2)});
      },
      std::chrono::milliseconds(200));
  EXPECT_THAT(firsts_, ElementsAre(0));
}

TEST_F(GrpcRecordStreamTest, LongestTimeoutIsNoTimeInThePast) {
  const Status status = read(
      [](RawServer::Call& call) {
        call.answer({chunk(0), chunk(1)});
      },
      core::Duration::max());
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(firsts_, ElementsAre(0, 1));
}

}  // namespace
}  // namespace sluice::transport
