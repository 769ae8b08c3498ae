// Memory that is shared with processes of this host, around the calls of a channel and a listener:
// who has come to share some, and what goes into messages instead of payloads. Internal.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "memory/door.h"
#include "memory/visit.h"
#include "parameters.pb.h"
#include "wire/transport.h"

namespace sluice::transport {

class SharedServer;

// What this process can share. Thread-safe.
class SharedMemory : public std::enable_shared_from_this<SharedMemory> {
 public:
  // `shares`: whether this process shares any.
  explicit SharedMemory(bool shares) : shares_(shares) {}

  // In segments, where they can be had; the first that cannot is logged.
  wire::BufferSource buffers();
  // The door that workers come through, opened by the first call. FAILED_PRECONDITION,
  // RESOURCE_EXHAUSTED: there is none, and why.
  Result<std::shared_ptr<memory::Door>> door();
  // What is known of the server at this address, by all channels to it.
  std::shared_ptr<SharedServer> server(const std::string& address);

 private:
  std::unique_ptr<core::AlignedBuffer> make(size_t floats);
  Result<core::AlignedBuffer> cut(size_t floats);
  void reclaim();

  const bool shares_;

  const std::shared_ptr<memory::Segments> segments_ = std::make_shared<memory::Segments>();
  std::mutex mutex_;
  std::optional<Result<std::shared_ptr<memory::Door>>> door_;
  std::map<std::string, std::shared_ptr<SharedServer>> servers_;
  std::shared_ptr<memory::Segment> open_;  // what is left of it is for the next buffers
  size_t used_ = 0;                        // bytes of it
  size_t made_ = 0;                        // bytes of all segments
  bool told_ = false;                      // that segments cannot be had
};

// --- A server's side: a caller who shares memory, for the time of one call ---

class SharedCaller {
 public:
  // Of a message without such a caller: sends bytes.
  SharedCaller() = default;
  // UNAVAILABLE: whoever calls shares no memory any more, and should send bytes.
  static Result<SharedCaller> find(const v1::SharedCall& call, memory::Door* door);

  // What the message has instead of a payload. Errors: Guest::update().
  Result<wire::ReceivedPayload> payload(const v1::SharedCall& call) const;
  // Lends values to the caller. False: their bytes have to be sent.
  bool lend(const std::vector<wire::Payload>& values, v1::ValuesHeader& header) const;

 private:
  std::shared_ptr<memory::Guest> guest_;
  uint64_t call_ = 0;
};

v1::DoorReply door_reply(const Result<std::shared_ptr<memory::Door>>& door);

// --- A caller's side ---

// What a process knows of the memory that it may share with one server. A visit lasts as long as
// the process (memory/visit.h): this object does. Thread-safe.
class SharedServer {
 public:
  // `own`: null: this process shares nothing.
  SharedServer(std::shared_ptr<memory::Segments> own, std::string address)
      : own_(std::move(own)), address_(std::move(address)), asked_(own_ == nullptr) {}

  // Whether the server is to be asked for its door: once.
  bool must_ask();
  void told(const Result<v1::DoorReply>& reply);
  // Whether a call would share memory now.
  bool shares();
  wire::Path path();

  // One call, from its request to the end of its answer. Without a number it sends bytes.
  class Call {
   public:
    Call() = default;
    ~Call() { give_up(); }
    Call(Call&& other) noexcept { *this = std::move(other); }
    Call& operator=(Call&& other) noexcept {
      std::swap(visit_, other.visit_);
      std::swap(number_, other.number_);
      return *this;
    }

    explicit operator bool() const { return number_ != 0; }
    // Copies what the answer has instead of a payload, and is done with the call. DATA_LOSS: it is
    // of another size, or not to be read. UNAVAILABLE: it may have been written to meanwhile.
    Status take(const v1::ValuesHeader& header, std::span<float> into);
    // The server has answered, and has read what was lent to it.
    void answered();
    // No answer is read any more; what was lent is kept until the server has done with it.
    void give_up();

   private:
    friend class SharedServer;
    memory::Visit* visit_ = nullptr;
    uint64_t number_ = 0;
  };
  // With, in `shared`, what the message has instead of `update`, which may be empty: floats.
  Call begin(const wire::Bytes& update, v1::SharedCall& shared);

 private:
  memory::Visit* visit();

  const std::shared_ptr<memory::Segments> own_;
  const std::string address_;
  std::mutex mutex_;
  bool asked_;
  bool one_host_ = false;  // as the server's answer says
  Status why_not_ = unavailable("the server has not been asked yet");
  std::unique_ptr<memory::Visit> visit_;  // for good
};

}  // namespace sluice::transport
