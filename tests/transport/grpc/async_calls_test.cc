#include "transport/grpc/async_calls.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <optional>

#include "tests/transport/grpc/raw_server.h"
#include "tests/transport/transport_fixture.h"

namespace sluice::transport {
namespace {

constexpr char kMethod[] = "/sluice.test/Echo";
constexpr int kCalls = 12;

// Keeps what comes in until the test wants it answered.
class Waiting {
 public:
  void add(RawServer::Call& call) {
    std::lock_guard lock(mutex_);
    calls_.push_back(&call);
    changed_.notify_all();
  }
  std::vector<RawServer::Call*> wait_for(size_t n) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return calls_.size() >= n; });
    return calls_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<RawServer::Call*> calls_;
};

class GrpcAsyncCallsTest : public ::testing::Test {
 protected:
  // Answering again throws, on a thread where nobody catches it.
  core::Reply<AsyncCalls::Answer> set(int i) { return awaited_[static_cast<size_t>(i)].reply(); }
  AsyncCalls::Answer result(int i) { return awaited_[static_cast<size_t>(i)].get(); }

  Waiting waiting_;
  RawServer server_{[this](RawServer::Call& call) { waiting_.add(call); }};
  std::vector<Awaited<AsyncCalls::Answer>> awaited_{kCalls};
};

TEST_F(GrpcAsyncCallsTest, AnswersInAnyOrderReachTheirOwnCalls) {
  AsyncCalls calls(server_.peer("server"), std::make_shared<OperationQueue>());
  for (int i = 0; i < kCalls; ++i) {
    calls.start(kMethod, buffer_of(std::to_string(i)), kSoon.timeout, set(i));
  }
  const auto waiting = waiting_.wait_for(kCalls);
  for (auto call = waiting.rbegin(); call != waiting.rend(); ++call) {
    (*call)->answer("answer to " + (*call)->request());
  }
  for (int i = 0; i < kCalls; ++i) {
    const AsyncCalls::Answer answer = result(i);
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(bytes_of(*answer), "answer to " + std::to_string(i));
  }
}

TEST_F(GrpcAsyncCallsTest, DestructionEndsEachCallInFlightOnceAndNamesTheChannel) {
  {
    AsyncCalls calls(server_.peer("server"), std::make_shared<OperationQueue>());
    for (int i = 0; i < kCalls; ++i) {
      calls.start(kMethod, buffer_of("x"), kSoon.timeout, set(i));
    }
    waiting_.wait_for(kCalls);
  }
  for (int i = 0; i < kCalls; ++i) {
    ASSERT_TRUE(awaited_[static_cast<size_t>(i)].is_there_within(std::chrono::seconds(0))) << i;
    EXPECT_EQ(result(i).status(), cancelled("the channel to " + server_.address() + " closed"));
  }
}

TEST_F(GrpcAsyncCallsTest, DestructionEndsCallsThatStillWaitForAPeer) {
  const Result<Peer> nobody = connect_to("server", any_address(TransportKind::kGrpcUnix), 1000);
  ASSERT_TRUE(nobody.ok()) << nobody.status();
  {
    AsyncCalls calls(*nobody, std::make_shared<OperationQueue>());
    for (int i = 0; i < kCalls; ++i) {
      calls.start(kMethod, buffer_of("x"), core::Duration::max(), set(i));
    }
  }
  for (int i = 0; i < kCalls; ++i) EXPECT_EQ(result(i).status().code(), StatusCode::kCancelled);
}

TEST_F(GrpcAsyncCallsTest, LastReferenceDroppedInsideAReplyEndsTheOthersOnce) {
  auto calls =
      std::make_shared<AsyncCalls>(server_.peer("server"), std::make_shared<OperationQueue>());
  for (int i = 1; i < kCalls; ++i) calls->start(kMethod, buffer_of("x"), kSoon.timeout, set(i));
  waiting_.wait_for(kCalls - 1);
  AsyncCalls& last = *calls;
  last.start(kMethod, buffer_of("drop"), kSoon.timeout,
             [held = std::move(calls), reply = set(0)](AsyncCalls::Answer answer) mutable {
               held.reset();
               reply(std::move(answer));
             });
  for (RawServer::Call* call : waiting_.wait_for(kCalls)) {
    if (call->request() == "drop") call->answer("dropped");
  }
  EXPECT_EQ(bytes_of(*result(0)), "dropped");
  for (int i = 1; i < kCalls; ++i) EXPECT_EQ(result(i).status().code(), StatusCode::kCancelled);
}

TEST_F(GrpcAsyncCallsTest, CutEndsWhatIsInFlightAndNothingElse) {
  AsyncCalls calls(server_.peer("server"), std::make_shared<OperationQueue>());
  for (int i = 1; i < kCalls; ++i) calls.start(kMethod, buffer_of("x"), kSoon.timeout, set(i));
  waiting_.wait_for(kCalls - 1);
  calls.cut();
  for (int i = 1; i < kCalls; ++i) {
    EXPECT_EQ(result(i).status(), cancelled("the call to " + server_.address() + " was cut off"));
  }
  calls.start(kMethod, buffer_of("after"), kSoon.timeout, set(0));
  waiting_.wait_for(kCalls).back()->answer("answered");
  EXPECT_EQ(bytes_of(*result(0)), "answered");
}

TEST_F(GrpcAsyncCallsTest, CallStartedWhileTheChannelGoesIsCancelled) {
  std::optional<AsyncCalls> calls(std::in_place, server_.peer("server"),
                                  std::make_shared<OperationQueue>());
  calls->start(kMethod, buffer_of("x"), kSoon.timeout, [&](AsyncCalls::Answer) {
    calls->start(kMethod, buffer_of("again"), kSoon.timeout, set(0));
  });
  waiting_.wait_for(1);
  calls.reset();
  EXPECT_EQ(result(0).status(), cancelled("the channel to " + server_.address() + " closed"));
}

// Only this end may say CANCELLED: callers do not try again after it.
TEST_F(GrpcAsyncCallsTest, CancelledByThePeerIsUnavailable) {
  AsyncCalls calls(server_.peer("server"), std::make_shared<OperationQueue>());
  calls.start(kMethod, buffer_of("x"), kSoon.timeout, set(0));
  waiting_.wait_for(1)[0]->fail(grpc::Status(grpc::StatusCode::CANCELLED, "going away"));
  EXPECT_EQ(result(0).status(),
            unavailable("server at " + server_.address() + " broke off the call (going away)"));
}

TEST_F(GrpcAsyncCallsTest, ReplyMayStartTheNextCall) {
  AsyncCalls calls(server_.peer("server"), std::make_shared<OperationQueue>());
  calls.start(kMethod, buffer_of("first"), kSoon.timeout, [&](AsyncCalls::Answer first) {
    calls.start(kMethod, *first, kSoon.timeout, set(0));
  });
  waiting_.wait_for(1)[0]->answer("second");
  RawServer::Call& second = *waiting_.wait_for(2)[1];
  EXPECT_EQ(second.request(), "second");
  second.answer("third");
  EXPECT_EQ(bytes_of(*result(0)), "third");
}

}  // namespace
}  // namespace sluice::transport
