#include "transport/grpc/endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/transport/grpc/raw_server.h"
#include "tests/transport/transport_fixture.h"
#include "transport/grpc/async_calls.h"

namespace sluice::transport {
namespace {

TEST(GrpcEndpointTest, TwoChannelsToOnePeerAreTwoConnections) {
  RawServer server([](RawServer::Call& call) { call.answer({call.context().peer()}); });
  const auto port_of = [](AsyncCalls& calls) {
    const auto reply = wait_for<grpc::ByteBuffer>(
        [&](auto done) { calls.start("/sluice.test/Who", buffer_of("x"), kSoon.timeout, done); });
    return reply.ok() ? bytes_of(*reply) : reply.status().to_string();
  };
  AsyncCalls one(server.peer("server"));
  AsyncCalls two(server.peer("server"));
  const std::string first = port_of(one);
  EXPECT_NE(port_of(two), first);
  EXPECT_EQ(port_of(one), first);
}

// Others are told this address: a name must not become a number that means nothing to them.
TEST(GrpcEndpointTest, AddressKeepsItsHostAndGetsARealPort) {
  for (const std::string host : {"localhost:", "0.0.0.0:", "[::]:"}) {
    grpc::CallbackGenericService service;
    const auto endpoint = open_endpoint(host + "0", [&](grpc::ServerBuilder& builder) {
      builder.RegisterCallbackGenericService(&service);
    });
    ASSERT_TRUE(endpoint.ok()) << endpoint.status();
    EXPECT_THAT(endpoint->address, ::testing::StartsWith(host));
    EXPECT_GT(std::stoi(endpoint->address.substr(host.size())), 0);
  }
}

}  // namespace
}  // namespace sluice::transport
