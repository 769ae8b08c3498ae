#include "transport/grpc/endpoint.h"

#include <gtest/gtest.h>

#include "tests/transport/grpc/raw_server.h"
#include "tests/transport/transport_fixture.h"
#include "transport/grpc/async_calls.h"

namespace sluice::transport {
namespace {

TEST(GrpcEndpointTest, TwoChannelsToOnePeerAreTwoConnections) {
  RawServer server([](RawServer::Call& call) { call.answer(call.context().peer()); });
  const auto port_of = [](AsyncCalls& calls) {
    const auto answer = await_result<grpc::ByteBuffer>([&](auto reply) {
      calls.start("/sluice.test/Who", buffer_of("x"), kSoon.timeout, std::move(reply));
    });
    return answer.ok() ? bytes_of(*answer) : answer.status().to_string();
  };
  AsyncCalls one(server.peer("server"), std::make_shared<OperationQueue>());
  AsyncCalls two(server.peer("server"), std::make_shared<OperationQueue>());
  const std::string first = port_of(one);
  EXPECT_NE(port_of(two), first);
  EXPECT_EQ(port_of(one), first);
}

}  // namespace
}  // namespace sluice::transport
