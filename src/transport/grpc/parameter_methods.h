// The methods of the data plane's service, each as bytes in, bytes out. Internal.
#pragma once

#include <grpcpp/completion_queue.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/async_unary_call.h>
#include <grpcpp/support/byte_buffer.h>

#include <span>

#include "parameters.grpc.pb.h"
#include "sluice/status.h"
#include "wire/parameters.h"

namespace sluice::transport {

// The service with every method raw: handlers see the bytes, and no method is without one.
// clang-format off
using RawParameters =
    v1::Parameters::WithRawMethod_Create<
    v1::Parameters::WithRawMethod_Assign<
    v1::Parameters::WithRawMethod_Exchange<
    v1::Parameters::WithRawMethod_Push<
    v1::Parameters::WithRawMethod_Pull<
    v1::Parameters::WithRawMethod_Fence<
    v1::Parameters::WithRawMethod_Ledger<
    v1::Parameters::WithRawMethod_Shutdown<v1::Parameters::Service>>>>>>>>;
// clang-format on

struct ParameterMethod {
  // Asks gRPC for the next call of this method.
  void (RawParameters::*request)(::grpc::ServerContext*, ::grpc::ByteBuffer*,
                                 ::grpc::ServerAsyncResponseWriter<::grpc::ByteBuffer>*,
                                 ::grpc::CompletionQueue*, ::grpc::ServerCompletionQueue*, void*);
  // Does the call. `request` is used up.
  Result<::grpc::ByteBuffer> (*handle)(wire::ParameterService& service,
                                       ::grpc::ByteBuffer& request);
};

std::span<const ParameterMethod> parameter_methods();

}  // namespace sluice::transport
