#include "transport/grpc/record_stream.h"

#include <grpcpp/completion_queue.h>

#include <chrono>
#include <memory>

#include "transport/grpc/control_messages.h"

namespace sluice::transport {
namespace {

// gRPC's deadlines are for whole calls, and a partition may take long: so this reads by a queue,
// whose waits are timed one by one. One operation at a time is under way.
class RecordStream {
 public:
  RecordStream(const Peer& peer, core::Duration timeout) : peer_(peer), timeout_(timeout) {
    prepare(context_, core::Duration::max());
  }

  // The queue must be empty before it goes.
  ~RecordStream() {
    context_.TryCancel();
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  Status start(v1::Control::Stub& stub, const v1::FetchRequest& request) {
    reader_ = stub.AsyncFetchPartition(&context_, request, &queue_, this);
    return wait();
  }

  // False in `more`: the stream has ended, as finish() tells.
  Status read(v1::RecordChunk& chunk, bool& more) {
    reader_->Read(&chunk, this);
    const Status status = wait();
    more = ok_;
    return status;
  }

  Status finish() {
    reader_->Finish(&status_, this);
    SLUICE_RETURN_IF_ERROR(wait());
    return from_grpc(status_, context_, peer_, timeout_);
  }

 private:
  Status wait() {
    const auto deadline =
        std::chrono::system_clock::now() +
        std::chrono::duration_cast<std::chrono::system_clock::duration>(core::bounded(timeout_));
    void* tag = nullptr;
    if (queue_.AsyncNext(&tag, &ok_, deadline) == ::grpc::CompletionQueue::GOT_EVENT) {
      return ok_status();
    }
    const ::grpc::Status late(::grpc::StatusCode::DEADLINE_EXCEEDED, "");
    return late_status(late);
  }

  Status late_status(const ::grpc::Status& late) const {
    return from_grpc(late, context_, peer_, timeout_);
  }

  const Peer& peer_;
  const core::Duration timeout_;
  ::grpc::ClientContext context_;
  ::grpc::CompletionQueue queue_;
  ::grpc::Status status_;
  std::unique_ptr<::grpc::ClientAsyncReader<v1::RecordChunk>> reader_;
  bool ok_ = false;
};

}  // namespace

Status read_record_stream(const Peer& peer, v1::Control::Stub& stub,
                          const v1::FetchRequest& request,
                          const std::function<bool(const wire::RecordChunk&)>& sink,
                          core::Duration timeout) {
  v1::RecordChunk chunk;  // before the stream: a read that is cut off may still write to it
  RecordStream stream(peer, timeout);
  SLUICE_RETURN_IF_ERROR(stream.start(stub, request));
  for (;;) {
    bool more = false;
    SLUICE_RETURN_IF_ERROR(stream.read(chunk, more));
    if (!more) return stream.finish();
    if (!sink(from_proto(chunk))) return ok_status();
  }
}

}  // namespace sluice::transport
