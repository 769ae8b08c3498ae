#include "sluice/status.h"

#include <gtest/gtest.h>

#include <memory>
#include <sstream>

namespace sluice {
namespace {

TEST(StatusTest, OkHasNoMessage) {
  EXPECT_TRUE(Status().ok());
  EXPECT_EQ(ok_status().to_string(), "OK");
  EXPECT_EQ(ok_status().code(), StatusCode::kOk);
}

TEST(StatusTest, ReadsAsCodeAndMessage) {
  const Status status = unavailable("server 0 at 127.0.0.1:7000 does not answer");
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(status.to_string(), "UNAVAILABLE: server 0 at 127.0.0.1:7000 does not answer");
  std::ostringstream out;
  out << status;
  EXPECT_EQ(out.str(), status.to_string());
}

TEST(StatusTest, ContextGoesInFrontOfErrorsOnly) {
  EXPECT_EQ(not_found("no such file").with_context("mnist").to_string(),
            "NOT_FOUND: mnist: no such file");
  EXPECT_EQ(ok_status().with_context("mnist"), ok_status());
}

// The numbers of grpc::StatusCode: a status crosses a call unchanged.
TEST(StatusTest, CodesAreNumberedAsInGrpc) {
  EXPECT_EQ(static_cast<int>(cancelled("").code()), 1);
  EXPECT_EQ(static_cast<int>(invalid_argument("").code()), 3);
  EXPECT_EQ(static_cast<int>(deadline_exceeded("").code()), 4);
  EXPECT_EQ(static_cast<int>(not_found("").code()), 5);
  EXPECT_EQ(static_cast<int>(failed_precondition("").code()), 9);
  EXPECT_EQ(static_cast<int>(internal_error("").code()), 13);
  EXPECT_EQ(static_cast<int>(unavailable("").code()), 14);
  EXPECT_EQ(static_cast<int>(data_loss("").code()), 15);
  EXPECT_EQ(to_string(StatusCode::kDeadlineExceeded), "DEADLINE_EXCEEDED");
  EXPECT_EQ(to_string(static_cast<StatusCode>(99)), "UNKNOWN");
}

TEST(ResultTest, HoldsAValueOrAStatus) {
  const Result<int> value = 7;
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(*value, 7);
  const Result<int> error = data_loss("cut short");
  EXPECT_FALSE(error.ok());
  EXPECT_EQ(error.status(), data_loss("cut short"));
  EXPECT_THROW(static_cast<void>(*error), std::bad_optional_access);
}

TEST(ResultTest, NeverHoldsAnOkStatusWithoutAValue) {
  const Result<int> result = ok_status();
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(result.status().code(), StatusCode::kInternal);
}

TEST(ResultTest, MoveOnlyValuesComeOut) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(3);
  const std::unique_ptr<int> value = *std::move(result);
  EXPECT_EQ(*value, 3);
}

Result<int> half(int n) {
  if (n % 2 != 0) return invalid_argument("odd");
  return n / 2;
}

Result<int> quarter(int n) {
  SLUICE_ASSIGN_OR_RETURN(const int once, half(n));
  SLUICE_ASSIGN_OR_RETURN(const int twice, half(once));
  return twice;
}

Status check_even(int n) {
  SLUICE_RETURN_IF_ERROR(half(n).status());
  return {};
}

TEST(ResultTest, MacrosReturnTheFirstError) {
  EXPECT_EQ(*quarter(12), 3);
  EXPECT_EQ(quarter(6).status(), invalid_argument("odd"));
  EXPECT_TRUE(check_even(4).ok());
  EXPECT_EQ(check_even(3), invalid_argument("odd"));
}

}  // namespace
}  // namespace sluice
