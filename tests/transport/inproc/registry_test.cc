#include "transport/inproc/registry.h"

#include <gtest/gtest.h>

#include <future>
#include <optional>
#include <set>
#include <thread>

namespace sluice::transport {
namespace {

using namespace std::chrono_literals;

class InprocRegistryTest : public ::testing::Test {
 protected:
  // No call is made, so that any address will do.
  InprocRegistry::Service service() {
    return {.parameters = reinterpret_cast<wire::ParameterService*>(this)};
  }
  InprocRegistry::Lease lease(const std::string& name) { return *registry_->acquire(name, 0s); }

  const std::shared_ptr<InprocRegistry> registry_ = std::make_shared<InprocRegistry>();
};

TEST_F(InprocRegistryTest, LeaseHoldsWhatWasAdded) {
  ASSERT_TRUE(registry_->add("a", service()).ok());
  ASSERT_TRUE(registry_->add("b", {}).ok());
  EXPECT_EQ(lease("a").service().parameters, service().parameters);
  EXPECT_EQ(lease("b").service().parameters, nullptr);
}

TEST_F(InprocRegistryTest, TakenNameIsRefusedAndFreeAgainAfterItsRemoval) {
  ASSERT_TRUE(registry_->add("a", {}).ok());
  EXPECT_EQ(registry_->add("a", {}).status().code(), StatusCode::kUnavailable);
  registry_->remove("a");
  EXPECT_EQ(*registry_->add("a", {}), "a");
}

TEST_F(InprocRegistryTest, EmptyNameGetsOneThatNobodyHas) {
  // The name that would be given first.
  const std::string taken = *InprocRegistry().add("", {});
  ASSERT_TRUE(registry_->add(taken, {}).ok());
  const std::string one = *registry_->add("", {});
  const std::string two = *registry_->add("", {});
  EXPECT_EQ((std::set<std::string>{taken, one, two}).size(), 3u);
}

TEST_F(InprocRegistryTest, RemovalWaitsForEveryLeaseAndLetsNoNewOneIn) {
  ASSERT_TRUE(registry_->add("a", service()).ok());
  std::optional<InprocRegistry::Lease> first(lease("a"));
  std::optional<InprocRegistry::Lease> second(lease("a"));
  auto removed = std::async(std::launch::async, [this] { registry_->remove("a"); });
  // The removal has begun when nobody gets in any more.
  while (registry_->acquire("a", 0s).ok()) std::this_thread::yield();

  EXPECT_EQ(registry_->add("a", {}).status().code(), StatusCode::kUnavailable) << "still in a call";
  first.reset();
  EXPECT_EQ(removed.wait_for(0s), std::future_status::timeout);
  EXPECT_EQ(second->service().parameters, service().parameters);
  second.reset();
  removed.get();
  EXPECT_TRUE(registry_->add("a", {}).ok());
}

TEST_F(InprocRegistryTest, MovedLeaseCountsOnce) {
  ASSERT_TRUE(registry_->add("a", {}).ok());
  {
    InprocRegistry::Lease lent = lease("a");
    const InprocRegistry::Lease moved = std::move(lent);
    EXPECT_EQ(moved.service().control, nullptr);
  }
  std::optional<InprocRegistry::Lease> kept(lease("a"));
  auto removed = std::async(std::launch::async, [this] { registry_->remove("a"); });
  while (registry_->acquire("a", 0s).ok()) std::this_thread::yield();
  EXPECT_EQ(removed.wait_for(0s), std::future_status::timeout);
  kept.reset();
}

TEST_F(InprocRegistryTest, CallDuringARemovalGoesToTheNextService) {
  ASSERT_TRUE(registry_->add("a", {}).ok());
  std::optional<InprocRegistry::Lease> held(lease("a"));
  auto removed = std::async(std::launch::async, [this] { registry_->remove("a"); });
  while (registry_->acquire("a", 0s).ok()) std::this_thread::yield();
  auto next = std::async(std::launch::async, [this] { return registry_->acquire("a", 20s); });
  held.reset();
  removed.get();
  ASSERT_TRUE(registry_->add("a", service()).ok());
  const auto found = next.get();
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->service().parameters, service().parameters);
}

TEST_F(InprocRegistryTest, LeaseOutlivesWhoeverElseHeldTheRegistry) {
  auto registry = std::make_shared<InprocRegistry>();
  ASSERT_TRUE(registry->add("a", service()).ok());
  const InprocRegistry::Lease lent = *registry->acquire("a", 0s);
  registry.reset();
  EXPECT_EQ(lent.service().parameters, service().parameters);
}

TEST_F(InprocRegistryTest, LongestTimeoutWaits) {
  auto found = std::async(std::launch::async,
                          [this] { return registry_->acquire("a", core::Duration::max()); });
  EXPECT_EQ(found.wait_for(50ms), std::future_status::timeout);
  ASSERT_TRUE(registry_->add("a", {}).ok());
  EXPECT_TRUE(found.get().ok());
}

}  // namespace
}  // namespace sluice::transport
