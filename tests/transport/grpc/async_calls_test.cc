#include "transport/grpc/async_calls.h"

#include <gtest/gtest.h>

#include <future>
#include <mutex>

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
  // Setting a promise again throws, on a thread where nobody catches it.
  std::function<void(AsyncCalls::Reply)> set(int i) {
    return [promise = promises_[static_cast<size_t>(i)]](AsyncCalls::Reply reply) {
      promise->set_value(std::move(reply));
    };
  }
  AsyncCalls::Reply result(int i) { return promises_[static_cast<size_t>(i)]->get_future().get(); }

  Waiting waiting_;
  RawServer server_{[this](RawServer::Call& call) { waiting_.add(call); }};
  const std::vector<std::shared_ptr<std::promise<AsyncCalls::Reply>>> promises_ = [] {
    std::vector<std::shared_ptr<std::promise<AsyncCalls::Reply>>> result(kCalls);
    for (auto& promise : result) promise = std::make_shared<std::promise<AsyncCalls::Reply>>();
    return result;
  }();
};

TEST_F(GrpcAsyncCallsTest, AnswersInAnyOrderReachTheirOwnCalls) {
  AsyncCalls calls(server_.peer("server"));
  for (int i = 0; i < kCalls; ++i) {
    calls.start(kMethod, buffer_of(std::to_string(i)), kSoon.timeout, set(i));
  }
  const auto waiting = waiting_.wait_for(kCalls);
  for (auto call = waiting.rbegin(); call != waiting.rend(); ++call) {
    (*call)->answer({"answer to " + (*call)->request()});
  }
  for (int i = 0; i < kCalls; ++i) {
    const AsyncCalls::Reply reply = result(i);
    ASSERT_TRUE(reply.ok()) << reply.status();
    EXPECT_EQ(bytes_of(*reply), "answer to " + std::to_string(i));
  }
}

TEST_F(GrpcAsyncCallsTest, DestructionEndsEachCallInFlightOnceAndNamesTheChannel) {
  {
    AsyncCalls calls(server_.peer("server"));
    for (int i = 0; i < kCalls; ++i) {
      calls.start(kMethod, buffer_of("x"), kSoon.timeout, set(i));
    }
    waiting_.wait_for(kCalls);
  }
  for (int i = 0; i < kCalls; ++i) {
    std::future<AsyncCalls::Reply> ended = promises_[static_cast<size_t>(i)]->get_future();
    ASSERT_EQ(ended.wait_for(std::chrono::seconds(0)), std::future_status::ready) << i;
    EXPECT_EQ(ended.get().status(), cancelled("the channel to " + server_.address() + " closed"));
  }
}

TEST_F(GrpcAsyncCallsTest, DestructionEndsCallsThatStillWaitForAPeer) {
  const Result<Peer> nobody = connect_to("server", any_address(TransportKind::kGrpcUnix));
  ASSERT_TRUE(nobody.ok()) << nobody.status();
  {
    AsyncCalls calls(*nobody);
    for (int i = 0; i < kCalls; ++i) {
      calls.start(kMethod, buffer_of("x"), core::Duration::max(), set(i));
    }
  }
  for (int i = 0; i < kCalls; ++i) EXPECT_EQ(result(i).status().code(), StatusCode::kCancelled);
}

TEST_F(GrpcAsyncCallsTest, LastReferenceDroppedInsideDoneEndsTheOthersOnce) {
  auto calls = std::make_shared<AsyncCalls>(server_.peer("server"));
  for (int i = 1; i < kCalls; ++i) calls->start(kMethod, buffer_of("x"), kSoon.timeout, set(i));
  waiting_.wait_for(kCalls - 1);
  AsyncCalls& last = *calls;
  last.start(kMethod, buffer_of("drop"), kSoon.timeout,
             [held = std::move(calls), done = set(0)](AsyncCalls::Reply reply) mutable {
               held.reset();
               done(std::move(reply));
             });
  for (RawServer::Call* call : waiting_.wait_for(kCalls)) {
    if (call->request() == "drop") call->answer({"dropped"});
  }
  EXPECT_EQ(bytes_of(*result(0)), "dropped");
  for (int i = 1; i < kCalls; ++i) EXPECT_EQ(result(i).status().code(), StatusCode::kCancelled);
}

// Only this end may say CANCELLED: callers do not try again after it.
TEST_F(GrpcAsyncCallsTest, CancelledByThePeerIsUnavailable) {
  AsyncCalls calls(server_.peer("server"));
  calls.start(kMethod, buffer_of("x"), kSoon.timeout, set(0));
  waiting_.wait_for(1)[0]->answer({}, grpc::Status(grpc::StatusCode::CANCELLED, "going away"));
  EXPECT_EQ(result(0).status(),
            unavailable("server at " + server_.address() + " broke off the call (going away)"));
}

TEST_F(GrpcAsyncCallsTest, DoneMayStartTheNextCall) {
  AsyncCalls calls(server_.peer("server"));
  calls.start(kMethod, buffer_of("first"), kSoon.timeout, [&](AsyncCalls::Reply first) {
    calls.start(kMethod, *first, kSoon.timeout, set(0));
  });
  waiting_.wait_for(1)[0]->answer({"second"});
  RawServer::Call& second = *waiting_.wait_for(2)[1];
  EXPECT_EQ(second.request(), "second");
  second.answer({"third"});
  EXPECT_EQ(bytes_of(*result(0)), "third");
}

}  // namespace
}  // namespace sluice::transport
