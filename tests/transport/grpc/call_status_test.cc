#include "transport/grpc/call_status.h"

#include <gtest/gtest.h>

#include "tests/transport/grpc/raw_server.h"
#include "tests/transport/transport_fixture.h"
#include "transport/grpc/async_calls.h"

namespace sluice::transport {
namespace {

using std::chrono::system_clock;

// Also those that, coming from gRPC itself, would mean something else.
TEST(GrpcCallStatusTest, EveryCodeOfAServiceArrivesUnchanged) {
  const auto said = [](const std::string& code) {
    return Status(static_cast<StatusCode>(std::stoi(code)), "shard 3: 100 %: a\nb: " + code);
  };
  RawServer server(
      [&](RawServer::Call& call) { call.fail(to_grpc(said(call.request()), call.context())); });
  AsyncCalls calls(server.peer("server"), std::make_shared<OperationQueue>());
  for (int code = 1; code <= static_cast<int>(StatusCode::kDataLoss); ++code) {
    const std::string text = std::to_string(code);
    const auto heard = await_result<grpc::ByteBuffer>([&](auto reply) {
      calls.start("/sluice.test/Say", buffer_of(text), kSoon.timeout, std::move(reply));
    });
    EXPECT_EQ(heard.status(), said(text));
  }
}

class GrpcReportTest : public ::testing::Test {
 protected:
  // What becomes of a status that no service has sent.
  Status reported(grpc::StatusCode code, const std::string& message) const {
    const grpc::ClientContext context;
    return from_grpc({code, message}, context, peer_, std::chrono::milliseconds(2500));
  }

  const Peer peer_ = *connect_to("driver", "127.0.0.1:7001", 1000);
};

TEST_F(GrpcReportTest, NoConnectionIsUnavailableForTheLastReason) {
  EXPECT_EQ(reported(grpc::StatusCode::UNAVAILABLE,
                     "failed to connect to all addresses; last error: UNKNOWN: "
                     "ipv4:127.0.0.1:7001: Failed to connect to remote host: Connection refused"),
            unavailable("driver at 127.0.0.1:7001 does not answer (connection refused)"));
}

// A name may stand for the wrong machine.
TEST_F(GrpcReportTest, AddressThatWasTriedIsNamedUnlessItIsTheOneGiven) {
  for (const auto& [tried, named] : {std::pair("ipv4:10.0.0.7:7001", "10.0.0.7:7001: "),
                                     std::pair("ipv6:%5B::1%5D:7001", "[::1]:7001: "),
                                     std::pair("unix:/run/sluice", "unix:/run/sluice: "),
                                     std::pair("ipv4:127.0.0.1:7001", "")}) {
    EXPECT_EQ(
        reported(grpc::StatusCode::UNAVAILABLE,
                 "failed to connect to all addresses; last error: UNKNOWN: " + std::string(tried) +
                     ": Failed to connect to remote host: Connection refused"),
        unavailable("driver at 127.0.0.1:7001 does not answer (" + std::string(named) +
                    "connection refused)"));
  }
}

TEST_F(GrpcReportTest, WordsOfGrpcsPartsAreTranslated) {
  EXPECT_EQ(reported(grpc::StatusCode::UNAVAILABLE,
                     "failed to connect to all addresses; last error: UNKNOWN: "
                     "ipv4:10.0.0.9:7001: tcp handshaker shutdown")
                .message(),
            "driver at 127.0.0.1:7001 does not answer (10.0.0.9:7001: nothing answers there: the "
            "host is down, or a firewall drops what is sent to it)");
  EXPECT_EQ(reported(grpc::StatusCode::UNAVAILABLE,
                     "DNS resolution failed for hostb:7071: C-ares status is not ARES_SUCCESS "
                     "qtype=A name=hostb is_balancer=0: Domain name not found")
                .message(),
            "driver at 127.0.0.1:7001 does not answer (this host does not know the name 127.0.0.1: "
            "domain name not found)");
}

TEST_F(GrpcReportTest, TheCallersOwnLackOfFilesIsNoSilenceOfThePeer) {
  EXPECT_EQ(reported(grpc::StatusCode::UNAVAILABLE,
                     "failed to connect to all addresses; last error: UNKNOWN: "
                     "ipv4:127.0.0.1:7001: Too many open files")
                .message(),
            "driver at 127.0.0.1:7001 does not answer (this process has too many open files: raise "
            "its limit with ulimit -n)");
}

TEST_F(GrpcReportTest, MessageThatIsTooLargeIsTold) {
  EXPECT_EQ(reported(grpc::StatusCode::RESOURCE_EXHAUSTED,
                     "Received message larger than max (5242880 vs. 4194304)")
                .to_string(),
            "RESOURCE_EXHAUSTED: driver at 127.0.0.1:7001: a message of 5242880 bytes is larger "
            "than the 4194304 that are taken");
}

TEST_F(GrpcReportTest, BrokenOffCallIsUnavailable) {
  for (const auto code :
       {grpc::StatusCode::CANCELLED, grpc::StatusCode::UNKNOWN, grpc::StatusCode::INTERNAL}) {
    EXPECT_EQ(reported(code, "Received RST_STREAM with error code 2"),
              unavailable("driver at 127.0.0.1:7001 broke off the call (received RST_STREAM with "
                          "error code 2)"));
  }
}

TEST_F(GrpcReportTest, DeadlineWithoutAConnectionIsUnavailable) {
  EXPECT_EQ(reported(grpc::StatusCode::DEADLINE_EXCEEDED, "Deadline Exceeded"),
            unavailable("driver at 127.0.0.1:7001 does not answer (no connection yet)"));
}

TEST_F(GrpcReportTest, OtherCodesStayAndNameThePeer) {
  EXPECT_EQ(reported(grpc::StatusCode::RESOURCE_EXHAUSTED, "too large").to_string(),
            "RESOURCE_EXHAUSTED: driver at 127.0.0.1:7001: too large");
  // Not one of ours: a proxy may ask for a password.
  EXPECT_EQ(reported(grpc::StatusCode::UNAUTHENTICATED, "401").to_string(),
            "UNKNOWN: driver at 127.0.0.1:7001: 401");
}

TEST_F(GrpcReportTest, SuccessIsOk) { EXPECT_TRUE(reported(grpc::StatusCode::OK, "").ok()); }

TEST(GrpcPrepareTest, DeadlineIsTheTimeoutFromNow) {
  grpc::ClientContext context;
  const auto before = system_clock::now();
  prepare(context, std::chrono::seconds(100));
  const auto after = system_clock::now();
  EXPECT_GE(context.deadline(), before + std::chrono::seconds(100));
  EXPECT_LE(context.deadline(), after + std::chrono::seconds(100));
}

TEST(GrpcPrepareTest, LongestTimeoutIsAYear) {
  grpc::ClientContext context;
  prepare(context, core::Duration::max());
  EXPECT_GT(context.deadline(), system_clock::now() + std::chrono::hours(24 * 364));
  EXPECT_LT(context.deadline(), system_clock::now() + std::chrono::hours(24 * 367));
}

}  // namespace
}  // namespace sluice::transport
