#include "transport/grpc/parameter_methods.h"

#include "transport/grpc/byte_buffers.h"
#include "transport/grpc/parameter_messages.h"

namespace sluice::transport {
namespace {

using Buffer = ::grpc::ByteBuffer;
using wire::ParameterService;

Status damaged(const char* what) {
  return invalid_argument(std::string(what) + ": the message is damaged: it is no valid protobuf");
}

Result<Buffer> empty_or(const Status& status) {
  SLUICE_RETURN_IF_ERROR(status);
  return to_buffer(v1::Empty());
}

Buffer values_message(const wire::PullReply& values, const wire::PushReply* push) {
  v1::ValuesHeader header;
  header.set_version(values.version);
  if (push) *header.mutable_push() = to_proto(*push);
  return to_buffer(header, values.values);
}

Result<Buffer> create(ParameterService& service, Buffer& request) {
  v1::CreateRequest message;
  if (!parse(request, message)) return damaged("Create");
  return empty_or(service.create(from_proto(message)));
}

Result<Buffer> assign(ParameterService& service, Buffer& request) {
  v1::AssignHeader header;
  SLUICE_ASSIGN_OR_RETURN(const ReceivedPayload received, parse(request, header, "Assign"));
  return empty_or(service.assign(from_proto(header), received.payload));
}

Result<Buffer> exchange(ParameterService& service, Buffer& request) {
  v1::PushHeader header;
  SLUICE_ASSIGN_OR_RETURN(const ReceivedPayload received, parse(request, header, "Exchange"));
  SLUICE_ASSIGN_OR_RETURN(const wire::ExchangeReply reply,
                          service.exchange(from_proto(header), received.payload));
  return values_message(reply.pull, &reply.push);
}

Result<Buffer> push(ParameterService& service, Buffer& request) {
  v1::PushHeader header;
  SLUICE_ASSIGN_OR_RETURN(const ReceivedPayload received, parse(request, header, "Push"));
  SLUICE_ASSIGN_OR_RETURN(const wire::PushReply reply,
                          service.push(from_proto(header), received.payload));
  return to_buffer(to_proto(reply));
}

Result<Buffer> pull(ParameterService& service, Buffer& request) {
  v1::PullRequest message;
  if (!parse(request, message)) return damaged("Pull");
  SLUICE_ASSIGN_OR_RETURN(const wire::PullReply reply,
                          service.pull(message.job(), message.shard()));
  return values_message(reply, nullptr);
}

Result<Buffer> fence(ParameterService& service, Buffer& request) {
  v1::FenceRequest message;
  if (!parse(request, message)) return damaged("Fence");
  SLUICE_ASSIGN_OR_RETURN(const wire::FenceReply reply, service.fence(from_proto(message)));
  v1::FenceReply result;
  result.set_sequence(reply.sequence);
  return to_buffer(result);
}

Result<Buffer> ledger(ParameterService& service, Buffer& request) {
  v1::LedgerRequest message;
  if (!parse(request, message)) return damaged("Ledger");
  SLUICE_ASSIGN_OR_RETURN(const wire::LedgerReply reply, service.ledger(message.job()));
  return to_buffer(to_proto(reply));
}

Result<Buffer> shutdown(ParameterService& service, Buffer& request) {
  v1::ShutdownRequest message;
  if (!parse(request, message)) return damaged("Shutdown");
  return empty_or(service.shutdown(message.reason()));
}

}  // namespace

std::span<const ParameterMethod> parameter_methods() {
  static constexpr ParameterMethod kMethods[] = {
      {&RawParameters::RequestCreate, create},     {&RawParameters::RequestAssign, assign},
      {&RawParameters::RequestExchange, exchange}, {&RawParameters::RequestPush, push},
      {&RawParameters::RequestPull, pull},         {&RawParameters::RequestFence, fence},
      {&RawParameters::RequestLedger, ledger},     {&RawParameters::RequestShutdown, shutdown},
  };
  return kMethods;
}

}  // namespace sluice::transport
